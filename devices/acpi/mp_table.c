/* MultiProcessor Specification tables: the floating pointer and the configuration table, for kernels that run
 * without ACPI but use the APICs.
 *
 * Source: Intel MultiProcessor Specification 1.4, chapter 4. One processor, one PCI and one ISA bus, one I/O
 * APIC; ISA interrupts on pins of the same number (the timer on 2), PCI pins on the ISA interrupt that their
 * PIRQ is routed to. */
#include "devices/acpi/acpi_tables.h"

#include "devices/acpi/table_writer.h"

enum {
    FLOATING_SIZE = 16,
    FLOATING_CHECKSUM = 10,
    CONFIG_LENGTH = 4,
    CONFIG_CHECKSUM = 7,
    CONFIG_ENTRY_COUNT = 34,

    ENTRY_PROCESSOR = 0,
    ENTRY_BUS = 1,
    ENTRY_IOAPIC = 2,
    ENTRY_INTERRUPT = 3,
    ENTRY_LOCAL = 4,

    BUS_PCI = 0,
    BUS_ISA = 1,

    CPU_ENABLED = 1,
    CPU_BOOTSTRAP = 2,
    LAPIC_VERSION = 0x14,
    IOAPIC_VERSION = 0x11,

    TYPE_INT = 0,
    TYPE_NMI = 1,
    TYPE_EXTINT = 3,
    FLAGS_BUS = 0, /* polarity and trigger as usual on that bus */
    FLAGS_LEVEL_HIGH = 0xD,
    ALL_APICS = 0xFF,
};

struct mp_builder {
    struct table table;
    unsigned entries;
};

static void bus(struct mp_builder *mp, uint8_t id, const char type[6])
{
    table_u8(&mp->table, ENTRY_BUS);
    table_u8(&mp->table, id);
    table_bytes(&mp->table, type, 6);
    mp->entries++;
}

static void interrupt(struct mp_builder *mp, uint8_t entry, uint8_t type, uint16_t flags, uint8_t source_bus,
                      uint8_t source, uint8_t apic, uint8_t pin)
{
    table_u8(&mp->table, entry);
    table_u8(&mp->table, type);
    table_u16(&mp->table, flags);
    table_u8(&mp->table, source_bus);
    table_u8(&mp->table, source);
    table_u8(&mp->table, apic);
    table_u8(&mp->table, pin);
    mp->entries++;
}

static void processor(struct mp_builder *mp, const struct firmware_tables_config *config)
{
    table_u8(&mp->table, ENTRY_PROCESSOR);
    table_u8(&mp->table, 0);
    table_u8(&mp->table, LAPIC_VERSION);
    table_u8(&mp->table, CPU_ENABLED | CPU_BOOTSTRAP);
    table_u32(&mp->table, config->cpu_signature);
    table_u32(&mp->table, config->cpu_features);
    table_zeros(&mp->table, 8);
    mp->entries++;
}

static void ioapic(struct mp_builder *mp, const struct firmware_tables_config *config)
{
    table_u8(&mp->table, ENTRY_IOAPIC);
    table_u8(&mp->table, config->ioapic_id);
    table_u8(&mp->table, IOAPIC_VERSION);
    table_u8(&mp->table, 1);
    table_u32(&mp->table, config->ioapic_base);
    mp->entries++;
}

/* PCI sources are slot << 2 | pin (0 = INTA#). Interrupts that a PIRQ is routed to are not ISA's. */
static void interrupts(struct mp_builder *mp, const struct firmware_tables_config *config)
{
    uint16_t pci_irqs = 0;
    for (unsigned slot = 1; slot < FIRMWARE_SLOTS; slot++) {
        for (unsigned pin = 0; pin < 4; pin++) {
            uint8_t irq = config->pirq_irq[(slot + pin - 1) % FIRMWARE_PIRQS];
            pci_irqs |= (uint16_t)(1 << irq);
            interrupt(mp, ENTRY_INTERRUPT, TYPE_INT, FLAGS_LEVEL_HIGH, BUS_PCI, (uint8_t)(slot << 2 | pin),
                      config->ioapic_id, irq);
        }
    }
    for (uint8_t irq = 0; irq < 16; irq++)
        if (irq != 2 && !(pci_irqs >> irq & 1))
            interrupt(mp, ENTRY_INTERRUPT, TYPE_INT, irq == config->sci ? FLAGS_LEVEL_HIGH : FLAGS_BUS,
                      BUS_ISA, irq, config->ioapic_id, irq == 0 ? 2 : irq);
    interrupt(mp, ENTRY_LOCAL, TYPE_EXTINT, FLAGS_BUS, BUS_ISA, 0, ALL_APICS, 0);
    interrupt(mp, ENTRY_LOCAL, TYPE_NMI, FLAGS_BUS, BUS_ISA, 0, ALL_APICS, 1);
}

void mp_tables_install(const struct firmware_tables_config *config, gpa_t at, firmware_write_fn *write,
                       void *ctx)
{
    struct mp_builder mp = {0};
    struct table *table = &mp.table;
    table_bytes(table, "_MP_", 4);
    table_u32(table, (uint32_t)at.v + FLOATING_SIZE);
    table_u8(table, 1);    /* length in paragraphs */
    table_u8(table, 4);    /* version 1.4 */
    table_zeros(table, 6); /* checksum; no default configuration; no IMCR: virtual wire mode */
    table_checksum(table, FLOATING_CHECKSUM, FLOATING_SIZE);
    write(ctx, at, table->bytes, table->size);

    table->size = 0;
    table_bytes(table, "PCMP", 4);
    table_u16(table, 0);
    table_u8(table, 4);
    table_u8(table, 0);
    table_bytes(table, "CROSSPAG", 8);
    table_bytes(table, "CROSSPAGEPC ", 12);
    table_zeros(table, 4 + 2 + 2); /* no OEM table; entry count */
    table_u32(table, config->lapic_base);
    table_zeros(table, 4); /* no extended entries */
    processor(&mp, config);
    bus(&mp, BUS_PCI, "PCI   ");
    bus(&mp, BUS_ISA, "ISA   ");
    ioapic(&mp, config);
    interrupts(&mp, config);
    table_patch(table, CONFIG_LENGTH, table->size, 2);
    table_patch(table, CONFIG_ENTRY_COUNT, mp.entries, 2);
    table_checksum(table, CONFIG_CHECKSUM, table->size);
    write(ctx, gpa(at.v + FLOATING_SIZE), table->bytes, table->size);
    CHECK(FLOATING_SIZE + table->size <= MP_TABLES_MAX);
}
