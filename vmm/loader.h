/* Direct boot of kernels, without firmware: Linux boot protocol (bzImage, 32- and 64-bit kernels) and
 * Multiboot 1.
 *
 * A kernel file is tried as Multiboot first when it has the header, then as bzImage. All input is checked; a
 * bad file is one clear error. */
#ifndef CROSSPAGE_VMM_LOADER_H
#define CROSSPAGE_VMM_LOADER_H

#include "cpu/cpu.h"
#include "vmm/board_pc.h"

struct boot_config {
    const char *kernel;  /* path */
    const char *initrd;  /* path, or NULL; Multiboot: modules "file args,file args" */
    const char *cmdline; /* never NULL */
    const struct board_range *ranges;
    unsigned range_count;
    gpa_t rsdp; /* ACPI root pointer, 0 = none */
};

/* Load into guest memory and set the CPU's registers to the protocol's entry state. */
enum status loader_boot(const struct boot_config *config, struct guest_memory *memory, struct cpu *cpu,
                        struct error *err) MUST_CHECK;

#endif
