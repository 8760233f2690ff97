/* Flag instructions: CMC CLC STC CLD STD LAHF SAHF PUSHF POPF (SDM vol. 2). CLI and STI are system
 * instructions.
 *
 * PUSHF and POPF in virtual-8086 mode with IOPL < 3: with CR4.VME the 16-bit forms move VIF in the place of
 * IF, everything else is #GP(0) (SDM vol. 3, 20.3). */
#include "cpu/cpu_priv.h"
#include "cpu/flags.h"
#include "cpu/operand.h"

enum exec exec_cmc(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    flags_write(cpu, flag_carry(cpu) ? 0 : FLAG_CF, FLAG_CF);
    return EXEC_NEXT;
}

enum exec exec_clc(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    flags_write(cpu, 0, FLAG_CF);
    return EXEC_NEXT;
}

enum exec exec_stc(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    flags_write(cpu, FLAG_CF, FLAG_CF);
    return EXEC_NEXT;
}

enum exec exec_cld(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    cpu->s.rflags &= ~(uint64_t)FLAG_DF;
    return EXEC_NEXT;
}

enum exec exec_std(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    cpu->s.rflags |= FLAG_DF;
    return EXEC_NEXT;
}

enum exec exec_lahf(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    gprh_write(cpu, RAX, flags_read(cpu));
    return EXEC_NEXT;
}

enum exec exec_sahf(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    flags_write(cpu, gprh_read(cpu, RAX), FLAG_SF | FLAG_ZF | FLAG_AF | FLAG_PF | FLAG_CF);
    return EXEC_NEXT;
}

/* ---- PUSHF, POPF ---- */

static bool in_v86(const struct cpu *cpu)
{
    return (cpu->s.rflags & FLAG_VM) != 0;
}

/* Virtual-8086 mode without I/O privilege. */
static bool v86_restricted(const struct cpu *cpu)
{
    return in_v86(cpu) && cpu_iopl(cpu) < 3;
}

static bool has_vme(const struct cpu *cpu, const struct insn *insn)
{
    return (cpu->s.cr4 & CR4_VME) != 0 && insn->op_size == 2;
}

enum exec exec_pushf(struct cpu *cpu, const struct insn *insn)
{
    uint64_t image = flags_read(cpu) & ~(uint64_t)(FLAG_VM | FLAG_RF);
    if (v86_restricted(cpu)) {
        if (!has_vme(cpu, insn))
            return cpu_fault_code(cpu, VEC_GP, 0);
        image = (image & ~(uint64_t)FLAG_IF) | FLAG_IOPL;
        image |= cpu->s.rflags & FLAG_VIF ? FLAG_IF : 0;
    }
    if (cpu->cpl != 3 && cpu->bus->exit != NULL) {
        uint64_t rsp = (cpu->s.gpr[RSP] - insn->op_size) & stack_mask(cpu);
        if (!mem_check_write(cpu, SS, rsp, insn->op_size))
            return EXEC_FAULT;
        cpu_exit(cpu, CPU_EXIT_PUSHF, 0);
    }
    return stack_push(cpu, insn->op_size, image) ? EXEC_NEXT : EXEC_FAULT;
}

/* The VME form: IF of the image goes to VIF. */
static enum exec popf_vme(struct cpu *cpu, uint64_t image)
{
    bool enable = (image & FLAG_IF) != 0;
    if ((image & FLAG_TF) != 0 || (enable && (cpu->s.rflags & FLAG_VIP) != 0))
        return cpu_fault_code(cpu, VEC_GP, 0);
    rflags_load(cpu, image, FLAGS_ARITH | FLAG_TF | FLAG_DF | FLAG_NT);
    rflags_load(cpu, enable ? FLAG_VIF : 0, FLAG_VIF);
    return EXEC_END;
}

enum exec exec_popf(struct cpu *cpu, const struct insn *insn)
{
    bool restricted = v86_restricted(cpu);
    if (restricted && !has_vme(cpu, insn))
        return cpu_fault_code(cpu, VEC_GP, 0);
    uint64_t image;
    if (!stack_peek(cpu, 0, insn->op_size, &image))
        return EXEC_FAULT;
    if (restricted) {
        enum exec result = popf_vme(cpu, image);
        if (result != EXEC_FAULT)
            stack_drop(cpu, insn->op_size);
        return result;
    }
    if (cpu->cpl != 3)
        cpu_exit(cpu, CPU_EXIT_POPF, 0);
    uint64_t mask = rflags_writable(cpu, cpu->cpl, cpu_iopl(cpu));
    uint64_t before = cpu->s.rflags;
    if (insn->op_size == 2)
        mask &= 0xFFFF;
    else if (!in_v86(cpu))
        mask |= FLAG_VIF | FLAG_VIP;
    rflags_load(cpu, image & ~(uint64_t)(FLAG_VIF | FLAG_VIP), mask);
    stack_drop(cpu, insn->op_size);
    if ((before ^ cpu->s.rflags) & FLAG_AC)
        cpu_update_mode(cpu);
    return EXEC_END;
}
