/* See peer_bench.h. Invariant: at most one frame of ours is on its way into the wire. */
#include "tests/hostworld/peer_bench.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

const uint8_t bench_mac[6] = {2, 0, 0, 0, 0, 9};
static const uint8_t my_ip[4] = {10, 0, 0, 9};

static void on_receive(void *nic, const struct frame *frame)
{
    struct bench *bench = nic;
    bench->last_arrival = bench->queue.now;
    if (bench->drop_every && ++bench->arrived % bench->drop_every == 0)
        return;
    if (bench->receiver != NULL)
        bench->receiver(bench, frame);
    else
        bench->inbox[bench->received++ % INBOX] = *frame;
}

static void send_next(struct bench *bench)
{
    if (bench->sending || bench->sent == bench->queued)
        return;
    bench->sending = true;
    bench->end.ops->send(bench->end.ctx, &bench->outbox[bench->sent++ % OUTBOX]);
}

static void on_sent(void *nic)
{
    struct bench *bench = nic;
    bench->sending = false;
    send_next(bench);
}

struct bench *bench_create(uint64_t source_limit)
{
    static const struct net_port_ops port = {.receive = on_receive, .sent = on_sent};
    struct bench *bench = calloc(1, sizeof *bench);
    bench->outbox = calloc(OUTBOX, sizeof *bench->outbox);
    event_queue_init(&bench->queue, HZ);
    const struct wire_config wire = {.queue = {&bench->queue, &bench->queue},
                                     .next_frame_id = &bench->next_id,
                                     .bits_per_second = 100000000,
                                     .delay_ns = 500};
    bench->wire = wire_create(&wire);
    bench->end = wire_end(bench->wire, 0);
    bench->end.ops->attach(bench->end.ctx, &port, bench);
    struct peer_config config;
    peer_config_default(&config);
    config.queue = &bench->queue;
    config.source_limit = source_limit;
    bench->peer = peer_create(&config, wire_end(bench->wire, 1));
    return bench;
}

void bench_destroy(struct bench *bench)
{
    peer_destroy(bench->peer);
    wire_destroy(bench->wire);
    event_queue_destroy(&bench->queue);
    free(bench->outbox);
    free(bench);
}

void bench_transmit(struct bench *bench, const struct frame *frame)
{
    cr_assert_lt(bench->queued - bench->sent, OUTBOX);
    bench->outbox[bench->queued++ % OUTBOX] = *frame;
    send_next(bench);
}

void bench_run_for(struct bench *bench, tick_t time)
{
    tick_t limit = bench->queue.now + time;
    while (event_queue_next(&bench->queue) <= limit)
        event_queue_run(&bench->queue, event_queue_next(&bench->queue));
    event_queue_run(&bench->queue, limit);
}

const struct frame *bench_frame(struct bench *bench)
{
    tick_t limit = bench->queue.now + 600ull * HZ;
    while (bench->read == bench->received && event_queue_next(&bench->queue) <= limit)
        event_queue_run(&bench->queue, event_queue_next(&bench->queue));
    return bench->read < bench->received ? &bench->inbox[bench->read++ % INBOX] : NULL;
}

uint8_t *bench_packet(struct frame *frame, uint8_t protocol, size_t payload)
{
    static const uint8_t peer_mac[6] = {2, 0, 0, 0, 0, 2}, peer_ip[4] = {10, 0, 0, 2};
    memset(frame, 0, sizeof *frame);
    frame->size = (uint32_t)(ETH_HEADER + IP_HEADER + payload);
    memcpy(frame->data, peer_mac, 6);
    memcpy(frame->data + 6, bench_mac, 6);
    put_be16(frame->data + 12, 0x0800);
    uint8_t *ip = frame->data + ETH_HEADER;
    ip[0] = 0x45;
    put_be16(ip + 2, (unsigned)(IP_HEADER + payload));
    ip[8] = 64;
    ip[9] = protocol;
    memcpy(ip + 12, my_ip, 4);
    memcpy(ip + 16, peer_ip, 4);
    put_be16(ip + 10, 0xFFFF & ~peer_sum(ip, IP_HEADER, 0));
    return ip + IP_HEADER;
}

void bench_send_tcp(struct bench *bench, unsigned flags, const struct segment *segment)
{
    struct frame frame;
    size_t header = TCP_HEADER + segment->options_size;
    uint8_t *tcp = bench_packet(&frame, 6, header + segment->size);
    put_be16(tcp, MY_PORT);
    put_be16(tcp + 2, segment->port);
    put_be32(tcp + 4, segment->seq);
    put_be32(tcp + 8, segment->ack);
    tcp[12] = (uint8_t)(header / 4 << 4);
    tcp[13] = (uint8_t)flags;
    put_be16(tcp + 14, segment->window);
    if (segment->options_size > 0)
        memcpy(tcp + TCP_HEADER, segment->options, segment->options_size);
    if (segment->data != NULL)
        memcpy(tcp + header, segment->data, segment->size);
    else
        memset(tcp + header, 0x5A, segment->size);
    put_be16(tcp + 16, 0xFFFF & ~peer_transport_sum(tcp - IP_HEADER, tcp, header + segment->size));
    bench_transmit(bench, &frame);
}

const uint8_t *bench_segment(const struct frame *frame, uint32_t *size)
{
    const uint8_t *ip = frame->data + ETH_HEADER, *tcp = ip + IP_HEADER;
    cr_assert_eq(ip[9], 6);
    cr_assert_eq(peer_sum(ip, IP_HEADER, 0), 0xFFFF);
    uint32_t segment = get_be16(ip + 2) - (uint32_t)IP_HEADER;
    cr_assert_eq(peer_transport_sum(ip, tcp, segment), 0xFFFF);
    *size = segment - (uint32_t)(tcp[12] >> 4) * 4;
    return tcp;
}

const uint8_t *bench_tcp(struct bench *bench, uint32_t *size)
{
    const struct frame *frame = bench_frame(bench);
    return frame == NULL ? NULL : bench_segment(frame, size);
}
