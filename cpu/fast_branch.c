/* Fast handlers of near control flow: Jcc (one per condition), JMP, CALL, RET, in 32 and 64-bit code. */
#include "cpu/fast.h"
#include "cpu/flags.h"

static ALWAYS_INLINE uint64_t fast_target(const struct cpu *cpu, const struct insn *insn)
{
    return (fast_rip(cpu, insn) + insn->length + insn->imm) & cpu->linear_mask;
}

static ALWAYS_INLINE enum exec jump_if(struct cpu *cpu, const struct insn *insn, bool condition)
{
    return branch_done(cpu, insn, condition, fast_target(cpu, insn));
}

#define CONDITION(n)                                                                                         \
    static enum exec jcc_##n(struct cpu *cpu, const struct insn *insn)                                       \
    {                                                                                                        \
        return jump_if(cpu, insn, flags_test(cpu, n));                                                       \
    }
#include "cpu/fast_condition.def"
#undef CONDITION

static exec_fn *const jcc[16] = {
#define CONDITION(n) jcc_##n,
#include "cpu/fast_condition.def"
#undef CONDITION
};

static enum exec jmp(struct cpu *cpu, const struct insn *insn)
{
    return jump_if(cpu, insn, true);
}

static ALWAYS_INLINE enum exec call(struct cpu *cpu, const struct insn *insn, unsigned size)
{
    uint64_t target = fast_target(cpu, insn), rsp = (cpu->s.gpr[RSP] - size) & cpu->linear_mask;
    uint8_t *host = fast_stack(cpu, rsp, size, ACCESS_WRITE);
    if (UNLIKELY(host == NULL || !fast_target_ok(cpu, target)))
        return run_reference(cpu, insn);
    host_store(host, size, fast_rip(cpu, insn) + insn->length);
    cpu->s.gpr[RSP] = rsp;
    return branch_done(cpu, insn, true, target);
}

static enum exec call4(struct cpu *cpu, const struct insn *insn)
{
    return call(cpu, insn, 4);
}

static enum exec call8(struct cpu *cpu, const struct insn *insn)
{
    return call(cpu, insn, 8);
}

/* ---- Indirect ---- */

static ALWAYS_INLINE enum exec ret(struct cpu *cpu, const struct insn *insn, unsigned size)
{
    uint64_t rsp = cpu->s.gpr[RSP];
    const uint8_t *host = fast_stack(cpu, rsp, size, ACCESS_READ);
    if (UNLIKELY(host == NULL))
        return run_reference(cpu, insn);
    uint64_t target = host_load(host, size);
    if (UNLIKELY(!fast_target_ok(cpu, target)))
        return run_reference(cpu, insn);
    cpu->s.gpr[RSP] = (rsp + size + insn->imm) & cpu->linear_mask;
    return indirect_done(cpu, insn, target);
}

static enum exec ret4(struct cpu *cpu, const struct insn *insn)
{
    return ret(cpu, insn, 4);
}

static enum exec ret8(struct cpu *cpu, const struct insn *insn)
{
    return ret(cpu, insn, 8);
}

static enum exec jmp_register(struct cpu *cpu, const struct insn *insn)
{
    uint64_t target = gpr_read(cpu, insn->op[0].reg, insn->op[0].size);
    if (UNLIKELY(!fast_target_ok(cpu, target)))
        return run_reference(cpu, insn);
    return indirect_done(cpu, insn, target);
}

static ALWAYS_INLINE enum exec jmp_memory(struct cpu *cpu, const struct insn *insn, unsigned size)
{
    const uint8_t *host = fast_operand(cpu, insn, FAST_GENERAL, size, ACCESS_READ);
    if (UNLIKELY(host == NULL))
        return run_reference(cpu, insn);
    uint64_t target = host_load(host, size);
    if (UNLIKELY(!fast_target_ok(cpu, target)))
        return run_reference(cpu, insn);
    return indirect_done(cpu, insn, target);
}

static enum exec jmp_memory4(struct cpu *cpu, const struct insn *insn)
{
    return jmp_memory(cpu, insn, 4);
}

static enum exec jmp_memory8(struct cpu *cpu, const struct insn *insn)
{
    return jmp_memory(cpu, insn, 8);
}

static ALWAYS_INLINE enum exec call_target(struct cpu *cpu, const struct insn *insn, unsigned size,
                                           uint64_t target)
{
    uint64_t rsp = (cpu->s.gpr[RSP] - size) & cpu->linear_mask;
    uint8_t *host = fast_stack(cpu, rsp, size, ACCESS_WRITE);
    if (UNLIKELY(host == NULL || !fast_target_ok(cpu, target)))
        return run_reference(cpu, insn);
    host_store(host, size, fast_rip(cpu, insn) + insn->length);
    cpu->s.gpr[RSP] = rsp;
    return indirect_done(cpu, insn, target);
}

static ALWAYS_INLINE enum exec call_memory(struct cpu *cpu, const struct insn *insn, unsigned size)
{
    const uint8_t *host = fast_operand(cpu, insn, FAST_GENERAL, size, ACCESS_READ);
    if (UNLIKELY(host == NULL))
        return run_reference(cpu, insn);
    return call_target(cpu, insn, size, host_load(host, size));
}

static enum exec call_register4(struct cpu *cpu, const struct insn *insn)
{
    return call_target(cpu, insn, 4, gpr_read(cpu, insn->op[0].reg, 4));
}

static enum exec call_register8(struct cpu *cpu, const struct insn *insn)
{
    return call_target(cpu, insn, 8, cpu->s.gpr[insn->op[0].reg]);
}

static enum exec call_memory4(struct cpu *cpu, const struct insn *insn)
{
    return call_memory(cpu, insn, 4);
}

static enum exec call_memory8(struct cpu *cpu, const struct insn *insn)
{
    return call_memory(cpu, insn, 8);
}

/* ---- Choice ---- */

static exec_fn *indirect_select(const struct insn *insn, unsigned mode, bool wide)
{
    bool memory = insn->op[0].kind == OPK_MEM;
    if (memory && fast_memory_kind(insn, mode) == FAST_NO_MEMORY)
        return NULL;
    if (insn->exec == exec_jmp_indirect && !memory)
        return jmp_register;
    if (insn->exec == exec_jmp_indirect)
        return wide ? jmp_memory8 : jmp_memory4;
    if (insn->exec != exec_call_indirect || (mode & MODE_FLAT) == 0)
        return NULL;
    if (memory)
        return wide ? call_memory8 : call_memory4;
    return wide ? call_register8 : call_register4;
}

exec_fn *fast_branch_select(const struct insn *insn, unsigned mode)
{
    unsigned code = mode & MODE_CODE_MASK;
    bool wide = code == MODE_CODE64;
    if (code == MODE_CODE16 || insn->op_size != (wide ? 8 : 4))
        return NULL;
    if (insn->exec == exec_jcc)
        return jcc[insn->opcode & 15];
    if (insn->exec == exec_jmp)
        return jmp;
    if (insn->exec == exec_call && (mode & MODE_FLAT) != 0)
        return wide ? call8 : call4;
    if (insn->exec == exec_ret && (mode & MODE_FLAT) != 0)
        return wide ? ret8 : ret4;
    return indirect_select(insn, mode, wide);
}
