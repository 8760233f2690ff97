/* String instructions: what REP does to memory, registers, clock and flags; the page-wise loops against
 * single iterations on random cases; exact deadlines; faults in the middle; port strings. */
#include "cpu/cpu_priv.h"
#include "tests/cpu/harness.h"
#include "tests/cpu/random.h"

#include <criterion/criterion.h>
#include <string.h>

static unsigned price(const struct harness *h, enum cost_class class)
{
    return h->cpu->config.cost[h->cpu->cpl == 3][class];
}

static void start(struct harness *h, uint64_t rsi, uint64_t rdi, uint64_t rcx)
{
    struct cpu_state *s = &h->cpu->s;
    s->gpr[RSI] = rsi;
    s->gpr[RDI] = rdi;
    s->gpr[RCX] = rcx;
    s->rip = HARNESS_CODE;
    s->activity = ACTIVITY_RUNNING;
    s->clock = s->instructions = 0;
}

/* ---- Time and interruption ---- */

static const uint8_t rep_movsb[] = {0xF3, 0xA4, 0xF4};

Test(string, rep_charges_iterations_and_set_up)
{
    struct harness *h = harness_create("x86-64-v2", HARNESS_64, true);
    harness_code(h, rep_movsb, 3);
    start(h, 0x20000, 0x30000, 10000);
    cr_expect(harness_run(h));
    unsigned want = 10000 * price(h, COST_STRING_ITER) + price(h, COST_STRING) + price(h, COST_HLT);
    cr_expect_eq(h->cpu->s.clock, want);
    cr_expect_eq(h->cpu->s.instructions, 2);
    cr_expect_eq(h->cpu->s.gpr[RSI], 0x20000 + 10000);
    cr_expect_eq(h->cpu->s.gpr[RDI], 0x30000 + 10000);
    cr_expect_eq(h->cpu->s.gpr[RCX], 0);
    harness_destroy(h);
}

/* Whatever the deadline, the run stops at the first iteration boundary at or after it. */
Test(string, deadline_is_exact)
{
    for (unsigned fast = 0; fast < 2; fast++) {
        struct harness *h = harness_create("x86-64-v2", HARNESS_64, fast);
        harness_code(h, rep_movsb, 3);
        unsigned iteration = price(h, COST_STRING_ITER);
        for (uint64_t deadline = 1; deadline < 9000; deadline += 517) {
            start(h, 0x20F80, 0x30FC0, 2000);
            enum cpu_stop stop = cpu_run(h->cpu, deadline);
            uint64_t done = 2000 - h->cpu->s.gpr[RCX];
            if (stop == CPU_STOP_HALTED || done == 2000)
                continue;
            cr_expect_eq(stop, CPU_STOP_DEADLINE);
            cr_expect_eq(h->cpu->s.clock, done * iteration);
            cr_expect(h->cpu->s.clock >= deadline && h->cpu->s.clock < deadline + iteration);
            cr_expect_eq(h->cpu->s.rip, HARNESS_CODE);
            cr_expect_eq(h->cpu->s.instructions, 0);
        }
        harness_destroy(h);
    }
}

Test(string, count_zero_does_nothing)
{
    struct harness *h = harness_create("x86-64-v2", HARNESS_64, true);
    static const uint8_t code[] = {0xF3, 0xA6, 0xF4}; /* repe cmpsb */
    harness_code(h, code, 3);
    harness_set_flags(h, FLAG_CF);
    start(h, 0, 0xFFFFFFFFFFFF0000, 0);
    cr_expect(harness_run(h));
    cr_expect_eq(harness_flags(h) & FLAGS_ARITH, FLAG_CF);
    cr_expect_eq(h->cpu->s.clock, price(h, COST_STRING) + price(h, COST_HLT));
    harness_destroy(h);
}

/* An interrupt taken between iterations returns into the REP. */
Test(string, interrupted_and_resumed)
{
    struct harness *h = harness_create("x86-64-v2", HARNESS_64, true);
    harness_code(h, rep_movsb, 3);
    static const uint8_t handler[] = {0xFF, 0xC3, 0x48, 0xCF}; /* inc ebx; iretq */
    harness_poke(h, HARNESS_HANDLER + 16 * 0x20, handler, sizeof handler);
    harness_set_flags(h, FLAG_IF);
    start(h, 0x20000, 0x30000, 5000);
    memset(h->machine.base + 0x20000, 0x5A, 5000);
    for (unsigned i = 0; i < 5; i++) {
        cr_expect_eq(cpu_run(h->cpu, h->cpu->s.clock + 1000), CPU_STOP_DEADLINE);
        cpu_set_intr(h->cpu, true);
    }
    cr_expect(harness_run(h));
    cr_expect_eq(h->cpu->s.gpr[RBX], 5);
    cr_expect_eq(h->cpu->s.gpr[RCX], 0);
    cr_expect_eq(memcmp(h->machine.base + 0x20000, h->machine.base + 0x30000, 5000), 0);
    harness_destroy(h);
}

/* ---- Faults ---- */

/* The destination runs off the mapped memory: everything before is done, registers say how far. */
Test(string, fault_in_the_middle)
{
    for (unsigned fast = 0; fast < 2; fast++) {
        struct harness *h = harness_create("x86-64-v2", HARNESS_64, fast);
        static const uint8_t code[] = {0xF3, 0x48, 0xAB, 0xF4}; /* rep stosq */
        harness_code(h, code, 4);
        start(h, 0, HARNESS_BYTES - 8 * 700 - 3, 1000);
        h->cpu->s.gpr[RAX] = 0x1122334455667788;
        cr_expect(harness_run(h));
        cr_expect_eq(harness_fault(h), 14);
        cr_expect_eq(h->cpu->s.gpr[RCX], 300);
        cr_expect_eq(h->cpu->s.gpr[RDI], HARNESS_BYTES - 3);
        cr_expect_eq(h->cpu->s.cr2, HARNESS_BYTES);
        cr_expect_eq(h->machine.base[HARNESS_BYTES - 4], 0x11);
        cr_expect_eq(h->machine.base[HARNESS_BYTES - 3], 0);
        harness_destroy(h);
    }
}

/* ---- Overlap, direction, wrap ---- */

/* MOVSB to the next byte fills; MOVSB backwards does not. */
Test(string, overlapping_copy_is_element_by_element)
{
    for (unsigned fast = 0; fast < 2; fast++) {
        struct harness *h = harness_create("x86-64-v2", HARNESS_64, fast);
        harness_code(h, rep_movsb, 3);
        uint8_t *at = h->machine.base + 0x20000;
        memcpy(at, "abcdefgh", 8);
        start(h, 0x20000, 0x20002, 6);
        cr_expect(harness_run(h));
        cr_expect_eq(memcmp(at, "abababab", 8), 0);
        memcpy(at, "abcdefgh", 8);
        harness_set_flags(h, FLAG_DF);
        start(h, 0x20005, 0x20007, 6);
        cr_expect(harness_run(h));
        cr_expect_eq(memcmp(at, "ababcdef", 8), 0);
        harness_destroy(h);
    }
}

/* 16-bit addresses wrap within the segment; the upper register halves stay. */
Test(string, address_size_wraps)
{
    for (unsigned fast = 0; fast < 2; fast++) {
        struct harness *h = harness_create("x86-64-v2", HARNESS_32, fast);
        static const uint8_t code[] = {0x67, 0xF3, 0xAA, 0xF4}; /* rep stosb with 16-bit addresses */
        harness_poke(h, 0x40000, code, 4);
        start(h, 0, 0xABCDFFFE, 0x77770004);
        h->cpu->s.rip = 0x40000;
        h->cpu->s.gpr[RAX] = 0x99;
        uint8_t saved[2] = {h->machine.base[0], h->machine.base[1]};
        cr_expect(harness_run(h));
        cr_expect_eq(h->cpu->s.gpr[RDI], 0xABCD0002);
        cr_expect_eq(h->cpu->s.gpr[RCX], 0x77770000);
        cr_expect_eq(h->machine.base[0xFFFF], 0x99);
        cr_expect_eq(h->machine.base[1], 0x99);
        cr_expect_neq(h->machine.base[2], 0x99, "%u", saved[0]);
        harness_destroy(h);
    }
}

/* ---- Random cases: page-wise loops against iterations ---- */

struct string_case {
    uint8_t code[8];
    unsigned length;
    uint64_t rsi, rdi, rcx, rax, flags;
    uint64_t slice;
};

static struct string_case random_case(struct random *r)
{
    static const uint8_t opcodes[] = {0xA4, 0xA6, 0xAA, 0xAC, 0xAE};
    struct string_case c = {.length = 0};
    if (random_below(r, 4) == 0)
        c.code[c.length++] = 0x67;
    if (random_below(r, 4) == 0)
        c.code[c.length++] = 0x66;
    c.code[c.length++] = random_below(r, 2) ? 0xF3 : 0xF2;
    if (random_below(r, 3) == 0)
        c.code[c.length++] = 0x48;
    c.code[c.length++] = (uint8_t)(opcodes[random_below(r, 5)] + (random_below(r, 2)));
    c.code[c.length++] = 0xF4;
    c.rsi = 0x20000 + random_below(r, 0x3000);
    c.rdi = random_below(r, 3) ? c.rsi - 20 + random_below(r, 40) : 0x20000 + random_below(r, 0x3000);
    c.rcx = random_below(r, 3) ? random_below(r, 50) : random_below(r, 5000);
    c.rax = random_below(r, 2) ? 0 : random_next(r);
    c.flags = random_below(r, 3) ? 0 : FLAG_DF;
    c.slice = random_below(r, 2) ? 1 + random_below(r, 3000) : 1000000;
    return c;
}

static uint64_t run_case(struct harness *h, const struct string_case *c, uint64_t slice)
{
    struct random fill = {c->rsi * 77 + c->rdi + 1};
    /* Long stretches of equal bytes, so that the comparisons get somewhere. */
    for (unsigned at = 0x1E000; at < 0x26000; at++)
        h->machine.base[at] = random_below(&fill, 200) ? 0 : (uint8_t)random_next(&fill);
    harness_reset(h, HARNESS_64);
    harness_code(h, c->code, c->length);
    start(h, c->rsi, c->rdi, c->rcx);
    h->cpu->s.gpr[RAX] = c->rax;
    h->cpu->s.tsc_offset = 0;
    harness_set_flags(h, c->flags);
    while (cpu_run(h->cpu, h->cpu->s.clock + slice) == CPU_STOP_DEADLINE)
        ;
    uint64_t hash = cpu_state_hash(h->cpu, 0);
    for (unsigned at = 0x1E000; at < 0x26000; at++)
        hash = (hash ^ h->machine.base[at]) * UINT64_C(0x100000001B3);
    return hash;
}

Test(string, page_wise_equals_iterations)
{
    struct harness *slow = harness_create("x86-64-v2", HARNESS_64, false);
    struct harness *fast = harness_create("x86-64-v2", HARNESS_64, true);
    struct random r = {0x5EED};
    for (unsigned n = 0; n < 1500; n++) {
        struct string_case c = random_case(&r);
        uint64_t want = run_case(slow, &c, 1000000), got = run_case(fast, &c, c.slice);
        cr_expect_eq(got, want,
                     "case %u: %02x%02x%02x%02x%02x rsi %llx rdi %llx rcx %llx flags %llx slice %llu", n,
                     c.code[0], c.code[1], c.code[2], c.code[3], c.code[4], (unsigned long long)c.rsi,
                     (unsigned long long)c.rdi, (unsigned long long)c.rcx, (unsigned long long)c.flags,
                     (unsigned long long)c.slice);
    }
    harness_destroy(slow);
    harness_destroy(fast);
}

/* ---- Ports ---- */

Test(string, port_strings)
{
    struct harness *h = harness_create("x86-64-v2", HARNESS_32, true);
    static const uint8_t code[] = {0xF3, 0x6F, 0xF3, 0x6C, 0xF4}; /* rep outsd; rep insb (rcx is 0 by then) */
    harness_code(h, code, sizeof code);
    uint32_t words[3] = {0x11111111, 0x22222222, 0x33333333};
    harness_poke(h, 0x20000, words, sizeof words);
    start(h, 0x20000, 0x30000, 3);
    h->cpu->s.gpr[RDX] = 0x1F0;
    cr_expect(harness_run(h));
    cr_expect_eq(h->io_count, 3);
    for (unsigned i = 0; i < 3; i++) {
        cr_expect(h->io[i].write && h->io[i].size == 4 && h->io[i].addr == 0x1F0);
        cr_expect_eq(h->io[i].value, words[i]);
        cr_expect_eq(h->io[i].clock, i * price(h, COST_STRING_ITER));
    }
    harness_destroy(h);
}

/* INS to memory that is not there: the port must not have been read. */
Test(string, ins_checks_memory_first)
{
    struct harness *h = harness_create("x86-64-v2", HARNESS_64, true);
    static const uint8_t code[] = {0xF3, 0x6C, 0xF4};
    harness_code(h, code, sizeof code);
    start(h, 0, HARNESS_BYTES - 2, 5);
    cr_expect(harness_run(h));
    cr_expect_eq(harness_fault(h), 14);
    cr_expect_eq(h->io_count, 2);
    cr_expect_eq(h->cpu->s.gpr[RCX], 3);
    harness_destroy(h);
}
