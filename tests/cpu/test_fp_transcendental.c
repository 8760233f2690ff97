/* cpu/fp's transcendental functions against the host's x87.
 *
 * Where the two differ it must be by one unit in the last place (both are within one ulp of the truth), and
 * rarely; special operands, exception flags and C2 must agree. PE and C1 are compared only with equal
 * results. */
#include "tests/cpu/fp_oracle.h"

#include <criterion/criterion.h>
#include <inttypes.h>

enum { CASES = 20000, MAX_REPORTS = 5, C2 = 0x400, OE = 0x08, UE = 0x10, PE = 0x20 };

typedef struct f80 ours_fn(struct fp_env *env, struct fp_num st0, struct fp_num st1, bool *out_of_range);

static struct f80 fsin(struct fp_env *env, struct fp_num st0, struct fp_num st1, bool *out)
{
    (void)st1;
    return f80_sin(env, st0, out);
}
static struct f80 fcos(struct fp_env *env, struct fp_num st0, struct fp_num st1, bool *out)
{
    (void)st1;
    return f80_cos(env, st0, out);
}
static struct f80 fptan(struct fp_env *env, struct fp_num st0, struct fp_num st1, bool *out)
{
    (void)st1;
    return f80_tan(env, st0, out);
}
static struct f80 fpatan(struct fp_env *env, struct fp_num st0, struct fp_num st1, bool *out)
{
    (void)out;
    return f80_atan2(env, st1, st0);
}
static struct f80 f2xm1(struct fp_env *env, struct fp_num st0, struct fp_num st1, bool *out)
{
    (void)st1;
    (void)out;
    return f80_exp2m1(env, st0);
}
static struct f80 fyl2x(struct fp_env *env, struct fp_num st0, struct fp_num st1, bool *out)
{
    (void)out;
    return f80_ylog2x(env, st1, st0);
}
static struct f80 fyl2xp1(struct fp_env *env, struct fp_num st0, struct fp_num st1, bool *out)
{
    (void)out;
    return f80_ylog2xp1(env, st1, st0);
}

/* Operand shapes: anything, or a finite one with an exponent in a window where the function is defined. */
static const struct row {
    enum host_op_id op;
    ours_fn *fn;
    int low, high;     /* unbiased exponents of st0 */
    bool positive;     /* st0 */
    bool defined_only; /* no operands outside the window but special ones */
} ROWS[] = {
    {X87_FSIN, fsin, -80, 62, false, false},      {X87_FCOS, fcos, -80, 62, false, false},
    {X87_FPTAN, fptan, -80, 62, false, false},    {X87_FPATAN, fpatan, -40, 40, false, false},
    {X87_F2XM1, f2xm1, -80, -1, false, true},     {X87_FYL2X, fyl2x, -20, 20, true, false},
    {X87_FYL2XP1, fyl2xp1, -80, -3, false, true},
};

static struct f80 random_finite(struct fp_random *random, int low, int high)
{
    uint64_t bits = fp_random_next(random);
    struct f80 value = fp_random_f80(random);
    unsigned span = (unsigned)(high - low + 1);
    value.significand |= 1ull << 63;
    value.sign_exp = (uint16_t)((value.sign_exp & 0x8000) | (16383 + low + (int)(bits % span)));
    return value;
}

/* Zero, infinity, NaN, denormal or unsupported: defined for every function. */
static bool is_special(struct f80 value)
{
    uint8_t cls = fp_from_f80(value).cls;
    return cls != FP_CLASS_NORMAL;
}

static unsigned long ulps_apart(struct f80 a, struct f80 b)
{
    if (a.sign_exp == b.sign_exp)
        return a.significand > b.significand ? a.significand - b.significand : b.significand - a.significand;
    /* neighbours across a power of two */
    struct f80 low = (a.sign_exp & 0x7FFF) < (b.sign_exp & 0x7FFF) ? a : b,
               high = low.sign_exp == a.sign_exp ? b : a;
    bool adjacent = low.sign_exp + 1 == high.sign_exp;
    return adjacent && low.significand == ~0ull && high.significand == 1ull << 63 ? 1 : ~0ul;
}

static unsigned run_row(const struct row *row, unsigned *unequal)
{
    struct fp_random random = {0x2545F4914F6CDD1Dull + row->op};
    unsigned bad = 0;
    for (unsigned i = 0; i < CASES; i++) {
        struct host_x87 host = {.st0 = fp_random_f80(&random), .st1 = fp_random_f80(&random)};
        if (i & 3 || (row->defined_only && !is_special(host.st0)))
            host.st0 = random_finite(&random, row->low, row->high);
        if (i & 3)
            host.st1 = random_finite(&random, -40, 40);
        if (row->positive && i & 1)
            host.st0.sign_exp &= 0x7FFF;
        host.control = i & 8 ? 0x037F : fp_random_control(&random);
        struct host_x87 before = host;
        bool out_of_range = false;
        struct fp_env env = fp_env_of_control(host.control);
        struct f80 ours = row->fn(&env, fp_from_f80(host.st0), fp_from_f80(host.st1), &out_of_range);
        host_x87_run(row->op, &host);
        uint8_t flags = fp_flags_visible(&env);
        bool delivered = !(flags & ~env.masks & FP_PRE_COMPUTATION) && !out_of_range;
        bool two_results = row->op == X87_FPTAN && delivered;
        struct f80 theirs = two_results ? host.st1 : host.st0;
        unsigned long distance = delivered ? ulps_apart(ours, theirs) : 0;
        uint16_t mask = distance ? 0x1F | C2 : 0x3F | C2;
        /* With directed rounding a last-bit difference decides on overflow and underflow at the ends. */
        unsigned exponent = ours.sign_exp & 0x7FFF;
        if ((before.control & 0xC00) && (exponent <= 1 || exponent >= 0x7FFE))
            mask &= (uint16_t) ~(OE | UE | PE);
        if (row->op == X87_FPATAN || row->op == X87_F2XM1 || row->op >= X87_FYL2X)
            mask &= (uint16_t)~C2;
        uint16_t status = (uint16_t)(flags | (out_of_range ? C2 : 0));
        *unequal += distance != 0 && !(before.control & 0xC00);
        if (((host.status ^ status) & mask) || distance > 1) {
            if (bad++ < MAX_REPORTS)
                cr_log_error(
                    "%s cw %04x: st0 %04x:%016" PRIx64 " st1 %04x:%016" PRIx64 "\n  ours %04x:%016" PRIx64
                    " status %04x\n  host %04x:%016" PRIx64 " status %04x",
                    host_op_name(row->op), before.control, before.st0.sign_exp, before.st0.significand,
                    before.st1.sign_exp, before.st1.significand, ours.sign_exp, ours.significand, status,
                    theirs.sign_exp, theirs.significand, host.status);
        }
    }
    return bad;
}

Test(fp_transcendental, agrees_with_the_host_within_one_ulp)
{
    if (!host_fp_available())
        return;
    unsigned total = 0;
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        unsigned unequal = 0, bad = run_row(&ROWS[i], &unequal);
        cr_log_info("%s: %u wrong, %u last bits of %d", host_op_name(ROWS[i].op), bad, unequal, CASES);
        total += bad;
    }
    cr_assert_eq(total, 0, "%u differences", total);
}
