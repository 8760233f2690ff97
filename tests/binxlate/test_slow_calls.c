/* Slow paths are calls from translated code: a loop that faults in each turn stays in it, on the way to the
 * handler and back, with vector registers and without; and the state is the interpreter's. */
#include "binxlate/translator.h"
#include "cpu/cpu_priv.h"
#include "cpu/exec.h"
#include "tests/cpu/harness.h"

#include <criterion/criterion.h>
#include <string.h>

enum { CODE_AT = 0xA000, DATA_AT = 0x10000, TURNS = 10000, RUN_CYCLES = 1 << 30 };

/* xor ecx, ecx; div ecx: #DE; dec ebx; jnz; hlt */
static const uint8_t plain[] = {0x31, 0xC9, 0xF7, 0xF1, 0xFF, 0xCB, 0x75, 0xF8, 0xF4};
/* paddd xmm0, xmm1; str eax: always the interpreter's; paddd xmm1, xmm0; xor ecx, ecx; div ecx; dec ebx; jnz;
 * hlt */
static const uint8_t vectors[] = {0x66, 0x0F, 0xFE, 0xC1, 0x0F, 0x00, 0xC8, 0x66, 0x0F, 0xFE,
                                  0xC8, 0x31, 0xC9, 0xF7, 0xF1, 0xFF, 0xCB, 0x75, 0xED, 0xF4};
/* add [rsp], 2: behind the DIV; iret */
static const uint8_t handler32[] = {0x83, 0x04, 0x24, 2, 0xCF};
static const uint8_t handler64[] = {0x48, 0x83, 0x04, 0x24, 2, 0x48, 0xCF};

static struct harness *create(enum harness_mode mode, const uint8_t *code, unsigned size)
{
    struct harness *h = harness_create("x86-64-v2", mode, true);
    struct cpu_state *s = &h->cpu->s;
    bool wide = mode == HARNESS_64;
    harness_reset(h, mode);
    s->clock = s->instructions = 0;
    s->cr4 |= CR4_OSFXSR;
    s->gpr[RBX] = TURNS;
    for (unsigned n = 0; n < 2; n++)
        s->vec[n].q[0] = s->vec[n].q[1] = UINT64_C(0x123456789) + n;
    harness_poke(h, HARNESS_HANDLER + 16 * VEC_DE, wide ? handler64 : handler32,
                 wide ? sizeof handler64 : sizeof handler32);
    harness_poke(h, CODE_AT, code, size);
    s->rip = CODE_AT;
    cpu_state_changed(h->cpu);
    return h;
}

/* How often translated code was entered. */
static uint64_t run(enum harness_mode mode, const uint8_t *code, unsigned size, uint32_t off)
{
    struct harness *reference = create(mode, code, size), *translated = create(mode, code, size);
    struct translator_config config = {.threshold = 1, .off = off};
    struct translator *t;
    struct error err;
    cr_assert_eq(translator_create(&t, translated->cpu, &config, &err), STATUS_OK);
    cr_assert_eq(cpu_run(reference->cpu, RUN_CYCLES), CPU_STOP_HALTED);
    cr_assert_eq(cpu_run(translated->cpu, RUN_CYCLES), CPU_STOP_HALTED);
    cr_expect_eq(reference->cpu->s.gpr[RBX], 0);
    cr_expect(memcmp(&reference->cpu->s, &translated->cpu->s, sizeof reference->cpu->s) == 0,
              "states differ");
    uint64_t entries = translator_count(t, COUNT_ENTRIES);
    translator_destroy(t);
    harness_destroy(reference);
    harness_destroy(translated);
    return entries;
}

static void check(const uint8_t *code, unsigned size)
{
    static const enum harness_mode modes[] = {HARNESS_32, HARNESS_64};
    for (unsigned n = 0; n < ARRAY_LEN(modes) && translator_supported(); n++) {
        uint64_t entries = run(modes[n], code, size, 0), others = run(modes[n], code, size, 1u << PATH_CALL);
        cr_expect(entries < TURNS / 10, "entered %llu times", (unsigned long long)entries);
        cr_expect(others > TURNS, "entered %llu times without calls", (unsigned long long)others);
    }
}

Test(slow_calls, a_fault_leads_to_its_handler)
{
    check(plain, sizeof plain);
}

Test(slow_calls, vector_registers_are_kept)
{
    check(vectors, sizeof vectors);
}
