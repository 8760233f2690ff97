/* The HTML report: one page with charts, time lines and receipts (tools/html/), whose data this file writes.
 *
 * Everything is in ticks, as in the trace; the page computes cycles, microseconds and shares from them, so
 * that each number it shows can be taken apart again into steps, spans and costs. Steps are named by their
 * number in the trace.
 */
#include "tools/report_html_spans.h"
#include "tools/report_html_ways.h"
#include "tools/report_published.h"
#include "tools/table2.h"
#include "tools/transfer.h"

#include "base/check.h"
#include "tools/html/page.h"
#include "vmm/cost.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static json_t *integers(const uint64_t *values, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_integer((json_int_t)values[i]));
    return list;
}

/* ---- Names ---- */

static json_t *layers_json(void)
{
    static const char *const descriptions[LAYER_COUNT] = {
#define LAYER(id, name, description) description,
#include "traces/layer.def"
#undef LAYER
    };
    json_t *list = json_array();
    for (int i = 0; i < LAYER_COUNT; i++)
        json_array_append_new(
            list, json_pack("{s:s, s:s}", "name", layer_name((enum layer)i), "description", descriptions[i]));
    return list;
}

static json_t *steps_json(const struct report *report)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < report->receipts.step_count; i++) {
        const struct trace_step *step = trace_step(report->analysis.trace, i);
        json_array_append_new(list, json_pack("{s:s, s:i, s:s, s:s, s:s, s:s, s:s, s:f}", "name", step->name,
                                              "layer", (int)step->layer, "category",
                                              category_name(step->category), "description", step->description,
                                              "unit", step->unit, "source", step->source, "status",
                                              step->status, "cycles", (double)step->milli_cycles / 1000));
    }
    return list;
}

static json_t *exits_json(const struct report *report)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < trace_exit_count(report->analysis.trace); i++)
        json_array_append_new(list, json_string(trace_exit_name(report->analysis.trace, i)));
    return list;
}

/* The prices of guest instructions are in the profile, not in the trace: those of this program's profile of
 * that name, with the run's overrides. Null for a profile from a file. */
static json_t *instructions_json(const json_t *run)
{
    static const char *const texts[] = {
#define COST_CLASS(name, text) text,
#include "cpu/cost_class.def"
#undef COST_CLASS
    };
    const char *profile = json_string_value(json_object_get(run, "profile")), *name;
    struct cost_table *table = xcalloc(1, sizeof *table);
    struct error err;
    bool known = false;
    for (unsigned i = 0; profile != NULL && (name = cost_profile_name(i)) != NULL; i++)
        known |= strcmp(name, profile) == 0;
    known = known && cost_table_load(table, profile, &err) == STATUS_OK;
    const json_t *override;
    size_t i;
    json_array_foreach (json_object_get(run, "costs"), i, override)
        known = known && json_is_string(override) &&
                cost_table_override(table, json_string_value(override), &err) == STATUS_OK;
    json_t *list = known ? json_array() : json_null();
    for (unsigned k = 0; known && k < COST_CLASS_COUNT; k++) {
        const struct cost_value *value = &table->insn[k];
        json_array_append_new(list,
                              json_pack("{s:s+, s:s, s:s, s:s, s:f}", "name", "insn.",
                                        cost_class_name((enum cost_class)k), "description", texts[k],
                                        "source", value->source, "status", cost_status_name(value->status),
                                        "cycles", (double)value->milli_cycles / 1000));
    }
    free(table);
    return list;
}

/* ---- The transfer, and the paper's tables of it ---- */

static json_t *figure_json(const struct published *figure)
{
    if (figure == NULL)
        return json_null();
    char provenance[] = {figure->provenance, '\0'};
    return json_pack("{s:f, s:s, s:s}", "value", figure->value, "from", provenance, "set",
                     published_set_name(figure->set));
}

/* Pairs of step and ticks. */
static json_t *parts_json(const struct report *report, const uint64_t *cells)
{
    json_t *parts = json_array();
    for (unsigned i = 0; i < report->receipts.step_count; i++)
        if (cells[i])
            json_array_append_new(parts, json_pack("[i, I]", (int)i, (json_int_t)cells[i]));
    return parts;
}

/* `cells`: ticks per step of this row. */
static json_t *row_json(const struct report *report, const char *id, const char *name, bool vmm,
                        const uint64_t *cells, uint64_t count, const struct published *percent,
                        const struct published *us)
{
    return json_pack("{s:s, s:s, s:b, s:I, s:o, s:o, s:o}", "id", id, "name", name, "vmm", vmm, "count",
                     (json_int_t)count, "parts", parts_json(report, cells), "percent", figure_json(percent),
                     "us", figure_json(us));
}

static json_t *table1_json(const struct report *report, const struct transfer *transfer, const char *table)
{
    static const char *const ids[CATEGORY_COUNT] = {
#define CATEGORY(id, table, name) #id,
#include "traces/category.def"
#undef CATEGORY
    };
    unsigned steps = report->receipts.step_count;
    struct category_sum sums[CATEGORY_COUNT];
    uint64_t *cells = xcalloc((size_t)CATEGORY_COUNT * steps, sizeof *cells);
    json_t *rows = json_array();
    transfer_categories(report, transfer, sums);
    for (unsigned i = 0; i < steps; i++)
        cells[(unsigned)trace_step(report->analysis.trace, i)->category * steps + i] = transfer->ticks[i];
    for (unsigned c = 0; c < CATEGORY_COUNT; c++)
        json_array_append_new(
            rows, row_json(report, ids[c], category_name((enum category)c),
                           category_table((enum category)c) == TABLE_VMM, cells + c * steps, sums[c].count,
                           report_published_category(table, "category_percent", (enum category)c),
                           report_published_category(table, "category_us", (enum category)c)));
    free(cells);
    return json_pack("{s:s, s:o, s:o}", "name", "Table 1", "vmm",
                     figure_json(table ? published_find(table, "vmm_percent") : NULL), "rows", rows);
}

static json_t *table2_json(const struct report *report, const struct transfer *transfer, bool compare)
{
    unsigned steps = report->receipts.step_count;
    uint64_t *cells = xcalloc((size_t)TABLE2_COUNT * steps, sizeof *cells);
    struct table2 table;
    json_t *rows = json_array();
    table2_make(report, transfer->from, transfer->to, &table);
    table2_cells(report, transfer->from, transfer->to, cells);
    for (unsigned r = 0; r < TABLE2_COUNT; r++) {
        enum table2_row row = (enum table2_row)r;
        json_array_append_new(rows, row_json(report, table2_row_id(row), table2_row_name(row),
                                             table2_is_vmm(row), cells + r * steps, table.counts[r],
                                             compare ? table2_published("table2_percent", row) : NULL,
                                             compare ? table2_published("table2_us", row) : NULL));
    }
    free(cells);
    return json_pack("{s:s, s:o, s:o}", "name", "Table 2", "vmm",
                     figure_json(compare ? published_find("Table 2", "table2_vmm_percent") : NULL), "rows",
                     rows);
}

static json_t *tables_json(const struct report *report, const struct transfer *transfer)
{
    enum published_run run = transfer->receives ? RUN_NONE : report_published_run(report);
    json_t *tables = json_array();
    if (run == RUN_OPTIMIZED || run == RUN_OTHER)
        json_array_append_new(tables, table2_json(report, transfer, run == RUN_OPTIMIZED));
    json_array_append_new(tables, table1_json(report, transfer, run == RUN_VERSION_2_0 ? "Table 1" : NULL));
    return tables;
}

/* The access of median length in the parts of the paper's Figure 5. */
static json_t *figure5_json(const struct report *report, const struct transfer *transfer)
{
    static const char *const names[VISIT_PART_COUNT] = {
        [VISIT_OUT] = "VMM: the access decoded",
        [VISIT_TO_HOST] = "world switch to the host",
        [VISIT_BEFORE] = "VMDriver and VMApp, before the system call",
        [VISIT_VMNET] = "VMNet and the host's driver: the system call",
        [VISIT_AFTER] = "VMApp and VMDriver, after",
        [VISIT_TO_VMM] = "world switch to the VMM",
        [VISIT_RETURN] = "VMM: back to the guest",
    };
    const struct receipt *median = transfer->receives ? NULL : report_median_visit(report);
    /* The figure is of version 2.0 on the PC-733. */
    bool compare = report_published_run(report) == RUN_VERSION_2_0 &&
                   strstr(trace_description(report->analysis.trace), "\"profile\":\"pc-733\"") != NULL;
    unsigned steps = report->receipts.step_count;
    if (median == NULL || median->resume <= median->out)
        return json_null();
    uint64_t *cells = xcalloc((size_t)VISIT_PART_COUNT * steps, sizeof *cells);
    json_t *rows = json_array();
    report_visit_cells(report, median, cells);
    for (unsigned part = 0; part < VISIT_PART_COUNT; part++) {
        char metric[64];
        snprintf(metric, sizeof metric, "visit_us.%s", visit_part_name((enum visit_part)part));
        json_array_append_new(rows,
                              json_pack("{s:s, s:o, s:o}", "name", names[part], "parts",
                                        parts_json(report, cells + part * steps), "us",
                                        figure_json(compare ? published_find("Figure 5", metric) : NULL)));
    }
    free(cells);
    return json_pack("{s:I, s:o, s:o}", "packet", (json_int_t)(median - report->receipts.receipt), "rows",
                     rows, "us", figure_json(compare ? published_find("Figure 5", "visit_us") : NULL));
}

static json_t *transfer_json(const struct report *report)
{
    struct transfer transfer;
    unsigned steps = report->receipts.step_count;
    if (!transfer_make(report, &transfer))
        return json_null();
    json_t *json =
        json_pack("{s:b, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "receives", transfer.receives, "from",
                  (json_int_t)transfer.from, "to", (json_int_t)transfer.to, "packets",
                  (json_int_t)transfer.packets, "bytes", (json_int_t)transfer.bytes, "ticks",
                  integers(transfer.ticks, steps), "counts", integers(transfer.counts, steps), "exits",
                  integers(transfer.exits, trace_exit_count(report->analysis.trace)), "tables",
                  tables_json(report, &transfer), "figure5", figure5_json(report, &transfer));
    transfer_free(&transfer);
    return json;
}

/* ---- Packets ---- */

/* A list per column; receipts (ticks of each step) are numbered, as few of them differ. */
static json_t *packets_json(const struct report *report)
{
    static const char *const names[] = {"id",   "bytes", "out",    "cpu",    "queue",
                                        "wire", "visit", "period", "receipt"};
    const struct receipts *r = &report->receipts;
    json_t *columns[ARRAY_LEN(names)], *json = json_object();
    struct pool *receipts = pool_create();
    uint64_t *list = xcalloc(2 * (size_t)r->step_count + 1, sizeof *list);
    for (unsigned k = 0; k < ARRAY_LEN(names); k++)
        json_object_set_new(json, names[k], columns[k] = json_array());
    for (size_t i = 0; i < r->count; i++) {
        const struct receipt *receipt = &r->receipt[i];
        size_t length = 0;
        for (unsigned step = 0; step < r->step_count; step++)
            if (receipt->latency_steps[step]) {
                list[length++] = step;
                list[length++] = receipt->latency_steps[step];
            }
        const uint64_t values[] = {
            receipt->packet->id,
            receipt->packet->size,
            receipt->out,
            receipt->nic - receipt->out,
            receipt->wire - receipt->nic,
            receipt->delivered - receipt->wire,
            receipt->resume - receipt->out,
            receipt->next_out == TICK_NEVER ? 0 : receipt->next_out - receipt->out,
            pool_add(receipts, list, length),
        };
        for (unsigned k = 0; k < ARRAY_LEN(values); k++)
            json_array_append_new(columns[k], json_integer((json_int_t)values[k]));
    }
    json_object_set_new(json, "receipts", pool_json(receipts));
    pool_free(receipts);
    free(list);
    return json;
}

void report_html(const struct report *report, FILE *out)
{
    const struct analysis *a = &report->analysis;
    unsigned steps = report->receipts.step_count;
    tick_t start = trace_start(a->trace);
    uint64_t *ticks = xcalloc(steps, sizeof *ticks), *counts = xcalloc(steps, sizeof *counts),
             *exits = xcalloc(trace_exit_count(a->trace), sizeof *exits);
    for (size_t i = 0; i < a->visit_count; i++)
        exits[a->visits[i].exit]++;
    analysis_sum(a, start, a->end, ticks);
    analysis_count(a, start, a->end, counts);
    json_t *run = json_loads(trace_description(a->trace), 0, NULL);
    if (run == NULL)
        run = json_object();
    json_t *root = json_pack(
        "{s:s, s:O, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
        "schema", "crosspage report 1", "run", run, "hz", (json_int_t)trace_hz(a->trace), "ticks_per_cycle",
        (json_int_t)trace_ticks_per_cycle(a->trace), "start", (json_int_t)start, "end", (json_int_t)a->end,
        "min_size", (json_int_t)report->min_size, "frames", (json_int_t)a->packet_count, "visits",
        (json_int_t)a->visit_count, "layers", layers_json(), "steps", steps_json(report), "exits",
        exits_json(report), "exit_counts", integers(exits, trace_exit_count(a->trace)), "instructions",
        instructions_json(run), "ticks", integers(ticks, steps), "counts", integers(counts, steps),
        "transfer", transfer_json(report), "packets", packets_json(report), "spans",
        report_html_spans(report), "guest", report_html_ways(report));
    CHECK(root != NULL);
    page_write(&page_trace, root, out);
    json_decref(root);
    json_decref(run);
    free(ticks);
    free(counts);
    free(exits);
}
