/* Putting one PC of a lab together, in order: costs, clock and recorder, host, VM, NIC; see site.h. */
#include "hostworld/site.h"

#include "base/check.h"
#include "devices/ideal_nic.h"
#include "devices/pcnet.h"
#include "hostworld/direct.h"
#include "hostworld/hosted.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum status site_load(struct site *site, const struct lab_config *config, struct error *err)
{
    site->config = *config;
    TRY(cost_table_load(&site->costs, config->profile, err));
    for (unsigned i = 0; i < config->override_count; i++)
        TRY(cost_table_override(&site->costs, config->overrides[i], err));
    return STATUS_OK;
}

/* What the trace header says about the run: enough to reproduce it. */
static char *describe(const struct site *site)
{
    json_t *overrides = json_array();
    for (unsigned i = 0; i < site->config.override_count; i++)
        json_array_append_new(overrides, json_string(site->config.overrides[i]));
    json_t *run =
        json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:o}", "profile", site->costs.profile, "hypervisor",
                  site->config.hypervisor, "hypervisor_options", site->config.hypervisor_options, "cpu",
                  site->config.cpu_model ? site->config.cpu_model : site->costs.cpu_model, "memory",
                  (json_int_t)site->config.board.ram_bytes, "command_line", site->config.command_line,
                  "costs", overrides);
    if (site->config.counterfactual != NULL)
        json_object_set_new(run, "counterfactual", json_string(site->config.counterfactual));
    char *text = json_dumps(run, JSON_COMPACT);
    json_decref(run);
    CHECK(text != NULL);
    return text;
}

enum status site_create_host(struct site *site, uint64_t tick_hz, uint64_t *next_frame_id, struct error *err)
{
    uint64_t ticks_per_cycle = tick_hz / site->costs.cpu_hz;
    CHECK(ticks_per_cycle * site->costs.cpu_hz == tick_hz);
    event_queue_init(&site->queue, tick_hz);
    char *description = describe(site);
    const struct recorder_config recording = {
        .steps = site->costs.steps,
        .step_count = ARRAY_LEN(site->costs.steps),
        .exit_count = VM_EXIT_COUNT,
        .exit_names = vm_exit_names,
        .hz = tick_hz,
        .ticks_per_cycle = ticks_per_cycle,
        .guest_code = probe_wanted(&site->config.probe),
        .description = description,
    };
    site->recorder = recorder_create(&recording);
    enum status status =
        site->config.trace ? recorder_open(site->recorder, site->config.trace, err) : STATUS_OK;
    free(description);
    site->host = (struct host){
        .queue = &site->queue,
        .log = site->config.log,
        .hz = site->costs.cpu_hz,
        .ticks_per_cycle = ticks_per_cycle,
        .costs = &site->costs,
        .recorder = site->recorder,
        .next_frame_id = next_frame_id,
    };
    return status;
}

/* A hypervisor that takes physical interrupts runs on a host that has handlers for them. */
static enum status create_hosted(struct site *site, const struct net_backend *wire, struct error *err)
{
    const struct hypervisor_ops *hypervisor = hypervisor_find(site->config.hypervisor);
    if (hypervisor == NULL || hypervisor->host_interrupt == NULL)
        return site->config.coalesce_frames > 1 || site->config.sent != HOST_NIC_SENT_LEFT
                   ? status_fail(err, STATUS_BAD_INPUT,
                                 "-nic %s= is of the host's NIC, which only a hosted monitor has",
                                 site->config.coalesce_frames > 1 ? "coalesce" : "sent")
                   : STATUS_OK;
    struct hosted_config config = {.host = &site->host,
                                   .wire = *wire,
                                   .ideal = site->config.nic_model == NIC_IDEAL,
                                   .coalesce_frames = site->config.coalesce_frames,
                                   .coalesce_ns = site->config.coalesce_ns,
                                   .sent = site->config.sent};
    memcpy(config.vm_mac, site->config.nic_mac, sizeof config.vm_mac);
    site->hosted = hosted_create(&config);
    return STATUS_OK;
}

static enum status create_vm(struct site *site, struct error *err)
{
    const struct lab_config *from = &site->config;
    const char *name = from->cpu_model ? from->cpu_model : site->costs.cpu_model;
    const struct cpu_model *model = cpu_model_find(name);
    if (model == NULL)
        return status_fail(err, STATUS_BAD_INPUT, "unknown CPU model '%s' (-cpu help lists them)", name);
    struct board_config board = from->board;
    for (unsigned i = 0; i < BOARD_SERIAL_PORTS; i++)
        inputs_connect(site->inputs, i, &board.serial[i]);
    const struct vm_config config = {
        .host = &site->host,
        .board = board,
        .model = model,
        .services = site->hosted ? hosted_services(site->hosted) : NULL,
        .hypervisor = from->hypervisor,
        .hypervisor_options = from->hypervisor_options,
        .kernel = from->kernel,
        .initrd = from->initrd,
        .cmdline = from->cmdline,
        .no_reboot = from->no_reboot,
        .fast_paths = from->fast_paths,
        .caches = from->caches,
        .random_seed = from->random_seed,
        .translator = from->translate ? &from->translator : NULL,
        .probe = &from->probe,
    };
    return vm_create(&site->vm, &config, err);
}

static struct pci_function *create_model(struct site *site, const struct net_backend *backend)
{
    const struct device_env *env = board_env(vm_board(site->vm));
    if (site->config.nic_model == NIC_IDEAL) {
        struct ideal_nic_config nic;
        memcpy(nic.mac, site->config.nic_mac, sizeof nic.mac);
        return ideal_nic_pci(ideal_nic_create(env, &nic, backend));
    }
    struct pcnet_config nic;
    memcpy(nic.mac, site->config.nic_mac, sizeof nic.mac);
    site->pcnet = pcnet_create(env, &nic, backend);
    return pcnet_pci(site->pcnet);
}

static void create_nic(struct site *site, const struct net_backend *wire)
{
    struct net_backend backend;
    if (site->hosted != NULL) {
        backend = hosted_backend(site->hosted);
    } else {
        site->direct = direct_create(&site->host, *wire);
        backend = direct_backend(site->direct);
    }
    if (site->seen != NULL)
        backend = net_tap_backend(&site->tap, &backend, site->seen, site->seen_ctx);
    board_attach_pci(vm_board(site->vm), create_model(site, &backend), BOARD_PCI_SLOT_NIC, 0);
}

enum status site_assemble(struct site *site, const struct net_backend *wire, struct error *err)
{
    TRY(create_hosted(site, wire, err));
    TRY(create_vm(site, err));
    if (wire->ops != NULL)
        create_nic(site, wire);
    return vm_boot(site->vm, err);
}

struct lab_losses site_losses(const struct site *site)
{
    struct lab_losses losses = {.guest_nic = site->pcnet ? pcnet_missed(site->pcnet) : 0};
    if (site->hosted != NULL) {
        struct hosted_counters counters = hosted_counters(site->hosted);
        losses.device_queue = counters.send_drops;
        losses.host_nic = counters.nic_drops;
        losses.vmnet = counters.vmnet_drops;
    }
    return losses;
}

void site_destroy_vm(struct site *site)
{
    vm_destroy(site->vm);
    hosted_destroy(site->hosted);
    direct_destroy(site->direct);
}

enum status site_destroy(struct site *site, struct error *err)
{
    enum status status = site->recorder ? recorder_close(site->recorder, err) : STATUS_OK;
    inputs_destroy(site->inputs);
    recorder_destroy(site->recorder);
    event_queue_destroy(&site->queue);
    return status;
}
