/* Shared by the generators of encodings and of values: operand shapes, segment bases. */
#ifndef CROSSPAGE_TESTS_NATIVE_PRIV_H
#define CROSSPAGE_TESTS_NATIVE_PRIV_H

#include "native.h"

/* The method column of cpu/insn/operands.def. */
enum operand_method {
    METHOD_NONE,
    METHOD_RM,
    METHOD_REG,
    METHOD_MEM,
    METHOD_RMREG,
    METHOD_OPREG,
    METHOD_IMM,
    METHOD_SIMM,
    METHOD_REL,
    METHOD_FARPTR,
    METHOD_MOFFS,
    METHOD_STRSRC,
    METHOD_STRDST,
    METHOD_SREG,
    METHOD_CREG,
    METHOD_DREG,
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
    METHOD_ST,
    METHOD_ST_TOP,
    METHOD_FIXED_AX,
    METHOD_FIXED_CX,
    METHOD_FIXED_DX,
    METHOD_ONE,
    METHOD_FSEG_ES,
    METHOD_FSEG_CS,
    METHOD_FSEG_SS,
    METHOD_FSEG_DS,
    METHOD_FSEG_FS,
    METHOD_FSEG_GS,
};

struct operand_shape {
    uint8_t method, size;
};

const struct operand_shape *row_operand(const struct insn_row *row, unsigned n);
bool row_has(const struct insn_row *row, enum operand_method method);
unsigned case_operand_size(const struct native_case *c, unsigned n);

enum { ROW_OPERANDS = 4 };

static inline bool row_is_vex(const struct insn_row *row)
{
    return row->map >= V0F;
}

static inline uint64_t address_mask(unsigned addr_size)
{
    return addr_size == 8 ? UINT64_MAX : addr_size == 4 ? UINT32_MAX : UINT16_MAX;
}

/* Base that effective addresses of `seg` are added to. */
static inline uint64_t segment_base(const struct native_case *c, unsigned seg)
{
    return seg == FS ? c->machine->fs_base : c->machine->segment[seg].base;
}

#endif
