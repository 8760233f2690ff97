/* The ways of all data packets through the guest's functions (traces/way.h), added up by function. */
#ifndef CROSSPAGE_TOOLS_WAYS_H
#define CROSSPAGE_TOOLS_WAYS_H

#include "traces/way.h"

/* The stages of one function. */
struct ways_function {
    uint32_t name;
    size_t packets; /* that came through it */
    size_t stages;  /* more, if it was called within itself */
    uint64_t depth; /* sum of their places on the way */
    uint64_t ticks, layers[LAYER_COUNT];
};

struct ways {
    size_t packets; /* with a way */
    size_t bad;     /* that do not add up (0, or the trace is wrong) */
    uint64_t ticks; /* before the access, of all of them */
    size_t count;
    struct ways_function *function; /* from the outermost to the innermost, by mean depth */
};

void ways_make(const struct analysis *analysis, const struct receipts *receipts, struct ways *ways);
void ways_free(struct ways *ways);

#endif
