/* 16550A serial port. */
#ifndef CROSSPAGE_DEVICES_UART16550_H
#define CROSSPAGE_DEVICES_UART16550_H

#include "devices/backends.h"
#include "devices/device.h"

/* How long a character takes on the line. */
enum uart_pace {
    UART_PACE_DEFAULT, /* the machine's choice; a chip alone takes it as UART_PACE_BAUD */
    UART_PACE_BAUD,    /* as the divisor and frame format say: 87 us at 115200 8N1 */
    UART_PACE_INSTANT, /* no time at all: as a terminal on an infinitely fast line, for long console logs */
};

/* One window of eight ports. `backend` may have NULL ops: nothing is plugged in. */
struct device *uart16550_create(const struct device_env *env, uint32_t instance, const struct irq_wire *irq,
                                const struct char_backend *backend, enum uart_pace pace);

#endif
