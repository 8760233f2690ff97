/* Ports for guests that know they run in an emulator: exit with a code, print a character. */
#ifndef CROSSPAGE_DEVICES_DEBUG_PORTS_H
#define CROSSPAGE_DEVICES_DEBUG_PORTS_H

#include "devices/backends.h"
#include "devices/device.h"

/* Windows: 0 = isa-debug-exit (four ports), 1 = console (0xE9, one port). */
enum { DEBUG_PORTS_WINDOW_EXIT, DEBUG_PORTS_WINDOW_CONSOLE };

struct debug_ports_config {
    struct char_backend console;             /* NULL ops: characters vanish */
    void (*exit)(void *ctx, uint32_t value); /* may be NULL */
    void *ctx;
};

struct device *debug_ports_create(const struct device_env *env, const struct debug_ports_config *config);

#endif
