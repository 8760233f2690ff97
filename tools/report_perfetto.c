/* Perfetto's own trace format (perfetto.proto): a track per layer, one for visits of the hypervisor, one for
 * the wire, one for the guest's functions if there are any; slices are spans, and a flow follows each packet
 * from layer to layer onto the wire.
 *
 * Time is simulated nanoseconds; a slice carries its cycles. The range is that of report_chrome(). */
#include "tools/report_calls.h"

#include "base/check.h"

#include <inttypes.h>
#include <perfetto.pb-c.h>
#include <stdlib.h>
#include <string.h>

enum {
    SEQUENCE = 1, /* trusted_packet_sequence_id: we are one writer */
    STATE_CLEARED = 1,
    STATE_NEEDED = 2, /* sequence_flags */
    SLICE_BEGIN = 1,
    SLICE_END = 2,      /* TrackEvent.Type */
    ORDER_EXPLICIT = 3, /* TrackDescriptor.ChildTracksOrdering */
    TRACK_HOST = 1,
    TRACK_LAYERS = 2, /* uuids */
    TRACK_WIRE = TRACK_LAYERS + LAYER_COUNT,
    TRACK_VISITS,
    TRACK_FUNCTIONS,
};

struct writer {
    const struct report *report;
    FILE *out;
    uint8_t *buffer;
    size_t capacity;
};

/* One packet, as field 1 of the file's message. */
static void put_packet(struct writer *w, const Perfetto__TracePacket *packet)
{
    size_t size = perfetto__trace_packet__get_packed_size(packet);
    uint8_t head[12], *at = head;
    *at++ = 1 << 3 | 2; /* field 1, length-delimited */
    size_t rest = size;
    for (; rest > 127; rest >>= 7)
        *at++ = (uint8_t)(rest | 128);
    *at++ = (uint8_t)rest;
    if (size > w->capacity)
        w->buffer = xrealloc(w->buffer, w->capacity = 2 * size);
    perfetto__trace_packet__pack(packet, w->buffer);
    fwrite(head, 1, (size_t)(at - head), w->out);
    fwrite(w->buffer, 1, size, w->out); /* errors are sticky in the stream */
}

static Perfetto__TracePacket new_packet(void)
{
    Perfetto__TracePacket packet = PERFETTO__TRACE_PACKET__INIT;
    packet.has_trusted_packet_sequence_id = true;
    packet.trusted_packet_sequence_id = SEQUENCE;
    return packet;
}

static void put_track(struct writer *w, uint64_t uuid, const char *name, int32_t rank)
{
    Perfetto__TracePacket packet = new_packet();
    Perfetto__TrackDescriptor track = PERFETTO__TRACK_DESCRIPTOR__INIT;
    Perfetto__ProcessDescriptor process = PERFETTO__PROCESS_DESCRIPTOR__INIT;
    track.has_uuid = true;
    track.uuid = uuid;
    if (uuid == TRACK_HOST) {
        process.has_pid = true;
        process.pid = 1;
        process.process_name = (char *)(uintptr_t)name;
        track.process = &process;
        track.has_child_ordering = true;
        track.child_ordering = ORDER_EXPLICIT;
    } else {
        track.name = (char *)(uintptr_t)name;
        track.has_parent_uuid = true;
        track.parent_uuid = TRACK_HOST;
        track.has_sibling_order_rank = true;
        track.sibling_order_rank = rank;
    }
    packet.track_descriptor = &track;
    put_packet(w, &packet);
}

/* Names of steps (iid = step + 1) and, behind them, of exits. */
static void put_names(struct writer *w)
{
    const struct trace_reader *trace = w->report->analysis.trace;
    unsigned steps = trace_step_count(trace), exits = trace_exit_count(trace);
    Perfetto__TracePacket packet = new_packet();
    Perfetto__InternedData data = PERFETTO__INTERNED_DATA__INIT;
    Perfetto__EventName *names = xcalloc(steps + exits, sizeof *names);
    Perfetto__EventName **list = xcalloc(steps + exits, sizeof *list);
    for (unsigned i = 0; i < steps + exits; i++) {
        perfetto__event_name__init(&names[i]);
        names[i].has_iid = true;
        names[i].iid = i + 1;
        names[i].name =
            (char *)(uintptr_t)(i < steps ? trace_step(trace, i)->name : trace_exit_name(trace, i - steps));
        list[i] = &names[i];
    }
    data.n_event_names = steps + exits;
    data.event_names = list;
    packet.interned_data = &data;
    packet.has_sequence_flags = true;
    packet.sequence_flags = STATE_CLEARED | STATE_NEEDED;
    put_packet(w, &packet);
    free(list);
    free(names);
}

static uint64_t nanoseconds(const struct writer *w, tick_t when)
{
    return (uint64_t)((unsigned __int128)when * 1000000000 / trace_hz(w->report->analysis.trace));
}

static Perfetto__TrackEvent new_event(uint64_t track, int32_t type)
{
    Perfetto__TrackEvent event = PERFETTO__TRACK_EVENT__INIT;
    event.has_track_uuid = event.has_type = true;
    event.track_uuid = track;
    event.type = type;
    return event;
}

static void put_event(struct writer *w, Perfetto__TrackEvent *event, tick_t when)
{
    Perfetto__TracePacket packet = new_packet();
    packet.has_timestamp = true;
    packet.timestamp = nanoseconds(w, when);
    packet.has_sequence_flags = true;
    packet.sequence_flags = STATE_NEEDED;
    packet.track_event = event;
    put_packet(w, &packet);
}

/* A slice with its length; `flow` 0: none. Exactly one of name and iid. */
static void put_slice(struct writer *w, uint64_t track, uint64_t iid, const char *name, tick_t begin,
                      tick_t end, uint64_t flow, bool flow_ends)
{
    Perfetto__TrackEvent event = new_event(track, SLICE_BEGIN);
    Perfetto__DebugAnnotation cycles = PERFETTO__DEBUG_ANNOTATION__INIT, *annotations = &cycles;
    cycles.name = (char *)(uintptr_t) "cycles";
    cycles.has_uint_value = true;
    cycles.uint_value = (end - begin) / trace_ticks_per_cycle(w->report->analysis.trace);
    event.n_debug_annotations = 1;
    event.debug_annotations = &annotations;
    event.has_name_iid = name == NULL;
    event.name_iid = iid;
    event.name = (char *)(uintptr_t)name;
    *(flow_ends ? &event.n_terminating_flow_ids : &event.n_flow_ids) = flow != 0;
    *(flow_ends ? &event.terminating_flow_ids : &event.flow_ids) = &flow;
    put_event(w, &event, begin);
    event = new_event(track, SLICE_END);
    put_event(w, &event, end);
}

static void put_visits(struct writer *w, tick_t from, tick_t to)
{
    const struct analysis *a = &w->report->analysis;
    uint64_t first = trace_step_count(a->trace) + 1;
    for (size_t i = analysis_visit_at(a, from); i < a->visit_count && a->visits[i].begin < to; i++)
        put_slice(w, TRACK_VISITS, first + a->visits[i].exit, NULL, a->visits[i].begin, a->visits[i].end, 0,
                  false);
}

/* The packet whose way through the host a span begins on: out <= begin < nic, which never overlap for two
 * packets of which one is sent after the other; *next only moves forward. 0: none. */
static uint64_t packet_at(const struct receipts *receipts, size_t *next, tick_t begin)
{
    while (*next < receipts->count && receipts->receipt[*next].nic <= begin)
        ++*next;
    const struct receipt *r = *next < receipts->count ? &receipts->receipt[*next] : NULL;
    return r != NULL && r->out <= begin ? r->packet->id : 0;
}

static void put_spans(struct writer *w, tick_t from, tick_t to)
{
    const struct analysis *a = &w->report->analysis;
    enum layer last = LAYER_COUNT;
    size_t packet = 0;
    for (size_t i = analysis_span_at(a, from); i < a->span_count && a->span_begin[i] < to; i++) {
        enum layer layer = trace_step(a->trace, a->span_step[i])->layer;
        tick_t end = i + 1 < a->span_count ? a->span_begin[i + 1] : a->end;
        uint64_t flow = packet_at(&w->report->receipts, &packet, a->span_begin[i]);
        put_slice(w, TRACK_LAYERS + layer, a->span_step[i] + 1u, NULL, a->span_begin[i], end,
                  layer != last ? flow : 0, false);
        last = layer;
    }
}

/* On a long wire the next frame starts before the last bit has arrived; slices of one track must not overlap.
 */
static void put_wire(struct writer *w)
{
    for (size_t i = 0; i < w->report->receipts.count; i++) {
        const struct receipt *r = &w->report->receipts.receipt[i];
        char name[48];
        snprintf(name, sizeof name, "packet %" PRIu64 ", %" PRIu32 " bytes", r->packet->id, r->packet->size);
        bool overtaken = i + 1 < w->report->receipts.count && r[1].wire < r->delivered;
        put_slice(w, TRACK_WIRE, 0, name, r->wire, overtaken ? r[1].wire : r->delivered, r->packet->id, true);
    }
}

static void function_begin(void *ctx, const struct call *call, tick_t when)
{
    struct writer *w = ctx;
    Perfetto__TrackEvent event = new_event(TRACK_FUNCTIONS, SLICE_BEGIN);
    event.name = (char *)(uintptr_t)trace_name(w->report->analysis.trace, call->name);
    put_event(w, &event, when);
}

static void function_end(void *ctx, tick_t when)
{
    Perfetto__TrackEvent event = new_event(TRACK_FUNCTIONS, SLICE_END);
    put_event(ctx, &event, when);
}

static void put_functions(struct writer *w, tick_t from, tick_t to)
{
    const struct calls_track track = {function_begin, function_end, w};
    if (w->report->analysis.calls.count == 0)
        return;
    put_track(w, TRACK_FUNCTIONS, "guest functions", LAYER_COUNT + 2);
    report_calls_track(w->report, from, to, &track);
}

void report_perfetto(const struct report *report, FILE *out)
{
    struct writer writer = {.report = report, .out = out}, *w = &writer;
    tick_t from, to;
    report_export_range(report, &from, &to);
    put_names(w);
    put_track(w, TRACK_HOST, "host CPU", 0);
    for (int i = 0; i < LAYER_COUNT; i++)
        put_track(w, TRACK_LAYERS + (unsigned)i, layer_name((enum layer)i), i);
    put_track(w, TRACK_WIRE, "wire", LAYER_COUNT);
    put_track(w, TRACK_VISITS, "visits", LAYER_COUNT + 1);
    put_functions(w, from, to);
    put_visits(w, from, to);
    put_spans(w, from, to);
    put_wire(w);
    free(w->buffer);
}
