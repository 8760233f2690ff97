/* Page walkers as pure functions of control registers and guest memory (SDM vol. 3, 4.2 to 4.7).
 *
 * The walker decides between "translation" and "#PF with this error code"; it sets accessed and dirty bits in
 * the guest's tables exactly as the SDM says (A on use, D on a write, only when the access is allowed). */
#ifndef CROSSPAGE_MMU_WALK_H
#define CROSSPAGE_MMU_WALK_H

#include "mmu/memory.h"

enum paging_mode { PAGING_OFF, PAGING_32BIT, PAGING_PAE, PAGING_4LEVEL };

/* What a walk depends on, taken by value so that mmu/ needs no CPU. */
struct paging {
    enum paging_mode mode;
    uint64_t cr3;
    uint64_t pdpte[4]; /* PAE: loaded by MOV CR3, not read in the walk */
    bool wp, pse, nxe, smep, smap, pge;
    bool gb_pages; /* 1 GB pages exist */
    uint8_t physical_bits;
    uint64_t a20_mask; /* all ones, or with bit 20 clear */
};

enum access { ACCESS_READ, ACCESS_WRITE, ACCESS_EXEC };

/* #PF error code bits (SDM vol. 3, 4.7). */
enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_RSVD = 8, PF_I = 16 };

struct translation {
    gpa_t page;                /* 4 KB page that contains the address, A20 applied */
    uint64_t page_size;        /* 4 KB, 2 MB, 4 MB or 1 GB: of the guest's mapping */
    bool writable, user, exec; /* combined over all levels, before CR0.WP/SMEP/SMAP */
    bool dirty, global;
    uint8_t levels; /* table entries read */
    gpa_t entry;    /* of the leaf, for write traces; 0 with paging off */
};

/* Translate; true and *out, or false and the #PF error code in *pf. `user` = CPL 3 (implicit supervisor
 * accesses pass false); `ac` = EFLAGS.AC for SMAP. With `set_bits` false nothing is written to the guest's
 * tables (debugger, checker). */
bool page_walk(struct guest_memory *memory, const struct paging *paging, gva_t addr, enum access access,
               bool user, bool ac, bool set_bits, struct translation *out, uint32_t *pf) MUST_CHECK;

/* Do the combined rights of a translation allow the access (SDM vol. 3, 4.6.1)? A and D bits are not asked.
 */
bool page_access_allowed(const struct paging *paging, const struct translation *translation,
                         enum access access, bool user, bool ac);

#endif
