/* Which units get a route (route.h), and when.
 *
 * Host code counts nothing for this. A unit whose entry finds that time is up, at the end of a window or at
 * an event, was most probably one of those that run most of the time. One that was seen so a few times starts
 * a record: translator_run() leaves the next blocks to the interpreter, and writes them down. From the record
 * a few routes are made, those that run most often first. */
#include "binxlate/priv.h"

enum {
    ROUTES_AT_ONCE = 4,
    SHARE_LEAST = 24, /* of the record: what came more seldom is not worth it */
    QUICK_RECORD = 32,
    AGAIN = 16, /* times as many samples: the guest may do something else by now */
};

/* Where a threshold is given, for tests, one sample and a short record do. */
static bool is_quick(const struct translator *t)
{
    return t->config.threshold != 0;
}

void hot_sample(struct translator *t, struct translation_unit *unit)
{
    unsigned wanted = is_quick(t) ? 1 : ROUTE_SAMPLES;
    if (!path_on(t, PATH_ROUTE) || unit->route != NULL || t->record.on || unit->samples == UINT16_MAX)
        return;
    unit->samples++;
    if (unit->samples != wanted && unit->samples % (wanted * AGAIN) != 0)
        return;
    t->record.on = true;
    t->record.indirect = path_on(t, PATH_GUESS) && path_on(t, PATH_CACHE);
    t->record.count = 0;
}

/* How often the block of record `n` is in it; 0 if it was counted before. */
static unsigned times(const struct route_record *record, unsigned n)
{
    unsigned count = 0;
    for (unsigned i = 0; i < record->count; i++)
        if (record->at[i].block == record->at[n].block && record->at[i].rip == record->at[n].rip) {
            if (i < n)
                return 0;
            count++;
        }
    return count;
}

/* The beginning of a loop rather than another of its blocks. */
static unsigned weight(const struct route_record *record, unsigned n)
{
    unsigned count = times(record, n);
    if (count * SHARE_LEAST < record->count || count < 2)
        return 0;
    return 4 * count + (route_is_loop(record, n) ? count : 0);
}

static bool has_route(const struct block *block, uint64_t rip)
{
    const struct translation_unit *unit = unit_at(block, rip);
    return unit != NULL && unit->route != NULL;
}

static void cover(const struct route *route, const struct route_record *record, unsigned *weights)
{
    for (unsigned n = 0; n < record->count; n++)
        for (unsigned i = 0; i < route->blocks; i++)
            if (record->at[n].block == route->part[i].block)
                weights[n] = 0;
}

static void make_route(struct translator *t, unsigned n, unsigned *weights)
{
    const struct route_record *record = &t->record;
    struct block *block = record->at[n].block;
    struct route *route;
    weights[n] = 0;
    if (block->mode != t->cpu->mode || has_route(block, record->at[n].rip))
        return;
    route = route_find(record, n);
    if (route == NULL)
        return;
    cover(route, record, weights);
    unit_make_route(t, block, record->at[n].rip, route);
}

static void make_routes(struct translator *t)
{
    const struct route_record *record = &t->record;
    unsigned weights[ROUTE_RECORD];
    if (t->cpu->seg_base[CS] != 0)
        return;
    for (unsigned n = 0; n < record->count; n++)
        weights[n] = weight(record, n);
    for (unsigned made = 0; made < ROUTES_AT_ONCE; made++) {
        unsigned best = 0;
        for (unsigned n = 1; n < record->count; n++)
            if (weights[n] > weights[best])
                best = n;
        if (weights[best] == 0)
            return;
        make_route(t, best, weights);
    }
}

bool hot_record(struct translator *t, struct block *block)
{
    struct route_record *record = &t->record;
    record->at[record->count].block = block;
    record->at[record->count++].rip = t->cpu->s.rip;
    if (record->count < (is_quick(t) ? QUICK_RECORD : ROUTE_RECORD))
        return true;
    record->on = false;
    make_routes(t);
    return false;
}

void hot_forget(struct translator *t)
{
    t->record.on = false;
}
