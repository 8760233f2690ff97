/* 82441FX PCI and memory controller (host bridge of the 440FX chip set), function 0:00.0.
 *
 * Source: Intel 82441FX data sheet (290549-001), in the text "DS". Models configuration mechanism 1, the PAM
 * and SMRAM registers with their effect on decoding announced to the board, and the register file around
 * them. Left out: DRAM timing and geometry (registers are stored), caching and parity, the AGP-less bus's
 * errors.
 *
 * Port 0xCF8 is a register only for 32-bit accesses (DS 3.1.1); others pass to the bus, where 0xCF9 belongs
 * to the ISA bridge. Port 0xCFC..0xCFF is the window to the register that 0xCF8 names. */
#include "devices/i440fx.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum {
    ADDRESS_PORT = 0, /* offsets in the window at 0xCF8 */
    DATA_PORT = 4,

    REG_PMCCFG = 0x50,
    REG_DRB = 0x60, /* DRAM row boundaries and types, to 0x6F */
    REG_PAM0 = 0x59,
    REG_PAM6 = 0x5F,
    REG_SMRAM = 0x72,

    PAM_READ = 1,
    PAM_WRITE = 2,
    SMRAM_OPEN = 0x40,
    SMRAM_LOCK = 0x10,
    SMRAM_ENABLE = 0x08,

    PAM_SEGMENTS = 13,
};

#define ADDRESS_ENABLE UINT32_C(0x80000000)

/* DS table "attribute bit assignment": register, bit position, range. */
static const struct {
    uint8_t reg, shift;
    uint32_t start, size;
} pam[PAM_SEGMENTS] = {
    {0x59, 4, 0xF0000, 0x10000}, {0x5A, 0, 0xC0000, 0x4000}, {0x5A, 4, 0xC4000, 0x4000},
    {0x5B, 0, 0xC8000, 0x4000},  {0x5B, 4, 0xCC000, 0x4000}, {0x5C, 0, 0xD0000, 0x4000},
    {0x5C, 4, 0xD4000, 0x4000},  {0x5D, 0, 0xD8000, 0x4000}, {0x5D, 4, 0xDC000, 0x4000},
    {0x5E, 0, 0xE0000, 0x4000},  {0x5E, 4, 0xE4000, 0x4000}, {0x5F, 0, 0xE8000, 0x4000},
    {0x5F, 4, 0xEC000, 0x4000},
};

struct i440fx_state {
    struct pci_config pci;
    uint32_t address; /* CONFADD */
};

struct i440fx {
    struct device device;
    struct i440fx_state state;
    struct pci_function pci;
    struct pci_bus *bus;
    struct i440fx_outputs outputs;
};

static struct i440fx *self(struct device *device)
{
    return CONTAINER_OF(device, struct i440fx, device);
}

/* ---- Memory attributes ---- */

static void announce(struct i440fx *bridge, unsigned first_reg, unsigned last_reg)
{
    const uint8_t *bytes = bridge->state.pci.bytes;
    for (unsigned i = 0; i < PAM_SEGMENTS; i++) {
        uint8_t bits = bytes[pam[i].reg] >> pam[i].shift;
        if (pam[i].reg >= first_reg && pam[i].reg <= last_reg && bridge->outputs.attributes != NULL)
            bridge->outputs.attributes(bridge->outputs.ctx, gpa(pam[i].start), pam[i].size,
                                       (bits & PAM_READ) != 0, (bits & PAM_WRITE) != 0);
    }
    uint8_t smram = bytes[REG_SMRAM];
    if (first_reg <= REG_SMRAM && last_reg >= REG_SMRAM && bridge->outputs.smram != NULL)
        bridge->outputs.smram(bridge->outputs.ctx, (smram & SMRAM_OPEN) && (smram & SMRAM_ENABLE),
                              (smram & SMRAM_LOCK) != 0);
}

static void config_written(struct device *device, uint8_t reg, unsigned size)
{
    struct i440fx *bridge = self(device);
    struct pci_config *config = &bridge->state.pci;
    if (config->bytes[REG_SMRAM] & SMRAM_LOCK) { /* until reset: D_OPEN is clear, nothing is writable */
        config->bytes[REG_SMRAM] &= (uint8_t)~SMRAM_OPEN;
        config->writable[REG_SMRAM] = 0;
    }
    announce(bridge, reg, reg + size - 1);
}

/* ---- Configuration mechanism 1 ---- */

/* CONFADD: 31 enable, 23..16 bus, 15..11 device, 10..8 function, 7..2 register. There is only bus 0. */
static uint64_t port_read(struct device *device, uint32_t offset, unsigned size)
{
    struct i440fx *bridge = self(device);
    uint32_t address = bridge->state.address;
    if (offset < DATA_PORT)
        return offset == ADDRESS_PORT && size == 4 ? address : UINT32_MAX;
    if (!(address & ADDRESS_ENABLE) || (address >> 16 & 0xFF) != 0)
        return UINT32_MAX;
    return pci_config_read(bridge->bus, address >> 11 & 31, address >> 8 & 7,
                           (uint8_t)((address & 0xFC) | (offset & 3)), size);
}

static void port_write(struct device *device, uint32_t offset, unsigned size, uint64_t value)
{
    struct i440fx *bridge = self(device);
    uint32_t address = bridge->state.address;
    if (offset < DATA_PORT) {
        if (offset == ADDRESS_PORT && size == 4)
            bridge->state.address = (uint32_t)value & UINT32_C(0x80FFFFFC);
        return;
    }
    if ((address & ADDRESS_ENABLE) && (address >> 16 & 0xFF) == 0)
        pci_config_write(bridge->bus, address >> 11 & 31, address >> 8 & 7,
                         (uint8_t)((address & 0xFC) | (offset & 3)), size, (uint32_t)value);
}

/* ---- Class ---- */

static void reset(struct device *device)
{
    struct i440fx *bridge = self(device);
    struct pci_config *config = &bridge->state.pci;
    bridge->state.address = 0;
    if (bridge->pci.bus == NULL)
        return;
    pci_function_reset(&bridge->pci);
    config->bytes[0x04] = 0x06; /* memory and bus master are hardwired on (DS PCICMD) */
    config->writable[0x04] = 0;
    config->writable[0x05] = 0x01;
    config->writable[0x0C] = 0;
    memset(config->writable + REG_PMCCFG, 0xFF, REG_DRB + 16 - REG_PMCCFG);
    memset(config->writable + REG_PAM0, 0x33, REG_PAM6 - REG_PAM0 + 1);
    config->writable[REG_PAM0] = 0x30;
    config->bytes[REG_SMRAM] = 0x02;
    config->writable[REG_SMRAM] = 0x78;
    announce(bridge, 0, PCI_CONFIG_SIZE - 1);
}

static void loaded(struct device *device)
{
    announce(self(device), 0, PCI_CONFIG_SIZE - 1);
}

static void destroy(struct device *device)
{
    free(self(device));
}

static const struct io_window windows[] = {
    {"pci-config", 8, 1, 4, port_read, port_write},
};

static const struct device_class i440fx_class = {
    .name = "i440fx",
    .description = "82441FX host bridge",
    .state_offset = offsetof(struct i440fx, state),
    .state_size = sizeof(struct i440fx_state),
    .windows = windows,
    .window_count = ARRAY_LEN(windows),
    .reset = reset,
    .loaded = loaded,
    .destroy = destroy,
};

static const struct pci_class i440fx_pci_class = {
    .vendor = 0x8086,
    .device = 0x1237,
    .class_code = 0x060000,
    .revision = 2,
    .config_written = config_written,
};

struct pci_function *i440fx_pci(struct device *device)
{
    return &self(device)->pci;
}

struct device *i440fx_create(const struct device_env *env, struct pci_bus *bus,
                             const struct i440fx_outputs *outputs)
{
    struct i440fx *bridge = xcalloc(1, sizeof *bridge);
    device_init(&bridge->device, &i440fx_class, env, 0);
    bridge->bus = bus;
    bridge->outputs = *outputs;
    bridge->pci = (struct pci_function){
        .device = &bridge->device, .cls = &i440fx_pci_class, .config = &bridge->state.pci};
    return &bridge->device;
}
