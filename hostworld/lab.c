/* Putting a lab together from its configuration, in order: costs, clock and recorder, host, VM, NIC and what
 * it is plugged into. */
#include "hostworld/lab.h"

#include "base/bytes.h"
#include "base/check.h"
#include "devices/pcnet.h"
#include "hostworld/direct.h"
#include "hostworld/hosted.h"
#include "hostworld/net_tap.h"
#include "hostworld/wire.h"
#include "traces/pcapng.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct lab {
    struct lab_config config;
    struct event_queue queue;
    struct cost_table costs;
    struct recorder *recorder;
    struct host host;
    struct vm *vm;
    uint64_t next_frame_id;
    struct wire *wire;
    struct peer *peer;
    struct hosted *hosted; /* the host under a hosted monitor */
    struct direct *direct; /* the NIC of bare metal */
    struct pcapng *pcap;
    unsigned pcap_wire, pcap_nic; /* its interfaces */
    struct net_tap tap;           /* on the guest's NIC, when there is a capture */
    struct event poll;
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
        .wire_delay_ns = 500, /* 100 m of cable */
        .command_line = "",
        .poll_ms = 10,
    };
    peer_config_default(&config->peer);
}

static enum status load_costs(struct lab *lab, struct error *err)
{
    TRY(cost_table_load(&lab->costs, lab->config.profile, err));
    for (unsigned i = 0; i < lab->config.override_count; i++)
        TRY(cost_table_override(&lab->costs, lab->config.overrides[i], err));
    return STATUS_OK;
}

/* What the trace header says about the run: enough to reproduce it. */
static char *describe(const struct lab *lab)
{
    json_t *overrides = json_array();
    for (unsigned i = 0; i < lab->config.override_count; i++)
        json_array_append_new(overrides, json_string(lab->config.overrides[i]));
    json_t *run =
        json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:o}", "profile", lab->costs.profile, "hypervisor",
                  lab->config.hypervisor, "hypervisor_options", lab->config.hypervisor_options, "cpu",
                  lab->config.cpu_model ? lab->config.cpu_model : lab->costs.cpu_model, "memory",
                  (json_int_t)lab->config.board.ram_bytes, "command_line", lab->config.command_line, "costs",
                  overrides);
    char *text = json_dumps(run, JSON_COMPACT);
    json_decref(run);
    CHECK(text != NULL);
    return text;
}

static enum status create_host(struct lab *lab, struct error *err)
{
    event_queue_init(&lab->queue, lab->costs.cpu_hz);
    char *description = describe(lab);
    const struct recorder_config recording = {
        .steps = lab->costs.steps,
        .step_count = ARRAY_LEN(lab->costs.steps),
        .exit_count = VM_EXIT_COUNT,
        .exit_names = vm_exit_names,
        .hz = lab->costs.cpu_hz,
        .ticks_per_cycle = 1,
        .description = description,
    };
    lab->recorder = recorder_create(&recording);
    enum status status = lab->config.trace ? recorder_open(lab->recorder, lab->config.trace, err) : STATUS_OK;
    free(description);
    lab->host = (struct host){
        .queue = &lab->queue,
        .log = lab->config.log,
        .hz = lab->costs.cpu_hz,
        .ticks_per_cycle = 1,
        .costs = &lab->costs,
        .recorder = lab->recorder,
        .next_frame_id = &lab->next_frame_id,
    };
    return status;
}

static enum status create_vm(struct lab *lab, struct error *err)
{
    const char *name = lab->config.cpu_model ? lab->config.cpu_model : lab->costs.cpu_model;
    const struct cpu_model *model = cpu_model_find(name);
    if (model == NULL)
        return status_fail(err, STATUS_BAD_INPUT, "unknown CPU model '%s' (-cpu help lists them)", name);
    const struct vm_config config = {
        .host = &lab->host,
        .board = lab->config.board,
        .model = model,
        .services = lab->hosted ? hosted_services(lab->hosted) : NULL,
        .hypervisor = lab->config.hypervisor,
        .hypervisor_options = lab->config.hypervisor_options,
        .kernel = lab->config.kernel,
        .initrd = lab->config.initrd,
        .cmdline = lab->config.cmdline,
        .no_reboot = lab->config.no_reboot,
        .fast_paths = lab->config.fast_paths,
        .random_seed = lab->config.random_seed,
        .translator = lab->config.translate ? &lab->config.translator : NULL,
    };
    return vm_create(&lab->vm, &config, err);
}

static void capture_wire(void *ctx, const struct frame *frame, unsigned from, tick_t when)
{
    struct lab *lab = ctx;
    log_line(lab->config.log, LOG_NET, "frame %" PRIu64 " %s: %" PRIu32 " bytes, type 0x%04x", frame->id,
             from == 0 ? "to the peer" : "from the peer", frame->size,
             frame->size >= 14 ? get_be16(frame->data + 12) : 0);
    if (lab->pcap == NULL)
        return;
    pcapng_packet(lab->pcap, lab->pcap_wire, ticks_to(&lab->queue, when, 1000000000), frame->data,
                  frame->size, from == 0 ? PCAPNG_OUT : PCAPNG_IN, NULL);
}

static void create_network(struct lab *lab)
{
    const struct wire_config wire = {
        .queue = &lab->queue,
        .recorder = lab->recorder,
        .next_frame_id = &lab->next_frame_id,
        .bits_per_second = lab->config.wire_bits_per_second,
        .delay_ns = lab->config.wire_delay_ns,
        .tap = lab->pcap != NULL || log_wants(lab->config.log, LOG_NET) ? capture_wire : NULL,
        .tap_ctx = lab,
    };
    lab->wire = wire_create(&wire);
    struct peer_config peer = lab->config.peer;
    peer.queue = &lab->queue;
    peer.log = lab->config.log;
    lab->peer = peer_create(&peer, wire_end(lab->wire, 1));
}

/* A hypervisor that takes physical interrupts runs on a host that has handlers for them. */
static void create_hosted(struct lab *lab)
{
    const struct hypervisor_ops *hypervisor = hypervisor_find(lab->config.hypervisor);
    if (hypervisor == NULL || hypervisor->host_interrupt == NULL)
        return;
    struct hosted_config config = {.host = &lab->host};
    if (lab->wire != NULL)
        config.wire = wire_end(lab->wire, 0);
    memcpy(config.vm_mac, lab->config.nic_mac, sizeof config.vm_mac);
    lab->hosted = hosted_create(&config);
}

static void capture_nic(void *ctx, const struct frame *frame, bool sent)
{
    struct lab *lab = ctx;
    pcapng_packet(lab->pcap, lab->pcap_nic, ticks_to(&lab->queue, host_tick(&lab->host), 1000000000),
                  frame->data, frame->size, sent ? PCAPNG_OUT : PCAPNG_IN, NULL);
}

static void create_nic(struct lab *lab)
{
    struct net_backend backend;
    struct pcnet_config nic;
    if (lab->hosted != NULL) {
        backend = hosted_backend(lab->hosted);
    } else {
        lab->direct = direct_create(&lab->host, wire_end(lab->wire, 0));
        backend = direct_backend(lab->direct);
    }
    if (lab->pcap != NULL)
        backend = net_tap_backend(&lab->tap, &backend, capture_nic, lab);
    memcpy(nic.mac, lab->config.nic_mac, sizeof nic.mac);
    struct device *device = pcnet_create(board_env(vm_board(lab->vm)), &nic, &backend);
    board_attach_pci(vm_board(lab->vm), pcnet_pci(device), BOARD_PCI_SLOT_NIC, 0);
}

static void poll_due(struct event *event, tick_t late)
{
    enum { CHARACTER_US = 100 }; /* about a character at 115200 baud */
    struct lab *lab = CONTAINER_OF(event, struct lab, poll);
    bool soon = lab->config.poll(lab->config.poll_ctx);
    tick_t pause = soon ? ticks_from(&lab->queue, CHARACTER_US, 1000000)
                        : ticks_from(&lab->queue, lab->config.poll_ms, 1000);
    event_schedule(&lab->queue, event, lab->queue.now - late + pause);
}

static enum status assemble(struct lab *lab, struct error *err)
{
    TRY(load_costs(lab, err));
    TRY(create_host(lab, err));
    if (lab->config.pcap != NULL) {
        TRY(pcapng_create(&lab->pcap, lab->config.pcap, err));
        lab->pcap_wire = pcapng_interface(lab->pcap, "wire", "the simulated Ethernet link");
        lab->pcap_nic = pcapng_interface(lab->pcap, "vnic", "the guest's virtual NIC");
    }
    if (lab->config.nic)
        create_network(lab);
    create_hosted(lab);
    TRY(create_vm(lab, err));
    if (lab->config.nic)
        create_nic(lab);
    event_init(&lab->poll, "lab.poll", EVENT_ORDER_LAST, poll_due);
    if (lab->config.poll != NULL)
        event_schedule(&lab->queue, &lab->poll, ticks_from(&lab->queue, lab->config.poll_ms, 1000));
    return vm_boot(lab->vm, err);
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
    vm_destroy(lab->vm);
    hosted_destroy(lab->hosted);
    direct_destroy(lab->direct);
    peer_destroy(lab->peer);
    wire_destroy(lab->wire);
    enum status capture = pcapng_close(lab->pcap, err);
    enum status trace = lab->recorder ? recorder_close(lab->recorder, err) : STATUS_OK;
    recorder_destroy(lab->recorder);
    event_queue_destroy(&lab->queue);
    free(lab);
    return trace != STATUS_OK ? trace : capture;
}

enum vm_stop lab_run(struct lab *lab, cycle_t limit)
{
    return vm_run(lab->vm, limit);
}

struct vm *lab_vm(struct lab *lab)
{
    return lab->vm;
}

struct host *lab_host(struct lab *lab)
{
    return &lab->host;
}

const struct peer_counters *lab_peer_counters(const struct lab *lab)
{
    return lab->peer ? peer_counters(lab->peer) : NULL;
}
