/* The text report: whole run by layer, the transfer in the shape of the paper's Table 1, one packet in the
 * shape of its Figure 5, the receipt of the mean packet, and how often things happened per packet. Published
 * figures stand beside ours, marked as such. */
#include "tools/accesses.h"
#include "tools/report_published.h"
#include "tools/table2.h"
#include "tools/transfer.h"

#include "base/check.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const struct trace_step *step_of(const struct report *report, unsigned step)
{
    return trace_step(report->analysis.trace, step);
}

static void print_layers(const struct report *report, const uint64_t *ticks, tick_t length, double per,
                         FILE *out)
{
    uint64_t sum = 0;
    for (int i = 0; i < LAYER_COUNT; i++) {
        uint64_t layer = report_layer_sum(report, ticks, (enum layer)i);
        sum += layer;
        if (layer)
            fprintf(out, "  %-18s %16.0f cycles %12.2f us %6.2f %%\n", layer_name((enum layer)i),
                    report_cycles(report, layer), report_us(report, layer) / per,
                    length ? 100.0 * (double)layer / (double)length : 0);
    }
    fprintf(out, "  %-18s %16.0f cycles %12.2f us   (elapsed %.0f, difference %" PRId64 ")\n", "sum",
            report_cycles(report, sum), report_us(report, sum) / per, report_cycles(report, length),
            (int64_t)(sum - length));
}

/* Numbers of a run that never was: first of all. */
static void print_counterfactual(const struct report *report, FILE *out)
{
    json_t *run = json_loads(trace_description(report->analysis.trace), 0, NULL);
    const char *changed = json_string_value(json_object_get(run, "counterfactual"));
    if (changed != NULL)
        fprintf(out, "COUNTERFACTUAL replay of a recorded run: %s\n", changed);
    json_decref(run);
}

static void print_run(const struct report *report, FILE *out)
{
    const struct analysis *a = &report->analysis;
    print_counterfactual(report, out);
    uint64_t *ticks = xcalloc(report->receipts.step_count, sizeof *ticks);
    tick_t start = trace_start(a->trace);
    analysis_sum(a, start, a->end, ticks);
    fprintf(out, "Run: %.6f s simulated at %.3f MHz, %zu visits to the hypervisor, %zu frames\n%s\n\n",
            report_us(report, a->end - start) * 1e-6, report_cycles(report, trace_hz(a->trace)) * 1e-6,
            a->visit_count, a->packet_count, trace_description(a->trace));
    fputs("Time of the whole run by layer\n", out);
    print_layers(report, ticks, a->end - start, 1, out);
    free(ticks);
}

/* ---- The transfer ---- */

static void print_category(const struct report *report, enum category category,
                           const struct category_sum *sum, uint64_t whole, const char *table, FILE *out)
{
    const struct published *percent = report_published_category(table, "category_percent", category),
                           *us = report_published_category(table, "category_us", category);
    fprintf(out, "  %-42s %6.2f %%", category_name(category),
            whole ? 100.0 * (double)sum->ticks / (double)whole : 0);
    if (sum->count)
        fprintf(out, " %9.2f us", report_us(report, sum->ticks) / (double)sum->count);
    else
        fprintf(out, " %12s", "");
    if (percent != NULL)
        fprintf(out, "   %5.1f %%", percent->value);
    if (us != NULL)
        fprintf(out, " %6.2f us", us->value);
    fputc('\n', out);
}

static void print_tables(const struct report *report, const struct transfer *transfer, FILE *out)
{
    struct category_sum sums[CATEGORY_COUNT];
    transfer_categories(report, transfer, sums);
    uint64_t length = transfer_length(transfer), vmm = transfer_vmm(sums);
    enum published_run run = transfer->receives ? RUN_NONE : report_published_run(report);
    const char *table = run == RUN_VERSION_2_0 ? "Table 1" : NULL;
    if (run == RUN_OPTIMIZED || run == RUN_OTHER) {
        struct table2 table2;
        table2_make(report, transfer->from, transfer->to, &table2);
        table2_text(report, &table2, run == RUN_OPTIMIZED, out);
    }
    const struct published *published = table ? published_find(table, "vmm_percent") : NULL;
    fputs("\nTransfer by category: share of all time, average per event", out);
    if (table != NULL)
        fprintf(out, "   published (Sugerman 2001, %s)", table);
    fprintf(out, "\n  %-42s %6.2f %%", "VMM time", length ? 100.0 * (double)vmm / (double)length : 0);
    if (published != NULL)
        fprintf(out, "                %5.1f %%", published->value);
    fputc('\n', out);
    for (int i = 0; i < CATEGORY_COUNT; i++)
        if (sums[i].ticks && category_table((enum category)i) != TABLE_VMM)
            print_category(report, (enum category)i, &sums[i], length, table, out);
    fputs("Inside VMM time: share of VMM time\n", out);
    for (int i = 0; i < CATEGORY_COUNT; i++)
        if (sums[i].ticks && category_table((enum category)i) == TABLE_VMM)
            print_category(report, (enum category)i, &sums[i], vmm, table, out);
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

static void print_step_means(const struct report *report, const uint64_t *sums, FILE *out)
{
    double n = (double)report->receipts.count;
    for (unsigned i = 0; i < report->receipts.step_count; i++) {
        uint64_t sum = report_name_sum(report, sums, i);
        if (sum)
            fprintf(out, "  %-18s %-24s %12.1f cycles %9.3f us   %s\n", layer_name(step_of(report, i)->layer),
                    step_of(report, i)->name, report_cycles(report, sum) / n, report_us(report, sum) / n,
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
            report_cycles(report, queue) / n, report_us(report, queue) / n);
    fprintf(out, "  %-18s %-24s %12.1f cycles %9.3f us\n", "wire", "serialization, propagation",
            report_cycles(report, wire) / n, report_us(report, wire) / n);
    fprintf(out, "  %-18s %-24s %12.1f cycles %9.3f us   (every packet's receipt adds up exactly)\n",
            "latency", "", report_cycles(report, total) / n, report_us(report, total) / n);
    print_percentiles(report, out);
    free(sums);
}

static void print_published_figure5(FILE *out)
{
    const struct published *figure;
    fputs("  published (Sugerman 2001, Figure 5), us:", out);
    for (unsigned i = 0; (figure = published_by_index(i)) != NULL; i++)
        if (strcmp(figure->figure, "Figure 5") == 0 && figure->provenance == 'B')
            fprintf(out, "  %s %.2f;", figure->row, figure->value);
    fprintf(out, "  total %.2f\n", published_find("Figure 5", "visit_us")->value);
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
    if (report_published_run(report) != RUN_NONE)
        print_published_figure5(out);
}

/* ---- Per packet ---- */

static void print_counts(const struct report *report, const struct transfer *transfer, FILE *out)
{
    const struct analysis *a = &report->analysis;
    double n = (double)transfer->packets;
    fputs("\nHow often per data packet\n", out);
    for (unsigned i = 0; i < trace_exit_count(a->trace); i++)
        if (transfer->exits[i])
            fprintf(out, "  exit %-24s %9.3f\n", trace_exit_name(a->trace, i),
                    (double)transfer->exits[i] / n);
    for (unsigned i = 0; i < report->receipts.step_count; i++) {
        uint64_t count = report_name_sum(report, transfer->counts, i);
        if (count)
            fprintf(out, "  %-29s %9.3f\n", step_of(report, i)->name, (double)count / n);
    }
}

void report_text(const struct report *report, FILE *out)
{
    print_run(report, out);
    struct transfer transfer;
    if (!transfer_make(report, &transfer)) {
        fprintf(out,
                "\nFewer than two frames of at least %u bytes were transmitted or received: no receipts.\n",
                report->min_size);
        report_functions(report, out);
        return;
    }
    tick_t length = transfer_length(&transfer);
    fprintf(
        out,
        "\nTransfer: %zu data packets %s in %.6f s: %.2f Mb/s of Ethernet frames\nTime per packet by layer (mean, from one %s to the next)\n",
        transfer.packets + 1, transfer.receives ? "received" : "sent", report_us(report, length) * 1e-6,
        (double)transfer.bytes * 8 / report_us(report, length),
        transfer.receives ? "arrival" : "transmitting access");
    print_layers(report, transfer.ticks, length, (double)transfer.packets, out);
    print_tables(report, &transfer, out);
    if (!transfer.receives) {
        print_figure5(report, out);
        print_receipt(report, out);
    }
    accesses_text(report, &transfer, out);
    print_counts(report, &transfer, out);
    report_functions(report, out);
    transfer_free(&transfer);
}
