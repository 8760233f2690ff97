/* AMD Am79C970A PCnet-PCI II Ethernet controller. See pcnet.c for what is modelled. */
#ifndef CROSSPAGE_DEVICES_PCNET_H
#define CROSSPAGE_DEVICES_PCNET_H

#include "devices/backends.h"
#include "devices/pci.h"

enum pcnet_window { PCNET_WINDOW_IO, PCNET_WINDOW_MEM };

/* Offsets in both windows in word I/O mode (WIO), the mode after reset. A hypervisor that treats accesses to
 * RAP and RDP differently, as VMware Workstation 2.0 did, decides by these. */
enum pcnet_wio_register {
    PCNET_WIO_RDP = 0x10,   /* register data port: the CSR that RAP names */
    PCNET_WIO_RAP = 0x12,   /* register address port */
    PCNET_WIO_RESET = 0x14, /* reading resets */
    PCNET_WIO_BDP = 0x16,   /* bus configuration data port: the BCR that RAP names */
};

/* The same in double word mode (DWIO). */
enum pcnet_dwio_register {
    PCNET_DWIO_RDP = 0x10,
    PCNET_DWIO_RAP = 0x14,
    PCNET_DWIO_RESET = 0x18,
    PCNET_DWIO_BDP = 0x1C,
};

/* Which register a port access means, in the mode the chip is in now. */
enum pcnet_port {
    PCNET_PORT_APROM,
    PCNET_PORT_RDP,
    PCNET_PORT_RAP,
    PCNET_PORT_RESET,
    PCNET_PORT_BDP,
    PCNET_PORT_NONE
};

/* CSR0 and CSR3 as a hypervisor tells them apart: what transmits, what only reports (data sheet, "CSR0: PCnet
 * controller status", "CSR3: interrupt masks and deferral control"). */
enum {
    PCNET_CSR0 = 0,
    PCNET_CSR3 = 3,
    PCNET_CSR0_TDMD = 1 << 3,                                        /* look at the transmit ring */
    PCNET_CSR0_CONTROL = PCNET_CSR0_TDMD | 1 << 2 | 1 << 1 | 1 << 0, /* and STOP, STRT, INIT */
};

struct pcnet_config {
    uint8_t mac[6]; /* the station address in the EEPROM */
};

/* The back end is attached here; `backend` is copied. */
struct device *pcnet_create(const struct device_env *env, const struct pcnet_config *config,
                            const struct net_backend *backend);

/* For pci_attach(). */
struct pci_function *pcnet_pci(struct device *device);

enum pcnet_port pcnet_port_at(const struct device *device, uint32_t offset);

/* What RAP points at, so that an observer can tell which CSR an RDP access means. */
unsigned pcnet_rap(const struct device *device);

/* Frames that found no descriptor, whatever the guest has done to the chip since. */
uint64_t pcnet_missed(const struct device *device);

/* What writing TDMD to CSR0 does, wherever RAP points. */
void pcnet_transmit_demand(struct device *device);

#endif
