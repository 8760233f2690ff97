/* State of the TCP connection, shared by tcp.c (sending, timers, calls) and tcp_input.c (segments received).
 */
#ifndef NETTEST_TCP_PRIV_H
#define NETTEST_TCP_PRIV_H

#include "tcp.h"

enum tcp_state {
    TCP_CLOSED,
    TCP_LISTEN,
    TCP_SYN_SENT,
    TCP_SYN_RECEIVED, /* by listening: their SYN is answered, not yet acknowledged */
    TCP_ESTABLISHED,
    TCP_FIN_WAIT_1, /* we closed, our FIN is not acknowledged */
    TCP_FIN_WAIT_2, /* it is */
    TCP_CLOSING,    /* both closed at once */
    TCP_CLOSE_WAIT, /* the peer closed, we have not */
    TCP_LAST_ACK,
    TCP_TIME_WAIT,
};

enum {
    TCP_FIN = 1,
    TCP_SYN = 2,
    TCP_RST = 4,
    TCP_PSH = 8,
    TCP_ACK = 16,
    TCP_MSS = 1460,
    TCP_DEFAULT_MSS = 536,
    RECEIVE_BUFFER = 65536,
    KEPT_MAX = 16,
    /* Linux 2.2's default of a socket's send buffer, and what an sk_buff of a full segment counts for in it:
     * headers' room, segment and the structure itself (sock_wmalloc(), alloc_skb(); assumed from their sizes
     * on i386). */
    SEND_MEMORY = 65535,
    PACKET_MEMORY = 1792,
};

struct tcp {
    enum tcp_state state;
    bool failed; /* reset or timed out */
    bool eof;    /* the peer's FIN is taken */
    uint16_t local_port, peer_port;

    /* Sending. Packets of the queue cover snd_una..tail_seq without gap; unsent is the first one not sent
     * since the last timeout. snd_una <= snd_nxt <= snd_max <= tail_seq. */
    uint32_t snd_una, snd_nxt, snd_max, tail_seq;
    uint32_t snd_wnd, snd_wl1, snd_wl2;
    uint32_t mss;
    struct packet *head, *tail, *unsent;
    uint32_t queued; /* packets in the queue */
    bool fin_queued;
    unsigned duplicates; /* acknowledgements of snd_una in a row */

    /* Congestion, in packets as under Linux 2.2. */
    uint32_t flight;         /* sent since the last timeout, not acknowledged */
    uint32_t cwnd, ssthresh; /* how many may be */
    uint32_t cwnd_count;     /* acknowledgements towards the next increase in congestion avoidance */
    bool recovering;         /* between a fast retransmission and the acknowledgement of `recover` */
    uint32_t recover;        /* snd_max at the last loss */

    /* Timer of retransmission, or of probing a closed window, in ticks. */
    bool armed;
    uint32_t deadline;
    uint32_t rto, srtt8, rttvar4; /* scaled by 8 and 4 as in RFC 6298's suggestion */
    unsigned expirations;         /* in a row */
    bool timing;                  /* a round trip is being measured, of the byte before timed_seq */
    uint32_t timed_seq, timed_at;
    uint32_t retransmits;
    uint32_t close_until; /* ticks: how long tcp_close waits */

    /* Receiving. in - out bytes wait in the buffer. */
    uint32_t rcv_nxt, rcv_edge; /* rcv_edge: end of the window advertised */
    uint32_t in, out;
    uint32_t rcv_acked;           /* rcv_nxt of the last acknowledgement sent */
    uint32_t rcv_mss, rcv_length; /* what the peer's full segments seem to hold; length of the last one */
    bool ack_delayed;
    uint32_t ack_deadline;
    /* What lies beyond a gap, at its place in the buffer: ascending ranges after rcv_nxt, none touching
     * another. */
    struct tcp_range {
        uint32_t begin, end;
    } kept[KEPT_MAX];
    uint32_t kept_count;
    uint8_t buffer[RECEIVE_BUFFER];
};

extern struct tcp tcp;

static inline bool seq_before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

/* Sends whatever the window and Nagle's rule allow. */
void tcp_push(void);

/* A segment without data. */
void tcp_send_control(uint8_t flags, uint32_t seq);
/* Answers the SYN that a listener got, and again until it is acknowledged. */
void tcp_accept_syn(void);
void tcp_send_ack(void);

/* Sends the first unacknowledged packet again. */
void tcp_retransmit_head(void);

/* Half of what may be on its way now, after a loss. */
void tcp_congested(void);

void tcp_timer_restart(void);

/* The connection is over because of an error. */
void tcp_fail(void);

#endif
