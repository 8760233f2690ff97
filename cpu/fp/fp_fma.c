/* Fused multiply-add: a * b + c with one rounding, for f32 and f64.
 *
 * The product of two significands is exact in 128 bits and, since they have at most 53 bits, ends in zeros;
 * so shifting it or the addend right for the alignment loses nothing while a cancellation can be long, and
 * what is lost otherwise stays as a sticky bit far below the rounding position.
 *
 * Sources: SDM vol. 1, 14.5.3 and tables 14-17 to 14-20 (NaNs and invalid operations); IEEE 754-2008, 5.4.1.
 */
#include "cpu/fp/fp_priv.h"

/* A nonzero value: (-1)^sign * sig / 2^127 * 2^exp with bit 127 of sig set. */
struct exact {
    u128 sig;
    int32_t exp;
    bool sign;
};

static struct exact product(struct fp_num a, struct fp_num b)
{
    u128 sig = (u128)a.sig * b.sig;
    bool carry = sig >> 127;
    return (struct exact){carry ? sig : sig << 1, a.exp + b.exp + carry, a.sign != b.sign};
}

static struct exact from_num(struct fp_num a)
{
    return (struct exact){(u128)a.sig << 64, a.exp, a.sign};
}

/* The sum of two values; false when it is zero. */
static bool sum(struct exact a, struct exact b, struct exact *result)
{
    if (a.exp < b.exp || (a.exp == b.exp && a.sig < b.sig)) {
        struct exact swap = a;
        a = b;
        b = swap;
    }
    /* One bit of headroom; both end in at least one zero. */
    u128 big = a.sig >> 1, small = fp_shift_right_jam(b.sig >> 1, (unsigned)(a.exp - b.exp));
    u128 sig = a.sign == b.sign ? big + small : big - small;
    if (sig == 0)
        return false;
    unsigned shift = fp_leading_zeros(sig);
    *result = (struct exact){sig << shift, a.exp + 1 - (int32_t)shift, a.sign};
    return true;
}

/* Results that need no arithmetic: NaNs first, in the order of the operands; an invalid product is no
 * exception when the addend is a NaN. */
static bool special(struct fp_env *env, struct fp_num a, struct fp_num b, struct fp_num c,
                    struct fp_num *result)
{
    bool sign = a.sign != b.sign;
    bool infinite = a.cls == FP_CLASS_INFINITY || b.cls == FP_CLASS_INFINITY;
    bool zero = a.cls == FP_CLASS_ZERO || b.cls == FP_CLASS_ZERO;
    if (fp_is_nan(a) || fp_is_nan(b) || fp_is_nan(c)) {
        *result = fp_pick_nan(env, a, fp_is_nan(b) ? b : c, false);
        if (c.cls == FP_CLASS_SNAN)
            env->flags |= FP_IE;
        return true;
    }
    if ((infinite && zero) || (infinite && c.cls == FP_CLASS_INFINITY && c.sign != sign)) {
        *result = fp_invalid(env);
        return true;
    }
    fp_note_denormal(env, a);
    fp_note_denormal(env, b);
    fp_note_denormal(env, c);
    if (infinite || c.cls == FP_CLASS_INFINITY) {
        *result = infinite ? fp_infinity(sign) : c;
        return true;
    }
    if (zero && c.cls == FP_CLASS_ZERO) {
        *result = fp_zero(sign == c.sign ? sign : env->rounding == FP_DOWN);
        return true;
    }
    return false;
}

/* True: *result is to be rounded; false: *other is the result. The signs of the product and of the addend are
 * changed unless that operand is a NaN. */
static bool fma_core(struct fp_env *env, struct fp_num a, struct fp_num b, struct fp_num c,
                     enum fp_fma_sign signs, struct exact *result, struct fp_num *other)
{
    if (!fp_is_nan(a))
        a.sign ^= (signs & FP_NEGATE_PRODUCT) != 0;
    if (!fp_is_nan(c))
        c.sign ^= (signs & FP_NEGATE_ADDEND) != 0;
    if (UNLIKELY((a.cls | b.cls | c.cls) != 0)) {
        if (special(env, a, b, c, other))
            return false;
        if (a.cls == FP_CLASS_ZERO || b.cls == FP_CLASS_ZERO) {
            *result = from_num(c);
            return true;
        }
        if (c.cls == FP_CLASS_ZERO) {
            *result = product(a, b);
            return true;
        }
    }
    if (sum(product(a, b), from_num(c), result))
        return true;
    *other = fp_zero(env->rounding == FP_DOWN);
    return false;
}

uint32_t f32_fma(struct fp_env *env, uint32_t a, uint32_t b, uint32_t c, enum fp_fma_sign signs)
{
    struct exact r;
    struct fp_num other;
    if (!fma_core(env, fp_sse_f32(env, a), fp_sse_f32(env, b), fp_sse_f32(env, c), signs, &r, &other))
        return f32_pack_special(other);
    return f32_round_pack(env, r.sign, r.exp, (uint64_t)(r.sig >> 64), (uint64_t)r.sig);
}

uint64_t f64_fma(struct fp_env *env, uint64_t a, uint64_t b, uint64_t c, enum fp_fma_sign signs)
{
    struct exact r;
    struct fp_num other;
    if (!fma_core(env, fp_sse_f64(env, a), fp_sse_f64(env, b), fp_sse_f64(env, c), signs, &r, &other))
        return f64_pack_special(other);
    return f64_round_pack(env, r.sign, r.exp, (uint64_t)(r.sig >> 64), (uint64_t)r.sig);
}
