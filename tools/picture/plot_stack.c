/* Metrics that add up: stacked bars of a table's shares, and the time line of a transmitting access, drawn to
 * scale as in the paper's Figure 5. Published figures have a bar of their own below the run's. */
#include "tools/picture/plot_priv.h"

#include <math.h>
#include <string.h>

enum { LEFT = 180, RIGHT = 30, TOP = 44, BAR = 30, GAP = 14, LEGEND_ROW = 19 };

static double sum_of(const json_t *bar)
{
    const json_t *part;
    double sum = 0;
    size_t i;
    json_array_foreach (json_object_get(bar, "parts"), i, part)
        sum += plot_number(part, "value");
    return sum;
}

static double greatest_sum(const json_t *plot)
{
    const json_t *bar;
    double high = 0;
    size_t i;
    json_array_foreach (json_object_get(plot, "bars"), i, bar)
        high = fmax(high, sum_of(bar));
    return high;
}

static const json_t *part_of(const json_t *bar, const char *metric)
{
    const json_t *part;
    size_t i;
    json_array_foreach (json_object_get(bar, "parts"), i, part)
        if (strcmp(plot_text(part, "metric"), metric) == 0)
            return part;
    return NULL;
}

/* A value axis at the top of `bottom`, with its unit. */
static void draw_axis(struct svg *svg, const struct axis *axis, double top, double bottom, const char *unit)
{
    char text[32];
    for (double value = axis->low; value <= axis->high + axis->step / 2; value += axis->step) {
        double x = axis_at(axis, value);
        svg_line(svg, x, top, x, bottom, "grid");
        svg_text(svg, x, bottom + 16, SVG_MIDDLE, "", "%s%s%s", axis_text(axis, value, text),
                 value == axis->low ? " " : "", value == axis->low ? unit : "");
    }
}

/* ---- Stacked bars ---- */

static void draw_parts(struct svg *svg, const json_t *plot, const json_t *bar, const struct axis *axis,
                       double y)
{
    const json_t *first = json_array_get(json_object_get(plot, "bars"), 0), *part;
    bool published = json_is_true(json_object_get(bar, "published"));
    double at = 0;
    size_t i;
    char class[16], number[32];
    json_array_foreach (json_object_get(first, "parts"), i, part) {
        const json_t *mine = part_of(bar, plot_text(part, "metric"));
        double value = mine ? plot_number(mine, "value") : 0, x = axis_at(axis, at);
        double width = axis_at(axis, at + value) - x;
        if (value <= 0)
            continue;
        snprintf(class, sizeof class, "f%u", (unsigned)i % SVG_COLOURS);
        svg_mark(svg, published ? NULL : plot_text(bar, "run"), plot_text(part, "metric"), "%s, %s: %s %s",
                 plot_text(bar, "name"), plot_text(part, "name"), svg_number(value, number),
                 svg_unit(plot_text(plot, "unit")));
        svg_box(svg, x, y, width - (width > 3 ? 1 : 0), BAR, class);
        if (width > svg_text_width(number) + 4)
            svg_text(svg, x + width / 2, y + BAR / 2.0 + 4, SVG_MIDDLE, svg_on((unsigned)i), "%s", number);
        svg_mark_end(svg);
        at += value;
    }
}

char *plot_stack(const json_t *plot)
{
    const json_t *bars = json_object_get(plot, "bars"), *bar, *first = json_array_get(bars, 0), *part;
    size_t i, parts = json_array_size(json_object_get(first, "parts")), count = json_array_size(bars);
    double bottom = TOP + (BAR + GAP) * (double)count, high = greatest_sum(plot);
    struct axis axis = axis_make(0, high > 90 && high < 100 ? 100 : high, 5, LEFT, PLOT_WIDTH - RIGHT);
    struct svg svg;
    char title[256], class[16];
    if (count == 0 || parts == 0)
        return NULL;
    size_t rows = (parts + 1) / 2;
    plot_title(plot, title, sizeof title);
    svg_begin(&svg, PLOT_WIDTH, bottom + 34 + LEGEND_ROW * (double)rows, title);
    draw_axis(&svg, &axis, TOP - 6, bottom - 6, svg_unit(plot_text(plot, "unit")));
    json_array_foreach (bars, i, bar) {
        double y = TOP + (BAR + GAP) * (double)i;
        svg_text(&svg, LEFT - 10, y + BAR / 2.0 + 4, SVG_END, "", "%s", plot_text(bar, "name"));
        draw_parts(&svg, plot, bar, &axis, y);
    }
    json_array_foreach (json_object_get(first, "parts"), i, part) {
        double x = i < rows ? PLOT_MARGIN : PLOT_WIDTH / 2.0,
               y = bottom + 30 + LEGEND_ROW * (double)(i % rows);
        snprintf(class, sizeof class, "f%u", (unsigned)i % SVG_COLOURS);
        svg_box(&svg, x, y - 9, 10, 10, class);
        svg_text(&svg, x + 16, y, SVG_START, "", "%s", plot_text(part, "name"));
    }
    return svg_end(&svg);
}

/* ---- Time line ---- */

/* Who has the CPU in each segment of the access (tools/transfer.h). */
static const struct {
    const char *metric;
    unsigned lane;
} segments[] = {{"visit_us.out", 0},   {"visit_us.to-host", 1}, {"visit_us.before", 2}, {"visit_us.vmnet", 3},
                {"visit_us.after", 2}, {"visit_us.to-vmm", 1},  {"visit_us.return", 0}};
static const struct {
    const char *name;
    unsigned colour;
} lanes[] = {{"VMM", 3}, {"world switch", 1}, {"VMDriver, VMApp", 7}, {"VMNet and the NIC's driver", 2}};

enum { LANE_BAR = 18, LANE_PAD = 8, LANE_RIGHT = 52 };

static void draw_segments(struct svg *svg, const json_t *plot, const json_t *bar, size_t row, double lane,
                          const struct axis *axis)
{
    bool published = json_is_true(json_object_get(bar, "published"));
    double at = 0;
    char class[32], number[32];
    for (unsigned i = 0; i < ARRAY_LEN(segments); i++) {
        const json_t *part = part_of(bar, segments[i].metric);
        double value = part ? plot_number(part, "value") : 0, x = axis_at(axis, at),
               width = axis_at(axis, at + value) - x;
        double y = TOP + 22 + lane * segments[i].lane + LANE_PAD / 2.0 + (double)row * (LANE_BAR + 2);
        if (part == NULL)
            continue;
        unsigned colour = lanes[segments[i].lane].colour;
        snprintf(class, sizeof class, published ? "open dash s%u" : row ? "pale f%u" : "f%u", colour);
        snprintf(number, sizeof number, "%.2f", value);
        svg_mark(svg, published ? NULL : plot_text(bar, "run"), segments[i].metric, "%s, %s: %s %s",
                 plot_text(bar, "name"), plot_text(part, "name"), number, svg_unit(plot_text(plot, "unit")));
        svg_box(svg, x, y, fmax(width, 1.5), LANE_BAR, class);
        bool inside = width > svg_text_width(number) + 2;
        svg_text(svg, inside ? x + width / 2 : x + width + 4, y + 13, inside ? SVG_MIDDLE : SVG_START,
                 inside && !published && row == 0 ? svg_on(colour) : "", "%s", number);
        svg_mark_end(svg);
        at += value;
    }
}

char *plot_timeline(const json_t *plot)
{
    const json_t *bars = json_object_get(plot, "bars"), *bar;
    size_t i, count = json_array_size(bars);
    double lane = (double)count * (LANE_BAR + 2) + LANE_PAD, bottom = TOP + 22 + lane * ARRAY_LEN(lanes),
           x = PLOT_MARGIN;
    struct axis axis = axis_make(0, greatest_sum(plot), 8, LEFT, PLOT_WIDTH - LANE_RIGHT);
    struct svg svg;
    char title[256];
    if (count == 0 || greatest_sum(plot) <= 0)
        return NULL;
    plot_title(plot, title, sizeof title);
    svg_begin(&svg, PLOT_WIDTH, bottom + 30, title);
    json_array_foreach (bars, i, bar) {
        bool published = json_is_true(json_object_get(bar, "published"));
        svg_box(&svg, x, 37, 16, 10, published ? "open dash s5" : i ? "pale f5" : "f5");
        svg_text(&svg, x + 22, 46, SVG_START, "soft", "%s", plot_text(bar, "name"));
        x += 44 + svg_text_width(plot_text(bar, "name"));
    }
    draw_axis(&svg, &axis, TOP + 18, bottom, svg_unit(plot_text(plot, "unit")));
    for (unsigned k = 0; k < ARRAY_LEN(lanes); k++) {
        double y = TOP + 22 + lane * k;
        svg_line(&svg, PLOT_MARGIN, y, PLOT_WIDTH - LANE_RIGHT, y, "grid");
        svg_text(&svg, PLOT_MARGIN, y + lane / 2 + 4, SVG_START, "", "%s", lanes[k].name);
    }
    svg_line(&svg, PLOT_MARGIN, bottom, PLOT_WIDTH - LANE_RIGHT, bottom, "axis");
    json_array_foreach (bars, i, bar)
        draw_segments(&svg, plot, bar, i, lane, &axis);
    return svg_end(&svg);
}
