/* Does the host compute what the interpreter computes?
 *
 * Vector floating point is specified to the bit but for what it says of several NaNs, and few people test
 * that. Equal runs must be equal on any host (contract E1), so each such instruction is tried on both when it
 * is first translated: register operands full of NaNs, infinities, denormals and numbers at the edge of what
 * converts, under several MXCSR values with all exceptions masked. One that differs in result, MXCSR or flags
 * is the interpreter's from then on. */
#include "binxlate/x64/x64.h"

#include "cpu/flags.h"

enum {
    ROUTINE_BYTES = 192,
    STATES = 128,    /* for each instruction */
    IMMEDIATES = 32, /* tried of those that have one; comparisons have as many predicates */
    OPERANDS = 3,    /* vector registers 0, 1 and 2: ModRM.reg, VEX.vvvv, ModRM.rm */
    WORDS = 4,
};

/* What a routine loads and stores. */
struct operands {
    uint64_t reg[OPERANDS][WORDS];
    uint64_t rax, rdx, flags;
    uint32_t mxcsr, host_mxcsr;
};

typedef void probe_fn(struct operands *operands);

#define AT(member) x64_at(X_RDI, (int32_t)offsetof(struct operands, member))

static void move_register(struct x64_asm *a, bool avx, bool load, unsigned n)
{
    unsigned op = OP_0F | (load ? 0x10 : 0x11); /* movups, vmovups */
    struct x64_mem mem = x64_at(X_RDI, (int32_t)(n * WORDS * sizeof(uint64_t)));
    if (avx)
        x64_vex_rm(a, (struct x64_vex){.op = op, .is_wide = true}, n, mem);
    else
        x64_rm(a, op, 4, n, mem);
}

/* The instruction with operands 0, 1 and 2; its bytes are put down by the same encoder as translated ones. */
static void put_instruction(struct x64_asm *a, const struct insn *insn, unsigned imm)
{
    enum { REX_W = 8 };
    unsigned op = x64_opcode(insn);
    if ((insn->prefixes & PREFIX_VEX) != 0) {
        struct x64_vex vex = x64_vex_of(insn, op);
        vex.vvvv = x64_vex_has_vvvv(insn);
        x64_vex_rr(a, vex, 0, 2);
    } else {
        x64_rr(a, op, (insn->rex & REX_W) != 0 ? 8 : 4, 0, 2);
    }
    if (imm < IMMEDIATES)
        x64_byte(a, (uint8_t)imm);
}

/* Where in the routine the instruction is, and how long. */
struct span {
    const uint8_t *at;
    unsigned length;
};

static struct span make_routine(struct x64_asm *a, const struct insn *insn, unsigned imm, bool avx)
{
    x64_rm(a, OP_0F | 0xAE, 4, 3, AT(host_mxcsr)); /* stmxcsr */
    x64_rm(a, OP_0F | 0xAE, 4, 2, AT(mxcsr));      /* ldmxcsr */
    for (unsigned n = 0; n < OPERANDS; n++)
        move_register(a, avx, true, n);
    x64_load(a, 8, X_RAX, AT(rax));
    x64_load(a, 8, X_RDX, AT(rdx));
    x64_rm(a, 0xFF, 4, 6, AT(flags)); /* push */
    x64_byte(a, 0x9D);                /* popf */
    struct span span = {.at = a->at};
    put_instruction(a, insn, imm);
    span.length = (unsigned)(a->at - span.at);
    x64_byte(a, 0x9C);                /* pushf */
    x64_rm(a, 0x8F, 4, 0, AT(flags)); /* pop */
    x64_store(a, 8, AT(rax), X_RAX);
    for (unsigned n = 0; n < OPERANDS; n++)
        move_register(a, avx, false, n);
    x64_rm(a, OP_0F | 0xAE, 4, 3, AT(mxcsr));
    x64_rm(a, OP_0F | 0xAE, 4, 2, AT(host_mxcsr));
    if (avx)
        x64_vzero(a, false);
    x64_byte(a, 0xC3); /* ret */
    return span;
}

/* All ways to have NaNs in three operands, in the first 64 states; then chance. */
static struct operands make_operands(unsigned n)
{
    /* Quiet and signalling NaNs, both as doubles and as floats; and a number. */
    static const uint64_t nans[] = {0x3FF000003F800000, 0x7FF000007FA00001, 0xFFF80000FFC00002,
                                    0x7FFC00007FE00003};
    /* Each is something as a double, and something as two floats. */
    static const uint64_t values[] = {
        0x3F8000003F800000, 0xBFF8000040490FDB, 0x7FF0000000000001, 0xFFF8000000000002, 0x7FA00001FFC00002,
        0x7F800000FF800000, 0x7FF0000000000000, 0xFFF0000000000000, 0x8000000000000000, 0,
        0x0000000000000001, 0x000FFFFF007FFFFF, 0x47EFFFFFE0000000, 0x41DFFFFFFFC00000, 0xC1E0000000200000,
        0x7FEFFFFF7F7FFFFF,
    };
    static const uint32_t modes[] = {0x1F80, 0x5F80, 0x9FC0, 0x7F80}; /* nearest; up; FTZ, DAZ; to zero */
    uint32_t seed = n * 2654435761 + 1;
    struct operands operands = {.mxcsr = modes[n % ARRAY_LEN(modes)],
                                .flags = FLAG_ONE | (n & 1 ? FLAGS_ARITH : 0)};
    for (unsigned i = 0; i < OPERANDS * WORDS; i++) {
        seed = seed * 1664525 + 1013904223;
        operands.reg[i / WORDS][i % WORDS] = n < 64 ? nans[n >> 2 * (i / WORDS) & 3] : values[seed >> 28];
    }
    operands.rax = values[seed >> 24 & 15];
    operands.rdx = values[seed >> 20 & 15];
    return operands;
}

/* One instruction from one state, both ways. */
static bool agrees(struct cpu *cpu, const struct insn *insn, const uint8_t *routine, bool avx, unsigned n)
{
    struct operands host = make_operands(n);
    for (unsigned i = 0; i < OPERANDS; i++)
        memcpy(cpu->s.vec[i].q, host.reg[i], sizeof host.reg[i]);
    cpu->s.gpr[RAX] = host.rax;
    cpu->s.gpr[RDX] = host.rdx;
    cpu->s.mxcsr = host.mxcsr;
    flags_write(cpu, host.flags, FLAGS_ARITH);
    ((probe_fn *)(uintptr_t)routine)(&host);
    bool equal = insn->exec(cpu, insn) == EXEC_NEXT && cpu->s.gpr[RAX] == host.rax &&
                 cpu->s.mxcsr == host.mxcsr && ((host.flags ^ flags_read(cpu)) & FLAGS_ARITH) == 0;
    for (unsigned i = 0; i < OPERANDS; i++)
        equal &= memcmp(cpu->s.vec[i].q, host.reg[i], (avx ? WORDS : WORDS / 2) * sizeof(uint64_t)) == 0;
    return equal;
}

/* With immediate `imm`, or without if it is IMMEDIATES. */
static bool form_agrees(struct translator *t, const struct insn *guest, unsigned imm)
{
    uint8_t *start = t->code.write + t->probe;
    struct x64_asm a = {.start = start, .at = start, .end = start + ROUTINE_BYTES};
    bool avx = x64_host_has_avx(t);
    struct span span = make_routine(&a, guest, imm, avx);
    struct insn insn;
    CHECK(!a.full);
    if (!insn_decode(t->cpu->tables, MODE_CODE64, span.at, span.length, &insn) || insn.row != guest->row)
        return false;
    if (insn.op[1].kind == OPK_MMX) /* CVTPI2PS, CVTPI2PD of memory: nothing is left open of integers */
        return true;
    unsigned step = imm < IMMEDIATES ? IMMEDIATES / 4 : 1;
    for (unsigned n = imm % step; n < STATES; n += step)
        if (!agrees(t->cpu, &insn, t->code.execute + t->probe, avx, n))
            return false;
    return true;
}

static bool try_row(struct translator *t, const struct insn *insn)
{
    bool has_immediate = false, equal = true;
    for (unsigned n = 0; n < ARRAY_LEN(insn->op); n++)
        has_immediate |= insn->op[n].kind == OPK_IMM;
    struct cpu *cpu = t->cpu;
    (void)flags_read(cpu);
    const struct cpu_state saved = cpu->s;
    for (unsigned imm = has_immediate ? 0 : IMMEDIATES; imm <= IMMEDIATES && equal; imm++)
        if (imm < IMMEDIATES || !has_immediate)
            equal = form_agrees(t, insn, imm);
    cpu->s = saved;
    flags_replace(cpu, saved.rflags);
    return equal;
}

bool x64_vector_alike(struct translator *t, const struct insn *insn)
{
    enum { UNKNOWN, ALIKE, UNLIKE };
    uint8_t *known = &t->vector_rows[insn->row];
    if (*known == UNKNOWN) {
        *known = try_row(t, insn) ? ALIKE : UNLIKE;
        t->count[COUNT_VECTOR_DIFFERS] += *known == UNLIKE;
    }
    return *known == ALIKE;
}

void x64_reserve_vector_probe(struct translator *t, struct x64_asm *a)
{
    t->probe = (uint32_t)(a->at - t->code.write);
    for (unsigned i = 0; i < ROUTINE_BYTES; i++)
        x64_byte(a, 0xCC); /* int3 */
}
