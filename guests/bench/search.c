/* String search with SSE4.2: PCMPISTRI, "equal ordered", finds where a short needle may begin in 16 bytes of
 * text (SDM volume 1, 12.10.1: string and text processing instructions). */
#include "bench.h"

#include <nmmintrin.h>
#include <stdlib.h>
#include <string.h>

enum { N = 256 << 10, LENGTH = 6, WIDE = 16 };

/* Where the needle begins in the text at or after `at`; N when it does not. Text is readable to N + WIDE. */
static uint32_t find(const char *text, uint32_t at, __m128i needle, const char *bytes)
{
    while (at < N) {
        __m128i part = _mm_loadu_si128((const __m128i *)(const void *)(text + at));
        int index = _mm_cmpistri(needle, part, _SIDD_UBYTE_OPS | _SIDD_CMP_EQUAL_ORDERED);
        at += (uint32_t)index;
        if (index < WIDE && at < N) {
            if (memcmp(text + at, bytes, LENGTH) == 0)
                return at;
            at++;
        }
    }
    return N;
}

uint32_t kernel_search(uint32_t count)
{
    char *text = memory_get(N + 2 * WIDE), bytes[WIDE] = {0};
    uint32_t seed = 1, sum = HASH_START;
    memset(text, '.', N + 2 * WIDE);
    for (uint32_t i = 0; i < N; i++)
        text[i] = (char)('a' + (random_next(&seed) >> 30));
    for (uint32_t round = 0; round < count; round++) {
        for (int i = 0; i < LENGTH; i++)
            bytes[i] = (char)('a' + (random_next(&seed) >> 30));
        __m128i needle = _mm_loadu_si128((const __m128i *)(const void *)bytes);
        for (uint32_t at = find(text, 0, needle, bytes); at < N; at = find(text, at + 1, needle, bytes))
            sum = hash(sum, &at, sizeof at);
    }
    free(text);
    return sum;
}
