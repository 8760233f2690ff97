/* The cache model as instructions use it: which lines and pages are touched, when, and what it adds to the
 * clock. Prices of the timed harness (harness.h); a class costs more than nothing, so clocks are compared
 * with those of the same program in caches that have everything already. */
#include "cpu/protect.h"
#include "tests/cpu/harness.h"

#include <criterion/criterion.h>

static struct harness *create(enum harness_mode mode)
{
    return harness_create_timed("x86-64-v2", mode, true);
}

static uint64_t step(struct harness *h)
{
    uint64_t clock = h->cpu->s.clock;
    harness_step(h, 1);
    return h->cpu->s.clock - clock;
}

/* The penalty of the one instruction at HARNESS_CODE: what it takes more than the second time. */
static int64_t penalty(struct harness *h, const uint8_t *code, size_t size)
{
    struct cpu_state before = h->cpu->s;
    harness_code(h, code, size);
    uint64_t first = step(h);
    memcpy(h->cpu->s.gpr, before.gpr, sizeof before.gpr);
    h->cpu->s.rip = HARNESS_CODE;
    uint64_t second = step(h);
    return (int64_t)(first - second);
}
#define PENALTY(h, ...) penalty(h, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

Test(timing, without_paging_there_are_no_walks)
{
    struct harness *h = create(HARNESS_32);
    h->cpu->s.gpr[RBX] = HARNESS_DATA;
    cr_expect_eq(PENALTY(h, 0x8B, 0x03), TIMED_MEMORY_FETCH + TIMED_MEMORY_LOAD, "mov eax, [ebx]");
    cr_expect_eq(PENALTY(h, 0x8B, 0x43, 0x1C), 0, "mov eax, [ebx + 28]");
    cr_expect_eq(PENALTY(h, 0x8B, 0x43, 0x20), TIMED_MEMORY_LOAD, "mov eax, [ebx + 32]");
    cr_expect_eq(PENALTY(h, 0x89, 0x43, 0x3E), TIMED_MEMORY_STORE, "mov [ebx + 62], eax: two lines, one new");
    cr_expect_eq(h->cpu->timing->spent.data_walk, 0);
    harness_destroy(h);
}

/* The harness maps its memory by large pages in long mode: see tables in harness.c. */
Test(timing, translations_are_walked_once)
{
    struct harness *h = create(HARNESS_64);
    h->cpu->s.gpr[RBX] = HARNESS_DATA;
    int64_t first = PENALTY(h, 0x8B, 0x03);
    cr_expect_eq(first, TIMED_MEMORY_FETCH + TIMED_WALK_FETCH + TIMED_MEMORY_LOAD + TIMED_WALK_DATA);
    h->cpu->s.gpr[RBX] = HARNESS_DATA + 0x40;
    cr_expect_eq(PENALTY(h, 0x8B, 0x03), TIMED_MEMORY_LOAD);
    cpu_invalidate_all(h->cpu, true);
    cr_expect_eq(PENALTY(h, 0x8B, 0x03), TIMED_WALK_FETCH + TIMED_WALK_DATA);
    cr_expect_eq(h->cpu->timing->spent.data_walk, 2 * TIMED_WALK_DATA);
    harness_destroy(h);
}

/* RMW touches its line as a store; the stack is data like any other; an instruction may lie in two lines. */
Test(timing, stores_pushes_and_long_instructions)
{
    struct harness *h = create(HARNESS_32);
    h->cpu->s.gpr[RBX] = HARNESS_DATA;
    PENALTY(h, 0x90);
    cr_expect_eq(PENALTY(h, 0x01, 0x03), TIMED_MEMORY_STORE, "add [ebx], eax");
    cr_expect_eq(PENALTY(h, 0x50), TIMED_MEMORY_STORE, "push eax");
    uint8_t code[34];
    memset(code, 0x90, sizeof code);
    code[30] = 0xB8; /* mov eax, imm32: from byte 30 to 34 */
    harness_code(h, code, sizeof code);
    harness_poke(h, HARNESS_CODE + 34, &(uint8_t){0x90}, 1);
    harness_step(h, 30);
    uint64_t clock = h->cpu->s.clock;
    harness_step(h, 1);
    uint64_t took = h->cpu->s.clock - clock;
    h->cpu->s.rip = HARNESS_CODE + 30;
    cr_expect_eq(took - step(h), TIMED_MEMORY_FETCH);
    harness_destroy(h);
}

/* A loop of LOOP: found by the decoder once, then predicted, and wrong at its end. */
Test(timing, branches)
{
    struct harness *h = create(HARNESS_32);
    harness_code(h, (const uint8_t[]){0xE2, 0xFE, 0x90}, 3); /* loop itself; nop */
    h->cpu->s.gpr[RCX] = 10;
    harness_step(h, 10);
    cr_expect_eq(h->cpu->timing->spent.branch, TIMED_DECODED + TIMED_MISPREDICTED);
    cr_expect_eq(h->cpu->timing->predictor.count.mispredicted, 1);
    harness_destroy(h);
}

/* CALL to the next instruction and RET to behind itself: the stack of returns does not know. */
Test(timing, returns)
{
    struct harness *h = create(HARNESS_32);
    /* call +1; hlt; inc dword [esp]... : call f; nop; f: ret */
    harness_code(h, (const uint8_t[]){0xE8, 1, 0, 0, 0, 0xF4, 0xC3}, 7);
    harness_step(h, 2);
    cr_expect_eq(h->cpu->timing->predictor.count.returns, 0);
    cr_expect_eq(h->cpu->s.rip, HARNESS_CODE + 5);
    h->cpu->s.rip = HARNESS_CODE + 6;
    h->cpu->s.gpr[RSP] -= 4;
    harness_step(h, 1);
    cr_expect_eq(h->cpu->timing->predictor.count.returns, 1);
    harness_destroy(h);
}

/* An instruction that faults has paid for what it touched, and nothing else. */
Test(timing, faults)
{
    struct harness *h = create(HARNESS_32);
    h->cpu->s.gpr[RBX] = HARNESS_DATA;
    harness_code(h, (const uint8_t[]){0xF7, 0x33}, 2); /* div dword [ebx]: #DE */
    harness_step(h, 1);
    cr_expect_eq(harness_fault(h), 0);
    cr_expect_geq(h->cpu->timing->spent.load, TIMED_MEMORY_LOAD);
    harness_destroy(h);
}

Test(timing, cache_control)
{
    struct harness *h = create(HARNESS_32);
    h->cpu->s.gpr[RBX] = HARNESS_DATA;
    PENALTY(h, 0x8B, 0x03);
    PENALTY(h, 0x0F, 0xAE, 0x3B); /* clflush [ebx] */
    cr_expect_eq(PENALTY(h, 0x8B, 0x03), TIMED_MEMORY_LOAD);
    harness_code(h, (const uint8_t[]){0x0F, 0x09}, 2); /* wbinvd */
    harness_step(h, 1);
    cr_expect_eq(PENALTY(h, 0x8B, 0x03), TIMED_MEMORY_FETCH + TIMED_MEMORY_LOAD);
    timing_written(h->cpu, h->machine.base + HARNESS_DATA, 4, false);
    cr_expect_eq(PENALTY(h, 0x8B, 0x03), TIMED_MEMORY_LOAD, "a bus master wrote");
    timing_written(h->cpu, h->machine.base + HARNESS_DATA, 4, true);
    cr_expect_eq(PENALTY(h, 0x8B, 0x03), TIMED_L2_LOAD, "other code of this CPU wrote");
    harness_destroy(h);
}

/* Power-on empties everything; so do two CPUs with the same history have the same hash. */
Test(timing, two_of_everything)
{
    struct harness *a = create(HARNESS_64), *b = create(HARNESS_64);
    PENALTY(a, 0x8B, 0x03);
    cr_expect_neq(timing_hash(a->cpu->timing, 1), timing_hash(b->cpu->timing, 1));
    PENALTY(b, 0x8B, 0x03);
    cr_expect_eq(timing_hash(a->cpu->timing, 1), timing_hash(b->cpu->timing, 1));
    cr_expect_eq(timing_diff(stderr, a->cpu->timing, b->cpu->timing), 0);
    harness_timing_clear(a);
    harness_timing_clear(b);
    cr_expect(timing_equal(a->cpu->timing, b->cpu->timing));
    harness_destroy(a);
    harness_destroy(b);
}

/* A world that touches more lines than the data cache of 32 has: those of the guest are gone from it, not
 * from L2. The second time it finds its own in L2, and its pages walked anew only if CR3 was loaded. */
Test(timing, other_worlds_displace_the_guests_lines)
{
    struct harness *h = create(HARNESS_32);
    const struct timing_footprint world = {
        .world = 1, .code_lines = 4, .data_lines = 40, .code_pages = 1, .data_pages = 2};
    h->cpu->s.gpr[RBX] = HARNESS_DATA;
    PENALTY(h, 0x8B, 0x03);
    struct timing_spent before = h->cpu->timing->spent;
    struct timing_misses first = timing_foreign(h->cpu, &world);
    cr_expect_eq(first.lines, 4 * TIMED_MEMORY_FETCH + 40 * TIMED_MEMORY_LOAD);
    cr_expect_eq(first.walks, TIMED_WALK_FETCH + 2 * TIMED_WALK_DATA);
    struct timing_misses again = timing_foreign(h->cpu, &world);
    cr_expect_eq(again.walks, 0);
    cr_expect_lt(again.lines, first.lines / 4, "from L2, and what stayed");
    timing_flush_tlbs(h->cpu, true);
    cr_expect_eq(timing_foreign(h->cpu, &world).walks, first.walks);
    cr_expect_eq(memcmp(&before, &h->cpu->timing->spent, sizeof before), 0, "it is not the guest's time");
    cr_expect_geq(PENALTY(h, 0x8B, 0x03), TIMED_L2_LOAD);
    harness_destroy(h);
}
