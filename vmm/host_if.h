/* What the monitor asks of its host, implemented in hostworld/ (docs/architecture.md, the fourth inversion).
 *
 * The world switch itself belongs to the monitor (vmm/hv_workstation*.c); these calls are made in HOST world
 * and return there. Each charges what it costs. */
#ifndef CROSSPAGE_VMM_HOST_IF_H
#define CROSSPAGE_VMM_HOST_IF_H

#include "vmm/host.h"

/* Asked by a blocked VMApp after every event: is there work for the VM? */
typedef bool host_woken_fn(void *ctx);

/* How the host's side of a hosted monitor is built; chosen by options of the hypervisor. */
enum host_network { HOST_BRIDGED, HOST_NAT, HOST_ONLY };

struct host_options {
    enum host_network network; /* what the virtual hub is connected to */
    bool notify;               /* VMNet tells the VMApp of frames through memory they share */
    bool zero_copy;            /* frames are sent from the VM's memory, not from a copy */
    bool bypass;               /* the monitor drives the NIC itself */
};

struct host_services {
    uint16_t nic_lines; /* interrupts of the NIC, a bit per line */
    /* Once, before anything else. */
    void (*configure)(void *ctx, const struct host_options *options);
    /* VMDriver has control after a world switch and returns from its ioctl to the VMApp. */
    void (*return_to_vmapp)(void *ctx);
    /* VMApp re-enters the monitor by an ioctl on VMDriver. */
    void (*call_vmdriver)(void *ctx);
    /* VMDriver raises again what the monitor took: the lines in `taken`; their handlers run. */
    void (*reassert)(void *ctx, uint16_t taken);
    /* VMApp looks with select() on all its descriptors; true if frames can be read. */
    bool (*select)(void *ctx);
    /* VMApp looks only at the memory it shares with VMNet. */
    bool (*notified)(void *ctx);
    /* VMApp blocks in select() until frames can be read (true), woken() says so, or `limit`. */
    bool (*block)(void *ctx, host_woken_fn *woken, void *woken_ctx, cycle_t limit);
    /* VMApp reads pending frames from VMNet and hands them to the virtual NIC. */
    void (*receive_pending)(void *ctx);
    /* VMApp has run the device's code for an access by `cause` and charges what that took; `device` is its
     * class. */
    void (*emulated)(void *ctx, const char *device, bool transmitted);
    /* With host_options.bypass, in VMM world: the monitor takes the NIC's interrupt. */
    void (*serve_nic)(void *ctx);
    void *ctx;
};

#endif
