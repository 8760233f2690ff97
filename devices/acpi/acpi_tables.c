/* ACPI tables of the board: RSDP, RSDT, XSDT, FADT, FACS, MADT around the compiled DSDT (dsdt.asl).
 *
 * Source: ACPI specification 2.0, chapter 5, in the text "ACPI"; revision 3 of the FADT is the one of that
 * specification. The tables lie one behind the other:
 *
 *   RSDP | RSDT | XSDT | FADT | FACS (64-byte aligned) | DSDT | MADT
 *
 * The compiler's name and version in the DSDT's header are replaced, so that the bytes in memory do not
 * depend on who wrote them there.
 *
 * Left out: SSDTs, HPET and MCFG (the board has neither), sleep states other than S5. */
#include "devices/acpi/acpi_tables.h"

#include "devices/acpi/dsdt_aml.h"
#include "devices/acpi/table_writer.h"
#include "devices/piix4_pm.h"

enum {
    HEADER_LENGTH = 4, /* offsets in a table header */
    HEADER_CHECKSUM = 9,
    HEADER_OEM = 10,
    HEADER_CREATOR = 28,
    HEADER_SIZE = 36,

    RSDP_SIZE = 36,
    RSDP_V1_SIZE = 20,
    FACS_SIZE = 64,
    FADT_SIZE = 244,
    POINTERS = 2, /* FADT and MADT; the DSDT hangs off the FADT */

    PM1_EVENT_LENGTH = 4,
    PM1_CONTROL_LENGTH = 2,
    PM_TIMER_LENGTH = 4,
    GPE_LENGTH = 4,

    LATENCY_NONE = 0x0FFF, /* above the limit: no C2, no C3 */
    CMOS_CENTURY = 0x32,
    BOOT_LEGACY_DEVICES = 1 << 0,
    BOOT_8042 = 1 << 1,
    FADT_WBINVD = 1 << 0,
    FADT_PROC_C1 = 1 << 2,
    FADT_NO_SLEEP_BUTTON = 1 << 5,
    FADT_NO_FIXED_RTC = 1 << 6,
    FADT_RESET_REGISTER = 1 << 10,
    RESET_PORT = 0xCF9,
    RESET_VALUE = 0x06,
    GAS_IO = 1,

    MADT_PCAT = 1, /* a pair of 8259s is there too */
    MADT_LAPIC = 0,
    MADT_IOAPIC = 1,
    MADT_OVERRIDE = 2,
    MADT_LAPIC_NMI = 4,
    FLAGS_LEVEL_HIGH = 0x0D,
};

/* Ids of maker and program, padded as the fields are. */
static const char oem_id[6] = "CROSSP", oem_table_id[8] = "CROSSPC ", creator_id[4] = "CRSP";

static void header(struct table *table, const char signature[4], uint8_t revision)
{
    table->size = 0;
    table_bytes(table, signature, 4);
    table_u32(table, 0); /* length and checksum: finish() */
    table_u8(table, revision);
    table_u8(table, 0);
    table_bytes(table, oem_id, sizeof oem_id);
    table_bytes(table, oem_table_id, sizeof oem_table_id);
    table_u32(table, 1);
    table_bytes(table, creator_id, sizeof creator_id);
    table_u32(table, 1);
}

static void finish(struct table *table)
{
    table_patch(table, HEADER_LENGTH, table->size, 4);
    table_checksum(table, HEADER_CHECKSUM, table->size);
}

/* Generic address structure of an I/O port; length 0 = not there. */
static void gas(struct table *table, uint16_t port, uint8_t length)
{
    table_u8(table, length ? GAS_IO : 0);
    table_u8(table, (uint8_t)(length * 8));
    table_u8(table, 0);
    table_u8(table, 0);
    table_int(table, length ? port : 0, 8);
}

/* ACPI table 5-8, in its order. */
static void build_fadt(struct table *table, const struct firmware_tables_config *config, uint32_t facs,
                       uint32_t dsdt)
{
    uint16_t pm = config->pm_base;
    header(table, "FACP", 3);
    table_u32(table, facs);
    table_u32(table, dsdt);
    table_u8(table, 0);
    table_u8(table, 0); /* preferred profile: unspecified */
    table_u16(table, config->sci);
    table_u32(table, config->smi_command);
    table_u8(table, config->acpi_enable);
    table_u8(table, config->acpi_disable);
    table_u8(table, 0); /* S4BIOS */
    table_u8(table, 0); /* P-state control */
    table_u32(table, pm + PIIX4_PM1_EVENT);
    table_u32(table, 0);
    table_u32(table, pm + PIIX4_PM1_CONTROL);
    table_u32(table, 0);
    table_u32(table, 0); /* PM2 */
    table_u32(table, pm + PIIX4_PM_TIMER);
    table_u32(table, pm + PIIX4_GPE);
    table_u32(table, 0);
    table_u8(table, PM1_EVENT_LENGTH);
    table_u8(table, PM1_CONTROL_LENGTH);
    table_u8(table, 0);
    table_u8(table, PM_TIMER_LENGTH);
    table_u8(table, GPE_LENGTH);
    table_zeros(table, 3); /* GPE1 length and base, C-state control */
    table_u16(table, LATENCY_NONE);
    table_u16(table, LATENCY_NONE);
    table_zeros(table, 2 + 2 + 1 + 1); /* cache flush size and stride, duty offset and width */
    table_zeros(table, 2);             /* no day or month alarm */
    table_u8(table, CMOS_CENTURY);
    table_u16(table, BOOT_LEGACY_DEVICES | BOOT_8042);
    table_u8(table, 0);
    table_u32(table,
              FADT_WBINVD | FADT_PROC_C1 | FADT_NO_SLEEP_BUTTON | FADT_NO_FIXED_RTC | FADT_RESET_REGISTER);
    gas(table, RESET_PORT, 1);
    table_u8(table, RESET_VALUE);
    table_zeros(table, 3);
    table_int(table, 0, 8); /* the 32-bit FACS pointer counts */
    table_int(table, dsdt, 8);
    gas(table, pm + PIIX4_PM1_EVENT, PM1_EVENT_LENGTH);
    gas(table, 0, 0);
    gas(table, pm + PIIX4_PM1_CONTROL, PM1_CONTROL_LENGTH);
    gas(table, 0, 0);
    gas(table, 0, 0);
    gas(table, pm + PIIX4_PM_TIMER, PM_TIMER_LENGTH);
    gas(table, pm + PIIX4_GPE, GPE_LENGTH);
    gas(table, 0, 0);
    CHECK(table->size == FADT_SIZE);
    finish(table);
}

static void madt_override(struct table *table, uint8_t irq, uint32_t gsi, uint16_t flags)
{
    table_u8(table, MADT_OVERRIDE);
    table_u8(table, 10);
    table_u8(table, 0); /* ISA */
    table_u8(table, irq);
    table_u32(table, gsi);
    table_u16(table, flags);
}

/* ISA interrupts are pins of the same number, edge triggered, except the timer on pin 2 and those that the
 * SCI and the PCI links use, which are level triggered. */
static void build_madt(struct table *table, const struct firmware_tables_config *config)
{
    static const uint8_t link_irqs[] = {5, 10, 11};
    header(table, "APIC", 1);
    table_u32(table, config->lapic_base);
    table_u32(table, MADT_PCAT);
    table_u8(table, MADT_LAPIC);
    table_u8(table, 8);
    table_u8(table, 0); /* processor _UID */
    table_u8(table, 0); /* APIC id */
    table_u32(table, 1);
    table_u8(table, MADT_IOAPIC);
    table_u8(table, 12);
    table_u8(table, config->ioapic_id);
    table_u8(table, 0);
    table_u32(table, config->ioapic_base);
    table_u32(table, 0); /* first global interrupt */
    madt_override(table, 0, 2, 0);
    madt_override(table, link_irqs[0], link_irqs[0], FLAGS_LEVEL_HIGH);
    madt_override(table, config->sci, config->sci, FLAGS_LEVEL_HIGH);
    madt_override(table, link_irqs[1], link_irqs[1], FLAGS_LEVEL_HIGH);
    madt_override(table, link_irqs[2], link_irqs[2], FLAGS_LEVEL_HIGH);
    table_u8(table, MADT_LAPIC_NMI);
    table_u8(table, 6);
    table_u8(table, 0xFF); /* all processors */
    table_u16(table, 0);
    table_u8(table, 1); /* LINT1 */
    finish(table);
}

static void build_dsdt(struct table *table)
{
    table->size = 0;
    table_bytes(table, dsdt_aml, dsdt_aml_size);
    memcpy(table->bytes + HEADER_OEM, oem_id, sizeof oem_id);
    memcpy(table->bytes + HEADER_CREATOR, creator_id, sizeof creator_id);
    table_patch(table, HEADER_CREATOR + 4, 1, 4);
    finish(table);
}

static void build_facs(struct table *table)
{
    table->size = 0;
    table_bytes(table, "FACS", 4);
    table_u32(table, FACS_SIZE);
    table_zeros(table, FACS_SIZE - 8);
    table->bytes[32] = 1; /* version */
}

/* RSDT and XSDT differ in the width of their pointers. */
static void build_root(struct table *table, const char signature[4], size_t width, const uint32_t *pointers,
                       size_t count)
{
    header(table, signature, 1);
    for (size_t i = 0; i < count; i++)
        table_int(table, pointers[i], width);
    finish(table);
}

static void build_rsdp(struct table *table, uint32_t rsdt, uint32_t xsdt)
{
    enum { CHECKSUM = 8, EXTENDED_CHECKSUM = 32 };
    table->size = 0;
    table_bytes(table, "RSD PTR ", 8);
    table_u8(table, 0);
    table_bytes(table, oem_id, sizeof oem_id);
    table_u8(table, 2);
    table_u32(table, rsdt);
    table_u32(table, RSDP_SIZE);
    table_int(table, xsdt, 8);
    table_zeros(table, 4);
    table_checksum(table, CHECKSUM, RSDP_V1_SIZE);
    table_checksum(table, EXTENDED_CHECKSUM, RSDP_SIZE);
}

/* Where the next table goes; ACPI wants the FACS on 64 bytes, the others are happy with it. */
static uint32_t place(uint32_t *next, size_t size)
{
    uint32_t at = *next;
    *next = (uint32_t)(at + size + 63) & ~UINT32_C(63);
    return at;
}

gpa_t acpi_tables_install(const struct firmware_tables_config *config, gpa_t at, firmware_write_fn *write,
                          void *ctx)
{
    struct table table;
    size_t count = config->apic ? POINTERS : 1;
    uint32_t next = (uint32_t)at.v, pointers[POINTERS] = {0};
    uint32_t rsdp = place(&next, RSDP_SIZE);
    uint32_t rsdt = place(&next, HEADER_SIZE + 4 * count);
    uint32_t xsdt = place(&next, HEADER_SIZE + 8 * count);
    uint32_t fadt = place(&next, FADT_SIZE);
    uint32_t facs = place(&next, FACS_SIZE);
    uint32_t dsdt = place(&next, dsdt_aml_size);

    build_fadt(&table, config, facs, dsdt);
    write(ctx, gpa(fadt), table.bytes, table.size);
    pointers[0] = fadt;
    build_facs(&table);
    write(ctx, gpa(facs), table.bytes, table.size);
    build_dsdt(&table);
    write(ctx, gpa(dsdt), table.bytes, table.size);
    if (config->apic) {
        build_madt(&table, config);
        pointers[1] = place(&next, table.size);
        write(ctx, gpa(pointers[1]), table.bytes, table.size);
    }
    build_root(&table, "RSDT", 4, pointers, count);
    write(ctx, gpa(rsdt), table.bytes, table.size);
    build_root(&table, "XSDT", 8, pointers, count);
    write(ctx, gpa(xsdt), table.bytes, table.size);
    build_rsdp(&table, rsdt, xsdt);
    write(ctx, gpa(rsdp), table.bytes, table.size);
    CHECK(next - at.v <= ACPI_TABLES_MAX);
    return gpa(rsdp);
}
