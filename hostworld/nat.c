/* Network address translation as a host does it for a VM (RFC 3022, traditional NAPT): TCP, UDP and ICMP echo
 * of the VM go out with the host's addresses and a port of the range Linux 2.2 masquerades with; answers find
 * their way back by that port. ARP is answered on both sides: to the VM, the gateway is whoever it asks for;
 * to the wire, we are the host.
 *
 * Left out: fragments, IP options' addresses, ICMP errors, protocols that carry addresses in their data,
 * time-outs of flows (the oldest gives way). */
#include "hostworld/nat.h"

#include "base/bytes.h"

#include <string.h>

enum {
    NAT_FIRST_PORT = 61000, /* PORT_MASQ_BEGIN of Linux 2.2 */
    ETH_HEADER = 14,
    TYPE_IP = 0x0800,
    TYPE_ARP = 0x0806,
    ARP_SIZE = 28,
    ARP_REQUEST = 1,
    ARP_REPLY = 2,
    PROTOCOL_ICMP = 1,
    PROTOCOL_TCP = 6,
    PROTOCOL_UDP = 17,
    ICMP_ECHO_REPLY = 0,
    ICMP_ECHO = 8,
    FRAGMENT = 0x3FFF,
};

/* Offsets in an IP header, and of a transport's checksum. */
enum { IP_LENGTH = 2, IP_FRAGMENT = 6, IP_PROTOCOL = 9, IP_CHECKSUM = 10, IP_SOURCE = 12, IP_TARGET = 16 };

static const uint8_t broadcast[6] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};

void nat_init(struct nat *nat, const uint8_t vm_mac[6])
{
    *nat = (struct nat){
        .router_mac = {0x00, 0x50, 0x56, 0xFD, 0x00, 0x01},
        .host_mac = {0x00, 0x50, 0x56, 0xFD, 0x00, 0x02},
        .host_ip = {10, 0, 0, 254},
    };
    memcpy(nat->vm_mac, vm_mac, sizeof nat->vm_mac);
}

/* ---- ARP (RFC 826) ---- */

static void arp_build(struct frame *frame, unsigned operation, const uint8_t *to, const uint8_t *sender_mac,
                      const uint8_t *sender_ip, const uint8_t *target_mac, const uint8_t *target_ip)
{
    memset(frame, 0, sizeof *frame);
    frame->size = 60;
    memcpy(frame->data, to, 6);
    memcpy(frame->data + 6, sender_mac, 6);
    put_be16(frame->data + 12, TYPE_ARP);
    uint8_t *arp = frame->data + ETH_HEADER;
    put_be16(arp, 1);
    put_be16(arp + 2, TYPE_IP);
    arp[4] = 6;
    arp[5] = 4;
    put_be16(arp + 6, (uint16_t)operation);
    memcpy(arp + 8, sender_mac, 6);
    memcpy(arp + 14, sender_ip, 4);
    memcpy(arp + 18, target_mac, 6);
    memcpy(arp + 24, target_ip, 4);
}

static bool is_arp(const struct frame *frame)
{
    return frame->size >= ETH_HEADER + ARP_SIZE && get_be16(frame->data + 12) == TYPE_ARP;
}

/* To the VM every address but its own is behind the gateway. */
static void arp_from_vm(const struct nat *nat, const struct frame *frame, const struct nat_output *output)
{
    const uint8_t *arp = frame->data + ETH_HEADER;
    if (get_be16(arp + 6) != ARP_REQUEST || memcmp(arp + 14, arp + 24, 4) == 0)
        return;
    struct frame answer;
    arp_build(&answer, ARP_REPLY, nat->vm_mac, nat->router_mac, arp + 24, arp + 8, arp + 14);
    output->to_vm(output->ctx, &answer);
}

static void to_next(const struct nat *nat, struct frame *frame, const struct nat_output *output)
{
    memcpy(frame->data, nat->next_mac, 6);
    memcpy(frame->data + 6, nat->host_mac, 6);
    output->to_wire(output->ctx, frame);
}

static void arp_from_wire(struct nat *nat, const struct frame *frame, const struct nat_output *output)
{
    const uint8_t *arp = frame->data + ETH_HEADER;
    if (memcmp(arp + 24, nat->host_ip, 4) != 0)
        return;
    if (get_be16(arp + 6) == ARP_REQUEST) {
        struct frame answer;
        arp_build(&answer, ARP_REPLY, arp + 8, nat->host_mac, nat->host_ip, arp + 8, arp + 14);
        output->to_wire(output->ctx, &answer);
        return;
    }
    if (memcmp(arp + 14, nat->next_ip, 4) != 0)
        return;
    memcpy(nat->next_mac, arp + 8, 6);
    nat->next_known = true;
    for (unsigned i = 0; i < nat->waiting_count; i++)
        to_next(nat, &nat->waiting[i], output);
    nat->waiting_count = 0;
}

/* To the machine with this address: there is one at most, so it is asked for again when the address changes.
 */
static void route(struct nat *nat, struct frame *frame, const struct nat_output *output)
{
    const uint8_t *target = frame->data + ETH_HEADER + IP_TARGET;
    if (nat->next_known && memcmp(nat->next_ip, target, 4) == 0) {
        to_next(nat, frame, output);
        return;
    }
    static const uint8_t unknown[6];
    struct frame request;
    memcpy(nat->next_ip, target, 4);
    nat->next_known = false;
    if (nat->waiting_count < NAT_WAITING)
        nat->waiting[nat->waiting_count++] = *frame;
    arp_build(&request, ARP_REQUEST, broadcast, nat->host_mac, nat->host_ip, unknown, target);
    output->to_wire(output->ctx, &request);
}

/* ---- Translation ---- */

/* Replace 16 bits under a ones' complement checksum (RFC 1624, equation 3). */
static void checksum_replace(uint8_t *checksum, uint16_t old, uint16_t new)
{
    uint32_t sum = (uint32_t)(uint16_t)~get_be16(checksum) + (uint16_t)~old + new;
    sum = (sum & 0xFFFF) + (sum >> 16);
    sum = (sum & 0xFFFF) + (sum >> 16);
    put_be16(checksum, (uint16_t)~sum);
}

struct packet_view {
    uint8_t *ip, *transport;
    uint8_t protocol;
    uint8_t *checksum;                  /* the transport's; NULL: it has none (UDP) */
    uint8_t *source_port, *target_port; /* ICMP: the same identifier */
};

/* False for what is not translated. */
static bool look(struct frame *frame, struct packet_view *view)
{
    uint8_t *ip = frame->data + ETH_HEADER;
    if (frame->size < ETH_HEADER + 20 || get_be16(frame->data + 12) != TYPE_IP || ip[0] >> 4 != 4)
        return false;
    uint32_t header = (uint32_t)(ip[0] & 15) * 4, length = get_be16(ip + IP_LENGTH);
    uint32_t least = ip[IP_PROTOCOL] == PROTOCOL_TCP ? 20 : 8;
    if (header < 20 || length < header + least || ETH_HEADER + length > frame->size ||
        (get_be16(ip + IP_FRAGMENT) & FRAGMENT) != 0)
        return false;
    uint8_t *transport = ip + header;
    *view = (struct packet_view){.ip = ip, .transport = transport, .protocol = ip[IP_PROTOCOL]};
    view->source_port = transport;
    view->target_port = transport + 2;
    switch (view->protocol) {
    case PROTOCOL_TCP: view->checksum = transport + 16; return true;
    case PROTOCOL_UDP: view->checksum = get_be16(transport + 6) ? transport + 6 : NULL; return true;
    case PROTOCOL_ICMP:
        view->checksum = transport + 2;
        view->source_port = view->target_port = transport + 4;
        return transport[0] == ICMP_ECHO || transport[0] == ICMP_ECHO_REPLY;
    }
    return false;
}

static void set_address(const struct packet_view *view, unsigned at, const uint8_t address[4])
{
    for (unsigned i = 0; i < 4; i += 2) {
        uint16_t old = get_be16(view->ip + at + i), new = get_be16(address + i);
        checksum_replace(view->ip + IP_CHECKSUM, old, new);
        /* TCP and UDP sum a pseudo header with the addresses (RFC 9293, 3.1). */
        if (view->protocol != PROTOCOL_ICMP && view->checksum != NULL)
            checksum_replace(view->checksum, old, new);
    }
    memcpy(view->ip + at, address, 4);
}

static void set_port(const struct packet_view *view, uint8_t *at, uint16_t port)
{
    if (view->checksum != NULL)
        checksum_replace(view->checksum, get_be16(at), port);
    put_be16(at, port);
}

static unsigned flow_of(struct nat *nat, const struct packet_view *view)
{
    uint16_t port = get_be16(view->source_port);
    for (unsigned i = 0; i < NAT_FLOWS; i++) {
        const struct nat_flow *flow = &nat->flows[i];
        if (flow->protocol == view->protocol && flow->inside_port == port &&
            memcmp(flow->inside_ip, view->ip + IP_SOURCE, 4) == 0)
            return i;
    }
    unsigned index = nat->next_flow;
    nat->next_flow = (nat->next_flow + 1) % NAT_FLOWS;
    nat->flows[index] = (struct nat_flow){.protocol = view->protocol, .inside_port = port};
    memcpy(nat->flows[index].inside_ip, view->ip + IP_SOURCE, 4);
    return index;
}

void nat_from_vm(struct nat *nat, const struct frame *frame, const struct nat_output *output)
{
    struct packet_view view;
    struct frame copy = *frame;
    if (is_arp(frame)) {
        arp_from_vm(nat, frame, output);
        return;
    }
    if (!look(&copy, &view))
        return;
    unsigned flow = flow_of(nat, &view);
    set_address(&view, IP_SOURCE, nat->host_ip);
    set_port(&view, view.source_port, (uint16_t)(NAT_FIRST_PORT + flow));
    route(nat, &copy, output);
}

void nat_from_wire(struct nat *nat, const struct frame *frame, const struct nat_output *output)
{
    struct packet_view view;
    struct frame copy = *frame;
    if (is_arp(frame)) {
        arp_from_wire(nat, frame, output);
        return;
    }
    if (!look(&copy, &view) || memcmp(view.ip + IP_TARGET, nat->host_ip, 4) != 0)
        return;
    unsigned index = (unsigned)get_be16(view.target_port) - NAT_FIRST_PORT;
    if (index >= NAT_FLOWS || nat->flows[index].protocol != view.protocol)
        return; /* for the host itself, which runs nothing */
    set_address(&view, IP_TARGET, nat->flows[index].inside_ip);
    set_port(&view, view.target_port, nat->flows[index].inside_port);
    memcpy(copy.data, nat->vm_mac, 6);
    memcpy(copy.data + 6, nat->router_mac, 6);
    output->to_vm(output->ctx, &copy);
}
