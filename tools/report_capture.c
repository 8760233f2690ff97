/* The receipt as a packet comment, for Wireshark: what frame.comment says of a transmitted frame. */
#define _GNU_SOURCE
#include "tools/report.h"

#include "base/check.h"
#include "traces/pcapng.h"

#include <stdlib.h>

/* Receipts are in the order of frames' ways, ids nearly so: found by search among few neighbours. */
static const struct receipt *find(const struct receipts *receipts, uint64_t id)
{
    size_t low = 0, high = receipts->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (receipts->receipt[middle].packet->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < receipts->count && receipts->receipt[low].packet->id == id ? &receipts->receipt[low] : NULL;
}

static char *receipt_comment(void *ctx, uint64_t id)
{
    const struct report *report = ctx;
    const struct receipt *r = find(&report->receipts, id);
    if (r == NULL)
        return NULL;
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    CHECK(out != NULL);
    uint64_t layers[LAYER_COUNT] = {0};
    for (unsigned i = 0; i < report->receipts.step_count; i++)
        layers[trace_step(report->analysis.trace, i)->layer] += r->latency_steps[i];
    fprintf(out, "%.3f us from the transmitting access to the last bit",
            report_us(report, receipt_latency(r)));
    for (int i = 0; i < LAYER_COUNT; i++)
        if (layers[i] != 0)
            fprintf(out, "\n%s %.3f", layer_name((enum layer)i), report_us(report, layers[i]));
    fprintf(out, "\nphysical NIC %.3f\nwire %.3f", report_us(report, r->wire - r->nic),
            report_us(report, r->delivered - r->wire));
    CHECK(fclose(out) == 0);
    return text;
}

enum status report_capture(const struct report *report, const char *capture, FILE *out, struct error *err)
{
    return pcapng_annotate(capture, out, receipt_comment, (void *)(uintptr_t)report, err);
}
