/* The decoder: no ambiguous rows, lengths and validity against Capstone on random bytes, the rules of
 * prefixes, sizes and limits one by one. */
#include "cpu/cpu_priv.h"
#include "cpu/disasm.h"
#include "tests/cpu/harness.h"
#include "tests/cpu/random.h"

#include <capstone/capstone.h>
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const uint16_t no_cost[2][COST_CLASS_COUNT];

static struct insn_tables *tables_for(const char *model)
{
    return insn_tables_create(cpu_model_features(cpu_model_find(model)), no_cost);
}

Test(decode, no_two_rows_match_equally_well)
{
    static const char *const models[] = {"pentium3", "x86-64-v2", "max"};
    for (unsigned i = 0; i < ARRAY_LEN(models); i++) {
        struct insn_tables *tables = tables_for(models[i]);
        const char *ambiguous = insn_tables_ambiguous(tables);
        cr_expect(ambiguous == NULL, "%s: %s", models[i], ambiguous);
        insn_tables_destroy(tables);
    }
}

/* ---- Against Capstone ---- */

enum difference { SAME, VALID, LENGTH };

static bool name_matches(const char *pattern, const char *name)
{
    for (; *pattern != '\0'; pattern++, name++) {
        if (*pattern == '*')
            return pattern[1] == '\0' || (strstr(name, pattern + 1) != NULL);
        if (*name == '\0' || (*pattern != '?' && *pattern != *name))
            return false;
    }
    return *name == '\0';
}

static bool is_documented(enum difference what, const char *ours, const char *theirs)
{
    static const struct {
        enum difference what;
        const char *ours, *theirs;
    } rows[] = {
#define DIFFERENCE(kind, ours, theirs, reason) {kind, ours, theirs},
#include "tests/cpu/decode_differences.def"
#undef DIFFERENCE
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].what == what && name_matches(rows[i].ours, ours) && name_matches(rows[i].theirs, theirs))
            return true;
    return false;
}

/* Prefixes and the 0F maps more frequent than chance makes them. */
static void random_insn(struct random *r, uint8_t bytes[15])
{
    static const uint8_t prefixes[] = {0x66, 0x67, 0xF2, 0xF3, 0xF0, 0x2E, 0x64, 0x48, 0x41};
    unsigned at = 0;
    for (unsigned i = 0; i < 15; i++)
        bytes[i] = (uint8_t)random_next(r);
    if (random_below(r, 4) == 0)
        bytes[at++] = prefixes[random_below(r, ARRAY_LEN(prefixes))];
    switch (random_below(r, 5)) {
    case 0: bytes[at++] = 0xC5; break;
    case 1:
        bytes[at++] = 0xC4;
        bytes[at] = (uint8_t)((bytes[at] & 0xE0) | (1 + random_below(r, 3)));
        break;
    case 2:
    case 3:
        bytes[at++] = 0x0F;
        if (random_below(r, 4) == 0)
            bytes[at] = random_below(r, 2) ? 0x38 : 0x3A;
        break;
    default: break;
    }
}

/* A 66, F2 or F3 prefix before an opcode of a 0F map that has no form for it: #UD here, ignored by Capstone.
 */
static bool has_stray_prefix(const uint8_t *bytes)
{
    for (unsigned i = 0; i < 14 && bytes[i] != 0x0F; i++)
        if (bytes[i] == 0x66 || bytes[i] == 0xF2 || bytes[i] == 0xF3)
            return true;
    return false;
}

static void compare(unsigned mode, const struct insn_tables *tables, csh handle, cs_insn *theirs,
                    const uint8_t bytes[15])
{
    struct insn ours;
    cr_assert(insn_decode(tables, mode, bytes, 15, &ours));
    const uint8_t *at = bytes;
    size_t left = 15;
    uint64_t pc = 0;
    bool known = cs_disasm_iter(handle, &at, &left, &pc, theirs);
    bool valid = ours.row != 0 && ours.exec == insn_rows[ours.row].exec;
    if (valid == known && (!valid || ours.length == theirs->size))
        return;
    if (valid != known && has_stray_prefix(bytes) && (!valid || mode == MODE_CODE16))
        return;
    const char *our_name = valid ? insn_rows[ours.row].mnemonic : "-",
               *their_name = known ? theirs->mnemonic : "-";
    if (is_documented(valid != known ? VALID : LENGTH, our_name, their_name))
        return;
    char hex[31];
    for (unsigned i = 0; i < 15; i++)
        snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
    cr_expect(false, "mode %u, %s: ours %s (%u bytes), Capstone %s (%u bytes)", mode, hex, our_name,
              ours.length, their_name, known ? theirs->size : 0);
}

static void compare_model(const char *model)
{
    static const cs_mode modes[] = {CS_MODE_16, CS_MODE_32, CS_MODE_64};
    struct insn_tables *tables = tables_for(model);
    struct random r = {UINT64_C(0x9E3779B97F4A7C15)};
    for (unsigned mode = 0; mode < 3; mode++) {
        csh handle;
        cr_assert_eq(cs_open(CS_ARCH_X86, modes[mode], &handle), CS_ERR_OK);
        cs_insn *theirs = cs_malloc(handle);
        for (unsigned i = 0; i < 200000; i++) {
            uint8_t bytes[15];
            random_insn(&r, bytes);
            compare(mode, tables, handle, theirs, bytes);
        }
        cs_free(theirs, 1);
        cs_close(&handle);
    }
    insn_tables_destroy(tables);
}

Test(decode, validity_and_length_against_capstone, .timeout = 120)
{
    compare_model("x86-64-v2");
    compare_model("x86-64-v3");
}

/* ---- Rules, one by one ---- */

struct rule {
    unsigned mode;
    const char *bytes;    /* hex */
    const char *mnemonic; /* "#UD", "#GP" for what decoding itself raises */
    unsigned length, op_size, addr_size;
    const char *why;
};

enum { C16 = MODE_CODE16, C32 = MODE_CODE32, C64 = MODE_CODE64 };
enum { USER = 3 << MODE_CPL_SHIFT };

static const struct rule base_rules[] = {
    {C16, "01c3", "add", 2, 2, 2, "16-bit code"},
    {C16, "6601c3", "add", 3, 4, 2, "operand size prefix"},
    {C16, "67010418", "add", 4, 2, 4, "address size prefix: SIB"},
    {C32, "670100", "add", 3, 4, 2, "16-bit address: [bx+si]"},
    {C32, "67010e3412", "add", 5, 4, 2, "16-bit address: disp16"},
    {C64, "4801c3", "add", 3, 8, 8, "REX.W"},
    {C64, "664801c3", "add", 4, 8, 8, "REX.W beats 66"},
    {C64, "486601c3", "add", 4, 2, 8, "REX not next to the opcode is ignored"},
    {C64, "50", "push", 1, 8, 8, "default 64"},
    {C64, "6650", "push", 2, 2, 8, "default 64 with 66"},
    {C64, "66e800000000", "call", 6, 8, 8, "near branches ignore 66"},
    {C64, "27", "#UD", 1, 0, 0, "DAA does not exist in 64-bit mode"},
    {C64, "48b8efcdab8967452301", "mov", 10, 8, 8, "64-bit immediate"},
    {C64, "48c7c0ffffffff", "mov", 7, 8, 8, "sign-extended immediate"},
    {C64, "a10807060504030201", "mov", 9, 4, 8, "64-bit moffs"},
    {C64, "67a104030201", "mov", 6, 4, 4, "32-bit moffs"},
    {C64, "8b0504030201", "mov", 6, 4, 8, "RIP-relative"},
    {C64, "8b042504030201", "mov", 7, 4, 8, "SIB without base"},
    {C32, "f00118", "add", 3, 4, 4, "LOCK with a memory destination"},
    {C32, "f001d8", "#UD", 3, 0, 0, "LOCK with a register destination"},
    {C32, "f0390418", "#UD", 4, 0, 0, "LOCK CMP"},
    {C32, "f08b00", "#UD", 3, 0, 0, "LOCK MOV"},
    {C32, "f090", "#UD", 2, 0, 0, "LOCK NOP"},
    {C32, "90", "nop", 1, 4, 4, "NOP"},
    {C32, "f390", "pause", 2, 4, 4, "PAUSE"},
    {C64, "4190", "xchg", 2, 4, 8, "XCHG R8D, EAX"},
    {C64, "4090", "nop", 2, 4, 8, "REX without B"},
    {C64, "f34190", "pause", 3, 4, 8, "PAUSE whatever REX.B"},
    {C32, "f30fb8c1", "popcnt", 4, 4, 4, "mandatory F3"},
    {C32, "66f30fb8c1", "popcnt", 5, 2, 4, "66 stays the operand size"},
    {C32, "0fb8c1", "#UD", 2, 0, 0, "POPCNT without F3"},
    {C32, "f30fbcc1", "bsf", 4, 4, 4, "REP is ignored without BMI1"},
    {C32, "f20f28c1", "#UD", 3, 0, 0, "MOVAPS has no F2 form"},
    {C32, "f3f20f10c1", "movsd", 5, 4, 4, "the last of F2 and F3 counts"},
    {C32, "0f0b", "ud2", 2, 4, 4, "UD2"},
    {C32, "0fb9c0", "ud1", 3, 4, 4, "UD1 has a ModRM byte"},
    {C32, "c4e2", "#UD", 1, 0, 0, "no VEX"},
    {C32 | USER, "f4", "#GP", 1, 0, 0, "privileged"},
    {C16 | MODE_REAL, "0f00c0", "#UD", 3, 0, 0, "SLDT in real mode"},
    {C64, "2e3e362665488b00", "mov", 8, 8, 8, "null prefixes keep GS"},
    {C64, "6666666666666666666666666690", "nop", 14, 2, 8, "14 bytes"},
    {C64, "666666666666666666666666666690", "nop", 15, 2, 8, "15 bytes"},
    {C64, "66666666666666666666666666666690", "#GP", 15, 0, 0, "16 bytes"},
    {C64, "666666666666666666666666b8aabb", "mov", 15, 2, 8, "15 bytes end in the immediate"},
};

static unsigned parse_hex(const char *text, uint8_t *bytes)
{
    unsigned n = 0;
    for (; text[2 * n] != '\0'; n++) {
        char digits[3] = {text[2 * n], text[2 * n + 1], '\0'};
        bytes[n] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return n;
}

/* With a model that has VEX instructions. */
static const struct rule vex_rules[] = {
    {C64, "c4e2f0f2d9", "andn", 5, 8, 8, "ANDN RBX, RCX, RCX"},
    {C64, "c4e270f2d9", "andn", 5, 4, 8, "W0: 32 bits"},
    {C32, "c4e270f2d9", "andn", 5, 4, 4, "in 32-bit code"},
    {C32, "c4e2f0f2d9", "andn", 5, 4, 4, "W is ignored outside 64-bit mode"},
    {C16, "c4e270f2d9", "andn", 5, 4, 2, "in 16-bit code"},
    {C16, "67c4e270f20c24", "andn", 7, 4, 4, "address size prefix"},
    {C64, "65c4e270f20c24", "andn", 7, 4, 8, "segment prefix"},
    {C32, "c4e2", "#UD", 2, 0, 0, "LES with a register, continued as VEX"},
    {C32, "c40424", "les", 3, 4, 4, "LES"},
    {C32, "c50424", "lds", 3, 4, 4, "LDS"},
    {C64, "c40424", "#UD", 3, 0, 0, "no LES in 64-bit mode"},
    {C16 | MODE_REAL, "c4e270f2d9", "#UD", 2, 0, 0, "no VEX in real mode"},
    {C16 | MODE_REAL, "c40f", "les", 2, 2, 2, "LES in real mode"},
    {C64, "66c4e270f2d9", "#UD", 6, 0, 0, "66 before VEX"},
    {C64, "f3c4e270f2d9", "#UD", 6, 0, 0, "F3 before VEX"},
    {C64, "f2c4e270f2d9", "#UD", 6, 0, 0, "F2 before VEX"},
    {C64, "f0c4e270f20c24", "#UD", 7, 0, 0, "LOCK before VEX"},
    {C64, "48c4e270f2d9", "#UD", 6, 0, 0, "REX before VEX"},
    {C64, "4865c4e270f2d9", "andn", 7, 4, 8, "a REX that is not next to it is ignored"},
    {C64, "c4e274f2d9", "#UD", 5, 0, 0, "L1"},
    {C64, "c4e271f2d9", "#UD", 5, 0, 0, "pp 66"},
    {C64, "c4e070f2d9", "#UD", 5, 0, 0, "map 0"},
    {C64, "c4e470f2d9", "#UD", 5, 0, 0, "map 4"},
    {C64, "c4e37bf0d905", "rorx", 6, 4, 8, "RORX"},
    {C64, "c4e373f0d905", "#UD", 6, 0, 0, "vvvv is not 1111b"},
    {C64, "f30fbcc1", "tzcnt", 4, 4, 8, "TZCNT"},
    {C64, "f20fbcc1", "bsf", 4, 4, 8, "F2 is ignored"},
    {C64, "66f30fbdc1", "lzcnt", 5, 2, 8, "LZCNT, 16 bits"},
    {C64, "0f38f00424", "movbe", 5, 4, 8, "MOVBE"},
    {C64, "660f38f00424", "movbe", 6, 2, 8, "MOVBE, 16 bits"},
    {C64, "f30f38f00424", "#UD", 6, 0, 0, "no MOVBE behind F3"},
    {C64, "66f20f38f1c1", "crc32", 6, 2, 8, "CRC32, 16 bits"},
};

static void check_rules(const char *model, const struct rule *rules, unsigned count)
{
    struct insn_tables *tables = tables_for(model);
    for (unsigned i = 0; i < count; i++) {
        const struct rule *rule = &rules[i];
        uint8_t bytes[32] = {0};
        parse_hex(rule->bytes, bytes);
        struct insn insn;
        cr_assert(insn_decode(tables, rule->mode, bytes, 15, &insn), "%s", rule->why);
        const struct insn_row *row = &insn_rows[insn.row];
        if (rule->mnemonic[0] == '#') {
            cr_expect(insn.row == 0 || insn.exec != row->exec, "%s: %s", rule->why, row->mnemonic);
            continue;
        }
        cr_expect_str_eq(row->mnemonic, rule->mnemonic, "%s: %s", rule->why, row->mnemonic);
        if (rule->length == 0)
            continue;
        cr_expect_eq(insn.length, rule->length, "%s: %u bytes", rule->why, insn.length);
        cr_expect_eq(insn.op_size, rule->op_size, "%s: operand size %u", rule->why, insn.op_size);
        cr_expect_eq(insn.addr_size, rule->addr_size, "%s: address size %u", rule->why, insn.addr_size);
    }
    insn_tables_destroy(tables);
}

Test(decode, rules)
{
    check_rules("x86-64-v2", base_rules, ARRAY_LEN(base_rules));
    check_rules("max", vex_rules, ARRAY_LEN(vex_rules));
}

/* Short input asks for more; never reads beyond it. */
Test(decode, asks_for_the_bytes_it_needs)
{
    static const uint8_t code[] = {0x48, 0x8B, 0x84, 0x25, 1, 2, 3, 4};
    struct insn_tables *tables = tables_for("x86-64-v2");
    struct insn insn;
    for (unsigned n = 1; n < sizeof code; n++)
        cr_expect_not(insn_decode(tables, MODE_CODE64, code, n, &insn), "%u bytes", n);
    cr_expect(insn_decode(tables, MODE_CODE64, code, sizeof code, &insn));
    cr_expect_eq(insn.length, sizeof code);
    insn_tables_destroy(tables);
}

/* Rows appear with their feature. */
Test(decode, features_gate_rows)
{
    static const uint8_t cmpxchg16b[] = {0x0F, 0xC7, 0x08}, popcnt[] = {0xF3, 0x0F, 0xB8, 0xC0};
    struct insn_tables *old = tables_for("pentium3");
    struct insn insn;
    cr_assert(insn_decode(old, MODE_CODE32, popcnt, 4, &insn));
    cr_expect_eq(insn.row, 0);
    cr_assert(insn_decode(old, MODE_CODE32, cmpxchg16b, 3, &insn));
    cr_expect_str_eq(insn_rows[insn.row].mnemonic, "cmpxchg8b");
    insn_tables_destroy(old);
}

Test(decode, harness_runs_each_mode)
{
    for (unsigned mode = HARNESS_16; mode <= HARNESS_64_USER; mode++) {
        struct harness *h = harness_create("x86-64-v2", mode, true);
        /* mov al, 5; add al, 6; ud2 */
        harness_code(h, (const uint8_t[]){0xB0, 0x05, 0x04, 0x06, 0x0F, 0x0B}, 6);
        harness_run(h);
        cr_expect_eq(h->cpu->s.gpr[RAX] & 0xFF, 11, "mode %u", mode);
        cr_expect_eq(harness_fault(h), 6, "mode %u: rip %llx", mode, (unsigned long long)h->cpu->s.rip);
        harness_destroy(h);
    }
}
