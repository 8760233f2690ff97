/* The soft TLB: entering and flushing (tlb.h has the layout and the contract; what to enter is cpu/mem.c's
 * business, which knows privilege; what happens when another space is selected is in tlb_space.c).
 *
 * An entry is found by linear page and set, by guest-physical page, and in the chain of its space, so that
 * every flush costs in proportion to what it drops.
 *
 *   free --tlb_enter--> in use, not mapped <--tlb_map / recheck--> in use, mapped
 *     ^-----------------flush-----------------------------------------------'
 *
 * Invariants, checked by tlb_check(): (1) a valid key in the map is that of an entry with `mapped`, and the
 * entry allows the access; (2) every entry in use is in the bucket of its page and set, in the chain of its
 * physical page and in that of its space, once each; (3) `large` covers every piece of a large page; (4) the
 * map holds only what tlb_find() finds; (5) a global entry is the only one for its page and set. */
#include "mmu/tlb_priv.h"

#include "base/check.h"
#include "base/host_memory.h"

#include <string.h>

enum { FIRST_ENTRY = 1 };
enum { BUCKETS = 1 << TLB_BUCKET_BITS };
#define ENTRY_BYTES  ((TLB_MAX_ENTRIES + FIRST_ENTRY) * sizeof(struct tlb_entry))
#define BUCKET_BYTES (BUCKETS * sizeof(uint32_t))
enum { REGION_SHIFT = 22 }; /* the largest pages but 1 GB ones: 4 MB */

/* ---- The map ---- */

static void unmap(struct tlb *tlb, struct tlb_entry *entry)
{
    if (!entry->mapped)
        return;
    entry->mapped = false;
    if (!tlb_is_present(tlb, entry))
        return;
    struct tlb_map *map = &tlb->map[entry->user];
    unsigned slot = tlb_slot(entry->linear);
    uint64_t key = tlb_key(entry->linear);
    if (map->read_key[slot] == key)
        map->read_key[slot] = tlb_key_invalid(slot);
    if (map->write_key[slot] == key)
        map->write_key[slot] = tlb_key_invalid(slot);
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
    if (!tlb_is_global(entry))
        tlb_note(tlb, entry);
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

static void space_clear(struct tlb *tlb, unsigned space)
{
    struct tlb_space *owner = &tlb->space[space];
    owner->first = owner->count = owner->entered[false] = owner->entered[true] = 0;
    owner->large = (struct tlb_range){.first = UINT64_MAX, .last = 0};
}

static void space_insert(struct tlb *tlb, struct tlb_entry *entry)
{
    struct tlb_space *owner = &tlb->space[entry->space];
    entry->fellow = (struct tlb_link){.next = owner->first};
    if (owner->first != 0)
        tlb->entry[owner->first].fellow.prev = number_of(tlb, entry);
    owner->first = number_of(tlb, entry);
    owner->count++;
}

static void space_remove(struct tlb *tlb, const struct tlb_entry *entry)
{
    const struct tlb_link *link = &entry->fellow;
    if (link->next != 0)
        tlb->entry[link->next].fellow.prev = link->prev;
    if (link->prev != 0)
        tlb->entry[link->prev].fellow.next = link->next;
    else
        tlb->space[entry->space].first = link->next;
    tlb->space[entry->space].entered[entry->user] -= entry->entered;
    if (--tlb->space[entry->space].count == 0)
        space_clear(tlb, entry->space);
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
    for (unsigned space = 0; space <= TLB_GLOBAL; space++) {
        tlb->space[space].context = 0;
        space_clear(tlb, space);
    }
    tlb_spaces_init(tlb);
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

static void note_large(struct tlb *tlb, uint64_t linear, uint64_t size, unsigned space)
{
    struct tlb_range *large = &tlb->space[space].large;
    uint64_t first = linear & ~(size - 1), last = first | (size - 1);
    large->first = first < large->first ? first : large->first;
    large->last = last > large->last ? last : large->last;
    tlb->huge |= size >> REGION_SHIFT > 1;
}

static void drop(struct tlb *tlb, struct tlb_entry *entry)
{
    unmap(tlb, entry);
    bucket_remove(tlb, entry);
    physical_remove(tlb, entry);
    space_remove(tlb, entry);
    if (entry->entered)
        tlb_code_renew(tlb, entry->user, entry->space);
    entry->linear = TLB_FREE;
    entry->bucket_next = tlb->free;
    tlb->free = number_of(tlb, entry);
    tlb->count--;
}

/* The entry of this space for the page; those that cannot be beside one are dropped. */
static struct tlb_entry *find_alone(struct tlb *tlb, bool user, uint64_t linear, unsigned space)
{
    struct tlb_entry *found = NULL;
    for (uint32_t number = tlb->bucket[tlb_bucket(user, linear)]; number != 0;) {
        struct tlb_entry *entry = &tlb->entry[number];
        number = entry->bucket_next;
        if (entry->linear != (linear & ~PAGE_MASK) || entry->user != user)
            continue;
        if (entry->space == space)
            found = entry;
        else if (space == TLB_GLOBAL || tlb_is_global(entry))
            drop(tlb, entry);
    }
    return found;
}

/* A walk found something else than the entry says; fetching through it must not go on. */
static void replace(struct tlb *tlb, struct tlb_entry *entry, const struct tlb_walked *walked)
{
    bool fetches = (walked->allowed >> ACCESS_EXEC & 1) != 0 && walked->page.v == entry->page.v;
    if (entry->entered && !fetches) {
        entry->entered = false;
        tlb->space[entry->space].entered[entry->user]--;
        tlb_code_renew(tlb, entry->user, entry->space);
    }
    unmap(tlb, entry);
    physical_remove(tlb, entry);
}

struct tlb_entry *tlb_enter(struct tlb *tlb, bool user, uint64_t linear, const struct tlb_walked *walked)
{
    unsigned space = walked->global ? TLB_GLOBAL : tlb->selected;
    struct tlb_entry *entry = find_alone(tlb, user, linear, space);
    if (entry != NULL) {
        replace(tlb, entry, walked);
    } else {
        entry = entry_get(tlb);
        *entry = (struct tlb_entry){.linear = linear & ~PAGE_MASK, .space = (uint16_t)space, .user = user};
        bucket_insert(tlb, entry);
        space_insert(tlb, entry);
    }
    entry->page = walked->page;
    entry->allowed = walked->allowed;
    entry->page_shift = (uint8_t)__builtin_ctzll(walked->page_size);
    physical_insert(tlb, entry);
    if (walked->page_size > PAGE_SIZE)
        note_large(tlb, linear, walked->page_size, space);
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
    tlb->space[entry->space].entered[entry->user] += !entry->entered;
    entry->entered = true;
    if (!tlb_is_global(entry))
        tlb_code_own(tlb, entry->user);
    *tlb_code_slot(tlb, entry->linear) = (struct tlb_code){.key = tlb_code_key(entry->user, entry->linear),
                                                           .epoch = tlb->code_epoch[entry->user],
                                                           .page = entry->page};
}

/* ---- Flushes ---- */

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
        space_clear(tlb, entry->space);
        entered[entry->user] |= entry->entered;
    }
    for (unsigned user = 0; user < 2; user++)
        if (entered[user])
            tlb_code_renew(tlb, user, TLB_GLOBAL);
    tlb_notes_drop(tlb);
    tlb->used = FIRST_ENTRY;
    tlb->count = tlb->free = 0;
    tlb->huge = false;
}

void tlb_flush_space(struct tlb *tlb, unsigned space)
{
    const struct tlb_space *owner = &tlb->space[space];
    if (owner->count == tlb->count) {
        tlb_flush(tlb);
        return;
    }
    while (owner->count != 0)
        drop(tlb, &tlb->entry[owner->first]);
}

void tlb_flush_nonglobal(struct tlb *tlb)
{
    if (tlb->space[TLB_GLOBAL].count == 0) {
        tlb_flush(tlb);
        return;
    }
    for (uint32_t number = FIRST_ENTRY; number < tlb->used; number++) {
        struct tlb_entry *entry = &tlb->entry[number];
        if (entry->linear != TLB_FREE && !tlb_is_global(entry))
            drop(tlb, entry);
    }
}

void tlb_flush_where(struct tlb *tlb, tlb_goes_fn *goes, void *ctx)
{
    for (uint32_t number = FIRST_ENTRY; number < tlb->used; number++) {
        struct tlb_entry *entry = &tlb->entry[number];
        if (entry->linear != TLB_FREE && goes(ctx, entry->linear))
            drop(tlb, entry);
    }
}

static bool in_large_page(const struct tlb *tlb, uint64_t linear, unsigned space)
{
    const struct tlb_range *large = &tlb->space[space].large;
    return linear >= large->first && linear <= large->last;
}

static struct tlb_entry *find_of(const struct tlb *tlb, bool user, uint64_t linear, unsigned space)
{
    uint32_t number = tlb->bucket[tlb_bucket(user, linear)];
    for (; number != 0; number = tlb->entry[number].bucket_next) {
        struct tlb_entry *entry = &tlb->entry[number];
        if (entry->linear == (linear & ~PAGE_MASK) && entry->user == user && entry->space == space)
            return entry;
    }
    return NULL;
}

/* Drop the entry if it is a piece of the page of this space that `linear` is in. */
static void drop_piece(struct tlb *tlb, struct tlb_entry *entry, uint64_t linear, unsigned space)
{
    if (entry != NULL && entry->space == space && (entry->linear ^ linear) >> entry->page_shift == 0)
        drop(tlb, entry);
}

/* INVLPG drops the whole large page, of which we hold some 4 KB pieces. */
static void flush_pieces(struct tlb *tlb, uint64_t linear, unsigned space)
{
    const uint64_t region = UINT64_C(1) << REGION_SHIFT;
    if (tlb->huge) {
        for (uint32_t number = FIRST_ENTRY; number < tlb->used; number++)
            if (tlb->entry[number].linear != TLB_FREE)
                drop_piece(tlb, &tlb->entry[number], linear, space);
        return;
    }
    for (uint64_t offset = 0; offset < region; offset += PAGE_SIZE)
        for (unsigned user = 0; user < 2; user++)
            drop_piece(tlb, find_of(tlb, user, (linear & ~(region - 1)) + offset, space), linear, space);
}

void tlb_flush_page_of(struct tlb *tlb, uint64_t linear, unsigned space)
{
    if (in_large_page(tlb, linear, space)) {
        flush_pieces(tlb, linear, space);
        return;
    }
    for (unsigned user = 0; user < 2; user++) {
        struct tlb_entry *entry = find_of(tlb, user, linear, space);
        if (entry != NULL)
            drop(tlb, entry);
    }
}

void tlb_flush_page(struct tlb *tlb, uint64_t linear)
{
    tlb_flush_page_of(tlb, linear, TLB_GLOBAL);
    tlb_flush_page_of(tlb, linear, tlb->selected);
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
        if (remapped && entry->entered)
            tlb_code_renew(tlb, entry->user, entry->space);
    }
}

void tlb_recheck_page(struct tlb *tlb, uint64_t linear)
{
    for (unsigned user = 0; user < 2; user++) {
        uint32_t number = tlb->bucket[tlb_bucket(user, linear)];
        for (; number != 0; number = tlb->entry[number].bucket_next)
            if (tlb->entry[number].linear == (linear & ~PAGE_MASK))
                unmap(tlb, &tlb->entry[number]);
    }
}

void tlb_recheck_all(struct tlb *tlb)
{
    for (uint32_t number = FIRST_ENTRY; number < tlb->used; number++)
        if (tlb->entry[number].linear != TLB_FREE)
            unmap(tlb, &tlb->entry[number]);
    tlb_code_renew(tlb, false, TLB_GLOBAL);
    tlb_code_renew(tlb, true, TLB_GLOBAL);
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
    unsigned found = 0, alike = 0, others = 0;
    for (uint32_t number = tlb->bucket[tlb_bucket(entry->user, entry->linear)]; number != 0;
         number = tlb->entry[number].bucket_next) {
        const struct tlb_entry *other = &tlb->entry[number];
        bool same = other->linear == entry->linear && other->user == entry->user;
        alike += same && other->space == entry->space;
        others += same && other->space != entry->space;
    }
    if (alike != 1 || find_of(tlb, entry->user, entry->linear, entry->space) != entry)
        return "an entry is not found, or not the only one for its page";
    if (others != 0 && tlb_is_global(entry))
        return "a global entry is not alone";
    for (uint32_t number = *physical_head(tlb, entry->page); number != 0;
         number = tlb->entry[number].physical.next)
        found += &tlb->entry[number] == entry;
    if (found != 1)
        return "an entry is not in the chain of its physical page";
    if (entry->page_shift > PAGE_SHIFT && !in_large_page(tlb, entry->linear, entry->space))
        return "a piece of a large page is not noted";
    return NULL;
}

static const char *check_space(const struct tlb *tlb, unsigned space)
{
    uint32_t length = 0, entered[2] = {0, 0};
    for (uint32_t number = tlb->space[space].first; number != 0; number = tlb->entry[number].fellow.next) {
        const struct tlb_entry *entry = &tlb->entry[number];
        length += entry->space == space && entry->linear != TLB_FREE;
        entered[entry->user] += entry->entered;
    }
    bool same = memcmp(entered, tlb->space[space].entered, sizeof entered) == 0;
    return same && length == tlb->space[space].count ? NULL : "a space has lost entries";
}

const char *tlb_check(const struct tlb *tlb)
{
    uint32_t count = 0, in_spaces = 0;
    const char *wrong = check_map(tlb, false);
    if (wrong == NULL)
        wrong = check_map(tlb, true);
    for (const struct tlb_entry *entry = NULL; wrong == NULL && (entry = tlb_next(tlb, entry)) != NULL;
         count++)
        wrong = check_entry(tlb, entry);
    for (unsigned space = 0; wrong == NULL && space <= TLB_GLOBAL; space++) {
        wrong = check_space(tlb, space);
        in_spaces += tlb->space[space].count;
    }
    if (wrong == NULL && (count != tlb->count || in_spaces != count))
        wrong = "entries are lost";
    return wrong;
}
