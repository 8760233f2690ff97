/* Am79C970A: what the pcnet_*.c files share. Bit names are the data sheet's. */
#ifndef CROSSPAGE_DEVICES_PCNET_PRIV_H
#define CROSSPAGE_DEVICES_PCNET_PRIV_H

#include "devices/pcnet.h"

enum csr0_bit {
    CSR0_ERR = 1 << 15,
    CSR0_BABL = 1 << 14,
    CSR0_CERR = 1 << 13,
    CSR0_MISS = 1 << 12,
    CSR0_MERR = 1 << 11,
    CSR0_RINT = 1 << 10,
    CSR0_TINT = 1 << 9,
    CSR0_IDON = 1 << 8,
    CSR0_INTR = 1 << 7,
    CSR0_IENA = 1 << 6,
    CSR0_RXON = 1 << 5,
    CSR0_TXON = 1 << 4,
    CSR0_TDMD = 1 << 3,
    CSR0_STOP = 1 << 2,
    CSR0_STRT = 1 << 1,
    CSR0_INIT = 1 << 0,
    CSR0_EVENTS = CSR0_BABL | CSR0_CERR | CSR0_MISS | CSR0_MERR | CSR0_RINT | CSR0_TINT | CSR0_IDON,
    CSR0_INTERRUPTS = CSR0_EVENTS & ~CSR0_CERR, /* CERR never interrupts */
    CSR0_ERRORS = CSR0_BABL | CSR0_CERR | CSR0_MISS | CSR0_MERR,
};

enum csr3_bit { CSR3_DXSUFLO = 1 << 6, CSR3_LAPPEN = 1 << 5 };

enum csr4_bit {
    CSR4_EN124 = 1 << 15,
    CSR4_DMAPLUS = 1 << 14,
    CSR4_TXDPOLL = 1 << 12,
    CSR4_APAD_XMT = 1 << 11,
    CSR4_ASTRP_RCV = 1 << 10,
    CSR4_MFCO = 1 << 9,
    CSR4_UINTCMD = 1 << 7,
    CSR4_UINT = 1 << 6,
    CSR4_RCVCCO = 1 << 5,
    CSR4_TXSTRT = 1 << 3,
    CSR4_JAB = 1 << 1,
    /* Events whose mask is the next lower bit. */
    CSR4_MASKED = CSR4_MFCO | CSR4_RCVCCO | CSR4_TXSTRT | CSR4_JAB,
    CSR4_PLAIN = CSR4_EN124 | CSR4_DMAPLUS | CSR4_TXDPOLL | CSR4_APAD_XMT | CSR4_ASTRP_RCV | CSR4_MASKED >> 1,
};

enum csr5_bit {
    CSR5_TOKINTD = 1 << 15,
    CSR5_LTINTEN = 1 << 14,
    CSR5_SINT = 1 << 11,
    CSR5_SLPINT = 1 << 9,
    CSR5_EXDINT = 1 << 7,
    CSR5_MPPLBA = 1 << 5,
    CSR5_MPINT = 1 << 4,
    CSR5_MPEN = 1 << 2,
    CSR5_MPMODE = 1 << 1,
    CSR5_SPND = 1 << 0,
    /* Events whose enable is the next lower bit. */
    CSR5_EVENTS = CSR5_SINT | CSR5_SLPINT | CSR5_EXDINT | CSR5_MPINT,
    CSR5_PLAIN = CSR5_TOKINTD | CSR5_LTINTEN | CSR5_MPPLBA | CSR5_MPEN | CSR5_MPMODE | CSR5_EVENTS >> 1,
};

enum csr15_bit {
    CSR15_PROM = 1 << 15,
    CSR15_DRCVBC = 1 << 14,
    CSR15_DRCVPA = 1 << 13,
    CSR15_INTL = 1 << 6,
    CSR15_DRTY = 1 << 5,
    CSR15_FCOLL = 1 << 4,
    CSR15_DXMTFCS = 1 << 3,
    CSR15_LOOP = 1 << 2,
    CSR15_DTX = 1 << 1,
    CSR15_DRX = 1 << 0,
};

enum { CSR122_RCVALGN = 1 << 0, CSR124_RPA = 1 << 3 };

/* Registers that are addressed by name in the code; pairs hold 32 bits, low half first. */
enum csr_number {
    CSR_IADR = 1,
    CSR_MASK = 3,
    CSR_TEST = 4,
    CSR_EXTENDED = 5,
    CSR_RING_CODES = 6,
    CSR_LADRF = 8,
    CSR_PADR = 12,
    CSR_MODE = 15,
    CSR_CRBA = 18,
    CSR_CXBA = 20,
    CSR_BADR = 24,
    CSR_CRDA = 28,
    CSR_BADX = 30,
    CSR_CXDA = 34,
    CSR_CRBC = 40,
    CSR_CRST = 41,
    CSR_CXBC = 42,
    CSR_CXST = 43,
    CSR_POLLINT = 47,
    CSR_STYLE = 58,
    CSR_PXDA = 60,
    CSR_PXBC = 62,
    CSR_PXST = 63,
    CSR_RCVRC = 72,
    CSR_XMTRC = 74,
    CSR_RCVRL = 76,
    CSR_XMTRL = 78,
    CSR_FIFO = 80,
    CSR_MFC = 112,
    CSR_FEATURES = 122,
    CSR_RUNT = 124,
    CSR_COUNT = 128,
};

enum bcr_number {
    BCR_MISC = 2,
    BCR_LED = 4,
    BCR_BURST = 18,
    BCR_EEPROM = 19,
    BCR_STYLE = 20,
    BCR_COUNT = 36
};

enum {
    BCR2_APROMWE = 1 << 8,
    BCR18_DWIO = 1 << 7,
    BCR19_PREAD = 1 << 14,
    STYLE_SSIZE32 = 1 << 8, /* 32-bit initialization block and descriptors */
    STYLE_CSRPCNET = 1 << 9,
    STYLE_APERREN = 1 << 10,
    APROM_SIZE = 16,
    CRC_SIZE = 4,
    MIN_FRAME = 60,       /* without FCS */
    MAX_FRAME_FCS = 1518, /* with FCS: one more is a babble */
    RECEIVE_FIFO = 256,
    WORK_LIMIT = 512, /* descriptors looked at in one go: the longest ring the initialization block can
                         describe; what is left over waits for the next poll */
};

/* Descriptor bits, in the places they have in RMD1 and TMD1 of the 32-bit styles. Bits 31:24 are the same in
 * all styles. */
enum {
    DESC_OWN = 1u << 31,
    DESC_ERR = 1u << 30,
    DESC_STP = 1u << 25,
    DESC_ENP = 1u << 24,
    RMD_FRAM = 1u << 29,
    RMD_OFLO = 1u << 28,
    RMD_CRC = 1u << 27,
    RMD_BUFF = 1u << 26,
    RMD_PAM = 1u << 22,
    RMD_LAFM = 1u << 21,
    RMD_BAM = 1u << 20,
    RMD_STATUS = DESC_OWN | DESC_ERR | RMD_FRAM | RMD_OFLO | RMD_CRC | RMD_BUFF | DESC_STP | DESC_ENP,
    RMD_MATCH = RMD_PAM | RMD_LAFM | RMD_BAM,
    TMD_ADD_FCS = 1u << 29, /* NO_FCS in ILACC style */
    TMD_LTINT = 1u << 28,   /* MORE when the chip writes it */
    TMD_ONE = 1u << 27,
    TMD_DEF = 1u << 26,
};

/* TMD2; in the 16-bit style the upper half is TMD3. */
enum {
    TMD2_BUFF = 1u << 31,
    TMD2_UFLO = 1u << 30,
    TMD2_EXDEF = 1u << 29,
    TMD2_LCOL = 1u << 28,
    TMD2_LCAR = 1u << 27,
    TMD2_RTRY = 1u << 26,
    TMD2_ERRORS = TMD2_BUFF | TMD2_UFLO | TMD2_LCOL | TMD2_LCAR | TMD2_RTRY,
};

/* The transmitter.
 *
 *            frame gathered, to the back end           `sent`
 *   TX_IDLE ---------------------------------> TX_WIRE --------> TX_IDLE (descriptor completed)
 *      |    frame gathered, loops back inside          tx_done fires
 *      +-------------------------------------> TX_INSIDE ------> TX_IDLE (descriptor completed)
 *   STOP or reset: TX_WIRE -> TX_ABANDONED (the back end still owes a `sent`, then TX_IDLE without a trace in
 *   memory); TX_INSIDE -> TX_IDLE. */
enum tx_phase { TX_IDLE, TX_WIRE, TX_INSIDE, TX_ABANDONED };

/* Everything the guest can observe. */
struct pcnet_state {
    struct pci_config pci;
    uint16_t csr[CSR_COUNT];
    uint16_t bcr[BCR_COUNT];
    uint16_t rap;
    uint8_t aprom[APROM_SIZE]; /* the chip's shadow of the EEPROM */
    uint8_t link_up;
    uint8_t suspend_wanted; /* SPND was written; CSR5 shows it once the transmitter is idle */
    uint8_t tx_phase;       /* enum tx_phase */
    uint8_t tx_loops;       /* the frame comes back to the receiver when it has left */
    uint32_t tx_flags;      /* TMD1 of the frame's last descriptor, which CXDA points at */
    uint32_t tx_errors;     /* TMD2 to be written */
    uint32_t tx_fcs;        /* the FCS that follows the frame, generated or supplied by the guest */
    tick_t poll_at, done_at;
    struct frame frame; /* being transmitted */
};

struct pcnet {
    struct device device;
    struct pci_function pci;
    struct net_backend backend;
    struct event poll, tx_done;
    uint8_t mac[6];   /* EEPROM contents */
    uint64_t missed;  /* frames that found no descriptor, since creation */
    bool in_transmit; /* pcnet_transmit() is on the stack: `sent` called from inside send only records */
    struct pcnet_state state;
};

/* One descriptor in a style-independent form. */
struct pcnet_desc {
    uint32_t addr;    /* buffer */
    uint32_t flags;   /* bits 31:16 as in RMD1/TMD1 of the 32-bit styles */
    uint32_t length;  /* bytes, from the two's complement BCNT */
    uint32_t message; /* RMD2 or TMD2 */
};

static inline struct pcnet *pcnet_of(struct device *device)
{
    return CONTAINER_OF(device, struct pcnet, device);
}

static inline const struct pcnet *pcnet_of_const(const struct device *device)
{
    _Static_assert(offsetof(struct pcnet, device) == 0, "a device struct begins with its struct device");
    return (const struct pcnet *)(const void *)device;
}

static inline uint32_t csr_pair(const struct pcnet_state *state, unsigned low)
{
    return state->csr[low] | (uint32_t)state->csr[low + 1] << 16;
}

static inline void csr_pair_set(struct pcnet_state *state, unsigned low, uint32_t value)
{
    state->csr[low] = (uint16_t)value;
    state->csr[low + 1] = (uint16_t)(value >> 16);
}

static inline bool pcnet_wide(const struct pcnet_state *state)
{
    return (state->csr[CSR_STYLE] & STYLE_SSIZE32) != 0;
}

static inline unsigned pcnet_style(const struct pcnet_state *state)
{
    return state->csr[CSR_STYLE] & 0xFF;
}

static inline bool pcnet_loop_inside(const struct pcnet_state *state)
{
    unsigned both = CSR15_LOOP | CSR15_INTL;
    return (state->csr[CSR_MODE] & both) == both;
}

/* pcnet.c */
void pcnet_load_eeprom(struct pcnet *nic);
void pcnet_assert(const struct pcnet *nic); /* the invariants of pcnet.c, wherever control leaves the chip */

/* pcnet_regs.c */
uint16_t pcnet_csr_read(struct pcnet *nic, unsigned number);
void pcnet_csr_write(struct pcnet *nic, unsigned number, uint16_t value);
uint16_t pcnet_bcr_read(struct pcnet *nic, unsigned number);
void pcnet_bcr_write(struct pcnet *nic, unsigned number, uint16_t value);
void pcnet_hard_reset(struct pcnet *nic);
void pcnet_soft_reset(struct pcnet *nic);
void pcnet_update_irq(struct pcnet *nic);
void pcnet_raise(struct pcnet *nic, uint16_t csr0_events); /* set events and update the line */
void pcnet_try_suspend(struct pcnet *nic);                 /* finish a suspend request when possible */

/* pcnet_ring.c */
enum pcnet_ring { RING_RECEIVE, RING_TRANSMIT };
bool pcnet_may_dma(struct pcnet *nic); /* false sets MERR */
void pcnet_read_init_block(struct pcnet *nic);
uint32_t pcnet_ring_at(const struct pcnet *nic, enum pcnet_ring ring); /* address of the current descriptor */
struct pcnet_desc pcnet_desc_read(struct pcnet *nic, enum pcnet_ring ring);
/* Write back status at `at`: `flags` (upper byte and match bits) and RMD2/TMD2; clears OWN last. */
void pcnet_desc_write(struct pcnet *nic, enum pcnet_ring ring, uint32_t at, const struct pcnet_desc *desc);
/* Write back only the upper byte of `flags`, without OWN. */
void pcnet_desc_release(struct pcnet *nic, uint32_t at, uint32_t flags);
void pcnet_ring_advance(struct pcnet *nic, enum pcnet_ring ring);

/* pcnet_tx.c */
void pcnet_transmit(struct pcnet *nic);        /* look at the ring and start what can be started */
void pcnet_polling_changed(struct pcnet *nic); /* TXDPOLL was switched */
void pcnet_transmit_abort(struct pcnet *nic);
void pcnet_sent(void *nic);
bool pcnet_magic_mode(const struct pcnet_state *state); /* waiting for a Magic Packet: no other activity */
uint32_t pcnet_crc(const uint8_t *data, size_t size);
void pcnet_poll_fired(struct event *event, tick_t late);
void pcnet_tx_done_fired(struct event *event, tick_t late);

/* pcnet_rx.c */
void pcnet_receive(void *nic, const struct frame *frame);
void pcnet_receive_looped(struct pcnet *nic);

#endif
