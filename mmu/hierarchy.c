/* Sets of tags in the order of their last use (hierarchy.h).
 *
 * A tag of a cache is its line's number plus one. One of a TLB is, from the top: the number of the page, its
 * size (so that pages of several sizes share the TLB for larger ones), one if it is global, and a one. Unless
 * it is global its space is added, without carry, to twelve bits that are known from the others, since the
 * address is canonical. */
#include "mmu/hierarchy.h"

#include "base/check.h"
#include "base/hash.h"
#include "mmu/tlb.h"

#include <stdlib.h>
#include <string.h>

enum { TAG_VALID = 1, TAG_GLOBAL = 2, TAG_SIZE_SHIFT = 2, TAG_NUMBER_SHIFT = 8, TAG_SPACE_SHIFT = 44 };

static const char *const names[LEVEL_COUNT] = {"l1i",        "l1d",  "l2",        "itlb",
                                               "itlb-large", "dtlb", "dtlb-large"};

const char *hierarchy_level_name(enum hierarchy_level level)
{
    return names[level];
}

/* ---- Life ---- */

static bool is_power_of_two(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

static uint32_t most_sets(const struct hierarchy_config *config, unsigned level)
{
    if (level >= LEVEL_ITLB)
        return TLB_SETS_MAX;
    if (level == LEVEL_L2)
        return HIERARCHY_SETS_MAX;
    return (uint32_t)PAGE_SIZE >> config->line_shift;
}

enum status hierarchy_check(const struct hierarchy_config *config, struct error *err)
{
    if (config->line_shift < 4 || config->line_shift > 7)
        return status_fail(err, STATUS_BAD_INPUT, "a cache line has 16, 32, 64 or 128 bytes");
    for (unsigned n = 0; n < LEVEL_COUNT; n++) {
        uint32_t sets = config->level[n].sets, ways = config->level[n].ways;
        if (ways < 2 || ways > HIERARCHY_WAYS_MAX)
            return status_fail(err, STATUS_BAD_INPUT, "%s: ways must be 2 to %d", names[n],
                               HIERARCHY_WAYS_MAX);
        uint32_t least = n < LEVEL_ITLB ? CACHE_SETS_LEAST : 1, most = most_sets(config, n);
        if (!is_power_of_two(sets) || sets < least || sets > most)
            return status_fail(err, STATUS_BAD_INPUT,
                               "%s: the number of sets must be a power of two from %u to %u", names[n], least,
                               most);
    }
    return STATUS_OK;
}

void hierarchy_init(struct hierarchy *hierarchy, const struct hierarchy_config *config)
{
    *hierarchy = (struct hierarchy){.config = *config};
    for (unsigned n = 0; n < LEVEL_COUNT; n++) {
        hierarchy->start[n] = hierarchy->tags;
        hierarchy->tags += (size_t)config->level[n].sets * config->level[n].ways;
    }
    hierarchy->tag = xcalloc(hierarchy->tags, sizeof *hierarchy->tag);
}

void hierarchy_destroy(struct hierarchy *hierarchy)
{
    free(hierarchy->tag);
    hierarchy->tag = NULL;
}

/* ---- One set ---- */

static uint64_t *set_of(const struct hierarchy *hierarchy, enum hierarchy_level level, uint64_t number)
{
    size_t set = hierarchy_set(hierarchy, level, number);
    return hierarchy->tag + hierarchy->start[level] + set * hierarchy->config.level[level].ways;
}

/* Its place in the set; the number of ways if it is not there. */
static unsigned find(const struct hierarchy *hierarchy, enum hierarchy_level level, const uint64_t *set,
                     uint64_t tag)
{
    unsigned ways = hierarchy->config.level[level].ways, way = 0;
    while (way < ways && set[way] != tag)
        way++;
    return way;
}

static bool has(const struct hierarchy *hierarchy, enum hierarchy_level level, uint64_t number, uint64_t tag)
{
    return find(hierarchy, level, set_of(hierarchy, level, number), tag) <
           hierarchy->config.level[level].ways;
}

/* To the front, in place of the last if it was not there. Was it? */
static bool use(struct hierarchy *hierarchy, enum hierarchy_level level, uint64_t number, uint64_t tag)
{
    uint64_t *set = set_of(hierarchy, level, number);
    if (set[0] == tag)
        return true;
    unsigned ways = hierarchy->config.level[level].ways, way = find(hierarchy, level, set, tag);
    bool hit = way < ways;
    hierarchy->count[level].hits += hit;
    hierarchy->count[level].misses += !hit;
    memmove(set + 1, set, (hit ? way : ways - 1) * sizeof *set);
    set[0] = tag;
    return hit;
}

/* Out of the set; those behind move up. */
static void drop(struct hierarchy *hierarchy, enum hierarchy_level level, uint64_t number, uint64_t tag)
{
    uint64_t *set = set_of(hierarchy, level, number);
    unsigned ways = hierarchy->config.level[level].ways, way = find(hierarchy, level, set, tag);
    if (way == ways)
        return;
    memmove(set + way, set + way + 1, (ways - way - 1) * sizeof *set);
    set[ways - 1] = 0;
}

/* ---- Lines ---- */

uint32_t hierarchy_line(struct hierarchy *hierarchy, enum touch touch, uint64_t address)
{
    uint64_t number = address >> hierarchy->config.line_shift;
    if (use(hierarchy, hierarchy_level1(touch), number, number + 1))
        return 0;
    return use(hierarchy, LEVEL_L2, number, number + 1) ? hierarchy->config.from_l2[touch]
                                                        : hierarchy->config.from_memory[touch];
}

bool hierarchy_line_is_first(const struct hierarchy *hierarchy, enum touch touch, uint64_t address)
{
    uint64_t number = address >> hierarchy->config.line_shift;
    return set_of(hierarchy, hierarchy_level1(touch), number)[0] == number + 1;
}

uint32_t hierarchy_line_price(const struct hierarchy *hierarchy, enum touch touch, uint64_t address)
{
    uint64_t number = address >> hierarchy->config.line_shift;
    if (has(hierarchy, hierarchy_level1(touch), number, number + 1))
        return 0;
    return has(hierarchy, LEVEL_L2, number, number + 1) ? hierarchy->config.from_l2[touch]
                                                        : hierarchy->config.from_memory[touch];
}

/* ---- Translations ---- */

static uint64_t tag_of(uint64_t number, unsigned page_shift, unsigned space)
{
    bool global = space == TLB_GLOBAL;
    return (number << TAG_NUMBER_SHIFT | (uint64_t)page_shift << TAG_SIZE_SHIFT | (global ? TAG_GLOBAL : 0) |
            TAG_VALID) ^
           (global ? 0 : (uint64_t)space << TAG_SPACE_SHIFT);
}

static uint64_t tlb_tag(const struct hierarchy *hierarchy, uint64_t number, unsigned page_shift, bool global)
{
    return tag_of(number, page_shift, global ? TLB_GLOBAL : hierarchy->space);
}

uint32_t hierarchy_page(struct hierarchy *hierarchy, enum touch touch, uint64_t linear, unsigned page_shift,
                        bool global)
{
    uint64_t number = linear >> page_shift;
    enum hierarchy_level level = hierarchy_tlb(touch, page_shift);
    uint64_t tag = tlb_tag(hierarchy, number, page_shift, global);
    uint64_t other = tlb_tag(hierarchy, number, page_shift, !global);
    if (set_of(hierarchy, level, number)[0] != tag)
        drop(hierarchy, level, number, other); /* the page has become global, or no longer is */
    return use(hierarchy, level, number, tag) ? 0 : hierarchy->config.walk[touch];
}

bool hierarchy_page_is_first(const struct hierarchy *hierarchy, enum touch touch, uint64_t linear,
                             unsigned page_shift, bool global)
{
    uint64_t number = linear >> page_shift;
    return set_of(hierarchy, hierarchy_tlb(touch, page_shift), number)[0] ==
           tlb_tag(hierarchy, number, page_shift, global);
}

uint32_t hierarchy_page_price(const struct hierarchy *hierarchy, enum touch touch, uint64_t linear,
                              unsigned page_shift, bool global)
{
    uint64_t number = linear >> page_shift;
    enum hierarchy_level level = hierarchy_tlb(touch, page_shift);
    bool hit = has(hierarchy, level, number, tlb_tag(hierarchy, number, page_shift, global));
    return hit ? 0 : hierarchy->config.walk[touch];
}

/* ---- Flushes ---- */

static void clear_level(struct hierarchy *hierarchy, unsigned level)
{
    size_t tags = (size_t)hierarchy->config.level[level].sets * hierarchy->config.level[level].ways;
    memset(hierarchy->tag + hierarchy->start[level], 0, tags * sizeof *hierarchy->tag);
}

/* The space of a translation that is not global. Bits 63 to 47 of the address are equal; the last of them
 * lies below those that the space was added to. */
static unsigned space_of(uint64_t tag)
{
    unsigned page_shift = tag >> TAG_SIZE_SHIFT & 63;
    bool upper_half = (tag >> (TAG_NUMBER_SHIFT + 47 - page_shift) & 1) != 0;
    uint64_t ones = upper_half ? UINT64_MAX >> page_shift << TAG_NUMBER_SHIFT : 0;
    return (unsigned)((tag ^ ones) >> TAG_SPACE_SHIFT & (TLB_SPACES - 1));
}

/* Those of a set that are global or, unless `space` is TLB_GLOBAL, of another space, in their order. */
static void keep_others(uint64_t *set, unsigned ways, unsigned space)
{
    unsigned kept = 0;
    for (unsigned way = 0; way < ways; way++)
        if ((set[way] & TAG_GLOBAL) != 0 ||
            (space != TLB_GLOBAL && set[way] != 0 && space_of(set[way]) != space))
            set[kept++] = set[way];
    memset(set + kept, 0, (ways - kept) * sizeof *set);
}

static void flush_nonglobal(struct hierarchy *hierarchy, unsigned space)
{
    for (unsigned level = LEVEL_ITLB; level < LEVEL_COUNT; level++) {
        unsigned ways = hierarchy->config.level[level].ways;
        for (uint64_t set = 0; set < hierarchy->config.level[level].sets; set++)
            keep_others(set_of(hierarchy, (enum hierarchy_level)level, set), ways, space);
    }
}

void hierarchy_flush_tlbs(struct hierarchy *hierarchy, bool global)
{
    if (!global)
        flush_nonglobal(hierarchy, TLB_GLOBAL);
    for (unsigned level = LEVEL_ITLB; global && level < LEVEL_COUNT; level++)
        clear_level(hierarchy, level);
}

void hierarchy_flush_space(struct hierarchy *hierarchy, unsigned space)
{
    flush_nonglobal(hierarchy, space);
}

void hierarchy_flush_page_of(struct hierarchy *hierarchy, uint64_t linear, unsigned space)
{
    static const uint8_t sizes[] = {PAGE_SHIFT, 21, 22, 30};
    for (unsigned size = 0; size < ARRAY_LEN(sizes); size++) {
        uint64_t number = linear >> sizes[size], tag = tag_of(number, sizes[size], space);
        drop(hierarchy, hierarchy_tlb(TOUCH_FETCH, sizes[size]), number, tag);
        drop(hierarchy, hierarchy_tlb(TOUCH_LOAD, sizes[size]), number, tag);
    }
}

void hierarchy_flush_page(struct hierarchy *hierarchy, uint64_t linear)
{
    hierarchy_flush_page_of(hierarchy, linear, hierarchy->space);
    hierarchy_flush_page_of(hierarchy, linear, TLB_GLOBAL);
}

void hierarchy_flush_caches(struct hierarchy *hierarchy)
{
    for (unsigned level = LEVEL_L1I; level <= LEVEL_L2; level++)
        clear_level(hierarchy, level);
}

void hierarchy_flush_line(struct hierarchy *hierarchy, uint64_t address)
{
    uint64_t number = address >> hierarchy->config.line_shift;
    for (unsigned level = LEVEL_L1I; level <= LEVEL_L2; level++)
        drop(hierarchy, (enum hierarchy_level)level, number, number + 1);
}

void hierarchy_place(struct hierarchy *hierarchy, uint64_t address)
{
    uint64_t number = address >> hierarchy->config.line_shift;
    (void)use(hierarchy, LEVEL_L2, number, number + 1);
}

/* ---- As a whole ---- */

uint64_t hierarchy_hash(const struct hierarchy *hierarchy, uint64_t seed)
{
    return hash_bytes(hierarchy->tag, hierarchy->tags * sizeof *hierarchy->tag,
                      hash_bytes(hierarchy->count, sizeof hierarchy->count, seed));
}

bool hierarchy_equal(const struct hierarchy *a, const struct hierarchy *b)
{
    return a->tags == b->tags && memcmp(a->tag, b->tag, a->tags * sizeof *a->tag) == 0 &&
           memcmp(a->count, b->count, sizeof a->count) == 0;
}
