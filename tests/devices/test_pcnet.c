/* Am79C970A: registers driven on a stopped clock, rings in an array, a back end that keeps what it gets.
 * The first rows follow Linux's pcnet32 probe and open. */
#include "pcnet_rig.h"

#include <criterion/criterion.h>
#include <string.h>
#include <zlib.h>

/* ---- Registers ---- */

Test(pcnet, probe_in_word_mode)
{
    struct nic_rig rig;
    nic_init(&rig, true);
    cr_assert_eq(pci_config_read(&rig.bench.pci, 3, 0, 0, 4), 0x20001022);
    cr_assert_eq(pci_config_read(&rig.bench.pci, 3, 0, 8, 4), 0x02000016);
    nic_in(&rig, PCNET_WIO_RESET, 2);
    cr_assert_eq(nic_csr(&rig, 0), 4);
    nic_set_rap(&rig, 88);
    cr_assert_eq(nic_in(&rig, PCNET_WIO_RAP, 2), 88);
    cr_assert_eq(nic_csr(&rig, 88) | (uint32_t)nic_csr(&rig, 89) << 16, 0x02621003);
    unsigned sum = 0;
    for (unsigned i = 0; i < 16; i++)
        sum += i == 12 || i == 13 ? 0 : nic_in(&rig, i, 1);
    for (unsigned i = 0; i < 6; i++)
        cr_assert_eq(nic_in(&rig, i, 1), nic_config.mac[i]);
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(nic_csr(&rig, 12 + i), nic_config.mac[2 * i] | nic_config.mac[2 * i + 1] << 8);
    cr_assert_eq(nic_in(&rig, 14, 2), 0x5757);
    cr_assert_eq(nic_in(&rig, 12, 2), sum);
    cr_assert_eq(nic_bcr(&rig, 4), 0x80C0, "link is up");
    cr_assert_eq(nic_bcr(&rig, 33), 0xFFFF, "no MII");
    nic_destroy(&rig);
}

Test(pcnet, word_access_becomes_double_word_access)
{
    struct nic_rig rig;
    nic_init(&rig, false);
    cr_assert_eq(nic_in(&rig, 0x10, 4), 0xFFFFFFFF, "no double words in word mode");
    cr_assert_eq(nic_bcr(&rig, 4), 0x00C0, "link is down");
    nic_set_rap(&rig, 0);
    nic_out(&rig, 0x10, 4, 0);
    rig.dwio = true;
    cr_assert_eq(nic_csr(&rig, 0), 4);
    cr_assert_eq(nic_bcr(&rig, 18) & 0x80, 0x80);
    nic_set_rap(&rig, 88);
    cr_assert_eq(nic_in(&rig, 0x14, 4), 88);
    cr_assert_eq(nic_in(&rig, 0x14, 2), 0xFFFF, "no words in double word mode");
    nic_in(&rig, 0x18, 4);
    cr_assert_eq(nic_bcr(&rig, 18) & 0x80, 0x80, "S_RESET keeps the mode");
    cr_assert_eq(io_read(&rig.bench.space, 0xE0000010, 4), 0, "RAP is BCR18 and that is no CSR");
    rig.nic->cls->reset(rig.nic);
    pci_config_write(&rig.bench.pci, 3, 0, 0x10, 4, IO_BASE);
    pci_config_write(&rig.bench.pci, 3, 0, 4, 2, 7);
    rig.dwio = false;
    cr_assert_eq(nic_csr(&rig, 0), 4, "H_RESET goes back to words");
    nic_destroy(&rig);
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
    struct nic_rig rig;
    nic_init(&rig, false);
    for (unsigned i = 0; i < ARRAY_LEN(csrs); i++)
        cr_assert_eq(nic_csr(&rig, csrs[i].number), csrs[i].value, "CSR%u", csrs[i].number);
    for (unsigned i = 0; i < ARRAY_LEN(bcrs); i++)
        cr_assert_eq(nic_bcr(&rig, bcrs[i].number), bcrs[i].value, "BCR%u", bcrs[i].number);
    nic_csr_set(&rig, 76, 0xFFF0);
    cr_assert_eq(nic_csr(&rig, 76), 0xFFF0);
    nic_csr_set(&rig, 16, 0x1234);
    cr_assert_eq(nic_csr(&rig, 1), 0x1234, "CSR16 is CSR1");
    nic_csr_set(&rig, 124, 8);
    cr_assert_eq(nic_csr(&rig, 124), 0, "closed without EN124");
    nic_csr_set(&rig, 4, 0x8115);
    nic_csr_set(&rig, 124, 8);
    cr_assert_eq(nic_csr(&rig, 124), 8);
    for (unsigned style = 0; style < 4; style++) {
        static const uint16_t expect[] = {0x200, 0x101, 0x302, 0x303};
        nic_bcr_set(&rig, 20, (uint16_t)style);
        cr_assert_eq(nic_csr(&rig, 58), expect[style]);
    }
    nic_csr_set(&rig, 0, 2);
    nic_csr_set(&rig, 76, 1);
    cr_assert_eq(nic_csr(&rig, 76), 0xFFF0, "not while running");
    nic_csr_set(&rig, 0, 4);
    cr_assert_eq(nic_csr(&rig, 0), 4);
    cr_assert_eq(nic_csr(&rig, 124), 0, "STOP closes and clears the test register");
    nic_destroy(&rig);
}

/* ---- Transmit ---- */

Test(pcnet, a_frame_goes_out_and_interrupts_in_every_style)
{
    for (unsigned i = 0; i < COMBINATIONS; i++) {
        struct nic_rig rig;
        nic_for(&rig, &combinations[i]);
        nic_go(&rig, 0, 0);
        for (unsigned n = 0; n < 3 * RING; n++) {
            unsigned slot = n % RING, size = 60 + 97 * n;
            uint32_t at = TX_BUFFERS + slot * 2048;
            nic_fill(&rig, at, size, stranger);
            nic_put_desc(&rig, TX_RING, slot, OWN | STP | ENP, at, size);
            nic_csr_set(&rig, 0, 0x48);
            cr_assert_eq(rig.sends, n + 1);
            cr_assert_eq(rig.last.size, size);
            cr_assert_eq(memcmp(rig.last.data, rig.bench.memory + at, size), 0);
            if (!rig.at_once) {
                cr_assert(nic_desc_flags(&rig, TX_RING, slot) & OWN);
                cr_assert_not(rig.bench.pin);
                rig.port->sent(rig.port_ctx);
            }
            cr_assert_eq(nic_desc_flags(&rig, TX_RING, slot), STP | ENP);
            cr_assert_eq(nic_desc_message(&rig, TX_RING, slot), 0);
            cr_assert(rig.bench.pin);
            cr_assert_eq(nic_csr(&rig, 0), 0x02F3);
            nic_csr_set(&rig, 0, 0x0240);
            cr_assert_not(rig.bench.pin);
        }
        nic_destroy(&rig);
    }
}

Test(pcnet, chained_buffers_make_one_frame)
{
    for (unsigned i = 0; i < COMBINATIONS; i++) {
        struct nic_rig rig;
        nic_for(&rig, &combinations[i]);
        nic_go(&rig, 0, 0);
        nic_fill(&rig, TX_BUFFERS, 300, stranger);
        nic_put_desc(&rig, TX_RING, 1, OWN, TX_BUFFERS + 100, 100);
        nic_put_desc(&rig, TX_RING, 2, OWN | ENP, TX_BUFFERS + 200, 100);
        nic_put_desc(&rig, TX_RING, 0, OWN | STP, TX_BUFFERS, 100);
        nic_csr_set(&rig, 0, 0x48);
        if (!rig.at_once)
            rig.port->sent(rig.port_ctx);
        cr_assert_eq(rig.sends, 1);
        cr_assert_eq(rig.last.size, 300);
        cr_assert_eq(memcmp(rig.last.data, rig.bench.memory + TX_BUFFERS, 300), 0);
        for (unsigned k = 0; k < 3; k++)
            cr_assert_eq(nic_desc_flags(&rig, TX_RING, k) & (OWN | ERR), 0);
        nic_destroy(&rig);
    }
}

Test(pcnet, a_broken_chain_is_a_buffer_error_and_stops_the_transmitter)
{
    for (unsigned graceful = 0; graceful < 2; graceful++) {
        struct nic_rig rig;
        nic_init(&rig, true);
        rig.at_once = true;
        nic_go(&rig, 0, 0);
        nic_csr_set(&rig, 3, graceful ? 0x40 : 0); /* DXSUFLO */
        nic_fill(&rig, TX_BUFFERS, 200, stranger);
        nic_put_desc(&rig, TX_RING, 0, OWN | STP, TX_BUFFERS, 100);
        nic_csr_set(&rig, 0, 0x48);
        cr_assert_eq(rig.sends, 0);
        cr_assert_eq(nic_desc_flags(&rig, TX_RING, 0), ERR | STP);
        cr_assert_eq(nic_desc_message(&rig, TX_RING, 0), 0xC0000000, "BUFF and UFLO");
        cr_assert_eq((nic_csr(&rig, 0) & 0x10) != 0, graceful);
        cr_assert(nic_csr(&rig, 0) & 0x200);
        /* The rest of the chain is skipped, the next frame goes out, if the transmitter is on. */
        nic_put_desc(&rig, TX_RING, 2, OWN | STP | ENP, TX_BUFFERS, 100);
        nic_put_desc(&rig, TX_RING, 1, OWN | ENP, TX_BUFFERS, 100);
        nic_csr_set(&rig, 0, 0x48);
        cr_assert_eq(rig.sends, graceful);
        nic_destroy(&rig);
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
        struct nic_rig rig;
        nic_init(&rig, true);
        rig.at_once = true;
        nic_go(&rig, rows[i].mode, 0);
        nic_csr_set(&rig, 4, rows[i].csr4);
        nic_fill(&rig, TX_BUFFERS, rows[i].size, stranger);
        if (rows[i].guest_fcs) {
            uint32_t fcs = (uint32_t)crc32(0, rig.bench.memory + TX_BUFFERS, rows[i].size - 4);
            bench_put32(&rig.bench, TX_BUFFERS + rows[i].size - 4, fcs);
        }
        nic_put_desc(&rig, TX_RING, 0, OWN | STP | ENP | rows[i].flags, TX_BUFFERS, rows[i].size);
        nic_csr_set(&rig, 0, 0x48);
        bench_run(&rig.bench, 10000000);
        cr_assert_eq(rig.sends, rows[i].sent_size != 0, "%s", rows[i].what);
        if (rows[i].sent_size)
            cr_assert_eq(rig.last.size, rows[i].sent_size, "%s: %u", rows[i].what, rig.last.size);
        cr_assert_eq((nic_csr(&rig, 0) & 0x4000) != 0, rows[i].babble, "%s", rows[i].what);
        cr_assert_eq((nic_csr(&rig, 0) & 0x8000) != 0, rows[i].babble, "%s", rows[i].what);
        cr_assert_eq(nic_desc_flags(&rig, TX_RING, 0) & (OWN | ERR), 0, "%s", rows[i].what);
        nic_destroy(&rig);
    }
}

Test(pcnet, polling_finds_a_frame_without_demand)
{
    struct nic_rig rig;
    nic_init(&rig, true);
    rig.at_once = true;
    nic_go(&rig, 0, 0);
    nic_fill(&rig, TX_BUFFERS, 100, stranger);
    nic_put_desc(&rig, TX_RING, 0, OWN | STP | ENP, TX_BUFFERS, 100);
    bench_run(&rig.bench, 1900000);
    cr_assert_eq(rig.sends, 0);
    bench_run(&rig.bench, 100000); /* 65536 clocks of 33 MHz are 1.966 ms */
    cr_assert_eq(rig.sends, 1);
    nic_csr_set(&rig, 4, 0x1115); /* TXDPOLL */
    nic_put_desc(&rig, TX_RING, 1, OWN | STP | ENP, TX_BUFFERS, 100);
    bench_run(&rig.bench, 4000000);
    cr_assert_eq(rig.sends, 1);
    nic_csr_set(&rig, 4, 0x0115);
    bench_run(&rig.bench, 2000000);
    cr_assert_eq(rig.sends, 2);
    nic_destroy(&rig);
}

Test(pcnet, interrupt_suppression)
{
    struct nic_rig rig;
    nic_init(&rig, true);
    rig.at_once = true;
    nic_go(&rig, 0, 0);
    nic_csr_set(&rig, 5, 0x4000); /* LTINTEN: only descriptors with LTINT interrupt */
    nic_put_desc(&rig, TX_RING, 0, OWN | STP | ENP, TX_BUFFERS, 100);
    nic_csr_set(&rig, 0, 0x48);
    cr_assert_eq(nic_csr(&rig, 0) & 0x200, 0);
    nic_put_desc(&rig, TX_RING, 1, OWN | STP | ENP | 1u << 28, TX_BUFFERS, 100);
    nic_csr_set(&rig, 0, 0x48);
    cr_assert_neq(nic_csr(&rig, 0) & 0x200, 0);
    nic_csr_set(&rig, 0, 0x240);
    nic_csr_set(&rig, 5, 0x8000); /* TOKINTD */
    nic_put_desc(&rig, TX_RING, 2, OWN | STP | ENP, TX_BUFFERS, 100);
    nic_csr_set(&rig, 0, 0x48);
    cr_assert_eq(rig.sends, 3);
    cr_assert_eq(nic_csr(&rig, 0) & 0x200, 0);
    nic_destroy(&rig);
}

Test(pcnet, stop_during_transmission_leaves_memory_alone)
{
    struct nic_rig rig;
    nic_init(&rig, true);
    nic_go(&rig, 0, 0);
    nic_put_desc(&rig, TX_RING, 0, OWN | STP | ENP, TX_BUFFERS, 100);
    nic_csr_set(&rig, 0, 0x48);
    cr_assert_eq(rig.sends, 1);
    nic_csr_set(&rig, 0, 4);
    cr_assert_eq(nic_csr(&rig, 0), 4);
    nic_go(&rig, 0, 0);
    nic_put_desc(&rig, TX_RING, 0, OWN | STP | ENP, TX_BUFFERS, 200);
    nic_csr_set(&rig, 0, 0x48);
    cr_assert_eq(rig.sends, 1, "the back end has not finished the first frame");
    rig.port->sent(rig.port_ctx);
    cr_assert_eq(rig.sends, 2);
    cr_assert_eq(rig.last.size, 200);
    cr_assert(nic_desc_flags(&rig, TX_RING, 0) & OWN);
    rig.port->sent(rig.port_ctx);
    cr_assert_not(nic_desc_flags(&rig, TX_RING, 0) & OWN);
    nic_destroy(&rig);
}

Test(pcnet, no_link_is_loss_of_carrier)
{
    struct nic_rig rig;
    nic_init(&rig, false);
    nic_go(&rig, 0, 0);
    nic_put_desc(&rig, TX_RING, 0, OWN | STP | ENP, TX_BUFFERS, 100);
    nic_csr_set(&rig, 0, 0x48);
    cr_assert(nic_desc_flags(&rig, TX_RING, 0) & OWN);
    bench_run(&rig.bench, 200000);
    cr_assert_eq(nic_desc_flags(&rig, TX_RING, 0), ERR | STP | ENP);
    cr_assert_eq(nic_desc_message(&rig, TX_RING, 0), 0x08000000);
    cr_assert_eq(nic_csr(&rig, 0) & 0xA200, 0xA200, "ERR, CERR, TINT");
    nic_destroy(&rig);
}

/* ---- Loopback, suspend, the rest ---- */

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
        struct nic_rig rig;
        nic_init(&rig, true);
        rig.at_once = true;
        nic_go(&rig, rows[i].mode, 0);
        nic_fill(&rig, TX_BUFFERS, rows[i].size, nic_config.mac);
        nic_put_desc(&rig, TX_RING, 0, OWN | STP | ENP, TX_BUFFERS, rows[i].size);
        struct frame other = nic_frame_to(nic_config.mac, 60);
        if (!rows[i].on_wire)
            nic_arrive(&rig, &other); /* deaf to the wire */
        nic_csr_set(&rig, 0, 0x48);
        bench_run(&rig.bench, 1000000);
        cr_assert_eq(rig.sends, rows[i].on_wire, "%s", rows[i].what);
        uint32_t flags = nic_desc_flags(&rig, RX_RING, 0);
        if (rows[i].retry_error) {
            cr_assert_eq(flags, OWN, "%s", rows[i].what);
            cr_assert_eq(nic_desc_message(&rig, TX_RING, 0), 0x0400000F);
        } else {
            uint32_t expect = STP | ENP | 1u << 22 | (rows[i].crc_error ? ERR | 1u << 27 : 0);
            cr_assert_eq(flags, expect, "%s: %x", rows[i].what, flags);
            unsigned size = rows[i].size + (rows[i].crc_error ? 0 : 4);
            cr_assert_eq(nic_desc_message(&rig, RX_RING, 0), size, "%s", rows[i].what);
            cr_assert_eq(memcmp(rig.bench.memory + RX_BUFFERS, rig.bench.memory + TX_BUFFERS, size - 4), 0);
        }
        cr_assert_eq(nic_csr(&rig, 0) & 0x200, 0x200);
        nic_destroy(&rig);
    }
}

Test(pcnet, suspend_waits_for_the_frame_in_flight)
{
    struct nic_rig rig;
    nic_init(&rig, true);
    nic_go(&rig, 0, 0);
    nic_put_desc(&rig, TX_RING, 0, OWN | STP | ENP, TX_BUFFERS, 100);
    nic_put_desc(&rig, TX_RING, 1, OWN | STP | ENP, TX_BUFFERS, 100);
    nic_csr_set(&rig, 0, 0x48);
    nic_csr_set(&rig, 5, 1);
    cr_assert_eq(nic_csr(&rig, 5) & 1, 0);
    rig.port->sent(rig.port_ctx);
    cr_assert_eq(nic_csr(&rig, 5) & 1, 1);
    cr_assert_eq(rig.sends, 1, "the second frame waits");
    struct frame frame = nic_frame_to(nic_config.mac, 60);
    nic_arrive(&rig, &frame);
    cr_assert(nic_desc_flags(&rig, RX_RING, 0) & OWN);
    nic_csr_set(&rig, 15, 0x8000);
    cr_assert_eq(nic_csr(&rig, 15), 0x8000, "set-up may change while suspended");
    nic_csr_set(&rig, 5, 0);
    cr_assert_eq(rig.sends, 2);
    nic_arrive(&rig, &frame);
    cr_assert_not(nic_desc_flags(&rig, RX_RING, 0) & OWN);
    nic_destroy(&rig);
}

Test(pcnet, magic_packet_interrupts_and_is_not_stored)
{
    struct nic_rig rig;
    nic_init(&rig, true);
    nic_go(&rig, 0, 0);
    nic_csr_set(&rig, 5, 0x0E); /* MPINTE, MPEN, MPMODE */
    struct frame frame = nic_frame_to(nic_config.mac, 200);
    nic_arrive(&rig, &frame);
    cr_assert_eq(nic_csr(&rig, 5) & 0x10, 0);
    memset(frame.data + 31, 0xFF, 6);
    for (unsigned i = 0; i < 16; i++)
        memcpy(frame.data + 37 + 6 * i, nic_config.mac, 6);
    nic_arrive(&rig, &frame);
    cr_assert_eq(nic_csr(&rig, 5) & 0x10, 0x10);
    cr_assert(rig.bench.pin);
    cr_assert(nic_desc_flags(&rig, RX_RING, 0) & OWN);
    nic_csr_set(&rig, 5, 0x10);
    cr_assert_not(rig.bench.pin);
    nic_destroy(&rig);
}

Test(pcnet, without_bus_mastering_there_is_a_memory_error)
{
    struct nic_rig rig;
    nic_init(&rig, true);
    pci_config_write(&rig.bench.pci, 3, 0, 4, 2, 3);
    nic_csr_set(&rig, 0, 1);
    cr_assert_eq(nic_csr(&rig, 0) & 0x8900, 0x8800, "ERR, MERR, no IDON");
    nic_destroy(&rig);
}

Test(pcnet, user_interrupt)
{
    struct nic_rig rig;
    nic_init(&rig, true);
    nic_csr_set(&rig, 0, 0x40);
    nic_csr_set(&rig, 4, 0x195); /* UINTCMD */
    cr_assert(rig.bench.pin);
    cr_assert_eq(nic_csr(&rig, 4), 0x155);
    nic_csr_set(&rig, 4, 0x155);
    cr_assert_not(rig.bench.pin);
    nic_destroy(&rig);
}

/* The five RDP and seven RAP accesses of Sugerman 2001, section 3, as the driver of that time makes them. */
Test(pcnet, twelve_accesses_send_one_packet)
{
    struct nic_rig rig;
    nic_init(&rig, true);
    nic_go(&rig, 0, 0);
    nic_put_desc(&rig, TX_RING, 0, OWN | STP | ENP, TX_BUFFERS, 100);
    nic_csr_set(&rig, 0, 0x0048);
    rig.port->sent(rig.port_ctx);
    cr_assert(rig.bench.pin);
    cr_assert_eq(nic_in(&rig, PCNET_WIO_RAP, 2), 0);
    uint16_t status = nic_csr(&rig, 0);
    cr_assert_eq(status & 0x0200, 0x0200);
    nic_csr_set(&rig, 0, status & (uint16_t)~0x004F);
    cr_assert_not(rig.bench.pin);
    cr_assert_eq(nic_csr(&rig, 0) & 0x8600, 0);
    nic_csr_set(&rig, 0, 0x7940);
    nic_set_rap(&rig, 0);
    cr_assert_eq(nic_csr(&rig, 0), 0x0073);
    cr_assert_eq(rig.bench.edges, 1);
    nic_destroy(&rig);
}

Test(pcnet, state_round_trip)
{
    struct nic_rig a, b;
    nic_init(&a, false);
    nic_init(&b, false);
    nic_go(&a, 0x44, 0);
    nic_fill(&a, TX_BUFFERS, 100, nic_config.mac);
    nic_put_desc(&a, TX_RING, 0, OWN | STP | ENP, TX_BUFFERS, 100);
    nic_csr_set(&a, 0, 0x48);
    memcpy(b.bench.memory, a.bench.memory, BENCH_MEMORY);
    memcpy(device_state(b.nic), device_state(a.nic), a.nic->cls->state_size);
    b.nic->cls->loaded(b.nic);
    bench_run(&a.bench, 1000000);
    bench_run(&b.bench, 1000000);
    cr_assert_eq(memcmp(a.bench.memory, b.bench.memory, BENCH_MEMORY), 0);
    cr_assert_eq(memcmp(device_state(a.nic), device_state(b.nic), a.nic->cls->state_size), 0);
    cr_assert_not(nic_desc_flags(&b, RX_RING, 0) & OWN);
    nic_destroy(&a);
    nic_destroy(&b);
}

/* Random registers, rings anywhere, random frames: survived, bounded, and the same twice. */
static uint32_t fuzz(uint64_t seed, unsigned steps)
{
    struct nic_rig rig;
    nic_init(&rig, true);
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
        case 0: digest = digest * 31 + nic_in(&rig, r >> 16 & 31, size); break;
        case 1: nic_out(&rig, r >> 16 & 31, size, (uint32_t)(r >> 32)); break;
        case 2: nic_csr_set(&rig, r >> 16 & 127, (uint16_t)(r >> 32)); break;
        case 3: nic_bcr_set(&rig, r >> 16 & 31, (uint16_t)(r >> 32)); break;
        case 4: nic_csr_set(&rig, 0, r >> 16 & 0x4B); break;
        case 5: rig.port->sent(rig.port_ctx); break;
        case 6: {
            struct frame frame =
                nic_frame_to(r >> 16 & 1 ? nic_config.mac : broadcast, 60 + (r >> 20) % 4000);
            nic_arrive(&rig, &frame);
            break;
        }
        default: bench_run(&rig.bench, r >> 16 & 0xFFFFF); break;
        }
        rig.dwio = nic_bcr(&rig, 18) & 0x80;
        rig.dwio = rig.dwio && nic_bcr(&rig, 18) != 0xFFFF;
    }
    digest = (uint32_t)crc32(digest, rig.bench.memory, BENCH_MEMORY);
    nic_destroy(&rig);
    return digest;
}

Test(pcnet, random_accesses_are_survived_and_deterministic)
{
    for (uint64_t seed = 1; seed < 20; seed++)
        cr_assert_eq(fuzz(seed, 2000), fuzz(seed, 2000), "seed %u", (unsigned)seed);
}
