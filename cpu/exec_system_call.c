/* SYSENTER, SYSEXIT, SYSCALL, SYSRET, SWAPGS and the FS/GS base instructions (SDM vol. 2; vol. 3, 5.8.7).
 *
 * These load CS and SS with fixed flat descriptors; no table is read. SYSCALL and SYSRET exist in 64-bit mode
 * only, as on Intel processors.
 *
 * Single step: after SYSCALL the trap depends on TF as masked, after SYSRET on TF as restored, so both settle
 * it themselves (skip_step). */
#include "cpu/protect.h"

enum {
    ATTR_CODE_FLAT = 0x0B | SEG_S | SEG_P | SEG_G,
    ATTR_DATA_FLAT = 0x03 | SEG_S | SEG_P | SEG_G | SEG_DB
};

static struct segment flat_code(uint64_t selector, unsigned cpl, bool long64)
{
    return (struct segment){
        .limit = UINT32_MAX,
        .selector = (uint16_t)((selector & 0xFFFC) | cpl),
        .attr = (uint16_t)(ATTR_CODE_FLAT | cpl << SEG_DPL_SHIFT | (long64 ? SEG_L : SEG_DB)),
    };
}

static struct segment flat_stack(uint64_t selector, unsigned cpl)
{
    return (struct segment){
        .limit = UINT32_MAX,
        .selector = (uint16_t)((selector & 0xFFFC) | cpl),
        .attr = (uint16_t)(ATTR_DATA_FLAT | cpl << SEG_DPL_SHIFT),
    };
}

static void enter(struct cpu *cpu, struct segment cs, struct segment ss, uint64_t rip)
{
    cpu->s.seg[CS] = cs;
    cpu->s.seg[SS] = ss;
    cpu->s.rip = rip;
    cpu_update_privilege(cpu);
}

/* ---- SYSENTER, SYSEXIT ---- */

enum exec exec_sysenter(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    uint64_t selector = cpu->s.sysenter_cs;
    bool lma = in_long_mode(cpu);
    if (!(cpu->s.cr0 & CR0_PE) || (selector & 0xFFFC) == 0)
        return cpu_fault_code(cpu, VEC_GP, 0);
    cpu_exit(cpu, CPU_EXIT_SYSCALL, 1);
    cpu->s.rflags &= ~(uint64_t)(FLAG_VM | FLAG_IF | FLAG_RF);
    cpu->s.gpr[RSP] = lma ? cpu->s.sysenter_esp : (uint32_t)cpu->s.sysenter_esp;
    enter(cpu, flat_code(selector, 0, lma), flat_stack(selector + 8, 0),
          lma ? cpu->s.sysenter_eip : (uint32_t)cpu->s.sysenter_eip);
    return EXEC_JUMP;
}

enum exec exec_sysexit(struct cpu *cpu, const struct insn *insn)
{
    uint64_t selector = cpu->s.sysenter_cs;
    bool to64 = insn->op_size == 8;
    if (!(cpu->s.cr0 & CR0_PE) || cpu->cpl != 0 || (selector & 0xFFFC) == 0)
        return cpu_fault_code(cpu, VEC_GP, 0);
    uint64_t rip = cpu->s.gpr[RDX], rsp = cpu->s.gpr[RCX];
    if (to64 && (!is_canonical(rip) || !is_canonical(rsp)))
        return cpu_fault_code(cpu, VEC_GP, 0);
    cpu_exit(cpu, CPU_EXIT_SYSRET, 1);
    cpu->s.gpr[RSP] = to64 ? rsp : (uint32_t)rsp;
    enter(cpu, flat_code(selector + (to64 ? 32 : 16), 3, to64), flat_stack(selector + (to64 ? 40 : 24), 3),
          to64 ? rip : (uint32_t)rip);
    return EXEC_JUMP;
}

/* ---- SYSCALL, SYSRET ---- */

static void settle_step(struct cpu *cpu)
{
    cpu->skip_step = true;
    if (cpu->s.rflags & FLAG_TF) {
        cpu->s.debug_pending |= DR6_BS;
        cpu_attend(cpu);
    }
}

enum exec exec_syscall(struct cpu *cpu, const struct insn *insn)
{
    if (!(cpu->s.efer & EFER_SCE) || !cpu->long64)
        return cpu_fault(cpu, VEC_UD);
    uint64_t flags = flags_read(cpu) & ~(uint64_t)FLAG_RF;
    uint64_t selector = cpu->s.star >> 32;
    cpu_exit(cpu, CPU_EXIT_SYSCALL, 0);
    cpu->s.gpr[RCX] = insn_next_rip(cpu, insn);
    cpu->s.gpr[R11] = flags;
    rflags_load(cpu, flags & ~cpu->s.fmask, UINT32_MAX & ~(uint64_t)FLAG_VM);
    enter(cpu, flat_code(selector, 0, true), flat_stack((selector & 0xFFFC) + 8, 0), cpu->s.lstar);
    settle_step(cpu);
    return EXEC_JUMP;
}

enum exec exec_sysret(struct cpu *cpu, const struct insn *insn)
{
    bool to64 = insn->op_size == 8;
    if (!(cpu->s.efer & EFER_SCE) || !cpu->long64)
        return cpu_fault(cpu, VEC_UD);
    if (cpu->cpl != 0 || (to64 && !is_canonical(cpu->s.gpr[RCX])))
        return cpu_fault_code(cpu, VEC_GP, 0);
    uint64_t selector = cpu->s.star >> 48;
    cpu_exit(cpu, CPU_EXIT_SYSRET, 0);
    /* SDM vol. 2: RFLAGS = (R11 & 3C7FD7H) | 2. */
    rflags_load(cpu, cpu->s.gpr[R11] & 0x3C7FD7, UINT32_MAX & ~(uint64_t)FLAG_VM);
    enter(cpu, flat_code(selector + (to64 ? 16 : 0), 3, to64), flat_stack(selector + 8, 3),
          to64 ? cpu->s.gpr[RCX] : (uint32_t)cpu->s.gpr[RCX]);
    settle_step(cpu);
    return EXEC_JUMP;
}

/* ---- FS and GS bases ---- */

enum exec exec_swapgs(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    if (cpu->cpl != 0)
        return cpu_fault_code(cpu, VEC_GP, 0);
    cpu_exit(cpu, CPU_EXIT_SWAPGS, 0);
    uint64_t base = cpu->s.seg[GS].base;
    cpu->s.seg[GS].base = cpu->s.kernel_gs_base;
    cpu->s.kernel_gs_base = base;
    cpu_update_segment(cpu, GS);
    return EXEC_NEXT;
}

static enum exec base_read(struct cpu *cpu, const struct insn *insn, unsigned n)
{
    if (!(cpu->s.cr4 & CR4_FSGSBASE))
        return cpu_fault(cpu, VEC_UD);
    return operand_write(cpu, insn, 0, cpu->s.seg[n].base) ? EXEC_NEXT : EXEC_FAULT;
}

static enum exec base_write(struct cpu *cpu, const struct insn *insn, unsigned n)
{
    uint64_t value;
    if (!(cpu->s.cr4 & CR4_FSGSBASE))
        return cpu_fault(cpu, VEC_UD);
    if (!operand_read(cpu, insn, 0, &value))
        return EXEC_FAULT;
    if (!is_canonical(value))
        return cpu_fault_code(cpu, VEC_GP, 0);
    cpu->s.seg[n].base = value;
    cpu_update_segment(cpu, n);
    return EXEC_NEXT;
}

enum exec exec_rdfsbase(struct cpu *cpu, const struct insn *insn)
{
    return base_read(cpu, insn, FS);
}

enum exec exec_rdgsbase(struct cpu *cpu, const struct insn *insn)
{
    return base_read(cpu, insn, GS);
}

enum exec exec_wrfsbase(struct cpu *cpu, const struct insn *insn)
{
    return base_write(cpu, insn, FS);
}

enum exec exec_wrgsbase(struct cpu *cpu, const struct insn *insn)
{
    return base_write(cpu, insn, GS);
}
