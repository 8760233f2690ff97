/* Inside of the board: shared by board_pc.c (wiring) and board_firmware.c (what a BIOS does). */
#ifndef CROSSPAGE_VMM_BOARD_PRIV_H
#define CROSSPAGE_VMM_BOARD_PRIV_H

#include "devices/piix3.h"
#include "vmm/board_pc.h"

enum board_device_index {
#define DEVICE(name, create) BOARD_DEVICE_##name,
#include "vmm/devices.def"
#undef DEVICE
    BOARD_DEVICE_COUNT
};

enum { ISA_IRQS = 16 };

/* Who may hold an ISA interrupt line active; the line is the OR of them. */
enum irq_source {
    IRQ_SOURCE_ISA,
    IRQ_SOURCE_ISA_SECOND, /* COM3 and COM4 share the lines of COM1 and COM2 */
    IRQ_SOURCE_BRIDGE,     /* PIRQs routed here, FERR# */
    IRQ_SOURCE_SCI,
};

struct board_pc {
    struct board_config config;
    struct board_outputs outputs;
    void *outputs_ctx;
    struct device_env env;
    struct io_space ports, memory;
    struct pci_bus pci;
    struct device *fixed[BOARD_DEVICE_COUNT]; /* of devices.def; NULL = left out */
    struct device **all;                      /* fixed ones, then adopted ones */
    unsigned count, capacity;
    uint8_t irq_sources[ISA_IRQS];      /* bit per enum irq_source; follows the devices' outputs */
    uint32_t pirq_sources[PIIX3_PIRQS]; /* bit per PCI slot */
    uint64_t apic_base;                 /* where the local APIC is mapped, 0 = not */
    bool intr;                          /* what outputs.intr was last told */
    gpa_t rsdp;
};

/* Which PIRQ input the pin (1 = INTA#) of a PCI slot is wired to; the ACPI tables say the same. */
static inline unsigned board_pirq(unsigned slot, unsigned pin)
{
    return (slot + pin - 2) & (PIIX3_PIRQS - 1);
}

/* All rows of devices.def, in order (board_devices.c). */
void board_create_devices(struct board_pc *board);

struct irq_wire board_irq_wire(struct board_pc *board, unsigned irq, enum irq_source source);

#endif
