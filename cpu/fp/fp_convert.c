/* Conversions between f32, f64 and f80, to and from integers, and rounding to an integral value.
 *
 * Which exceptions exist differs by instruction and is easy to get wrong: loads from f32/f64 memory and
 * CVTSS2SD/CVTSD2SS raise DE; FST, FIST, CVTxx2SI and ROUNDSx do not; FRNDINT does.
 * Sources: SDM 2 (FLD, FST, FIST, FRNDINT, CVT*, ROUND*), SDM 1 table 4-9 (integer indefinite). */
#include "cpu/fp/fp_priv.h"

/* --- integral values ----------------------------------------------------------------------------------- */

/* Split |a| (finite, not zero, below 2^64) in its integer part and the fraction in units of 2^-64, sticky. */
static uint64_t split_integer(struct fp_num a, uint64_t *fraction)
{
    if (a.exp < 0) {
        *fraction = a.exp == -1 ? a.sig : 1;
        return 0;
    }
    *fraction = a.exp == 63 ? 0 : a.sig << (a.exp + 1);
    return a.sig >> (63 - a.exp);
}

/* Rounded magnitude. It cannot wrap: with a fraction left there are at most 63 integer bits. */
static uint64_t round_magnitude(struct fp_env *env, struct fp_num a, enum fp_rounding rounding)
{
    uint64_t fraction;
    uint64_t integer = split_integer(a, &fraction);
    env->rounded_up = fp_round_increments(rounding, a.sign, integer & 1, fraction);
    if (fraction != 0)
        env->flags |= FP_PE;
    return integer + env->rounded_up;
}

struct fp_num fp_integral(struct fp_env *env, struct fp_num a, enum fp_rounding rounding)
{
    if (a.exp >= 63) {
        env->rounded_up = false;
        return a;
    }
    uint64_t magnitude = round_magnitude(env, a, rounding);
    if (magnitude == 0)
        return fp_zero(a.sign);
    int shift = __builtin_clzll(magnitude);
    return (struct fp_num){magnitude << shift, 63 - shift, FP_CLASS_NORMAL, a.sign};
}

struct f80 f80_round_to_integral(struct fp_env *env, struct fp_num a)
{
    env->rounded_up = false;
    if (!fp_is_finite_nonzero(a))
        return f80_pack_special(fp_is_nan(a) ? fp_quiet_nan(env, a) : a);
    fp_note_denormal(env, a);
    a = fp_integral(env, a, env->rounding);
    if (a.cls == FP_CLASS_ZERO)
        return f80_pack_special(a);
    return f80_make(a.sign, (struct fp_rounded){a.sig, a.exp + F80_BIAS});
}

/* The SSE4.1 form works on the unpacked operand; the result always fits the format. */
static struct fp_num sse_integral(struct fp_env *env, struct fp_num a, enum fp_rounding rounding,
                                  bool inexact)
{
    if (fp_is_nan(a))
        return fp_quiet_nan(env, a);
    if (!fp_is_finite_nonzero(a))
        return a;
    uint8_t before = env->flags;
    a = fp_integral(env, a, rounding);
    if (!inexact)
        env->flags = before;
    return a;
}

uint32_t f32_round_to_integral(struct fp_env *env, uint32_t a, enum fp_rounding rounding, bool inexact)
{
    struct fp_num result = sse_integral(env, fp_sse_f32(env, a), rounding, inexact);
    if (!fp_is_finite_nonzero(result))
        return f32_pack_special(result);
    return f32_round_pack(env, result.sign, result.exp, result.sig, 0);
}

uint64_t f64_round_to_integral(struct fp_env *env, uint64_t a, enum fp_rounding rounding, bool inexact)
{
    struct fp_num result = sse_integral(env, fp_sse_f64(env, a), rounding, inexact);
    if (!fp_is_finite_nonzero(result))
        return f64_pack_special(result);
    return f64_round_pack(env, result.sign, result.exp, result.sig, 0);
}

/* --- integers ------------------------------------------------------------------------------------------ */

int64_t fp_to_int(struct fp_env *env, struct fp_num a, unsigned bits, enum fp_rounding rounding)
{
    const int64_t indefinite = -1 - (int64_t)(~0ull >> (65 - bits));
    env->rounded_up = false;
    if (a.cls == FP_CLASS_ZERO)
        return 0;
    if (!fp_is_finite_nonzero(a) || a.exp > 63) {
        env->flags |= FP_IE;
        return indefinite;
    }
    uint8_t before = env->flags;
    uint64_t magnitude = round_magnitude(env, a, rounding);
    uint64_t limit = (1ull << (bits - 1)) - !a.sign;
    if (magnitude > limit) {
        env->flags = before | FP_IE;
        env->rounded_up = false;
        return indefinite;
    }
    return (int64_t)(a.sign ? -magnitude : magnitude);
}

int64_t f32_to_int(struct fp_env *env, uint32_t a, unsigned bits, enum fp_rounding rounding)
{
    return fp_to_int(env, fp_sse_f32(env, a), bits, rounding);
}

int64_t f64_to_int(struct fp_env *env, uint64_t a, unsigned bits, enum fp_rounding rounding)
{
    return fp_to_int(env, fp_sse_f64(env, a), bits, rounding);
}

uint32_t f32_from_int(struct fp_env *env, int64_t a)
{
    struct fp_num num = fp_from_int(a);
    return num.cls == FP_CLASS_ZERO ? 0 : f32_round_pack(env, num.sign, num.exp, num.sig, 0);
}

uint64_t f64_from_int(struct fp_env *env, int64_t a)
{
    struct fp_num num = fp_from_int(a);
    return num.cls == FP_CLASS_ZERO ? 0 : f64_round_pack(env, num.sign, num.exp, num.sig, 0);
}

/* --- formats ------------------------------------------------------------------------------------------- */

struct f80 f80_load(struct fp_env *env, struct fp_num a)
{
    env->rounded_up = false;
    fp_note_denormal(env, a);
    if (fp_is_nan(a))
        a = fp_quiet_nan(env, a);
    if (!fp_is_finite_nonzero(a))
        return f80_pack_special(a);
    return f80_make(a.sign, (struct fp_rounded){a.sig, a.exp + F80_BIAS});
}

uint32_t f80_to_f32(struct fp_env *env, struct fp_num a)
{
    env->rounded_up = false;
    if (fp_is_nan(a))
        a = fp_quiet_nan(env, a);
    if (!fp_is_finite_nonzero(a))
        return f32_pack_special(a);
    return f32_round_pack(env, a.sign, a.exp, a.sig, 0);
}

uint64_t f80_to_f64(struct fp_env *env, struct fp_num a)
{
    env->rounded_up = false;
    if (fp_is_nan(a))
        a = fp_quiet_nan(env, a);
    if (!fp_is_finite_nonzero(a))
        return f64_pack_special(a);
    return f64_round_pack(env, a.sign, a.exp, a.sig, 0);
}

uint64_t f32_to_f64(struct fp_env *env, uint32_t value)
{
    struct fp_num a = fp_sse_f32(env, value);
    fp_note_denormal(env, a);
    if (fp_is_nan(a))
        a = fp_quiet_nan(env, a);
    if (!fp_is_finite_nonzero(a))
        return f64_pack_special(a);
    return f64_round_pack(env, a.sign, a.exp, a.sig, 0);
}

uint32_t f64_to_f32(struct fp_env *env, uint64_t value)
{
    struct fp_num a = fp_sse_f64(env, value);
    fp_note_denormal(env, a);
    if (fp_is_nan(a))
        a = fp_quiet_nan(env, a);
    if (!fp_is_finite_nonzero(a))
        return f32_pack_special(a);
    return f32_round_pack(env, a.sign, a.exp, a.sig, 0);
}
