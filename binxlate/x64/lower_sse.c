/* MMX, SSE to SSE4.2, AES, PCLMULQDQ, SHA: guest XMM registers live in the host's (thunks.c), so instructions
 * are re-encoded unchanged, with general registers replaced by their homes and the memory operand by what the
 * soft TLB says.
 *
 * The interpreter gives the same bits as the host for every instruction that is translated here, MXCSR flags
 * included; to it are left:
 *   - reciprocal approximations: their tables differ between processors
 *   - dot products: which of several NaNs they return is not specified (SDM vol. 2, DPPS)
 *   - whatever may raise an unmasked exception (MODE_SIMD_TRAPS)
 *   - MXCSR itself, MASKMOVDQU, MASKMOVQ, and conversions with an MMX operand
 *   - what the host has not
 *   - memory operands that should be aligned and are not: #GP, which the host must never see
 *
 * MMX registers are those of the host's x87 unit, so MMX instructions are translated in units that have the
 * x87 state (x87_state.c): entering MMX state is the host's doing, too.
 *
 * Non-temporal loads and stores are plain ones: what they store is soon read by an emulated device or by the
 * interpreter. */
#include "binxlate/x64/x64.h"

#include "cpu/operand.h"

enum { REX_W = 8, REX_R = 4, REX_B = 1, VECTOR_BYTES = 16 };

/* ---- What is translated ---- */

static bool is_left_out(const struct translator *t, const struct insn *insn)
{
    static exec_fn *const left[] = {exec_rcpps, exec_rcpss,   exec_rsqrtps, exec_rsqrtss,   exec_dpps,
                                    exec_dppd,  exec_ldmxcsr, exec_stmxcsr, exec_maskmovdqu};
    if (!x64_host_has(t, insn))
        return true;
    for (unsigned i = 0; i < ARRAY_LEN(left); i++)
        if (insn->exec == left[i])
            return true;
    for (unsigned n = 0; n < ARRAY_LEN(insn->op); n++)
        if (insn->op[n].kind == OPK_MMX)
            return true;
    return false;
}

static bool is_floating(const struct insn *insn)
{
    enum cost_class cost = insn_rows[insn->row].cost;
    return cost == COST_SIMD_FADD || cost == COST_SIMD_FMUL || cost == COST_SIMD_FDIV;
}

/* ---- Operands ---- */

static const struct operand *operand_of(const struct insn *insn, enum operand_kind kind)
{
    for (unsigned n = 0; n < ARRAY_LEN(insn->op); n++)
        if (insn->op[n].kind == kind)
            return &insn->op[n];
    return NULL;
}

/* In ModRM.reg, not ModRM.rm? */
static bool is_in_reg(const struct insn *insn, const struct operand *op)
{
    enum operand_code code = insn_rows[insn->row].operand[op - insn->op];
    return code == OC_Gd || code == OC_Gy;
}

static bool wants_alignment(const struct insn *insn, const struct operand *mem)
{
    return mem->size >= VECTOR_BYTES && (insn_attr(insn) & ATTR_UNALIGNED) == 0;
}

static struct x64_mem probe(struct x64_unit *x, const struct operand *mem)
{
    enum access access = mem == &x->insn->op[0] ? ACCESS_WRITE : ACCESS_READ;
    if (wants_alignment(x->insn, mem))
        return x64_operand_aligned(x, x->insn, mem->size, access);
    return x64_operand(x, x->insn, mem->size, access);
}

/* ---- Vector registers in the host ---- */

/* movzx ecx, away; jrcxz past; lea t1, past; jmp thunk; past: */
static void want(struct x64_unit *x, struct x64_mem away, uint32_t thunk)
{
    struct x64_asm *a = &x->a;
    x64_rm(a, OP_0F | 0xB6, 4, X_TEST, away);
    uint8_t *here = x64_jrcxz8(a);
    uint8_t *back = x64_lea_rip(a, X_T1);
    uint8_t *jump = x64_jmp32(a);
    x64_aim32(a, jump, x->t->code.write + thunk);
    x64_here8(a, here);
    x64_here32(a, back);
}

void x64_want_vectors(struct x64_unit *x)
{
    if (!x->unit->vectors)
        want(x, FRAME_FIELD(vectors_away), x->t->load_vectors);
    x->unit->vectors = true;
}

void x64_want_wide(struct x64_unit *x)
{
    if (!x->unit->wide)
        want(x, FRAME_FIELD(uppers_away), x->t->load_wide);
    x->unit->vectors = x->unit->wide = true;
}

/* ---- The instruction ---- */

static unsigned plain_opcode(const struct insn *insn)
{
    unsigned op = x64_opcode(insn);
    switch (op) {
    case OP_0F | 0xE7: return OP_0F | 0x7F;                   /* movntq: movq */
    case OP_0F | 0x2B: return OP_0F | 0x29;                   /* movntps: movaps */
    case OP_66 | OP_0F | 0x2B: return OP_66 | OP_0F | 0x29;   /* movntpd: movapd */
    case OP_66 | OP_0F | 0xE7: return OP_66 | OP_0F | 0x7F;   /* movntdq: movdqa */
    case OP_66 | OP_0F38 | 0x2A: return OP_66 | OP_0F | 0x6F; /* movntdqa: movdqa */
    default: return op;
    }
}

static bool can_access(const struct x64_unit *x)
{
    return operand_of(x->insn, OPK_MEM) == NULL || x64_can_access(x, x->insn);
}

bool x64_vector_can(const struct x64_unit *x)
{
    const struct insn *insn = x->insn;
    if (is_left_out(x->t, insn) || !can_access(x))
        return false;
    return !is_floating(insn) || ((x->block->mode & MODE_SIMD_TRAPS) == 0 && x64_vector_alike(x->t, insn));
}

/* Opcode and operands; `mem` is NULL for the form with registers only. */
static void encode(struct x64_unit *x, unsigned reg, unsigned rm, const struct x64_mem *mem)
{
    const struct insn *insn = x->insn;
    struct x64_asm *a = &x->a;
    unsigned op = plain_opcode(insn), size = (insn->rex & REX_W) != 0 ? 8 : 4;
    if ((insn->prefixes & PREFIX_VEX) != 0 && mem != NULL)
        x64_vex_rm(a, x64_vex_of(insn, op), reg, *mem);
    else if ((insn->prefixes & PREFIX_VEX) != 0)
        x64_vex_rr(a, x64_vex_of(insn, op), reg, rm);
    else if (mem != NULL)
        x64_rm(a, op, size, reg, *mem);
    else
        x64_rr(a, op, size, reg, rm);
    if (operand_of(insn, OPK_IMM) != NULL)
        x64_imm(a, insn->imm, 1);
}

void x64_vector_rewrite(struct x64_unit *x)
{
    const struct insn *insn = x->insn;
    const struct operand *mem = operand_of(insn, OPK_MEM), *gpr = operand_of(insn, OPK_GPR);
    unsigned reg = (insn->modrm >> 3 & 7) | (insn->rex & REX_R) << 1;
    unsigned rm = (insn->modrm & 7) | (insn->rex & REX_B) << 3;
    struct x64_mem at = {0};
    if (mem != NULL)
        at = probe(x, mem);
    unsigned host = X_NONE;
    if (gpr != NULL) {
        host = gpr == &insn->op[0] && x64_home(gpr->reg) == X_NONE ? X_TEST : x64_use(x, gpr->reg, X_TEST);
        *(is_in_reg(insn, gpr) ? &reg : &rm) = host;
    }
    encode(x, reg, rm, mem != NULL ? &at : NULL);
    if (gpr == &insn->op[0])
        x64_keep(x, gpr->reg, host);
    if (insn->exec == exec_pcmpestri || insn->exec == exec_pcmpistri)
        x64_keep(x, RCX, X_RCX);
}

bool x64_lower_sse(struct x64_unit *x)
{
    if (!path_on(x->t, PATH_SSE) || !x64_vector_can(x))
        return false;
    x64_want_vectors(x);
    x64_vector_rewrite(x);
    return true;
}

bool x64_lower_mmx(struct x64_unit *x)
{
    const struct insn *insn = x->insn;
    if (!path_on(x->t, PATH_SSE) || !x64_host_has(x->t, insn) || insn->exec == exec_maskmovq ||
        !can_access(x))
        return false;
    if (insn->exec == exec_emms) {
        x64_emms(&x->a);
        return true;
    }
    if ((insn_attr(insn) & ATTR_SSE) != 0) /* MOVQ2DQ, MOVDQ2Q */
        x64_want_vectors(x);
    x64_vector_rewrite(x);
    return true;
}
