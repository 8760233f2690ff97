/* What a BIOS programs into the processor before it starts a kernel. */
#ifndef CROSSPAGE_VMM_FIRMWARE_CPU_H
#define CROSSPAGE_VMM_FIRMWARE_CPU_H

#include "cpu/cpu.h"

/* After cpu_create or cpu_reset, before the first instruction. */
void firmware_cpu_init(struct cpu *cpu);

#endif
