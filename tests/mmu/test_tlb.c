/* The soft TLB: what is in the map, what stays in the TLB proper, and each kind of flush. */
#include "tests/mmu/tlb_bench.h"

enum { CONFLICT = TLB_SLOTS << PAGE_SHIFT }; /* distance of two pages of one slot */

static uint8_t ram[2 * PAGE_SIZE];

static struct tlb_entry *enter_sized(struct tlb *tlb, bool user, uint64_t linear, uint64_t page, bool global,
                                     uint64_t size)
{
    const struct tlb_walked walked = {
        .page = gpa(page), .page_size = size, .allowed = READ | WRITE | EXEC, .global = global};
    struct tlb_entry *entry = tlb_enter(tlb, user, linear, &walked);
    tlb_map(tlb, entry, ram, true, true);
    return entry;
}

static struct tlb_entry *enter(struct tlb *tlb, bool user, uint64_t linear, uint64_t page)
{
    return enter_sized(tlb, user, linear, page, false, PAGE_SIZE);
}

static bool mapped(const struct tlb *tlb, bool user, uint64_t linear)
{
    return tlb_hit(&tlb->map[user], linear, 1, ACCESS_READ) != NULL;
}

/* In the TLB proper; and if it is not, not in the map either. */
static bool holds(const struct tlb *tlb, bool user, uint64_t linear)
{
    bool found = tlb_find(tlb, user, linear) != NULL;
    cr_assert(found || !mapped(tlb, user, linear), "the map has %llx", (unsigned long long)linear);
    return found;
}

/* ---- The map ---- */

static const uint64_t edges[] = {0,
                                 0x1000,
                                 0x2000,
                                 0x7FFF000,
                                 0x8000000,
                                 0xFFFF000,
                                 0x10000000,
                                 0xFFFFF000,
                                 UINT64_C(0x7FFFFFFFF000),
                                 UINT64_C(0xFFFF800000000000),
                                 UINT64_MAX & ~PAGE_MASK};

Test(tlb, an_empty_map_has_nothing_at_any_offset_and_size)
{
    struct tlb *tlb = tlb_create();
    for (unsigned i = 0; i < ARRAY_LEN(edges); i++)
        for (uint64_t offset = 0; offset < PAGE_SIZE; offset += offset < 4064 ? 127 : 1)
            for (unsigned size = 1; size <= PAGE_SIZE; size *= 2) {
                cr_assert_null(tlb_hit(&tlb->map[0], edges[i] + offset, size, ACCESS_READ));
                cr_assert_null(tlb_hit(&tlb->map[1], edges[i] + offset, size, ACCESS_WRITE));
            }
    finish(tlb);
}

/* Every slot, at the offsets from which an access reaches the next page: the neighbour's slot is no help. */
Test(tlb, an_invalid_key_matches_no_access_that_runs_over_the_end)
{
    struct tlb *tlb = tlb_create();
    for (uint64_t slot = 0; slot < TLB_SLOTS; slot++)
        for (uint64_t offset = 4089; offset < PAGE_SIZE; offset++)
            for (uint64_t high = 0; high < 3; high++) {
                uint64_t linear = (high << TLB_SLOT_BITS | slot) << PAGE_SHIFT | offset;
                cr_assert_null(tlb_hit(&tlb->map[0], linear, 8, ACCESS_READ), "%llx",
                               (unsigned long long)linear);
            }
    finish(tlb);
}

Test(tlb, a_hit_gives_the_host_address_of_an_access_within_the_page_only)
{
    struct tlb *tlb = tlb_create();
    for (unsigned i = 0; i < ARRAY_LEN(edges); i++) {
        enter(tlb, true, edges[i], 0x5000);
        for (unsigned size = 1; size <= 8; size *= 2)
            for (unsigned offset = 0; offset < PAGE_SIZE; offset++) {
                const uint8_t *host = tlb_hit(&tlb->map[1], edges[i] + offset, size, ACCESS_WRITE);
                cr_assert_eq(host, offset + size <= PAGE_SIZE ? ram + offset : NULL);
            }
        cr_assert_not(mapped(tlb, false, edges[i]));
        cr_assert_not(mapped(tlb, true, edges[i] + CONFLICT));
        cr_assert_not(mapped(tlb, true, edges[i] - CONFLICT));
    }
    finish(tlb);
}

Test(tlb, read_and_write_are_mapped_separately)
{
    struct tlb *tlb = tlb_create();
    struct tlb_entry *entry = enter(tlb, false, 0x5000, 0x1000);
    tlb_map(tlb, entry, ram, true, false);
    cr_assert_eq(tlb_hit(&tlb->map[0], 0x5008, 4, ACCESS_READ), ram + 8);
    cr_assert_null(tlb_hit(&tlb->map[0], 0x5008, 4, ACCESS_WRITE));
    tlb_map(tlb, entry, ram, false, true);
    cr_assert_null(tlb_hit(&tlb->map[0], 0x5008, 4, ACCESS_READ));
    cr_assert_eq(tlb_hit(&tlb->map[0], 0x5008, 4, ACCESS_WRITE), ram + 8);
    tlb_map(tlb, entry, NULL, false, false);
    cr_assert_null(tlb_hit(&tlb->map[0], 0x5008, 4, ACCESS_WRITE));
    cr_assert(holds(tlb, false, 0x5000));
    finish(tlb);
}

Test(tlb, pages_of_one_slot_displace_each_other_in_the_map_only)
{
    struct tlb *tlb = tlb_create();
    enter(tlb, false, 0x5000, 0x1000);
    struct tlb_entry *second = enter(tlb, false, 0x5000 + CONFLICT, 0x2000);
    cr_assert_not(mapped(tlb, false, 0x5000));
    cr_assert(mapped(tlb, false, 0x5000 + CONFLICT));
    cr_assert_eq(tlb_find(tlb, false, 0x5FFF)->page.v, 0x1000);
    check(tlb);
    tlb_flush_page(tlb, 0x5000); /* of the one that is not mapped */
    cr_assert(mapped(tlb, false, 0x5000 + CONFLICT));
    /* A page that may not be read must not leave the other's key with its own addend. */
    tlb_map(tlb, second, ram, true, false);
    enter(tlb, false, 0x5000, 0x1000);
    tlb_map(tlb, tlb_find(tlb, false, 0x5000), ram + PAGE_SIZE, false, true);
    cr_assert_not(mapped(tlb, false, 0x5000 + CONFLICT));
    finish(tlb);
}

/* ---- Flushes ---- */

Test(tlb, flush_drops_everything_again_and_again)
{
    struct tlb *tlb = tlb_create();
    const uint64_t high = UINT64_C(0xFFFF800000100000);
    for (unsigned i = 0; i < 3000; i++) {
        enter_sized(tlb, i & 1, 0x5000, 0x1000, i & 2, PAGE_SIZE);
        enter(tlb, i & 1, high + i * PAGE_SIZE, i * PAGE_SIZE);
        cr_assert(mapped(tlb, i & 1, 0x5000));
        tlb_flush(tlb);
        cr_assert_not(holds(tlb, i & 1, 0x5000));
        cr_assert_not(holds(tlb, i & 1, high + i * PAGE_SIZE));
        cr_assert_eq(tlb->count, 0);
    }
    finish(tlb);
}

Test(tlb, flush_nonglobal_keeps_global_pages)
{
    struct tlb *tlb = tlb_create();
    for (uint64_t page = 0; page < 64; page++)
        enter_sized(tlb, page & 1, page << PAGE_SHIFT, page << PAGE_SHIFT, page % 3 == 0, PAGE_SIZE);
    tlb_flush_nonglobal(tlb);
    check(tlb);
    for (uint64_t page = 0; page < 64; page++) {
        cr_assert_eq(holds(tlb, page & 1, page << PAGE_SHIFT), page % 3 == 0);
        cr_assert_eq(mapped(tlb, page & 1, page << PAGE_SHIFT), page % 3 == 0);
    }
    /* A walk that finds the page no longer global makes it one of the others. */
    enter(tlb, false, 0, 0);
    tlb_flush_nonglobal(tlb);
    cr_assert_not(holds(tlb, false, 0));
    tlb_flush(tlb);
    cr_assert_eq(tlb->count, 0);
    finish(tlb);
}

Test(tlb, flush_page_is_exact_for_small_pages)
{
    struct tlb *tlb = tlb_create();
    enter(tlb, false, 0x5000, 0x1000);
    enter_sized(tlb, true, 0x5000, 0x1000, true, PAGE_SIZE);
    enter(tlb, true, 0x6000, 0x2000);
    tlb_flush_page(tlb, 0x5FFF);
    cr_assert_not(holds(tlb, false, 0x5000));
    cr_assert_not(holds(tlb, true, 0x5000), "INVLPG drops global pages too");
    cr_assert(mapped(tlb, true, 0x6000));
    finish(tlb);
}

Test(tlb, flush_page_drops_all_pieces_of_a_large_page_and_no_others)
{
    static const uint64_t sizes[] = {0x200000, 0x400000, 0x40000000};
    for (unsigned i = 0; i < ARRAY_LEN(sizes); i++)
        for (unsigned global = 0; global < 2; global++) {
            struct tlb *tlb = tlb_create();
            const uint64_t size = sizes[i], large = 4 * size;
            enter_sized(tlb, false, large + 0x3000, 0x3000, global, size);
            enter_sized(tlb, true, large + size - PAGE_SIZE, 0x9000, global, size);
            enter_sized(tlb, false, large - PAGE_SIZE, 0x9000, global, size);
            enter_sized(tlb, false, large + size, 0x9000, global, size);
            enter(tlb, false, large + 0x5000, 0x1000); /* the tables changed meanwhile, it was not flushed */
            tlb_flush_page(tlb, large + 0x7123);
            check(tlb);
            cr_assert_not(holds(tlb, false, large + 0x3000));
            cr_assert_not(holds(tlb, true, large + size - PAGE_SIZE));
            cr_assert(mapped(tlb, false, large - PAGE_SIZE));
            cr_assert(mapped(tlb, false, large + size));
            cr_assert(mapped(tlb, false, large + 0x5000));
            finish(tlb);
        }
}

Test(tlb, physical_pages_are_found_under_every_alias)
{
    struct tlb *tlb = tlb_create();
    const uint64_t same_chain = 0x1000 + (UINT64_C(1) << (TLB_BUCKET_BITS + PAGE_SHIFT));
    enter(tlb, false, 0x5000, 0x1000);
    enter_sized(tlb, true, 0x12345000, 0x1000, true, PAGE_SIZE);
    enter(tlb, true, 0x12346000, 0x2000);
    enter(tlb, true, 0x12347000, same_chain);
    tlb_recheck_physical(tlb, gpa(0x1000), false);
    cr_assert_not(mapped(tlb, false, 0x5000));
    cr_assert_not(mapped(tlb, true, 0x12345000));
    cr_assert(mapped(tlb, true, 0x12346000));
    cr_assert(mapped(tlb, true, 0x12347000));
    cr_assert(holds(tlb, false, 0x5000) && holds(tlb, true, 0x12345000), "the walks stay good");
    check(tlb);
    tlb_flush_physical(tlb, gpa(0x1000));
    cr_assert_not(holds(tlb, false, 0x5000));
    cr_assert_not(holds(tlb, true, 0x12345000));
    cr_assert(holds(tlb, true, 0x12346000) && holds(tlb, true, 0x12347000));
    enter(tlb, true, 0x12346000, 0x7000); /* moves */
    tlb_flush_physical(tlb, gpa(0x2000));
    cr_assert(holds(tlb, true, 0x12346000));
    tlb_flush_physical(tlb, gpa(0x7000));
    cr_assert_not(holds(tlb, true, 0x12346000));
    finish(tlb);
}

Test(tlb, recheck_page_takes_it_out_of_the_map)
{
    struct tlb *tlb = tlb_create();
    enter(tlb, false, 0x5000, 0x1000);
    enter(tlb, true, 0x5000, 0x1000);
    enter(tlb, true, 0x6000, 0x1000);
    tlb_recheck_page(tlb, 0x5008);
    cr_assert_not(mapped(tlb, false, 0x5000) || mapped(tlb, true, 0x5000));
    cr_assert(holds(tlb, false, 0x5000) && holds(tlb, true, 0x5000) && mapped(tlb, true, 0x6000));
    finish(tlb);
}

Test(tlb, recheck_all_empties_the_map)
{
    struct tlb *tlb = tlb_create();
    for (uint64_t page = 0; page < 10; page++)
        enter(tlb, page & 1, page << PAGE_SHIFT, 0x1000);
    tlb_recheck_all(tlb);
    for (uint64_t page = 0; page < 10; page++) {
        cr_assert(holds(tlb, page & 1, page << PAGE_SHIFT));
        cr_assert_not(mapped(tlb, page & 1, page << PAGE_SHIFT));
    }
    finish(tlb);
}

/* ---- Capacity ---- */

Test(tlb, nothing_leaves_for_want_of_room_until_everything_does, .timeout = 60)
{
    struct tlb *tlb = tlb_create();
    const uint64_t base = UINT64_C(0xFFFFC90000000000);
    for (uint64_t page = 0; page < TLB_MAX_ENTRIES; page++)
        enter_sized(tlb, page & 1, base + (page << PAGE_SHIFT), page << PAGE_SHIFT, page & 2, PAGE_SIZE);
    for (uint64_t page = 0; page < TLB_MAX_ENTRIES; page++)
        cr_assert(holds(tlb, page & 1, base + (page << PAGE_SHIFT)));
    check(tlb);
    enter(tlb, true, base + PAGE_SIZE, 0x1000); /* it is there already: no room needed */
    cr_assert_eq(tlb->count, TLB_MAX_ENTRIES);
    tlb_flush_page(tlb, base);
    enter(tlb, true, 0x5000, 0x1000); /* in the place of the dropped one */
    cr_assert_eq(tlb->count, TLB_MAX_ENTRIES);
    enter(tlb, true, 0x6000, 0x1000);
    cr_assert_eq(tlb->count, 1);
    cr_assert(mapped(tlb, true, 0x6000));
    cr_assert_not(holds(tlb, true, 0x5000));
    for (uint64_t page = 0; page < TLB_MAX_ENTRIES; page++)
        cr_assert_not(holds(tlb, page & 1, base + (page << PAGE_SHIFT)));
    finish(tlb);
}

/* ---- Code ---- */

static bool code_known(struct tlb *tlb, bool user, uint64_t linear)
{
    const struct tlb_code *code = tlb_code_slot(tlb, linear);
    return code->key == tlb_code_key(user, linear) && code->epoch == tlb->code_epoch[user];
}

static void enter_code(struct tlb *tlb)
{
    tlb_enter_code(tlb, enter(tlb, true, 0x5000, 0x1000));
    cr_assert(code_known(tlb, true, 0x5123));
    cr_assert_not(code_known(tlb, false, 0x5123));
}

/* Did the epoch change since the code was entered? */
static bool noticed(struct tlb *tlb)
{
    return !code_known(tlb, true, 0x5000);
}

Test(tlb, code_epoch_changes_with_what_code_was_fetched_through)
{
    struct tlb *tlb = tlb_create();
    const struct tlb_walked same = {.page = gpa(0x1000), .page_size = PAGE_SIZE, .allowed = READ | EXEC};
    const struct tlb_walked moved = {.page = gpa(0x2000), .page_size = PAGE_SIZE, .allowed = READ | EXEC};
    const struct tlb_walked data = {.page = gpa(0x1000), .page_size = PAGE_SIZE, .allowed = READ};
    enter_code(tlb);
    enter(tlb, true, 0x6000, 0x3000);
    tlb_flush_page(tlb, 0x6000);
    tlb_recheck_physical(tlb, gpa(0x1000), false);
    tlb_enter(tlb, true, 0x5000, &same);
    cr_assert_not(noticed(tlb), "nothing that matters to fetches");
    tlb_recheck_physical(tlb, gpa(0x1000), true);
    cr_assert(noticed(tlb), "another frame");
    enter_code(tlb);
    tlb_flush_page(tlb, 0x5000);
    cr_assert(noticed(tlb), "flush of the page");
    enter_code(tlb);
    tlb_flush_nonglobal(tlb);
    cr_assert(noticed(tlb), "CR3");
    enter_code(tlb);
    tlb_flush(tlb);
    cr_assert(noticed(tlb), "flush");
    enter_code(tlb);
    tlb_enter(tlb, true, 0x5000, &moved);
    cr_assert(noticed(tlb), "another page");
    enter_code(tlb);
    tlb_enter(tlb, true, 0x5000, &data);
    cr_assert(noticed(tlb), "no longer executable");
    uint64_t epoch = tlb_code_epoch(tlb);
    tlb_flush(tlb);
    cr_assert_eq(tlb_code_epoch(tlb), epoch, "it was noticed when it lost the right");
    finish(tlb);
}

/* ---- At random, against a model ---- */

enum { MODEL_PAGES = 4096 };

struct model {
    bool in, global;
    uint64_t page;
};

static bool in_odd_region(void *ctx, uint64_t linear)
{
    (void)ctx;
    return linear >> 20 & 1;
}

Test(tlb, random_operations_agree_with_a_model, .timeout = 60)
{
    struct tlb *tlb = tlb_create();
    static struct model model[2][MODEL_PAGES];
    uint32_t seed = 7;
    for (unsigned round = 0; round < 200000; round++) {
        seed = seed * 1664525 + 1013904223;
        unsigned what = seed >> 22, at = seed >> 8 & (MODEL_PAGES - 1);
        bool user = seed >> 20 & 1;
        /* Spread over regions; every fourth page shares its slot with others. */
        uint64_t linear = (uint64_t)(at & 3 ? at : at * 16384) << PAGE_SHIFT;
        uint64_t page = (seed >> 12 & 63) << PAGE_SHIFT;
        if (what < 900) {
            enter_sized(tlb, user, linear, page, what & 1, PAGE_SIZE);
            model[user][at] = (struct model){true, what & 1, page};
        } else if (what < 1000) {
            tlb_flush_page(tlb, linear);
            model[0][at].in = model[1][at].in = false;
        } else if (what < 1010) {
            tlb_flush_physical(tlb, gpa(page));
        } else if (what < 1015) {
            tlb_flush_nonglobal(tlb);
        } else if (what < 1016) {
            tlb_flush(tlb);
        } else if (what < 1020) {
            tlb_flush_where(tlb, in_odd_region, NULL);
        }
        bool any_change = what >= 1000 && what < 1020;
        for (unsigned i = 0; any_change && i < 2 * MODEL_PAGES; i++) {
            struct model *one = &model[i & 1][i / 2];
            uint64_t its = (uint64_t)(i / 2 & 3 ? i / 2 : i / 2 * 16384) << PAGE_SHIFT;
            if ((what < 1010 && one->page == page) || (what >= 1010 && what < 1015 && !one->global) ||
                what == 1015 || (what > 1015 && in_odd_region(NULL, its)))
                one->in = false;
        }
        const struct tlb_entry *entry = tlb_find(tlb, user, linear);
        cr_assert_eq(entry != NULL, model[user][at].in, "round %u", round);
        cr_assert(entry == NULL || entry->page.v == model[user][at].page);
        if (round % 4096 == 0)
            check(tlb);
    }
    finish(tlb);
}
