/* AMD Am79C970A PCnet-PCI II single-chip Ethernet controller (AMD publication 19436).
 *
 * Modelled: PCI function with I/O and memory BAR, address PROM, word and double word register access, all
 * CSRs and BCRs, initialization block and descriptor rings in software styles 0 to 3, chained buffers,
 * transmit polling and demand, automatic padding and stripping, FCS generation and checking, address filters,
 * look-ahead packet processing, loopback, suspend mode, Magic Packet, the error conditions that can arise on
 * a modelled wire, the three resets, interrupt masks.
 *
 * Left out: the bit-serial access to the EEPROM (BCR19 says it is valid, its contents are the address PROM),
 * the boot ROM, bus parity errors, and what belongs to a shared medium (collisions other than forced ones,
 * deferral, SQE test). The chip has no bandwidth of its own on a wire: how long a frame takes is the back
 * end's business. Only what never reaches a back end (internal loopback, no link) is paced here, at the
 * chip's 10 Mb/s.
 *
 * Invariants:
 *   (1) tx_phase is TX_WIRE or TX_ABANDONED exactly while the back end owes one `sent`.
 *   (2) While tx_phase is TX_WIRE or TX_INSIDE, CXDA points at the frame's last descriptor, still owned by
 * us. (3) Any register access or callback looks at no more than WORK_LIMIT descriptors. (4) Memory is touched
 * only while STOP is clear, and only if the function may master the bus.
 *
 * Files: pcnet.c ports and life cycle; pcnet_regs.c CSRs, BCRs, resets, interrupt; pcnet_ring.c descriptors;
 * pcnet_tx.c and pcnet_rx.c. */
#include "devices/pcnet.h"

#include "base/check.h"
#include "devices/pcnet_priv.h"

#include <stdlib.h>
#include <string.h>

void pcnet_assert(const struct pcnet *nic)
{
    const struct pcnet_state *state = &nic->state;
    bool sending = state->tx_phase == TX_WIRE || state->tx_phase == TX_INSIDE;
    CHECK((state->tx_phase == TX_INSIDE) == (state->done_at != TICK_NEVER));
    CHECK(event_pending(&nic->tx_done) == (state->done_at != TICK_NEVER));
    CHECK(event_pending(&nic->poll) == (state->poll_at != TICK_NEVER));
    CHECK(!(sending && (state->csr[0] & CSR0_STOP)));
    CHECK(state->frame.size <= FRAME_MAX);
}

static bool wide_access(const struct pcnet_state *state)
{
    return (state->bcr[BCR_BURST] & BCR18_DWIO) != 0;
}

/* Register file at `offset`, by access mode: data sheet, tables "I/O map in word mode" and "...double word
 * mode". */
static enum pcnet_port port_at(const struct pcnet_state *state, uint32_t offset)
{
    if (offset < APROM_SIZE)
        return PCNET_PORT_APROM;
    static const enum pcnet_port order[] = {PCNET_PORT_RDP, PCNET_PORT_RAP, PCNET_PORT_RESET, PCNET_PORT_BDP};
    unsigned shift = wide_access(state) ? 2 : 1;
    unsigned index = (offset - APROM_SIZE) >> shift;
    return index < ARRAY_LEN(order) ? order[index] : PCNET_PORT_NONE;
}

/* Registers answer only to an aligned access of the mode's width. */
static bool access_fits(const struct pcnet_state *state, uint32_t offset, unsigned size)
{
    unsigned width = wide_access(state) ? 4 : 2;
    return size == width && offset % width == 0;
}

static uint64_t register_read(struct device *device, uint32_t offset, unsigned size)
{
    struct pcnet *nic = pcnet_of(device);
    struct pcnet_state *state = &nic->state;
    uint32_t all_ones = size == 4 ? UINT32_MAX : (1u << 8 * size) - 1;
    if (offset < APROM_SIZE) {
        uint32_t value = 0;
        for (unsigned i = 0; i < size && offset + i < APROM_SIZE; i++)
            value |= (uint32_t)state->aprom[offset + i] << 8 * i;
        return value;
    }
    if (!access_fits(state, offset, size)) {
        log_line(device->env->log, LOG_GUEST_ERROR, "pcnet: %u-byte read at %#x in %s mode", size, offset,
                 wide_access(state) ? "double word" : "word");
        return all_ones;
    }
    switch (port_at(state, offset)) {
    case PCNET_PORT_RDP: return pcnet_csr_read(nic, state->rap);
    case PCNET_PORT_RAP: return state->rap;
    case PCNET_PORT_BDP: return pcnet_bcr_read(nic, state->rap);
    case PCNET_PORT_RESET: pcnet_soft_reset(nic); return 0;
    default: return all_ones;
    }
}

static void aprom_write(struct pcnet *nic, uint32_t offset, unsigned size, uint32_t value)
{
    if (!(nic->state.bcr[BCR_MISC] & BCR2_APROMWE))
        return;
    for (unsigned i = 0; i < size && offset + i < APROM_SIZE; i++)
        nic->state.aprom[offset + i] = (uint8_t)(value >> 8 * i);
}

static void register_write(struct device *device, uint32_t offset, unsigned size, uint64_t value)
{
    struct pcnet *nic = pcnet_of(device);
    struct pcnet_state *state = &nic->state;
    if (offset < APROM_SIZE) {
        aprom_write(nic, offset, size, (uint32_t)value);
        return;
    }
    /* "Double Word I/O Mode": a double word write to offset 10h switches for good, until H_RESET. */
    if (!wide_access(state) && offset == PCNET_WIO_RDP && size == 4)
        state->bcr[BCR_BURST] |= BCR18_DWIO;
    if (!access_fits(state, offset, size)) {
        log_line(device->env->log, LOG_GUEST_ERROR, "pcnet: %u-byte write at %#x in %s mode", size, offset,
                 wide_access(state) ? "double word" : "word");
        return;
    }
    switch (port_at(state, offset)) {
    case PCNET_PORT_RDP: pcnet_csr_write(nic, state->rap, (uint16_t)value); break;
    case PCNET_PORT_RAP: state->rap = value & 0x7F; break;
    case PCNET_PORT_BDP: pcnet_bcr_write(nic, state->rap, (uint16_t)value); break;
    default: break; /* writing RESET does nothing: it is there for NE2100 drivers */
    }
}

static uint64_t port_read(struct device *device, uint32_t offset, unsigned size)
{
    uint64_t value = register_read(device, offset, size);
    pcnet_assert(pcnet_of(device));
    return value;
}

static void port_write(struct device *device, uint32_t offset, unsigned size, uint64_t value)
{
    register_write(device, offset, size, value);
    pcnet_assert(pcnet_of(device));
}

/* The address PROM as AMD's drivers expect it: station address, hardware ID 11h, 'W' 'W', and at 0Ch the sum
 * of all other bytes. The station address also goes to CSR12..14. */
void pcnet_load_eeprom(struct pcnet *nic)
{
    uint8_t *rom = nic->state.aprom;
    memset(rom, 0, APROM_SIZE);
    memcpy(rom, nic->mac, sizeof nic->mac);
    rom[9] = 0x11;
    rom[14] = rom[15] = 0x57;
    unsigned sum = 0;
    for (unsigned i = 0; i < APROM_SIZE; i++)
        sum += rom[i];
    rom[12] = (uint8_t)sum;
    rom[13] = (uint8_t)(sum >> 8);
    for (unsigned i = 0; i < 3; i++)
        nic->state.csr[CSR_PADR + i] = (uint16_t)(rom[2 * i] | rom[2 * i + 1] << 8);
}

static void link_changed(void *ctx, bool up)
{
    struct pcnet *nic = ctx;
    nic->state.link_up = up;
}

static void pcnet_reset(struct device *device)
{
    struct pcnet *nic = pcnet_of(device);
    if (nic->pci.bus != NULL)
        pci_function_reset(&nic->pci);
    /* Status: capable of fast back-to-back, medium DEVSEL timing. */
    nic->state.pci.bytes[6] = 0x80;
    nic->state.pci.bytes[7] = 0x02;
    pcnet_hard_reset(nic);
}

static void pcnet_loaded(struct device *device)
{
    struct pcnet *nic = pcnet_of(device);
    event_cancel(device->env->queue, &nic->poll);
    event_cancel(device->env->queue, &nic->tx_done);
    if (nic->state.poll_at != TICK_NEVER)
        event_schedule(device->env->queue, &nic->poll, nic->state.poll_at);
    if (nic->state.done_at != TICK_NEVER)
        event_schedule(device->env->queue, &nic->tx_done, nic->state.done_at);
    pcnet_update_irq(nic);
}

static void pcnet_destroy(struct device *device)
{
    struct pcnet *nic = pcnet_of(device);
    event_cancel(device->env->queue, &nic->poll);
    event_cancel(device->env->queue, &nic->tx_done);
    free(nic);
}

static const struct io_window pcnet_windows[] = {
    [PCNET_WINDOW_IO] = {"pcnet-io", 32, 1, 4, port_read, port_write},
    [PCNET_WINDOW_MEM] = {"pcnet-mem", 32, 1, 4, port_read, port_write},
};

static const struct device_class pcnet_class = {
    .name = "pcnet",
    .description = "AMD Am79C970A PCnet-PCI II Ethernet",
    .state_offset = offsetof(struct pcnet, state),
    .state_size = sizeof(struct pcnet_state),
    .windows = pcnet_windows,
    .window_count = ARRAY_LEN(pcnet_windows),
    .reset = pcnet_reset,
    .loaded = pcnet_loaded,
    .destroy = pcnet_destroy,
};

static const struct pci_bar pcnet_bars[] = {
    {PCI_BAR_IO, 32, PCNET_WINDOW_IO, 0},
    {PCI_BAR_MEM32, 32, PCNET_WINDOW_MEM, 1},
};

static const struct pci_class pcnet_pci_class = {
    .vendor = 0x1022,
    .device = 0x2000,
    .class_code = 0x020000,
    .revision = 0x16,
    .interrupt_pin = 1,
    .min_gnt = 0x06,
    .max_lat = 0xFF,
    .bars = pcnet_bars,
    .bar_count = ARRAY_LEN(pcnet_bars),
};

static const struct net_port_ops pcnet_port_ops = {
    .receive = pcnet_receive,
    .sent = pcnet_sent,
    .link = link_changed,
};

struct device *pcnet_create(const struct device_env *env, const struct pcnet_config *config,
                            const struct net_backend *backend)
{
    struct pcnet *nic = xcalloc(1, sizeof *nic);
    nic->device.cls = &pcnet_class;
    nic->device.env = env;
    nic->pci.device = &nic->device;
    nic->pci.cls = &pcnet_pci_class;
    nic->pci.config = &nic->state.pci;
    memcpy(nic->mac, config->mac, sizeof nic->mac);
    event_init(&nic->poll, "pcnet-poll", EVENT_ORDER_DEVICE, pcnet_poll_fired);
    event_init(&nic->tx_done, "pcnet-tx-done", EVENT_ORDER_DEVICE, pcnet_tx_done_fired);
    if (backend != NULL)
        nic->backend = *backend;
    pcnet_reset(&nic->device);
    if (nic->backend.ops != NULL) {
        nic->state.link_up = 1;
        nic->backend.ops->attach(nic->backend.ctx, &pcnet_port_ops, nic);
    }
    return &nic->device;
}

struct pci_function *pcnet_pci(struct device *device)
{
    return &pcnet_of(device)->pci;
}

enum pcnet_port pcnet_port_at(const struct device *device, uint32_t offset)
{
    return port_at(&pcnet_of_const(device)->state, offset);
}

unsigned pcnet_rap(const struct device *device)
{
    return pcnet_of_const(device)->state.rap;
}

uint64_t pcnet_missed(const struct device *device)
{
    return pcnet_of_const(device)->missed;
}

void pcnet_transmit_demand(struct device *device)
{
    struct pcnet *nic = pcnet_of(device);
    pcnet_transmit(nic);
    pcnet_assert(nic);
}
