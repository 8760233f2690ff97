/* Sensitive operations of the guest that need no device: what each costs in the monitor.
 *
 * The architectural effect is the CPU's own (cpu/); here only time is charged. Guest kernel code runs
 * translated, so CLI, STI, PUSHF, POPF are a few inlined instructions and the rest is a call into the
 * monitor; guest user code runs directly, and its faults, system calls and IN/OUT arrive through hardware
 * traps.
 *
 * Called inside an instruction (host.h): events and physical interrupts wait for its boundary. */
#include "vmm/hv_workstation_priv.h"

#include "base/check.h"

/* One row per exit of cpu/exit.def; COST_ID_COUNT = costs nothing here. */
static const uint8_t exit_costs[CPU_EXIT_COUNT] = {
    [CPU_EXIT_CR_READ] = COST_ID_VMM_CR_READ,
    [CPU_EXIT_CR_WRITE] = COST_ID_VMM_CR_WRITE, /* but CR3: below */
    [CPU_EXIT_DR_ACCESS] = COST_ID_VMM_DR,
    [CPU_EXIT_MSR_READ] = COST_ID_VMM_MSR,
    [CPU_EXIT_MSR_WRITE] = COST_ID_VMM_MSR,
    [CPU_EXIT_TABLE_LOAD] = COST_ID_VMM_TABLE,
    [CPU_EXIT_SEGMENT_LOAD] = COST_ID_VMM_SEGMENT,
    [CPU_EXIT_INVLPG] = COST_ID_SHADOW_INVLPG,
    [CPU_EXIT_CACHE] = COST_ID_VMM_CACHE,
    [CPU_EXIT_CLI] = COST_ID_VMM_IF,
    [CPU_EXIT_STI] = COST_ID_VMM_IF,
    [CPU_EXIT_PUSHF] = COST_ID_VMM_FLAGS,
    [CPU_EXIT_POPF] = COST_ID_VMM_FLAGS,
    [CPU_EXIT_IRET] = COST_ID_VMM_IRET,
    [CPU_EXIT_FAR_TRANSFER] = COST_ID_VMM_FAR,
    [CPU_EXIT_SOFT_INT] = COST_ID_VMM_SOFT_INT,
    [CPU_EXIT_EXCEPTION] = COST_ID_VMM_EXCEPTION,
    [CPU_EXIT_INTERRUPT] = COST_ID_VMM_VIRQ_DELIVER,
    [CPU_EXIT_NMI] = COST_ID_VMM_VIRQ_DELIVER,
    [CPU_EXIT_SYSCALL] = COST_ID_VMM_SYSCALL,
    [CPU_EXIT_SYSRET] = COST_ID_VMM_SYSCALL,
    [CPU_EXIT_CPUID] = COST_ID_VMM_CPUID,
    [CPU_EXIT_TSC] = COST_ID_VMM_TSC,
    [CPU_EXIT_PMC] = COST_ID_VMM_TSC,
    [CPU_EXIT_MONITOR] = COST_ID_VMM_OTHER,
    [CPU_EXIT_HLT] = COST_ID_VMM_HLT,
    [CPU_EXIT_SWAPGS] = COST_ID_VMM_OTHER,
    [CPU_EXIT_FPU] = COST_ID_COUNT,
    [CPU_EXIT_SHUTDOWN] = COST_ID_COUNT,
};
_Static_assert(COST_ID_COUNT < 256, "exit_costs holds bytes");

void workstation_exit(void *ctx, enum cpu_exit exit, uint64_t detail)
{
    struct workstation *workstation = ctx;
    struct host *host = vm_host(workstation->vm);
    unsigned cost = exit_costs[exit];
    if (exit == CPU_EXIT_CR_WRITE && detail == 3)
        cost = COST_ID_VMM_CR3;
    if (cost < COST_ID_COUNT)
        host_charge(host, (enum cost_id)cost);
    /* Which device an interrupt is from cannot be seen here: the first one after a frame arrived is taken as
     * its. */
    if (exit == CPU_EXIT_INTERRUPT)
        host_frames_announced(host);
}

void workstation_cpl_changed(void *ctx, unsigned from, unsigned to)
{
    struct workstation *workstation = ctx;
    if ((from == 3) == (to == 3))
        return;
    host_charge(vm_host(workstation->vm), to == 3 ? COST_ID_VMM_TO_DIRECT : COST_ID_VMM_TO_TRANSLATED);
}
