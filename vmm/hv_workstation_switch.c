/* The world switch (Sugerman 2001, section 2).
 *
 * Both worlds have their own address space and descriptor tables; the only page mapped in both is the cross
 * page, which holds the code that switches. Interrupts are off on the way, so one that arrives meanwhile is
 * taken by the world that is entered: by the host's own handler, or by the monitor as soon as the guest would
 * run again.
 *
 *             left                                  entered
 *     VMM ------------> cross page: load CR3 ------------------> host        and the same steps back
 *           if, code,                         tables, segments,
 *           save, fpu,                        restore
 *           debug, control
 *
 * S01 gives the sum, 4.45 us, and no parts. The parts are what must be done, each with a price of its own
 * (vmm/cost.def); what they leave of the sum is a part, too, and called the rest.
 *
 * What the guest and the monitor had in TLBs and first-level caches is gone when they run again: CR3 was
 * loaded twice, and another world has run. Figure 5 ends with the first instruction after the switch, so this
 * is charged behind it (switch.cold), as time of the guest.
 *
 * With modelled caches (-timing cache) both kinds of misses are the model's. The TLBs are flushed, the switch
 * and the world entered touch what the profile declares (cache.switch-*, host-*, monitor-*), and the switch
 * pays for its own part of that. What the host touches is in the prices of its steps, which were measured
 * with it; its lines displace the guest's all the same, and the guest pays when it needs them again. */
#include "vmm/hv_workstation_priv.h"

#include "base/check.h"
#include "vmm/timing.h"

/* Load CR3 and run as the world entered, as far as caches see it; what that costs the switch. */
static struct timing_misses refill(struct host *host, enum world entered)
{
    timing_flush_tlbs(host->cpu, true);
    struct timing_footprint footprint = timing_footprint_of(host->costs, TIMING_WORLD_SWITCH);
    struct timing_misses misses = timing_foreign(host->cpu, &footprint);
    footprint =
        timing_footprint_of(host->costs, entered == WORLD_HOST ? TIMING_WORLD_HOST : TIMING_WORLD_MONITOR);
    (void)timing_foreign(host->cpu, &footprint);
    return misses;
}

static void charge_switch(struct host *host, enum world entered)
{
    struct timing_misses misses = {0, 0};
    bool modelled = host->cpu->timing != NULL;
    if (modelled)
        misses = refill(host, entered);
    for (unsigned n = 0; n < COST_SWITCH_PARTS; n++) {
        enum cost_id part = (enum cost_id)(COST_SWITCH_FIRST + n);
        if (modelled && part == COST_ID_SWITCH_TLB_REFILL)
            host_charge_cycles(host, part, misses.walks);
        else if (modelled && part == COST_ID_SWITCH_CACHE_REFILL)
            host_charge_cycles(host, part, misses.lines);
        else
            host_charge(host, part);
    }
}

void workstation_to_host(struct workstation *workstation)
{
    struct host *host = vm_host(workstation->vm);
    CHECK(host->world == WORLD_VMM);
    switch_rate_count(workstation);
    charge_switch(host, WORLD_HOST);
    host->world = WORLD_HOST;
    host_poll_irqs(host);
}

void workstation_to_vmm(struct workstation *workstation)
{
    struct host *host = vm_host(workstation->vm);
    CHECK(host->world == WORLD_HOST && !host->in_handler);
    host->world = WORLD_VMM;
    charge_switch(host, WORLD_VMM);
    workstation->cold = host->cpu->timing == NULL;
}

void workstation_resumed(void *ctx)
{
    struct workstation *workstation = ctx;
    if (!workstation->cold)
        return;
    workstation->cold = false;
    host_charge(vm_host(workstation->vm), COST_ID_SWITCH_COLD);
}
