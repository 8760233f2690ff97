/* The whole board: wiring of interrupts, what the firmware part leaves behind, tables, reset, two boards. */
#include "vmm/board_pc.h"

#include "base/check.h"
#include "devices/pcnet.h"
#include "devices/vga.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { RAM = 4 << 20, HZ = 733000000 };

struct fixture {
    struct event_queue queue;
    struct log log;
    struct board_pc *board;
    uint8_t *ram;
    bool intr, a20;
    unsigned resets, inits, power_offs, nmis;
    uint32_t exit_value;
};

static void on_intr(void *ctx, bool level)
{
    ((struct fixture *)ctx)->intr = level;
}

static void on_nmi(void *ctx)
{
    ((struct fixture *)ctx)->nmis++;
}

static void on_init(void *ctx)
{
    ((struct fixture *)ctx)->inits++;
}

static void on_reset(void *ctx)
{
    ((struct fixture *)ctx)->resets++;
}

static void on_a20(void *ctx, bool enabled)
{
    ((struct fixture *)ctx)->a20 = enabled;
}

static void on_power_off(void *ctx)
{
    ((struct fixture *)ctx)->power_offs++;
}

static void on_exit_value(void *ctx, uint32_t value)
{
    ((struct fixture *)ctx)->exit_value = value;
}

static void ram_read(void *ctx, gpa_t addr, void *to, size_t size)
{
    struct fixture *f = ctx;
    memset(to, 0xFF, size);
    if (addr.v < RAM && size <= RAM - addr.v)
        memcpy(to, f->ram + addr.v, size);
}

static void ram_write(void *ctx, gpa_t addr, const void *from, size_t size)
{
    struct fixture *f = ctx;
    if (addr.v < RAM && size <= RAM - addr.v)
        memcpy(f->ram + addr.v, from, size);
}

static struct fixture *setup(bool no_apic, bool firmware)
{
    static const struct board_outputs outputs = {on_intr, on_nmi,       on_init,      on_reset,
                                                 on_a20,  on_power_off, on_exit_value};
    static const struct dma_ops dma = {ram_read, ram_write};
    const struct board_config config = {
        .ram_bytes = RAM, .rtc_seconds = 946684800, .serial_count = 2, .no_apic = no_apic};
    struct fixture *f = xcalloc(1, sizeof *f);
    f->ram = xcalloc(1, RAM);
    event_queue_init(&f->queue, HZ);
    f->board = board_create(&config, &outputs, f, &f->queue, &f->log, &dma, f);
    const struct pcnet_config nic = {.mac = {2, 0, 0, 0, 0, 1}};
    const struct net_backend unplugged = {0};
    struct device *device = pcnet_create(board_env(f->board), &nic, &unplugged);
    board_attach_pci(f->board, pcnet_pci(device), BOARD_PCI_SLOT_NIC, 0);
    if (firmware)
        board_firmware_init(f->board);
    return f;
}

static void teardown(struct fixture *f)
{
    board_destroy(f->board);
    event_queue_destroy(&f->queue);
    free(f->ram);
    free(f);
}

static void out(struct fixture *f, uint16_t port, uint8_t value)
{
    board_port_write(f->board, port, 1, value);
}

static uint8_t in(struct fixture *f, uint16_t port)
{
    return (uint8_t)board_port_read(f->board, port, 1);
}

static uint32_t config(struct fixture *f, unsigned slot, unsigned function, unsigned reg)
{
    board_port_write(f->board, 0xCF8, 4, 0x80000000u | slot << 11 | function << 8 | reg);
    return board_port_read(f->board, 0xCFC, 4);
}

static void run_ns(struct fixture *f, uint64_t ns)
{
    event_queue_run(&f->queue, f->queue.now + ticks_from(&f->queue, ns, 1000000000));
}

/* ---- Interrupts ---- */

/* The timer through the 8259, directly and by virtual wire. */
Test(board, timer_interrupt_through_the_8259)
{
    for (int no_apic = 0; no_apic < 2; no_apic++) {
        struct fixture *f = setup(no_apic, true);
        out(f, 0x21, 0xFA);
        run_ns(f, 60000000);
        cr_assert(f->intr);
        cr_assert_eq(board_intr_ack(f->board), 0x08);
        cr_assert(!f->intr);
        out(f, 0x20, 0x20);
        run_ns(f, 60000000);
        cr_assert(f->intr);
        teardown(f);
    }
}

static void ioapic_entry(struct fixture *f, unsigned pin, uint32_t low)
{
    board_mmio_write(f->board, gpa(0xFEC00000), 4, 0x10 + 2 * pin);
    board_mmio_write(f->board, gpa(0xFEC00010), 4, low);
}

static void eoi(struct fixture *f)
{
    board_mmio_write(f->board, gpa(0xFEE000B0), 4, 0);
}

Test(board, interrupts_through_the_io_apic)
{
    struct fixture *f = setup(false, true);
    ioapic_entry(f, 2, 0x32); /* timer on pin 2 */
    ioapic_entry(f, 4, 0x34);
    run_ns(f, 60000000);
    cr_assert_eq(board_intr_ack(f->board), 0x32);
    eoi(f);
    cr_assert(!f->intr);
    out(f, 0x3FC, 0x08); /* COM1: OUT2, then transmitter empty */
    out(f, 0x3F9, 0x02);
    cr_assert(f->intr);
    cr_assert_eq(board_intr_ack(f->board), 0x34);
    eoi(f);
    cr_assert(!f->intr);
    teardown(f);
}

/* The NIC's INTA# in slot 3 is PIRQC, routed to IRQ 11; in legacy mode by the level-triggered 8259 too. */
Test(board, pci_interrupts_are_level_triggered_on_both_controllers)
{
    struct fixture *f = setup(false, true);
    struct pci_function *nic = board_pci(f->board)->functions[BOARD_PCI_SLOT_NIC << 3];
    ioapic_entry(f, 11, 0x803B);
    pci_interrupt(nic, true);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(board_intr_ack(f->board), 0x3B);
        cr_assert(!f->intr);
        eoi(f);
        cr_assert(f->intr, "asserted until the device lets go");
    }
    board_intr_ack(f->board);
    pci_interrupt(nic, false);
    eoi(f);
    cr_assert(!f->intr);
    ioapic_entry(f, 11, 0x10000);
    out(f, 0xA1, 0xF7);
    pci_interrupt(nic, true);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(board_intr_ack(f->board), 0x73);
        cr_assert(!f->intr);
        out(f, 0xA0, 0x20);
        out(f, 0x20, 0x20);
        cr_assert(f->intr);
    }
    teardown(f);
}

Test(board, sci_and_power_off)
{
    struct fixture *f = setup(false, true);
    ioapic_entry(f, 9, 0x8039);
    out(f, 0xB2, 0xF1);
    cr_assert_eq(board_port_read(f->board, 0x604, 2) & 1, 1);
    board_port_write(f->board, 0x602, 2, 1);
    run_ns(f, 2400000000);
    cr_assert(f->intr);
    cr_assert_eq(board_intr_ack(f->board), 0x39);
    board_port_write(f->board, 0x600, 2, 1);
    eoi(f);
    cr_assert(!f->intr);
    board_port_write(f->board, 0x604, 2, 0x2001);
    cr_assert_eq(f->power_offs, 1);
    teardown(f);
}

Test(board, apic_moves_and_disappears)
{
    struct fixture *f = setup(false, true);
    cr_assert_eq(board_mmio_read(f->board, gpa(0xFEE00030), 4), 0x50014);
    board_apic_base_written(f->board, 0xFED40900);
    cr_assert_eq(board_mmio_read(f->board, gpa(0xFEE00030), 4), 0xFFFFFFFF);
    cr_assert_eq(board_mmio_read(f->board, gpa(0xFED40030), 4), 0x50014);
    board_tpr_write(f->board, 5);
    cr_assert_eq(board_mmio_read(f->board, gpa(0xFED40080), 4), 0x50);
    cr_assert_eq(board_tpr_read(f->board), 5);
    board_apic_base_written(f->board, 0xFED40100);
    cr_assert_eq(board_mmio_read(f->board, gpa(0xFED40030), 4), 0xFFFFFFFF);
    out(f, 0x21, 0xFA); /* the 8259 goes straight to the processor now */
    run_ns(f, 60000000);
    cr_assert(f->intr);
    cr_assert_eq(board_intr_ack(f->board), 0x08);
    teardown(f);
}

Test(board, coprocessor_error_is_irq_13)
{
    struct fixture *f = setup(false, true);
    out(f, 0xA1, 0xDF);
    board_ferr(f->board, true);
    cr_assert_eq(board_intr_ack(f->board), 0x75);
    out(f, 0xF0, 0);
    board_ferr(f->board, false);
    out(f, 0xA0, 0x20);
    out(f, 0x20, 0x20);
    cr_assert(!f->intr);
    teardown(f);
}

/* ---- What firmware leaves ---- */

static uint32_t get32(const struct fixture *f, uint32_t at)
{
    uint32_t value;
    memcpy(&value, f->ram + at, sizeof value);
    return value;
}

static uint8_t sum(const struct fixture *f, uint32_t at, uint32_t size)
{
    uint8_t total = 0;
    for (uint32_t i = 0; i < size; i++)
        total = (uint8_t)(total + f->ram[at + i]);
    return total;
}

static void expect_table(const struct fixture *f, uint32_t at, const char *signature)
{
    cr_assert(at >= 0xE0000 && at < 0x100000);
    cr_assert(memcmp(f->ram + at, signature, 4) == 0, "%.4s", (const char *)f->ram + at);
    cr_assert_eq(sum(f, at, get32(f, at + 4)), 0, "checksum of %s", signature);
}

Test(board, acpi_tables_are_linked_and_add_up)
{
    for (int no_apic = 0; no_apic < 2; no_apic++) {
        struct fixture *f = setup(no_apic, true);
        uint32_t rsdp = (uint32_t)board_rsdp(f->board).v;
        cr_assert_eq(rsdp % 16, 0);
        cr_assert(memcmp(f->ram + rsdp, "RSD PTR ", 8) == 0);
        cr_assert_eq(sum(f, rsdp, 20), 0);
        cr_assert_eq(sum(f, rsdp, 36), 0);
        uint32_t rsdt = get32(f, rsdp + 16), xsdt = get32(f, rsdp + 24);
        expect_table(f, rsdt, "RSDT");
        expect_table(f, xsdt, "XSDT");
        unsigned count = (get32(f, rsdt + 4) - 36) / 4;
        cr_assert_eq(count, no_apic ? 1 : 2);
        for (unsigned i = 0; i < count; i++)
            cr_assert_eq(get32(f, rsdt + 36 + 4 * i), get32(f, xsdt + 36 + 8 * i));
        uint32_t fadt = get32(f, rsdt + 36);
        expect_table(f, fadt, "FACP");
        expect_table(f, get32(f, fadt + 40), "DSDT");
        cr_assert_eq(get32(f, fadt + 36) % 64, 0);
        cr_assert(memcmp(f->ram + get32(f, fadt + 36), "FACS", 4) == 0);
        cr_assert_eq(get32(f, fadt + 56), 0x600);
        if (!no_apic)
            expect_table(f, get32(f, rsdt + 40), "APIC");
        teardown(f);
    }
}

Test(board, mp_and_smbios_tables_add_up)
{
    struct fixture *f = setup(false, true);
    cr_assert(memcmp(f->ram + 0xF0000, "_MP_", 4) == 0);
    cr_assert_eq(sum(f, 0xF0000, 16), 0);
    uint32_t table = get32(f, 0xF0004);
    cr_assert(memcmp(f->ram + table, "PCMP", 4) == 0);
    uint32_t length = get32(f, table + 4) & 0xFFFF;
    cr_assert_eq(sum(f, table, length), 0);
    unsigned entries = get32(f, table + 32) >> 16;
    uint32_t at = table + 44;
    for (unsigned i = 0; i < entries; i++)
        at += f->ram[at] == 0 ? 20 : 8;
    cr_assert_eq(at, table + length);
    cr_assert(memcmp(f->ram + 0xF2000, "_SM_", 4) == 0);
    cr_assert_eq(sum(f, 0xF2000, 0x1F), 0);
    cr_assert_eq(sum(f, 0xF2010, 0x0F), 0);
    /* Walk the structures: formatted part, strings, a double zero. */
    uint32_t structure = get32(f, 0xF2018);
    unsigned count = get32(f, 0xF201C) & 0xFFFF;
    for (unsigned i = 0; i < count; i++) {
        uint8_t type = f->ram[structure];
        structure += f->ram[structure + 1];
        while (f->ram[structure] || f->ram[structure + 1])
            structure++;
        structure += 2;
        cr_assert_eq(type == 127, i + 1 == count);
    }
    cr_assert_eq(structure - get32(f, 0xF2018), get32(f, 0xF2014) >> 16 & 0xFFFF);
    teardown(f);
}

Test(board, pci_windows_are_assigned_and_answer)
{
    struct fixture *f = setup(false, true);
    uint32_t bar = config(f, 3, 0, 0x10), memory = config(f, 3, 0, 0x14);
    cr_assert_eq(bar & 1, 1);
    cr_assert(bar >= 0xC000 && bar < 0x10000);
    cr_assert(memory >= BOARD_PCI_MMIO && memory < BOARD_PCI_MMIO_END);
    cr_assert_eq(config(f, 3, 0, 4) & 3, 3);
    cr_assert_eq(config(f, 3, 0, 0x3C) & 0xFF, 11);
    uint32_t offset;
    cr_assert_str_eq(board_device_at(f->board, false, bar & ~3u, &offset)->cls->name, "pcnet");
    cr_assert_eq(offset, 0);
    cr_assert_str_eq(board_device_at(f->board, true, memory + 0x10, &offset)->cls->name, "pcnet");
    cr_assert_eq(offset, 0x10);
    cr_assert_eq(board_device_at(f->board, false, 0x1234, &offset), NULL);
    cr_assert_eq(in(f, bar & ~3u), 2, "address PROM");
    cr_assert_eq(config(f, 1, 0, 0x60), 0x0B0B0A0A);
    cr_assert_eq(config(f, 1, 1, 0x40) & 0x80008000, 0x80008000, "both IDE channels decode");
    teardown(f);
}

Test(board, screen_cmos_and_memory_map)
{
    struct fixture *f = setup(false, true);
    struct vga_text screen;
    cr_assert(vga_text_mode(board_find(f->board, "vga"), &screen));
    cr_assert_eq(screen.columns, 80);
    cr_assert_eq(screen.rows, 25);
    board_mmio_write(f->board, gpa(0xB8000), 2, 0x0741);
    char row[81];
    vga_text_row(board_find(f->board, "vga"), 0, row, sizeof row);
    cr_assert_str_eq(row, "A");
    out(f, 0x70, 0x30);
    unsigned low = in(f, 0x71);
    out(f, 0x70, 0x31);
    cr_assert_eq(low | in(f, 0x71) << 8, (RAM >> 10) - 1024);
    cr_assert(f->a20);

    static const uint64_t sizes[] = {2, 128, 3072, 8192};
    for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
        struct board_range ranges[BOARD_RANGES_MAX];
        const struct board_config config_ = {.ram_bytes = sizes[i] << 20};
        unsigned count = board_memory_map(&config_, ranges);
        uint64_t ram = 0, last = 0;
        for (unsigned k = 0; k < count; k++) {
            cr_assert(ranges[k].start >= last, "ascending, disjoint");
            last = ranges[k].start + ranges[k].size;
            if (ranges[k].kind == BOARD_RANGE_RAM)
                ram += ranges[k].size;
        }
        cr_assert_leq(ram, sizes[i] << 20);
        cr_assert_geq(ram, (sizes[i] << 20) - 0x70000);
    }
    teardown(f);
}

/* ---- Life ---- */

Test(board, resets_and_exit)
{
    struct fixture *f = setup(false, true);
    out(f, 0x64, 0xFE);
    cr_assert_eq(f->inits, 1);
    out(f, 0xCF9, 0x06);
    cr_assert_eq(f->resets, 1);
    board_port_write(f->board, BOARD_DEBUG_EXIT_PORT, 4, 7);
    cr_assert_eq(f->exit_value, 7);
    uint32_t nic = config(f, 3, 0, 0x10);
    board_reset(f->board);
    cr_assert_eq(config(f, 3, 0, 0x10), 1);
    cr_assert_eq(board_port_read(f->board, 0x604, 2), 0xFFFF);
    board_firmware_init(f->board);
    cr_assert_eq(config(f, 3, 0, 0x10), nic);
    teardown(f);
}

static bool same(struct fixture *a, struct fixture *b)
{
    cr_assert_eq(board_device_count(a->board), board_device_count(b->board));
    for (unsigned i = 0; i < board_device_count(a->board); i++) {
        struct device *x = board_device(a->board, i), *y = board_device(b->board, i);
        if (x->cls != y->cls || memcmp(device_state(x), device_state(y), x->cls->state_size) != 0)
            return false;
    }
    return true;
}

/* One step of a random life: an access, an acknowledge, time. The same seed does the same. */
static void random_step(struct fixture *f, uint32_t r)
{
    static const uint32_t windows[] = {0xA0000, 0xFEC00000, 0xFEE00000, 0xFEB00000};
    unsigned size = 1u << (r & 1) << (r >> 1 & 1);
    uint16_t port = (uint16_t)(r & 0x80 ? r >> 16 : r >> 16 & 0x7FF);
    gpa_t addr = gpa(windows[r >> 8 & 3] + (r >> 12 & 0xFFF));
    switch (r >> 2 & 3) {
    case 0: board_port_write(f->board, port, size, r); break;
    case 1: board_port_read(f->board, port, size); break;
    case 2: board_mmio_write(f->board, addr, size, r >> 3); break;
    default: board_mmio_read(f->board, addr, size); break;
    }
    if (f->intr && (r & 0x100))
        board_intr_ack(f->board);
    if (r % 5 == 0)
        run_ns(f, r % 50000);
}

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 32);
}

/* Nothing breaks, and the same accesses lead two boards to the same state. */
Test(board, random_accesses_are_survived_and_reproducible)
{
    struct fixture *a = setup(false, true), *b = setup(false, true);
    uint64_t seed = 42;
    for (int i = 0; i < 60000; i++) {
        uint32_t r = next_random(&seed);
        random_step(a, r);
        random_step(b, r);
    }
    cr_assert(same(a, b));
    cr_assert_eq(a->queue.now, b->queue.now);
    teardown(a);
    teardown(b);
}

/* State bytes are all there is: a fresh board that is given them lives on as the original does. */
Test(board, a_copied_state_lives_on_as_the_original)
{
    for (uint64_t life = 1; life <= 20; life++) {
        struct fixture *a = setup(false, true), *b = setup(false, false);
        uint64_t seed = life;
        for (int i = 0; i < 5000; i++)
            random_step(a, next_random(&seed));
        memcpy(b->ram, a->ram, RAM);
        b->queue.now = a->queue.now;
        for (unsigned i = 0; i < board_device_count(a->board); i++) {
            struct device *from = board_device(a->board, i), *to = board_device(b->board, i);
            memcpy(device_state(to), device_state(from), from->cls->state_size);
        }
        board_loaded(b->board);
        for (int i = 0; i < 5000; i++) {
            uint32_t r = next_random(&seed);
            random_step(a, r);
            random_step(b, r);
            cr_assert_eq(a->intr, b->intr, "life %d step %d", (int)life, i);
        }
        for (unsigned i = 0; i < board_device_count(a->board); i++) {
            struct device *x = board_device(a->board, i), *y = board_device(b->board, i);
            cr_assert(memcmp(device_state(x), device_state(y), x->cls->state_size) == 0, "life %d: %s",
                      (int)life, x->cls->name);
        }
        teardown(a);
        teardown(b);
    }
}
