/* The recorder (recorder.h). Sums are kept always; the trace is written through one buffer into gzip.
 *
 * Invariants: (1) sum of all step totals == now; (2) everything in the open span has been added to the totals
 * already; only its trace record is pending; (3) whether a trace is open changes nothing but the file. */
#include "traces/recorder.h"

#include "base/check.h"
#include "traces/words.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { BUFFER_SIZE = 64 * 1024, VARINT_MAX = 10 };

static const tick_t SPAN_TICKS_MAX = (UINT64_C(1) << (64 - TRACE_VALUE_SHIFT)) - 1;

struct recorder {
    struct recorder_config config;
    struct step_info *steps;
    struct step_total *totals;
    struct step_total *exits;
    tick_t layer_ticks[LAYER_COUNT];
    tick_t now;
    bool visiting;
    unsigned visit_exit;
    tick_t visit_begin;
    /* The trace. */
    gzFile file;        /* NULL: none */
    unsigned span_step; /* open span, not yet in the trace */
    tick_t span_ticks;
    uint64_t span_flags;  /* TRACE_COUNTED */
    uint64_t resumed;     /* TRACE_RESUMED: to be told by the next record */
    uint64_t last_packet; /* id */
    uint32_t run;         /* words as expected since the last one that was not */
    bool failed;
    size_t used;
    uint8_t buffer[BUFFER_SIZE];
    struct words words;
};

static const struct step_info built_in[RECORDER_FIRST_COST] = {
    [STEP_GUEST_USER] = {"guest.user", "guest instructions at CPL 3", LAYER_GUEST_USER, CATEGORY_GUEST, "",
                         "", "", 0},
    [STEP_GUEST_KERNEL] = {"guest.kernel", "guest instructions at CPL 0 to 2", LAYER_GUEST_KERNEL,
                           CATEGORY_GUEST, "", "", "", 0},
    [STEP_IDLE] = {"idle", "halted until the next event", LAYER_IDLE, CATEGORY_HOST_IDLE, "", "", "", 0},
};

const char *layer_name(enum layer layer)
{
    static const char *const names[] = {
#define LAYER(id, name, description) name,
#include "traces/layer.def"
#undef LAYER
    };
    return layer < LAYER_COUNT ? names[layer] : "?";
}

const char *category_name(enum category category)
{
    static const char *const names[] = {
#define CATEGORY(id, table, name) name,
#include "traces/category.def"
#undef CATEGORY
    };
    return category < CATEGORY_COUNT ? names[category] : "?";
}

struct recorder *recorder_create(const struct recorder_config *config)
{
    CHECK(config->step_count >= RECORDER_FIRST_COST && config->hz > 0 && config->ticks_per_cycle > 0);
    struct recorder *recorder = xcalloc(1, sizeof *recorder);
    recorder->config = *config;
    recorder->steps = xcalloc(config->step_count, sizeof *recorder->steps);
    memcpy(recorder->steps, config->steps, config->step_count * sizeof *recorder->steps);
    memcpy(recorder->steps, built_in, sizeof built_in);
    recorder->totals = xcalloc(config->step_count, sizeof *recorder->totals);
    recorder->exits = xcalloc(config->exit_count, sizeof *recorder->exits);
    return recorder;
}

void recorder_destroy(struct recorder *recorder)
{
    if (recorder == NULL)
        return;
    if (recorder->file != NULL)
        gzclose(recorder->file);
    free(recorder->steps);
    free(recorder->totals);
    free(recorder->exits);
    free(recorder);
}

/* ---- Writing ---- */

static void buffer_flush(struct recorder *recorder)
{
    if (recorder->used && gzwrite(recorder->file, recorder->buffer, (unsigned)recorder->used) <= 0)
        recorder->failed = true;
    recorder->used = 0;
}

static void put_varint(struct recorder *recorder, uint64_t value)
{
    while (value >= 0x80) {
        recorder->buffer[recorder->used++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    recorder->buffer[recorder->used++] = (uint8_t)value;
}

static __attribute__((noinline)) void put_unexpected(struct recorder *recorder, uint64_t word)
{
    if (recorder->used + 2 * VARINT_MAX > BUFFER_SIZE)
        buffer_flush(recorder);
    put_varint(recorder, recorder->run);
    put_varint(recorder, word);
    words_unexpected(&recorder->words, word);
    recorder->run = 0;
}

static inline void put_word(struct recorder *recorder, uint64_t word)
{
    if (word == words_expected(&recorder->words) && recorder->run < TRACE_RUN_MAX) {
        words_as_expected(&recorder->words, word);
        recorder->run++;
    } else {
        put_unexpected(recorder, word);
    }
}

static uint64_t zigzag(int64_t value)
{
    return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}

static inline void put_head(struct recorder *recorder, enum trace_tag tag, uint64_t flags, unsigned index,
                            uint64_t value)
{
    put_word(recorder, (uint64_t)tag | flags | recorder->resumed | (uint64_t)index << TRACE_INDEX_SHIFT |
                           value << TRACE_VALUE_SHIFT);
    recorder->resumed = 0;
}

static inline void span_flush(struct recorder *recorder)
{
    while (recorder->span_ticks > SPAN_TICKS_MAX) {
        put_head(recorder, TRACE_SPAN, recorder->span_flags, recorder->span_step, SPAN_TICKS_MAX);
        recorder->span_ticks -= SPAN_TICKS_MAX;
        recorder->span_flags = 0;
    }
    if (recorder->span_ticks != 0 || recorder->span_flags != 0)
        put_head(recorder, TRACE_SPAN, recorder->span_flags, recorder->span_step, recorder->span_ticks);
    recorder->span_ticks = 0;
    recorder->span_flags = 0;
}

static json_t *header_json(const struct recorder *recorder)
{
    json_t *steps = json_array();
    for (unsigned i = 0; i < recorder->config.step_count; i++) {
        const struct step_info *step = &recorder->steps[i];
        json_array_append_new(
            steps, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "name", step->name, "description",
                             step->description, "layer", layer_name(step->layer), "category",
                             category_name(step->category), "unit", step->unit, "source", step->source,
                             "status", step->status, "milli_cycles", (json_int_t)step->value));
    }
    json_t *exits = json_array();
    for (unsigned i = 0; i < recorder->config.exit_count; i++)
        json_array_append_new(exits, json_string(recorder->config.exit_names[i]));
    json_t *run = recorder->config.description ? json_loads(recorder->config.description, 0, NULL) : NULL;
    return json_pack("{s:I, s:I, s:I, s:o, s:o, s:o}", "hz", (json_int_t)recorder->config.hz,
                     "ticks_per_cycle", (json_int_t)recorder->config.ticks_per_cycle, "start",
                     (json_int_t)recorder->now, "steps", steps, "exits", exits, "run",
                     run ? run : json_object());
}

enum status recorder_open(struct recorder *recorder, const char *path, struct error *err)
{
    CHECK(recorder->file == NULL && recorder->config.step_count <= TRACE_INDEX_LIMIT &&
          recorder->config.exit_count <= TRACE_INDEX_LIMIT);
    recorder->file = gzopen(path, "wb1");
    if (recorder->file == NULL)
        return status_fail(err, STATUS_NO_FILE, "cannot write trace '%s': %s", path, strerror(errno));
    recorder->failed = false;
    recorder->span_step = STEP_GUEST_USER;
    recorder->span_ticks = recorder->span_flags = recorder->resumed = recorder->last_packet = 0;
    recorder->run = 0;
    memset(&recorder->words, 0, sizeof recorder->words);
    json_t *header = header_json(recorder);
    char *text = json_dumps(header, JSON_COMPACT);
    json_decref(header);
    CHECK(text != NULL);
    gzwrite(recorder->file, TRACE_MAGIC, sizeof TRACE_MAGIC - 1);
    put_varint(recorder, strlen(text));
    buffer_flush(recorder);
    if (gzwrite(recorder->file, text, (unsigned)strlen(text)) <= 0)
        recorder->failed = true;
    free(text);
    return STATUS_OK;
}

enum status recorder_close(struct recorder *recorder, struct error *err)
{
    if (recorder->file == NULL)
        return STATUS_OK;
    span_flush(recorder);
    put_head(recorder, TRACE_END, 0, 0, 0);
    put_unexpected(recorder, recorder->now);
    buffer_flush(recorder);
    bool bad = gzclose(recorder->file) != Z_OK || recorder->failed;
    recorder->file = NULL;
    return bad ? status_fail(err, STATUS_NO_FILE, "writing the trace failed (disk full?)") : STATUS_OK;
}

/* ---- The time line ---- */

void recorder_advance(struct recorder *recorder, unsigned step, tick_t ticks)
{
    DCHECK(step < recorder->config.step_count);
    recorder->now += ticks;
    recorder->totals[step].ticks += ticks;
    recorder->layer_ticks[recorder->steps[step].layer] += ticks;
    if (recorder->file == NULL)
        return;
    if (step != recorder->span_step) {
        span_flush(recorder);
        recorder->span_step = step;
    }
    recorder->span_ticks += ticks;
}

void recorder_count(struct recorder *recorder, unsigned step)
{
    recorder->totals[step].count++;
    if (recorder->file == NULL)
        return;
    span_flush(recorder);
    recorder->span_step = step;
    recorder->span_flags = TRACE_COUNTED;
}

tick_t recorder_now(const struct recorder *recorder)
{
    return recorder->now;
}

void recorder_resume(struct recorder *recorder)
{
    if (!recorder->visiting)
        return;
    recorder->visiting = false;
    recorder->exits[recorder->visit_exit].ticks += recorder->now - recorder->visit_begin;
    if (recorder->file == NULL)
        return;
    span_flush(recorder);
    recorder->resumed = TRACE_RESUMED;
}

void recorder_visit(struct recorder *recorder, unsigned exit, uint64_t detail, uint64_t pc)
{
    CHECK(exit < recorder->config.exit_count);
    recorder_resume(recorder);
    recorder->visiting = true;
    recorder->visit_exit = exit;
    recorder->visit_begin = recorder->now;
    recorder->exits[exit].count++;
    if (recorder->file == NULL)
        return;
    span_flush(recorder);
    put_head(recorder, TRACE_VISIT, 0, exit, 0);
    put_word(recorder, detail);
    put_word(recorder, pc);
}

void recorder_packet(struct recorder *recorder, uint64_t id, enum packet_mark mark, tick_t when,
                     uint32_t size)
{
    if (recorder->file == NULL || id == 0)
        return;
    span_flush(recorder);
    put_head(recorder, TRACE_PACKET, 0, mark, size);
    put_word(recorder, zigzag((int64_t)(id - recorder->last_packet)));
    put_word(recorder, zigzag((int64_t)(when - recorder->now)));
    recorder->last_packet = id;
}

/* ---- Sums ---- */

struct step_total recorder_total(const struct recorder *recorder, unsigned step)
{
    return recorder->totals[step];
}

const struct step_info *recorder_step(const struct recorder *recorder, unsigned step)
{
    return &recorder->steps[step];
}

unsigned recorder_step_count(const struct recorder *recorder)
{
    return recorder->config.step_count;
}

tick_t recorder_layer_total(const struct recorder *recorder, enum layer layer)
{
    return recorder->layer_ticks[layer];
}

struct step_total recorder_exit_total(const struct recorder *recorder, unsigned exit)
{
    return recorder->exits[exit];
}
