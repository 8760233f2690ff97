/* The soft TLB: from linear page to host address. Engine state: may be dropped at any instruction boundary.
 *
 * One set for supervisor and one for user accesses, so that privilege needs no check on a hit. A tag is the
 * linear page number shifted up, or'ed with the set's generation; flushing everything is one increment. A
 * page that is MMIO, or whose writes are watched, has the tag of that access left invalid and goes through
 * the slow path every time. */
#ifndef CROSSPAGE_MMU_TLB_H
#define CROSSPAGE_MMU_TLB_H

#include "mmu/memory.h"

enum { TLB_BITS = 11, TLB_ENTRIES = 1 << TLB_BITS };
#define TLB_INVALID UINT64_MAX

struct tlb_entry {
    uint64_t read_tag, write_tag, exec_tag; /* (linear page << 12) | generation, or TLB_INVALID */
    uintptr_t addend;  /* host address = linear address + addend; valid with such a tag */
    gpa_t page;        /* guest-physical page, A20 applied */
    uint64_t walk_tag; /* the slow path's: `page` and `allowed` are valid, also for MMIO and watched pages */
    uint8_t allowed;   /* 1 << enum access: the walk permits it and needs to set no A or D bit for it */
    uint8_t pad[15];
};
_Static_assert(sizeof(struct tlb_entry) == 64, "indexed by a shift");

struct tlb {
    uint64_t generation; /* 0..4094: the low 12 bits of valid tags */
    /* Every entry from a page larger than 4 KB lies in [large_first, large_last] (linear page boundaries). */
    uint64_t large_first, large_last;
    struct tlb_entry entry[2][TLB_ENTRIES]; /* [user][linear page mod TLB_ENTRIES] */
};

static inline struct tlb_entry *tlb_slot(struct tlb *tlb, bool user, uint64_t linear)
{
    return &tlb->entry[user][(linear >> PAGE_SHIFT) & (TLB_ENTRIES - 1)];
}

static inline uint64_t tlb_tag(const struct tlb *tlb, uint64_t linear)
{
    return (linear & ~PAGE_MASK) | tlb->generation;
}

void tlb_init(struct tlb *tlb);
void tlb_flush(struct tlb *tlb);
/* An entry is being filled from a large page of `size` bytes around `linear`. */
static inline void tlb_note_large(struct tlb *tlb, uint64_t linear, uint64_t size)
{
    uint64_t first = linear & ~(size - 1), last = first | (size - 1);
    tlb->large_first = first < tlb->large_first ? first : tlb->large_first;
    tlb->large_last = last > tlb->large_last ? last : tlb->large_last;
}
/* One linear page, or all of the large page it is in. */
void tlb_flush_page(struct tlb *tlb, uint64_t linear);
/* Drop every entry that maps this guest-physical page (its frame, permissions or watches changed). */
void tlb_flush_physical(struct tlb *tlb, gpa_t page);
/* As tlb_flush_physical, when only the frame or the watches changed: the walk itself stays good, so nothing
 * is walked again and no accessed bit is set anew. */
void tlb_recheck_physical(struct tlb *tlb, gpa_t page);

#endif
