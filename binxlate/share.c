/* Finding accesses that can share a check (share.h).
 *
 * For each base register the block is followed from its start while the register only changes by constants.
 * An instruction that is not known to leave the other registers alone ends the search. */
#include "binxlate/share.h"

#include "cpu/exec.h"

enum { SHARE_SPAN = 256, SHARE_OFFSET = 1 << 16 };

/* Of the vector instructions all but those that write RCX and to [rDI]. */
static bool is_plain_vector(const struct insn *insn)
{
    return (insn_attr(insn) & (ATTR_SSE | ATTR_AVX)) != 0 && insn->exec != exec_pcmpestri &&
           insn->exec != exec_pcmpistri && insn->exec != exec_maskmovdqu;
}

/* Instructions that write no register but their operands, and no memory but their operand. */
static bool is_plain(const struct insn *insn)
{
    static exec_fn *const plain[] = {
        exec_mov,  exec_add,   exec_or,    exec_adc,    exec_sbb,   exec_and,           exec_sub,
        exec_xor,  exec_cmp,   exec_test,  exec_lea,    exec_movzx, exec_movsx,         exec_inc,
        exec_dec,  exec_neg,   exec_not,   exec_shl,    exec_shr,   exec_sar,           exec_rol,
        exec_ror,  exec_imul,  exec_imul3, exec_nop,    exec_cmov,  exec_setcc,         exec_push,
        exec_pop,  exec_call,  exec_ret,   exec_jmp,    exec_jcc,   exec_call_indirect, exec_jmp_indirect,
        exec_andn, exec_bextr, exec_blsi,  exec_blsmsk, exec_blsr,  exec_bzhi,          exec_shlx,
        exec_shrx, exec_sarx,  exec_rorx,  exec_tzcnt,  exec_lzcnt, exec_movbe,         exec_bswap,
    };
    if (insn->row == 0 || insn->exec != insn_rows[insn->row].exec)
        return false;
    /* x87: FNSTSW AX writes a register that is no operand, state instructions more memory than theirs. */
    if ((insn_attr(insn) & (ATTR_FPU | ATTR_FPU_NOWAIT)) != 0)
        return insn_rows[insn->row].cost != COST_FPU_STATE && insn->exec != exec_fnstsw_ax;
    for (unsigned i = 0; i < ARRAY_LEN(plain); i++)
        if (insn->exec == plain[i])
            return true;
    return is_plain_vector(insn);
}

static const struct operand *memory_operand(const struct insn *insn)
{
    for (unsigned n = 0; n < 3; n++)
        if (insn->op[n].kind == OPK_MEM && insn->op[n].size != 0)
            return &insn->op[n];
    return NULL;
}

/* Bytes pushed (positive) or popped (negative) by the instruction, 0 if it does neither. */
static int32_t pushed(const struct insn *insn)
{
    if (insn->exec == exec_push || insn->exec == exec_call || insn->exec == exec_call_indirect)
        return insn->op_size;
    if (insn->exec == exec_pop || insn->exec == exec_ret)
        return -(int32_t)insn->op_size;
    return 0;
}

/* How the instruction changes `base`: by *change, or in a way not known (false). */
static bool change_of(const struct insn *insn, unsigned base, unsigned width, int32_t *change)
{
    const struct operand *to = &insn->op[0];
    bool writes = to->kind == OPK_GPR && to->reg == base && (insn_attr(insn) & ATTR_NOWRITE) == 0;
    *change = base == RSP ? -pushed(insn) : 0;
    if (insn->exec == exec_ret && base == RSP)
        *change += (int32_t)insn->imm;
    if (to->kind == OPK_GPRH && to->reg == base)
        return false;
    if (!writes || insn->exec == exec_push)
        return true;
    bool constant = insn->op[1].kind == OPK_IMM && insn->op_size == width && to->size == width;
    int64_t by = (int64_t)insn->imm;
    if (insn->exec == exec_lea && insn->base == base && insn->index == REG_NONE && insn->op_size == width &&
        insn->addr_size == width)
        by = insn->disp;
    else if (insn->exec == exec_sub && constant)
        by = -by;
    else if (insn->exec != exec_add || !constant)
        return false;
    *change = (int32_t)by;
    return by > -SHARE_OFFSET && by < SHARE_OFFSET;
}

struct search {
    const struct block *block;
    struct share *share;
    unsigned width;
};

/* Add an access if the group stays close together. */
static void add(struct search *s, unsigned position, int32_t offset, unsigned size, bool write,
                uint64_t *mask)
{
    struct share *share = s->share;
    int32_t low = offset, high = offset + (int32_t)size;
    if (share->members > 0) {
        low = low < share->low ? low : share->low;
        high = high > share->high ? high : share->high;
    } else {
        share->leader = (uint8_t)position;
    }
    if (high - low > SHARE_SPAN)
        return;
    share->low = low;
    share->high = high;
    share->write |= write;
    share->members++;
    *mask |= UINT64_C(1) << position;
}

static void add_accesses(struct search *s, unsigned position, int32_t delta)
{
    const struct insn *insn = &s->block->insn[position];
    const struct operand *memory = memory_operand(insn);
    unsigned base = s->share->base;
    bool native = insn->addr_size == s->width && insn->index == REG_NONE && insn->seg != FS &&
                  insn->seg != GS && (insn->seg != CS || s->width == 8);
    if (memory != NULL && native && insn->base == base && insn->disp > -SHARE_OFFSET &&
        insn->disp < SHARE_OFFSET && insn->exec != exec_pop && insn->exec != exec_nop) {
        bool write = memory == &insn->op[0] && (insn_attr(insn) & ATTR_NOWRITE) == 0;
        add(s, position, delta + (int32_t)insn->disp, memory->size, write, &s->share->operand);
    }
    int32_t bytes = pushed(insn);
    if (base == RSP && bytes > 0)
        add(s, position, delta - bytes, (unsigned)bytes, true, &s->share->stack);
    else if (base == RSP && bytes < 0)
        add(s, position, delta, (unsigned)-bytes, false, &s->share->stack);
}

static void follow_base(struct search *s, unsigned base)
{
    int32_t delta = 0, change;
    *s->share = (struct share){.base = (uint8_t)base};
    for (unsigned i = 0; i < s->block->count; i++) {
        const struct insn *insn = &s->block->insn[i];
        s->share->delta[i] = delta;
        if (!is_plain(insn))
            return;
        add_accesses(s, i, delta);
        if (!change_of(insn, base, s->width, &change))
            return;
        delta += change;
        if (delta <= -SHARE_OFFSET || delta >= SHARE_OFFSET)
            return;
    }
}

void share_find(const struct block *block, struct share *best)
{
    struct share share;
    struct search search = {
        .block = block, .share = &share, .width = (block->mode & MODE_CODE_MASK) == MODE_CODE64 ? 8 : 4};
    best->members = 0;
    for (unsigned base = 0; base < GPR_COUNT; base++) {
        follow_base(&search, base);
        if (share.members >= 2 && share.members > best->members)
            *best = share;
    }
}
