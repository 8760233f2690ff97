/* Control and debug registers (SDM vol. 2 MOV CR, MOV DR, LMSW, SMSW, CLTS, INVLPG, INVPCID;
 * vol. 3, 2.5, 4.10, 9.8.5, 17.2).
 *
 * A write is checked as a whole against reserved bits, features and combinations, then committed together
 * with what it entails: PDPTEs, EFER.LMA, translations dropped, derived state.
 *
 * Left out: VMX and SMX bits, protection keys: reserved on all models. */
#include "cpu/protect.h"

#define CR0_KNOWN                                                                                            \
    (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG)

void cpu_invalidate_all(struct cpu *cpu, bool global)
{
    if (global) {
        tlb_flush(&cpu->tlb);
        timing_flush_tlbs(cpu, true);
    } else {
        tlb_flush_space(&cpu->tlb, cpu->tlb.selected);
        timing_flush_space(cpu, cpu->tlb.selected);
    }
    if (cpu->bus->invalidate != NULL)
        cpu->bus->invalidate(cpu->bus->ctx, NULL, global);
}

bool pdptes_load(struct cpu *cpu, uint64_t cr3, uint64_t pdpte[4])
{
    /* SDM vol. 3, table 4-8: bits 2:1, 8:5 and those above the physical address are reserved. */
    uint64_t reserved = 0x1E6 | (UINT64_MAX << cpu_model_physical_bits(cpu->model));
    uint64_t mask = cpu->s.a20 ? UINT64_MAX : ~(UINT64_C(1) << 20);
    for (unsigned i = 0; i < 4; i++) {
        uint64_t entry = 0;
        memory_read(cpu->memory, gpa(((cr3 & 0xFFFFFFE0) + 8 * i) & mask), &entry, 8);
        if ((entry & 1) != 0 && (entry & reserved) != 0) {
            cpu_fault_code(cpu, VEC_GP, 0);
            return false;
        }
        pdpte[i] = entry;
    }
    return true;
}

static bool uses_pdptes(const struct cpu *cpu, uint64_t cr0, uint64_t cr4, bool lma)
{
    (void)cpu;
    return (cr0 & CR0_PG) != 0 && (cr4 & CR4_PAE) != 0 && !lma;
}

static enum exec bad(struct cpu *cpu)
{
    return cpu_fault_code(cpu, VEC_GP, 0);
}

/* ---- CR0 ---- */

static bool cr0_valid(const struct cpu *cpu, uint64_t value)
{
    bool pg = (value & CR0_PG) != 0, was_pg = (cpu->s.cr0 & CR0_PG) != 0;
    if (value >> 32 != 0 || (pg && !(value & CR0_PE)) || ((value & CR0_NW) != 0 && !(value & CR0_CD)))
        return false;
    if (!pg && was_pg && (cpu->long64 || (cpu->s.cr4 & CR4_PCIDE) != 0))
        return false;
    if (pg && !was_pg && (cpu->s.efer & EFER_LME) != 0)
        return (cpu->s.cr4 & CR4_PAE) != 0 && !(cpu->s.seg[CS].attr & SEG_L);
    return true;
}

static enum exec cr0_write(struct cpu *cpu, uint64_t value)
{
    if (!cr0_valid(cpu, value))
        return bad(cpu);
    value = (value & CR0_KNOWN) | CR0_ET;
    uint64_t changed = value ^ cpu->s.cr0;
    bool lma = (value & CR0_PG) != 0 && (cpu->s.efer & EFER_LME) != 0;
    uint64_t pdpte[4];
    bool reload = (changed & (CR0_PG | CR0_CD | CR0_NW)) != 0 && uses_pdptes(cpu, value, cpu->s.cr4, lma);
    if (reload && !pdptes_load(cpu, cpu->s.cr3, pdpte))
        return EXEC_FAULT;

    cpu_exit(cpu, CPU_EXIT_CR_WRITE, 0);
    if (reload)
        memcpy(cpu->s.pdpte, pdpte, sizeof pdpte);
    cpu->s.cr0 = value;
    cpu->s.efer = lma ? cpu->s.efer | EFER_LMA : cpu->s.efer & ~(uint64_t)EFER_LMA;
    if ((changed & (CR0_PG | CR0_WP | CR0_PE)) != 0) {
        cpu_update_paging(cpu);
        cpu_invalidate_all(cpu, true);
    }
    cpu_update_mode(cpu);
    return EXEC_END;
}

/* ---- CR3, CR4 ---- */

/* With CR4.PCIDE another PCID may be selected, and only its translations are dropped, if any (SDM vol. 3,
 * 4.10.4.1). */
static void cr3_select(struct cpu *cpu, uint64_t value, bool keep)
{
    unsigned space = (unsigned)(value & CR3_PCID);
    if (!keep) {
        tlb_flush_space(&cpu->tlb, space);
        timing_flush_space(cpu, space);
    }
    cpu_update_paging(cpu);
    if (!keep && cpu->bus->invalidate != NULL)
        cpu->bus->invalidate(cpu->bus->ctx, NULL, false);
}

static enum exec cr3_write(struct cpu *cpu, uint64_t value)
{
    uint64_t pdpte[4];
    bool lma = in_long_mode(cpu), pcide = (cpu->s.cr4 & CR4_PCIDE) != 0;
    bool keep = pcide && (value & CR3_NO_FLUSH) != 0;
    if (keep)
        value &= ~CR3_NO_FLUSH;
    if (lma && value >> cpu_model_physical_bits(cpu->model) != 0)
        return bad(cpu);
    bool load = uses_pdptes(cpu, cpu->s.cr0, cpu->s.cr4, lma);
    if (load && !pdptes_load(cpu, value, pdpte))
        return EXEC_FAULT;
    cpu_exit(cpu, CPU_EXIT_CR_WRITE, 3);
    if (load)
        memcpy(cpu->s.pdpte, pdpte, sizeof pdpte);
    cpu->s.cr3 = value;
    if (pcide) {
        cr3_select(cpu, value, keep);
        return EXEC_END;
    }
    cpu_update_paging(cpu);
    cpu_invalidate_all(cpu, false);
    return EXEC_END;
}

static uint64_t cr4_known(const struct cpu *cpu)
{
    static const struct {
        uint8_t feature;
        uint32_t bits;
    } rows[] = {
        {FEAT_VME, CR4_VME | CR4_PVI}, {FEAT_TSC, CR4_TSD},   {FEAT_DE, CR4_DE},
        {FEAT_PSE, CR4_PSE},           {FEAT_PAE, CR4_PAE},   {FEAT_MCE, CR4_MCE},
        {FEAT_PGE, CR4_PGE},           {FEAT_MMX, CR4_PCE},   {FEAT_FXSR, CR4_OSFXSR},
        {FEAT_SSE, CR4_OSXMMEXCPT},    {FEAT_UMIP, CR4_UMIP}, {FEAT_FSGSBASE, CR4_FSGSBASE},
        {FEAT_XSAVE, CR4_OSXSAVE},     {FEAT_SMEP, CR4_SMEP}, {FEAT_SMAP, CR4_SMAP},
        {FEAT_PCID, CR4_PCIDE},
    };
    uint64_t known = 0;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
        known |= cpu_has(cpu, rows[i].feature) ? rows[i].bits : 0;
    return known;
}

static bool cr4_valid(const struct cpu *cpu, uint64_t value)
{
    bool lma = in_long_mode(cpu), sets_pcide = (value & ~cpu->s.cr4 & CR4_PCIDE) != 0;
    if ((value & ~cr4_known(cpu)) != 0 || (lma && !(value & CR4_PAE)))
        return false;
    return !sets_pcide || (lma && (cpu->s.cr3 & CR3_PCID) == 0);
}

/* SDM vol. 3, 4.10.4.1. What the TLB holds depends on more bits than need to drop all of it by the SDM, but
 * nothing on CR4.PCIDE until it is cleared. */
static bool cr4_drops(uint64_t old, uint64_t value)
{
    const uint64_t paging_bits = CR4_PAE | CR4_PSE | CR4_PGE | CR4_SMEP | CR4_SMAP;
    return ((value ^ old) & paging_bits) != 0 || (old & ~value & CR4_PCIDE) != 0;
}

static enum exec cr4_write(struct cpu *cpu, uint64_t value)
{
    bool lma = in_long_mode(cpu);
    if (!cr4_valid(cpu, value))
        return bad(cpu);
    uint64_t changed = value ^ cpu->s.cr4;
    bool drops = cr4_drops(cpu->s.cr4, value);
    uint64_t pdpte[4];
    bool reload =
        (changed & (CR4_PAE | CR4_PSE | CR4_PGE | CR4_SMEP)) != 0 && uses_pdptes(cpu, cpu->s.cr0, value, lma);
    if (reload && !pdptes_load(cpu, cpu->s.cr3, pdpte))
        return EXEC_FAULT;
    cpu_exit(cpu, CPU_EXIT_CR_WRITE, 4);
    if (reload)
        memcpy(cpu->s.pdpte, pdpte, sizeof pdpte);
    cpu->s.cr4 = value;
    if (drops) {
        cpu_update_paging(cpu);
        cpu_invalidate_all(cpu, true);
    }
    cpu_update_mode(cpu);
    return EXEC_END;
}

/* ---- MOV CR ---- */

enum exec exec_mov_from_cr(struct cpu *cpu, const struct insn *insn)
{
    unsigned n = insn->op[1].reg;
    uint64_t value;
    if (n != 0 && n != 2 && n != 3 && n != 4 && n != 8)
        return cpu_fault(cpu, VEC_UD);
    cpu_exit(cpu, CPU_EXIT_CR_READ, n);
    switch (n) {
    case 0: value = cpu->s.cr0; break;
    case 2: value = cpu->s.cr2; break;
    case 3: value = cpu->s.cr3; break;
    case 4: value = cpu->s.cr4; break;
    default: value = cpu->bus->tpr_read != NULL ? cpu->bus->tpr_read(cpu->bus->ctx) : 0; break;
    }
    return operand_write(cpu, insn, 0, value) ? EXEC_END : EXEC_FAULT;
}

enum exec exec_mov_to_cr(struct cpu *cpu, const struct insn *insn)
{
    unsigned n = insn->op[0].reg;
    uint64_t value;
    if (!operand_read(cpu, insn, 1, &value))
        return EXEC_FAULT;
    switch (n) {
    case 0: return cr0_write(cpu, value);
    case 2:
        cpu_exit(cpu, CPU_EXIT_CR_WRITE, 2);
        cpu->s.cr2 = value;
        return EXEC_END;
    case 3: return cr3_write(cpu, value);
    case 4: return cr4_write(cpu, value);
    case 8:
        if (value > 15)
            return bad(cpu);
        cpu_exit(cpu, CPU_EXIT_CR_WRITE, 8);
        if (cpu->bus->tpr_write != NULL)
            cpu->bus->tpr_write(cpu->bus->ctx, (uint8_t)value);
        return EXEC_END;
    default: return cpu_fault(cpu, VEC_UD);
    }
}

static bool umip_denies(const struct cpu *cpu)
{
    return (cpu->s.cr4 & CR4_UMIP) != 0 && cpu->cpl > 0;
}

enum exec exec_smsw(struct cpu *cpu, const struct insn *insn)
{
    if (umip_denies(cpu))
        return bad(cpu);
    return operand_write(cpu, insn, 0, cpu->s.cr0) ? EXEC_NEXT : EXEC_FAULT;
}

enum exec exec_lmsw(struct cpu *cpu, const struct insn *insn)
{
    uint64_t value;
    const uint64_t mask = CR0_PE | CR0_MP | CR0_EM | CR0_TS;
    if (!operand_read(cpu, insn, 0, &value))
        return EXEC_FAULT;
    return cr0_write(cpu, (cpu->s.cr0 & ~(mask & ~(uint64_t)CR0_PE)) | (value & mask)); /* PE only sets */
}

enum exec exec_clts(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    cpu_exit(cpu, CPU_EXIT_CR_WRITE, 0);
    cpu->s.cr0 &= ~(uint64_t)CR0_TS;
    cpu_update_mode(cpu);
    return EXEC_END;
}

enum exec exec_invlpg(struct cpu *cpu, const struct insn *insn)
{
    uint64_t linear = mem_linear(cpu, insn->seg, insn_ea(cpu, insn));
    cpu_exit(cpu, CPU_EXIT_INVLPG, linear);
    tlb_flush_page(&cpu->tlb, linear);
    timing_flush_page(cpu, linear);
    if (cpu->bus->invalidate != NULL) {
        gva_t addr = gva(linear);
        cpu->bus->invalidate(cpu->bus->ctx, &addr, true);
    }
    return EXEC_END;
}

/* ---- INVPCID ---- */

enum invpcid { INVPCID_ADDRESS, INVPCID_CONTEXT, INVPCID_ALL, INVPCID_NONGLOBAL };

static bool invpcid_valid(const struct cpu *cpu, uint64_t type, const uint64_t descriptor[2])
{
    if (type > INVPCID_NONGLOBAL || descriptor[0] > CR3_PCID)
        return false;
    if (type == INVPCID_ADDRESS && !is_canonical(descriptor[1]))
        return false;
    return type > INVPCID_CONTEXT || descriptor[0] == 0 || (cpu->s.cr4 & CR4_PCIDE) != 0;
}

static void invpcid(struct cpu *cpu, enum invpcid type, unsigned space, uint64_t linear)
{
    switch (type) {
    case INVPCID_ADDRESS:
        tlb_flush_page_of(&cpu->tlb, linear, space);
        timing_flush_page_of(cpu, linear, space);
        break;
    case INVPCID_CONTEXT:
        tlb_flush_space(&cpu->tlb, space);
        timing_flush_space(cpu, space);
        break;
    case INVPCID_ALL:
        tlb_flush(&cpu->tlb);
        timing_flush_tlbs(cpu, true);
        break;
    case INVPCID_NONGLOBAL:
        tlb_flush_nonglobal(&cpu->tlb);
        timing_flush_tlbs(cpu, false);
        break;
    }
}

enum exec exec_invpcid(struct cpu *cpu, const struct insn *insn)
{
    uint64_t type, descriptor[2]; /* PCID, linear address */
    if (!operand_read(cpu, insn, 0, &type) ||
        !mem_read_bytes(cpu, insn->seg, insn_ea(cpu, insn), descriptor, sizeof descriptor))
        return EXEC_FAULT;
    if (!invpcid_valid(cpu, type, descriptor))
        return bad(cpu);
    cpu_exit(cpu, CPU_EXIT_INVLPG, descriptor[1]);
    invpcid(cpu, (enum invpcid)type, (unsigned)descriptor[0], descriptor[1]);
    if (cpu->bus->invalidate != NULL) {
        gva_t addr = gva(descriptor[1]);
        cpu->bus->invalidate(cpu->bus->ctx, type == INVPCID_ADDRESS ? &addr : NULL, type == INVPCID_ALL);
    }
    return EXEC_END;
}

/* ---- MOV DR ---- */

/* DR4 and DR5 are names of DR6 and DR7 unless CR4.DE. True = go on with *n; general detect comes after #UD.
 */
static bool debug_register_check(struct cpu *cpu, unsigned *n)
{
    if (*n > 7 || ((*n == 4 || *n == 5) && (cpu->s.cr4 & CR4_DE) != 0)) {
        cpu_fault(cpu, VEC_UD);
        return false;
    }
    if (*n == 4 || *n == 5)
        *n += 2;
    if (cpu->s.dr[7] & 1 << 13) {
        cpu->s.dr[6] |= DR6_BD;
        cpu_fault(cpu, VEC_DB);
        return false;
    }
    return true;
}

enum exec exec_mov_from_dr(struct cpu *cpu, const struct insn *insn)
{
    unsigned n = insn->op[1].reg;
    if (!debug_register_check(cpu, &n))
        return EXEC_FAULT;
    cpu_exit(cpu, CPU_EXIT_DR_ACCESS, n);
    return operand_write(cpu, insn, 0, cpu->s.dr[n]) ? EXEC_NEXT : EXEC_FAULT;
}

enum exec exec_mov_to_dr(struct cpu *cpu, const struct insn *insn)
{
    unsigned n = insn->op[0].reg;
    uint64_t value;
    if (!debug_register_check(cpu, &n) || !operand_read(cpu, insn, 1, &value))
        return EXEC_FAULT;
    if (n >= 6 && value >> 32 != 0)
        return bad(cpu);
    cpu_exit(cpu, CPU_EXIT_DR_ACCESS, n);
    if (n == 6)
        value = (value & (0xF | DR6_BD | DR6_BS | DR6_BT)) | DR6_FIXED;
    else if (n == 7)
        value = (value & 0xFFFF23FF) | DR7_FIXED;
    cpu->s.dr[n] = value;
    if (n != 6)
        debug_update(cpu);
    return EXEC_END;
}
