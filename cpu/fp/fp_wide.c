/* Multiplication, division and shared coefficients of 128-bit significands; see fp_wide.h. */
#include "cpu/fp/fp_wide.h"

const struct wide_constant wide_odd_reciprocals[WIDE_ODD_TERMS] = {
    {0x8000000000000000, 0x0000000000000000}, /* 1/1 */
    {0x2AAAAAAAAAAAAAAA, 0xAAAAAAAAAAAAAAAB}, /* 1/3 */
    {0x1999999999999999, 0x999999999999999A}, /* 1/5 */
    {0x1249249249249249, 0x2492492492492492}, /* 1/7 */
    {0x0E38E38E38E38E38, 0xE38E38E38E38E38E}, /* 1/9 */
    {0x0BA2E8BA2E8BA2E8, 0xBA2E8BA2E8BA2E8C}, /* 1/11 */
    {0x09D89D89D89D89D8, 0x9D89D89D89D89D8A}, /* 1/13 */
    {0x0888888888888888, 0x8888888888888889}, /* 1/15 */
    {0x0787878787878787, 0x8787878787878788}, /* 1/17 */
    {0x06BCA1AF286BCA1A, 0xF286BCA1AF286BCA}, /* 1/19 */
    {0x0618618618618618, 0x6186186186186186}, /* 1/21 */
    {0x0590B21642C8590B, 0x21642C8590B21643}, /* 1/23 */
    {0x051EB851EB851EB8, 0x51EB851EB851EB85}, /* 1/25 */
    {0x04BDA12F684BDA12, 0xF684BDA12F684BDA}, /* 1/27 */
    {0x0469EE58469EE584, 0x69EE58469EE5846A}, /* 1/29 */
    {0x0421084210842108, 0x4210842108421084}, /* 1/31 */
    {0x03E0F83E0F83E0F8, 0x3E0F83E0F83E0F84}, /* 1/33 */
    {0x03A83A83A83A83A8, 0x3A83A83A83A83A84}, /* 1/35 */
    {0x03759F22983759F2, 0x2983759F2298375A}, /* 1/37 */
    {0x0348348348348348, 0x3483483483483483}, /* 1/39 */
    {0x031F3831F3831F38, 0x31F3831F3831F383}, /* 1/41 */
};

struct wide wide_mul(struct wide a, struct wide b)
{
    u128 product = wide_mul_high(a.sig, b.sig);
    bool sign = a.sign != b.sign;
    if (product >> 127)
        return (struct wide){product, a.exp + b.exp + 1, sign};
    return (struct wide){product << 1, a.exp + b.exp, sign};
}

/* One base 2^64 digit of rest * 2^64 / divisor and the new rest (Knuth, algorithm D); rest < divisor, whose
 * top bit is set. */
static uint64_t divide_digit(u128 *rest, u128 divisor)
{
    uint64_t d1 = (uint64_t)(divisor >> 64), d0 = (uint64_t)divisor;
    u128 digit = *rest / d1, left = *rest % d1;
    while (digit >> 64 || (u128)(uint64_t)digit * d0 > left << 64) {
        digit--;
        left += d1;
        if (left >> 64)
            break;
    }
    *rest = (left << 64) - (u128)(uint64_t)digit * d0;
    return (uint64_t)digit;
}

struct wide wide_div(struct wide a, struct wide b)
{
    bool halve = a.sig >= b.sig;
    u128 rest = halve ? a.sig >> 1 : a.sig;
    uint64_t hi = divide_digit(&rest, b.sig);
    uint64_t lo = divide_digit(&rest, b.sig);
    return (struct wide){(u128)hi << 64 | lo, a.exp - b.exp - !halve, a.sign != b.sign};
}
