/* Finding accesses that can share a check (share.h).
 *
 * For each base, with or without index, that some instruction uses, the block is followed from its start
 * while these registers only change by constants. An instruction that is not known to leave other registers
 * alone ends the search. */
#include "binxlate/share.h"

#include "cpu/exec.h"

enum {
    SHARE_SPAN = 512,
    SHARE_OFFSET = 1 << 16,
    MEMBERS_LEAST = 3, /* in all copies: for fewer, near pages are as good */
};

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
    struct share_group group;
    unsigned width;
    uint64_t operand, stack; /* bit per position: a member */
};
_Static_assert(BLOCK_MAX_INSNS <= 64, "one bit each");

/* Add an access if the group stays close together. */
static void add(struct search *s, unsigned position, int32_t offset, unsigned size, bool write,
                uint64_t *mask)
{
    struct share_group *group = &s->group;
    int32_t low = offset, high = offset + (int32_t)size;
    if (group->members > 0) {
        low = low < group->low ? low : group->low;
        high = high > group->high ? high : group->high;
    }
    if (high - low > SHARE_SPAN)
        return;
    group->low = low;
    group->high = high;
    group->write |= write;
    group->members++;
    *mask |= UINT64_C(1) << position;
}

static bool is_native(const struct search *s, const struct insn *insn)
{
    return insn->addr_size == s->width && insn->seg != FS && insn->seg != GS &&
           (insn->seg != CS || s->width == 8) && insn->disp > -SHARE_OFFSET && insn->disp < SHARE_OFFSET &&
           insn->exec != exec_pop && insn->exec != exec_nop;
}

static void add_accesses(struct search *s, unsigned position, int32_t delta)
{
    const struct insn *insn = &s->block->insn[position];
    const struct operand *memory = memory_operand(insn);
    const struct share_group *group = &s->group;
    if (memory != NULL && is_native(s, insn) && insn->base == group->base && insn->index == group->index &&
        (insn->index == REG_NONE || insn->scale == group->scale)) {
        bool write = memory == &insn->op[0] && (insn_attr(insn) & ATTR_NOWRITE) == 0;
        add(s, position, delta + (int32_t)insn->disp, memory->size, write, &s->operand);
    }
    int32_t bytes = pushed(insn);
    if (group->base != RSP || group->index != REG_NONE)
        return;
    if (bytes > 0)
        add(s, position, delta - bytes, (unsigned)bytes, true, &s->stack);
    else if (bytes < 0)
        add(s, position, delta, (unsigned)-bytes, false, &s->stack);
}

/* How the instruction changes the group's address. */
static bool change_of_address(const struct search *s, const struct insn *insn, int32_t *change)
{
    const struct share_group *group = &s->group;
    int32_t by_index = 0;
    if (!change_of(insn, group->base, s->width, change))
        return false;
    if (group->index != REG_NONE && !change_of(insn, group->index, s->width, &by_index))
        return false;
    *change += by_index * (1 << group->scale);
    return true;
}

static void follow(struct search *s)
{
    int32_t delta = 0, change;
    for (unsigned i = 0; i < s->block->count; i++) {
        const struct insn *insn = &s->block->insn[i];
        s->group.delta[i] = delta;
        if (!is_plain(insn))
            return;
        add_accesses(s, i, delta);
        if (!change_of_address(s, insn, &change))
            return;
        delta += change;
        if (delta <= -SHARE_OFFSET || delta >= SHARE_OFFSET)
            return;
    }
    s->group.whole = true;
    s->group.step = delta;
}

/* Make the range that of all copies. Is the group worth a check? */
static bool extend(struct share_group *group, unsigned copies)
{
    if (group->members * copies < MEMBERS_LEAST)
        return false;
    if (copies == 1)
        return true;
    int32_t way = group->step * (int32_t)(copies - 1);
    group->low += way < 0 ? way : 0;
    group->high += way > 0 ? way : 0;
    return group->whole && group->high - group->low <= SHARE_SPAN;
}

static void mark(uint8_t *place, uint64_t mask, unsigned group)
{
    for (; mask != 0; mask &= mask - 1)
        place[__builtin_ctzll(mask)] = (uint8_t)group;
}

static bool is_known(const struct share *share, unsigned base, unsigned index, unsigned scale)
{
    for (unsigned n = 0; n < share->groups; n++) {
        const struct share_group *group = &share->group[n];
        if (group->base == base && group->index == index && (index == REG_NONE || group->scale == scale))
            return true;
    }
    return false;
}

static void try_group(const struct block *block, unsigned copies, unsigned base, unsigned index,
                      unsigned scale, struct share *share)
{
    struct search search = {
        .block = block,
        .group = {.base = (uint8_t)base, .index = (uint8_t)index, .scale = (uint8_t)scale},
        .width = (block->mode & MODE_CODE_MASK) == MODE_CODE64 ? 8 : 4,
    };
    if (share->groups == SHARE_GROUPS || is_known(share, base, index, scale))
        return;
    follow(&search);
    if (!extend(&search.group, copies))
        return;
    mark(share->operand, search.operand, share->groups);
    mark(share->stack, search.stack, share->groups);
    share->group[share->groups++] = search.group;
}

void share_find(const struct block *block, unsigned copies, struct share *share)
{
    share->groups = 0;
    memset(share->operand, SHARE_NONE, sizeof share->operand);
    memset(share->stack, SHARE_NONE, sizeof share->stack);
    for (unsigned i = 0; i < block->count; i++) {
        const struct insn *insn = &block->insn[i];
        if (memory_operand(insn) != NULL && insn->base < GPR_COUNT)
            try_group(block, copies, insn->base, insn->index, insn->scale, share);
        if (pushed(insn) != 0)
            try_group(block, copies, RSP, REG_NONE, 0, share);
    }
}
