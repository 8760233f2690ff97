/* Bench for chips on ports: registers are driven, the interrupt line watched, the clock stands still. */
#include "chip_bench.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

static void ram_read(void *ctx, gpa_t addr, void *to, size_t size)
{
    struct chip_bench *bench = ctx;
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)to)[i] = addr.v + i < CHIP_MEMORY ? bench->ram[addr.v + i] : 0xFF;
}

static void ram_write(void *ctx, gpa_t addr, const void *from, size_t size)
{
    struct chip_bench *bench = ctx;
    for (size_t i = 0; i < size; i++)
        if (addr.v + i < CHIP_MEMORY)
            bench->ram[addr.v + i] = ((const uint8_t *)from)[i];
}

struct chip_bench *chip_create(void)
{
    struct chip_bench *bench = xcalloc(1, sizeof *bench);
    event_queue_init(&bench->queue, CHIP_HZ);
    bench->dma = (struct dma_ops){.read = ram_read, .write = ram_write};
    bench->env =
        (struct device_env){.queue = &bench->queue, .log = &bench->log, .dma = &bench->dma, .dma_ctx = bench};
    io_space_init(&bench->ports, "port", &bench->log);
    io_space_init(&bench->memory, "mmio", &bench->log);
    return bench;
}

void chip_destroy(struct chip_bench *bench, struct device *device)
{
    if (device != NULL)
        device->cls->destroy(device);
    io_space_destroy(&bench->ports);
    io_space_destroy(&bench->memory);
    event_queue_destroy(&bench->queue);
    free(bench);
}

static void wire_set(void *ctx, unsigned line, bool level)
{
    struct chip_bench *bench = ctx;
    if (level != bench->level[line])
        (level ? bench->rises : bench->falls)[line]++;
    bench->level[line] = level;
}

struct irq_wire chip_wire(struct chip_bench *bench, unsigned line)
{
    CHECK(line < CHIP_WIRES);
    return (struct irq_wire){.set = wire_set, .ctx = bench, .line = line};
}

void chip_run(struct chip_bench *bench, uint64_t ns)
{
    event_queue_run(&bench->queue, bench->queue.now + ns);
}

void chip_fuzz(struct chip_bench *bench, struct device *device, unsigned rounds, uint64_t seed)
{
    for (unsigned i = 0; i < rounds; i++) {
        const struct io_window *window =
            &device->cls->windows[chip_random(&seed) % device->cls->window_count];
        unsigned sizes = 0;
        for (unsigned size = window->min_size; size < window->max_size; size *= 2)
            sizes++;
        unsigned size = window->min_size << (chip_random(&seed) % (sizes + 1));
        uint32_t offset = chip_random(&seed) % window->size & ~(size - 1);
        uint64_t value = (uint64_t)chip_random(&seed) << 32 | chip_random(&seed);
        if (chip_random(&seed) % 4 == 0)
            value = (uint64_t)(chip_random(&seed) % 4); /* small numbers reach other paths */
        if (chip_random(&seed) & 1) {
            if (window->write != NULL)
                window->write(device, offset, size,
                              size < 8 ? value & ((UINT64_C(1) << (8 * size)) - 1) : value);
        } else if (window->read != NULL) {
            window->read(device, offset, size);
        }
        if (chip_random(&seed) % 8 == 0)
            chip_run(bench, chip_random(&seed) % 3 == 0 ? chip_random(&seed) % 100000000
                                                        : chip_random(&seed) % 2000);
    }
}

bool chip_same_state(struct device *a, struct device *b)
{
    return a->cls == b->cls && memcmp(device_state(a), device_state(b), a->cls->state_size) == 0;
}
