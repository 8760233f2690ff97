/* RDMSR, WRMSR, RDTSC, RDTSCP, RDPMC (SDM vol. 2; vol. 4 for the registers).
 *
 * Which registers exist is cpu/msr.def; this file says what each does. A register that a CPU model does not
 * have is #GP(0), as is a reserved bit.
 *
 * Left out: what performance counters count (the two of the P6 family keep what is written), branch records
 * (read 0, writes ignored), microcode update (accepted and ignored). MTRRs and PAT are kept and checked but
 * have no effect: memory has no types here. */
#include "cpu/protect.h"

typedef bool msr_fn(struct cpu *cpu, unsigned n, bool write, uint64_t *value);

/* ---- Helpers ---- */

/* A plain register of which `mask` bits exist. */
static bool plain(uint64_t *reg, uint64_t mask, bool write, uint64_t *value)
{
    if (!write)
        *value = *reg;
    else if (*value & ~mask)
        return false;
    else
        *reg = *value;
    return true;
}

static bool canonical_only(uint64_t *reg, bool write, uint64_t *value)
{
    return (!write || is_canonical(*value)) && plain(reg, UINT64_MAX, write, value);
}

static bool read_only(uint64_t constant, bool write, uint64_t *value)
{
    *value = write ? *value : constant;
    return !write;
}

static uint64_t physical_mask(const struct cpu *cpu)
{
    return ~(UINT64_MAX << cpu_model_physical_bits(cpu->model));
}

/* UC, WC, WT, WP, WB; with `uc_minus` also UC- (SDM vol. 3, tables 11-8 and 11-10). */
static bool memory_types_valid(uint64_t value, unsigned bytes, bool uc_minus)
{
    for (unsigned i = 0; i < bytes; i++) {
        unsigned type = value >> (8 * i) & 0xFF;
        if (type > 7 || type == 2 || type == 3 || (type == 7 && !uc_minus))
            return false;
    }
    return true;
}

/* ---- System calls and bases ---- */

static bool segment_base(struct cpu *cpu, unsigned n, bool write, uint64_t *value)
{
    if (!canonical_only(&cpu->s.seg[n].base, write, value))
        return false;
    cpu_update_segment(cpu, n);
    return true;
}

static bool msr_fs_base(struct cpu *cpu, unsigned n, bool write, uint64_t *value)
{
    (void)n;
    return segment_base(cpu, FS, write, value);
}

static bool msr_gs_base(struct cpu *cpu, unsigned n, bool write, uint64_t *value)
{
    (void)n;
    return segment_base(cpu, GS, write, value);
}

static bool msr_kernel_gs_base(struct cpu *cpu, unsigned n, bool write, uint64_t *value)
{
    (void)n;
    return canonical_only(&cpu->s.kernel_gs_base, write, value);
}

static bool msr_sysenter(struct cpu *cpu, unsigned n, bool write, uint64_t *value)
{
    if (n == 0)
        return plain(&cpu->s.sysenter_cs, UINT64_MAX, write, value);
    uint64_t *reg = n == 1 ? &cpu->s.sysenter_esp : &cpu->s.sysenter_eip;
    return canonical_only(reg, write, value);
}

static bool msr_syscall(struct cpu *cpu, unsigned n, bool write, uint64_t *value)
{
    switch (n) {
    case 0: return plain(&cpu->s.star, UINT64_MAX, write, value);
    case 1: return canonical_only(&cpu->s.lstar, write, value);
    case 2: return canonical_only(&cpu->s.cstar, write, value);
    default: return plain(&cpu->s.fmask, UINT32_MAX, write, value);
    }
}

static bool msr_efer(struct cpu *cpu, unsigned n, bool write, uint64_t *value)
{
    (void)n;
    if (!write) {
        *value = cpu->s.efer;
        return true;
    }
    uint64_t known = EFER_LMA;
    known |= cpu_has(cpu, FEAT_NX) ? EFER_NXE : 0;
    known |= cpu_has(cpu, FEAT_LM) ? EFER_LME : 0;
    known |= cpu_has(cpu, FEAT_SYSCALL) ? EFER_SCE : 0;
    uint64_t changed = *value ^ cpu->s.efer;
    if ((*value & ~known) != 0 || ((changed & EFER_LME) != 0 && (cpu->s.cr0 & CR0_PG) != 0))
        return false;
    cpu->s.efer = (*value & ~(uint64_t)EFER_LMA) | (cpu->s.efer & EFER_LMA);
    if (changed & EFER_NXE) {
        cpu_update_paging(cpu);
        cpu_invalidate_all(cpu, true);
    }
    return true;
}

/* ---- Time, APIC ---- */

static bool msr_tsc(struct cpu *cpu, unsigned n, bool write, uint64_t *value)
{
    (void)n;
    if (!write)
        *value = cpu->s.clock + (uint64_t)cpu->s.tsc_offset;
    else
        cpu->s.tsc_offset = (int64_t)(*value - cpu->s.clock);
    return true;
}

static bool msr_tsc_aux(struct cpu *cpu, unsigned n, bool write, uint64_t *value)
{
    (void)n;
    return plain(&cpu->s.tsc_aux, UINT32_MAX, write, value);
}

static bool msr_apic_base(struct cpu *cpu, unsigned n, bool write, uint64_t *value)
{
    (void)n;
    const uint64_t flags = 1 << 8 | 1 << 11; /* BSP, enable */
    if (!plain(&cpu->s.apic_base, (physical_mask(cpu) & ~PAGE_MASK) | flags, write, value))
        return false;
    if (write && cpu->bus->apic_base_written != NULL)
        cpu->bus->apic_base_written(cpu->bus->ctx, *value);
    return true;
}

/* ---- Memory types ---- */

static bool msr_pat(struct cpu *cpu, unsigned n, bool write, uint64_t *value)
{
    (void)n;
    return (!write || memory_types_valid(*value, 8, true)) && plain(&cpu->s.pat, UINT64_MAX, write, value);
}

static bool msr_mtrr_cap(struct cpu *cpu, unsigned n, bool write, uint64_t *value)
{
    (void)cpu;
    (void)n;
    return read_only(0x508, write, value); /* 8 variable ranges, fixed ranges, WC */
}

static bool msr_mtrr_variable(struct cpu *cpu, unsigned n, bool write, uint64_t *value)
{
    uint64_t address = physical_mask(cpu) & ~PAGE_MASK;
    if (n & 1)
        return plain(&cpu->s.mtrr_mask[n / 2], address | 1 << 11, write, value);
    return (!write || memory_types_valid(*value & 0xFF, 1, false)) &&
           plain(&cpu->s.mtrr_base[n / 2], address | 0xFF, write, value);
}

static bool mtrr_fixed(struct cpu *cpu, unsigned n, bool write, uint64_t *value)
{
    return (!write || memory_types_valid(*value, 8, false)) &&
           plain(&cpu->s.mtrr_fixed[n], UINT64_MAX, write, value);
}

static bool msr_mtrr_fixed64(struct cpu *cpu, unsigned n, bool write, uint64_t *value)
{
    return mtrr_fixed(cpu, n, write, value);
}

static bool msr_mtrr_fixed16(struct cpu *cpu, unsigned n, bool write, uint64_t *value)
{
    return mtrr_fixed(cpu, 1 + n, write, value);
}

static bool msr_mtrr_fixed4(struct cpu *cpu, unsigned n, bool write, uint64_t *value)
{
    return mtrr_fixed(cpu, 3 + n, write, value);
}

static bool msr_mtrr_def_type(struct cpu *cpu, unsigned n, bool write, uint64_t *value)
{
    (void)n;
    return (!write || memory_types_valid(*value & 0xFF, 1, false)) &&
           plain(&cpu->s.mtrr_def_type, 0xFF | 1 << 10 | 1 << 11, write, value);
}

/* ---- Machine check ---- */

static bool msr_mcg_cap(struct cpu *cpu, unsigned n, bool write, uint64_t *value)
{
    (void)cpu;
    (void)n;
    return read_only(1 << 8 | 5, write, value); /* MCG_CTL exists, five banks */
}

static bool msr_mcg_status(struct cpu *cpu, unsigned n, bool write, uint64_t *value)
{
    (void)n;
    return plain(&cpu->s.mcg_status, 7, write, value);
}

static bool msr_mcg_ctl(struct cpu *cpu, unsigned n, bool write, uint64_t *value)
{
    (void)n;
    return (!write || *value == 0 || *value == UINT64_MAX) &&
           plain(&cpu->s.mcg_ctl, UINT64_MAX, write, value);
}

static bool msr_mc_bank(struct cpu *cpu, unsigned n, bool write, uint64_t *value)
{
    /* CTL is a register; STATUS, ADDR and MISC may only be cleared. */
    return plain(&cpu->s.mc_bank[n], n % 4 == 0 ? UINT64_MAX : 0, write, value);
}

/* 40 bits, of which a write gives the lower 32, sign-extended (SDM vol. 3, P6 family performance counters).
 */
static bool msr_perf_counter(struct cpu *cpu, unsigned n, bool write, uint64_t *value)
{
    if (write)
        *value = (uint64_t)(int64_t)(int32_t)*value & ((UINT64_C(1) << 40) - 1);
    return plain(&cpu->s.perf_counter[n], UINT64_MAX, write, value);
}

static bool msr_perf_select(struct cpu *cpu, unsigned n, bool write, uint64_t *value)
{
    return plain(&cpu->s.perf_select[n], UINT32_MAX, write, value);
}

/* ---- Power-on configuration and the like ---- */

static bool msr_zero(struct cpu *cpu, unsigned n, bool write, uint64_t *value)
{
    (void)cpu;
    (void)n;
    return read_only(0, write, value);
}

static bool msr_ignored(struct cpu *cpu, unsigned n, bool write, uint64_t *value)
{
    (void)cpu;
    (void)n;
    *value = write ? *value : 0;
    return true;
}

static bool msr_platform_id(struct cpu *cpu, unsigned n, bool write, uint64_t *value)
{
    (void)cpu;
    (void)n;
    return read_only(0, write, value);
}

/* Bus frequency and ratio of the P6 family: 133 MHz x 5.5 (SDM vol. 4, table 2-53). */
static bool msr_ebl_cr_poweron(struct cpu *cpu, unsigned n, bool write, uint64_t *value)
{
    (void)n;
    *value = write ? *value : cpu_has(cpu, FEAT_LM) ? 0 : UINT64_C(0xD) << 22 | 1 << 18;
    return true;
}

static bool msr_feature_control(struct cpu *cpu, unsigned n, bool write, uint64_t *value)
{
    (void)cpu;
    (void)n;
    return read_only(1, write, value); /* locked, no VMX */
}

static uint64_t bus_ratio(const struct cpu *cpu)
{
    return cpu->config.hz / 100000000 & 0xFF;
}

static bool msr_platform_info(struct cpu *cpu, unsigned n, bool write, uint64_t *value)
{
    (void)n;
    return read_only(bus_ratio(cpu) << 8 | bus_ratio(cpu) << 40, write, value);
}

static bool msr_perf_status(struct cpu *cpu, unsigned n, bool write, uint64_t *value)
{
    (void)n;
    return read_only(bus_ratio(cpu), write, value);
}

/* Nothing here executes speculatively: RDCL_NO, SKIP_L1DFL_VMENTRY, SSB_NO, MDS_NO, PSCHANGE_MC_NO, TAA_NO,
 * SBDR_SSDP_NO, FBSDP_NO, PSDP_NO, and PBRSB_NO. */
static bool msr_arch_capabilities(struct cpu *cpu, unsigned n, bool write, uint64_t *value)
{
    (void)cpu;
    (void)n;
    return read_only(1 << 0 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 8 | 7 << 13 | 1 << 24, write, value);
}

static bool msr_misc_enable(struct cpu *cpu, unsigned n, bool write, uint64_t *value)
{
    (void)n;
    const uint64_t fixed = 1 << 11 | 1 << 12; /* BTS and PEBS unavailable */
    const uint64_t known = 1 << 0 | 1 << 3 | 1 << 7 | fixed | 1 << 16 | 1 << 18 | 1 << 22 | UINT64_C(1) << 34;
    if (write)
        *value = (*value & known) | fixed;
    return plain(&cpu->s.misc_enable, known, write, value);
}

/* ---- Dispatch ---- */

struct msr_row {
    uint32_t first;
    uint8_t count, feature;
    msr_fn *access;
};

static const struct msr_row msr_rows[] = {
#define MSR(first, count, name, feature, accessor) {first, count, FEAT_##feature, msr_##accessor},
#include "cpu/msr.def"
#undef MSR
};

static bool msr_access(struct cpu *cpu, uint32_t index, bool write, uint64_t *value)
{
    for (unsigned i = 0; i < ARRAY_LEN(msr_rows); i++) {
        const struct msr_row *row = &msr_rows[i];
        if (index - row->first < row->count && cpu_has(cpu, row->feature))
            return row->access(cpu, index - row->first, write, value);
    }
    log_line(cpu->log, LOG_UNIMP, "%s of unknown MSR %08x", write ? "write" : "read", index);
    return false;
}

static void set_edx_eax(struct cpu *cpu, uint64_t value)
{
    cpu->s.gpr[RAX] = (uint32_t)value;
    cpu->s.gpr[RDX] = value >> 32;
}

enum exec exec_rdmsr(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    uint32_t index = (uint32_t)cpu->s.gpr[RCX];
    uint64_t value;
    if (cpu->cpl != 0 || !msr_access(cpu, index, false, &value))
        return cpu_fault_code(cpu, VEC_GP, 0);
    cpu_exit(cpu, CPU_EXIT_MSR_READ, index);
    set_edx_eax(cpu, value);
    return EXEC_NEXT;
}

enum exec exec_wrmsr(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    uint32_t index = (uint32_t)cpu->s.gpr[RCX];
    uint64_t value = (uint32_t)cpu->s.gpr[RAX] | cpu->s.gpr[RDX] << 32;
    /* The exit is told after the check, which for a write is also the commit: the hook only charges time. */
    if (cpu->cpl != 0 || !msr_access(cpu, index, true, &value))
        return cpu_fault_code(cpu, VEC_GP, 0);
    cpu_exit(cpu, CPU_EXIT_MSR_WRITE, index);
    return EXEC_END;
}

static bool tsc_denied(const struct cpu *cpu)
{
    return (cpu->s.cr4 & CR4_TSD) != 0 && cpu->cpl != 0;
}

enum exec exec_rdtsc(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    if (tsc_denied(cpu))
        return cpu_fault_code(cpu, VEC_GP, 0);
    cpu_exit(cpu, CPU_EXIT_TSC, 0);
    set_edx_eax(cpu, cpu->s.clock + (uint64_t)cpu->s.tsc_offset);
    return EXEC_NEXT;
}

enum exec exec_rdtscp(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    if (tsc_denied(cpu))
        return cpu_fault_code(cpu, VEC_GP, 0);
    cpu_exit(cpu, CPU_EXIT_TSC, 1);
    set_edx_eax(cpu, cpu->s.clock + (uint64_t)cpu->s.tsc_offset);
    cpu->s.gpr[RCX] = (uint32_t)cpu->s.tsc_aux;
    return EXEC_NEXT;
}

enum exec exec_rdpmc(struct cpu *cpu, const struct insn *insn)
{
    (void)insn;
    uint32_t counter = (uint32_t)cpu->s.gpr[RCX];
    if ((!(cpu->s.cr4 & CR4_PCE) && cpu->cpl != 0 && (cpu->s.cr0 & CR0_PE) != 0) || counter > 1)
        return cpu_fault_code(cpu, VEC_GP, 0);
    cpu_exit(cpu, CPU_EXIT_PMC, counter);
    set_edx_eax(cpu, cpu->s.perf_counter[counter]);
    return EXEC_NEXT;
}
