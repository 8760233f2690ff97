/* A bare CPU with 16 MB of RAM, no devices, flat segments: for tests of instructions.
 *
 *   struct harness *h = harness_create("x86-64-v2", HARNESS_64, true);
 *   harness_code(h, (const uint8_t[]){0x48, 0x01, 0xd8}, 3);        // add rax, rbx
 *   h->cpu->s.gpr[RAX] = 1;
 *   harness_step(h, 1);
 *
 * Code is loaded at HARNESS_CODE, the stack grows down from HARNESS_STACK, the IDT's handlers are single
 * HLTs: vector n at HARNESS_HANDLER + 16 * n, so that after a fault CS:rIP names its vector (harness_fault).
 * Memory up to 16 MB is identity mapped, user accessible. Ports and MMIO are recorded, reads give ones. */
#ifndef CROSSPAGE_TESTS_CPU_HARNESS_H
#define CROSSPAGE_TESTS_CPU_HARNESS_H

#include "cpu/cpu.h"

enum harness_mode {
    HARNESS_16, /* real mode, all segments base 0 (selector 0) */
    HARNESS_32, /* protected, flat, CPL 0, no paging */
    HARNESS_64, /* long mode, CPL 0 */
    HARNESS_32_USER,
    HARNESS_64_USER,
};

enum {
    HARNESS_BYTES = 16 << 20,
    HARNESS_HANDLER = 0x1000, /* fault handlers: vector n at + 16 * n */
    HARNESS_GDT = 0x2000,
    HARNESS_IDT = 0x3000,
    HARNESS_TSS = 0x4000,
    HARNESS_TABLES = 0x5000, /* page tables, 4 pages */
    HARNESS_CODE = 0xA000,   /* low enough for real mode */
    HARNESS_DATA = 0x10000,
    HARNESS_STACK = 0x9000,
    HARNESS_STACK0 = 0xA000, /* of CPL 0 after a fault in user mode, below the code */
};

/* Selectors of the GDT. */
enum {
    HARNESS_CS0 = 0x08,
    HARNESS_DS0 = 0x10,
    HARNESS_CS3 = 0x1B,
    HARNESS_DS3 = 0x23,
    HARNESS_SEL_TSS = 0x28,
    HARNESS_SEL_SPARE = 0x38,
};

/* The timed harness: lines of 32 bytes; L1 of 16 sets of two, L2 of 64 of two; TLBs of two sets of two, for
 * large pages one; branch target buffer of 16 sets of two, return stack of four. */
enum harness_timing {
    TIMED_L2_FETCH = 7,
    TIMED_L2_LOAD = 5,
    TIMED_L2_STORE = 3,
    TIMED_MEMORY_FETCH = 61,
    TIMED_MEMORY_LOAD = 53,
    TIMED_MEMORY_STORE = 37,
    TIMED_WALK_FETCH = 29,
    TIMED_WALK_DATA = 23,
    TIMED_MISPREDICTED = 13,
    TIMED_DECODED = 4,
};

struct harness_io {
    bool write, mmio;
    uint64_t addr, value, clock;
    unsigned size;
};

struct harness {
    struct cpu *cpu;
    struct machine_memory machine;
    struct guest_memory memory;
    struct cpu_bus bus;
    struct log log;
    struct harness_io io[64];
    unsigned io_count; /* all of them; io[] keeps the first 64 */
    uint64_t io_value; /* what port and MMIO reads return */
};

struct harness *harness_create(const char *model, enum harness_mode mode, bool fast_paths);
/* The same with a small cache model: see harness_timing. */
struct harness *harness_create_timed(const char *model, enum harness_mode mode, bool fast_paths);
/* Empty, and nothing counted. */
void harness_timing_clear(struct harness *h);
void harness_destroy(struct harness *h);

/* Bring registers, segments, control registers and the tables back to their first state; memory is kept. */
void harness_reset(struct harness *h, enum harness_mode mode);

/* Load code at HARNESS_CODE and point rIP at it. */
void harness_code(struct harness *h, const uint8_t *bytes, size_t size);
void harness_poke(struct harness *h, uint64_t addr, const void *bytes, size_t size);
void harness_peek(struct harness *h, uint64_t addr, void *bytes, size_t size);

/* Run until `instructions` more have retired, the CPU stops, or many cycles passed. */
enum cpu_stop harness_step(struct harness *h, uint64_t instructions);
/* Run until HLT (true) or until many cycles passed (false). */
bool harness_run(struct harness *h);

/* Vector whose handler rIP is in (or just after its HLT), or -1. */
int harness_fault(const struct harness *h);

/* Current RFLAGS. */
uint64_t harness_flags(struct harness *h);
void harness_set_flags(struct harness *h, uint64_t flags);

#endif
