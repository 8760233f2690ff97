/* 16550A: pacing, FIFOs, interrupt sources in their priority, time-out, loopback, modem lines. */
#include "chip_bench.h"

#include "devices/uart16550.h"

#include <criterion/criterion.h>

enum {
    IRQ = 4,
    BASE = 0x3F8,
    DATA = 0,
    IER = 1,
    IIR = 2,
    FCR = 2,
    LCR = 3,
    MCR = 4,
    LSR = 5,
    MSR = 6,
    SCR = 7
};
enum { CHAR_NS = 86806 }; /* ten bits at 115200, rounded up */

/* The far end of the line. */
struct terminal {
    const struct char_port_ops *ops;
    void *port;
    char text[64];
    unsigned count;
};

static void terminal_attach(void *ctx, const struct char_port_ops *ops, void *port)
{
    struct terminal *terminal = ctx;
    terminal->ops = ops;
    terminal->port = port;
}

static void terminal_write(void *ctx, uint8_t byte)
{
    struct terminal *terminal = ctx;
    if (terminal->count < sizeof terminal->text)
        terminal->text[terminal->count++] = (char)byte;
}

static const struct char_backend_ops terminal_ops = {terminal_attach, terminal_write};

struct fixture {
    struct chip_bench *bench;
    struct device *uart;
    struct terminal terminal;
};

static struct fixture *setup(enum uart_pace pace)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->bench = chip_create();
    const struct irq_wire irq = chip_wire(f->bench, IRQ);
    const struct char_backend backend = {.ops = &terminal_ops, .ctx = &f->terminal};
    f->uart = uart16550_create(&f->bench->env, 0, &irq, &backend, pace);
    io_map(&f->bench->ports, f->uart, 0, BASE);
    return f;
}

static void teardown(struct fixture *f)
{
    chip_destroy(f->bench, f->uart);
    free(f);
}

static void out(struct fixture *f, unsigned reg, uint8_t value)
{
    chip_out(f->bench, (uint16_t)(BASE + reg), value);
}

static uint8_t in(struct fixture *f, unsigned reg)
{
    return chip_in(f->bench, (uint16_t)(BASE + reg));
}

/* 115200 8N1, OUT2 on. */
static void open_line(struct fixture *f, uint8_t fcr)
{
    out(f, LCR, 0x83);
    out(f, DATA, 1);
    out(f, IER, 0);
    out(f, LCR, 0x03);
    out(f, FCR, fcr);
    out(f, MCR, 0x0B);
}

/* As a backend does: one character for each moment the port is ready. */
static void type(struct fixture *f, const char *text)
{
    for (; *text; text++) {
        while (!f->terminal.ops->ready(f->terminal.port))
            chip_run(f->bench, CHAR_NS);
        f->terminal.ops->receive(f->terminal.port, (uint8_t)*text);
    }
}

Test(uart, registers_after_reset_and_divisor_latch)
{
    struct fixture *f = setup(UART_PACE_BAUD);
    cr_assert_eq(in(f, IER), 0);
    cr_assert_eq(in(f, IIR), 0x01);
    cr_assert_eq(in(f, LCR), 0);
    cr_assert_eq(in(f, LSR), 0x60);
    cr_assert_eq(in(f, MSR), 0xB0);
    out(f, SCR, 0x5A);
    cr_assert_eq(in(f, SCR), 0x5A);
    out(f, LCR, 0x80);
    out(f, DATA, 0x34);
    out(f, IER, 0x12);
    cr_assert_eq(in(f, DATA), 0x34);
    cr_assert_eq(in(f, IER), 0x12);
    out(f, LCR, 0);
    cr_assert_eq(in(f, IER), 0);
    out(f, IER, 0xFF);
    cr_assert_eq(in(f, IER), 0x0F);
    teardown(f);
}

Test(uart, characters_take_their_time_on_the_line)
{
    static const struct {
        uint8_t lcr, divisor;
        uint64_t half_bits;
    } rows[] = {{0x03, 1, 20}, {0x03, 12, 20}, {0x1B, 1, 22}, {0x07, 1, 22}, {0x00, 1, 14}, {0x04, 1, 15}};
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct fixture *f = setup(UART_PACE_BAUD);
        out(f, LCR, 0x80);
        out(f, DATA, rows[i].divisor);
        out(f, IER, 0);
        out(f, LCR, rows[i].lcr);
        out(f, DATA, 'x');
        cr_assert_eq(in(f, LSR), 0x20, "THR free, shift register busy");
        uint64_t ns = (rows[i].half_bits * 8 * rows[i].divisor * 1000000000 + 1843199) / 1843200;
        chip_run(f->bench, ns - 1);
        cr_assert_eq(f->terminal.count, 0, "row %u", i);
        chip_run(f->bench, 1);
        cr_assert_eq(f->terminal.count, 1, "row %u", i);
        cr_assert_eq(in(f, LSR), 0x60);
        teardown(f);
    }
}

Test(uart, transmit_fifo_holds_sixteen_and_drops_more)
{
    struct fixture *f = setup(UART_PACE_BAUD);
    open_line(f, 0x01);
    for (int i = 0; i < 20; i++)
        out(f, DATA, (uint8_t)('a' + i));
    chip_run(f->bench, 20 * CHAR_NS);
    cr_assert_eq(f->terminal.count, 17); /* one in the shift register */
    cr_assert(memcmp(f->terminal.text, "abcdefghijklmnopq", 17) == 0);
    teardown(f);
}

Test(uart, thre_interrupt_is_cleared_by_iir_and_by_thr)
{
    struct fixture *f = setup(UART_PACE_BAUD);
    open_line(f, 0);
    out(f, IER, 2);
    cr_assert(f->bench->level[IRQ]);
    cr_assert_eq(in(f, IIR), 0x02);
    cr_assert(!f->bench->level[IRQ]);
    cr_assert_eq(in(f, IIR), 0x01);
    out(f, DATA, 'a'); /* goes on to the shift register: THR is empty again at once */
    cr_assert(f->bench->level[IRQ]);
    out(f, DATA, 'b');
    cr_assert(!f->bench->level[IRQ]);
    chip_run(f->bench, CHAR_NS);
    cr_assert(f->bench->level[IRQ]);
    out(f, IER, 0);
    cr_assert(!f->bench->level[IRQ]);
    out(f, IER, 2);
    cr_assert(f->bench->level[IRQ]);
    teardown(f);
}

Test(uart, receive_trigger_levels_and_timeout)
{
    static const uint8_t levels[] = {1, 4, 8, 14};
    for (unsigned i = 0; i < 4; i++) {
        struct fixture *f = setup(UART_PACE_BAUD);
        open_line(f, (uint8_t)(0x01 | i << 6));
        out(f, IER, 1);
        for (unsigned n = 1; n <= levels[i]; n++) {
            type(f, "x");
            cr_assert_eq(f->bench->level[IRQ], n == levels[i]);
        }
        cr_assert_eq(in(f, IIR), 0xC4);
        cr_assert_eq(in(f, DATA), 'x');
        if (levels[i] > 1) {
            cr_assert(!f->bench->level[IRQ]);
            chip_run(f->bench, 4 * CHAR_NS - 10);
            cr_assert(!f->bench->level[IRQ]);
            chip_run(f->bench, 20);
            cr_assert(f->bench->level[IRQ]);
            cr_assert_eq(in(f, IIR), 0xCC);
            in(f, DATA);
            cr_assert(!f->bench->level[IRQ]);
        }
        teardown(f);
    }
}

Test(uart, receiver_paces_the_line_and_reports_overrun_in_loopback)
{
    struct fixture *f = setup(UART_PACE_BAUD);
    open_line(f, 0);
    type(f, "a");
    cr_assert(!f->terminal.ops->ready(f->terminal.port));
    cr_assert_eq(in(f, LSR) & 1, 1);
    cr_assert_eq(in(f, DATA), 'a');
    cr_assert(!f->terminal.ops->ready(f->terminal.port), "the line is still busy");
    chip_run(f->bench, CHAR_NS);
    cr_assert(f->terminal.ops->ready(f->terminal.port));
    out(f, IER, 4);
    out(f, MCR, 0x1B);
    out(f, DATA, '1');
    out(f, DATA, '2');
    chip_run(f->bench, 3 * CHAR_NS);
    cr_assert_eq(in(f, IIR), 0x06);
    cr_assert_eq(in(f, LSR), 0x63);
    cr_assert_eq(in(f, LSR), 0x61);
    cr_assert_eq(in(f, DATA), '2');
    cr_assert_eq(f->terminal.count, 0);
    teardown(f);
}

Test(uart, loopback_feeds_modem_outputs_back)
{
    static const struct {
        uint8_t mcr, msr;
    } rows[] = {{0x10, 0x00}, {0x11, 0x20}, {0x12, 0x10}, {0x14, 0x40}, {0x18, 0x80}, {0x1F, 0xF0}};
    struct fixture *f = setup(UART_PACE_BAUD);
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        out(f, MCR, rows[i].mcr);
        cr_assert_eq(in(f, MSR) & 0xF0, rows[i].msr, "row %u", i);
        cr_assert_eq(in(f, MSR) & 0x0F, 0);
    }
    out(f, MCR, 0x14);
    in(f, MSR);
    out(f, MCR, 0x10);
    cr_assert_eq(in(f, MSR), 0x04, "only the trailing edge of RI counts");
    teardown(f);
}

Test(uart, modem_interrupt_and_gate)
{
    struct fixture *f = setup(UART_PACE_BAUD);
    out(f, IER, 8);
    out(f, MCR, 0x18);
    cr_assert(!f->bench->level[IRQ], "no interrupt leaves in loopback");
    cr_assert_eq(in(f, IIR), 0x00);
    out(f, MCR, 0x08);
    cr_assert(f->bench->level[IRQ]);
    out(f, MCR, 0x00);
    cr_assert(!f->bench->level[IRQ], "OUT2 is the gate");
    out(f, MCR, 0x08);
    in(f, MSR);
    cr_assert(!f->bench->level[IRQ]);
    teardown(f);
}

Test(uart, fifo_reset_bits_and_mode_change_empty_the_fifos)
{
    struct fixture *f = setup(UART_PACE_BAUD);
    open_line(f, 0x01);
    type(f, "abc");
    out(f, FCR, 0x03);
    cr_assert_eq(in(f, LSR) & 1, 0);
    type(f, "abc");
    out(f, FCR, 0x00);
    cr_assert_eq(in(f, LSR) & 1, 0);
    cr_assert_eq(in(f, IIR), 0x01);
    teardown(f);
}

Test(uart, instant_pace_needs_no_time)
{
    struct fixture *f = setup(UART_PACE_INSTANT);
    open_line(f, 0);
    for (int i = 0; i < 5; i++) {
        cr_assert(in(f, LSR) & 0x20);
        out(f, DATA, (uint8_t)('0' + i));
        chip_run(f->bench, 0);
    }
    cr_assert_eq(f->terminal.count, 5);
    teardown(f);
}

Test(uart, random_accesses_and_two_instances)
{
    struct fixture *a = setup(UART_PACE_BAUD), *b = setup(UART_PACE_BAUD), *c = setup(UART_PACE_INSTANT);
    for (uint64_t seed = 0; seed < 20; seed++) {
        chip_fuzz(a->bench, a->uart, 500, seed);
        chip_fuzz(c->bench, c->uart, 500, seed);
        if (a->terminal.ops->ready(a->terminal.port))
            a->terminal.ops->receive(a->terminal.port, (uint8_t)seed);
    }
    struct fixture *d = setup(UART_PACE_BAUD);
    cr_assert(chip_same_state(b->uart, d->uart));
    teardown(a);
    teardown(b);
    teardown(c);
    teardown(d);
}
