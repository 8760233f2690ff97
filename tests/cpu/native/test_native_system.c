/* Rows that depend on system state against the host CPU, as a user program sees them: segment registers,
 * selectors, far transfers, flags, ports, and what only the kernel may do. bench.h lists the environment
 * variables, system.def the rows. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "bench.h"

Test(native_system, every_row_is_listed)
{
    for (unsigned i = 1; i < insn_row_count; i++) {
        bool known = true;
        if (row_is_system(&insn_rows[i]))
            (void)system_row_is_compared(&insn_rows[i], &known);
        cr_expect(known, "%s is not in system.def", insn_rows[i].handler_name);
    }
}

ParameterizedTestParameters(native_system, rows)
{
    static enum native_bits modes[BITS_COUNT] = {BITS_64, BITS_32, BITS_16};
    return cr_make_param_array(enum native_bits, modes, BITS_COUNT);
}

/* A case that does not end is ended by the host's timer, one that kills ends this process, which is the
 * test's own. */
static void compare_rows(enum native_bits bits, unsigned disturbed)
{
    const char *reason = "";
    struct bench *bench = bench_open(bits, &reason);
    bool known;
    if (bench == NULL)
        cr_skip_test("%u-bit: %s", 16u << bits, reason);
    if (disturbed)
        host_disturb(disturbed);
    for (unsigned i = 1; i < insn_row_count; i++)
        if (row_is_system(&insn_rows[i]) && bench_wants(bench, &insn_rows[i]) &&
            system_row_is_compared(&insn_rows[i], &known))
            bench_row(bench, i);
    bench_report(bench, 0);
    unsigned failed = bench->failed;
    bench_close(bench);
    cr_assert_eq(failed, 0, "%u rows differ", failed);
}

ParameterizedTest(enum native_bits *bits, native_system, rows)
{
    compare_rows(*bits, 0);
}

/* As on a busy host, whose timers come when another signal waits, but every 100 microseconds. */
Test(native_system, rows_while_timers_tick)
{
    compare_rows(BITS_32, 100);
}
