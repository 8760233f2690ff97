/* Slices from moments (report_calls.h): when another call becomes current, those that are not around it end,
 * and those around it that were not open begin. */
#include "tools/report_calls.h"

enum { DEPTH_MAX = 1024 }; /* beyond that, the innermost are not shown */

/* Calls from the outermost to `call`; how many. */
static unsigned path_to(const struct calls *calls, size_t call, size_t path[DEPTH_MAX])
{
    unsigned depth = 0, kept;
    for (size_t n = call; n != 0; n = calls_get(calls, n)->caller)
        depth++;
    kept = depth < DEPTH_MAX ? depth : DEPTH_MAX;
    for (size_t n = call; n != 0; n = calls_get(calls, n)->caller)
        if (--depth < kept)
            path[depth] = n;
    return kept;
}

void report_calls_track(const struct report *report, tick_t from, tick_t to, const struct calls_track *track)
{
    const struct calls *calls = &report->analysis.calls;
    size_t open[DEPTH_MAX], path[DEPTH_MAX];
    unsigned depth = 0;
    size_t i = calls_moment_at(calls, from);
    if (i == calls->moment_count) /* none before */
        i = 0;
    for (; i < calls->moment_count && calls->moment[i].when < to; i++) {
        tick_t when = calls->moment[i].when > from ? calls->moment[i].when : from;
        unsigned count = path_to(calls, calls->moment[i].call, path), common = 0;
        while (common < depth && common < count && open[common] == path[common])
            common++;
        for (; depth > common; depth--)
            track->end(track->ctx, when);
        for (; depth < count; depth++) {
            open[depth] = path[depth];
            track->begin(track->ctx, calls_get(calls, path[depth]), when);
        }
    }
    for (; depth > 0; depth--)
        track->end(track->ctx, to);
}
