/* The wire and the peer, driven by a small client: exact link times, ARP, ping, TCP discard and source (with
 * lost frames), refusals, and random frames. */
#include "tests/hostworld/peer_bench.h"

#include <criterion/criterion.h>
#include <string.h>

static void send_tcp(struct bench *bench, uint16_t port, uint32_t seq, uint32_t ack, unsigned flags,
                     size_t size)
{
    bench_send_tcp(bench, flags,
                   &(struct segment){.port = port, .seq = seq, .ack = ack, .window = 32768, .size = size});
}

/* Three-way handshake with `port`; the peer's initial sequence number + 1. */
static uint32_t open_connection(struct bench *bench, uint16_t port)
{
    uint32_t size;
    send_tcp(bench, port, 999, 0, TCP_SYN, 0);
    const uint8_t *tcp = bench_tcp(bench, &size);
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
    uint8_t *icmp = bench_packet(&frame, 1, 1000);
    icmp[0] = 8;
    put_be16(icmp + 2, 0xFFFF & ~peer_sum(icmp, 1000, 0));
    bench_transmit(bench, &frame);
    cr_assert_not_null(bench_frame(bench));
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
    memcpy(frame.data + 6, bench_mac, 6);
    put_be16(frame.data + 12, 0x0806);
    memcpy(frame.data + ETH_HEADER, request, sizeof request);
    bench_transmit(bench, &frame);
    const struct frame *reply = bench_frame(bench);
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
        const uint8_t *tcp = bench_tcp(bench, &size);
        cr_assert_eq(get_be32(tcp + 8), seq);
    }
    send_tcp(bench, SERVICE_DISCARD, seq, ack, TCP_ACK, 1000);
    tick_t sent = bench->queue.now;
    cr_assert_eq(get_be32(bench_tcp(bench, &size) + 8), seq + 1000);
    cr_assert_geq(bench->queue.now - sent, 40000000);
    cr_assert_eq(peer_counters(bench->peer)->tcp_bytes_in, 101000);

    send_tcp(bench, SERVICE_DISCARD, seq + 1000, ack, TCP_ACK | TCP_FIN, 0);
    cr_assert_eq(get_be32(bench_tcp(bench, &size) + 8), seq + 1001);
    cr_assert_eq(bench_tcp(bench, &size)[13], TCP_FIN | TCP_ACK);
    send_tcp(bench, SERVICE_DISCARD, seq + 1001, ack + 1, TCP_ACK, 0);
    cr_assert_null(bench_frame(bench)); /* closed: nothing is retransmitted */
    bench_destroy(bench);
}

static void read_stream(unsigned drop_every)
{
    enum { TOTAL = 50000 };
    struct bench *bench = bench_create(TOTAL);
    uint32_t begin = open_connection(bench, SERVICE_SOURCE), next = begin, size;
    bench->drop_every = drop_every;
    for (int frames = 0; frames < 5000; frames++) {
        const uint8_t *tcp = bench_tcp(bench, &size);
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
    const uint8_t *tcp = bench_tcp(bench, &size);
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
        uint8_t *body = bench_packet(&frame, (uint8_t[]){6, 17, 1, 99}[seed >> 30], payload);
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
        bench_transmit(bench, &frame);
        event_queue_run(&bench->queue, bench->queue.now + 1000000);
    }
    cr_assert_gt(peer_counters(bench->peer)->frames_in, 19000);
    bench_destroy(bench);
}
