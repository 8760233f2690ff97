/* RCPSS and RSQRTSS. The SDM promises a relative error of at most 1.5 * 2^-12 and nothing more; every CPU has
 * its own table. Here the exact result is rounded to nearest at 12 significant bits: relative error below
 * 2^-12, exact for powers of two (RSQRT: of four). Denormal operands count as zero, tiny results become zero,
 * no exception is ever raised and MXCSR has no influence (SDM 2, RCPPS, RSQRTPS). */
#include "cpu/fp/fp_priv.h"

enum { APPROX_BITS = 12 };

/* Round to nearest at 12 bits and pack; tiny results become zero. */
static uint32_t pack_approximation(bool sign, int32_t exp, uint64_t sig)
{
    uint64_t unit = 1ull << (64 - APPROX_BITS);
    uint64_t rounded = (sig & -unit) + (sig & unit >> 1 ? unit : 0);
    if (rounded == 0) {
        rounded = FP_TOP_BIT;
        exp++;
    }
    if (exp < FP_F32.emin)
        return (uint32_t)sign << 31;
    return f32_make(sign, (struct fp_rounded){rounded, exp - FP_F32.emin + 1});
}

static struct fp_num operand(uint32_t value)
{
    struct fp_num a = fp_from_f32(value);
    return a.cls == FP_CLASS_DENORMAL ? fp_zero(a.sign) : a;
}

static uint32_t quiet(struct fp_num a)
{
    a.sig |= FP_QUIET_BIT;
    return f32_pack_special(a);
}

uint32_t f32_reciprocal(uint32_t value)
{
    struct fp_num a = operand(value);
    switch (a.cls) {
    case FP_CLASS_ZERO: return f32_pack_special(fp_infinity(a.sign));
    case FP_CLASS_INFINITY: return f32_pack_special(fp_zero(a.sign));
    case FP_CLASS_QNAN:
    case FP_CLASS_SNAN: return quiet(a);
    default: break;
    }
    if (a.sig == FP_TOP_BIT)
        return pack_approximation(a.sign, -a.exp, FP_TOP_BIT);
    /* 2^127 / sig is in (2^63, 2^64) */
    return pack_approximation(a.sign, -a.exp - 1, (uint64_t)(((u128)1 << 127) / a.sig));
}

uint32_t f32_reciprocal_sqrt(uint32_t value)
{
    struct fp_num a = operand(value);
    if (fp_is_nan(a))
        return quiet(a);
    if (a.cls == FP_CLASS_ZERO)
        return f32_pack_special(fp_infinity(a.sign));
    if (a.sign)
        return f32_pack_special(fp_indefinite());
    if (a.cls == FP_CLASS_INFINITY)
        return 0;
    /* Root first, then reciprocal, in f64, rounded to nearest: both errors are far below 12 bits. */
    struct fp_env env = {.rounding = FP_NEAREST, .masks = FP_ALL_EXCEPTIONS};
    uint64_t root = f64_sqrt(&env, f32_to_f64(&env, value));
    struct fp_num inverse = fp_from_f64(f64_div(&env, 0x3FF0000000000000, root));
    return pack_approximation(false, inverse.exp, inverse.sig);
}
