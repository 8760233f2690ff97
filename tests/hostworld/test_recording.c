/* The recording's file: what is written is read again; whatever else is read is an error, never a crash. */
#include "base/bytes.h"
#include "base/check.h"
#include "base/hash.h"
#include "hostworld/recording.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { INPUTS = 60, PLAIN_MAX = 1 << 16, CHECKSUM_SEED = 0x5245 };

static uint64_t random_number(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * UINT64_C(0x2545F4914F6CDD1D);
}

static struct input make_input(uint64_t *seed, const struct input *before)
{
    struct input input = {.kind = (uint8_t)(random_number(seed) % INPUT_END),
                          .host = (uint8_t)(random_number(seed) >> 40 & 1),
                          .port = (uint8_t)(random_number(seed) >> 40 & 7),
                          .byte = (uint8_t)(random_number(seed) >> 40)};
    input.when = before[input.host].when + (random_number(seed) >> (random_number(seed) >> 58 | 3));
    if (input.kind == INPUT_PACE) {
        input.port = 0;
        return input;
    }
    static uint8_t frame[100];
    if (random_number(seed) % 4 == 0) {
        input.kind = INPUT_FRAME;
        input.frame = frame;
        input.size = (uint32_t)(random_number(seed) % sizeof frame);
        for (unsigned i = 0; i < sizeof frame; i++)
            frame[i] = (uint8_t)i;
    }
    input.instructions = before[input.host].instructions + (random_number(seed) >> 40);
    if (input.kind == INPUT_FRAME)
        return input;
    input.lines = random_number(seed) >> 50;
    input.column = random_number(seed) >> 57;
    input.since = random_number(seed) >> (random_number(seed) >> 58 | 1);
    return input;
}

static const struct recording_end ends[RECORDING_HOSTS] = {{3, 1000, 999, UINT64_MAX}, {0, 7, 5, 3}};
static const char header[] = "{\"schema\": \"a test\"}";

static void write_inputs(const char *path, struct input inputs[INPUTS])
{
    struct recording_writer *writer;
    struct error err;
    struct input before[RECORDING_HOSTS] = {0};
    uint64_t seed = 42;
    cr_assert_eq(recording_create(&writer, path, &err), STATUS_OK, "%s", err.text);
    recording_begin(writer, header, 733000000, 2);
    for (unsigned i = 0; i < INPUTS; i++) {
        inputs[i] = make_input(&seed, before);
        recording_add(writer, &inputs[i]);
        struct input *last = &before[inputs[i].host];
        last->when = inputs[i].when;
        if (inputs[i].kind != INPUT_PACE)
            last->instructions = inputs[i].instructions;
        if (i % 7 == 0)
            recording_flush(writer);
    }
    recording_finish(writer, ends);
    cr_assert_eq(recording_close(writer, &err), STATUS_OK, "%s", err.text);
}

static void temporary(char path[32])
{
    strcpy(path, "/tmp/crosspage-rec-XXXXXX");
    close(mkstemp(path));
}

Test(recording, what_is_written_is_read)
{
    char path[32];
    struct input inputs[INPUTS];
    struct recording recording;
    struct error err;
    temporary(path);
    write_inputs(path, inputs);
    cr_assert_eq(recording_load(&recording, path, &err), STATUS_OK, "%s", err.text);
    unlink(path);
    cr_assert_str_eq(recording.header, header);
    cr_assert_eq(recording.tick_hz, 733000000);
    cr_assert_eq(recording.hosts, 2);
    cr_assert_eq(recording.count, INPUTS);
    for (unsigned i = 0; i < INPUTS; i++) {
        const struct input *a = &inputs[i], *b = &recording.input[i];
        cr_assert(a->kind == b->kind && a->host == b->host && a->port == b->port && a->byte == b->byte, "%u",
                  i);
        cr_assert(a->when == b->when && a->instructions == b->instructions, "%u", i);
        cr_assert(a->size == b->size && (a->size == 0 || memcmp(a->frame, b->frame, a->size) == 0), "%u", i);
        cr_assert(a->lines == b->lines && a->column == b->column && a->since == b->since, "%u", i);
    }
    for (unsigned i = 0; i < 2; i++)
        cr_assert(recording.end[i].stop == ends[i].stop && recording.end[i].cycles == ends[i].cycles &&
                  recording.end[i].instructions == ends[i].instructions &&
                  recording.end[i].state_hash == ends[i].state_hash);
    recording_free(&recording);
}

/* The unpacked bytes of such a file. */
static size_t make_plain(uint8_t bytes[PLAIN_MAX])
{
    char path[32];
    struct input inputs[INPUTS];
    temporary(path);
    write_inputs(path, inputs);
    gzFile file = gzopen(path, "rb");
    int size = gzread(file, bytes, PLAIN_MAX);
    gzclose(file);
    unlink(path);
    cr_assert(size > 0 && size < PLAIN_MAX);
    return (size_t)size;
}

/* A copy of exactly that size, so that a sanitizer sees a byte too far. */
static enum status parse(const uint8_t *bytes, size_t size, struct error *err)
{
    struct recording recording;
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, bytes, size);
    enum status status = recording_parse(&recording, copy, size, "test", err);
    cr_assert(status == STATUS_OK || strchr(err->text, '\n') == NULL);
    recording_free(&recording);
    free(copy);
    return status;
}

Test(recording, every_cut_is_an_error)
{
    static uint8_t bytes[PLAIN_MAX];
    struct error err;
    size_t size = make_plain(bytes);
    cr_assert_eq(parse(bytes, size, &err), STATUS_OK);
    for (size_t cut = 0; cut < size; cut++)
        cr_assert_neq(parse(bytes, cut, &err), STATUS_OK, "%zu of %zu bytes", cut, size);
}

Test(recording, every_damaged_byte_is_an_error)
{
    static uint8_t bytes[PLAIN_MAX];
    struct error err;
    size_t size = make_plain(bytes);
    for (size_t at = 0; at < size; at++) {
        bytes[at] ^= 0x55;
        cr_assert_neq(parse(bytes, size, &err), STATUS_OK, "byte %zu", at);
        bytes[at] ^= 0x55;
    }
}

/* With a checksum that fits, so that the parser sees it all. */
Test(recording, random_damage_is_survived)
{
    static uint8_t bytes[PLAIN_MAX], bent[PLAIN_MAX];
    struct error err;
    size_t size = make_plain(bytes), accepted = 0;
    uint64_t seed = 7;
    for (unsigned n = 0; n < 100000; n++) {
        size_t length = size - random_number(&seed) % 3 * (random_number(&seed) % (size - 40));
        if (length > size || length < 32)
            length = size;
        memcpy(bent, bytes, size);
        for (uint64_t k = random_number(&seed) % 8 + 1; k > 0; k--)
            bent[18 + random_number(&seed) % (length - 18)] = (uint8_t)(random_number(&seed) >> 33);
        put_le64(bent + length - 8, hash_bytes(bent, length - 8, CHECKSUM_SEED));
        accepted += parse(bent, length, &err) == STATUS_OK;
    }
    cr_assert_gt(accepted, 1000, "the damage is found before the parser sees it");
}
