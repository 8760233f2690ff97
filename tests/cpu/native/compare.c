/* Compares two results of a case and prints a difference.
 *
 * Flags the row declares undefined are compared apart. Shifts leave flags undefined only for some counts;
 * what is defined then is worked out here, because a row has one set of columns. exceptions.def lists what
 * else may differ, and why. */
#include "native.h"
#include "native_priv.h"

#include "cpu/disasm.h"
#include "cpu/fp/fp.h"

#include <float.h>
#include <math.h>

/* ---- What may differ ---- */

enum exception_kind {
    DIFFERS_X87_ULP,         /* ST(0), ST(1) by up to `limit` units in the last place, C1, PE and UE */
    DIFFERS_RELATIVE,        /* lanes of the first operand by up to limit / 2^16 of their value */
    DIFFERS_FAULT_ADDRESS,   /* a page fault is reported at another byte of the operand */
    DIFFERS_FAULT_STORE,     /* a fault comes after part of the operand, or below the stack, was written */
    DIFFERS_FAULT_REGISTERS, /* a fault comes after part of the registers were loaded */
    DIFFERS_FAULT_X87,       /* a fault comes after part of the x87 state was loaded */
    DIFFERS_X87_DOMAIN,      /* anything, when |ST(0)| is above limit / 2^16 */
    DIFFERS_REP_UPPER,       /* upper halves of the registers of a REP with 32-bit addresses */
    DIFFERS_WRAP,            /* an area that wraps around at 64 KB, with 16-bit addresses */
    DIFFERS_FAULT_MMX,       /* a fault comes after the switch to MMX: TOP and tags */
};

struct exception_row {
    const char *mnemonic;
    enum exception_kind kind;
    unsigned limit;
};

static const struct exception_row exceptions[] = {
#define EXCEPTION(mnemonic, kind, limit, reason) {mnemonic, DIFFERS_##kind, limit},
#include "exceptions.def"
#undef EXCEPTION
};

static bool uses_mmx(const struct insn_row *row)
{
    return row_has(row, METHOD_MMREG) || row_has(row, METHOD_MMRM) || row_has(row, METHOD_MMONLY);
}

/* Rows that "*" means for a kind. */
static bool kind_concerns(enum exception_kind kind, const struct insn_row *row)
{
    return kind == DIFFERS_REP_UPPER ? (row->attr & (ATTR_REP | ATTR_REPCC)) != 0 : uses_mmx(row);
}

static const struct exception_row *exception_find(const struct native_case *c, enum exception_kind kind)
{
    for (unsigned i = 0; i < ARRAY_LEN(exceptions); i++) {
        const char *name = exceptions[i].mnemonic;
        if (exceptions[i].kind == kind &&
            (*name == '*' ? kind_concerns(kind, c->row) : strcmp(name, c->row->mnemonic) == 0))
            return &exceptions[i];
    }
    return NULL;
}

bool row_is_inexact(const struct insn_row *row)
{
    struct native_case c = {.row = row};
    return exception_find(&c, DIFFERS_X87_ULP) || exception_find(&c, DIFFERS_RELATIVE) ||
           exception_find(&c, DIFFERS_X87_DOMAIN);
}

/* ---- Flags ---- */

static bool is_shift(const struct insn_row *row)
{
    return row->cost == COST_SHIFT;
}

/* Count of a shift or rotate: CL, 1 or the immediate, modulo 32 or 64. */
static unsigned shift_count(const struct native_case *c)
{
    uint64_t count = c->imm;
    for (unsigned i = 0; i < ROW_OPERANDS; i++)
        if (row_operand(c->row, i)->method == METHOD_FIXED_CX)
            count = c->in.gpr[RCX];
        else if (row_operand(c->row, i)->method == METHOD_ONE)
            count = 1;
    return count & (case_operand_size(c, 0) == 8 ? 63 : 31);
}

/* Flags that the instruction leaves undefined for these operands. */
static uint64_t undefined_flags(const struct native_case *c)
{
    uint64_t undefined = c->row->undefined;
    if (is_shift(c->row)) {
        unsigned count = shift_count(c);
        if (count == 0)
            undefined = 0;
        else if (count == 1)
            undefined &= ~(uint64_t)(FLAG_OF | FLAG_CF);
        else if (count <= 8 * case_operand_size(c, 0))
            undefined &= ~(uint64_t)FLAG_CF;
    }
    return undefined;
}

/* ---- Values ---- */

static uint64_t load64(const uint8_t *from)
{
    uint64_t v;
    memcpy(&v, from, 8);
    return v;
}

/* Distance of two finite 80-bit values of one sign in units of the last place; large when they are not. */
static uint64_t ulp_distance(const uint8_t a[10], const uint8_t b[10])
{
    uint64_t am = load64(a), bm = load64(b);
    uint16_t ae, be;
    memcpy(&ae, a + 8, 2);
    memcpy(&be, b + 8, 2);
    ae |= (ae & 0x7FFF) == 0; /* denormals have the smallest normal exponent */
    be |= (be & 0x7FFF) == 0;
    if (ae == be)
        return am > bm ? am - bm : bm - am;
    if (ae == be + 1 && am == UINT64_C(1) << 63)
        return 1 + (UINT64_MAX - bm);
    if (be == ae + 1 && bm == UINT64_C(1) << 63)
        return 1 + (UINT64_MAX - am);
    return UINT64_MAX;
}

/* |value| <= limit / 2^16, for a valid finite value. */
static bool x87_in_domain(const uint8_t value[10], unsigned limit)
{
    uint16_t exponent;
    memcpy(&exponent, value + 8, 2);
    int shift = 16383 + 63 - (exponent & 0x7FFF) - 16; /* of the significand, in units of 2^-16 */
    return shift > 63 || (shift >= 16 && load64(value) >> shift <= limit);
}

static bool lanes_close(const uint8_t *a, const uint8_t *b, unsigned limit)
{
    for (unsigned i = 0; i < 16; i += 4) {
        float x, y;
        memcpy(&x, a + i, 4);
        memcpy(&y, b + i, 4);
        bool tiny = fabsf(x) <= 1.001f * FLT_MIN && fabsf(y) <= 1.001f * FLT_MIN; /* flushed or just not */
        if (memcmp(&x, &y, 4) != 0 && !tiny && !(fabsf(x - y) <= fabsf(x) * (float)limit / 65536.0f))
            return false;
    }
    return true;
}

/* Put the MMX registers at the places they have with TOP = 0, with the host's tags. */
static void switch_to_mmx(struct native_state *s, const struct native_state *host)
{
    uint8_t rotated[128];
    unsigned top = s->fx[FX_FSW + 1] >> 3 & 7;
    for (unsigned i = 0; i < 8; i++)
        memcpy(rotated + 16 * ((i + top) & 7), s->fx + FX_ST + 16 * i, 16);
    memcpy(s->fx + FX_ST, rotated, sizeof rotated);
    s->fx[FX_FSW + 1] &= (uint8_t)~0x38;
    s->fx[FX_FTW] = host->fx[FX_FTW];
}

static void copy_bits(uint8_t *to, const uint8_t *from, uint8_t bits)
{
    *to = (uint8_t)((*to & ~bits) | (*from & bits));
}

static void excuse_rep(const struct native_case *c, const struct native_state *host,
                       struct native_state *guest)
{
    static const uint8_t registers[] = {RCX, RSI, RDI};
    if (c->bits != BITS_64 || c->addr_size != 4 || !(c->prefixes & (PREFIX_REP | PREFIX_REPNE)) ||
        exception_find(c, DIFFERS_REP_UPPER) == NULL)
        return;
    for (unsigned i = 0; i < ARRAY_LEN(registers); i++)
        guest->gpr[registers[i]] =
            (uint32_t)guest->gpr[registers[i]] | (host->gpr[registers[i]] & ~(uint64_t)UINT32_MAX);
}

/* Copy what may differ from the host's result into the guest's. */
static void excuse(const struct native_case *c, const struct native_result *host, struct native_result *guest)
{
    const struct exception_row *e;
    if ((e = exception_find(c, DIFFERS_X87_ULP)) != NULL)
        for (unsigned i = 0; i < 2; i++)
            if (ulp_distance(host->s.fx + FX_ST + 16 * i, guest->s.fx + FX_ST + 16 * i) <= e->limit) {
                memcpy(guest->s.fx + FX_ST + 16 * i, host->s.fx + FX_ST + 16 * i, 10);
                copy_bits(guest->s.fx + FX_FSW, host->s.fx + FX_FSW, FP_PE | FP_UE);
                copy_bits(guest->s.fx + FX_FSW + 1, host->s.fx + FX_FSW + 1, 2);
            }
    if ((e = exception_find(c, DIFFERS_X87_DOMAIN)) != NULL && host->fault == FAULT_NONE &&
        !x87_in_domain(c->in.fx + FX_ST, e->limit)) {
        memcpy(guest->s.fx, host->s.fx, FX_MXCSR);
        memcpy(guest->s.fx + FX_ST, host->s.fx + FX_ST, 128);
    }
    unsigned vector = 16 * ((c->modrm >> 3 & 7) | (c->rex & 4u) << 1), xmm = FX_XMM + vector;
    if ((e = exception_find(c, DIFFERS_RELATIVE)) != NULL) {
        if (lanes_close(host->s.fx + xmm, guest->s.fx + xmm, e->limit))
            memcpy(guest->s.fx + xmm, host->s.fx + xmm, 16);
        if (lanes_close(host->s.ymm + vector, guest->s.ymm + vector, e->limit))
            memcpy(guest->s.ymm + vector, host->s.ymm + vector, 16);
    }
    excuse_rep(c, &host->s, &guest->s);
    if (host->fault == FAULT_NONE || host->fault != guest->fault)
        return;
    if (exception_find(c, DIFFERS_FAULT_MMX) != NULL && (host->s.fx[FX_FSW + 1] & 0x38) == 0)
        switch_to_mmx(&guest->s, &host->s);
    if (exception_find(c, DIFFERS_FAULT_REGISTERS) != NULL)
        memcpy(guest->s.gpr, host->s.gpr, sizeof guest->s.gpr);
    if (exception_find(c, DIFFERS_FAULT_X87) != NULL) {
        memcpy(guest->s.fx, host->s.fx, FX_MXCSR);
        memcpy(guest->s.fx + FX_ST, host->s.fx + FX_ST, 128);
    }
    /* With 16-bit addresses an operand may wrap around. */
    if (exception_find(c, DIFFERS_FAULT_ADDRESS) != NULL &&
        (host->cr2 - guest->cr2 + PAGE_SIZE < 2 * PAGE_SIZE || c->addr_size == 2))
        guest->cr2 = host->cr2;
}

/* ---- Comparison ---- */

/* Bits of RFLAGS a user program sees; RF is the processor's own, and some hypervisors lose ID. */
static const uint64_t flags_seen = FLAGS_ARITH | FLAG_TF | FLAG_IF | FLAG_DF | FLAG_IOPL | FLAG_NT | FLAG_AC;

static bool registers_equal(const struct native_case *c, const struct native_result *a,
                            const struct native_result *b)
{
    uint64_t mask = c->bits == BITS_64 ? UINT64_MAX : UINT32_MAX;
    if (a->s.selector[CS] != c->machine->segment[CS].selector)
        mask = UINT32_MAX; /* leaving 64-bit mode, upper halves are undefined (SDM vol. 1, 3.4.1.1) */
    for (unsigned i = 0; i < (c->bits == BITS_64 ? 16 : 8); i++)
        if ((a->s.gpr[i] ^ b->s.gpr[i]) & mask)
            return false;
    if (row_is_system(c->row) && memcmp(a->s.selector, b->s.selector, sizeof a->s.selector) != 0)
        return false;
    return a->s.rip == b->s.rip;
}

/* The x87 pointers and opcode are compared by fp's own tests: hosts differ in when they update them. */
static bool fx_equal(const struct native_result *a, const struct native_result *b)
{
    return memcmp(a->s.fx, b->s.fx, FX_FTW + 1) == 0 &&
           memcmp(a->s.fx + FX_MXCSR, b->s.fx + FX_MXCSR, 4) == 0 &&
           memcmp(a->s.fx + FX_ST, b->s.fx + FX_ST, FX_XMM - FX_ST + 256) == 0 &&
           memcmp(a->s.ymm, b->s.ymm, sizeof a->s.ymm) == 0;
}

static bool faults_equal(const struct native_result *a, const struct native_result *b)
{
    return a->fault == b->fault && a->code == b->code && a->cr2 == b->cr2;
}

/* Memory equal, but for what a faulting instruction may leave in its operand or below the stack pointer. */
static bool memory_equal(const struct native_case *c, const struct native_result *host,
                         const struct native_memories *memory)
{
    if (memcmp(memory->host, memory->guest, DATA_SIZE) == 0)
        return true;
    if (host->fault == FAULT_NONE || exception_find(c, DIFFERS_FAULT_STORE) == NULL)
        return false;
    uint64_t operand = case_ea(c) + segment_base(c, c->ea.seg) - DATA_BASE;
    uint64_t rsp = c->bits == BITS_16 ? (uint16_t)c->in.gpr[RSP] : c->in.gpr[RSP];
    uint64_t stack = rsp + segment_base(c, SS) - DATA_BASE;
    uint64_t stack32 =
        (uint32_t)rsp - (uint64_t)DATA_BASE; /* of compatibility mode, called from 64-bit code */
    for (unsigned i = 0; i < DATA_SIZE; i++)
        if (memory->host[i] != memory->guest[i] && !(c->ea.present && i - operand < 128) &&
            stack - 1 - i >= 512 && stack32 - 1 - i >= 512)
            return false;
    return true;
}

/* Cases that cannot be compared: a branch into the instruction itself, where the host runs on; areas that
 * wrap; XSAVE of components that only the host may have. */
static bool is_incomparable(const struct native_case *c, const struct native_result *guest)
{
    const uint32_t known = XCR0_X87 | XCR0_YMM;
    if ((c->row->cost == COST_FPU_STATE && row_is_system(c->row)) &&
        (((uint32_t)c->in.gpr[RAX] & ~known) != 0 || (uint32_t)c->in.gpr[RDX] != 0))
        return true;
    uint64_t into = guest->s.rip - c->in.rip;
    if (guest->fault == FAULT_NONE && into > 0 && into < c->length)
        return true;
    return c->ea.present && c->addr_size == 2 && case_ea(c) > UINT16_MAX - (c->ea.size ? c->ea.size : 512) &&
           exception_find(c, DIFFERS_WRAP) != NULL;
}

/* The row's columns say which flags may change. */
static bool flag_columns_hold(const struct native_case *c, const struct native_result *host)
{
    uint64_t changed = (host->s.rflags ^ c->in.rflags) & (FLAGS_ARITH | FLAG_DF);
    return host->fault != FAULT_NONE || (changed & ~(uint64_t)(c->row->write | c->row->undefined)) == 0;
}

enum native_verdict case_compare(const struct native_case *c, const struct native_result *host,
                                 const struct native_result *guest, const struct native_memories *memory)
{
    struct native_result excused = *guest;
    if (is_incomparable(c, guest))
        return SAME;
    excuse(c, host, &excused);
    uint64_t differing = (host->s.rflags ^ guest->s.rflags) & flags_seen;
    uint64_t undefined = host->fault == FAULT_NONE ? undefined_flags(c) : 0;
    if (!faults_equal(host, &excused) || !registers_equal(c, host, &excused) || !fx_equal(host, &excused) ||
        (differing & ~undefined) || !flag_columns_hold(c, host) || !memory_equal(c, host, memory))
        return DIFFERENT;
    return differing ? SAME_BUT_UNDEFINED : SAME;
}

bool results_equal(const struct native_case *c, const struct native_result *host,
                   const struct native_result *guest, const struct native_memories *memory)
{
    return faults_equal(host, guest) && registers_equal(c, host, guest) && fx_equal(host, guest) &&
           ((host->s.rflags ^ guest->s.rflags) & flags_seen) == 0 &&
           memcmp(memory->host, memory->guest, DATA_SIZE) == 0;
}

bool case_reads_flags(const struct native_case *c, const struct native_result *a,
                      const struct native_result *b)
{
    uint64_t written = c->row->write & ~(uint64_t)c->row->undefined;
    if (a->fault != FAULT_NONE || b->fault != FAULT_NONE)
        return a->fault != b->fault;
    return !registers_equal(c, a, b) || !fx_equal(a, b) || ((a->s.rflags ^ b->s.rflags) & written) != 0;
}

/* ---- Printing: inputs, then what either side changed ---- */

static const char *const gpr_names[GPR_COUNT] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                                 "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

static void print_number(FILE *file, const uint8_t *value, unsigned size)
{
    for (unsigned i = size; i-- > 0;)
        fprintf(file, "%02x", value[i]);
}

/* One line for something that either side changed; nothing when both left it alone. */
static void print_change(FILE *file, const char *name, const void *before, const void *host,
                         const void *guest, unsigned size)
{
    bool differs = memcmp(host, guest, size) != 0;
    if (!differs && memcmp(before, host, size) == 0)
        return;
    fprintf(file, "  %c %-10s ", differs ? '*' : ' ', name);
    print_number(file, before, size);
    fputs("  host ", file);
    print_number(file, host, size);
    fputs("  ours ", file);
    print_number(file, guest, size);
    fputc('\n', file);
}

static void print_fault(FILE *file, const char *who, const struct native_result *r)
{
    if (r->fault == FAULT_NONE)
        fprintf(file, "  * %s: no fault\n", who);
    else
        fprintf(file, "  * %s: vector %u code %#x cr2 %#llx\n", who, r->fault, r->code,
                (unsigned long long)r->cr2);
}

static void print_inputs(FILE *file, const struct native_case *c, const struct native_memories *memory)
{
    unsigned count = c->bits == BITS_64 ? 16 : 8;
    for (unsigned i = 0; i < count; i++)
        fprintf(file, "%s%4s %016llx", i % 4 ? " " : "\n   ", gpr_names[i], (unsigned long long)c->in.gpr[i]);
    fprintf(file,
            "\n     flags %llx (undefined after: %llx) rip %llx fcw %02x%02x fsw %02x%02x valid %02x mxcsr ",
            (unsigned long long)c->in.rflags, (unsigned long long)undefined_flags(c),
            (unsigned long long)c->in.rip, c->in.fx[1], c->in.fx[0], c->in.fx[3], c->in.fx[2], c->in.fx[4]);
    print_number(file, c->in.fx + FX_MXCSR, 4);
    bool x87 = (c->row->attr & (ATTR_FPU | ATTR_FPU_NOWAIT | ATTR_MMX)) != 0;
    for (unsigned i = 0; x87 && i < 8; i++) {
        fprintf(file, "%sst%u ", i % 4 ? "  " : "\n     ", i);
        print_number(file, c->in.fx + FX_ST + 16 * i, 10);
    }
    unsigned xmm[] = {0, (c->modrm >> 3 & 7) | (c->rex & 4u) << 1, (c->modrm & 7) | (c->rex & 1u) << 3,
                      c->vvvv};
    for (unsigned i = 0; (c->row->attr & (ATTR_SSE | ATTR_AVX)) && i < 4; i++) {
        fprintf(file, "\n     ymm%u ", xmm[i]);
        print_number(file, c->in.ymm + 16 * xmm[i], 16);
        fputc('\'', file);
        print_number(file, c->in.fx + FX_XMM + 16 * xmm[i], 16);
    }
    if (c->ea.present) {
        uint64_t linear = case_ea(c) + segment_base(c, c->ea.seg);
        fprintf(file, "\n     operand at %#llx: ", (unsigned long long)linear);
        if (linear >= DATA_BASE && linear + 16 <= DATA_BASE + DATA_SIZE)
            print_number(file, memory->before + (linear - DATA_BASE), 16);
    }
    fputc('\n', file);
}

static void print_fx(FILE *file, const struct native_case *c, const struct native_result *host,
                     const struct native_result *guest)
{
    const uint8_t *in = c->in.fx, *h = host->s.fx, *g = guest->s.fx;
    char name[16];
    print_change(file, "fcw", in + FX_FCW, h + FX_FCW, g + FX_FCW, 2);
    print_change(file, "fsw", in + FX_FSW, h + FX_FSW, g + FX_FSW, 2);
    print_change(file, "valid", in + FX_FTW, h + FX_FTW, g + FX_FTW, 1);
    print_change(file, "mxcsr", in + FX_MXCSR, h + FX_MXCSR, g + FX_MXCSR, 4);
    for (unsigned i = 0; i < 8; i++) {
        unsigned at = FX_ST + 16 * i;
        snprintf(name, sizeof name, "st%u", i);
        print_change(file, name, in + at, h + at, g + at, 10);
    }
    for (unsigned i = 0; i < 16; i++) {
        unsigned at = FX_XMM + 16 * i;
        snprintf(name, sizeof name, "xmm%u", i);
        print_change(file, name, in + at, h + at, g + at, 16);
        snprintf(name, sizeof name, "ymm%u high", i);
        print_change(file, name, c->in.ymm + 16 * i, host->s.ymm + 16 * i, guest->s.ymm + 16 * i, 16);
    }
}

static void print_memory(FILE *file, const struct native_memories *memory)
{
    unsigned shown = 0;
    for (unsigned i = 0; i < DATA_SIZE && shown < 16; i += 8)
        if (memcmp(memory->host + i, memory->before + i, 8) ||
            memcmp(memory->guest + i, memory->before + i, 8)) {
            char name[16];
            snprintf(name, sizeof name, "[%x]", DATA_BASE + i);
            print_change(file, name, memory->before + i, memory->host + i, memory->guest + i, 8);
            shown++;
        }
}

void case_print(FILE *file, const struct native_case *c, const struct native_result *host,
                const struct native_result *guest, const struct native_memories *memory)
{
    static const unsigned decode_mode[BITS_COUNT] = {MODE_CODE16, MODE_CODE32, MODE_CODE64};
    fprintf(file, "%u-bit, row %s:", 16u << c->bits, c->row->mnemonic);
    for (unsigned at = 0, length; at < c->length; at += length) {
        char text[DISASM_TEXT];
        length = disasm_insn(decode_mode[c->bits], c->bytes + at, c->length - at, c->in.rip + at, text);
        if (length == 0)
            length = c->length - at;
        fputs("\n   ", file);
        for (unsigned i = 0; i < length; i++)
            fprintf(file, " %02x", c->bytes[at + i]);
        fprintf(file, "   %s", text);
    }
    print_inputs(file, c, memory);
    if (!faults_equal(host, guest)) {
        print_fault(file, "host", host);
        print_fault(file, "ours", guest);
    }
    for (unsigned i = 0; i < (c->bits == BITS_64 ? 16 : 8); i++)
        print_change(file, gpr_names[i], &c->in.gpr[i], &host->s.gpr[i], &guest->s.gpr[i], 8);
    static const char *const segment_names[SREG_COUNT] = {"es", "cs", "ss", "ds", "fs", "gs"};
    for (unsigned i = 0; i < SREG_COUNT && row_is_system(c->row); i++)
        print_change(file, segment_names[i], &c->machine->segment[i].selector, &host->s.selector[i],
                     &guest->s.selector[i], 2);
    uint64_t next = c->in.rip + c->length;
    print_change(file, "rip", &next, &host->s.rip, &guest->s.rip, 8);
    uint64_t flags[] = {c->in.rflags & flags_seen, host->s.rflags & flags_seen, guest->s.rflags & flags_seen};
    print_change(file, "rflags", &flags[0], &flags[1], &flags[2], 8);
    if (!flag_columns_hold(c, host))
        fprintf(file, "  * the row declares neither written nor undefined: %llx\n",
                (unsigned long long)((flags[0] ^ flags[1]) & ~(uint64_t)(c->row->write | c->row->undefined)));
    print_fx(file, c, host, guest);
    print_memory(file, memory);
}
