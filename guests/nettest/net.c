/* Ethernet, ARP (RFC 826), IPv4 (RFC 791, no options, no fragments), ICMP echo (RFC 792), UDP (RFC 768,
 * sending only). One interface, one peer on the same wire. TCP is in tcp.c. */
#include "net.h"
#include "io.h"
#include "irq.h"
#include "mm.h"
#include "nic.h"
#include "task.h"
#include "tcp.h"

enum {
    TYPE_IP = 0x0800,
    TYPE_ARP = 0x0806,
    ARP_REQUEST = 1,
    ARP_REPLY = 2,
    ARP_TRIES = 5,
    ICMP_ECHO_REPLY = 0,
    ICMP_ECHO = 8,
    IP_VERSION_LENGTH = 0x45,
    IP_DONT_FRAGMENT = 0x4000,
    IP_FRAGMENT_MASK = 0x3fff, /* more fragments, or not the first */
    UDP_SOURCE_PORT = 1024,
};

struct arp {
    uint16_t hardware, protocol;
    uint8_t hardware_size, protocol_size;
    uint16_t operation;
    uint8_t source_hardware[6];
    uint32_t source;
    uint8_t target_hardware[6];
    uint32_t target;
} __attribute__((packed));

struct icmp_header {
    uint8_t type, code;
    uint16_t checksum;
} __attribute__((packed, aligned(4)));

struct net {
    struct config config;
    uint8_t peer_address[6];
    bool resolved;
    uint16_t ip_id;
    uint32_t wait_until; /* ticks, for net_resolve */
    uint32_t path_random;
};

static struct net net;

static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

void net_init(const struct config *config)
{
    net.config = *config;
}

const struct config *net_config(void)
{
    return &net.config;
}

static void ethernet_send(struct packet *packet, const uint8_t *to, uint16_t type, uint32_t length)
{
    struct ethernet_header *header = packet_ethernet(packet);
    memcpy(header->to, to, 6);
    memcpy(header->from, nic()->address(), 6);
    header->type = be16(type);
    packet->length = ETHERNET_HEADER + length;
    /* The chip pads short frames, but reads the bytes from here (the descriptor says FRAME_MIN). */
    if (packet->length < FRAME_MIN)
        memset(packet_frame(packet) + packet->length, 0, FRAME_MIN - packet->length);
    nic()->send(packet);
}

static void arp_send(uint16_t operation, const uint8_t *to, uint32_t target)
{
    struct packet *packet = packet_take();
    if (packet == NULL)
        return;
    struct arp *arp = (void *)(packet_frame(packet) + ETHERNET_HEADER);
    arp->hardware = be16(1);
    arp->protocol = be16(TYPE_IP);
    arp->hardware_size = 6;
    arp->protocol_size = 4;
    arp->operation = be16(operation);
    memcpy(arp->source_hardware, nic()->address(), 6);
    arp->source = be32(net.config.ip);
    if (operation == ARP_REPLY)
        memcpy(arp->target_hardware, to, 6);
    else
        memset(arp->target_hardware, 0, 6);
    arp->target = be32(target);
    ethernet_send(packet, to, TYPE_ARP, sizeof *arp);
    packet_release(packet);
}

static void arp_receive(struct packet *packet)
{
    const struct arp *arp = (const void *)(packet_frame(packet) + ETHERNET_HEADER);
    if (arp->hardware != be16(1) || arp->protocol != be16(TYPE_IP) || arp->hardware_size != 6 ||
        arp->protocol_size != 4)
        return;
    uint32_t source = be32(arp->source);
    if (source == net.config.peer) {
        memcpy(net.peer_address, arp->source_hardware, 6);
        net.resolved = true;
    }
    if (arp->operation == be16(ARP_REQUEST) && arp->target == be32(net.config.ip))
        arp_send(ARP_REPLY, arp->source_hardware, source);
}

static bool arp_ready(void)
{
    return net.resolved || (int32_t)(timer_ticks() - net.wait_until) >= 0;
}

bool net_resolve(void)
{
    for (unsigned i = 0; i < ARP_TRIES && !net.resolved; i++) {
        net.wait_until = timer_ticks() + TIMER_HZ;
        arp_send(ARP_REQUEST, broadcast, net.config.peer);
        task_wait(arp_ready);
    }
    return net.resolved;
}

uint32_t net_pseudo_sum(uint8_t protocol, uint32_t length)
{
    uint32_t sum = checksum_join(be32(net.config.ip), be32(net.config.peer));
    return checksum_join(sum, (uint32_t)be16((uint16_t)length) + be16(protocol));
}

/* How often PATH_ROUND cycles are to be spent on this packet. A real path is never twice as long: caches,
 * timers, other interrupts. Without that, sender and receiver lock into patterns in which interrupts always
 * meet or never do. So each packet's is drawn evenly between none and twice the mean, the same in every run.
 */
static uint32_t path_turns(void)
{
    enum { PATH_ROUND = 9 };
    uint32_t twice = 2 * net.config.path / PATH_ROUND;
    if (net.config.path_is_even)
        return twice / 2;
    net.path_random = net.path_random * 1664525 + 1013904223; /* Knuth, TAOCP 3.3.4, table 1 */
    return (uint32_t)((uint64_t)(twice + 1) * (net.path_random >> 8) >> 24);
}

/* What Linux 2.2 does for a packet and we have no use for: sk_buffs and their clones, route cache, firewall,
 * queueing discipline, taps, timers, socket locks. Loads and stores over a page; the words path=CYCLES and
 * path-spread=on|off say how many, in the cycles of profiles/pc-733.ini. */
static void net_path(void)
{
    static uint32_t page[1024];
    uint32_t turns = path_turns(), at = 0, value;
    if (turns == 0)
        return;
    __asm__ volatile("1: movl (%3,%1), %2\n\t"
                     "addl %0, %2\n\t"
                     "movl %2, (%3,%1)\n\t"
                     "addl $32, %1\n\t"
                     "andl $4092, %1\n\t"
                     "decl %0\n\t"
                     "jnz 1b"
                     : "+r"(turns), "+r"(at), "=&r"(value)
                     : "r"(page)
                     : "memory", "cc");
}

static void ip_send(struct packet *packet, const uint8_t *to, uint32_t target, uint8_t protocol,
                    uint32_t length)
{
    struct ip_header *ip = packet_ip(packet);
    ip->version = IP_VERSION_LENGTH;
    ip->tos = 0;
    ip->length = be16((uint16_t)(IP_HEADER + length));
    ip->id = be16(net.ip_id++);
    ip->fragment = be16(IP_DONT_FRAGMENT);
    ip->ttl = 64;
    ip->protocol = protocol;
    ip->checksum = 0;
    ip->source = be32(net.config.ip);
    ip->target = be32(target);
    ip->checksum = checksum_fold(checksum_add(ip, IP_HEADER, 0));
    net_path();
    ethernet_send(packet, to, TYPE_IP, IP_HEADER + length);
}

void net_send_ip(struct packet *packet, uint8_t protocol, uint32_t length)
{
    ip_send(packet, net.peer_address, net.config.peer, protocol, length);
}

/* The request becomes the answer. */
static void icmp_receive(struct packet *packet, uint32_t length)
{
    struct icmp_header *icmp = packet_transport(packet);
    if (length < ICMP_HEADER || icmp->type != ICMP_ECHO || checksum_fold(checksum_add(icmp, length, 0)) != 0)
        return;
    icmp->type = ICMP_ECHO_REPLY;
    icmp->checksum = 0;
    icmp->checksum = checksum_fold(checksum_add(icmp, length, 0));
    uint8_t to[6];
    memcpy(to, packet_ethernet(packet)->from, 6);
    ip_send(packet, to, be32(packet_ip(packet)->source), IP_ICMP, length);
}

static void ip_receive(struct packet *packet)
{
    const struct ip_header *ip = packet_ip(packet);
    uint32_t length = be16(ip->length);
    if (ip->version != IP_VERSION_LENGTH || length < IP_HEADER || length > packet->length - ETHERNET_HEADER ||
        (be16(ip->fragment) & IP_FRAGMENT_MASK) != 0 || ip->target != be32(net.config.ip) ||
        checksum_fold(checksum_add(ip, IP_HEADER, 0)) != 0)
        return;
    net_path();
    if (ip->protocol == IP_ICMP)
        icmp_receive(packet, length - IP_HEADER);
    else if (ip->protocol == IP_TCP && ip->source == be32(net.config.peer))
        tcp_receive(packet, length - IP_HEADER);
}

static bool udp_ready(void)
{
    return nic()->has_room() && packet_plenty();
}

bool net_send_udp(const void *data, uint32_t length)
{
    if (!net.resolved && !net_resolve())
        return false;
    if (length > MTU - IP_HEADER - UDP_HEADER)
        return false;
    task_wait(udp_ready);
    struct packet *packet = packet_take();
    struct udp_header *udp = packet_transport(packet);
    udp->source = be16(UDP_SOURCE_PORT);
    udp->target = be16((uint16_t)net.config.port);
    udp->length = be16((uint16_t)(UDP_HEADER + length));
    udp->checksum = 0;
    uint32_t sum = checksum_copy(udp + 1, data, length, net_pseudo_sum(IP_UDP, UDP_HEADER + length));
    udp->checksum = checksum_fold(checksum_add(udp, UDP_HEADER, sum));
    if (udp->checksum == 0)
        udp->checksum = 0xffff; /* 0 would mean "none" */
    bottom_half_hold();
    net_send_ip(packet, IP_UDP, UDP_HEADER + length);
    bottom_half_release();
    packet_release(packet);
    return true;
}

void net_bottom_half(void)
{
    struct packet *packet;
    while ((packet = nic()->receive()) != NULL) {
        uint16_t type = packet_ethernet(packet)->type;
        if (type == be16(TYPE_IP))
            ip_receive(packet);
        else if (type == be16(TYPE_ARP))
            arp_receive(packet);
        packet_release(packet);
    }
    tcp_timer();
    nic()->refill();
    task_poll();
}
