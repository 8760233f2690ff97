/* Levenshtein distance over one row; words longer than the row are never near anything. */
#include "base/suggest.h"

#include <stdio.h>
#include <string.h>

enum { WORD_MAX = 64 };

static size_t edit_distance(const char *a, const char *b)
{
    size_t row[WORD_MAX + 1];
    size_t columns = strlen(b);
    if (columns > WORD_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= columns; j++)
        row[j] = j;
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < columns; j++) {
            size_t change = diagonal + (a[i] != b[j]);
            size_t drop = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;
            diagonal = row[j + 1];
            row[j + 1] = change < drop ? change : drop;
        }
    }
    return row[columns];
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
    return suggestion->best != NULL && suggestion->distance <= 1 + length / 3 ? suggestion->best : NULL;
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
