/* The 8259A pair, the 8254 timer at 100 Hz and bottom halves.
 *
 * Sequence of controller accesses per interrupt, that of Linux 2.2 (the "5 accesses to the virtual PIC" of
 * papers on it), for a line of the slave: read its mask register, write the mask with the line set, specific
 * EOI for the cascade to the master, EOI to the slave; after the handler, write the mask with the line clear.
 * A line of the master needs only one EOI, so four.
 *
 * Data sheets: Intel 8259A (231468-003), 8254 (231164-005). */
#include "irq.h"
#include "cpu.h"
#include "io.h"
#include "net.h"
#include "text.h"

enum {
    PIC_MASTER = 0x20,
    PIC_SLAVE = 0xa0,
    PIC_COMMAND = 0,
    PIC_DATA = 1,
    ICW1_INIT_ICW4 = 0x11,
    ICW4_8086 = 0x01,
    OCW2_EOI = 0x20,
    OCW2_EOI_CASCADE = 0x62, /* specific EOI, level 2 */
    OCW3_READ_IRR = 0x0a,
    CASCADE = 2,
    IRQ_TIMER = 0,
    PIT_COUNTER0 = 0x40,
    PIT_COMMAND = 0x43,
    PIT_MODE2_LOW_HIGH = 0x34,
    PIT_LATCH0 = 0x00,
    PIT_HZ = 1193182,
    PIT_DIVISOR = (PIT_HZ + TIMER_HZ / 2) / TIMER_HZ,
};

struct irq_state {
    uint16_t masked; /* copy of both mask registers */
    void (*handlers[16])(void);
    unsigned nesting; /* interrupt handlers running */
    unsigned held;    /* bottom halves held off */
    bool pending;     /* a bottom half is wanted */
    uint32_t ticks;
    uint32_t accesses;
};

static struct irq_state state;

static void pic_mask_and_ack(unsigned irq)
{
    state.masked |= (uint16_t)(1u << irq);
    if (irq >= 8) {
        (void)inb(PIC_SLAVE + PIC_DATA); /* dummy, as Linux does: gives a slow chip time */
        outb(PIC_SLAVE + PIC_DATA, (uint8_t)(state.masked >> 8));
        outb(PIC_MASTER + PIC_COMMAND, OCW2_EOI_CASCADE);
        outb(PIC_SLAVE + PIC_COMMAND, OCW2_EOI);
    } else {
        (void)inb(PIC_MASTER + PIC_DATA);
        outb(PIC_MASTER + PIC_DATA, (uint8_t)state.masked);
        outb(PIC_MASTER + PIC_COMMAND, OCW2_EOI);
    }
}

static void pic_unmask(unsigned irq)
{
    state.masked &= (uint16_t) ~(1u << irq);
    if (irq >= 8)
        outb(PIC_SLAVE + PIC_DATA, (uint8_t)(state.masked >> 8));
    else
        outb(PIC_MASTER + PIC_DATA, (uint8_t)state.masked);
}

static void pic_init(void)
{
    state.masked = (uint16_t) ~(1u << CASCADE);
    outb(PIC_MASTER + PIC_COMMAND, ICW1_INIT_ICW4);
    outb(PIC_MASTER + PIC_DATA, VECTOR_IRQ0);
    outb(PIC_MASTER + PIC_DATA, 1 << CASCADE);
    outb(PIC_MASTER + PIC_DATA, ICW4_8086);
    outb(PIC_SLAVE + PIC_COMMAND, ICW1_INIT_ICW4);
    outb(PIC_SLAVE + PIC_DATA, VECTOR_IRQ0 + 8);
    outb(PIC_SLAVE + PIC_DATA, CASCADE);
    outb(PIC_SLAVE + PIC_DATA, ICW4_8086);
    outb(PIC_MASTER + PIC_DATA, (uint8_t)state.masked);
    outb(PIC_SLAVE + PIC_DATA, (uint8_t)(state.masked >> 8));
}

static void timer_interrupt(void)
{
    state.ticks++;
    bottom_half_request();
}

void irq_init(void)
{
    pic_init();
    outb(PIT_COMMAND, PIT_MODE2_LOW_HIGH);
    outb(PIT_COUNTER0, PIT_DIVISOR & 0xff);
    outb(PIT_COUNTER0, PIT_DIVISOR >> 8);
    irq_request(IRQ_TIMER, timer_interrupt);
}

void irq_request(unsigned irq, void (*handler)(void))
{
    uint32_t flags = interrupts_save();
    state.handlers[irq] = handler;
    pic_unmask(irq);
    interrupts_restore(flags);
}

/* Runs what is wanted. Called with interrupts off; they are on while the bottom half runs. */
static void bottom_half_run(void)
{
    while (state.pending) {
        state.pending = false;
        state.held++;
        interrupts_on();
        net_bottom_half();
        interrupts_off();
        state.held--;
    }
}

void irq_dispatch(unsigned irq)
{
    /* A line without handler is masked, so this is a spurious interrupt (8259A, "IR7 default"): no EOI for
     * its own chip; that of the cascade when it is the slave's. */
    if (state.handlers[irq] == NULL) {
        if (irq >= 8)
            outb(PIC_MASTER + PIC_COMMAND, OCW2_EOI_CASCADE);
        return;
    }
    if (irq != IRQ_TIMER)
        state.accesses += irq >= 8 ? 5 : 4;
    pic_mask_and_ack(irq);
    state.nesting++;
    if (irq != IRQ_TIMER)
        interrupts_on();
    state.handlers[irq]();
    interrupts_off();
    state.nesting--;
    pic_unmask(irq);
    if (state.nesting == 0 && state.held == 0)
        bottom_half_run();
}

void bottom_half_request(void)
{
    state.pending = true;
}

void bottom_half_hold(void)
{
    state.held++;
    __asm__ volatile("" : : : "memory");
}

void bottom_half_release(void)
{
    uint32_t flags = interrupts_save();
    if (--state.held == 0)
        bottom_half_run();
    interrupts_restore(flags);
}

uint32_t timer_ticks(void)
{
    return *(volatile uint32_t *)&state.ticks;
}

uint64_t timer_clocks(void)
{
    uint32_t flags = interrupts_save();
    uint32_t ticks = timer_ticks();
    outb(PIT_COMMAND, PIT_LATCH0);
    uint32_t count = inb(PIT_COUNTER0);
    count |= (uint32_t)inb(PIT_COUNTER0) << 8;
    /* The counter may have started its next period, with the interrupt still waiting. */
    outb(PIC_MASTER + PIC_COMMAND, OCW3_READ_IRR);
    if ((inb(PIC_MASTER + PIC_COMMAND) & 1 << IRQ_TIMER) != 0 && count > PIT_DIVISOR / 2)
        ticks++;
    interrupts_restore(flags);
    return (uint64_t)ticks * PIT_DIVISOR + (PIT_DIVISOR - count);
}

uint64_t timer_nanoseconds(void)
{
    /* Seconds and rest apart: the product of the whole would overflow after two hours. */
    uint32_t rest;
    uint64_t seconds = divide64(timer_clocks(), PIT_HZ, &rest);
    return seconds * 1000000000u + divide64((uint64_t)rest * 1000000000u, PIT_HZ, NULL);
}

uint32_t irq_pic_accesses(void)
{
    return state.accesses;
}
