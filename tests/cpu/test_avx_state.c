/* YMM state: who may use AVX (CR4.OSXSAVE, XCR0, CR0.TS, not CR0.EM), XSETBV, CPUID 0Dh, and the AVX
 * component of XSAVE areas. Expected values are from the SDM: vol. 1, 13.2-13.9 and 14.3; vol. 2, table 2-18
 * and on; what XSAVEOPT leaves out was compared with a processor. */
#include "tests/cpu/harness.h"

#include "cpu/exec.h"

#include <criterion/criterion.h>

static const uint8_t vaddps[] = {0xC5, 0xF4, 0x58, 0xC2}; /* vaddps ymm0, ymm1, ymm2 */
static const uint8_t vzeroupper[] = {0xC5, 0xF8, 0x77};
static const uint8_t andn[] = {0xC4, 0xE2, 0x70, 0xF2, 0xD9}; /* andn ebx, ecx, ecx */

static void enable(struct harness *h, uint64_t cr0, uint64_t cr4, uint64_t xcr0)
{
    struct cpu_state *s = &h->cpu->s;
    s->cr0 |= cr0;
    s->cr4 |= cr4;
    s->xcr0 = xcr0;
    cpu_state_changed(h->cpu);
}

static void run(struct harness *h, const uint8_t *code, size_t size)
{
    harness_code(h, code, size);
    (void)harness_step(h, 1);
}

#define RUN(h, ...) run(h, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* ---- Who may ---- */

Test(avx_state, enabled_by_xcr0_and_osxsave)
{
    static const struct {
        uint64_t cr0, cr4, xcr0;
        int fault;
        const char *why;
    } rows[] = {
        {0, CR4_OSXSAVE, 7, -1, "all enabled"},
        {0, 0, 7, VEC_UD, "no OSXSAVE"},
        {0, CR4_OSXSAVE, 3, VEC_UD, "no AVX state in XCR0"},
        {0, CR4_OSXSAVE, 1, VEC_UD, "neither SSE nor AVX state"},
        {CR0_TS, CR4_OSXSAVE, 7, VEC_NM, "TS"},
        {CR0_TS, CR4_OSXSAVE, 3, VEC_UD, "#UD goes before #NM"},
        {CR0_EM, CR4_OSXSAVE, 7, -1, "EM does not matter"},
    };
    for (unsigned mode = HARNESS_32; mode <= HARNESS_64_USER; mode++)
        for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
            struct harness *h = harness_create("max", mode, true);
            enable(h, rows[i].cr0, rows[i].cr4, rows[i].xcr0);
            run(h, vaddps, sizeof vaddps);
            cr_expect_eq(harness_fault(h), rows[i].fault, "mode %u: %s", mode, rows[i].why);
            harness_destroy(h);
        }
}

Test(avx_state, bmi_needs_no_state)
{
    struct harness *h = harness_create("max", HARNESS_64_USER, true);
    enable(h, CR0_TS | CR0_EM, 0, 1);
    run(h, andn, sizeof andn);
    cr_expect_eq(harness_fault(h), -1);
    harness_destroy(h);
}

Test(avx_state, no_vex_in_real_mode)
{
    struct harness *h = harness_create("max", HARNESS_16, true);
    enable(h, 0, CR4_OSXSAVE, 7);
    run(h, vzeroupper, sizeof vzeroupper);
    cr_expect_eq(harness_fault(h), VEC_UD);
    harness_destroy(h);
}

/* Code that was decoded while AVX was off must not stay forbidden, nor the other way round. */
Test(avx_state, xsetbv_takes_effect_on_decoded_code)
{
    struct harness *h = harness_create("max", HARNESS_64, true);
    struct cpu_state *s = &h->cpu->s;
    enable(h, 0, CR4_OSXSAVE, 7);
    for (unsigned i = 0; i < 4; i++) {
        s->vec[0].q[2] = 1;
        run(h, vzeroupper, sizeof vzeroupper);
        cr_expect_eq(harness_fault(h), i & 1 ? VEC_UD : -1);
        cr_expect_eq(s->vec[0].q[2], i & 1);
        harness_reset(h, HARNESS_64);
        s->cr4 |= CR4_OSXSAVE;
        s->xcr0 = i & 1 ? 3 : 7;
        cpu_state_changed(h->cpu);
        s->gpr[RCX] = s->gpr[RDX] = 0;
        s->gpr[RAX] = i & 1 ? 7 : 3;
        RUN(h, 0x0F, 0x01, 0xD1); /* xsetbv */
        cr_expect_eq(s->xcr0, s->gpr[RAX]);
    }
    harness_destroy(h);
}

Test(avx_state, xsetbv_refuses)
{
    static const struct {
        const char *model;
        uint64_t value;
        bool good;
    } rows[] = {
        {"max", 7, true},  {"max", 3, true},        {"max", 1, true},   {"max", 5, false},
        {"max", 6, false}, {"x86-64-v2", 7, false}, {"max", 15, false}, {"max", 7 | UINT64_C(1) << 63, false},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct harness *h = harness_create(rows[i].model, HARNESS_64, true);
        struct cpu_state *s = &h->cpu->s;
        enable(h, 0, CR4_OSXSAVE, 1);
        s->gpr[RCX] = 0;
        s->gpr[RAX] = (uint32_t)rows[i].value;
        s->gpr[RDX] = rows[i].value >> 32;
        RUN(h, 0x0F, 0x01, 0xD1);
        cr_expect_eq(harness_fault(h), rows[i].good ? -1 : VEC_GP, "row %u", i);
        cr_expect_eq(s->xcr0, rows[i].good ? rows[i].value : 1, "row %u", i);
        harness_destroy(h);
    }
}

/* ---- CPUID ---- */

static void cpuid(struct harness *h, uint32_t leaf, uint32_t subleaf)
{
    h->cpu->s.gpr[RAX] = leaf;
    h->cpu->s.gpr[RCX] = subleaf;
    RUN(h, 0x0F, 0xA2);
}

Test(avx_state, cpuid_describes_the_area)
{
    struct harness *h = harness_create("max", HARNESS_64, true);
    struct cpu_state *s = &h->cpu->s;
    enable(h, 0, CR4_OSXSAVE, 3);
    cpuid(h, 0xD, 0);
    cr_expect_eq(s->gpr[RAX], 7);
    cr_expect_eq(s->gpr[RBX], 576, "of what XCR0 enables");
    cr_expect_eq(s->gpr[RCX], 832, "of all there is");
    enable(h, 0, CR4_OSXSAVE, 7);
    cpuid(h, 0xD, 0);
    cr_expect_eq(s->gpr[RBX], 832);
    cpuid(h, 0xD, 1);
    cr_expect_eq(s->gpr[RAX], 1, "XSAVEOPT");
    cpuid(h, 0xD, 2);
    cr_expect_eq(s->gpr[RAX], 256);
    cr_expect_eq(s->gpr[RBX], 576);
    cpuid(h, 0xD, 3);
    cr_expect_eq(s->gpr[RAX] | s->gpr[RBX], 0);
    cpuid(h, 1, 0);
    cr_expect_eq(s->gpr[RCX] >> 26 & 7, 7, "XSAVE, OSXSAVE, AVX");
    harness_destroy(h);
}

/* ---- XSAVE areas ---- */

enum { AREA = HARNESS_DATA, FILL = 0xEE };

struct area {
    uint8_t legacy[512];
    uint64_t header[8];
    uint64_t high[32];
};

static struct harness *with_state(enum harness_mode mode)
{
    struct harness *h = harness_create("max", mode, true);
    struct cpu_state *s = &h->cpu->s;
    enable(h, 0, CR4_OSXSAVE, 7);
    for (unsigned i = 0; i < 16; i++)
        s->vec[i] = (struct vector){{i, 0x100 + i, 0x200 + i, 0x300 + i}};
    s->mxcsr = 0x1FA0;
    s->gpr[RBX] = AREA;
    s->gpr[RDX] = 0;
    return h;
}

static struct area fill(struct harness *h, uint64_t bv)
{
    struct area area;
    memset(&area, FILL, sizeof area);
    memset(area.header, 0, sizeof area.header);
    area.header[0] = bv;
    harness_poke(h, AREA, &area, sizeof area);
    return area;
}

static struct area save(struct harness *h, uint32_t wanted, uint8_t extension)
{
    struct area area;
    h->cpu->s.gpr[RAX] = wanted;
    h->cpu->s.gpr[RDX] = 0;
    RUN(h, 0x0F, 0xAE, (uint8_t)(extension << 3 | 3));
    cr_expect_eq(harness_fault(h), -1);
    harness_peek(h, AREA, &area, sizeof area);
    return area;
}

enum { XSAVE = 4, XRSTOR = 5, XSAVEOPT = 6 };

Test(avx_state, xsave_writes_what_is_asked_for)
{
    struct harness *h = with_state(HARNESS_64);
    fill(h, 0x30);
    struct area area = save(h, 4, XSAVE);
    uint32_t mxcsr;
    memcpy(&mxcsr, area.legacy + 24, 4);
    cr_expect_eq(mxcsr, 0x1FA0, "MXCSR goes with AVX, too");
    cr_expect_eq(area.legacy[0], FILL);
    cr_expect_eq(area.legacy[160], FILL, "no XMM");
    cr_expect_eq(area.header[0], 0x34, "other bits stay");
    for (unsigned i = 0; i < 16; i++)
        cr_expect(area.high[2 * i] == 0x200 + i && area.high[2 * i + 1] == 0x300 + i);
    fill(h, 4);
    area = save(h, 3, XSAVE);
    cr_expect_eq(area.high[0], UINT64_C(0xEEEEEEEEEEEEEEEE), "no upper halves");
    cr_expect_eq(area.header[0], 6, "x87 is initial");
    harness_destroy(h);
}

Test(avx_state, xsave_moves_eight_registers_outside_64_bit_mode)
{
    struct harness *h = with_state(HARNESS_32);
    fill(h, 0);
    struct area area = save(h, 7, XSAVE);
    cr_expect_eq(area.high[15], 0x307);
    cr_expect_eq(area.high[16], UINT64_C(0xEEEEEEEEEEEEEEEE));
    harness_destroy(h);
}

Test(avx_state, xsaveopt_leaves_out_what_is_initial)
{
    struct harness *h = with_state(HARNESS_64);
    for (unsigned i = 0; i < 16; i++)
        h->cpu->s.vec[i].q[2] = h->cpu->s.vec[i].q[3] = 0;
    fill(h, 7);
    struct area area = save(h, 7, XSAVEOPT);
    cr_expect_eq(area.header[0], 2);
    cr_expect_eq(area.legacy[0], FILL, "x87 is initial");
    cr_expect_eq(area.legacy[160 + 16], 1, "XMM is not");
    cr_expect_eq(area.high[0], UINT64_C(0xEEEEEEEEEEEEEEEE), "upper halves are");
    cr_expect_eq(area.legacy[24], 0xA0, "MXCSR is always written");
    area = save(h, 4, XSAVE);
    cr_expect_eq(area.high[0], 0, "XSAVE writes zeros");
    harness_destroy(h);
}

Test(avx_state, xrstor_loads_or_initializes)
{
    struct harness *h = with_state(HARNESS_64);
    struct cpu_state *s = &h->cpu->s;
    struct area area = fill(h, 4);
    uint32_t mxcsr = 0x1F81;
    memcpy(area.legacy + 24, &mxcsr, 4);
    for (unsigned i = 0; i < 32; i++)
        area.high[i] = 0x1000 + i;
    harness_poke(h, AREA, &area, sizeof area);
    (void)save(h, 4, XRSTOR);
    cr_expect_eq(s->vec[5].q[0], 5, "XMM was not asked for");
    cr_expect_eq(s->vec[5].q[2], 0x100A);
    cr_expect_eq(s->vec[5].q[3], 0x100B);
    cr_expect_eq(s->mxcsr, 0x1F81);
    (void)save(h, 6, XRSTOR);
    cr_expect_eq(s->vec[5].q[0] | s->vec[5].q[1], 0, "initial");
    cr_expect_eq(s->vec[5].q[2], 0x100A);
    area.header[0] = 0;
    harness_poke(h, AREA, &area, sizeof area);
    (void)save(h, 4, XRSTOR);
    cr_expect_eq(s->vec[5].q[2] | s->vec[5].q[3], 0, "initial");
    harness_destroy(h);
}

/* XSTATE_BV names a component that XCR0 does not enable. */
Test(avx_state, xrstor_refuses_components_beyond_xcr0)
{
    struct harness *h = with_state(HARNESS_64);
    enable(h, 0, 0, 3);
    struct area area = fill(h, 4);
    memset(area.legacy, 0, sizeof area.legacy);
    harness_poke(h, AREA, &area, sizeof area);
    h->cpu->s.gpr[RAX] = 3;
    RUN(h, 0x0F, 0xAE, 0x2B);
    cr_expect_eq(harness_fault(h), VEC_GP);
    harness_destroy(h);
}
