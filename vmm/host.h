/* A simulated physical PC: one CPU clock, a cost profile, interrupt lines, and the time line on which
 * everything is charged.
 *
 * Code that is modelled (monitor, host kernel, VMApp) runs as C in this process and moves the clock only
 * through host_charge(). Hardware works in parallel: while a charge advances the clock, every event that
 * becomes due fires at its exact tick, so a physical interrupt is raised at its cycle, in whatever world the
 * CPU is then:
 *
 *     CPU is in                        what happens to an interrupt
 *     HOST world, interrupts enabled   its handler runs at once, nested in what was running
 *     HOST world, in a handler         after that handler
 *     VMM world, monitor's own code    stays pending; taken when the guest would be resumed
 *     HOST world, a monitor's line     stays pending until VMM world
 *     VMM world, guest code            cpu_run stops at that boundary; hypervisor->host_interrupt
 *     bare metal                       there is no host; devices drive the guest's PIC
 *
 * Some charges fall into the middle of a guest instruction that has still to commit (a hidden page fault, a
 * privileged instruction). Between host_begin_atomic() and host_end_atomic() events stay in the queue and run
 * at the next instruction boundary (contract E2), so that no bus master changes memory under a half-done
 * instruction.
 *
 * Invariants: (1) the clock moves only forward, and only by guest instructions or host_charge/host_idle; (2)
 * recorder_now() equals the clock whenever no guest instruction has run since the last host_account_guest();
 * (3) a handler never runs in VMM world; (4) event callbacks are hardware: they never charge; (5)
 * handlers do not nest. */
#ifndef CROSSPAGE_VMM_HOST_H
#define CROSSPAGE_VMM_HOST_H

#include "base/event.h"
#include "base/log.h"
#include "cpu/cpu.h"
#include "traces/recorder.h"
#include "vmm/cost.h"

enum world { WORLD_VMM, WORLD_HOST };

enum { HOST_IRQ_LINES = 16, HOST_RECEIVED_MAX = 32, HOST_PUT_OFF_MAX = 32 };

/* A transmission that the guest asked for and that was put off: when it asked, and when it went on. */
struct put_off_access {
    tick_t start, resume;
};

struct host;
typedef void host_irq_fn(void *ctx, struct host *host);

struct host {
    struct event_queue *queue;
    struct log *log;
    uint64_t hz; /* CPU clock */
    uint64_t ticks_per_cycle;
    const struct cost_table *costs;
    struct recorder *recorder;
    struct cpu *cpu; /* the one vCPU that runs on this CPU: its s.clock is the host's clock */
    enum world world;
    enum cost_cause cause; /* on whose behalf BY_CAUSE costs are charged now */
    bool in_handler;
    bool in_event;          /* an event callback runs */
    tick_t idle_until;      /* nothing is done before this event; 0: something is */
    unsigned atomic;        /* nesting: inside a guest instruction, events wait for the boundary */
    uint16_t irq_pending;   /* bit per line */
    uint16_t monitor_lines; /* the monitor's, with handlers of its own: they wait for VMM world */
    uint64_t irq_count;     /* raised so far, all lines */
    struct {
        const char *name;
        host_irq_fn *handler;
        void *ctx;
    } irq[HOST_IRQ_LINES];
    /* Frames on their way through this host. */
    uint64_t *next_frame_id; /* of the lab; NULL: frames stay without id */
    tick_t access_start;     /* of the guest's I/O access being done */
    bool in_access;
    unsigned sent_count;           /* frames sent by that access */
    uint64_t sent_first, sent_end; /* ids of frames sent by that access: first <= id < end */
    struct put_off_access put_off[HOST_PUT_OFF_MAX]; /* oldest first */
    unsigned put_off_count;
    bool puts_off;                        /* the access being done is one */
    uint64_t received[HOST_RECEIVED_MAX]; /* ids of frames in guest memory, not yet announced to the guest */
    unsigned received_count;
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

/* Spend the named cost once (fixed costs), or for `units` (per byte, per page...). Runs due events, and
 * handlers in HOST world. Must not be called from event callbacks. */
void host_charge(struct host *host, enum cost_id cost);
void host_charge_units(struct host *host, enum cost_id cost, uint64_t units);
/* Spend so many cycles in its name, which a model has found. */
void host_charge_cycles(struct host *host, enum cost_id cost, cycle_t cycles);

static inline void host_begin_atomic(struct host *host)
{
    host->atomic++;
}
void host_end_atomic(struct host *host);

/* Run every event that is due at the current clock. */
void host_run_events(struct host *host);

/* Nothing to do until the next event: advance to it as `step` (STEP_IDLE or an idle cost) and run it. In HOST
 * world handlers run. Returns false when there is no event at all, or none before `limit` (then time advances
 * to limit, unless it is TICK_NEVER). */
bool host_idle_until_event(struct host *host, unsigned step, cycle_t limit);

/* Raise a physical interrupt (edge); handled as drawn above. */
void host_raise_irq(struct host *host, unsigned line);
void host_set_irq_handler(struct host *host, unsigned line, const char *name, host_irq_fn *handler,
                          void *ctx);
/* Run pending handlers now, if the CPU is in HOST world and not in a handler. */
void host_poll_irqs(struct host *host);
/* The device has taken its request back before a handler ran. */
void host_lower_irq(struct host *host, unsigned line);

/* Bring the queue's clock to the CPU's, before hardware is touched outside an event. */
void host_sync(struct host *host);
/* Time that hardware takes for `units` of a cost, beside the CPU. */
tick_t host_duration(const struct host *host, enum cost_id cost, uint64_t units);

/* A guest I/O access starts or is done: frames sent in between are marked as its. */
void host_access_begin(struct host *host);
void host_access_end(struct host *host);
/* This access asks for a transmission that is put off. The frames that are sent next are taken for those that
 * were, in their order, and their way begins here; until host_put_off_over() says that none is left. */
void host_access_put_off(struct host *host);
void host_put_off_over(struct host *host);
/* Number a frame that the guest's NIC hands on now, and mark where its way began. Leaves a numbered frame
 * alone. */
uint64_t host_frame_begin(struct host *host, uint64_t id, uint32_t size);
/* A frame is in guest memory now; and the guest was told of all that are. */
void host_frame_received(struct host *host, uint64_t id, uint32_t size);
void host_frames_announced(struct host *host);

#endif
