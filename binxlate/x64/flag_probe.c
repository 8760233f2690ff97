/* Does the host set the flags that the manual calls undefined as the interpreter does?
 *
 * After shifts, multiplications, divisions, bit tests and logic some arithmetic flags are undefined, and CPUs
 * of different makers leave different values there. The interpreter does as Intel's CPUs do. A guest can see
 * these flags, and equal runs must be equal on any host (contract E1). So each of these instructions is tried
 * on both when the translator is made; one that differs is the interpreter's from then on. */
#include "binxlate/x64/x64.h"

#include "cpu/flags.h"

enum { ROUTINE_BYTES = 64, FORM_BYTES = 5 };

/* Operands are AX, CX and DX of some size. */
static const struct form {
    exec_fn *exec;
    uint8_t length, bytes[FORM_BYTES];
} forms[] = {
    {exec_and, 2, {0x21, 0xD0}},
    {exec_or, 2, {0x09, 0xD0}},
    {exec_xor, 2, {0x31, 0xD0}},
    {exec_test, 2, {0x85, 0xD0}},
    {exec_shl, 2, {0xD3, 0xE0}},
    {exec_shl, 3, {0xC1, 0xE0, 5}},
    {exec_shr, 2, {0xD3, 0xE8}},
    {exec_shr, 3, {0xC1, 0xE8, 5}},
    {exec_sar, 2, {0xD3, 0xF8}},
    {exec_sar, 3, {0xC1, 0xF8, 5}},
    {exec_rol, 2, {0xD3, 0xC0}},
    {exec_rol, 3, {0xC1, 0xC0, 5}},
    {exec_ror, 2, {0xD3, 0xC8}},
    {exec_ror, 3, {0xC1, 0xC8, 5}},
    {exec_rcl, 2, {0xD3, 0xD0}},
    {exec_rcl, 3, {0xC1, 0xD0, 5}},
    {exec_rcr, 2, {0xD3, 0xD8}},
    {exec_rcr, 3, {0xC1, 0xD8, 5}},
    {exec_shld, 3, {0x0F, 0xA5, 0xD0}},
    {exec_shld, 4, {0x0F, 0xA4, 0xD0, 5}},
    {exec_shrd, 3, {0x0F, 0xAD, 0xD0}},
    {exec_shrd, 4, {0x0F, 0xAC, 0xD0, 5}},
    {exec_imul, 3, {0x0F, 0xAF, 0xC2}},
    {exec_imul3, 3, {0x6B, 0xC2, 7}},
    {exec_mul, 2, {0xF7, 0xE2}},
    {exec_imul1, 2, {0xF7, 0xEA}},
    {exec_bsf, 3, {0x0F, 0xBC, 0xC2}},
    {exec_bsr, 3, {0x0F, 0xBD, 0xC2}},
    {exec_bt, 3, {0x0F, 0xA3, 0xD0}},
    {exec_bts, 3, {0x0F, 0xAB, 0xD0}},
    {exec_btr, 3, {0x0F, 0xB3, 0xD0}},
    {exec_btc, 3, {0x0F, 0xBB, 0xD0}},
    {exec_div, 2, {0xF7, 0xF1}},
    {exec_idiv, 2, {0xF7, 0xF9}},
    {exec_tzcnt, 4, {0xF3, 0x0F, 0xBC, 0xC2}},
    {exec_tzcnt, 5, {0xF3, 0x48, 0x0F, 0xBC, 0xC2}},
    {exec_lzcnt, 4, {0xF3, 0x0F, 0xBD, 0xC2}},
    {exec_lzcnt, 5, {0xF3, 0x48, 0x0F, 0xBD, 0xC2}},
    {exec_andn, 5, {0xC4, 0xE2, 0x70, 0xF2, 0xC2}},
    {exec_andn, 5, {0xC4, 0xE2, 0xF0, 0xF2, 0xC2}},
    {exec_bextr, 5, {0xC4, 0xE2, 0x70, 0xF7, 0xC2}},
    {exec_bextr, 5, {0xC4, 0xE2, 0xF0, 0xF7, 0xC2}},
    {exec_bzhi, 5, {0xC4, 0xE2, 0x70, 0xF5, 0xC2}},
    {exec_bzhi, 5, {0xC4, 0xE2, 0xF0, 0xF5, 0xC2}},
    {exec_blsr, 5, {0xC4, 0xE2, 0x78, 0xF3, 0xCA}},
    {exec_blsr, 5, {0xC4, 0xE2, 0xF8, 0xF3, 0xCA}},
    {exec_blsmsk, 5, {0xC4, 0xE2, 0x78, 0xF3, 0xD2}},
    {exec_blsmsk, 5, {0xC4, 0xE2, 0xF8, 0xF3, 0xD2}},
    {exec_blsi, 5, {0xC4, 0xE2, 0x78, 0xF3, 0xDA}},
    {exec_blsi, 5, {0xC4, 0xE2, 0xF8, 0xF3, 0xDA}},
};
_Static_assert(ARRAY_LEN(forms) <= 64, "one bit each in struct translator");

/* What a routine loads, and stores. */
struct operands {
    uint64_t rax, rcx, rdx, flags;
};

typedef void probe_fn(struct operands *operands);

static void make_routine(struct x64_asm *a, const struct form *form, uint8_t prefix)
{
    x64_load(a, 8, X_RAX, x64_at(X_RDI, offsetof(struct operands, rax)));
    x64_load(a, 8, X_RCX, x64_at(X_RDI, offsetof(struct operands, rcx)));
    x64_load(a, 8, X_RDX, x64_at(X_RDI, offsetof(struct operands, rdx)));
    x64_rm(a, 0xFF, 4, 6, x64_at(X_RDI, offsetof(struct operands, flags))); /* push */
    x64_byte(a, 0x9D);                                                      /* popf */
    if (prefix != 0)
        x64_byte(a, prefix);
    for (unsigned i = 0; i < form->length; i++)
        x64_byte(a, form->bytes[i]);
    x64_byte(a, 0x9C);                                                      /* pushf */
    x64_rm(a, 0x8F, 4, 0, x64_at(X_RDI, offsetof(struct operands, flags))); /* pop */
    x64_store(a, 8, x64_at(X_RDI, offsetof(struct operands, rax)), X_RAX);
    x64_store(a, 8, x64_at(X_RDI, offsetof(struct operands, rdx)), X_RDX);
    x64_byte(a, 0xC3); /* ret */
}

static struct operands make_operands(const struct form *form, unsigned n)
{
    static const uint64_t values[] = {
        0,          1, 2, 0x80, 0x7FFF, 0x8000, 0xFFFF, 0x12345678, 0x80000000, UINT64_C(0x8000000000000000),
        UINT64_MAX,
    };
    static const uint8_t counts[] = {0, 1, 5, 8, 9, 16, 17, 31, 32, 33, 63};
    struct operands operands = {.rax = values[n % 11],
                                .rcx = counts[n / 11 % 11] | counts[n * 5 % 11] << 8,
                                .rdx = values[(n * 7 + n / 11) % 11]};
    operands.flags = FLAG_ONE | (n & 1 ? FLAGS_ARITH : 0);
    if (form->exec == exec_div || form->exec == exec_idiv) {
        operands.rax &= 0x7FFF; /* the quotient fits, also signed */
        operands.rdx = 0;
        operands.rcx |= 4;
    }
    return operands;
}

/* One instruction from one state, both ways. */
static bool agrees(struct cpu *cpu, const struct form *form, const struct insn *insn, const uint8_t *routine,
                   unsigned n)
{
    struct operands host = make_operands(form, n);
    cpu->s.gpr[RAX] = host.rax;
    cpu->s.gpr[RCX] = host.rcx;
    cpu->s.gpr[RDX] = host.rdx;
    flags_write(cpu, host.flags, FLAGS_ARITH);
    ((probe_fn *)(uintptr_t)routine)(&host);
    if (insn->exec(cpu, insn) != EXEC_NEXT)
        return false;
    return cpu->s.gpr[RAX] == host.rax && cpu->s.gpr[RDX] == host.rdx &&
           ((host.flags ^ flags_read(cpu)) & FLAGS_ARITH) == 0;
}

static bool form_agrees(struct translator *t, const struct form *form, uint8_t prefix)
{
    enum { STATES = 121 };
    uint8_t *start = t->code.write + t->used;
    struct x64_asm a = {.start = start, .at = start, .end = t->code.write + t->code.bytes};
    uint8_t bytes[FORM_BYTES + 1];
    struct insn insn;
    unsigned length = 0;
    make_routine(&a, form, prefix);
    if (prefix != 0)
        bytes[length++] = prefix;
    memcpy(bytes + length, form->bytes, form->length);
    if (a.full || !insn_decode(t->cpu->tables, MODE_CODE64, bytes, length + form->length, &insn))
        return false;
    if (insn.exec != form->exec) /* this model has it not, or not with this prefix */
        return true;
    if (insn_rows[insn.row].feature != FEAT_BASE && !x64_host_has(t, &insn))
        return false;
    for (unsigned n = 0; n < STATES; n++)
        if (!agrees(t->cpu, form, &insn, t->code.execute + t->used, n))
            return false;
    return true;
}

void x64_probe_flags(struct translator *t)
{
    static const uint8_t prefixes[] = {0, 0x66, 0x48}; /* 32, 16 and 64-bit operands */
    struct cpu *cpu = t->cpu;
    (void)flags_read(cpu);
    const struct cpu_state saved = cpu->s;
    for (unsigned n = 0; n < ARRAY_LEN(forms); n++)
        for (unsigned i = 0; i < ARRAY_LEN(prefixes); i++)
            if (!form_agrees(t, &forms[n], prefixes[i]))
                t->unlike |= UINT64_C(1) << n;
    cpu->s = saved;
    flags_replace(cpu, saved.rflags);
}

bool x64_unlike(const struct translator *t, const struct insn *insn)
{
    for (unsigned n = 0; t->unlike >> n != 0 && n < ARRAY_LEN(forms); n++)
        if ((t->unlike >> n & 1) != 0 && forms[n].exec == insn->exec)
            return true;
    return false;
}
