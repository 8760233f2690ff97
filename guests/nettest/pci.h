/* PCI configuration space (mechanism 1) and switching the machine off through the PIIX4. */
#ifndef NETTEST_PCI_H
#define NETTEST_PCI_H

#include <stdbool.h>
#include <stdint.h>

/* A function's address in the form port 0xcf8 wants: enable bit, bus 0, device, function. */
struct pci_function {
    uint32_t address;
};

enum {
    PCI_COMMAND = 0x04,
    PCI_BAR0 = 0x10,
    PCI_INTERRUPT = 0x3c,
    PCI_COMMAND_IO = 1,
    PCI_COMMAND_MASTER = 4,
};

uint32_t pci_read(struct pci_function function, unsigned offset);
void pci_write(struct pci_function function, unsigned offset, uint32_t value);

/* The first function on bus 0 with this vendor (low half) and device (high half). */
bool pci_find(uint32_t id, struct pci_function *function);

static inline unsigned pci_device(struct pci_function function)
{
    return function.address >> 11 & 31;
}

/* Route the function's INTA# to `irq` of the PIC pair, level triggered. False without a PIIX bridge. */
bool pci_route_irq(struct pci_function function, unsigned irq);

/* Ends the run in the chosen ways (EXIT_ bits); halts if none works. */
_Noreturn void machine_exit(uint32_t ways, uint8_t status);

#endif
