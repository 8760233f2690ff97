/* The part of the text report about the guest's own functions, if the trace has any: the way of the data
 * packets up to the transmitting access, how long calls took, samples. */
#include "tools/profile.h"

#include "base/check.h"

#include <inttypes.h>
#include <stdlib.h>

static const char *name_of(const struct report *report, uint32_t name)
{
    return trace_name(report->analysis.trace, name);
}

/* ---- The way of the packets ---- */

static uint64_t guest_part(const uint64_t layers[LAYER_COUNT])
{
    return layers[LAYER_GUEST_USER] + layers[LAYER_GUEST_KERNEL];
}

static void print_way_row(const struct report *report, const struct ways_function *f, double n, FILE *out)
{
    uint64_t guest = guest_part(f->layers), idle = f->layers[LAYER_IDLE];
    fprintf(out, "  %-32s %9zu %12.3f us %11.3f %11.3f %11.3f\n", name_of(report, f->name), f->packets,
            report_us(report, f->ticks) / n, report_us(report, guest) / n,
            report_us(report, f->ticks - guest - idle) / n, report_us(report, idle) / n);
}

static void print_ways(const struct report *report, FILE *out)
{
    const struct ways *ways = &report->ways;
    const struct receipts *r = &report->receipts;
    uint64_t latency = 0, sum = 0;
    double n = (double)ways->packets;
    for (size_t i = 0; i < r->count; i++) {
        struct way way;
        way_make(&report->analysis, &r->receipt[i], &way);
        latency += way.count ? receipt_latency(&r->receipt[i]) : 0;
    }
    fprintf(
        out,
        "\nWay of the mean data packet through the guest, up to the transmitting access (%zu packets of %zu)\n"
        "  %-32s %9s %15s %11s %11s %11s\n",
        ways->packets, r->count, "from the entry of", "packets", "to the next", "guest", "monitor,host",
        "idle");
    for (size_t i = 0; i < ways->count; i++) {
        print_way_row(report, &ways->function[i], n, out);
        sum += ways->function[i].ticks;
    }
    fprintf(out, "  %-42s %12.3f us   (difference %" PRId64 ")\n",
            "sum: from the outermost entry to the access", report_us(report, sum) / n,
            (int64_t)(ways->ticks - sum));
    fprintf(out, "  %-42s %12.3f us\n", "latency: from the access to the last bit",
            report_us(report, latency) / n);
    fprintf(out, "  %-42s %12.3f us   (every packet's way adds up exactly)\n",
            "from the outermost entry to the last bit", report_us(report, sum + latency) / n);
}

/* One packet's, with times from its access. */
static void print_one_way(const struct report *report, FILE *out)
{
    const struct receipts *r = &report->receipts;
    struct way way = {.count = 0};
    size_t at = r->count / 2;
    for (; at < r->count && way.count == 0; at++)
        way_make(&report->analysis, &r->receipt[at], &way);
    if (way.count == 0)
        return;
    const struct receipt *receipt = &r->receipt[at - 1];
    fprintf(out, "\nWay of packet %" PRIu64 "\n", receipt->packet->id);
    for (unsigned i = 0; i < way.count; i++)
        fprintf(out, "  at %12.3f us  %*s%s\n", -report_us(report, receipt->out - way.stage[i].begin),
                (int)(2 * i), "",
                name_of(report, calls_get(&report->analysis.calls, way.stage[i].call)->name));
    fprintf(out, "  at %12.3f us  transmitting access\n  at %12.3f us  last bit at the other end\n", 0.0,
            report_us(report, receipt_latency(receipt)));
}

/* ---- Calls ---- */

struct function_sum {
    uint32_t name;
    size_t calls, lost;
    uint64_t elapsed; /* of calls that returned */
    uint64_t guest;   /* while it was the innermost, guest instructions */
    uint64_t other;   /* and the monitor and the host */
};

static int by_time(const void *x, const void *y)
{
    const struct function_sum *a = x, *b = y;
    uint64_t first = a->guest + a->other, second = b->guest + b->other;
    if (first != second)
        return first < second ? 1 : -1;
    return a->name < b->name ? -1 : a->name > b->name;
}

static void print_calls(const struct report *report, const struct profile *profile, FILE *out)
{
    const struct calls *calls = &report->analysis.calls;
    uint32_t names = trace_name_count(report->analysis.trace);
    struct function_sum *sums = xcalloc(names, sizeof *sums);
    for (uint32_t i = 0; i < names; i++)
        sums[i].name = i;
    for (size_t n = 1; n <= calls->count; n++) {
        const struct call *call = calls_get(calls, n);
        sums[call->name].calls++;
        sums[call->name].lost += call->lost;
        sums[call->name].elapsed += call->lost ? 0 : call->end - call->begin;
    }
    for (size_t i = 0; i < profile->count; i++) {
        const struct profile_entry *entry = &profile->entry[i];
        struct function_sum *sum = &sums[profile->path[entry->path].name];
        bool guest = trace_step(report->analysis.trace, entry->step)->layer == LAYER_GUEST_KERNEL;
        *(guest ? &sum->guest : &sum->other) += entry->ticks;
    }
    qsort(sums, names, sizeof *sums, by_time);
    fprintf(
        out,
        "\nProbed functions of the guest, whole run: time as the innermost of them\n  %-32s %9s %9s %15s %16s %16s\n",
        "", "calls", "no return", "entry to return", "guest, cycles", "monitor, host");
    for (uint32_t i = 0; i < names; i++) {
        const struct function_sum *sum = &sums[i];
        size_t returned = sum->calls - sum->lost;
        if (sum->calls > 0)
            fprintf(out, "  %-32s %9zu %9zu %12.3f us %16.0f %16.0f\n", name_of(report, sum->name),
                    sum->calls, sum->lost, returned ? report_us(report, sum->elapsed) / (double)returned : 0,
                    report_cycles(report, sum->guest), report_cycles(report, sum->other));
    }
    free(sums);
}

/* ---- Samples ---- */

struct sample_sum {
    uint32_t name;
    size_t count;
};

static int by_count(const void *x, const void *y)
{
    const struct sample_sum *a = x, *b = y;
    if (a->count != b->count)
        return a->count < b->count ? 1 : -1;
    return a->name < b->name ? -1 : a->name > b->name;
}

static void print_samples(const struct report *report, FILE *out)
{
    enum { ROWS = 20 };
    const struct calls *calls = &report->analysis.calls;
    uint32_t names = trace_name_count(report->analysis.trace);
    struct sample_sum *sums = xcalloc(names, sizeof *sums);
    for (uint32_t i = 0; i < names; i++)
        sums[i].name = i;
    for (size_t i = 0; i < calls->sample_count; i++)
        sums[calls->sample[i].name].count++;
    qsort(sums, names, sizeof *sums, by_count);
    fprintf(out, "\nSamples of the guest's kernel: %zu\n", calls->sample_count);
    for (uint32_t i = 0; i < names && i < ROWS && sums[i].count > 0; i++)
        fprintf(out, "  %-32s %9zu %6.2f %%\n", name_of(report, sums[i].name), sums[i].count,
                100.0 * (double)sums[i].count / (double)calls->sample_count);
    free(sums);
}

void report_functions(const struct report *report, FILE *out)
{
    const struct calls *calls = &report->analysis.calls;
    if (report->ways.packets > 0) {
        print_ways(report, out);
        print_one_way(report, out);
    }
    if (calls->count > 0) {
        struct profile profile;
        profile_make(report, &profile);
        print_calls(report, &profile, out);
        profile_free(&profile);
    }
    if (calls->sample_count > 0)
        print_samples(report, out);
}
