/* Segments that the peer's TCP sends, and its two timers: retransmission with measured round trips (RFC 6298,
 * Karn's rule) and exponential back-off, delayed ACKs, zero-window probes (RFC 9293, section 3.8.6.1).
 *
 * The retransmission timer is never below 200 ms, as in Linux of then and now (TCP_RTO_MIN in
 * include/net/tcp.h); RFC 6298, section 2.4, recommends a second. */
#include "hostworld/peer_tcp_priv.h"

#include <string.h>

enum { RETRIES_MAX = 12 };
static const uint64_t rto_initial_ns = 1000000000, rto_min_ns = 200000000, rto_max_ns = 60000000000;

static tick_t ticks_of(const struct connection *c, uint64_t ns)
{
    return ticks_from(c->peer->config.queue, ns, 1000000000);
}

static void schedule_in(struct connection *c, struct event *event, tick_t ticks)
{
    struct event_queue *queue = c->peer->config.queue;
    event_schedule(queue, event, queue->now + ticks);
}

/* ---- Segments ---- */

static void fill_stream(const struct connection *c, uint64_t offset, uint8_t *to, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = c->local_port == SERVICE_ECHO
                    ? c->echo[(c->echo_start + (offset - c->acked) + i) % ECHO_BUFFER]
                    : (uint8_t)(' ' + (offset + i) % 95);
}

/* MSS, then as many of scaling and SACK as the other side has offered. */
static size_t syn_options(const struct connection *c, uint8_t *to)
{
    static const uint8_t mss[4] = {OPTION_MSS, 4, PEER_MSS >> 8, PEER_MSS & 255};
    static const uint8_t scale[4] = {OPTION_NOP, OPTION_SCALE, 3, 0};
    static const uint8_t sack[4] = {OPTION_NOP, OPTION_NOP, OPTION_SACK_OK, 2};
    memcpy(to, mss, sizeof mss);
    memset(to + 4, OPTION_NOP, 4);
    if (c->snd_shift != NO_SCALING)
        memcpy(to + 4, scale, sizeof scale);
    if (c->sack)
        memcpy(to + 8, sack, sizeof sack);
    return c->sack ? 12 : 8;
}

static uint8_t *sack_block(uint8_t *to, const struct seq_range *range)
{
    put_be32(to, range->begin);
    put_be32(to + 4, range->end);
    return to + 8;
}

/* What is kept beyond rcv_nxt, that with the latest segment first (RFC 2018, section 4). */
static size_t sack_options(const struct connection *c, uint8_t *to)
{
    const struct seq_ranges *kept = &c->kept;
    unsigned latest = 0;
    for (unsigned i = 0; i < kept->count; i++)
        if (!seq_before(c->kept_last, kept->at[i].begin))
            latest = i;
    uint8_t *at = sack_block(to + 4, &kept->at[latest]), *end = to + 4 + (size_t)8 * SACK_BLOCKS_MAX;
    for (unsigned i = 0; i < kept->count && at < end; i++)
        if (i != latest)
            at = sack_block(at, &kept->at[i]);
    to[0] = to[1] = OPTION_NOP;
    to[2] = OPTION_SACK;
    to[3] = (uint8_t)(at - to - 2);
    return (size_t)(at - to);
}

static void segment_send(struct connection *c, uint32_t seq, unsigned flags, uint64_t offset, size_t size)
{
    struct peer *peer = c->peer;
    uint8_t option[4 + 8 * SACK_BLOCKS_MAX], *tcp;
    size_t options = flags & TCP_SYN                              ? syn_options(c, option)
                     : size == 0 && c->sack && c->kept.count != 0 ? sack_options(c, option)
                                                                  : 0;
    struct outgoing *out = peer_ip_frame(peer, c->mac, c->ip, 6, TCP_HEADER + options + size, &tcp);
    put_be16(tcp, c->local_port);
    put_be16(tcp + 2, c->port);
    put_be32(tcp + 4, seq);
    put_be32(tcp + 8, c->rcv_nxt);
    tcp[12] = (uint8_t)((TCP_HEADER + options) / 4 << 4);
    tcp[13] = (uint8_t)(flags | TCP_ACK);
    put_be16(tcp + 14, peer->config.window);
    memcpy(tcp + TCP_HEADER, option, options);
    fill_stream(c, offset, tcp + TCP_HEADER + options, size);
    const uint8_t *ip = tcp - IP_HEADER;
    put_be16(tcp + 16, 0xFFFF & ~peer_transport_sum(ip, tcp, TCP_HEADER + options + size));
    event_cancel(peer->config.queue, &c->ack_timer);
    c->unacked = 0;
    peer_send(peer, out);
}

void tcp_send_syn(struct connection *c)
{
    segment_send(c, c->iss, TCP_SYN, 0, 0);
    if (!event_pending(&c->retransmit_timer))
        schedule_in(c, &c->retransmit_timer, c->rto);
}

void tcp_send_ack(struct connection *c)
{
    segment_send(c, c->snd_nxt, TCP_ACK, 0, 0);
}

void tcp_time_from_now(struct connection *c, uint32_t seq)
{
    c->timing = true;
    c->timed_seq = seq;
    c->timed_at = c->peer->config.queue->now;
}

/* The segment is on its way for the first time, or once more. */
static void count_sent(struct connection *c, uint32_t seq, uint32_t size, uint32_t end)
{
    if (seq_before(seq, c->snd_max)) {
        c->peer->counters.retransmits++;
        c->timing = false; /* Karn: whose acknowledgement comes is not known */
    } else if (!c->timing) {
        tcp_time_from_now(c, end);
    }
    if (seq_before(c->snd_max, end)) {
        c->peer->counters.tcp_bytes_out += size;
        c->snd_max = end;
    }
}

uint32_t tcp_send_at(struct connection *c, uint32_t seq, uint32_t room)
{
    uint64_t offset = c->acked + (seq - c->snd_una), total = stream_total(c);
    if (offset > total || c->state == TCP_FIN_WAIT_2) /* our FIN is already out, or even acknowledged */
        return 0;
    uint32_t wanted =
        min32(min32(total - offset, c->mss), seq_ranges_next(&c->sacked, seq, seq + c->mss) - seq);
    uint32_t size = min32(wanted, room);
    bool fin = c->fin_wanted && offset + size == total;
    if (size < wanted && seq != c->snd_una)
        return 0; /* no silly small segments while something is on the way */
    if (size == 0 && !fin)
        return 0;
    segment_send(c, seq, (fin ? TCP_FIN : 0) | (size ? TCP_PSH : 0), offset, size);
    count_sent(c, seq, size, seq + size + fin);
    return size + fin;
}

/* ---- Timers ---- */

static void arm_retransmit(struct connection *c)
{
    bool waiting = c->snd_una != c->snd_max || (c->snd_wnd == 0 && stream_total(c) > c->acked);
    if (!waiting)
        event_cancel(c->peer->config.queue, &c->retransmit_timer);
    else if (!event_pending(&c->retransmit_timer))
        schedule_in(c, &c->retransmit_timer, c->rto);
}

void tcp_output(struct connection *c)
{
    if (c->recovering && c->sack) {
        loss_recover(c);
    } else if (c->state != TCP_SYN_RECEIVED) {
        uint32_t sent;
        do {
            c->snd_nxt = seq_ranges_skip(&c->sacked, c->snd_nxt);
            uint32_t flight = c->snd_nxt - c->snd_una, window = c->snd_wnd > flight ? c->snd_wnd - flight : 0;
            sent = tcp_send_at(c, c->snd_nxt, min32(window, loss_room(c)));
            c->snd_nxt += sent;
        } while (sent > 0);
    }
    arm_retransmit(c);
}

/* RFC 6298, section 2. */
static void round_trip_measured(struct connection *c, tick_t time)
{
    if (c->srtt == 0) {
        c->srtt = time;
        c->rttvar = time / 2;
    } else {
        tick_t error = time > c->srtt ? time - c->srtt : c->srtt - time;
        c->rttvar = (3 * c->rttvar + error) / 4;
        c->srtt = (7 * c->srtt + time) / 8;
    }
    tick_t rto = c->srtt + 4 * c->rttvar, low = ticks_of(c, rto_min_ns), high = ticks_of(c, rto_max_ns);
    c->rto = rto < low ? low : rto > high ? high : rto;
}

void tcp_timer_acked(struct connection *c)
{
    event_cancel(c->peer->config.queue, &c->retransmit_timer);
    c->retries = 0;
    if (c->timing && !seq_before(c->snd_una, c->timed_seq)) {
        c->timing = false;
        round_trip_measured(c, c->peer->config.queue->now - c->timed_at);
    }
}

static void retransmit_due(struct event *event, tick_t late)
{
    (void)late;
    struct connection *c = CONTAINER_OF(event, struct connection, retransmit_timer);
    if (++c->retries > RETRIES_MAX) {
        connection_free(c);
        return;
    }
    tick_t most = ticks_of(c, rto_max_ns);
    c->rto = 2 * c->rto > most ? most : 2 * c->rto;
    if (c->state == TCP_SYN_RECEIVED) {
        c->peer->counters.retransmits++;
        c->timing = false;
        tcp_send_syn(c);
    } else if (c->snd_wnd == 0 && stream_total(c) > c->acked) { /* window probe: one byte beyond it */
        tcp_send_at(c, c->snd_una, 1);
        c->snd_nxt = seq_before(c->snd_nxt, c->snd_max) ? c->snd_max : c->snd_nxt;
        arm_retransmit(c);
    } else {
        loss_timeout(c);
        tcp_output(c);
    }
}

static void delayed_ack_due(struct event *event, tick_t late)
{
    (void)late;
    tcp_send_ack(CONTAINER_OF(event, struct connection, ack_timer));
}

void tcp_delay_ack(struct connection *c)
{
    if (!event_pending(&c->ack_timer))
        schedule_in(c, &c->ack_timer, ticks_of(c, c->peer->config.delayed_ack_ns));
}

void tcp_timers_init(struct connection *c)
{
    c->rto = ticks_of(c, rto_initial_ns);
    event_init(&c->ack_timer, "peer.delayed-ack", EVENT_ORDER_WIRE, delayed_ack_due);
    event_init(&c->retransmit_timer, "peer.retransmit", EVENT_ORDER_WIRE, retransmit_due);
}
