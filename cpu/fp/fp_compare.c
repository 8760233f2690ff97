/* Comparison, and the SSE minimum and maximum, which are comparisons that return an operand.
 * Sources: SDM 2 (FCOM, FUCOM, COMISS, UCOMISS, MINSS, MAXSS). */
#include "cpu/fp/fp_priv.h"

static ALWAYS_INLINE enum fp_relation compare(struct fp_env *env, struct fp_num a, struct fp_num b,
                                              bool quiet)
{
    if (UNLIKELY((a.cls | b.cls) != 0)) {
        if (fp_is_nan(a) || fp_is_nan(b)) {
            if (!quiet || a.cls >= FP_CLASS_SNAN || b.cls >= FP_CLASS_SNAN)
                env->flags |= FP_IE;
            return FP_UNORDERED;
        }
        fp_note_denormal(env, a);
        fp_note_denormal(env, b);
        if (a.cls == FP_CLASS_ZERO && b.cls == FP_CLASS_ZERO)
            return FP_EQUAL;
        /* Let zero and infinity take part by exponent. */
        if (!fp_is_finite_nonzero(a))
            a.exp = a.cls == FP_CLASS_ZERO ? -0x10000 : 0x10000;
        if (!fp_is_finite_nonzero(b))
            b.exp = b.cls == FP_CLASS_ZERO ? -0x10000 : 0x10000;
    }
    if (a.sign != b.sign)
        return a.sign ? FP_LESS : FP_GREATER;
    if (a.exp == b.exp && a.sig == b.sig)
        return FP_EQUAL;
    bool less = a.exp != b.exp ? a.exp < b.exp : a.sig < b.sig;
    return less != a.sign ? FP_LESS : FP_GREATER;
}

enum fp_relation f80_compare(struct fp_env *env, struct fp_num a, struct fp_num b, bool quiet)
{
    env->rounded_up = false;
    return compare(env, a, b, quiet);
}

enum fp_relation f32_compare(struct fp_env *env, uint32_t a, uint32_t b, bool quiet)
{
    return compare(env, fp_sse_f32(env, a), fp_sse_f32(env, b), quiet);
}

enum fp_relation f64_compare(struct fp_env *env, uint64_t a, uint64_t b, bool quiet)
{
    return compare(env, fp_sse_f64(env, a), fp_sse_f64(env, b), quiet);
}

/* Equal and unordered operands give the second one, unchanged but for DAZ. */
static uint32_t f32_choose(struct fp_env *env, uint32_t a, uint32_t b, enum fp_relation wanted)
{
    uint32_t result = f32_compare(env, a, b, false) == wanted ? a : b;
    bool denormal = fp_from_f32(result).cls == FP_CLASS_DENORMAL;
    return env->denormals_are_zero && denormal ? result & 1u << 31 : result;
}

static uint64_t f64_choose(struct fp_env *env, uint64_t a, uint64_t b, enum fp_relation wanted)
{
    uint64_t result = f64_compare(env, a, b, false) == wanted ? a : b;
    bool denormal = fp_from_f64(result).cls == FP_CLASS_DENORMAL;
    return env->denormals_are_zero && denormal ? result & FP_TOP_BIT : result;
}

uint32_t f32_min(struct fp_env *env, uint32_t a, uint32_t b)
{
    return f32_choose(env, a, b, FP_LESS);
}

uint32_t f32_max(struct fp_env *env, uint32_t a, uint32_t b)
{
    return f32_choose(env, a, b, FP_GREATER);
}

uint64_t f64_min(struct fp_env *env, uint64_t a, uint64_t b)
{
    return f64_choose(env, a, b, FP_LESS);
}

uint64_t f64_max(struct fp_env *env, uint64_t a, uint64_t b)
{
    return f64_choose(env, a, b, FP_GREATER);
}
