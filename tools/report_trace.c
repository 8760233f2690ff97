/* Exports of the time line: Chrome trace events (JSON array form; a track per layer, slices are spans, flows
 * follow a packet).
 *
 * Only the transfer is exported when there is one (first data packet's OUT to last delivery): a boot has
 * millions of spans that no viewer wants. */
#include "tools/report_calls.h"

#include "base/check.h"

#include <inttypes.h>
#include <stdlib.h>

enum { TID_PACKETS = LAYER_COUNT + 1, TID_VISITS, TID_FUNCTIONS };

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

struct function_slices {
    const struct report *report;
    FILE *out;
};

static void function_begin(void *ctx, const struct call *call, tick_t when)
{
    const struct function_slices *s = ctx;
    fprintf(s->out, "{\"ph\":\"B\",\"pid\":1,\"tid\":%d,\"name\":\"%s\",\"ts\":%.4f},\n", TID_FUNCTIONS,
            trace_name(s->report->analysis.trace, call->name), report_us(s->report, when));
}

static void function_end(void *ctx, tick_t when)
{
    const struct function_slices *s = ctx;
    fprintf(s->out, "{\"ph\":\"E\",\"pid\":1,\"tid\":%d,\"ts\":%.4f},\n", TID_FUNCTIONS,
            report_us(s->report, when));
}

static void function_slices(const struct report *report, tick_t from, tick_t to, FILE *out)
{
    struct function_slices slices = {report, out};
    const struct calls_track track = {function_begin, function_end, &slices};
    if (report->analysis.calls.count == 0)
        return;
    thread_name(out, TID_FUNCTIONS, "guest functions");
    report_calls_track(report, from, to, &track);
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
    function_slices(report, from, to, out);
    for (size_t i = analysis_span_at(a, from); i < a->span_count && a->span_begin[i] < to; i++) {
        const struct trace_step *step = trace_step(a->trace, a->span_step[i]);
        tick_t end = i + 1 < a->span_count ? a->span_begin[i + 1] : a->end;
        slice(report, out, (int)step->layer + 1, step->name, a->span_begin[i], end);
    }
    fputs("{\"ph\":\"M\",\"pid\":1,\"name\":\"process_name\",\"args\":{\"name\":\"host CPU\"}}\n]}\n", out);
}
