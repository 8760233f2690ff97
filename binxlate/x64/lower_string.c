/* MOVS, STOS, LODS, SCAS, CMPS upwards: once, or for MOVS and STOS a REP whose elements lie in one page.
 *
 * A REP pays for its iterations here, before it does any of them. It is the interpreter's if that would reach
 * the limit, where it may have to stop in the middle. With modelled caches every REP is the interpreter's,
 * and so is what has two operands in memory (binxlate/timed.c). */
#include "binxlate/x64/x64.h"

static bool usable(const struct x64_unit *x)
{
    return x64_flat_stack(x) && x->insn->addr_size == x->code && x64_plain_segment(x, x->insn->seg);
}

static bool repeated(const struct insn *insn)
{
    return (insn->prefixes & (PREFIX_REP | PREFIX_REPNE)) != 0;
}

static void slow_if_backward(struct x64_unit *x)
{
    x64_rm(&x->a, OP_0F | 0xB6, 4, X_TEST, FRAME_FIELD(backward));
    x64_slow_unless_zero(x);
}

/* Address that an index register holds: itself, or X_T0 without the bits that are no part of it. */
static unsigned address_in(struct x64_unit *x, unsigned reg)
{
    if (x->code == 8)
        return reg;
    x64_mov(&x->a, 4, X_T0, reg);
    return X_T0;
}

/* Forms for bytes have the opcode before that of the others. */
static void op_memory(struct x64_unit *x, unsigned op, unsigned size, unsigned reg, struct x64_mem mem)
{
    x64_rm(&x->a, size == 1 ? op - 1 : op, size, reg, mem);
}

static void advance(struct x64_unit *x, unsigned reg, unsigned size)
{
    x64_lea(&x->a, x->code, reg, x64_at(reg, (int32_t)size));
}

/* ---- Once ---- */

static bool lower_lods(struct x64_unit *x)
{
    unsigned size = x->insn->op[0].size;
    if (!usable(x) || repeated(x->insn))
        return false;
    slow_if_backward(x);
    op_memory(x, 0x8B, size, X_RAX, x64_probe(x, address_in(x, X_RSI), size, ACCESS_READ));
    advance(x, X_RSI, size);
    return true;
}

static bool lower_scas(struct x64_unit *x)
{
    unsigned size = x->insn->op[0].size;
    if (!usable(x) || repeated(x->insn))
        return false;
    slow_if_backward(x);
    op_memory(x, 0x3B, size, X_RAX, x64_probe(x, address_in(x, X_RDI), size, ACCESS_READ));
    advance(x, X_RDI, size);
    return true;
}

static bool lower_cmps(struct x64_unit *x)
{
    unsigned size = x->insn->op[0].size;
    struct x64_mem second = FRAME_FIELD(temp);
    if (!usable(x) || repeated(x->insn) || x64_timed(x))
        return false;
    slow_if_backward(x);
    op_memory(x, 0x8B, size, X_TEST, x64_probe(x, address_in(x, X_RDI), size, ACCESS_READ));
    op_memory(x, 0x89, size, X_TEST, second);
    op_memory(x, 0x8B, size, X_TEST, x64_probe(x, address_in(x, X_RSI), size, ACCESS_READ));
    op_memory(x, 0x3B, size, X_TEST, second);
    advance(x, X_RSI, size);
    advance(x, X_RDI, size);
    return true;
}

static void stos_once(struct x64_unit *x, unsigned size)
{
    op_memory(x, 0x89, size, X_RAX, x64_probe(x, address_in(x, X_RDI), size, ACCESS_WRITE));
    advance(x, X_RDI, size);
}

static void movs_once(struct x64_unit *x, unsigned size)
{
    struct x64_mem value = FRAME_FIELD(temp);
    op_memory(x, 0x8B, size, X_TEST, x64_probe(x, address_in(x, X_RSI), size, ACCESS_READ));
    op_memory(x, 0x89, size, X_TEST, value);
    struct x64_mem to = x64_probe(x, address_in(x, X_RDI), size, ACCESS_WRITE);
    op_memory(x, 0x8B, size, X_TEST, value);
    op_memory(x, 0x89, size, X_TEST, to);
    advance(x, X_RSI, size);
    advance(x, X_RDI, size);
}

/* ---- REP ---- */

/* While a REP is prepared: bytes less one, the budget after it, host address of the source, guest RDI. */
#define RUN_LAST   FRAME_FIELD(temp[0])
#define RUN_BUDGET FRAME_FIELD(temp[1])
#define RUN_SOURCE FRAME_FIELD(temp[2])
#define RUN_RDI    FRAME_FIELD(temp[3])

/* X_T0 = count * price, if LEA can. */
static bool multiply_count(struct x64_unit *x, unsigned price)
{
    static const struct {
        uint8_t base, scale;
    } how[] = {[1] = {X_T0, 0}, [2] = {X_NONE, 1}, [3] = {X_T0, 1}, [4] = {X_NONE, 2},
               [5] = {X_T0, 2}, [8] = {X_NONE, 3}, [9] = {X_T0, 3}};
    if (price == 0 || price >= ARRAY_LEN(how) || how[price].base == 0)
        return false;
    x64_mov(&x->a, x->code, X_T0, x64_home(RCX));
    if (price != 1)
        x64_lea(&x->a, 8, X_T0, x64_indexed(how[price].base, X_T0, how[price].scale, 0));
    return true;
}

/* To the slow path unless the iterations leave the budget negative. */
static void check_budget(struct x64_unit *x)
{
    struct x64_asm *a = &x->a;
    x64_mov_imm(a, X_TEST, BUDGET_SHIFT);
    x64_shlx(a, 8, X_T0, X_T0, X_TEST);
    x64_load(a, 8, X_T1, FRAME_FIELD(budget));
    x64_lea(a, 8, X_T0, x64_indexed(X_T0, X_T1, 0, 0));
    x64_store(a, 8, RUN_BUDGET, X_T0);
    x64_rr(a, 0xF7, 8, 2, X_T0); /* not t0 */
    x64_mov_imm(a, X_TEST, 63);
    x64_shrx(a, 8, X_TEST, X_T0, X_TEST);
    x64_slow_unless_zero(x);
}

static void remember_last(struct x64_unit *x, unsigned size)
{
    struct x64_asm *a = &x->a;
    unsigned scale = size == 8 ? 3 : size / 2;
    x64_mov(a, x->code, X_T0, x64_home(RCX));
    x64_lea(a, 8, X_T0, (struct x64_mem){.base = X_NONE, .index = X_T0, .scale = (uint8_t)scale, .disp = -1});
    x64_store(a, 8, RUN_LAST, X_T0);
}

/* The host's REP, with its registers; then the guest's as they are afterwards. */
static void do_run(struct x64_unit *x, unsigned size, bool copy)
{
    struct x64_asm *a = &x->a;
    x64_load(a, 8, X_TEST, RUN_BUDGET);
    x64_store(a, 8, FRAME_FIELD(budget), X_TEST);
    x64_store(a, 8, RUN_RDI, X_RDI);
    x64_mov(a, 8, X_RDI, X_T1);
    if (copy) {
        x64_mov(a, 8, X_T0, X_RSI);
        x64_load(a, 8, X_RSI, RUN_SOURCE);
    }
    x64_mov(a, x->code, X_RCX, x64_home(RCX));
    x64_o(a, OP_F3 | (copy ? 0xA4u : 0xAAu), size, size == 1 ? 0 : 1);
    x64_load(a, 8, X_T1, RUN_LAST);
    if (copy)
        x64_lea(a, x->code, X_RSI, x64_indexed(X_T0, X_T1, 0, 1));
    x64_load(a, 8, X_T0, RUN_RDI);
    x64_lea(a, x->code, X_RDI, x64_indexed(X_T0, X_T1, 0, 1));
    x64_mov_imm(a, x64_home(RCX), 0);
}

static bool lower_rep(struct x64_unit *x, unsigned size, bool copy)
{
    struct x64_asm *a = &x->a;
    const struct cpu *cpu = x->t->cpu;
    bool user = (x->block->mode >> MODE_CPL_SHIFT & 3) == 3;
    uint8_t *start = a->at;
    x64_mov(a, x->code, X_TEST, x64_home(RCX));
    uint8_t *none = x64_jrcxz8(a);
    uint8_t *some = x64_jmp8(a);
    x64_here8(a, none);
    uint8_t *done = x64_jmp32(a);
    x64_here8(a, some);
    if (!multiply_count(x, cpu->config.cost[user][COST_STRING_ITER])) {
        a->at = start;
        return false;
    }
    x64_shrx(a, 8, X_TEST, X_TEST, X_FRAME); /* what is more than a page in any case */
    x64_slow_unless_zero(x);
    check_budget(x);
    slow_if_backward(x);
    remember_last(x, size);
    if (copy) {
        x64_probe_run(x, address_in(x, X_RSI), RUN_LAST, ACCESS_READ);
        x64_store(a, 8, RUN_SOURCE, X_T1);
    }
    x64_probe_run(x, address_in(x, X_RDI), RUN_LAST, ACCESS_WRITE);
    do_run(x, size, copy);
    x64_here32(a, done);
    return true;
}

/* ---- Both ---- */

static bool lower_stos(struct x64_unit *x)
{
    unsigned size = x->insn->op[0].size;
    if (!usable(x) || (repeated(x->insn) && x64_timed(x)))
        return false;
    if (repeated(x->insn))
        return lower_rep(x, size, false);
    slow_if_backward(x);
    stos_once(x, size);
    return true;
}

static bool lower_movs(struct x64_unit *x)
{
    unsigned size = x->insn->op[0].size;
    if (!usable(x) || x64_timed(x))
        return false;
    if (repeated(x->insn))
        return lower_rep(x, size, true);
    slow_if_backward(x);
    movs_once(x, size);
    return true;
}

const struct x64_lowering x64_lower_string[] = {
    {exec_movs, lower_movs}, {exec_stos, lower_stos}, {exec_lods, lower_lods},
    {exec_scas, lower_scas}, {exec_cmps, lower_cmps}, {NULL, NULL},
};
