/* Hardware task switch (SDM vol. 3, 7.2, 7.3, 7.4): 16- and 32-bit TSS, by JMP, CALL, task gate event and
 * IRET.
 *
 * Order, as hardware does it:
 *   1. the new TSS: present, large enough; old and new TSS pages accessible
 *   2. busy flags and back link; the outgoing state goes into the old TSS
 *   3. the new state is loaded: TR, CR3, flags, rIP, general registers, selectors      <- commit point
 *   4. LDTR and segment descriptors are checked and loaded; a fault here belongs to the new task
 *   5. an error code is pushed on the new stack; rIP is checked against the new CS
 *
 * Left out: shadow stacks. In IA-32e mode there is no task switch; callers do not come here.
 *
 * Invariant: up to step 2 nothing was changed when a fault is recorded. */
#include "cpu/protect.h"

enum { TSS32_SIZE = 104, TSS16_SIZE = 44 };

/* Offsets in the TSS (SDM vol. 3, figures 7-2 and 7-10). */
enum {
    TSS_LINK = 0,
    TSS32_CR3 = 28,
    TSS32_EIP = 32,
    TSS32_EFLAGS = 36,
    TSS32_GPR = 40,
    TSS32_SREG = 72,
    TSS32_LDT = 96,
    TSS32_TRAP = 100,
    TSS16_IP = 14,
    TSS16_FLAGS = 16,
    TSS16_GPR = 18,
    TSS16_SREG = 34,
    TSS16_LDT = 42,
};

struct task_image {
    bool wide;
    uint64_t cr3, rip, flags;
    uint64_t gpr[8];
    uint16_t sreg[SREG_COUNT];
    uint16_t ldt;
    bool trap;
};

static bool is_wide(const struct descriptor *tss)
{
    return (descriptor_type(tss) & 8) != 0;
}

bool task_gate_target(struct cpu *cpu, const struct descriptor *gate, unsigned ext, struct descriptor *tss)
{
    uint16_t selector = gate_selector(gate);
    if (selector & 4 || selector_is_null(selector))
        return selector_fault(cpu, VEC_GP, selector, ext);
    if (!descriptor_read(cpu, selector, VEC_GP, ext, tss))
        return false;
    unsigned type = descriptor_type(tss);
    if (descriptor_is_segment(tss) || (type != SYSTEM_TSS16 && type != SYSTEM_TSS32))
        return selector_fault(cpu, VEC_GP, selector, ext);
    if (!descriptor_present(tss))
        return selector_fault(cpu, VEC_NP, selector, ext);
    return true;
}

/* ---- The image in memory ---- */

static bool image_read(struct cpu *cpu, uint64_t base, bool wide, struct task_image *image)
{
    unsigned unit = wide ? 4 : 2;
    uint64_t value;
    *image = (struct task_image){.wide = wide, .cr3 = cpu->s.cr3};
    if (wide) {
        if (!sys_read(cpu, base + TSS32_CR3, 4, &image->cr3) || !sys_read(cpu, base + TSS32_TRAP, 2, &value))
            return false;
        image->trap = (value & 1) != 0;
    }
    if (!sys_read(cpu, base + (wide ? TSS32_EIP : TSS16_IP), unit, &image->rip) ||
        !sys_read(cpu, base + (wide ? TSS32_EFLAGS : TSS16_FLAGS), unit, &image->flags))
        return false;
    for (unsigned i = 0; i < 8; i++)
        if (!sys_read(cpu, base + (wide ? TSS32_GPR : TSS16_GPR) + i * unit, unit, &image->gpr[i]))
            return false;
    for (unsigned i = 0; i < (wide ? 6u : 4u); i++) {
        if (!sys_read(cpu, base + (wide ? TSS32_SREG : TSS16_SREG) + i * unit, 2, &value))
            return false;
        image->sreg[i] = (uint16_t)value;
    }
    if (!sys_read(cpu, base + (wide ? TSS32_LDT : TSS16_LDT), 2, &value))
        return false;
    image->ldt = (uint16_t)value;
    return true;
}

/* The pages were checked; a write cannot fail any more. */
static void put(struct cpu *cpu, uint64_t linear, unsigned size, uint64_t value)
{
    bool written = sys_write(cpu, linear, size, value);
    (void)written;
}

static void image_save(struct cpu *cpu, uint64_t rip, uint64_t flags)
{
    bool wide = (cpu->s.tr.attr & 8) != 0;
    unsigned unit = wide ? 4 : 2;
    uint64_t base = cpu->s.tr.base;
    put(cpu, base + (wide ? TSS32_EIP : TSS16_IP), unit, rip);
    put(cpu, base + (wide ? TSS32_EFLAGS : TSS16_FLAGS), unit, flags);
    for (unsigned i = 0; i < 8; i++)
        put(cpu, base + (wide ? TSS32_GPR : TSS16_GPR) + i * unit, unit, cpu->s.gpr[i]);
    for (unsigned i = 0; i < (wide ? 6u : 4u); i++)
        put(cpu, base + (wide ? TSS32_SREG : TSS16_SREG) + i * unit, 2, cpu->s.seg[i].selector);
}

/* Is the part of the old TSS that will be written there? */
static bool old_tss_check(struct cpu *cpu)
{
    bool wide = (cpu->s.tr.attr & 8) != 0;
    unsigned first = wide ? TSS32_EIP : TSS16_IP;
    unsigned size = (wide ? TSS32_LDT : TSS16_LDT) - first;
    return linear_check(cpu, cpu->s.tr.base + first, size, ACCESS_WRITE, false);
}

/* ---- Loading the new task's segments: faults are #TS, #NP and #SS in the new task ---- */

static bool task_load_ldt(struct cpu *cpu, uint16_t selector, unsigned ext)
{
    struct descriptor d;
    cpu->s.ldtr = segment_null(selector, 0);
    if (selector_is_null(selector))
        return true;
    if (selector & 4)
        return selector_fault(cpu, VEC_TS, selector, ext);
    if (!descriptor_read(cpu, selector, VEC_TS, ext, &d))
        return false;
    if (descriptor_is_segment(&d) || descriptor_type(&d) != SYSTEM_LDT || !descriptor_present(&d))
        return selector_fault(cpu, VEC_TS, selector, ext);
    cpu->s.ldtr = descriptor_segment(&d, selector);
    return true;
}

static bool task_load_code(struct cpu *cpu, uint16_t selector, unsigned ext)
{
    struct descriptor d;
    unsigned rpl = selector & 3;
    if (selector_is_null(selector))
        return selector_fault(cpu, VEC_TS, 0, ext);
    if (!descriptor_read(cpu, selector, VEC_TS, ext, &d))
        return false;
    bool conforming = descriptor_is_conforming_code(&d);
    if (!descriptor_is_code(&d) || (conforming ? descriptor_dpl(&d) > rpl : descriptor_dpl(&d) != rpl))
        return selector_fault(cpu, VEC_TS, selector, ext);
    if (!descriptor_present(&d))
        return selector_fault(cpu, VEC_NP, selector, ext);
    if (!descriptor_mark_accessed(cpu, &d))
        return false;
    cpu->s.seg[CS] = descriptor_segment(&d, selector);
    return true;
}

static bool task_load_data(struct cpu *cpu, unsigned n, uint16_t selector, unsigned cpl, unsigned ext)
{
    struct descriptor d;
    unsigned rpl = selector & 3;
    if (selector_is_null(selector))
        return true;
    if (!descriptor_read(cpu, selector, VEC_TS, ext, &d))
        return false;
    bool code = descriptor_is_code(&d);
    bool conforming = descriptor_is_conforming_code(&d);
    if (!descriptor_is_segment(&d) || (code && !(d.low >> 40 & SEG_READABLE)) ||
        (!conforming && (rpl > descriptor_dpl(&d) || cpl > descriptor_dpl(&d))))
        return selector_fault(cpu, VEC_TS, selector, ext);
    if (!descriptor_present(&d))
        return selector_fault(cpu, VEC_NP, selector, ext);
    if (!descriptor_mark_accessed(cpu, &d))
        return false;
    cpu->s.seg[n] = descriptor_segment(&d, selector);
    return true;
}

static bool task_load_segments(struct cpu *cpu, const struct task_image *image, unsigned ext)
{
    static const uint8_t data[] = {ES, DS, FS, GS};
    if (!task_load_ldt(cpu, image->ldt, ext))
        return false;
    if (image->flags & FLAG_VM)
        return true; /* loaded at the commit point */
    if (!task_load_code(cpu, image->sreg[CS], ext))
        return false;
    unsigned cpl = image->sreg[CS] & 3;
    struct segment ss;
    if (!stack_segment_read(cpu, image->sreg[SS], cpl, ext, &ss))
        return false;
    cpu->s.seg[SS] = ss;
    for (unsigned i = 0; i < ARRAY_LEN(data); i++)
        if (!task_load_data(cpu, data[i], image->sreg[data[i]], cpl, ext))
            return false;
    return true;
}

/* ---- The switch ---- */

/* Commit point: registers of the new task, segments as selectors only. */
static void task_commit(struct cpu *cpu, const struct task_image *image, bool nested)
{
    const uint64_t known = FLAGS_ARITH | FLAG_TF | FLAG_IF | FLAG_DF | FLAG_IOPL | FLAG_NT | FLAG_RF |
                           FLAG_VM | FLAG_AC | FLAG_VIF | FLAG_VIP | FLAG_ID;
    rflags_load(cpu, image->flags | (nested ? FLAG_NT : 0), image->wide ? known : known | 0xFFFF0000);
    for (unsigned i = 0; i < 8; i++)
        cpu->s.gpr[i] = image->gpr[i];
    cpu->s.rip = image->rip;
    cpu->s.cr0 |= CR0_TS;
    cpu->s.dr[7] &= ~UINT64_C(0x55); /* local breakpoints belong to the old task */
    unsigned cpl = image->sreg[CS] & 3;
    for (unsigned n = 0; n < SREG_COUNT; n++)
        cpu->s.seg[n] = (image->flags & FLAG_VM) != 0 ? segment_real(cpu, n, image->sreg[n])
                                                      : segment_null(image->sreg[n], n == SS ? cpl : 0);
    cpu_update_mode(cpu);
    debug_update(cpu);
}

static bool task_push_error(struct cpu *cpu, uint32_t code, bool wide, unsigned ext)
{
    struct frame frame;
    frame_begin(cpu, &frame, false, ext);
    if (!frame_push(cpu, &frame, wide ? 4 : 2, code))
        return false;
    frame_commit(cpu, &frame);
    cpu->s.gpr[RSP] = frame_rsp(cpu, &frame);
    return true;
}

static bool new_tss_check(struct cpu *cpu, const struct descriptor *tss, const struct segment *tr,
                          unsigned ext)
{
    bool wide = is_wide(tss);
    if (tr->limit < (wide ? TSS32_SIZE : TSS16_SIZE) - 1u)
        return selector_fault(cpu, VEC_TS, tss->selector, ext);
    return linear_check(cpu, tr->base, wide ? TSS32_SIZE : TSS16_SIZE, ACCESS_READ, false) &&
           linear_check(cpu, tss->address + 5, 1, ACCESS_WRITE, false);
}

bool task_switch(struct cpu *cpu, struct descriptor *tss, enum task_switch reason, uint64_t rip,
                 uint64_t flags, const uint32_t *error_code, unsigned ext)
{
    struct segment tr = descriptor_segment(tss, tss->selector);
    struct task_image image;
    struct descriptor old = {.address = cpu->s.gdtr.base + (cpu->s.tr.selector & 0xFFF8u)};
    bool nested = reason == TASK_CALL || reason == TASK_EVENT;
    bool leave = reason == TASK_JMP || reason == TASK_IRET; /* the old task stops being busy */
    uint64_t pdpte[4];

    if (!new_tss_check(cpu, tss, &tr, ext) || !old_tss_check(cpu) ||
        (nested && !linear_check(cpu, tr.base, 2, ACCESS_WRITE, false)) ||
        (leave && !linear_check(cpu, old.address + 5, 1, ACCESS_WRITE, false)) ||
        !image_read(cpu, tr.base, is_wide(tss), &image))
        return false;
    bool new_cr3 = image.wide && (cpu->s.cr0 & CR0_PG) != 0;
    if (new_cr3 && (cpu->s.cr4 & CR4_PAE) != 0 && !pdptes_load(cpu, image.cr3, pdpte))
        return selector_fault(cpu, VEC_TS, tss->selector, ext);

    if (reason == TASK_JMP || reason == TASK_CALL)
        cpu_exit(cpu, CPU_EXIT_FAR_TRANSFER, image.sreg[CS] & 3);
    else if (reason == TASK_IRET)
        cpu_exit(cpu, CPU_EXIT_IRET, image.sreg[CS] & 3);
    bool marked = (!leave || descriptor_set_busy(cpu, &old, false)) &&
                  (reason == TASK_IRET || descriptor_set_busy(cpu, tss, true));
    CHECK(marked); /* checked above */
    image_save(cpu, rip, flags);
    if (nested)
        put(cpu, tr.base + TSS_LINK, 2, cpu->s.tr.selector);

    tr.attr |= SYSTEM_BUSY;
    cpu->s.tr = tr;
    if (new_cr3) {
        cpu->s.cr3 = image.cr3;
        if (cpu->s.cr4 & CR4_PAE)
            memcpy(cpu->s.pdpte, pdpte, sizeof pdpte);
        cpu_update_paging(cpu);
        cpu_invalidate_all(cpu, false);
    }
    task_commit(cpu, &image, nested);
    bool ok = task_load_segments(cpu, &image, ext);
    cpu_update_mode(cpu);
    if (!ok || (error_code != NULL && !task_push_error(cpu, *error_code, image.wide, ext)) ||
        !code_offset_check(cpu, &cpu->s.seg[CS], cpu->s.rip, ext))
        return false;
    if (image.trap) {
        cpu->s.debug_pending |= DR6_BT;
        cpu_attend(cpu);
    }
    return true;
}
