/* Address translation, frame by frame: what goes out carries the host's addresses and right checksums,
 * answers come back to the VM, and nothing else does. */
#include "hostworld/nat.h"

#include "base/bytes.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { TCP = 6, UDP = 17, ICMP = 1 };

static const uint8_t vm_mac[6] = {2, 0, 0, 0, 0, 1}, peer_mac[6] = {2, 0, 0, 0, 0, 2};
static const uint8_t vm_ip[4] = {192, 168, 7, 5}, peer_ip[4] = {10, 0, 0, 2}, host_ip[4] = {10, 0, 0, 254};

struct rig {
    struct nat nat;
    struct nat_output output;
    struct frame wire[16], vm[16];
    unsigned wire_count, vm_count;
};

static void to_wire(void *ctx, const struct frame *frame)
{
    struct rig *rig = ctx;
    cr_assert_lt(rig->wire_count, 16);
    rig->wire[rig->wire_count++] = *frame;
}

static void to_vm(void *ctx, const struct frame *frame)
{
    struct rig *rig = ctx;
    cr_assert_lt(rig->vm_count, 16);
    rig->vm[rig->vm_count++] = *frame;
}

static struct rig *rig_create(void)
{
    struct rig *rig = calloc(1, sizeof *rig);
    nat_init(&rig->nat, vm_mac);
    rig->output = (struct nat_output){.to_wire = to_wire, .to_vm = to_vm, .ctx = rig};
    return rig;
}

static uint32_t sum(const uint8_t *data, size_t size, uint32_t sum)
{
    for (size_t i = 0; i < size; i++)
        sum += i & 1 ? data[i] : (uint32_t)data[i] << 8;
    return sum;
}

static uint16_t fold(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xFFFF) + (sum >> 16);
    return (uint16_t)~sum;
}

/* Sum over a packet's transport part with its pseudo header: 0 when it is right. */
static uint16_t transport_sum(const uint8_t *ip)
{
    uint32_t length = get_be16(ip + 2) - 20u;
    uint32_t pseudo = ip[9] == ICMP ? 0 : sum(ip + 12, 8, ip[9] + length);
    return fold(sum(ip + 20, length, pseudo));
}

static struct frame packet(uint8_t protocol, const uint8_t *from, uint16_t from_port, const uint8_t *to,
                           uint16_t to_port, uint32_t payload)
{
    struct frame frame = {.id = 42};
    uint32_t header = protocol == TCP ? 20 : 8;
    uint8_t *ip = frame.data + 14, *transport = ip + 20;
    memcpy(frame.data, vm_mac, 6);
    memcpy(frame.data + 6, peer_mac, 6);
    put_be16(frame.data + 12, 0x0800);
    ip[0] = 0x45;
    put_be16(ip + 2, 20 + header + payload);
    ip[8] = 64;
    ip[9] = protocol;
    memcpy(ip + 12, from, 4);
    memcpy(ip + 16, to, 4);
    put_be16(ip + 10, fold(sum(ip, 20, 0)));
    for (uint32_t i = 0; i < payload; i++)
        transport[header + i] = (uint8_t)(i * 7 + 1);
    uint8_t *checksum = transport + (protocol == TCP ? 16 : protocol == UDP ? 6 : 2);
    if (protocol == ICMP) {
        transport[0] = from == vm_ip ? 8 : 0;
        put_be16(transport + 4, from_port);
    } else {
        put_be16(transport, from_port);
        put_be16(transport + 2, to_port);
        if (protocol == UDP)
            put_be16(transport + 4, 8 + payload);
    }
    put_be16(checksum, transport_sum(ip));
    frame.size = 14 + 20 + header + payload;
    if (frame.size < 60)
        frame.size = 60;
    return frame;
}

/* The peer says where it is. */
static void resolve(struct rig *rig)
{
    struct frame reply = {.size = 60};
    memcpy(reply.data, rig->nat.host_mac, 6);
    memcpy(reply.data + 6, peer_mac, 6);
    put_be16(reply.data + 12, 0x0806);
    uint8_t *arp = reply.data + 14;
    put_be16(arp, 1);
    put_be16(arp + 2, 0x0800);
    arp[4] = 6, arp[5] = 4;
    put_be16(arp + 6, 2);
    memcpy(arp + 8, peer_mac, 6);
    memcpy(arp + 14, peer_ip, 4);
    memcpy(arp + 18, rig->nat.host_mac, 6);
    memcpy(arp + 24, host_ip, 4);
    nat_from_wire(&rig->nat, &reply, &rig->output);
}

Test(nat, a_frame_waits_for_the_address_and_goes_out_as_the_hosts)
{
    static const uint8_t protocols[] = {TCP, UDP, ICMP};
    for (unsigned i = 0; i < 3; i++) {
        struct rig *rig = rig_create();
        struct frame frame = packet(protocols[i], vm_ip, 1025, peer_ip, 9, 33 + i);
        nat_from_vm(&rig->nat, &frame, &rig->output);
        cr_assert_eq(rig->wire_count, 1);
        cr_expect_eq(get_be16(rig->wire[0].data + 12), 0x0806, "who has the peer's address?");
        cr_expect_eq(memcmp(rig->wire[0].data + 14 + 24, peer_ip, 4), 0);
        resolve(rig);
        cr_assert_eq(rig->wire_count, 2);
        const struct frame *out = &rig->wire[1];
        const uint8_t *ip = out->data + 14;
        cr_expect_eq(memcmp(out->data, peer_mac, 6), 0);
        cr_expect_eq(memcmp(out->data + 6, rig->nat.host_mac, 6), 0);
        cr_expect_eq(memcmp(ip + 12, host_ip, 4), 0);
        cr_expect_eq(memcmp(ip + 16, peer_ip, 4), 0);
        cr_expect_eq(fold(sum(ip, 20, 0)), 0, "IP checksum of protocol %u", protocols[i]);
        cr_expect_eq(transport_sum(ip), 0, "checksum of protocol %u", protocols[i]);
        cr_expect_eq(out->id, 42, "the frame can be followed");
        cr_expect_eq(out->size, frame.size);
        unsigned port = get_be16(ip + 20 + (protocols[i] == ICMP ? 4 : 0));
        cr_expect(port >= 61000 && port < 61256);

        struct frame answer = packet(protocols[i], peer_ip, protocols[i] == ICMP ? (uint16_t)port : 9,
                                     host_ip, (uint16_t)port, 120);
        nat_from_wire(&rig->nat, &answer, &rig->output);
        cr_assert_eq(rig->vm_count, 1);
        ip = rig->vm[0].data + 14;
        cr_expect_eq(memcmp(rig->vm[0].data, vm_mac, 6), 0);
        cr_expect_eq(memcmp(ip + 12, peer_ip, 4), 0);
        cr_expect_eq(memcmp(ip + 16, vm_ip, 4), 0);
        cr_expect_eq(get_be16(ip + 20 + (protocols[i] == ICMP ? 4 : 2)), 1025);
        cr_expect_eq(fold(sum(ip, 20, 0)), 0);
        cr_expect_eq(transport_sum(ip), 0);
        free(rig);
    }
}

Test(nat, conversations_keep_their_ports)
{
    struct rig *rig = rig_create();
    struct frame first = packet(TCP, vm_ip, 1025, peer_ip, 9, 0),
                 second = packet(TCP, vm_ip, 1026, peer_ip, 9, 0);
    nat_from_vm(&rig->nat, &first, &rig->output);
    resolve(rig);
    nat_from_vm(&rig->nat, &second, &rig->output);
    nat_from_vm(&rig->nat, &first, &rig->output);
    cr_assert_eq(rig->wire_count, 4);
    uint16_t ports[3];
    for (unsigned i = 0; i < 3; i++)
        ports[i] = get_be16(rig->wire[i + 1].data + 34);
    cr_expect_eq(ports[0], ports[2]);
    cr_expect_neq(ports[0], ports[1]);
    free(rig);
}

Test(nat, the_gateway_answers_for_every_address_but_the_vms)
{
    struct rig *rig = rig_create();
    struct frame request = {.size = 60};
    memset(request.data, 0xFF, 6);
    memcpy(request.data + 6, vm_mac, 6);
    put_be16(request.data + 12, 0x0806);
    uint8_t *arp = request.data + 14;
    put_be16(arp, 1);
    put_be16(arp + 2, 0x0800);
    arp[4] = 6, arp[5] = 4;
    put_be16(arp + 6, 1);
    memcpy(arp + 8, vm_mac, 6);
    memcpy(arp + 14, vm_ip, 4);
    memcpy(arp + 24, peer_ip, 4);
    nat_from_vm(&rig->nat, &request, &rig->output);
    cr_assert_eq(rig->vm_count, 1);
    cr_expect_eq(memcmp(rig->vm[0].data + 14 + 14, peer_ip, 4), 0);
    cr_expect_eq(memcmp(rig->vm[0].data + 14 + 8, rig->nat.router_mac, 6), 0);
    memcpy(arp + 24, vm_ip, 4); /* is my address taken? */
    nat_from_vm(&rig->nat, &request, &rig->output);
    cr_expect_eq(rig->vm_count, 1);
    cr_expect_eq(rig->wire_count, 0);
    /* The wire asks for the host. */
    memcpy(arp + 8, peer_mac, 6);
    memcpy(arp + 14, peer_ip, 4);
    memcpy(arp + 24, host_ip, 4);
    nat_from_wire(&rig->nat, &request, &rig->output);
    cr_assert_eq(rig->wire_count, 1);
    cr_expect_eq(memcmp(rig->wire[0].data + 14 + 8, rig->nat.host_mac, 6), 0);
    memcpy(arp + 24, vm_ip, 4); /* and for somebody else */
    nat_from_wire(&rig->nat, &request, &rig->output);
    cr_expect_eq(rig->wire_count, 1);
    free(rig);
}

Test(nat, strangers_are_not_let_in)
{
    struct rig *rig = rig_create();
    struct frame frames[] = {
        packet(TCP, peer_ip, 9, host_ip, 61000, 5),  /* no such conversation */
        packet(TCP, peer_ip, 9, host_ip, 80, 5),     /* the host's own port */
        packet(TCP, peer_ip, 9, vm_ip, 1025, 5),     /* the inside address */
        packet(47, peer_ip, 9, host_ip, 61000, 200), /* GRE */
    };
    for (unsigned i = 0; i < 4; i++)
        nat_from_wire(&rig->nat, &frames[i], &rig->output);
    cr_expect_eq(rig->vm_count, 0);
    struct frame fragment = packet(UDP, vm_ip, 1025, peer_ip, 9, 100);
    put_be16(fragment.data + 14 + 6, 0x2000);
    nat_from_vm(&rig->nat, &fragment, &rig->output);
    cr_expect_eq(rig->wire_count, 0);
    free(rig);
}

static void drop(void *ctx, const struct frame *frame)
{
    (void)ctx;
    cr_assert_leq(frame->size, FRAME_MAX);
}

Test(nat, random_frames_do_no_harm)
{
    struct nat *nat = calloc(1, sizeof *nat);
    const struct nat_output output = {.to_wire = drop, .to_vm = drop};
    uint64_t seed = 1;
    nat_init(nat, vm_mac);
    for (unsigned i = 0; i < 100000; i++) {
        static const uint8_t protocols[] = {TCP, UDP, ICMP, 47};
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        bool in = seed >> 33 & 1;
        struct frame frame = packet(protocols[seed >> 34 & 3], in ? peer_ip : vm_ip, (uint16_t)(seed >> 40),
                                    in ? host_ip : peer_ip, (uint16_t)(61000 + (seed >> 50 & 0x1FF)), 40);
        for (unsigned k = 0; k < (seed >> 60 & 3); k++)
            frame.data[14 + (seed >> (8 * k) & 63)] = (uint8_t)(seed >> 20);
        if (seed >> 36 & 1)
            frame.size = (uint32_t)(seed >> 37 & 127);
        if (in)
            nat_from_wire(nat, &frame, &output);
        else
            nat_from_vm(nat, &frame, &output);
    }
    free(nat);
}
