/* VMware Workstation's hosted monitor after Sugerman, Venkitachalam, Lim, USENIX 2001: version 2.0, and the
 * optimizations of the paper's section 3, and what its section 4 proposes, as options, each alone or with
 * others.
 *
 * The guest's user code runs directly, its kernel translated; the monitor keeps shadow page tables; devices
 * are emulated in the VMApp behind a world switch, except a few chips. The parts:
 *
 *     hv_workstation_switch.c   the world switch
 *     hv_workstation_io.c       device accesses, the transmitting OUT among them; I/O in the VMM
 *     hv_workstation_combine.c  send combining
 *     hv_workstation_irq.c      physical interrupts, HLT; IRQ notification
 *     hv_workstation_exit.c     privileged and sensitive instructions
 *     shadow.c                  page tables */
#include "vmm/hv_workstation_priv.h"

#include "base/check.h"

#include <stdlib.h>

enum option {
    OPTION_VERSION,
    OPTION_IO_IN_VMM,
    OPTION_SEND_COMBINING,
    OPTION_COMBINE_LIMIT,
    OPTION_COMBINE_RATE,
    OPTION_IRQ_NOTIFY,
    OPTION_PIC,
    OPTION_ZERO_COPY,
    OPTION_BYPASS,
    OPTION_NET,
    OPTION_HALT,
    OPTION_SHADOW,
    OPTION_COUNT
};

static const char *const versions[] = {
    "io-in-vmm=off,send-combining=off,irq-notify=off",
    "io-in-vmm=on,send-combining=on,irq-notify=on",
};

static const struct hypervisor_option options[OPTION_COUNT] = {
    [OPTION_VERSION] = {"version", "2.0|optimized",
                        "sets io-in-vmm, send-combining and irq-notify: all off, or all on",
                        .stands_for = versions},
    [OPTION_IO_IN_VMM] = {"io-in-vmm", "off|on", "port accesses that need no real I/O are done in the VMM"},
    [OPTION_SEND_COMBINING] = {"send-combining", "off|on",
                               "while worlds are switched often, transmissions wait for the next switch"},
    [OPTION_COMBINE_LIMIT] = {"combine-limit", NULL, "frames that may wait", 1, 16, 3},
    [OPTION_COMBINE_RATE] = {"combine-rate", NULL, "world switches per second from which they wait", 0,
                             1000000, 2000},
    [OPTION_IRQ_NOTIFY] = {"irq-notify", "off|on",
                           "after a NIC interrupt the VMApp looks at shared memory instead of select()"},
    [OPTION_PIC] = {"pic", "full|cheap",
                    "accesses to the PIC recompute its state, or are moves and specialised code"},
    [OPTION_ZERO_COPY] = {"zero-copy", "off|on",
                          "the host sends frames from the VM's memory, not from a copy"},
    [OPTION_BYPASS] = {"bypass", "off|on", "the monitor drives the host's NIC itself; implies halt=spin"},
    [OPTION_NET] = {"net", "bridged|nat|host-only",
                    "the VM's network: the wire, the wire through the host's address, or the host itself"},
    [OPTION_HALT] =
        {"halt", "yield|spin",
         "a guest that halts gives the CPU to the host, or waits in the VMM for the next interrupt"},
    [OPTION_SHADOW] = {"shadow", "on|off",
                       "shadow page tables; off: the guest's own tables translate, at no cost"},
};

_Static_assert((int)OPTION_COUNT <= (int)HYPERVISOR_OPTIONS_MAX, "room for the choices");

static enum status read_options(const char *text, struct workstation_options *out, struct host_options *host,
                                struct error *err)
{
    unsigned choice[HYPERVISOR_OPTIONS_MAX];
    TRY(hypervisor_parse(&hv_workstation, text, choice, err));
    *out = (struct workstation_options){
        .shadow = choice[OPTION_SHADOW] == 0,
        .io_in_vmm = choice[OPTION_IO_IN_VMM] != 0,
        .send_combining = choice[OPTION_SEND_COMBINING] != 0,
        .combine_limit = choice[OPTION_COMBINE_LIMIT],
        .combine_rate = choice[OPTION_COMBINE_RATE],
        .irq_notify = choice[OPTION_IRQ_NOTIFY] != 0,
        .cheap_pic = choice[OPTION_PIC] != 0,
        .bypass = choice[OPTION_BYPASS] != 0,
        /* A process that waits for frames in select() would wait for ever. */
        .spin = choice[OPTION_HALT] != 0 || choice[OPTION_BYPASS] != 0,
    };
    *host = (struct host_options){
        .network = (enum host_network)choice[OPTION_NET],
        .notify = out->irq_notify,
        .zero_copy = choice[OPTION_ZERO_COPY] != 0,
        .bypass = out->bypass,
    };
    if (host->bypass && host->network != HOST_BRIDGED)
        return status_fail(
            err, STATUS_BAD_INPUT,
            "-hypervisor workstation: bypass=on drives the NIC, which net=%s leaves to the host",
            host->network == HOST_NAT ? "nat" : "host-only");
    return STATUS_OK;
}

static enum status workstation_create(struct vm *vm, const char *opts, void **ctx, struct error *err)
{
    struct workstation_options chosen;
    struct host_options host;
    TRY(read_options(opts, &chosen, &host, err));
    if (vm_host_services(vm) == NULL)
        return status_fail(err, STATUS_BAD_INPUT, "-hypervisor workstation: it needs a host to run on");
    struct workstation *workstation = xcalloc(1, sizeof *workstation);
    workstation->vm = vm;
    workstation->services = vm_host_services(vm);
    workstation->options = chosen;
    enum status status = pmap_create(&workstation->pmap, vm_machine(vm), vm_memory(vm), err);
    if (status != STATUS_OK) {
        free(workstation);
        return status;
    }
    workstation->services->configure(workstation->services->ctx, &host);
    if (chosen.shadow)
        workstation->shadow = shadow_create(vm, &workstation->pmap, 0);
    *ctx = workstation;
    return STATUS_OK;
}

static void workstation_destroy(void *ctx)
{
    struct workstation *workstation = ctx;
    shadow_destroy(workstation->shadow);
    pmap_destroy(&workstation->pmap);
    free(workstation);
}

/* ---- Memory ---- */

static bool workstation_translate(void *ctx, gva_t addr, enum access access, bool user, bool ac,
                                  struct translation *out, uint32_t *pf)
{
    struct workstation *workstation = ctx;
    const struct paging *paging = &vm_cpu(workstation->vm)->paging;
    if (workstation->shadow == NULL) {
        bool ok = page_walk(vm_memory(workstation->vm), paging, addr, access, user, ac, true, out, pf);
        out->global = false;
        return ok;
    }
    return shadow_translate(workstation->shadow, paging, addr, access, user, ac, out, pf);
}

static void workstation_invalidate(void *ctx, const gva_t *addr, bool global)
{
    struct workstation *workstation = ctx;
    (void)addr;
    (void)global;
    if (workstation->shadow != NULL)
        shadow_invalidate(workstation->shadow, &vm_cpu(workstation->vm)->paging);
}

static unsigned workstation_kernel_cost_milli(void *ctx)
{
    struct workstation *workstation = ctx;
    uint64_t milli = vm_host(workstation->vm)->costs->value[COST_ID_VMM_TRANSLATED].milli_cycles;
    return milli > UINT16_MAX ? UINT16_MAX : (unsigned)milli;
}

const struct hypervisor_ops hv_workstation = {
    .name = "workstation",
    .description = "VMware Workstation: hosted monitor, devices in a user process of the host",
    .options = options,
    .option_count = OPTION_COUNT,
    .virtual_serial = true,
    .create = workstation_create,
    .destroy = workstation_destroy,
    .io = workstation_io,
    .exit = workstation_exit,
    .translate = workstation_translate,
    .invalidate = workstation_invalidate,
    .resumed = workstation_resumed,
    .cpl_changed = workstation_cpl_changed,
    .host_interrupt = workstation_host_interrupt,
    .halt = workstation_halt,
    .kernel_cost_milli = workstation_kernel_cost_milli,
};
