/* 82371AB (PIIX4) function 3: ACPI power management. */
#ifndef CROSSPAGE_DEVICES_PIIX4_PM_H
#define CROSSPAGE_DEVICES_PIIX4_PM_H

#include "devices/pci.h"

/* Windows: 0 = the register block (mapped by the chip itself at PMBASE), 1 = the two ports 0xB2/0xB3 (APMC,
 * APMS), which the board maps. */
enum { PIIX4_PM_WINDOW_BLOCK, PIIX4_PM_WINDOW_APM };

/* Offsets in the block, for the FADT, and the values that its SMI command port understands. */
enum {
    PIIX4_PM1_EVENT = 0x00,
    PIIX4_PM1_CONTROL = 0x04,
    PIIX4_PM_TIMER = 0x08,
    PIIX4_GPE = 0x0C,
    PIIX4_REG_PMBASE = 0x40,
    PIIX4_REG_PMREGMISC = 0x80,
    PIIX4_ACPI_ENABLE = 0xF1,
    PIIX4_ACPI_DISABLE = 0xF0,
    PIIX4_SLEEP_S5 = 0, /* SLP_TYP of soft off */
};

struct piix4_pm_outputs {
    void (*sci)(void *ctx, bool level);
    void (*power_off)(void *ctx);
    void *ctx;
};

struct device *piix4_pm_create(const struct device_env *env, const struct piix4_pm_outputs *outputs);
struct pci_function *piix4_pm_pci(struct device *device);

/* Somebody presses the power button. */
void piix4_pm_power_button(struct device *device);

#endif
