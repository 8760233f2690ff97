/* Ways (way.h), from the calls that are current at the access. */
#include "traces/way.h"

#include <string.h>

void way_make(const struct analysis *analysis, const struct receipt *receipt, struct way *way)
{
    const struct calls *calls = &analysis->calls;
    size_t call = calls_at(calls, receipt->out);
    tick_t end = receipt->out;
    way->count = 0;
    if (receipt->packet->mark[PACKET_TX_OUT] == TICK_NEVER)
        return;
    unsigned first = WAY_MAX;
    for (; call != 0 && first > 0; call = calls_get(calls, call)->caller) {
        struct way_stage *stage = &way->stage[--first];
        *stage = (struct way_stage){call, calls_get(calls, call)->begin, end};
        end = stage->begin;
    }
    way->count = WAY_MAX - first;
    memmove(way->stage, way->stage + first, way->count * sizeof *way->stage);
}
