/* Data movement without flags: MOV MOVZX MOVSX LEA XCHG CMOVcc SETcc BSWAP CBW/CWDE/CDQE CWD/CDQ/CQO XLAT NOP
 * (SDM vol. 2). MOV to and from segment, control and debug registers is elsewhere. */
#include "cpu/flags.h"
#include "cpu/operand.h"

enum exec exec_mov(struct cpu *cpu, const struct insn *insn)
{
    uint64_t value;
    if (!operand_read(cpu, insn, 1, &value) || !operand_write(cpu, insn, 0, value))
        return EXEC_FAULT;
    return EXEC_NEXT;
}

/* operand_read zero-extends. */
enum exec exec_movzx(struct cpu *cpu, const struct insn *insn)
{
    return exec_mov(cpu, insn);
}

enum exec exec_movsx(struct cpu *cpu, const struct insn *insn)
{
    uint64_t value;
    if (!operand_read(cpu, insn, 1, &value))
        return EXEC_FAULT;
    gpr_write(cpu, insn->op[0].reg, insn->op[0].size, (uint64_t)sign_extend(value, insn->op[1].size));
    return EXEC_NEXT;
}

enum exec exec_lea(struct cpu *cpu, const struct insn *insn)
{
    gpr_write(cpu, insn->op[0].reg, insn->op[0].size, operand_ea(cpu, insn));
    return EXEC_NEXT;
}

enum exec exec_xchg(struct cpu *cpu, const struct insn *insn)
{
    uint64_t a, b;
    if (!operand_read_modify(cpu, insn, 0, &a) || !operand_read(cpu, insn, 1, &b) ||
        !operand_write(cpu, insn, 0, b) || !operand_write(cpu, insn, 1, a))
        return EXEC_FAULT;
    return EXEC_NEXT;
}

/* The source is read, and a 32-bit destination's upper half cleared, whatever the condition says. */
enum exec exec_cmov(struct cpu *cpu, const struct insn *insn)
{
    uint64_t value;
    if (!operand_read(cpu, insn, 1, &value))
        return EXEC_FAULT;
    if (!flags_test(cpu, insn->opcode & 15))
        value = cpu->s.gpr[insn->op[0].reg];
    gpr_write(cpu, insn->op[0].reg, insn->op[0].size, value);
    return EXEC_NEXT;
}

enum exec exec_setcc(struct cpu *cpu, const struct insn *insn)
{
    return operand_write(cpu, insn, 0, flags_test(cpu, insn->opcode & 15)) ? EXEC_NEXT : EXEC_FAULT;
}

/* A 16-bit BSWAP is undefined; Intel CPUs clear the register. */
enum exec exec_bswap(struct cpu *cpu, const struct insn *insn)
{
    unsigned size = insn->op[0].size, reg = insn->op[0].reg;
    uint64_t value = cpu->s.gpr[reg];
    value = size == 8 ? __builtin_bswap64(value) : size == 4 ? __builtin_bswap32((uint32_t)value) : 0;
    gpr_write(cpu, reg, size, value);
    return EXEC_NEXT;
}

/* CBW, CWDE, CDQE: sign-extend the lower half of the accumulator. */
enum exec exec_cbw(struct cpu *cpu, const struct insn *insn)
{
    gpr_write(cpu, RAX, insn->op_size, (uint64_t)sign_extend(cpu->s.gpr[RAX], insn->op_size / 2));
    return EXEC_NEXT;
}

/* CWD, CDQ, CQO: copy the accumulator's sign to all of rDX. */
enum exec exec_cwd(struct cpu *cpu, const struct insn *insn)
{
    gpr_write(cpu, RDX, insn->op_size, (uint64_t)(sign_extend(cpu->s.gpr[RAX], insn->op_size) >> 63));
    return EXEC_NEXT;
}

enum exec exec_xlat(struct cpu *cpu, const struct insn *insn)
{
    uint64_t ea = (cpu->s.gpr[RBX] + (cpu->s.gpr[RAX] & 0xFF)) & size_mask(insn->addr_size), value;
    if (!mem_read(cpu, insn->seg, ea, 1, &value))
        return EXEC_FAULT;
    gpr_write(cpu, RAX, 1, value);
    return EXEC_NEXT;
}

/* NOP, PAUSE, prefetch and hint NOPs: no memory access, so no fault. */
enum exec exec_nop(struct cpu *cpu, const struct insn *insn)
{
    (void)cpu;
    (void)insn;
    return EXEC_NEXT;
}
