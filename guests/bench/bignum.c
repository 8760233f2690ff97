/* Long numbers: schoolbook products, in which every step makes a double-length product and carries on, and
 * sums by a chain of ADC through all limbs. */
#include "bench.h"

#include <string.h>

/* A limb is as long as a register. */
typedef uintptr_t limb;

enum { BITS = 8 * sizeof(limb), LIMBS = 8192 / BITS };

/* product = a * b + carry + addend: high part returned. */
static inline limb multiply_add(limb a, limb b, limb carry, limb *addend)
{
#ifdef __x86_64__
    unsigned __int128 wide = (unsigned __int128)a * b + carry + *addend;
#else
    uint64_t wide = (uint64_t)a * b + carry + *addend;
#endif
    *addend = (limb)wide;
    return (limb)(wide >> BITS);
}

static void multiply(const limb *a, const limb *b, limb *product)
{
    memset(product, 0, 2 * LIMBS * sizeof *product);
    for (int i = 0; i < LIMBS; i++) {
        limb carry = 0;
        for (int j = 0; j < LIMBS; j++)
            carry = multiply_add(a[i], b[j], carry, &product[i + j]);
        product[i + LIMBS] = carry;
    }
}

/* to += from over `n` limbs, n > 0. LEA and DEC leave the carry flag alone. */
static void add(limb *to, const limb *from, size_t n)
{
    limb scratch;
    __asm__ volatile("clc\n"
                     "1:\n\t"
                     "mov (%[from]), %[scratch]\n\t"
                     "adc %[scratch], (%[to])\n\t"
                     "lea %c[size](%[from]), %[from]\n\t"
                     "lea %c[size](%[to]), %[to]\n\t"
                     "dec %[n]\n\t"
                     "jnz 1b"
                     : [to] "+r"(to), [from] "+r"(from), [n] "+r"(n), [scratch] "=&r"(scratch)
                     : [size] "i"(sizeof(limb))
                     : "memory", "cc");
}

uint32_t kernel_bignum(uint32_t count)
{
    enum { SUMS = 16 };
    limb a[LIMBS], b[LIMBS], product[2 * LIMBS], sum[2 * LIMBS] = {0};
    uint32_t seed = 1;
    for (int i = 0; i < LIMBS; i++)
        a[i] = (limb)((uint64_t)random_next(&seed) << 32 | random_next(&seed));
    memcpy(b, a, sizeof b);
    for (uint32_t round = 0; round < count; round++) {
        multiply(a, b, product);
        for (int i = 0; i < SUMS; i++)
            add(sum, product, 2 * LIMBS);
        memcpy(b, sum + LIMBS / 2, sizeof b);
    }
    return hash(HASH_START, sum, sizeof sum);
}
