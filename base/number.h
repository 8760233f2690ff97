/* Arithmetic on whole numbers that C lacks. */
#ifndef CROSSPAGE_BASE_NUMBER_H
#define CROSSPAGE_BASE_NUMBER_H

#include <stdint.h>

/* Greatest common divisor; of 0 and n it is n. */
static inline uint64_t number_gcd(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

#endif
