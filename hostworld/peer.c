/* The peer's link, network and control layers: Ethernet II, ARP (RFC 826), IPv4 without options or fragments
 * sent (RFC 791), ICMP echo and port unreachable (RFC 792), UDP echo and discard (RFC 768). Frames with bad
 * checksums are counted and dropped. TCP is in peer_tcp.c.
 *
 * Invariant: frames leave in the order of peer_send; at most one is on its way into the wire. */
#include "hostworld/peer_priv.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { ETHERTYPE_IP = 0x0800, ETHERTYPE_ARP = 0x0806, PROTO_ICMP = 1, PROTO_TCP = 6, PROTO_UDP = 17 };

uint32_t peer_sum(const uint8_t *bytes, size_t size, uint32_t sum)
{
    for (size_t i = 0; i + 1 < size; i += 2)
        sum += get_be16(bytes + i);
    if (size & 1)
        sum += (uint32_t)bytes[size - 1] << 8;
    while (sum >> 16)
        sum = (sum & 0xFFFF) + (sum >> 16);
    return sum;
}

uint16_t peer_transport_sum(const uint8_t *ip_header, const uint8_t *segment, size_t size)
{
    uint32_t sum = peer_sum(ip_header + 12, 8, ip_header[9] + (uint32_t)size);
    return (uint16_t)peer_sum(segment, size, sum);
}

/* ---- Sending ---- */

enum direction { TO_PEER, FROM_PEER };

/* Whether the `count`th frame in a direction does not get through: as if by chance, so that sometimes several
 * are lost close together, but always the same ones. The mixing is that of SplitMix64 (Steele 2014). */
static bool loses(struct peer *peer, enum direction direction, uint64_t count)
{
    uint64_t z = (2 * count + (direction == TO_PEER)) * UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    bool lost = peer->config.lose_one_of != 0 && (z ^ z >> 31) % peer->config.lose_one_of == 0;
    peer->counters.lost += lost;
    return lost;
}

static void send_next(struct peer *peer)
{
    if (peer->sending || peer->first == NULL)
        return;
    if (peer->first->due > peer->config.queue->now) {
        event_schedule(peer->config.queue, &peer->send_event, peer->first->due);
        return;
    }
    struct outgoing *out = peer->first;
    peer->first = out->next;
    if (peer->first == NULL)
        peer->last = NULL;
    peer->counters.frames_out++;
    if (loses(peer, FROM_PEER, peer->counters.frames_out)) {
        free(out);
        send_next(peer);
        return;
    }
    peer->sending = true;
    peer->wire.ops->send(peer->wire.ctx, &out->frame);
    free(out);
}

static void send_due(struct event *event, tick_t late)
{
    (void)late;
    send_next(CONTAINER_OF(event, struct peer, send_event));
}

static void peer_sent(void *nic)
{
    struct peer *peer = nic;
    peer->sending = false;
    send_next(peer);
}

void peer_send(struct peer *peer, struct outgoing *out)
{
    out->due = peer->config.queue->now + ticks_from(peer->config.queue, peer->config.latency_ns, 1000000000);
    if (peer->last != NULL)
        peer->last->next = out;
    else
        peer->first = out;
    peer->last = out;
    send_next(peer);
}

struct outgoing *peer_ip_frame(struct peer *peer, const uint8_t mac[6], const uint8_t ip[4], uint8_t protocol,
                               size_t payload, uint8_t **body)
{
    struct outgoing *out = xcalloc(1, sizeof *out);
    uint8_t *frame = out->frame.data, *header = frame + ETH_HEADER;
    size_t size = ETH_HEADER + IP_HEADER + payload;
    CHECK(size <= FRAME_MAX);
    out->frame.size = (uint32_t)(size < 60 ? 60 : size);
    memcpy(frame, mac, 6);
    memcpy(frame + 6, peer->config.mac, 6);
    put_be16(frame + 12, ETHERTYPE_IP);
    header[0] = 0x45;
    put_be16(header + 2, (unsigned)(IP_HEADER + payload));
    put_be16(header + 4, peer->ip_id++);
    put_be16(header + 6, 0x4000); /* don't fragment */
    header[8] = 64;
    header[9] = protocol;
    memcpy(header + 12, peer->config.ip, 4);
    memcpy(header + 16, ip, 4);
    put_be16(header + 10, 0xFFFF & ~peer_sum(header, IP_HEADER, 0));
    *body = header + IP_HEADER;
    return out;
}

/* ---- Receiving ---- */

static void arp_receive(struct peer *peer, const struct frame *frame)
{
    const uint8_t *arp = frame->data + ETH_HEADER;
    if (frame->size < ETH_HEADER + 28 || get_be16(arp) != 1 || get_be16(arp + 2) != ETHERTYPE_IP ||
        get_be16(arp + 6) != 1 || memcmp(arp + 24, peer->config.ip, 4) != 0)
        return;
    struct outgoing *out = xcalloc(1, sizeof *out);
    uint8_t *reply = out->frame.data + ETH_HEADER;
    out->frame.size = 60;
    memcpy(out->frame.data, arp + 8, 6);
    memcpy(out->frame.data + 6, peer->config.mac, 6);
    put_be16(out->frame.data + 12, ETHERTYPE_ARP);
    memcpy(reply, arp, 6);
    put_be16(reply + 6, 2);
    memcpy(reply + 8, peer->config.mac, 6);
    memcpy(reply + 14, peer->config.ip, 4);
    memcpy(reply + 18, arp + 8, 10);
    peer_send(peer, out);
}

static void icmp_receive(struct peer *peer, const struct frame *frame, const uint8_t *ip, const uint8_t *icmp,
                         size_t size)
{
    if (size < 8 || peer_sum(icmp, size, 0) != 0xFFFF) {
        peer->counters.bad_frames++;
        return;
    }
    if (icmp[0] != 8)
        return;
    uint8_t *body;
    struct outgoing *out = peer_ip_frame(peer, frame->data + 6, ip + 12, PROTO_ICMP, size, &body);
    memcpy(body, icmp, size);
    body[0] = 0;
    put_be16(body + 2, 0);
    put_be16(body + 2, 0xFFFF & ~peer_sum(body, size, 0));
    peer_send(peer, out);
}

static void udp_receive(struct peer *peer, const struct frame *frame, const uint8_t *ip, const uint8_t *udp,
                        size_t size)
{
    if (size < 8 || (get_be16(udp + 6) != 0 && peer_transport_sum(ip, udp, size) != 0xFFFF)) {
        peer->counters.bad_frames++;
        return;
    }
    uint8_t *body;
    if (get_be16(udp + 2) == SERVICE_DISCARD)
        return;
    if (get_be16(udp + 2) == SERVICE_ECHO) {
        struct outgoing *out = peer_ip_frame(peer, frame->data + 6, ip + 12, PROTO_UDP, size, &body);
        memcpy(body, udp, size);
        memcpy(body, udp + 2, 2);
        memcpy(body + 2, udp, 2);
        put_be16(body + 6, 0); /* no checksum */
        peer_send(peer, out);
        return;
    }
    struct outgoing *out =
        peer_ip_frame(peer, frame->data + 6, ip + 12, PROTO_ICMP, 8 + IP_HEADER + 8, &body);
    body[0] = 3;
    body[1] = 3;
    memcpy(body + 8, ip, IP_HEADER);
    memcpy(body + 8 + IP_HEADER, udp, 8);
    put_be16(body + 2, 0xFFFF & ~peer_sum(body, 8 + IP_HEADER + 8, 0));
    peer_send(peer, out);
}

static void ip_receive(struct peer *peer, const struct frame *frame)
{
    const uint8_t *ip = frame->data + ETH_HEADER;
    size_t available = frame->size - ETH_HEADER;
    size_t header = available >= IP_HEADER ? (size_t)(ip[0] & 15) * 4 : 0;
    size_t total = available >= IP_HEADER ? get_be16(ip + 2) : 0;
    if (header < IP_HEADER || ip[0] >> 4 != 4 || total < header || total > available ||
        peer_sum(ip, header, 0) != 0xFFFF) {
        peer->counters.bad_frames++;
        return;
    }
    if (memcmp(ip + 16, peer->config.ip, 4) != 0 || (get_be16(ip + 6) & 0x3FFF) != 0)
        return; /* for somebody else, or a fragment */
    const uint8_t *body = ip + header;
    size_t size = total - header;
    switch (ip[9]) {
    case PROTO_ICMP: icmp_receive(peer, frame, ip, body, size); break;
    case PROTO_UDP: udp_receive(peer, frame, ip, body, size); break;
    case PROTO_TCP:
        if (size < TCP_HEADER || peer_transport_sum(ip, body, size) != 0xFFFF)
            peer->counters.bad_frames++;
        else
            peer_tcp_receive(peer, frame, ip, body, size);
        break;
    }
}

static void peer_receive(void *nic, const struct frame *frame)
{
    static const uint8_t broadcast[6] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
    struct peer *peer = nic;
    peer->counters.frames_in++;
    if (loses(peer, TO_PEER, peer->counters.frames_in) || frame->size < ETH_HEADER ||
        (memcmp(frame->data, peer->config.mac, 6) != 0 && memcmp(frame->data, broadcast, 6) != 0))
        return;
    switch (get_be16(frame->data + 12)) {
    case ETHERTYPE_ARP: arp_receive(peer, frame); break;
    case ETHERTYPE_IP: ip_receive(peer, frame); break;
    }
}

/* ---- Life ---- */

void peer_config_default(struct peer_config *config)
{
    *config = (struct peer_config){.mac = {2, 0, 0, 0, 0, 2},
                                   .ip = {10, 0, 0, 2},
                                   .latency_ns = 20000,
                                   .delayed_ack_ns = 40000000,
                                   .ack_every = 2,
                                   .window = 65535};
}

struct peer *peer_create(const struct peer_config *config, struct net_backend wire)
{
    static const struct net_port_ops port = {.receive = peer_receive, .sent = peer_sent};
    struct peer *peer = xcalloc(1, sizeof *peer);
    peer->config = *config;
    peer->wire = wire;
    event_init(&peer->send_event, "peer.send", EVENT_ORDER_WIRE, send_due);
    peer_tcp_init(peer);
    wire.ops->attach(wire.ctx, &port, peer);
    return peer;
}

void peer_destroy(struct peer *peer)
{
    if (peer == NULL)
        return;
    event_cancel(peer->config.queue, &peer->send_event);
    peer_tcp_destroy(peer);
    while (peer->first != NULL) {
        struct outgoing *out = peer->first;
        peer->first = out->next;
        free(out);
    }
    free(peer);
}

const struct peer_counters *peer_counters(const struct peer *peer)
{
    return &peer->counters;
}
