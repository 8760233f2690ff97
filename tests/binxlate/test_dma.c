/* DMA into code that is translated: a device writes guest memory while the CPU stops, or inside the OUT that
 * starts the transfer, a few bytes before the code that it changes. Both engines must run the new bytes, from
 * the next instruction on. */
#include "binxlate/translator.h"
#include "tests/cpu/harness.h"

#include <criterion/criterion.h>

enum { ROUNDS = 200, SLICE = 61, IMMEDIATE_AT = 2 };

/*      out dx, al; mov eax, 0; add ebx, eax; dec ecx; jnz; hlt */
static const uint8_t program[] = {0xEE, 0xB8, 0, 0, 0, 0, 0x01, 0xC3, 0x49, 0x75, 0xF5, 0xF4};

struct bench {
    struct harness *h;
    struct translator *translator;
    bool in_out;
};

static void transfer(struct harness *h)
{
    uint32_t value;
    harness_peek(h, HARNESS_CODE + IMMEDIATE_AT, &value, 4);
    value = value * 3 + 1;
    harness_poke(h, HARNESS_CODE + IMMEDIATE_AT, &value, 4); /* memory_write(), as devices do it */
}

static void start_transfer(void *ctx, uint16_t port, unsigned size, uint32_t value)
{
    struct bench *bench = ctx;
    (void)port, (void)size, (void)value;
    if (bench->in_out)
        transfer(bench->h);
}

/* Sum in EBX at the end. */
static uint32_t run(enum harness_mode mode, bool translate, bool in_out, struct cpu_state *end)
{
    static const struct translator_config config = {.code_bytes = 1 << 20, .threshold = 1};
    struct bench bench = {.h = harness_create("x86-64-v2", mode, true), .in_out = in_out};
    struct error err;
    struct cpu *cpu = bench.h->cpu;
    bench.h->bus.port_write = start_transfer;
    bench.h->bus.ctx = &bench;
    if (translate)
        cr_assert_eq(translator_create(&bench.translator, cpu, &config, &err), STATUS_OK, "%s", err.text);
    uint8_t code[sizeof program];
    memcpy(code, program, sizeof code);
    if (mode == HARNESS_64)
        code[8] = 0x90; /* 49 is a prefix there; LOOP needs no DEC */
    if (mode == HARNESS_64)
        code[9] = 0xE2;
    harness_code(bench.h, code, sizeof code);
    cpu->s.gpr[RCX] = ROUNDS;
    cpu->s.gpr[RDX] = 0x80;
    while (cpu_run(cpu, cpu->s.clock + SLICE) == CPU_STOP_DEADLINE)
        if (!in_out)
            transfer(bench.h);
    *end = cpu->s;
    if (translate) {
        cr_expect_gt(translator_count(bench.translator, COUNT_UNITS), 2);
        cr_expect_gt(translator_count(bench.translator, COUNT_FORGOTTEN), 1);
    }
    translator_destroy(bench.translator);
    harness_destroy(bench.h);
    return (uint32_t)end->gpr[RBX];
}

static void compare(enum harness_mode mode, bool in_out)
{
    struct cpu_state interpreted, translated;
    if (!translator_supported())
        cr_skip_test("no translator for this host");
    uint32_t want = run(mode, false, in_out, &interpreted), got = run(mode, true, in_out, &translated);
    cr_expect_eq(got, want, "%08x, interpreted %08x", got, want);
    cr_expect(memcmp(&interpreted, &translated, sizeof interpreted) == 0, "states differ");
    if (!in_out)
        return;
    uint32_t sum = 0, value = 0;
    for (unsigned n = 0; n < ROUNDS; n++) {
        value = value * 3 + 1;
        sum += value;
    }
    cr_expect_eq(want, sum, "the instruction after the OUT ran its old bytes");
}

Test(dma, between_slices_32)
{
    compare(HARNESS_32, false);
}

Test(dma, between_slices_64)
{
    compare(HARNESS_64, false);
}

Test(dma, inside_an_out_32)
{
    compare(HARNESS_32, true);
}

Test(dma, inside_an_out_64)
{
    compare(HARNESS_64, true);
}
