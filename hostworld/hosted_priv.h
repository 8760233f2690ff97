/* The parts of the hosted world, and what they know of each other: each only the one below it.
 *
 *     VMApp (vmapp.c)          device emulation in a process: transmit, receive, select()
 *     VMDriver (vmdriver.c)    entry and exit of the monitor
 *     VMNet (vmnet.c)          virtual hub and bridge
 *     host kernel (host_linux.c)  interrupts, timer tick, blocking
 *     host NIC (host_nic.c)    EtherExpress class card and its driver */
#ifndef CROSSPAGE_HOSTWORLD_HOSTED_PRIV_H
#define CROSSPAGE_HOSTWORLD_HOSTED_PRIV_H

#include "hostworld/hosted.h"
#include "hostworld/nat.h"

/* ---- Frames in bounded FIFOs ---- */

struct frame_queue {
    struct frame *slots;
    unsigned capacity, head, count;
};

void frame_queue_init(struct frame_queue *queue, unsigned capacity);
void frame_queue_destroy(struct frame_queue *queue);
/* Copies; false when full. */
bool frame_queue_put(struct frame_queue *queue, const struct frame *frame) MUST_CHECK;
/* The oldest, valid until the next put; NULL when empty. Removing it is a separate step. */
struct frame *frame_queue_first(struct frame_queue *queue);
void frame_queue_drop_first(struct frame_queue *queue);

/* ---- Host kernel ---- */

enum host_line { HOST_LINE_TIMER = 0, HOST_LINE_LOCAL = 5, HOST_LINE_NIC = 11 };

struct host_linux {
    struct host *host;
    struct event tick;
    uint64_t tick_number; /* the next one's; ticks are at exact multiples of 1/100 s */
    uint64_t ticks;
    bool blocked; /* a process waits in select(); survives a run that ends at its limit */
};

void host_linux_init(struct host_linux *kernel, struct host *host);
void host_linux_destroy(struct host_linux *kernel);
/* Block the running process until ready() or `limit`: the host idles, its interrupts are served. True if
 * ready(). */
bool host_linux_block(struct host_linux *kernel, host_woken_fn *ready, void *ctx, cycle_t limit);

/* ---- Host NIC ---- */

struct vmnet;

/* Card: transmit ring -> DMA -> FIFO of one frame -> wire; wire -> DMA -> receive ring. */
struct host_nic {
    struct host *host;
    struct vmnet *bridge; /* gets what arrives */
    struct net_backend wire;
    struct event dma_done; /* of the frame at the head of the ring */
    struct event rx_dma_done;
    struct frame_queue queue; /* the driver's: device queue of the host's network stack */
    struct frame_queue ring;  /* descriptors given to the card, not yet fetched */
    struct frame fifo;        /* fetched, waiting for the wire or on it */
    bool dma_busy, fifo_full, wire_busy;
    enum host_nic_sent sent_when;
    unsigned sent_unseen;             /* frames sent since the driver last looked */
    unsigned coalesce_frames, causes; /* frames an interrupt is for; frames that have had none */
    tick_t coalesce_time;
    struct event coalesce;       /* the first of them has waited long enough */
    struct frame_queue arriving; /* behind the wire, before or in DMA */
    struct frame_queue arrived;  /* in memory, since the driver last looked */
    uint64_t interrupts, drops, rx_drops;
};

void host_nic_init(struct host_nic *nic, const struct hosted_config *config, struct vmnet *bridge);
void host_nic_destroy(struct host_nic *nic);
/* The driver's transmit function, charged to the caller; and the same without the host's device queue before
 * it. */
void host_nic_transmit(struct host_nic *nic, const struct frame *frame);
void host_nic_start(struct host_nic *nic, const struct frame *frame);
/* The driver's part of an interrupt: look at all causes until none is left. */
void host_nic_serve(struct host_nic *nic);

/* ---- VMNet ---- */

/* The host's own end of the virtual hub, and its process there. */
struct host_only {
    struct host *host;
    struct vmnet *vmnet;
    struct net_backend wire; /* to that process; ops NULL: nobody listens */
    struct frame_queue out, in;
    bool busy;
};

struct vmnet {
    struct host *host;
    struct host_nic *nic;
    struct host_only *local;
    struct nat nat;
    struct host_options options;
    bool ideal; /* the guest's NIC: what emulating it costs */
    uint8_t vm_mac[6];
    struct frame_queue input; /* for the VM's read() */
    uint64_t sent, received, filtered, drops;
};

void vmnet_init(struct vmnet *vmnet, struct host *host, struct host_nic *nic, const uint8_t vm_mac[6]);
void vmnet_destroy(struct vmnet *vmnet);
/* The whole write() system call. */
void vmnet_write(struct vmnet *vmnet, const struct frame *frame);
static inline bool vmnet_readable(const struct vmnet *vmnet)
{
    return vmnet->input.count > 0;
}
/* The whole read() system call; a frame must be there. */
void vmnet_read(struct vmnet *vmnet, struct frame *frame);
/* A frame from the bridge's physical side, in the NIC's interrupt. */
void vmnet_receive(struct vmnet *vmnet, const struct frame *frame);
/* Tell the VMApp that a frame was kept, if it is to be told so. */
void vmnet_notify(struct vmnet *vmnet, bool kept);
/* Keep it for the VM, if it is for it or for many; false: not for it, or no room. */
bool vmnet_keep(struct vmnet *vmnet, const struct frame *frame);

/* ---- Host-only network, and the NAT daemon ---- */

void host_only_init(struct host_only *local, struct host *host, struct vmnet *vmnet);
void host_only_destroy(struct host_only *local);
void host_only_connect(struct host_only *local, struct net_backend wire);
/* From the hub, in the VM's write(). */
void host_only_send(struct host_only *local, const struct frame *frame);

void natd_from_vm(struct vmnet *vmnet, const struct frame *frame);
void natd_from_wire(struct vmnet *vmnet, const struct frame *frame);

/* ---- VMApp and VMDriver ---- */

struct vmapp {
    struct host *host;
    struct host_linux *kernel;
    struct vmnet *vmnet;
    const struct net_port_ops *port; /* the guest's NIC */
    void *nic;
    struct frame held; /* sent by the chip while the VMApp had no control */
    bool holds;
};

void vmapp_init(struct vmapp *vmapp, struct host *host, struct host_linux *kernel, struct vmnet *vmnet);
extern const struct net_backend_ops vmapp_backend_ops;
bool vmapp_select(struct vmapp *vmapp);
bool vmapp_notified(struct vmapp *vmapp);
bool vmapp_block(struct vmapp *vmapp, host_woken_fn *woken, void *woken_ctx, cycle_t limit);
void vmapp_receive_pending(struct vmapp *vmapp);
void vmapp_emulated(struct vmapp *vmapp, const char *device, bool transmitted);
/* Hand a frame to the guest's NIC; send what the chip sent while nobody could charge. */
void vmapp_deliver(struct vmapp *vmapp, const struct frame *frame);
void vmapp_send_held(struct vmapp *vmapp);

/* ---- The monitor in place of VMApp and VMNet ---- */

void bypass_send(struct vmnet *vmnet, const struct frame *frame);
void bypass_receive(struct vmnet *vmnet, const struct frame *frame);
/* The NIC's interrupt, in the VMM world. */
void bypass_serve(struct vmapp *vmapp);

void vmdriver_return(struct host *host);
void vmdriver_call(struct host *host);
void vmdriver_reassert(struct host *host, uint16_t taken);

#endif
