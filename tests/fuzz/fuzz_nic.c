/* Descriptors for the NIC, programmed through its registers: rings anywhere in the 32-bit address space, of
 * any length, aligned or not, in every software style, with buffers anywhere and flags of any kind.
 * Acceptance: no access outside memory (the sanitizer's business), no hang (the alarm's), bounded work
 * (checked here). */
#include "fuzz.h"

#include "base/check.h"
#include "devices/pcnet.h"

#include <string.h>

enum { NIC_PORT = 0xD000, IN_RING = 16 };

static void csr(struct fuzz *fuzz, unsigned number, uint32_t value)
{
    board_port_write(fuzz->board, NIC_PORT + PCNET_WIO_RAP, 2, number);
    board_port_write(fuzz->board, NIC_PORT + PCNET_WIO_RDP, 2, value & 0xFFFF);
}

static void bcr(struct fuzz *fuzz, unsigned number, uint32_t value)
{
    board_port_write(fuzz->board, NIC_PORT + PCNET_WIO_RAP, 2, number);
    board_port_write(fuzz->board, NIC_PORT + PCNET_WIO_BDP, 2, value & 0xFFFF);
}

/* Mostly in memory, often across its end, at the top of the address space, or anywhere. */
static uint32_t anywhere(struct fuzz *fuzz)
{
    switch (fuzz_below(fuzz, 8)) {
    case 0: return FUZZ_MEMORY - fuzz_below(fuzz, 64);
    case 1: return UINT32_MAX - fuzz_below(fuzz, 64);
    case 2: return (uint32_t)fuzz_random(fuzz);
    default: return fuzz_below(fuzz, FUZZ_MEMORY) & (fuzz_below(fuzz, 4) ? ~15u : ~0u);
    }
}

/* Descriptors where the ring will be looked for, as far as that is memory. */
static void put_descriptors(struct fuzz *fuzz, uint32_t ring, unsigned style)
{
    unsigned size = style == 0 ? 8 : 16;
    for (unsigned i = 0; i < IN_RING; i++) {
        uint32_t words[4], at = ring + i * size;
        uint32_t flags = (uint32_t)fuzz_random(fuzz) & 0x7FFFFFFF;
        if (fuzz_below(fuzz, 8))
            flags |= 0x80000000; /* OWN */
        if (fuzz_below(fuzz, 4))
            flags |= 0x03000000; /* STP, ENP */
        words[0] = anywhere(fuzz);
        words[1] = flags;
        words[2] = (uint32_t)fuzz_random(fuzz);
        words[3] = 0;
        if (style == 0)
            words[0] = (words[0] & 0xFFFFFF) | (flags & 0xFF000000);
        else if (style == 3)
            words[2] = words[0];
        if (at <= FUZZ_MEMORY - size)
            memcpy(fuzz->memory + at, words, size);
    }
}

static uint32_t ring_length(struct fuzz *fuzz)
{
    return fuzz_below(fuzz, 4) ? -(1u << fuzz_below(fuzz, 10)) : (uint32_t)fuzz_random(fuzz);
}

static void by_registers(struct fuzz *fuzz, uint32_t rx, uint32_t tx)
{
    static const uint8_t pairs[] = {24, 28, 30, 34};
    const uint32_t values[] = {rx, rx, tx, tx};
    for (unsigned i = 0; i < ARRAY_LEN(pairs); i++) {
        csr(fuzz, pairs[i], values[i]);
        csr(fuzz, pairs[i] + 1u, values[i] >> 16);
    }
    uint32_t rx_length = ring_length(fuzz), tx_length = ring_length(fuzz);
    csr(fuzz, 76, rx_length);
    csr(fuzz, 72, fuzz_below(fuzz, 2) ? rx_length : (uint32_t)fuzz_random(fuzz));
    csr(fuzz, 78, tx_length);
    csr(fuzz, 74, fuzz_below(fuzz, 2) ? tx_length : (uint32_t)fuzz_random(fuzz));
    csr(fuzz, 15, (uint32_t)fuzz_random(fuzz) & (fuzz_below(fuzz, 4) ? 0x8000 : 0xFFFC));
}

static void by_block(struct fuzz *fuzz, uint32_t rx, uint32_t tx, unsigned style)
{
    uint32_t at = anywhere(fuzz), words[7];
    for (unsigned i = 0; i < ARRAY_LEN(words); i++)
        words[i] = (uint32_t)fuzz_random(fuzz);
    words[0] &= fuzz_below(fuzz, 4) ? 0xFFFF0000 : 0xFFFFFFFC;
    if (style == 0) {
        words[4] = (rx & 0xFFFFFF) | (words[4] & 0xE0000000);
        words[5] = (tx & 0xFFFFFF) | (words[5] & 0xE0000000);
    } else {
        words[5] = rx;
        words[6] = tx;
    }
    if (at <= FUZZ_MEMORY - sizeof words)
        memcpy(fuzz->memory + at, words, sizeof words);
    csr(fuzz, 1, at);
    csr(fuzz, 2, at >> 16);
    csr(fuzz, 0, 1);
}

void fuzz_nic(struct fuzz *fuzz, uint64_t count)
{
    struct pci_bus *pci = board_pci(fuzz->board);
    pci_config_write(pci, BOARD_PCI_SLOT_NIC, 0, 0x10, 4, NIC_PORT);
    pci_config_write(pci, BOARD_PCI_SLOT_NIC, 0, 4, 2, 5);
    for (uint64_t done = 0; done < count; done += 2 * IN_RING) {
        uint32_t rx = anywhere(fuzz), tx = anywhere(fuzz);
        unsigned style = fuzz_below(fuzz, 4);
        csr(fuzz, 0, 4);
        csr(fuzz, 3,
            fuzz_below(fuzz, 2) ? 0x0040 : (uint32_t)fuzz_random(fuzz)); /* DXSUFLO: errors do not stop */
        csr(fuzz, 4, (uint32_t)fuzz_random(fuzz));
        csr(fuzz, 5, (uint32_t)fuzz_random(fuzz) & (fuzz_below(fuzz, 4) ? 0xC000 : 0xFFFF));
        csr(fuzz, 47, fuzz_below(fuzz, 2) ? 0 : (uint32_t)fuzz_random(fuzz));
        bcr(fuzz, 20, style);
        put_descriptors(fuzz, rx, style);
        put_descriptors(fuzz, tx, style);
        if (fuzz_below(fuzz, 2))
            by_registers(fuzz, rx, tx);
        else
            by_block(fuzz, rx, tx, style);
        csr(fuzz, 0, 0x4A); /* start, transmit demand, interrupts on */
        for (unsigned i = 0; i < IN_RING + 2; i++) {
            fuzz_outside(fuzz);
            if (fuzz_below(fuzz, 4) == 0)
                csr(fuzz, 0, 0x48);
            fuzz_run(fuzz, fuzz_below(fuzz, FUZZ_HZ / 5000));
        }
    }
}
