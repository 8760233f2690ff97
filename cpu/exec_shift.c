/* Shifts, rotates and double shifts (SDM vol. 2: SAL/SAR/SHL/SHR, RCL/RCR/ROL/ROR, SHLD, SHRD).
 *
 * Counts are taken modulo 32, or 64 with 64-bit operands. With a count of 0 no flag changes and the
 * destination is written with its own value (it must still be writable).
 *
 * Where flags are undefined, what Intel Core CPUs do: OF is that of a shift or rotate by 1 of the original
 * operand, whatever the count; AF is 0 after shifts; RCL and RCR by a multiple of operand size + 1 change no
 * flag; ROL and ROR of a register by an immediate other than 1 leave OF alone. SHLD and SHRD r16 by more than
 * 16 shift the operand in again behind the filler. */
#include "cpu/flags.h"
#include "cpu/operand.h"

/* Operand values and count; false: fault. */
static ALWAYS_INLINE bool shift_operands(struct cpu *cpu, const struct insn *insn, unsigned count_operand,
                                         uint64_t *value, unsigned *count)
{
    uint64_t raw;
    if (!operand_read(cpu, insn, count_operand, &raw) || !operand_read_modify(cpu, insn, 0, value))
        return false;
    *count = (unsigned)raw & (insn->op[0].size == 8 ? 63 : 31);
    return true;
}

/* Write the result, then set flags; with a count of 0 only the write. */
static ALWAYS_INLINE enum exec shift_commit(struct cpu *cpu, const struct insn *insn, uint64_t result,
                                            unsigned count, bool carry, bool overflow)
{
    if (!operand_write(cpu, insn, 0, result))
        return EXEC_FAULT;
    if (count != 0)
        flags_set_bits(cpu, insn->op[0].size, result, (carry ? FLAG_CF : 0) | (overflow ? FLAG_OF : 0));
    return EXEC_NEXT;
}

static ALWAYS_INLINE bool msb(uint64_t value, unsigned size)
{
    return (value & sign_bit(size)) != 0;
}

/* Would a shift left by 1 change the sign? */
static ALWAYS_INLINE bool left_overflow(uint64_t value, unsigned size)
{
    return msb(value ^ value << 1, size);
}

enum exec exec_shl(struct cpu *cpu, const struct insn *insn)
{
    uint64_t value;
    unsigned count, size = insn->op[0].size, bits = 8 * size;
    if (!shift_operands(cpu, insn, 1, &value, &count))
        return EXEC_FAULT;
    uint64_t result = count == 0 ? value : value << (count - 1) << 1;
    bool carry = count != 0 && count <= bits && (value >> (bits - count) & 1) != 0;
    return shift_commit(cpu, insn, result, count, carry, left_overflow(value, size));
}

enum exec exec_shr(struct cpu *cpu, const struct insn *insn)
{
    uint64_t value;
    unsigned count, size = insn->op[0].size;
    if (!shift_operands(cpu, insn, 1, &value, &count))
        return EXEC_FAULT;
    uint64_t last = count == 0 ? 0 : value >> (count - 1);
    uint64_t result = count == 0 ? value : last >> 1;
    return shift_commit(cpu, insn, result, count, last & 1, msb(value, size));
}

enum exec exec_sar(struct cpu *cpu, const struct insn *insn)
{
    uint64_t value;
    unsigned count, size = insn->op[0].size;
    if (!shift_operands(cpu, insn, 1, &value, &count))
        return EXEC_FAULT;
    int64_t extended = sign_extend(value, size);
    int64_t last = count == 0 ? 0 : extended >> (count - 1);
    uint64_t result = (uint64_t)(count == 0 ? extended : last >> 1);
    return shift_commit(cpu, insn, result, count, last & 1, false);
}

/* ---- Rotates change only CF and OF ---- */

static ALWAYS_INLINE enum exec rotate_commit(struct cpu *cpu, const struct insn *insn, uint64_t result,
                                             unsigned count, bool carry, bool overflow)
{
    if (!operand_write(cpu, insn, 0, result))
        return EXEC_FAULT;
    if (count != 0)
        flags_write(cpu, (carry ? FLAG_CF : 0) | (overflow ? FLAG_OF : 0), FLAG_CF | FLAG_OF);
    return EXEC_NEXT;
}

/* ROL and ROR. */
static ALWAYS_INLINE enum exec plain_rotate_commit(struct cpu *cpu, const struct insn *insn, uint64_t result,
                                                   unsigned count, bool carry, bool overflow)
{
    if (insn->op[1].kind != OPK_IMM || insn->op[0].kind == OPK_MEM || count <= 1)
        return rotate_commit(cpu, insn, result, count, carry, overflow);
    if (!operand_write(cpu, insn, 0, result))
        return EXEC_FAULT;
    flags_write(cpu, carry ? FLAG_CF : 0, FLAG_CF);
    return EXEC_NEXT;
}

enum exec exec_rol(struct cpu *cpu, const struct insn *insn)
{
    uint64_t value;
    unsigned count, size = insn->op[0].size, bits = 8 * size;
    if (!shift_operands(cpu, insn, 1, &value, &count))
        return EXEC_FAULT;
    unsigned by = count & (bits - 1);
    uint64_t result = by == 0 ? value : (value << by | value >> (bits - by)) & size_mask(size);
    return plain_rotate_commit(cpu, insn, result, count, result & 1, left_overflow(value, size));
}

enum exec exec_ror(struct cpu *cpu, const struct insn *insn)
{
    uint64_t value;
    unsigned count, size = insn->op[0].size, bits = 8 * size;
    if (!shift_operands(cpu, insn, 1, &value, &count))
        return EXEC_FAULT;
    unsigned by = count & (bits - 1);
    uint64_t result = by == 0 ? value : (value >> by | value << (bits - by)) & size_mask(size);
    return plain_rotate_commit(cpu, insn, result, count, msb(result, size), (value & 1) != msb(value, size));
}

/* RCL, RCR rotate size*8 + 1 bits: the operand with CF above it. */
enum exec exec_rcl(struct cpu *cpu, const struct insn *insn)
{
    uint64_t value;
    unsigned count, size = insn->op[0].size, bits = 8 * size;
    if (!shift_operands(cpu, insn, 1, &value, &count))
        return EXEC_FAULT;
    unsigned by = count % (bits + 1);
    bool carry = flag_carry(cpu);
    uint64_t result = value;
    if (by != 0) {
        bool out = value >> (bits - by) & 1;
        uint64_t low = by > 1 ? value >> (bits - by) >> 1 : 0;
        result = (value << (by - 1) << 1 | (uint64_t)carry << (by - 1) | low) & size_mask(size);
        carry = out;
    }
    return rotate_commit(cpu, insn, result, by, carry, left_overflow(value, size));
}

enum exec exec_rcr(struct cpu *cpu, const struct insn *insn)
{
    uint64_t value;
    unsigned count, size = insn->op[0].size, bits = 8 * size;
    if (!shift_operands(cpu, insn, 1, &value, &count))
        return EXEC_FAULT;
    unsigned by = count % (bits + 1);
    bool carry = flag_carry(cpu), overflow = carry != msb(value, size);
    uint64_t result = value;
    if (by != 0) {
        bool out = value >> (by - 1) & 1;
        uint64_t high = by > 1 ? value << (bits - by) << 1 : 0;
        result = (value >> (by - 1) >> 1 | (uint64_t)carry << (bits - by) | high) & size_mask(size);
        carry = out;
    }
    return rotate_commit(cpu, insn, result, by, carry, overflow);
}

/* ---- Double shifts ---- */

enum exec exec_shld(struct cpu *cpu, const struct insn *insn)
{
    uint64_t value, filler;
    unsigned count, size = insn->op[0].size, bits = 8 * size;
    if (!operand_read(cpu, insn, 1, &filler) || !shift_operands(cpu, insn, 2, &value, &count))
        return EXEC_FAULT;
    uint64_t result = value;
    bool carry = false;
    if (count != 0 && count <= bits) {
        result = (value << (count - 1) << 1 | (count == bits ? filler : filler >> (bits - count))) &
                 size_mask(size);
        carry = value >> (bits - count) & 1;
    } else if (count != 0) { /* 16 bits only: value:filler:value shifted on */
        uint64_t triple = value << 32 | filler << 16 | value;
        result = triple << count >> 32 & 0xFFFF;
        carry = triple >> (48 - count) & 1;
    }
    return shift_commit(cpu, insn, result, count, carry, left_overflow(value, size));
}

enum exec exec_shrd(struct cpu *cpu, const struct insn *insn)
{
    uint64_t value, filler;
    unsigned count, size = insn->op[0].size, bits = 8 * size;
    if (!operand_read(cpu, insn, 1, &filler) || !shift_operands(cpu, insn, 2, &value, &count))
        return EXEC_FAULT;
    uint64_t result = value;
    bool carry = false;
    if (count != 0 && count <= bits) {
        result = (value >> (count - 1) >> 1 | (count == bits ? filler : filler << (bits - count))) &
                 size_mask(size);
        carry = value >> (count - 1) & 1;
    } else if (count != 0) {
        uint64_t triple = value << 32 | filler << 16 | value;
        result = triple >> count & 0xFFFF;
        carry = triple >> (count - 1) & 1;
    }
    return shift_commit(cpu, insn, result, count, carry, (filler & 1) != msb(value, size));
}
