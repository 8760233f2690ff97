/* A whole board on an array of memory, and the parts of fuzz_devices. */
#ifndef CROSSPAGE_TESTS_FUZZ_FUZZ_H
#define CROSSPAGE_TESTS_FUZZ_FUZZ_H

#include "vmm/board_pc.h"

enum { FUZZ_MEMORY = 4 << 20, FUZZ_HZ = 100000000, FUZZ_DISK = 1 << 20 };

struct fuzz_disk {
    uint8_t data[FUZZ_DISK];
};

struct fuzz {
    uint64_t seed;
    struct event_queue queue;
    struct log log;
    struct board_pc *board;
    struct device *nic;
    uint8_t *memory;
    struct fuzz_disk *disks; /* two */
    bool reset_wanted;
    uint64_t resets, interrupts, frames;
    /* what the NIC and the serial ports are plugged into */
    const struct net_port_ops *net_port;
    void *net_port_ctx;
    bool frame_in_flight;
    const struct char_port_ops *char_port[BOARD_SERIAL_PORTS];
    void *char_port_ctx[BOARD_SERIAL_PORTS];
    unsigned char_ports;
};

/* xorshift64*: the same numbers on every host. */
static inline uint64_t fuzz_random(struct fuzz *fuzz)
{
    fuzz->seed ^= fuzz->seed >> 12;
    fuzz->seed ^= fuzz->seed << 25;
    fuzz->seed ^= fuzz->seed >> 27;
    return fuzz->seed * 0x2545F4914F6CDD1Du;
}

static inline uint32_t fuzz_below(struct fuzz *fuzz, uint32_t limit)
{
    return (uint32_t)((fuzz_random(fuzz) >> 32) * limit >> 32);
}

void fuzz_create(struct fuzz *fuzz, uint64_t seed);
void fuzz_destroy(struct fuzz *fuzz);

/* What a BIOS does, and interrupts unmasked. */
void fuzz_firmware(struct fuzz *fuzz);

/* Let `ticks` pass; carry out a reset the guest asked for. */
void fuzz_run(struct fuzz *fuzz, tick_t ticks);

/* Something from outside: a frame, the end of a transmission, a character, an interrupt acknowledge. */
void fuzz_outside(struct fuzz *fuzz);

/* Of all device states and memory. */
uint64_t fuzz_digest(const struct fuzz *fuzz);

/* Fill memory with random bytes. */
void fuzz_fill(struct fuzz *fuzz);

/* fuzz_nic.c: `count` descriptors, programmed through registers, anywhere in or out of memory. */
void fuzz_nic(struct fuzz *fuzz, uint64_t count);

#endif
