/* Differences of mean receipts (report_diff.h).
 *
 * Two views: `latency` (transmitting access to last bit at the other end: steps, the NIC's queue, the wire)
 * and `period` (transmitting access to the next one: all that the CPU did per packet, idle time included).
 * Steps are matched by name.
 *
 * Means are fractions: ticks summed over packets, by packets x ticks per second. A step's difference is
 *
 *     (b.ticks x a.packets x a.hz  -  a.ticks x b.packets x b.hz) / (a.packets x a.hz x b.packets x b.hz)
 *
 * and as all have one denominator, the numerators are whole numbers that must add up to the difference of the
 * totals; that is checked each time. They fit 128 bits: 2^45 ticks, 2^20 packets, 2^34 Hz. */
#include "tools/report_diff.h"

#include "base/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum diff_view { DIFF_LATENCY, DIFF_PERIOD };

/* One row: a step, or one of the two stretches that are no step. */
struct line {
    const char *layer, *name;
    uint64_t ticks[2]; /* of a and b, over all packets */
};

struct lines {
    size_t count;
    struct line *line;
};

static struct line *line_of(struct lines *lines, const char *layer, const char *name)
{
    for (size_t i = 0; i < lines->count; i++)
        if (strcmp(lines->line[i].name, name) == 0 && strcmp(lines->line[i].layer, layer) == 0)
            return &lines->line[i];
    if ((lines->count & (lines->count - 1)) == 0)
        lines->line = xrealloc(lines->line, (lines->count ? 2 * lines->count : 1) * sizeof *lines->line);
    lines->line[lines->count] = (struct line){.layer = layer, .name = name};
    return &lines->line[lines->count++];
}

static void add_steps(const struct report *report, enum diff_view view, unsigned side, struct lines *lines)
{
    const struct receipts *r = &report->receipts;
    for (unsigned step = 0; step < r->step_count; step++) {
        const struct trace_step *info = trace_step(report->analysis.trace, step);
        uint64_t sum = 0;
        for (size_t i = 0; i < r->count; i++)
            sum += (view == DIFF_LATENCY ? r->receipt[i].latency_steps : r->receipt[i].period_steps)[step];
        if (sum)
            line_of(lines, layer_name(info->layer), info->name)->ticks[side] += sum;
    }
    for (size_t i = 0; view == DIFF_LATENCY && i < r->count; i++) {
        const struct receipt *receipt = &r->receipt[i];
        line_of(lines, "physical NIC", "queue")->ticks[side] += receipt->wire - receipt->nic;
        line_of(lines, "wire", "wire")->ticks[side] += receipt->delivered - receipt->wire;
    }
}

static uint64_t total_of(const struct report *report, enum diff_view view)
{
    const struct receipts *r = &report->receipts;
    uint64_t total = 0;
    for (size_t i = 0; i < r->count; i++)
        total += view == DIFF_LATENCY ? receipt_latency(&r->receipt[i])
                 : i + 1 < r->count   ? r->receipt[i].next_out - r->receipt[i].out
                                      : 0;
    return total;
}

/* What turns sums of ticks into the common denominator. */
struct scale {
    unsigned __int128 a, b; /* multiply a's ticks, b's ticks */
    double us[2];           /* microseconds per packet, per tick */
};

static struct scale scale_of(const struct report *const report[2], enum diff_view view)
{
    struct scale scale;
    unsigned __int128 each[2];
    for (unsigned side = 0; side < 2; side++) {
        uint64_t packets = report[side]->receipts.count - (view == DIFF_PERIOD),
                 hz = trace_hz(report[side]->analysis.trace);
        each[side] = (unsigned __int128)packets * hz;
        scale.us[side] = 1e6 / ((double)packets * (double)hz);
    }
    scale.a = each[1];
    scale.b = each[0];
    return scale;
}

static __int128 numerator(const struct scale *scale, const uint64_t ticks[2])
{
    return (__int128)(scale->b * ticks[1]) - (__int128)(scale->a * ticks[0]);
}

static json_t *line_json(const struct scale *scale, const char *layer, const char *name,
                         const uint64_t ticks[2])
{
    double a = (double)ticks[0] * scale->us[0], b = (double)ticks[1] * scale->us[1];
    double difference = (double)numerator(scale, ticks) * scale->us[0] / (double)scale->a;
    return json_pack("{s:s, s:s, s:I, s:I, s:f, s:f, s:f}", "layer", layer, "step", name, "a_ticks",
                     (json_int_t)ticks[0], "b_ticks", (json_int_t)ticks[1], "a_us", a, "b_us", b,
                     "difference_us", difference);
}

/* Rows of layers: sums of the rows of their steps. */
static json_t *layers_json(const struct scale *scale, const struct lines *lines)
{
    struct lines layers = {0};
    json_t *rows = json_array();
    for (size_t i = 0; i < lines->count; i++) {
        struct line *layer = line_of(&layers, lines->line[i].layer, "");
        layer->ticks[0] += lines->line[i].ticks[0];
        layer->ticks[1] += lines->line[i].ticks[1];
    }
    for (size_t i = 0; i < layers.count; i++)
        json_array_append_new(rows, line_json(scale, layers.line[i].layer, "", layers.line[i].ticks));
    free(layers.line);
    return rows;
}

static enum status view_json(const struct report *const report[2], enum diff_view view, json_t **out,
                             struct error *err)
{
    struct lines lines = {0};
    struct scale scale = scale_of(report, view);
    uint64_t totals[2];
    __int128 sum = 0;
    json_t *steps = json_array();
    for (unsigned side = 0; side < 2; side++) {
        add_steps(report[side], view, side, &lines);
        totals[side] = total_of(report[side], view);
    }
    for (size_t i = 0; i < lines.count; i++) {
        const struct line *line = &lines.line[i];
        sum += numerator(&scale, line->ticks);
        json_array_append_new(steps, line_json(&scale, line->layer, line->name, line->ticks));
    }
    bool exact = sum == numerator(&scale, totals);
    *out = json_pack("{s:o, s:o, s:o}", "total", line_json(&scale, "sum", "", totals), "layers",
                     layers_json(&scale, &lines), "steps", steps);
    free(lines.line);
    if (exact)
        return STATUS_OK;
    json_decref(*out);
    return status_fail(err, STATUS_BAD_INPUT, "the differences of the steps do not add up");
}

/* The members of the runs' descriptions that are not equal. */
static json_t *differences_json(const json_t *a, const json_t *b)
{
    json_t *rows = json_array(), *value;
    const char *key;
    json_object_foreach ((json_t *)(uintptr_t)a, key, value)
        if (strcmp(key, "command_line") != 0 && !json_equal(value, json_object_get(b, key))) {
            const json_t *other = json_object_get(b, key);
            json_array_append_new(rows, json_pack("{s:s, s:O, s:o}", "what", key, "a", value, "b",
                                                  other ? json_deep_copy(other) : json_null()));
        }
    return rows;
}

static json_t *side_json(const struct report *report)
{
    const struct trace_reader *trace = report->analysis.trace;
    json_t *run = json_loads(trace_description(trace), 0, NULL);
    return json_pack("{s:o, s:I, s:I}", "run", run ? run : json_object(), "hz", (json_int_t)trace_hz(trace),
                     "packets", (json_int_t)report->receipts.count);
}

enum status report_diff(const struct report *a, const struct report *b, json_t **diff, struct error *err)
{
    const struct report *const report[2] = {a, b};
    json_t *latency, *period;
    for (unsigned side = 0; side < 2; side++)
        if (report[side]->receipts.count < 2)
            return status_fail(err, STATUS_BAD_INPUT,
                               "the %s trace has fewer than two frames of at least %u bytes: no receipts",
                               side ? "second" : "first", report[side]->min_size);
    TRY(view_json(report, DIFF_LATENCY, &latency, err));
    enum status status = view_json(report, DIFF_PERIOD, &period, err);
    if (status != STATUS_OK) {
        json_decref(latency);
        return status;
    }
    json_t *of_a = side_json(a), *of_b = side_json(b);
    json_t *differs = differences_json(json_object_get(of_a, "run"), json_object_get(of_b, "run"));
    *diff = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "schema", "crosspage difference 1", "a", of_a, "b",
                      of_b, "differs", differs, "latency", latency, "period", period);
    return STATUS_OK;
}

/* ---- Text ---- */

static void print_line(const json_t *line, FILE *out)
{
    double a = json_number_value(json_object_get(line, "a_us")),
           b = json_number_value(json_object_get(line, "b_us"));
    fprintf(out, "  %-18s %-24s %11.3f %11.3f %+11.3f", json_string_value(json_object_get(line, "layer")),
            json_string_value(json_object_get(line, "step")), a, b,
            json_number_value(json_object_get(line, "difference_us")));
    if (a > 0)
        fprintf(out, " %+9.1f %%", 100 * (b - a) / a);
    fputc('\n', out);
}

static double difference_of(const json_t *line)
{
    return json_number_value(json_object_get(line, "difference_us"));
}

/* The largest first, whatever their sign. */
static int by_difference(const void *a, const void *b)
{
    double x = fabs(difference_of(*(json_t *const *)a)), y = fabs(difference_of(*(json_t *const *)b));
    return x != y ? (x > y ? -1 : 1) : 0;
}

static void print_steps(const json_t *steps, FILE *out)
{
    size_t count = json_array_size(steps);
    json_t **order = xcalloc(count + 1, sizeof *order);
    for (size_t i = 0; i < count; i++)
        order[i] = json_array_get(steps, i);
    qsort(order, count, sizeof *order, by_difference);
    for (size_t i = 0; i < count && difference_of(order[i]) != 0; i++)
        print_line(order[i], out);
    free(order);
}

static void print_view(const json_t *view, const char *title, FILE *out)
{
    const json_t *line;
    size_t i;
    fprintf(out, "\n%s\n  %-43s %11s %11s %11s\n", title, "mean per packet, us", "A", "B", "B - A");
    json_array_foreach (json_object_get(view, "layers"), i, line)
        print_line(line, out);
    print_line(json_object_get(view, "total"), out);
    fputs("  what differs, by step\n", out);
    print_steps(json_object_get(view, "steps"), out);
}

void report_diff_text(const json_t *diff, FILE *out)
{
    static const char *const sides[] = {"a", "b"};
    const json_t *row;
    size_t i;
    for (unsigned side = 0; side < 2; side++) {
        const json_t *of = json_object_get(diff, sides[side]);
        const char *command = json_string_value(json_object_get(json_object_get(of, "run"), "command_line"));
        fprintf(out, "%c: %" JSON_INTEGER_FORMAT " data packets; %s\n", "AB"[side],
                json_integer_value(json_object_get(of, "packets")), command ? command : "?");
    }
    json_array_foreach (json_object_get(diff, "differs"), i, row) {
        char *a = json_dumps(json_object_get(row, "a"), JSON_COMPACT | JSON_ENCODE_ANY),
             *b = json_dumps(json_object_get(row, "b"), JSON_COMPACT | JSON_ENCODE_ANY);
        fprintf(out, "differs: %s: %s, %s\n", json_string_value(json_object_get(row, "what")), a, b);
        free(a);
        free(b);
    }
    print_view(json_object_get(diff, "latency"),
               "Latency: from the transmitting access to its last bit at the other end", out);
    print_view(json_object_get(diff, "period"),
               "Period: from one transmitting access to the next, all of the CPU's time", out);
    fputs("\nThe differences of all steps add up to that of the sums, exactly.\n", out);
}
