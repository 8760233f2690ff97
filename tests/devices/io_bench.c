/* See io_bench.h. */
#include "io_bench.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

/* As the contract of dma_ops says: outside memory reads give ones, writes vanish. */
static void memory_read(void *ctx, gpa_t addr, void *to, size_t size)
{
    struct io_bench *bench = ctx;
    uint8_t *out = to;
    for (size_t i = 0; i < size; i++) {
        bool inside = addr.v + i < BENCH_MEMORY;
        out[i] = inside ? bench->memory[addr.v + i] : 0xFF;
        bench->outside += !inside;
    }
}

static void memory_write(void *ctx, gpa_t addr, const void *from, size_t size)
{
    struct io_bench *bench = ctx;
    const uint8_t *in = from;
    for (size_t i = 0; i < size; i++) {
        bool inside = addr.v + i < BENCH_MEMORY;
        if (inside)
            bench->memory[addr.v + i] = in[i];
        bench->outside += !inside;
    }
}

static const struct dma_ops memory_ops = {memory_read, memory_write};

static void pin_changed(void *ctx, uint8_t slot, uint8_t pin, bool level)
{
    struct io_bench *bench = ctx;
    (void)slot;
    (void)pin;
    bench->edges += level && !bench->pin;
    bench->pin = level;
}

static void wire_changed(void *ctx, unsigned line, bool level)
{
    struct io_bench *bench = ctx;
    bench->line[line] = level;
}

void bench_init(struct io_bench *bench)
{
    memset(bench, 0, sizeof *bench);
    event_queue_init(&bench->queue, BENCH_HZ);
    bench->memory = xcalloc(BENCH_MEMORY, 1);
    bench->env = (struct device_env){&bench->queue, &bench->log, &memory_ops, bench};
    io_space_init(&bench->ports, "ports", &bench->log);
    io_space_init(&bench->space, "memory", &bench->log);
    pci_bus_init(&bench->pci, &bench->ports, &bench->space, &bench->log);
    bench->pci.intx = pin_changed;
    bench->pci.intx_ctx = bench;
}

void bench_destroy(struct io_bench *bench)
{
    io_space_destroy(&bench->ports);
    io_space_destroy(&bench->space);
    event_queue_destroy(&bench->queue);
    free(bench->memory);
}

struct irq_wire bench_wire(struct io_bench *bench, unsigned line)
{
    return (struct irq_wire){wire_changed, bench, line};
}

void bench_run(struct io_bench *bench, tick_t ticks)
{
    event_queue_run(&bench->queue, bench->queue.now + ticks);
}

uint16_t bench_get16(const struct io_bench *bench, uint32_t at)
{
    return (uint16_t)(bench->memory[at] | bench->memory[at + 1] << 8);
}

uint32_t bench_get32(const struct io_bench *bench, uint32_t at)
{
    return bench_get16(bench, at) | (uint32_t)bench_get16(bench, at + 2) << 16;
}

void bench_put16(struct io_bench *bench, uint32_t at, uint16_t value)
{
    bench->memory[at] = (uint8_t)value;
    bench->memory[at + 1] = (uint8_t)(value >> 8);
}

void bench_put32(struct io_bench *bench, uint32_t at, uint32_t value)
{
    bench_put16(bench, at, (uint16_t)value);
    bench_put16(bench, at + 2, (uint16_t)(value >> 16));
}

static bool disk_read(void *ctx, uint64_t offset, void *to, size_t size)
{
    const struct bench_disk *disk = ctx;
    CHECK(offset + size <= disk->size);
    if (offset + size > disk->bad * 512)
        return false;
    memcpy(to, disk->data + offset, size);
    return true;
}

static bool disk_write(void *ctx, uint64_t offset, const void *from, size_t size)
{
    struct bench_disk *disk = ctx;
    CHECK(offset + size <= disk->size);
    if (offset + size > disk->bad * 512)
        return false;
    memcpy(disk->data + offset, from, size);
    return true;
}

static bool disk_flush(void *ctx)
{
    struct bench_disk *disk = ctx;
    disk->flushes++;
    return true;
}

static const struct block_backend_ops disk_ops = {disk_read, disk_write, disk_flush};

void bench_disk_init(struct bench_disk *disk, uint64_t size)
{
    *disk = (struct bench_disk){.data = xcalloc(1, size), .size = size, .bad = UINT64_MAX / 512};
    for (uint64_t i = 0; i < size; i++)
        disk->data[i] = (uint8_t)(i / 512 * 7 + i);
}

void bench_disk_destroy(struct bench_disk *disk)
{
    free(disk->data);
}

struct block_backend bench_disk_backend(struct bench_disk *disk)
{
    return (struct block_backend){&disk_ops, disk, disk->size, false};
}

uint64_t bench_random(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * 0x2545F4914F6CDD1Du;
}
