/* Operands of a decoded instruction: effective addresses, general registers, immediates, memory.
 *
 * The inline bodies let a handler that knows a size or a kind have the rest folded away; the functions of
 * exec.h are the same without that knowledge. */
#ifndef CROSSPAGE_CPU_OPERAND_H
#define CROSSPAGE_CPU_OPERAND_H

#include "cpu/exec.h"
#include "cpu/protect.h"

/* All ones in the low `size` bytes; size 1, 2, 4, 8. */
static ALWAYS_INLINE uint64_t size_mask(unsigned size)
{
    return UINT64_MAX >> (64 - 8 * size);
}

static ALWAYS_INLINE uint64_t sign_bit(unsigned size)
{
    return UINT64_C(1) << (8 * size - 1);
}

static ALWAYS_INLINE int64_t sign_extend(uint64_t value, unsigned size)
{
    unsigned shift = 64 - 8 * size;
    return (int64_t)(value << shift) >> shift;
}

static ALWAYS_INLINE uint64_t gpr_read(const struct cpu *cpu, unsigned reg, unsigned size)
{
    return cpu->s.gpr[reg] & size_mask(size);
}

/* 8 and 16-bit writes keep the rest of the register, 32-bit writes clear bits 63..32. */
static ALWAYS_INLINE void gpr_write(struct cpu *cpu, unsigned reg, unsigned size, uint64_t value)
{
    uint64_t mask = size_mask(size);
    if (size >= 4)
        cpu->s.gpr[reg] = value & mask;
    else
        cpu->s.gpr[reg] = (cpu->s.gpr[reg] & ~mask) | (value & mask);
}

static ALWAYS_INLINE uint64_t gprh_read(const struct cpu *cpu, unsigned reg)
{
    return cpu->s.gpr[reg] >> 8 & 0xFF;
}

static ALWAYS_INLINE void gprh_write(struct cpu *cpu, unsigned reg, uint64_t value)
{
    cpu->s.gpr[reg] = (cpu->s.gpr[reg] & ~UINT64_C(0xFF00)) | (value & 0xFF) << 8;
}

/* insn_ea() inline; s.rip is the start of this instruction. */
static ALWAYS_INLINE uint64_t operand_ea(const struct cpu *cpu, const struct insn *insn)
{
    uint64_t ea = (uint64_t)insn->disp;
    if (insn->base < GPR_COUNT)
        ea += cpu->s.gpr[insn->base];
    else if (insn->base == REG_RIP)
        ea += cpu->s.rip + insn->length;
    if (insn->index != REG_NONE)
        ea += cpu->s.gpr[insn->index] << insn->scale;
    return ea & size_mask(insn->addr_size);
}

/* Push one value; RSP changes only when the write succeeded. */
MUST_CHECK static ALWAYS_INLINE bool stack_push(struct cpu *cpu, unsigned size, uint64_t value)
{
    uint64_t mask = stack_mask(cpu), rsp = (cpu->s.gpr[RSP] - size) & mask;
    if (!mem_write(cpu, SS, rsp, size, value))
        return false;
    cpu->s.gpr[RSP] = stack_pointer_merge(cpu->s.gpr[RSP], rsp, mask);
    return true;
}

#endif
