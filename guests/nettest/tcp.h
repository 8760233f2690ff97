/* The one TCP connection of the nettest kernel. The calls for the process may sleep; tcp_receive and
 * tcp_timer belong to the bottom half. */
#ifndef NETTEST_TCP_H
#define NETTEST_TCP_H

#include "packet.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* For the process. False or negative: refused, reset or nobody there. */
bool tcp_connect(uint16_t port);
/* Waits for somebody to connect to `port`. */
bool tcp_accept(uint16_t port);
int32_t tcp_write(const void *data, size_t length);
int32_t tcp_read(void *data, size_t length);
bool tcp_shutdown(void);
void tcp_close(void);

/* A segment of `length` bytes in the packet, its IP header checked. */
void tcp_receive(struct packet *packet, uint32_t length);
void tcp_timer(void);

uint32_t tcp_retransmits(void);

#endif
