/* The summary of a transfer: one number per name, for tables over many runs (docs/experiments.md lists the
 * names). A name says its unit before the first dot: NAME_percent, NAME_us, NAME_mbps, NAME_per_packet;
 * behind the dot it says which layer, category, step, exit or part of a visit. Metrics that a transfer does
 * not have (a visit when nothing was transmitted) are left out; those of layers and categories are there even
 * when 0. */
#include "tools/accesses.h"
#include "tools/table2.h"
#include "tools/transfer.h"

#include "base/check.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct summary {
    const struct report *report;
    struct transfer transfer;
    json_t *metrics;
};

/* Twelve digits are enough for every count here, and the same on every host. */
static double rounded(double value)
{
    char text[40];
    snprintf(text, sizeof text, "%.12g", value);
    return strtod(text, NULL);
}

static void put(struct summary *s, double value, const char *group, const char *name)
{
    char key[128];
    snprintf(key, sizeof key, name != NULL ? "%s.%s" : "%s", group, name);
    json_object_set_new(s->metrics, key, json_real(rounded(value)));
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void put_headline(struct summary *s)
{
    const struct transfer *t = &s->transfer;
    double n = (double)t->packets, us = report_us(s->report, transfer_length(t));
    put(s, n, "packets", NULL);
    put(s, us * 1e-6, "transfer_seconds", NULL);
    put(s, us / n, "packet_us", NULL);
    put(s, (double)t->bytes / n, "frame_bytes", NULL);
    put(s, (double)t->bytes * 8 / us, "frames_mbps", NULL);
    put(s, percent(report_layer_sum(s->report, t->ticks, LAYER_IDLE), transfer_length(t)), "idle_percent",
        NULL);
}

static void put_layers(struct summary *s)
{
    for (int i = 0; i < LAYER_COUNT; i++)
        put(s,
            percent(report_layer_sum(s->report, s->transfer.ticks, (enum layer)i),
                    transfer_length(&s->transfer)),
            "layer_percent", layer_name((enum layer)i));
}

/* As the paper does: of all time, or of VMM time, by the table the category stands in. */
static void put_categories(struct summary *s)
{
    static const char *const ids[CATEGORY_COUNT] = {
#define CATEGORY(id, table, name) #id,
#include "traces/category.def"
#undef CATEGORY
    };
    struct category_sum sums[CATEGORY_COUNT];
    transfer_categories(s->report, &s->transfer, sums);
    uint64_t vmm = transfer_vmm(sums), all = transfer_length(&s->transfer);
    put(s, percent(vmm, all), "vmm_percent", NULL);
    for (int i = 0; i < CATEGORY_COUNT; i++)
        put(s, percent(sums[i].ticks, category_table((enum category)i) == TABLE_VMM ? vmm : all),
            "category_percent", ids[i]);
    for (int i = 0; i < CATEGORY_COUNT; i++)
        if (sums[i].count)
            put(s, report_us(s->report, sums[i].ticks) / (double)sums[i].count, "category_us", ids[i]);
}

static void put_table2(struct summary *s)
{
    struct table2 table;
    table2_make(s->report, s->transfer.from, s->transfer.to, &table);
    put(s, percent(table.vmm, table.length), "table2_vmm_percent", NULL);
    for (unsigned row = 0; row < TABLE2_COUNT; row++)
        put(s, table2_percent(&table, row), "table2_percent", table2_row_id(row));
    for (unsigned row = 0; row < TABLE2_COUNT; row++)
        if (table.counts[row])
            put(s, report_us(s->report, table.ticks[row]) / (double)table.counts[row], "table2_us",
                table2_row_id(row));
}

static bool pic_port(uint64_t port)
{
    return port == 0x20 || port == 0x21 || port == 0xA0 || port == 0xA1;
}

/* Port accesses: to the interrupt controllers, and to the ports that PCI functions get. */
static void put_port_counts(struct summary *s)
{
    enum { PCI_PORTS = 0x1000 };
    const struct analysis *a = &s->report->analysis;
    uint64_t pic = 0, pci = 0, interrupts = 0;
    for (unsigned i = 0; i < trace_exit_count(a->trace); i++)
        if (strcmp(trace_exit_name(a->trace, i), "INTERRUPT") == 0)
            interrupts = s->transfer.exits[i];
    for (size_t i = analysis_visit_at(a, s->transfer.from);
         i < a->visit_count && a->visits[i].begin < s->transfer.to; i++) {
        const char *name = trace_exit_name(a->trace, a->visits[i].exit);
        bool port = strcmp(name, "IN") == 0 || strcmp(name, "OUT") == 0;
        pic += port && pic_port(a->visits[i].detail);
        pci += port && a->visits[i].detail >= PCI_PORTS;
    }
    double n = (double)s->transfer.packets;
    put(s, (double)interrupts / n, "virq_per_packet", NULL);
    put(s, (double)pic / n, "pic_io_per_packet", NULL);
    put(s, (double)pci / n, "pci_io_per_packet", NULL);
    if (interrupts)
        put(s, (double)pic / (double)interrupts, "pic_per_virq", NULL);
}

/* The parts of a world switch, and what the guest runs between two. */
static void put_switch(struct summary *s, double switches)
{
    const struct trace_reader *trace = s->report->analysis.trace;
    uint64_t guest = 0, all = 0;
    for (unsigned i = 0; i < s->report->receipts.step_count; i++) {
        const struct trace_step *step = trace_step(trace, i);
        uint64_t ticks = report_name_sum(s->report, s->transfer.ticks, i);
        if (step->layer == LAYER_GUEST_USER || step->layer == LAYER_GUEST_KERNEL)
            guest += ticks;
        if (step->layer != LAYER_SWITCH || ticks == 0)
            continue;
        all += ticks;
        put(s, report_us(s->report, ticks) / switches, "switch_us", step->name);
    }
    put(s, report_us(s->report, all) / switches, "switch_us", NULL);
    put(s, report_us(s->report, guest) / switches, "guest_us_per_switch", NULL);
}

/* By register. All are there, so that a sum of them is, too. */
static void put_accesses(struct summary *s)
{
    struct accesses accesses;
    double n = (double)s->transfer.packets;
    accesses_make(s->report, &s->transfer, &accesses);
    for (unsigned i = 0; i < ACCESS_COUNT; i++) {
        put(s, (double)accesses.reads[i] / n, "read_per_packet", access_name((enum access_row)i));
        put(s, (double)accesses.writes[i] / n, "write_per_packet", access_name((enum access_row)i));
    }
}

static void put_counts(struct summary *s)
{
    const struct trace_reader *trace = s->report->analysis.trace;
    double n = (double)s->transfer.packets;
    uint64_t switches = 0;
    for (unsigned i = 0; i < s->report->receipts.step_count; i++)
        if (strcmp(trace_step(trace, i)->name, "switch.save") == 0)
            switches += s->transfer.counts[i];
    put(s, (double)switches / n, "switches_per_packet", NULL);
    if (switches)
        put_switch(s, (double)switches);
    put_port_counts(s);
    for (unsigned i = 0; i < trace_exit_count(trace); i++)
        if (s->transfer.exits[i])
            put(s, (double)s->transfer.exits[i] / n, "exit_per_packet", trace_exit_name(trace, i));
    for (unsigned i = RECORDER_FIRST_COST; i < s->report->receipts.step_count; i++) {
        uint64_t count = report_name_sum(s->report, s->transfer.counts, i);
        if (count)
            put(s, (double)count / n, "count_per_packet", trace_step(trace, i)->name);
    }
}

/* All that the CPU did per packet, by step: adds up to packet_us. */
static void put_steps(struct summary *s)
{
    for (unsigned step = 0; step < s->report->receipts.step_count; step++) {
        uint64_t sum = report_name_sum(s->report, s->transfer.ticks, step);
        if (sum)
            put(s, report_us(s->report, sum) / (double)s->transfer.packets, "step_us",
                trace_step(s->report->analysis.trace, step)->name);
    }
}

static void put_visit(struct summary *s)
{
    const struct receipt *median = report_median_visit(s->report);
    uint64_t parts[VISIT_PART_COUNT];
    if (median == NULL || median->resume <= median->out)
        return;
    report_visit_parts(s->report, median, parts);
    put(s, report_us(s->report, median->resume - median->out), "visit_us", NULL);
    for (int i = 0; i < VISIT_PART_COUNT; i++)
        put(s, report_us(s->report, parts[i]), "visit_us", visit_part_name((enum visit_part)i));
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void put_latency(struct summary *s)
{
    const struct receipts *r = &s->report->receipts;
    uint64_t *latency = xcalloc(r->count, sizeof *latency), total = 0;
    for (size_t i = 0; i < r->count; i++) {
        latency[i] = receipt_latency(&r->receipt[i]);
        total += latency[i];
    }
    qsort(latency, r->count, sizeof *latency, by_value);
    put(s, report_us(s->report, total) / (double)r->count, "latency_us", NULL);
    put(s, report_us(s->report, latency[r->count / 2]), "latency_us", "p50");
    put(s, report_us(s->report, latency[r->count * 9 / 10]), "latency_us", "p90");
    put(s, report_us(s->report, latency[r->count * 99 / 100]), "latency_us", "p99");
    free(latency);
}

/* The mean receipt, by step. */
static void put_receipt(struct summary *s)
{
    const struct receipts *r = &s->report->receipts;
    uint64_t *sums = xcalloc(r->step_count, sizeof *sums), queue = 0, wire = 0;
    for (size_t i = 0; i < r->count; i++) {
        for (unsigned step = 0; step < r->step_count; step++)
            sums[step] += r->receipt[i].latency_steps[step];
        queue += r->receipt[i].wire - r->receipt[i].nic;
        wire += r->receipt[i].delivered - r->receipt[i].wire;
    }
    double n = (double)r->count;
    for (unsigned step = 0; step < r->step_count; step++) {
        uint64_t sum = report_name_sum(s->report, sums, step);
        if (sum)
            put(s, report_us(s->report, sum) / n, "receipt_us",
                trace_step(s->report->analysis.trace, step)->name);
    }
    put(s, report_us(s->report, queue) / n, "receipt_us", "queue");
    put(s, report_us(s->report, wire) / n, "receipt_us", "wire");
    free(sums);
}

/* The mean way through the guest's functions (ways.h), which add up. */
static void put_ways(struct summary *s)
{
    const struct ways *ways = &s->report->ways;
    double n = (double)ways->packets;
    if (ways->packets == 0)
        return;
    put(s, report_us(s->report, ways->ticks) / n, "way_us", NULL);
    for (size_t i = 0; i < ways->count; i++)
        put(s, report_us(s->report, ways->function[i].ticks) / n, "way_us",
            trace_name(s->report->analysis.trace, ways->function[i].name));
}

void report_summary(const struct report *report, FILE *out)
{
    struct summary s = {.report = report, .metrics = json_object()};
    bool any = transfer_make(report, &s.transfer);
    if (any) {
        put_headline(&s);
        put_layers(&s);
        put_categories(&s);
        put_table2(&s);
        put_counts(&s);
        put_accesses(&s);
        put_steps(&s);
    }
    if (any && !s.transfer.receives) {
        put_visit(&s);
        put_latency(&s);
        put_receipt(&s);
        put_ways(&s);
    }
    json_t *run = json_loads(trace_description(report->analysis.trace), 0, NULL);
    json_t *root = json_pack("{s:o, s:I, s:s, s:o}", "run", run ? run : json_object(), "hz",
                             (json_int_t)trace_hz(report->analysis.trace), "direction",
                             !any                  ? "none"
                             : s.transfer.receives ? "receive"
                                                   : "transmit",
                             "metrics", s.metrics);
    json_dumpf(root, out, JSON_INDENT(1) | JSON_REAL_PRECISION(12));
    fputc('\n', out);
    json_decref(root);
    if (any)
        transfer_free(&s.transfer);
}
