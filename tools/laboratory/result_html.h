/* Results as pictures and as one page for a browser (tools/html/experiments.js). */
#ifndef CROSSPAGE_TOOLS_LABORATORY_RESULT_HTML_H
#define CROSSPAGE_TOOLS_LABORATORY_RESULT_HTML_H

#include "base/status.h"

#include <jansson.h>
#include <stdio.h>

/* FOLDER/NAME.svg, NAME-2.svg, ...: a file per plot of the result. */
enum status result_pictures(const json_t *result, const char *folder, struct error *err) MUST_CHECK;

/* One file: a section per result, with its pictures, tables, published figures and runs, and the costs that
 * the runs are made of. */
void result_page(const json_t *results, FILE *out);

#endif
