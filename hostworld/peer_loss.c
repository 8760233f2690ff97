/* What the peer's TCP sends again, and how much it dares to have on its way: slow start, congestion
 * avoidance, limited transmit and fast retransmit (RFC 5681, RFC 3042); then fast recovery from selective
 * acknowledgements (RFC 6675) if the other side sends them, and NewReno's (RFC 6582) if not.
 *
 *                    third duplicate, or 2 segments' worth SACKed beyond a hole
 *     open (grows) ------------------------------------------------------------> recovering
 *       ^     ^                    recover acknowledged                           |
 *       |     +-------------------------------------------------------------------+
 *       |                          retransmission timer                           |
 *       +---- slow start from one segment, everything again but what is SACKed <--+
 *
 * Invariants: (1) snd_una <= high_rxt <= snd_max while recovering, and recover <= snd_max; (2) every range of
 * `sacked` lies within snd_una .. snd_max; (3) no fast retransmit before what was on its way at the last loss
 * is acknowledged (RFC 6582, section 3.2, step 1).
 *
 * After a timeout what was SACKed is forgotten, as the other side may have dropped it (RFC 2018, section 8).
 * Left out: undoing what was not needed, probes for a lost tail, time stamps. */
#include "hostworld/peer_tcp_priv.h"

enum { WINDOW_MAX = 1 << 24 };

static uint32_t max32(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

void loss_init(struct connection *c)
{
    /* RFC 5681, section 3.1: the initial window */
    c->cwnd = (c->mss > 2190 ? 2u : c->mss > 1095 ? 3u : 4u) * c->mss;
    c->ssthresh = UINT32_MAX;
    c->recover = c->high_rxt = c->iss;
}

uint32_t loss_room(const struct connection *c)
{
    uint32_t flight = c->snd_nxt - c->snd_una - seq_ranges_below(&c->sacked, c->snd_nxt), window = c->cwnd;
    if (!c->recovering && c->dup_acks < DUP_THRESHOLD && c->snd_nxt == c->snd_max)
        window +=
            c->dup_acks * c->mss; /* limited transmit: something new for each segment that has arrived */
    return window > flight ? window - flight : 0;
}

/* ---- Selective acknowledgements ---- */

bool loss_sacked(struct connection *c, const uint8_t *option)
{
    bool news = false;
    for (unsigned at = 2; at + 8 <= option[1]; at += 8) {
        uint32_t begin = get_be32(option + at), end = get_be32(option + at + 4);
        if (seq_before(c->snd_una, begin) && seq_before(begin, end) && !seq_before(c->snd_max, end))
            news |= seq_ranges_add(&c->sacked, begin, end);
    }
    return news;
}

/* IsLost() of RFC 6675, section 4, holds for what is not SACKed and lies below. */
static uint32_t lost_below(const struct connection *c)
{
    uint32_t bytes = 0;
    for (unsigned i = c->sacked.count, above = 1; i-- > 0; above++) {
        bytes += c->sacked.at[i].end - c->sacked.at[i].begin;
        if (above >= DUP_THRESHOLD || bytes > (DUP_THRESHOLD - 1u) * c->mss)
            return c->sacked.at[i].begin;
    }
    return c->snd_una;
}

/* SetPipe(): bytes on their way, as first sent or as sent again. */
static uint32_t pipe_bytes(const struct connection *c)
{
    uint32_t lost = lost_below(c), pipe = 0, hole, end;
    for (hole = seq_ranges_skip(&c->sacked, c->snd_una); seq_before(hole, c->snd_max);
         hole = seq_ranges_skip(&c->sacked, end)) {
        end = seq_ranges_next(&c->sacked, hole, c->snd_max);
        if (!seq_before(hole, lost))
            pipe += end - hole;
        if (seq_before(hole, c->high_rxt))
            pipe += (seq_before(end, c->high_rxt) ? end : c->high_rxt) - hole;
    }
    return pipe;
}

static bool send_new(struct connection *c)
{
    uint32_t flight = c->snd_nxt - c->snd_una;
    uint32_t sent = tcp_send_at(c, c->snd_nxt, c->snd_wnd > flight ? c->snd_wnd - flight : 0);
    c->snd_nxt += sent;
    return sent > 0;
}

/* NextSeg(): its rules in their order, but the last, which repeats the end of what is on its way. */
static bool send_next(struct connection *c)
{
    uint32_t from = seq_before(c->high_rxt, c->snd_una) ? c->snd_una : c->high_rxt;
    uint32_t holes_end = c->sacked.count ? c->sacked.at[c->sacked.count - 1].begin : c->snd_una;
    from = seq_ranges_skip(&c->sacked, from);
    if (!seq_before(from, lost_below(c)) && send_new(c))
        return true;
    if (seq_before(from, holes_end)) {
        uint32_t sent = tcp_send_at(c, from, c->mss);
        c->high_rxt = from + sent;
        return sent > 0;
    }
    return false;
}

/* What was sent after the first hole was closed has arrived, and it is still open. RFC 6675 waits for the
 * timer then; Linux did not even in 2.4 (lost_retrans in tcp_sacktag_write_queue()), nor does RFC 8985. */
static void repeat_first(struct connection *c)
{
    uint32_t top = c->sacked.count ? c->sacked.at[c->sacked.count - 1].end : c->snd_una;
    if (!seq_before(c->snd_una, c->high_rxt) ||
        !seq_before(c->first_mark + (DUP_THRESHOLD - 1u) * c->mss, top))
        return;
    tcp_send_at(c, c->snd_una, c->mss);
    c->first_mark = c->snd_max;
}

void loss_recover(struct connection *c)
{
    repeat_first(c);
    while (pipe_bytes(c) + c->mss <= c->cwnd && send_next(c))
        ;
}

/* ---- What acknowledgements and their absence say ---- */

/* Half of what was on its way, without what limited transmit has added. */
static uint32_t half_flight(const struct connection *c)
{
    return max32(min32(c->snd_max - c->snd_una, c->cwnd) / 2, 2u * c->mss);
}

static void begin_recovery(struct connection *c)
{
    c->peer->counters.recoveries++;
    c->ssthresh = half_flight(c);
    c->cwnd =
        c->sack ? c->ssthresh : c->ssthresh + DUP_THRESHOLD * c->mss; /* as many have left the network */
    c->recovering = true;
    c->recover = c->snd_max;
    c->first_mark = c->snd_max;
    c->high_rxt = c->snd_una + tcp_send_at(c, c->snd_una, c->mss);
}

void loss_duplicate_ack(struct connection *c)
{
    c->dup_acks++;
    if (c->recovering) {
        if (!c->sack && c->cwnd < WINDOW_MAX)
            c->cwnd += c->mss;
        return;
    }
    bool lost = c->dup_acks >= DUP_THRESHOLD || seq_before(c->snd_una, lost_below(c));
    if (lost && seq_before(c->recover, c->snd_una))
        begin_recovery(c);
}

static void grow(struct connection *c, uint32_t bytes)
{
    if (c->cwnd >= WINDOW_MAX)
        return;
    c->cwnd += c->cwnd < c->ssthresh ? min32(bytes, c->mss) : (uint32_t)c->mss * c->mss / c->cwnd + 1;
}

/* NewReno: the next hole is known only when the one before it is closed. */
static void partial_ack(struct connection *c, uint32_t bytes)
{
    tcp_send_at(c, c->snd_una, c->mss);
    c->cwnd = c->cwnd > bytes ? c->cwnd - bytes : 0;
    c->cwnd = max32(c->cwnd + (bytes >= c->mss ? c->mss : 0), c->mss);
}

void loss_acked(struct connection *c, uint32_t bytes)
{
    seq_ranges_drop_before(&c->sacked, c->snd_una);
    if (seq_before(c->high_rxt, c->snd_una))
        c->high_rxt = c->snd_una;
    c->dup_acks = 0;
    if (!c->recovering) {
        grow(c, bytes);
    } else if (!seq_before(c->snd_una, c->recover)) {
        uint32_t flight = max32(c->snd_max - c->snd_una, c->mss);
        c->cwnd = c->sack ? c->ssthresh : min32(c->ssthresh, flight + c->mss);
        c->recovering = false;
    } else if (c->sack) {
        c->first_mark = c->snd_max;
    } else {
        partial_ack(c, bytes);
    }
}

void loss_timeout(struct connection *c)
{
    c->peer->counters.timeouts++;
    if (c->retries == 1) /* RFC 5681, section 3.1: not again for the same segment */
        c->ssthresh = half_flight(c);
    c->cwnd = c->mss;
    c->recovering = false;
    c->recover = c->snd_max;
    c->dup_acks = 0;
    c->sacked.count = 0;
    c->snd_nxt = c->high_rxt = c->snd_una;
}
