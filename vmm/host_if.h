/* What the monitor asks of its host, implemented in hostworld/ (VMDriver): design.md section 2, the fourth
 * inversion.
 *
 * The world switch itself belongs to the monitor (vmm/hv_workstation*.c); these calls are made in HOST world
 * and return there. */
#ifndef CROSSPAGE_VMM_HOST_IF_H
#define CROSSPAGE_VMM_HOST_IF_H

#include "vmm/host.h"

struct host_services {
    /* VMDriver has control after a world switch and returns from its ioctl to the VMApp. */
    void (*return_to_vmapp)(void *ctx);
    /* VMApp re-enters the monitor by an ioctl on VMDriver. */
    void (*call_vmdriver)(void *ctx);
    /* VMApp waits in select() on all its descriptors until something happens, at most to `limit`; true if
     * there was input for the VM. */
    bool (*select)(void *ctx, bool block, cycle_t limit);
    /* VMApp reads pending frames from VMNet and hands them to the virtual NIC. */
    void (*receive_pending)(void *ctx);
    void *ctx;
};

#endif
