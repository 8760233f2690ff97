/* Choice of fast handlers (none yet). */
#include "cpu/block.h"

exec_fn *fast_select(const struct insn *insn, unsigned mode)
{
    (void)insn;
    (void)mode;
    return NULL;
}
