/* Calls from records (calls.h). Traces are input from users: what does not nest is an error. */
#include "traces/calls.h"

#include "base/check.h"

#include <stdlib.h>

enum { STACKS_MAX = 1 << 16 };

static void *grow(void *array, size_t count, size_t size)
{
    return (count & (count - 1)) == 0 ? xrealloc(array, (count ? 2 * count : 1) * size) : array;
}

static void note_moment(struct calls *calls, tick_t when)
{
    size_t call = calls->current ? calls->stacks[calls->current].top : 0;
    struct call_moment *last = calls->moment_count ? &calls->moment[calls->moment_count - 1] : NULL;
    if (last != NULL && last->when == when) {
        last->call = call;
        return;
    }
    if ((last != NULL ? last->call : 0) == call)
        return;
    calls->moment = grow(calls->moment, calls->moment_count, sizeof *calls->moment);
    calls->moment[calls->moment_count++] = (struct call_moment){when, call};
}

static void enter(struct calls *calls, const struct trace_record *record)
{
    struct call_stack *stack = &calls->stacks[record->stack];
    if (stack->top == 0)
        stack->below = calls->current == record->stack ? 0 : calls->current;
    calls->call = grow(calls->call, calls->count, sizeof *calls->call);
    calls->call[calls->count++] =
        (struct call){.begin = record->begin, .end = TICK_NEVER, .name = record->name, .caller = stack->top};
    stack->top = calls->count;
    calls->current = record->stack;
    note_moment(calls, record->begin);
}

static enum status leave(struct calls *calls, const struct trace_record *record, struct error *err)
{
    struct call_stack *stack = &calls->stacks[record->stack];
    if (stack->top == 0 || calls->call[stack->top - 1].name != record->name)
        return status_fail(err, STATUS_BAD_INPUT,
                           "the trace is damaged: a function returns that was not called");
    struct call *call = &calls->call[stack->top - 1];
    call->end = record->begin;
    call->lost = record->guest == GUEST_LOST;
    stack->top = call->caller;
    if (!call->lost)
        calls->current = record->stack;
    if (stack->top == 0 && calls->current == record->stack)
        calls->current = stack->below;
    note_moment(calls, record->begin);
    return STATUS_OK;
}

enum status calls_note(struct calls *calls, const struct trace_record *record, struct error *err)
{
    if (record->stack >= STACKS_MAX)
        return status_fail(err, STATUS_BAD_INPUT, "the trace is damaged: it has too many stacks");
    for (; calls->stack_count <= record->stack; calls->stack_count++) {
        calls->stacks = grow(calls->stacks, calls->stack_count, sizeof *calls->stacks);
        calls->stacks[calls->stack_count] = (struct call_stack){0};
    }
    switch (record->guest) {
    case GUEST_NAME: return STATUS_OK;
    case GUEST_ENTER:
        if (record->stack == 0)
            return status_fail(err, STATUS_BAD_INPUT, "the trace is damaged: a call on no stack");
        enter(calls, record);
        return STATUS_OK;
    case GUEST_LEAVE:
    case GUEST_LOST: return leave(calls, record, err);
    case GUEST_STACK:
        calls->current = record->stack;
        note_moment(calls, record->begin);
        return STATUS_OK;
    case GUEST_SAMPLE:
        calls->sample = grow(calls->sample, calls->sample_count, sizeof *calls->sample);
        calls->sample[calls->sample_count++] = (struct call_sample){record->begin, record->name};
        return STATUS_OK;
    case GUEST_MARK_COUNT: break;
    }
    return STATUS_OK;
}

void calls_note_user(struct calls *calls, tick_t when)
{
    if (calls->current == 0)
        return;
    calls->current = 0;
    note_moment(calls, when);
}

void calls_finish(struct calls *calls, tick_t when)
{
    for (size_t i = 0; i < calls->count; i++)
        if (calls->call[i].end == TICK_NEVER) {
            calls->call[i].end = when;
            calls->call[i].lost = true;
        }
}

void calls_free(struct calls *calls)
{
    free(calls->call);
    free(calls->moment);
    free(calls->sample);
    free(calls->stacks);
    *calls = (struct calls){0};
}

size_t calls_moment_at(const struct calls *calls, tick_t when)
{
    size_t low = 0, count = calls->moment_count;
    while (count > 0) {
        size_t half = count / 2;
        if (calls->moment[low + half].when <= when) {
            low += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return low > 0 ? low - 1 : calls->moment_count;
}

size_t calls_at(const struct calls *calls, tick_t when)
{
    size_t at = calls_moment_at(calls, when);
    return at < calls->moment_count ? calls->moment[at].call : 0;
}
