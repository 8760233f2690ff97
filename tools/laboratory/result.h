/* Results of experiments as JSON, and as text and CSV made from that. */
#ifndef CROSSPAGE_TOOLS_LABORATORY_RESULT_H
#define CROSSPAGE_TOOLS_LABORATORY_RESULT_H

#include "tools/laboratory/experiment.h"
#include "tools/laboratory/table.h"

#include <stdio.h>

/* The unit that a metric's name says: "%", "us", "Mb/s", "per packet", "s" or "". */
const char *metric_unit(const char *metric);

/* Tables of the experiment's views; of runs and headline metrics when the user varied something else. */
void result_views(const struct outcome *outcome, json_t *result);
/* Published figures beside ours: rows {figure, row, published, unit, provenance, set, simulated,
 * error_percent}. */
void result_published(const struct outcome *outcome, json_t *result);
void result_expectations(const struct outcome *outcome, json_t *result);

/* A sentence for the reader. */
void result_finding(json_t *result, const char *format, ...) PRINTF(2, 3);

/* One row per run: parameters, then metrics. */
json_t *result_runs_table(const json_t *result);
void result_text(const json_t *result, FILE *out);
/* Rows of several results, calibration and validation apart, with the mean error of each. */
void published_text(const json_t *rows, FILE *out);
/* How many runs failed, were not run; expectations that were not found. */
struct result_counts {
    unsigned runs, failed, missing, unexpected;
};
struct result_counts result_counts(const json_t *result);

#endif
