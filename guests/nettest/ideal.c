/* Driver of the idealized NIC (docs/ideal-nic.md of the emulator):
 *
 *     transmit:   entry, tx_given; OUT DOORBELL
 *     interrupt:  OUT EVENTS (acknowledge), then look at memory
 *
 * One port access for a packet and none of the card's interrupts: buffers that have left are taken back
 * whenever we are here anyway. Only who waits for room asks for an interrupt (tx_want).
 *
 * Invariants: (1) tx_done <= tx_given <= tx_done + tx_limit, and exactly the packets of entries tx_done to
 * tx_given - 1 are held; (2) every receive entry given has a packet; (3) the queue before the ring is empty
 * unless the ring is full. Counters run freely and are taken modulo the ring's size. */
#include "console.h"
#include "cpu.h"
#include "io.h"
#include "irq.h"
#include "mm.h"
#include "nic.h"

enum {
    ID = 0x00,
    RINGS = 0x04,
    DOORBELL = 0x08,
    EVENTS = 0x0c,
    MAC = 0x10,
    MAC_HIGH = 0x14,
    PORTS_MASK = 0xffe0,
    PORTS = 0xc000, /* where we put them if no firmware did */
    IRQ = 11,
    MAGIC = 0x4c414449,
    ALL_EVENTS = 3,
    RING = 64,
    RX_USED = 32, /* buffers given: the pool is small */
};

struct entry {
    uint32_t address, length;
};

struct shared {
    uint32_t tx_given, tx_taken, tx_want, rx_given, rx_taken;
    uint32_t unused[11];
    struct entry tx[RING], rx[RING];
};

struct ideal {
    volatile struct shared shared __attribute__((aligned(4096)));
    struct packet *tx_packets[RING], *rx_packets[RING];
    uint32_t tx_done, rx_next, tx_limit;
    struct packet *queue_head, *queue_tail;       /* waiting for the transmit ring, by next_sent */
    struct packet *received_head, *received_tail; /* for the bottom half, by next */
    uint16_t ports;
    uint8_t address[6];
    struct stats stats;
};

static struct ideal card;

/* Keeps the compiler from moving stores across. */
static inline void barrier(void)
{
    __asm__ volatile("" : : : "memory");
}

static void rx_give(struct packet *packet)
{
    uint32_t slot = card.shared.rx_given % RING;
    card.rx_packets[slot] = packet;
    card.shared.rx[slot].address = physical_of(packet_frame(packet));
    card.shared.rx[slot].length = PACKET_ROOM;
    barrier();
    card.shared.rx_given++;
}

static void rx_collect(void)
{
    for (; card.rx_next != card.shared.rx_taken; card.rx_next++) {
        uint32_t slot = card.rx_next % RING;
        struct packet *packet = card.rx_packets[slot], *fresh = packet_take();
        if (fresh == NULL) {
            card.stats.rx_dropped++;
            rx_give(packet);
            continue;
        }
        card.stats.rx_packets++;
        packet->length = card.shared.rx[slot].length;
        packet->next = NULL;
        if (card.received_head == NULL)
            card.received_head = packet;
        else
            card.received_tail->next = packet;
        card.received_tail = packet;
        rx_give(fresh);
    }
}

static void tx_reclaim(void)
{
    for (; card.tx_done != card.shared.tx_taken; card.tx_done++) {
        card.stats.tx_packets++;
        packet_release(card.tx_packets[card.tx_done % RING]);
    }
}

static bool tx_full(void)
{
    return card.shared.tx_given - card.tx_done >= card.tx_limit;
}

/* Asks for an interrupt if the ring is full and stays so. */
static bool tx_wait(void)
{
    tx_reclaim();
    if (!tx_full())
        return false;
    card.shared.tx_want = 1;
    tx_reclaim();
    return tx_full();
}

static void tx_start(struct packet *packet)
{
    uint32_t slot = card.shared.tx_given % RING;
    card.tx_packets[slot] = packet;
    card.shared.tx[slot].address = physical_of(packet_frame(packet));
    card.shared.tx[slot].length = packet->length < FRAME_MIN ? FRAME_MIN : packet->length;
    barrier();
    card.shared.tx_given++;
    card.stats.ideal++;
    outl(card.ports + DOORBELL, 1);
}

static void ideal_interrupt(void)
{
    card.stats.nic_irqs++;
    card.stats.ideal++;
    outl(card.ports + EVENTS, ALL_EVENTS);
    rx_collect();
    tx_reclaim();
    bottom_half_request();
}

static bool ideal_start(const struct config *config, struct pci_function function)
{
    if ((pci_read(function, PCI_BAR0) & PORTS_MASK) == 0)
        pci_write(function, PCI_BAR0, PORTS);
    card.ports = (uint16_t)(pci_read(function, PCI_BAR0) & PORTS_MASK);
    uint32_t command = pci_read(function, PCI_COMMAND) & 0xffff;
    pci_write(function, PCI_COMMAND, command | PCI_COMMAND_IO | PCI_COMMAND_MASTER);
    if (!pci_route_irq(function, IRQ) || inl(card.ports + ID) != MAGIC) {
        console_line("the idealized controller does not answer");
        return false;
    }
    uint32_t low = inl(card.ports + MAC), high = inl(card.ports + MAC_HIGH);
    memcpy(card.address, &low, 4);
    memcpy(card.address + 4, &high, 2);
    card.tx_limit = config->tx_ring;
    outl(card.ports + RINGS, (uint32_t)(uintptr_t)&card.shared - KERNEL_BASE);
    for (unsigned i = 0; i < RX_USED; i++)
        rx_give(packet_take());
    irq_request(IRQ, ideal_interrupt);
    return true;
}

static const uint8_t *ideal_address(void)
{
    return card.address;
}

static bool ideal_has_room(void)
{
    uint32_t flags = interrupts_save();
    bool room = card.queue_head == NULL && !tx_wait();
    interrupts_restore(flags);
    return room;
}

static bool ideal_is_drained(void)
{
    uint32_t flags = interrupts_save();
    tx_reclaim();
    bool drained = card.shared.tx_given == card.tx_done && card.queue_head == NULL;
    if (!drained)
        card.shared.tx_want = 1;
    interrupts_restore(flags);
    return drained;
}

static void ideal_send(struct packet *packet)
{
    packet_hold(packet);
    uint32_t flags = interrupts_save();
    if (card.queue_head == NULL && !tx_wait()) {
        tx_start(packet);
    } else {
        packet->next_sent = NULL;
        if (card.queue_head == NULL)
            card.queue_head = packet;
        else
            card.queue_tail->next_sent = packet;
        card.queue_tail = packet;
    }
    interrupts_restore(flags);
}

static void ideal_refill(void)
{
    bool more = true;
    while (more) {
        uint32_t flags = interrupts_save();
        struct packet *packet = card.queue_head;
        tx_reclaim();
        more = packet != NULL && !tx_wait();
        if (more) {
            card.queue_head = packet->next_sent;
            tx_start(packet);
        }
        interrupts_restore(flags);
    }
}

static struct packet *ideal_receive(void)
{
    uint32_t flags = interrupts_save();
    struct packet *packet = card.received_head;
    if (packet != NULL)
        card.received_head = packet->next;
    interrupts_restore(flags);
    return packet;
}

static void ideal_stats(struct stats *stats)
{
    *stats = card.stats;
}

const struct nic_ops ideal_ops = {
    .pci_id = 0x1dea1234u,
    .start = ideal_start,
    .address = ideal_address,
    .send = ideal_send,
    .receive = ideal_receive,
    .refill = ideal_refill,
    .has_room = ideal_has_room,
    .is_drained = ideal_is_drained,
    .stats = ideal_stats,
};
