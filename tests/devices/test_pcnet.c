/* Am79C970A: registers driven on a stopped clock, rings in an array, a back end that keeps what it gets.
 * The first rows follow Linux's pcnet32 probe and open. */
#include "devices/pcnet.h"
#include "io_bench.h"

#include <criterion/criterion.h>
#include <string.h>
#include <zlib.h>

enum {
    IO_BASE = 0xC000,
    INIT_BLOCK = 0x1000,
    RX_RING = 0x2000,
    TX_RING = 0x3000,
    RX_BUFFERS = 0x10000,
    TX_BUFFERS = 0x40000,
    BUFFER_SIZE = 1536,
    RING = 4,
};

enum { OWN = 1u << 31, ERR = 1u << 30, STP = 1u << 25, ENP = 1u << 24 };

struct rig {
    struct io_bench bench;
    struct device *nic;
    bool dwio;
    unsigned style;
    /* the back end */
    const struct net_port_ops *port;
    void *port_ctx;
    bool at_once; /* `sent` from inside send */
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
    rig->last.size = frame->size;
    memcpy(rig->last.data, frame->data, frame->size);
    if (rig->at_once)
        rig->port->sent(rig->port_ctx);
}

static const struct net_backend_ops backend_ops = {backend_attach, backend_send};
static const struct pcnet_config config = {.mac = {0x00, 0x50, 0x56, 0x01, 0x02, 0x03}};

static void rig_init(struct rig *rig, bool connected)
{
    memset(rig, 0, sizeof *rig);
    bench_init(&rig->bench);
    struct net_backend backend = {connected ? &backend_ops : NULL, rig};
    rig->nic = pcnet_create(&rig->bench.env, &config, &backend);
    pci_attach(&rig->bench.pci, pcnet_pci(rig->nic), 3, 0);
    pci_config_write(&rig->bench.pci, 3, 0, 0x10, 4, IO_BASE);
    pci_config_write(&rig->bench.pci, 3, 0, 0x14, 4, 0xE0000000);
    pci_config_write(&rig->bench.pci, 3, 0, 4, 2, 7);
    rig->style = 2;
}

static void rig_destroy(struct rig *rig)
{
    rig->nic->cls->destroy(rig->nic);
    bench_destroy(&rig->bench);
}

static uint32_t in(struct rig *rig, unsigned offset, unsigned size)
{
    return (uint32_t)io_read(&rig->bench.ports, IO_BASE + offset, size);
}

static void out(struct rig *rig, unsigned offset, unsigned size, uint32_t value)
{
    io_write(&rig->bench.ports, IO_BASE + offset, size, value);
}

static void set_rap(struct rig *rig, unsigned number)
{
    out(rig, rig->dwio ? PCNET_DWIO_RAP : PCNET_WIO_RAP, rig->dwio ? 4 : 2, number);
}

static uint16_t csr(struct rig *rig, unsigned number)
{
    set_rap(rig, number);
    return (uint16_t)in(rig, PCNET_WIO_RDP, rig->dwio ? 4 : 2);
}

static void csr_set(struct rig *rig, unsigned number, uint16_t value)
{
    set_rap(rig, number);
    out(rig, PCNET_WIO_RDP, rig->dwio ? 4 : 2, value);
}

static uint16_t bcr(struct rig *rig, unsigned number)
{
    set_rap(rig, number);
    return (uint16_t)in(rig, rig->dwio ? PCNET_DWIO_BDP : PCNET_WIO_BDP, rig->dwio ? 4 : 2);
}

static void bcr_set(struct rig *rig, unsigned number, uint16_t value)
{
    set_rap(rig, number);
    out(rig, rig->dwio ? PCNET_DWIO_BDP : PCNET_WIO_BDP, rig->dwio ? 4 : 2, value);
}

/* ---- Rings in any style ----------------------------------------------------------------------------------
 */

static uint32_t desc_at(const struct rig *rig, uint32_t ring, unsigned index)
{
    return ring + index * (rig->style == 0 ? 8 : 16);
}

static void put_desc(struct rig *rig, uint32_t ring, unsigned index, uint32_t flags, uint32_t addr,
                     unsigned size)
{
    struct io_bench *bench = &rig->bench;
    uint32_t at = desc_at(rig, ring, index);
    uint16_t count = (uint16_t)(-size & 0xFFFF) | (size ? 0xF000 : 0);
    if (rig->style == 0) {
        bench_put32(bench, at, (flags & 0xFF000000) | addr);
        bench_put16(bench, at + 4, count);
        bench_put16(bench, at + 6, 0);
    } else {
        bench_put32(bench, at + (rig->style == 3 ? 8 : 0), addr);
        bench_put32(bench, at + 4, flags | count);
        bench_put32(bench, at + (rig->style == 3 ? 0 : 8), 0);
    }
}

static uint32_t desc_flags(const struct rig *rig, uint32_t ring, unsigned index)
{
    uint32_t at = desc_at(rig, ring, index);
    return rig->style == 0 ? (uint32_t)rig->bench.memory[at + 3] << 24
                           : bench_get32(&rig->bench, at + 4) & 0xFFFF0000;
}

static uint32_t desc_message(const struct rig *rig, uint32_t ring, unsigned index)
{
    uint32_t at = desc_at(rig, ring, index);
    if (rig->style == 0) {
        uint32_t value = bench_get16(&rig->bench, at + 6);
        return ring == TX_RING ? value << 16 : value;
    }
    return bench_get32(&rig->bench, at + (rig->style == 3 ? 0 : 8));
}

static void put_init_block(struct rig *rig, uint16_t mode, uint64_t ladrf)
{
    struct io_bench *bench = &rig->bench;
    uint32_t at = INIT_BLOCK;
    unsigned code = 2; /* four entries */
    if (rig->style == 0) {
        bench_put16(bench, at, mode);
        memcpy(bench->memory + at + 2, config.mac, 6);
        memcpy(bench->memory + at + 8, &ladrf, 8);
        bench_put32(bench, at + 16, RX_RING | code << 29);
        bench_put32(bench, at + 20, TX_RING | code << 29);
    } else {
        bench_put32(bench, at, mode | code << 20 | code << 28);
        memcpy(bench->memory + at + 4, config.mac, 6);
        memcpy(bench->memory + at + 12, &ladrf, 8);
        bench_put32(bench, at + 20, RX_RING);
        bench_put32(bench, at + 24, TX_RING);
    }
}

static void fresh_rx(struct rig *rig)
{
    for (unsigned i = 0; i < RING; i++)
        put_desc(rig, RX_RING, i, OWN, RX_BUFFERS + i * BUFFER_SIZE, BUFFER_SIZE);
}

/* Reset, choose the style, initialize, start with interrupts on. */
static void go(struct rig *rig, uint16_t mode, uint64_t ladrf)
{
    csr_set(rig, 0, 4);
    bcr_set(rig, 20, (uint16_t)rig->style);
    put_init_block(rig, mode, ladrf);
    fresh_rx(rig);
    for (unsigned i = 0; i < RING; i++)
        put_desc(rig, TX_RING, i, 0, 0, 0);
    csr_set(rig, 1, INIT_BLOCK);
    csr_set(rig, 2, 0);
    csr_set(rig, 0, 1);
    cr_assert_eq(csr(rig, 0) & 0x0101, 0x0101, "IDON and INIT");
    csr_set(rig, 0, 0x0142);
}

/* Fill a transmit buffer with a recognizable frame to `to`. */
static void fill(struct rig *rig, uint32_t at, unsigned size, const uint8_t *to)
{
    for (unsigned i = 0; i < size; i++)
        rig->bench.memory[at + i] = (uint8_t)(i * 7 + size);
    if (to != NULL && size >= 6)
        memcpy(rig->bench.memory + at, to, 6);
    if (size >= 14) { /* a type, not a length */
        rig->bench.memory[at + 12] = 0x88;
        rig->bench.memory[at + 13] = 0xB5;
    }
}

static struct frame frame_to(const uint8_t *to, unsigned size)
{
    struct frame frame = {.size = size};
    for (unsigned i = 0; i < size; i++)
        frame.data[i] = (uint8_t)(i * 3 + 1);
    memcpy(frame.data, to, 6);
    frame.data[12] = 0x88;
    return frame;
}

static void arrive(struct rig *rig, const struct frame *frame)
{
    rig->port->receive(rig->port_ctx, frame);
}

static const uint8_t broadcast[6] = {255, 255, 255, 255, 255, 255};
static const uint8_t stranger[6] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55};
static const uint8_t group[6] = {0x01, 0x00, 0x5E, 0x00, 0x00, 0x01};

/* ---- Registers -------------------------------------------------------------------------------------------
 */

Test(pcnet, probe_in_word_mode)
{
    struct rig rig;
    rig_init(&rig, true);
    cr_assert_eq(pci_config_read(&rig.bench.pci, 3, 0, 0, 4), 0x20001022);
    cr_assert_eq(pci_config_read(&rig.bench.pci, 3, 0, 8, 4), 0x02000016);
    in(&rig, PCNET_WIO_RESET, 2);
    cr_assert_eq(csr(&rig, 0), 4);
    set_rap(&rig, 88);
    cr_assert_eq(in(&rig, PCNET_WIO_RAP, 2), 88);
    cr_assert_eq(csr(&rig, 88) | (uint32_t)csr(&rig, 89) << 16, 0x02621003);
    unsigned sum = 0;
    for (unsigned i = 0; i < 16; i++)
        sum += i == 12 || i == 13 ? 0 : in(&rig, i, 1);
    for (unsigned i = 0; i < 6; i++)
        cr_assert_eq(in(&rig, i, 1), config.mac[i]);
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(csr(&rig, 12 + i), config.mac[2 * i] | config.mac[2 * i + 1] << 8);
    cr_assert_eq(in(&rig, 14, 2), 0x5757);
    cr_assert_eq(in(&rig, 12, 2), sum);
    cr_assert_eq(bcr(&rig, 4), 0x80C0, "link is up");
    cr_assert_eq(bcr(&rig, 33), 0xFFFF, "no MII");
    rig_destroy(&rig);
}

Test(pcnet, word_access_becomes_double_word_access)
{
    struct rig rig;
    rig_init(&rig, false);
    cr_assert_eq(in(&rig, 0x10, 4), 0xFFFFFFFF, "no double words in word mode");
    cr_assert_eq(bcr(&rig, 4), 0x00C0, "link is down");
    set_rap(&rig, 0);
    out(&rig, 0x10, 4, 0);
    rig.dwio = true;
    cr_assert_eq(csr(&rig, 0), 4);
    cr_assert_eq(bcr(&rig, 18) & 0x80, 0x80);
    set_rap(&rig, 88);
    cr_assert_eq(in(&rig, 0x14, 4), 88);
    cr_assert_eq(in(&rig, 0x14, 2), 0xFFFF, "no words in double word mode");
    in(&rig, 0x18, 4);
    cr_assert_eq(bcr(&rig, 18) & 0x80, 0x80, "S_RESET keeps the mode");
    cr_assert_eq(io_read(&rig.bench.space, 0xE0000010, 4), 0, "RAP is BCR18 and that is no CSR");
    rig.nic->cls->reset(rig.nic);
    pci_config_write(&rig.bench.pci, 3, 0, 0x10, 4, IO_BASE);
    pci_config_write(&rig.bench.pci, 3, 0, 4, 2, 7);
    rig.dwio = false;
    cr_assert_eq(csr(&rig, 0), 4, "H_RESET goes back to words");
    rig_destroy(&rig);
}

Test(pcnet, reset_values_and_access_rules)
{
    static const struct {
        unsigned number;
        uint16_t value;
    } csrs[] = {{0, 4},       {3, 0},       {4, 0x115}, {5, 0},  {58, 0x200},
                {80, 0xD410}, {100, 0x200}, {112, 0},   {124, 0}};
    static const struct {
        unsigned number;
        uint16_t value;
    } bcrs[] = {{0, 5},    {1, 5}, {2, 2},       {5, 0x84},   {6, 0x88},
                {7, 0x90}, {9, 0}, {18, 0x9001}, {20, 0x200}, {22, 0xFF06}};
    struct rig rig;
    rig_init(&rig, false);
    for (unsigned i = 0; i < ARRAY_LEN(csrs); i++)
        cr_assert_eq(csr(&rig, csrs[i].number), csrs[i].value, "CSR%u", csrs[i].number);
    for (unsigned i = 0; i < ARRAY_LEN(bcrs); i++)
        cr_assert_eq(bcr(&rig, bcrs[i].number), bcrs[i].value, "BCR%u", bcrs[i].number);
    csr_set(&rig, 76, 0xFFF0);
    cr_assert_eq(csr(&rig, 76), 0xFFF0);
    csr_set(&rig, 16, 0x1234);
    cr_assert_eq(csr(&rig, 1), 0x1234, "CSR16 is CSR1");
    csr_set(&rig, 124, 8);
    cr_assert_eq(csr(&rig, 124), 0, "closed without EN124");
    csr_set(&rig, 4, 0x8115);
    csr_set(&rig, 124, 8);
    cr_assert_eq(csr(&rig, 124), 8);
    for (unsigned style = 0; style < 4; style++) {
        static const uint16_t expect[] = {0x200, 0x101, 0x302, 0x303};
        bcr_set(&rig, 20, (uint16_t)style);
        cr_assert_eq(csr(&rig, 58), expect[style]);
    }
    csr_set(&rig, 0, 2);
    csr_set(&rig, 76, 1);
    cr_assert_eq(csr(&rig, 76), 0xFFF0, "not while running");
    csr_set(&rig, 0, 4);
    cr_assert_eq(csr(&rig, 0), 4);
    cr_assert_eq(csr(&rig, 124), 0, "STOP closes and clears the test register");
    rig_destroy(&rig);
}

/* ---- Transmit ---------------------------------------------------------------------------------------------
 */

struct combination {
    unsigned style;
    bool dwio, at_once;
};

static const struct combination combinations[] = {
    {0, false, false}, {0, true, true},  {1, false, true}, {2, false, false},
    {2, true, true},   {3, false, true}, {3, true, false},
};

static void rig_for(struct rig *rig, const struct combination *row)
{
    rig_init(rig, true);
    rig->style = row->style;
    rig->at_once = row->at_once;
    if (row->dwio) {
        out(rig, 0x10, 4, 0);
        rig->dwio = true;
    }
}

Test(pcnet, a_frame_goes_out_and_interrupts_in_every_style)
{
    for (unsigned i = 0; i < ARRAY_LEN(combinations); i++) {
        struct rig rig;
        rig_for(&rig, &combinations[i]);
        go(&rig, 0, 0);
        for (unsigned n = 0; n < 3 * RING; n++) {
            unsigned slot = n % RING, size = 60 + 97 * n;
            uint32_t at = TX_BUFFERS + slot * 2048;
            fill(&rig, at, size, stranger);
            put_desc(&rig, TX_RING, slot, OWN | STP | ENP, at, size);
            csr_set(&rig, 0, 0x48);
            cr_assert_eq(rig.sends, n + 1);
            cr_assert_eq(rig.last.size, size);
            cr_assert_eq(memcmp(rig.last.data, rig.bench.memory + at, size), 0);
            if (!rig.at_once) {
                cr_assert(desc_flags(&rig, TX_RING, slot) & OWN);
                cr_assert_not(rig.bench.pin);
                rig.port->sent(rig.port_ctx);
            }
            cr_assert_eq(desc_flags(&rig, TX_RING, slot), STP | ENP);
            cr_assert_eq(desc_message(&rig, TX_RING, slot), 0);
            cr_assert(rig.bench.pin);
            cr_assert_eq(csr(&rig, 0), 0x02F3);
            csr_set(&rig, 0, 0x0240);
            cr_assert_not(rig.bench.pin);
        }
        rig_destroy(&rig);
    }
}

Test(pcnet, chained_buffers_make_one_frame)
{
    for (unsigned i = 0; i < ARRAY_LEN(combinations); i++) {
        struct rig rig;
        rig_for(&rig, &combinations[i]);
        go(&rig, 0, 0);
        fill(&rig, TX_BUFFERS, 300, stranger);
        put_desc(&rig, TX_RING, 1, OWN, TX_BUFFERS + 100, 100);
        put_desc(&rig, TX_RING, 2, OWN | ENP, TX_BUFFERS + 200, 100);
        put_desc(&rig, TX_RING, 0, OWN | STP, TX_BUFFERS, 100);
        csr_set(&rig, 0, 0x48);
        if (!rig.at_once)
            rig.port->sent(rig.port_ctx);
        cr_assert_eq(rig.sends, 1);
        cr_assert_eq(rig.last.size, 300);
        cr_assert_eq(memcmp(rig.last.data, rig.bench.memory + TX_BUFFERS, 300), 0);
        for (unsigned k = 0; k < 3; k++)
            cr_assert_eq(desc_flags(&rig, TX_RING, k) & (OWN | ERR), 0);
        rig_destroy(&rig);
    }
}

Test(pcnet, a_broken_chain_is_a_buffer_error_and_stops_the_transmitter)
{
    for (unsigned graceful = 0; graceful < 2; graceful++) {
        struct rig rig;
        rig_init(&rig, true);
        rig.at_once = true;
        go(&rig, 0, 0);
        csr_set(&rig, 3, graceful ? 0x40 : 0); /* DXSUFLO */
        fill(&rig, TX_BUFFERS, 200, stranger);
        put_desc(&rig, TX_RING, 0, OWN | STP, TX_BUFFERS, 100);
        csr_set(&rig, 0, 0x48);
        cr_assert_eq(rig.sends, 0);
        cr_assert_eq(desc_flags(&rig, TX_RING, 0), ERR | STP);
        cr_assert_eq(desc_message(&rig, TX_RING, 0), 0xC0000000, "BUFF and UFLO");
        cr_assert_eq((csr(&rig, 0) & 0x10) != 0, graceful);
        cr_assert(csr(&rig, 0) & 0x200);
        /* The rest of the chain is skipped, the next frame goes out, if the transmitter is on. */
        put_desc(&rig, TX_RING, 2, OWN | STP | ENP, TX_BUFFERS, 100);
        put_desc(&rig, TX_RING, 1, OWN | ENP, TX_BUFFERS, 100);
        csr_set(&rig, 0, 0x48);
        cr_assert_eq(rig.sends, graceful);
        rig_destroy(&rig);
    }
}

Test(pcnet, babble_padding_and_frame_check_sequence)
{
    static const struct {
        const char *what;
        uint16_t mode, csr4;
        uint32_t flags;
        unsigned size, sent_size; /* 0: nothing on the wire */
        bool babble, guest_fcs;
    } rows[] = {
        {"largest", 0, 0x115, 0, 1514, 1514, false, false},
        {"one more", 0, 0x115, 0, 1515, 1515, true, false},
        {"giant", 0, 0x115, 0, 4000, 4000, true, false},
        {"no padding", 0, 0x115, 0, 20, 20, false, false},
        {"padding", 0, 0x915, 0, 20, 60, false, false},
        {"own FCS, right", 8, 0x115, 0, 104, 100, false, true},
        {"own FCS, wrong", 8, 0x115, 0, 104, 0, false, false},
        {"own FCS, largest", 8, 0x115, 0, 1518, 1514, false, true},
        {"FCS by descriptor", 8, 0x115, 1u << 29, 100, 100, false, false},
        {"padding overrides", 8, 0x915, 0, 100, 100, false, false},
        {"nothing", 0, 0x115, 0, 0, 0, false, false},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct rig rig;
        rig_init(&rig, true);
        rig.at_once = true;
        go(&rig, rows[i].mode, 0);
        csr_set(&rig, 4, rows[i].csr4);
        fill(&rig, TX_BUFFERS, rows[i].size, stranger);
        if (rows[i].guest_fcs) {
            uint32_t fcs = (uint32_t)crc32(0, rig.bench.memory + TX_BUFFERS, rows[i].size - 4);
            bench_put32(&rig.bench, TX_BUFFERS + rows[i].size - 4, fcs);
        }
        put_desc(&rig, TX_RING, 0, OWN | STP | ENP | rows[i].flags, TX_BUFFERS, rows[i].size);
        csr_set(&rig, 0, 0x48);
        bench_run(&rig.bench, 10000000);
        cr_assert_eq(rig.sends, rows[i].sent_size != 0, "%s", rows[i].what);
        if (rows[i].sent_size)
            cr_assert_eq(rig.last.size, rows[i].sent_size, "%s: %u", rows[i].what, rig.last.size);
        cr_assert_eq((csr(&rig, 0) & 0x4000) != 0, rows[i].babble, "%s", rows[i].what);
        cr_assert_eq((csr(&rig, 0) & 0x8000) != 0, rows[i].babble, "%s", rows[i].what);
        cr_assert_eq(desc_flags(&rig, TX_RING, 0) & (OWN | ERR), 0, "%s", rows[i].what);
        rig_destroy(&rig);
    }
}

Test(pcnet, polling_finds_a_frame_without_demand)
{
    struct rig rig;
    rig_init(&rig, true);
    rig.at_once = true;
    go(&rig, 0, 0);
    fill(&rig, TX_BUFFERS, 100, stranger);
    put_desc(&rig, TX_RING, 0, OWN | STP | ENP, TX_BUFFERS, 100);
    bench_run(&rig.bench, 1900000);
    cr_assert_eq(rig.sends, 0);
    bench_run(&rig.bench, 100000); /* 65536 clocks of 33 MHz are 1.966 ms */
    cr_assert_eq(rig.sends, 1);
    csr_set(&rig, 4, 0x1115); /* TXDPOLL */
    put_desc(&rig, TX_RING, 1, OWN | STP | ENP, TX_BUFFERS, 100);
    bench_run(&rig.bench, 4000000);
    cr_assert_eq(rig.sends, 1);
    csr_set(&rig, 4, 0x0115);
    bench_run(&rig.bench, 2000000);
    cr_assert_eq(rig.sends, 2);
    rig_destroy(&rig);
}

Test(pcnet, interrupt_suppression)
{
    struct rig rig;
    rig_init(&rig, true);
    rig.at_once = true;
    go(&rig, 0, 0);
    csr_set(&rig, 5, 0x4000); /* LTINTEN: only descriptors with LTINT interrupt */
    put_desc(&rig, TX_RING, 0, OWN | STP | ENP, TX_BUFFERS, 100);
    csr_set(&rig, 0, 0x48);
    cr_assert_eq(csr(&rig, 0) & 0x200, 0);
    put_desc(&rig, TX_RING, 1, OWN | STP | ENP | 1u << 28, TX_BUFFERS, 100);
    csr_set(&rig, 0, 0x48);
    cr_assert_neq(csr(&rig, 0) & 0x200, 0);
    csr_set(&rig, 0, 0x240);
    csr_set(&rig, 5, 0x8000); /* TOKINTD */
    put_desc(&rig, TX_RING, 2, OWN | STP | ENP, TX_BUFFERS, 100);
    csr_set(&rig, 0, 0x48);
    cr_assert_eq(rig.sends, 3);
    cr_assert_eq(csr(&rig, 0) & 0x200, 0);
    rig_destroy(&rig);
}

Test(pcnet, stop_during_transmission_leaves_memory_alone)
{
    struct rig rig;
    rig_init(&rig, true);
    go(&rig, 0, 0);
    put_desc(&rig, TX_RING, 0, OWN | STP | ENP, TX_BUFFERS, 100);
    csr_set(&rig, 0, 0x48);
    cr_assert_eq(rig.sends, 1);
    csr_set(&rig, 0, 4);
    cr_assert_eq(csr(&rig, 0), 4);
    go(&rig, 0, 0);
    put_desc(&rig, TX_RING, 0, OWN | STP | ENP, TX_BUFFERS, 200);
    csr_set(&rig, 0, 0x48);
    cr_assert_eq(rig.sends, 1, "the back end has not finished the first frame");
    rig.port->sent(rig.port_ctx);
    cr_assert_eq(rig.sends, 2);
    cr_assert_eq(rig.last.size, 200);
    cr_assert(desc_flags(&rig, TX_RING, 0) & OWN);
    rig.port->sent(rig.port_ctx);
    cr_assert_not(desc_flags(&rig, TX_RING, 0) & OWN);
    rig_destroy(&rig);
}

Test(pcnet, no_link_is_loss_of_carrier)
{
    struct rig rig;
    rig_init(&rig, false);
    go(&rig, 0, 0);
    put_desc(&rig, TX_RING, 0, OWN | STP | ENP, TX_BUFFERS, 100);
    csr_set(&rig, 0, 0x48);
    cr_assert(desc_flags(&rig, TX_RING, 0) & OWN);
    bench_run(&rig.bench, 200000);
    cr_assert_eq(desc_flags(&rig, TX_RING, 0), ERR | STP | ENP);
    cr_assert_eq(desc_message(&rig, TX_RING, 0), 0x08000000);
    cr_assert_eq(csr(&rig, 0) & 0xA200, 0xA200, "ERR, CERR, TINT");
    rig_destroy(&rig);
}

/* ---- Receive ----------------------------------------------------------------------------------------------
 */

Test(pcnet, a_frame_arrives_in_every_style)
{
    for (unsigned i = 0; i < ARRAY_LEN(combinations); i++) {
        struct rig rig;
        rig_for(&rig, &combinations[i]);
        go(&rig, 0, 0);
        for (unsigned n = 0; n < 2 * RING; n++) {
            unsigned slot = n % RING, size = 60 + n;
            struct frame frame = frame_to(config.mac, size);
            arrive(&rig, &frame);
            uint32_t at = RX_BUFFERS + slot * BUFFER_SIZE;
            cr_assert_eq(desc_flags(&rig, RX_RING, slot), STP | ENP | (rig.style ? 1u << 22 : 0));
            cr_assert_eq(desc_message(&rig, RX_RING, slot), size + 4);
            cr_assert_eq(memcmp(rig.bench.memory + at, frame.data, size), 0);
            cr_assert_eq(bench_get32(&rig.bench, at + size), crc32(0, frame.data, size));
            cr_assert(rig.bench.pin);
            csr_set(&rig, 0, 0x0440);
            cr_assert_not(rig.bench.pin);
            put_desc(&rig, RX_RING, slot, OWN, at, BUFFER_SIZE);
        }
        rig_destroy(&rig);
    }
}

Test(pcnet, address_filter)
{
    uint32_t hash = ~(uint32_t)crc32(0, group, 6) >> 26;
    const struct {
        const char *what;
        uint16_t mode;
        uint64_t ladrf;
        const uint8_t *to;
        uint32_t match; /* 1 = accepted without a match bit */
    } rows[] = {
        {"own", 0, 0, config.mac, 1u << 22},
        {"own, disabled", 0x2000, 0, config.mac, 0},
        {"stranger", 0, 0, stranger, 0},
        {"stranger, promiscuous", 0x8000, 0, stranger, 1},
        {"broadcast", 0, 0, broadcast, 1u << 20},
        {"broadcast, disabled", 0x4000, 0, broadcast, 0},
        {"broadcast, disabled but in the hash", 0x4000, ~(uint64_t)0, broadcast, 1u << 21},
        {"group", 0, 0, group, 0},
        {"group in hash", 0, (uint64_t)1 << hash, group, 1u << 21},
        {"group, other hash bits", 0, ~((uint64_t)1 << hash), group, 0},
        {"receiver off", 0x0001, 0, config.mac, 0},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct rig rig;
        rig_init(&rig, true);
        go(&rig, rows[i].mode, rows[i].ladrf);
        struct frame frame = frame_to(rows[i].to, 60);
        arrive(&rig, &frame);
        uint32_t flags = desc_flags(&rig, RX_RING, 0);
        cr_assert_eq(!(flags & OWN), rows[i].match != 0, "%s", rows[i].what);
        if (rows[i].match)
            cr_assert_eq(flags & 0x00700000, rows[i].match & ~1u, "%s", rows[i].what);
        cr_assert_eq(csr(&rig, 112), 0);
        rig_destroy(&rig);
    }
}

Test(pcnet, chained_receive_and_errors)
{
    struct rig rig;
    rig_init(&rig, true);
    go(&rig, 0, 0);
    for (unsigned i = 0; i < RING; i++)
        put_desc(&rig, RX_RING, i, OWN, RX_BUFFERS + i * BUFFER_SIZE, 128);
    struct frame frame = frame_to(config.mac, 300);
    arrive(&rig, &frame); /* 304 = 128 + 128 + 48 */
    cr_assert_eq(desc_flags(&rig, RX_RING, 0), STP);
    cr_assert_eq(desc_flags(&rig, RX_RING, 1), 0);
    cr_assert_eq(desc_flags(&rig, RX_RING, 2), ENP | 1u << 22);
    cr_assert_eq(desc_message(&rig, RX_RING, 2), 304);
    cr_assert_eq(memcmp(rig.bench.memory + RX_BUFFERS + 2 * BUFFER_SIZE, frame.data + 256, 44), 0);
    arrive(&rig, &frame); /* only one buffer left: 176 bytes stay in the FIFO */
    cr_assert_eq(desc_flags(&rig, RX_RING, 3), ERR | 1u << 26 | STP, "BUFF");
    arrive(&rig, &frame);
    cr_assert_eq(csr(&rig, 112), 1);
    cr_assert_eq(csr(&rig, 0) & 0x9400, 0x9400, "ERR, MISS, RINT");
    put_desc(&rig, RX_RING, 0, OWN, RX_BUFFERS, 64);
    frame = frame_to(config.mac, 400); /* 340 left over do not fit the FIFO */
    arrive(&rig, &frame);
    cr_assert_eq(desc_flags(&rig, RX_RING, 0), ERR | 1u << 28 | 1u << 26 | STP, "BUFF and OFLO");
    rig_destroy(&rig);
}

Test(pcnet, missed_frames_are_counted_and_overflow)
{
    struct rig rig;
    rig_init(&rig, true);
    go(&rig, 0, 0);
    struct frame frame = frame_to(config.mac, 60);
    for (unsigned i = 0; i < RING; i++)
        put_desc(&rig, RX_RING, i, 0, 0, 0);
    for (unsigned i = 0; i < 0xFFFF; i++)
        arrive(&rig, &frame);
    cr_assert_eq(csr(&rig, 112), 0xFFFF);
    cr_assert_eq(csr(&rig, 4) & 0x200, 0);
    csr_set(&rig, 3, 0x1000); /* MISSM */
    cr_assert_not(rig.bench.pin);
    csr_set(&rig, 4, 0x015); /* MFCOM off */
    arrive(&rig, &frame);
    cr_assert_eq(csr(&rig, 112), 0);
    cr_assert_eq(csr(&rig, 4) & 0x200, 0x200, "MFCO");
    cr_assert(rig.bench.pin);
    csr_set(&rig, 4, 0x215);
    cr_assert_not(rig.bench.pin);
    rig_destroy(&rig);
}

Test(pcnet, pad_stripping_and_alignment)
{
    struct rig rig;
    rig_init(&rig, true);
    go(&rig, 0, 0);
    csr_set(&rig, 4, 0x515); /* ASTRP_RCV */
    struct frame frame = frame_to(config.mac, 60);
    frame.data[12] = 0;
    frame.data[13] = 10;
    arrive(&rig, &frame);
    cr_assert_eq(desc_message(&rig, RX_RING, 0), 24);
    frame.data[13] = 46;
    arrive(&rig, &frame);
    cr_assert_eq(desc_message(&rig, RX_RING, 1), 64);
    csr_set(&rig, 0, 4);
    csr_set(&rig, 122, 1); /* RCVALGN */
    csr_set(&rig, 0, 2);
    arrive(&rig, &frame);
    cr_assert_eq(desc_message(&rig, RX_RING, 2), 64);
    cr_assert_eq(memcmp(rig.bench.memory + RX_BUFFERS + 2 * BUFFER_SIZE + 2, frame.data, 60), 0);
    rig_destroy(&rig);
}

Test(pcnet, a_short_frame_from_the_wire_is_padded)
{
    struct rig rig;
    rig_init(&rig, true);
    go(&rig, 0, 0);
    struct frame frame = frame_to(config.mac, 42);
    arrive(&rig, &frame);
    cr_assert_eq(desc_message(&rig, RX_RING, 0), 64);
    rig_destroy(&rig);
}

Test(pcnet, look_ahead_packet_processing_searches_for_stp)
{
    struct rig rig;
    rig_init(&rig, true);
    go(&rig, 0, 0);
    csr_set(&rig, 3, 0x20);
    put_desc(&rig, RX_RING, 0, OWN, RX_BUFFERS, 128); /* passed over and given back */
    put_desc(&rig, RX_RING, 1, 0, 0, 0);              /* not ours: passed over */
    put_desc(&rig, RX_RING, 2, OWN | STP, RX_BUFFERS + 2 * BUFFER_SIZE, 128);
    struct frame frame = frame_to(config.mac, 60);
    arrive(&rig, &frame);
    cr_assert_eq(desc_flags(&rig, RX_RING, 0), 0);
    cr_assert_eq(desc_flags(&rig, RX_RING, 2), STP | ENP | 1u << 22);
    put_desc(&rig, RX_RING, 2, STP, 0, 0);
    put_desc(&rig, RX_RING, 3, 0, 0, 0);
    arrive(&rig, &frame);
    cr_assert_eq(csr(&rig, 112), 1, "the next STP belongs to the host");
    rig_destroy(&rig);
}

/* ---- Loopback, suspend, the rest -------------------------------------------------------------------------
 */

Test(pcnet, loopback)
{
    static const struct {
        const char *what;
        uint16_t mode;
        unsigned size;
        bool on_wire, crc_error, retry_error;
    } rows[] = {
        {"internal", 0x44, 100, false, false, false},
        {"internal runt", 0x44, 20, false, false, false},
        {"internal, wrong FCS", 0x4C, 100, false, true, false},
        {"internal, collisions forced", 0x54, 100, false, false, true},
        {"external", 0x04, 100, true, false, false},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct rig rig;
        rig_init(&rig, true);
        rig.at_once = true;
        go(&rig, rows[i].mode, 0);
        fill(&rig, TX_BUFFERS, rows[i].size, config.mac);
        put_desc(&rig, TX_RING, 0, OWN | STP | ENP, TX_BUFFERS, rows[i].size);
        struct frame other = frame_to(config.mac, 60);
        if (!rows[i].on_wire)
            arrive(&rig, &other); /* deaf to the wire */
        csr_set(&rig, 0, 0x48);
        bench_run(&rig.bench, 1000000);
        cr_assert_eq(rig.sends, rows[i].on_wire, "%s", rows[i].what);
        uint32_t flags = desc_flags(&rig, RX_RING, 0);
        if (rows[i].retry_error) {
            cr_assert_eq(flags, OWN, "%s", rows[i].what);
            cr_assert_eq(desc_message(&rig, TX_RING, 0), 0x0400000F);
        } else {
            uint32_t expect = STP | ENP | 1u << 22 | (rows[i].crc_error ? ERR | 1u << 27 : 0);
            cr_assert_eq(flags, expect, "%s: %x", rows[i].what, flags);
            unsigned size = rows[i].size + (rows[i].crc_error ? 0 : 4);
            cr_assert_eq(desc_message(&rig, RX_RING, 0), size, "%s", rows[i].what);
            cr_assert_eq(memcmp(rig.bench.memory + RX_BUFFERS, rig.bench.memory + TX_BUFFERS, size - 4), 0);
        }
        cr_assert_eq(csr(&rig, 0) & 0x200, 0x200);
        rig_destroy(&rig);
    }
}

Test(pcnet, suspend_waits_for_the_frame_in_flight)
{
    struct rig rig;
    rig_init(&rig, true);
    go(&rig, 0, 0);
    put_desc(&rig, TX_RING, 0, OWN | STP | ENP, TX_BUFFERS, 100);
    put_desc(&rig, TX_RING, 1, OWN | STP | ENP, TX_BUFFERS, 100);
    csr_set(&rig, 0, 0x48);
    csr_set(&rig, 5, 1);
    cr_assert_eq(csr(&rig, 5) & 1, 0);
    rig.port->sent(rig.port_ctx);
    cr_assert_eq(csr(&rig, 5) & 1, 1);
    cr_assert_eq(rig.sends, 1, "the second frame waits");
    struct frame frame = frame_to(config.mac, 60);
    arrive(&rig, &frame);
    cr_assert(desc_flags(&rig, RX_RING, 0) & OWN);
    csr_set(&rig, 15, 0x8000);
    cr_assert_eq(csr(&rig, 15), 0x8000, "set-up may change while suspended");
    csr_set(&rig, 5, 0);
    cr_assert_eq(rig.sends, 2);
    arrive(&rig, &frame);
    cr_assert_not(desc_flags(&rig, RX_RING, 0) & OWN);
    rig_destroy(&rig);
}

Test(pcnet, magic_packet_interrupts_and_is_not_stored)
{
    struct rig rig;
    rig_init(&rig, true);
    go(&rig, 0, 0);
    csr_set(&rig, 5, 0x0E); /* MPINTE, MPEN, MPMODE */
    struct frame frame = frame_to(config.mac, 200);
    arrive(&rig, &frame);
    cr_assert_eq(csr(&rig, 5) & 0x10, 0);
    memset(frame.data + 31, 0xFF, 6);
    for (unsigned i = 0; i < 16; i++)
        memcpy(frame.data + 37 + 6 * i, config.mac, 6);
    arrive(&rig, &frame);
    cr_assert_eq(csr(&rig, 5) & 0x10, 0x10);
    cr_assert(rig.bench.pin);
    cr_assert(desc_flags(&rig, RX_RING, 0) & OWN);
    csr_set(&rig, 5, 0x10);
    cr_assert_not(rig.bench.pin);
    rig_destroy(&rig);
}

Test(pcnet, without_bus_mastering_there_is_a_memory_error)
{
    struct rig rig;
    rig_init(&rig, true);
    pci_config_write(&rig.bench.pci, 3, 0, 4, 2, 3);
    csr_set(&rig, 0, 1);
    cr_assert_eq(csr(&rig, 0) & 0x8900, 0x8800, "ERR, MERR, no IDON");
    rig_destroy(&rig);
}

Test(pcnet, user_interrupt)
{
    struct rig rig;
    rig_init(&rig, true);
    csr_set(&rig, 0, 0x40);
    csr_set(&rig, 4, 0x195); /* UINTCMD */
    cr_assert(rig.bench.pin);
    cr_assert_eq(csr(&rig, 4), 0x155);
    csr_set(&rig, 4, 0x155);
    cr_assert_not(rig.bench.pin);
    rig_destroy(&rig);
}

/* The five RDP and seven RAP accesses of papers.md 1.8, as the driver of that time makes them. */
Test(pcnet, twelve_accesses_send_one_packet)
{
    struct rig rig;
    rig_init(&rig, true);
    go(&rig, 0, 0);
    put_desc(&rig, TX_RING, 0, OWN | STP | ENP, TX_BUFFERS, 100);
    csr_set(&rig, 0, 0x0048);
    rig.port->sent(rig.port_ctx);
    cr_assert(rig.bench.pin);
    cr_assert_eq(in(&rig, PCNET_WIO_RAP, 2), 0);
    uint16_t status = csr(&rig, 0);
    cr_assert_eq(status & 0x0200, 0x0200);
    csr_set(&rig, 0, status & (uint16_t)~0x004F);
    cr_assert_not(rig.bench.pin);
    cr_assert_eq(csr(&rig, 0) & 0x8600, 0);
    csr_set(&rig, 0, 0x7940);
    set_rap(&rig, 0);
    cr_assert_eq(csr(&rig, 0), 0x0073);
    cr_assert_eq(rig.bench.edges, 1);
    rig_destroy(&rig);
}

Test(pcnet, state_round_trip)
{
    struct rig a, b;
    rig_init(&a, false);
    rig_init(&b, false);
    go(&a, 0x44, 0);
    fill(&a, TX_BUFFERS, 100, config.mac);
    put_desc(&a, TX_RING, 0, OWN | STP | ENP, TX_BUFFERS, 100);
    csr_set(&a, 0, 0x48);
    memcpy(b.bench.memory, a.bench.memory, BENCH_MEMORY);
    memcpy(device_state(b.nic), device_state(a.nic), a.nic->cls->state_size);
    b.nic->cls->loaded(b.nic);
    bench_run(&a.bench, 1000000);
    bench_run(&b.bench, 1000000);
    cr_assert_eq(memcmp(a.bench.memory, b.bench.memory, BENCH_MEMORY), 0);
    cr_assert_eq(memcmp(device_state(a.nic), device_state(b.nic), a.nic->cls->state_size), 0);
    cr_assert_not(desc_flags(&b, RX_RING, 0) & OWN);
    rig_destroy(&a);
    rig_destroy(&b);
}

/* Random registers, rings anywhere, random frames: survived, bounded, and the same twice. */
static uint32_t fuzz(uint64_t seed, unsigned steps)
{
    struct rig rig;
    rig_init(&rig, true);
    for (unsigned i = 0; i < BENCH_MEMORY; i += 8) {
        uint64_t value = bench_random(&seed);
        memcpy(rig.bench.memory + i, &value, 8);
    }
    uint32_t digest = 0;
    for (unsigned i = 0; i < steps; i++) {
        uint64_t r = bench_random(&seed);
        unsigned size = 1u << (r & 3) % 3;
        rig.at_once = (r >> 4 & 3) != 0;
        switch (r >> 8 & 7) {
        case 0: digest = digest * 31 + in(&rig, r >> 16 & 31, size); break;
        case 1: out(&rig, r >> 16 & 31, size, (uint32_t)(r >> 32)); break;
        case 2: csr_set(&rig, r >> 16 & 127, (uint16_t)(r >> 32)); break;
        case 3: bcr_set(&rig, r >> 16 & 31, (uint16_t)(r >> 32)); break;
        case 4: csr_set(&rig, 0, r >> 16 & 0x4B); break;
        case 5: rig.port->sent(rig.port_ctx); break;
        case 6: {
            struct frame frame = frame_to(r >> 16 & 1 ? config.mac : broadcast, 60 + (r >> 20) % 4000);
            arrive(&rig, &frame);
            break;
        }
        default: bench_run(&rig.bench, r >> 16 & 0xFFFFF); break;
        }
        rig.dwio = bcr(&rig, 18) & 0x80;
        rig.dwio = rig.dwio && bcr(&rig, 18) != 0xFFFF;
    }
    digest = (uint32_t)crc32(digest, rig.bench.memory, BENCH_MEMORY);
    rig_destroy(&rig);
    return digest;
}

Test(pcnet, random_accesses_are_survived_and_deterministic)
{
    for (uint64_t seed = 1; seed < 20; seed++)
        cr_assert_eq(fuzz(seed, 2000), fuzz(seed, 2000), "seed %u", (unsigned)seed);
}
