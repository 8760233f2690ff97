/* Loops that walk over memory, translated against interpreted: the translator repeats such a loop and makes
 * one check for the accesses of all copies. Random loops of plain instructions, with and without index
 * registers, steps up and down, accesses that share with nothing, instructions that leave host code; at the
 * end of memory, so that many run over it (into a device, or a page fault) in any copy. Wherever both engines
 * are stopped, state and memory are equal. */
#include "binxlate/translator.h"
#include "cpu/cpu_priv.h"
#include "tests/cpu/harness.h"
#include "tests/cpu/random.h"

#include <criterion/criterion.h>
#include <string.h>

enum {
    PROGRAMS = 1500,
    PROGRAM_BYTES = 256,
    PIECES_MAX = 10,
    TURNS = 120, /* of a loop, at most */
    RUNS = 3,    /* of a program */
    RUN_CYCLES = 20000,
    DATA_BYTES = 8 * PAGE_SIZE,
    DATA_AT = HARNESS_BYTES - DATA_BYTES,
};

struct program {
    uint8_t bytes[PROGRAM_BYTES];
    unsigned size;
    bool wide;
};

static void put(struct program *p, unsigned byte)
{
    cr_assert(p->size < PROGRAM_BYTES);
    p->bytes[p->size++] = (uint8_t)byte;
}

static unsigned one_of(struct random *r, const uint8_t *from, unsigned count)
{
    return from[random_below(r, count)];
}
#define ONE_OF(r, ...) one_of(r, (const uint8_t[]){__VA_ARGS__}, sizeof(const uint8_t[]){__VA_ARGS__})

static unsigned pointer(struct random *r)
{
    return ONE_OF(r, RSI, RDI, RBX);
}

/* ModRM, perhaps SIB, and a displacement that is often a multiple of 16. */
static void put_operand(struct program *p, struct random *r, unsigned reg)
{
    bool indexed = random_below(r, 3) == 0;
    put(p, 0x40 | reg << 3 | (indexed ? RSP : pointer(r)));
    if (indexed)
        put(p, (unsigned)random_below(r, 4) << 6 | RBP << 3 | pointer(r));
    put(p, (unsigned)random_below(r, 256) & (random_below(r, 2) ? 0xF0 : 0xFC));
}

/* add or sub, or lea */
static void put_step(struct program *p, struct random *r)
{
    unsigned reg = ONE_OF(r, RSI, RDI, RBX, RBP), by = ONE_OF(r, 1, 4, 4, 8, 8, 16, 32, 64);
    if (p->wide && random_below(r, 8) != 0)
        put(p, 0x48);
    if (random_below(r, 4) == 0) {
        put(p, 0x8D);
        put(p, 0x40 | reg << 3 | reg);
    } else {
        put(p, 0x83);
        put(p, 0xC0 | (random_below(r, 3) ? 0 : 5) << 3 | reg);
    }
    put(p, reg == RBP ? by & 7 : by);
}

static void put_piece(struct program *p, struct random *r)
{
    switch (random_below(r, 16)) {
    case 0:
    case 1:
    case 2: put_step(p, r); return;
    case 3: /* movups, movaps: load or store */
        put(p, 0x0F);
        put(p, ONE_OF(r, 0x10, 0x11, 0x10, 0x11, 0x28, 0x29));
        break;
    case 4: put(p, 0x66), put(p, 0x0F), put(p, ONE_OF(r, 0xFE, 0xEF)); break; /* paddd, pxor */
    case 5: put(p, 0x0F), put(p, ONE_OF(r, 0xB6, 0xB7)); break;               /* movzx */
    case 6: put(p, ONE_OF(r, 0x88, 0x00, 0x30)); break;                       /* bytes */
    case 7: put(p, 0x50 | ONE_OF(r, RAX, RDX)), put(p, 0x58 | ONE_OF(r, RAX, RDX)); return;
    case 8: /* out 80, al; mov esi, edi; xor ebp, ebp */
        if (random_below(r, 3) == 0)
            put(p, ONE_OF(r, 0xE6, 0x89, 0x31)), put(p, p->bytes[p->size - 1] == 0xE6   ? 0x80
                                                        : p->bytes[p->size - 1] == 0x89 ? 0xFE
                                                                                        : 0xED);
        return;
    default: put(p, ONE_OF(r, 0x8B, 0x8B, 0x89, 0x89, 0x03, 0x01, 0x13, 0x33, 0x3B, 0x39)); break;
    }
    put_operand(p, r, ONE_OF(r, RAX, RDX));
}

/* mov ecx, turns; loop: pieces; dec ecx; jnz loop; hlt */
static void random_program(struct random *r, bool wide, struct program *p)
{
    *p = (struct program){.wide = wide};
    put(p, 0xB9);
    put(p, 1 + (unsigned)random_below(r, TURNS));
    put(p, 0), put(p, 0), put(p, 0);
    unsigned loop = p->size;
    for (unsigned pieces = 1 + (unsigned)random_below(r, PIECES_MAX); pieces > 0; pieces--)
        put_piece(p, r);
    put(p, 0xFF), put(p, 0xC9);
    put(p, 0x75), put(p, loop - (p->size + 1));
    put(p, 0xF4);
}

static uint64_t random_place(struct random *r)
{
    uint64_t offset = random_below(r, DATA_BYTES - 0x400);
    return DATA_AT + 0x100 + (random_below(r, 2) ? offset & ~UINT64_C(15) : offset);
}

static void load(struct harness *h, enum harness_mode mode, uint64_t seed, const struct program *p)
{
    struct random r = {seed};
    struct cpu_state *s = &h->cpu->s;
    uint64_t clock = s->clock, instructions = s->instructions;
    harness_reset(h, mode);
    s->clock = clock;
    s->instructions = instructions;
    for (unsigned n = 0; n < GPR_COUNT; n++)
        if (n != RSP)
            s->gpr[n] = n == RBP ? random_below(&r, 64) : random_place(&r);
    s->gpr[RAX] = (uint32_t)random_next(&r);
    h->io_count = 0;
    harness_code(h, p->bytes, p->size);
    cpu_state_changed(h->cpu);
}

struct pair {
    struct harness *reference, *translated;
};

static void expect_equal(const struct pair *pair, unsigned n)
{
    static uint8_t want[DATA_BYTES], got[DATA_BYTES];
    const struct harness *a = pair->reference, *b = pair->translated;
    harness_peek(pair->reference, DATA_AT, want, DATA_BYTES);
    harness_peek(pair->translated, DATA_AT, got, DATA_BYTES);
    bool equal = memcmp(&a->cpu->s, &b->cpu->s, sizeof a->cpu->s) == 0 && a->io_count == b->io_count;
    cr_assert(equal && memcmp(want, got, DATA_BYTES) == 0,
              "program %u: clock %llu %llu, rip %llx %llx, rcx %llx %llx, io %u %u, memory %s", n,
              (unsigned long long)a->cpu->s.clock, (unsigned long long)b->cpu->s.clock,
              (unsigned long long)a->cpu->s.rip, (unsigned long long)b->cpu->s.rip,
              (unsigned long long)a->cpu->s.gpr[RCX], (unsigned long long)b->cpu->s.gpr[RCX], a->io_count,
              b->io_count, memcmp(want, got, DATA_BYTES) == 0 ? "equal" : "not");
}

static void run(const struct pair *pair, unsigned n, struct random *r)
{
    struct cpu *a = pair->reference->cpu, *b = pair->translated->cpu;
    cycle_t end = a->s.clock + RUN_CYCLES;
    unsigned longest = random_below(r, 2) ? 50 : 3000;
    while (a->s.clock < end) {
        cycle_t until = a->s.clock + 1 + random_below(r, longest);
        enum cpu_stop stop = cpu_run(a, until);
        cr_assert_eq(cpu_run(b, until), stop);
        expect_equal(pair, n);
        if (random_below(r, 64) == 0) {
            tlb_flush(&a->tlb);
            tlb_flush(&b->tlb);
        }
        if (random_below(r, 256) == 0)
            cpu_drop_caches(b);
        if (stop != CPU_STOP_DEADLINE)
            return;
    }
}

static void compare(enum harness_mode mode, uint32_t off)
{
    struct pair pair = {harness_create("x86-64-v2", mode, true), harness_create("x86-64-v2", mode, true)};
    struct translator_config config = {.threshold = 1, .code_bytes = 4 << 20, .off = off};
    struct translator *t;
    struct error err;
    struct random r = {UINT64_C(0x3A1C5) + mode};
    cr_assert_eq(translator_create(&t, pair.translated->cpu, &config, &err), STATUS_OK);
    for (unsigned n = 0; n < PROGRAMS; n++) {
        struct program p;
        random_program(&r, mode == HARNESS_64 || mode == HARNESS_64_USER, &p);
        for (unsigned i = 0; i < RUNS; i++) {
            uint64_t seed = random_next(&r) | 1;
            load(pair.reference, mode, seed, &p);
            load(pair.translated, mode, seed, &p);
            run(&pair, n, &r);
        }
    }
    /* Else it would have been the interpreter against itself. */
    uint64_t instructions = pair.reference->cpu->s.instructions, slow = translator_count(t, COUNT_SLOW);
    cr_expect(instructions > 100 * PROGRAMS && slow < instructions / 4 &&
                  translator_count(t, COUNT_UNITS) > PROGRAMS,
              "%llu instructions, %llu slow", (unsigned long long)instructions, (unsigned long long)slow);
    translator_destroy(t);
    harness_destroy(pair.reference);
    harness_destroy(pair.translated);
}

Test(walks, protected_mode, .timeout = 120)
{
    if (translator_supported())
        compare(HARNESS_32, 0);
}

Test(walks, long_mode, .timeout = 120)
{
    if (translator_supported())
        compare(HARNESS_64, 0);
}

/* User code has near pages. */
Test(walks, user_mode, .timeout = 240)
{
    if (!translator_supported())
        return;
    compare(HARNESS_32_USER, 0);
    compare(HARNESS_64_USER, 0);
}

Test(walks, without_near_pages, .timeout = 120)
{
    if (translator_supported())
        compare(HARNESS_64_USER, 1u << PATH_NEAR);
}
