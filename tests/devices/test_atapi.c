/* ATAPI CD-ROM drive: the packet protocol in PIO and DMA, replies byte for byte where a standard fixes them,
 * sense data, medium change. */
#include "ide_rig.h"

#include <criterion/criterion.h>
#include <string.h>

enum { DATA, FEATURES, COUNT, LOW, MID, HIGH, DEVICE, COMMAND };
enum { ERR = 0x01, DRQ = 0x08, READY = 0x50, BSY = 0x80 };
enum { TABLE = 0x1000, MEMORY = 0x10000 };

static uint8_t reply[70000];

/* Send a packet and take all data in PIO; returns the final status. */
static uint8_t packet(struct ide_rig *rig, const uint8_t *cdb, unsigned limit, unsigned *size)
{
    *size = 0;
    rig_out(rig, FEATURES, 0);
    rig_out(rig, MID, (uint8_t)limit);
    rig_out(rig, HIGH, (uint8_t)(limit >> 8));
    rig_out(rig, DEVICE, 0xA0);
    rig_out(rig, COMMAND, 0xA0);
    cr_assert_eq(rig_wait(rig), READY | DRQ);
    cr_assert_eq(rig_in(rig, COUNT) & 3, 1, "command phase");
    for (unsigned i = 0; i < 12; i += 2)
        rig_put_data(rig, (uint16_t)(cdb[i] | cdb[i + 1] << 8));
    for (;;) {
        uint8_t status = rig_wait(rig);
        cr_assert(rig_irq(rig));
        rig_in(rig, COMMAND);
        if (!(status & DRQ)) {
            cr_assert_eq(rig_in(rig, COUNT) & 3, 3, "status phase");
            return status;
        }
        cr_assert_eq(rig_in(rig, COUNT) & 3, 2, "data to the host");
        unsigned bytes = rig_in(rig, MID) | rig_in(rig, HIGH) << 8;
        cr_assert(bytes > 0 && (limit < 2 || bytes <= limit));
        for (unsigned i = 0; i < bytes; i += 2) {
            uint16_t value = rig_data(rig);
            reply[(*size)++] = (uint8_t)value;
            if (i + 1 < bytes)
                reply[(*size)++] = (uint8_t)(value >> 8);
        }
    }
}

static unsigned good(struct ide_rig *rig, const uint8_t *cdb)
{
    unsigned size;
    cr_assert_eq(packet(rig, cdb, 0xFFFE, &size), READY, "command %x", cdb[0]);
    return size;
}

/* Expect CHECK CONDITION with this sense. */
static void bad(struct ide_rig *rig, const uint8_t *cdb, unsigned key, unsigned code, unsigned qualifier)
{
    unsigned size;
    cr_assert_eq(packet(rig, cdb, 0xFFFE, &size), READY | ERR, "command %x", cdb[0]);
    cr_assert_eq(rig_in(rig, FEATURES) >> 4, key, "command %x", cdb[0]);
    static const uint8_t sense[12] = {0x03, 0, 0, 0, 18};
    cr_assert_eq(good(rig, sense), 18);
    cr_assert_eq(reply[2], key, "command %x: key %x", cdb[0], reply[2]);
    cr_assert_eq(reply[12], code, "command %x: code %x", cdb[0], reply[12]);
    cr_assert_eq(reply[13], qualifier);
    good(rig, sense);
    cr_assert_eq(reply[2], 0, "sense is given once");
}

static const uint8_t ready[12] = {0x00};

Test(atapi, signature_and_identify)
{
    struct ide_rig rig;
    rig_init(&rig, true);
    cr_assert_eq(rig_in(&rig, MID) | rig_in(&rig, HIGH) << 8, 0xEB14);
    rig_out(&rig, COMMAND, 0xEC);
    cr_assert_eq(rig_wait(&rig), READY | ERR);
    cr_assert_eq(rig_in(&rig, MID) | rig_in(&rig, HIGH) << 8, 0xEB14);
    rig_out(&rig, COMMAND, 0xA1);
    cr_assert_eq(rig_wait(&rig), READY | DRQ);
    cr_assert_eq(rig_data(&rig), 0x85C0);
    for (unsigned i = 1; i < 256; i++)
        rig_data(&rig);
    cr_assert_eq(rig_status(&rig), READY);
    rig_out(&rig, COMMAND, 0x08);
    cr_assert_eq(rig_status(&rig), 0, "DEVICE RESET");
    cr_assert_eq(rig_in(&rig, MID) | rig_in(&rig, HIGH) << 8, 0xEB14);
    rig_destroy(&rig);
}

Test(atapi, read_in_every_request_size)
{
    static const unsigned limits[] = {0, 1, 2, 6, 512, 2046, 2048, 8192, 0xFFFE, 0xFFFF};
    for (unsigned i = 0; i < ARRAY_LEN(limits); i++) {
        struct ide_rig rig;
        rig_init(&rig, true);
        static const uint8_t read10[12] = {0x28, 0, 0, 0, 0, 16, 0, 0, 13};
        static const uint8_t read12[12] = {0xA8, 0, 0, 0, 0, 100, 0, 0, 0, 5};
        unsigned size;
        cr_assert_eq(packet(&rig, read10, limits[i], &size), READY, "limit %u", limits[i]);
        cr_assert_eq(size, 13 * 2048);
        cr_assert_eq(memcmp(reply, rig.cd.data + 16 * 2048, size), 0);
        cr_assert_eq(packet(&rig, read12, limits[i], &size), READY);
        cr_assert_eq(memcmp(reply, rig.cd.data + 100 * 2048, 5 * 2048), 0);
        rig_destroy(&rig);
    }
}

Test(atapi, dma)
{
    static const uint32_t table[][2] = {{MEMORY, 10000}, {MEMORY + 20000, 55536}, {0, 0}};
    static const uint8_t read10[12] = {0x28, 0, 0, 0, 1, 0, 0, 0, 32}, inquiry[12] = {0x12, 0, 0, 0, 36};
    struct ide_rig rig;
    rig_init(&rig, true);
    rig_table(&rig, TABLE, table);
    for (unsigned n = 0; n < 2; n++) {
        const uint8_t *cdb = n ? inquiry : read10;
        io_write(&rig.bench.ports, rig.bus_master + 4, 4, TABLE);
        io_write(&rig.bench.ports, rig.bus_master + 2, 1, 6);
        rig_out(&rig, FEATURES, 1);
        rig_out(&rig, COMMAND, 0xA0);
        cr_assert_eq(rig_wait(&rig), READY | DRQ);
        for (unsigned i = 0; i < 12; i += 2)
            rig_put_data(&rig, (uint16_t)(cdb[i] | cdb[i + 1] << 8));
        io_write(&rig.bench.ports, rig.bus_master, 1, 9);
        cr_assert_eq(rig_wait(&rig), READY);
        cr_assert(rig_irq(&rig));
        cr_assert_eq(rig_in(&rig, COUNT) & 3, 3);
        rig_in(&rig, COMMAND);
        cr_assert_eq(io_read(&rig.bench.ports, rig.bus_master + 2, 1), n ? 5 : 4);
        io_write(&rig.bench.ports, rig.bus_master, 1, 8);
        if (n == 0) {
            cr_assert_eq(memcmp(rig.bench.memory + MEMORY, rig.cd.data + 256 * 2048, 10000), 0);
            cr_assert_eq(memcmp(rig.bench.memory + MEMORY + 20000, rig.cd.data + 256 * 2048 + 10000, 55536),
                         0);
        } else {
            cr_assert_eq(memcmp(rig.bench.memory + MEMORY + 8, "CRSPAGE ", 8), 0);
        }
    }
    rig_destroy(&rig);
}

Test(atapi, replies)
{
    static const struct {
        const char *what;
        uint8_t cdb[12];
        unsigned size;
        uint8_t expect[32];
        unsigned compare;
    } rows[] = {
        {"capacity", {0x25}, 8, {0, 0, 2, 0x57, 0, 0, 8, 0}, 8},
        {"TOC",
         {0x43, 0, 0, 0, 0, 0, 0, 0, 100},
         20,
         {0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x14, 0xAA, 0, 0, 0, 2, 0x58},
         20},
        {"TOC in MSF",
         {0x43, 2, 0, 0, 0, 0, 0, 0, 100},
         20,
         {0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 2, 0, 0, 0x14, 0xAA, 0, 0, 0, 10, 0},
         20},
        {"TOC, lead-out only", {0x43, 0, 0, 0, 0, 0, 0xAA, 0, 100}, 12, {0, 10, 1, 1, 0, 0x14, 0xAA}, 7},
        {"TOC, session", {0x43, 0, 1, 0, 0, 0, 0, 0, 100}, 12, {0, 10, 1, 1, 0, 0x14, 1}, 7},
        {"TOC, full", {0x43, 2, 2, 0, 0, 0, 0, 0, 100}, 48, {0, 46, 1, 1, 1, 0x14, 0, 0xA0}, 8},
        {"TOC, old place of the format", {0x43, 0, 0, 0, 0, 0, 0, 0, 100, 0x40}, 12, {0, 10, 1, 1}, 4},
        {"TOC, cut short", {0x43, 0, 0, 0, 0, 0, 0, 0, 4}, 4, {0, 18, 1, 1}, 4},
        {"mode sense 10, capabilities",
         {0x5A, 0, 0x2A, 0, 0, 0, 0, 0, 100},
         28,
         {0, 26, 1, 0, 0, 0, 0, 0, 0x2A, 18},
         10},
        {"mode sense 6, all", {0x1A, 0, 0x3F, 0, 100}, 32, {31, 1, 0, 0, 0x01, 6}, 6},
        {"configuration",
         {0x46, 0, 0, 0, 0, 0, 0, 0, 100},
         60,
         {0, 0, 0, 56, 0, 0, 0, 8, 0, 0, 3, 4, 0, 8, 1, 0},
         16},
        {"configuration, one feature",
         {0x46, 2, 0, 0x1E, 0, 0, 0, 0, 100},
         16,
         {0, 0, 0, 12, 0, 0, 0, 8, 0, 0x1E, 1, 4},
         12},
        {"no event", {0x4A, 1, 0, 0, 0x10, 0, 0, 0, 100}, 8, {0, 6, 4, 0x10, 0, 2}, 6},
        {"no such event class", {0x4A, 1, 0, 0, 0x02, 0, 0, 0, 100}, 4, {0, 2, 0x80, 0x10}, 4},
        {"mechanism", {0xBD, 0, 0, 0, 0, 0, 0, 0, 0, 8}, 8, {0}, 8},
        {"disc information", {0x51, 0, 0, 0, 0, 0, 0, 0, 100}, 34, {0, 32, 0x0E, 1, 1, 1, 1}, 7},
        {"track information", {0x52, 1, 0, 0, 0, 1, 0, 0, 100}, 28, {0, 26, 1, 1}, 4},
        {"sub-channel", {0x42, 2, 0x40, 1, 0, 0, 0, 0, 100}, 16, {0, 0x15, 0, 12, 1, 0x14, 1, 1}, 8},
        {"inquiry", {0x12, 0, 0, 0, 5}, 5, {5, 0x80, 0, 0x21, 31}, 5},
        {"nothing to read", {0x28}, 0, {0}, 0},
        {"seek", {0x2B, 0, 0, 0, 0, 9}, 0, {0}, 0},
        {"speed", {0xBB}, 0, {0}, 0},
        {"read CD, nothing selected", {0xBE, 0, 0, 0, 0, 0, 0, 0, 1}, 0, {0}, 0},
    };
    struct ide_rig rig;
    rig_init(&rig, true);
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        cr_assert_eq(good(&rig, rows[i].cdb), rows[i].size, "%s", rows[i].what);
        cr_assert_eq(memcmp(reply, rows[i].expect, rows[i].compare), 0, "%s", rows[i].what);
    }
    rig_destroy(&rig);
}

Test(atapi, read_cd_raw)
{
    static const uint8_t raw[12] = {0xBE, 0x08, 0, 0, 0, 20, 0, 0, 2, 0xF8},
                         user[12] = {0xBE, 0, 0, 0, 0, 20, 0, 0, 2, 0x10};
    static const uint8_t head[16] = {0,   255, 255, 255, 255,  255,  255,  255,
                                     255, 255, 255, 0,   0x00, 0x02, 0x20, 1};
    struct ide_rig rig;
    rig_init(&rig, true);
    cr_assert_eq(good(&rig, raw), 2 * 2352);
    cr_assert_eq(memcmp(reply, head, 16), 0);
    cr_assert_eq(memcmp(reply + 2352 + 16, rig.cd.data + 21 * 2048, 2048), 0);
    cr_assert_eq(good(&rig, user), 2 * 2048);
    cr_assert_eq(memcmp(reply, rig.cd.data + 20 * 2048, 2 * 2048), 0);
    rig_destroy(&rig);
}

Test(atapi, refusals)
{
    static const struct {
        uint8_t cdb[12], key, code, qualifier;
    } rows[] = {
        {{0xFF}, 5, 0x20, 0},                                     /* no such command */
        {{0x2A}, 5, 0x20, 0},                                     /* WRITE (10) */
        {{0x28, 0, 0, 0, 2, 0x57, 0, 0, 2}, 5, 0x21, 0},          /* across the end */
        {{0x28, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 1}, 5, 0x21, 0}, /* far beyond */
        {{0xA8, 0, 0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF}, 5, 0x21, 0},
        {{0x2B, 0, 0, 0, 2, 0x58}, 5, 0x21, 0},
        {{0x43, 0, 3, 0, 0, 0, 0, 0, 100}, 5, 0x24, 0},
        {{0x43, 0, 0, 0, 0, 0, 2, 0, 100}, 5, 0x24, 0},
        {{0x5A, 0, 0x05, 0, 0, 0, 0, 0, 100}, 5, 0x24, 0},
        {{0x5A, 0, 0xEA, 0, 0, 0, 0, 0, 100}, 5, 0x39, 0},
        {{0x12, 1, 0x80, 0, 36}, 5, 0x24, 0},
        {{0x4A, 0, 0, 0, 0x10, 0, 0, 0, 100}, 5, 0x24, 0},
        {{0xBE, 4, 0, 0, 0, 0, 0, 0, 1, 0x10}, 5, 0x24, 0}, /* audio sectors */
        {{0x28, 0, 0, 0, 1, 0x90, 0, 0, 1}, 3, 0x11, 0},    /* a scratch */
    };
    struct ide_rig rig;
    rig_init(&rig, true);
    rig.cd.bad = 400 * 4;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
        bad(&rig, rows[i].cdb, rows[i].key, rows[i].code, rows[i].qualifier);
    rig_destroy(&rig);
}

Test(atapi, medium_comes_and_goes)
{
    static const uint8_t event[12] = {0x4A, 1, 0, 0, 0x10, 0, 0, 0, 8}, lock[12] = {0x1E, 0, 0, 0, 1},
                         unlock[12] = {0x1E};
    static const uint8_t eject[12] = {0x1B, 0, 0, 0, 2}, load[12] = {0x1B, 0, 0, 0, 3},
                         config[12] = {0x46, 0, 0, 0, 0, 0, 0, 0, 8};
    struct ide_rig rig;
    rig_init(&rig, true);
    struct block_backend cd = bench_disk_backend(&rig.cd);
    cr_assert(ide_change_medium(rig.ide, 1, 0, NULL));
    bad(&rig, ready, 2, 0x3A, 0);
    good(&rig, event);
    cr_assert_eq(reply[4], 3, "removal");
    good(&rig, config);
    cr_assert_eq(reply[7], 0);
    cr_assert(ide_change_medium(rig.ide, 1, 0, &cd));
    bad(&rig, ready, 6, 0x28, 0);
    good(&rig, ready);
    good(&rig, event);
    cr_assert_eq(reply[4], 2, "new medium");
    good(&rig, lock);
    cr_assert_not(ide_change_medium(rig.ide, 1, 0, NULL));
    bad(&rig, eject, 5, 0x53, 2);
    good(&rig, unlock);
    good(&rig, eject);
    bad(&rig, ready, 2, 0x3A, 0);
    good(&rig, event);
    cr_assert_eq(reply[5] & 3, 1, "door open, no medium");
    good(&rig, load);
    bad(&rig, ready, 6, 0x28, 0);
    good(&rig, ready);
    rig_destroy(&rig);
}

Test(atapi, overlap_is_refused)
{
    struct ide_rig rig;
    rig_init(&rig, true);
    rig_out(&rig, FEATURES, 2);
    rig_out(&rig, COMMAND, 0xA0);
    cr_assert_eq(rig_wait(&rig), READY | ERR);
    cr_assert_eq(rig_in(&rig, FEATURES), 4);
    rig_destroy(&rig);
}

/* Every opcode with random parameters and limits, in PIO and DMA. */
Test(atapi, random_packets_are_survived)
{
    struct ide_rig rig;
    uint64_t seed = 7;
    rig_init(&rig, true);
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t r = bench_random(&seed), s = bench_random(&seed);
        rig_out(&rig, FEATURES, r & 1);
        rig_out(&rig, MID, (uint8_t)(r >> 8));
        rig_out(&rig, HIGH, (uint8_t)(r >> 16));
        rig_out(&rig, COMMAND, 0xA0);
        rig_put_data(&rig, (uint16_t)((i & 0xFF) | (r >> 24 & 0xFF) << 8));
        for (unsigned k = 0; k < 5; k++)
            rig_put_data(&rig, (uint16_t)(s >> 10 * k) & (r >> (32 + k) & 1 ? 0x00FF : 0x0300));
        io_write(&rig.bench.ports, rig.bus_master, 1, 9);
        for (unsigned k = 0; k < 50 && (rig_wait(&rig) & DRQ); k++)
            for (unsigned w = 0; w < 128; w++)
                rig_data(&rig);
        if (rig_status(&rig) & DRQ) {
            rig_out(&rig, COMMAND, 0x08);
            io_write(&rig.bench.ports, rig.bus_master, 1, 0);
        }
        cr_assert_eq(rig_status(&rig) & (BSY | DRQ), 0);
    }
    rig_destroy(&rig);
}
