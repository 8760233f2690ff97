/* The decoder: bytes to struct insn, for 16, 32 and 64-bit code (SDM vol. 2, chapter 2 and appendix A).
 *
 * Everything that can be decided from the bytes and the mode is decided here, so that handlers need not:
 * which row, operand kinds and sizes, effective-address parts, immediates extended, the segment with its
 * override, the price, and the faults that depend on nothing else (#UD for LOCK, protected-only rows in real
 * mode, #GP for privileged rows and for more than 15 bytes). Such a fault is raised by insn->exec.
 *
 * Choices where the SDM says "undefined" follow Intel CPUs: of several F2/F3 the last counts; a REX that is
 * not directly before the opcode is ignored; CS, DS, ES, SS overrides are ignored in 64-bit mode and do not
 * cancel an FS or GS override; an opcode that has SSE forms but none for the F2/F3 given is #UD.
 *
 * Left out: EVEX and XOP (those opcodes have no rows, so #UD). */
#include "cpu/decode_priv.h"
#include "cpu/exec.h"

enum { INSN_MAX_LENGTH = 15 };

struct decoder {
    const struct insn_tables *tables;
    unsigned mode;
    const uint8_t *bytes;
    unsigned available, at;
    bool starved;  /* ran out of bytes below 15 */
    bool too_long; /* needs more than 15 */
    bool code64;
    bool has_imm;        /* insn->imm is taken: the next immediate goes to imm2 */
    uint8_t rep;         /* PREFIX_REP, PREFIX_REPNE: last seen */
    uint8_t seg;         /* override, or REG_NONE */
    bool vsib;           /* the SIB index is a vector register */
    bool bad_vex;        /* VEX behind a prefix it does not tolerate, or of an unknown map */
    uint8_t vvvv;        /* VEX.vvvv, inverted */
    struct insn_key key; /* what the row must match */
    struct insn *insn;
};

static enum exec exec_fault_ud(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    return cpu_fault(cpu, VEC_UD);
}

static enum exec exec_fault_gp(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    return cpu_fault_code(cpu, VEC_GP, 0);
}

/* ---- Bytes ---- */

static bool peek_byte(struct decoder *d, uint8_t *byte)
{
    if (d->at < d->available) {
        *byte = d->bytes[d->at];
        return true;
    }
    if (d->at >= INSN_MAX_LENGTH)
        d->too_long = true;
    else
        d->starved = true;
    *byte = 0;
    return false;
}

static uint8_t next_byte(struct decoder *d)
{
    uint8_t byte;
    if (peek_byte(d, &byte))
        d->at++;
    return byte;
}

static uint64_t next_bytes(struct decoder *d, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)next_byte(d) << (8 * i);
    return value;
}

static int64_t extend(uint64_t value, unsigned size)
{
    unsigned shift = 64 - 8 * size;
    return (int64_t)(value << shift) >> shift;
}

/* ---- Prefixes ---- */

/* Note one legacy prefix; false when `byte` is none. */
static bool prefix_note(struct decoder *d, uint8_t byte)
{
    struct insn *insn = d->insn;
    switch (byte) {
    case 0x26: d->seg = d->code64 ? d->seg : ES; break;
    case 0x2E: d->seg = d->code64 ? d->seg : CS; break;
    case 0x36: d->seg = d->code64 ? d->seg : SS; break;
    case 0x3E: d->seg = d->code64 ? d->seg : DS; break;
    case 0x64: d->seg = FS; break;
    case 0x65: d->seg = GS; break;
    case 0x66: insn->prefixes |= PREFIX_66; return true;
    case 0x67: insn->prefixes |= PREFIX_67; return true;
    case 0xF0: insn->prefixes |= PREFIX_LOCK; return true;
    case 0xF2:
        insn->prefixes |= PREFIX_REPNE;
        d->rep = PREFIX_REPNE;
        return true;
    case 0xF3:
        insn->prefixes |= PREFIX_REP;
        d->rep = PREFIX_REP;
        return true;
    default: return false;
    }
    insn->prefixes |= PREFIX_SEG;
    return true;
}

static void decode_prefixes(struct decoder *d)
{
    uint8_t byte;
    while (peek_byte(d, &byte)) {
        if (prefix_note(d, byte)) {
            d->insn->rex = 0;
        } else if (d->code64 && (byte & 0xF0) == 0x40) {
            d->insn->rex = byte;
        } else {
            break;
        }
        d->at++;
    }
    /* Only the last of F2 and F3 counts. */
    d->insn->prefixes &= (uint8_t) ~(PREFIX_REP | PREFIX_REPNE);
    d->insn->prefixes |= d->rep;
    if (d->insn->rex != 0)
        d->insn->prefixes |= PREFIX_REX;
}

/* C4 and C5 are LES and LDS outside 64-bit mode unless the next byte would be the ModRM byte of a register
 * form; in real and virtual-8086 mode they always are. */
static bool is_vex(const struct decoder *d)
{
    if (!d->tables->has_vex || (d->mode & MODE_REAL) != 0 || d->at + 1 >= d->available)
        return false;
    return (d->bytes[d->at] & 0xFE) == 0xC4 && (d->code64 || d->bytes[d->at + 1] >= 0xC0);
}

/* C5 RvvvvLpp or C4 RXBmmmmm WvvvvLpp, all but W, m, L, p inverted (SDM vol. 2, 2.3.5). What the prefix says
 * of registers goes where REX has it. */
static unsigned decode_vex(struct decoder *d)
{
    static const uint8_t reps[4] = {0, 0, PREFIX_REP, PREFIX_REPNE};
    struct insn *insn = d->insn;
    bool long_form = next_byte(d) == 0xC4;
    uint8_t first = next_byte(d);
    uint8_t last = long_form ? next_byte(d) : first & 0x7F;
    unsigned map = long_form ? first & 31 : 1, rxb = ~(first >> 5) & (long_form ? 7u : 4u);
    d->bad_vex = (insn->prefixes & ~(PREFIX_67 | PREFIX_SEG)) != 0 || map < 1 || map > 3;
    d->vvvv = ~(last >> 3) & 15;
    d->key.vex_w = last >> 7;
    d->key.vex_l = last >> 2 & 1;
    d->key.prefix66 = (last & 3) == 1;
    d->key.rep = reps[last & 3];
    insn->prefixes = (insn->prefixes & (PREFIX_67 | PREFIX_SEG)) | PREFIX_VEX;
    insn->rex = d->code64 ? (uint8_t)(0x40 | (last >> 4 & 8) | rxb) : 0;
    insn->opcode = next_byte(d);
    return d->bad_vex ? V0F : V0F + map - 1;
}

static unsigned decode_opcode(struct decoder *d)
{
    if (is_vex(d))
        return decode_vex(d);
    d->key.prefix66 = (d->insn->prefixes & PREFIX_66) != 0;
    d->key.rep = d->rep;
    d->insn->opcode = next_byte(d);
    if (d->insn->opcode != 0x0F)
        return M1;
    d->insn->opcode = next_byte(d);
    if (d->insn->opcode != 0x38 && d->insn->opcode != 0x3A)
        return M0F;
    unsigned map = d->insn->opcode == 0x38 ? M0F38 : M0F3A;
    d->insn->opcode = next_byte(d);
    return map;
}

/* ---- Row ---- */

static const struct insn_row *find_row(struct decoder *d, unsigned map)
{
    struct insn *insn = d->insn;
    const struct insn_slot *slot = &d->tables->slot[map][insn->opcode];
    if (slot->has_modrm) {
        uint8_t modrm;
        (void)peek_byte(d, &modrm); /* consumed with the address bytes */
        insn->modrm = d->key.modrm = modrm;
    }
    for (unsigned i = 0; i < slot->count; i++) {
        unsigned n = d->tables->candidate[slot->first + i];
        if (!insn_row_matches(&insn_rows[n], &d->key))
            continue;
        /* 41 90 is XCHG R8, RAX; without REX.B, 90 is NOP; F3 90 is PAUSE with or without. */
        if (map == M1 && insn->opcode == 0x90 && insn_rows[n].operand[0] == OC___ && (insn->rex & 1) != 0 &&
            d->rep != PREFIX_REP)
            continue;
        insn->row = (uint16_t)n;
        return &insn_rows[n];
    }
    return NULL;
}

static uint8_t operand_size(const struct decoder *d, const struct insn_row *row)
{
    /* A mandatory 66 is not an operand size. */
    bool small = (d->insn->prefixes & PREFIX_66) != 0 && row->prefix != P66;
    if (d->code64) {
        if ((row->attr & ATTR_FORCE64) != 0 || (d->insn->rex & 8) != 0)
            return 8;
        if (small)
            return 2;
        return row->attr & ATTR_DEF64 ? 8 : 4;
    }
    if (d->insn->prefixes & PREFIX_VEX)
        return 4;
    bool wide = (d->mode & MODE_CODE_MASK) == MODE_CODE32;
    return wide != small ? 4 : 2;
}

static uint8_t address_size(const struct decoder *d)
{
    bool other = (d->insn->prefixes & PREFIX_67) != 0;
    switch (d->mode & MODE_CODE_MASK) {
    case MODE_CODE64: return other ? 4 : 8;
    case MODE_CODE32: return other ? 2 : 4;
    default: return other ? 4 : 2;
    }
}

/* ---- Effective address ---- */

static void set_default_segment(struct decoder *d, unsigned seg)
{
    d->insn->seg = d->seg != REG_NONE ? d->seg : (uint8_t)seg;
}

static void decode_address16(struct decoder *d, unsigned mod, unsigned rm)
{
    static const uint8_t bases[8] = {RBX, RBX, RBP, RBP, RSI, RDI, RBP, RBX};
    static const uint8_t indexes[8] = {RSI, RDI, RSI, RDI, REG_NONE, REG_NONE, REG_NONE, REG_NONE};
    struct insn *insn = d->insn;
    insn->base = bases[rm];
    insn->index = indexes[rm];
    if (mod == 0 && rm == 6) {
        insn->base = REG_NONE;
        mod = 2;
    }
    set_default_segment(d, insn->base == RBP ? SS : DS);
    if (mod == 1)
        insn->disp = extend(next_byte(d), 1);
    else if (mod == 2)
        insn->disp = extend(next_bytes(d, 2), 2);
}

static void decode_sib(struct decoder *d, unsigned mod)
{
    struct insn *insn = d->insn;
    uint8_t sib = next_byte(d);
    unsigned base = sib & 7;
    unsigned index = (sib >> 3 & 7) | (insn->rex & 2) << 2;
    insn->scale = sib >> 6;
    insn->index = index == RSP && !d->vsib ? REG_NONE : (uint8_t)index;
    insn->base = (uint8_t)(base | (insn->rex & 1) << 3);
    if (base == RBP && mod == 0) {
        insn->base = REG_NONE;
        insn->disp = extend(next_bytes(d, 4), 4);
    }
}

static void decode_address32(struct decoder *d, unsigned mod, unsigned rm)
{
    struct insn *insn = d->insn;
    if (rm == RSP) {
        decode_sib(d, mod);
    } else if (mod == 0 && rm == RBP) {
        insn->base = d->code64 ? REG_RIP : REG_NONE;
        insn->disp = extend(next_bytes(d, 4), 4);
    } else {
        insn->base = (uint8_t)(rm | (insn->rex & 1) << 3);
    }
    set_default_segment(d, insn->base == RSP || insn->base == RBP ? SS : DS);
    if (mod == 1)
        insn->disp = extend(next_byte(d), 1);
    else if (mod == 2)
        insn->disp = extend(next_bytes(d, 4), 4);
}

/* The ModRM byte and what follows it. Rows with an operand that ignores mod (MOV CR, DR) have no address. */
static void decode_modrm(struct decoder *d, const struct insn_row *row)
{
    struct insn *insn = d->insn;
    insn->modrm = next_byte(d);
    unsigned mod = insn->modrm >> 6, rm = insn->modrm & 7;
    for (unsigned i = 0; i < ARRAY_LEN(row->operand); i++) {
        unsigned method = operand_forms[row->operand[i]].method;
        if (method == METHOD_RMREG && (row->modrm & 0x300) == RM_ANY)
            mod = 3;
        d->vsib |= method == METHOD_VSIB;
    }
    if (mod == 3)
        return;
    if (insn->addr_size == 2)
        decode_address16(d, mod, rm);
    else
        decode_address32(d, mod, rm);
}

/* ---- Operands ---- */

static uint8_t resolve_size(const struct decoder *d, unsigned size)
{
    uint8_t v = d->insn->op_size;
    switch (size) {
    case SIZE_V: return v;
    case SIZE_Z: return v == 8 ? 4 : v;
    case SIZE_Y: return d->insn->rex & 8 ? 8 : 4;
    case SIZE_R: return d->code64 ? 8 : 4;
    case SIZE_P: return v + 2;
    case SIZE_S: return d->code64 ? 10 : 6;
    case SIZE_X: return d->key.vex_l ? 32 : 16;
    case SIZE_F: return 0;
    default: return (uint8_t)size;
    }
}

static void set_gpr(const struct decoder *d, struct operand *op, unsigned reg)
{
    bool high = op->size == 1 && d->insn->rex == 0 && reg >= 4;
    op->kind = high ? OPK_GPRH : OPK_GPR;
    op->reg = (uint8_t)(high ? reg - 4 : reg);
}

static void set_register(struct operand *op, enum operand_kind kind, unsigned reg)
{
    op->kind = (uint8_t)kind;
    op->reg = (uint8_t)reg;
}

static void take_immediate(struct decoder *d, unsigned size, bool is_signed)
{
    uint64_t value = next_bytes(d, size);
    if (d->has_imm)
        d->insn->imm2 = (uint16_t)value;
    else
        d->insn->imm = is_signed ? (uint64_t)extend(value, size) : value;
    d->has_imm = true;
}

/* Operands in bytes after the address: immediates, displacements. */
static void decode_immediate(struct decoder *d, unsigned method, struct operand *op)
{
    struct insn *insn = d->insn;
    switch (method) {
    case METHOD_ONE:
        op->kind = OPK_IMM;
        insn->imm = 1;
        break;
    case METHOD_REL:
        op->kind = OPK_REL;
        take_immediate(d, op->size, true);
        break;
    case METHOD_XIS4:
        take_immediate(d, 1, false);
        set_register(op, OPK_XMM, insn->imm >> 4 & (d->code64 ? 15 : 7));
        break;
    case METHOD_FARPTR:
        op->kind = OPK_FAR;
        insn->imm = next_bytes(d, insn->op_size);
        insn->imm2 = (uint16_t)next_bytes(d, 2);
        break;
    case METHOD_MOFFS:
        op->kind = OPK_MEM;
        set_default_segment(d, DS);
        insn->disp = (int64_t)next_bytes(d, insn->addr_size);
        break;
    default:
        op->kind = OPK_IMM;
        take_immediate(d, op->size, method == METHOD_SIMM);
        break;
    }
}

/* The register that VEX.vvvv names. */
static uint8_t vvvv_register(const struct decoder *d)
{
    return d->vvvv & (d->code64 ? 15 : 7);
}

/* Operands that are registers or the memory of ModRM; false when the encoding is invalid. */
static bool decode_operand(struct decoder *d, unsigned method, struct operand *op)
{
    const struct insn *insn = d->insn;
    unsigned reg = (insn->modrm >> 3 & 7), reg_ext = reg | (insn->rex & 4) << 1;
    unsigned rm = insn->modrm & 7, rm_ext = rm | (insn->rex & 1) << 3;
    bool is_memory = insn->modrm < 0xC0;
    switch (method) {
    case METHOD_RM:
    case METHOD_MMRM:
    case METHOD_XRM:
        if (is_memory)
            op->kind = OPK_MEM;
        else if (method == METHOD_RM)
            set_gpr(d, op, rm_ext);
        else
            set_register(op, method == METHOD_XRM ? OPK_XMM : OPK_MMX, method == METHOD_XRM ? rm_ext : rm);
        return true;
    case METHOD_MEM: op->kind = OPK_MEM; return is_memory;
    case METHOD_VSIB: op->kind = OPK_MEM; return is_memory && rm == 4 && insn->addr_size != 2;
    case METHOD_RMREG: set_gpr(d, op, rm_ext); return true;
    case METHOD_REG: set_gpr(d, op, reg_ext); return true;
    case METHOD_OPREG: set_gpr(d, op, (insn->opcode & 7) | (insn->rex & 1) << 3); return true;
    case METHOD_FIXED_AX: set_register(op, OPK_GPR, RAX); return true;
    case METHOD_FIXED_CX: set_register(op, OPK_GPR, RCX); return true;
    case METHOD_FIXED_DX: set_register(op, OPK_GPR, RDX); return true;
    case METHOD_STRSRC: op->kind = OPK_STRSRC; return true;
    case METHOD_STRDST: op->kind = OPK_STRDST; return true;
    case METHOD_SREG: set_register(op, OPK_SREG, reg); return reg < SREG_COUNT;
    case METHOD_CREG: set_register(op, OPK_CR, reg_ext); return true;
    case METHOD_DREG: set_register(op, OPK_DR, reg_ext); return true;
    case METHOD_MMREG: set_register(op, OPK_MMX, reg); return true;
    case METHOD_MMONLY: set_register(op, OPK_MMX, rm); return !is_memory;
    case METHOD_XREG: set_register(op, OPK_XMM, reg_ext); return true;
    case METHOD_XONLY: set_register(op, OPK_XMM, rm_ext); return !is_memory;
    case METHOD_HREG: set_register(op, OPK_XMM, vvvv_register(d)); return true;
    case METHOD_BREG: set_register(op, OPK_GPR, vvvv_register(d)); return true;
    case METHOD_ST_TOP: set_register(op, OPK_ST, 0); return true;
    case METHOD_ST: set_register(op, OPK_ST, rm); return true;
    default: set_register(op, OPK_SREG, method - METHOD_FSEG_ES); return true;
    }
}

static bool is_immediate(unsigned method)
{
    return method == METHOD_IMM || method == METHOD_SIMM || method == METHOD_ONE || method == METHOD_REL ||
           method == METHOD_FARPTR || method == METHOD_MOFFS || method == METHOD_XIS4;
}

static bool is_vvvv(unsigned method)
{
    return method == METHOD_HREG || method == METHOD_BREG;
}

/* VEX.vvvv names a register or is 1111b. It is the destination, in op[0], or the source before op[1]. */
static bool decode_source(struct decoder *d, const struct insn_row *row)
{
    struct insn *insn = d->insn;
    bool in_use = false;
    for (unsigned i = 0; i < ARRAY_LEN(row->operand); i++)
        in_use |= is_vvvv(operand_forms[row->operand[i]].method);
    bool is_destination = is_vvvv(operand_forms[row->operand[0]].method);
    /* The registers of a gather are three different ones. */
    unsigned gathered = insn->op[0].reg;
    if (d->vsib &&
        (gathered == vvvv_register(d) || gathered == insn->index || insn->index == vvvv_register(d)))
        return false;
    insn->source = is_destination ? insn->op[1].reg : in_use ? vvvv_register(d) : insn->op[0].reg;
    return in_use || d->vvvv == 0;
}

static bool decode_operands(struct decoder *d, const struct insn_row *row)
{
    struct operand *op = d->insn->op;
    for (unsigned i = 0; i < ARRAY_LEN(row->operand); i++, op++) {
        const struct operand_form *code = &operand_forms[row->operand[i]];
        if (code->method == METHOD_NONE)
            continue;
        if (i > 0 && is_vvvv(code->method)) {
            op--;
            continue;
        }
        op->size = resolve_size(d, code->size);
        if (is_immediate(code->method))
            decode_immediate(d, code->method, op);
        else if (!decode_operand(d, code->method, op))
            return false;
    }
    return decode_source(d, row);
}

/* ---- Price, faults that need no execution ---- */

static bool is_memory_access(const struct operand *op)
{
    return op->kind == OPK_MEM && op->size != 0;
}

static enum cost_class price(const struct insn *insn, const struct insn_row *row)
{
    bool memory1 = is_memory_access(&insn->op[0]);
    bool memory = memory1 || is_memory_access(&insn->op[1]) || is_memory_access(&insn->op[2]);
    if (!memory)
        return row->cost;
    bool writes = memory1 && !(row->attr & ATTR_NOWRITE);
    if ((insn->prefixes & PREFIX_LOCK) != 0 ||
        (writes && (row->attr & ATTR_LOCK) != 0 && row->cost == COST_MOVE))
        return COST_ATOMIC; /* XCHG with memory locks by itself */
    switch (row->cost) {
    case COST_MOVE: return writes ? COST_STORE : COST_LOAD;
    case COST_ALU: return writes ? COST_ALU_RMW : COST_ALU_LOAD;
    case COST_SIMD_MOVE: return writes ? COST_SIMD_STORE : COST_SIMD_LOAD;
    default: return row->cost;
    }
}

/* A control or debug register that no processor has is #UD whatever the privilege. DR4 and DR5 exist as far
 * as the decoder knows: it depends on CR4.DE, and #GP comes first then. */
static bool names_absent_register(const struct insn *insn)
{
    for (unsigned i = 0; i < 2; i++) {
        unsigned n = insn->op[i].reg;
        if (insn->op[i].kind == OPK_DR && n > 7)
            return true;
        if (insn->op[i].kind == OPK_CR && n != 0 && n != 2 && n != 3 && n != 4 && n != 8)
            return true;
    }
    return false;
}

static exec_fn *choose_exec(const struct decoder *d, const struct insn_row *row)
{
    const struct insn *insn = d->insn;
    if ((insn->prefixes & PREFIX_LOCK) != 0 && (!(row->attr & ATTR_LOCK) || insn->op[0].kind != OPK_MEM))
        return exec_fault_ud;
    if ((row->attr & ATTR_NOVM86) != 0 && (d->mode & MODE_REAL) != 0)
        return exec_fault_ud;
    if ((row->attr & ATTR_PRIV) != 0 && (d->mode >> MODE_CPL_SHIFT & 3) != 0)
        return names_absent_register(insn) ? exec_fault_ud : exec_fault_gp;
    if ((d->mode & MODE_FPU_GUARD) != 0 &&
        (row->attr & (ATTR_FPU | ATTR_FPU_NOWAIT | ATTR_MMX | ATTR_SSE)) != 0)
        return exec_fpu_guard;
    if ((d->mode & MODE_SSE_GUARD) != 0 && (row->attr & ATTR_SSE) != 0)
        return exec_fpu_guard;
    if ((d->mode & MODE_AVX_GUARD) != 0 && (row->attr & ATTR_AVX) != 0)
        return exec_fpu_guard;
    return row->exec;
}

static void make_fault(struct insn *insn, exec_fn *exec)
{
    insn->row = 0;
    insn->exec = exec;
}

bool insn_decode(const struct insn_tables *tables, unsigned mode, const uint8_t *bytes, unsigned available,
                 struct insn *insn)
{
    *insn = (struct insn){.base = REG_NONE, .index = REG_NONE};
    struct decoder decoder = {.tables = tables,
                              .mode = mode,
                              .bytes = bytes,
                              .available = available,
                              .code64 = (mode & MODE_CODE_MASK) == MODE_CODE64,
                              .seg = REG_NONE,
                              .key.code64 = (mode & MODE_CODE_MASK) == MODE_CODE64,
                              .insn = insn};
    struct decoder *d = &decoder;
    decode_prefixes(d);
    set_default_segment(d, DS);
    const struct insn_row *row = find_row(d, decode_opcode(d));
    bool valid = row != NULL;
    if (valid) {
        insn->op_size = operand_size(d, row);
        insn->addr_size = address_size(d);
        if (row->modrm != NOMODRM)
            decode_modrm(d, row);
        valid = decode_operands(d, row) && !d->bad_vex;
    }
    if (d->starved)
        return false;
    insn->length = (uint8_t)d->at;
    if (d->too_long)
        make_fault(insn, exec_fault_gp);
    else if (!valid)
        make_fault(insn, exec_fault_ud);
    else
        insn->exec = choose_exec(d, row);
    unsigned user = (mode >> MODE_CPL_SHIFT & 3) == 3;
    insn->cost = tables->cost[user][insn->row ? price(insn, row) : COST_NOP];
    return true;
}
