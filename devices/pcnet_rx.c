/* Am79C970A: receiver.
 *
 * Data sheet: "Receive Operation", "Address Matching", "Receive Descriptor Table Entry", "Look-Ahead Packet
 * Processing", "Magic Packet Mode". A frame from a back end is one that some MAC put on a wire: it is padded
 * to the legal minimum and its FCS is right. Only looped-back frames can be short or have a wrong FCS. */
#include "base/bytes.h"
#include "devices/pcnet_priv.h"

#include <string.h>

enum { ADDRESS_SIZE = 6, HEADER_SIZE = 14, PAD_LIMIT = 46, ALIGN_BYTES = 2 };

static bool is_broadcast(const uint8_t *address)
{
    static const uint8_t all_ones[ADDRESS_SIZE] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
    return memcmp(address, all_ones, ADDRESS_SIZE) == 0;
}

static bool is_station(const struct pcnet_state *state, const uint8_t *address)
{
    for (unsigned i = 0; i < ADDRESS_SIZE; i++)
        if (address[i] != (uint8_t)(state->csr[CSR_PADR + i / 2] >> 8 * (i % 2)))
            return false;
    return true;
}

/* The six most significant bits of the CRC register select a bit of LADRF. The register holds the
 * complement of the FCS. */
static bool passes_hash(const struct pcnet_state *state, const uint8_t *address)
{
    uint32_t index = ~pcnet_crc(address, ADDRESS_SIZE) >> 26;
    return (address[0] & 1) && (state->csr[CSR_LADRF + index / 16] >> index % 16 & 1);
}

/* Address match; `match` receives the RMD1 bit that says why. */
static bool accepts(const struct pcnet_state *state, const uint8_t *address, uint32_t *match)
{
    uint16_t mode = state->csr[CSR_MODE];
    *match = 0;
    if (is_broadcast(address) && !(mode & CSR15_DRCVBC))
        *match = RMD_BAM;
    else if (passes_hash(state, address))
        *match = RMD_LAFM;
    else if (is_station(state, address) && !(mode & CSR15_DRCVPA))
        *match = RMD_PAM;
    return *match || (mode & CSR15_PROM);
}

bool pcnet_magic_mode(const struct pcnet_state *state)
{
    unsigned both = CSR5_MPEN | CSR5_MPMODE;
    return (state->csr[CSR_EXTENDED] & both) == both;
}

/* A Magic Packet holds six FFh and sixteen times our address, anywhere. It is reported, not stored. */
static void look_for_magic(struct pcnet *nic, const struct frame *frame)
{
    struct pcnet_state *state = &nic->state;
    uint32_t match, run = ADDRESS_SIZE * 17;
    bool any = (state->csr[CSR_EXTENDED] & CSR5_MPPLBA) != 0;
    if (!(any ? accepts(state, frame->data, &match) : is_station(state, frame->data)))
        return;
    for (uint32_t at = HEADER_SIZE; at + run <= frame->size; at++) {
        uint32_t copies = 0;
        if (!is_broadcast(frame->data + at))
            continue;
        while (copies < 16 && is_station(state, frame->data + at + ADDRESS_SIZE * (copies + 1)))
            copies++;
        if (copies == 16) {
            state->csr[CSR_EXTENDED] |= CSR5_MPINT;
            pcnet_update_irq(nic);
            return;
        }
    }
}

/* The counter says when it wraps: the host adds 65536. */
static void missed(struct pcnet *nic)
{
    uint16_t *csr = nic->state.csr;
    nic->missed++;
    if (++csr[CSR_MFC] == 0)
        csr[CSR_TEST] |= CSR4_MFCO;
    pcnet_raise(nic, CSR0_MISS);
}

/* The descriptor a frame begins in. With look-ahead packet processing that is the next one with STP; entries
 * without STP are passed over, whoever owns them, and given back if they are ours. */
static struct pcnet_desc first_descriptor(struct pcnet *nic)
{
    struct pcnet_desc desc = pcnet_desc_read(nic, RING_RECEIVE);
    if (!(nic->state.csr[CSR_MASK] & CSR3_LAPPEN))
        return desc;
    for (unsigned i = 0; i < WORK_LIMIT && !(desc.flags & DESC_STP); i++) {
        if (desc.flags & DESC_OWN)
            pcnet_desc_release(nic, pcnet_ring_at(nic, RING_RECEIVE), desc.flags);
        pcnet_ring_advance(nic, RING_RECEIVE);
        desc = pcnet_desc_read(nic, RING_RECEIVE);
    }
    return desc;
}

/* Distribute `size` bytes over the ring. `status` goes to the last descriptor, with `count` as MCNT. */
static void store(struct pcnet *nic, const uint8_t *data, uint32_t size, uint32_t count, uint32_t status)
{
    struct pcnet_desc desc = first_descriptor(nic);
    uint32_t flags = DESC_STP, budget = WORK_LIMIT;
    if (!(desc.flags & DESC_OWN)) {
        missed(nic);
        return;
    }
    for (;;) {
        uint32_t at = pcnet_ring_at(nic, RING_RECEIVE);
        uint32_t take = desc.length < size ? desc.length : size;
        dma_write(nic->device.env, gpa(desc.addr), data, take);
        data += take;
        size -= take;
        pcnet_ring_advance(nic, RING_RECEIVE);
        if (size == 0) {
            desc.flags = flags | status | DESC_ENP;
            desc.message = count & 0xFFF;
            pcnet_desc_write(nic, RING_RECEIVE, at, &desc);
            break;
        }
        struct pcnet_desc next = pcnet_desc_read(nic, RING_RECEIVE);
        if (!(next.flags & DESC_OWN) || --budget == 0) {
            /* No buffer for the rest, which overflows the FIFO if it does not fit there. */
            flags |= DESC_ERR | RMD_BUFF | (size > RECEIVE_FIFO ? RMD_OFLO : 0);
            pcnet_desc_release(nic, at, flags);
            break;
        }
        pcnet_desc_release(nic, at, flags);
        desc = next;
        flags = 0;
    }
    pcnet_raise(nic, CSR0_RINT);
}

/* `data` has room for ALIGN_BYTES before it; `size` counts the FCS. */
static void take(struct pcnet *nic, uint8_t *data, uint32_t size, bool crc_good)
{
    const struct pcnet_state *state = &nic->state;
    uint32_t status;
    if (size < ADDRESS_SIZE || !accepts(state, data, &status) || !pcnet_may_dma(nic))
        return;
    if (!crc_good)
        status |= RMD_CRC | DESC_ERR;
    if ((state->csr[CSR_TEST] & CSR4_ASTRP_RCV) && size >= HEADER_SIZE + CRC_SIZE) {
        /* Automatic pad stripping: an IEEE 802.3 length below 46 tells what is data. */
        uint32_t length = get_be16(data + 12);
        if (length < PAD_LIMIT && HEADER_SIZE + length < size)
            size = HEADER_SIZE + length;
    }
    uint32_t before = state->csr[CSR_FEATURES] & CSR122_RCVALGN ? ALIGN_BYTES : 0;
    store(nic, data - before, size + before, size, status);
}

/* Suspended, the receiver ignores the wire without counting what it misses. */
static bool receiver_on(const struct pcnet_state *state)
{
    return (state->csr[0] & CSR0_RXON) && !(state->csr[CSR_EXTENDED] & CSR5_SPND);
}

/* Frame and FCS in one buffer, as they went over the wire, after room for alignment bytes. */
struct wire_image {
    uint8_t bytes[ALIGN_BYTES + FRAME_MAX + CRC_SIZE];
};

static void image_fcs(uint8_t *at, uint32_t fcs)
{
    for (unsigned i = 0; i < CRC_SIZE; i++)
        at[i] = (uint8_t)(fcs >> 8 * i);
}

void pcnet_receive(void *ctx, const struct frame *frame)
{
    struct pcnet *nic = ctx;
    if (pcnet_magic_mode(&nic->state)) {
        look_for_magic(nic, frame);
        return;
    }
    if (!receiver_on(&nic->state) || nic->state.suspend_wanted || pcnet_loop_inside(&nic->state))
        return;
    struct wire_image image;
    uint32_t size = frame->size < FRAME_MAX ? frame->size : FRAME_MAX;
    uint8_t *data = image.bytes + ALIGN_BYTES;
    memset(image.bytes, 0, ALIGN_BYTES);
    memcpy(data, frame->data, size);
    for (; size < MIN_FRAME; size++)
        data[size] = 0;
    image_fcs(data + size, pcnet_crc(data, size));
    take(nic, data, size + CRC_SIZE, true);
}

/* Our own frame comes back. Runts are accepted in any loopback mode. */
void pcnet_receive_looped(struct pcnet *nic)
{
    const struct pcnet_state *state = &nic->state;
    if (!receiver_on(state))
        return;
    struct wire_image image;
    const struct frame *frame = &state->frame;
    uint8_t *data = image.bytes + ALIGN_BYTES;
    memset(image.bytes, 0, ALIGN_BYTES);
    memcpy(data, frame->data, frame->size);
    image_fcs(data + frame->size, state->tx_fcs);
    take(nic, data, frame->size + CRC_SIZE, state->tx_fcs == pcnet_crc(frame->data, frame->size));
}
