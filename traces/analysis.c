/* Loading a trace into arrays (analysis.h). Spans are kept as two parallel arrays, ten bytes each: a boot has
 * millions.
 *
 * Invariant: span_begin and event_when ascend, so that every question about an interval starts with a binary
 * search. */
#include "traces/analysis.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

/* Make room for one more element in a growing array. */
static void *grow(void *array, size_t count, size_t size)
{
    return (count & (count - 1)) == 0 ? xrealloc(array, (count ? 2 * count : 1) * size) : array;
}

static void add_event(struct analysis *a, const struct trace_record *record)
{
    a->event_when = grow(a->event_when, a->event_count, sizeof *a->event_when);
    a->event_step = grow(a->event_step, a->event_count, sizeof *a->event_step);
    a->event_when[a->event_count] = record->begin;
    a->event_step[a->event_count++] = (uint16_t)record->step;
}

static void add_span(struct analysis *a, const struct trace_record *record)
{
    if (record->counted)
        add_event(a, record);
    if (record->step == STEP_GUEST_USER)
        calls_note_user(&a->calls, record->begin);
    if (record->begin == record->end)
        return;
    a->span_begin = grow(a->span_begin, a->span_count, sizeof *a->span_begin);
    a->span_step = grow(a->span_step, a->span_count, sizeof *a->span_step);
    a->span_begin[a->span_count] = record->begin;
    a->span_step[a->span_count++] = (uint16_t)record->step;
}

static void add_visit(struct analysis *a, const struct trace_record *record)
{
    a->visits = grow(a->visits, a->visit_count, sizeof *a->visits);
    a->visits[a->visit_count++] = (struct visit){.begin = record->begin,
                                                 .end = TICK_NEVER,
                                                 .detail = record->detail,
                                                 .pc = record->pc,
                                                 .exit = record->exit};
}

/* In order of their ids. Frames are numbered in order of birth, so a mark's packet is almost always among the
 * newest. */
static struct packet *packet_of(struct analysis *a, uint64_t id)
{
    size_t at = a->packet_count;
    while (at > 0 && a->packets[at - 1].id > id)
        at--;
    if (at > 0 && a->packets[at - 1].id == id)
        return &a->packets[at - 1];
    a->packets = grow(a->packets, a->packet_count, sizeof *a->packets);
    struct packet *packet = &a->packets[at];
    memmove(packet + 1, packet, (a->packet_count++ - at) * sizeof *packet);
    *packet = (struct packet){.id = id};
    for (unsigned i = 0; i < PACKET_MARK_COUNT; i++)
        packet->mark[i] = TICK_NEVER;
    return packet;
}

static void add_mark(struct analysis *a, const struct trace_record *record)
{
    struct packet *packet = packet_of(a, record->packet);
    if (record->size > packet->size)
        packet->size = record->size;
    packet->mark[record->mark] = record->when;
}

enum status analysis_load(struct analysis *a, const char *path, struct error *err)
{
    *a = (struct analysis){0};
    enum status status = trace_open(&a->trace, path, err);
    struct trace_record record = {.tag = TRACE_SPAN};
    while (status == STATUS_OK && record.tag != TRACE_END) {
        status = trace_next(a->trace, &record, err);
        if (status != STATUS_OK)
            break;
        if (record.resumed && a->visit_count)
            a->visits[a->visit_count - 1].end = record.begin;
        switch (record.tag) {
        case TRACE_SPAN: add_span(a, &record); break;
        case TRACE_VISIT: add_visit(a, &record); break;
        case TRACE_PACKET: add_mark(a, &record); break;
        case TRACE_GUEST: status = calls_note(&a->calls, &record, err); break;
        case TRACE_END: a->end = record.begin; break;
        }
    }
    if (status != STATUS_OK) {
        analysis_free(a);
        return status;
    }
    calls_finish(&a->calls, a->end);
    if (a->visit_count && a->visits[a->visit_count - 1].end == TICK_NEVER)
        a->visits[a->visit_count - 1].end = a->end;
    return STATUS_OK;
}

void analysis_free(struct analysis *a)
{
    trace_close(a->trace);
    free(a->span_begin);
    free(a->span_step);
    free(a->visits);
    free(a->packets);
    free(a->event_when);
    free(a->event_step);
    calls_free(&a->calls);
    *a = (struct analysis){0};
}

/* First index in an ascending array whose value is >= `when`. */
static size_t lower_bound(const tick_t *values, size_t count, tick_t when)
{
    size_t low = 0;
    while (count > 0) {
        size_t half = count / 2;
        if (values[low + half] < when) {
            low += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return low;
}

size_t analysis_span_at(const struct analysis *a, tick_t when)
{
    size_t next = lower_bound(a->span_begin, a->span_count, when + 1);
    return next ? next - 1 : 0;
}

size_t analysis_visit_at(const struct analysis *a, tick_t when)
{
    size_t low = 0, count = a->visit_count;
    while (count > 0) {
        size_t half = count / 2;
        if (a->visits[low + half].begin < when) {
            low += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return low;
}

void analysis_sum(const struct analysis *a, tick_t from, tick_t to, uint64_t *ticks)
{
    for (size_t i = analysis_span_at(a, from); i < a->span_count && a->span_begin[i] < to; i++) {
        tick_t begin = a->span_begin[i] > from ? a->span_begin[i] : from;
        tick_t end = i + 1 < a->span_count ? a->span_begin[i + 1] : a->end;
        if (end > to)
            end = to;
        if (end > begin)
            ticks[a->span_step[i]] += end - begin;
    }
}

void analysis_count(const struct analysis *a, tick_t from, tick_t to, uint64_t *counts)
{
    for (size_t i = lower_bound(a->event_when, a->event_count, from);
         i < a->event_count && a->event_when[i] < to; i++)
        counts[a->event_step[i]]++;
}
