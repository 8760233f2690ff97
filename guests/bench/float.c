/* Floating point of the kinds programs use: bodies under gravity (whatever the build uses for double: SSE2 on
 * amd64, x87 on i686, with square roots and divisions) and the Mandelbrot set in 80-bit x87 on both. */
#include "bench.h"

enum { BODIES = 5, STEPS = 1000, WIDTH = 64, HEIGHT = 48, DEPTH = 128 };

struct body {
    double x[3], v[3], mass;
};

static void advance(struct body *bodies, double dt)
{
    for (int i = 0; i < BODIES; i++)
        for (int j = i + 1; j < BODIES; j++) {
            struct body *a = &bodies[i], *b = &bodies[j];
            double d[3], squared = 0.01;
            for (int axis = 0; axis < 3; axis++) {
                d[axis] = a->x[axis] - b->x[axis];
                squared += d[axis] * d[axis];
            }
            double pull = dt / (squared * __builtin_sqrt(squared));
            for (int axis = 0; axis < 3; axis++) {
                a->v[axis] -= d[axis] * b->mass * pull;
                b->v[axis] += d[axis] * a->mass * pull;
            }
        }
    for (int i = 0; i < BODIES; i++)
        for (int axis = 0; axis < 3; axis++)
            bodies[i].x[axis] += dt * bodies[i].v[axis];
}

uint32_t kernel_nbody(uint32_t count)
{
    struct body bodies[BODIES];
    uint32_t seed = 1;
    for (int i = 0; i < BODIES; i++) {
        bodies[i].mass = i == 0 ? 10 : 1.0 / i;
        for (int axis = 0; axis < 3; axis++) {
            bodies[i].x[axis] = (double)(int32_t)random_next(&seed) / (1 << 29);
            bodies[i].v[axis] = (double)(int32_t)random_next(&seed) / (1 << 30);
        }
    }
    for (uint32_t step = 0; step < count * STEPS; step++)
        advance(bodies, 0.001);
    return hash(HASH_START, bodies, sizeof bodies);
}

static uint32_t escape_time(long double cx, long double cy)
{
    long double x = 0, y = 0;
    uint32_t n = 0;
    while (n < DEPTH && x * x + y * y < 4) {
        long double next = x * x - y * y + cx;
        y = 2 * x * y + cy;
        x = next;
        n++;
    }
    return n;
}

uint32_t kernel_mandelbrot(uint32_t count)
{
    uint32_t sum = HASH_START;
    for (uint32_t round = 0; round < count; round++)
        for (int row = 0; row < HEIGHT; row++)
            for (int column = 0; column < WIDTH; column++) {
                uint32_t n = escape_time((3.0L * column + round * 0.001L) / WIDTH - 2.25L,
                                         2.5L * row / HEIGHT - 1.25L);
                sum = hash(sum, &n, sizeof n);
            }
    return sum;
}
