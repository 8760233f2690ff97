/* The host's operating system, as far as the hosted monitor meets it: a Linux 2.2 with a 100 Hz tick.
 *
 * Every interrupt handler is entry, the driver's part, exit; the timer's part is here. A blocked process
 * leaves the CPU to the idle task; an interrupt that makes it ready has it scheduled again.
 *
 * Left out: other processes, time slices (the VMApp is alone), disk and console of the host. */
#include "hostworld/hosted_priv.h"

#include "base/check.h"

enum { TICKS_PER_SECOND = 100 }; /* HZ of Linux 2.2 on i386 */

static void schedule_tick(struct host_linux *kernel)
{
    kernel->tick_number++;
    event_schedule(kernel->host->queue, &kernel->tick,
                   ticks_from(kernel->host->queue, kernel->tick_number, TICKS_PER_SECOND));
}

static void tick_fired(struct event *event, tick_t late)
{
    (void)late;
    struct host_linux *kernel = CONTAINER_OF(event, struct host_linux, tick);
    schedule_tick(kernel);
    host_raise_irq(kernel->host, HOST_LINE_TIMER);
}

static void timer_interrupt(void *ctx, struct host *host)
{
    struct host_linux *kernel = ctx;
    kernel->ticks++;
    host_charge(host, COST_ID_HOST_IRQ_ENTRY);
    host_charge(host, COST_ID_HOST_TICK);
    host_charge(host, COST_ID_HOST_IRQ_EXIT);
}

void host_linux_init(struct host_linux *kernel, struct host *host)
{
    *kernel = (struct host_linux){.host = host};
    event_init(&kernel->tick, "host-tick", EVENT_ORDER_HOST, tick_fired);
    host_set_irq_handler(host, HOST_LINE_TIMER, "timer", timer_interrupt, kernel);
    kernel->tick_number = ticks_to(host->queue, host->queue->now, TICKS_PER_SECOND);
    schedule_tick(kernel);
}

void host_linux_destroy(struct host_linux *kernel)
{
    event_cancel(kernel->host->queue, &kernel->tick);
}

bool host_linux_block(struct host_linux *kernel, host_woken_fn *ready, void *ctx, cycle_t limit)
{
    struct host *host = kernel->host;
    CHECK(host->world == WORLD_HOST && !host->in_handler);
    if (!kernel->blocked) {
        if (ready(ctx))
            return true;
        host_charge(host, COST_ID_HOST_BLOCK);
        kernel->blocked = true;
    }
    while (!ready(ctx))
        if (!host_idle_until_event(host, STEP_IDLE, limit) && host_now(host) >= limit)
            return false;
    kernel->blocked = false;
    host_charge(host, COST_ID_HOST_WAKE);
    return true;
}
