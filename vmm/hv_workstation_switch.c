/* The world switch (Sugerman 2001, section 2).
 *
 * Both worlds have their own address space and descriptor tables; the only page mapped in both is the cross
 * page, which holds the code that switches. Interrupts are off on the way, so one that arrives meanwhile is
 * taken by the world that is entered: by the host's own handler, or by the monitor as soon as the guest would
 * run again.
 *
 *            save        CR3        restore
 *     VMM ----------> cross page ----------> host        and the same steps back
 */
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
}
