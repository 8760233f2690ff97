/* A network card made for virtual machines, after the idea of Sugerman 2001, section 4.3: one OUT for a
 * frame, no interrupt when it has left unless the driver waits for room, everything else in shared memory.
 * docs/ideal-nic.md is its data sheet.
 *
 *     DOORBELL, or a frame has left:
 *         tx_given != tx_taken --> fetch entry and frame --> back end --`sent`--> tx_taken + 1,
 *                                                               if tx_want: clear it, event SPACE
 *     a frame arrives:
 *         rx_given != rx_taken --> store frame and size in the next entry --> rx_taken + 1, event RECEIVED
 *
 * Left out: promiscuous mode and multicast lists (frames to groups are all taken), statistics, checksums.
 *
 * Invariants: (1) `sending` exactly while the back end owes one `sent`; (2) a register access or callback
 * looks at no more than a ring's worth of entries; (3) memory is touched only while RINGS is not zero, and
 * only if the function may master the bus. */
#include "devices/ideal_nic.h"

#include "base/bytes.h"
#include "base/check.h"

#include <stdlib.h>
#include <string.h>

/* The shared page. */
enum {
    TX_GIVEN = 0x000, /* by the driver: frames given so far */
    TX_TAKEN = 0x004, /* by the card: frames that have left */
    TX_WANT = 0x008,  /* by the driver: event SPACE at the next one that leaves, please */
    RX_GIVEN = 0x00C, /* by the driver: buffers given so far */
    RX_TAKEN = 0x010, /* by the card: buffers filled */
    TX_ENTRIES = 0x040,
    RX_ENTRIES = 0x240,
    ENTRY_SIZE = 8, /* address; length of the frame, or room */

    PAGE_ALIGNMENT = 0xFFF,
};

enum { EVENT_RECEIVED = 1 << 0, EVENT_SPACE = 1 << 1, EVENTS = EVENT_RECEIVED | EVENT_SPACE };

enum { FRAME_MIN = 60, FRAME_LEGAL = 1514, ETHERNET_HEADER = 14 };

struct ideal_nic_state {
    struct pci_config pci;
    uint32_t rings, events;
    uint32_t tx_taken, rx_taken; /* the card's copies: the page's are for the driver */
    uint8_t sending, abandoned;  /* abandoned: stopped meanwhile, `sent` completes nothing */
    uint8_t link_up;
    uint8_t unused[5];
    struct frame frame; /* with the back end */
};

struct ideal_nic {
    struct device device;
    struct ideal_nic_state state;
    struct pci_function pci;
    struct net_backend backend;
    uint8_t mac[6];
    bool in_transmit;
};

static struct ideal_nic *self(struct device *device)
{
    return CONTAINER_OF(device, struct ideal_nic, device);
}

static bool running(const struct ideal_nic *nic)
{
    return nic->state.rings != 0 && (nic->pci.bus == NULL || pci_bus_master(&nic->pci));
}

static uint32_t page_read(const struct ideal_nic *nic, uint32_t offset)
{
    uint8_t bytes[4];
    dma_read(nic->device.env, gpa(nic->state.rings + offset), bytes, sizeof bytes);
    return get_le32(bytes);
}

static void page_write(const struct ideal_nic *nic, uint32_t offset, uint32_t value)
{
    uint8_t bytes[4];
    put_le32(bytes, value);
    dma_write(nic->device.env, gpa(nic->state.rings + offset), bytes, sizeof bytes);
}

static void update_irq(struct ideal_nic *nic)
{
    if (nic->pci.bus != NULL)
        pci_interrupt(&nic->pci, nic->state.events != 0);
}

static void raise_event(struct ideal_nic *nic, uint32_t event)
{
    nic->state.events |= event;
    update_irq(nic);
}

static void guest_error(const struct ideal_nic *nic, const char *what, uint32_t value)
{
    log_line(nic->device.env->log, LOG_GUEST_ERROR, "ideal: %s: %u", what, value);
}

/* ---- Transmit ---- */

static void transmitted(struct ideal_nic *nic)
{
    page_write(nic, TX_TAKEN, ++nic->state.tx_taken);
    if (page_read(nic, TX_WANT) != 0) {
        page_write(nic, TX_WANT, 0);
        raise_event(nic, EVENT_SPACE);
    }
}

/* Fetch the entry's frame into state.frame; false if there can be no such frame. */
static bool fetch(struct ideal_nic *nic)
{
    struct ideal_nic_state *state = &nic->state;
    uint32_t entry = TX_ENTRIES + state->tx_taken % IDEAL_NIC_RING * ENTRY_SIZE;
    uint32_t address = page_read(nic, entry), length = page_read(nic, entry + 4);
    if (length < ETHERNET_HEADER || length > FRAME_LEGAL) {
        guest_error(nic, "frame of this length", length);
        return false;
    }
    dma_read(nic->device.env, gpa(address), state->frame.data, length);
    if (length < FRAME_MIN)
        memset(state->frame.data + length, 0, FRAME_MIN - length);
    state->frame.size = length < FRAME_MIN ? FRAME_MIN : length;
    state->frame.id = 0;
    return true;
}

/* False when there is nothing to send, or not now. */
static bool send_one(struct ideal_nic *nic)
{
    struct ideal_nic_state *state = &nic->state;
    if (!running(nic) || state->sending)
        return false;
    uint32_t ready = page_read(nic, TX_GIVEN) - state->tx_taken;
    if (ready > IDEAL_NIC_RING)
        guest_error(nic, "frames given beyond the ring", ready);
    if (ready == 0 || ready > IDEAL_NIC_RING)
        return false;
    if (!fetch(nic) || nic->backend.ops == NULL) { /* not connected: it vanishes */
        transmitted(nic);
        return true;
    }
    state->sending = 1;
    nic->backend.ops->send(nic->backend.ctx, &state->frame);
    return true;
}

static void transmit(struct ideal_nic *nic)
{
    if (nic->in_transmit)
        return;
    nic->in_transmit = true;
    for (unsigned n = 0; n < IDEAL_NIC_RING && send_one(nic); n++)
        ;
    nic->in_transmit = false;
}

/* May be called from inside send(): then transmit() is on the stack and goes on itself. */
static void backend_sent(void *ctx)
{
    struct ideal_nic *nic = ctx;
    struct ideal_nic_state *state = &nic->state;
    if (!state->sending)
        return;
    bool complete = !state->abandoned && running(nic);
    state->sending = state->abandoned = 0;
    if (complete)
        transmitted(nic);
    transmit(nic);
}

void ideal_nic_ring_doorbell(struct device *device)
{
    transmit(self(device));
}

/* ---- Receive ---- */

static void backend_receive(void *ctx, const struct frame *frame)
{
    struct ideal_nic *nic = ctx;
    struct ideal_nic_state *state = &nic->state;
    if (!running(nic) || frame->size < ETHERNET_HEADER ||
        (!(frame->data[0] & 1) && memcmp(frame->data, nic->mac, sizeof nic->mac) != 0))
        return;
    uint32_t ready = page_read(nic, RX_GIVEN) - state->rx_taken;
    if (ready > IDEAL_NIC_RING)
        guest_error(nic, "buffers given beyond the ring", ready);
    if (ready == 0 || ready > IDEAL_NIC_RING)
        return; /* as any card without a buffer: the frame is lost */
    uint32_t entry = RX_ENTRIES + state->rx_taken % IDEAL_NIC_RING * ENTRY_SIZE;
    uint32_t address = page_read(nic, entry), room = page_read(nic, entry + 4);
    if (frame->size > room)
        return; /* the buffer stays for one that fits */
    dma_write(nic->device.env, gpa(address), frame->data, frame->size);
    page_write(nic, entry + 4, frame->size);
    page_write(nic, RX_TAKEN, ++state->rx_taken);
    raise_event(nic, EVENT_RECEIVED);
}

static void backend_link(void *ctx, bool up)
{
    struct ideal_nic *nic = ctx;
    nic->state.link_up = up;
}

/* ---- Registers ---- */

/* A new page, or none: both rings start from their first entry. */
static void rings_write(struct ideal_nic *nic, uint32_t value)
{
    struct ideal_nic_state *state = &nic->state;
    if (value & PAGE_ALIGNMENT) {
        guest_error(nic, "the shared page is not aligned", value);
        return;
    }
    state->rings = value;
    state->events = 0;
    state->tx_taken = state->rx_taken = 0;
    state->abandoned = state->sending;
    if (running(nic)) {
        page_write(nic, TX_TAKEN, 0);
        page_write(nic, RX_TAKEN, 0);
    }
    update_irq(nic);
}

static uint64_t register_read(struct device *device, uint32_t offset, unsigned size)
{
    const struct ideal_nic *nic = self(device);
    (void)size;
    switch (offset) {
    case IDEAL_NIC_ID: return IDEAL_NIC_MAGIC;
    case IDEAL_NIC_RINGS: return nic->state.rings;
    case IDEAL_NIC_EVENTS: return nic->state.events;
    case IDEAL_NIC_MAC: return get_le32(nic->mac);
    case IDEAL_NIC_MAC_HIGH:
        return nic->mac[4] | (uint32_t)nic->mac[5] << 8 | (nic->state.link_up ? UINT32_C(1) << 31 : 0);
    }
    return 0;
}

static void register_write(struct device *device, uint32_t offset, unsigned size, uint64_t value)
{
    struct ideal_nic *nic = self(device);
    (void)size;
    switch (offset) {
    case IDEAL_NIC_RINGS: rings_write(nic, (uint32_t)value); break;
    case IDEAL_NIC_DOORBELL: transmit(nic); break;
    case IDEAL_NIC_EVENTS:
        nic->state.events &= ~(uint32_t)value & EVENTS;
        update_irq(nic);
        break;
    }
}

/* ---- Life ---- */

static void ideal_reset(struct device *device)
{
    struct ideal_nic *nic = self(device);
    if (nic->pci.bus != NULL)
        pci_function_reset(&nic->pci);
    nic->state.rings = nic->state.events = 0;
    nic->state.tx_taken = nic->state.rx_taken = 0;
    nic->state.abandoned = nic->state.sending;
    update_irq(nic);
}

static void ideal_loaded(struct device *device)
{
    update_irq(self(device));
}

static void ideal_destroy(struct device *device)
{
    free(self(device));
}

static const struct io_window ideal_windows[] = {{"ideal-io", 32, 4, 4, register_read, register_write}};

static const struct device_class ideal_class = {
    .name = "ideal",
    .description = "idealized NIC: one OUT per frame, shared memory",
    .state_offset = offsetof(struct ideal_nic, state),
    .state_size = sizeof(struct ideal_nic_state),
    .windows = ideal_windows,
    .window_count = ARRAY_LEN(ideal_windows),
    .reset = ideal_reset,
    .loaded = ideal_loaded,
    .destroy = ideal_destroy,
};

static const struct pci_bar ideal_bars[] = {{PCI_BAR_IO, 32, 0, 0}};

static const struct pci_class ideal_pci_class = {
    .vendor = IDEAL_NIC_VENDOR,
    .device = IDEAL_NIC_DEVICE,
    .class_code = 0x020000,
    .revision = 1,
    .interrupt_pin = 1,
    .bars = ideal_bars,
    .bar_count = ARRAY_LEN(ideal_bars),
};

static const struct net_port_ops ideal_port_ops = {
    .receive = backend_receive, .sent = backend_sent, .link = backend_link};

struct device *ideal_nic_create(const struct device_env *env, const struct ideal_nic_config *config,
                                const struct net_backend *backend)
{
    struct ideal_nic *nic = xcalloc(1, sizeof *nic);
    nic->device.cls = &ideal_class;
    nic->device.env = env;
    nic->pci.device = &nic->device;
    nic->pci.cls = &ideal_pci_class;
    nic->pci.config = &nic->state.pci;
    memcpy(nic->mac, config->mac, sizeof nic->mac);
    if (backend != NULL)
        nic->backend = *backend;
    ideal_reset(&nic->device);
    if (nic->backend.ops != NULL) {
        nic->state.link_up = 1;
        nic->backend.ops->attach(nic->backend.ctx, &ideal_port_ops, nic);
    }
    return &nic->device;
}

struct pci_function *ideal_nic_pci(struct device *device)
{
    return &self(device)->pci;
}
