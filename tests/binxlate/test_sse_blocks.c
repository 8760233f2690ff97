/* SSE in translated code against the interpreter: short loops that bring the guest's vector registers into
 * the host's and back in every way there is, and that end at the architecture's faults. Each runs in the
 * interpreter, translated, and translated with SSE switched off; state and memory must be equal at the end.
 */
#include "binxlate/translator.h"
#include "cpu/exec.h"
#include "tests/cpu/harness.h"

#include <criterion/criterion.h>
#include <string.h>

enum { DATA_BYTES = PAGE_SIZE, ROUNDS = 200, ODD_ROUND = 5, FXSAVE_AT = 0x400, MASK_ZM = 1 << 9 };

struct program {
    const char *name;
    uint8_t bytes[64], size;
    int fault;     /* vector, or -1 */
    unsigned slow; /* instructions per round that are the interpreter's */
};

/* RBX: data; RCX: ROUNDS to 1, and all programs end with DEC RCX, JNZ, HLT. XMM0..7 are numbers, XMM1 is
 * zero.
 */
static const struct program programs[] = {
    /* ldmxcsr [rbx+rcx*4]; movaps xmm0, xmm2; divps xmm0, xmm1: unmasked in ODD_ROUND */
    {"unmasked", {0x0F, 0xAE, 0x14, 0x8B, 0x0F, 0x28, 0xC2, 0x0F, 0x5E, 0xC1}, 10, 19, 1},
    /* xor eax, eax; cmp rcx, 5; setz al; movaps xmm0, [rbx+rax] */
    {"misaligned", {0x31, 0xC0, 0x48, 0x83, 0xF9, 0x05, 0x0F, 0x94, 0xC0, 0x0F, 0x28, 0x04, 0x03}, 13, 13, 0},
    /* the same with movups */
    {"unaligned", {0x31, 0xC0, 0x48, 0x83, 0xF9, 0x05, 0x0F, 0x94, 0xC0, 0x0F, 0x10, 0x04, 0x03}, 13, -1, 0},
    /* paddd xmm8, xmm2; out 80, al; paddd xmm8, xmm3: out of host code with vectors in it, and back */
    {"slow path", {0x66, 0x44, 0x0F, 0xFE, 0xC2, 0xE6, 0x80, 0x66, 0x44, 0x0F, 0xFE, 0xC3}, 12, -1, 1},
    /* out 80, al; paddd xmm8, xmm2: vectors are away at the first vector instruction */
    {"late", {0xE6, 0x80, 0x66, 0x44, 0x0F, 0xFE, 0xC2}, 7, -1, 1},
    /* paddd xmm8, xmm2; jmp over; integer unit; jmp over; paddd xmm9, xmm8 */
    {"linked",
     {0x66, 0x44, 0x0F, 0xFE, 0xC2, 0xEB, 0x00, 0x01, 0xC8, 0xEB, 0x00, 0x66, 0x45, 0x0F, 0xFE, 0xC8},
     16,
     -1,
     0},
    /* divps xmm0, xmm1; fxsave [rbx+400]; stmxcsr [rbx+rcx*4]; sqrtps xmm3, xmm3; movaps xmm0, xmm2 */
    {"stored",
     {0x0F, 0x5E, 0xC1, 0x0F, 0xAE, 0x83, 0x00, 0x04, 0x00, 0x00,
      0x0F, 0xAE, 0x1C, 0x8B, 0x0F, 0x51, 0xDB, 0x0F, 0x28, 0xC2},
     20,
     -1,
     2},
    /* general registers, of those that stay in struct cpu, too:
     * movd r10d, xmm2; movq xmm4, r10; pinsrw xmm5, ecx, 3; pextrw r11d, xmm5, 3; cvtsi2sd xmm6, r11;
     * cvttsd2si r14, xmm6; movmskps r15d, xmm4 */
    {"general",
     {0x66, 0x41, 0x0F, 0x7E, 0xD2, 0x66, 0x49, 0x0F, 0x6E, 0xE2, 0x66, 0x0F,
      0xC4, 0xE9, 0x03, 0x66, 0x44, 0x0F, 0xC5, 0xDD, 0x03, 0xF2, 0x49, 0x0F,
      0x2A, 0xF3, 0xF2, 0x4C, 0x0F, 0x2C, 0xF6, 0x44, 0x0F, 0x50, 0xFC},
     35,
     -1,
     0},
    /* movq mm0, [rbx]; paddb mm0, mm1; movq [rbx+8], mm0; movq2dq xmm8, mm0; emms */
    {"mmx",
     {0x0F, 0x6F, 0x03, 0x0F, 0xFC, 0xC1, 0x0F, 0x7F, 0x43, 0x08, 0xF3, 0x44, 0x0F, 0xD6, 0xC0, 0x0F, 0x77},
     17,
     -1,
     0},
    /* mov rdx, rcx; pcmpistri xmm2, [rbx], 0C; mov rsi, rcx; mov rcx, rdx; movntps [rbx], xmm2 */
    {"string",
     {0x48, 0x89, 0xCA, 0x66, 0x0F, 0x3A, 0x63, 0x13, 0x0C, 0x48, 0x89, 0xCE, 0x48, 0x89, 0xD1, 0x0F, 0x2B,
      0x13},
     18,
     -1,
     0},
};

static void load(struct harness *h, const struct program *p)
{
    static const uint8_t end[] = {0x48, 0xFF, 0xC9, 0x0F, 0x85, 0, 0, 0, 0, 0xF4};
    uint8_t code[sizeof p->bytes + sizeof end];
    struct cpu_state *s = &h->cpu->s;
    harness_reset(h, HARNESS_64);
    s->cr4 |= CR4_OSFXSR | CR4_OSXMMEXCPT;
    s->gpr[RBX] = HARNESS_DATA;
    s->gpr[RCX] = ROUNDS;
    for (unsigned n = 0; n < 16; n++)
        s->vec[n] =
            (struct vector){{UINT64_C(0x4048F5C33F800000) + n, UINT64_C(0x3FC0000041200000) * n, n, n}};
    s->x87.control = 0x37F;
    s->x87.significand[1] = UINT64_C(0x0102030405060708);
    s->vec[1] = (struct vector){{0, 0, 1, 1}};
    cpu_state_changed(h->cpu);
    for (uint32_t n = 0; n < DATA_BYTES / 4; n++) {
        uint32_t mxcsr = n == ODD_ROUND ? 0x1F80 & ~MASK_ZM : 0x1F80;
        harness_poke(h, HARNESS_DATA + 4 * n, &mxcsr, 4);
    }
    int32_t back = -(int32_t)(p->size + sizeof end - 1);
    memcpy(code, p->bytes, p->size);
    memcpy(code + p->size, end, sizeof end);
    memcpy(code + p->size + 5, &back, 4);
    harness_code(h, code, p->size + sizeof end);
}

struct outcome {
    struct cpu_state s;
    uint8_t data[DATA_BYTES];
    int fault;
    uint64_t slow;
};

static void run(const struct program *p, const struct translator_config *config, struct outcome *out)
{
    struct harness *h = harness_create("x86-64-v2", HARNESS_64, true);
    struct translator *t = NULL;
    struct error err;
    if (config != NULL)
        cr_assert_eq(translator_create(&t, h->cpu, config, &err), STATUS_OK);
    load(h, p);
    cr_assert(harness_run(h), "%s does not end", p->name);
    cpu_sync(h->cpu);
    out->s = h->cpu->s;
    out->fault = harness_fault(h);
    out->slow = t != NULL ? translator_count(t, COUNT_SLOW) : 0;
    harness_peek(h, HARNESS_DATA, out->data, DATA_BYTES);
    translator_destroy(t);
    harness_destroy(h);
}

static bool equal(const struct outcome *a, const struct outcome *b)
{
    return memcmp(&a->s, &b->s, sizeof a->s) == 0 && memcmp(a->data, b->data, DATA_BYTES) == 0;
}

Test(sse_blocks, programs)
{
    static const struct translator_config on = {.threshold = 1, .code_bytes = 1 << 20};
    static const struct translator_config off = {.threshold = 1, .code_bytes = 1 << 20, .off = 1 << PATH_SSE};
    if (!translator_supported())
        cr_skip_test("no translator for this host");
    for (unsigned n = 0; n < ARRAY_LEN(programs); n++) {
        struct outcome want, got, got_off;
        const struct program *p = &programs[n];
        run(p, NULL, &want);
        run(p, &on, &got);
        run(p, &off, &got_off);
        cr_expect_eq(want.fault, p->fault, "%s: vector %d", p->name, want.fault);
        cr_expect(equal(&want, &got),
                  "%s: vector %d %d, clock %llu %llu, rcx %llx %llx, mxcsr %x %x, xmm8 %llx %llx", p->name,
                  want.fault, got.fault, (unsigned long long)want.s.clock, (unsigned long long)got.s.clock,
                  (unsigned long long)want.s.gpr[RCX], (unsigned long long)got.s.gpr[RCX], want.s.mxcsr,
                  got.s.mxcsr, (unsigned long long)want.s.vec[8].q[0], (unsigned long long)got.s.vec[8].q[0]);
        cr_expect(equal(&want, &got_off), "%s, switched off", p->name);
        cr_expect(got.slow <= ROUNDS * p->slow + 8, "%s: %llu instructions were the interpreter's", p->name,
                  (unsigned long long)got.slow);
        cr_expect(got.slow < got_off.slow, "%s: switching off has no effect", p->name);
    }
}
