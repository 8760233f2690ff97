/* FXSAVE, FXRSTOR, XSAVE, XRSTOR, XGETBV, XSETBV, LDMXCSR, STMXCSR.
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
 * FXSAVE and FXRSTOR leave MXCSR and XMM alone while CR4.OSFXSR is clear. XSAVE adds a 64-byte header at 512
 * whose first word, XSTATE_BV, says which components are not in their initial state. Only x87 and SSE
 * components exist; compaction and supervisor states do not.
 *
 * Sources: SDM vol. 1, 10.5 (FXSAVE), 13.1-13.8 (XSAVE); vol. 2 (each instruction). */
#include "cpu/cpu_priv.h"
#include "cpu/mem.h"
#include "cpu/sse.h"
#include "cpu/x87.h"

enum {
    IMAGE_X87_END = 24,
    IMAGE_MXCSR = 24,
    IMAGE_ST = 32,
    IMAGE_XMM = 160,
    IMAGE_SIZE = 512,
    HEADER_BV = 512,
    XSAVE_SIZE = 576,
};

/* DAZ came with SSE2's second stepping; before it, MXCSR_MASK reads as zero and means FFBF. */
uint32_t sse_mxcsr_mask(const struct cpu *cpu)
{
    return cpu_has(cpu, FEAT_SSE2) ? 0xFFFF : 0xFFBF;
}

static unsigned xmm_count(const struct cpu *cpu)
{
    return cpu->long64 ? 16 : 8;
}

/* --- image parts --------------------------------------------------------------------------------------- */

static void put(uint8_t *image, unsigned offset, unsigned size, uint64_t value)
{
    memcpy(image + offset, &value, size);
}

static uint64_t get(const uint8_t *image, unsigned offset, unsigned size)
{
    uint64_t value = 0;
    memcpy(&value, image + offset, size);
    return value;
}

static void put_x87(const struct cpu *cpu, const struct insn *insn, uint8_t *image)
{
    const struct x87_state *x87 = &cpu->s.x87;
    bool wide = (insn->rex & 8) != 0;
    put(image, 0, 2, x87->control);
    put(image, 2, 2, x87->status);
    put(image, 4, 2, x87->valid);
    put(image, 6, 2, x87->opcode);
    put(image, 8, 8, wide ? x87->ip : (uint32_t)x87->ip | (uint64_t)x87->cs << 32);
    put(image, 16, 8, wide ? x87->dp : (uint32_t)x87->dp | (uint64_t)x87->ds << 32);
    for (unsigned i = 0; i < 8; i++) {
        struct f80 value = x87_get(cpu, i);
        put(image, IMAGE_ST + 16 * i, 8, value.significand);
        put(image, IMAGE_ST + 16 * i + 8, 8, value.sign_exp);
    }
}

static void get_x87(struct cpu *cpu, const struct insn *insn, const uint8_t *image)
{
    struct x87_state *x87 = &cpu->s.x87;
    bool wide = (insn->rex & 8) != 0;
    x87->valid = image[4];
    x87->opcode = get(image, 6, 2) & 0x7FF;
    x87->ip = get(image, 8, wide ? 8 : 4);
    x87->dp = get(image, 16, wide ? 8 : 4);
    x87->cs = wide ? 0 : (uint16_t)get(image, 12, 2);
    x87->ds = wide ? 0 : (uint16_t)get(image, 20, 2);
    x87_load_status(cpu, (uint16_t)get(image, 0, 2), (uint16_t)get(image, 2, 2));
    for (unsigned i = 0; i < 8; i++) {
        unsigned n = x87_physical(cpu, i);
        x87->significand[n] = get(image, IMAGE_ST + 16 * i, 8);
        x87->sign_exp[n] = (uint16_t)get(image, IMAGE_ST + 16 * i + 8, 2);
    }
}

static void put_mxcsr(const struct cpu *cpu, uint8_t *image)
{
    put(image, IMAGE_MXCSR, 4, cpu->s.mxcsr);
    put(image, IMAGE_MXCSR + 4, 4, cpu_has(cpu, FEAT_SSE2) ? sse_mxcsr_mask(cpu) : 0);
}

static void put_xmm(const struct cpu *cpu, uint8_t *image)
{
    for (unsigned i = 0; i < xmm_count(cpu); i++)
        memcpy(image + IMAGE_XMM + 16 * i, cpu->s.vec[i].q, 16);
}

static void get_xmm(struct cpu *cpu, const uint8_t *image)
{
    for (unsigned i = 0; i < xmm_count(cpu); i++)
        memcpy(cpu->s.vec[i].q, image + IMAGE_XMM + 16 * i, 16);
}

/* Address of the image, or a recorded fault when it is not aligned: #GP, but #AC for less than four bytes
 * with alignment checking on. */
static bool image_address(struct cpu *cpu, const struct insn *insn, unsigned alignment, uint64_t *offset)
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
    struct x87_area area = image_area(sse ? IMAGE_XMM + 16 * xmm_count(cpu) : IMAGE_XMM);
    /* All 512 bytes must be writable, also those that keep their value. */
    if (!image_address(cpu, insn, 16, &offset) || !x87_area_check_write(cpu, insn, &whole))
        return EXEC_FAULT;
    put_x87(cpu, insn, image);
    if (sse) {
        put_mxcsr(cpu, image);
        put_xmm(cpu, image);
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
    uint32_t mxcsr = (uint32_t)get(image, IMAGE_MXCSR, 4);
    if (sse && (mxcsr & ~sse_mxcsr_mask(cpu)))
        return cpu_fault_code(cpu, VEC_GP, 0);
    get_x87(cpu, insn, image);
    if (sse) {
        cpu->s.mxcsr = mxcsr;
        get_xmm(cpu, image);
    }
    return EXEC_NEXT;
}

/* --- XSAVE, XRSTOR ------------------------------------------------------------------------------------- */

/* XSAVE's own availability: CR4.OSXSAVE and CR0.TS; CR0.EM does not matter. */
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

/* Components that are not in their initial state (SDM 1, 13.6). */
static uint64_t components_in_use(const struct cpu *cpu)
{
    const struct x87_state *x87 = &cpu->s.x87;
    uint64_t any = 0, use = 0;
    for (unsigned n = 0; n < 8; n++)
        any |= x87->significand[n] | x87->sign_exp[n];
    any |= x87->status | x87->valid | x87->opcode | x87->ip | x87->dp | x87->cs | x87->ds;
    if (any != 0 || x87->control != X87_CONTROL_INIT)
        use |= XCR0_X87;
    any = cpu->s.mxcsr != MXCSR_INIT;
    for (unsigned i = 0; i < xmm_count(cpu); i++)
        any |= cpu->s.vec[i].q[0] | cpu->s.vec[i].q[1];
    return any != 0 ? use | XCR0_SSE : use;
}

enum exec exec_xsave(struct cpu *cpu, const struct insn *insn)
{
    uint8_t image[XSAVE_SIZE] = {0};
    uint64_t offset, old;
    unsigned seg = insn->seg, xmm_end = IMAGE_XMM + 16 * xmm_count(cpu);
    if (!xsave_available(cpu) || !image_address(cpu, insn, 64, &offset))
        return EXEC_FAULT;
    if (!mem_check_write(cpu, seg, offset, XSAVE_SIZE) || !mem_read(cpu, seg, offset + HEADER_BV, 8, &old))
        return EXEC_FAULT;
    uint64_t mask = requested(cpu);
    uint64_t header = (old & ~mask) | (components_in_use(cpu) & mask);
    put_x87(cpu, insn, image);
    put_mxcsr(cpu, image);
    put_xmm(cpu, image);
    /* All of it has been checked, so none of these fails half-way. */
    bool ok = true;
    if (mask & XCR0_X87) {
        ok = ok && mem_write_bytes(cpu, seg, offset, image, IMAGE_X87_END);
        ok = ok && mem_write_bytes(cpu, seg, offset + IMAGE_ST, image + IMAGE_ST, IMAGE_XMM - IMAGE_ST);
    }
    if (mask & XCR0_SSE) {
        ok = ok && mem_write_bytes(cpu, seg, offset + IMAGE_MXCSR, image + IMAGE_MXCSR, 8);
        ok = ok && mem_write_bytes(cpu, seg, offset + IMAGE_XMM, image + IMAGE_XMM, xmm_end - IMAGE_XMM);
    }
    ok = ok && mem_write(cpu, seg, offset + HEADER_BV, 8, header);
    return ok ? EXEC_NEXT : EXEC_FAULT;
}

/* The initial state of x87: FNINIT's, with zero registers. */
static void reset_x87(struct cpu *cpu)
{
    memset(cpu->s.x87.significand, 0, sizeof cpu->s.x87.significand);
    memset(cpu->s.x87.sign_exp, 0, sizeof cpu->s.x87.sign_exp);
    x87_init(cpu);
}

enum exec exec_xrstor(struct cpu *cpu, const struct insn *insn)
{
    uint8_t image[XSAVE_SIZE];
    uint64_t offset;
    if (!xsave_available(cpu) || !image_address(cpu, insn, 64, &offset) ||
        !mem_read_bytes(cpu, insn->seg, offset, image, XSAVE_SIZE))
        return EXEC_FAULT;
    uint64_t mask = requested(cpu), stored = get(image, HEADER_BV, 8);
    uint32_t mxcsr = (uint32_t)get(image, IMAGE_MXCSR, 4);
    /* Standard form only: XCOMP_BV and the next word are zero, no component beyond XCR0. */
    bool bad = (stored & ~cpu->s.xcr0) || get(image, HEADER_BV + 8, 8) || get(image, HEADER_BV + 16, 8);
    bad |= (mask & XCR0_SSE) && (mxcsr & ~sse_mxcsr_mask(cpu));
    if (bad)
        return cpu_fault_code(cpu, VEC_GP, 0);
    if (mask & stored & XCR0_X87)
        get_x87(cpu, insn, image);
    else if (mask & XCR0_X87)
        reset_x87(cpu);
    if (mask & XCR0_SSE) {
        cpu->s.mxcsr = mxcsr; /* whatever XSTATE_BV says */
        if (!(stored & XCR0_SSE))
            memset(image + IMAGE_XMM, 0, 16 * xmm_count(cpu));
        get_xmm(cpu, image);
    }
    return EXEC_NEXT;
}

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

enum exec exec_xsetbv(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    if (!(cpu->s.cr4 & CR4_OSXSAVE))
        return cpu_fault(cpu, VEC_UD);
    uint64_t value = (uint32_t)cpu->s.gpr[RAX] | cpu->s.gpr[RDX] << 32;
    bool bad = cpu->cpl != 0 || (uint32_t)cpu->s.gpr[RCX] != 0 || !(value & XCR0_X87) ||
               (value & ~cpu_model_xcr0(cpu->model));
    if (bad)
        return cpu_fault_code(cpu, VEC_GP, 0);
    cpu->s.xcr0 = value;
    cpu_update_mode(cpu);
    return EXEC_END;
}

/* --- MXCSR --------------------------------------------------------------------------------------------- */

enum exec exec_ldmxcsr(struct cpu *cpu, const struct insn *insn)
{
    uint64_t mxcsr;
    if (!operand_read(cpu, insn, 0, &mxcsr))
        return EXEC_FAULT;
    if (mxcsr & ~(uint64_t)sse_mxcsr_mask(cpu))
        return cpu_fault_code(cpu, VEC_GP, 0);
    cpu->s.mxcsr = (uint32_t)mxcsr;
    return EXEC_NEXT;
}

enum exec exec_stmxcsr(struct cpu *cpu, const struct insn *insn)
{
    return operand_write(cpu, insn, 0, cpu->s.mxcsr) ? EXEC_NEXT : EXEC_FAULT;
}
