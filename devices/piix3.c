/* 82371SB (PIIX3) function 0: PCI to ISA bridge.
 *
 * Source: Intel 82371FB/82371SB data sheet (290550-002), in the text "DS". Models PIRQ routing (DS 2.2.10),
 * the reset control register (DS 2.5.6, port 0xCF9) and the coprocessor error latch (DS 2.5.7, port 0xF0; its
 * IGNNE# output is left out). The other chips inside of the PIIX3 are devices of their
 * own: 8259 pair with ELCR, 8254 with port 0x61, 8237s, clock. The remaining configuration registers are
 * stored: ISA timing, chip selects and top of memory have no effect here.
 *
 * Invariant: ISA line n is driven high iff some asserted PIRQ is routed to n; lines 0, 1, 2, 8 and 13 cannot
 * be routed to (DS 2.2.10 "reserved"). */
#include "devices/piix3.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum {
    REG_IOR = 0x4C,
    REG_XBCS = 0x4E,
    REG_TOM = 0x69,
    REG_MBIRQ = 0x70,

    PIRQ_DISABLED = 0x80,
    PIRQ_IRQ = 0x0F,
    ROUTABLE = 0xDEF8, /* bit per ISA line */

    RESET_HARD = 0x02, /* which reset the next 0 to 1 of bit 2 starts */
    RESET_START = 0x04,
    RESET_WRITABLE = 0x06,

    IRQ_COPROCESSOR = 13,
};

struct piix3_state {
    struct pci_config pci;
    uint16_t lines;     /* ISA lines driven now */
    uint8_t pirqs;      /* levels of the inputs, a bit each */
    uint8_t reset_port; /* 0xCF9 */
    bool ferr, ferr_latch;
};

struct piix3 {
    struct device device;
    struct piix3_state state;
    struct pci_function pci;
    struct piix3_outputs outputs;
};

static struct piix3 *self(struct device *device)
{
    return CONTAINER_OF(device, struct piix3, device);
}

static void route(struct piix3 *bridge)
{
    struct piix3_state *state = &bridge->state;
    uint16_t lines = 0;
    for (unsigned i = 0; i < PIIX3_PIRQS; i++) {
        uint8_t control = state->pci.bytes[PIIX3_REG_PIRQ + i];
        if ((state->pirqs >> i & 1) && !(control & PIRQ_DISABLED))
            lines |= (uint16_t)(1 << (control & PIRQ_IRQ));
    }
    lines &= ROUTABLE;
    if (state->ferr_latch)
        lines |= 1 << IRQ_COPROCESSOR;
    uint16_t changed = lines ^ state->lines;
    state->lines = lines;
    for (unsigned irq = 0; irq < 16; irq++)
        if (changed >> irq & 1)
            bridge->outputs.isa_irq(bridge->outputs.ctx, irq, (lines >> irq & 1) != 0);
}

void piix3_pirq(struct device *device, unsigned pirq, bool level)
{
    struct piix3 *bridge = self(device);
    CHECK(pirq < PIIX3_PIRQS);
    uint8_t bit = (uint8_t)(1 << pirq);
    bridge->state.pirqs = level ? bridge->state.pirqs | bit : bridge->state.pirqs & (uint8_t)~bit;
    route(bridge);
}

void piix3_ferr(struct device *device, bool level)
{
    struct piix3 *bridge = self(device);
    if (level && !bridge->state.ferr)
        bridge->state.ferr_latch = true;
    bridge->state.ferr = level;
    route(bridge);
}

static uint64_t coprocessor_read(struct device *device, uint32_t offset, unsigned size)
{
    (void)device, (void)offset, (void)size;
    return 0xFF;
}

static void coprocessor_write(struct device *device, uint32_t offset, unsigned size, uint64_t value)
{
    (void)offset, (void)size, (void)value;
    struct piix3 *bridge = self(device);
    bridge->state.ferr_latch = false;
    route(bridge);
}

static void config_written(struct device *device, uint8_t reg, unsigned size)
{
    (void)reg, (void)size;
    route(self(device));
}

static uint64_t reset_read(struct device *device, uint32_t offset, unsigned size)
{
    (void)offset, (void)size;
    return self(device)->state.reset_port;
}

/* A rising RESET_START resets: hard, or the processor alone, by what RESET_HARD is then. */
static void reset_write(struct device *device, uint32_t offset, unsigned size, uint64_t value)
{
    (void)offset, (void)size;
    struct piix3 *bridge = self(device);
    bool rising = (value & RESET_START) && !(bridge->state.reset_port & RESET_START);
    bridge->state.reset_port = value & RESET_WRITABLE;
    if (rising)
        bridge->outputs.reset(bridge->outputs.ctx, (value & RESET_HARD) != 0);
}

/* The PIRQ inputs are pins: their drivers reset themselves and lower them. */
static void reset(struct device *device)
{
    struct piix3 *bridge = self(device);
    struct pci_config *config = &bridge->state.pci;
    bridge->state.reset_port = 0;
    bridge->state.ferr_latch = false;
    if (bridge->pci.bus == NULL)
        return;
    pci_function_reset(&bridge->pci);
    config->bytes[0x04] = 0x07;    /* I/O, memory and master are always on */
    config->writable[0x04] = 0x08; /* special cycles */
    config->writable[0x0C] = config->writable[0x0D] = 0;
    config->bytes[REG_IOR] = 0x4D;
    config->bytes[REG_XBCS] = 0x03;
    config->bytes[REG_TOM] = 0x02;
    for (unsigned i = 0; i < PIIX3_PIRQS; i++) {
        config->bytes[PIIX3_REG_PIRQ + i] = PIRQ_DISABLED;
        config->writable[PIIX3_REG_PIRQ + i] = PIRQ_DISABLED | PIRQ_IRQ;
    }
    config->writable[REG_IOR] = config->writable[REG_XBCS] = config->writable[REG_XBCS + 1] = 0xFF;
    config->writable[REG_TOM] = 0xFE;
    config->writable[REG_MBIRQ] = config->writable[REG_MBIRQ + 1] = 0xEF;
    route(bridge);
}

static void loaded(struct device *device)
{
    struct piix3 *bridge = self(device);
    for (unsigned irq = 0; irq < 16; irq++)
        if ((ROUTABLE | 1 << IRQ_COPROCESSOR) >> irq & 1)
            bridge->outputs.isa_irq(bridge->outputs.ctx, irq, (bridge->state.lines >> irq & 1) != 0);
}

static void destroy(struct device *device)
{
    free(self(device));
}

static const struct io_window windows[] = {
    [PIIX3_WINDOW_RESET] = {"reset-control", 1, 1, 1, reset_read, reset_write},
    [PIIX3_WINDOW_COPROCESSOR] = {"coprocessor-error", 1, 1, 1, coprocessor_read, coprocessor_write},
};

static const struct device_class piix3_class = {
    .name = "piix3",
    .description = "82371SB PCI to ISA bridge",
    .state_offset = offsetof(struct piix3, state),
    .state_size = sizeof(struct piix3_state),
    .windows = windows,
    .window_count = ARRAY_LEN(windows),
    .reset = reset,
    .loaded = loaded,
    .destroy = destroy,
};

static const struct pci_class piix3_pci_class = {
    .vendor = 0x8086,
    .device = 0x7000,
    .class_code = 0x060100,
    .header_type = 0x80, /* functions 1 (IDE) and 3 (power management) follow */
    .config_written = config_written,
};

struct pci_function *piix3_pci(struct device *device)
{
    return &self(device)->pci;
}

struct device *piix3_create(const struct device_env *env, const struct piix3_outputs *outputs)
{
    struct piix3 *bridge = xcalloc(1, sizeof *bridge);
    device_init(&bridge->device, &piix3_class, env, 0);
    bridge->outputs = *outputs;
    bridge->pci = (struct pci_function){
        .device = &bridge->device, .cls = &piix3_pci_class, .config = &bridge->state.pci};
    return &bridge->device;
}
