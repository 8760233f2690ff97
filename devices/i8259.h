/* The pair of interrupt controllers of a PC. */
#ifndef CROSSPAGE_DEVICES_I8259_H
#define CROSSPAGE_DEVICES_I8259_H

#include "devices/device.h"

/* Windows: 0 = master (0x20, two ports), 1 = slave (0xA0, two ports), 2 = ELCR (0x4D0, two ports). */
enum { I8259_WINDOW_MASTER, I8259_WINDOW_SLAVE, I8259_WINDOW_ELCR };

/* `intr` is the master's INT output. */
struct device *i8259_create(const struct device_env *env, const struct irq_wire *intr);

/* Input of IRQ 0..15 (not 2, which the slave drives). Active high; edge or level by ELCR. */
struct irq_wire i8259_input(struct device *pic, unsigned irq);

/* The processor's interrupt acknowledge cycle: the vector. With nothing to deliver this is the spurious
 * vector (IR7 of the chip that was asked), as the chip does it. */
uint8_t i8259_acknowledge(struct device *pic);

/* What a monitor shows of a chip (0 master, 1 slave). */
struct i8259_registers {
    uint8_t irr, imr, isr, elcr, base;
};
struct i8259_registers i8259_registers(const struct device *pic, unsigned chip);

/* Level of the INT output. */
bool i8259_pending(const struct device *pic);

#endif
