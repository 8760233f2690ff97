/* System, string and division instructions in translated code against the interpreter: random programs at CPL
 * 0 with interrupts that come at odd moments, many behind STI, POPF and MOV SS. Wherever both engines are
 * stopped, the whole state and memory are equal. */
#include "binxlate/translator.h"
#include "cpu/cpu_priv.h"
#include "cpu/exec.h"
#include "tests/cpu/harness.h"
#include "tests/cpu/random.h"

#include <criterion/criterion.h>
#include <string.h>

enum {
    PROGRAMS = 200,
    PROGRAM_BYTES = 600,
    CODE_AT = 0xAE80, /* straddles a page */
    DATA_AT = 0x10000,
    DATA_BYTES = 2 * PAGE_SIZE,
    COUNTER_AT = 0x13000, /* of the program's loop */
    ROUNDS = 8,
    RUN_CYCLES = 60000,
    STOPS = 6,
    VECTOR = 0x40,
};

struct program {
    uint8_t bytes[PROGRAM_BYTES];
    unsigned size;
};

static void put(struct program *p, const void *bytes, unsigned size)
{
    memcpy(p->bytes + p->size, bytes, size);
    p->size += size;
}

/* opcode imm32 */
static void put_imm(struct program *p, uint8_t opcode, uint32_t value)
{
    put(p, &opcode, 1);
    put(p, &value, 4);
}

/* ---- Programs ---- */

struct piece {
    uint8_t size, bytes[29];
};

static const struct piece pieces[] = {
    {10, {0xFA, 0xFB, 0x90, 0xB8, 0x10, 0, 0, 0, 0x8E, 0xD0}}, /* cli; sti; nop; mov eax, DS0; mov ss, ax */
    {1, {0xEE}},                                               /* out dx, al: raises an interrupt */
    {2, {0xFB, 0xEE}},                                         /* sti; out dx, al */
    {6, {0xFA, 0xFB, 0x90, 0xEE, 0x90, 0x90}},                 /* cli; sti; nop; out dx, al; nop; nop */
    {1, {0xFA}},                                               /* cli */
    {1, {0xFB}},                                               /* sti */
    {1, {0xFB}},                                               /* again: it is what this is about */
    {2, {0xFA, 0xFB}},                                         /* cli; sti */
    {8, {0xB8, 0x10, 0, 0, 0, 0xFB, 0x8E, 0xD0}},              /* mov eax, DS0; sti; mov ss, ax */
    {7, {0xB8, 0x10, 0, 0, 0, 0x8E, 0xD0}},                    /* mov eax, DS0; mov ss, ax */
    {3, {0xFB, 0xF3, 0xA4}},                                   /* sti; rep movsb */
    {1, {0xFC}},                                               /* cld */
    {1, {0xFD}},                                               /* std */
    {2, {0x9C, 0x58}},                                         /* pushf; pop rax */
    {2, {0x9C, 0x9D}},                                         /* pushf; popf */
    {4, {0x9C, 0xFA, 0x9D, 0x90}},                             /* pushf; cli; popf; nop */
    {9, {0x81, 0xE2, 0xD7, 0x0E, 0, 0, 0x52, 0x9D, 0x90}},     /* and edx, flags; push rdx; popf; nop */
    {1, {0xAC}},                                               /* lodsb */
    {1, {0xAD}},                                               /* lodsd */
    {1, {0xAA}},                                               /* stosb */
    {1, {0xAB}},                                               /* stosd */
    {1, {0xA4}},                                               /* movsb */
    {1, {0xA5}},                                               /* movsd */
    {2, {0x66, 0xA5}},                                         /* movsw */
    {1, {0xAE}},                                               /* scasb */
    {1, {0xAF}},                                               /* scasd */
    {1, {0xA6}},                                               /* cmpsb */
    {1, {0xA7}},                                               /* cmpsd */
    {2, {0xF3, 0xA4}},                                         /* rep movsb */
    {2, {0xF3, 0xA5}},                                         /* rep movsd */
    {2, {0xF3, 0xAA}},                                         /* rep stosb */
    {2, {0xF3, 0xAB}},                                         /* rep stosd */
    {2, {0xF3, 0xA6}},                                         /* repe cmpsb */
    {2, {0x0F, 0x31}},                                         /* rdtsc */
    {2, {0x8C, 0xD8}},                                         /* mov eax, ds */
    {3, {0x0F, 0xA0, 0x58}},                                   /* push fs; pop rax */
    {3, {0x0F, 0x20, 0xC0}},                                   /* mov eax, cr0 */
    {3, {0x0F, 0x20, 0xD2}},                                   /* mov edx, cr2 */
    {3, {0x0F, 0x20, 0xE1}},                                   /* mov ecx, cr4 */
    {4, {0x31, 0xD2, 0xF7, 0xF1}},                             /* xor edx, edx; div ecx */
    {2, {0xF7, 0xF1}},                                         /* div ecx */
    {3, {0x99, 0xF7, 0xF9}},                                   /* cdq; idiv ecx */
    {2, {0xF7, 0x33}},                                         /* div dword [rbx] */
    {9, {0x81, 0xE2, 0xFF, 0x0F, 0, 0, 0x0F, 0xAB, 0x13}},     /* and edx, FFF; bts [rbx], edx */
    {9, {0x81, 0xE2, 0xFF, 0x0F, 0, 0, 0x0F, 0xA3, 0x13}},     /* and edx, FFF; bt [rbx], edx */
    {9, {0x81, 0xE2, 0xFF, 0x0F, 0, 0, 0x0F, 0xBB, 0x13}},     /* and edx, FFF; btc [rbx], edx */
    {3, {0x0F, 0xC7, 0x0B}},                                   /* cmpxchg8b [rbx] */
    {4, {0x6A, 0x55, 0x8F, 0x03}},                             /* push 55; pop [rbx] */
    {6, {0x6A, 0x55, 0x8F, 0x44, 0x24, 0xF0}},                 /* push 55; pop [rsp - 16] */
    {3, {0x0F, 0xAE, 0xE8}},                                   /* lfence */
    /* Instructions that load segments, or use those that may be bad, have three bytes, see `skip`. */
    {7, {0xB8, 0x10, 0, 0, 0, 0x8E, 0xD8}},                   /* mov eax, DS0; mov ds, eax */
    {7, {0xB8, 0x10, 0, 0, 0, 0x8E, 0xC0}},                   /* mov eax, DS0; mov es, eax */
    {7, {0xB8, 0x10, 0, 0, 0, 0x8E, 0xE0}},                   /* mov eax, DS0; mov fs, eax */
    {4, {0x6A, 0x10, 0x0F, 0xA9}},                            /* push DS0; pop gs */
    {5, {0x6A, 0x00, 0x3E, 0x0F, 0xA1}},                      /* push 0; pop fs */
    {8, {0xB8, 0x38, 0, 0, 0, 0x3E, 0x8E, 0xE8}},             /* mov eax, SPARE; mov gs, eax */
    {5, {0x6A, 0x38, 0x3E, 0x0F, 0xA1}},                      /* push SPARE; pop fs */
    {9, {0x66, 0xC7, 0x43, 0x60, 0x38, 0, 0x8E, 0x63, 0x60}}, /* mov [rbx + 60], SPARE; mov fs, [rbx + 60] */
    {3, {0x64, 0x8B, 0x03}},                                  /* mov eax, fs:[rbx] */
    {3, {0x65, 0x89, 0x03}},                                  /* mov gs:[rbx], eax */
    {7, {0x6A, 0x00, 0x0F, 0xA1, 0x64, 0x8B, 0x03}},          /* push 0; pop fs; mov eax, fs:[rbx] */
    {7, {0xC6, 0x83, 0x3D, 0x20, 0xFF, 0xFF, 0x93}},          /* SPARE: writable data */
    {7, {0xC6, 0x83, 0x3D, 0x20, 0xFF, 0xFF, 0x92}},          /* the same, not accessed yet */
    {7, {0xC6, 0x83, 0x3D, 0x20, 0xFF, 0xFF, 0xF1}},          /* read-only data of DPL 3 */
    {7, {0xC6, 0x83, 0x3D, 0x20, 0xFF, 0xFF, 0x9B}},          /* readable code */
    {7, {0xC6, 0x83, 0x3D, 0x20, 0xFF, 0xFF, 0x13}},          /* not present */
    {7, {0xC6, 0x83, 0x3E, 0x20, 0xFF, 0xFF, 0xCF}},          /* of 4 GB */
    {7, {0xC6, 0x83, 0x3E, 0x20, 0xFF, 0xFF, 0xC1}},          /* of less */
    {2, {0xCD, VECTOR}},                                      /* int: its handler is an IRET */
    {3, {0xFB, 0xCD, VECTOR}},                                /* sti; int */
    {4, {0xFA, 0xCD, VECTOR, 0xFB}},                          /* cli; int; sti */
    {5, {0xFA, 0xEE, 0xCD, VECTOR, 0xFB}},                    /* cli; out dx, al; int; sti */
    {9, {0xB8, 0x10, 0, 0, 0, 0x8E, 0xD0, 0xCD, VECTOR}},     /* mov eax, DS0; mov ss, eax; int */
    /* mov eax, [counter]; and eax, 1; shl eax, 8; pushf; or [rsp], eax; popf; int; nop; pushf;
     * and dword [rsp], ~TF; popf: the IRET goes to the same place with and without TF */
    {29, {0x8B, 0x83, 0x00, 0x30,   0,    0,    0x83, 0xE0, 1,    0xC1, 0xE0, 8,    0x9C, 0x09, 0x04,
          0x24, 0x9D, 0xCD, VECTOR, 0x90, 0x9C, 0x81, 0x24, 0x24, 0xFF, 0xFE, 0xFF, 0xFF, 0x9D}},
    {2, {0x01, 0xD0}}, /* add eax, edx */
    {1, {0x90}},       /* nop */
};

static uint32_t random_address(struct random *r)
{
    uint32_t offset = random_below(r, 4) ? (uint32_t)random_below(r, DATA_BYTES - 0x200)
                                         : PAGE_SIZE - (uint32_t)random_below(r, 40);
    return DATA_AT + 0x80 + offset;
}

static void random_program(struct random *r, struct program *p)
{
    p->size = 0;
    while (p->size < PROGRAM_BYTES - 80) {
        const struct piece *piece = &pieces[random_below(r, ARRAY_LEN(pieces))];
        switch (random_below(r, 5)) {
        case 0: put_imm(p, 0xBE, random_address(r)); break;        /* mov esi */
        case 1: put_imm(p, 0xBF, random_address(r)); break;        /* mov edi */
        case 2: put_imm(p, 0xBA, (uint32_t)random_next(r)); break; /* mov edx */
        default: break;
        }
        put_imm(p, 0xB9, random_below(r, 8) ? (uint32_t)random_below(r, 60) : 0xFFFFFFFF); /* mov ecx */
        if (random_below(r, 8) == 0) /* a conditional jump over the piece */
            put(p, (uint8_t[]){(uint8_t)(0x70 | random_below(r, 16)), piece->size}, 2);
        bool endless = p->bytes[p->size - 1] == 0xFF && piece->bytes[piece->size - 2] == 0xF3;
        put(p, piece->bytes, endless ? 0 : piece->size);
    }
    uint32_t disp = COUNTER_AT - DATA_AT;
    put(p, (uint8_t[]){0xFF, 0x8B}, 2); /* dec [rbx + disp] */
    put(p, &disp, 4);
    int32_t back = -(int32_t)(p->size + 6);
    put(p, (uint8_t[]){0x0F, 0x85}, 2); /* jnz */
    put(p, &back, 4);
    put(p, (uint8_t[]){0xF4}, 1);
}

/* ---- Runs ---- */

static uint8_t acknowledge(void *ctx)
{
    struct harness *h = ctx;
    cpu_set_intr(h->cpu, false);
    return VECTOR;
}

static void raise_interrupt(void *ctx, uint16_t port, unsigned size, uint32_t value)
{
    struct harness *h = ctx;
    (void)port, (void)size, (void)value;
    cpu_set_intr(h->cpu, true);
}

static struct harness *create(enum harness_mode mode)
{
    struct harness *h = harness_create("x86-64-v2", mode, true);
    h->bus.intr_ack = acknowledge;
    h->bus.port_write = raise_interrupt;
    h->bus.ctx = h;
    return h;
}

static void load(struct harness *h, enum harness_mode mode, uint64_t seed, const struct program *p)
{
    struct random r = {seed};
    struct cpu_state *s = &h->cpu->s;
    const uint8_t iret[] = {0x48, 0xCF};
    /* add rsp, 8; add qword [rsp], 3; iretq: after #GP and #NP */
    const uint8_t skip64[] = {0x48, 0x83, 0xC4, 8, 0x48, 0x83, 0x04, 0x24, 3, 0x48, 0xCF};
    const uint8_t skip32[] = {0x83, 0xC4, 4, 0x83, 0x04, 0x24, 3, 0xCF};
    bool wide = mode == HARNESS_64;
    const uint32_t rounds = ROUNDS;
    const uint64_t spare = UINT64_C(0x00CF93000010FFFF);
    cpu_drop_caches(h->cpu);
    harness_reset(h, mode);
    s->clock = s->instructions = 0;
    s->tsc_offset = 0;
    s->intr_line = 0;
    s->gpr[RBX] = DATA_AT;
    s->gpr[RSI] = random_address(&r);
    s->gpr[RDI] = random_address(&r);
    for (unsigned at = 0; at < DATA_BYTES; at += 8) {
        uint64_t value = random_below(&r, 3) ? random_next(&r) : random_below(&r, 3);
        harness_poke(h, DATA_AT + at, &value, 8);
    }
    harness_poke(h, HARNESS_GDT + HARNESS_SEL_SPARE, &spare, 8);
    harness_poke(h, COUNTER_AT, &rounds, 4);
    harness_poke(h, CODE_AT, p->bytes, p->size);
    harness_poke(h, HARNESS_HANDLER + 16 * VECTOR, wide ? iret : iret + 1, wide ? 2 : 1);
    harness_poke(h, HARNESS_HANDLER + 16 * VEC_DB, wide ? iret : iret + 1, wide ? 2 : 1);
    for (unsigned vector = VEC_NP; vector <= VEC_GP; vector += VEC_GP - VEC_NP)
        harness_poke(h, HARNESS_HANDLER + 16 * vector, wide ? skip64 : skip32,
                     wide ? sizeof skip64 : sizeof skip32);
    s->rip = CODE_AT;
    cpu_state_changed(h->cpu);
}

struct pair {
    struct harness *reference, *translated;
};

static void expect_equal(const struct pair *pair, unsigned n)
{
    static uint8_t want[DATA_BYTES], got[DATA_BYTES];
    const struct cpu_state *s = &pair->reference->cpu->s, *t = &pair->translated->cpu->s;
    harness_peek(pair->reference, DATA_AT, want, DATA_BYTES);
    harness_peek(pair->translated, DATA_AT, got, DATA_BYTES);
    cr_assert(
        memcmp(s, t, sizeof *s) == 0 && memcmp(want, got, DATA_BYTES) == 0,
        "program %u: clock %llu %llu, rip %llx %llx, flags %llx %llx, shadow %u %u, instructions %llu %llu, "
        "memory %s",
        n, (unsigned long long)s->clock, (unsigned long long)t->clock, (unsigned long long)s->rip,
        (unsigned long long)t->rip, (unsigned long long)s->rflags, (unsigned long long)t->rflags,
        s->intr_shadow, t->intr_shadow, (unsigned long long)s->instructions,
        (unsigned long long)t->instructions, memcmp(want, got, DATA_BYTES) == 0 ? "equal" : "not");
}

static void restart(struct harness *h, const struct cpu_state *first)
{
    struct cpu_state *s = &h->cpu->s;
    uint32_t rounds = ROUNDS;
    uint64_t clock = s->clock, instructions = s->instructions;
    *s = *first;
    s->clock = clock;
    s->instructions = instructions;
    harness_poke(h, COUNTER_AT, &rounds, 4);
    cpu_state_changed(h->cpu);
}

/* Both engines, stopped now and then; an interrupt is raised at some stops, and by OUT, until it is taken. */
static unsigned run(const struct pair *pair, unsigned n, uint64_t seed)
{
    struct random r = {seed};
    struct cpu *reference = pair->reference->cpu, *translated = pair->translated->cpu;
    const struct cpu_state first = reference->s;
    unsigned interrupts = 0;
    for (unsigned stops = 0; stops < STOPS && reference->s.clock < RUN_CYCLES;) {
        uint64_t until = reference->s.clock + 1 + random_below(&r, random_below(&r, 2) ? 40 : 2000);
        bool before = reference->s.intr_line != 0;
        enum cpu_stop stop = cpu_run(reference, until);
        cr_assert_eq(cpu_run(translated, until), stop);
        expect_equal(pair, n);
        interrupts += before && reference->s.intr_line == 0;
        if (random_below(&r, 3) == 0) {
            cpu_set_intr(reference, true);
            cpu_set_intr(translated, true);
        }
        if (random_below(&r, 32) == 0)
            cpu_drop_caches(translated);
        if (stop != CPU_STOP_DEADLINE) {
            restart(pair->reference, &first);
            restart(pair->translated, &first);
            stops++;
        }
    }
    return interrupts;
}

static void compare(enum harness_mode mode)
{
    struct pair pair = {create(mode), create(mode)};
    struct translator_config config = {.threshold = 1, .code_bytes = 4 << 20};
    struct translator *t;
    struct error err;
    struct random r = {UINT64_C(0x5715) + mode};
    uint64_t instructions = 0, interrupts = 0;
    cr_assert_eq(translator_create(&t, pair.translated->cpu, &config, &err), STATUS_OK);
    for (unsigned n = 0; n < PROGRAMS; n++) {
        struct program p;
        uint64_t seed = random_next(&r) | 1;
        random_program(&r, &p);
        load(pair.reference, mode, seed, &p);
        load(pair.translated, mode, seed, &p);
        interrupts += run(&pair, n, seed);
        instructions += pair.reference->cpu->s.instructions;
    }
    /* Else it would have been the interpreter against itself, or without interrupts. */
    uint64_t slow = translator_count(t, COUNT_SLOW), transfers = translator_count(t, COUNT_CALLS);
    cr_expect(instructions > 100 * PROGRAMS && slow < instructions / 4 && interrupts > 4 * PROGRAMS &&
                  transfers > 10 * PROGRAMS,
              "%llu instructions, %llu slow, %llu interrupts, %llu transfers",
              (unsigned long long)instructions, (unsigned long long)slow, (unsigned long long)interrupts,
              (unsigned long long)transfers);
    translator_destroy(t);
    harness_destroy(pair.reference);
    harness_destroy(pair.translated);
}

Test(system_blocks, protected_mode, .timeout = 120)
{
    if (translator_supported())
        compare(HARNESS_32);
}

Test(system_blocks, long_mode, .timeout = 120)
{
    if (translator_supported())
        compare(HARNESS_64);
}
