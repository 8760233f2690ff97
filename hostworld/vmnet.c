/* VMNet: the host driver with the virtual hub and the bridge to the physical network (Sugerman 2001, section
 * 3).
 *
 *     write()   system call, sk_buff, copy of n bytes, hub and bridge, device queue, NIC driver, return
 *     read()    system call, dequeue, copy
 *
 * With zero-copy (section 4.4 of the paper) the data area of the sk_buff is the VM's own memory.
 *
 * On a profile that keeps Figure 5's sum, write() of 1520 bytes takes 17.55 us if nothing interrupts it. The
 * bridge takes every frame from the wire (the NIC is promiscuous) and keeps what is for the VM or for many.
 *
 * That is the bridged network; the others have files of their own, host_only.c and natd.c. Left out: frames
 * between VMs. */
#include "hostworld/hosted_priv.h"

#include "base/check.h"

#include <string.h>

/* VNET_MAX_QLEN in vnetInt.h of VMware's own driver; a frame more is dropped (VNetUserIfReceive() in
 * userif.c). */
enum { INPUT_FRAMES = 128 };

void vmnet_write(struct vmnet *vmnet, const struct frame *frame)
{
    struct host *host = vmnet->host;
    host_charge(host, COST_ID_VMNET_WRITE);
    host_charge(host, COST_ID_VMNET_ALLOC);
    if (vmnet->options.zero_copy)
        host_charge(host, COST_ID_VMNET_MAP);
    else
        host_charge_units(host, COST_ID_VMNET_COPY, frame->size);
    vmnet->sent++;
    switch (vmnet->options.network) {
    case HOST_BRIDGED:
        host_charge(host, COST_ID_VMNET_BRIDGE);
        host_nic_transmit(vmnet->nic, frame);
        break;
    case HOST_NAT:
        host_charge(host, COST_ID_VMNET_HUB);
        natd_from_vm(vmnet, frame);
        break;
    case HOST_ONLY:
        host_charge(host, COST_ID_VMNET_HUB);
        host_only_send(vmnet->local, frame);
        break;
    }
    host_charge(host, COST_ID_VMNET_WRITE_RETURN);
}

void vmnet_read(struct vmnet *vmnet, struct frame *frame)
{
    const struct frame *first = frame_queue_first(&vmnet->input);
    CHECK(first != NULL);
    host_charge(vmnet->host, COST_ID_VMNET_READ);
    host_charge_units(vmnet->host, COST_ID_VMNET_READ_COPY, first->size);
    frame->id = first->id;
    frame->size = first->size;
    memcpy(frame->data, first->data, first->size);
    frame_queue_drop_first(&vmnet->input);
}

bool vmnet_keep(struct vmnet *vmnet, const struct frame *frame)
{
    bool to_many = frame->size > 0 && (frame->data[0] & 1);
    bool to_vm = frame->size >= 6 && memcmp(frame->data, vmnet->vm_mac, 6) == 0;
    bool kept = (to_many || to_vm) && frame_queue_put(&vmnet->input, frame);
    if (kept)
        vmnet->received++;
    else if (to_many || to_vm)
        vmnet->drops++;
    else
        vmnet->filtered++;
    return kept;
}

void vmnet_notify(struct vmnet *vmnet, bool kept)
{
    if (kept && vmnet->options.notify)
        host_charge(vmnet->host, COST_ID_VMNET_NOTIFY);
}

void vmnet_receive(struct vmnet *vmnet, const struct frame *frame)
{
    if (vmnet->options.bypass) {
        bypass_receive(vmnet, frame);
        return;
    }
    if (vmnet->options.network == HOST_NAT) {
        natd_from_wire(vmnet, frame);
        return;
    }
    host_charge(vmnet->host, COST_ID_HOST_RECEIVE);
    host_charge(vmnet->host, COST_ID_VMNET_RECEIVE);
    vmnet_notify(vmnet, vmnet_keep(vmnet, frame));
}

void vmnet_init(struct vmnet *vmnet, struct host *host, struct host_nic *nic, const uint8_t vm_mac[6])
{
    *vmnet = (struct vmnet){.host = host, .nic = nic};
    memcpy(vmnet->vm_mac, vm_mac, sizeof vmnet->vm_mac);
    nat_init(&vmnet->nat, vm_mac);
    frame_queue_init(&vmnet->input, INPUT_FRAMES);
}

void vmnet_destroy(struct vmnet *vmnet)
{
    frame_queue_destroy(&vmnet->input);
}
