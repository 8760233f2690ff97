/* The jump cache: from where the guest jumps to, to host code, in translated code itself.
 *
 * What the meaning of a target depends on: CPU mode, base of CS, and which guest-physical page the target's
 * page is. Each combination gets a number that it keeps as long as numbers last, and a matching key names the
 * number. Which numbers count at present is said by places: one for each 256th page of targets, of each set
 * of places; a CPU mode has one set. When a code page's mapping is dropped (tlb.code_epoch of the mode's
 * privilege) its places say nothing; a page that code is fetched from again, and is the one that it was, gets
 * its number back, and all that was known of it counts again. So a CR3 load costs a lookup for each page of
 * code, not for each target. An address space that is selected again without a flush (CR4.PCIDE) has its
 * epoch back (mmu/tlb.h), and with it what the places said: they are put away meanwhile, unless they are
 * many.
 *
 * Direct jumps, whose target is known to be canonical: the slot is chosen by the target, and its key matches
 * when target + salt + key is zero. The salt is the number, above the bits that canonical addresses differ
 * in, so two numbers never share a sum. Indirect jumps may go anywhere, so a key is the target alone, and the
 * number takes part in the choice of the slot: the same target has another slot under each number.
 *
 * Slots are chosen by low bits of the target, with those above added: functions start at multiples of 16.
 *
 * An instruction that lies in two pages depends on a second page, of which its number does not speak. What is
 * found for it is its guard, which looks into a slot of its own, with a salt that changes whenever the places
 * are emptied.
 *
 * Invariants: (1) a key that matches under a number that counts belongs to a unit that block_at_rip() would
 * find for the target, with no page walk, or leads to a guard; (2) a unit is in the indirect table under
 * unit->number only, and in the direct one where jump_cache_remove() looks. */
#include "binxlate/priv.h"

/* No number counts; the first is 1. Some are never given out. */
enum { NUMBER_NONE = 0, NUMBERS_MAX = UINT16_MAX - 4 };

static uint64_t salt_of(uint64_t number)
{
    return number << JUMP_KEY_SHIFT;
}

static uint64_t indirect_slot(uint64_t name, uint64_t number)
{
    return (jump_slot(name) + number) % JUMP_SLOTS;
}

/* Keys of empty slots match under a number that is never given out, if at all. */
#define NO_KEY (0 - salt_of(UINT16_MAX))

static uint64_t no_key(uint64_t slot)
{
    uint64_t start = slot - UINT16_MAX; /* jump_slot() of the target */
    uint64_t page = (start - ((start & 15) << PAGE_SHIFT)) % JUMP_SLOTS;
    return 0 - (page << PAGE_SHIFT);
}

/* ---- Places ---- */

static void forget_places(struct translator *t, unsigned set)
{
    struct jump_set *owner = &t->set[set];
    struct jump_places *places = &t->frame->places[set];
    if (owner->count < JUMP_PLACES_NOTED)
        for (unsigned i = 0; i < owner->count; i++)
            places->salt[owner->used[i]] = salt_of(NUMBER_NONE);
    else
        memset(places->salt, 0, sizeof places->salt);
    owner->count = 0;
    places->crossing_salt = salt_of(NUMBER_NONE);
    recent_forget(t, set);
}

static void place_fill(struct translator *t, unsigned set, unsigned place, unsigned number)
{
    struct jump_set *owner = &t->set[set];
    uint64_t *salt = &t->frame->places[set].salt[place];
    if (*salt == salt_of(NUMBER_NONE) && owner->count < JUMP_PLACES_NOTED)
        owner->used[owner->count++] = (uint16_t)place;
    *salt = salt_of(number);
}

/* Put them away, if their epoch can come back. */
static void put_away(struct translator *t, unsigned set)
{
    const struct jump_set *owner = &t->set[set];
    const struct jump_places *places = &t->frame->places[set];
    if (owner->count == 0 || owner->count > JUMP_PLACES_AWAY ||
        !tlb_code_epoch_lives(&t->cpu->tlb, set & JUMP_SET_USER, owner->epoch))
        return;
    struct jump_away *away = &t->away[0];
    for (unsigned n = 1; n < JUMP_AWAY; n++)
        if (t->away[n].since < away->since)
            away = &t->away[n];
    away->set = set;
    away->mode = owner->mode;
    away->epoch = owner->epoch;
    away->base = owner->base;
    away->crossing_salt = places->crossing_salt;
    away->since = ++t->aways;
    away->count = owner->count;
    for (unsigned i = 0; i < owner->count; i++) {
        away->at[i].place = owner->used[i];
        away->at[i].number = (uint16_t)(places->salt[owner->used[i]] >> JUMP_KEY_SHIFT);
    }
}

/* What was put away of this epoch is said again. */
static void take_back(struct translator *t, unsigned set)
{
    const struct jump_set *owner = &t->set[set];
    for (struct jump_away *away = t->away; away < &t->away[JUMP_AWAY]; away++) {
        if (away->count == 0 || away->epoch != owner->epoch || away->set != set ||
            away->base != owner->base || away->mode != owner->mode)
            continue;
        for (unsigned i = 0; i < away->count; i++)
            place_fill(t, set, away->at[i].place, away->at[i].number);
        t->frame->places[set].crossing_salt = away->crossing_salt;
        away->count = 0;
        away->since = 0;
        return;
    }
}

void jump_cache_clear(struct translator *t)
{
    for (uint64_t n = 0; n < JUMP_SLOTS; n++) {
        t->frame->direct[n].key = NO_KEY;
        t->frame->indirect[n].key = no_key(n);
    }
    for (unsigned set = 0; set < JUMP_SETS; set++)
        forget_places(t, set);
    memset(t->away, 0, sizeof t->away);
    memset(t->identity, 0, sizeof t->identity);
    t->numbers = 0;
}

void jump_cache_salt(struct translator *t)
{
    const struct cpu *cpu = t->cpu;
    uint64_t epoch = cpu->tlb.code_epoch[cpu->cpl == 3], base = cpu->seg_base[CS];
    unsigned set = jump_set(cpu->mode);
    struct jump_set *owner = &t->set[set];
    if (UNLIKELY(owner->epoch != epoch || owner->base != base || owner->mode != cpu->mode)) {
        put_away(t, set);
        forget_places(t, set);
        owner->epoch = epoch;
        owner->base = base;
        owner->mode = cpu->mode;
        take_back(t, set);
    }
    if (cpu->cpl != 3)
        sites_check_pages(t, base == 0 ? epoch : PAGES_APART);
}

/* That of a page of targets which lies in one guest-physical page, at `phys`. */
static unsigned number_of(struct translator *t, uint64_t page, uint64_t phys)
{
    const struct jump_set *owner = &t->set[jump_set(t->cpu->mode)];
    /* Where bases are not those of pages, a page of targets lies in two: its number holds for now only. */
    bool whole = (owner->base & PAGE_MASK) == 0;
    struct jump_identity want = {.page = page,
                                 .phys = whole ? phys & ~PAGE_MASK : 0,
                                 .base = owner->base,
                                 .epoch = whole ? 0 : owner->epoch,
                                 .mode = owner->mode};
    uint64_t hash = (page ^ want.phys << 7 ^ want.base ^ want.epoch ^ (uint64_t)want.mode << 40) *
                    UINT64_C(0x9E3779B97F4A7C15);
    struct jump_identity *is = &t->identity[hash >> 32 & (JUMP_IDENTITIES - 1)];
    if (is->number == 0 || is->page != want.page || is->phys != want.phys || is->base != want.base ||
        is->epoch != want.epoch || is->mode != want.mode) {
        *is = want;
        is->number = (uint16_t)++t->numbers;
        t->page_of[is->number] = page;
    }
    return is->number;
}

/* The number of the page that the unit begins in, which code was just fetched from. */
static unsigned arrive(struct translator *t, const struct translation_unit *unit, uint64_t name)
{
    unsigned set = jump_set(t->cpu->mode), place = jump_place(name);
    unsigned number = (unsigned)(t->frame->places[set].salt[place] >> JUMP_KEY_SHIFT);
    if (number != NUMBER_NONE && t->page_of[number] == name >> PAGE_SHIFT)
        return number;
    number = number_of(t, name >> PAGE_SHIFT, unit->block->phys);
    place_fill(t, set, place, number);
    return number;
}

/* ---- Slots ---- */

static uint64_t host_of(const struct translator *t, uint32_t at)
{
    return (uintptr_t)(t->code.execute + at);
}

static void remove_direct(struct translator *t, uint64_t slot, uint64_t host)
{
    if (t->frame->direct[slot].host == host)
        t->frame->direct[slot].key = NO_KEY;
}

static void remove_indirect(struct translator *t, const struct translation_unit *unit, uint64_t name)
{
    uint64_t slot = indirect_slot(name, unit->number);
    if (t->frame->indirect[slot].host == host_of(t, unit->guard))
        t->frame->indirect[slot].key = no_key(slot);
}

void jump_cache_add(struct translator *t, struct translation_unit *unit, bool direct)
{
    uint64_t name = jump_name(unit->block->mode, unit->rip), guard = host_of(t, unit->guard);
    if (t->numbers >= NUMBERS_MAX)
        jump_cache_clear(t);
    unsigned number = arrive(t, unit, name);
    if (direct) {
        t->frame->direct[jump_slot(name)] = (struct jump_slot){0 - (name + salt_of(number)), guard};
    } else {
        if (unit->number != number)
            remove_indirect(t, unit, name);
        t->frame->indirect[indirect_slot(name, number)] = (struct jump_slot){0 - name, guard};
        unit->number = (uint16_t)number;
    }
    if (!block_crosses(unit->block))
        return;
    struct jump_places *places = &t->frame->places[jump_set(t->cpu->mode)];
    if (places->crossing_salt == salt_of(NUMBER_NONE))
        places->crossing_salt = salt_of(++t->numbers);
    t->frame->direct[jump_crossing_slot(name)] =
        (struct jump_slot){0 - (name + places->crossing_salt), host_of(t, unit->entry)};
}

bool jump_cache_find(const struct translator *t, uint32_t *at)
{
    uint64_t name = jump_name(t->cpu->mode, t->cpu->s.rip);
    const struct jump_places *places = &t->frame->places[jump_set(t->cpu->mode)];
    uint64_t number = places->salt[jump_place(name)] >> JUMP_KEY_SHIFT;
    const struct jump_slot *slot = &t->frame->indirect[indirect_slot(name, number)];
    if (slot->key + name != 0)
        return false;
    *at = (uint32_t)(slot->host - (uintptr_t)t->code.execute);
    return true;
}

void jump_cache_remove(struct translator *t, const struct translation_unit *unit)
{
    uint64_t name = jump_name(unit->block->mode, unit->rip);
    remove_direct(t, jump_slot(name), host_of(t, unit->guard));
    remove_direct(t, jump_crossing_slot(name), host_of(t, unit->entry));
    remove_indirect(t, unit, name);
    recent_remove(t, unit);
}
