/* Matrix product as x87 code does it: sums of products in the 80-bit registers, operands and results double.
 */
#include "matrix.h"

uint32_t kernel_matrix_x87(uint32_t count)
{
    static struct matrix a, b, c;
    uint32_t sum = HASH_START;
    matrix_fill(&a, 1);
    matrix_fill(&b, 2);
    for (uint32_t round = 0; round < count; round++) {
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++) {
                long double product = 0;
                for (int k = 0; k < N; k++)
                    product += (long double)a.at[i][k] * b.at[k][j];
                c.at[i][j] = (double)product;
            }
        a.at[round % N][0] = c.at[0][round % N] / N;
    }
    return hash(sum, &c, sizeof c);
}
