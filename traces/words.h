/* Which word comes next in a trace (format.h): what the writer need not write, because the reader knows it
 * too.
 *
 * Both keep the last words in a ring, and in it the place of the word that is expected next. While words are
 * as expected the place moves along with them. If one is not, the place is
 *
 *   - still the next one, if only the word's value differed: the guest took another time, or the frame
 * another size, and what comes after is the same;
 *   - else behind the last two words' latest occurrence, as far as it was noted: `after` is noted at
 *     unexpected words only, and overwritten by whoever comes with the same hash.
 *
 * An outdated place only means a bad guess, the same one on both sides. */
#ifndef CROSSPAGE_TRACES_WORDS_H
#define CROSSPAGE_TRACES_WORDS_H

#include "traces/format.h"

#include <stdint.h>

enum { WORDS_RING = 1 << 16, WORDS_CONTEXT_BITS = 12 };

/* All zero at the start. Places count words from the start of the trace, modulo 2^32. */
struct words {
    uint32_t end;      /* place of the next word */
    uint32_t expected; /* place of the word that it is expected to be equal to */
    uint32_t after[1 << WORDS_CONTEXT_BITS];
    uint64_t ring[WORDS_RING];
};

static inline uint64_t *words_at(struct words *words, uint32_t place)
{
    return &words->ring[place % WORDS_RING];
}

static inline uint64_t words_expected(const struct words *words)
{
    return words->ring[words->expected % WORDS_RING];
}

/* The next word is the expected one. */
static inline void words_as_expected(struct words *words, uint64_t word)
{
    *words_at(words, words->end++) = word;
    words->expected++;
}

/* The next word is not, or not known to be. */
static inline void words_unexpected(struct words *words, uint64_t word)
{
    uint64_t other = words_expected(words), before = *words_at(words, words->end - 1);
    uint64_t mixed = word * UINT64_C(0x9E3779B97F4A7C15) ^ before * UINT64_C(0xC2B2AE3D27D4EB4F);
    uint32_t *after = &words->after[mixed * UINT64_C(0x9E3779B97F4A7C15) >> (64 - WORDS_CONTEXT_BITS)];
    *words_at(words, words->end++) = word;
    if ((word ^ other) % (1 << TRACE_VALUE_SHIFT) == 0)
        words->expected++;
    else
        words->expected = *after;
    *after = words->end;
}

#endif
