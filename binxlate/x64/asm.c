/* Encoding x86-64 instructions, see asm.h. */
#include "binxlate/x64/asm.h"

#include "base/check.h"

#include <string.h>

void x64_byte(struct x64_asm *a, uint8_t byte)
{
    if (a->at < a->end)
        *a->at++ = byte;
    else
        a->full = true;
}

void x64_imm(struct x64_asm *a, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        x64_byte(a, (uint8_t)(value >> 8 * i));
}

/* ---- Prefixes and opcode ---- */

enum { REX = 0x40, REX_W = 8, REX_R = 4, REX_X = 2, REX_B = 1 };

static void put_opcode(struct x64_asm *a, unsigned op, unsigned size, unsigned rex)
{
    static const uint8_t mandatory[] = {0, 0x66, 0xF3, 0xF2};
    unsigned prefix = mandatory[(op & OP_PREFIX) >> 10];
    if (size == 2 && prefix != 0x66)
        x64_byte(a, 0x66);
    if (prefix != 0)
        x64_byte(a, (uint8_t)prefix);
    if (size == 8)
        rex |= REX_W;
    if (rex != 0 || (op & OP_BYTE) != 0)
        x64_byte(a, (uint8_t)(REX | rex));
    CHECK(rex == 0 || (op & OP_NOREX) == 0);
    if ((op & OP_MAP) != 0)
        x64_byte(a, 0x0F);
    if ((op & OP_MAP) == OP_0F38)
        x64_byte(a, 0x38);
    if ((op & OP_MAP) == OP_0F3A)
        x64_byte(a, 0x3A);
    x64_byte(a, (uint8_t)op);
}

void x64_modrm(struct x64_asm *a, unsigned mod, unsigned reg, unsigned rm)
{
    x64_byte(a, (uint8_t)(mod << 6 | (reg & 7) << 3 | (rm & 7)));
}

void x64_rr(struct x64_asm *a, unsigned op, unsigned size, unsigned reg, unsigned rm)
{
    put_opcode(a, op, size, (reg & 8 ? REX_R : 0) | (rm & 8 ? REX_B : 0));
    x64_modrm(a, 3, reg, rm);
}

/* ModRM, SIB and displacement (SDM vol. 2, tables 2-2 and 2-3): base RBP and R13 need a displacement, base
 * RSP and R12 a SIB byte; no base is SIB with base 101b and mod 0. */
void x64_modrm_mem(struct x64_asm *a, unsigned reg, struct x64_mem mem)
{
    if (mem.base == X_NONE) {
        x64_modrm(a, 0, reg, 4);
        x64_byte(a, (uint8_t)(mem.scale << 6 | (mem.index == X_NONE ? 4 : mem.index & 7) << 3 | 5));
        x64_imm(a, (uint32_t)mem.disp, 4);
        return;
    }
    bool small = mem.disp == (int8_t)mem.disp;
    unsigned mod = mem.disp == 0 && (mem.base & 7) != X_RBP ? 0 : small ? 1 : 2;
    bool sib = mem.index != X_NONE || (mem.base & 7) == X_RSP;
    x64_modrm(a, mod, reg, sib ? 4 : mem.base);
    if (sib)
        x64_byte(a,
                 (uint8_t)(mem.scale << 6 | (mem.index == X_NONE ? 4 : mem.index & 7) << 3 | (mem.base & 7)));
    if (mod != 0)
        x64_imm(a, (uint32_t)mem.disp, mod == 1 ? 1 : 4);
}

void x64_rm(struct x64_asm *a, unsigned op, unsigned size, unsigned reg, struct x64_mem mem)
{
    unsigned rex = reg & 8 ? REX_R : 0;
    if (mem.base != X_NONE && (mem.base & 8) != 0)
        rex |= REX_B;
    if (mem.index != X_NONE && (mem.index & 8) != 0)
        rex |= REX_X;
    put_opcode(a, op, size, rex);
    x64_modrm_mem(a, reg, mem);
}

void x64_o(struct x64_asm *a, unsigned op, unsigned size, unsigned reg)
{
    put_opcode(a, op | (reg & 7), size, reg & 8 ? REX_B : 0);
}

void x64_mov_imm(struct x64_asm *a, unsigned dst, uint64_t value)
{
    if (value == (uint32_t)value) { /* mov r32, imm32 */
        x64_o(a, 0xB8, 4, dst);
        x64_imm(a, value, 4);
    } else if (value == (uint64_t)(int32_t)value) { /* mov r64, simm32 */
        x64_rr(a, 0xC7, 8, 0, dst);
        x64_imm(a, value, 4);
    } else {
        x64_o(a, 0xB8, 8, dst);
        x64_imm(a, value, 8);
    }
}

/* ---- Jumps ---- */

static uint8_t *put_displacement(struct x64_asm *a, unsigned size)
{
    uint8_t *place = a->at;
    x64_imm(a, 0, size);
    return place;
}

uint8_t *x64_jmp32(struct x64_asm *a)
{
    x64_byte(a, 0xE9);
    return put_displacement(a, 4);
}

uint8_t *x64_jcc32(struct x64_asm *a, unsigned condition)
{
    x64_byte(a, 0x0F);
    x64_byte(a, (uint8_t)(0x80 | condition));
    return put_displacement(a, 4);
}

uint8_t *x64_lea_rip(struct x64_asm *a, unsigned dst)
{
    put_opcode(a, 0x8D, 8, dst & 8 ? REX_R : 0);
    x64_modrm(a, 0, dst, 5);
    return put_displacement(a, 4);
}

uint8_t *x64_jrcxz8(struct x64_asm *a)
{
    x64_byte(a, 0xE3);
    return put_displacement(a, 1);
}

uint8_t *x64_jmp8(struct x64_asm *a)
{
    x64_byte(a, 0xEB);
    return put_displacement(a, 1);
}

void x64_aim32(struct x64_asm *a, uint8_t *place, const uint8_t *target)
{
    if (a->full)
        return;
    int32_t distance = (int32_t)(target - (place + 4));
    memcpy(place, &distance, 4);
}

void x64_aim8(struct x64_asm *a, uint8_t *place, const uint8_t *target)
{
    if (a->full)
        return;
    ptrdiff_t distance = target - (place + 1);
    CHECK(distance >= -128 && distance <= 127);
    *place = (uint8_t)distance;
}

void x64_here32(struct x64_asm *a, uint8_t *place)
{
    x64_aim32(a, place, a->at);
}

void x64_here8(struct x64_asm *a, uint8_t *place)
{
    x64_aim8(a, place, a->at);
}

void x64_emms(struct x64_asm *a)
{
    put_opcode(a, OP_0F | 0x77, 4, 0);
}

void x64_jmp_reg(struct x64_asm *a, unsigned reg)
{
    x64_rr(a, 0xFF, 4, 4, reg);
}

void x64_jmp_mem(struct x64_asm *a, struct x64_mem mem)
{
    x64_rm(a, 0xFF, 4, 4, mem);
}
