/* The model of caches and TLBs, against sequences worked out by hand. The first-level caches have 16 sets of
 * two ways here, the second level 64 of two, lines of 32 bytes; the TLBs one or two sets. */
#include "mmu/hierarchy.h"

#include <criterion/criterion.h>

enum { L2_LOAD = 4, L2_STORE = 2, L2_FETCH = 6, MEMORY_LOAD = 80, MEMORY_STORE = 20, MEMORY_FETCH = 90 };
enum { WALK_FETCH = 30, WALK_DATA = 25 };
enum { LINE = 32, WAY = 16 * LINE, L2_WAY = 64 * LINE };

static struct hierarchy_config small_config(void)
{
    return (struct hierarchy_config){
        .level = {[LEVEL_L1I] = {16, 2},
                  [LEVEL_L1D] = {16, 2},
                  [LEVEL_L2] = {64, 2},
                  [LEVEL_ITLB] = {1, 2},
                  [LEVEL_ITLB_LARGE] = {1, 2},
                  [LEVEL_DTLB] = {2, 2},
                  [LEVEL_DTLB_LARGE] = {1, 2}},
        .line_shift = 5,
        .from_l2 = {[TOUCH_FETCH] = L2_FETCH, [TOUCH_LOAD] = L2_LOAD, [TOUCH_STORE] = L2_STORE},
        .from_memory =
            {[TOUCH_FETCH] = MEMORY_FETCH, [TOUCH_LOAD] = MEMORY_LOAD, [TOUCH_STORE] = MEMORY_STORE},
        .walk = {[TOUCH_FETCH] = WALK_FETCH, [TOUCH_LOAD] = WALK_DATA, [TOUCH_STORE] = WALK_DATA},
    };
}

static struct hierarchy create(void)
{
    struct hierarchy hierarchy;
    struct error err;
    struct hierarchy_config config = small_config();
    cr_assert_eq(hierarchy_check(&config, &err), STATUS_OK);
    hierarchy_init(&hierarchy, &config);
    return hierarchy;
}

static void expect_count(const struct hierarchy *hierarchy, enum hierarchy_level level, uint64_t hits,
                         uint64_t misses)
{
    cr_expect_eq(hierarchy->count[level].hits, hits, "%s hits %llu", hierarchy_level_name(level),
                 (unsigned long long)hierarchy->count[level].hits);
    cr_expect_eq(hierarchy->count[level].misses, misses, "%s misses %llu", hierarchy_level_name(level),
                 (unsigned long long)hierarchy->count[level].misses);
}

/* The price foretold is the price paid. */
static uint32_t line(struct hierarchy *hierarchy, enum touch touch, uint64_t address)
{
    uint32_t price = hierarchy_line_price(hierarchy, touch, address);
    cr_expect_eq(hierarchy_line(hierarchy, touch, address), price);
    return price;
}

static uint32_t page(struct hierarchy *hierarchy, enum touch touch, uint64_t linear, unsigned shift,
                     bool global)
{
    uint32_t price = hierarchy_page_price(hierarchy, touch, linear, shift, global);
    cr_expect_eq(hierarchy_page(hierarchy, touch, linear, shift, global), price);
    return price;
}

Test(hierarchy, first_touch_comes_from_memory_and_fills_both_levels)
{
    struct hierarchy h = create();
    cr_expect_eq(line(&h, TOUCH_LOAD, 0x1000), MEMORY_LOAD);
    cr_expect_eq(line(&h, TOUCH_LOAD, 0x101F), 0, "the same line");
    cr_expect_eq(line(&h, TOUCH_STORE, 0x1004), 0);
    cr_expect_eq(line(&h, TOUCH_FETCH, 0x1000), L2_FETCH, "the other first-level cache has it not");
    cr_expect_eq(line(&h, TOUCH_LOAD, 0x1020), MEMORY_LOAD, "the next line");
    expect_count(&h, LEVEL_L1D, 0, 2);
    expect_count(&h, LEVEL_L1I, 0, 1);
    expect_count(&h, LEVEL_L2, 0, 2); /* the fetch found it first in its set there */
    hierarchy_destroy(&h);
}

/* Three lines of one L1 set: A B A C. C takes the place of B; A stays. */
Test(hierarchy, the_least_recently_used_goes)
{
    struct hierarchy h = create();
    uint64_t a = 0, b = WAY, c = 2 * WAY;
    cr_expect_eq(line(&h, TOUCH_LOAD, a), MEMORY_LOAD);
    cr_expect_eq(line(&h, TOUCH_LOAD, b), MEMORY_LOAD);
    cr_expect_eq(line(&h, TOUCH_LOAD, a), 0);
    cr_expect_eq(line(&h, TOUCH_STORE, c), MEMORY_STORE);
    cr_expect_eq(line(&h, TOUCH_LOAD, a), 0);
    cr_expect_eq(line(&h, TOUCH_STORE, b), L2_STORE);
    cr_expect_eq(line(&h, TOUCH_LOAD, c), L2_LOAD, "b took its place");
    expect_count(&h, LEVEL_L1D, 2, 5);
    hierarchy_destroy(&h);
}

/* The second level holds two lines of a set; what leaves it may stay in the first. */
Test(hierarchy, levels_do_not_include_each_other)
{
    struct hierarchy h = create();
    line(&h, TOUCH_LOAD, 0);
    cr_expect_eq(line(&h, TOUCH_FETCH, L2_WAY), MEMORY_FETCH);
    cr_expect_eq(line(&h, TOUCH_FETCH, 2 * L2_WAY), MEMORY_FETCH, "0 leaves the second level");
    cr_expect_eq(line(&h, TOUCH_LOAD, 0), 0, "but not the first");
    cr_expect_eq(line(&h, TOUCH_FETCH, 0), MEMORY_FETCH);
    hierarchy_destroy(&h);
}

Test(hierarchy, tlbs_by_kind_and_size)
{
    struct hierarchy h = create();
    cr_expect_eq(page(&h, TOUCH_LOAD, 0x1234, 12, false), WALK_DATA);
    cr_expect_eq(page(&h, TOUCH_STORE, 0x1FFF, 12, false), 0);
    cr_expect_eq(page(&h, TOUCH_FETCH, 0x1000, 12, false), WALK_FETCH);
    cr_expect_eq(page(&h, TOUCH_LOAD, 0x400000, 22, false), WALK_DATA);
    cr_expect_eq(page(&h, TOUCH_LOAD, 0x7FFFFF, 22, false), 0);
    cr_expect_eq(page(&h, TOUCH_LOAD, 0x200000, 21, false), WALK_DATA, "another size is another page");
    cr_expect_eq(page(&h, TOUCH_LOAD, 0x400000, 22, false), 0);
    /* Pages 1, 3 and 5 share a set of two. */
    cr_expect_eq(page(&h, TOUCH_LOAD, 0x3000, 12, false), WALK_DATA);
    cr_expect_eq(page(&h, TOUCH_LOAD, 0x5000, 12, false), WALK_DATA);
    cr_expect_eq(page(&h, TOUCH_LOAD, 0x2000, 12, false), WALK_DATA, "the other set");
    cr_expect_eq(page(&h, TOUCH_LOAD, 0x3000, 12, false), 0);
    cr_expect_eq(page(&h, TOUCH_LOAD, 0x1000, 12, false), WALK_DATA);
    hierarchy_destroy(&h);
}

Test(hierarchy, global_pages_stay_over_a_flush_of_the_others)
{
    struct hierarchy h = create();
    page(&h, TOUCH_LOAD, 0x1000, 12, true);
    page(&h, TOUCH_LOAD, 0x3000, 12, false);
    hierarchy_flush_tlbs(&h, false);
    cr_expect_eq(page(&h, TOUCH_LOAD, 0x3000, 12, false), WALK_DATA);
    cr_expect_eq(page(&h, TOUCH_LOAD, 0x1000, 12, true), 0);
    cr_expect_eq(page(&h, TOUCH_LOAD, 0x1000, 12, false), WALK_DATA, "no longer global: walked again");
    cr_expect_eq(page(&h, TOUCH_LOAD, 0x3000, 12, false), 0, "in one place, not two");
    page(&h, TOUCH_LOAD, 0x5000, 12, true);
    hierarchy_flush_tlbs(&h, true);
    cr_expect_eq(page(&h, TOUCH_LOAD, 0x5000, 12, true), WALK_DATA);
    hierarchy_destroy(&h);
}

Test(hierarchy, one_page_one_line_all_lines)
{
    struct hierarchy h = create();
    page(&h, TOUCH_LOAD, 0x1000, 12, true);
    page(&h, TOUCH_LOAD, 0x2000, 12, false);
    page(&h, TOUCH_FETCH, 0x1000, 22, false);
    hierarchy_flush_page(&h, 0x1ABC);
    cr_expect_eq(page(&h, TOUCH_LOAD, 0x2000, 12, false), 0);
    cr_expect_eq(page(&h, TOUCH_LOAD, 0x1000, 12, true), WALK_DATA);
    cr_expect_eq(page(&h, TOUCH_FETCH, 0x1000, 22, false), WALK_FETCH);
    line(&h, TOUCH_LOAD, 0x40);
    line(&h, TOUCH_FETCH, 0x40);
    line(&h, TOUCH_LOAD, 0x60);
    hierarchy_flush_line(&h, 0x5F);
    cr_expect_eq(line(&h, TOUCH_LOAD, 0x40), MEMORY_LOAD);
    cr_expect_eq(line(&h, TOUCH_FETCH, 0x40), L2_FETCH, "the load brought it back");
    cr_expect_eq(line(&h, TOUCH_LOAD, 0x60), 0);
    hierarchy_flush_caches(&h);
    cr_expect_eq(line(&h, TOUCH_LOAD, 0x60), MEMORY_LOAD);
    hierarchy_destroy(&h);
}

/* What was dropped from the middle of a set leaves room at its end. */
Test(hierarchy, a_dropped_line_makes_room)
{
    struct hierarchy h = create();
    line(&h, TOUCH_LOAD, 0);
    line(&h, TOUCH_LOAD, WAY);
    hierarchy_flush_line(&h, WAY);
    line(&h, TOUCH_LOAD, 2 * WAY);
    cr_expect_eq(line(&h, TOUCH_LOAD, 0), 0);
    hierarchy_destroy(&h);
}

Test(hierarchy, equal_histories_are_equal)
{
    struct hierarchy a = create(), b = create();
    uint64_t random = 1;
    for (unsigned n = 0; n < 20000; n++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        enum touch touch = (enum touch)(random >> 60) % TOUCH_COUNT;
        line(&a, touch, random >> 40 & 0x7FFF);
        line(&b, touch, random >> 40 & 0x7FFF);
        page(&a, touch, random >> 30 & 0xFFFF, 12, false);
        page(&b, touch, random >> 30 & 0xFFFF, 12, false);
    }
    cr_expect(hierarchy_equal(&a, &b));
    cr_expect_eq(hierarchy_hash(&a, 7), hierarchy_hash(&b, 7));
    line(&a, TOUCH_LOAD, 0x100000);
    cr_expect(!hierarchy_equal(&a, &b));
    cr_expect_neq(hierarchy_hash(&a, 7), hierarchy_hash(&b, 7));
    hierarchy_destroy(&a);
    hierarchy_destroy(&b);
}

Test(hierarchy, impossible_geometries_are_errors)
{
    struct error err;
    struct hierarchy_config config = small_config();
    config.level[LEVEL_L1D].sets = 256; /* a way of 8 KB */
    cr_expect_neq(hierarchy_check(&config, &err), STATUS_OK);
    config = small_config();
    config.level[LEVEL_L2].sets = 48;
    cr_expect_neq(hierarchy_check(&config, &err), STATUS_OK);
    config = small_config();
    config.level[LEVEL_DTLB].ways = 1;
    cr_expect_neq(hierarchy_check(&config, &err), STATUS_OK);
    config = small_config();
    config.line_shift = 3;
    cr_expect_neq(hierarchy_check(&config, &err), STATUS_OK);
}
