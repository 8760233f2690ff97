/* Ethernet, ARP, IPv4, ICMP echo and UDP of the nettest kernel. */
#ifndef NETTEST_NET_H
#define NETTEST_NET_H

#include "abi.h"
#include "packet.h"

#include <stdbool.h>

enum { IP_TCP = 6, IP_UDP = 17, IP_ICMP = 1 };

/* Cycles, see net_path(): with it, PC-733 is idle for as long as Sugerman 2001's Table 3 says (calibrated;
 * docs/cost-model.md). */
enum { NET_PATH = 2400 };

void net_init(const struct config *config);
const struct config *net_config(void);

/* Asks for the peer's Ethernet address and waits for it; false when nobody answers. In process context. */
bool net_resolve(void);

/* Writes the IP and Ethernet headers in front of `length` transport bytes and sends the packet to the peer,
 * whose address must be resolved. */
void net_send_ip(struct packet *packet, uint8_t protocol, uint32_t length);

/* Ones' complement sum of TCP's or UDP's pseudo header. */
uint32_t net_pseudo_sum(uint8_t protocol, uint32_t length);

/* One datagram with the user's bytes; waits for room in the transmit ring. In process context. */
bool net_send_udp(const void *data, uint32_t length);

/* Everything that is done after interrupts: received frames, timers, packets waiting for the ring. */
void net_bottom_half(void);

#endif
