/* Vector integer instructions that do the same to every lane: arithmetic, compare, logic, shifts, pack,
 * unpack, widening (MMX, SSE2, SSSE3, SSE4.1, SSE4.2, AVX2; SDM vol. 2). The rows of cpu/simd.def are
 * expanded here, a family at a time: each row becomes a function over whole vectors and the handler around
 * it. ANDPS and its kin share PAND's handlers, UNPCKLPS and its kin PUNPCKLDQ's.
 *
 * Leaves out: anything with an immediate or an irregular data flow (exec_simd_shuffle.c), floating point.
 *
 * Invariant: the loops read a lane before they write it, and write through a local result where data moves
 * between lanes, because a and b may come from the same register. */
#include "cpu/simd.h"

/* ---- Shift counts ----
 * A logical shift by the lane width or more gives 0, an arithmetic one the sign; the count is 64 bits. */

static ALWAYS_INLINE int64_t lane_left(int64_t v, uint64_t count, unsigned width)
{
    return count < width ? (int64_t)((uint64_t)v << count) : 0;
}

static ALWAYS_INLINE int64_t lane_right(int64_t v, uint64_t count, unsigned width)
{
    return count < width ? (int64_t)((uint64_t)v >> count) : 0;
}

static ALWAYS_INLINE int64_t lane_right_signed(int64_t v, uint64_t count, unsigned width)
{
    return v >> (count < width ? count : width - 1);
}

/* A shift's last operand is a vector of 16 bytes whose low quadword counts, or an immediate. */
static ALWAYS_INLINE enum exec simd_shift(struct cpu *cpu, const struct insn *insn, simd_fn *fn)
{
    union simd count = {.u64 = {(uint8_t)insn->imm, 0}};
    bool immediate = insn->op[1].kind == OPK_IMM || insn->op[2].kind == OPK_IMM;
    bool mmx = insn->op[0].kind == OPK_MMX;
    if (mmx && !x87_wait(cpu))
        return x87_stall(cpu);
    if (!immediate && !simd_read(cpu, insn, 1, &count))
        return EXEC_FAULT;
    if (mmx) {
        union simd a = {.u64 = {cpu->s.x87.significand[insn->op[0].reg & 7], 0}};
        fn(&a, &count, MMX_BYTES, 0);
        mmx_set(cpu, insn->op[0].reg, a.u64[0]);
    } else {
        union simd256 a = simd_source256(cpu, insn);
        for (unsigned i = 0; i < simd_lanes(insn); i++)
            fn(&a.lane[i], &count, XMM_BYTES, 0);
        simd_commit256(cpu, insn, &a);
    }
    return EXEC_NEXT;
}

/* Widening by `ratio`: the upper lane has the elements behind those of the lower one. */
static ALWAYS_INLINE enum exec simd_extend(struct cpu *cpu, const struct insn *insn, simd_fn *fn,
                                           unsigned ratio)
{
    union simd b, upper = {.u64 = {0, 0}};
    union simd256 a;
    if (!simd_read(cpu, insn, 1, &b))
        return EXEC_FAULT;
    fn(&a.lane[0], &b, XMM_BYTES, 0);
    memcpy(&upper, b.u8 + XMM_BYTES / ratio, XMM_BYTES / ratio);
    fn(&a.lane[1], &upper, XMM_BYTES, 0);
    simd_commit256(cpu, insn, &a);
    return EXEC_NEXT;
}

#define VECTOR_FN(handler)                                                                                   \
    static ALWAYS_INLINE void vector_##handler(union simd *a, const union simd *b, unsigned bytes,           \
                                               unsigned imm)

#define HANDLER(handler, driver)                                                                             \
    enum exec exec_##handler(struct cpu *cpu, const struct insn *insn)                                       \
    {                                                                                                        \
        return driver(cpu, insn, vector_##handler);                                                          \
    }

#define ELEMENT(handler, type, op, store)                                                                    \
    VECTOR_FN(handler)                                                                                       \
    {                                                                                                        \
        (void)imm;                                                                                           \
        for (unsigned i = 0; i < bytes / sizeof a->type[0]; i++)                                             \
            a->type[i] = lane_##store(lane_##op(a->type[i], b->type[i]));                                    \
    }                                                                                                        \
    HANDLER(handler, simd_apply)

#define PAIRWISE(handler, type, op, store)                                                                   \
    VECTOR_FN(handler)                                                                                       \
    {                                                                                                        \
        (void)imm;                                                                                           \
        union simd r = {.u64 = {0}};                                                                         \
        unsigned half = bytes / sizeof a->type[0] / 2;                                                       \
        for (unsigned i = 0; i < half; i++) {                                                                \
            r.type[i] = lane_##store(lane_##op(a->type[2 * i], a->type[2 * i + 1]));                         \
            r.type[half + i] = lane_##store(lane_##op(b->type[2 * i], b->type[2 * i + 1]));                  \
        }                                                                                                    \
        *a = r;                                                                                              \
    }                                                                                                        \
    HANDLER(handler, simd_apply)

#define SHIFT(handler, type, op)                                                                             \
    VECTOR_FN(handler)                                                                                       \
    {                                                                                                        \
        (void)imm;                                                                                           \
        uint64_t count = b->u64[0];                                                                          \
        for (unsigned i = 0; i < bytes / sizeof a->type[0]; i++)                                             \
            a->type[i] = lane_##op(a->type[i], count, 8 * sizeof a->type[0]);                                \
    }                                                                                                        \
    HANDLER(handler, simd_shift)

#define SHIFT_EACH(handler, type, op)                                                                        \
    VECTOR_FN(handler)                                                                                       \
    {                                                                                                        \
        (void)imm;                                                                                           \
        for (unsigned i = 0; i < bytes / sizeof a->type[0]; i++) {                                           \
            uint64_t count = sizeof a->type[0] == 4 ? b->u32[i] : b->u64[i];                                 \
            a->type[i] = lane_##op(a->type[i], count, 8 * sizeof a->type[0]);                                \
        }                                                                                                    \
    }                                                                                                        \
    HANDLER(handler, simd_apply_xmm)

#define PACK(handler, from, to, store)                                                                       \
    VECTOR_FN(handler)                                                                                       \
    {                                                                                                        \
        (void)imm;                                                                                           \
        union simd r = {.u64 = {0}};                                                                         \
        unsigned half = bytes / sizeof a->from[0];                                                           \
        for (unsigned i = 0; i < half; i++) {                                                                \
            r.to[i] = lane_##store(a->from[i]);                                                              \
            r.to[half + i] = lane_##store(b->from[i]);                                                       \
        }                                                                                                    \
        *a = r;                                                                                              \
    }                                                                                                        \
    HANDLER(handler, simd_apply)

#define UNPACK(handler, type, high)                                                                          \
    VECTOR_FN(handler)                                                                                       \
    {                                                                                                        \
        (void)imm;                                                                                           \
        union simd r = {.u64 = {0}};                                                                         \
        unsigned half = bytes / sizeof a->type[0] / 2;                                                       \
        for (unsigned i = 0; i < half; i++) {                                                                \
            r.type[2 * i] = a->type[(high)*half + i];                                                        \
            r.type[2 * i + 1] = b->type[(high)*half + i];                                                    \
        }                                                                                                    \
        *a = r;                                                                                              \
    }                                                                                                        \
    HANDLER(handler, simd_apply)

#define EXTEND(handler, from, to)                                                                            \
    VECTOR_FN(handler)                                                                                       \
    {                                                                                                        \
        (void)imm;                                                                                           \
        for (unsigned i = 0; i < bytes / sizeof a->to[0]; i++)                                               \
            a->to[i] = b->from[i];                                                                           \
    }                                                                                                        \
    enum exec exec_##handler(struct cpu *cpu, const struct insn *insn)                                       \
    {                                                                                                        \
        union simd *lane = NULL;                                                                             \
        return simd_extend(cpu, insn, vector_##handler, sizeof lane->to[0] / sizeof lane->from[0]);          \
    }

#include "cpu/simd.def"

#undef ELEMENT
#undef PAIRWISE
#undef SHIFT
#undef SHIFT_EACH
#undef PACK
#undef UNPACK
#undef EXTEND
#undef HANDLER
#undef VECTOR_FN
