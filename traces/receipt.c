/* Receipts from marks and spans (receipt.h). A frame whose way was only partly recorded (it was in flight
 * when the trace began or ended) gets none; a mark that a configuration does not set falls back to the next
 * later one. */
#include "traces/receipt.h"

#include "base/check.h"

#include <stdlib.h>

static bool transmitted(const struct packet *packet, uint32_t min_size)
{
    return packet->size >= min_size && packet->mark[PACKET_TX_DELIVERED] != TICK_NEVER &&
           packet->mark[PACKET_TX_WIRE] != TICK_NEVER;
}

static tick_t first_of(tick_t a, tick_t b, tick_t c)
{
    return a != TICK_NEVER ? a : b != TICK_NEVER ? b : c;
}

static void fill(const struct analysis *analysis, const struct packet *packet, struct receipt *r)
{
    const tick_t *mark = packet->mark;
    r->packet = packet;
    r->wire = mark[PACKET_TX_WIRE];
    r->delivered = mark[PACKET_TX_DELIVERED];
    r->out = first_of(mark[PACKET_TX_OUT], mark[PACKET_TX_BACKEND], r->wire);
    r->nic = first_of(mark[PACKET_TX_NIC], mark[PACKET_TX_BACKEND], r->wire);
    r->resume = first_of(mark[PACKET_TX_RESUME], r->out, r->out);
    r->next_out = TICK_NEVER;
    analysis_sum(analysis, r->out, r->nic, r->latency_steps);
    analysis_sum(analysis, r->out, r->resume, r->visit_steps);
}

static int by_out(const void *a, const void *b)
{
    const struct receipt *x = a, *y = b;
    if (x->out != y->out)
        return x->out < y->out ? -1 : 1;
    return x->packet->id < y->packet->id ? -1 : x->packet->id > y->packet->id;
}

void receipts_make(const struct analysis *analysis, uint32_t min_size, struct receipts *receipts)
{
    unsigned steps = trace_step_count(analysis->trace);
    size_t count = 0;
    for (size_t i = 0; i < analysis->packet_count; i++)
        count += transmitted(&analysis->packets[i], min_size);
    *receipts = (struct receipts){
        .count = count,
        .receipt = xcalloc(count, sizeof *receipts->receipt),
        .steps = xcalloc(count * 3, steps * sizeof *receipts->steps),
        .step_count = steps,
    };
    size_t n = 0;
    for (size_t i = 0; i < analysis->packet_count; i++) {
        if (!transmitted(&analysis->packets[i], min_size))
            continue;
        struct receipt *r = &receipts->receipt[n];
        r->latency_steps = receipts->steps + n * 3 * steps;
        r->visit_steps = r->latency_steps + steps;
        r->period_steps = r->visit_steps + steps;
        fill(analysis, &analysis->packets[i], r);
        n++;
    }
    if (count)
        qsort(receipts->receipt, count, sizeof *receipts->receipt, by_out);
    for (size_t i = 0; i + 1 < count; i++) {
        struct receipt *r = &receipts->receipt[i];
        r->next_out = receipts->receipt[i + 1].out;
        analysis_sum(analysis, r->out, r->next_out, r->period_steps);
    }
}

void receipts_free(struct receipts *receipts)
{
    free(receipts->receipt);
    free(receipts->steps);
    *receipts = (struct receipts){0};
}

static uint64_t total(const uint64_t *steps, unsigned count)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < count; i++)
        sum += steps[i];
    return sum;
}

size_t receipts_verify(const struct receipts *receipts)
{
    size_t bad = 0;
    for (size_t i = 0; i < receipts->count; i++) {
        const struct receipt *r = &receipts->receipt[i];
        bool ordered =
            r->out <= r->nic && r->nic <= r->wire && r->wire <= r->delivered && r->out <= r->resume;
        uint64_t cpu = total(r->latency_steps, receipts->step_count);
        bool adds_up = cpu + (r->wire - r->nic) + (r->delivered - r->wire) == receipt_latency(r) &&
                       total(r->visit_steps, receipts->step_count) == r->resume - r->out &&
                       (r->next_out == TICK_NEVER ||
                        total(r->period_steps, receipts->step_count) == r->next_out - r->out);
        bad += !(ordered && adds_up);
    }
    return bad;
}
