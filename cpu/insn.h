/* The instruction table and the decoded instruction.
 *
 * cpu/insn/table.def lists all rows; a row of an instruction family's .def is
 *
 *   INSN(handler, "mnemonic", MAP, opcode, PREFIX, MODRM, op1, op2, op3,
 *        FEATURE, ATTR, COST, READ, WRITE, UNDEF)
 *
 *   handler   exec_<handler> implements it; many rows may share one (the operands are decoded, width is data)
 *   MAP       M1, M0F, M0F38, M0F3A
 *   opcode    for Z operands: the first of 8 consecutive opcodes
 *   PREFIX    ANY (66 is operand size, F2/F3 are REP/REPNE or ignored), NP, P66, PF3, PF2 (mandatory prefix),
 *             NREP (66 is operand size, neither F2 nor F3)
 *   MODRM     NOMODRM | RM_ANY | RM_MEM | RM_REG, or with an opcode extension RM_ANY_EXT(n),
 *             RM_MEM_EXT(n), RM_REG_EXT(n), or one exact byte RM_BYTE(0xC8)
 *   op1..op3  operands.def; the first is the destination
 *   FEATURE   feature that must be in the CPU model (FEAT_BASE always is);
 *             a row whose feature is absent does not exist (#UD)
 *   ATTR      or of enum insn_attr
 *   COST      cost class, cost_class.def
 *   READ/WRITE/UNDEF  arithmetic and system flags, letters in the F_ macros below
 *
 * Instructions with a VEX prefix have more columns, in the order of the SDM's opcode column
 * (VEX.256.66.0F3A.W1 00 /r ib), and up to four operands:
 *
 *   VEX(handler, "mnemonic", MAP, opcode, PREFIX, LENGTH, W, MODRM, op1, op2, op3, op4,
 *       FEATURE, CLASS, COST, READ, WRITE, UNDEF)
 *
 *   MAP       V0F, V0F38, V0F3A
 *   PREFIX    VEX.pp: NP, P66, PF3, PF2
 *   LENGTH    VEX.L: L128 (also LZ), L256, LX (either: operands of size x are as long), LIG (ignored)
 *   W         VEX.W: W0, W1, WIG
 *   op1..op4  VEX.vvvv is free (1111b) in rows without an H or B operand
 *   CLASS     exception class (SDM vol. 2, 2.4): TYPE1 to TYPE13
 *
 * A handler is shared with the legacy form where the operation is the same.
 *
 * The same rows give the decoder its tables, names for disassembly and statistics, the flag effects for the
 * translator, and the coverage list of the differential test (every row without ATTR_PRIV, ATTR_SYS is
 * compared with the host CPU). */
#ifndef CROSSPAGE_CPU_INSN_H
#define CROSSPAGE_CPU_INSN_H

#include "cpu/state.h"

struct cpu;
struct insn;

/* What a handler tells the run loop. A handler checks everything that can fault before it commits anything.
 */
enum exec {
    EXEC_NEXT = 0, /* done: go to the following instruction */
    EXEC_JUMP,     /* done, and rip was set: leave the block */
    EXEC_END,      /* done; leave the block after it (mode, paging or interrupt state may have changed) */
    EXEC_REPEAT,   /* a REP stopped at an iteration boundary: rip stays, registers are current */
    EXEC_FAULT,    /* nothing was committed; cpu->fault says what to deliver */
};

typedef enum exec exec_fn(struct cpu *cpu, const struct insn *insn);

enum insn_map { M1, M0F, M0F38, M0F3A, V0F, V0F38, V0F3A, INSN_MAPS };
enum insn_prefix { ANY, NP, P66, PF3, PF2, NREP };
enum insn_vex_length { LIG, LX, L128, L256 };
enum insn_vex_w { WIG, W0, W1 };

/* MODRM column: bits 0..7 extension or byte, bits 8.. kind. */
enum insn_modrm {
    NOMODRM = 0x000,
    RM_ANY = 0x100,
    RM_MEM = 0x200,
    RM_REG = 0x300,
    RM_HAS_EXT = 0x400,
    RM_EXACT = 0x800
};
#define RM_ANY_EXT(n) (RM_ANY | RM_HAS_EXT | (n))
#define RM_MEM_EXT(n) (RM_MEM | RM_HAS_EXT | (n))
#define RM_REG_EXT(n) (RM_REG | RM_HAS_EXT | (n))
#define RM_BYTE(b)    (RM_REG | RM_EXACT | (b))

enum insn_attr {
    ATTR_NONE = 0,
    ATTR_LOCK = 1 << 0,    /* LOCK allowed when the destination is memory; elsewhere LOCK is #UD */
    ATTR_PRIV = 1 << 1,    /* #GP(0) unless CPL is 0 */
    ATTR_SYS = 1 << 2,     /* behaviour depends on system state: not in the user-mode differential test */
    ATTR_END = 1 << 3,     /* ends a block */
    ATTR_NO64 = 1 << 4,    /* #UD in 64-bit mode (or another row has the opcode there) */
    ATTR_ONLY64 = 1 << 5,  /* row exists in 64-bit mode only */
    ATTR_DEF64 = 1 << 6,   /* operand size defaults to 64 bits in 64-bit mode (32 not encodable) */
    ATTR_FORCE64 = 1 << 7, /* operand size is 64 bits in 64-bit mode whatever the prefixes (near branches) */
    ATTR_REP = 1 << 8,     /* REP repeats it */
    ATTR_REPCC = 1 << 9,   /* REPE/REPNE repeat it with a condition */
    ATTR_UNALIGNED = 1 << 10,  /* a 16-byte memory operand need not be aligned */
    ATTR_FPU = 1 << 11,        /* x87: #NM by CR0.EM/TS, waits for pending exceptions */
    ATTR_FPU_NOWAIT = 1 << 12, /* x87 without the wait (FNxxx) */
    ATTR_MMX = 1 << 13,        /* MMX: #UD by CR0.EM, #NM by TS, waits; sets all tags valid */
    ATTR_SSE = 1 << 14,        /* SSE: #UD unless CR4.OSFXSR and not CR0.EM, #NM by TS */
    ATTR_NOVM86 = 1 << 15,     /* #UD in real and virtual-8086 mode */
    ATTR_NOWRITE = 1 << 16,    /* operand 1 is only read */
    ATTR_AVX = 1 << 17,        /* #UD unless XCR0 and CR4.OSXSAVE enable YMM state, #NM by CR0.TS */

    /* Exception classes of VEX rows, as far as the other columns and the handler do not say it: only class 1
     * wants memory aligned, only class 13 leaves vector registers alone. */
    TYPE1 = ATTR_AVX,
    TYPE2 = ATTR_AVX | ATTR_UNALIGNED,
    TYPE3 = TYPE2,
    TYPE4 = TYPE2,
    TYPE5 = TYPE2,
    TYPE6 = TYPE2,
    TYPE7 = TYPE2,
    TYPE8 = TYPE2,
    TYPE11 = TYPE2,
    TYPE12 = TYPE2,
    TYPE13 = ATTR_NONE,
};

/* Flag sets of the READ, WRITE, UNDEF columns. */
enum insn_flags {
    F_ = 0,
    F_C = FLAG_CF,
    F_P = FLAG_PF,
    F_A = FLAG_AF,
    F_Z = FLAG_ZF,
    F_S = FLAG_SF,
    F_O = FLAG_OF,
    F_D = FLAG_DF,
    F_I = FLAG_IF,
    F_ALL = FLAGS_ARITH,
};

enum insn_feature {
#define FEATURE(name, text) FEAT_##name,
#include "cpu/feature.def"
#undef FEATURE
    FEAT_COUNT
};

enum cost_class {
#define COST_CLASS(name, text) COST_##name,
#include "cpu/cost_class.def"
#undef COST_CLASS
    COST_CLASS_COUNT
};

enum operand_code {
#define OPERAND(code, method, size) OC_##code,
#include "cpu/insn/operands.def"
#undef OPERAND
    OC_COUNT
};

struct insn_row {
    const char *handler_name, *mnemonic;
    exec_fn *exec;
    uint8_t map, opcode, prefix, feature;
    uint16_t modrm;
    uint8_t operand[4];        /* enum operand_code */
    uint8_t cost;              /* enum cost_class */
    uint8_t vex_length, vex_w; /* enum insn_vex_length, enum insn_vex_w */
    uint32_t attr;
    uint32_t read, write, undefined;
};

/* All rows, in table order; row 0 is the invalid instruction (#UD). */
extern const struct insn_row insn_rows[];
extern const unsigned insn_row_count;

/* ---- The decoded instruction ---- */

enum operand_kind {
    OPK_NONE,
    OPK_GPR,  /* reg 0..15, low `size` bytes */
    OPK_GPRH, /* AH, CH, DH, BH: reg 0..3, bits 8..15 */
    OPK_MEM,  /* the instruction's one memory operand */
    OPK_IMM,  /* insn->imm, already sign- or zero-extended as the row says */
    OPK_REL,
    OPK_FAR,
    OPK_STRSRC,
    OPK_STRDST,
    OPK_SREG,
    OPK_CR,
    OPK_DR,
    OPK_MMX,
    OPK_XMM, /* XMM or, with 32 bytes, YMM */
    OPK_ST,
};

struct operand {
    uint8_t kind; /* enum operand_kind */
    uint8_t size; /* bytes */
    uint8_t reg;
};

enum { REG_NONE = 0xFF, REG_RIP = 0xFE };

enum insn_prefix_bit {
    PREFIX_REP = 1 << 0,   /* F3 */
    PREFIX_REPNE = 1 << 1, /* F2 */
    PREFIX_LOCK = 1 << 2,
    PREFIX_66 = 1 << 3,
    PREFIX_67 = 1 << 4,
    PREFIX_SEG = 1 << 5,
    PREFIX_REX = 1 << 6,
    PREFIX_VEX = 1 << 7, /* VEX.R, X, B, W are in `rex`, the others decide the row */
};

struct insn {
    exec_fn *exec;
    uint64_t imm;               /* immediate, branch displacement (sign-extended), far offset */
    int64_t disp;               /* displacement or moffs */
    uint16_t imm2;              /* far selector, ENTER's nesting level, second immediate byte */
    uint16_t row;               /* index into insn_rows */
    uint16_t cost;              /* cycles */
    uint8_t length;             /* bytes, 1..15 */
    uint8_t op_size;            /* 2, 4, 8 */
    uint8_t addr_size;          /* 2, 4, 8 */
    uint8_t seg;                /* of the memory operand or string source, override applied */
    uint8_t base, index, scale; /* REG_NONE, REG_RIP; scale is a shift */
    uint8_t prefixes;
    uint8_t rex; /* 0 or 40..4F */
    uint8_t opcode, modrm;
    /* The first source register of destination = f(source, op[1]): VEX.vvvv where the row has it, which then
     * takes no place in op[] unless it is the destination; else the destination, or behind a destination in
     * vvvv the register in op[1]. */
    uint8_t source;
    struct operand op[3];
    /* Filled in by the block cache only: what starts this instruction inside a block, and how far it is from
     * the block's start. */
    uint8_t position;                  /* instructions */
    uint16_t rip_offset, clock_offset; /* bytes, cycles */
    exec_fn *run;
};
_Static_assert(sizeof(struct insn) == 64, "one cache line");

/* What decoding depends on besides the bytes. Part of the key of a decoded block. */
enum cpu_mode {
    MODE_CODE16 = 0,
    MODE_CODE32 = 1,
    MODE_CODE64 = 2,
    MODE_CODE_MASK = 3,
    MODE_CPL_SHIFT = 2,      /* two bits */
    MODE_REAL = 1 << 4,      /* real or virtual-8086 mode: no protected-mode instructions */
    MODE_FPU_GUARD = 1 << 5, /* CR0.EM or CR0.TS: x87, MMX and SSE rows are guarded */
    /* DS, ES and SS need no check but paging, have base 0, and the stack pointer is not 16 bits: the fast
     * data accesses apply. Never set without config.fast_paths. */
    MODE_FLAT = 1 << 6,
    MODE_AVX_GUARD = 1 << 7,  /* CR0.TS, or YMM state not enabled in XCR0: ATTR_AVX rows are guarded */
    MODE_SIMD_TRAPS = 1 << 8, /* MXCSR unmasks an exception: SSE floating point may fault. Decoding does not
                                 depend on it; a translator does. */
    MODE_SSE_GUARD = 1 << 9,  /* SSE without CR4.OSFXSR: SSE rows are guarded */
    MODE_STACK16 = 1 << 10, /* the stack pointer is SP. Decoding does not depend on it; a translator does. */
};

/* Decode one instruction. `bytes` holds `available` (1..15) bytes. Returns true when decoded (which includes
 * rows that raise #UD, #GP for 15-byte overrun: insn->exec raises it); false when more bytes are needed.
 * `tables` belongs to a CPU model. */
struct insn_tables;
bool insn_decode(const struct insn_tables *tables, unsigned mode, const uint8_t *bytes, unsigned available,
                 struct insn *insn) MUST_CHECK;

/* Build decode tables from the rows whose feature is in `features` (bit per enum insn_feature). */
/* Null when no two rows of `tables` match the same bytes equally well, else the mnemonic of such a row
 * (test). */
const char *insn_tables_ambiguous(const struct insn_tables *tables);
struct insn_tables *insn_tables_create(const uint64_t features[2], const uint16_t cost[2][COST_CLASS_COUNT]);
void insn_tables_destroy(struct insn_tables *tables);

#endif
