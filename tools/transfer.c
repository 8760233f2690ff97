/* Sums over a transfer (transfer.h). Everything here is a sum of ticks or a count; shares and averages are
 * for those who print. */
#include "tools/transfer.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

static bool received(const struct packet *packet, uint32_t min_size)
{
    return packet->size >= min_size && packet->mark[PACKET_RX_ARRIVED] != TICK_NEVER &&
           packet->mark[PACKET_RX_GUEST] != TICK_NEVER;
}

/* Received data packets: how many, from when to when, and the bytes of all but the last to arrive. */
static size_t find_received(const struct report *report, struct transfer *transfer)
{
    const struct analysis *a = &report->analysis;
    size_t count = 0;
    uint32_t last = 0;
    transfer->from = TICK_NEVER;
    for (size_t i = 0; i < a->packet_count; i++) {
        const struct packet *packet = &a->packets[i];
        if (!received(packet, report->min_size))
            continue;
        tick_t when = packet->mark[PACKET_RX_ARRIVED];
        if (when < transfer->from)
            transfer->from = when;
        if (count == 0 || when > transfer->to) {
            transfer->to = when;
            last = packet->size;
        }
        transfer->bytes += packet->size;
        count++;
    }
    transfer->bytes -= last;
    return count;
}

static void find_transmitted(const struct report *report, struct transfer *transfer)
{
    const struct receipts *r = &report->receipts;
    *transfer = (struct transfer){.from = r->receipt[0].out, .to = r->receipt[r->count - 1].out};
    for (size_t i = 0; i + 1 < r->count; i++)
        transfer->bytes += r->receipt[i].packet->size;
}

bool transfer_make(const struct report *report, struct transfer *transfer)
{
    const struct analysis *a = &report->analysis;
    unsigned steps = report->receipts.step_count;
    *transfer = (struct transfer){.receives = true};
    size_t count = find_received(report, transfer);
    if (count < 2 && report->receipts.count < 2)
        return false;
    if (report->receipts.count >= count) {
        count = report->receipts.count;
        find_transmitted(report, transfer);
    }
    transfer->packets = count - 1;
    transfer->ticks = xcalloc(steps, sizeof *transfer->ticks);
    transfer->counts = xcalloc(steps, sizeof *transfer->counts);
    transfer->exits = xcalloc(trace_exit_count(a->trace), sizeof *transfer->exits);
    analysis_sum(a, transfer->from, transfer->to, transfer->ticks);
    analysis_count(a, transfer->from, transfer->to, transfer->counts);
    for (size_t i = analysis_visit_at(a, transfer->from);
         i < a->visit_count && a->visits[i].begin < transfer->to; i++)
        transfer->exits[a->visits[i].exit]++;
    return true;
}

void transfer_free(struct transfer *transfer)
{
    free(transfer->ticks);
    free(transfer->counts);
    free(transfer->exits);
    *transfer = (struct transfer){0};
}

enum category_table category_table(enum category category)
{
    static const uint8_t tables[] = {
#define CATEGORY(id, table, name) TABLE_##table,
#include "traces/category.def"
#undef CATEGORY
    };
    return (enum category_table)tables[category];
}

void transfer_categories(const struct report *report, const struct transfer *transfer,
                         struct category_sum sums[CATEGORY_COUNT])
{
    memset(sums, 0, CATEGORY_COUNT * sizeof *sums);
    for (unsigned i = 0; i < report->receipts.step_count; i++) {
        struct category_sum *sum = &sums[trace_step(report->analysis.trace, i)->category];
        sum->ticks += transfer->ticks[i];
        if (transfer->counts[i] > sum->count)
            sum->count = transfer->counts[i];
    }
}

uint64_t transfer_vmm(const struct category_sum sums[CATEGORY_COUNT])
{
    uint64_t vmm = 0;
    for (int i = 0; i < CATEGORY_COUNT; i++)
        if (category_table((enum category)i) == TABLE_VMM)
            vmm += sums[i].ticks;
    return vmm;
}

uint64_t report_name_sum(const struct report *report, const uint64_t *values, unsigned step)
{
    const struct trace_reader *trace = report->analysis.trace;
    const char *name = trace_step(trace, step)->name;
    uint64_t sum = 0;
    for (unsigned i = 0; i < report->receipts.step_count; i++)
        if (strcmp(trace_step(trace, i)->name, name) == 0) {
            if (i < step)
                return 0;
            sum += values[i];
        }
    return sum;
}

uint64_t report_layer_sum(const struct report *report, const uint64_t *ticks, enum layer layer)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < report->receipts.step_count; i++)
        if (trace_step(report->analysis.trace, i)->layer == layer)
            sum += ticks[i];
    return sum;
}

/* ---- The transmitting visit ---- */

const char *visit_part_name(enum visit_part part)
{
    static const char *const names[VISIT_PART_COUNT] = {"out",   "to-host", "before", "vmnet",
                                                        "after", "to-vmm",  "return"};
    return names[part];
}

static int by_visit(const void *a, const void *b)
{
    const struct receipt *x = *(const struct receipt *const *)a, *y = *(const struct receipt *const *)b;
    tick_t p = x->resume - x->out, q = y->resume - y->out;
    return p != q ? (p < q ? -1 : 1) : x < y ? -1 : x > y;
}

const struct receipt *report_median_visit(const struct report *report)
{
    const struct receipts *r = &report->receipts;
    if (r->count == 0)
        return NULL;
    const struct receipt **order = xcalloc(r->count, sizeof *order);
    for (size_t i = 0; i < r->count; i++)
        order[i] = &r->receipt[i];
    qsort(order, r->count, sizeof *order, by_visit);
    const struct receipt *median = order[r->count / 2];
    free(order);
    return median;
}

/* Which part a span of this layer begins or goes on in. Layers that can belong to the part at hand do. */
static enum visit_part next_part(enum visit_part part, enum layer layer)
{
    switch (layer) {
    case LAYER_SWITCH: return part < VISIT_BEFORE ? VISIT_TO_HOST : VISIT_TO_VMM;
    case LAYER_VMDRIVER:
    case LAYER_VMAPP: return part < VISIT_VMNET ? VISIT_BEFORE : VISIT_AFTER;
    case LAYER_VMNET:
    case LAYER_HOST_KERNEL:
    case LAYER_HOST_NIC: return part < VISIT_VMNET ? VISIT_VMNET : part;
    case LAYER_MONITOR: return part == VISIT_TO_VMM ? VISIT_RETURN : part;
    default: return part;
    }
}

void report_visit_cells(const struct report *report, const struct receipt *receipt, uint64_t *cells)
{
    const struct analysis *a = &report->analysis;
    enum visit_part part = VISIT_OUT;
    if (receipt->resume <= receipt->out)
        return;
    for (size_t i = analysis_span_at(a, receipt->out);
         i < a->span_count && a->span_begin[i] < receipt->resume; i++) {
        tick_t begin = a->span_begin[i] > receipt->out ? a->span_begin[i] : receipt->out;
        tick_t end = i + 1 < a->span_count ? a->span_begin[i + 1] : a->end;
        end = end < receipt->resume ? end : receipt->resume;
        part = next_part(part, trace_step(a->trace, a->span_step[i])->layer);
        cells[part * report->receipts.step_count + a->span_step[i]] += end - begin;
    }
}

void report_visit_parts(const struct report *report, const struct receipt *receipt,
                        uint64_t parts[VISIT_PART_COUNT])
{
    unsigned steps = report->receipts.step_count;
    uint64_t *cells = xcalloc((size_t)VISIT_PART_COUNT * steps, sizeof *cells);
    report_visit_cells(report, receipt, cells);
    for (unsigned part = 0; part < VISIT_PART_COUNT; part++) {
        parts[part] = 0;
        for (unsigned i = 0; i < steps; i++)
            parts[part] += cells[part * steps + i];
    }
    free(cells);
}
