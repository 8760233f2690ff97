/* The run as a profile (profile.h): the time line is cut wherever something changes, and the pieces are added
 * up.
 *
 * Idle time and the guest's user mode have no functions. A sample stands for the guest kernel's time since
 * the one before it, as far as the same call was current as when it was taken. */
#include "tools/profile.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

/* Number of a path for every call, by a hash of path and name. */
struct paths {
    struct profile *profile;
    uint32_t *slot; /* numbers, 0: empty */
    size_t slots;   /* a power of two, more than twice as many as paths */
};

static size_t hash(uint64_t a, uint64_t b, size_t slots)
{
    uint64_t mixed = (a * UINT64_C(0x9E3779B97F4A7C15) ^ b) * UINT64_C(0xC2B2AE3D27D4EB4F);
    return (size_t)(mixed >> 20) & (slots - 1);
}

static uint32_t *place_of(const struct paths *paths, uint32_t caller, uint32_t name)
{
    const struct profile_path *path = paths->profile->path;
    size_t at = hash(caller, name, paths->slots);
    while (paths->slot[at] != 0 &&
           (path[paths->slot[at]].caller != caller || path[paths->slot[at]].name != name))
        at = (at + 1) & (paths->slots - 1);
    return &paths->slot[at];
}

static uint32_t path_of(struct paths *paths, uint32_t caller, uint32_t name)
{
    struct profile *profile = paths->profile;
    uint32_t *place = place_of(paths, caller, name);
    if (*place != 0)
        return *place;
    if (2 * profile->path_count >= paths->slots) {
        free(paths->slot);
        paths->slots *= 2;
        paths->slot = xcalloc(paths->slots, sizeof *paths->slot);
        for (uint32_t i = 1; i < profile->path_count; i++)
            *place_of(paths, profile->path[i].caller, profile->path[i].name) = i;
        place = place_of(paths, caller, name);
        profile->path = xrealloc(profile->path, paths->slots * sizeof *profile->path);
    }
    profile->path[profile->path_count] = (struct profile_path){name, caller};
    return *place = (uint32_t)profile->path_count++;
}

/* Paths of calls, by number of the call. */
static uint32_t *find_paths(const struct calls *calls, struct profile *profile)
{
    enum { FIRST_SLOTS = 64 };
    struct paths paths = {profile, xcalloc(FIRST_SLOTS, sizeof *paths.slot), FIRST_SLOTS};
    uint32_t *of = xcalloc(calls->count + 1, sizeof *of);
    profile->path = xcalloc(FIRST_SLOTS, sizeof *profile->path);
    profile->path_count = 1;
    for (size_t n = 1; n <= calls->count; n++) /* callers come first */
        of[n] = path_of(&paths, of[calls_get(calls, n)->caller], calls_get(calls, n)->name);
    free(paths.slot);
    return of;
}

/* ---- Adding up ---- */

struct sums {
    struct profile_entry *slot; /* ticks 0: empty */
    size_t slots, used;
};

static bool same(const struct profile_entry *a, const struct profile_entry *b)
{
    return a->path == b->path && a->exit == b->exit && a->step == b->step && a->sample == b->sample;
}

static struct profile_entry *entry_of(const struct sums *sums, const struct profile_entry *key)
{
    size_t at =
        hash((uint64_t)key->path << 32 | key->sample, (uint64_t)key->exit << 32 | key->step, sums->slots);
    while (sums->slot[at].ticks != 0 && !same(&sums->slot[at], key))
        at = (at + 1) & (sums->slots - 1);
    return &sums->slot[at];
}

static void add(struct sums *sums, const struct profile_entry *piece)
{
    if (2 * sums->used >= sums->slots) {
        struct sums more = {.slots = 2 * sums->slots, .used = sums->used};
        more.slot = xcalloc(more.slots, sizeof *more.slot);
        for (size_t i = 0; i < sums->slots; i++)
            if (sums->slot[i].ticks != 0)
                *entry_of(&more, &sums->slot[i]) = sums->slot[i];
        free(sums->slot);
        *sums = more;
    }
    struct profile_entry *entry = entry_of(sums, piece);
    uint64_t before = entry->ticks;
    sums->used += before == 0;
    *entry = *piece;
    entry->ticks += before;
}

/* Where one is on the time line; each list ascends. */
struct cursor {
    const struct analysis *a;
    const uint32_t *paths;
    size_t span, visit, moment, sample;
};

static tick_t earlier(tick_t a, tick_t b)
{
    return a < b ? a : b;
}

/* The visit that a time is in, or the one that comes next, `*in` false. */
static tick_t until_visit(struct cursor *c, tick_t when, bool *in)
{
    while (c->visit < c->a->visit_count && c->a->visits[c->visit].end <= when)
        c->visit++;
    const struct visit *visit = &c->a->visits[c->visit];
    *in = c->visit < c->a->visit_count && visit->begin <= when;
    return c->visit == c->a->visit_count ? TICK_NEVER : *in ? visit->end : visit->begin;
}

/* The call that is current at a time, and until when it is. */
static tick_t until_moment(struct cursor *c, tick_t when, size_t *call)
{
    const struct calls *calls = &c->a->calls;
    while (c->moment < calls->moment_count && calls->moment[c->moment].when <= when)
        c->moment++;
    *call = c->moment > 0 ? calls->moment[c->moment - 1].call : 0;
    return c->moment < calls->moment_count ? calls->moment[c->moment].when : TICK_NEVER;
}

/* The sample that stands for a time, and until when. */
static tick_t until_sample(struct cursor *c, tick_t when, const struct call_sample **sample)
{
    const struct calls *calls = &c->a->calls;
    while (c->sample < calls->sample_count && calls->sample[c->sample].when <= when)
        c->sample++;
    *sample = c->sample < calls->sample_count ? &calls->sample[c->sample] : NULL;
    return *sample != NULL ? (*sample)->when : TICK_NEVER;
}

/* What is done from `when` on, and until when. */
static tick_t piece_at(struct cursor *c, tick_t when, struct profile_entry *piece)
{
    const struct analysis *a = c->a;
    while (c->span + 1 < a->span_count && a->span_begin[c->span + 1] <= when)
        c->span++;
    tick_t end = c->span + 1 < a->span_count ? a->span_begin[c->span + 1] : a->end;
    unsigned step = a->span_step[c->span];
    const struct call_sample *sample;
    bool in_visit;
    size_t call;
    end = earlier(end, until_visit(c, when, &in_visit));
    end = earlier(end, until_moment(c, when, &call));
    end = earlier(end, until_sample(c, when, &sample));
    enum layer layer = trace_step(a->trace, step)->layer;
    *piece = (struct profile_entry){
        .path = layer == LAYER_IDLE || layer == LAYER_GUEST_USER ? 0 : c->paths[call],
        .exit = in_visit ? a->visits[c->visit].exit : trace_exit_count(a->trace),
        .step = step,
        .sample = step == STEP_GUEST_KERNEL && sample != NULL && calls_at(&a->calls, sample->when) == call
                      ? sample->name
                      : 0,
    };
    return end;
}

static int by_key(const void *x, const void *y)
{
    const struct profile_entry *a = x, *b = y;
    const uint32_t keys[][2] = {
        {a->path, b->path}, {a->exit, b->exit}, {a->step, b->step}, {a->sample, b->sample}};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (keys[i][0] != keys[i][1])
            return keys[i][0] < keys[i][1] ? -1 : 1;
    return 0;
}

void profile_make(const struct report *report, struct profile *profile)
{
    enum { FIRST_SLOTS = 1024 };
    const struct analysis *a = &report->analysis;
    struct sums sums = {.slots = FIRST_SLOTS, .slot = xcalloc(FIRST_SLOTS, sizeof *sums.slot)};
    *profile = (struct profile){0};
    uint32_t *paths = find_paths(&a->calls, profile);
    struct cursor cursor = {.a = a, .paths = paths};
    for (tick_t when = trace_start(a->trace), end; a->span_count > 0 && when < a->end; when = end) {
        struct profile_entry piece;
        end = piece_at(&cursor, when, &piece);
        CHECK(end > when);
        piece.ticks = end - when;
        add(&sums, &piece);
    }
    for (size_t i = 0; i < sums.slots; i++)
        if (sums.slot[i].ticks != 0)
            sums.slot[profile->count++] = sums.slot[i];
    qsort(sums.slot, profile->count, sizeof *sums.slot, by_key);
    profile->entry = sums.slot;
    free(paths);
}

void profile_free(struct profile *profile)
{
    free(profile->path);
    free(profile->entry);
    *profile = (struct profile){0};
}
