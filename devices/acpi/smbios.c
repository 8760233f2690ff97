/* SMBIOS tables: the machine's name, its processor and memory, for kernels that print or match them.
 *
 * Source: DMTF DSP0134 System Management BIOS reference specification 2.4, in the text "SM". Structures: BIOS
 * (0), system (1), enclosure (3), processor (4), physical memory array (16), memory device (17), its mapped
 * address (19), boot information (32), end (127).
 *
 * The BIOS date is a constant after 2008: kernels distrust ACPI resources of older firmware. */
#include "devices/acpi/acpi_tables.h"

#include "devices/acpi/table_writer.h"

enum {
    ENTRY_SIZE = 0x1F,
    ENTRY_CHECKSUM = 0x04,
    ENTRY_DMI = 0x10,
    ENTRY_DMI_CHECKSUM = 0x15,

    TYPE_BIOS = 0,
    TYPE_SYSTEM = 1,
    TYPE_ENCLOSURE = 3,
    TYPE_PROCESSOR = 4,
    TYPE_MEMORY_ARRAY = 16,
    TYPE_MEMORY_DEVICE = 17,
    TYPE_MEMORY_ADDRESS = 19,
    TYPE_BOOT = 32,
    TYPE_END = 127,

    UNKNOWN = 2,
    OTHER = 1,
    NONE16 = 0xFFFE, /* no error information provided */
    FEATURES_UNKNOWN = 1 << 2,
};

struct smbios {
    struct table table;
    unsigned count, largest;
    size_t start; /* of the structure being built */
};

static void begin(struct smbios *smbios, uint8_t type, uint8_t length)
{
    smbios->start = smbios->table.size;
    table_u8(&smbios->table, type);
    table_u8(&smbios->table, length);
    table_u16(&smbios->table, (uint16_t)(type << 8)); /* handle */
}

/* Check the formatted length, append the strings (numbered from 1 in the structure) and the final zero. */
static void end(struct smbios *smbios, const char *const *strings)
{
    struct table *table = &smbios->table;
    CHECK(table->size - smbios->start == table->bytes[smbios->start + 1]);
    for (unsigned i = 0; strings[i] != NULL; i++)
        table_bytes(table, strings[i], strlen(strings[i]) + 1);
    table_zeros(table, strings[0] == NULL ? 2 : 1);
    size_t size = table->size - smbios->start;
    smbios->count++;
    if (size > smbios->largest)
        smbios->largest = (unsigned)size;
}

static void machine(struct smbios *smbios)
{
    static const char *const bios[] = {"crosspage", "1.0", "01/01/2020", NULL};
    static const char *const system[] = {"crosspage", "Standard PC (i440FX + PIIX)", "1", NULL};
    static const char *const enclosure[] = {"crosspage", NULL};
    struct table *table = &smbios->table;
    begin(smbios, TYPE_BIOS, 0x18);
    table_u8(table, 1);
    table_u8(table, 2);
    table_u16(table, 0xE000); /* segment */
    table_u8(table, 3);
    table_u8(table, 1);                          /* ROM size: 128 KB */
    table_int(table, 1 << 7 | 1 << 4, 8);        /* PCI and ISA */
    table_u16(table, 1 | FEATURES_UNKNOWN << 8); /* ACPI; targeted content distribution */
    table_u8(table, 1);
    table_u8(table, 0);
    table_u16(table, 0xFFFF); /* embedded controller: none */
    end(smbios, bios);

    begin(smbios, TYPE_SYSTEM, 0x1B);
    table_u8(table, 1);
    table_u8(table, 2);
    table_u8(table, 3);
    table_zeros(table, 1 + 16); /* no serial number, no UUID */
    table_u8(table, 6);         /* wake-up: power switch */
    table_zeros(table, 2);
    end(smbios, system);

    begin(smbios, TYPE_ENCLOSURE, 0x0D);
    table_u8(table, 1);
    table_u8(table, 3); /* desktop */
    table_zeros(table, 3);
    for (unsigned i = 0; i < 4; i++)
        table_u8(table, i < 3 ? 3 : UNKNOWN); /* states safe; security unknown */
    end(smbios, enclosure);
}

static void processor(struct smbios *smbios, const struct firmware_tables_config *config)
{
    static const char *const strings[] = {"CPU 0", NULL};
    struct table *table = &smbios->table;
    begin(smbios, TYPE_PROCESSOR, 0x23);
    table_u8(table, 1);
    table_u8(table, 3); /* central processor */
    table_u8(table, OTHER);
    table_u8(table, 0);
    table_u32(table, config->cpu_signature);
    table_u32(table, config->cpu_features);
    table_zeros(table, 1 + 1 + 2); /* version, voltage, external clock */
    table_zeros(table, 2 + 2);     /* speeds unknown */
    table_u8(table, 0x41);         /* socket populated, enabled */
    table_u8(table, UNKNOWN);
    for (unsigned i = 0; i < 3; i++)
        table_u16(table, 0xFFFF); /* no cache information */
    table_zeros(table, 3);
    end(smbios, strings);
}

static void memory(struct smbios *smbios, const struct firmware_tables_config *config)
{
    static const char *const none[] = {NULL};
    static const char *const device[] = {"DIMM 0", NULL};
    struct table *table = &smbios->table;
    uint32_t megabytes = (uint32_t)(config->ram_bytes >> 20);
    begin(smbios, TYPE_MEMORY_ARRAY, 0x0F);
    table_u8(table, 3); /* on the system board */
    table_u8(table, 3); /* system memory */
    table_u8(table, 3); /* no error correction */
    table_u32(table, megabytes << 10);
    table_u16(table, NONE16);
    table_u16(table, 1);
    end(smbios, none);

    begin(smbios, TYPE_MEMORY_DEVICE, 0x1B);
    table_u16(table, TYPE_MEMORY_ARRAY << 8);
    table_u16(table, NONE16);
    table_u16(table, 64);
    table_u16(table, 64);
    table_u16(table, megabytes < 0x7FFF ? (uint16_t)megabytes : 0x7FFF);
    table_u8(table, 9); /* DIMM */
    table_u8(table, 0);
    table_u8(table, 1);
    table_u8(table, 0);
    table_u8(table, UNKNOWN);
    table_u16(table, UNKNOWN << 1);
    table_zeros(table, 2 + 4);
    end(smbios, device);

    begin(smbios, TYPE_MEMORY_ADDRESS, 0x0F);
    table_u32(table, 0);
    table_u32(table, (megabytes << 10) - 1);
    table_u16(table, TYPE_MEMORY_ARRAY << 8);
    table_u8(table, 1);
    end(smbios, none);
}

void smbios_tables_install(const struct firmware_tables_config *config, gpa_t at, firmware_write_fn *write,
                           void *ctx)
{
    static const char *const none[] = {NULL};
    struct smbios smbios = {0};
    machine(&smbios);
    processor(&smbios, config);
    memory(&smbios, config);
    begin(&smbios, TYPE_BOOT, 0x0B);
    table_zeros(&smbios.table, 6 + 1); /* no errors detected */
    end(&smbios, none);
    begin(&smbios, TYPE_END, 4);
    end(&smbios, none);
    uint32_t structures = (uint32_t)at.v + 0x20;
    write(ctx, gpa(structures), smbios.table.bytes, smbios.table.size);
    CHECK(0x20 + smbios.table.size <= SMBIOS_TABLES_MAX);

    struct table entry = {0};
    table_bytes(&entry, "_SM_", 4);
    table_u8(&entry, 0);
    table_u8(&entry, ENTRY_SIZE);
    table_u8(&entry, 2);
    table_u8(&entry, 4);
    table_u16(&entry, (uint16_t)smbios.largest);
    table_zeros(&entry, 1 + 5);
    table_bytes(&entry, "_DMI_", 5);
    table_u8(&entry, 0);
    table_u16(&entry, (uint16_t)smbios.table.size);
    table_u32(&entry, structures);
    table_u16(&entry, (uint16_t)smbios.count);
    table_u8(&entry, 0x24);
    CHECK(entry.size == ENTRY_SIZE);
    /* The inner sum covers 0x10..0x1E and comes first, then the outer one covers all. */
    uint8_t sum = 0;
    for (size_t i = ENTRY_DMI; i < ENTRY_SIZE; i++)
        sum = (uint8_t)(sum + entry.bytes[i]);
    entry.bytes[ENTRY_DMI_CHECKSUM] = (uint8_t)(0 - sum);
    table_checksum(&entry, ENTRY_CHECKSUM, ENTRY_SIZE);
    write(ctx, at, entry.bytes, entry.size);
}
