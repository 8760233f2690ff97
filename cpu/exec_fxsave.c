/* FXSAVE, FXRSTOR, LDMXCSR, STMXCSR, and the image that XSAVE shares (exec_xsave.c).
 *
 * The 512-byte image (SDM vol. 1, table 10-2), of which the CPU writes only what it defines:
 *
 *   offset  size  what
 *        0     2  control word            2   2  status word
 *        4     1  abridged tags, 1 = not empty
 *        6     2  opcode
 *        8     4  IP, then CS at 12; with REX.W all eight bytes are IP
 *       16     4  DP, then DS at 20; with REX.W all eight bytes are DP
 *       24     4  MXCSR                  28   4  MXCSR_MASK
 *       32   128  ST(0) to ST(7), ten bytes of sixteen each
 *      160   256  XMM0 to XMM15 (XMM0 to XMM7 outside 64-bit mode)
 *
 * FXSAVE and FXRSTOR leave MXCSR and XMM alone while CR4.OSFXSR is clear.
 *
 * Sources: SDM vol. 1, 10.5; vol. 2 (each instruction). */
#include "cpu/cpu_priv.h"
#include "cpu/fx_image.h"
#include "cpu/mem.h"
#include "cpu/sse.h"
#include "cpu/x87.h"

/* DAZ came with SSE2's second stepping; before it, MXCSR_MASK reads as zero and means FFBF. */
uint32_t sse_mxcsr_mask(const struct cpu *cpu)
{
    return cpu_has(cpu, FEAT_SSE2) ? 0xFFFF : 0xFFBF;
}

/* Of the mode, only whether exceptions are unmasked depends on it. */
enum exec sse_load_mxcsr(struct cpu *cpu, uint32_t mxcsr)
{
    const uint32_t masks = MXCSR_FLAGS << MXCSR_MASK_SHIFT;
    unsigned mode = cpu->mode;
    uint32_t old = cpu->s.mxcsr;
    cpu->s.mxcsr = mxcsr;
    if (((old ^ mxcsr) & masks) == 0)
        return EXEC_NEXT;
    cpu_update_mode(cpu);
    return cpu->mode == mode ? EXEC_NEXT : EXEC_END;
}

/* --- image parts --------------------------------------------------------------------------------------- */

void image_put_x87(const struct cpu *cpu, const struct insn *insn, uint8_t *image)
{
    const struct x87_state *x87 = &cpu->s.x87;
    bool wide = (insn->rex & 8) != 0;
    image_put(image, 0, 2, x87->control);
    image_put(image, 2, 2, x87->status);
    image_put(image, 4, 2, x87->valid);
    image_put(image, 6, 2, x87->opcode);
    image_put(image, 8, 8, wide ? x87->ip : (uint32_t)x87->ip | (uint64_t)x87->cs << 32);
    image_put(image, 16, 8, wide ? x87->dp : (uint32_t)x87->dp | (uint64_t)x87->ds << 32);
    for (unsigned i = 0; i < 8; i++) {
        struct f80 value = x87_get(cpu, i);
        image_put(image, IMAGE_ST + 16 * i, 8, value.significand);
        image_put(image, IMAGE_ST + 16 * i + 8, 8, value.sign_exp);
    }
}

void image_get_x87(struct cpu *cpu, const struct insn *insn, const uint8_t *image)
{
    struct x87_state *x87 = &cpu->s.x87;
    bool wide = (insn->rex & 8) != 0;
    x87->valid = image[4];
    x87->opcode = image_get(image, 6, 2) & 0x7FF;
    x87->ip = image_get(image, 8, wide ? 8 : 4);
    x87->dp = image_get(image, 16, wide ? 8 : 4);
    x87->cs = wide ? 0 : (uint16_t)image_get(image, 12, 2);
    x87->ds = wide ? 0 : (uint16_t)image_get(image, 20, 2);
    x87_load_status(cpu, (uint16_t)image_get(image, 0, 2), (uint16_t)image_get(image, 2, 2));
    for (unsigned i = 0; i < 8; i++) {
        unsigned n = x87_physical(cpu, i);
        x87->significand[n] = image_get(image, IMAGE_ST + 16 * i, 8);
        x87->sign_exp[n] = (uint16_t)image_get(image, IMAGE_ST + 16 * i + 8, 2);
    }
}

void image_put_mxcsr(const struct cpu *cpu, uint8_t *image)
{
    image_put(image, IMAGE_MXCSR, 4, cpu->s.mxcsr);
    image_put(image, IMAGE_MXCSR + 4, 4, cpu_has(cpu, FEAT_SSE2) ? sse_mxcsr_mask(cpu) : 0);
}

void image_put_xmm(const struct cpu *cpu, uint8_t *image)
{
    for (unsigned i = 0; i < image_xmm_count(cpu); i++)
        memcpy(image + IMAGE_XMM + 16 * i, cpu->s.vec[i].q, 16);
}

void image_get_xmm(struct cpu *cpu, const uint8_t *image)
{
    for (unsigned i = 0; i < image_xmm_count(cpu); i++)
        memcpy(cpu->s.vec[i].q, image + IMAGE_XMM + 16 * i, 16);
}

bool image_address(struct cpu *cpu, const struct insn *insn, unsigned alignment, uint64_t *offset)
{
    *offset = insn_ea(cpu, insn);
    uint64_t linear = mem_linear(cpu, insn->seg, *offset);
    if ((linear & (alignment - 1)) == 0)
        return true;
    if (cpu->align_check && (linear & 3) != 0)
        return mem_check_read(cpu, insn->seg, *offset, 4); /* #AC, after the checks of the segment */
    (void)cpu_fault_code(cpu, VEC_GP, 0);
    return false;
}

static struct x87_area image_area(unsigned size)
{
    return (struct x87_area){.size = size, .tail_unit = 16};
}

/* --- FXSAVE, FXRSTOR ----------------------------------------------------------------------------------- */

enum exec exec_fxsave(struct cpu *cpu, const struct insn *insn)
{
    uint8_t image[IMAGE_SIZE] = {0};
    uint64_t offset;
    bool sse = (cpu->s.cr4 & CR4_OSFXSR) != 0;
    struct x87_area whole = image_area(IMAGE_SIZE);
    struct x87_area area = image_area(sse ? IMAGE_XMM + 16 * image_xmm_count(cpu) : IMAGE_XMM);
    /* All 512 bytes must be writable, also those that keep their value. */
    if (!image_address(cpu, insn, 16, &offset) || !x87_area_check_write(cpu, insn, &whole))
        return EXEC_FAULT;
    image_put_x87(cpu, insn, image);
    if (sse) {
        image_put_mxcsr(cpu, image);
        image_put_xmm(cpu, image);
    }
    return x87_area_write(cpu, insn, &area, image) ? EXEC_NEXT : EXEC_FAULT;
}

enum exec exec_fxrstor(struct cpu *cpu, const struct insn *insn)
{
    uint8_t image[IMAGE_SIZE];
    uint64_t offset;
    bool sse = (cpu->s.cr4 & CR4_OSFXSR) != 0;
    struct x87_area area = image_area(IMAGE_SIZE);
    if (!image_address(cpu, insn, 16, &offset) || !x87_area_read(cpu, insn, &area, image))
        return EXEC_FAULT;
    uint32_t mxcsr = (uint32_t)image_get(image, IMAGE_MXCSR, 4);
    if (sse && (mxcsr & ~sse_mxcsr_mask(cpu)))
        return cpu_fault_code(cpu, VEC_GP, 0);
    image_get_x87(cpu, insn, image);
    if (!sse)
        return EXEC_NEXT;
    image_get_xmm(cpu, image);
    return sse_load_mxcsr(cpu, mxcsr);
}

/* --- MXCSR --------------------------------------------------------------------------------------------- */

enum exec exec_ldmxcsr(struct cpu *cpu, const struct insn *insn)
{
    uint64_t mxcsr;
    if (!operand_read(cpu, insn, 0, &mxcsr))
        return EXEC_FAULT;
    if (mxcsr & ~(uint64_t)sse_mxcsr_mask(cpu))
        return cpu_fault_code(cpu, VEC_GP, 0);
    return sse_load_mxcsr(cpu, (uint32_t)mxcsr);
}

enum exec exec_stmxcsr(struct cpu *cpu, const struct insn *insn)
{
    return operand_write(cpu, insn, 0, cpu->s.mxcsr) ? EXEC_NEXT : EXEC_FAULT;
}
