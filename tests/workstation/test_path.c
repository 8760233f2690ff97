/* The hosted monitor's paths against the paper's figures (Sugerman 2001, Figure 5, Table 1, sections 2 and
 * 3). */
#include "tests/workstation/fake_vm.h"

#include "traces/reader.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIZE = 1520 };

static uint64_t now_centi_us(const struct vm *vm)
{
    return (host_tick(&vm->host) * 100000000 + vm->costs.cpu_hz / 2) / vm->costs.cpu_hz;
}

Test(path, the_transmitting_out_takes_figure_5_time)
{
    struct vm *vm = fake_vm_create("pc-733", NULL, NULL);
    lance_start(vm);
    move_after_tick(vm);
    lance_queue(vm, 0, SIZE);
    fake_out(vm, LANCE_RAP, 2, 0);
    uint64_t before = now_centi_us(vm);
    fake_out(vm, LANCE_RDP, 2, 0x0048);
    uint64_t took = now_centi_us(vm) - before;
    cr_expect_geq(took, 3163 - 1);
    cr_expect_leq(took, 3163 + 4, "%llu: each of 17 charges rounds up by less than a cycle",
                  (unsigned long long)took);
    cr_expect(lance_read_csr(vm, 0) & 0x200, "the chip reports TINT");
    move_after_tick(vm);
    cr_expect_eq(vm->wire.frames, 1);
    cr_expect_eq(vm->wire.last.size, SIZE);
    fake_vm_destroy(vm);
}

/* The segments of Figure 5 as layers, left to right, with their hundredths of a microsecond. */
static const struct {
    const char *layers; /* comma-separated: consecutive spans that belong to it */
    unsigned centi_us;
} figure_5[] = {
    {"monitor", 57},         {"world switch", 445},
    {"VMDriver,VMApp", 123}, {"host kernel,VMNet,host NIC driver", 1755},
    {"VMApp,VMDriver", 297}, {"world switch", 445},
    {"monitor", 41},
};

Test(path, the_segments_come_in_figure_5_order)
{
    char path[] = "/tmp/crosspage-path-XXXXXX";
    int fd = mkstemp(path);
    close(fd);
    struct vm *vm = fake_vm_create("pc-733", NULL, path);
    lance_start(vm);
    move_after_tick(vm);
    lance_queue(vm, 0, SIZE);
    fake_out(vm, LANCE_RAP, 2, 0);
    tick_t begin = host_tick(&vm->host);
    fake_out(vm, LANCE_RDP, 2, 0x0048);
    tick_t end = host_tick(&vm->host);
    uint64_t hz = vm->costs.cpu_hz;
    fake_vm_destroy(vm);

    struct trace_reader *reader;
    struct trace_record record;
    struct error err = {{0}};
    cr_assert_eq(trace_open(&reader, path, &err), STATUS_OK, "%s", err.text);
    unsigned segment = 0;
    tick_t sum = 0, marks[PACKET_MARK_COUNT] = {0};
    do {
        cr_assert_eq(trace_next(reader, &record, &err), STATUS_OK, "%s", err.text);
        if (record.tag == TRACE_PACKET)
            marks[record.mark] = record.when;
        if (record.tag != TRACE_SPAN || record.begin < begin || record.begin >= end)
            continue;
        const char *layer = layer_name(trace_step(reader, record.step)->layer);
        if (strstr(figure_5[segment].layers, layer) == NULL) {
            uint64_t centi = (sum * 100000000 + hz / 2) / hz;
            cr_expect(centi >= figure_5[segment].centi_us && centi <= figure_5[segment].centi_us + 2,
                      "segment %u: %llu", segment, (unsigned long long)centi);
            cr_assert_lt(++segment, ARRAY_LEN(figure_5));
            cr_expect(strstr(figure_5[segment].layers, layer) != NULL, "segment %u is %s", segment, layer);
            sum = 0;
        }
        sum += record.end - record.begin;
    } while (record.tag != TRACE_END);
    cr_expect_eq(segment, ARRAY_LEN(figure_5) - 1);
    cr_expect_eq(marks[PACKET_TX_OUT], begin);
    cr_expect_eq(marks[PACKET_TX_RESUME], end);
    cr_expect(begin < marks[PACKET_TX_BACKEND] && marks[PACKET_TX_BACKEND] < marks[PACKET_TX_NIC] &&
              marks[PACKET_TX_NIC] < end);
    trace_close(reader);
    unlink(path);
}

static tick_t switch_time(const struct vm *vm)
{
    return recorder_layer_total(vm->recorder, LAYER_SWITCH);
}

Test(path, what_runs_in_the_monitor_switches_no_world)
{
    struct vm *vm = fake_vm_create("pc-733", NULL, NULL);
    static const struct {
        uint16_t port;
        enum cost_id cost;
        unsigned centi_us;
    } rows[] = {
        {LANCE_RAP, COST_ID_VMM_IO_RAP, 74},
        {FAKE_PIC_PORT, COST_ID_VMM_IO_CHIP, 136},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        tick_t begin = host_tick(&vm->host);
        fake_in(vm, rows[i].port, 1 + (i == 0));
        fake_out(vm, rows[i].port, 1 + (i == 0), 0);
        cr_expect_eq(switch_time(vm), 0);
        cr_expect_eq(step_centi_us(vm, rows[i].cost), 2 * rows[i].centi_us);
        cr_expect_eq(recorder_total(vm->recorder, RECORDER_FIRST_COST + rows[i].cost).ticks,
                     host_tick(&vm->host) - begin, "and costs nothing else");
    }
    fake_vm_destroy(vm);
}

Test(path, a_data_port_access_switches_both_ways)
{
    struct vm *vm = fake_vm_create("pc-733", NULL, NULL);
    fake_out(vm, LANCE_RAP, 2, 0);
    tick_t begin = host_tick(&vm->host);
    fake_in(vm, LANCE_RDP, 2);
    uint64_t took = ((host_tick(&vm->host) - begin) * 100000000) / vm->costs.cpu_hz;
    cr_expect_eq(recorder_total(vm->recorder, RECORDER_FIRST_COST + COST_ID_SWITCH_SAVE).count, 2);
    cr_expect(took >= 57 + 445 + 310 + 445 + 41 && took <= 57 + 445 + 310 + 445 + 41 + 3, "%llu",
              (unsigned long long)took);
    /* All of the VMApp's part is in the row of the status register: 3.1 us. */
    tick_t status = 0;
    for (unsigned i = 0; i < COST_STEP_COUNT; i++)
        if (vm->costs.steps[i].category == CATEGORY_LANCE_STATUS)
            status += recorder_total(vm->recorder, i).ticks;
    uint64_t centi = status * 100000000 / vm->costs.cpu_hz;
    cr_expect(centi >= 310 && centi <= 311, "%llu", (unsigned long long)centi);
    fake_vm_destroy(vm);
}

/* Figure 5 ends with the guest's next instruction; the misses of that and the following ones come behind it.
 */
Test(path, after_a_switch_the_guest_runs_cold_once)
{
    struct vm *vm = fake_vm_create("pc-733", NULL, NULL);
    fake_out(vm, LANCE_RAP, 2, 0);
    vm->hv->resumed(vm->hv_ctx);
    cr_expect_eq(step_count(vm, COST_ID_SWITCH_COLD), 0, "the monitor emulates RAP");
    fake_in(vm, LANCE_RDP, 2);
    cr_expect_eq(step_count(vm, COST_ID_SWITCH_COLD), 0);
    for (int i = 0; i < 2; i++) {
        vm->hv->resumed(vm->hv_ctx);
        cr_expect_eq(step_count(vm, COST_ID_SWITCH_COLD), 1);
    }
    fake_vm_destroy(vm);
}

Test(path, another_device_is_the_vmapps_too)
{
    struct vm *vm = fake_vm_create("pc-733", NULL, NULL);
    fake_out(vm, FAKE_SERIAL_PORT, 1, 'x');
    cr_expect_eq(recorder_total(vm->recorder, RECORDER_FIRST_COST + COST_ID_SWITCH_SAVE).count, 2);
    cr_expect_eq(recorder_total(vm->recorder, RECORDER_FIRST_COST + COST_ID_VMAPP_DEVICE).count, 1);
    fake_vm_destroy(vm);
}

/* Bring a frame from the wire up to the physical interrupt. */
static void receive(struct vm *vm, uint32_t size, bool for_vm)
{
    struct frame frame = {.id = 77, .size = size};
    static const uint8_t header[] = {2, 0, 0, 0, 0, 1};
    if (for_vm)
        memcpy(frame.data, header, sizeof header);
    host_sync(&vm->host);
    vm->wire.port->receive(vm->wire.nic, &frame);
    while (vm->host.irq_pending == 0)
        cr_assert(host_idle_until_event(&vm->host, STEP_IDLE, TICK_NEVER));
}

Test(path, a_received_frame_takes_three_handlers)
{
    struct vm *vm = fake_vm_create("pc-733", NULL, NULL);
    lance_start(vm);
    move_after_tick(vm);
    receive(vm, 60, true);
    cr_expect_eq(vm->host.world, WORLD_VMM);
    vm->hv->host_interrupt(vm->hv_ctx);
    cr_expect_eq(vm->host.world, WORLD_VMM);
    static const enum cost_id once[] = {COST_ID_VMDRIVER_REASSERT,   COST_ID_NIC_RECEIVED,
                                        COST_ID_VMNET_RECEIVE,       COST_ID_VMNET_READ,
                                        COST_ID_VMAPP_LANCE_RECEIVE, COST_ID_VMM_VIRQ_POST};
    for (size_t i = 0; i < ARRAY_LEN(once); i++) {
        unsigned expect = once[i] == COST_ID_VMDRIVER_REASSERT ? 2 : 1; /* the timer's was the first */
        cr_expect_eq(recorder_total(vm->recorder, RECORDER_FIRST_COST + once[i]).count, expect, "%s",
                     cost_name(once[i]));
    }
    cr_expect(vm->cpu.s.intr_line, "the guest is interrupted");
    cr_expect(lance_read_csr(vm, 0) & 0x400, "the chip reports RINT");
    cr_expect_eq(hosted_counters(vm->hosted).received, 1);
    fake_vm_destroy(vm);
}

Test(path, the_bridge_keeps_what_is_not_for_the_vm)
{
    struct vm *vm = fake_vm_create("pc-733", NULL, NULL);
    lance_start(vm);
    receive(vm, 60, false);
    vm->hv->host_interrupt(vm->hv_ctx);
    cr_expect_eq(hosted_counters(vm->hosted).filtered, 1);
    cr_expect_eq(recorder_total(vm->recorder, RECORDER_FIRST_COST + COST_ID_VMNET_READ).count, 0);
    fake_vm_destroy(vm);
}

Test(path, halt_blocks_until_something_for_the_guest)
{
    struct vm *vm = fake_vm_create("pc-733", NULL, NULL);
    lance_start(vm);
    move_after_tick(vm);
    tick_t begin = host_tick(&vm->host);
    /* Nothing comes: host timer interrupts do not wake the guest, the limit does. */
    cycle_t limit = host_now(&vm->host) + vm->costs.cpu_hz / 20;
    vm->hv->halt(vm->hv_ctx, limit);
    cr_expect_geq(host_now(&vm->host), limit);
    cr_expect_eq(hosted_counters(vm->hosted).ticks, 1 + 5);
    cr_expect_eq(vm->cpu.s.intr_line, 0);
    tick_t idle = recorder_total(vm->recorder, STEP_IDLE).ticks;
    cr_expect_gt(idle, (host_tick(&vm->host) - begin) * 9 / 10);
    /* A frame wakes it. */
    struct frame frame = {.id = 78, .size = 60, .data = {2, 0, 0, 0, 0, 1}};
    host_sync(&vm->host);
    vm->wire.port->receive(vm->wire.nic, &frame);
    vm->hv->halt(vm->hv_ctx, TICK_NEVER);
    cr_expect(vm->cpu.s.intr_line);
    fake_vm_destroy(vm);
}

/* Where a run's limit cuts a wait must not matter. */
Test(path, a_wait_may_be_cut_anywhere)
{
    cycle_t end[2];
    for (int cut = 0; cut < 2; cut++) {
        struct vm *vm = fake_vm_create("pc-733", NULL, NULL);
        struct frame frame = {.size = 60, .data = {2, 0, 0, 0, 0, 1}};
        lance_start(vm);
        host_sync(&vm->host);
        vm->wire.port->receive(vm->wire.nic, &frame);
        cycle_t limit = cut ? host_now(&vm->host) + 7 : TICK_NEVER;
        while (!vm->hv->halt(vm->hv_ctx, limit))
            limit += 97;
        end[cut] = host_now(&vm->host);
        fake_vm_destroy(vm);
    }
    cr_expect_eq(end[0], end[1], "%llu %llu", (unsigned long long)end[0], (unsigned long long)end[1]);
}

/* An interrupt during a world switch into the host is served there without the monitor's detour. */
Test(path, an_interrupt_in_the_switch_is_the_hosts)
{
    struct vm *vm = fake_vm_create("pc-733", NULL, NULL);
    tick_t tick = vm->costs.cpu_hz / 100;
    vm->cpu.s.clock = tick - 1000; /* the timer is due inside the switch */
    host_account_guest(&vm->host, 0);
    fake_out(vm, FAKE_SERIAL_PORT, 1, 'x');
    cr_expect_eq(hosted_counters(vm->hosted).ticks, 1);
    cr_expect_eq(recorder_total(vm->recorder, RECORDER_FIRST_COST + COST_ID_VMM_HOST_IRQ).count, 0);
    cr_expect_eq(vm->host.irq_pending, 0);
    fake_vm_destroy(vm);
}

/* A saturated transmitter keeps the wire busy and loses nothing that fits the queues; what does not is
 * counted. */
Test(path, back_to_back_frames_fill_the_wire)
{
    static const char *const fast[] = {"switch.rest=1",        "switch.fpu=1",
                                       "switch.tlb-refill=1",  "switch.cache-refill=1",
                                       "switch.tables=1",      "switch.code=1",
                                       "vmnet.copy=0",         "vmnet.alloc=1",
                                       "vmnet.bridge=1",       "host.queue=1",
                                       "nic.send=1",           "vmnet.write=1",
                                       "vmnet.write-return=1", NULL};
    struct vm *vm = fake_vm_create("pc-733", fast, NULL);
    lance_start(vm);
    for (unsigned i = 0; i < 300; i++) {
        lance_queue(vm, i % 4, SIZE);
        lance_write_csr(vm, 0, 0x0048);
    }
    struct hosted_counters counters = hosted_counters(vm->hosted);
    cr_expect_eq(counters.sent, 300);
    tick_t limit = host_tick(&vm->host) + vm->costs.cpu_hz / 10;
    while (host_tick(&vm->host) < limit) {
        host_idle_until_event(&vm->host, STEP_IDLE, limit);
        if (vm->host.irq_pending)
            vm->hv->host_interrupt(vm->hv_ctx);
    }
    counters = hosted_counters(vm->hosted);
    cr_expect_gt(counters.send_drops, 0);
    cr_expect_eq(vm->wire.frames + counters.send_drops, 300);
    fake_vm_destroy(vm);
}

/* The chip finds a frame by polling its ring, on its own clock: the VMApp has no control then and sends it
 * later. */
Test(path, a_frame_found_by_polling_waits_for_the_vmapp)
{
    struct vm *vm = fake_vm_create("pc-733", NULL, NULL);
    lance_start(vm);
    lance_write_csr(vm, 4, 0); /* transmit polling on */
    move_after_tick(vm);
    lance_queue(vm, 0, SIZE);
    unsigned interrupts = 0;
    while (vm->wire.frames == 0 && interrupts < 20) {
        cr_assert(host_idle_until_event(&vm->host, STEP_IDLE, TICK_NEVER));
        if (vm->host.irq_pending) {
            cr_expect_eq(hosted_counters(vm->hosted).sent, interrupts > 0);
            interrupts++;
            vm->hv->host_interrupt(vm->hv_ctx);
        }
    }
    cr_expect_eq(vm->wire.frames, 1);
    cr_expect(lance_read_csr(vm, 0) & 0x200);
    fake_vm_destroy(vm);
}

/* Frames as fast as a 100 Mb/s link can carry them, more than the host can take. */
struct flood {
    struct event event;
    struct vm *vm;
    unsigned left;
};

static void flood_fired(struct event *event, tick_t late)
{
    struct flood *flood = CONTAINER_OF(event, struct flood, event);
    struct frame frame = {.size = 60, .data = {2, 0, 0, 0, 0, 1}};
    (void)late;
    flood->vm->wire.port->receive(flood->vm->wire.nic, &frame);
    if (--flood->left > 0)
        event_schedule(&flood->vm->queue, event, event->when + flood->vm->costs.cpu_hz * 84 * 8 / 100000000);
}

Test(path, a_flood_neither_hangs_nor_is_lost_uncounted)
{
    for (int halted = 0; halted < 2; halted++) {
        struct vm *vm = fake_vm_create("pc-350", NULL, NULL);
        struct flood flood = {.vm = vm, .left = 5000};
        lance_start(vm);
        event_init(&flood.event, "flood", EVENT_ORDER_WIRE, flood_fired);
        host_sync(&vm->host);
        event_schedule(&vm->queue, &flood.event, vm->queue.now + 1000);
        while (flood.left > 0) {
            cycle_t limit = host_now(&vm->host) + vm->costs.cpu_hz / 1000;
            if (vm->host.world == WORLD_HOST || (halted && !vm->cpu.s.intr_line && !vm->host.irq_pending))
                vm->hv->halt(vm->hv_ctx, limit);
            else if (vm->host.irq_pending)
                vm->hv->host_interrupt(vm->hv_ctx);
            else
                host_idle_until_event(&vm->host, STEP_IDLE, limit);
        }
        for (int i = 0; i < 10; i++) {
            host_idle_until_event(&vm->host, STEP_IDLE, TICK_NEVER);
            if (vm->host.irq_pending)
                vm->hv->host_interrupt(vm->hv_ctx);
        }
        struct hosted_counters counters = hosted_counters(vm->hosted);
        uint64_t drops = counters.nic_drops + counters.vmnet_drops;
        cr_expect_gt(drops, 0);
        cr_expect_eq(counters.received + drops, 5000);
        fake_vm_destroy(vm);
    }
}

Test(path, options_are_checked)
{
    struct vm *vm = fake_vm_create("pc-733", NULL, NULL);
    void *ctx;
    struct error err = {{0}};
    cr_expect_eq(vm->hv->create(vm, "nosuch=on", &ctx, &err), STATUS_BAD_INPUT);
    cr_expect(strstr(err.text, "nosuch") != NULL);
    fake_vm_destroy(vm);
}
