/* Probes and samples in whole labs with the embedded guest: the run is the same run with them and without, to
 * the cycle and the byte of state, and the trace is the same, to the byte, in every way to run it (contracts
 * E1, E3). */
#include "hostworld/lab.h"
#include "traces/analysis.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char functions[] = "syscall_dispatch,sys_write,tcp_write,tcp_push,ethernet_send,pcnet_send,"
                                "pcnet_interrupt,irq_dispatch,net_bottom_half,task_switch,trap_dispatch";

enum manner { BARE, INTERPRETED, REFERENCE, TRANSLATED, SLICED, MANNERS };

struct outcome {
    uint64_t hash, cycles, instructions, size;
    char *trace;
    char path[32];
};

static struct lab *make_lab(const char *hypervisor, bool caches, enum manner manner, const char *trace)
{
    struct lab_config config;
    struct lab *lab;
    struct error err;
    lab_config_default(&config);
    config.hypervisor = hypervisor;
    config.kernel = NETTEST_ELF;
    config.cmdline = "exit=acpi total=100000 write=4096";
    config.board.ram_bytes = 32 << 20;
    config.nic = true;
    config.no_reboot = true;
    config.trace = trace;
    config.caches = caches;
    config.fast_paths = manner != REFERENCE;
    config.translate = manner >= TRANSLATED;
    config.translator = (struct translator_config){.threshold = 1};
    if (manner != BARE)
        config.probe = (struct probe_config){.functions = functions, .sample = 12345};
    cr_assert_eq(lab_create(&lab, &config, &err), STATUS_OK, "%s", err.text);
    return lab;
}

static struct outcome run(const char *hypervisor, bool caches, enum manner manner)
{
    struct outcome outcome;
    struct error err;
    char text[PROBE_NOTICE];
    strcpy(outcome.path, "/tmp/crosspage-lab-XXXXXX");
    close(mkstemp(outcome.path));
    struct lab *lab = make_lab(hypervisor, caches, manner, outcome.path);
    enum vm_stop stop = VM_STOP_LIMIT;
    for (cycle_t limit = 0; stop == VM_STOP_LIMIT; limit += 10007)
        stop = lab_run(lab, manner == SLICED ? limit : UINT64_MAX);
    cr_assert_eq(stop, VM_STOP_POWER_OFF);
    const struct probes *probes = vm_probes(lab_vm(lab));
    cr_expect(probes == NULL || !probes_notice(probes, 0, text), "%s", text);
    struct host *host = lab_host(lab);
    outcome.hash = vm_state_hash(lab_vm(lab));
    outcome.cycles = host_now(host);
    outcome.instructions = host->cpu->s.instructions;
    cr_assert_eq(lab_destroy(lab, &err), STATUS_OK, "%s", err.text);
    FILE *file = fopen(outcome.path, "rb");
    outcome.trace = malloc(1 << 24);
    outcome.size = fread(outcome.trace, 1, 1 << 24, file);
    fclose(file);
    return outcome;
}

static void destroy(struct outcome *outcome)
{
    unlink(outcome->path);
    free(outcome->trace);
}

/* All but the guest's calls are in both, at the same times. */
static void expect_same_time_line(const struct outcome *with, const struct outcome *without)
{
    struct analysis a, b;
    struct error err;
    cr_assert_eq(analysis_load(&a, with->path, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(analysis_load(&b, without->path, &err), STATUS_OK, "%s", err.text);
    size_t n = 0;
    for (size_t i = 0; i < a.span_count; i++) { /* a call cuts a span in two */
        if (i > 0 && a.span_step[i] == a.span_step[i - 1] &&
            (n == b.span_count || b.span_begin[n] != a.span_begin[i]))
            continue;
        cr_assert(n < b.span_count && a.span_begin[i] == b.span_begin[n] && a.span_step[i] == b.span_step[n],
                  "span %zu", i);
        n++;
    }
    cr_expect_eq(n, b.span_count);
    cr_expect(a.end == b.end && a.visit_count == b.visit_count && a.packet_count == b.packet_count);
    for (size_t i = 0; i < a.visit_count; i++)
        cr_expect(a.visits[i].begin == b.visits[i].begin && a.visits[i].end == b.visits[i].end);
    cr_expect_eq(memcmp(a.packets, b.packets, a.packet_count * sizeof *a.packets), 0);
    cr_expect_gt(a.calls.count, 300);
    cr_expect_gt(a.calls.sample_count, 20);
    cr_expect_eq(b.calls.count, 0);
    analysis_free(&a);
    analysis_free(&b);
}

static void expect_unobservable(const char *hypervisor, bool caches)
{
    struct outcome bare = run(hypervisor, caches, BARE), first = {.trace = NULL};
    for (enum manner manner = INTERPRETED; manner < MANNERS; manner++) {
        if (manner >= TRANSLATED && !translator_supported())
            break;
        struct outcome is = run(hypervisor, caches, manner);
        cr_expect(is.hash == bare.hash && is.cycles == bare.cycles && is.instructions == bare.instructions,
                  "%s, manner %d: another run", hypervisor, (int)manner);
        if (manner == INTERPRETED) {
            expect_same_time_line(&is, &bare);
            first = is;
            continue;
        }
        cr_expect(is.size == first.size && memcmp(is.trace, first.trace, is.size) == 0,
                  "%s, manner %d: another trace", hypervisor, (int)manner);
        destroy(&is);
    }
    destroy(&first);
    destroy(&bare);
}

Test(lab_probe, unobservable_on_bare_metal)
{
    expect_unobservable("none", false);
}

Test(lab_probe, unobservable_under_a_monitor)
{
    expect_unobservable("workstation", false);
}

Test(lab_probe, unobservable_with_caches)
{
    expect_unobservable("workstation", true);
}

/* Every function returns but the first calls of tasks, and calls lie within their callers. */
Test(lab_probe, calls_nest_in_time)
{
    struct outcome outcome = run("workstation", false, INTERPRETED);
    struct analysis a;
    struct error err;
    cr_assert_eq(analysis_load(&a, outcome.path, &err), STATUS_OK, "%s", err.text);
    size_t lost = 0;
    for (size_t n = 1; n <= a.calls.count; n++) {
        const struct call *call = calls_get(&a.calls, n);
        lost += call->lost;
        cr_expect_leq(call->begin, call->end);
        if (call->caller != 0) {
            const struct call *caller = calls_get(&a.calls, call->caller);
            cr_expect(caller->begin <= call->begin && call->end <= caller->end);
        }
    }
    cr_expect_leq(lost, 4, "%zu of %zu calls were lost", lost, a.calls.count);
    analysis_free(&a);
    destroy(&outcome);
}
