/* 8254: the six modes clock by clock, BCD, latches, read-back, gate, exact event times. One clock of the
 * chip is 1/1193182 s; the bench's queue runs at that rate times 100 so that clocks are whole ticks. */
#include "chip_bench.h"

#include "devices/i8254.h"

#include <criterion/criterion.h>

enum { OUT = 0, CLOCK = 100 };

struct fixture {
    struct chip_bench *bench;
    struct device *pit;
};

static struct fixture setup(void)
{
    struct fixture f = {.bench = chip_create()};
    f.bench->queue.hz = (uint64_t)I8254_HZ * CLOCK;
    struct irq_wire out = chip_wire(f.bench, OUT);
    f.pit = i8254_create(&f.bench->env, &out);
    io_map(&f.bench->ports, f.pit, I8254_WINDOW_CHIP, 0x40);
    io_map(&f.bench->ports, f.pit, I8254_WINDOW_PORT61, 0x61);
    return f;
}

static void teardown(struct fixture *f)
{
    chip_destroy(f->bench, f->pit);
}

static void clocks(struct fixture *f, uint64_t n)
{
    chip_run(f->bench, n * CLOCK);
}

static void program(struct fixture *f, unsigned channel, unsigned mode, unsigned count)
{
    chip_out(f->bench, 0x43, (uint8_t)(channel << 6 | 0x30 | mode << 1));
    chip_out(f->bench, (uint16_t)(0x40 + channel), (uint8_t)count);
    chip_out(f->bench, (uint16_t)(0x40 + channel), (uint8_t)(count >> 8));
}

static unsigned count(struct fixture *f, unsigned channel)
{
    chip_out(f->bench, 0x43, (uint8_t)(channel << 6));
    unsigned low = chip_in(f->bench, (uint16_t)(0x40 + channel));
    return low | (unsigned)chip_in(f->bench, (uint16_t)(0x40 + channel)) << 8;
}

static bool out2(struct fixture *f)
{
    return (chip_in(f->bench, 0x61) & 0x20) != 0;
}

/* OUT of channel 2 for each clock from now on, as a string of H and L. */
static void expect_out2(struct fixture *f, const char *levels)
{
    for (unsigned i = 0; levels[i]; i++) {
        cr_assert_eq(out2(f), levels[i] == 'H', "clock %u of %s", i, levels);
        clocks(f, 1);
    }
}

static void expect_out0(struct fixture *f, const char *levels)
{
    for (unsigned i = 0; levels[i]; i++) {
        cr_assert_eq(f->bench->level[OUT], levels[i] == 'H', "clock %u of %s", i, levels);
        clocks(f, 1);
    }
}

/* The wave forms of the data sheet, counted from the clock in which the count was written; for channel 0
 * (through events) and channel 2 with its gate high (by calculation). */
Test(i8254, wave_forms)
{
    static const struct {
        unsigned mode, count;
        const char *levels;
    } rows[] = {
        {0, 4, "LLLLLHHHHHHHH"},     {0, 1, "LLHHHH"},
        {2, 3, "HHHLHHLHHLHHLHHL"},  {2, 2, "HHLHLHLHL"},
        {3, 4, "HHHLLHHLLHHLLHHLL"}, {3, 5, "HHHHLLHHHLLHHHLL"},
        {3, 2, "HHLHLHLH"},          {3, 3, "HHHLHHLHHL"},
        {4, 3, "HHHHLHHHHHHHHHHHH"}, {6, 3, "HHHLHHLHHL"},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct fixture f = setup();
        program(&f, 0, rows[i].mode, rows[i].count);
        expect_out0(&f, rows[i].levels);
        chip_out(f.bench, 0x61, 1);
        program(&f, 2, rows[i].mode, rows[i].count);
        expect_out2(&f, rows[i].levels);
        teardown(&f);
    }
}

Test(i8254, hardware_triggered_modes_follow_the_gate)
{
    struct fixture f = setup();
    program(&f, 2, 1, 3);
    expect_out2(&f, "HHH");
    chip_out(f.bench, 0x61, 1);
    expect_out2(&f, "HLLLHHHH");
    chip_out(f.bench, 0x61, 0);
    chip_out(f.bench, 0x61, 1);
    expect_out2(&f, "HLL");
    chip_out(f.bench, 0x61, 0); /* retriggered while low: the pulse is prolonged */
    chip_out(f.bench, 0x61, 1);
    expect_out2(&f, "LLLLHH");

    chip_out(f.bench, 0x61, 0);
    program(&f, 2, 5, 3);
    expect_out2(&f, "HHHHH");
    chip_out(f.bench, 0x61, 1);
    expect_out2(&f, "HHHHLHHHHH");
    teardown(&f);
}

Test(i8254, gate_low_stops_counting)
{
    struct fixture f = setup();
    chip_out(f.bench, 0x61, 1);
    program(&f, 2, 0, 10);
    clocks(&f, 4);
    cr_assert_eq(count(&f, 2), 7);
    chip_out(f.bench, 0x61, 0);
    clocks(&f, 100);
    cr_assert_eq(count(&f, 2), 7);
    cr_assert(!out2(&f));
    chip_out(f.bench, 0x61, 1);
    expect_out2(&f, "LLLLLLLHH");

    program(&f, 2, 2, 4); /* gate low forces OUT high; its rise starts a period */
    expect_out2(&f, "HHHHL");
    clocks(&f, 3);
    chip_out(f.bench, 0x61, 0);
    cr_assert(out2(&f));
    clocks(&f, 50);
    chip_out(f.bench, 0x61, 1);
    expect_out2(&f, "HHHHLHHHL");
    teardown(&f);
}

Test(i8254, counts_are_read_live_and_latched_and_wrap)
{
    struct fixture f = setup();
    program(&f, 0, 0, 5);
    static const unsigned live[] = {5, 4, 3, 2, 1, 0, 0xFFFF, 0xFFFE};
    clocks(&f, 1);
    for (unsigned i = 0; i < ARRAY_LEN(live); i++) {
        cr_assert_eq(count(&f, 0), live[i], "%u", i);
        clocks(&f, 1);
    }
    chip_out(f.bench, 0x43, 0x00); /* latch */
    clocks(&f, 20);
    chip_out(f.bench, 0x43, 0x00); /* no effect: still held */
    unsigned low = chip_in(f.bench, 0x40), high = chip_in(f.bench, 0x40);
    cr_assert_eq(low | high << 8, 0xFFFD);
    cr_assert_eq(count(&f, 0), 0xFFFD - 20);
    teardown(&f);
}

Test(i8254, bcd_counts_decimal)
{
    struct fixture f = setup();
    chip_out(f.bench, 0x43, 0x31); /* channel 0, mode 0, both bytes, BCD */
    chip_out(f.bench, 0x40, 0x00);
    chip_out(f.bench, 0x40, 0x10); /* 1000 */
    clocks(&f, 2);
    cr_assert_eq(count(&f, 0), 0x0999);
    clocks(&f, 998);
    cr_assert(!f.bench->level[OUT]);
    clocks(&f, 1);
    cr_assert(f.bench->level[OUT]);
    clocks(&f, 1);
    cr_assert_eq(count(&f, 0), 0x9999);
    teardown(&f);
}

Test(i8254, read_back_latches_status_before_count)
{
    struct fixture f = setup();
    chip_out(f.bench, 0x43, 0x34);
    chip_out(f.bench, 0x43, 0xE2);              /* status of channel 0 */
    cr_assert_eq(chip_in(f.bench, 0x40), 0xF4); /* OUT high, null count */
    chip_out(f.bench, 0x40, 100);
    chip_out(f.bench, 0x40, 0);
    clocks(&f, 11);
    chip_out(f.bench, 0x43, 0xC2); /* both */
    clocks(&f, 3);
    cr_assert_eq(chip_in(f.bench, 0x40), 0xB4);
    cr_assert_eq(chip_in(f.bench, 0x40), 90);
    cr_assert_eq(chip_in(f.bench, 0x40), 0);
    cr_assert_eq(count(&f, 0), 87);
    teardown(&f);
}

Test(i8254, new_count_in_mode_2_waits_for_the_period)
{
    struct fixture f = setup();
    chip_out(f.bench, 0x61, 1);
    program(&f, 2, 2, 5);
    expect_out2(&f, "HHH");
    chip_out(f.bench, 0x42, 3);
    chip_out(f.bench, 0x42, 0);
    expect_out2(&f, "HHLHHLHHL");
    teardown(&f);
}

Test(i8254, zero_is_the_largest_count_and_single_bytes_work)
{
    struct fixture f = setup();
    program(&f, 0, 2, 0);
    clocks(&f, 1);
    unsigned rises = f.bench->rises[OUT];
    clocks(&f, 65536 * 10);
    cr_assert_eq(f.bench->rises[OUT], rises + 10);
    chip_out(f.bench, 0x43, 0x14); /* LSB only, mode 2 */
    chip_out(f.bench, 0x40, 18);
    clocks(&f, 1);
    rises = f.bench->rises[OUT];
    clocks(&f, 18 * 7);
    cr_assert_eq(f.bench->rises[OUT], rises + 7);
    chip_out(f.bench, 0x43, 0x24); /* MSB only */
    chip_out(f.bench, 0x40, 1);
    clocks(&f, 1);
    rises = f.bench->rises[OUT];
    clocks(&f, 256 * 3);
    cr_assert_eq(f.bench->rises[OUT], rises + 3);
    teardown(&f);
}

/* At a clock rate that is no multiple of the chip's, interrupts neither drift nor come early. */
Test(i8254, a_day_of_ticks_does_not_drift)
{
    struct fixture f = setup();
    f.bench->queue.hz = 733000000;
    program(&f, 0, 2, 59659);
    unsigned before = f.bench->rises[OUT];
    event_queue_run(&f.bench->queue, (tick_t)733000000 * 86400);
    /* The first period starts one clock after the write, and a rise ends each period. */
    uint64_t expected = ((uint64_t)I8254_HZ * 86400 - 1) / 59659;
    cr_assert_eq(f.bench->rises[OUT] - before, expected);
    teardown(&f);
}

Test(i8254, refresh_toggles_and_speaker_bits_stick)
{
    struct fixture f = setup();
    chip_out(f.bench, 0x43, 0x54);
    chip_out(f.bench, 0x41, 18);
    clocks(&f, 2);
    unsigned toggles = 0, last = chip_in(f.bench, 0x61) & 0x10;
    for (int i = 0; i < 180; i++) {
        clocks(&f, 1);
        unsigned now = chip_in(f.bench, 0x61) & 0x10;
        toggles += now != last;
        last = now;
    }
    cr_assert_eq(toggles, 10);
    chip_out(f.bench, 0x61, 0xFF);
    cr_assert_eq(chip_in(f.bench, 0x61) & 0x0F, 0x0F);
    teardown(&f);
}

/* A long jump must equal many small steps, for every mode and for counts around the corners. */
Test(i8254, far_jumps_equal_single_steps)
{
    static const unsigned counts[] = {1, 2, 3, 4, 5, 17, 256, 9999, 65535, 0};
    uint64_t seed = 5;
    for (unsigned mode = 0; mode < 6; mode++) {
        for (unsigned i = 0; i < ARRAY_LEN(counts); i++) {
            struct fixture a = setup(), b = setup();
            struct fixture *both[] = {&a, &b};
            for (int k = 0; k < 2; k++) {
                program(both[k], 2, mode, counts[i]);
                chip_out(both[k]->bench, 0x61, 1);
            }
            for (int round = 0; round < 4; round++) {
                unsigned far = chip_random(&seed) % 3000 + 1;
                clocks(&a, far);
                for (unsigned step = 0; step < far; step++) {
                    clocks(&b, 1);
                    chip_in(b.bench, 0x61);
                }
                chip_in(a.bench, 0x61);
                cr_assert_eq(out2(&a), out2(&b), "mode %u count %u", mode, counts[i]);
                cr_assert_eq(count(&a, 2), count(&b, 2), "mode %u count %u", mode, counts[i]);
            }
            cr_assert(chip_same_state(a.pit, b.pit), "mode %u count %u", mode, counts[i]);
            teardown(&a);
            teardown(&b);
        }
    }
}

Test(i8254, random_accesses)
{
    struct fixture f = setup();
    for (uint64_t seed = 0; seed < 20; seed++)
        chip_fuzz(f.bench, f.pit, 500, seed);
    teardown(&f);
}
