/* FMA and F16C (SDM vol. 1, 14.4-14.5; vol. 2, VFMADD... and VCVTPH2PS, VCVTPS2PH).
 *
 * The opcodes of FMA are a grid: the high digit says which operand is which, the low one the operation.
 *
 *   9x  132: destination = destination * third + second        x6 addsub   x7 subadd   (packed)
 *   Ax  213: destination = second * destination + third        x8, x9 add   xA, xB sub
 *   Bx  231: destination = second * third + destination        xC, xD negated product, add   xE, xF sub
 *
 * The second operand is in VEX.vvvv, the third the memory operand. Of several NaNs the one that stands first
 * in these products is the result. */
#include "cpu/sse.h"

/* Which of destination, second and third operand are a, b and c of a * b + c. */
struct roles {
    uint8_t a, b, c;
};

static struct roles operand_roles(const struct insn *insn)
{
    static const struct roles roles[] = {{0, 2, 1}, {1, 0, 2}, {1, 2, 0}};
    return roles[((insn->opcode >> 4) - 9u) % 3];
}

/* Signs for element i. ADDSUB subtracts in the even ones. */
static ALWAYS_INLINE enum fp_fma_sign element_signs(unsigned operation, unsigned i)
{
    switch (operation) {
    case 0x6: return i & 1 ? FP_NEGATE_NONE : FP_NEGATE_ADDEND;
    case 0x7: return i & 1 ? FP_NEGATE_ADDEND : FP_NEGATE_NONE;
    default:
        return (operation >> 2 & 1 ? FP_NEGATE_PRODUCT : 0) | (operation >> 1 & 1 ? FP_NEGATE_ADDEND : 0);
    }
}

/* Elements of `size` bytes. The rest of a scalar's destination stays. */
static ALWAYS_INLINE enum exec fused(struct cpu *cpu, const struct insn *insn, unsigned size)
{
    struct roles role = operand_roles(insn);
    union simd256 v[3], r;
    memcpy(&v[0], cpu->s.vec[insn->op[0].reg].q, sizeof v[0]);
    v[1] = simd_source256(cpu, insn);
    if (!simd_read256(cpu, insn, 1, &v[2]))
        return EXEC_FAULT;
    struct fp_env env = sse_env(cpu);
    r = v[0];
    for (unsigned i = 0; i < insn->op[0].size / size; i++) {
        enum fp_fma_sign signs = element_signs(insn->opcode & 15, i);
        if (size == 4)
            r.u32[i] = f32_fma(&env, v[role.a].u32[i], v[role.b].u32[i], v[role.c].u32[i], signs);
        else
            r.u64[i] = f64_fma(&env, v[role.a].u64[i], v[role.b].u64[i], v[role.c].u64[i], signs);
    }
    return sse_commit(cpu, insn, &env, &r);
}

enum exec exec_fma32(struct cpu *cpu, const struct insn *insn)
{
    return fused(cpu, insn, 4);
}

enum exec exec_fma64(struct cpu *cpu, const struct insn *insn)
{
    return fused(cpu, insn, 8);
}

/* ---- Half precision: 8-byte operands are not checked for alignment ---- */

enum exec exec_cvtph2ps(struct cpu *cpu, const struct insn *insn)
{
    union simd b;
    union simd256 r;
    bool ok = insn->op[1].kind == OPK_MEM && insn->op[1].size == 8
                  ? simd_element_read(cpu, insn->seg, insn_ea(cpu, insn), 8, &b.u64[0])
                  : simd_read(cpu, insn, 1, &b);
    if (!ok)
        return EXEC_FAULT;
    struct fp_env env = sse_env(cpu);
    for (unsigned i = 0; i < 4 * simd_lanes(insn); i++)
        r.u32[i] = f16_to_f32(&env, b.u16[i]);
    return sse_commit(cpu, insn, &env, &r);
}

static bool store_halves(struct cpu *cpu, const struct insn *insn, const union simd *value)
{
    if (insn->op[0].size == 8)
        return simd_element_write(cpu, insn->seg, insn_ea(cpu, insn), 8, value->u64[0]);
    return operand_write_vec(cpu, insn, 0, value->u64);
}

/* Immediate: bits 1..0 rounding mode, bit 2 take MXCSR's. Floating-point exceptions come, and enter MXCSR,
 * before the faults of a store. */
enum exec exec_cvtps2ph(struct cpu *cpu, const struct insn *insn)
{
    union simd256 b;
    union simd r = {.u64 = {0, 0}};
    if (!simd_read256(cpu, insn, 1, &b))
        return EXEC_FAULT;
    struct fp_env env = sse_env(cpu);
    env.flush_to_zero = false;
    if (!(insn->imm & 4))
        env.rounding = insn->imm & 3;
    for (unsigned i = 0; i < insn->op[1].size / 4u; i++)
        r.u16[i] = f32_to_f16(&env, b.u32[i]);
    if (!sse_raise(cpu, &env))
        return EXEC_FAULT;
    if (insn->op[0].kind == OPK_MEM)
        return store_halves(cpu, insn, &r) ? EXEC_NEXT : EXEC_FAULT;
    simd_commit(cpu, insn, r);
    return EXEC_NEXT;
}
