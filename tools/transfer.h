/* The transfer in a trace: the time from the first data packet to the last one, and what was done in it.
 *
 * Data packets are the frames of at least `min_size` bytes in the direction that has more of them. The
 * transfer lasts from the first one's start (its transmitting access, or its arrival at the physical NIC) to
 * the last one's, so it is the time of all data packets but the last. */
#ifndef CROSSPAGE_TOOLS_TRANSFER_H
#define CROSSPAGE_TOOLS_TRANSFER_H

#include "tools/report.h"

struct transfer {
    bool receives;
    tick_t from, to;
    size_t packets;           /* without the last one */
    uint64_t bytes;           /* of their frames */
    uint64_t *ticks, *counts; /* per step */
    uint64_t *exits;          /* how often, per exit */
};

/* False when there are fewer than two data packets in both directions: then nothing is to be freed. */
bool transfer_make(const struct report *report, struct transfer *transfer) MUST_CHECK;
void transfer_free(struct transfer *transfer);

static inline tick_t transfer_length(const struct transfer *transfer)
{
    return transfer->to - transfer->from;
}

/* A row of the paper's Tables 1 and 2. */
struct category_sum {
    uint64_t ticks, count; /* an event of a row is its most frequent step */
};

enum category_table { TABLE_NONE, TABLE_TOTAL, TABLE_VMM };

enum category_table category_table(enum category category);
void transfer_categories(const struct report *report, const struct transfer *transfer,
                         struct category_sum sums[CATEGORY_COUNT]);
/* Ticks of all categories inside VMM time. */
uint64_t transfer_vmm(const struct category_sum sums[CATEGORY_COUNT]);

/* Values (per step) summed over all steps of this step's name: variants of a cost differ only in the category
 * they are counted in. 0 when an earlier step has the name already. */
uint64_t report_name_sum(const struct report *report, const uint64_t *values, unsigned step);
uint64_t report_layer_sum(const struct report *report, const uint64_t *ticks, enum layer layer);

/* ---- The parts of the visit that transmits a packet, as in the paper's Figure 5 ---- */

enum visit_part {
    VISIT_OUT,     /* VMM, processing the OUT */
    VISIT_TO_HOST, /* world switch */
    VISIT_BEFORE,  /* VMDriver and VMApp, before the system call */
    VISIT_VMNET,   /* the system call */
    VISIT_AFTER,   /* VMApp and VMDriver */
    VISIT_TO_VMM,  /* world switch */
    VISIT_RETURN,  /* VMM, to the next guest instruction */
    VISIT_PART_COUNT
};

const char *visit_part_name(enum visit_part part);

/* The packet whose visit is of median length: interrupts that fall into a visit do not show. */
const struct receipt *report_median_visit(const struct report *report);
void report_visit_parts(const struct report *report, const struct receipt *receipt,
                        uint64_t parts[VISIT_PART_COUNT]);
/* The same cell by cell: ticks of each step in each part, added to cells[VISIT_PART_COUNT][step count]. */
void report_visit_cells(const struct report *report, const struct receipt *receipt, uint64_t *cells);

#endif
