/* Far JMP and CALL: direct, through call gates, task gates and TSS descriptors (SDM vol. 2 JMP, CALL; vol. 3,
 * 5.8, 7.3).
 *
 * The target is resolved and checked completely (selector, privilege, offset, stack), then committed. Real
 * and virtual-8086 mode load CS as a paragraph number.
 *
 * Left out: nothing. AMD's rule that a far branch in 64-bit mode ignores REX.W is not followed (Intel's is).
 */
#include "cpu/protect.h"

/* A code segment as the target of a direct far transfer from `cpl` (SDM vol. 3, 5.8.1). */
static bool direct_code_check(struct cpu *cpu, struct descriptor *d)
{
    unsigned rpl = d->selector & 3, dpl = descriptor_dpl(d);
    bool allowed = descriptor_is_conforming_code(d) ? dpl <= cpu->cpl : rpl <= cpu->cpl && dpl == cpu->cpl;
    if (!allowed || (in_long_mode(cpu) && descriptor_is_long(d) && (d->low >> 54 & 1) != 0))
        return selector_fault(cpu, VEC_GP, d->selector, 0);
    if (!descriptor_present(d))
        return selector_fault(cpu, VEC_NP, d->selector, 0);
    return true;
}

static void code_commit(struct cpu *cpu, const struct segment *cs, uint64_t rip)
{
    cpu->s.seg[CS] = *cs;
    cpu->s.rip = rip;
    cpu_update_mode(cpu);
}

static struct segment code_segment_of(const struct descriptor *d, unsigned cpl)
{
    return descriptor_segment(d, (uint16_t)((d->selector & 0xFFFCu) | cpl));
}

/* ---- Real and virtual-8086 mode ---- */

static enum exec far_real(struct cpu *cpu, const struct insn *insn, uint16_t selector, uint64_t rip,
                          bool call)
{
    struct segment cs = segment_real(cpu, CS, selector);
    if (!code_offset_check(cpu, &cs, rip, 0))
        return EXEC_FAULT;
    if (call) {
        struct frame frame;
        frame_begin(cpu, &frame, false, 0);
        if (!frame_push(cpu, &frame, insn->op_size, cpu->s.seg[CS].selector) ||
            !frame_push(cpu, &frame, insn->op_size, insn_next_rip(cpu, insn)))
            return EXEC_FAULT;
        frame_commit(cpu, &frame);
        cpu->s.gpr[RSP] = frame_rsp(cpu, &frame);
    }
    cpu_exit(cpu, CPU_EXIT_FAR_TRANSFER, cpu->cpl);
    code_commit(cpu, &cs, rip);
    return EXEC_JUMP;
}

/* ---- Code segments ---- */

static enum exec far_direct(struct cpu *cpu, const struct insn *insn, struct descriptor *d, uint64_t rip,
                            bool call)
{
    if (!direct_code_check(cpu, d))
        return EXEC_FAULT;
    struct segment cs = code_segment_of(d, cpu->cpl);
    rip = code_offset(cpu, &cs, rip);
    struct frame frame;
    if (call) {
        /* The return address goes where the called code's stack is: 64-bit code has no SS base or limit. */
        frame_begin(cpu, &frame, in_long_mode(cpu) && (cs.attr & SEG_L) != 0, 0);
        if (!frame_push(cpu, &frame, insn->op_size, cpu->s.seg[CS].selector) ||
            !frame_push(cpu, &frame, insn->op_size, insn_next_rip(cpu, insn)))
            return EXEC_FAULT;
    }
    if (!code_offset_check(cpu, &cs, rip, 0) || !descriptor_mark_accessed(cpu, d))
        return EXEC_FAULT;
    cs.attr |= SEG_ACCESSED;
    cpu_exit(cpu, CPU_EXIT_FAR_TRANSFER, cpu->cpl);
    if (call) {
        frame_commit(cpu, &frame);
        cpu->s.gpr[RSP] = frame_rsp(cpu, &frame);
    }
    code_commit(cpu, &cs, rip);
    return EXEC_JUMP;
}

/* ---- Call gates ---- */

struct gate_target {
    struct descriptor d;
    struct segment cs;
    uint64_t rip;
    unsigned size; /* of a push */
    unsigned parameters;
    bool inner;
};

/* The gate and the code segment it names. */
static bool gate_resolve(struct cpu *cpu, struct descriptor *gate, bool call, struct gate_target *target)
{
    unsigned dpl = descriptor_dpl(gate);
    if (dpl < cpu->cpl || dpl < (gate->selector & 3u))
        return selector_fault(cpu, VEC_GP, gate->selector, 0);
    if (!descriptor_read_high(cpu, VEC_GP, 0, gate))
        return false;
    if (!descriptor_present(gate))
        return selector_fault(cpu, VEC_NP, gate->selector, 0);

    struct descriptor *d = &target->d;
    uint16_t selector = gate_selector(gate);
    if (selector_is_null(selector))
        return selector_fault(cpu, VEC_GP, 0, 0);
    if (!descriptor_read(cpu, selector, VEC_GP, 0, d))
        return false;
    bool conforming = descriptor_is_conforming_code(d);
    if (!descriptor_is_code(d) || descriptor_dpl(d) > cpu->cpl ||
        (!call && !conforming && descriptor_dpl(d) != cpu->cpl))
        return selector_fault(cpu, VEC_GP, selector, 0);
    if (in_long_mode(cpu) && (!descriptor_is_long(d) || (d->low >> 54 & 1) != 0))
        return selector_fault(cpu, VEC_GP, selector, 0);
    if (!descriptor_present(d))
        return selector_fault(cpu, VEC_NP, selector, 0);

    bool wide = descriptor_type(gate) == SYSTEM_CALL_GATE32;
    target->inner = call && !conforming && descriptor_dpl(d) < cpu->cpl;
    target->cs = code_segment_of(d, target->inner ? descriptor_dpl(d) : cpu->cpl);
    target->rip = gate_offset(gate, wide);
    target->size = in_long_mode(cpu) ? 8 : wide ? 4 : 2;
    target->parameters = in_long_mode(cpu) ? 0 : gate->low >> 32 & 31;
    return true;
}

/* Old SS:rSP, the parameters copied from the old stack, on the stack of the new privilege level. */
static bool gate_push_outer(struct cpu *cpu, const struct gate_target *target, unsigned cpl,
                            struct frame *frame)
{
    struct segment ss;
    uint64_t rsp;
    if (!tss_inner_stack(cpu, cpl, 0, 0, &ss, &rsp))
        return false;
    frame_begin_on(cpu, frame, &ss, rsp, cpl, in_long_mode(cpu), 0);
    if (!frame_push(cpu, frame, target->size, cpu->s.seg[SS].selector) ||
        !frame_push(cpu, frame, target->size, cpu->s.gpr[RSP]))
        return false;
    for (unsigned i = target->parameters; i-- > 0;) {
        uint64_t value;
        if (!stack_peek(cpu, i * target->size, target->size, &value) ||
            !frame_push(cpu, frame, target->size, value))
            return false;
    }
    return true;
}

static enum exec far_gate(struct cpu *cpu, const struct insn *insn, struct descriptor *gate, bool call)
{
    struct gate_target target;
    struct frame frame;
    if (!gate_resolve(cpu, gate, call, &target))
        return EXEC_FAULT;
    unsigned cpl = target.cs.selector & 3;
    if (target.inner) {
        if (!gate_push_outer(cpu, &target, cpl, &frame))
            return EXEC_FAULT;
    } else {
        frame_begin(cpu, &frame, in_long_mode(cpu), 0);
    }
    if (call && (!frame_push(cpu, &frame, target.size, cpu->s.seg[CS].selector) ||
                 !frame_push(cpu, &frame, target.size, insn_next_rip(cpu, insn))))
        return EXEC_FAULT;
    if (!code_offset_check(cpu, &target.cs, target.rip, 0) || !descriptor_mark_accessed(cpu, &target.d))
        return EXEC_FAULT;
    target.cs.attr |= SEG_ACCESSED;
    cpu_exit(cpu, CPU_EXIT_FAR_TRANSFER, cpl);
    if (call) {
        frame_commit(cpu, &frame);
        if (target.inner)
            cpu->s.seg[SS] = frame.ss;
        cpu->s.gpr[RSP] = frame_rsp(cpu, &frame);
    }
    code_commit(cpu, &target.cs, target.rip);
    return EXEC_JUMP;
}

/* ---- Tasks ---- */

static enum exec far_task(struct cpu *cpu, const struct insn *insn, struct descriptor *d, bool call)
{
    unsigned dpl = descriptor_dpl(d);
    if (in_long_mode(cpu) || dpl < cpu->cpl || dpl < (d->selector & 3u)) {
        selector_fault(cpu, VEC_GP, d->selector, 0);
        return EXEC_FAULT;
    }
    if (!descriptor_present(d)) {
        selector_fault(cpu, VEC_NP, d->selector, 0);
        return EXEC_FAULT;
    }
    struct descriptor tss = *d;
    if (descriptor_type(d) == SYSTEM_TASK_GATE && !task_gate_target(cpu, d, 0, &tss))
        return EXEC_FAULT;
    cpu->skip_step = true; /* TF of the new task counts from its first instruction on */
    return task_switch(cpu, &tss, call ? TASK_CALL : TASK_JMP, insn_next_rip(cpu, insn), flags_read(cpu),
                       NULL, 0)
               ? EXEC_JUMP
               : EXEC_FAULT;
}

/* ---- Dispatch ---- */

static enum exec far_system(struct cpu *cpu, const struct insn *insn, struct descriptor *d, bool call)
{
    switch (descriptor_type(d)) {
    case SYSTEM_CALL_GATE16:
        if (in_long_mode(cpu))
            break;
        return far_gate(cpu, insn, d, call);
    case SYSTEM_CALL_GATE32: return far_gate(cpu, insn, d, call);
    case SYSTEM_TSS16:
    case SYSTEM_TSS32:
    case SYSTEM_TASK_GATE: return far_task(cpu, insn, d, call);
    default: break;
    }
    selector_fault(cpu, VEC_GP, d->selector, 0);
    return EXEC_FAULT;
}

static enum exec far_transfer(struct cpu *cpu, const struct insn *insn, uint16_t selector, uint64_t rip,
                              bool call)
{
    if (cpu->mode & MODE_REAL)
        return far_real(cpu, insn, selector, rip, call);
    struct descriptor d;
    if (selector_is_null(selector)) {
        selector_fault(cpu, VEC_GP, 0, 0);
        return EXEC_FAULT;
    }
    if (!descriptor_read(cpu, selector, VEC_GP, 0, &d))
        return EXEC_FAULT;
    if (descriptor_is_code(&d))
        return far_direct(cpu, insn, &d, rip, call);
    if (descriptor_is_segment(&d)) {
        selector_fault(cpu, VEC_GP, selector, 0);
        return EXEC_FAULT;
    }
    return far_system(cpu, insn, &d, call);
}

static bool far_pointer_read(struct cpu *cpu, const struct insn *insn, uint64_t *offset, uint16_t *selector)
{
    uint64_t ea = insn_ea(cpu, insn), wide;
    uint64_t next = ea + insn->op_size;
    if (insn->addr_size < 8)
        next = insn->addr_size == 4 ? (uint32_t)next : (uint16_t)next;
    if (!mem_read(cpu, insn->seg, ea, insn->op_size, offset) || !mem_read(cpu, insn->seg, next, 2, &wide))
        return false;
    *selector = (uint16_t)wide;
    return true;
}

enum exec exec_jmp_far(struct cpu *cpu, const struct insn *insn)
{
    return far_transfer(cpu, insn, insn->imm2, insn->imm, false);
}

enum exec exec_call_far(struct cpu *cpu, const struct insn *insn)
{
    return far_transfer(cpu, insn, insn->imm2, insn->imm, true);
}

enum exec exec_jmp_far_mem(struct cpu *cpu, const struct insn *insn)
{
    uint64_t offset;
    uint16_t selector;
    if (!far_pointer_read(cpu, insn, &offset, &selector))
        return EXEC_FAULT;
    return far_transfer(cpu, insn, selector, offset, false);
}

enum exec exec_call_far_mem(struct cpu *cpu, const struct insn *insn)
{
    uint64_t offset;
    uint16_t selector;
    if (!far_pointer_read(cpu, insn, &offset, &selector))
        return EXEC_FAULT;
    return far_transfer(cpu, insn, selector, offset, true);
}
