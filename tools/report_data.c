/* The machine-readable reports: CSV (a row per packet) and JSON. Units are in the column names; times in JSON
 * are ticks of 1/hz second. */
#include "tools/report.h"

#include "base/check.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

static void layers_of(const struct report *report, const uint64_t *steps, uint64_t layers[LAYER_COUNT])
{
    for (int i = 0; i < LAYER_COUNT; i++)
        layers[i] = 0;
    for (unsigned i = 0; i < report->receipts.step_count; i++)
        layers[trace_step(report->analysis.trace, i)->layer] += steps[i];
}

static void csv_layer_names(const char *prefix, FILE *out)
{
    for (int i = 0; i < LAYER_COUNT; i++)
        fprintf(out, ",%s %s (cycles)", prefix, layer_name((enum layer)i));
}

/* The functions from the outermost on, and the time from its entry to the access. */
static void csv_way(const struct report *report, const struct receipt *receipt, FILE *out)
{
    struct way way;
    way_make(&report->analysis, receipt, &way);
    fprintf(out, ",%.15g,\"", report_cycles(report, way_length(&way)));
    for (unsigned i = 0; i < way.count; i++)
        fprintf(
            out, "%s%s", i ? " " : "",
            trace_name(report->analysis.trace, calls_get(&report->analysis.calls, way.stage[i].call)->name));
    fputc('"', out);
}

void report_csv(const struct report *report, FILE *out)
{
    fputs(
        "packet,bytes,out (ns),latency (cycles),queue (cycles),wire (cycles),visit (cycles),period (cycles)",
        out);
    csv_layer_names("latency", out);
    csv_layer_names("period", out);
    if (report->ways.packets > 0)
        fputs(",way (cycles),way", out);
    fputc('\n', out);
    for (size_t i = 0; i < report->receipts.count; i++) {
        const struct receipt *r = &report->receipts.receipt[i];
        uint64_t layers[LAYER_COUNT];
        const tick_t times[] = {receipt_latency(r), r->wire - r->nic, r->delivered - r->wire,
                                r->resume - r->out, r->next_out == TICK_NEVER ? 0 : r->next_out - r->out};
        fprintf(out, "%" PRIu64 ",%u,%.0f", r->packet->id, r->packet->size, report_us(report, r->out) * 1000);
        for (size_t t = 0; t < ARRAY_LEN(times); t++)
            fprintf(out, ",%.15g", report_cycles(report, times[t]));
        layers_of(report, r->latency_steps, layers);
        for (int l = 0; l < LAYER_COUNT; l++)
            fprintf(out, ",%.15g", report_cycles(report, layers[l]));
        layers_of(report, r->period_steps, layers);
        for (int l = 0; l < LAYER_COUNT; l++)
            fprintf(out, ",%.15g", report_cycles(report, layers[l]));
        if (report->ways.packets > 0)
            csv_way(report, r, out);
        fputc('\n', out);
    }
}

/* Steps that differ only in the category they are counted in share a name: they are one entry here. */
static json_t *steps_json(const struct report *report, const uint64_t *steps)
{
    json_t *object = json_object();
    for (unsigned i = 0; i < report->receipts.step_count; i++) {
        const char *name = trace_step(report->analysis.trace, i)->name;
        json_int_t sum = (json_int_t)steps[i] + json_integer_value(json_object_get(object, name));
        if (sum)
            json_object_set_new(object, name, json_integer(sum));
    }
    return object;
}

static json_t *layers_json(const struct report *report, const uint64_t *steps)
{
    uint64_t layers[LAYER_COUNT];
    layers_of(report, steps, layers);
    json_t *object = json_object();
    for (int i = 0; i < LAYER_COUNT; i++)
        if (layers[i])
            json_object_set_new(object, layer_name((enum layer)i), json_integer((json_int_t)layers[i]));
    return object;
}

static json_t *costs_json(const struct report *report)
{
    json_t *costs = json_object();
    for (unsigned i = 0; i < report->receipts.step_count; i++) {
        const struct trace_step *step = trace_step(report->analysis.trace, i);
        json_object_set_new(costs, step->name,
                            json_pack("{s:s, s:s, s:s, s:s, s:s, s:f}", "layer", layer_name(step->layer),
                                      "description", step->description, "unit", step->unit, "source",
                                      step->source, "status", step->status, "cycles",
                                      (double)step->milli_cycles / 1000));
    }
    return costs;
}

/* When each function on the way was entered, up to the access. */
static json_t *way_json(const struct report *report, const struct receipt *receipt)
{
    struct way way;
    json_t *list = json_array();
    way_make(&report->analysis, receipt, &way);
    for (unsigned i = 0; i < way.count; i++)
        json_array_append_new(
            list, json_pack("{s:s, s:I, s:I}", "function",
                            trace_name(report->analysis.trace,
                                       calls_get(&report->analysis.calls, way.stage[i].call)->name),
                            "entered", (json_int_t)way.stage[i].begin, "ticks",
                            (json_int_t)(way.stage[i].end - way.stage[i].begin)));
    return list;
}

static json_t *ways_json(const struct report *report)
{
    json_t *list = json_array();
    for (size_t i = 0; i < report->ways.count; i++) {
        const struct ways_function *function = &report->ways.function[i];
        json_t *layers = json_object();
        for (int layer = 0; layer < LAYER_COUNT; layer++)
            if (function->layers[layer])
                json_object_set_new(layers, layer_name((enum layer)layer),
                                    json_integer((json_int_t)function->layers[layer]));
        json_array_append_new(list, json_pack("{s:s, s:I, s:I, s:o}", "function",
                                              trace_name(report->analysis.trace, function->name), "packets",
                                              (json_int_t)function->packets, "ticks",
                                              (json_int_t)function->ticks, "layers", layers));
    }
    return json_pack("{s:I, s:I, s:o}", "packets", (json_int_t)report->ways.packets, "ticks",
                     (json_int_t)report->ways.ticks, "functions", list);
}

void report_json(const struct report *report, FILE *out)
{
    const struct analysis *a = &report->analysis;
    uint64_t *ticks = xcalloc(report->receipts.step_count, sizeof *ticks);
    analysis_sum(a, trace_start(a->trace), a->end, ticks);
    json_t *packets = json_array();
    for (size_t i = 0; i < report->receipts.count; i++) {
        const struct receipt *r = &report->receipts.receipt[i];
        json_array_append_new(
            packets,
            json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "id", (json_int_t)r->packet->id, "bytes",
                      (json_int_t)r->packet->size, "out", (json_int_t)r->out, "latency",
                      (json_int_t)receipt_latency(r), "queue", (json_int_t)(r->wire - r->nic), "wire",
                      (json_int_t)(r->delivered - r->wire), "steps", steps_json(report, r->latency_steps)));
        if (report->ways.packets > 0)
            json_object_set_new(json_array_get(packets, i), "way", way_json(report, r));
    }
    json_t *run = json_loads(trace_description(a->trace), 0, NULL);
    json_t *root = json_pack(
        "{s:o, s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "run", run ? run : json_object(), "hz",
        (json_int_t)trace_hz(a->trace), "ticks_per_cycle", (json_int_t)trace_ticks_per_cycle(a->trace),
        "ticks", (json_int_t)(a->end - trace_start(a->trace)), "layers", layers_json(report, ticks), "steps",
        steps_json(report, ticks), "costs", costs_json(report), "packets", packets);
    if (report->ways.packets > 0)
        json_object_set_new(root, "ways", ways_json(report));
    json_dumpf(root, out, JSON_INDENT(1));
    fputc('\n', out);
    json_decref(root);
    free(ticks);
}
