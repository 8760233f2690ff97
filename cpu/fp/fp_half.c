/* Half precision (F16C): 1 sign, 5 exponent and 10 fraction bits, to and from f32.
 *
 * To f32 every value is exact; a denormal half raises nothing and MXCSR.DAZ does not concern it. To f16, DAZ
 * concerns the f32 operand, but flush to zero does not concern the result (SDM vol. 1, 14.4.1; vol. 2,
 * VCVTPH2PS and VCVTPS2PH). */
#include "cpu/fp/fp_priv.h"

#define FP_F16 ((struct fp_format){11, -14, 15, false})

static uint16_t f16_make(bool sign, struct fp_rounded value)
{
    return (uint16_t)((unsigned)sign << 15 | (unsigned)value.biased << 10 | (unsigned)(value.sig << 1 >> 54));
}

uint32_t f16_to_f32(struct fp_env *env, uint16_t a)
{
    unsigned exp = a >> 10 & 31;
    uint64_t fraction = (uint64_t)(a & 0x3FF) << 53; /* below the integer bit */
    bool sign = a >> 15;
    struct fp_num num = {fraction | FP_TOP_BIT, (int32_t)exp - 15, FP_CLASS_NORMAL, sign};
    if (exp == 31 && fraction == 0)
        return f32_pack_special(fp_infinity(sign));
    if (exp == 31) {
        num.cls = fraction & FP_QUIET_BIT ? FP_CLASS_QNAN : FP_CLASS_SNAN;
        return f32_pack_special(fp_quiet_nan(env, num));
    }
    if (exp == 0 && fraction == 0)
        return f32_pack_special(fp_zero(sign));
    if (exp == 0) {
        int shift = __builtin_clzll(fraction);
        num.sig = fraction << shift;
        num.exp = FP_F16.emin - shift;
    }
    return f32_round_pack(env, sign, num.exp, num.sig, 0);
}

uint16_t f32_to_f16(struct fp_env *env, uint32_t a)
{
    struct fp_num num = fp_sse_f32(env, a);
    if (fp_is_nan(num)) {
        num = fp_quiet_nan(env, num);
        return f16_make(num.sign, (struct fp_rounded){num.sig, 31});
    }
    fp_note_denormal(env, num);
    if (num.cls == FP_CLASS_INFINITY)
        return f16_make(num.sign, (struct fp_rounded){FP_TOP_BIT, 31});
    if (num.cls == FP_CLASS_ZERO)
        return f16_make(num.sign, (struct fp_rounded){0, 0});
    /* With unmasked underflow a denormal operand is always inexact on Intel CPUs. */
    if (!(env->masks & FP_UE) && num.cls == FP_CLASS_DENORMAL)
        env->flags |= FP_PE;
    return f16_make(num.sign, fp_round(env, FP_F16, num.sign, num.exp, num.sig, 0));
}
