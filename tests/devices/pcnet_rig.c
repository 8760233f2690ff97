/* See pcnet_rig.h. The steps of nic_go() are those of a driver. */
#include "pcnet_rig.h"

#include <criterion/criterion.h>
#include <string.h>

static void backend_attach(void *ctx, const struct net_port_ops *port, void *nic)
{
    struct nic_rig *rig = ctx;
    rig->port = port;
    rig->port_ctx = nic;
}

static void backend_send(void *ctx, const struct frame *frame)
{
    struct nic_rig *rig = ctx;
    rig->sends++;
    rig->last.size = frame->size;
    memcpy(rig->last.data, frame->data, frame->size);
    if (rig->at_once)
        rig->port->sent(rig->port_ctx);
}

static const struct net_backend_ops backend_ops = {backend_attach, backend_send};
const struct pcnet_config nic_config = {.mac = {0x00, 0x50, 0x56, 0x01, 0x02, 0x03}};

void nic_init(struct nic_rig *rig, bool connected)
{
    memset(rig, 0, sizeof *rig);
    bench_init(&rig->bench);
    struct net_backend backend = {connected ? &backend_ops : NULL, rig};
    rig->nic = pcnet_create(&rig->bench.env, &nic_config, &backend);
    pci_attach(&rig->bench.pci, pcnet_pci(rig->nic), 3, 0);
    pci_config_write(&rig->bench.pci, 3, 0, 0x10, 4, IO_BASE);
    pci_config_write(&rig->bench.pci, 3, 0, 0x14, 4, 0xE0000000);
    pci_config_write(&rig->bench.pci, 3, 0, 4, 2, 7);
    rig->style = 2;
}

void nic_destroy(struct nic_rig *rig)
{
    rig->nic->cls->destroy(rig->nic);
    bench_destroy(&rig->bench);
}

uint32_t nic_in(struct nic_rig *rig, unsigned offset, unsigned size)
{
    return (uint32_t)io_read(&rig->bench.ports, IO_BASE + offset, size);
}

void nic_out(struct nic_rig *rig, unsigned offset, unsigned size, uint32_t value)
{
    io_write(&rig->bench.ports, IO_BASE + offset, size, value);
}

void nic_set_rap(struct nic_rig *rig, unsigned number)
{
    nic_out(rig, rig->dwio ? PCNET_DWIO_RAP : PCNET_WIO_RAP, rig->dwio ? 4 : 2, number);
}

uint16_t nic_csr(struct nic_rig *rig, unsigned number)
{
    nic_set_rap(rig, number);
    return (uint16_t)nic_in(rig, PCNET_WIO_RDP, rig->dwio ? 4 : 2);
}

void nic_csr_set(struct nic_rig *rig, unsigned number, uint16_t value)
{
    nic_set_rap(rig, number);
    nic_out(rig, PCNET_WIO_RDP, rig->dwio ? 4 : 2, value);
}

uint16_t nic_bcr(struct nic_rig *rig, unsigned number)
{
    nic_set_rap(rig, number);
    return (uint16_t)nic_in(rig, rig->dwio ? PCNET_DWIO_BDP : PCNET_WIO_BDP, rig->dwio ? 4 : 2);
}

void nic_bcr_set(struct nic_rig *rig, unsigned number, uint16_t value)
{
    nic_set_rap(rig, number);
    nic_out(rig, rig->dwio ? PCNET_DWIO_BDP : PCNET_WIO_BDP, rig->dwio ? 4 : 2, value);
}

/* ---- Rings in any style ---- */

uint32_t nic_desc_at(const struct nic_rig *rig, uint32_t ring, unsigned index)
{
    return ring + index * (rig->style == 0 ? 8 : 16);
}

void nic_put_desc(struct nic_rig *rig, uint32_t ring, unsigned index, uint32_t flags, uint32_t addr,
                  unsigned size)
{
    struct io_bench *bench = &rig->bench;
    uint32_t at = nic_desc_at(rig, ring, index);
    uint16_t count = (uint16_t)(-size & 0xFFFF) | (size ? 0xF000 : 0);
    if (rig->style == 0) {
        bench_put32(bench, at, (flags & 0xFF000000) | addr);
        bench_put16(bench, at + 4, count);
        bench_put16(bench, at + 6, 0);
    } else {
        bench_put32(bench, at + (rig->style == 3 ? 8 : 0), addr);
        bench_put32(bench, at + 4, flags | count);
        bench_put32(bench, at + (rig->style == 3 ? 0 : 8), 0);
    }
}

uint32_t nic_desc_flags(const struct nic_rig *rig, uint32_t ring, unsigned index)
{
    uint32_t at = nic_desc_at(rig, ring, index);
    return rig->style == 0 ? (uint32_t)rig->bench.memory[at + 3] << 24
                           : bench_get32(&rig->bench, at + 4) & 0xFFFF0000;
}

uint32_t nic_desc_message(const struct nic_rig *rig, uint32_t ring, unsigned index)
{
    uint32_t at = nic_desc_at(rig, ring, index);
    if (rig->style == 0) {
        uint32_t value = bench_get16(&rig->bench, at + 6);
        return ring == TX_RING ? value << 16 : value;
    }
    return bench_get32(&rig->bench, at + (rig->style == 3 ? 0 : 8));
}

void nic_put_init_block(struct nic_rig *rig, uint16_t mode, uint64_t ladrf)
{
    struct io_bench *bench = &rig->bench;
    uint32_t at = INIT_BLOCK;
    unsigned code = 2; /* four entries */
    if (rig->style == 0) {
        bench_put16(bench, at, mode);
        memcpy(bench->memory + at + 2, nic_config.mac, 6);
        memcpy(bench->memory + at + 8, &ladrf, 8);
        bench_put32(bench, at + 16, RX_RING | code << 29);
        bench_put32(bench, at + 20, TX_RING | code << 29);
    } else {
        bench_put32(bench, at, mode | code << 20 | code << 28);
        memcpy(bench->memory + at + 4, nic_config.mac, 6);
        memcpy(bench->memory + at + 12, &ladrf, 8);
        bench_put32(bench, at + 20, RX_RING);
        bench_put32(bench, at + 24, TX_RING);
    }
}

void nic_fresh_rx(struct nic_rig *rig)
{
    for (unsigned i = 0; i < RING; i++)
        nic_put_desc(rig, RX_RING, i, OWN, RX_BUFFERS + i * BUFFER_SIZE, BUFFER_SIZE);
}

/* Reset, choose the style, initialize, start with interrupts on. */
void nic_go(struct nic_rig *rig, uint16_t mode, uint64_t ladrf)
{
    nic_csr_set(rig, 0, 4);
    nic_bcr_set(rig, 20, (uint16_t)rig->style);
    nic_put_init_block(rig, mode, ladrf);
    nic_fresh_rx(rig);
    for (unsigned i = 0; i < RING; i++)
        nic_put_desc(rig, TX_RING, i, 0, 0, 0);
    nic_csr_set(rig, 1, INIT_BLOCK);
    nic_csr_set(rig, 2, 0);
    nic_csr_set(rig, 0, 1);
    cr_assert_eq(nic_csr(rig, 0) & 0x0101, 0x0101, "IDON and INIT");
    nic_csr_set(rig, 0, 0x0142);
}

/* Fill a transmit buffer with a recognizable frame to `to`. */
void nic_fill(struct nic_rig *rig, uint32_t at, unsigned size, const uint8_t *to)
{
    for (unsigned i = 0; i < size; i++)
        rig->bench.memory[at + i] = (uint8_t)(i * 7 + size);
    if (to != NULL && size >= 6)
        memcpy(rig->bench.memory + at, to, 6);
    if (size >= 14) { /* a type, not a length */
        rig->bench.memory[at + 12] = 0x88;
        rig->bench.memory[at + 13] = 0xB5;
    }
}

struct frame nic_frame_to(const uint8_t *to, unsigned size)
{
    struct frame frame = {.size = size};
    for (unsigned i = 0; i < size; i++)
        frame.data[i] = (uint8_t)(i * 3 + 1);
    memcpy(frame.data, to, 6);
    frame.data[12] = 0x88;
    return frame;
}

void nic_arrive(struct nic_rig *rig, const struct frame *frame)
{
    rig->port->receive(rig->port_ctx, frame);
}

const uint8_t broadcast[6] = {255, 255, 255, 255, 255, 255};
const uint8_t stranger[6] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55};
const uint8_t group[6] = {0x01, 0x00, 0x5E, 0x00, 0x00, 0x01};

const struct combination combinations[COMBINATIONS] = {
    {0, false, false}, {0, true, true},  {1, false, true}, {2, false, false},
    {2, true, true},   {3, false, true}, {3, true, false},
};

void nic_for(struct nic_rig *rig, const struct combination *row)
{
    nic_init(rig, true);
    rig->style = row->style;
    rig->at_once = row->at_once;
    if (row->dwio) {
        nic_out(rig, 0x10, 4, 0);
        rig->dwio = true;
    }
}
