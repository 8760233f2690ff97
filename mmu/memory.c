/* Machine memory and guest-physical memory: frames, mappings, watches (see memory.h).
 *
 * Guest-physical pages without a frame are holes: they read as ones and swallow writes, as an ISA or PCI bus
 * without a responder does. Whether a hole is a device is decided above (the CPU's bus, the DMA path).
 *
 * Invariants: (1) watch bits are kept per PPN and survive a change of the frame behind it; (2) whenever a
 * mapping or a watch becomes stricter, `changed` has been called before the function returns, so no cached
 * translation is laxer than these tables; (3) nothing here looks at memory contents. */
#include "mmu/memory.h"

#include "base/check.h"
#include "base/host_memory.h"

#include <stdlib.h>
#include <string.h>

enum status machine_memory_create(struct machine_memory *machine, uint64_t bytes, struct error *err)
{
    /* One page of slack lets a block copy of the last bytes run over the end. */
    struct host_memory host;
    uint64_t frames = (bytes >> PAGE_SHIFT) + ((bytes & PAGE_MASK) != 0);
    TRY(host_memory_create(&host, frames << PAGE_SHIFT, PAGE_SIZE, err));
    machine->base = host.base;
    machine->frames = frames;
    machine->fd = host.fd;
    return STATUS_OK;
}

static struct host_memory host_of(const struct machine_memory *machine)
{
    return (struct host_memory){
        .base = machine->base, .bytes = machine->frames << PAGE_SHIFT, .slack = PAGE_SIZE, .fd = machine->fd};
}

bool *machine_memory_touched(const struct machine_memory *machine)
{
    struct host_memory host = host_of(machine);
    bool *touched = xcalloc(machine->frames ? machine->frames : 1, sizeof *touched);
    host_memory_touched(&host, PAGE_SIZE, touched);
    return touched;
}

void machine_memory_destroy(struct machine_memory *machine)
{
    struct host_memory host = host_of(machine);
    host_memory_destroy(&host);
    machine->base = NULL;
    machine->fd = -1;
    machine->frames = 0;
}

enum status guest_memory_create(struct guest_memory *memory, uint64_t bytes, struct error *err)
{
    memset(memory, 0, sizeof *memory);
    uint64_t pages = (bytes >> PAGE_SHIFT) + ((bytes & PAGE_MASK) != 0);
    /* The largest physical address any CPU model has is 46 bits; tables for more are a configuration error.
     */
    if (pages > UINT64_C(1) << (46 - PAGE_SHIFT))
        return status_fail(err, STATUS_BAD_INPUT, "guest memory of %llu MB is more than the CPU can address",
                           (unsigned long long)(bytes >> 20));
    memory->frame = calloc(pages ? pages : 1, sizeof *memory->frame);
    memory->watch = calloc(pages ? pages : 1, sizeof *memory->watch);
    if (memory->frame == NULL || memory->watch == NULL) {
        guest_memory_destroy(memory);
        return status_fail(err, STATUS_NO_MEMORY, "no memory for the page table of %llu MB",
                           (unsigned long long)(bytes >> 20));
    }
    memory->pages = pages;
    return STATUS_OK;
}

void guest_memory_destroy(struct guest_memory *memory)
{
    free(memory->frame);
    free(memory->watch);
    memory->frame = NULL;
    memory->watch = NULL;
    memory->pages = 0;
}

static void tell_changed(struct guest_memory *memory, uint64_t page, bool remapped)
{
    if (memory->changed != NULL)
        memory->changed(memory->changed_ctx, (ppn_t){page}, remapped);
}

void guest_memory_map(struct guest_memory *memory, const struct machine_memory *machine, ppn_t first,
                      mpn_t frame, uint64_t count)
{
    CHECK(first.v <= memory->pages && count <= memory->pages - first.v);
    CHECK(frame.v <= machine->frames && count <= machine->frames - frame.v);
    for (uint64_t i = 0; i < count; i++) {
        uint8_t *host = machine->base + ((frame.v + i) << PAGE_SHIFT);
        if (memory->frame[first.v + i] == host)
            continue;
        memory->frame[first.v + i] = host;
        tell_changed(memory, first.v + i, true);
    }
}

void guest_memory_unmap(struct guest_memory *memory, ppn_t first, uint64_t count)
{
    CHECK(first.v <= memory->pages && count <= memory->pages - first.v);
    for (uint64_t i = 0; i < count; i++) {
        if (memory->frame[first.v + i] == NULL)
            continue;
        memory->frame[first.v + i] = NULL;
        tell_changed(memory, first.v + i, true);
    }
}

void guest_memory_add_watcher(struct guest_memory *memory, unsigned mask, memory_written_fn *fn, void *ctx)
{
    CHECK(memory->watchers < MEMORY_WATCHERS);
    unsigned n = memory->watchers++;
    memory->watcher[n].mask = mask;
    memory->watcher[n].fn = fn;
    memory->watcher[n].ctx = ctx;
}

void guest_memory_watch(struct guest_memory *memory, ppn_t page, enum memory_watch bit)
{
    if (page.v >= memory->pages || (memory->watch[page.v] & bit) != 0)
        return;
    bool was_watched = memory->watch[page.v] != 0;
    memory->watch[page.v] |= (uint8_t)bit;
    if (!was_watched) /* the second bit makes nothing stricter */
        tell_changed(memory, page.v, false);
}

void guest_memory_unwatch(struct guest_memory *memory, ppn_t page, enum memory_watch bit)
{
    if (page.v < memory->pages)
        memory->watch[page.v] &= (uint8_t)~bit;
}

void memory_notify_written(struct guest_memory *memory, gpa_t addr, uint64_t size)
{
    unsigned bits = memory_watched(memory, addr);
    for (unsigned i = 0; i < memory->watchers; i++)
        if ((memory->watcher[i].mask & bits) != 0)
            memory->watcher[i].fn(memory->watcher[i].ctx, addr, size);
}

/* Bytes of [addr, addr+size) that lie in addr's page. */
static size_t page_part(gpa_t addr, size_t size)
{
    size_t room = PAGE_SIZE - (size_t)(addr.v & PAGE_MASK);
    return size < room ? size : room;
}

bool memory_read(const struct guest_memory *memory, gpa_t addr, void *to, size_t size)
{
    bool whole = true;
    for (uint8_t *out = to; size > 0;) {
        size_t part = page_part(addr, size);
        const uint8_t *frame = memory_frame(memory, addr);
        if (frame != NULL)
            memcpy(out, frame + (addr.v & PAGE_MASK), part);
        else
            memset(out, 0xFF, part);
        whole &= frame != NULL;
        out += part;
        addr.v += part;
        size -= part;
    }
    return whole;
}

bool memory_write(struct guest_memory *memory, gpa_t addr, const void *from, size_t size)
{
    bool whole = true;
    for (const uint8_t *in = from; size > 0;) {
        size_t part = page_part(addr, size);
        uint8_t *frame = memory_frame(memory, addr);
        unsigned watch = memory_watched(memory, addr);
        if (frame != NULL && (watch & WATCH_ROM) == 0) {
            memcpy(frame + (addr.v & PAGE_MASK), in, part);
            if (watch != 0)
                memory_notify_written(memory, addr, part);
        }
        whole &= frame != NULL;
        in += part;
        addr.v += part;
        size -= part;
    }
    return whole;
}
