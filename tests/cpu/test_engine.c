/* The contract that engine choices are unobservable: random programs end with the same state, clock and
 * memory with fast handlers on and off, with caches dropped at odd moments, and with the run cut into slices
 * of any size (contracts E1, E2), and all that with modelled caches. Programs write into themselves, straddle
 * pages and fault. */
#include "binxlate/translator.h"
#include "cpu/block.h"
#include "cpu/cpu_priv.h"
#include "tests/cpu/harness.h"
#include "tests/cpu/random.h"

#include <criterion/criterion.h>
#include <string.h>

enum {
    PROGRAM_BYTES = 600,
    PROGRAMS = 40,
    RESTARTS = 40,
    MAX_CYCLES = 20000,
    RAM_BYTES = 0x80000, /* above is nothing: device accesses, recorded by the harness */
    CODE_AT = 0x8F00,    /* straddles a page; low enough for real mode */
    DATA_AT = 0xB000,
};

/* May the program contain it? Nothing that stops the CPU or leaves user mode, but faults are welcome. */
static bool is_wanted(const struct insn *insn)
{
    const struct insn_row *row = &insn_rows[insn->row];
    if (insn->row == 0 || insn->exec != row->exec)
        return false;
    return (row->attr & (ATTR_SYS | ATTR_PRIV | ATTR_FPU | ATTR_FPU_NOWAIT)) == 0;
}

/* A straight run of random instructions; short jumps stay inside. Prefers the integer opcodes. */
static void random_program(struct random *r, const struct harness *h, uint8_t code[PROGRAM_BYTES])
{
    unsigned at = 0;
    memset(code, 0x90, PROGRAM_BYTES);
    while (at < PROGRAM_BYTES - 20) {
        uint8_t bytes[15];
        unsigned n = 0;
        for (unsigned i = 0; i < 15; i++)
            bytes[i] = (uint8_t)random_next(r);
        if (h->cpu->long64 && random_below(r, 2))
            bytes[n++] = (uint8_t)(0x40 | random_below(r, 16));
        if (random_below(r, 4) == 0)
            bytes[n++] = 0x0F;
        if (random_below(r, 8) == 0)
            bytes[0] = random_below(r, 2) ? 0xF3 : 0x66;
        /* Mostly [reg + disp8] and registers. */
        if (random_below(r, 3))
            bytes[n + 1] = (uint8_t)((bytes[n + 1] & 0x3F) | (random_below(r, 2) ? 0x40 : 0xC0));
        struct insn insn;
        if (!insn_decode(h->cpu->tables, h->cpu->mode, bytes, 15, &insn) || !is_wanted(&insn))
            continue;
        memcpy(code + at, bytes, insn.length);
        at += insn.length;
    }
    code[PROGRAM_BYTES - 2] = 0x0F;
    code[PROGRAM_BYTES - 1] = 0x0B;
}

static void load(struct harness *h, enum harness_mode mode, uint64_t seed, const uint8_t code[PROGRAM_BYTES])
{
    struct random r = {seed};
    memset(h->machine.base, 0, RAM_BYTES);
    block_cache_drop(h->cpu->blocks);
    harness_reset(h, mode);
    h->io_count = 0;
    if (h->cpu->timing != NULL)
        harness_timing_clear(h);
    h->cpu->s.clock = h->cpu->s.instructions = 0;
    h->cpu->s.tsc_offset = 0;
    for (unsigned n = 0; n < GPR_COUNT; n++) {
        uint64_t value = random_next(&r);
        switch (random_below(&r, 4)) {
        case 0: break;
        case 1: value &= 0xFF; break;
        case 2: value = CODE_AT + value % PROGRAM_BYTES; break;
        default: value = DATA_AT + value % 0x3000; break;
        }
        h->cpu->s.gpr[n] = h->cpu->long64 ? value : n < 8 ? (uint32_t)value : 0;
    }
    h->cpu->s.gpr[RSP] = DATA_AT + 0x4000;
    harness_poke(h, CODE_AT, code, PROGRAM_BYTES);
    h->cpu->s.rip = CODE_AT;
    cpu_state_changed(h->cpu);
}

struct result {
    uint64_t hash, clock, instructions, rip;
    unsigned io;
};

static struct result result_of(struct harness *h)
{
    uint64_t hash = cpu_state_hash(h->cpu, 1);
    for (uint64_t at = 0; at < RAM_BYTES / 8; at++) {
        uint64_t word;
        memcpy(&word, h->machine.base + 8 * at, 8);
        if (word != 0)
            hash = (hash ^ word ^ at) * UINT64_C(0x9E3779B97F4A7C15);
    }
    return (struct result){hash, h->cpu->s.clock, h->cpu->s.instructions, h->cpu->s.rip, h->io_count};
}

enum slicing { WHOLE, SLICES, SLICES_AND_DROPS };

/* After a fault has halted the CPU in its handler: go on somewhere else in the program. */
static void restart(struct harness *h, struct random *where, const struct cpu_state *first)
{
    struct cpu_state *s = &h->cpu->s;
    memcpy(s->seg, first->seg, sizeof s->seg);
    s->gpr[RSP] = first->gpr[RSP];
    s->rip = CODE_AT + random_below(where, PROGRAM_BYTES);
    s->activity = ACTIVITY_RUNNING;
    cpu_state_changed(h->cpu);
}

/* Run until RESTARTS faults have happened or MAX_CYCLES have passed. */
static struct result run(struct harness *h, enum slicing slicing, uint64_t seed)
{
    struct random r = {seed}, where = {seed};
    const struct cpu_state first = h->cpu->s;
    unsigned faults = 0;
    while (faults < RESTARTS && h->cpu->s.clock < MAX_CYCLES) {
        uint64_t until = slicing == WHOLE ? MAX_CYCLES : h->cpu->s.clock + 1 + random_below(&r, 40);
        enum cpu_stop stop = cpu_run(h->cpu, until < MAX_CYCLES ? until : MAX_CYCLES);
        if (slicing == SLICES_AND_DROPS && random_below(&r, 3) == 0)
            cpu_drop_caches(h->cpu);
        if (stop == CPU_STOP_DEADLINE)
            continue;
        faults++;
        restart(h, &where, &first);
    }
    return result_of(h);
}

static struct harness *create(enum harness_mode mode, bool fast, bool timed)
{
    struct harness *h =
        timed ? harness_create_timed("x86-64-v2", mode, fast) : harness_create("x86-64-v2", mode, fast);
    guest_memory_unmap(&h->memory, (ppn_t){RAM_BYTES >> PAGE_SHIFT},
                       (HARNESS_BYTES - RAM_BYTES) >> PAGE_SHIFT);
    return h;
}

/* The same program in another way, with the same result. */
static void compare_one(struct harness *h, enum slicing slicing, enum harness_mode mode, uint64_t seed,
                        const uint8_t *code, const struct result *want)
{
    load(h, mode, seed, code);
    struct result got = run(h, slicing, seed);
    cr_expect(got.hash == want->hash && got.clock == want->clock && got.instructions == want->instructions &&
                  got.io == want->io,
              "mode %u seed %llx slicing %u: rip %llx clock %llu insns %llu, want %llx %llu %llu", mode,
              (unsigned long long)seed, slicing, (unsigned long long)got.rip, (unsigned long long)got.clock,
              (unsigned long long)got.instructions, (unsigned long long)want->rip,
              (unsigned long long)want->clock, (unsigned long long)want->instructions);
}

static void compare_by(enum harness_mode mode, bool timed)
{
    const struct translator_config config = {.threshold = 1};
    struct harness *reference = create(mode, false, timed), *fast = create(mode, true, timed);
    struct harness *translated = timed && translator_supported() ? create(mode, true, timed) : NULL;
    struct translator *translator = NULL;
    struct random r = {UINT64_C(0x123456789) + mode};
    struct error err;
    uint64_t instructions = 0;
    if (translated != NULL)
        cr_assert_eq(translator_create(&translator, translated->cpu, &config, &err), STATUS_OK);
    for (unsigned n = 0; n < PROGRAMS; n++) {
        uint64_t seed = random_next(&r) | 1;
        uint8_t code[PROGRAM_BYTES];
        random_program(&r, reference, code);
        load(reference, mode, seed, code);
        struct result want = run(reference, WHOLE, seed);
        instructions += want.instructions;
        for (unsigned slicing = WHOLE; slicing <= SLICES_AND_DROPS; slicing++) {
            compare_one(fast, slicing, mode, seed, code, &want);
            if (slicing != WHOLE)
                compare_one(reference, slicing, mode, seed, code, &want);
            if (translated != NULL)
                compare_one(translated, slicing, mode, seed, code, &want);
        }
    }
    cr_expect_gt(instructions, PROGRAMS * (timed ? 60 : 200),
                 "programs too short to mean anything: %llu instructions", (unsigned long long)instructions);
    translator_destroy(translator);
    harness_destroy(reference);
    harness_destroy(fast);
    if (translated != NULL)
        harness_destroy(translated);
}

/* As it is, and with a cache model; in the latter with the translator, too, whose own tests are elsewhere. */
static void compare(enum harness_mode mode)
{
    compare_by(mode, false);
    compare_by(mode, true);
}

Test(engine, real_mode, .timeout = 120)
{
    compare(HARNESS_16);
}

Test(engine, protected_mode, .timeout = 120)
{
    compare(HARNESS_32);
}

Test(engine, protected_mode_user, .timeout = 120)
{
    compare(HARNESS_32_USER);
}

Test(engine, long_mode, .timeout = 120)
{
    compare(HARNESS_64);
}

Test(engine, long_mode_user, .timeout = 120)
{
    compare(HARNESS_64_USER);
}
