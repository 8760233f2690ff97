/* Arithmetic flags, kept lazily.
 *
 * The last flag-setting instruction leaves its operands in cpu->lazy; a flag is computed when somebody asks.
 * Values are left-justified: shifted up so that the operand's sign bit is bit 63. Then carry, overflow, sign
 * and zero need no operand size; only AF and PF shift back, by the amount kept in `op`.
 *
 * `op` is 0 when s.rflags is current, else kind | shift << 8. */
#ifndef CROSSPAGE_CPU_FLAGS_H
#define CROSSPAGE_CPU_FLAGS_H

#include "cpu/exec.h"

enum lazy_kind {
    LAZY_NONE, /* s.rflags is current */
    LAZY_ADD,  /* result = src1 + src2 */
    LAZY_ADC,  /* result = src1 + src2 + 1 */
    LAZY_SUB,  /* result = src1 - src2 */
    LAZY_SBB,  /* result = src1 - src2 - 1 */
    LAZY_BITS, /* CF, AF and OF are in src1 at their RFLAGS positions; ZF, SF, PF from result */
    LAZY_KIND_MASK = 0xFF,
    LAZY_SHIFT = 8,
};

/* Record a flag result of `size` bytes; operands as plain values (upper bits ignored). */
static ALWAYS_INLINE void flags_set(struct cpu *cpu, enum lazy_kind kind, unsigned size, uint64_t result,
                                    uint64_t src1, uint64_t src2)
{
    unsigned shift = 64 - 8 * size;
    cpu->lazy.op = (uint32_t)kind | shift << LAZY_SHIFT;
    cpu->lazy.result = result << shift;
    cpu->lazy.src1 = src1 << shift;
    cpu->lazy.src2 = src2 << shift;
}

/* ZF, SF, PF from `result`; CF, AF, OF from `bits` (RFLAGS positions). */
static ALWAYS_INLINE void flags_set_bits(struct cpu *cpu, unsigned size, uint64_t result, uint64_t bits)
{
    unsigned shift = 64 - 8 * size;
    cpu->lazy.op = (uint32_t)LAZY_BITS | shift << LAZY_SHIFT;
    cpu->lazy.result = result << shift;
    cpu->lazy.src1 = bits;
}

static ALWAYS_INLINE void flags_set_logic(struct cpu *cpu, unsigned size, uint64_t result)
{
    flags_set_bits(cpu, size, result, 0);
}

static ALWAYS_INLINE bool flag_carry(const struct cpu *cpu)
{
    uint64_t a = cpu->lazy.src1, b = cpu->lazy.src2, r = cpu->lazy.result;
    switch (cpu->lazy.op & LAZY_KIND_MASK) {
    case LAZY_ADD: return r < a;
    case LAZY_ADC: return r <= a;
    case LAZY_SUB: return a < b;
    case LAZY_SBB: return a <= b;
    case LAZY_BITS: return (a & FLAG_CF) != 0;
    default: return (cpu->s.rflags & FLAG_CF) != 0;
    }
}

/* After INC (up) or DEC: CF is kept, OF and AF as ADD and SUB of 1 set them. */
static ALWAYS_INLINE void flags_set_step(struct cpu *cpu, unsigned size, uint64_t result, bool up)
{
    uint64_t mask = UINT64_MAX >> (64 - 8 * size), sign = mask ^ mask >> 1;
    uint64_t edge = up ? sign : sign - 1; /* the result that overflowed */
    uint64_t bits = flag_carry(cpu) ? FLAG_CF : 0;
    bits |= (result & mask) == edge ? FLAG_OF : 0;
    bits |= (result & 0xF) == (up ? 0x0 : 0xF) ? FLAG_AF : 0;
    flags_set_bits(cpu, size, result, bits);
}

static ALWAYS_INLINE bool flag_overflow(const struct cpu *cpu)
{
    uint64_t a = cpu->lazy.src1, b = cpu->lazy.src2, r = cpu->lazy.result;
    switch (cpu->lazy.op & LAZY_KIND_MASK) {
    case LAZY_ADD:
    case LAZY_ADC: return ((a ^ r) & (b ^ r)) >> 63;
    case LAZY_SUB:
    case LAZY_SBB: return ((a ^ b) & (a ^ r)) >> 63;
    case LAZY_BITS: return (a & FLAG_OF) != 0;
    default: return (cpu->s.rflags & FLAG_OF) != 0;
    }
}

static ALWAYS_INLINE bool flag_zero(const struct cpu *cpu)
{
    return LIKELY(cpu->lazy.op != LAZY_NONE) ? cpu->lazy.result == 0 : (cpu->s.rflags & FLAG_ZF) != 0;
}

static ALWAYS_INLINE bool flag_sign(const struct cpu *cpu)
{
    return LIKELY(cpu->lazy.op != LAZY_NONE) ? cpu->lazy.result >> 63 : (cpu->s.rflags & FLAG_SF) != 0;
}

/* Even parity of the low byte. */
static ALWAYS_INLINE bool parity_even(uint64_t value)
{
    return !__builtin_parity((unsigned)value & 0xFF);
}

static ALWAYS_INLINE bool flag_parity(const struct cpu *cpu)
{
    if (UNLIKELY(cpu->lazy.op == LAZY_NONE))
        return (cpu->s.rflags & FLAG_PF) != 0;
    return parity_even(cpu->lazy.result >> (cpu->lazy.op >> LAZY_SHIFT));
}

/* SF != OF: signed less. */
static ALWAYS_INLINE bool flag_less(const struct cpu *cpu)
{
    if (LIKELY((cpu->lazy.op & LAZY_KIND_MASK) == LAZY_SUB))
        return (int64_t)cpu->lazy.src1 < (int64_t)cpu->lazy.src2;
    return flag_sign(cpu) != flag_overflow(cpu);
}

/* flags_condition() with a condition the compiler may know. */
static ALWAYS_INLINE bool flags_test(const struct cpu *cpu, unsigned condition)
{
    bool value = false;
    switch (condition >> 1) {
    case 0: value = flag_overflow(cpu); break;
    case 1: value = flag_carry(cpu); break;
    case 2: value = flag_zero(cpu); break;
    case 3: value = flag_carry(cpu) || flag_zero(cpu); break;
    case 4: value = flag_sign(cpu); break;
    case 5: value = flag_parity(cpu); break;
    case 6: value = flag_less(cpu); break;
    case 7: value = flag_zero(cpu) || flag_less(cpu); break;
    default: break;
    }
    return value != (condition & 1);
}

/* Replace all of RFLAGS. The caller has decided which bits may change. */
static inline void flags_replace(struct cpu *cpu, uint64_t value)
{
    cpu->s.rflags = value;
    cpu->lazy.op = LAZY_NONE;
}

#endif
