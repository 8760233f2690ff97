/* x87 data transfer: loads, stores, constants, exchange, conditional moves, stack management.
 *
 * Stores compute first, then touch memory, then enter exceptions, so that a page fault leaves everything as
 * it was. With an unmasked exception other than precision nothing is stored and nothing popped. Sources: SDM
 * vol. 2 (FLD, FST, FIST, FISTTP, FBLD, FBSTP, FXCH, FCMOVcc, FFREE), vol. 1, 8.5.1.1. */
#include "cpu/x87.h"

/* --- loads --------------------------------------------------------------------------------------------- */

/* Push a loaded value; `env` holds what the conversion raised. */
static enum exec load(struct cpu *cpu, struct fp_env *env, struct f80 value)
{
    if (UNLIKELY(!x87_empty(cpu, 7))) {
        if (x87_stack_fault(cpu, true))
            x87_push(cpu, x87_indefinite());
        return EXEC_NEXT;
    }
    /* An unmasked denormal is reported, yet the load completes (unlike an SNaN). */
    if (x87_raise(cpu, env) || !(env->flags & FP_IE))
        x87_push(cpu, value);
    return EXEC_NEXT;
}

static ALWAYS_INLINE enum exec load_float(struct cpu *cpu, const struct insn *insn, unsigned size)
{
    uint64_t value;
    if (!x87_wait(cpu))
        return x87_stall(cpu);
    if (!mem_read(cpu, insn->seg, insn_ea(cpu, insn), size, &value))
        return EXEC_FAULT;
    x87_note(cpu, insn);
    struct fp_env env = x87_env(cpu);
    struct f80 result = f80_load(&env, size == 4 ? fp_from_f32((uint32_t)value) : fp_from_f64(value));
    return load(cpu, &env, result);
}

enum exec exec_fld_m32(struct cpu *cpu, const struct insn *insn)
{
    return load_float(cpu, insn, 4);
}

enum exec exec_fld_m64(struct cpu *cpu, const struct insn *insn)
{
    return load_float(cpu, insn, 8);
}

static bool read_ten(struct cpu *cpu, const struct insn *insn, struct f80 *value)
{
    uint8_t bytes[10];
    if (!mem_read_bytes(cpu, insn->seg, insn_ea(cpu, insn), bytes, sizeof bytes))
        return false;
    memcpy(&value->significand, bytes, 8);
    memcpy(&value->sign_exp, bytes + 8, 2);
    return true;
}

/* No conversion, no exception but the stack's: even an SNaN or an unsupported format goes in as it is. */
enum exec exec_fld_m80(struct cpu *cpu, const struct insn *insn)
{
    struct f80 value;
    if (!x87_wait(cpu))
        return x87_stall(cpu);
    if (!read_ten(cpu, insn, &value))
        return EXEC_FAULT;
    x87_note(cpu, insn);
    struct fp_env env = x87_env(cpu);
    return load(cpu, &env, value);
}

enum exec exec_fbld(struct cpu *cpu, const struct insn *insn)
{
    struct f80 digits;
    if (!x87_wait(cpu))
        return x87_stall(cpu);
    if (!read_ten(cpu, insn, &digits))
        return EXEC_FAULT;
    x87_note(cpu, insn);
    struct fp_env env = x87_env(cpu);
    return load(cpu, &env, f80_from_bcd(digits.significand, digits.sign_exp));
}

static ALWAYS_INLINE enum exec load_integer(struct cpu *cpu, const struct insn *insn, unsigned size)
{
    uint64_t value;
    if (!x87_wait(cpu))
        return x87_stall(cpu);
    if (!mem_read(cpu, insn->seg, insn_ea(cpu, insn), size, &value))
        return EXEC_FAULT;
    x87_note(cpu, insn);
    unsigned unused = 64 - 8 * size;
    struct fp_env env = x87_env(cpu);
    return load(cpu, &env, f80_load(&env, fp_from_int((int64_t)(value << unused) >> unused)));
}

enum exec exec_fild_m16(struct cpu *cpu, const struct insn *insn)
{
    return load_integer(cpu, insn, 2);
}

enum exec exec_fild_m32(struct cpu *cpu, const struct insn *insn)
{
    return load_integer(cpu, insn, 4);
}

enum exec exec_fild_m64(struct cpu *cpu, const struct insn *insn)
{
    return load_integer(cpu, insn, 8);
}

enum exec exec_fld_st(struct cpu *cpu, const struct insn *insn)
{
    if (!x87_begin(cpu, insn))
        return x87_stall(cpu);
    unsigned i = insn->modrm & 7;
    if (x87_empty(cpu, i)) {
        if (x87_stack_fault(cpu, false))
            x87_push(cpu, x87_indefinite());
        return EXEC_NEXT;
    }
    struct fp_env env = x87_env(cpu);
    return load(cpu, &env, x87_get(cpu, i));
}

/* FLD1 to FLDZ, modrm E8 to EE: 66-bit internal constants, rounded by the rounding mode (SDM 1, 8.3.8);
 * `truncated` is the value rounded towards zero, `rest` what follows, in units of 2^-64. */
enum exec exec_fld_constant(struct cpu *cpu, const struct insn *insn)
{
    static const struct {
        uint64_t truncated;
        uint16_t exponent;
        bool inexact, nearest_up;
    } constants[] = {
        {0x8000000000000000, 0x3FFF, false, false}, /* 1 */
        {0xD49A784BCD1B8AFE, 0x4000, true, false},  /* log2(10) */
        {0xB8AA3B295C17F0BB, 0x3FFF, true, true},   /* log2(e) */
        {0xC90FDAA22168C234, 0x4000, true, true},   /* pi */
        {0x9A209A84FBCFF798, 0x3FFD, true, true},   /* log10(2) */
        {0xB17217F7D1CF79AB, 0x3FFE, true, true},   /* ln(2) */
        {0, 0, false, false},                       /* 0 */
    };
    if (!x87_begin(cpu, insn))
        return x87_stall(cpu);
    unsigned i = insn->modrm & 7;
    struct fp_env env = x87_env(cpu);
    bool up = env.rounding == FP_UP || (env.rounding == FP_NEAREST && constants[i].nearest_up);
    struct f80 value = {constants[i].truncated + (constants[i].inexact && up), constants[i].exponent};
    return load(cpu, &env, value);
}

/* --- stores -------------------------------------------------------------------------------------------- */

struct stored {
    uint64_t low;
    uint16_t high; /* bytes 8 and 9 of the ten-byte forms */
    unsigned size;
};

static bool write_stored(struct cpu *cpu, const struct insn *insn, const struct stored *value)
{
    if (value->size <= 8)
        return mem_write(cpu, insn->seg, insn_ea(cpu, insn), value->size, value->low);
    uint8_t bytes[10];
    memcpy(bytes, &value->low, 8);
    memcpy(bytes + 8, &value->high, 2);
    return mem_write_bytes(cpu, insn->seg, insn_ea(cpu, insn), bytes, sizeof bytes);
}

typedef void convert_fn(struct fp_env *env, struct cpu *cpu, struct stored *value);

/* Store ST(0), converted by `convert`, or `indefinite` when it is empty; then pop. */
static ALWAYS_INLINE enum exec store(struct cpu *cpu, const struct insn *insn, convert_fn *convert,
                                     struct stored indefinite, bool pop)
{
    if (!x87_wait(cpu))
        return x87_stall(cpu);
    struct fp_env env = x87_env(cpu);
    struct stored value = indefinite;
    bool empty = x87_empty(cpu, 0);
    if (!empty)
        convert(&env, cpu, &value);
    bool withheld = empty ? !(env.masks & FP_IE) : x87_store_withheld(&env);
    if (!withheld && !write_stored(cpu, insn, &value))
        return EXEC_FAULT;
    x87_note(cpu, insn);
    if (empty) {
        (void)x87_stack_fault(cpu, false);
    } else {
        x87_clear_c1(cpu);
        if (env.flags != 0)
            (void)x87_raise_slow(cpu, &env, true);
    }
    if (pop && !withheld)
        x87_pop(cpu);
    return EXEC_NEXT;
}

static void convert_f32(struct fp_env *env, struct cpu *cpu, struct stored *value)
{
    value->low = f80_to_f32(env, x87_num(cpu, 0));
}

static void convert_f64(struct fp_env *env, struct cpu *cpu, struct stored *value)
{
    value->low = f80_to_f64(env, x87_num(cpu, 0));
}

static void convert_f80(struct fp_env *env, struct cpu *cpu, struct stored *value)
{
    (void)env;
    struct f80 st0 = x87_get(cpu, 0);
    value->low = st0.significand;
    value->high = st0.sign_exp;
}

static void convert_integer(struct fp_env *env, struct cpu *cpu, struct stored *value)
{
    value->low = (uint64_t)fp_to_int(env, x87_num(cpu, 0), 8 * value->size, env->rounding);
}

static void convert_truncate(struct fp_env *env, struct cpu *cpu, struct stored *value)
{
    value->low = (uint64_t)fp_to_int(env, x87_num(cpu, 0), 8 * value->size, FP_TRUNCATE);
}

static void convert_bcd(struct fp_env *env, struct cpu *cpu, struct stored *value)
{
    f80_to_bcd(env, x87_num(cpu, 0), &value->low, &value->high);
}

static const struct stored NO_F32 = {0xFFC00000, 0, 4};
static const struct stored NO_F64 = {0xFFF8000000000000, 0, 8};
static const struct stored NO_F80 = {0xC000000000000000, 0xFFFF, 10}; /* also the BCD indefinite */

static struct stored no_integer(unsigned size)
{
    return (struct stored){1ull << (8 * size - 1), 0, size};
}

enum exec exec_fst_m32(struct cpu *cpu, const struct insn *insn)
{
    return store(cpu, insn, convert_f32, NO_F32, false);
}

enum exec exec_fstp_m32(struct cpu *cpu, const struct insn *insn)
{
    return store(cpu, insn, convert_f32, NO_F32, true);
}

enum exec exec_fst_m64(struct cpu *cpu, const struct insn *insn)
{
    return store(cpu, insn, convert_f64, NO_F64, false);
}

enum exec exec_fstp_m64(struct cpu *cpu, const struct insn *insn)
{
    return store(cpu, insn, convert_f64, NO_F64, true);
}

enum exec exec_fstp_m80(struct cpu *cpu, const struct insn *insn)
{
    return store(cpu, insn, convert_f80, NO_F80, true);
}

enum exec exec_fbstp(struct cpu *cpu, const struct insn *insn)
{
    return store(cpu, insn, convert_bcd, NO_F80, true);
}

enum exec exec_fist_m16(struct cpu *cpu, const struct insn *insn)
{
    return store(cpu, insn, convert_integer, no_integer(2), false);
}

enum exec exec_fist_m32(struct cpu *cpu, const struct insn *insn)
{
    return store(cpu, insn, convert_integer, no_integer(4), false);
}

enum exec exec_fistp_m16(struct cpu *cpu, const struct insn *insn)
{
    return store(cpu, insn, convert_integer, no_integer(2), true);
}

enum exec exec_fistp_m32(struct cpu *cpu, const struct insn *insn)
{
    return store(cpu, insn, convert_integer, no_integer(4), true);
}

enum exec exec_fistp_m64(struct cpu *cpu, const struct insn *insn)
{
    return store(cpu, insn, convert_integer, no_integer(8), true);
}

enum exec exec_fisttp_m16(struct cpu *cpu, const struct insn *insn)
{
    return store(cpu, insn, convert_truncate, no_integer(2), true);
}

enum exec exec_fisttp_m32(struct cpu *cpu, const struct insn *insn)
{
    return store(cpu, insn, convert_truncate, no_integer(4), true);
}

enum exec exec_fisttp_m64(struct cpu *cpu, const struct insn *insn)
{
    return store(cpu, insn, convert_truncate, no_integer(8), true);
}

/* --- register to register ------------------------------------------------------------------------------ */

static enum exec store_register(struct cpu *cpu, const struct insn *insn, bool pop)
{
    if (!x87_begin(cpu, insn))
        return x87_stall(cpu);
    struct f80 value = x87_get(cpu, 0);
    x87_clear_c1(cpu);
    if (x87_empty(cpu, 0)) {
        if (!x87_stack_fault(cpu, false))
            return EXEC_NEXT;
        value = x87_indefinite();
    }
    x87_set(cpu, insn->modrm & 7, value);
    if (pop)
        x87_pop(cpu);
    return EXEC_NEXT;
}

enum exec exec_fst_st(struct cpu *cpu, const struct insn *insn)
{
    return store_register(cpu, insn, false);
}

enum exec exec_fstp_st(struct cpu *cpu, const struct insn *insn)
{
    return store_register(cpu, insn, true);
}

/* D9 D8+i, undocumented: FSTP that neither reports an empty ST(0) nor stores it. */
enum exec exec_fstp_quiet(struct cpu *cpu, const struct insn *insn)
{
    if (!x87_begin(cpu, insn))
        return x87_stall(cpu);
    x87_clear_c1(cpu);
    if (!x87_empty(cpu, 0))
        x87_set(cpu, insn->modrm & 7, x87_get(cpu, 0));
    x87_pop(cpu);
    return EXEC_NEXT;
}

enum exec exec_fxch(struct cpu *cpu, const struct insn *insn)
{
    if (!x87_begin(cpu, insn))
        return x87_stall(cpu);
    unsigned i = insn->modrm & 7;
    bool top_empty = x87_empty(cpu, 0), other_empty = x87_empty(cpu, i);
    x87_clear_c1(cpu);
    if ((top_empty || other_empty) && !x87_stack_fault(cpu, false))
        return EXEC_NEXT;
    struct f80 top = top_empty ? x87_indefinite() : x87_get(cpu, 0);
    struct f80 other = other_empty ? x87_indefinite() : x87_get(cpu, i);
    x87_set(cpu, 0, other);
    x87_set(cpu, i, top);
    return EXEC_NEXT;
}

/* FCMOVcc: DA tests the condition, DB its opposite; modrm bits 3 and 4 choose CF, ZF, CF or ZF, PF.
 * C1 changes only in a stack fault. */
enum exec exec_fcmov(struct cpu *cpu, const struct insn *insn)
{
    static const uint8_t conditions[] = {0x2, 0x4, 0x6, 0xA}; /* B, E, BE, P */
    if (!x87_begin(cpu, insn))
        return x87_stall(cpu);
    unsigned i = insn->modrm & 7;
    if (x87_empty(cpu, 0) || x87_empty(cpu, i)) {
        if (x87_stack_fault(cpu, false))
            x87_set(cpu, 0, x87_indefinite());
        return EXEC_NEXT;
    }
    unsigned condition = conditions[insn->modrm >> 3 & 3] | (insn->opcode & 1);
    if (flags_condition(cpu, condition))
        x87_set(cpu, 0, x87_get(cpu, i));
    return EXEC_NEXT;
}

/* --- stack management ---------------------------------------------------------------------------------- */

enum exec exec_fnop(struct cpu *cpu, const struct insn *insn)
{
    return x87_begin(cpu, insn) ? EXEC_NEXT : x87_stall(cpu);
}

enum exec exec_ffree(struct cpu *cpu, const struct insn *insn)
{
    if (!x87_begin(cpu, insn))
        return x87_stall(cpu);
    x87_clear_c1(cpu);
    cpu->s.x87.valid &= (uint8_t) ~(1 << x87_physical(cpu, insn->modrm & 7));
    return EXEC_NEXT;
}

/* Undocumented but in every CPU: FFREE, then pop without looking. */
enum exec exec_ffreep(struct cpu *cpu, const struct insn *insn)
{
    if (!x87_begin(cpu, insn))
        return x87_stall(cpu);
    x87_clear_c1(cpu);
    cpu->s.x87.valid &= (uint8_t) ~(1 << x87_physical(cpu, insn->modrm & 7));
    x87_pop(cpu);
    return EXEC_NEXT;
}

enum exec exec_fincstp(struct cpu *cpu, const struct insn *insn)
{
    if (!x87_begin(cpu, insn))
        return x87_stall(cpu);
    x87_clear_c1(cpu);
    x87_set_top(cpu, x87_physical(cpu, 1));
    return EXEC_NEXT;
}

enum exec exec_fdecstp(struct cpu *cpu, const struct insn *insn)
{
    if (!x87_begin(cpu, insn))
        return x87_stall(cpu);
    x87_clear_c1(cpu);
    x87_set_top(cpu, x87_physical(cpu, 7));
    return EXEC_NEXT;
}
