/* SSE and AVX floating point: MXCSR and its exceptions. Private to cpu/.
 *
 * A handler reads its operands (page faults first), computes all elements into a copy, calls sse_raise, and
 * commits only when that says so: with an unmasked exception in any element nothing is written but the MXCSR
 * flags (SDM vol. 1, 11.5 and appendix E). */
#ifndef CROSSPAGE_CPU_SSE_H
#define CROSSPAGE_CPU_SSE_H

#include "cpu/fp/fp.h"
#include "cpu/simd.h"

enum mxcsr_bit {
    MXCSR_FLAGS = 0x3F,
    MXCSR_DAZ = 1 << 6,
    MXCSR_MASK_SHIFT = 7,
    MXCSR_ROUNDING_SHIFT = 13,
    MXCSR_FTZ = 1 << 15,
    MXCSR_INIT = 0x1F80,
};

static inline struct fp_env sse_env(const struct cpu *cpu)
{
    uint32_t mxcsr = cpu->s.mxcsr;
    return (struct fp_env){.rounding = mxcsr >> MXCSR_ROUNDING_SHIFT & 3,
                           .precision = 64,
                           .masks = mxcsr >> MXCSR_MASK_SHIFT & MXCSR_FLAGS,
                           .flush_to_zero = (mxcsr & MXCSR_FTZ) != 0,
                           .denormals_are_zero = (mxcsr & MXCSR_DAZ) != 0};
}

/* Enter the exceptions of all elements into MXCSR. True: commit. False: #XM (or #UD) is recorded. */
static inline bool sse_raise(struct cpu *cpu, const struct fp_env *env)
{
    uint8_t flags = fp_flags_visible(env);
    cpu->s.mxcsr |= flags;
    if (LIKELY(!(flags & ~env->masks)))
        return true;
    (void)cpu_fault(cpu, cpu->s.cr4 & CR4_OSXMMEXCPT ? VEC_XM : VEC_UD);
    return false;
}

/* Write the destination unless there is an unmasked exception. */
static inline enum exec sse_commit(struct cpu *cpu, const struct insn *insn, const struct fp_env *env,
                                   const union simd256 *value)
{
    if (!sse_raise(cpu, env))
        return EXEC_FAULT;
    simd_commit256(cpu, insn, value);
    return EXEC_NEXT;
}

/* Bits a load of MXCSR may set (MXCSR_MASK of FXSAVE). */
uint32_t sse_mxcsr_mask(const struct cpu *cpu);
/* The end of an instruction that loads MXCSR: the block ends with it if the mode changes (MODE_SIMD_TRAPS).
 */
enum exec sse_load_mxcsr(struct cpu *cpu, uint32_t mxcsr);

#endif
