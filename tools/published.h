/* Published figures (published.def) as a list. */
#ifndef CROSSPAGE_TOOLS_PUBLISHED_H
#define CROSSPAGE_TOOLS_PUBLISHED_H

#include "base/types.h"

enum published_set { PUBLISHED_CALIBRATION, PUBLISHED_VALIDATION };

struct published {
    const char *figure, *row;
    double value;
    const char *unit;
    char provenance; /* T, B, V or C, see published.def */
    enum published_set set;
    const char *experiment, *run, *metric; /* what of ours it is compared with */
};

/* NULL past the last. */
const struct published *published_by_index(unsigned index);
/* The figure that a metric of ours is compared with; NULL if none is. */
const struct published *published_find(const char *figure, const char *metric);
const char *published_set_name(enum published_set set);

#endif
