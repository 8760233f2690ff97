/* What the kinds of plots share. */
#ifndef CROSSPAGE_TOOLS_PICTURE_PLOT_PRIV_H
#define CROSSPAGE_TOOLS_PICTURE_PLOT_PRIV_H

#include "tools/picture/svg.h"

#include <jansson.h>

enum { PLOT_WIDTH = 800, PLOT_MARGIN = 12 };

/* From values to pixels; with ticks at multiples of `step`. */
struct axis {
    double low, high, step;
    double from, to;
    bool logarithmic; /* base 2 */
};

/* An axis over [low, high], rounded outwards to about `ticks` round steps. */
struct axis axis_make(double low, double high, unsigned ticks, double from, double to);
double axis_at(const struct axis *axis, double value);
const char *axis_text(const struct axis *axis, double value, char text[32]);

const char *plot_text(const json_t *object, const char *key);
double plot_number(const json_t *object, const char *key);
/* The title with its unit. */
void plot_title(const json_t *plot, char *title, size_t size);

char *plot_lines(const json_t *plot);
char *plot_bars(const json_t *plot);
char *plot_stack(const json_t *plot);
char *plot_timeline(const json_t *plot);
char *plot_tornado(const json_t *plot);

#endif
