/* The lab's one order of events (contract E2).
 *
 * Time is a number of ticks (base/types.h). An event is a struct embedded in its owner; it has a name for
 * traces, a deadline and a callback, which gets the event itself (use CONTAINER_OF to find the owner) and is
 * told how many ticks late it runs. Two events with the same deadline run in the order of their `order`
 * field, then in the order in which they were scheduled: nothing depends on addresses or on the heap's shape.
 *
 * `now` is moved only by whoever runs the simulated CPUs. Before a device is touched, `now` is set to the
 * tick of the access, so a device may read it and schedule from it.
 *
 * Invariants: (1) now never decreases; (2) an event is in the heap exactly when event_pending() is true;
 * (3) no event in the heap has a deadline before the last one that ran. */
#ifndef CROSSPAGE_BASE_EVENT_H
#define CROSSPAGE_BASE_EVENT_H

#include "base/types.h"

struct event;
typedef void event_fn(struct event *event, tick_t late);

/* Which of several events due at the same tick goes first. */
enum event_order {
    EVENT_ORDER_HORIZON, /* before all else at its tick: what other hosts do until then becomes known */
    EVENT_ORDER_WIRE,    /* frames arrive before anything looks at them */
    EVENT_ORDER_DEVICE,  /* chips */
    EVENT_ORDER_HOST,    /* host operating system models */
    EVENT_ORDER_LAST,    /* pacing, checkpoints: sees the finished tick */
};

struct event {
    const char *name;
    event_fn *fn;
    enum event_order order;
    tick_t when;     /* valid while pending */
    uint64_t serial; /* order of scheduling */
    size_t slot;     /* position in the heap + 1; 0 when not pending */
};

struct event_queue {
    tick_t now;
    uint64_t hz; /* ticks per second */
    uint64_t serial;
    struct event **heap;
    size_t count, capacity;
    /* Told when the earliest deadline has become earlier, so that a running CPU can stop in time. May be
     * NULL. */
    void (*sooner)(void *ctx, tick_t deadline);
    void *sooner_ctx;
};

void event_queue_init(struct event_queue *queue, uint64_t hz);
void event_queue_destroy(struct event_queue *queue);

/* Prepare an event; it is not scheduled yet. */
void event_init(struct event *event, const char *name, enum event_order order, event_fn *fn);

/* (Re)schedule at an absolute tick; a tick in the past means as soon as possible. */
void event_schedule(struct event_queue *queue, struct event *event, tick_t when);

/* Remove if pending. */
void event_cancel(struct event_queue *queue, struct event *event);

static inline bool event_pending(const struct event *event)
{
    return event->slot != 0;
}

/* Deadline of the earliest event, TICK_NEVER when there is none. */
static inline tick_t event_queue_next(const struct event_queue *queue)
{
    return queue->count ? queue->heap[0]->when : TICK_NEVER;
}

/* Move `now` to `tick` and run every event due at or before it, in order. Events scheduled meanwhile run too
 * if due. */
void event_queue_run(struct event_queue *queue, tick_t tick);

/* Ticks in `amount` units of 1/units_per_second second, rounded up (a device is never early). */
tick_t ticks_from(const struct event_queue *queue, uint64_t amount, uint64_t units_per_second);

/* Whole units of 1/units_per_second second in `ticks`, rounded down. */
uint64_t ticks_to(const struct event_queue *queue, tick_t ticks, uint64_t units_per_second);

#endif
