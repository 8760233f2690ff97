/* State derived from the architectural state: what mode the CPU is in, what memory accesses need to check.
 *
 * Everything here is a pure function of struct cpu_state and the configuration; it is kept in struct cpu so
 * that hot paths need one load. Whoever changes an input calls cpu_update_mode() or cpu_update_paging().
 *
 * CPL lives in SS.DPL (as in VMX guest state, SDM vol. 3, 24.4.1): 0 in real mode, 3 in virtual-8086 mode. */
#include "cpu/cpu_priv.h"
#include "cpu/exec.h"
#include "cpu/protect.h"
#include "cpu/sse.h"

enum { FLAT_READ = 1, FLAT_WRITE = 2, FLAT_BOTH = FLAT_READ | FLAT_WRITE };

/* What needs no check but the limit (none in 64-bit mode) and paging; expand-down segments always need one.
 */
static unsigned segment_permits(const struct cpu *cpu, const struct segment *segment)
{
    unsigned attr = segment->attr;
    if (cpu->long64 || (cpu->mode & MODE_REAL) != 0)
        return FLAT_BOTH;
    if (!(attr & SEG_P))
        return 0;
    if (attr & SEG_CODE)
        return attr & SEG_READABLE ? FLAT_READ : 0;
    if (attr & SEG_EXPAND_DOWN)
        return 0;
    return attr & SEG_WRITABLE ? FLAT_BOTH : FLAT_READ;
}

/* See seg_reach in cpu/cpu.h. A segment of 4 GB is not checked, as in segment_limit_ok(). */
static int64_t reach(const struct segment *segment, bool permitted)
{
    if (!permitted)
        return 0;
    return segment->limit == UINT32_MAX ? INT64_MIN / 2 : -1 - (int64_t)segment->limit;
}

/* Offsets in 16-bit code are 16 bits, whatever the limit. */
static uint64_t code_bound(const struct cpu *cpu)
{
    uint32_t limit = cpu->s.seg[CS].limit;
    if (cpu->long64)
        return UINT64_MAX;
    return (cpu->mode & MODE_CODE_MASK) == MODE_CODE16 && limit > UINT16_MAX ? UINT16_MAX : limit;
}

/* MODE_FLAT, see cpu/insn.h. */
static bool data_is_flat(const struct cpu *cpu)
{
    const unsigned data = 1 << DS | 1 << ES | 1 << SS;
    const struct segment *seg = cpu->s.seg;
    if ((cpu->flat & cpu->flat_write & data) != data)
        return false;
    return cpu->long64 || ((seg[DS].base | seg[ES].base | seg[SS].base) == 0 && (seg[SS].attr & SEG_DB) != 0);
}

enum { STACK_MODE = MODE_STACK16 | MODE_FLAT };

static unsigned stack_mode(const struct cpu *cpu)
{
    bool stack16 = !cpu->long64 && (cpu->s.seg[SS].attr & SEG_DB) == 0;
    return (stack16 ? MODE_STACK16 : 0) | (data_is_flat(cpu) ? MODE_FLAT : 0);
}

static bool fast_accesses(const struct cpu *cpu)
{
    return cpu->config.fast_paths && !cpu->align_check;
}

/* Is what derive_segment() makes of CS or SS there already? As long as nothing else changed. */
static bool is_derived(const struct cpu *cpu, unsigned n)
{
    const struct segment *now = &cpu->s.seg[n], *from = &cpu->derived_from[n];
    return now->base == from->base && now->limit == from->limit && ((now->attr ^ from->attr) & ~SEG_DPL) == 0;
}

static void derive_segment(struct cpu *cpu, unsigned n)
{
    const struct segment *segment = &cpu->s.seg[n];
    unsigned permits = fast_accesses(cpu) ? segment_permits(cpu, segment) : 0;
    unsigned flatness = cpu->long64 || segment->limit == UINT32_MAX ? permits : 0;
    bool based = !cpu->long64 || n == FS || n == GS;
    unsigned others = ~(1u << n);
    cpu->seg_base[n] = based ? segment->base : 0;
    if (n == CS)
        cpu->code_bound = code_bound(cpu);
    if (n <= SS)
        cpu->derived_from[n] = *segment;
    cpu->flat = (uint8_t)((cpu->flat & others) | (flatness & FLAT_READ) << n);
    cpu->flat_write = (uint8_t)((cpu->flat_write & others) | flatness >> 1 << n);
    cpu->seg_reach[0][n] = reach(segment, (permits & FLAT_READ) != 0);
    cpu->seg_reach[1][n] = reach(segment, (permits & FLAT_WRITE) != 0);
}

void cpu_update_segment(struct cpu *cpu, unsigned n)
{
    derive_segment(cpu, n);
    if (n != FS && n != GS)
        cpu->mode = (cpu->mode & ~(unsigned)STACK_MODE) | stack_mode(cpu);
}

/* All of them. In 64-bit mode, where system calls happen, descriptors hardly matter. */
static void derive_segments(struct cpu *cpu)
{
    if (cpu->long64) {
        cpu->flat = cpu->flat_write = fast_accesses(cpu) ? (1 << SREG_COUNT) - 1 : 0;
        cpu->code_bound = UINT64_MAX;
        for (unsigned n = 0; n < SREG_COUNT; n++)
            cpu->seg_base[n] = n == FS || n == GS ? cpu->s.seg[n].base : 0;
    } else {
        for (unsigned n = 0; n < SREG_COUNT; n++)
            derive_segment(cpu, n);
    }
    cpu->mode |= stack_mode(cpu);
}

static bool fpu_needs_guard(const struct cpu *cpu)
{
    return (cpu->s.cr0 & (CR0_EM | CR0_TS)) != 0;
}

static bool sse_needs_guard(const struct cpu *cpu)
{
    return cpu_has(cpu, FEAT_SSE) && (cpu->s.cr4 & CR4_OSFXSR) == 0;
}

static bool avx_needs_guard(const struct cpu *cpu)
{
    bool enabled = (cpu->s.cr4 & CR4_OSXSAVE) != 0 && (cpu->s.xcr0 & XCR0_YMM) == XCR0_YMM;
    return cpu_has(cpu, FEAT_AVX) && (!enabled || (cpu->s.cr0 & CR0_TS) != 0);
}

static bool simd_may_trap(const struct cpu *cpu)
{
    const uint32_t masks = MXCSR_FLAGS << MXCSR_MASK_SHIFT;
    return (cpu->s.mxcsr & masks) != masks;
}

enum { GUARDS = MODE_FPU_GUARD | MODE_AVX_GUARD | MODE_SIMD_TRAPS | MODE_SSE_GUARD };

static unsigned guards(const struct cpu *cpu)
{
    return (fpu_needs_guard(cpu) ? MODE_FPU_GUARD : 0) | (avx_needs_guard(cpu) ? MODE_AVX_GUARD : 0) |
           (simd_may_trap(cpu) ? MODE_SIMD_TRAPS : 0) | (sse_needs_guard(cpu) ? MODE_SSE_GUARD : 0);
}

/* All that privilege and code size decide; `real`: MODE_REAL or 0. */
static void derive_privilege(struct cpu *cpu, unsigned cpl, unsigned real, unsigned guarded)
{
    const struct cpu_state *s = &cpu->s;
    cpu->cpl = (uint8_t)cpl;
    cpu->long64 = (s->efer & EFER_LMA) != 0 && (s->seg[CS].attr & SEG_L) != 0;
    unsigned code = cpu->long64 ? MODE_CODE64 : (s->seg[CS].attr & SEG_DB) != 0 ? MODE_CODE32 : MODE_CODE16;
    cpu->mode = code | cpl << MODE_CPL_SHIFT | real | guarded;
    cpu->linear_mask = cpu->long64 ? UINT64_MAX : UINT32_MAX;
    cpu->align_check = cpl == 3 && (s->cr0 & CR0_AM) != 0 && (s->rflags & FLAG_AC) != 0;
    cpu->tlb_map = cpu->maps[cpl == 3];
}

static void tell_cpl(struct cpu *cpu, unsigned old_cpl)
{
    if (cpu->cpl != old_cpl && cpu->bus->cpl_changed != NULL)
        cpu->bus->cpl_changed(cpu->bus->ctx, old_cpl, cpu->cpl);
}

static unsigned stack_dpl(const struct cpu *cpu)
{
    return (cpu->s.seg[SS].attr & SEG_DPL) >> SEG_DPL_SHIFT;
}

void cpu_update_mode(struct cpu *cpu)
{
    const struct cpu_state *s = &cpu->s;
    bool protected_mode = (s->cr0 & CR0_PE) != 0;
    bool v86 = protected_mode && (s->rflags & FLAG_VM) != 0;
    unsigned old_cpl = cpu->cpl;
    derive_privilege(cpu,
                     !protected_mode ? 0
                     : v86           ? 3
                                     : stack_dpl(cpu),
                     !protected_mode || v86 ? MODE_REAL : 0, guards(cpu));
    derive_segments(cpu);
    tell_cpl(cpu, old_cpl);
}

void cpu_update_privilege(struct cpu *cpu)
{
    bool old_long64 = cpu->long64, old_fast = fast_accesses(cpu);
    unsigned old_cpl = cpu->cpl;
    if ((cpu->mode & MODE_REAL) != 0 || (cpu->s.rflags & FLAG_VM) != 0) {
        cpu_update_mode(cpu);
        return;
    }
    unsigned old_stack = cpu->mode & STACK_MODE;
    derive_privilege(cpu, stack_dpl(cpu), 0, cpu->mode & GUARDS);
    if (cpu->long64 != old_long64 || fast_accesses(cpu) != old_fast) {
        derive_segments(cpu);
    } else if (cpu->long64 || (is_derived(cpu, CS) && is_derived(cpu, SS))) {
        cpu->mode |= old_stack;
    } else {
        derive_segment(cpu, CS);
        derive_segment(cpu, SS);
        cpu->mode |= stack_mode(cpu);
    }
    tell_cpl(cpu, old_cpl);
}

void cpu_update_paging(struct cpu *cpu)
{
    const struct cpu_state *s = &cpu->s;
    struct paging *paging = &cpu->paging;
    if (!(s->cr0 & CR0_PG))
        paging->mode = PAGING_OFF;
    else if (!(s->cr4 & CR4_PAE))
        paging->mode = PAGING_32BIT;
    else
        paging->mode = (s->efer & EFER_LMA) ? PAGING_4LEVEL : PAGING_PAE;
    paging->cr3 = s->cr3;
    memcpy(paging->pdpte, s->pdpte, sizeof paging->pdpte);
    paging->wp = (s->cr0 & CR0_WP) != 0;
    paging->pse = (s->cr4 & CR4_PSE) != 0;
    paging->pge = (s->cr4 & CR4_PGE) != 0;
    paging->smep = (s->cr4 & CR4_SMEP) != 0;
    paging->smap = (s->cr4 & CR4_SMAP) != 0;
    paging->nxe = (s->efer & EFER_NXE) != 0;
    paging->gb_pages = cpu_has(cpu, FEAT_PDPE1GB);
    paging->physical_bits = (uint8_t)cpu_model_physical_bits(cpu->model);
    paging->a20_mask = s->a20 ? UINT64_MAX : ~(UINT64_C(1) << 20);
    unsigned space = s->cr4 & CR4_PCIDE ? (unsigned)(s->cr3 & CR3_PCID) : 0;
    if (cpu->tlb.selected != space) {
        tlb_select(&cpu->tlb, space);
        timing_select(cpu, space);
    }
}

void cpu_update_all(struct cpu *cpu)
{
    tlb_flush(&cpu->tlb);
    timing_flush_tlbs(cpu, true);
    cpu_update_paging(cpu);
    debug_update(cpu);
    cpu_update_mode(cpu);
}
