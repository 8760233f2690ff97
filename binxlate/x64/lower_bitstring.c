/* BT, BTS, BTR, BTC with a register offset on memory: a bit string (SDM vol. 2, BT). The signed offset
 * selects a word of it, which goes through a register, so that the host's instruction takes the offset within
 * the word.
 */
#include "binxlate/x64/x64.h"

bool x64_lower_bit_string(struct x64_unit *x)
{
    const struct insn *insn = x->insn;
    struct x64_asm *a = &x->a;
    unsigned size = insn->op[0].size, offset = insn->op[1].reg;
    bool write = insn->exec != exec_bt;
    if (size == 2 || x->code == 2 || insn->addr_size != x->code || !x64_plain_segment(x, insn->seg) ||
        !x64_can_access(x, insn))
        return false;
    unsigned base = x64_address(x, insn, size, ACCESS_WRITE);
    x64_mov_imm(a, X_TEST, size == 8 ? 6 : 5);
    x64_sarx(a, size, X_T1, x64_use(x, offset, X_T1), X_TEST);
    if (size < x->code)
        x64_rr(a, 0x63, 8, X_T1, X_T1); /* movsxd t1, t1d */
    x64_lea(a, x->code, X_T0, x64_indexed(base, X_T1, size == 8 ? 3 : 2, 0));
    x64_lea(a, 8, X_T1, x64_probe(x, X_T0, size, write ? ACCESS_WRITE : ACCESS_READ));
    x64_load(a, size, X_TEST, x64_at(X_T1, 0));
    x64_rr(a, OP_0F | insn->opcode, size, x64_use(x, offset, X_T0), X_TEST);
    if (write)
        x64_store(a, size, x64_at(X_T1, 0), X_TEST);
    return true;
}
