/* isa-debug-exit and the debug console.
 *
 * Not hardware: conventions of emulators. A write to the exit port ends the run; QEMU's isa-debug-exit makes
 * exit status (value << 1) | 1 of it, which the caller of our `exit` does too. Port 0xE9 prints what is
 * written and reads as 0xE9, which is how programs find it (Bochs, QEMU -debugcon). */
#include "devices/debug_ports.h"

#include "base/check.h"

#include <stdlib.h>

enum { CONSOLE_MAGIC = 0xE9 };

struct debug_ports_state {
    uint32_t last_exit; /* value last written */
    uint8_t last_byte;
};

struct debug_ports {
    struct device device;
    struct debug_ports_state state;
    struct debug_ports_config config;
};

static struct debug_ports *self(struct device *device)
{
    return CONTAINER_OF(device, struct debug_ports, device);
}

static uint64_t exit_read(struct device *device, uint32_t offset, unsigned size)
{
    (void)device, (void)offset, (void)size;
    return 0;
}

static void exit_write(struct device *device, uint32_t offset, unsigned size, uint64_t value)
{
    (void)offset, (void)size;
    struct debug_ports *ports = self(device);
    ports->state.last_exit = (uint32_t)value;
    if (ports->config.exit != NULL)
        ports->config.exit(ports->config.ctx, (uint32_t)value);
}

static uint64_t console_read(struct device *device, uint32_t offset, unsigned size)
{
    (void)device, (void)offset, (void)size;
    return CONSOLE_MAGIC;
}

static void console_write(struct device *device, uint32_t offset, unsigned size, uint64_t value)
{
    (void)offset, (void)size;
    struct debug_ports *ports = self(device);
    ports->state.last_byte = (uint8_t)value;
    if (ports->config.console.ops != NULL)
        ports->config.console.ops->write(ports->config.console.ctx, (uint8_t)value);
}

static void reset(struct device *device)
{
    self(device)->state = (struct debug_ports_state){0};
}

static void destroy(struct device *device)
{
    free(self(device));
}

static const struct io_window windows[] = {
    [DEBUG_PORTS_WINDOW_EXIT] = {"debug-exit", 4, 1, 4, exit_read, exit_write},
    [DEBUG_PORTS_WINDOW_CONSOLE] = {"debug-console", 1, 1, 1, console_read, console_write},
};

static const struct device_class debug_ports_class = {
    .name = "debug-ports",
    .description = "isa-debug-exit and port 0xE9 console",
    .state_offset = offsetof(struct debug_ports, state),
    .state_size = sizeof(struct debug_ports_state),
    .windows = windows,
    .window_count = ARRAY_LEN(windows),
    .reset = reset,
    .destroy = destroy,
};

static bool port_ready(void *port)
{
    (void)port;
    return false; /* output only */
}

static void port_receive(void *port, uint8_t byte)
{
    (void)port, (void)byte;
}

static const struct char_port_ops port_ops = {.ready = port_ready, .receive = port_receive};

struct device *debug_ports_create(const struct device_env *env, const struct debug_ports_config *config)
{
    struct debug_ports *ports = xcalloc(1, sizeof *ports);
    device_init(&ports->device, &debug_ports_class, env, 0);
    ports->config = *config;
    if (config->console.ops != NULL)
        config->console.ops->attach(config->console.ctx, &port_ops, ports);
    return &ports->device;
}
