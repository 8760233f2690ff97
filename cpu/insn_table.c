/* The instruction table, expanded from insn/table.def, and the candidate lists a CPU model's decoder
 * searches.
 *
 * A list holds the rows of one opcode whose feature the model has, most specific first: a mandatory prefix
 * (NP counts) before ANY, then an exact ModRM byte, a ModRM extension with register or memory form, an
 * extension, a register or memory form, anything. The decoder takes the first row that matches, so the order
 * of rows in the .def files never matters; insn_tables_ambiguous() proves it.
 *
 * Invariants: (1) row 0 is the invalid instruction and in no list; (2) all rows of one opcode agree whether a
 * ModRM byte follows. */
#include "cpu/decode_priv.h"
#include "cpu/exec.h"

#include <stdlib.h>
#include <string.h>

static exec_fn exec_invalid_row;

static enum exec exec_invalid_row(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    return cpu_fault(cpu, VEC_UD);
}

const struct operand_form operand_forms[OC_COUNT] = {
#define OPERAND(code, method, size) [OC_##code] = {METHOD_##method, size},
#include "cpu/insn/operands.def"
#undef OPERAND
};

const struct insn_row insn_rows[] = {
    {.handler_name = "invalid", .mnemonic = "(bad)", .exec = exec_invalid_row, .attr = ATTR_SYS | ATTR_END},
#define INSN(handler, mnemonic, map, opcode, prefix, modrm, op1, op2, op3, feature, attr, cost, read, write, \
             undef)                                                                                          \
    {#handler,                                                                                               \
     mnemonic,                                                                                               \
     exec_##handler,                                                                                         \
     map,                                                                                                    \
     opcode,                                                                                                 \
     prefix,                                                                                                 \
     FEAT_##feature,                                                                                         \
     modrm,                                                                                                  \
     {OC_##op1, OC_##op2, OC_##op3, OC___},                                                                  \
     COST_##cost,                                                                                            \
     LIG,                                                                                                    \
     WIG,                                                                                                    \
     attr,                                                                                                   \
     read,                                                                                                   \
     write,                                                                                                  \
     undef},
#define VEX(handler, mnemonic, map, opcode, prefix, length, w, modrm, op1, op2, op3, op4, feature, class,    \
            cost, read, write, undef)                                                                        \
    {#handler,                                                                                               \
     mnemonic,                                                                                               \
     exec_##handler,                                                                                         \
     map,                                                                                                    \
     opcode,                                                                                                 \
     prefix,                                                                                                 \
     FEAT_##feature,                                                                                         \
     modrm,                                                                                                  \
     {OC_##op1, OC_##op2, OC_##op3, OC_##op4},                                                               \
     COST_##cost,                                                                                            \
     length,                                                                                                 \
     w,                                                                                                      \
     class,                                                                                                  \
     read,                                                                                                   \
     write,                                                                                                  \
     undef},
#include "cpu/insn/table.def"
#undef INSN
#undef VEX
};

const unsigned insn_row_count = ARRAY_LEN(insn_rows);

/* How many consecutive opcodes a row covers: 8 when an operand is in the opcode's low bits. */
static unsigned row_span(const struct insn_row *row)
{
    for (unsigned i = 0; i < ARRAY_LEN(row->operand); i++)
        if (operand_forms[row->operand[i]].method == METHOD_OPREG)
            return 8;
    return 1;
}

static unsigned modrm_rank(unsigned modrm)
{
    if (modrm & RM_EXACT)
        return 0;
    bool form = (modrm & 0x300) == RM_MEM || (modrm & 0x300) == RM_REG;
    if (modrm & RM_HAS_EXT)
        return form ? 1 : 2;
    return form ? 3 : 4;
}

/* Lower is more specific. A row without register operand beats one that has it (NOP before XCHG at 90). */
static unsigned row_rank(const struct insn_row *row)
{
    return (row->prefix == ANY ? 16 : 0) + modrm_rank(row->modrm) * 2 + (row_span(row) == 8);
}

static bool prefix_matches(enum insn_prefix prefix, const struct insn_key *key)
{
    switch (prefix) {
    case ANY: return true;
    case NP: return key->rep == 0 && !key->prefix66;
    case P66: return key->rep == 0 && key->prefix66;
    case PF3: return key->rep == PREFIX_REP;
    case PF2: return key->rep == PREFIX_REPNE;
    case NREP: return key->rep == 0;
    }
    return false;
}

static bool vex_matches(const struct insn_row *row, const struct insn_key *key)
{
    bool length = row->vex_length == LIG || row->vex_length == LX || (row->vex_length == L256) == key->vex_l;
    return length && (row->vex_w == WIG || (row->vex_w == W1) == key->vex_w);
}

static bool modrm_matches(unsigned want, uint8_t modrm)
{
    bool is_register = modrm >= 0xC0;
    if (want == NOMODRM)
        return true;
    if (want & RM_EXACT)
        return (want & 0xFF) == modrm;
    if ((want & 0x300) == RM_MEM && is_register)
        return false;
    if ((want & 0x300) == RM_REG && !is_register)
        return false;
    return !(want & RM_HAS_EXT) || (want & 7) == (modrm >> 3 & 7);
}

bool insn_row_matches(const struct insn_row *row, const struct insn_key *key)
{
    if (row->attr & (key->code64 ? ATTR_NO64 : ATTR_ONLY64))
        return false;
    return prefix_matches(row->prefix, key) && vex_matches(row, key) && modrm_matches(row->modrm, key->modrm);
}

static bool has_feature(const uint64_t features[2], enum insn_feature feature)
{
    return feature == FEAT_BASE || (features[feature / 64] >> feature % 64 & 1) != 0;
}

/* Has the model the row? VEX forms of instructions that came before AVX need both. */
static bool row_exists(const struct insn_row *row, const uint64_t features[2])
{
    return has_feature(features, row->feature) &&
           (!(row->attr & ATTR_AVX) || has_feature(features, FEAT_AVX));
}

static bool row_covers(const struct insn_row *row, unsigned map, unsigned opcode)
{
    return row->map == map && opcode >= row->opcode && opcode < row->opcode + row_span(row);
}

/* Append the rows of one opcode to candidate[], sorted by rank; insertion sort, lists are short. */
static void slot_fill(struct insn_tables *tables, const uint64_t features[2], unsigned map, unsigned opcode,
                      unsigned *used)
{
    struct insn_slot *slot = &tables->slot[map][opcode];
    slot->first = (uint16_t)*used;
    uint16_t *list = tables->candidate + *used;
    unsigned count = 0;
    for (unsigned n = 1; n < insn_row_count; n++) {
        const struct insn_row *row = &insn_rows[n];
        if (!row_covers(row, map, opcode) || !row_exists(row, features))
            continue;
        unsigned at = count++;
        while (at > 0 && row_rank(&insn_rows[list[at - 1]]) > row_rank(row)) {
            list[at] = list[at - 1];
            at--;
        }
        list[at] = (uint16_t)n;
        slot->has_modrm = row->modrm != NOMODRM;
        tables->has_vex |= map >= V0F;
    }
    CHECK(count <= UINT8_MAX);
    slot->count = (uint8_t)count;
    *used += count;
}

struct insn_tables *insn_tables_create(const uint64_t features[2], const uint16_t cost[2][COST_CLASS_COUNT])
{
    struct insn_tables *tables = xcalloc(1, sizeof *tables);
    tables->candidate = xcalloc((size_t)insn_row_count * 8, sizeof *tables->candidate);
    memcpy(tables->cost, cost, sizeof tables->cost);
    unsigned used = 0;
    for (unsigned map = 0; map < INSN_MAPS; map++)
        for (unsigned opcode = 0; opcode < 256; opcode++)
            slot_fill(tables, features, map, opcode, &used);
    return tables;
}

void insn_tables_destroy(struct insn_tables *tables)
{
    if (tables == NULL)
        return;
    free(tables->candidate);
    free(tables);
}

/* A second row of the slot that matches as well as the first, or NULL. */
static const struct insn_row *slot_rival(const struct insn_tables *tables, const struct insn_slot *slot,
                                         const struct insn_key *key)
{
    const struct insn_row *best = NULL;
    for (unsigned i = 0; i < slot->count; i++) {
        const struct insn_row *row = &insn_rows[tables->candidate[slot->first + i]];
        if (!insn_row_matches(row, key))
            continue;
        if (best != NULL && row_rank(row) == row_rank(best))
            return row;
        best = best != NULL ? best : row;
    }
    return NULL;
}

const char *insn_tables_ambiguous(const struct insn_tables *tables)
{
    for (unsigned map = 0; map < INSN_MAPS; map++)
        for (unsigned opcode = 0; opcode < 256; opcode++) {
            const struct insn_slot *slot = &tables->slot[map][opcode];
            for (unsigned i = 0; i < slot->count; i++)
                if ((insn_rows[tables->candidate[slot->first + i]].modrm != NOMODRM) != slot->has_modrm)
                    return insn_rows[tables->candidate[slot->first + i]].mnemonic;
            for (unsigned n = 0; n < 3 << 12 && slot->count > 1; n++) {
                static const uint8_t reps[3] = {0, PREFIX_REP, PREFIX_REPNE};
                struct insn_key key = {.modrm = (uint8_t)(n & 0xFF),
                                       .prefix66 = n >> 8 & 1,
                                       .code64 = n >> 9 & 1,
                                       .vex_l = n >> 10 & 1,
                                       .vex_w = n >> 11 & 1,
                                       .rep = reps[n >> 12]};
                const struct insn_row *rival = slot_rival(tables, slot, &key);
                if (rival != NULL)
                    return rival->mnemonic;
            }
        }
    return NULL;
}
