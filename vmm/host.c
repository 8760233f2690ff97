/* The host's time line: charging, idling, interrupts (host.h draws the cases).
 *
 * The heart is spend(): it advances the clock piece by piece, from one due event to the next, so that each
 * event sees the tick it was scheduled for, and gives interrupts raised by an event to their handlers before
 * the rest of the charge is spent. What a handler spends lies inside the charge on the time line but is
 * charged to its own steps.
 *
 * Left out: nested handlers of different priority (Linux 2.2 ran most of them with interrupts off). */
#include "vmm/host.h"

#include "base/check.h"

#include <string.h>

enum { HANDLERS_PER_POLL = 64 };

/* Invariant 2: nothing has moved the clock behind the recorder's back. */
static void check_time_line(const struct host *host)
{
    CHECK(recorder_now(host->recorder) == host_tick(host));
}

void host_account_guest(struct host *host, unsigned cpl)
{
    tick_t now = host_tick(host), before = recorder_now(host->recorder);
    CHECK(now >= before);
    if (now > before)
        recorder_advance(host->recorder, cpl == 3 ? STEP_GUEST_USER : STEP_GUEST_KERNEL, now - before);
}

void host_run_events(struct host *host)
{
    tick_t now = host_tick(host);
    if (now < host->queue->now)
        return;
    bool nested = host->in_event;
    host->in_event = true;
    event_queue_run(host->queue, now);
    host->in_event = nested;
}

void host_sync(struct host *host)
{
    tick_t now = host_tick(host);
    if (now > host->queue->now)
        host->queue->now = now;
}

tick_t host_duration(const struct host *host, enum cost_id cost, uint64_t units)
{
    unsigned __int128 milli = (unsigned __int128)host->costs->value[cost].milli_cycles * units;
    return (tick_t)((milli * host->ticks_per_cycle + 999) / 1000);
}

static void advance(struct host *host, unsigned step, cycle_t cycles)
{
    host->cpu->s.clock += cycles;
    recorder_advance(host->recorder, step, cycles * host->ticks_per_cycle);
}

/* Cycles from now to the first boundary of a cycle at or after `tick`. */
static cycle_t cycles_until(const struct host *host, tick_t tick)
{
    tick_t now = host_tick(host);
    if (tick <= now)
        return 0;
    return (tick - now - 1) / host->ticks_per_cycle + 1;
}

/* The cycles of one happening of `step`, from one due event to the next. */
static __attribute__((noinline)) void spend(struct host *host, unsigned step, cycle_t cycles)
{
    recorder_charge(host->recorder, step, 0);
    for (;;) {
        tick_t next = event_queue_next(host->queue);
        if (next == TICK_NEVER)
            break;
        cycle_t until = cycles_until(host, next);
        if (until > cycles)
            break;
        advance(host, step, until);
        cycles -= until;
        host_run_events(host);
        host_poll_irqs(host);
    }
    advance(host, step, cycles);
}

static inline void charge(struct host *host, enum cost_id cost, cycle_t cycles)
{
    unsigned step = cost_step(host->costs, cost, host->cause);
    tick_t ticks = cycles * host->ticks_per_cycle;
    CHECK(!host->in_event);
    check_time_line(host);
    tick_t now = host_tick(host), next = event_queue_next(host->queue);
    if (host->atomic || (next > now && ticks < next - now)) {
        host->cpu->s.clock += cycles;
        recorder_charge(host->recorder, step, ticks);
    } else {
        spend(host, step, cycles);
    }
}

void host_charge_units(struct host *host, enum cost_id cost, uint64_t units)
{
    uint64_t milli = host->costs->value[cost].milli_cycles, sum;
    if (__builtin_mul_overflow(milli, units, &sum) || sum > UINT64_MAX - 999)
        charge(host, cost, (cycle_t)(((unsigned __int128)milli * units + 999) / 1000));
    else
        charge(host, cost, (sum + 999) / 1000);
}

void host_charge_cycles(struct host *host, enum cost_id cost, cycle_t cycles)
{
    charge(host, cost, cycles);
}

void host_charge(struct host *host, enum cost_id cost)
{
    charge(host, cost, host->costs->cycles[cost]);
}

void host_end_atomic(struct host *host)
{
    CHECK(host->atomic > 0);
    if (--host->atomic > 0)
        return;
    tick_t next = event_queue_next(host->queue);
    if (next != TICK_NEVER && next <= host_tick(host))
        cpu_stop_soon(host->cpu);
}

/* What has a handler in HOST world. */
static uint16_t pending_here(const struct host *host)
{
    return host->irq_pending & (uint16_t)~host->monitor_lines;
}

bool host_idle_until_event(struct host *host, unsigned step, cycle_t limit)
{
    CHECK(!host->in_event && !host->atomic);
    check_time_line(host);
    if (host->world == WORLD_HOST && pending_here(host) && !host->in_handler) {
        host_poll_irqs(host);
        return true;
    }
    tick_t next = event_queue_next(host->queue);
    cycle_t now = host_now(host);
    cycle_t until = next == TICK_NEVER ? TICK_NEVER : cycles_until(host, next);
    if (limit != TICK_NEVER && (limit <= now || until > limit - now)) {
        if (limit > now)
            advance(host, step, limit - now);
        host_run_events(host);
        return false;
    }
    if (next == TICK_NEVER)
        return false;
    advance(host, step, until);
    host->idle_until = next;
    host_run_events(host);
    host->idle_until = 0;
    host_poll_irqs(host);
    return true;
}

/* ---- Interrupts ---- */

void host_set_irq_handler(struct host *host, unsigned line, const char *name, host_irq_fn *handler, void *ctx)
{
    CHECK(line < HOST_IRQ_LINES && host->irq[line].handler == NULL);
    host->irq[line].name = name;
    host->irq[line].handler = handler;
    host->irq[line].ctx = ctx;
}

void host_poll_irqs(struct host *host)
{
    if (host->world != WORLD_HOST || host->in_handler || host->in_event)
        return;
    enum cost_cause cause = host->cause;
    host->in_handler = true;
    host->cause = CAUSE_OTHER;
    /* Interrupts that come faster than they are handled must not keep the run loop from its limit. */
    for (unsigned round = 0; pending_here(host) && round < HANDLERS_PER_POLL; round++) {
        unsigned line = (unsigned)__builtin_ctz(pending_here(host));
        host->irq_pending &= (uint16_t) ~(1u << line);
        host->irq[line].handler(host->irq[line].ctx, host);
    }
    host->cause = cause;
    host->in_handler = false;
}

void host_raise_irq(struct host *host, unsigned line)
{
    CHECK(line < HOST_IRQ_LINES && host->irq[line].handler != NULL);
    host->irq_pending |= (uint16_t)(1u << line);
    host->irq_count++;
    if (host->world == WORLD_VMM)
        cpu_stop_soon(host->cpu);
    else
        host_poll_irqs(host);
}

void host_lower_irq(struct host *host, unsigned line)
{
    host->irq_pending &= (uint16_t) ~(1u << line);
}

/* ---- Frames of a guest access ---- */

void host_access_begin(struct host *host)
{
    host->in_access = true;
    host->access_start = recorder_now(host->recorder);
    host->sent_first = host->sent_end = 0;
    host->sent_count = 0;
}

void host_access_put_off(struct host *host)
{
    if (host->put_off_count < HOST_PUT_OFF_MAX) {
        host->put_off[host->put_off_count++] = (struct put_off_access){.start = host->access_start};
        host->puts_off = true;
    }
}

void host_put_off_over(struct host *host)
{
    host->put_off_count = 0;
}

/* The oldest access that was put off is the one that sent frame `id`. */
static void begin_put_off(struct host *host, uint64_t id, uint32_t size)
{
    struct put_off_access first = host->put_off[0];
    host->put_off_count--;
    memmove(host->put_off, host->put_off + 1, host->put_off_count * sizeof *host->put_off);
    recorder_packet(host->recorder, id, PACKET_TX_OUT, first.start, size);
    recorder_packet(host->recorder, id, PACKET_TX_RESUME, first.resume, 0);
}

uint64_t host_frame_begin(struct host *host, uint64_t id, uint32_t size)
{
    host->sent_count++;
    if (id != 0 || host->next_frame_id == NULL)
        return id;
    id = ++*host->next_frame_id;
    if (host->put_off_count > 0) {
        begin_put_off(host, id, size);
        return id;
    }
    /* A chip that polls its ring may send without an access: then the frame's way begins in the chip. */
    if (host->in_access) {
        if (host->sent_end == 0)
            host->sent_first = id;
        host->sent_end = id + 1;
    }
    tick_t start = host->in_access ? host->access_start : host->queue->now;
    recorder_packet(host->recorder, id, PACKET_TX_OUT, start, size);
    return id;
}

void host_frame_received(struct host *host, uint64_t id, uint32_t size)
{
    recorder_packet(host->recorder, id, PACKET_RX_GUEST, host->queue->now, size);
    if (id != 0 && host->received_count < HOST_RECEIVED_MAX)
        host->received[host->received_count++] = id;
}

void host_frames_announced(struct host *host)
{
    for (unsigned i = 0; i < host->received_count; i++)
        recorder_packet(host->recorder, host->received[i], PACKET_RX_VIRQ, recorder_now(host->recorder), 0);
    host->received_count = 0;
}

void host_access_end(struct host *host)
{
    for (uint64_t id = host->sent_first; id < host->sent_end; id++)
        recorder_packet(host->recorder, id, PACKET_TX_RESUME, recorder_now(host->recorder), 0);
    if (host->puts_off)
        host->put_off[host->put_off_count - 1].resume = recorder_now(host->recorder);
    host->puts_off = false;
    host->sent_first = host->sent_end = 0;
    host->in_access = false;
}
