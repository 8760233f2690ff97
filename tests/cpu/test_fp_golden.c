/* cpu/fp gives the same bits on every host: a hash over results and flags of many operations, compared with
 * the value that was computed when they all agreed with a real x87 and SSE (test_fp_x87, test_fp_sse). On an
 * x86-64 host this adds nothing; on any other it is the test. */
#include "tests/cpu/fp_oracle.h"

#include <criterion/criterion.h>
#include <inttypes.h>

enum { CASES = 5000 };

typedef uint64_t case_fn(struct fp_random *random, uint8_t *flags);

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9E3779B97F4A7C15ull;
    return hash ^ hash >> 29;
}

static uint64_t of_f80(struct f80 value)
{
    return mix(value.significand, value.sign_exp);
}

typedef struct f80 f80_binary(struct fp_env *env, struct fp_num a, struct fp_num b);
typedef struct f80 f80_unary(struct fp_env *env, struct fp_num a);
typedef struct f80 f80_trig(struct fp_env *env, struct fp_num a, bool *out_of_range);
typedef uint32_t f32_binary(struct fp_env *env, uint32_t a, uint32_t b);
typedef uint64_t f64_binary(struct fp_env *env, uint64_t a, uint64_t b);

static f80_binary *const F80_BINARY[] = {f80_add,   f80_sub,   f80_mul,    f80_div,
                                         f80_scale, f80_atan2, f80_ylog2x, f80_ylog2xp1};
static f80_unary *const F80_UNARY[] = {f80_sqrt, f80_round_to_integral, f80_exp2m1, f80_load};
static f80_trig *const F80_TRIG[] = {f80_sin, f80_cos, f80_tan};
static f32_binary *const F32_BINARY[] = {f32_add, f32_sub, f32_mul, f32_div, f32_min, f32_max};
static f64_binary *const F64_BINARY[] = {f64_add, f64_sub, f64_mul, f64_div, f64_min, f64_max};

static uint64_t x87_arithmetic(struct fp_random *random, uint8_t *flags)
{
    struct fp_env env = fp_env_of_control(fp_random_control(random));
    struct f80 x = fp_random_f80(random), y = fp_random_f80(random), exponent;
    struct fp_num a = fp_from_f80(x), b = fp_from_f80(y);
    uint64_t hash = 0;
    for (size_t i = 0; i < ARRAY_LEN(F80_BINARY); i++)
        hash = mix(hash, of_f80(F80_BINARY[i](&env, a, b)) + env.rounded_up);
    for (size_t i = 0; i < ARRAY_LEN(F80_UNARY); i++)
        hash = mix(hash, of_f80(F80_UNARY[i](&env, a)) + env.rounded_up);
    for (size_t i = 0; i < ARRAY_LEN(F80_TRIG); i++) {
        bool out_of_range = false;
        hash = mix(hash, of_f80(F80_TRIG[i](&env, a, &out_of_range)) + out_of_range);
    }
    struct f80_remainder remainder = f80_rem(&env, a, b, hash & 1);
    hash = mix(hash, of_f80(remainder.value) + remainder.quotient + remainder.partial);
    hash = mix(hash, of_f80(f80_extract(&env, a, &exponent)) ^ of_f80(exponent));
    hash = mix(hash, f80_compare(&env, a, b, true));
    *flags = env.flags;
    return hash;
}

static uint64_t x87_conversions(struct fp_random *random, uint8_t *flags)
{
    struct fp_env env = fp_env_of_control(fp_random_control(random));
    struct f80 x = fp_random_f80(random);
    x.sign_exp = (uint16_t)((x.sign_exp & 0x8000) | (16383 - 20 + fp_random_next(random) % 100));
    struct fp_num a = fp_from_f80(x);
    uint64_t low, hash = f80_to_f32(&env, a);
    uint16_t high;
    hash = mix(hash, f80_to_f64(&env, a));
    for (unsigned bits = 16; bits <= 64; bits *= 2)
        hash = mix(hash, (uint64_t)fp_to_int(&env, a, bits, env.rounding));
    f80_to_bcd(&env, a, &low, &high);
    hash = mix(mix(hash, low), high);
    *flags = env.flags;
    return mix(hash, of_f80(f80_from_bcd(low, high)));
}

static uint64_t sse(struct fp_random *random, uint8_t *flags)
{
    struct fp_env env = fp_env_of_mxcsr(fp_random_mxcsr(random) | 0x1F80);
    uint32_t a = fp_random_f32(random), b = fp_random_f32(random);
    uint64_t x = fp_random_f64(random), y = fp_random_f64(random), hash = 0;
    for (size_t i = 0; i < ARRAY_LEN(F32_BINARY); i++)
        hash = mix(hash, F32_BINARY[i](&env, a, b));
    for (size_t i = 0; i < ARRAY_LEN(F64_BINARY); i++)
        hash = mix(hash, F64_BINARY[i](&env, x, y));
    hash = mix(mix(hash, f32_sqrt(&env, a)), f64_sqrt(&env, x));
    hash = mix(mix(hash, f32_to_f64(&env, a)), f64_to_f32(&env, x));
    hash = mix(mix(hash, f32_reciprocal(a)), f32_reciprocal_sqrt(a));
    hash = mix(hash, (uint64_t)f64_to_int(&env, x, 64, env.rounding));
    hash = mix(hash, f64_round_to_integral(&env, x, env.rounding, true));
    hash = mix(mix(hash, f32_from_int(&env, (int64_t)x)), f64_from_int(&env, (int64_t)y));
    *flags = env.flags;
    return hash;
}

static const struct {
    const char *name;
    case_fn *fn;
    uint64_t hash;
} ROWS[] = {
    {"x87 arithmetic", x87_arithmetic, 0x96864572D54DF4B8},
    {"x87 conversions", x87_conversions, 0x8B9930E62A82952E},
    {"SSE", sse, 0x780FACF88AA3827D},
};

Test(fp_golden, same_bits_on_every_host)
{
    for (size_t row = 0; row < ARRAY_LEN(ROWS); row++) {
        struct fp_random random = {0x853C49E6748FEA9Bull};
        uint64_t hash = 0;
        for (unsigned i = 0; i < CASES; i++) {
            uint8_t flags = 0;
            hash = mix(hash, ROWS[row].fn(&random, &flags));
            hash = mix(hash, flags);
        }
        cr_expect_eq(hash, ROWS[row].hash, "%s: 0x%016" PRIX64, ROWS[row].name, hash);
    }
}
