/* Encoding x86-64 instructions: one emitter per operand shape (SDM vol. 2, chapter 2). Nothing outside this
 * file, asm.c and asm_vex.c writes code bytes.
 *
 * An opcode is one number: the opcode byte, its map and its mandatory prefix (OP_0F | OP_F3 | 0xB8 is
 * POPCNT). `size` is the operand size in bytes: 2 adds 66, 8 adds REX.W, 1 makes SPL..DIL of registers 4..7.
 */
#ifndef CROSSPAGE_BINXLATE_X64_ASM_H
#define CROSSPAGE_BINXLATE_X64_ASM_H

#include "base/types.h"

enum x64_reg {
    X_RAX,
    X_RCX,
    X_RDX,
    X_RBX,
    X_RSP,
    X_RBP,
    X_RSI,
    X_RDI,
    X_R8,
    X_R9,
    X_R10,
    X_R11,
    X_R12,
    X_R13,
    X_R14,
    X_R15,
    X_NONE = 0xFF
};

enum x64_opcode_bits {
    OP_0F = 1 << 8, /* maps: none of these is the one-byte map */
    OP_0F38 = 2 << 8,
    OP_0F3A = 3 << 8,
    OP_MAP = 3 << 8,
    OP_66 = 1 << 10, /* mandatory prefixes */
    OP_F3 = 2 << 10,
    OP_F2 = 3 << 10,
    OP_PREFIX = 3 << 10,
    OP_BYTE = 1 << 12, /* force REX: a register operand is one of SPL, BPL, SIL, DIL */
    OP_NOREX = 1 << 13 /* an operand is AH..BH: no REX may be needed */
};

/* [base + index << scale + disp] */
struct x64_mem {
    uint8_t base, index, scale;
    int32_t disp;
};

/* Where code is written. `full` is sticky; nothing is written past `end`. */
struct x64_asm {
    uint8_t *start, *at, *end;
    bool full;
};

static inline struct x64_mem x64_at(unsigned base, int32_t disp)
{
    return (struct x64_mem){.base = (uint8_t)base, .index = X_NONE, .disp = disp};
}

static inline struct x64_mem x64_indexed(unsigned base, unsigned index, unsigned scale, int32_t disp)
{
    return (struct x64_mem){
        .base = (uint8_t)base, .index = (uint8_t)index, .scale = (uint8_t)scale, .disp = disp};
}

void x64_byte(struct x64_asm *a, uint8_t byte);
void x64_imm(struct x64_asm *a, uint64_t value, unsigned size);

/* ModRM; with memory SIB and displacement, too. Parts of what follows. */
void x64_modrm(struct x64_asm *a, unsigned mod, unsigned reg, unsigned rm);
void x64_modrm_mem(struct x64_asm *a, unsigned reg, struct x64_mem mem);

/* op reg, rm        (ModRM, both registers) */
void x64_rr(struct x64_asm *a, unsigned op, unsigned size, unsigned reg, unsigned rm);
/* op reg, [mem]     (also op [mem], reg) */
void x64_rm(struct x64_asm *a, unsigned op, unsigned size, unsigned reg, struct x64_mem mem);
/* op reg            (register in the low bits of the opcode) */
void x64_o(struct x64_asm *a, unsigned op, unsigned size, unsigned reg);

/* mov dst, src */
static inline void x64_mov(struct x64_asm *a, unsigned size, unsigned dst, unsigned src)
{
    x64_rr(a, 0x8B, size, dst, src);
}

/* mov dst, [mem] */
static inline void x64_load(struct x64_asm *a, unsigned size, unsigned dst, struct x64_mem mem)
{
    x64_rm(a, 0x8B, size, dst, mem);
}

/* mov [mem], src; not for single bytes */
static inline void x64_store(struct x64_asm *a, unsigned size, struct x64_mem mem, unsigned src)
{
    x64_rm(a, 0x89, size, src, mem);
}

/* lea dst, [mem] */
static inline void x64_lea(struct x64_asm *a, unsigned size, unsigned dst, struct x64_mem mem)
{
    x64_rm(a, 0x8D, size, dst, mem);
}

/* mov dst, value    in the shortest form */
void x64_mov_imm(struct x64_asm *a, unsigned dst, uint64_t value);

/* ---- VEX (asm_vex.c) ---- */

/* What a VEX prefix and opcode say besides ModRM's registers. */
struct x64_vex {
    unsigned op;     /* with map and mandatory prefix */
    uint8_t vvvv;    /* a register; 0 where there is none */
    bool w, is_wide; /* VEX.W; VEX.L: 256 bits */
};

/* op reg, vvvv, rm        (also op vvvv, rm; op rm, vvvv, reg; op reg, rm, vvvv) */
void x64_vex_rr(struct x64_asm *a, struct x64_vex vex, unsigned reg, unsigned rm);
/* op reg, vvvv, [mem]     (and the like) */
void x64_vex_rm(struct x64_asm *a, struct x64_vex vex, unsigned reg, struct x64_mem mem);

/* vzeroupper; vzeroall */
void x64_vzero(struct x64_asm *a, bool all);

/* rorx dst, src, count      (flags untouched) */
void x64_rorx(struct x64_asm *a, unsigned size, unsigned dst, unsigned src, unsigned count);
/* shrx dst, src, count      (flags untouched) */
void x64_shrx(struct x64_asm *a, unsigned size, unsigned dst, unsigned src, unsigned count);

/* shlx, sarx dst, src, count      (flags untouched) */
void x64_shlx(struct x64_asm *a, unsigned size, unsigned dst, unsigned src, unsigned count);
void x64_sarx(struct x64_asm *a, unsigned size, unsigned dst, unsigned src, unsigned count);
/* pext, pdep dst, src, mask      (flags untouched) */
void x64_pext(struct x64_asm *a, unsigned size, unsigned dst, unsigned src, unsigned mask);
void x64_pext_mem(struct x64_asm *a, unsigned size, unsigned dst, unsigned src, struct x64_mem mask);
void x64_pdep_mem(struct x64_asm *a, unsigned size, unsigned dst, unsigned src, struct x64_mem mask);
void x64_pdep(struct x64_asm *a, unsigned size, unsigned dst, unsigned src, unsigned mask);

/* jmp, jcc to a 32-bit displacement that is filled in later: returns its place. */
uint8_t *x64_jmp32(struct x64_asm *a);
uint8_t *x64_jcc32(struct x64_asm *a, unsigned condition);
/* lea dst, place    a displacement like theirs */
uint8_t *x64_lea_rip(struct x64_asm *a, unsigned dst);
/* jrcxz, jcc, jmp over what follows: returns the place of the 8-bit displacement. */
uint8_t *x64_jrcxz8(struct x64_asm *a);
uint8_t *x64_jmp8(struct x64_asm *a);
/* Make such a jump go to the present place. */
void x64_here32(struct x64_asm *a, uint8_t *place);
void x64_here8(struct x64_asm *a, uint8_t *place);
/* Make a displacement go to `target`. */
void x64_aim8(struct x64_asm *a, uint8_t *place, const uint8_t *target);
void x64_aim32(struct x64_asm *a, uint8_t *place, const uint8_t *target);

/* emms */
void x64_emms(struct x64_asm *a);

/* jmp reg; jmp [mem] */
void x64_jmp_reg(struct x64_asm *a, unsigned reg);
void x64_jmp_mem(struct x64_asm *a, struct x64_mem mem);

#endif
