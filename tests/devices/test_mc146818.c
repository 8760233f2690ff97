/* Clock chip: calendar in all formats, update cycle, alarm, periodic rates, flags, battery. */
#include "chip_bench.h"

#include "devices/mc146818.h"

#include <criterion/criterion.h>

enum { IRQ = 8, SECOND = 1000000000 };
enum { A = 10, B = 11, C = 12, D = 13 };

struct fixture {
    struct chip_bench *bench;
    struct device *rtc;
};

static struct fixture setup(int64_t seconds)
{
    struct fixture f = {.bench = chip_create()};
    const struct irq_wire irq = chip_wire(f.bench, IRQ);
    f.rtc = mc146818_create(&f.bench->env, &irq, seconds);
    io_map(&f.bench->ports, f.rtc, 0, 0x70);
    return f;
}

static uint8_t get(struct fixture *f, uint8_t reg)
{
    chip_out(f->bench, 0x70, reg);
    return chip_in(f->bench, 0x71);
}

static void put(struct fixture *f, uint8_t reg, uint8_t value)
{
    chip_out(f->bench, 0x70, reg);
    chip_out(f->bench, 0x71, value);
}

/* century year month day weekday hours minutes seconds, as the registers show them */
static void expect_time(struct fixture *f, const uint8_t expected[8], const char *what)
{
    static const uint8_t regs[8] = {0x32, 9, 8, 7, 6, 4, 2, 0};
    for (unsigned i = 0; i < 8; i++)
        cr_assert_eq(get(f, regs[i]), expected[i], "%s: register %u is %02x, not %02x", what, regs[i],
                     get(f, regs[i]), expected[i]);
}

Test(rtc, dates_in_bcd)
{
    static const struct {
        int64_t seconds;
        uint8_t time[8];
    } rows[] = {
        {0, {0x19, 0x70, 1, 1, 5, 0, 0, 0}},
        {951782399, {0x20, 0x00, 0x02, 0x28, 2, 0x23, 0x59, 0x59}},
        {951868800, {0x20, 0x00, 0x03, 0x01, 4, 0x00, 0x00, 0x00}},
        {1000000000, {0x20, 0x01, 0x09, 0x09, 1, 0x01, 0x46, 0x40}},
        {4107542399, {0x21, 0x00, 0x02, 0x28, 1, 0x23, 0x59, 0x59}},
        {-1, {0x19, 0x69, 0x12, 0x31, 4, 0x23, 0x59, 0x59}},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct fixture f = setup(rows[i].seconds);
        expect_time(&f, rows[i].time, "start");
        chip_destroy(f.bench, f.rtc);
    }
}

Test(rtc, seconds_carry_into_everything)
{
    struct fixture f = setup(951782399); /* 2000-02-28 23:59:59 */
    chip_run(f.bench, SECOND);
    expect_time(&f, (const uint8_t[8]){0x20, 0, 2, 0x29, 3, 0, 0, 0}, "leap day");
    chip_run(f.bench, (uint64_t)86400 * SECOND);
    expect_time(&f, (const uint8_t[8]){0x20, 0, 3, 1, 4, 0, 0, 0}, "next day");
    chip_run(f.bench, (uint64_t)306 * 86400 * SECOND - SECOND);
    expect_time(&f, (const uint8_t[8]){0x20, 0, 0x12, 0x31, 1, 0x23, 0x59, 0x59}, "end of year");
    chip_run(f.bench, SECOND);
    expect_time(&f, (const uint8_t[8]){0x20, 0x01, 1, 1, 2, 0, 0, 0}, "new year");
    chip_destroy(f.bench, f.rtc);
}

Test(rtc, binary_and_twelve_hours)
{
    static const struct {
        uint8_t b, hour_of_13, hour_of_0;
    } rows[] = {{0x02, 0x13, 0x00}, {0x06, 13, 0}, {0x00, 0x81, 0x12}, {0x04, 0x81, 12}};
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct fixture f = setup(0);
        put(&f, B, rows[i].b | 0x80);
        put(&f, 4, i < 2 ? (i ? 12 : 0x12) : (i == 2 ? 0x92 : 0x8C)); /* noon */
        put(&f, 2, i & 1 ? 59 : 0x59);
        put(&f, 0, i & 1 ? 59 : 0x59);
        put(&f, B, rows[i].b);
        chip_run(f.bench, SECOND);
        cr_assert_eq(get(&f, 4), rows[i].hour_of_13, "row %u: %02x", i, get(&f, 4));
        cr_assert_eq(get(&f, 0), 0);
        chip_run(f.bench, (uint64_t)11 * 3600 * SECOND);
        cr_assert_eq(get(&f, 4), rows[i].hour_of_0, "row %u: %02x", i, get(&f, 4));
        cr_assert_eq(get(&f, 7), i & 1 ? 2 : 2);
        chip_destroy(f.bench, f.rtc);
    }
}

Test(rtc, set_stops_updates_and_divider_reset_restarts_the_second)
{
    struct fixture f = setup(0);
    put(&f, B, 0x82);
    chip_run(f.bench, (uint64_t)5 * SECOND);
    cr_assert_eq(get(&f, 0), 0);
    put(&f, B, 0x02);
    chip_run(f.bench, SECOND);
    cr_assert_eq(get(&f, 0), 1);
    chip_run(f.bench, SECOND / 4);
    put(&f, A, 0x66); /* divider held */
    chip_run(f.bench, (uint64_t)3 * SECOND);
    cr_assert_eq(get(&f, 0), 1);
    put(&f, A, 0x26);
    chip_run(f.bench, SECOND / 2 - 100000);
    cr_assert_eq(get(&f, 0), 1);
    chip_run(f.bench, 200000);
    cr_assert_eq(get(&f, 0), 2);
    chip_destroy(f.bench, f.rtc);
}

Test(rtc, uip_announces_the_update)
{
    struct fixture f = setup(0);
    chip_run(f.bench, SECOND - 2400000);
    cr_assert_eq(get(&f, A) & 0x80, 0);
    chip_run(f.bench, 300000); /* 2.1 ms before the update ends */
    cr_assert_eq(get(&f, A) & 0x80, 0x80);
    cr_assert_eq(get(&f, 0), 0);
    chip_run(f.bench, 2100000);
    cr_assert_eq(get(&f, A) & 0x80, 0);
    cr_assert_eq(get(&f, 0), 1);
    put(&f, B, 0x82);
    chip_run(f.bench, SECOND - 1000000);
    cr_assert_eq(get(&f, A) & 0x80, 0);
    chip_destroy(f.bench, f.rtc);
}

Test(rtc, update_ended_interrupt)
{
    struct fixture f = setup(0);
    put(&f, B, 0x12);
    cr_assert(!f.bench->level[IRQ]);
    chip_run(f.bench, SECOND);
    cr_assert(f.bench->level[IRQ]);
    chip_run(f.bench, (uint64_t)10 * SECOND);
    cr_assert_eq(f.bench->rises[IRQ], 1, "held until register C is read");
    cr_assert_eq(get(&f, C) & 0x90, 0x90);
    cr_assert(!f.bench->level[IRQ]);
    cr_assert_eq(get(&f, C), 0);
    chip_run(f.bench, SECOND);
    cr_assert_eq(f.bench->rises[IRQ], 2);
    put(&f, B, 0x82); /* SET clears UIE */
    cr_assert_eq(get(&f, B), 0x82);
    chip_destroy(f.bench, f.rtc);
}

Test(rtc, flags_are_set_without_enables)
{
    struct fixture f = setup(0);
    get(&f, C);
    chip_run(f.bench, (uint64_t)2 * SECOND);
    cr_assert_eq(get(&f, C), 0x70 & ~0x20);
    cr_assert_eq(f.bench->rises[IRQ], 0);
    chip_destroy(f.bench, f.rtc);
}

Test(rtc, alarm_matches_and_ignores)
{
    static const struct {
        uint8_t hours, minutes, seconds;
        unsigned first, period; /* seconds until the first match, and between matches */
    } rows[] = {
        {0x00, 0x00, 0x05, 5, 86400},  {0x00, 0x01, 0x00, 60, 86400}, {0xC0, 0xFF, 0x10, 10, 60},
        {0xFF, 0x02, 0x00, 120, 3600}, {0xFF, 0xFF, 0xFF, 1, 1},      {0x12, 0xFF, 0xFF, 43200, 1},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct fixture f = setup(0);
        put(&f, 5, rows[i].hours);
        put(&f, 3, rows[i].minutes);
        put(&f, 1, rows[i].seconds);
        put(&f, B, 0x22);
        chip_run(f.bench, (uint64_t)rows[i].first * SECOND - 1);
        cr_assert(!f.bench->level[IRQ], "row %u", i);
        chip_run(f.bench, 1);
        cr_assert(f.bench->level[IRQ], "row %u", i);
        cr_assert_eq(get(&f, C) & 0xA0, 0xA0);
        chip_run(f.bench, (uint64_t)rows[i].period * SECOND - 1);
        cr_assert(!f.bench->level[IRQ], "row %u", i);
        chip_run(f.bench, 1);
        cr_assert(f.bench->level[IRQ], "row %u", i);
        chip_destroy(f.bench, f.rtc);
    }
}

Test(rtc, impossible_alarm_never_matches)
{
    struct fixture f = setup(0);
    put(&f, 5, 0x25);
    put(&f, B, 0x22);
    chip_run(f.bench, (uint64_t)3 * 86400 * SECOND);
    cr_assert_eq(f.bench->rises[IRQ], 0);
    chip_destroy(f.bench, f.rtc);
}

Test(rtc, periodic_rates)
{
    for (unsigned rate = 0; rate < 16; rate++) {
        struct fixture f = setup(0);
        put(&f, A, (uint8_t)(0x20 | rate));
        put(&f, B, 0x42);
        unsigned count = 0;
        for (unsigned i = 0; i < 32768; i++) {
            event_queue_run(&f.bench->queue, ticks_from(&f.bench->queue, i + 1, 32768));
            if (f.bench->level[IRQ]) {
                count++;
                get(&f, C);
            }
        }
        static const unsigned hz[16] = {0,   256, 128, 8192, 4096, 2048, 1024, 512,
                                        256, 128, 64,  32,   16,   8,    4,    2};
        cr_assert_eq(count, hz[rate], "rate %u", rate);
        chip_destroy(f.bench, f.rtc);
    }
}

Test(rtc, memory_survives_reset)
{
    struct fixture f = setup(0);
    for (uint8_t reg = 14; reg < 128; reg++)
        if (reg != 0x32)
            put(&f, reg, (uint8_t)(reg * 3));
    put(&f, B, 0x72);
    chip_run(f.bench, (uint64_t)3 * SECOND);
    f.rtc->cls->reset(f.rtc);
    cr_assert(!f.bench->level[IRQ]);
    cr_assert_eq(get(&f, B), 0x02);
    cr_assert_eq(get(&f, D), 0x80);
    cr_assert_eq(get(&f, 0), 3);
    for (uint8_t reg = 14; reg < 128; reg++)
        if (reg != 0x32)
            cr_assert_eq(get(&f, reg), (uint8_t)(reg * 3));
    cr_assert_eq(get(&f, 0x80 | 20), 60, "bit 7 of the index is the NMI mask");
    chip_destroy(f.bench, f.rtc);
}

/* Looking often and looking once must agree. */
Test(rtc, far_jumps_equal_small_steps)
{
    struct fixture a = setup(1234567890), b = setup(1234567890);
    uint64_t seed = 3;
    for (int i = 0; i < 50; i++) {
        uint64_t ns = (uint64_t)chip_random(&seed) * 40;
        for (int k = 0; k < 20; k++) {
            chip_run(a.bench, ns / 20);
            get(&a, 0);
        }
        chip_run(b.bench, ns / 20 * 20);
        get(&b, 0);
        cr_assert(chip_same_state(a.rtc, b.rtc), "step %d", i);
    }
    chip_destroy(a.bench, a.rtc);
    chip_destroy(b.bench, b.rtc);
}

Test(rtc, random_accesses)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct fixture f = setup(0);
        chip_fuzz(f.bench, f.rtc, 1000, seed);
        chip_destroy(f.bench, f.rtc);
    }
}
