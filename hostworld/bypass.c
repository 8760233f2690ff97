/* The host's NIC driven by the monitor itself (option bypass of the hosted monitor; Sugerman 2001,
 * section 4.5): no world switch, no VMApp, no VMNet, no sk_buff, no copy on the way out.
 *
 *     transmit   Lance emulation in the VMM -> the NIC's driver there: descriptor, doorbell; the NIC fetches
 * the frame from the VM's memory receive    the NIC's interrupt, taken in the VMM -> its driver -> filter by
 * address -> Lance emulation, copy
 *
 * The card is the same (host_nic.c), and so is what its driver charges; only the world it runs in differs.
 * The NIC's line is the monitor's: an interrupt that comes while the host runs waits for the VMM world.
 *
 * Left out: what else a system needs that has no host (section 4.5: a kernel for the VMMs' worlds); other
 * devices are still the VMApp's. */
#include "hostworld/hosted_priv.h"

void bypass_send(struct vmnet *vmnet, const struct frame *frame)
{
    host_charge(vmnet->host, vmnet->ideal ? COST_ID_VMM_IDEAL_SEND : COST_ID_VMM_LANCE_SEND);
    vmnet->sent++;
    host_nic_start(vmnet->nic, frame);
}

void bypass_receive(struct vmnet *vmnet, const struct frame *frame)
{
    vmnet_keep(vmnet, frame);
}

void bypass_serve(struct vmapp *vmapp)
{
    struct host *host = vmapp->host;
    struct vmnet *vmnet = vmapp->vmnet;
    host_nic_serve(vmnet->nic);
    while (vmnet_readable(vmnet)) {
        struct frame frame = *frame_queue_first(&vmnet->input);
        frame_queue_drop_first(&vmnet->input);
        host_charge(host, vmnet->ideal ? COST_ID_VMM_IDEAL_RECEIVE : COST_ID_VMM_LANCE_RECEIVE);
        host_charge_units(host, COST_ID_VMM_LANCE_COPY, frame.size);
        vmapp_deliver(vmapp, &frame);
    }
    vmapp_send_held(vmapp);
}
