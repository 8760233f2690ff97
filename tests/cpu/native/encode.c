/* Random encodings of a row of the instruction table, made from the row's columns.
 *
 * Deliberately not the decoder run backwards: prefixes, sizes, modrm forms and immediates are worked out here
 * a second time, from the operand codes, so that a length or an operand the decoder gets wrong shows up.
 *
 * Branch displacements stay inside the code region and never point into the instruction itself; a memory
 * operand without registers gets its address here, one with registers gets it from values.c. */
#include "native.h"
#include "native_priv.h"

/* ---- Operand codes ---- */

enum {
    SIZE_V = 0x81, /* 2, 4, 8 */
    SIZE_Z,        /* 2, 4 */
    SIZE_Y,        /* 4, 8 with REX.W */
    SIZE_R,        /* 4, 8 in 64-bit mode */
    SIZE_P,
    SIZE_S,
    SIZE_X, /* 16, 32 with VEX.L */
    SIZE_F,
    SIZE_A,
};

static const struct operand_shape shapes[OC_COUNT] = {
#define OPERAND(code, method, size) [OC_##code] = {METHOD_##method, size},
#include "cpu/insn/operands.def"
#undef OPERAND
};

const struct operand_shape *row_operand(const struct insn_row *row, unsigned n)
{
    return &shapes[row->operand[n]];
}

bool row_has(const struct insn_row *row, enum operand_method method)
{
    for (unsigned i = 0; i < ROW_OPERANDS; i++)
        if (row_operand(row, i)->method == method)
            return true;
    return false;
}

static bool row_has_size(const struct insn_row *row, unsigned size)
{
    for (unsigned i = 0; i < ROW_OPERANDS; i++)
        if (row_operand(row, i)->size == size)
            return true;
    return false;
}

/* Bytes of an operand under the case's prefixes; 0 when it depends on the instruction. */
unsigned case_operand_size(const struct native_case *c, unsigned n)
{
    unsigned size = row_operand(c->row, n)->size;
    switch (size) {
    case SIZE_V: return c->op_size;
    case SIZE_Z: return c->op_size < 4 ? 2 : 4;
    case SIZE_Y: return c->rex & 8 ? 8 : 4;
    case SIZE_R: return c->bits == BITS_64 ? 8 : 4;
    case SIZE_P: return 2 + c->op_size;
    case SIZE_X: return c->vex_l ? 32 : 16;
    case SIZE_S:
    case SIZE_F:
    case SIZE_A: return 0;
    default: return size;
    }
}

/* ---- Bytes ---- */

static void put(struct native_case *c, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        c->bytes[c->length++] = (uint8_t)(value >> (8 * i));
}

/* ---- Prefixes ---- */

static bool row_has_memory(const struct insn_row *row)
{
    return row_has(row, METHOD_STRSRC) || row_has(row, METHOD_MOFFS) || (row->modrm & RM_REG) != 0;
}

static bool wants_66(struct rng *rng, const struct insn_row *row)
{
    bool sized = row_has_size(row, SIZE_V) || row_has_size(row, SIZE_Z) || row_has_size(row, SIZE_P);
    switch (row->prefix) {
    case ANY:
    case NREP: return rng_one_in(rng, sized ? 3 : 16);
    case P66: return true;
    case PF2:
    case PF3: return rng_one_in(rng, sized ? 3 : 16);
    default: return false;
    }
}

/* Which of F2, F3, if any. On the one-byte map an unused one is ignored (except F3 90, PAUSE); elsewhere it
 * may select another instruction. */
static unsigned pick_repeat(struct rng *rng, const struct insn_row *row)
{
    if (row->prefix == PF3)
        return PREFIX_REP;
    if (row->prefix == PF2)
        return PREFIX_REPNE;
    bool ignored = row->map == M1 && row->prefix == ANY && (row->opcode & 0xF8) != 0x90;
    unsigned odds = row->attr & (ATTR_REP | ATTR_REPCC) ? 2 : ignored ? 64 : 0;
    if (odds == 0 || !rng_one_in(rng, odds))
        return 0;
    return rng_one_in(rng, 2) ? PREFIX_REP : PREFIX_REPNE;
}

static uint8_t pick_rex(struct rng *rng, const struct insn_row *row)
{
    if (rng_one_in(rng, 3))
        return 0;
    uint8_t rex = (uint8_t)(0x40 | rng_below(rng, 8));
    bool sized = row_has_size(row, SIZE_V) || row_has_size(row, SIZE_Z) || row_has_size(row, SIZE_Y);
    return rex | (uint8_t)(rng_one_in(rng, sized ? 2 : 8) << 3);
}

static unsigned operand_size(const struct native_case *c)
{
    bool p66 = c->prefixes & PREFIX_66;
    if (row_is_vex(c->row))
        return c->rex & 8 ? 8 : 4;
    if (c->bits == BITS_16)
        return p66 ? 4 : 2;
    if (c->bits == BITS_32)
        return p66 ? 2 : 4;
    if ((c->rex & 8) || (c->row->attr & ATTR_FORCE64))
        return 8;
    return p66 ? 2 : c->row->attr & ATTR_DEF64 ? 8 : 4;
}

static unsigned address_size(const struct native_case *c)
{
    bool p67 = c->prefixes & PREFIX_67;
    switch (c->bits) {
    case BITS_16: return p67 ? 4 : 2;
    case BITS_32: return p67 ? 2 : 4;
    default: return p67 ? 4 : 8;
    }
}

/* The override's segment, or REG_NONE. FS is the C library's: only in 64-bit mode, where its base is known
 * and not changed, and only for addresses with a 64-bit register, which can reach the window from there. */
static uint8_t pick_segment(struct rng *rng, const struct native_case *c)
{
    if (!row_has_memory(c->row) || !rng_one_in(rng, 8))
        return REG_NONE;
    uint8_t seg = (uint8_t)rng_below(rng, SREG_COUNT);
    bool fs_reaches = c->bits == BITS_64 && !(c->prefixes & PREFIX_67) && !row_has(c->row, METHOD_MOFFS);
    return seg == FS && !fs_reaches ? GS : seg;
}

static void put_prefixes(struct rng *rng, struct native_case *c, uint8_t segment)
{
    static const uint8_t segment_byte[SREG_COUNT] = {0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65};
    uint8_t list[6];
    unsigned count = 0;
    if (c->prefixes & PREFIX_66)
        list[count++] = 0x66;
    if (c->prefixes & PREFIX_67)
        list[count++] = 0x67;
    if (c->prefixes & PREFIX_LOCK)
        list[count++] = 0xF0;
    if (c->prefixes & PREFIX_REP)
        list[count++] = 0xF3;
    if (c->prefixes & PREFIX_REPNE)
        list[count++] = 0xF2;
    if (segment != REG_NONE)
        list[count++] = segment_byte[segment];
    for (unsigned i = 0; i < count; i++) { /* in any order */
        unsigned j = i + rng_below(rng, count - i);
        uint8_t chosen = list[j];
        list[j] = list[i];
        put(c, chosen, 1);
    }
    if (c->rex && !row_is_vex(c->row))
        put(c, c->rex, 1);
}

/* Choose what the row leaves open. Outside 64-bit mode R, X, B and the top bit of vvvv name no registers. */
static void pick_vex(struct rng *rng, struct native_case *c)
{
    const struct insn_row *row = c->row;
    bool long_mode = c->bits == BITS_64, has_vvvv = row_has(row, METHOD_HREG) || row_has(row, METHOD_BREG);
    c->vex_l = row->vex_length == L256 || (row->vex_length != L128 && rng_one_in(rng, 2));
    c->vex_w = row->vex_w == W1 || (row->vex_w == WIG && rng_one_in(rng, 2));
    c->vvvv = has_vvvv ? (uint8_t)rng_below(rng, long_mode ? 16 : 8) : 0;
    if (long_mode)
        c->rex = (uint8_t)(0x40 | c->vex_w << 3 | rng_below(rng, 8));
}

/* SDM vol. 2, figure 2-9. */
static void put_vex(struct rng *rng, struct native_case *c)
{
    static const uint8_t pp[] = {[NP] = 0, [P66] = 1, [PF3] = 2, [PF2] = 3};
    unsigned not_r = c->rex & 4 ? 0 : 0x80, not_x = c->rex & 2 ? 0 : 0x40, not_b = c->rex & 1 ? 0 : 0x20;
    unsigned last = (~(unsigned)c->vvvv & 15) << 3 | (unsigned)c->vex_l << 2 | pp[c->row->prefix];
    if (c->row->map == V0F && !c->vex_w && not_x && not_b && rng_one_in(rng, 2)) {
        put(c, 0xC5, 1);
        put(c, not_r | last, 1);
        return;
    }
    if (c->bits != BITS_64 && rng_one_in(rng, 4)) { /* ignored there */
        not_b = 0;
        last ^= c->vvvv ? 0x40 : 0;
    }
    put(c, 0xC4, 1);
    put(c, not_r | not_x | not_b | (unsigned)(c->row->map - V0F + 1), 1);
    put(c, (unsigned)c->vex_w << 7 | last, 1);
}

static void put_opcode(struct rng *rng, struct native_case *c)
{
    if (row_is_vex(c->row)) {
        put_vex(rng, c);
        put(c, c->row->opcode, 1);
        return;
    }
    if (c->row->map != M1)
        put(c, 0x0F, 1);
    if (c->row->map == M0F38)
        put(c, 0x38, 1);
    if (c->row->map == M0F3A)
        put(c, 0x3A, 1);
    unsigned low = row_has(c->row, METHOD_OPREG) ? rng_below(rng, 8) : 0;
    put(c, c->row->opcode + low, 1);
}

/* ---- Memory forms ---- */

static void put_displacement(struct native_case *c, unsigned size)
{
    c->ea.disp_at = (uint8_t)c->length;
    c->ea.disp_size = (uint8_t)size;
    put(c, (uint64_t)c->ea.disp, size);
}

/* Target offset of a memory operand without registers. */
static uint64_t absolute_offset(struct rng *rng, const struct native_case *c)
{
    uint64_t base = segment_base(c, c->ea.seg);
    bool code = c->ea.seg == CS && base != 0;
    uint32_t linear = code ? CODE_BASE + rng_below(rng, CODE_SIZE) : random_data_address(rng, c->ea.size);
    return (uint64_t)linear - base;
}

/* SDM vol. 2, table 2-1. */
static void put_memory16(struct rng *rng, struct native_case *c, unsigned reg, uint8_t segment)
{
    static const uint8_t base[8] = {RBX, RBX, RBP, RBP, RSI, RDI, RBP, RBX};
    static const uint8_t index[8] = {RSI, RDI, RSI, RDI, REG_NONE, REG_NONE, REG_NONE, REG_NONE};
    unsigned mod = rng_below(rng, 3), rm = rng_below(rng, 8);
    c->modrm = (uint8_t)(mod << 6 | reg << 3 | rm);
    put(c, c->modrm, 1);
    c->ea.base = base[rm];
    c->ea.index = index[rm];
    if (mod == 0 && rm == 6)
        c->ea.base = REG_NONE;
    c->ea.seg = segment != REG_NONE ? segment : c->ea.base == RBP ? SS : DS;
    if (c->ea.base == REG_NONE) {
        c->ea.disp = (int16_t)absolute_offset(rng, c);
        put_displacement(c, 2);
    } else if (mod == 1) {
        c->ea.disp = (int8_t)rng_next(rng);
        put_displacement(c, 1);
    } else if (mod == 2) {
        c->ea.disp = (int16_t)rng_next(rng);
        put_displacement(c, 2);
    }
}

/* SDM vol. 2, tables 2-2 and 2-3. RIP-relative displacements are patched when the length is known. */
static void put_memory(struct rng *rng, struct native_case *c, unsigned reg, uint8_t segment)
{
    bool vsib = row_has(c->row, METHOD_VSIB);
    unsigned mod = rng_below(rng, 3), rm = vsib ? 4 : rng_below(rng, 8);
    if (segment == FS && rm == 5 && mod == 0)
        mod = 1; /* needs a register */
    c->modrm = (uint8_t)(mod << 6 | reg << 3 | rm);
    put(c, c->modrm, 1);
    unsigned rex_b = (c->rex & 1u) << 3, rex_x = (c->rex & 2u) << 2;
    bool absolute = false;
    c->ea.base = (uint8_t)(rm | rex_b);
    if (rm == 4) {
        unsigned scale = rng_below(rng, 4), index = rng_below(rng, 8), base = rng_below(rng, 8);
        if (segment == FS && base == 5)
            base = 3;
        put(c, scale << 6 | index << 3 | base, 1);
        c->ea.scale = (uint8_t)scale;
        c->ea.index = vsib || (index | rex_x) == RSP ? REG_NONE : (uint8_t)(index | rex_x);
        c->ea.vector_index = (uint8_t)(index | rex_x);
        c->ea.base = (uint8_t)(base | rex_b);
        absolute = base == 5 && mod == 0;
        if (absolute)
            c->ea.base = REG_NONE;
    } else if (rm == 5 && mod == 0) {
        absolute = true;
        c->ea.base = c->bits == BITS_64 ? REG_RIP : REG_NONE;
    }
    bool stack = c->ea.base == RSP || c->ea.base == RBP;
    c->ea.seg = segment != REG_NONE ? segment : stack ? SS : DS;
    if (absolute) {
        c->ea.disp = c->ea.index == REG_NONE ? (int32_t)absolute_offset(rng, c) : (int32_t)rng_next(rng);
        put_displacement(c, 4);
    } else if (mod == 1) {
        c->ea.disp = (int8_t)rng_next(rng);
        put_displacement(c, 1);
    } else if (mod == 2) {
        c->ea.disp = (int32_t)rng_next(rng);
        put_displacement(c, 4);
    }
}

static bool is_memory_method(enum operand_method method)
{
    return method == METHOD_RM || method == METHOD_MEM || method == METHOD_XRM || method == METHOD_MMRM;
}

static void put_modrm(struct rng *rng, struct native_case *c, uint8_t segment)
{
    unsigned modrm = c->row->modrm, kind = modrm & RM_REG;
    if (kind == 0)
        return;
    if (modrm & RM_EXACT) {
        c->modrm = (uint8_t)modrm;
        put(c, c->modrm, 1);
        return;
    }
    unsigned reg = modrm & RM_HAS_EXT             ? modrm & 7
                   : row_has(c->row, METHOD_SREG) ? rng_below(rng, SREG_COUNT)
                                                  : rng_below(rng, 8);
    bool ignores_mod = kind == RM_ANY && row_has(c->row, METHOD_RMREG);
    c->ea.present = kind == RM_MEM || (kind == RM_ANY && !ignores_mod && rng_one_in(rng, 2));
    if (!c->ea.present) {
        unsigned mod = ignores_mod ? rng_below(rng, 4) : 3;
        c->modrm = (uint8_t)(mod << 6 | reg << 3 | rng_below(rng, 8));
        put(c, c->modrm, 1);
        return;
    }
    for (unsigned i = 0; i < ROW_OPERANDS; i++)
        if (is_memory_method(row_operand(c->row, i)->method))
            c->ea.size = case_operand_size(c, i);
    if (c->addr_size == 2)
        put_memory16(rng, c, reg, segment);
    else
        put_memory(rng, c, reg, segment);
}

/* ---- Immediates and branches ---- */

static void put_immediate(struct rng *rng, struct native_case *c, unsigned size)
{
    c->imm = random_integer(rng);
    put(c, c->imm, size);
}

/* Displacement to somewhere that is not this instruction. */
static void put_branch(struct rng *rng, struct native_case *c, unsigned size)
{
    unsigned length = c->length + size;
    int32_t displacement;
    do {
        displacement =
            size == 1 ? (int8_t)rng_next(rng) : (int32_t)(random_code_address(rng, c) - (c->code + length));
    } while (displacement < 0 && displacement >= -(int32_t)length - 16);
    put(c, (uint64_t)displacement, size);
}

static void put_moffs(struct rng *rng, struct native_case *c, uint8_t segment, unsigned size)
{
    c->ea.present = true;
    c->ea.size = size;
    c->ea.seg = segment != REG_NONE ? segment : DS;
    uint64_t offset = absolute_offset(rng, c);
    c->ea.disp = (int64_t)offset;
    put(c, offset, c->addr_size);
}

static void put_rest(struct rng *rng, struct native_case *c, uint8_t segment)
{
    for (unsigned i = 0; i < ROW_OPERANDS; i++) {
        unsigned size = case_operand_size(c, i);
        switch (row_operand(c->row, i)->method) {
        case METHOD_IMM:
        case METHOD_SIMM: put_immediate(rng, c, size); break;
        case METHOD_XIS4: put_immediate(rng, c, 1); break;
        case METHOD_REL: put_branch(rng, c, size); break;
        case METHOD_MOFFS: put_moffs(rng, c, segment, size); break;
        case METHOD_FARPTR: put(c, rng_next(rng), size); break;
        default: break;
        }
    }
}

/* A RIP-relative displacement reaches from the end of the instruction. */
static void patch_rip(struct native_case *c)
{
    if (c->ea.base != REG_RIP)
        return;
    uint64_t next = c->code + c->length;
    c->ea.disp = (int32_t)((uint64_t)c->ea.disp - next);
    memcpy(c->bytes + c->ea.disp_at, &(int32_t){(int32_t)c->ea.disp}, 4);
}

static void pick_prefixes(struct rng *rng, struct native_case *c)
{
    const struct insn_row *row = c->row;
    c->prefixes |= rng_one_in(rng, 8) ? PREFIX_67 : 0;
    if (row_has(row, METHOD_VSIB) && c->bits != BITS_64) /* needs a SIB byte */
        c->prefixes = c->bits == BITS_16 ? PREFIX_67 : 0;
    if (row_is_vex(row)) {
        pick_vex(rng, c);
    } else {
        c->prefixes |= pick_repeat(rng, row);
        c->prefixes |= wants_66(rng, row) ? PREFIX_66 : 0;
        c->rex = c->bits == BITS_64 ? pick_rex(rng, row) : 0;
        c->prefixes |= rng_one_in(rng, row->attr & ATTR_LOCK ? 4 : 64) ? PREFIX_LOCK : 0;
    }
    c->op_size = operand_size(c);
    c->addr_size = address_size(c);
}

/* A gather's registers must differ (#UD). */
static bool gather_conflicts(const struct native_case *c)
{
    unsigned destination = (c->modrm >> 3 & 7) | (c->rex & 4u) << 1, index = c->ea.vector_index;
    return row_has(c->row, METHOD_VSIB) &&
           (destination == index || destination == c->vvvv || index == c->vvvv);
}

/* ---- Interface ---- */

bool case_encode(struct rng *rng, const struct insn_row *row, const struct native_machine *machine,
                 struct native_case *c)
{
    enum native_bits bits = machine->bits;
    if (row->attr & (bits == BITS_64 ? ATTR_NO64 : ATTR_ONLY64))
        return false;
    do {
        *c = (struct native_case){.machine = machine, .bits = bits, .row = row};
        c->ea.base = c->ea.index = REG_NONE;
        c->code = CODE_BASE + 256 + rng_below(rng, CODE_SIZE - 512);
        pick_prefixes(rng, c);
        uint8_t segment = pick_segment(rng, c);
        put_prefixes(rng, c, segment);
        put_opcode(rng, c);
        put_modrm(rng, c, segment);
        put_rest(rng, c, segment);
        patch_rip(c);
        if (row_has(row, METHOD_STRSRC))
            c->ea.seg = segment != REG_NONE ? segment : DS;
    } while (c->length > 15 || gather_conflicts(c));
    c->in.rip = c->code - (bits == BITS_16 ? CODE_BASE : 0);
    return true;
}

static uint64_t register_part(const struct native_case *c, unsigned reg)
{
    return reg == REG_NONE ? 0 : reg == REG_RIP ? c->code + c->length : c->in.gpr[reg];
}

uint64_t case_ea(const struct native_case *c)
{
    uint64_t ea =
        (uint64_t)c->ea.disp + register_part(c, c->ea.base) + (register_part(c, c->ea.index) << c->ea.scale);
    return ea & address_mask(c->addr_size);
}
