/* Plots of a result (docs/experiments.md). */
#ifndef CROSSPAGE_TOOLS_LABORATORY_RESULT_PLOTS_H
#define CROSSPAGE_TOOLS_LABORATORY_RESULT_PLOTS_H

#include "tools/laboratory/experiment.h"
#include "tools/published.h"

/* The published figure beside this run's metric, or NULL; run may be NULL. */
const struct published *result_published_for(const struct outcome *outcome, const struct run *run,
                                             const char *metric);
/* A line per variant (and per choice of other sweeps) over the values of sweep `index`. */
void result_plot_lines(const struct outcome *outcome, const char *title, const char *metric, unsigned index,
                       json_t *result);
/* Lines over the longest sweep of numbers, if there is one; else a bar per run. */
void result_plot_runs(const struct outcome *outcome, const char *title, const struct column *column,
                      json_t *result);
/* Stacked bars of a table's shares, or the time line of an access; nothing if the view has neither. */
void result_plot_metrics(const struct outcome *outcome, const struct view *view, json_t *result);

#endif
