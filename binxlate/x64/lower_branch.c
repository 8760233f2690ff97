/* Near control flow: JMP, Jcc, CALL, RET, LOOP, JCXZ, each the last instruction of its unit.
 *
 * Targets need no check here: units are made only where the code segment ends at the mode's highest offset,
 * and in 64-bit mode only canonical targets are ever linked or in the jump cache. */
#include "binxlate/x64/x64.h"

static uint64_t branch_target(const struct x64_unit *x)
{
    return x64_offset(x, x64_next_rip(x) + x->insn->imm);
}

/* Operand size prefixes cut the target to 16 bits: rare, left to the interpreter. */
static bool full_width(const struct x64_unit *x)
{
    return x->insn->op_size == x->code;
}

static bool good_target(const struct x64_unit *x, uint64_t target)
{
    return x->code != 8 || is_canonical(target);
}

static bool lower_jmp(struct x64_unit *x)
{
    uint64_t target = branch_target(x);
    if (!full_width(x) || !good_target(x, target))
        return false;
    if (x64_onward(x) == ONWARD_TAKEN)
        return true;
    x64_predict(x, BRANCH_DIRECT, true, target);
    x64_goto(x, target);
    x->done = true;
    return true;
}

/* The taken way of a branch whose other way has been emitted. `from` is the jump's displacement. */
static void goto_taken(struct x64_unit *x, uint8_t *from, uint64_t target)
{
    if (x64_timed(x)) {
        x64_here32(&x->a, from);
        x64_predict(x, BRANCH_CONDITIONAL, true, target);
        x64_goto(x, target);
    } else {
        x64_goto_from(x, from, target);
    }
}

static void goto_next(struct x64_unit *x, uint64_t target)
{
    x64_predict(x, BRANCH_CONDITIONAL, false, target);
    x64_goto(x, x64_next_rip(x));
}

static bool lower_jcc(struct x64_unit *x)
{
    uint64_t target = branch_target(x);
    if (!full_width(x) || !good_target(x, target))
        return false;
    enum onward onward = x64_onward(x);
    unsigned condition = x->insn->opcode & 15;
    if (onward != ONWARD_NONE) {
        bool taken = onward == ONWARD_TAKEN;
        x64_leave_early(x, x64_jcc32(&x->a, condition ^ taken), taken ? x64_next_rip(x) : target);
        return true;
    }
    uint8_t *taken = x64_jcc32(&x->a, condition);
    goto_next(x, target);
    goto_taken(x, taken, target);
    x->done = true;
    return true;
}

/* After a jump with an 8-bit displacement that is not taken: fall through, then the taken way. */
static bool two_ways(struct x64_unit *x, uint8_t *taken, uint64_t target)
{
    struct x64_asm *a = &x->a;
    uint8_t *not_taken = x64_jmp8(a);
    x64_here8(a, taken);
    uint8_t *far_taken = x64_jmp32(a);
    x64_here8(a, not_taken);
    goto_next(x, target);
    goto_taken(x, far_taken, target);
    x->done = true;
    return true;
}

/* JRCXZ tests host RCX, with a copy of the count. */
static void copy_count(struct x64_unit *x)
{
    unsigned size = x->insn->addr_size;
    if (size == 2)
        x64_rr(&x->a, OP_0F | 0xB7, 4, X_RCX, x64_home(RCX)); /* movzx */
    else
        x64_mov(&x->a, size, X_RCX, x64_home(RCX));
}

static bool lower_jcxz(struct x64_unit *x)
{
    uint64_t target = branch_target(x);
    if (!full_width(x) || !good_target(x, target))
        return false;
    copy_count(x);
    return two_ways(x, x64_jrcxz8(&x->a), target);
}

static bool lower_loop(struct x64_unit *x)
{
    const struct insn *insn = x->insn;
    struct x64_asm *a = &x->a;
    unsigned count = x64_home(RCX);
    uint64_t target = branch_target(x);
    if (!full_width(x) || !good_target(x, target))
        return false;
    x64_lea(a, insn->addr_size, count, x64_at(count, -1));
    copy_count(x);
    uint8_t *done = x64_jrcxz8(a);
    uint8_t *taken = x64_jmp32(a);
    x64_here8(a, done);
    goto_next(x, target);
    goto_taken(x, taken, target);
    x->done = true;
    return true;
}

/* ---- CALL and RET ---- */

/* Push the return address at [to]. */
static void push_return(struct x64_unit *x, struct x64_mem to, unsigned scratch)
{
    struct x64_asm *a = &x->a;
    uint64_t next = x64_next_rip(x);
    if (x->code == 8 && next != (uint64_t)(int32_t)next) {
        x64_mov_imm(a, scratch, next);
        x64_store(a, 8, to, scratch);
    } else {
        x64_rm(a, 0xC7, x->code, 0, to);
        x64_imm(a, next, x->code < 4 ? x->code : 4);
    }
    x64_lea(a, x->stack, x64_home(RSP), x64_at(x64_home(RSP), -(int32_t)x->code));
}

static bool lower_call(struct x64_unit *x)
{
    uint64_t target = branch_target(x);
    if (!full_width(x) || !good_target(x, target) || !x64_can_push(x))
        return false;
    push_return(x, x64_push_place(x, x->code), X_TEST);
    if (x64_onward(x) == ONWARD_TAKEN)
        return true;
    x64_predict(x, BRANCH_CALL, true, target);
    x64_goto(x, target);
    x->done = true;
    return true;
}

/* A target, to X_T0. */
static void load_offset(struct x64_unit *x, struct x64_mem from)
{
    if (x->code == 2)
        x64_rm(&x->a, OP_0F | 0xB7, 4, X_T0, from); /* movzx */
    else
        x64_load(&x->a, x->code, X_T0, from);
}

static void commit_ret(struct x64_unit *x)
{
    unsigned rsp = x64_home(RSP);
    x64_lea(&x->a, x->stack, rsp, x64_at(rsp, (int32_t)(x->code + x->insn->imm)));
}

/* Before anything of an indirect branch is emitted. Does the unit go on behind it? Where it is left, no
 * notes are told. */
static bool begin_indirect(struct x64_unit *x)
{
    bool onward = x64_onward(x) == ONWARD_TAKEN;
    if (onward)
        x64_flush_note(x);
    return onward;
}

/* The target is in X_T0. */
static void end_indirect(struct x64_unit *x, bool onward, enum branch_kind kind,
                         void (*commit)(struct x64_unit *x))
{
    if (onward) {
        x64_go_on_indirect(x, commit);
        return;
    }
    x64_goto_indirect(x, kind, commit);
    x->done = true;
}

static bool lower_ret(struct x64_unit *x)
{
    if (!full_width(x) || !x64_can_push(x) || !path_on(x->t, PATH_CACHE))
        return false;
    bool onward = begin_indirect(x);
    load_offset(x, x64_top_place(x, x->code));
    end_indirect(x, onward, BRANCH_RETURN, commit_ret);
    return true;
}

/* The target of an indirect branch, in X_T0. */
static void load_target(struct x64_unit *x)
{
    const struct operand *op = &x->insn->op[0];
    if (op->kind == OPK_MEM)
        load_offset(x, x64_operand(x, x->insn, x->code, ACCESS_READ));
    else if (x->code == 2)
        x64_rr(&x->a, OP_0F | 0xB7, 4, X_T0, x64_use(x, op->reg, X_T0));
    else
        x64_mov(&x->a, x->code, X_T0, x64_use(x, op->reg, X_T0));
}

static bool indirect_usable(const struct x64_unit *x)
{
    return full_width(x) && path_on(x->t, PATH_CACHE) &&
           (x->insn->op[0].kind != OPK_MEM || x64_can_access(x, x->insn));
}

static bool lower_jmp_indirect(struct x64_unit *x)
{
    if (!indirect_usable(x))
        return false;
    bool onward = begin_indirect(x);
    load_target(x);
    end_indirect(x, onward, BRANCH_INDIRECT, NULL);
    return true;
}

/* The host address pushed to is kept in the frame while the target is found. */
static void commit_call(struct x64_unit *x)
{
    x64_load(&x->a, 8, X_TEST, FRAME_FIELD(temp));
    push_return(x, x64_at(X_TEST, 0), X_T0);
}

static bool lower_call_indirect(struct x64_unit *x)
{
    struct x64_asm *a = &x->a;
    if (!indirect_usable(x) || !x64_can_push(x) || (x64_timed(x) && x->insn->op[0].kind == OPK_MEM))
        return false;
    bool onward = begin_indirect(x);
    x64_lea(a, 8, X_T1, x64_push_place(x, x->code));
    x64_store(a, 8, FRAME_FIELD(temp), X_T1);
    load_target(x);
    end_indirect(x, onward, BRANCH_CALL_INDIRECT, commit_call);
    return true;
}

const struct x64_lowering x64_lower_branch[] = {
    {exec_jmp, lower_jmp},
    {exec_jcc, lower_jcc},
    {exec_jcxz, lower_jcxz},
    {exec_loop, lower_loop},
    {exec_call, lower_call},
    {exec_ret, lower_ret},
    {exec_jmp_indirect, lower_jmp_indirect},
    {exec_call_indirect, lower_call_indirect},
    {NULL, NULL},
};
