/* `crosspage report`: the forms in which a trace is shown. */
#ifndef CROSSPAGE_TOOLS_REPORT_H
#define CROSSPAGE_TOOLS_REPORT_H

#include "tools/ways.h"

#include <stdio.h>

struct report {
    struct analysis analysis;
    struct receipts receipts;
    struct ways ways;  /* of the receipts, if the trace has calls of guest functions */
    uint32_t min_size; /* frames below are no data packets */
};

static inline double report_us(const struct report *report, uint64_t ticks)
{
    return (double)ticks * 1e6 / (double)trace_hz(report->analysis.trace);
}

/* Cycles of the host's CPU: whole for what the CPU did; the wire's times may end between two. */
static inline double report_cycles(const struct report *report, uint64_t ticks)
{
    return (double)ticks / (double)trace_ticks_per_cycle(report->analysis.trace);
}

void report_text(const struct report *report, FILE *out);
void report_functions(const struct report *report, FILE *out); /* its part about guest functions */
void report_html(const struct report *report, FILE *out);      /* one page, with all of it */
void report_csv(const struct report *report, FILE *out);       /* a row per packet */
void report_json(const struct report *report, FILE *out);
void report_summary(const struct report *report, FILE *out); /* a number per name, as JSON */
/* What is worth exporting event by event: the transfer if there is one, else all. */
void report_export_range(const struct report *report, tick_t *from, tick_t *to);
void report_chrome(const struct report *report, FILE *out); /* Chrome trace events; opens in Perfetto */
void report_perfetto(const struct report *report, FILE *out);
/* A copy of the run's capture with receipts as packet comments. */
enum status report_capture(const struct report *report, const char *capture, FILE *out,
                           struct error *err) MUST_CHECK;
void report_folded(const struct report *report, FILE *out); /* folded stacks weighted by cycles */

#endif
