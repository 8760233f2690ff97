/* AVX and AVX2 instructions without legacy form: broadcast, insertion and extraction of 128-bit lanes,
 * permutation within and across them, VTEST, VZEROUPPER and VZEROALL (SDM vol. 2). Those that have one are
 * with it; masked accesses are in exec_avx_mask.c. */
#include "cpu/simd.h"

/* ---- Copies of one element ---- */

/* VBROADCASTx, VPBROADCASTx: the element has the size of the source operand. */
enum exec exec_broadcast(struct cpu *cpu, const struct insn *insn)
{
    union simd b;
    union simd256 r;
    unsigned size = insn->op[1].size;
    if (!simd_read(cpu, insn, 1, &b))
        return EXEC_FAULT;
    for (unsigned at = 0; at < YMM_BYTES; at += size)
        memcpy(r.u8 + at, b.u8, size);
    simd_commit256(cpu, insn, &r);
    return EXEC_NEXT;
}

/* ---- 128-bit lanes ---- */

enum exec exec_extract_lane(struct cpu *cpu, const struct insn *insn)
{
    union simd256 from;
    if (!simd_read256(cpu, insn, 1, &from))
        return EXEC_FAULT;
    union simd value = from.lane[insn->imm & 1];
    if (insn->op[0].kind == OPK_MEM)
        return operand_write_vec(cpu, insn, 0, value.u64) ? EXEC_NEXT : EXEC_FAULT;
    simd_commit(cpu, insn, value);
    return EXEC_NEXT;
}

enum exec exec_insert_lane(struct cpu *cpu, const struct insn *insn)
{
    union simd256 a = simd_source256(cpu, insn);
    union simd b;
    if (!simd_read(cpu, insn, 1, &b))
        return EXEC_FAULT;
    a.lane[insn->imm & 1] = b;
    simd_commit256(cpu, insn, &a);
    return EXEC_NEXT;
}

/* VPERM2F128, VPERM2I128: for each lane, bits 1..0 choose one of four and bit 3 clears it. */
enum exec exec_permute_lanes(struct cpu *cpu, const struct insn *insn)
{
    union simd256 from[2] = {simd_source256(cpu, insn)}, r;
    if (!simd_read256(cpu, insn, 1, &from[1]))
        return EXEC_FAULT;
    for (unsigned i = 0, imm = (uint8_t)insn->imm; i < 2; i++, imm >>= 4)
        r.lane[i] = imm & 8 ? (union simd){.u64 = {0, 0}} : from[imm >> 1 & 1].lane[imm & 1];
    simd_commit256(cpu, insn, &r);
    return EXEC_NEXT;
}

/* ---- Permutation within lanes ---- */

/* The control is the second operand. */
static ALWAYS_INLINE void permute_ps(union simd *a, const union simd *b, unsigned bytes, unsigned imm)
{
    (void)bytes, (void)imm;
    const union simd from = *a;
    for (unsigned i = 0; i < 4; i++)
        a->u32[i] = from.u32[b->u32[i] & 3];
}

static ALWAYS_INLINE void permute_pd(union simd *a, const union simd *b, unsigned bytes, unsigned imm)
{
    (void)bytes, (void)imm;
    const union simd from = *a;
    for (unsigned i = 0; i < 2; i++)
        a->u64[i] = from.u64[b->u64[i] >> 1 & 1];
}

/* The control is the immediate. */
static ALWAYS_INLINE void permute_ps_imm(union simd *a, const union simd *b, unsigned bytes, unsigned imm)
{
    (void)bytes;
    for (unsigned i = 0; i < 4; i++)
        a->u32[i] = b->u32[imm >> (2 * i) & 3];
}

static ALWAYS_INLINE void permute_pd_imm(union simd *a, const union simd *b, unsigned bytes, unsigned imm)
{
    (void)bytes;
    for (unsigned i = 0; i < 2; i++)
        a->u64[i] = b->u64[imm >> i & 1];
}

enum exec exec_permilps(struct cpu *cpu, const struct insn *insn)
{
    return simd_apply_xmm(cpu, insn, permute_ps);
}

enum exec exec_permilpd(struct cpu *cpu, const struct insn *insn)
{
    return simd_apply_xmm(cpu, insn, permute_pd);
}

enum exec exec_permilps_imm(struct cpu *cpu, const struct insn *insn)
{
    return simd_apply_xmm(cpu, insn, permute_ps_imm);
}

enum exec exec_permilpd_imm(struct cpu *cpu, const struct insn *insn)
{
    return simd_apply_lanes(cpu, insn, permute_pd_imm, 2);
}

/* ---- Permutation across lanes ---- */

/* VPERMD, VPERMPS: the indexes are the first source. */
enum exec exec_permd(struct cpu *cpu, const struct insn *insn)
{
    union simd256 index = simd_source256(cpu, insn), b, r;
    if (!simd_read256(cpu, insn, 1, &b))
        return EXEC_FAULT;
    for (unsigned i = 0; i < 8; i++)
        r.u32[i] = b.u32[index.u32[i] & 7];
    simd_commit256(cpu, insn, &r);
    return EXEC_NEXT;
}

/* VPERMQ, VPERMPD */
enum exec exec_permq(struct cpu *cpu, const struct insn *insn)
{
    union simd256 b, r;
    if (!simd_read256(cpu, insn, 1, &b))
        return EXEC_FAULT;
    for (unsigned i = 0; i < 4; i++)
        r.u64[i] = b.u64[insn->imm >> (2 * i) & 3];
    simd_commit256(cpu, insn, &r);
    return EXEC_NEXT;
}

/* ---- Tests of signs ---- */

/* As PTEST, of the bits in `signs` only. */
static ALWAYS_INLINE enum exec test_signs(struct cpu *cpu, const struct insn *insn, uint64_t signs)
{
    union simd256 a = simd_source256(cpu, insn), b;
    uint64_t both = 0, only_b = 0;
    if (!simd_read256(cpu, insn, 1, &b))
        return EXEC_FAULT;
    for (unsigned i = 0; i < 2 * simd_lanes(insn); i++) {
        both |= a.u64[i] & b.u64[i] & signs;
        only_b |= ~a.u64[i] & b.u64[i] & signs;
    }
    flags_write(cpu, (both == 0 ? FLAG_ZF : 0) | (only_b == 0 ? FLAG_CF : 0), FLAGS_ARITH);
    return EXEC_NEXT;
}

enum exec exec_testps(struct cpu *cpu, const struct insn *insn)
{
    return test_signs(cpu, insn, UINT64_C(0x8000000080000000));
}

enum exec exec_testpd(struct cpu *cpu, const struct insn *insn)
{
    return test_signs(cpu, insn, UINT64_C(0x8000000000000000));
}

/* ---- Clear registers: all sixteen in 64-bit mode, else the eight that can be named ---- */

enum exec exec_zeroupper(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    for (unsigned i = 0; i < (cpu->long64 ? 16 : 8); i++)
        cpu->s.vec[i].q[2] = cpu->s.vec[i].q[3] = 0;
    return EXEC_NEXT;
}

enum exec exec_zeroall(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    for (unsigned i = 0; i < (cpu->long64 ? 16 : 8); i++)
        cpu->s.vec[i] = (struct vector){{0}};
    return EXEC_NEXT;
}
