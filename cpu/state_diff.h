/* Two architectural states side by side: what differs, as text for tests and for -engine check. */
#ifndef CROSSPAGE_CPU_STATE_DIFF_H
#define CROSSPAGE_CPU_STATE_DIFF_H

#include "cpu/state.h"

#include <stdio.h>

/* One line for each word that differs, under the columns `name_a` and `name_b`. Returns how many do. RFLAGS
 * must be current in both (cpu_sync). */
unsigned cpu_state_diff(FILE *file, const char *name_a, const struct cpu_state *a, const char *name_b,
                        const struct cpu_state *b);

#endif
