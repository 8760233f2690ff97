/* A whole trace in memory, for reports: spans, visits and packets, with sums over any interval.
 *
 * Spans are contiguous: span i ends where span i+1 begins, the last one at `end`. */
#ifndef CROSSPAGE_TRACES_ANALYSIS_H
#define CROSSPAGE_TRACES_ANALYSIS_H

#include "traces/calls.h"

struct visit {
    tick_t begin, end;
    uint64_t detail, pc;
    unsigned exit;
};

struct packet {
    uint64_t id;
    uint32_t size;
    tick_t mark[PACKET_MARK_COUNT]; /* TICK_NEVER: not passed */
};

struct analysis {
    struct trace_reader *trace; /* names of steps and exits */
    size_t span_count;
    tick_t *span_begin;
    uint16_t *span_step;
    tick_t end;
    size_t visit_count;
    struct visit *visits;
    size_t packet_count;
    struct packet *packets; /* by id */
    size_t event_count;     /* counted happenings of steps (recorder_count), in order */
    tick_t *event_when;
    uint16_t *event_step;
    struct calls calls; /* of the guest's functions */
};

enum status analysis_load(struct analysis *analysis, const char *path, struct error *err) MUST_CHECK;
void analysis_free(struct analysis *analysis);

/* Ticks of each step within [from, to), added to ticks[trace_step_count]. */
void analysis_sum(const struct analysis *analysis, tick_t from, tick_t to, uint64_t *ticks);
/* How often each step happened within [from, to), added to counts[trace_step_count]. */
void analysis_count(const struct analysis *analysis, tick_t from, tick_t to, uint64_t *counts);
/* Index of the first span (visit, event) that ends after / begins at or after `when`. */
size_t analysis_span_at(const struct analysis *analysis, tick_t when);
size_t analysis_visit_at(const struct analysis *analysis, tick_t when);

#endif
