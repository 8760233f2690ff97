/* The world switch (Sugerman 2001, section 2).
 *
 * Both worlds have their own address space and descriptor tables; the only page mapped in both is the cross
 * page, which holds the code that switches. Interrupts are off on the way, so one that arrives meanwhile is
 * taken by the world that is entered: by the host's own handler, or by the monitor as soon as the guest would
 * run again.
 *
 *            save        CR3        restore
 *     VMM ----------> cross page ----------> host        and the same steps back
 *
 * What the guest and the monitor had in TLBs and first-level caches is gone when they run again: CR3 was
 * loaded twice, and another world has run. Figure 5 ends with the first instruction after the switch, so this
 * is charged behind it (switch.cold), as time of the guest. */
#include "vmm/hv_workstation_priv.h"

#include "base/check.h"

static void charge_switch(struct host *host)
{
    host_charge(host, COST_ID_SWITCH_SAVE);
    host_charge(host, COST_ID_SWITCH_CR3);
    host_charge(host, COST_ID_SWITCH_RESTORE);
}

void workstation_to_host(struct workstation *workstation)
{
    struct host *host = vm_host(workstation->vm);
    CHECK(host->world == WORLD_VMM);
    switch_rate_count(workstation);
    charge_switch(host);
    host->world = WORLD_HOST;
    host_poll_irqs(host);
}

void workstation_to_vmm(struct workstation *workstation)
{
    struct host *host = vm_host(workstation->vm);
    CHECK(host->world == WORLD_HOST && !host->in_handler);
    host->world = WORLD_VMM;
    charge_switch(host);
    workstation->cold = true;
}

void workstation_resumed(void *ctx)
{
    struct workstation *workstation = ctx;
    if (!workstation->cold)
        return;
    workstation->cold = false;
    host_charge(vm_host(workstation->vm), COST_ID_SWITCH_COLD);
}
