/* The peer's TCP: a server of three services with RFC 793 states, window scaling of the other side (RFC
 * 7323), and selective acknowledgements both ways if the other side offers them (RFC 2018). Segments beyond a
 * gap are kept. What leaves and when is in peer_send.c, loss and congestion in peer_loss.c.
 *
 * Left out: urgent data, time stamps, a FIN beyond a gap (it is taken when it comes again), TIME-WAIT (a late
 * FIN gets a RST).
 *
 *      SYN ->            ACK ->              FIN ->              our FIN acked
 * FREE ---> SYN_RECEIVED ---> ESTABLISHED ---------> CLOSE_WAIT -> LAST_ACK ---> FREE
 *                                  | source_limit reached: our FIN
 *                                  +--> FIN_WAIT_1 -> FIN_WAIT_2 | CLOSING ---> FREE
 *
 * Invariants: (1) snd_una <= snd_nxt <= snd_max; (2) `acked` counts exactly the stream bytes below snd_una;
 * (3) the retransmit timer runs whenever snd_una != snd_max or a zero window holds data back; (4) every range
 * of `kept` begins after rcv_nxt. */
#include "hostworld/peer_tcp_priv.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

void connection_free(struct connection *c)
{
    event_cancel(c->peer->config.queue, &c->ack_timer);
    event_cancel(c->peer->config.queue, &c->retransmit_timer);
    free(c->echo);
    c->echo = NULL;
    c->state = TCP_FREE;
}

/* ---- Streams ---- */

uint64_t stream_total(const struct connection *c)
{
    if (c->fin_wanted)
        return c->final_total;
    switch (c->local_port) {
    case SERVICE_SOURCE: return c->peer->config.source_limit ? c->peer->config.source_limit : UINT64_MAX;
    case SERVICE_ECHO: return c->acked + c->echo_count;
    }
    return 0;
}

static void close_stream(struct connection *c)
{
    uint64_t total = stream_total(c);
    c->final_total = total == UINT64_MAX ? c->acked + (c->snd_max - c->snd_una)
                                         : total; /* endless: no more than was sent */
    c->fin_wanted = true;
    c->state = c->state == TCP_CLOSE_WAIT ? TCP_LAST_ACK : TCP_FIN_WAIT_1;
}

/* ---- Receiving ---- */

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

/* The option of `kind` and at least `size` bytes; NULL if there is none. */
static const uint8_t *find_option(const uint8_t *tcp, unsigned kind, unsigned size)
{
    const uint8_t *option = tcp + TCP_HEADER, *end = tcp + (tcp[12] >> 4) * 4;
    while (option < end && *option != OPTION_END) {
        if (*option == OPTION_NOP) {
            option++;
            continue;
        }
        if (end - option < 2 || option[1] < 2 || option[1] > end - option)
            return NULL;
        if (option[0] == kind && option[1] >= size)
            return option;
        option += option[1];
    }
    return NULL;
}

static void read_options(struct connection *c, const uint8_t *tcp)
{
    const uint8_t *mss = find_option(tcp, OPTION_MSS, 4), *scale = find_option(tcp, OPTION_SCALE, 3);
    unsigned size = mss ? get_be16(mss + 2) : 536;
    c->mss = (uint16_t)(size > PEER_MSS ? PEER_MSS : size < 64 ? 64 : size);
    c->snd_shift = scale == NULL ? NO_SCALING : scale[2] > 14 ? 14 : scale[2];
    c->sack = find_option(tcp, OPTION_SACK_OK, 2) != NULL;
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
                             .rcv_nxt = get_be32(tcp + 4) + 1};
    tcp_timers_init(c);
    memcpy(c->mac, frame->data + 6, 6);
    memcpy(c->ip, ip + 12, 4);
    read_options(c, tcp);
    c->iss = (uint32_t)++peer->counters.connections * 1000003u;
    c->snd_una = c->iss;
    c->snd_nxt = c->snd_max = c->iss + 1;
    c->snd_wnd = get_be16(tcp + 14);
    if (local == SERVICE_ECHO)
        c->echo = xcalloc(ECHO_BUFFER, 1);
    loss_init(c);
    tcp_time_from_now(c, c->snd_nxt);
    tcp_send_syn(c);
}

static void stream_acked(struct connection *c, uint32_t bytes)
{
    c->acked += bytes;
    if (c->local_port == SERVICE_ECHO) {
        c->echo_start = (c->echo_start + bytes) % ECHO_BUFFER;
        c->echo_count -= bytes;
    }
}

/* Nothing new is acknowledged. Window updates and data are no duplicates (RFC 5681, section 2); with
 * selective acknowledgements what these say counts (RFC 6675, section 2). */
static void process_same_ack(struct connection *c, bool plain, bool sacked)
{
    if (c->snd_wnd == 0)
        c->retries = 0; /* whoever answers probes may keep its window closed (RFC 9293, section 3.8.6.1) */
    if (c->snd_una != c->snd_max && (c->sack ? sacked : plain))
        loss_duplicate_ack(c);
}

/* Returns false when the connection is gone. */
static bool process_ack(struct connection *c, const uint8_t *tcp, bool has_data)
{
    uint32_t ack = get_be32(tcp + 8);
    uint32_t window = (uint32_t)get_be16(tcp + 14) << (c->snd_shift == NO_SCALING ? 0 : c->snd_shift);
    bool plain = window == c->snd_wnd && !has_data;
    if (seq_before(c->snd_max, ack) || seq_before(ack, c->snd_una))
        return true;
    const uint8_t *option = c->sack ? find_option(tcp, OPTION_SACK, 2) : NULL;
    bool sacked = option != NULL && loss_sacked(c, option);
    c->snd_wnd = window;
    if (ack == c->snd_una) {
        process_same_ack(c, plain, sacked);
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
    if (seq_before(c->snd_nxt, ack))
        c->snd_nxt = ack;
    tcp_timer_acked(c);
    if (fin_acked) {
        if (c->state == TCP_LAST_ACK || c->state == TCP_CLOSING) {
            connection_free(c);
            return false;
        }
        c->state = TCP_FIN_WAIT_2;
    }
    loss_acked(c, bytes - fin_acked);
    return true;
}

/* `size` bytes of the stream, `ahead` beyond rcv_nxt, where there is room for them. */
static void store(struct connection *c, uint32_t ahead, const uint8_t *data, uint32_t size)
{
    if (c->local_port != SERVICE_ECHO)
        return;
    for (uint32_t i = 0; i < size; i++)
        c->echo[(c->echo_start + c->echo_count + ahead + i) % ECHO_BUFFER] = data[i];
}

/* What is stored up to `seq` has no gap. */
static void deliver(struct connection *c, uint32_t seq)
{
    uint32_t size = seq - c->rcv_nxt;
    c->peer->counters.tcp_bytes_in += size;
    if (c->local_port == SERVICE_ECHO)
        c->echo_count += size;
    c->rcv_nxt = seq;
}

static void process_fin(struct connection *c)
{
    c->rcv_nxt++;
    tcp_send_ack(c);
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

/* Beyond a gap: the sender learns of it at once (RFC 5681, section 4.2). */
static void keep(struct connection *c, uint32_t seq, const uint8_t *data, uint32_t length)
{
    c->peer->counters.out_of_order++;
    if (seq_ranges_add(&c->kept, seq, seq + length)) {
        store(c, seq - c->rcv_nxt, data, length);
        c->kept_last = seq;
    }
    tcp_send_ack(c);
}

static void process_segment(struct connection *c, const uint8_t *tcp, size_t size)
{
    uint32_t seq = get_be32(tcp + 4), header = (uint32_t)(tcp[12] >> 4) * 4;
    uint32_t length = (uint32_t)(size - header), room = c->peer->config.window;
    const uint8_t *data = tcp + header;
    bool fin = (tcp[13] & TCP_FIN) != 0;
    if (length == 0 && !fin)
        return;
    if (seq_before(seq, c->rcv_nxt)) { /* the rest of it may be new */
        uint32_t old = min32(c->rcv_nxt - seq, length);
        seq += old, data += old, length -= old;
    }
    if (c->local_port == SERVICE_ECHO)
        room = min32(room, ECHO_BUFFER - c->echo_count);
    if (seq_before(seq, c->rcv_nxt) || seq - c->rcv_nxt > room || length > room - (seq - c->rcv_nxt) ||
        (length == 0 && !fin)) {
        tcp_send_ack(c);
        return;
    }
    if (seq != c->rcv_nxt) {
        keep(c, seq, data, length);
        return;
    }
    store(c, 0, data, length);
    bool gap = c->kept.count > 0;
    deliver(c, seq_ranges_skip(&c->kept, seq + length));
    seq_ranges_drop_before(&c->kept, c->rcv_nxt);
    if (fin && c->rcv_nxt == seq + length) {
        process_fin(c);
        return;
    }
    if (gap || ++c->unacked >= c->peer->config.ack_every)
        tcp_send_ack(c);
    else
        tcp_delay_ack(c);
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
            c->timing = false;
            tcp_send_syn(c);
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
    if (!process_ack(c, tcp, size > header))
        return;
    process_segment(c, tcp, size);
    if (c->state != TCP_FREE)
        tcp_output(c);
}

void peer_tcp_init(struct peer *peer)
{
    peer->connection = xcalloc(PEER_CONNECTIONS, sizeof *peer->connection);
}

void peer_tcp_destroy(struct peer *peer)
{
    for (unsigned i = 0; i < PEER_CONNECTIONS; i++)
        if (peer->connection[i].state != TCP_FREE)
            connection_free(&peer->connection[i]);
    free(peer->connection);
}
