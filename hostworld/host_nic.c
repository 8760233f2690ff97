/* The host's network card, Intel EtherExpress PRO/100 class, and its driver.
 *
 * Card, in hardware, beside the CPU:
 *
 *     transmit   ring --DMA--> FIFO (one frame ahead of the wire) --> wire;  left: interrupt
 *     receive    wire --DMA--> memory;                               there: interrupt
 *
 * It raises one interrupt per packet sent and per packet received (Sugerman 2001, section 3.1), or, as later
 * cards can, one for several of them (coalesce_frames), which none waits for longer than coalesce_time. A
 * packet counts as sent when it has left (enum host_nic_sent has other moments, docs/validation.md). Its
 * line is a level that drops when the driver has seen every cause. The frame is fetched whole before it
 * starts (the driver of that time sets the transmit threshold so); one more is fetched meanwhile, so a busy
 * ring keeps the wire busy.
 *
 * Driver: a device queue of 100 frames (txqueuelen) before a ring of 32; a full queue drops, as the network
 * stack does. It gives the card 32 buffers to receive (TX_RING_SIZE and RX_RING_SIZE of eepro100.c in
 * Linux 2.2 and 2.4). Of the card's own receive FIFO RX_FIFO_FRAMES is assumed; DMA is faster than the wire,
 * so it does not fill.
 *
 * Left out: MAC filtering (the bridge puts the card in promiscuous mode), statistics, flow control. */
#include "hostworld/hosted_priv.h"

#include "base/check.h"

#include <string.h>

enum { RING_SIZE = 32, DEVICE_QUEUE = 100, RX_RING_SIZE = 32, RX_FIFO_FRAMES = 4 };

/* Rounds of one interrupt before the driver gives up and comes back (max_interrupt_work of eepro100.c). */
enum { INTERRUPT_WORK = 20 };

/* ---- Interrupts: card ---- */

static void interrupt_now(struct host_nic *nic)
{
    nic->causes = 0;
    event_cancel(nic->host->queue, &nic->coalesce);
    host_raise_irq(nic->host, HOST_LINE_NIC);
}

/* One more frame was sent or received. */
static void add_cause(struct host_nic *nic)
{
    if (++nic->causes >= nic->coalesce_frames)
        interrupt_now(nic);
    else if (!event_pending(&nic->coalesce))
        event_schedule(nic->host->queue, &nic->coalesce, nic->host->queue->now + nic->coalesce_time);
}

static void coalesce_fired(struct event *event, tick_t late)
{
    (void)late;
    interrupt_now(CONTAINER_OF(event, struct host_nic, coalesce));
}

/* ---- Transmit: card ---- */

/* The driver may have the frame's memory back. */
static void done_with_frame(struct host_nic *nic, bool tell)
{
    nic->sent_unseen++;
    if (tell)
        add_cause(nic);
}

static void fetch_next(struct host_nic *nic)
{
    const struct frame *first = frame_queue_first(&nic->ring);
    if (first == NULL || nic->dma_busy || nic->fifo_full)
        return;
    nic->dma_busy = true;
    tick_t time = host_duration(nic->host, COST_ID_NIC_LATENCY, 1) +
                  host_duration(nic->host, COST_ID_NIC_DMA, first->size);
    event_schedule(nic->host->queue, &nic->dma_done, nic->host->queue->now + time);
}

static void start_wire(struct host_nic *nic)
{
    if (!nic->fifo_full || nic->wire_busy)
        return;
    /* The FIFO's slot is free as soon as the wire has the frame: the next fetch overlaps with sending. */
    nic->wire_busy = true;
    nic->fifo_full = false;
    if (nic->wire.ops != NULL) {
        nic->wire.ops->send(nic->wire.ctx, &nic->fifo);
    } else { /* no cable: the frame is lost, the descriptor completes */
        nic->wire_busy = false;
        if (nic->sent_when == HOST_NIC_SENT_LEFT)
            done_with_frame(nic, true);
    }
}

static void dma_done_fired(struct event *event, tick_t late)
{
    (void)late;
    struct host_nic *nic = CONTAINER_OF(event, struct host_nic, dma_done);
    const struct frame *first = frame_queue_first(&nic->ring);
    nic->dma_busy = false;
    nic->fifo.id = first->id;
    nic->fifo.size = first->size;
    memcpy(nic->fifo.data, first->data, first->size);
    nic->fifo_full = true;
    frame_queue_drop_first(&nic->ring);
    if (nic->sent_when != HOST_NIC_SENT_LEFT)
        done_with_frame(nic, nic->sent_when == HOST_NIC_SENT_FETCHED || nic->ring.count == 0);
    start_wire(nic);
    fetch_next(nic);
}

/* The wire is done with the frame. May come from inside send(). */
static void card_sent(void *ctx)
{
    struct host_nic *nic = ctx;
    nic->wire_busy = false;
    if (nic->sent_when == HOST_NIC_SENT_LEFT)
        done_with_frame(nic, true);
    start_wire(nic);
    fetch_next(nic);
}

/* ---- Receive: card ---- */

static void store_next(struct host_nic *nic)
{
    const struct frame *first = frame_queue_first(&nic->arriving);
    if (first == NULL || event_pending(&nic->rx_dma_done))
        return;
    tick_t time = host_duration(nic->host, COST_ID_NIC_LATENCY, 1) +
                  host_duration(nic->host, COST_ID_NIC_DMA, first->size);
    event_schedule(nic->host->queue, &nic->rx_dma_done, nic->host->queue->now + time);
}

static void card_receive(void *ctx, const struct frame *frame)
{
    struct host_nic *nic = ctx;
    if (!frame_queue_put(&nic->arriving, frame))
        nic->rx_drops++;
    store_next(nic);
}

static void rx_dma_done_fired(struct event *event, tick_t late)
{
    (void)late;
    struct host_nic *nic = CONTAINER_OF(event, struct host_nic, rx_dma_done);
    if (frame_queue_put(&nic->arrived, frame_queue_first(&nic->arriving)))
        add_cause(nic);
    else
        nic->rx_drops++;
    frame_queue_drop_first(&nic->arriving);
    store_next(nic);
}

static void card_link(void *ctx, bool up)
{
    (void)ctx;
    (void)up; /* the host's route is static */
}

/* ---- Driver ---- */

/* Give the frame to the card: descriptor, then the doorbell. */
static void driver_start(struct host_nic *nic, const struct frame *frame)
{
    host_charge(nic->host, COST_ID_NIC_SEND);
    host_charge(nic->host, COST_ID_NIC_DOORBELL);
    host_sync(nic->host);
    recorder_packet(nic->host->recorder, frame->id, PACKET_TX_NIC, nic->host->queue->now, frame->size);
    CHECK(frame_queue_put(&nic->ring, frame));
    fetch_next(nic);
}

void host_nic_transmit(struct host_nic *nic, const struct frame *frame)
{
    host_charge(nic->host, COST_ID_HOST_QUEUE);
    host_nic_start(nic, frame);
}

void host_nic_start(struct host_nic *nic, const struct frame *frame)
{
    if (nic->queue.count == 0 && nic->ring.count < RING_SIZE)
        driver_start(nic, frame);
    else if (!frame_queue_put(&nic->queue, frame))
        nic->drops++;
}

static void driver_sent(struct host_nic *nic)
{
    while (nic->sent_unseen > 0) {
        nic->sent_unseen--;
        host_charge(nic->host, COST_ID_NIC_SENT);
    }
    while (nic->queue.count > 0 && nic->ring.count < RING_SIZE) {
        struct frame frame = *frame_queue_first(&nic->queue);
        frame_queue_drop_first(&nic->queue);
        driver_start(nic, &frame);
    }
}

static void driver_received(struct host_nic *nic)
{
    for (unsigned n = nic->arrived.count; n > 0; n--) {
        struct frame frame = *frame_queue_first(&nic->arrived);
        frame_queue_drop_first(&nic->arrived);
        host_charge(nic->host, COST_ID_NIC_RECEIVED);
        recorder_packet(nic->host->recorder, frame.id, PACKET_RX_HOST, recorder_now(nic->host->recorder),
                        frame.size);
        vmnet_receive(nic->bridge, &frame);
    }
}

void host_nic_serve(struct host_nic *nic)
{
    bool more = true;
    nic->interrupts++;
    for (unsigned work = 0; more && work < INTERRUPT_WORK; work++) {
        host_charge(nic->host, COST_ID_NIC_IRQ);
        driver_sent(nic);
        driver_received(nic);
        more = nic->sent_unseen > 0 || nic->arrived.count > 0;
    }
    if (more) {
        host_raise_irq(nic->host, HOST_LINE_NIC);
        return;
    }
    nic->causes = 0; /* all were seen, also those that came with no interrupt of theirs */
    event_cancel(nic->host->queue, &nic->coalesce);
    host_lower_irq(nic->host, HOST_LINE_NIC);
}

static void nic_interrupt(void *ctx, struct host *host)
{
    host_charge(host, COST_ID_HOST_IRQ_ENTRY);
    host_nic_serve(ctx);
    host_charge(host, COST_ID_HOST_IRQ_EXIT);
}

/* ---- Life ---- */

void host_nic_init(struct host_nic *nic, const struct hosted_config *config, struct vmnet *bridge)
{
    struct host *host = config->host;
    struct net_backend wire = config->wire;
    static const struct net_port_ops port = {.receive = card_receive, .sent = card_sent, .link = card_link};
    nic->host = host;
    nic->bridge = bridge;
    nic->wire = wire;
    event_init(&nic->dma_done, "host-nic-fetch", EVENT_ORDER_DEVICE, dma_done_fired);
    event_init(&nic->rx_dma_done, "host-nic-store", EVENT_ORDER_DEVICE, rx_dma_done_fired);
    nic->sent_when = config->sent;
    nic->coalesce_frames = config->coalesce_frames ? config->coalesce_frames : 1;
    nic->coalesce_time = ticks_from(host->queue, config->coalesce_ns, 1000000000);
    event_init(&nic->coalesce, "host-nic-coalesce", EVENT_ORDER_DEVICE, coalesce_fired);
    frame_queue_init(&nic->queue, DEVICE_QUEUE);
    frame_queue_init(&nic->ring, RING_SIZE);
    frame_queue_init(&nic->arriving, RX_FIFO_FRAMES);
    frame_queue_init(&nic->arrived, RX_RING_SIZE);
    host_set_irq_handler(host, HOST_LINE_NIC, "nic", nic_interrupt, nic);
    if (wire.ops != NULL)
        wire.ops->attach(wire.ctx, &port, nic);
}

void host_nic_destroy(struct host_nic *nic)
{
    event_cancel(nic->host->queue, &nic->dma_done);
    event_cancel(nic->host->queue, &nic->rx_dma_done);
    event_cancel(nic->host->queue, &nic->coalesce);
    frame_queue_destroy(&nic->queue);
    frame_queue_destroy(&nic->ring);
    frame_queue_destroy(&nic->arriving);
    frame_queue_destroy(&nic->arrived);
}
