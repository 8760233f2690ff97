/* A register machine in bytecode, with an indirect jump at the end of each operation, which is how fast
 * interpreters are written: what it costs an emulator to find the target of an indirect jump that goes to
 * many places. */
#include "bench.h"

enum op {
    OP_SET,
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_XOR,
    OP_SHIFT,
    OP_MASK,
    OP_LOAD,
    OP_STORE,
    OP_JUMP_LESS,
    OP_CALL,
    OP_RETURN,
    OP_END
};

struct instruction {
    uint8_t op, a, b;
    int16_t value;
};

enum { REGISTERS = 8, MEMORY = 256, STACK = 16, LOOP = 3, HASHED = 16 };

/* r0 counts to r1; r2 is a pseudo-random number, r3 an index, r4 a sum over the memory. */
static const struct instruction program[] = {
    {OP_SET, 0, 0, 0},
    {OP_SET, 1, 0, 20000},
    {OP_SET, 2, 0, 12345},
    /* LOOP */
    {OP_CALL, 0, 0, HASHED},
    {OP_SET, 3, 0, 0},
    {OP_ADD, 3, 2, 0},
    {OP_MASK, 3, 0, MEMORY - 1},
    {OP_LOAD, 5, 3, 0},
    {OP_ADD, 5, 2, 1},
    {OP_STORE, 5, 3, 0},
    {OP_XOR, 4, 5, 0},
    {OP_SHIFT, 4, 0, 5},
    {OP_SUB, 4, 0, 0},
    {OP_ADD, 0, 6, 1},
    {OP_JUMP_LESS, 0, 1, LOOP},
    {OP_END, 4, 0, 0},
    /* HASHED: the next pseudo-random number in r2 */
    {OP_SET, 7, 0, 24693},
    {OP_MUL, 2, 7, 0},
    {OP_ADD, 2, 6, 3517},
    {OP_RETURN, 0, 0, 0},
};

static uint32_t execute(uint32_t *memory)
{
    static const void *const target[] = {
        [OP_SET] = &&set,     [OP_ADD] = &&add,     [OP_SUB] = &&sub,         [OP_MUL] = &&mul,
        [OP_XOR] = &&xor,     [OP_SHIFT] = &&shift, [OP_MASK] = &&mask,       [OP_LOAD] = &&load,
        [OP_STORE] = &&store, [OP_CALL] = &&call,   [OP_RETURN] = &&returned, [OP_JUMP_LESS] = &&jump_less,
        [OP_END] = &&end,
    };
    uint32_t r[REGISTERS] = {0};
    const struct instruction *stack[STACK], **top = stack, *at = program;
#define NEXT goto *target[at->op]
    NEXT;
set:
    r[at->a] = (uint32_t)at->value;
    at++;
    NEXT;
add:
    r[at->a] += r[at->b] + (uint32_t)at->value;
    at++;
    NEXT;
sub:
    r[at->a] -= r[at->b];
    at++;
    NEXT;
mul:
    r[at->a] *= r[at->b];
    at++;
    NEXT;
    xor : r[at->a] ^= r[at->b];
    at++;
    NEXT;
shift:
    r[at->a] = r[at->a] << at->value | r[at->a] >> (32 - at->value);
    at++;
    NEXT;
mask:
    r[at->a] &= (uint32_t)at->value;
    at++;
    NEXT;
load:
    r[at->a] = memory[r[at->b]];
    at++;
    NEXT;
store:
    memory[r[at->b]] = r[at->a];
    at++;
    NEXT;
call:
    *top++ = at + 1;
    at = program + at->value;
    NEXT;
returned:
    at = *--top;
    NEXT;
jump_less:
    at = r[at->a] < r[at->b] ? program + at->value : at + 1;
    NEXT;
end:
    return r[at->a];
#undef NEXT
}

uint32_t kernel_bytecode(uint32_t count)
{
    uint32_t memory[MEMORY] = {0}, sum = 0;
    for (uint32_t round = 0; round < count; round++)
        sum = sum * 31 + execute(memory);
    return hash(sum, memory, sizeof memory);
}
