/* What the shadow_*.c files share. */
#ifndef CROSSPAGE_VMM_SHADOW_PRIV_H
#define CROSSPAGE_VMM_SHADOW_PRIV_H

#include "vmm/shadow.h"

/* Entry bits (SDM vol. 3, 4.3 to 4.5). Bits 11:9 are the operating system's, here the monitor's:
 *
 *     bit 9   leaf: the guest's entry is writable; the hardware's W bit waits for the guest's D bit
 *     bit 10  leaf: the guest's D bit is set
 *     bit 11  leaf, with P = 0: the page has no RAM (device memory); the address is the PPN */
enum shadow_bit {
    SPTE_P = 1 << 0,
    SPTE_W = 1 << 1,
    SPTE_U = 1 << 2,
    SPTE_A = 1 << 5,
    SPTE_D = 1 << 6,
    SPTE_PS = 1 << 7, /* in the guest's tables only: the shadow has small pages */
    SPTE_G = 1 << 8,
    SPTE_GUEST_W = 1 << 9,
    SPTE_GUEST_D = 1 << 10,
    SPTE_DEVICE = 1 << 11,
};
#define SPTE_NX      (UINT64_C(1) << 63)
#define SPTE_ADDRESS UINT64_C(0x000FFFFFFFFFF000)

enum { ENTRIES_MAX = 1024, HASH_SIZE = 4096, NO_TABLE = -1, ROOTS_MAX = 64 };

enum shadow_kind {
    SHADOW_GUEST,    /* mirrors the guest's table in page `page` */
    SHADOW_DIRECT,   /* maps guest-physical pages from `page` on: a large guest page, or paging off */
    SHADOW_PAE_ROOT, /* the four PDPTEs, which are registers of the guest's CPU */
};

struct shadow_key {
    enum shadow_kind kind;
    uint8_t level; /* 1 = page table */
    bool dirty;    /* DIRECT: the large page's D bit */
    uint64_t page;
    uint64_t pdpte[4]; /* PAE_ROOT */
};

/* Table n uses frame n of the pool. */
struct shadow_table {
    struct shadow_key key;
    bool used, root, in_stale_list;
    uint32_t refs;        /* entries that point here; a cached root counts as one */
    int32_t next;         /* hash chain, or free list */
    int32_t stale_next;   /* list of tables with stale entries */
    uint32_t idle_writes; /* traced writes since it was last walked or made current */
    uint64_t last_use;    /* root: serial */
    uint64_t stale[ENTRIES_MAX / 64];
};

/* What the format of all tables depends on; when it changes, all go. */
struct shadow_format {
    enum paging_mode mode;
    bool pse, nxe, gb_pages;
    uint64_t a20_mask;
};

struct shadow {
    struct vm *vm;
    struct guest_memory *memory;
    const struct pmap *pmap;
    struct shadow_format format;
    unsigned entry_size, entry_count, index_bits, levels;
    struct shadow_table *tables;
    unsigned table_count, free_count, root_count;
    int32_t free_list, stale_list;
    int32_t bucket[HASH_SIZE];
    int32_t root; /* current, or NO_TABLE */
    int32_t roots[ROOTS_MAX];
    uint64_t use_serial;
    bool in_walk; /* the walker itself writes A and D bits */
    struct shadow_counters counters;
};

static inline unsigned shadow_index(const struct shadow *shadow, uint64_t addr, unsigned level)
{
    unsigned shift = PAGE_SHIFT + (level - 1) * shadow->index_bits;
    unsigned mask = level == 3 && shadow->format.mode == PAGING_PAE ? 3 : shadow->entry_count - 1;
    return (unsigned)(addr >> shift) & mask;
}

uint64_t shadow_entry(const struct shadow *shadow, int32_t table, unsigned index);
uint64_t shadow_guest_entry(const struct shadow *shadow, const struct shadow_key *key, unsigned index);
static inline int32_t shadow_child(uint64_t entry)
{
    return (int32_t)((entry & SPTE_ADDRESS) >> PAGE_SHIFT);
}

/* shadow_table.c: the pool of tables. */
void shadow_tables_init(struct shadow *shadow);
int32_t shadow_table_find(const struct shadow *shadow, const struct shadow_key *key);
/* Find or make; there must be a free one. */
int32_t shadow_table_get(struct shadow *shadow, const struct shadow_key *key);
/* The root for these control registers, made current. */
void shadow_root_select(struct shadow *shadow, const struct paging *paging);
struct shadow_key shadow_root_key(const struct shadow *shadow, const struct paging *paging);
bool shadow_same_key(const struct shadow_key *a, const struct shadow_key *b);
void shadow_unref(struct shadow *shadow, int32_t table);
void shadow_drop_all(struct shadow *shadow);
/* Set an entry. Counts references; returns true if a translation was taken away. */
bool shadow_set(struct shadow *shadow, int32_t table, unsigned index, uint64_t entry);
/* Drop all stale entries. The soft TLB loses the pages of those that were leaves; true: it must lose all. */
bool shadow_sync(struct shadow *shadow) MUST_CHECK;
memory_written_fn shadow_written;

/* shadow_fill.c */
/* The page that a leaf translates to; false: none. */
bool shadow_leaf_page(const struct shadow *shadow, uint64_t entry, gpa_t *page);
bool shadow_lookup(const struct shadow *shadow, uint64_t addr, struct translation *out);
/* Returns true if a translation was taken away meanwhile. */
bool shadow_fill(struct shadow *shadow, uint64_t addr);
/* What entry `index` of a table must say, given the guest's tables and the pmap now: for a leaf the entry, 0
 * if the guest's is not present; above, the rights, and the key of the table it points to. */
struct shadow_next {
    uint64_t entry;
    struct shadow_key child;
};
struct shadow_next shadow_expect(const struct shadow *shadow, const struct shadow_key *key, unsigned index);

#endif
