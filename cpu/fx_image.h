/* The image of FXSAVE, with which an XSAVE area begins; its layout is in exec_fxsave.c. Private to cpu/. */
#ifndef CROSSPAGE_CPU_FX_IMAGE_H
#define CROSSPAGE_CPU_FX_IMAGE_H

#include "cpu/exec.h"

enum {
    IMAGE_X87_END = 24,
    IMAGE_MXCSR = 24,
    IMAGE_ST = 32,
    IMAGE_XMM = 160,
    IMAGE_SIZE = 512,
};

static inline void image_put(uint8_t *image, unsigned offset, unsigned size, uint64_t value)
{
    memcpy(image + offset, &value, size);
}

static inline uint64_t image_get(const uint8_t *image, unsigned offset, unsigned size)
{
    uint64_t value = 0;
    memcpy(&value, image + offset, size);
    return value;
}

/* Vector registers that the mode can name; the others neither move nor count. */
static inline unsigned image_xmm_count(const struct cpu *cpu)
{
    return cpu->long64 ? 16 : 8;
}

/* Address of the image, or a recorded fault when it is not aligned: #GP, but #AC for less than four bytes
 * with alignment checking on. */
bool image_address(struct cpu *cpu, const struct insn *insn, unsigned alignment, uint64_t *offset) MUST_CHECK;

void image_put_x87(const struct cpu *cpu, const struct insn *insn, uint8_t *image);
void image_get_x87(struct cpu *cpu, const struct insn *insn, const uint8_t *image);
void image_put_mxcsr(const struct cpu *cpu, uint8_t *image);
void image_put_xmm(const struct cpu *cpu, uint8_t *image);
void image_get_xmm(struct cpu *cpu, const uint8_t *image);

#endif
