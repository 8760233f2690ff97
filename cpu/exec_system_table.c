/* Descriptor table registers: LGDT, LIDT, LLDT, LTR and the instructions that store them (SDM vol. 2; vol. 3,
 * 2.4, 7.2.4).
 *
 * Left out: nothing. SGDT and SIDT with a 16-bit operand size store all 32 bits of the base, as processors
 * from the 386 on do, whatever the manual's pseudo code says. */
#include "cpu/protect.h"

enum { LOAD_GDT, LOAD_IDT, LOAD_LDT, LOAD_TR };

static bool umip_denies(struct cpu *cpu)
{
    if (!(cpu->s.cr4 & CR4_UMIP) || cpu->cpl == 0)
        return false;
    cpu_fault_code(cpu, VEC_GP, 0);
    return true;
}

/* ---- GDTR, IDTR ---- */

static uint64_t pseudo_descriptor_base(const struct cpu *cpu, const struct insn *insn, uint64_t ea)
{
    (void)cpu;
    return insn->addr_size == 8 ? ea + 2 : insn->addr_size == 4 ? (uint32_t)(ea + 2) : (uint16_t)(ea + 2);
}

static enum exec table_store(struct cpu *cpu, const struct insn *insn, const struct table_register *table)
{
    if (umip_denies(cpu))
        return EXEC_FAULT;
    uint64_t ea = insn_ea(cpu, insn);
    uint64_t base = pseudo_descriptor_base(cpu, insn, ea);
    unsigned size = cpu->long64 ? 8 : 4;
    if (!mem_check_write(cpu, insn->seg, base, size) || !mem_write(cpu, insn->seg, ea, 2, table->limit) ||
        !mem_write(cpu, insn->seg, base, size, table->base))
        return EXEC_FAULT;
    return EXEC_NEXT;
}

static enum exec table_load(struct cpu *cpu, const struct insn *insn, struct table_register *table,
                            unsigned detail)
{
    uint64_t ea = insn_ea(cpu, insn), limit, base;
    if (!mem_read(cpu, insn->seg, ea, 2, &limit) ||
        !mem_read(cpu, insn->seg, pseudo_descriptor_base(cpu, insn, ea), cpu->long64 ? 8 : 4, &base))
        return EXEC_FAULT;
    if (cpu->long64 && !is_canonical(base))
        return cpu_fault_code(cpu, VEC_GP, 0);
    if (!cpu->long64 && insn->op_size == 2)
        base &= 0xFFFFFF;
    cpu_exit(cpu, CPU_EXIT_TABLE_LOAD, detail);
    table->limit = (uint16_t)limit;
    table->base = base;
    return EXEC_NEXT;
}

enum exec exec_sgdt(struct cpu *cpu, const struct insn *insn)
{
    return table_store(cpu, insn, &cpu->s.gdtr);
}

enum exec exec_sidt(struct cpu *cpu, const struct insn *insn)
{
    return table_store(cpu, insn, &cpu->s.idtr);
}

enum exec exec_lgdt(struct cpu *cpu, const struct insn *insn)
{
    return table_load(cpu, insn, &cpu->s.gdtr, LOAD_GDT);
}

enum exec exec_lidt(struct cpu *cpu, const struct insn *insn)
{
    return table_load(cpu, insn, &cpu->s.idtr, LOAD_IDT);
}

/* ---- LDTR, TR ---- */

enum exec exec_sldt(struct cpu *cpu, const struct insn *insn)
{
    if (umip_denies(cpu))
        return EXEC_FAULT;
    return operand_write(cpu, insn, 0, cpu->s.ldtr.selector) ? EXEC_NEXT : EXEC_FAULT;
}

enum exec exec_str(struct cpu *cpu, const struct insn *insn)
{
    if (umip_denies(cpu))
        return EXEC_FAULT;
    return operand_write(cpu, insn, 0, cpu->s.tr.selector) ? EXEC_NEXT : EXEC_FAULT;
}

/* The system descriptor that LLDT and LTR name: in the GDT, of one of the two types, present. */
static bool system_descriptor(struct cpu *cpu, uint16_t selector, unsigned type, unsigned other_type,
                              struct descriptor *d)
{
    if (selector & 4)
        return selector_fault(cpu, VEC_GP, selector, 0);
    if (!descriptor_read(cpu, selector, VEC_GP, 0, d))
        return false;
    if (descriptor_is_segment(d) || (descriptor_type(d) != type && descriptor_type(d) != other_type))
        return selector_fault(cpu, VEC_GP, selector, 0);
    if (!descriptor_read_high(cpu, VEC_GP, 0, d))
        return false;
    if (!descriptor_present(d))
        return selector_fault(cpu, VEC_NP, selector, 0);
    return true;
}

/* In 64-bit mode a base that is not canonical is #GP(selector). */
static bool system_base_check(struct cpu *cpu, const struct segment *segment)
{
    if (!in_long_mode(cpu) || is_canonical(segment->base))
        return true;
    return selector_fault(cpu, VEC_GP, segment->selector, 0);
}

enum exec exec_lldt(struct cpu *cpu, const struct insn *insn)
{
    uint64_t value;
    struct descriptor d;
    struct segment ldtr;
    if (!operand_read(cpu, insn, 0, &value))
        return EXEC_FAULT;
    uint16_t selector = (uint16_t)value;
    if (selector_is_null(selector)) {
        ldtr = segment_null(selector, 0);
    } else {
        if (!system_descriptor(cpu, selector, SYSTEM_LDT, SYSTEM_LDT, &d))
            return EXEC_FAULT;
        ldtr = descriptor_system_segment(cpu, &d);
        if (!system_base_check(cpu, &ldtr))
            return EXEC_FAULT;
    }
    cpu_exit(cpu, CPU_EXIT_TABLE_LOAD, LOAD_LDT);
    cpu->s.ldtr = ldtr;
    return EXEC_END;
}

enum exec exec_ltr(struct cpu *cpu, const struct insn *insn)
{
    uint64_t value;
    struct descriptor d;
    if (!operand_read(cpu, insn, 0, &value))
        return EXEC_FAULT;
    uint16_t selector = (uint16_t)value;
    if (selector_is_null(selector))
        return cpu_fault_code(cpu, VEC_GP, 0);
    if (!system_descriptor(cpu, selector, SYSTEM_TSS32, in_long_mode(cpu) ? SYSTEM_TSS32 : SYSTEM_TSS16, &d))
        return EXEC_FAULT;
    struct segment tr = descriptor_system_segment(cpu, &d);
    if (!system_base_check(cpu, &tr) || !descriptor_set_busy(cpu, &d, true))
        return EXEC_FAULT;
    tr.attr |= SYSTEM_BUSY;
    cpu_exit(cpu, CPU_EXIT_TABLE_LOAD, LOAD_TR);
    cpu->s.tr = tr;
    return EXEC_END;
}
