/* Add, subtract, multiply, divide and square root in the three formats.
 *
 * One inline core per operation takes unpacked operands and leaves an unrounded result; the wrappers at the
 * end fold the format in. Sources: SDM 2 (FADD, FMUL, FDIV, FSQRT tables), SDM 1 appendix E.
 *
 * Invariant: in the core's result bit 63 of hi is set and lo is exact or has its lowest bit as sticky. */
#include "cpu/fp/fp_priv.h"

/* What a core leaves: a number still to be rounded (special == false), or a value that is final. */
struct unrounded {
    uint64_t hi, lo;
    int32_t exp;
    bool sign;
    bool special;
    struct fp_num value; /* when special */
};

static ALWAYS_INLINE struct unrounded final(struct fp_num value)
{
    return (struct unrounded){.special = true, .value = value};
}

static ALWAYS_INLINE struct unrounded inexact(bool sign, int32_t exp, u128 sig)
{
    return (struct unrounded){(uint64_t)(sig >> 64), (uint64_t)sig, exp, sign, false, {0}};
}

/* --- add and subtract ---------------------------------------------------------------------------------- */

/* At least one operand is not a normal number. Returns false when both are finite and not zero. */
static bool add_special(struct fp_env *env, struct fp_num a, struct fp_num b, bool x87, struct fp_num *result)
{
    if (fp_is_nan(a) || fp_is_nan(b)) {
        *result = fp_pick_nan(env, a, b, x87);
        return true;
    }
    if (a.cls == FP_CLASS_INFINITY && b.cls == FP_CLASS_INFINITY && a.sign != b.sign) {
        *result = fp_invalid(env);
        return true;
    }
    fp_note_denormal(env, a);
    fp_note_denormal(env, b);
    if (a.cls == FP_CLASS_INFINITY || b.cls == FP_CLASS_INFINITY) {
        *result = a.cls == FP_CLASS_INFINITY ? a : b;
        return true;
    }
    if (a.cls == FP_CLASS_ZERO && b.cls == FP_CLASS_ZERO) {
        *result = fp_zero(a.sign == b.sign ? a.sign : env->rounding == FP_DOWN);
        return true;
    }
    return false;
}

static ALWAYS_INLINE struct unrounded add_core(struct fp_env *env, struct fp_num a, struct fp_num b, bool x87)
{
    if (UNLIKELY((a.cls | b.cls) != 0)) {
        struct fp_num result;
        if (add_special(env, a, b, x87, &result))
            return final(result);
        if (a.cls == FP_CLASS_ZERO)
            return inexact(b.sign, b.exp, (u128)b.sig << 64);
        if (b.cls == FP_CLASS_ZERO)
            return inexact(a.sign, a.exp, (u128)a.sig << 64);
    }
    if (a.exp < b.exp || (a.exp == b.exp && a.sig < b.sig)) {
        struct fp_num swap = a;
        a = b;
        b = swap;
    }
    /* One bit of headroom for the carry; a difference of up to 63 leaves b exact, so jamming never meets
     * cancellation of more than one bit. */
    u128 big = (u128)a.sig << 63;
    u128 small = fp_shift_right_jam((u128)b.sig << 63, (unsigned)(a.exp - b.exp));
    if (a.sign == b.sign) {
        u128 sum = big + small;
        if (sum >> 127)
            return inexact(a.sign, a.exp + 1, sum);
        return inexact(a.sign, a.exp, sum << 1);
    }
    u128 difference = big - small;
    if (difference == 0)
        return final(fp_zero(env->rounding == FP_DOWN));
    unsigned shift = fp_leading_zeros(difference);
    return inexact(a.sign, a.exp + 1 - (int32_t)shift, difference << shift);
}

static ALWAYS_INLINE struct unrounded sub_core(struct fp_env *env, struct fp_num a, struct fp_num b, bool x87)
{
    if (!fp_is_nan(b))
        b.sign = !b.sign;
    return add_core(env, a, b, x87);
}

/* --- multiply ------------------------------------------------------------------------------------------ */

static ALWAYS_INLINE struct unrounded mul_core(struct fp_env *env, struct fp_num a, struct fp_num b, bool x87)
{
    bool sign = a.sign != b.sign;
    if (UNLIKELY((a.cls | b.cls) != 0)) {
        if (fp_is_nan(a) || fp_is_nan(b))
            return final(fp_pick_nan(env, a, b, x87));
        bool infinite = a.cls == FP_CLASS_INFINITY || b.cls == FP_CLASS_INFINITY;
        bool zero = a.cls == FP_CLASS_ZERO || b.cls == FP_CLASS_ZERO;
        if (infinite && zero)
            return final(fp_invalid(env));
        fp_note_denormal(env, a);
        fp_note_denormal(env, b);
        if (infinite)
            return final(fp_infinity(sign));
        if (zero)
            return final(fp_zero(sign));
    }
    u128 product = (u128)a.sig * b.sig;
    if (product >> 127)
        return inexact(sign, a.exp + b.exp + 1, product);
    return inexact(sign, a.exp + b.exp, product << 1);
}

/* --- divide -------------------------------------------------------------------------------------------- */

static ALWAYS_INLINE struct unrounded div_core(struct fp_env *env, struct fp_num a, struct fp_num b, bool x87)
{
    bool sign = a.sign != b.sign;
    if (UNLIKELY((a.cls | b.cls) != 0)) {
        if (fp_is_nan(a) || fp_is_nan(b))
            return final(fp_pick_nan(env, a, b, x87));
        if (a.cls == b.cls && (a.cls == FP_CLASS_ZERO || a.cls == FP_CLASS_INFINITY))
            return final(fp_invalid(env));
        if (b.cls == FP_CLASS_ZERO && a.cls != FP_CLASS_INFINITY) {
            env->flags |= FP_ZE;
            return final(fp_infinity(sign));
        }
        fp_note_denormal(env, a);
        fp_note_denormal(env, b);
        if (a.cls == FP_CLASS_INFINITY)
            return final(fp_infinity(sign));
        if (a.cls == FP_CLASS_ZERO || b.cls == FP_CLASS_INFINITY)
            return final(fp_zero(sign));
    }
    /* 64 quotient bits; the remainder against half the divisor gives round and sticky bit. */
    int32_t exp = a.exp - b.exp;
    u128 dividend = (u128)a.sig << 63;
    if (a.sig < b.sig) {
        dividend <<= 1;
        exp--;
    }
    uint64_t quotient = (uint64_t)(dividend / b.sig);
    uint64_t remainder = (uint64_t)dividend - quotient * b.sig;
    uint64_t lo = 0;
    if (remainder != 0) {
        uint64_t rest = b.sig - remainder;
        lo = remainder > rest ? FP_TOP_BIT | 1 : remainder == rest ? FP_TOP_BIT : 1;
    }
    return inexact(sign, exp, (u128)quotient << 64 | lo);
}

/* --- square root --------------------------------------------------------------------------------------- */

/* Square root of a 16-bit number with its top or second bit set, digit by digit. */
static uint32_t root16(uint32_t value, uint32_t *remainder)
{
    uint32_t root = 0;
    for (uint32_t bit = 1 << 7; bit != 0; bit >>= 1) {
        if ((root | bit) * (root | bit) <= value)
            root |= bit;
    }
    *remainder = value - root * root;
    return root;
}

/* A number's square root and what is left, of up to 33 and 34 bits in the steps below the last. */
struct root {
    uint64_t root, rest;
};

/* One step of Zimmermann's "Karatsuba square root": from root and remainder of the upper half of a number of
 * 4 * quarter <= 64 bits to those of the whole. The upper half must have one of its top two bits set. */
static ALWAYS_INLINE struct root root_double(unsigned quarter, struct root half, uint64_t low_half)
{
    uint64_t numerator = half.rest << quarter | low_half >> quarter;
    uint64_t quotient = numerator / (half.root << 1), rest = numerator % (half.root << 1);
    uint64_t low = low_half & ((1ull << quarter) - 1), square = quotient * quotient;
    uint64_t root = (half.root << quarter) + quotient;
    uint64_t next = rest << quarter | low;
    if (next < square) {
        next += (root << 1) - 1;
        root--;
    }
    return (struct root){root, next - square};
}

/* Square root of a 128-bit number >= 2^126: three such steps, the last with 65-bit values. The remainder may
 * need 65 bits. */
static uint64_t root128(u128 value, u128 *remainder)
{
    uint32_t small;
    struct root half = {.root = root16((uint32_t)(value >> 112), &small)};
    half.rest = small;
    half = root_double(8, half, (uint64_t)(value >> 96) & 0xFFFF);
    half = root_double(16, half, (uint64_t)(value >> 64) & 0xFFFFFFFF);
    uint64_t low_half = (uint64_t)value, divisor = half.root << 1;
    u128 numerator = (u128)half.rest << 32 | low_half >> 32;
    uint64_t quotient = (uint64_t)(numerator / divisor);
    u128 rest = numerator - (u128)quotient * divisor;
    u128 root = ((u128)half.root << 32) + quotient;
    u128 next = rest << 32 | (uint32_t)low_half, square = (u128)quotient * quotient;
    if (next < square) {
        next += (root << 1) - 1;
        root--;
    }
    *remainder = next - square;
    return (uint64_t)root;
}

static ALWAYS_INLINE struct unrounded sqrt_core(struct fp_env *env, struct fp_num a)
{
    if (UNLIKELY(a.cls != FP_CLASS_NORMAL)) {
        if (fp_is_nan(a))
            return final(fp_quiet_nan(env, a));
        if (a.cls == FP_CLASS_ZERO)
            return final(a);
    }
    if (a.sign)
        return final(fp_invalid(env));
    fp_note_denormal(env, a);
    if (a.cls == FP_CLASS_INFINITY)
        return final(a);
    /* Even exponents: sig has 126 fraction bits; odd ones: 127 of them. Both give a root with bit 63 set. */
    u128 remainder;
    uint64_t root = root128((u128)a.sig << (a.exp & 1 ? 64 : 63), &remainder);
    uint64_t lo = remainder == 0 ? 0 : remainder > root ? FP_TOP_BIT | 1 : 1;
    return inexact(false, a.exp >> 1, (u128)root << 64 | lo);
}

/* --- by format ----------------------------------------------------------------------------------------- */

static ALWAYS_INLINE struct f80 f80_finish(struct fp_env *env, struct unrounded r)
{
    if (UNLIKELY(r.special)) {
        env->rounded_up = false;
        return f80_pack_special(r.value);
    }
    return f80_round_pack(env, env->precision, r.sign, r.exp, r.hi, r.lo);
}

static ALWAYS_INLINE uint32_t f32_finish(struct fp_env *env, struct unrounded r)
{
    return UNLIKELY(r.special) ? f32_pack_special(r.value) : f32_round_pack(env, r.sign, r.exp, r.hi, r.lo);
}

static ALWAYS_INLINE uint64_t f64_finish(struct fp_env *env, struct unrounded r)
{
    return UNLIKELY(r.special) ? f64_pack_special(r.value) : f64_round_pack(env, r.sign, r.exp, r.hi, r.lo);
}

struct f80 f80_add(struct fp_env *env, struct fp_num a, struct fp_num b)
{
    return f80_finish(env, add_core(env, a, b, true));
}

struct f80 f80_sub(struct fp_env *env, struct fp_num a, struct fp_num b)
{
    return f80_finish(env, sub_core(env, a, b, true));
}

struct f80 f80_mul(struct fp_env *env, struct fp_num a, struct fp_num b)
{
    return f80_finish(env, mul_core(env, a, b, true));
}

struct f80 f80_div(struct fp_env *env, struct fp_num a, struct fp_num b)
{
    return f80_finish(env, div_core(env, a, b, true));
}

struct f80 f80_sqrt(struct fp_env *env, struct fp_num a)
{
    return f80_finish(env, sqrt_core(env, a));
}

uint32_t f32_add(struct fp_env *env, uint32_t a, uint32_t b)
{
    return f32_finish(env, add_core(env, fp_sse_f32(env, a), fp_sse_f32(env, b), false));
}

uint32_t f32_sub(struct fp_env *env, uint32_t a, uint32_t b)
{
    return f32_finish(env, sub_core(env, fp_sse_f32(env, a), fp_sse_f32(env, b), false));
}

uint32_t f32_mul(struct fp_env *env, uint32_t a, uint32_t b)
{
    return f32_finish(env, mul_core(env, fp_sse_f32(env, a), fp_sse_f32(env, b), false));
}

uint32_t f32_div(struct fp_env *env, uint32_t a, uint32_t b)
{
    return f32_finish(env, div_core(env, fp_sse_f32(env, a), fp_sse_f32(env, b), false));
}

uint32_t f32_sqrt(struct fp_env *env, uint32_t a)
{
    return f32_finish(env, sqrt_core(env, fp_sse_f32(env, a)));
}

uint64_t f64_add(struct fp_env *env, uint64_t a, uint64_t b)
{
    return f64_finish(env, add_core(env, fp_sse_f64(env, a), fp_sse_f64(env, b), false));
}

uint64_t f64_sub(struct fp_env *env, uint64_t a, uint64_t b)
{
    return f64_finish(env, sub_core(env, fp_sse_f64(env, a), fp_sse_f64(env, b), false));
}

uint64_t f64_mul(struct fp_env *env, uint64_t a, uint64_t b)
{
    return f64_finish(env, mul_core(env, fp_sse_f64(env, a), fp_sse_f64(env, b), false));
}

uint64_t f64_div(struct fp_env *env, uint64_t a, uint64_t b)
{
    return f64_finish(env, div_core(env, fp_sse_f64(env, a), fp_sse_f64(env, b), false));
}

uint64_t f64_sqrt(struct fp_env *env, uint64_t a)
{
    return f64_finish(env, sqrt_core(env, fp_sse_f64(env, a)));
}
