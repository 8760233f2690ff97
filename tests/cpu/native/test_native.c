/* Every user-mode row of the instruction table against the host CPU, in 64, 32 and 16-bit code, one by one
 * and in random blocks. bench.h lists the environment variables.
 *
 * Rows with ATTR_PRIV or ATTR_SYS are left out (test_native_system.c); so are rows whose feature the host
 * lacks. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "bench.h"

#include <stdlib.h>

enum { SLICES = 4 };

struct slice {
    enum native_bits bits;
    unsigned number;
};

static bool row_is_compared(const struct bench *bench, const struct insn_row *row)
{
    return bench_wants(bench, row) && !row_is_system(row);
}

static struct bench *bench_open_or_skip(enum native_bits bits)
{
    const char *reason = "";
    struct bench *bench = bench_open(bits, &reason);
    if (bench == NULL)
        cr_skip_test("%u-bit: %s", 16u << bits, reason);
    return bench;
}

ParameterizedTestParameters(native, rows)
{
    static struct slice slices[BITS_COUNT * SLICES];
    for (unsigned i = 0; i < ARRAY_LEN(slices); i++)
        slices[i] = (struct slice){(enum native_bits)(BITS_COUNT - 1 - i / SLICES), i % SLICES};
    return cr_make_param_array(struct slice, slices, ARRAY_LEN(slices));
}

ParameterizedTest(struct slice *slice, native, rows)
{
    struct bench *bench = bench_open_or_skip(slice->bits);
    for (unsigned i = slice->number; i < insn_row_count; i += SLICES)
        if (row_is_compared(bench, &insn_rows[i]))
            bench_row(bench, i);
    bench_report(bench, slice->number);
    unsigned failed = bench->failed;
    bench_close(bench);
    cr_assert_eq(failed, 0, "%u rows differ", failed);
}

/* ---- Blocks ---- */

/* Does the interpreter give undefined flags the values that this host gives them? Blocks use them again. */
static bool undefined_flags_agree(struct bench *bench, const struct insn_row *row)
{
    struct rng rng = {bench->options.seed};
    if (row->undefined == 0)
        return true;
    bench->undefined = 0;
    for (unsigned i = 0; i < 16; i++) {
        struct native_case c;
        if (case_encode(&rng, row, host_machine(bench->host), &c))
            (void)bench_encoding(bench, &rng, &c, bench->options.show);
    }
    return bench->undefined == 0;
}

/* Rows for blocks: exactly defined, and no branch that leaves the block. FSAVE and its kin store the x87
 * pointers, which hosts update by rules of their own. */
static unsigned block_rows(struct bench *bench, const struct insn_row **rows)
{
    enum native_bits bits = host_machine(bench->host)->bits;
    unsigned count = 0, absent = bits == BITS_64 ? ATTR_NO64 : ATTR_ONLY64;
    for (unsigned i = 1; i < insn_row_count; i++) {
        const struct insn_row *row = &insn_rows[i];
        bool relative = row->operand[0] == OC_Jb || row->operand[0] == OC_Jz;
        bool exact = !row_is_inexact(row) && row->cost != COST_FPU_STATE;
        if (row_is_compared(bench, row) && exact && !(row->attr & absent) &&
            (!(row->attr & ATTR_END) || relative) && undefined_flags_agree(bench, row))
            rows[count++] = row;
    }
    return count;
}

/* The first `count` instructions of the block on both sides. */
static bool block_agrees(struct bench *bench, const struct native_block *block, unsigned count, bool print)
{
    struct native_result host, guest;
    struct native_memories memory = {bench->memory, host_data(bench->host), guest_data(bench->guest)};
    struct native_case c = block->c;
    c.length = block->insn[count - 1].offset + block->insn[count - 1].length;
    memcpy(host_data(bench->host), bench->memory, DATA_SIZE);
    memcpy(guest_data(bench->guest), bench->memory, DATA_SIZE);
    host_run(bench->host, &c, &host);
    guest_run_block(bench->guest, &c, &guest);
    if (results_equal(&c, &host, &guest, &memory))
        return true;
    if (print) {
        fprintf(stderr, "the last of %u instructions, row %s, or what it uses:\n", count,
                block->insn[count - 1].row->mnemonic);
        case_print(stderr, &c, &host, &guest, &memory);
    }
    return false;
}

ParameterizedTestParameters(native, blocks)
{
    static enum native_bits modes[BITS_COUNT] = {BITS_64, BITS_32, BITS_16};
    return cr_make_param_array(enum native_bits, modes, BITS_COUNT);
}

ParameterizedTest(enum native_bits *bits, native, blocks)
{
    struct bench *bench = bench_open_or_skip(*bits);
    const struct insn_row **rows = xcalloc(insn_row_count, sizeof *rows);
    unsigned row_count = block_rows(bench, rows), failed = 0;
    uint64_t instructions = 0;
    struct native_block *block = xcalloc(1, sizeof *block);
    for (unsigned i = 0; i < bench->options.blocks && row_count > 0; i++) {
        struct rng rng = {bench->options.seed ^ (uint64_t)i << 24 ^ (uint64_t)*bits << 60};
        block_randomize(&rng, bench->guest, host_machine(bench->host), rows, row_count, block, bench->memory);
        instructions += block->count;
        if (block->count == 0 || block_agrees(bench, block, block->count, false))
            continue;
        unsigned shortest = 1;
        while (shortest < block->count && block_agrees(bench, block, shortest, false))
            shortest++;
        if (failed < bench->options.show)
            block_agrees(bench, block, shortest, true);
        failed++;
    }
    fprintf(stderr, "%u-bit: %u blocks, %llu instructions, seed %llu\n", 16u << *bits, bench->options.blocks,
            (unsigned long long)instructions, (unsigned long long)bench->options.seed);
    free(block);
    free(rows);
    bench_close(bench);
    cr_assert_eq(failed, 0, "%u blocks differ", failed);
}
