/* AES-128 in counter mode (FIPS 197, SP 800-38A) with the AES instructions, four blocks at a time. */
#include "bench.h"

#include <immintrin.h>
#include <stdlib.h>

enum { ROUNDS = 10, BLOCK = 16, AT_ONCE = 4 };

/* One word's worth of the key schedule (SDM vol. 2, AESKEYGENASSIST). */
static inline __m128i next_key(__m128i key, __m128i assist)
{
    key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
    key = _mm_xor_si128(key, _mm_slli_si128(key, 8));
    return _mm_xor_si128(key, _mm_shuffle_epi32(assist, 0xFF));
}

static void expand(__m128i key[ROUNDS + 1])
{
#define NEXT(n, constant) key[n] = next_key(key[n - 1], _mm_aeskeygenassist_si128(key[n - 1], constant))
    NEXT(1, 0x01);
    NEXT(2, 0x02);
    NEXT(3, 0x04);
    NEXT(4, 0x08);
    NEXT(5, 0x10);
    NEXT(6, 0x20);
    NEXT(7, 0x40);
    NEXT(8, 0x80);
    NEXT(9, 0x1B);
    NEXT(10, 0x36);
#undef NEXT
}

static void encrypt(const __m128i key[ROUNDS + 1], __m128i block[AT_ONCE])
{
    for (int n = 0; n < AT_ONCE; n++)
        block[n] = _mm_xor_si128(block[n], key[0]);
    for (int round = 1; round < ROUNDS; round++)
        for (int n = 0; n < AT_ONCE; n++)
            block[n] = _mm_aesenc_si128(block[n], key[round]);
    for (int n = 0; n < AT_ONCE; n++)
        block[n] = _mm_aesenclast_si128(block[n], key[ROUNDS]);
}

uint32_t kernel_aes(uint32_t count)
{
    enum { N = 256 << 10 };
    __m128i key[ROUNDS + 1], stream[AT_ONCE];
    uint8_t *data = memory_get(N);
    uint32_t counter = 0;
    key[0] = _mm_setr_epi32(0x03020100, 0x07060504, 0x0B0A0908, 0x0F0E0D0C);
    expand(key);
    for (uint32_t round = 0; round < count; round++)
        for (uint32_t at = 0; at < N; at += AT_ONCE * BLOCK) {
            for (int n = 0; n < AT_ONCE; n++)
                stream[n] = _mm_setr_epi32((int)counter++, 0, 0, 0);
            encrypt(key, stream);
            for (int n = 0; n < AT_ONCE; n++) {
                __m128i *place = (__m128i *)(void *)(data + at + n * BLOCK);
                _mm_storeu_si128(place, _mm_xor_si128(_mm_loadu_si128(place), stream[n]));
            }
        }
    uint32_t sum = hash(HASH_START, data, N);
    free(data);
    return sum;
}
