/* The host's own floating point as the oracle for cpu/fp, and operands to feed both with.
 *
 * Available on x86-64 hosts only; elsewhere host_fp_available() is false and the tests that need it pass
 * without looking. */
#ifndef CROSSPAGE_TESTS_CPU_FP_ORACLE_H
#define CROSSPAGE_TESTS_CPU_FP_ORACLE_H

#include "cpu/fp/fp.h"

/* An instruction on the host's FPU registers: for x87, rax points at memory; for SSE, xmm0 op= xmm1. */
typedef void host_op_fn(void);

struct host_op {
    const char *name;
    host_op_fn *fn; /* NULL on other hosts */
};

/* Indexes the table of instructions in fp_oracle.c. ORDER: same as there. */
enum host_op_id {
    X87_FADD, /* st0 = st0 op st1 */
    X87_FSUB,
    X87_FMUL,
    X87_FDIV,
    X87_FADD_M32, /* st0 = st0 op memory */
    X87_FADD_M64,
    X87_FSUB_M32,
    X87_FMUL_M64,
    X87_FDIV_M64,
    X87_FIADD_M32,
    X87_FSQRT,
    X87_FPREM,
    X87_FPREM1,
    X87_FSCALE,
    X87_FXTRACT,
    X87_FRNDINT,
    X87_FCOM,
    X87_FUCOM,
    X87_FLD_M32,
    X87_FLD_M64,
    X87_FILD_M64,
    X87_FBLD,
    X87_FST_M32,
    X87_FST_M64,
    X87_FIST_M16,
    X87_FIST_M32,
    X87_FIST_M64,
    X87_FISTT_M64,
    X87_FBSTP,
    X87_FSIN,
    X87_FCOS,
    X87_FPTAN,
    X87_FPATAN,
    X87_F2XM1,
    X87_FYL2X,
    X87_FYL2XP1,
    SSE_ADDSS,
    SSE_SUBSS,
    SSE_MULSS,
    SSE_DIVSS,
    SSE_SQRTSS,
    SSE_MINSS,
    SSE_MAXSS,
    SSE_ADDSD,
    SSE_SUBSD,
    SSE_MULSD,
    SSE_DIVSD,
    SSE_SQRTSD,
    SSE_MINSD,
    SSE_MAXSD,
    SSE_COMISS,
    SSE_UCOMISS,
    SSE_COMISD,
    SSE_UCOMISD,
    SSE_ROUNDSS, /* MXCSR rounding, inexact reported */
    SSE_ROUNDSD,
    SSE_ROUNDSD_UP_QUIET,
    SSE_CVTSS2SD,
    SSE_CVTSD2SS,
    SSE_CVTSS2SI32,
    SSE_CVTSD2SI32,
    SSE_CVTSS2SI64,
    SSE_CVTSD2SI64,
    SSE_CVTTSS2SI64,
    SSE_CVTTSD2SI32,
    SSE_CVTSI2SS64,
    SSE_CVTSI2SD64,
    HOST_OPS,
};

struct host_x87 {
    struct f80 st0, st1; /* registers before and after */
    uint16_t control;
    uint16_t status;    /* after */
    uint8_t memory[16]; /* operand before and after */
};

struct host_sse {
    uint64_t a, b;  /* before: low lanes of xmm0 and xmm1; after: a is the result */
    uint32_t mxcsr; /* before and after */
    uint64_t flags; /* RFLAGS after */
};

bool host_fp_available(void);
const char *host_op_name(enum host_op_id op);
void host_x87_run(enum host_op_id op, struct host_x87 *state);

/* Unmasked exceptions are caught: the flags are reported, the result is then meaningless. */
void host_sse_run(enum host_op_id op, struct host_sse *state);

/* x87 state as FXSAVE sees it, with RFLAGS and RAX. */
struct host_registers {
    uint16_t control, status;
    uint8_t valid;
    struct f80 st[8];
    uint64_t rflags, rax;
};

/* What an instruction may see and change: xmm1 is the destination, xmm2 the source, rax and mm0 the others.
 */
struct host_vectors {
    union {
        uint64_t q[2];
        uint32_t d[4];
    } xmm[2];
    uint64_t rax, mm0, rflags;
    uint32_t mxcsr;
    bool fault; /* after: an unmasked exception happened */
};

/* Run machine code that ends in RET between loading and saving such a state. */
void host_registers_run(const uint8_t *code, struct host_registers *m);
void host_vectors_run(const uint8_t *code, struct host_vectors *m);

/* A small random generator: the same numbers on every host. */
struct fp_random {
    uint64_t state;
};

uint64_t fp_random_next(struct fp_random *random);

/* Interesting operands: every class, exponents near each other and near the ends, long runs of equal bits. */
struct f80 fp_random_f80(struct fp_random *random);
uint32_t fp_random_f32(struct fp_random *random);
uint64_t fp_random_f64(struct fp_random *random);

/* env of an x87 control word or of an MXCSR. */
struct fp_env fp_env_of_control(uint16_t control);
struct fp_env fp_env_of_mxcsr(uint32_t mxcsr);

/* A random control word (exceptions mostly masked) and MXCSR. */
uint16_t fp_random_control(struct fp_random *random);
uint32_t fp_random_mxcsr(struct fp_random *random);

#endif
