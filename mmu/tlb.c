/* The soft TLB: flushing (see tlb.h for the layout; filling is cpu/mem.c's business, which knows privilege).
 *
 * Invariants: (1) a tag whose low 12 bits differ from `generation` never matches, so one increment drops
 * everything; (2) when the generation wraps, the tags themselves are cleared, so an old tag cannot come back
 * to life; (3) TLB_INVALID's low bits (4095) are no generation, so it never matches. */
#include "mmu/tlb.h"

enum { GENERATIONS = 4095 };

static void entry_clear(struct tlb_entry *entry)
{
    entry->read_tag = entry->write_tag = entry->exec_tag = entry->walk_tag = TLB_INVALID;
}

static void clear_all(struct tlb *tlb)
{
    for (unsigned set = 0; set < 2; set++)
        for (unsigned i = 0; i < TLB_ENTRIES; i++)
            entry_clear(&tlb->entry[set][i]);
}

static void no_large_pages(struct tlb *tlb)
{
    tlb->large_first = UINT64_MAX;
    tlb->large_last = 0;
}

void tlb_init(struct tlb *tlb)
{
    clear_all(tlb);
    tlb->generation = 0;
    no_large_pages(tlb);
}

void tlb_flush(struct tlb *tlb)
{
    no_large_pages(tlb);
    if (++tlb->generation == GENERATIONS) {
        tlb->generation = 0;
        clear_all(tlb);
    }
}

void tlb_flush_page(struct tlb *tlb, uint64_t linear)
{
    /* INVLPG drops the whole large page, of which we hold 4 KB pieces in unknown slots. */
    if (linear >= tlb->large_first && linear <= tlb->large_last) {
        tlb_flush(tlb);
        return;
    }
    for (unsigned set = 0; set < 2; set++)
        entry_clear(tlb_slot(tlb, set, linear));
}

void tlb_flush_physical(struct tlb *tlb, gpa_t page)
{
    for (unsigned set = 0; set < 2; set++)
        for (unsigned i = 0; i < TLB_ENTRIES; i++)
            if (tlb->entry[set][i].page.v == page.v)
                entry_clear(&tlb->entry[set][i]);
}

void tlb_recheck_physical(struct tlb *tlb, gpa_t page)
{
    for (unsigned set = 0; set < 2; set++)
        for (unsigned i = 0; i < TLB_ENTRIES; i++) {
            struct tlb_entry *entry = &tlb->entry[set][i];
            if (entry->page.v == page.v)
                entry->read_tag = entry->write_tag = entry->exec_tag = TLB_INVALID;
        }
}
