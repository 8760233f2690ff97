/* x87: availability, pending exceptions, control and status word, environment and whole-state instructions.
 *
 * Exceptions are deferred: an unmasked one sets ES and is reported by the next waiting instruction, as #MF
 * with CR0.NE = 1, else through FERR# (IRQ 13 of a PC). With NE = 0 the CPU stops before that waiting
 * instruction until an interrupt arrives, or goes on when IGNNE# is asserted (SDM 1, 8.7.2 and appendix D);
 * modelled by repeating the instruction without progress.
 *
 * Sources: SDM vol. 1, 8.1 (figures 8-9 to 8-12: environment images), 8.3.11, 8.6, 8.7; vol. 2 (FNSTENV,
 * FNSAVE...); vol. 3, 2.5 (CR0). */
#include "cpu/x87.h"

/* --- availability -------------------------------------------------------------------------------------- */

bool fpu_available(struct cpu *cpu, const struct insn *insn)
{
    uint32_t attr = insn_attr(insn);
    uint64_t cr0 = cpu->s.cr0;
    bool ok = true;
    if (attr & ATTR_AVX) {
        bool enabled = (cpu->s.cr4 & CR4_OSXSAVE) && (cpu->s.xcr0 & XCR0_YMM) == XCR0_YMM;
        if (!enabled || (cr0 & CR0_TS)) {
            (void)cpu_fault(cpu, enabled ? VEC_NM : VEC_UD);
            ok = false;
        }
    } else if (attr & (ATTR_MMX | ATTR_SSE)) {
        bool undefined = (cr0 & CR0_EM) || ((attr & ATTR_SSE) && !(cpu->s.cr4 & CR4_OSFXSR));
        if (undefined || (cr0 & CR0_TS)) {
            (void)cpu_fault(cpu, undefined ? VEC_UD : VEC_NM);
            ok = false;
        }
    } else if ((attr & (ATTR_FPU | ATTR_FPU_NOWAIT)) && (cr0 & (CR0_EM | CR0_TS))) {
        (void)cpu_fault(cpu, VEC_NM);
        ok = false;
    }
    return ok;
}

enum exec exec_fpu_guard(struct cpu *cpu, const struct insn *insn)
{
    return fpu_available(cpu, insn) ? insn_rows[insn->row].exec(cpu, insn) : EXEC_FAULT;
}

/* --- pending exceptions -------------------------------------------------------------------------------- */

static void set_ferr(struct cpu *cpu, bool level)
{
    if (cpu->s.x87_ferr == level)
        return;
    cpu->s.x87_ferr = level;
    if (cpu->bus != NULL && cpu->bus->ferr != NULL)
        cpu->bus->ferr(cpu->bus->ctx, level);
}

void x87_update_summary(struct cpu *cpu)
{
    struct x87_state *x87 = &cpu->s.x87;
    bool pending = (x87->status & ~x87->control & X87_EXCEPTIONS) != 0;
    x87->status = (uint16_t)((x87->status & ~(X87_ES | X87_B)) | (pending ? X87_ES | X87_B : 0));
    set_ferr(cpu, pending && !(cpu->s.cr0 & CR0_NE));
}

bool x87_wait(struct cpu *cpu)
{
    if (LIKELY(!(cpu->s.x87.status & X87_ES)))
        return true;
    if (cpu->s.cr0 & CR0_NE) {
        (void)cpu_fault(cpu, VEC_MF);
        return false;
    }
    set_ferr(cpu, true); /* CR0.NE may have been cleared since */
    return cpu->s.ignne;
}

enum exec x87_stall(struct cpu *cpu)
{
    if (cpu->s.cr0 & CR0_NE)
        return EXEC_FAULT;
    cpu->s.clock++; /* waiting takes time, or the interrupt would never come */
    return EXEC_REPEAT;
}

bool x87_raise_slow(struct cpu *cpu, const struct fp_env *env, bool to_memory)
{
    uint8_t flags = fp_flags_visible(env);
    uint8_t unmasked = flags & ~env->masks;
    bool delivered = !(unmasked & FP_PRE_COMPUTATION);
    if (to_memory && (unmasked & (FP_OE | FP_UE))) {
        delivered = false;
        flags &= (uint8_t)~FP_PE; /* nothing was rounded to the destination */
    }
    cpu->s.x87.status |= flags;
    if (delivered && env->rounded_up)
        cpu->s.x87.status |= X87_C1;
    if (unmasked != 0)
        x87_update_summary(cpu);
    return delivered;
}

bool x87_store_withheld(const struct fp_env *env)
{
    uint8_t unmasked = fp_flags_visible(env) & ~env->masks;
    return (unmasked & (FP_PRE_COMPUTATION | FP_OE | FP_UE)) != 0;
}

bool x87_stack_fault(struct cpu *cpu, bool overflow)
{
    struct x87_state *x87 = &cpu->s.x87;
    x87->status = (uint16_t)((x87->status & ~X87_C1) | FP_IE | X87_SF | (overflow ? X87_C1 : 0));
    if (x87->control & FP_IE)
        return true;
    x87_update_summary(cpu);
    return false;
}

/* FWAIT: #NM only with both MP and TS, so it has no ATTR_FPU. */
enum exec exec_fwait(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    if ((cpu->s.cr0 & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS))
        return cpu_fault(cpu, VEC_NM);
    return x87_wait(cpu) ? EXEC_NEXT : x87_stall(cpu);
}

/* --- words --------------------------------------------------------------------------------------------- */

void x87_init(struct cpu *cpu)
{
    struct x87_state *x87 = &cpu->s.x87;
    x87->control = X87_CONTROL_INIT;
    x87->status = 0;
    x87->valid = 0;
    x87->opcode = 0;
    x87->ip = x87->dp = 0;
    x87->cs = x87->ds = 0;
    x87_update_summary(cpu);
}

void x87_load_status(struct cpu *cpu, uint16_t control, uint16_t status)
{
    cpu->s.x87.control = (control & X87_CONTROL_WRITABLE) | X87_CONTROL_FIXED;
    cpu->s.x87.status = status;
    x87_update_summary(cpu);
}

enum exec exec_fninit(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    x87_init(cpu);
    return EXEC_NEXT;
}

enum exec exec_fnclex(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    cpu->s.x87.status &= X87_CODES | X87_TOP;
    x87_update_summary(cpu);
    return EXEC_NEXT;
}

enum exec exec_fldcw(struct cpu *cpu, const struct insn *insn)
{
    uint64_t control;
    if (!x87_wait(cpu))
        return x87_stall(cpu);
    if (!mem_read(cpu, insn->seg, insn_ea(cpu, insn), 2, &control))
        return EXEC_FAULT;
    x87_load_status(cpu, (uint16_t)control, cpu->s.x87.status);
    return EXEC_NEXT;
}

enum exec exec_fnstcw(struct cpu *cpu, const struct insn *insn)
{
    return mem_write(cpu, insn->seg, insn_ea(cpu, insn), 2, cpu->s.x87.control) ? EXEC_NEXT : EXEC_FAULT;
}

enum exec exec_fnstsw(struct cpu *cpu, const struct insn *insn)
{
    return operand_write(cpu, insn, 0, cpu->s.x87.status) ? EXEC_NEXT : EXEC_FAULT;
}

enum exec exec_fnstsw_ax(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    cpu->s.gpr[RAX] = (cpu->s.gpr[RAX] & ~0xFFFFull) | cpu->s.x87.status;
    return EXEC_NEXT;
}

/* FNENI, FNDISI (8087) and FNSETPM (80287) do nothing since the 80387. */
enum exec exec_fnop87(struct cpu *cpu, const struct insn *insn)
{
    (void)cpu;
    (void)insn;
    return EXEC_NEXT;
}

/* --- environment --------------------------------------------------------------------------------------- */

/* The 14- or 28-byte image: seven words or doublewords, and in real and virtual-8086 mode linear addresses in
 * place of selector and offset. */
enum { ST_IMAGE = 10 };
enum { ENV_CONTROL, ENV_STATUS, ENV_TAGS, ENV_IP, ENV_CS, ENV_DP, ENV_DS, ENV_FIELDS };

struct environment {
    uint8_t bytes[4 * ENV_FIELDS];
    unsigned size;
};

/* An environment followed by some registers. */
static struct x87_area env_area(unsigned env_size, unsigned registers)
{
    return (struct x87_area){env_size + registers * ST_IMAGE, env_size, env_size / ENV_FIELDS, ST_IMAGE};
}

static bool env_is_real(const struct cpu *cpu)
{
    return (cpu->mode & MODE_REAL) != 0;
}

uint16_t x87_full_tags(const struct cpu *cpu)
{
    enum { VALID, ZERO, SPECIAL, EMPTY };
    const struct x87_state *x87 = &cpu->s.x87;
    uint16_t tags = 0;
    for (unsigned n = 0; n < 8; n++) {
        struct fp_num num = fp_from_f80((struct f80){x87->significand[n], x87->sign_exp[n]});
        unsigned tag = num.cls == FP_CLASS_NORMAL ? VALID : num.cls == FP_CLASS_ZERO ? ZERO : SPECIAL;
        if (!(x87->valid >> n & 1))
            tag = EMPTY;
        tags |= (uint16_t)(tag << 2 * n);
    }
    return tags;
}

static struct environment env_pack(const struct cpu *cpu, unsigned op_size)
{
    const struct x87_state *x87 = &cpu->s.x87;
    uint32_t field[ENV_FIELDS] = {
        x87->control,      x87->status, x87_full_tags(cpu), (uint32_t)x87->ip, x87->cs,
        (uint32_t)x87->dp, x87->ds};
    bool wide = op_size != 2;
    if (env_is_real(cpu)) {
        uint32_t ip = (uint32_t)x87->ip + ((uint32_t)x87->cs << 4);
        uint32_t dp = (uint32_t)x87->dp + ((uint32_t)x87->ds << 4);
        field[ENV_IP] = ip & 0xFFFF;
        field[ENV_CS] = (ip >> 16 << 12) | x87->opcode;
        field[ENV_DP] = dp & 0xFFFF;
        field[ENV_DS] = dp >> 16 << 12;
    } else if (wide) {
        field[ENV_CS] |= (uint32_t)x87->opcode << 16;
    }
    struct environment env = {.size = wide ? 28 : 14};
    /* Unused upper halves read as ones. */
    bool real = env_is_real(cpu);
    for (unsigned i = 0; i < ENV_FIELDS; i++) {
        uint32_t value = field[i];
        bool half = i <= ENV_TAGS || (real ? i == ENV_IP || i == ENV_DP : i == ENV_DS);
        if (half)
            value |= 0xFFFF0000;
        memcpy(env.bytes + i * (wide ? 4 : 2), &value, wide ? 4 : 2);
    }
    return env;
}

/* Image to state, but for the status word's summary bits, which follow from the masks. */
static void env_unpack(struct cpu *cpu, const struct environment *env)
{
    struct x87_state *x87 = &cpu->s.x87;
    bool wide = env->size == 28;
    uint32_t field[ENV_FIELDS] = {0};
    for (unsigned i = 0; i < ENV_FIELDS; i++)
        memcpy(&field[i], env->bytes + i * (wide ? 4 : 2), wide ? 4 : 2);
    x87->valid = 0;
    for (unsigned n = 0; n < 8; n++)
        x87->valid |= (uint8_t)(((field[ENV_TAGS] >> 2 * n & 3) != 3) << n);
    x87->opcode = 0;
    x87->cs = x87->ds = 0;
    x87->ip = field[ENV_IP];
    x87->dp = field[ENV_DP];
    if (env_is_real(cpu)) {
        x87->ip = (field[ENV_IP] & 0xFFFF) | (field[ENV_CS] >> 12 & (wide ? 0xFFFF : 0xF)) << 16;
        x87->dp = (field[ENV_DP] & 0xFFFF) | (field[ENV_DS] >> 12 & (wide ? 0xFFFF : 0xF)) << 16;
        x87->opcode = field[ENV_CS] & 0x7FF;
    } else {
        x87->cs = (uint16_t)field[ENV_CS];
        x87->ds = (uint16_t)field[ENV_DS];
        if (wide)
            x87->opcode = field[ENV_CS] >> 16 & 0x7FF;
    }
    x87_load_status(cpu, (uint16_t)field[ENV_CONTROL], (uint16_t)field[ENV_STATUS]);
}

enum exec exec_fnstenv(struct cpu *cpu, const struct insn *insn)
{
    struct environment env = env_pack(cpu, insn->op_size);
    struct x87_area area = env_area(env.size, 0);
    if (!x87_area_write(cpu, insn, &area, env.bytes))
        return EXEC_FAULT;
    cpu->s.x87.control |= X87_EXCEPTIONS;
    x87_update_summary(cpu);
    return EXEC_NEXT;
}

enum exec exec_fldenv(struct cpu *cpu, const struct insn *insn)
{
    struct environment env = {.size = insn->op_size == 2 ? 14 : 28};
    if (!x87_wait(cpu))
        return x87_stall(cpu);
    struct x87_area area = env_area(env.size, 0);
    if (!x87_area_read(cpu, insn, &area, env.bytes))
        return EXEC_FAULT;
    env_unpack(cpu, &env);
    return EXEC_NEXT;
}

/* --- whole state: the environment, then ST(0) to ST(7), ten bytes each ------------------------------------
 */

enum { SAVE_MAX = 28 + 8 * ST_IMAGE };

enum exec exec_fnsave(struct cpu *cpu, const struct insn *insn)
{
    uint8_t image[SAVE_MAX];
    struct environment env = env_pack(cpu, insn->op_size);
    memcpy(image, env.bytes, env.size);
    for (unsigned i = 0; i < 8; i++) {
        struct f80 value = x87_get(cpu, i);
        memcpy(image + env.size + i * ST_IMAGE, &value.significand, 8);
        memcpy(image + env.size + i * ST_IMAGE + 8, &value.sign_exp, 2);
    }
    struct x87_area area = env_area(env.size, 8);
    if (!x87_area_write(cpu, insn, &area, image))
        return EXEC_FAULT;
    x87_init(cpu);
    return EXEC_NEXT;
}

enum exec exec_frstor(struct cpu *cpu, const struct insn *insn)
{
    uint8_t image[SAVE_MAX];
    struct environment env = {.size = insn->op_size == 2 ? 14 : 28};
    if (!x87_wait(cpu))
        return x87_stall(cpu);
    struct x87_area area = env_area(env.size, 8);
    if (!x87_area_read(cpu, insn, &area, image))
        return EXEC_FAULT;
    memcpy(env.bytes, image, env.size);
    env_unpack(cpu, &env);
    for (unsigned i = 0; i < 8; i++) {
        unsigned n = x87_physical(cpu, i);
        memcpy(&cpu->s.x87.significand[n], image + env.size + i * ST_IMAGE, 8);
        memcpy(&cpu->s.x87.sign_exp[n], image + env.size + i * ST_IMAGE + 8, 2);
    }
    return EXEC_NEXT;
}
