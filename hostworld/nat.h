/* Address translation for net=nat: frames in, frames out, no time and no cost (natd.c has those). */
#ifndef CROSSPAGE_HOSTWORLD_NAT_H
#define CROSSPAGE_HOSTWORLD_NAT_H

#include "devices/backends.h"

enum { NAT_FLOWS = 256, NAT_WAITING = 8 };

/* One conversation of the VM. `port` is a UDP or TCP port, or the identifier of ICMP echo. */
struct nat_flow {
    uint8_t protocol; /* 0: free */
    uint8_t inside_ip[4];
    uint16_t inside_port;
};

struct nat {
    uint8_t router_mac[6]; /* what the VM sees as its gateway */
    uint8_t host_mac[6], host_ip[4];
    uint8_t vm_mac[6];
    /* The one machine at the other end of the wire, as ARP finds it. */
    uint8_t next_ip[4], next_mac[6];
    bool next_known;
    struct frame waiting[NAT_WAITING]; /* for its address */
    unsigned waiting_count;
    struct nat_flow flows[NAT_FLOWS]; /* outside port: NAT_FIRST_PORT + index */
    unsigned next_flow;
};

/* Where a frame goes. */
struct nat_output {
    void (*to_wire)(void *ctx, const struct frame *frame);
    void (*to_vm)(void *ctx, const struct frame *frame);
    void *ctx;
};

void nat_init(struct nat *nat, const uint8_t vm_mac[6]);
void nat_from_vm(struct nat *nat, const struct frame *frame, const struct nat_output *output);
void nat_from_wire(struct nat *nat, const struct frame *frame, const struct nat_output *output);

#endif
