/* Calls, returns and indirect jumps, translated against interpreted: random programs of functions that call
 * each other directly, through registers and tables, jump into each other, return to where nobody called
 * from, drop return addresses, write each other's code. They lie over several pages, in two versions between
 * which the page tables choose, page by page, while they run; now as user, now as supervisor, with the same
 * translator. Wherever both engines are stopped, state and memory are equal. */
#include "binxlate/translator.h"
#include "cpu/cpu_priv.h"
#include "tests/cpu/harness.h"
#include "tests/cpu/random.h"

#include <criterion/criterion.h>
#include <string.h>

enum {
    PROGRAMS = 120,
    RUNS = 8, /* of a program */
    RUN_CYCLES = 30000,
    CODE = 2 << 20, /* linear; the first of CODE_PAGES */
    CODE_PAGES = 3,
    CODE_BYTES = CODE_PAGES * PAGE_SIZE,
    VERSION = 4 << 20, /* physical, of two copies one behind the other */
    PAGE_TABLE = 0x20000,
    TABLE = 0x21000, /* of functions, for indirect jumps */
    TABLE_WORDS = 8,
    STACK = 0x40000, /* below and above it: the address of the last function */
    STACK_HALF = 0x4000,
    FUNCTIONS = 40,
    FUNCTION_BYTES = 288, /* so that some cross pages */
    PIECES_MAX = 7,
    FUEL = 400, /* calls in a run */
};

struct program {
    uint8_t bytes[2][CODE_BYTES];
    unsigned at;      /* where the next byte goes */
    unsigned version; /* of the copy */
    bool wide;
    uint16_t start[FUNCTIONS]; /* the last one is HLT */
};

static void put(struct program *p, unsigned byte)
{
    p->bytes[p->version][p->at++] = (uint8_t)byte;
}

static void put32(struct program *p, uint32_t value)
{
    for (unsigned n = 0; n < 4; n++)
        put(p, value >> 8 * n & 0xFF);
}

static uint32_t some_function(const struct program *p, struct random *r)
{
    return CODE + p->start[random_below(r, FUNCTIONS - 1)];
}

/* call or jmp, relative */
static void put_direct(struct program *p, unsigned opcode, uint32_t target)
{
    put(p, opcode);
    put32(p, target - (CODE + p->at + 4));
}

/* Of an opcode FF: through EBX, or through the table by three bits of EAX. */
static void put_indirect(struct program *p, struct random *r, unsigned extension)
{
    if (random_below(r, 2) == 0) {
        put(p, 0xBB), put32(p, some_function(p, r)); /* mov ebx, function */
        if (random_below(r, 200) == 0)
            put(p, 0xBB), put32(p, (uint32_t)random_below(r, 4)); /* what is in empty slots, perhaps */
        else if (p->wide && random_below(r, 200) == 0)
            put(p, 0x48), put(p, 0x0F), put(p, 0xCB); /* bswap rbx: not canonical */
        put(p, 0xFF), put(p, 0xC3 | extension << 3);
        return;
    }
    put(p, 0x89), put(p, 0xC6);               /* mov esi, eax */
    put(p, 0x83), put(p, 0xE6), put(p, 7);    /* and esi, 7 */
    put(p, 0xFF), put(p, 4 | extension << 3); /* [esi * 4 or 8 + TABLE] */
    put(p, (p->wide ? 3u : 2u) << 6 | RSI << 3 | 5);
    put32(p, TABLE);
}

enum { EXT_CALL = 2, EXT_JMP = 4 };

static void put_piece(struct program *p, struct random *r)
{
    switch (random_below(r, 12)) {
    case 0:
    case 1:
    case 2:
    case 3: put_direct(p, 0xE8, some_function(p, r)); break;
    case 4:
    case 5:
    case 6: put_indirect(p, r, EXT_CALL); break;
    case 7: put(p, 0x11), put(p, 0xC2); break; /* adc edx, eax */
    case 8: put(p, 0x50), put(p, 0x5F); break; /* push eax; pop edi */
    case 9:
        put(p, 0xA8), put(p, 4), put(p, 0x74), put(p, 5); /* test al, 4; jz over a call */
        put_direct(p, 0xE8, some_function(p, r));
        break;
    case 10: /* another function's constant: mov byte [there], imm8 */
        if (random_below(r, 4) != 0)
            break;
        put(p, 0xC6), put(p, 0x04), put(p, 0x25), put32(p, some_function(p, r) + 1);
        put(p, (unsigned)random_below(r, 256));
        break;
    case 11:
        if (random_below(r, 4) == 0)
            put(p, 0x53), put(p, 0x0F), put(p, 0xA2), put(p, 0x5B); /* push ebx; cpuid; pop ebx */
        break;
    }
}

/* Mostly a return, and mostly to the caller. */
static void put_end(struct program *p, struct random *r)
{
    switch (random_below(r, 16)) {
    case 0: put_direct(p, 0xE9, some_function(p, r)); break;
    case 1: put_indirect(p, r, EXT_JMP); break;
    case 2: put(p, 0x68), put32(p, some_function(p, r)), put(p, 0xC3); break; /* push function; ret */
    case 3: /* mov dword [esp], function; ret */
        put(p, 0xC7), put(p, 0x04), put(p, 0x24), put32(p, some_function(p, r));
        put(p, 0xC3);
        break;
    case 4: put(p, 0x59), put(p, 0xC3); break;               /* pop ecx; ret */
    case 5: put(p, 0xC2), put(p, 8), put(p, 0); break;       /* ret 8 */
    case 6: put(p, 0x59), put(p, 0xFF), put(p, 0xE1); break; /* pop ecx; jmp ecx */
    default: put(p, 0xC3); break;
    }
}

/* add eax, constant; sub ebp, 1; jle to the end */
static void put_function(struct program *p, struct random *r, unsigned n)
{
    p->at = p->start[n];
    put(p, 0x05), put32(p, (uint32_t)random_next(r));
    put(p, 0x83), put(p, 0xED), put(p, 1);
    put(p, 0x7E), put(p, 0);
    unsigned from = p->at;
    for (unsigned pieces = (unsigned)random_below(r, PIECES_MAX); pieces > 0; pieces--)
        put_piece(p, r);
    p->bytes[p->version][from - 1] = (uint8_t)(p->at - from);
    put_end(p, r);
    cr_assert(p->at <= p->start[n] + FUNCTION_BYTES / 2u);
}

static void random_program(struct random *r, bool wide, struct program *p)
{
    memset(p, 0, sizeof *p);
    p->wide = wide;
    for (unsigned n = 0; n < FUNCTIONS; n++)
        p->start[n] = (uint16_t)(n * FUNCTION_BYTES + random_below(r, FUNCTION_BYTES / 2));
    for (p->version = 0; p->version < 2; p->version++) {
        memset(p->bytes[p->version], 0xF4, CODE_BYTES);
        for (unsigned n = 0; n < FUNCTIONS - 1; n++)
            put_function(p, r, n);
    }
}
_Static_assert(FUNCTIONS *FUNCTION_BYTES <= CODE_BYTES && 2 * PIECES_MAX * 16 < FUNCTION_BYTES, "they fit");

/* ---- Running it ---- */

static void poke_word(struct harness *h, uint64_t at, uint64_t value, unsigned size)
{
    harness_poke(h, at, &value, size);
}

static void map_page(struct harness *h, unsigned page, unsigned version)
{
    uint64_t phys = VERSION + version * CODE_BYTES + page * PAGE_SIZE;
    poke_word(h, PAGE_TABLE + 8 * (CODE / PAGE_SIZE % 512 + page), phys | 7, 8);
}

/* Pages of 4 KB where the code is; in 32-bit mode, PAE. */
static void map_code(struct harness *h, bool wide)
{
    struct cpu_state *s = &h->cpu->s;
    uint64_t pdpt = HARNESS_TABLES + PAGE_SIZE, pd = pdpt + PAGE_SIZE;
    poke_word(h, pd + 8 * (CODE >> 21), PAGE_TABLE | 7, 8);
    for (unsigned page = 0; page < CODE_PAGES; page++)
        map_page(h, page, 0);
    if (wide)
        return;
    s->cr3 = pdpt;
    s->cr4 |= CR4_PAE;
    s->cr0 |= CR0_PG | CR0_WP;
    s->pdpte[0] = pd | 1;
}

static void load(struct harness *h, const struct program *p, bool user, uint64_t seed)
{
    static const enum harness_mode modes[2][2] = {{HARNESS_32, HARNESS_32_USER},
                                                  {HARNESS_64, HARNESS_64_USER}};
    struct random r = {seed};
    struct cpu_state *s = &h->cpu->s;
    uint64_t clock = s->clock, instructions = s->instructions;
    unsigned word = p->wide ? 8 : 4;
    harness_reset(h, modes[p->wide][user]);
    map_code(h, p->wide);
    s->clock = clock;
    s->instructions = instructions;
    harness_poke(h, VERSION, p->bytes, sizeof p->bytes);
    for (unsigned n = 0; n < TABLE_WORDS; n++)
        poke_word(h, TABLE + n * word, some_function(p, &r), word);
    for (unsigned at = STACK - STACK_HALF; at < STACK + STACK_HALF; at += word)
        poke_word(h, at, CODE + p->start[FUNCTIONS - 1], word);
    for (unsigned n = 0; n < 8; n++)
        s->gpr[n] = (uint32_t)random_next(&r);
    s->gpr[RSP] = STACK - (random_below(&r, 2) ? 0 : 8 + word);
    s->gpr[RBP] = FUEL;
    s->rip = some_function(p, &r);
    cpu_state_changed(h->cpu);
    tlb_flush(&h->cpu->tlb);
}

struct pair {
    struct harness *reference, *translated;
};

static void expect_equal(const struct pair *pair, unsigned n)
{
    static uint8_t want[2 * STACK_HALF], got[2 * STACK_HALF];
    static uint8_t code[2][2 * CODE_BYTES];
    const struct cpu_state *a = &pair->reference->cpu->s, *b = &pair->translated->cpu->s;
    harness_peek(pair->reference, STACK - STACK_HALF, want, sizeof want);
    harness_peek(pair->translated, STACK - STACK_HALF, got, sizeof got);
    harness_peek(pair->reference, VERSION, code[0], sizeof code[0]);
    harness_peek(pair->translated, VERSION, code[1], sizeof code[1]);
    cr_assert(memcmp(a, b, sizeof *a) == 0 && memcmp(want, got, sizeof want) == 0 &&
                  memcmp(code[0], code[1], sizeof code[0]) == 0,
              "program %u: clock %llu %llu, rip %llx %llx, rsp %llx %llx, rax %llx %llx", n,
              (unsigned long long)a->clock, (unsigned long long)b->clock, (unsigned long long)a->rip,
              (unsigned long long)b->rip, (unsigned long long)a->gpr[RSP], (unsigned long long)b->gpr[RSP],
              (unsigned long long)a->gpr[RAX], (unsigned long long)b->gpr[RAX]);
}

/* What both sides see, or neither. */
static void disturb(const struct pair *pair, struct random *r)
{
    struct harness *side[2] = {pair->reference, pair->translated};
    unsigned page = (unsigned)random_below(r, CODE_PAGES), version = (unsigned)random_below(r, 2);
    uint64_t what = random_below(r, 64);
    for (unsigned n = 0; n < 2; n++) {
        if (what < 8)
            map_page(side[n], page, version);
        if (what < 6)
            tlb_flush_page(&side[n]->cpu->tlb, CODE + page * PAGE_SIZE);
        else if (what < 10)
            tlb_flush(&side[n]->cpu->tlb);
    }
    if (what == 10)
        cpu_drop_caches(pair->translated->cpu);
}

static void run(const struct pair *pair, unsigned n, struct random *r)
{
    struct cpu *a = pair->reference->cpu, *b = pair->translated->cpu;
    cycle_t end = a->s.clock + RUN_CYCLES;
    unsigned longest = random_below(r, 2) ? 60 : 2000;
    while (a->s.clock < end) {
        cycle_t until = a->s.clock + 1 + random_below(r, longest);
        enum cpu_stop stop = cpu_run(a, until);
        cr_assert_eq(cpu_run(b, until), stop);
        expect_equal(pair, n);
        if (stop != CPU_STOP_DEADLINE)
            return;
        disturb(pair, r);
    }
}

static void compare(bool wide, bool timed, uint32_t off)
{
    enum harness_mode mode = wide ? HARNESS_64 : HARNESS_32;
    struct harness *(*create)(const char *, enum harness_mode, bool) =
        timed ? harness_create_timed : harness_create;
    struct pair pair = {create("x86-64-v2", mode, true), create("x86-64-v2", mode, true)};
    struct translator_config config = {.threshold = 1, .code_bytes = 1 << 20, .off = off};
    struct translator *t;
    struct error err;
    struct random r = {UINT64_C(0xCA115) + wide};
    pair.translated->log.mask = LOG_JIT_STATS;
    cr_assert_eq(translator_create(&t, pair.translated->cpu, &config, &err), STATUS_OK);
    for (unsigned n = 0; n < PROGRAMS; n++) {
        static struct program p;
        random_program(&r, wide, &p);
        for (unsigned i = 0; i < RUNS; i++) {
            uint64_t seed = random_next(&r) | 1;
            bool user = random_below(&r, 2) != 0;
            load(pair.reference, &p, user, seed);
            load(pair.translated, &p, user, seed);
            run(&pair, n, &r);
        }
    }
    /* Else little of it would have been tried. */
    uint64_t indirect = translator_count(t, COUNT_INDIRECT), other = translator_count(t, COUNT_NOT_RECENT);
    uint64_t guessed = translator_count(t, COUNT_GUESSED);
    bool recent = (off >> PATH_RECENT & 1) == 0, guess = (off >> PATH_GUESS & 1) == 0 && !timed;
    cr_expect(indirect > 500 * PROGRAMS && (other > 0) == recent && other <= indirect / 4 &&
                  (guessed > 10 * PROGRAMS) == guess,
              "%llu indirect, %llu not recent, %llu guessed", (unsigned long long)indirect,
              (unsigned long long)other, (unsigned long long)guessed);
    translator_destroy(t);
    harness_destroy(pair.reference);
    harness_destroy(pair.translated);
}

Test(indirect, protected_mode, .timeout = 120)
{
    if (translator_supported())
        compare(false, false, 0);
}

Test(indirect, long_mode, .timeout = 120)
{
    if (translator_supported())
        compare(true, false, 0);
}

Test(indirect, without_recent_targets, .timeout = 120)
{
    if (translator_supported())
        compare(true, false, 1u << PATH_RECENT);
}

Test(indirect, without_guesses, .timeout = 120)
{
    if (translator_supported())
        compare(true, false, 1u << PATH_GUESS);
}

Test(indirect, modelled_caches, .timeout = 120)
{
    if (!translator_supported())
        return;
    compare(false, true, 0);
    compare(true, true, 0);
}
