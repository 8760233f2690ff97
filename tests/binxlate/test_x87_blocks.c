/* x87 in translated code against the interpreter: random programs of x87 instructions, with some integer
 * instructions and short jumps between them, give the same state and memory wherever both are stopped, with
 * caches dropped at odd moments. Values, rounding, masks and stack faults are random; when a
 * program stops, as #MF makes it, both engines go on elsewhere in it. */
#include "binxlate/translator.h"
#include "cpu/cpu_priv.h"
#include "cpu/exec.h"
#include "tests/cpu/harness.h"
#include "tests/cpu/random.h"

#include <criterion/criterion.h>
#include <string.h>

enum {
    PROGRAMS = 150,
    PROGRAM_BYTES = 400,
    CODE_AT = 0xAE80, /* straddles a page */
    DATA_AT = 0x10000,
    DATA_BYTES = 2 * PAGE_SIZE,
    WORDS_AT = 0x80, /* control words, in the data */
    WORDS = 16,
    ROUNDS = 8, /* of the program's loop */
    RUN_CYCLES = 40000,
    STOPS = 6,
};

/* ---- Programs ---- */

struct program {
    uint8_t bytes[PROGRAM_BYTES];
    unsigned size;
    uint16_t starts[PROGRAM_BYTES], count; /* of instructions */
};

static void put(struct program *p, const void *bytes, unsigned size)
{
    p->starts[p->count++] = (uint16_t)p->size;
    memcpy(p->bytes + p->size, bytes, size);
    p->size += size;
}

/* In the data, some across the end of its first page. */
static int32_t random_displacement(struct random *r, bool word)
{
    int32_t disp = (int32_t)random_below(r, DATA_BYTES - 128);
    if (random_below(r, 4))
        disp &= ~15;
    if (random_below(r, 16) == 0)
        disp = PAGE_SIZE - 1 - (int32_t)random_below(r, 12);
    if (random_below(r, 3) == 0) /* close together */
        disp = 0x200 + (disp & 0x78);
    if (word)
        disp = WORDS_AT + 2 * (int32_t)random_below(r, WORDS);
    return disp;
}

/* [rbx + disp32], or [rbp + disp32], which is in SS. */
static unsigned put_operand(struct random *r, uint8_t *at, unsigned extension, int32_t disp)
{
    at[0] = (uint8_t)(0x80 | extension << 3 | (random_below(r, 3) ? 3 : 5));
    memcpy(at + 1, &disp, 4);
    return 5;
}

/* [r10 + r11 + disp32], both of which the translator keeps in memory. */
static unsigned put_indexed(uint8_t *at, unsigned extension, int32_t disp)
{
    at[0] = (uint8_t)(0x84 | extension << 3);
    at[1] = 3 << 3 | 2;
    memcpy(at + 2, &disp, 4);
    return 6;
}

/* Instructions that empty or replace the whole state are rare; FLDCW loads one of the control words. */
static unsigned random_x87(struct random *r, const struct harness *h, uint8_t bytes[16])
{
    for (;;) {
        struct insn insn;
        unsigned extension = random_below(r, 8), size = 1;
        unsigned opcode = 0xD8 | random_below(r, 8);
        bool wide = (h->cpu->mode & MODE_CODE_MASK) == MODE_CODE64 && random_below(r, 3) == 0;
        memset(bytes, 0, 16);
        if (wide)
            bytes[size++ - 1] = 0x43; /* REX.XB */
        bytes[size - 1] = (uint8_t)opcode;
        int32_t disp = random_displacement(r, opcode == 0xD9 && extension == 5);
        if (wide)
            size += put_indexed(bytes + size, extension, disp);
        else if (random_below(r, 2))
            size += put_operand(r, bytes + size, extension, disp);
        else
            bytes[size++] = (uint8_t)(0xC0 | random_next(r));
        if (!insn_decode(h->cpu->tables, h->cpu->mode, bytes, 15, &insn) || insn.row == 0)
            continue;
        const struct insn_row *row = &insn_rows[insn.row];
        bool rare = row->cost == COST_FPU_STATE || insn.exec == exec_fninit || insn.exec == exec_ffree ||
                    insn.exec == exec_fincstp || insn.exec == exec_fdecstp;
        if ((row->attr & (ATTR_FPU | ATTR_FPU_NOWAIT)) != 0 && (!rare || random_below(r, 16) == 0))
            return size;
    }
}

static void random_program(struct random *r, const struct harness *h, struct program *p)
{
    static const struct {
        uint8_t size, bytes[6];
    } others[] = {
        {1, {0x9E}},                               /* sahf */
        {1, {0x9B}},                               /* fwait */
        {3, {0x83, 0xC2, 0x7F}},                   /* add edx, 127 */
        {6, {0x03, 0x93, 0x40, 0x01, 0x00, 0x00}}, /* add edx, [rbx + 0x140] */
        {6, {0x03, 0x93, 0x40, 0x02, 0x00, 0x00}}, /* add edx, [rbx + 0x240] */
        {6, {0x03, 0x95, 0x48, 0x01, 0x00, 0x00}}, /* add edx, [rbp + 0x148] */
        {6, {0x03, 0x95, 0x48, 0x02, 0x00, 0x00}}, /* add edx, [rbp + 0x248] */
        {6, {0x89, 0x95, 0x4C, 0x02, 0x00, 0x00}}, /* mov [rbp + 0x24C], edx */
        {2, {0x8C, 0xD8}},                         /* mov eax, ds */
        {2, {0x01, 0xD0}},                         /* add eax, edx */
    };
    p->size = p->count = 0;
    while (p->size < PROGRAM_BYTES - 40) {
        uint8_t bytes[16];
        unsigned n = random_below(r, 24), again = random_below(r, 3), size = random_x87(r, h, bytes);
        for (; n < ARRAY_LEN(others) && again > 0; again--, n = random_below(r, ARRAY_LEN(others)))
            put(p, others[n].bytes, others[n].size);
        if (random_below(r, 12) == 0) /* a conditional jump over the next instruction */
            put(p, (uint8_t[]){(uint8_t)(0x70 | random_below(r, 16)), (uint8_t)size}, 2);
        put(p, bytes, size);
    }
    int32_t back = -(int32_t)(p->size + 8);
    uint8_t end[] = {0xFF, 0xC9, 0x0F, 0x85, 0, 0, 0, 0, 0xF4}; /* dec ecx; jnz start; hlt */
    memcpy(end + 4, &back, 4);
    put(p, end, sizeof end);
}

/* ---- State ---- */

/* Of one size or the other, near 1 or extreme, or anything. */
static void random_value(struct random *r, uint8_t value[16])
{
    uint64_t low = random_next(r), high = random_next(r);
    unsigned near = 120 - random_below(r, 240);
    switch (random_below(r, 8)) {
    case 0:
    case 1: /* extended */
        low |= UINT64_C(1) << 63;
        high = (high & 0x8000) | ((0x3FFF + near) & 0x7FFF);
        break;
    case 2: /* double */ low = (low & 0x800FFFFFFFFFFFFF) | (uint64_t)((0x3FF + near) & 0x7FF) << 52; break;
    case 3: /* single */ low = (low & 0x807FFFFF) | (uint64_t)((0x7F + near) & 0xFF) << 23; break;
    case 4: /* integer */ low = (uint64_t)((int64_t)low >> random_below(r, 64)); break;
    case 5: /* zero, infinity, NaN, denormal */
        low = random_below(r, 2) ? 0 : low >> random_below(r, 64);
        high = (high & 0x8000) | (random_below(r, 2) ? 0x7FFF : 0);
        break;
    case 6: low = random_below(r, 2) ? 0x7FF0000000000000 : 0x7F800000; break;
    default: break;
    }
    memcpy(value, &low, 8);
    memcpy(value + 8, &high, 8);
}

static uint16_t random_control(struct random *r)
{
    uint16_t word = (uint16_t)(random_next(r) | 0x3F);
    if (random_below(r, 10) == 0)
        word ^= (uint16_t)(1 << random_below(r, 6));
    return word;
}

/* The same registers and memory for both engines. */
static void load(struct harness *h, enum harness_mode mode, uint64_t seed, const struct program *p)
{
    struct random r = {seed};
    struct cpu_state *s = &h->cpu->s;
    cpu_drop_caches(h->cpu);
    harness_reset(h, mode);
    s->clock = s->instructions = 0;
    s->tsc_offset = 0;
    if (mode == HARNESS_32)
        s->cr4 = 0; /* no CR4.OSFXSR, as an old kernel leaves it: x87 is there all the same */
    s->seg[DS].selector = 0x1234;
    s->gpr[RBX] = s->gpr[RBP] = DATA_AT;
    s->gpr[R10] = DATA_AT - 0x40;
    s->gpr[R11] = 0x40;
    s->gpr[RCX] = ROUNDS;
    s->gpr[RDX] = (uint32_t)random_next(&r);
    s->x87.control = (random_control(&r) & 0x1F3F) | 0x40;
    s->x87.status = (uint16_t)(random_next(&r) & 0x7F7F & ~(unsigned)(~s->x87.control & 0x3F));
    s->x87.valid = (uint8_t)random_next(&r);
    for (unsigned at = 0; at < DATA_BYTES; at += 16) {
        uint8_t value[16];
        random_value(&r, value);
        harness_poke(h, DATA_AT + at, value, sizeof value);
        if (at < 8 * 16) {
            memcpy(&s->x87.significand[at / 16], value, 8);
            memcpy(&s->x87.sign_exp[at / 16], value + 8, 2);
        }
    }
    for (unsigned n = 0; n < WORDS; n++) {
        uint16_t word = random_control(&r);
        harness_poke(h, DATA_AT + WORDS_AT + 2 * n, &word, 2);
    }
    harness_poke(h, CODE_AT, p->bytes, p->size);
    s->rip = CODE_AT;
    cpu_state_changed(h->cpu);
}

/* Both engines. */
struct pair {
    struct harness *reference, *translated;
};

static void expect_equal(const struct pair *pair, const char *what, unsigned n)
{
    static uint8_t want[DATA_BYTES], got[DATA_BYTES];
    const struct cpu_state *s = &pair->reference->cpu->s, *t = &pair->translated->cpu->s;
    const struct x87_state *a = &s->x87, *b = &t->x87;
    harness_peek(pair->reference, DATA_AT, want, DATA_BYTES);
    harness_peek(pair->translated, DATA_AT, got, DATA_BYTES);
    bool same_data = memcmp(want, got, DATA_BYTES) == 0;
    cr_assert(memcmp(s, t, sizeof *s) == 0 && same_data,
              "%s, program %u: clock %llu %llu, rip %llx %llx, status %x %x, control %x %x, valid %x %x, "
              "opcode %x %x, ip %llx %llx, dp %llx %llx, cs %x %x, ds %x %x, memory %s",
              what, n, (unsigned long long)s->clock, (unsigned long long)t->clock, (unsigned long long)s->rip,
              (unsigned long long)t->rip, a->status, b->status, a->control, b->control, a->valid, b->valid,
              a->opcode, b->opcode, (unsigned long long)a->ip, (unsigned long long)b->ip,
              (unsigned long long)a->dp, (unsigned long long)b->dp, a->cs, b->cs, a->ds, b->ds,
              same_data ? "equal" : "not");
}

/* After a stop: go on at the start, or somewhere else. */
static void restart(struct harness *h, const struct cpu_state *first, uint64_t rip)
{
    struct cpu_state *s = &h->cpu->s;
    memcpy(s->seg, first->seg, sizeof s->seg);
    s->gpr[RSP] = first->gpr[RSP];
    s->gpr[RCX] = ROUNDS;
    s->rip = rip;
    s->x87.control |= 0x3F;
    s->x87.status &= 0x7F7F;
    s->activity = ACTIVITY_RUNNING;
    cpu_state_changed(h->cpu);
}

/* Both engines, compared where either stops: at the end of each slice, and in a fault handler. */
static void run(const struct pair *pair, const struct program *p, bool slices, unsigned n, uint64_t seed)
{
    struct random r = {seed};
    struct cpu *reference = pair->reference->cpu, *translated = pair->translated->cpu;
    const struct cpu_state first = reference->s;
    for (unsigned stops = 0; stops < STOPS && reference->s.clock < RUN_CYCLES;) {
        uint64_t until = slices ? reference->s.clock + 1 + random_below(&r, 1500) : RUN_CYCLES;
        enum cpu_stop stop = cpu_run(reference, until);
        cr_assert_eq(cpu_run(translated, until), stop);
        expect_equal(pair, slices ? "in slices" : "in one run", n);
        if (slices && random_below(&r, 3) == 0)
            cpu_drop_caches(translated);
        if (stop != CPU_STOP_DEADLINE) {
            uint64_t rip = CODE_AT + p->starts[stops & 1 ? 0 : random_below(&r, p->count)];
            restart(pair->reference, &first, rip);
            restart(pair->translated, &first, rip);
            stops++;
        }
    }
}

static void compare(enum harness_mode mode)
{
    struct pair pair = {harness_create("x86-64-v2", mode, true), harness_create("x86-64-v2", mode, true)};
    struct translator_config config = {.threshold = 1, .code_bytes = 4 << 20};
    struct translator *t;
    struct error err;
    struct random r = {UINT64_C(0xB10C5) + mode};
    uint64_t instructions = 0;
    cr_assert_eq(translator_create(&t, pair.translated->cpu, &config, &err), STATUS_OK);
    for (unsigned n = 0; n < PROGRAMS; n++) {
        struct program p;
        uint64_t seed = random_next(&r) | 1;
        random_program(&r, pair.reference, &p);
        for (unsigned slices = 0; slices < 2; slices++) {
            load(pair.reference, mode, seed, &p);
            load(pair.translated, mode, seed, &p);
            run(&pair, &p, slices != 0, n, seed);
            instructions += pair.reference->cpu->s.instructions;
        }
    }
    /* Else it would have been the interpreter against itself. */
    uint64_t slow = translator_count(t, COUNT_SLOW), loads = translator_count(t, COUNT_X87);
    cr_expect(translator_count(t, COUNT_X87_DIFFERS) != 0 || (loads > PROGRAMS && slow < instructions / 4),
              "%llu instructions, %llu loads, %llu slow", (unsigned long long)instructions,
              (unsigned long long)loads, (unsigned long long)slow);
    translator_destroy(t);
    harness_destroy(pair.reference);
    harness_destroy(pair.translated);
}

Test(x87_blocks, protected_mode, .timeout = 120)
{
    if (translator_supported())
        compare(HARNESS_32);
}

Test(x87_blocks, long_mode_user, .timeout = 120)
{
    if (translator_supported())
        compare(HARNESS_64_USER);
}
