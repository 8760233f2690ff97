/* Prototypes shared by the files of cpu/ that are not about single instructions: event delivery, derived
 * state, debug registers, models.
 *
 * What the run loop does at an instruction boundary, first that applies (SDM vol. 3, table 6-2):
 *   1. s.debug_pending and not intr_shadow bit 1: cpu_deliver_debug
 *   2. NMI pending, not blocked, no shadow:       cpu_deliver_nmi
 *   3. INTR, RFLAGS.IF, no shadow bit 0:          cpu_deliver_interrupt
 *   4. debug_code, RFLAGS.RF clear, and cpu_code_breakpoint(linear rip) says true: cpu_deliver_fault
 *   5. execute: remember TF and the shadow, clear RF, run the handler; EXEC_FAULT: cpu_deliver_fault; done
 *      otherwise: clear the shadow bits that were set before, and if TF was set and not skip_step,
 *      debug_pending |= DR6_BS; skip_step = false.
 * A handler that makes something pending calls cpu_attend(). Delivery charges its own cost (class INT). */
#ifndef CROSSPAGE_CPU_CPU_PRIV_H
#define CROSSPAGE_CPU_CPU_PRIV_H

#include "cpu/cpu.h"

/* ---- Event delivery (cpu/fault.c) ---- */

/* Deliver cpu->fault, with double faults; a triple fault sets ACTIVITY_SHUTDOWN. */
void cpu_deliver_fault(struct cpu *cpu);
/* Acknowledge the INTR input and deliver its vector; wakes from HLT. */
void cpu_deliver_interrupt(struct cpu *cpu);
void cpu_deliver_nmi(struct cpu *cpu);
/* Deliver s.debug_pending as a #DB trap. */
void cpu_deliver_debug(struct cpu *cpu);

/* ---- Derived state (cpu/mode.c) ---- */

/* After a change of CS, SS, RFLAGS.VM/AC, CR0, CR4, EFER, MXCSR or any segment: mode, cpl, flat, bases...
 * Calls bus->cpl_changed. */
void cpu_update_mode(struct cpu *cpu);
/* After a change of CR0, CR3, CR4, EFER, PDPTEs or A20: cpu->paging. Does not flush. */
void cpu_update_paging(struct cpu *cpu);
/* Everything, after s was changed from outside: the two above, debug registers, TLB dropped. */
void cpu_update_all(struct cpu *cpu);

/* ---- Debug registers (cpu/debug.c) ---- */

enum dr6_bit {
    DR6_B0 = 1 << 0,
    DR6_BD = 1 << 13,
    DR6_BS = 1 << 14,
    DR6_BT = 1 << 15,
};
#define DR6_FIXED 0xFFFF0FF0u /* bits that read as ones */
#define DR7_FIXED 0x00000400u

/* After a change of DR7 or DR0..3. */
void debug_update(struct cpu *cpu);
/* Does an enabled data breakpoint for this access lie in the page of `linear`? */
bool debug_page_watched(const struct cpu *cpu, uint64_t linear, enum access access);
/* An access has been made: match data breakpoints. */
void debug_data_access(struct cpu *cpu, uint64_t linear, unsigned size, enum access access);
/* IN, OUT, INS, OUTS have been made: match I/O breakpoints (CR4.DE). */
void debug_io_access(struct cpu *cpu, uint16_t port, unsigned size);
/* True when an enabled instruction breakpoint is at `linear`: DR6 and cpu->fault are set. */
bool cpu_code_breakpoint(struct cpu *cpu, uint64_t linear);

/* ---- Models (cpu/model.c) ---- */

const uint64_t *cpu_model_features(const struct cpu_model *model); /* two words, bit per enum insn_feature */
/* EDX after reset and CPUID.1:EAX. */
uint32_t cpu_model_signature(const struct cpu_model *model);
unsigned cpu_model_physical_bits(const struct cpu_model *model);
/* XCR0 bits that exist. */
uint64_t cpu_model_xcr0(const struct cpu_model *model);

/* ---- Reset values (cpu/reset.c) ---- */

/* All of cpu->s but the input levels, clock and instruction count; TSC restarts at power-on. */
void cpu_reset_state(struct cpu *cpu, bool power_on);

/* ---- I/O permission (cpu/exec_io.c) ---- */

/* IOPL, and in protected mode above IOPL or in V86 the TSS bitmap; false: #GP(0) (or a fault reading the TSS)
 * is recorded. */
bool io_allowed(struct cpu *cpu, uint16_t port, unsigned size) MUST_CHECK;
/* The access itself, with I/O breakpoints. */
uint32_t port_read(struct cpu *cpu, uint16_t port, unsigned size);
void port_write(struct cpu *cpu, uint16_t port, unsigned size, uint32_t value);

#endif
