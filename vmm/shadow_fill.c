/* Walking and filling the shadow.
 *
 * Each level copies the rights of the guest's entry of that level, so a shadow table can be shared by
 * whatever points to the guest table it mirrors. A large guest page becomes a DIRECT table of small ones,
 * because its frames are scattered. The A bit is always set (the entry would not be there otherwise); W
 * appears when the guest's D bit is set. */
#include "vmm/shadow_priv.h"

#include "base/check.h"

/* ---- Guest entries ---- */

static bool is_large(const struct shadow *shadow, uint64_t entry, unsigned level)
{
    return level > 1 && level < 4 && (entry & SPTE_PS) &&
           (shadow->format.mode != PAGING_32BIT || shadow->format.pse) &&
           !(level == 3 && shadow->format.mode == PAGING_PAE);
}

static uint64_t guest_page(const struct shadow *shadow, uint64_t address)
{
    return (address & shadow->format.a20_mask) >> PAGE_SHIFT;
}

static uint64_t large_page(const struct shadow *shadow, uint64_t entry, unsigned level)
{
    uint64_t size = UINT64_C(1) << (PAGE_SHIFT + (level - 1) * shadow->index_bits);
    if (shadow->format.mode == PAGING_32BIT) /* PSE-36: bits 20:13 are address bits 39:32 */
        return ((entry & 0xFFC00000) | (entry & 0x1FE000) << 19) >> PAGE_SHIFT;
    return (entry & SPTE_ADDRESS & ~(size - 1)) >> PAGE_SHIFT;
}

static uint64_t table_page(const struct shadow *shadow, uint64_t entry)
{
    return (entry & (shadow->entry_size == 4 ? 0xFFFFF000 : SPTE_ADDRESS)) >> PAGE_SHIFT;
}

/* ---- Shadow entries ---- */

static uint64_t leaf_entry(const struct shadow *shadow, uint64_t page, uint64_t guest_entry)
{
    uint64_t entry = guest_entry & (SPTE_U | SPTE_G);
    if (shadow->entry_size == 8)
        entry |= guest_entry & SPTE_NX;
    if (guest_entry & SPTE_W)
        entry |= SPTE_GUEST_W;
    if (guest_entry & SPTE_D)
        entry |= SPTE_GUEST_D;
    page = guest_page(shadow, page << PAGE_SHIFT);
    uint64_t frame = pmap_mpn(shadow->pmap, (ppn_t){page});
    if (frame == PMAP_NONE)
        entry |= SPTE_DEVICE | page << PAGE_SHIFT;
    else
        entry |= SPTE_P | SPTE_A | frame << PAGE_SHIFT;
    if (frame != PMAP_NONE && (guest_entry & SPTE_W) && (guest_entry & SPTE_D))
        entry |= SPTE_W | SPTE_D;
    return entry;
}

bool shadow_leaf_page(const struct shadow *shadow, uint64_t entry, gpa_t *out)
{
    uint64_t page = (entry & (shadow->entry_size == 4 ? 0xFFFFF000 : SPTE_ADDRESS)) >> PAGE_SHIFT;
    if (entry & SPTE_P) {
        page = pmap_ppn(shadow->pmap, (mpn_t){page});
        CHECK(page != PMAP_NONE);
    } else if (!(entry & SPTE_DEVICE)) {
        return false;
    }
    *out = gpa(page << PAGE_SHIFT);
    return true;
}

bool shadow_lookup(const struct shadow *shadow, uint64_t addr, struct translation *out)
{
    int32_t table = shadow->root;
    uint64_t rights = SPTE_W | SPTE_U, entry;
    for (unsigned level = shadow->levels;; level--) {
        entry = shadow_entry(shadow, table, shadow_index(shadow, addr, level));
        if (level == 1)
            break;
        if (!(entry & SPTE_P))
            return false;
        if (shadow->tables[table].key.kind != SHADOW_PAE_ROOT)
            rights = (rights & (entry | ~(uint64_t)(SPTE_W | SPTE_U))) | (entry & SPTE_NX);
        table = shadow_child(entry);
    }
    gpa_t page;
    if (!shadow_leaf_page(shadow, entry, &page))
        return false;
    *out = (struct translation){
        .page = page,
        .page_size = PAGE_SIZE,
        .writable = (rights & SPTE_W) && (entry & SPTE_GUEST_W),
        .user = (rights & SPTE_U) && (entry & SPTE_U),
        .exec = !((rights | entry) & SPTE_NX),
        .dirty = (entry & SPTE_GUEST_D) != 0,
        .global = true, /* see shadow.h */
    };
    return true;
}

/* ---- Filling ---- */

/* What entry `index` of a table must say, given the guest's tables and the pmap now. */
struct shadow_next shadow_expect(const struct shadow *shadow, const struct shadow_key *key, unsigned index)
{
    struct shadow_next next = {.child.level = (uint8_t)(key->level - 1)};
    if (key->kind == SHADOW_DIRECT) {
        uint64_t page = key->page + ((uint64_t)index << (key->level - 1) * shadow->index_bits);
        next.entry = SPTE_P | SPTE_A | SPTE_W | SPTE_U;
        if (key->level == 1)
            next.entry = leaf_entry(shadow, page, SPTE_W | SPTE_U | (key->dirty ? SPTE_D : 0));
        next.child.kind = SHADOW_DIRECT;
        next.child.dirty = key->dirty;
        next.child.page = page;
        return next;
    }
    uint64_t guest = shadow_guest_entry(shadow, key, index);
    if (!(guest & SPTE_P))
        return next;
    if (key->level == 1) {
        next.entry = leaf_entry(shadow, table_page(shadow, guest), guest);
        return next;
    }
    next.entry = SPTE_P;
    if (key->kind != SHADOW_PAE_ROOT) /* a PDPTE has no rights */
        next.entry |= SPTE_A | (guest & (SPTE_W | SPTE_U | (shadow->entry_size == 8 ? SPTE_NX : 0)));
    if (is_large(shadow, guest, key->level)) {
        next.child.kind = SHADOW_DIRECT;
        next.child.dirty = (guest & SPTE_D) != 0;
        next.child.page = large_page(shadow, guest, key->level);
    } else {
        next.child.kind = SHADOW_GUEST;
        next.child.page = guest_page(shadow, table_page(shadow, guest) << PAGE_SHIFT);
    }
    return next;
}

bool shadow_fill(struct shadow *shadow, uint64_t addr)
{
    bool lost = false;
    int32_t table = shadow->root;
    for (unsigned level = shadow->levels; level > 0; level--) {
        unsigned index = shadow_index(shadow, addr, level);
        struct shadow_next next = shadow_expect(shadow, &shadow->tables[table].key, index);
        int32_t child = NO_TABLE;
        shadow->tables[table].idle_writes = 0;
        if (level > 1) {
            if (shadow_table_find(shadow, &next.child) == NO_TABLE)
                host_charge(vm_host(shadow->vm), COST_ID_SHADOW_TABLE);
            child = shadow_table_get(shadow, &next.child);
            next.entry |= (uint64_t)child << PAGE_SHIFT;
        }
        lost |= shadow_set(shadow, table, index, next.entry);
        table = child;
    }
    return lost;
}
