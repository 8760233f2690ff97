/* The pool of shadow tables: allocation, finding, references, staleness (shadow.h).
 *
 * A table is in use while something points to it: an entry of a table above it, or the cache of roots. When
 * the last reference goes, the table goes, its trace with it, and what it pointed to loses a reference in
 * turn (at most four levels deep).
 *
 *     free --get--> used --last reference gone--> free
 *
 * Invariants, checked by shadow_check(): (1) refs is the number of entries that point to the table, plus one
 * for a cached root; (2) a guest page is traced exactly while a GUEST table mirrors it; (3) a stale bit is
 * set only in a table on the stale list. */
#include "vmm/shadow_priv.h"

#include "base/check.h"

#include <string.h>

/* Traced writes to the page of a root that is not in use, after which it is taken for an ordinary page by
 * now. */
enum { IDLE_WRITES_MAX = 32 };

/* ---- Entries ---- */

static uint8_t *entry_at(const struct shadow *shadow, int32_t table, unsigned index)
{
    return pmap_frame(shadow->pmap, (mpn_t){(uint64_t)table}) + index * shadow->entry_size;
}

uint64_t shadow_entry(const struct shadow *shadow, int32_t table, unsigned index)
{
    uint64_t value = 0;
    memcpy(&value, entry_at(shadow, table, index), shadow->entry_size);
    return value;
}

uint64_t shadow_guest_entry(const struct shadow *shadow, const struct shadow_key *key, unsigned index)
{
    uint64_t value = 0;
    if (key->kind == SHADOW_PAE_ROOT)
        return key->pdpte[index];
    gpa_t where = gpa(((key->page << PAGE_SHIFT) + index * shadow->entry_size) & shadow->format.a20_mask);
    memory_read(shadow->memory, where, &value, shadow->entry_size);
    return value;
}

static unsigned table_entries(const struct shadow *shadow, const struct shadow_table *table)
{
    return table->key.kind == SHADOW_PAE_ROOT ? 4 : shadow->entry_count;
}

static bool points_down(const struct shadow_table *table, uint64_t entry)
{
    return table->key.level > 1 && (entry & SPTE_P);
}

bool shadow_set(struct shadow *shadow, int32_t number, unsigned index, uint64_t entry)
{
    struct shadow_table *table = &shadow->tables[number];
    uint64_t old = shadow_entry(shadow, number, index);
    table->stale[index / 64] &= ~(UINT64_C(1) << index % 64);
    if (old == entry)
        return false;
    if (points_down(table, entry))
        shadow->tables[shadow_child(entry)].refs++;
    memcpy(entry_at(shadow, number, index), &entry, shadow->entry_size);
    if (points_down(table, old))
        shadow_unref(shadow, shadow_child(old));
    /* A leaf that only gains rights takes nothing away. */
    bool gains = table->key.level == 1 && ((old ^ entry) & SPTE_ADDRESS) == 0 && (old & ~entry) == 0;
    return old != 0 && !gains;
}

/* ---- Finding ---- */

/* GUEST tables of all levels of one page share a bucket, so that a traced write finds them. */
static unsigned bucket_of(const struct shadow_key *key)
{
    uint64_t page = key->kind == SHADOW_PAE_ROOT ? key->pdpte[0] >> PAGE_SHIFT : key->page;
    return (unsigned)(page ^ page >> 12) % HASH_SIZE;
}

bool shadow_same_key(const struct shadow_key *a, const struct shadow_key *b)
{
    return a->kind == b->kind && a->level == b->level && a->dirty == b->dirty && a->page == b->page &&
           memcmp(a->pdpte, b->pdpte, sizeof a->pdpte) == 0;
}

int32_t shadow_table_find(const struct shadow *shadow, const struct shadow_key *key)
{
    int32_t number = shadow->bucket[bucket_of(key)];
    while (number != NO_TABLE && !shadow_same_key(&shadow->tables[number].key, key))
        number = shadow->tables[number].next;
    return number;
}

/* ---- Life ---- */

static bool is_mirrored(const struct shadow *shadow, uint64_t page)
{
    const struct shadow_key key = {.kind = SHADOW_GUEST, .page = page};
    for (int32_t n = shadow->bucket[bucket_of(&key)]; n != NO_TABLE; n = shadow->tables[n].next)
        if (shadow->tables[n].key.kind == SHADOW_GUEST && shadow->tables[n].key.page == page)
            return true;
    return false;
}

static uint64_t traced_page(const struct shadow *shadow, uint64_t page)
{
    return (page << PAGE_SHIFT & shadow->format.a20_mask) >> PAGE_SHIFT;
}

int32_t shadow_table_get(struct shadow *shadow, const struct shadow_key *key)
{
    int32_t number = shadow_table_find(shadow, key);
    if (number != NO_TABLE)
        return number;
    CHECK(shadow->free_list != NO_TABLE);
    number = shadow->free_list;
    struct shadow_table *table = &shadow->tables[number];
    shadow->free_list = table->next;
    shadow->free_count--;
    if (key->kind == SHADOW_GUEST)
        guest_memory_watch(shadow->memory, (ppn_t){traced_page(shadow, key->page)}, WATCH_TRACE);
    unsigned bucket = bucket_of(key);
    table->key = *key;
    table->used = true;
    table->refs = 0;
    table->next = shadow->bucket[bucket];
    shadow->bucket[bucket] = number;
    memset(entry_at(shadow, number, 0), 0, PAGE_SIZE);
    memset(table->stale, 0, sizeof table->stale);
    shadow->counters.tables_made++;
    return number;
}

static void table_free(struct shadow *shadow, int32_t number)
{
    struct shadow_table *table = &shadow->tables[number];
    int32_t *link = &shadow->bucket[bucket_of(&table->key)];
    while (*link != number)
        link = &shadow->tables[*link].next;
    *link = table->next;
    table->used = false;
    if (table->key.kind == SHADOW_GUEST && !is_mirrored(shadow, table->key.page))
        guest_memory_unwatch(shadow->memory, (ppn_t){traced_page(shadow, table->key.page)}, WATCH_TRACE);
    for (unsigned i = 0; i < table_entries(shadow, table); i++) {
        uint64_t entry = shadow_entry(shadow, number, i);
        if (points_down(table, entry))
            shadow_unref(shadow, shadow_child(entry));
    }
    table->next = shadow->free_list;
    shadow->free_list = number;
    shadow->free_count++;
    shadow->counters.tables_freed++;
}

void shadow_unref(struct shadow *shadow, int32_t number)
{
    CHECK(shadow->tables[number].used && shadow->tables[number].refs > 0);
    if (--shadow->tables[number].refs == 0)
        table_free(shadow, number);
}

void shadow_tables_init(struct shadow *shadow)
{
    shadow->free_list = shadow->stale_list = shadow->root = NO_TABLE;
    shadow->free_count = shadow->table_count;
    shadow->root_count = 0;
    for (unsigned i = 0; i < HASH_SIZE; i++)
        shadow->bucket[i] = NO_TABLE;
    for (unsigned i = shadow->table_count; i-- > 0;) {
        shadow->tables[i] = (struct shadow_table){.next = shadow->free_list};
        shadow->free_list = (int32_t)i;
    }
}

void shadow_drop_all(struct shadow *shadow)
{
    for (unsigned i = 0; i < shadow->table_count; i++) {
        const struct shadow_table *table = &shadow->tables[i];
        if (table->used && table->key.kind == SHADOW_GUEST)
            guest_memory_unwatch(shadow->memory, (ppn_t){traced_page(shadow, table->key.page)}, WATCH_TRACE);
        shadow->counters.tables_freed += table->used;
    }
    shadow_tables_init(shadow);
}

/* ---- Roots ---- */

struct shadow_key shadow_root_key(const struct shadow *shadow, const struct paging *paging)
{
    struct shadow_key key = {.kind = SHADOW_GUEST, .level = (uint8_t)shadow->levels};
    switch (paging->mode) {
    case PAGING_OFF:
        key.kind = SHADOW_DIRECT;
        key.dirty = true;
        break;
    case PAGING_32BIT: key.page = traced_page(shadow, (uint32_t)paging->cr3 >> PAGE_SHIFT); break;
    case PAGING_PAE:
        key.kind = SHADOW_PAE_ROOT;
        memcpy(key.pdpte, paging->pdpte, sizeof key.pdpte);
        break;
    case PAGING_4LEVEL: key.page = traced_page(shadow, (paging->cr3 & SPTE_ADDRESS) >> PAGE_SHIFT); break;
    }
    return key;
}

static void root_forget(struct shadow *shadow, unsigned slot)
{
    int32_t number = shadow->roots[slot];
    shadow->roots[slot] = shadow->roots[--shadow->root_count];
    shadow->tables[number].root = false;
    shadow_unref(shadow, number);
}

static void forget_oldest_root(struct shadow *shadow)
{
    unsigned oldest = 0;
    for (unsigned i = 1; i < shadow->root_count; i++)
        if (shadow->tables[shadow->roots[i]].last_use < shadow->tables[shadow->roots[oldest]].last_use)
            oldest = i;
    root_forget(shadow, oldest);
}

void shadow_root_select(struct shadow *shadow, const struct paging *paging)
{
    const struct shadow_key key = shadow_root_key(shadow, paging);
    int32_t number = shadow_table_find(shadow, &key);
    if (number == NO_TABLE || !shadow->tables[number].root) {
        if (shadow->root_count == ROOTS_MAX)
            forget_oldest_root(shadow);
        number = shadow_table_get(shadow, &key);
        shadow->tables[number].root = true;
        shadow->tables[number].refs++;
        shadow->roots[shadow->root_count++] = number;
    }
    shadow->root = number;
    shadow->tables[number].idle_writes = 0;
    shadow->tables[number].last_use = ++shadow->use_serial;
}

/* ---- Write traces ---- */

static void mark_stale(struct shadow *shadow, int32_t number, unsigned first, unsigned last)
{
    struct shadow_table *table = &shadow->tables[number];
    for (unsigned i = first; i <= last; i++) {
        if (shadow_entry(shadow, number, i) == 0)
            continue;
        table->stale[i / 64] |= UINT64_C(1) << i % 64;
        if (!table->in_stale_list) {
            table->in_stale_list = true;
            table->stale_next = shadow->stale_list;
            shadow->stale_list = number;
        }
    }
}

/* Does a root point to the table directly, or is it the table? */
static bool root_holds(const struct shadow *shadow, int32_t root, int32_t number)
{
    if (root == number)
        return true;
    if (root == NO_TABLE || shadow->tables[root].key.kind != SHADOW_PAE_ROOT)
        return false;
    for (unsigned i = 0; i < 4; i++) {
        uint64_t entry = shadow_entry(shadow, root, i);
        if ((entry & SPTE_P) && shadow_child(entry) == number)
            return true;
    }
    return false;
}

/* A page that was a process's top-level table may have become something else without a word to the MMU: the
 * guest need not touch the entries of a table it gives back whole. */
static void forget_abandoned(struct shadow *shadow, int32_t number)
{
    if (shadow->tables[number].idle_writes <= IDLE_WRITES_MAX || root_holds(shadow, shadow->root, number))
        return;
    for (unsigned i = shadow->root_count; i-- > 0;)
        if (root_holds(shadow, shadow->roots[i], number))
            root_forget(shadow, i);
}

static void charge_trace(struct shadow *shadow, gpa_t addr)
{
    struct host *host = vm_host(shadow->vm);
    /* Bus masters write without trapping. */
    if (host->in_event || host->world != WORLD_VMM)
        return;
    shadow->counters.traced_writes++;
    host_begin_atomic(host);
    vm_visit_begin(shadow->vm, VM_EXIT_TRACE, addr.v);
    host_charge(host, COST_ID_SHADOW_TRACE);
    vm_visit_end(shadow->vm);
    host_end_atomic(host);
}

void shadow_written(void *ctx, gpa_t addr, uint64_t size)
{
    struct shadow *shadow = ctx;
    if (shadow->in_walk)
        return;
    const struct shadow_key key = {.kind = SHADOW_GUEST, .page = addr.v >> PAGE_SHIFT};
    unsigned first = (unsigned)((addr.v & PAGE_MASK) / shadow->entry_size);
    unsigned last = (unsigned)(((addr.v & PAGE_MASK) + size - 1) / shadow->entry_size);
    int32_t last_table = NO_TABLE;
    for (int32_t n = shadow->bucket[bucket_of(&key)]; n != NO_TABLE; n = shadow->tables[n].next) {
        struct shadow_table *table = &shadow->tables[n];
        if (table->key.kind != SHADOW_GUEST || traced_page(shadow, table->key.page) != key.page)
            continue;
        mark_stale(shadow, n, first, last);
        table->idle_writes++;
        last_table = n;
    }
    charge_trace(shadow, addr);
    if (last_table != NO_TABLE)
        forget_abandoned(shadow, last_table);
}

static void drop_leaf(struct shadow *shadow, int32_t number, unsigned index)
{
    gpa_t page;
    if (shadow_leaf_page(shadow, shadow_entry(shadow, number, index), &page))
        tlb_flush_physical(&vm_cpu(shadow->vm)->tlb, page);
    shadow_set(shadow, number, index, 0);
}

bool shadow_sync(struct shadow *shadow)
{
    bool above = false;
    while (shadow->stale_list != NO_TABLE) {
        int32_t number = shadow->stale_list;
        struct shadow_table *table = &shadow->tables[number];
        shadow->stale_list = table->stale_next;
        table->in_stale_list = false;
        for (unsigned word = 0; table->used && word < ARRAY_LEN(table->stale); word++)
            while (table->stale[word] != 0) {
                unsigned index = word * 64 + (unsigned)__builtin_ctzll(table->stale[word]);
                if (table->key.level == 1) {
                    drop_leaf(shadow, number, index);
                } else {
                    shadow_set(shadow, number, index, 0);
                    above = true;
                }
            }
    }
    return above;
}
