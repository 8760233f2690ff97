/* Integer arithmetic and logic: ADD ADC SUB SBB CMP AND OR XOR TEST INC DEC NEG NOT (SDM vol. 2).
 *
 * The reference handlers: any operand kinds, width from the first operand. Reads happen before the
 * destination is written, and a memory destination is read with the promise to write, so nothing is committed
 * when an access faults. Flags: cpu/flags.h. AF after AND, OR, XOR, TEST is undefined; it is 0, as on Intel
 * CPUs. */
#include "cpu/alu.h"
#include "cpu/operand.h"

static ALWAYS_INLINE enum exec alu(struct cpu *cpu, const struct insn *insn, enum alu_op op)
{
    uint64_t a, b;
    if (!operand_read(cpu, insn, 1, &b) || !operand_read_modify(cpu, insn, 0, &a))
        return EXEC_FAULT;
    unsigned carry = alu_carry(cpu, op);
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
    return alu_compare(cpu, insn, ALU_CMP);
}

enum exec exec_test(struct cpu *cpu, const struct insn *insn)
{
    return alu_compare(cpu, insn, ALU_TEST);
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
