/* The AMD PCnet-PCI II Ethernet controller (Am79C970A). */
#ifndef NETTEST_PCNET_H
#define NETTEST_PCNET_H

#include "abi.h"
#include "packet.h"

#include <stdbool.h>

/* Finds, resets and starts the chip; its interrupt is requested. False, after a message, when there is none
 * or it does not answer. */
bool pcnet_start(const struct config *config);

const uint8_t *pcnet_address(void);

/* Sends a complete frame, in order; the packet is held until it is on the wire. */
void pcnet_send(struct packet *packet);

/* The next received frame, NULL when there is none. The caller releases it. */
struct packet *pcnet_receive(void);

/* Moves packets that found the transmit ring full into it. For the bottom half. */
void pcnet_refill(void);

/* Whether a packet given now would go straight into the transmit ring; whether all given are sent. */
bool pcnet_has_room(void);
bool pcnet_is_drained(void);

/* Fills in the driver's part of the statistics. */
void pcnet_stats(struct stats *stats);

#endif
