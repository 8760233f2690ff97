/* The trace reader: pulls bytes through zlib, checks every number against the tables of the header. */
#include "traces/reader.h"

#include "base/check.h"
#include "base/host_file.h"
#include "traces/words.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { HEADER_MAX = 16 << 20 };

struct trace_reader {
    gzFile file;
    char *path;
    uint64_t hz, ticks_per_cycle;
    tick_t start, now;
    unsigned step_count, exit_count;
    struct trace_step *steps;
    char **exits;
    char *description;
    char **names; /* of the guest's code, [0] is none's */
    uint32_t name_count;
    uint64_t packet; /* id of the last packet record */
    bool in_run;     /* of `run` more words as expected, then one that is not, or only in its value */
    bool only_value;
    uint32_t run;
    struct words words;
};

static enum status damaged(const struct trace_reader *reader, struct error *err, const char *what)
{
    return status_fail(err, STATUS_BAD_INPUT, "'%s' is not a readable trace: %s", reader->path, what);
}

static enum status get_varint(struct trace_reader *reader, uint64_t *value, struct error *err)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        int byte = gzgetc(reader->file);
        if (byte < 0)
            return damaged(reader, err, "it is truncated");
        *value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            return STATUS_OK;
    }
    return damaged(reader, err, "a number is too long");
}

static enum layer layer_by_name(const char *name)
{
    for (int i = 0; i < LAYER_COUNT; i++)
        if (strcmp(layer_name((enum layer)i), name) == 0)
            return (enum layer)i;
    return LAYER_COUNT;
}

static enum category category_by_name(const char *name)
{
    for (int i = 0; i < CATEGORY_COUNT; i++)
        if (strcmp(category_name((enum category)i), name) == 0)
            return (enum category)i;
    return CATEGORY_OTHER;
}

static enum status read_step(struct trace_reader *reader, json_t *json, struct trace_step *step,
                             struct error *err)
{
    const char *name, *description, *layer, *category, *unit, *source, *status;
    json_int_t milli_cycles;
    if (json_unpack(json, "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "name", &name, "description",
                    &description, "layer", &layer, "category", &category, "unit", &unit, "source", &source,
                    "status", &status, "milli_cycles", &milli_cycles) != 0)
        return damaged(reader, err, "a step of the header is incomplete");
    *step = (struct trace_step){xstrdup(name),
                                xstrdup(description),
                                xstrdup(unit),
                                xstrdup(source),
                                xstrdup(status),
                                layer_by_name(layer),
                                category_by_name(category),
                                (uint64_t)milli_cycles};
    return step->layer < LAYER_COUNT ? STATUS_OK : damaged(reader, err, "a step has an unknown layer");
}

static enum status read_header_json(struct trace_reader *reader, json_t *header, struct error *err)
{
    json_int_t hz, ticks_per_cycle, start;
    json_t *steps, *exits, *run;
    if (json_unpack(header, "{s:I, s:I, s:I, s:o, s:o, s:o}", "hz", &hz, "ticks_per_cycle", &ticks_per_cycle,
                    "start", &start, "steps", &steps, "exits", &exits, "run", &run) != 0 ||
        hz <= 0 || ticks_per_cycle <= 0 || start < 0)
        return damaged(reader, err, "its header lacks a field");
    reader->hz = (uint64_t)hz;
    reader->ticks_per_cycle = (uint64_t)ticks_per_cycle;
    reader->start = reader->now = (tick_t)start;
    reader->description = json_dumps(run, JSON_COMPACT);
    reader->steps = xcalloc(json_array_size(steps), sizeof *reader->steps);
    for (size_t i = 0; i < json_array_size(steps); i++) {
        reader->step_count = (unsigned)i + 1;
        TRY(read_step(reader, json_array_get(steps, i), &reader->steps[i], err));
    }
    reader->exits = xcalloc(json_array_size(exits), sizeof *reader->exits);
    for (size_t i = 0; i < json_array_size(exits); i++) {
        const char *name = json_string_value(json_array_get(exits, i));
        reader->exits[i] = xstrdup(name ? name : "?");
        reader->exit_count = (unsigned)i + 1;
    }
    return STATUS_OK;
}

static enum status read_header(struct trace_reader *reader, struct error *err)
{
    static const char magic[] = TRACE_MAGIC, guest_magic[] = TRACE_MAGIC_GUEST;
    _Static_assert(sizeof magic == sizeof guest_magic, "they differ in the number");
    enum { NUMBER = sizeof magic - 3, SIZE = sizeof magic - 1 }; /* of the digit; without the final 0 */
    char found[SIZE];
    if (gzread(reader->file, found, SIZE) != SIZE || memcmp(found, magic, NUMBER) != 0)
        return damaged(reader, err, "it does not start like one");
    if (memcmp(found, magic, SIZE) != 0 && memcmp(found, guest_magic, SIZE) != 0)
        return damaged(reader, err, "it is of another version of the format; run the guest again");
    uint64_t size;
    TRY(get_varint(reader, &size, err));
    if (size > HEADER_MAX)
        return damaged(reader, err, "its header is too large");
    char *text = xcalloc(size + 1, 1);
    bool whole = gzread(reader->file, text, (unsigned)size) == (int)size;
    json_t *header = whole ? json_loads(text, 0, NULL) : NULL;
    free(text);
    if (header == NULL)
        return damaged(reader, err, "its header is truncated or no JSON");
    enum status status = read_header_json(reader, header, err);
    json_decref(header);
    return status;
}

enum status trace_open(struct trace_reader **out, const char *path, struct error *err)
{
    struct trace_reader *reader = xcalloc(1, sizeof *reader);
    reader->path = xstrdup(path);
    words_init(&reader->words);
    reader->names = xcalloc(1, sizeof *reader->names);
    reader->names[reader->name_count++] = xstrdup("");
    int fd;
    uint64_t size;
    enum status status = host_file_open_plain(&fd, &size, path, err);
    if (status == STATUS_OK) {
        CHECK((reader->file = gzdopen(fd, "rb")) != NULL); /* fails without memory only */
        status = read_header(reader, err);
    }
    if (status != STATUS_OK) {
        trace_close(reader);
        reader = NULL;
    }
    *out = reader;
    return status;
}

void trace_close(struct trace_reader *reader)
{
    if (reader == NULL)
        return;
    if (reader->file != NULL)
        gzclose(reader->file);
    for (unsigned i = 0; i < reader->step_count; i++) {
        struct trace_step *step = &reader->steps[i];
        free(step->name);
        free(step->description);
        free(step->unit);
        free(step->source);
        free(step->status);
    }
    for (unsigned i = 0; i < reader->exit_count; i++)
        free(reader->exits[i]);
    for (uint32_t i = 0; i < reader->name_count; i++)
        free(reader->names[i]);
    free(reader->names);
    free(reader->steps);
    free(reader->exits);
    free(reader->description);
    free(reader->path);
    free(reader);
}

/* Behind the last record: only now has zlib compared its checksum, if that is there. */
static enum status check_end(const struct trace_reader *reader, struct error *err)
{
    int error;
    if (gzgetc(reader->file) >= 0)
        return damaged(reader, err, "something follows its end");
    gzerror(reader->file, &error);
    return error == Z_OK ? STATUS_OK : damaged(reader, err, "its checksum is not there");
}

static enum status get_word(struct trace_reader *reader, uint64_t *word, struct error *err)
{
    if (!reader->in_run) {
        uint64_t head;
        TRY(get_varint(reader, &head, err));
        if (head >> 1 > TRACE_RUN_MAX)
            return damaged(reader, err, "a run of words is too long");
        reader->run = (uint32_t)(head >> 1);
        reader->only_value = head & 1;
        reader->in_run = true;
    }
    *word = words_expected(&reader->words);
    if (reader->run > 0) {
        reader->run--;
        words_as_expected(&reader->words, *word);
        return STATUS_OK;
    }
    uint64_t kind = *word & ((1 << TRACE_VALUE_SHIFT) - 1);
    reader->in_run = false;
    TRY(get_varint(reader, word, err));
    if (reader->only_value)
        *word = *word << TRACE_VALUE_SHIFT | kind;
    words_unexpected(&reader->words, *word);
    return STATUS_OK;
}

static enum status check_index(const struct trace_reader *reader, unsigned index, unsigned limit,
                               struct error *err)
{
    return index < limit ? STATUS_OK : damaged(reader, err, "a record names something the header does not");
}

static uint64_t unzigzag(uint64_t word)
{
    return (word >> 1) ^ (0 - (word & 1));
}

static enum status get_packet(struct trace_reader *reader, struct trace_record *record, struct error *err)
{
    uint64_t id, when;
    TRY(get_word(reader, &id, err));
    TRY(get_word(reader, &when, err));
    reader->packet += unzigzag(id);
    record->packet = reader->packet;
    record->when = reader->now + unzigzag(when);
    return STATUS_OK;
}

static enum status get_visit(struct trace_reader *reader, uint64_t head, struct trace_record *record,
                             struct error *err)
{
    if (head & TRACE_LONG) {
        TRY(get_word(reader, &record->detail, err));
        return get_word(reader, &record->pc, err);
    }
    record->pc = (uint32_t)(head >> TRACE_VALUE_SHIFT);
    if (head >> TRACE_HIGH_SHIFT & 1)
        record->pc |= UINT64_C(0xFFFFFFFF) << 32;
    record->detail = head >> TRACE_DETAIL_SHIFT;
    return STATUS_OK;
}

/* One piece of a name; `more`: another one follows. */
static enum status get_piece(struct trace_reader *reader, uint64_t head, char *text, size_t *bytes,
                             bool *more, struct error *err)
{
    uint32_t count = head >> TRACE_VALUE_SHIFT & (TRACE_NAME_LIMIT - 1);
    *more = head >> TRACE_STACK_SHIFT != 0;
    if (count > TRACE_PIECE_BYTES || *bytes + count > TRACE_NAME_BYTES || (*more && count == 0))
        return damaged(reader, err, "a name is too long");
    for (uint32_t at = 0; at < count; at += 8) {
        uint64_t word;
        TRY(get_word(reader, &word, err));
        memcpy(text + *bytes + at, &word, count - at < 8 ? count - at : 8);
    }
    *bytes += count;
    return STATUS_OK;
}

static enum status get_name(struct trace_reader *reader, uint64_t head, struct error *err)
{
    enum { NAMES_MAX = 1 << 18, KIND = (1 << TRACE_VALUE_SHIFT) - 1 };
    char text[TRACE_NAME_BYTES + 1] = "";
    size_t bytes = 0;
    bool more;
    TRY(get_piece(reader, head, text, &bytes, &more, err));
    while (more) {
        uint64_t next;
        TRY(get_word(reader, &next, err));
        if (((head ^ next) & KIND & ~(uint64_t)TRACE_RESUMED) != 0)
            return damaged(reader, err, "a name breaks off");
        TRY(get_piece(reader, next, text, &bytes, &more, err));
    }
    if (reader->name_count == NAMES_MAX)
        return damaged(reader, err, "it has too many names");
    for (size_t i = 0; i < bytes; i++)
        if (text[i] < ' ' || text[i] > '~' || text[i] == ';' || text[i] == '"' || text[i] == '\\')
            text[i] = '?'; /* fit for every form of report */
    reader->names = xrealloc(reader->names, (reader->name_count + 1) * sizeof *reader->names);
    reader->names[reader->name_count++] = xstrdup(text);
    return STATUS_OK;
}

static enum status get_guest(struct trace_reader *reader, uint64_t head, unsigned mark,
                             struct trace_record *record, struct error *err)
{
    record->tag = TRACE_GUEST;
    TRY(check_index(reader, mark, GUEST_MARK_COUNT, err));
    record->guest = (enum guest_mark)mark;
    if (mark == GUEST_NAME) {
        record->name = reader->name_count;
        record->stack = 0;
        return get_name(reader, head, err);
    }
    record->name = head >> TRACE_VALUE_SHIFT & (TRACE_NAME_LIMIT - 1);
    record->stack = (uint32_t)(head >> TRACE_STACK_SHIFT);
    return check_index(reader, record->name, reader->name_count, err);
}

enum status trace_next(struct trace_reader *reader, struct trace_record *record, struct error *err)
{
    uint64_t head = 0, total = 0;
    TRY(get_word(reader, &head, err));
    unsigned index = head >> TRACE_INDEX_SHIFT & (TRACE_INDEX_LIMIT - 1);
    uint64_t value = head >> TRACE_VALUE_SHIFT;
    record->tag = (enum trace_tag)(head & TRACE_TAG_MASK);
    record->resumed = (head & TRACE_RESUMED) != 0;
    record->counted = (head & TRACE_COUNTED) != 0;
    record->begin = record->end = reader->now;
    switch (record->tag) {
    case TRACE_SPAN:
        record->step = index;
        if (value > TICK_NEVER - reader->now)
            return damaged(reader, err, "its time is too long");
        reader->now += value;
        record->end = reader->now;
        return check_index(reader, index, reader->step_count, err);
    case TRACE_VISIT:
        record->exit = index;
        TRY(check_index(reader, index, reader->exit_count, err));
        return get_visit(reader, head, record, err);
    case TRACE_PACKET:
        if (head & TRACE_OF_GUEST)
            return get_guest(reader, head, index, record, err);
        record->mark = (enum packet_mark)index;
        record->size = (uint32_t)value;
        TRY(check_index(reader, index, PACKET_MARK_COUNT, err));
        return get_packet(reader, record, err);
    case TRACE_END:
        TRY(get_word(reader, &total, err));
        if (total != reader->now)
            return damaged(reader, err, "its spans do not add up to its length");
        return check_end(reader, err);
    case TRACE_GUEST: break; /* two bits hold none */
    }
    return damaged(reader, err, "it has an unknown kind of record");
}

uint64_t trace_hz(const struct trace_reader *reader)
{
    return reader->hz;
}

uint64_t trace_ticks_per_cycle(const struct trace_reader *reader)
{
    return reader->ticks_per_cycle;
}

tick_t trace_start(const struct trace_reader *reader)
{
    return reader->start;
}

unsigned trace_step_count(const struct trace_reader *reader)
{
    return reader->step_count;
}

const struct trace_step *trace_step(const struct trace_reader *reader, unsigned step)
{
    return &reader->steps[step];
}

unsigned trace_exit_count(const struct trace_reader *reader)
{
    return reader->exit_count;
}

const char *trace_exit_name(const struct trace_reader *reader, unsigned exit)
{
    return reader->exits[exit];
}

const char *trace_name(const struct trace_reader *reader, uint32_t name)
{
    return reader->names[name];
}

uint32_t trace_name_count(const struct trace_reader *reader)
{
    return reader->name_count;
}

const char *trace_description(const struct trace_reader *reader)
{
    return reader->description;
}
