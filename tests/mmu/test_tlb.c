/* The soft TLB: tags, generations, flushing of pages, large pages and frames. */
#include "mmu/tlb.h"

#include <criterion/criterion.h>

#include <stdlib.h>

static struct tlb *tlb_create(void)
{
    struct tlb *tlb = calloc(1, sizeof *tlb);
    cr_assert_not_null(tlb);
    tlb_init(tlb);
    return tlb;
}

static void enter(struct tlb *tlb, bool user, uint64_t linear, uint64_t page)
{
    struct tlb_entry *entry = tlb_slot(tlb, user, linear);
    entry->read_tag = entry->write_tag = entry->exec_tag = entry->walk_tag = tlb_tag(tlb, linear);
    entry->page = gpa(page);
}

static bool hits(struct tlb *tlb, bool user, uint64_t linear)
{
    return tlb_slot(tlb, user, linear)->read_tag == tlb_tag(tlb, linear);
}

Test(tlb, starts_empty_and_page_zero_is_no_exception)
{
    struct tlb *tlb = tlb_create();
    cr_assert_not(hits(tlb, false, 0));
    cr_assert_not(hits(tlb, true, 0));
    cr_assert_not(hits(tlb, true, UINT64_MAX & ~PAGE_MASK));
    free(tlb);
}

Test(tlb, flush_drops_everything_over_many_generations)
{
    struct tlb *tlb = tlb_create();
    for (unsigned i = 0; i < 3 * 4095; i++) {
        enter(tlb, i & 1, 0x5000, 0x1000);
        cr_assert(hits(tlb, i & 1, 0x5000));
        tlb_flush(tlb);
        cr_assert_not(hits(tlb, i & 1, 0x5000), "generation %u", i);
    }
    free(tlb);
}

/* An entry of an old generation must not come to life when the number comes round again. */
Test(tlb, old_entries_stay_dead_when_generations_wrap)
{
    struct tlb *tlb = tlb_create();
    enter(tlb, false, 0x7000, 0x1000);
    for (unsigned i = 0; i < 2 * 4095 + 5; i++) {
        tlb_flush(tlb);
        cr_assert_not(hits(tlb, false, 0x7000));
    }
    free(tlb);
}

Test(tlb, flush_page_is_exact_for_small_pages)
{
    struct tlb *tlb = tlb_create();
    enter(tlb, false, 0x5000, 0x1000);
    enter(tlb, true, 0x5000, 0x1000);
    enter(tlb, true, 0x6000, 0x2000);
    tlb_flush_page(tlb, 0x5FFF);
    cr_assert_not(hits(tlb, false, 0x5000));
    cr_assert_not(hits(tlb, true, 0x5000));
    cr_assert(hits(tlb, true, 0x6000));
    free(tlb);
}

Test(tlb, flush_page_drops_all_pieces_of_a_large_page)
{
    struct tlb *tlb = tlb_create();
    const uint64_t large = 0x400000;
    enter(tlb, false, large + 0x3000, 0x3000);
    enter(tlb, false, large + 0x9000, 0x9000);
    tlb_note_large(tlb, large + 0x3000, 0x200000);
    enter(tlb, false, 0x100000, 0x1000);
    tlb_flush_page(tlb, 0x200000); /* outside: only that page */
    cr_assert(hits(tlb, false, large + 0x3000));
    tlb_flush_page(tlb, large + 0x1FFFFF);
    cr_assert_not(hits(tlb, false, large + 0x3000));
    cr_assert_not(hits(tlb, false, large + 0x9000));
    enter(tlb, false, large, 0);
    tlb_flush_page(tlb, large + 0x1000); /* forgotten with the flush */
    cr_assert(hits(tlb, false, large));
    free(tlb);
}

Test(tlb, flush_physical_finds_every_alias)
{
    struct tlb *tlb = tlb_create();
    enter(tlb, false, 0x5000, 0x1000);
    enter(tlb, true, 0x12345000, 0x1000);
    enter(tlb, true, 0x12346000, 0x2000);
    tlb_flush_physical(tlb, gpa(0x1000));
    cr_assert_not(hits(tlb, false, 0x5000));
    cr_assert_not(hits(tlb, true, 0x12345000));
    cr_assert(hits(tlb, true, 0x12346000));
    free(tlb);
}
