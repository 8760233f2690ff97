/* F2XM1, FYL2X and FYL2XP1.
 *
 * 2^x - 1 by its Taylor series in x ln 2, relative to x, so that small arguments lose nothing. Logarithms
 * from log2(m) = 2/ln 2 * atanh((m - 1) / (m + 1)) with m in [sqrt(1/2), sqrt 2], again relative to m - 1.
 * Results that are exactly representable (powers of two) are found first and raise no precision exception.
 *
 * Outside the manual's argument ranges (|x| > 1 for F2XM1; FYL2XP1 with x beyond 1 - sqrt(1/2)) the results
 * are undefined there; see the functions. Precision control does not apply. Sources: SDM 2 (F2XM1, FYL2X,
 * FYL2XP1 tables), SDM 1, 8.3.9-10. */
#include "cpu/fp/fp_wide.h"

enum { EXP_TERMS = 27, LOG_TERMS = 20 };

/* 1/(k+1)!, 126 fraction bits */
static const struct wide_constant EXP_SERIES[EXP_TERMS] = {
    {0x4000000000000000, 0x0000000000000000}, {0x2000000000000000, 0x0000000000000000},
    {0x0AAAAAAAAAAAAAAA, 0xAAAAAAAAAAAAAAAB}, {0x02AAAAAAAAAAAAAA, 0xAAAAAAAAAAAAAAAB},
    {0x0088888888888888, 0x8888888888888889}, {0x0016C16C16C16C16, 0xC16C16C16C16C16C},
    {0x0003403403403403, 0x4034034034034034}, {0x0000680680680680, 0x6806806806806807},
    {0x00000B8EF1D2AB63, 0x99C7D560E4472801}, {0x00000127E4FB7789, 0xF5C72EF016D3EA66},
    {0x0000001AE64567F5, 0x44E38FE747E4B838}, {0x000000023DDB1DFF, 0x1B12F6A89B530F5A},
    {0x000000002C248C27, 0x50DA12F9470663A4}, {0x0000000003272E95, 0x180F93A4175BE28C},
    {0x000000000035CFE7, 0xCE67703E23B0CAD6}, {0x0000000000035CFE, 0x7CE67703E23B0CAD},
    {0x00000000000032A5, 0x8EE0615A94D64C0A}, {0x00000000000002D0, 0x4F0C772FB2EF7601},
    {0x0000000000000025, 0xE9368D0282AE4994}, {0x0000000000000001, 0xE542BA402022507B},
    {0x0000000000000000, 0x171B8EF6DCF5718C}, {0x0000000000000000, 0x010CE396DB7F8529},
    {0x0000000000000000, 0x000BB0DA098B1C0D}, {0x0000000000000000, 0x00007CB3C065CBD6},
    {0x0000000000000000, 0x000004FCF3374598}, {0x0000000000000000, 0x000000311D0BF8D5},
    {0x0000000000000000, 0x00000001D1AB1C2E},
};

/* ln 2 and 2 / ln 2 as wide numbers */
static const struct wide_constant LN2 = {0xB17217F7D1CF79AB, 0xC9E3B39803F2F6AF};
static const struct wide_constant TWO_OVER_LN2 = {0xB8AA3B295C17F0BB, 0xBE87FED0691D3E89};

/* sqrt 2, 127 fraction bits: where the significand is halved to stay near one. Need not be exact. */
static const struct wide_constant SQRT2 = {0xB504F333F9DE6484, 0};

/* --- 2^x - 1 ------------------------------------------------------------------------------------------- */

struct f80 f80_exp2m1(struct fp_env *env, struct fp_num a)
{
    env->rounded_up = false;
    if (fp_is_nan(a))
        return f80_pack_special(fp_quiet_nan(env, a));
    if (a.cls == FP_CLASS_ZERO)
        return f80_pack_special(a);
    if (a.cls == FP_CLASS_INFINITY)
        return a.sign ? (struct f80){FP_TOP_BIT, 0x8000 | F80_BIAS} : f80_pack_special(a);
    fp_note_denormal(env, a);
    if (a.exp >= 0) {
        /* One is the last defined argument, inexact though it need not be; beyond it the operand comes back
         * unchanged. */
        env->flags |= FP_PE;
        if (a.sign && a.exp == 0 && a.sig == FP_TOP_BIT)
            return (struct f80){FP_TOP_BIT, 0x8000 | (F80_BIAS - 1)};
        return f80_make(a.sign, (struct fp_rounded){a.sig, a.exp + F80_BIAS});
    }
    struct wide t = wide_mul(wide_from_num(a), (struct wide){wide_bits(LN2), -1, false});
    u128 ratio = wide_series(EXP_SERIES, EXP_TERMS, wide_to_fixed(t, 128), a.sign);
    return wide_pack(env, wide_mul(t, wide_from_fixed(ratio, 126, false)));
}

/* --- logarithm ----------------------------------------------------------------------------------------- */

/* 2/ln 2 * atanh(s), |s| <= 3 - 2 sqrt 2. */
static struct wide log2_of_ratio(struct wide s)
{
    u128 z = wide_to_fixed(wide_mul(s, s), 128);
    struct wide series = wide_from_fixed(wide_series(wide_odd_reciprocals, LOG_TERMS, z, false), 127, false);
    return wide_mul(wide_mul(s, series), (struct wide){wide_bits(TWO_OVER_LN2), 1, false});
}

/* log2 of a positive number that is no power of two. */
static struct wide wide_log2(struct wide x)
{
    enum { SUM_BITS = 112 };
    bool halve = x.sig > wide_bits(SQRT2);
    int32_t exponent = x.exp + halve;
    /* m with 127 fraction bits, or half of it with 128: numerator exact, denominator (2 m + 2) / 2. */
    const u128 one = (u128)1 << 127;
    struct wide numerator, denominator;
    if (halve) {
        /* m = sig / 2^128 in (sqrt 1/2, 1): 1 - m is -sig modulo 2^128 */
        numerator = wide_from_fixed(-x.sig, 128, true);
        denominator = wide_from_fixed(one + (x.sig >> 1), 127, false);
    } else {
        numerator = wide_from_fixed(x.sig - one, 127, false);
        denominator = wide_from_fixed((one >> 1) + (x.sig >> 1), 126, false);
    }
    struct wide fraction = log2_of_ratio(wide_div(numerator, denominator));
    if (exponent == 0)
        return fraction;
    u128 part = wide_to_fixed(fraction, SUM_BITS);
    bool sign = exponent < 0;
    u128 whole = (u128)(uint32_t)(sign ? -exponent : exponent) << SUM_BITS;
    return wide_from_fixed(sign == fraction.sign ? whole + part : whole - part, SUM_BITS, sign);
}

/* y * k for an integer k, exact but for one rounding. CPUs report inexact even when it is exact. */
static struct f80 times_integer(struct fp_env *env, struct fp_num y, int32_t k)
{
    struct fp_num factor = fp_from_int(k);
    if (k == 0)
        return f80_pack_special(fp_zero(y.sign));
    struct wide product = wide_mul(wide_from_num(y), wide_from_num(factor));
    env->flags |= FP_PE;
    if (product.exp < 1 - F80_BIAS)
        env->flags |= FP_UE;
    uint64_t hi = (uint64_t)(product.sig >> 64), lo = (uint64_t)product.sig;
    return f80_round_pack(env, 64, product.sign, product.exp, hi, lo);
}

/* A logarithm that is an infinity or zero of the given sign, times y. */
static struct f80 times_special(struct fp_env *env, struct fp_num y, bool infinite, bool sign)
{
    bool invalid = infinite ? y.cls == FP_CLASS_ZERO : y.cls == FP_CLASS_INFINITY;
    if (invalid)
        return f80_pack_special(fp_invalid(env));
    sign ^= y.sign;
    return f80_pack_special(infinite ? fp_infinity(sign) : fp_zero(sign));
}

struct f80 f80_ylog2x(struct fp_env *env, struct fp_num y, struct fp_num x)
{
    env->rounded_up = false;
    if (fp_is_nan(y) || fp_is_nan(x))
        return f80_pack_special(fp_pick_nan(env, y, x, true));
    if (x.sign && x.cls != FP_CLASS_ZERO)
        return f80_pack_special(fp_invalid(env));
    if (x.cls == FP_CLASS_ZERO) {
        if (y.cls != FP_CLASS_ZERO && y.cls != FP_CLASS_INFINITY)
            env->flags |= FP_ZE;
        return times_special(env, y, true, true);
    }
    bool one = x.cls == FP_CLASS_NORMAL && x.exp == 0 && x.sig == FP_TOP_BIT;
    if (one && y.cls == FP_CLASS_INFINITY)
        return f80_pack_special(fp_invalid(env));
    if (x.cls == FP_CLASS_INFINITY && y.cls == FP_CLASS_ZERO)
        return f80_pack_special(fp_invalid(env));
    fp_note_denormal(env, y);
    fp_note_denormal(env, x);
    if (x.cls == FP_CLASS_INFINITY)
        return times_special(env, y, true, false);
    if (!fp_is_finite_nonzero(y)) {
        y.sign ^= x.exp < 0;
        return f80_pack_special(y);
    }
    if (x.sig == FP_TOP_BIT)
        return times_integer(env, y, x.exp);
    return wide_pack(env, wide_mul(wide_from_num(y), wide_log2(wide_from_num(x))));
}

/* 1 + x for x > -1 and |x| >= 1/4: exact up to 2^61. */
static struct wide one_plus(struct fp_num x)
{
    if (x.exp > 60)
        return wide_from_num(x);
    u128 one = (u128)1 << 66, fixed = wide_to_fixed(wide_from_num(x), 66);
    return wide_from_fixed(x.sign ? one - fixed : one + fixed, 66, false);
}

/* Near zero by x / (2 + x); farther out, where the manual defines nothing, the logarithm of 1 + x. */
static struct wide log2_one_plus(struct fp_num x)
{
    if (x.exp >= -2)
        return wide_log2(one_plus(x));
    u128 two = (u128)1 << 127, fixed = wide_to_fixed(wide_from_num(x), 126);
    struct wide denominator = wide_from_fixed(x.sign ? two - fixed : two + fixed, 126, false);
    return log2_of_ratio(wide_div(wide_from_num(x), denominator));
}

struct f80 f80_ylog2xp1(struct fp_env *env, struct fp_num y, struct fp_num x)
{
    env->rounded_up = false;
    if (fp_is_nan(y) || fp_is_nan(x))
        return f80_pack_special(fp_pick_nan(env, y, x, true));
    if (x.cls == FP_CLASS_ZERO) {
        if (y.cls != FP_CLASS_INFINITY)
            fp_note_denormal(env, y);
        return times_special(env, y, false, x.sign);
    }
    if (x.cls == FP_CLASS_INFINITY) {
        if (!x.sign && y.cls != FP_CLASS_ZERO)
            fp_note_denormal(env, y);
        return x.sign ? f80_pack_special(fp_invalid(env)) : times_special(env, y, true, false);
    }
    fp_note_denormal(env, y);
    fp_note_denormal(env, x);
    if (!fp_is_finite_nonzero(y)) {
        y.sign ^= x.sign;
        return f80_pack_special(y);
    }
    if (x.sign && x.exp >= 0)
        return f80_pack_special(fp_invalid(env));
    if (x.exp >= -2) {
        struct wide sum = one_plus(x);
        if (sum.sig == (u128)1 << 127)
            return times_integer(env, y, sum.exp);
    }
    return wide_pack(env, wide_mul(wide_from_num(y), log2_one_plus(x)));
}
