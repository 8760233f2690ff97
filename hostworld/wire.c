/* One direction of the link is a state machine of two events:
 *
 *     idle --send--> serializing --last bit--> idle (after the gap); the frame joins the in-flight queue
 *     in-flight queue --oldest arrives--> receiver
 *
 * Invariants: (1) at most one frame of a direction is being serialized; (2) in-flight frames arrive in the
 * order sent. */
#include "hostworld/wire.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

struct flight {
    struct flight *next;
    tick_t arrival;
    struct frame frame;
};

struct direction {
    struct wire *wire;
    unsigned from;
    struct event left, arrives;
    tick_t free_at; /* end of the gap after the last frame */
    bool sending;
    struct flight *first, *last; /* in flight, oldest first; the newest may still be serializing */
};

struct end {
    struct wire *wire;
    unsigned number;
    const struct net_port_ops *port;
    void *nic;
};

struct wire {
    struct wire_config config;
    struct end end[2];
    struct direction direction[2]; /* by sender */
};

uint32_t wire_bytes(uint32_t size, bool with_gap)
{
    return 8 + (size < 60 ? 60 : size) + 4 + (with_gap ? 12 : 0);
}

static tick_t wire_ticks(const struct wire *wire, uint32_t bytes)
{
    return ticks_from(wire->config.queue[0], (uint64_t)bytes * 8, wire->config.bits_per_second);
}

static tick_t delay_ticks(const struct wire *wire)
{
    return ticks_from(wire->config.queue[0], wire->config.delay_ns, 1000000000);
}

tick_t wire_latency(const struct wire *wire)
{
    return wire_ticks(wire, wire_bytes(0, false)) + delay_ticks(wire);
}

static void frame_left(struct event *event, tick_t late)
{
    (void)late;
    struct direction *direction = CONTAINER_OF(event, struct direction, left);
    struct end *sender = &direction->wire->end[direction->from];
    direction->sending = false;
    sender->port->sent(sender->nic);
}

static void frame_arrives(struct event *event, tick_t late)
{
    (void)late;
    struct direction *direction = CONTAINER_OF(event, struct direction, arrives);
    struct wire *wire = direction->wire;
    struct flight *flight = direction->first;
    direction->first = flight->next;
    if (direction->first != NULL)
        event_schedule(wire->config.queue[1 - direction->from], &direction->arrives,
                       direction->first->arrival);
    else
        direction->last = NULL;
    struct end *receiver = &wire->end[1 - direction->from];
    if (receiver->port != NULL)
        receiver->port->receive(receiver->nic, &flight->frame);
    free(flight);
}

static void wire_attach(void *backend, const struct net_port_ops *port, void *nic)
{
    struct end *end = backend;
    end->port = port;
    end->nic = nic;
}

static void mark(const struct wire *wire, unsigned from, const struct frame *frame, tick_t start,
                 tick_t arrival)
{
    struct recorder *sender = wire->config.recorder[from], *receiver = wire->config.recorder[1 - from];
    if (sender != NULL) {
        recorder_packet(sender, frame->id, PACKET_TX_WIRE, start, frame->size);
        recorder_packet(sender, frame->id, PACKET_TX_DELIVERED, arrival, frame->size);
    }
    if (receiver != NULL) {
        recorder_packet(receiver, frame->id, PACKET_RX_SENT, start, frame->size);
        recorder_packet(receiver, frame->id, PACKET_RX_ARRIVED, arrival, frame->size);
    }
}

static void wire_send(void *backend, const struct frame *frame)
{
    struct end *end = backend;
    struct wire *wire = end->wire;
    struct event_queue *queue = wire->config.queue[end->number];
    struct direction *direction = &wire->direction[end->number];
    CHECK(!direction->sending && end->port != NULL && frame->size <= FRAME_MAX);

    tick_t start = direction->free_at > queue->now ? direction->free_at : queue->now;
    tick_t left = start + wire_ticks(wire, wire_bytes(frame->size, false));
    direction->free_at = start + wire_ticks(wire, wire_bytes(frame->size, true));
    direction->sending = true;

    struct flight *flight = xcalloc(1, sizeof *flight);
    flight->frame.id = frame->id ? frame->id : ++*wire->config.next_frame_id;
    flight->frame.size = frame->size;
    memcpy(flight->frame.data, frame->data, frame->size);
    flight->arrival = left + delay_ticks(wire);
    mark(wire, end->number, &flight->frame, start, flight->arrival);
    if (wire->config.tap != NULL)
        wire->config.tap(wire->config.tap_ctx, &flight->frame, end->number, start);

    if (direction->last != NULL)
        direction->last->next = flight;
    else
        direction->first = flight;
    direction->last = flight;
    if (direction->first == flight)
        event_schedule(wire->config.queue[1 - end->number], &direction->arrives, flight->arrival);
    event_schedule(queue, &direction->left, left);
    if (wire->config.sent != NULL)
        wire->config.sent(wire->config.sent_ctx, end->number, flight->arrival);
}

struct wire *wire_create(const struct wire_config *config)
{
    CHECK(config->bits_per_second > 0 && config->next_frame_id != NULL);
    CHECK(config->queue[0]->hz == config->queue[1]->hz);
    struct wire *wire = xcalloc(1, sizeof *wire);
    wire->config = *config;
    for (unsigned i = 0; i < 2; i++) {
        wire->end[i] = (struct end){.wire = wire, .number = i};
        wire->direction[i] = (struct direction){.wire = wire, .from = i};
        event_init(&wire->direction[i].left, "wire.left", EVENT_ORDER_WIRE, frame_left);
        event_init(&wire->direction[i].arrives, "wire.arrives", EVENT_ORDER_WIRE, frame_arrives);
    }
    return wire;
}

void wire_shorten(struct wire *wire)
{
    wire->config.bits_per_second = UINT64_C(1000000000000000);
    wire->config.delay_ns = 0;
}

void wire_destroy(struct wire *wire)
{
    if (wire == NULL)
        return;
    for (unsigned i = 0; i < 2; i++) {
        struct direction *direction = &wire->direction[i];
        event_cancel(wire->config.queue[i], &direction->left);
        event_cancel(wire->config.queue[1 - i], &direction->arrives);
        while (direction->first != NULL) {
            struct flight *flight = direction->first;
            direction->first = flight->next;
            free(flight);
        }
    }
    free(wire);
}

struct net_backend wire_end(struct wire *wire, unsigned end)
{
    static const struct net_backend_ops ops = {.attach = wire_attach, .send = wire_send};
    return (struct net_backend){.ops = &ops, .ctx = &wire->end[end]};
}
