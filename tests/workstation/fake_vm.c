/* See fake_vm.h. Defines the functions that vmm/vm.c otherwise gives to hypervisors. */
#include "tests/workstation/fake_vm.h"

#include "devices/pcnet.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* ---- What hypervisors ask of a VM ---- */

struct host *vm_host(struct vm *vm)
{
    return &vm->host;
}

struct cpu *vm_cpu(struct vm *vm)
{
    return &vm->cpu;
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
    return hosted_services(vm->hosted);
}

void vm_visit_begin(struct vm *vm, enum vm_exit exit, uint64_t detail)
{
    recorder_visit(vm->recorder, (unsigned)exit, detail, 0);
}

void vm_visit_end(struct vm *vm)
{
    recorder_resume(vm->recorder);
}

bool vm_stopping(const struct vm *vm)
{
    (void)vm;
    return false;
}

bool cpu_wakes(const struct cpu *cpu)
{
    return cpu->s.intr_line != 0;
}

struct device *vm_device_at(struct vm *vm, const struct io_access *access, uint32_t *offset)
{
    if (access->addr >= FAKE_NIC_PORT && access->addr < FAKE_NIC_PORT + 32) {
        *offset = (uint32_t)(access->addr - FAKE_NIC_PORT);
        return vm->nic;
    }
    *offset = access->addr == FAKE_PIC_PORT + 1;
    return (access->addr & ~UINT64_C(1)) == FAKE_PIC_PORT ? &vm->pic
           : access->addr == FAKE_SERIAL_PORT             ? &vm->serial
                                                          : NULL;
}

void vm_device_access(struct vm *vm, struct io_access *access)
{
    uint32_t offset;
    struct device *device = vm_device_at(vm, access, &offset);
    host_sync(&vm->host);
    if (device != vm->nic) {
        access->value = access->write ? access->value : 0xFF;
        return;
    }
    const struct io_window *window = &device->cls->windows[PCNET_WINDOW_IO];
    if (access->write)
        window->write(device, offset, access->size, access->value);
    else
        access->value = window->read(device, offset, access->size);
}

/* ---- A wire that takes 100 Mb/s worth of time and keeps the last frame ---- */

static void wire_attach(void *ctx, const struct net_port_ops *port, void *nic)
{
    struct fake_wire *wire = ctx;
    wire->port = port;
    wire->nic = nic;
}

static void wire_send(void *ctx, const struct frame *frame)
{
    struct fake_wire *wire = ctx;
    wire->frames++;
    wire->last = *frame;
    wire->when = wire->queue->now;
    event_schedule(wire->queue, &wire->sent,
                   wire->when + ticks_from(wire->queue, frame->size * 8, 100000000));
}

static void wire_sent(struct event *event, tick_t late)
{
    (void)late;
    struct fake_wire *wire = CONTAINER_OF(event, struct fake_wire, sent);
    wire->port->sent(wire->nic);
}

/* ---- Life ---- */

static void on_dma_read(void *ctx, gpa_t addr, void *to, size_t size)
{
    cr_expect(memory_read(&((struct vm *)ctx)->memory, addr, to, size));
}

static void on_dma_write(void *ctx, gpa_t addr, const void *from, size_t size)
{
    cr_expect(memory_write(&((struct vm *)ctx)->memory, addr, from, size));
}

/* The chip's interrupt pin drives the virtual CPU directly. */
static void on_intx(void *ctx, uint8_t slot, uint8_t pin, bool level)
{
    (void)slot;
    (void)pin;
    ((struct vm *)ctx)->cpu.s.intr_line = level;
}

static void create_host(struct vm *vm, const char *trace)
{
    event_queue_init(&vm->queue, vm->costs.cpu_hz);
    const struct recorder_config recording = {.steps = vm->costs.steps,
                                              .step_count = COST_STEP_COUNT,
                                              .exit_count = VM_EXIT_COUNT,
                                              .exit_names = vm_exit_names,
                                              .hz = vm->costs.cpu_hz,
                                              .ticks_per_cycle = 1};
    struct error err;
    vm->recorder = recorder_create(&recording);
    if (trace != NULL)
        cr_assert_eq(recorder_open(vm->recorder, trace, &err), STATUS_OK);
    vm->host = (struct host){.queue = &vm->queue,
                             .hz = vm->costs.cpu_hz,
                             .ticks_per_cycle = 1,
                             .costs = &vm->costs,
                             .recorder = vm->recorder,
                             .cpu = &vm->cpu,
                             .next_frame_id = &vm->next_frame_id};
}

struct vm *fake_vm_create(const char *profile, const char *const *overrides, const char *trace)
{
    return fake_vm_create_with(profile, overrides, trace, "");
}

static struct vm *create(const char *profile, const char *const *overrides, const char *trace,
                         const char *options, struct hosted_config hosted)
{
    static const struct dma_ops dma = {.read = on_dma_read, .write = on_dma_write};
    static const struct net_backend_ops wire_ops = {.attach = wire_attach, .send = wire_send};
    static const struct device_class pic = {.name = "i8259"}, serial = {.name = "uart16550"};
    struct vm *vm = calloc(1, sizeof *vm);
    struct error err = {{0}};
    cr_assert_eq(cost_table_load(&vm->costs, profile, &err), STATUS_OK, "%s", err.text);
    for (; overrides != NULL && *overrides != NULL; overrides++)
        cr_assert_eq(cost_table_override(&vm->costs, *overrides, &err), STATUS_OK, "%s", err.text);
    create_host(vm, trace);
    cr_assert_eq(machine_memory_create(&vm->machine, FAKE_MACHINE, &err), STATUS_OK);
    cr_assert_eq(guest_memory_create(&vm->memory, FAKE_RAM, &err), STATUS_OK);
    guest_memory_map(&vm->memory, &vm->machine, (ppn_t){0}, (mpn_t){0}, FAKE_RAM >> PAGE_SHIFT);
    vm->pic.cls = &pic;
    vm->serial.cls = &serial;
    vm->wire.queue = &vm->queue;
    event_init(&vm->wire.sent, "wire", EVENT_ORDER_WIRE, wire_sent);
    static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
    hosted.host = &vm->host;
    hosted.wire = (struct net_backend){.ops = &wire_ops, .ctx = &vm->wire};
    memcpy(hosted.vm_mac, mac, sizeof mac);
    vm->hosted = hosted_create(&hosted);
    vm->env = (struct device_env){.queue = &vm->queue, .dma = &dma, .dma_ctx = vm};
    const struct pcnet_config nic = {.mac = {2, 0, 0, 0, 0, 1}};
    struct net_backend backend = hosted_backend(vm->hosted);
    vm->nic = pcnet_create(&vm->env, &nic, &backend);
    struct pci_function *function = pcnet_pci(vm->nic);
    pci_bus_init(&vm->pci, NULL, NULL, NULL);
    vm->pci.intx = on_intx;
    vm->pci.intx_ctx = vm;
    pci_attach(&vm->pci, function, 3, 0);
    function->config->bytes[4] = 4; /* bus master; the windows are reached without the bus */
    vm->hv = hypervisor_find("workstation");
    cr_assert_eq(vm->hv->create(vm, options, &vm->hv_ctx, &err), STATUS_OK, "%s", err.text);
    return vm;
}

struct vm *fake_vm_create_with(const char *profile, const char *const *overrides, const char *trace,
                               const char *options)
{
    return create(profile, overrides, trace, options, (struct hosted_config){.host = NULL});
}

struct vm *fake_vm_create_hosted(const char *profile, const char *options, struct hosted_config hosted)
{
    return create(profile, NULL, NULL, options, hosted);
}

void fake_vm_destroy(struct vm *vm)
{
    tick_t sum = 0;
    for (unsigned i = 0; i < COST_STEP_COUNT; i++)
        sum += recorder_total(vm->recorder, i).ticks;
    cr_expect_eq(sum, host_tick(&vm->host), "all steps sum to the clock");
    vm->hv->destroy(vm->hv_ctx);
    vm->nic->cls->destroy(vm->nic);
    hosted_destroy(vm->hosted);
    struct error err;
    cr_expect_eq(recorder_close(vm->recorder, &err), STATUS_OK);
    recorder_destroy(vm->recorder);
    guest_memory_destroy(&vm->memory);
    machine_memory_destroy(&vm->machine);
    event_queue_destroy(&vm->queue);
    free(vm);
}

uint64_t fake_in(struct vm *vm, uint16_t port, unsigned size)
{
    struct io_access access = {.addr = port, .size = size};
    vm_visit_begin(vm, VM_EXIT_IN, port);
    vm->hv->io(vm->hv_ctx, &access);
    vm_visit_end(vm);
    return access.value;
}

void fake_out(struct vm *vm, uint16_t port, unsigned size, uint64_t value)
{
    struct io_access access = {.write = true, .addr = port, .size = size, .value = value};
    vm_visit_begin(vm, VM_EXIT_OUT, port);
    vm->hv->io(vm->hv_ctx, &access);
    vm_visit_end(vm);
}

/* ---- The Lance ---- */

enum { INIT_BLOCK = 0x1000, RX_RING = 0x2000, TX_RING = 0x3000, RX_BUFFERS = 0x10000, TX_BUFFERS = 0x20000 };
enum { BUFFER = 0x1000, SLOTS = 4 };

void lance_write_csr(struct vm *vm, unsigned csr, unsigned value)
{
    fake_out(vm, LANCE_RAP, 2, csr);
    fake_out(vm, LANCE_RDP, 2, value);
}

uint64_t lance_read_csr(struct vm *vm, unsigned csr)
{
    fake_out(vm, LANCE_RAP, 2, csr);
    return fake_in(vm, LANCE_RDP, 2);
}

static void put32(struct vm *vm, uint64_t addr, uint32_t value)
{
    cr_assert(memory_write(&vm->memory, gpa(addr), &value, 4));
}

/* Software style 2: 32-bit structures (Am79C970A data sheet, "Initialization block", "Descriptor tables"). */
void lance_start(struct vm *vm)
{
    put32(vm, INIT_BLOCK, 2u << 20 | 2u << 28); /* four descriptors in each ring */
    put32(vm, INIT_BLOCK + 4, 0x00000002);      /* 02:00:00:00:00:01 */
    put32(vm, INIT_BLOCK + 8, 0x00000100);
    put32(vm, INIT_BLOCK + 12, 0);
    put32(vm, INIT_BLOCK + 16, 0);
    put32(vm, INIT_BLOCK + 20, RX_RING);
    put32(vm, INIT_BLOCK + 24, TX_RING);
    for (unsigned i = 0; i < SLOTS; i++) {
        put32(vm, RX_RING + 16 * i, RX_BUFFERS + BUFFER * i);
        put32(vm, RX_RING + 16 * i + 4, 0x80000000u | (0xF000u | (4096u - 2048u)));
        put32(vm, RX_RING + 16 * i + 8, 0);
        put32(vm, TX_RING + 16 * i + 4, 0);
    }
    lance_write_csr(vm, 58, 2);     /* software style */
    lance_write_csr(vm, 4, 0x1000); /* no transmit polling */
    lance_write_csr(vm, 1, INIT_BLOCK);
    lance_write_csr(vm, 2, 0);
    lance_write_csr(vm, 0, 0x0001); /* INIT */
    for (int i = 0; i < 100 && !(lance_read_csr(vm, 0) & 0x100); i++)
        ;
    lance_write_csr(vm, 0, 0x0142); /* IDON acknowledged, INEA, STRT */
}

void lance_queue(struct vm *vm, unsigned slot, uint32_t size)
{
    put32(vm, TX_RING + 16 * slot, TX_BUFFERS + BUFFER * slot);
    put32(vm, TX_RING + 16 * slot + 8, 0);
    put32(vm, TX_RING + 16 * slot + 4, 0x83000000u | 0xF000u | (4096 - size)); /* OWN, STP, ENP */
}

void move_after_tick(struct vm *vm)
{
    cr_assert(host_idle_until_event(&vm->host, STEP_IDLE, TICK_NEVER));
    if (vm->host.irq_pending)
        vm->hv->host_interrupt(vm->hv_ctx);
}

uint64_t step_count(const struct vm *vm, enum cost_id id)
{
    uint64_t count = 0;
    for (unsigned i = RECORDER_FIRST_COST; i < COST_STEP_COUNT; i++)
        if (vm->costs.steps[i].name == vm->costs.steps[RECORDER_FIRST_COST + id].name)
            count += recorder_total(vm->recorder, i).count;
    return count;
}

uint64_t step_centi_us(const struct vm *vm, enum cost_id id)
{
    tick_t ticks = 0;
    for (unsigned i = RECORDER_FIRST_COST; i < COST_STEP_COUNT; i++)
        if (vm->costs.steps[i].name == vm->costs.steps[RECORDER_FIRST_COST + id].name)
            ticks += recorder_total(vm->recorder, i).ticks;
    return (ticks * 100000000 + vm->costs.cpu_hz / 2) / vm->costs.cpu_hz;
}
