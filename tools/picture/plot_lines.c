/* Lines over a swept parameter: a colour and a shape per series, published figures as open shapes of the same
 * colour. Values of a parameter that are no numbers stand beside each other, and points are not joined. */
#include "tools/picture/plot_priv.h"

#include <math.h>
#include <string.h>

enum { LEFT = 58, RIGHT = 24, FIELD = 300, LEGEND_ROW = 20, BOTTOM = 56, SHAPE = 4 };

struct field {
    const json_t *plot;
    struct axis x, y;
    double top; /* of the field, below title and legend */
    bool joined;
};

/* ---- Extent ---- */

/* Least and greatest of a coordinate (0: x, 1: y) of all points, published ones too. */
static bool extent(const json_t *plot, size_t coordinate, double *low, double *high)
{
    static const char *const lists[] = {"points", "published"};
    const json_t *series, *point;
    size_t i, k;
    bool any = false;
    json_array_foreach (json_object_get(plot, "series"), i, series)
        for (unsigned list = 0; list < ARRAY_LEN(lists); list++)
            json_array_foreach (json_object_get(series, lists[list]), k, point) {
                double value = json_number_value(json_array_get(point, coordinate));
                *low = any && *low < value ? *low : value;
                *high = any && *high > value ? *high : value;
                any = true;
            }
    return any;
}

/* Each value the same multiple of the one before? */
static bool is_geometric(const json_t *plot, size_t *count)
{
    const json_t *series = json_array_get(json_object_get(plot, "series"), 0), *point;
    double before = 0, ratio = 0;
    size_t i;
    *count = json_array_size(json_object_get(series, "points"));
    json_array_foreach (json_object_get(series, "points"), i, point) {
        double x = json_number_value(json_array_get(point, 0));
        if (x <= 0 || (i > 1 && fabs(x / before - ratio) > 0.01 * ratio))
            return false;
        ratio = i ? x / before : 0;
        before = x;
    }
    return *count > 2 && ratio >= 1.5;
}

/* ---- Shapes ---- */

static void shape(struct svg *svg, double x, double y, unsigned colour, bool open)
{
    char class[32];
    double r = SHAPE;
    snprintf(class, sizeof class, open ? "open s%u" : "f%u", colour % SVG_COLOURS);
    switch (colour % 4) {
    case 0: svg_add(svg, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" class=\"%s\"/>", x, y, r, class); break;
    case 1:
        svg_add(svg, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" class=\"%s\"/>", x - r + 0.4,
                y - r + 0.4, 2 * r - 0.8, 2 * r - 0.8, class);
        break;
    case 2:
        svg_add(svg, "<path d=\"M%.1f %.1fl%.1f %.1fh%.1fz\" class=\"%s\"/>", x, y - r - 0.6, r + 0.6,
                2 * r + 0.4, -2 * r - 1.2, class);
        break;
    default:
        svg_add(svg, "<path d=\"M%.1f %.1fl%.1f %.1fl%.1f %.1fl%.1f %.1fz\" class=\"%s\"/>", x, y - r - 1,
                r + 1, r + 1, -r - 1, r + 1, -r - 1, -r - 1, class);
    }
}

/* ---- Legend ---- */

static bool has_published(const json_t *plot)
{
    const json_t *series;
    size_t i;
    json_array_foreach (json_object_get(plot, "series"), i, series)
        if (json_array_size(json_object_get(series, "published")) > 0)
            return true;
    return false;
}

/* Entries one after the other, in rows; how many rows. NULL: count only. */
static unsigned legend(struct svg *svg, const json_t *plot)
{
    const json_t *series;
    double x = PLOT_MARGIN, y = 46;
    unsigned rows = 1;
    size_t i, count = json_array_size(json_object_get(plot, "series"));
    for (i = 0; i <= count; i++) {
        series = json_array_get(json_object_get(plot, "series"), i);
        const char *name = i < count ? plot_text(series, "name") : "open: published (Sugerman 2001)";
        double width = 34 + svg_text_width(name);
        if (i == count && !has_published(plot))
            break;
        if (x + width > PLOT_WIDTH && x > PLOT_MARGIN) {
            x = PLOT_MARGIN;
            y += LEGEND_ROW;
            rows++;
        }
        if (svg != NULL && i < count) {
            shape(svg, x + 6, y - 4, (unsigned)i, false);
            svg_text(svg, x + 16, y, SVG_START, "", "%s", name);
        } else if (svg != NULL) {
            svg_text(svg, x + 4, y, SVG_START, "soft", "%s", name);
        }
        x += width;
    }
    return rows;
}

/* ---- Axes ---- */

static void x_label(const struct field *field, double value, char text[static 32])
{
    if (field->x.logarithmic && value >= 1024 && fmod(value, 1024) == 0)
        snprintf(text, 32, "%.0fK", value / 1024);
    else if (field->x.logarithmic)
        snprintf(text, 32, "%.6g", value);
    else
        axis_text(&field->x, value, text);
}

static void draw_x_axis(struct svg *svg, const struct field *field)
{
    double bottom = field->top + FIELD;
    const json_t *value, *first = json_array_get(json_object_get(field->plot, "series"), 0);
    size_t i;
    char text[32];
    if (!field->joined) {
        json_array_foreach (json_object_get(field->plot, "values"), i, value)
            svg_text(svg, axis_at(&field->x, (double)i), bottom + 18, SVG_MIDDLE, "", "%s",
                     json_string_value(value));
    } else if (field->x.logarithmic) {
        json_array_foreach (json_object_get(first, "points"), i, value) {
            double x = json_number_value(json_array_get(value, 0));
            x_label(field, x, text);
            svg_line(svg, axis_at(&field->x, x), bottom, axis_at(&field->x, x), bottom + 4, "axis");
            svg_text(svg, axis_at(&field->x, x), bottom + 18, SVG_MIDDLE, "", "%s", text);
        }
    } else {
        for (double x = field->x.low; x <= field->x.high + field->x.step / 2; x += field->x.step) {
            x_label(field, x, text);
            svg_line(svg, axis_at(&field->x, x), bottom, axis_at(&field->x, x), bottom + 4, "axis");
            svg_text(svg, axis_at(&field->x, x), bottom + 18, SVG_MIDDLE, "", "%s", text);
        }
    }
    svg_line(svg, LEFT, bottom, PLOT_WIDTH - RIGHT, bottom, "axis");
    const char *unit = svg_unit(plot_text(field->plot, "x_unit")), *says = plot_text(field->plot, "x_text");
    svg_text(svg, (LEFT + PLOT_WIDTH - RIGHT) / 2.0, bottom + 40, SVG_MIDDLE, "soft", "%s%s%s%s%s",
             plot_text(field->plot, "x"), *unit ? ", " : "", unit, *says ? ": " : "", says);
}

static void draw_y_axis(struct svg *svg, const struct field *field)
{
    char text[32];
    for (double y = field->y.low; y <= field->y.high + field->y.step / 2; y += field->y.step) {
        svg_line(svg, LEFT, axis_at(&field->y, y), PLOT_WIDTH - RIGHT, axis_at(&field->y, y), "grid");
        svg_text(svg, LEFT - 8, axis_at(&field->y, y) + 4, SVG_END, "", "%s", axis_text(&field->y, y, text));
    }
}

/* ---- Series ---- */

/* A point; or a bar, beside those of the other series. */
static void draw_value(struct svg *svg, const struct field *field, double x, double y, unsigned colour)
{
    double series = (double)json_array_size(json_object_get(field->plot, "series")),
           at = axis_at(&field->x, x);
    double width = 0.7 * (axis_at(&field->x, 1) - axis_at(&field->x, 0)) / series;
    char class[16], number[32];
    if (field->joined) {
        shape(svg, at, axis_at(&field->y, y), colour, false);
        return;
    }
    width = fmin(width, 60);
    at += (colour - series / 2) * width;
    snprintf(class, sizeof class, "f%u", colour % SVG_COLOURS);
    svg_box(svg, at + 1, axis_at(&field->y, y), width - 2, axis_at(&field->y, 0) - axis_at(&field->y, y),
            class);
    svg_text(svg, at + width / 2, axis_at(&field->y, y) - 4, SVG_MIDDLE, "", "%s", svg_number(y, number));
}

static void draw_series(struct svg *svg, const struct field *field, const json_t *series, unsigned colour)
{
    const json_t *points = json_object_get(series, "points"), *point;
    const char *unit = svg_unit(plot_text(field->plot, "unit")), *metric = plot_text(field->plot, "y");
    size_t i;
    char number[32], at[64];
    if (field->joined && json_array_size(points) > 1) {
        svg_add(svg, "<polyline class=\"line s%u\" points=\"", colour % SVG_COLOURS);
        json_array_foreach (points, i, point)
            svg_add(svg, "%.1f,%.1f ", axis_at(&field->x, json_number_value(json_array_get(point, 0))),
                    axis_at(&field->y, json_number_value(json_array_get(point, 1))));
        svg_add(svg, "\"/>\n");
    }
    json_array_foreach (points, i, point) {
        double x = json_number_value(json_array_get(point, 0)),
               y = json_number_value(json_array_get(point, 1));
        const char *run = json_string_value(json_array_get(json_object_get(series, "runs"), i));
        if (field->joined)
            x_label(field, x, at);
        else
            snprintf(at, sizeof at, "%s",
                     json_string_value(json_array_get(json_object_get(field->plot, "values"), (size_t)x)));
        svg_mark(svg, run, metric, "%s, %s=%s: %s %s", plot_text(series, "name"), plot_text(field->plot, "x"),
                 at, svg_number(y, number), unit);
        draw_value(svg, field, x, y, colour);
        svg_mark_end(svg);
    }
    json_array_foreach (json_object_get(series, "published"), i, point) {
        double x = json_number_value(json_array_get(point, 0)),
               y = json_number_value(json_array_get(point, 1));
        svg_mark(svg, NULL, NULL, "%s, published: %s %s", plot_text(series, "name"), svg_number(y, number),
                 unit);
        shape(svg, axis_at(&field->x, x), axis_at(&field->y, y), colour, true);
        svg_mark_end(svg);
    }
}

char *plot_lines(const json_t *plot)
{
    struct field field = {.plot = plot, .joined = json_is_true(json_object_get(plot, "scale"))};
    const json_t *series;
    double x_low, x_high, y_low, y_high;
    size_t i, count;
    struct svg svg;
    char title[256];
    if (!extent(plot, 0, &x_low, &x_high) || !extent(plot, 1, &y_low, &y_high))
        return NULL;
    field.top = 40 + LEGEND_ROW * legend(NULL, plot);
    field.y = axis_make(fmin(y_low, 0), fmax(y_high, y_low < 0 ? 0 : 1e-9), 6, field.top + FIELD, field.top);
    if (!field.joined)
        field.x = (struct axis){x_low - 0.5, x_high + 0.5, 1, LEFT, PLOT_WIDTH - RIGHT, false};
    else if (is_geometric(plot, &count))
        field.x = (struct axis){x_low, x_high, 0, LEFT + 10, PLOT_WIDTH - RIGHT - 10, true};
    else
        field.x = axis_make(x_low, x_high, 10, LEFT + 10, PLOT_WIDTH - RIGHT - 10);
    plot_title(plot, title, sizeof title);
    svg_begin(&svg, PLOT_WIDTH, field.top + FIELD + BOTTOM, title);
    legend(&svg, plot);
    draw_y_axis(&svg, &field);
    draw_x_axis(&svg, &field);
    json_array_foreach (json_object_get(plot, "series"), i, series)
        draw_series(&svg, &field, series, (unsigned)i);
    return svg_end(&svg);
}
