/* The rules of probe.h for what a call is, on a program that breaks most of what compilers keep; the same in
 * both engines. */
#include "vmm/probe.h"

#include "binxlate/translator.h"
#include "tests/cpu/harness.h"
#include "traces/reader.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* 00 main:      mov ecx, 3; call recurse; call tail; mov ecx, 5; call again; call leaver
 * 1e back:      call plain; mov ebp, esp; mov esp, 14000h; call switch; call plain; call other; hlt
 * 3a after:     mov esp, ebp; call switch; int 80h; call forever
 * 60 recurse:   dec ecx; jz 68; call recurse; 68: ret
 * 70 tail:      nop; jmp plain
 * 78 again:     dec ecx; jnz again; ret
 * 80 leaver:    call leave2; ret
 * 88 leave2:    add esp, 8; jmp back
 * 90 plain:     nop; ret
 * 98 switch:    ret
 * a0 other:     mov dword [esp], after; call plain; ret
 * c0 handler:   call plain; iret
 * d0 forever:   hlt; jmp forever */
static const uint8_t program[] = {
    0xB9, 0x03, 0x00, 0x00, 0x00, 0xE8, 0x56, 0x00, 0x00, 0x00, 0xE8, 0x61, 0x00, 0x00, 0x00, 0xB9, 0x05,
    0x00, 0x00, 0x00, 0xE8, 0x5F, 0x00, 0x00, 0x00, 0xE8, 0x62, 0x00, 0x00, 0x00, 0xE8, 0x6D, 0x00, 0x00,
    0x00, 0x89, 0xE5, 0xBC, 0x00, 0x40, 0x01, 0x00, 0xE8, 0x69, 0x00, 0x00, 0x00, 0xE8, 0x5C, 0x00, 0x00,
    0x00, 0xE8, 0x67, 0x00, 0x00, 0x00, 0xF4, 0x89, 0xEC, 0xE8, 0x57, 0x00, 0x00, 0x00, 0xCD, 0x80, 0xE8,
    0x88, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x49, 0x74, 0x05, 0xE8, 0xF8, 0xFF,
    0xFF, 0xFF, 0xC3, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x90, 0xEB, 0x1D, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x49, 0x75, 0xFD, 0xC3, 0x00, 0x00, 0x00, 0x00, 0xE8, 0x03, 0x00, 0x00, 0x00, 0xC3, 0x00, 0x00,
    0x83, 0xC4, 0x08, 0xEB, 0x91, 0x00, 0x00, 0x00, 0x90, 0xC3, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xC3,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xC7, 0x04, 0x24, 0x3A, 0xA0, 0x00, 0x00, 0xE8, 0xE4, 0xFF,
    0xFF, 0xFF, 0xC3, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0xE8, 0xCB, 0xFF, 0xFF, 0xFF, 0xCF, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0xF4, 0xEB, 0xFD,
};

/* The program is at a000. */
static const char map[] = "0000a000 T main\n0000a060 T recurse\n0000a070 T tail\n0000a078 T again\n"
                          "0000a080 T leaver\n0000a088 T leave2\n0000a090 T plain\n0000a098 T __switch_to\n"
                          "0000a0a0 T other\n0000a0d0 T forever\n";

/* >f 1: f is entered on stack 1; < it returns; ! it is lost; = the stack is another one. */
static const char want[] = ">main 1 "
                           ">recurse 1 >recurse 1 >recurse 1 <recurse 1 <recurse 1 <recurse 1 "
                           ">tail 1 >plain 1 <plain 1 <tail 1 "
                           ">again 1 <again 1 "
                           ">leaver 1 >leave2 1 !leave2 1 <leaver 1 >plain 1 <plain 1 "
                           "= 0 >plain 2 <plain 2 >other 2 !other 2 >plain 2 <plain 2 "
                           "= 1 >plain 1 <plain 1 >forever 1 ";

struct rig {
    struct harness *h;
    struct translator *translator;
    struct recorder *recorder;
    struct host host;
    char trace[32], map[32];
    cycle_t end;
};

static void start(struct rig *rig, bool translated, const struct probe_config *probe, struct probes **probes)
{
    static const struct step_info steps[RECORDER_FIRST_COST];
    const struct recorder_config config = {.steps = steps,
                                           .step_count = RECORDER_FIRST_COST,
                                           .hz = 1000000,
                                           .ticks_per_cycle = 1,
                                           .guest_code = true,
                                           .description = "{}"};
    const struct translator_config translating = {.threshold = 1, .code_bytes = 4 << 20};
    static const uint8_t handler[] = {0xE9, 0xBB, 0x88, 0, 0}; /* 1800: jmp a0c0 */
    struct error err;
    rig->h = harness_create("pentium3", HARNESS_32, true);
    harness_code(rig->h, program, sizeof program);
    harness_poke(rig->h, HARNESS_HANDLER + 16 * 0x80, handler, sizeof handler);
    rig->translator = NULL;
    if (translated)
        cr_assert_eq(translator_create(&rig->translator, rig->h->cpu, &translating, &err), STATUS_OK);
    strcpy(rig->trace, "/tmp/crosspage-trace-XXXXXX");
    close(mkstemp(rig->trace));
    rig->recorder = recorder_create(&config);
    recorder_advance(rig->recorder, STEP_GUEST_KERNEL, rig->h->cpu->s.clock);
    cr_assert_eq(recorder_open(rig->recorder, rig->trace, &err), STATUS_OK);
    rig->host =
        (struct host){.cpu = rig->h->cpu, .recorder = rig->recorder, .hz = 1000000, .ticks_per_cycle = 1};
    cr_assert_eq(probes_create(probes, probe, &rig->host, &rig->h->machine, NULL, &err), STATUS_OK, "%s",
                 err.text);
}

static void finish(struct rig *rig, struct probes *probes, char log[4096])
{
    struct trace_reader *reader;
    struct trace_record record;
    struct error err;
    host_account_guest(&rig->host, 0);
    cr_assert_eq(recorder_close(rig->recorder, &err), STATUS_OK);
    recorder_destroy(rig->recorder);
    probes_destroy(probes);
    if (rig->translator != NULL)
        translator_destroy(rig->translator);
    harness_destroy(rig->h);
    *log = 0;
    cr_assert_eq(trace_open(&reader, rig->trace, &err), STATUS_OK, "%s", err.text);
    do {
        cr_assert_eq(trace_next(reader, &record, &err), STATUS_OK, "%s", err.text);
        if (record.tag != TRACE_GUEST || record.guest == GUEST_NAME)
            continue;
        static const char marks[GUEST_MARK_COUNT] = {[GUEST_ENTER] = '>',
                                                     [GUEST_LEAVE] = '<',
                                                     [GUEST_LOST] = '!',
                                                     [GUEST_STACK] = '=',
                                                     [GUEST_SAMPLE] = '*'};
        sprintf(log + strlen(log), "%c%.20s %u ", marks[record.guest], trace_name(reader, record.name),
                record.stack);
    } while (record.tag != TRACE_END && strlen(log) < 4000);
    trace_close(reader);
    unlink(rig->trace);
}

static const char *write_map(struct rig *rig)
{
    strcpy(rig->map, "/tmp/crosspage-map-XXXXXX");
    FILE *file = fdopen(mkstemp(rig->map), "wb");
    fputs(map, file);
    fclose(file);
    return rig->map;
}

Test(probe_calls, rules)
{
    for (int translated = 0; translated <= (translator_supported() ? 1 : 0); translated++) {
        struct rig rig;
        struct probes *probes;
        const struct probe_config config = {.functions =
                                                "main,recurse,tail,again,leaver,leave2,plain,other,0xa0d0",
                                            .symbols = write_map(&rig)};
        char log[4096], text[PROBE_NOTICE];
        start(&rig, translated, &config, &probes);
        cpu_run(rig.h->cpu, rig.h->cpu->s.clock + 100000);
        cr_expect_eq(rig.h->cpu->s.rip, 0xA0D1);
        cr_expect(!probes_notice(probes, 0, text), "%s", text);
        finish(&rig, probes, log);
        cr_expect_str_eq(log, want, "engine %d:\n%s, want\n%s", translated, log, want);
        unlink(rig.map);
    }
}

/* A reset ends what is open, and probes by address stay. */
Test(probe_calls, reset)
{
    struct rig rig;
    struct probes *probes;
    const struct probe_config config = {.functions = "0xa000,0xA060"};
    char log[4096];
    start(&rig, false, &config, &probes);
    for (int run = 0; run < 2; run++) {
        rig.h->cpu->s.rip = 0xA000;
        rig.h->cpu->s.gpr[RSP] = HARNESS_STACK;
        cr_assert_eq(cpu_run(rig.h->cpu, rig.h->cpu->s.clock + 6), CPU_STOP_DEADLINE);
        probes_reset(probes);
    }
    finish(&rig, probes, log);
    cr_expect(strstr(log, ">0xa000 1 ") == log && strstr(log + 1, ">0xa000 1 ") != NULL &&
                  strstr(log, "!0xa000 1 ") != NULL,
              "%s", log);
}

/* Samples: at the given cycles, or not at all where the guest does not run then. */
Test(probe_calls, samples)
{
    struct rig rig;
    struct probes *probes;
    const struct probe_config config = {.functions = "", .symbols = write_map(&rig), .sample = 100};
    char log[4096];
    start(&rig, false, &config, &probes);
    static const uint8_t loop[] = {0xE8, 0x8B, 0, 0, 0, 0xEB, 0xF9}; /* call plain; jmp main */
    harness_code(rig.h, loop, sizeof loop);
    cycle_t first = rig.h->cpu->s.clock;
    for (int i = 0; i < 20; i++) {
        cycle_t due = probes_due(probes);
        cr_expect_eq(due % 100, 0);
        cpu_run(rig.h->cpu, due);
        probes_run(probes);
    }
    cr_expect_geq(rig.h->cpu->s.clock, first + 1900);
    rig.h->cpu->s.clock += 1000; /* of somebody else */
    recorder_advance(rig.recorder, STEP_IDLE, rig.h->cpu->s.clock - recorder_now(rig.recorder));
    probes_run(probes);
    finish(&rig, probes, log);
    unsigned count = 0;
    for (const char *at = log; (at = strchr(at, '*')) != NULL; at++, count++)
        cr_expect(strncmp(at, "*main ", 6) == 0 || strncmp(at, "*plain ", 7) == 0, "%s", at);
    cr_expect_eq(count, 20, "%u: %s", count, log);
    unlink(rig.map);
}

Test(probe_calls, bad_input)
{
    static const struct {
        const char *functions, *word;
    } bad[] = {{"nothing_of_it", "no function"},
               {"main,,tail", "empty"},
               {"0xzz", "no address"},
               {"0x", "no address"},
               {"main,", "empty"},
               {"0xffffffffffffffff", "cannot"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct rig rig = {.h = harness_create("pentium3", HARNESS_32, true)};
        static const struct step_info steps[RECORDER_FIRST_COST];
        const struct recorder_config recording = {.steps = steps,
                                                  .step_count = RECORDER_FIRST_COST,
                                                  .hz = 1,
                                                  .ticks_per_cycle = 1,
                                                  .guest_code = true};
        const struct probe_config config = {.functions = bad[i].functions, .symbols = write_map(&rig)};
        struct probes *probes;
        struct error err;
        rig.host = (struct host){.cpu = rig.h->cpu, .recorder = recorder_create(&recording), .hz = 1};
        cr_expect_neq(probes_create(&probes, &config, &rig.host, &rig.h->machine, NULL, &err), STATUS_OK);
        cr_expect(strstr(err.text, bad[i].word) != NULL, "%s", err.text);
        probes_destroy(probes);
        recorder_destroy(rig.host.recorder);
        harness_destroy(rig.h);
        unlink(rig.map);
    }
}
