/* A transmitted frame's way through the guest: the functions that were open when the guest made the
 * transmitting access (calls.h), from the outermost on, and the time from each one's entry to the next one's,
 * the innermost one's to the access.
 *
 * These stages are contiguous: their sum is the time from the outermost function's entry, say that of a
 * system call, to TX_OUT, where the receipt begins (receipt.h). So stages and receipt add up to the time from
 * that entry to the arrival of the last bit (contract E4). A stage's time is all that passed, be it another
 * task's; and two frames that one call sent have both waited for what it did before. */
#ifndef CROSSPAGE_TRACES_WAY_H
#define CROSSPAGE_TRACES_WAY_H

#include "traces/receipt.h"

enum { WAY_MAX = 64 }; /* of more functions, the innermost */

struct way_stage {
    size_t call; /* number */
    tick_t begin, end;
};

struct way {
    unsigned count; /* 0: no function was open, or nothing says when the access was made */
    struct way_stage stage[WAY_MAX];
};

void way_make(const struct analysis *analysis, const struct receipt *receipt, struct way *way);

/* From the outermost function's entry to the access. */
static inline tick_t way_length(const struct way *way)
{
    return way->count ? way->stage[way->count - 1].end - way->stage[0].begin : 0;
}

#endif
