/* The packing of words (word_writer.h): expected ones are counted, others written, all through one buffer
 * into gzip.
 *
 * Left out: packing in a second thread. It would hide the time, not save it. */
#include "traces/word_writer.h"

#include "base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { BUFFER_SIZE = 64 * 1024, VARINT_MAX = 10, BATCH = 2048 };

_Static_assert(WORDS_RING % BATCH == 0 && BATCH + WORDS_RECORD_MAX <= WORDS_RING - WORDS_BACK,
               "words that wait overwrite none that can be expected");

struct word_writer {
    gzFile file;
    bool failed;
    uint32_t run; /* words as expected since the last one that was not */
    size_t used;
    uint8_t buffer[BUFFER_SIZE];
    struct words words;
};

static void flush(struct word_writer *writer)
{
    if (writer->used && gzwrite(writer->file, writer->buffer, (unsigned)writer->used) <= 0)
        writer->failed = true;
    writer->used = 0;
}

static void put_varint(struct word_writer *writer, uint64_t value)
{
    while (value >= 0x80) {
        writer->buffer[writer->used++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    writer->buffer[writer->used++] = (uint8_t)value;
}

enum status word_writer_create(struct word_gate *gate, const char *path, const char *magic,
                               const char *header, struct error *err)
{
    gzFile file = gzopen(path, "wb1");
    if (file == NULL)
        return status_fail(err, STATUS_NO_FILE, "cannot write trace '%s': %s", path, strerror(errno));
    struct word_writer *writer = xcalloc(1, sizeof *writer);
    writer->file = file;
    words_init(&writer->words);
    gzwrite(file, magic, (unsigned)strlen(magic));
    put_varint(writer, strlen(header));
    flush(writer);
    if (gzwrite(file, header, (unsigned)strlen(header)) <= 0)
        writer->failed = true;
    *gate = (struct word_gate){.next = words_at(&writer->words, writer->words.end),
                               .limit = writer->words.ring + BATCH,
                               .writer = writer};
    return STATUS_OK;
}

enum status word_writer_close(struct word_gate *gate, struct error *err)
{
    struct word_writer *writer = gate->writer;
    word_writer_pack(gate);
    *gate = (struct word_gate){0};
    if (writer->run > 0)
        put_varint(writer, (uint64_t)writer->run << 1);
    flush(writer);
    bool bad = gzclose(writer->file) != Z_OK || writer->failed;
    free(writer);
    return bad ? status_fail(err, STATUS_NO_FILE, "writing the trace failed (disk full?)") : STATUS_OK;
}

/* How many words at the start of two arrays are equal. */
static size_t common(const uint64_t *a, const uint64_t *b, size_t limit)
{
    enum { STRIDE = 16 }; /* what the library compares faster than a loop does */
    size_t n = 0;
    while (n + STRIDE <= limit && memcmp(a + n, b + n, STRIDE * sizeof *a) == 0)
        n += STRIDE;
    while (n < limit && a[n] == b[n])
        n++;
    return n;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The expected ones among the next words, as far as both lie in one piece in the ring. */
static void skip_expected(struct word_writer *writer, size_t limit)
{
    struct words *words = &writer->words;
    const uint64_t *expected = words_at(words, words->expected), *next = words_at(words, words->end);
    const uint64_t *later = expected > next ? expected : next;
    limit = least(limit, TRACE_RUN_MAX - writer->run);
    limit = least(limit, (size_t)(words->ring + WORDS_RING - later));
    uint32_t count = (uint32_t)common(next, expected, limit);
    words->end += count;
    words->expected += count;
    writer->run += count;
}

static void put_unexpected(struct word_writer *writer)
{
    uint64_t word = *words_at(&writer->words, writer->words.end);
    bool kindred = words_kindred(word, words_expected(&writer->words));
    if (writer->used + 3 * VARINT_MAX > BUFFER_SIZE) /* the last run has no word */
        flush(writer);
    put_varint(writer, (uint64_t)writer->run << 1 | kindred);
    put_varint(writer, kindred ? word >> TRACE_VALUE_SHIFT : word);
    words_unexpected(&writer->words, word);
    writer->run = 0;
}

void word_writer_pack(struct word_gate *gate)
{
    struct word_writer *writer = gate->writer;
    struct words *words = &writer->words;
    uint64_t *ring_end = words->ring + WORDS_RING;
    if (gate->next >= ring_end) {
        size_t over = (size_t)(gate->next - ring_end);
        memcpy(words->ring, ring_end, over * sizeof *ring_end);
        gate->next = words->ring + over;
    }
    uint32_t recorded = (uint32_t)(gate->next - words->ring), waiting;
    while ((waiting = (recorded - words->end) % WORDS_RING) > 0) {
        skip_expected(writer, waiting);
        waiting = (recorded - words->end) % WORDS_RING;
        if (waiting > 0 &&
            (*words_at(words, words->end) != words_expected(words) || writer->run == TRACE_RUN_MAX))
            put_unexpected(writer);
    }
    gate->limit = words->ring + (recorded / BATCH + 1) * BATCH;
}
