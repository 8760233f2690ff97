/* What the recorder writes is what the reader reads, sums hold, and damaged traces are errors. */
#include "traces/reader.h"
#include "traces/recorder.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct recorder *make_recorder(void)
{
    static const struct step_info steps[] = {
        [RECORDER_FIRST_COST] = {"switch", "world switch", LAYER_SWITCH, CATEGORY_SWITCH, "cycles", "paper",
                                 "published", 3262000},
        [RECORDER_FIRST_COST + 1] = {"vmnet", "driver", LAYER_VMNET, CATEGORY_VMNET_TX, "cycles", "paper",
                                     "published", 1},
    };
    static const char *const exits[] = {"IO", "HLT"};
    struct recorder_config config = {.steps = steps,
                                     .step_count = 5,
                                     .exit_count = 2,
                                     .exit_names = exits,
                                     .hz = 733000000,
                                     .ticks_per_cycle = 1,
                                     .description = "{\"profile\":\"pc-733\"}"};
    return recorder_create(&config);
}

/* A small run: guest, one visit with two steps, a packet; returns total ticks. */
static tick_t play(struct recorder *recorder)
{
    recorder_advance(recorder, STEP_GUEST_KERNEL, 100);
    recorder_advance(recorder, STEP_GUEST_KERNEL, 23);
    recorder_visit(recorder, 0, 0x1010, 0xC0100000);
    recorder_charge(recorder, RECORDER_FIRST_COST, 3262);
    recorder_packet(recorder, 7, PACKET_TX_OUT, 123, 1514);
    recorder_packet(recorder, 7, PACKET_TX_DELIVERED, 1000000, 1514);
    recorder_advance(recorder, RECORDER_FIRST_COST + 1, 12864);
    recorder_resume(recorder);
    recorder_advance(recorder, STEP_IDLE, 5);
    return 123 + 3262 + 12864 + 5;
}

static void write_trace(const char *path)
{
    struct recorder *recorder = make_recorder();
    struct error err;
    cr_assert_eq(recorder_open(recorder, path, &err), STATUS_OK);
    tick_t total = play(recorder);
    cr_assert_eq(recorder_now(recorder), total);
    cr_assert_eq(recorder_close(recorder, &err), STATUS_OK);
    recorder_destroy(recorder);
}

Test(trace, round_trip)
{
    char path[] = "/tmp/crosspage-trace-XXXXXX";
    close(mkstemp(path));
    write_trace(path);

    struct trace_reader *reader;
    struct trace_record record;
    struct error err;
    cr_assert_eq(trace_open(&reader, path, &err), STATUS_OK, "%s", err.text);
    cr_assert_str_eq(trace_description(reader), "{\"profile\":\"pc-733\"}");
    tick_t sum = 0, delivered = 0;
    unsigned visits = 0;
    do {
        cr_assert_eq(trace_next(reader, &record, &err), STATUS_OK, "%s", err.text);
        sum += record.tag == TRACE_SPAN ? record.end - record.begin : 0;
        visits += record.tag == TRACE_VISIT;
        if (record.tag == TRACE_PACKET && record.mark == PACKET_TX_DELIVERED)
            delivered = record.when;
    } while (record.tag != TRACE_END);
    cr_assert_eq(sum, 123 + 3262 + 12864 + 5);
    cr_assert_eq(visits, 1);
    cr_assert_eq(delivered, 1000000);
    trace_close(reader);
    unlink(path);
}

/* ---- Everything that was recorded is read back ---- */

enum { HAPPENINGS = 200000, EXPECTED_MAX = 4 * HAPPENINGS };

/* What a reader should see, and where the time line is. */
struct expectation {
    struct trace_record *records;
    size_t count;
    tick_t now;
};

static uint64_t number(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

static void record_span(struct recorder *recorder, struct expectation *e, unsigned step, tick_t ticks,
                        bool counted)
{
    if (counted)
        recorder_charge(recorder, step, ticks);
    else
        recorder_advance(recorder, step, ticks);
    e->records[e->count++] = (struct trace_record){
        .tag = TRACE_SPAN, .begin = e->now, .end = e->now + ticks, .step = step, .counted = counted};
    e->now += ticks;
}

static void record_visit(struct recorder *recorder, struct expectation *e, unsigned exit, uint64_t detail,
                         uint64_t pc)
{
    recorder_visit(recorder, exit, detail, pc);
    e->records[e->count++] = (struct trace_record){
        .tag = TRACE_VISIT, .begin = e->now, .end = e->now, .exit = exit, .detail = detail, .pc = pc};
}

static void record_mark(struct recorder *recorder, struct expectation *e, uint64_t id, unsigned mark,
                        tick_t when, uint32_t size)
{
    recorder_packet(recorder, id, (enum packet_mark)mark, when, size);
    e->records[e->count++] = (struct trace_record){.tag = TRACE_PACKET,
                                                   .begin = e->now,
                                                   .end = e->now,
                                                   .packet = id,
                                                   .mark = (enum packet_mark)mark,
                                                   .when = when,
                                                   .size = size};
}

/* One visit of 16 kinds: the guest's time before it, its steps, sometimes a packet. */
static void play_visit(struct recorder *recorder, struct expectation *e, unsigned kind, uint64_t noise)
{
    record_span(recorder, e, STEP_GUEST_KERNEL, 100 + 50 * kind + noise % 1000, false);
    /* A port from a 32-bit guest, from a 64-bit kernel; an address; a processor's oddities. */
    static const uint64_t details[] = {0x1010, 0x7FFF, 0x8000, UINT64_MAX};
    static const uint64_t pcs[] = {0xC0100000, 0xFFFFFFFF81000000, 0x7F0012345678, UINT64_MAX - 1};
    record_visit(recorder, e, kind % 2, details[kind / 4] + noise / 500, pcs[kind % 4] + noise / 500);
    for (unsigned i = 0; i <= kind % 4; i++)
        record_span(recorder, e, RECORDER_FIRST_COST + (i + kind) % 2, 1000 + i, true);
    if (kind == 5)
        record_mark(recorder, e, 1 + e->count / 100, PACKET_TX_WIRE, e->now + 77 - noise, 1514);
    recorder_resume(recorder);
    size_t next = e->count;
    record_span(recorder, e, STEP_GUEST_USER, 7, false);
    e->records[next].resumed = true;
}

static void expect_equal(const struct trace_record *is, const struct trace_record *want, size_t n)
{
    cr_assert(is->tag == want->tag && is->begin == want->begin && is->end == want->end &&
                  is->resumed == want->resumed,
              "record %zu", n);
    switch (want->tag) {
    case TRACE_SPAN: cr_assert(is->step == want->step && is->counted == want->counted, "span %zu", n); break;
    case TRACE_VISIT:
        cr_assert(is->exit == want->exit && is->detail == want->detail && is->pc == want->pc, "visit %zu", n);
        break;
    case TRACE_PACKET:
        cr_assert(is->packet == want->packet && is->mark == want->mark && is->when == want->when &&
                      is->size == want->size,
                  "mark %zu", n);
        break;
    case TRACE_GUEST:
        cr_assert(is->guest == want->guest && is->name == want->name && is->stack == want->stack, "guest %zu",
                  n);
        break;
    case TRACE_END: break;
    }
}

/* Read `path` back and compare; returns the file's size, packed. */
static long read_back(const char *path, const struct expectation *e)
{
    struct trace_reader *reader;
    struct trace_record record;
    struct error err;
    cr_assert_eq(trace_open(&reader, path, &err), STATUS_OK, "%s", err.text);
    for (size_t i = 0; i < e->count; i++) {
        cr_assert_eq(trace_next(reader, &record, &err), STATUS_OK, "%s", err.text);
        expect_equal(&record, &e->records[i], i);
    }
    cr_assert_eq(trace_next(reader, &record, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(record.tag, TRACE_END);
    cr_assert_eq(record.begin, e->now);
    trace_close(reader);
    FILE *file = fopen(path, "rb");
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    fclose(file);
    return size;
}

/* A guest that repeats itself, but `noise_of_1000` visits of 1000 are other ones; returns the trace's size.
 */
static long play_and_read(uint64_t noise_of_1000)
{
    char path[] = "/tmp/crosspage-trace-XXXXXX";
    close(mkstemp(path));
    struct recorder *recorder = make_recorder();
    struct expectation e = {.records = calloc(EXPECTED_MAX, sizeof *e.records)};
    struct error err;
    uint64_t seed = 1;
    cr_assert_eq(recorder_open(recorder, path, &err), STATUS_OK);
    while (e.count < HAPPENINGS) {
        bool odd = number(&seed) % 1000 < noise_of_1000;
        play_visit(recorder, &e, odd ? number(&seed) % 16 : e.count / 6 % 16, odd ? number(&seed) % 5000 : 0);
    }
    record_span(recorder, &e, STEP_IDLE, 1, false);
    cr_assert_eq(recorder_close(recorder, &err), STATUS_OK);
    long size = read_back(path, &e);
    recorder_destroy(recorder);
    free(e.records);
    unlink(path);
    return size;
}

/* And what repeats is told in few bytes. */
Test(trace, whatever_was_recorded_is_read)
{
    long same = play_and_read(0), some = play_and_read(50), all = play_and_read(1000);
    cr_assert(same < 10000 && same < some && some < all, "%ld %ld %ld bytes", same, some, all);
}

Test(trace, long_idling_is_several_spans)
{
    char path[] = "/tmp/crosspage-trace-XXXXXX";
    close(mkstemp(path));
    struct recorder *recorder = make_recorder();
    struct trace_reader *reader;
    struct trace_record record;
    struct error err;
    const tick_t day = UINT64_C(733000000) * 86400, total = 100 * day;
    tick_t sum = 0;
    cr_assert_eq(recorder_open(recorder, path, &err), STATUS_OK);
    recorder_charge(recorder, STEP_IDLE, total);
    cr_assert_eq(recorder_close(recorder, &err), STATUS_OK);
    recorder_destroy(recorder);
    cr_assert_eq(trace_open(&reader, path, &err), STATUS_OK);
    for (unsigned i = 0;; i++) {
        cr_assert_eq(trace_next(reader, &record, &err), STATUS_OK, "%s", err.text);
        if (record.tag == TRACE_END)
            break;
        cr_assert(record.step == STEP_IDLE && record.counted == (i == 0));
        sum += record.end - record.begin;
    }
    cr_assert_eq(sum, total);
    trace_close(reader);
    unlink(path);
}

Test(trace, another_version_is_refused_by_name)
{
    char path[] = "/tmp/crosspage-trace-XXXXXX";
    FILE *file = fdopen(mkstemp(path), "wb");
    fputs("crosspage trace 1\n\2{}", file);
    fclose(file);
    struct trace_reader *reader;
    struct error err;
    cr_assert_neq(trace_open(&reader, path, &err), STATUS_OK);
    cr_assert(strstr(err.text, "another version") != NULL, "%s", err.text);
    unlink(path);
}

Test(trace, layers_sum_to_the_clock_without_a_trace)
{
    struct recorder *recorder = make_recorder();
    tick_t total = play(recorder), sum = 0;
    for (int layer = 0; layer < LAYER_COUNT; layer++)
        sum += recorder_layer_total(recorder, (enum layer)layer);
    cr_assert_eq(sum, total);
    cr_assert_eq(recorder_exit_total(recorder, 0).count, 1);
    cr_assert_eq(recorder_exit_total(recorder, 0).ticks, 3262 + 12864);
    recorder_destroy(recorder);
}

/* Longer than what zlib reads ahead, so that its own checksum comes after the last record. */
Test(trace, without_its_checksum_is_an_error)
{
    enum { RECORDS = 40000, TRAILER = 8 };
    char path[] = "/tmp/crosspage-trace-XXXXXX";
    close(mkstemp(path));
    struct recorder *recorder = make_recorder();
    struct error err;
    cr_assert_eq(recorder_open(recorder, path, &err), STATUS_OK);
    unsigned seed = 1;
    for (unsigned i = 0; i < RECORDS; i++) {
        seed = seed * 1103515245u + 12345u;
        recorder_charge(recorder, STEP_IDLE, seed >> 12);
    }
    cr_assert_eq(recorder_close(recorder, &err), STATUS_OK);
    recorder_destroy(recorder);
    for (off_t missing = 0; missing <= TRAILER; missing++) {
        struct stat stat;
        cr_assert_eq(lstat(path, &stat), 0);
        cr_assert_eq(truncate(path, stat.st_size - (missing > 0)), 0);
        struct trace_reader *reader;
        struct trace_record record;
        enum status status = trace_open(&reader, path, &err);
        do
            status = status == STATUS_OK ? trace_next(reader, &record, &err) : status;
        while (status == STATUS_OK && record.tag != TRACE_END);
        cr_expect_eq(status == STATUS_OK, missing == 0, "without %d bytes", (int)missing);
        trace_close(reader);
    }
    unlink(path);
}

Test(trace, truncated_or_random_files_are_errors)
{
    char path[] = "/tmp/crosspage-trace-XXXXXX";
    close(mkstemp(path));
    write_trace(path);
    FILE *file = fopen(path, "rb");
    char bytes[4096];
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    unsigned seed = 1;
    for (size_t cut = 0; cut < size; cut++) {
        file = fopen(path, "wb");
        if (cut % 2) { /* overwrite a byte instead of cutting */
            seed = seed * 1103515245u + 12345u;
            bytes[cut] = (char)(seed >> 16);
        }
        fwrite(bytes, 1, cut % 2 ? size : cut, file);
        fclose(file);
        struct trace_reader *reader;
        struct trace_record record;
        struct error err;
        enum status status = trace_open(&reader, path, &err);
        for (int n = 0; status == STATUS_OK && n < 100000; n++) {
            status = trace_next(reader, &record, &err);
            if (status == STATUS_OK && record.tag == TRACE_END)
                break;
        }
        cr_assert(cut % 2 || status != STATUS_OK, "cut at %zu was accepted", cut);
        trace_close(reader);
    }
    unlink(path);
}
