/* cpu/fp's x87 operations against the host's x87: result, exception flags, condition codes and C1, over
 * random and special operands, all rounding and precision modes, and masked and unmasked exceptions. */
#include "tests/cpu/fp_oracle.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <string.h>

enum { CASES = 50000, C1 = 1 << 9, CODES = 0x4700, MAX_REPORTS = 5 };

/* What our side of a case is: operands in, results and status bits out. */
struct ours {
    struct fp_env env;
    struct f80 a, b; /* st0, st1 before */
    uint8_t memory[16];
    struct f80 st0, st1;
    bool has_st1;
    uint16_t codes;      /* C0..C3 except C1 */
    unsigned store_size; /* bytes of memory written */
};

typedef void ours_fn(struct ours *our);

static struct fp_num num_a(const struct ours *our)
{
    return fp_from_f80(our->a);
}

static struct fp_num num_b(const struct ours *our)
{
    return fp_from_f80(our->b);
}

static struct fp_num mem_f32(const struct ours *our)
{
    uint32_t value;
    memcpy(&value, our->memory, 4);
    return fp_from_f32(value);
}

static struct fp_num mem_f64(const struct ours *our)
{
    uint64_t value;
    memcpy(&value, our->memory, 8);
    return fp_from_f64(value);
}

static void do_fadd(struct ours *our)
{
    our->st0 = f80_add(&our->env, num_a(our), num_b(our));
}
static void do_fsub(struct ours *our)
{
    our->st0 = f80_sub(&our->env, num_a(our), num_b(our));
}
static void do_fmul(struct ours *our)
{
    our->st0 = f80_mul(&our->env, num_a(our), num_b(our));
}
static void do_fdiv(struct ours *our)
{
    our->st0 = f80_div(&our->env, num_a(our), num_b(our));
}
static void do_fadd_m32(struct ours *our)
{
    our->st0 = f80_add(&our->env, num_a(our), mem_f32(our));
}
static void do_fadd_m64(struct ours *our)
{
    our->st0 = f80_add(&our->env, num_a(our), mem_f64(our));
}
static void do_fsub_m32(struct ours *our)
{
    our->st0 = f80_sub(&our->env, num_a(our), mem_f32(our));
}
static void do_fmul_m64(struct ours *our)
{
    our->st0 = f80_mul(&our->env, num_a(our), mem_f64(our));
}
static void do_fdiv_m64(struct ours *our)
{
    our->st0 = f80_div(&our->env, num_a(our), mem_f64(our));
}
static void do_fiadd_m32(struct ours *our)
{
    int32_t value;
    memcpy(&value, our->memory, 4);
    our->st0 = f80_add(&our->env, num_a(our), fp_from_int(value));
}
static void do_fsqrt(struct ours *our)
{
    our->st0 = f80_sqrt(&our->env, num_a(our));
}

static void do_rem(struct ours *our, bool nearest)
{
    struct f80_remainder r = f80_rem(&our->env, num_a(our), num_b(our), nearest);
    our->st0 = r.value;
    /* C0 = Q2, C3 = Q1, C1 = Q0 (SDM 2, FPREM) */
    our->codes = (uint16_t)((r.quotient >> 2 & 1) << 8 | (r.quotient >> 1 & 1) << 14 | r.partial << 10);
    our->env.rounded_up = r.quotient & 1;
}
static void do_fprem(struct ours *our)
{
    do_rem(our, false);
}
static void do_fprem1(struct ours *our)
{
    do_rem(our, true);
}
static void do_fscale(struct ours *our)
{
    our->st0 = f80_scale(&our->env, num_a(our), num_b(our));
}
static void do_fxtract(struct ours *our)
{
    our->st0 = f80_extract(&our->env, num_a(our), &our->st1);
    our->has_st1 = true;
}
static void do_frndint(struct ours *our)
{
    our->st0 = f80_round_to_integral(&our->env, num_a(our));
}

static void do_compare(struct ours *our, bool quiet)
{
    static const uint16_t codes[] = {
        [FP_LESS] = 0x100, [FP_EQUAL] = 0x4000, [FP_GREATER] = 0, [FP_UNORDERED] = 0x4500};
    our->codes = codes[f80_compare(&our->env, num_a(our), num_b(our), quiet)];
}
static void do_fcom(struct ours *our)
{
    do_compare(our, false);
}
static void do_fucom(struct ours *our)
{
    do_compare(our, true);
}
static void do_fld_m32(struct ours *our)
{
    our->st0 = f80_load(&our->env, mem_f32(our));
}
static void do_fld_m64(struct ours *our)
{
    our->st0 = f80_load(&our->env, mem_f64(our));
}
static void do_fild_m64(struct ours *our)
{
    int64_t value;
    memcpy(&value, our->memory, 8);
    our->st0 = f80_load(&our->env, fp_from_int(value));
}
static void do_fbld(struct ours *our)
{
    uint64_t low;
    uint16_t high;
    memcpy(&low, our->memory, 8);
    memcpy(&high, our->memory + 8, 2);
    our->st0 = f80_from_bcd(low, high);
}
static void do_fst_m32(struct ours *our)
{
    uint32_t value = f80_to_f32(&our->env, num_a(our));
    memcpy(our->memory, &value, our->store_size = 4);
}
static void do_fst_m64(struct ours *our)
{
    uint64_t value = f80_to_f64(&our->env, num_a(our));
    memcpy(our->memory, &value, our->store_size = 8);
}

static void do_fist(struct ours *our, unsigned bits, enum fp_rounding rounding)
{
    int64_t value = fp_to_int(&our->env, num_a(our), bits, rounding);
    memcpy(our->memory, &value, our->store_size = bits / 8);
}
static void do_fist_m16(struct ours *our)
{
    do_fist(our, 16, our->env.rounding);
}
static void do_fist_m32(struct ours *our)
{
    do_fist(our, 32, our->env.rounding);
}
static void do_fist_m64(struct ours *our)
{
    do_fist(our, 64, our->env.rounding);
}
static void do_fistt_m64(struct ours *our)
{
    do_fist(our, 64, FP_TRUNCATE);
}
static void do_fbstp(struct ours *our)
{
    uint64_t low;
    uint16_t high;
    f80_to_bcd(&our->env, num_a(our), &low, &high);
    memcpy(our->memory, &low, 8);
    memcpy(our->memory + 8, &high, 2);
    our->store_size = 10;
}

enum kind {
    REGISTER, /* st0 is the result */
    COMPARE,  /* only the condition codes */
    STORE,    /* memory is the result */
    LOAD,     /* st0 is pushed */
};

struct row {
    enum host_op_id op;
    enum kind kind;
    ours_fn *fn;
};

static const struct row ROWS[] = {
    {X87_FADD, REGISTER, do_fadd},         {X87_FSUB, REGISTER, do_fsub},
    {X87_FMUL, REGISTER, do_fmul},         {X87_FDIV, REGISTER, do_fdiv},
    {X87_FADD_M32, REGISTER, do_fadd_m32}, {X87_FADD_M64, REGISTER, do_fadd_m64},
    {X87_FSUB_M32, REGISTER, do_fsub_m32}, {X87_FMUL_M64, REGISTER, do_fmul_m64},
    {X87_FDIV_M64, REGISTER, do_fdiv_m64}, {X87_FIADD_M32, REGISTER, do_fiadd_m32},
    {X87_FSQRT, REGISTER, do_fsqrt},       {X87_FPREM, REGISTER, do_fprem},
    {X87_FPREM1, REGISTER, do_fprem1},     {X87_FSCALE, REGISTER, do_fscale},
    {X87_FXTRACT, REGISTER, do_fxtract},   {X87_FRNDINT, REGISTER, do_frndint},
    {X87_FCOM, COMPARE, do_fcom},          {X87_FUCOM, COMPARE, do_fucom},
    {X87_FLD_M32, LOAD, do_fld_m32},       {X87_FLD_M64, LOAD, do_fld_m64},
    {X87_FILD_M64, LOAD, do_fild_m64},     {X87_FBLD, LOAD, do_fbld},
    {X87_FST_M32, STORE, do_fst_m32},      {X87_FST_M64, STORE, do_fst_m64},
    {X87_FIST_M16, STORE, do_fist_m16},    {X87_FIST_M32, STORE, do_fist_m32},
    {X87_FIST_M64, STORE, do_fist_m64},    {X87_FISTT_M64, STORE, do_fistt_m64},
    {X87_FBSTP, STORE, do_fbstp},
};

/* Operand memory fit for the row: floats in their own shapes, decimal digits for FBLD. */
static void random_memory(struct fp_random *random, enum host_op_id op, uint8_t memory[16])
{
    uint64_t value = fp_random_next(random);
    if (op == X87_FADD_M32 || op == X87_FSUB_M32 || op == X87_FLD_M32)
        value = fp_random_f32(random);
    else if (op == X87_FADD_M64 || op == X87_FMUL_M64 || op == X87_FDIV_M64 || op == X87_FLD_M64)
        value = fp_random_f64(random);
    else if (value & 1)
        value = (uint64_t)((int64_t)value >> (value >> 1 & 63));
    uint64_t high = fp_random_next(random);
    if (op == X87_FBLD) {
        for (unsigned i = 0; i < 64; i += 4)
            value = (value & ~(0xFull << i)) | (value >> i & 0xF) % 10 << i;
        high = (high & 0x8000) | 0x12;
    }
    memcpy(memory, &value, 8);
    memcpy(memory + 8, &high, 8);
}

static bool same(struct f80 a, struct f80 b)
{
    return a.significand == b.significand && a.sign_exp == b.sign_exp;
}

/* Numbers whose magnitude makes an integer or BCD store interesting. */
static struct f80 integer_sized(struct fp_random *random, struct f80 value)
{
    uint64_t bits = fp_random_next(random);
    if (bits & 3)
        value.sign_exp = (uint16_t)((value.sign_exp & 0x8000) | (16383 - 3 + bits / 4 % 70));
    if (bits & 1)
        value.significand |= 1ull << 63;
    return value;
}

/* Apply the architectural filter for what our caller would deliver and compare. Returns true when equal. */
static bool agree(const struct row *row, const struct ours *our, const struct host_x87 *before,
                  const struct host_x87 *host)
{
    uint8_t flags = fp_flags_visible(&our->env);
    uint8_t unmasked = flags & ~our->env.masks & FP_ALL_EXCEPTIONS;
    bool delivered = !(unmasked & FP_PRE_COMPUTATION);
    uint16_t codes = our->codes;
    bool c1 = our->env.rounded_up && delivered;
    if (row->kind == STORE && (unmasked & (FP_OE | FP_UE))) {
        delivered = false;
        c1 = false;
        flags &= (uint8_t)~FP_PE;
    }
    uint16_t mask =
        row->kind == REGISTER && row->op != X87_FPREM && row->op != X87_FPREM1 ? C1 | 0x3F : CODES | 0x3F;
    if (row->kind == STORE || row->kind == LOAD)
        mask = C1 | 0x3F;
    if (!delivered && (row->op == X87_FPREM || row->op == X87_FPREM1))
        mask = 0x3F;
    uint16_t status = (uint16_t)(flags | codes | (c1 ? C1 : 0));
    if ((host->status & mask) != (status & mask))
        return false;
    switch (row->kind) {
    case REGISTER:
        if (!delivered)
            return same(host->st0, before->st0);
        return same(host->st0, our->st0) && (!our->has_st1 || same(host->st1, our->st1));
    case LOAD:
        /* A load completes in spite of an unmasked denormal exception. */
        delivered = !(unmasked & FP_IE);
        return delivered ? same(host->st0, our->st0) : same(host->st0, before->st0);
    case STORE: return memcmp(host->memory, delivered ? our->memory : before->memory, our->store_size) == 0;
    default: return true;
    }
}

static void report(const struct row *row, const struct ours *our, const struct host_x87 *before,
                   const struct host_x87 *host)
{
    uint64_t operand, ours_memory, host_memory;
    memcpy(&operand, before->memory, 8);
    memcpy(&ours_memory, our->memory, 8);
    memcpy(&host_memory, host->memory, 8);
    cr_log_error("%s cw %04x: %04x:%016" PRIx64 " %04x:%016" PRIx64 " mem %016" PRIx64
                 "\n  ours %04x:%016" PRIx64 " flags %02x codes %04x c1 %d mem %016" PRIx64
                 "\n  host %04x:%016" PRIx64 " status %04x mem %016" PRIx64,
                 host_op_name(row->op), before->control, before->st0.sign_exp, before->st0.significand,
                 before->st1.sign_exp, before->st1.significand, operand, our->st0.sign_exp,
                 our->st0.significand, our->env.flags, our->codes, our->env.rounded_up, ours_memory,
                 host->st0.sign_exp, host->st0.significand, host->status, host_memory);
}

/* Run one row; returns the number of differences. */
static unsigned run_row(const struct row *row, uint64_t seed)
{
    struct fp_random random = {seed};
    unsigned bad = 0;
    for (unsigned i = 0; i < CASES; i++) {
        struct host_x87 before = {.st0 = fp_random_f80(&random), .st1 = fp_random_f80(&random)};
        before.control = fp_random_control(&random);
        random_memory(&random, row->op, before.memory);
        if (row->kind == STORE && row->op != X87_FST_M32 && row->op != X87_FST_M64)
            before.st0 = integer_sized(&random, before.st0);
        if (row->kind == STORE && (i & 3) && (row->op == X87_FST_M32 || row->op == X87_FST_M64)) {
            unsigned base = row->op == X87_FST_M32 ? 16383 - 170 : 16383 - 1100;
            unsigned span = row->op == X87_FST_M32 ? 310 : 2150;
            uint64_t bits = fp_random_next(&random);
            before.st0.sign_exp = (uint16_t)((bits >> 63) << 15 | (base + bits % span));
            before.st0.significand |= 1ull << 63;
        }
        if (row->op == X87_FSCALE && (i & 3))
            before.st1 = integer_sized(&random, before.st1);
        struct ours our = {.env = fp_env_of_control(before.control), .a = before.st0, .b = before.st1};
        memcpy(our.memory, before.memory, sizeof our.memory);
        row->fn(&our);
        struct host_x87 host = before;
        host_x87_run(row->op, &host);
        if (!agree(row, &our, &before, &host) && bad++ < MAX_REPORTS)
            report(row, &our, &before, &host);
    }
    return bad;
}

Test(fp_x87, agrees_with_the_host)
{
    if (!host_fp_available())
        return;
    unsigned total = 0;
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        unsigned bad = run_row(&ROWS[i], 0x9E3779B97F4A7C15ull + i);
        if (bad)
            cr_log_error("%s: %u of %d differ", host_op_name(ROWS[i].op), bad, CASES);
        total += bad;
    }
    cr_assert_eq(total, 0, "%u differences", total);
}
