/* Decoded blocks: straight-line runs of instructions of one page, or one instruction across two; keyed by
 * guest-physical address, second page and mode. For cpu/ and the translator. */
#ifndef CROSSPAGE_CPU_BLOCK_H
#define CROSSPAGE_CPU_BLOCK_H

#include "cpu/exec.h"

enum {
    BLOCK_MAX_INSNS = 64,
    BLOCK_BUCKETS = 1 << 17,
    CODE_LINE_SHIFT = 7, /* 128 bytes */
    INSN_MAX_BYTES = 15,
    REWRITTEN_OFTEN = 16, /* times: code that is written as it runs */
    REWRITTEN_INSNS = 8,  /* how long its blocks are */
};
#define BLOCK_NO_TAIL UINT64_MAX

struct block {
    uint64_t phys; /* of the first byte */
    unsigned mode; /* enum cpu_mode bits */
    uint16_t bytes, cost;
    uint8_t count;    /* instructions; insn[count] is a sentinel */
    bool stale;       /* its bytes were written: must not be entered any more */
    uint8_t patience; /* it is warm when it ran so many powers of two more often than others: see code_page */
    bool probed;      /* somebody may want to know before it is entered: see cpu/probe.h */
    uint32_t lines;   /* bit per 128 bytes of the page that it covers */
    struct block *bucket_next, *page_next;
    struct block
        *link[2]; /* successor in the same page after falling through (0) and a taken direct branch (1) */
    struct block *guess; /* the last successor that was none of these */
    /* Of an instruction that begins in one page and ends in the next: the guest-physical page of its end.
     * Such a block is only entered after a look at where both linear pages lead (block_at_rip), so no link
     * leads to one. Else BLOCK_NO_TAIL. */
    uint64_t tail;
    struct block *tail_next; /* of those that end in the same page */
    /* A translator's (cpu/engine.h): its translations, and how often the block was interpreted since. */
    struct translation_unit *unit;
    uint32_t heat;
    uint64_t far; /* bit per position: see binxlate/near.c */
    _Alignas(64) struct insn insn[];
};
_Static_assert(sizeof(struct block) == 128, "whole cache lines");

/* What is decoded from one guest-physical page. */
struct code_page {
    struct block *blocks;  /* that begin in it */
    struct block *tails;   /* that only end in it */
    uint32_t lines;        /* covered by the former; the latter are all in the first */
    uint32_t rewritten;    /* how often blocks were forgotten because it was written, lately */
    uint64_t rewritten_at; /* s.instructions then */
};

struct block_cache {
    struct cpu *cpu;
    struct code_page *page; /* by PPN */
    uint64_t pages;
    struct block *bucket[BLOCK_BUCKETS];
    uint8_t *arena;
    size_t used;
    bool drop_pending; /* block_cache_drop() was called while a block may be running */
    /* The page that code is fetched from, translated when control entered it. Valid for this linear page,
     * tlb.code_epoch and mode. */
    uint64_t code_linear, code_epoch;
    unsigned code_mode;
    gpa_t code_page;
};

struct block_cache *block_cache_create(struct cpu *cpu);
void block_cache_destroy(struct block_cache *blocks);
/* Forget every block, at the next instruction boundary. */
void block_cache_drop(struct block_cache *blocks);
/* Do what block_cache_drop() asked for; at a boundary, outside any block. */
void block_cache_flush(struct block_cache *blocks);

/* Blocks begin at this offset of every page from now on (cpu/probe.h): forget those that have its byte. At an
 * instruction boundary, outside any block. */
void block_cache_forget_offset(struct block_cache *blocks, unsigned offset);

/* The frame behind a page may have changed: forget what was decoded from it. */
void block_cache_page_changed(struct block_cache *blocks, ppn_t page);

static inline uint64_t code_linear(const struct cpu *cpu)
{
    return (cpu->seg_base[CS] + cpu->s.rip) & cpu->linear_mask;
}

/* The next fetch translates its page again. */
static inline void code_page_forget(struct cpu *cpu)
{
    cpu->blocks->code_linear = UINT64_MAX;
}

/* Has it run often enough for a translator? Asked whenever it is interpreted. */
static ALWAYS_INLINE bool block_is_warm(const struct block *block, uint32_t threshold)
{
    return block->heat >> block->patience >= threshold;
}

/* How long a block of this page may be. */
unsigned block_room(const struct block_cache *blocks, gpa_t phys);

static inline bool block_crosses(const struct block *block)
{
    return block->tail != BLOCK_NO_TAIL;
}

enum block_found {
    BLOCK_FOUND,
    BLOCK_NONE,  /* the instruction at rip cannot be in a block: fetch_insn() */
    BLOCK_FAULT, /* fetching faults: cpu->fault */
};
enum block_found block_at_rip(struct cpu *cpu, struct block **block) MUST_CHECK;

/* May control enter `block`, which holds the code at rip, without a look at the segment limit? */
static ALWAYS_INLINE bool block_within_limit(const struct cpu *cpu, const struct block *block)
{
    return cpu->s.rip + block->bytes <= cpu->code_bound;
}

/* Enter the page of `linear`; false: cpu->fault. */
bool code_enter_page(struct cpu *cpu, uint64_t linear) MUST_CHECK;

/* Translate the address of an instruction byte; false: cpu->fault. */
MUST_CHECK static ALWAYS_INLINE bool code_translate(struct cpu *cpu, uint64_t linear, gpa_t *addr)
{
    const struct block_cache *blocks = cpu->blocks;
    if (UNLIKELY((linear & ~PAGE_MASK) != blocks->code_linear ||
                 cpu->tlb.code_epoch[cpu->cpl == 3] != blocks->code_epoch ||
                 cpu->mode != blocks->code_mode) &&
        !code_enter_page(cpu, linear))
        return false;
    *addr = gpa(blocks->code_page.v | (linear & PAGE_MASK));
    return true;
}

/* Fetch and decode the instruction at rip without the cache: it may lie in device memory or reach the segment
 * limit, cross pages or be stepped (cpu/fetch.c). False: cpu->fault. */
bool fetch_insn(struct cpu *cpu, struct insn *insn) MUST_CHECK;

/* Decode a block from `phys` on, which is RAM; false when its first instruction leaves the page
 * (cpu/block_build.c). */
bool block_build(struct cpu *cpu, gpa_t phys, struct block *block) MUST_CHECK;
/* The block of the instruction at `phys` that goes on at the start of page `tail`, both RAM. */
void block_build_crossing(struct cpu *cpu, gpa_t phys, gpa_t tail, struct block *block);
/* INSN_MAX_BYTES from `phys` on, the rest of them from the start of page `tail`. */
void block_copy_crossing(const struct guest_memory *memory, gpa_t phys, gpa_t tail, uint8_t *bytes);

/* Fetch an instruction, as far as that takes time, and run its handler; s.rip, s.clock and s.instructions
 * stand before it. */
static ALWAYS_INLINE enum exec insn_execute(struct cpu *cpu, const struct insn *insn)
{
    if (UNLIKELY(cpu->timing != NULL))
        timing_fetch(cpu, insn->length);
    return insn->exec(cpu, insn);
}

/* Act on what a handler returned; s.rip, s.clock and s.instructions stand before `insn` (cpu/run.c). */
void insn_finish(struct cpu *cpu, const struct insn *insn, enum exec result);
/* The block to run next, or NULL when one instruction was run (or its fault delivered) without one. */
struct block *next_block(struct cpu *cpu);
/* Do all that the present instruction boundary asks for, until there is nothing but blocks to run: then limit
 * is the deadline, above the clock. False: cpu_run must return `stop`; asking again says the same. */
bool boundary_pass(struct cpu *cpu, enum cpu_stop *stop) MUST_CHECK;
/* Would it return true, with no event delivered and no instruction stepped? If so it is made; if not, nothing
 * was done. */
bool boundary_is_plain(struct cpu *cpu) MUST_CHECK;

/* The line of -d exec. */
void block_log_exec(struct cpu *cpu, const struct block *block);

/* ---- Running inside a block: rip, clock and instruction count stay at the block's start, and are brought up
 * to date only where somebody can see them. ---- */

/* From the block's start to before `insn`. */
static ALWAYS_INLINE void block_sync(struct cpu *cpu, const struct insn *insn)
{
    cpu->s.rip += insn->rip_offset;
    cpu->s.clock += insn->clock_offset;
    cpu->s.instructions += insn->position;
}

/* And back. The clock may have been advanced meanwhile. */
static ALWAYS_INLINE void block_unsync(struct cpu *cpu, const struct insn *insn)
{
    cpu->s.rip -= insn->rip_offset;
    cpu->s.clock -= insn->clock_offset;
    cpu->s.instructions -= insn->position;
}

/* What insn->run returns besides EXEC_NEXT (fell out of the block) and EXEC_JUMP (a taken direct branch set
 * rip). */
enum {
    RUN_INDIRECT = EXEC_FAULT + 1, /* rip was set by a near indirect branch */
    RUN_LEAVE,                     /* back to the boundary checks */
    RUN_LOOKUP,                    /* an engine ran; rip is at a boundary */
    RUN_DECLINED,                  /* an engine did nothing */
};

/* Start a block; it fits below cpu->limit. */
static ALWAYS_INLINE enum exec block_run(struct cpu *cpu, struct block *block)
{
    cpu->block = block;
    cpu->block_cost = block->cost;
    return block->insn->run(cpu, block->insn);
}

exec_fn run_reference; /* bring state up to date, run insn->exec, go on with the next (cpu/run.c) */
exec_fn run_end;       /* the sentinel's */

/* A faster way to run `insn` than run_reference, or NULL (cpu/fast.c). */
exec_fn *fast_select(const struct insn *insn, unsigned mode);

#endif
