/* 82441FX host bridge: PCI configuration mechanism 1 and the attributes of the memory below 1 MB. */
#ifndef CROSSPAGE_DEVICES_I440FX_H
#define CROSSPAGE_DEVICES_I440FX_H

#include "devices/pci.h"

/* Window: 0xCF8, eight ports. */

/* What memory decoding depends on. May be NULL. */
struct i440fx_outputs {
    /* Reads or writes of [start, start + size) go to DRAM (true) or to PCI (false). */
    void (*attributes)(void *ctx, gpa_t start, uint32_t size, bool read_dram, bool write_dram);
    /* The SMRAM register: open (visible outside of SMM), locked. */
    void (*smram)(void *ctx, bool open, bool locked);
    void *ctx;
};

struct device *i440fx_create(const struct device_env *env, struct pci_bus *bus,
                             const struct i440fx_outputs *outputs);
struct pci_function *i440fx_pci(struct device *device);

#endif
