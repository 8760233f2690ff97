/* Causes of a visit to the hypervisor: what the CPU intercepts (cpu/exit.def), and what only the VM sees. */
#ifndef CROSSPAGE_VMM_EXIT_H
#define CROSSPAGE_VMM_EXIT_H

#include "cpu/bus.h"

enum vm_exit {
    VM_EXIT_IN = CPU_EXIT_COUNT, /* IN; port */
    VM_EXIT_OUT,                 /* OUT; port */
    VM_EXIT_MMIO_READ,           /* load from device memory; guest-physical address */
    VM_EXIT_MMIO_WRITE,          /* store to device memory; guest-physical address */
    VM_EXIT_HIDDEN_FAULT,        /* shadow page table miss; linear address */
    VM_EXIT_TRUE_FAULT,          /* page fault that the guest will see; linear address */
    VM_EXIT_TRACE,               /* write to a traced page table; guest-physical address */
    VM_EXIT_HOST_IRQ,            /* physical interrupt while the guest ran; lines pending */
    VM_EXIT_COUNT
};

extern const char *const vm_exit_names[VM_EXIT_COUNT];

#endif
