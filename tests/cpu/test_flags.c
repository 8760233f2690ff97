/* Arithmetic flags: every pair of 8-bit operands through every flag-setting form, against flags worked out
 * bit by bit here; all conditions; corner values of the wider sizes. */
#include "cpu/exec.h"
#include "cpu/flags.h"
#include "tests/cpu/harness.h"

#include <criterion/criterion.h>

/* ---- A second opinion ---- */

static uint64_t mask_of(unsigned size)
{
    return size == 8 ? UINT64_MAX : (UINT64_C(1) << (8 * size)) - 1;
}

static bool bit(uint64_t value, unsigned n)
{
    return (value >> n & 1) != 0;
}

/* Result and flags of a + b + carry in `size` bytes, by a ripple of full adders. */
static uint64_t add_bits(unsigned size, uint64_t a, uint64_t b, bool carry, uint64_t *flags)
{
    uint64_t sum = 0;
    bool into_sign = false;
    *flags = 0;
    for (unsigned i = 0; i < 8 * size; i++) {
        bool x = bit(a, i), y = bit(b, i);
        if (i == 4 && carry)
            *flags |= FLAG_AF;
        into_sign = carry;
        sum |= (uint64_t)(x ^ y ^ carry) << i;
        carry = (x && y) || (x && carry) || (y && carry);
    }
    *flags |= carry ? FLAG_CF : 0;
    *flags |= carry != into_sign ? FLAG_OF : 0;
    return sum;
}

static uint64_t result_flags(unsigned size, uint64_t result)
{
    unsigned ones = 0;
    for (unsigned i = 0; i < 8; i++)
        ones += bit(result, i);
    return (result == 0 ? FLAG_ZF : 0) | (bit(result, 8 * size - 1) ? FLAG_SF : 0) |
           (ones % 2 == 0 ? FLAG_PF : 0);
}

enum form { ADD, OR, ADC, SBB, AND, SUB, XOR, CMP, INC, DEC, NEG, FORMS };

static uint64_t expect(enum form form, unsigned size, uint64_t a, uint64_t b, uint64_t before,
                       uint64_t *flags)
{
    uint64_t mask = mask_of(size), result = 0;
    *flags = 0;
    bool carry = (before & FLAG_CF) != 0;
    switch (form) {
    case ADD: result = add_bits(size, a, b, false, flags); break;
    case ADC: result = add_bits(size, a, b, carry, flags); break;
    case INC: result = add_bits(size, a, 1, false, flags); break;
    case OR: result = a | b, *flags = 0; break;
    case AND: result = a & b, *flags = 0; break;
    case XOR: result = a ^ b, *flags = 0; break;
    /* a - b is a + ~b + 1 with CF and AF turned round. */
    case CMP:
    case SUB: result = add_bits(size, a, ~b & mask, true, flags), *flags ^= FLAG_CF | FLAG_AF; break;
    case SBB: result = add_bits(size, a, ~b & mask, !carry, flags), *flags ^= FLAG_CF | FLAG_AF; break;
    case DEC:
        result = add_bits(size, a, ~UINT64_C(1) & mask, true, flags), *flags ^= FLAG_CF | FLAG_AF;
        break;
    case NEG: result = add_bits(size, 0, ~a & mask, true, flags), *flags ^= FLAG_CF | FLAG_AF; break;
    default: break;
    }
    if (form == INC || form == DEC)
        *flags = (*flags & ~(uint64_t)FLAG_CF) | (before & FLAG_CF);
    *flags |= result_flags(size, result);
    return form == CMP ? a : result;
}

/* ---- One instruction ---- */

/* <form> AL/AX/EAX/RAX, CL/... or the one-operand form on rAX; then HLT. */
static unsigned encode(enum form form, unsigned size, uint8_t code[8])
{
    unsigned n = 0;
    if (size == 2)
        code[n++] = 0x66;
    if (size == 8)
        code[n++] = 0x48;
    uint8_t wide = size != 1;
    switch (form) {
    case INC:
        code[n++] = 0xFE | wide;
        code[n++] = 0xC0;
        break;
    case DEC:
        code[n++] = 0xFE | wide;
        code[n++] = 0xC8;
        break;
    case NEG:
        code[n++] = 0xF6 | wide;
        code[n++] = 0xD8;
        break;
    default:
        code[n++] = (uint8_t)(8 * form) | wide;
        code[n++] = 0xC8;
        break; /* op eAX, eCX */
    }
    code[n++] = 0xF4;
    return n;
}

static void check_one(struct harness *h, enum form form, unsigned size, uint64_t a, uint64_t b,
                      uint64_t before)
{
    uint64_t want_flags, want = expect(form, size, a, b, before, &want_flags);
    struct cpu_state *s = &h->cpu->s;
    s->gpr[RAX] = a;
    s->gpr[RCX] = b;
    s->rip = HARNESS_CODE;
    s->activity = ACTIVITY_RUNNING;
    flags_replace(h->cpu, FLAG_ONE | before);
    (void)cpu_run(h->cpu, s->clock + 1000);
    uint64_t flags = s->rflags & FLAGS_ARITH;
    if (s->gpr[RAX] != want || flags != want_flags)
        cr_expect(false, "form %d size %u: %llx, %llx with %llx: %llx flags %llx, want %llx flags %llx", form,
                  size, (unsigned long long)a, (unsigned long long)b, (unsigned long long)before,
                  (unsigned long long)s->gpr[RAX], (unsigned long long)flags, (unsigned long long)want,
                  (unsigned long long)want_flags);
}

static void check_forms(bool fast)
{
    static const uint64_t corners[] = {0,          1,
                                       0x7F,       0x80,
                                       0xFF,       0x7FFF,
                                       0x8000,     0xFFFF,
                                       0x7FFFFFFF, 0x80000000,
                                       0xFFFFFFFF, 0x123456789ABCDEF0,
                                       INT64_MAX,  0x8000000000000000,
                                       UINT64_MAX};
    struct harness *h = harness_create("x86-64-v2", HARNESS_64, fast);
    for (enum form form = ADD; form < FORMS; form++) {
        uint8_t code[8];
        harness_code(h, code, encode(form, 1, code));
        for (unsigned pair = 0; pair < 0x10000; pair += fast ? 1 : 7)
            check_one(h, form, 1, pair & 0xFF, pair >> 8, pair % 3 ? FLAG_CF : 0);
        for (unsigned size = 2; size <= 8; size *= 2) {
            harness_code(h, code, encode(form, size, code));
            for (unsigned i = 0; i < ARRAY_LEN(corners) * ARRAY_LEN(corners) * 2; i++)
                check_one(h, form, size, corners[i / 2 % ARRAY_LEN(corners)] & mask_of(size),
                          corners[i / 2 / ARRAY_LEN(corners)] & mask_of(size), i & 1 ? FLAG_CF : 0);
        }
    }
    harness_destroy(h);
}

Test(flags, all_forms_fast, .timeout = 60)
{
    check_forms(true);
}

Test(flags, all_forms_reference, .timeout = 60)
{
    check_forms(false);
}

/* ---- Conditions ---- */

static bool condition(unsigned n, uint64_t flags)
{
    bool c = flags & FLAG_CF, z = flags & FLAG_ZF, s = flags & FLAG_SF, o = flags & FLAG_OF,
         p = flags & FLAG_PF;
    const bool truth[8] = {o, c, z, c || z, s, p, s != o, z || s != o};
    return truth[n / 2] != (n & 1);
}

/* SETcc after explicit flags, and after a comparison that leaves them lazy. */
Test(flags, conditions)
{
    struct harness *h = harness_create("x86-64-v2", HARNESS_64, true);
    for (unsigned n = 0; n < 16; n++) {
        const uint8_t code[] = {0x0F, (uint8_t)(0x90 + n), 0xC3, 0x38, 0xC8,
                                0x0F, (uint8_t)(0x90 + n), 0xC2, 0xF4};
        harness_code(h, code, sizeof code);
        for (unsigned i = 0; i < 64; i++) {
            uint64_t before = (i & 1 ? FLAG_CF : 0) | (i & 2 ? FLAG_PF : 0) | (i & 4 ? FLAG_ZF : 0) |
                              (i & 8 ? FLAG_SF : 0) | (i & 16 ? FLAG_OF : 0) | (i & 32 ? FLAG_AF : 0);
            uint64_t a = 37 * i & 0xFF, b = 101 * i >> 1 & 0xFF, after;
            (void)expect(CMP, 1, a, b, before, &after);
            h->cpu->s.rip = HARNESS_CODE;
            h->cpu->s.activity = ACTIVITY_RUNNING;
            h->cpu->s.gpr[RAX] = a;
            h->cpu->s.gpr[RCX] = b;
            flags_replace(h->cpu, FLAG_ONE | before);
            cr_expect(harness_run(h));
            cr_expect_eq(h->cpu->s.gpr[RBX] & 0xFF, condition(n, before), "cc %u flags %llx", n,
                         (unsigned long long)before);
            cr_expect_eq(h->cpu->s.gpr[RDX] & 0xFF, condition(n, after), "cc %u after cmp %llx, %llx", n,
                         (unsigned long long)a, (unsigned long long)b);
        }
    }
    harness_destroy(h);
}
