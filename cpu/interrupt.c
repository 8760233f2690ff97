/* Delivery of interrupts and exceptions through the IVT or IDT (SDM vol. 3, chapter 6; 20.3 for virtual-8086
 * mode; vol. 2 INT n).
 *
 * One function delivers every kind of event; kinds differ in privilege check and in the EXT bit of error
 * codes. Everything that can fault (gate, code segment, stack, frame) is checked before the first push.
 *
 *     real mode           IVT: push FLAGS, CS, IP
 *     virtual-8086, VME   INT n whose bit in the TSS redirection map is clear: the task's own IVT
 *     protected           interrupt and trap gates of 16 and 32 bits, to the same or an inner level; task
 * gates IA-32e              64-bit gates, IST, 16-byte aligned frames that always hold SS:RSP
 *
 * Left out: user interrupts, FRED.
 *
 * Invariant: on false a fault is recorded and nothing was committed (a task switch excepted, see task.c). */
#include "cpu/protect.h"

struct gate {
    struct descriptor d; /* of the gate */
    struct descriptor code;
    struct segment cs;
    uint64_t rip;
    unsigned size; /* of a push */
    unsigned cpl;  /* of the handler */
    unsigned ist;
    bool trap;
};

static unsigned event_ext(const struct cpu_event *event)
{
    return event->kind == EVENT_SOFTWARE || event->kind == EVENT_INT_N ? 0 : 1;
}

static bool vector_fault(struct cpu *cpu, enum exception vector, const struct cpu_event *event)
{
    cpu_fault_code(cpu, vector, (uint32_t)event->vector * 8 + 2 + event_ext(event));
    return false;
}

/* ---- Real mode, and virtual-8086 interrupts that stay in the task ---- */

static bool deliver_real(struct cpu *cpu, const struct cpu_event *event, uint64_t ivt, uint64_t flags)
{
    uint64_t offset, selector;
    if (!sys_read(cpu, ivt + event->vector * 4u, 2, &offset) ||
        !sys_read(cpu, ivt + event->vector * 4u + 2, 2, &selector))
        return false;
    struct frame frame;
    frame_begin(cpu, &frame, false, event_ext(event));
    if (!frame_push(cpu, &frame, 2, flags) || !frame_push(cpu, &frame, 2, cpu->s.seg[CS].selector) ||
        !frame_push(cpu, &frame, 2, event->rip))
        return false;
    struct segment cs = segment_real(cpu, CS, (uint16_t)selector);
    if (!code_offset_check(cpu, &cs, offset, event_ext(event)))
        return false;
    cpu_exit(cpu, event->exit, event->exit_detail);
    frame_commit(cpu, &frame);
    cpu->s.gpr[RSP] = frame_rsp(cpu, &frame);
    cpu->s.seg[CS] = cs;
    cpu->s.rip = offset;
    return true;
}

static bool event_deliver_real(struct cpu *cpu, const struct cpu_event *event)
{
    if (event->vector * 4u + 3 > cpu->s.idtr.limit)
        return vector_fault(cpu, VEC_GP, event);
    if (!deliver_real(cpu, event, cpu->s.idtr.base, event->flags))
        return false;
    cpu->s.rflags &= ~(uint64_t)(FLAG_IF | FLAG_TF | FLAG_AC | FLAG_RF);
    cpu_update_mode(cpu);
    return true;
}

/* INT n in virtual-8086 mode with CR4.VME: is the vector redirected to the monitor? The 32-byte map lies
 * below the I/O permission map of the 32-bit TSS (SDM vol. 3, 20.3.1); a TSS too small for it is #GP(0). */
static bool vme_bit(struct cpu *cpu, unsigned vector, bool *to_monitor)
{
    const struct segment *tr = &cpu->s.tr;
    uint64_t map, bits;
    if (!(tr->attr & 8) || tr->limit < 103) {
        cpu_fault_code(cpu, VEC_GP, 0);
        return false;
    }
    if (!sys_read(cpu, tr->base + 102, 2, &map))
        return false;
    uint64_t offset = map - 32 + vector / 8;
    if (map < 32 || offset > tr->limit) {
        cpu_fault_code(cpu, VEC_GP, 0);
        return false;
    }
    if (!sys_read(cpu, tr->base + offset, 1, &bits))
        return false;
    *to_monitor = (bits >> (vector & 7) & 1) != 0;
    return true;
}

static bool event_deliver_vme(struct cpu *cpu, const struct cpu_event *event)
{
    bool virtual_if = cpu_iopl(cpu) < 3;
    uint64_t flags = event->flags;
    if (virtual_if) {
        flags = (flags & ~(uint64_t)FLAG_IF) | FLAG_IOPL;
        flags |= cpu->s.rflags & FLAG_VIF ? FLAG_IF : 0;
    }
    if (!deliver_real(cpu, event, 0, flags))
        return false;
    cpu->s.rflags &= ~(uint64_t)(FLAG_TF | FLAG_RF | (virtual_if ? FLAG_VIF : FLAG_IF));
    cpu_update_mode(cpu);
    return true;
}

/* ---- Gates ---- */

/* Fetch and check the gate descriptor. */
static bool gate_fetch(struct cpu *cpu, const struct cpu_event *event, struct gate *gate)
{
    bool ia32e = in_long_mode(cpu);
    unsigned bytes = ia32e ? 16 : 8;
    uint64_t offset = (uint64_t)event->vector * bytes;
    gate->d = (struct descriptor){.address = cpu->s.idtr.base + offset};
    if (offset + bytes - 1 > cpu->s.idtr.limit)
        return vector_fault(cpu, VEC_GP, event);
    if (!ia32e)
        gate->d.address = (uint32_t)gate->d.address;
    if (!sys_read(cpu, gate->d.address, 8, &gate->d.low) ||
        (ia32e && !sys_read(cpu, gate->d.address + 8, 8, &gate->d.high)))
        return false;
    gate->d.high &= UINT32_MAX;

    unsigned type = descriptor_type(&gate->d);
    bool known =
        type == SYSTEM_INT_GATE32 || type == SYSTEM_TRAP_GATE32 ||
        (!ia32e && (type == SYSTEM_INT_GATE16 || type == SYSTEM_TRAP_GATE16 || type == SYSTEM_TASK_GATE));
    if (descriptor_is_segment(&gate->d) || !known)
        return vector_fault(cpu, VEC_GP, event);
    bool software = event->kind == EVENT_SOFTWARE || event->kind == EVENT_INT_N;
    if (software && descriptor_dpl(&gate->d) < cpu->cpl)
        return vector_fault(cpu, VEC_GP, event);
    if (!descriptor_present(&gate->d))
        return vector_fault(cpu, VEC_NP, event);

    bool wide = type >= SYSTEM_INT_GATE32;
    gate->trap = (type & 1) != 0;
    gate->rip = gate_offset(&gate->d, wide);
    gate->size = ia32e ? 8 : wide ? 4 : 2;
    gate->ist = ia32e ? gate->d.low >> 32 & 7 : 0;
    return true;
}

/* The handler's code segment and the privilege level it runs at. */
static bool gate_code_check(struct cpu *cpu, const struct cpu_event *event, struct gate *gate)
{
    unsigned ext = event_ext(event);
    struct descriptor *d = &gate->code;
    uint16_t selector = gate_selector(&gate->d);
    if (selector_is_null(selector))
        return selector_fault(cpu, VEC_GP, 0, ext);
    if (!descriptor_read(cpu, selector, VEC_GP, ext, d))
        return false;
    bool conforming = descriptor_is_conforming_code(d);
    if (!descriptor_is_code(d) || descriptor_dpl(d) > cpu->cpl ||
        (in_long_mode(cpu) && (!descriptor_is_long(d) || (d->low >> 54 & 1) != 0)))
        return selector_fault(cpu, VEC_GP, selector, ext);
    if (!descriptor_present(d))
        return selector_fault(cpu, VEC_NP, selector, ext);
    gate->cpl = conforming ? cpu->cpl : descriptor_dpl(d);
    if (cpu->s.rflags & FLAG_VM && gate->cpl != 0)
        return selector_fault(cpu, VEC_GP, selector, ext);
    gate->cs = descriptor_segment(d, (uint16_t)((selector & 0xFFFCu) | gate->cpl));
    return true;
}

/* The stack the frame goes to, with what precedes the flags in it. */
static bool gate_frame_begin(struct cpu *cpu, const struct cpu_event *event, const struct gate *gate,
                             struct frame *frame)
{
    static const uint8_t v86_order[] = {GS, FS, DS, ES};
    unsigned ext = event_ext(event);
    bool ia32e = in_long_mode(cpu);
    bool inner = gate->cpl < cpu->cpl;
    struct segment ss = cpu->s.seg[SS];
    uint64_t rsp = cpu->s.gpr[RSP];

    if ((inner || gate->ist != 0) && !tss_inner_stack(cpu, gate->cpl, gate->ist, ext, &ss, &rsp))
        return false;
    if (!inner && !ia32e) {
        frame_begin(cpu, frame, false, ext);
        return true;
    }
    if (ia32e) {
        if (!inner)
            ss = cpu->s.seg[SS];
        rsp &= ~UINT64_C(15);
    }
    frame_begin_on(cpu, frame, &ss, rsp, gate->cpl, ia32e, ext);
    if (cpu->s.rflags & FLAG_VM)
        for (unsigned i = 0; i < ARRAY_LEN(v86_order); i++)
            if (!frame_push(cpu, frame, gate->size, cpu->s.seg[v86_order[i]].selector))
                return false;
    return frame_push(cpu, frame, gate->size, cpu->s.seg[SS].selector) &&
           frame_push(cpu, frame, gate->size, cpu->s.gpr[RSP]);
}

static void gate_commit(struct cpu *cpu, const struct gate *gate, const struct frame *frame)
{
    frame_commit(cpu, frame);
    if (cpu->s.rflags & FLAG_VM) {
        static const uint8_t data[] = {ES, DS, FS, GS};
        for (unsigned i = 0; i < ARRAY_LEN(data); i++)
            cpu->s.seg[data[i]] = segment_null(0, 0);
    }
    cpu->s.gpr[RSP] = frame_rsp(cpu, frame);
    cpu->s.seg[SS] = frame->ss;
    cpu->s.seg[CS] = gate->cs;
    cpu->s.seg[CS].attr |= SEG_ACCESSED;
    cpu->s.rip = gate->rip;
    cpu->s.rflags &= ~(uint64_t)(FLAG_TF | FLAG_NT | FLAG_RF | FLAG_VM | (gate->trap ? 0 : FLAG_IF));
    cpu_update_privilege(cpu);
}

static bool event_task(struct cpu *cpu, const struct cpu_event *event, const struct gate *gate)
{
    struct descriptor tss;
    if (!task_gate_target(cpu, &gate->d, event_ext(event), &tss))
        return false;
    cpu_exit(cpu, event->exit, event->exit_detail);
    return task_switch(cpu, &tss, TASK_EVENT, event->rip, event->flags, event->has_code ? &event->code : NULL,
                       event_ext(event));
}

static bool event_deliver_gate(struct cpu *cpu, const struct cpu_event *event)
{
    struct gate gate;
    struct frame frame;
    if (!gate_fetch(cpu, event, &gate))
        return false;
    if (!in_long_mode(cpu) && descriptor_type(&gate.d) == SYSTEM_TASK_GATE)
        return event_task(cpu, event, &gate);
    if (!gate_code_check(cpu, event, &gate) || !gate_frame_begin(cpu, event, &gate, &frame) ||
        !frame_push(cpu, &frame, gate.size, event->flags) ||
        !frame_push(cpu, &frame, gate.size, cpu->s.seg[CS].selector) ||
        !frame_push(cpu, &frame, gate.size, event->rip) ||
        (event->has_code && !frame_push(cpu, &frame, gate.size, event->code)) ||
        !code_offset_check(cpu, &gate.cs, gate.rip, event_ext(event)) ||
        !descriptor_mark_accessed(cpu, &gate.code))
        return false;
    cpu_exit(cpu, event->exit, event->exit_detail);
    gate_commit(cpu, &gate, &frame);
    return true;
}

bool event_deliver(struct cpu *cpu, const struct cpu_event *event)
{
    if (!(cpu->s.cr0 & CR0_PE))
        return event_deliver_real(cpu, event);
    if ((cpu->s.rflags & FLAG_VM) != 0 && event->kind == EVENT_INT_N) {
        bool to_monitor = true;
        if ((cpu->s.cr4 & CR4_VME) != 0 && !vme_bit(cpu, event->vector, &to_monitor))
            return false;
        if (!to_monitor)
            return event_deliver_vme(cpu, event);
        if (cpu_iopl(cpu) < 3) {
            cpu_fault_code(cpu, VEC_GP, 0);
            return false;
        }
    }
    return event_deliver_gate(cpu, event);
}
