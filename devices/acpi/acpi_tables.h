/* Tables that firmware leaves in memory: ACPI, and the MultiProcessor Specification's for kernels without
 * ACPI. */
#ifndef CROSSPAGE_DEVICES_ACPI_ACPI_TABLES_H
#define CROSSPAGE_DEVICES_ACPI_ACPI_TABLES_H

#include "base/types.h"

enum { FIRMWARE_PIRQS = 4, FIRMWARE_SLOTS = 32 };

/* What the tables say about the board. */
struct firmware_tables_config {
    uint16_t pm_base; /* I/O address of the PIIX4's register block */
    bool apic;        /* there are a local APIC and an I/O APIC */
    uint8_t ioapic_id, ioapic_pins;
    uint32_t lapic_base, ioapic_base; /* guest-physical */
    uint16_t smi_command;             /* port of the ACPI enable and disable commands */
    uint8_t acpi_enable, acpi_disable;
    uint8_t sci;                      /* ISA interrupt of the SCI */
    uint8_t pirq_irq[FIRMWARE_PIRQS]; /* ISA interrupt that each PIRQ is routed to */
    uint64_t ram_bytes;
    uint32_t cpu_signature, cpu_features; /* CPUID.1 EAX and EDX, for the MP table */
};

/* Stores bytes in guest-physical memory. */
typedef void firmware_write_fn(void *ctx, gpa_t addr, const void *from, size_t size);

/* Write the ACPI tables at `at` (16-byte aligned, within 0xE0000..0xFFFFF for kernels that search); at most
 * ACPI_TABLES_MAX bytes. Returns the address of the RSDP. */
enum { ACPI_TABLES_MAX = 0x4000, MP_TABLES_MAX = 0x1000, SMBIOS_TABLES_MAX = 0x1000 };
gpa_t acpi_tables_install(const struct firmware_tables_config *config, gpa_t at, firmware_write_fn *write,
                          void *ctx);

/* Write the MP floating pointer and configuration table at `at`; at most MP_TABLES_MAX bytes. */
void mp_tables_install(const struct firmware_tables_config *config, gpa_t at, firmware_write_fn *write,
                       void *ctx);

/* Write the SMBIOS entry point and structures at `at` (16-byte aligned, within 0xF0000..0xFFFFF); at most
 * SMBIOS_TABLES_MAX bytes. */
void smbios_tables_install(const struct firmware_tables_config *config, gpa_t at, firmware_write_fn *write,
                           void *ctx);

#endif
