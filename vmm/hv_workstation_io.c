/* Device accesses under the hosted monitor, version 2.0 (Sugerman 2001, section 2 and Figure 5).
 *
 *     RAP of the Lance        in the VMM
 *     PIC, PIT, RTC, APICs    in the VMM
 *     everything else         VMM -> switch -> VMDriver returns -> VMApp emulates -> ioctl -> switch -> VMM
 *
 * The VMApp's emulation *is* the device model: vm_device_access() runs it at the moment the VMApp would, and
 * a frame it sends goes through hostworld's write(), VMNet, bridge and NIC driver inside that call, each
 * charging its own steps. */
#include "vmm/hv_workstation_priv.h"

#include "base/check.h"
#include "devices/pcnet.h"

#include <string.h>

static bool is_class(const struct device *device, const char *name)
{
    return strcmp(device->cls->name, name) == 0;
}

/* Chips without a counterpart in the real machine that a VMM needs at every virtual interrupt and tick. */
static bool is_monitor_chip(const struct device *device)
{
    static const char *const names[] = {"i8259", "i8254", "mc146818", "lapic", "ioapic", "piix4-pm"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (is_class(device, names[i]))
            return true;
    return false;
}

static enum placement placement_of(const struct device *device, uint32_t offset)
{
    if (device == NULL)
        return PLACE_VMAPP;
    if (is_monitor_chip(device))
        return PLACE_MONITOR_CHIP;
    if (is_class(device, "pcnet") && pcnet_port_at(device, offset) == PCNET_PORT_RAP)
        return PLACE_MONITOR_RAP;
    return PLACE_VMAPP;
}

/* CSR0 bit 3, transmit demand (Am79C970A data sheet, CSR0). */
enum { CSR0 = 0, CSR0_TDMD = 1 << 3 };

static enum cost_cause cause_of(const struct device *device, uint32_t offset, const struct io_access *access)
{
    if (device == NULL || !is_class(device, "pcnet"))
        return CAUSE_OTHER;
    bool transmits = access->write && pcnet_port_at(device, offset) == PCNET_PORT_RDP &&
                     pcnet_rap(device) == CSR0 && (access->value & CSR0_TDMD);
    return transmits ? CAUSE_LANCE_TX : CAUSE_LANCE_STATUS;
}

static void access_in_vmapp(struct workstation *workstation, struct io_access *access,
                            const struct device *device, uint32_t offset)
{
    struct host *host = vm_host(workstation->vm);
    const struct host_services *services = workstation->services;
    host_charge(host, access->mmio ? COST_ID_VMM_MMIO_DECODE : COST_ID_VMM_IO_DECODE);
    workstation_to_host(workstation);
    host->cause = cause_of(device, offset, access);
    services->return_to_vmapp(services->ctx);
    vm_device_access(workstation->vm, access);
    services->emulated(services->ctx, device ? device->cls->name : NULL, host->sent_count != 0);
    services->call_vmdriver(services->ctx);
    host->cause = CAUSE_OTHER;
    workstation_to_vmm(workstation);
    host_charge(host, COST_ID_VMM_IO_RESUME);
}

void workstation_io(void *ctx, struct io_access *access)
{
    struct workstation *workstation = ctx;
    struct host *host = vm_host(workstation->vm);
    uint32_t offset = 0;
    const struct device *device = vm_device_at(workstation->vm, access, &offset);
    host_access_begin(host);
    switch (placement_of(device, offset)) {
    case PLACE_MONITOR_CHIP:
        host_charge(host, COST_ID_VMM_IO_CHIP);
        vm_device_access(workstation->vm, access);
        break;
    case PLACE_MONITOR_RAP:
        host_charge(host, COST_ID_VMM_IO_RAP);
        vm_device_access(workstation->vm, access);
        break;
    case PLACE_VMAPP: access_in_vmapp(workstation, access, device, offset); break;
    }
    host_access_end(host);
}
