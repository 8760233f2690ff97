/* 82371SB (PIIX3) PCI to ISA bridge: interrupt routing, coprocessor errors and the reset control register. */
#ifndef CROSSPAGE_DEVICES_PIIX3_H
#define CROSSPAGE_DEVICES_PIIX3_H

#include "devices/pci.h"

/* Windows: 0 = reset control (0xCF9, one port), 1 = coprocessor error (0xF0, one port). */
enum { PIIX3_WINDOW_RESET, PIIX3_WINDOW_COPROCESSOR };

enum { PIIX3_PIRQS = 4, PIIX3_REG_PIRQ = 0x60 };

struct piix3_outputs {
    /* An ISA interrupt line as the bridge drives it: for the PIRQs routed there, and 13 for FERR#. */
    void (*isa_irq)(void *ctx, unsigned irq, bool level);
    void (*reset)(void *ctx, bool hard); /* of the whole board, or of the processor only */
    void *ctx;
};

struct device *piix3_create(const struct device_env *env, const struct piix3_outputs *outputs);
struct pci_function *piix3_pci(struct device *device);

/* Input PIRQ[A..D]#, 0..3; level = asserted. */
void piix3_pirq(struct device *device, unsigned pirq, bool level);

/* FERR# of the processor; level = asserted. Its rise sets IRQ 13 until the guest writes port 0xF0. */
void piix3_ferr(struct device *device, bool level);

#endif
