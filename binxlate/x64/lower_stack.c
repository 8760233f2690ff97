/* PUSH, POP, LEAVE. */
#include "binxlate/x64/x64.h"

static bool lower_push(struct x64_unit *x)
{
    const struct insn *insn = x->insn;
    const struct operand *op = &insn->op[0];
    struct x64_asm *a = &x->a;
    unsigned size = insn->op_size;
    if (!x64_can_push(x))
        return false;
    if (op->kind == OPK_MEM) {
        if (!x64_can_access(x, insn) || x64_timed(x))
            return false;
        struct x64_mem from = x64_operand(x, insn, size, ACCESS_READ);
        x64_load(a, size, X_TEST, from);
        x64_store(a, 8, FRAME_FIELD(temp), X_TEST);
    }
    struct x64_mem to = x64_push_place(x, size);
    if (op->kind == OPK_IMM) {
        x64_rm(a, 0xC7, size, 0, to);
        x64_imm(a, insn->imm, size < 4 ? size : 4);
    } else if (op->kind == OPK_MEM) {
        x64_load(a, 8, X_TEST, FRAME_FIELD(temp));
        x64_store(a, size, to, X_TEST);
    } else {
        x64_store(a, size, to, x64_use(x, op->reg, X_TEST));
    }
    x64_lea(a, x->stack, x64_home(RSP), x64_at(x64_home(RSP), -(int32_t)size));
    return true;
}

/* The address of a memory destination uses RSP after the pop. */
static bool lower_pop_memory(struct x64_unit *x)
{
    struct insn moved = *x->insn;
    struct x64_asm *a = &x->a;
    unsigned size = x->insn->op_size, rsp = x64_home(RSP);
    if (moved.base == RSP)
        moved.disp += size;
    if ((x->stack == 2 && moved.base == RSP) || x64_timed(x))
        return false;
    if (!x64_can_access(x, &moved) || moved.disp != (int32_t)moved.disp)
        return false;
    x64_load(a, size, X_TEST, x64_top_place(x, size));
    x64_store(a, 8, FRAME_FIELD(temp), X_TEST);
    struct x64_mem to = x64_probe(x, x64_address(x, &moved, size, ACCESS_WRITE), size, ACCESS_WRITE);
    x64_load(a, 8, X_TEST, FRAME_FIELD(temp));
    x64_store(a, size, to, X_TEST);
    x64_lea(a, x->stack, rsp, x64_at(rsp, (int32_t)size));
    return true;
}

static bool lower_pop(struct x64_unit *x)
{
    const struct insn *insn = x->insn;
    const struct operand *op = &insn->op[0];
    struct x64_asm *a = &x->a;
    unsigned size = insn->op_size, rsp = x64_home(RSP);
    if (!x64_can_push(x))
        return false;
    if (op->kind != OPK_GPR)
        return lower_pop_memory(x);
    struct x64_mem from = x64_top_place(x, size);
    unsigned home = x64_home(op->reg);
    unsigned host = home != X_NONE && home != rsp ? home : X_TEST;
    if (size == 2 && host == X_TEST) /* the rest of the register is kept */
        x64_mov(a, 8, X_TEST, x64_use(x, op->reg, X_TEST));
    x64_load(a, size, host, from);
    if (op->reg == RSP && size == 2)
        return x64_lea(a, x->stack, rsp, x64_at(rsp, 2)), x64_mov(a, 2, rsp, X_TEST), true;
    if (op->reg != RSP)
        x64_lea(a, x->stack, rsp, x64_at(rsp, (int32_t)size));
    if (host == X_TEST)
        x64_keep(x, op->reg, X_TEST);
    return true;
}

static bool lower_leave(struct x64_unit *x)
{
    struct x64_asm *a = &x->a;
    unsigned size = x->insn->op_size, rbp = x64_home(RBP), at = rbp;
    if (!x64_flat_stack(x) || size != x->code)
        return false;
    if (x->code == 4) {
        x64_mov(a, 4, X_T0, rbp);
        at = X_T0;
    }
    struct x64_mem from = x64_probe(x, at, size, ACCESS_READ);
    x64_lea(a, x->code, x64_home(RSP), x64_at(rbp, (int32_t)size));
    x64_load(a, size, rbp, from);
    return true;
}

const struct x64_lowering x64_lower_stack[] = {
    {exec_push, lower_push},
    {exec_pop, lower_pop},
    {exec_leave, lower_leave},
    {NULL, NULL},
};
