/* Choice of fast handlers: which instruction of which mode has one (see fast.h for what they promise).
 *
 * Left to the reference: AH..BH, LOCK, foreign address sizes, memory operands in 16-bit code, everything that
 * is not integer or near control flow. */
#include "cpu/fast.h"

enum fast_memory fast_memory_kind(const struct insn *insn, unsigned mode)
{
    unsigned code = mode & MODE_CODE_MASK;
    if (code == MODE_CODE16 || insn->addr_size != (code == MODE_CODE64 ? 8 : 4))
        return FAST_NO_MEMORY;
    bool plain_segment = insn->seg == DS || insn->seg == SS || insn->seg == ES;
    if ((mode & MODE_FLAT) != 0 && plain_segment && insn->base < GPR_COUNT && insn->index == REG_NONE)
        return FAST_SIMPLE;
    return FAST_GENERAL;
}

exec_fn *fast_select(const struct insn *insn, unsigned mode)
{
    /* Faults found by the decoder, and guarded instructions, have another exec than their row's. */
    if (insn->row == 0 || insn->exec != insn_rows[insn->row].exec || (insn->prefixes & PREFIX_LOCK) != 0)
        return NULL;
    exec_fn *fast = fast_alu_select(insn, mode);
    if (fast == NULL)
        fast = fast_move_select(insn, mode);
    if (fast == NULL)
        fast = fast_shift_select(insn, mode);
    if (fast == NULL)
        fast = fast_branch_select(insn, mode);
    return fast;
}
