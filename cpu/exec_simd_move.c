/* Moves between memory, general, MMX and XMM registers, EMMS, and the masked and non-temporal stores (SDM
 * vol. 2). Non-temporal hints have no effect here: stores are ordinary.
 *
 * Rows share a handler when they move the same bytes: MOVAPS, MOVDQU, MOVNTPS, LDDQU... are exec_mov_vec, the
 * direction and the alignment rule are in the row.
 *
 * Invariant: for MMX the x87 state changes (mmx_enter) only after the last access that can fault. */
#include "cpu/simd.h"

/* ---- Whole registers ---- */

/* XMM, YMM or memory, all 16 or 32 bytes, either way. */
enum exec exec_mov_vec(struct cpu *cpu, const struct insn *insn)
{
    union simd256 value;
    if (!simd_read256(cpu, insn, 1, &value))
        return EXEC_FAULT;
    if (insn->op[0].kind == OPK_XMM)
        simd_commit256(cpu, insn, &value);
    else if (!operand_write_vec(cpu, insn, 0, value.u64))
        return EXEC_FAULT;
    return EXEC_NEXT;
}

/* MOVQ and MOVNTQ between MMX registers and memory. */
enum exec exec_movq_mmx(struct cpu *cpu, const struct insn *insn)
{
    union simd value;
    if (!x87_wait(cpu))
        return x87_stall(cpu);
    if (!simd_read(cpu, insn, 1, &value))
        return EXEC_FAULT;
    if (insn->op[0].kind == OPK_MMX) {
        mmx_set(cpu, insn->op[0].reg, value.u64[0]);
        return EXEC_NEXT;
    }
    if (!mem_write(cpu, insn->seg, insn_ea(cpu, insn), 8, value.u64[0]))
        return EXEC_FAULT;
    mmx_enter(cpu);
    return EXEC_NEXT;
}

/* ---- Parts of a register ---- */

/* MOVSS, MOVSD, and the stores of MOVLPS, MOVLPD: above the element a register destination is cleared when it
 * comes from memory, and is the first source when it comes from a register. */
enum exec exec_mov_scalar(struct cpu *cpu, const struct insn *insn)
{
    union simd value;
    if (!simd_read(cpu, insn, 1, &value))
        return EXEC_FAULT;
    if (insn->op[0].kind == OPK_MEM)
        return mem_write(cpu, insn->seg, insn_ea(cpu, insn), insn->op[0].size, value.u64[0]) ? EXEC_NEXT
                                                                                             : EXEC_FAULT;
    union simd to = simd_source(cpu, insn);
    if (insn->op[1].kind == OPK_MEM)
        to = value;
    else if (insn->op[0].size == 4)
        to.u32[0] = value.u32[0];
    else
        to.u64[0] = value.u64[0];
    simd_commit(cpu, insn, to);
    return EXEC_NEXT;
}

/* MOVQ of XMM: clears the upper half also between registers. */
enum exec exec_movq_xmm(struct cpu *cpu, const struct insn *insn)
{
    union simd value;
    if (!simd_read(cpu, insn, 1, &value))
        return EXEC_FAULT;
    if (insn->op[0].kind == OPK_MEM)
        return mem_write(cpu, insn->seg, insn_ea(cpu, insn), 8, value.u64[0]) ? EXEC_NEXT : EXEC_FAULT;
    simd_commit(cpu, insn, (union simd){.u64 = {value.u64[0], 0}});
    return EXEC_NEXT;
}

/* MOVLPS, MOVLPD from memory. */
enum exec exec_mov_low(struct cpu *cpu, const struct insn *insn)
{
    union simd value;
    if (!simd_read(cpu, insn, 1, &value))
        return EXEC_FAULT;
    simd_commit(cpu, insn, (union simd){.u64 = {value.u64[0], simd_source(cpu, insn).u64[1]}});
    return EXEC_NEXT;
}

/* MOVHPS, MOVHPD from memory, and MOVLHPS. */
enum exec exec_mov_high(struct cpu *cpu, const struct insn *insn)
{
    union simd value;
    if (!simd_read(cpu, insn, 1, &value))
        return EXEC_FAULT;
    simd_commit(cpu, insn, (union simd){.u64 = {simd_source(cpu, insn).u64[0], value.u64[0]}});
    return EXEC_NEXT;
}

/* MOVHPS, MOVHPD to memory. */
enum exec exec_mov_high_store(struct cpu *cpu, const struct insn *insn)
{
    uint64_t value = simd_xmm(cpu, insn->op[1].reg)->u64[1];
    return mem_write(cpu, insn->seg, insn_ea(cpu, insn), 8, value) ? EXEC_NEXT : EXEC_FAULT;
}

enum exec exec_movhlps(struct cpu *cpu, const struct insn *insn)
{
    uint64_t low = simd_xmm(cpu, insn->op[1].reg)->u64[1];
    simd_commit(cpu, insn, (union simd){.u64 = {low, simd_source(cpu, insn).u64[1]}});
    return EXEC_NEXT;
}

static ALWAYS_INLINE void duplicate_double(union simd *a, const union simd *b, unsigned bytes, unsigned imm)
{
    (void)bytes, (void)imm;
    a->u64[0] = a->u64[1] = b->u64[0];
}

static ALWAYS_INLINE void duplicate_even(union simd *a, const union simd *b, unsigned bytes, unsigned imm)
{
    (void)bytes, (void)imm;
    a->u32[0] = a->u32[1] = b->u32[0];
    a->u32[2] = a->u32[3] = b->u32[2];
}

static ALWAYS_INLINE void duplicate_odd(union simd *a, const union simd *b, unsigned bytes, unsigned imm)
{
    (void)bytes, (void)imm;
    a->u32[0] = a->u32[1] = b->u32[1];
    a->u32[2] = a->u32[3] = b->u32[3];
}

enum exec exec_movddup(struct cpu *cpu, const struct insn *insn)
{
    return simd_apply_xmm(cpu, insn, duplicate_double);
}

enum exec exec_movsldup(struct cpu *cpu, const struct insn *insn)
{
    return simd_apply_xmm(cpu, insn, duplicate_even);
}

enum exec exec_movshdup(struct cpu *cpu, const struct insn *insn)
{
    return simd_apply_xmm(cpu, insn, duplicate_odd);
}

/* ---- Between register files ---- */

/* MOVD, MOVQ from a general register or memory, zero-extended. */
enum exec exec_movd_load(struct cpu *cpu, const struct insn *insn)
{
    uint64_t value;
    bool mmx = insn->op[0].kind == OPK_MMX;
    if (mmx && !x87_wait(cpu))
        return x87_stall(cpu);
    if (!operand_read(cpu, insn, 1, &value))
        return EXEC_FAULT;
    if (mmx)
        mmx_set(cpu, insn->op[0].reg, value);
    else
        simd_commit(cpu, insn, (union simd){.u64 = {value, 0}});
    return EXEC_NEXT;
}

/* MOVD, MOVQ to a general register or memory. */
enum exec exec_movd_store(struct cpu *cpu, const struct insn *insn)
{
    union simd value;
    bool mmx = insn->op[1].kind == OPK_MMX;
    if (mmx && !x87_wait(cpu))
        return x87_stall(cpu);
    if (!simd_read(cpu, insn, 1, &value))
        return EXEC_FAULT;
    uint64_t low = insn->op[0].size == 4 ? value.u32[0] : value.u64[0];
    if (!operand_write(cpu, insn, 0, low))
        return EXEC_FAULT;
    if (mmx)
        mmx_enter(cpu);
    return EXEC_NEXT;
}

enum exec exec_movq2dq(struct cpu *cpu, const struct insn *insn)
{
    if (!x87_wait(cpu))
        return x87_stall(cpu);
    *simd_xmm(cpu, insn->op[0].reg) = (union simd){.u64 = {cpu->s.x87.significand[insn->op[1].reg & 7], 0}};
    mmx_enter(cpu);
    return EXEC_NEXT;
}

enum exec exec_movdq2q(struct cpu *cpu, const struct insn *insn)
{
    if (!x87_wait(cpu))
        return x87_stall(cpu);
    mmx_set(cpu, insn->op[0].reg, simd_xmm(cpu, insn->op[1].reg)->u64[0]);
    return EXEC_NEXT;
}

/* ---- Stores with a hint or a mask ---- */

enum exec exec_movnti(struct cpu *cpu, const struct insn *insn)
{
    uint64_t value;
    if (!operand_read(cpu, insn, 1, &value) || !operand_write(cpu, insn, 0, value))
        return EXEC_FAULT;
    return EXEC_NEXT;
}

/* Bytes of `value` whose mask byte is negative, to seg:[rDI]. All bytes must be writable, also those that are
 * not written; of two halves the upper one is checked first. (The SDM leaves it to the implementation whether
 * masked-out bytes fault; this is what the host CPU does.) */
static bool masked_store(struct cpu *cpu, const struct insn *insn, const union simd *value,
                         const union simd *mask, unsigned bytes)
{
    uint64_t limit = insn->addr_size == 8 ? UINT64_MAX : insn->addr_size == 4 ? UINT32_MAX : UINT16_MAX;
    uint64_t start = cpu->s.gpr[RDI];
    for (unsigned half = bytes / 8; half-- > 0;)
        if (!mem_check_write(cpu, insn->seg, (start + 8 * half) & limit, 8))
            return false;
    for (unsigned i = 0; i < bytes; i++)
        if (mask->s8[i] < 0 && !mem_write(cpu, insn->seg, (start + i) & limit, 1, value->u8[i]))
            return false;
    return true;
}

enum exec exec_maskmovdqu(struct cpu *cpu, const struct insn *insn)
{
    const union simd *value = simd_xmm(cpu, insn->op[0].reg), *mask = simd_xmm(cpu, insn->op[1].reg);
    return masked_store(cpu, insn, value, mask, XMM_BYTES) ? EXEC_NEXT : EXEC_FAULT;
}

enum exec exec_maskmovq(struct cpu *cpu, const struct insn *insn)
{
    if (!x87_wait(cpu))
        return x87_stall(cpu);
    union simd value = {.u64 = {cpu->s.x87.significand[insn->op[0].reg & 7], 0}};
    union simd mask = {.u64 = {cpu->s.x87.significand[insn->op[1].reg & 7], 0}};
    if (!masked_store(cpu, insn, &value, &mask, MMX_BYTES))
        return EXEC_FAULT;
    mmx_enter(cpu);
    return EXEC_NEXT;
}

/* ---- Leaving MMX ---- */

enum exec exec_emms(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    if (!x87_wait(cpu))
        return x87_stall(cpu);
    mmx_enter(cpu);
    cpu->s.x87.valid = 0;
    return EXEC_NEXT;
}
