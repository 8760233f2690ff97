/* Address spaces: splitting, widening, overlap, remapping; PCI configuration: header, BARs, decoding. */
#include "chip_bench.h"

#include "base/check.h"
#include "devices/pci.h"

#include <criterion/criterion.h>
#include <stdlib.h>

/* A device that remembers its last access and answers with a pattern. */
struct probe {
    struct device device;
    struct {
        struct pci_config config;
    } state;
    struct pci_function function;
    unsigned accesses;
    uint32_t offset;
    unsigned size;
    uint64_t value;
};

static uint64_t probe_read(struct device *device, uint32_t offset, unsigned size)
{
    struct probe *probe = CONTAINER_OF(device, struct probe, device);
    probe->accesses++;
    probe->offset = offset;
    probe->size = size;
    return UINT64_C(0x8877665544332211) >> (8 * (offset & 7));
}

static void probe_write(struct device *device, uint32_t offset, unsigned size, uint64_t value)
{
    struct probe *probe = CONTAINER_OF(device, struct probe, device);
    probe->accesses++;
    probe->offset = offset;
    probe->size = size;
    probe->value = value;
}

static const struct io_window probe_windows[] = {
    {"bytes", 16, 1, 1, probe_read, probe_write},
    {"any", 16, 1, 4, probe_read, probe_write},
    {"dwords", 16, 4, 4, probe_read, probe_write},
};
static const struct device_class probe_class = {.name = "probe",
                                                .windows = probe_windows,
                                                .window_count = 3,
                                                .state_offset = offsetof(struct probe, state)};

static struct probe *probe_create(struct chip_bench *bench)
{
    struct probe *probe = xcalloc(1, sizeof *probe);
    device_init(&probe->device, &probe_class, &bench->env, 0);
    return probe;
}

Test(bus, accesses_are_split_and_widened_as_the_window_says)
{
    struct chip_bench *bench = chip_create();
    struct probe *probe = probe_create(bench);
    static const struct {
        unsigned window, offset, size, accesses;
        uint64_t value;
    } rows[] = {
        {0, 0, 1, 1, 0x11},       {0, 0, 4, 4, 0x44332211}, {1, 0, 4, 1, 0x44332211}, {1, 0, 8, 2, 0},
        {1, 2, 4, 2, 0x66554433}, {1, 1, 4, 3, 0x55443322}, {2, 1, 1, 1, 0x22},       {2, 2, 2, 1, 0x4433},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        io_map(&bench->ports, &probe->device, rows[i].window, 0x100);
        probe->accesses = 0;
        uint64_t value = io_read(&bench->ports, 0x100 + rows[i].offset, rows[i].size);
        if (rows[i].value)
            cr_assert_eq(value, rows[i].value, "row %u: %llx", i, (unsigned long long)value);
        cr_assert_eq(probe->accesses, rows[i].accesses, "row %u", i);
        io_unmap(&bench->ports, &probe->device, rows[i].window);
    }
    chip_destroy(bench, NULL);
    free(probe);
}

Test(bus, unclaimed_reads_as_ones_and_short_writes_are_dropped)
{
    struct chip_bench *bench = chip_create();
    struct probe *probe = probe_create(bench);
    io_map_part(&bench->ports, &probe->device, 1, 0x100, 4, 2);
    cr_assert_eq(io_read(&bench->ports, 0x100, 4), 0xFFFF6655);
    cr_assert_eq(io_read(&bench->ports, 0x200, 2), 0xFFFF);
    io_write(&bench->ports, 0x200, 4, 1);
    io_map(&bench->ports, &probe->device, 2, 0x300);
    probe->accesses = 0;
    io_write(&bench->ports, 0x300, 2, 1);
    cr_assert_eq(probe->accesses, 0);
    io_write(&bench->ports, 0x300, 4, 0x12345678);
    cr_assert_eq(probe->value, 0x12345678);
    chip_destroy(bench, NULL);
    free(probe);
}

Test(bus, the_mapping_visible_at_the_first_byte_gets_the_access)
{
    struct chip_bench *bench = chip_create();
    struct probe *wide = probe_create(bench), *narrow = probe_create(bench);
    io_map_part(&bench->ports, &wide->device, 1, 0xCF8, 0, 8);
    io_map_part(&bench->ports, &narrow->device, 0, 0xCF9, 0, 1);
    io_write(&bench->ports, 0xCF8, 4, 0x80000000);
    cr_assert_eq(wide->size, 4);
    cr_assert_eq(narrow->accesses, 0);
    io_write(&bench->ports, 0xCF9, 1, 6);
    cr_assert_eq(narrow->value, 6);
    cr_assert_eq(wide->accesses, 1);
    io_unmap(&bench->ports, &narrow->device, 0);
    io_write(&bench->ports, 0xCF9, 1, 6);
    cr_assert_eq(wide->accesses, 2);
    chip_destroy(bench, NULL);
    free(wide);
    free(narrow);
}

static const struct pci_bar probe_bars[] = {{PCI_BAR_IO, 16, 1, 0}, {PCI_BAR_MEM32, 4096, 2, 1}};
static const struct pci_class probe_pci = {.vendor = 0x1234,
                                           .device = 0x5678,
                                           .class_code = 0x020000,
                                           .interrupt_pin = 1,
                                           .bars = probe_bars,
                                           .bar_count = 2};

Test(pci, bars_size_and_decode)
{
    struct chip_bench *bench = chip_create();
    struct probe *probe = probe_create(bench);
    struct pci_bus bus;
    pci_bus_init(&bus, &bench->ports, &bench->memory, &bench->log);
    probe->function =
        (struct pci_function){.device = &probe->device, .cls = &probe_pci, .config = &probe->state.config};
    pci_attach(&bus, &probe->function, 3, 0);

    cr_assert_eq(pci_config_read(&bus, 3, 0, 0, 4), 0x56781234);
    cr_assert_eq(pci_config_read(&bus, 4, 0, 0, 4), 0xFFFFFFFF);
    cr_assert_eq(pci_config_read(&bus, 3, 0, 8, 4), 0x02000000);
    pci_config_write(&bus, 3, 0, 0, 4, 0); /* read only */
    cr_assert_eq(pci_config_read(&bus, 3, 0, 0, 4), 0x56781234);

    pci_config_write(&bus, 3, 0, 0x10, 4, 0xFFFFFFFF);
    cr_assert_eq(pci_config_read(&bus, 3, 0, 0x10, 4), 0xFFFFFFF1);
    pci_config_write(&bus, 3, 0, 0x14, 4, 0xFFFFFFFF);
    cr_assert_eq(pci_config_read(&bus, 3, 0, 0x14, 4), 0xFFFFF000);
    cr_assert_eq(pci_config_read(&bus, 3, 0, 0x18, 4), 0);

    pci_config_write(&bus, 3, 0, 0x10, 4, 0xC001);
    cr_assert_eq(io_read(&bench->ports, 0xC000, 1), 0xFF);
    pci_config_write(&bus, 3, 0, 4, 2, 1);
    cr_assert_eq(io_read(&bench->ports, 0xC000, 1), 0x11);
    pci_config_write(&bus, 3, 0, 0x10, 4, 0xD001);
    cr_assert_eq(io_read(&bench->ports, 0xC000, 1), 0xFF);
    cr_assert_eq(io_read(&bench->ports, 0xD000, 1), 0x11);
    pci_config_write(&bus, 3, 0, 4, 2, 0);
    cr_assert_eq(io_read(&bench->ports, 0xD000, 1), 0xFF);
    pci_function_reset(&probe->function);
    cr_assert_eq(pci_config_read(&bus, 3, 0, 0x10, 4), 1);
    chip_destroy(bench, NULL);
    free(probe);
}
