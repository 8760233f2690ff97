/* Software floating point with x86 semantics: integer arithmetic only, so every host gives the same bits.
 *
 * Formats: f32 and f64 are raw bits in uint32_t and uint64_t; f80 is the x87 double extended format. SSE
 * operations take and give raw bits. x87 operations take unpacked operands (struct fp_num), because FADD and
 * its family mix f80 registers with f32, f64 and integer memory operands without converting them first: an
 * SNaN or a denormal must still be seen as such.
 *
 * Exceptions: an operation ORs what happened into env->flags (bits as in MXCSR and the x87 status word) and
 * never acts on it. env->masks says which are masked, because the delivered value depends on it:
 *   - x87 overflow/underflow, unmasked, register destination: exponent wrapped by 24576 (SDM 1, 8.5.4-5);
 *   - SSE and stores to memory, unmasked: the value returned is meaningless, the caller must not deliver it;
 *   - underflow unmasked is signalled for every tiny result, masked only for tiny and inexact ones.
 * Tininess is detected after rounding. When a pre-computation exception (IE, DE, ZE) is unmasked, the caller
 * drops the post-computation ones (OE, UE, PE) with fp_flags_visible().
 *
 * Sources: SDM volume 1, chapter 4.8-4.9 (formats, NaNs, exceptions), 8 (x87), 10-11 and appendix E (SSE). */
#ifndef CROSSPAGE_CPU_FP_FP_H
#define CROSSPAGE_CPU_FP_FP_H

#include "base/types.h"

/* Bit order of MXCSR, of the x87 status word and of both mask fields. */
enum fp_exception {
    FP_IE = 1 << 0, /* invalid operation */
    FP_DE = 1 << 1, /* denormal operand */
    FP_ZE = 1 << 2, /* divide by zero */
    FP_OE = 1 << 3, /* overflow */
    FP_UE = 1 << 4, /* underflow */
    FP_PE = 1 << 5, /* precision (inexact) */
    FP_ALL_EXCEPTIONS = 0x3F,
    FP_PRE_COMPUTATION = FP_IE | FP_DE | FP_ZE,
};

/* Encoded as the RC fields of MXCSR and of the x87 control word. */
enum fp_rounding { FP_NEAREST, FP_DOWN, FP_UP, FP_TRUNCATE };

/* x87 double extended: explicit integer bit in bit 63 of the significand; bit 15 of sign_exp is the sign, the
 * exponent is biased by 16383. */
struct f80 {
    uint64_t significand;
    uint16_t sign_exp;
};

/* What an operation needs to know and what it reports. Filled in once per instruction from MXCSR or from the
 * x87 control word. */
struct fp_env {
    uint8_t rounding;        /* enum fp_rounding */
    uint8_t precision;       /* x87 precision control: 24, 53 or 64 significand bits; SSE ignores it */
    uint8_t masks;           /* enum fp_exception bits, set = masked */
    bool flush_to_zero;      /* MXCSR.FTZ; acts only while underflow is masked */
    bool denormals_are_zero; /* MXCSR.DAZ */
    uint8_t flags;           /* out: exceptions raised, accumulated */
    bool rounded_up;         /* out: the last rounding increased the magnitude (x87 C1) */
};

/* Order matters: everything up to FP_CLASS_DENORMAL is a finite number other than zero, everything from
 * FP_CLASS_QNAN on is no number (asserted in fp_priv.h). */
enum fp_class {
    FP_CLASS_NORMAL,
    FP_CLASS_DENORMAL, /* or pseudo-denormal; sig and exp are normalized all the same */
    FP_CLASS_ZERO,
    FP_CLASS_INFINITY,
    FP_CLASS_QNAN,
    FP_CLASS_SNAN,
    FP_CLASS_UNSUPPORTED, /* f80 only: unnormal, pseudo-infinity, pseudo-NaN */
};

/* An unpacked value: (-1)^sign * (sig / 2^63) * 2^exp with bit 63 of sig set. For a NaN sig is the f80
 * significand. */
struct fp_num {
    uint64_t sig;
    int32_t exp;
    uint8_t cls; /* enum fp_class */
    bool sign;
};

enum fp_relation { FP_LESS, FP_EQUAL, FP_GREATER, FP_UNORDERED };

/* The exceptions that become visible: an unmasked pre-computation exception hides the later ones. For packed
 * operations call it once, on the flags of all elements. */
static inline uint8_t fp_flags_visible(const struct fp_env *env)
{
    return (env->flags & ~env->masks & FP_PRE_COMPUTATION) ? env->flags & FP_PRE_COMPUTATION : env->flags;
}

/* --- Unpacking: never raises anything ------------------------------------------------------------------ */

struct fp_num fp_from_f80_special(struct f80 value);
struct fp_num fp_from_f32_special(uint32_t value);
struct fp_num fp_from_f64_special(uint64_t value);
struct fp_num fp_from_int(int64_t value);

static inline struct fp_num fp_from_f80(struct f80 value)
{
    unsigned exp = value.sign_exp & 0x7FFF;
    if (LIKELY(exp - 1 < 0x7FFE && value.significand >> 63))
        return (struct fp_num){value.significand, (int32_t)exp - 16383, FP_CLASS_NORMAL,
                               value.sign_exp >> 15};
    return fp_from_f80_special(value);
}

static inline struct fp_num fp_from_f32(uint32_t value)
{
    unsigned exp = value >> 23 & 0xFF;
    if (LIKELY(exp - 1 < 0xFE)) {
        uint64_t sig = (uint64_t)value << 40 | 1ull << 63;
        return (struct fp_num){sig, (int32_t)exp - 127, FP_CLASS_NORMAL, value >> 31};
    }
    return fp_from_f32_special(value);
}

static inline struct fp_num fp_from_f64(uint64_t value)
{
    unsigned exp = value >> 52 & 0x7FF;
    if (LIKELY(exp - 1 < 0x7FE))
        return (struct fp_num){value << 11 | 1ull << 63, (int32_t)exp - 1023, FP_CLASS_NORMAL, value >> 63};
    return fp_from_f64_special(value);
}

/* --- x87 arithmetic ------------------------------------------------------------------------------------ */

/* These five obey precision control. fp_sub is a - b, fp_div is a / b. */
struct f80 f80_add(struct fp_env *env, struct fp_num a, struct fp_num b);
struct f80 f80_sub(struct fp_env *env, struct fp_num a, struct fp_num b);
struct f80 f80_mul(struct fp_env *env, struct fp_num a, struct fp_num b);
struct f80 f80_div(struct fp_env *env, struct fp_num a, struct fp_num b);
struct f80 f80_sqrt(struct fp_env *env, struct fp_num a);

/* What FPREM and FPREM1 leave behind. */
struct f80_remainder {
    struct f80 value;
    uint8_t quotient; /* low three bits of the integer quotient; valid when !partial */
    bool partial;     /* reduction incomplete: C2 */
};

/* Remainder with truncated quotient (FPREM) or with quotient rounded to nearest even (FPREM1). */
struct f80_remainder f80_rem(struct fp_env *env, struct fp_num a, struct fp_num b, bool nearest);

/* a * 2^trunc(b) (FSCALE). */
struct f80 f80_scale(struct fp_env *env, struct fp_num a, struct fp_num b);

/* FXTRACT: *exponent as a number, return value the significand. */
struct f80 f80_extract(struct fp_env *env, struct fp_num a, struct f80 *exponent);

/* FRNDINT: round to an integral value, in env's rounding mode. */
struct f80 f80_round_to_integral(struct fp_env *env, struct fp_num a);

/* Compare; quiet: only SNaNs and unsupported formats are invalid (FUCOM), else every NaN is (FCOM). */
enum fp_relation f80_compare(struct fp_env *env, struct fp_num a, struct fp_num b, bool quiet);

/* --- x87 conversions ----------------------------------------------------------------------------------- */

/* Load from f32 or f64 memory (raises DE, IE for SNaN) or from an unpacked integer (exact). */
struct f80 f80_load(struct fp_env *env, struct fp_num a);

uint32_t f80_to_f32(struct fp_env *env, struct fp_num a);
uint64_t f80_to_f64(struct fp_env *env, struct fp_num a);

/* Round to a signed integer of `bits` (16, 32, 64) bits; what does not fit is invalid and gives the integer
 * indefinite, sign-extended. `rounding` is separate for FISTTP and the truncating SSE conversions. */
int64_t fp_to_int(struct fp_env *env, struct fp_num a, unsigned bits, enum fp_rounding rounding);

/* Packed BCD, 18 digits: the ten bytes as low 8 bytes and high 2 bytes. */
struct f80 f80_from_bcd(uint64_t low, uint16_t high);
void f80_to_bcd(struct fp_env *env, struct fp_num a, uint64_t *low, uint16_t *high);

/* --- x87 transcendentals: error below 0.51 ulp, always rounded to 64 bits --------------------------------
 */

/* For the trigonometric ones: *out_of_range is set (C2) and the operand returned when |a| >= 2^63. */
struct f80 f80_sin(struct fp_env *env, struct fp_num a, bool *out_of_range);
struct f80 f80_cos(struct fp_env *env, struct fp_num a, bool *out_of_range);
struct f80 f80_tan(struct fp_env *env, struct fp_num a, bool *out_of_range);
struct f80 f80_atan2(struct fp_env *env, struct fp_num y, struct fp_num x);  /* FPATAN */
struct f80 f80_exp2m1(struct fp_env *env, struct fp_num a);                  /* F2XM1 */
struct f80 f80_ylog2x(struct fp_env *env, struct fp_num y, struct fp_num x); /* FYL2X */
struct f80 f80_ylog2xp1(struct fp_env *env, struct fp_num y, struct fp_num x);

/* --- SSE ----------------------------------------------------------------------------------------------- */

uint32_t f32_add(struct fp_env *env, uint32_t a, uint32_t b);
uint32_t f32_sub(struct fp_env *env, uint32_t a, uint32_t b);
uint32_t f32_mul(struct fp_env *env, uint32_t a, uint32_t b);
uint32_t f32_div(struct fp_env *env, uint32_t a, uint32_t b);
uint32_t f32_sqrt(struct fp_env *env, uint32_t a);
uint32_t f32_min(struct fp_env *env, uint32_t a, uint32_t b);
uint32_t f32_max(struct fp_env *env, uint32_t a, uint32_t b);
enum fp_relation f32_compare(struct fp_env *env, uint32_t a, uint32_t b, bool quiet);
/* ROUNDSS: precision exception only when `inexact` is wanted. */
uint32_t f32_round_to_integral(struct fp_env *env, uint32_t a, enum fp_rounding rounding, bool inexact);
uint64_t f32_to_f64(struct fp_env *env, uint32_t a);
int64_t f32_to_int(struct fp_env *env, uint32_t a, unsigned bits, enum fp_rounding rounding);
uint32_t f32_from_int(struct fp_env *env, int64_t a);

uint64_t f64_add(struct fp_env *env, uint64_t a, uint64_t b);
uint64_t f64_sub(struct fp_env *env, uint64_t a, uint64_t b);
uint64_t f64_mul(struct fp_env *env, uint64_t a, uint64_t b);
uint64_t f64_div(struct fp_env *env, uint64_t a, uint64_t b);
uint64_t f64_sqrt(struct fp_env *env, uint64_t a);
uint64_t f64_min(struct fp_env *env, uint64_t a, uint64_t b);
uint64_t f64_max(struct fp_env *env, uint64_t a, uint64_t b);
enum fp_relation f64_compare(struct fp_env *env, uint64_t a, uint64_t b, bool quiet);
uint64_t f64_round_to_integral(struct fp_env *env, uint64_t a, enum fp_rounding rounding, bool inexact);
uint32_t f64_to_f32(struct fp_env *env, uint64_t a);
int64_t f64_to_int(struct fp_env *env, uint64_t a, unsigned bits, enum fp_rounding rounding);
uint64_t f64_from_int(struct fp_env *env, int64_t a);

/* a * b + c, rounded once; with the sign of the product or of the addend changed unless that is a NaN. */
enum fp_fma_sign { FP_NEGATE_NONE, FP_NEGATE_PRODUCT, FP_NEGATE_ADDEND, FP_NEGATE_BOTH };
uint32_t f32_fma(struct fp_env *env, uint32_t a, uint32_t b, uint32_t c, enum fp_fma_sign signs);
uint64_t f64_fma(struct fp_env *env, uint64_t a, uint64_t b, uint64_t c, enum fp_fma_sign signs);

/* Half precision. F16C never flushes results to zero: env for f32_to_f16 does not say so. */
uint32_t f16_to_f32(struct fp_env *env, uint16_t a);
uint16_t f32_to_f16(struct fp_env *env, uint32_t a);

/* RCPSS and RSQRTSS: relative error at most 1.5 * 2^-12 (SDM), raise nothing. See fp_approx.c. */
uint32_t f32_reciprocal(uint32_t a);
uint32_t f32_reciprocal_sqrt(uint32_t a);

#endif
