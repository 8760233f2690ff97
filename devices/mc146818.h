/* Real-time clock with CMOS memory. */
#ifndef CROSSPAGE_DEVICES_MC146818_H
#define CROSSPAGE_DEVICES_MC146818_H

#include "devices/device.h"

/* One window of two ports (0x70 index, 0x71 data). `seconds` is the date at the current tick, since
 * 1970-01-01 00:00:00; the clock shows it without any time zone. */
struct device *mc146818_create(const struct device_env *env, const struct irq_wire *irq, int64_t seconds);

#endif
