/* The station that stands for the host's network: it answers ARP and DHCP; random frames, and frames
 * that nobody takes, do no harm; and pacing waits for a clock that is behind, never for one that is ahead. */
#include "base/bytes.h"
#include "base/host_clock.h"
#include "hostworld/net_user.h"
#include "hostworld/pace.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { HZ = 1000000000, ETH = 14, IP = 20 };

/* A wire that takes a frame at once, or never. */
struct bench {
    struct event_queue queue;
    struct net_user *user;
    const struct net_port_ops *port;
    void *nic;
    bool stuck;
    unsigned count;
    struct frame last;
};

static const uint8_t my_mac[6] = {2, 0, 0, 0, 0, 9};

static void on_attach(void *backend, const struct net_port_ops *port, void *nic)
{
    struct bench *bench = backend;
    bench->port = port;
    bench->nic = nic;
}

static void on_send(void *backend, const struct frame *frame)
{
    struct bench *bench = backend;
    bench->count++;
    bench->last = *frame;
    if (!bench->stuck)
        bench->port->sent(bench->nic);
}

static struct bench *open_bench(void)
{
    static const struct net_backend_ops ops = {.attach = on_attach, .send = on_send};
    struct bench *bench = calloc(1, sizeof *bench);
    struct error err;
    event_queue_init(&bench->queue, HZ);
    const struct net_user_config config = {.queue = &bench->queue};
    cr_assert_eq(net_user_create(&bench->user, &config, (struct net_backend){&ops, bench}, &err), STATUS_OK,
                 "%s", err.text);
    return bench;
}

static void close_bench(struct bench *bench)
{
    net_user_destroy(bench->user);
    event_queue_destroy(&bench->queue);
    free(bench);
}

static void pass_ms(struct bench *bench, unsigned ms)
{
    event_queue_run(&bench->queue, bench->queue.now + (tick_t)ms * (HZ / 1000));
}

static void give(struct bench *bench, const struct frame *frame)
{
    bench->port->receive(bench->nic, frame);
    pass_ms(bench, 2);
}

static void begin_frame(struct frame *frame, unsigned type)
{
    memset(frame, 0, sizeof *frame);
    memset(frame->data, 0xFF, 6);
    memcpy(frame->data + 6, my_mac, 6);
    put_be16(frame->data + 12, type);
    frame->size = 60;
}

static uint16_t checksum(const uint8_t *bytes, size_t size)
{
    uint32_t sum = 0;
    for (size_t i = 0; i + 1 < size; i += 2)
        sum += get_be16(bytes + i);
    while (sum >> 16)
        sum = (sum & 0xFFFF) + (sum >> 16);
    return (uint16_t)~sum;
}

static void begin_ip(struct frame *frame, uint8_t protocol, const uint8_t from[4], const uint8_t to[4],
                     unsigned size)
{
    begin_frame(frame, 0x0800);
    uint8_t *ip = frame->data + ETH;
    ip[0] = 0x45;
    put_be16(ip + 2, IP + size);
    ip[8] = 64;
    ip[9] = protocol;
    memcpy(ip + 12, from, 4);
    memcpy(ip + 16, to, 4);
    put_be16(ip + 10, checksum(ip, IP));
    if (frame->size < ETH + IP + size)
        frame->size = ETH + IP + size;
}

static void ask_arp(struct bench *bench)
{
    static const uint8_t mine[4] = {10, 0, 2, 15}, gateway[4] = {10, 0, 2, 2};
    struct frame frame;
    begin_frame(&frame, 0x0806);
    uint8_t *arp = frame.data + ETH;
    put_be16(arp, 1);
    put_be16(arp + 2, 0x0800);
    arp[4] = 6;
    arp[5] = 4;
    put_be16(arp + 6, 1);
    memcpy(arp + 8, my_mac, 6);
    memcpy(arp + 14, mine, 4);
    memcpy(arp + 24, gateway, 4);
    give(bench, &frame);
}

Test(net_user, answers_arp)
{
    struct bench *bench = open_bench();
    ask_arp(bench);
    cr_assert_eq(bench->count, 1);
    cr_assert_eq(get_be16(bench->last.data + 12), 0x0806);
    cr_assert_eq(get_be16(bench->last.data + ETH + 6), 2, "a reply");
    cr_assert_arr_eq(bench->last.data, my_mac, 6);
    cr_assert_geq(bench->last.size, 60, "no runts");
    close_bench(bench);
}

Test(net_user, gives_an_address)
{
    static const uint8_t none[4], all[4] = {255, 255, 255, 255}, expected[4] = {10, 0, 2, 15};
    static const uint8_t options[] = {0x63, 0x82, 0x53, 0x63, 53, 1, 1, 255}; /* DISCOVER */
    struct bench *bench = open_bench();
    struct frame frame;
    begin_ip(&frame, 17, none, all, 8 + 236 + 64);
    uint8_t *udp = frame.data + ETH + IP, *bootp = udp + 8;
    put_be16(udp, 68);
    put_be16(udp + 2, 67);
    put_be16(udp + 4, 8 + 236 + 64);
    bootp[0] = bootp[1] = 1;
    bootp[2] = 6;
    memcpy(bootp + 28, my_mac, 6);
    memcpy(bootp + 236, options, sizeof options);
    give(bench, &frame);
    cr_assert_geq(bench->count, 1);
    cr_assert_arr_eq(bench->last.data + ETH + IP + 8 + 16, expected, 4);
    close_bench(bench);
}

Test(net_user, random_frames_do_no_harm)
{
    struct bench *bench = open_bench();
    struct frame frame;
    uint64_t random = 12345;
    for (unsigned n = 0; n < 20000; n++) {
        static const uint8_t mine[4] = {10, 0, 2, 15}, gateway[4] = {10, 0, 2, 2};
        static const uint8_t protocols[] = {1, 6, 17, 2, 58};
        random = random * 6364136223846793005u + 1442695040888963407u;
        unsigned size = (unsigned)(random >> 33) % (n % 50 ? 200 : FRAME_MAX - 100);
        begin_ip(&frame, protocols[n % ARRAY_LEN(protocols)], mine, gateway, size);
        unsigned first = n % 3 == 0 ? 12 : n % 3 == 1 ? ETH : ETH + IP;
        for (unsigned i = first; i < frame.size; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            if (n % 3 == 2 || (random >> 60) == 0)
                frame.data[i] = (uint8_t)(random >> 40);
        }
        if (n % 7 == 0)
            frame.size = (uint32_t)(random >> 50) % 70;
        bench->stuck = n % 1000 > 900;
        bench->port->receive(bench->nic, &frame);
        if (!bench->stuck && n % 1000 == 0)
            bench->port->sent(bench->nic);
    }
    pass_ms(bench, 5);
    close_bench(bench);
}

Test(net_user, forwards_are_checked)
{
    static const char *const good[] = {"tcp::2222-:22", "udp:127.0.0.1:1-10.0.2.15:65535"};
    static const char *const bad[] = {"",
                                      "tcp",
                                      "tcp:2222-22",
                                      "tcp::0-:22",
                                      "tcp::1-:65536",
                                      "tcp::1",
                                      "icmp::1-:1",
                                      "tcp:::1-:1",
                                      "tcp::1-:1x",
                                      "tcp::-:1",
                                      "tcp::1-1.2.3:4",
                                      "tcp:::::1-:1",
                                      "tcp::99999999999999999999-:1"};
    struct error err;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        cr_assert_eq(net_user_check_forward(good[i], &err), STATUS_OK, "%s", good[i]);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        cr_assert_neq(net_user_check_forward(bad[i], &err), STATUS_OK, "%s", bad[i]);
}

/* The wait is for what is left of `most` seconds since `since`, however long the host took over it. */
static void assert_waits(struct pace *pace, double simulated, double since, double most)
{
    unsigned wait = pace_wait_ms(pace, simulated);
    double least = most - (host_clock_seconds() - since);
    cr_assert(wait >= 1000 * least && wait <= 1000 * most + 1, "%u ms, not %g to %g", wait, 1000 * least,
              1000 * most);
}

Test(net_user, pace)
{
    struct pace pace = {0};
    double start = host_clock_seconds();
    cr_assert_eq(pace_wait_ms(&pace, 5), 0, "where it starts does not matter");
    assert_waits(&pace, 5.1, start, 0.1);
    start = host_clock_seconds();
    while (host_clock_seconds() < start + 0.2)
        continue;
    start = host_clock_seconds();
    cr_assert_eq(pace_wait_ms(&pace, 5.1), 0, "it is behind");
    assert_waits(&pace, 5.15, start, 0.05); /* what it was behind by is not made up for */
}
