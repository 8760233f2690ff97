/* Inside of the board: shared by board_pc.c (wiring) and board_firmware.c (what a BIOS does). */
#ifndef CROSSPAGE_VMM_BOARD_PRIV_H
#define CROSSPAGE_VMM_BOARD_PRIV_H

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
    IRQ_SOURCE_PIRQ,       /* the ISA bridge, for all PIRQs routed here */
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
    uint8_t irq_sources[ISA_IRQS]; /* bit per enum irq_source; follows the devices' outputs */
};

#endif
