/* The ways of packets through the guest's functions, for the HTML report (report_html.c). */
#ifndef CROSSPAGE_TOOLS_REPORT_HTML_WAYS_H
#define CROSSPAGE_TOOLS_REPORT_HTML_WAYS_H

#include "tools/report.h"

#include <jansson.h>

/* Null when the trace has no calls. {"names": [...], "packets", "rows": [{"name", "packets", "stages",
 * "parts": [[step, ticks]]}], "ways": [[name, ticks, name, ticks, ...]], "way": [of each receipt]}: equal
 * ways are kept once. */
json_t *report_html_ways(const struct report *report);

#endif
