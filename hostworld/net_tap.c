/* To the NIC the tap is the back end, to the back end it is the NIC; both halves only forward. */
#include "hostworld/net_tap.h"

static void tap_receive(void *nic, const struct frame *frame)
{
    struct net_tap *tap = nic;
    tap->seen(tap->ctx, frame, false);
    tap->port->receive(tap->nic, frame);
}

static void tap_sent(void *nic)
{
    struct net_tap *tap = nic;
    tap->port->sent(tap->nic);
}

static void tap_link(void *nic, bool up)
{
    struct net_tap *tap = nic;
    if (tap->port->link != NULL)
        tap->port->link(tap->nic, up);
}

static void tap_attach(void *backend, const struct net_port_ops *port, void *nic)
{
    static const struct net_port_ops ops = {.receive = tap_receive, .sent = tap_sent, .link = tap_link};
    struct net_tap *tap = backend;
    tap->port = port;
    tap->nic = nic;
    tap->backend.ops->attach(tap->backend.ctx, &ops, tap);
}

static void tap_send(void *backend, const struct frame *frame)
{
    struct net_tap *tap = backend;
    tap->seen(tap->ctx, frame, true);
    tap->backend.ops->send(tap->backend.ctx, frame);
}

struct net_backend net_tap_backend(struct net_tap *tap, const struct net_backend *behind, net_tap_fn *seen,
                                   void *ctx)
{
    static const struct net_backend_ops ops = {.attach = tap_attach, .send = tap_send};
    *tap = (struct net_tap){.backend = *behind, .seen = seen, .ctx = ctx};
    return (struct net_backend){.ops = &ops, .ctx = tap};
}
