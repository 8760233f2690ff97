/* Pictures of results: an SVG of each plot that a result has (docs/experiments.md says what a plot is). The
 * files that `crosspage experiment -o` leaves and the pictures in its report are these, so there is one
 * drawing of everything. */
#ifndef CROSSPAGE_TOOLS_PICTURE_PLOT_H
#define CROSSPAGE_TOOLS_PICTURE_PLOT_H

#include <jansson.h>

/* The picture; free() it. NULL: there is nothing to draw. */
char *plot_svg(const json_t *plot);

#endif
