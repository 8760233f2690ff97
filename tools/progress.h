/* A progress line on a terminal: simulated time, speed. Silent when standard error is no terminal or the
 * guest's console is on it. */
#ifndef CROSSPAGE_TOOLS_PROGRESS_H
#define CROSSPAGE_TOOLS_PROGRESS_H

#include "base/types.h"

struct progress {
    bool enabled;
    double started, shown; /* host seconds */
    uint64_t instructions; /* when last shown */
};

void progress_start(struct progress *progress, bool console_in_use);
/* Called often; writes at most twice a second. */
void progress_update(struct progress *progress, double simulated_seconds, uint64_t instructions);
/* Erase the line. */
void progress_end(struct progress *progress);

#endif
