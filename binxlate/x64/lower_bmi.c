/* Bit manipulation that is newer than x86-64's beginnings: LZCNT, TZCNT, MOVBE, BMI1 and BMI2 (SDM vol. 2). A
 * host may lack any of them but BMI2; a guest that does has the BSF and BSR of old under the encodings of
 * TZCNT and LZCNT, which is the decoder's business.
 *
 * Those with a VEX prefix have an operand in ModRM.reg, one in VEX.vvvv, and one in ModRM.rm that may be
 * memory. */
#include "binxlate/x64/x64.h"

/* ---- Without VEX ---- */

static bool lower_legacy(struct x64_unit *x)
{
    return x64_host_has(x->t, x->insn) && x64_rewrite_integer(x);
}

/* ---- With VEX ---- */

enum place { IN_REG, IN_VVVV, IN_RM, PLACES };

/* Where the operand of this code is encoded. */
static enum place place_of(enum operand_code code)
{
    return code == OC_By ? IN_VVVV : code == OC_Gy ? IN_REG : IN_RM;
}

/* The guest register at each place, REG_NONE: none, or memory. */
static void find_registers(const struct insn *insn, uint8_t reg[PLACES])
{
    const struct insn_row *row = &insn_rows[insn->row];
    memset(reg, REG_NONE, PLACES);
    for (unsigned i = 0, n = 0; i < ARRAY_LEN(row->operand) && row->operand[i] != OC___; i++) {
        enum place place = place_of(row->operand[i]);
        if (place == IN_VVVV && i > 0) /* has no place in op[] */
            reg[IN_VVVV] = insn->source;
        else if (insn->op[n++].kind == OPK_GPR)
            reg[place] = insn->op[n - 1].reg;
    }
}

/* The memory operand with nothing but X_T1 in it, so that X_T0 and X_TEST are free. */
static struct x64_mem lone_operand(struct x64_unit *x, unsigned size)
{
    struct x64_mem mem = x64_operand(x, x->insn, size, ACCESS_READ);
    if (mem.base != X_T0)
        return mem;
    x64_lea(&x->a, 8, X_T1, mem);
    return x64_at(X_T1, 0);
}

static bool lower_vex(struct x64_unit *x)
{
    const struct insn *insn = x->insn;
    const struct insn_row *row = &insn_rows[insn->row];
    struct x64_asm *a = &x->a;
    unsigned size = insn->op[0].size, host[PLACES] = {insn->modrm >> 3 & 7, 0, X_NONE};
    bool memory = insn->modrm < 0xC0;
    uint8_t reg[PLACES];
    if (!x64_host_has(x->t, insn) || (memory && !x64_can_access(x, insn)))
        return false;
    find_registers(insn, reg);
    struct x64_mem mem = {0};
    if (memory)
        mem = lone_operand(x, size);
    else
        host[IN_RM] = x64_use(x, reg[IN_RM], X_T1);
    if (reg[IN_VVVV] != REG_NONE)
        host[IN_VVVV] = x64_use(x, reg[IN_VVVV], X_T0);
    if (reg[IN_REG] != REG_NONE) /* only ever a destination */
        host[IN_REG] = x64_home(reg[IN_REG]) == X_NONE ? X_TEST : x64_home(reg[IN_REG]);
    struct x64_vex vex = {.op = x64_opcode(insn), .vvvv = (uint8_t)host[IN_VVVV], .w = size == 8};
    if (memory)
        x64_vex_rm(a, vex, host[IN_REG], mem);
    else
        x64_vex_rr(a, vex, host[IN_REG], host[IN_RM]);
    if (insn->exec == exec_rorx)
        x64_byte(a, (uint8_t)insn->imm);
    if (insn->exec == exec_mulx) /* the low half, see exec_mulx */
        x64_keep(x, insn->source, host[IN_VVVV]);
    x64_keep(x, insn->op[0].reg, host[place_of(row->operand[0])]);
    return true;
}

const struct x64_lowering x64_lower_bmi[] = {
    {exec_tzcnt, lower_legacy},
    {exec_lzcnt, lower_legacy},
    {exec_movbe, lower_legacy},
    {exec_andn, lower_vex},
    {exec_blsr, lower_vex},
    {exec_blsmsk, lower_vex},
    {exec_blsi, lower_vex},
    {exec_bextr, lower_vex},
    {exec_bzhi, lower_vex},
    {exec_pext, lower_vex},
    {exec_pdep, lower_vex},
    {exec_mulx, lower_vex},
    {exec_shlx, lower_vex},
    {exec_sarx, lower_vex},
    {exec_shrx, lower_vex},
    {exec_rorx, lower_vex},
    {NULL, NULL},
};
