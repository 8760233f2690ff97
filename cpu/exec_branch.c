/* Near control flow: JMP Jcc CALL RET LOOPcc JCXZ (SDM vol. 2).
 *
 * A target is truncated to the operand size and must be within the CS limit, or canonical in 64-bit mode;
 * else #GP(0) at the branch, with nothing pushed or popped. With a cache model, branch prediction is told
 * when nothing can fail any more. */
#include "cpu/flags.h"
#include "cpu/operand.h"

static ALWAYS_INLINE void predict(struct cpu *cpu, const struct insn *insn, enum branch_kind kind, bool taken,
                                  uint64_t target)
{
    if (UNLIKELY(cpu->timing != NULL))
        timing_branch(cpu, insn, kind, taken, target);
}

/* The target is good; otherwise #GP(0). */
MUST_CHECK static bool target_ok(struct cpu *cpu, uint64_t target)
{
    return code_offset_check(cpu, &cpu->s.seg[CS], target, 0);
}

static uint64_t relative_target(const struct cpu *cpu, const struct insn *insn)
{
    return (cpu->s.rip + insn->length + insn->imm) & size_mask(insn->op_size);
}

static enum exec jump_to(struct cpu *cpu, const struct insn *insn, enum branch_kind kind, uint64_t target)
{
    if (!target_ok(cpu, target))
        return EXEC_FAULT;
    predict(cpu, insn, kind, true, target);
    cpu->s.rip = target;
    return EXEC_JUMP;
}

enum exec exec_jmp(struct cpu *cpu, const struct insn *insn)
{
    return jump_to(cpu, insn, BRANCH_DIRECT, relative_target(cpu, insn));
}

enum exec exec_jmp_indirect(struct cpu *cpu, const struct insn *insn)
{
    uint64_t target;
    if (!operand_read(cpu, insn, 0, &target))
        return EXEC_FAULT;
    return jump_to(cpu, insn, BRANCH_INDIRECT, target);
}

enum exec exec_jcc(struct cpu *cpu, const struct insn *insn)
{
    uint64_t target = relative_target(cpu, insn);
    if (!flags_test(cpu, insn->opcode & 15)) {
        predict(cpu, insn, BRANCH_CONDITIONAL, false, target);
        return EXEC_NEXT;
    }
    return jump_to(cpu, insn, BRANCH_CONDITIONAL, target);
}

static enum exec call_to(struct cpu *cpu, const struct insn *insn, enum branch_kind kind, uint64_t target)
{
    if (UNLIKELY(!target_ok(cpu, target))) {
        /* A fault of the push comes first. */
        uint64_t rsp = (cpu->s.gpr[RSP] - insn->op_size) & stack_mask(cpu);
        return mem_check_write(cpu, SS, rsp, insn->op_size) && target_ok(cpu, target) ? EXEC_JUMP
                                                                                      : EXEC_FAULT;
    }
    if (!stack_push(cpu, insn->op_size, insn_next_rip(cpu, insn)))
        return EXEC_FAULT;
    predict(cpu, insn, kind, true, target);
    cpu->s.rip = target;
    return EXEC_JUMP;
}

enum exec exec_call(struct cpu *cpu, const struct insn *insn)
{
    return call_to(cpu, insn, BRANCH_CALL, relative_target(cpu, insn));
}

enum exec exec_call_indirect(struct cpu *cpu, const struct insn *insn)
{
    uint64_t target;
    if (!operand_read(cpu, insn, 0, &target))
        return EXEC_FAULT;
    return call_to(cpu, insn, BRANCH_CALL_INDIRECT, target);
}

/* RET, and RET imm16 which also releases imm16 bytes. */
enum exec exec_ret(struct cpu *cpu, const struct insn *insn)
{
    uint64_t target;
    if (!stack_peek(cpu, 0, insn->op_size, &target) || !target_ok(cpu, target))
        return EXEC_FAULT;
    stack_drop(cpu, insn->op_size + insn->imm);
    predict(cpu, insn, BRANCH_RETURN, true, target);
    cpu->s.rip = target;
    return EXEC_JUMP;
}

/* LOOP, LOOPE, LOOPNE count rCX by the address size; a jump out of bounds leaves the count alone. */
static enum exec loop_if(struct cpu *cpu, const struct insn *insn, bool condition)
{
    uint64_t count = (cpu->s.gpr[RCX] - 1) & size_mask(insn->addr_size);
    bool taken = count != 0 && condition;
    uint64_t target = relative_target(cpu, insn);
    if (taken && !target_ok(cpu, target))
        return EXEC_FAULT;
    gpr_write(cpu, RCX, insn->addr_size, count);
    predict(cpu, insn, BRANCH_CONDITIONAL, taken, target);
    if (!taken)
        return EXEC_NEXT;
    cpu->s.rip = target;
    return EXEC_JUMP;
}

enum exec exec_loop(struct cpu *cpu, const struct insn *insn)
{
    return loop_if(cpu, insn, true);
}

/* E0 LOOPNE, E1 LOOPE. */
enum exec exec_loopcc(struct cpu *cpu, const struct insn *insn)
{
    return loop_if(cpu, insn, flag_zero(cpu) == (insn->opcode & 1));
}

enum exec exec_jcxz(struct cpu *cpu, const struct insn *insn)
{
    uint64_t target = relative_target(cpu, insn);
    if (gpr_read(cpu, RCX, insn->addr_size) != 0) {
        predict(cpu, insn, BRANCH_CONDITIONAL, false, target);
        return EXEC_NEXT;
    }
    return jump_to(cpu, insn, BRANCH_CONDITIONAL, target);
}
