/* Boxed addresses and the units of time.
 *
 * A hosted monitor juggles four kinds of address; mixing two of them compiles fine as uint64_t. Here each
 * kind is its own struct, so it does not. Conversion between kinds happens only in mmu/ and vmm/pmap.
 *
 * Time has two integer units. A *cycle* is one period of a simulated CPU's clock. A *tick* is the unit of
 * the lab's one event queue: the period of the least common multiple of the clock rates of all hosts in the
 * lab, so that every host's cycle is a whole number of ticks and no conversion ever rounds (with one host a
 * tick is a cycle). */
#ifndef CROSSPAGE_BASE_TYPES_H
#define CROSSPAGE_BASE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t v;
} gva_t; /* guest-virtual, linear */

typedef struct {
    uint64_t v;
} gpa_t; /* guest-physical byte address */

typedef struct {
    uint64_t v;
} ppn_t; /* guest-physical page number, gpa >> 12 */

typedef struct {
    uint64_t v;
} mpn_t; /* machine page number: a frame of the simulated host */

typedef uint64_t cycle_t;
typedef uint64_t tick_t;

#define TICK_NEVER UINT64_MAX

enum { PAGE_SHIFT = 12, PAGE_SIZE = 1 << PAGE_SHIFT };
#define PAGE_MASK ((uint64_t)PAGE_SIZE - 1)

static inline gva_t gva(uint64_t v)
{
    return (gva_t){v};
}

static inline gpa_t gpa(uint64_t v)
{
    return (gpa_t){v};
}

#define MUST_CHECK    __attribute__((warn_unused_result))
#define PRINTF(f, a)  __attribute__((format(printf, f, a)))
#define LIKELY(x)     __builtin_expect(!!(x), 1)
#define UNLIKELY(x)   __builtin_expect(!!(x), 0)
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define ARRAY_LEN(a)  (sizeof(a) / sizeof((a)[0]))

/* The object of type `type` whose member `member` is at `ptr`. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
