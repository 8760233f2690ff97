/* Published figures (published.h). */
#include "tools/published.h"

#include <string.h>

static const struct published figures[] = {
#define PUBLISHED(figure, row, value, unit, provenance, set, experiment, run, metric)                        \
    {figure, row, value, unit, provenance, PUBLISHED_##set, experiment, run, metric},
#include "tools/published.def"
#undef PUBLISHED
};

const struct published *published_by_index(unsigned index)
{
    return index < ARRAY_LEN(figures) ? &figures[index] : NULL;
}

const struct published *published_find(const char *figure, const char *metric)
{
    for (unsigned i = 0; i < ARRAY_LEN(figures); i++)
        if (strcmp(figures[i].figure, figure) == 0 && strcmp(figures[i].metric, metric) == 0)
            return &figures[i];
    return NULL;
}

const char *published_set_name(enum published_set set)
{
    return set == PUBLISHED_CALIBRATION ? "calibration" : "validation";
}
