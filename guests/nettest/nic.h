/* The network card, whichever there is: a PCnet or the idealized one. What each call does is in nic_ops. */
#ifndef NETTEST_NIC_H
#define NETTEST_NIC_H

#include "abi.h"
#include "packet.h"
#include "pci.h"

#include <stdbool.h>

struct nic_ops {
    uint32_t pci_id;
    /* Resets and starts the card; its interrupt is requested. False, after a message, when it does not
     * answer. */
    bool (*start)(const struct config *config, struct pci_function function);
    const uint8_t *(*address)(void);
    /* Sends a complete frame, in order; the packet is held until it is on the wire. */
    void (*send)(struct packet *packet);
    /* The next received frame, NULL when there is none. The caller releases it. */
    struct packet *(*receive)(void);
    /* Moves packets that found the transmit ring full into it. For the bottom half. */
    void (*refill)(void);
    /* Whether a packet given now would go straight into the transmit ring; whether all given are sent. */
    bool (*has_room)(void);
    bool (*is_drained)(void);
    /* Fills in the driver's part of the statistics. */
    void (*stats)(struct stats *stats);
};

extern const struct nic_ops pcnet_ops, ideal_ops;

/* Finds and starts a card. False, after a message, when there is none. */
bool nic_start(const struct config *config);
const struct nic_ops *nic(void);

#endif
