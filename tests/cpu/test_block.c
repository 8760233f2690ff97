/* The decoded-block cache: self-modifying code, code written by DMA, instructions across pages, remapped
 * pages, eviction. Each case runs with fast handlers on and off. */
#include "cpu/block.h"
#include "cpu/cpu_priv.h"
#include "tests/cpu/harness.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

static void each(void (*check)(bool fast))
{
    check(false);
    check(true);
}

/* mov byte [rip+0], imm8 changes the immediate of the very next instruction. */
static void store_into_next(bool fast)
{
    struct harness *h = harness_create("x86-64-v2", HARNESS_64, fast);
    static const uint8_t code[] = {
        0xC6, 0x05, 1, 0, 0, 0, 7, /* mov byte [rip+1], 7: the immediate below */
        0xB0, 1,                   /* mov al, 1 */
        0xF4,
    };
    harness_code(h, code, sizeof code);
    cr_expect(harness_run(h));
    cr_expect_eq(h->cpu->s.gpr[RAX], 7);
    harness_destroy(h);
}

/* A loop that rewrites its own body each time round: the sum of the immediates it really executed. */
static void loop_rewrites_itself(bool fast)
{
    struct harness *h = harness_create("x86-64-v2", HARNESS_32, fast);
    static const uint8_t code[] = {
        0xB9, 10,   0, 0,    0,    /* mov ecx, 10 */
        0x83, 0xC0, 1,             /* 5: add eax, 1 */
        0xFE, 0x05, 7, 0xA0, 0, 0, /* inc byte [the immediate] */
        0x49,                      /* dec ecx */
        0x75, 0xF4,                /* jnz 5 */
        0xF4,
    };
    harness_code(h, code, sizeof code);
    cr_expect(harness_run(h));
    cr_expect_eq(h->cpu->s.gpr[RAX], 55);
    harness_destroy(h);
}

/* A device overwrites code while OUT runs: what follows OUT is the new code. */
static void port_write_is_dma(void *ctx, uint16_t port, unsigned size, uint32_t value)
{
    struct harness *h = ctx;
    (void)port, (void)size;
    uint8_t byte = (uint8_t)value;
    cr_assert(memory_write(&h->memory, gpa(HARNESS_CODE + 5), &byte, 1));
}

static void dma_into_running_block(bool fast)
{
    struct harness *h = harness_create("x86-64-v2", HARNESS_32, fast);
    h->bus.port_write = port_write_is_dma;
    static const uint8_t code[] = {
        0xB0, 42,   /* mov al, 42 */
        0xE6, 0x80, /* out 80h, al */
        0xB3, 1,    /* mov bl, 1 */
        0xF4,
    };
    harness_code(h, code, sizeof code);
    cr_expect(harness_run(h));
    cr_expect_eq(h->cpu->s.gpr[RBX], 42);
    harness_destroy(h);
}

/* mov eax, imm32 across a page boundary, in the middle of a straight line. */
static void across_pages(bool fast)
{
    struct harness *h = harness_create("x86-64-v2", HARNESS_64, fast);
    static const uint8_t code[] = {0x90, 0xB8, 0x11, 0x22, 0x33, 0x44, 0xFF, 0xC0, 0xF4};
    for (unsigned before = 1; before < 6; before++) {
        uint64_t at = 0x40000 - before;
        harness_poke(h, at, code, sizeof code);
        for (unsigned round = 0; round < 3; round++) {
            h->cpu->s.rip = at;
            h->cpu->s.activity = ACTIVITY_RUNNING;
            cpu_state_changed(h->cpu);
            cr_expect(harness_run(h));
            cr_expect_eq(h->cpu->s.gpr[RAX], 0x44332212);
        }
        /* The second page changes: seen by the next run. */
        uint8_t top = 0x55;
        harness_poke(h, at + 5, &top, 1);
        h->cpu->s.rip = at;
        h->cpu->s.activity = ACTIVITY_RUNNING;
        cpu_state_changed(h->cpu);
        cr_expect(harness_run(h));
        cr_expect_eq(h->cpu->s.gpr[RAX], 0x55332212);
    }
    harness_destroy(h);
}

/* The second page of an instruction is not present: #PF with CR2 at its first byte, nothing executed. */
static void fault_on_second_page(bool fast)
{
    struct harness *h = harness_create("x86-64-v2", HARNESS_64, fast);
    static const uint8_t code[] = {0xFF, 0xC3, 0xB8, 0x11, 0x22, 0x33, 0x44};
    uint64_t at = 0x1000000 - 4; /* the end of what the tables map */
    harness_poke(h, at, code, 4);
    h->cpu->s.rip = at;
    cr_expect(harness_run(h));
    cr_expect_eq(harness_fault(h), 14);
    cr_expect_eq(h->cpu->s.cr2, 0x1000000);
    cr_expect_eq(h->cpu->s.gpr[RBX], 1);
    uint64_t rip = 0;
    harness_peek(h, h->cpu->s.gpr[RSP] + 8, &rip, 8);
    cr_expect_eq(rip, 0x1000000 - 2);
    harness_destroy(h);
}

/* Another frame appears behind the page: the old decoding must not survive. */
static void remapped_page(bool fast)
{
    struct harness *h = harness_create("x86-64-v2", HARNESS_32, fast);
    static const uint8_t first[] = {0xB0, 1, 0xF4}, second[] = {0xB0, 2, 0xF4};
    harness_poke(h, 0x40000, first, 3);
    harness_poke(h, 0x50000, second, 3);
    for (unsigned round = 0; round < 4; round++) {
        guest_memory_map(&h->memory, &h->machine, (ppn_t){0x40}, (mpn_t){round & 1 ? 0x50 : 0x40}, 1);
        h->cpu->s.rip = 0x40000;
        h->cpu->s.activity = ACTIVITY_RUNNING;
        cr_expect(harness_run(h));
        cr_expect_eq(h->cpu->s.gpr[RAX], (round & 1) + 1);
    }
    harness_destroy(h);
}

/* More code than the arena holds, run twice; then a jump back into what was evicted. */
static void eviction(bool fast)
{
    struct harness *h = harness_create("x86-64-v2", HARNESS_32, fast);
    enum { FIRST = 0x100000, BYTES = 3 << 20 };
    memset(h->machine.base + FIRST, 0x40, BYTES); /* inc eax */
    uint8_t halt = 0xF4;
    harness_poke(h, FIRST + BYTES, &halt, 1);
    for (unsigned round = 1; round <= 2; round++) {
        h->cpu->s.rip = FIRST;
        h->cpu->s.activity = ACTIVITY_RUNNING;
        cr_expect(harness_run(h));
        cr_expect_eq(h->cpu->s.gpr[RAX], round * BYTES);
        cr_expect_eq(h->cpu->s.instructions, round * (BYTES + 1u));
    }
    harness_destroy(h);
}

/* Writes beside code in its page, but not into its lines, leave it alone; writes into it do not. */
static void neighbours_survive(bool fast)
{
    struct harness *h = harness_create("x86-64-v2", HARNESS_32, fast);
    static const uint8_t code[] = {0xB0, 1, 0xF4};
    harness_poke(h, 0x40000, code, 3);
    h->cpu->s.rip = 0x40000;
    cr_expect(harness_run(h));
    size_t used = h->cpu->blocks->used;
    uint32_t data = 0;
    harness_poke(h, 0x40000 + 128, &data, 4);
    h->cpu->s.rip = 0x40000;
    h->cpu->s.activity = ACTIVITY_RUNNING;
    cr_expect(harness_run(h));
    cr_expect_eq(h->cpu->blocks->used, used);
    uint8_t two = 2;
    harness_poke(h, 0x40001, &two, 1);
    h->cpu->s.rip = 0x40000;
    h->cpu->s.activity = ACTIVITY_RUNNING;
    cr_expect(harness_run(h));
    cr_expect_eq(h->cpu->s.gpr[RAX], 2);
    harness_destroy(h);
}

/* Execution runs off the end of a 16-bit segment: #GP, not the bytes behind it. */
static void segment_end(bool fast)
{
    struct harness *h = harness_create("x86-64-v2", HARNESS_16, fast);
    static const uint8_t code[] = {0x40, 0x40, 0xB8,
                                   0x34}; /* inc ax; inc ax; mov ax, imm16 cut by the limit */
    harness_poke(h, 0xFFFC, code, 4);
    h->cpu->s.rip = 0xFFFC;
    cr_expect(harness_run(h));
    cr_expect_eq(harness_fault(h), 13);
    cr_expect_eq(h->cpu->s.gpr[RAX], 2);
    harness_destroy(h);
}

/* Bytes that are no instruction become one when a byte behind the opcode is written, and back: 0F C7 /1 is
 * CMPXCHG8B, /0 is none. */
static void undefined_until_written(bool fast)
{
    struct harness *h = harness_create("x86-64-v2", HARNESS_32, fast);
    static const uint8_t code[] = {0x0F, 0xC7, 0x03, 0xF4};
    harness_code(h, code, sizeof code);
    for (unsigned round = 0; round < 4; round++) {
        uint8_t modrm = round & 1 ? 0x0B : 0x03;
        harness_poke(h, HARNESS_CODE + 2, &modrm, 1);
        h->cpu->s.gpr[RBX] = 0x10000;
        h->cpu->s.rip = HARNESS_CODE;
        h->cpu->s.activity = ACTIVITY_RUNNING;
        cr_expect(harness_run(h));
        cr_expect_eq(harness_fault(h), round & 1 ? -1 : 6, "round %u", round);
    }
    harness_destroy(h);
}

Test(block, undefined_until_written)
{
    each(undefined_until_written);
}

Test(block, store_into_next_instruction)
{
    each(store_into_next);
}

Test(block, loop_rewrites_itself)
{
    each(loop_rewrites_itself);
}

Test(block, dma_into_running_block)
{
    each(dma_into_running_block);
}

Test(block, instruction_across_pages)
{
    each(across_pages);
}

Test(block, fault_on_second_page)
{
    each(fault_on_second_page);
}

Test(block, remapped_page)
{
    each(remapped_page);
}

Test(block, eviction)
{
    each(eviction);
}

Test(block, neighbours_survive)
{
    each(neighbours_survive);
}

Test(block, end_of_segment)
{
    each(segment_end);
}
