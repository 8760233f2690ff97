/* TCP segments received (RFC 9293, 3.10.7), for one connection that we opened or wait for.
 *
 * Segments beyond a gap are kept and answered with the acknowledgement the peer needs to send again, as is
 * the one that closes the gap (RFC 5681, 4.2); a FIN beyond a gap is taken when it comes again. As under
 * Linux 2.2, two full segments' worth of bytes is acknowledged at once (__tcp_ack_snd_check() in
 * net/ipv4/tcp_input.c), less within DELAYED_ACK ticks (RFC 1122, 4.2.3.2); what a full segment is, is
 * learned from what comes (tcp_measure_rcv_mss()); and the very first is acknowledged at once, so that slow
 * start gets under way (tcp_delack_estimator()). */
#include "tcp_priv.h"
#include "io.h"
#include "irq.h"
#include "mm.h"
#include "net.h"

enum {
    DELAYED_ACK = TIMER_HZ / 25, /* 40 ms */
    DUPLICATES_FOR_RETRANSMIT = 3,
    RTO_LOW = TIMER_HZ / 5,
    RTO_HIGH = 60 * TIMER_HZ,
    OPTION_END = 0,
    OPTION_NOP = 1,
    OPTION_MSS = 2,
};

struct segment {
    const struct tcp_header *header;
    const uint8_t *data;
    uint32_t length; /* of the data */
    uint32_t seq, ack, window;
    uint8_t flags;
};

static uint32_t segment_mss(const struct segment *segment)
{
    const uint8_t *option = (const uint8_t *)(segment->header + 1);
    while (option < segment->data && *option != OPTION_END) {
        if (*option == OPTION_NOP) {
            option++;
            continue;
        }
        if (segment->data - option < 2 || option[1] < 2 || segment->data - option < option[1])
            break;
        if (option[0] == OPTION_MSS && option[1] == 4) {
            uint32_t mss = (uint32_t)option[2] << 8 | option[3];
            return mss < 64 ? 64 : mss < TCP_MSS ? mss : TCP_MSS;
        }
        option += option[1];
    }
    return TCP_DEFAULT_MSS;
}

/* RFC 6298, section 2, in ticks. */
static void round_trip_measured(uint32_t ticks)
{
    if (tcp.srtt8 == 0) {
        tcp.srtt8 = ticks * 8;
        tcp.rttvar4 = ticks * 2;
    } else {
        int32_t error = (int32_t)ticks - (int32_t)(tcp.srtt8 / 8);
        tcp.srtt8 += (uint32_t)error;
        tcp.rttvar4 += (uint32_t)((error < 0 ? -error : error) - (int32_t)(tcp.rttvar4 / 4));
    }
    uint32_t rto = tcp.srtt8 / 8 + (tcp.rttvar4 > 1 ? tcp.rttvar4 : 1);
    tcp.rto = rto < RTO_LOW ? RTO_LOW : rto > RTO_HIGH ? RTO_HIGH : rto;
}

/* Releases the packets that lie wholly before snd_una; how many. */
static uint32_t queue_release(void)
{
    uint32_t before = tcp.queued;
    while (tcp.head != NULL) {
        struct packet *packet = tcp.head;
        if (seq_before(tcp.snd_una, packet->seq + packet->payload + packet->fin))
            break;
        tcp.head = packet->next;
        if (tcp.unsent == packet)
            tcp.unsent = packet->next;
        else
            tcp.flight--;
        tcp.queued--;
        packet_release(packet);
    }
    return before - tcp.queued;
}

static void fin_acknowledged(void)
{
    if (tcp.state == TCP_FIN_WAIT_1)
        tcp.state = TCP_FIN_WAIT_2;
    else if (tcp.state == TCP_CLOSING)
        tcp.state = TCP_TIME_WAIT;
    else if (tcp.state == TCP_LAST_ACK)
        tcp.state = TCP_CLOSED;
}

/* Slow start and congestion avoidance (tcp_cong_avoid() in net/ipv4/tcp_input.c), or on in a recovery: each
 * acknowledgement that does not reach `recover` tells of one more packet that is lost (RFC 6582). */
static void window_acked(uint32_t packets)
{
    if (tcp.recovering) {
        if (seq_before(tcp.snd_una, tcp.recover)) {
            tcp_retransmit_head();
            tcp.cwnd = tcp.cwnd > packets ? tcp.cwnd - packets + 1 : 1;
        } else {
            tcp.recovering = false;
            tcp.cwnd = tcp.ssthresh;
        }
    } else if (tcp.cwnd <= tcp.ssthresh) {
        tcp.cwnd++;
    } else if (++tcp.cwnd_count >= tcp.cwnd) {
        tcp.cwnd_count = 0;
        tcp.cwnd++;
    }
}

/* Three in a row: the packet at snd_una is lost. Each further one says that something has arrived beyond it.
 */
static void take_duplicate_ack(void)
{
    tcp.duplicates++;
    if (tcp.recovering) {
        tcp.cwnd++;
    } else if (tcp.duplicates == DUPLICATES_FOR_RETRANSMIT && seq_before(tcp.recover, tcp.snd_una)) {
        tcp_congested();
        tcp.cwnd = tcp.ssthresh + DUPLICATES_FOR_RETRANSMIT;
        tcp.recovering = true;
        tcp_retransmit_head();
    }
}

static void take_new_ack(uint32_t ack)
{
    tcp.snd_una = ack;
    tcp.duplicates = 0;
    tcp.expirations = 0;
    if (tcp.timing && !seq_before(ack, tcp.timed_seq)) {
        tcp.timing = false;
        round_trip_measured(timer_ticks() - tcp.timed_at);
    }
    if (seq_before(tcp.snd_nxt, ack))
        tcp.snd_nxt = ack;
    window_acked(queue_release());
    tcp_timer_restart();
    if (tcp.fin_queued && ack == tcp.tail_seq)
        fin_acknowledged();
}

static void take_ack(const struct segment *segment)
{
    uint32_t ack = segment->ack;
    if (seq_before(tcp.snd_max, ack)) {
        tcp_send_ack(); /* of something never sent */
        return;
    }
    if (seq_before(tcp.snd_una, ack)) {
        take_new_ack(ack);
    } else if (ack == tcp.snd_una && segment->length == 0 && segment->window == tcp.snd_wnd &&
               tcp.snd_una != tcp.snd_max) {
        take_duplicate_ack();
    }
    if (seq_before(tcp.snd_wl1, segment->seq) ||
        (tcp.snd_wl1 == segment->seq && !seq_before(ack, tcp.snd_wl2))) {
        tcp.snd_wnd = segment->window;
        tcp.snd_wl1 = segment->seq;
        tcp.snd_wl2 = ack;
    }
    tcp_push();
}

/* To the place in the buffer that is `ahead` bytes after what waits there. */
static void buffer_write(uint32_t ahead, const uint8_t *data, uint32_t length)
{
    uint32_t start = (tcp.in + ahead) % RECEIVE_BUFFER;
    uint32_t first = length < RECEIVE_BUFFER - start ? length : RECEIVE_BUFFER - start;
    memcpy(tcp.buffer + start, data, first);
    memcpy(tcp.buffer, data + first, length - first);
}

/* Notes that begin..end is in the buffer; false if there are too many gaps. */
static bool range_keep(uint32_t begin, uint32_t end)
{
    uint32_t first = 0, after;
    while (first < tcp.kept_count && seq_before(tcp.kept[first].end, begin))
        first++;
    for (after = first; after < tcp.kept_count && !seq_before(end, tcp.kept[after].begin); after++) {
        if (seq_before(tcp.kept[after].begin, begin))
            begin = tcp.kept[after].begin;
        if (seq_before(end, tcp.kept[after].end))
            end = tcp.kept[after].end;
    }
    if (first == after && tcp.kept_count == KEPT_MAX)
        return false;
    if (first == after) {
        for (uint32_t i = tcp.kept_count++; i > first; i--)
            tcp.kept[i] = tcp.kept[i - 1];
    } else {
        uint32_t gone = after - first - 1;
        tcp.kept_count -= gone;
        for (uint32_t i = first + 1; i < tcp.kept_count; i++)
            tcp.kept[i] = tcp.kept[i + gone];
    }
    tcp.kept[first] = (struct tcp_range){begin, end};
    return true;
}

/* Linux 2.2's out-of-order queue. */
static void keep(const struct segment *segment)
{
    uint32_t ahead = segment->seq - tcp.rcv_nxt, room = RECEIVE_BUFFER - (tcp.in - tcp.out);
    if (segment->length == 0 || tcp.fin_queued || ahead > room || segment->length > room - ahead)
        return;
    if (range_keep(segment->seq, segment->seq + segment->length))
        buffer_write(ahead, segment->data, segment->length);
}

/* A gap is closed: what was kept directly after it counts now, what lies before rcv_nxt no more. */
static void take_kept(void)
{
    uint32_t gone = 0;
    while (gone < tcp.kept_count && !seq_before(tcp.rcv_nxt, tcp.kept[gone].begin)) {
        if (seq_before(tcp.rcv_nxt, tcp.kept[gone].end)) {
            tcp.in += tcp.kept[gone].end - tcp.rcv_nxt;
            tcp.rcv_nxt = tcp.kept[gone].end;
        }
        gone++;
    }
    tcp.kept_count -= gone;
    for (uint32_t i = 0; i < tcp.kept_count; i++)
        tcp.kept[i] = tcp.kept[i + gone];
}

/* Drops what lies before rcv_nxt or after the window. False when nothing acceptable is left, or when there is
 * a gap; the peer then needs an acknowledgement. */
static bool trim(struct segment *segment)
{
    if (seq_before(segment->seq, tcp.rcv_nxt)) {
        uint32_t old = tcp.rcv_nxt - segment->seq;
        if ((segment->flags & TCP_SYN) != 0)
            return false;
        uint32_t fin = (segment->flags & TCP_FIN) != 0;
        if (old >= segment->length + fin)
            return false;
        segment->data += old < segment->length ? old : segment->length;
        segment->length -= old < segment->length ? old : segment->length;
        segment->seq = tcp.rcv_nxt;
    }
    if (segment->seq != tcp.rcv_nxt) {
        keep(segment);
        return false;
    }
    uint32_t room = RECEIVE_BUFFER - (tcp.in - tcp.out);
    if (segment->length > room) {
        segment->length = room;
        segment->flags &= (uint8_t)~TCP_FIN;
    }
    return true;
}

/* The largest segment seen, or the length of two in a row. */
static void full_segment_measured(uint32_t length)
{
    if (length > tcp.rcv_mss || (length >= TCP_DEFAULT_MSS && length == tcp.rcv_length))
        tcp.rcv_mss = length;
    tcp.rcv_length = length;
}

static void take_data(const struct segment *segment)
{
    uint32_t length = segment->length;
    bool at_once = tcp.rcv_length == 0 || tcp.kept_count != 0;
    buffer_write(0, segment->data, length);
    tcp.in += length;
    tcp.rcv_nxt += length;
    if (tcp.kept_count != 0)
        take_kept();
    full_segment_measured(length);
    if (at_once || tcp.rcv_nxt - tcp.rcv_acked >= 2 * tcp.rcv_mss) {
        tcp_send_ack();
    } else if (!tcp.ack_delayed) {
        tcp.ack_delayed = true;
        tcp.ack_deadline = timer_ticks() + DELAYED_ACK;
    }
}

static void take_fin(void)
{
    tcp.rcv_nxt++;
    tcp.eof = true;
    if (tcp.state == TCP_ESTABLISHED)
        tcp.state = TCP_CLOSE_WAIT;
    else if (tcp.state == TCP_FIN_WAIT_1)
        tcp.state = TCP_CLOSING;
    else if (tcp.state == TCP_FIN_WAIT_2)
        tcp.state = TCP_TIME_WAIT;
    tcp_send_ack();
}

static void take_syn(const struct segment *segment)
{
    tcp.mss = segment_mss(segment);
    tcp.rcv_nxt = tcp.rcv_edge = segment->seq + 1;
    tcp.snd_wnd = segment->window;
    tcp.snd_wl1 = segment->seq;
}

/* Anything but a SYN is of an older connection; nobody is there to be told. */
static void receive_in_listen(const struct segment *segment)
{
    if ((segment->flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN)
        return;
    tcp.peer_port = be16(segment->header->source);
    take_syn(segment);
    tcp_accept_syn();
}

static void synchronize(uint32_t ack)
{
    tcp.snd_una = tcp.snd_wl2 = ack;
    tcp.state = TCP_ESTABLISHED;
    tcp.armed = false;
    tcp.expirations = 0;
    tcp.rto = RTO_LOW;
}

/* True when the segment's acknowledgement has synchronized the connection: it may carry more. */
static bool receive_in_syn_received(const struct segment *segment)
{
    if ((segment->flags & TCP_RST) != 0) {
        if (segment->seq == tcp.rcv_nxt) {
            tcp.state = TCP_LISTEN;
            tcp.armed = false;
        }
        return false;
    }
    if ((segment->flags & TCP_ACK) == 0 || segment->ack != tcp.snd_nxt)
        return false;
    tcp.snd_wnd = segment->window;
    tcp.snd_wl1 = segment->seq;
    synchronize(segment->ack);
    return true;
}

static void receive_in_syn_sent(const struct segment *segment)
{
    bool good_ack = (segment->flags & TCP_ACK) != 0 && segment->ack == tcp.snd_nxt;
    if (!good_ack)
        return;
    if ((segment->flags & TCP_RST) != 0) {
        tcp_fail();
        return;
    }
    if ((segment->flags & TCP_SYN) == 0)
        return;
    take_syn(segment);
    synchronize(segment->ack);
    tcp_send_ack();
}

static void receive_synchronized(struct segment *segment)
{
    if ((segment->flags & TCP_RST) != 0) {
        if (segment->seq != tcp.rcv_nxt)
            return;
        if (tcp.state >= TCP_CLOSING && tcp.state != TCP_CLOSE_WAIT)
            tcp.state = TCP_CLOSED; /* both sides had closed anyway */
        else
            tcp_fail();
        return;
    }
    bool wanted = segment->length > 0 || (segment->flags & (TCP_FIN | TCP_SYN)) != 0;
    bool acceptable = trim(segment);
    if ((segment->flags & TCP_ACK) == 0)
        return;
    take_ack(segment);
    if (!acceptable || (tcp.eof && wanted)) {
        if (wanted || segment->seq != tcp.rcv_nxt)
            tcp_send_ack();
        return;
    }
    if (segment->length > 0 && tcp.fin_queued) {
        /* The process has closed and reads no more. */
        tcp_send_control(TCP_RST | TCP_ACK, tcp.snd_nxt);
        tcp.state = TCP_CLOSED;
        return;
    }
    if (segment->length > 0)
        take_data(segment);
    if ((segment->flags & TCP_FIN) != 0)
        take_fin();
}

void tcp_receive(struct packet *packet, uint32_t length)
{
    const struct tcp_header *header = packet_transport(packet);
    uint32_t offset = length >= TCP_HEADER ? (uint32_t)(header->offset >> 4) * 4 : 0;
    if (offset < TCP_HEADER || offset > length || tcp.state == TCP_CLOSED ||
        header->target != be16(tcp.local_port) ||
        (tcp.state != TCP_LISTEN && header->source != be16(tcp.peer_port)) ||
        checksum_fold(checksum_add(header, length, net_pseudo_sum(IP_TCP, length))) != 0)
        return;
    struct segment segment = {
        .header = header,
        .data = (const uint8_t *)header + offset,
        .length = length - offset,
        .seq = be32(header->seq),
        .ack = be32(header->ack),
        .window = be16(header->window),
        .flags = header->flags,
    };
    if (tcp.state == TCP_LISTEN)
        receive_in_listen(&segment);
    else if (tcp.state == TCP_SYN_SENT)
        receive_in_syn_sent(&segment);
    else if (tcp.state != TCP_SYN_RECEIVED || receive_in_syn_received(&segment))
        receive_synchronized(&segment);
}
