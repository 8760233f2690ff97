/* A bench for bus-mastering devices: a stopped clock, an array as guest memory, a PCI bus whose interrupt
 * pins are watched. */
#ifndef CROSSPAGE_TESTS_DEVICES_IO_BENCH_H
#define CROSSPAGE_TESTS_DEVICES_IO_BENCH_H

#include "devices/backends.h"
#include "devices/pci.h"

enum { BENCH_MEMORY = 1 << 20, BENCH_HZ = 1000000000 };

struct io_bench {
    struct event_queue queue;
    struct log log;
    struct device_env env;
    struct io_space ports, space;
    struct pci_bus pci;
    bool pin;         /* level of the last INTx driven */
    unsigned edges;   /* rising edges of it */
    bool line[16];    /* wires made by bench_wire() */
    uint64_t outside; /* bytes of DMA beyond memory */
    uint8_t *memory;
};

void bench_init(struct io_bench *bench);
void bench_destroy(struct io_bench *bench);

struct irq_wire bench_wire(struct io_bench *bench, unsigned line);

/* Let simulated time pass. */
void bench_run(struct io_bench *bench, tick_t ticks);

uint16_t bench_get16(const struct io_bench *bench, uint32_t at);
uint32_t bench_get32(const struct io_bench *bench, uint32_t at);
void bench_put16(struct io_bench *bench, uint32_t at, uint16_t value);
void bench_put32(struct io_bench *bench, uint32_t at, uint32_t value);

/* A disk in an array. Sectors of 512 bytes from `bad` on cannot be read or written. */
struct bench_disk {
    uint8_t *data;
    uint64_t size, bad;
    unsigned flushes;
};

void bench_disk_init(struct bench_disk *disk, uint64_t size);
void bench_disk_destroy(struct bench_disk *disk);
struct block_backend bench_disk_backend(struct bench_disk *disk);

/* A reproducible stream of numbers (xorshift64*). */
uint64_t bench_random(uint64_t *seed);

#endif
