/* Putting a lab together from its configuration: one PC and a simulated peer, or two PCs, and the wire
 * between them; capture and polling. */
#include "hostworld/lab.h"

#include "base/bytes.h"
#include "base/check.h"
#include "hostworld/horizon.h"
#include "hostworld/hosted.h"
#include "hostworld/site.h"
#include "hostworld/wire.h"
#include "traces/pcapng.h"

#include <inttypes.h>
#include <stdlib.h>

struct lab {
    struct lab_config config;
    struct site site[2];
    unsigned site_count;
    uint64_t next_frame_id;
    struct wire *wire;
    struct peer *peer;       /* at the far end of the wire, or: */
    struct net_user *user;   /* or: */
    struct horizon *horizon; /* site[1] is there */
    bool second_ended;
    enum vm_stop second_stop;
    struct pcapng *pcap;
    unsigned pcap_wire, pcap_nic; /* its interfaces */
    struct look {
        struct event event;
        struct lab *lab;
    } look[2]; /* at the outside, per host */
};

void lab_config_default(struct lab_config *config)
{
    *config = (struct lab_config){
        .profile = "pc-733",
        .hypervisor = "none",
        .hypervisor_options = "",
        .cmdline = "",
        .board = {.ram_bytes = 128 << 20, .rtc_seconds = 946684800, .serial_count = 1},
        .fast_paths = true,
        .nic_mac = {0x00, 0x50, 0x56, 0x00, 0x00, 0x01},
        .wire_bits_per_second = 100000000,
        .coalesce_frames = 1,
        .coalesce_ns = 1000000, /* eight full frames at 100 Mb/s */
        .wire_delay_ns = 500,   /* 100 m of cable */
        .command_line = "",
        .probe = {.functions = ""},
        .poll_ms = 10,
    };
    peer_config_default(&config->peer);
}

/* ---- The wire ---- */

static uint64_t nanoseconds(const struct lab *lab, tick_t when)
{
    return ticks_to(&lab->site[0].queue, when, 1000000000);
}

static void capture_wire(void *ctx, const struct frame *frame, unsigned from, tick_t when)
{
    struct lab *lab = ctx;
    log_line(lab->config.log, LOG_NET, "frame %" PRIu64 " %s: %" PRIu32 " bytes, type 0x%04x", frame->id,
             from == 0 ? "to the peer" : "from the peer", frame->size,
             frame->size >= 14 ? get_be16(frame->data + 12) : 0);
    if (lab->pcap == NULL)
        return;
    pcapng_packet(lab->pcap, lab->pcap_wire, nanoseconds(lab, when), frame->data, frame->size,
                  from == 0 ? PCAPNG_OUT : PCAPNG_IN, frame->id);
}

static void capture_nic(void *ctx, const struct frame *frame, bool sent)
{
    struct lab *lab = ctx;
    pcapng_packet(lab->pcap, lab->pcap_nic, nanoseconds(lab, host_tick(&lab->site[0].host)), frame->data,
                  frame->size, sent ? PCAPNG_OUT : PCAPNG_IN, frame->id);
}

static enum status open_capture(struct lab *lab, struct error *err)
{
    if (lab->config.pcap == NULL)
        return STATUS_OK;
    TRY(pcapng_create(&lab->pcap, lab->config.pcap, err));
    lab->pcap_wire = pcapng_interface(lab->pcap, "wire", "the simulated Ethernet link");
    lab->pcap_nic = pcapng_interface(lab->pcap, "vnic", "the guest's virtual NIC");
    lab->site[0].seen = capture_nic;
    lab->site[0].seen_ctx = lab;
    return STATUS_OK;
}

static void frame_on_its_way(void *ctx, unsigned from, tick_t arrival)
{
    struct lab *lab = ctx;
    horizon_sent(lab->horizon, from, arrival);
}

static void create_wire(struct lab *lab)
{
    struct site *near = &lab->site[0], *far = &lab->site[lab->site_count - 1];
    const struct wire_config wire = {
        .queue = {&near->queue, &far->queue},
        .recorder = {near->recorder, far != near ? far->recorder : NULL},
        .next_frame_id = &lab->next_frame_id,
        .bits_per_second = lab->config.wire_bits_per_second,
        .delay_ns = lab->config.wire_delay_ns,
        .tap = lab->pcap != NULL || log_wants(lab->config.log, LOG_NET) ? capture_wire : NULL,
        .tap_ctx = lab,
        .sent = lab->site_count == 2 ? frame_on_its_way : NULL,
        .sent_ctx = lab,
    };
    lab->wire = wire_create(&wire);
}

/* Host-only network: the peer is a process of the host, so nothing but the host's CPU takes time. */
static bool is_local(const struct site *site)
{
    return site->hosted != NULL && hosted_is_local(site->hosted);
}

static void create_peer(struct lab *lab)
{
    struct peer_config peer = lab->config.peer;
    peer.queue = &lab->site[0].queue;
    peer.log = lab->config.log;
    if (is_local(&lab->site[0]))
        peer.latency_ns = 0;
    lab->peer = peer_create(&peer, wire_end(lab->wire, 1));
}

static enum status create_user(struct lab *lab, struct error *err)
{
    struct net_user_config user = lab->config.user_network;
    user.queue = &lab->site[0].queue;
    user.log = lab->config.log;
    user.inputs = lab->site[0].inputs;
    return net_user_create(&lab->user, &user, wire_end(lab->wire, 1), err);
}

/* ---- The second host ---- */

static void run_second(void *ctx)
{
    struct lab *lab = ctx;
    lab->second_stop = vm_run(lab->site[1].vm, UINT64_MAX);
    lab->second_ended = lab->second_stop != VM_STOP_ASKED;
}

static void stop_second(void *ctx)
{
    struct lab *lab = ctx;
    vm_ask_stop(lab->site[1].vm);
}

static void create_horizon(struct lab *lab)
{
    const struct horizon_config config = {
        .host = {&lab->site[0].host, &lab->site[1].host},
        .window = wire_latency(lab->wire),
        .run = run_second,
        .stop = stop_second,
        .ctx = lab,
    };
    lab->horizon = horizon_create(&config);
}

/* The least common multiple of the hosts' clocks. A month must fit into a tick_t. */
static enum status common_ticks(const struct lab *lab, uint64_t *hz, struct error *err)
{
    const uint64_t limit = UINT64_MAX / (31 * 86400);
    uint64_t first = lab->site[0].costs.cpu_hz, second = lab->site[lab->site_count - 1].costs.cpu_hz;
    uint64_t a = first, b = second;
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    if (first / a > limit / second)
        return status_fail(err, STATUS_BAD_INPUT,
                           "CPUs of %" PRIu64 " and %" PRIu64
                           " Hz have no common unit of time that is coarse enough",
                           first, second);
    *hz = first / a * second;
    return STATUS_OK;
}

/* ---- Life ---- */

/* Its deadline follows from when it runs, not from when it was due: the same in every engine (E2). */
static void look_outside(struct event *event, tick_t late)
{
    enum { CHARACTER_US = 100 }; /* about a character at 115200 baud */
    struct look *look = CONTAINER_OF(event, struct look, event);
    struct lab *lab = look->lab;
    unsigned host = (unsigned)(look - lab->look);
    struct site *site = &lab->site[host];
    inputs_begin(site->inputs);
    bool soon = lab->config.poll != NULL && lab->config.poll(lab->config.poll_ctx, host);
    soon = inputs_end(site->inputs, soon);
    tick_t pause = soon ? ticks_from(&site->queue, CHARACTER_US, 1000000)
                        : ticks_from(&site->queue, lab->config.poll_ms, 1000);
    event_schedule(&site->queue, event, site->queue.now - late + pause);
}

static void start_looking(struct lab *lab)
{
    if (lab->config.poll == NULL && lab->config.replay == NULL)
        return;
    for (unsigned i = 0; i < lab->site_count; i++) {
        struct look *look = &lab->look[i];
        struct event_queue *queue = &lab->site[i].queue;
        look->lab = lab;
        event_init(&look->event, "lab.look", EVENT_ORDER_LAST, look_outside);
        event_schedule(queue, &look->event, ticks_from(queue, lab->config.poll_ms, 1000));
    }
}

static void replayed_stop(void *ctx)
{
    lab_ask_stop(ctx);
}

static void create_inputs(struct lab *lab, unsigned host)
{
    const struct inputs_config config = {
        .host = &lab->site[host].host,
        .number = host,
        .record = lab->config.record,
        .replay = lab->config.replay,
        .rule = lab->config.replay_rule,
        .stop = replayed_stop,
        .stop_ctx = lab,
    };
    lab->site[host].inputs = inputs_create(&config);
}

static enum status load_sites(struct lab *lab, struct error *err)
{
    uint64_t hz = 0;
    if (lab->config.other != NULL && !lab->config.nic)
        return status_fail(err, STATUS_BAD_INPUT, "a second host needs a NIC at this one's end of the wire");
    TRY(site_load(&lab->site[0], &lab->config, err));
    lab->site_count = 1;
    if (lab->config.other != NULL) {
        TRY(site_load(&lab->site[1], lab->config.other, err));
        lab->site_count = 2;
    }
    TRY(common_ticks(lab, &hz, err));
    for (unsigned i = 0; i < lab->site_count; i++) {
        TRY(site_create_host(&lab->site[i], hz, &lab->next_frame_id, err));
        create_inputs(lab, i);
    }
    return STATUS_OK;
}

static enum status assemble(struct lab *lab, struct error *err)
{
    TRY(load_sites(lab, err));
    TRY(open_capture(lab, err));
    if (lab->config.nic)
        create_wire(lab);
    for (unsigned i = 0; i < lab->site_count; i++) {
        struct net_backend end = {.ops = NULL};
        if (lab->wire != NULL)
            end = wire_end(lab->wire, i);
        TRY(site_assemble(&lab->site[i], &end, err));
    }
    for (unsigned i = 0; i < lab->site_count && lab->site_count == 2; i++)
        if (is_local(&lab->site[i]))
            return status_fail(err, STATUS_BAD_INPUT,
                               "net=host-only: the host is at the other end, not a second one");
    if (is_local(&lab->site[0]) && lab->wire != NULL)
        wire_shorten(lab->wire);
    if (lab->site_count == 2)
        create_horizon(lab);
    else if (lab->wire != NULL && lab->config.user)
        TRY(create_user(lab, err));
    else if (lab->wire != NULL)
        create_peer(lab);
    start_looking(lab);
    return STATUS_OK;
}

enum status lab_create(struct lab **out, const struct lab_config *config, struct error *err)
{
    struct lab *lab = xcalloc(1, sizeof *lab);
    lab->config = *config;
    enum status status = assemble(lab, err);
    *out = lab;
    if (status != STATUS_OK) {
        struct error ignored;
        if (lab_destroy(lab, &ignored) != STATUS_OK)
            *out = NULL; /* the first error is the one to report */
        *out = NULL;
    }
    return status;
}

enum status lab_destroy(struct lab *lab, struct error *err)
{
    if (lab == NULL)
        return STATUS_OK;
    lab_end(lab);
    for (unsigned i = 0; i < lab->site_count; i++)
        site_destroy_vm(&lab->site[i]);
    peer_destroy(lab->peer);
    net_user_destroy(lab->user);
    wire_destroy(lab->wire);
    enum status status = pcapng_close(lab->pcap, err);
    for (unsigned i = lab->site_count; i-- > 0;) {
        enum status trace = site_destroy(&lab->site[i], err);
        if (trace != STATUS_OK)
            status = trace;
    }
    free(lab);
    return status;
}

enum vm_stop lab_run(struct lab *lab, cycle_t limit)
{
    return vm_run(lab->site[0].vm, limit);
}

void lab_end(struct lab *lab)
{
    horizon_destroy(lab->horizon);
    lab->horizon = NULL;
}

void lab_ask_stop(struct lab *lab)
{
    inputs_note_stop(lab->site[0].inputs);
    vm_ask_stop(lab->site[0].vm);
}

uint64_t lab_tick_hz(const struct lab *lab)
{
    return lab->site[0].queue.hz;
}

unsigned lab_host_count(const struct lab *lab)
{
    return lab->site_count;
}

struct inputs_counts lab_inputs(const struct lab *lab, unsigned host)
{
    return inputs_counts(lab->site[host].inputs);
}

const char *lab_counterfactual(const struct lab *lab)
{
    return lab->config.counterfactual;
}

struct vm *lab_vm(struct lab *lab)
{
    return lab->site[0].vm;
}

struct host *lab_host(struct lab *lab)
{
    return &lab->site[0].host;
}

struct lab_second lab_second(struct lab *lab)
{
    if (lab->site_count < 2)
        return (struct lab_second){.vm = NULL};
    return (struct lab_second){.vm = lab->site[1].vm,
                               .host = &lab->site[1].host,
                               .ended = lab->second_ended,
                               .stop = lab->second_stop};
}

struct lab_losses lab_losses(const struct lab *lab, unsigned host)
{
    return site_losses(&lab->site[host]);
}

const struct peer_counters *lab_peer_counters(const struct lab *lab)
{
    return lab->peer ? peer_counters(lab->peer) : NULL;
}
