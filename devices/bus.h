/* Port and memory-mapped I/O address spaces: from an address to a device's window.
 *
 * Windows may be mapped, moved and unmapped while the guest runs (PCI BARs). Unclaimed reads return all ones;
 * unclaimed writes vanish; both are logged under LOG_UNIMP. When windows overlap, the one mapped last wins;
 * an access belongs to the mapping that is visible at its first byte. */
#ifndef CROSSPAGE_DEVICES_BUS_H
#define CROSSPAGE_DEVICES_BUS_H

#include "devices/device.h"

struct io_mapping {
    struct device *device;
    const struct io_window *window;
    uint64_t base;
    uint32_t size;          /* 0 = free slot */
    uint32_t window_offset; /* offset in the window of the first address: chips that are split over the
                               address space */
};

/* A range of addresses with one visible mapping; derived from the mappings. */
struct io_segment {
    uint64_t first, last;
    size_t mapping; /* index */
};

struct io_space {
    struct log *log;
    const char *name;
    struct io_mapping *mappings; /* in order of mapping */
    size_t count, capacity;
    struct io_segment *segments; /* sorted */
    size_t segment_count;
};

void io_space_init(struct io_space *space, const char *name, struct log *log);
void io_space_destroy(struct io_space *space);

/* Map window `index` of `device` at `base`. */
void io_map(struct io_space *space, struct device *device, unsigned index, uint64_t base);

/* Map `size` bytes of the window, from `window_offset` on, at `base`. */
void io_map_part(struct io_space *space, struct device *device, unsigned index, uint64_t base,
                 uint32_t window_offset, uint32_t size);

/* Remove all mappings of that window of that device. */
void io_unmap(struct io_space *space, struct device *device, unsigned index);

uint64_t io_read(struct io_space *space, uint64_t addr, unsigned size);
void io_write(struct io_space *space, uint64_t addr, unsigned size, uint64_t value);

/* The mapping that answers at `addr`, or NULL. */
const struct io_mapping *io_find(struct io_space *space, uint64_t addr);

#endif
