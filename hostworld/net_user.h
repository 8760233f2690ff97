/* The real network at the far end of the wire: `-nic user`, through libslirp, which needs no rights of the
 * host.
 *
 *     guest's NIC ... wire ... gateway 10.0.2.2 -- sockets of this process -- the host's network
 *                              DHCP: 10.0.2.15, names 10.0.2.3
 *
 * Frames of the guest go to libslirp when they arrive at this end of the wire; what libslirp has for the
 * guest enters the wire at the next look at the host's sockets, an event every NET_USER_LOOK_US of simulated
 * time, and takes the time that frames take there. Simulated time waits for the host's (pace.h), so that idle
 * guests do not run their time-outs down while an answer is on its way. What comes from
 * outside, and when, is the outside's: only a recording of a run (inputs.h) gives it again, and then nothing
 * of the host is opened. */
#ifndef CROSSPAGE_HOSTWORLD_NET_USER_H
#define CROSSPAGE_HOSTWORLD_NET_USER_H

#include "base/event.h"
#include "base/log.h"
#include "devices/backends.h"
#include "hostworld/inputs.h"

enum { NET_USER_FORWARDS = 16, NET_USER_LOOK_US = 500 };

struct net_user_config {
    struct inputs
        *inputs; /* where frames are written down, or come from: then nothing of the host is opened */
    struct event_queue *queue;
    struct log *log;
    bool restricted; /* the guest reaches nothing but this end; forwarded ports still work */
    const char *forward[NET_USER_FORWARDS]; /* "tcp:[HOST]:PORT-[GUEST]:PORT", tcp or udp */
    unsigned forward_count;
};

struct net_user;

/* Is it one? Before anything is opened. */
enum status net_user_check_forward(const char *text, struct error *err) MUST_CHECK;

/* Attaches itself to its end of the wire. */
enum status net_user_create(struct net_user **user, const struct net_user_config *config,
                            struct net_backend wire, struct error *err) MUST_CHECK;
void net_user_destroy(struct net_user *user);

#endif
