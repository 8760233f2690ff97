/* What both matrix kernels share: 96 x 96 doubles between -1 and 1. */
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

#endif
