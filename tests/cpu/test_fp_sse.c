/* cpu/fp's f32 and f64 operations against the host's SSE: result and MXCSR flags, over random and special
 * operands, all rounding modes, FTZ, DAZ and masks. Also the bounds of the reciprocal approximations. */
#include "tests/cpu/fp_oracle.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { CASES = 50000, MAX_REPORTS = 5 };

/* One case: a op b, or an operation on b alone. Returns the result as the host leaves it. */
typedef uint64_t ours_fn(struct fp_env *env, uint64_t a, uint64_t b);

enum operands { F32, F64, INTEGER };
enum result { R32, R64, FLAGS };

/* ZF, PF, CF as COMISS sets them. */
static uint64_t relation_flags(enum fp_relation relation)
{
    static const uint8_t flags[] = {
        [FP_LESS] = 1, [FP_EQUAL] = 0x40, [FP_GREATER] = 0, [FP_UNORDERED] = 0x45};
    return flags[relation];
}

static uint64_t addss(struct fp_env *env, uint64_t a, uint64_t b)
{
    return f32_add(env, (uint32_t)a, (uint32_t)b);
}
static uint64_t subss(struct fp_env *env, uint64_t a, uint64_t b)
{
    return f32_sub(env, (uint32_t)a, (uint32_t)b);
}
static uint64_t mulss(struct fp_env *env, uint64_t a, uint64_t b)
{
    return f32_mul(env, (uint32_t)a, (uint32_t)b);
}
static uint64_t divss(struct fp_env *env, uint64_t a, uint64_t b)
{
    return f32_div(env, (uint32_t)a, (uint32_t)b);
}
static uint64_t sqrtss(struct fp_env *env, uint64_t a, uint64_t b)
{
    (void)a;
    return f32_sqrt(env, (uint32_t)b);
}
static uint64_t minss(struct fp_env *env, uint64_t a, uint64_t b)
{
    return f32_min(env, (uint32_t)a, (uint32_t)b);
}
static uint64_t maxss(struct fp_env *env, uint64_t a, uint64_t b)
{
    return f32_max(env, (uint32_t)a, (uint32_t)b);
}
static uint64_t sqrtsd(struct fp_env *env, uint64_t a, uint64_t b)
{
    (void)a;
    return f64_sqrt(env, b);
}
static uint64_t comiss(struct fp_env *env, uint64_t a, uint64_t b)
{
    return relation_flags(f32_compare(env, (uint32_t)a, (uint32_t)b, false));
}
static uint64_t ucomiss(struct fp_env *env, uint64_t a, uint64_t b)
{
    return relation_flags(f32_compare(env, (uint32_t)a, (uint32_t)b, true));
}
static uint64_t comisd(struct fp_env *env, uint64_t a, uint64_t b)
{
    return relation_flags(f64_compare(env, a, b, false));
}
static uint64_t ucomisd(struct fp_env *env, uint64_t a, uint64_t b)
{
    return relation_flags(f64_compare(env, a, b, true));
}
static uint64_t roundss(struct fp_env *env, uint64_t a, uint64_t b)
{
    (void)a;
    return f32_round_to_integral(env, (uint32_t)b, env->rounding, true);
}
static uint64_t roundsd(struct fp_env *env, uint64_t a, uint64_t b)
{
    (void)a;
    return f64_round_to_integral(env, b, env->rounding, true);
}
static uint64_t roundsd_up_quiet(struct fp_env *env, uint64_t a, uint64_t b)
{
    (void)a;
    return f64_round_to_integral(env, b, FP_UP, false);
}
static uint64_t cvtss2sd(struct fp_env *env, uint64_t a, uint64_t b)
{
    (void)a;
    return f32_to_f64(env, (uint32_t)b);
}
static uint64_t cvtsd2ss(struct fp_env *env, uint64_t a, uint64_t b)
{
    (void)a;
    return f64_to_f32(env, b);
}
static uint64_t cvtss2si32(struct fp_env *env, uint64_t a, uint64_t b)
{
    (void)a;
    return (uint32_t)f32_to_int(env, (uint32_t)b, 32, env->rounding);
}
static uint64_t cvtsd2si32(struct fp_env *env, uint64_t a, uint64_t b)
{
    (void)a;
    return (uint32_t)f64_to_int(env, b, 32, env->rounding);
}
static uint64_t cvtss2si64(struct fp_env *env, uint64_t a, uint64_t b)
{
    (void)a;
    return (uint64_t)f32_to_int(env, (uint32_t)b, 64, env->rounding);
}
static uint64_t cvtsd2si64(struct fp_env *env, uint64_t a, uint64_t b)
{
    (void)a;
    return (uint64_t)f64_to_int(env, b, 64, env->rounding);
}
static uint64_t cvttss2si64(struct fp_env *env, uint64_t a, uint64_t b)
{
    (void)a;
    return (uint64_t)f32_to_int(env, (uint32_t)b, 64, FP_TRUNCATE);
}
static uint64_t cvttsd2si32(struct fp_env *env, uint64_t a, uint64_t b)
{
    (void)a;
    return (uint32_t)f64_to_int(env, b, 32, FP_TRUNCATE);
}
static uint64_t cvtsi2ss(struct fp_env *env, uint64_t a, uint64_t b)
{
    (void)a;
    return f32_from_int(env, (int64_t)b);
}
static uint64_t cvtsi2sd(struct fp_env *env, uint64_t a, uint64_t b)
{
    (void)a;
    return f64_from_int(env, (int64_t)b);
}

static const struct row {
    enum host_op_id op;
    enum operands operands;
    enum result result;
    ours_fn *fn;
} ROWS[] = {
    {SSE_ADDSS, F32, R32, addss},
    {SSE_SUBSS, F32, R32, subss},
    {SSE_MULSS, F32, R32, mulss},
    {SSE_DIVSS, F32, R32, divss},
    {SSE_SQRTSS, F32, R32, sqrtss},
    {SSE_MINSS, F32, R32, minss},
    {SSE_MAXSS, F32, R32, maxss},
    {SSE_ADDSD, F64, R64, f64_add},
    {SSE_SUBSD, F64, R64, f64_sub},
    {SSE_MULSD, F64, R64, f64_mul},
    {SSE_DIVSD, F64, R64, f64_div},
    {SSE_SQRTSD, F64, R64, sqrtsd},
    {SSE_MINSD, F64, R64, f64_min},
    {SSE_MAXSD, F64, R64, f64_max},
    {SSE_COMISS, F32, FLAGS, comiss},
    {SSE_UCOMISS, F32, FLAGS, ucomiss},
    {SSE_COMISD, F64, FLAGS, comisd},
    {SSE_UCOMISD, F64, FLAGS, ucomisd},
    {SSE_ROUNDSS, F32, R32, roundss},
    {SSE_ROUNDSD, F64, R64, roundsd},
    {SSE_ROUNDSD_UP_QUIET, F64, R64, roundsd_up_quiet},
    {SSE_CVTSS2SD, F32, R64, cvtss2sd},
    {SSE_CVTSD2SS, F64, R32, cvtsd2ss},
    {SSE_CVTSS2SI32, F32, R32, cvtss2si32},
    {SSE_CVTSD2SI32, F64, R32, cvtsd2si32},
    {SSE_CVTSS2SI64, F32, R64, cvtss2si64},
    {SSE_CVTSD2SI64, F64, R64, cvtsd2si64},
    {SSE_CVTTSS2SI64, F32, R64, cvttss2si64},
    {SSE_CVTTSD2SI32, F64, R32, cvttsd2si32},
    {SSE_CVTSI2SS64, INTEGER, R32, cvtsi2ss},
    {SSE_CVTSI2SD64, INTEGER, R64, cvtsi2sd},
};

static uint64_t random_operand(struct fp_random *random, const struct row *row)
{
    uint64_t bits = fp_random_next(random);
    if (row->operands == F32)
        return fp_random_f32(random);
    if (row->operands == INTEGER)
        return bits & 1 ? (uint64_t)((int64_t)bits >> (bits >> 1 & 63)) : bits;
    /* For a narrowing conversion half of the operands have exponents around the narrow format's ends. */
    if (row->op == SSE_CVTSD2SS && bits & 1)
        return bits >> 63 << 63 | (1023 - 160 + bits % 300) << 52 | (fp_random_f64(random) & 0xFFFFFFFFFFFFF);
    if ((row->result == R32 || row->op == SSE_CVTSD2SI64 || row->op == SSE_ROUNDSD) && bits & 1)
        return bits >> 63 << 63 | (1023 - 3 + bits % 70) << 52 | (fp_random_f64(random) & 0xFFFFFFFFFFFFF);
    return fp_random_f64(random);
}

static unsigned run_row(const struct row *row, uint64_t seed)
{
    struct fp_random random = {seed};
    unsigned bad = 0;
    for (unsigned i = 0; i < CASES; i++) {
        uint64_t a = random_operand(&random, row), b = random_operand(&random, row);
        uint32_t mxcsr = fp_random_mxcsr(&random);
        struct fp_env env = fp_env_of_mxcsr(mxcsr);
        uint64_t ours = row->fn(&env, a, b);
        uint8_t flags = fp_flags_visible(&env);
        bool delivered = !(flags & ~env.masks & FP_ALL_EXCEPTIONS);
        struct host_sse host = {.a = a, .b = b, .mxcsr = mxcsr};
        host_sse_run(row->op, &host);
        uint64_t theirs = row->result == R32   ? (uint32_t)host.a
                          : row->result == R64 ? host.a
                                               : host.flags & 0x45;
        bool same = (!delivered || ours == theirs) && flags == (host.mxcsr & 0x3F);
        if (!same && bad++ < MAX_REPORTS)
            cr_log_error("%s mxcsr %04x: %016" PRIx64 " %016" PRIx64 "\n  ours %016" PRIx64
                         " flags %02x\n  host %016" PRIx64 " flags %02x",
                         host_op_name(row->op), mxcsr, a, b, ours, flags, theirs, host.mxcsr & 0x3F);
    }
    return bad;
}

Test(fp_sse, agrees_with_the_host)
{
    if (!host_fp_available())
        return;
    unsigned total = 0;
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        unsigned bad = run_row(&ROWS[i], 0xD1B54A32D192ED03ull + i);
        if (bad)
            cr_log_error("%s: %u of %d differ", host_op_name(ROWS[i].op), bad, CASES);
        total += bad;
    }
    cr_assert_eq(total, 0, "%u differences", total);
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

Test(fp_sse, reciprocals_keep_the_error_bound)
{
    const double bound = 1.5 / 4096;
    for (uint32_t i = 0; i < 1u << 20; i++) {
        uint32_t bits = 0x3F800000 + i * 16; /* 1 to 4 */
        double x = (double)float_of(bits);
        cr_assert_leq(fabs((double)float_of(f32_reciprocal(bits)) * x - 1), bound);
        cr_assert_leq(fabs((double)float_of(f32_reciprocal_sqrt(bits)) * sqrt(x) - 1), bound);
    }
    static const struct {
        uint32_t in, reciprocal, root;
    } rows[] = {
        {0x00000000, 0x7F800000, 0x7F800000}, {0x80000000, 0xFF800000, 0xFF800000},
        {0x7F800000, 0x00000000, 0x00000000}, {0xFF800000, 0x80000000, 0xFFC00000},
        {0x00012345, 0x7F800000, 0x7F800000}, {0x80012345, 0xFF800000, 0xFF800000},
        {0x7F812345, 0x7FC12345, 0x7FC12345}, {0x3F800000, 0x3F800000, 0x3F800000},
        {0xC0000000, 0xBF000000, 0xFFC00000}, {0x7F7FFFFF, 0x00000000, 0x1F800000},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cr_expect_eq(f32_reciprocal(rows[i].in), rows[i].reciprocal, "row %zu", i);
        cr_expect_eq(f32_reciprocal_sqrt(rows[i].in), rows[i].root, "row %zu", i);
    }
}
