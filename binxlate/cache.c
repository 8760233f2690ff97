/* The code cache, the units in it and their sites.
 *
 * The cache is cut into regions, which are filled one after the other, each front to back. When the last is
 * full the first is emptied for what comes next, and so on: what was translated longest ago goes first. Each
 * region has its units and sites, so emptying it costs in proportion to what it held.
 *
 *      thunks | region 0 | region 1 | ... | region n - 1
 *                             ^ being filled; region 2 is the oldest
 *
 * A unit whose guest code was written is forgotten: nothing leads to it any more, its bytes stay until its
 * region is emptied.
 *
 * Invariants: (1) a jump in host code leads to a unit's entry only if the unit is not forgotten, or from a
 * unit that is itself forgotten; (2) the sites linked to a unit are in its list, and no others; (3) a linked
 * site of kind SITE_PAGE is in `page_site`. */
#include "binxlate/priv.h"

#include <stdlib.h>

enum { UNIT_BYTES_LEAST = 256 };

/* ---- Regions ---- */

void code_regions_create(struct translator *t)
{
    size_t page = 64, room = (t->code.bytes - t->thunks_end) & ~(page - 1);
    size_t regions = room / CODE_REGION_LEAST;
    t->regions = (unsigned)(regions < CODE_REGIONS_MAX ? regions : CODE_REGIONS_MAX);
    CHECK(t->regions >= 2);
    size_t bytes = room / t->regions & ~(page - 1);
    for (unsigned n = 0; n < t->regions; n++) {
        struct code_region *region = &t->region[n];
        region->start = t->thunks_end + n * bytes;
        region->end = region->start + bytes;
        region->units_room = (uint32_t)(bytes / UNIT_BYTES_LEAST);
        region->unit = xcalloc(region->units_room, sizeof *region->unit);
    }
    t->used = t->region[0].start;
    t->page_site = xcalloc(PAGE_SITES_MAX, sizeof *t->page_site);
    t->pages_epoch = t->pages_seen = PAGES_APART;
}

static void free_routes(struct code_region *region)
{
    for (uint32_t n = 0; n < region->units; n++)
        route_free(region->unit[n].route);
}

void code_regions_destroy(struct translator *t)
{
    for (unsigned n = 0; n < t->regions; n++) {
        free_routes(&t->region[n]);
        free(t->region[n].unit);
        free(t->region[n].site);
    }
    free(t->page_site);
}

size_t code_end(const struct translator *t)
{
    return t->regions > 0 ? t->region[t->filling].end : t->code.bytes;
}

/* ---- Sites ---- */

uint32_t site_add(struct translator *t, const struct site *site)
{
    struct code_region *region = &t->region[t->filling];
    uint32_t n = t->sites & SITE_IN_REGION;
    if (n == region->sites_room) {
        region->sites_room = region->sites_room ? 2 * region->sites_room : 1024;
        CHECK(region->sites_room <= SITE_IN_REGION);
        region->site = xrealloc(region->site, region->sites_room * sizeof *region->site);
    }
    region->site[n] = *site;
    return t->sites++;
}

void site_link(struct translator *t, uint32_t n, struct translation_unit *unit)
{
    struct site *site = site_at(t, n);
    t->host->aim(t, site->patch, unit->guard);
    site->to = unit;
    site->prev = SITE_NONE;
    site->next = unit->incoming;
    if (site->next != SITE_NONE)
        site_at(t, site->next)->prev = n;
    unit->incoming = n;
    t->count[COUNT_LINKS]++;
}

/* Take a site that is about to go out of the list of the unit that it leads to. */
static void site_unlist(struct translator *t, const struct site *site)
{
    if (site->to == NULL)
        return;
    if (site->next != SITE_NONE)
        site_at(t, site->next)->prev = site->prev;
    if (site->prev != SITE_NONE)
        site_at(t, site->prev)->next = site->next;
    else
        site->to->incoming = site->next;
}

/* ---- Links between pages ---- */

static void unlink_pages(struct translator *t)
{
    for (uint32_t i = 0; i < t->page_sites; i++) {
        struct site *site = site_at(t, t->page_site[i]);
        if (site->to == NULL)
            continue; /* the unit that it led to was forgotten */
        t->host->aim(t, site->patch, site->stub);
        site_unlist(t, site);
        site->to = NULL;
    }
    t->page_sites = 0;
}

void sites_check_pages(struct translator *t, uint64_t epoch)
{
    uint64_t now = t->cpu->s.instructions;
    if (LIKELY(t->pages_seen == epoch))
        return;
    t->pages_unsteady = now - t->pages_moved < PAGES_STEADY ? t->pages_unsteady + 1 : 0;
    t->pages_moved = now;
    t->pages_seen = epoch;
    unlink_pages(t);
    t->pages_epoch = pages_are_steady(t) ? epoch : PAGES_APART;
}

void site_link_pages(struct translator *t, uint32_t n, struct translation_unit *unit)
{
    if (t->page_sites == PAGE_SITES_MAX)
        unlink_pages(t);
    t->page_site[t->page_sites++] = n;
    site_link(t, n, unit);
}

/* The region's sites are none any more. */
static void forget_page_sites(struct translator *t, unsigned region)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < t->page_sites; i++)
        if (t->page_site[i] >> SITE_REGION_SHIFT != region)
            t->page_site[kept++] = t->page_site[i];
    t->page_sites = kept;
}

/* ---- Units ---- */

static struct translation_unit *add(struct translator *t, struct block *block, uint64_t rip)
{
    struct code_region *region = &t->region[t->filling];
    struct translation_unit *unit = &region->unit[region->units++];
    *unit = (struct translation_unit){
        .block = block, .rip = rip, .origin = rip, .incoming = SITE_NONE, .next = block->unit};
    block->unit = unit;
    return unit;
}

struct translation_unit *unit_add(struct translator *t, struct block *block, uint64_t rip,
                                  struct route *route)
{
    const struct code_region *region = &t->region[t->filling];
    unsigned parts = route != NULL ? route->blocks : 1;
    if (region->units + parts > region->units_room)
        return NULL;
    struct translation_unit *unit = add(t, block, rip);
    if (route == NULL)
        return unit;
    unit->route = route;
    unit->origin = route->origin;
    for (unsigned n = 1; n < parts; n++)
        add(t, route->part[n].block, rip)->whole = unit;
    return unit;
}

struct translation_unit *unit_at(const struct block *block, uint64_t rip)
{
    struct translation_unit *unit = block->unit;
    while (unit != NULL && (unit->rip != rip || unit->whole != NULL))
        unit = unit->next;
    return unit;
}

static void unlist(struct translation_unit *unit)
{
    struct translation_unit **at = &unit->block->unit;
    while (*at != unit)
        at = &(*at)->next;
    *at = unit->next;
    unit->block = NULL;
}

static unsigned parts_of(const struct translation_unit *unit)
{
    return unit->route != NULL ? unit->route->blocks : 1;
}

static void unlink_incoming(struct translator *t, struct translation_unit *unit)
{
    for (uint32_t n = unit->incoming; n != SITE_NONE; n = site_at(t, n)->next) {
        struct site *site = site_at(t, n);
        t->host->aim(t, site->patch, site->stub);
        site->to = NULL;
    }
    unit->incoming = SITE_NONE;
}

/* Nothing leads to it any more. What it has of its route may be in use until its region is emptied. */
static void drop(struct translator *t, struct translation_unit *unit)
{
    unlink_incoming(t, unit);
    jump_cache_remove(t, unit);
    for (unsigned n = 0; n < parts_of(unit); n++)
        unlist(&unit[n]);
}

void unit_drop_last(struct translator *t, struct translation_unit *unit)
{
    for (unsigned n = parts_of(unit); n-- > 0;)
        unlist(&unit[n]);
    t->region[t->filling].units -= parts_of(unit);
}

void unit_forget(struct translator *t, struct translation_unit *unit)
{
    drop(t, unit);
    t->count[COUNT_FORGOTTEN]++;
}

void units_forget(struct translator *t, struct block *block)
{
    while (block->unit != NULL)
        unit_forget(t, block->unit->whole != NULL ? block->unit->whole : block->unit);
}

/* ---- Emptying ---- */

/* If it was seen at work since the region before was filled, its block need not show anew that it is worth
 * it. */
static void unit_evict(struct translator *t, struct translation_unit *unit)
{
    unit->block->heat = unit->seen ? t->engine.threshold - 1 : 0;
    drop(t, unit);
    t->count[COUNT_EVICTED]++;
}

/* Translations that are soon dropped cost more than they bring. A region must last for so many instructions
 * for each of its units; when it does not, blocks have to run more often before they are translated, so that
 * the cache is left to those that matter most. Not where the threshold is given. */
static void adapt_threshold(struct translator *t, const struct code_region *region)
{
    enum { EARN = 100000, WIDE = 4, HIGHEST = 2048 };
    uint64_t lasted = t->cpu->s.instructions - t->region_begun, earn = (uint64_t)region->units * EARN;
    t->region_begun = t->cpu->s.instructions;
    if (t->config.threshold != 0 || region->units == 0)
        return;
    if (lasted < earn && t->engine.threshold < HIGHEST)
        t->engine.threshold *= 2;
    else if (lasted > WIDE * earn && t->engine.threshold > DEFAULT_THRESHOLD)
        t->engine.threshold /= 2;
}

void code_next_region(struct translator *t)
{
    bool again = t->region[(t->filling + 1) % t->regions].units > 0;
    if (again)
        adapt_threshold(t, &t->region[t->filling]);
    t->region[t->filling].sites = t->sites & SITE_IN_REGION;
    t->filling = (t->filling + 1) % t->regions;
    struct code_region *region = &t->region[t->filling];
    for (uint32_t n = 0; n < region->units; n++)
        if (region->unit[n].block != NULL)
            unit_evict(t, &region->unit[n]);
    for (uint32_t n = 0; n < region->sites; n++)
        site_unlist(t, &region->site[n]);
    forget_page_sites(t, t->filling);
    free_routes(region);
    region->units = region->sites = 0;
    t->used = region->start;
    t->sites = (uint32_t)t->filling << SITE_REGION_SHIFT;
    t->count[COUNT_REGIONS]++;
}

void code_flush(struct translator *t)
{
    for (unsigned r = 0; r < t->regions; r++) {
        struct code_region *region = &t->region[r];
        for (uint32_t n = 0; n < region->units; n++)
            if (region->unit[n].block != NULL) {
                region->unit[n].block->unit = NULL;
                region->unit[n].block->heat = 0;
            }
        free_routes(region);
        region->units = region->sites = 0;
    }
    hot_forget(t);
    jump_cache_clear(t);
    t->page_sites = 0;
    t->filling = 0;
    t->sites = 0;
    t->used = t->region[0].start;
    t->count[COUNT_FLUSHES]++;
}
