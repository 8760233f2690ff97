/* The translator against the interpreter, over the whole instruction table: every row, system rows too, in
 * 64, 32 and 16-bit code, at CPL 3 and at CPL 0, one instruction at a time.
 *
 * Each encoding runs several times on two CPUs with equal memory, with new operands each time. One CPU has a
 * translator that translates at the first execution, so host code, or its way to the
 * interpreter, is what runs. Operands are those of the comparison with the host CPU (tests/cpu/native):
 * values at which arithmetic goes wrong, addresses that are mostly good; beside them pages are taken away or
 * made read-only, TLB entries dropped, instructions put across pages, single step and breakpoints switched
 * on, fast paths switched off. After the instruction the whole architectural state must be equal, clock and
 * undefined flags included, and all memory: data, stacks, descriptor and page tables.
 *
 * Every row must have run without a fault at least once, but those that are there to fault.
 *
 *     TABLE_SEED=n     other operands (it is printed)
 *     TABLE_CASES=n    encodings of each row in each mode and privilege level
 *     TABLE_ROW=n      only this row
 *     TABLE_LIST=1     how often each row ran, faulted and was done in host code */
#include "binxlate/priv.h"
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
    DEFAULT_CASES = 30,
    DEFAULT_SEED = 20011104,
    RUNS = 3, /* of each encoding */
    CODE_CACHE = 2 << 20,
    LOW_BYTES = 16 * PAGE_SIZE,   /* page tables, descriptor tables, ring-0 stack */
    TABLE_BYTES = 12 * PAGE_SIZE, /* without the stack */
    REMAKE = 64,                  /* rows between two translators */
    RUN_CYCLES = 300,
    FREE_TSS = 0x60, /* selector */
    SHOWN = 3,
};

struct row_count {
    uint32_t runs, good, host; /* without a fault; and without the interpreter */
};

struct bed {
    struct native_machine machine;
    struct native_guest *interpreted, *translated;
    struct translator *translator;
    struct cpu_state start; /* of both CPUs, but for what a case sets */
    uint8_t low[LOW_BYTES], memory[DATA_SIZE];
    struct row_count *count;
    uint64_t seed, failed;
};

static uint64_t option(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 0) : otherwise;
}

static uint8_t *low_memory(struct native_guest *guest)
{
    return memory_frame(guest_cpu(guest)->memory, gpa(0));
}

/* ---- The two CPUs ---- */

/* A TSS that is not busy, for LTR. */
static void put_free_tss(struct native_guest *guest)
{
    const struct cpu_state *s = &guest_cpu(guest)->s;
    uint64_t base = s->tr.base, descriptor[2];
    descriptor[0] = 0x67 | (base & 0xFFFFFF) << 16 | UINT64_C(0x89) << 40 | (base >> 24 & 0xFF) << 56;
    descriptor[1] = base >> 32;
    memcpy(low_memory(guest) + (s->gdtr.base & (LOW_BYTES - 1)) + FREE_TSS, descriptor, sizeof descriptor);
}

/* Half of them have fast paths off at random. */
static void remake_translator(struct bed *bed, struct rng *rng)
{
    struct translator_config config = {.code_bytes = CODE_CACHE, .threshold = 1};
    struct error err = {0};
    if (rng_one_in(rng, 2))
        for (unsigned path = 0; path < PATH_COUNT; path++)
            config.off |= rng_one_in(rng, 4) ? 1u << path : 0;
    translator_destroy(bed->translator);
    cr_assert(translator_create(&bed->translator, guest_cpu(bed->translated), &config, &err) == STATUS_OK,
              "%s", err.text);
}

static void bed_open(struct bed *bed, enum native_bits bits, bool timed)
{
    bed->machine = (struct native_machine){.bits = bits,
                                           .fs_base = bits == BITS_64 ? DATA_BASE - 0x3000 : 0,
                                           .ymm = true,
                                           .model = "max",
                                           .priced = true,
                                           .timed = timed};
    memcpy(bed->machine.segment, native_segments[bits], sizeof bed->machine.segment);
    bed->interpreted = guest_open(&bed->machine);
    bed->translated = guest_open(&bed->machine);
    bed->count = xcalloc(insn_row_count, sizeof *bed->count);
    bed->seed = option("TABLE_SEED", DEFAULT_SEED);
    struct cpu_state *s = &guest_cpu(bed->interpreted)->s;
    s->cr4 |= CR4_FSGSBASE;
    s->star = UINT64_C(0x23) << 48 | UINT64_C(0x10) << 32;
    s->lstar = s->cstar = s->sysenter_eip = CODE_BASE + 64;
    s->sysenter_cs = 0x10;
    s->sysenter_esp = DATA_BASE + PAGE_SIZE;
    bed->start = *s;
    put_free_tss(bed->interpreted);
    put_free_tss(bed->translated);
    memcpy(bed->low, low_memory(bed->interpreted), LOW_BYTES);
}

static void bed_close(struct bed *bed)
{
    translator_destroy(bed->translator);
    guest_close(bed->interpreted);
    guest_close(bed->translated);
    free(bed->count);
}

/* ---- A case ---- */

/* So that the instruction lies in two pages. Its branches go as far as before, its data stays where it is. */
static void move_across_pages(struct rng *rng, struct native_case *c)
{
    uint32_t page = (c->code & ~(uint32_t)PAGE_MASK) + PAGE_SIZE;
    if (c->length < 2 || page + PAGE_SIZE > CODE_BASE + CODE_SIZE)
        return;
    uint32_t to = page - 1 - rng_below(rng, c->length - 1);
    if (c->ea.base == REG_RIP) {
        c->ea.disp -= (int32_t)(to - c->code);
        memcpy(c->bytes + c->ea.disp_at, &(int32_t){(int32_t)c->ea.disp}, 4);
    }
    c->in.rip += to - c->code;
    c->code = to;
}

static unsigned rm_register(const struct native_case *c)
{
    return (c->modrm & 7) | (c->rex & 1u) << 3;
}

/* Operands of what only the kernel does: else nearly all of it is #GP. */
static void steer_kernel(struct rng *rng, struct native_case *c, const struct cpu_state *s)
{
    static const uint32_t msrs[] = {0xC0000100, 0xC0000101, 0xC0000102, 0x174,      0x175,      0x176,
                                    0x10,       0x1B,       0xC0000080, 0xC0000081, 0xC0000082, 0xC0000083,
                                    0xC0000084, 0x277,      0x200,      0x250};
    static const uint16_t selectors[] = {0, 0x10, 0x18, 0x40, 0x50, 0x23, 0x33, FREE_TSS};
    unsigned rm = rm_register(c), reg = c->modrm >> 3 & 7;
    bool to_control = row_operand(c->row, 0)->method == METHOD_CREG;
    if (to_control) {
        const uint64_t now[8] = {s->cr0, 0, s->cr2, s->cr3, s->cr4, 0, 0, 0};
        c->in.gpr[rm] = now[reg] ^ (rng_one_in(rng, 3) ? 0 : UINT64_C(1) << rng_below(rng, 32));
    } else if (row_operand(c->row, 0)->method == METHOD_DREG) {
        c->in.gpr[rm] = (uint32_t)random_integer(rng);
    } else if (c->row->exec == exec_wrmsr || c->row->exec == exec_rdmsr) {
        c->in.gpr[RCX] = msrs[rng_below(rng, ARRAY_LEN(msrs))];
        c->in.gpr[RDX] &= rng_one_in(rng, 4) ? UINT32_MAX : 0x7FFF;
    } else if (c->row->exec == exec_xsetbv) {
        c->in.gpr[RCX] = c->in.gpr[RDX] = 0;
        c->in.gpr[RAX] = rng_below(rng, 8);
    } else if (c->row->exec == exec_ltr || c->row->exec == exec_lldt) {
        uint16_t selector = selectors[rng_below(rng, ARRAY_LEN(selectors))];
        if (!c->ea.present)
            c->in.gpr[rm] = selector;
    } else if (c->row->exec == exec_monitor || c->row->exec == exec_mwait) {
        c->in.gpr[RAX] = DATA_BASE - segment_base(c, DS);
        c->in.gpr[RCX] = rng_below(rng, 2);
    }
}

static void randomize(struct bed *bed, struct rng *rng, struct native_case *c, unsigned cpl)
{
    bool known;
    case_randomize(rng, c, bed->memory);
    if (row_is_system(c->row) && system_row_is_compared(c->row, &known))
        system_randomize(rng, c, bed->memory);
    if (cpl == 0)
        steer_kernel(rng, c, &bed->start);
    if (rng_one_in(rng, 24))
        c->in.rflags |= FLAG_TF;
}

/* ---- Running it ---- */

/* What the user may do with a page of the data, on both sides. */
static void set_access(struct bed *bed, unsigned page, bool present, bool writable)
{
    guest_data_access(bed->interpreted, page, present, writable);
    guest_data_access(bed->translated, page, present, writable);
}

static void flush(struct bed *bed)
{
    cpu_update_all(guest_cpu(bed->interpreted));
    cpu_update_all(guest_cpu(bed->translated));
}

/* Has the last run changed what TLB entries and the like come from? The general registers do not. */
static bool system_state_differs(const struct cpu_state *a, const struct cpu_state *b)
{
    struct cpu_state like = *a;
    like.cr2 = b->cr2;
    return memcmp(&like.ldtr, &b->ldtr, offsetof(struct cpu_state, x87) - offsetof(struct cpu_state, ldtr)) !=
           0;
}

/* Tables as they were at first; the same for the ring-0 stack. True: the tables had changed. */
static bool restore_low_memory(struct bed *bed)
{
    bool changed = memcmp(low_memory(bed->interpreted), bed->low, TABLE_BYTES) != 0;
    memcpy(low_memory(bed->interpreted), bed->low, LOW_BYTES);
    memcpy(low_memory(bed->translated), bed->low, LOW_BYTES);
    return changed;
}

/* Breakpoints on data and on the instruction, now and then. */
static void set_debug(struct rng *rng, const struct native_case *c, struct cpu_state *s)
{
    if (!rng_one_in(rng, 24))
        return;
    s->dr[0] =
        c->ea.present ? case_ea(c) + segment_base(c, c->ea.seg) : DATA_BASE + rng_below(rng, DATA_SIZE);
    s->dr[1] = (c->in.gpr[RSP] + segment_base(c, SS) - 8) & ~UINT64_C(7);
    s->dr[2] = c->code;
    s->dr[7] = 0x400 | (rng_next(rng) & 0x3F) | (rng_next(rng) & 0xFF) << 16;
}

static void lower_privilege(struct cpu_state *s)
{
    static const uint8_t which[] = {CS, SS};
    for (unsigned n = 0; n < ARRAY_LEN(which); n++) {
        s->seg[which[n]].selector &= (uint16_t)~3u;
        s->seg[which[n]].attr &= (uint16_t) ~(3u << 5);
    }
}

static void begin_run(struct bed *bed, struct rng *rng, const struct native_case *c, unsigned cpl)
{
    struct cpu *a = guest_cpu(bed->interpreted), *b = guest_cpu(bed->translated);
    struct cpu_state start = bed->start;
    unsigned page = rng_below(rng, DATA_SIZE / PAGE_SIZE);
    bool present = !rng_one_in(rng, 16), writable = !rng_one_in(rng, 16);
    start.clock = a->s.clock;
    start.instructions = a->s.instructions;
    set_debug(rng, c, &start);
    set_access(bed, 0, true, true);
    set_access(bed, 1, true, true);
    bool changed = restore_low_memory(bed) || system_state_differs(&a->s, &start);
    memcpy(guest_data(bed->interpreted), bed->memory, DATA_SIZE);
    memcpy(guest_data(bed->translated), bed->memory, DATA_SIZE);
    a->s = start;
    guest_load(bed->interpreted, c);
    if (cpl == 0)
        lower_privilege(&a->s);
    guest_load(bed->translated, c);
    b->s = a->s;
    cpu_update_mode(a);
    cpu_update_mode(b);
    if (changed || rng_one_in(rng, 8))
        flush(bed);
    set_access(bed, page, present, writable);
    cpu_attend(a);
    cpu_attend(b);
}

static bool memory_equal(struct bed *bed)
{
    return memcmp(guest_data(bed->interpreted), guest_data(bed->translated), DATA_SIZE) == 0 &&
           memcmp(low_memory(bed->interpreted), low_memory(bed->translated), LOW_BYTES) == 0;
}

static bool is_translated(const struct bed *bed, uint64_t rip)
{
    const struct translator *t = bed->translator;
    for (unsigned r = 0; r < t->regions; r++)
        for (uint32_t n = t->region[r].units; n-- > 0;) {
            const struct translation_unit *unit = &t->region[r].unit[n];
            if (unit->rip == rip && unit->block != NULL && !unit->block->stale)
                return true;
        }
    return false;
}

/* Both through the instruction and to what it leads to, which is mostly a handler: INT3's, as that comes
 * next, or a fault's. False: they differ. */
static bool run_equal(struct bed *bed, const struct native_case *c)
{
    struct cpu *a = guest_cpu(bed->interpreted), *b = guest_cpu(bed->translated);
    unsigned row = (unsigned)(c->row - insn_rows);
    struct row_count *count = &bed->count[row];
    cycle_t end = a->s.clock + RUN_CYCLES;
    uint64_t retired = a->s.instructions, slow = bed->translator->slow_rows[row];
    bool host = !(a->s.rflags & FLAG_TF) && a->s.dr[7] == bed->start.dr[7] && is_translated(bed, c->in.rip);
    enum cpu_stop how = cpu_run(a, end);
    if (cpu_run(b, end) != how || memcmp(&a->s, &b->s, sizeof a->s) != 0 || !memory_equal(bed))
        return false;
    bool in_handler = how == CPU_STOP_HALTED && a->s.rip != c->in.rip + c->length; /* behind its HLT */
    bool good = a->s.instructions > retired + in_handler;
    count->runs++;
    count->good += good;
    count->host += good && host && bed->translator->slow_rows[row] == slow;
    return true;
}

static void show(struct bed *bed, const struct native_case *c, unsigned cpl, unsigned run)
{
    unsigned code = c->bits == BITS_64 ? 2 : c->bits == BITS_32 ? 1 : 0;
    char text[DISASM_TEXT] = "";
    (void)disasm_insn(code, c->bytes, c->length, c->in.rip, text);
    fprintf(stderr, "row %td, %u-bit code, CPL %u, run %u of it: %s:", c->row - insn_rows, 16u << c->bits,
            cpl, run, text);
    for (unsigned n = 0; n < c->length; n++)
        fprintf(stderr, " %02x", c->bytes[n]);
    fprintf(stderr, "\nstarted at %#" PRIx64 ", flags %#" PRIx64 ", with\n", c->in.rip, c->in.rflags);
    for (unsigned n = 0; n < GPR_COUNT; n++)
        fprintf(stderr, "  %016" PRIx64 "%s", c->in.gpr[n], n % 4 == 3 ? "\n" : "");
    if (cpu_state_diff(stderr, "interpreter", &guest_cpu(bed->interpreted)->s, "translator",
                       &guest_cpu(bed->translated)->s) == 0)
        fprintf(stderr, "registers are equal, memory or how it stopped differs\n");
}

/* One encoding, several times. */
static void try_case(struct bed *bed, struct rng *rng, const struct insn_row *row, unsigned cpl)
{
    struct native_case c;
    bool known;
    if (!case_encode(rng, row, &bed->machine, &c))
        return;
    if (row_is_system(row) && system_row_is_compared(row, &known))
        system_encode(rng, &c);
    if (row->exec == exec_int_n) /* 3 and 4 are the user's */
        c.bytes[c.length - 1] = (uint8_t)(rng_one_in(rng, 2) ? 3 + rng_below(rng, 2) : rng_below(rng, 32));
    if (rng_one_in(rng, 8))
        move_across_pages(rng, &c);
    for (unsigned run = 0; run < RUNS; run++) {
        randomize(bed, rng, &c, cpl);
        begin_run(bed, rng, &c, cpl);
        if (run_equal(bed, &c))
            continue;
        if (bed->failed++ < SHOWN)
            show(bed, &c, cpl, run);
        return;
    }
}

/* ---- The table ---- */

static bool always_faults(const struct insn_row *row)
{
    return row->exec == exec_undefined;
}

static void check_coverage(const struct bed *bed)
{
    unsigned never = 0, in_host = 0, rows = 0;
    uint64_t runs = 0;
    bool list = option("TABLE_LIST", 0) != 0;
    for (unsigned n = 1; n < insn_row_count; n++) {
        const struct row_count *count = &bed->count[n];
        rows += count->runs > 0;
        runs += count->runs;
        in_host += count->host > 0;
        bool bad = count->runs > 0 && count->good == 0 && !always_faults(&insn_rows[n]);
        never += bad;
        if (bad)
            fprintf(stderr, "%u-bit: %s (row %u) always faults\n", 16u << bed->machine.bits,
                    insn_rows[n].mnemonic, n);
        if (list && count->runs > 0)
            fprintf(stderr, "%5u %-14s %02x: %u runs, %u without fault, %u in host code\n", n,
                    insn_rows[n].mnemonic, insn_rows[n].opcode, count->runs, count->good, count->host);
    }
    fprintf(stderr, "%u-bit: %u rows, %u of them in host code, %" PRIu64 " runs, seed %" PRIu64 "\n",
            16u << bed->machine.bits, rows, in_host, runs, bed->seed);
    cr_expect_eq(never, 0);
    cr_expect(bed->machine.bits == BITS_16 || in_host > rows / 3, "only %u", in_host);
}

static void check_table(enum native_bits bits, bool timed, uint64_t cases)
{
    if (!translator_supported())
        cr_skip_test("no translator for this host");
    struct bed *bed = xcalloc(1, sizeof *bed);
    bed_open(bed, bits, timed);
    uint64_t only = option("TABLE_ROW", 0);
    for (unsigned row = 1; row < insn_row_count; row++) {
        if (only != 0 && only != row)
            continue;
        struct rng rng = {(bed->seed ^ (uint64_t)row << 32 ^ (uint64_t)bits << 60) * 2 + 1};
        if (row % REMAKE == 1 || only != 0)
            remake_translator(bed, &rng);
        for (uint64_t n = 0; n < 2 * cases; n++)
            try_case(bed, &rng, &insn_rows[row], n & 1 ? 0 : 3);
    }
    if (only == 0 && cases >= DEFAULT_CASES)
        check_coverage(bed);
    cr_expect_eq(bed->failed, 0, "%" PRIu64 " cases differ", bed->failed);
    if (timed)
        cr_expect(timing_equal(guest_cpu(bed->interpreted)->timing, guest_cpu(bed->translated)->timing));
    bed_close(bed);
    free(bed);
}

static struct criterion_test_params modes_to_test(void)
{
    static enum native_bits modes[BITS_COUNT] = {BITS_64, BITS_32, BITS_16};
    return cr_make_param_array(enum native_bits, modes, BITS_COUNT);
}

ParameterizedTestParameters(translator, table)
{
    return modes_to_test();
}

ParameterizedTest(enum native_bits *bits, translator, table)
{
    check_table(*bits, false, option("TABLE_CASES", DEFAULT_CASES));
}

/* With modelled caches (cpu/timing.h): half as many. */
ParameterizedTestParameters(translator, timed_table)
{
    return modes_to_test();
}

ParameterizedTest(enum native_bits *bits, translator, timed_table)
{
    check_table(*bits, true, (option("TABLE_CASES", DEFAULT_CASES) + 1) / 2);
}
