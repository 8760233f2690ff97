/* The bare CPU of the tests (see harness.h). Guest memory layout is in its enum; the tables are rebuilt by
 * harness_reset(). */
#include "tests/cpu/harness.h"

#include "base/check.h"
#include "binxlate/translator.h"

#include <stdlib.h>
#include <string.h>

enum { STEP_CYCLES = 100000000 };

static void record(struct harness *h, struct harness_io io)
{
    io.clock = h->cpu->s.clock;
    if (h->io_count < ARRAY_LEN(h->io))
        h->io[h->io_count] = io;
    h->io_count++;
}

static uint32_t port_read(void *ctx, uint16_t port, unsigned size)
{
    struct harness *h = ctx;
    record(h, (struct harness_io){.addr = port, .size = size});
    return (uint32_t)h->io_value;
}

static void port_write(void *ctx, uint16_t port, unsigned size, uint32_t value)
{
    record(ctx, (struct harness_io){.write = true, .addr = port, .size = size, .value = value});
}

static uint64_t mmio_read(void *ctx, gpa_t addr, unsigned size)
{
    struct harness *h = ctx;
    record(h, (struct harness_io){.mmio = true, .addr = addr.v, .size = size});
    return h->io_value;
}

static void mmio_write(void *ctx, gpa_t addr, unsigned size, uint64_t value)
{
    record(ctx,
           (struct harness_io){.write = true, .mmio = true, .addr = addr.v, .size = size, .value = value});
}

static uint8_t intr_ack(void *ctx)
{
    struct harness *h = ctx;
    cpu_set_intr(h->cpu, false);
    return 0x20;
}

static uint8_t tpr_read(void *ctx)
{
    (void)ctx;
    return 0;
}

static void tpr_write(void *ctx, uint8_t tpr)
{
    (void)ctx;
    (void)tpr;
}

static void apic_base_written(void *ctx, uint64_t value)
{
    (void)ctx;
    (void)value;
}

static void ferr(void *ctx, bool level)
{
    (void)ctx;
    (void)level;
}

/* ---- Tables in guest memory ---- */

void harness_poke(struct harness *h, uint64_t addr, const void *bytes, size_t size)
{
    CHECK(memory_write(&h->memory, gpa(addr), bytes, size));
}

void harness_peek(struct harness *h, uint64_t addr, void *bytes, size_t size)
{
    CHECK(memory_read(&h->memory, gpa(addr), bytes, size));
}

static void poke64(struct harness *h, uint64_t addr, uint64_t value)
{
    harness_poke(h, addr, &value, 8);
}

static void poke32(struct harness *h, uint64_t addr, uint32_t value)
{
    harness_poke(h, addr, &value, 4);
}

static bool is_64(enum harness_mode mode)
{
    return mode == HARNESS_64 || mode == HARNESS_64_USER;
}

static bool is_user(enum harness_mode mode)
{
    return mode == HARNESS_32_USER || mode == HARNESS_64_USER;
}

static void write_gdt(struct harness *h, enum harness_mode mode)
{
    uint64_t code = is_64(mode) ? 0x00AF9B000000FFFF : 0x00CF9B000000FFFF;
    uint64_t data = 0x00CF93000000FFFF, dpl3 = UINT64_C(0x60) << 40;
    poke64(h, HARNESS_GDT, 0);
    poke64(h, HARNESS_GDT + HARNESS_CS0, code);
    poke64(h, HARNESS_GDT + HARNESS_DS0, data);
    poke64(h, HARNESS_GDT + (HARNESS_CS3 & ~7), code | dpl3);
    poke64(h, HARNESS_GDT + (HARNESS_DS3 & ~7), data | dpl3);
    poke64(h, HARNESS_GDT + HARNESS_SEL_TSS, 0x00008B0000000067 | (uint64_t)HARNESS_TSS << 16);
    poke64(h, HARNESS_GDT + HARNESS_SEL_TSS + 8, 0);
    poke64(h, HARNESS_GDT + HARNESS_SEL_SPARE, 0);
}

static void write_idt(struct harness *h, enum harness_mode mode)
{
    for (unsigned n = 0; n < 256; n++) {
        uint32_t handler = HARNESS_HANDLER + 16 * n;
        harness_poke(h, handler, "\xF4\xF4\xEB\xFC", 4); /* hlt; hlt; jmp back */
        uint64_t gate = (handler & 0xFFFF) | (uint64_t)HARNESS_CS0 << 16 | UINT64_C(0x8E00) << 32 |
                        (uint64_t)(handler >> 16) << 48;
        if (mode == HARNESS_16) {
            poke32(h, HARNESS_IDT + 4 * n, handler);
        } else if (is_64(mode)) {
            poke64(h, HARNESS_IDT + 16 * n, gate);
            poke64(h, HARNESS_IDT + 16 * n + 8, 0);
        } else {
            poke64(h, HARNESS_IDT + 8 * n, gate);
        }
    }
}

static void write_tss(struct harness *h, enum harness_mode mode)
{
    uint8_t zero[0x68] = {0};
    harness_poke(h, HARNESS_TSS, zero, sizeof zero);
    poke32(h, HARNESS_TSS + 4, HARNESS_STACK0);
    if (!is_64(mode))
        poke32(h, HARNESS_TSS + 8, HARNESS_DS0);
    poke32(h, HARNESS_TSS + 0x64, 0x00680000);
}

/* 2 MB pages over the first 16 MB. */
static void write_page_tables(struct harness *h)
{
    uint64_t pml4 = HARNESS_TABLES, pdpt = pml4 + PAGE_SIZE, pd = pdpt + PAGE_SIZE;
    for (unsigned n = 0; n < 512; n++) {
        poke64(h, pml4 + 8 * n, n == 0 ? pdpt | 7 : 0);
        poke64(h, pdpt + 8 * n, n == 0 ? pd | 7 : 0);
        poke64(h, pd + 8 * n, n < 8 ? (uint64_t)n << 21 | 0x87 : 0);
    }
}

/* ---- CPU state ---- */

static struct segment flat(uint16_t selector, unsigned type, bool long_mode)
{
    unsigned dpl = selector & 3;
    bool code = (type & SEG_CODE) != 0;
    return (struct segment){.selector = selector,
                            .limit = UINT32_MAX,
                            .attr = (uint16_t)(type | SEG_S | SEG_P | dpl << SEG_DPL_SHIFT | SEG_G |
                                               (code && long_mode ? SEG_L : SEG_DB))};
}

static void set_segments(struct cpu_state *s, enum harness_mode mode)
{
    for (unsigned n = 0; n < SREG_COUNT; n++) {
        if (mode == HARNESS_16)
            s->seg[n] = (struct segment){.limit = 0xFFFF, .attr = SEG_P | SEG_S | 3};
        else
            s->seg[n] = flat(is_user(mode) ? HARNESS_DS3 : HARNESS_DS0, 3, false);
    }
    if (mode == HARNESS_16)
        s->seg[CS].attr |= SEG_CODE;
    else
        s->seg[CS] = flat(is_user(mode) ? HARNESS_CS3 : HARNESS_CS0, 0xB, is_64(mode));
}

void harness_reset(struct harness *h, enum harness_mode mode)
{
    struct cpu_state *s = &h->cpu->s;
    write_gdt(h, mode);
    write_idt(h, mode);
    write_tss(h, mode);
    write_page_tables(h);
    cpu_reset(h->cpu, true);
    set_segments(s, mode);
    s->gdtr = (struct table_register){.base = HARNESS_GDT, .limit = 0x3F};
    s->idtr = (struct table_register){.base = HARNESS_IDT, .limit = 0xFFF};
    s->tr = (struct segment){
        .base = HARNESS_TSS, .limit = 0x67, .selector = HARNESS_SEL_TSS, .attr = SEG_P | 0xB};
    s->cr0 = CR0_ET | CR0_NE | CR0_MP;
    s->cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT;
    if (mode != HARNESS_16)
        s->cr0 |= CR0_PE;
    if (is_64(mode)) {
        s->cr0 |= CR0_PG | CR0_WP;
        s->cr4 |= CR4_PAE;
        s->cr3 = HARNESS_TABLES;
        s->efer = EFER_LME | EFER_LMA | EFER_NXE;
    }
    memset(s->gpr, 0, sizeof s->gpr);
    s->gpr[RSP] = HARNESS_STACK;
    s->rip = HARNESS_CODE;
    s->x87.control = 0x037F;
    s->x87.valid = 0;
    cpu_state_changed(h->cpu);
}

static const struct timing_config small_caches = {
    .hierarchy = {.level = {[LEVEL_L1I] = {16, 2},
                            [LEVEL_L1D] = {16, 2},
                            [LEVEL_L2] = {64, 2},
                            [LEVEL_ITLB] = {2, 2},
                            [LEVEL_ITLB_LARGE] = {1, 2},
                            [LEVEL_DTLB] = {2, 2},
                            [LEVEL_DTLB_LARGE] = {1, 2}},
                  .line_shift = 5,
                  .from_l2 = {TIMED_L2_FETCH, TIMED_L2_LOAD, TIMED_L2_STORE},
                  .from_memory = {TIMED_MEMORY_FETCH, TIMED_MEMORY_LOAD, TIMED_MEMORY_STORE},
                  .walk = {TIMED_WALK_FETCH, TIMED_WALK_DATA, TIMED_WALK_DATA}},
    .predictor =
        {.sets = 16, .ways = 2, .returns = 4, .mispredicted = TIMED_MISPREDICTED, .decoded = TIMED_DECODED},
};

void harness_timing_clear(struct harness *h)
{
    struct timing *timing = h->cpu->timing;
    timing_reset(h->cpu);
    memset(timing->hierarchy.count, 0, sizeof timing->hierarchy.count);
    timing->predictor.count = (struct predictor_counts){0};
    timing->spent = (struct timing_spent){0};
}

static struct harness *create(const char *model, enum harness_mode mode, bool fast_paths, bool timed)
{
    struct harness *h = xcalloc(1, sizeof *h);
    struct error err;
    CHECK(machine_memory_create(&h->machine, HARNESS_BYTES, &err) == STATUS_OK);
    CHECK(guest_memory_create(&h->memory, HARNESS_BYTES, &err) == STATUS_OK);
    guest_memory_map(&h->memory, &h->machine, (ppn_t){0}, (mpn_t){0}, HARNESS_BYTES >> PAGE_SHIFT);
    h->io_value = UINT64_MAX;
    h->bus = (struct cpu_bus){.port_read = port_read,
                              .port_write = port_write,
                              .mmio_read = mmio_read,
                              .mmio_write = mmio_write,
                              .intr_ack = intr_ack,
                              .tpr_read = tpr_read,
                              .tpr_write = tpr_write,
                              .apic_base_written = apic_base_written,
                              .ferr = ferr,
                              .ctx = h};
    struct cpu_config config = {.model = cpu_model_find(model),
                                .hz = 1000000000,
                                .fast_paths = fast_paths,
                                .engine_bytes = translator_room()};
    CHECK(config.model != NULL);
    /* Different prices, so that a wrong class shows in the clock. */
    for (unsigned class = 0; class < COST_CLASS_COUNT; class ++) {
        config.cost[0][class] = (uint16_t)(1 + class % 7);
        config.cost[1][class] = (uint16_t)(2 + class % 5);
    }
    struct timing_config timing = small_caches;
    timing.machine = h->machine.base;
    if (timed)
        config.timing = &timing;
    h->cpu = cpu_create(&config, &h->memory, &h->bus, &h->log);
    harness_reset(h, mode);
    return h;
}

struct harness *harness_create(const char *model, enum harness_mode mode, bool fast_paths)
{
    return create(model, mode, fast_paths, false);
}

struct harness *harness_create_timed(const char *model, enum harness_mode mode, bool fast_paths)
{
    return create(model, mode, fast_paths, true);
}

void harness_destroy(struct harness *h)
{
    cpu_destroy(h->cpu);
    guest_memory_destroy(&h->memory);
    machine_memory_destroy(&h->machine);
    free(h);
}

void harness_code(struct harness *h, const uint8_t *bytes, size_t size)
{
    harness_poke(h, HARNESS_CODE, bytes, size);
    h->cpu->s.rip = HARNESS_CODE;
}

enum cpu_stop harness_step(struct harness *h, uint64_t instructions)
{
    uint64_t until = h->cpu->s.instructions + instructions, end = h->cpu->s.clock + STEP_CYCLES;
    enum cpu_stop stop = CPU_STOP_DEADLINE;
    while (h->cpu->s.instructions < until && h->cpu->s.clock < end && stop == CPU_STOP_DEADLINE)
        stop = cpu_run(h->cpu, h->cpu->s.clock + 1);
    return stop;
}

bool harness_run(struct harness *h)
{
    return cpu_run(h->cpu, h->cpu->s.clock + STEP_CYCLES) == CPU_STOP_HALTED;
}

int harness_fault(const struct harness *h)
{
    uint64_t rip = h->cpu->s.rip;
    if (rip < HARNESS_HANDLER || rip >= HARNESS_HANDLER + 16 * 256 || (rip & 15) > 3)
        return -1;
    return (int)((rip - HARNESS_HANDLER) / 16);
}

uint64_t harness_flags(struct harness *h)
{
    cpu_sync(h->cpu);
    return h->cpu->s.rflags;
}

void harness_set_flags(struct harness *h, uint64_t flags)
{
    h->cpu->s.rflags = flags | FLAG_ONE;
    h->cpu->lazy.op = 0;
    cpu_state_changed(h->cpu);
}
