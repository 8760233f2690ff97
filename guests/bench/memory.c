/* Blocks of memory: the library's memcpy and memset as it chooses them for the CPU, and REP MOVSB. A round
 * moves about a megabyte in pieces of growing size at odd places. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

enum { N = 64 << 10, SLACK = 64, ROUND = 1 << 20 };

struct area {
    uint8_t *from, *to;
};

static struct area area_get(void)
{
    struct area area = {memory_get(N + SLACK), memory_get(N + SLACK)};
    uint32_t seed = 1;
    for (uint32_t i = 0; i < N + SLACK; i++)
        area.from[i] = (uint8_t)(random_next(&seed) >> 24);
    return area;
}

static uint32_t area_drop(struct area area)
{
    uint32_t sum = hash(hash(HASH_START, area.from, N + SLACK), area.to, N + SLACK);
    free(area.from);
    free(area.to);
    return sum;
}

/* Pieces of 16 bytes to 64 KB; as many of each size as fill their share of a round. */
#define PIECES(size, at)                                                                                     \
    for (uint32_t size = 16; size <= N; size *= 4)                                                           \
        for (uint32_t at = 0; at < ROUND / 7 / size + 1; at++)

/* Every size divides N, so a piece at this place ends inside the area. */
static inline uint32_t place(uint32_t size, uint32_t at)
{
    return size * at % N + at % SLACK;
}

uint32_t kernel_memcpy(uint32_t count)
{
    struct area area = area_get();
    for (uint32_t round = 0; round < count; round++)
        PIECES(size, at)
        {
            memcpy(area.to + place(size, at + round), area.from + place(size, at), size);
            compiler_barrier();
        }
    return area_drop(area);
}

uint32_t kernel_memset(uint32_t count)
{
    struct area area = area_get();
    for (uint32_t round = 0; round < count; round++)
        PIECES(size, at)
        {
            memset(area.to + place(size, at), (int)(at + round), size);
            compiler_barrier();
        }
    return area_drop(area);
}

static inline void move_bytes(void *to, const void *from, size_t size)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}

uint32_t kernel_movsb(uint32_t count)
{
    struct area area = area_get();
    for (uint32_t round = 0; round < count; round++)
        PIECES(size, at)
    move_bytes(area.to + place(size, at + round), area.from + place(size, at), size);
    return area_drop(area);
}
