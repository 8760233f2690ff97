/* Operands by kind (see exec.h for the contract, operand.h for the inline parts).
 *
 * Invariants: (1) reads have no side effect but those of a memory read (accessed bits, device reads); (2)
 * operand_read_modify() promises that operand_write() of the same operand succeeds within the instruction;
 * (3) register writes never fail. */
#include "cpu/operand.h"

uint64_t insn_ea(const struct cpu *cpu, const struct insn *insn)
{
    return operand_ea(cpu, insn);
}

/* Operands that are not memory. */
static uint64_t register_read(const struct cpu *cpu, const struct insn *insn, const struct operand *op)
{
    switch (op->kind) {
    case OPK_GPR: return gpr_read(cpu, op->reg, op->size);
    case OPK_GPRH: return gprh_read(cpu, op->reg);
    case OPK_SREG: return cpu->s.seg[op->reg].selector;
    default: return insn->imm;
    }
}

bool operand_read(struct cpu *cpu, const struct insn *insn, unsigned n, uint64_t *value)
{
    const struct operand *op = &insn->op[n];
    if (op->kind == OPK_MEM)
        return mem_read(cpu, insn->seg, operand_ea(cpu, insn), op->size, value);
    *value = register_read(cpu, insn, op);
    return true;
}

bool operand_read_modify(struct cpu *cpu, const struct insn *insn, unsigned n, uint64_t *value)
{
    const struct operand *op = &insn->op[n];
    if (op->kind == OPK_MEM)
        return mem_read_modify(cpu, insn->seg, operand_ea(cpu, insn), op->size, value);
    *value = register_read(cpu, insn, op);
    return true;
}

bool operand_write(struct cpu *cpu, const struct insn *insn, unsigned n, uint64_t value)
{
    const struct operand *op = &insn->op[n];
    switch (op->kind) {
    case OPK_MEM: return mem_write(cpu, insn->seg, operand_ea(cpu, insn), op->size, value);
    case OPK_GPRH: gprh_write(cpu, op->reg, value); return true;
    default: gpr_write(cpu, op->reg, op->size, value); return true;
    }
}

/* ---- Vector operands ---- */

/* #GP(0) for a 16 or 32-byte operand that must be aligned and is not. */
static bool vector_aligned(struct cpu *cpu, const struct insn *insn, const struct operand *op, uint64_t ea)
{
    if (op->size < 16 || (insn_attr(insn) & ATTR_UNALIGNED) != 0 ||
        (mem_linear(cpu, insn->seg, ea) & (op->size - 1u)) == 0)
        return true;
    cpu_fault_code(cpu, VEC_GP, 0);
    return false;
}

bool operand_read_vec(struct cpu *cpu, const struct insn *insn, unsigned n, uint64_t *value)
{
    const struct operand *op = &insn->op[n];
    value[1] = 0;
    if (op->kind == OPK_MEM) {
        uint64_t ea = operand_ea(cpu, insn);
        if (!vector_aligned(cpu, insn, op, ea))
            return false;
        if (op->size <= 8)
            return mem_read(cpu, insn->seg, ea, op->size, &value[0]);
        return mem_read_bytes(cpu, insn->seg, ea, value, op->size);
    }
    const uint64_t *reg = cpu->s.vec[op->reg].q;
    if (op->size >= 16)
        value[1] = reg[1];
    if (op->size == 32)
        memcpy(value + 2, reg + 2, 16);
    value[0] = op->size >= 8 ? reg[0] : reg[0] & size_mask(op->size);
    return true;
}

bool operand_write_vec(struct cpu *cpu, const struct insn *insn, unsigned n, const uint64_t *value)
{
    const struct operand *op = &insn->op[n];
    if (op->kind == OPK_MEM) {
        uint64_t ea = operand_ea(cpu, insn);
        if (!vector_aligned(cpu, insn, op, ea))
            return false;
        if (op->size <= 8)
            return mem_write(cpu, insn->seg, ea, op->size, value[0]);
        return mem_write_bytes(cpu, insn->seg, ea, value, op->size);
    }
    cpu->s.vec[op->reg].q[0] = value[0];
    cpu->s.vec[op->reg].q[1] = value[1];
    return true;
}
