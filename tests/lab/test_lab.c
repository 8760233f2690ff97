/* Whole labs with the embedded guest: two labs in one process do not disturb each other, a run may be cut
 * anywhere, tracing changes nothing, and every packet's receipt adds up (contracts E1, E4, E5). And a small
 * guest whose next event is scheduled by a store (E2). */
#include "hostworld/lab.h"
#include "traces/receipt.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct outcome {
    uint64_t hash, cycles, instructions;
};

static struct lab *make_lab_of(const char *kernel, const char *hypervisor, const char *words,
                               const char *trace, bool fast_paths)
{
    struct lab_config config;
    struct lab *lab;
    struct error err;
    lab_config_default(&config);
    config.hypervisor = hypervisor;
    config.kernel = kernel;
    config.cmdline = words;
    config.board.ram_bytes = 32 << 20;
    config.nic = true;
    config.no_reboot = true;
    config.trace = trace;
    config.fast_paths = fast_paths;
    cr_assert_eq(lab_create(&lab, &config, &err), STATUS_OK, "%s", err.text);
    return lab;
}

static struct lab *make_lab(const char *hypervisor, const char *words, const char *trace, bool fast_paths)
{
    return make_lab_of(NETTEST_ELF, hypervisor, words, trace, fast_paths);
}

static struct outcome finish(struct lab *lab)
{
    struct error err;
    struct host *host = lab_host(lab);
    struct outcome outcome = {vm_state_hash(lab_vm(lab)), host_now(host), host->cpu->s.instructions};
    tick_t sum = 0;
    for (int layer = 0; layer < LAYER_COUNT; layer++)
        sum += recorder_layer_total(host->recorder, (enum layer)layer);
    cr_assert_eq(sum, host_tick(host), "layers do not add up to the run");
    cr_assert_eq(lab_destroy(lab, &err), STATUS_OK, "%s", err.text);
    return outcome;
}

static struct outcome run_alone(const char *hypervisor, const char *words, const char *trace, bool fast_paths)
{
    struct lab *lab = make_lab(hypervisor, words, trace, fast_paths);
    enum vm_stop stop = lab_run(lab, UINT64_MAX);
    cr_assert(stop == VM_STOP_EXIT || stop == VM_STOP_POWER_OFF, "ended by %d", (int)stop);
    return finish(lab);
}

static void assert_same(const struct outcome *a, const struct outcome *b, const char *what)
{
    cr_assert_eq(a->cycles, b->cycles, "%s: cycles", what);
    cr_assert_eq(a->instructions, b->instructions, "%s: instructions", what);
    cr_assert_eq(a->hash, b->hash, "%s: state", what);
}

static const char words_a[] = "exit=acpi total=200000", words_b[] = "exit=acpi total=150000 write=1000";

Test(lab, two_in_one_process_run_as_alone)
{
    struct outcome alone_a = run_alone("workstation", words_a, NULL, true);
    struct outcome alone_b = run_alone("none", words_b, NULL, true);
    struct lab *a = make_lab("workstation", words_a, NULL, true), *b = make_lab("none", words_b, NULL, true);
    enum vm_stop stop_a = VM_STOP_LIMIT, stop_b = VM_STOP_LIMIT;
    /* Slices of odd lengths, so that they end in halts, handlers' neighbourhoods and the middle of loops
     * alike. */
    for (cycle_t limit = 100003; stop_a == VM_STOP_LIMIT || stop_b == VM_STOP_LIMIT; limit += 100003) {
        if (stop_a == VM_STOP_LIMIT)
            stop_a = lab_run(a, limit);
        if (stop_b == VM_STOP_LIMIT)
            stop_b = lab_run(b, limit + 7);
    }
    struct outcome sliced_a = finish(a), sliced_b = finish(b);
    assert_same(&alone_a, &sliced_a, "workstation");
    assert_same(&alone_b, &sliced_b, "none");
}

Test(lab, tracing_and_fast_paths_change_nothing_but_time)
{
    char path[] = "/tmp/crosspage-lab-XXXXXX";
    close(mkstemp(path));
    struct outcome plain = run_alone("workstation", words_a, NULL, true);
    struct outcome traced = run_alone("workstation", words_a, path, true);
    struct outcome reference = run_alone("workstation", words_a, NULL, false);
    unlink(path);
    assert_same(&plain, &traced, "tracing");
    assert_same(&plain, &reference, "fast paths");
}

static void check_receipts(const char *hypervisor)
{
    char path[] = "/tmp/crosspage-lab-XXXXXX";
    close(mkstemp(path));
    run_alone(hypervisor, "exit=acpi total=500000", path, true);
    struct analysis analysis;
    struct receipts receipts;
    struct error err;
    cr_assert_eq(analysis_load(&analysis, path, &err), STATUS_OK, "%s", err.text);
    receipts_make(&analysis, 1000, &receipts);
    cr_assert_geq(receipts.count, 340);
    cr_assert_eq(receipts_verify(&receipts), 0);
    receipts_free(&receipts);
    analysis_free(&analysis);
    unlink(path);
}

Test(lab, every_receipt_adds_up)
{
    check_receipts("workstation");
    check_receipts("none");
}

Test(lab, caches_may_be_dropped_at_any_instruction)
{
    struct outcome plain = run_alone("none", words_b, NULL, true);
    struct lab *lab = make_lab("none", words_b, NULL, true);
    for (cycle_t limit = 250007; lab_run(lab, limit) == VM_STOP_LIMIT; limit += 250007)
        cpu_drop_caches(lab_host(lab)->cpu);
    struct outcome dropped = finish(lab);
    assert_same(&plain, &dropped, "dropped caches");
}

Test(lab, an_event_that_a_store_schedules_comes_in_time)
{
    struct outcome outcome[2];
    for (int fast = 0; fast < 2; fast++) {
        struct lab *lab = make_lab_of(APIC_TIMER_ELF, "none", "", NULL, fast);
        cr_assert_eq(lab_run(lab, UINT64_MAX), VM_STOP_EXIT);
        cr_assert_eq(vm_exit_value(lab_vm(lab)), 0, "late with fast paths %s", fast ? "on" : "off");
        outcome[fast] = finish(lab);
    }
    assert_same(&outcome[0], &outcome[1], "fast paths");
}
