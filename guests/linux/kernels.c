/* Compute kernels for timing emulators from outside: each prints "BEGIN name" and "END name checksum". The
 * checksum proves that the work was done, and done right: it must not depend on the machine. Run without
 * arguments for all, or with names. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t sieve(void)
{
    enum { N = 1000000 };
    uint8_t *composite = calloc(N, 1);
    uint32_t count = 0;
    for (int round = 0; round < 3; round++) {
        memset(composite, 0, N);
        count = 0;
        for (uint32_t i = 2; i < N; i++) {
            count += !composite[i];
            if (!composite[i] && i < 1000)
                for (uint32_t j = i * i; j < N; j += i)
                    composite[j] = 1;
        }
    }
    free(composite);
    return count;
}

static uint32_t crc(void)
{
    uint32_t table[256], value = 0xFFFFFFFF;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? 0xEDB88320 ^ c >> 1 : c >> 1;
        table[i] = c;
    }
    for (uint32_t i = 0; i < 4000000; i++)
        value = table[(value ^ i) & 0xFF] ^ value >> 8;
    return value;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static uint32_t sort(void)
{
    enum { N = 100000 };
    uint32_t *values = malloc(N * sizeof *values), seed = 1, sum = 0;
    for (int i = 0; i < N; i++)
        values[i] = seed = seed * 1664525 + 1013904223;
    qsort(values, N, sizeof *values, compare);
    for (int i = 0; i < N; i += 97)
        sum = sum * 31 + values[i];
    free(values);
    return sum;
}

static __attribute__((noinline)) uint32_t fib(uint32_t n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static uint32_t calls(void)
{
    return fib(29);
}

static uint32_t chase(void)
{
    enum { N = 1 << 16 };
    static uint32_t next[N];
    uint32_t at = 0;
    for (uint32_t i = 0; i < N; i++)
        next[i] = (i * 40503u + 12345u) & (N - 1);
    for (int i = 0; i < 4000000; i++)
        at = next[at] ^ (uint32_t)(i & 1);
    return at;
}

/* Schoolbook multiplication of 32-bit limbs: carries all the way. */
static uint32_t bignum(void)
{
    enum { N = 64 };
    uint32_t a[N], b[N], product[2 * N], sum = 0;
    for (uint32_t i = 0; i < N; i++) {
        a[i] = i * 2654435761u;
        b[i] = i * 40503u + 7;
    }
    for (int round = 0; round < 200; round++) {
        memset(product, 0, sizeof product);
        for (int i = 0; i < N; i++) {
            uint64_t carry = 0;
            for (int j = 0; j < N; j++) {
                carry += (uint64_t)a[i] * b[j] + product[i + j];
                product[i + j] = (uint32_t)carry;
                carry >>= 32;
            }
            product[i + N] = (uint32_t)carry;
        }
        a[round % N] ^= product[N];
        sum += product[N];
    }
    return sum;
}

/* A small bytecode machine: indirect jumps. */
static uint32_t bytecode(void)
{
    static const uint8_t program[] = {0, 1, 2, 3, 1, 4, 2, 0, 3, 5};
    uint32_t acc = 1, reg = 7, pc = 0;
    for (int steps = 0; steps < 4000000; steps++) {
        switch (program[pc++]) {
        case 0: acc += reg; break;
        case 1: acc ^= acc << 3; break;
        case 2: reg = reg * 5 + 1; break;
        case 3: acc -= reg >> 2; break;
        case 4: acc = acc >> 1 | acc << 31; break;
        case 5: pc = 0; break;
        }
    }
    return acc ^ reg;
}

static uint32_t matrix(void)
{
    enum { N = 96 };
    static double a[N][N], b[N][N], c[N][N];
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            a[i][j] = i + j;
            b[i][j] = i - j;
        }
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            double sum = 0;
            for (int k = 0; k < N; k++)
                sum += a[i][k] * b[k][j];
            c[i][j] = sum;
        }
    return (uint32_t)(int64_t)(c[3][5] + c[N - 1][7]);
}

static uint32_t copy(void)
{
    enum { N = 1 << 20 };
    uint8_t *from = malloc(N), *to = malloc(N);
    for (int i = 0; i < N; i++)
        from[i] = (uint8_t)(i * 7);
    for (int round = 0; round < 40; round++) {
        memcpy(to, from + (round & 15), N - 16);
        memset(from, round, 4096);
    }
    uint32_t sum = to[12345] + to[N - 100];
    free(from);
    free(to);
    return sum;
}

static const struct {
    const char *name;
    uint32_t (*run)(void);
} kernels[] = {
    {"sieve", sieve},   {"crc", crc},           {"qsort", sort},    {"calls", calls}, {"chase", chase},
    {"bignum", bignum}, {"bytecode", bytecode}, {"matrix", matrix}, {"memcpy", copy},
};

int main(int argc, char **argv)
{
    for (unsigned i = 0; i < sizeof kernels / sizeof *kernels; i++) {
        int wanted = argc < 2;
        for (int word = 1; word < argc; word++)
            wanted |= strcmp(argv[word], kernels[i].name) == 0;
        if (!wanted)
            continue;
        printf("BEGIN %s\n", kernels[i].name);
        fflush(stdout);
        uint32_t sum = kernels[i].run();
        printf("END %s %08x\n", kernels[i].name, (unsigned)sum);
        fflush(stdout);
    }
    return 0;
}
