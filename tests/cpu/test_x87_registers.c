/* Every register-form row of cpu/insn/x87.def against the host: any stack (empty registers, full stack, all
 * classes of operand), any control word, unmasked exceptions. Compared: all eight registers, tags, TOP,
 * status and control word, the arithmetic flags and AX.
 *
 * Handlers are called directly, so this needs neither decoder nor memory. Transcendental results may differ
 * in the last bit (see test_fp_transcendental.c), and then PE and C1 do not count. */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "cpu/x87.h"
#include "tests/cpu/fp_oracle.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <sys/mman.h>

enum { CASES = 3000, MAX_REPORTS = 4 };

static const struct row {
    exec_fn *exec;
    const char *mnemonic;
    uint8_t opcode;
    uint16_t modrm;
} ROWS[] = {
#define INSN(handler, mnemonic, map, opcode, prefix, modrm, ...) {exec_##handler, mnemonic, opcode, modrm},
#include "cpu/insn/x87.def"
#undef INSN
};

static enum exec ours_run(struct cpu *cpu, const struct row *row, uint8_t modrm, struct host_registers *m)
{
    struct insn insn = {.opcode = row->opcode, .modrm = modrm, .length = 2, .op_size = 4};
    memset(&cpu->s, 0, sizeof cpu->s);
    cpu->s.cr0 = CR0_NE;
    cpu->lazy.op = 0;
    cpu->s.rflags = m->rflags;
    cpu->s.gpr[RAX] = m->rax;
    cpu->s.x87.control = m->control;
    cpu->s.x87.status = m->status;
    cpu->s.x87.valid = m->valid;
    for (unsigned i = 0; i < 8; i++) {
        unsigned n = x87_physical(cpu, i);
        cpu->s.x87.significand[n] = m->st[i].significand;
        cpu->s.x87.sign_exp[n] = m->st[i].sign_exp;
    }
    enum exec result = row->exec(cpu, &insn);
    m->control = cpu->s.x87.control;
    m->status = cpu->s.x87.status;
    m->valid = cpu->s.x87.valid;
    for (unsigned i = 0; i < 8; i++)
        m->st[i] = x87_get(cpu, i);
    m->rflags = flags_read(cpu);
    m->rax = cpu->s.gpr[RAX];
    return result;
}

static struct host_registers random_machine(struct fp_random *random)
{
    uint64_t bits = fp_random_next(random);
    struct host_registers m = {.control = fp_random_control(random), .rax = fp_random_next(random)};
    /* No exception pending: flags only where masked. Full, nearly empty and random stacks. */
    m.status = (uint16_t)(bits & (m.control & X87_EXCEPTIONS)) | (bits & (X87_CODES | X87_TOP | X87_SF));
    m.valid = (uint8_t)(bits >> 32);
    if ((bits >> 48 & 3) == 0)
        m.valid = 0xFF;
    if ((bits >> 48 & 3) == 1) {
        unsigned top = m.status >> X87_TOP_SHIFT & 7;
        m.valid = (uint8_t)(3 << top | 3 >> (8 - top));
    }
    m.rflags = FLAG_ONE | FLAG_IF | (fp_random_next(random) & FLAGS_ARITH);
    for (unsigned i = 0; i < 8; i++)
        m.st[i] = fp_random_f80(random);
    return m;
}

static bool is_transcendental(const struct row *row, uint8_t modrm)
{
    static const uint8_t list[] = {0xF0, 0xF1, 0xF2, 0xF3, 0xF9, 0xFB, 0xFE, 0xFF};
    return row->opcode == 0xD9 && memchr(list, modrm, sizeof list) != NULL;
}

/* Outside their ranges F2XM1 and FYL2XP1 give what they like. */
static bool is_undefined(const struct row *row, uint8_t modrm, const struct host_registers *before)
{
    struct fp_num st0 = fp_from_f80(before->st[0]);
    bool finite = st0.cls <= FP_CLASS_DENORMAL;
    if (row->opcode != 0xD9 || !finite)
        return false;
    return (modrm == 0xF0 && st0.exp >= 0) || (modrm == 0xF9 && st0.exp >= -2);
}

static bool near(struct f80 a, struct f80 b)
{
    if (a.sign_exp == b.sign_exp)
        return a.significand - b.significand + 1 <= 2;
    unsigned low = a.sign_exp < b.sign_exp ? a.sign_exp : b.sign_exp, high = a.sign_exp ^ b.sign_exp ^ low;
    return high - low == 1 && (a.significand + b.significand == (1ull << 63) - 1);
}

static bool equal(const struct host_registers *a, const struct host_registers *b, bool inexact)
{
    uint16_t mask = inexact ? (uint16_t) ~(FP_PE | FP_UE | FP_OE | X87_C1 | X87_ES | X87_B) : 0xFFFF;
    bool ok = a->control == b->control && !((a->status ^ b->status) & mask) && a->valid == b->valid &&
              !((a->rflags ^ b->rflags) & FLAGS_ARITH) && a->rax == b->rax;
    for (unsigned i = 0; i < 8; i++) {
        bool same = a->st[i].significand == b->st[i].significand && a->st[i].sign_exp == b->st[i].sign_exp;
        ok = ok && (same || (inexact && near(a->st[i], b->st[i])));
    }
    return ok;
}

static void report(const char *who, const struct host_registers *m)
{
    cr_log_error("  %s control %04x status %04x valid %02x flags %04x", who, m->control, m->status, m->valid,
                 (unsigned)(m->rflags & FLAGS_ARITH));
    for (unsigned i = 0; i < 8; i++)
        cr_log_error("    st%u %04x:%016" PRIx64, i, m->st[i].sign_exp, m->st[i].significand);
}

static unsigned run_row(struct cpu *cpu, uint8_t *code, const struct row *row, uint64_t seed)
{
    struct fp_random random = {seed};
    unsigned bad = 0;
    for (unsigned i = 0; i < CASES; i++) {
        struct host_registers before = random_machine(&random), ours = before, host = before;
        uint8_t modrm = (uint8_t)row->modrm;
        if (row->modrm & RM_HAS_EXT)
            modrm = (uint8_t)(0xC0 | row->modrm << 3 | (fp_random_next(&random) & 7));
        if (is_undefined(row, modrm, &before))
            continue;
        code[0] = row->opcode;
        code[1] = modrm;
        code[2] = 0xC3;
        host_registers_run(code, &host);
        cr_assert_eq(ours_run(cpu, row, modrm, &ours), EXEC_NEXT);
        if (!equal(&ours, &host, is_transcendental(row, modrm)) && bad++ < MAX_REPORTS) {
            cr_log_error("%s %02x %02x", row->mnemonic, row->opcode, modrm);
            report("before", &before);
            report("ours", &ours);
            report("host", &host);
        }
    }
    return bad;
}

Test(x87_registers, agree_with_the_host)
{
    uint8_t *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!host_fp_available() || code == MAP_FAILED)
        return;
    struct cpu *cpu = xcalloc(1, sizeof *cpu);
    unsigned total = 0, rows = 0;
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        if ((ROWS[i].modrm & (RM_ANY | RM_MEM)) != RM_REG || ROWS[i].opcode == 0x9B)
            continue;
        unsigned bad = run_row(cpu, code, &ROWS[i], 0xA0761D6478BD642Full + i);
        if (bad)
            cr_log_error("%s %02x: %u of %d differ", ROWS[i].mnemonic, ROWS[i].opcode, bad, CASES);
        total += bad;
        rows++;
    }
    free(cpu);
    munmap(code, 4096);
    cr_expect_gt(rows, 70);
    cr_assert_eq(total, 0, "%u differences", total);
}
