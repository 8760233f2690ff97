/* Whole labs that are translated: no memory of this process is writable and executable while one runs, and a
 * translated lab beside an interpreted one, each cut into slices of its own, ends as that does (contracts E1,
 * E5). */
#include "hostworld/lab.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

struct watch {
    unsigned looks, executable_code, both;
};

/* Is any mapping writable and executable? Also counts the mappings that hold translated code, so that the
 * test would notice if they were not there to look at. */
static bool look_at_maps(void *ctx, unsigned host)
{
    (void)host;
    struct watch *watch = ctx;
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512], perms[5];
    cr_assert_not_null(maps);
    watch->looks++;
    watch->executable_code = 0;
    while (fgets(line, sizeof line, maps) != NULL) {
        if (sscanf(line, "%*s %4s", perms) != 1)
            continue;
        if (strchr(perms, 'w') != NULL && strchr(perms, 'x') != NULL)
            watch->both++;
        if (strchr(perms, 'x') != NULL && strstr(line, "memfd:") != NULL)
            watch->executable_code++;
    }
    fclose(maps);
    return false;
}

static struct lab *make_lab(bool translate, size_t code_bytes, struct watch *watch)
{
    struct lab_config config;
    struct lab *lab;
    struct error err;
    lab_config_default(&config);
    config.hypervisor = "workstation";
    config.kernel = NETTEST_ELF;
    config.cmdline = "exit=acpi total=200000";
    config.board.ram_bytes = 32 << 20;
    config.nic = true;
    config.no_reboot = true;
    config.translate = translate;
    config.translator = (struct translator_config){.code_bytes = code_bytes, .threshold = 1};
    if (watch != NULL) {
        config.poll = look_at_maps;
        config.poll_ctx = watch;
        config.poll_ms = 1;
    }
    cr_assert_eq(lab_create(&lab, &config, &err), STATUS_OK, "%s", err.text);
    return lab;
}

static void destroy(struct lab *lab)
{
    struct error err;
    cr_assert_eq(lab_destroy(lab, &err), STATUS_OK, "%s", err.text);
}

Test(translator, no_memory_is_writable_and_executable)
{
    struct watch watch = {0};
    if (!translator_supported())
        cr_skip_test("no translator for this host");
    struct lab *lab = make_lab(true, 0, &watch);
    cr_assert_eq(lab_run(lab, UINT64_MAX), VM_STOP_POWER_OFF);
    cr_expect_gt(translator_count(vm_translator(lab_vm(lab)), COUNT_UNITS), 100);
    destroy(lab);
    cr_expect_gt(watch.looks, 5);
    cr_expect_gt(watch.executable_code, 0, "no translated code was among the mappings");
    cr_expect_eq(watch.both, 0, "writable and executable: %u of %u looks", watch.both, watch.looks);
}

Test(translator, slices_beside_an_interpreted_lab)
{
    if (!translator_supported())
        cr_skip_test("no translator for this host");
    struct lab *a = make_lab(false, 0, NULL), *b = make_lab(true, 1 << 20, NULL);
    enum vm_stop stop_a = VM_STOP_LIMIT, stop_b = VM_STOP_LIMIT;
    for (cycle_t limit = 100003; stop_a == VM_STOP_LIMIT || stop_b == VM_STOP_LIMIT; limit += 100003) {
        stop_a = stop_a == VM_STOP_LIMIT ? lab_run(a, limit) : stop_a;
        stop_b = stop_b == VM_STOP_LIMIT ? lab_run(b, limit) : stop_b;
        cr_assert_eq(cpu_state_hash(lab_host(a)->cpu, 0), cpu_state_hash(lab_host(b)->cpu, 0),
                     "at cycle %llu", (unsigned long long)limit);
    }
    cr_expect_eq(stop_a, stop_b);
    cr_expect_eq(vm_state_hash(lab_vm(a)), vm_state_hash(lab_vm(b)));
    destroy(a);
    destroy(b);
}
