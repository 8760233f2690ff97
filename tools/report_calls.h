/* The guest's calls as slices of one track, for viewers: at each time the current call and its callers. A
 * call that waits while others run is several slices, so that slices nest. */
#ifndef CROSSPAGE_TOOLS_REPORT_CALLS_H
#define CROSSPAGE_TOOLS_REPORT_CALLS_H

#include "tools/report.h"

struct calls_track {
    void (*begin)(void *ctx, const struct call *call, tick_t when);
    void (*end)(void *ctx, tick_t when); /* of the innermost open one */
    void *ctx;
};

/* Within [from, to). */
void report_calls_track(const struct report *report, tick_t from, tick_t to, const struct calls_track *track);

#endif
