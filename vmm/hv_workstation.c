/* VMware Workstation's hosted monitor, version 2.0, after Sugerman, Venkitachalam, Lim, USENIX 2001.
 *
 * The guest's user code runs directly, its kernel translated; the monitor keeps shadow page tables; devices
 * are emulated in the VMApp behind a world switch, except a few chips. The parts:
 *
 *     hv_workstation_switch.c   the world switch
 *     hv_workstation_io.c       device accesses, the transmitting OUT among them
 *     hv_workstation_irq.c      physical interrupts, HLT
 *     hv_workstation_exit.c     privileged and sensitive instructions
 *     shadow.c                  page tables
 *
 * Left out for now: the paper's three optimizations (places: placement_of() for I/O in the VMM and send
 * combining, workstation_host_interrupt() for IRQ notification). */
#include "vmm/hv_workstation_priv.h"

#include "base/check.h"

#include <stdlib.h>

static enum status workstation_create(struct vm *vm, const char *opts, void **ctx, struct error *err)
{
    unsigned choice[HYPERVISOR_OPTIONS_MAX];
    TRY(hypervisor_parse(&hv_workstation, opts, choice, err));
    if (vm_host_services(vm) == NULL)
        return status_fail(err, STATUS_BAD_INPUT, "-hypervisor workstation: it needs a host to run on");
    struct workstation *workstation = xcalloc(1, sizeof *workstation);
    workstation->vm = vm;
    workstation->services = vm_host_services(vm);
    *ctx = workstation;
    return STATUS_OK;
}

static void workstation_destroy(void *ctx)
{
    free(ctx);
}

static unsigned workstation_kernel_cost_milli(void *ctx)
{
    struct workstation *workstation = ctx;
    uint64_t milli = vm_host(workstation->vm)->costs->value[COST_ID_VMM_TRANSLATED].milli_cycles;
    return milli > UINT16_MAX ? UINT16_MAX : (unsigned)milli;
}

const struct hypervisor_ops hv_workstation = {
    .name = "workstation",
    .description = "VMware Workstation 2.0: hosted monitor, devices in a user process of the host",
    .create = workstation_create,
    .destroy = workstation_destroy,
    .io = workstation_io,
    .exit = workstation_exit,
    .cpl_changed = workstation_cpl_changed,
    .host_interrupt = workstation_host_interrupt,
    .halt = workstation_halt,
    .kernel_cost_milli = workstation_kernel_cost_milli,
};
