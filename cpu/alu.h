/* What the two-operand ALU instructions compute, for the reference and the fast handlers. Private to cpu/. */
#ifndef CROSSPAGE_CPU_ALU_H
#define CROSSPAGE_CPU_ALU_H

#include "cpu/flags.h"

/* ORDER: the first eight as in the opcode map (bits 5..3) and ModRM extensions. */
enum alu_op { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP, ALU_TEST, ALU_OPS };
_Static_assert(ALU_CMP == 7, "order of ALU operations");

static ALWAYS_INLINE bool alu_writes(enum alu_op op)
{
    return op < ALU_CMP;
}

/* The carry that goes into the operation. */
static ALWAYS_INLINE unsigned alu_carry(const struct cpu *cpu, enum alu_op op)
{
    return (op == ALU_ADC || op == ALU_SBB) && flag_carry(cpu);
}

static ALWAYS_INLINE uint64_t alu_compute(enum alu_op op, uint64_t a, uint64_t b, unsigned carry)
{
    switch (op) {
    case ALU_ADD: return a + b;
    case ALU_OR: return a | b;
    case ALU_ADC: return a + b + carry;
    case ALU_SBB: return a - b - carry;
    case ALU_TEST:
    case ALU_AND: return a & b;
    case ALU_CMP:
    case ALU_SUB: return a - b;
    case ALU_XOR: return a ^ b;
    default: return 0;
    }
}

/* AF after AND, OR, XOR, TEST is undefined; it is 0, as on Intel CPUs. */
static ALWAYS_INLINE void alu_flags(struct cpu *cpu, enum alu_op op, unsigned size, uint64_t a, uint64_t b,
                                    unsigned carry, uint64_t result)
{
    switch (op) {
    case ALU_ADD: flags_set(cpu, LAZY_ADD, size, result, a, b); break;
    case ALU_ADC: flags_set(cpu, carry ? LAZY_ADC : LAZY_ADD, size, result, a, b); break;
    case ALU_CMP:
    case ALU_SUB: flags_set(cpu, LAZY_SUB, size, result, a, b); break;
    case ALU_SBB: flags_set(cpu, carry ? LAZY_SBB : LAZY_SUB, size, result, a, b); break;
    default: flags_set_logic(cpu, size, result); break;
    }
}

#endif
