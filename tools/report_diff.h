/* The difference of two traces, receipt by receipt: what a packet costs more or less in which step. */
#ifndef CROSSPAGE_TOOLS_REPORT_DIFF_H
#define CROSSPAGE_TOOLS_REPORT_DIFF_H

#include "tools/report.h"

#include <jansson.h>

/* Traces of the same guest doing the same job, or the numbers say little; how the runs differ is part of the
 * result. */
enum status report_diff(const struct report *a, const struct report *b, json_t **diff,
                        struct error *err) MUST_CHECK;
void report_diff_text(const json_t *diff, FILE *out);

#endif
