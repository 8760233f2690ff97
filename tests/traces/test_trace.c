/* What the recorder writes is what the reader reads, sums hold, and damaged traces are errors. */
#include "traces/reader.h"
#include "traces/recorder.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
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
    recorder_advance(recorder, RECORDER_FIRST_COST, 3262);
    recorder_count(recorder, RECORDER_FIRST_COST);
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
