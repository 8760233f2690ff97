/* A hypervisor is a struct of handlers for exits. A handler is a short sequence of charged steps and effects
 * that reads like the paper's description of it. Architectural effects (what a port write does to a device,
 * what IRET does to the guest) are the same under every hypervisor; who runs the code, in which world and at
 * what price is the hypervisor's. Adding one means one file vmm/hv_<name>*.c and one row in
 * vmm/hypervisor.def. */
#ifndef CROSSPAGE_VMM_HYPERVISOR_H
#define CROSSPAGE_VMM_HYPERVISOR_H

#include "vmm/host.h"

struct vm;

/* One port or MMIO access of the guest. */
struct io_access {
    bool mmio, write;
    uint64_t addr;
    unsigned size;
    uint64_t value; /* written, or the result of a read */
};

struct hypervisor_ops {
    const char *name, *description;
    /* opts: "name=value,name=value" after the hypervisor's name; an unknown option is an error with a
     * suggestion. */
    enum status (*create)(struct vm *vm, const char *opts, void **ctx, struct error *err);
    void (*destroy)(void *ctx);

    /* Do the access: charge, call vm_device_access(vm, access), charge. */
    void (*io)(void *ctx, struct io_access *access);
    /* Another sensitive operation (enum cpu_exit); NULL = costs nothing. */
    void (*exit)(void *ctx, enum cpu_exit exit, uint64_t detail);
    /* Address translation; NULL = the guest's own tables. */
    bool (*translate)(void *ctx, gva_t addr, enum access access, bool user, bool ac, struct translation *out,
                      uint32_t *pf);
    void (*invalidate)(void *ctx, const gva_t *addr, bool global);
    /* A physical interrupt is pending and the CPU was running guest code, or the monitor is about to resume
     * it. */
    void (*host_interrupt)(void *ctx);
    /* The guest executed HLT (already charged as an exit) and nothing wakes it: pass time until cpu_wakes(),
     * vm_stopping() or `limit`. It must not return, and not charge anything, for an event that changed
     * nothing: polling events exist that must stay unobservable. */
    void (*halt)(void *ctx, cycle_t limit);
    /* A device wants the vCPU's INTR changed; NULL = just do it. */
    void (*virtual_irq)(void *ctx, bool level);
    /* Cost multiplier for guest kernel code that runs translated, in 1/1000; 0 = 1000. Asked once at
     * creation. */
    unsigned (*kernel_cost_milli)(void *ctx);
};

const struct hypervisor_ops *hypervisor_find(const char *name);
const struct hypervisor_ops *hypervisor_by_index(unsigned index);

/* ---- What a hypervisor asks of the VM ---- */

struct host *vm_host(struct vm *vm);
struct cpu *vm_cpu(struct vm *vm);
struct guest_memory *vm_memory(struct vm *vm);
/* Perform the access on the board, at the current tick. */
void vm_device_access(struct vm *vm, struct io_access *access);
/* Which device answers there, for placement decisions: its class name ("pcnet", "i8259"...), and the offset
 * in its window; NULL = nothing. */
const char *vm_device_at(struct vm *vm, const struct io_access *access, uint32_t *offset);
/* Somebody asked the run loop to stop or reset; a halted guest must give control back. */
bool vm_stopping(const struct vm *vm);

#endif
