/* Page walkers: 32-bit (with PSE and PSE-36), PAE and 4-level paging (SDM vol. 3, 4.3 to 4.7).
 *
 * One loop serves all modes; a mode is a row of data: how many levels, how wide the entries, where each
 * level's index is, and which bits of an entry are reserved. PAE's top level is not in memory: its four
 * entries were loaded and checked by MOV CR3 (SDM vol. 3, 4.4.1).
 *
 * Left out: 5-level paging, protection keys. PCIDs (CR3 bits 11:0) are the TLB's business, not a walk's.
 *
 * Invariants: (1) reserved bits are looked at level by level, before the next entry is read, and win over
 * permissions; (2) nothing is written unless the access is allowed; then A is set in every entry used and D
 * in the leaf of a write, lowest address first; (3) an entry is written only if a bit changes, and through
 * memory_write(), so that watchers of page tables see it. */
#include "mmu/walk.h"

#include <string.h>

enum entry_bit {
    PTE_P = 1 << 0,
    PTE_W = 1 << 1,
    PTE_U = 1 << 2,
    PTE_A = 1 << 5,
    PTE_D = 1 << 6,
    PTE_PS = 1 << 7,
    PTE_G = 1 << 8,
};
#define PTE_NX      (UINT64_C(1) << 63)
#define PTE_ADDRESS UINT64_C(0x000FFFFFFFFFF000)

/* A mask of bits high..low. */
static inline uint64_t bits(unsigned high, unsigned low)
{
    return (UINT64_MAX >> (63 - high)) & (UINT64_MAX << low);
}

struct entry_ref {
    gpa_t addr;
    uint64_t value;
};

struct walk {
    struct guest_memory *memory;
    const struct paging *paging;
    unsigned entry_size;      /* 4 or 8 bytes */
    struct entry_ref used[4]; /* entries in memory, top level first */
    unsigned count;
    uint64_t permissions; /* P_W and P_U and'ed, NX or'ed over the levels */
};

/* An entry is aligned: it lies in one page. */
static uint64_t entry_read(const struct walk *walk, gpa_t addr)
{
    const uint8_t *frame = memory_frame(walk->memory, addr);
    uint64_t wide;
    uint32_t narrow;
    if (UNLIKELY(frame == NULL))
        return walk->entry_size == 8 ? UINT64_MAX : UINT32_MAX;
    if (walk->entry_size == 8) {
        memcpy(&wide, frame + (addr.v & PAGE_MASK), 8);
        return wide;
    }
    memcpy(&narrow, frame + (addr.v & PAGE_MASK), 4);
    return narrow;
}

/* Address bits above what the CPU has must be zero, in 8-byte entries (SDM vol. 3, table 4-14 and others). */
static uint64_t reserved_high(const struct paging *paging)
{
    uint64_t reserved = 0;
    if (paging->physical_bits < 52)
        reserved |= bits(51, paging->physical_bits);
    if (!paging->nxe)
        reserved |= PTE_NX;
    return reserved;
}

/* Reserved bits of an entry at `level` (1 = page table). */
static uint64_t entry_reserved(const struct paging *paging, unsigned level, bool large)
{
    if (paging->mode == PAGING_32BIT) {
        if (!large)
            return 0;
        /* PSE-36: bits 20:13 are address bits 39:32, as far as the CPU has them; bit 21 is reserved. */
        unsigned width = paging->physical_bits < 40 ? paging->physical_bits : 40;
        return bits(21, width - 32 + 13);
    }
    uint64_t reserved = reserved_high(paging);
    if (paging->mode == PAGING_PAE)
        reserved |= bits(62, 52);
    if (level == 4)
        reserved |= PTE_PS;
    else if (level == 3 && !paging->gb_pages)
        reserved |= PTE_PS;
    else if (large)
        reserved |= level == 3 ? bits(29, 13) : bits(20, 13);
    return reserved;
}

static uint64_t leaf_address(const struct paging *paging, uint64_t entry, unsigned level, uint64_t page_size)
{
    if (paging->mode != PAGING_32BIT)
        return entry & PTE_ADDRESS & ~(page_size - 1);
    if (level == 2)
        return (entry & bits(31, 22)) | (entry & bits(20, 13)) << 19;
    return entry & 0xFFFFF000;
}

static void set_bits_in(struct walk *walk, enum access access)
{
    for (unsigned i = 0; i < walk->count; i++) {
        uint64_t value = walk->used[i].value | PTE_A;
        if (access == ACCESS_WRITE && i == walk->count - 1)
            value |= PTE_D;
        if (value == walk->used[i].value)
            continue;
        walk->used[i].value = value;
        memory_write(walk->memory, walk->used[i].addr, &value, walk->entry_size);
    }
}

/* SDM vol. 3, 4.6.1. */
bool page_access_allowed(const struct paging *paging, const struct translation *out, enum access access,
                         bool user, bool ac)
{
    if (user && !out->user)
        return false;
    switch (access) {
    case ACCESS_EXEC: return out->exec && (user || !(paging->smep && out->user));
    case ACCESS_WRITE:
        if (!out->writable && (user || paging->wp))
            return false;
        break;
    case ACCESS_READ: break;
    }
    return user || !paging->smap || !out->user || ac;
}

static bool page_walk_off(const struct paging *paging, gva_t addr, struct translation *out)
{
    *out = (struct translation){
        .page = gpa(addr.v & paging->a20_mask & ~PAGE_MASK),
        .page_size = PAGE_SIZE,
        .writable = true,
        .user = true,
        .exec = true,
        .dirty = true,
    };
    return true;
}

/* Follow the tables from the top; false with only the P and RSVD bits of the error code. */
static bool descend(struct walk *walk, gva_t addr, struct translation *out, uint32_t *pf)
{
    const struct paging *paging = walk->paging;
    bool narrow = paging->mode == PAGING_32BIT;
    unsigned level = paging->mode == PAGING_4LEVEL ? 4 : 2;
    unsigned index_bits = narrow ? 10 : 9;
    uint64_t table = paging->cr3 & (narrow ? 0xFFFFF000 : PTE_ADDRESS);

    walk->entry_size = narrow ? 4 : 8;
    walk->permissions = PTE_W | PTE_U;
    if (paging->mode == PAGING_PAE) {
        uint64_t entry = paging->pdpte[addr.v >> 30 & 3];
        *pf = 0;
        if (!(entry & PTE_P))
            return false;
        table = entry & PTE_ADDRESS;
    }
    for (;; level--) {
        unsigned shift = PAGE_SHIFT + (level - 1) * index_bits;
        uint64_t index = addr.v >> shift & ((1u << index_bits) - 1);
        gpa_t where = gpa((table + index * walk->entry_size) & paging->a20_mask);
        uint64_t entry = entry_read(walk, where);
        walk->used[walk->count++] = (struct entry_ref){where, entry};
        if (!(entry & PTE_P)) {
            *pf = 0;
            return false;
        }
        bool large = level > 1 && (entry & PTE_PS) != 0 && (!narrow || paging->pse);
        if (entry & entry_reserved(paging, level, large)) {
            *pf = PF_P | PF_RSVD;
            return false;
        }
        walk->permissions &= entry | ~(uint64_t)(PTE_W | PTE_U);
        walk->permissions |= entry & PTE_NX;
        if (level == 1 || large) {
            uint64_t page_size = UINT64_C(1) << shift;
            uint64_t base = leaf_address(paging, entry, level, page_size);
            out->page = gpa((base | (addr.v & (page_size - 1) & ~PAGE_MASK)) & paging->a20_mask);
            out->page_size = page_size;
            out->dirty = (entry & PTE_D) != 0;
            out->global = paging->pge && (entry & PTE_G) != 0;
            out->entry = where;
            break;
        }
        table = entry & (narrow ? 0xFFFFF000 : PTE_ADDRESS);
    }
    out->levels = (uint8_t)walk->count;
    out->writable = (walk->permissions & PTE_W) != 0;
    out->user = (walk->permissions & PTE_U) != 0;
    out->exec = narrow || (walk->permissions & PTE_NX) == 0;
    return true;
}

bool page_walk(struct guest_memory *memory, const struct paging *paging, gva_t addr, enum access access,
               bool user, bool ac, bool set_bits, struct translation *out, uint32_t *pf)
{
    if (paging->mode == PAGING_OFF)
        return page_walk_off(paging, addr, out);

    struct walk walk = {.memory = memory, .paging = paging};
    bool ok = descend(&walk, addr, out, pf);
    if (ok && !page_access_allowed(paging, out, access, user, ac)) {
        *pf = PF_P;
        ok = false;
    }
    if (!ok) {
        bool tells_fetch = paging->smep || (paging->nxe && paging->mode != PAGING_32BIT);
        *pf |= (access == ACCESS_WRITE ? PF_W : 0) | (user ? PF_U : 0) |
               (access == ACCESS_EXEC && tells_fetch ? PF_I : 0);
        return false;
    }
    if (set_bits) {
        set_bits_in(&walk, access);
        out->dirty |= access == ACCESS_WRITE;
    }
    return true;
}
