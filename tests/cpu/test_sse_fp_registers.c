/* Every register-form row of cpu/insn/sse_fp.def against the host: both vectors, MXCSR with its flags, the
 * arithmetic flags, a general and an MMX register; any rounding, FTZ, DAZ and masks. An unmasked exception
 * must fault in both and leave everything but the MXCSR flags.
 *
 * Handlers are called directly. The reciprocal approximations are compared with their bound in test_fp_sse.c.
 */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "cpu/sse.h"
#include "tests/cpu/fp_oracle.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <sys/mman.h>

enum { CASES = 3000, MAX_REPORTS = 3, REX_W = 0x48 };

static const struct row {
    exec_fn *exec;
    const char *mnemonic;
    enum insn_map map;
    enum insn_prefix prefix;
    uint8_t opcode;
    uint16_t modrm;
    enum operand_code op[3];
} ROWS[] = {
#define INSN(handler, mnemonic, map, opcode, prefix, modrm, op1, op2, op3, ...)                              \
    {exec_##handler, mnemonic, map, prefix, opcode, modrm, {OC_##op1, OC_##op2, OC_##op3}},
#include "cpu/insn/sse_fp.def"
#undef INSN
};

/* --- operands ------------------------------------------------------------------------------------------ */

static struct operand operand_of(enum operand_code code, unsigned xmm, bool wide)
{
    switch (code) {
    case OC_Vd:
    case OC_Wd: return (struct operand){OPK_XMM, 4, (uint8_t)xmm};
    case OC_Vq:
    case OC_Wq: return (struct operand){OPK_XMM, 8, (uint8_t)xmm};
    case OC_Vx:
    case OC_Wx: return (struct operand){OPK_XMM, 16, (uint8_t)xmm};
    case OC_Ey:
    case OC_Gy: return (struct operand){OPK_GPR, wide ? 8 : 4, RAX};
    case OC_Pq:
    case OC_Qq: return (struct operand){OPK_MMX, 8, 0};
    case OC_Ib: return (struct operand){OPK_IMM, 1, 0};
    default: return (struct operand){OPK_NONE, 0, 0};
    }
}

/* Machine code of the row with these registers; returns its modrm byte. */
static void encode(const struct row *row, const struct insn *insn, uint8_t *code)
{
    static const uint8_t prefixes[] = {[P66] = 0x66, [PF3] = 0xF3, [PF2] = 0xF2};
    if (row->prefix == P66 || row->prefix == PF3 || row->prefix == PF2)
        *code++ = prefixes[row->prefix];
    if (insn->op[0].size == 8 && insn->op[0].kind == OPK_GPR)
        *code++ = REX_W;
    if (insn->op[1].size == 8 && insn->op[1].kind == OPK_GPR)
        *code++ = REX_W;
    *code++ = 0x0F;
    if (row->map == M0F3A)
        *code++ = 0x3A;
    *code++ = row->opcode;
    *code++ = (uint8_t)(0xC0 | insn->op[0].reg << 3 | insn->op[1].reg);
    if (insn->op[2].kind == OPK_IMM)
        *code++ = (uint8_t)insn->imm;
    *code = 0xC3;
}

/* Both vectors filled with lanes of the width the mnemonic's letters suggest; any works for any row. */
static struct host_vectors random_machine(struct fp_random *random, unsigned i)
{
    struct host_vectors m = {.mxcsr = fp_random_mxcsr(random), .rax = fp_random_next(random)};
    for (unsigned v = 0; v < 2; v++) {
        for (unsigned lane = 0; lane < 4; lane++)
            m.xmm[v].d[lane] = fp_random_f32(random);
        for (unsigned lane = 0; lane < 2 && (i & 1); lane++)
            m.xmm[v].q[lane] = fp_random_f64(random);
    }
    if (i & 2) { /* values that fit integers */
        for (unsigned lane = 0; lane < 4; lane++)
            m.xmm[1].d[lane] = (m.xmm[1].d[lane] & 0x807FFFFF) | (fp_random_next(random) % 40 + 124) << 23;
        for (unsigned lane = 0; lane < 2 && (i & 1); lane++)
            m.xmm[1].q[lane] = (m.xmm[1].q[lane] & 0x800FFFFFFFFFFFFF) | (fp_random_next(random) % 70 + 1020)
                                                                             << 52;
    }
    m.mm0 = fp_random_next(random);
    m.rflags = FLAG_ONE | FLAG_IF | (fp_random_next(random) & FLAGS_ARITH);
    return m;
}

static void ours_run(struct cpu *cpu, const struct row *row, const struct insn *insn, struct host_vectors *m)
{
    memset(&cpu->s, 0, sizeof cpu->s);
    cpu->s.cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT;
    cpu->s.cr0 = CR0_NE;
    cpu->s.x87.control = 0x37F;
    cpu->lazy.op = 0;
    cpu->s.mxcsr = m->mxcsr;
    cpu->s.rflags = m->rflags;
    cpu->s.gpr[RAX] = m->rax;
    cpu->s.x87.significand[0] = m->mm0;
    memcpy(cpu->s.vec[1].q, &m->xmm[0], 16);
    memcpy(cpu->s.vec[2].q, &m->xmm[1], 16);
    m->fault = row->exec(cpu, insn) == EXEC_FAULT;
    if (m->fault)
        cr_assert_eq(cpu->fault.vector, VEC_XM);
    m->mxcsr = cpu->s.mxcsr;
    m->rflags = flags_read(cpu);
    m->rax = cpu->s.gpr[RAX];
    m->mm0 = cpu->s.x87.significand[0];
    memcpy(&m->xmm[0], cpu->s.vec[1].q, 16);
}

static bool equal(const struct host_vectors *a, const struct host_vectors *b)
{
    return memcmp(&a->xmm[0], &b->xmm[0], 16) == 0 && a->rax == b->rax && a->mm0 == b->mm0 &&
           a->mxcsr == b->mxcsr && a->fault == b->fault && !((a->rflags ^ b->rflags) & FLAGS_ARITH);
}

static void report(const char *who, const struct host_vectors *m)
{
    cr_log_error("  %s xmm1 %016" PRIx64 "%016" PRIx64 " xmm2 %016" PRIx64 "%016" PRIx64
                 " mxcsr %04x flags %03x"
                 " rax %016" PRIx64 " mm0 %016" PRIx64 "%s",
                 who, m->xmm[0].q[1], m->xmm[0].q[0], m->xmm[1].q[1], m->xmm[1].q[0], m->mxcsr,
                 (unsigned)(m->rflags & FLAGS_ARITH), m->rax, m->mm0, m->fault ? " fault" : "");
}

static unsigned run_row(struct cpu *cpu, uint8_t *code, const struct row *row, uint64_t seed)
{
    struct fp_random random = {seed};
    unsigned bad = 0;
    for (unsigned i = 0; i < CASES; i++) {
        struct host_vectors before = random_machine(&random, i), ours = before, host = before;
        bool wide = (i & 4) != 0;
        struct insn insn = {.opcode = row->opcode, .modrm = 0xC0};
        insn.op[0] = operand_of(row->op[0], 1, wide);
        insn.op[1] = operand_of(row->op[1], 2, wide);
        insn.op[2] = operand_of(row->op[2], 0, wide);
        insn.source = insn.op[0].reg;
        insn.imm = insn.op[2].kind == OPK_IMM ? fp_random_next(&random) & 0xFF : 0;
        if (row->opcode == 0xC2 || (row->map == M0F3A && row->opcode < 0x10))
            insn.imm &= row->opcode == 0xC2 ? 7 : 15; /* the other bits are reserved */
        encode(row, &insn, code);
        host_vectors_run(code, &host);
        ours_run(cpu, row, &insn, &ours);
        if (!equal(&ours, &host) && bad++ < MAX_REPORTS) {
            cr_log_error("%s imm %02x", row->mnemonic, (unsigned)insn.imm);
            report("before", &before);
            report("ours  ", &ours);
            report("host  ", &host);
        }
    }
    return bad;
}

Test(sse_fp_registers, agree_with_the_host)
{
    uint8_t *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!host_fp_available() || code == MAP_FAILED)
        return;
    struct cpu *cpu = xcalloc(1, sizeof *cpu);
    unsigned total = 0, rows = 0;
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        bool approximate = ROWS[i].map == M0F && (ROWS[i].opcode == 0x52 || ROWS[i].opcode == 0x53);
        if (ROWS[i].modrm != RM_ANY || approximate)
            continue;
        unsigned bad = run_row(cpu, code, &ROWS[i], 0xE7037ED1A0B428DBull + i);
        if (bad)
            cr_log_error("%s: %u of %d differ", ROWS[i].mnemonic, bad, CASES);
        total += bad;
        rows++;
    }
    free(cpu);
    munmap(code, 4096);
    cr_expect_gt(rows, 60);
    cr_assert_eq(total, 0, "%u differences", total);
}
