/* The benchmark program: kernels that time an emulator from outside, at the lines they print. */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <stdint.h>

/* A kernel does its work `count` times and returns a checksum of what came out: proof that the work was done,
 * and done right. It depends on the count and on the word length of the build, never on the machine. */
#define KERNEL(name, set, function, times, needs) uint32_t kernel_##function(uint32_t count);
#include "kernels.def"
#undef KERNEL

#define BENCH_PATH "/bench/bench" /* of this program, in the guest and in the tree for native runs */

/* FNV-1a (Fowler, Noll, Vo) over bytes, starting from HASH_START or an earlier result. */
static const uint32_t HASH_START = 0x811C9DC5;

static inline uint32_t hash(uint32_t value, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++)
        value = (value ^ bytes[i]) * 0x01000193;
    return value;
}

/* The next number of a linear congruential sequence (Knuth, volume 2, 3.3.4, line 16). */
static inline uint32_t random_next(uint32_t *seed)
{
    return *seed = *seed * 1664525 + 1013904223;
}

/* Memory has changed as far as the compiler knows: what was stored is needed, what is loaded is not known. */
static inline void compiler_barrier(void)
{
    __asm__ volatile("" ::: "memory");
}

void *memory_get(size_t size);                       /* zeroed; never fails */
_Noreturn void kernel_fail(const char *what);        /* ends the kernel with `what` and errno's text */
void kernel_check(int64_t result, const char *what); /* fails if the result is negative */

#endif
