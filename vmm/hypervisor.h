/* A hypervisor is a struct of handlers for exits. A handler is a short sequence of charged steps and effects
 * that reads like the paper's description of it. Architectural effects (what a port write does to a device,
 * what IRET does to the guest) are the same under every hypervisor; who runs the code, in which world and at
 * what price is the hypervisor's. Adding one means one file vmm/hv_<name>*.c and one row in
 * vmm/hypervisor.def. */
#ifndef CROSSPAGE_VMM_HYPERVISOR_H
#define CROSSPAGE_VMM_HYPERVISOR_H

#include "devices/device.h"
#include "vmm/exit.h"
#include "vmm/host.h"
#include "vmm/host_if.h"

struct vm;

/* One port or MMIO access of the guest. */
struct io_access {
    bool mmio, write;
    uint64_t addr;
    unsigned size;
    uint64_t value; /* written, or the result of a read */
};

/* An option after the hypervisor's name: one of a few words, or a number. */
struct hypervisor_option {
    const char *name;
    const char *words; /* "off|on"; the first is the default. NULL: a number */
    const char *description;
    unsigned low, high, standard;  /* of a number: its range, and the default */
    const char *const *stands_for; /* per word, the options that it is short for; NULL: none is */
};

enum { HYPERVISOR_OPTIONS_MAX = 16 };

struct hypervisor_ops {
    const char *name, *description;
    const struct hypervisor_option *options; /* for `-hypervisor NAME,help`; may be NULL */
    unsigned option_count;
    /* Its serial ports are files of the host that a process writes to: no line paces them (uart16550.h). */
    bool virtual_serial;
    /* opts: "name=value,name=value" after the hypervisor's name; an unknown option is an error with a
     * suggestion. */
    enum status (*create)(struct vm *vm, const char *opts, void **ctx, struct error *err);
    void (*destroy)(void *ctx);

    /* Do the access: charge, call vm_device_access(vm, access), charge. */
    void (*io)(void *ctx, struct io_access *access);
    /* Another sensitive operation (enum cpu_exit), inside an instruction (host_begin_atomic is in force);
     * NULL = costs nothing. */
    void (*exit)(void *ctx, enum cpu_exit exit, uint64_t detail);
    /* Address translation; NULL = the guest's own tables. */
    bool (*translate)(void *ctx, gva_t addr, enum access access, bool user, bool ac, struct translation *out,
                      uint32_t *pf);
    void (*invalidate)(void *ctx, const gva_t *addr, bool global);
    /* A physical interrupt is pending and the CPU was running guest code, or the monitor is about to resume
     * it. */
    void (*host_interrupt)(void *ctx);
    /* The guest executed HLT (already charged as an exit) and nothing wakes it: pass time until cpu_wakes()
     * or vm_stopping(), and return true; or until `limit`, and return false: then the next call goes on
     * waiting. It must not return, and not charge anything, for an event that changed nothing: polling events
     * exist that must stay unobservable. */
    bool (*halt)(void *ctx, cycle_t limit);
    /* A visit is over and the guest's next instruction follows; NULL = costs nothing. Time that is charged
     * here is the guest's. */
    void (*resumed)(void *ctx);
    /* The guest's CPL changed, inside an instruction; NULL = costs nothing. */
    void (*cpl_changed)(void *ctx, unsigned from, unsigned to);
    /* A device wants the vCPU's INTR changed; NULL = just do it. */
    void (*virtual_irq)(void *ctx, bool level);
    /* Cost multiplier for guest kernel code that runs translated, in 1/1000; 0 = 1000. Asked once at
     * creation. */
    unsigned (*kernel_cost_milli)(void *ctx);
};

#define HYPERVISOR(ops) extern const struct hypervisor_ops ops;
#include "vmm/hypervisor.def"
#undef HYPERVISOR

const struct hypervisor_ops *hypervisor_find(const char *name);
const struct hypervisor_ops *hypervisor_by_index(unsigned index);
/* The same with an error that names the nearest. */
enum status hypervisor_choose(const char *name, const struct hypervisor_ops **ops,
                              struct error *err) MUST_CHECK;

/* Parse `opts` by ops->options: choice[i] becomes the number of the word chosen for option i, or the number
 * given. Read from left to right: of two that set the same option, the later one counts. */
enum status hypervisor_parse(const struct hypervisor_ops *ops, const char *opts,
                             unsigned choice[HYPERVISOR_OPTIONS_MAX], struct error *err) MUST_CHECK;
/* Which values an option takes, as text for help and errors. */
const char *hypervisor_option_values(const struct hypervisor_option *option, char *text, size_t size);

/* ---- What a hypervisor asks of the VM ---- */

struct host *vm_host(struct vm *vm);
struct cpu *vm_cpu(struct vm *vm);
struct guest_memory *vm_memory(struct vm *vm);
const struct machine_memory *vm_machine(const struct vm *vm);
/* The host operating system's side, for hosted monitors; NULL if the lab has none. */
const struct host_services *vm_host_services(struct vm *vm);
/* A handler that the VM does not call as a visit (translate, a write trace) opens and closes its own. */
void vm_visit_begin(struct vm *vm, enum vm_exit exit, uint64_t detail);
void vm_visit_end(struct vm *vm);
/* Perform the access on the board, at the current tick. */
void vm_device_access(struct vm *vm, struct io_access *access);
/* Which device answers there, for placement decisions by its class, and the offset in its window; NULL =
 * nothing. */
struct device *vm_device_at(struct vm *vm, const struct io_access *access, uint32_t *offset);
/* Somebody asked the run loop to stop or reset; a halted guest must give control back. */
bool vm_stopping(const struct vm *vm);

#endif
