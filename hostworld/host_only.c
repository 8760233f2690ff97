/* Host-only networking: the virtual hub's other port is an adapter of the host itself, and the program at the
 * other end of the connection is a process of the host (VMware Workstation 2.0 for Linux, Networking Support:
 * "host-only").
 *
 *     VM sends      write() on VMNet -> hub -> the host's protocol stack -> process
 *     host sends    process -> the host's protocol stack -> hub -> queue for the VM
 *
 * The process is the lab's peer. No card and no cable are involved: the lab makes its wire as fast as a clock
 * tick, so what a frame takes is what the host's CPU is charged. The peer's timers make it send without being
 * asked; then the host's CPU is interrupted as by a card's interrupt, where a real host would act on a timer
 * tick.
 *
 * Invariant: `busy` exactly while the wire owes one `sent`. */
#include "hostworld/hosted_priv.h"

#include "base/check.h"

enum { QUEUE = 100 };

static void send_next(struct host_only *local)
{
    struct frame *first = frame_queue_first(&local->out);
    if (first == NULL || local->busy || local->wire.ops == NULL)
        return;
    struct frame frame = *first;
    frame_queue_drop_first(&local->out);
    local->busy = true;
    local->wire.ops->send(local->wire.ctx, &frame);
}

static void wire_sent(void *ctx)
{
    struct host_only *local = ctx;
    local->busy = false;
    send_next(local);
}

/* The process has written; its system call is charged by the handler. */
static void wire_receive(void *ctx, const struct frame *frame)
{
    struct host_only *local = ctx;
    if (frame_queue_put(&local->in, frame))
        host_raise_irq(local->host, HOST_LINE_LOCAL);
    else
        local->vmnet->drops++;
}

static void process_sends(void *ctx, struct host *host)
{
    struct host_only *local = ctx;
    while (local->in.count > 0) {
        struct frame frame = *frame_queue_first(&local->in);
        frame_queue_drop_first(&local->in);
        host_charge(host, COST_ID_HOST_LOCAL_SEND);
        host_charge_units(host, COST_ID_HOST_LOCAL_COPY, frame.size);
        recorder_packet(host->recorder, frame.id, PACKET_RX_HOST, recorder_now(host->recorder), frame.size);
        host_charge(host, COST_ID_VMNET_HUB);
        vmnet_notify(local->vmnet, vmnet_keep(local->vmnet, &frame));
    }
}

void host_only_send(struct host_only *local, const struct frame *frame)
{
    struct host *host = local->host;
    host_charge(host, COST_ID_HOST_RECEIVE);
    host_charge(host, COST_ID_HOST_LOCAL_RECEIVE);
    host_charge_units(host, COST_ID_HOST_LOCAL_COPY, frame->size);
    host_sync(host);
    recorder_packet(host->recorder, frame->id, PACKET_TX_NIC, host->queue->now, frame->size);
    if (!frame_queue_put(&local->out, frame))
        local->vmnet->drops++;
    send_next(local);
}

void host_only_init(struct host_only *local, struct host *host, struct vmnet *vmnet)
{
    *local = (struct host_only){.host = host, .vmnet = vmnet};
    frame_queue_init(&local->out, QUEUE);
    frame_queue_init(&local->in, QUEUE);
    host_set_irq_handler(host, HOST_LINE_LOCAL, "local", process_sends, local);
}

void host_only_connect(struct host_only *local, struct net_backend wire)
{
    static const struct net_port_ops port = {.receive = wire_receive, .sent = wire_sent};
    local->wire = wire;
    if (wire.ops != NULL)
        wire.ops->attach(wire.ctx, &port, local);
}

void host_only_destroy(struct host_only *local)
{
    frame_queue_destroy(&local->out);
    frame_queue_destroy(&local->in);
}
