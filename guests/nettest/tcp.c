/* TCP (RFC 9293) for one connection, opened by us or by the peer: queue of segments, window of the peer,
 * Nagle's rule (RFC 1122, 4.2.3.4), retransmission with measured round trip (RFC 6298, Karn's rule),
 * zero-window probes, closing.
 *
 * Congestion control is that of Linux 2.2, in packets: slow start and congestion avoidance (RFC 5681), fast
 * retransmit and NewReno's recovery (RFC 6582). On a link that loses nothing the window of the peer is soon
 * the smaller one.
 *
 * Left out: urgent data, a second connection, options other than the maximum segment size, and so selective
 * acknowledgements.
 *
 * Three rules are those of Linux 2.2, since how many bytes a packet holds and when the process sleeps hang on
 * them: Nagle's rule holds back a segment of less than half the maximum only (tcp_snd_test() in
 * include/net/tcp.h), so 4096-byte writes leave as 1460 + 1460 + 1176 bytes and 512-byte writes as 1024; the
 * send buffer counts memory, and a packet twice while the chip holds it (skb_clone() in tcp_transmit_skb());
 * the window offered is half of what is free, in whole segments (__tcp_select_window()).
 *
 * The process's bytes are copied and summed once, into packets of at most mss bytes, which the chip reads by
 * DMA. After a timeout everything is sent again from snd_una (the peer may have dropped what followed a gap).
 * A packet that the chip still holds is not touched (users > 1). */
#include "tcp_priv.h"
#include "io.h"
#include "irq.h"
#include "mm.h"
#include "net.h"
#include "task.h"

enum {
    LOCAL_PORT = 1025,
    FIRST_WINDOW = 2,     /* tcp_v4_init_sock() in net/ipv4/tcp_ipv4.c */
    RTO_FIRST = TIMER_HZ, /* 1 s */
    RTO_MIN = TIMER_HZ / 5,
    RTO_MAX = 60 * TIMER_HZ,
    EXPIRATIONS_MAX = 10,
    OPTION_MSS = 2,
    CLOSE_WAIT_TICKS = 5 * TIMER_HZ,
};

struct tcp tcp;

static uint32_t receive_room(void)
{
    uint32_t room = (RECEIVE_BUFFER - 1 - (tcp.in - tcp.out)) / 2;
    return room - room % tcp.mss;
}

/* Fills in the header in front of what is already summed and hands the packet to IP. */
static void segment_send(struct packet *packet, uint8_t flags, uint32_t seq, uint32_t header_length)
{
    struct tcp_header *header = packet_transport(packet);
    uint32_t length = header_length + packet->payload, window = receive_room();
    /* The window's end never moves back. */
    if (seq_before(tcp.rcv_nxt + window, tcp.rcv_edge))
        window = tcp.rcv_edge - tcp.rcv_nxt;
    tcp.rcv_edge = tcp.rcv_nxt + window;
    header->source = be16(tcp.local_port);
    header->target = be16(tcp.peer_port);
    header->seq = be32(seq);
    header->ack = (flags & TCP_ACK) != 0 ? be32(tcp.rcv_nxt) : 0;
    header->offset = (uint8_t)(header_length / 4 << 4);
    header->flags = flags;
    header->window = be16((uint16_t)window);
    header->checksum = 0;
    header->urgent = 0;
    uint32_t sum = checksum_join(packet->sum, net_pseudo_sum(IP_TCP, length));
    header->checksum = checksum_fold(checksum_add(header, header_length, sum));
    if ((flags & TCP_ACK) != 0) {
        tcp.rcv_acked = tcp.rcv_nxt;
        tcp.ack_delayed = false;
    }
    net_send_ip(packet, IP_TCP, length);
}

void tcp_send_control(uint8_t flags, uint32_t seq)
{
    struct packet *packet = packet_take();
    if (packet == NULL)
        return; /* as if lost on the wire */
    uint32_t header_length = TCP_HEADER;
    if ((flags & TCP_SYN) != 0) {
        uint8_t *option = (uint8_t *)packet_transport(packet) + TCP_HEADER;
        option[0] = OPTION_MSS;
        option[1] = 4;
        option[2] = TCP_MSS >> 8;
        option[3] = TCP_MSS & 0xff;
        header_length += 4;
    }
    segment_send(packet, flags, seq, header_length);
    packet_release(packet);
}

void tcp_send_ack(void)
{
    tcp_send_control(TCP_ACK, tcp.snd_nxt);
}

static void timer_arm(uint32_t ticks)
{
    tcp.armed = true;
    tcp.deadline = timer_ticks() + ticks;
}

void tcp_timer_restart(void)
{
    if (tcp.snd_una != tcp.snd_max || tcp.unsent != NULL)
        timer_arm(tcp.rto);
    else
        tcp.armed = false;
}

static void queue_send(struct packet *packet)
{
    uint8_t flags = TCP_ACK;
    if (packet->fin)
        flags |= TCP_FIN;
    if (packet->next == NULL && packet->payload != 0)
        flags |= TCP_PSH;
    uint32_t end = packet->seq + packet->payload + packet->fin;
    if (seq_before(packet->seq, tcp.snd_max)) {
        tcp.retransmits++;
        tcp.timing = false; /* Karn: no measurement across a retransmission */
    } else if (!tcp.timing) {
        tcp.timing = true;
        tcp.timed_seq = end;
        tcp.timed_at = timer_ticks();
    }
    if (seq_before(tcp.snd_max, end))
        tcp.snd_max = end;
    segment_send(packet, flags, packet->seq, TCP_HEADER);
}

void tcp_push(void)
{
    if (tcp.state < TCP_ESTABLISHED)
        return;
    while (tcp.unsent != NULL) {
        struct packet *packet = tcp.unsent;
        uint32_t end = packet->seq + packet->payload;
        bool outstanding = tcp.snd_nxt != tcp.snd_una;
        bool small = packet->payload < tcp.mss / 2 && packet->next == NULL && !packet->fin;
        if (packet->users > 1 || tcp.flight >= tcp.cwnd || seq_before(tcp.snd_una + tcp.snd_wnd, end) ||
            (small && outstanding))
            break;
        queue_send(packet);
        tcp.flight++;
        tcp.snd_nxt = end + packet->fin;
        tcp.unsent = packet->next;
    }
    if (!tcp.armed)
        tcp_timer_restart();
}

void tcp_retransmit_head(void)
{
    if (tcp.head != NULL && tcp.head != tcp.unsent && tcp.head->users == 1)
        queue_send(tcp.head);
}

void tcp_congested(void)
{
    tcp.ssthresh = tcp.cwnd / 2 > 2 ? tcp.cwnd / 2 : 2;
    tcp.recover = tcp.snd_max;
}

void tcp_fail(void)
{
    tcp.state = TCP_CLOSED;
    tcp.failed = true;
    tcp.armed = tcp.ack_delayed = false;
}

/* The window is too small for the next packet, and nothing is on its way that would open it: send what fits,
 * or a segment below the window, which makes the peer tell its window (RFC 9293, 3.8.6.1). */
static void window_probe(void)
{
    struct packet *packet = tcp.unsent, *rest;
    if (tcp.snd_wnd == 0 || packet->payload <= tcp.snd_wnd || (rest = packet_take()) == NULL) {
        tcp_send_control(TCP_ACK, tcp.snd_una - 1);
        return;
    }
    uint8_t *payload = (uint8_t *)packet_transport(packet) + TCP_HEADER;
    rest->seq = packet->seq + tcp.snd_wnd;
    rest->payload = packet->payload - tcp.snd_wnd;
    rest->sum = checksum_copy((uint8_t *)packet_transport(rest) + TCP_HEADER, payload + tcp.snd_wnd,
                              rest->payload, 0);
    rest->fin = packet->fin;
    packet->fin = false;
    packet->payload = tcp.snd_wnd;
    packet->sum = checksum_add(payload, packet->payload, 0);
    rest->next = packet->next;
    packet->next = rest;
    if (tcp.tail == packet)
        tcp.tail = rest;
    tcp.queued++;
    tcp_push();
}

static void timer_expired(void)
{
    tcp.rto = tcp.rto * 2 < RTO_MAX ? tcp.rto * 2 : RTO_MAX;
    if (++tcp.expirations > EXPIRATIONS_MAX) {
        tcp_fail();
        return;
    }
    timer_arm(tcp.rto);
    if (tcp.state == TCP_SYN_SENT) {
        tcp_send_control(TCP_SYN, tcp.snd_una);
    } else if (tcp.state == TCP_SYN_RECEIVED) {
        tcp_send_control(TCP_SYN | TCP_ACK, tcp.snd_una);
    } else if (tcp.snd_una != tcp.snd_max) {
        if (tcp.expirations == 1)
            tcp_congested();
        tcp.cwnd = 1;
        tcp.flight = 0;
        tcp.recovering = false;
        tcp.unsent = tcp.head;
        tcp.snd_nxt = tcp.snd_una;
        tcp_push();
    } else if (tcp.unsent != NULL) {
        window_probe();
    }
}

void tcp_timer(void)
{
    uint32_t now = timer_ticks();
    if (tcp.state == TCP_CLOSED)
        return;
    if (tcp.ack_delayed && (int32_t)(now - tcp.ack_deadline) >= 0)
        tcp_send_ack();
    if (tcp.armed && (int32_t)(now - tcp.deadline) >= 0)
        timer_expired();
}

static void connection_clear(enum tcp_state state)
{
    memset(&tcp, 0, offsetof(struct tcp, buffer));
    tcp.state = state;
    tcp.mss = TCP_DEFAULT_MSS;
    tcp.rto = RTO_FIRST;
    tcp.cwnd = FIRST_WINDOW;
    tcp.ssthresh = UINT32_MAX;
    tcp.snd_una = tcp.recover = (uint32_t)timer_clocks();
    tcp.snd_nxt = tcp.snd_max = tcp.tail_seq = tcp.snd_una + 1;
}

static bool connect_ready(void)
{
    return tcp.state != TCP_SYN_SENT;
}

bool tcp_connect(uint16_t port)
{
    if (tcp.state != TCP_CLOSED || !net_resolve())
        return false;
    bottom_half_hold();
    connection_clear(TCP_SYN_SENT);
    tcp.local_port = LOCAL_PORT;
    tcp.peer_port = port;
    timer_arm(tcp.rto);
    tcp_send_control(TCP_SYN, tcp.snd_una);
    bottom_half_release();
    task_wait(connect_ready);
    return !tcp.failed;
}

void tcp_accept_syn(void)
{
    tcp.state = TCP_SYN_RECEIVED;
    timer_arm(tcp.rto);
    tcp_send_control(TCP_SYN | TCP_ACK, tcp.snd_una);
}

static bool accept_ready(void)
{
    return tcp.state != TCP_LISTEN && tcp.state != TCP_SYN_RECEIVED;
}

bool tcp_accept(uint16_t port)
{
    if (tcp.state != TCP_CLOSED)
        return false;
    bottom_half_hold();
    connection_clear(TCP_LISTEN);
    tcp.local_port = port;
    bottom_half_release();
    task_wait(accept_ready);
    return !tcp.failed;
}

static bool is_sending(void)
{
    return !tcp.fin_queued && (tcp.state == TCP_ESTABLISHED || tcp.state == TCP_CLOSE_WAIT);
}

static bool memory_free(void)
{
    return (tcp.queued + packets_held()) * PACKET_MEMORY < SEND_MEMORY && packet_plenty();
}

/* A writer that found the buffer full goes on as soon as there is room at all, as under Linux 2.2
 * (tcp_memory_free() in net/ipv4/tcp.c): with a full buffer, each acknowledgement and each packet that the
 * chip is done with wakes it. */
static bool write_ready(void)
{
    return !is_sending() || memory_free();
}

static void queue_append(struct packet *packet)
{
    packet->seq = tcp.tail_seq;
    if (tcp.head == NULL)
        tcp.head = packet;
    else
        tcp.tail->next = packet;
    tcp.tail = packet;
    tcp.queued++;
    if (tcp.unsent == NULL)
        tcp.unsent = packet;
}

/* A packet with room for more of the process's bytes; NULL when there is none in the pool. */
static struct packet *queue_open(void)
{
    struct packet *packet = tcp.unsent != NULL ? tcp.tail : NULL;
    if (packet != NULL && packet->payload < tcp.mss && packet->users == 1 &&
        !seq_before(packet->seq, tcp.snd_max))
        return packet;
    packet = memory_free() ? packet_take() : NULL;
    if (packet != NULL)
        queue_append(packet);
    return packet;
}

/* Copies up to `length` bytes into one packet; returns how many, 0 when there is no room now. */
static uint32_t queue_fill(const uint8_t *data, size_t length)
{
    struct packet *packet = queue_open();
    if (packet == NULL)
        return 0;
    uint32_t room = tcp.mss - packet->payload;
    uint32_t count = length < room ? (uint32_t)length : room;
    uint8_t *to = (uint8_t *)packet_transport(packet) + TCP_HEADER + packet->payload;
    uint32_t sum = checksum_copy(to, data, count, 0);
    if ((packet->payload & 1) != 0) /* the bytes change places within their 16-bit words */
        sum = sum << 8 | sum >> 24;
    packet->sum = checksum_join(packet->sum, sum);
    packet->payload += count;
    tcp.tail_seq += count;
    return count;
}

int32_t tcp_write(const void *data, size_t length)
{
    const uint8_t *from = data;
    size_t done = 0;
    while (done < length) {
        bottom_half_hold();
        uint32_t count = is_sending() ? queue_fill(from + done, length - done) : 0;
        done += count;
        if (count > 0 && (tcp.tail->payload == tcp.mss || done == length))
            tcp_push();
        bottom_half_release();
        if (count == 0)
            task_wait(write_ready);
        if (!is_sending())
            return -1;
    }
    return (int32_t)done;
}

static bool read_ready(void)
{
    return tcp.in != tcp.out || tcp.eof || tcp.state == TCP_CLOSED;
}

int32_t tcp_read(void *data, size_t length)
{
    task_wait(read_ready);
    bottom_half_hold();
    uint32_t count = tcp.in - tcp.out;
    if (count > length)
        count = (uint32_t)length;
    uint32_t start = tcp.out % RECEIVE_BUFFER;
    uint32_t first = count < RECEIVE_BUFFER - start ? count : RECEIVE_BUFFER - start;
    memcpy(data, tcp.buffer + start, first);
    memcpy((uint8_t *)data + first, tcp.buffer, count - first);
    tcp.out += count;
    /* Tell the peer when the window it knows has shrunk to half of what we can offer, or less. */
    uint32_t room = receive_room();
    if (tcp.state != TCP_CLOSED && !tcp.eof && room != 0 && (tcp.rcv_edge - tcp.rcv_nxt) * 2 <= room)
        tcp_send_ack();
    bottom_half_release();
    return count == 0 && tcp.failed ? -1 : (int32_t)count;
}

/* Our FIN is acknowledged, and with it everything before. */
static bool shutdown_ready(void)
{
    return tcp.state == TCP_CLOSED || tcp.state == TCP_FIN_WAIT_2 || tcp.state == TCP_TIME_WAIT;
}

static bool fin_ready(void)
{
    return packet_plenty() || tcp.state == TCP_CLOSED;
}

bool tcp_shutdown(void)
{
    task_wait(fin_ready);
    bottom_half_hold();
    if (tcp.state == TCP_ESTABLISHED || tcp.state == TCP_CLOSE_WAIT) {
        if (tcp.in != tcp.out) {
            /* Bytes nobody will read: the peer must know that they are lost (RFC 2525, 2.17). */
            tcp_send_control(TCP_RST | TCP_ACK, tcp.snd_nxt);
            tcp.state = TCP_CLOSED;
        } else {
            struct packet *packet = packet_take();
            packet->fin = true;
            queue_append(packet);
            tcp.tail_seq++;
            tcp.fin_queued = true;
            tcp.state = tcp.state == TCP_ESTABLISHED ? TCP_FIN_WAIT_1 : TCP_LAST_ACK;
            tcp_push();
        }
    }
    bottom_half_release();
    task_wait(shutdown_ready);
    return !tcp.failed;
}

static bool close_ready(void)
{
    return tcp.state != TCP_FIN_WAIT_2 || (int32_t)(timer_ticks() - tcp.close_until) >= 0;
}

void tcp_close(void)
{
    tcp_shutdown();
    tcp.close_until = timer_ticks() + CLOSE_WAIT_TICKS;
    task_wait(close_ready);
}

uint32_t tcp_retransmits(void)
{
    return tcp.retransmits;
}
