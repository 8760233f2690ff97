/* The hosted world put together; see hosted.h. */
#include "hostworld/hosted_priv.h"

#include "base/check.h"

#include <stdlib.h>

struct hosted {
    struct host *host;
    struct host_linux kernel;
    struct host_nic nic;
    struct host_only local;
    struct vmnet vmnet;
    struct net_backend wire;
    struct vmapp vmapp;
    struct host_services services;
};

/* ---- What the monitor calls ---- */

static void return_to_vmapp(void *ctx)
{
    vmdriver_return(((struct hosted *)ctx)->host);
}

static void call_vmdriver(void *ctx)
{
    vmdriver_call(((struct hosted *)ctx)->host);
}

static void reassert(void *ctx, uint16_t taken)
{
    vmdriver_reassert(((struct hosted *)ctx)->host, taken);
}

static bool service_select(void *ctx)
{
    return vmapp_select(&((struct hosted *)ctx)->vmapp);
}

static bool service_notified(void *ctx)
{
    return vmapp_notified(&((struct hosted *)ctx)->vmapp);
}

static void configure(void *ctx, const struct host_options *options)
{
    struct hosted *hosted = ctx;
    hosted->vmnet.options = *options;
    hosted->host->monitor_lines = options->bypass ? 1 << HOST_LINE_NIC : 0;
    if (options->network == HOST_ONLY)
        host_only_connect(&hosted->local, hosted->wire);
}

static bool service_block(void *ctx, host_woken_fn *woken, void *woken_ctx, cycle_t limit)
{
    return vmapp_block(&((struct hosted *)ctx)->vmapp, woken, woken_ctx, limit);
}

static void receive_pending(void *ctx)
{
    vmapp_receive_pending(&((struct hosted *)ctx)->vmapp);
}

static void serve_nic(void *ctx)
{
    bypass_serve(&((struct hosted *)ctx)->vmapp);
}

static void emulated(void *ctx, const char *device, bool transmitted)
{
    vmapp_emulated(&((struct hosted *)ctx)->vmapp, device, transmitted);
}

/* ---- Life ---- */

struct hosted *hosted_create(const struct hosted_config *config)
{
    struct hosted *hosted = xcalloc(1, sizeof *hosted);
    hosted->host = config->host;
    host_linux_init(&hosted->kernel, config->host);
    vmnet_init(&hosted->vmnet, config->host, &hosted->nic, config->vm_mac);
    host_nic_init(&hosted->nic, config, &hosted->vmnet);
    host_only_init(&hosted->local, config->host, &hosted->vmnet);
    hosted->vmnet.local = &hosted->local;
    hosted->wire = config->wire;
    vmapp_init(&hosted->vmapp, config->host, &hosted->kernel, &hosted->vmnet);
    hosted->vmnet.ideal = config->ideal;
    hosted->services = (struct host_services){
        .nic_lines = 1 << HOST_LINE_NIC | 1 << HOST_LINE_LOCAL,
        .configure = configure,
        .return_to_vmapp = return_to_vmapp,
        .call_vmdriver = call_vmdriver,
        .reassert = reassert,
        .select = service_select,
        .notified = service_notified,
        .block = service_block,
        .receive_pending = receive_pending,
        .emulated = emulated,
        .serve_nic = serve_nic,
        .ctx = hosted,
    };
    return hosted;
}

void hosted_destroy(struct hosted *hosted)
{
    if (hosted == NULL)
        return;
    host_linux_destroy(&hosted->kernel);
    host_nic_destroy(&hosted->nic);
    host_only_destroy(&hosted->local);
    vmnet_destroy(&hosted->vmnet);
    free(hosted);
}

const struct host_services *hosted_services(struct hosted *hosted)
{
    return &hosted->services;
}

struct net_backend hosted_backend(struct hosted *hosted)
{
    return (struct net_backend){.ops = &vmapp_backend_ops, .ctx = &hosted->vmapp};
}

bool hosted_is_local(const struct hosted *hosted)
{
    return hosted->vmnet.options.network == HOST_ONLY;
}

struct hosted_counters hosted_counters(const struct hosted *hosted)
{
    return (struct hosted_counters){
        .ticks = hosted->kernel.ticks,
        .nic_interrupts = hosted->nic.interrupts,
        .sent = hosted->vmnet.sent,
        .send_drops = hosted->nic.drops,
        .received = hosted->vmnet.received,
        .filtered = hosted->vmnet.filtered,
        .nic_drops = hosted->nic.rx_drops,
        .vmnet_drops = hosted->vmnet.drops,
    };
}
