/* Edit distance by the textbook's matrix (Levenshtein's, with a swap of neighbours counted as one edit).
 * Words longer than the matrix are never near anything. */
#include "base/suggest.h"

#include <stdio.h>
#include <string.h>

enum { WORD_MAX = 64 };

static uint8_t min(int a, int b)
{
    return (uint8_t)(a < b ? a : b);
}

static size_t edit_distance(const char *a, const char *b)
{
    uint8_t d[WORD_MAX + 1][WORD_MAX + 1];
    size_t rows = strlen(a), columns = strlen(b);
    if (rows > WORD_MAX || columns > WORD_MAX)
        return SIZE_MAX;
    for (size_t i = 0; i <= rows; i++)
        d[i][0] = (uint8_t)i;
    for (size_t j = 0; j <= columns; j++)
        d[0][j] = (uint8_t)j;
    for (size_t i = 1; i <= rows; i++)
        for (size_t j = 1; j <= columns; j++) {
            d[i][j] = min(min(d[i - 1][j], d[i][j - 1]) + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = min(d[i][j], d[i - 2][j - 2] + 1);
        }
    return d[rows][columns];
}

void suggestion_offer(struct suggestion *suggestion, const char *candidate)
{
    size_t distance = edit_distance(suggestion->word, candidate);
    if (distance < suggestion->distance) {
        suggestion->distance = distance;
        suggestion->best = candidate;
    }
}

const char *suggestion_result(const struct suggestion *suggestion)
{
    size_t length = strlen(suggestion->word);
    bool near = suggestion->distance <= 1 + length / 3 && suggestion->distance < length;
    return suggestion->best != NULL && near ? suggestion->best : NULL;
}

const char *suggestion_text(const struct suggestion *suggestion, char *buffer, size_t size)
{
    const char *best = suggestion_result(suggestion);
    if (best != NULL)
        snprintf(buffer, size, " (did you mean '%s'?)", best);
    else
        buffer[0] = '\0';
    return buffer;
}

const char *suggest(const char *word, const char *const *names, unsigned count)
{
    struct suggestion suggestion = suggestion_start(word);
    for (unsigned i = 0; i < count; i++)
        suggestion_offer(&suggestion, names[i]);
    return suggestion_result(&suggestion);
}
