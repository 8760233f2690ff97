/* Integer kernels: loops over bytes and tables, callbacks, recursion, dependent loads. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

uint32_t kernel_sieve(uint32_t count)
{
    enum { N = 1000000, ROOT = 1000 };
    uint8_t *composite = memory_get(N);
    uint32_t primes = 0;
    for (uint32_t round = 0; round < count; round++) {
        memset(composite, 0, N);
        for (uint32_t i = 2; i < N; i++) {
            if (composite[i])
                continue;
            primes++;
            if (i < ROOT)
                for (uint32_t j = i * i; j < N; j += i)
                    composite[j] = 1;
        }
    }
    free(composite);
    return primes;
}

uint32_t kernel_crc(uint32_t count)
{
    enum { N = 1 << 20 };
    uint32_t table[256], value = 0xFFFFFFFF, seed = 1;
    uint8_t *data = memory_get(N);
    for (uint32_t i = 0; i < N; i++)
        data[i] = (uint8_t)(random_next(&seed) >> 24);
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? 0xEDB88320 ^ c >> 1 : c >> 1;
        table[i] = c;
    }
    for (uint32_t round = 0; round < count; round++)
        for (uint32_t i = 0; i < N; i++)
            value = table[(value ^ data[i]) & 0xFF] ^ value >> 8;
    free(data);
    return ~value;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

uint32_t kernel_qsort(uint32_t count)
{
    enum { N = 50000 };
    uint32_t *values = memory_get(N * sizeof *values), seed = 1, sum = HASH_START;
    for (uint32_t round = 0; round < count; round++) {
        for (uint32_t i = 0; i < N; i++)
            values[i] = random_next(&seed);
        qsort(values, N, sizeof *values, compare);
        for (uint32_t i = 0; i < N; i += 97)
            sum = hash(sum, &values[i], sizeof values[i]);
    }
    free(values);
    return sum;
}

/* The barrier keeps the compiler from turning one of the two calls into a loop. */
static __attribute__((noinline)) uint32_t fibonacci(uint32_t n)
{
    if (n < 2)
        return n;
    uint32_t first = fibonacci(n - 1);
    compiler_barrier();
    uint32_t second = fibonacci(n - 2);
    compiler_barrier();
    return first + second;
}

uint32_t kernel_calls(uint32_t count)
{
    uint32_t sum = 0;
    for (uint32_t round = 0; round < count; round++)
        sum = sum * 31 + fibonacci(25);
    return sum;
}

/* One cycle through all nodes, by Sattolo's shuffle; a node is as large as a cache line. */
uint32_t kernel_chase(uint32_t count)
{
    enum { N = 1 << 16 };
    struct node {
        struct node *next;
        uint32_t value;
    } __attribute__((aligned(64)));
    struct node *memory = memory_get((N + 1) * sizeof(struct node));
    struct node *nodes = (struct node *)(((uintptr_t)memory + 63) & ~(uintptr_t)63);
    uint32_t *order = memory_get(N * sizeof *order), seed = 1, sum = 0;
    for (uint32_t i = 0; i < N; i++)
        order[i] = i;
    for (uint32_t i = N - 1; i > 0; i--) {
        uint32_t j = (uint32_t)((uint64_t)random_next(&seed) * i >> 32), other = order[j];
        order[j] = order[i];
        order[i] = other;
    }
    for (uint32_t i = 0; i < N; i++) {
        nodes[order[i]].next = &nodes[order[(i + 1) % N]];
        nodes[i].value = i * 40503;
    }
    const struct node *at = nodes;
    for (uint32_t step = 0; step < count * N; step++) {
        sum = (sum ^ at->value) + (uint32_t)step;
        at = at->next;
    }
    free(order);
    free(memory);
    return sum;
}
