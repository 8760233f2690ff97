/* Lying bars: one per run (a vertical stroke is the published figure), and the tornado of a sensitivity. */
#include "tools/picture/plot_priv.h"

#include <math.h>
#include <string.h>

enum { TOP = 44, ROW = 26, BAR = 17, BOTTOM = 40, RIGHT = 70, LABEL_MAX = 330, TORNADO_MAX = 24 };

static double label_width(const json_t *bars)
{
    const json_t *bar;
    double width = 60;
    size_t i;
    json_array_foreach (bars, i, bar)
        width = fmax(width, svg_text_width(plot_text(bar, "name")));
    return fmin(width, LABEL_MAX);
}

static void draw_value_axis(struct svg *svg, const struct axis *axis, double top, double bottom)
{
    char text[32];
    for (double value = axis->low; value <= axis->high + axis->step / 2; value += axis->step) {
        svg_line(svg, axis_at(axis, value), top, axis_at(axis, value), bottom, "grid");
        svg_text(svg, axis_at(axis, value), bottom + 18, SVG_MIDDLE, "", "%s", axis_text(axis, value, text));
    }
}

static void draw_bar(struct svg *svg, const json_t *plot, const json_t *bar, const struct axis *axis,
                     double y)
{
    const json_t *published = json_object_get(bar, "published");
    const char *unit = svg_unit(plot_text(plot, "unit"));
    double value = plot_number(bar, "value"), zero = axis_at(axis, fmax(axis->low, 0)),
           end = axis_at(axis, value);
    char number[32], other[32];
    svg_text(svg, axis->from - 10, y + 13, SVG_END, "", "%s", plot_text(bar, "name"));
    svg_mark(svg, plot_text(bar, "run"), plot_text(plot, "y"), "%s: %s %s", plot_text(bar, "name"),
             svg_number(value, number), unit);
    svg_box(svg, fmin(zero, end), y, fmax(fabs(end - zero), 1), BAR, "f0");
    svg_text(svg, fmax(zero, end) + 6, y + 13, SVG_START, "", "%s", number);
    svg_mark_end(svg);
    if (!json_is_number(published))
        return;
    svg_mark(svg, NULL, NULL, "%s, published: %s %s", plot_text(bar, "name"),
             svg_number(json_number_value(published), other), unit);
    svg_add(svg, "<path d=\"M%.1f %.1fv%d\" class=\"s1\" stroke-width=\"3\"/>",
            axis_at(axis, json_number_value(published)), y - 3, BAR + 6);
    svg_mark_end(svg);
}

char *plot_bars(const json_t *plot)
{
    const json_t *bars = json_object_get(plot, "bars"), *bar;
    double low = 0, high = 0, left = label_width(bars) + 24;
    bool published = false;
    size_t i, count = json_array_size(bars);
    struct svg svg;
    char title[256];
    if (count == 0)
        return NULL;
    json_array_foreach (bars, i, bar) {
        low = fmin(low, plot_number(bar, "value"));
        high = fmax(high, fmax(plot_number(bar, "value"), plot_number(bar, "published")));
        published |= json_is_number(json_object_get(bar, "published"));
    }
    struct axis axis = axis_make(low, fmax(high, low + 1e-9), 6, left, PLOT_WIDTH - RIGHT);
    double bottom = TOP + ROW * (double)count;
    plot_title(plot, title, sizeof title);
    svg_begin(&svg, PLOT_WIDTH, bottom + BOTTOM, title);
    draw_value_axis(&svg, &axis, TOP - 6, bottom);
    json_array_foreach (bars, i, bar)
        draw_bar(&svg, plot, bar, &axis, TOP + ROW * (double)i);
    svg_line(&svg, axis_at(&axis, fmax(axis.low, 0)), TOP - 6, axis_at(&axis, fmax(axis.low, 0)), bottom,
             "axis");
    if (published)
        svg_text(&svg, PLOT_WIDTH - PLOT_MARGIN, 24, SVG_END, "soft",
                 "red stroke: published (Sugerman 2001)");
    return svg_end(&svg);
}

/* ---- Tornado ---- */

static void draw_swing(struct svg *svg, const json_t *plot, const json_t *bar, const struct axis *axis,
                       double y)
{
    static const struct {
        const char *key, *run, *says, *class;
    } sides[] = {{"low", "low_run", "a fifth cheaper", "f2"}, {"high", "high_run", "a fifth dearer", "f3"}};
    double base = plot_number(plot, "base");
    char number[32];
    svg_text(svg, axis->from - 10, y + 13, SVG_END, "", "%s", plot_text(bar, "name"));
    /* Two that go the same way share the row. */
    bool same = (plot_number(bar, "low") - base) * (plot_number(bar, "high") - base) > 0;
    for (unsigned i = 0; i < ARRAY_LEN(sides); i++) {
        double value = plot_number(bar, sides[i].key), from = axis_at(axis, base), to = axis_at(axis, value);
        svg_mark(svg, plot_text(bar, sides[i].run), plot_text(plot, "y"), "%s %s: %s %s",
                 plot_text(bar, "name"), sides[i].says, svg_number(value, number),
                 svg_unit(plot_text(plot, "unit")));
        svg_box(svg, fmin(from, to), same && i ? y + BAR / 2.0 : y, fabs(to - from), same ? BAR / 2.0 : BAR,
                sides[i].class);
        svg_mark_end(svg);
    }
}

static size_t swinging(const json_t *bars)
{
    const json_t *bar;
    size_t i;
    json_array_foreach (bars, i, bar)
        if (plot_number(bar, "low") == plot_number(bar, "high") || i == TORNADO_MAX)
            return i; /* they are sorted */
    return json_array_size(bars);
}

char *plot_tornado(const json_t *plot)
{
    const json_t *bars = json_object_get(plot, "bars");
    size_t count = swinging(bars);
    double low = plot_number(plot, "base"), high = low;
    struct svg svg;
    char title[256];
    if (count == 0)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        const json_t *bar = json_array_get(bars, i);
        low = fmin(low, fmin(plot_number(bar, "low"), plot_number(bar, "high")));
        high = fmax(high, fmax(plot_number(bar, "low"), plot_number(bar, "high")));
    }
    struct axis axis = axis_make(low, high, 7, label_width(bars) + 24, PLOT_WIDTH - 20);
    double bottom = TOP + 18 + ROW * (double)count;
    plot_title(plot, title, sizeof title);
    svg_begin(&svg, PLOT_WIDTH, bottom + BOTTOM, title);
    svg_box(&svg, PLOT_MARGIN, 34, 10, 10, "f2");
    svg_text(&svg, PLOT_MARGIN + 16, 43, SVG_START, "soft", "a fifth cheaper");
    svg_box(&svg, PLOT_MARGIN + 140, 34, 10, 10, "f3");
    svg_text(&svg, PLOT_MARGIN + 156, 43, SVG_START, "soft", "a fifth dearer");
    draw_value_axis(&svg, &axis, TOP + 8, bottom);
    for (size_t i = 0; i < count; i++)
        draw_swing(&svg, plot, json_array_get(bars, i), &axis, TOP + 16 + ROW * (double)i);
    svg_line(&svg, axis_at(&axis, plot_number(plot, "base")), TOP + 8,
             axis_at(&axis, plot_number(plot, "base")), bottom, "ink");
    return svg_end(&svg);
}
