/* AVX, AVX2, FMA, F16C, and what else has a VEX prefix and vector operands: as SSE (lower_sse.c), with the
 * guest's YMM registers in the host's. VEX forms clear the part of a register that they do not write, so even
 * those of 128 bits want the upper halves in the host.
 *
 * Memory operands need no alignment but those of aligned moves. Masked moves are done here if all elements
 * could be accessed; else the interpreter looks which ones are. It also does, besides what it does of SSE,
 * gathers.
 *
 * XCR0 and CR0.TS are part of the CPU mode: where AVX is off, there are no such instructions in a block that
 * could be lowered (MODE_AVX_GUARD). */
#include "binxlate/x64/x64.h"

#include "cpu/operand.h"

/* ---- The VEX prefix ---- */

static bool is_vvvv(enum operand_code code)
{
    return code == OC_Hx || code == OC_Hdq || code == OC_Hq || code == OC_Hd;
}

/* VEX.L: something is 256 bits long in each instruction that has it set and is not left to the interpreter.
 */
static bool is_wide(const struct insn *insn)
{
    bool wide = false;
    for (unsigned n = 0; n < ARRAY_LEN(insn->op); n++)
        wide |= insn->op[n].size == 32;
    return wide;
}

/* Outside 64-bit mode the decoder drops VEX.W, which matters in rows that want it. */
static bool has_w(const struct insn *insn)
{
    enum { REX_W = 8 };
    enum insn_vex_w w = insn_rows[insn->row].vex_w;
    return w == W1 || (w == WIG && (insn->rex & REX_W) != 0);
}

bool x64_vex_has_vvvv(const struct insn *insn)
{
    bool has = false;
    for (unsigned n = 0; n < ARRAY_LEN(insn_rows[insn->row].operand); n++)
        has |= is_vvvv(insn_rows[insn->row].operand[n]);
    return has;
}

struct x64_vex x64_vex_of(const struct insn *insn, unsigned op)
{
    const struct insn_row *row = &insn_rows[insn->row];
    struct x64_vex vex = {.op = op, .w = has_w(insn), .is_wide = is_wide(insn)};
    if (x64_vex_has_vvvv(insn))
        vex.vvvv = is_vvvv(row->operand[0]) ? insn->op[0].reg : insn->source;
    return vex;
}

/* ---- Instructions ---- */

static bool is_gather(const struct insn *insn)
{
    return insn->exec == exec_gather_dd || insn->exec == exec_gather_dq || insn->exec == exec_gather_qd ||
           insn->exec == exec_gather_qq;
}

/* VZEROUPPER, VZEROALL. Outside 64-bit mode the guest has eight registers, and the others are to be kept:
 * vmovaps xmm, xmm or vpxor xmm, xmm, xmm for each of the eight. */
static void lower_zero(struct x64_unit *x)
{
    bool all = x->insn->exec == exec_zeroall;
    if (x->code == 8) {
        x64_vzero(&x->a, all);
        return;
    }
    for (uint8_t n = 0; n < 8; n++) {
        struct x64_vex move = {.op = OP_0F | 0x28}, clear = {.op = OP_66 | OP_0F | 0xEF, .vvvv = n};
        x64_vex_rr(&x->a, all ? clear : move, n, n);
    }
}

/* A register in the immediate: outside 64-bit mode its bit 7 does not count. */
static bool has_register_immediate(const struct insn *insn)
{
    return insn->exec == exec_blendvps || insn->exec == exec_blendvpd || insn->exec == exec_pblendvb;
}

/* It accesses the elements that its mask has, which modelled caches can tell from the whole. */
static bool has_mask(const struct insn *insn)
{
    return insn->exec == exec_mask_load32 || insn->exec == exec_mask_load64 ||
           insn->exec == exec_mask_store32 || insn->exec == exec_mask_store64;
}

bool x64_lower_avx(struct x64_unit *x)
{
    const struct insn *insn = x->insn;
    if (!path_on(x->t, PATH_AVX) || is_gather(insn) || !x64_vector_can(x))
        return false;
    if (x64_timed(x) && has_mask(insn))
        return false;
    x64_want_wide(x);
    if (insn->exec == exec_zeroupper || insn->exec == exec_zeroall) {
        lower_zero(x);
        return true;
    }
    x64_vector_rewrite(x);
    if (has_register_immediate(insn))
        x64_byte(&x->a, (uint8_t)(insn->op[2].reg << 4));
    return true;
}
