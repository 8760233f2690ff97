/* Fast handlers: what they share. Private to cpu/.
 *
 * A fast handler is an insn->run: it does one instruction completely and goes on with the next by a tail
 * call, without bringing rip, clock and instruction count up to date: they stand at the block's start.
 * Whatever is not the plain case, it hands to run_reference(), before it has changed anything: so it only
 * skips work, never decides. It is chosen when the block is decoded, for a mode that is part of the block's
 * key.
 *
 * A handler ends with insn_done() or, for branches, branch_done(). */
#ifndef CROSSPAGE_CPU_FAST_H
#define CROSSPAGE_CPU_FAST_H

#include "cpu/block.h"
#include "cpu/operand.h"

static ALWAYS_INLINE enum exec insn_done(struct cpu *cpu, const struct insn *insn)
{
    const struct insn *next = insn + 1;
    return next->run(cpu, next);
}

/* ---- Memory ---- */

/* How a memory operand is addressed, decided at decode time. */
enum fast_memory {
    FAST_SIMPLE,  /* MODE_FLAT, DS, ES or SS, [base + disp] */
    FAST_GENERAL, /* anything with the native address size; the segment is looked at when it runs */
    FAST_NO_MEMORY,
};

enum fast_memory fast_memory_kind(const struct insn *insn, unsigned mode);

static ALWAYS_INLINE uint64_t fast_rip(const struct cpu *cpu, const struct insn *insn)
{
    return cpu->s.rip + insn->rip_offset;
}

/* Effective address before truncation: linear_mask does that. */
static ALWAYS_INLINE uint64_t fast_ea(const struct cpu *cpu, const struct insn *insn, enum fast_memory kind)
{
    uint64_t ea = (uint64_t)insn->disp;
    if (kind == FAST_SIMPLE)
        return ea + cpu->s.gpr[insn->base];
    if (insn->base < GPR_COUNT)
        ea += cpu->s.gpr[insn->base];
    else if (insn->base == REG_RIP)
        ea += fast_rip(cpu, insn) + insn->length;
    if (insn->index != REG_NONE)
        ea += cpu->s.gpr[insn->index] << insn->scale;
    return ea;
}

static ALWAYS_INLINE uint8_t *fast_operand(const struct cpu *cpu, const struct insn *insn,
                                           enum fast_memory kind, unsigned size, enum access access)
{
    uint64_t ea = fast_ea(cpu, insn, kind);
    if (kind == FAST_GENERAL) {
        unsigned flat = access == ACCESS_READ ? cpu->flat : cpu->flat_write;
        if (UNLIKELY((flat >> insn->seg & 1) == 0))
            return NULL;
        ea += cpu->seg_base[insn->seg];
    }
    return tlb_hit(cpu->tlb_map, ea & cpu->linear_mask, size, access);
}

/* The stack in MODE_FLAT. */
static ALWAYS_INLINE uint8_t *fast_stack(const struct cpu *cpu, uint64_t offset, unsigned size,
                                         enum access access)
{
    return tlb_hit(cpu->tlb_map, offset & cpu->linear_mask, size, access);
}

/* ---- Leaving a block ---- */

/* May control go to `target` without a fault? The mode is the block's. */
static ALWAYS_INLINE bool fast_target_ok(const struct cpu *cpu, uint64_t target)
{
    if (LIKELY(cpu->long64))
        return is_canonical(target);
    return target <= cpu->s.seg[CS].limit;
}

/* The end of the block by its last instruction `insn`, a direct branch: to `target` if taken. When the
 * successor is known, in the same page and fits below the limit, it is run right away. cpu->chain bounds how
 * deep that goes where the compiler makes no tail calls. */
static ALWAYS_INLINE enum exec branch_done(struct cpu *cpu, const struct insn *insn, bool taken,
                                           uint64_t target)
{
    const struct insn *end = insn + 1;
    struct block *next = cpu->block->link[taken];
    if (taken && UNLIKELY(next == NULL) && !fast_target_ok(cpu, target))
        return run_reference(cpu, insn);
    block_sync(cpu, end);
    if (taken)
        cpu->s.rip = target;
    if (LIKELY(next != NULL && !next->stale && block_within_limit(cpu, next) &&
               cpu->s.clock + next->cost < cpu->limit && --cpu->chain > 0))
        return block_run(cpu, next);
    return taken ? EXEC_JUMP : EXEC_NEXT;
}

/* The end of the block by an indirect branch to `target`, which is good. */
static ALWAYS_INLINE enum exec indirect_done(struct cpu *cpu, const struct insn *insn, uint64_t target)
{
    block_sync(cpu, insn + 1);
    cpu->s.rip = target;
    return (enum exec)RUN_INDIRECT;
}

/* ---- Choice, by family: NULL when there is none ---- */

exec_fn *fast_alu_select(const struct insn *insn, unsigned mode);
exec_fn *fast_move_select(const struct insn *insn, unsigned mode);
exec_fn *fast_shift_select(const struct insn *insn, unsigned mode);
exec_fn *fast_branch_select(const struct insn *insn, unsigned mode);

/* 0..3 for 1, 2, 4, 8 bytes. */
static inline unsigned fast_size_index(unsigned size)
{
    return (unsigned)__builtin_ctz(size);
}

static inline bool is_low_gpr(const struct operand *op)
{
    return op->kind == OPK_GPR;
}

#endif
