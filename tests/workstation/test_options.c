/* The optimizations of the hosted monitor (Sugerman 2001, section 3): what each makes of an access, an
 * interrupt and a frame. */
#include "tests/workstation/fake_vm.h"

#include "traces/analysis.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIGURE_5 = 1520, SIZE = 1514, TDMD_INEA = 0x0048, ACKNOWLEDGE = 0x7940 };

/* Always put off, never put off. */
#define ALWAYS "send-combining=on,combine-rate=0"
#define NEVER  "send-combining=on,combine-rate=1000000"

static struct vm *start(const char *options)
{
    struct vm *vm = fake_vm_create_with("pc-733", NULL, NULL, options);
    lance_start(vm);
    move_after_tick(vm);
    return vm;
}

static uint64_t switches(const struct vm *vm)
{
    return step_count(vm, COST_ID_SWITCH_SAVE);
}

static void transmit(struct vm *vm, unsigned slot)
{
    lance_queue(vm, slot % 4, SIZE);
    lance_write_csr(vm, 0, TDMD_INEA);
}

/* ---- I/O in the VMM ---- */

Test(options, accesses_without_real_io_stay_in_the_vmm)
{
    static const struct {
        uint16_t port;
        bool write;
        unsigned rap, value, size;
        enum cost_id cost;
        unsigned centi_us; /* 0: the cost is in cycles */
    } rows[] = {
        {LANCE_RAP, true, 0, 0, 2, COST_ID_VMM_RAP_MOVE, 0},
        {LANCE_RAP, false, 0, 0, 2, COST_ID_VMM_RAP_MOVE, 0},
        {LANCE_RDP, false, 0, 0, 2, COST_ID_VMM_IO_CSR, 91},
        {LANCE_RDP, true, 0, ACKNOWLEDGE, 2, COST_ID_VMM_IO_CSR, 91},
        {LANCE_RDP, false, 4, 0, 2, COST_ID_VMM_IO_CSR, 91},
        {LANCE_RDP, true, 3, 0, 2, COST_ID_VMM_IO_CSR, 91},
        {FAKE_PIC_PORT, false, 0, 0, 1, COST_ID_VMM_IO_PIC, 78},
        {FAKE_PIC_PORT, true, 0, 0x20, 1, COST_ID_VMM_IO_PIC, 78},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct vm *vm = start("io-in-vmm=on");
        fake_out(vm, LANCE_RAP, 2, rows[i].rap);
        uint64_t before = switches(vm), count = step_count(vm, rows[i].cost);
        tick_t begin = host_tick(&vm->host),
               spent = recorder_total(vm->recorder, RECORDER_FIRST_COST + rows[i].cost).ticks;
        if (rows[i].write)
            fake_out(vm, rows[i].port, rows[i].size, rows[i].value);
        else
            fake_in(vm, rows[i].port, rows[i].size);
        tick_t took = host_tick(&vm->host) - begin;
        cr_expect_eq(switches(vm), before, "row %zu", i);
        cr_expect_eq(step_count(vm, rows[i].cost), count + 1, "row %zu", i);
        cr_expect_eq(recorder_total(vm->recorder, RECORDER_FIRST_COST + rows[i].cost).ticks - spent, took,
                     "row %zu costs nothing else", i);
        uint64_t centi = (took * 100000000 + vm->costs.cpu_hz / 2) / vm->costs.cpu_hz;
        if (rows[i].centi_us != 0)
            cr_expect_eq(centi, rows[i].centi_us, "row %zu: %llu", i, (unsigned long long)centi);
        else
            cr_expect_leq(took, 20, "a handful of instructions");
        fake_vm_destroy(vm);
    }
}

/* "Less than one tenth": 0.91 us, where a switching access takes 12.98 us. */
Test(options, a_status_access_takes_less_than_a_tenth)
{
    tick_t took[2];
    for (int on = 0; on < 2; on++) {
        struct vm *vm = start(on ? "io-in-vmm=on" : "");
        fake_out(vm, LANCE_RAP, 2, 0);
        tick_t begin = host_tick(&vm->host);
        fake_in(vm, LANCE_RDP, 2);
        took[on] = host_tick(&vm->host) - begin;
        fake_vm_destroy(vm);
    }
    cr_expect_lt(took[1] * 10, took[0]);
}

Test(options, what_starts_or_stops_the_chip_switches)
{
    static const struct {
        unsigned csr, value;
    } rows[] = {{0, 0x0004}, {0, 0x0001}, {0, 0x0002}, {0, 0x0008}, {4, 0x1000}, {15, 0}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct vm *vm = start("io-in-vmm=on");
        uint64_t before = switches(vm);
        lance_write_csr(vm, rows[i].csr, rows[i].value);
        cr_expect_eq(switches(vm), before + 2, "row %zu", i);
        fake_vm_destroy(vm);
    }
}

/* The paper: the transmitting path of the optimized build is within 100 cycles of Figure 5. */
Test(options, the_transmitting_out_stays_that_of_figure_5)
{
    static const char *const options[] = {"io-in-vmm=on", NEVER, "irq-notify=on",
                                          "version=optimized,combine-rate=1000000"};
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        struct vm *vm = start(options[i]);
        lance_queue(vm, 0, FIGURE_5);
        fake_out(vm, LANCE_RAP, 2, 0);
        tick_t begin = host_tick(&vm->host);
        fake_out(vm, LANCE_RDP, 2, TDMD_INEA);
        tick_t took = host_tick(&vm->host) - begin, figure_5 = vm->costs.cpu_hz / 1000000 * 3163 / 100;
        cr_expect(took + 100 > figure_5 && took < figure_5 + 100, "%s: %llu cycles", options[i],
                  (unsigned long long)took);
        fake_vm_destroy(vm);
    }
}

/* Twelve accesses, one interrupt: version 2.0 switches five times, I/O in the VMM once. */
Test(options, a_packet_switches_once)
{
    static const struct {
        const char *options;
        unsigned switches;
    } rows[] = {{"", 5}, {"io-in-vmm=on", 1}, {"irq-notify=on", 5}, {"io-in-vmm=on," ALWAYS, 0}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct vm *vm = start(rows[i].options);
        uint64_t before = switches(vm);
        transmit(vm, 0);
        fake_in(vm, LANCE_RAP, 2);
        uint64_t csr0 = lance_read_csr(vm, 0);
        lance_write_csr(vm, 0, (unsigned)csr0 & ~0x004fu);
        lance_read_csr(vm, 0);
        lance_write_csr(vm, 0, ACKNOWLEDGE);
        fake_out(vm, LANCE_RAP, 2, 0);
        cr_expect_eq(switches(vm) - before, 2 * rows[i].switches, "row %zu: %llu", i,
                     (unsigned long long)(switches(vm) - before));
        fake_vm_destroy(vm);
    }
}

/* ---- Send combining ---- */

static uint64_t sent(const struct vm *vm)
{
    return hosted_counters(vm->hosted).sent;
}

Test(options, the_frame_after_the_limit_takes_all_along)
{
    static const unsigned limits[] = {1, 2, 3};
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        char options[64];
        snprintf(options, sizeof options, "io-in-vmm=on," ALWAYS ",combine-limit=%u", limits[i]);
        struct vm *vm = start(options);
        lance_write_csr(vm, 4, 0x1004); /* no polling, no interrupt when a transmission starts */
        uint64_t before = switches(vm);
        for (unsigned n = 0; n < limits[i]; n++) {
            transmit(vm, n);
            cr_expect_eq(switches(vm), before, "limit %u, frame %u", limits[i], n);
            cr_expect_eq(sent(vm), 0);
            cr_expect_eq(vm->cpu.s.intr_line, 0);
        }
        transmit(vm, limits[i]);
        cr_expect_eq(switches(vm), before + 2, "limit %u", limits[i]);
        cr_expect_eq(sent(vm), limits[i] + 1);
        /* One interrupt for the batch: acknowledged once, it is gone. */
        cr_expect(vm->cpu.s.intr_line);
        lance_write_csr(vm, 0, 0x0240);
        cr_expect_eq(vm->cpu.s.intr_line, 0);
        cr_expect_eq(lance_read_csr(vm, 0) & 0x200, 0);
        fake_vm_destroy(vm);
    }
}

Test(options, interrupt_enable_takes_effect_at_once)
{
    struct vm *vm = start(ALWAYS ",io-in-vmm=on");
    lance_write_csr(vm, 0, 0);
    cr_expect_eq(lance_read_csr(vm, 0) & 0x40, 0);
    transmit(vm, 0);
    cr_expect_eq(lance_read_csr(vm, 0) & 0x40, 0x40);
    cr_expect_eq(sent(vm), 0);
    fake_vm_destroy(vm);
}

/* Bring a frame for the VM from the wire up to the physical interrupt. */
static void receive(struct vm *vm)
{
    struct frame frame = {.id = 77, .size = 60, .data = {2, 0, 0, 0, 0, 1}};
    host_sync(&vm->host);
    vm->wire.port->receive(vm->wire.nic, &frame);
    while (vm->host.irq_pending == 0)
        cr_assert(host_idle_until_event(&vm->host, STEP_IDLE, TICK_NEVER));
}

static void by_interrupt(struct vm *vm)
{
    receive(vm);
    vm->hv->host_interrupt(vm->hv_ctx);
}

static void by_tick(struct vm *vm)
{
    uint64_t ticks = hosted_counters(vm->hosted).ticks;
    while (vm->host.irq_pending == 0)
        cr_assert(host_idle_until_event(&vm->host, STEP_IDLE, TICK_NEVER));
    vm->hv->host_interrupt(vm->hv_ctx);
    cr_expect_eq(hosted_counters(vm->hosted).ticks, ticks + 1);
}

static void by_other_device(struct vm *vm)
{
    fake_out(vm, FAKE_SERIAL_PORT, 1, 'x');
}

static void by_halt(struct vm *vm)
{
    vm->hv->halt(vm->hv_ctx, host_now(&vm->host) + 100000);
}

Test(options, waiting_frames_go_when_the_vmapp_has_control)
{
    static const struct {
        const char *name;
        void (*act)(struct vm *vm);
    } ways[] = {
        {"interrupt", by_interrupt}, {"tick", by_tick}, {"device", by_other_device}, {"HLT", by_halt}};
    for (size_t i = 0; i < ARRAY_LEN(ways); i++)
        for (unsigned count = 1; count <= 3; count++) {
            struct vm *vm = start("io-in-vmm=on," ALWAYS);
            for (unsigned n = 0; n < count; n++)
                transmit(vm, n);
            cr_expect_eq(sent(vm), 0);
            tick_t begin = host_tick(&vm->host);
            ways[i].act(vm);
            cr_expect_eq(sent(vm), count, "%s", ways[i].name);
            cr_expect(vm->cpu.s.intr_line, "%s: the guest is told", ways[i].name);
            cr_expect_leq(host_tick(&vm->host) - begin, vm->costs.cpu_hz / 100 + vm->costs.cpu_hz / 2000,
                          "%s: no more than a tick, and the work", ways[i].name);
            fake_vm_destroy(vm);
        }
}

/* Below the rate each frame goes at once; after a while above it, it waits; after a rest it goes at once
 * again. */
Test(options, combining_depends_on_the_rate_of_switches)
{
    struct vm *vm = start("io-in-vmm=on,send-combining=on,combine-rate=500");
    transmit(vm, 0);
    cr_expect_eq(sent(vm), 1);
    /* 4000 switches a second for 50 ms. */
    tick_t step = vm->costs.cpu_hz / 4000, limit = host_tick(&vm->host) + vm->costs.cpu_hz / 20;
    while (host_tick(&vm->host) < limit) {
        fake_out(vm, FAKE_SERIAL_PORT, 1, 'x');
        host_idle_until_event(&vm->host, STEP_IDLE, host_now(&vm->host) + step);
        if (vm->host.irq_pending)
            vm->hv->host_interrupt(vm->hv_ctx);
    }
    transmit(vm, 1);
    cr_expect_eq(sent(vm), 1);
    /* The timer comes for it: combining stops at once. */
    by_tick(vm);
    cr_expect_eq(sent(vm), 2);
    transmit(vm, 2);
    cr_expect_eq(sent(vm), 3);
    fake_vm_destroy(vm);
}

Test(options, the_rate_decays_without_switches)
{
    struct vm *vm = start("io-in-vmm=on,send-combining=on,combine-rate=1000,shadow=off");
    for (unsigned i = 0; i < 400; i++)
        fake_out(vm, FAKE_SERIAL_PORT, 1, 'x');
    move_after_tick(vm);
    transmit(vm, 0);
    cr_expect_eq(sent(vm), 0);
    fake_out(vm, FAKE_SERIAL_PORT, 1, 'x');
    cr_expect_eq(sent(vm), 1);
    /* A second without the monitor's world: the clock moves, nothing is switched. */
    vm->cpu.s.clock += vm->costs.cpu_hz;
    host_account_guest(&vm->host, 0);
    transmit(vm, 1);
    cr_expect_eq(sent(vm), 2);
    fake_vm_destroy(vm);
}

/* A frame that waited began its way with the guest's access, and its receipt adds up from there. */
Test(options, receipts_of_a_batch_begin_at_each_frames_access)
{
    char path[] = "/tmp/crosspage-options-XXXXXX";
    close(mkstemp(path));
    struct vm *vm = fake_vm_create_with("pc-733", NULL, path, "io-in-vmm=on," ALWAYS);
    tick_t out[4], resume[4];
    lance_start(vm);
    move_after_tick(vm);
    for (unsigned i = 0; i < 4; i++) {
        lance_queue(vm, i, SIZE);
        fake_out(vm, LANCE_RAP, 2, 0);
        out[i] = host_tick(&vm->host);
        fake_out(vm, LANCE_RDP, 2, TDMD_INEA);
        resume[i] = host_tick(&vm->host);
        vm->cpu.s.clock += 1000; /* the guest goes on */
        host_account_guest(&vm->host, 0);
    }
    fake_vm_destroy(vm);
    struct analysis analysis;
    struct error err = {{0}};
    cr_assert_eq(analysis_load(&analysis, path, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(analysis.packet_count, 4);
    for (unsigned i = 0; i < 4; i++) {
        const tick_t *mark = analysis.packets[i].mark;
        cr_expect_eq(mark[PACKET_TX_OUT], out[i], "frame %u", i);
        cr_expect_eq(mark[PACKET_TX_RESUME], resume[i], "frame %u", i);
        cr_expect(mark[PACKET_TX_BACKEND] > out[3] && mark[PACKET_TX_NIC] < resume[3], "frame %u", i);
    }
    analysis_free(&analysis);
    unlink(path);
}

/* ---- IRQ notification ---- */

Test(options, a_nic_interrupt_needs_no_select)
{
    for (int on = 0; on < 2; on++) {
        struct vm *vm = start(on ? "irq-notify=on" : "");
        uint64_t selects = step_count(vm, COST_ID_HOST_SELECT);
        by_interrupt(vm);
        cr_expect_eq(step_count(vm, COST_ID_HOST_SELECT) - selects, !on);
        cr_expect_eq(step_count(vm, COST_ID_VMAPP_NOTIFIED), (uint64_t)on);
        cr_expect_eq(step_count(vm, COST_ID_VMNET_NOTIFY), (uint64_t)on);
        cr_expect_eq(step_count(vm, COST_ID_VMNET_READ), 1);
        cr_expect(vm->cpu.s.intr_line);
        /* The timer is not the NIC. */
        selects = step_count(vm, COST_ID_HOST_SELECT);
        by_tick(vm);
        cr_expect_eq(step_count(vm, COST_ID_HOST_SELECT) - selects, 1);
        fake_vm_destroy(vm);
    }
}

Test(options, a_frame_found_by_polling_goes_with_either)
{
    struct vm *vm = start("irq-notify=on");
    lance_write_csr(vm, 4, 0); /* the chip polls its ring, when the VMApp has no control */
    lance_queue(vm, 0, SIZE);
    host_idle_until_event(&vm->host, STEP_IDLE, TICK_NEVER);
    cr_expect_eq(sent(vm), 0);
    by_interrupt(vm);
    cr_expect_eq(sent(vm), 1);
    fake_vm_destroy(vm);
}

/* ---- All together ---- */

Test(options, version_sets_the_three)
{
    struct vm *vm = start("version=optimized,combine-rate=0");
    uint64_t before = switches(vm);
    transmit(vm, 0);
    cr_expect_eq(switches(vm), before);
    by_interrupt(vm);
    cr_expect_eq(step_count(vm, COST_ID_VMAPP_NOTIFIED), 1);
    fake_vm_destroy(vm);
    vm = start("version=optimized,version=2.0");
    before = switches(vm);
    lance_read_csr(vm, 0);
    cr_expect_eq(switches(vm), before + 2);
    fake_vm_destroy(vm);
}

/* ---- HLT in the VMM ---- */

Test(options, a_spinning_halt_waits_in_the_vmm)
{
    struct vm *vm = start("halt=spin");
    uint64_t before = switches(vm);
    tick_t begin = host_tick(&vm->host), idle = recorder_total(vm->recorder, STEP_IDLE).ticks;
    /* Host timer interrupts take the whole path and do not wake the guest; the limit ends the call. */
    cycle_t limit = host_now(&vm->host) + vm->costs.cpu_hz / 20;
    cr_expect_not(vm->hv->halt(vm->hv_ctx, limit));
    cr_expect_geq(host_now(&vm->host), limit);
    cr_expect_eq(vm->host.world, WORLD_VMM);
    cr_expect_eq(hosted_counters(vm->hosted).ticks, 1 + 5);
    cr_expect_eq(switches(vm), before + 2 * 5);
    cr_expect_gt(recorder_total(vm->recorder, STEP_IDLE).ticks - idle,
                 (host_tick(&vm->host) - begin) * 9 / 10);
    cr_expect_eq(step_count(vm, COST_ID_HOST_BLOCK), 0);
    /* A frame wakes it. */
    struct frame frame = {.id = 78, .size = 60, .data = {2, 0, 0, 0, 0, 1}};
    host_sync(&vm->host);
    vm->wire.port->receive(vm->wire.nic, &frame);
    cr_expect(vm->hv->halt(vm->hv_ctx, TICK_NEVER));
    cr_expect(vm->cpu.s.intr_line);
    cr_expect_eq(step_count(vm, COST_ID_VMM_HLT_RESUME), 1);
    fake_vm_destroy(vm);
}

Test(options, a_spinning_halt_may_be_cut_anywhere)
{
    cycle_t end[2];
    for (int cut = 0; cut < 2; cut++) {
        struct vm *vm = fake_vm_create_with("pc-733", NULL, NULL, "halt=spin");
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

/* ---- Section 4 of the paper ---- */

/* The accesses of one interrupt of a guest: one of five is a move. */
Test(options, a_cheap_pic_moves_and_specialises)
{
    for (int on = 0; on < 2; on++) {
        struct vm *vm = start(on ? "pic=cheap" : "pic=full");
        fake_in(vm, FAKE_PIC_PORT + 1, 1);
        fake_out(vm, FAKE_PIC_PORT + 1, 1, 0xFF);
        fake_out(vm, FAKE_PIC_PORT, 1, 0x62);
        fake_out(vm, FAKE_PIC_PORT, 1, 0x20);
        fake_out(vm, FAKE_PIC_PORT + 1, 1, 0xF7);
        cr_expect_eq(step_count(vm, COST_ID_VMM_PIC_MOVE), (uint64_t)on);
        cr_expect_eq(step_count(vm, COST_ID_VMM_PIC_SPECIAL), on ? 4 : 0);
        cr_expect_eq(step_count(vm, COST_ID_VMM_IO_CHIP), on ? 0 : 5);
        fake_vm_destroy(vm);
    }
}

Test(options, zero_copy_sends_without_a_copy)
{
    tick_t took[2];
    for (int on = 0; on < 2; on++) {
        struct vm *vm = start(on ? "zero-copy=on" : "");
        tick_t begin = host_tick(&vm->host);
        transmit(vm, 0);
        took[on] = host_tick(&vm->host) - begin;
        cr_expect_eq(step_count(vm, COST_ID_VMNET_COPY), !on);
        cr_expect_eq(step_count(vm, COST_ID_VMNET_MAP), (uint64_t)on);
        move_after_tick(vm);
        cr_expect_eq(vm->wire.frames, 1);
        fake_vm_destroy(vm);
    }
    cr_expect_lt(took[1], took[0]);
}

Test(options, bypassing_the_host_switches_no_world)
{
    struct vm *vm = start("bypass=on");
    uint64_t before = switches(vm);
    lance_write_csr(vm, 4, 0x1004);
    transmit(vm, 0);
    cr_expect(vm->cpu.s.intr_line);
    lance_write_csr(vm, 0, 0x0240);
    cr_expect_eq(vm->cpu.s.intr_line, 0);
    by_interrupt(vm);
    cr_expect(vm->cpu.s.intr_line, "a frame has arrived");
    cr_expect(lance_read_csr(vm, 0) & 0x400);
    while (vm->host.irq_pending == 0) /* the frame that was sent leaves */
        cr_assert(host_idle_until_event(&vm->host, STEP_IDLE, TICK_NEVER));
    vm->hv->host_interrupt(vm->hv_ctx);
    cr_expect_eq(switches(vm), before);
    cr_expect_eq(vm->wire.frames, 1);
    cr_expect_eq(hosted_counters(vm->hosted).sent, 1);
    cr_expect_eq(hosted_counters(vm->hosted).received, 1);
    static const enum cost_id never[] = {COST_ID_VMNET_WRITE, COST_ID_VMNET_COPY, COST_ID_VMNET_READ,
                                         COST_ID_HOST_RECEIVE, COST_ID_HOST_QUEUE};
    for (size_t i = 0; i < ARRAY_LEN(never); i++)
        cr_expect_eq(step_count(vm, never[i]), 0, "%s", cost_name(never[i]));
    /* The timer is still the host's. */
    by_tick(vm);
    cr_expect_eq(switches(vm), before + 2);
    fake_vm_destroy(vm);
}

/* The NIC's interrupt belongs to the monitor: in the host world it waits. */
Test(options, the_monitors_interrupt_waits_for_its_world)
{
    struct vm *vm = start("bypass=on");
    transmit(vm, 0);
    lance_write_csr(vm, 0, 0x0240);
    uint64_t served = hosted_counters(vm->hosted).nic_interrupts;
    /* The frame leaves 124 us later: go there in the host world, by accesses to another device. */
    tick_t limit = host_tick(&vm->host) + vm->costs.cpu_hz / 5000;
    vm->host.world = WORLD_HOST;
    while (host_tick(&vm->host) < limit && vm->host.irq_pending == 0)
        host_idle_until_event(&vm->host, STEP_IDLE, limit);
    cr_expect_neq(vm->host.irq_pending, 0);
    cr_expect_eq(hosted_counters(vm->hosted).nic_interrupts, served);
    vm->host.world = WORLD_VMM;
    vm->hv->host_interrupt(vm->hv_ctx);
    cr_expect_eq(hosted_counters(vm->hosted).nic_interrupts, served + 1);
    cr_expect_eq(vm->host.irq_pending, 0);
    fake_vm_destroy(vm);
}

Test(options, a_frame_found_by_polling_goes_under_bypass_too)
{
    struct vm *vm = start("bypass=on");
    lance_write_csr(vm, 4, 0);
    lance_queue(vm, 0, SIZE);
    for (int i = 0; i < 4 && sent(vm) == 0; i++) {
        host_idle_until_event(&vm->host, STEP_IDLE, TICK_NEVER);
        if (vm->host.irq_pending)
            vm->hv->host_interrupt(vm->hv_ctx);
    }
    cr_expect_eq(sent(vm), 1);
    fake_vm_destroy(vm);
}

/* ---- Networks ---- */

Test(options, the_host_itself_needs_no_card)
{
    struct vm *vm = start("net=host-only");
    transmit(vm, 0);
    move_after_tick(vm);
    cr_expect_eq(vm->wire.frames, 1, "to the process at the other end");
    cr_expect_eq(step_count(vm, COST_ID_NIC_SEND), 0);
    cr_expect_eq(step_count(vm, COST_ID_VMNET_BRIDGE), 0);
    cr_expect_eq(step_count(vm, COST_ID_HOST_LOCAL_RECEIVE), 1);
    by_interrupt(vm);
    cr_expect_eq(step_count(vm, COST_ID_HOST_LOCAL_SEND), 1);
    cr_expect_eq(step_count(vm, COST_ID_NIC_IRQ), 0);
    cr_expect(vm->cpu.s.intr_line);
    fake_vm_destroy(vm);
}

/* Frames that are no IP packets end in the daemon. */
Test(options, nat_wakes_a_daemon)
{
    struct vm *vm = start("net=nat");
    transmit(vm, 0);
    cr_expect_eq(step_count(vm, COST_ID_NATD_TRANSLATE), 1);
    cr_expect_eq(step_count(vm, COST_ID_HOST_WAKE), 1);
    cr_expect_eq(step_count(vm, COST_ID_HOST_BLOCK), 1);
    cr_expect_eq(step_count(vm, COST_ID_NIC_SEND), 0);
    by_interrupt(vm);
    cr_expect_eq(step_count(vm, COST_ID_NATD_TRANSLATE), 2);
    fake_vm_destroy(vm);
}

Test(options, bypass_needs_the_wire)
{
    struct vm *vm = start("");
    static const char *const bad[] = {"bypass=on,net=nat", "net=host-only,bypass=on"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        void *ctx;
        struct error err = {{0}};
        cr_expect_eq(vm->hv->create(vm, bad[i], &ctx, &err), STATUS_BAD_INPUT);
        cr_expect(strstr(err.text, "bypass") != NULL);
    }
    fake_vm_destroy(vm);
}
