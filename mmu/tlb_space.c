/* Selecting the space whose entries the TLB uses: what MOV to CR3 does with CR4.PCIDE set (SDM vol. 3,
 * 4.10.1).
 *
 * The map knows no spaces, so that looking into it stays one compare. It holds entries of the selected space
 * and global ones. What it holds of the space is noted in the space's context: with the space it leaves the
 * map, and comes back when the space is selected again. So a guest that goes back and forth between a few
 * spaces finds its map as it left it, for a few stores for each page.
 *
 *   tlb_map() --> noted, in the map --tlb_select(another)--> noted, with what it was in the map for
 *                       ^------------tlb_select(this)-------------'    | unmap(): it is not for it any more
 *
 * In the same way the numbers by which others tell whether they may go on fetching (code_epoch) come back: a
 * space has its own, or where only global pages were fetched from, the one that all share.
 *
 * Contexts are for the spaces used last; a space without one has its entries all the same. When there are
 * more notes than fit, the context starts anew.
 *
 * Invariants: (1) an entry of the selected space that is in the map is noted, or its context says `overflow`;
 * (2) a number of code_epoch is not given out twice. */
#include "mmu/tlb_priv.h"

static struct tlb_context *present(struct tlb *tlb)
{
    return &tlb->context[tlb->present];
}

/* ---- Code ---- */

static void code_refresh(struct tlb *tlb, bool user)
{
    const struct tlb_context *context = present(tlb);
    uint64_t epoch = context->code_epoch[user] != 0 ? context->code_epoch[user] : tlb->shared_epoch[user];
    if (tlb->code_epoch[user] == epoch)
        return;
    tlb->code_epoch[user] = epoch;
    tlb->code_changes++;
}

void tlb_code_own(struct tlb *tlb, bool user)
{
    struct tlb_context *context = present(tlb);
    if (LIKELY(context->code_epoch[user] != 0))
        return;
    context->code_epoch[user] = ++tlb->epochs;
    code_refresh(tlb, user);
}

static void renew(struct tlb *tlb, struct tlb_context *context, bool user)
{
    if (context->code_epoch[user] != 0)
        context->code_epoch[user] = tlb->space[context->space].entered[user] != 0 ? ++tlb->epochs : 0;
}

void tlb_code_renew(struct tlb *tlb, bool user, unsigned space)
{
    if (space == TLB_GLOBAL) {
        tlb->shared_epoch[user] = ++tlb->epochs;
        for (unsigned n = 0; n < TLB_CONTEXTS; n++)
            renew(tlb, &tlb->context[n], user);
    } else if (tlb->context[tlb->space[space].context].space == space) {
        renew(tlb, &tlb->context[tlb->space[space].context], user);
    }
    code_refresh(tlb, user);
}

bool tlb_code_epoch_lives(const struct tlb *tlb, bool user, uint64_t epoch)
{
    bool lives = epoch == tlb->shared_epoch[user];
    for (unsigned n = 0; n < TLB_CONTEXTS && !lives; n++)
        lives = tlb->context[n].code_epoch[user] == epoch;
    return lives;
}

/* ---- Contexts ---- */

static void context_start(struct tlb_context *context, unsigned space)
{
    context->space = (uint16_t)space;
    context->overflow = false;
    context->notes = 0;
    context->code_epoch[false] = context->code_epoch[true] = 0;
}

void tlb_spaces_init(struct tlb *tlb)
{
    for (unsigned n = 0; n < TLB_CONTEXTS; n++) {
        context_start(&tlb->context[n], TLB_GLOBAL); /* of no space */
        tlb->context[n].last_use = 0;
    }
    context_start(&tlb->context[0], 0);
    tlb->present = 0;
    tlb->selected = 0;
    tlb->context[0].last_use = tlb->selections = 1;
    tlb->epochs = tlb->code_changes = 0;
    for (unsigned user = 0; user < 2; user++)
        tlb->shared_epoch[user] = tlb->code_epoch[user] = tlb->map_epoch[user] = 0;
}

/* The context of the space, which may take that of the one not selected for longest. */
static unsigned context_of(struct tlb *tlb, unsigned space)
{
    unsigned number = tlb->space[space].context, oldest = 0;
    if (tlb->context[number].space == space)
        return number;
    for (unsigned n = 1; n < TLB_CONTEXTS; n++)
        if (tlb->context[n].last_use < tlb->context[oldest].last_use)
            oldest = n;
    context_start(&tlb->context[oldest], space);
    tlb->space[space].context = oldest;
    return oldest;
}

/* ---- Notes ---- */

void tlb_note(struct tlb *tlb, struct tlb_entry *entry)
{
    struct tlb_context *context = present(tlb);
    uint32_t number = (uint32_t)(entry - tlb->entry);
    if (entry->note < context->notes && context->note[entry->note].entry == number)
        return;
    if (context->notes == TLB_NOTES) {
        context->overflow = true;
        return;
    }
    entry->note = (uint16_t)context->notes++;
    context->note[entry->note].entry = number;
}

void tlb_notes_drop(struct tlb *tlb)
{
    for (unsigned n = 0; n < TLB_CONTEXTS; n++) {
        tlb->context[n].notes = 0;
        tlb->context[n].overflow = false;
    }
}

/* Out of the map; into *note, if it was there. */
static bool take_out(struct tlb *tlb, const struct tlb_entry *entry, struct tlb_note *note)
{
    struct tlb_map *map = &tlb->map[entry->user];
    unsigned slot = tlb_slot(entry->linear);
    uint64_t key = tlb_key(entry->linear);
    note->read = map->read_key[slot] == key;
    note->write = map->write_key[slot] == key;
    note->addend = map->addend[slot];
    if (note->read)
        map->read_key[slot] = tlb_key_invalid(slot);
    if (note->write)
        map->write_key[slot] = tlb_key_invalid(slot);
    return note->read || note->write;
}

static void take_all_out(struct tlb *tlb, struct tlb_context *context)
{
    struct tlb_note note;
    for (uint32_t n = tlb->space[context->space].first; n != 0; n = tlb->entry[n].fellow.next) {
        if (tlb->entry[n].mapped)
            (void)take_out(tlb, &tlb->entry[n], &note);
        tlb->entry[n].mapped = false;
    }
    context->notes = 0;
    context->overflow = false;
}

/* Is the entry that was noted still there, and no other? An entry of this space cannot have been made while
 * another one was selected. */
static bool is_noted(const struct tlb_context *context, const struct tlb_entry *entry)
{
    return entry->linear != TLB_FREE && entry->space == context->space && entry->mapped;
}

/* What others remember of the map (map_epoch) may be what the map has lost to another page of its slot: so an
 * entry that is noted counts, whether it is in the map or not. */
static void leave(struct tlb *tlb)
{
    struct tlb_context *context = present(tlb);
    bool had[2] = {context->overflow, context->overflow};
    uint32_t kept = 0;
    if (context->overflow)
        take_all_out(tlb, context);
    for (uint32_t n = 0; n < context->notes; n++) {
        struct tlb_note note = context->note[n];
        struct tlb_entry *entry = &tlb->entry[note.entry];
        if (!is_noted(context, entry))
            continue;
        had[entry->user] = true;
        if (!take_out(tlb, entry, &note))
            continue;
        entry->note = (uint16_t)kept;
        context->note[kept++] = note;
    }
    context->notes = kept;
    tlb->map_epoch[false] += had[false];
    tlb->map_epoch[true] += had[true];
}

static void arrive(struct tlb *tlb)
{
    const struct tlb_context *context = present(tlb);
    for (uint32_t n = 0; n < context->notes; n++) {
        const struct tlb_note *note = &context->note[n];
        const struct tlb_entry *entry = &tlb->entry[note->entry];
        if (!is_noted(context, entry))
            continue;
        struct tlb_map *map = &tlb->map[entry->user];
        unsigned slot = tlb_slot(entry->linear);
        uint64_t key = tlb_key(entry->linear), none = tlb_key_invalid(slot);
        map->read_key[slot] = note->read ? key : none;
        map->write_key[slot] = note->write ? key : none;
        map->addend[slot] = note->addend;
    }
}

void tlb_select(struct tlb *tlb, unsigned space)
{
    if (tlb->selected == space)
        return;
    leave(tlb);
    tlb->present = context_of(tlb, space);
    tlb->selected = (uint16_t)space;
    present(tlb)->last_use = ++tlb->selections;
    arrive(tlb);
    code_refresh(tlb, false);
    code_refresh(tlb, true);
}
