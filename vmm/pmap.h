/* The pmap: which machine frame (MPN) backs each guest-physical page (PPN), and which frames are the
 * monitor's own (Waldspurger, OSDI 2002, section 2).
 *
 * The guest's pages are scattered over machine memory, so that code that confuses PPN and MPN fails at once:
 *
 *     MPN 0 | monitor's pool | guest RAM below 4 GB, permuted | above 4 GB, permuted | unused
 *
 * The pool is lowest because 32-bit page tables can name only the first 2^20 frames. */
#ifndef CROSSPAGE_VMM_PMAP_H
#define CROSSPAGE_VMM_PMAP_H

#include "mmu/memory.h"

#define PMAP_NONE UINT64_MAX

struct pmap {
    const struct machine_memory *machine;
    struct guest_memory *memory;
    uint64_t pool;    /* frames 0 .. pool-1 are the monitor's */
    uint64_t *to_mpn; /* by PPN; PMAP_NONE where there is no RAM */
    uint64_t *to_ppn; /* by MPN; PMAP_NONE where no guest page is */
};

/* Take over the guest's RAM as it is mapped in `memory` now, and scatter it. */
enum status pmap_create(struct pmap *pmap, const struct machine_memory *machine, struct guest_memory *memory,
                        struct error *err) MUST_CHECK;
void pmap_destroy(struct pmap *pmap);

static inline uint64_t pmap_mpn(const struct pmap *pmap, ppn_t page)
{
    return page.v < pmap->memory->pages ? pmap->to_mpn[page.v] : PMAP_NONE;
}

static inline uint64_t pmap_ppn(const struct pmap *pmap, mpn_t frame)
{
    return frame.v < pmap->machine->frames ? pmap->to_ppn[frame.v] : PMAP_NONE;
}

static inline uint8_t *pmap_frame(const struct pmap *pmap, mpn_t frame)
{
    return pmap->machine->base + (frame.v << PAGE_SHIFT);
}

#endif
