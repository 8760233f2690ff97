/* The checker of shadow page tables, for tests: everything that can be derived again is derived again and
 * compared. */
#include "vmm/shadow_priv.h"

#include "base/check.h"

#include <stdlib.h>

static bool is_stale(const struct shadow_table *table, unsigned index)
{
    return (table->stale[index / 64] >> index % 64 & 1) != 0;
}

static const char *check_entry(const struct shadow *shadow, int32_t number, unsigned index)
{
    const struct shadow_table *table = &shadow->tables[number];
    uint64_t entry = shadow_entry(shadow, number, index);
    if (entry == 0)
        return is_stale(table, index) ? "an empty entry is stale" : NULL;
    if (is_stale(table, index))
        return NULL;
    struct shadow_next next = shadow_expect(shadow, &table->key, index);
    /* The guest may use one page as a table of two levels; then a D bit set for one is news to the other,
     * which is only stricter until its own first write. */
    const uint64_t waits_for_dirty = SPTE_W | SPTE_D | SPTE_GUEST_D;
    if (table->key.level == 1) {
        bool same = entry == next.entry || entry == (next.entry & ~waits_for_dirty);
        return same ? NULL : "a leaf differs from the guest's entry";
    }
    if (next.entry == 0 || (entry & ~SPTE_ADDRESS) != next.entry)
        return "the rights of an upper entry differ from the guest's";
    const struct shadow_table *child = &shadow->tables[shadow_child(entry)];
    struct shadow_key clean = next.child;
    clean.dirty = false;
    bool same = shadow_same_key(&child->key, &next.child) || shadow_same_key(&child->key, &clean);
    return child->used && same ? NULL : "an upper entry points elsewhere";
}

static const char *check_tables(const struct shadow *shadow, uint32_t *refs)
{
    for (unsigned i = 0; i < shadow->root_count; i++)
        refs[shadow->roots[i]]++;
    for (unsigned n = 0; n < shadow->table_count; n++) {
        const struct shadow_table *table = &shadow->tables[n];
        unsigned entries = table->key.kind == SHADOW_PAE_ROOT ? 4 : shadow->entry_count;
        for (unsigned i = 0; table->used && i < entries; i++) {
            const char *wrong = check_entry(shadow, (int32_t)n, i);
            if (wrong != NULL)
                return wrong;
            uint64_t entry = shadow_entry(shadow, (int32_t)n, i);
            if (table->key.level > 1 && (entry & SPTE_P))
                refs[shadow_child(entry)]++;
        }
    }
    for (unsigned n = 0; n < shadow->table_count; n++) {
        const struct shadow_table *table = &shadow->tables[n];
        if (table->used && (table->refs != refs[n] || refs[n] == 0))
            return "a reference count is wrong";
        if (!table->used && refs[n] != 0)
            return "something points to a free table";
    }
    return NULL;
}

/* A page is traced exactly while a table mirrors it. */
static const char *check_traces(const struct shadow *shadow)
{
    uint8_t *mirrored = xcalloc(shadow->memory->pages, 1);
    const char *wrong = NULL;
    for (unsigned n = 0; n < shadow->table_count; n++) {
        const struct shadow_table *table = &shadow->tables[n];
        if (table->used && table->key.kind == SHADOW_GUEST && table->key.page < shadow->memory->pages)
            mirrored[table->key.page] = 1;
    }
    for (uint64_t page = 0; page < shadow->memory->pages; page++)
        if (((shadow->memory->watch[page] & WATCH_TRACE) != 0) != (mirrored[page] != 0))
            wrong = "a page is traced without need, or a mirrored one is not";
    free(mirrored);
    return wrong;
}

static const char *check_tlb_entry(const struct shadow *shadow, const struct paging *paging,
                                   const struct tlb_entry *entry)
{
    struct translation found;
    if (!shadow_lookup(shadow, entry->linear, &found) || found.page.v != entry->page.v)
        return "the soft TLB translates what the shadow does not";
    for (unsigned access = ACCESS_READ; access <= ACCESS_EXEC; access++)
        if ((entry->allowed >> access & 1) &&
            (!page_access_allowed(paging, &found, (enum access)access, entry->user, true) ||
             (access == ACCESS_WRITE && !found.dirty)))
            return "the soft TLB permits what the shadow does not";
    return NULL;
}

const char *shadow_check(struct shadow *shadow, const struct paging *paging)
{
    uint32_t *refs = xcalloc(shadow->table_count, sizeof *refs);
    const char *wrong = check_tables(shadow, refs);
    free(refs);
    if (wrong == NULL)
        wrong = check_traces(shadow);
    const struct shadow_key root = shadow_root_key(shadow, paging);
    if (shadow->root == NO_TABLE || !shadow_same_key(&shadow->tables[shadow->root].key, &root))
        return wrong;
    const struct tlb *tlb = &vm_cpu(shadow->vm)->tlb;
    for (const struct tlb_entry *entry = NULL; wrong == NULL && (entry = tlb_next(tlb, entry)) != NULL;)
        wrong = check_tlb_entry(shadow, paging, entry);
    return wrong;
}

struct paging shadow_paging(struct shadow *shadow, const struct paging *paging)
{
    struct paging hardware = *paging;
    CHECK(shadow->root != NO_TABLE);
    hardware.cr3 = (uint64_t)shadow->root << PAGE_SHIFT;
    hardware.a20_mask = UINT64_MAX;
    if (paging->mode == PAGING_OFF)
        hardware.mode = PAGING_32BIT;
    for (unsigned i = 0; i < 4 && paging->mode == PAGING_PAE; i++)
        hardware.pdpte[i] = shadow_entry(shadow, shadow->root, i);
    return hardware;
}
