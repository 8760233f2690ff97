/* ATA disk behind the PIIX3 IDE function: task file, PIO and DMA transfers, addresses, error rows, resets. */
#include "ide_rig.h"

#include <criterion/criterion.h>
#include <string.h>

enum { DATA, FEATURES, COUNT, LOW, MID, HIGH, DEVICE, COMMAND };
enum { ERR = 0x01, DRQ = 0x08, READY = 0x50, BSY = 0x80, LBA = 0xE0 };
enum { TABLE = 0x1000, MEMORY = 0x10000 };

static void address(struct ide_rig *rig, uint32_t lba, unsigned count)
{
    rig_out(rig, COUNT, (uint8_t)count);
    rig_out(rig, LOW, (uint8_t)lba);
    rig_out(rig, MID, (uint8_t)(lba >> 8));
    rig_out(rig, HIGH, (uint8_t)(lba >> 16));
    rig_out(rig, DEVICE, (uint8_t)(LBA | (lba >> 24 & 15)));
}

static void wide_address(struct ide_rig *rig, uint64_t lba, unsigned count)
{
    rig_out(rig, COUNT, (uint8_t)(count >> 8));
    rig_out(rig, LOW, (uint8_t)(lba >> 24));
    rig_out(rig, MID, (uint8_t)(lba >> 32));
    rig_out(rig, HIGH, (uint8_t)(lba >> 40));
    address(rig, (uint32_t)lba & 0xFFFFFF, count);
}

static bool expect_sectors(struct ide_rig *rig, const uint8_t *data, uint64_t lba, unsigned count)
{
    return memcmp(data, rig->disk.data + lba * 512, count * 512) == 0;
}

Test(ide, probe)
{
    struct ide_rig rig;
    rig_init(&rig, false);
    cr_assert_eq(pci_config_read(&rig.bench.pci, 1, 1, 0, 4), 0x70108086);
    cr_assert_eq(pci_config_read(&rig.bench.pci, 1, 1, 8, 4) >> 8, 0x010180);
    cr_assert_eq(rig_status(&rig), READY);
    cr_assert_eq(rig_in(&rig, COUNT), 1);
    rig_out(&rig, DEVICE, 0xB0);
    rig_out(&rig, COUNT, 0x55);
    cr_assert_eq(rig_in(&rig, COUNT), 0, "no device 1");
    cr_assert_eq(rig_in(&rig, COMMAND), 0);
    rig_out(&rig, COMMAND, 0xEC);
    bench_run(&rig.bench, SECOND);
    cr_assert_not(rig_irq(&rig));
    pci_config_write(&rig.bench.pci, 1, 1, 0x40, 2, 0);
    cr_assert_eq(rig_status(&rig), 0xFF, "decoding disabled");
    rig_destroy(&rig);
}

Test(ide, identify)
{
    struct ide_rig rig;
    rig_init(&rig, false);
    uint16_t words[256];
    rig_out(&rig, DEVICE, 0xA0);
    rig_out(&rig, COMMAND, 0xEC);
    cr_assert_eq(rig_status(&rig), BSY);
    cr_assert_eq(rig_wait(&rig), READY | DRQ);
    cr_assert(rig_irq(&rig));
    cr_assert_eq(rig_in(&rig, COMMAND), READY | DRQ);
    cr_assert_not(rig_irq(&rig), "reading status acknowledges");
    uint8_t sum = 0;
    for (unsigned i = 0; i < 256; i++) {
        words[i] = rig_data(&rig);
        sum = (uint8_t)(sum + words[i] + (words[i] >> 8));
    }
    cr_assert_eq(rig_status(&rig), READY);
    cr_assert_not(rig_irq(&rig));
    cr_assert_eq(sum, 0);
    cr_assert_eq(words[60] | words[61] << 16, DISK_SECTORS);
    cr_assert_eq(words[100], DISK_SECTORS);
    cr_assert_eq(words[27], 'C' << 8 | 'R');
    cr_assert_eq(words[83] & 0xC400, 0x4400);
    rig_destroy(&rig);
}

struct pio_row {
    const char *what;
    uint8_t command;
    bool wide, writing;
    unsigned multiple, count; /* count 0 = the largest */
    bool words32;
};

static const struct pio_row pio_rows[] = {
    {"read", 0x20, false, false, 1, 3, false},
    {"read 32", 0x21, false, false, 1, 3, true},
    {"read 256", 0x20, false, false, 1, 0, false},
    {"read ext", 0x24, true, false, 1, 300, true},
    {"read multiple", 0xC4, false, false, 8, 20, true},
    {"read multiple ext", 0x29, true, false, 16, 40, false},
    {"write", 0x30, false, true, 1, 3, false},
    {"write ext", 0x34, true, true, 1, 300, true},
    {"write multiple", 0xC5, false, true, 4, 10, true},
    {"write multiple ext", 0x39, true, true, 16, 17, false},
};

static void pio(struct ide_rig *rig, const struct pio_row *row)
{
    static uint8_t data[512 * 512];
    unsigned total = row->count ? row->count : 256, done = 0, interrupts = 0;
    uint64_t lba = 700;
    rig_out(rig, COUNT, (uint8_t)row->multiple);
    rig_out(rig, COMMAND, 0xC6);
    cr_assert_eq(rig_wait(rig), READY, "%s", row->what);
    rig_in(rig, COMMAND);
    for (unsigned i = 0; i < total * 512; i++)
        data[i] = (uint8_t)(i * 5 + 3);
    if (row->wide)
        wide_address(rig, lba, row->count);
    else
        address(rig, (uint32_t)lba, row->count);
    rig_out(rig, COMMAND, row->command);
    while (done < total) {
        unsigned block = total - done < row->multiple ? total - done : row->multiple;
        cr_assert_eq(rig_wait(rig), READY | DRQ, "%s", row->what);
        interrupts += rig_irq(rig);
        rig_in(rig, COMMAND);
        for (unsigned i = 0; i < block * 512; i += row->words32 ? 4 : 2) {
            uint8_t *at = data + done * 512 + i;
            uint32_t value;
            memcpy(&value, at, row->words32 ? 4 : 2);
            if (row->writing && row->words32)
                io_write(&rig->bench.ports, rig->base, 4, value);
            else if (row->writing)
                rig_put_data(rig, (uint16_t)value);
            else
                value = (uint32_t)io_read(&rig->bench.ports, rig->base, row->words32 ? 4 : 2);
            memcpy(at, &value, row->words32 ? 4 : 2);
        }
        done += block;
    }
    cr_assert_eq(rig_wait(rig), READY, "%s", row->what);
    interrupts += rig_irq(rig);
    cr_assert_eq(interrupts, (total + row->multiple - 1) / row->multiple, "%s: one interrupt per block",
                 row->what);
    cr_assert(expect_sectors(rig, data, lba, total), "%s", row->what);
    cr_assert_eq(rig_in(rig, LOW), (uint8_t)(lba + total - 1));
}

Test(ide, pio)
{
    for (unsigned i = 0; i < ARRAY_LEN(pio_rows); i++) {
        struct ide_rig rig;
        rig_init(&rig, false);
        pio(&rig, &pio_rows[i]);
        rig_destroy(&rig);
    }
}

Test(ide, cylinder_head_sector)
{
    struct ide_rig rig;
    rig_init(&rig, false);
    rig_out(&rig, COUNT, 17);
    rig_out(&rig, DEVICE, 0xA3); /* 4 heads, 17 sectors */
    rig_out(&rig, COMMAND, 0x91);
    cr_assert_eq(rig_wait(&rig), READY);
    rig_out(&rig, COUNT, 1);
    rig_out(&rig, LOW, 5);
    rig_out(&rig, MID, 2);
    rig_out(&rig, HIGH, 0);
    rig_out(&rig, DEVICE, 0xA1);
    rig_out(&rig, COMMAND, 0x20);
    cr_assert_eq(rig_wait(&rig), READY | DRQ);
    uint8_t data[512];
    for (unsigned i = 0; i < 512; i += 2) {
        uint16_t value = rig_data(&rig);
        memcpy(data + i, &value, 2);
    }
    cr_assert(expect_sectors(&rig, data, (2 * 4 + 1) * 17 + 4, 1));
    rig_out(&rig, LOW, 18); /* no such sector */
    rig_out(&rig, COMMAND, 0x20);
    cr_assert_eq(rig_wait(&rig), READY | ERR);
    cr_assert_eq(rig_in(&rig, FEATURES), 0x10);
    rig_destroy(&rig);
}

Test(ide, errors)
{
    static const struct {
        const char *what;
        uint8_t command;
        uint64_t lba;
        unsigned count;
        uint8_t error;
        bool wide;
    } rows[] = {
        {"beyond the end", 0x20, DISK_SECTORS, 1, 0x10, false},
        {"beyond the end, ext", 0x24, (uint64_t)1 << 33, 1, 0x10, true},
        {"across the end", 0xC4, DISK_SECTORS - 4, 8, 0x10, false},
        {"verify across the end", 0x40, DISK_SECTORS - 1, 2, 0x10, false},
        {"bad sector", 0x20, 3000, 1, 0x40, false},
        {"unknown command", 0xF0, 0, 1, 0x04, false},
        {"security", 0xF1, 0, 1, 0x04, false},
        {"SMART", 0xB0, 0, 1, 0x04, false},
        {"packet to a disk", 0xA0, 0, 1, 0x04, false},
        {"device reset to a disk", 0x08, 0, 1, 0x04, false},
        {"NOP", 0x00, 0, 1, 0x04, false},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct ide_rig rig;
        rig_init(&rig, false);
        rig.disk.bad = 3000;
        rig_out(&rig, COUNT, 8);
        rig_out(&rig, COMMAND, 0xC6);
        rig_wait(&rig);
        if (rows[i].wide)
            wide_address(&rig, rows[i].lba, rows[i].count);
        else
            address(&rig, (uint32_t)rows[i].lba, rows[i].count);
        rig_out(&rig, COMMAND, rows[i].command);
        cr_assert_eq(rig_wait(&rig), READY | ERR, "%s", rows[i].what);
        cr_assert_eq(rig_in(&rig, FEATURES), rows[i].error, "%s", rows[i].what);
        cr_assert(rig_irq(&rig), "%s", rows[i].what);
        rig_destroy(&rig);
    }
}

Test(ide, read_only_medium_refuses_writes)
{
    struct ide_rig rig;
    rig_init(&rig, false);
    struct block_backend backend = bench_disk_backend(&rig.disk);
    backend.read_only = true;
    ide_attach(rig.ide, 0, 0, &(struct ide_drive_config){.kind = IDE_DISK}, &backend);
    address(&rig, 0, 1);
    rig_out(&rig, COMMAND, 0x30);
    cr_assert_eq(rig_wait(&rig), READY | ERR);
    rig_destroy(&rig);
}

Test(ide, commands_without_data)
{
    static const struct {
        const char *what;
        uint8_t command, features, count;
        bool good;
    } rows[] = {
        {"recalibrate", 0x10, 0, 0, true},
        {"seek", 0x70, 0, 0, true},
        {"flush", 0xE7, 0, 0, true},
        {"flush ext", 0xEA, 0, 0, true},
        {"idle immediate", 0xE1, 0, 0, true},
        {"verify", 0x40, 0, 5, true},
        {"verify ext", 0x42, 0, 5, true},
        {"set multiple 3", 0xC6, 0, 3, false},
        {"set multiple 32", 0xC6, 0, 32, false},
        {"set multiple 0", 0xC6, 0, 0, true},
        {"MWDMA 2", 0xEF, 3, 0x22, true},
        {"MWDMA 3", 0xEF, 3, 0x23, false},
        {"UDMA 2", 0xEF, 3, 0x42, true},
        {"UDMA 5", 0xEF, 3, 0x45, false},
        {"PIO 4", 0xEF, 3, 0x0C, true},
        {"write cache off", 0xEF, 0x82, 0, true},
        {"APM", 0xEF, 0x05, 1, false},
        {"no sectors per track", 0x91, 0, 0, false},
    };
    struct ide_rig rig;
    rig_init(&rig, false);
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        wide_address(&rig, 0, rows[i].count);
        rig_out(&rig, FEATURES, rows[i].features);
        rig_out(&rig, COMMAND, rows[i].command);
        cr_assert_eq(rig_wait(&rig), rows[i].good ? READY : READY | ERR, "%s", rows[i].what);
        cr_assert(rig_irq(&rig));
        rig_in(&rig, COMMAND);
    }
    cr_assert_eq(rig.disk.flushes, 2);
    rig_out(&rig, COMMAND, 0xE0);
    rig_wait(&rig);
    rig_out(&rig, COMMAND, 0xE5);
    rig_wait(&rig);
    cr_assert_eq(rig_in(&rig, COUNT), 0, "standby");
    address(&rig, 0, 0);
    rig_out(&rig, COMMAND, 0xF8);
    rig_wait(&rig);
    cr_assert_eq(rig_in(&rig, LOW) | rig_in(&rig, MID) << 8, DISK_SECTORS - 1);
    rig_destroy(&rig);
}

Test(ide, buffer_commands)
{
    struct ide_rig rig;
    rig_init(&rig, false);
    rig_out(&rig, COMMAND, 0xE8);
    for (unsigned i = 0; i < 256; i++)
        rig_put_data(&rig, (uint16_t)(i * 257));
    cr_assert_eq(rig_wait(&rig), READY);
    rig_out(&rig, COMMAND, 0xE4);
    cr_assert_eq(rig_wait(&rig), READY | DRQ);
    for (unsigned i = 0; i < 256; i++)
        cr_assert_eq(rig_data(&rig), (uint16_t)(i * 257));
    rig_destroy(&rig);
}

/* ---- Bus master ---- */

static void start_dma(struct ide_rig *rig, uint8_t command, bool to_memory)
{
    io_write(&rig->bench.ports, rig->bus_master + 4, 4, TABLE);
    io_write(&rig->bench.ports, rig->bus_master, 1, to_memory ? 8 : 0);
    io_write(&rig->bench.ports, rig->bus_master + 2, 1, 6);
    rig_out(rig, COMMAND, command);
    io_write(&rig->bench.ports, rig->bus_master, 1, to_memory ? 9 : 1);
}

static uint8_t master_status(struct ide_rig *rig)
{
    return (uint8_t)io_read(&rig->bench.ports, rig->bus_master + 2, 1) & 7;
}

Test(ide, dma_scatters_and_gathers)
{
    static const uint32_t entries[][2] = {
        {MEMORY, 512}, {MEMORY + 0x8000, 0x10000}, {MEMORY + 0x40000, 1536}, {0, 0}};
    static const struct {
        uint8_t command;
        bool wide, to_memory;
    } rows[] = {{0xC8, false, true}, {0x25, true, true}, {0xCA, false, false}, {0x35, true, false}};
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct ide_rig rig;
        rig_init(&rig, false);
        rig_table(&rig, TABLE, entries);
        for (unsigned k = 0; k < 0x80000; k++)
            rig.bench.memory[MEMORY + k] = (uint8_t)(k * 11 >> 3);
        if (rows[i].wide)
            wide_address(&rig, 1000, 132);
        else
            address(&rig, 1000, 132);
        start_dma(&rig, rows[i].command, rows[i].to_memory);
        cr_assert_eq(master_status(&rig), 1);
        cr_assert_eq(rig_wait(&rig), READY);
        cr_assert(rig_irq(&rig));
        cr_assert_eq(master_status(&rig), 4, "interrupt, not active: table and transfer agree");
        cr_assert(expect_sectors(&rig, rig.bench.memory + MEMORY, 1000, 1));
        cr_assert(expect_sectors(&rig, rig.bench.memory + MEMORY + 0x8000, 1001, 128));
        cr_assert(expect_sectors(&rig, rig.bench.memory + MEMORY + 0x40000, 1129, 3));
        io_write(&rig.bench.ports, rig.bus_master + 2, 1, 4);
        cr_assert_eq(master_status(&rig), 0);
        rig_destroy(&rig);
    }
}

Test(ide, dma_error_rows)
{
    static const uint32_t longer[][2] = {{MEMORY, 4096}, {0, 0}}, shorter[][2] = {{MEMORY, 512}, {0, 0}};
    static const struct {
        const char *what;
        const uint32_t (*table)[2];
        uint8_t command, status, master;
        bool to_memory, irq;
    } rows[] = {
        {"table longer than transfer", longer, 0xC8, READY, 5, true, true},
        {"table shorter than transfer", shorter, 0xC8, READY | DRQ, 0, true, false},
        {"table shorter than transfer, write", shorter, 0xCA, READY | DRQ, 0, false, false},
        {"wrong direction", longer, 0xC8, READY | DRQ, 2, false, false},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct ide_rig rig;
        rig_init(&rig, false);
        rig_table(&rig, TABLE, rows[i].table);
        address(&rig, 0, 4);
        start_dma(&rig, rows[i].command, rows[i].to_memory);
        cr_assert_eq(rig_wait(&rig), rows[i].status, "%s", rows[i].what);
        cr_assert_eq(master_status(&rig), rows[i].master, "%s: %u", rows[i].what, master_status(&rig));
        cr_assert_eq(rig_irq(&rig), rows[i].irq, "%s", rows[i].what);
        /* After a reset the drive works again. */
        io_write(&rig.bench.ports, rig.bus_master, 1, 0);
        io_write(&rig.bench.ports, 0x3F6, 1, 4);
        io_write(&rig.bench.ports, 0x3F6, 1, 0);
        cr_assert_eq(rig_wait(&rig), READY, "%s", rows[i].what);
        rig_table(&rig, TABLE, longer);
        address(&rig, 5, 8);
        start_dma(&rig, 0xC8, true);
        cr_assert_eq(rig_wait(&rig), READY, "%s", rows[i].what);
        cr_assert(expect_sectors(&rig, rig.bench.memory + MEMORY, 5, 8), "%s", rows[i].what);
        rig_destroy(&rig);
    }
}

Test(ide, dma_may_be_continued_with_a_second_table_and_started_late)
{
    static const uint32_t first[][2] = {{MEMORY, 1024}, {0, 0}},
                          second[][2] = {{MEMORY + 1024, 1024}, {0, 0}};
    struct ide_rig rig;
    rig_init(&rig, false);
    rig_table(&rig, TABLE, first);
    address(&rig, 9, 4);
    io_write(&rig.bench.ports, rig.bus_master + 4, 4, TABLE);
    rig_out(&rig, COMMAND, 0xC8);
    cr_assert_eq(rig_wait(&rig), READY | DRQ, "ready, the engine is not");
    io_write(&rig.bench.ports, rig.bus_master, 1, 9);
    cr_assert_eq(master_status(&rig), 0);
    io_write(&rig.bench.ports, rig.bus_master, 1, 8);
    rig_table(&rig, TABLE, second);
    io_write(&rig.bench.ports, rig.bus_master, 1, 9);
    cr_assert_eq(rig_status(&rig), READY);
    cr_assert(expect_sectors(&rig, rig.bench.memory + MEMORY, 9, 4));
    rig_destroy(&rig);
}

Test(ide, dma_media_errors)
{
    static const uint32_t table[][2] = {{MEMORY, 0x8000}, {0, 0}};
    for (unsigned writing = 0; writing < 2; writing++) {
        struct ide_rig rig;
        rig_init(&rig, false);
        rig.disk.bad = 40;
        rig_table(&rig, TABLE, table);
        address(&rig, 8, 64);
        start_dma(&rig, writing ? 0xCA : 0xC8, !writing);
        cr_assert_eq(rig_wait(&rig), READY | ERR | (writing ? 0x20 : 0));
        cr_assert(rig_irq(&rig));
        cr_assert_eq(master_status(&rig) & 4, 4);
        cr_assert_eq(rig_in(&rig, FEATURES), writing ? 0x04 : 0x40);
        cr_assert_eq(rig_in(&rig, LOW), 40, "a block of 16 begins with the bad sector");
        rig_destroy(&rig);
    }
}

Test(ide, no_interrupt_with_nien)
{
    struct ide_rig rig;
    rig_init(&rig, false);
    io_write(&rig.bench.ports, 0x3F6, 1, 2);
    address(&rig, 0, 1);
    rig_out(&rig, COMMAND, 0x20);
    cr_assert_eq(rig_wait(&rig), READY | DRQ);
    cr_assert_not(rig_irq(&rig));
    io_write(&rig.bench.ports, 0x3F6, 1, 0);
    cr_assert(rig_irq(&rig), "it was only gated");
    rig_destroy(&rig);
}

Test(ide, previous_register_contents_with_hob)
{
    struct ide_rig rig;
    rig_init(&rig, false);
    rig_out(&rig, LOW, 0x12);
    rig_out(&rig, LOW, 0x34);
    cr_assert_eq(rig_in(&rig, LOW), 0x34);
    io_write(&rig.bench.ports, 0x3F6, 1, 0x80);
    cr_assert_eq(rig_in(&rig, LOW), 0x12);
    rig_out(&rig, COUNT, 0);
    cr_assert_eq(rig_in(&rig, LOW), 0x34, "a write clears HOB");
    rig_destroy(&rig);
}

Test(ide, software_reset_in_the_middle_of_anything)
{
    static const uint8_t commands[] = {0x20, 0xC8, 0x30, 0xCA, 0xEC, 0xE7};
    for (unsigned i = 0; i < ARRAY_LEN(commands); i++) {
        struct ide_rig rig;
        rig_init(&rig, false);
        address(&rig, 1, 4);
        rig_out(&rig, COMMAND, commands[i]);
        if (i & 1)
            bench_run(&rig.bench, SECOND);
        io_write(&rig.bench.ports, 0x3F6, 1, 4);
        cr_assert_eq(rig_status(&rig), BSY);
        bench_run(&rig.bench, SECOND);
        cr_assert_eq(rig_status(&rig), BSY, "as long as SRST is set");
        io_write(&rig.bench.ports, 0x3F6, 1, 0);
        cr_assert_eq(rig_wait(&rig), READY);
        cr_assert_eq(rig_in(&rig, FEATURES), 1);
        cr_assert_eq(rig_in(&rig, COUNT), 1);
        cr_assert_eq(rig_in(&rig, LOW), 1);
        cr_assert_eq(rig_in(&rig, MID), 0);
        cr_assert_not(rig_irq(&rig));
        rig_destroy(&rig);
    }
}

Test(ide, a_state_saved_in_a_busy_period_goes_on)
{
    struct ide_rig a, b;
    rig_init(&a, false);
    rig_init(&b, false);
    address(&a, 33, 2);
    rig_out(&a, COMMAND, 0x20);
    memcpy(device_state(b.ide), device_state(a.ide), a.ide->cls->state_size);
    b.ide->cls->loaded(b.ide);
    cr_assert_eq(rig_wait(&b), READY | DRQ);
    cr_assert_eq(rig_data(&b), b.disk.data[33 * 512] | b.disk.data[33 * 512 + 1] << 8);
    rig_destroy(&a);
    rig_destroy(&b);
}

/* Random accesses to every port of the function, with a random table in memory. */
Test(ide, random_accesses_are_survived)
{
    for (uint64_t n = 1; n <= 20; n++) {
        struct ide_rig rig;
        uint64_t seed = n;
        rig_init(&rig, false);
        for (unsigned i = 0; i < BENCH_MEMORY; i++)
            rig.bench.memory[i] = (uint8_t)(bench_random(&seed) >> 30);
        for (unsigned i = 0; i < 20000; i++) {
            static const uint16_t ports[] = {0x1F0, 0x3F6, 0x170, 0x376, BMI, BMI + 8};
            uint64_t r = bench_random(&seed);
            uint16_t port = ports[(r & 0xFF) % 6];
            unsigned at = port + (r >> 8) % (port == 0x3F6 || port == 0x376 ? 1 : 8),
                     size = 1u << (r >> 16) % 3;
            if (r >> 20 & 1)
                io_read(&rig.bench.ports, at, size);
            else
                io_write(&rig.bench.ports, at, size, r >> 32);
            if ((r >> 21 & 7) == 0)
                bench_run(&rig.bench, r >> 40);
        }
        rig_destroy(&rig);
    }
}
