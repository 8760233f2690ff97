/* The soft TLB with several address spaces: what each of them holds, what comes back into the map with it,
 * and when code that was fetched there has to be looked up again. */
#include "tests/mmu/tlb_bench.h"

static uint8_t ram[4 * PAGE_SIZE];

static struct tlb_entry *enter(struct tlb *tlb, bool user, uint64_t linear, uint64_t page, bool global)
{
    const struct tlb_walked walked = {
        .page = gpa(page), .page_size = PAGE_SIZE, .allowed = READ | WRITE | EXEC, .global = global};
    struct tlb_entry *entry = tlb_enter(tlb, user, linear, &walked);
    tlb_map(tlb, entry, ram + page % sizeof ram, true, true);
    return entry;
}

/* The page that an access now uses, or 0; the map knows no other. */
static uint64_t uses(const struct tlb *tlb, bool user, uint64_t linear)
{
    const struct tlb_entry *entry = tlb_find(tlb, user, linear);
    const uint8_t *host = tlb_hit(&tlb->map[user], linear & ~PAGE_MASK, 1, ACCESS_READ);
    cr_assert(host == NULL || (entry != NULL && host == ram + entry->page.v % sizeof ram));
    return entry != NULL ? entry->page.v : 0;
}

static bool mapped(const struct tlb *tlb, uint64_t linear, enum access access)
{
    return tlb_hit(&tlb->map[1], linear, 1, access) != NULL;
}

Test(tlb_space, each_space_has_its_own)
{
    struct tlb *tlb = tlb_create();
    enter(tlb, true, 0x5000, 0x1000, false);
    tlb_select(tlb, 7);
    cr_assert_eq(uses(tlb, true, 0x5000), 0);
    enter(tlb, true, 0x5000, 0x2000, false);
    enter(tlb, true, 0x6000, 0x3000, true);
    tlb_select(tlb, 0);
    cr_assert_eq(uses(tlb, true, 0x5000), 0x1000);
    cr_assert_eq(uses(tlb, true, 0x6000), 0x3000);
    tlb_flush_space(tlb, 7);
    cr_assert_eq(uses(tlb, true, 0x5000), 0x1000);
    cr_assert_eq(uses(tlb, true, 0x6000), 0x3000);
    tlb_select(tlb, 7);
    cr_assert_eq(uses(tlb, true, 0x5000), 0);
    finish(tlb);
}

Test(tlb_space, a_global_entry_replaces_those_of_all_spaces_and_the_next_replaces_it)
{
    struct tlb *tlb = tlb_create();
    enter(tlb, false, 0x5000, 0x1000, false);
    tlb_select(tlb, 1);
    enter(tlb, false, 0x5000, 0x2000, false);
    tlb_select(tlb, 2);
    enter(tlb, false, 0x5000, 0x3000, true);
    cr_assert_eq(tlb->count, 1);
    tlb_select(tlb, 1);
    cr_assert_eq(uses(tlb, false, 0x5000), 0x3000);
    enter(tlb, false, 0x5000, 0x2000, false);
    cr_assert_eq(tlb->count, 1);
    tlb_select(tlb, 0);
    cr_assert_eq(uses(tlb, false, 0x5000), 0);
    finish(tlb);
}

Test(tlb_space, flushes_of_a_page)
{
    struct tlb *tlb = tlb_create();
    for (unsigned space = 0; space < 3; space++) {
        tlb_select(tlb, space);
        enter(tlb, true, 0x5000, 0x1000, false);
        enter(tlb, true, 0x6000, 0x2000, true);
    }
    tlb_flush_page_of(tlb, 0x5123, 1); /* another space than the selected one */
    tlb_flush_page_of(tlb, 0x6123, 1);
    cr_assert_eq(uses(tlb, true, 0x5000), 0x1000);
    cr_assert_eq(uses(tlb, true, 0x6000), 0x2000, "INVPCID leaves global pages alone");
    tlb_select(tlb, 1);
    cr_assert_eq(uses(tlb, true, 0x5000), 0);
    tlb_select(tlb, 0);
    tlb_flush_page(tlb, 0x6123);
    cr_assert_eq(uses(tlb, true, 0x5000), 0x1000);
    tlb_flush_page(tlb, 0x5123);
    cr_assert_eq(uses(tlb, true, 0x5000), 0);
    tlb_select(tlb, 2);
    cr_assert_eq(uses(tlb, true, 0x6000), 0, "INVLPG drops global pages whatever the space");
    cr_assert_eq(uses(tlb, true, 0x5000), 0x1000, "and no other space's");
    finish(tlb);
}

Test(tlb_space, the_map_comes_back_with_the_space)
{
    struct tlb *tlb = tlb_create();
    tlb_select(tlb, 1);
    enter(tlb, true, 0x5000, 0x1000, false);
    tlb_map(tlb, enter(tlb, true, 0x6000, 0x2000, false), ram, true, false);
    enter(tlb, true, 0x7000, 0x3000, true);
    uint64_t epoch = tlb->map_epoch[1];
    tlb_select(tlb, 2);
    cr_assert_neq(tlb->map_epoch[1], epoch, "others may remember what the map has lost");
    cr_assert_not(mapped(tlb, 0x5000, ACCESS_READ));
    cr_assert(mapped(tlb, 0x7000, ACCESS_WRITE), "global");
    tlb_select(tlb, 1);
    cr_assert(mapped(tlb, 0x5000, ACCESS_WRITE));
    cr_assert(mapped(tlb, 0x6000, ACCESS_READ));
    cr_assert_not(mapped(tlb, 0x6000, ACCESS_WRITE));
    finish(tlb);
}

Test(tlb_space, what_changed_meanwhile_does_not_come_back)
{
    struct tlb *tlb = tlb_create();
    tlb_select(tlb, 1);
    for (unsigned n = 0; n < 4; n++)
        enter(tlb, true, 0x10000 + n * PAGE_SIZE, (n + 1) * PAGE_SIZE, false);
    tlb_select(tlb, 2);
    tlb_recheck_physical(tlb, gpa(0x1000), false);
    tlb_recheck_page(tlb, 0x11000);
    tlb_flush_page_of(tlb, 0x12000, 1);
    enter(tlb, true, 0x12000, 0x9000, false); /* may take its place in the array */
    tlb_select(tlb, 1);
    cr_assert_not(mapped(tlb, 0x10000, ACCESS_READ), "watched now");
    cr_assert_not(mapped(tlb, 0x11000, ACCESS_READ), "has a breakpoint now");
    cr_assert_eq(uses(tlb, true, 0x12000), 0);
    cr_assert_eq(uses(tlb, true, 0x10000), 0x1000);
    cr_assert_eq(uses(tlb, true, 0x11000), 0x2000);
    cr_assert(mapped(tlb, 0x13000, ACCESS_READ));
    finish(tlb);
}

Test(tlb_space, more_pages_than_notes)
{
    struct tlb *tlb = tlb_create();
    tlb_select(tlb, 1);
    for (uint64_t n = 0; n < TLB_NOTES + 9; n++)
        enter(tlb, true, n << PAGE_SHIFT, 0x1000, false);
    tlb_select(tlb, 2);
    check(tlb);
    for (uint64_t n = 0; n < TLB_NOTES + 9; n++)
        cr_assert_not(mapped(tlb, n << PAGE_SHIFT, ACCESS_READ));
    tlb_select(tlb, 1);
    for (uint64_t n = 0; n < TLB_NOTES + 9; n++)
        cr_assert_eq(uses(tlb, true, n << PAGE_SHIFT), 0x1000);
    finish(tlb);
}

static bool fetches(struct tlb *tlb, bool user, uint64_t linear)
{
    const struct tlb_code *code = tlb_code_slot(tlb, linear);
    return code->key == tlb_code_key(user, linear) && code->epoch == tlb->code_epoch[user];
}

Test(tlb_space, code_is_looked_up_again_only_if_something_happened_to_its_space)
{
    struct tlb *tlb = tlb_create();
    tlb_enter_code(tlb, enter(tlb, false, 0x9000, 0x1000, true));
    uint64_t shared = tlb->code_epoch[false];
    tlb_select(tlb, 1);
    cr_assert_eq(tlb->code_epoch[false], shared, "only global pages were fetched from");
    tlb_enter_code(tlb, enter(tlb, true, 0x5000, 0x1000, false));
    tlb_select(tlb, 2);
    cr_assert_not(fetches(tlb, true, 0x5000));
    tlb_enter_code(tlb, enter(tlb, true, 0x6000, 0x1000, false));
    tlb_select(tlb, 1);
    cr_assert(fetches(tlb, true, 0x5000));
    cr_assert_not(fetches(tlb, true, 0x6000));
    tlb_select(tlb, 2);
    tlb_flush_page_of(tlb, 0x5000, 1);
    cr_assert(fetches(tlb, true, 0x6000));
    tlb_select(tlb, 1);
    cr_assert_not(fetches(tlb, true, 0x5000));
    tlb_select(tlb, 2);
    tlb_enter_code(tlb, enter(tlb, true, 0x7000, 0x1000, true));
    tlb_flush_page(tlb, 0x7000);
    cr_assert_not(fetches(tlb, true, 0x6000), "any space may have fetched from a global page");
    cr_assert_eq(tlb->code_epoch[false], shared);
    finish(tlb);
}

Test(tlb_space, a_space_whose_own_code_is_gone_has_the_shared_number_again)
{
    struct tlb *tlb = tlb_create();
    tlb_enter_code(tlb, enter(tlb, false, 0x9000, 0x1000, true));
    uint64_t shared = tlb->code_epoch[false], changes = tlb_code_epoch(tlb);
    tlb_enter_code(tlb, enter(tlb, false, 0x5000, 0x1000, false));
    uint64_t own = tlb->code_epoch[false];
    cr_assert_neq(own, shared);
    cr_assert(tlb_code_epoch_lives(tlb, false, shared));
    tlb_flush_page(tlb, 0x5000);
    cr_assert_eq(tlb->code_epoch[false], shared);
    cr_assert_gt(tlb_code_epoch(tlb), changes, "which only goes up");
    cr_assert_not(tlb_code_epoch_lives(tlb, false, own));
    cr_assert(fetches(tlb, false, 0x9000));
    cr_assert_not(fetches(tlb, false, 0x5000));
    finish(tlb);
}

Test(tlb_space, code_of_a_space_that_lost_its_context)
{
    struct tlb *tlb = tlb_create();
    tlb_select(tlb, 1);
    tlb_enter_code(tlb, enter(tlb, true, 0x5000, 0x1000, false));
    for (unsigned space = 2; space < 2 + TLB_CONTEXTS; space++) {
        tlb_select(tlb, space);
        tlb_enter_code(tlb, enter(tlb, true, 0x5000, space << PAGE_SHIFT, false));
    }
    tlb_select(tlb, 1);
    cr_assert_not(fetches(tlb, true, 0x5000));
    cr_assert_eq(uses(tlb, true, 0x5000), 0x1000);
    tlb_enter_code(tlb, tlb_find(tlb, true, 0x5000));
    cr_assert_eq(tlb_code_slot(tlb, 0x5000)->page.v, 0x1000);
    finish(tlb);
}

/* ---- At random, against a model ---- */

enum { MODEL_PAGES = 64, MODEL_SPACES = 24, GLOBAL = MODEL_SPACES };

/* The guest-physical page, or 0: [user][page][space]. */
static uint64_t model[2][MODEL_PAGES][MODEL_SPACES + 1];

static uint64_t linear_of(unsigned at)
{
    return (uint64_t)(at & 3 ? at : at * TLB_SLOTS) << PAGE_SHIFT; /* every fourth shares its slot */
}

static void model_enter(unsigned user, unsigned at, unsigned space, uint64_t page)
{
    for (unsigned other = 0; other <= GLOBAL; other++)
        if (space == GLOBAL || other == GLOBAL)
            model[user][at][other] = 0;
    model[user][at][space] = page;
}

static void model_drop(unsigned first, unsigned last, unsigned at_first, unsigned at_last, uint64_t page)
{
    for (unsigned user = 0; user < 2; user++)
        for (unsigned at = at_first; at <= at_last; at++)
            for (unsigned space = first; space <= last; space++)
                if (page == 0 || model[user][at][space] == page)
                    model[user][at][space] = 0;
}

static void compare(const struct tlb *tlb, unsigned space, unsigned round)
{
    for (unsigned user = 0; user < 2; user++)
        for (unsigned at = 0; at < MODEL_PAGES; at++) {
            uint64_t want = model[user][at][GLOBAL] != 0 ? model[user][at][GLOBAL] : model[user][at][space];
            cr_assert_eq(uses(tlb, user, linear_of(at)), want, "round %u", round);
        }
}

Test(tlb_space, random_operations_agree_with_a_model, .timeout = 60)
{
    struct tlb *tlb = tlb_create();
    uint32_t seed = 11;
    unsigned space = 0;
    for (unsigned round = 0; round < 100000; round++) {
        seed = seed * 1664525 + 1013904223;
        unsigned what = seed >> 22, at = seed >> 8 & (MODEL_PAGES - 1), user = seed >> 20 & 1;
        unsigned other = (seed >> 14 & 63) % MODEL_SPACES;
        uint64_t linear = linear_of(at), page = ((seed >> 3 & 31) + 1) << PAGE_SHIFT;
        if (what < 700) {
            struct tlb_entry *entry = enter(tlb, user, linear, page, what < 90);
            model_enter(user, at, what < 90 ? GLOBAL : space, page);
            if (what & 1)
                tlb_enter_code(tlb, entry);
        } else if (what < 900) {
            tlb_select(tlb, space = other);
        } else if (what < 950) {
            tlb_flush_page(tlb, linear);
            model_drop(space, space, at, at, 0);
            model_drop(GLOBAL, GLOBAL, at, at, 0);
        } else if (what < 980) {
            tlb_flush_page_of(tlb, linear, other);
            model_drop(other, other, at, at, 0);
        } else if (what < 1000) {
            tlb_flush_space(tlb, other);
            model_drop(other, other, 0, MODEL_PAGES - 1, 0);
        } else if (what < 1010) {
            tlb_flush_physical(tlb, gpa(page));
            model_drop(0, GLOBAL, 0, MODEL_PAGES - 1, page);
        } else if (what < 1018) {
            tlb_recheck_physical(tlb, gpa(page), what & 1);
        } else if (what < 1020) {
            tlb_recheck_page(tlb, linear);
        } else if (what < 1022) {
            tlb_flush_nonglobal(tlb);
            model_drop(0, GLOBAL - 1, 0, MODEL_PAGES - 1, 0);
        } else if (what < 1023) {
            tlb_recheck_all(tlb);
        } else {
            tlb_flush(tlb);
            model_drop(0, GLOBAL, 0, MODEL_PAGES - 1, 0);
        }
        compare(tlb, space, round);
        if (round % 1024 == 0)
            check(tlb);
    }
    finish(tlb);
}
