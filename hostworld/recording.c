/* The recording's bytes (recording.h; docs/replay.md has the format field by field). All numbers are unsigned
 * LEB128, those that only grow as differences per host. The checksum at the end is over everything before it,
 * so that an unpacked file is as safe as a packed one. */
#include "hostworld/recording.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/host_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum {
    FILE_MAX = 256 << 20, /* unpacked */
    CHECKSUM_SEED = 0x5245,
    KIND_BITS = 3,
    HOST_BITS = 1,
};

/* ---- Reading ---- */

struct parser {
    const uint8_t *at, *end;
    const char *name;
    bool short_of; /* a number went past the end */
    bool too_long; /* or past 64 bits */
};

static enum status damaged(const char *name, const char *what, struct error *err)
{
    return status_fail(err, STATUS_BAD_INPUT, "'%s' is not a readable recording: %s", name, what);
}

static uint64_t get_number(struct parser *parser)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (parser->at == parser->end) {
            parser->short_of = true;
            return 0;
        }
        uint8_t byte = *parser->at++;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            return value;
    }
    parser->too_long = true;
    return 0;
}

static enum status parse_header(struct recording *recording, struct parser *parser, struct error *err)
{
    uint64_t length = get_number(parser);
    if (parser->short_of || length > (uint64_t)(parser->end - parser->at))
        return damaged(parser->name, "it is truncated", err);
    recording->header = xcalloc((size_t)length + 1, 1);
    memcpy(recording->header, parser->at, (size_t)length);
    parser->at += length;
    recording->tick_hz = get_number(parser);
    uint64_t hosts = get_number(parser);
    if (recording->tick_hz == 0 || hosts < 1 || hosts > RECORDING_HOSTS)
        return damaged(parser->name, parser->short_of ? "it is truncated" : "its header is damaged", err);
    recording->hosts = (unsigned)hosts;
    return STATUS_OK;
}

static enum status parse_end(struct recording *recording, struct parser *parser, struct error *err)
{
    for (unsigned i = 0; i < recording->hosts; i++)
        recording->end[i] = (struct recording_end){.stop = (unsigned)get_number(parser),
                                                   .cycles = get_number(parser),
                                                   .instructions = get_number(parser),
                                                   .state_hash = get_number(parser)};
    return parser->short_of || parser->too_long ? damaged(parser->name, "it is truncated", err) : STATUS_OK;
}

static void parse_frame(struct parser *parser, struct input *input)
{
    uint64_t size = get_number(parser);
    if (size > RECORDING_FRAME_MAX || size > (uint64_t)(parser->end - parser->at)) {
        parser->short_of = true;
        return;
    }
    input->size = (uint32_t)size;
    input->frame = xcalloc(input->size + 1u, 1);
    memcpy(input->frame, parser->at, input->size);
    parser->at += size;
}

/* The rest of an input whose head has been read. `before`: of the same host. */
static void parse_input(struct parser *parser, const struct input *before, struct input *input)
{
    input->byte = (uint8_t)get_number(parser);
    input->when = before->when + get_number(parser);
    if (input->kind == INPUT_PACE)
        return;
    input->instructions = before->instructions + get_number(parser);
    if (input->kind == INPUT_FRAME) {
        parse_frame(parser, input);
        return;
    }
    input->lines = get_number(parser);
    input->column = get_number(parser);
    input->since = get_number(parser);
}

static enum status parse_inputs(struct recording *recording, struct parser *parser, struct error *err)
{
    struct input before[RECORDING_HOSTS] = {0};
    size_t capacity = 0;
    for (;;) {
        uint64_t head = get_number(parser);
        struct input input = {.kind = (uint8_t)(head & ((1 << KIND_BITS) - 1)),
                              .host = (uint8_t)(head >> KIND_BITS & ((1 << HOST_BITS) - 1))};
        uint64_t port = head >> (KIND_BITS + HOST_BITS);
        if (parser->short_of)
            return damaged(parser->name, "it is truncated (of a run that was killed?)", err);
        if (input.kind == INPUT_END)
            return parse_end(recording, parser, err);
        if (input.kind > INPUT_FRAME || input.host >= recording->hosts || port >= RECORDING_PORTS)
            return damaged(parser->name, "an input is of a port that no PC has", err);
        input.port = (uint8_t)port;
        struct input *previous = &before[input.host];
        parse_input(parser, previous, &input);
        if (parser->short_of || parser->too_long || input.when < previous->when) {
            free(input.frame);
            return damaged(parser->name, parser->short_of ? "it is truncated" : "a number is too long", err);
        }
        uint64_t instructions = input.kind == INPUT_PACE ? previous->instructions : input.instructions;
        *previous = input;
        previous->instructions = instructions;
        if (recording->count == capacity) {
            capacity = capacity ? 2 * capacity : 64;
            recording->input = xrealloc(recording->input, capacity * sizeof input);
        }
        recording->input[recording->count++] = input;
    }
}

enum status recording_parse(struct recording *recording, const uint8_t *bytes, size_t size, const char *name,
                            struct error *err)
{
    const size_t magic = sizeof RECORDING_MAGIC - 1, version = magic - 2;
    struct parser parser = {.at = bytes + magic, .end = bytes + size, .name = name};
    *recording = (struct recording){0};
    if (size == 0)
        return damaged(name, "it is empty", err);
    if (size < magic || memcmp(bytes, RECORDING_MAGIC, version) != 0)
        return damaged(name, "it is something else", err);
    if (memcmp(bytes, RECORDING_MAGIC, magic) != 0)
        return damaged(name, "it is of another version of crosspage", err);
    if (size < magic + sizeof(uint64_t))
        return damaged(name, "it is truncated", err);
    parser.end -= sizeof(uint64_t);
    enum status status = parse_header(recording, &parser, err);
    if (status == STATUS_OK)
        status = parse_inputs(recording, &parser, err);
    if (status == STATUS_OK && parser.at != parser.end)
        status = damaged(name, "something follows its end", err);
    if (status == STATUS_OK &&
        get_le64(parser.end) != hash_bytes(bytes, size - sizeof(uint64_t), CHECKSUM_SEED))
        status = damaged(name, "its checksum is wrong", err);
    if (status != STATUS_OK)
        recording_free(recording);
    return status;
}

/* All of a gzip stream, or of a plain file. */
static enum status unpack(gzFile file, const char *path, uint8_t **bytes, size_t *size, struct error *err)
{
    size_t capacity = 1 << 16;
    *bytes = xcalloc(capacity, 1);
    *size = 0;
    for (;;) {
        int got = gzread(file, *bytes + *size, (unsigned)(capacity - *size));
        if (got < 0)
            return damaged(path, "it is damaged or truncated", err);
        *size += (size_t)got;
        if (got == 0)
            return STATUS_OK;
        if (*size == capacity && capacity == FILE_MAX)
            return damaged(path, "it is too large", err);
        if (*size == capacity)
            *bytes = xrealloc(*bytes, capacity *= 2);
    }
}

enum status recording_load(struct recording *recording, const char *path, struct error *err)
{
    int fd;
    uint64_t packed;
    uint8_t *bytes = NULL;
    size_t size = 0;
    *recording = (struct recording){0};
    TRY(host_file_open_plain(&fd, &packed, path, err));
    gzFile file = packed <= FILE_MAX ? gzdopen(fd, "rb") : NULL;
    if (file == NULL) {
        close(fd);
        return damaged(path, "it is too large", err);
    }
    enum status status = unpack(file, path, &bytes, &size, err);
    if (gzclose(file) != Z_OK && status == STATUS_OK)
        status = damaged(path, "it is truncated", err);
    if (status == STATUS_OK)
        status = recording_parse(recording, bytes, size, path, err);
    free(bytes);
    return status;
}

void recording_free(struct recording *recording)
{
    for (size_t i = 0; i < recording->count; i++)
        free(recording->input[i].frame);
    free(recording->header);
    free(recording->input);
    *recording = (struct recording){0};
}

/* ---- Writing ---- */

struct recording_writer {
    gzFile file;
    char *path;
    bool failed;
    unsigned hosts;
    uint8_t *bytes; /* all so far, for the checksum */
    size_t size, capacity, written;
    struct input before[RECORDING_HOSTS];
};

static void put_bytes(struct recording_writer *writer, const void *bytes, size_t size)
{
    while (writer->size + size > writer->capacity) {
        writer->capacity = writer->capacity ? 2 * writer->capacity : 4096;
        writer->bytes = xrealloc(writer->bytes, writer->capacity);
    }
    memcpy(writer->bytes + writer->size, bytes, size);
    writer->size += size;
}

static void put_number(struct recording_writer *writer, uint64_t value)
{
    uint8_t bytes[10];
    unsigned count = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[count++] = (uint8_t)(value | 0x80);
    bytes[count++] = (uint8_t)value;
    put_bytes(writer, bytes, count);
}

void recording_flush(struct recording_writer *writer)
{
    unsigned size = (unsigned)(writer->size - writer->written);
    if (size == 0)
        return;
    if (gzwrite(writer->file, writer->bytes + writer->written, size) <= 0 ||
        gzflush(writer->file, Z_SYNC_FLUSH) != Z_OK)
        writer->failed = true;
    writer->written = writer->size;
}

enum status recording_create(struct recording_writer **out, const char *path, struct error *err)
{
    gzFile file = gzopen(path, "wb");
    *out = NULL;
    if (file == NULL)
        return status_fail(err, STATUS_NO_FILE, "cannot write recording '%s': %s", path, strerror(errno));
    struct recording_writer *writer = *out = xcalloc(1, sizeof *writer);
    writer->file = file;
    writer->path = xstrdup(path);
    return STATUS_OK;
}

void recording_begin(struct recording_writer *writer, const char *header, uint64_t tick_hz, unsigned hosts)
{
    put_bytes(writer, RECORDING_MAGIC, sizeof RECORDING_MAGIC - 1);
    put_number(writer, strlen(header));
    put_bytes(writer, header, strlen(header));
    put_number(writer, tick_hz);
    put_number(writer, writer->hosts = hosts);
    recording_flush(writer);
}

void recording_add(struct recording_writer *writer, const struct input *input)
{
    struct input *before = &writer->before[input->host];
    CHECK(input->host < writer->hosts && input->port < RECORDING_PORTS && input->when >= before->when);
    put_number(writer, (uint64_t)input->kind | (uint64_t)input->host << KIND_BITS |
                           (uint64_t)input->port << (KIND_BITS + HOST_BITS));
    put_number(writer, input->byte);
    put_number(writer, input->when - before->when);
    before->when = input->when;
    if (input->kind != INPUT_PACE) {
        put_number(writer, input->instructions - before->instructions);
        before->instructions = input->instructions;
    }
    if (input->kind == INPUT_FRAME) {
        put_number(writer, input->size);
        put_bytes(writer, input->frame, input->size);
    } else if (input->kind != INPUT_PACE) {
        put_number(writer, input->lines);
        put_number(writer, input->column);
        put_number(writer, input->since);
    }
}

void recording_finish(struct recording_writer *writer, const struct recording_end end[RECORDING_HOSTS])
{
    uint8_t checksum[8];
    put_number(writer, INPUT_END);
    for (unsigned i = 0; i < writer->hosts; i++) {
        put_number(writer, end[i].stop);
        put_number(writer, end[i].cycles);
        put_number(writer, end[i].instructions);
        put_number(writer, end[i].state_hash);
    }
    put_le64(checksum, hash_bytes(writer->bytes, writer->size, CHECKSUM_SEED));
    put_bytes(writer, checksum, sizeof checksum);
    recording_flush(writer);
}

enum status recording_close(struct recording_writer *writer, struct error *err)
{
    if (writer == NULL)
        return STATUS_OK;
    bool bad = gzclose(writer->file) != Z_OK || writer->failed;
    enum status status =
        bad ? status_fail(err, STATUS_NO_FILE, "writing recording '%s' failed (disk full?)", writer->path)
            : STATUS_OK;
    free(writer->path);
    free(writer->bytes);
    free(writer);
    return status;
}
