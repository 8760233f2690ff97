/* Shared by the instruction table and the decoder: operand methods and sizes, the candidate lists. */
#ifndef CROSSPAGE_CPU_DECODE_PRIV_H
#define CROSSPAGE_CPU_DECODE_PRIV_H

#include "cpu/insn.h"

/* Where an operand is; the legend is in insn/operands.def. */
enum operand_method {
    METHOD_NONE,
    METHOD_RM,
    METHOD_REG,
    METHOD_RMREG,
    METHOD_MEM,
    METHOD_IMM,
    METHOD_SIMM,
    METHOD_ONE,
    METHOD_REL,
    METHOD_FARPTR,
    METHOD_MOFFS,
    METHOD_STRSRC,
    METHOD_STRDST,
    METHOD_SREG,
    METHOD_CREG,
    METHOD_DREG,
    METHOD_OPREG,
    METHOD_FIXED_AX,
    METHOD_FIXED_CX,
    METHOD_FIXED_DX,
    METHOD_FSEG_ES, /* ORDER: as enum sreg */
    METHOD_FSEG_CS,
    METHOD_FSEG_SS,
    METHOD_FSEG_DS,
    METHOD_FSEG_FS,
    METHOD_FSEG_GS,
    METHOD_MMREG,
    METHOD_MMRM,
    METHOD_MMONLY,
    METHOD_XREG,
    METHOD_XRM,
    METHOD_XONLY,
    METHOD_HREG,
    METHOD_BREG,
    METHOD_XIS4,
    METHOD_VSIB,
    METHOD_ST_TOP,
    METHOD_ST,
};
_Static_assert(METHOD_FSEG_GS - METHOD_FSEG_ES == GS, "order of segment registers");

/* Sizes that depend on the instruction; smaller values are bytes. */
enum operand_size { SIZE_V = 0x80, SIZE_Z, SIZE_Y, SIZE_R, SIZE_P, SIZE_S, SIZE_X, SIZE_F };

struct operand_form {
    uint8_t method, size;
};
extern const struct operand_form operand_forms[OC_COUNT];

/* Rows of one opcode, most specific first: candidate[first .. first + count). */
struct insn_slot {
    uint16_t first;
    uint8_t count;
    bool has_modrm;
};

struct insn_tables {
    uint16_t cost[2][COST_CLASS_COUNT];
    bool has_vex; /* the model has instructions with a VEX prefix */
    struct insn_slot slot[INSN_MAPS][256];
    uint16_t *candidate;
};

/* What decides between the rows of one map and opcode. */
struct insn_key {
    bool code64;
    bool prefix66;
    uint8_t rep; /* 0, PREFIX_REP or PREFIX_REPNE: the last one seen */
    bool vex_l, vex_w;
    uint8_t modrm;
};
bool insn_row_matches(const struct insn_row *row, const struct insn_key *key);

#endif
