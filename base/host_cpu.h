/* What the host's CPU can do. */
#ifndef CROSSPAGE_BASE_HOST_CPU_H
#define CROSSPAGE_BASE_HOST_CPU_H

#include "base/types.h"

/* Has the host this x86 feature, by Linux' name of it (/proc/cpuinfo), ready to use? Those with vector
 * registers of 256 bits are, if the host's operating system saves these. False for a name that is not among
 * the known ones, and on hosts of another kind. */
bool host_cpu_has(const char *feature);

/* Is PEXT one operation? (On AMD's before VAES it is a loop in microcode.) */
bool host_cpu_has_fast_pext(void);

/* Is this process built for x86-64 hosts, and has the CPU BMI2 and LAHF in 64-bit mode (what the x86-64 back
 * end of the translator emits)? */
bool host_cpu_can_translate(void);

#endif
