/* Exports of the time line: Chrome trace events (JSON array form; a track per layer, slices are spans, flows
 * follow a packet) and folded stacks.
 *
 * Only the transfer is exported when there is one (first data packet's OUT to last delivery): a boot has
 * millions of spans that no viewer wants. */
#include "tools/report.h"

#include "base/check.h"

#include <inttypes.h>
#include <stdlib.h>

enum { TID_PACKETS = LAYER_COUNT + 1, TID_VISITS };

void report_export_range(const struct report *report, tick_t *from, tick_t *to)
{
    const struct receipts *r = &report->receipts;
    *from = r->count ? r->receipt[0].out : trace_start(report->analysis.trace);
    *to = r->count ? r->receipt[r->count - 1].delivered : report->analysis.end;
    if (*to > report->analysis.end)
        *to = report->analysis.end;
}

static void thread_name(FILE *out, int tid, const char *name)
{
    fprintf(out, "{\"ph\":\"M\",\"pid\":1,\"tid\":%d,\"name\":\"thread_name\",\"args\":{\"name\":\"%s\"}},\n",
            tid, name);
    fprintf(
        out,
        "{\"ph\":\"M\",\"pid\":1,\"tid\":%d,\"name\":\"thread_sort_index\",\"args\":{\"sort_index\":%d}},\n",
        tid, tid);
}

static void slice(const struct report *report, FILE *out, int tid, const char *name, tick_t begin, tick_t end)
{
    fprintf(
        out,
        "{\"ph\":\"X\",\"pid\":1,\"tid\":%d,\"name\":\"%s\",\"ts\":%.4f,\"dur\":%.4f,\"args\":{\"cycles\":%.15g}},\n",
        tid, name, report_us(report, begin), report_us(report, end - begin),
        report_cycles(report, end - begin));
}

static void flow(const struct report *report, FILE *out, const char *phase, int tid, uint64_t id, tick_t when)
{
    fprintf(out,
            "{\"ph\":\"%s\",\"pid\":1,\"tid\":%d,\"name\":\"packet\",\"cat\":\"packet\",\"id\":%" PRIu64
            ",\"ts\":%.4f%s},\n",
            phase, tid, id, report_us(report, when), *phase == 'f' ? ",\"bp\":\"e\"" : "");
}

static void packet_slices(const struct report *report, FILE *out)
{
    for (size_t i = 0; i < report->receipts.count; i++) {
        const struct receipt *r = &report->receipts.receipt[i];
        size_t span = analysis_span_at(&report->analysis, r->out);
        int layer = (int)trace_step(report->analysis.trace, report->analysis.span_step[span])->layer;
        char name[48];
        snprintf(name, sizeof name, "packet %" PRIu64 " on the wire", r->packet->id);
        flow(report, out, "s", layer + 1, r->packet->id, r->out);
        slice(report, out, TID_PACKETS, name, r->wire, r->delivered);
        flow(report, out, "f", TID_PACKETS, r->packet->id, r->wire);
    }
}

void report_chrome(const struct report *report, FILE *out)
{
    const struct analysis *a = &report->analysis;
    tick_t from, to;
    report_export_range(report, &from, &to);
    fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n", out);
    for (int i = 0; i < LAYER_COUNT; i++)
        thread_name(out, i + 1, layer_name((enum layer)i));
    thread_name(out, TID_PACKETS, "wire");
    thread_name(out, TID_VISITS, "visits");
    for (size_t i = analysis_visit_at(a, from); i < a->visit_count && a->visits[i].begin < to; i++)
        slice(report, out, TID_VISITS, trace_exit_name(a->trace, a->visits[i].exit), a->visits[i].begin,
              a->visits[i].end);
    packet_slices(report, out);
    for (size_t i = analysis_span_at(a, from); i < a->span_count && a->span_begin[i] < to; i++) {
        const struct trace_step *step = trace_step(a->trace, a->span_step[i]);
        tick_t end = i + 1 < a->span_count ? a->span_begin[i + 1] : a->end;
        slice(report, out, (int)step->layer + 1, step->name, a->span_begin[i], end);
    }
    fputs("{\"ph\":\"M\",\"pid\":1,\"name\":\"process_name\",\"args\":{\"name\":\"host CPU\"}}\n]}\n", out);
}

void report_folded(const struct report *report, FILE *out)
{
    const struct analysis *a = &report->analysis;
    unsigned steps = report->receipts.step_count, exits = trace_exit_count(a->trace);
    uint64_t *in_visit = xcalloc((size_t)steps * (exits + 1), sizeof *in_visit);
    tick_t from = trace_start(a->trace), at = from;
    for (size_t i = 0; i < a->visit_count; i++) {
        analysis_sum(a, at, a->visits[i].begin, in_visit + (size_t)exits * steps);
        analysis_sum(a, a->visits[i].begin, a->visits[i].end, in_visit + (size_t)a->visits[i].exit * steps);
        at = a->visits[i].end;
    }
    analysis_sum(a, at, a->end, in_visit + (size_t)exits * steps);
    for (unsigned exit = 0; exit <= exits; exit++)
        for (unsigned i = 0; i < steps; i++) {
            const struct trace_step *step = trace_step(a->trace, i);
            uint64_t ticks = in_visit[(size_t)exit * steps + i];
            if (ticks == 0)
                continue;
            ticks /= trace_ticks_per_cycle(a->trace);
            if (exit < exits)
                fprintf(out, "%s;%s;%s %" PRIu64 "\n", trace_exit_name(a->trace, exit),
                        layer_name(step->layer), step->name, ticks);
            else
                fprintf(out, "%s;%s %" PRIu64 "\n", layer_name(step->layer), step->name, ticks);
        }
    free(in_visit);
}
