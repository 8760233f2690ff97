/* The peer's TCP: a server of three services with RFC 793 states, delayed ACKs (RFC 1122), window scaling of
 * the other side (RFC 7323), slow start, congestion avoidance and fast retransmit (RFC 5681), exponential
 * back-off, zero-window probes.
 *
 * Left out: out-of-order segments are not kept (they draw a duplicate ACK, the sender resends), urgent data,
 * TIME-WAIT (a late FIN gets a RST), selective acknowledgement.
 *
 *      SYN ->            ACK ->              FIN ->              our FIN acked
 * FREE ---> SYN_RECEIVED ---> ESTABLISHED ---------> CLOSE_WAIT -> LAST_ACK ---> FREE
 *                                  | source_limit reached: our FIN
 *                                  +--> FIN_WAIT_1 -> FIN_WAIT_2 | CLOSING ---> FREE
 *
 * Invariants: (1) snd_una <= snd_nxt <= snd_max; (2) `acked` counts exactly the stream bytes below snd_una;
 * (3) the retransmit timer runs whenever snd_una != snd_max or a zero window holds data back. */
#include "hostworld/peer_priv.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { RETRIES_MAX = 12 };
static const uint64_t rto_initial_ns = 1000000000, rto_max_ns = 60000000000;

static bool before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static uint32_t min32(uint64_t a, uint64_t b)
{
    return (uint32_t)(a < b ? a : b);
}

static void schedule_in(struct connection *c, struct event *event, uint64_t ns)
{
    struct event_queue *queue = c->peer->config.queue;
    event_schedule(queue, event, queue->now + ticks_from(queue, ns, 1000000000));
}

static void connection_free(struct connection *c)
{
    event_cancel(c->peer->config.queue, &c->ack_timer);
    event_cancel(c->peer->config.queue, &c->retransmit_timer);
    free(c->echo);
    c->echo = NULL;
    c->state = TCP_FREE;
}

/* ---- Sending ---- */

/* Bytes our application has written since the connection began. */
static uint64_t stream_total(const struct connection *c)
{
    if (c->fin_wanted)
        return c->final_total;
    switch (c->local_port) {
    case SERVICE_SOURCE: return c->peer->config.source_limit ? c->peer->config.source_limit : UINT64_MAX;
    case SERVICE_ECHO: return c->acked + c->echo_count;
    }
    return 0;
}

static void fill_stream(const struct connection *c, uint64_t offset, uint8_t *to, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = c->local_port == SERVICE_ECHO
                    ? c->echo[(c->echo_start + (offset - c->acked) + i) % ECHO_BUFFER]
                    : (uint8_t)(' ' + (offset + i) % 95);
}

static void segment_send(struct connection *c, uint32_t seq, unsigned flags, uint64_t offset, size_t size)
{
    struct peer *peer = c->peer;
    size_t options = flags & TCP_SYN ? 8 : 0;
    uint8_t *tcp;
    struct outgoing *out = peer_ip_frame(peer, c->mac, c->ip, 6, TCP_HEADER + options + size, &tcp);
    put_be16(tcp, c->local_port);
    put_be16(tcp + 2, c->port);
    put_be32(tcp + 4, seq);
    put_be32(tcp + 8, c->rcv_nxt);
    tcp[12] = (uint8_t)((TCP_HEADER + options) / 4 << 4);
    tcp[13] = (uint8_t)(flags | TCP_ACK);
    put_be16(tcp + 14, peer->config.window);
    if (options) {
        static const uint8_t mss_and_scale[8] = {2, 4, PEER_MSS >> 8, PEER_MSS & 255, 1, 3, 3, 0};
        memcpy(tcp + TCP_HEADER, mss_and_scale, options);
        if (c->snd_shift == 0xFF) /* the other side offered no scaling: answer with NOPs */
            memset(tcp + TCP_HEADER + 4, 1, 4);
    }
    fill_stream(c, offset, tcp + TCP_HEADER + options, size);
    const uint8_t *ip = tcp - IP_HEADER;
    put_be16(tcp + 16, 0xFFFF & ~peer_transport_sum(ip, tcp, TCP_HEADER + options + size));
    event_cancel(peer->config.queue, &c->ack_timer);
    c->unacked = 0;
    peer_send(peer, out);
}

static void ack_send(struct connection *c)
{
    segment_send(c, c->snd_nxt, TCP_ACK, 0, 0);
}

static void reset_send(struct peer *peer, const struct frame *frame, const uint8_t *ip, const uint8_t *tcp,
                       uint32_t length)
{
    uint8_t *reply;
    struct outgoing *out = peer_ip_frame(peer, frame->data + 6, ip + 12, 6, TCP_HEADER, &reply);
    memcpy(reply, tcp + 2, 2);
    memcpy(reply + 2, tcp, 2);
    bool acked = (tcp[13] & TCP_ACK) != 0;
    put_be32(reply + 4, acked ? get_be32(tcp + 8) : 0);
    put_be32(reply + 8, acked ? 0 : get_be32(tcp + 4) + length);
    reply[12] = TCP_HEADER / 4 << 4;
    reply[13] = acked ? TCP_RST : TCP_RST | TCP_ACK;
    put_be16(reply + 16, 0xFFFF & ~peer_transport_sum(reply - IP_HEADER, reply, TCP_HEADER));
    peer_send(peer, out);
}

static void arm_retransmit(struct connection *c)
{
    bool waiting = c->snd_una != c->snd_max || (c->snd_wnd == 0 && stream_total(c) > c->acked);
    if (!waiting)
        event_cancel(c->peer->config.queue, &c->retransmit_timer);
    else if (!event_pending(&c->retransmit_timer))
        schedule_in(c, &c->retransmit_timer, c->rto_ns);
}

/* Send what stream, windows and state allow, starting at snd_nxt. */
static void tcp_output(struct connection *c)
{
    for (;;) {
        uint32_t flight = c->snd_nxt - c->snd_una;
        uint64_t offset = c->acked + flight, total = stream_total(c);
        if (c->state == TCP_SYN_RECEIVED || offset > total) /* our FIN is already out */
            break;
        uint32_t window = min32(c->snd_wnd, c->cwnd);
        uint32_t room = window > flight ? window - flight : 0;
        uint32_t size = min32(min32(total - offset, c->mss), room);
        bool fin = c->fin_wanted && offset + size == total;
        if (size < c->mss && offset + size < total && flight > 0)
            break; /* no silly small segments while something is on the way */
        if (size == 0 && !fin)
            break;
        segment_send(c, c->snd_nxt, (fin ? TCP_FIN : 0) | (size ? TCP_PSH : 0), offset, size);
        c->snd_nxt += size + fin;
        if (before(c->snd_max, c->snd_nxt)) {
            c->peer->counters.tcp_bytes_out += size;
            c->snd_max = c->snd_nxt;
        }
        if (fin)
            break;
    }
    arm_retransmit(c);
}

static void close_stream(struct connection *c)
{
    uint64_t total = stream_total(c);
    c->final_total = total == UINT64_MAX ? c->acked + (c->snd_max - c->snd_una)
                                         : total; /* endless: no more than was sent */
    c->fin_wanted = true;
    c->state = c->state == TCP_CLOSE_WAIT ? TCP_LAST_ACK : TCP_FIN_WAIT_1;
}

static void retransmit_due(struct event *event, tick_t late)
{
    (void)late;
    struct connection *c = CONTAINER_OF(event, struct connection, retransmit_timer);
    if (++c->retries > RETRIES_MAX) {
        connection_free(c);
        return;
    }
    c->peer->counters.retransmits++;
    c->rto_ns = c->rto_ns * 2 > rto_max_ns ? rto_max_ns : c->rto_ns * 2;
    if (c->state == TCP_SYN_RECEIVED) {
        segment_send(c, c->iss, TCP_SYN, 0, 0);
    } else if (c->snd_wnd == 0 && stream_total(c) > c->acked) { /* window probe: one byte beyond it */
        segment_send(c, c->snd_una, TCP_PSH, c->acked, 1);
        if (c->snd_max == c->snd_una)
            c->snd_nxt = c->snd_max = c->snd_una + 1;
    } else {
        uint32_t flight = c->snd_max - c->snd_una;
        c->ssthresh = flight / 2 > 2u * c->mss ? flight / 2 : 2u * c->mss;
        c->cwnd = c->mss;
        c->snd_nxt = c->snd_una;
        tcp_output(c);
    }
    arm_retransmit(c);
}

static void delayed_ack_due(struct event *event, tick_t late)
{
    (void)late;
    ack_send(CONTAINER_OF(event, struct connection, ack_timer));
}

/* ---- Receiving ---- */

static struct connection *connection_find(struct peer *peer, const uint8_t *ip, const uint8_t *tcp)
{
    for (unsigned i = 0; i < PEER_CONNECTIONS; i++) {
        struct connection *c = &peer->connection[i];
        if (c->state != TCP_FREE && c->port == get_be16(tcp) && c->local_port == get_be16(tcp + 2) &&
            !memcmp(c->ip, ip + 12, 4))
            return c;
    }
    return NULL;
}

static void read_options(struct connection *c, const uint8_t *tcp)
{
    const uint8_t *option = tcp + TCP_HEADER, *end = tcp + (tcp[12] >> 4) * 4;
    c->mss = 536;
    c->snd_shift = 0xFF;
    while (option < end && *option != 0) {
        if (*option == 1) {
            option++;
            continue;
        }
        if (end - option < 2 || option[1] < 2 || option[1] > end - option)
            return;
        if (option[0] == 2 && option[1] == 4)
            c->mss = get_be16(option + 2);
        if (option[0] == 3 && option[1] == 3)
            c->snd_shift = option[2] > 14 ? 14 : option[2];
        option += option[1];
    }
    if (c->mss > PEER_MSS)
        c->mss = PEER_MSS;
    if (c->mss < 64)
        c->mss = 64;
}

static void connection_open(struct peer *peer, const struct frame *frame, const uint8_t *ip,
                            const uint8_t *tcp)
{
    uint16_t local = get_be16(tcp + 2);
    struct connection *c = NULL;
    for (unsigned i = 0; i < PEER_CONNECTIONS && c == NULL; i++)
        if (peer->connection[i].state == TCP_FREE)
            c = &peer->connection[i];
    if (c == NULL || (local != SERVICE_DISCARD && local != SERVICE_SOURCE && local != SERVICE_ECHO)) {
        reset_send(peer, frame, ip, tcp, 1);
        return;
    }
    *c = (struct connection){.peer = peer,
                             .state = TCP_SYN_RECEIVED,
                             .port = get_be16(tcp),
                             .local_port = local,
                             .rcv_nxt = get_be32(tcp + 4) + 1,
                             .ssthresh = UINT32_MAX,
                             .rto_ns = rto_initial_ns};
    event_init(&c->ack_timer, "peer.delayed-ack", EVENT_ORDER_WIRE, delayed_ack_due);
    event_init(&c->retransmit_timer, "peer.retransmit", EVENT_ORDER_WIRE, retransmit_due);
    memcpy(c->mac, frame->data + 6, 6);
    memcpy(c->ip, ip + 12, 4);
    read_options(c, tcp);
    c->cwnd = 2u * c->mss;
    c->iss = (uint32_t)++peer->counters.connections * 1000003u;
    c->snd_una = c->iss;
    c->snd_nxt = c->snd_max = c->iss + 1;
    c->snd_wnd = get_be16(tcp + 14);
    if (local == SERVICE_ECHO)
        c->echo = xcalloc(ECHO_BUFFER, 1);
    segment_send(c, c->iss, TCP_SYN, 0, 0);
    arm_retransmit(c);
}

static void stream_acked(struct connection *c, uint32_t bytes)
{
    c->acked += bytes;
    if (c->local_port == SERVICE_ECHO) {
        c->echo_start = (c->echo_start + bytes) % ECHO_BUFFER;
        c->echo_count -= bytes;
    }
}

/* Returns false when the connection is gone. */
static bool process_ack(struct connection *c, uint32_t ack, uint32_t window, bool has_data)
{
    bool same_window = window == c->snd_wnd;
    if (before(c->snd_max, ack) || before(ack, c->snd_una))
        return true;
    c->snd_wnd = window;
    if (ack == c->snd_una) {
        if (!has_data && same_window && c->snd_una != c->snd_max && ++c->dup_acks == 3) {
            c->peer->counters.retransmits++;
            c->ssthresh = c->cwnd = c->cwnd / 2 > 2u * c->mss ? c->cwnd / 2 : 2u * c->mss;
            c->snd_nxt = c->snd_una;
        }
        return true;
    }
    uint64_t total = stream_total(c);
    uint32_t bytes = ack - c->snd_una;
    if (c->state == TCP_SYN_RECEIVED) {
        c->state = TCP_ESTABLISHED;
        bytes--;
        if (c->local_port == SERVICE_SOURCE && c->peer->config.source_limit)
            close_stream(c);
    }
    bool fin_acked = c->fin_wanted && c->acked + bytes > total;
    stream_acked(c, bytes - fin_acked);
    c->snd_una = ack;
    if (before(c->snd_nxt, ack))
        c->snd_nxt = ack;
    c->dup_acks = c->retries = 0;
    c->rto_ns = rto_initial_ns;
    event_cancel(c->peer->config.queue, &c->retransmit_timer);
    if (c->cwnd < 1u << 24)
        c->cwnd += c->cwnd < c->ssthresh ? c->mss : (uint32_t)c->mss * c->mss / c->cwnd + 1;
    if (fin_acked) {
        if (c->state == TCP_LAST_ACK || c->state == TCP_CLOSING) {
            connection_free(c);
            return false;
        }
        c->state = TCP_FIN_WAIT_2;
    }
    return true;
}

static void deliver(struct connection *c, const uint8_t *data, uint32_t size)
{
    c->peer->counters.tcp_bytes_in += size;
    if (c->local_port != SERVICE_ECHO)
        return;
    for (uint32_t i = 0; i < size; i++)
        c->echo[(c->echo_start + c->echo_count + i) % ECHO_BUFFER] = data[i];
    c->echo_count += size;
}

static void process_fin(struct connection *c)
{
    c->rcv_nxt++;
    ack_send(c);
    switch (c->state) {
    case TCP_ESTABLISHED:
        c->state = TCP_CLOSE_WAIT;
        close_stream(c);
        break;
    case TCP_FIN_WAIT_1: c->state = TCP_CLOSING; break;
    case TCP_FIN_WAIT_2: connection_free(c); break;
    default: break;
    }
}

static void process_segment(struct connection *c, const uint8_t *tcp, size_t size)
{
    uint32_t seq = get_be32(tcp + 4), header = (uint32_t)(tcp[12] >> 4) * 4;
    uint32_t length = (uint32_t)(size - header);
    bool fin = (tcp[13] & TCP_FIN) != 0;
    if (length == 0 && !fin)
        return;
    uint32_t room = c->local_port == SERVICE_ECHO ? ECHO_BUFFER - c->echo_count : UINT32_MAX;
    if (seq != c->rcv_nxt || length > room) {
        c->peer->counters.out_of_order += before(c->rcv_nxt, seq);
        ack_send(c); /* RFC 5681, 4.2: a duplicate ACK at once */
        return;
    }
    deliver(c, tcp + header, length);
    c->rcv_nxt += length;
    if (fin) {
        process_fin(c);
        return;
    }
    if (++c->unacked >= c->peer->config.ack_every)
        ack_send(c);
    else if (!event_pending(&c->ack_timer))
        schedule_in(c, &c->ack_timer, c->peer->config.delayed_ack_ns);
}

void peer_tcp_receive(struct peer *peer, const struct frame *frame, const uint8_t *ip, const uint8_t *tcp,
                      size_t size)
{
    uint32_t header = (uint32_t)(tcp[12] >> 4) * 4;
    if (header < TCP_HEADER || header > size) {
        peer->counters.bad_frames++;
        return;
    }
    unsigned flags = tcp[13];
    struct connection *c = connection_find(peer, ip, tcp);
    if (c != NULL && (flags & TCP_RST)) {
        connection_free(c);
        return;
    }
    if (c != NULL && (flags & TCP_SYN)) { /* the same SYN again, or a new incarnation after an abort */
        if (get_be32(tcp + 4) + 1 == c->rcv_nxt && c->state == TCP_SYN_RECEIVED) {
            segment_send(c, c->iss, TCP_SYN, 0, 0);
            return;
        }
        connection_free(c);
        c = NULL;
    }
    if (c == NULL) {
        if ((flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN)
            connection_open(peer, frame, ip, tcp);
        else if (!(flags & TCP_RST))
            reset_send(peer, frame, ip, tcp, (uint32_t)size - header + ((flags & (TCP_SYN | TCP_FIN)) != 0));
        return;
    }
    if (!(flags & TCP_ACK))
        return;
    uint32_t window = (uint32_t)get_be16(tcp + 14) << (c->snd_shift == 0xFF ? 0 : c->snd_shift);
    if (!process_ack(c, get_be32(tcp + 8), window, size > header))
        return;
    process_segment(c, tcp, size);
    if (c->state != TCP_FREE)
        tcp_output(c);
}

void peer_tcp_init(struct peer *peer)
{
    for (unsigned i = 0; i < PEER_CONNECTIONS; i++)
        peer->connection[i].peer = peer;
}

void peer_tcp_destroy(struct peer *peer)
{
    for (unsigned i = 0; i < PEER_CONNECTIONS; i++)
        if (peer->connection[i].state != TCP_FREE)
            connection_free(&peer->connection[i]);
}
