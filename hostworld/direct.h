/* Bare metal's NIC: the guest's chip is the physical one and sits on the wire itself. All this adds are the
 * marks that let a receipt follow a frame (traces/recorder.h). */
#ifndef CROSSPAGE_HOSTWORLD_DIRECT_H
#define CROSSPAGE_HOSTWORLD_DIRECT_H

#include "devices/backends.h"
#include "vmm/host.h"

struct direct;

struct direct *direct_create(struct host *host, struct net_backend wire);
void direct_destroy(struct direct *direct);
struct net_backend direct_backend(struct direct *direct);

#endif
