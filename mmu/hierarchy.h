/* Caches and TLBs of a P6-family processor, as far as their misses take time: a first-level cache each for
 * instructions and data, a unified second level, and for instructions and data each a TLB for 4 KB pages and
 * one for larger pages (Intel SDM vol. 2, CPUID leaf 2; vol. 3, chapter 11).
 *
 *     fetch --> instruction TLBs, L1I --+
 *                                       +--> L2 --> memory
 *     load, store --> data TLBs, L1D ---+
 *
 * Only tags are modelled, no contents. A level is a number of sets, each a list of tags with the most
 * recently used first; a miss takes the place of the last. What an access costs, and what it leaves behind,
 * is a pure function of the accesses before it.
 *
 * Translations are tagged by address space, as those of a processor with process-context identifiers are (SDM
 * vol. 3, 4.10.1); without them there is only space 0.
 *
 * Left out: writing back (victims leave through buffers), prefetching, overlap of misses, memory types, page
 * walks as accesses of their own (a walk has one price), replacement by pseudo-LRU (true LRU here).
 *
 * Invariant, on which every fast path rests: an access to the tag that is first in its set changes nothing
 * and costs nothing; and the levels behind are not asked. */
#ifndef CROSSPAGE_MMU_HIERARCHY_H
#define CROSSPAGE_MMU_HIERARCHY_H

#include "base/status.h"
#include "base/types.h"

enum hierarchy_level {
    LEVEL_L1I,
    LEVEL_L1D,
    LEVEL_L2,
    LEVEL_ITLB,
    LEVEL_ITLB_LARGE,
    LEVEL_DTLB,
    LEVEL_DTLB_LARGE,
    LEVEL_COUNT,
};

/* What wants a line or a page. */
enum touch { TOUCH_FETCH, TOUCH_LOAD, TOUCH_STORE, TOUCH_COUNT };

/* A cache's way is at most a page, so that the set follows from the offset in the page; a TLB is limited
 * alike. */
enum {
    HIERARCHY_SETS_MAX = 1 << 14,
    HIERARCHY_WAYS_MAX = 64,
    LEVEL1_SETS_MAX = 256,
    CACHE_SETS_LEAST = 16, /* neighbouring lines do not share a set */
    TLB_SETS_MAX = 64,
};

struct hierarchy_config {
    struct {
        uint32_t sets, ways; /* powers of two; ways need not be */
    } level[LEVEL_COUNT];
    uint32_t line_shift; /* log2 of the bytes of a line, the same in all caches */
    /* Cycles on top of the first level's hit, which the price of the instruction contains. */
    uint32_t from_l2[TOUCH_COUNT], from_memory[TOUCH_COUNT], walk[TOUCH_COUNT];
};

/* Accesses to the tag that is first in its set are not counted: nobody need notice them. */
struct level_count {
    uint64_t hits, misses;
};

struct hierarchy {
    struct hierarchy_config config;
    uint64_t *tag; /* all levels, one behind the other; 0: empty */
    size_t tags;
    size_t start[LEVEL_COUNT]; /* where a level's begin */
    struct level_count count[LEVEL_COUNT];
    uint16_t space; /* that translations are wanted for */
};

/* Powers of two, sizes that fit; else an error. */
enum status hierarchy_check(const struct hierarchy_config *config, struct error *err) MUST_CHECK;
/* The configuration must be good. */
void hierarchy_init(struct hierarchy *hierarchy, const struct hierarchy_config *config);
void hierarchy_destroy(struct hierarchy *hierarchy);

static inline uint32_t hierarchy_set(const struct hierarchy *hierarchy, enum hierarchy_level level,
                                     uint64_t number)
{
    return (uint32_t)number & (hierarchy->config.level[level].sets - 1);
}

static inline enum hierarchy_level hierarchy_level1(enum touch touch)
{
    return touch == TOUCH_FETCH ? LEVEL_L1I : LEVEL_L1D;
}

static inline enum hierarchy_level hierarchy_tlb(enum touch touch, unsigned page_shift)
{
    if (touch == TOUCH_FETCH)
        return page_shift == PAGE_SHIFT ? LEVEL_ITLB : LEVEL_ITLB_LARGE;
    return page_shift == PAGE_SHIFT ? LEVEL_DTLB : LEVEL_DTLB_LARGE;
}

/* The line of a machine address is wanted: cycles that it takes. */
uint32_t hierarchy_line(struct hierarchy *hierarchy, enum touch touch, uint64_t address);
/* The translation of a linear address is wanted, which is one of a page of that size. A global one stays over
 * a flush that is not. */
uint32_t hierarchy_page(struct hierarchy *hierarchy, enum touch touch, uint64_t linear, unsigned page_shift,
                        bool global);
/* What these would return, with nothing changed. */
uint32_t hierarchy_line_price(const struct hierarchy *hierarchy, enum touch touch, uint64_t address);
uint32_t hierarchy_page_price(const struct hierarchy *hierarchy, enum touch touch, uint64_t linear,
                              unsigned page_shift, bool global);

/* Is it first in its set, so that wanting it would change nothing? */
bool hierarchy_line_is_first(const struct hierarchy *hierarchy, enum touch touch, uint64_t address);
bool hierarchy_page_is_first(const struct hierarchy *hierarchy, enum touch touch, uint64_t linear,
                             unsigned page_shift, bool global);

/* All translations, or all but global ones; those of a space that are not global. */
void hierarchy_flush_tlbs(struct hierarchy *hierarchy, bool global);
void hierarchy_flush_space(struct hierarchy *hierarchy, unsigned space);
/* The translation of a linear address, of any size: global or of the present space; of a space. */
void hierarchy_flush_page(struct hierarchy *hierarchy, uint64_t linear);
void hierarchy_flush_page_of(struct hierarchy *hierarchy, uint64_t linear, unsigned space);
/* All lines. */
void hierarchy_flush_caches(struct hierarchy *hierarchy);
/* The line of a machine address, from all caches. */
void hierarchy_flush_line(struct hierarchy *hierarchy, uint64_t address);

/* The second level gets the line of a machine address; nobody waits. */
void hierarchy_place(struct hierarchy *hierarchy, uint64_t address);

uint64_t hierarchy_hash(const struct hierarchy *hierarchy, uint64_t seed);
bool hierarchy_equal(const struct hierarchy *a, const struct hierarchy *b);
const char *hierarchy_level_name(enum hierarchy_level level);

#endif
