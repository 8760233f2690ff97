/* A full-duplex Ethernet link with two ends: bandwidth, propagation delay, exact serialization time per
 * frame.
 *
 * Both ends are net_backends to which a NIC (a virtual one on bare metal, the host's, a peer) attaches. A
 * frame occupies the link for preamble (8), header and payload padded to 60, FCS (4) and interframe gap (12)
 * bytes (IEEE 802.3, 4.2.3.2 and 4.4.2); `sent` is called when its FCS has left, it arrives `delay` later. */
#ifndef CROSSPAGE_HOSTWORLD_WIRE_H
#define CROSSPAGE_HOSTWORLD_WIRE_H

#include "base/event.h"
#include "base/log.h"
#include "devices/backends.h"
#include "traces/recorder.h"

struct wire;

/* Sees every frame when its first bit enters the link. `from` is the end it came from, 0 or 1. */
typedef void wire_tap_fn(void *ctx, const struct frame *frame, unsigned from, tick_t when);

struct wire_config {
    struct event_queue *queue[2]; /* of who is at either end; the same, or of the same ticks */
    struct recorder *recorder[2]; /* packet marks, as seen from either end; may be NULL */
    uint64_t *next_frame_id;      /* of the lab; numbers frames that have none yet */
    uint64_t bits_per_second;
    uint64_t delay_ns;
    wire_tap_fn *tap; /* may be NULL */
    void *tap_ctx;
    /* A frame that entered at end `from` will be out at the other at `arrival`; may be NULL. */
    void (*sent)(void *ctx, unsigned from, tick_t arrival);
    void *sent_ctx;
};

struct wire *wire_create(const struct wire_config *config);
void wire_destroy(struct wire *wire);
struct net_backend wire_end(struct wire *wire, unsigned end);

/* Nothing that enters at one end can reach the other sooner. */
tick_t wire_latency(const struct wire *wire);

/* Make it take no time: two programs of one machine are at its ends. Only before the first frame. */
void wire_shorten(struct wire *wire);

/* Bytes of link time a frame of `size` bytes takes, with and without the gap after it. */
uint32_t wire_bytes(uint32_t size, bool with_gap);

#endif
