/* A pass-through between NIC and wire that numbers and marks frames. It takes no simulated time. */
#include "hostworld/direct.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

struct direct {
    struct host *host;
    struct net_backend wire;
    const struct net_port_ops *port; /* the guest's NIC */
    void *nic;
    struct frame frame;
};

static void direct_receive(void *ctx, const struct frame *frame)
{
    struct direct *direct = ctx;
    recorder_packet(direct->host->recorder, frame->id, PACKET_RX_HOST, direct->host->queue->now, frame->size);
    direct->port->receive(direct->nic, frame);
    recorder_packet(direct->host->recorder, frame->id, PACKET_RX_GUEST, direct->host->queue->now,
                    frame->size);
}

static void direct_sent(void *ctx)
{
    struct direct *direct = ctx;
    direct->port->sent(direct->nic);
}

static void direct_link(void *ctx, bool up)
{
    struct direct *direct = ctx;
    if (direct->port->link != NULL)
        direct->port->link(direct->nic, up);
}

static void direct_attach(void *ctx, const struct net_port_ops *port, void *nic)
{
    static const struct net_port_ops own = {
        .receive = direct_receive, .sent = direct_sent, .link = direct_link};
    struct direct *direct = ctx;
    direct->port = port;
    direct->nic = nic;
    direct->wire.ops->attach(direct->wire.ctx, &own, direct);
}

static void direct_send(void *ctx, const struct frame *frame)
{
    struct direct *direct = ctx;
    struct recorder *recorder = direct->host->recorder;
    tick_t now = direct->host->queue->now;
    uint64_t id = host_frame_begin(direct->host, frame->id, frame->size);
    recorder_packet(recorder, id, PACKET_TX_BACKEND, now, frame->size);
    recorder_packet(recorder, id, PACKET_TX_NIC, now, frame->size);
    direct->frame.id = id;
    direct->frame.size = frame->size;
    memcpy(direct->frame.data, frame->data, frame->size);
    direct->wire.ops->send(direct->wire.ctx, &direct->frame);
}

struct direct *direct_create(struct host *host, struct net_backend wire)
{
    struct direct *direct = xcalloc(1, sizeof *direct);
    CHECK(wire.ops != NULL);
    direct->host = host;
    direct->wire = wire;
    return direct;
}

void direct_destroy(struct direct *direct)
{
    free(direct);
}

struct net_backend direct_backend(struct direct *direct)
{
    static const struct net_backend_ops ops = {.attach = direct_attach, .send = direct_send};
    return (struct net_backend){.ops = &ops, .ctx = direct};
}
