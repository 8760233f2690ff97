/* The spans of every packet's time line, for the HTML report (report_html.c): each period, from one
 * transmitting access to the next, is a list of chunks, a chunk is a visit to the hypervisor or the guest's
 * time between two. A guest repeats itself, so equal chunks and equal periods are kept once. */
#ifndef CROSSPAGE_TOOLS_REPORT_HTML_SPANS_H
#define CROSSPAGE_TOOLS_REPORT_HTML_SPANS_H

#include "tools/report.h"

#include <jansson.h>

/* {"chunks": [[exit or -1, detail, step, ticks, step, ticks, ...]], "periods": [[chunk, ...]], "period": [of
 * each receipt, -1 when the trace has more than a page should hold]}. */
json_t *report_html_spans(const struct report *report);

/* Lists of numbers, equal ones kept once. */
struct pool;
struct pool *pool_create(void);
void pool_free(struct pool *pool);
size_t pool_add(struct pool *pool, const uint64_t *list, size_t length);
json_t *pool_json(const struct pool *pool);

#endif
