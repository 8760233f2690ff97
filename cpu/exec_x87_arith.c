/* x87 arithmetic: the two-operand family, comparisons, one-operand and transcendental instructions.
 *
 * One function per operation serves all encodings: D8, DC, DA, DE with a memory operand of f32, f64, i32, i16
 * (bits 1 and 2 of the opcode), and ST(0), ST(i) forms, of which DC and DE write ST(i) and DE pops.
 * Sources: SDM vol. 2 (each instruction), vol. 1, 8.1.4 (condition codes), 8.3.5-8.3.10, 8.5.1.1. */
#include "cpu/x87.h"

/* --- operands ------------------------------------------------------------------------------------------ */

/* The memory operand of D8..DF arithmetic, unconverted. */
static ALWAYS_INLINE bool read_source(struct cpu *cpu, const struct insn *insn, struct fp_num *source)
{
    static const uint8_t sizes[] = {4, 4, 8, 2};
    unsigned kind = insn->opcode >> 1 & 3;
    uint64_t value;
    if (!mem_read(cpu, insn->seg, insn_ea(cpu, insn), sizes[kind], &value))
        return false;
    switch (kind) {
    case 0: *source = fp_from_f32((uint32_t)value); break;
    case 1: *source = fp_from_int((int32_t)value); break;
    case 2: *source = fp_from_f64(value); break;
    default: *source = fp_from_int((int16_t)value); break;
    }
    return true;
}

static bool is_memory(const struct insn *insn)
{
    return insn->modrm < 0xC0;
}

/* --- add, subtract, multiply, divide ------------------------------------------------------------------- */

typedef struct f80 binary_fn(struct fp_env *env, struct fp_num a, struct fp_num b);

static ALWAYS_INLINE enum exec binary(struct cpu *cpu, const struct insn *insn, binary_fn *op, bool reverse)
{
    struct fp_num source = {0};
    unsigned i = insn->modrm & 7, target = 0;
    bool memory = is_memory(insn), pop = false;
    if (UNLIKELY(!x87_wait(cpu)))
        return x87_stall(cpu);
    if (memory && !read_source(cpu, insn, &source))
        return EXEC_FAULT;
    x87_note(cpu, insn);
    if (!memory && (insn->opcode & 4)) {
        target = i;
        pop = (insn->opcode & 2) != 0;
    }
    if (UNLIKELY(x87_empty(cpu, 0) || (!memory && x87_empty(cpu, i)))) {
        if (!x87_stack_fault(cpu, false))
            return EXEC_NEXT;
        x87_set(cpu, target, x87_indefinite());
    } else {
        if (!memory)
            source = x87_num(cpu, target == 0 && !(insn->opcode & 4) ? i : 0);
        struct fp_num destination = x87_num(cpu, target);
        struct fp_env env = x87_env(cpu);
        struct f80 result = reverse ? op(&env, source, destination) : op(&env, destination, source);
        if (!x87_raise(cpu, &env))
            return EXEC_NEXT;
        x87_set(cpu, target, result);
    }
    if (pop)
        x87_pop(cpu);
    return EXEC_NEXT;
}

enum exec exec_fadd(struct cpu *cpu, const struct insn *insn)
{
    return binary(cpu, insn, f80_add, false);
}

enum exec exec_fsub(struct cpu *cpu, const struct insn *insn)
{
    return binary(cpu, insn, f80_sub, false);
}

enum exec exec_fsubr(struct cpu *cpu, const struct insn *insn)
{
    return binary(cpu, insn, f80_sub, true);
}

enum exec exec_fmul(struct cpu *cpu, const struct insn *insn)
{
    return binary(cpu, insn, f80_mul, false);
}

enum exec exec_fdiv(struct cpu *cpu, const struct insn *insn)
{
    return binary(cpu, insn, f80_div, false);
}

enum exec exec_fdivr(struct cpu *cpu, const struct insn *insn)
{
    return binary(cpu, insn, f80_div, true);
}

/* --- compare ------------------------------------------------------------------------------------------- */

static uint16_t relation_codes(enum fp_relation relation)
{
    static const uint16_t codes[] = {
        [FP_LESS] = X87_C0, [FP_EQUAL] = X87_C3, [FP_GREATER] = 0, [FP_UNORDERED] = X87_C0 | X87_C2 | X87_C3};
    return codes[relation];
}

/* Compare ST(0) with memory or ST(i) into the condition codes. An unmasked exception leaves nothing popped,
 * but the codes are set. */
static ALWAYS_INLINE enum exec compare(struct cpu *cpu, const struct insn *insn, bool quiet, unsigned pops)
{
    struct fp_num source = {0};
    unsigned i = insn->modrm & 7;
    bool memory = is_memory(insn), delivered = true;
    enum fp_relation relation = FP_UNORDERED;
    if (UNLIKELY(!x87_wait(cpu)))
        return x87_stall(cpu);
    if (memory && !read_source(cpu, insn, &source))
        return EXEC_FAULT;
    x87_note(cpu, insn);
    if (UNLIKELY(x87_empty(cpu, 0) || (!memory && x87_empty(cpu, i)))) {
        delivered = x87_stack_fault(cpu, false);
    } else {
        struct fp_env env = x87_env(cpu);
        relation = f80_compare(&env, x87_num(cpu, 0), memory ? source : x87_num(cpu, i), quiet);
        delivered = x87_raise(cpu, &env);
    }
    x87_set_codes(cpu, relation_codes(relation));
    while (delivered && pops-- > 0)
        x87_pop(cpu);
    return EXEC_NEXT;
}

enum exec exec_fcom(struct cpu *cpu, const struct insn *insn)
{
    return compare(cpu, insn, false, 0);
}

enum exec exec_fcomp(struct cpu *cpu, const struct insn *insn)
{
    return compare(cpu, insn, false, 1);
}

enum exec exec_fcompp(struct cpu *cpu, const struct insn *insn)
{
    return compare(cpu, insn, false, 2);
}

enum exec exec_fucom(struct cpu *cpu, const struct insn *insn)
{
    return compare(cpu, insn, true, 0);
}

enum exec exec_fucomp(struct cpu *cpu, const struct insn *insn)
{
    return compare(cpu, insn, true, 1);
}

enum exec exec_fucompp(struct cpu *cpu, const struct insn *insn)
{
    return compare(cpu, insn, true, 2);
}

/* FCOMI family: ZF, PF, CF; OF, SF, AF are cleared. As on Intel CPUs the flags are written even when an
 * exception is unmasked, and C1 changes only in a stack fault. */
static ALWAYS_INLINE enum exec compare_flags(struct cpu *cpu, const struct insn *insn, bool quiet, bool pop)
{
    static const uint8_t flags[] = {[FP_LESS] = FLAG_CF,
                                    [FP_EQUAL] = FLAG_ZF,
                                    [FP_GREATER] = 0,
                                    [FP_UNORDERED] = FLAG_ZF | FLAG_PF | FLAG_CF};
    unsigned i = insn->modrm & 7;
    enum fp_relation relation = FP_UNORDERED;
    bool delivered;
    if (!x87_begin(cpu, insn))
        return x87_stall(cpu);
    if (UNLIKELY(x87_empty(cpu, 0) || x87_empty(cpu, i))) {
        delivered = x87_stack_fault(cpu, false);
    } else {
        struct fp_env env = x87_env(cpu);
        relation = f80_compare(&env, x87_num(cpu, 0), x87_num(cpu, i), quiet);
        delivered = env.flags == 0 || x87_raise_slow(cpu, &env, false);
    }
    flags_write(cpu, flags[relation], FLAGS_ARITH);
    if (pop && delivered)
        x87_pop(cpu);
    return EXEC_NEXT;
}

enum exec exec_fcomi(struct cpu *cpu, const struct insn *insn)
{
    return compare_flags(cpu, insn, false, false);
}

enum exec exec_fcomip(struct cpu *cpu, const struct insn *insn)
{
    return compare_flags(cpu, insn, false, true);
}

enum exec exec_fucomi(struct cpu *cpu, const struct insn *insn)
{
    return compare_flags(cpu, insn, true, false);
}

enum exec exec_fucomip(struct cpu *cpu, const struct insn *insn)
{
    return compare_flags(cpu, insn, true, true);
}

enum exec exec_ftst(struct cpu *cpu, const struct insn *insn)
{
    enum fp_relation relation = FP_UNORDERED;
    if (!x87_begin(cpu, insn))
        return x87_stall(cpu);
    if (x87_empty(cpu, 0)) {
        (void)x87_stack_fault(cpu, false);
    } else {
        struct fp_env env = x87_env(cpu);
        relation = f80_compare(&env, x87_num(cpu, 0), fp_from_int(0), false);
        (void)x87_raise(cpu, &env);
    }
    x87_set_codes(cpu, relation_codes(relation));
    return EXEC_NEXT;
}

/* FXAM: class in C3, C2, C0, sign in C1; an empty register is a class of its own. */
enum exec exec_fxam(struct cpu *cpu, const struct insn *insn)
{
    static const uint16_t codes[] = {[FP_CLASS_NORMAL] = X87_C2, [FP_CLASS_DENORMAL] = X87_C3 | X87_C2,
                                     [FP_CLASS_ZERO] = X87_C3,   [FP_CLASS_INFINITY] = X87_C2 | X87_C0,
                                     [FP_CLASS_QNAN] = X87_C0,   [FP_CLASS_SNAN] = X87_C0,
                                     [FP_CLASS_UNSUPPORTED] = 0};
    if (!x87_begin(cpu, insn))
        return x87_stall(cpu);
    struct fp_num st0 = x87_num(cpu, 0);
    uint16_t result = x87_empty(cpu, 0) ? X87_C3 | X87_C0 : codes[st0.cls];
    x87_set_codes(cpu, (uint16_t)(result | (st0.sign ? X87_C1 : 0)));
    return EXEC_NEXT;
}

/* --- one operand --------------------------------------------------------------------------------------- */

/* ST(0) is empty: the masked response. */
static enum exec underflow_top(struct cpu *cpu)
{
    if (x87_stack_fault(cpu, false))
        x87_set(cpu, 0, x87_indefinite());
    return EXEC_NEXT;
}

/* FCHS and FABS touch the sign bit of anything. */
static ALWAYS_INLINE enum exec change_sign(struct cpu *cpu, const struct insn *insn, uint16_t keep,
                                           uint16_t flip)
{
    if (!x87_begin(cpu, insn))
        return x87_stall(cpu);
    if (x87_empty(cpu, 0))
        return underflow_top(cpu);
    struct f80 value = x87_get(cpu, 0);
    value.sign_exp = (value.sign_exp & keep) ^ flip;
    x87_clear_c1(cpu);
    x87_set(cpu, 0, value);
    return EXEC_NEXT;
}

enum exec exec_fchs(struct cpu *cpu, const struct insn *insn)
{
    return change_sign(cpu, insn, 0xFFFF, 0x8000);
}

enum exec exec_fabs(struct cpu *cpu, const struct insn *insn)
{
    return change_sign(cpu, insn, 0x7FFF, 0);
}

typedef struct f80 unary_fn(struct fp_env *env, struct fp_num a);

static ALWAYS_INLINE enum exec unary(struct cpu *cpu, const struct insn *insn, unary_fn *op)
{
    if (!x87_begin(cpu, insn))
        return x87_stall(cpu);
    if (x87_empty(cpu, 0))
        return underflow_top(cpu);
    struct fp_env env = x87_env(cpu);
    struct f80 result = op(&env, x87_num(cpu, 0));
    if (x87_raise(cpu, &env))
        x87_set(cpu, 0, result);
    return EXEC_NEXT;
}

enum exec exec_fsqrt(struct cpu *cpu, const struct insn *insn)
{
    return unary(cpu, insn, f80_sqrt);
}

enum exec exec_frndint(struct cpu *cpu, const struct insn *insn)
{
    return unary(cpu, insn, f80_round_to_integral);
}

enum exec exec_f2xm1(struct cpu *cpu, const struct insn *insn)
{
    return unary(cpu, insn, f80_exp2m1);
}

/* --- ST(0) and ST(1) ----------------------------------------------------------------------------------- */

/* op(ST(a), ST(b)) into ST(0), or into ST(1) with a pop. */
static ALWAYS_INLINE enum exec top_two(struct cpu *cpu, const struct insn *insn, binary_fn *op,
                                       bool into_second)
{
    unsigned target = into_second;
    if (!x87_begin(cpu, insn))
        return x87_stall(cpu);
    if (x87_empty(cpu, 0) || x87_empty(cpu, 1)) {
        if (!x87_stack_fault(cpu, false))
            return EXEC_NEXT;
        x87_set(cpu, target, x87_indefinite());
    } else {
        struct fp_env env = x87_env(cpu);
        struct f80 result = op(&env, x87_num(cpu, target), x87_num(cpu, !target));
        if (!x87_raise(cpu, &env))
            return EXEC_NEXT;
        x87_set(cpu, target, result);
    }
    if (into_second)
        x87_pop(cpu);
    return EXEC_NEXT;
}

enum exec exec_fscale(struct cpu *cpu, const struct insn *insn)
{
    return top_two(cpu, insn, f80_scale, false);
}

enum exec exec_fpatan(struct cpu *cpu, const struct insn *insn)
{
    return top_two(cpu, insn, f80_atan2, true);
}

enum exec exec_fyl2x(struct cpu *cpu, const struct insn *insn)
{
    return top_two(cpu, insn, f80_ylog2x, true);
}

enum exec exec_fyl2xp1(struct cpu *cpu, const struct insn *insn)
{
    return top_two(cpu, insn, f80_ylog2xp1, true);
}

/* Quotient bits 2, 1, 0 go to C0, C3, C1; C2 says that the reduction is not complete. Without a result C0 and
 * C3 stay. */
static enum exec reduce(struct cpu *cpu, const struct insn *insn, bool nearest)
{
    if (!x87_begin(cpu, insn))
        return x87_stall(cpu);
    cpu->s.x87.status &= (uint16_t)~X87_C2;
    if (x87_empty(cpu, 0) || x87_empty(cpu, 1))
        return underflow_top(cpu);
    struct fp_env env = x87_env(cpu);
    struct f80_remainder result = f80_rem(&env, x87_num(cpu, 0), x87_num(cpu, 1), nearest);
    if (!x87_raise(cpu, &env))
        return EXEC_NEXT;
    x87_set(cpu, 0, result.value);
    if (fp_from_f80(result.value).cls >= FP_CLASS_QNAN)
        return EXEC_NEXT;
    unsigned codes = result.partial ? X87_C2 : 0;
    codes |= result.quotient & 4 ? X87_C0 : 0;
    codes |= result.quotient & 2 ? X87_C3 : 0;
    codes |= result.quotient & 1 ? X87_C1 : 0;
    x87_set_codes(cpu, (uint16_t)codes);
    return EXEC_NEXT;
}

enum exec exec_fprem(struct cpu *cpu, const struct insn *insn)
{
    return reduce(cpu, insn, false);
}

enum exec exec_fprem1(struct cpu *cpu, const struct insn *insn)
{
    return reduce(cpu, insn, true);
}

/* --- two results --------------------------------------------------------------------------------------- */

/* Both stack conditions of an instruction that replaces ST(0) and pushes. True: go on. */
static bool can_push_second(struct cpu *cpu)
{
    bool underflow = x87_empty(cpu, 0);
    if (LIKELY(!underflow && x87_empty(cpu, 7)))
        return true;
    if (x87_stack_fault(cpu, !underflow)) {
        x87_set(cpu, 0, x87_indefinite());
        x87_push(cpu, x87_indefinite());
    }
    return false;
}

enum exec exec_fxtract(struct cpu *cpu, const struct insn *insn)
{
    if (!x87_begin(cpu, insn))
        return x87_stall(cpu);
    if (!can_push_second(cpu))
        return EXEC_NEXT;
    struct fp_env env = x87_env(cpu);
    struct f80 exponent, significand = f80_extract(&env, x87_num(cpu, 0), &exponent);
    if (x87_raise(cpu, &env)) {
        x87_set(cpu, 0, exponent);
        x87_push(cpu, significand);
    }
    return EXEC_NEXT;
}

/* --- trigonometry: C2 set and nothing else changed when the operand is out of range -----------------------
 */

typedef struct f80 trig_fn(struct fp_env *env, struct fp_num a, bool *out_of_range);

/* Evaluate op on ST(0); true: deliver. */
static bool trig(struct cpu *cpu, trig_fn *op, struct f80 *result)
{
    bool out_of_range = false;
    struct fp_env env = x87_env(cpu);
    *result = op(&env, x87_num(cpu, 0), &out_of_range);
    bool delivered = x87_raise(cpu, &env);
    if (out_of_range)
        cpu->s.x87.status |= X87_C2;
    return delivered && !out_of_range;
}

static enum exec trig_one(struct cpu *cpu, const struct insn *insn, trig_fn *op)
{
    struct f80 result;
    if (!x87_begin(cpu, insn))
        return x87_stall(cpu);
    cpu->s.x87.status &= (uint16_t)~X87_C2;
    if (x87_empty(cpu, 0))
        return underflow_top(cpu);
    if (trig(cpu, op, &result))
        x87_set(cpu, 0, result);
    return EXEC_NEXT;
}

enum exec exec_fsin(struct cpu *cpu, const struct insn *insn)
{
    return trig_one(cpu, insn, f80_sin);
}

enum exec exec_fcos(struct cpu *cpu, const struct insn *insn)
{
    return trig_one(cpu, insn, f80_cos);
}

enum exec exec_fptan(struct cpu *cpu, const struct insn *insn)
{
    struct f80 result;
    if (!x87_begin(cpu, insn))
        return x87_stall(cpu);
    cpu->s.x87.status &= (uint16_t)~X87_C2;
    if (!can_push_second(cpu) || !trig(cpu, f80_tan, &result))
        return EXEC_NEXT;
    /* A NaN is pushed a second time instead of 1. */
    bool nan = fp_from_f80(result).cls >= FP_CLASS_QNAN;
    x87_set(cpu, 0, result);
    x87_push(cpu, nan ? result : (struct f80){1ull << 63, 0x3FFF});
    return EXEC_NEXT;
}

enum exec exec_fsincos(struct cpu *cpu, const struct insn *insn)
{
    if (!x87_begin(cpu, insn))
        return x87_stall(cpu);
    cpu->s.x87.status &= (uint16_t)~X87_C2;
    if (!can_push_second(cpu))
        return EXEC_NEXT;
    bool out_of_range = false;
    struct fp_env env = x87_env(cpu);
    struct f80 sine = f80_sin(&env, x87_num(cpu, 0), &out_of_range);
    struct f80 cosine = f80_cos(&env, x87_num(cpu, 0), &out_of_range);
    bool delivered = x87_raise(cpu, &env);
    if (out_of_range)
        cpu->s.x87.status |= X87_C2;
    if (delivered && !out_of_range) {
        x87_set(cpu, 0, sine);
        x87_push(cpu, cosine);
    }
    return EXEC_NEXT;
}
