/* Ways through the guest's functions, step by step (report_html_ways.h). */
#include "tools/report_html_ways.h"

#include "base/check.h"
#include "tools/report_html_spans.h"

#include <stdlib.h>

static json_t *names_json(const struct report *report)
{
    json_t *names = json_array();
    for (uint32_t i = 0; i < trace_name_count(report->analysis.trace); i++) {
        /* A guest may call its functions what it likes; JSON is UTF-8. */
        json_t *name = json_string(i ? trace_name(report->analysis.trace, i) : "");
        json_array_append_new(names, name ? name : json_string("(no text)"));
    }
    return names;
}

/* Functions from the outermost to the innermost; `cells`: ticks of each step in each function's stages. */
static json_t *rows_json(const struct report *report, const uint64_t *cells)
{
    unsigned steps = report->receipts.step_count;
    json_t *rows = json_array();
    for (size_t i = 0; i < report->ways.count; i++) {
        const struct ways_function *function = &report->ways.function[i];
        json_t *parts = json_array();
        for (unsigned step = 0; step < steps; step++) {
            uint64_t ticks = cells[(size_t)function->name * steps + step];
            if (ticks)
                json_array_append_new(parts, json_pack("[i, I]", (int)step, (json_int_t)ticks));
        }
        json_array_append_new(rows, json_pack("{s:I, s:I, s:I, s:o}", "name", (json_int_t)function->name,
                                              "packets", (json_int_t)function->packets, "stages",
                                              (json_int_t)function->stages, "parts", parts));
    }
    return rows;
}

json_t *report_html_ways(const struct report *report)
{
    const struct analysis *a = &report->analysis;
    unsigned steps = report->receipts.step_count;
    if (report->ways.packets == 0)
        return json_null();
    uint64_t *cells = xcalloc((size_t)trace_name_count(a->trace) * steps, sizeof *cells);
    struct pool *ways = pool_create();
    json_t *index = json_array();
    for (size_t i = 0; i < report->receipts.count; i++) {
        struct way way;
        uint64_t list[2 * WAY_MAX];
        way_make(a, &report->receipts.receipt[i], &way);
        for (unsigned k = 0; k < way.count; k++) {
            const struct way_stage *stage = &way.stage[k];
            uint32_t name = calls_get(&a->calls, stage->call)->name;
            list[2 * k] = name;
            list[2 * k + 1] = stage->end - stage->begin;
            analysis_sum(a, stage->begin, stage->end, cells + (size_t)name * steps);
        }
        json_array_append_new(index, json_integer((json_int_t)pool_add(ways, list, 2 * (size_t)way.count)));
    }
    json_t *json = json_pack("{s:o, s:I, s:o, s:o, s:o}", "names", names_json(report), "packets",
                             (json_int_t)report->ways.packets, "rows", rows_json(report, cells), "ways",
                             pool_json(ways), "way", index);
    pool_free(ways);
    free(cells);
    return json;
}
