/* Port and memory address spaces as a list of windows, and the splitting of accesses.
 *
 * The list of mappings, in the order in which they were made, is the truth. From it a sorted list of
 * disjoint segments is derived whenever it changes (a few times per boot), so that an access costs one binary
 * search.
 *
 * An access goes to the mapping that is visible at its first byte. That mapping gets as much of the access as
 * lies in its own range, even where a later mapping covers the rest: a 32-bit write to 0xCF8 is one write to
 * the host bridge although the byte port 0xCF9 belongs to the ISA bridge (82441FX data sheet, section 3.1).
 * What is left over is a new access at the next address.
 *
 * Pieces handed to a device are naturally aligned in its window and of 1, 2, 4 or 8 bytes, as byte enables on
 * PCI and byte swapping on ISA produce them.
 *
 * Invariants: (1) segments are sorted, disjoint, and name a mapping whose range contains them; (2) a mapping
 * with size 0 is free and in no segment. */
#include "devices/bus.h"

#include "base/check.h"

#include <inttypes.h>
#include <stdlib.h>

void io_space_init(struct io_space *space, const char *name, struct log *log)
{
    *space = (struct io_space){.name = name, .log = log};
}

void io_space_destroy(struct io_space *space)
{
    free(space->mappings);
    free(space->segments);
    *space = (struct io_space){0};
}

/* ---- Deriving segments from mappings ---- */

static uint64_t mapping_last(const struct io_mapping *mapping)
{
    return mapping->base + mapping->size - 1;
}

static int compare_bounds(const void *left, const void *right)
{
    const uint64_t *a = left, *b = right;
    return *a < *b ? -1 : *a > *b;
}

/* The newest mapping that covers `addr`, or SIZE_MAX. */
static size_t newest_at(const struct io_space *space, uint64_t addr)
{
    for (size_t i = space->count; i-- > 0;) {
        const struct io_mapping *mapping = &space->mappings[i];
        if (mapping->size != 0 && addr >= mapping->base && addr <= mapping_last(mapping))
            return i;
    }
    return SIZE_MAX;
}

/* Between two neighbouring bounds (first addresses of mappings and first addresses behind them) the owner
 * does not change. Mappings never reach the last address of the 64-bit space, so "behind" exists. */
static void rebuild(struct io_space *space)
{
    uint64_t *bounds = xcalloc(2 * space->count, sizeof *bounds);
    size_t bound_count = 0;
    for (size_t i = 0; i < space->count; i++) {
        const struct io_mapping *mapping = &space->mappings[i];
        if (mapping->size == 0)
            continue;
        bounds[bound_count++] = mapping->base;
        bounds[bound_count++] = mapping_last(mapping) + 1;
    }
    qsort(bounds, bound_count, sizeof *bounds, compare_bounds);
    space->segments = xrealloc(space->segments, (bound_count + 1) * sizeof *space->segments);
    space->segment_count = 0;
    for (size_t i = 0; i + 1 < bound_count; i++) {
        if (bounds[i] == bounds[i + 1])
            continue;
        size_t owner = newest_at(space, bounds[i]);
        if (owner != SIZE_MAX)
            space->segments[space->segment_count++] =
                (struct io_segment){.first = bounds[i], .last = bounds[i + 1] - 1, .mapping = owner};
    }
    free(bounds);
}

void io_map_part(struct io_space *space, struct device *device, unsigned index, uint64_t base,
                 uint32_t window_offset, uint32_t size)
{
    CHECK(index < device->cls->window_count);
    const struct io_window *window = &device->cls->windows[index];
    CHECK(window_offset <= window->size && size <= window->size - window_offset);
    if (size == 0 || base > UINT64_MAX - size)
        return;
    if (space->count == space->capacity) {
        space->capacity = space->capacity ? 2 * space->capacity : 32;
        space->mappings = xrealloc(space->mappings, space->capacity * sizeof *space->mappings);
    }
    space->mappings[space->count++] = (struct io_mapping){
        .device = device, .window = window, .base = base, .size = size, .window_offset = window_offset};
    rebuild(space);
}

void io_map(struct io_space *space, struct device *device, unsigned index, uint64_t base)
{
    CHECK(index < device->cls->window_count);
    io_map_part(space, device, index, base, 0, device->cls->windows[index].size);
}

/* Slots are closed up, not reused: the order of the array is the order of mapping. */
void io_unmap(struct io_space *space, struct device *device, unsigned index)
{
    const struct io_window *window = &device->cls->windows[index];
    size_t kept = 0;
    for (size_t i = 0; i < space->count; i++) {
        const struct io_mapping *mapping = &space->mappings[i];
        if (mapping->device != device || mapping->window != window)
            space->mappings[kept++] = *mapping;
    }
    if (kept == space->count)
        return;
    space->count = kept;
    rebuild(space);
}

const struct io_mapping *io_find(struct io_space *space, uint64_t addr)
{
    size_t low = 0, high = space->segment_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct io_segment *segment = &space->segments[middle];
        if (addr < segment->first)
            high = middle;
        else if (addr > segment->last)
            low = middle + 1;
        else
            return &space->mappings[segment->mapping];
    }
    return NULL;
}

/* ---- Accesses ---- */

/* The largest aligned power of two that an access of `left` bytes may start with. */
static unsigned piece_size(const struct io_window *window, uint32_t offset, uint64_t room, unsigned left)
{
    unsigned size = window->max_size;
    while (size > 1 && (size > left || size > room || (offset & (size - 1)) != 0))
        size /= 2;
    return size;
}

static uint64_t size_mask(unsigned size)
{
    return size >= 8 ? UINT64_MAX : ((uint64_t)1 << (8 * size)) - 1;
}

/* A read smaller than the window's smallest unit reads that unit and takes its bytes out. */
static uint64_t read_piece(const struct io_mapping *mapping, uint32_t offset, unsigned size)
{
    const struct io_window *window = mapping->window;
    if (window->read == NULL)
        return size_mask(size);
    if (size >= window->min_size)
        return window->read(mapping->device, offset, size) & size_mask(size);
    uint32_t unit = offset & ~(uint32_t)(window->min_size - 1);
    return (window->read(mapping->device, unit, window->min_size) >> (8 * (offset - unit))) & size_mask(size);
}

static void write_piece(struct io_space *space, const struct io_mapping *mapping, uint32_t offset,
                        unsigned size, uint64_t value)
{
    const struct io_window *window = mapping->window;
    if (window->write == NULL || size < window->min_size) {
        log_line(space->log, LOG_GUEST_ERROR,
                 "%s: %u-byte write of 0x%" PRIx64 " to %s+0x%" PRIx32 " dropped", space->name, size, value,
                 window->name, offset);
        return;
    }
    window->write(mapping->device, offset, size, value);
}

/* What one call of a device gets of an access. */
struct piece {
    struct io_mapping mapping; /* a copy: the device may remap windows while it answers */
    uint32_t offset;
    unsigned size;
};

/* The first piece of an access of `left` bytes at `addr`; false when nobody claims the first byte. */
static bool first_piece(struct io_space *space, uint64_t addr, unsigned left, struct piece *piece)
{
    const struct io_mapping *found = io_find(space, addr);
    if (found == NULL)
        return false;
    piece->mapping = *found;
    piece->offset = (uint32_t)(addr - found->base) + found->window_offset;
    piece->size = piece_size(found->window, piece->offset, mapping_last(found) - addr + 1, left);
    return true;
}

uint64_t io_read(struct io_space *space, uint64_t addr, unsigned size)
{
    uint64_t value = 0;
    for (unsigned done = 0; done < size;) {
        struct piece piece;
        if (!first_piece(space, addr + done, size - done, &piece)) {
            if (done == 0) /* one line for an access, not one for each byte */
                log_line(space->log, LOG_UNIMP, "%s: %u-byte read of unclaimed address 0x%" PRIx64,
                         space->name, size, addr);
            value |= (uint64_t)0xFF << (8 * done);
            done++;
            continue;
        }
        value |= read_piece(&piece.mapping, piece.offset, piece.size) << (8 * done);
        done += piece.size;
    }
    return value;
}

void io_write(struct io_space *space, uint64_t addr, unsigned size, uint64_t value)
{
    for (unsigned done = 0; done < size;) {
        struct piece piece;
        if (!first_piece(space, addr + done, size - done, &piece)) {
            if (done == 0)
                log_line(space->log, LOG_UNIMP, "%s: %u-byte write of 0x%" PRIx64 " to unclaimed 0x%" PRIx64,
                         space->name, size, value, addr);
            done++;
            continue;
        }
        write_piece(space, &piece.mapping, piece.offset, piece.size,
                    (value >> (8 * done)) & size_mask(piece.size));
        done += piece.size;
    }
}
