/* Is the order of configurations that of another guest? */
#ifndef CROSSPAGE_TOOLS_LABORATORY_ORDER_H
#define CROSSPAGE_TOOLS_LABORATORY_ORDER_H

#include "tools/laboratory/experiment.h"

#include <stdio.h>

/* Pairs of runs that differ in one thing, the variant or one varied value, are compared with the runs of the
 * same labels in `like` (a result, JSON). Two runs are in order if the first has more throughput, or as much
 * and more idle time. Differences too small to be told from chance, ORDER_TIE_PERCENT of throughput and
 * ORDER_TIE_IDLE points of idle time, are ties and count neither way. Adds "order" to the result:
 *
 *     like       name of the other guest          pairs      both runs are in order, in both results
 *     same       no pair is reversed              ties       in order in one result at most
 *     reversed   of [better, worse] in `like`     missing    runs without a partner
 */
enum { ORDER_TIE_PERCENT = 2, ORDER_TIE_IDLE = 2 };

void order_compare(const json_t *like, json_t *result);
/* A line, and one for each of the first reversed pairs. */
void order_text(const json_t *result, FILE *out);

#endif
