/* A binary heap of pointers to events embedded in their owners. Each event knows its slot, so cancelling is
 * O(log n) without a search. */
#include "base/event.h"

#include "base/check.h"

#include <stdlib.h>

void event_queue_init(struct event_queue *queue, uint64_t hz)
{
    CHECK(hz > 0);
    *queue = (struct event_queue){.hz = hz};
}

void event_queue_destroy(struct event_queue *queue)
{
    free(queue->heap);
    *queue = (struct event_queue){0};
}

void event_init(struct event *event, const char *name, enum event_order order, event_fn *fn)
{
    *event = (struct event){.name = name, .fn = fn, .order = order};
}

static bool runs_before(const struct event *a, const struct event *b)
{
    if (a->when != b->when)
        return a->when < b->when;
    if (a->order != b->order)
        return a->order < b->order;
    return a->serial < b->serial;
}

static void heap_place(struct event_queue *queue, size_t index, struct event *event)
{
    queue->heap[index] = event;
    event->slot = index + 1;
}

static void sift_up(struct event_queue *queue, size_t index)
{
    struct event *event = queue->heap[index];
    while (index > 0) {
        size_t parent = (index - 1) / 2;
        if (!runs_before(event, queue->heap[parent]))
            break;
        heap_place(queue, index, queue->heap[parent]);
        index = parent;
    }
    heap_place(queue, index, event);
}

static void sift_down(struct event_queue *queue, size_t index)
{
    struct event *event = queue->heap[index];
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= queue->count)
            break;
        if (child + 1 < queue->count && runs_before(queue->heap[child + 1], queue->heap[child]))
            child++;
        if (!runs_before(queue->heap[child], event))
            break;
        heap_place(queue, index, queue->heap[child]);
        index = child;
    }
    heap_place(queue, index, event);
}

void event_cancel(struct event_queue *queue, struct event *event)
{
    if (!event_pending(event))
        return;
    size_t index = event->slot - 1;
    event->slot = 0;
    struct event *last = queue->heap[--queue->count];
    if (last == event)
        return;
    heap_place(queue, index, last);
    sift_up(queue, index);
    sift_down(queue, last->slot - 1);
}

void event_schedule(struct event_queue *queue, struct event *event, tick_t when)
{
    event_cancel(queue, event);
    tick_t before = event_queue_next(queue);
    event->when = when < queue->now ? queue->now : when;
    event->serial = queue->serial++;
    if (queue->count == queue->capacity) {
        queue->capacity = queue->capacity ? 2 * queue->capacity : 32;
        queue->heap = xrealloc(queue->heap, queue->capacity * sizeof *queue->heap);
    }
    heap_place(queue, queue->count++, event);
    sift_up(queue, queue->count - 1);
    if (event->when < before && queue->sooner != NULL)
        queue->sooner(queue->sooner_ctx, event->when);
}

void event_queue_run(struct event_queue *queue, tick_t tick)
{
    CHECK(tick >= queue->now);
    while (queue->count && queue->heap[0]->when <= tick) {
        struct event *event = queue->heap[0];
        if (event->when > queue->now)
            queue->now = event->when;
        event_cancel(queue, event);
        event->fn(event, tick - event->when);
    }
    if (tick > queue->now)
        queue->now = tick;
}

tick_t ticks_from(const struct event_queue *queue, uint64_t amount, uint64_t units_per_second)
{
    unsigned __int128 product = (unsigned __int128)amount * queue->hz + (units_per_second - 1);
    return (tick_t)(product / units_per_second);
}

uint64_t ticks_to(const struct event_queue *queue, tick_t ticks, uint64_t units_per_second)
{
    return (uint64_t)((unsigned __int128)ticks * units_per_second / queue->hz);
}
