/* Arithmetic flags on demand (see flags.h for the representation).
 *
 * Invariant: with lazy.op == LAZY_NONE the arithmetic bits of s.rflags are current; otherwise they are
 * whatever they were when lazy was last set and must not be looked at. All other bits of s.rflags are always
 * current. */
#include "cpu/flags.h"

#include "cpu/cpu_priv.h"

static bool flag_adjust(const struct cpu *cpu)
{
    unsigned shift = cpu->lazy.op >> LAZY_SHIFT;
    switch (cpu->lazy.op & LAZY_KIND_MASK) {
    case LAZY_NONE: return (cpu->s.rflags & FLAG_AF) != 0;
    case LAZY_BITS: return (cpu->lazy.src1 & FLAG_AF) != 0;
    default: return ((cpu->lazy.result ^ cpu->lazy.src1 ^ cpu->lazy.src2) >> shift & 0x10) != 0;
    }
}

uint64_t flags_read(struct cpu *cpu)
{
    if (cpu->lazy.op != LAZY_NONE) {
        uint64_t flags = cpu->s.rflags & ~(uint64_t)FLAGS_ARITH;
        flags |= flag_carry(cpu) ? FLAG_CF : 0;
        flags |= flag_parity(cpu) ? FLAG_PF : 0;
        flags |= flag_adjust(cpu) ? FLAG_AF : 0;
        flags |= flag_zero(cpu) ? FLAG_ZF : 0;
        flags |= flag_sign(cpu) ? FLAG_SF : 0;
        flags |= flag_overflow(cpu) ? FLAG_OF : 0;
        flags_replace(cpu, flags);
    }
    return cpu->s.rflags;
}

void flags_write(struct cpu *cpu, uint64_t value, uint64_t mask)
{
    uint64_t old = mask == FLAGS_ARITH ? cpu->s.rflags : flags_read(cpu);
    flags_replace(cpu, (old & ~mask) | (value & mask));
}

bool flags_condition(struct cpu *cpu, unsigned condition)
{
    return flags_test(cpu, condition);
}
