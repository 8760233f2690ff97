/* A virtual machine: memory, one vCPU, a board of devices, and the hypervisor that stands between them and
 * the host.
 *
 * vm_run() is the one loop in which simulated time moves: it runs the guest up to the next event, runs the
 * event, takes physical interrupts, lets halted time pass, and again. All other time is charged inside the
 * handlers that the loop or an exit calls. */
#ifndef CROSSPAGE_VMM_VM_H
#define CROSSPAGE_VMM_VM_H

#include "binxlate/translator.h"
#include "vmm/board_pc.h"
#include "vmm/hypervisor.h"
#include "vmm/probe.h"

enum vm_stop {
    VM_STOP_LIMIT,     /* the cycle limit was reached */
    VM_STOP_POWER_OFF, /* ACPI S5 */
    VM_STOP_EXIT,      /* isa-debug-exit; vm_exit_value() */
    VM_STOP_RESET,     /* the guest reset, and no_reboot was set */
    VM_STOP_SHUTDOWN,  /* triple fault, and no_reboot was set */
    VM_STOP_DEAD,      /* halted for good: interrupts off, or no event will ever come */
    VM_STOP_ASKED,     /* vm_ask_stop() */
};

struct vm_config {
    struct host *host;         /* with queue, log, costs and recorder; the VM becomes its guest */
    struct board_config board; /* ram_bytes is the guest's memory */
    const struct cpu_model *model;
    const char *hypervisor;               /* name */
    const struct host_services *services; /* hostworld's, for hosted monitors; else NULL */
    const char *hypervisor_options;       /* "" or "a=b,c=d" */
    const char *kernel;                   /* NULL: nothing is loaded */
    const char *initrd;
    const char *cmdline;
    bool no_reboot;
    uint64_t random_seed;                       /* of RDRAND and RDSEED */
    bool fast_paths;                            /* interpreter's specialised handlers */
    bool caches;                                /* -timing cache, as host->costs say */
    const struct translator_config *translator; /* NULL: interpret */
    const struct probe_config *probe;           /* NULL: none */
};

enum status vm_create(struct vm **vm, const struct vm_config *config, struct error *err) MUST_CHECK;
void vm_destroy(struct vm *vm);

/* Load the kernel and set the entry state; after all devices are attached. Also done at every guest reset. */
enum status vm_boot(struct vm *vm, struct error *err) MUST_CHECK;

/* Run until `limit` cycles on the clock, or until something else in enum vm_stop. */
enum vm_stop vm_run(struct vm *vm, cycle_t limit);

/* Stop at the next instruction boundary; from a callback (console escape, signal flag). */
void vm_ask_stop(struct vm *vm);
/* The reset button, likewise. */
void vm_ask_reset(struct vm *vm);
uint32_t vm_exit_value(const struct vm *vm);

struct board_pc *vm_board(struct vm *vm);
const struct translator *vm_translator(const struct vm *vm); /* NULL: interpreted */
const struct probes *vm_probes(const struct vm *vm);         /* NULL: none */

/* Hash of CPU, memory and devices. */
uint64_t vm_state_hash(struct vm *vm);

#endif
