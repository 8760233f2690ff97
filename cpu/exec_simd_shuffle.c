/* Vector instructions that move lanes about: shuffles, blends, byte shifts and alignment, insert and extract,
 * sign masks (MMX, SSE to SSE4.1; SDM vol. 2). Regular interleaving, packing and widening are in
 * exec_simd_element.c.
 *
 * Leaves out: what crosses 128-bit lanes or came with AVX (exec_avx_*.c).
 *
 * Invariant: a and b of a simd_fn are copies, so a result may be built in a only where no later lane needs
 * the old value; everything else goes through r. */
#include "cpu/simd.h"

/* ---- Shuffles ---- */

static ALWAYS_INLINE void shuffle_bytes(union simd *a, const union simd *b, unsigned bytes, unsigned imm)
{
    (void)imm;
    union simd r = {.u64 = {0}};
    for (unsigned i = 0; i < bytes; i++)
        r.u8[i] = b->u8[i] & 0x80 ? 0 : a->u8[b->u8[i] & (bytes - 1)];
    *a = r;
}

enum exec exec_pshufb(struct cpu *cpu, const struct insn *insn)
{
    return simd_apply(cpu, insn, shuffle_bytes);
}

/* PSHUFW and the halves of PSHUFLW, PSHUFHW: four words from `first` on, chosen by two bits each. */
static ALWAYS_INLINE void shuffle_words(union simd *a, const union simd *b, unsigned first, unsigned imm)
{
    union simd r = *b;
    for (unsigned i = 0; i < 4; i++)
        r.u16[first + i] = b->u16[first + (imm >> (2 * i) & 3)];
    *a = r;
}

static ALWAYS_INLINE void shuffle_low_words(union simd *a, const union simd *b, unsigned bytes, unsigned imm)
{
    (void)bytes;
    shuffle_words(a, b, 0, imm);
}

static ALWAYS_INLINE void shuffle_high_words(union simd *a, const union simd *b, unsigned bytes, unsigned imm)
{
    (void)bytes;
    shuffle_words(a, b, 4, imm);
}

enum exec exec_pshuflw(struct cpu *cpu, const struct insn *insn)
{
    return simd_apply(cpu, insn, shuffle_low_words); /* also PSHUFW */
}

enum exec exec_pshufhw(struct cpu *cpu, const struct insn *insn)
{
    return simd_apply_xmm(cpu, insn, shuffle_high_words);
}

static ALWAYS_INLINE void shuffle_dwords(union simd *a, const union simd *b, unsigned bytes, unsigned imm)
{
    (void)bytes;
    for (unsigned i = 0; i < 4; i++)
        a->u32[i] = b->u32[imm >> (2 * i) & 3];
}

enum exec exec_pshufd(struct cpu *cpu, const struct insn *insn)
{
    return simd_apply_xmm(cpu, insn, shuffle_dwords);
}

static ALWAYS_INLINE void shuffle_ps(union simd *a, const union simd *b, unsigned bytes, unsigned imm)
{
    (void)bytes;
    *a = (union simd){
        .u32 = {a->u32[imm & 3], a->u32[imm >> 2 & 3], b->u32[imm >> 4 & 3], b->u32[imm >> 6 & 3]}};
}

enum exec exec_shufps(struct cpu *cpu, const struct insn *insn)
{
    return simd_apply_xmm(cpu, insn, shuffle_ps);
}

static ALWAYS_INLINE void shuffle_pd(union simd *a, const union simd *b, unsigned bytes, unsigned imm)
{
    (void)bytes;
    *a = (union simd){.u64 = {a->u64[imm & 1], b->u64[imm >> 1 & 1]}};
}

enum exec exec_shufpd(struct cpu *cpu, const struct insn *insn)
{
    return simd_apply_lanes(cpu, insn, shuffle_pd, 2);
}

/* ---- Byte shifts of the whole register ---- */

/* a:b (a above) shifted right by imm bytes. */
static ALWAYS_INLINE void align_right(union simd *a, const union simd *b, unsigned bytes, unsigned imm)
{
    uint8_t pair[4 * XMM_BYTES] = {0};
    memcpy(pair, b, bytes);
    memcpy(pair + bytes, a, bytes);
    memcpy(a, pair + (imm < 2 * bytes ? imm : 2 * bytes), bytes);
}

enum exec exec_palignr(struct cpu *cpu, const struct insn *insn)
{
    return simd_apply(cpu, insn, align_right);
}

/* Each lane between two lanes of zeros, seen through a window that moves by the immediate. */
static ALWAYS_INLINE enum exec shift_bytes(struct cpu *cpu, const struct insn *insn, bool left)
{
    int count = (uint8_t)insn->imm < XMM_BYTES ? (uint8_t)insn->imm : XMM_BYTES;
    union simd256 a = simd_source256(cpu, insn);
    for (unsigned i = 0; i < simd_lanes(insn); i++) {
        uint8_t row[3 * XMM_BYTES] = {0};
        memcpy(row + XMM_BYTES, &a.lane[i], XMM_BYTES);
        memcpy(&a.lane[i], row + XMM_BYTES + (left ? -count : count), XMM_BYTES);
    }
    simd_commit256(cpu, insn, &a);
    return EXEC_NEXT;
}

enum exec exec_pslldq(struct cpu *cpu, const struct insn *insn)
{
    return shift_bytes(cpu, insn, true);
}

enum exec exec_psrldq(struct cpu *cpu, const struct insn *insn)
{
    return shift_bytes(cpu, insn, false);
}

/* ---- Blends: elements of b where the immediate or the sign in a mask register says so ---- */

static ALWAYS_INLINE void blend_words(union simd *a, const union simd *b, unsigned bytes, unsigned imm)
{
    (void)bytes;
    for (unsigned i = 0; i < 8; i++)
        a->u16[i] = imm >> i & 1 ? b->u16[i] : a->u16[i];
}

static ALWAYS_INLINE void blend_dwords(union simd *a, const union simd *b, unsigned bytes, unsigned imm)
{
    (void)bytes;
    for (unsigned i = 0; i < 4; i++)
        a->u32[i] = imm >> i & 1 ? b->u32[i] : a->u32[i];
}

static ALWAYS_INLINE void blend_qwords(union simd *a, const union simd *b, unsigned bytes, unsigned imm)
{
    (void)bytes;
    for (unsigned i = 0; i < 2; i++)
        a->u64[i] = imm >> i & 1 ? b->u64[i] : a->u64[i];
}

enum exec exec_pblendw(struct cpu *cpu, const struct insn *insn)
{
    return simd_apply_xmm(cpu, insn, blend_words);
}

enum exec exec_blendps(struct cpu *cpu, const struct insn *insn)
{
    return simd_apply_lanes(cpu, insn, blend_dwords, 4); /* also VPBLENDD */
}

enum exec exec_blendpd(struct cpu *cpu, const struct insn *insn)
{
    return simd_apply_lanes(cpu, insn, blend_qwords, 2);
}

/* Widens each element's sign in the mask to the element, then selects bits. The mask is XMM0, with VEX the
 * register in the immediate. */
static ALWAYS_INLINE enum exec blend_by_mask(struct cpu *cpu, const struct insn *insn, unsigned bytes)
{
    union simd256 a = simd_source256(cpu, insn), b, mask;
    if (!simd_read256(cpu, insn, 1, &b))
        return EXEC_FAULT;
    memcpy(&mask, cpu->s.vec[insn->prefixes & PREFIX_VEX ? insn->op[2].reg : 0].q, sizeof mask);
    for (unsigned i = 0; i < YMM_BYTES && bytes == 1; i++)
        mask.s8[i] = (int8_t)(mask.s8[i] < 0 ? -1 : 0);
    for (unsigned i = 0; i < YMM_BYTES / 4 && bytes == 4; i++)
        mask.s32[i] = mask.s32[i] < 0 ? -1 : 0;
    for (unsigned i = 0; i < YMM_BYTES / 8 && bytes == 8; i++)
        mask.s64[i] = mask.s64[i] < 0 ? -1 : 0;
    for (unsigned i = 0; i < YMM_BYTES / 8; i++)
        a.u64[i] = (a.u64[i] & ~mask.u64[i]) | (b.u64[i] & mask.u64[i]);
    simd_commit256(cpu, insn, &a);
    return EXEC_NEXT;
}

enum exec exec_pblendvb(struct cpu *cpu, const struct insn *insn)
{
    return blend_by_mask(cpu, insn, 1);
}

enum exec exec_blendvps(struct cpu *cpu, const struct insn *insn)
{
    return blend_by_mask(cpu, insn, 4);
}

enum exec exec_blendvpd(struct cpu *cpu, const struct insn *insn)
{
    return blend_by_mask(cpu, insn, 8);
}

/* ---- One lane in or out ---- */

enum exec exec_pinsrb(struct cpu *cpu, const struct insn *insn)
{
    uint64_t value;
    if (!operand_read(cpu, insn, 1, &value))
        return EXEC_FAULT;
    union simd a = simd_source(cpu, insn);
    a.u8[insn->imm & 15] = (uint8_t)value;
    simd_commit(cpu, insn, a);
    return EXEC_NEXT;
}

enum exec exec_pinsrw(struct cpu *cpu, const struct insn *insn)
{
    uint64_t value;
    bool mmx = insn->op[0].kind == OPK_MMX;
    if (mmx && !x87_wait(cpu))
        return x87_stall(cpu);
    if (!operand_read(cpu, insn, 1, &value))
        return EXEC_FAULT;
    if (mmx) {
        union simd a = {.u64 = {cpu->s.x87.significand[insn->op[0].reg & 7], 0}};
        a.u16[insn->imm & 3] = (uint16_t)value;
        mmx_set(cpu, insn->op[0].reg, a.u64[0]);
    } else {
        union simd a = simd_source(cpu, insn);
        a.u16[insn->imm & 7] = (uint16_t)value;
        simd_commit(cpu, insn, a);
    }
    return EXEC_NEXT;
}

/* PINSRD, and PINSRQ with REX.W. */
enum exec exec_pinsrd(struct cpu *cpu, const struct insn *insn)
{
    uint64_t value;
    if (!operand_read(cpu, insn, 1, &value))
        return EXEC_FAULT;
    union simd a = simd_source(cpu, insn);
    if (insn->op[1].size == 8)
        a.u64[insn->imm & 1] = value;
    else
        a.u32[insn->imm & 3] = (uint32_t)value;
    simd_commit(cpu, insn, a);
    return EXEC_NEXT;
}

enum exec exec_pextrb(struct cpu *cpu, const struct insn *insn)
{
    uint64_t value = simd_xmm(cpu, insn->op[1].reg)->u8[insn->imm & 15];
    return operand_write(cpu, insn, 0, value) ? EXEC_NEXT : EXEC_FAULT;
}

enum exec exec_pextrw(struct cpu *cpu, const struct insn *insn)
{
    if (insn->op[1].kind == OPK_XMM) {
        uint64_t value = simd_xmm(cpu, insn->op[1].reg)->u16[insn->imm & 7];
        return operand_write(cpu, insn, 0, value) ? EXEC_NEXT : EXEC_FAULT;
    }
    if (!x87_wait(cpu))
        return x87_stall(cpu);
    uint64_t value = cpu->s.x87.significand[insn->op[1].reg & 7] >> (16 * (insn->imm & 3));
    if (!operand_write(cpu, insn, 0, (uint16_t)value))
        return EXEC_FAULT;
    mmx_enter(cpu);
    return EXEC_NEXT;
}

/* PEXTRD and EXTRACTPS, and PEXTRQ with REX.W. */
enum exec exec_pextrd(struct cpu *cpu, const struct insn *insn)
{
    const union simd *b = simd_xmm(cpu, insn->op[1].reg);
    uint64_t value = insn->op[0].size == 8 ? b->u64[insn->imm & 1] : b->u32[insn->imm & 3];
    return operand_write(cpu, insn, 0, value) ? EXEC_NEXT : EXEC_FAULT;
}

/* Immediate: source lane 7..6 (registers only), destination lane 5..4, lanes to clear 3..0. */
enum exec exec_insertps(struct cpu *cpu, const struct insn *insn)
{
    union simd b;
    if (!simd_read(cpu, insn, 1, &b))
        return EXEC_FAULT;
    union simd a = simd_source(cpu, insn);
    unsigned from = insn->op[1].kind == OPK_XMM ? insn->imm >> 6 & 3 : 0;
    a.u32[insn->imm >> 4 & 3] = b.u32[from];
    for (unsigned i = 0; i < 4; i++)
        if (insn->imm >> i & 1)
            a.u32[i] = 0;
    simd_commit(cpu, insn, a);
    return EXEC_NEXT;
}

/* ---- Signs and tests ---- */

enum exec exec_pmovmskb(struct cpu *cpu, const struct insn *insn)
{
    union simd256 b;
    bool mmx = insn->op[1].kind == OPK_MMX;
    if (mmx && !x87_wait(cpu))
        return x87_stall(cpu);
    if (!simd_read256(cpu, insn, 1, &b))
        return EXEC_FAULT;
    uint64_t signs = 0;
    for (unsigned i = 0; i < YMM_BYTES; i++)
        signs |= (uint64_t)(b.u8[i] >> 7) << i;
    if (!operand_write(cpu, insn, 0, signs))
        return EXEC_FAULT;
    if (mmx)
        mmx_enter(cpu);
    return EXEC_NEXT;
}

enum exec exec_movmskps(struct cpu *cpu, const struct insn *insn)
{
    union simd256 b;
    uint64_t signs = 0;
    if (!simd_read256(cpu, insn, 1, &b))
        return EXEC_FAULT;
    for (unsigned i = 0; i < YMM_BYTES / 4; i++)
        signs |= (uint64_t)(b.u32[i] >> 31) << i;
    return operand_write(cpu, insn, 0, signs) ? EXEC_NEXT : EXEC_FAULT;
}

enum exec exec_movmskpd(struct cpu *cpu, const struct insn *insn)
{
    union simd256 b;
    uint64_t signs = 0;
    if (!simd_read256(cpu, insn, 1, &b))
        return EXEC_FAULT;
    for (unsigned i = 0; i < YMM_BYTES / 8; i++)
        signs |= b.u64[i] >> 63 << i;
    return operand_write(cpu, insn, 0, signs) ? EXEC_NEXT : EXEC_FAULT;
}

/* ZF: no bit of b is in a; CF: no bit of b is outside a. */
enum exec exec_ptest(struct cpu *cpu, const struct insn *insn)
{
    union simd256 b, a = simd_source256(cpu, insn);
    if (!simd_read256(cpu, insn, 1, &b))
        return EXEC_FAULT;
    uint64_t both = 0, only_b = 0;
    for (unsigned i = 0; i < 2 * simd_lanes(insn); i++) {
        both |= a.u64[i] & b.u64[i];
        only_b |= ~a.u64[i] & b.u64[i];
    }
    uint64_t flags = (both == 0 ? FLAG_ZF : 0) | (only_b == 0 ? FLAG_CF : 0);
    flags_write(cpu, flags, FLAGS_ARITH);
    return EXEC_NEXT;
}
