/* The soft TLB: entering and flushing (tlb.h has the layout and the contract; what to enter is cpu/mem.c's
 * business, which knows privilege).
 *
 * An entry is found by linear page and set, by guest-physical page, and in the ring of its kind, so that
 * every flush costs in proportion to what it drops.
 *
 *   free --tlb_enter--> in use, not mapped <--tlb_map / recheck--> in use, mapped
 *     ^-----------------flush-----------------------------------------------'
 *
 * Invariants, checked by tlb_check(): (1) a valid key in the map is that of an entry with `mapped`, and the
 * entry allows the access; (2) every entry in use is in the bucket of its page and set, in the chain of its
 * physical page and in the ring of its kind, once each; (3) `large` covers every piece of a large page. */
#include "mmu/tlb.h"

#include "base/check.h"
#include "base/host_memory.h"

enum { RING_OTHERS, RING_GLOBAL, FIRST_ENTRY };
enum { BUCKETS = 1 << TLB_BUCKET_BITS };
#define ENTRY_BYTES  ((TLB_MAX_ENTRIES + FIRST_ENTRY) * sizeof(struct tlb_entry))
#define BUCKET_BYTES (BUCKETS * sizeof(uint32_t))
enum { REGION_SHIFT = 22 }; /* the largest pages but 1 GB ones: 4 MB */

/* ---- The map ---- */

static void unmap(struct tlb *tlb, struct tlb_entry *entry)
{
    if (!entry->mapped)
        return;
    struct tlb_map *map = &tlb->map[entry->user];
    unsigned slot = tlb_slot(entry->linear);
    uint64_t key = tlb_key(entry->linear);
    if (map->read_key[slot] == key)
        map->read_key[slot] = tlb_key_invalid(slot);
    if (map->write_key[slot] == key)
        map->write_key[slot] = tlb_key_invalid(slot);
    entry->mapped = false;
    tlb->map_epoch[entry->user]++;
}

/* Does the map hold nothing of the entry that it will not hold when it is mapped so? */
static bool only_grows(const struct tlb_map *map, const struct tlb_entry *entry, uintptr_t addend, bool read,
                       bool write)
{
    unsigned slot = tlb_slot(entry->linear);
    uint64_t key = tlb_key(entry->linear);
    bool reads = map->read_key[slot] == key, writes = map->write_key[slot] == key;
    return (reads || writes) && map->addend[slot] == addend && reads <= read && writes <= write;
}

void tlb_map(struct tlb *tlb, struct tlb_entry *entry, uint8_t *frame, bool read, bool write)
{
    if (!read && !write) {
        unmap(tlb, entry);
        return;
    }
    struct tlb_map *map = &tlb->map[entry->user];
    unsigned slot = tlb_slot(entry->linear);
    uintptr_t addend = (uintptr_t)frame - (uintptr_t)entry->linear;
    if (!only_grows(map, entry, addend, read, write))
        unmap(tlb, entry);
    map->read_key[slot] = read ? tlb_key(entry->linear) : tlb_key_invalid(slot);
    map->write_key[slot] = write ? tlb_key(entry->linear) : tlb_key_invalid(slot);
    map->addend[slot] = addend;
    entry->mapped = true;
}

/* ---- The lists ---- */

static uint32_t number_of(const struct tlb *tlb, const struct tlb_entry *entry)
{
    return (uint32_t)(entry - tlb->entry);
}

static uint32_t *physical_head(const struct tlb *tlb, gpa_t page)
{
    uint64_t number = page.v >> PAGE_SHIFT;
    return &tlb->physical[(number ^ number >> TLB_BUCKET_BITS) & ((1 << TLB_BUCKET_BITS) - 1)];
}

static void bucket_insert(struct tlb *tlb, struct tlb_entry *entry)
{
    uint32_t *head = &tlb->bucket[tlb_bucket(entry->user, entry->linear)];
    entry->bucket_next = *head;
    *head = number_of(tlb, entry);
}

static void bucket_remove(struct tlb *tlb, const struct tlb_entry *entry)
{
    uint32_t *at = &tlb->bucket[tlb_bucket(entry->user, entry->linear)];
    while (&tlb->entry[*at] != entry)
        at = &tlb->entry[*at].bucket_next;
    *at = entry->bucket_next;
}

static void physical_insert(struct tlb *tlb, struct tlb_entry *entry)
{
    uint32_t *head = physical_head(tlb, entry->page);
    entry->physical = (struct tlb_link){.next = *head};
    if (*head != 0)
        tlb->entry[*head].physical.prev = number_of(tlb, entry);
    *head = number_of(tlb, entry);
}

static void physical_remove(struct tlb *tlb, const struct tlb_entry *entry)
{
    const struct tlb_link *link = &entry->physical;
    if (link->next != 0)
        tlb->entry[link->next].physical.prev = link->prev;
    if (link->prev != 0)
        tlb->entry[link->prev].physical.next = link->next;
    else
        *physical_head(tlb, entry->page) = link->next;
}

static void ring_clear(struct tlb *tlb, uint32_t ring)
{
    tlb->entry[ring].kind = (struct tlb_link){ring, ring};
}

static void ring_insert(struct tlb *tlb, struct tlb_entry *entry)
{
    uint32_t head = entry->global ? RING_GLOBAL : RING_OTHERS, number = number_of(tlb, entry);
    uint32_t first = tlb->entry[head].kind.next;
    entry->kind = (struct tlb_link){.next = first, .prev = head};
    tlb->entry[first].kind.prev = number;
    tlb->entry[head].kind.next = number;
}

static void ring_remove(struct tlb *tlb, const struct tlb_entry *entry)
{
    tlb->entry[entry->kind.next].kind.prev = entry->kind.prev;
    tlb->entry[entry->kind.prev].kind.next = entry->kind.next;
}

static void no_large_pages(struct tlb *tlb, bool global)
{
    tlb->large[global] = (struct tlb_range){.first = UINT64_MAX, .last = 0};
}

/* ---- Entering ---- */

static void map_clear(struct tlb_map *map)
{
    for (unsigned slot = 0; slot < TLB_SLOTS; slot++) {
        map->read_key[slot] = map->write_key[slot] = tlb_key_invalid(slot);
        map->addend[slot] = 0;
    }
}

struct tlb_map *tlb_map_create_empty(void)
{
    struct tlb_map *map = host_tables_create(sizeof *map);
    map_clear(map);
    return map;
}

void tlb_map_destroy(struct tlb_map *map)
{
    host_tables_destroy(map, sizeof *map);
}

void tlb_init(struct tlb *tlb)
{
    map_clear(&tlb->map[false]);
    map_clear(&tlb->map[true]);
    for (unsigned i = 0; i < TLB_CODE_SLOTS; i++)
        tlb->code[i] = (struct tlb_code){.key = UINT64_MAX};
    tlb->code_epoch[false] = tlb->code_epoch[true] = 0;
    /* Memory that is not touched yet costs nothing. */
    tlb->entry = host_tables_create(ENTRY_BYTES);
    tlb->bucket = host_tables_create(2 * BUCKET_BYTES);
    tlb->physical = tlb->bucket + BUCKETS;
    tlb->used = FIRST_ENTRY;
    tlb_flush(tlb);
}

void tlb_destroy(struct tlb *tlb)
{
    host_tables_destroy(tlb->entry, ENTRY_BYTES);
    host_tables_destroy(tlb->bucket, 2 * BUCKET_BYTES);
}

static struct tlb_entry *entry_get(struct tlb *tlb)
{
    if (tlb->count == TLB_MAX_ENTRIES)
        tlb_flush(tlb);
    tlb->count++;
    uint32_t number = tlb->free;
    if (number == 0)
        return &tlb->entry[tlb->used++];
    tlb->free = tlb->entry[number].bucket_next;
    return &tlb->entry[number];
}

static void note_large(struct tlb *tlb, uint64_t linear, uint64_t size, bool global)
{
    struct tlb_range *large = &tlb->large[global];
    uint64_t first = linear & ~(size - 1), last = first | (size - 1);
    large->first = first < large->first ? first : large->first;
    large->last = last > large->last ? last : large->last;
    tlb->huge |= size >> REGION_SHIFT > 1;
}

/* A walk found something else than the entry says; fetching through it must not go on. */
static void replace(struct tlb *tlb, struct tlb_entry *entry, const struct tlb_walked *walked)
{
    bool fetches = (walked->allowed >> ACCESS_EXEC & 1) != 0 && walked->page.v == entry->page.v;
    if (entry->entered && !fetches) {
        entry->entered = false;
        tlb->code_epoch[entry->user]++;
    }
    unmap(tlb, entry);
    physical_remove(tlb, entry);
    ring_remove(tlb, entry);
}

struct tlb_entry *tlb_enter(struct tlb *tlb, bool user, uint64_t linear, const struct tlb_walked *walked)
{
    struct tlb_entry *entry = tlb_find(tlb, user, linear);
    if (entry != NULL) {
        replace(tlb, entry, walked);
    } else {
        entry = entry_get(tlb);
        *entry = (struct tlb_entry){.linear = linear & ~PAGE_MASK, .user = user};
        bucket_insert(tlb, entry);
    }
    entry->page = walked->page;
    entry->allowed = walked->allowed;
    entry->global = walked->global;
    entry->page_shift = (uint8_t)__builtin_ctzll(walked->page_size);
    physical_insert(tlb, entry);
    ring_insert(tlb, entry);
    if (walked->page_size > PAGE_SIZE)
        note_large(tlb, linear, walked->page_size, walked->global);
    return entry;
}

const struct tlb_entry *tlb_next(const struct tlb *tlb, const struct tlb_entry *entry)
{
    const struct tlb_entry *end = &tlb->entry[tlb->used];
    for (entry = entry != NULL ? entry + 1 : &tlb->entry[FIRST_ENTRY]; entry < end; entry++)
        if (entry->linear != TLB_FREE)
            return entry;
    return NULL;
}

void tlb_enter_code(struct tlb *tlb, struct tlb_entry *entry)
{
    entry->entered = true;
    *tlb_code_slot(tlb, entry->linear) = (struct tlb_code){.key = tlb_code_key(entry->user, entry->linear),
                                                           .epoch = tlb->code_epoch[entry->user],
                                                           .page = entry->page};
}

/* ---- Flushes ---- */

static void drop(struct tlb *tlb, struct tlb_entry *entry)
{
    unmap(tlb, entry);
    bucket_remove(tlb, entry);
    physical_remove(tlb, entry);
    ring_remove(tlb, entry);
    tlb->code_epoch[entry->user] += entry->entered;
    entry->linear = TLB_FREE;
    entry->bucket_next = tlb->free;
    tlb->free = number_of(tlb, entry);
    tlb->count--;
}

void tlb_flush(struct tlb *tlb)
{
    bool entered[2] = {false, false};
    for (uint32_t number = FIRST_ENTRY; number < tlb->used; number++) {
        struct tlb_entry *entry = &tlb->entry[number];
        if (entry->linear == TLB_FREE)
            continue;
        unmap(tlb, entry);
        tlb->bucket[tlb_bucket(entry->user, entry->linear)] = 0;
        *physical_head(tlb, entry->page) = 0;
        entered[entry->user] |= entry->entered;
    }
    tlb->code_epoch[false] += entered[false];
    tlb->code_epoch[true] += entered[true];
    tlb->used = FIRST_ENTRY;
    tlb->count = tlb->free = 0;
    ring_clear(tlb, RING_OTHERS);
    ring_clear(tlb, RING_GLOBAL);
    no_large_pages(tlb, false);
    no_large_pages(tlb, true);
    tlb->huge = false;
}

void tlb_flush_nonglobal(struct tlb *tlb)
{
    if (tlb->entry[RING_GLOBAL].kind.next == RING_GLOBAL) {
        tlb_flush(tlb);
        return;
    }
    while (tlb->entry[RING_OTHERS].kind.next != RING_OTHERS)
        drop(tlb, &tlb->entry[tlb->entry[RING_OTHERS].kind.next]);
    no_large_pages(tlb, false);
}

void tlb_flush_where(struct tlb *tlb, tlb_goes_fn *goes, void *ctx)
{
    for (uint32_t number = FIRST_ENTRY; number < tlb->used; number++) {
        struct tlb_entry *entry = &tlb->entry[number];
        if (entry->linear != TLB_FREE && goes(ctx, entry->linear))
            drop(tlb, entry);
    }
}

static bool in_large_page(const struct tlb *tlb, uint64_t linear)
{
    for (unsigned global = 0; global < 2; global++)
        if (linear >= tlb->large[global].first && linear <= tlb->large[global].last)
            return true;
    return false;
}

/* Drop the entry if it is a piece of the page that `linear` is in. */
static void drop_piece(struct tlb *tlb, struct tlb_entry *entry, uint64_t linear)
{
    if (entry != NULL && (entry->linear ^ linear) >> entry->page_shift == 0)
        drop(tlb, entry);
}

/* INVLPG drops the whole large page, of which we hold some 4 KB pieces. */
static void flush_pieces(struct tlb *tlb, uint64_t linear)
{
    const uint64_t region = UINT64_C(1) << REGION_SHIFT;
    if (tlb->huge) {
        for (uint32_t number = FIRST_ENTRY; number < tlb->used; number++)
            if (tlb->entry[number].linear != TLB_FREE)
                drop_piece(tlb, &tlb->entry[number], linear);
        return;
    }
    for (uint64_t offset = 0; offset < region; offset += PAGE_SIZE)
        for (unsigned user = 0; user < 2; user++)
            drop_piece(tlb, tlb_find(tlb, user, (linear & ~(region - 1)) + offset), linear);
}

void tlb_flush_page(struct tlb *tlb, uint64_t linear)
{
    if (in_large_page(tlb, linear)) {
        flush_pieces(tlb, linear);
        return;
    }
    for (unsigned user = 0; user < 2; user++) {
        struct tlb_entry *entry = tlb_find(tlb, user, linear);
        if (entry != NULL)
            drop(tlb, entry);
    }
}

void tlb_flush_physical(struct tlb *tlb, gpa_t page)
{
    for (uint32_t number = *physical_head(tlb, page); number != 0;) {
        struct tlb_entry *entry = &tlb->entry[number];
        number = entry->physical.next;
        if (entry->page.v == page.v)
            drop(tlb, entry);
    }
}

void tlb_recheck_physical(struct tlb *tlb, gpa_t page, bool remapped)
{
    for (uint32_t number = *physical_head(tlb, page); number != 0;) {
        struct tlb_entry *entry = &tlb->entry[number];
        number = entry->physical.next;
        if (entry->page.v != page.v)
            continue;
        unmap(tlb, entry);
        tlb->code_epoch[entry->user] += remapped && entry->entered;
    }
}

void tlb_recheck_page(struct tlb *tlb, uint64_t linear)
{
    for (unsigned user = 0; user < 2; user++) {
        struct tlb_entry *entry = tlb_find(tlb, user, linear);
        if (entry != NULL)
            unmap(tlb, entry);
    }
}

void tlb_recheck_all(struct tlb *tlb)
{
    for (uint32_t number = FIRST_ENTRY; number < tlb->used; number++)
        if (tlb->entry[number].linear != TLB_FREE)
            unmap(tlb, &tlb->entry[number]);
    tlb->code_epoch[false]++;
    tlb->code_epoch[true]++;
}

/* ---- The checker ---- */

static const char *check_map(const struct tlb *tlb, bool user)
{
    const struct tlb_map *map = &tlb->map[user];
    for (unsigned slot = 0; slot < TLB_SLOTS; slot++)
        for (unsigned access = ACCESS_READ; access <= ACCESS_WRITE; access++) {
            uint64_t key = access == ACCESS_READ ? map->read_key[slot] : map->write_key[slot];
            if (key == tlb_key_invalid(slot))
                continue;
            const struct tlb_entry *entry = tlb_find(tlb, user, 0 - key);
            if (tlb_slot(0 - key) != slot || entry == NULL || !entry->mapped)
                return "the map holds a page that the TLB does not";
            if ((entry->allowed >> access & 1) == 0)
                return "the map permits what the TLB does not";
        }
    return NULL;
}

static const char *check_entry(const struct tlb *tlb, const struct tlb_entry *entry)
{
    unsigned found = 0;
    if (tlb_find(tlb, entry->user, entry->linear) != entry)
        return "an entry is not found, or not the only one for its page";
    for (uint32_t number = *physical_head(tlb, entry->page); number != 0;
         number = tlb->entry[number].physical.next)
        found += &tlb->entry[number] == entry;
    if (found != 1)
        return "an entry is not in the chain of its physical page";
    if (entry->page_shift > PAGE_SHIFT && !in_large_page(tlb, entry->linear))
        return "a piece of a large page is not noted";
    return NULL;
}

static uint32_t ring_length(const struct tlb *tlb, uint32_t ring)
{
    uint32_t length = 0;
    for (uint32_t number = tlb->entry[ring].kind.next; number != ring; number = tlb->entry[number].kind.next)
        length += tlb->entry[number].global == (ring == RING_GLOBAL);
    return length;
}

const char *tlb_check(const struct tlb *tlb)
{
    uint32_t count = 0;
    const char *wrong = check_map(tlb, false);
    if (wrong == NULL)
        wrong = check_map(tlb, true);
    for (const struct tlb_entry *entry = NULL; wrong == NULL && (entry = tlb_next(tlb, entry)) != NULL;
         count++)
        wrong = check_entry(tlb, entry);
    if (wrong == NULL &&
        (count != tlb->count || ring_length(tlb, RING_OTHERS) + ring_length(tlb, RING_GLOBAL) != count))
        wrong = "entries are lost";
    return wrong;
}
