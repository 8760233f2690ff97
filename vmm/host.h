/* A simulated physical PC: one CPU clock, a cost profile, interrupt lines, and the time line on which everything is charged.
 *
 * Code that is modelled (monitor, host kernel, VMApp) runs as C in this process and moves the clock only through host_charge(). Hardware works in
 * parallel: while a charge advances the clock, every event that becomes due fires at its exact tick, so a physical interrupt is
 * raised at its cycle, in whatever world the CPU is then:
 *
 *     world       interrupt arrives                       what happens
 *     HOST        interrupts enabled                      its handler runs at once, nested in what was running
 *     HOST        inside another handler                  after that handler
 *     VMM         the monitor's own code                  stays pending; taken when the guest would be resumed
 *     VMM         guest code                              cpu_run stops at that boundary; hypervisor->host_interrupt
 *     (none)      bare metal: there is no host            host interrupts do not exist; devices drive the guest's PIC
 *
 * Invariants: (1) the clock moves only forward, and only by guest instructions or host_charge/host_idle; (2) recorder_now()
 * equals the clock whenever no guest instruction has run since the last host_account_guest(); (3) a handler never runs in VMM world. */
#ifndef CROSSPAGE_VMM_HOST_H
#define CROSSPAGE_VMM_HOST_H

#include "base/event.h"
#include "base/log.h"
#include "cpu/cpu.h"
#include "traces/recorder.h"
#include "vmm/cost.h"

enum world { WORLD_VMM, WORLD_HOST };

enum { HOST_IRQ_LINES = 16 };

struct host;
typedef void host_irq_fn(void *ctx, struct host *host);

struct host {
    struct event_queue *queue;
    struct log *log;
    uint64_t hz; /* CPU clock */
    uint64_t ticks_per_cycle;
    const struct cost_table *costs;
    struct recorder *recorder;
    struct cpu *cpu;  /* the one vCPU that runs on this CPU: its s.clock is the host's clock */
    enum world world;
    bool in_handler;
    uint16_t irq_pending; /* bit per line */
    struct {
        const char *name;
        host_irq_fn *handler;
        void *ctx;
    } irq[HOST_IRQ_LINES];
};

static inline cycle_t host_now(const struct host *host)
{
    return host->cpu->s.clock;
}

static inline tick_t host_tick(const struct host *host)
{
    return host->cpu->s.clock * host->ticks_per_cycle;
}

/* Give the guest instructions executed since the last call to their layer (by the CPL `cpl` they ran at). */
void host_account_guest(struct host *host, unsigned cpl);

/* Spend the named cost once (fixed costs), or for `units` (per byte, per page...). Runs due events, and handlers in HOST world. */
void host_charge(struct host *host, enum cost_id cost);
void host_charge_units(struct host *host, enum cost_id cost, uint64_t units);

/* Nothing to do until the next event: advance to it as `step` (STEP_IDLE or an idle cost) and run it. In HOST world handlers run. Returns
 * false when there is no event at all, or none before `limit` (then time advances to limit). */
bool host_idle_until_event(struct host *host, unsigned step, cycle_t limit);

/* Raise a physical interrupt (edge); handled as drawn above. */
void host_raise_irq(struct host *host, unsigned line);
/* Run pending handlers now, if the CPU is in HOST world and not in a handler. */
void host_poll_irqs(struct host *host);

#endif
