/* Code that is written while it runs: it must not be translated again and again, data beside it must not drop
 * it, and once it is left alone it is translated like any other. Both engines agree throughout. */
#include "binxlate/translator.h"
#include "tests/cpu/harness.h"

#include <criterion/criterion.h>

enum { CYCLES = 50000000 };

struct outcome {
    struct cpu_state end;
    uint64_t units, forgotten, cold;
};

static void run(const uint8_t *code, size_t size, uint32_t rounds, bool translate, struct outcome *outcome)
{
    static const struct translator_config config = {.code_bytes = 1 << 20};
    struct harness *h = harness_create("x86-64-v2", HARNESS_32, true);
    struct translator *translator = NULL;
    struct error err;
    if (translate)
        cr_assert_eq(translator_create(&translator, h->cpu, &config, &err), STATUS_OK, "%s", err.text);
    harness_code(h, code, size);
    h->cpu->s.gpr[RCX] = rounds;
    cr_assert_eq(cpu_run(h->cpu, CYCLES), CPU_STOP_HALTED);
    outcome->end = h->cpu->s;
    if (translate) {
        outcome->units = translator_count(translator, COUNT_UNITS);
        outcome->forgotten = translator_count(translator, COUNT_FORGOTTEN);
        outcome->cold = translator_count(translator, COUNT_COLD);
    }
    translator_destroy(translator);
    harness_destroy(h);
}

static struct outcome both(const uint8_t *code, size_t size, uint32_t rounds)
{
    struct outcome interpreted = {0}, translated = {0};
    if (!translator_supported())
        cr_skip_test("no translator for this host");
    run(code, size, rounds, false, &interpreted);
    run(code, size, rounds, true, &translated);
    cr_expect(memcmp(&interpreted.end, &translated.end, sizeof interpreted.end) == 0, "states differ");
    return translated;
}

/* A loop of 64 turns that changes its own body once each time it was gone through: translated in vain each
 * time, until that is given up. */
Test(rewrite, translated_in_vain_a_few_times_only)
{
    static const uint8_t code[] = {
        0xBA, 64,   0, 0, 0,    /* 0: mov edx, 64 */
        0x05, 1,    0, 0, 0,    /* 5: add eax, 1 */
        0x4A,                   /* 10: dec edx */
        0x75, 0xF8,             /* 11: jnz 5 */
        0xFF, 0x05, 6, 0, 0, 0, /* 13: inc dword [the immediate]: address filled in */
        0x49,                   /* 19: dec ecx */
        0x75, 0xEA,             /* 20: jnz 0 */
        0xF4,
    };
    enum { ROUNDS = 2000 };
    uint8_t filled[sizeof code];
    uint32_t address = HARNESS_CODE + 6;
    memcpy(filled, code, sizeof code);
    memcpy(filled + 15, &address, sizeof address);
    struct outcome outcome = both(filled, sizeof filled, ROUNDS);
    cr_expect_eq(outcome.end.gpr[RAX], UINT64_C(64) * ROUNDS * (ROUNDS + 1) / 2 % (UINT64_C(1) << 32));
    cr_expect_gt(outcome.forgotten, 1);
    cr_expect_lt(outcome.forgotten, 200, "%lu translations in vain", (unsigned long)outcome.forgotten);
}

/* Data in the same 128 bytes as the code that changes it: the code stays translated. */
Test(rewrite, data_beside_code)
{
    uint8_t code[] = {
        0x01, 0x0D, 0, 0, 0, 0, /* 0: add [data], ecx */
        0x03, 0x05, 0, 0, 0, 0, /* 6: add eax, [data] */
        0x49,                   /* 12: dec ecx */
        0x75, 0xF1,             /* 13: jnz 0 */
        0xF4, 0x90,             /* 15 */
        0,    0,    0, 0,       /* 17: data */
    };
    uint32_t address = HARNESS_CODE + 17;
    memcpy(code + 2, &address, sizeof address);
    memcpy(code + 8, &address, sizeof address);
    struct outcome outcome = both(code, sizeof code, 5000);
    cr_expect_gt(outcome.units, 0);
    /* Each of 5,000 turns would drop them; now and then a block is translated anew for other reasons. */
    cr_expect_lt(outcome.forgotten, 10, "%lu translations dropped", (unsigned long)outcome.forgotten);
}
