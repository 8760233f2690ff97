/* VMware Workstation's hosted monitor: what the hv_workstation_*.c files share. */
#ifndef CROSSPAGE_VMM_HV_WORKSTATION_PRIV_H
#define CROSSPAGE_VMM_HV_WORKSTATION_PRIV_H

#include "vmm/hypervisor.h"
#include "vmm/shadow.h"

/* Who does a guest's device access. The optimizations of the paper's section 3.6 change the answer for one
 * kind of access each; so the question has one function, placement_of(). */
enum placement {
    PLACE_MONITOR_CHIP, /* interrupt controller, timers: emulated in the VMM */
    PLACE_MONITOR_RAP,  /* Lance register address port: memory semantics, handled in the VMM */
    PLACE_VMAPP,        /* world switch to the VMApp */
};

struct workstation {
    struct vm *vm;
    const struct host_services *services;
    struct pmap pmap;
    struct shadow *shadow; /* NULL: option shadow=off */
    bool halted;           /* the VMApp waits for something to wake the guest */
    bool intr_before_halt; /* level of INTR when it began to */
};

/* hv_workstation_switch.c: the world switch, either direction. */
void workstation_to_host(struct workstation *workstation);
void workstation_to_vmm(struct workstation *workstation);

/* hv_workstation_io.c */
void workstation_io(void *ctx, struct io_access *access);

/* hv_workstation_irq.c */
void workstation_host_interrupt(void *ctx);
bool workstation_halt(void *ctx, cycle_t limit);

/* hv_workstation_exit.c */
void workstation_exit(void *ctx, enum cpu_exit exit, uint64_t detail);
void workstation_cpl_changed(void *ctx, unsigned from, unsigned to);

#endif
