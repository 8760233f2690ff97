/* Interrupts and idling under the hosted monitor (Sugerman 2001, sections 2 and 3).
 *
 * A physical interrupt in the VMM world costs far more than one in the host world:
 *
 *     monitor's handler -> switch -> VMDriver raises it again -> host's handler
 *       -> VMDriver returns -> VMApp: select(), perhaps read() and the virtual NIC's receiver
 *       -> ioctl -> switch -> virtual interrupt if due -> guest
 *
 * In version 2.0 the VMApp cannot tell whether the interrupt was for the VM, so it asks select() every time.
 * With irq-notify=on (section 3) it looks at memory that it shares with VMNet after an interrupt of the NIC,
 * and goes back at once; select() is left for other interrupts, the timer's among them.
 *
 * HLT: switch, the VMApp blocks in select(); host interrupts then run in the host world, cheaply. With
 * halt=spin, as the paper measured idle time: the CPU waits in the VMM, and each interrupt takes the path
 * drawn above. */
#include "vmm/hv_workstation_priv.h"

#include "base/check.h"

static bool intr_line(const struct workstation *workstation)
{
    return vm_cpu(workstation->vm)->s.intr_line != 0;
}

/* The VMApp had control on its own account and may have raised virtual interrupts. */
static void post_virtual_interrupts(struct workstation *workstation, bool before)
{
    if (!before && intr_line(workstation))
        host_charge(vm_host(workstation->vm), COST_ID_VMM_VIRQ_POST);
}

/* The VMApp has control after the interrupts in `taken`. */
static void look_for_work(struct workstation *workstation, uint16_t taken)
{
    const struct host_services *services = workstation->services;
    if (workstation->put_off.count > 0 && !(taken & services->nic_lines))
        combining_give_up(workstation);
    combining_flush(workstation);
    bool notified = workstation->options.irq_notify && !(taken & ~services->nic_lines);
    if (notified ? services->notified(services->ctx) : services->select(services->ctx))
        services->receive_pending(services->ctx);
}

/* Interrupts of a line of the monitor's own need no other world. */
static void serve_in_vmm(struct workstation *workstation)
{
    struct host *host = vm_host(workstation->vm);
    bool before = intr_line(workstation);
    host->irq_pending &= (uint16_t)~host->monitor_lines;
    host_charge(host, COST_ID_VMM_HOST_IRQ);
    workstation->services->serve_nic(workstation->services->ctx);
    post_virtual_interrupts(workstation, before);
    host_charge(host, COST_ID_VMM_IRQ_RESUME);
}

void workstation_host_interrupt(void *ctx)
{
    struct workstation *workstation = ctx;
    struct host *host = vm_host(workstation->vm);
    const struct host_services *services = workstation->services;
    if (host->irq_pending & host->monitor_lines)
        serve_in_vmm(workstation);
    bool before = intr_line(workstation);
    uint16_t taken = host->irq_pending & (uint16_t)~host->monitor_lines;
    if (taken == 0)
        return;
    host->irq_pending &= host->monitor_lines;
    host_charge(host, COST_ID_VMM_HOST_IRQ);
    workstation_to_host(workstation);
    services->reassert(services->ctx, taken);
    services->return_to_vmapp(services->ctx);
    look_for_work(workstation, taken);
    services->call_vmdriver(services->ctx);
    workstation_to_vmm(workstation);
    post_virtual_interrupts(workstation, before);
    host_charge(host, COST_ID_VMM_IRQ_RESUME);
}

/* What ends a blocking select() besides frames: the guest's own timers, and whoever wants the run loop. */
static bool woken(void *ctx)
{
    struct workstation *workstation = ctx;
    return cpu_wakes(vm_cpu(workstation->vm)) || vm_stopping(workstation->vm);
}

/* The guest's own timers are the monitor's (PIT, RTC, APIC), so they wake it without a word from the VMApp.
 */
static bool halt_in_vmm(struct workstation *workstation, cycle_t limit)
{
    struct host *host = vm_host(workstation->vm);
    while (!woken(workstation)) {
        if (host->irq_pending)
            workstation_host_interrupt(workstation);
        else if (!host_idle_until_event(host, STEP_IDLE, limit) && host_now(host) >= limit)
            return false;
    }
    host_charge(host, COST_ID_VMM_HLT_RESUME);
    return true;
}

bool workstation_halt(void *ctx, cycle_t limit)
{
    struct workstation *workstation = ctx;
    if (workstation->options.spin)
        return halt_in_vmm(workstation, limit);
    struct host *host = vm_host(workstation->vm);
    const struct host_services *services = workstation->services;
    if (!workstation->halted) {
        workstation->halted = true;
        workstation->intr_before_halt = intr_line(workstation);
        workstation_to_host(workstation);
        services->return_to_vmapp(services->ctx);
        combining_flush(workstation);
    }
    /* A frame need not wake the guest: its NIC may be off, or the interrupt masked. */
    while (!woken(workstation)) {
        if (host_now(host) >= limit)
            return false;
        if (services->block(services->ctx, woken, workstation, limit))
            services->receive_pending(services->ctx);
    }
    workstation->halted = false;
    services->call_vmdriver(services->ctx);
    workstation_to_vmm(workstation);
    post_virtual_interrupts(workstation, workstation->intr_before_halt);
    host_charge(host, COST_ID_VMM_HLT_RESUME);
    return true;
}
