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
 * A place that is too far back for the ring is replaced by the oldest that is not: a bad guess, but the same
 * one on both sides. The ring's last few words do not count, so that the writer may store words there before
 * it packs them.
 *
 * Invariant: 1 <= end - expected <= WORDS_BACK. */
#ifndef CROSSPAGE_TRACES_WORDS_H
#define CROSSPAGE_TRACES_WORDS_H

#include "traces/format.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    WORDS_RING = 1 << 16,
    WORDS_BACK = WORDS_RING - 4096,
    WORDS_RECORD_MAX = 8, /* the writer puts whole records, at the ring's end beyond it, and moves the rest */
    WORDS_CONTEXT_BITS = 12,
};

/* Places count words modulo 2^32; one that is zero stands before the trace. All zero but for words_init(). */
struct words {
    uint32_t end;      /* place of the next word */
    uint32_t expected; /* place of the word that it is expected to be equal to */
    uint32_t after[1 << WORDS_CONTEXT_BITS];
    uint64_t ring[WORDS_RING + WORDS_RECORD_MAX];
};

static inline void words_init(struct words *words)
{
    words->end = 1;
}

static inline uint64_t *words_at(struct words *words, uint32_t place)
{
    return &words->ring[place % WORDS_RING];
}

static inline uint64_t words_expected(const struct words *words)
{
    return words->ring[words->expected % WORDS_RING];
}

/* Two words differ in their value only. */
static inline bool words_kindred(uint64_t a, uint64_t b)
{
    return (a ^ b) % (1 << TRACE_VALUE_SHIFT) == 0;
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
    if (words_kindred(word, other))
        words->expected++;
    else
        words->expected = words->end - *after <= WORDS_BACK ? *after : words->end - WORDS_BACK;
    *after = words->end;
}

#endif
