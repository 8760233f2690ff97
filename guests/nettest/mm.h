/* Physical pages and page tables. */
#ifndef NETTEST_MM_H
#define NETTEST_MM_H

#include "cpu.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PAGE_SIZE = 4096 };

/* Physical address of kernel memory, which is mapped linearly. */
static inline uint32_t physical_of(const volatile void *address)
{
    return (uint32_t)(uintptr_t)address - KERNEL_BASE;
}

void mm_init(void);

/* Page tables of the two tasks, as values for CR3: the kernel's own, which the idle task runs on, and the
 * process's, which has the same kernel part. */
uint32_t mm_kernel_tables(void);
uint32_t mm_user_tables(void);

/* Gives the process a zeroed page at a fault in its buffer or stack; false for any other address. */
bool mm_user_fault(uint32_t address, uint32_t error);

/* Whether a system call may be given this range. */
bool mm_user_range(uint32_t address, size_t length);

void *memset(void *to, int value, size_t length);
void *memcpy(void *restrict to, const void *restrict from, size_t length);

#endif
