/* Fast handlers of SHL, SHR, SAR by an immediate or CL on 32 and 64-bit registers. */
#include "cpu/fast.h"
#include "cpu/flags.h"

enum shift_op { SHIFT_SHL, SHIFT_SHR, SHIFT_SAR };

/* Flags as in exec_shift.c: OF is that of a shift by one. */
static ALWAYS_INLINE enum exec shift(struct cpu *cpu, const struct insn *insn, enum shift_op op,
                                     unsigned size, unsigned count)
{
    unsigned reg = insn->op[0].reg, bits = 8 * size;
    uint64_t value = gpr_read(cpu, reg, size), result, carry, overflow;
    count &= bits - 1;
    if (count == 0) {
        gpr_write(cpu, reg, size, value);
        return insn_done(cpu, insn);
    }
    switch (op) {
    case SHIFT_SHL:
        result = value << count;
        carry = value >> (bits - count);
        overflow = (value ^ value << 1) >> (bits - 1);
        break;
    case SHIFT_SHR:
        result = value >> count;
        carry = value >> (count - 1);
        overflow = value >> (bits - 1);
        break;
    default:
        result = (uint64_t)(sign_extend(value, size) >> count);
        carry = value >> (count - 1);
        overflow = 0;
        break;
    }
    flags_set_bits(cpu, size, result, (carry & 1) * FLAG_CF | (overflow & 1) * FLAG_OF);
    gpr_write(cpu, reg, size, result);
    return insn_done(cpu, insn);
}

static unsigned immediate(const struct cpu *cpu, const struct insn *insn)
{
    (void)cpu;
    return (unsigned)insn->imm;
}

static unsigned cl(const struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    return (unsigned)cpu->s.gpr[RCX];
}

#define SHIFT_ROW(op, size, count)                                                                           \
    static enum exec op##_##size##_##count(struct cpu *cpu, const struct insn *insn)                         \
    {                                                                                                        \
        return shift(cpu, insn, op, size, count(cpu, insn));                                                 \
    }
#include "cpu/fast_shift.def"
#undef SHIFT_ROW

exec_fn *fast_shift_select(const struct insn *insn, unsigned mode)
{
    (void)mode;
    static const struct {
        exec_fn *reference;
        unsigned size;
        bool by_cl;
        exec_fn *fast;
    } rows[] = {
#define REFERENCE_SHIFT_SHL        exec_shl
#define REFERENCE_SHIFT_SHR        exec_shr
#define REFERENCE_SHIFT_SAR        exec_sar
#define BY_CL_immediate            false
#define BY_CL_cl                   true
#define SHIFT_ROW(op, size, count) {REFERENCE_##op, size, BY_CL_##count, op##_##size##_##count},
#include "cpu/fast_shift.def"
#undef SHIFT_ROW
#undef REFERENCE_SHIFT_SHL
#undef REFERENCE_SHIFT_SHR
#undef REFERENCE_SHIFT_SAR
#undef BY_CL_immediate
#undef BY_CL_cl
    };
    if (!is_low_gpr(&insn->op[0]))
        return NULL;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
        if (insn->exec == rows[i].reference && insn->op[0].size == rows[i].size &&
            (insn->op[1].kind == OPK_GPR) == rows[i].by_cl)
            return rows[i].fast;
    return NULL;
}
