/* Interrupt controllers, timer, bottom halves. */
#ifndef NETTEST_IRQ_H
#define NETTEST_IRQ_H

#include <stdbool.h>
#include <stdint.h>

enum { TIMER_HZ = 100 };

void irq_init(void);

/* Called for every interrupt with `irq` until the end of time; the handler runs with interrupts on and its
 * own line masked. */
void irq_request(unsigned irq, void (*handler)(void));

/* From trap_dispatch. */
void irq_dispatch(unsigned irq);

/* Bottom halves run after the outermost interrupt handler, with interrupts on, unless somebody holds them
 * off; then when they are released. So code between hold and release is never interrupted by the network
 * stack. */
void bottom_half_request(void);
void bottom_half_hold(void);
void bottom_half_release(void);

/* Ticks of the timer since irq_init(). */
uint32_t timer_ticks(void);

/* Cycles of the 1193182 Hz clock since irq_init(). */
uint64_t timer_clocks(void);
uint64_t timer_nanoseconds(void);

/* Accesses to the interrupt controllers made by interrupts other than the timer's. */
uint32_t irq_pic_accesses(void);

#endif
