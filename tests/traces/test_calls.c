/* Calls of guest functions in a trace: what the recorder is told is what calls.h says of it; damage is an
 * error. */
#include "traces/way.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

static struct recorder *start(char path[32], bool guest_code)
{
    static const struct step_info steps[RECORDER_FIRST_COST + 1] = {
        [RECORDER_FIRST_COST] = {"vmm.out", "an access", LAYER_MONITOR, CATEGORY_OTHER, "", "", "", 0},
    };
    static const char *const exits[] = {"OUT"};
    const struct recorder_config config = {.steps = steps,
                                           .step_count = RECORDER_FIRST_COST + 1,
                                           .exit_count = 1,
                                           .exit_names = exits,
                                           .hz = 1000,
                                           .ticks_per_cycle = 1,
                                           .guest_code = guest_code,
                                           .description = "{}"};
    struct recorder *recorder = recorder_create(&config);
    struct error err;
    strcpy(path, "/tmp/crosspage-calls-XXXXXX");
    close(mkstemp(path));
    cr_assert_eq(recorder_open(recorder, path, &err), STATUS_OK);
    return recorder;
}

static struct analysis finish(struct recorder *recorder, const char *path)
{
    struct analysis analysis;
    struct error err;
    cr_assert_eq(recorder_close(recorder, &err), STATUS_OK);
    recorder_destroy(recorder);
    cr_assert_eq(analysis_load(&analysis, path, &err), STATUS_OK, "%s", err.text);
    unlink(path);
    return analysis;
}

static void pass(struct recorder *recorder, tick_t ticks)
{
    recorder_advance(recorder, STEP_GUEST_KERNEL, ticks);
}

/* The names of the calls that are current at a time, from the outermost on. */
static const char *path_at(const struct analysis *a, tick_t when)
{
    static char text[256];
    char before[256];
    *text = 0;
    for (size_t n = calls_at(&a->calls, when); n != 0; n = calls_get(&a->calls, n)->caller) {
        strcpy(before, text);
        snprintf(text, sizeof text, "%s%s%.100s", trace_name(a->trace, calls_get(&a->calls, n)->name),
                 *before ? " " : "", before);
    }
    return text;
}

Test(calls, nest_per_stack)
{
    char path[32];
    struct recorder *r = start(path, true);
    uint32_t f = recorder_name(r, "f"), g = recorder_name(r, "g"), irq = recorder_name(r, "irq");
    pass(r, 10);
    recorder_guest(r, GUEST_ENTER, f, 1); /* 10 */
    pass(r, 10);
    recorder_guest(r, GUEST_ENTER, g, 1); /* 20 */
    pass(r, 10);
    recorder_guest(r, GUEST_ENTER, irq, 2); /* 30: on a stack of its own */
    pass(r, 10);
    recorder_guest(r, GUEST_LEAVE, irq, 2); /* 40: back to what it interrupted */
    pass(r, 10);
    recorder_guest(r, GUEST_STACK, 0, 3); /* 50: another task */
    pass(r, 10);
    recorder_guest(r, GUEST_ENTER, f, 3); /* 60 */
    pass(r, 10);
    recorder_guest(r, GUEST_STACK, 0, 1); /* 70 */
    pass(r, 10);
    recorder_guest(r, GUEST_LEAVE, g, 1); /* 80 */
    pass(r, 10);
    recorder_advance(r, STEP_GUEST_USER, 10); /* 90 */
    pass(r, 10);                              /* 100: whose? */
    recorder_guest(r, GUEST_LOST, f, 3);      /* 110 */
    pass(r, 10);
    struct analysis a = finish(r, path);
    static const struct {
        tick_t when;
        const char *path;
    } want[] = {{0, ""},   {10, "f"},   {20, "f g"}, {30, "irq"}, {39, "irq"}, {40, "f g"}, {50, ""},
                {60, "f"}, {70, "f g"}, {80, "f"},   {89, "f"},   {90, ""},    {105, ""},   {115, ""}};
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++)
        cr_expect_str_eq(path_at(&a, want[i].when), want[i].path, "at %d: %s, want %s", (int)want[i].when,
                         path_at(&a, want[i].when), want[i].path);
    cr_assert_eq(a.calls.count, 4);
    const struct call *call = a.calls.call;
    cr_expect(call[0].begin == 10 && call[0].end == 120 && call[0].lost); /* open to the end */
    cr_expect(call[1].begin == 20 && call[1].end == 80 && !call[1].lost && call[1].caller == 1);
    cr_expect(call[2].begin == 30 && call[2].end == 40 && call[2].caller == 0);
    cr_expect(call[3].begin == 60 && call[3].end == 110 && call[3].lost);
    analysis_free(&a);
}

Test(calls, names_and_samples)
{
    char path[32], name[600];
    struct recorder *r = start(path, true);
    memset(name, 'x', sizeof name);
    for (unsigned bytes = 0; bytes < 600; bytes++) {
        name[bytes] = 0;
        cr_assert_eq(recorder_name(r, name), bytes + 1);
        recorder_guest(r, GUEST_SAMPLE, bytes + 1, 0);
        pass(r, 1);
        name[bytes] = (char)('a' + bytes % 26);
    }
    struct analysis a = finish(r, path);
    cr_assert_eq(a.calls.sample_count, 600);
    cr_assert_eq(trace_name_count(a.trace), 601);
    for (unsigned bytes = 0; bytes < 600; bytes++) {
        const char *is = trace_name(a.trace, a.calls.sample[bytes].name);
        unsigned kept = bytes < TRACE_NAME_BYTES ? bytes : TRACE_NAME_BYTES;
        cr_expect(strlen(is) == kept && strncmp(is, name, kept) == 0, "%u bytes: '%s'", bytes, is);
        cr_expect_eq(a.calls.sample[bytes].when, bytes);
    }
    analysis_free(&a);
}

/* Names come from a guest: they are fit for every form of report. */
Test(calls, hostile_names)
{
    char path[32];
    struct recorder *r = start(path, true);
    recorder_name(r, "a;b\"c\\d\ne\xFF"
                     "f");
    struct analysis a = finish(r, path);
    cr_expect_str_eq(trace_name(a.trace, 1), "a?b?c?d?e?f");
    analysis_free(&a);
}

/* A run without probes is in the format that it always was in. */
Test(calls, version)
{
    for (int guest_code = 0; guest_code < 2; guest_code++) {
        char path[32], magic[19] = "";
        struct recorder *r = start(path, guest_code);
        struct error err;
        pass(r, 1);
        cr_assert_eq(recorder_close(r, &err), STATUS_OK);
        recorder_destroy(r);
        gzFile file = gzopen(path, "rb");
        gzread(file, magic, 18);
        gzclose(file);
        cr_expect_str_eq(magic, guest_code ? "crosspage trace 4\n" : "crosspage trace 3\n");
        unlink(path);
    }
}

static bool loads(struct recorder *r, const char *path)
{
    struct analysis a;
    struct error err;
    cr_assert_eq(recorder_close(r, &err), STATUS_OK);
    recorder_destroy(r);
    bool good = analysis_load(&a, path, &err) == STATUS_OK;
    if (good)
        analysis_free(&a);
    else
        cr_expect(strchr(err.text, '\n') == NULL && *err.text != 0);
    unlink(path);
    return good;
}

Test(calls, damage_is_an_error)
{
    static const struct {
        enum guest_mark mark;
        uint32_t name, stack;
    } bad[] = {
        {GUEST_LEAVE, 1, 1},      /* nothing is open there */
        {GUEST_LEAVE, 2, 5},      /* something else is */
        {GUEST_ENTER, 3, 1},      /* no such name */
        {GUEST_ENTER, 1, 0},      /* on no stack */
        {GUEST_ENTER, 1, 900000}, /* too many stacks */
    };
    char path[32];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct recorder *r = start(path, true);
        recorder_name(r, "f");
        recorder_name(r, "g");
        recorder_guest(r, GUEST_ENTER, 1, 5);
        recorder_guest(r, bad[i].mark, bad[i].name, bad[i].stack);
        cr_expect(!loads(r, path), "%zu", i);
    }
    struct recorder *r = start(path, true);
    recorder_name(r, "f");
    recorder_guest(r, GUEST_ENTER, 1, 5);
    cr_expect(loads(r, path));
}

/* Records of any kind: loaded or refused. */
Test(calls, random_records)
{
    uint64_t seed = 7;
    for (unsigned round = 0; round < 200; round++) {
        char path[32];
        struct recorder *r = start(path, true);
        for (unsigned i = 0; i < 4; i++)
            recorder_name(r, "name");
        for (unsigned i = 0; i < 50; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            recorder_guest(r, (enum guest_mark)((seed >> 33) % GUEST_MARK_COUNT), (seed >> 40) % 5,
                           (seed >> 50) % 4);
            pass(r, (seed >> 60) % 3);
        }
        (void)loads(r, path);
    }
}

/* ---- Ways of packets ---- */

static void sent(struct recorder *r, uint64_t id, tick_t out)
{
    recorder_packet(r, id, PACKET_TX_OUT, out, 1500);
    recorder_packet(r, id, PACKET_TX_WIRE, out + 5, 1500);
    recorder_packet(r, id, PACKET_TX_DELIVERED, out + 20, 1500);
}

Test(calls, way_of_a_packet)
{
    char path[32];
    struct recorder *r = start(path, true);
    uint32_t f = recorder_name(r, "f"), g = recorder_name(r, "g");
    pass(r, 10);
    recorder_guest(r, GUEST_ENTER, f, 1); /* 10 */
    pass(r, 7);
    recorder_guest(r, GUEST_ENTER, g, 1); /* 17 */
    pass(r, 3);
    sent(r, 1, 20);
    recorder_charge(r, RECORDER_FIRST_COST, 30);
    recorder_guest(r, GUEST_LEAVE, g, 1); /* 50 */
    pass(r, 10);
    sent(r, 2, 60);
    pass(r, 1);
    recorder_guest(r, GUEST_LEAVE, f, 1);
    pass(r, 10);
    sent(r, 3, 71); /* in no function */
    pass(r, 30);
    struct analysis a = finish(r, path);
    struct receipts receipts;
    struct way way;
    receipts_make(&a, 1000, &receipts);
    cr_assert_eq(receipts.count, 3);
    way_make(&a, &receipts.receipt[0], &way);
    cr_assert_eq(way.count, 2);
    cr_expect(way.stage[0].call == 1 && way.stage[0].begin == 10 && way.stage[0].end == 17);
    cr_expect(way.stage[1].call == 2 && way.stage[1].begin == 17 && way.stage[1].end == 20);
    cr_expect_eq(way_length(&way), 10);
    way_make(&a, &receipts.receipt[1], &way);
    cr_assert_eq(way.count, 1);
    cr_expect(way.stage[0].begin == 10 && way.stage[0].end == 60);
    way_make(&a, &receipts.receipt[2], &way);
    cr_expect(way.count == 0 && way_length(&way) == 0);
    receipts_free(&receipts);
    analysis_free(&a);
}

/* Deeper than a way is long: the innermost. */
Test(calls, deep_way)
{
    char path[32];
    struct recorder *r = start(path, true);
    uint32_t f = recorder_name(r, "f");
    for (unsigned i = 0; i < WAY_MAX + 10; i++) {
        recorder_guest(r, GUEST_ENTER, f, 1);
        pass(r, 1);
    }
    sent(r, 1, WAY_MAX + 10);
    pass(r, 100);
    struct analysis a = finish(r, path);
    struct receipts receipts;
    struct way way;
    receipts_make(&a, 1000, &receipts);
    way_make(&a, &receipts.receipt[0], &way);
    cr_assert_eq(way.count, WAY_MAX);
    cr_expect_eq(way.stage[0].call, 11);
    cr_expect_eq(way_length(&way), WAY_MAX);
    receipts_free(&receipts);
    analysis_free(&a);
}
