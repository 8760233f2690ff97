/* Two hosts of one lab, each with its clock and event queue, in one order (contract E2).
 *
 * What one does can reach the other only over the wire, which takes at least `window` ticks. So a host may
 * run ahead of the other by a window: to its horizon. There an event waits, before all others of its tick,
 * until the other has come as far; then everything that can arrive until the next horizon is in the queue. A
 * host that idles does nothing before its next event, which puts the other's horizon a window behind that.
 *
 *     host 0   |--window--|--window--|~~~ waits ~~~|--window--|--window--|
 *     host 1   ~~~ waits ~~~|--window--|--window--|~~~ waits ~~~~~~~~~~~~|--window--
 *
 * The horizon may lie in the middle of modelled code (a charge, an idle loop), so each host has a stack of
 * its own: they take turns (base/host_turns.h). Whose turn it is depends on simulated time alone, and so does
 * everything else. This is the conservative synchronization of Chandy and Misra (IEEE TSE SE-5, 1979). */
#ifndef CROSSPAGE_HOSTWORLD_HORIZON_H
#define CROSSPAGE_HOSTWORLD_HORIZON_H

#include "vmm/host.h"

struct horizon;

struct horizon_config {
    struct host *host[2];
    tick_t window; /* > 0 */
    /* Runs host 1 until its guest ends; host 0 is run by the caller of everything here. */
    void (*run)(void *ctx);
    /* Makes run() return soon. */
    void (*stop)(void *ctx);
    void *ctx;
};

struct horizon *horizon_create(const struct horizon_config *config);
/* Host 0 is no longer run: ends host 1. Before its VM goes. NULL is ignored. */
void horizon_destroy(struct horizon *horizon);

/* Host `from` has put something on its way that the other sees at `arrival`, and may answer. */
void horizon_sent(struct horizon *horizon, unsigned from, tick_t arrival);

#endif
