/* What instruction handlers use: operands, memory, faults. Private to cpu/.
 *
 * A handler reads `insn`, checks everything that can fault, then commits and returns (enum exec). It does not
 * advance rip: the run loop adds insn->length after EXEC_NEXT and EXEC_END and adds insn->cost to the clock;
 * s.clock is the start of the instruction while the handler runs. */
#ifndef CROSSPAGE_CPU_EXEC_H
#define CROSSPAGE_CPU_EXEC_H

#include "base/check.h"
#include "cpu/cpu.h"
#include "cpu/mem.h"

#include <string.h>

/* ---- Faults (cpu/fault.c) ---- */

enum exception {
    VEC_DE = 0,
    VEC_DB = 1,
    VEC_NMI = 2,
    VEC_BP = 3,
    VEC_OF = 4,
    VEC_BR = 5,
    VEC_UD = 6,
    VEC_NM = 7,
    VEC_DF = 8,
    VEC_TS = 10,
    VEC_NP = 11,
    VEC_SS = 12,
    VEC_GP = 13,
    VEC_PF = 14,
    VEC_MF = 16,
    VEC_AC = 17,
    VEC_MC = 18,
    VEC_XM = 19,
};

/* Record a fault and return EXEC_FAULT. cpu_fault for vectors without error code, cpu_fault_code for those
 * with one. */
enum exec cpu_fault(struct cpu *cpu, enum exception vector);
enum exec cpu_fault_code(struct cpu *cpu, enum exception vector, uint32_t code);
enum exec cpu_fault_page(struct cpu *cpu, uint64_t linear, uint32_t code);

/* ---- Memory: cpu/mem.h (mem_read, mem_write, mem_read_modify, sys_read...) ---- */

/* ---- Operands (cpu/operand.h has the inline bodies) ---- */

/* Effective address (offset within insn->seg) of the memory operand, truncated to the address size. */
uint64_t insn_ea(const struct cpu *cpu, const struct insn *insn);

/* Value of operand n (register, memory, immediate), zero-extended from its size; SIMM immediates are
 * sign-extended to 64 bits. */
bool operand_read(struct cpu *cpu, const struct insn *insn, unsigned n, uint64_t *value) MUST_CHECK;
/* As operand_read, for a destination that will be written. */
bool operand_read_modify(struct cpu *cpu, const struct insn *insn, unsigned n, uint64_t *value) MUST_CHECK;
/* A 32-bit register write clears bits 63..32; 8 and 16-bit writes keep the rest. */
bool operand_write(struct cpu *cpu, const struct insn *insn, unsigned n, uint64_t value) MUST_CHECK;

/* 16-byte operands: XMM register or memory (aligned unless the row says ATTR_UNALIGNED: #GP(0)). Shorter
 * sizes (Wq, Wd) read the low bytes and zero the rest. Operands of 32 bytes (YMM) need room for four words;
 * registers are written by these only in legacy forms, which keep the upper half. */
bool operand_read_vec(struct cpu *cpu, const struct insn *insn, unsigned n, uint64_t *value) MUST_CHECK;
bool operand_write_vec(struct cpu *cpu, const struct insn *insn, unsigned n,
                       const uint64_t *value) MUST_CHECK;

/* Address of the instruction after this one (truncated to the code size). */
static inline uint64_t insn_next_rip(const struct cpu *cpu, const struct insn *insn)
{
    uint64_t next = cpu->s.rip + insn->length;
    return cpu->long64 ? next : (cpu->mode & MODE_CODE_MASK) == MODE_CODE32 ? (uint32_t)next : (uint16_t)next;
}

static inline unsigned insn_attr(const struct insn *insn)
{
    return insn_rows[insn->row].attr;
}

/* ---- Flags (cpu/flags.h) ---- */

/* All of RFLAGS, current. */
uint64_t flags_read(struct cpu *cpu);
/* Set the arithmetic flags in `mask` to their bits in `value`; others keep theirs. */
void flags_write(struct cpu *cpu, uint64_t value, uint64_t mask);
/* Condition code 0..15 (SDM vol. 2, table B-10). */
bool flags_condition(struct cpu *cpu, unsigned condition);

/* ---- Availability of x87, MMX and SSE (cpu/exec_x87_control.c) ---- */

/* #UD and #NM by CR0.EM, CR0.TS, CR4.OSFXSR according to the row's ATTR_FPU, ATTR_MMX, ATTR_SSE, and by
 * CR4.OSXSAVE, XCR0, CR0.TS for ATTR_AVX. True = go on. Handlers need not call it: while MODE_FPU_GUARD,
 * MODE_SSE_GUARD or MODE_AVX_GUARD is set in cpu->mode (some of these could trap) the decoder installs
 * exec_fpu_guard, which does and then runs the row's handler. */
bool fpu_available(struct cpu *cpu, const struct insn *insn) MUST_CHECK;
exec_fn exec_fpu_guard;

/* Is no unmasked x87 exception pending? (Waiting x87 instructions and all MMX instructions call this first.)
 * False: #MF, or FERR# was asserted and the instruction has to wait; return x87_stall(). */
bool x87_wait(struct cpu *cpu) MUST_CHECK;
enum exec x87_stall(struct cpu *cpu);

/* Every handler of the table. */
#define INSN(handler, ...) exec_fn exec_##handler;
#define VEX(handler, ...)  exec_fn exec_##handler;
#include "cpu/insn/table.def"
#undef INSN
#undef VEX

#endif
