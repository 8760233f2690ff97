/* Integer arithmetic and logic: ADD ADC SUB SBB CMP AND OR XOR TEST INC DEC NEG NOT (SDM vol. 2).
 *
 * The reference handlers: any operand kinds, width from the first operand. Reads happen before the
 * destination is written, and a memory destination is read with the promise to write, so nothing is committed
 * when an access faults. Flags: cpu/flags.h. AF after AND, OR, XOR, TEST is undefined; it is 0, as on Intel
 * CPUs. */
#include "cpu/flags.h"
#include "cpu/operand.h"

enum alu_op { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR };

static ALWAYS_INLINE uint64_t alu_compute(enum alu_op op, uint64_t a, uint64_t b, unsigned carry)
{
    switch (op) {
    case ALU_ADD: return a + b;
    case ALU_OR: return a | b;
    case ALU_ADC: return a + b + carry;
    case ALU_SBB: return a - b - carry;
    case ALU_AND: return a & b;
    case ALU_SUB: return a - b;
    case ALU_XOR: return a ^ b;
    }
    return 0;
}

static ALWAYS_INLINE void alu_flags(struct cpu *cpu, enum alu_op op, unsigned size, uint64_t a, uint64_t b,
                                    unsigned carry, uint64_t result)
{
    switch (op) {
    case ALU_ADD: flags_set(cpu, LAZY_ADD, size, result, a, b); break;
    case ALU_ADC: flags_set(cpu, carry ? LAZY_ADC : LAZY_ADD, size, result, a, b); break;
    case ALU_SUB: flags_set(cpu, LAZY_SUB, size, result, a, b); break;
    case ALU_SBB: flags_set(cpu, carry ? LAZY_SBB : LAZY_SUB, size, result, a, b); break;
    default: flags_set_logic(cpu, size, result); break;
    }
}

static ALWAYS_INLINE enum exec alu(struct cpu *cpu, const struct insn *insn, enum alu_op op)
{
    uint64_t a, b;
    if (!operand_read(cpu, insn, 1, &b) || !operand_read_modify(cpu, insn, 0, &a))
        return EXEC_FAULT;
    unsigned carry = (op == ALU_ADC || op == ALU_SBB) && flag_carry(cpu);
    uint64_t result = alu_compute(op, a, b, carry);
    if (!operand_write(cpu, insn, 0, result))
        return EXEC_FAULT;
    alu_flags(cpu, op, insn->op[0].size, a, b, carry, result);
    return EXEC_NEXT;
}

/* CMP and TEST: no destination. */
static ALWAYS_INLINE enum exec alu_compare(struct cpu *cpu, const struct insn *insn, enum alu_op op)
{
    uint64_t a, b;
    if (!operand_read(cpu, insn, 0, &a) || !operand_read(cpu, insn, 1, &b))
        return EXEC_FAULT;
    alu_flags(cpu, op, insn->op[0].size, a, b, 0, alu_compute(op, a, b, 0));
    return EXEC_NEXT;
}

enum exec exec_add(struct cpu *cpu, const struct insn *insn)
{
    return alu(cpu, insn, ALU_ADD);
}

enum exec exec_or(struct cpu *cpu, const struct insn *insn)
{
    return alu(cpu, insn, ALU_OR);
}

enum exec exec_adc(struct cpu *cpu, const struct insn *insn)
{
    return alu(cpu, insn, ALU_ADC);
}

enum exec exec_sbb(struct cpu *cpu, const struct insn *insn)
{
    return alu(cpu, insn, ALU_SBB);
}

enum exec exec_and(struct cpu *cpu, const struct insn *insn)
{
    return alu(cpu, insn, ALU_AND);
}

enum exec exec_sub(struct cpu *cpu, const struct insn *insn)
{
    return alu(cpu, insn, ALU_SUB);
}

enum exec exec_xor(struct cpu *cpu, const struct insn *insn)
{
    return alu(cpu, insn, ALU_XOR);
}

enum exec exec_cmp(struct cpu *cpu, const struct insn *insn)
{
    return alu_compare(cpu, insn, ALU_SUB);
}

enum exec exec_test(struct cpu *cpu, const struct insn *insn)
{
    return alu_compare(cpu, insn, ALU_AND);
}

/* INC and DEC are ADD and SUB of 1 that keep CF. */
static ALWAYS_INLINE enum exec step_by_one(struct cpu *cpu, const struct insn *insn, uint64_t delta)
{
    uint64_t value;
    if (!operand_read_modify(cpu, insn, 0, &value))
        return EXEC_FAULT;
    uint64_t result = value + delta;
    if (!operand_write(cpu, insn, 0, result))
        return EXEC_FAULT;
    flags_set_step(cpu, insn->op[0].size, result, delta == 1);
    return EXEC_NEXT;
}

enum exec exec_inc(struct cpu *cpu, const struct insn *insn)
{
    return step_by_one(cpu, insn, 1);
}

enum exec exec_dec(struct cpu *cpu, const struct insn *insn)
{
    return step_by_one(cpu, insn, UINT64_MAX);
}

enum exec exec_neg(struct cpu *cpu, const struct insn *insn)
{
    uint64_t value;
    if (!operand_read_modify(cpu, insn, 0, &value) || !operand_write(cpu, insn, 0, 0 - value))
        return EXEC_FAULT;
    flags_set(cpu, LAZY_SUB, insn->op[0].size, 0 - value, 0, value);
    return EXEC_NEXT;
}

enum exec exec_not(struct cpu *cpu, const struct insn *insn)
{
    uint64_t value;
    if (!operand_read_modify(cpu, insn, 0, &value) || !operand_write(cpu, insn, 0, ~value))
        return EXEC_FAULT;
    return EXEC_NEXT;
}
