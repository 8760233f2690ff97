/* Segment descriptors and the stacks that a TSS names (SDM vol. 3, 3.4, 3.5, 5.2, 7.2).
 *
 * Tables are read with supervisor rights whatever the CPL. In IA-32e mode system descriptors and call gates
 * take two slots of the GDT or LDT; code and data descriptors keep one.
 *
 * Invariant: nothing here changes CPU state; only accessed and busy bits in guest memory are written. */
#include "cpu/protect.h"

bool selector_fault(struct cpu *cpu, enum exception vector, uint16_t selector, unsigned ext)
{
    cpu_fault_code(cpu, vector, (selector & 0xFFFCu) | ext);
    return false;
}

bool descriptor_read(struct cpu *cpu, uint16_t selector, enum exception vector, unsigned ext,
                     struct descriptor *d)
{
    uint64_t base = cpu->s.gdtr.base;
    uint64_t limit = cpu->s.gdtr.limit;
    if (selector & 4) {
        if (!(cpu->s.ldtr.attr & SEG_P))
            return selector_fault(cpu, vector, selector, ext);
        base = cpu->s.ldtr.base;
        limit = cpu->s.ldtr.limit;
    }
    uint64_t offset = selector & 0xFFF8u;
    if (offset + 7 > limit)
        return selector_fault(cpu, vector, selector, ext);
    d->selector = selector;
    d->address = base + offset;
    if (!in_long_mode(cpu))
        d->address = (uint32_t)d->address;
    d->high = 0;
    return sys_read(cpu, d->address, 8, &d->low);
}

bool descriptor_read_high(struct cpu *cpu, enum exception vector, unsigned ext, struct descriptor *d)
{
    if (!in_long_mode(cpu))
        return true;
    uint64_t limit = d->selector & 4 ? cpu->s.ldtr.limit : cpu->s.gdtr.limit;
    if ((d->selector & 0xFFF8u) + UINT64_C(15) > limit)
        return selector_fault(cpu, vector, d->selector, ext);
    if (!sys_read(cpu, d->address + 8, 8, &d->high))
        return false;
    if (d->high >> 40 & 0x1F) /* the type field of the upper half must be zero */
        return selector_fault(cpu, vector, d->selector, ext);
    d->high &= UINT32_MAX;
    return true;
}

bool descriptor_mark_accessed(struct cpu *cpu, struct descriptor *d)
{
    if (d->low >> 40 & SEG_ACCESSED)
        return true;
    d->low |= UINT64_C(1) << 40;
    return sys_write(cpu, d->address + 5, 1, d->low >> 40 & 0xFF);
}

bool descriptor_set_busy(struct cpu *cpu, const struct descriptor *d, bool busy)
{
    uint64_t access;
    if (!sys_read(cpu, d->address + 5, 1, &access))
        return false;
    return sys_write(cpu, d->address + 5, 1, busy ? access | SYSTEM_BUSY : access & ~(uint64_t)SYSTEM_BUSY);
}

struct segment descriptor_segment(const struct descriptor *d, uint16_t selector)
{
    uint32_t limit = (uint32_t)((d->low & 0xFFFF) | (d->low >> 32 & 0xF0000));
    struct segment segment = {
        .base = (d->low >> 16 & 0xFFFFFF) | (d->low >> 56) << 24,
        .limit = d->low >> 55 & 1 ? limit << 12 | 0xFFF : limit,
        .selector = selector,
        .attr = (uint16_t)((d->low >> 40 & 0xFF) | (d->low >> 52 & 0xF) << 8),
    };
    return segment;
}

struct segment descriptor_system_segment(const struct cpu *cpu, const struct descriptor *d)
{
    struct segment segment = descriptor_segment(d, d->selector);
    if (in_long_mode(cpu))
        segment.base |= d->high << 32;
    return segment;
}

struct segment segment_real(const struct cpu *cpu, unsigned n, uint16_t selector)
{
    const struct segment *old = &cpu->s.seg[n];
    struct segment segment = {.base = (uint64_t)selector << 4, .selector = selector};
    if (cpu->s.rflags & FLAG_VM && cpu->s.cr0 & CR0_PE) {
        segment.limit = 0xFFFF;
        segment.attr = SEG_P | SEG_DPL | SEG_S | SEG_WRITABLE | SEG_ACCESSED;
    } else {
        /* Real mode keeps the limit and the default size: that is how "unreal" mode comes about. */
        segment.limit = old->limit;
        segment.attr = (old->attr & (SEG_DB | SEG_G)) | SEG_P | SEG_S | SEG_WRITABLE | SEG_ACCESSED;
    }
    return segment;
}

struct segment segment_null(uint16_t selector, unsigned dpl)
{
    return (struct segment){.selector = selector, .attr = (uint16_t)(dpl << SEG_DPL_SHIFT)};
}

bool stack_segment_read(struct cpu *cpu, uint16_t selector, unsigned dpl, unsigned ext, struct segment *ss)
{
    struct descriptor d;
    if (selector_is_null(selector))
        return selector_fault(cpu, VEC_TS, selector, ext);
    if (!descriptor_read(cpu, selector, VEC_TS, ext, &d))
        return false;
    if ((selector & 3u) != dpl || descriptor_dpl(&d) != dpl || !descriptor_is_writable_data(&d))
        return selector_fault(cpu, VEC_TS, selector, ext);
    if (!descriptor_present(&d))
        return selector_fault(cpu, VEC_SS, selector, ext);
    if (!descriptor_mark_accessed(cpu, &d))
        return false;
    *ss = descriptor_segment(&d, selector);
    return true;
}

bool code_offset_check(struct cpu *cpu, const struct segment *cs, uint64_t rip, unsigned ext)
{
    bool ok = in_long_mode(cpu) && cs->attr & SEG_L ? is_canonical(rip) : rip <= cs->limit;
    if (!ok)
        cpu_fault_code(cpu, VEC_GP, ext);
    return ok;
}

bool tss_inner_stack(struct cpu *cpu, unsigned dpl, unsigned ist, unsigned ext, struct segment *ss,
                     uint64_t *rsp)
{
    const struct segment *tr = &cpu->s.tr;
    uint64_t selector;
    if (in_long_mode(cpu)) {
        /* 64-bit TSS: RSP0..2 from offset 4, IST1..7 from offset 36 (SDM vol. 3, figure 7-11). */
        unsigned offset = ist ? 36 + 8 * (ist - 1) : 4 + 8 * dpl;
        if (offset + 7 > tr->limit)
            return selector_fault(cpu, VEC_TS, tr->selector, ext);
        *ss = segment_null((uint16_t)dpl, dpl);
        return sys_read(cpu, tr->base + offset, 8, rsp);
    }
    bool wide = (tr->attr & 8) != 0;
    unsigned offset = wide ? 4 + 8 * dpl : 2 + 4 * dpl;
    if (offset + (wide ? 5u : 3u) > tr->limit)
        return selector_fault(cpu, VEC_TS, tr->selector, ext);
    uint64_t base = tr->base + offset;
    if (!sys_read(cpu, base, wide ? 4 : 2, rsp) || !sys_read(cpu, base + (wide ? 4 : 2), 2, &selector))
        return false;
    return stack_segment_read(cpu, (uint16_t)selector, dpl, ext, ss);
}
