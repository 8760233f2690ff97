/* Receipts: what one transmitted frame cost, by layer and step.
 *
 * Three views of the same frame, each a sum that is exact (contract E4):
 *
 *   latency  from the first cycle of the transmitting access (TX_OUT) to the arrival of the last bit at the
 * other end (TX_DELIVERED): what the CPU did until the physical NIC had the frame, then `queue` (waiting in
 * the NIC for the link), then `wire` visit    from TX_OUT to the next guest instruction (TX_RESUME): the time
 * line of the paper's Figure 5 period   from this frame's TX_OUT to the next frame's: everything the CPU did
 * per packet; the periods of a transfer add up to it */
#ifndef CROSSPAGE_TRACES_RECEIPT_H
#define CROSSPAGE_TRACES_RECEIPT_H

#include "traces/analysis.h"

struct receipt {
    const struct packet *packet;
    tick_t out, nic, wire, delivered, resume, next_out; /* next_out: TICK_NEVER for the last */
    uint64_t *latency_steps;                            /* ticks per step in [out, nic) */
    uint64_t *visit_steps;                              /* ticks per step in [out, resume) */
    uint64_t *period_steps;                             /* ticks per step in [out, next_out) */
};

/* All frames of the transfer: transmitted, delivered, at least `min_size` bytes. Arrays of one receipt are
 * consecutive. */
struct receipts {
    size_t count;
    struct receipt *receipt;
    uint64_t *steps; /* storage of all step arrays */
    unsigned step_count;
};

void receipts_make(const struct analysis *analysis, uint32_t min_size, struct receipts *receipts);
void receipts_free(struct receipts *receipts);

/* Check the sums of every receipt; the number that do not add up (0, or the recorder is broken). */
size_t receipts_verify(const struct receipts *receipts);

static inline tick_t receipt_latency(const struct receipt *r)
{
    return r->delivered - r->out;
}

#endif
