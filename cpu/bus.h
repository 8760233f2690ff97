/* What the CPU sees of the rest of the machine: callbacks, so that cpu/ needs no devices and no hypervisor.
 *
 * Every callback may advance cpu->s.clock (a hypervisor charges its costs there) and may change the interrupt
 * inputs; it must not touch other CPU state. The CPU commits the instruction after the callback returned. */
#ifndef CROSSPAGE_CPU_BUS_H
#define CROSSPAGE_CPU_BUS_H

#include "mmu/tlb.h"
#include "mmu/walk.h"

/* Everything a monitor under the guest would have to intercept, see exit.def. */
enum cpu_exit {
#define EXIT(name, description) CPU_EXIT_##name,
#include "cpu/exit.def"
#undef EXIT
    CPU_EXIT_COUNT
};

struct cpu_bus {
    uint32_t (*port_read)(void *ctx, uint16_t port, unsigned size);
    void (*port_write)(void *ctx, uint16_t port, unsigned size, uint32_t value);
    uint64_t (*mmio_read)(void *ctx, gpa_t addr, unsigned size);
    void (*mmio_write)(void *ctx, gpa_t addr, unsigned size, uint64_t value);
    /* Interrupt acknowledge cycle: the vector. Called only with INTR asserted. */
    uint8_t (*intr_ack)(void *ctx);
    /* Task priority lives in the local APIC; here as CR8 has it, 0..15. */
    uint8_t (*tpr_read)(void *ctx);
    void (*tpr_write)(void *ctx, uint8_t tpr);
    /* IA32_APIC_BASE was written (already checked and stored). */
    void (*apic_base_written)(void *ctx, uint64_t value);
    /* FERR# changed (CR0.NE = 0): the board routes it to IRQ 13. */
    void (*ferr)(void *ctx, bool level);

    /* ---- Hypervisor hooks; each may be NULL (bare metal). ---- */

    /* A sensitive operation is about to happen; all architectural checks that could fault have passed.
     * `detail` depends on the exit (exit.def). */
    void (*exit)(void *ctx, enum cpu_exit exit, uint64_t detail);
    /* TLB miss. Fills *out or returns false with the #PF code. NULL: walk the guest's own tables. */
    bool (*translate)(void *ctx, gva_t addr, enum access access, bool user, bool ac, struct translation *out,
                      uint32_t *pf);
    /* The guest told the MMU that translations are stale: INVLPG of one page, or (addr NULL) CR3/CR0/CR4
     * writes. */
    void (*invalidate)(void *ctx, const gva_t *addr, bool global);
    /* CPL changed from `from` to `to`, at the current clock. */
    void (*cpl_changed)(void *ctx, unsigned from, unsigned to);
    void *ctx;
};

#endif
