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

enum option { OPTION_SHADOW, OPTION_COUNT };

static const struct hypervisor_option options[OPTION_COUNT] = {
    [OPTION_SHADOW] = {"shadow", "on|off",
                       "shadow page tables; off: the guest's own tables translate, at no cost"},
};

static enum status workstation_create(struct vm *vm, const char *opts, void **ctx, struct error *err)
{
    unsigned choice[HYPERVISOR_OPTIONS_MAX];
    TRY(hypervisor_parse(&hv_workstation, opts, choice, err));
    if (vm_host_services(vm) == NULL)
        return status_fail(err, STATUS_BAD_INPUT, "-hypervisor workstation: it needs a host to run on");
    struct workstation *workstation = xcalloc(1, sizeof *workstation);
    workstation->vm = vm;
    workstation->services = vm_host_services(vm);
    enum status status = pmap_create(&workstation->pmap, vm_machine(vm), vm_memory(vm), err);
    if (status != STATUS_OK) {
        free(workstation);
        return status;
    }
    if (choice[OPTION_SHADOW] == 0)
        workstation->shadow = shadow_create(vm, &workstation->pmap, 0);
    *ctx = workstation;
    return STATUS_OK;
}

static void workstation_destroy(void *ctx)
{
    struct workstation *workstation = ctx;
    shadow_destroy(workstation->shadow);
    pmap_destroy(&workstation->pmap);
    free(workstation);
}

/* ---- Memory ---- */

static bool workstation_translate(void *ctx, gva_t addr, enum access access, bool user, bool ac,
                                  struct translation *out, uint32_t *pf)
{
    struct workstation *workstation = ctx;
    const struct paging *paging = &vm_cpu(workstation->vm)->paging;
    if (workstation->shadow == NULL)
        return page_walk(vm_memory(workstation->vm), paging, addr, access, user, ac, true, out, pf);
    return shadow_translate(workstation->shadow, paging, addr, access, user, ac, out, pf);
}

static void workstation_invalidate(void *ctx, const gva_t *addr, bool global)
{
    struct workstation *workstation = ctx;
    (void)addr;
    (void)global;
    if (workstation->shadow != NULL)
        shadow_invalidate(workstation->shadow, &vm_cpu(workstation->vm)->paging);
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
    .options = options,
    .option_count = OPTION_COUNT,
    .virtual_serial = true,
    .create = workstation_create,
    .destroy = workstation_destroy,
    .io = workstation_io,
    .exit = workstation_exit,
    .translate = workstation_translate,
    .invalidate = workstation_invalidate,
    .cpl_changed = workstation_cpl_changed,
    .host_interrupt = workstation_host_interrupt,
    .halt = workstation_halt,
    .kernel_cost_milli = workstation_kernel_cost_milli,
};
