/* The wire and the peer, driven by a small client: exact link times, ARP, ping, TCP discard and source (with
 * lost frames), refusals, and random frames. */
#include "hostworld/peer_priv.h"
#include "hostworld/wire.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { HZ = 1000000000, INBOX = 256 };

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
    bool sending;
};

static const uint8_t my_mac[6] = {2, 0, 0, 0, 0, 9}, my_ip[4] = {10, 0, 0, 9};

static void on_receive(void *nic, const struct frame *frame)
{
    struct bench *bench = nic;
    bench->last_arrival = bench->queue.now;
    if (bench->drop_every && ++bench->arrived % bench->drop_every == 0)
        return;
    bench->inbox[bench->received++ % INBOX] = *frame;
}

static void on_sent(void *nic)
{
    ((struct bench *)nic)->sending = false;
}

static struct bench *bench_create(uint64_t source_limit)
{
    static const struct net_port_ops port = {.receive = on_receive, .sent = on_sent};
    struct bench *bench = calloc(1, sizeof *bench);
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

static void bench_destroy(struct bench *bench)
{
    peer_destroy(bench->peer);
    wire_destroy(bench->wire);
    event_queue_destroy(&bench->queue);
    free(bench);
}

/* Run events until a frame is there, or for a simulated minute. */
static const struct frame *next_frame(struct bench *bench)
{
    tick_t limit = bench->queue.now + 60ull * HZ;
    while (bench->read == bench->received && event_queue_next(&bench->queue) <= limit)
        event_queue_run(&bench->queue, event_queue_next(&bench->queue));
    return bench->read < bench->received ? &bench->inbox[bench->read++ % INBOX] : NULL;
}

static void transmit(struct bench *bench, const struct frame *frame)
{
    while (bench->sending)
        event_queue_run(&bench->queue, event_queue_next(&bench->queue));
    bench->sending = true;
    bench->end.ops->send(bench->end.ctx, frame);
}

static uint8_t *ip_packet(struct frame *frame, uint8_t protocol, size_t payload)
{
    static const uint8_t peer_mac[6] = {2, 0, 0, 0, 0, 2}, peer_ip[4] = {10, 0, 0, 2};
    memset(frame, 0, sizeof *frame);
    frame->size = (uint32_t)(ETH_HEADER + IP_HEADER + payload);
    memcpy(frame->data, peer_mac, 6);
    memcpy(frame->data + 6, my_mac, 6);
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

static void send_tcp(struct bench *bench, uint16_t port, uint32_t seq, uint32_t ack, unsigned flags,
                     size_t size)
{
    struct frame frame;
    uint8_t *tcp = ip_packet(&frame, 6, TCP_HEADER + size);
    put_be16(tcp, 4000);
    put_be16(tcp + 2, port);
    put_be32(tcp + 4, seq);
    put_be32(tcp + 8, ack);
    tcp[12] = 0x50;
    tcp[13] = (uint8_t)flags;
    put_be16(tcp + 14, 32768);
    memset(tcp + TCP_HEADER, 0x5A, size);
    put_be16(tcp + 16, 0xFFFF & ~peer_transport_sum(tcp - IP_HEADER, tcp, TCP_HEADER + size));
    transmit(bench, &frame);
}

static const uint8_t *next_tcp(struct bench *bench, uint32_t *size)
{
    const struct frame *frame = next_frame(bench);
    if (frame == NULL)
        return NULL;
    const uint8_t *ip = frame->data + ETH_HEADER, *tcp = ip + IP_HEADER;
    cr_assert_eq(ip[9], 6);
    cr_assert_eq(peer_sum(ip, IP_HEADER, 0), 0xFFFF);
    uint32_t segment = get_be16(ip + 2) - (uint32_t)IP_HEADER;
    cr_assert_eq(peer_transport_sum(ip, tcp, segment), 0xFFFF);
    *size = segment - (uint32_t)(tcp[12] >> 4) * 4;
    return tcp;
}

/* Three-way handshake with `port`; the peer's initial sequence number + 1. */
static uint32_t open_connection(struct bench *bench, uint16_t port)
{
    uint32_t size;
    send_tcp(bench, port, 999, 0, TCP_SYN, 0);
    const uint8_t *tcp = next_tcp(bench, &size);
    cr_assert_eq(tcp[13], TCP_SYN | TCP_ACK);
    cr_assert_eq(get_be32(tcp + 8), 1000);
    uint32_t ack = get_be32(tcp + 4) + 1;
    send_tcp(bench, port, 1000, ack, TCP_ACK, 0);
    return ack;
}

Test(wire, a_frame_takes_exactly_its_time)
{
    struct bench *bench = bench_create(0);
    struct frame frame;
    uint8_t *icmp = ip_packet(&frame, 1, 1000);
    icmp[0] = 8;
    put_be16(icmp + 2, 0xFFFF & ~peer_sum(icmp, 1000, 0));
    transmit(bench, &frame);
    cr_assert_not_null(next_frame(bench));
    /* out and back: (8 + 1034 + 4) bytes at 80 ns each way, 500 ns of cable each way, 20 us in the peer */
    cr_assert_eq(bench->last_arrival, 2 * ((8 + 1034 + 4) * 80 + 500) + 20000);
    bench_destroy(bench);
}

Test(peer, answers_arp)
{
    struct bench *bench = bench_create(0);
    struct frame frame = {.size = 60};
    static const uint8_t request[] = {0,  1, 8, 0, 6, 4, 0, 1, 2, 0, 0,  0, 0, 9,
                                      10, 0, 0, 9, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2};
    memset(frame.data, 0xFF, 6);
    memcpy(frame.data + 6, my_mac, 6);
    put_be16(frame.data + 12, 0x0806);
    memcpy(frame.data + ETH_HEADER, request, sizeof request);
    transmit(bench, &frame);
    const struct frame *reply = next_frame(bench);
    cr_assert_not_null(reply);
    static const uint8_t expected[] = {0, 2, 2, 0, 0, 0, 0, 2, 10, 0, 0, 2, 2, 0, 0, 0, 0, 9, 10, 0, 0, 9};
    cr_assert_arr_eq(reply->data + ETH_HEADER + 6, expected, sizeof expected);
    bench_destroy(bench);
}

Test(peer, discard_acknowledges_every_second_segment_or_after_40_ms)
{
    struct bench *bench = bench_create(0);
    uint32_t ack = open_connection(bench, SERVICE_DISCARD), seq = 1000, size;
    for (int i = 0; i < 50; i++) {
        send_tcp(bench, SERVICE_DISCARD, seq, ack, TCP_ACK, 1000);
        send_tcp(bench, SERVICE_DISCARD, seq + 1000, ack, TCP_ACK, 1000);
        seq += 2000;
        const uint8_t *tcp = next_tcp(bench, &size);
        cr_assert_eq(get_be32(tcp + 8), seq);
    }
    send_tcp(bench, SERVICE_DISCARD, seq, ack, TCP_ACK, 1000);
    tick_t sent = bench->queue.now;
    cr_assert_eq(get_be32(next_tcp(bench, &size) + 8), seq + 1000);
    cr_assert_geq(bench->queue.now - sent, 40000000);
    cr_assert_eq(peer_counters(bench->peer)->tcp_bytes_in, 101000);

    send_tcp(bench, SERVICE_DISCARD, seq + 1000, ack, TCP_ACK | TCP_FIN, 0);
    cr_assert_eq(get_be32(next_tcp(bench, &size) + 8), seq + 1001);
    cr_assert_eq(next_tcp(bench, &size)[13], TCP_FIN | TCP_ACK);
    send_tcp(bench, SERVICE_DISCARD, seq + 1001, ack + 1, TCP_ACK, 0);
    cr_assert_null(next_frame(bench)); /* closed: nothing is retransmitted */
    bench_destroy(bench);
}

static void read_stream(unsigned drop_every)
{
    enum { TOTAL = 50000 };
    struct bench *bench = bench_create(TOTAL);
    uint32_t begin = open_connection(bench, SERVICE_SOURCE), next = begin, size;
    bench->drop_every = drop_every;
    for (int frames = 0; frames < 5000; frames++) {
        const uint8_t *tcp = next_tcp(bench, &size);
        cr_assert_not_null(tcp, "the stream stopped after %u bytes", next - begin);
        const uint8_t *data = tcp + (tcp[12] >> 4) * 4;
        if (get_be32(tcp + 4) == next) {
            for (uint32_t i = 0; i < size; i++)
                cr_assert_eq(data[i], ' ' + (next - begin + i) % 95);
            next += size;
            if (tcp[13] & TCP_FIN)
                break;
        }
        send_tcp(bench, SERVICE_SOURCE, 1000, next, TCP_ACK, 0);
    }
    cr_assert_eq(next - begin, TOTAL);
    cr_assert_eq(peer_counters(bench->peer)->tcp_bytes_out, TOTAL);
    bench_destroy(bench);
}

Test(peer, source_sends_its_stream)
{
    read_stream(0);
}

Test(peer, source_recovers_lost_frames)
{
    read_stream(7);
    read_stream(3);
}

Test(peer, refuses_other_ports)
{
    struct bench *bench = bench_create(0);
    uint32_t size;
    send_tcp(bench, 80, 999, 0, TCP_SYN, 0);
    const uint8_t *tcp = next_tcp(bench, &size);
    cr_assert_eq(tcp[13], TCP_RST | TCP_ACK);
    cr_assert_eq(get_be32(tcp + 8), 1000);
    bench_destroy(bench);
}

Test(peer, survives_random_frames)
{
    struct bench *bench = bench_create(1000);
    uint32_t seed = 20011126;
    for (int i = 0; i < 20000; i++) {
        struct frame frame;
        seed = seed * 1664525 + 1013904223;
        size_t payload = (seed >> 16) % 1400;
        uint8_t *body = ip_packet(&frame, (uint8_t[]){6, 17, 1, 99}[seed >> 30], payload);
        for (size_t b = 0; b < payload; b++) {
            seed = seed * 1664525 + 1013904223;
            body[b] = (uint8_t)(seed >> 24);
        }
        if (payload >= TCP_HEADER &&
            frame.data[ETH_HEADER + 9] == 6) { /* a valid checksum reaches the deeper code */
            put_be16(body, 4000 + (i & 3));
            put_be16(body + 2, (uint16_t[]){7, 9, 19, 9}[i >> 2 & 3]);
            put_be16(body + 16, 0);
            put_be16(body + 16, 0xFFFF & ~peer_transport_sum(body - IP_HEADER, body, payload));
        }
        if (i % 17 == 0)
            frame.size = seed % 80;
        transmit(bench, &frame);
        event_queue_run(&bench->queue, bench->queue.now + 1000000);
    }
    cr_assert_gt(peer_counters(bench->peer)->frames_in, 19000);
    bench_destroy(bench);
}
