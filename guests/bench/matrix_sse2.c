/* Matrix product in the order that compilers make packed SSE2 of: a row of the result grows by multiples of
 * rows. */
#include "matrix.h"

uint32_t kernel_matrix_sse2(uint32_t count)
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
