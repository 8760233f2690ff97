/* Encoding instructions with a VEX prefix (SDM vol. 2, 2.3.5), see asm.h. */
#include "binxlate/x64/asm.h"

/* C5 RvvvvLpp or C4 RXBmmmmm WvvvvLpp; R, X, B and vvvv are inverted. */
static void put_vex(struct x64_asm *a, struct x64_vex vex, bool r, bool x, bool b)
{
    unsigned map = (vex.op & OP_MAP) >> 8, prefix = (vex.op & OP_PREFIX) >> 10;
    unsigned last = (~vex.vvvv & 15u) << 3 | (vex.is_wide ? 4 : 0) | prefix;
    if (map == 1 && !x && !b && !vex.w) {
        x64_byte(a, 0xC5);
        x64_byte(a, (uint8_t)((r ? 0 : 0x80) | last));
    } else {
        x64_byte(a, 0xC4);
        x64_byte(a, (uint8_t)((r ? 0 : 0x80) | (x ? 0 : 0x40) | (b ? 0 : 0x20) | map));
        x64_byte(a, (uint8_t)((vex.w ? 0x80 : 0) | last));
    }
    x64_byte(a, (uint8_t)vex.op);
}

_Static_assert(OP_0F >> 8 == 1 && OP_0F38 >> 8 == 2 && OP_0F3A >> 8 == 3, "ORDER: VEX.mmmmm");
_Static_assert(OP_66 >> 10 == 1 && OP_F3 >> 10 == 2 && OP_F2 >> 10 == 3, "ORDER: VEX.pp");

void x64_vex_rr(struct x64_asm *a, struct x64_vex vex, unsigned reg, unsigned rm)
{
    put_vex(a, vex, (reg & 8) != 0, false, (rm & 8) != 0);
    x64_modrm(a, 3, reg, rm);
}

void x64_vex_rm(struct x64_asm *a, struct x64_vex vex, unsigned reg, struct x64_mem mem)
{
    put_vex(a, vex, (reg & 8) != 0, mem.index != X_NONE && (mem.index & 8) != 0,
            mem.base != X_NONE && (mem.base & 8) != 0);
    x64_modrm_mem(a, reg, mem);
}

void x64_vzero(struct x64_asm *a, bool all)
{
    put_vex(a, (struct x64_vex){.op = OP_0F | 0x77, .is_wide = all}, false, false, false);
}

void x64_rorx(struct x64_asm *a, unsigned size, unsigned dst, unsigned src, unsigned count)
{
    x64_vex_rr(a, (struct x64_vex){.op = OP_0F3A | OP_F2 | 0xF0, .w = size == 8}, dst, src);
    x64_byte(a, (uint8_t)count);
}

static void put_rrr(struct x64_asm *a, unsigned op, unsigned size, unsigned reg, unsigned vvvv, unsigned rm)
{
    x64_vex_rr(a, (struct x64_vex){.op = OP_0F38 | op, .vvvv = (uint8_t)vvvv, .w = size == 8}, reg, rm);
}

void x64_shrx(struct x64_asm *a, unsigned size, unsigned dst, unsigned src, unsigned count)
{
    put_rrr(a, OP_F2 | 0xF7, size, dst, count, src);
}

void x64_shlx(struct x64_asm *a, unsigned size, unsigned dst, unsigned src, unsigned count)
{
    put_rrr(a, OP_66 | 0xF7, size, dst, count, src);
}

void x64_sarx(struct x64_asm *a, unsigned size, unsigned dst, unsigned src, unsigned count)
{
    put_rrr(a, OP_F3 | 0xF7, size, dst, count, src);
}

void x64_pext(struct x64_asm *a, unsigned size, unsigned dst, unsigned src, unsigned mask)
{
    put_rrr(a, OP_F3 | 0xF5, size, dst, src, mask);
}

void x64_pext_mem(struct x64_asm *a, unsigned size, unsigned dst, unsigned src, struct x64_mem mask)
{
    struct x64_vex pext = {.op = OP_0F38 | OP_F3 | 0xF5, .vvvv = (uint8_t)src, .w = size == 8};
    x64_vex_rm(a, pext, dst, mask);
}

void x64_pdep_mem(struct x64_asm *a, unsigned size, unsigned dst, unsigned src, struct x64_mem mask)
{
    struct x64_vex pdep = {.op = OP_0F38 | OP_F2 | 0xF5, .vvvv = (uint8_t)src, .w = size == 8};
    x64_vex_rm(a, pdep, dst, mask);
}

void x64_pdep(struct x64_asm *a, unsigned size, unsigned dst, unsigned src, unsigned mask)
{
    put_rrr(a, OP_F2 | 0xF5, size, dst, src, mask);
}
