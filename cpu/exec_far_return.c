/* Far RET and IRET in all their forms (SDM vol. 2 RET, IRET; vol. 3, 5.8.6, 6.12, 20.2).
 *
 * Both resolve the return CS:rIP and, to an outer level, SS:rSP, check them completely and then commit. IRET
 * adds flags, NT (task return), virtual-8086 mode and NMI unblocking.
 *
 * Left out: shadow stacks. */
#include "cpu/protect.h"

struct far_return {
    uint16_t cs_selector, ss_selector;
    uint64_t rip, rsp;
    struct descriptor cs_descriptor, ss_descriptor;
    struct segment cs, ss;
    unsigned cpl; /* after */
};

/* ---- Checks ---- */

static bool return_code_check(struct cpu *cpu, struct far_return *ret)
{
    struct descriptor *d = &ret->cs_descriptor;
    uint16_t selector = ret->cs_selector;
    unsigned rpl = selector & 3;
    if (selector_is_null(selector))
        return selector_fault(cpu, VEC_GP, 0, 0);
    if (!descriptor_read(cpu, selector, VEC_GP, 0, d))
        return false;
    unsigned dpl = descriptor_dpl(d);
    if (!descriptor_is_code(d) || rpl < cpu->cpl ||
        (descriptor_is_conforming_code(d) ? dpl > rpl : dpl != rpl) ||
        (in_long_mode(cpu) && descriptor_is_long(d) && (d->low >> 54 & 1) != 0))
        return selector_fault(cpu, VEC_GP, selector, 0);
    if (!descriptor_present(d))
        return selector_fault(cpu, VEC_NP, selector, 0);
    ret->cpl = rpl;
    ret->cs = descriptor_segment(d, selector);
    ret->rip = code_offset(cpu, &ret->cs, ret->rip);
    return true;
}

/* SS of an outer level. Null only for a 64-bit target below CPL 3. */
static bool return_stack_check(struct cpu *cpu, struct far_return *ret)
{
    struct descriptor *d = &ret->ss_descriptor;
    uint16_t selector = ret->ss_selector;
    if (selector_is_null(selector)) {
        if (!in_long_mode(cpu) || !(ret->cs.attr & SEG_L) || ret->cpl == 3 || (selector & 3u) != ret->cpl)
            return selector_fault(cpu, VEC_GP, 0, 0);
        ret->ss = segment_null(selector, ret->cpl);
        return true;
    }
    if (!descriptor_read(cpu, selector, VEC_GP, 0, d))
        return false;
    if ((selector & 3u) != ret->cpl || descriptor_dpl(d) != ret->cpl || !descriptor_is_writable_data(d))
        return selector_fault(cpu, VEC_GP, selector, 0);
    if (!descriptor_present(d))
        return selector_fault(cpu, VEC_SS, selector, 0);
    ret->ss = descriptor_segment(d, selector);
    return descriptor_mark_accessed(cpu, d);
}

/* ---- Commit ---- */

/* A data segment register must not keep a segment the outer level could not have loaded (SDM vol. 3,
 * 5.8.6). */
static void drop_inner_segments(struct cpu *cpu)
{
    static const uint8_t data[] = {ES, DS, FS, GS};
    for (unsigned i = 0; i < ARRAY_LEN(data); i++) {
        struct segment *segment = &cpu->s.seg[data[i]];
        unsigned dpl = (segment->attr & SEG_DPL) >> SEG_DPL_SHIFT;
        bool conforming = (segment->attr & (SEG_CODE | SEG_CONFORMING)) == (SEG_CODE | SEG_CONFORMING);
        /* A null selector has no descriptor to compare with: it becomes plain 0, and in long mode FS and GS
         * keep the base that an MSR gave them (seen on Intel processors). */
        if (!(segment->attr & SEG_P))
            segment->selector = 0;
        if ((segment->attr & SEG_P) != 0 && dpl < cpu->cpl && !conforming) {
            *segment = segment_null(0, 0);
            cpu_update_segment(cpu, data[i]);
        }
    }
}

static uint64_t code_stack_mask(const struct cpu *cpu, const struct segment *cs, const struct segment *ss)
{
    if (in_long_mode(cpu) && cs->attr & SEG_L)
        return UINT64_MAX;
    return ss->attr & SEG_DB ? UINT32_MAX : UINT16_MAX;
}

/* To the same level: the stack pointer is as wide as the code returned to sees it, the bytes dropped are
 * counted as the code that returns does (seen on Intel processors). */
static void return_same_commit(struct cpu *cpu, const struct far_return *ret, uint64_t bytes)
{
    uint64_t mask = code_stack_mask(cpu, &ret->cs, &cpu->s.seg[SS]);
    cpu->s.gpr[RSP] = stack_pointer_merge(cpu->s.gpr[RSP], cpu->s.gpr[RSP] + (bytes & stack_mask(cpu)), mask);
    cpu->s.seg[CS] = ret->cs;
    cpu->s.rip = ret->rip;
    cpu_update_privilege(cpu);
}

/* To an outer level, or any IRET of 64-bit mode: CS:rIP and SS:rSP. */
static void return_outer_commit(struct cpu *cpu, const struct far_return *ret, uint64_t extra)
{
    unsigned old_cpl = cpu->cpl;
    uint64_t mask = code_stack_mask(cpu, &ret->cs, &ret->ss);
    cpu->s.seg[CS] = ret->cs;
    cpu->s.seg[SS] = ret->ss;
    cpu->s.gpr[RSP] = stack_pointer_merge(cpu->s.gpr[RSP], ret->rsp + extra, mask);
    cpu->s.rip = ret->rip;
    cpu_update_privilege(cpu);
    if (ret->cpl > old_cpl)
        drop_inner_segments(cpu);
}

/* ---- RET far ---- */

static enum exec ret_far_real(struct cpu *cpu, const struct insn *insn, uint64_t extra)
{
    uint64_t rip, selector;
    if (!stack_peek(cpu, 0, insn->op_size, &rip) || !stack_peek(cpu, insn->op_size, insn->op_size, &selector))
        return EXEC_FAULT;
    struct segment cs = segment_real(cpu, CS, (uint16_t)selector);
    if (!code_offset_check(cpu, &cs, rip, 0))
        return EXEC_FAULT;
    cpu_exit(cpu, CPU_EXIT_FAR_TRANSFER, cpu->cpl);
    stack_drop(cpu, 2 * insn->op_size + extra);
    cpu->s.seg[CS] = cs;
    cpu->s.rip = rip;
    cpu_update_mode(cpu);
    return EXEC_JUMP;
}

static enum exec ret_far(struct cpu *cpu, const struct insn *insn, uint64_t extra)
{
    unsigned size = insn->op_size;
    struct far_return ret;
    uint64_t value;
    if (cpu->mode & MODE_REAL)
        return ret_far_real(cpu, insn, extra);
    if (!stack_peek(cpu, size, 2, &value) || !stack_peek(cpu, 0, size, &ret.rip))
        return EXEC_FAULT;
    ret.cs_selector = (uint16_t)value;
    if (!return_code_check(cpu, &ret))
        return EXEC_FAULT;
    bool outer = ret.cpl > cpu->cpl;
    if (outer) {
        if (!stack_peek(cpu, 3 * size + extra, 2, &value) ||
            !stack_peek(cpu, 2 * size + extra, size, &ret.rsp))
            return EXEC_FAULT;
        ret.ss_selector = (uint16_t)value;
        if (!return_stack_check(cpu, &ret))
            return EXEC_FAULT;
    }
    if (!code_offset_check(cpu, &ret.cs, ret.rip, 0) || !descriptor_mark_accessed(cpu, &ret.cs_descriptor))
        return EXEC_FAULT;
    cpu_exit(cpu, CPU_EXIT_FAR_TRANSFER, ret.cpl);
    if (outer) {
        return_outer_commit(cpu, &ret, extra);
    } else {
        return_same_commit(cpu, &ret, 2 * size + extra);
    }
    return EXEC_JUMP;
}

enum exec exec_ret_far(struct cpu *cpu, const struct insn *insn)
{
    return ret_far(cpu, insn, 0);
}

enum exec exec_ret_far_imm(struct cpu *cpu, const struct insn *insn)
{
    return ret_far(cpu, insn, (uint16_t)insn->imm);
}

/* ---- IRET ---- */

/* Flags an IRET of `size` bytes may change; a 16-bit one leaves the upper half alone. */
static uint64_t iret_flags_mask(const struct cpu *cpu, unsigned size)
{
    uint64_t mask = rflags_writable(cpu, cpu->cpl, cpu_iopl(cpu)) | FLAG_RF;
    if (cpu->cpl == 0)
        mask |= FLAG_VIF | FLAG_VIP;
    return size == 2 ? mask & 0xFFFF : mask;
}

/* After any IRET: NMIs come through again. */
static enum exec iret_done(struct cpu *cpu)
{
    cpu->s.nmi_blocked = 0;
    cpu_attend(cpu);
    return EXEC_JUMP;
}

static enum exec iret_real(struct cpu *cpu, const struct insn *insn)
{
    unsigned size = insn->op_size;
    bool v86 = cpu->cpl == 3;
    bool virtual_if = false;
    if (v86 && cpu_iopl(cpu) < 3) {
        virtual_if = (cpu->s.cr4 & CR4_VME) != 0 && size == 2;
        if (!virtual_if)
            return cpu_fault_code(cpu, VEC_GP, 0);
    }
    uint64_t rip, selector, flags;
    if (!stack_peek(cpu, 0, size, &rip) || !stack_peek(cpu, size, size, &selector) ||
        !stack_peek(cpu, 2 * size, size, &flags))
        return EXEC_FAULT;
    struct segment cs = segment_real(cpu, CS, (uint16_t)selector);
    if (!code_offset_check(cpu, &cs, rip, 0))
        return EXEC_FAULT;
    /* SDM vol. 3, 20.3.3.2: setting VIF while VIP is set, or TF, must go to the monitor. */
    if (virtual_if && ((flags & FLAG_TF) != 0 || ((flags & FLAG_IF) != 0 && (cpu->s.rflags & FLAG_VIP) != 0)))
        return cpu_fault_code(cpu, VEC_GP, 0);

    cpu_exit(cpu, CPU_EXIT_IRET, cpu->cpl);
    uint64_t mask = rflags_writable(cpu, 0, 0) | (size == 2 ? 0 : FLAG_RF);
    if (v86)
        mask &= ~(uint64_t)FLAG_IOPL;
    if (size == 2)
        mask &= 0xFFFF;
    if (virtual_if) {
        mask = (mask & ~(uint64_t)FLAG_IF) | FLAG_VIF;
        flags = (flags & ~(uint64_t)FLAG_VIF) | (flags & FLAG_IF ? FLAG_VIF : 0);
    }
    stack_drop(cpu, 3 * size);
    cpu->s.seg[CS] = cs;
    cpu->s.rip = rip;
    rflags_load(cpu, flags, mask);
    cpu_update_mode(cpu);
    return iret_done(cpu);
}

/* Return to the task named by the back link (SDM vol. 3, 7.4). */
static enum exec iret_task(struct cpu *cpu, const struct insn *insn)
{
    uint64_t link;
    struct descriptor tss;
    if (!sys_read(cpu, cpu->s.tr.base, 2, &link))
        return EXEC_FAULT;
    uint16_t selector = (uint16_t)link;
    if ((selector & 4) != 0 || selector_is_null(selector)) {
        selector_fault(cpu, VEC_TS, selector, 0);
        return EXEC_FAULT;
    }
    if (!descriptor_read(cpu, selector, VEC_TS, 0, &tss))
        return EXEC_FAULT;
    unsigned type = descriptor_type(&tss);
    if (descriptor_is_segment(&tss) || (type != SYSTEM_TSS16_BUSY && type != SYSTEM_TSS32_BUSY)) {
        selector_fault(cpu, VEC_TS, selector, 0);
        return EXEC_FAULT;
    }
    if (!descriptor_present(&tss)) {
        selector_fault(cpu, VEC_NP, selector, 0);
        return EXEC_FAULT;
    }
    cpu->skip_step = true;
    if (!task_switch(cpu, &tss, TASK_IRET, insn_next_rip(cpu, insn), flags_read(cpu) & ~(uint64_t)FLAG_NT,
                     NULL, 0))
        return EXEC_FAULT;
    return iret_done(cpu);
}

/* To virtual-8086 mode: nine doublewords (SDM vol. 3, 20.2.5). */
static enum exec iret_v86(struct cpu *cpu, uint64_t rip, uint64_t cs, uint64_t flags)
{
    static const uint8_t order[] = {SS, ES, DS, FS, GS};
    uint64_t rsp, selector[ARRAY_LEN(order)];
    if (!stack_peek(cpu, 12, 4, &rsp))
        return EXEC_FAULT;
    for (unsigned i = 0; i < ARRAY_LEN(order); i++)
        if (!stack_peek(cpu, 16 + 4 * i, 4, &selector[i]))
            return EXEC_FAULT;
    if ((rip & UINT32_MAX) > 0xFFFF)
        return cpu_fault_code(cpu, VEC_GP, 0);

    cpu_exit(cpu, CPU_EXIT_IRET, 3);
    rflags_load(cpu, flags, iret_flags_mask(cpu, 4) | FLAG_VM | FLAG_IF | FLAG_IOPL);
    cpu->s.seg[CS] = segment_real(cpu, CS, (uint16_t)cs);
    for (unsigned i = 0; i < ARRAY_LEN(order); i++)
        cpu->s.seg[order[i]] = segment_real(cpu, order[i], (uint16_t)selector[i]);
    cpu->s.gpr[RSP] = (uint32_t)rsp;
    cpu->s.rip = (uint16_t)rip;
    cpu_update_mode(cpu);
    return iret_done(cpu);
}

static enum exec iret_protected(struct cpu *cpu, const struct insn *insn)
{
    unsigned size = insn->op_size;
    struct far_return ret;
    uint64_t cs, flags, value;
    if (!stack_peek(cpu, 2 * size, size, &flags) || !stack_peek(cpu, size, 2, &cs) ||
        !stack_peek(cpu, 0, size, &ret.rip))
        return EXEC_FAULT;
    if (size == 4 && (flags & FLAG_VM) != 0 && cpu->cpl == 0 && !in_long_mode(cpu))
        return iret_v86(cpu, ret.rip, cs, flags);

    ret.cs_selector = (uint16_t)cs;
    if (!return_code_check(cpu, &ret))
        return EXEC_FAULT;
    bool with_stack = ret.cpl > cpu->cpl || cpu->long64;
    if (with_stack) {
        if (!stack_peek(cpu, 4 * size, 2, &value) || !stack_peek(cpu, 3 * size, size, &ret.rsp))
            return EXEC_FAULT;
        ret.ss_selector = (uint16_t)value;
        if (!return_stack_check(cpu, &ret))
            return EXEC_FAULT;
    }
    if (!code_offset_check(cpu, &ret.cs, ret.rip, 0) || !descriptor_mark_accessed(cpu, &ret.cs_descriptor))
        return EXEC_FAULT;

    cpu_exit(cpu, CPU_EXIT_IRET, ret.cpl);
    rflags_load(cpu, flags, iret_flags_mask(cpu, size));
    if (with_stack) {
        return_outer_commit(cpu, &ret, 0);
    } else {
        return_same_commit(cpu, &ret, 3 * size);
    }
    return iret_done(cpu);
}

enum exec exec_iret(struct cpu *cpu, const struct insn *insn)
{
    if (cpu->mode & MODE_REAL)
        return iret_real(cpu, insn);
    if (cpu->s.rflags & FLAG_NT) {
        if (in_long_mode(cpu))
            return cpu_fault_code(cpu, VEC_GP, 0);
        return iret_task(cpu, insn);
    }
    return iret_protected(cpu, insn);
}
