/* x87 and SSE as system software sees them: device-not-available, pending and SIMD exceptions, the
 * environment and state images in all their formats, XSAVE. Expected values are from the SDM: vol. 1, 8.1.10
 * (environment), 10.5 (FXSAVE), 13 (XSAVE); vol. 3, 2.5 (CR0), table 6-1. */
#include "cpu/exec.h"
#include "tests/cpu/harness.h"

#include <criterion/criterion.h>

/* --- who faults how ------------------------------------------------------------------------------------ */

enum {
    SET_TS = 1,
    SET_EM = 2,
    CLEAR_MP = 4,
    CLEAR_NE = 8,
    NO_OSFXSR = 16,
    NO_OSXMMEXCPT = 32,
    OSXSAVE = 64,
    PENDING = 128, /* an unmasked x87 exception */
};

static const struct {
    const char *name;
    uint8_t code[8];
    unsigned length, setup;
    int vector;
} FAULTS[] = {
    {"fld1", {0xD9, 0xE8}, 2, 0, -1},
    {"fld1, TS", {0xD9, 0xE8}, 2, SET_TS, VEC_NM},
    {"fld1, EM", {0xD9, 0xE8}, 2, SET_EM, VEC_NM},
    {"fnstsw ax, EM", {0xDF, 0xE0}, 2, SET_EM, VEC_NM},
    {"fwait, TS and MP", {0x9B}, 1, SET_TS, VEC_NM},
    {"fwait, TS", {0x9B}, 1, SET_TS | CLEAR_MP, -1},
    {"fwait, EM", {0x9B}, 1, SET_EM, -1},
    {"fld1, pending", {0xD9, 0xE8}, 2, PENDING, VEC_MF},
    {"fwait, pending", {0x9B}, 1, PENDING, VEC_MF},
    {"fwait, pending, TS and MP", {0x9B}, 1, PENDING | SET_TS, VEC_NM},
    {"fldcw, pending", {0xD9, 0x2B}, 2, PENDING, VEC_MF},
    {"fnstsw ax, pending", {0xDF, 0xE0}, 2, PENDING, -1},
    {"fnclex, pending", {0xDB, 0xE2}, 2, PENDING, -1},
    {"fninit, pending", {0xDB, 0xE3}, 2, PENDING, -1},
    {"fnsave, pending", {0xDD, 0x33}, 2, PENDING, -1},
    {"fxsave, pending", {0x0F, 0xAE, 0x03}, 3, PENDING, -1},
    {"emms, pending", {0x0F, 0x77}, 2, PENDING, VEC_MF},
    {"emms, EM", {0x0F, 0x77}, 2, SET_EM, VEC_UD},
    {"emms, TS", {0x0F, 0x77}, 2, SET_TS, VEC_NM},
    {"cvtps2pi, pending", {0x0F, 0x2D, 0xC1}, 3, PENDING, VEC_MF},
    {"cvtpi2pd mm, pending", {0x66, 0x0F, 0x2A, 0xC1}, 4, PENDING, VEC_MF},
    {"cvtpi2pd mem, pending", {0x66, 0x0F, 0x2A, 0x03}, 4, PENDING, -1},
    {"addps, pending", {0x0F, 0x58, 0xC1}, 3, PENDING, -1},
    {"addps, TS", {0x0F, 0x58, 0xC1}, 3, SET_TS, VEC_NM},
    {"addps, EM", {0x0F, 0x58, 0xC1}, 3, SET_EM, VEC_UD},
    {"addps, no OSFXSR", {0x0F, 0x58, 0xC1}, 3, NO_OSFXSR, VEC_UD},
    {"addps, no OSFXSR, TS", {0x0F, 0x58, 0xC1}, 3, NO_OSFXSR | SET_TS, VEC_UD},
    {"addps [rbx+8]", {0x0F, 0x58, 0x43, 0x08}, 4, 0, VEC_GP},
    {"addss [rbx+1]", {0xF3, 0x0F, 0x58, 0x43, 0x01}, 5, 0, -1},
    {"fxsave, TS", {0x0F, 0xAE, 0x03}, 3, SET_TS, VEC_NM},
    {"fxsave, EM", {0x0F, 0xAE, 0x03}, 3, SET_EM, VEC_NM},
    {"fxsave, no OSFXSR", {0x0F, 0xAE, 0x03}, 3, NO_OSFXSR, -1},
    {"fxsave [rbx+8]", {0x0F, 0xAE, 0x43, 0x08}, 4, 0, VEC_GP},
    {"ldmxcsr, no OSFXSR", {0x0F, 0xAE, 0x13}, 3, NO_OSFXSR, VEC_UD},
    {"ldmxcsr, reserved bits", {0x0F, 0xAE, 0x93, 0x00, 0x07, 0x00, 0x00}, 7, 0, VEC_GP},
    {"xsave, no OSXSAVE", {0x0F, 0xAE, 0x23}, 3, 0, VEC_UD},
    {"xsave", {0x0F, 0xAE, 0x23}, 3, OSXSAVE, -1},
    {"xsave, TS", {0x0F, 0xAE, 0x23}, 3, OSXSAVE | SET_TS, VEC_NM},
    {"xsave [rbx+16]", {0x0F, 0xAE, 0x63, 0x10}, 4, OSXSAVE, VEC_GP},
    {"xrstor", {0x0F, 0xAE, 0x2B}, 3, OSXSAVE, -1},
    {"xrstor, bad header", {0x0F, 0xAE, 0xAB, 0x00, 0x04, 0x00, 0x00}, 7, OSXSAVE, VEC_GP},
    {"xgetbv, no OSXSAVE", {0x0F, 0x01, 0xD0}, 3, 0, VEC_UD},
    {"xgetbv", {0x0F, 0x01, 0xD0}, 3, OSXSAVE, -1},
    {"xsetbv 0", {0x0F, 0x01, 0xD1}, 3, OSXSAVE, VEC_GP},
    {"divps by zero", {0x0F, 0x5E, 0xC2}, 3, 0, VEC_XM},
    {"divps by zero, no OSXMMEXCPT", {0x0F, 0x5E, 0xC2}, 3, NO_OSXMMEXCPT, VEC_UD},
};

Test(x87_system, faults)
{
    struct harness *h = harness_create("x86-64-v2", HARNESS_64, true);
    const uint32_t reserved_mxcsr = 0x00011F80, one = 0x3F800000;
    const uint64_t bad_bv = 4;
    uint8_t zero[2048] = {0};
    for (size_t i = 0; i < ARRAY_LEN(FAULTS); i++) {
        unsigned setup = FAULTS[i].setup;
        harness_reset(h, HARNESS_64);
        struct cpu_state *s = &h->cpu->s;
        harness_poke(h, HARNESS_DATA, zero, sizeof zero);
        harness_poke(h, HARNESS_DATA + 0x700, &reserved_mxcsr, 4);
        harness_poke(h, HARNESS_DATA + 0x400 + 512, &bad_bv, 8);
        harness_code(h, FAULTS[i].code, FAULTS[i].length);
        s->gpr[RBX] = HARNESS_DATA;
        s->cr0 |= (setup & SET_TS ? CR0_TS : 0) | (setup & SET_EM ? CR0_EM : 0);
        s->cr0 &= ~(uint64_t)(setup & CLEAR_MP ? CR0_MP : 0);
        s->cr4 &=
            ~(uint64_t)((setup & NO_OSFXSR ? CR4_OSFXSR : 0) | (setup & NO_OSXMMEXCPT ? CR4_OSXMMEXCPT : 0));
        s->cr4 |= setup & OSXSAVE ? CR4_OSXSAVE : 0;
        s->mxcsr = 0x1F80 & ~(1u << 9); /* divide by zero unmasked */
        s->vec[0].q[0] = s->vec[0].q[1] = one | (uint64_t)one << 32;
        if (setup & PENDING) {
            s->x87.control = 0x037E;
            s->x87.status = 0x8081;
        }
        cpu_state_changed(h->cpu);
        (void)harness_step(h, 1);
        cr_expect_eq(harness_fault(h), FAULTS[i].vector, "%s: %d", FAULTS[i].name, harness_fault(h));
    }
    harness_destroy(h);
}

/* An unmasked exception keeps everything but its flag, and is reported by the next waiting instruction. */
Test(x87_system, deferred_exception)
{
    /* fldz; fld1; fdiv st, st(1); fnop */
    const uint8_t code[] = {0xD9, 0xEE, 0xD9, 0xE8, 0xD8, 0xF1, 0xD9, 0xD0};
    struct harness *h = harness_create("x86-64-v2", HARNESS_32, true);
    h->cpu->s.x87.control = 0x037B; /* divide by zero unmasked */
    harness_code(h, code, sizeof code);
    (void)harness_step(h, 3);
    cr_expect_eq(h->cpu->s.x87.status, 0xB084);
    cr_expect_eq(h->cpu->s.x87.significand[6], 1ull << 63);
    cr_expect_eq(h->cpu->s.rip, HARNESS_CODE + 6);
    (void)harness_step(h, 1);
    cr_expect_eq(harness_fault(h), VEC_MF);
    cr_expect_eq(h->cpu->s.x87.ip, HARNESS_CODE + 4);
    harness_destroy(h);
}

static void count_ferr(void *ctx, bool level)
{
    unsigned *levels = ctx;
    *levels = *levels << 1 | level;
}

/* CR0.NE = 0: FERR# instead of #MF, at once; while IGNNE# is inactive the next waiting instruction waits. */
Test(x87_system, ferr)
{
    const uint8_t code[] = {0xD9, 0xEE, 0xD9, 0xE8, 0xD8, 0xF1, 0xD9, 0xD0, 0xDB, 0xE2};
    unsigned levels = 0;
    struct harness *h = harness_create("x86-64-v2", HARNESS_32, true);
    struct cpu_state *s = &h->cpu->s;
    h->bus.ferr = count_ferr;
    h->bus.ctx = &levels;
    s->cr0 &= ~(uint64_t)CR0_NE;
    s->ignne = 0;
    s->x87.control = 0x037B;
    cpu_state_changed(h->cpu);
    harness_code(h, code, sizeof code);
    (void)harness_step(h, 3);
    cr_expect_eq(levels, 1);
    cr_expect_eq(s->x87_ferr, 1);
    uint64_t clock = s->clock;
    (void)cpu_run(h->cpu, clock + 1000);
    cr_expect_eq(s->rip, HARNESS_CODE + 6, "waits");
    cr_expect_geq(s->clock, clock + 1000);
    s->ignne = 1;
    (void)harness_step(h, 2);
    cr_expect_eq(s->rip, HARNESS_CODE + 10);
    cr_expect_eq(levels, 2, "FNCLEX releases FERR#");
    harness_destroy(h);
}

/* --- environment images -------------------------------------------------------------------------------- */

static void known_state(struct cpu_state *s)
{
    s->x87.control = 0x027F;
    s->x87.status = 0x2921; /* TOP 5, C0, inexact and invalid, masked */
    s->x87.valid = 0xE3;    /* physical 0, 1, 5, 6, 7 */
    for (unsigned n = 0; n < 8; n++) {
        s->x87.significand[n] = (1ull << 63) + n;
        s->x87.sign_exp[n] = (uint16_t)(0x3FFF + n);
    }
    s->x87.significand[1] = 0;
    s->x87.sign_exp[1] = 0;      /* zero: tag 1 */
    s->x87.sign_exp[5] = 0x7FFF; /* NaN: tag 2 */
    s->x87.opcode = 0x5AB;
    s->x87.ip = 0x12345;
    s->x87.cs = 0x0678;
    s->x87.dp = 0xFEDC;
    s->x87.ds = 0x1010;
}

enum { TAGS = 0x0BF4 }; /* 7, 6 valid, 5 special, 4..2 empty, 1 zero, 0 valid */

static const struct {
    const char *name;
    enum harness_mode mode;
    uint8_t store[3], load[3];
    unsigned length, size;
    uint32_t field[7];
} IMAGES[] = {
    {"32-bit protected",
     HARNESS_32,
     {0xD9, 0x33},
     {0xD9, 0x23},
     2,
     4,
     {0xFFFF027F, 0xFFFF2921, 0xFFFF0000 | TAGS, 0x12345, 0x05AB0678, 0xFEDC, 0xFFFF1010}},
    {"16-bit protected",
     HARNESS_32,
     {0x66, 0xD9, 0x33},
     {0x66, 0xD9, 0x23},
     3,
     2,
     {0x027F, 0x2921, TAGS, 0x2345, 0x0678, 0xFEDC, 0x1010}},
    /* linear instruction pointer 12345 + 6780 = 18AC5, data pointer FEDC + 10100 = 1FFDC */
    {"32-bit real",
     HARNESS_16,
     {0x66, 0xD9, 0x37},
     {0x66, 0xD9, 0x27},
     3,
     4,
     {0xFFFF027F, 0xFFFF2921, 0xFFFF0000 | TAGS, 0xFFFF8AC5, 0x000015AB, 0xFFFFFFDC, 0x00001000}},
    {"16-bit real",
     HARNESS_16,
     {0xD9, 0x37},
     {0xD9, 0x27},
     2,
     2,
     {0x027F, 0x2921, TAGS, 0x8AC5, 0x15AB, 0xFFDC, 0x1000}},
};

Test(x87_system, environment_images)
{
    for (size_t i = 0; i < ARRAY_LEN(IMAGES); i++) {
        struct harness *h = harness_create("pentium3", IMAGES[i].mode, true);
        struct cpu_state *s = &h->cpu->s;
        uint64_t data = IMAGES[i].mode == HARNESS_16 ? 0x7000 : HARNESS_DATA;
        unsigned size = IMAGES[i].size;
        known_state(s);
        s->gpr[RBX] = data;
        harness_code(h, IMAGES[i].store, IMAGES[i].length);
        (void)harness_step(h, 1);
        for (unsigned f = 0; f < 7; f++) {
            uint32_t value = 0;
            harness_peek(h, data + f * size, &value, size);
            cr_expect_eq(value, IMAGES[i].field[f], "%s, field %u: %08x", IMAGES[i].name, f, value);
        }
        cr_expect_eq(s->x87.control, 0x027F);
        struct x87_state before = s->x87;
        s->x87.status = 0;
        s->x87.valid = 0;
        s->x87.opcode = 0;
        harness_code(h, IMAGES[i].load, IMAGES[i].length);
        (void)harness_step(h, 1);
        cr_expect_eq(s->x87.status, before.status, "%s", IMAGES[i].name);
        cr_expect_eq(s->x87.valid, before.valid, "%s", IMAGES[i].name);
        cr_expect_eq(s->x87.control, before.control, "%s", IMAGES[i].name);
        cr_expect_eq(s->x87.opcode, i == 1 ? 0 : before.opcode, "%s", IMAGES[i].name);
        harness_destroy(h);
    }
}

Test(x87_system, fnsave_initializes_and_frstor_restores)
{
    const uint8_t save[] = {0xDD, 0x33}, restore[] = {0xDD, 0x23};
    struct harness *h = harness_create("pentium3", HARNESS_32, true);
    struct cpu_state *s = &h->cpu->s;
    known_state(s);
    struct x87_state before = s->x87;
    s->gpr[RBX] = HARNESS_DATA;
    harness_code(h, save, sizeof save);
    (void)harness_step(h, 1);
    cr_expect_eq(s->x87.control, 0x037F);
    cr_expect_eq(s->x87.status, 0);
    cr_expect_eq(s->x87.valid, 0);
    uint64_t st0;
    harness_peek(h, HARNESS_DATA + 28, &st0, 8);
    cr_expect_eq(st0, before.significand[5], "ST(0) comes first");
    memset(s->x87.significand, 0, sizeof s->x87.significand);
    harness_code(h, restore, sizeof restore);
    (void)harness_step(h, 1);
    cr_expect_arr_eq(&s->x87, &before, sizeof before);
    harness_destroy(h);
}

/* --- FXSAVE and XSAVE ---------------------------------------------------------------------------------- */

Test(x87_system, fxsave_image)
{
    const uint8_t save[] = {0x48, 0x0F, 0xAE, 0x03}, restore[] = {0x48, 0x0F, 0xAE, 0x0B};
    struct harness *h = harness_create("x86-64-v2", HARNESS_64, true);
    struct cpu_state *s = &h->cpu->s;
    uint8_t image[512];
    memset(image, 0xEE, sizeof image);
    harness_poke(h, HARNESS_DATA, image, sizeof image);
    known_state(s);
    s->x87.ip = 0x123456789ABC;
    s->x87.cs = s->x87.ds = 0; /* the 64-bit image has no selectors */
    for (unsigned i = 0; i < 16; i++)
        s->vec[i].q[0] = s->vec[i].q[1] = i;
    s->mxcsr = 0x9FC1;
    s->gpr[RBX] = HARNESS_DATA;
    struct cpu_state before = *s;
    harness_code(h, save, sizeof save);
    (void)harness_step(h, 1);
    harness_peek(h, HARNESS_DATA, image, sizeof image);
    const uint8_t head[] = {0x7F, 0x02, 0x21, 0x29, 0xE3, 0x00, 0xAB, 0x05, 0xBC, 0x9A, 0x78,
                            0x56, 0x34, 0x12, 0,    0,    0xDC, 0xFE, 0,    0,    0,    0,
                            0,    0,    0xC1, 0x9F, 0,    0,    0xFF, 0xFF, 0,    0};
    cr_expect_arr_eq(image, head, sizeof head);
    cr_expect_eq(image[160 + 15 * 16], 15);
    cr_expect_eq(image[416], 0xEE, "the rest is not written");
    memset(&s->x87, 0, sizeof s->x87);
    memset(s->vec, 0, sizeof s->vec);
    s->mxcsr = 0x1F80;
    harness_code(h, restore, sizeof restore);
    (void)harness_step(h, 1);
    cr_expect_arr_eq(&s->x87, &before.x87, sizeof s->x87);
    cr_expect_arr_eq(s->vec, before.vec, sizeof s->vec);
    cr_expect_eq(s->mxcsr, 0x9FC1);
    harness_destroy(h);
}

/* Only the requested components move; one that was saved as initial is restored as initial. */
Test(x87_system, xsave_components)
{
    const uint8_t set[] = {0x0F, 0x01, 0xD1}, save[] = {0x0F, 0xAE, 0x23}, restore[] = {0x0F, 0xAE, 0x2B};
    struct harness *h = harness_create("x86-64-v2", HARNESS_64, true);
    struct cpu_state *s = &h->cpu->s;
    uint64_t header;
    s->cr4 |= CR4_OSXSAVE;
    cpu_state_changed(h->cpu);
    s->gpr[RAX] = 3;
    harness_code(h, set, sizeof set);
    (void)harness_step(h, 1);
    cr_expect_eq(s->xcr0, 3);
    s->vec[3].q[0] = 42;
    s->gpr[RAX] = 3;
    s->gpr[RBX] = HARNESS_DATA;
    harness_code(h, save, sizeof save);
    (void)harness_step(h, 1);
    harness_peek(h, HARNESS_DATA + 512, &header, 8);
    cr_expect_eq(header, 2, "x87 is in its initial state");
    known_state(s);
    s->vec[3].q[0] = 0;
    s->gpr[RAX] = 2;
    harness_code(h, restore, sizeof restore);
    (void)harness_step(h, 1);
    cr_expect_eq(s->vec[3].q[0], 42);
    cr_expect_eq(s->x87.valid, 0xE3, "not requested");
    s->gpr[RAX] = 1;
    harness_code(h, restore, sizeof restore);
    (void)harness_step(h, 1);
    cr_expect_eq(s->x87.valid, 0);
    cr_expect_eq(s->x87.control, 0x037F);
    s->gpr[RAX] = 7; /* AVX does not exist */
    harness_code(h, set, sizeof set);
    (void)harness_step(h, 1);
    cr_expect_eq(harness_fault(h), VEC_GP);
    cr_expect_eq(s->xcr0, 3);
    harness_destroy(h);
}
