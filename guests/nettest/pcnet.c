/* Driver of the AMD PCnet-PCI II (Am79C970A data sheet, AMD publication 19436), written so that its accesses
 * to the chip are those of Linux 2.2's pcnet32 in word mode:
 *
 *     transmit:   RAP<-0 RDP<-0x0048 (transmit demand, interrupts enabled)
 *     interrupt:  RAP->saved
 *                 RAP<-0 RDP->csr0                       status; while RINT, TINT or ERR is set:
 *                 RAP<-0 RDP<-csr0 & ~0x004f                 acknowledge, interrupts off
 *                 (rings are looked at: memory only)
 *                 RAP<-0 RDP->csr0                           loop test
 *                 RAP<-0 RDP<-0x7940                      clear the rest, interrupts on
 *                 RAP<-saved
 *
 * That is 2 accesses to transmit and 10 for an interrupt whose loop turns once: twelve per packet, 7 of the
 * address and 5 of the data port. The chip interrupts for every packet sent. Anything rare (start, restart
 * after an error) is not counted.
 *
 * Rings: 16 transmit and 32 receive descriptors, either 32 bits wide (SWSTYLE 2) or the 16-bit ones of the
 * original Lance (SWSTYLE 0, addresses below 16 MB, which all our memory is).
 *
 * Invariants: (1) tx_done <= tx_next <= tx_done + tx_limit, and exactly the packets of descriptors tx_done to
 * tx_next - 1 are held; (2) every receive descriptor owned by the chip has a packet; (3) the queue before the
 * ring is empty unless the ring is full. The free-running counters are taken modulo the ring sizes. */
#include "console.h"
#include "io.h"
#include "irq.h"
#include "mm.h"
#include "nic.h"

#define PCNET_ID 0x20001022u

enum {
    /* Ports in word mode. */
    PCNET_APROM = 0x00,
    PCNET_RDP = 0x10,
    PCNET_RAP = 0x12,
    PCNET_RESET = 0x14,
    PCNET_BDP = 0x16,
    PCNET_PORTS = 0xc000, /* where we put it if no firmware did */
    PCNET_IRQ = 11,

    CSR0 = 0,
    CSR1_INIT_BLOCK_LOW = 1,
    CSR2_INIT_BLOCK_HIGH = 2,
    CSR3_MASK = 3,
    CSR4_FEATURES = 4,
    BCR2_MISC = 2,
    BCR20_SOFTWARE_STYLE = 20,

    CSR0_INIT = 1 << 0,
    CSR0_STRT = 1 << 1,
    CSR0_STOP = 1 << 2,
    CSR0_TDMD = 1 << 3,
    CSR0_TXON = 1 << 4,
    CSR0_INEA = 1 << 6,
    CSR0_IDON = 1 << 8,
    CSR0_TINT = 1 << 9,
    CSR0_RINT = 1 << 10,
    CSR0_ERR = 1 << 15,
    CSR0_EVENTS = CSR0_ERR | CSR0_RINT | CSR0_TINT,
    CSR0_KEEP_ON_ACK = 0xffff & ~0x004f, /* not INEA, TDMD, STOP, STRT, INIT */
    CSR0_REENABLE = 0x7940,              /* BABL CERR MISS MERR IDON cleared, INEA */

    CSR4_SETTINGS = 0x0915, /* automatic padding; counter, start and jabber interrupts masked */
    BCR2_AUTO_SELECT = 1 << 1,

    /* Descriptor status (upper half of the 32-bit word, or the 16-bit word). */
    STATUS_OWN = 1 << 15,
    STATUS_ERR = 1 << 14,
    STATUS_STP = 1 << 9,
    STATUS_ENP = 1 << 8,

    TX_RING_BITS = 4,
    RX_RING_BITS = 5,
    TX_RING = 1 << TX_RING_BITS,
    RX_RING = 1 << RX_RING_BITS,
    INIT_WAIT = 100000, /* looks at CSR0 before we give up */
    HANDLER_TURNS = 20, /* of the handler's loop, at most */
};

/* A descriptor, in whichever of its two layouts (data sheet, "Descriptor rings"). */
union descriptor {
    struct {
        uint32_t address;
        uint16_t length, status; /* length: two's complement, upper four bits ones */
        uint32_t message_length; /* received bytes with CRC; transmit: error bits in the upper half */
        uint32_t unused;
    } wide;
    struct {
        uint16_t address_low, status; /* low byte of status: address bits 16 to 23 */
        uint16_t length, message_length;
    } narrow[2];
};

struct init_block_wide {
    uint32_t mode; /* with the ring sizes in the upper half */
    uint8_t address[6];
    uint16_t unused;
    uint32_t filter[2];
    uint32_t rx_ring, tx_ring;
};

struct init_block_narrow {
    uint16_t mode;
    uint8_t address[6];
    uint32_t filter[2];
    uint32_t rx_ring, tx_ring; /* with the ring size in the upper three bits */
} __attribute__((packed));

struct pcnet {
    union descriptor rx_ring[RX_RING] __attribute__((aligned(16)));
    union descriptor tx_ring[TX_RING] __attribute__((aligned(16)));
    struct init_block_wide init_wide __attribute__((aligned(16)));
    struct init_block_narrow init_narrow __attribute__((aligned(16)));
    struct packet *rx_packets[RX_RING], *tx_packets[TX_RING];
    uint32_t rx_next, tx_next, tx_done;
    uint32_t tx_limit;                            /* descriptors used at a time */
    struct packet *queue_head, *queue_tail;       /* waiting for the transmit ring, by next_sent */
    struct packet *received_head, *received_tail; /* for the bottom half, by next */
    uint16_t ports;
    bool wide;
    uint8_t address[6];
    struct stats stats;
};

static struct pcnet chip;

static inline void rap_write(uint16_t index)
{
    chip.stats.rap++;
    outw(chip.ports + PCNET_RAP, index);
}

static inline uint16_t rap_read(void)
{
    chip.stats.rap++;
    return inw(chip.ports + PCNET_RAP);
}

static inline void csr_write(uint16_t index, uint16_t value)
{
    rap_write(index);
    chip.stats.rdp++;
    outw(chip.ports + PCNET_RDP, value);
}

static inline uint16_t csr_read(uint16_t index)
{
    rap_write(index);
    chip.stats.rdp++;
    return inw(chip.ports + PCNET_RDP);
}

static void bcr_write(uint16_t index, uint16_t value)
{
    rap_write(index);
    outw(chip.ports + PCNET_BDP, value);
}

static uint16_t bcr_read(uint16_t index)
{
    rap_write(index);
    return inw(chip.ports + PCNET_BDP);
}

/* Keeps the compiler from moving stores across: everything else of a descriptor is written before OWN. */
static inline void barrier(void)
{
    __asm__ volatile("" : : : "memory");
}

/* A narrow descriptor takes half the room of a wide one: ring slot i is narrow[i & 1] of element i / 2. */
static void descriptor_give(union descriptor *ring, uint32_t slot, const uint8_t *data, uint32_t length,
                            uint16_t status)
{
    uint32_t address = physical_of(data);
    uint16_t negative = (uint16_t)-length;
    if (chip.wide) {
        volatile union descriptor *d = &ring[slot];
        d->wide.address = address;
        d->wide.length = negative;
        d->wide.message_length = 0;
        barrier();
        d->wide.status = status;
    } else {
        volatile union descriptor *d = &ring[slot / 2];
        d->narrow[slot & 1].address_low = (uint16_t)address;
        d->narrow[slot & 1].length = negative;
        d->narrow[slot & 1].message_length = 0;
        barrier();
        d->narrow[slot & 1].status = status | (uint16_t)(address >> 16 & 0xff);
    }
}

static uint16_t descriptor_status(const union descriptor *ring, uint32_t slot)
{
    const volatile union descriptor *d = &ring[chip.wide ? slot : slot / 2];
    return chip.wide ? d->wide.status : d->narrow[slot & 1].status;
}

static uint32_t descriptor_message_length(const union descriptor *ring, uint32_t slot)
{
    const volatile union descriptor *d = &ring[chip.wide ? slot : slot / 2];
    return (chip.wide ? d->wide.message_length : d->narrow[slot & 1].message_length) & 0xfff;
}

static void rx_give(uint32_t slot)
{
    descriptor_give(chip.rx_ring, slot, packet_frame(chip.rx_packets[slot]), PACKET_ROOM, STATUS_OWN);
}

/* Takes what the chip has received; a packet goes up only when another can take its place in the ring. */
static void rx_collect(void)
{
    for (;;) {
        uint32_t slot = chip.rx_next % RX_RING;
        uint16_t status = descriptor_status(chip.rx_ring, slot);
        if ((status & STATUS_OWN) != 0)
            return;
        chip.rx_next++;
        struct packet *packet = chip.rx_packets[slot], *fresh = NULL;
        uint32_t length = descriptor_message_length(chip.rx_ring, slot);
        if ((status & (STATUS_ERR | STATUS_STP | STATUS_ENP)) != (STATUS_STP | STATUS_ENP) ||
            length < FRAME_MIN + 4 || length > PACKET_ROOM) {
            chip.stats.rx_errors++;
        } else if ((fresh = packet_take()) == NULL) {
            chip.stats.rx_dropped++;
        } else {
            chip.stats.rx_packets++;
            packet->length = length - 4; /* the CRC */
            packet->next = NULL;
            if (chip.received_head == NULL)
                chip.received_head = packet;
            else
                chip.received_tail->next = packet;
            chip.received_tail = packet;
            chip.rx_packets[slot] = fresh;
        }
        rx_give(slot);
    }
}

static void tx_reclaim(void)
{
    while (chip.tx_done != chip.tx_next) {
        uint32_t slot = chip.tx_done % TX_RING;
        uint16_t status = descriptor_status(chip.tx_ring, slot);
        if ((status & STATUS_OWN) != 0)
            return;
        if ((status & STATUS_ERR) != 0)
            chip.stats.tx_errors++;
        chip.stats.tx_packets++;
        packet_release(chip.tx_packets[slot]);
        chip.tx_done++;
    }
}

/* Puts the packet into the ring and tells the chip. Interrupts off; there is room. */
static void tx_start(struct packet *packet)
{
    uint32_t slot = chip.tx_next % TX_RING;
    uint32_t length = packet->length < FRAME_MIN ? FRAME_MIN : packet->length;
    chip.tx_packets[slot] = packet;
    descriptor_give(chip.tx_ring, slot, packet_frame(packet), length, STATUS_OWN | STATUS_STP | STATUS_ENP);
    chip.tx_next++;
    csr_write(CSR0, CSR0_INEA | CSR0_TDMD);
}

static void chip_start(void)
{
    uint32_t block = chip.wide ? physical_of(&chip.init_wide) : physical_of(&chip.init_narrow);
    csr_write(CSR1_INIT_BLOCK_LOW, (uint16_t)block);
    csr_write(CSR2_INIT_BLOCK_HIGH, (uint16_t)(block >> 16));
    csr_write(CSR4_FEATURES, CSR4_SETTINGS);
    csr_write(CSR0, CSR0_INIT);
    for (unsigned i = 0; i < INIT_WAIT && (csr_read(CSR0) & CSR0_IDON) == 0; i++)
        ;
    csr_write(CSR0, CSR0_IDON | CSR0_INEA | CSR0_STRT);
}

/* An underflow or the like has stopped the transmitter. The chip is initialized again, which starts both
 * rings from their first descriptor: packets in the transmit ring are lost (TCP sends them again). */
static void chip_restart(void)
{
    csr_write(CSR0, CSR0_STOP);
    rx_collect();
    for (; chip.tx_done != chip.tx_next; chip.tx_done++)
        packet_release(chip.tx_packets[chip.tx_done % TX_RING]);
    chip.rx_next = chip.tx_next = chip.tx_done = 0;
    for (uint32_t slot = 0; slot < RX_RING; slot++)
        rx_give(slot);
    memset(chip.tx_ring, 0, sizeof chip.tx_ring);
    chip_start();
}

static void count_interrupt(uint16_t events)
{
    chip.stats.nic_irqs++;
    switch (events & (CSR0_RINT | CSR0_TINT)) {
    case CSR0_TINT: chip.stats.tx_irqs++; break;
    case CSR0_RINT: chip.stats.rx_irqs++; break;
    case CSR0_RINT | CSR0_TINT: chip.stats.both_irqs++; break;
    default: chip.stats.empty_irqs++; break;
    }
}

static void pcnet_interrupt(void)
{
    uint16_t saved = rap_read(), csr0, events = 0;
    for (unsigned turn = 0; ((csr0 = csr_read(CSR0)) & CSR0_EVENTS) != 0 && turn < HANDLER_TURNS; turn++) {
        csr_write(CSR0, csr0 & CSR0_KEEP_ON_ACK);
        chip.stats.rounds++;
        events |= csr0;
        if ((csr0 & CSR0_RINT) != 0)
            rx_collect();
        if ((csr0 & CSR0_TINT) != 0)
            tx_reclaim();
        if ((csr0 & CSR0_TXON) == 0)
            chip_restart();
    }
    csr_write(CSR0, CSR0_REENABLE);
    rap_write(saved);
    count_interrupt(events);
    bottom_half_request();
}

static void init_blocks_fill(void)
{
    chip.init_wide.mode = TX_RING_BITS << 28 | RX_RING_BITS << 20;
    chip.init_wide.rx_ring = physical_of(chip.rx_ring);
    chip.init_wide.tx_ring = physical_of(chip.tx_ring);
    memcpy(chip.init_wide.address, chip.address, 6);
    chip.init_narrow.rx_ring = physical_of(chip.rx_ring) | (uint32_t)RX_RING_BITS << 29;
    chip.init_narrow.tx_ring = physical_of(chip.tx_ring) | (uint32_t)TX_RING_BITS << 29;
    memcpy(chip.init_narrow.address, chip.address, 6);
}

/* Ports, bus mastering and interrupt line, where no firmware has set them. */
static bool chip_connect(struct pci_function function)
{
    if ((pci_read(function, PCI_BAR0) & 0xffe0) == 0)
        pci_write(function, PCI_BAR0, PCNET_PORTS);
    chip.ports = (uint16_t)(pci_read(function, PCI_BAR0) & 0xffe0);
    uint32_t command = pci_read(function, PCI_COMMAND) & 0xffff; /* writing 0 leaves the status half alone */
    pci_write(function, PCI_COMMAND, command | PCI_COMMAND_IO | PCI_COMMAND_MASTER);
    if (!pci_route_irq(function, PCNET_IRQ)) {
        console_line("no interrupt router");
        return false;
    }
    return true;
}

static bool pcnet_start(const struct config *config, struct pci_function function)
{
    if (!chip_connect(function))
        return false;
    chip.wide = config->wide != 0;
    chip.tx_limit = config->tx_ring;
    (void)inw(chip.ports + PCNET_RESET);
    if ((csr_read(CSR0) & 0xff) != CSR0_STOP) {
        console_line("the PCnet controller does not answer");
        return false;
    }
    for (unsigned i = 0; i < 6; i++)
        chip.address[i] = inb((uint16_t)(chip.ports + PCNET_APROM + i));
    bcr_write(BCR20_SOFTWARE_STYLE, chip.wide ? 2 : 0);
    bcr_write(BCR2_MISC, bcr_read(BCR2_MISC) | BCR2_AUTO_SELECT);
    init_blocks_fill();
    for (uint32_t slot = 0; slot < RX_RING; slot++) {
        chip.rx_packets[slot] = packet_take();
        rx_give(slot);
    }
    irq_request(PCNET_IRQ, pcnet_interrupt);
    chip_start();
    memset(&chip.stats, 0, sizeof chip.stats);
    return true;
}

static const uint8_t *pcnet_address(void)
{
    return chip.address;
}

static bool pcnet_has_room(void)
{
    return chip.tx_next - chip.tx_done < chip.tx_limit && chip.queue_head == NULL;
}

static bool pcnet_is_drained(void)
{
    return chip.tx_next == chip.tx_done && chip.queue_head == NULL;
}

static void pcnet_send(struct packet *packet)
{
    packet_hold(packet);
    uint32_t flags = interrupts_save();
    if (pcnet_has_room()) {
        tx_start(packet);
    } else {
        packet->next_sent = NULL;
        if (chip.queue_head == NULL)
            chip.queue_head = packet;
        else
            chip.queue_tail->next_sent = packet;
        chip.queue_tail = packet;
    }
    interrupts_restore(flags);
}

static void pcnet_refill(void)
{
    /* Interrupts come on between packets, so that each packet's own interrupt is taken. */
    bool more = true;
    while (more) {
        uint32_t flags = interrupts_save();
        struct packet *packet = chip.queue_head;
        more = packet != NULL && chip.tx_next - chip.tx_done < chip.tx_limit;
        if (more) {
            chip.queue_head = packet->next_sent;
            tx_start(packet);
        }
        interrupts_restore(flags);
    }
}

static struct packet *pcnet_receive(void)
{
    uint32_t flags = interrupts_save();
    struct packet *packet = chip.received_head;
    if (packet != NULL)
        chip.received_head = packet->next;
    interrupts_restore(flags);
    return packet;
}

static void pcnet_stats(struct stats *stats)
{
    *stats = chip.stats;
}

const struct nic_ops pcnet_ops = {
    .pci_id = PCNET_ID,
    .start = pcnet_start,
    .address = pcnet_address,
    .send = pcnet_send,
    .receive = pcnet_receive,
    .refill = pcnet_refill,
    .has_room = pcnet_has_room,
    .is_drained = pcnet_is_drained,
    .stats = pcnet_stats,
};
