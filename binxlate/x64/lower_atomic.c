/* CMPXCHG8B and CMPXCHG16B: the host's, without LOCK. Guest RCX, half of the new value, is copied to host RCX
 * once the probe no longer needs that. */
#include "binxlate/x64/x64.h"

static bool lower_cmpxchg8b(struct x64_unit *x)
{
    const struct insn *insn = x->insn;
    struct x64_asm *a = &x->a;
    bool wide = (insn->rex & 8) != 0;
    if (!x64_can_access(x, insn) || (wide && !cpu_has(x->t->cpu, FEAT_CX16)))
        return false;
    unsigned address = x64_address(x, insn, wide ? 16 : 8, ACCESS_WRITE);
    if (wide) { /* #GP unless aligned */
        x64_mov_imm(a, X_TEST, 60);
        x64_shlx(a, 8, X_TEST, address, X_TEST);
        x64_slow_unless_zero(x);
    }
    struct x64_mem mem = x64_probe(x, address, wide ? 16 : 8, ACCESS_WRITE);
    x64_mov(a, 8, X_RCX, x64_home(RCX));
    x64_rm(a, OP_0F | 0xC7, wide ? 8 : 4, 1, mem);
    return true;
}

const struct x64_lowering x64_lower_atomic[] = {
    {exec_cmpxchg8b, lower_cmpxchg8b},
    {NULL, NULL},
};
