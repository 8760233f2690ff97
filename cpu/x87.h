/* The x87 register stack, environment and exceptions, shared by the exec_x87_* files. Private to cpu/ and the
 * translator.
 *
 * Order inside a handler: (1) x87_wait: #MF of an earlier instruction; (2) memory reads; (3) x87_note: the
 * last-instruction pointers; (4) stack checks and the operation; (5) memory write, which may still fault; (6)
 * x87_raise, which sets the status word and says whether results are delivered; (7) registers and TOP.
 *
 * Sources: SDM vol. 1, chapter 8 (registers 8.1, stack faults 8.5.1.1, exceptions 8.5, 8.6). */
#ifndef CROSSPAGE_CPU_X87_H
#define CROSSPAGE_CPU_X87_H

#include "cpu/exec.h"
#include "cpu/fp/fp.h"

enum x87_status {
    X87_EXCEPTIONS = 0x3F, /* enum fp_exception */
    X87_SF = 1 << 6,       /* stack fault */
    X87_ES = 1 << 7,       /* an unmasked exception is pending */
    X87_C0 = 1 << 8,
    X87_C1 = 1 << 9,
    X87_C2 = 1 << 10,
    X87_TOP_SHIFT = 11,
    X87_TOP = 7 << X87_TOP_SHIFT,
    X87_C3 = 1 << 14,
    X87_B = 1 << 15, /* copy of ES */
    X87_CODES = X87_C0 | X87_C1 | X87_C2 | X87_C3,
};

enum { X87_CONTROL_INIT = 0x037F, X87_CONTROL_WRITABLE = 0x1F3F, X87_CONTROL_FIXED = 0x0040 };

/* --- stack --------------------------------------------------------------------------------------------- */

/* Physical number of ST(i). */
static inline unsigned x87_physical(const struct cpu *cpu, unsigned i)
{
    return ((unsigned)(cpu->s.x87.status >> X87_TOP_SHIFT) + i) & 7;
}

static inline bool x87_empty(const struct cpu *cpu, unsigned i)
{
    return !(cpu->s.x87.valid >> x87_physical(cpu, i) & 1);
}

static inline struct f80 x87_get(const struct cpu *cpu, unsigned i)
{
    unsigned n = x87_physical(cpu, i);
    return (struct f80){cpu->s.x87.significand[n], cpu->s.x87.sign_exp[n]};
}

static inline struct fp_num x87_num(const struct cpu *cpu, unsigned i)
{
    return fp_from_f80(x87_get(cpu, i));
}

static inline void x87_set(struct cpu *cpu, unsigned i, struct f80 value)
{
    unsigned n = x87_physical(cpu, i);
    cpu->s.x87.significand[n] = value.significand;
    cpu->s.x87.sign_exp[n] = value.sign_exp;
    cpu->s.x87.valid |= (uint8_t)(1 << n);
}

static inline void x87_set_top(struct cpu *cpu, unsigned top)
{
    cpu->s.x87.status = (uint16_t)((cpu->s.x87.status & ~X87_TOP) | (top & 7) << X87_TOP_SHIFT);
}

static inline void x87_push(struct cpu *cpu, struct f80 value)
{
    x87_set_top(cpu, x87_physical(cpu, 7));
    x87_set(cpu, 0, value);
}

static inline void x87_pop(struct cpu *cpu)
{
    cpu->s.x87.valid &= (uint8_t) ~(1 << x87_physical(cpu, 0));
    x87_set_top(cpu, x87_physical(cpu, 1));
}

static inline struct f80 x87_indefinite(void)
{
    return (struct f80){0xC000000000000000, 0xFFFF};
}

/* --- status and exceptions ----------------------------------------------------------------------------- */

static inline void x87_set_codes(struct cpu *cpu, uint16_t codes)
{
    cpu->s.x87.status = (uint16_t)((cpu->s.x87.status & ~X87_CODES) | codes);
}

static inline void x87_clear_c1(struct cpu *cpu)
{
    cpu->s.x87.status &= (uint16_t)~X87_C1;
}

static inline struct fp_env x87_env(const struct cpu *cpu)
{
    static const uint8_t precision[] = {24, 64, 53, 64}; /* 01 is reserved; acts as extended */
    uint16_t control = cpu->s.x87.control;
    return (struct fp_env){.rounding = control >> 10 & 3,
                           .precision = precision[control >> 8 & 3],
                           .masks = control & X87_EXCEPTIONS};
}

/* Recompute ES, B and FERR# after the status or control word changed. */
void x87_update_summary(struct cpu *cpu);

/* Slow half of x87_raise and x87_raise_store: some exception happened. */
bool x87_raise_slow(struct cpu *cpu, const struct fp_env *env, bool to_memory);

/* Enter the exceptions of an operation into the status word, with C1 = rounded up. True: deliver the result.
 * False: an unmasked exception withholds it; operands, TOP and memory stay. */
static inline bool x87_raise(struct cpu *cpu, const struct fp_env *env)
{
    x87_clear_c1(cpu);
    return LIKELY(env->flags == 0) || x87_raise_slow(cpu, env, false);
}

/* Stack fault: underflow when C1 is clear, overflow when set. True: masked, deliver indefinite values. */
bool x87_stack_fault(struct cpu *cpu, bool overflow);

/* Would this result be withheld? For stores, which must touch memory before the status word. */
bool x87_store_withheld(const struct fp_env *env);

/* Remember instruction, data pointer and opcode (SDM 1, 8.1.8): every x87 instruction but the control ones.
 */
static inline void x87_note(struct cpu *cpu, const struct insn *insn)
{
    struct x87_state *x87 = &cpu->s.x87;
    x87->ip = cpu->s.rip;
    x87->cs = cpu->s.seg[CS].selector;
    x87->opcode = (uint16_t)((insn->opcode & 7) << 8 | insn->modrm);
    if (insn->modrm < 0xC0) {
        x87->dp = insn_ea(cpu, insn);
        x87->ds = cpu->s.seg[insn->seg].selector;
    }
}

/* What a handler returns after x87_wait said no: the #MF, or with CR0.NE = 0 another try of the same
 * instruction, until an interrupt or IGNNE# ends the wait. */
enum exec x87_stall(struct cpu *cpu);

/* Start of every waiting register-form handler. */
static inline bool x87_begin(struct cpu *cpu, const struct insn *insn)
{
    if (UNLIKELY(!x87_wait(cpu)))
        return false;
    x87_note(cpu, insn);
    return true;
}

/* The memory area of a state instruction: elements of head_unit bytes up to `head`, then of tail_unit bytes.
 */
struct x87_area {
    unsigned size, head, head_unit, tail_unit;
};

/* Read or write (image to memory) the whole area at the instruction's effective address, or fault with
 * nothing done. Addresses wrap at the address size, between elements. */
bool x87_area_read(struct cpu *cpu, const struct insn *insn, const struct x87_area *area,
                   uint8_t *image) MUST_CHECK;
bool x87_area_write(struct cpu *cpu, const struct insn *insn, const struct x87_area *area,
                    const uint8_t *image) MUST_CHECK;
bool x87_area_check_write(struct cpu *cpu, const struct insn *insn, const struct x87_area *area) MUST_CHECK;

/* FNINIT's state. */
void x87_init(struct cpu *cpu);

/* Two tag bits per physical register, computed from its content (SDM 1, 8.1.7). */
uint16_t x87_full_tags(const struct cpu *cpu);

/* What a status word from memory becomes: summary bits follow the masks. */
void x87_load_status(struct cpu *cpu, uint16_t control, uint16_t status);

#endif
