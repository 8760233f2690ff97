/* CMPXCHG, CMPXCHG8B/16B, XADD (SDM vol. 2). There is one processor, so LOCK changes nothing but the price.
 */
#include "cpu/cpu_priv.h"
#include "cpu/flags.h"
#include "cpu/operand.h"

/* The destination is written in both cases (with its own value when unequal), so it must be writable. */
enum exec exec_cmpxchg(struct cpu *cpu, const struct insn *insn)
{
    unsigned size = insn->op[0].size;
    uint64_t old, source, accumulator = gpr_read(cpu, RAX, size);
    if (!operand_read_modify(cpu, insn, 0, &old) || !operand_read(cpu, insn, 1, &source))
        return EXEC_FAULT;
    bool equal = old == accumulator;
    if (equal || insn->op[0].kind == OPK_MEM) {
        if (!operand_write(cpu, insn, 0, equal ? source : old))
            return EXEC_FAULT;
    }
    if (!equal)
        gpr_write(cpu, RAX, size, old);
    flags_set(cpu, LAZY_SUB, size, accumulator - old, accumulator, old);
    return EXEC_NEXT;
}

enum exec exec_xadd(struct cpu *cpu, const struct insn *insn)
{
    unsigned size = insn->op[0].size;
    uint64_t a, b;
    if (!operand_read_modify(cpu, insn, 0, &a) || !operand_read(cpu, insn, 1, &b))
        return EXEC_FAULT;
    if (insn->op[0].kind == OPK_MEM) {
        if (!operand_write(cpu, insn, 0, a + b) || !operand_write(cpu, insn, 1, a))
            return EXEC_FAULT;
    } else { /* the sum wins when both are the same register */
        if (!operand_write(cpu, insn, 1, a) || !operand_write(cpu, insn, 0, a + b))
            return EXEC_FAULT;
    }
    flags_set(cpu, LAZY_ADD, size, a + b, a, b);
    return EXEC_NEXT;
}

static enum exec cmpxchg16b(struct cpu *cpu, const struct insn *insn)
{
    uint64_t ea = operand_ea(cpu, insn), old[2];
    if (!cpu_has(cpu, FEAT_CX16))
        return cpu_fault(cpu, VEC_UD);
    if ((mem_linear(cpu, insn->seg, ea) & 15) != 0)
        return cpu_fault_code(cpu, VEC_GP, 0);
    if (!mem_check_write(cpu, insn->seg, ea, 16) || !mem_read_bytes(cpu, insn->seg, ea, old, 16))
        return EXEC_FAULT;
    bool equal = old[0] == cpu->s.gpr[RAX] && old[1] == cpu->s.gpr[RDX];
    uint64_t new[2] = {equal ? cpu->s.gpr[RBX] : old[0], equal ? cpu->s.gpr[RCX] : old[1]};
    if (!mem_write_bytes(cpu, insn->seg, ea, new, 16))
        return EXEC_FAULT;
    if (!equal) {
        cpu->s.gpr[RAX] = old[0];
        cpu->s.gpr[RDX] = old[1];
    }
    flags_write(cpu, equal ? FLAG_ZF : 0, FLAG_ZF);
    return EXEC_NEXT;
}

enum exec exec_cmpxchg8b(struct cpu *cpu, const struct insn *insn)
{
    if (insn->rex & 8)
        return cmpxchg16b(cpu, insn);
    uint64_t ea = operand_ea(cpu, insn), old;
    if (!mem_read_modify(cpu, insn->seg, ea, 8, &old))
        return EXEC_FAULT;
    uint64_t expected = gpr_read(cpu, RDX, 4) << 32 | gpr_read(cpu, RAX, 4);
    uint64_t wanted = gpr_read(cpu, RCX, 4) << 32 | gpr_read(cpu, RBX, 4);
    bool equal = old == expected;
    if (!mem_write(cpu, insn->seg, ea, 8, equal ? wanted : old))
        return EXEC_FAULT;
    if (!equal) {
        gpr_write(cpu, RAX, 4, old);
        gpr_write(cpu, RDX, 4, old >> 32);
    }
    flags_write(cpu, equal ? FLAG_ZF : 0, FLAG_ZF);
    return EXEC_NEXT;
}
