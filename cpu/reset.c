/* State after power-on and INIT (SDM vol. 3, table 9-1).
 *
 * INIT keeps what the table says it keeps: x87, SSE and MMX registers, CD and NW of CR0, MSRs with the memory
 * type registers, the TSC. The levels of input pins are the board's and never change here. */
#include "cpu/cpu_priv.h"
#include "cpu/flags.h"
#include "cpu/protect.h"

#define RESET_CR0            (CR0_ET | CR0_NW | CR0_CD)
#define RESET_APIC_BASE      UINT64_C(0xFEE00900) /* enabled, bootstrap processor */
#define RESET_PAT            UINT64_C(0x0007040600070406)
#define RESET_CS_BASE        UINT64_C(0xFFFF0000)
#define RESET_RIP            0xFFF0
#define MISC_ENABLE_FAST_STR 1

static void reset_float(struct cpu_state *s)
{
    memset(&s->x87, 0, sizeof s->x87);
    memset(s->vec, 0, sizeof s->vec);
    s->x87.control = 0x0040;
    s->x87.valid = 0xFF; /* tag word 5555: all zero, none empty */
    s->mxcsr = 0x1F80;
}

static void reset_msrs(struct cpu *cpu)
{
    struct cpu_state *s = &cpu->s;
    s->star = s->lstar = s->cstar = s->fmask = s->kernel_gs_base = s->tsc_aux = 0;
    s->sysenter_cs = s->sysenter_esp = s->sysenter_eip = 0;
    s->pat = RESET_PAT;
    s->misc_enable = MISC_ENABLE_FAST_STR;
    s->apic_base = cpu_has(cpu, FEAT_APIC) ? RESET_APIC_BASE : 0;
    s->mtrr_def_type = 0;
    memset(s->mtrr_fixed, 0, sizeof s->mtrr_fixed);
    memset(s->mtrr_base, 0, sizeof s->mtrr_base);
    memset(s->mtrr_mask, 0, sizeof s->mtrr_mask);
    s->mcg_status = s->mcg_ctl = 0;
    memset(s->mc_bank, 0, sizeof s->mc_bank);
    memset(s->perf_select, 0, sizeof s->perf_select);
    memset(s->perf_counter, 0, sizeof s->perf_counter);
    s->tsc_offset = -(int64_t)s->clock;
}

static void reset_segments(struct cpu *cpu)
{
    struct cpu_state *s = &cpu->s;
    for (unsigned n = 0; n < SREG_COUNT; n++)
        s->seg[n] = (struct segment){.limit = 0xFFFF, .attr = SEG_P | SEG_S | SEG_WRITABLE | SEG_ACCESSED};
    s->seg[CS].selector = 0xF000;
    s->seg[CS].base = RESET_CS_BASE;
    s->seg[CS].attr |= SEG_CODE;
    s->ldtr = (struct segment){.limit = 0xFFFF, .attr = SEG_P | SYSTEM_LDT};
    s->tr = (struct segment){.limit = 0xFFFF, .attr = SEG_P | SYSTEM_TSS32_BUSY};
    s->gdtr = s->idtr = (struct table_register){.limit = 0xFFFF};
}

void cpu_reset_state(struct cpu *cpu, bool power_on)
{
    struct cpu_state *s = &cpu->s;
    memset(s->gpr, 0, sizeof s->gpr);
    s->gpr[RDX] = cpu_model_signature(cpu->model);
    s->rip = RESET_RIP;
    flags_replace(cpu, FLAG_ONE);
    reset_segments(cpu);
    s->cr0 = power_on ? RESET_CR0 : CR0_ET | (s->cr0 & (CR0_NW | CR0_CD));
    s->cr2 = s->cr3 = s->cr4 = s->efer = 0;
    memset(s->pdpte, 0, sizeof s->pdpte);
    memset(s->dr, 0, sizeof s->dr);
    s->dr[6] = DR6_FIXED;
    s->dr[7] = DR7_FIXED;
    if (power_on) {
        reset_float(s);
        reset_msrs(cpu);
        s->xcr0 = 1;
        s->random = cpu->config.random_seed;
    }
    s->activity = ACTIVITY_RUNNING;
    s->intr_shadow = s->nmi_blocked = s->nmi_pending = 0;
    s->debug_pending = 0;
}
