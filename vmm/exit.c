/* Names of the causes of a visit (exit.h), as traces and reports show them. */
#include "vmm/exit.h"

const char *const vm_exit_names[VM_EXIT_COUNT] = {
#define EXIT(name, description) [CPU_EXIT_##name] = #name,
#include "cpu/exit.def"
#undef EXIT
    [VM_EXIT_IN] = "IN",
    [VM_EXIT_OUT] = "OUT",
    [VM_EXIT_MMIO_READ] = "MMIO_READ",
    [VM_EXIT_MMIO_WRITE] = "MMIO_WRITE",
    [VM_EXIT_HIDDEN_FAULT] = "HIDDEN_FAULT",
    [VM_EXIT_TRUE_FAULT] = "TRUE_FAULT",
    [VM_EXIT_TRACE] = "TRACE",
    [VM_EXIT_HOST_IRQ] = "HOST_IRQ",
};
