/* The soft TLB: the translations the machine remembers, and a fast map of them to host addresses.
 *
 *   struct tlb_map   hit path: one compare, one load; what it lacks is only slower, so it may lack anything
 *        ^ filled from
 *   struct tlb_entry the TLB proper: one entry per linear page, set (accesses as user, as supervisor) and
 *        |           address space (SDM vol. 3, 4.10.1: process-context identifiers, PCIDs)
 *        ^ filled from
 *   page walk, or the monitor's translation
 *
 * An access uses the entries of the present space and those of global pages, which belong to none. A CPU
 * without PCIDs, or with CR4.PCIDE clear, has the space 0 only.
 *
 * The guest can tell whether a page is walked, since a walk sets A and D bits. So the TLB proper is part of
 * the machine's definition: an access walks if and only if no entry allows it. Entries never make room for
 * each other, they leave by the flushes below, and when there are TLB_MAX_ENTRIES of them everything goes at
 * once. Only a global entry is alone for its page and set: it replaces those of all spaces, and the next that
 * is not global replaces it. What the TLB holds is therefore a function of the guest's accesses since the
 * last flush, whichever engine made them and however it caches.
 *
 * Generated code addresses struct tlb_map inside struct cpu by constant displacement and makes the same test
 * as tlb_hit(). */
#ifndef CROSSPAGE_MMU_TLB_H
#define CROSSPAGE_MMU_TLB_H

#include "mmu/walk.h"

enum {
    TLB_SLOT_BITS = 16,
    TLB_SLOTS = 1 << TLB_SLOT_BITS,
    TLB_BUCKET_BITS = 18,
    TLB_MAX_ENTRIES = 1 << 18,
    TLB_CODE_SLOTS = 256,
    TLB_SPACES = 1 << 12,
    TLB_GLOBAL = TLB_SPACES, /* in place of a space */
    TLB_CONTEXTS = 16,
    TLB_NOTES = 256,
};

/* ---- The map ---- */

/* By linear page number modulo TLB_SLOTS. A valid key is minus the linear address of the page, so that
 * linear + key is the offset in the page, and no small number for any other page of the slot. One addend
 * serves both keys: they are of the same page, or invalid. */
struct tlb_map {
    uint64_t read_key[TLB_SLOTS], write_key[TLB_SLOTS];
    uintptr_t addend[TLB_SLOTS]; /* host address = linear address + addend */
};

static inline unsigned tlb_slot(uint64_t linear)
{
    return (unsigned)(linear >> PAGE_SHIFT) & (TLB_SLOTS - 1);
}

static inline uint64_t tlb_key(uint64_t linear)
{
    return 0 - (linear & ~PAGE_MASK);
}

/* That of a page half the slots away: further than an access which runs over the end of a page of this slot
 * can reach. */
static inline uint64_t tlb_key_invalid(unsigned slot)
{
    return 0 - ((uint64_t)(slot ^ TLB_SLOTS / 2) << PAGE_SHIFT);
}

/* Host address of [linear, linear+size) if it is plain RAM in one page that may be accessed so without any
 * side effect, else NULL. */
static ALWAYS_INLINE uint8_t *tlb_hit(const struct tlb_map *map, uint64_t linear, unsigned size,
                                      enum access access)
{
    unsigned slot = tlb_slot(linear);
    uint64_t key = access == ACCESS_READ ? map->read_key[slot] : map->write_key[slot];
    if (UNLIKELY((linear + key + size - 1) >> PAGE_SHIFT != 0))
        return NULL;
    uint8_t *host = (uint8_t *)(uintptr_t)(linear + map->addend[slot]);
    if (host == NULL)
        __builtin_unreachable(); /* saves callers their second test */
    return host;
}

/* ---- The TLB proper ---- */

/* Neighbours in a ring of entries, by number. */
struct tlb_link {
    uint32_t next, prev;
};

struct tlb_entry {
    uint64_t linear;          /* page boundary; TLB_FREE: unused */
    gpa_t page;               /* guest-physical page, A20 applied */
    uint32_t bucket_next;     /* entries whose linear page and set hash alike */
    struct tlb_link physical; /* entries whose guest-physical page hashes alike; not a ring: 0 ends it */
    struct tlb_link fellow;   /* entries of the same space; 0 ends it */
    uint16_t space;           /* or TLB_GLOBAL */
    uint16_t note;            /* which of its context's notes is about it, if one is */
    uint8_t allowed;          /* 1 << enum access: permitted, with no A or D bit left to set */
    uint8_t page_shift;       /* of the guest's mapping, of which this is a 4 KB piece */
    bool user;
    bool entered; /* code was fetched through it */
    bool mapped;  /* it may be in the map, or comes back into it with its space */
};
#define TLB_FREE UINT64_MAX

static inline bool tlb_is_global(const struct tlb_entry *entry)
{
    return entry->space == TLB_GLOBAL;
}

/* The page that code at a linear page is fetched from; good as long as nothing that was entered changes. */
struct tlb_code {
    uint64_t key; /* linear page | set */
    uint64_t epoch;
    gpa_t page;
};

struct tlb_range {
    uint64_t first, last;
};

/* What there is of a space, or of global pages. */
struct tlb_space {
    uint32_t first, count;  /* entries */
    uint32_t entered[2];    /* those that code was fetched through, [user] */
    struct tlb_range large; /* pieces of large pages lie in it */
    uint32_t context;       /* which may be its context */
};

/* What a space that was used lately gets back when it is selected again (mmu/tlb_space.c). */
struct tlb_context {
    uint16_t space;
    bool overflow; /* not all of its entries that are in the map are noted */
    uint32_t notes;
    uint64_t last_use;
    uint64_t code_epoch[2]; /* with code in pages that are not global; 0: there is none. [user] */
    struct tlb_note {
        uint32_t entry;
        bool read, write; /* while another space is selected: what comes back into the map */
        uintptr_t addend;
    } note[TLB_NOTES];
};

struct tlb {
    struct tlb_map map[2]; /* [user] */
    /* Whenever an entry that code was fetched through is dropped or gets another page, or the frame behind
     * its page changes, or the space: another number, so that the next fetch looks again. A space that is
     * selected again has its number back, if nothing of this happened. [user] */
    uint64_t code_epoch[2];
    uint64_t code_changes; /* of the two: goes up */
    /* Goes up whenever the map forgets something that was in it, or may have been. [user] */
    uint64_t map_epoch[2];
    struct tlb_code code[TLB_CODE_SLOTS];
    struct tlb_entry *entry;  /* [0] is none */
    uint32_t *bucket;         /* first entry by tlb_bucket(); 0 = none */
    uint32_t *physical;       /* the same by guest-physical page */
    uint32_t used, count;     /* entries from 1 to used - 1 were in use since the last flush; now in use */
    uint32_t free;            /* those that are not, by bucket_next */
    uint16_t selected;        /* space */
    unsigned present;         /* its context */
    bool huge;                /* some piece is of a page larger than 4 MB */
    uint64_t shared_epoch[2]; /* code_epoch where only global pages were fetched from */
    uint64_t epochs;          /* given out */
    uint64_t selections;      /* of a space */
    struct tlb_space space[TLB_SPACES + 1];
    struct tlb_context context[TLB_CONTEXTS];
};

void tlb_init(struct tlb *tlb);
void tlb_destroy(struct tlb *tlb);
/* A map that holds nothing and stays so: whoever looks into it has to ask the TLB proper. */
struct tlb_map *tlb_map_create_empty(void);
void tlb_map_destroy(struct tlb_map *map);

/* What a walk found. */
struct tlb_walked {
    gpa_t page;
    uint64_t page_size;
    uint8_t allowed; /* as in struct tlb_entry */
    bool global;
};

static inline uint32_t tlb_bucket(bool user, uint64_t linear)
{
    /* Pages of one 4 MB region stay together, regions are spread. */
    uint64_t page = linear >> PAGE_SHIFT, region = page >> 10 << 1 | user;
    return (uint32_t)(region * UINT64_C(0x9E3779B97F4A7C15) >> (64 - TLB_BUCKET_BITS) ^ (page & 1023));
}

/* Is it one that accesses use now? */
static inline bool tlb_is_present(const struct tlb *tlb, const struct tlb_entry *entry)
{
    return entry->space == tlb->selected || tlb_is_global(entry);
}

/* The entry for the page of `linear`, or NULL. Pointers to entries are good until the next tlb_enter() or
 * flush. */
static inline struct tlb_entry *tlb_find(const struct tlb *tlb, bool user, uint64_t linear)
{
    uint64_t page = linear & ~PAGE_MASK;
    uint32_t number = tlb->bucket[tlb_bucket(user, linear)];
    for (; number != 0; number = tlb->entry[number].bucket_next) {
        struct tlb_entry *entry = &tlb->entry[number];
        if (entry->linear == page && entry->user == user && tlb_is_present(tlb, entry))
            return entry;
    }
    return NULL;
}

/* Accesses use the entries of this space from now on: nothing is dropped. */
void tlb_select(struct tlb *tlb, unsigned space);

/* Remember a walk, in place of what the TLB may hold for the page. It is not in the map yet. */
struct tlb_entry *tlb_enter(struct tlb *tlb, bool user, uint64_t linear, const struct tlb_walked *walked);
/* Put an entry into the map, for the accesses that can go straight to `frame`. */
void tlb_map(struct tlb *tlb, struct tlb_entry *entry, uint8_t *frame, bool read, bool write);
/* All entries, in no particular order; NULL starts and ends. */
const struct tlb_entry *tlb_next(const struct tlb *tlb, const struct tlb_entry *entry);

/* ---- Code ---- */

static inline struct tlb_code *tlb_code_slot(struct tlb *tlb, uint64_t linear)
{
    return &tlb->code[linear >> PAGE_SHIFT & (TLB_CODE_SLOTS - 1)];
}

static inline uint64_t tlb_code_key(bool user, uint64_t linear)
{
    return (linear & ~PAGE_MASK) | user;
}

/* Changes with either of code_epoch, and never comes back. */
static inline uint64_t tlb_code_epoch(const struct tlb *tlb)
{
    return tlb->code_changes;
}

/* Can this number, which was in code_epoch, be there again? */
bool tlb_code_epoch_lives(const struct tlb *tlb, bool user, uint64_t epoch);

/* Code is being fetched through this entry. */
void tlb_enter_code(struct tlb *tlb, struct tlb_entry *entry);

/* ---- Flushes (SDM vol. 3, 4.10.4) ---- */

void tlb_flush(struct tlb *tlb);
/* All but entries of global pages: of all spaces, or of one: MOV to CR3. */
void tlb_flush_nonglobal(struct tlb *tlb);
void tlb_flush_space(struct tlb *tlb, unsigned space);
/* What `goes`, by linear page. */
typedef bool tlb_goes_fn(void *ctx, uint64_t linear);
void tlb_flush_where(struct tlb *tlb, tlb_goes_fn *goes, void *ctx);
/* One linear page, or all of the large page it is in; global or of the present space, in both sets: INVLPG,
 * page faults. */
void tlb_flush_page(struct tlb *tlb, uint64_t linear);
/* The same for another space, and not if it is global: INVPCID. */
void tlb_flush_page_of(struct tlb *tlb, uint64_t linear, unsigned space);
/* Every entry that maps this guest-physical page. */
void tlb_flush_physical(struct tlb *tlb, gpa_t page);

/* The watches of a guest-physical page became stricter, or it got another frame (`remapped`): the map forgets
 * it. The walks stay good. */
void tlb_recheck_physical(struct tlb *tlb, gpa_t page, bool remapped);
/* A linear page needs the slow path where it did not before (breakpoints): the map forgets it. */
void tlb_recheck_page(struct tlb *tlb, uint64_t linear);
/* The map and the fetches forget everything, to show that it cannot be noticed. */
void tlb_recheck_all(struct tlb *tlb);

/* For tests: NULL, or what is wrong with the structure. */
const char *tlb_check(const struct tlb *tlb);

#endif
