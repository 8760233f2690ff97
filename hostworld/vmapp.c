/* VMApp: the user process on the host that emulates devices (Sugerman 2001, section 3).
 *
 * The device models themselves are devices/; this file is the process around them: what its work costs, and
 * the virtual NIC's back end. A frame is sent inside the guest's access, while the VMApp has control:
 *
 *     Lance: descriptor, buffer -> write() on VMNet -> Lance: descriptor, CSR0, interrupt
 *
 * The chip also polls its ring on its own clock, and then the VMApp has no control (an event callback may not
 * charge). Such a frame is held back and sent when the VMApp next runs: at the latest after the host's next
 * timer interrupt. Invariant: while a frame is held, the chip has not been told `sent`, so there is at most
 * one. */
#include "hostworld/hosted_priv.h"

#include "base/check.h"

#include <string.h>

/* Frames read before the VM runs again, so that a flood cannot starve it; assumed. It may be more than the
 * guest's NIC has descriptors for: those frames it misses, as the chip would. */
enum { RECEIVE_BATCH = 64 };

/* ---- Transmit ---- */

static void send_now(struct vmapp *vmapp, struct frame *frame)
{
    struct host *host = vmapp->host;
    enum cost_cause cause = host->cause;
    host->cause = CAUSE_LANCE_TX;
    if (vmapp->vmnet->options.bypass) {
        bypass_send(vmapp->vmnet, frame);
    } else if (vmapp->vmnet->ideal) {
        host_charge(host, COST_ID_VMAPP_IDEAL_SEND);
        vmnet_write(vmapp->vmnet, frame);
    } else {
        host_charge(host, COST_ID_VMAPP_LANCE_SEND);
        vmnet_write(vmapp->vmnet, frame);
        host_charge(host, COST_ID_VMAPP_LANCE_SENT);
    }
    host->cause = cause;
    host_sync(host);
    vmapp->port->sent(vmapp->nic);
}

/* Whoever emulates the NIC runs: the VMApp in the host world, or the monitor in an access of the guest. */
static bool has_control(const struct vmapp *vmapp)
{
    const struct host *host = vmapp->host;
    bool runs = host->world == WORLD_HOST || (vmapp->vmnet->options.bypass && host->in_access);
    return runs && !host->in_event && !host->in_handler;
}

static void backend_send(void *ctx, const struct frame *frame)
{
    struct vmapp *vmapp = ctx;
    struct host *host = vmapp->host;
    CHECK(!vmapp->holds);
    memcpy(vmapp->held.data, frame->data, frame->size);
    vmapp->held.size = frame->size;
    vmapp->held.id = host_frame_begin(host, frame->id, frame->size);
    recorder_packet(host->recorder, vmapp->held.id, PACKET_TX_BACKEND, host->queue->now, frame->size);
    vmapp->holds = true;
    if (!has_control(vmapp))
        return;
    /* `sent` makes the chip look for more and come back here: a copy leaves `held` free for that. */
    struct frame now = vmapp->held;
    vmapp->holds = false;
    send_now(vmapp, &now);
}

void vmapp_send_held(struct vmapp *vmapp)
{
    if (!vmapp->holds)
        return;
    struct frame now = vmapp->held;
    vmapp->holds = false;
    send_now(vmapp, &now);
}

static void backend_attach(void *ctx, const struct net_port_ops *port, void *nic)
{
    struct vmapp *vmapp = ctx;
    vmapp->port = port;
    vmapp->nic = nic;
    if (port->link != NULL)
        port->link(nic, true);
}

const struct net_backend_ops vmapp_backend_ops = {.attach = backend_attach, .send = backend_send};

void vmapp_emulated(struct vmapp *vmapp, const char *device, bool transmitted)
{
    bool lance = device != NULL && strcmp(device, "pcnet") == 0;
    bool ideal = device != NULL && strcmp(device, "ideal") == 0;
    if (lance && !transmitted)
        host_charge(vmapp->host, COST_ID_VMAPP_LANCE_CSR);
    else if (!lance && !(ideal && transmitted))
        host_charge(vmapp->host, COST_ID_VMAPP_DEVICE);
    vmapp_send_held(vmapp);
}

/* ---- Receive ---- */

bool vmapp_select(struct vmapp *vmapp)
{
    host_charge(vmapp->host, COST_ID_HOST_SELECT);
    host_charge(vmapp->host, COST_ID_VMAPP_WAKE);
    vmapp_send_held(vmapp);
    return vmnet_readable(vmapp->vmnet);
}

bool vmapp_notified(struct vmapp *vmapp)
{
    host_charge(vmapp->host, COST_ID_VMAPP_NOTIFIED);
    vmapp_send_held(vmapp);
    return vmnet_readable(vmapp->vmnet);
}

struct wait {
    struct vmapp *vmapp;
    host_woken_fn *woken;
    void *woken_ctx;
};

static bool wait_over(void *ctx)
{
    struct wait *wait = ctx;
    return vmnet_readable(wait->vmapp->vmnet) || wait->vmapp->holds || wait->woken(wait->woken_ctx);
}

bool vmapp_block(struct vmapp *vmapp, host_woken_fn *woken, void *woken_ctx, cycle_t limit)
{
    struct wait wait = {.vmapp = vmapp, .woken = woken, .woken_ctx = woken_ctx};
    if (!vmapp->kernel->blocked) { /* else a wait goes on that a run's limit has cut in two */
        host_charge(vmapp->host, COST_ID_HOST_SELECT);
        vmapp_send_held(vmapp);
    }
    if (host_linux_block(vmapp->kernel, wait_over, &wait, limit))
        host_charge(vmapp->host, COST_ID_VMAPP_WAKE);
    if (!vmapp->kernel->blocked)
        vmapp_send_held(vmapp);
    return !vmapp->kernel->blocked && vmnet_readable(vmapp->vmnet);
}

void vmapp_deliver(struct vmapp *vmapp, const struct frame *frame)
{
    host_sync(vmapp->host);
    if (vmapp->port != NULL)
        vmapp->port->receive(vmapp->nic, frame);
    host_frame_received(vmapp->host, frame->id, frame->size);
}

void vmapp_receive_pending(struct vmapp *vmapp)
{
    struct host *host = vmapp->host;
    struct frame frame;
    for (unsigned n = 0; n < RECEIVE_BATCH && vmnet_readable(vmapp->vmnet); n++) {
        vmnet_read(vmapp->vmnet, &frame);
        host_charge(host, vmapp->vmnet->ideal ? COST_ID_VMAPP_IDEAL_RECEIVE : COST_ID_VMAPP_LANCE_RECEIVE);
        host_charge_units(host, COST_ID_VMAPP_LANCE_COPY, frame.size);
        vmapp_deliver(vmapp, &frame);
    }
}

void vmapp_init(struct vmapp *vmapp, struct host *host, struct host_linux *kernel, struct vmnet *vmnet)
{
    vmapp->host = host;
    vmapp->kernel = kernel;
    vmapp->vmnet = vmnet;
}
