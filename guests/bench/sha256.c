/* SHA-256 as FIPS 180-4 defines it. */
#include "bench.h"
#include "sha256.h"

#include <stdlib.h>

static inline uint32_t rotate(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static void block(uint32_t state[8], const uint8_t *data)
{
    uint32_t w[64];
    for (int t = 0; t < 16; t++)
        w[t] = (uint32_t)data[4 * t] << 24 | (uint32_t)data[4 * t + 1] << 16 |
               (uint32_t)data[4 * t + 2] << 8 | data[4 * t + 3];
    for (int t = 16; t < 64; t++) {
        uint32_t s0 = rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3;
        uint32_t s1 = rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10;
        w[t] = s1 + w[t - 7] + s0 + w[t - 16];
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6],
             h = state[7];
    for (int t = 0; t < 64; t++) {
        uint32_t t1 =
            h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + sha256_k[t] + w[t];
        uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + t2;
    }
    const uint32_t end[8] = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < 8; i++)
        state[i] += end[i];
}

/* The message is all rounds' data in a row, so a multiple of 64 bytes; the last block is padding and length.
 */
uint32_t kernel_sha256(uint32_t count)
{
    enum { N = 256 << 10, BLOCK = 64 };
    uint32_t state[8] = {0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
                         0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19};
    uint32_t seed = 1;
    uint8_t *data = memory_get(N), last[BLOCK] = {0x80};
    for (uint32_t i = 0; i < N; i++)
        data[i] = (uint8_t)(random_next(&seed) >> 24);
    for (uint32_t round = 0; round < count; round++)
        for (uint32_t at = 0; at < N; at += BLOCK)
            block(state, data + at);
    uint64_t bits = (uint64_t)count * N * 8;
    for (int i = 0; i < 8; i++)
        last[BLOCK - 1 - i] = (uint8_t)(bits >> 8 * i);
    block(state, last);
    free(data);
    return state[0];
}
