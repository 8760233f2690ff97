/* The decoder: no ambiguous rows, lengths and mnemonics against Capstone. */
#include "cpu/cpu_priv.h"
#include "cpu/disasm.h"
#include "tests/cpu/harness.h"

#include <criterion/criterion.h>

Test(decode, no_two_rows_match_equally_well)
{
    static const char *const models[] = {"pentium3", "x86-64-v2"};
    static const uint16_t cost[2][COST_CLASS_COUNT];
    for (unsigned i = 0; i < ARRAY_LEN(models); i++) {
        struct insn_tables *tables = insn_tables_create(cpu_model_features(cpu_model_find(models[i])), cost);
        const char *ambiguous = insn_tables_ambiguous(tables);
        cr_expect(ambiguous == NULL, "%s: %s", models[i], ambiguous);
        insn_tables_destroy(tables);
    }
}

Test(decode, harness_runs_each_mode)
{
    for (unsigned mode = HARNESS_16; mode <= HARNESS_64_USER; mode++) {
        struct harness *h = harness_create("x86-64-v2", mode, true);
        harness_code(h, (const uint8_t[]){0x40 | 0, 0xB0, 0x05, 0x04, 0x06, 0x0F, 0x0B},
                     7); /* al = 5 + 6; ud2 */
        harness_run(h);
        cr_expect_eq(h->cpu->s.gpr[RAX] & 0xFF, 11, "mode %u: al %llx", mode,
                     (unsigned long long)h->cpu->s.gpr[RAX]);
        cr_expect_eq(harness_fault(h), 6, "mode %u: rip %llx", mode, (unsigned long long)h->cpu->s.rip);
        harness_destroy(h);
    }
}
