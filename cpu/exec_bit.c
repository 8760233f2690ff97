/* Bit test, scan and count (SDM vol. 2: BT BTS BTR BTC BSF BSR POPCNT).
 *
 * With a register bit offset and a memory operand, the memory is a bit string: the signed offset selects the
 * operand-sized word, at EA + size * (offset / bits). An immediate offset wraps within the operand.
 *
 * Undefined flags as on Intel CPUs: BT and friends leave all but CF; BSF and BSR leave the destination when
 * the source is 0 and clear CF, OF, SF and AF; PF is that of ... see bit_scan(). */
#include "cpu/flags.h"
#include "cpu/operand.h"

enum bit_op { BIT_TEST, BIT_SET, BIT_RESET, BIT_COMPLEMENT };

static ALWAYS_INLINE uint64_t bit_change(enum bit_op op, uint64_t value, uint64_t bit)
{
    switch (op) {
    case BIT_SET: return value | bit;
    case BIT_RESET: return value & ~bit;
    case BIT_COMPLEMENT: return value ^ bit;
    default: return value;
    }
}

/* Effective address of the word of a bit string that holds bit `offset`. */
static uint64_t bit_string_ea(const struct cpu *cpu, const struct insn *insn, uint64_t offset)
{
    unsigned size = insn->op[0].size;
    int64_t word = sign_extend(offset, size) >> (size == 8 ? 6 : size == 4 ? 5 : 4);
    return (operand_ea(cpu, insn) + (uint64_t)word * size) & size_mask(insn->addr_size);
}

static ALWAYS_INLINE enum exec bit_test(struct cpu *cpu, const struct insn *insn, enum bit_op op)
{
    const struct operand *dest = &insn->op[0];
    unsigned size = dest->size;
    uint64_t offset, value, ea = 0;
    if (!operand_read(cpu, insn, 1, &offset))
        return EXEC_FAULT;
    if (dest->kind == OPK_MEM) {
        ea = insn->op[1].kind == OPK_IMM ? operand_ea(cpu, insn) : bit_string_ea(cpu, insn, offset);
        if (op == BIT_TEST ? !mem_read(cpu, insn->seg, ea, size, &value)
                           : !mem_read_modify(cpu, insn->seg, ea, size, &value))
            return EXEC_FAULT;
    } else {
        value = gpr_read(cpu, dest->reg, size);
    }
    uint64_t bit = UINT64_C(1) << (offset & (8 * size - 1));
    uint64_t result = bit_change(op, value, bit);
    if (op != BIT_TEST) {
        if (dest->kind != OPK_MEM)
            gpr_write(cpu, dest->reg, size, result);
        else if (!mem_write(cpu, insn->seg, ea, size, result))
            return EXEC_FAULT;
    }
    flags_write(cpu, value & bit ? FLAG_CF : 0, FLAG_CF);
    return EXEC_NEXT;
}

enum exec exec_bt(struct cpu *cpu, const struct insn *insn)
{
    return bit_test(cpu, insn, BIT_TEST);
}

enum exec exec_bts(struct cpu *cpu, const struct insn *insn)
{
    return bit_test(cpu, insn, BIT_SET);
}

enum exec exec_btr(struct cpu *cpu, const struct insn *insn)
{
    return bit_test(cpu, insn, BIT_RESET);
}

enum exec exec_btc(struct cpu *cpu, const struct insn *insn)
{
    return bit_test(cpu, insn, BIT_COMPLEMENT);
}

static enum exec bit_scan(struct cpu *cpu, const struct insn *insn, bool reverse)
{
    const struct operand *dest = &insn->op[0];
    uint64_t value;
    if (!operand_read(cpu, insn, 1, &value))
        return EXEC_FAULT;
    unsigned index = 0;
    if (value != 0) {
        index = reverse ? 63 - (unsigned)__builtin_clzll(value) : (unsigned)__builtin_ctzll(value);
        gpr_write(cpu, dest->reg, dest->size, index);
    }
    flags_write(cpu, (value == 0 ? FLAG_ZF : 0) | (parity_even(index) ? FLAG_PF : 0), FLAGS_ARITH);
    return EXEC_NEXT;
}

enum exec exec_bsf(struct cpu *cpu, const struct insn *insn)
{
    return bit_scan(cpu, insn, false);
}

enum exec exec_bsr(struct cpu *cpu, const struct insn *insn)
{
    return bit_scan(cpu, insn, true);
}

enum exec exec_popcnt(struct cpu *cpu, const struct insn *insn)
{
    uint64_t value;
    if (!operand_read(cpu, insn, 1, &value))
        return EXEC_FAULT;
    gpr_write(cpu, insn->op[0].reg, insn->op[0].size, (unsigned)__builtin_popcountll(value));
    flags_write(cpu, value == 0 ? FLAG_ZF : 0, FLAGS_ARITH);
    return EXEC_NEXT;
}
