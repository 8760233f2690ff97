/* Every user-mode row of the instruction table against the host CPU, in 64, 32 and 16-bit code.
 *
 *     NATIVE_SEED=n     another sequence of cases (it is printed)
 *     NATIVE_CASES=n    cases per row and mode (default 2000)
 *     NATIVE_ROW=text   only rows of this mnemonic
 *     NATIVE_SHOW=n     failing cases printed per row (default 1)
 *     NATIVE_VERBOSE=1  also rows that differ only in flags the manual leaves undefined
 *
 * Rows with ATTR_PRIV or ATTR_SYS are left out; so are rows whose feature the host lacks. Each case depends
 * on the seed, the row and the mode only, so a failing row can be run alone. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "native.h"

#include <stdlib.h>

enum {
    SLICES = 4,
    CASES_PER_ENCODING = 8,
    DEFAULT_CASES = 2000,
    DEFAULT_BLOCKS = 4000,
    DEFAULT_SEED = 20010627,
};

struct slice {
    enum native_bits bits;
    unsigned number;
};

struct options {
    uint64_t seed;
    unsigned cases, blocks, show;
    const char *row;
    bool verbose;
};

struct bench {
    struct native_host *host;
    struct native_guest *guest;
    struct options options;
    uint8_t memory[DATA_SIZE];
    unsigned rows, failed;
    uint64_t cases, undefined;
};

static uint64_t option_number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 0) : otherwise;
}

static bool row_is_compared(const struct insn_row *row, const struct options *options)
{
    if (row == &insn_rows[0] || (row->attr & (ATTR_PRIV | ATTR_SYS)) || !host_has(row->feature))
        return false;
    return options->row == NULL || strcmp(options->row, row->mnemonic) == 0;
}

/* The READ column: flags that are not in it must have no influence on the host. */
static bool reads_hold(struct bench *bench, const struct native_case *c, const struct native_result *host)
{
    struct native_case flipped = *c;
    struct native_result other;
    flipped.in.rflags ^= (FLAGS_ARITH | FLAG_DF) & ~(uint64_t)c->row->read;
    memcpy(host_data(bench->host), bench->memory, DATA_SIZE);
    host_run(bench->host, &flipped, &other);
    if (!case_reads_flags(c, host, &other))
        return true;
    fprintf(stderr,
            "FAIL %s reads or keeps flags that its columns do not say: in %llx out %llx, in %llx out %llx\n",
            c->row->mnemonic, (unsigned long long)c->in.rflags, (unsigned long long)host->s.rflags,
            (unsigned long long)flipped.in.rflags, (unsigned long long)other.s.rflags);
    return false;
}

/* One encoding with several states. Returns the number of failing cases. */
static unsigned compare_encoding(struct bench *bench, struct rng *rng, struct native_case *c,
                                 unsigned printed)
{
    unsigned failures = 0;
    for (unsigned i = 0; i < CASES_PER_ENCODING; i++) {
        struct native_result host, guest;
        struct native_memories memory = {bench->memory, host_data(bench->host), guest_data(bench->guest)};
        case_randomize(rng, c, bench->memory);
        memcpy(host_data(bench->host), bench->memory, DATA_SIZE);
        memcpy(guest_data(bench->guest), bench->memory, DATA_SIZE);
        guest_run(bench->guest, c, &guest);
        if (!host_can_run(bench->host, &guest))
            continue;
        host_run(bench->host, c, &host);
        bench->cases++;
        switch (case_compare(c, &host, &guest, &memory)) {
        case SAME: break;
        case SAME_BUT_UNDEFINED: bench->undefined++; break;
        case DIFFERENT:
            if (printed + failures < bench->options.show)
                case_print(stderr, c, &host, &guest, &memory);
            failures++;
            break;
        }
        if (i == CASES_PER_ENCODING - 1 && failures == 0 && !reads_hold(bench, c, &host))
            failures++;
    }
    return failures;
}

static void compare_row(struct bench *bench, unsigned index)
{
    const struct insn_row *row = &insn_rows[index];
    const struct native_machine *machine = host_machine(bench->host);
    struct rng rng = {bench->options.seed ^ (uint64_t)index << 32 ^ (uint64_t)machine->bits << 60};
    unsigned failures = 0, decode_failures = 0, cases = 0;
    uint64_t undefined = bench->undefined;
    for (; cases < bench->options.cases; cases += CASES_PER_ENCODING) {
        struct native_case c;
        if (!case_encode(&rng, row, machine, &c))
            return;
        if (!guest_decodes(bench->guest, &c, decode_failures < bench->options.show ? stderr : NULL)) {
            decode_failures++;
            continue;
        }
        failures += compare_encoding(bench, &rng, &c, failures);
    }
    bench->rows++;
    if (failures || decode_failures) {
        bench->failed++;
        fprintf(stderr, "FAIL row %u %s (%u-bit): %u of %u cases differ, %u decode differently\n", index,
                row->mnemonic, 16u << machine->bits, failures, cases, decode_failures);
    } else if (bench->options.verbose && bench->undefined != undefined) {
        fprintf(stderr, "row %u %s (%u-bit): %u of %u cases differ in undefined flags\n", index,
                row->mnemonic, 16u << machine->bits, (unsigned)(bench->undefined - undefined), cases);
    }
}

ParameterizedTestParameters(native, rows)
{
    static struct slice slices[BITS_COUNT * SLICES];
    for (unsigned i = 0; i < ARRAY_LEN(slices); i++)
        slices[i] = (struct slice){(enum native_bits)(BITS_COUNT - 1 - i / SLICES), i % SLICES};
    return cr_make_param_array(struct slice, slices, ARRAY_LEN(slices));
}

/* Host and interpreter for one mode, or NULL and the test skipped. */
static struct bench *bench_open(enum native_bits bits)
{
    const char *reason = "";
    struct native_host *host = host_open(bits, &reason);
    if (host == NULL)
        cr_skip_test("%u-bit: %s", 16u << bits, reason);
    struct bench *bench = xcalloc(1, sizeof *bench);
    bench->options = (struct options){option_number("NATIVE_SEED", DEFAULT_SEED),
                                      (unsigned)option_number("NATIVE_CASES", DEFAULT_CASES),
                                      (unsigned)option_number("NATIVE_BLOCKS", DEFAULT_BLOCKS),
                                      (unsigned)option_number("NATIVE_SHOW", 1),
                                      getenv("NATIVE_ROW"),
                                      option_number("NATIVE_VERBOSE", 0) != 0};
    bench->host = host;
    bench->guest = guest_open(host_machine(host));
    return bench;
}

static void bench_close(struct bench *bench)
{
    guest_close(bench->guest);
    host_close(bench->host);
    free(bench);
}

ParameterizedTest(struct slice *slice, native, rows)
{
    struct bench *bench = bench_open(slice->bits);
    for (unsigned i = slice->number; i < insn_row_count; i += SLICES)
        if (row_is_compared(&insn_rows[i], &bench->options))
            compare_row(bench, i);
    fprintf(stderr, "%u-bit slice %u: %u rows, %llu cases, seed %llu, %llu differ in undefined flags only\n",
            16u << slice->bits, slice->number, bench->rows, (unsigned long long)bench->cases,
            (unsigned long long)bench->options.seed, (unsigned long long)bench->undefined);
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
            (void)compare_encoding(bench, &rng, &c, bench->options.show);
    }
    return bench->undefined == 0;
}

/* Rows for blocks: exactly defined, and no branch that leaves the block. FSAVE and its kin store the x87
 * pointers, which hosts update by rules of their own. */
static unsigned block_rows(struct bench *bench, const struct insn_row **rows)
{
    const struct options *options = &bench->options;
    enum native_bits bits = host_machine(bench->host)->bits;
    unsigned count = 0, absent = bits == BITS_64 ? ATTR_NO64 : ATTR_ONLY64;
    for (unsigned i = 1; i < insn_row_count; i++) {
        const struct insn_row *row = &insn_rows[i];
        bool relative = row->operand[0] == OC_Jb || row->operand[0] == OC_Jz;
        bool exact = !row_is_inexact(row) && row->cost != COST_FPU_STATE;
        if (row_is_compared(row, options) && exact && !(row->attr & absent) &&
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
    struct bench *bench = bench_open(*bits);
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
