/* Software interrupts, the interrupt flag, HLT, caches and other small system instructions (SDM vol. 2).
 *
 * Left out: MONITOR arms nothing and MWAIT returns at once, which the SDM allows (an implementation may leave
 * the optimized state for any reason); caches do not exist, so INVD, WBINVD and CLFLUSH only check. */
#include "cpu/protect.h"

/* ---- Software interrupts ---- */

static enum exec software_interrupt(struct cpu *cpu, const struct insn *insn, uint8_t vector,
                                    enum event_kind kind)
{
    struct cpu_event event = {
        .vector = vector,
        .kind = kind,
        .rip = insn_next_rip(cpu, insn),
        .flags = flags_read(cpu),
        .exit = kind == EVENT_ICEBP ? CPU_EXIT_EXCEPTION : CPU_EXIT_SOFT_INT,
        .exit_detail = vector,
    };
    if (!event_deliver(cpu, &event))
        return EXEC_FAULT;
    cpu->skip_step = true; /* delivery cleared TF (SDM vol. 3, 17.3.1.4) */
    return EXEC_JUMP;
}

enum exec exec_int3(struct cpu *cpu, const struct insn *insn)
{
    return software_interrupt(cpu, insn, VEC_BP, EVENT_SOFTWARE);
}

enum exec exec_int_n(struct cpu *cpu, const struct insn *insn)
{
    return software_interrupt(cpu, insn, (uint8_t)insn->imm, EVENT_INT_N);
}

enum exec exec_into(struct cpu *cpu, const struct insn *insn)
{
    if (!(flags_read(cpu) & FLAG_OF))
        return EXEC_NEXT;
    return software_interrupt(cpu, insn, VEC_OF, EVENT_SOFTWARE);
}

enum exec exec_int1(struct cpu *cpu, const struct insn *insn)
{
    return software_interrupt(cpu, insn, VEC_DB, EVENT_ICEBP);
}

enum exec exec_bound(struct cpu *cpu, const struct insn *insn)
{
    unsigned size = insn->op_size, shift = 64 - 8 * size;
    uint64_t ea = insn_ea(cpu, insn), index, lower, upper;
    uint64_t next = insn->addr_size == 4 ? (uint32_t)(ea + size) : (uint16_t)(ea + size);
    if (!operand_read(cpu, insn, 0, &index) || !mem_read(cpu, insn->seg, ea, size, &lower))
        return EXEC_FAULT;
    int64_t i = (int64_t)(index << shift);
    if (i < (int64_t)(lower << shift))
        return cpu_fault(cpu, VEC_BR); /* the upper bound is not read then */
    if (!mem_read(cpu, insn->seg, next, size, &upper))
        return EXEC_FAULT;
    if (i > (int64_t)(upper << shift))
        return cpu_fault(cpu, VEC_BR);
    return EXEC_NEXT;
}

enum exec exec_undefined(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    return cpu_fault(cpu, VEC_UD);
}

/* ---- CLI, STI ---- */

enum if_kind { IF_REAL, IF_VIRTUAL, IF_DENIED };

/* Which flag CLI and STI act on (SDM vol. 2, tables 3-6 and 4-20). */
static enum if_kind if_kind(const struct cpu *cpu)
{
    if (!(cpu->s.cr0 & CR0_PE) || cpu->cpl <= cpu_iopl(cpu))
        return IF_REAL;
    bool v86 = (cpu->s.rflags & FLAG_VM) != 0;
    if (v86 ? (cpu->s.cr4 & CR4_VME) != 0 : cpu->cpl == 3 && (cpu->s.cr4 & CR4_PVI) != 0)
        return IF_VIRTUAL;
    return IF_DENIED;
}

enum exec exec_cli(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    enum if_kind kind = if_kind(cpu);
    if (kind == IF_DENIED)
        return cpu_fault_code(cpu, VEC_GP, 0);
    cpu_exit(cpu, CPU_EXIT_CLI, 0);
    cpu->s.rflags &= ~(uint64_t)(kind == IF_REAL ? FLAG_IF : FLAG_VIF);
    return EXEC_NEXT;
}

enum exec exec_sti(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    enum if_kind kind = if_kind(cpu);
    if (kind == IF_DENIED || (kind == IF_VIRTUAL && (cpu->s.rflags & FLAG_VIP) != 0))
        return cpu_fault_code(cpu, VEC_GP, 0);
    cpu_exit(cpu, CPU_EXIT_STI, 0);
    if (kind == IF_VIRTUAL) {
        cpu->s.rflags |= FLAG_VIF;
        return EXEC_NEXT;
    }
    if (!(cpu->s.rflags & FLAG_IF)) {
        cpu->s.rflags |= FLAG_IF;
        cpu->s.intr_shadow |= 1;
        cpu_attend(cpu);
    }
    return EXEC_END;
}

/* ---- HLT, caches, fences ---- */

enum exec exec_hlt(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    if (cpu->cpl != 0)
        return cpu_fault_code(cpu, VEC_GP, 0);
    cpu_exit(cpu, CPU_EXIT_HLT, 0);
    cpu->s.activity = ACTIVITY_HALTED;
    cpu_attend(cpu);
    return EXEC_END;
}

enum exec exec_invd(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    if (cpu->cpl != 0)
        return cpu_fault_code(cpu, VEC_GP, 0);
    cpu_exit(cpu, CPU_EXIT_CACHE, 0);
    timing_flush_caches(cpu);
    return EXEC_NEXT;
}

/* To the cache model. The operand has just been translated. */
static void flush_operand(struct cpu *cpu, const struct insn *insn)
{
    uint64_t linear = mem_linear(cpu, insn->seg, insn_ea(cpu, insn));
    const struct tlb_entry *entry = tlb_find(&cpu->tlb, cpu->cpl == 3, linear);
    const uint8_t *frame = entry != NULL ? memory_frame(cpu->memory, entry->page) : NULL;
    if (frame != NULL)
        timing_flush_lines(cpu, frame + (linear & PAGE_MASK), 1);
}

enum exec exec_clflush(struct cpu *cpu, const struct insn *insn)
{
    if (!mem_check_read(cpu, insn->seg, insn_ea(cpu, insn), 1))
        return EXEC_FAULT;
    if (cpu->cpl < 3)
        cpu_exit(cpu, CPU_EXIT_CACHE, 0);
    if (cpu->timing != NULL)
        flush_operand(cpu, insn);
    return EXEC_NEXT;
}

enum exec exec_fence(struct cpu *cpu, const struct insn *insn)
{
    (void)cpu;
    (void)insn;
    return EXEC_NEXT;
}

enum exec exec_monitor(struct cpu *cpu, const struct insn *insn)
{
    uint64_t address = cpu->s.gpr[RAX] & (insn->addr_size == 8   ? UINT64_MAX
                                          : insn->addr_size == 4 ? UINT32_MAX
                                                                 : UINT16_MAX);
    unsigned seg = insn->prefixes & PREFIX_SEG ? insn->seg : DS;
    if (cpu->cpl != 0)
        return cpu_fault(cpu, VEC_UD);
    if ((uint32_t)cpu->s.gpr[RCX] != 0)
        return cpu_fault_code(cpu, VEC_GP, 0);
    if (!mem_check_read(cpu, seg, address, 1))
        return EXEC_FAULT;
    cpu_exit(cpu, CPU_EXIT_MONITOR, 0);
    return EXEC_NEXT;
}

enum exec exec_mwait(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    if (cpu->cpl != 0)
        return cpu_fault(cpu, VEC_UD);
    if ((uint32_t)cpu->s.gpr[RCX] > 1)
        return cpu_fault_code(cpu, VEC_GP, 0);
    cpu_exit(cpu, CPU_EXIT_MONITOR, 1);
    return EXEC_END;
}

static enum exec set_ac(struct cpu *cpu, bool on)
{
    if (cpu->cpl != 0)
        return cpu_fault(cpu, VEC_UD);
    cpu->s.rflags = on ? cpu->s.rflags | FLAG_AC : cpu->s.rflags & ~(uint64_t)FLAG_AC;
    cpu_update_mode(cpu);
    return EXEC_END;
}

enum exec exec_clac(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    return set_ac(cpu, false);
}

enum exec exec_stac(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    return set_ac(cpu, true);
}
