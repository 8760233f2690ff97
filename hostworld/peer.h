/* The other end of the wire: a deterministic host that answers ARP and ICMP echo and speaks TCP.
 *
 *   port 7   echo                                                     (RFC 862)
 *   port 9   discard: accepts and counts, with delayed ACKs           (RFC 863)
 *   port 19  source: sends a stream of bytes until the guest closes   (in the spirit of RFC 864)
 *
 * It models a machine that is never the bottleneck: `latency_ns` passes between the arrival of a frame and
 * the answer, nothing else. UDP to 7 is echoed, to 9 swallowed; other UDP ports get ICMP port unreachable,
 * other TCP ports RST. */
#ifndef CROSSPAGE_HOSTWORLD_PEER_H
#define CROSSPAGE_HOSTWORLD_PEER_H

#include "base/event.h"
#include "base/log.h"
#include "devices/backends.h"

struct peer;

struct peer_config {
    struct event_queue *queue;
    struct log *log;
    uint8_t mac[6];
    uint8_t ip[4];
    uint64_t latency_ns;     /* from a frame's arrival to the answer */
    uint64_t delayed_ack_ns; /* RFC 1122, 4.2.3.2: at most 500 ms */
    unsigned ack_every;      /* segments per ACK, 1 or 2 */
    uint16_t window;         /* receive window in bytes */
    uint64_t source_limit;   /* bytes port 19 sends before it closes; 0 = no limit */
    unsigned lose_one_of;    /* so many frames, to it and from it, on average; 0 = none */
};

struct peer_counters {
    uint64_t frames_in, frames_out, bad_frames, lost;
    uint64_t tcp_bytes_in, tcp_bytes_out, connections, out_of_order;
    uint64_t retransmits, recoveries, timeouts; /* segments sent again, fast recoveries, expired timers */
};

/* Defaults: 02:00:00:00:00:02, 10.0.0.2, 20 us, 40 ms, 2, 65535. Queue and log are left to the caller. */
void peer_config_default(struct peer_config *config);

/* Attaches itself to its end of the wire. */
struct peer *peer_create(const struct peer_config *config, struct net_backend wire);
void peer_destroy(struct peer *peer);
const struct peer_counters *peer_counters(const struct peer *peer);

#endif
