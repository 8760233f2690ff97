/* DIV and IDIV of 32 and 64 bits, when a look at the operands shows that the host's instruction cannot fault.
 * That is all but #DE itself and what compilers do not make: a dividend of 128 bits, a signed one that is not
 * a sign-extended accumulator, and signed division by -1.
 *
 * What a division leaves in the flags is undefined (SDM vol. 2, DIV); here they stay (cpu/exec_muldiv.c), so
 * they are carried around the host's. */
#include "binxlate/x64/x64.h"

/* Divisor in X_T0, zero-extended. */
static bool load_divisor(struct x64_unit *x, unsigned size)
{
    const struct insn *insn = x->insn;
    const struct operand *op = &insn->op[0];
    struct x64_asm *a = &x->a;
    if (op->kind != OPK_MEM) {
        x64_mov(a, size, X_T0, x64_use(x, op->reg, X_T0));
        return true;
    }
    if (!x64_can_access(x, insn))
        return false;
    x64_load(a, size, X_T0, x64_operand(x, insn, size, ACCESS_READ));
    return true;
}

static void x64_not(struct x64_asm *a, unsigned size, unsigned reg)
{
    x64_rr(a, 0xF7, size, 2, reg);
}

/* The quotient fits if the upper half is less than the divisor: their difference is negative. */
static void check_unsigned(struct x64_unit *x, unsigned size)
{
    struct x64_asm *a = &x->a;
    if (size == 8) {
        x64_mov(a, 8, X_TEST, X_RDX);
        x64_slow_unless_zero(x);
        x64_mov(a, 8, X_TEST, X_T0);
        x64_slow_if_zero(x);
        return;
    }
    x64_mov(a, 8, X_TEST, X_T0);
    x64_not(a, 8, X_TEST);
    x64_mov(a, 4, X_T1, X_RDX);
    x64_lea(a, 8, X_T1, x64_indexed(X_T1, X_TEST, 0, 1));
    x64_not(a, 8, X_T1);
    x64_mov_imm(a, X_TEST, 63);
    x64_shrx(a, 8, X_TEST, X_T1, X_TEST);
    x64_slow_unless_zero(x);
}

/* The upper half is the sign of the lower, and the divisor neither 0 nor -1. */
static void check_signed(struct x64_unit *x, unsigned size)
{
    struct x64_asm *a = &x->a;
    x64_mov_imm(a, X_TEST, 8 * size - 1);
    x64_sarx(a, size, X_T1, X_RAX, X_TEST);
    x64_not(a, size, X_T1);
    x64_lea(a, size, X_TEST, x64_indexed(X_T1, X_RDX, 0, 1));
    x64_slow_unless_zero(x);
    x64_mov(a, size, X_TEST, X_T0);
    x64_slow_if_zero(x);
    x64_lea(a, size, X_TEST, x64_at(X_T0, 1));
    x64_slow_if_zero(x);
}

static bool lower_division(struct x64_unit *x)
{
    const struct insn *insn = x->insn;
    struct x64_asm *a = &x->a;
    unsigned size = insn->op[0].size, extension = insn->modrm >> 3 & 7;
    if (size < 4 || !load_divisor(x, size))
        return false;
    if (insn->exec == exec_div)
        check_unsigned(x, size);
    else
        check_signed(x, size);
    x64_mov(a, 8, X_T1, X_RAX);
    x64_byte(a, 0x9F);                    /* lahf */
    x64_rr(a, OP_0F | 0x90, 4, 0, X_RAX); /* seto al */
    x64_rr(a, OP_0F | 0xB7, 4, X_TEST, X_RAX);
    x64_mov(a, 8, X_RAX, X_T1);
    x64_rr(a, 0xF7, size, extension, X_T0);
    x64_mov(a, 8, X_T0, X_RAX);
    x64_mov(a, 4, X_RAX, X_TEST);
    x64_byte(a, 0x04); /* add al, 7F: OF if it was 1 */
    x64_byte(a, 0x7F);
    x64_byte(a, 0x9E); /* sahf */
    x64_mov(a, 8, X_RAX, X_T0);
    return true;
}

const struct x64_lowering x64_lower_divide[] = {
    {exec_div, lower_division},
    {exec_idiv, lower_division},
    {NULL, NULL},
};
