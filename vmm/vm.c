/* The virtual machine (vm.h): glue between CPU, board and hypervisor, and the run loop.
 *
 * Invariants: (1) whenever a device is touched, queue->now is the tick of the CPU's clock; (2) when a
 * hypervisor handler starts, all guest time has been accounted for; (3) at the top of the run loop no event
 * is due and no flag of `wants` is unserved. */
#include "vmm/vm.h"

#include "base/check.h"
#include "base/hash.h"
#include "vmm/firmware_cpu.h"
#include "vmm/loader.h"
#include "vmm/timing.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct vm {
    struct vm_config config;
    struct host *host;
    struct event_queue *queue;
    struct log *log;
    struct cpu *cpu;
    struct translator *translator; /* NULL: interpret */
    struct probes *probes;         /* NULL: none */
    struct cpu_bus bus;
    struct machine_memory machine;
    struct guest_memory memory;
    struct board_pc *board;
    const struct hypervisor_ops *hv;
    void *hv_ctx;
    unsigned visits; /* nesting depth */
    /* Asked for by devices inside an access or event; served by the run loop at the next boundary. */
    struct {
        bool reset, init, power_off, exit, stop;
    } wants;
    uint32_t exit_value;
    bool halting; /* the hypervisor's halt handler ran into the limit of vm_run and goes on in the next one */
};

/* Guest-physical memory must exist for firmware tables and the protocol's low pages. */
enum { RAM_MIN = 2 << 20 };

/* ---- Visits ---- */

void vm_visit_begin(struct vm *vm, enum vm_exit exit, uint64_t detail)
{
    if (exit >= VM_EXIT_HIDDEN_FAULT && exit <= VM_EXIT_TRACE)
        log_line(vm->log, LOG_MMU, "%s 0x%" PRIx64 " at 0x%" PRIx64, vm_exit_names[exit], detail,
                 cpu_pc(vm->cpu));
    if (vm->visits++ > 0)
        return;
    host_account_guest(vm->host, vm->cpu->cpl);
    recorder_visit(vm->host->recorder, (unsigned)exit, detail, cpu_pc(vm->cpu));
}

void vm_visit_end(struct vm *vm)
{
    CHECK(vm->visits > 0);
    /* Inside an instruction that has still to commit, interrupts wait for its boundary. */
    if (vm->visits == 1 && vm->host->irq_pending && vm->hv->host_interrupt != NULL && !vm->host->atomic)
        vm->hv->host_interrupt(vm->hv_ctx);
    if (--vm->visits > 0)
        return;
    recorder_resume(vm->host->recorder);
    if (vm->hv->resumed != NULL)
        vm->hv->resumed(vm->hv_ctx);
}

/* ---- The CPU's view ---- */

static void access_device(struct vm *vm, enum vm_exit exit, struct io_access *access)
{
    vm_visit_begin(vm, exit, access->addr);
    vm->hv->io(vm->hv_ctx, access);
    vm_visit_end(vm);
}

static uint32_t on_port_read(void *ctx, uint16_t port, unsigned size)
{
    struct io_access access = {.addr = port, .size = size};
    access_device(ctx, VM_EXIT_IN, &access);
    return (uint32_t)access.value;
}

static void on_port_write(void *ctx, uint16_t port, unsigned size, uint32_t value)
{
    struct io_access access = {.write = true, .addr = port, .size = size, .value = value};
    access_device(ctx, VM_EXIT_OUT, &access);
}

static uint64_t on_mmio_read(void *ctx, gpa_t addr, unsigned size)
{
    struct io_access access = {.mmio = true, .addr = addr.v, .size = size};
    access_device(ctx, VM_EXIT_MMIO_READ, &access);
    return access.value;
}

static void on_mmio_write(void *ctx, gpa_t addr, unsigned size, uint64_t value)
{
    struct io_access access = {.mmio = true, .write = true, .addr = addr.v, .size = size, .value = value};
    access_device(ctx, VM_EXIT_MMIO_WRITE, &access);
}

/* Bring the queue's clock to the CPU's before the board is touched outside an I/O visit. */
static void sync_now(struct vm *vm)
{
    tick_t tick = host_tick(vm->host);
    if (tick > vm->queue->now)
        vm->queue->now = tick;
}

static uint8_t on_intr_ack(void *ctx)
{
    struct vm *vm = ctx;
    sync_now(vm);
    return board_intr_ack(vm->board);
}

static uint8_t on_tpr_read(void *ctx)
{
    struct vm *vm = ctx;
    return board_tpr_read(vm->board);
}

static void on_tpr_write(void *ctx, uint8_t tpr)
{
    struct vm *vm = ctx;
    sync_now(vm);
    board_tpr_write(vm->board, tpr);
}

static void on_apic_base_written(void *ctx, uint64_t value)
{
    struct vm *vm = ctx;
    sync_now(vm);
    board_apic_base_written(vm->board, value);
}

static void on_ferr(void *ctx, bool level)
{
    struct vm *vm = ctx;
    sync_now(vm);
    board_ferr(vm->board, level);
}

static void on_cpu_exit(void *ctx, enum cpu_exit exit, uint64_t detail)
{
    struct vm *vm = ctx;
    host_begin_atomic(vm->host);
    vm_visit_begin(vm, (enum vm_exit)exit, detail);
    vm->hv->exit(vm->hv_ctx, exit, detail);
    vm_visit_end(vm);
    host_end_atomic(vm->host);
}

static bool on_translate(void *ctx, gva_t addr, enum access access, bool user, bool ac,
                         struct translation *out, uint32_t *pf)
{
    struct vm *vm = ctx;
    return vm->hv->translate(vm->hv_ctx, addr, access, user, ac, out, pf);
}

static void on_invalidate(void *ctx, const gva_t *addr, bool global)
{
    struct vm *vm = ctx;
    vm->hv->invalidate(vm->hv_ctx, addr, global);
}

static void on_cpl_changed(void *ctx, unsigned from, unsigned to)
{
    struct vm *vm = ctx;
    host_account_guest(vm->host, from);
    if (vm->hv->cpl_changed == NULL)
        return;
    host_begin_atomic(vm->host);
    vm->hv->cpl_changed(vm->hv_ctx, from, to);
    host_end_atomic(vm->host);
}

static void fill_bus(struct vm *vm)
{
    vm->bus = (struct cpu_bus){
        .port_read = on_port_read,
        .port_write = on_port_write,
        .mmio_read = on_mmio_read,
        .mmio_write = on_mmio_write,
        .intr_ack = on_intr_ack,
        .tpr_read = on_tpr_read,
        .tpr_write = on_tpr_write,
        .apic_base_written = on_apic_base_written,
        .ferr = on_ferr,
        .exit = vm->hv->exit ? on_cpu_exit : NULL,
        .translate = vm->hv->translate ? on_translate : NULL,
        .invalidate = vm->hv->invalidate ? on_invalidate : NULL,
        .cpl_changed = on_cpl_changed,
        .ctx = vm,
    };
}

/* ---- The board's view ---- */

static void on_intr(void *ctx, bool level)
{
    struct vm *vm = ctx;
    if (vm->hv->virtual_irq != NULL)
        vm->hv->virtual_irq(vm->hv_ctx, level);
    else
        cpu_set_intr(vm->cpu, level);
}

static void on_nmi(void *ctx)
{
    struct vm *vm = ctx;
    cpu_raise_nmi(vm->cpu);
}

static void on_init(void *ctx)
{
    struct vm *vm = ctx;
    vm->wants.init = true;
    cpu_stop_soon(vm->cpu);
}

static void on_reset(void *ctx)
{
    struct vm *vm = ctx;
    vm->wants.reset = true;
    cpu_stop_soon(vm->cpu);
}

static void on_a20(void *ctx, bool enabled)
{
    struct vm *vm = ctx;
    cpu_set_a20(vm->cpu, enabled);
}

static void on_power_off(void *ctx)
{
    struct vm *vm = ctx;
    vm->wants.power_off = true;
    cpu_stop_soon(vm->cpu);
}

static void on_guest_exit(void *ctx, uint32_t value)
{
    struct vm *vm = ctx;
    vm->wants.exit = true;
    vm->exit_value = value;
    cpu_stop_soon(vm->cpu);
}

static void on_dma_read(void *ctx, gpa_t addr, void *to, size_t size)
{
    struct vm *vm = ctx;
    if (!memory_read(&vm->memory, addr, to, size))
        log_line(vm->log, LOG_GUEST_ERROR, "DMA read of %zu bytes at 0x%llx: no memory there", size,
                 (unsigned long long)addr.v);
}

/* Memory is written beside the CPU's caches, which see it and drop their lines. Or, under a hosted monitor,
 * by this CPU for the device that it emulates, at a price that contains that; then the lines are in the
 * second level. */
static void snoop(struct vm *vm, gpa_t addr, size_t size)
{
    bool emulated = vm->hv->host_interrupt != NULL;
    while (vm->cpu->timing != NULL && size > 0) {
        size_t room = PAGE_SIZE - (size_t)(addr.v & PAGE_MASK), part = size < room ? size : room;
        const uint8_t *frame = memory_frame(&vm->memory, addr);
        if (frame != NULL)
            timing_written(vm->cpu, frame + (addr.v & PAGE_MASK), part, emulated);
        addr.v += part;
        size -= part;
    }
}

static void on_dma_write(void *ctx, gpa_t addr, const void *from, size_t size)
{
    struct vm *vm = ctx;
    snoop(vm, addr, size);
    if (!memory_write(&vm->memory, addr, from, size))
        log_line(vm->log, LOG_GUEST_ERROR, "DMA write of %zu bytes at 0x%llx: no memory there", size,
                 (unsigned long long)addr.v);
}

/* An event was scheduled before the deadline the CPU runs to. */
static void on_sooner(void *ctx, tick_t deadline)
{
    struct vm *vm = ctx;
    cpu_advance_deadline(vm->cpu, (deadline + vm->host->ticks_per_cycle - 1) / vm->host->ticks_per_cycle);
}

/* ---- What hypervisors ask ---- */

struct host *vm_host(struct vm *vm)
{
    return vm->host;
}

struct cpu *vm_cpu(struct vm *vm)
{
    return vm->cpu;
}

struct guest_memory *vm_memory(struct vm *vm)
{
    return &vm->memory;
}

const struct machine_memory *vm_machine(const struct vm *vm)
{
    return &vm->machine;
}

const struct host_services *vm_host_services(struct vm *vm)
{
    return vm->config.services;
}

struct board_pc *vm_board(struct vm *vm)
{
    return vm->board;
}

void vm_device_access(struct vm *vm, struct io_access *access)
{
    sync_now(vm);
    uint16_t port = (uint16_t)access->addr;
    if (access->mmio && access->write)
        board_mmio_write(vm->board, gpa(access->addr), access->size, access->value);
    else if (access->mmio)
        access->value = board_mmio_read(vm->board, gpa(access->addr), access->size);
    else if (access->write)
        board_port_write(vm->board, port, access->size, (uint32_t)access->value);
    else
        access->value = board_port_read(vm->board, port, access->size);
}

struct device *vm_device_at(struct vm *vm, const struct io_access *access, uint32_t *offset)
{
    return board_device_at(vm->board, access->mmio, access->addr, offset);
}

bool vm_stopping(const struct vm *vm)
{
    return vm->wants.reset || vm->wants.init || vm->wants.power_off || vm->wants.exit || vm->wants.stop;
}

uint32_t vm_exit_value(const struct vm *vm)
{
    return vm->exit_value;
}

void vm_ask_stop(struct vm *vm)
{
    vm->wants.stop = true;
    cpu_stop_soon(vm->cpu);
}

void vm_ask_reset(struct vm *vm)
{
    on_reset(vm);
}

/* ---- Life ---- */

/* Bare metal's map: PPN n is MPN n, with the VGA window and the space below 4 GB left out. */
static void map_ram(struct vm *vm)
{
    uint64_t ram = vm->config.board.ram_bytes;
    uint64_t low = ram < BOARD_LOW_RAM_MAX ? ram : BOARD_LOW_RAM_MAX;
    guest_memory_map(&vm->memory, &vm->machine, (ppn_t){0}, (mpn_t){0}, low >> PAGE_SHIFT);
    guest_memory_unmap(&vm->memory, (ppn_t){BOARD_VGA_MEMORY >> PAGE_SHIFT}, 0x20000 >> PAGE_SHIFT);
    if (ram > low)
        guest_memory_map(&vm->memory, &vm->machine, (ppn_t){BOARD_HIGH_RAM >> PAGE_SHIFT},
                         (mpn_t){low >> PAGE_SHIFT}, (ram - low) >> PAGE_SHIFT);
}

static enum status create_memory(struct vm *vm, struct error *err)
{
    uint64_t ram = vm->config.board.ram_bytes;
    if (ram < RAM_MIN || ram & PAGE_MASK)
        return status_fail(err, STATUS_BAD_INPUT, "a guest needs at least 2 MB of memory, in whole pages");
    uint64_t top = ram <= BOARD_LOW_RAM_MAX ? ram : BOARD_HIGH_RAM + (ram - BOARD_LOW_RAM_MAX);
    /* The monitor's own frames (shadow page tables) come out of the host's memory beside the guest's. */
    TRY(machine_memory_create(&vm->machine, ram + ram / 8 + (32u << 20), err));
    return guest_memory_create(&vm->memory, top, err);
}

static enum status create_cpu(struct vm *vm, struct error *err)
{
    struct cpu_config config = {.model = vm->config.model,
                                .hz = vm->host->hz,
                                .fast_paths = vm->config.fast_paths,
                                .random_seed = vm->config.random_seed,
                                .no_apic = vm->config.board.no_apic,
                                /* A monitor's tables are found by the guest's CR3, and know no PCIDs. */
                                .no_pcid = vm->hv->translate != NULL};
    unsigned kernel_milli = vm->hv->kernel_cost_milli ? vm->hv->kernel_cost_milli(vm->hv_ctx) : 1000;
    struct timing_config timing = {.machine = vm->machine.base};
    if (vm->config.caches) {
        TRY(timing_from_costs(vm->host->costs, &timing, err));
        timing_cost_cpu(vm->host->costs, kernel_milli, config.cost);
        config.timing = &timing;
    } else {
        cost_table_cpu(vm->host->costs, kernel_milli, config.cost);
    }
    if (vm->config.translator != NULL)
        config.engine_bytes = translator_room();
    vm->cpu = cpu_create(&config, &vm->memory, &vm->bus, vm->log);
    vm->host->cpu = vm->cpu;
    if (vm->config.translator != NULL)
        TRY(translator_create(&vm->translator, vm->cpu, vm->config.translator, err));
    if (vm->config.probe == NULL || !probe_wanted(vm->config.probe))
        return STATUS_OK;
    return probes_create(&vm->probes, vm->config.probe, vm->host, &vm->machine, vm->config.kernel, err);
}

enum status vm_create(struct vm **out, const struct vm_config *config, struct error *err)
{
    static const struct dma_ops dma = {.read = on_dma_read, .write = on_dma_write};
    static const struct board_outputs outputs = {
        .intr = on_intr,
        .nmi = on_nmi,
        .init = on_init,
        .reset = on_reset,
        .a20 = on_a20,
        .power_off = on_power_off,
        .guest_exit = on_guest_exit,
    };
    *out = NULL;
    struct vm *vm = xcalloc(1, sizeof *vm);
    vm->config = *config;
    if (!cpu_model_has_apic(config->model))
        vm->config.board.no_apic = true;
    vm->host = config->host;
    vm->queue = config->host->queue;
    vm->log = config->host->log;
    enum status status = hypervisor_choose(config->hypervisor, &vm->hv, err);
    if (status == STATUS_OK)
        status = create_memory(vm, err);
    if (status == STATUS_OK) {
        map_ram(vm);
        fill_bus(vm);
        status = vm->hv->create(vm, config->hypervisor_options, &vm->hv_ctx, err);
    }
    if (status == STATUS_OK)
        status = create_cpu(vm, err);
    if (status != STATUS_OK) {
        vm_destroy(vm);
        return status;
    }
    vm->queue->sooner = on_sooner;
    vm->queue->sooner_ctx = vm;
    if (vm->config.board.bus_hz == 0)
        vm->config.board.bus_hz = cpu_model_bus_hz(vm->config.model);
    if (vm->config.board.serial_pace == UART_PACE_DEFAULT)
        vm->config.board.serial_pace = vm->hv->virtual_serial ? UART_PACE_INSTANT : UART_PACE_BAUD;
    vm->board = board_create(&vm->config.board, &outputs, vm, vm->queue, vm->log, &dma, vm);
    *out = vm;
    return STATUS_OK;
}

void vm_destroy(struct vm *vm)
{
    if (vm == NULL)
        return;
    if (vm->board != NULL) {
        vm->queue->sooner = NULL;
        board_destroy(vm->board);
    }
    if (vm->cpu != NULL) {
        probes_destroy(vm->probes);
        translator_destroy(vm->translator);
        cpu_destroy(vm->cpu);
    }
    if (vm->hv != NULL && vm->hv->destroy != NULL && vm->hv_ctx != NULL)
        vm->hv->destroy(vm->hv_ctx);
    guest_memory_destroy(&vm->memory);
    machine_memory_destroy(&vm->machine);
    free(vm);
}

enum status vm_boot(struct vm *vm, struct error *err)
{
    board_firmware_init(vm->board);
    firmware_cpu_init(vm->cpu);
    if (vm->config.kernel == NULL)
        return STATUS_OK;
    struct board_range ranges[BOARD_RANGES_MAX];
    struct boot_config boot = {
        .kernel = vm->config.kernel,
        .initrd = vm->config.initrd,
        .cmdline = vm->config.cmdline,
        .ranges = ranges,
        .range_count = board_memory_map(&vm->config.board, ranges),
        .rsdp = board_rsdp(vm->board),
    };
    return loader_boot(&boot, &vm->memory, vm->cpu, err);
}

const struct translator *vm_translator(const struct vm *vm)
{
    return vm->translator;
}

const struct probes *vm_probes(const struct vm *vm)
{
    return vm->probes;
}

static bool frame_is_zero(const uint8_t *frame)
{
    uint64_t first;
    memcpy(&first, frame, sizeof first);
    return first == 0 && memcmp(frame, frame + sizeof first, PAGE_SIZE - sizeof first) == 0;
}

/* Frames of zeros count as nothing, so that memory that the guest never touched need not be looked at. */
static uint64_t memory_hash(const struct vm *vm, uint64_t hash)
{
    bool *touched = machine_memory_touched(&vm->machine);
    for (uint64_t page = 0; page < vm->memory.pages; page++) {
        const uint8_t *frame = vm->memory.frame[page];
        if (frame == NULL || !touched[(uint64_t)(frame - vm->machine.base) >> PAGE_SHIFT])
            continue;
        if (!frame_is_zero(frame))
            hash = hash_bytes(frame, PAGE_SIZE, hash + page);
    }
    free(touched);
    return hash;
}

uint64_t vm_state_hash(struct vm *vm)
{
    uint64_t hash = memory_hash(vm, cpu_state_hash(vm->cpu, 0));
    for (unsigned i = 0; i < board_device_count(vm->board); i++) {
        struct device *device = board_device(vm->board, i);
        hash = hash_bytes(device_state(device), device->cls->state_size, hash);
    }
    return hash;
}

/* ---- The run loop ---- */

/* Start over, as the reset button would: whatever the guest pulled, all chips and the processor get RESET, as
 * from a BIOS that resets the machine when it finds itself started by INIT. Memory keeps what the loader does
 * not overwrite. The files were readable before; if one no longer is, the machine stays off. */
static bool restart(struct vm *vm)
{
    struct error err;
    if (vm->probes != NULL)
        probes_reset(vm->probes);
    board_reset(vm->board);
    cpu_reset(vm->cpu, true);
    if (vm_boot(vm, &err) == STATUS_OK)
        return true;
    log_line(vm->log, LOG_GUEST_ERROR, "reset: %s", err.text);
    return false;
}

/* Serve what devices asked for; true = leave vm_run with *stop. */
static bool serve_wants(struct vm *vm, enum vm_stop *stop)
{
    if (vm->wants.power_off || vm->wants.exit || vm->wants.stop) {
        *stop = vm->wants.power_off ? VM_STOP_POWER_OFF : vm->wants.exit ? VM_STOP_EXIT : VM_STOP_ASKED;
        memset(&vm->wants, 0, sizeof vm->wants);
        return true;
    }
    if (vm->wants.reset || (vm->wants.init && vm->config.no_reboot)) {
        memset(&vm->wants, 0, sizeof vm->wants);
        *stop = VM_STOP_RESET;
        return vm->config.no_reboot || !restart(vm);
    }
    if (vm->wants.init) { /* without firmware to run, an INIT of the only processor is a reset */
        vm->wants.init = false;
        *stop = VM_STOP_RESET;
        return !restart(vm);
    }
    return false;
}

/* The guest is halted. True = leave vm_run with *stop. */
static bool pass_halted_time(struct vm *vm, cycle_t limit, enum vm_stop *stop)
{
    if (!vm->halting && cpu_wakes(vm->cpu))
        return false;
    *stop = VM_STOP_DEAD;
    if (!(vm->cpu->s.rflags & FLAG_IF))
        return true;
    if (vm->hv->halt != NULL) {
        if (!vm->halting)
            vm_visit_begin(vm, (enum vm_exit)CPU_EXIT_HLT, 0);
        vm->halting = !vm->hv->halt(vm->hv_ctx, limit);
        if (!vm->halting)
            vm_visit_end(vm);
        *stop = VM_STOP_LIMIT;
        return vm->halting;
    }
    return !host_idle_until_event(vm->host, STEP_IDLE, limit) && event_queue_next(vm->queue) == TICK_NEVER;
}

static bool host_interrupts_wait(const struct vm *vm)
{
    return vm->host->irq_pending != 0 && vm->hv->host_interrupt != NULL;
}

static void take_host_interrupts(struct vm *vm)
{
    if (!host_interrupts_wait(vm))
        return;
    vm_visit_begin(vm, VM_EXIT_HOST_IRQ, vm->host->irq_pending);
    vm_visit_end(vm); /* which takes them */
}

static cycle_t next_deadline(const struct vm *vm, cycle_t limit)
{
    tick_t next = event_queue_next(vm->queue);
    if (vm->probes != NULL && probes_due(vm->probes) < limit)
        limit = probes_due(vm->probes);
    if (next == TICK_NEVER)
        return limit;
    cycle_t cycle = next / vm->host->ticks_per_cycle + (next % vm->host->ticks_per_cycle != 0);
    return cycle < limit ? cycle : limit;
}

enum vm_stop vm_run(struct vm *vm, cycle_t limit)
{
    enum vm_stop stop = VM_STOP_LIMIT;
    for (;;) {
        if (vm->halting && pass_halted_time(vm, limit, &stop))
            return stop;
        host_run_events(vm->host);
        take_host_interrupts(vm);
        if (serve_wants(vm, &stop))
            return stop;
        if (host_now(vm->host) >= limit)
            return VM_STOP_LIMIT;
        if (host_interrupts_wait(vm)) /* raised while the guest was about to go on */
            continue;
        enum cpu_stop why = cpu_run(vm->cpu, next_deadline(vm, limit));
        if (vm->probes != NULL && host_now(vm->host) >= probes_due(vm->probes))
            probes_run(vm->probes);
        host_account_guest(vm->host, vm->cpu->cpl);
        if (why == CPU_STOP_SHUTDOWN) {
            log_line(vm->log, LOG_CPU_RESET, "triple fault");
            if (vm->config.no_reboot || !restart(vm))
                return VM_STOP_SHUTDOWN;
        }
        if (why == CPU_STOP_HALTED && pass_halted_time(vm, limit, &stop))
            return stop;
    }
}
