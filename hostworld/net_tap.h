/* A look at what passes between a NIC and what it is plugged into, for captures. Changes nothing: not the
 * order, not the time. */
#ifndef CROSSPAGE_HOSTWORLD_NET_TAP_H
#define CROSSPAGE_HOSTWORLD_NET_TAP_H

#include "devices/backends.h"

/* `sent`: by the NIC; else received by it. Called before the frame is passed on. */
typedef void net_tap_fn(void *ctx, const struct frame *frame, bool sent);

/* Caller-owned; both structs it is connected to must outlive it. */
struct net_tap {
    struct net_backend backend; /* behind us */
    net_tap_fn *seen;
    void *ctx;
    const struct net_port_ops *port; /* the NIC in front of us */
    void *nic;
};

/* A backend for the NIC that shows every frame to `seen` and passes it to `behind`. */
struct net_backend net_tap_backend(struct net_tap *tap, const struct net_backend *behind, net_tap_fn *seen,
                                   void *ctx);

#endif
