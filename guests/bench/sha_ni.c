/* SHA-256 with the SHA instructions (SDM vol. 2, SHA256RNDS2 and SHA256MSG1): the same message as in
 * sha256.c, so the same checksum. */
#include "bench.h"
#include "sha256.h"

#include <immintrin.h>
#include <stdlib.h>

/* State as the instructions want it: ABEF and CDGH. */
static void block(__m128i *abef, __m128i *cdgh, const uint8_t *data)
{
    const __m128i swap = _mm_set_epi64x(0x0C0D0E0F08090A0B, 0x0405060700010203);
    __m128i w[4], ab = *abef, cd = *cdgh;
    for (int i = 0; i < 4; i++)
        w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)(data + 16 * i)), swap);
    for (int t = 0; t < 16; t++) {
        __m128i wk =
            _mm_add_epi32(w[t & 3], _mm_loadu_si128((const __m128i *)(const void *)(sha256_k + 4 * t)));
        cd = _mm_sha256rnds2_epu32(cd, ab, wk);
        ab = _mm_sha256rnds2_epu32(ab, cd, _mm_shuffle_epi32(wk, 0x0E));
        /* The words of four rounds that come sixteen rounds later. */
        __m128i next = _mm_sha256msg1_epu32(w[t & 3], w[(t + 1) & 3]);
        next = _mm_add_epi32(next, _mm_alignr_epi8(w[(t + 3) & 3], w[(t + 2) & 3], 4));
        w[t & 3] = _mm_sha256msg2_epu32(next, w[(t + 3) & 3]);
    }
    *abef = _mm_add_epi32(*abef, ab);
    *cdgh = _mm_add_epi32(*cdgh, cd);
}

uint32_t kernel_sha_ni(uint32_t count)
{
    enum { N = 256 << 10, BLOCK = 64 };
    __m128i abef = _mm_set_epi32(0x6A09E667, (int)0xBB67AE85, 0x510E527F, (int)0x9B05688C);
    __m128i cdgh = _mm_set_epi32(0x3C6EF372, (int)0xA54FF53A, 0x1F83D9AB, 0x5BE0CD19);
    uint32_t seed = 1;
    uint8_t *data = memory_get(N), last[BLOCK] = {0x80};
    for (uint32_t i = 0; i < N; i++)
        data[i] = (uint8_t)(random_next(&seed) >> 24);
    for (uint32_t round = 0; round < count; round++)
        for (uint32_t at = 0; at < N; at += BLOCK)
            block(&abef, &cdgh, data + at);
    uint64_t bits = (uint64_t)count * N * 8;
    for (int i = 0; i < 8; i++)
        last[BLOCK - 1 - i] = (uint8_t)(bits >> 8 * i);
    block(&abef, &cdgh, last);
    free(data);
    return (uint32_t)_mm_extract_epi32(abef, 3);
}
