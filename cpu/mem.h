/* Guest memory as instructions see it: segment, then page, then RAM or a device.
 *
 * The hit path is inline: one bit says that the segment needs no check (limit 4 GB or 64-bit mode, type fits,
 * no alignment checking), one compare says that the page is plain RAM this privilege level may access. All
 * else, including every fault, is decided out of line in cpu/mem.c: the slow path is the specification.
 *
 * All functions return true on success; on false cpu->fault is set and the handler must return EXEC_FAULT.
 * `offset` is an effective address in segment `seg`. Little endian; size 1, 2, 4, 8 (the _bytes functions:
 * any up to 4096). */
#ifndef CROSSPAGE_CPU_MEM_H
#define CROSSPAGE_CPU_MEM_H

#include "cpu/cpu.h"

#include <string.h>

static ALWAYS_INLINE uint64_t host_load(const uint8_t *from, unsigned size)
{
    uint64_t v8;
    uint32_t v4;
    uint16_t v2;
    switch (size) {
    case 4: memcpy(&v4, from, 4); return v4;
    case 8: memcpy(&v8, from, 8); return v8;
    case 1: return *from;
    default: memcpy(&v2, from, 2); return v2;
    }
}

static ALWAYS_INLINE void host_store(uint8_t *to, unsigned size, uint64_t value)
{
    uint32_t v4 = (uint32_t)value;
    uint16_t v2 = (uint16_t)value;
    switch (size) {
    case 4: memcpy(to, &v4, 4); break;
    case 8: memcpy(to, &value, 8); break;
    case 1: *to = (uint8_t)value; break;
    default: memcpy(to, &v2, 2); break;
    }
}

/* Linear address of an offset, without checks. */
static ALWAYS_INLINE uint64_t mem_linear(const struct cpu *cpu, unsigned seg, uint64_t offset)
{
    return (cpu->seg_base[seg] + offset) & cpu->linear_mask;
}

/* The hit path: host address of [offset, offset+size) if it is plain RAM in one page that may be accessed
 * without any side effect, else NULL (which says nothing about faults). */
static ALWAYS_INLINE uint8_t *mem_hit(const struct cpu *cpu, unsigned seg, uint64_t offset, unsigned size,
                                      enum access access)
{
    unsigned flat = access == ACCESS_READ ? cpu->flat : cpu->flat_write;
    if (UNLIKELY((flat >> seg & 1) == 0))
        return NULL;
    return tlb_hit(cpu->tlb_map, mem_linear(cpu, seg, offset), size, access);
}

bool mem_read_slow(struct cpu *cpu, unsigned seg, uint64_t offset, unsigned size, uint64_t *value) MUST_CHECK;
bool mem_write_slow(struct cpu *cpu, unsigned seg, uint64_t offset, unsigned size, uint64_t value) MUST_CHECK;
bool mem_read_modify_slow(struct cpu *cpu, unsigned seg, uint64_t offset, unsigned size,
                          uint64_t *value) MUST_CHECK;

MUST_CHECK static inline bool mem_read(struct cpu *cpu, unsigned seg, uint64_t offset, unsigned size,
                                       uint64_t *value)
{
    const uint8_t *host = mem_hit(cpu, seg, offset, size, ACCESS_READ);
    if (UNLIKELY(host == NULL))
        return mem_read_slow(cpu, seg, offset, size, value);
    *value = host_load(host, size);
    return true;
}

MUST_CHECK static inline bool mem_write(struct cpu *cpu, unsigned seg, uint64_t offset, unsigned size,
                                        uint64_t value)
{
    uint8_t *host = mem_hit(cpu, seg, offset, size, ACCESS_WRITE);
    if (UNLIKELY(host == NULL))
        return mem_write_slow(cpu, seg, offset, size, value);
    host_store(host, size, value);
    return true;
}

/* Read with the promise to write: after it succeeds, mem_write to the same place cannot fail in this
 * instruction. */
MUST_CHECK static inline bool mem_read_modify(struct cpu *cpu, unsigned seg, uint64_t offset, unsigned size,
                                              uint64_t *value)
{
    const uint8_t *host = (cpu->flat >> seg & 1) ? mem_hit(cpu, seg, offset, size, ACCESS_WRITE) : NULL;
    if (UNLIKELY(host == NULL))
        return mem_read_modify_slow(cpu, seg, offset, size, value);
    *value = host_load(host, size);
    return true;
}

/* Only the checks of a write (or read) of `size` bytes, any size up to 4096: afterwards the access cannot
 * fail in this instruction. No data breakpoint is recorded yet. */
bool mem_check_write(struct cpu *cpu, unsigned seg, uint64_t offset, unsigned size) MUST_CHECK;
bool mem_check_read(struct cpu *cpu, unsigned seg, uint64_t offset, unsigned size) MUST_CHECK;
bool mem_read_bytes(struct cpu *cpu, unsigned seg, uint64_t offset, void *to, unsigned size) MUST_CHECK;
bool mem_write_bytes(struct cpu *cpu, unsigned seg, uint64_t offset, const void *from,
                     unsigned size) MUST_CHECK;

/* ---- Linear accesses: descriptor tables, TSS, frames on a stack that is not loaded yet ----
 *
 * `user` = as CPL 3, otherwise with supervisor rights whatever the CPL. No alignment check. */
bool linear_read(struct cpu *cpu, uint64_t linear, unsigned size, bool user, uint64_t *value) MUST_CHECK;
bool linear_write(struct cpu *cpu, uint64_t linear, unsigned size, bool user, uint64_t value) MUST_CHECK;
bool linear_check(struct cpu *cpu, uint64_t linear, unsigned size, enum access access, bool user) MUST_CHECK;
bool sys_read(struct cpu *cpu, uint64_t linear, unsigned size, uint64_t *value) MUST_CHECK;
bool sys_write(struct cpu *cpu, uint64_t linear, unsigned size, uint64_t value) MUST_CHECK;

/* ---- Instruction fetch (the block former checks the CS limit) ---- */

bool mem_code_slow(struct cpu *cpu, uint64_t linear, gpa_t *addr) MUST_CHECK;

/* Guest-physical address of the instruction byte at `linear`, or false with #PF recorded. */
MUST_CHECK static inline bool mem_code(struct cpu *cpu, uint64_t linear, gpa_t *addr)
{
    const struct tlb_code *code = tlb_code_slot(&cpu->tlb, linear);
    if (UNLIKELY(code->key != tlb_code_key(cpu->cpl == 3, linear) ||
                 code->epoch != cpu->tlb.code_epoch[cpu->cpl == 3]))
        return mem_code_slow(cpu, linear, addr);
    *addr = gpa(code->page.v | (linear & PAGE_MASK));
    return true;
}

/* An address whose bits 63..47 are equal. */
static inline bool is_canonical(uint64_t linear)
{
    return (uint64_t)((int64_t)(linear << 16) >> 16) == linear;
}

#endif
