/* Disassembly through Capstone, Intel syntax. Text only: nothing else in the emulator asks Capstone anything.
 * A handle is opened per call; callers are logs, traps and tests, never hot. */
#include "cpu/disasm.h"

#include "cpu/insn.h"

#include <capstone/capstone.h>
#include <stdio.h>
#include <string.h>

/* Disassemble one instruction into a fresh cs_insn; NULL when bad. */
static cs_insn *disassemble(csh *handle, unsigned mode, const uint8_t *bytes, size_t size, uint64_t pc)
{
    static const cs_mode modes[] = {CS_MODE_16, CS_MODE_32, CS_MODE_64};
    cs_insn *insn = NULL;
    if (cs_open(CS_ARCH_X86, modes[mode & MODE_CODE_MASK], handle) != CS_ERR_OK) {
        *handle = 0;
        return NULL;
    }
    return cs_disasm(*handle, bytes, size, pc, 1, &insn) == 1 ? insn : NULL;
}

static unsigned release(csh *handle, cs_insn *insn)
{
    unsigned length = insn != NULL ? insn->size : 0;
    if (insn != NULL)
        cs_free(insn, 1);
    if (*handle != 0)
        cs_close(handle);
    return length;
}

unsigned disasm_insn(unsigned mode, const uint8_t *bytes, size_t size, uint64_t pc, char text[DISASM_TEXT])
{
    csh handle;
    cs_insn *insn = disassemble(&handle, mode, bytes, size, pc);
    if (insn != NULL)
        snprintf(text, DISASM_TEXT, "%s %s", insn->mnemonic, insn->op_str);
    else
        snprintf(text, DISASM_TEXT, "(bad) %02x", size > 0 ? bytes[0] : 0);
    return release(&handle, insn);
}
