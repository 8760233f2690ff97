/* "Did you mean ...?" for misspelt names of options, costs, profiles, devices. */
#ifndef CROSSPAGE_BASE_SUGGEST_H
#define CROSSPAGE_BASE_SUGGEST_H

#include "base/types.h"

/* The nearest name to what the user wrote, found by feeding all candidates in a fixed order. */
struct suggestion {
    const char *word, *best;
    size_t distance;
};

static inline struct suggestion suggestion_start(const char *word)
{
    return (struct suggestion){.word = word, .best = NULL, .distance = SIZE_MAX};
}

void suggestion_offer(struct suggestion *suggestion, const char *candidate);

/* The best candidate, or NULL when none is near enough to be a misspelling (of a single letter nothing is).
 */
const char *suggestion_result(const struct suggestion *suggestion);

/* " (did you mean 'x'?)" or nothing, for the end of an error line. Returns `buffer`. */
const char *suggestion_text(const struct suggestion *suggestion, char *buffer, size_t size);

/* All of it in one call: the best of `count` names, or NULL. */
const char *suggest(const char *word, const char *const *names, unsigned count);

#endif
