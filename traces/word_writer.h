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

struct word_writer; /* opaque but for what it starts with */

struct word_gate {
    uint64_t *next;  /* where the next word goes */
    uint64_t *limit; /* from here on, words are packed before the next record */
};

/* A file that starts with TRACE_MAGIC and the header. */
enum status word_writer_create(struct word_writer **writer, const char *path, const char *header,
                               struct error *err) MUST_CHECK;
/* Packs what waits, closes and frees; the status of all that was written. NULL is no writer. */
enum status word_writer_close(struct word_writer *writer, struct error *err) MUST_CHECK;

/* Where the words of a record go: at most WORDS_RECORD_MAX. */
static inline uint64_t *word_writer_begin(struct word_writer *writer)
{
    return ((struct word_gate *)writer)->next;
}

void word_writer_pack(struct word_writer *writer);

/* They are there; `next` is behind the last one. */
static inline void word_writer_end(struct word_writer *writer, uint64_t *next)
{
    struct word_gate *gate = (struct word_gate *)writer;
    gate->next = next;
    if (next >= gate->limit)
        word_writer_pack(writer);
}

#endif
