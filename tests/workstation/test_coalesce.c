/* Interrupt coalescing of the host's NIC: one interrupt for several frames, and none waits too long for it.
 */
#include "tests/workstation/fake_vm.h"

#include <criterion/criterion.h>

enum { SIZE = 1514, TDMD_INEA = 0x0048, DELAY_NS = 1000000 };

static struct vm *start(unsigned frames)
{
    struct vm *vm = fake_vm_create_hosted(
        "pc-733", "", (struct hosted_config){.coalesce_frames = frames, .coalesce_ns = DELAY_NS});
    lance_start(vm);
    move_after_tick(vm);
    return vm;
}

/* Frames number `first`, first + 1, ... */
static void transmit(struct vm *vm, unsigned first, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        lance_queue(vm, (first + i) % 4, SIZE);
        lance_write_csr(vm, 0, TDMD_INEA);
    }
}

static uint64_t interrupts(const struct vm *vm)
{
    return hosted_counters(vm->hosted).nic_interrupts;
}

/* Pass so much time in the VMM world, taking the interrupts that come. */
static void pass(struct vm *vm, uint64_t ns)
{
    tick_t limit = host_tick(&vm->host) + ticks_from(&vm->queue, ns, 1000000000);
    while (host_tick(&vm->host) < limit) {
        host_idle_until_event(&vm->host, STEP_IDLE, limit);
        if (vm->host.irq_pending)
            vm->hv->host_interrupt(vm->hv_ctx);
    }
}

Test(coalesce, an_interrupt_per_frame_without_it)
{
    for (unsigned frames = 0; frames <= 1; frames++) {
        struct vm *vm = start(frames);
        uint64_t before = interrupts(vm);
        for (unsigned i = 0; i < 4; i++) {
            transmit(vm, i, 1);
            pass(vm, 200000); /* longer than the frame takes on the wire, and than no wait */
            cr_expect_eq(interrupts(vm), before + i + 1, "frame %u", i);
        }
        fake_vm_destroy(vm);
    }
}

Test(coalesce, so_many_frames_share_one)
{
    struct vm *vm = start(4);
    uint64_t before = interrupts(vm), seen = step_count(vm, COST_ID_NIC_SENT);
    for (unsigned i = 0; i < 3; i++) {
        transmit(vm, i, 1);
        pass(vm, 200000);
    }
    cr_expect_eq(interrupts(vm), before);
    cr_expect_eq(vm->wire.frames, 3, "they left nevertheless");
    transmit(vm, 3, 1);
    pass(vm, 200000);
    cr_expect_eq(interrupts(vm), before + 1);
    cr_expect_eq(step_count(vm, COST_ID_NIC_SENT), seen + 4, "and the driver saw all");
    fake_vm_destroy(vm);
}

Test(coalesce, none_waits_longer_than_the_delay)
{
    struct vm *vm = start(100);
    uint64_t before = interrupts(vm);
    transmit(vm, 0, 2);
    pass(vm, DELAY_NS - 100000); /* and the first frame left after more than 100 us */
    cr_expect_eq(interrupts(vm), before);
    pass(vm, 300000);
    cr_expect_eq(interrupts(vm), before + 1);
    pass(vm, 3 * DELAY_NS);
    cr_expect_eq(interrupts(vm), before + 1, "one was enough for both");
    fake_vm_destroy(vm);
}

/* What is not its limit does not stop it: more frames than the driver's rings hold. */
Test(coalesce, a_flood_is_served)
{
    struct vm *vm = start(64);
    transmit(vm, 0, 200);
    pass(vm, 60000000);
    cr_expect_eq(vm->wire.frames + hosted_counters(vm->hosted).send_drops, 200);
    cr_expect_eq(step_count(vm, COST_ID_NIC_SENT), vm->wire.frames);
    fake_vm_destroy(vm);
}

/* When a frame counts as sent: interrupts `ns` after the last of `frames` transmissions. */
static uint64_t sent_by(enum host_nic_sent sent, unsigned frames, uint64_t ns)
{
    struct vm *vm = fake_vm_create_hosted("pc-733", "", (struct hosted_config){.sent = sent});
    lance_start(vm);
    move_after_tick(vm);
    uint64_t before = interrupts(vm);
    transmit(vm, 0, frames);
    pass(vm, ns);
    uint64_t count = interrupts(vm) - before;
    fake_vm_destroy(vm);
    return count;
}

/* A frame takes 16 us to be fetched and 122 us on the wire; the access that transmits it goes on for 9 us. */
Test(sent, moment)
{
    cr_expect_eq(sent_by(HOST_NIC_SENT_LEFT, 1, 100000), 0);
    cr_expect_eq(sent_by(HOST_NIC_SENT_LEFT, 1, 150000), 1);
    cr_expect_eq(sent_by(HOST_NIC_SENT_FETCHED, 1, 2000), 0);
    cr_expect_eq(sent_by(HOST_NIC_SENT_FETCHED, 1, 20000), 1);
    cr_expect_eq(sent_by(HOST_NIC_SENT_DRAINED, 1, 20000), 1);
}

/* Each frame interrupts, or only the last: the third and fourth wait for the wire before they are fetched. */
Test(sent, several)
{
    cr_expect_eq(sent_by(HOST_NIC_SENT_LEFT, 4, 1000000), 4);
    cr_expect_eq(sent_by(HOST_NIC_SENT_FETCHED, 4, 1000000), 4);
    cr_expect_lt(sent_by(HOST_NIC_SENT_DRAINED, 4, 1000000), 4);
}
