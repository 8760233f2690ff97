/* What every device is made of, and the only ways in which it touches the rest of the machine.
 *
 * A device file reads top to bottom like its data sheet: register offsets and bit names, state struct, helper
 * that recomputes the interrupt line, read, write, event callback, reset, const class, create function.
 *
 *   - The board wires addresses and interrupt lines; a device never looks up a neighbour.
 *   - Everything the guest can observe lives in one pointer-free state struct that the class names; it is
 * hashed and saved as bytes (so it is zeroed at creation and padding stays zero). Pending events are part of
 * the state: a device keeps the deadline in its state struct (tick_t, TICK_NEVER = none) beside the event.
 *   - Time is read from and scheduled on env->queue; `queue->now` is the tick of the access.
 *   - A guest that breaks a rule of the data sheet is logged as LOG_GUEST_ERROR and survived.
 *   - Any number of instances: no file-scope variables.
 *
 * Devices know neither CPU nor hypervisor. Which layer runs a device's code, and at what price, is decided by
 * the hypervisor that calls it. */
#ifndef CROSSPAGE_DEVICES_DEVICE_H
#define CROSSPAGE_DEVICES_DEVICE_H

#include "base/event.h"
#include "base/log.h"
#include "base/status.h"
#include "base/types.h"

/* An interrupt (or reset, A20, SMI...) wire as its driver sees it: calling with level high or low any number
 * of times is harmless. A zeroed wire goes nowhere. */
struct irq_wire {
    void (*set)(void *ctx, unsigned line, bool level);
    void *ctx;
    unsigned line;
};

static inline void irq_set(const struct irq_wire *wire, bool level)
{
    if (wire->set != NULL)
        wire->set(wire->ctx, wire->line, level);
}

/* Guest-physical memory as a bus master sees it. Addresses outside RAM read as all ones and ignore writes
 * (logged by the implementation); a transfer never fails and never leaves guest memory. */
struct dma_ops {
    void (*read)(void *ctx, gpa_t addr, void *to, size_t size);
    void (*write)(void *ctx, gpa_t addr, const void *from, size_t size);
};

/* What a device gets from its board at creation. Lives as long as the device. */
struct device_env {
    struct event_queue *queue;
    struct log *log;
    const struct dma_ops *dma;
    void *dma_ctx;
};

static inline void dma_read(const struct device_env *env, gpa_t addr, void *to, size_t size)
{
    env->dma->read(env->dma_ctx, addr, to, size);
}

static inline void dma_write(const struct device_env *env, gpa_t addr, const void *from, size_t size)
{
    env->dma->write(env->dma_ctx, addr, from, size);
}

struct device;

/* A window of registers in port or memory space. Access sizes are data: the bus splits a larger access into
 * `max_size` pieces (little endian, ascending) and widens a smaller one to `min_size` by reading the
 * containing unit (reads), or by calling write with the size as is when `min_size` is 1. An access whose size
 * lies below min_size on write is dropped and logged. `offset` is relative to the window. */
struct io_window {
    const char *name;
    uint32_t size; /* bytes */
    uint8_t min_size, max_size;
    uint64_t (*read)(struct device *device, uint32_t offset, unsigned size);
    void (*write)(struct device *device, uint32_t offset, unsigned size, uint64_t value);
};

struct device_class {
    const char *name;        /* as in -device, e.g. "pcnet" */
    const char *description; /* one line for -device help */
    size_t state_offset;     /* of the pointer-free state struct in the device struct */
    size_t state_size;
    const struct io_window *windows; /* the board maps them by index */
    unsigned window_count;
    void (*reset)(struct device *device);  /* power-on values; also cancels events */
    void (*loaded)(struct device *device); /* after the state was restored: re-schedule events, redrive wires;
                                              may be NULL */
    void (*destroy)(struct device *device); /* frees the device itself */
};

/* First member of every device struct. */
struct device {
    const struct device_class *cls;
    const struct device_env *env;
    uint32_t instance; /* counts devices of this class on the board, from 0 */
};

/* Start a freshly zeroed device struct. */
static inline void device_init(struct device *device, const struct device_class *cls,
                               const struct device_env *env, uint32_t instance)
{
    device->cls = cls;
    device->env = env;
    device->instance = instance;
}

static inline void *device_state(struct device *device)
{
    return (char *)device + device->cls->state_offset;
}

#endif
