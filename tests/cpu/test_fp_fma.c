/* Fused multiply-add of cpu/fp against the host's, on operands for which a second rounding would show: the
 * addend cancels the product to a few units in the last place of either, or is far above or below it, and
 * results near underflow and overflow. Any rounding, FTZ, DAZ, masks and signs. */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "tests/cpu/fp_oracle.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

enum { CASES = 400000, MAX_REPORTS = 5, FLAGS = 0x3F };

#if defined(__x86_64__)
static bool host_has_fma(void)
{
    return __builtin_cpu_supports("fma") != 0;
}
#else
static bool host_has_fma(void)
{
    return false;
}
#endif

/* vfmadd231sX xmm1, xmm2, [rax] and its relatives; ret. xmm1 = xmm2 * [rax] + xmm1. */
static void encode(uint8_t *code, bool wide, enum fp_fma_sign signs)
{
    static const uint8_t opcodes[] = {0xB9, 0xBD, 0xBB, 0xBF};
    const uint8_t bytes[] = {0xC4, 0xE2, wide ? 0xE9 : 0x69, opcodes[signs], 0x08, 0xC3};
    memcpy(code, bytes, sizeof bytes);
}

struct operands {
    uint64_t a, b, c;
};

/* The product rounded, negated, and moved by a few units; or its exponent changed. */
static uint64_t related_addend(struct fp_random *random, const struct operands *x, bool wide)
{
    struct fp_env env = {.precision = 64, .masks = FLAGS};
    uint64_t product = wide ? f64_mul(&env, x->a, x->b) : f32_mul(&env, (uint32_t)x->a, (uint32_t)x->b);
    uint64_t bits = fp_random_next(random), sign = UINT64_C(1) << (wide ? 63 : 31);
    unsigned fraction = wide ? 52 : 23;
    switch (bits >> 8 & 3) {
    case 0: return product ^ sign;
    case 1: return (product ^ sign) + (bits >> 16 & 7) - 3;
    case 2: return product ^ (bits & 1 ? sign : 0) ^ UINT64_C(1) << (bits >> 16) % fraction;
    default: return product + ((bits >> 16) % 130 << fraction) - (UINT64_C(65) << fraction);
    }
}

static struct operands random_operands(struct fp_random *random, bool wide)
{
    struct operands x;
    x.a = wide ? fp_random_f64(random) : fp_random_f32(random);
    x.b = wide ? fp_random_f64(random) : fp_random_f32(random);
    x.c = wide ? fp_random_f64(random) : fp_random_f32(random);
    if (fp_random_next(random) % 4 != 0)
        x.c = related_addend(random, &x, wide);
    if (!wide)
        x.c = (uint32_t)x.c;
    return x;
}

static unsigned compare(uint8_t *code, bool wide, uint64_t seed)
{
    struct fp_random random = {seed};
    unsigned bad = 0;
    for (unsigned i = 0; i < CASES; i++) {
        struct operands x = random_operands(&random, wide);
        enum fp_fma_sign signs = i & 3;
        uint32_t mxcsr = fp_random_mxcsr(&random) & ~(uint32_t)FLAGS;
        struct fp_env env = fp_env_of_mxcsr(mxcsr);
        uint64_t ours = wide ? f64_fma(&env, x.a, x.b, x.c, signs)
                             : f32_fma(&env, (uint32_t)x.a, (uint32_t)x.b, (uint32_t)x.c, signs);
        uint8_t flags = fp_flags_visible(&env);
        struct host_vectors host = {.mxcsr = mxcsr, .rflags = 0x202, .rax = (uintptr_t)&x.b};
        encode(code, wide, signs);
        host.xmm[0].q[0] = x.c;
        host.xmm[1].q[0] = x.a;
        host_vectors_run(code, &host);
        bool delivered = (flags & ~env.masks) == 0;
        uint64_t theirs = wide ? host.xmm[0].q[0] : host.xmm[0].d[0];
        if (delivered == !host.fault && flags == (host.mxcsr & FLAGS) && (!delivered || ours == theirs))
            continue;
        if (bad++ < MAX_REPORTS)
            cr_log_error(
                "f%u %016" PRIx64 " * %016" PRIx64 " + %016" PRIx64 " signs %u mxcsr %04x: ours %016" PRIx64
                " flags %02x, host %016" PRIx64 " flags %02x",
                wide ? 64 : 32, x.a, x.b, x.c, signs, mxcsr, ours, flags, theirs, host.mxcsr & FLAGS);
    }
    return bad;
}

Test(fp_fma, one_rounding, .timeout = 120)
{
    uint8_t *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!host_fp_available() || !host_has_fma() || code == MAP_FAILED)
        cr_skip_test("no FMA on this host");
    cr_expect_eq(compare(code, false, 1), 0, "f32");
    cr_expect_eq(compare(code, true, 2), 0, "f64");
}

/* Known by construction, on every host: (1 + e)(1 - e) - 1 = -e^2, which a rounded product loses. */
Test(fp_fma, product_is_exact)
{
    struct fp_env env = {.precision = 64, .masks = FLAGS};
    uint64_t r = f64_fma(&env, 0x3FF0000000000001, 0x3FEFFFFFFFFFFFFE, 0x3FF0000000000000, FP_NEGATE_ADDEND);
    cr_expect_eq(r, 0xB970000000000000, "%016" PRIx64, r);
    cr_expect_eq(env.flags, 0);
    uint32_t s = f32_fma(&env, 0x3F800001, 0x3F7FFFFE, 0x3F800000, FP_NEGATE_ADDEND);
    cr_expect_eq(s, 0xA8800000, "%08" PRIx32, s);
    cr_expect_eq(env.flags, 0);
}
