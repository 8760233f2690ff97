/* The two DMA controllers of a PC and their page registers; port 0x80 shows POST codes. */
#ifndef CROSSPAGE_DEVICES_I8237_H
#define CROSSPAGE_DEVICES_I8237_H

#include "devices/device.h"

/* Windows: 0 = controller of channels 0-3 (0x00, 16 ports), 1 = page registers (0x80, 16 ports), 2 =
 * controller of channels 4-7 (0xC0, 32 ports). */
enum { I8237_WINDOW_FIRST, I8237_WINDOW_PAGES, I8237_WINDOW_SECOND };

struct device *i8237_create(const struct device_env *env);

/* The byte last written to port 0x80. */
uint8_t i8237_post_code(struct device *device);

#endif
