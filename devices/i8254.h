/* Programmable interval timer, and the speaker and status port 0x61 that is wired to its channel 2. */
#ifndef CROSSPAGE_DEVICES_I8254_H
#define CROSSPAGE_DEVICES_I8254_H

#include "devices/device.h"

/* Windows: 0 = the chip (0x40, four ports), 1 = NMI status and control (0x61, one port). */
enum { I8254_WINDOW_CHIP, I8254_WINDOW_PORT61 };

enum { I8254_HZ = 1193182 };

/* `out0` follows OUT of channel 0, at the exact tick. */
struct device *i8254_create(const struct device_env *env, const struct irq_wire *out0);

#endif
