/* The idealized NIC. See ideal_nic.c for what is modelled, docs/ideal-nic.md for the registers. */
#ifndef CROSSPAGE_DEVICES_IDEAL_NIC_H
#define CROSSPAGE_DEVICES_IDEAL_NIC_H

#include "devices/backends.h"
#include "devices/pci.h"

enum ideal_nic_register {
    IDEAL_NIC_ID = 0x00,       /* R    IDEAL_NIC_MAGIC */
    IDEAL_NIC_RINGS = 0x04,    /* RW   address of the shared page; 0: stopped */
    IDEAL_NIC_DOORBELL = 0x08, /* W    look at the transmit ring */
    IDEAL_NIC_EVENTS = 0x0C,   /* RW1C what the interrupt is for */
    IDEAL_NIC_MAC = 0x10,      /* R    station address, bytes 0 to 3 */
    IDEAL_NIC_MAC_HIGH = 0x14, /* R    bytes 4 and 5; bit 31: there is a link */
};

enum {
    IDEAL_NIC_MAGIC = 0x4C414449, /* "IDAL" */
    IDEAL_NIC_VENDOR = 0x1234,
    IDEAL_NIC_DEVICE = 0x1DEA,
    IDEAL_NIC_RING = 64, /* entries of each ring */
};

struct ideal_nic_config {
    uint8_t mac[6];
};

/* The back end is attached here; `backend` is copied. */
struct device *ideal_nic_create(const struct device_env *env, const struct ideal_nic_config *config,
                                const struct net_backend *backend);

/* For pci_attach(). */
struct pci_function *ideal_nic_pci(struct device *device);

/* What writing DOORBELL does. */
void ideal_nic_ring_doorbell(struct device *device);

#endif
