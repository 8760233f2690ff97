/* Is the host's x87 unit the interpreter's? For arithmetic the manual leaves no choice, but it calls
 * condition codes undefined after most instructions, and says nothing of the unit's oldest encodings. The
 * interpreter does as Intel's CPUs do. So every register form that would be translated is tried once on both,
 * when the translator is made; if one differs, x87 stays with the interpreter (contract E1: the same state on
 * any host). */
#include "binxlate/x64/x64.h"

#include "cpu/flags.h"
#include "cpu/x87.h"

enum {
    ENCODINGS = 8 * 64, /* D8..DF, C0..FF */
    ROUTINE_BYTES = 32,
    FLAGS_BEFORE = FLAG_ZF | FLAG_PF, /* after CMP of equal numbers */
};

/* FRSTOR [image]; the instruction; FNSAVE [image]. Returns RFLAGS. */
typedef uint64_t probe_fn(void *image);

static void make_routine(struct x64_asm *a, const uint8_t bytes[2])
{
    const struct x64_mem image = x64_at(X_RDI, 0);
    x64_rm(a, 0xDD, 4, 4, image);     /* frstor */
    x64_rr(a, 0x38, 1, X_RAX, X_RAX); /* cmp al, al */
    x64_byte(a, bytes[0]);
    x64_byte(a, bytes[1]);
    x64_byte(a, 0x9C);            /* pushf */
    x64_o(a, 0x58, 4, X_RAX);     /* pop rax */
    x64_rm(a, 0xDD, 4, 6, image); /* fnsave */
    x64_byte(a, 0xC3);            /* ret */
}

/* Register contents of every class, some empty; all condition codes set, or none. */
static struct x87_state make_state(unsigned n)
{
    static const struct f80 values[] = {
        {0xC90FDAA22168C235, 0x4000}, /* pi */
        {0x8000000000000000, 0x3FFF}, /* 1 */
        {0xAAAAAAAAAAAAAAAB, 0xBFFD}, /* -1/3 */
        {0, 0x8000},                  /* -0 */
        {0x8000000000000000, 0x7FFF}, /* infinity */
        {0xA000000000000000, 0x7FFF}, /* signalling NaN */
        {0x0000000000000123, 0},      /* denormal */
        {0x4000000000000000, 0x4001}, /* unsupported */
    };
    static const uint8_t valid[] = {0xFF, 0xFF, 0x0F, 0, 0xFE, 0x5A};
    static const uint16_t control[] = {0x037F, 0x0F7F, 0x0B7F, 0x027F};
    struct x87_state x87 = {.control = control[n % 4], .valid = valid[n % 6]};
    x87.status = (uint16_t)((n & 1 ? X87_CODES : 0) | (n * 3 & 7) << X87_TOP_SHIFT);
    for (unsigned i = 0; i < 8; i++) {
        x87.significand[i] = values[(i + n / 2) % 8].significand;
        x87.sign_exp[i] = values[(i + n / 2) % 8].sign_exp;
    }
    return x87;
}

/* One instruction from one state in struct cpu, both ways. */
static bool agrees(struct translator *t, const struct insn *insn, const uint8_t *routine, unsigned n)
{
    struct cpu *cpu = t->cpu;
    const struct x87_state before = make_state(n);
    cpu->s.x87 = before;
    x64_x87_load(t);
    uint64_t flags = ((probe_fn *)(uintptr_t)routine)(t->frame->x87_image);
    x64_x87_store(t);
    struct x87_state host = cpu->s.x87;
    cpu->s.x87 = before;
    flags_write(cpu, FLAGS_BEFORE, FLAGS_ARITH);
    if (insn->exec(cpu, insn) != EXEC_NEXT)
        return false;
    host.ip = cpu->s.x87.ip;
    host.cs = cpu->s.x87.cs;
    host.opcode = cpu->s.x87.opcode;
    return memcmp(&host, &cpu->s.x87, sizeof host) == 0 && ((flags ^ flags_read(cpu)) & FLAGS_ARITH) == 0;
}

unsigned x64_x87_differences(struct translator *t)
{
    enum { STATES = 24 };
    struct cpu *cpu = t->cpu;
    uint8_t *start = t->code.write + t->used;
    struct x64_asm a = {.start = start, .at = start, .end = t->code.write + t->code.bytes};
    unsigned differences = 0;
    (void)flags_read(cpu);
    const struct cpu_state saved = cpu->s;
    for (unsigned n = 0; n < ENCODINGS; n++) {
        a.at = start + n * ROUTINE_BYTES;
        make_routine(&a, (uint8_t[]){(uint8_t)(0xD8 | n >> 6), (uint8_t)(0xC0 | n)});
    }
    for (unsigned n = 0; n < ENCODINGS && !a.full; n++) {
        const uint8_t bytes[2] = {(uint8_t)(0xD8 | n >> 6), (uint8_t)(0xC0 | n)};
        const uint8_t *routine = t->code.execute + t->used + n * ROUTINE_BYTES;
        struct insn insn;
        bool same = true;
        if (!insn_decode(cpu->tables, MODE_CODE32, bytes, 2, &insn) || !x64_x87_has(&insn))
            continue;
        for (unsigned state = 0; state < STATES && same; state++)
            same = agrees(t, &insn, routine, state);
        differences += !same;
    }
    cpu->s = saved;
    flags_replace(cpu, saved.rflags);
    return differences;
}
