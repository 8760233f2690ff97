/* The text report: whole run by layer, the transfer in the shape of the paper's Table 1, one packet in the
 * shape of its Figure 5, the receipt of the mean packet, and how often things happened per packet. Published
 * figures stand beside ours, marked as such. */
#include "tools/report.h"

#include "base/check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The transfer: from the first data packet's OUT to the last one's. */
struct window {
    tick_t from, to;
    uint64_t *ticks, *counts; /* per step */
};

static const struct trace_step *step_of(const struct report *report, unsigned step)
{
    return trace_step(report->analysis.trace, step);
}

static uint64_t layer_sum(const struct report *report, const uint64_t *ticks, enum layer layer)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < report->receipts.step_count; i++)
        if (step_of(report, i)->layer == layer)
            sum += ticks[i];
    return sum;
}

static void print_layers(const struct report *report, const uint64_t *ticks, tick_t length, double per,
                         FILE *out)
{
    uint64_t sum = 0;
    for (int i = 0; i < LAYER_COUNT; i++) {
        uint64_t layer = layer_sum(report, ticks, (enum layer)i);
        sum += layer;
        if (layer)
            fprintf(out, "  %-18s %16" PRIu64 " cycles %12.2f us %6.2f %%\n", layer_name((enum layer)i),
                    layer, report_us(report, layer) / per,
                    length ? 100.0 * (double)layer / (double)length : 0);
    }
    fprintf(out, "  %-18s %16" PRIu64 " cycles %12.2f us   (elapsed %" PRIu64 ", difference %" PRId64 ")\n",
            "sum", sum, report_us(report, sum) / per, length, (int64_t)(sum - length));
}

static void print_run(const struct report *report, FILE *out)
{
    const struct analysis *a = &report->analysis;
    uint64_t *ticks = xcalloc(report->receipts.step_count, sizeof *ticks);
    tick_t start = trace_start(a->trace);
    analysis_sum(a, start, a->end, ticks);
    fprintf(out, "Run: %.6f s simulated at %.3f MHz, %zu visits to the hypervisor, %zu frames\n%s\n\n",
            report_us(report, a->end - start) * 1e-6, (double)trace_hz(a->trace) * 1e-6, a->visit_count,
            a->packet_count, trace_description(a->trace));
    fputs("Time of the whole run by layer\n", out);
    print_layers(report, ticks, a->end - start, 1, out);
    free(ticks);
}

/* ---- The transfer ---- */

static void window_make(const struct report *report, struct window *window)
{
    const struct receipts *r = &report->receipts;
    *window = (struct window){.from = r->receipt[0].out, .to = r->receipt[r->count - 1].out};
    window->ticks = xcalloc(r->step_count, sizeof *window->ticks);
    window->counts = xcalloc(r->step_count, sizeof *window->counts);
    analysis_sum(&report->analysis, window->from, window->to, window->ticks);
    analysis_count(&report->analysis, window->from, window->to, window->counts);
}

struct row {
    uint64_t ticks, count;
};

static void sum_categories(const struct report *report, const struct window *window,
                           struct row rows[CATEGORY_COUNT])
{
    memset(rows, 0, CATEGORY_COUNT * sizeof *rows);
    for (unsigned i = 0; i < report->receipts.step_count; i++) {
        struct row *row = &rows[step_of(report, i)->category];
        row->ticks += window->ticks[i];
        if (window->counts[i] > row->count) /* an event of a row is its most frequent step */
            row->count = window->counts[i];
    }
}

enum table { TABLE_NONE, TABLE_TOTAL, TABLE_VMM };

static enum table category_table(enum category category)
{
    static const uint8_t tables[] = {
#define CATEGORY(id, table, name) TABLE_##table,
#include "traces/category.def"
#undef CATEGORY
    };
    return (enum table)tables[category];
}

static void published_category(enum category category, double *percent, double *us)
{
    *percent = *us = -1;
    switch (category) {
#define PUBLISHED_CATEGORY(id, share, average)                                                               \
    case CATEGORY_##id:                                                                                      \
        *percent = share;                                                                                    \
        *us = average;                                                                                       \
        break;
#define PUBLISHED_VISIT(segment, us_)
#include "tools/published.def"
#undef PUBLISHED_CATEGORY
#undef PUBLISHED_VISIT
    default: break;
    }
}

static void print_category(const struct report *report, enum category category, const struct row *row,
                           uint64_t whole, bool compare, FILE *out)
{
    double percent, us;
    published_category(category, &percent, &us);
    fprintf(out, "  %-42s %6.2f %%", category_name(category),
            whole ? 100.0 * (double)row->ticks / (double)whole : 0);
    if (row->count)
        fprintf(out, " %9.2f us", report_us(report, row->ticks) / (double)row->count);
    else
        fprintf(out, " %12s", "");
    if (compare && percent >= 0)
        fprintf(out, "   %5.1f %%", percent);
    if (compare && us > 0)
        fprintf(out, " %6.2f us", us);
    fputc('\n', out);
}

/* Which of the paper's tables a run may be compared with: they are of one machine, in two versions. */
enum published_run { RUN_NONE, RUN_VERSION_2_0, RUN_OPTIMIZED, RUN_OTHER };

static enum published_run published_run(const struct report *report)
{
    const char *text = trace_description(report->analysis.trace);
    if (strstr(text, "\"hypervisor\":\"workstation\"") == NULL)
        return RUN_NONE;
    if (strstr(text, "\"hypervisor_options\":\"\"") != NULL)
        return RUN_VERSION_2_0;
    bool optimized = strstr(text, "\"hypervisor_options\":\"version=optimized\"") != NULL ||
                     strstr(text, "\"hypervisor_options\":\"version=optimized,halt=spin\"") != NULL;
    return optimized && strstr(text, "\"profile\":\"pc-733\"") != NULL ? RUN_OPTIMIZED : RUN_OTHER;
}

static void print_tables(const struct report *report, const struct window *window, FILE *out)
{
    struct row rows[CATEGORY_COUNT];
    sum_categories(report, window, rows);
    uint64_t length = window->to - window->from, vmm = 0;
    for (int i = 0; i < CATEGORY_COUNT; i++)
        if (category_table((enum category)i) == TABLE_VMM)
            vmm += rows[i].ticks;
    enum published_run run = published_run(report);
    if (run == RUN_OPTIMIZED || run == RUN_OTHER)
        report_table2(report, window->from, window->to, run == RUN_OPTIMIZED, out);
    bool workstation = run == RUN_VERSION_2_0;
    const char *head = workstation ? "published (Sugerman 2001, Table 1)" : "";
    fprintf(out, "\nTransfer by category: share of all time, average per event   %s\n", head);
    fprintf(out, "  %-42s %6.2f %%", "VMM time", length ? 100.0 * (double)vmm / (double)length : 0);
    fputs(workstation ? "                 77.3 %\n" : "\n", out);
    for (int i = 0; i < CATEGORY_COUNT; i++)
        if (rows[i].ticks && category_table((enum category)i) != TABLE_VMM)
            print_category(report, (enum category)i, &rows[i], length, workstation, out);
    fputs("Inside VMM time: share of VMM time\n", out);
    for (int i = 0; i < CATEGORY_COUNT; i++)
        if (rows[i].ticks && category_table((enum category)i) == TABLE_VMM)
            print_category(report, (enum category)i, &rows[i], vmm, workstation, out);
}

/* ---- The mean packet ---- */

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void print_percentiles(const struct report *report, FILE *out)
{
    const struct receipts *r = &report->receipts;
    uint64_t *latency = xcalloc(r->count, sizeof *latency);
    for (size_t i = 0; i < r->count; i++)
        latency[i] = receipt_latency(&r->receipt[i]);
    qsort(latency, r->count, sizeof *latency, by_value);
    fprintf(out, "  latency percentiles: min %.2f, 50 %% %.2f, 90 %% %.2f, 99 %% %.2f, max %.2f us\n",
            report_us(report, latency[0]), report_us(report, latency[r->count / 2]),
            report_us(report, latency[r->count * 9 / 10]), report_us(report, latency[r->count * 99 / 100]),
            report_us(report, latency[r->count - 1]));
    free(latency);
}

/* The sum over all steps of this name (variants of a cost differ only in the category they are counted in); 0
 * when an earlier step has the name already. */
static uint64_t sum_of_name(const struct report *report, const uint64_t *values, unsigned step)
{
    const char *name = step_of(report, step)->name;
    uint64_t sum = 0;
    for (unsigned i = 0; i < report->receipts.step_count; i++)
        if (strcmp(step_of(report, i)->name, name) == 0) {
            if (i < step)
                return 0;
            sum += values[i];
        }
    return sum;
}

static void print_step_means(const struct report *report, const uint64_t *sums, FILE *out)
{
    double n = (double)report->receipts.count;
    for (unsigned i = 0; i < report->receipts.step_count; i++) {
        uint64_t sum = sum_of_name(report, sums, i);
        if (sum)
            fprintf(out, "  %-18s %-24s %12.1f cycles %9.3f us   %s\n", layer_name(step_of(report, i)->layer),
                    step_of(report, i)->name, (double)sum / n, report_us(report, sum) / n,
                    step_of(report, i)->status);
    }
}

static void print_receipt(const struct report *report, FILE *out)
{
    const struct receipts *r = &report->receipts;
    uint64_t *sums = xcalloc(r->step_count, sizeof *sums), queue = 0, wire = 0, total = 0;
    for (size_t i = 0; i < r->count; i++) {
        const struct receipt *receipt = &r->receipt[i];
        for (unsigned step = 0; step < r->step_count; step++)
            sums[step] += receipt->latency_steps[step];
        queue += receipt->wire - receipt->nic;
        wire += receipt->delivered - receipt->wire;
        total += receipt_latency(receipt);
    }
    double n = (double)r->count;
    fprintf(
        out,
        "\nReceipt of the mean data packet: from the transmitting access to its last bit at the other end (%zu packets)\n",
        r->count);
    print_step_means(report, sums, out);
    fprintf(out, "  %-18s %-24s %12.1f cycles %9.3f us\n", "physical NIC", "DMA, waiting for the link",
            (double)queue / n, report_us(report, queue) / n);
    fprintf(out, "  %-18s %-24s %12.1f cycles %9.3f us\n", "wire", "serialization, propagation",
            (double)wire / n, report_us(report, wire) / n);
    fprintf(out, "  %-18s %-24s %12.1f cycles %9.3f us   (every packet's receipt adds up exactly)\n",
            "latency", "", (double)total / n, report_us(report, total) / n);
    print_percentiles(report, out);
    free(sums);
}

/* Figure 5: the spans between the transmitting OUT and the next guest instruction, in order, grouped by
 * layer; of the packet in the middle of the transfer. */
static void print_figure5(const struct report *report, FILE *out)
{
    const struct receipts *r = &report->receipts;
    const struct analysis *a = &report->analysis;
    const struct receipt *middle = &r->receipt[r->count / 2];
    if (middle->resume <= middle->out)
        return;
    fprintf(out,
            "\nTime line of one transmitting access (packet %" PRIu64 "), until the next guest instruction\n",
            middle->packet->id);
    size_t i = analysis_span_at(a, middle->out);
    while (i < a->span_count && a->span_begin[i] < middle->resume) {
        enum layer layer = step_of(report, a->span_step[i])->layer;
        tick_t begin = a->span_begin[i] > middle->out ? a->span_begin[i] : middle->out;
        while (i < a->span_count && a->span_begin[i] < middle->resume &&
               step_of(report, a->span_step[i])->layer == layer)
            i++;
        tick_t end = i < a->span_count ? a->span_begin[i] : a->end;
        end = end < middle->resume ? end : middle->resume;
        fprintf(out, "  %-18s %9.3f us  at %9.3f us\n", layer_name(layer), report_us(report, end - begin),
                report_us(report, begin - middle->out));
    }
    fprintf(out, "  %-18s %9.3f us\n", "total", report_us(report, middle->resume - middle->out));
    if (strstr(trace_description(a->trace), "\"hypervisor\":\"workstation\"") == NULL)
        return;
    fputs("  published (Sugerman 2001, Figure 5), us:", out);
    double total = 0;
#define PUBLISHED_CATEGORY(id, share, average)
#define PUBLISHED_VISIT(segment, us_)                                                                        \
    fprintf(out, "  %s %.2f;", segment, us_);                                                                \
    total += us_;
#include "tools/published.def"
#undef PUBLISHED_CATEGORY
#undef PUBLISHED_VISIT
    fprintf(out, "  total %.2f\n", total);
}

/* ---- Per packet ---- */

static void print_counts(const struct report *report, const struct window *window, FILE *out)
{
    const struct analysis *a = &report->analysis;
    double n = (double)(report->receipts.count - 1);
    uint64_t *exits = xcalloc(trace_exit_count(a->trace), sizeof *exits);
    for (size_t i = analysis_visit_at(a, window->from); i < a->visit_count && a->visits[i].begin < window->to;
         i++)
        exits[a->visits[i].exit]++;
    fputs("\nHow often per data packet\n", out);
    for (unsigned i = 0; i < trace_exit_count(a->trace); i++)
        if (exits[i])
            fprintf(out, "  exit %-24s %9.3f\n", trace_exit_name(a->trace, i), (double)exits[i] / n);
    for (unsigned i = 0; i < report->receipts.step_count; i++) {
        uint64_t count = sum_of_name(report, window->counts, i);
        if (count)
            fprintf(out, "  %-29s %9.3f\n", step_of(report, i)->name, (double)count / n);
    }
    free(exits);
}

void report_text(const struct report *report, FILE *out)
{
    print_run(report, out);
    const struct receipts *r = &report->receipts;
    if (r->count < 2) {
        fprintf(out, "\nFewer than two frames of at least %u bytes were transmitted: no receipts.\n",
                report->min_size);
        return;
    }
    struct window window;
    window_make(report, &window);
    uint64_t bytes = 0;
    for (size_t i = 0; i + 1 < r->count; i++)
        bytes += r->receipt[i].packet->size;
    tick_t length = window.to - window.from;
    fprintf(
        out,
        "\nTransfer: %zu data packets in %.6f s: %.2f Mb/s of Ethernet frames\nTime per packet by layer (mean, from one transmitting access to the next)\n",
        r->count, report_us(report, length) * 1e-6, (double)bytes * 8 / report_us(report, length));
    print_layers(report, window.ticks, length, (double)(r->count - 1), out);
    print_tables(report, &window, out);
    print_figure5(report, out);
    print_receipt(report, out);
    print_counts(report, &window, out);
    free(window.ticks);
    free(window.counts);
}
