/* FSIN, FCOS, FPTAN and FPATAN.
 *
 * Arguments are reduced to [-pi/4, pi/4] with the 66-bit pi that Intel CPUs use (SDM 1, 8.3.8 and 8.3.10),
 * exactly: the result equals the function of x modulo that pi, as on hardware, not of the true x. Then Taylor
 * series in 128-bit arithmetic. FPATAN uses the true pi and a table of arc tangents of eighths.
 *
 * Precision control does not apply. Arguments of 2^63 and more are refused (C2).
 * Sources: SDM 2 (FSIN, FPATAN tables), SDM 1, 8.3.8. */
#include "cpu/fp/fp_wide.h"

enum { SIN_TERMS = 15, ATAN_TERMS = 14, ATAN_STEPS = 8 };

/* 1/(2k+1)! and 1/(2k)!, 127 fraction bits */
static const struct wide_constant SIN_SERIES[SIN_TERMS] = {
    {0x8000000000000000, 0x0000000000000000}, {0x1555555555555555, 0x5555555555555555},
    {0x0111111111111111, 0x1111111111111111}, {0x0006806806806806, 0x8068068068068068},
    {0x0000171DE3A556C7, 0x338FAAC1C88E5001}, {0x00000035CC8ACFEA, 0x89C71FCE8FC97070},
    {0x000000005849184E, 0xA1B425F28E0CC749}, {0x00000000006B9FCF, 0x9CCEE07C476195AC},
    {0x000000000000654B, 0x1DC0C2B529AC9814}, {0x000000000000004B, 0xD26D1A05055C9328},
    {0x0000000000000000, 0x2E371DEDB9EAE318}, {0x0000000000000000, 0x001761B41316381A},
    {0x0000000000000000, 0x000009F9E66E8B30}, {0x0000000000000000, 0x00000003A356385C},
    {0x0000000000000000, 0x0000000001259F99},
};

static const struct wide_constant COS_SERIES[SIN_TERMS] = {
    {0x8000000000000000, 0x0000000000000000}, {0x4000000000000000, 0x0000000000000000},
    {0x0555555555555555, 0x5555555555555555}, {0x002D82D82D82D82D, 0x82D82D82D82D82D8},
    {0x0000D00D00D00D00, 0xD00D00D00D00D00D}, {0x0000024FC9F6EF13, 0xEB8E5DE02DA7D4CD},
    {0x000000047BB63BFE, 0x3625ED5136A61EB4}, {0x00000000064E5D2A, 0x301F27482EB7C517},
    {0x000000000006B9FC, 0xF9CCEE07C476195B}, {0x00000000000005A0, 0x9E18EE5F65DEEC01},
    {0x0000000000000003, 0xCA8574804044A0F5}, {0x0000000000000000, 0x0219C72DB6FF0A53},
    {0x0000000000000000, 0x0000F96780CB97AC}, {0x0000000000000000, 0x000000623A17F1A9},
    {0x0000000000000000, 0x000000002143144C},
};

/* --- argument reduction -------------------------------------------------------------------------------- */

/* |x| = quadrant * pi/2 + r, r in [-pi/4, pi/4]. */
struct reduced {
    struct wide r;
    unsigned quadrant; /* modulo 4 */
};

static struct reduced reduce(struct fp_num a)
{
    a.sign = false;
    if (a.exp < -1)
        return (struct reduced){wide_from_num(a), 0};
    /* pi/2 with 65 fraction bits; the argument in the same unit is below 2^128, because |x| < 2^63. */
    const u128 half_pi = (u128)0x3 << 64 | 0x243F6A8885A308D3;
    u128 x = (u128)a.sig << (a.exp + 2);
    u128 quotient = x / half_pi, rest = x % half_pi;
    bool sign = rest > half_pi >> 1;
    if (sign) {
        rest = half_pi - rest;
        quotient++;
    }
    /* half_pi is odd and larger than any significand, so it divides no argument: rest is not zero. */
    return (struct reduced){wide_from_fixed(rest, 65, sign), (unsigned)quotient & 3};
}

/* r squared, 128 fraction bits. */
static u128 square(struct wide r)
{
    return wide_to_fixed(wide_mul(r, r), 128);
}

/* For tiny arguments the series gives exactly one; the true value is below it, which directed rounding must
 * see. */
static u128 below_one(u128 value)
{
    return value >> 127 ? value - 1 : value;
}

static struct wide wide_sin(struct wide r)
{
    u128 ratio = below_one(wide_series(SIN_SERIES, SIN_TERMS, square(r), true));
    return wide_mul(r, wide_from_fixed(ratio, 127, false));
}

static struct wide wide_cos(struct wide r)
{
    return wide_from_fixed(below_one(wide_series(COS_SERIES, SIN_TERMS, square(r), true)), 127, false);
}

/* --- sine, cosine, tangent ----------------------------------------------------------------------------- */

/* Below 2^-68 Intel CPUs return the operand (or one) whatever the rounding mode, yet inexact. */
static struct f80 trig_tiny(struct fp_env *env, struct fp_num a, bool cosine)
{
    env->flags |= FP_PE;
    if (cosine)
        return (struct f80){FP_TOP_BIT, F80_BIAS};
    if (a.exp < 1 - F80_BIAS)
        env->flags |= FP_UE;
    return f80_round_pack(env, 64, a.sign, a.exp, a.sig, 0);
}

/* Everything but an operand that needs work. */
static bool trig_special(struct fp_env *env, struct fp_num a, bool cosine, bool *out_of_range,
                         struct f80 *result)
{
    env->rounded_up = false;
    if (fp_is_nan(a)) {
        *result = f80_pack_special(fp_quiet_nan(env, a));
    } else if (a.cls == FP_CLASS_INFINITY) {
        *result = f80_pack_special(fp_invalid(env));
    } else if (a.cls == FP_CLASS_ZERO) {
        *result = cosine ? (struct f80){FP_TOP_BIT, F80_BIAS} : f80_pack_special(a);
    } else if (a.exp >= 63) {
        *out_of_range = true;
        *result = f80_make(a.sign, (struct fp_rounded){a.sig, a.exp + F80_BIAS});
    } else {
        fp_note_denormal(env, a);
        if (a.exp >= -68)
            return false;
        *result = trig_tiny(env, a, cosine);
    }
    return true;
}

struct f80 f80_sin(struct fp_env *env, struct fp_num a, bool *out_of_range)
{
    struct f80 result;
    if (trig_special(env, a, false, out_of_range, &result))
        return result;
    struct reduced x = reduce(a);
    struct wide value = x.quadrant & 1 ? wide_cos(x.r) : wide_sin(x.r);
    value.sign ^= a.sign ^ (x.quadrant >> 1);
    return wide_pack(env, value);
}

struct f80 f80_cos(struct fp_env *env, struct fp_num a, bool *out_of_range)
{
    struct f80 result;
    if (trig_special(env, a, true, out_of_range, &result))
        return result;
    struct reduced x = reduce(a);
    struct wide value = x.quadrant & 1 ? wide_sin(x.r) : wide_cos(x.r);
    value.sign ^= (x.quadrant == 1) | (x.quadrant == 2);
    return wide_pack(env, value);
}

struct f80 f80_tan(struct fp_env *env, struct fp_num a, bool *out_of_range)
{
    struct f80 result;
    if (trig_special(env, a, false, out_of_range, &result))
        return result;
    struct reduced x = reduce(a);
    struct wide sine = wide_sin(x.r), cosine = wide_cos(x.r);
    struct wide value = x.quadrant & 1 ? wide_div(cosine, sine) : wide_div(sine, cosine);
    value.sign ^= a.sign ^ (x.quadrant & 1);
    return wide_pack(env, value);
}

/* --- arc tangent --------------------------------------------------------------------------------------- */

/* atan(i / 8), pi and pi/2, 125 fraction bits */
static const struct wide_constant ATAN_TABLE[ATAN_STEPS + 1] = {
    {0x0000000000000000, 0x0000000000000000}, {0x03FAB7535585EDB8, 0xCB225E627CFA223C},
    {0x07D6DD7E4B203758, 0xAB6E3CF7AFBD10BF}, {0x0B7B0CA0F26F7847, 0x38AA32122DCFE448},
    {0x0ED63382B0DDA7B4, 0x56FE445ECBC3A8D0}, {0x11E00BABDEFEB3F3, 0x6B906BC2CCB886E9},
    {0x14978FA3269EE124, 0x83350FE548AFB594}, {0x1700A7C5784633CE, 0x7965B4AA42148888},
    {0x1921FB54442D1846, 0x9898CC51701B839A},
};
static const struct wide_constant PI = {0x6487ED5110B4611A, 0x62633145C06E0E69};
static const struct wide_constant HALF_PI = {0x3243F6A8885A308D, 0x313198A2E0370734};
static const struct wide_constant THREE_QUARTERS_PI = {0x4B65F1FCCC8748D3, 0xC9CA64F450528ACE};

enum { ANGLE_BITS = 125 };

static struct wide constant_angle(struct wide_constant angle, bool sign)
{
    return wide_from_fixed(wide_bits(angle), ANGLE_BITS, sign);
}

/* atan(t) for |t| <= 1/16. */
static struct wide atan_small(struct wide t)
{
    u128 ratio = wide_series(wide_odd_reciprocals, ATAN_TERMS, square(t), true);
    return wide_mul(t, wide_from_fixed(below_one(ratio), 127, false));
}

/* atan(q) for 0 < q <= 1: atan(c) + atan((q - c) / (1 + c q)) with c the nearest eighth. */
static struct wide atan_unit(struct wide q)
{
    if (q.exp < -5)
        return atan_small(q);
    /* 126 fraction bits: q is at most one and 1 + c q at most two. */
    u128 fixed = wide_to_fixed(q, 126);
    unsigned step = (unsigned)((fixed + ((u128)1 << 122)) >> 123);
    u128 c = (u128)step << 123;
    if (step == 0)
        return atan_small(q);
    u128 angle = wide_bits(ATAN_TABLE[step]);
    bool below = fixed < c;
    u128 difference = below ? c - fixed : fixed - c;
    if (difference == 0)
        return wide_from_fixed(angle, ANGLE_BITS, false);
    u128 denominator = ((u128)1 << 126) + wide_mul_high(fixed << 1, c << 1);
    struct wide t =
        wide_div(wide_from_fixed(difference, 126, false), wide_from_fixed(denominator, 126, false));
    u128 rest = wide_to_fixed(atan_small(t), ANGLE_BITS);
    return wide_from_fixed(below ? angle - rest : angle + rest, ANGLE_BITS, false);
}

/* Zeros and infinities (SDM 2, FPATAN table). */
static struct f80 atan2_special(struct fp_env *env, struct fp_num y, struct fp_num x)
{
    bool y_infinite = y.cls == FP_CLASS_INFINITY, x_infinite = x.cls == FP_CLASS_INFINITY;
    struct wide_constant angle = HALF_PI;
    if (y_infinite && x_infinite)
        angle = x.sign ? THREE_QUARTERS_PI : ATAN_TABLE[ATAN_STEPS];
    else if (!y_infinite && (x_infinite || y.cls == FP_CLASS_ZERO)) {
        if (!x.sign)
            return f80_pack_special(fp_zero(y.sign));
        angle = PI;
    }
    return wide_pack(env, constant_angle(angle, y.sign));
}

struct f80 f80_atan2(struct fp_env *env, struct fp_num y, struct fp_num x)
{
    env->rounded_up = false;
    if (fp_is_nan(y) || fp_is_nan(x))
        return f80_pack_special(fp_pick_nan(env, y, x, true));
    fp_note_denormal(env, y);
    fp_note_denormal(env, x);
    if (!fp_is_finite_nonzero(y) || !fp_is_finite_nonzero(x))
        return atan2_special(env, y, x);
    struct wide opposite = wide_from_num(y), adjacent = wide_from_num(x);
    opposite.sign = adjacent.sign = false;
    bool steep = y.exp > x.exp || (y.exp == x.exp && y.sig > x.sig);
    struct wide q = steep ? wide_div(adjacent, opposite) : wide_div(opposite, adjacent);
    if (!steep && !x.sign && q.exp < -68) {
        /* As for the sine: the quotient itself, and inexact. */
        env->flags |= q.exp < 1 - F80_BIAS ? FP_PE | FP_UE : FP_PE;
        return f80_round_pack(env, 64, y.sign, q.exp, (uint64_t)(q.sig >> 64), (uint64_t)q.sig);
    }
    struct wide angle = atan_unit(q);
    if (steep || x.sign) {
        u128 fixed = wide_to_fixed(angle, ANGLE_BITS);
        if (steep)
            fixed = x.sign ? wide_bits(HALF_PI) + fixed : wide_bits(HALF_PI) - fixed;
        else
            fixed = wide_bits(PI) - fixed;
        angle = wide_from_fixed(fixed, ANGLE_BITS, false);
    }
    angle.sign = y.sign;
    return wide_pack(env, angle);
}
