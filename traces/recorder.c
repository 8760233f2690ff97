/* The recorder (recorder.h): sums are kept always, words go to the trace (word_writer.h) if there is one.
 *
 * Invariants: (1) sum of all step totals == now; (2) everything in the open span has been added to the totals
 * already; only its trace record is pending; (3) whether a trace is open changes nothing but the file. */
#include "traces/recorder.h"

#include "base/check.h"
#include "traces/word_writer.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const tick_t SPAN_TICKS_MAX = (UINT64_C(1) << (64 - TRACE_VALUE_SHIFT)) - 1;

struct recorder {
    struct recorder_config config;
    struct step_info *steps;
    struct step_total *totals;
    struct step_total *exits;
    tick_t now;
    bool visiting;
    unsigned visit_exit;
    tick_t visit_begin;
    /* The trace. */
    struct word_gate gate;
    uint64_t span; /* the open span's word without ticks; 0: none is open */
    tick_t span_ticks;
    uint64_t resumed;     /* TRACE_RESUMED: the guest goes on after it */
    uint64_t last_packet; /* id */
    uint32_t names;       /* given so far */
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
    struct error ignored; /* whoever wants to know closes before */
    enum status status = recorder_close(recorder, &ignored);
    (void)status;
    free(recorder->steps);
    free(recorder->totals);
    free(recorder->exits);
    free(recorder);
}

/* ---- Writing ---- */

static uint64_t zigzag(int64_t value)
{
    return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}

static inline bool traced(const struct recorder *recorder)
{
    return recorder->gate.next != NULL;
}

static inline uint64_t head_word(enum trace_tag tag, uint64_t flags, unsigned index)
{
    return (uint64_t)tag | flags | (uint64_t)index << TRACE_INDEX_SHIFT;
}

/* A record: the open span is another one, before it. To be ended by word_writer_end(). */
static inline uint64_t *record_begin(struct recorder *recorder)
{
    uint64_t *out = recorder->gate.next;
    if (recorder->span != 0) {
        *out++ = recorder->span | recorder->span_ticks << TRACE_VALUE_SHIFT;
        recorder->span = recorder->span_ticks = 0;
    }
    return out;
}

/* Its first word. The guest's return has been told then. */
static inline uint64_t *put_head(struct recorder *recorder, uint64_t *out, enum trace_tag tag, uint64_t flags,
                                 unsigned index, uint64_t value)
{
    *out = head_word(tag, flags | recorder->resumed, index) | value << TRACE_VALUE_SHIFT;
    recorder->resumed = 0;
    return out + 1;
}

/* At most SPAN_TICKS_MAX. */
static inline void span_begin(struct recorder *recorder, unsigned step, tick_t ticks, uint64_t counted)
{
    uint64_t *out = record_begin(recorder);
    recorder->span = head_word(TRACE_SPAN, counted | recorder->resumed, step);
    recorder->span_ticks = ticks;
    recorder->resumed = 0;
    word_writer_end(&recorder->gate, out);
}

/* The same step, nothing in between, and room in its word. */
static inline bool span_goes_on(const struct recorder *recorder, unsigned step, tick_t ticks)
{
    return (recorder->span | TRACE_COUNTED | TRACE_RESUMED) ==
               head_word(TRACE_SPAN, TRACE_COUNTED | TRACE_RESUMED, step) &&
           !recorder->resumed && recorder->span_ticks + ticks <= SPAN_TICKS_MAX;
}

static inline void trace_advance(struct recorder *recorder, unsigned step, tick_t ticks)
{
    if (span_goes_on(recorder, step, ticks))
        recorder->span_ticks += ticks;
    else
        span_begin(recorder, step, ticks, 0);
}

static __attribute__((noinline)) void trace_advance_far(struct recorder *recorder, unsigned step,
                                                        tick_t ticks)
{
    for (; ticks > SPAN_TICKS_MAX; ticks -= SPAN_TICKS_MAX)
        trace_advance(recorder, step, SPAN_TICKS_MAX);
    trace_advance(recorder, step, ticks);
}

/* A charge that may be cut in pieces, or whose span is long. */
static __attribute__((noinline)) void trace_charge_open(struct recorder *recorder, unsigned step,
                                                        tick_t ticks)
{
    span_begin(recorder, step, 0, TRACE_COUNTED);
    if (ticks != 0)
        trace_advance_far(recorder, step, ticks);
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
    CHECK(!traced(recorder) && recorder->config.step_count <= TRACE_INDEX_LIMIT &&
          recorder->config.exit_count <= TRACE_INDEX_LIMIT);
    json_t *json = header_json(recorder);
    char *header = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    CHECK(header != NULL);
    recorder->span = recorder->span_ticks = recorder->resumed = recorder->last_packet = 0;
    enum status status = word_writer_create(
        &recorder->gate, path, recorder->config.guest_code ? TRACE_MAGIC_GUEST : TRACE_MAGIC, header, err);
    free(header);
    return status;
}

enum status recorder_close(struct recorder *recorder, struct error *err)
{
    if (!traced(recorder))
        return STATUS_OK;
    uint64_t *out = put_head(recorder, record_begin(recorder), TRACE_END, 0, 0, 0);
    *out++ = recorder->now;
    word_writer_end(&recorder->gate, out);
    return word_writer_close(&recorder->gate, err);
}

/* ---- The time line ---- */

void recorder_advance(struct recorder *recorder, unsigned step, tick_t ticks)
{
    DCHECK(step < recorder->config.step_count);
    recorder->now += ticks;
    recorder->totals[step].ticks += ticks;
    if (!traced(recorder) || ticks == 0)
        return;
    if (UNLIKELY(ticks > SPAN_TICKS_MAX))
        trace_advance_far(recorder, step, ticks);
    else
        trace_advance(recorder, step, ticks);
}

void recorder_charge(struct recorder *recorder, unsigned step, tick_t ticks)
{
    DCHECK(step < recorder->config.step_count);
    recorder->now += ticks;
    recorder->totals[step].ticks += ticks;
    recorder->totals[step].count++;
    if (!traced(recorder))
        return;
    if (UNLIKELY(ticks - 1 >= SPAN_TICKS_MAX)) {
        trace_charge_open(recorder, step, ticks);
        return;
    }
    uint64_t *out = put_head(recorder, record_begin(recorder), TRACE_SPAN, TRACE_COUNTED, step, ticks);
    word_writer_end(&recorder->gate, out);
}

void recorder_resume(struct recorder *recorder)
{
    if (!recorder->visiting)
        return;
    recorder->visiting = false;
    recorder->exits[recorder->visit_exit].ticks += recorder->now - recorder->visit_begin;
    recorder->resumed = TRACE_RESUMED;
}

static inline uint64_t *put_visit(struct recorder *recorder, uint64_t *out, unsigned exit, uint64_t detail,
                                  uint64_t pc)
{
    uint64_t high = pc >> 32;
    if ((high == 0 || high == UINT32_MAX) && detail < UINT64_C(1) << (64 - TRACE_DETAIL_SHIFT)) {
        uint64_t value = (uint32_t)pc | (high & 1) << (TRACE_HIGH_SHIFT - TRACE_VALUE_SHIFT) |
                         detail << (TRACE_DETAIL_SHIFT - TRACE_VALUE_SHIFT);
        return put_head(recorder, out, TRACE_VISIT, 0, exit, value);
    }
    out = put_head(recorder, out, TRACE_VISIT, TRACE_LONG, exit, 0);
    *out++ = detail;
    *out++ = pc;
    return out;
}

void recorder_visit(struct recorder *recorder, unsigned exit, uint64_t detail, uint64_t pc)
{
    CHECK(exit < recorder->config.exit_count);
    recorder_resume(recorder);
    recorder->visiting = true;
    recorder->visit_exit = exit;
    recorder->visit_begin = recorder->now;
    recorder->exits[exit].count++;
    if (traced(recorder))
        word_writer_end(&recorder->gate, put_visit(recorder, record_begin(recorder), exit, detail, pc));
}

void recorder_packet(struct recorder *recorder, uint64_t id, enum packet_mark mark, tick_t when,
                     uint32_t size)
{
    if (!traced(recorder) || id == 0)
        return;
    uint64_t *out = put_head(recorder, record_begin(recorder), TRACE_PACKET, 0, mark, size);
    *out++ = zigzag((int64_t)(id - recorder->last_packet));
    *out++ = zigzag((int64_t)(when - recorder->now));
    word_writer_end(&recorder->gate, out);
    recorder->last_packet = id;
}

/* ---- The guest's code ---- */

static void put_guest(struct recorder *recorder, enum guest_mark mark, uint32_t name, uint32_t stack,
                      const char *text, size_t bytes)
{
    uint64_t value = name | (uint64_t)stack << (TRACE_STACK_SHIFT - TRACE_VALUE_SHIFT);
    uint64_t *out =
        put_head(recorder, record_begin(recorder), TRACE_PACKET, TRACE_OF_GUEST, (unsigned)mark, value);
    for (size_t at = 0; at < bytes; at += sizeof *out) {
        *out = 0;
        memcpy(out++, text + at, bytes - at < sizeof *out ? bytes - at : sizeof *out);
    }
    word_writer_end(&recorder->gate, out);
}

uint32_t recorder_name(struct recorder *recorder, const char *name)
{
    size_t bytes = strnlen(name, TRACE_NAME_BYTES), at = 0;
    if (recorder->names + 1 >= TRACE_NAME_LIMIT)
        return 0;
    while (traced(recorder)) {
        size_t piece = bytes - at < TRACE_PIECE_BYTES ? bytes - at : TRACE_PIECE_BYTES;
        put_guest(recorder, GUEST_NAME, (uint32_t)piece, at + piece < bytes, name + at, piece);
        at += piece;
        if (at == bytes)
            break;
    }
    return ++recorder->names;
}

void recorder_guest(struct recorder *recorder, enum guest_mark mark, uint32_t name, uint32_t stack)
{
    DCHECK(recorder->config.guest_code && name < TRACE_NAME_LIMIT && stack < TRACE_NAME_LIMIT);
    if (traced(recorder))
        put_guest(recorder, mark, name, stack, NULL, 0);
}

tick_t recorder_now(const struct recorder *recorder)
{
    return recorder->now;
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
    tick_t sum = 0;
    for (unsigned i = 0; i < recorder->config.step_count; i++)
        if (recorder->steps[i].layer == layer)
            sum += recorder->totals[i].ticks;
    return sum;
}

struct step_total recorder_exit_total(const struct recorder *recorder, unsigned exit)
{
    return recorder->exits[exit];
}
