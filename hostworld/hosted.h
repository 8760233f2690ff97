/* The host side of a hosted monitor: host kernel, VMDriver, VMApp, VMNet and the host's NIC with its driver,
 * put together.
 *
 *     guest's NIC --hosted_backend--> VMApp --write()--> VMNet --bridge--> host NIC --> config.wire
 *
 * Create it before the VM, give hosted_services() to the VM's configuration and hosted_backend() to its NIC.
 */
#ifndef CROSSPAGE_HOSTWORLD_HOSTED_H
#define CROSSPAGE_HOSTWORLD_HOSTED_H

#include "devices/backends.h"
#include "vmm/host_if.h"

struct hosted;

/* When the host's NIC says that a frame is sent, and interrupts for it. The Intel 8255x does so when it has
 * fetched the frame (Software Developer's Manual, action commands); as Linux 2.2 drives it, only when its
 * command unit is suspended, having nothing more to fetch. */
enum host_nic_sent { HOST_NIC_SENT_LEFT, HOST_NIC_SENT_FETCHED, HOST_NIC_SENT_DRAINED };

struct hosted_config {
    struct host *host;       /* its cpu may still be missing */
    struct net_backend wire; /* what the host's NIC is plugged into; ops NULL = no cable */
    uint8_t vm_mac[6];       /* of the guest's NIC: the bridge's filter */
    bool ideal;              /* the guest's NIC is the idealized one, else a Lance */
    /* The host's NIC interrupts when so many frames were sent or received, or when the first of fewer has
     * waited so long. 0 and 1: for every frame. */
    unsigned coalesce_frames;
    uint64_t coalesce_ns;
    enum host_nic_sent sent;
};

struct hosted_counters {
    uint64_t ticks;              /* host timer interrupts */
    uint64_t nic_interrupts;     /* of the host's NIC */
    uint64_t sent, send_drops;   /* frames the VM sent; those that found the device queue full */
    uint64_t received, filtered; /* frames at the bridge for the VM; for others */
    uint64_t nic_drops;          /* frames that the host's NIC had no buffer for */
    uint64_t vmnet_drops;        /* frames for the VM that found its queue full */
};

struct hosted *hosted_create(const struct hosted_config *config);
void hosted_destroy(struct hosted *hosted);
const struct host_services *hosted_services(struct hosted *hosted);
struct net_backend hosted_backend(struct hosted *hosted);
/* The other end of the wire is a process of this host. */
bool hosted_is_local(const struct hosted *hosted);
struct hosted_counters hosted_counters(const struct hosted *hosted);

#endif
