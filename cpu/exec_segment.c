/* Segment register loads and the instructions that examine selectors (SDM vol. 2 MOV, POP, LDS, LAR, LSL,
 * VERR, ARPL; vol. 3, 5.3 to 5.6).
 *
 * A load reads the descriptor, checks it, sets its accessed bit and only then changes the register. Loads of
 * CS are far transfers: exec_far.c. MOV SS and POP SS hold interrupts and debug traps off for one
 * instruction, so that SS:SP can be changed as a pair.
 *
 * Left out: nothing. */
#include "cpu/protect.h"
#include "cpu/quick.h"

enum { SHADOW_INTERRUPTS = 1, SHADOW_TRAPS = 2 };

/* ---- Checks ---- */

/* SS in protected mode (SDM vol. 2, MOV). In 64-bit mode null is allowed below CPL 3. */
static bool stack_selector_check(struct cpu *cpu, uint16_t selector, struct segment *segment)
{
    unsigned rpl = selector & 3;
    if (selector_is_null(selector)) {
        if (!cpu->long64 || cpu->cpl == 3 || rpl != cpu->cpl)
            return selector_fault(cpu, VEC_GP, 0, 0);
        *segment = segment_null(selector, cpu->cpl);
        return true;
    }
    struct descriptor d;
    if (!descriptor_read(cpu, selector, VEC_GP, 0, &d))
        return false;
    if (rpl != cpu->cpl || descriptor_dpl(&d) != cpu->cpl || !descriptor_is_writable_data(&d))
        return selector_fault(cpu, VEC_GP, selector, 0);
    if (!descriptor_present(&d))
        return selector_fault(cpu, VEC_SS, selector, 0);
    if (!descriptor_mark_accessed(cpu, &d))
        return false;
    *segment = descriptor_segment(&d, selector);
    return true;
}

/* Is the segment readable from CPL with this RPL? */
static bool readable_from(const struct cpu *cpu, const struct descriptor *d, unsigned rpl)
{
    if (!descriptor_is_segment(d))
        return false;
    if (descriptor_is_code(d) && !(d->low >> 40 & SEG_READABLE))
        return false;
    return descriptor_is_conforming_code(d) || (rpl <= descriptor_dpl(d) && cpu->cpl <= descriptor_dpl(d));
}

static bool data_selector_check(struct cpu *cpu, uint16_t selector, struct segment *segment)
{
    if (selector_is_null(selector)) {
        *segment = segment_null(selector, 0);
        return true;
    }
    struct descriptor d;
    if (!descriptor_read(cpu, selector, VEC_GP, 0, &d))
        return false;
    if (!readable_from(cpu, &d, selector & 3))
        return selector_fault(cpu, VEC_GP, selector, 0);
    if (!descriptor_present(&d))
        return selector_fault(cpu, VEC_NP, selector, 0);
    if (!descriptor_mark_accessed(cpu, &d))
        return false;
    *segment = descriptor_segment(&d, selector);
    return true;
}

static bool segment_load_check(struct cpu *cpu, unsigned n, uint16_t selector, struct segment *segment)
{
    if (cpu->mode & MODE_REAL) {
        *segment = segment_real(cpu, n, selector);
        return true;
    }
    return n == SS ? stack_selector_check(cpu, selector, segment)
                   : data_selector_check(cpu, selector, segment);
}

static void segment_load_commit(struct cpu *cpu, unsigned n, const struct segment *segment)
{
    if (cpu->cpl < 3)
        cpu_exit(cpu, CPU_EXIT_SEGMENT_LOAD, n);
    cpu->s.seg[n] = *segment;
    cpu_update_segment(cpu, n);
}

/* ---- For translated code ---- */

/* The descriptor, if it is in RAM that the TLB's map has, and its accessed bit set. */
static bool descriptor_at_hand(const struct cpu *cpu, uint16_t selector, struct descriptor *d)
{
    uint64_t base = cpu->s.gdtr.base, limit = cpu->s.gdtr.limit;
    uint64_t offset = selector & 0xFFF8u;
    if (selector & 4) {
        base = cpu->s.ldtr.base;
        limit = cpu->s.ldtr.attr & SEG_P ? cpu->s.ldtr.limit : 0;
    }
    if (offset + 7 > limit)
        return false;
    uint64_t address = in_long_mode(cpu) ? base + offset : (uint32_t)(base + offset);
    const uint8_t *host = tlb_hit(cpu->maps[false], address, 8, ACCESS_READ);
    if (host == NULL)
        return false;
    *d = (struct descriptor){.low = host_load(host, 8), .address = address, .selector = selector};
    return (d->low >> 40 & SEG_ACCESSED) != 0;
}

static bool segment_equal(const struct segment *a, const struct segment *b)
{
    return a->base == b->base && a->limit == b->limit && a->selector == b->selector && a->attr == b->attr;
}

/* What the selector stands for in protected mode. The same few are loaded again and again, and mostly their
 * descriptors are what they were. */
static bool segment_at_hand(struct cpu *cpu, unsigned n, uint16_t selector, struct segment *segment)
{
    struct segment_memo *memo = &cpu->segment_memo[n][selector >> 3 & 1];
    struct descriptor d;
    if (!descriptor_at_hand(cpu, selector, &d))
        return false;
    if (memo->raw != d.low || memo->segment.selector != selector || memo->cpl != cpu->cpl) {
        if (!readable_from(cpu, &d, selector & 3) || !descriptor_present(&d))
            return false;
        *memo = (struct segment_memo){d.low, descriptor_segment(&d, selector), cpu->cpl};
    }
    *segment = memo->segment;
    return true;
}

bool segment_load_quick(struct cpu *cpu, unsigned n, uint16_t selector)
{
    struct segment segment, old = cpu->s.seg[n];
    unsigned mode = cpu->mode;
    if (mode & MODE_REAL)
        segment = segment_real(cpu, n, selector);
    else if (selector_is_null(selector))
        segment = segment_null(selector, 0);
    else if (!segment_at_hand(cpu, n, selector, &segment))
        return false;
    if (segment_equal(&segment, &old))
        return true;
    cpu->s.seg[n] = segment;
    cpu_update_segment(cpu, n);
    if (LIKELY(cpu->mode == mode))
        return true;
    cpu->s.seg[n] = old;
    cpu_update_segment(cpu, n);
    return false;
}

/* ---- MOV, PUSH, POP, LDS and friends ---- */

enum exec exec_mov_from_sreg(struct cpu *cpu, const struct insn *insn)
{
    unsigned n = insn->op[1].reg;
    if (n > GS)
        return cpu_fault(cpu, VEC_UD);
    return operand_write(cpu, insn, 0, cpu->s.seg[n].selector) ? EXEC_NEXT : EXEC_FAULT;
}

enum exec exec_mov_to_sreg(struct cpu *cpu, const struct insn *insn)
{
    unsigned n = insn->op[0].reg;
    uint64_t selector;
    struct segment segment;
    if (n > GS || n == CS)
        return cpu_fault(cpu, VEC_UD);
    if (!operand_read(cpu, insn, 1, &selector) || !segment_load_check(cpu, n, (uint16_t)selector, &segment))
        return EXEC_FAULT;
    segment_load_commit(cpu, n, &segment);
    if (n == SS)
        cpu->s.intr_shadow = SHADOW_INTERRUPTS | SHADOW_TRAPS;
    return EXEC_END;
}

/* A selector is written as 16 bits into a 32-bit slot, whose rest keeps what it had, and zero-extended into a
 * 64-bit one (SDM vol. 2, PUSH, leaves the choice; recent processors do this). */
enum exec exec_push_sreg(struct cpu *cpu, const struct insn *insn)
{
    uint64_t mask = stack_mask(cpu);
    unsigned size = insn->op_size;
    uint64_t rsp = (cpu->s.gpr[RSP] - size) & mask;
    if (!mem_write(cpu, SS, rsp, size == 8 ? 8 : 2, cpu->s.seg[insn->op[0].reg].selector))
        return EXEC_FAULT;
    cpu->s.gpr[RSP] = stack_pointer_merge(cpu->s.gpr[RSP], rsp, mask);
    return EXEC_NEXT;
}

/* Of the slot only the selector is read. */
enum exec exec_pop_sreg(struct cpu *cpu, const struct insn *insn)
{
    unsigned n = insn->op[0].reg;
    uint64_t selector;
    struct segment segment;
    if (!stack_peek(cpu, 0, 2, &selector) || !segment_load_check(cpu, n, (uint16_t)selector, &segment))
        return EXEC_FAULT;
    stack_drop(cpu, insn->op_size);
    segment_load_commit(cpu, n, &segment);
    if (n == SS)
        cpu->s.intr_shadow = SHADOW_INTERRUPTS | SHADOW_TRAPS;
    return EXEC_END;
}

static unsigned far_pointer_segment(const struct insn *insn)
{
    switch (insn->opcode) {
    case 0xC4: return ES;
    case 0xC5: return DS;
    case 0xB2: return SS;
    case 0xB4: return FS;
    default: return GS;
    }
}

/* LDS, LES, LSS, LFS, LGS: a pointer of operand size, then the selector. */
enum exec exec_load_far_pointer(struct cpu *cpu, const struct insn *insn)
{
    unsigned n = far_pointer_segment(insn);
    uint64_t ea = insn_ea(cpu, insn);
    uint64_t offset, selector;
    struct segment segment;
    uint64_t next = ea + insn->op_size;
    if (insn->addr_size < 8)
        next = insn->addr_size == 4 ? (uint32_t)next : (uint16_t)next;
    if (!mem_read(cpu, insn->seg, ea, insn->op_size, &offset) ||
        !mem_read(cpu, insn->seg, next, 2, &selector) ||
        !segment_load_check(cpu, n, (uint16_t)selector, &segment) || !operand_write(cpu, insn, 0, offset))
        return EXEC_FAULT;
    segment_load_commit(cpu, n, &segment);
    return EXEC_END;
}

/* ---- LAR, LSL, VERR, VERW, ARPL ---- */

/* Visible at CPL and RPL? Conforming code is visible to everyone. */
static bool selector_visible(const struct cpu *cpu, const struct descriptor *d)
{
    unsigned rpl = d->selector & 3;
    return descriptor_is_conforming_code(d) || (cpu->cpl <= descriptor_dpl(d) && rpl <= descriptor_dpl(d));
}

typedef bool suits_fn(const struct cpu *cpu, const struct descriptor *d);

static bool lar_knows(const struct cpu *cpu, const struct descriptor *d)
{
    if (descriptor_is_segment(d))
        return true;
    switch (descriptor_type(d)) {
    case SYSTEM_LDT:
    case SYSTEM_TSS32:
    case SYSTEM_TSS32_BUSY:
    case SYSTEM_CALL_GATE32: return true;
    case SYSTEM_TSS16:
    case SYSTEM_TSS16_BUSY:
    case SYSTEM_CALL_GATE16:
    case SYSTEM_TASK_GATE: return !in_long_mode(cpu);
    default: return false;
    }
}

static bool lsl_knows(const struct cpu *cpu, const struct descriptor *d)
{
    if (descriptor_is_segment(d))
        return true;
    unsigned type = descriptor_type(d);
    return type == SYSTEM_LDT || type == SYSTEM_TSS32 || type == SYSTEM_TSS32_BUSY ||
           ((type == SYSTEM_TSS16 || type == SYSTEM_TSS16_BUSY) && !in_long_mode(cpu));
}

static bool lar_suits(const struct cpu *cpu, const struct descriptor *d)
{
    return lar_knows(cpu, d) && selector_visible(cpu, d);
}

static bool lsl_suits(const struct cpu *cpu, const struct descriptor *d)
{
    return lsl_knows(cpu, d) && selector_visible(cpu, d);
}

static bool verr_suits(const struct cpu *cpu, const struct descriptor *d)
{
    return readable_from(cpu, d, d->selector & 3);
}

static bool verw_suits(const struct cpu *cpu, const struct descriptor *d)
{
    return descriptor_is_writable_data(d) && selector_visible(cpu, d);
}

/* Does the selector in operand `n` name a descriptor that suits? One that is not there is an answer, too;
 * false: the operand or the table could not be read. */
static bool selector_probe(struct cpu *cpu, const struct insn *insn, unsigned n, suits_fn *suits,
                           struct descriptor *d, bool *answer)
{
    uint64_t selector;
    if (!operand_read(cpu, insn, n, &selector))
        return false;
    *answer = false;
    if (selector_is_null((uint16_t)selector))
        return true;
    if (!descriptor_read(cpu, (uint16_t)selector, VEC_GP, 0, d))
        return cpu->fault.vector != VEC_PF;
    *answer = suits(cpu, d);
    return true;
}

static enum exec answer_in_zf(struct cpu *cpu, bool answer)
{
    flags_write(cpu, answer ? FLAG_ZF : 0, FLAG_ZF);
    return EXEC_NEXT;
}

enum exec exec_lar(struct cpu *cpu, const struct insn *insn)
{
    struct descriptor d;
    bool ok;
    if (!selector_probe(cpu, insn, 1, lar_suits, &d, &ok))
        return EXEC_FAULT;
    if (ok && !operand_write(cpu, insn, 0, d.low >> 32 & (insn->op_size == 2 ? 0xFF00 : 0x00FFFF00)))
        return EXEC_FAULT;
    return answer_in_zf(cpu, ok);
}

enum exec exec_lsl(struct cpu *cpu, const struct insn *insn)
{
    struct descriptor d;
    bool ok;
    if (!selector_probe(cpu, insn, 1, lsl_suits, &d, &ok))
        return EXEC_FAULT;
    if (ok && !operand_write(cpu, insn, 0, descriptor_segment(&d, 0).limit))
        return EXEC_FAULT;
    return answer_in_zf(cpu, ok);
}

static enum exec verify(struct cpu *cpu, const struct insn *insn, suits_fn *suits)
{
    struct descriptor d;
    bool ok;
    return selector_probe(cpu, insn, 0, suits, &d, &ok) ? answer_in_zf(cpu, ok) : EXEC_FAULT;
}

enum exec exec_verr(struct cpu *cpu, const struct insn *insn)
{
    return verify(cpu, insn, verr_suits);
}

enum exec exec_verw(struct cpu *cpu, const struct insn *insn)
{
    return verify(cpu, insn, verw_suits);
}

/* Memory is written only when the RPL is raised. */
enum exec exec_arpl(struct cpu *cpu, const struct insn *insn)
{
    uint64_t selector, reference;
    if (!operand_read(cpu, insn, 0, &selector) || !operand_read(cpu, insn, 1, &reference))
        return EXEC_FAULT;
    bool raise = (selector & 3) < (reference & 3);
    if (raise && !operand_write(cpu, insn, 0, (selector & ~UINT64_C(3)) | (reference & 3)))
        return EXEC_FAULT;
    return answer_in_zf(cpu, raise);
}
