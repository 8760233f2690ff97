/* The code cache, the units in it and their sites.
 *
 * Code is made front to back. A unit whose guest code was written is forgotten: nothing leads to it any more,
 * its bytes stay until the cache is full; then all units are forgotten together and filling starts over.
 *
 * Invariant: a jump in host code leads to a unit's entry only if the unit is not forgotten, or from a unit
 * that is itself forgotten. */
#include "binxlate/priv.h"

uint32_t site_add(struct translator *t, const struct site *site)
{
    if (t->sites == t->sites_room) {
        t->sites_room = t->sites_room ? 2 * t->sites_room : 1024;
        t->site = xrealloc(t->site, t->sites_room * sizeof *t->site);
    }
    t->site[t->sites] = *site;
    return t->sites++;
}

struct translation_unit *unit_add(struct translator *t, struct block *block, uint64_t rip)
{
    if (t->units == t->units_room)
        return NULL;
    struct translation_unit *unit = &t->unit[t->units++];
    *unit = (struct translation_unit){.block = block, .rip = rip, .incoming = SITE_NONE, .next = block->unit};
    block->unit = unit;
    return unit;
}

void unit_drop_last(struct translator *t)
{
    struct translation_unit *unit = &t->unit[--t->units];
    unit->block->unit = unit->next;
}

static void unlink_incoming(struct translator *t, struct translation_unit *unit)
{
    for (uint32_t n = unit->incoming; n != SITE_NONE; n = t->site[n].next)
        t->host->aim(t, t->site[n].patch, t->site[n].stub);
    unit->incoming = SITE_NONE;
}

void unit_forget(struct translator *t, struct translation_unit *unit)
{
    unlink_incoming(t, unit);
    jump_cache_remove(t, unit);
    unit->block = NULL;
    t->count[COUNT_FORGOTTEN]++;
}

void site_link(struct translator *t, uint32_t n, struct translation_unit *unit)
{
    struct site *site = &t->site[n];
    t->host->aim(t, site->patch, unit->guard);
    site->next = unit->incoming;
    unit->incoming = n;
    t->count[COUNT_LINKS]++;
}

void code_flush(struct translator *t)
{
    for (uint32_t n = 0; n < t->units; n++)
        if (t->unit[n].block != NULL) {
            t->unit[n].block->unit = NULL;
            t->unit[n].block->heat = 0;
        }
    jump_cache_clear(t);
    t->units = 0;
    t->sites = 0;
    t->used = t->thunks_end;
    t->count[COUNT_FLUSHES]++;
}
