/* Recent targets: where indirect jumps, calls and returns look before they ask the jump cache (x64/indirect.c
 * has the code).
 *
 * The jump cache finds out first which number a target's page has, and its slot depends on that; so its
 * entries outlive a CR3 load, and the way to them is long. Here a slot is chosen by low bits of the target
 * alone. What is in it counts because all of a set's slots are emptied when its numbers are: a match is what
 * the jump cache would find, or found under the same mappings of code pages.
 *
 * Host code fills a slot when the jump cache has the target, and notes which, so that emptying the slots
 * costs as much as filling them did. When there were too many to note, all are emptied.
 *
 * Invariants: (1) the jump cache's for keys that match; (2) slots that are not empty are noted, or the
 * set's credit is zero; (3) a unit that is forgotten is in no slot: it can only be in that of its name, in
 * the set of its mode. */
#include "binxlate/priv.h"

/* Matches a target only that has another slot. */
static uint64_t no_key(uint64_t slot)
{
    return 0 - (slot ^ 1);
}

/* As host code takes targets. */
static uint64_t recent_slot(unsigned mode, uint64_t rip)
{
    return ((mode & MODE_CODE_MASK) == MODE_CODE64 ? rip : (uint32_t)rip) % RECENT_SLOTS;
}

void recent_create(struct translator *t)
{
    t->frame->recent_mask = (RECENT_SLOTS - 1) * (sizeof(struct jump_slot) / sizeof(uint64_t));
    for (unsigned set = 0; set < JUMP_SETS; set++)
        t->frame->recent[set].credit = 0;
}

void recent_forget(struct translator *t, unsigned set)
{
    struct recent_targets *recent = &t->frame->recent[set];
    if (recent->credit == 0)
        for (uint64_t n = 0; n < RECENT_SLOTS; n++)
            recent->slot[n].key = no_key(n);
    else
        for (uint64_t credit = recent->credit + 1; credit < RECENT_NOTED; credit++) {
            uint64_t n = recent->noted[credit] % RECENT_SLOTS;
            recent->slot[n].key = no_key(n);
        }
    recent->credit = RECENT_NOTED - 1;
}

void recent_remove(struct translator *t, const struct translation_unit *unit)
{
    unsigned mode = unit->block->mode;
    uint64_t n = recent_slot(mode, unit->rip);
    struct jump_slot *slot = &t->frame->recent[jump_set(mode)].slot[n];
    if (slot->host == (uintptr_t)(t->code.execute + unit->guard))
        slot->key = no_key(n);
}
