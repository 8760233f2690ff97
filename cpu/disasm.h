/* Disassembly through Capstone: text for logs, traps and tests. */
#ifndef CROSSPAGE_CPU_DISASM_H
#define CROSSPAGE_CPU_DISASM_H

#include "base/types.h"

enum { DISASM_TEXT = 200 };

/* One instruction in code of this mode (enum cpu_mode) as text; "(bad)" when Capstone does not know it.
 * Returns its length, 0 if bad. */
unsigned disasm_insn(unsigned mode, const uint8_t *bytes, size_t size, uint64_t pc, char text[DISASM_TEXT]);

#endif
