/* The event queue: order, ties, cancelling, lateness, exact unit conversion. */
#include "base/event.h"

#include <criterion/criterion.h>

struct probe {
    struct event event;
    int id;
    int *log;
    int *count;
};

static void probe_fired(struct event *event, tick_t late)
{
    (void)late;
    struct probe *probe = CONTAINER_OF(event, struct probe, event);
    probe->log[(*probe->count)++] = probe->id;
}

Test(event, equal_deadlines_run_by_order_then_by_scheduling)
{
    struct event_queue queue;
    event_queue_init(&queue, 1000);
    int log[8], count = 0;
    struct probe probes[4];
    static const enum event_order order[4] = {EVENT_ORDER_HOST, EVENT_ORDER_DEVICE, EVENT_ORDER_DEVICE,
                                              EVENT_ORDER_WIRE};
    for (int i = 0; i < 4; i++) {
        probes[i] = (struct probe){.id = i, .log = log, .count = &count};
        event_init(&probes[i].event, "probe", order[i], probe_fired);
        event_schedule(&queue, &probes[i].event, 10);
    }
    event_queue_run(&queue, 9);
    cr_assert_eq(count, 0);
    event_queue_run(&queue, 10);
    cr_assert_eq(count, 4);
    cr_assert_eq(log[0], 3);
    cr_assert_eq(log[1], 1);
    cr_assert_eq(log[2], 2);
    cr_assert_eq(log[3], 0);
    event_queue_destroy(&queue);
}

Test(event, cancelling_any_of_many_keeps_the_rest_in_order)
{
    enum { N = 50 };
    for (int victim = 0; victim < N; victim++) {
        struct event_queue queue;
        event_queue_init(&queue, 1000);
        int log[N], count = 0;
        struct probe probes[N];
        for (int i = 0; i < N; i++) {
            probes[i] = (struct probe){.id = i, .log = log, .count = &count};
            event_init(&probes[i].event, "probe", EVENT_ORDER_DEVICE, probe_fired);
            event_schedule(&queue, &probes[i].event, (tick_t)((i * 37) % N + 1));
        }
        event_cancel(&queue, &probes[victim].event);
        event_cancel(&queue, &probes[victim].event);
        event_queue_run(&queue, 1000);
        cr_assert_eq(count, N - 1);
        for (int i = 1; i < count; i++)
            cr_assert_lt(log[i - 1] * 37 % N, log[i] * 37 % N);
        event_queue_destroy(&queue);
    }
}

Test(event, conversion_rounds_up_into_ticks_and_down_out_of_them)
{
    struct event_queue queue;
    event_queue_init(&queue, 733000000);
    cr_assert_eq(ticks_from(&queue, 1, 1000000), 733);
    cr_assert_eq(ticks_from(&queue, 1, 1193182), 615); /* 614.32 */
    for (uint64_t n = 1; n < 100000; n += 7)
        cr_assert_eq(ticks_to(&queue, ticks_from(&queue, n, 1193182), 1193182), n);
    event_queue_destroy(&queue);
}
