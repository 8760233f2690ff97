/* The translator against the interpreter: random blocks over the whole user-mode part of the instruction
 * table, in 64, 32 and 16-bit code.
 *
 * A block is made as in tests/cpu/native/blocks.c, each instruction tried in the state that the ones before
 * it have reached; then some of its branches are aimed at other instructions of the block, so that it has
 * loops and skips; half the blocks have many branches, and some of them are a loop whose body has several
 * blocks. Some write themselves. It runs several times on two
 * CPUs with equal memory, one of which has a translator that translates at the first execution: with other
 * registers each time, in one go or stopped at random cycles, with pages taken away or made read-only, TLB
 * entries dropped, translations dropped. Now and then the translator is made anew, with fast paths switched
 * off at random. At every stop the whole architectural state must be equal, clock and undefined flags
 * included, at the end memory too.
 *
 *     XLATE_SEED=n     another sequence of blocks (it is printed)
 *     XLATE_BLOCKS=n   blocks in each mode
 *     XLATE_FIRST=n    begin with this one: a failing block is shown with its number
 *     XLATE_BITS=n     only code of 16, 32 or 64 bits
 *     XLATE_LIST=1     each block is shown before it runs, for those that crash
 *     XLATE_SHOW=n     failing blocks shown (default 1)
 *     XLATE_STATS=1    the translator's counts, and what it gave to the interpreter */
#include "binxlate/translator.h"
#include "cpu/cpu_priv.h"
#include "cpu/disasm.h"
#include "cpu/state_diff.h"
#include "tests/cpu/native/native.h"
#include "tests/cpu/native/native_priv.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <inttypes.h>
#include <stdlib.h>

enum {
    DEFAULT_BLOCKS = 12000,
    DEFAULT_SEED = 20011104,
    RUNS = 4, /* of each block */
    TRIES = 8,
    CODE_CACHE = 1 << 20, /* small, so that units are evicted now and then */
    REMAKE = 1000,        /* blocks between two translators */
    BLOCK_CYCLES = 3000,
    SLICES = 24,
    STACK_BYTES = PAGE_SIZE,
};

struct bed {
    struct native_machine machine;
    struct native_guest *scout, *interpreted, *translated;
    struct translator *translator;
    const struct insn_row **rows, **branches;
    unsigned row_count, branch_count, off;
    uint8_t memory[DATA_SIZE];
    uint64_t seed, instructions, units, regions, routes;
};

static uint64_t option(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 0) : otherwise;
}

/* ---- The two CPUs ---- */

/* Each has fast paths off at random, half of them none. */
static void remake_translator(struct bed *bed, uint64_t number)
{
    struct rng rng = {(bed->seed ^ number / REMAKE << 32 ^ 0x0FF) * 2 + 1};
    struct translator_config config = {.code_bytes = CODE_CACHE, .threshold = 1 + rng_below(&rng, 2)};
    struct error err = {0};
    if (rng_one_in(&rng, 2))
        for (unsigned path = 0; path < PATH_COUNT; path++)
            config.off |= rng_one_in(&rng, 4) ? 1u << path : 0;
    if (bed->translator != NULL) {
        bed->units += translator_count(bed->translator, COUNT_UNITS);
        bed->regions += translator_count(bed->translator, COUNT_REGIONS);
        bed->routes += translator_count(bed->translator, COUNT_ROUTES);
    }
    translator_destroy(bed->translator);
    bed->off = config.off;
    cr_assert(translator_create(&bed->translator, guest_cpu(bed->translated), &config, &err) == STATUS_OK,
              "%s", err.text);
}

static bool is_relative(const struct insn_row *row)
{
    for (unsigned i = 0; i < ROW_OPERANDS; i++)
        if (row_operand(row, i)->method == METHOD_REL)
            return true;
    return false;
}

static void bed_open(struct bed *bed, enum native_bits bits, bool timed)
{
    bed->machine = (struct native_machine){.bits = bits,
                                           .fs_base = bits == BITS_64 ? DATA_BASE - 0x3000 : 0,
                                           .ymm = true,
                                           .priced = true,
                                           .writable_code = true,
                                           .timed = timed};
    memcpy(bed->machine.segment, native_segments[bits], sizeof bed->machine.segment);
    bed->scout = guest_open(&bed->machine);
    bed->interpreted = guest_open(&bed->machine);
    bed->translated = guest_open(&bed->machine);
    bed->rows = xcalloc(insn_row_count, sizeof *bed->rows);
    bed->branches = xcalloc(insn_row_count, sizeof *bed->branches);
    for (unsigned i = 1; i < insn_row_count; i++) {
        const struct insn_row *row = &insn_rows[i];
        if (row_is_system(row) || (row->attr & (bits == BITS_64 ? ATTR_NO64 : ATTR_ONLY64)) != 0)
            continue;
        bed->rows[bed->row_count++] = row;
        if (is_relative(row))
            bed->branches[bed->branch_count++] = row;
    }
    bed->seed = option("XLATE_SEED", DEFAULT_SEED);
}

static void bed_close(struct bed *bed)
{
    translator_destroy(bed->translator);
    guest_close(bed->scout);
    guest_close(bed->interpreted);
    guest_close(bed->translated);
    free(bed->rows);
    free(bed->branches);
}

/* ---- Making a block ---- */

/* Aim the memory operand at the window with the registers as they are, where its displacement can. */
static void aim(struct rng *rng, uint32_t block, struct native_case *c)
{
    if (!c->ea.present || c->ea.disp_size < 2 || row_has(c->row, METHOD_MOFFS))
        return;
    uint64_t target = random_data_address(rng, c->ea.size);
    if (rng_one_in(rng, 6)) /* across the middle of the window, where the second page begins */
        target = DATA_BASE + PAGE_SIZE - 1 - rng_below(rng, 16);
    if (rng_one_in(rng, 10)) /* the block itself, and what comes behind it */
        target = block + rng_below(rng, 6 * BLOCK_INSNS);
    int64_t disp = (int64_t)((uint64_t)c->ea.disp + target - segment_base(c, c->ea.seg) - case_ea(c));
    disp = c->addr_size == 2 ? (int16_t)disp : (int32_t)disp;
    c->ea.disp = disp;
    memcpy(c->bytes + c->ea.disp_at, &disp, c->ea.disp_size);
}

static unsigned branch_size(const struct native_case *c)
{
    for (unsigned i = 0; i < ROW_OPERANDS; i++)
        if (row_operand(c->row, i)->method == METHOD_REL)
            return case_operand_size(c, i);
    return 0;
}

/* A relative branch at `offset` goes to the block's byte `target`. */
static void aim_branch(struct native_block *block, unsigned n, unsigned size, unsigned target)
{
    unsigned end = block->insn[n].offset + block->insn[n].length;
    int32_t distance = (int32_t)target - (int32_t)end;
    memcpy(block->c.bytes + end - size, &distance, size);
}

struct draft {
    struct native_block block;
    bool branchy, loop;          /* loop: branches lead forward, but for the last */
    uint8_t branch[BLOCK_INSNS]; /* bytes of the relative displacement, or 0 */
};

/* One more instruction in `state`, which is what the block has reached; false when it is not wanted. */
static bool try_instruction(struct bed *bed, struct rng *rng, const struct draft *draft,
                            const struct native_state *state, struct native_case *c,
                            struct native_result *result)
{
    const struct native_block *block = &draft->block;
    const struct insn_row *row = bed->rows[rng_below(rng, bed->row_count)];
    if ((draft->branchy && rng_one_in(rng, 4)) || (draft->loop && block->count + 1 == BLOCK_INSNS))
        row = bed->branches[rng_below(rng, bed->branch_count)];
    if (!case_encode(rng, row, &bed->machine, c))
        return false;
    c->code = block->c.code + block->c.length;
    c->in = *state;
    c->in.rip = c->code - bed->machine.segment[CS].base;
    aim(rng, block->c.code, c);
    if (branch_size(c) != 0)
        memset(c->bytes + c->length - branch_size(c), 0, branch_size(c));
    guest_run(bed->scout, c, result);
    return result->fault == FAULT_NONE && result->s.rip == c->in.rip + c->length;
}

static void add_instruction(struct draft *draft, const struct native_case *c)
{
    struct native_block *block = &draft->block;
    memcpy(block->c.bytes + block->c.length, c->bytes, c->length);
    block->insn[block->count].row = c->row;
    block->insn[block->count].offset = block->c.length;
    block->insn[block->count].length = c->length;
    draft->branch[block->count++] = (uint8_t)branch_size(c);
    block->c.length += c->length;
}

static void begin_block(struct bed *bed, struct rng *rng, struct native_block *block)
{
    static const uint8_t pointers[] = {RSP, RSI, RDI, RBP, R13, R10};
    struct native_case *first = &block->c;
    while (!case_encode(rng, bed->rows[rng_below(rng, bed->row_count)], &bed->machine, first))
        continue;
    case_randomize(rng, first, bed->memory);
    for (unsigned i = 0; i < (bed->machine.bits == BITS_64 ? 6 : 4); i++)
        first->in.gpr[pointers[i]] =
            (random_data_address(rng, 64) & ~(rng_one_in(rng, 4) ? 0 : UINT32_C(7))) -
            bed->machine.segment[i == 2 ? ES : DS].base;
    first->length = 0;
    block->count = 0;
}

/* A block of 1 to BLOCK_INSNS instructions; the last may fault or lead away. */
static void make_block(struct bed *bed, struct rng *rng, struct draft *draft)
{
    struct native_block *block = &draft->block;
    unsigned wanted = 1 + rng_below(rng, BLOCK_INSNS);
    uint8_t *data = guest_data(bed->scout), undo[DATA_SIZE];
    begin_block(bed, rng, block);
    draft->branchy = rng_one_in(rng, 2);
    draft->loop = draft->branchy && rng_one_in(rng, 2);
    if (draft->loop)
        wanted = BLOCK_INSNS;
    memcpy(data, bed->memory, DATA_SIZE);
    struct native_state state = block->c.in;
    for (unsigned tries = 0; block->count < wanted && tries < TRIES * wanted; tries++) {
        struct native_case c;
        struct native_result result;
        memcpy(undo, data, DATA_SIZE);
        c.length = 0;
        bool straight = try_instruction(bed, rng, draft, &state, &c, &result);
        if (straight || (c.length != 0 && rng_one_in(rng, 32)))
            add_instruction(draft, &c);
        if (straight)
            state = result.s;
        else
            memcpy(data, undo, DATA_SIZE);
    }
    for (unsigned n = 0; n < block->count; n++) {
        unsigned to = rng_below(rng, block->count);
        if (draft->loop)
            to = n + 1 < block->count ? n + 1 + rng_below(rng, block->count - n - 1)
                                      : rng_below(rng, block->count < 3 ? block->count : 3);
        if (draft->branch[n] != 0 && (draft->branchy || rng_one_in(rng, 2)))
            aim_branch(block, n, draft->branch[n], block->insn[to].offset);
    }
}

/* ---- Running it ---- */

/* The same block with other operands: mostly small changes, so that addresses stay useful. */
static void vary(struct bed *bed, struct rng *rng, struct native_case *c)
{
    for (unsigned changes = rng_below(rng, 4); changes > 0; changes--) {
        unsigned reg = rng_below(rng, bed->machine.bits == BITS_64 ? GPR_COUNT : 8);
        uint64_t change = rng_one_in(rng, 3) ? random_integer(rng) : rng_below(rng, 16);
        c->in.gpr[reg] += bed->machine.bits == BITS_64 ? change : (uint32_t)change;
        if (bed->machine.bits != BITS_64)
            c->in.gpr[reg] &= UINT32_MAX;
    }
    c->in.rflags = (c->in.rflags & ~(uint64_t)FLAGS_ARITH) | (rng_next(rng) & FLAGS_ARITH);
}

static void begin_run(struct bed *bed, const struct native_case *c)
{
    struct cpu *a = guest_cpu(bed->interpreted), *b = guest_cpu(bed->translated);
    guest_load(bed->interpreted, c);
    guest_load(bed->translated, c);
    memcpy(guest_data(bed->interpreted), bed->memory, DATA_SIZE);
    memcpy(guest_data(bed->translated), bed->memory, DATA_SIZE);
    b->s = a->s;
    cpu_update_mode(b);
}

static bool memory_equal(struct bed *bed)
{
    return memcmp(guest_data(bed->interpreted), guest_data(bed->translated), DATA_SIZE) == 0 &&
           memcmp(guest_code(bed->interpreted), guest_code(bed->translated), CODE_SIZE) == 0 &&
           memcmp(guest_stack(bed->interpreted) - STACK_BYTES, guest_stack(bed->translated) - STACK_BYTES,
                  STACK_BYTES) == 0;
}

/* Both to the end of the block or a fault, with equal stops. False: they differ. */
static bool run_equal(struct bed *bed, struct rng *rng)
{
    struct cpu *a = guest_cpu(bed->interpreted), *b = guest_cpu(bed->translated);
    uint64_t before = a->s.instructions, end = a->s.clock + BLOCK_CYCLES;
    unsigned slices = rng_one_in(rng, 3) ? SLICES : 0, longest = 1 + rng_below(rng, 60);
    while (a->cpl == 3 && a->s.clock < end) {
        cycle_t stop = slices > 0 ? a->s.clock + 1 + rng_below(rng, longest) : end;
        slices -= slices > 0;
        enum cpu_stop how = cpu_run(a, stop);
        if (cpu_run(b, stop) != how || memcmp(&a->s, &b->s, sizeof a->s) != 0)
            return false;
    }
    bed->instructions += a->s.instructions - before;
    return memory_equal(bed);
}

/* Now and then: what the guest cannot see, or what both sides see alike. */
static void disturb(struct bed *bed, struct rng *rng)
{
    if (rng_one_in(rng, 4)) {
        tlb_flush(&guest_cpu(bed->interpreted)->tlb);
        tlb_flush(&guest_cpu(bed->translated)->tlb);
    }
    if (rng_one_in(rng, 8)) {
        unsigned page = rng_below(rng, DATA_SIZE / PAGE_SIZE);
        bool present = rng_one_in(rng, 2);
        guest_data_access(bed->interpreted, page, present, false);
        guest_data_access(bed->translated, page, present, false);
    }
    if (rng_one_in(rng, 512))
        cpu_drop_caches(guest_cpu(bed->translated));
}

static void undo_disturbance(struct bed *bed)
{
    for (unsigned page = 0; page < DATA_SIZE / PAGE_SIZE; page++) {
        guest_data_access(bed->interpreted, page, true, true);
        guest_data_access(bed->translated, page, true, true);
    }
}

static void show_memory(const char *what, const uint8_t *a, const uint8_t *b, unsigned size)
{
    unsigned shown = 0;
    for (unsigned at = 0; at < size && shown < 16; at++)
        if (a[at] != b[at]) {
            fprintf(stderr, "  %s + %x: %02x %02x\n", what, at, a[at], b[at]);
            shown++;
        }
}

static void show_block(struct bed *bed, const struct native_block *block, uint64_t number, unsigned run)
{
    unsigned code = bed->machine.bits == BITS_64 ? 2 : bed->machine.bits == BITS_32 ? 1 : 0;
    fprintf(stderr, "%u-bit block %" PRIu64 ", run %u of it, seed %" PRIu64 ", off %#x:\n",
            16u << bed->machine.bits, number, run, bed->seed, bed->off);
    for (unsigned at = 0; at < block->c.length;) {
        char text[DISASM_TEXT];
        unsigned length =
            disasm_insn(code, block->c.bytes + at, block->c.length - at, block->c.in.rip + at, text);
        fprintf(stderr, "  %" PRIx64 "  ", block->c.in.rip + at);
        for (unsigned i = 0; i < (length ? length : 1); i++)
            fprintf(stderr, "%02x", block->c.bytes[at + i]);
        fprintf(stderr, "  %s\n", text);
        at += length ? length : 1;
    }
    fprintf(stderr, "started with\n");
    for (unsigned n = 0; n < GPR_COUNT; n++)
        fprintf(stderr, "  %016" PRIx64 "%s", block->c.in.gpr[n], n % 4 == 3 ? "\n" : "");
}

static void show_difference(struct bed *bed)
{
    cpu_state_diff(stderr, "interpreter", &guest_cpu(bed->interpreted)->s, "translator",
                   &guest_cpu(bed->translated)->s);
    show_memory("data", guest_data(bed->interpreted), guest_data(bed->translated), DATA_SIZE);
    show_memory("code", guest_code(bed->interpreted), guest_code(bed->translated), CODE_SIZE);
    show_memory("ring-0 stack", guest_stack(bed->interpreted) - STACK_BYTES,
                guest_stack(bed->translated) - STACK_BYTES, STACK_BYTES);
}

static bool block_agrees(struct bed *bed, uint64_t number, bool print)
{
    struct rng rng = {(bed->seed ^ number << 24 ^ (uint64_t)bed->machine.bits << 60) * 2 + 1};
    struct draft draft;
    bool equal = true;
    make_block(bed, &rng, &draft);
    struct native_case c = draft.block.c;
    if (option("XLATE_LIST", 0) != 0)
        show_block(bed, &draft.block, number, 0);
    for (unsigned run = 0; run < RUNS && equal && c.length > 0; run++) {
        if (run > 0)
            vary(bed, &rng, &c);
        disturb(bed, &rng);
        begin_run(bed, &c);
        equal = run_equal(bed, &rng);
        if (!equal && print) {
            draft.block.c.in = c.in;
            show_block(bed, &draft.block, number, run);
            show_difference(bed);
        }
    }
    undo_disturbance(bed);
    return equal;
}

static void check_blocks(enum native_bits bits, bool timed, uint64_t blocks)
{
    if (!translator_supported())
        cr_skip_test("no translator for this host");
    struct bed *bed = xcalloc(1, sizeof *bed);
    bed_open(bed, bits, timed);
    uint64_t first = option("XLATE_FIRST", 0), failed = 0;
    uint64_t shown = option("XLATE_SHOW", 1);
    for (uint64_t n = first; n < first + blocks; n++) {
        if (n == first || n % REMAKE == 0)
            remake_translator(bed, n);
        if (!block_agrees(bed, n, failed < shown))
            failed++;
    }
    uint64_t units = bed->units + translator_count(bed->translator, COUNT_UNITS);
    uint64_t regions = bed->regions + translator_count(bed->translator, COUNT_REGIONS);
    uint64_t routes = bed->routes + translator_count(bed->translator, COUNT_ROUTES);
    fprintf(stderr,
            "%u-bit%s: %" PRIu64 " blocks, %" PRIu64 " instructions, %" PRIu64 " units, %" PRIu64
            " with a route, seed %" PRIu64 "\n",
            16u << bits, timed ? " with caches" : "", blocks, bed->instructions, units, routes, bed->seed);
    if (option("XLATE_STATS", 0) != 0)
        translator_print_stats(bed->translator, stderr);
    if (timed)
        cr_expect(timing_equal(guest_cpu(bed->interpreted)->timing, guest_cpu(bed->translated)->timing));
    bed_close(bed);
    free(bed);
    cr_assert_eq(failed, 0, "%" PRIu64 " blocks differ", failed);
    cr_assert(timed || blocks < 10000 || regions > 16, "only %" PRIu64 " regions of the code cache filled",
              regions);
    cr_assert(timed || bits == BITS_16 || blocks < 10000 || routes > blocks / 32,
              "only %" PRIu64 " units with a route", routes);
    /* 16-bit code has its segment elsewhere than at 0, which is left to the interpreter then. */
    cr_assert(blocks < 1000 || (timed && bits == BITS_16) || units > blocks / 3, "only %" PRIu64 " units",
              units);
}

static struct criterion_test_params modes_to_test(void)
{
    static enum native_bits modes[BITS_COUNT] = {BITS_64, BITS_32, BITS_16};
    uint64_t only = option("XLATE_BITS", 0);
    for (unsigned n = 0; n < BITS_COUNT; n++)
        if (only == 16u << modes[n])
            return cr_make_param_array(enum native_bits, &modes[n], 1);
    return cr_make_param_array(enum native_bits, modes, BITS_COUNT);
}

ParameterizedTestParameters(translator, blocks)
{
    return modes_to_test();
}

ParameterizedTest(enum native_bits *bits, translator, blocks)
{
    check_blocks(*bits, false, option("XLATE_BLOCKS", DEFAULT_BLOCKS));
}

/* With modelled caches (cpu/timing.h): a quarter as many. */
ParameterizedTestParameters(translator, timed_blocks)
{
    return modes_to_test();
}

ParameterizedTest(enum native_bits *bits, translator, timed_blocks)
{
    check_blocks(*bits, true, option("XLATE_BLOCKS", DEFAULT_BLOCKS) / 4);
}
