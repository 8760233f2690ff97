/* Am79C970A receiver: descriptors in every style, address filter, chaining, errors, stripping, look-ahead. */
#include "pcnet_rig.h"

#include <criterion/criterion.h>
#include <string.h>
#include <zlib.h>

/* ---- Receive ---- */

Test(pcnet_rx, a_frame_arrives_in_every_style)
{
    for (unsigned i = 0; i < COMBINATIONS; i++) {
        struct nic_rig rig;
        nic_for(&rig, &combinations[i]);
        nic_go(&rig, 0, 0);
        for (unsigned n = 0; n < 2 * RING; n++) {
            unsigned slot = n % RING, size = 60 + n;
            struct frame frame = nic_frame_to(nic_config.mac, size);
            nic_arrive(&rig, &frame);
            uint32_t at = RX_BUFFERS + slot * BUFFER_SIZE;
            cr_assert_eq(nic_desc_flags(&rig, RX_RING, slot), STP | ENP | (rig.style ? 1u << 22 : 0));
            cr_assert_eq(nic_desc_message(&rig, RX_RING, slot), size + 4);
            cr_assert_eq(memcmp(rig.bench.memory + at, frame.data, size), 0);
            cr_assert_eq(bench_get32(&rig.bench, at + size), crc32(0, frame.data, size));
            cr_assert(rig.bench.pin);
            nic_csr_set(&rig, 0, 0x0440);
            cr_assert_not(rig.bench.pin);
            nic_put_desc(&rig, RX_RING, slot, OWN, at, BUFFER_SIZE);
        }
        nic_destroy(&rig);
    }
}

Test(pcnet_rx, address_filter)
{
    uint32_t hash = ~(uint32_t)crc32(0, group, 6) >> 26;
    const struct {
        const char *what;
        uint16_t mode;
        uint64_t ladrf;
        const uint8_t *to;
        uint32_t match; /* 1 = accepted without a match bit */
    } rows[] = {
        {"own", 0, 0, nic_config.mac, 1u << 22},
        {"own, disabled", 0x2000, 0, nic_config.mac, 0},
        {"stranger", 0, 0, stranger, 0},
        {"stranger, promiscuous", 0x8000, 0, stranger, 1},
        {"broadcast", 0, 0, broadcast, 1u << 20},
        {"broadcast, disabled", 0x4000, 0, broadcast, 0},
        {"broadcast, disabled but in the hash", 0x4000, ~(uint64_t)0, broadcast, 1u << 21},
        {"group", 0, 0, group, 0},
        {"group in hash", 0, (uint64_t)1 << hash, group, 1u << 21},
        {"group, other hash bits", 0, ~((uint64_t)1 << hash), group, 0},
        {"receiver off", 0x0001, 0, nic_config.mac, 0},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct nic_rig rig;
        nic_init(&rig, true);
        nic_go(&rig, rows[i].mode, rows[i].ladrf);
        struct frame frame = nic_frame_to(rows[i].to, 60);
        nic_arrive(&rig, &frame);
        uint32_t flags = nic_desc_flags(&rig, RX_RING, 0);
        cr_assert_eq(!(flags & OWN), rows[i].match != 0, "%s", rows[i].what);
        if (rows[i].match)
            cr_assert_eq(flags & 0x00700000, rows[i].match & ~1u, "%s", rows[i].what);
        cr_assert_eq(nic_csr(&rig, 112), 0);
        nic_destroy(&rig);
    }
}

Test(pcnet_rx, chained_receive_and_errors)
{
    struct nic_rig rig;
    nic_init(&rig, true);
    nic_go(&rig, 0, 0);
    for (unsigned i = 0; i < RING; i++)
        nic_put_desc(&rig, RX_RING, i, OWN, RX_BUFFERS + i * BUFFER_SIZE, 128);
    struct frame frame = nic_frame_to(nic_config.mac, 300);
    nic_arrive(&rig, &frame); /* 304 = 128 + 128 + 48 */
    cr_assert_eq(nic_desc_flags(&rig, RX_RING, 0), STP);
    cr_assert_eq(nic_desc_flags(&rig, RX_RING, 1), 0);
    cr_assert_eq(nic_desc_flags(&rig, RX_RING, 2), ENP | 1u << 22);
    cr_assert_eq(nic_desc_message(&rig, RX_RING, 2), 304);
    cr_assert_eq(memcmp(rig.bench.memory + RX_BUFFERS + 2 * BUFFER_SIZE, frame.data + 256, 44), 0);
    nic_arrive(&rig, &frame); /* only one buffer left: 176 bytes stay in the FIFO */
    cr_assert_eq(nic_desc_flags(&rig, RX_RING, 3), ERR | 1u << 26 | STP, "BUFF");
    nic_arrive(&rig, &frame);
    cr_assert_eq(nic_csr(&rig, 112), 1);
    cr_assert_eq(nic_csr(&rig, 0) & 0x9400, 0x9400, "ERR, MISS, RINT");
    nic_put_desc(&rig, RX_RING, 0, OWN, RX_BUFFERS, 64);
    frame = nic_frame_to(nic_config.mac, 400); /* 340 left over do not fit the FIFO */
    nic_arrive(&rig, &frame);
    cr_assert_eq(nic_desc_flags(&rig, RX_RING, 0), ERR | 1u << 28 | 1u << 26 | STP, "BUFF and OFLO");
    nic_destroy(&rig);
}

Test(pcnet_rx, missed_frames_are_counted_and_overflow)
{
    struct nic_rig rig;
    nic_init(&rig, true);
    nic_go(&rig, 0, 0);
    struct frame frame = nic_frame_to(nic_config.mac, 60);
    for (unsigned i = 0; i < RING; i++)
        nic_put_desc(&rig, RX_RING, i, 0, 0, 0);
    for (unsigned i = 0; i < 0xFFFF; i++)
        nic_arrive(&rig, &frame);
    cr_assert_eq(nic_csr(&rig, 112), 0xFFFF);
    cr_assert_eq(pcnet_missed(rig.nic), 0xFFFF);
    cr_assert_eq(nic_csr(&rig, 4) & 0x200, 0);
    nic_csr_set(&rig, 3, 0x1000); /* MISSM */
    cr_assert_not(rig.bench.pin);
    nic_csr_set(&rig, 4, 0x015); /* MFCOM off */
    nic_arrive(&rig, &frame);
    cr_assert_eq(nic_csr(&rig, 112), 0);
    cr_assert_eq(nic_csr(&rig, 4) & 0x200, 0x200, "MFCO");
    cr_assert(rig.bench.pin);
    nic_csr_set(&rig, 4, 0x215);
    cr_assert_not(rig.bench.pin);
    nic_destroy(&rig);
}

Test(pcnet_rx, pad_stripping_and_alignment)
{
    struct nic_rig rig;
    nic_init(&rig, true);
    nic_go(&rig, 0, 0);
    nic_csr_set(&rig, 4, 0x515); /* ASTRP_RCV */
    struct frame frame = nic_frame_to(nic_config.mac, 60);
    frame.data[12] = 0;
    frame.data[13] = 10;
    nic_arrive(&rig, &frame);
    cr_assert_eq(nic_desc_message(&rig, RX_RING, 0), 24);
    frame.data[13] = 46;
    nic_arrive(&rig, &frame);
    cr_assert_eq(nic_desc_message(&rig, RX_RING, 1), 64);
    nic_csr_set(&rig, 0, 4);
    nic_csr_set(&rig, 122, 1); /* RCVALGN */
    nic_csr_set(&rig, 0, 2);
    nic_arrive(&rig, &frame);
    cr_assert_eq(nic_desc_message(&rig, RX_RING, 2), 64);
    cr_assert_eq(memcmp(rig.bench.memory + RX_BUFFERS + 2 * BUFFER_SIZE + 2, frame.data, 60), 0);
    nic_destroy(&rig);
}

Test(pcnet_rx, a_short_frame_from_the_wire_is_padded)
{
    struct nic_rig rig;
    nic_init(&rig, true);
    nic_go(&rig, 0, 0);
    struct frame frame = nic_frame_to(nic_config.mac, 42);
    nic_arrive(&rig, &frame);
    cr_assert_eq(nic_desc_message(&rig, RX_RING, 0), 64);
    nic_destroy(&rig);
}

Test(pcnet_rx, look_ahead_packet_processing_searches_for_stp)
{
    struct nic_rig rig;
    nic_init(&rig, true);
    nic_go(&rig, 0, 0);
    nic_csr_set(&rig, 3, 0x20);
    nic_put_desc(&rig, RX_RING, 0, OWN, RX_BUFFERS, 128); /* passed over and given back */
    nic_put_desc(&rig, RX_RING, 1, 0, 0, 0);              /* not ours: passed over */
    nic_put_desc(&rig, RX_RING, 2, OWN | STP, RX_BUFFERS + 2 * BUFFER_SIZE, 128);
    struct frame frame = nic_frame_to(nic_config.mac, 60);
    nic_arrive(&rig, &frame);
    cr_assert_eq(nic_desc_flags(&rig, RX_RING, 0), 0);
    cr_assert_eq(nic_desc_flags(&rig, RX_RING, 2), STP | ENP | 1u << 22);
    nic_put_desc(&rig, RX_RING, 2, STP, 0, 0);
    nic_put_desc(&rig, RX_RING, 3, 0, 0, 0);
    nic_arrive(&rig, &frame);
    cr_assert_eq(nic_csr(&rig, 112), 1, "the next STP belongs to the host");
    nic_destroy(&rig);
}
