/* The process that translates addresses for net=nat: reads the VM's frames from its own port of the virtual
 * hub, translates, sends through a socket of the host; and the other way for answers.
 *
 *     VM sends      write() on VMNet -> hub -> natd wakes: read(), translate, send() -> device queue, NIC ->
 * natd sleeps frame comes   NIC's interrupt -> natd wakes: recv(), translate, write() on VMNet -> hub ->
 * queue for the VM
 *
 * Waking it makes it run before whoever was running: it has slept. VMware has had NAT since Workstation 3.0
 * (2001, vmnet8); version 2.0 offers bridged and host-only networks. */
#include "hostworld/hosted_priv.h"

static void to_wire(void *ctx, const struct frame *frame)
{
    struct vmnet *vmnet = ctx;
    host_charge(vmnet->host, COST_ID_NATD_SEND);
    host_charge_units(vmnet->host, COST_ID_VMNET_COPY, frame->size);
    host_nic_transmit(vmnet->nic, frame);
}

static void to_vm(void *ctx, const struct frame *frame)
{
    struct vmnet *vmnet = ctx;
    host_charge(vmnet->host, COST_ID_VMNET_WRITE);
    host_charge_units(vmnet->host, COST_ID_VMNET_COPY, frame->size);
    host_charge(vmnet->host, COST_ID_VMNET_HUB);
    vmnet_notify(vmnet, vmnet_keep(vmnet, frame));
}

/* Woken, with a frame to read. */
static void natd_wakes(struct vmnet *vmnet, const struct frame *frame)
{
    host_charge(vmnet->host, COST_ID_HOST_WAKE);
    host_charge(vmnet->host, COST_ID_VMNET_READ);
    host_charge_units(vmnet->host, COST_ID_VMNET_READ_COPY, frame->size);
    host_charge(vmnet->host, COST_ID_NATD_TRANSLATE);
}

void natd_from_vm(struct vmnet *vmnet, const struct frame *frame)
{
    const struct nat_output output = {.to_wire = to_wire, .to_vm = to_vm, .ctx = vmnet};
    natd_wakes(vmnet, frame);
    nat_from_vm(&vmnet->nat, frame, &output);
    host_charge(vmnet->host, COST_ID_HOST_BLOCK);
}

void natd_from_wire(struct vmnet *vmnet, const struct frame *frame)
{
    const struct nat_output output = {.to_wire = to_wire, .to_vm = to_vm, .ctx = vmnet};
    host_charge(vmnet->host, COST_ID_HOST_RECEIVE);
    natd_wakes(vmnet, frame);
    nat_from_wire(&vmnet->nat, frame, &output);
    host_charge(vmnet->host, COST_ID_HOST_BLOCK);
}
