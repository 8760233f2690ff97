/* Back halves of devices: interfaces declared by their user (devices/), implemented in hostworld/ or by
 * tests. */
#ifndef CROSSPAGE_DEVICES_BACKENDS_H
#define CROSSPAGE_DEVICES_BACKENDS_H

#include "base/status.h"
#include "base/types.h"

/* ---- Network ---- */

/* An Ethernet frame without preamble and FCS. `id` is unique in the lab and follows the frame through every
 * layer; 0 = not traced. Frames are owned by whoever holds them and copied at hand-over. */
enum {
    FRAME_MAX = 4096 + 64
}; /* what the chips can build, beyond the legal 1514: BABL is reported, not truncated */

struct frame {
    uint64_t id;
    uint32_t size;
    uint8_t data[FRAME_MAX];
};

/* What a NIC offers to what is plugged into it. */
struct net_port_ops {
    /* A frame arrives. The NIC filters, stores or drops it (and counts). */
    void (*receive)(void *nic, const struct frame *frame);
    /* The frame passed to `send` has left; the NIC may complete its descriptor and take the next one. May be
     * called from inside send. */
    void (*sent)(void *nic);
    void (*link)(void *nic, bool up);
};

/* What a NIC sends into: a wire, a hub, a scripted peer, a host's VMNet. */
struct net_backend_ops {
    void (*attach)(void *backend, const struct net_port_ops *port, void *nic);
    /* Take one frame; exactly one `sent` follows, at once or later. Never called again before that. */
    void (*send)(void *backend, const struct frame *frame);
};

struct net_backend {
    const struct net_backend_ops *ops; /* NULL: not connected, frames vanish */
    void *ctx;
};

/* ---- Characters ---- */

struct char_port_ops {
    /* May the port take another byte now? */
    bool (*ready)(void *port);
    void (*receive)(void *port, uint8_t byte);
};

/* Output never blocks the simulation; input is polled by the backend at event boundaries and is a recorded
 * input. */
struct char_backend_ops {
    void (*attach)(void *backend, const struct char_port_ops *ops, void *port);
    void (*write)(void *backend, uint8_t byte);
};

struct char_backend {
    const struct char_backend_ops *ops;
    void *ctx;
};

/* ---- Blocks ---- */

/* A disk or CD-ROM image. Reads and writes complete at once; the device adds simulated time. Failing is a
 * media error to the guest. Sizes in bytes; offset + size is within `size`. */
struct block_backend_ops {
    bool (*read)(void *backend, uint64_t offset, void *to, size_t size) MUST_CHECK;
    bool (*write)(void *backend, uint64_t offset, const void *from, size_t size) MUST_CHECK;
    bool (*flush)(void *backend) MUST_CHECK;
};

struct block_backend {
    const struct block_backend_ops *ops; /* NULL: no medium */
    void *ctx;
    uint64_t size; /* bytes */
    bool read_only;
};

#endif
