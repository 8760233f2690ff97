/* Device accesses under the hosted monitor (Sugerman 2001, section 2 and Figure 5, and the optimizations of
 * section 3).
 *
 *                                        version 2.0        io-in-vmm=on               send-combining=on
 *     PIT, RTC, APICs                    VMM                VMM
 *     PIC                                VMM                VMM, cheaper
 *     RAP of the Lance                   VMM                VMM, a plain move
 *     data port that needs no real I/O   switch             VMM
 *     data port that transmits           switch             switch                     put off, or switch
 *     everything else                    switch             switch
 *
 * pic=cheap makes reads of the PIC's mask plain moves and specialises the rest; with bypass=on the whole
 * Lance is emulated in the VMM, what transmits included (section 4 of the paper).
 *
 * where switch is VMM -> switch -> VMDriver returns -> VMApp emulates -> ioctl -> switch -> VMM.
 *
 * The VMApp's emulation *is* the device model: vm_device_access() runs it at the moment the VMApp would, and
 * a frame it sends goes through hostworld's write(), VMNet, bridge and NIC driver inside that call, each
 * charging its own steps. */
#include "vmm/hv_workstation_priv.h"

#include "base/check.h"
#include "devices/ideal_nic.h"
#include "devices/pcnet.h"

#include <string.h>

/* Chips without a counterpart in the real machine that a VMM needs at every virtual interrupt and tick are
 * emulated in it. */
static enum device_kind kind_by_name(const char *name)
{
    static const struct {
        const char *name;
        enum device_kind kind;
    } kinds[] = {
        {"i8259", KIND_PIC},          {"i8254", KIND_MONITOR_CHIP},  {"mc146818", KIND_MONITOR_CHIP},
        {"lapic", KIND_MONITOR_CHIP}, {"ioapic", KIND_MONITOR_CHIP}, {"piix4-pm", KIND_MONITOR_CHIP},
        {"pcnet", KIND_LANCE},        {"ideal", KIND_IDEAL},
    };
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strcmp(name, kinds[i].name) == 0)
            return kinds[i].kind;
    return KIND_OTHER;
}

/* Names are compared once per class. */
static enum device_kind kind_of(struct workstation *workstation, const struct device *device)
{
    if (device == NULL)
        return KIND_OTHER;
    unsigned n = 0;
    while (n < workstation->known_count && workstation->known[n].cls != device->cls)
        n++;
    if (n == workstation->known_count) {
        if (n == KNOWN_CLASSES_MAX)
            return kind_by_name(device->cls->name);
        workstation->known[workstation->known_count++] =
            (struct known_class){device->cls, kind_by_name(device->cls->name)};
    }
    return workstation->known[n].kind;
}

/* Does a write to the data port make the chip look at its ring? Then a frame may go out. */
static bool transmits(const struct device *device, const struct io_access *access)
{
    return access->write && pcnet_rap(device) == PCNET_CSR0 && (access->value & PCNET_CSR0_TDMD);
}

/* Data port accesses that need no real I/O: reading has no effect, and these writes acknowledge and mask.
 * What starts and stops the chip stays with the VMApp, which has its rings. */
static bool is_status(const struct device *device, const struct io_access *access)
{
    unsigned csr = pcnet_rap(device);
    return !access->write || csr == PCNET_CSR3 ||
           (csr == PCNET_CSR0 && !(access->value & PCNET_CSR0_CONTROL));
}

static enum placement lance_placement(struct workstation *workstation, const struct device *device,
                                      uint32_t offset, const struct io_access *access)
{
    bool bypass = workstation->options.bypass;
    switch (pcnet_port_at(device, offset)) {
    case PCNET_PORT_RAP: return workstation->options.io_in_vmm ? PLACE_MONITOR_MOVE : PLACE_MONITOR_RAP;
    case PCNET_PORT_RDP:
        if (bypass)
            return PLACE_MONITOR_STATUS;
        if (transmits(device, access))
            return combining_puts_off(workstation) ? PLACE_MONITOR_QUEUE : PLACE_VMAPP;
        return workstation->options.io_in_vmm && is_status(device, access) ? PLACE_MONITOR_STATUS
                                                                           : PLACE_VMAPP;
    default: return bypass ? PLACE_MONITOR_STATUS : PLACE_VMAPP;
    }
}

/* One register transmits, one starts the card; the others are memory of the monitor. */
static enum placement ideal_placement(struct workstation *workstation, uint32_t offset,
                                      const struct io_access *access)
{
    if (!access->write || workstation->options.bypass || offset == IDEAL_NIC_EVENTS)
        return PLACE_MONITOR_STATUS;
    return offset == IDEAL_NIC_DOORBELL && combining_puts_off(workstation) ? PLACE_MONITOR_QUEUE
                                                                           : PLACE_VMAPP;
}

/* Of the five accesses of a guest's interrupt handler one has memory semantics, the read of a mask register;
 * the others need not recompute the whole state (section 4.1). */
static enum placement pic_placement(const struct workstation *workstation, uint32_t offset,
                                    const struct io_access *access)
{
    enum { PIC_MASK = 1 }; /* OCW1's port */
    if (workstation->options.cheap_pic)
        return offset == PIC_MASK && !access->write ? PLACE_MONITOR_PIC_MOVE : PLACE_MONITOR_PIC_SPECIAL;
    return workstation->options.io_in_vmm ? PLACE_MONITOR_PIC : PLACE_MONITOR_CHIP;
}

static enum placement placement_of(struct workstation *workstation, const struct device *device,
                                   uint32_t offset, const struct io_access *access)
{
    switch (kind_of(workstation, device)) {
    case KIND_PIC: return pic_placement(workstation, offset, access);
    case KIND_MONITOR_CHIP: return PLACE_MONITOR_CHIP;
    case KIND_LANCE: return lance_placement(workstation, device, offset, access);
    case KIND_IDEAL: return ideal_placement(workstation, offset, access);
    case KIND_OTHER: break;
    }
    return PLACE_VMAPP;
}

static enum cost_cause cause_of(struct workstation *workstation, const struct device *device, uint32_t offset,
                                const struct io_access *access)
{
    enum device_kind kind = kind_of(workstation, device);
    if (kind == KIND_IDEAL)
        return access->write && offset == IDEAL_NIC_DOORBELL ? CAUSE_LANCE_TX : CAUSE_OTHER;
    if (kind != KIND_LANCE)
        return CAUSE_OTHER;
    return pcnet_port_at(device, offset) == PCNET_PORT_RDP && transmits(device, access) ? CAUSE_LANCE_TX
                                                                                        : CAUSE_LANCE_STATUS;
}

static void access_in_vmapp(struct workstation *workstation, struct io_access *access,
                            const struct device *device, uint32_t offset)
{
    struct host *host = vm_host(workstation->vm);
    const struct host_services *services = workstation->services;
    host_charge(host, access->mmio ? COST_ID_VMM_MMIO_DECODE : COST_ID_VMM_IO_DECODE);
    workstation_to_host(workstation);
    host->cause = cause_of(workstation, device, offset, access);
    services->return_to_vmapp(services->ctx);
    vm_device_access(workstation->vm, access);
    services->emulated(services->ctx, device ? device->cls->name : NULL, host->sent_count != 0);
    if (host->cause == CAUSE_LANCE_TX)
        combining_flushed(workstation);
    else
        combining_flush(workstation);
    services->call_vmdriver(services->ctx);
    host->cause = CAUSE_OTHER;
    workstation_to_vmm(workstation);
    host_charge(host, COST_ID_VMM_IO_RESUME);
}

/* What the monitor charges for an access that it emulates. */
static enum cost_id monitor_cost(enum placement placement)
{
    static const uint8_t costs[] = {
        [PLACE_MONITOR_CHIP] = COST_ID_VMM_IO_CHIP,
        [PLACE_MONITOR_PIC] = COST_ID_VMM_IO_PIC,
        [PLACE_MONITOR_PIC_MOVE] = COST_ID_VMM_PIC_MOVE,
        [PLACE_MONITOR_PIC_SPECIAL] = COST_ID_VMM_PIC_SPECIAL,
        [PLACE_MONITOR_RAP] = COST_ID_VMM_IO_RAP,
        [PLACE_MONITOR_MOVE] = COST_ID_VMM_RAP_MOVE,
        [PLACE_MONITOR_STATUS] = COST_ID_VMM_IO_CSR,
        [PLACE_MONITOR_QUEUE] = COST_ID_VMM_IO_QUEUE,
    };
    return (enum cost_id)costs[placement];
}

void workstation_io(void *ctx, struct io_access *access)
{
    struct workstation *workstation = ctx;
    struct host *host = vm_host(workstation->vm);
    uint32_t offset = 0;
    struct device *device = vm_device_at(workstation->vm, access, &offset);
    host_access_begin(host);
    enum placement placement = placement_of(workstation, device, offset, access);
    if (placement != PLACE_VMAPP)
        host_charge(host, monitor_cost(placement));
    switch (placement) {
    case PLACE_VMAPP: access_in_vmapp(workstation, access, device, offset); break;
    case PLACE_MONITOR_QUEUE: combining_put_off(workstation, access, device); break;
    default: vm_device_access(workstation->vm, access); break;
    }
    host_access_end(host);
}
