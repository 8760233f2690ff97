/* Packets: one buffer with room for a whole Ethernet frame, passed around by pointer and counted, as Linux
 * does with its sk_buff: the TCP queue and the transmit ring may hold the same packet. */
#ifndef NETTEST_PACKET_H
#define NETTEST_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PACKET_START = 2, /* of the frame: puts the IP header on a multiple of four */
    PACKET_ROOM = 1544,
    ETHERNET_HEADER = 14,
    IP_HEADER = 20,
    TCP_HEADER = 20,
    UDP_HEADER = 8,
    ICMP_HEADER = 8,
    FRAME_MIN = 60,
    MTU = 1500,
};

struct packet {
    struct packet *next;      /* in the TCP queue, the receive queue or the free list */
    struct packet *next_sent; /* in the queue before the transmit ring */
    unsigned users;
    uint32_t length; /* of the frame */
    /* TCP: */
    uint32_t seq;
    uint32_t payload;
    uint32_t sum; /* ones' complement sum of the payload */
    bool fin;
    uint8_t data[PACKET_START + PACKET_ROOM] __attribute__((aligned(4)));
};

struct ethernet_header {
    uint8_t to[6], from[6];
    uint16_t type;
} __attribute__((packed));

struct ip_header {
    uint8_t version, tos;
    uint16_t length, id, fragment;
    uint8_t ttl, protocol;
    uint16_t checksum;
    uint32_t source, target;
} __attribute__((packed, aligned(4)));

struct tcp_header {
    uint16_t source, target;
    uint32_t seq, ack;
    uint8_t offset, flags;
    uint16_t window, checksum, urgent;
} __attribute__((packed, aligned(4)));

struct udp_header {
    uint16_t source, target, length, checksum;
} __attribute__((packed, aligned(4)));

void packet_pool_init(void);

/* NULL when all are in use. May be called anywhere. */
struct packet *packet_take(void);
void packet_hold(struct packet *packet);
void packet_release(struct packet *packet);

/* How many have several users: the TCP queue and the chip. */
unsigned packets_held(void);

/* Whether so many are free that the process may fill one and leave some for receiving and answers. */
bool packet_plenty(void);

static inline uint8_t *packet_frame(struct packet *packet)
{
    return packet->data + PACKET_START;
}

static inline struct ethernet_header *packet_ethernet(struct packet *packet)
{
    return (struct ethernet_header *)packet_frame(packet);
}

static inline struct ip_header *packet_ip(struct packet *packet)
{
    return (struct ip_header *)(void *)(packet_frame(packet) + ETHERNET_HEADER);
}

/* What follows an IP header without options; the only kind we send, and received ones are checked. */
static inline void *packet_transport(struct packet *packet)
{
    return packet_frame(packet) + ETHERNET_HEADER + IP_HEADER;
}

/* entry.S. The sum continues from an even offset; both results are folded by checksum_fold. */
uint32_t checksum_add(const void *data, size_t length, uint32_t sum);
uint32_t checksum_copy(void *to, const void *from, size_t length, uint32_t sum);

static inline uint16_t checksum_fold(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

/* Sum of two sums. */
static inline uint32_t checksum_join(uint32_t a, uint32_t b)
{
    uint32_t sum = a + b;
    return sum + (sum < a);
}

#endif
