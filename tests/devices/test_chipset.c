/* Host bridge, ISA bridge, power management, DMA register file, debug ports, firmware configuration. */
#include "chip_bench.h"

#include "devices/debug_ports.h"
#include "devices/fw_cfg.h"
#include "devices/i440fx.h"
#include "devices/i8237.h"
#include "devices/piix3.h"
#include "devices/piix4_pm.h"

#include <criterion/criterion.h>
#include <string.h>

/* ---- PCI chips ---- */

enum { SCI = 16 };

struct fixture {
    struct chip_bench *bench;
    struct pci_bus bus;
    struct device *host, *isa, *pm;
    unsigned resets, inits, power_offs, attribute_calls;
    bool read_dram[16], write_dram[16]; /* of 64 KB segments, the last part seen */
    bool smram_open;
};

static void on_attributes(void *ctx, gpa_t start, uint32_t size, bool read_dram, bool write_dram)
{
    struct fixture *f = ctx;
    (void)size;
    f->attribute_calls++;
    f->read_dram[start.v >> 16] = read_dram;
    f->write_dram[start.v >> 16] = write_dram;
}

static void on_smram(void *ctx, bool open, bool locked)
{
    (void)locked;
    ((struct fixture *)ctx)->smram_open = open;
}

static void on_isa_irq(void *ctx, unsigned irq, bool level)
{
    const struct irq_wire wire = chip_wire(((struct fixture *)ctx)->bench, irq);
    irq_set(&wire, level);
}

static void on_reset(void *ctx, bool hard)
{
    struct fixture *f = ctx;
    (*(hard ? &f->resets : &f->inits))++;
}

static void on_sci(void *ctx, bool level)
{
    on_isa_irq(ctx, SCI, level);
}

static void on_power_off(void *ctx)
{
    ((struct fixture *)ctx)->power_offs++;
}

static struct fixture *setup(void)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->bench = chip_create();
    pci_bus_init(&f->bus, &f->bench->ports, &f->bench->memory, &f->bench->log);
    const struct i440fx_outputs memory = {on_attributes, on_smram, f};
    const struct piix3_outputs isa = {on_isa_irq, on_reset, f};
    const struct piix4_pm_outputs pm = {on_sci, on_power_off, f};
    f->host = i440fx_create(&f->bench->env, &f->bus, &memory);
    f->isa = piix3_create(&f->bench->env, &isa);
    f->pm = piix4_pm_create(&f->bench->env, &pm);
    pci_attach(&f->bus, i440fx_pci(f->host), 0, 0);
    pci_attach(&f->bus, piix3_pci(f->isa), 1, 0);
    pci_attach(&f->bus, piix4_pm_pci(f->pm), 1, 3);
    io_map(&f->bench->ports, f->host, 0, 0xCF8);
    io_map(&f->bench->ports, f->isa, PIIX3_WINDOW_RESET, 0xCF9);
    io_map(&f->bench->ports, f->isa, PIIX3_WINDOW_COPROCESSOR, 0xF0);
    io_map(&f->bench->ports, f->pm, PIIX4_PM_WINDOW_APM, 0xB2);
    f->host->cls->reset(f->host);
    f->isa->cls->reset(f->isa);
    f->pm->cls->reset(f->pm);
    return f;
}

static void teardown(struct fixture *f)
{
    f->host->cls->destroy(f->host);
    f->isa->cls->destroy(f->isa);
    chip_destroy(f->bench, f->pm);
    free(f);
}

static uint32_t port_in(struct fixture *f, uint16_t port, unsigned size)
{
    return (uint32_t)io_read(&f->bench->ports, port, size);
}

static void port_out(struct fixture *f, uint16_t port, unsigned size, uint32_t value)
{
    io_write(&f->bench->ports, port, size, value);
}

static void select_reg(struct fixture *f, unsigned slot, unsigned function, unsigned reg)
{
    port_out(f, 0xCF8, 4, 0x80000000u | slot << 11 | function << 8 | (reg & 0xFC));
}

static uint32_t config_in(struct fixture *f, unsigned slot, unsigned function, unsigned reg, unsigned size)
{
    select_reg(f, slot, function, reg);
    return port_in(f, (uint16_t)(0xCFC + (reg & 3)), size);
}

static void config_out(struct fixture *f, unsigned slot, unsigned function, unsigned reg, unsigned size,
                       uint32_t value)
{
    select_reg(f, slot, function, reg);
    port_out(f, (uint16_t)(0xCFC + (reg & 3)), size, value);
}

Test(i440fx, configuration_mechanism_1)
{
    struct fixture *f = setup();
    cr_assert_eq(config_in(f, 0, 0, 0, 4), 0x12378086);
    cr_assert_eq(config_in(f, 1, 0, 0, 4), 0x70008086);
    cr_assert_eq(config_in(f, 1, 3, 2, 2), 0x7113);
    cr_assert_eq(config_in(f, 1, 0, 0x0E, 1), 0x80);
    cr_assert_eq(config_in(f, 7, 0, 0, 4), 0xFFFFFFFF);
    port_out(f, 0xCF8, 4, 0x80010000); /* bus 1 */
    cr_assert_eq(port_in(f, 0xCFC, 4), 0xFFFFFFFF);
    port_out(f, 0xCF8, 4, 0x00000000); /* not enabled */
    cr_assert_eq(port_in(f, 0xCFC, 4), 0xFFFFFFFF);
    port_out(f, 0xCF8, 4, 0xFFFFFFFF);
    cr_assert_eq(port_in(f, 0xCF8, 4), 0x80FFFFFC);
    port_out(f, 0xCF8, 4, 0x80000000);
    port_out(f, 0xCF8, 2, 0xFFFF); /* only 32-bit accesses reach the register */
    port_out(f, 0xCFB, 1, 0x01);
    cr_assert_eq(port_in(f, 0xCF8, 4), 0x80000000);
    cr_assert_eq(f->resets + f->inits, 0);
    teardown(f);
}

Test(i440fx, memory_attributes_are_announced)
{
    struct fixture *f = setup();
    config_out(f, 0, 0, 0x59, 1, 0xFF);
    cr_assert(f->read_dram[15] && f->write_dram[15]);
    cr_assert_eq(config_in(f, 0, 0, 0x59, 1), 0x30);
    config_out(f, 0, 0, 0x59, 1, 0x10);
    cr_assert(f->read_dram[15] && !f->write_dram[15]);
    config_out(f, 0, 0, 0x5A, 2, 0x3333);
    config_out(f, 0, 0, 0x5C, 4, 0x33333333);
    cr_assert(f->read_dram[12] && f->write_dram[13]);
    config_out(f, 0, 0, 0x72, 1, 0x4A);
    cr_assert(f->smram_open);
    config_out(f, 0, 0, 0x72, 1, 0x5A); /* lock */
    cr_assert(!f->smram_open);
    config_out(f, 0, 0, 0x72, 1, 0x4A);
    cr_assert(!f->smram_open);
    teardown(f);
}

Test(piix3, routes_pirqs_to_isa_lines)
{
    struct fixture *f = setup();
    piix3_pirq(f->isa, 0, true);
    for (unsigned irq = 0; irq < 16; irq++)
        cr_assert(!f->bench->level[irq], "nothing is routed after reset");
    config_out(f, 1, 0, 0x60, 4, 0x0B0A0A05);
    cr_assert(f->bench->level[5]);
    piix3_pirq(f->isa, 1, true);
    piix3_pirq(f->isa, 2, true);
    cr_assert(f->bench->level[10]);
    piix3_pirq(f->isa, 1, false);
    cr_assert(f->bench->level[10], "shared line");
    piix3_pirq(f->isa, 2, false);
    cr_assert(!f->bench->level[10]);
    config_out(f, 1, 0, 0x60, 1, 0x0B); /* rerouted while asserted */
    cr_assert(!f->bench->level[5] && f->bench->level[11]);
    config_out(f, 1, 0, 0x60, 1, 0x80);
    cr_assert(!f->bench->level[11]);
    config_out(f, 1, 0, 0x60, 1, 0x02); /* reserved lines */
    config_out(f, 1, 0, 0x60, 1, 0x08);
    cr_assert(!f->bench->level[2] && !f->bench->level[8]);
    teardown(f);
}

Test(piix3, reset_control_and_coprocessor_error)
{
    struct fixture *f = setup();
    port_out(f, 0xCF9, 1, 0x02);
    cr_assert_eq(f->resets, 0);
    port_out(f, 0xCF9, 1, 0x06);
    cr_assert_eq(f->resets, 1);
    port_out(f, 0xCF9, 1, 0x06);
    cr_assert_eq(f->resets, 1, "a new edge is needed");
    port_out(f, 0xCF9, 1, 0x00);
    port_out(f, 0xCF9, 1, 0x04);
    cr_assert_eq(f->inits, 1);
    piix3_ferr(f->isa, true);
    cr_assert(f->bench->level[13]);
    piix3_ferr(f->isa, false);
    cr_assert(f->bench->level[13], "latched");
    port_out(f, 0xF0, 1, 0);
    cr_assert(!f->bench->level[13]);
    teardown(f);
}

static void open_pm(struct fixture *f)
{
    config_out(f, 1, 3, PIIX4_REG_PMBASE, 4, 0x600);
    config_out(f, 1, 3, PIIX4_REG_PMREGMISC, 1, 1);
}

Test(piix4_pm, block_is_where_configuration_puts_it)
{
    struct fixture *f = setup();
    cr_assert_eq(port_in(f, 0x604, 2), 0xFFFF);
    open_pm(f);
    cr_assert_eq(port_in(f, 0x604, 2), 0);
    cr_assert_eq(config_in(f, 1, 3, PIIX4_REG_PMBASE, 4), 0x601);
    config_out(f, 1, 3, PIIX4_REG_PMBASE, 4, 0x700);
    cr_assert_eq(port_in(f, 0x604, 2), 0xFFFF);
    cr_assert_eq(port_in(f, 0x704, 2), 0);
    teardown(f);
}

Test(piix4_pm, timer_counts_and_overflows)
{
    struct fixture *f = setup();
    open_pm(f);
    chip_run(f->bench, 1000000000);
    cr_assert_eq(port_in(f, 0x608, 4), 3579545);
    uint64_t half_ns = ((uint64_t)(1 << 23) * 1000000000 + 3579544) / 3579545;
    chip_run(f->bench, half_ns - 1000000000 - 1);
    cr_assert_eq(port_in(f, 0x600, 2) & 1, 0);
    chip_run(f->bench, 1);
    cr_assert_eq(port_in(f, 0x600, 2) & 1, 1);
    cr_assert(!f->bench->level[SCI]);
    port_out(f, 0x602, 2, 1);
    cr_assert(!f->bench->level[SCI], "SCI_EN is off");
    port_out(f, 0xB2, 1, PIIX4_ACPI_ENABLE);
    cr_assert_eq(port_in(f, 0x604, 2) & 1, 1);
    cr_assert(f->bench->level[SCI]);
    port_out(f, 0x600, 2, 1);
    cr_assert(!f->bench->level[SCI]);
    chip_run(f->bench, half_ns);
    cr_assert(f->bench->level[SCI]);
    port_out(f, 0xB2, 1, PIIX4_ACPI_DISABLE);
    cr_assert(!f->bench->level[SCI]);
    cr_assert_eq(port_in(f, 0x604, 2) & 1, 0);
    teardown(f);
}

Test(piix4_pm, power_button_and_soft_off)
{
    struct fixture *f = setup();
    open_pm(f);
    port_out(f, 0xB2, 1, PIIX4_ACPI_ENABLE);
    port_out(f, 0x602, 2, 0x100);
    piix4_pm_power_button(f->pm);
    cr_assert(f->bench->level[SCI]);
    port_out(f, 0x600, 2, 0x100);
    cr_assert(!f->bench->level[SCI]);
    port_out(f, 0x604, 2, 0x3401); /* another sleep type */
    cr_assert_eq(f->power_offs, 0);
    port_out(f, 0x604, 2, 0x0001);
    cr_assert_eq(f->power_offs, 0);
    port_out(f, 0x604, 2, 0x2001);
    cr_assert_eq(f->power_offs, 1);
    port_out(f, 0x605, 1, 0x20);
    cr_assert_eq(f->power_offs, 2);
    cr_assert_eq(port_in(f, 0x604, 2), 1, "SLP_EN reads as zero");
    teardown(f);
}

Test(chipset, random_configuration_and_ports)
{
    struct fixture *f = setup();
    uint64_t seed = 11;
    for (int i = 0; i < 100000; i++) {
        unsigned slot = chip_random(&seed) % 3, function = chip_random(&seed) % 4,
                 reg = chip_random(&seed) & 0xFF;
        unsigned size = 1u << (chip_random(&seed) % 3);
        if ((reg & 3) + size > 4)
            continue;
        if (chip_random(&seed) & 1)
            config_out(f, slot, function, reg, size, chip_random(&seed));
        else
            config_in(f, slot, function, reg, size);
        piix3_pirq(f->isa, chip_random(&seed) & 3, chip_random(&seed) & 1);
        if (i % 16 == 0) {
            struct device *const devices[] = {f->host, f->isa, f->pm};
            chip_fuzz(f->bench, devices[chip_random(&seed) % 3], 4, chip_random(&seed));
        }
    }
    f->host->cls->reset(f->host);
    f->isa->cls->reset(f->isa);
    f->pm->cls->reset(f->pm);
    cr_assert_eq(config_in(f, 0, 0, 0, 4), 0x12378086);
    teardown(f);
}

/* ---- DMA register file ---- */

Test(i8237, address_and_count_by_byte_pointer)
{
    struct chip_bench *bench = chip_create();
    struct device *dma = i8237_create(&bench->env);
    io_map(&bench->ports, dma, I8237_WINDOW_FIRST, 0);
    io_map(&bench->ports, dma, I8237_WINDOW_PAGES, 0x80);
    io_map(&bench->ports, dma, I8237_WINDOW_SECOND, 0xC0);
    chip_out(bench, 0x0C, 0);
    chip_out(bench, 0x02, 0x34);
    chip_out(bench, 0x02, 0x12);
    cr_assert_eq(chip_in(bench, 0x02), 0x34);
    cr_assert_eq(chip_in(bench, 0x02), 0x12);
    chip_out(bench, 0xC6, 0x78);
    chip_out(bench, 0x0D, 0); /* of the other controller */
    chip_out(bench, 0xC6, 0x56);
    cr_assert_eq(chip_in(bench, 0xC6), 0x78);
    cr_assert_eq(chip_in(bench, 0xC6), 0x56);
    cr_assert_eq(chip_in(bench, 0x0F), 0xFF);
    chip_out(bench, 0x0A, 0x02);
    cr_assert_eq(chip_in(bench, 0x0F), 0xFB);
    chip_out(bench, 0x0E, 0);
    cr_assert_eq(chip_in(bench, 0x0F), 0xF0);
    chip_out(bench, 0x09, 0x05);
    cr_assert_eq(chip_in(bench, 0x08), 0x02);
    cr_assert_eq(chip_in(bench, 0x08), 0x00);
    chip_out(bench, 0x80, 0x42);
    cr_assert_eq(i8237_post_code(dma), 0x42);
    cr_assert_eq(chip_in(bench, 0x80), 0x42);
    chip_fuzz(bench, dma, 20000, 1);
    chip_destroy(bench, dma);
}

/* ---- Debug ports ---- */

static void note_exit(void *ctx, uint32_t value)
{
    *(uint32_t *)ctx = value;
}

Test(debug_ports, exit_and_console)
{
    struct chip_bench *bench = chip_create();
    uint32_t value = 0;
    const struct debug_ports_config config = {.exit = note_exit, .ctx = &value};
    struct device *ports = debug_ports_create(&bench->env, &config);
    io_map(&bench->ports, ports, DEBUG_PORTS_WINDOW_EXIT, 0x501);
    io_map(&bench->ports, ports, DEBUG_PORTS_WINDOW_CONSOLE, 0xE9);
    cr_assert_eq(chip_in(bench, 0xE9), 0xE9);
    chip_out(bench, 0xE9, 'x');
    chip_out(bench, 0x501, 0x21);
    cr_assert_eq(value, 0x21);
    chip_fuzz(bench, ports, 1000, 1);
    chip_destroy(bench, ports);
}

/* ---- Firmware configuration ---- */

static struct device *fw_setup(struct chip_bench *bench)
{
    struct device *cfg = fw_cfg_create(&bench->env);
    io_map(&bench->ports, cfg, FW_CFG_WINDOW_IO, 0x510);
    io_map(&bench->ports, cfg, FW_CFG_WINDOW_DMA, 0x514);
    cr_assert(fw_cfg_add_file(cfg, "etc/one", "first", 5));
    cr_assert(fw_cfg_add_file(cfg, "etc/two", "second", 6));
    return cfg;
}

static void fw_read(struct chip_bench *bench, uint16_t key, void *to, size_t size)
{
    io_write(&bench->ports, 0x510, 2, key);
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)to)[i] = chip_in(bench, 0x511);
}

static uint32_t be32(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

Test(fw_cfg, signature_directory_and_files)
{
    struct chip_bench *bench = chip_create();
    struct device *cfg = fw_setup(bench);
    uint8_t bytes[256];
    fw_read(bench, FW_CFG_SIGNATURE, bytes, 6);
    cr_assert(memcmp(bytes, "QEMU\0", 6) == 0);
    fw_read(bench, FW_CFG_FILE_DIR, bytes, 4 + 2 * 64);
    cr_assert_eq(be32(bytes), 2);
    cr_assert_eq(be32(bytes + 4), 5);
    cr_assert_str_eq((const char *)bytes + 12, "etc/one");
    uint16_t key = (uint16_t)(bytes[4 + 64 + 4] << 8 | bytes[4 + 64 + 5]);
    cr_assert_str_eq((const char *)bytes + 4 + 64 + 8, "etc/two");
    fw_read(bench, key, bytes, 8);
    cr_assert(memcmp(bytes, "second\0", 8) == 0);
    cr_assert(fw_cfg_add_file(cfg, "etc/two", "2", 1));
    fw_read(bench, key, bytes, 2);
    cr_assert(memcmp(bytes, "2", 2) == 0);
    cr_assert(!fw_cfg_add_file(cfg, "a-name-that-is-much-too-long-for-the-directory-of-the-device", "", 0));
    fw_read(bench, 0xFFFF, bytes, 2);
    cr_assert_eq(bytes[0], 0);
    chip_destroy(bench, cfg);
}

static void dma(struct chip_bench *bench, uint32_t control, uint32_t length, uint32_t address)
{
    const uint32_t words[4] = {control, length, 0, address};
    for (unsigned i = 0; i < 4; i++)
        for (unsigned k = 0; k < 4; k++)
            bench->ram[0x100 + 4 * i + k] = (uint8_t)(words[i] >> (24 - 8 * k));
    io_write(&bench->ports, 0x514, 4, 0);
    io_write(&bench->ports, 0x518, 4, __builtin_bswap32(0x100));
}

Test(fw_cfg, dma_reads_skips_and_refuses_writes)
{
    struct chip_bench *bench = chip_create();
    struct device *cfg = fw_setup(bench);
    cr_assert_eq(io_read(&bench->ports, 0x514, 4), 0x554D4551); /* "QEMU" */
    memset(bench->ram, 0xEE, sizeof bench->ram);
    dma(bench, 0x20 << 16 | 8 | 2, 8, 0x1000); /* select the first file, read */
    cr_assert(memcmp(bench->ram + 0x1000, "first\0\0\0\xEE", 9) == 0);
    cr_assert_eq(be32(bench->ram + 0x100), 0);
    dma(bench, 0x20 << 16 | 8 | 4, 2, 0);
    dma(bench, 2, 3, 0x2000);
    cr_assert(memcmp(bench->ram + 0x2000, "rst\xEE", 4) == 0);
    dma(bench, 0x20 << 16 | 8 | 16, 2, 0x2000);
    cr_assert_eq(be32(bench->ram + 0x100), 1);
    dma(bench, 0x20 << 16 | 8 | 2, 0xFFFFFFFF, 0); /* absurd length: bounded */
    chip_fuzz(bench, cfg, 2000, 1);
    chip_destroy(bench, cfg);
}
