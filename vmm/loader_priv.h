/* Shared by the loaders. */
#ifndef CROSSPAGE_VMM_LOADER_PRIV_H
#define CROSSPAGE_VMM_LOADER_PRIV_H

#include "base/bytes.h"
#include "vmm/loader.h"

struct image {
    const char *path;
    uint8_t *bytes;
    size_t size;
};

/* The whole file, for the caller to free; an unreadable or empty file is an error, and so is one that is
 * larger than the guest's address space or 4 GB. */
enum status image_read(struct image *image, const struct guest_memory *memory, const char *path,
                       struct error *err) MUST_CHECK;
void image_free(struct image *image);

/* Copy into guest RAM; an error names the image when a part would fall outside RAM. */
enum status load_bytes(struct guest_memory *memory, uint64_t addr, const void *bytes, size_t size,
                       const char *path, struct error *err) MUST_CHECK;

/* End of the RAM range below 4 GB that holds `addr`; 0 if none does. */
uint64_t ram_end(const struct boot_config *config, uint64_t addr);

/* 32-bit protected mode, paging off, flat segments with these selectors, interrupts off: the entry state both
 * protocols share. */
void enter_protected_mode(struct cpu *cpu, uint16_t code, uint16_t data, uint32_t entry);

bool multiboot_recognize(const struct image *kernel);
enum status multiboot_load(const struct boot_config *config, const struct image *kernel,
                           struct guest_memory *memory, struct cpu *cpu, struct error *err) MUST_CHECK;
enum status linux_load(const struct boot_config *config, const struct image *kernel,
                       struct guest_memory *memory, struct cpu *cpu, struct error *err) MUST_CHECK;

#endif
