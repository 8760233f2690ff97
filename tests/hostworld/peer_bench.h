/* A peer at one end of a wire of 100 Mb/s, the test at the other. Time is nanoseconds. */
#ifndef CROSSPAGE_TESTS_HOSTWORLD_PEER_BENCH_H
#define CROSSPAGE_TESTS_HOSTWORLD_PEER_BENCH_H

#include "hostworld/peer_tcp_priv.h"
#include "hostworld/wire.h"

enum { HZ = 1000000000, INBOX = 256, OUTBOX = 1024, MY_PORT = 4000 };

struct bench {
    struct event_queue queue;
    struct wire *wire;
    struct net_backend end;
    struct peer *peer;
    uint64_t next_id;
    struct frame inbox[INBOX];
    unsigned received, read;
    unsigned drop_every; /* lose every n-th frame from the peer */
    unsigned arrived;
    tick_t last_arrival;
    struct frame *outbox; /* OUTBOX of them */
    unsigned queued, sent;
    bool sending;
    /* Sees what arrives instead of the inbox, if set. */
    void (*receiver)(struct bench *bench, const struct frame *frame);
    void *receiver_ctx;
};

/* What a segment of ours says besides its flags. */
struct segment {
    uint16_t port; /* of the peer */
    uint32_t seq, ack;
    uint16_t window;
    const uint8_t *options; /* a multiple of 4 bytes */
    size_t options_size;
    size_t size; /* of data: 0x5A, or `data` */
    const uint8_t *data;
};

extern const uint8_t bench_mac[6];

/* The source sends `source_limit` bytes, if that is not 0. */
struct bench *bench_create(uint64_t source_limit);
void bench_destroy(struct bench *bench);

/* After what was handed over before. */
void bench_transmit(struct bench *bench, const struct frame *frame);
/* Run events until a frame is there, or for ten simulated minutes: NULL. */
const struct frame *bench_frame(struct bench *bench);
void bench_run_for(struct bench *bench, tick_t time);

/* Headers for `payload` bytes; where these go. */
uint8_t *bench_packet(struct frame *frame, uint8_t protocol, size_t payload);
void bench_send_tcp(struct bench *bench, unsigned flags, const struct segment *segment);
/* The segment of a frame, its sums checked. */
const uint8_t *bench_segment(const struct frame *frame, uint32_t *size);
/* The next one that arrives; NULL if none does. */
const uint8_t *bench_tcp(struct bench *bench, uint32_t *size);

#endif
