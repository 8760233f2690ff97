/* The run loop: boundaries, blocks, single steps.
 *
 *   cpu_run --> boundary_pass: deadline? shutdown? halted? #DB, NMI, INTR pending and allowed? deliver one; a
 * pause? |           | |           +--> TF, a shadow or code breakpoints: careful_step(), one instruction by
 * itself |           +--> otherwise: run_blocks() |                   |  a block whose cost fits below
 * cpu->limit runs without looking at the clock; |                   |  one that does not is stepped, each
 * instruction compared with the limit
 *      +<------------------+  whatever is not plain straight-line code or a near branch comes back here
 *
 * cpu->limit is the deadline, or 0 once anybody wants the boundary checks (cpu_attend). Every instruction
 * that can call out of the CPU runs through run_reference() or run_steps(), which look at it afterwards; so
 * an interrupt raised or code overwritten inside an instruction is seen right after it (contract E2).
 *
 * Invariants: (1) at every boundary s.rip, s.clock and s.instructions are exact and do not depend on the
 * shape of blocks, nor on where earlier cpu_run() calls stopped; (2) a REP that stops between iterations has
 * charged its iterations, the rest of its cost comes with its last one; (3) a fault commits nothing and costs
 * nothing but its delivery; (4) when an instruction drops the mapping of a page that code was fetched from
 * (tlb.code_epoch), the next instruction is fetched anew, in whatever block it stands. */
#include "cpu/block.h"
#include "cpu/cpu_priv.h"
#include "cpu/flags.h"
#include "cpu/pause.h"
#include "cpu/probe.h"

enum { SHADOW_INTR = 1, SHADOW_DEBUG = 2, CHAIN_BLOCKS = 16 };

void insn_finish(struct cpu *cpu, const struct insn *insn, enum exec result)
{
    switch (result) {
    case EXEC_FAULT:
        code_page_forget(cpu);
        cpu_deliver_fault(cpu);
        return;
    case EXEC_REPEAT: return;
    case EXEC_END:
        code_page_forget(cpu);
        cpu->s.rip = insn_next_rip(cpu, insn);
        break;
    case EXEC_NEXT: cpu->s.rip = insn_next_rip(cpu, insn); break;
    case EXEC_JUMP: break;
    }
    cpu->s.clock += insn->cost;
    cpu->s.instructions++;
}

/* ---- Inside a block ---- */

enum exec run_reference(struct cpu *cpu, const struct insn *insn)
{
    uint64_t epoch = tlb_code_epoch(&cpu->tlb);
    block_sync(cpu, insn);
    enum exec result = insn->exec(cpu, insn);
    if (LIKELY(result == EXEC_NEXT)) {
        const struct insn *next = insn + 1;
        /* Does the rest of the block still fit, does nobody want attention, and is the code where it was? */
        if (LIKELY(cpu->s.clock + cpu->block_cost - insn->clock_offset < cpu->limit &&
                   tlb_code_epoch(&cpu->tlb) == epoch)) {
            block_unsync(cpu, insn);
            return next->run(cpu, next);
        }
    }
    insn_finish(cpu, insn, result);
    return (enum exec)RUN_LEAVE;
}

enum exec run_end(struct cpu *cpu, const struct insn *insn)
{
    block_sync(cpu, insn);
    return EXEC_NEXT;
}

/* Run a block with the reference handlers, looking at the limit after each instruction. False: back to the
 * boundary checks. */
static bool run_steps(struct cpu *cpu, const struct block *block)
{
    for (unsigned i = 0; i < block->count; i++) {
        const struct insn *insn = &block->insn[i];
        uint64_t epoch = tlb_code_epoch(&cpu->tlb);
        enum exec result = insn_execute(cpu, insn);
        insn_finish(cpu, insn, result);
        if (result != EXEC_NEXT || cpu->s.clock >= cpu->limit || tlb_code_epoch(&cpu->tlb) != epoch)
            return false;
    }
    return true;
}

void block_log_exec(struct cpu *cpu, const struct block *block)
{
    log_line(cpu->log, LOG_EXEC, "exec %#llx phys %#llx mode %#x clock %llu",
             (unsigned long long)code_linear(cpu), (unsigned long long)block->phys, block->mode,
             (unsigned long long)cpu->s.clock);
}

/* Fetching faults. A fetch is not made a second time for it: a monitor would notice. */
static void block_fault(struct cpu *cpu)
{
    code_page_forget(cpu);
    cpu_deliver_fault(cpu);
}

/* The instruction at rip by itself, without cache. */
static enum exec step_uncached(struct cpu *cpu)
{
    struct insn insn;
    if (!fetch_insn(cpu, &insn)) {
        block_fault(cpu);
        return EXEC_FAULT;
    }
    if (UNLIKELY(cpu->probes != NULL) && !probe_arrived(cpu))
        return EXEC_FAULT; /* nothing is done */
    enum exec result = insn_execute(cpu, &insn);
    insn_finish(cpu, &insn, result);
    return result;
}

/* The same, from the cache: a shadow is common, and its instruction the same each time. A guest's debugger
 * would only fill the cache. */
static enum exec step_cached(struct cpu *cpu)
{
    struct block *block;
    switch (block_at_rip(cpu, &block)) {
    case BLOCK_FOUND: break;
    case BLOCK_NONE: return step_uncached(cpu);
    case BLOCK_FAULT: block_fault(cpu); return EXEC_FAULT;
    }
    const struct insn *insn = &block->insn[0];
    if (UNLIKELY(block->probed) && !probe_arrived(cpu))
        return EXEC_FAULT;
    enum exec result = insn_execute(cpu, insn);
    insn_finish(cpu, insn, result);
    return result;
}

struct block *next_block(struct cpu *cpu)
{
    struct block *block;
    switch (block_at_rip(cpu, &block)) {
    case BLOCK_FOUND: return block;
    case BLOCK_NONE: step_uncached(cpu); return NULL;
    case BLOCK_FAULT: block_fault(cpu); return NULL;
    }
    return NULL;
}

/* Look up the successor of `block`, which was run in the linear page `page`, and remember it for the next
 * time. */
static struct block *follow_slow(struct cpu *cpu, struct block *block, unsigned exit, uint64_t page)
{
    size_t used = cpu->blocks->used;
    struct block *next = next_block(cpu);
    if (next == NULL || cpu->blocks->used < used)
        return next; /* `block` is gone when the arena started over */
    if (exit <= EXEC_JUMP && cpu->blocks->code_linear == page && !block_crosses(next) && !next->probed)
        block->link[exit] = next;
    else
        block->guess = next;
    return next;
}

/* The successor of `block` by way of `exit`. A direct branch within the page always leads to the same block,
 * until that is stale; elsewhere the last successor is only a guess. */
static ALWAYS_INLINE struct block *follow(struct cpu *cpu, unsigned exit)
{
    struct block *block = cpu->block, *next;
    uint64_t page = cpu->blocks->code_linear; /* code_translate() changes it */
    gpa_t phys;
    if (LIKELY(exit <= EXEC_JUMP)) {
        next = block->link[exit];
        if (LIKELY(next != NULL && !next->stale && block_within_limit(cpu, next)))
            return next;
    }
    next = block->guess;
    if (next != NULL && !block_crosses(next) && cpu->s.rip <= cpu->code_bound) {
        if (UNLIKELY(!code_translate(cpu, code_linear(cpu), &phys))) {
            block_fault(cpu);
            return NULL;
        }
        if (next->phys == phys.v && !next->stale && block_within_limit(cpu, next))
            return next;
    }
    return follow_slow(cpu, block, exit, page);
}

/* May a translator run `block`, is it worth it, and did it? */
static ALWAYS_INLINE unsigned run_engine(struct cpu *cpu, struct block *block)
{
    const struct cpu_engine *engine = cpu->engine;
    if (engine == NULL || UNLIKELY(block->probed))
        return RUN_DECLINED;
    if (block->unit == NULL && (block->heat++, !block_is_warm(block, engine->threshold)))
        return RUN_DECLINED;
    return engine->run(engine->ctx, block);
}

static void run_blocks(struct cpu *cpu)
{
    bool trace = log_wants(cpu->log, LOG_EXEC), fast = cpu->config.fast_paths && cpu->timing == NULL;
    uint32_t chain = trace || cpu->engine != NULL ? 1 : CHAIN_BLOCKS;
    struct block *block = next_block(cpu);
    while (block != NULL) {
        if (UNLIKELY(block->probed) && !probe_arrived(cpu))
            return; /* true: `block` may be stale now, but its instruction runs, and limit is 0 then */
        unsigned ran = run_engine(cpu, block);
        if (ran == RUN_LEAVE)
            return;
        if (ran == RUN_LOOKUP) {
            block = next_block(cpu);
            continue;
        }
        if (UNLIKELY(trace))
            block_log_exec(cpu, block);
        if (UNLIKELY(!fast || cpu->s.clock + block->cost >= cpu->limit)) {
            if (!run_steps(cpu, block))
                return;
            block = next_block(cpu);
            continue;
        }
        cpu->chain = chain;
        unsigned exit = block_run(cpu, block);
        if (UNLIKELY(exit == RUN_LEAVE))
            return;
        block = follow(cpu, exit);
    }
}

/* ---- Boundaries ---- */

/* One instruction under single-step, a shadow or breakpoints (SDM vol. 3, 17.3, 6.8). */
static void careful_step(struct cpu *cpu)
{
    bool step = (cpu->s.rflags & FLAG_TF) != 0;
    uint8_t shadow = cpu->s.intr_shadow;
    bool watched = cpu->debug_code && !(cpu->s.rflags & FLAG_RF) && !(shadow & SHADOW_DEBUG);
    if (watched && cpu_code_breakpoint(cpu, code_linear(cpu))) {
        cpu_deliver_fault(cpu);
        return;
    }
    cpu->s.rflags &= ~(uint64_t)FLAG_RF;
    cpu->skip_step = false;
    cpu->limit = 0; /* a REP does one iteration */
    enum exec result = step || cpu->debug_code ? step_uncached(cpu) : step_cached(cpu);
    if (result == EXEC_FAULT)
        return;
    cpu->s.intr_shadow &= (uint8_t)~shadow;
    if (step && !cpu->skip_step)
        cpu->s.debug_pending |= DR6_BS;
    cpu->skip_step = false;
}

static bool needs_care(const struct cpu *cpu)
{
    return (cpu->s.rflags & FLAG_TF) != 0 || cpu->s.intr_shadow != 0 || cpu->debug_code || cpu->pause != 0;
}

static bool intr_allowed(const struct cpu *cpu)
{
    return cpu->s.intr_line && (cpu->s.rflags & FLAG_IF) != 0 && !(cpu->s.intr_shadow & SHADOW_INTR);
}

static bool nmi_allowed(const struct cpu *cpu)
{
    return cpu->s.nmi_pending && !cpu->s.nmi_blocked && cpu->s.intr_shadow == 0;
}

/* Deliver the first event that is pending and allowed (SDM vol. 3, table 6-2). */
static bool deliver_event(struct cpu *cpu)
{
    if (cpu->s.debug_pending != 0 && !(cpu->s.intr_shadow & SHADOW_DEBUG))
        cpu_deliver_debug(cpu);
    else if (nmi_allowed(cpu))
        cpu_deliver_nmi(cpu);
    else if (intr_allowed(cpu))
        cpu_deliver_interrupt(cpu);
    else
        return false;
    code_page_forget(cpu);
    return true;
}

bool cpu_wakes(const struct cpu *cpu)
{
    return cpu->s.debug_pending != 0 || nmi_allowed(cpu) || intr_allowed(cpu);
}

bool boundary_is_plain(struct cpu *cpu)
{
    if (cpu->blocks->drop_pending || cpu->s.activity != ACTIVITY_RUNNING || cpu->s.clock >= cpu->deadline ||
        cpu_wakes(cpu) || cpu->pause != 0 || needs_care(cpu))
        return false;
    cpu->limit = cpu->deadline;
    cpu->s.rflags &= ~(uint64_t)FLAG_RF;
    return true;
}

bool boundary_pass(struct cpu *cpu, enum cpu_stop *stop)
{
    for (;;) {
        cpu->limit = cpu->deadline;
        if (UNLIKELY(cpu->blocks->drop_pending))
            block_cache_flush(cpu->blocks);
        if (cpu->s.activity == ACTIVITY_SHUTDOWN)
            return *stop = CPU_STOP_SHUTDOWN, false;
        if (cpu->s.clock >= cpu->deadline)
            return *stop = CPU_STOP_DEADLINE, false;
        if (deliver_event(cpu))
            continue;
        if (cpu->s.activity == ACTIVITY_HALTED)
            return *stop = CPU_STOP_HALTED, false;
        if (UNLIKELY(cpu->pause != 0) && pause_at_boundary(cpu))
            continue;
        if (!cpu->debug_code)
            cpu->s.rflags &= ~(uint64_t)FLAG_RF; /* nothing to suppress; a REP that stops sets it again */
        if (LIKELY(!needs_care(cpu)))
            return true;
        careful_step(cpu);
    }
}

enum cpu_stop cpu_run(struct cpu *cpu, cycle_t deadline)
{
    enum cpu_stop stop;
    cpu->deadline = deadline;
    while (boundary_pass(cpu, &stop))
        run_blocks(cpu);
    cpu_sync(cpu);
    return stop;
}
