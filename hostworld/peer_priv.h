/* Shared by the peer's files: frame building and the TCP half. */
#ifndef CROSSPAGE_HOSTWORLD_PEER_PRIV_H
#define CROSSPAGE_HOSTWORLD_PEER_PRIV_H

#include "base/bytes.h"
#include "hostworld/peer.h"

enum {
    ETH_HEADER = 14,
    IP_HEADER = 20,
    TCP_HEADER = 20,
    PEER_MSS = 1460,
    PEER_CONNECTIONS = 64,
    ECHO_BUFFER = 65536
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
enum tcp_service { SERVICE_ECHO = 7, SERVICE_DISCARD = 9, SERVICE_SOURCE = 19 };

/* One connection; names as in RFC 793, section 3.2. */
struct connection {
    struct peer *peer;
    enum tcp_state state;
    uint8_t mac[6], ip[4];
    uint16_t port, local_port;
    uint16_t mss;
    uint8_t snd_shift; /* the other side's window scale (RFC 7323) */
    uint32_t iss, snd_una, snd_nxt, snd_max, snd_wnd, rcv_nxt;
    uint64_t acked;       /* stream bytes of ours acknowledged so far */
    bool fin_wanted;      /* our application has closed */
    uint64_t final_total; /* stream bytes when it did */
    unsigned unacked;     /* segments received since our last ACK */
    unsigned dup_acks;
    uint32_t cwnd, ssthresh;
    uint64_t rto_ns;
    unsigned retries;
    struct event ack_timer, retransmit_timer;
    uint8_t *echo;       /* SERVICE_ECHO: ring of what was received and not yet acknowledged back */
    uint32_t echo_count; /* bytes in it from snd_una on */
    uint32_t echo_start;
};

struct outgoing {
    struct outgoing *next;
    tick_t due;
    struct frame frame;
};

struct peer {
    struct peer_config config;
    struct net_backend wire;
    struct peer_counters counters;
    struct connection connection[PEER_CONNECTIONS];
    struct outgoing *first, *last; /* frames to send, in order of `due` */
    bool sending;
    struct event send_event;
    uint16_t ip_id;
};

/* RFC 1071 sum, folded but not complemented, over `size` bytes, starting from `sum`. */
uint32_t peer_sum(const uint8_t *bytes, size_t size, uint32_t sum);
/* Sum of TCP or UDP with its pseudo header: 0xFFFF when a received segment is intact. */
uint16_t peer_transport_sum(const uint8_t *ip_header, const uint8_t *segment, size_t size);

/* A frame with Ethernet and IPv4 header for `payload` bytes; *body is where the payload goes. */
struct outgoing *peer_ip_frame(struct peer *peer, const uint8_t mac[6], const uint8_t ip[4], uint8_t protocol,
                               size_t payload, uint8_t **body);
void peer_send(struct peer *peer, struct outgoing *out);

/* A TCP segment that passed the checks of IP and checksum. `ip` is its IP header. */
void peer_tcp_receive(struct peer *peer, const struct frame *frame, const uint8_t *ip, const uint8_t *tcp,
                      size_t size);
void peer_tcp_init(struct peer *peer);
void peer_tcp_destroy(struct peer *peer);

#endif
