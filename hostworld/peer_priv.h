/* Shared by the peer's files: frame building, and what lies below TCP. */
#ifndef CROSSPAGE_HOSTWORLD_PEER_PRIV_H
#define CROSSPAGE_HOSTWORLD_PEER_PRIV_H

#include "base/bytes.h"
#include "hostworld/peer.h"

enum { ETH_HEADER = 14, IP_HEADER = 20, TCP_HEADER = 20, PEER_CONNECTIONS = 64 };

/* Ports, of UDP and TCP. */
enum peer_service { SERVICE_ECHO = 7, SERVICE_DISCARD = 9, SERVICE_SOURCE = 19 };

struct outgoing {
    struct outgoing *next;
    tick_t due;
    struct frame frame;
};

struct connection;

struct peer {
    struct peer_config config;
    struct net_backend wire;
    struct peer_counters counters;
    struct connection *connection; /* PEER_CONNECTIONS of them */
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
