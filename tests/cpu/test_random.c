/* RDRAND and RDSEED: numbers from the architectural state, flags, sizes, and where they do not exist. */
#include "tests/cpu/harness.h"

#include "cpu/exec.h"

#include <criterion/criterion.h>

static struct harness *start(const char *model, uint64_t state)
{
    struct harness *h = harness_create(model, HARNESS_64_USER, true);
    h->cpu->s.random = state;
    h->cpu->s.gpr[RAX] = h->cpu->s.gpr[RBX] = UINT64_MAX;
    return h;
}

static void step(struct harness *h, const char *bytes, size_t size)
{
    harness_set_flags(h, FLAGS_ARITH & ~(uint64_t)FLAG_CF);
    harness_code(h, (const uint8_t *)bytes, size);
    (void)harness_step(h, 1);
}

#define STEP(h, bytes) step(h, bytes, sizeof(bytes) - 1)

#define RDRAND_RAX "\x48\x0F\xC7\xF0"
#define RDRAND_EBX "\x0F\xC7\xF3"
#define RDRAND_BX  "\x66\x0F\xC7\xF3"
#define RDSEED_RAX "\x48\x0F\xC7\xF8"

Test(random, flags_say_success)
{
    struct harness *h = start("x86-64-v3", 1);
    STEP(h, RDRAND_RAX);
    cr_expect_eq(harness_flags(h) & FLAGS_ARITH, FLAG_CF);
    STEP(h, RDSEED_RAX);
    cr_expect_eq(harness_flags(h) & FLAGS_ARITH, FLAG_CF);
    harness_destroy(h);
}

/* The generator's published first outputs from state 0 (Vigna's splitmix64.c). */
Test(random, numbers_are_the_generators)
{
    struct harness *h = start("x86-64-v3", 0);
    STEP(h, RDRAND_RAX);
    cr_expect_eq(h->cpu->s.gpr[RAX], 0xE220A8397B1DCDAF);
    STEP(h, RDSEED_RAX);
    cr_expect_eq(h->cpu->s.gpr[RAX], 0x6E789E6AA1B965F4);
    STEP(h, RDRAND_EBX);
    cr_expect_eq(h->cpu->s.gpr[RBX], (uint32_t)0x06C45D188009454F);
    h->cpu->s.gpr[RBX] = UINT64_MAX;
    STEP(h, RDRAND_BX);
    cr_expect_eq(h->cpu->s.gpr[RBX], 0xFFFFFFFFFFFF0000 | (uint16_t)0xF88BB8A8724C81EC);
    harness_destroy(h);
}

Test(random, state_is_hashed_and_decides)
{
    uint64_t value[3], hash[3];
    for (unsigned i = 0; i < 3; i++) {
        struct harness *h = start("x86-64-v3", i == 2 ? 8 : 7);
        hash[i] = cpu_state_hash(h->cpu, 0);
        STEP(h, RDRAND_RAX);
        value[i] = h->cpu->s.gpr[RAX];
        harness_destroy(h);
    }
    cr_expect(value[0] == value[1] && hash[0] == hash[1]);
    cr_expect(value[0] != value[2] && hash[0] != hash[2]);
}

Test(random, power_on_starts_from_the_configuration)
{
    struct harness *h = start("x86-64-v3", 7);
    h->cpu->config.random_seed = 42;
    cpu_reset(h->cpu, false);
    cr_expect_eq(h->cpu->s.random, 7, "INIT keeps it");
    cpu_reset(h->cpu, true);
    cr_expect_eq(h->cpu->s.random, 42);
    harness_destroy(h);
}

Test(random, undefined_elsewhere)
{
    static const struct {
        const char *model, *bytes, *why;
    } rows[] = {
        {"x86-64-v2", RDRAND_RAX, "no RDRAND"},      {"x86-64-v2", RDSEED_RAX, "no RDSEED"},
        {"x86-64-v3", "\x48\x0F\xC7\x33", "memory"}, {"x86-64-v3", "\xF2\x0F\xC7\xF0", "F2"},
        {"x86-64-v3", "\xF0\x0F\xC7\xF0", "LOCK"},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct harness *h = start(rows[i].model, 0);
        step(h, rows[i].bytes, 4);
        cr_expect_eq(harness_fault(h), VEC_UD, "%s", rows[i].why);
        harness_destroy(h);
    }
}
