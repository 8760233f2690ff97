/* SSE to SSE4.1 and AVX arithmetic: add, subtract, multiply, divide, square root, minimum, maximum, compare,
 * reciprocals, horizontal forms, dot products, rounding.
 *
 * Two drivers (f32 and f64) take the element operation and how many elements of a 128-bit lane it is for: 1
 * in the scalar forms. They are inlined, so each handler becomes a straight loop. The four names of an
 * instruction differ only in driver and count.
 * Sources: SDM vol. 2 (each instruction), vol. 1, 10.4-10.6, 11.5, 12.3-12.8, 14.3. */
#include "cpu/sse.h"

typedef uint32_t f32_fn(struct fp_env *env, uint32_t a, uint32_t b);
typedef uint64_t f64_fn(struct fp_env *env, uint64_t a, uint64_t b);

/* --- drivers ------------------------------------------------------------------------------------------- */

static ALWAYS_INLINE enum exec lanes32(struct cpu *cpu, const struct insn *insn, f32_fn *op, unsigned lanes)
{
    union simd256 a = simd_source256(cpu, insn), b;
    if (!simd_read256(cpu, insn, 1, &b))
        return EXEC_FAULT;
    struct fp_env env = sse_env(cpu);
    for (unsigned i = 0; i < lanes * simd_lanes(insn); i++)
        a.u32[i] = op(&env, a.u32[i], b.u32[i]);
    return sse_commit(cpu, insn, &env, &a);
}

static ALWAYS_INLINE enum exec lanes64(struct cpu *cpu, const struct insn *insn, f64_fn *op, unsigned lanes)
{
    union simd256 a = simd_source256(cpu, insn), b;
    if (!simd_read256(cpu, insn, 1, &b))
        return EXEC_FAULT;
    struct fp_env env = sse_env(cpu);
    for (unsigned i = 0; i < lanes * simd_lanes(insn); i++)
        a.u64[i] = op(&env, a.u64[i], b.u64[i]);
    return sse_commit(cpu, insn, &env, &a);
}

/* --- two operands -------------------------------------------------------------------------------------- */

enum exec exec_addps(struct cpu *cpu, const struct insn *insn)
{
    return lanes32(cpu, insn, f32_add, 4);
}

enum exec exec_addss(struct cpu *cpu, const struct insn *insn)
{
    return lanes32(cpu, insn, f32_add, 1);
}

enum exec exec_addpd(struct cpu *cpu, const struct insn *insn)
{
    return lanes64(cpu, insn, f64_add, 2);
}

enum exec exec_addsd(struct cpu *cpu, const struct insn *insn)
{
    return lanes64(cpu, insn, f64_add, 1);
}

enum exec exec_subps(struct cpu *cpu, const struct insn *insn)
{
    return lanes32(cpu, insn, f32_sub, 4);
}

enum exec exec_subss(struct cpu *cpu, const struct insn *insn)
{
    return lanes32(cpu, insn, f32_sub, 1);
}

enum exec exec_subpd(struct cpu *cpu, const struct insn *insn)
{
    return lanes64(cpu, insn, f64_sub, 2);
}

enum exec exec_subsd(struct cpu *cpu, const struct insn *insn)
{
    return lanes64(cpu, insn, f64_sub, 1);
}

enum exec exec_mulps(struct cpu *cpu, const struct insn *insn)
{
    return lanes32(cpu, insn, f32_mul, 4);
}

enum exec exec_mulss(struct cpu *cpu, const struct insn *insn)
{
    return lanes32(cpu, insn, f32_mul, 1);
}

enum exec exec_mulpd(struct cpu *cpu, const struct insn *insn)
{
    return lanes64(cpu, insn, f64_mul, 2);
}

enum exec exec_mulsd(struct cpu *cpu, const struct insn *insn)
{
    return lanes64(cpu, insn, f64_mul, 1);
}

enum exec exec_divps(struct cpu *cpu, const struct insn *insn)
{
    return lanes32(cpu, insn, f32_div, 4);
}

enum exec exec_divss(struct cpu *cpu, const struct insn *insn)
{
    return lanes32(cpu, insn, f32_div, 1);
}

enum exec exec_divpd(struct cpu *cpu, const struct insn *insn)
{
    return lanes64(cpu, insn, f64_div, 2);
}

enum exec exec_divsd(struct cpu *cpu, const struct insn *insn)
{
    return lanes64(cpu, insn, f64_div, 1);
}

enum exec exec_minps(struct cpu *cpu, const struct insn *insn)
{
    return lanes32(cpu, insn, f32_min, 4);
}

enum exec exec_minss(struct cpu *cpu, const struct insn *insn)
{
    return lanes32(cpu, insn, f32_min, 1);
}

enum exec exec_minpd(struct cpu *cpu, const struct insn *insn)
{
    return lanes64(cpu, insn, f64_min, 2);
}

enum exec exec_minsd(struct cpu *cpu, const struct insn *insn)
{
    return lanes64(cpu, insn, f64_min, 1);
}

enum exec exec_maxps(struct cpu *cpu, const struct insn *insn)
{
    return lanes32(cpu, insn, f32_max, 4);
}

enum exec exec_maxss(struct cpu *cpu, const struct insn *insn)
{
    return lanes32(cpu, insn, f32_max, 1);
}

enum exec exec_maxpd(struct cpu *cpu, const struct insn *insn)
{
    return lanes64(cpu, insn, f64_max, 2);
}

enum exec exec_maxsd(struct cpu *cpu, const struct insn *insn)
{
    return lanes64(cpu, insn, f64_max, 1);
}

/* --- one operand --------------------------------------------------------------------------------------- */

static ALWAYS_INLINE uint32_t sqrt32(struct fp_env *env, uint32_t a, uint32_t b)
{
    (void)a;
    return f32_sqrt(env, b);
}

static ALWAYS_INLINE uint64_t sqrt64(struct fp_env *env, uint64_t a, uint64_t b)
{
    (void)a;
    return f64_sqrt(env, b);
}

static ALWAYS_INLINE uint32_t reciprocal32(struct fp_env *env, uint32_t a, uint32_t b)
{
    (void)env;
    (void)a;
    return f32_reciprocal(b);
}

static ALWAYS_INLINE uint32_t reciprocal_sqrt32(struct fp_env *env, uint32_t a, uint32_t b)
{
    (void)env;
    (void)a;
    return f32_reciprocal_sqrt(b);
}

enum exec exec_sqrtps(struct cpu *cpu, const struct insn *insn)
{
    return lanes32(cpu, insn, sqrt32, 4);
}

enum exec exec_sqrtss(struct cpu *cpu, const struct insn *insn)
{
    return lanes32(cpu, insn, sqrt32, 1);
}

enum exec exec_sqrtpd(struct cpu *cpu, const struct insn *insn)
{
    return lanes64(cpu, insn, sqrt64, 2);
}

enum exec exec_sqrtsd(struct cpu *cpu, const struct insn *insn)
{
    return lanes64(cpu, insn, sqrt64, 1);
}

enum exec exec_rcpps(struct cpu *cpu, const struct insn *insn)
{
    return lanes32(cpu, insn, reciprocal32, 4);
}

enum exec exec_rcpss(struct cpu *cpu, const struct insn *insn)
{
    return lanes32(cpu, insn, reciprocal32, 1);
}

enum exec exec_rsqrtps(struct cpu *cpu, const struct insn *insn)
{
    return lanes32(cpu, insn, reciprocal_sqrt32, 4);
}

enum exec exec_rsqrtss(struct cpu *cpu, const struct insn *insn)
{
    return lanes32(cpu, insn, reciprocal_sqrt32, 1);
}

/* --- compare to a mask --------------------------------------------------------------------------------- */

/* SDM vol. 2, table 3-1. Predicates 0..3: EQ, LT, LE, UNORD; LT and LE are signalling. With VEX also 8..11:
 * EQ or unordered, not GE, not GT, false. With 4 added each is negated; 16 swaps quiet and signalling. */
static bool predicate_quiet(unsigned predicate)
{
    bool quiet = (predicate & 3) == 0 || (predicate & 3) == 3;
    return quiet != (predicate >> 4 & 1);
}

static bool predicate_holds(unsigned predicate, enum fp_relation relation)
{
    enum { L = 1 << FP_LESS, E = 1 << FP_EQUAL, U = 1 << FP_UNORDERED };
    static const uint8_t holds[] = {E, L, L | E, U, E | U, L | U, L | E | U, 0};
    bool positive = holds[(predicate & 3) | (predicate >> 1 & 4)] >> relation & 1;
    return positive != (predicate >> 2 & 1);
}

static ALWAYS_INLINE enum exec compare_mask(struct cpu *cpu, const struct insn *insn, bool wide,
                                            unsigned lanes)
{
    union simd256 a = simd_source256(cpu, insn), b;
    unsigned predicate = insn->imm & (insn->prefixes & PREFIX_VEX ? 31 : 7);
    bool quiet = predicate_quiet(predicate);
    if (!simd_read256(cpu, insn, 1, &b))
        return EXEC_FAULT;
    struct fp_env env = sse_env(cpu);
    for (unsigned i = 0; i < lanes * simd_lanes(insn); i++) {
        enum fp_relation relation = wide ? f64_compare(&env, a.u64[i], b.u64[i], quiet)
                                         : f32_compare(&env, a.u32[i], b.u32[i], quiet);
        uint64_t mask = -(uint64_t)predicate_holds(predicate, relation);
        if (wide)
            a.u64[i] = mask;
        else
            a.u32[i] = (uint32_t)mask;
    }
    return sse_commit(cpu, insn, &env, &a);
}

enum exec exec_cmpps(struct cpu *cpu, const struct insn *insn)
{
    return compare_mask(cpu, insn, false, 4);
}

enum exec exec_cmpss(struct cpu *cpu, const struct insn *insn)
{
    return compare_mask(cpu, insn, false, 1);
}

enum exec exec_cmppd(struct cpu *cpu, const struct insn *insn)
{
    return compare_mask(cpu, insn, true, 2);
}

enum exec exec_cmpsd_xmm(struct cpu *cpu, const struct insn *insn)
{
    return compare_mask(cpu, insn, true, 1);
}

/* --- compare to flags ---------------------------------------------------------------------------------- */

/* ZF, PF, CF; OF, SF, AF are cleared. */
static ALWAYS_INLINE enum exec compare_flags(struct cpu *cpu, const struct insn *insn, bool wide, bool quiet)
{
    static const uint8_t flags[] = {[FP_LESS] = FLAG_CF,
                                    [FP_EQUAL] = FLAG_ZF,
                                    [FP_GREATER] = 0,
                                    [FP_UNORDERED] = FLAG_ZF | FLAG_PF | FLAG_CF};
    union simd *a = simd_xmm(cpu, insn->op[0].reg), b;
    if (!simd_read(cpu, insn, 1, &b))
        return EXEC_FAULT;
    struct fp_env env = sse_env(cpu);
    enum fp_relation relation =
        wide ? f64_compare(&env, a->u64[0], b.u64[0], quiet) : f32_compare(&env, a->u32[0], b.u32[0], quiet);
    if (!sse_raise(cpu, &env))
        return EXEC_FAULT;
    flags_write(cpu, flags[relation], FLAGS_ARITH);
    return EXEC_NEXT;
}

enum exec exec_comiss(struct cpu *cpu, const struct insn *insn)
{
    return compare_flags(cpu, insn, false, false);
}

enum exec exec_ucomiss(struct cpu *cpu, const struct insn *insn)
{
    return compare_flags(cpu, insn, false, true);
}

enum exec exec_comisd(struct cpu *cpu, const struct insn *insn)
{
    return compare_flags(cpu, insn, true, false);
}

enum exec exec_ucomisd(struct cpu *cpu, const struct insn *insn)
{
    return compare_flags(cpu, insn, true, true);
}

/* --- SSE3: alternating and horizontal ------------------------------------------------------------------ */

/* Operation on a 128-bit lane of both operands. */
typedef void vector_fn(struct fp_env *env, union simd *a, const union simd *b);

static ALWAYS_INLINE enum exec vectors(struct cpu *cpu, const struct insn *insn, vector_fn *op)
{
    union simd256 a = simd_source256(cpu, insn), b;
    if (!simd_read256(cpu, insn, 1, &b))
        return EXEC_FAULT;
    struct fp_env env = sse_env(cpu);
    for (unsigned i = 0; i < simd_lanes(insn); i++)
        op(&env, &a.lane[i], &b.lane[i]);
    return sse_commit(cpu, insn, &env, &a);
}

static void addsub32(struct fp_env *env, union simd *a, const union simd *b)
{
    for (unsigned i = 0; i < 4; i++)
        a->u32[i] = i & 1 ? f32_add(env, a->u32[i], b->u32[i]) : f32_sub(env, a->u32[i], b->u32[i]);
}

static void addsub64(struct fp_env *env, union simd *a, const union simd *b)
{
    a->u64[0] = f64_sub(env, a->u64[0], b->u64[0]);
    a->u64[1] = f64_add(env, a->u64[1], b->u64[1]);
}

static ALWAYS_INLINE void horizontal32(struct fp_env *env, union simd *a, const union simd *b, f32_fn *op)
{
    union simd r;
    for (unsigned i = 0; i < 2; i++) {
        r.u32[i] = op(env, a->u32[2 * i], a->u32[2 * i + 1]);
        r.u32[i + 2] = op(env, b->u32[2 * i], b->u32[2 * i + 1]);
    }
    *a = r;
}

static ALWAYS_INLINE void horizontal64(struct fp_env *env, union simd *a, const union simd *b, f64_fn *op)
{
    a->u64[0] = op(env, a->u64[0], a->u64[1]);
    a->u64[1] = op(env, b->u64[0], b->u64[1]);
}

static void hadd32(struct fp_env *env, union simd *a, const union simd *b)
{
    horizontal32(env, a, b, f32_add);
}

static void hsub32(struct fp_env *env, union simd *a, const union simd *b)
{
    horizontal32(env, a, b, f32_sub);
}

static void hadd64(struct fp_env *env, union simd *a, const union simd *b)
{
    horizontal64(env, a, b, f64_add);
}

static void hsub64(struct fp_env *env, union simd *a, const union simd *b)
{
    horizontal64(env, a, b, f64_sub);
}

enum exec exec_addsubps(struct cpu *cpu, const struct insn *insn)
{
    return vectors(cpu, insn, addsub32);
}

enum exec exec_addsubpd(struct cpu *cpu, const struct insn *insn)
{
    return vectors(cpu, insn, addsub64);
}

enum exec exec_haddps(struct cpu *cpu, const struct insn *insn)
{
    return vectors(cpu, insn, hadd32);
}

enum exec exec_haddpd(struct cpu *cpu, const struct insn *insn)
{
    return vectors(cpu, insn, hadd64);
}

enum exec exec_hsubps(struct cpu *cpu, const struct insn *insn)
{
    return vectors(cpu, insn, hsub32);
}

enum exec exec_hsubpd(struct cpu *cpu, const struct insn *insn)
{
    return vectors(cpu, insn, hsub64);
}

/* --- SSE4.1: dot product ------------------------------------------------------------------------------- */

/* Bits 7..4 of the immediate choose the products, bits 3..0 where the sum goes. Each multiplication and
 * addition raises its exceptions on its own; one unmasked stops the instruction at that stage. Every lane
 * adds in its own order, which shows only in which of several NaNs it returns; this is the order of Intel
 * CPUs. */
enum exec exec_dpps(struct cpu *cpu, const struct insn *insn)
{
    union simd256 a = simd_source256(cpu, insn), b;
    uint32_t product[8] = {0}, pair[8], sum[8];
    unsigned lanes = 4 * simd_lanes(insn);
    if (!simd_read256(cpu, insn, 1, &b))
        return EXEC_FAULT;
    struct fp_env env = sse_env(cpu);
    for (unsigned i = 0; i < lanes; i++) {
        if (insn->imm >> (4 + i % 4) & 1)
            product[i] = f32_mul(&env, a.u32[i], b.u32[i]);
    }
    if (!sse_raise(cpu, &env))
        return EXEC_FAULT;
    for (unsigned i = 0; i < lanes; i++)
        pair[i] = f32_add(&env, product[i ^ 1], product[i]);
    if (!sse_raise(cpu, &env))
        return EXEC_FAULT;
    for (unsigned i = 0; i < lanes; i++)
        sum[i] = f32_add(&env, pair[i], pair[i ^ 2]);
    for (unsigned i = 0; i < lanes; i++)
        a.u32[i] = insn->imm >> i % 4 & 1 ? sum[i] : 0;
    return sse_commit(cpu, insn, &env, &a);
}

enum exec exec_dppd(struct cpu *cpu, const struct insn *insn)
{
    union simd a = simd_source(cpu, insn), b;
    uint64_t product[2] = {0}, sum[2];
    if (!simd_read(cpu, insn, 1, &b))
        return EXEC_FAULT;
    struct fp_env env = sse_env(cpu);
    for (unsigned i = 0; i < 2; i++) {
        if (insn->imm >> (4 + i) & 1)
            product[i] = f64_mul(&env, a.u64[i], b.u64[i]);
    }
    if (!sse_raise(cpu, &env))
        return EXEC_FAULT;
    for (unsigned i = 0; i < 2; i++)
        sum[i] = f64_add(&env, product[i], product[i ^ 1]);
    if (!sse_raise(cpu, &env))
        return EXEC_FAULT;
    for (unsigned i = 0; i < 2; i++)
        a.u64[i] = insn->imm >> i & 1 ? sum[i] : 0;
    simd_commit(cpu, insn, a);
    return EXEC_NEXT;
}

/* --- SSE4.1: round ------------------------------------------------------------------------------------- */

/* Immediate: bits 1..0 mode, bit 2 take MXCSR's mode, bit 3 no precision exception. */
static ALWAYS_INLINE enum exec round_lanes(struct cpu *cpu, const struct insn *insn, bool wide,
                                           unsigned lanes)
{
    union simd256 a = simd_source256(cpu, insn), b;
    if (!simd_read256(cpu, insn, 1, &b))
        return EXEC_FAULT;
    struct fp_env env = sse_env(cpu);
    enum fp_rounding mode = insn->imm & 4 ? env.rounding : insn->imm & 3;
    bool inexact = !(insn->imm & 8);
    for (unsigned i = 0; i < lanes * simd_lanes(insn); i++) {
        if (wide)
            a.u64[i] = f64_round_to_integral(&env, b.u64[i], mode, inexact);
        else
            a.u32[i] = f32_round_to_integral(&env, b.u32[i], mode, inexact);
    }
    return sse_commit(cpu, insn, &env, &a);
}

enum exec exec_roundps(struct cpu *cpu, const struct insn *insn)
{
    return round_lanes(cpu, insn, false, 4);
}

enum exec exec_roundss(struct cpu *cpu, const struct insn *insn)
{
    return round_lanes(cpu, insn, false, 1);
}

enum exec exec_roundpd(struct cpu *cpu, const struct insn *insn)
{
    return round_lanes(cpu, insn, true, 2);
}

enum exec exec_roundsd(struct cpu *cpu, const struct insn *insn)
{
    return round_lanes(cpu, insn, true, 1);
}
