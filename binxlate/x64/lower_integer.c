/* Integer instructions: nearly all are re-encoded unchanged, with guest registers replaced by the host
 * registers that hold them and the memory operand by what the soft TLB says.
 *
 * Left to others: bit strings in memory, divisions, what touches flags other than the arithmetic ones; to the
 * interpreter: decimal adjustments. LOCK is dropped: nothing else runs while host code does.
 *
 * AH, CH, DH and BH cannot be encoded together with a REX prefix, so with them guest RCX is copied to host
 * RCX, whose high byte exists. */
#include "binxlate/x64/x64.h"

#include "cpu/operand.h"

/* ---- What the table says of an operand ---- */

enum role {
    ROLE_NONE,
    ROLE_RM,    /* modrm.rm */
    ROLE_REG,   /* modrm.reg */
    ROLE_OPREG, /* in the opcode */
    ROLE_IMM,
    ROLE_ONE,
    ROLE_FIXED, /* implied */
    ROLE_MOFFS,
    ROLE_OTHER,
};

/* ORDER: by method name of cpu/insn/operands.def */
enum {
    ROLE_OF_NONE = ROLE_NONE,
    ROLE_OF_RM = ROLE_RM,
    ROLE_OF_MEM = ROLE_RM,
    ROLE_OF_RMREG = ROLE_RM,
    ROLE_OF_REG = ROLE_REG,
    ROLE_OF_OPREG = ROLE_OPREG,
    ROLE_OF_IMM = ROLE_IMM,
    ROLE_OF_SIMM = ROLE_IMM,
    ROLE_OF_ONE = ROLE_ONE,
    ROLE_OF_FIXED_AX = ROLE_FIXED,
    ROLE_OF_FIXED_CX = ROLE_FIXED,
    ROLE_OF_FIXED_DX = ROLE_FIXED,
    ROLE_OF_MOFFS = ROLE_MOFFS,
    ROLE_OF_REL = ROLE_OTHER,
    ROLE_OF_FARPTR = ROLE_OTHER,
    ROLE_OF_STRSRC = ROLE_OTHER,
    ROLE_OF_STRDST = ROLE_OTHER,
    ROLE_OF_SREG = ROLE_OTHER,
    ROLE_OF_CREG = ROLE_OTHER,
    ROLE_OF_DREG = ROLE_OTHER,
    ROLE_OF_MMREG = ROLE_OTHER,
    ROLE_OF_MMRM = ROLE_OTHER,
    ROLE_OF_MMONLY = ROLE_OTHER,
    ROLE_OF_XREG = ROLE_OTHER,
    ROLE_OF_XRM = ROLE_OTHER,
    ROLE_OF_XONLY = ROLE_OTHER,
    ROLE_OF_HREG = ROLE_OTHER,
    ROLE_OF_XIS4 = ROLE_OTHER,
    ROLE_OF_BREG = ROLE_OTHER,
    ROLE_OF_VSIB = ROLE_OTHER,
    ROLE_OF_ST = ROLE_OTHER,
    ROLE_OF_ST_TOP = ROLE_OTHER,
    ROLE_OF_FSEG_ES = ROLE_OTHER,
    ROLE_OF_FSEG_CS = ROLE_OTHER,
    ROLE_OF_FSEG_SS = ROLE_OTHER,
    ROLE_OF_FSEG_DS = ROLE_OTHER,
    ROLE_OF_FSEG_FS = ROLE_OTHER,
    ROLE_OF_FSEG_GS = ROLE_OTHER,
};

/* Encoded bytes of an immediate; 0: as wide as the operand, at most 4. */
enum {
    SIZE_V = 0,
    SIZE_Z = 0,
    SIZE_Y = 0,
    SIZE_P = 0,
    SIZE_S = 0,
    SIZE_A = 0,
    SIZE_F = 0,
    SIZE_R = 0,
    SIZE_X = 0
};

static const struct {
    uint8_t role, bytes;
} operand_role[OC_COUNT] = {
#define OPERAND(code, method, size) [OC_##code] = {ROLE_OF_##method, size},
#include "cpu/insn/operands.def"
#undef OPERAND
};

static enum role role_of(const struct insn *insn, unsigned n)
{
    return operand_role[insn_rows[insn->row].operand[n]].role;
}

/* The operand with this role, or NULL. */
static const struct operand *operand_with(const struct insn *insn, enum role role)
{
    for (unsigned n = 0; n < 3; n++)
        if (role_of(insn, n) == role)
            return &insn->op[n];
    return NULL;
}

unsigned x64_opcode(const struct insn *insn)
{
    static const uint16_t map[INSN_MAPS] = {
        [M0F] = OP_0F, [M0F38] = OP_0F38, [M0F3A] = OP_0F3A,
        [V0F] = OP_0F, [V0F38] = OP_0F38, [V0F3A] = OP_0F3A,
    };
    static const uint16_t prefix[] = {[P66] = OP_66, [PF3] = OP_F3, [PF2] = OP_F2, [NREP] = 0};
    const struct insn_row *row = &insn_rows[insn->row];
    /* 82 is another 80, which 64-bit mode does not have (SDM vol. 2, table A-6). */
    unsigned opcode = row->map == M1 && insn->opcode == 0x82 ? 0x80 : insn->opcode;
    return opcode | map[row->map] | prefix[row->prefix];
}

/* 1 for byte instructions, else the operand size attribute. */
static unsigned size_of(const struct insn *insn)
{
    return insn->op[0].size == 1 ? 1 : insn->op_size;
}

static void put_immediates(struct x64_unit *x)
{
    for (unsigned n = 0; n < 3; n++) {
        if (role_of(x->insn, n) != ROLE_IMM)
            continue;
        unsigned bytes = operand_role[insn_rows[x->insn->row].operand[n]].bytes;
        if (bytes == 0)
            bytes = x->insn->op_size < 4 ? x->insn->op_size : 4;
        x64_imm(&x->a, x->insn->imm, bytes);
    }
}

static bool has_high_byte(const struct insn *insn)
{
    for (unsigned n = 0; n < 3; n++)
        if (insn->op[n].kind == OPK_GPRH)
            return true;
    return false;
}

/* SPL..DIL need a REX prefix. */
static unsigned byte_register(const struct operand *op, unsigned host)
{
    return op != NULL && op->kind == OPK_GPR && op->size == 1 && host >= 4 && host < 8 ? OP_BYTE : 0;
}

/* ---- Operands with AH..BH ---- */

static bool uses_rcx(const struct operand *op)
{
    return op != NULL &&
           ((op->kind == OPK_GPR && x64_home(op->reg) >= X_R8) || (op->kind == OPK_GPRH && op->reg == RCX));
}

/* Register number in an encoding without REX: what lives above R7 stands in host RCX. */
static unsigned low_number(const struct operand *op)
{
    if (op->kind == OPK_GPRH)
        return op->reg + 4u;
    return x64_home(op->reg) >= X_R8 ? X_RCX : x64_home(op->reg);
}

/* Two registers, one of them AH..BH. */
static bool rewrite_high(struct x64_unit *x, const struct operand *rm, const struct operand *reg)
{
    const struct insn *insn = x->insn;
    unsigned op = x64_opcode(insn) | OP_NOREX, extension = insn->modrm >> 3 & 7;
    bool moves = insn->exec == exec_movzx || insn->exec == exec_movsx;
    bool replaces = moves && insn->op_size > 2; /* all of the register, whose old value does not matter */
    if (reg != NULL && uses_rcx(rm) && uses_rcx(reg) && rm->reg != reg->reg && !replaces)
        return false;
    const struct operand *source = replaces || uses_rcx(rm) ? rm : reg;
    if (uses_rcx(source))
        x64_mov(&x->a, 8, X_RCX, x64_home(source->reg));
    x64_rr(&x->a, op, size_of(insn), reg != NULL ? low_number(reg) : extension, low_number(rm));
    put_immediates(x);
    const struct operand *kept = moves ? reg : source;
    if (uses_rcx(kept))
        x64_mov(&x->a, 8, x64_home(kept->reg), X_RCX);
    return true;
}

/* AH..BH and memory: by way of CL. */
static bool rewrite_high_memory(struct x64_unit *x, const struct operand *reg)
{
    const struct insn *insn = x->insn;
    struct x64_asm *a = &x->a;
    bool to_memory = insn->op[0].kind == OPK_MEM;
    if (insn->exec == exec_xchg || insn->exec == exec_xadd || insn->exec == exec_cmpxchg ||
        (!to_memory && reg->reg == RCX) || !x64_can_access(x, insn))
        return false;
    bool write = to_memory && (insn_attr(insn) & ATTR_NOWRITE) == 0;
    struct x64_mem mem = x64_operand(x, insn, 1, write ? ACCESS_WRITE : ACCESS_READ);
    if (to_memory) {
        if (reg->reg == RCX)
            x64_mov(a, 4, X_RCX, x64_home(RCX));
        x64_rr(a, OP_0F | OP_NOREX | 0xB6, 4, X_RCX, reg->reg + 4u); /* movzx ecx, ah */
        x64_rm(a, x64_opcode(insn), 1, X_RCX, mem);
    } else {
        x64_rm(a, OP_0F | 0xB6, 4, X_RCX, mem); /* movzx ecx, byte */
        x64_rr(a, x64_opcode(insn) | OP_NOREX, 1, reg->reg + 4u, X_RCX);
    }
    return true;
}

/* ---- The general case ---- */

static bool rewrite_memory(struct x64_unit *x, const struct operand *rm, const struct operand *reg,
                           bool shift)
{
    const struct insn *insn = x->insn;
    bool write = rm == &insn->op[0] && (insn_attr(insn) & ATTR_NOWRITE) == 0;
    if (!x64_can_access(x, insn) || (shift && reg != NULL && x64_home(reg->reg) == X_NONE))
        return false;
    struct x64_mem mem = x64_operand(x, insn, rm->size, write ? ACCESS_WRITE : ACCESS_READ);
    if (shift)
        x64_mov(&x->a, 4, X_RCX, x64_home(RCX));
    unsigned host = reg != NULL ? x64_use(x, reg->reg, X_TEST) : insn->modrm >> 3 & 7;
    x64_rm(&x->a, x64_opcode(insn) | byte_register(reg, host), size_of(insn), host, mem);
    put_immediates(x);
    if (reg != NULL && host == X_TEST)
        x64_keep(x, reg->reg, host);
    return true;
}

static bool rewrite_registers(struct x64_unit *x, const struct operand *rm, const struct operand *reg,
                              bool shift)
{
    const struct insn *insn = x->insn;
    unsigned host_rm = x64_use(x, rm->reg, X_T0);
    unsigned host_reg = insn->modrm >> 3 & 7;
    if (reg != NULL)
        host_reg = reg->reg == rm->reg ? host_rm : x64_use(x, reg->reg, X_T1);
    if (shift)
        x64_mov(&x->a, 4, X_RCX, x64_home(RCX));
    unsigned bytes = byte_register(rm, host_rm) | byte_register(reg, host_reg);
    x64_rr(&x->a, x64_opcode(insn) | bytes, size_of(insn), host_reg, host_rm);
    put_immediates(x);
    if ((insn_attr(insn) & ATTR_NOWRITE) != 0)
        return true;
    bool writes_both = insn->exec == exec_xchg || insn->exec == exec_xadd;
    for (unsigned n = 0; n < (writes_both ? 2u : 1u); n++)
        if (x64_home(insn->op[n].reg) == X_NONE)
            x64_keep(x, insn->op[n].reg, &insn->op[n] == rm ? host_rm : host_reg);
    return true;
}

/* opcode, ModRM, immediates, as the guest has them. */
static bool rewrite(struct x64_unit *x)
{
    const struct insn *insn = x->insn;
    const struct operand *rm = operand_with(insn, ROLE_RM), *reg = operand_with(insn, ROLE_REG);
    bool shift =
        insn->op[1].kind == OPK_GPR && operand_role[insn_rows[insn->row].operand[1]].role == ROLE_FIXED;
    shift |= insn->op[2].kind == OPK_GPR && operand_role[insn_rows[insn->row].operand[2]].role == ROLE_FIXED;
    if (rm == NULL)
        return false;
    if (has_high_byte(insn) && shift)
        return false;
    if (has_high_byte(insn))
        return rm->kind == OPK_MEM ? rewrite_high_memory(x, reg) : rewrite_high(x, rm, reg);
    return rm->kind == OPK_MEM ? rewrite_memory(x, rm, reg, shift) : rewrite_registers(x, rm, reg, shift);
}

bool x64_rewrite_integer(struct x64_unit *x)
{
    return rewrite(x);
}

/* opcode and immediate only: the accumulator forms, CBW, CLC... */
static void repeat_opcode(struct x64_unit *x)
{
    x64_o(&x->a, x64_opcode(x->insn), size_of(x->insn), 0);
    put_immediates(x);
}

static bool lower_alu(struct x64_unit *x)
{
    if (operand_with(x->insn, ROLE_RM) != NULL)
        return rewrite(x);
    repeat_opcode(x);
    return true;
}

/* CBW, CWD and their wider forms; CLC, STC, CMC, LAHF, SAHF. RAX and RDX live in their own registers. */
static bool lower_implied(struct x64_unit *x)
{
    x64_o(&x->a, x->insn->opcode, x->insn->op_size, 0);
    return true;
}

static bool lower_flag(struct x64_unit *x)
{
    x64_byte(&x->a, x->insn->opcode);
    return true;
}

static bool lower_nop(struct x64_unit *x)
{
    (void)x;
    return true;
}

/* 40..4F are REX prefixes in 64-bit mode: FF /0 and /1 instead. */
static bool lower_step(struct x64_unit *x)
{
    const struct insn *insn = x->insn;
    if (role_of(insn, 0) != ROLE_OPREG)
        return rewrite(x);
    x64_rr(&x->a, 0xFF, insn->op_size, insn->exec == exec_dec, x64_home(insn->op[0].reg));
    return true;
}

/* BT and its kin: with a register offset, memory is a bit string. */
static bool lower_bit(struct x64_unit *x)
{
    bool string = x->insn->op[0].kind == OPK_MEM && x->insn->op[1].kind != OPK_IMM;
    return string ? x64_lower_bit_string(x) : rewrite(x);
}

static bool lower_bswap(struct x64_unit *x)
{
    const struct insn *insn = x->insn;
    if (insn->op_size == 2)
        return false;
    unsigned host = x64_use(x, insn->op[0].reg, X_T0);
    x64_o(&x->a, OP_0F | 0xC8, insn->op_size, host);
    if (host == X_T0)
        x64_keep(x, insn->op[0].reg, host);
    return true;
}

/* XCHG with memory would lock the host's bus. */
static bool lower_xchg(struct x64_unit *x)
{
    const struct insn *insn = x->insn;
    struct x64_asm *a = &x->a;
    if (role_of(insn, 0) == ROLE_OPREG) { /* with the accumulator */
        unsigned host = x64_use(x, insn->op[0].reg, X_T0);
        x64_rr(a, 0x87, insn->op_size, X_RAX, host);
        if (host == X_T0)
            x64_keep(x, insn->op[0].reg, host);
        return true;
    }
    if (insn->op[0].kind != OPK_MEM || has_high_byte(insn) || x64_home(insn->op[1].reg) == X_NONE)
        return rewrite(x);
    if (!x64_can_access(x, insn))
        return false;
    unsigned size = insn->op[0].size, home = x64_home(insn->op[1].reg);
    unsigned byte = byte_register(&insn->op[1], home), one = size == 1;
    struct x64_mem mem = x64_operand(x, insn, size, ACCESS_WRITE);
    x64_rm(a, 0x8B - one, size, X_TEST, mem);
    x64_rm(a, (0x89 - one) | byte, size, home, mem);
    x64_rr(a, (0x8B - one) | byte, size, home, X_TEST);
    return true;
}

static bool lower_lea(struct x64_unit *x)
{
    const struct insn *insn = x->insn;
    struct x64_asm *a = &x->a;
    bool narrow = insn->addr_size == 2;
    unsigned dst = x64_home(insn->op[0].reg);
    unsigned to = dst != X_NONE && insn->op_size >= 4 && !narrow ? dst : X_TEST;
    unsigned size = insn->addr_size < insn->op_size ? insn->addr_size : insn->op_size;
    size = size < 4 ? 4 : size;
    uint64_t disp = (uint64_t)insn->disp + (insn->base == REG_RIP ? x64_next_rip(x) : 0);
    unsigned base = insn->base < GPR_COUNT ? x64_use(x, insn->base, X_T0) : X_NONE;
    unsigned index = insn->index != REG_NONE ? x64_use(x, insn->index, X_T1) : X_NONE;
    if (base == X_NONE && index == X_NONE)
        x64_mov_imm(a, to, size == 8 ? disp : (uint32_t)disp);
    else
        x64_lea(a, size, to, x64_indexed(base, index, insn->scale, (int32_t)disp));
    if (narrow)
        x64_rr(a, OP_0F | 0xB7, 4, X_TEST, X_TEST); /* movzx ecx, cx */
    if (to == dst)
        return true;
    if (insn->op_size == 2) {
        unsigned host = x64_use(x, insn->op[0].reg, X_T0);
        x64_mov(a, 2, host, X_TEST);
        x64_keep(x, insn->op[0].reg, host);
    } else {
        x64_keep(x, insn->op[0].reg, X_TEST);
    }
    return true;
}

/* MOV of an immediate to the register in the opcode, or of a memory offset. */
static bool lower_mov_immediate(struct x64_unit *x)
{
    const struct insn *insn = x->insn;
    const struct operand *op = &insn->op[0];
    struct x64_asm *a = &x->a;
    if (op->kind == OPK_GPRH) {
        if (op->reg == RCX)
            x64_mov(a, 8, X_RCX, x64_home(RCX));
        x64_rr(a, 0xC6 | OP_NOREX, 1, 0, op->reg + 4u);
        x64_imm(a, insn->imm, 1);
        if (op->reg == RCX)
            x64_mov(a, 8, x64_home(RCX), X_RCX);
        return true;
    }
    unsigned home = x64_home(op->reg), host = home == X_NONE ? X_T0 : home;
    if (op->size >= 4) {
        x64_mov_imm(a, host, op->size == 8 ? insn->imm : (uint32_t)insn->imm);
    } else {
        host = x64_use(x, op->reg, X_T0);
        x64_rr(a, (op->size == 1 ? 0xC6 : 0xC7) | byte_register(op, host), op->size, 0, host);
        x64_imm(a, insn->imm, op->size);
    }
    if (home == X_NONE)
        x64_keep(x, op->reg, host);
    return true;
}

static bool lower_mov_offset(struct x64_unit *x, bool load)
{
    const struct insn *insn = x->insn;
    unsigned size = insn->op[0].size, one = size == 1;
    if (!x64_can_access(x, insn))
        return false;
    struct x64_mem mem = x64_operand(x, insn, size, load ? ACCESS_READ : ACCESS_WRITE);
    x64_rm(&x->a, (load ? 0x8Bu : 0x89u) - one, size, X_RAX, mem);
    return true;
}

static bool lower_mov(struct x64_unit *x)
{
    if (role_of(x->insn, 0) == ROLE_MOFFS || role_of(x->insn, 1) == ROLE_MOFFS)
        return lower_mov_offset(x, role_of(x->insn, 1) == ROLE_MOFFS);
    if (role_of(x->insn, 0) == ROLE_OPREG)
        return lower_mov_immediate(x);
    return rewrite(x);
}

const struct x64_lowering x64_lower_integer[] = {
    {exec_mov, lower_mov},     {exec_add, lower_alu},   {exec_or, lower_alu},    {exec_adc, lower_alu},
    {exec_sbb, lower_alu},     {exec_and, lower_alu},   {exec_sub, lower_alu},   {exec_xor, lower_alu},
    {exec_cmp, lower_alu},     {exec_test, lower_alu},  {exec_lea, lower_lea},   {exec_movzx, rewrite},
    {exec_movsx, rewrite},     {exec_inc, lower_step},  {exec_dec, lower_step},  {exec_neg, rewrite},
    {exec_not, rewrite},       {exec_shl, rewrite},     {exec_shr, rewrite},     {exec_sar, rewrite},
    {exec_rol, rewrite},       {exec_ror, rewrite},     {exec_rcl, rewrite},     {exec_rcr, rewrite},
    {exec_shld, rewrite},      {exec_shrd, rewrite},    {exec_imul, rewrite},    {exec_imul3, rewrite},
    {exec_mul, rewrite},       {exec_imul1, rewrite},   {exec_setcc, rewrite},   {exec_cmov, rewrite},
    {exec_bt, lower_bit},      {exec_bts, lower_bit},   {exec_btr, lower_bit},   {exec_btc, lower_bit},
    {exec_bsf, rewrite},       {exec_bsr, rewrite},     {exec_popcnt, rewrite},  {exec_bswap, lower_bswap},
    {exec_xchg, lower_xchg},   {exec_xadd, rewrite},    {exec_cmpxchg, rewrite}, {exec_cbw, lower_implied},
    {exec_cwd, lower_implied}, {exec_clc, lower_flag},  {exec_stc, lower_flag},  {exec_cmc, lower_flag},
    {exec_lahf, lower_flag},   {exec_sahf, lower_flag}, {exec_nop, lower_nop},   {NULL, NULL},
};

/* ---- General-register instructions that came with SSE ---- */

/* A plain store, see lower_sse.c. */
static bool lower_movnti(struct x64_unit *x)
{
    const struct insn *insn = x->insn;
    unsigned size = insn->op[0].size;
    if (!x64_can_access(x, insn))
        return false;
    struct x64_mem mem = x64_operand(x, insn, size, ACCESS_WRITE);
    x64_store(&x->a, size, mem, x64_use(x, insn->op[1].reg, X_TEST));
    return true;
}

const struct x64_lowering x64_lower_integer_sse[] = {
    {exec_movnti, lower_movnti}, {exec_crc32, rewrite}, {exec_fence, lower_nop}, {NULL, NULL}};
