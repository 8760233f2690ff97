/* Writing SVG: a picture in memory, made of text, lines and boxes. Colours are classes, so that the same
 * picture suits light and dark surroundings, alone or inside a page: fN fills, sN strokes with colour N of
 * the palette. */
#ifndef CROSSPAGE_TOOLS_PICTURE_SVG_H
#define CROSSPAGE_TOOLS_PICTURE_SVG_H

#include "base/types.h"

#include <stdio.h>

enum { SVG_COLOURS = 14 };

struct svg {
    FILE *out;
    char *text;
    size_t size;
};

enum svg_anchor { SVG_START, SVG_MIDDLE, SVG_END };

void svg_begin(struct svg *svg, double width, double height, const char *title);
/* The whole picture; free() it. */
char *svg_end(struct svg *svg);

/* As given; what is not ours goes through svg_escaped. */
void svg_add(struct svg *svg, const char *format, ...) PRINTF(2, 3);
void svg_escaped(struct svg *svg, const char *text);
void svg_text(struct svg *svg, double x, double y, enum svg_anchor anchor, const char *class,
              const char *format, ...) PRINTF(6, 7);
void svg_line(struct svg *svg, double x1, double y1, double x2, double y2, const char *class);
void svg_box(struct svg *svg, double x, double y, double width, double height, const char *class);

/* What is drawn until svg_mark_end is of this run's metric (NULL: of none); `text` is said when it is pointed
 * at. */
void svg_mark(struct svg *svg, const char *run, const char *metric, const char *format, ...) PRINTF(4, 5);
void svg_mark_end(struct svg *svg);

/* Width of a text in pixels, near enough to place things. */
double svg_text_width(const char *text);

/* Class of a text on a box of this colour. */
const char *svg_on(unsigned colour);

/* A unit as people write it. */
const char *svg_unit(const char *unit);

/* A number as a picture shows it: as many digits as say something. */
const char *svg_number(double value, char text[32]);

#endif
