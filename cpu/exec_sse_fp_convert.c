/* SSE conversions: between f32 and f64, to and from doublewords in XMM, MMX and general registers.
 *
 * Instructions that name an MMX register switch to MMX state (wait for a pending x87 exception, TOP = 0, all
 * tags valid); CVTPI2PD with a memory operand is the exception (SDM 2, CVTPI2PD).
 * Sources: SDM vol. 2 (CVT*), vol. 1, 10.4.6, 11.4.1.6, 11.5.2. */
#include "cpu/sse.h"

/* --- XMM to XMM ---------------------------------------------------------------------------------------- */

/* Convert b into the result r, which starts as the first source. `lanes` are those of the wider side. */
typedef void convert_fn(struct fp_env *env, union simd256 *r, const union simd256 *b, unsigned lanes);

static ALWAYS_INLINE enum exec convert(struct cpu *cpu, const struct insn *insn, convert_fn *op)
{
    union simd256 r = simd_source256(cpu, insn), b;
    if (!simd_read256(cpu, insn, 1, &b))
        return EXEC_FAULT;
    struct fp_env env = sse_env(cpu);
    op(&env, &r, &b, insn->op[0].size == YMM_BYTES || insn->op[1].size == YMM_BYTES ? 2 : 1);
    return sse_commit(cpu, insn, &env, &r);
}

static void ps_to_pd(struct fp_env *env, union simd256 *r, const union simd256 *b, unsigned lanes)
{
    for (unsigned i = 0; i < 2 * lanes; i++)
        r->u64[i] = f32_to_f64(env, b->u32[i]);
}

/* Of one lane, the result's upper half is clear; of two, a whole lane. */
static void pd_to_ps(struct fp_env *env, union simd256 *r, const union simd256 *b, unsigned lanes)
{
    r->u64[1] = 0;
    for (unsigned i = 0; i < 2 * lanes; i++)
        r->u32[i] = f64_to_f32(env, b->u64[i]);
}

static void ss_to_sd(struct fp_env *env, union simd256 *r, const union simd256 *b, unsigned lanes)
{
    (void)lanes;
    r->u64[0] = f32_to_f64(env, b->u32[0]);
}

static void sd_to_ss(struct fp_env *env, union simd256 *r, const union simd256 *b, unsigned lanes)
{
    (void)lanes;
    r->u32[0] = f64_to_f32(env, b->u64[0]);
}

static void dq_to_ps(struct fp_env *env, union simd256 *r, const union simd256 *b, unsigned lanes)
{
    for (unsigned i = 0; i < 4 * lanes; i++)
        r->u32[i] = f32_from_int(env, b->s32[i]);
}

static void dq_to_pd(struct fp_env *env, union simd256 *r, const union simd256 *b, unsigned lanes)
{
    for (unsigned i = 0; i < 2 * lanes; i++)
        r->u64[i] = f64_from_int(env, b->s32[i]);
}

static void ps_to_dq(struct fp_env *env, union simd256 *r, const union simd256 *b, unsigned lanes)
{
    for (unsigned i = 0; i < 4 * lanes; i++)
        r->s32[i] = (int32_t)f32_to_int(env, b->u32[i], 32, env->rounding);
}

static void ps_to_dq_truncate(struct fp_env *env, union simd256 *r, const union simd256 *b, unsigned lanes)
{
    for (unsigned i = 0; i < 4 * lanes; i++)
        r->s32[i] = (int32_t)f32_to_int(env, b->u32[i], 32, FP_TRUNCATE);
}

static ALWAYS_INLINE void pd_to_integers(struct fp_env *env, union simd256 *r, const union simd256 *b,
                                         unsigned lanes, enum fp_rounding rounding)
{
    r->u64[1] = 0;
    for (unsigned i = 0; i < 2 * lanes; i++)
        r->s32[i] = (int32_t)f64_to_int(env, b->u64[i], 32, rounding);
}

static void pd_to_dq(struct fp_env *env, union simd256 *r, const union simd256 *b, unsigned lanes)
{
    pd_to_integers(env, r, b, lanes, env->rounding);
}

static void pd_to_dq_truncate(struct fp_env *env, union simd256 *r, const union simd256 *b, unsigned lanes)
{
    pd_to_integers(env, r, b, lanes, FP_TRUNCATE);
}

enum exec exec_cvtps2pd(struct cpu *cpu, const struct insn *insn)
{
    return convert(cpu, insn, ps_to_pd);
}

enum exec exec_cvtpd2ps(struct cpu *cpu, const struct insn *insn)
{
    return convert(cpu, insn, pd_to_ps);
}

enum exec exec_cvtss2sd(struct cpu *cpu, const struct insn *insn)
{
    return convert(cpu, insn, ss_to_sd);
}

enum exec exec_cvtsd2ss(struct cpu *cpu, const struct insn *insn)
{
    return convert(cpu, insn, sd_to_ss);
}

enum exec exec_cvtdq2ps(struct cpu *cpu, const struct insn *insn)
{
    return convert(cpu, insn, dq_to_ps);
}

enum exec exec_cvtdq2pd(struct cpu *cpu, const struct insn *insn)
{
    return convert(cpu, insn, dq_to_pd);
}

enum exec exec_cvtps2dq(struct cpu *cpu, const struct insn *insn)
{
    return convert(cpu, insn, ps_to_dq);
}

enum exec exec_cvttps2dq(struct cpu *cpu, const struct insn *insn)
{
    return convert(cpu, insn, ps_to_dq_truncate);
}

enum exec exec_cvtpd2dq(struct cpu *cpu, const struct insn *insn)
{
    return convert(cpu, insn, pd_to_dq);
}

enum exec exec_cvttpd2dq(struct cpu *cpu, const struct insn *insn)
{
    return convert(cpu, insn, pd_to_dq_truncate);
}

/* --- XMM and MMX --------------------------------------------------------------------------------------- */

static ALWAYS_INLINE enum exec to_mmx(struct cpu *cpu, const struct insn *insn, convert_fn *op)
{
    union simd256 r, b;
    if (!x87_wait(cpu))
        return x87_stall(cpu);
    if (!simd_read256(cpu, insn, 1, &b))
        return EXEC_FAULT;
    struct fp_env env = sse_env(cpu);
    op(&env, &r, &b, 1);
    if (!sse_raise(cpu, &env))
        return EXEC_FAULT;
    mmx_set(cpu, insn->op[0].reg, r.u64[0]);
    return EXEC_NEXT;
}

static ALWAYS_INLINE void ps_to_integers(struct fp_env *env, union simd256 *r, const union simd256 *b,
                                         enum fp_rounding rounding)
{
    r->s32[0] = (int32_t)f32_to_int(env, b->u32[0], 32, rounding);
    r->s32[1] = (int32_t)f32_to_int(env, b->u32[1], 32, rounding);
}

static void ps_to_pi(struct fp_env *env, union simd256 *r, const union simd256 *b, unsigned lanes)
{
    (void)lanes;
    ps_to_integers(env, r, b, env->rounding);
}

static void ps_to_pi_truncate(struct fp_env *env, union simd256 *r, const union simd256 *b, unsigned lanes)
{
    (void)lanes;
    ps_to_integers(env, r, b, FP_TRUNCATE);
}

enum exec exec_cvtps2pi(struct cpu *cpu, const struct insn *insn)
{
    return to_mmx(cpu, insn, ps_to_pi);
}

enum exec exec_cvttps2pi(struct cpu *cpu, const struct insn *insn)
{
    return to_mmx(cpu, insn, ps_to_pi_truncate);
}

enum exec exec_cvtpd2pi(struct cpu *cpu, const struct insn *insn)
{
    return to_mmx(cpu, insn, pd_to_dq);
}

enum exec exec_cvttpd2pi(struct cpu *cpu, const struct insn *insn)
{
    return to_mmx(cpu, insn, pd_to_dq_truncate);
}

static void pi_to_ps(struct fp_env *env, union simd256 *r, const union simd256 *b, unsigned lanes)
{
    (void)lanes;
    r->u32[0] = f32_from_int(env, b->s32[0]);
    r->u32[1] = f32_from_int(env, b->s32[1]);
}

static ALWAYS_INLINE enum exec from_mmx(struct cpu *cpu, const struct insn *insn, convert_fn *op,
                                        bool switch_to_mmx)
{
    if (switch_to_mmx && !x87_wait(cpu))
        return x87_stall(cpu);
    enum exec result = convert(cpu, insn, op);
    if (switch_to_mmx && result == EXEC_NEXT)
        mmx_enter(cpu);
    return result;
}

enum exec exec_cvtpi2ps(struct cpu *cpu, const struct insn *insn)
{
    return from_mmx(cpu, insn, pi_to_ps, insn->op[1].kind == OPK_MMX);
}

enum exec exec_cvtpi2pd(struct cpu *cpu, const struct insn *insn)
{
    return from_mmx(cpu, insn, dq_to_pd, insn->op[1].kind == OPK_MMX);
}

/* --- XMM and general registers ------------------------------------------------------------------------- */

static ALWAYS_INLINE enum exec to_register(struct cpu *cpu, const struct insn *insn, bool wide, bool truncate)
{
    union simd b;
    if (!simd_read(cpu, insn, 1, &b))
        return EXEC_FAULT;
    struct fp_env env = sse_env(cpu);
    enum fp_rounding rounding = truncate ? FP_TRUNCATE : env.rounding;
    unsigned bits = 8 * insn->op[0].size;
    int64_t value =
        wide ? f64_to_int(&env, b.u64[0], bits, rounding) : f32_to_int(&env, b.u32[0], bits, rounding);
    if (!sse_raise(cpu, &env))
        return EXEC_FAULT;
    uint64_t result = bits == 32 ? (uint32_t)value : (uint64_t)value;
    return operand_write(cpu, insn, 0, result) ? EXEC_NEXT : EXEC_FAULT;
}

enum exec exec_cvtss2si(struct cpu *cpu, const struct insn *insn)
{
    return to_register(cpu, insn, false, false);
}

enum exec exec_cvttss2si(struct cpu *cpu, const struct insn *insn)
{
    return to_register(cpu, insn, false, true);
}

enum exec exec_cvtsd2si(struct cpu *cpu, const struct insn *insn)
{
    return to_register(cpu, insn, true, false);
}

enum exec exec_cvttsd2si(struct cpu *cpu, const struct insn *insn)
{
    return to_register(cpu, insn, true, true);
}

static ALWAYS_INLINE enum exec from_register(struct cpu *cpu, const struct insn *insn, bool wide)
{
    union simd256 r = simd_source256(cpu, insn);
    uint64_t raw;
    if (!operand_read(cpu, insn, 1, &raw))
        return EXEC_FAULT;
    int64_t value = insn->op[1].size == 4 ? (int32_t)raw : (int64_t)raw;
    struct fp_env env = sse_env(cpu);
    if (wide)
        r.u64[0] = f64_from_int(&env, value);
    else
        r.u32[0] = f32_from_int(&env, value);
    return sse_commit(cpu, insn, &env, &r);
}

enum exec exec_cvtsi2ss(struct cpu *cpu, const struct insn *insn)
{
    return from_register(cpu, insn, false);
}

enum exec exec_cvtsi2sd(struct cpu *cpu, const struct insn *insn)
{
    return from_register(cpu, insn, true);
}
