/* The host's time line: charges with events and interrupts in their middle, deferred events, idling. */
#include "vmm/host.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { TICKS_PER_CYCLE = 3, LOG_MAX = 64 };

struct bench {
    struct event_queue queue;
    struct cost_table *costs;
    struct recorder *recorder;
    struct cpu *cpu;
    struct host host;
    /* What happened, in order. */
    struct {
        char what;
        tick_t when;
    } log[LOG_MAX];
    unsigned logged;
};

struct probe {
    struct event event;
    struct bench *bench;
    char what;
    int raises; /* line, or -1 */
};

static void note(struct bench *bench, char what, tick_t when)
{
    cr_assert_lt(bench->logged, LOG_MAX);
    bench->log[bench->logged].what = what;
    bench->log[bench->logged++].when = when;
}

static void probe_fired(struct event *event, tick_t late)
{
    struct probe *probe = CONTAINER_OF(event, struct probe, event);
    (void)late;
    note(probe->bench, probe->what, probe->bench->queue.now);
    if (probe->raises >= 0)
        host_raise_irq(&probe->bench->host, (unsigned)probe->raises);
}

/* A handler that spends 100 cycles. */
static void handler(void *ctx, struct host *host)
{
    struct bench *bench = ctx;
    cr_expect_eq(host->world, WORLD_HOST);
    note(bench, 'h', host_tick(host));
    host_charge(host, COST_ID_HOST_TICK);
    note(bench, 'e', host_tick(host));
}

static struct bench *bench_create(void)
{
    struct bench *bench = calloc(1, sizeof *bench);
    struct error err = {{0}};
    bench->costs = malloc(sizeof *bench->costs);
    cr_assert_eq(cost_table_load(bench->costs, "pc-733", &err), STATUS_OK, "%s", err.text);
    static const char *const prices[] = {"vmm.iret=1000", "host.tick=100", "vmnet.copy=1.5"};
    for (size_t i = 0; i < ARRAY_LEN(prices); i++)
        cr_assert_eq(cost_table_override(bench->costs, prices[i], &err), STATUS_OK, "%s", err.text);
    static const char *const exits[] = {"X"};
    event_queue_init(&bench->queue, bench->costs->cpu_hz * TICKS_PER_CYCLE);
    const struct recorder_config recording = {.steps = bench->costs->steps,
                                              .step_count = COST_STEP_COUNT,
                                              .exit_count = 1,
                                              .exit_names = exits,
                                              .hz = bench->queue.hz,
                                              .ticks_per_cycle = TICKS_PER_CYCLE};
    bench->recorder = recorder_create(&recording);
    bench->cpu = calloc(1, sizeof *bench->cpu);
    bench->host = (struct host){.queue = &bench->queue,
                                .hz = bench->costs->cpu_hz,
                                .ticks_per_cycle = TICKS_PER_CYCLE,
                                .costs = bench->costs,
                                .recorder = bench->recorder,
                                .cpu = bench->cpu,
                                .world = WORLD_HOST};
    host_set_irq_handler(&bench->host, 1, "one", handler, bench);
    host_set_irq_handler(&bench->host, 2, "two", handler, bench);
    return bench;
}

static void bench_destroy(struct bench *bench)
{
    tick_t sum = 0;
    for (unsigned i = 0; i < COST_STEP_COUNT; i++)
        sum += recorder_total(bench->recorder, i).ticks;
    cr_expect_eq(sum, host_tick(&bench->host), "spans of all steps sum to the clock");
    cr_expect_eq(recorder_now(bench->recorder), host_tick(&bench->host));
    recorder_destroy(bench->recorder);
    event_queue_destroy(&bench->queue);
    free(bench->cpu);
    free(bench->costs);
    free(bench);
}

static void arm(struct bench *bench, struct probe *probe, char what, int raises, tick_t when)
{
    *probe = (struct probe){.bench = bench, .what = what, .raises = raises};
    event_init(&probe->event, "probe", EVENT_ORDER_DEVICE, probe_fired);
    event_schedule(&bench->queue, &probe->event, when);
}

static tick_t total(const struct bench *bench, enum cost_id id)
{
    return recorder_total(bench->recorder, RECORDER_FIRST_COST + id).ticks;
}

static void expect_log(const struct bench *bench, const char *what, const tick_t *when)
{
    cr_assert_eq(bench->logged, strlen(what));
    for (unsigned i = 0; i < bench->logged; i++) {
        cr_expect_eq(bench->log[i].what, what[i], "entry %u", i);
        cr_expect_eq(bench->log[i].when, when[i], "entry %u: %llu", i,
                     (unsigned long long)bench->log[i].when);
    }
}

Test(host, a_charge_advances_clock_and_recorder)
{
    struct bench *bench = bench_create();
    host_charge(&bench->host, COST_ID_VMM_IRET);
    host_charge_units(&bench->host, COST_ID_VMNET_COPY, 3); /* 4.5 cycles, rounded up */
    cr_expect_eq(bench->cpu->s.clock, 1005);
    cr_expect_eq(total(bench, COST_ID_VMM_IRET), 1000 * TICKS_PER_CYCLE);
    cr_expect_eq(recorder_total(bench->recorder, RECORDER_FIRST_COST + COST_ID_VMM_IRET).count, 1);
    bench_destroy(bench);
}

Test(host, events_fire_at_their_tick_inside_a_charge)
{
    struct bench *bench = bench_create();
    struct probe a, b, c;
    arm(bench, &a, 'a', -1, 100);                    /* between two cycles */
    arm(bench, &b, 'b', -1, 1000 * TICKS_PER_CYCLE); /* at the very end of the charge */
    arm(bench, &c, 'c', -1, 1000 * TICKS_PER_CYCLE + 1);
    host_charge(&bench->host, COST_ID_VMM_IRET);
    expect_log(bench, "ab", (tick_t[]){100, 3000});
    event_cancel(&bench->queue, &c.event);
    bench_destroy(bench);
}

Test(host, a_handler_is_nested_in_the_charge_it_interrupts)
{
    struct bench *bench = bench_create();
    struct probe a;
    arm(bench, &a, 'a', 1, 600);
    host_charge(&bench->host, COST_ID_VMM_IRET);
    expect_log(bench, "ahe", (tick_t[]){600, 600, 900});
    cr_expect_eq(bench->cpu->s.clock, 1100);
    cr_expect_eq(total(bench, COST_ID_VMM_IRET), 3000);
    cr_expect_eq(total(bench, COST_ID_HOST_TICK), 300);
    bench_destroy(bench);
}

Test(host, a_handler_waits_for_the_one_that_runs)
{
    struct bench *bench = bench_create();
    struct probe a, b;
    arm(bench, &a, 'a', 2, 600);
    arm(bench, &b, 'b', 1, 700); /* inside a's handler */
    host_charge(&bench->host, COST_ID_VMM_IRET);
    expect_log(bench, "ahbehe", (tick_t[]){600, 600, 700, 900, 900, 1200});
    bench_destroy(bench);
}

Test(host, in_the_monitor_an_interrupt_stays_pending)
{
    struct bench *bench = bench_create();
    struct probe a;
    bench->host.world = WORLD_VMM;
    bench->cpu->deadline = 12345;
    arm(bench, &a, 'a', 1, 600);
    host_charge(&bench->host, COST_ID_VMM_IRET);
    expect_log(bench, "a", (tick_t[]){600});
    cr_expect_eq(bench->host.irq_pending, 1 << 1);
    cr_expect_eq(bench->cpu->deadline, 0, "the guest is asked to stop");
    bench->host.world = WORLD_HOST;
    host_poll_irqs(&bench->host);
    cr_expect_eq(bench->host.irq_pending, 0);
    bench_destroy(bench);
}

Test(host, inside_an_instruction_events_wait)
{
    struct bench *bench = bench_create();
    struct probe a;
    bench->host.world = WORLD_VMM;
    bench->cpu->deadline = 12345;
    arm(bench, &a, 'a', -1, 600);
    host_begin_atomic(&bench->host);
    host_begin_atomic(&bench->host);
    host_charge(&bench->host, COST_ID_VMM_IRET);
    host_end_atomic(&bench->host);
    cr_expect_eq(bench->logged, 0);
    cr_expect_eq(bench->cpu->deadline, 12345);
    host_end_atomic(&bench->host);
    cr_expect_eq(bench->cpu->deadline, 0);
    host_run_events(&bench->host);
    expect_log(bench, "a", (tick_t[]){600});
    bench_destroy(bench);
}

Test(host, idling_stops_at_each_event_and_at_the_limit)
{
    struct bench *bench = bench_create();
    struct probe a, b;
    arm(bench, &a, 'a', 1, 3000);
    arm(bench, &b, 'b', -1, 9000);
    cr_expect(host_idle_until_event(&bench->host, STEP_IDLE, TICK_NEVER));
    cr_expect_eq(bench->cpu->s.clock, 1100, "to the event, and its handler");
    cr_expect(!host_idle_until_event(&bench->host, STEP_IDLE, 2000));
    cr_expect_eq(bench->cpu->s.clock, 2000);
    cr_expect(host_idle_until_event(&bench->host, STEP_IDLE, 3000));
    cr_expect_eq(bench->cpu->s.clock, 3000);
    cr_expect(!host_idle_until_event(&bench->host, STEP_IDLE, TICK_NEVER), "no event is left");
    cr_expect_eq(recorder_total(bench->recorder, STEP_IDLE).ticks, (3000 - 100) * TICKS_PER_CYCLE);
    bench_destroy(bench);
}

Test(host, guest_time_goes_to_the_privilege_level_it_ran_at)
{
    struct bench *bench = bench_create();
    bench->cpu->s.clock += 70;
    host_account_guest(&bench->host, 3);
    bench->cpu->s.clock += 50;
    host_account_guest(&bench->host, 0);
    host_account_guest(&bench->host, 3);
    host_charge(&bench->host, COST_ID_VMM_IRET);
    cr_expect_eq(recorder_total(bench->recorder, STEP_GUEST_USER).ticks, 210);
    cr_expect_eq(recorder_total(bench->recorder, STEP_GUEST_KERNEL).ticks, 150);
    bench_destroy(bench);
}

/* Whatever the events do, all steps together are the clock. */
Test(host, random_charges_sum_up)
{
    struct bench *bench = bench_create();
    struct probe probes[8] = {{{0}}};
    uint32_t seed = 12345;
    for (int round = 0; round < 2000; round++) {
        seed = seed * 1664525 + 1013904223;
        struct probe *probe = &probes[seed >> 29];
        if (probe->bench == NULL || !event_pending(&probe->event))
            arm(bench, probe, '.', (int)(seed >> 20 & 3) - 1 ? (int)(seed >> 20 & 1) + 1 : -1,
                host_tick(&bench->host) + (seed >> 8 & 0xFFF));
        if ((seed >> 4 & 7) == 0)
            host_idle_until_event(&bench->host, STEP_IDLE, host_now(&bench->host) + 500);
        else
            host_charge_units(&bench->host, COST_ID_VMNET_COPY, seed >> 12 & 0x3FF);
        bench->logged = 0;
    }
    for (unsigned i = 0; i < ARRAY_LEN(probes); i++)
        event_cancel(&bench->queue, &probes[i].event);
    bench_destroy(bench);
}
