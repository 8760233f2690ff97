/* Bit manipulation: LZCNT, TZCNT, MOVBE, BMI1 (ANDN BEXTR BLSI BLSMSK BLSR), BMI2 (BZHI MULX PDEP PEXT RORX
 * SARX SHLX SHRX) (SDM vol. 2).
 *
 * The VEX-encoded ones have 32 bits, or 64 with W in 64-bit mode; where they have three operands, the one in
 * VEX.vvvv is insn->source. Undefined flags as Intel CPUs set them: AF and PF are cleared, BEXTR also clears
 * SF; LZCNT and TZCNT clear OF, SF, AF and PF. */
#include "cpu/flags.h"
#include "cpu/operand.h"

/* ZF, SF and CF; the others are cleared. */
static void result_flags(struct cpu *cpu, unsigned size, uint64_t result, bool carry)
{
    uint64_t flags = carry ? FLAG_CF : 0;
    flags |= (result & size_mask(size)) == 0 ? FLAG_ZF : 0;
    flags |= result & sign_bit(size) ? FLAG_SF : 0;
    flags_write(cpu, flags, FLAGS_ARITH);
}

static enum exec commit(struct cpu *cpu, const struct insn *insn, uint64_t result)
{
    gpr_write(cpu, insn->op[0].reg, insn->op[0].size, result);
    return EXEC_NEXT;
}

static uint64_t source_read(const struct cpu *cpu, const struct insn *insn)
{
    return gpr_read(cpu, insn->source, insn->op[0].size);
}

/* ---- Counts of zeros: CF says that there was nothing to find ---- */

static enum exec count_zeros(struct cpu *cpu, const struct insn *insn, bool leading)
{
    unsigned size = insn->op[0].size, count = 8 * size;
    uint64_t value;
    if (!operand_read(cpu, insn, 1, &value))
        return EXEC_FAULT;
    if (value != 0)
        count =
            leading ? (unsigned)__builtin_clzll(value) - (64 - 8 * size) : (unsigned)__builtin_ctzll(value);
    flags_write(cpu, (value == 0 ? FLAG_CF : 0) | (count == 0 ? FLAG_ZF : 0), FLAGS_ARITH);
    return commit(cpu, insn, count);
}

enum exec exec_lzcnt(struct cpu *cpu, const struct insn *insn)
{
    return count_zeros(cpu, insn, true);
}

enum exec exec_tzcnt(struct cpu *cpu, const struct insn *insn)
{
    return count_zeros(cpu, insn, false);
}

/* ---- MOVBE ---- */

enum exec exec_movbe(struct cpu *cpu, const struct insn *insn)
{
    uint64_t value;
    if (!operand_read(cpu, insn, 1, &value))
        return EXEC_FAULT;
    value = __builtin_bswap64(value) >> (64 - 8 * insn->op[0].size);
    return operand_write(cpu, insn, 0, value) ? EXEC_NEXT : EXEC_FAULT;
}

/* ---- BMI1 ---- */

enum exec exec_andn(struct cpu *cpu, const struct insn *insn)
{
    uint64_t value;
    if (!operand_read(cpu, insn, 1, &value))
        return EXEC_FAULT;
    value &= ~source_read(cpu, insn);
    result_flags(cpu, insn->op[0].size, value, false);
    return commit(cpu, insn, value);
}

/* Bits 7..0 of the control are the first bit, 15..8 how many. */
enum exec exec_bextr(struct cpu *cpu, const struct insn *insn)
{
    uint64_t value, control = source_read(cpu, insn);
    if (!operand_read(cpu, insn, 1, &value))
        return EXEC_FAULT;
    unsigned start = control & 0xFF, length = control >> 8 & 0xFF;
    value = start < 64 ? value >> start : 0;
    if (length < 64)
        value &= (UINT64_C(1) << length) - 1;
    flags_write(cpu, value == 0 ? FLAG_ZF : 0, FLAGS_ARITH);
    return commit(cpu, insn, value);
}

/* Isolate the lowest set bit. */
enum exec exec_blsi(struct cpu *cpu, const struct insn *insn)
{
    uint64_t value;
    if (!operand_read(cpu, insn, 1, &value))
        return EXEC_FAULT;
    uint64_t result = value & -value;
    result_flags(cpu, insn->op[0].size, result, value != 0);
    return commit(cpu, insn, result);
}

/* Ones up to the lowest set bit. */
enum exec exec_blsmsk(struct cpu *cpu, const struct insn *insn)
{
    uint64_t value;
    if (!operand_read(cpu, insn, 1, &value))
        return EXEC_FAULT;
    uint64_t result = value ^ (value - 1);
    result_flags(cpu, insn->op[0].size, result, value == 0);
    return commit(cpu, insn, result);
}

/* Clear the lowest set bit. */
enum exec exec_blsr(struct cpu *cpu, const struct insn *insn)
{
    uint64_t value;
    if (!operand_read(cpu, insn, 1, &value))
        return EXEC_FAULT;
    uint64_t result = value & (value - 1);
    result_flags(cpu, insn->op[0].size, result, value == 0);
    return commit(cpu, insn, result);
}

/* ---- BMI2 ---- */

/* Clear the bits from a number in the low byte of the source on. */
enum exec exec_bzhi(struct cpu *cpu, const struct insn *insn)
{
    unsigned bits = 8 * insn->op[0].size, from = source_read(cpu, insn) & 0xFF;
    uint64_t value;
    if (!operand_read(cpu, insn, 1, &value))
        return EXEC_FAULT;
    if (from < bits)
        value &= (UINT64_C(1) << from) - 1;
    result_flags(cpu, insn->op[0].size, value, from >= bits);
    return commit(cpu, insn, value);
}

/* RDX times the operand; the source register gets the low half, then the destination the high one, so that
 * one register named twice ends with the latter. */
enum exec exec_mulx(struct cpu *cpu, const struct insn *insn)
{
    unsigned size = insn->op[0].size;
    uint64_t factor;
    if (!operand_read(cpu, insn, 1, &factor))
        return EXEC_FAULT;
    __extension__ unsigned __int128 product = gpr_read(cpu, RDX, size);
    product *= factor;
    gpr_write(cpu, insn->source, size, (uint64_t)product);
    return commit(cpu, insn, (uint64_t)(product >> (8 * size)));
}

/* Bits of the source, from the lowest on, to the places of ones in the mask. */
enum exec exec_pdep(struct cpu *cpu, const struct insn *insn)
{
    uint64_t mask, from = source_read(cpu, insn), result = 0;
    if (!operand_read(cpu, insn, 1, &mask))
        return EXEC_FAULT;
    for (; mask != 0; mask &= mask - 1, from >>= 1)
        if (from & 1)
            result |= mask & -mask;
    return commit(cpu, insn, result);
}

/* Bits of the source at the places of ones in the mask, put together. */
enum exec exec_pext(struct cpu *cpu, const struct insn *insn)
{
    uint64_t mask, from = source_read(cpu, insn), result = 0;
    if (!operand_read(cpu, insn, 1, &mask))
        return EXEC_FAULT;
    for (unsigned i = 0; mask != 0; mask &= mask - 1, i++)
        if (from & mask & -mask)
            result |= UINT64_C(1) << i;
    return commit(cpu, insn, result);
}

enum exec exec_rorx(struct cpu *cpu, const struct insn *insn)
{
    unsigned bits = 8 * insn->op[0].size, count = insn->imm & (bits - 1);
    uint64_t value;
    if (!operand_read(cpu, insn, 1, &value))
        return EXEC_FAULT;
    return commit(cpu, insn, count ? value >> count | value << (bits - count) : value);
}

enum shift { SHIFT_LEFT, SHIFT_RIGHT, SHIFT_RIGHT_SIGNED };

static ALWAYS_INLINE enum exec shift_by_register(struct cpu *cpu, const struct insn *insn, enum shift shift)
{
    unsigned size = insn->op[0].size, count = source_read(cpu, insn) & (8 * size - 1);
    uint64_t value;
    if (!operand_read(cpu, insn, 1, &value))
        return EXEC_FAULT;
    switch (shift) {
    case SHIFT_LEFT: value <<= count; break;
    case SHIFT_RIGHT: value >>= count; break;
    case SHIFT_RIGHT_SIGNED: value = (uint64_t)(sign_extend(value, size) >> count); break;
    }
    return commit(cpu, insn, value);
}

enum exec exec_shlx(struct cpu *cpu, const struct insn *insn)
{
    return shift_by_register(cpu, insn, SHIFT_LEFT);
}

enum exec exec_shrx(struct cpu *cpu, const struct insn *insn)
{
    return shift_by_register(cpu, insn, SHIFT_RIGHT);
}

enum exec exec_sarx(struct cpu *cpu, const struct insn *insn)
{
    return shift_by_register(cpu, insn, SHIFT_RIGHT_SIGNED);
}
