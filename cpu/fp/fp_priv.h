/* The core every operation of cpu/fp shares: 128-bit helpers, NaN rules, rounding and packing by format.
 *
 * A result before rounding is sign, exp and a 128-bit significand hi:lo with bit 63 of hi set, whose lowest
 * bit is sticky. Rounding keeps the top `precision` bits of hi. All functions are inline so that the format
 * is a compile-time constant in each wrapper; what is rare is out of line in fp_round.c. */
#ifndef CROSSPAGE_CPU_FP_FP_PRIV_H
#define CROSSPAGE_CPU_FP_FP_PRIV_H

#include "cpu/fp/fp.h"

__extension__ typedef unsigned __int128 u128;

#define FP_TOP_BIT   (1ull << 63)
#define FP_QUIET_BIT (1ull << 62)

enum { F80_BIAS = 16383, F80_WRAP = 24576 };

/* ORDER: classes are compared with <= and >=. */
_Static_assert(FP_CLASS_NORMAL == 0 && FP_CLASS_DENORMAL == 1 && FP_CLASS_QNAN < FP_CLASS_SNAN &&
                   FP_CLASS_SNAN < FP_CLASS_UNSUPPORTED,
               "order of enum fp_class");

struct fp_format {
    int precision;      /* significand bits, with the integer bit */
    int32_t emin, emax; /* exponents of the smallest and largest normal number */
    bool x87;           /* NaN choice; unmasked overflow and underflow deliver a wrapped exponent */
};

#define FP_F32       ((struct fp_format){24, -126, 127, false})
#define FP_F64       ((struct fp_format){53, -1022, 1023, false})
#define FP_F80(bits) ((struct fp_format){(bits), -16382, 16383, true})

/* A rounded value as the format stores it: biased exponent (0 for zero and denormals) and the significand
 * left-aligned in 64 bits. Infinity is the format's largest biased exponent and FP_TOP_BIT. */
struct fp_rounded {
    uint64_t sig;
    int32_t biased;
};

/* --- small helpers ------------------------------------------------------------------------------------- */

static inline bool fp_is_finite_nonzero(struct fp_num a)
{
    return a.cls <= FP_CLASS_DENORMAL;
}

static inline bool fp_is_nan(struct fp_num a)
{
    return a.cls >= FP_CLASS_QNAN;
}

static inline struct fp_num fp_indefinite(void)
{
    return (struct fp_num){FP_TOP_BIT | FP_QUIET_BIT, 0, FP_CLASS_QNAN, true};
}

static inline struct fp_num fp_zero(bool sign)
{
    return (struct fp_num){0, 0, FP_CLASS_ZERO, sign};
}

static inline struct fp_num fp_infinity(bool sign)
{
    return (struct fp_num){FP_TOP_BIT, 0, FP_CLASS_INFINITY, sign};
}

static inline struct fp_num fp_invalid(struct fp_env *env)
{
    env->flags |= FP_IE;
    return fp_indefinite();
}

static inline void fp_note_denormal(struct fp_env *env, struct fp_num a)
{
    if (a.cls == FP_CLASS_DENORMAL)
        env->flags |= FP_DE;
}

/* Shift right by any count; bits that fall out stay as a sticky lowest bit. */
static inline u128 fp_shift_right_jam(u128 value, unsigned count)
{
    if (count == 0)
        return value;
    if (count >= 128)
        return value != 0;
    return value >> count | ((value << (128 - count)) != 0);
}

static inline unsigned fp_leading_zeros(u128 value)
{
    uint64_t high = (uint64_t)(value >> 64);
    return high ? (unsigned)__builtin_clzll(high) : 64 + (unsigned)__builtin_clzll((uint64_t)value);
}

/* --- NaNs ---------------------------------------------------------------------------------------------- */

/* The result when at least one operand is no number (SDM 1, table 4-7); raises IE where due. */
struct fp_num fp_pick_nan(struct fp_env *env, struct fp_num a, struct fp_num b, bool x87);

/* The same for one operand. */
static inline struct fp_num fp_quiet_nan(struct fp_env *env, struct fp_num a)
{
    if (a.cls == FP_CLASS_UNSUPPORTED)
        return fp_invalid(env);
    if (a.cls == FP_CLASS_SNAN)
        env->flags |= FP_IE;
    a.sig |= FP_QUIET_BIT;
    a.cls = FP_CLASS_QNAN;
    return a;
}

/* --- rounding ------------------------------------------------------------------------------------------ */

/* Whether rounding away the fraction `rest` (of 2^64) increases the magnitude. */
static inline bool fp_round_increments(unsigned mode, bool sign, bool odd, uint64_t rest)
{
    switch (mode) {
    case FP_NEAREST: return rest > FP_TOP_BIT || (rest == FP_TOP_BIT && odd);
    case FP_DOWN: return sign && rest;
    case FP_UP: return !sign && rest;
    default: return false;
    }
}

/* What lies below the kept bits, left-aligned with sticky end. */
static inline uint64_t fp_rest(int precision, uint64_t hi, uint64_t lo)
{
    return precision == 64 ? lo : hi << precision | (lo != 0);
}

/* Overflow and tiny results. */
struct fp_rounded fp_round_slow(struct fp_env *env, const struct fp_format *format, bool sign, int32_t exp,
                                uint64_t hi, uint64_t lo);

static ALWAYS_INLINE struct fp_rounded fp_round(struct fp_env *env, struct fp_format format, bool sign,
                                                int32_t exp, uint64_t hi, uint64_t lo)
{
    /* emax itself takes the slow way, because the increment may carry into an overflow. */
    if (UNLIKELY(exp < format.emin || exp >= format.emax))
        return fp_round_slow(env, &format, sign, exp, hi, lo);
    uint64_t unit = 1ull << (64 - format.precision);
    uint64_t rest = fp_rest(format.precision, hi, lo);
    uint64_t sig = hi & -unit;
    env->rounded_up = false;
    if (rest != 0) {
        env->flags |= FP_PE;
        if (fp_round_increments(env->rounding, sign, (hi & unit) != 0, rest)) {
            env->rounded_up = true;
            sig += unit;
            if (sig == 0) {
                sig = FP_TOP_BIT;
                exp++;
            }
        }
    }
    return (struct fp_rounded){sig, exp - format.emin + 1};
}

/* --- packing ------------------------------------------------------------------------------------------- */

static inline struct f80 f80_make(bool sign, struct fp_rounded value)
{
    return (struct f80){value.sig, (uint16_t)(value.biased | sign << 15)};
}

static inline uint32_t f32_make(bool sign, struct fp_rounded value)
{
    return (uint32_t)sign << 31 | (uint32_t)value.biased << 23 | (uint32_t)(value.sig << 1 >> 41);
}

static inline uint64_t f64_make(bool sign, struct fp_rounded value)
{
    return (uint64_t)sign << 63 | (uint64_t)value.biased << 52 | value.sig << 1 >> 12;
}

/* Pack what needs no rounding: zero, infinity, NaN. A NaN's payload is cut to the format. */
static inline struct f80 f80_pack_special(struct fp_num a)
{
    return (struct f80){a.sig, (uint16_t)((a.cls == FP_CLASS_ZERO ? 0 : 0x7FFF) | a.sign << 15)};
}

static inline uint32_t f32_pack_special(struct fp_num a)
{
    return f32_make(a.sign, (struct fp_rounded){a.sig, a.cls == FP_CLASS_ZERO ? 0 : 0xFF});
}

static inline uint64_t f64_pack_special(struct fp_num a)
{
    return f64_make(a.sign, (struct fp_rounded){a.sig, a.cls == FP_CLASS_ZERO ? 0 : 0x7FF});
}

static ALWAYS_INLINE struct f80 f80_round_pack(struct fp_env *env, int precision, bool sign, int32_t exp,
                                               uint64_t hi, uint64_t lo)
{
    return f80_make(sign, fp_round(env, FP_F80(precision), sign, exp, hi, lo));
}

static ALWAYS_INLINE uint32_t f32_round_pack(struct fp_env *env, bool sign, int32_t exp, uint64_t hi,
                                             uint64_t lo)
{
    return f32_make(sign, fp_round(env, FP_F32, sign, exp, hi, lo));
}

static ALWAYS_INLINE uint64_t f64_round_pack(struct fp_env *env, bool sign, int32_t exp, uint64_t hi,
                                             uint64_t lo)
{
    return f64_make(sign, fp_round(env, FP_F64, sign, exp, hi, lo));
}

/* --- SSE operands -------------------------------------------------------------------------------------- */

static inline struct fp_num fp_daz(const struct fp_env *env, struct fp_num a)
{
    if (UNLIKELY(a.cls == FP_CLASS_DENORMAL && env->denormals_are_zero))
        return fp_zero(a.sign);
    return a;
}

static inline struct fp_num fp_sse_f32(const struct fp_env *env, uint32_t a)
{
    return fp_daz(env, fp_from_f32(a));
}

static inline struct fp_num fp_sse_f64(const struct fp_env *env, uint64_t a)
{
    return fp_daz(env, fp_from_f64(a));
}

/* Round a number to an integral value in magnitude; used by FRNDINT and ROUNDSS. Returns zero class when it
 * becomes zero. Sets PE and rounded_up. */
struct fp_num fp_integral(struct fp_env *env, struct fp_num a, enum fp_rounding rounding);

#endif
