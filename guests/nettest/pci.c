/* PCI by configuration mechanism 1 (PCI 2.1, 3.2.2.3.2), interrupt routing of the PIIX3/PIIX4 ISA bridge
 * (PIRQRC, PIIX4 data sheet 4.1.10), power-off by the PIIX4's power management function (PMCNTRL, 7.2.3).
 * Nothing here relies on firmware: what firmware leaves unset is set. Bus 0 only, as on the board of the
 * time. */
#include "pci.h"
#include "abi.h"
#include "io.h"

enum {
    CONFIG_ADDRESS = 0xcf8,
    CONFIG_DATA = 0xcfc,
    PIIX_PIRQRC = 0x60,  /* four bytes, one for each PIRQ line; bit 7: not routed */
    PIIX4_PMBASE = 0x40, /* I/O base of the power management registers */
    PIIX4_PMREGMISC = 0x80,
    PM1_CONTROL = 0x04,         /* from PMBASE */
    PM1_SLEEP_ENABLE = 1 << 13, /* with type 0: soft off */
    PM_DEFAULT_BASE = 0x600,
    ELCR2 = 0x4d1, /* edge/level control of IRQ 8 to 15 */
    ISA_DEBUG_EXIT = 0x501,
};

#define ID_PIIX3_ISA 0x70008086u
#define ID_PIIX4_ISA 0x71108086u
#define ID_PIIX4_PM  0x71138086u

uint32_t pci_read(struct pci_function function, unsigned offset)
{
    outl(CONFIG_ADDRESS, function.address | (offset & 0xfc));
    return inl(CONFIG_DATA);
}

void pci_write(struct pci_function function, unsigned offset, uint32_t value)
{
    outl(CONFIG_ADDRESS, function.address | (offset & 0xfc));
    outl(CONFIG_DATA, value);
}

bool pci_find(uint32_t id, struct pci_function *function)
{
    /* Function numbers above 0 are tried also on single-function devices: they read as another copy or as
     * all ones, and the first match is what is returned. */
    for (uint32_t number = 0; number < 32 * 8; number++) {
        struct pci_function candidate = {0x80000000u | number << 8};
        if (pci_read(candidate, 0) == id) {
            *function = candidate;
            return true;
        }
    }
    return false;
}

bool pci_route_irq(struct pci_function function, unsigned irq)
{
    struct pci_function bridge;
    if (!pci_find(ID_PIIX3_ISA, &bridge) && !pci_find(ID_PIIX4_ISA, &bridge))
        return false;
    /* The board rotates the four lines from slot to slot, beginning with PIRQA for INTA# of slot 1. */
    unsigned shift = 8 * ((pci_device(function) - 1) & 3);
    uint32_t routes = pci_read(bridge, PIIX_PIRQRC);
    pci_write(bridge, PIIX_PIRQRC, (routes & ~(0xffu << shift)) | irq << shift);
    outb(ELCR2, inb(ELCR2) | (uint8_t)(1 << (irq - 8)));
    uint32_t line = pci_read(function, PCI_INTERRUPT);
    pci_write(function, PCI_INTERRUPT, (line & ~0xffu) | irq);
    return true;
}

static void power_off(void)
{
    struct pci_function pm;
    if (!pci_find(ID_PIIX4_PM, &pm))
        return;
    uint32_t base = pci_read(pm, PIIX4_PMBASE) & 0xffc0;
    if (base == 0) {
        base = PM_DEFAULT_BASE;
        pci_write(pm, PIIX4_PMBASE, base | 1);
    }
    pci_write(pm, PIIX4_PMREGMISC, pci_read(pm, PIIX4_PMREGMISC) | 1);
    outw((uint16_t)(base + PM1_CONTROL), PM1_SLEEP_ENABLE);
}

void machine_exit(uint32_t ways, uint8_t status)
{
    interrupts_off();
    if ((ways & EXIT_ISA_DEBUG) != 0)
        outb(ISA_DEBUG_EXIT, status);
    if ((ways & EXIT_ACPI) != 0)
        power_off();
    for (;;)
        __asm__ volatile("cli; hlt");
}
