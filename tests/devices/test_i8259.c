/* 8259A pair: initialization, priorities, masks, rotation, poll, spurious, edge and level, cascade. */
#include "chip_bench.h"

#include "devices/i8259.h"

#include <criterion/criterion.h>

enum { INTR = 31, M0 = 0x20, M1 = 0x21, S0 = 0xA0, S1 = 0xA1 };

struct fixture {
    struct chip_bench *bench;
    struct device *pic;
};

static struct fixture setup(uint8_t master_icw4, uint8_t slave_icw4)
{
    struct fixture f = {.bench = chip_create()};
    struct irq_wire intr = chip_wire(f.bench, INTR);
    f.pic = i8259_create(&f.bench->env, &intr);
    io_map(&f.bench->ports, f.pic, I8259_WINDOW_MASTER, M0);
    io_map(&f.bench->ports, f.pic, I8259_WINDOW_SLAVE, S0);
    io_map(&f.bench->ports, f.pic, I8259_WINDOW_ELCR, 0x4D0);
    const uint8_t steps[][2] = {{M0, 0x11}, {M1, 0x20}, {M1, 4}, {M1, master_icw4},
                                {S0, 0x11}, {S1, 0x28}, {S1, 2}, {S1, slave_icw4}};
    for (unsigned i = 0; i < ARRAY_LEN(steps); i++)
        chip_out(f.bench, steps[i][0], steps[i][1]);
    return f;
}

static void line(struct fixture *f, unsigned irq, bool level)
{
    struct irq_wire wire = i8259_input(f->pic, irq);
    irq_set(&wire, level);
}

static void pulse(struct fixture *f, unsigned irq)
{
    line(f, irq, false);
    line(f, irq, true);
}

static uint8_t isr(struct fixture *f, uint16_t port)
{
    chip_out(f->bench, port, 0x0B);
    return chip_in(f->bench, port);
}

static uint8_t irr(struct fixture *f, uint16_t port)
{
    chip_out(f->bench, port, 0x0A);
    return chip_in(f->bench, port);
}

Test(i8259, nothing_interrupts_before_initialization)
{
    struct chip_bench *bench = chip_create();
    struct irq_wire intr = chip_wire(bench, INTR);
    struct device *pic = i8259_create(&bench->env, &intr);
    struct irq_wire irq0 = i8259_input(pic, 0);
    irq_set(&irq0, true);
    cr_assert(!bench->level[INTR]);
    chip_destroy(bench, pic);
}

Test(i8259, every_line_has_its_vector)
{
    struct fixture f = setup(1, 1);
    for (unsigned irq = 0; irq < 16; irq++) {
        if (irq == 2)
            continue;
        line(&f, irq, true);
        cr_assert(f.bench->level[INTR], "irq %u", irq);
        cr_assert_eq(i8259_acknowledge(f.pic), 0x20 + irq);
        cr_assert(!f.bench->level[INTR]);
        cr_assert_eq(isr(&f, irq < 8 ? M0 : S0), 1 << (irq & 7));
        if (irq >= 8) {
            cr_assert_eq(isr(&f, M0), 4);
            chip_out(f.bench, S0, 0x20);
        }
        chip_out(f.bench, M0, 0x20);
        cr_assert_eq(isr(&f, M0), 0);
        /* Edge triggered: the line still high asks no second time. */
        cr_assert(!f.bench->level[INTR]);
        line(&f, irq, false);
    }
    chip_destroy(f.bench, f.pic);
}

Test(i8259, higher_priority_nests_and_lower_waits)
{
    struct fixture f = setup(1, 1);
    pulse(&f, 4);
    cr_assert_eq(i8259_acknowledge(f.pic), 0x24);
    pulse(&f, 6);
    cr_assert(!f.bench->level[INTR]);
    pulse(&f, 1);
    cr_assert(f.bench->level[INTR]);
    cr_assert_eq(i8259_acknowledge(f.pic), 0x21);
    cr_assert_eq(isr(&f, M0), 0x12);
    chip_out(f.bench, M0, 0x20); /* non-specific: ends 1 */
    cr_assert_eq(isr(&f, M0), 0x10);
    cr_assert(!f.bench->level[INTR]);
    chip_out(f.bench, M0, 0x64); /* specific: ends 4 */
    cr_assert(f.bench->level[INTR]);
    cr_assert_eq(i8259_acknowledge(f.pic), 0x26);
    chip_destroy(f.bench, f.pic);
}

Test(i8259, mask_holds_back_but_remembers)
{
    struct fixture f = setup(1, 1);
    chip_out(f.bench, M1, 0x10);
    cr_assert_eq(chip_in(f.bench, M1), 0x10);
    pulse(&f, 4);
    cr_assert(!f.bench->level[INTR]);
    cr_assert_eq(irr(&f, M0), 0x10);
    chip_out(f.bench, M1, 0);
    cr_assert(f.bench->level[INTR]);
    chip_destroy(f.bench, f.pic);
}

Test(i8259, withdrawn_request_gives_the_spurious_vector_without_service)
{
    struct fixture f = setup(1, 1);
    line(&f, 3, true);
    line(&f, 3, false);
    cr_assert(!f.bench->level[INTR]);
    cr_assert_eq(i8259_acknowledge(f.pic), 0x27);
    cr_assert_eq(isr(&f, M0), 0);
    chip_destroy(f.bench, f.pic);
}

/* Both chips are asked at once here, so a request of the slave that goes away takes the master's cascade
 * request with it: the master answers. */
Test(i8259, withdrawn_request_of_the_slave_is_spurious_at_the_master)
{
    struct fixture f = setup(1, 1);
    line(&f, 10, true);
    chip_out(f.bench, S1, 0xFF);
    cr_assert(!f.bench->level[INTR]);
    cr_assert_eq(i8259_acknowledge(f.pic), 0x27);
    cr_assert_eq(isr(&f, M0) | isr(&f, S0), 0);
    chip_out(f.bench, S1, 0);
    cr_assert_eq(i8259_acknowledge(f.pic), 0x2A);
    chip_destroy(f.bench, f.pic);
}

Test(i8259, level_triggered_line_asks_again_after_eoi)
{
    struct fixture f = setup(1, 1);
    io_write(&f.bench->ports, 0x4D0, 2, 0xFFFF);
    cr_assert_eq(io_read(&f.bench->ports, 0x4D0, 2), 0xDEF8);
    line(&f, 11, true);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(i8259_acknowledge(f.pic), 0x2B);
        cr_assert(!f.bench->level[INTR]);
        chip_out(f.bench, S0, 0x20);
        chip_out(f.bench, M0, 0x20);
        cr_assert(f.bench->level[INTR]);
    }
    line(&f, 11, false);
    cr_assert(!f.bench->level[INTR]);
    chip_destroy(f.bench, f.pic);
}

Test(i8259, automatic_eoi_and_its_rotation)
{
    struct fixture f = setup(3, 3);
    line(&f, 9, true);
    line(&f, 10, true);
    cr_assert_eq(i8259_acknowledge(f.pic), 0x29);
    cr_assert(f.bench->level[INTR], "the second request of the slave must reach the master");
    cr_assert_eq(i8259_acknowledge(f.pic), 0x2A);
    cr_assert_eq(isr(&f, M0) | isr(&f, S0), 0);
    chip_out(f.bench, M0, 0x80); /* rotate in AEOI */
    line(&f, 0, true);
    line(&f, 1, true);
    cr_assert_eq(i8259_acknowledge(f.pic), 0x20);
    pulse(&f, 0);
    cr_assert_eq(i8259_acknowledge(f.pic), 0x21); /* 0 is now the lowest */
    chip_out(f.bench, M0, 0x00);
    chip_destroy(f.bench, f.pic);
}

Test(i8259, rotation_by_eoi_and_set_priority)
{
    struct fixture f = setup(1, 1);
    pulse(&f, 4);
    i8259_acknowledge(f.pic);
    chip_out(f.bench, M0, 0xA0); /* rotate on non-specific EOI: 4 lowest, 5 highest */
    pulse(&f, 0);
    pulse(&f, 5);
    cr_assert_eq(i8259_acknowledge(f.pic), 0x25);
    chip_out(f.bench, M0, 0xE5); /* rotate on specific EOI */
    cr_assert_eq(i8259_acknowledge(f.pic), 0x20);
    chip_out(f.bench, M0, 0x20);
    chip_out(f.bench, M0, 0xC7); /* set priority: back to 7 lowest */
    pulse(&f, 6);
    pulse(&f, 0);
    cr_assert_eq(i8259_acknowledge(f.pic), 0x20);
    chip_destroy(f.bench, f.pic);
}

Test(i8259, special_mask_lets_lower_levels_in)
{
    struct fixture f = setup(1, 1);
    pulse(&f, 1);
    i8259_acknowledge(f.pic);
    pulse(&f, 6);
    cr_assert(!f.bench->level[INTR]);
    chip_out(f.bench, M1, 0x02);
    chip_out(f.bench, M0, 0x68); /* ESMM | SMM */
    cr_assert(f.bench->level[INTR]);
    cr_assert_eq(i8259_acknowledge(f.pic), 0x26);
    chip_out(f.bench, M0, 0x20); /* does not touch the masked level */
    cr_assert_eq(isr(&f, M0), 0x02);
    chip_out(f.bench, M0, 0x48);
    chip_out(f.bench, M0, 0x20);
    cr_assert_eq(isr(&f, M0), 0);
    chip_destroy(f.bench, f.pic);
}

Test(i8259, special_fully_nested_mode_lets_the_slave_nest)
{
    for (int sfnm = 0; sfnm < 2; sfnm++) {
        struct fixture f = setup(sfnm ? 0x11 : 1, 1);
        line(&f, 12, true);
        cr_assert_eq(i8259_acknowledge(f.pic), 0x2C);
        line(&f, 8, true); /* higher within the slave */
        cr_assert_eq(f.bench->level[INTR], sfnm);
        pulse(&f, 7); /* lower than the cascade */
        cr_assert_eq(f.bench->level[INTR], sfnm);
        if (sfnm)
            cr_assert_eq(i8259_acknowledge(f.pic), 0x28);
        chip_destroy(f.bench, f.pic);
    }
}

Test(i8259, poll_is_an_acknowledge)
{
    struct fixture f = setup(1, 1);
    chip_out(f.bench, M0, 0x0C);
    cr_assert_eq(chip_in(f.bench, M0), 0);
    pulse(&f, 5);
    chip_out(f.bench, M0, 0x0C);
    cr_assert_eq(chip_in(f.bench, M0), 0x85);
    cr_assert_eq(isr(&f, M0), 0x20);
    cr_assert(!f.bench->level[INTR]);
    chip_destroy(f.bench, f.pic);
}

Test(i8259, reinitialization_needs_a_new_edge)
{
    struct fixture f = setup(1, 1);
    line(&f, 4, true);
    chip_out(f.bench, M0, 0x11);
    cr_assert(!f.bench->level[INTR]);
    chip_out(f.bench, M1, 0x40);
    chip_out(f.bench, M1, 4);
    chip_out(f.bench, M1, 1);
    cr_assert_eq(irr(&f, M0), 0);
    pulse(&f, 4);
    cr_assert_eq(i8259_acknowledge(f.pic), 0x44);
    chip_destroy(f.bench, f.pic);
}

Test(i8259, random_accesses_and_two_instances)
{
    struct fixture a = setup(1, 1), b = setup(1, 1);
    uint64_t seed = 1;
    chip_fuzz(a.bench, a.pic, 2000, 7);
    for (int i = 0; i < 20000; i++) {
        unsigned irq = chip_random(&seed) & 15;
        if (irq != 2)
            line(&a, irq, chip_random(&seed) & 1);
        if ((chip_random(&seed) & 7) == 0)
            i8259_acknowledge(a.pic);
        chip_fuzz(a.bench, a.pic, 1, chip_random(&seed));
        cr_assert_eq(a.bench->level[INTR], i8259_pending(a.pic));
    }
    struct fixture c = setup(1, 1);
    cr_assert(chip_same_state(b.pic, c.pic));
    chip_destroy(a.bench, a.pic);
    chip_destroy(b.bench, b.pic);
    chip_destroy(c.bench, c.pic);
}
