/* Runs single x87 and SSE instructions on the host, with any control word, and hands back registers and
 * flags.
 *
 * x87: FXSAVE does not wait, so state is readable with exceptions pending; FNINIT then drops them. SSE: an
 * unmasked exception arrives as SIGFPE, whose handler keeps the flags and returns from the instruction's
 * function with everything masked. */
#define _GNU_SOURCE /* REG_RIP */
#include "tests/cpu/fp_oracle.h"

#include <string.h>

#if defined(__x86_64__)

#include <signal.h>
#include <ucontext.h>

#define HOST_OP(name, code)                                                                                  \
    __attribute__((naked)) static void name(void)                                                            \
    {                                                                                                        \
        __asm__ volatile(code "\n\tret");                                                                    \
    }

HOST_OP(op_fadd, "fadd %st(1), %st")
HOST_OP(op_fsub, "fsub %st(1), %st")
HOST_OP(op_fmul, "fmul %st(1), %st")
HOST_OP(op_fdiv, "fdiv %st(1), %st")
HOST_OP(op_fadd_m32, "fadds (%rax)")
HOST_OP(op_fadd_m64, "faddl (%rax)")
HOST_OP(op_fsub_m32, "fsubs (%rax)")
HOST_OP(op_fmul_m64, "fmull (%rax)")
HOST_OP(op_fdiv_m64, "fdivl (%rax)")
HOST_OP(op_fiadd_m32, "fiaddl (%rax)")
HOST_OP(op_fsqrt, "fsqrt")
HOST_OP(op_fprem, "fprem")
HOST_OP(op_fprem1, "fprem1")
HOST_OP(op_fscale, "fscale")
HOST_OP(op_fxtract, "fxtract")
HOST_OP(op_frndint, "frndint")
HOST_OP(op_fcom, "fcom %st(1)")
HOST_OP(op_fucom, "fucom %st(1)")
HOST_OP(op_fld_m32, "flds (%rax)")
HOST_OP(op_fld_m64, "fldl (%rax)")
HOST_OP(op_fild_m64, "fildll (%rax)")
HOST_OP(op_fbld, "fbld (%rax)")
HOST_OP(op_fst_m32, "fsts (%rax)")
HOST_OP(op_fst_m64, "fstl (%rax)")
HOST_OP(op_fist_m16, "fists (%rax)")
HOST_OP(op_fist_m32, "fistl (%rax)")
HOST_OP(op_fist_m64, "fistpll (%rax)")
HOST_OP(op_fistt_m64, "fisttpll (%rax)")
HOST_OP(op_fbstp, "fbstp (%rax)")
HOST_OP(op_fsin, "fsin")
HOST_OP(op_fcos, "fcos")
HOST_OP(op_fptan, "fptan")
HOST_OP(op_fpatan, "fpatan")
HOST_OP(op_f2xm1, "f2xm1")
HOST_OP(op_fyl2x, "fyl2x")
HOST_OP(op_fyl2xp1, "fyl2xp1")
HOST_OP(op_addss, "addss %xmm1, %xmm0")
HOST_OP(op_subss, "subss %xmm1, %xmm0")
HOST_OP(op_mulss, "mulss %xmm1, %xmm0")
HOST_OP(op_divss, "divss %xmm1, %xmm0")
HOST_OP(op_sqrtss, "sqrtss %xmm1, %xmm0")
HOST_OP(op_minss, "minss %xmm1, %xmm0")
HOST_OP(op_maxss, "maxss %xmm1, %xmm0")
HOST_OP(op_addsd, "addsd %xmm1, %xmm0")
HOST_OP(op_subsd, "subsd %xmm1, %xmm0")
HOST_OP(op_mulsd, "mulsd %xmm1, %xmm0")
HOST_OP(op_divsd, "divsd %xmm1, %xmm0")
HOST_OP(op_sqrtsd, "sqrtsd %xmm1, %xmm0")
HOST_OP(op_minsd, "minsd %xmm1, %xmm0")
HOST_OP(op_maxsd, "maxsd %xmm1, %xmm0")
HOST_OP(op_comiss, "comiss %xmm1, %xmm0")
HOST_OP(op_ucomiss, "ucomiss %xmm1, %xmm0")
HOST_OP(op_comisd, "comisd %xmm1, %xmm0")
HOST_OP(op_ucomisd, "ucomisd %xmm1, %xmm0")
HOST_OP(op_roundss, "roundss $4, %xmm1, %xmm0")
HOST_OP(op_roundsd, "roundsd $4, %xmm1, %xmm0")
HOST_OP(op_roundsd_up_quiet, "roundsd $10, %xmm1, %xmm0")
HOST_OP(op_cvtss2sd, "cvtss2sd %xmm1, %xmm0")
HOST_OP(op_cvtsd2ss, "cvtsd2ss %xmm1, %xmm0")
HOST_OP(op_cvtss2si32, "cvtss2si %xmm1, %eax")
HOST_OP(op_cvtsd2si32, "cvtsd2si %xmm1, %eax")
HOST_OP(op_cvtss2si64, "cvtss2si %xmm1, %rax")
HOST_OP(op_cvtsd2si64, "cvtsd2si %xmm1, %rax")
HOST_OP(op_cvttss2si64, "cvttss2si %xmm1, %rax")
HOST_OP(op_cvttsd2si32, "cvttsd2si %xmm1, %eax")
HOST_OP(op_cvtsi2ss64, "cvtsi2ssq %rcx, %xmm0")
HOST_OP(op_cvtsi2sd64, "cvtsi2sdq %rcx, %xmm0")

static const struct host_op HOST_OP_TABLE[HOST_OPS] = {
    [X87_FADD] = {"fadd", op_fadd},
    [X87_FSUB] = {"fsub", op_fsub},
    [X87_FMUL] = {"fmul", op_fmul},
    [X87_FDIV] = {"fdiv", op_fdiv},
    [X87_FADD_M32] = {"fadd m32", op_fadd_m32},
    [X87_FADD_M64] = {"fadd m64", op_fadd_m64},
    [X87_FSUB_M32] = {"fsub m32", op_fsub_m32},
    [X87_FMUL_M64] = {"fmul m64", op_fmul_m64},
    [X87_FDIV_M64] = {"fdiv m64", op_fdiv_m64},
    [X87_FIADD_M32] = {"fiadd m32", op_fiadd_m32},
    [X87_FSQRT] = {"fsqrt", op_fsqrt},
    [X87_FPREM] = {"fprem", op_fprem},
    [X87_FPREM1] = {"fprem1", op_fprem1},
    [X87_FSCALE] = {"fscale", op_fscale},
    [X87_FXTRACT] = {"fxtract", op_fxtract},
    [X87_FRNDINT] = {"frndint", op_frndint},
    [X87_FCOM] = {"fcom", op_fcom},
    [X87_FUCOM] = {"fucom", op_fucom},
    [X87_FLD_M32] = {"fld m32", op_fld_m32},
    [X87_FLD_M64] = {"fld m64", op_fld_m64},
    [X87_FILD_M64] = {"fild m64", op_fild_m64},
    [X87_FBLD] = {"fbld", op_fbld},
    [X87_FST_M32] = {"fst m32", op_fst_m32},
    [X87_FST_M64] = {"fst m64", op_fst_m64},
    [X87_FIST_M16] = {"fist m16", op_fist_m16},
    [X87_FIST_M32] = {"fist m32", op_fist_m32},
    [X87_FIST_M64] = {"fistp m64", op_fist_m64},
    [X87_FISTT_M64] = {"fisttp m64", op_fistt_m64},
    [X87_FBSTP] = {"fbstp", op_fbstp},
    [X87_FSIN] = {"fsin", op_fsin},
    [X87_FCOS] = {"fcos", op_fcos},
    [X87_FPTAN] = {"fptan", op_fptan},
    [X87_FPATAN] = {"fpatan", op_fpatan},
    [X87_F2XM1] = {"f2xm1", op_f2xm1},
    [X87_FYL2X] = {"fyl2x", op_fyl2x},
    [X87_FYL2XP1] = {"fyl2xp1", op_fyl2xp1},
    [SSE_ADDSS] = {"addss", op_addss},
    [SSE_SUBSS] = {"subss", op_subss},
    [SSE_MULSS] = {"mulss", op_mulss},
    [SSE_DIVSS] = {"divss", op_divss},
    [SSE_SQRTSS] = {"sqrtss", op_sqrtss},
    [SSE_MINSS] = {"minss", op_minss},
    [SSE_MAXSS] = {"maxss", op_maxss},
    [SSE_ADDSD] = {"addsd", op_addsd},
    [SSE_SUBSD] = {"subsd", op_subsd},
    [SSE_MULSD] = {"mulsd", op_mulsd},
    [SSE_DIVSD] = {"divsd", op_divsd},
    [SSE_SQRTSD] = {"sqrtsd", op_sqrtsd},
    [SSE_MINSD] = {"minsd", op_minsd},
    [SSE_MAXSD] = {"maxsd", op_maxsd},
    [SSE_COMISS] = {"comiss", op_comiss},
    [SSE_UCOMISS] = {"ucomiss", op_ucomiss},
    [SSE_COMISD] = {"comisd", op_comisd},
    [SSE_UCOMISD] = {"ucomisd", op_ucomisd},
    [SSE_ROUNDSS] = {"roundss", op_roundss},
    [SSE_ROUNDSD] = {"roundsd", op_roundsd},
    [SSE_ROUNDSD_UP_QUIET] = {"roundsd up, quiet", op_roundsd_up_quiet},
    [SSE_CVTSS2SD] = {"cvtss2sd", op_cvtss2sd},
    [SSE_CVTSD2SS] = {"cvtsd2ss", op_cvtsd2ss},
    [SSE_CVTSS2SI32] = {"cvtss2si r32", op_cvtss2si32},
    [SSE_CVTSD2SI32] = {"cvtsd2si r32", op_cvtsd2si32},
    [SSE_CVTSS2SI64] = {"cvtss2si r64", op_cvtss2si64},
    [SSE_CVTSD2SI64] = {"cvtsd2si r64", op_cvtsd2si64},
    [SSE_CVTTSS2SI64] = {"cvttss2si r64", op_cvttss2si64},
    [SSE_CVTTSD2SI32] = {"cvttsd2si r32", op_cvttsd2si32},
    [SSE_CVTSI2SS64] = {"cvtsi2ss r64", op_cvtsi2ss64},
    [SSE_CVTSI2SD64] = {"cvtsi2sd r64", op_cvtsi2sd64},
};

bool host_fp_available(void)
{
    return true;
}

const char *host_op_name(enum host_op_id op)
{
    return HOST_OP_TABLE[op].name;
}

void host_x87_run(enum host_op_id op, struct host_x87 *state)
{
    _Alignas(16) uint8_t image[512];
    uint8_t st0[16], st1[16];
    memcpy(st0, &state->st0, 16);
    memcpy(st1, &state->st1, 16);
    __asm__ volatile("fninit\n\tfldt %[b]\n\tfldt %[a]\n\tfldcw %[cw]\n\t"
                     "subq $128, %%rsp\n\tcall *%[fn]\n\taddq $128, %%rsp\n\tfxsave64 %[image]\n\tfninit"
                     : [image] "=m"(image), "+m"(*(uint8_t(*)[16])state->memory)
                     : [b] "m"(st1), [a] "m"(st0), [cw] "m"(state->control), [fn] "r"(HOST_OP_TABLE[op].fn),
                       "a"(state->memory)
                     : "cc", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)");
    memcpy(&state->status, image + 2, 2);
    memcpy(&state->st0.significand, image + 32, 8);
    memcpy(&state->st0.sign_exp, image + 40, 2);
    memcpy(&state->st1.significand, image + 48, 8);
    memcpy(&state->st1.sign_exp, image + 56, 2);
}

enum { MXCSR_MASKS = 0x1F80, MXCSR_FLAGS = 0x3F };

/* Leave the instruction's function as if it had returned, masked, with its flags kept. */
static void on_sigfpe(int signal_number, siginfo_t *info, void *context)
{
    (void)signal_number;
    (void)info;
    ucontext_t *machine = context;
    uint64_t *stack = (uint64_t *)machine->uc_mcontext.gregs[REG_RSP]; /* NOLINT: a host address */
    machine->uc_mcontext.fpregs->mxcsr |= MXCSR_MASKS;
    machine->uc_mcontext.gregs[REG_RIP] = (int64_t)stack[0];
    machine->uc_mcontext.gregs[REG_RSP] += 8;
}

void host_sse_run(enum host_op_id op, struct host_sse *state)
{
    if ((state->mxcsr & MXCSR_MASKS) != MXCSR_MASKS) {
        struct sigaction action = {.sa_sigaction = on_sigfpe, .sa_flags = SA_SIGINFO | SA_NODEFER};
        sigaction(SIGFPE, &action, NULL);
    }
    uint32_t old, mxcsr = state->mxcsr, after;
    uint64_t result, integer = 0, flags;
    __asm__ volatile("stmxcsr %0" : "=m"(old));
    /* The red zone is in the way of call and push: step over it. */
    __asm__ volatile("movq %[x], %%xmm0\n\tmovq %[y], %%xmm1\n\tldmxcsr %[in]\n\t"
                     "subq $128, %%rsp\n\tcall *%[fn]\n\tpushfq\n\tpopq %[flags]\n\taddq $128, %%rsp\n\t"
                     "stmxcsr %[after]\n\tldmxcsr %[old]\n\tmovq %%xmm0, %[result]"
                     : [result] "=&r"(result), [flags] "=&r"(flags), [after] "=m"(after), "+a"(integer)
                     : [x] "r"(state->a), [y] "r"(state->b),
                       "c"(state->b), [in] "m"(mxcsr), [old] "m"(old), [fn] "r"(HOST_OP_TABLE[op].fn)
                     : "cc", "xmm0", "xmm1", "memory");
    bool to_integer = op >= SSE_CVTSS2SI32 && op <= SSE_CVTTSD2SI32;
    state->a = to_integer ? integer : result;
    state->mxcsr = (state->mxcsr & ~(uint32_t)MXCSR_FLAGS) | (after & MXCSR_FLAGS);
    state->flags = flags;
}

/* --- whole states -------------------------------------------------------------------------------------- */

void host_registers_run(const uint8_t *code, struct host_registers *m)
{
    _Alignas(16) uint8_t image[512] = {0};
    memcpy(image, &m->control, 2);
    memcpy(image + 2, &m->status, 2);
    image[4] = m->valid;
    uint32_t mxcsr = 0x1F80;
    memcpy(image + 24, &mxcsr, 4);
    for (unsigned i = 0; i < 8; i++) {
        memcpy(image + 32 + 16 * i, &m->st[i].significand, 8);
        memcpy(image + 40 + 16 * i, &m->st[i].sign_exp, 2);
    }
    uint64_t rax = m->rax, flags = m->rflags;
    __asm__ volatile(
        "subq $128, %%rsp\n\tfxrstor64 (%[image])\n\tpushq %[flags]\n\tpopfq\n\tcall *%[code]\n\t"
        "pushfq\n\tpopq %[flags]\n\tfxsave64 (%[image])\n\tfninit\n\taddq $128, %%rsp"
        : [flags] "+r"(flags), "+a"(rax)
        : [image] "r"(image), [code] "r"(code)
        : "cc", "memory", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)", "xmm0", "xmm1",
          "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",
          "xmm14", "xmm15");
    memcpy(&m->control, image, 2);
    memcpy(&m->status, image + 2, 2);
    m->valid = image[4];
    for (unsigned i = 0; i < 8; i++) {
        memcpy(&m->st[i].significand, image + 32 + 16 * i, 8);
        memcpy(&m->st[i].sign_exp, image + 40 + 16 * i, 2);
    }
    m->rax = rax;
    m->rflags = flags;
}

/* Return from the instruction with everything masked; rbx tells that it happened. */
static void on_sigfpe_noted(int signal_number, siginfo_t *info, void *context)
{
    (void)signal_number;
    (void)info;
    ucontext_t *machine = context;
    uint64_t *stack = (uint64_t *)machine->uc_mcontext.gregs[REG_RSP];
    machine->uc_mcontext.fpregs->mxcsr |= MXCSR_MASKS;
    machine->uc_mcontext.gregs[REG_RIP] = (int64_t)stack[0];
    machine->uc_mcontext.gregs[REG_RSP] += 8;
    machine->uc_mcontext.gregs[REG_RBX] = 1;
}

void host_vectors_run(const uint8_t *code, struct host_vectors *m)
{
    struct sigaction action = {.sa_sigaction = on_sigfpe_noted, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(SIGFPE, &action, NULL);
    uint32_t old, after, mxcsr = m->mxcsr;
    uint64_t fault = 0, flags = m->rflags, rax = m->rax;
    __asm__ volatile("stmxcsr %0" : "=m"(old));
    __asm__ volatile("movups (%[x]), %%xmm1\n\tmovups 16(%[x]), %%xmm2\n\tmovq %[mm], %%mm0\n\t"
                     "ldmxcsr %[in]\n\tsubq $128, %%rsp\n\tpushq %[flags]\n\tpopfq\n\tcall *%[code]\n\t"
                     "pushfq\n\tpopq %[flags]\n\taddq $128, %%rsp\n\tstmxcsr %[after]\n\tldmxcsr %[old]\n\t"
                     "movups %%xmm1, (%[x])\n\tmovq %%mm0, %[mm]\n\temms"
                     : [flags] "+r"(flags), [after] "=m"(after), "+a"(rax), "+b"(fault), [mm] "+r"(m->mm0)
                     : [x] "r"(m->xmm), [code] "r"(code), [in] "m"(mxcsr), [old] "m"(old)
                     : "cc", "memory", "xmm1", "xmm2", "mm0", "st");
    m->mxcsr = (m->mxcsr & ~(uint32_t)MXCSR_FLAGS) | (after & MXCSR_FLAGS);
    m->rax = rax;
    m->rflags = flags;
    m->fault = fault != 0;
}

#else

bool host_fp_available(void)
{
    return false;
}

const char *host_op_name(enum host_op_id op)
{
    (void)op;
    return "none";
}

void host_x87_run(enum host_op_id op, struct host_x87 *state)
{
    (void)op;
    (void)state;
}

void host_sse_run(enum host_op_id op, struct host_sse *state)
{
    (void)op;
    (void)state;
}

void host_registers_run(const uint8_t *code, struct host_registers *m)
{
    (void)code;
    (void)m;
}

void host_vectors_run(const uint8_t *code, struct host_vectors *m)
{
    (void)code;
    (void)m;
}

#endif

/* --- operands ------------------------------------------------------------------------------------------ */

uint64_t fp_random_next(struct fp_random *random)
{
    /* xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift generators") */
    random->state ^= random->state >> 12;
    random->state ^= random->state << 25;
    random->state ^= random->state >> 27;
    return random->state * 0x2545F4914F6CDD1Dull;
}

/* 64 bits in one of several shapes: uniform, few bits set, long runs, near a boundary. */
static uint64_t random_pattern(struct fp_random *random)
{
    uint64_t bits = fp_random_next(random), shape = fp_random_next(random);
    unsigned shift = shape >> 8 & 63;
    switch (shape & 7) {
    case 0: return ~0ull << shift;
    case 1: return ~0ull >> shift;
    case 2: return bits << shift;
    case 3: return 1ull << shift;
    case 4: return (1ull << shift) + (bits & 3) - 1;
    case 5: return bits & ~0ull << (shift & 31) & ~0ull >> (shift >> 1);
    default: return bits;
    }
}

/* A biased exponent: at the ends, around the middle (so that two operands meet), or anywhere. */
static unsigned random_exponent(struct fp_random *random, unsigned top)
{
    uint64_t bits = fp_random_next(random);
    unsigned middle = top >> 1, offset = bits >> 8 & 0xFF;
    switch (bits & 7) {
    case 0: return offset & 3 ? 0 : 1;
    case 1: return top - (offset & 1);
    case 2: return (unsigned)(bits >> 20) & top;
    case 3: return top - 1 - (offset & 63) % top;
    case 4: return offset % 100 % top;
    case 5: return (middle - 80 + offset % 160) & top;
    default: return (middle - 3 + offset % 8) & top;
    }
}

struct f80 fp_random_f80(struct fp_random *random)
{
    unsigned exp = random_exponent(random, 0x7FFF);
    uint64_t sig = random_pattern(random), bits = fp_random_next(random);
    if (bits & 0xF) /* else maybe unsupported or pseudo-denormal */
        sig = exp == 0 ? sig >> 1 : sig | 1ull << 63;
    if ((bits >> 8 & 7) == 0)
        sig = exp == 0 ? 0 : 1ull << 63;
    if ((bits >> 16 & 7) == 0) /* values that came from f64 or f32 */
        sig &= bits & 1 << 20 ? ~0ull << 11 : ~0ull << 40;
    return (struct f80){sig, (uint16_t)(exp | (bits >> 63) << 15)};
}

uint32_t fp_random_f32(struct fp_random *random)
{
    unsigned exp = random_exponent(random, 0xFF);
    uint64_t sig = random_pattern(random), bits = fp_random_next(random);
    if ((bits & 7) == 0)
        sig = 0;
    return (uint32_t)(bits >> 63 << 31 | exp << 23 | (bits & 8 ? sig & 0x7FFFFF : sig >> 41));
}

uint64_t fp_random_f64(struct fp_random *random)
{
    uint64_t exp = random_exponent(random, 0x7FF);
    uint64_t sig = random_pattern(random), bits = fp_random_next(random);
    if ((bits & 7) == 0)
        sig = 0;
    return bits >> 63 << 63 | exp << 52 | (bits & 8 ? sig & 0xFFFFFFFFFFFFF : sig >> 12);
}

struct fp_env fp_env_of_control(uint16_t control)
{
    static const uint8_t precision[] = {24, 64, 53, 64};
    return (struct fp_env){
        .rounding = control >> 10 & 3, .precision = precision[control >> 8 & 3], .masks = control & 0x3F};
}

struct fp_env fp_env_of_mxcsr(uint32_t mxcsr)
{
    return (struct fp_env){.rounding = mxcsr >> 13 & 3,
                           .precision = 64,
                           .masks = mxcsr >> 7 & 0x3F,
                           .flush_to_zero = mxcsr >> 15 & 1,
                           .denormals_are_zero = mxcsr >> 6 & 1};
}

uint16_t fp_random_control(struct fp_random *random)
{
    static const uint16_t precision[] = {0, 0x200, 0x300, 0x300};
    uint64_t bits = fp_random_next(random);
    uint16_t masks = bits >> 32 & 1 ? 0x3F : bits >> 40 & 0x3F;
    return (uint16_t)(0x40 | masks | precision[bits & 3] | (bits >> 8 & 3) << 10);
}

uint32_t fp_random_mxcsr(struct fp_random *random)
{
    uint64_t bits = fp_random_next(random);
    uint32_t masks = bits >> 32 & 7 ? 0x3F : bits >> 40 & 0x3F; /* SIGFPE is slow */
    uint32_t modes = (bits & 3) == 0 ? 0x8000 : (bits & 3) == 1 ? 0x40 : (bits & 3) == 2 ? 0x8040 : 0;
    return masks << 7 | (uint32_t)(bits >> 8 & 3) << 13 | modes;
}
