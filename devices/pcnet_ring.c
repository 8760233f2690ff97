/* Am79C970A: initialization block and descriptor rings.
 *
 * Data sheet: "Initialization Block", "Receive Descriptors", "Transmit Descriptors", tables for SWSTYLE 0,
 * 2, 3. Everything is read from and written to guest memory in the style's layout and handled in one form,
 * struct pcnet_desc:
 *
 *   style 0       +0 addr 15:0   +2 status 15:8, addr 23:16   +4 BCNT   +6 MCNT, or TMD3
 *   style 1, 2    +0 addr        +4 status 31:16, BCNT        +8 RMD2 or TMD2      +12 user
 *   style 3       +0 RMD2/TMD2   +4 status 31:16, BCNT        +8 addr              +12 user
 *
 * In style 0 bits 31:24 of every address come from IADR 31:24 (CSR2). */
#include "base/bytes.h"
#include "devices/pcnet_priv.h"

#include <string.h>

struct ring_registers {
    uint8_t base, current, counter, length;
};

static const struct ring_registers rings[] = {
    [RING_RECEIVE] = {CSR_BADR, CSR_CRDA, CSR_RCVRC, CSR_RCVRL},
    [RING_TRANSMIT] = {CSR_BADX, CSR_CXDA, CSR_XMTRC, CSR_XMTRL},
};

static void mem_read(struct pcnet *nic, uint32_t addr, void *to, size_t size)
{
    dma_read(nic->device.env, gpa(addr), to, size);
}

static void mem_write(struct pcnet *nic, uint32_t addr, const void *from, size_t size)
{
    dma_write(nic->device.env, gpa(addr), from, size);
}

/* Without bus mastering the chip waits for a grant that never comes until its time-out (CSR100) reports a
 * memory error. */
bool pcnet_may_dma(struct pcnet *nic)
{
    if (nic->pci.bus == NULL || pci_bus_master(&nic->pci))
        return true;
    pcnet_raise(nic, CSR0_MERR);
    return false;
}

/* Encoded ring length to the two's complement kept in CSR76 and CSR78. Codes above 9 mean 512. */
static uint16_t ring_length(unsigned code)
{
    unsigned entries = 1u << (code > 9 ? 9 : code);
    return (uint16_t)-entries;
}

void pcnet_read_init_block(struct pcnet *nic)
{
    struct pcnet_state *state = &nic->state;
    uint8_t block[28];
    unsigned receive_code, transmit_code, address_at;
    uint32_t high = (uint32_t)(state->csr[CSR_IADR + 1] & 0xFF00) << 16;
    uint32_t receive_base, transmit_base;
    mem_read(nic, csr_pair(state, CSR_IADR), block, pcnet_wide(state) ? 28 : 24);
    state->csr[CSR_MODE] = get_le16(block);
    if (pcnet_wide(state)) {
        receive_code = block[2] >> 4;
        transmit_code = block[3] >> 4;
        address_at = 4;
        receive_base = get_le32(block + 20);
        transmit_base = get_le32(block + 24);
    } else {
        receive_base = (get_le32(block + 16) & 0xFFFFFF) | high;
        transmit_base = (get_le32(block + 20) & 0xFFFFFF) | high;
        receive_code = block[19] >> 5;
        transmit_code = block[23] >> 5;
        address_at = 2;
    }
    for (unsigned i = 0; i < 3; i++)
        state->csr[CSR_PADR + i] = get_le16(block + address_at + 2 * i);
    for (unsigned i = 0; i < 4; i++)
        state->csr[CSR_LADRF + i] = get_le16(block + (pcnet_wide(state) ? 12 : 8) + 2 * i);
    state->csr[CSR_RING_CODES] = (uint16_t)(transmit_code << 12 | receive_code << 8);
    csr_pair_set(state, CSR_BADR, receive_base);
    csr_pair_set(state, CSR_CRDA, receive_base);
    csr_pair_set(state, CSR_BADX, transmit_base);
    csr_pair_set(state, CSR_CXDA, transmit_base);
    state->csr[CSR_RCVRL] = state->csr[CSR_RCVRC] = ring_length(receive_code);
    state->csr[CSR_XMTRL] = state->csr[CSR_XMTRC] = ring_length(transmit_code);
}

uint32_t pcnet_ring_at(const struct pcnet *nic, enum pcnet_ring ring)
{
    return csr_pair(&nic->state, rings[ring].current);
}

static unsigned desc_size(const struct pcnet_state *state)
{
    return pcnet_wide(state) ? 16 : 8;
}

/* The ring counters count up through negative numbers; -1 (and 0) is the last entry. */
void pcnet_ring_advance(struct pcnet *nic, enum pcnet_ring ring)
{
    struct pcnet_state *state = &nic->state;
    const struct ring_registers *regs = &rings[ring];
    uint16_t *counter = &state->csr[regs->counter];
    if (*counter == 0xFFFF || *counter == 0) {
        *counter = state->csr[regs->length];
        csr_pair_set(state, regs->current, csr_pair(state, regs->base));
    } else {
        ++*counter;
        csr_pair_set(state, regs->current, csr_pair(state, regs->current) + desc_size(state));
    }
}

/* BCNT counts up to zero; four bits above it are ones. A count of zero is an empty buffer, unlike the
 * C-LANCE, where it meant 4096 bytes. */
static struct pcnet_desc desc_decode(const struct pcnet_state *state, const uint8_t *raw)
{
    struct pcnet_desc desc;
    uint32_t count;
    if (pcnet_wide(state)) {
        bool burst = pcnet_style(state) == 3;
        desc.addr = get_le32(raw + (burst ? 8 : 0));
        desc.flags = get_le32(raw + 4) & 0xFFFF0000;
        desc.message = get_le32(raw + (burst ? 0 : 8));
        count = get_le16(raw + 4);
    } else {
        desc.addr = (get_le32(raw) & 0xFFFFFF) | (uint32_t)(state->csr[CSR_IADR + 1] & 0xFF00) << 16;
        desc.flags = (uint32_t)raw[3] << 24;
        desc.message = get_le16(raw + 6);
        count = get_le16(raw + 4);
    }
    desc.length = -count & 0xFFF;
    return desc;
}

/* The current descriptor; its fields are also shown in the CSRs that alias the chip's working registers. */
struct pcnet_desc pcnet_desc_read(struct pcnet *nic, enum pcnet_ring ring)
{
    struct pcnet_state *state = &nic->state;
    uint8_t raw[16] = {0};
    mem_read(nic, pcnet_ring_at(nic, ring), raw, desc_size(state));
    struct pcnet_desc desc = desc_decode(state, raw);
    bool receive = ring == RING_RECEIVE;
    csr_pair_set(state, receive ? CSR_CRBA : CSR_CXBA, desc.addr);
    state->csr[receive ? CSR_CRBC : CSR_CXBC] = (uint16_t)(-desc.length & 0xFFF);
    state->csr[receive ? CSR_CRST : CSR_CXST] = (uint16_t)(desc.flags >> 16);
    return desc;
}

void pcnet_desc_release(struct pcnet *nic, uint32_t at, uint32_t flags)
{
    uint8_t status = (uint8_t)((flags & ~DESC_OWN) >> 24);
    mem_write(nic, at + (pcnet_wide(&nic->state) ? 7 : 3), &status, 1);
}

/* The host may look as soon as OWN is clear, so the status byte goes last. */
void pcnet_desc_write(struct pcnet *nic, enum pcnet_ring ring, uint32_t at, const struct pcnet_desc *desc)
{
    const struct pcnet_state *state = &nic->state;
    uint8_t raw[4];
    if (!pcnet_wide(state)) {
        /* RMD3 holds MCNT, TMD3 the upper half of TMD2. */
        put_le16(raw, ring == RING_RECEIVE ? desc->message & 0xFFF : desc->message >> 16);
        mem_write(nic, at + 6, raw, 2);
    } else {
        put_le32(raw, desc->message);
        mem_write(nic, at + (pcnet_style(state) == 3 ? 0 : 8), raw, 4);
        if (ring == RING_RECEIVE) {
            raw[0] = (uint8_t)(desc->flags >> 16); /* address match bits */
            mem_write(nic, at + 6, raw, 1);
        }
    }
    pcnet_desc_release(nic, at, desc->flags);
}
