/* What the matrix kernels share: 96 x 96 doubles between -1 and 1. */
#ifndef BENCH_MATRIX_H
#define BENCH_MATRIX_H

#include "bench.h"

#include <string.h>

enum { N = 96 };

struct matrix {
    double at[N][N];
};

static inline void matrix_fill(struct matrix *matrix, uint32_t seed)
{
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            matrix->at[i][j] = (double)(int32_t)random_next(&seed) / 2147483648.0;
}

/* The product in the order that compilers make packed instructions of: a row of the result grows by multiples
 * of rows. */
static inline uint32_t matrix_product(uint32_t count)
{
    static struct matrix a, b, c;
    uint32_t sum = HASH_START;
    matrix_fill(&a, 1);
    matrix_fill(&b, 2);
    for (uint32_t round = 0; round < count; round++) {
        memset(&c, 0, sizeof c);
        for (int i = 0; i < N; i++)
            for (int k = 0; k < N; k++) {
                double factor = a.at[i][k];
                for (int j = 0; j < N; j++)
                    c.at[i][j] += factor * b.at[k][j];
            }
        a.at[round % N][0] = c.at[0][round % N] / N;
    }
    return hash(sum, &c, sizeof c);
}

#endif
