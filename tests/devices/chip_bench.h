/* Test bench for one chip: an event queue with a stopped clock, a log that drops everything, wires that
 * remember their level and count their edges, guest memory for DMA, and address spaces to map windows in. */
#ifndef CROSSPAGE_TESTS_DEVICES_CHIP_BENCH_H
#define CROSSPAGE_TESTS_DEVICES_CHIP_BENCH_H

#include "devices/bus.h"

enum { CHIP_WIRES = 32, CHIP_MEMORY = 1 << 16, CHIP_HZ = 1000000000 };

struct chip_bench {
    struct event_queue queue; /* 1 tick = 1 ns */
    struct log log;
    struct dma_ops dma;
    struct device_env env;
    struct io_space ports, memory;
    bool level[CHIP_WIRES];
    unsigned rises[CHIP_WIRES], falls[CHIP_WIRES];
    uint8_t ram[CHIP_MEMORY]; /* guest-physical 0.. */
};

struct chip_bench *chip_create(void);
void chip_destroy(struct chip_bench *bench, struct device *device); /* device may be NULL */

/* A wire that lands in level/rises/falls[line]. */
struct irq_wire chip_wire(struct chip_bench *bench, unsigned line);

/* Let `ns` pass. */
void chip_run(struct chip_bench *bench, uint64_t ns);

static inline uint8_t chip_in(struct chip_bench *bench, uint16_t port)
{
    return (uint8_t)io_read(&bench->ports, port, 1);
}

static inline void chip_out(struct chip_bench *bench, uint16_t port, uint8_t value)
{
    io_write(&bench->ports, port, 1, value);
}

/* A small generator for the random-access cases: same seed, same sequence. */
static inline uint32_t chip_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

/* Random reads and writes of all sizes over every window of the device, with time passing. The device must
 * survive; the caller checks nothing else. Windows are called directly, in their allowed sizes. */
void chip_fuzz(struct chip_bench *bench, struct device *device, unsigned rounds, uint64_t seed);

/* Two fresh devices given the same accesses have the same state bytes. */
bool chip_same_state(struct device *a, struct device *b);

#endif
