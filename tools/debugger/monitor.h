/* The monitor: commands in words about a running or stopped guest, as QEMU's has them (docs/debugging.md). */
#ifndef CROSSPAGE_TOOLS_DEBUGGER_MONITOR_H
#define CROSSPAGE_TOOLS_DEBUGGER_MONITOR_H

#include "tools/debugger/debugger_priv.h"

#include <stdio.h>

enum status monitor_open(struct monitor **monitor, const char *spec, struct debugger *debugger,
                         struct error *err) MUST_CHECK;
void monitor_close(struct monitor *monitor);
struct link *monitor_link(const struct monitor *monitor);
/* At a pause: what has come. */
void monitor_input(struct monitor *monitor);

/* Obey one line, which is cut into words, and write what there is to say. At a pause. */
void monitor_obey(struct debugger *debugger, char *line, FILE *out);

/* ---- Commands (monitor_info.c, monitor_memory.c, monitor_pages.c, monitor_input.c) ---- */

/* `words` ends with NULL; the command's own name is left out. False: it was not understood. */
typedef bool monitor_fn(struct debugger *debugger, char **words, FILE *out);

monitor_fn monitor_info, monitor_examine, monitor_examine_physical, monitor_print, monitor_sendkey,
    monitor_screendump;

void monitor_pages_mem(struct cpu *cpu, FILE *out);
void monitor_pages_tlb(struct cpu *cpu, FILE *out);

#endif
