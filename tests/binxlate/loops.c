/* See loops.h. */
#include "tests/binxlate/loops.h"

#include "binxlate/translator.h"
#include "cpu/cpu_priv.h"
#include "cpu/state_diff.h"
#include "tests/cpu/harness.h"

#include <criterion/criterion.h>
#include <string.h>

enum { DATA_BYTES = 2 * PAGE_SIZE, ODD_ROUND = 5, MASK_ZM = 1 << 9 };

static void load(struct harness *h, const struct loop *p)
{
    static const uint8_t end[] = {0x48, 0xFF, 0xC9, 0x0F, 0x85, 0, 0, 0, 0, 0xF4};
    uint8_t code[sizeof p->bytes + sizeof end];
    struct cpu_state *s = &h->cpu->s;
    harness_reset(h, HARNESS_64);
    s->cr4 |= CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE;
    s->xcr0 = cpu_model_xcr0(h->cpu->model);
    s->gpr[RBX] = HARNESS_DATA;
    s->gpr[RCX] = LOOP_ROUNDS;
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

static void run(const struct loop *p, const char *model, const struct translator_config *config,
                struct outcome *out)
{
    struct harness *h = harness_create(model, HARNESS_64, true);
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

void loops_compare(const struct loop *loops, unsigned count, const char *model, uint32_t off)
{
    const struct translator_config on = {.threshold = 1, .code_bytes = 1 << 20};
    const struct translator_config without = {.threshold = 1, .code_bytes = 1 << 20, .off = off};
    struct outcome want, got, got_off;
    for (unsigned n = 0; n < count; n++) {
        const struct loop *p = &loops[n];
        run(p, model, NULL, &want);
        run(p, model, &on, &got);
        run(p, model, &without, &got_off);
        cr_expect_eq(want.fault, p->fault, "%s: vector %d", p->name, want.fault);
        cr_expect(equal(&want, &got), "%s: vector %d", p->name, got.fault);
        cr_expect(equal(&want, &got_off), "%s, switched off: vector %d", p->name, got_off.fault);
        cpu_state_diff(stderr, "interpreter", &want.s, "translator", &got.s);
        cr_expect(got.slow <= LOOP_ROUNDS * p->slow + 8, "%s: %llu instructions were the interpreter's",
                  p->name, (unsigned long long)got.slow);
        cr_expect(got.slow < got_off.slow, "%s: switching off has no effect", p->name);
    }
}
