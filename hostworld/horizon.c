/* Taking turns at horizons; see horizon.h.
 *
 * Invariants: (1) while a host runs, the other waits in its horizon event, has ended, or has not begun; (2)
 * the horizon of the one that runs is not later than the promise of the other plus a window; (3) who waits
 * has reached its horizon, so the other's promise and a window lie behind it, and the other can go on: no
 * deadlock. */
#include "hostworld/horizon.h"

#include "base/check.h"
#include "base/host_turns.h"

#include <stdlib.h>

struct side {
    struct horizon *horizon;
    struct event event;
    struct host *host;
    tick_t reached; /* all it does before this tick is known; TICK_NEVER: it has ended */
    bool idle;      /* it stands there with nothing to do before its next event */
};

struct horizon {
    struct horizon_config config;
    struct side side[2];
    struct host_turns *turns;
    bool ending;
};

static struct side *other_side(const struct side *side)
{
    struct horizon *horizon = side->horizon;
    return &horizon->side[side == &horizon->side[0]];
}

/* Nothing that a host which does not run sends will start before. */
static tick_t promise(const struct side *side)
{
    tick_t next = side->idle ? event_queue_next(side->host->queue) : 0;
    return next > side->reached ? next : side->reached;
}

static void reach(struct event *event, tick_t late)
{
    (void)late;
    struct side *side = CONTAINER_OF(event, struct side, event), *other = other_side(side);
    struct horizon *horizon = side->horizon;
    tick_t window = horizon->config.window;
    side->reached = event->when;
    side->idle = side->host->idle_until == event->when;
    while (!horizon->ending && promise(other) <= side->reached - window)
        host_turns_give(horizon->turns);
    side->idle = false;
    if (horizon->ending)
        event_schedule(side->host->queue, event, side->reached + window);
    else if (promise(other) < TICK_NEVER - window)
        event_schedule(side->host->queue, event, promise(other) + window);
}

void horizon_sent(struct horizon *horizon, unsigned from, tick_t arrival)
{
    struct side *side = &horizon->side[from];
    tick_t answer = arrival + horizon->config.window;
    if (other_side(side)->reached != TICK_NEVER &&
        (!event_pending(&side->event) || side->event.when > answer))
        event_schedule(side->host->queue, &side->event, answer);
}

static void run_second(void *ctx)
{
    struct horizon *horizon = ctx;
    horizon->config.run(horizon->config.ctx);
    horizon->side[1].reached = TICK_NEVER;
}

struct horizon *horizon_create(const struct horizon_config *config)
{
    CHECK(config->window > 0);
    struct horizon *horizon = xcalloc(1, sizeof *horizon);
    horizon->config = *config;
    for (unsigned i = 0; i < 2; i++) {
        struct side *side = &horizon->side[i];
        *side = (struct side){.horizon = horizon, .host = config->host[i]};
        event_init(&side->event, "lab.horizon", EVENT_ORDER_HORIZON, reach);
        event_schedule(side->host->queue, &side->event, config->window);
    }
    horizon->turns = host_turns_create(run_second, horizon);
    return horizon;
}

void horizon_destroy(struct horizon *horizon)
{
    if (horizon == NULL)
        return;
    struct side *second = &horizon->side[1];
    horizon->ending = true;
    if (second->reached > 0 && second->reached != TICK_NEVER) {
        horizon->config.stop(horizon->config.ctx);
        host_turns_give(horizon->turns);
        CHECK(second->reached == TICK_NEVER);
    }
    host_turns_destroy(horizon->turns);
    for (unsigned i = 0; i < 2; i++)
        event_cancel(horizon->side[i].host->queue, &horizon->side[i].event);
    free(horizon);
}
