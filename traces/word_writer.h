/* Packs the words of a trace (format.h) into its file.
 *
 * A word costs whoever records it one store, into the ring in which it will be remembered (words.h). Words
 * are packed many at a time, where runs of expected ones are found several words at a step. What is written
 * does not depend on when they are packed. */
#ifndef CROSSPAGE_TRACES_WORD_WRITER_H
#define CROSSPAGE_TRACES_WORD_WRITER_H

#include "base/status.h"
#include "traces/words.h"

#include <stddef.h>

struct word_writer;

/* Where words go; owned by whoever records. */
struct word_gate {
    uint64_t *next;  /* the next word; NULL: nothing is written */
    uint64_t *limit; /* from here on, words are packed before the next record */
    struct word_writer *writer;
};

/* A file that starts with `magic`, which is one of format.h, and the header. */
enum status word_writer_create(struct word_gate *gate, const char *path, const char *magic,
                               const char *header, struct error *err) MUST_CHECK;
/* Packs what waits, closes and frees; the status of all that was written. */
enum status word_writer_close(struct word_gate *gate, struct error *err) MUST_CHECK;

void word_writer_pack(struct word_gate *gate);

/* A record of at most WORDS_RECORD_MAX words is at gate->next; `next` is behind its last one. */
static inline void word_writer_end(struct word_gate *gate, uint64_t *next)
{
    gate->next = next;
    if (UNLIKELY(next >= gate->limit))
        word_writer_pack(gate);
}

#endif
