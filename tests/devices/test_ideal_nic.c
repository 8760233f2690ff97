/* The idealized NIC against docs/ideal-nic.md. */
#include "devices/ideal_nic.h"
#include "io_bench.h"

#include <criterion/criterion.h>
#include <string.h>

enum { PORT = 0xC000, PAGE = 0x4000, BUFFERS = 0x10000, BUFFER = 0x800 };
enum { TX_GIVEN = 0, TX_TAKEN = 4, TX_WANT = 8, RX_GIVEN = 12, RX_TAKEN = 16, TX = 0x40, RX = 0x240 };
enum { RECEIVED = 1, SPACE = 2 };

static const uint8_t mac[6] = {0, 0x50, 0x56, 1, 2, 3};

struct rig {
    struct io_bench bench;
    struct device *nic;
    const struct net_port_ops *port;
    void *port_ctx;
    bool at_once;
    unsigned sends;
    struct frame last;
};

static void backend_attach(void *ctx, const struct net_port_ops *port, void *nic)
{
    struct rig *rig = ctx;
    rig->port = port;
    rig->port_ctx = nic;
}

static void backend_send(void *ctx, const struct frame *frame)
{
    struct rig *rig = ctx;
    rig->sends++;
    rig->last = *frame;
    if (rig->at_once)
        rig->port->sent(rig->port_ctx);
}

static struct rig *rig_create(bool connected)
{
    static const struct net_backend_ops ops = {.attach = backend_attach, .send = backend_send};
    struct rig *rig = calloc(1, sizeof *rig);
    struct ideal_nic_config config;
    struct net_backend backend = {connected ? &ops : NULL, rig};
    memcpy(config.mac, mac, sizeof mac);
    bench_init(&rig->bench);
    rig->at_once = true;
    rig->nic = ideal_nic_create(&rig->bench.env, &config, &backend);
    pci_attach(&rig->bench.pci, ideal_nic_pci(rig->nic), 3, 0);
    pci_config_write(&rig->bench.pci, 3, 0, 0x10, 4, PORT);
    pci_config_write(&rig->bench.pci, 3, 0, 4, 2, 5);
    return rig;
}

static void rig_destroy(struct rig *rig)
{
    rig->nic->cls->destroy(rig->nic);
    bench_destroy(&rig->bench);
    free(rig);
}

static uint32_t in(struct rig *rig, unsigned offset)
{
    return (uint32_t)io_read(&rig->bench.ports, PORT + offset, 4);
}

static void out(struct rig *rig, unsigned offset, uint32_t value)
{
    io_write(&rig->bench.ports, PORT + offset, 4, value);
}

static uint32_t word(struct rig *rig, uint32_t offset)
{
    return bench_get32(&rig->bench, PAGE + offset);
}

static void put(struct rig *rig, uint32_t offset, uint32_t value)
{
    bench_put32(&rig->bench, PAGE + offset, value);
}

/* Entry n of the transmit ring: a frame filled with n. */
static void give_frame(struct rig *rig, uint32_t n, uint32_t length)
{
    uint32_t at = BUFFERS + n % 64 * BUFFER;
    memset(rig->bench.memory + at, (int)n, BUFFER);
    put(rig, TX + n % 64 * 8, at);
    put(rig, TX + n % 64 * 8 + 4, length);
    put(rig, TX_GIVEN, n + 1);
}

static void give_buffer(struct rig *rig, uint32_t n, uint32_t room)
{
    put(rig, RX + n % 64 * 8, BUFFERS + n % 64 * BUFFER);
    put(rig, RX + n % 64 * 8 + 4, room);
    put(rig, RX_GIVEN, n + 1);
}

static void arrive(struct rig *rig, const uint8_t *to, uint32_t size)
{
    struct frame frame = {.size = size};
    memset(frame.data, 0x5A, size);
    memcpy(frame.data, to, 6);
    rig->port->receive(rig->port_ctx, &frame);
}

Test(ideal_nic, tells_who_it_is)
{
    struct rig *rig = rig_create(true);
    cr_expect_eq(pci_config_read(&rig->bench.pci, 3, 0, 0, 4), 0x1DEA1234);
    cr_expect_eq(in(rig, IDEAL_NIC_ID), 0x4C414449);
    cr_expect_eq(in(rig, IDEAL_NIC_MAC), 0x01565000);
    cr_expect_eq(in(rig, IDEAL_NIC_MAC_HIGH), 0x80000302);
    rig_destroy(rig);
}

Test(ideal_nic, a_frame_takes_one_out_and_no_interrupt)
{
    struct rig *rig = rig_create(true);
    out(rig, IDEAL_NIC_RINGS, PAGE);
    for (uint32_t n = 0; n < 200; n++) { /* round the ring, and again */
        give_frame(rig, n, n == 7 ? 20 : 1514);
        cr_expect_eq(rig->sends, n);
        out(rig, IDEAL_NIC_DOORBELL, 1);
        cr_assert_eq(rig->sends, n + 1);
        cr_expect_eq(word(rig, TX_TAKEN), n + 1);
        cr_expect_eq(rig->last.size, n == 7 ? 60 : 1514, "short frames are padded");
        cr_expect_eq(rig->last.data[10], (uint8_t)n);
        cr_expect_eq(rig->last.data[59], n == 7 ? 0 : (uint8_t)n);
    }
    cr_expect_eq(rig->bench.edges, 0);
    rig_destroy(rig);
}

Test(ideal_nic, one_doorbell_sends_all_there_is)
{
    for (int at_once = 0; at_once < 2; at_once++) {
        struct rig *rig = rig_create(true);
        rig->at_once = at_once;
        out(rig, IDEAL_NIC_RINGS, PAGE);
        for (uint32_t n = 0; n < 64; n++)
            give_frame(rig, n, 100);
        out(rig, IDEAL_NIC_DOORBELL, 0);
        for (unsigned i = 0; !at_once && i < 64; i++) {
            cr_expect_eq(rig->sends, i + 1, "one at a time");
            cr_expect_eq(word(rig, TX_TAKEN), i);
            rig->port->sent(rig->port_ctx);
        }
        cr_expect_eq(rig->sends, 64);
        cr_expect_eq(word(rig, TX_TAKEN), 64);
        rig_destroy(rig);
    }
}

Test(ideal_nic, who_waits_for_room_is_told_once)
{
    struct rig *rig = rig_create(true);
    rig->at_once = false;
    out(rig, IDEAL_NIC_RINGS, PAGE);
    give_frame(rig, 0, 100);
    give_frame(rig, 1, 100);
    out(rig, IDEAL_NIC_DOORBELL, 0);
    put(rig, TX_WANT, 1);
    cr_expect_not(rig->bench.pin);
    rig->port->sent(rig->port_ctx);
    cr_expect(rig->bench.pin);
    cr_expect_eq(in(rig, IDEAL_NIC_EVENTS), SPACE);
    cr_expect_eq(word(rig, TX_WANT), 0);
    out(rig, IDEAL_NIC_EVENTS, RECEIVED);
    cr_expect(rig->bench.pin, "that bit was not set");
    out(rig, IDEAL_NIC_EVENTS, SPACE);
    cr_expect_not(rig->bench.pin);
    rig->port->sent(rig->port_ctx);
    cr_expect_not(rig->bench.pin);
    rig_destroy(rig);
}

Test(ideal_nic, frames_arrive_in_the_buffers)
{
    static const uint8_t broadcast[6] = {255, 255, 255, 255, 255, 255}, stranger[6] = {2, 2, 2, 2, 2, 2};
    struct rig *rig = rig_create(true);
    arrive(rig, mac, 100); /* stopped */
    out(rig, IDEAL_NIC_RINGS, PAGE);
    arrive(rig, mac, 100); /* no buffer */
    cr_expect_eq(word(rig, RX_TAKEN), 0);
    for (uint32_t n = 0; n < 150; n++) {
        give_buffer(rig, n, 1544);
        arrive(rig, stranger, 100);
        cr_expect_eq(word(rig, RX_TAKEN), n);
        arrive(rig, n & 1 ? mac : broadcast, 60 + n);
        cr_expect_eq(word(rig, RX_TAKEN), n + 1);
        cr_expect_eq(word(rig, RX + n % 64 * 8 + 4), 60 + n);
        cr_expect_eq(memcmp(rig->bench.memory + BUFFERS + n % 64 * BUFFER, n & 1 ? mac : broadcast, 6), 0);
        cr_expect(rig->bench.pin);
        out(rig, IDEAL_NIC_EVENTS, RECEIVED);
        cr_expect_not(rig->bench.pin);
    }
    give_buffer(rig, 150, 99);
    arrive(rig, mac, 100); /* too small, and stays */
    cr_expect_eq(word(rig, RX_TAKEN), 150);
    arrive(rig, mac, 99);
    cr_expect_eq(word(rig, RX_TAKEN), 151);
    rig_destroy(rig);
}

Test(ideal_nic, stopping_abandons_the_frame_on_its_way)
{
    struct rig *rig = rig_create(true);
    rig->at_once = false;
    out(rig, IDEAL_NIC_RINGS, PAGE);
    give_frame(rig, 0, 100);
    out(rig, IDEAL_NIC_DOORBELL, 0);
    out(rig, IDEAL_NIC_RINGS, 0);
    out(rig, IDEAL_NIC_RINGS, PAGE);
    give_frame(rig, 0, 200);
    out(rig, IDEAL_NIC_DOORBELL, 0);
    cr_expect_eq(rig->sends, 1, "the back end still has the first");
    rig->port->sent(rig->port_ctx);
    cr_expect_eq(word(rig, TX_TAKEN), 0, "which completes nothing");
    cr_expect_eq(rig->sends, 2);
    cr_expect_eq(rig->last.size, 200);
    rig->port->sent(rig->port_ctx);
    cr_expect_eq(word(rig, TX_TAKEN), 1);
    rig->port->sent(rig->port_ctx); /* nobody asked */
    cr_expect_eq(word(rig, TX_TAKEN), 1);
    rig_destroy(rig);
}

Test(ideal_nic, what_cannot_be_sent_is_skipped)
{
    static const struct {
        uint32_t given, length;
        unsigned sends, taken;
    } rows[] = {
        {1, 13, 0, 1}, {1, 1515, 0, 1}, {1, 0xFFFFFFFF, 0, 1}, {65, 100, 0, 0}, {0x80000000, 100, 0, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig *rig = rig_create(true);
        out(rig, IDEAL_NIC_RINGS, PAGE + 4);
        cr_expect_eq(in(rig, IDEAL_NIC_RINGS), 0, "not aligned");
        out(rig, IDEAL_NIC_RINGS, PAGE);
        give_frame(rig, 0, rows[i].length);
        put(rig, TX_GIVEN, rows[i].given);
        out(rig, IDEAL_NIC_DOORBELL, 0);
        cr_expect_eq(rig->sends, rows[i].sends, "row %zu", i);
        cr_expect_eq(word(rig, TX_TAKEN), rows[i].taken, "row %zu", i);
        rig_destroy(rig);
    }
}

Test(ideal_nic, without_a_cable_or_the_bus_nothing_hangs)
{
    struct rig *rig = rig_create(false);
    out(rig, IDEAL_NIC_RINGS, PAGE);
    give_frame(rig, 0, 100);
    out(rig, IDEAL_NIC_DOORBELL, 0);
    cr_expect_eq(word(rig, TX_TAKEN), 1);
    cr_expect_eq(in(rig, IDEAL_NIC_MAC_HIGH) >> 31, 0);
    pci_config_write(&rig->bench.pci, 3, 0, 4, 2, 1); /* may no longer master the bus */
    give_frame(rig, 1, 100);
    out(rig, IDEAL_NIC_DOORBELL, 0);
    cr_expect_eq(word(rig, TX_TAKEN), 1);
    rig_destroy(rig);
}

Test(ideal_nic, random_accesses_do_no_harm)
{
    struct rig *rig = rig_create(true);
    uint64_t seed = 1;
    for (unsigned i = 0; i < 200000; i++) {
        uint64_t r = bench_random(&seed);
        uint32_t value = (uint32_t)(r >> 32);
        rig->at_once = r & 1;
        switch (r >> 1 & 7) {
        case 0: put(rig, (uint32_t)(r >> 8 & 0x1FF) * 4, value); break;
        case 1: out(rig, IDEAL_NIC_RINGS, r & 0x100 ? value & ~0xFFFu : PAGE); break;
        case 2:
            arrive(rig, r & 0x100 ? mac : (const uint8_t *)"\xFF\xFF\xFF\xFF\xFF\xFF", 14 + value % 1500);
            break;
        case 3: rig->port->sent(rig->port_ctx); break;
        case 4: io_read(&rig->bench.ports, PORT + value % 32, 1 + (r >> 8 & 3)); break;
        case 5:
            put(rig, r & 0x100 ? TX_GIVEN : RX_GIVEN,
                word(rig, r & 0x100 ? TX_TAKEN : RX_TAKEN) + value % 66);
            break;
        default: io_write(&rig->bench.ports, PORT + value % 32, 1 + (r >> 8 & 3), r >> 16); break;
        }
    }
    rig->nic->cls->reset(rig->nic);
    rig->port->sent(rig->port_ctx);
    cr_expect_not(rig->bench.pin);
    rig_destroy(rig);
}
