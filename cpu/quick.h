/* What translated code does by a call, without leaving for the interpreter: the frequent case of a system
 * instruction, with nothing in it that takes time, faults or calls out of the CPU.
 *
 * These are short cuts: on false nothing was done, and the instruction's handler decides. They do not look at
 * general registers, rip, clock or arithmetic flags, which are not current while translated code runs. */
#ifndef CROSSPAGE_CPU_QUICK_H
#define CROSSPAGE_CPU_QUICK_H

#include "cpu/cpu.h"

/* Load ES, DS, FS or GS in protected mode, if the descriptor is at hand and the CPU mode stays what it is. */
bool segment_load_quick(struct cpu *cpu, unsigned n, uint16_t selector) MUST_CHECK;

#endif
