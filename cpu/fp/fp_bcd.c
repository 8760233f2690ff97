/* Packed BCD of FBLD and FBSTP: 18 digits in nine bytes, least significant first, sign in bit 7 of the tenth
 * byte (SDM 1, 4.7). The other seven bits of that byte are ignored on load and zero on store. Digits above
 * nine are undefined in the manual; here, as on every Intel CPU seen, a digit counts with its value. */
#include "cpu/fp/fp_priv.h"

enum { BCD_DIGITS = 18 };

static const uint64_t BCD_LIMIT = 1000000000000000000ull; /* 10^18 */

static unsigned digit_at(uint64_t low, uint16_t high, unsigned index)
{
    uint64_t digits = index < 16 ? low >> (4 * index) : (uint64_t)high >> (4 * (index - 16));
    return digits & 0xF;
}

struct f80 f80_from_bcd(uint64_t low, uint16_t high)
{
    uint64_t magnitude = 0; /* at most 1.67 * 10^18 */
    for (unsigned i = BCD_DIGITS; i-- > 0;)
        magnitude = magnitude * 10 + digit_at(low, high, i);
    struct fp_num num = fp_from_int((int64_t)magnitude);
    num.sign = high >> 15;
    if (num.cls == FP_CLASS_ZERO)
        return f80_pack_special(num);
    return f80_make(num.sign, (struct fp_rounded){num.sig, num.exp + F80_BIAS});
}

void f80_to_bcd(struct fp_env *env, struct fp_num a, uint64_t *low, uint16_t *high)
{
    uint8_t before = env->flags;
    uint64_t magnitude = 0;
    env->rounded_up = false;
    if (a.cls != FP_CLASS_ZERO) {
        struct fp_num absolute = a;
        if (fp_is_finite_nonzero(a))
            absolute = fp_integral(env, a, env->rounding);
        absolute.sign = false;
        uint8_t inexact = env->flags & FP_PE;
        bool rounded_up = env->rounded_up;
        int64_t integer = fp_to_int(env, absolute, 64, FP_TRUNCATE);
        env->rounded_up = rounded_up;
        if (integer < 0 || (uint64_t)integer >= BCD_LIMIT) {
            /* BCD indefinite (SDM 1, table 4-4) */
            env->flags = before | FP_IE;
            env->rounded_up = false;
            *low = 0xC000000000000000;
            *high = 0xFFFF;
            return;
        }
        env->flags |= inexact;
        magnitude = (uint64_t)integer;
    }
    *low = 0;
    *high = (uint16_t)(a.sign << 15);
    for (unsigned i = 0; i < BCD_DIGITS; i++) {
        uint64_t digit = magnitude % 10;
        magnitude /= 10;
        if (i < 16)
            *low |= digit << (4 * i);
        else
            *high |= (uint16_t)(digit << (4 * (i - 16)));
    }
}
