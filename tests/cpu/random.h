/* Deterministic random numbers for tests (xorshift64). */
#ifndef CROSSPAGE_TESTS_CPU_RANDOM_H
#define CROSSPAGE_TESTS_CPU_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t state; /* not 0 */
};

static inline uint64_t random_next(struct random *r)
{
    r->state ^= r->state << 13;
    r->state ^= r->state >> 7;
    r->state ^= r->state << 17;
    return r->state * UINT64_C(0x2545F4914F6CDD1D);
}

/* 0..n-1 */
static inline unsigned random_below(struct random *r, unsigned n)
{
    return (unsigned)((random_next(r) >> 32) % n);
}

#endif
