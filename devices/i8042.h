/* Keyboard controller with PS/2 keyboard and mouse, system reset and address line 20. */
#ifndef CROSSPAGE_DEVICES_I8042_H
#define CROSSPAGE_DEVICES_I8042_H

#include "devices/device.h"

/* Windows: 0 = data (0x60, one port), 1 = command and status (0x64, one port), 2 = system control port A
 * (0x92, one port). */
enum { I8042_WINDOW_DATA, I8042_WINDOW_COMMAND, I8042_WINDOW_PORT92 };

struct i8042_wires {
    struct irq_wire keyboard, mouse; /* IRQ 1, IRQ 12 */
    struct irq_wire init;            /* pulsed: INIT of the processor */
    struct irq_wire a20;             /* high: address line 20 passes */
};

struct device *i8042_create(const struct device_env *env, const struct i8042_wires *wires);

/* A key of the keyboard went down or up. `key` is its scan code in set 1 without the release bit, plus
 * I8042_KEY_EXTENDED for keys sent with an E0 prefix. Unknown keys are ignored. A full keyboard buffer drops
 * the key, as hardware does. */
enum { I8042_KEY_EXTENDED = 0x80 };
void i8042_key(struct device *i8042, uint8_t key, bool down);

/* Relative motion (right and up are positive) and the buttons held: bit 0 left, 1 right, 2 middle. */
void i8042_mouse(struct device *i8042, int dx, int dy, uint8_t buttons);

#endif
