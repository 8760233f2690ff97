/* What MMX, SSE and AVX handlers share: the value of a vector operand, and the drivers that fetch operands,
 * call a function over whole vectors and commit. Private to cpu/.
 *
 * One function serves both register files: it works on `bytes` bytes, 8 for MMX and 16 for XMM, and the
 * drivers are inlined with `bytes` constant, so loops over elements have constant trip counts and the host
 * compiler turns them into its own vector code. VEX.256 forms do to each 128-bit lane what the legacy form
 * does to an XMM register, so the same function runs twice.
 *
 * Legacy forms keep the upper half of a YMM register they write, VEX forms clear what they do not write (SDM
 * vol. 1, 14.1.5). The first source of an operation is the register insn->source, which for legacy forms is
 * the destination.
 *
 * MMX register n is the significand of physical x87 register n (SDM vol. 1, 9.2.2). Every MMX instruction
 * first waits for a pending x87 exception, and when it commits sets TOP to 0 and all tags to valid (9.5.1);
 * a written register gets an exponent of ones. */
#ifndef CROSSPAGE_CPU_SIMD_H
#define CROSSPAGE_CPU_SIMD_H

#include "cpu/exec.h"

/* Lane i of a vector is element i of the array of its type, on a little-endian host. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "lanes are in memory order");

union simd {
    uint8_t u8[16];
    int8_t s8[16];
    uint16_t u16[8];
    int16_t s16[8];
    uint32_t u32[4];
    int32_t s32[4];
    uint64_t u64[2];
    int64_t s64[2];
};

/* A whole register. */
union simd256 {
    union simd lane[2];
    uint8_t u8[32];
    int8_t s8[32];
    uint16_t u16[16];
    uint32_t u32[8];
    int32_t s32[8];
    uint64_t u64[4];
    int64_t s64[4];
};

enum { MMX_BYTES = 8, XMM_BYTES = 16, YMM_BYTES = 32, X87_STATUS_TOP = 7 << 11 };

static ALWAYS_INLINE union simd *simd_xmm(struct cpu *cpu, unsigned reg)
{
    return (union simd *)(void *)&cpu->s.vec[reg];
}

/* ---- MMX registers ---- */

static ALWAYS_INLINE void mmx_enter(struct cpu *cpu)
{
    cpu->s.x87.valid = 0xFF;
    cpu->s.x87.status &= (uint16_t)~X87_STATUS_TOP;
}

static ALWAYS_INLINE void mmx_set(struct cpu *cpu, unsigned reg, uint64_t value)
{
    mmx_enter(cpu);
    cpu->s.x87.significand[reg & 7] = value;
    cpu->s.x87.sign_exp[reg & 7] = 0xFFFF;
}

/* ---- Operands ---- */

/* Operand n as a vector: a register entirely, memory (of the operand's size) with zeroes above it. */
static ALWAYS_INLINE bool simd_read(struct cpu *cpu, const struct insn *insn, unsigned n, union simd *value)
{
    const struct operand *op = &insn->op[n];
    if (op->kind == OPK_XMM) {
        *value = *simd_xmm(cpu, op->reg);
        return true;
    }
    value->u64[1] = 0;
    if (op->kind == OPK_MMX) {
        value->u64[0] = cpu->s.x87.significand[op->reg & 7];
        return true;
    }
    if (op->size == XMM_BYTES)
        return operand_read_vec(cpu, insn, n, value->u64);
    return mem_read(cpu, insn->seg, insn_ea(cpu, insn), op->size, &value->u64[0]);
}

/* mem_read() and mem_write() for instructions that never check alignment (cpu/exec_avx_mask.c). */
bool simd_element_read(struct cpu *cpu, unsigned seg, uint64_t offset, unsigned size,
                       uint64_t *value) MUST_CHECK;
bool simd_element_write(struct cpu *cpu, unsigned seg, uint64_t offset, unsigned size,
                        uint64_t value) MUST_CHECK;

/* The same where the operand may have 32 bytes. */
static ALWAYS_INLINE bool simd_read256(struct cpu *cpu, const struct insn *insn, unsigned n,
                                       union simd256 *value)
{
    if (insn->op[n].size == YMM_BYTES)
        return operand_read_vec(cpu, insn, n, value->u64);
    value->lane[1] = (union simd){.u64 = {0, 0}};
    return simd_read(cpu, insn, n, &value->lane[0]);
}

static ALWAYS_INLINE union simd simd_source(const struct cpu *cpu, const struct insn *insn)
{
    return (union simd){.u64 = {cpu->s.vec[insn->source].q[0], cpu->s.vec[insn->source].q[1]}};
}

static ALWAYS_INLINE union simd256 simd_source256(const struct cpu *cpu, const struct insn *insn)
{
    union simd256 value;
    memcpy(&value, cpu->s.vec[insn->source].q, sizeof value);
    return value;
}

/* 128-bit lanes of the destination. */
static ALWAYS_INLINE unsigned simd_lanes(const struct insn *insn)
{
    return insn->op[0].size == YMM_BYTES ? 2 : 1;
}

/* Write the destination, an XMM or YMM register. */
static ALWAYS_INLINE void simd_commit256(struct cpu *cpu, const struct insn *insn, const union simd256 *value)
{
    uint64_t *q = cpu->s.vec[insn->op[0].reg].q;
    q[0] = value->u64[0];
    q[1] = value->u64[1];
    if (insn->prefixes & PREFIX_VEX) {
        bool wide = insn->op[0].size == YMM_BYTES;
        q[2] = wide ? value->u64[2] : 0;
        q[3] = wide ? value->u64[3] : 0;
    }
}

/* Write the destination, an XMM register. */
static ALWAYS_INLINE void simd_commit(struct cpu *cpu, const struct insn *insn, union simd value)
{
    uint64_t *q = cpu->s.vec[insn->op[0].reg].q;
    q[0] = value.u64[0];
    q[1] = value.u64[1];
    if (insn->prefixes & PREFIX_VEX)
        q[2] = q[3] = 0;
}

/* ---- Drivers ---- */

/* a: first source, then destination; b: source; imm: the immediate byte of rows that have one. */
typedef void simd_fn(union simd *a, const union simd *b, unsigned bytes, unsigned imm);

/* op0 = fn(source, op1) for rows that have no MMX form. The upper lane has the immediate's bits from
 * `imm_step` on. */
static ALWAYS_INLINE enum exec simd_apply_lanes(struct cpu *cpu, const struct insn *insn, simd_fn *fn,
                                                unsigned imm_step)
{
    union simd256 b;
    if (!simd_read256(cpu, insn, 1, &b))
        return EXEC_FAULT;
    union simd256 a = simd_source256(cpu, insn);
    unsigned imm = (uint8_t)insn->imm;
    for (unsigned i = 0; i < simd_lanes(insn); i++, imm >>= imm_step)
        fn(&a.lane[i], &b.lane[i], XMM_BYTES, imm);
    simd_commit256(cpu, insn, &a);
    return EXEC_NEXT;
}

static ALWAYS_INLINE enum exec simd_apply_xmm(struct cpu *cpu, const struct insn *insn, simd_fn *fn)
{
    return simd_apply_lanes(cpu, insn, fn, 0);
}

/* op0 = fn(source, op1), all MMX or all XMM. */
static ALWAYS_INLINE enum exec simd_apply(struct cpu *cpu, const struct insn *insn, simd_fn *fn)
{
    if (insn->op[0].kind != OPK_MMX)
        return simd_apply_xmm(cpu, insn, fn);
    union simd b;
    if (!x87_wait(cpu))
        return x87_stall(cpu);
    if (!simd_read(cpu, insn, 1, &b))
        return EXEC_FAULT;
    union simd a = {.u64 = {cpu->s.x87.significand[insn->op[0].reg & 7], 0}};
    fn(&a, &b, MMX_BYTES, (uint8_t)insn->imm);
    mmx_set(cpu, insn->op[0].reg, a.u64[0]);
    return EXEC_NEXT;
}

/* ---- One element ---- */

/* Results wider than their lane are stored by one of these. */
static ALWAYS_INLINE int64_t lane_wrap(int64_t v)
{
    return v;
}

static ALWAYS_INLINE int64_t lane_clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

static ALWAYS_INLINE int64_t lane_sat_s8(int64_t v)
{
    return lane_clamp(v, INT8_MIN, INT8_MAX);
}

static ALWAYS_INLINE int64_t lane_sat_u8(int64_t v)
{
    return lane_clamp(v, 0, UINT8_MAX);
}

static ALWAYS_INLINE int64_t lane_sat_s16(int64_t v)
{
    return lane_clamp(v, INT16_MIN, INT16_MAX);
}

static ALWAYS_INLINE int64_t lane_sat_u16(int64_t v)
{
    return lane_clamp(v, 0, UINT16_MAX);
}

/* Operations on two lanes, sign- or zero-extended from their type. 64-bit ones wrap. */
static ALWAYS_INLINE int64_t lane_add(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static ALWAYS_INLINE int64_t lane_sub(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

static ALWAYS_INLINE int64_t lane_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static ALWAYS_INLINE int64_t lane_max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static ALWAYS_INLINE int64_t lane_average(int64_t a, int64_t b)
{
    return (a + b + 1) >> 1;
}

static ALWAYS_INLINE int64_t lane_equal(int64_t a, int64_t b)
{
    return -(int64_t)(a == b);
}

static ALWAYS_INLINE int64_t lane_greater(int64_t a, int64_t b)
{
    return -(int64_t)(a > b);
}

static ALWAYS_INLINE int64_t lane_and(int64_t a, int64_t b)
{
    return a & b;
}

static ALWAYS_INLINE int64_t lane_andn(int64_t a, int64_t b)
{
    return ~a & b;
}

static ALWAYS_INLINE int64_t lane_or(int64_t a, int64_t b)
{
    return a | b;
}

static ALWAYS_INLINE int64_t lane_xor(int64_t a, int64_t b)
{
    return a ^ b;
}

static ALWAYS_INLINE int64_t lane_mul(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a * (uint64_t)b);
}

/* High half of the product of 16-bit lanes. */
static ALWAYS_INLINE int64_t lane_mul_high(int64_t a, int64_t b)
{
    return (a * b) >> 16;
}

/* PMULHRSW: product of 1.15 fixed-point numbers, rounded. */
static ALWAYS_INLINE int64_t lane_mul_round(int64_t a, int64_t b)
{
    return (((a * b) >> 14) + 1) >> 1;
}

/* PMULUDQ, PMULDQ: 64-bit product of the low halves of 64-bit lanes. */
static ALWAYS_INLINE int64_t lane_mul_low_u32(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)(uint32_t)a * (uint32_t)b);
}

static ALWAYS_INLINE int64_t lane_mul_low_s32(int64_t a, int64_t b)
{
    return (int64_t)(int32_t)a * (int32_t)b;
}

/* PSIGN: a negated, cleared or kept by the sign of b. */
static ALWAYS_INLINE int64_t lane_sign(int64_t a, int64_t b)
{
    return b < 0 ? -a : b == 0 ? 0 : a;
}

/* PABS: of the source; the destination before does not matter. */
static ALWAYS_INLINE int64_t lane_abs(int64_t a, int64_t b)
{
    (void)a;
    return b < 0 ? -b : b;
}

#endif
