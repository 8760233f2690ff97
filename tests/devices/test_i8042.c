/* Keyboard controller, keyboard and mouse: commands, translation, interrupts, line time, A20 and reset. */
#include "chip_bench.h"

#include "devices/i8042.h"

#include <criterion/criterion.h>

enum { IRQ1 = 1, INIT = 2, A20 = 3, IRQ12 = 12, BYTE_NS = 880000 };

struct fixture {
    struct chip_bench *bench;
    struct device *kbc;
};

static struct fixture setup(void)
{
    struct fixture f = {.bench = chip_create()};
    const struct i8042_wires wires = {chip_wire(f.bench, IRQ1), chip_wire(f.bench, IRQ12),
                                      chip_wire(f.bench, INIT), chip_wire(f.bench, A20)};
    f.kbc = i8042_create(&f.bench->env, &wires);
    io_map(&f.bench->ports, f.kbc, I8042_WINDOW_DATA, 0x60);
    io_map(&f.bench->ports, f.kbc, I8042_WINDOW_COMMAND, 0x64);
    io_map(&f.bench->ports, f.kbc, I8042_WINDOW_PORT92, 0x92);
    return f;
}

static void command(struct fixture *f, uint8_t value)
{
    chip_out(f->bench, 0x64, value);
}

static void data(struct fixture *f, uint8_t value)
{
    chip_out(f->bench, 0x60, value);
}

static uint8_t status(struct fixture *f)
{
    return chip_in(f->bench, 0x64);
}

/* The next byte, waiting for the line if need be; -1 = none comes. */
static int next(struct fixture *f)
{
    if (!(status(f) & 1))
        chip_run(f->bench, 3 * BYTE_NS);
    return status(f) & 1 ? chip_in(f->bench, 0x60) : -1;
}

static void expect(struct fixture *f, const int *bytes, size_t count, const char *what)
{
    for (size_t i = 0; i < count; i++) {
        int byte = next(f);
        cr_assert_eq(byte, bytes[i], "%s: byte %zu is %x, not %x", what, i, byte, bytes[i]);
    }
    cr_assert_eq(next(f), -1, "%s: one byte too many", what);
}

#define EXPECT(f, ...)                                                                                       \
    expect(f, (const int[]){__VA_ARGS__}, ARRAY_LEN(((const int[]){__VA_ARGS__})), #__VA_ARGS__)

static void mode(struct fixture *f, uint8_t value)
{
    command(f, 0x60);
    data(f, value);
}

Test(i8042, controller_commands)
{
    struct fixture f = setup();
    command(&f, 0xAA);
    cr_assert(f.bench->level[IRQ1]);
    EXPECT(&f, 0x55);
    cr_assert(!f.bench->level[IRQ1]);
    cr_assert_eq(status(&f) & 4, 4);
    command(&f, 0xAB);
    EXPECT(&f, 0x00);
    command(&f, 0xA9);
    EXPECT(&f, 0x00);
    mode(&f, 0x65);
    command(&f, 0x20);
    EXPECT(&f, 0x65);
    command(&f, 0x65);
    data(&f, 0x99);
    command(&f, 0x25);
    EXPECT(&f, 0x99);
    command(&f, 0xA7);
    command(&f, 0xAD);
    command(&f, 0x20);
    EXPECT(&f, 0x75);
    command(&f, 0xA8);
    command(&f, 0xAE);
    command(&f, 0x20);
    EXPECT(&f, 0x45);
    command(&f, 0xD0);
    EXPECT(&f, 0xCF);
    command(&f, 0xD2);
    data(&f, 0x77);
    cr_assert_eq(status(&f) & 0x21, 0x01);
    EXPECT(&f, 0x77);
    command(&f, 0xD3);
    data(&f, 0x5A);
    cr_assert_eq(status(&f) & 0x21, 0x21);
    EXPECT(&f, 0x5A);
    chip_destroy(f.bench, f.kbc);
}

Test(i8042, keyboard_commands)
{
    struct fixture f = setup();
    mode(&f, 0x05); /* no translation */
    data(&f, 0xFF);
    EXPECT(&f, 0xFA, 0xAA);
    data(&f, 0xF2);
    EXPECT(&f, 0xFA, 0xAB, 0x83);
    data(&f, 0xEE);
    EXPECT(&f, 0xEE);
    data(&f, 0xFE);
    EXPECT(&f, 0xEE);
    data(&f, 0xED);
    EXPECT(&f, 0xFA);
    data(&f, 0x07);
    EXPECT(&f, 0xFA);
    data(&f, 0xF0);
    EXPECT(&f, 0xFA);
    data(&f, 0x00);
    EXPECT(&f, 0xFA, 0x02);
    data(&f, 0xF3);
    EXPECT(&f, 0xFA);
    data(&f, 0xF4); /* a command instead of the parameter */
    EXPECT(&f, 0xFA);
    data(&f, 0x01);
    EXPECT(&f, 0xFE);
    chip_destroy(f.bench, f.kbc);
}

Test(i8042, keys_in_set_1_set_2_and_translated)
{
    struct fixture f = setup();
    mode(&f, 0x45); /* translation on */
    i8042_key(f.kbc, 0x1E, true);
    EXPECT(&f, 0x1E);
    i8042_key(f.kbc, 0x1E, false);
    EXPECT(&f, 0x9E);
    i8042_key(f.kbc, 0x1D | I8042_KEY_EXTENDED, true);
    EXPECT(&f, 0xE0, 0x1D);
    i8042_key(f.kbc, 0x1D | I8042_KEY_EXTENDED, false);
    EXPECT(&f, 0xE0, 0x9D);
    i8042_key(f.kbc, 0x41, true); /* F7: set 2 code 83 */
    EXPECT(&f, 0x41);
    mode(&f, 0x05);
    i8042_key(f.kbc, 0x1E, true);
    i8042_key(f.kbc, 0x1E, false);
    EXPECT(&f, 0x1C, 0xF0, 0x1C);
    data(&f, 0xF0);
    EXPECT(&f, 0xFA);
    data(&f, 0x01);
    EXPECT(&f, 0xFA);
    i8042_key(f.kbc, 0x1E, true);
    i8042_key(f.kbc, 0x1E, false);
    EXPECT(&f, 0x1E, 0x9E);
    data(&f, 0xF5); /* scanning off */
    EXPECT(&f, 0xFA);
    i8042_key(f.kbc, 0x1E, true);
    cr_assert_eq(next(&f), -1);
    chip_destroy(f.bench, f.kbc);
}

Test(i8042, bytes_take_time_and_wait_for_the_buffer)
{
    struct fixture f = setup();
    mode(&f, 0x45);
    i8042_key(f.kbc, 0x02, true);
    i8042_key(f.kbc, 0x03, true);
    chip_run(f.bench, BYTE_NS - 1);
    cr_assert_eq(status(&f) & 1, 0);
    chip_run(f.bench, 1);
    cr_assert_eq(status(&f) & 1, 1);
    cr_assert(f.bench->level[IRQ1]);
    chip_run(f.bench, 100 * BYTE_NS);
    cr_assert_eq(chip_in(f.bench, 0x60), 0x02);
    cr_assert(!f.bench->level[IRQ1]);
    chip_run(f.bench, BYTE_NS);
    cr_assert(f.bench->level[IRQ1]);
    cr_assert_eq(chip_in(f.bench, 0x60), 0x03);
    mode(&f, 0x44); /* interrupt off */
    i8042_key(f.kbc, 0x04, true);
    chip_run(f.bench, BYTE_NS);
    cr_assert(!f.bench->level[IRQ1]);
    cr_assert_eq(status(&f) & 1, 1);
    mode(&f, 0x55); /* interface off: the key waits in the keyboard */
    chip_in(f.bench, 0x60);
    i8042_key(f.kbc, 0x05, true);
    cr_assert_eq(next(&f), -1);
    command(&f, 0xAE);
    EXPECT(&f, 0x05);
    chip_destroy(f.bench, f.kbc);
}

static void to_mouse(struct fixture *f, uint8_t byte)
{
    command(f, 0xD4);
    data(f, byte);
}

Test(i8042, mouse_commands_and_packets)
{
    struct fixture f = setup();
    mode(&f, 0x47);
    to_mouse(&f, 0xFF);
    cr_assert_eq(next(&f), 0xFA);
    cr_assert_eq(next(&f), 0xAA);
    chip_run(f.bench, BYTE_NS);
    cr_assert(f.bench->level[IRQ12]);
    cr_assert_eq(status(&f) & 0x20, 0x20);
    EXPECT(&f, 0x00);
    cr_assert(!f.bench->level[IRQ12]);
    to_mouse(&f, 0xF2);
    EXPECT(&f, 0xFA, 0x00);
    i8042_mouse(f.kbc, 5, -3, 1);
    cr_assert_eq(next(&f), -1, "not reporting yet");
    to_mouse(&f, 0xF4);
    EXPECT(&f, 0xFA);
    i8042_mouse(f.kbc, 0, 0, 1);
    EXPECT(&f, 0x29, 5, 0xFD); /* what was not reported */
    i8042_mouse(f.kbc, -300, 0, 0);
    EXPECT(&f, 0x18, 0x01, 0x00);
    to_mouse(&f, 0xE9);
    EXPECT(&f, 0xFA, 0x20, 2, 100);
    to_mouse(&f, 0xF3);
    EXPECT(&f, 0xFA);
    to_mouse(&f, 40);
    EXPECT(&f, 0xFA);
    to_mouse(&f, 0xE9);
    EXPECT(&f, 0xFA, 0x20, 2, 40);
    to_mouse(&f, 0xEE);
    EXPECT(&f, 0xFA);
    to_mouse(&f, 0x12);
    EXPECT(&f, 0x12);
    to_mouse(&f, 0xEC);
    EXPECT(&f, 0xFA);
    chip_destroy(f.bench, f.kbc);
}

Test(i8042, a20_and_reset)
{
    struct fixture f = setup();
    cr_assert(f.bench->level[A20]);
    command(&f, 0xD1);
    data(&f, 0xDD);
    cr_assert(!f.bench->level[A20]);
    chip_out(f.bench, 0x92, 2);
    cr_assert(f.bench->level[A20]);
    cr_assert_eq(chip_in(f.bench, 0x92), 2);
    chip_out(f.bench, 0x92, 0);
    cr_assert(!f.bench->level[A20]);
    command(&f, 0xDF);
    cr_assert(f.bench->level[A20]);
    command(&f, 0xDD);
    cr_assert(!f.bench->level[A20]);
    cr_assert_eq(f.bench->rises[INIT], 0);
    command(&f, 0xFE);
    cr_assert_eq(f.bench->rises[INIT], 1);
    command(&f, 0xFF);
    cr_assert_eq(f.bench->rises[INIT], 1);
    chip_out(f.bench, 0x92, 1);
    chip_out(f.bench, 0x92, 1);
    cr_assert_eq(f.bench->rises[INIT], 2);
    command(&f, 0xD1);
    data(&f, 0x02);
    cr_assert_eq(f.bench->rises[INIT], 3);
    chip_destroy(f.bench, f.kbc);
}

Test(i8042, random_accesses_and_two_instances)
{
    struct fixture a = setup(), b = setup(), c = setup();
    uint64_t seed = 4;
    for (int i = 0; i < 5000; i++) {
        chip_fuzz(a.bench, a.kbc, 4, chip_random(&seed));
        i8042_key(a.kbc, (uint8_t)chip_random(&seed), chip_random(&seed) & 1);
        i8042_mouse(a.kbc, (int)chip_random(&seed), (int)chip_random(&seed), (uint8_t)chip_random(&seed));
        cr_assert(!(a.bench->level[IRQ1] && a.bench->level[IRQ12]));
    }
    cr_assert(chip_same_state(b.kbc, c.kbc));
    chip_destroy(a.bench, a.kbc);
    chip_destroy(b.bench, b.kbc);
    chip_destroy(c.bench, c.kbc);
}
