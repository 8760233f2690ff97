/* Shared by the files of the peer's TCP: peer_tcp.c (connections, segments received), peer_send.c (segments
 * sent, timers), peer_loss.c (what was lost, how much may be on its way), peer_ranges.c. */
#ifndef CROSSPAGE_HOSTWORLD_PEER_TCP_PRIV_H
#define CROSSPAGE_HOSTWORLD_PEER_TCP_PRIV_H

#include "hostworld/peer_priv.h"

enum {
    PEER_MSS = 1460,
    ECHO_BUFFER = 65536,
    SEQ_RANGES_MAX = 64,
    SACK_BLOCKS_MAX = 4, /* in one segment: RFC 2018, section 3 */
    DUP_THRESHOLD = 3,   /* RFC 5681, section 3.2; DupThresh of RFC 6675 */
    NO_SCALING = 0xFF
};

/* States of RFC 793, figure 6, as far as a server passes through them. */
enum tcp_state {
    TCP_FREE,
    TCP_SYN_RECEIVED,
    TCP_ESTABLISHED,
    TCP_CLOSE_WAIT,
    TCP_LAST_ACK,
    TCP_FIN_WAIT_1,
    TCP_FIN_WAIT_2,
    TCP_CLOSING
};
enum tcp_flag { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_PSH = 8, TCP_ACK = 16 };
enum tcp_option { OPTION_END = 0, OPTION_NOP, OPTION_MSS, OPTION_SCALE, OPTION_SACK_OK, OPTION_SACK };

static inline bool seq_before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static inline uint32_t min32(uint64_t a, uint64_t b)
{
    return (uint32_t)(a < b ? a : b);
}

/* ---- Sets of sequence numbers ---- */

struct seq_range {
    uint32_t begin, end;
};

/* Ascending; between two of them something is missing. */
struct seq_ranges {
    unsigned count;
    struct seq_range at[SEQ_RANGES_MAX];
};

/* True if any of it is new and there is room to remember it. */
bool seq_ranges_add(struct seq_ranges *ranges, uint32_t begin, uint32_t end);
void seq_ranges_drop_before(struct seq_ranges *ranges, uint32_t edge);
/* The first number from `seq` on that is in none; the first from there on that is in one, at most `limit`. */
uint32_t seq_ranges_skip(const struct seq_ranges *ranges, uint32_t seq);
uint32_t seq_ranges_next(const struct seq_ranges *ranges, uint32_t seq, uint32_t limit);
/* How many numbers below `edge` are in one. */
uint32_t seq_ranges_below(const struct seq_ranges *ranges, uint32_t edge);

/* ---- Connections ---- */

/* Names as in RFC 793, section 3.2. */
struct connection {
    struct peer *peer;
    enum tcp_state state;
    uint8_t mac[6], ip[4];
    uint16_t port, local_port;
    uint16_t mss;
    uint8_t snd_shift; /* the other side's window scale (RFC 7323), or NO_SCALING */
    bool sack;         /* it knows selective acknowledgements (RFC 2018), and so do we */
    uint32_t iss, snd_una, snd_nxt, snd_max, snd_wnd, rcv_nxt;
    uint64_t acked;       /* stream bytes of ours acknowledged so far */
    bool fin_wanted;      /* our application has closed */
    uint64_t final_total; /* stream bytes when it did */

    /* Receiving */
    unsigned unacked;       /* segments received since our last ACK */
    struct seq_ranges kept; /* beyond rcv_nxt */
    uint32_t kept_last;     /* begin of the latest of them */
    uint8_t *echo;          /* SERVICE_ECHO: ring of what was received and not yet acknowledged back */
    uint32_t echo_count;    /* bytes in it from snd_una on, without those kept */
    uint32_t echo_start;

    /* Loss and congestion, in bytes */
    uint32_t cwnd, ssthresh;
    unsigned dup_acks;
    bool recovering;          /* between a fast retransmission and the acknowledgement of `recover` */
    uint32_t recover;         /* snd_max at the last loss (RFC 6582; RecoveryPoint of RFC 6675) */
    uint32_t high_rxt;        /* end of what was sent again in this recovery (RFC 6675) */
    uint32_t first_mark;      /* snd_max when the segment at snd_una was sent again, or later */
    struct seq_ranges sacked; /* the other side has it, beyond snd_una */

    /* Timers, in ticks */
    tick_t rto, srtt, rttvar; /* RFC 6298; srtt 0: not measured yet */
    bool timing;              /* a round trip is being measured, of what ends at timed_seq */
    uint32_t timed_seq;
    tick_t timed_at;
    unsigned retries;
    struct event ack_timer, retransmit_timer;
};

void connection_free(struct connection *c);
/* Bytes our application has written since the connection began. */
uint64_t stream_total(const struct connection *c);

/* ---- peer_send.c ---- */

void tcp_send_syn(struct connection *c);
void tcp_send_ack(struct connection *c);
/* Up to `room` bytes of the stream, and the FIN, from `seq` on, as far as one segment goes and as nothing is
 * known to have arrived; how many sequence numbers that took. */
uint32_t tcp_send_at(struct connection *c, uint32_t seq, uint32_t room);
/* What stream, windows and state allow. */
void tcp_output(struct connection *c);
void tcp_timers_init(struct connection *c);
/* A round trip is measured from now on, of what ends at `seq`. */
void tcp_time_from_now(struct connection *c, uint32_t seq);
/* Everything before snd_una has arrived. */
void tcp_timer_acked(struct connection *c);
void tcp_delay_ack(struct connection *c);

/* ---- peer_loss.c ---- */

void loss_init(struct connection *c);
/* How many bytes beyond snd_nxt may be on their way, as far as congestion goes. Not in a recovery with SACK.
 */
uint32_t loss_room(const struct connection *c);
/* In a recovery with SACK: send again, and anew, what there is room for. */
void loss_recover(struct connection *c);
/* Blocks of a SACK option; true if they say something new. */
bool loss_sacked(struct connection *c, const uint8_t *option);
/* `bytes` more were acknowledged, up to snd_una; or none, with segments on their way. */
void loss_acked(struct connection *c, uint32_t bytes);
void loss_duplicate_ack(struct connection *c);
/* The retransmission timer has expired. */
void loss_timeout(struct connection *c);

#endif
