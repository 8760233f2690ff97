/* -timing cache: what the modelled caches, TLBs and branch prediction (mmu/hierarchy.h, cpu/predictor.h) add
 * to the prices of instructions.
 *
 * The order of events within an instruction is part of the machine's definition:
 *
 *   1. each line that its bytes lie in is fetched, at its linear address by way of the TLB;
 *   2. its accesses to memory, in the order of the interpreter's handler, each when its pages were found to
 *      permit it, page by page and line by line; device memory has no lines, without paging there are no
 * TLBs;
 *   3. a near branch is predicted, when nothing can stop it any more.
 *
 * Each adds its cycles to the clock at once, so they lie before the instruction's own; an instruction that
 * faults has paid for what it touched. All this state is architectural: it is hashed, and equal in every
 * engine (contracts E1, E3).
 *
 * The filter is not: it says of a line or a branch that touching it again changes nothing and costs nothing,
 * so that whoever finds it there need not. It may lack anything. Translated code looks into it at constant
 * displacements from struct cpu, and calls the _within functions about what it does not find.
 *
 * Invariants of the filter: (1) a line's key is there only if the line is first in its set of the first-level
 * cache and its page first in its set of the TLB; (2) and, for data, only if the map of the soft TLB permits
 * the access; (3) a branch's key is there only if predictor_is_quiet(). */
#ifndef CROSSPAGE_CPU_TIMING_H
#define CROSSPAGE_CPU_TIMING_H

#include "cpu/predictor.h"
#include "mmu/hierarchy.h"

#include <stdio.h>

struct cpu;
struct insn;
struct tlb_entry;

struct timing_config {
    struct hierarchy_config hierarchy;
    struct predictor_config predictor;
    const uint8_t *machine; /* host address of machine address 0: lines are known by machine address */
};

/* FILTER_LINES: one byte of the line's number, which is cheap to look up by, and no less than there are sets.
 */
enum { FILTER_LINES = 256, FILTER_BRANCHES = 1024 };
_Static_assert((int)FILTER_LINES >= (int)LEVEL1_SETS_MAX, "lines of two sets never share a slot");

/* Lines, by number. A valid key is minus the linear address of the line, as in struct tlb_map; one addend
 * serves both. */
struct filter_lines {
    uint64_t read_key[FILTER_LINES], write_key[FILTER_LINES];
    uintptr_t addend[FILTER_LINES];
};

struct timing_filter {
    struct filter_lines data[2];     /* [user] */
    uint64_t code_key[FILTER_LINES]; /* minus the linear address of a line of code */
    /* Minus the linear address of a branch, by filter_branch(). [taken], then [forward, backward] ones. */
    uint64_t taken_key[FILTER_BRANCHES], passed_key[2][FILTER_BRANCHES];
};

static inline unsigned filter_branch(uint64_t address)
{
    return (unsigned)address & (FILTER_BRANCHES - 1);
}

/* Where time went, in cycles. */
struct timing_spent {
    uint64_t fetch, load, store, fetch_walk, data_walk, branch;
};

struct line_mask {
    uint64_t word[FILTER_LINES / 64];
};

struct timing {
    struct hierarchy hierarchy;
    struct predictor predictor;
    struct timing_spent spent;
    /* ---- Not architectural ---- */
    const uint8_t *machine;
    /* Goes up when a line or page of code is no longer first in its set though no other was fetched. */
    uint64_t disturbed;
    uint64_t code_epoch, map_epoch[2]; /* of the soft TLB, as the filter knows it */
    /* Which lines of the filter were noted under a set of a TLB since its order last changed. */
    struct line_mask noted[LEVEL_COUNT][TLB_SETS_MAX];
};

struct timing *timing_create(const struct timing_config *config);
void timing_destroy(struct timing *timing);
/* Power-on: all is empty; what was counted stays. */
void timing_reset(struct cpu *cpu);
uint64_t timing_hash(const struct timing *timing, uint64_t seed);
bool timing_equal(const struct timing *a, const struct timing *b);
/* What differs, a line each; how many. */
unsigned timing_diff(FILE *file, const struct timing *a, const struct timing *b);
/* The filter forgets everything, to show that it cannot be noticed. */
void timing_forget_filter(struct cpu *cpu);

/* ---- Events, see above ---- */

/* The instruction at rip, of `length` bytes, is going to be executed. */
void timing_fetch(struct cpu *cpu, unsigned length);

/* Where a byte is, and by which translation. */
struct timing_page {
    uint64_t linear;
    uint8_t page_shift; /* of the page that it is in */
    bool global;
};

/* A part of an access that lies in one page. */
struct timing_piece {
    struct timing_page page;
    const uint8_t *host; /* NULL: device memory */
    unsigned size;
};
void timing_data(struct cpu *cpu, const struct timing_piece *piece, bool store);

/* The near branch at rip goes to offset `target`, which is good. */
void timing_branch(struct cpu *cpu, const struct insn *insn, enum branch_kind kind, bool taken,
                   uint64_t target);

/* ---- Flushes ---- */

/* As the flushes of mmu/tlb.h: of all spaces, of one, of a page. */
void timing_flush_tlbs(struct cpu *cpu, bool global);
void timing_flush_space(struct cpu *cpu, unsigned space);
void timing_flush_page(struct cpu *cpu, uint64_t linear);
void timing_flush_page_of(struct cpu *cpu, uint64_t linear, unsigned space);
/* See tlb_select(). */
void timing_select(struct cpu *cpu, unsigned space);
void timing_flush_caches(struct cpu *cpu);
/* [host, host + size) of one page: from all caches. */
void timing_flush_lines(struct cpu *cpu, const uint8_t *host, size_t size);
/* The same was written by a bus master; or, `copied`, by other code of this CPU: then L2 has it. */
void timing_written(struct cpu *cpu, const uint8_t *host, size_t size, bool copied);

/* ---- Other worlds on this CPU ---- */

/* What code that is modelled, not run, touches: so many lines and pages, always the same ones. `world` tells
 * those of one from those of another; they are nobody's memory. */
struct timing_footprint {
    unsigned world;
    uint32_t code_lines, data_lines, code_pages, data_pages;
};
/* Their misses, in cycles, which are no part of timing.spent. */
struct timing_misses {
    uint32_t walks, lines;
};
struct timing_misses timing_foreign(struct cpu *cpu, const struct timing_footprint *footprint);

/* ---- For translated code: cpu/timing_within.c ---- */

/* Before it is entered: drop from the filter what the soft TLB has forgotten. */
void timing_refresh(struct cpu *cpu);
/* The same events, if they cost at most `room` cycles and nothing but the filter, the model and *price is to
 * be changed; else nothing is done. */
bool timing_fetch_within(struct cpu *cpu, uint64_t linear, uint64_t room, uint32_t *price) MUST_CHECK;
/* The addend for the access: host address less `linear`. 0: nothing was done. */
uintptr_t timing_data_within(struct cpu *cpu, uint64_t linear, unsigned size, bool store, uint64_t room,
                             uint32_t *price) MUST_CHECK;
/* Always done, since a branch ends what was paid for: cycles. Also keeps the filter. */
uint32_t timing_predict(struct cpu *cpu, const struct branch *branch);

#endif
