/* Which encodings with a VEX prefix exist: any map, opcode, pp, L, W and vvvv, register and memory forms,
 * with and without the prefixes that VEX does not tolerate, raise #UD here exactly when they do on the host.
 *
 *     NATIVE_SEED=n    another sequence of cases
 *     NATIVE_CASES=n   cases per mode, in hundreds (default 2000) */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "bench.h"

#include <stdlib.h>

/* What hosts have and no CPU model here: opcodes first..last, forms with VEX.L set only or all. */
static const struct {
    enum insn_map map;
    uint8_t first, last;
    bool only_long;
    const char *what;
} unknown[] = {
    {V0F, 0x41, 0x4B, false, "AVX-512 masks"},
    {V0F, 0x90, 0x93, false, "AVX-512 masks"},
    {V0F, 0x98, 0x99, false, "AVX-512 masks"},
    {V0F38, 0x49, 0x4B, false, "AMX"},
    {V0F38, 0x50, 0x53, false, "AVX-VNNI"},
    {V0F38, 0x5C, 0x5E, false, "AMX"},
    {V0F38, 0x72, 0x72, false, "AVX-NE-CONVERT"},
    {V0F38, 0xB0, 0xB1, false, "AVX-NE-CONVERT"},
    {V0F38, 0xB4, 0xB5, false, "AVX-IFMA"},
    {V0F38, 0xCB, 0xCD, false, "SHA512"},
    {V0F38, 0xCF, 0xCF, false, "GFNI"},
    {V0F38, 0xD2, 0xD3, false, "AVX-VNNI-INT16"},
    {V0F38, 0xDA, 0xDA, false, "SM3, SM4"},
    {V0F38, 0xDC, 0xDF, true, "VAES"},
    {V0F38, 0xE0, 0xEF, false, "CMPCCXADD"},
    {V0F3A, 0x30, 0x33, false, "AVX-512 masks"},
    {V0F3A, 0x44, 0x44, true, "VPCLMULQDQ"},
    {V0F3A, 0xCE, 0xCF, false, "GFNI"},
    {V0F3A, 0xDE, 0xDE, false, "SM3"},
};

struct vex {
    unsigned map; /* mmmmm */
    uint8_t opcode;
    bool l;
};

static bool is_unknown(const struct vex *vex)
{
    for (unsigned i = 0; i < ARRAY_LEN(unknown); i++)
        if (vex->map == (unsigned)unknown[i].map - V0F + 1 && vex->opcode >= unknown[i].first &&
            vex->opcode <= unknown[i].last && (vex->l || !unknown[i].only_long))
            return true;
    return vex->map > 3;
}

static void put(struct native_case *c, unsigned byte)
{
    c->bytes[c->length++] = (uint8_t)byte;
}

/* [rBX], with the other registers 0, or a register; sometimes with a SIB byte, for the gathers. */
static void put_modrm(struct rng *rng, struct native_case *c)
{
    unsigned reg = rng_below(rng, 8);
    bool sib = rng_one_in(rng, 4);
    if (rng_one_in(rng, 2)) {
        put(c, 0xC0 | reg << 3 | rng_below(rng, 8));
    } else if (c->bits == BITS_16 && !(c->prefixes & PREFIX_67)) {
        put(c, reg << 3 | 7);
    } else {
        put(c, reg << 3 | (sib ? 4 : 3));
        if (sib)
            put(c, rng_below(rng, 8) << 3 | 3);
    }
}

static struct vex random_encoding(struct rng *rng, struct native_case *c)
{
    static const uint8_t bad[] = {0x66, 0xF2, 0xF3, 0xF0, 0x48, 0x41};
    struct vex vex = {rng_one_in(rng, 32) ? rng_below(rng, 32) : 1 + rng_below(rng, 3),
                      (uint8_t)rng_next(rng), rng_one_in(rng, 2)};
    unsigned not_vvvv = rng_one_in(rng, 2) ? 15 : rng_below(rng, 16);
    unsigned last = rng_one_in(rng, 3) << 7 | not_vvvv << 3 | (unsigned)vex.l << 2 | rng_below(rng, 4);
    c->code = CODE_BASE + 256;
    if (rng_one_in(rng, 64)) {
        unsigned prefix = bad[rng_below(rng, c->bits == BITS_64 ? 6 : 4)];
        put(c, prefix);
        if (rng_one_in(rng, 4))
            put(c, 0x3E);
    }
    if (c->bits == BITS_16 && rng_one_in(rng, 2)) {
        put(c, 0x67);
        c->prefixes = PREFIX_67;
    }
    if (vex.map == 1 && last < 0x80 && rng_one_in(rng, 2)) {
        put(c, 0xC5);
        put(c, (c->bits == BITS_64 ? rng_below(rng, 2) << 7 : 0xC0) | (last & 0x7F));
    } else {
        put(c, 0xC4);
        put(c,
            (c->bits == BITS_64 ? rng_below(rng, 4) << 6 | 0x20 : 0xC0 | rng_below(rng, 2) << 5) | vex.map);
        put(c, last);
    }
    put(c, vex.opcode);
    put_modrm(rng, c);
    return vex;
}

static const struct insn_row *plain_row(void)
{
    for (unsigned i = 1; i < insn_row_count; i++)
        if (strcmp(insn_rows[i].handler_name, "add") == 0)
            return &insn_rows[i];
    return NULL;
}

static void print(const struct native_case *c, const struct native_result *host,
                  const struct native_result *guest)
{
    fprintf(stderr, "%u-bit", 16u << c->bits);
    for (unsigned i = 0; i < c->length; i++)
        fprintf(stderr, " %02x", c->bytes[i]);
    fprintf(stderr, ": host vector %u, ours %u (255: none)\n", host->fault, guest->fault);
}

ParameterizedTestParameters(native_vex, encodings)
{
    static enum native_bits modes[BITS_COUNT] = {BITS_64, BITS_32, BITS_16};
    return cr_make_param_array(enum native_bits, modes, BITS_COUNT);
}

ParameterizedTest(enum native_bits *bits, native_vex, encodings, .timeout = 120)
{
    const char *reason = "";
    struct bench *bench = bench_open(*bits, &reason);
    if (bench == NULL || !host_has(FEAT_AVX2))
        cr_skip_test("%u-bit: %s", 16u << *bits, bench == NULL ? reason : "the host has no AVX2");
    const struct native_machine *machine = host_machine(bench->host);
    struct rng rng = {bench->options.seed ^ (uint64_t)*bits << 60};
    unsigned failures = 0, existing = 0, cases = 100 * bench->options.cases;
    for (unsigned i = 0; i < cases; i++) {
        struct native_case c = {.machine = machine, .bits = *bits, .row = plain_row()};
        struct native_result host, guest;
        struct vex vex = random_encoding(&rng, &c);
        c.in.gpr[RBX] = DATA_BASE + 0x800 - machine->segment[DS].base;
        c.in.gpr[RSP] = c.in.gpr[RBX];
        c.in.rflags = 0x202;
        c.in.rip = c.code - (*bits == BITS_16 ? CODE_BASE : 0);
        c.in.fx[FX_MXCSR] = 0x80;
        c.in.fx[FX_MXCSR + 1] = 0x1F;
        host_run(bench->host, &c, &host);
        guest_run(bench->guest, &c, &guest);
        existing += host.fault != VEC_UD;
        if ((host.fault == VEC_UD) == (guest.fault == VEC_UD) || (guest.fault == VEC_UD && is_unknown(&vex)))
            continue;
        if (failures++ < bench->options.show * 20)
            print(&c, &host, &guest);
    }
    fprintf(stderr, "%u-bit: %u encodings, %u of them exist\n", 16u << *bits, cases, existing);
    bench_close(bench);
    cr_assert_eq(failures, 0, "%u encodings differ", failures);
}
