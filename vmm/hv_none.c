/* No hypervisor: the guest runs on the machine itself.
 *
 * The guest's own tables translate, privileged instructions cost what the CPU takes for them, interrupts go
 * straight to the guest. What is left to charge is the bus: an IN or OUT, and a load from a device, hold the
 * CPU until the chip answers. Left out: posted writes and the buffers that hide them.
 *
 * The CPU is in VMM world all the time: there is no host whose handlers could run. */
#include "vmm/hypervisor.h"

#include "base/check.h"

#include <stdlib.h>

/* I/O ports below this are decoded by the ISA bridge on a PC; PCI BARs lie above. */
enum { FIRST_PCI_PORT = 0x400 };
/* IO-APIC and local APIC: the top of the address space (Intel MultiProcessor Specification, 3.5). */
enum { FIRST_APIC_PAGE = 0xFEC00 };

struct none {
    struct vm *vm;
};

static enum status none_create(struct vm *vm, const char *opts, void **ctx, struct error *err)
{
    unsigned choice[HYPERVISOR_OPTIONS_MAX];
    TRY(hypervisor_parse(&hv_none, opts, choice, err));
    struct none *none = xcalloc(1, sizeof *none);
    none->vm = vm;
    *ctx = none;
    return STATUS_OK;
}

static void none_destroy(void *ctx)
{
    free(ctx);
}

static enum cost_id bus_cost(const struct io_access *access)
{
    if (access->mmio)
        return access->addr >> PAGE_SHIFT >= FIRST_APIC_PAGE ? COST_ID_HW_APIC_MMIO : COST_ID_HW_PCI_MMIO;
    return access->addr < FIRST_PCI_PORT ? COST_ID_HW_ISA_IO : COST_ID_HW_PCI_IO;
}

static void none_io(void *ctx, struct io_access *access)
{
    struct none *none = ctx;
    struct host *host = vm_host(none->vm);
    host_access_begin(host);
    host_charge(host, bus_cost(access));
    vm_device_access(none->vm, access);
    host_access_end(host);
}

const struct hypervisor_ops hv_none = {
    .name = "none",
    .description = "bare metal: no hypervisor",
    .create = none_create,
    .destroy = none_destroy,
    .io = none_io,
};
