/* Send combining (Sugerman 2001, section 3): a transmission of a guest that switches worlds often is put off
 * until the VMApp has control anyway.
 *
 *     guest demands transmission --rate high, fewer than combine-limit wait--> frame stays in the chip's ring
 *                                --else--> world switch: the VMApp sends all there is
 *     VMApp has control for another reason (interrupt, other access, HLT) --> it sends all there is
 *
 * The host's timer interrupt brings control to the VMApp at least every 10 ms, so no frame waits longer than
 * a tick. If that is what it waited for, nothing else happens on this machine: the counter starts from zero,
 * and transmissions are not put off until the rate is high again.
 *
 * No frame is copied or queued by us: it stays where the guest's driver put it, and the chip is told to look
 * at its ring. All frames of a batch are sent by one look, so they make one virtual interrupt.
 *
 * The rate is measured in periods of a host tick; at the end of each, the average moves half way to what was
 * counted. The paper gives neither period nor weight nor threshold: these are ours (assumed). */
#include "vmm/hv_workstation_priv.h"

#include "base/check.h"
#include "devices/ideal_nic.h"
#include "devices/pcnet.h"

#include <string.h>

enum { SWITCH_RATE_SCALE = 256, PERIODS_PER_SECOND = 100, PERIODS_FORGOTTEN = 16 };

static void rate_update(struct workstation *workstation)
{
    struct switch_rate *rate = &workstation->rate;
    const struct host *host = vm_host(workstation->vm);
    cycle_t now = host_now(host), period = host->hz / PERIODS_PER_SECOND;
    if (now < rate->period_end)
        return;
    rate->average = (rate->average + rate->count * SWITCH_RATE_SCALE) / 2;
    rate->count = 0;
    cycle_t more = (now - rate->period_end) / period; /* periods that passed without a look */
    rate->average = more < PERIODS_FORGOTTEN ? rate->average >> more : 0;
    rate->period_end += (more + 1) * period;
}

void switch_rate_count(struct workstation *workstation)
{
    rate_update(workstation);
    workstation->rate.count++;
}

bool combining_puts_off(struct workstation *workstation)
{
    const struct workstation_options *options = &workstation->options;
    if (!options->send_combining || workstation->put_off.count >= options->combine_limit)
        return false;
    rate_update(workstation);
    return (uint64_t)workstation->rate.average * PERIODS_PER_SECOND >=
           (uint64_t)options->combine_rate * SWITCH_RATE_SCALE;
}

static bool is_ideal(const struct device *nic)
{
    return strcmp(nic->cls->name, "ideal") == 0;
}

/* The rest of the register write (interrupt enable, acknowledgements) takes effect now. */
void combining_put_off(struct workstation *workstation, struct io_access *access, struct device *nic)
{
    if (!is_ideal(nic)) {
        struct io_access rest = *access;
        rest.value &= ~(uint64_t)PCNET_CSR0_TDMD;
        vm_device_access(workstation->vm, &rest);
    }
    workstation->put_off.nic = nic;
    workstation->put_off.count++;
    host_access_put_off(vm_host(workstation->vm));
}

void combining_flushed(struct workstation *workstation)
{
    workstation->put_off = (struct put_off){0};
    host_put_off_over(vm_host(workstation->vm));
}

void combining_flush(struct workstation *workstation)
{
    struct host *host = vm_host(workstation->vm);
    struct device *nic = workstation->put_off.nic;
    if (workstation->put_off.count == 0)
        return;
    CHECK(host->world == WORLD_HOST);
    enum cost_cause cause = host->cause;
    host->cause = CAUSE_LANCE_TX;
    host_sync(host);
    if (is_ideal(nic))
        ideal_nic_ring_doorbell(nic);
    else
        pcnet_transmit_demand(nic);
    host->cause = cause;
    combining_flushed(workstation);
}

void combining_give_up(struct workstation *workstation)
{
    workstation->rate.average = workstation->rate.count = 0;
}
