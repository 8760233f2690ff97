/* PCI local bus 2.1, configuration mechanism 1 (ports 0xCF8/0xCFC), type 0 headers, INTA#..INTD# routing by
 * the board.
 *
 * A PCI function embeds `struct pci_function` after its struct device and describes its BARs as data. The bus
 * maps a BAR's window when the guest enables decoding in the command register, moves it when the BAR is
 * rewritten. */
#ifndef CROSSPAGE_DEVICES_PCI_H
#define CROSSPAGE_DEVICES_PCI_H

#include "devices/bus.h"

enum { PCI_BAR_COUNT = 6, PCI_CONFIG_SIZE = 256 };

enum pci_bar_kind { PCI_BAR_NONE, PCI_BAR_IO, PCI_BAR_MEM32 };

struct pci_bar {
    enum pci_bar_kind kind;
    uint32_t size;  /* power of two */
    uint8_t window; /* index into the class's windows */
    uint8_t reg;    /* 0..5 */
};

struct pci_class {
    uint16_t vendor, device;
    uint32_t class_code; /* base class << 16 | sub class << 8 | programming interface */
    uint8_t revision, header_type, interrupt_pin; /* pin 0 = none, 1 = INTA# */
    uint16_t subsystem_vendor, subsystem;
    uint8_t min_gnt, max_lat;
    const struct pci_bar *bars;
    unsigned bar_count;
    /* Device-specific configuration registers; may be NULL. Called after the generic part has stored what is
     * writable: may refine config[] and act on it. */
    void (*config_written)(struct device *device, uint8_t reg, unsigned size);
};

struct pci_bus;

/* Configuration space is architectural: keep this struct inside the device's state struct. */
struct pci_config {
    uint8_t bytes[PCI_CONFIG_SIZE];
    uint8_t writable[PCI_CONFIG_SIZE]; /* mask of bits the guest may write; set up by pci_attach, extended by
                                          the device */
};

/* Wiring of one function; pointer-carrying, not state. */
struct pci_function {
    struct device *device;
    const struct pci_class *cls;
    struct pci_config *config; /* in the device's state */
    struct pci_bus *bus;
    uint8_t slot, function;
    uint32_t
        mapped[PCI_BAR_COUNT]; /* where each window is mapped now, by index of the class's bars; 0 = not */
};

struct pci_bus {
    struct log *log;
    struct io_space *ports, *memory;
    struct pci_function *functions[256]; /* slot << 3 | function */
    /* The board routes an INTx# pin of a slot to a wire. */
    void (*intx)(void *ctx, uint8_t slot, uint8_t pin, bool level);
    void *intx_ctx;
};

void pci_bus_init(struct pci_bus *bus, struct io_space *ports, struct io_space *memory, struct log *log);

/* Fill in the header from the class, register at slot.function. The caller has set device, cls and config. */
void pci_attach(struct pci_bus *bus, struct pci_function *function, uint8_t slot, uint8_t number);

/* Back to power-on: BARs and command cleared, windows unmapped. Called from the device's reset. */
void pci_function_reset(struct pci_function *function);

uint32_t pci_config_read(struct pci_bus *bus, uint8_t slot, uint8_t number, uint8_t reg, unsigned size);
void pci_config_write(struct pci_bus *bus, uint8_t slot, uint8_t number, uint8_t reg, unsigned size,
                      uint32_t value);

/* Map the BAR windows as the configuration space says; for `loaded` after a restored state. */
void pci_decoders_update(struct pci_function *function);

/* Drive the function's interrupt pin (level). */
void pci_interrupt(struct pci_function *function, bool level);

static inline bool pci_bus_master(const struct pci_function *function)
{
    return (function->config->bytes[4] & 4) != 0;
}

#endif
