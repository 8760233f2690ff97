/* Numbers with a 128-bit significand, for the transcendental functions. Private to cpu/fp.
 *
 * Every operation truncates, with a relative error below 2^-126; a function chains at most a few dozen, so
 * that about 50 bits are right beyond the 64 that are delivered and the rounded result differs from the
 * correctly rounded one only when the exact value lies within 2^-50 ulp of a rounding boundary. */
#ifndef CROSSPAGE_CPU_FP_FP_WIDE_H
#define CROSSPAGE_CPU_FP_FP_WIDE_H

#include "cpu/fp/fp_priv.h"

/* (-1)^sign * sig / 2^127 * 2^exp with bit 127 of sig set; never zero. */
struct wide {
    u128 sig;
    int32_t exp;
    bool sign;
};

/* A 128-bit constant of a table. */
struct wide_constant {
    uint64_t hi, lo;
};

static inline u128 wide_bits(struct wide_constant constant)
{
    return (u128)constant.hi << 64 | constant.lo;
}

/* Upper half of the 256-bit product. */
static inline u128 wide_mul_high(u128 a, u128 b)
{
    uint64_t a1 = (uint64_t)(a >> 64), a0 = (uint64_t)a, b1 = (uint64_t)(b >> 64), b0 = (uint64_t)b;
    u128 low = (u128)a0 * b0, mid1 = (u128)a1 * b0, mid2 = (u128)a0 * b1;
    u128 carry = (low >> 64) + (uint64_t)mid1 + (uint64_t)mid2;
    return (u128)a1 * b1 + (mid1 >> 64) + (mid2 >> 64) + (carry >> 64);
}

static inline struct wide wide_from_num(struct fp_num a)
{
    return (struct wide){(u128)a.sig << 64, a.exp, a.sign};
}

/* value / 2^fraction_bits; value is not zero. */
static inline struct wide wide_from_fixed(u128 value, int fraction_bits, bool sign)
{
    unsigned shift = fp_leading_zeros(value);
    return (struct wide){value << shift, 127 - (int32_t)shift - fraction_bits, sign};
}

/* |a| * 2^fraction_bits, truncated; must fit 128 bits. */
static inline u128 wide_to_fixed(struct wide a, int fraction_bits)
{
    int32_t shift = 127 - fraction_bits - a.exp;
    return shift >= 128 ? 0 : a.sig >> shift;
}

struct wide wide_mul(struct wide a, struct wide b);
struct wide wide_div(struct wide a, struct wide b);

/* Sum of c[k] * z^k, or of (-1)^k c[k] * z^k, by Horner's rule; z has 128 fraction bits, coefficients and
 * result any number. All partial sums are positive and must fit 128 bits. */
static inline u128 wide_series(const struct wide_constant *c, unsigned terms, u128 z, bool alternate)
{
    u128 sum = wide_bits(c[terms - 1]);
    for (unsigned k = terms - 1; k-- > 0;) {
        u128 rest = wide_mul_high(z, sum);
        sum = alternate ? wide_bits(c[k]) - rest : wide_bits(c[k]) + rest;
    }
    return sum;
}

/* Coefficients 1 / (2k + 1) with 127 fraction bits: atan and atanh. */
enum { WIDE_ODD_TERMS = 21 };
extern const struct wide_constant wide_odd_reciprocals[WIDE_ODD_TERMS];

/* Round an inexact value to 64 bits. */
static inline struct f80 wide_pack(struct fp_env *env, struct wide a)
{
    return f80_round_pack(env, 64, a.sign, a.exp, (uint64_t)(a.sig >> 64), (uint64_t)a.sig | 1);
}

#endif
