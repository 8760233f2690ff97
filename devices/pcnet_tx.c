/* Am79C970A: transmitter.
 *
 * Data sheet: "Transmit Descriptor Table Entry", "Transmit Operation", "Loopback Operation". The states are
 * drawn in pcnet_priv.h. A whole frame is gathered from its chain of buffers before it goes to the back end;
 * descriptors before the last are released as they are read, the last one when the frame has left. */
#include "base/bytes.h"
#include "devices/pcnet_priv.h"

#include <string.h>
#include <zlib.h>

enum {
    PCI_CLOCK_HZ = 33333333, /* the poll timer counts PCI clocks */
    LOOK_CLOCKS = 16,        /* bus time to look at one descriptor, so that polling cannot be free */
    OWN_BIT_RATE = 10000000, /* bit/s where no back end paces us */
    OVERHEAD_BYTES = 8 + 12, /* preamble with start delimiter, interframe gap */
};

uint32_t pcnet_crc(const uint8_t *data, size_t size)
{
    return (uint32_t)crc32(0, data, (uInt)size);
}

/* One frame at a time: the next descriptor is looked at when the back end has taken the last frame. */
static bool may_run(const struct pcnet_state *state)
{
    return (state->csr[0] & CSR0_TXON) && state->tx_phase == TX_IDLE && !state->suspend_wanted &&
           !pcnet_magic_mode(state);
}

/* ---- Completion ---- */

/* Errors always interrupt. TOKINTD silences all good frames, LTINTEN those without LTINT. */
static bool wants_interrupt(const struct pcnet_state *state)
{
    if (state->tx_errors & TMD2_ERRORS)
        return true;
    if (state->csr[CSR_EXTENDED] & CSR5_TOKINTD)
        return false;
    return !(state->csr[CSR_EXTENDED] & CSR5_LTINTEN) || (state->tx_flags & TMD_LTINT);
}

/* The frame has left or has failed: report in the descriptor that CXDA points at, go on to the next. */
static void complete(struct pcnet *nic)
{
    struct pcnet_state *state = &nic->state;
    uint16_t events = 0;
    state->tx_phase = TX_IDLE;
    if (pcnet_may_dma(nic)) {
        struct pcnet_desc desc = {
            .flags = state->tx_flags & ~(uint32_t)(DESC_ERR | TMD_LTINT | TMD_ONE | TMD_DEF),
            .message = state->tx_errors,
        };
        if (state->tx_errors & TMD2_ERRORS)
            desc.flags |= DESC_ERR;
        pcnet_desc_write(nic, RING_TRANSMIT, pcnet_ring_at(nic, RING_TRANSMIT), &desc);
        if (wants_interrupt(state))
            events |= CSR0_TINT;
    }
    csr_pair_set(state, CSR_PXDA, pcnet_ring_at(nic, RING_TRANSMIT));
    state->csr[CSR_PXBC] = state->csr[CSR_CXBC];
    state->csr[CSR_PXST] = state->csr[CSR_CXST];
    pcnet_ring_advance(nic, RING_TRANSMIT);
    if ((state->tx_errors & TMD2_UFLO) && !(state->csr[CSR_MASK] & CSR3_DXSUFLO))
        state->csr[0] &= (uint16_t)~CSR0_TXON;
    if (state->tx_errors & TMD2_LCAR)
        events |= CSR0_CERR; /* 10BASE-T in link fail state */
    pcnet_raise(nic, events);
    pcnet_try_suspend(nic);
}

/* May be called from inside send(): then pcnet_transmit() is on the stack and goes on itself. */
void pcnet_sent(void *ctx)
{
    struct pcnet *nic = ctx;
    struct pcnet_state *state = &nic->state;
    if (state->tx_phase == TX_WIRE) {
        if (state->tx_loops)
            pcnet_receive_looped(nic);
        complete(nic);
    } else if (state->tx_phase == TX_ABANDONED) {
        state->tx_phase = TX_IDLE;
    } else {
        return;
    }
    if (!nic->in_transmit)
        pcnet_transmit(nic);
}

void pcnet_tx_done_fired(struct event *event, tick_t late)
{
    (void)late;
    struct pcnet *nic = CONTAINER_OF(event, struct pcnet, tx_done);
    nic->state.done_at = TICK_NEVER;
    if (nic->state.tx_loops)
        pcnet_receive_looped(nic);
    complete(nic);
    pcnet_transmit(nic);
    pcnet_assert(nic);
}

void pcnet_transmit_abort(struct pcnet *nic)
{
    struct pcnet_state *state = &nic->state;
    event_cancel(nic->device.env->queue, &nic->poll);
    event_cancel(nic->device.env->queue, &nic->tx_done);
    state->poll_at = state->done_at = TICK_NEVER;
    if (state->tx_phase == TX_WIRE)
        state->tx_phase = TX_ABANDONED;
    else if (state->tx_phase == TX_INSIDE)
        state->tx_phase = TX_IDLE;
}

/* ---- Launching a gathered frame ---- */

/* ADD_FCS counts in the first descriptor; ILACC style has NO_FCS in the last. */
static bool generates_fcs(const struct pcnet_state *state, uint32_t first, uint32_t last)
{
    bool by_mode = !(state->csr[CSR_MODE] & CSR15_DXMTFCS);
    if (state->csr[CSR_TEST] & CSR4_APAD_XMT)
        return true;
    if (pcnet_style(state) == 1)
        return by_mode && !(last & TMD_ADD_FCS);
    return by_mode || (first & TMD_ADD_FCS);
}

/* Set the FCS that goes out after the frame; false when a guest-made FCS is wrong, so that any receiver would
 * drop the frame. */
static bool settle_fcs(struct pcnet_state *state, bool generate)
{
    struct frame *frame = &state->frame;
    if (generate) {
        if ((state->csr[CSR_TEST] & CSR4_APAD_XMT) && frame->size < MIN_FRAME) {
            memset(frame->data + frame->size, 0, MIN_FRAME - frame->size);
            frame->size = MIN_FRAME;
        }
        if (state->tx_loops)
            state->tx_fcs = pcnet_crc(frame->data, frame->size);
        return true;
    }
    if (frame->size < CRC_SIZE)
        return false;
    frame->size -= CRC_SIZE;
    state->tx_fcs = get_le32(frame->data + frame->size);
    return state->tx_fcs == pcnet_crc(frame->data, frame->size);
}

/* The frame occupies the transmitter for its time on a 10 Mb/s wire but goes to no back end. */
static void run_inside(struct pcnet *nic, uint64_t bytes)
{
    struct event_queue *queue = nic->device.env->queue;
    nic->state.tx_phase = TX_INSIDE;
    nic->state.done_at = queue->now + ticks_from(queue, (bytes + OVERHEAD_BYTES) * 8, OWN_BIT_RATE);
    event_schedule(queue, &nic->tx_done, nic->state.done_at);
}

/* Decides what becomes of a complete frame: out to the back end, or nowhere but for its time on the wire, for
 * internal loopback, a missing link, and frames that no receiver would accept. */
static void launch(struct pcnet *nic, uint32_t first, uint32_t last, uint32_t total)
{
    struct pcnet_state *state = &nic->state;
    bool generate = generates_fcs(state, first, last);
    bool inside = pcnet_loop_inside(state);
    uint16_t events = 0;
    state->tx_loops = (state->csr[CSR_MODE] & CSR15_LOOP) && total <= FRAME_MAX && (inside || state->link_up);
    state->csr[CSR_TEST] |= CSR4_TXSTRT;
    if (total + (generate ? CRC_SIZE : 0) > MAX_FRAME_FCS)
        events |= CSR0_BABL;
    bool good = settle_fcs(state, generate);
    if (inside && (state->csr[CSR_MODE] & CSR15_FCOLL)) {
        /* Every attempt collides: 16 of them, or one with retry disabled. TRC counts retries. */
        state->tx_errors = TMD2_RTRY | (state->csr[CSR_MODE] & CSR15_DRTY ? 0 : 15);
        state->tx_loops = 0;
    } else if (!inside && !state->link_up) {
        state->tx_errors = TMD2_LCAR;
    }
    pcnet_raise(nic, events);
    if (inside || !state->link_up || nic->backend.ops == NULL || !good || total > FRAME_MAX ||
        state->frame.size == 0) {
        run_inside(nic, total + CRC_SIZE);
        return;
    }
    state->tx_phase = TX_WIRE;
    state->frame.id = 0;
    nic->backend.ops->send(nic->backend.ctx, &state->frame);
}

/* ---- Gathering ---- */

/* Buffers of no length are legal inside a chain. */
static void append(struct pcnet *nic, const struct pcnet_desc *desc, uint32_t *total)
{
    struct frame *frame = &nic->state.frame;
    uint32_t room = FRAME_MAX - frame->size;
    uint32_t take = desc->length < room ? desc->length : room;
    dma_read(nic->device.env, gpa(desc->addr), frame->data + frame->size, take);
    frame->size += take;
    *total += desc->length; /* beyond FRAME_MAX the frame is a babble that nobody can receive */
}

/* Follow the chain that starts at the current descriptor, which is owned by us and has STP. */
static void gather(struct pcnet *nic, struct pcnet_desc desc, unsigned *budget)
{
    struct pcnet_state *state = &nic->state;
    uint32_t first = desc.flags, total = 0;
    state->frame.size = 0;
    state->tx_errors = 0;
    append(nic, &desc, &total);
    while (!(desc.flags & DESC_ENP)) {
        uint32_t at = pcnet_ring_at(nic, RING_TRANSMIT);
        uint16_t counter = state->csr[CSR_XMTRC];
        pcnet_ring_advance(nic, RING_TRANSMIT);
        struct pcnet_desc next = pcnet_desc_read(nic, RING_TRANSMIT);
        if (!(next.flags & DESC_OWN) || *budget == 0) {
            /* The chain breaks off: a buffer error, and the FIFO runs empty. */
            csr_pair_set(state, CSR_CXDA, at);
            state->csr[CSR_XMTRC] = counter;
            state->tx_errors = TMD2_BUFF | TMD2_UFLO;
            break;
        }
        --*budget;
        pcnet_desc_release(nic, at, desc.flags);
        desc = next;
        append(nic, &desc, &total);
    }
    state->tx_flags = desc.flags;
    if (state->tx_errors)
        complete(nic);
    else
        launch(nic, first, desc.flags, total);
}

/* Look at the current descriptor. False: it is not ours, there is nothing to do. */
static bool take_one(struct pcnet *nic, unsigned *budget)
{
    struct pcnet_desc desc = pcnet_desc_read(nic, RING_TRANSMIT);
    --*budget;
    if (!(desc.flags & DESC_OWN))
        return false;
    if (desc.flags & DESC_STP) {
        gather(nic, desc, budget);
    } else {
        /* Rest of a chain whose start failed: given back unread. */
        pcnet_desc_release(nic, pcnet_ring_at(nic, RING_TRANSMIT), desc.flags);
        pcnet_ring_advance(nic, RING_TRANSMIT);
    }
    return true;
}

/* ---- Polling ---- */

/* CSR47 holds the interval as a negative number of PCI clocks, 0 meaning 65536. */
static void schedule_poll(struct pcnet *nic, unsigned looked, bool more)
{
    struct pcnet_state *state = &nic->state;
    struct event_queue *queue = nic->device.env->queue;
    event_cancel(queue, &nic->poll);
    state->poll_at = TICK_NEVER;
    if (!may_run(state) || (!more && (state->csr[CSR_TEST] & CSR4_TXDPOLL)))
        return;
    uint32_t clocks = 0x10000u - state->csr[CSR_POLLINT];
    if (more || clocks < looked * LOOK_CLOCKS)
        clocks = looked * LOOK_CLOCKS;
    state->poll_at = queue->now + ticks_from(queue, clocks, PCI_CLOCK_HZ);
    event_schedule(queue, &nic->poll, state->poll_at);
}

void pcnet_polling_changed(struct pcnet *nic)
{
    schedule_poll(nic, 1, false);
}

void pcnet_transmit(struct pcnet *nic)
{
    struct pcnet_state *state = &nic->state;
    unsigned budget = WORK_LIMIT;
    bool more = false;
    if (!may_run(state))
        return;
    state->csr[0] &= (uint16_t)~CSR0_TDMD;
    nic->in_transmit = true;
    if (pcnet_may_dma(nic)) {
        do {
            more = take_one(nic, &budget);
        } while (more && budget > 0 && may_run(state));
    }
    nic->in_transmit = false;
    schedule_poll(nic, WORK_LIMIT - budget + 1, more);
}

void pcnet_poll_fired(struct event *event, tick_t late)
{
    (void)late;
    struct pcnet *nic = CONTAINER_OF(event, struct pcnet, poll);
    nic->state.poll_at = TICK_NEVER;
    pcnet_transmit(nic);
    pcnet_assert(nic);
}
