/* Probes (cpu/probe.h): each instruction at a probed address is told of, exactly once per execution, at the
 * same clock and with the same registers in every way of running; and the guest is as without them (contract
 * E1). */
#include "cpu/probe.h"

#include "binxlate/translator.h"
#include "cpu/exec.h"
#include "tests/cpu/harness.h"
#include "tests/cpu/random.h"

#include <criterion/criterion.h>
#include <string.h>

/* Calls, a tail call, a loop, an interrupt shadow; at the end of a page, so that instructions lie across two.
 */
static const uint8_t program[] = {
    0x31, 0xC0,                            /* 00 xor eax, eax */
    0xB9, 0x90, 1,    0,    0,             /* 02 mov ecx, 400 */
    0xE8, 0x18, 0,    0,    0,             /* 07 call 24 */
    0xF6, 0xC1, 3,                         /* 0c test cl, 3 */
    0x74, 3,                               /* 0f jz 14 */
    0xFA, 0xFB, 0x42,                      /* 11 cli; sti; inc edx */
    0x89, 0x04, 0x8D, 0,    0,    1, 0,    /* 14 mov [10000h + 4 * ecx], eax */
    0x8D, 0x58, 2,                         /* 1b lea ebx, [eax + 2] */
    0x9C, 0x9D, 0x49,                      /* 1e pushf; popf; dec ecx */
    0x75, 0xE4, 0xF4,                      /* 21 jnz 7; hlt */
    0x55, 0x89, 0xE5,                      /* 24 push ebp; mov ebp, esp */
    0x83, 0xF8, 0x14, 0x77, 5,             /* 27 cmp eax, 20; ja 31 */
    0x83, 0xC0, 1,    0x5D, 0xC3,          /* 2c add eax, 1; pop ebp; ret */
    0x83, 0xE8, 0x0F, 0x5D, 0xEB, 1, 0x90, /* 31 sub eax, 15; pop ebp; jmp 38; nop */
    0x31, 0xC2, 0xC3,                      /* 38 xor edx, eax; ret */
};

enum { ARRIVALS_MAX = 20000, MANNERS = 5, ROUNDS = 60 };

struct arrival {
    uint64_t linear, clock, instructions, rsp, rax;
};

struct log_of_arrivals {
    struct cpu *cpu;
    unsigned count;
    uint64_t from; /* arriving here adds `to` */
    uint64_t to;
    struct arrival list[ARRIVALS_MAX];
};

static void note(void *ctx, uint64_t linear)
{
    struct log_of_arrivals *log = ctx;
    const struct cpu_state *s = &log->cpu->s;
    cr_assert_eq(linear, cpu_pc(log->cpu));
    cr_assert_lt(log->count, ARRIVALS_MAX);
    log->list[log->count++] = (struct arrival){linear, s->clock, s->instructions, s->gpr[RSP], s->gpr[RAX]};
    if (linear == log->from)
        cr_assert(cpu_probe_add(log->cpu, log->to));
}

/* Which addresses, as offsets in the program; and where it is. */
struct probing {
    uint64_t at, probes;
    unsigned from, to;
};

static struct harness *start(const struct probing *probing, unsigned manner)
{
    struct harness *h = harness_create("pentium3", HARNESS_32, manner != 1);
    harness_poke(h, probing->at, program, sizeof program);
    h->cpu->s.rip = probing->at;
    return h;
}

/* What happens when it is run one instruction at a time, by nobody's probes. */
static void expect(const struct probing *probing, struct log_of_arrivals *log, struct cpu_state *end)
{
    struct harness *h = start(probing, 0);
    uint64_t probes = probing->probes;
    log->count = 0;
    while (h->cpu->s.activity == ACTIVITY_RUNNING) {
        const struct cpu_state *s = &h->cpu->s;
        uint64_t offset = s->rip - probing->at;
        if (probes >> offset & 1) {
            log->list[log->count++] =
                (struct arrival){s->rip, s->clock, s->instructions, s->gpr[RSP], s->gpr[RAX]};
            if (offset == probing->from)
                probes |= UINT64_C(1) << probing->to;
        }
        harness_step(h, 1);
    }
    cpu_sync(h->cpu);
    *end = h->cpu->s;
    harness_destroy(h);
}

/* 0: interpreter, 1: without fast handlers, 2: in slices, 3: translator, 4: it in slices */
static void run(const struct probing *probing, unsigned manner, struct log_of_arrivals *log,
                struct cpu_state *end)
{
    const struct translator_config config = {.threshold = 1, .code_bytes = 4 << 20};
    struct harness *h = start(probing, manner);
    struct translator *t = NULL;
    struct error err;
    if (manner >= 3)
        cr_assert_eq(translator_create(&t, h->cpu, &config, &err), STATUS_OK);
    log->cpu = h->cpu;
    log->count = 0;
    log->from = probing->at + probing->from;
    log->to = probing->at + probing->to;
    cpu_probes_create(h->cpu, note, log);
    for (unsigned i = 0; i < sizeof program; i++)
        if (probing->probes >> i & 1)
            cr_assert(cpu_probe_add(h->cpu, probing->at + i));
    uint64_t slice = manner == 2 || manner == 4 ? 7 : 1 << 20;
    while (h->cpu->s.activity == ACTIVITY_RUNNING)
        cpu_run(h->cpu, h->cpu->s.clock + slice);
    cpu_sync(h->cpu);
    *end = h->cpu->s;
    if (t != NULL)
        translator_destroy(t);
    harness_destroy(h);
}

static struct log_of_arrivals want_log, got_log;

Test(probe, told_of_each_execution)
{
    struct random r = {.state = 11};
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct probing probing = {.at = 0xB000 - random_below(&r, sizeof program + 1),
                                  .probes = random_next(&r) & random_next(&r) & ((UINT64_C(1) << 59) - 1),
                                  .from = random_below(&r, sizeof program),
                                  .to = random_below(&r, sizeof program)};
        if (round == 0)
            probing.probes = (UINT64_C(1) << 59) - 1;
        struct cpu_state want, got;
        expect(&probing, &want_log, &want);
        for (unsigned manner = 0; manner < MANNERS; manner++) {
            if (manner >= 3 && !translator_supported())
                break;
            run(&probing, manner, &got_log, &got);
            cr_expect(memcmp(&want, &got, sizeof want) == 0, "round %u, manner %u: another state", round,
                      manner);
            cr_expect_eq(want_log.count, got_log.count, "round %u, manner %u: %u arrivals, want %u", round,
                         manner, got_log.count, want_log.count);
            cr_expect(memcmp(want_log.list, got_log.list, want_log.count * sizeof want_log.list[0]) == 0,
                      "round %u, manner %u: other arrivals", round, manner);
        }
    }
}

/* Two linear pages lead to one frame, and its code was decoded by the first: the second's probe is seen. */
Test(probe, another_mapping_of_the_same_page)
{
    enum { OTHER = 0xC00000, ALIAS = 0xC01000 };
    for (unsigned translated = 0; translated <= (unsigned)translator_supported(); translated++) {
        static const uint8_t code[] = {0x40, 0x40, 0x40, 0xC3}; /* inc eax, three times; ret */
        uint8_t caller[] = {
            0xB9, 100,  0,    0,    0, /* mov ecx, 100 */
            0xBB, 0,    0,    0,    0, /* mov ebx, OTHER */
            0xBE, 0,    0,    0,    0, /* mov esi, ALIAS */
            0xFF, 0xD3, 0xFF, 0xD6,    /* call ebx; call esi */
            0x49, 0x75, 0xF9, 0xF4,    /* dec ecx; jnz; hlt */
        };
        const struct translator_config config = {.threshold = 1, .code_bytes = 4 << 20};
        struct harness *h = harness_create("pentium3", HARNESS_32, true);
        struct translator *t = NULL;
        struct error err;
        uint32_t other = OTHER, alias = ALIAS, entry = 0x83, table = 0x7003, frame = 0x20003;
        memcpy(caller + 6, &other, 4);
        memcpy(caller + 11, &alias, 4);
        /* A directory at 6000h: 4 MB pages for what there is, and a table for OTHER and ALIAS. */
        for (uint32_t i = 0; i < 3; i++, entry += 4 << 20)
            harness_poke(h, 0x6000 + 4 * i, &entry, 4);
        harness_poke(h, 0x6000 + 4 * 3, &table, 4);
        harness_poke(h, 0x7000, &frame, 4);
        harness_poke(h, 0x7004, &frame, 4);
        harness_poke(h, 0x20000, code, sizeof code);
        h->cpu->s.cr3 = 0x6000;
        h->cpu->s.cr4 |= CR4_PSE;
        h->cpu->s.cr0 |= CR0_PG;
        cpu_state_changed(h->cpu);
        harness_code(h, caller, sizeof caller);
        if (translated)
            cr_assert_eq(translator_create(&t, h->cpu, &config, &err), STATUS_OK);
        got_log = (struct log_of_arrivals){.cpu = h->cpu, .from = PROBE_NONE};
        cpu_probes_create(h->cpu, note, &got_log);
        cr_assert(cpu_probe_add(h->cpu, ALIAS + 1));
        cr_assert(harness_run(h));
        cr_expect_eq(got_log.count, 100);
        for (unsigned i = 0; i < got_log.count; i++)
            cr_expect(got_log.list[i].linear == ALIAS + 1 && got_log.list[i].rax == 6 * i + 4);
        cr_expect_eq(h->cpu->s.gpr[RAX], 600);
        if (t != NULL)
            translator_destroy(t);
        harness_destroy(h);
    }
}

/* There is an end to them, and an address is one once. */
Test(probe, limit)
{
    struct harness *h = harness_create("pentium3", HARNESS_32, true);
    cpu_probes_create(h->cpu, note, NULL);
    for (uint64_t i = 0; i < PROBES_MAX; i++)
        cr_assert(cpu_probe_add(h->cpu, 0x100000 + i * 3));
    cr_assert(cpu_probe_add(h->cpu, 0x100000));
    cr_assert(!cpu_probe_add(h->cpu, 0x100001));
    cr_assert(!cpu_probe_add(h->cpu, PROBE_NONE));
    harness_destroy(h);
}
