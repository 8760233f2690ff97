/* Local APIC and I/O APIC, connected as on the board: acceptance, priorities, EOI, timer, ICR, LVT pins,
 * errors, redirection, level triggering. */
#include "chip_bench.h"

#include "devices/apic.h"

#include <criterion/criterion.h>

enum { INTR = 31, BUS_HZ = 100000000, BUS_NS = 10 };
enum {
    ID = 0x20,
    VERSION = 0x30,
    TPR = 0x80,
    PPR = 0xA0,
    EOI = 0xB0,
    LDR = 0xD0,
    DFR = 0xE0,
    SVR = 0xF0,
    ISR = 0x100,
    TMR = 0x180,
    IRR = 0x200,
    ESR = 0x280,
    ICR = 0x300,
    ICR_HIGH = 0x310,
    LVT_TIMER = 0x320,
    LVT_LINT0 = 0x350,
    LVT_LINT1 = 0x360,
    LVT_ERROR = 0x370,
    INITIAL = 0x380,
    CURRENT = 0x390,
    DIVIDE = 0x3E0,
};

struct fixture {
    struct chip_bench *bench;
    struct device *lapic, *ioapic;
    unsigned nmis, inits, acknowledges, eois;
    uint8_t last_eoi;
};

static void on_intr(void *ctx, bool level)
{
    struct fixture *f = ctx;
    const struct irq_wire wire = chip_wire(f->bench, INTR);
    irq_set(&wire, level);
}

static void on_nmi(void *ctx)
{
    ((struct fixture *)ctx)->nmis++;
}

static void on_init(void *ctx)
{
    ((struct fixture *)ctx)->inits++;
}

static uint8_t on_external(void *ctx)
{
    ((struct fixture *)ctx)->acknowledges++;
    return 0x08;
}

static void on_eoi(void *ctx, uint8_t vector)
{
    struct fixture *f = ctx;
    f->eois++;
    f->last_eoi = vector;
    ioapic_end_of_interrupt(f->ioapic, vector);
}

static bool on_deliver(void *ctx, const struct apic_message *message)
{
    return lapic_deliver(((struct fixture *)ctx)->lapic, message);
}

static struct fixture *setup(void)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->bench = chip_create();
    const struct lapic_outputs outputs = {on_intr, on_nmi, on_init, on_external, on_eoi, f};
    f->lapic = lapic_create(&f->bench->env, 0, BUS_HZ, &outputs);
    const struct ioapic_outputs messages = {on_deliver, f};
    f->ioapic = ioapic_create(&f->bench->env, 1, &messages);
    io_map(&f->bench->memory, f->lapic, 0, LAPIC_DEFAULT_BASE);
    io_map(&f->bench->memory, f->ioapic, 0, IOAPIC_BASE);
    return f;
}

static void teardown(struct fixture *f)
{
    f->ioapic->cls->destroy(f->ioapic);
    chip_destroy(f->bench, f->lapic);
    free(f);
}

static uint32_t get(struct fixture *f, uint32_t reg)
{
    return (uint32_t)io_read(&f->bench->memory, LAPIC_DEFAULT_BASE + reg, 4);
}

static void put(struct fixture *f, uint32_t reg, uint32_t value)
{
    io_write(&f->bench->memory, LAPIC_DEFAULT_BASE + reg, 4, value);
}

static void entry(struct fixture *f, unsigned pin, uint64_t value)
{
    for (unsigned half = 0; half < 2; half++) {
        io_write(&f->bench->memory, IOAPIC_BASE, 4, 0x11 + 2 * pin - half);
        io_write(&f->bench->memory, IOAPIC_BASE + 0x10, 4, value >> (half ? 0 : 32) & 0xFFFFFFFF);
    }
}

static uint32_t entry_low(struct fixture *f, unsigned pin)
{
    io_write(&f->bench->memory, IOAPIC_BASE, 4, 0x10 + 2 * pin);
    return (uint32_t)io_read(&f->bench->memory, IOAPIC_BASE + 0x10, 4);
}

static void pin(struct fixture *f, unsigned number, bool level)
{
    const struct irq_wire wire = ioapic_input(f->ioapic, number);
    irq_set(&wire, level);
}

static void lint(struct fixture *f, unsigned number, bool level)
{
    const struct irq_wire wire = lapic_lint(f->lapic, number);
    irq_set(&wire, level);
}

static bool bit(struct fixture *f, uint32_t base, unsigned vector)
{
    return get(f, base + vector / 32 * 16) >> (vector & 31) & 1;
}

static void send_self(struct fixture *f, unsigned vector)
{
    put(f, ICR, 0x40000 | vector);
}

Test(lapic, registers_after_reset)
{
    static const struct {
        uint32_t reg, value;
    } rows[] = {{ID, 0},
                {VERSION, 0x50014},
                {TPR, 0},
                {LDR, 0},
                {DFR, 0xFFFFFFFF},
                {SVR, 0xFF},
                {ESR, 0},
                {LVT_TIMER, 0x10000},
                {LVT_LINT0, 0x10000},
                {LVT_ERROR, 0x10000},
                {INITIAL, 0},
                {CURRENT, 0},
                {DIVIDE, 0}};
    struct fixture *f = setup();
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
        cr_assert_eq(get(f, rows[i].reg), rows[i].value, "%x: %x", rows[i].reg, get(f, rows[i].reg));
    put(f, LVT_TIMER, 0x20030);
    cr_assert_eq(get(f, LVT_TIMER), 0x30030, "masked while software-disabled");
    teardown(f);
}

Test(lapic, priorities_nest_and_tpr_holds_back)
{
    struct fixture *f = setup();
    put(f, SVR, 0x1FF);
    send_self(f, 0x41);
    cr_assert(f->bench->level[INTR]);
    send_self(f, 0x52);
    cr_assert_eq(lapic_acknowledge(f->lapic), 0x52);
    cr_assert(!f->bench->level[INTR]);
    cr_assert_eq(get(f, PPR), 0x50);
    send_self(f, 0x5F); /* same class waits */
    cr_assert(!f->bench->level[INTR]);
    send_self(f, 0x60);
    cr_assert_eq(lapic_acknowledge(f->lapic), 0x60);
    put(f, EOI, 0);
    put(f, EOI, 0);
    cr_assert_eq(lapic_acknowledge(f->lapic), 0x5F);
    put(f, EOI, 0);
    put(f, TPR, 0x40);
    cr_assert(!f->bench->level[INTR]);
    cr_assert(bit(f, IRR, 0x41));
    cr_assert_eq(lapic_acknowledge(f->lapic), 0xFF, "spurious");
    cr_assert(!bit(f, ISR, 0xFF));
    lapic_set_tpr(f->lapic, 3);
    cr_assert_eq(get(f, TPR), 0x30);
    cr_assert_eq(lapic_tpr(f->lapic), 3);
    cr_assert(f->bench->level[INTR]);
    teardown(f);
}

Test(lapic, external_interrupts_pass_by_virtual_wire_or_while_disabled)
{
    struct fixture *f = setup();
    lint(f, 0, true);
    cr_assert(!f->bench->level[INTR], "LINT0 is masked after reset");
    put(f, SVR, 0x10F);
    put(f, LVT_LINT0, 0x700);
    cr_assert(f->bench->level[INTR]);
    put(f, TPR, 0xFF); /* no priority for ExtINT */
    cr_assert(f->bench->level[INTR]);
    cr_assert_eq(lapic_acknowledge(f->lapic), 0x08);
    cr_assert_eq(f->acknowledges, 1);
    lint(f, 0, false);
    cr_assert(!f->bench->level[INTR]);
    lapic_set_base(f->lapic, LAPIC_DEFAULT_BASE | LAPIC_BASE_BSP);
    lint(f, 0, true);
    cr_assert(f->bench->level[INTR]);
    cr_assert_eq(lapic_acknowledge(f->lapic), 0x08);
    lint(f, 1, true);
    cr_assert_eq(f->nmis, 1);
    teardown(f);
}

Test(lapic, lint_modes)
{
    struct fixture *f = setup();
    put(f, SVR, 0x1FF);
    put(f, LVT_LINT1, 0x400);
    lint(f, 1, true);
    cr_assert_eq(f->nmis, 1);
    lint(f, 1, false);
    put(f, LVT_LINT1, 0x045); /* fixed, edge */
    lint(f, 1, true);
    cr_assert_eq(lapic_acknowledge(f->lapic), 0x45);
    put(f, EOI, 0);
    cr_assert(!f->bench->level[INTR]);
    lint(f, 1, false);
    put(f, LVT_LINT1, 0x8046); /* fixed, level */
    lint(f, 1, true);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(get(f, LVT_LINT1) & 0x4000, 0x4000);
        cr_assert_eq(lapic_acknowledge(f->lapic), 0x46);
        cr_assert(!f->bench->level[INTR]);
        put(f, EOI, 0);
        cr_assert(f->bench->level[INTR]);
    }
    teardown(f);
}

Test(lapic, timer_one_shot_is_exact)
{
    static const struct {
        uint32_t divide, factor;
    } rows[] = {{0, 2}, {1, 4}, {2, 8}, {3, 16}, {8, 32}, {9, 64}, {10, 128}, {11, 1}};
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct fixture *f = setup();
        put(f, SVR, 0x1FF);
        put(f, DIVIDE, rows[i].divide);
        put(f, LVT_TIMER, 0x30);
        put(f, INITIAL, 1000);
        cr_assert_eq(get(f, CURRENT), 1000);
        chip_run(f->bench, (uint64_t)400 * rows[i].factor * BUS_NS);
        cr_assert_eq(get(f, CURRENT), 600);
        chip_run(f->bench, (uint64_t)600 * rows[i].factor * BUS_NS - 1);
        cr_assert(!f->bench->level[INTR]);
        chip_run(f->bench, 1);
        cr_assert(f->bench->level[INTR]);
        cr_assert_eq(get(f, CURRENT), 0);
        cr_assert_eq(lapic_acknowledge(f->lapic), 0x30);
        put(f, EOI, 0);
        chip_run(f->bench, 1000000000);
        cr_assert(!f->bench->level[INTR]);
        teardown(f);
    }
}

Test(lapic, timer_periodic_does_not_drift_and_coalesces)
{
    struct fixture *f = setup();
    put(f, SVR, 0x1FF);
    put(f, DIVIDE, 11);
    put(f, LVT_TIMER, 0x20030);
    put(f, INITIAL, 100);
    for (int i = 1; i <= 1000; i++) {
        chip_run(f->bench, 100 * BUS_NS - 1);
        cr_assert(!f->bench->level[INTR], "%d", i);
        chip_run(f->bench, 1);
        cr_assert_eq(lapic_acknowledge(f->lapic), 0x30);
        put(f, EOI, 0);
    }
    chip_run(f->bench, 100 * 1000 * BUS_NS); /* nobody acknowledges */
    cr_assert_eq(f->bench->rises[INTR], 1001);
    cr_assert_eq(event_queue_next(&f->bench->queue), TICK_NEVER, "no events while the request waits");
    lapic_acknowledge(f->lapic);
    put(f, EOI, 0);
    chip_run(f->bench, 100 * BUS_NS);
    cr_assert(f->bench->level[INTR]);
    put(f, LVT_TIMER, 0x30030); /* masked: counts on silently */
    chip_run(f->bench, 50 * BUS_NS);
    cr_assert_eq(get(f, CURRENT), 50);
    teardown(f);
}

Test(lapic, expiry_while_masked_is_lost)
{
    struct fixture *f = setup();
    put(f, SVR, 0x1FF);
    put(f, DIVIDE, 11);
    put(f, LVT_TIMER, 0x10030);
    put(f, INITIAL, 100);
    chip_run(f->bench, 200 * BUS_NS);
    put(f, LVT_TIMER, 0x30);
    chip_run(f->bench, 200 * BUS_NS);
    cr_assert(!f->bench->level[INTR]);
    put(f, INITIAL, 0);
    put(f, INITIAL, 100);
    put(f, INITIAL, 0); /* stops */
    chip_run(f->bench, 200 * BUS_NS);
    cr_assert(!f->bench->level[INTR]);
    teardown(f);
}

Test(lapic, interprocessor_interrupts_reach_the_one_processor_or_nobody)
{
    static const struct {
        uint32_t high, low;
        bool arrives;
    } rows[] = {
        {0, 0x00031, true},        {1u << 24, 0x00031, false}, {0xFFu << 24, 0x00031, true},
        {0, 0x40031, true},        {0, 0x80031, true},         {0, 0xC0031, false},
        {1u << 24, 0x00831, true}, {2u << 24, 0x00831, false}, {3u << 24, 0x00931, true},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct fixture *f = setup();
        put(f, SVR, 0x1FF);
        put(f, LDR, 1u << 24);
        put(f, ICR_HIGH, rows[i].high);
        put(f, ICR, rows[i].low);
        cr_assert_eq(f->bench->level[INTR], rows[i].arrives, "row %u", i);
        cr_assert_eq(get(f, ICR) & 0x1000, 0, "idle");
        teardown(f);
    }
    struct fixture *f = setup();
    put(f, DFR, 0x0FFFFFFF); /* cluster model */
    put(f, LDR, 0x12u << 24);
    put(f, SVR, 0x1FF);
    put(f, ICR_HIGH, 0x22u << 24);
    put(f, ICR, 0x831);
    cr_assert(!f->bench->level[INTR]);
    put(f, ICR_HIGH, 0x13u << 24);
    put(f, ICR, 0x831);
    cr_assert(f->bench->level[INTR]);
    put(f, ICR, 0x40400);
    cr_assert_eq(f->nmis, 1);
    put(f, ICR, 0x4C500);
    cr_assert_eq(f->inits, 1);
    put(f, ICR, 0x48500); /* level de-assert */
    cr_assert_eq(f->inits, 1);
    teardown(f);
}

Test(lapic, errors_collect_until_written)
{
    struct fixture *f = setup();
    put(f, SVR, 0x1FF);
    put(f, LVT_ERROR, 0x35);
    send_self(f, 0x05);
    cr_assert(f->bench->level[INTR]);
    cr_assert_eq(get(f, ESR), 0);
    put(f, ESR, 0);
    cr_assert_eq(get(f, ESR), 0x20);
    put(f, ESR, 0);
    cr_assert_eq(get(f, ESR), 0);
    get(f, 0x3F0);
    put(f, ESR, 0);
    cr_assert_eq(get(f, ESR), 0x80);
    put(f, LVT_ERROR, 0x02); /* an error interrupt that is an error itself must not recurse */
    send_self(f, 0x05);
    teardown(f);
}

Test(lapic, software_disable_masks_and_refuses)
{
    struct fixture *f = setup();
    put(f, SVR, 0x1FF);
    put(f, LVT_TIMER, 0x30);
    put(f, SVR, 0xFF);
    cr_assert_eq(get(f, LVT_TIMER), 0x10030);
    send_self(f, 0x41);
    cr_assert(!bit(f, IRR, 0x41));
    put(f, ICR, 0x40400);
    cr_assert_eq(f->nmis, 1);
    teardown(f);
}

Test(ioapic, registers)
{
    struct fixture *f = setup();
    static const struct {
        uint32_t reg, value;
    } rows[] = {{0, 0x01000000}, {1, 0x00170011}, {2, 0x01000000}, {0x10, 0x10000}, {0x11, 0}, {0x40, 0}};
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        io_write(&f->bench->memory, IOAPIC_BASE, 4, rows[i].reg);
        cr_assert_eq(io_read(&f->bench->memory, IOAPIC_BASE + 0x10, 4), rows[i].value, "row %u", i);
    }
    entry(f, 5, UINT64_MAX);
    cr_assert_eq(entry_low(f, 5), 0x1AFFF);
    teardown(f);
}

Test(ioapic, edges_deliver_once_and_masked_edges_are_lost)
{
    struct fixture *f = setup();
    put(f, SVR, 0x1FF);
    entry(f, 4, 0x34);
    pin(f, 4, true);
    cr_assert_eq(lapic_acknowledge(f->lapic), 0x34);
    put(f, EOI, 0);
    cr_assert(!f->bench->level[INTR]);
    cr_assert_eq(f->eois, 0, "no EOI message for edges");
    pin(f, 4, false);
    entry(f, 4, 0x10034);
    pin(f, 4, true);
    entry(f, 4, 0x34);
    cr_assert(!f->bench->level[INTR]);
    pin(f, 4, false);
    pin(f, 4, true);
    cr_assert(f->bench->level[INTR]);
    teardown(f);
}

Test(ioapic, level_repeats_until_the_pin_falls)
{
    struct fixture *f = setup();
    put(f, SVR, 0x1FF);
    entry(f, 11, 0x803B);
    pin(f, 11, true);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(entry_low(f, 11) & 0x4000, 0x4000);
        cr_assert_eq(lapic_acknowledge(f->lapic), 0x3B);
        cr_assert(bit(f, TMR, 0x3B));
        cr_assert(!f->bench->level[INTR]);
        put(f, EOI, 0);
        cr_assert_eq(f->last_eoi, 0x3B);
        cr_assert(f->bench->level[INTR]);
    }
    lapic_acknowledge(f->lapic);
    pin(f, 11, false);
    put(f, EOI, 0);
    cr_assert(!f->bench->level[INTR]);
    cr_assert_eq(entry_low(f, 11) & 0x4000, 0);
    /* Masking with the pin asserted, then unmasking, delivers. */
    entry(f, 11, 0x1803B);
    pin(f, 11, true);
    cr_assert(!f->bench->level[INTR]);
    entry(f, 11, 0x803B);
    cr_assert(f->bench->level[INTR]);
    /* A switch to edge and back clears remote IRR. */
    entry(f, 11, 0x1003B);
    cr_assert_eq(entry_low(f, 11) & 0x4000, 0);
    teardown(f);
}

Test(ioapic, destinations_and_modes)
{
    struct fixture *f = setup();
    put(f, SVR, 0x1FF);
    put(f, LDR, 1u << 24);
    static const struct {
        uint64_t entry;
        bool arrives;
    } rows[] = {{0x34, true},
                {UINT64_C(5) << 56 | 0x34, false},
                {UINT64_C(1) << 56 | 0x834, true},
                {UINT64_C(2) << 56 | 0x834, false},
                {UINT64_C(0xFF) << 56 | 0x934, true}};
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        entry(f, 7, rows[i].entry);
        pin(f, 7, true);
        cr_assert_eq(f->bench->level[INTR], rows[i].arrives, "row %u", i);
        pin(f, 7, false);
        if (rows[i].arrives) {
            lapic_acknowledge(f->lapic);
            put(f, EOI, 0);
        }
    }
    entry(f, 7, 0x400);
    pin(f, 7, true);
    cr_assert_eq(f->nmis, 1);
    entry(f, 0, 0x700);
    pin(f, 0, true);
    cr_assert_eq(lapic_acknowledge(f->lapic), 0x08);
    cr_assert(!f->bench->level[INTR]);
    teardown(f);
}

Test(apic, random_accesses_and_two_instances)
{
    struct fixture *a = setup(), *b = setup(), *c = setup();
    uint64_t seed = 9;
    for (int i = 0; i < 20000; i++) {
        chip_fuzz(a->bench, i & 1 ? a->lapic : a->ioapic, 2, chip_random(&seed));
        pin(a, chip_random(&seed) % IOAPIC_PINS, chip_random(&seed) & 1);
        lint(a, chip_random(&seed) & 1, chip_random(&seed) & 1);
        if (a->bench->level[INTR])
            lapic_acknowledge(a->lapic);
        if (chip_random(&seed) % 50 == 0)
            lapic_set_base(a->lapic, LAPIC_DEFAULT_BASE | (chip_random(&seed) & 1 ? LAPIC_BASE_ENABLE : 0));
    }
    cr_assert(chip_same_state(b->lapic, c->lapic));
    cr_assert(chip_same_state(b->ioapic, c->ioapic));
    teardown(a);
    teardown(b);
    teardown(c);
}
