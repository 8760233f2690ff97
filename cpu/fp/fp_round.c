/* Unpacking of special operands, choice of NaNs, and rounding at the ends of the exponent range.
 *
 * Sources: SDM 1, 4.8.3.4-7 (NaNs), table 4-7, 4.9.1.4-6 (overflow, underflow, precision), 8.2.2 (unsupported
 * x87 formats), 8.5.4-6, 10.2.3.3-4 (FTZ, DAZ).
 * Invariant: fp_round_slow never returns a significand with bits below the format's precision. */
#include "cpu/fp/fp_priv.h"

struct fp_num fp_from_f80_special(struct f80 value)
{
    unsigned exp = value.sign_exp & 0x7FFF;
    uint64_t sig = value.significand;
    struct fp_num num = {sig, (int32_t)exp - F80_BIAS, FP_CLASS_NORMAL, value.sign_exp >> 15};
    if (exp == 0) {
        if (sig == 0)
            return fp_zero(num.sign);
        int shift = __builtin_clzll(sig);
        num.sig = sig << shift;
        num.exp = 1 - F80_BIAS - shift;
        num.cls = FP_CLASS_DENORMAL;
    } else if (!(sig & FP_TOP_BIT)) {
        num.cls = FP_CLASS_UNSUPPORTED;
    } else if (exp == 0x7FFF) {
        if (sig == FP_TOP_BIT)
            num.cls = FP_CLASS_INFINITY;
        else
            num.cls = sig & FP_QUIET_BIT ? FP_CLASS_QNAN : FP_CLASS_SNAN;
    }
    return num;
}

/* Zero, denormal, infinity or NaN; `fraction` is left-aligned below the integer bit. */
static struct fp_num from_narrow(bool sign, bool top_exponent, uint64_t fraction, int32_t emin)
{
    if (top_exponent) {
        if (fraction == 0)
            return fp_infinity(sign);
        uint8_t cls = fraction & FP_QUIET_BIT ? FP_CLASS_QNAN : FP_CLASS_SNAN;
        return (struct fp_num){fraction | FP_TOP_BIT, 0, cls, sign};
    }
    if (fraction == 0)
        return fp_zero(sign);
    int shift = __builtin_clzll(fraction);
    return (struct fp_num){fraction << shift, emin - shift, FP_CLASS_DENORMAL, sign};
}

struct fp_num fp_from_f32_special(uint32_t value)
{
    return from_narrow(value >> 31, value & 0x7F800000, (uint64_t)(value & 0x7FFFFF) << 40, FP_F32.emin);
}

struct fp_num fp_from_f64_special(uint64_t value)
{
    return from_narrow(value >> 63, value & 0x7FF0000000000000, value << 12 >> 1, FP_F64.emin);
}

struct fp_num fp_from_int(int64_t value)
{
    if (value == 0)
        return fp_zero(false);
    bool sign = value < 0;
    uint64_t magnitude = sign ? -(uint64_t)value : (uint64_t)value;
    int shift = __builtin_clzll(magnitude);
    return (struct fp_num){magnitude << shift, 63 - shift, FP_CLASS_NORMAL, sign};
}

/* x87 prefers the QNaN to the SNaN, then the larger significand, then the positive one; SSE prefers the first
 * operand whatever it is. */
struct fp_num fp_pick_nan(struct fp_env *env, struct fp_num a, struct fp_num b, bool x87)
{
    if (a.cls == FP_CLASS_UNSUPPORTED || b.cls == FP_CLASS_UNSUPPORTED)
        return fp_invalid(env);
    bool a_signals = a.cls == FP_CLASS_SNAN, b_signals = b.cls == FP_CLASS_SNAN;
    if (a_signals || b_signals)
        env->flags |= FP_IE;
    bool take_a = true;
    if (!fp_is_nan(a) || !fp_is_nan(b))
        take_a = fp_is_nan(a);
    else if (x87 && a_signals != b_signals)
        take_a = b_signals;
    else if (x87)
        take_a = a.sig != b.sig ? a.sig > b.sig : !a.sign;
    struct fp_num result = take_a ? a : b;
    result.sig |= FP_QUIET_BIT;
    result.cls = FP_CLASS_QNAN;
    return result;
}

/* Round to precision as if the exponent had no limits. */
static struct fp_rounded round_unbounded(struct fp_env *env, int precision, bool sign, int32_t exp,
                                         uint64_t hi, uint64_t lo)
{
    uint64_t unit = 1ull << (64 - precision);
    uint64_t rest = fp_rest(precision, hi, lo);
    struct fp_rounded result = {hi & -unit, exp};
    env->rounded_up = fp_round_increments(env->rounding, sign, (hi & unit) != 0, rest);
    if (env->rounded_up) {
        result.sig += unit;
        if (result.sig == 0) {
            result.sig = FP_TOP_BIT;
            result.biased++;
        }
    }
    return result;
}

static struct fp_rounded round_overflow(struct fp_env *env, const struct fp_format *format, bool sign,
                                        struct fp_rounded unbounded, bool inexact)
{
    int32_t top = format->emax - format->emin + 2; /* biased exponent of infinity */
    env->flags |= FP_OE;
    if (!(env->masks & FP_OE)) {
        int32_t wrapped = unbounded.biased - F80_WRAP;
        if (!format->x87 || wrapped <= format->emax) {
            env->flags |= inexact ? FP_PE : 0;
            return (struct fp_rounded){unbounded.sig, (wrapped - format->emin + 1) & 0x7FFF};
        }
        /* Only FSCALE comes here: infinity whatever the rounding mode. */
        env->flags |= FP_PE;
        env->rounded_up = true;
        return (struct fp_rounded){FP_TOP_BIT, top};
    }
    env->flags |= FP_PE;
    bool to_infinity = env->rounding == FP_NEAREST || env->rounding == (sign ? FP_DOWN : FP_UP);
    env->rounded_up = to_infinity;
    if (to_infinity)
        return (struct fp_rounded){FP_TOP_BIT, top};
    return (struct fp_rounded){-(1ull << (64 - format->precision)), top - 1};
}

static struct fp_rounded round_tiny(struct fp_env *env, const struct fp_format *format, bool sign,
                                    int32_t exp, uint64_t hi, uint64_t lo, bool tiny)
{
    if (tiny && env->flush_to_zero && !format->x87 && (env->masks & FP_UE)) {
        env->flags |= FP_UE | FP_PE;
        env->rounded_up = false;
        return (struct fp_rounded){0, 0};
    }
    u128 shifted = fp_shift_right_jam((u128)hi << 64 | lo, (unsigned)(format->emin - exp));
    hi = (uint64_t)(shifted >> 64);
    lo = (uint64_t)shifted;
    uint64_t rest = fp_rest(format->precision, hi, lo);
    struct fp_rounded result = round_unbounded(env, format->precision, sign, 0, hi, lo);
    if (rest != 0)
        env->flags |= tiny ? FP_UE | FP_PE : FP_PE;
    result.biased = result.sig >> 63; /* the carry may have made it normal */
    return result;
}

struct fp_rounded fp_round_slow(struct fp_env *env, const struct fp_format *format, bool sign, int32_t exp,
                                uint64_t hi, uint64_t lo)
{
    struct fp_rounded unbounded = round_unbounded(env, format->precision, sign, exp, hi, lo);
    bool inexact = fp_rest(format->precision, hi, lo) != 0;
    if (unbounded.biased > format->emax)
        return round_overflow(env, format, sign, unbounded, inexact);
    if (exp >= format->emin) {
        env->flags |= inexact ? FP_PE : 0;
        unbounded.biased += 1 - format->emin;
        return unbounded;
    }
    bool tiny = unbounded.biased < format->emin;
    if (tiny && !(env->masks & FP_UE)) {
        int32_t wrapped = unbounded.biased + F80_WRAP;
        if (!format->x87 || wrapped >= format->emin) {
            env->flags |= FP_UE | (inexact ? FP_PE : 0);
            return (struct fp_rounded){unbounded.sig, (wrapped - format->emin + 1) & 0x7FFF};
        }
        /* FSCALE beyond the wrapped range: zero whatever the rounding mode. */
        env->flags |= FP_UE | FP_PE;
        env->rounded_up = false;
        return (struct fp_rounded){0, 0};
    }
    return round_tiny(env, format, sign, exp, hi, lo, tiny);
}
