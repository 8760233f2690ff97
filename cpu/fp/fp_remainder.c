/* FPREM, FPREM1, FSCALE and FXTRACT: exact operations on exponent and significand.
 *
 * The partial remainder reduces an exponent difference D of 64 or more by n = 32 + D mod 32 bits and reports
 * "incomplete", as Intel CPUs do (SDM 2, FPREM leaves n between 32 and 63 to the implementation).
 * None of these obeys precision control. Sources: SDM 2 (FPREM, FPREM1, FSCALE, FXTRACT). */
#include "cpu/fp/fp_priv.h"

/* A result that is exact unless it is denormal; `sig` need not be normalized. */
static struct f80 pack_exact(struct fp_env *env, bool sign, int32_t exp, uint64_t sig)
{
    env->rounded_up = false;
    if (sig == 0)
        return f80_pack_special(fp_zero(sign));
    int shift = __builtin_clzll(sig);
    return f80_round_pack(env, 64, sign, exp - shift, sig << shift, 0);
}

/* The operand itself: unlike a computed result it is no underflow when denormal. */
static struct f80 pack_unchanged(struct fp_env *env, struct fp_num a)
{
    uint8_t masks = env->masks;
    env->masks |= FP_UE;
    struct f80 same = pack_exact(env, a.sign, a.exp, a.sig);
    env->masks = masks;
    return same;
}

/* Operands of which one is not a finite number other than zero. */
static struct f80 remainder_special(struct fp_env *env, struct fp_num a, struct fp_num b)
{
    if (fp_is_nan(a) || fp_is_nan(b))
        return f80_pack_special(fp_pick_nan(env, a, b, true));
    if (a.cls == FP_CLASS_INFINITY || b.cls == FP_CLASS_ZERO)
        return f80_pack_special(fp_invalid(env));
    fp_note_denormal(env, a);
    fp_note_denormal(env, b);
    if (a.cls == FP_CLASS_ZERO)
        return f80_pack_special(a);
    return pack_unchanged(env, a); /* b is infinite */
}

/* Complete reduction of D = a.exp - b.exp in -1..63 to the nearest multiple, halves to the even one. */
static struct f80_remainder finish_nearest(struct fp_env *env, struct fp_num a, struct fp_num b,
                                           uint64_t quotient, uint64_t rest, int32_t exp)
{
    /* With D = -1 the unit is half of b's, so b counts twice. */
    u128 divisor = (u128)b.sig << (b.exp - exp);
    u128 twice = (u128)rest << 1;
    bool sign = a.sign;
    if (twice > divisor || (twice == divisor && (quotient & 1))) {
        rest = (uint64_t)(divisor - rest); /* at most half of b: fits */
        sign = !sign;
        quotient++;
    }
    if (rest == 0)
        sign = a.sign;
    return (struct f80_remainder){pack_exact(env, sign, exp, rest), quotient & 7, false};
}

struct f80_remainder f80_rem(struct fp_env *env, struct fp_num a, struct fp_num b, bool nearest)
{
    env->rounded_up = false;
    if (!fp_is_finite_nonzero(a) || !fp_is_finite_nonzero(b))
        return (struct f80_remainder){remainder_special(env, a, b), 0, false};
    fp_note_denormal(env, a);
    fp_note_denormal(env, b);
    int32_t distance = a.exp - b.exp;
    if (distance < (nearest ? -1 : 0))
        return (struct f80_remainder){pack_exact(env, a.sign, a.exp, a.sig), 0, false};
    if (distance >= 64) {
        int32_t bits = (distance & 31) | 32;
        uint64_t rest = (uint64_t)(((u128)a.sig << bits) % b.sig);
        return (struct f80_remainder){pack_exact(env, a.sign, a.exp - bits, rest), 0, true};
    }
    if (distance < 0)
        return finish_nearest(env, a, b, 0, a.sig, a.exp);
    u128 dividend = (u128)a.sig << distance;
    uint64_t quotient = (uint64_t)(dividend / b.sig), rest = (uint64_t)(dividend % b.sig);
    if (nearest)
        return finish_nearest(env, a, b, quotient, rest, b.exp);
    return (struct f80_remainder){pack_exact(env, a.sign, b.exp, rest), quotient & 7, false};
}

struct f80 f80_scale(struct fp_env *env, struct fp_num a, struct fp_num b)
{
    env->rounded_up = false;
    if (fp_is_nan(a) || fp_is_nan(b))
        return f80_pack_special(fp_pick_nan(env, a, b, true));
    bool infinite = b.cls == FP_CLASS_INFINITY;
    if (infinite && a.cls == (b.sign ? FP_CLASS_INFINITY : FP_CLASS_ZERO))
        return f80_pack_special(fp_invalid(env));
    fp_note_denormal(env, a);
    fp_note_denormal(env, b);
    if (!fp_is_finite_nonzero(a))
        return f80_pack_special(a);
    if (infinite)
        return f80_pack_special(b.sign ? fp_zero(a.sign) : fp_infinity(a.sign));
    if (b.cls == FP_CLASS_ZERO)
        return pack_unchanged(env, a);
    /* More than this leaves the format from any starting point, even with a wrapped exponent. */
    const int32_t limit = 0x10000;
    int32_t by = 0;
    if (fp_is_finite_nonzero(b) && b.exp >= 0)
        by = b.exp > 16 ? limit : (int32_t)(b.sig >> (63 - b.exp));
    if (by > limit)
        by = limit;
    return f80_round_pack(env, 64, a.sign, a.exp + (b.sign ? -by : by), a.sig, 0);
}

struct f80 f80_extract(struct fp_env *env, struct fp_num a, struct f80 *exponent)
{
    env->rounded_up = false;
    if (fp_is_nan(a)) {
        *exponent = f80_pack_special(fp_quiet_nan(env, a));
        return *exponent;
    }
    fp_note_denormal(env, a);
    if (a.cls == FP_CLASS_ZERO) {
        env->flags |= FP_ZE;
        *exponent = f80_pack_special(fp_infinity(true));
        return f80_pack_special(a);
    }
    if (a.cls == FP_CLASS_INFINITY) {
        *exponent = f80_pack_special(fp_infinity(false));
        return f80_pack_special(a);
    }
    struct fp_num unbiased = fp_from_int(a.exp);
    *exponent = f80_load(env, unbiased);
    return f80_make(a.sign, (struct fp_rounded){a.sig, F80_BIAS});
}
