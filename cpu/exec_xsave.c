/* XSAVE, XSAVEOPT, XRSTOR, XGETBV, XSETBV.
 *
 * The area in its standard format (SDM vol. 1, 13.4): FXSAVE's image; at 512 a header of 64 bytes whose first
 * word, XSTATE_BV, says which components are not in their initial state; at 576 the upper halves of YMM0 to
 * YMM15 (YMM0 to YMM7 outside 64-bit mode). Which of it an instruction touches depends on the requested
 * components: EDX:EAX and XCR0.
 *
 * A component is in use (XINUSE) when it differs from its initial state; MXCSR does not count. XSAVEOPT
 * leaves out components that are not in use; it has no modified optimization.
 *
 * Left out: compaction and supervisor states.
 * Sources: SDM vol. 1, 13.1-13.9; vol. 2 (each instruction). */
#include "cpu/cpu_priv.h"
#include "cpu/fx_image.h"
#include "cpu/mem.h"
#include "cpu/sse.h"
#include "cpu/x87.h"

enum {
    HEADER_BV = 512,
    HEADER_XCOMP_BV = 520,
    AREA_AVX = 576, /* also where an area without it ends */
    AREA_SIZE = AREA_AVX + 256,
};

/* CR4.OSXSAVE and CR0.TS; CR0.EM does not matter. */
static bool xsave_available(struct cpu *cpu)
{
    if (!(cpu->s.cr4 & CR4_OSXSAVE)) {
        (void)cpu_fault(cpu, VEC_UD);
        return false;
    }
    if (cpu->s.cr0 & CR0_TS) {
        (void)cpu_fault(cpu, VEC_NM);
        return false;
    }
    return true;
}

static uint64_t requested(const struct cpu *cpu)
{
    return ((uint32_t)cpu->s.gpr[RAX] | cpu->s.gpr[RDX] << 32) & cpu->s.xcr0;
}

/* XINUSE (SDM vol. 1, 13.6). */
static uint64_t components_in_use(const struct cpu *cpu)
{
    const struct x87_state *x87 = &cpu->s.x87;
    uint64_t fpu = 0, low = 0, high = 0;
    for (unsigned n = 0; n < 8; n++)
        fpu |= x87->significand[n] | x87->sign_exp[n];
    fpu |= x87->status | x87->valid | x87->opcode | x87->ip | x87->dp | x87->cs | x87->ds;
    fpu |= x87->control ^ X87_CONTROL_INIT;
    for (unsigned i = 0; i < image_xmm_count(cpu); i++) {
        low |= cpu->s.vec[i].q[0] | cpu->s.vec[i].q[1];
        high |= cpu->s.vec[i].q[2] | cpu->s.vec[i].q[3];
    }
    return (fpu ? XCR0_X87 : 0) | (low ? XCR0_SSE : 0) | (high ? XCR0_AVX : 0);
}

static void put_upper_halves(const struct cpu *cpu, uint8_t *image)
{
    for (unsigned i = 0; i < image_xmm_count(cpu); i++)
        memcpy(image + AREA_AVX + 16 * i, cpu->s.vec[i].q + 2, 16);
}

static void get_upper_halves(struct cpu *cpu, const uint8_t *image)
{
    for (unsigned i = 0; i < image_xmm_count(cpu); i++)
        memcpy(cpu->s.vec[i].q + 2, image + AREA_AVX + 16 * i, 16);
}

/* The part of the area that may be touched when these components are wanted, in use or not: without any, only
 * the header. */
static unsigned area_start(uint64_t wanted)
{
    return wanted != 0 ? 0 : HEADER_BV;
}

static unsigned area_end(uint64_t wanted)
{
    return wanted & XCR0_AVX ? AREA_SIZE : AREA_AVX;
}

/* Write the components in `mask`; MXCSR goes with those that are `requested`. All of the area has been
 * checked, so no write fails half-way. */
static bool area_write(struct cpu *cpu, const struct insn *insn, uint64_t offset, const uint8_t *image,
                       uint64_t mask, uint64_t wanted)
{
    unsigned seg = insn->seg, vectors = 16 * image_xmm_count(cpu);
    bool ok = true;
    if (mask & XCR0_X87) {
        ok = ok && mem_write_bytes(cpu, seg, offset, image, IMAGE_X87_END);
        ok = ok && mem_write_bytes(cpu, seg, offset + IMAGE_ST, image + IMAGE_ST, IMAGE_XMM - IMAGE_ST);
    }
    if (wanted & XCR0_YMM)
        ok = ok && mem_write_bytes(cpu, seg, offset + IMAGE_MXCSR, image + IMAGE_MXCSR, 8);
    if (mask & XCR0_SSE)
        ok = ok && mem_write_bytes(cpu, seg, offset + IMAGE_XMM, image + IMAGE_XMM, vectors);
    if (mask & XCR0_AVX)
        ok = ok && mem_write_bytes(cpu, seg, offset + AREA_AVX, image + AREA_AVX, vectors);
    return ok;
}

static enum exec save(struct cpu *cpu, const struct insn *insn, bool only_in_use)
{
    uint8_t image[AREA_SIZE] = {0};
    uint64_t offset, old, wanted = requested(cpu);
    unsigned start = area_start(wanted);
    if (!xsave_available(cpu) || !image_address(cpu, insn, 64, &offset))
        return EXEC_FAULT;
    if (!mem_check_write(cpu, insn->seg, offset + start, area_end(wanted) - start) ||
        !mem_read(cpu, insn->seg, offset + HEADER_BV, 8, &old))
        return EXEC_FAULT;
    uint64_t in_use = components_in_use(cpu) & wanted;
    image_put_x87(cpu, insn, image);
    image_put_mxcsr(cpu, image);
    image_put_xmm(cpu, image);
    put_upper_halves(cpu, image);
    bool ok = area_write(cpu, insn, offset, image, only_in_use ? in_use : wanted, wanted);
    ok = ok && mem_write(cpu, insn->seg, offset + HEADER_BV, 8, (old & ~wanted) | in_use);
    return ok ? EXEC_NEXT : EXEC_FAULT;
}

enum exec exec_xsave(struct cpu *cpu, const struct insn *insn)
{
    return save(cpu, insn, false);
}

enum exec exec_xsaveopt(struct cpu *cpu, const struct insn *insn)
{
    return save(cpu, insn, true);
}

/* The initial state of x87: FNINIT's, with zero registers. */
static void reset_x87(struct cpu *cpu)
{
    memset(cpu->s.x87.significand, 0, sizeof cpu->s.x87.significand);
    memset(cpu->s.x87.sign_exp, 0, sizeof cpu->s.x87.sign_exp);
    x87_init(cpu);
}

static bool area_read(struct cpu *cpu, const struct insn *insn, uint64_t wanted, uint8_t image[AREA_SIZE])
{
    unsigned start = area_start(wanted);
    uint64_t offset;
    return image_address(cpu, insn, 64, &offset) &&
           mem_read_bytes(cpu, insn->seg, offset + start, image + start, area_end(wanted) - start);
}

/* A requested component is loaded when XSTATE_BV has it and initialized when not. */
enum exec exec_xrstor(struct cpu *cpu, const struct insn *insn)
{
    uint8_t image[AREA_SIZE] = {0};
    uint64_t wanted = requested(cpu);
    if (!xsave_available(cpu) || !area_read(cpu, insn, wanted, image))
        return EXEC_FAULT;
    uint64_t stored = image_get(image, HEADER_BV, 8);
    uint32_t mxcsr = (uint32_t)image_get(image, IMAGE_MXCSR, 4);
    /* Standard form only: XCOMP_BV and the next word are zero, no component beyond XCR0. */
    bool bad = (stored & ~cpu->s.xcr0) || image_get(image, HEADER_XCOMP_BV, 8) ||
               image_get(image, HEADER_XCOMP_BV + 8, 8);
    bad |= (wanted & XCR0_YMM) && (mxcsr & ~sse_mxcsr_mask(cpu));
    if (bad)
        return cpu_fault_code(cpu, VEC_GP, 0);
    if (wanted & stored & XCR0_X87)
        image_get_x87(cpu, insn, image);
    else if (wanted & XCR0_X87)
        reset_x87(cpu);
    if (!(stored & XCR0_SSE))
        memset(image + IMAGE_XMM, 0, 256);
    if (!(stored & XCR0_AVX))
        memset(image + AREA_AVX, 0, 256);
    if (wanted & XCR0_SSE)
        image_get_xmm(cpu, image);
    if (wanted & XCR0_AVX)
        get_upper_halves(cpu, image);
    /* MXCSR whatever XSTATE_BV says */
    return wanted & XCR0_YMM ? sse_load_mxcsr(cpu, mxcsr) : EXEC_NEXT;
}

/* ---- XCR0 ---- */

enum exec exec_xgetbv(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    if (!(cpu->s.cr4 & CR4_OSXSAVE))
        return cpu_fault(cpu, VEC_UD);
    if ((uint32_t)cpu->s.gpr[RCX] != 0)
        return cpu_fault_code(cpu, VEC_GP, 0);
    cpu->s.gpr[RAX] = (uint32_t)cpu->s.xcr0;
    cpu->s.gpr[RDX] = cpu->s.xcr0 >> 32;
    return EXEC_NEXT;
}

/* x87 is always enabled; AVX needs SSE. */
enum exec exec_xsetbv(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    if (!(cpu->s.cr4 & CR4_OSXSAVE))
        return cpu_fault(cpu, VEC_UD);
    uint64_t value = (uint32_t)cpu->s.gpr[RAX] | cpu->s.gpr[RDX] << 32;
    bool bad = cpu->cpl != 0 || (uint32_t)cpu->s.gpr[RCX] != 0 || !(value & XCR0_X87) ||
               (value & XCR0_YMM) == XCR0_AVX || (value & ~cpu_model_xcr0(cpu->model));
    if (bad)
        return cpu_fault_code(cpu, VEC_GP, 0);
    cpu->s.xcr0 = value;
    cpu_update_mode(cpu);
    return EXEC_END;
}
