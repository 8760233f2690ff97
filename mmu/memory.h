/* Machine memory and guest-physical memory.
 *
 * A `machine_memory` is a host's pool of 4 KB frames (one memfd mapping). A `guest_memory` is what one VM
 * sees as physical memory: for each PPN the frame that backs it, or nothing (MMIO hole, unpopulated). Bare
 * metal maps PPN to the MPN of the same number; a hypervisor's pmap may map any way and change it while the
 * guest runs.
 *
 * Watches: some frames must not be written silently, because decoded code or a guest page table was read from
 * them. A watched page is never entered writable into a soft TLB; the slow path writes and then tells the
 * watchers. All writers (CPU, page walker's A/D updates, DMA) go through memory_write() or check
 * memory_watched() themselves. */
#ifndef CROSSPAGE_MMU_MEMORY_H
#define CROSSPAGE_MMU_MEMORY_H

#include "base/status.h"
#include "base/types.h"

struct machine_memory {
    uint8_t *base; /* host address of MPN 0 */
    uint64_t frames;
    int fd;
};

enum status machine_memory_create(struct machine_memory *machine, uint64_t bytes,
                                  struct error *err) MUST_CHECK;
void machine_memory_destroy(struct machine_memory *machine);
/* By MPN: false for frames that are zeros because nobody ever wrote them. The caller frees it. */
bool *machine_memory_touched(const struct machine_memory *machine);

enum memory_watch {
    WATCH_CODE = 1 << 0,  /* decoded blocks came from this page */
    WATCH_TRACE = 1 << 1, /* a monitor's write trace: guest page table */
    WATCH_ROM = 1 << 2,   /* writes are dropped */
};

typedef void memory_written_fn(void *ctx, gpa_t addr, uint64_t size);

enum { MEMORY_WATCHERS = 4 };

struct guest_memory {
    uint64_t pages;  /* PPNs 0..pages-1 exist in the tables below */
    uint8_t **frame; /* host address of the frame behind a PPN, NULL = no RAM there */
    uint8_t *watch;  /* enum memory_watch bits per PPN */
    struct {
        unsigned mask; /* wants writes to pages with any of these bits */
        memory_written_fn *fn;
        void *ctx;
    } watcher[MEMORY_WATCHERS];
    unsigned watchers;
    /* Called when a page's mapping changed (`remapped`) or its watch bits became stricter: host addresses
     * kept for it must be dropped. */
    void (*changed)(void *ctx, ppn_t page, bool remapped);
    void *changed_ctx;
};

enum status guest_memory_create(struct guest_memory *memory, uint64_t bytes, struct error *err) MUST_CHECK;
void guest_memory_destroy(struct guest_memory *memory);

/* Back `count` pages from `first` on by consecutive machine frames. */
void guest_memory_map(struct guest_memory *memory, const struct machine_memory *machine, ppn_t first,
                      mpn_t frame, uint64_t count);
void guest_memory_unmap(struct guest_memory *memory, ppn_t first, uint64_t count);

void guest_memory_add_watcher(struct guest_memory *memory, unsigned mask, memory_written_fn *fn, void *ctx);
void guest_memory_watch(struct guest_memory *memory, ppn_t page, enum memory_watch bit);
void guest_memory_unwatch(struct guest_memory *memory, ppn_t page, enum memory_watch bit);

static inline uint8_t *memory_frame(const struct guest_memory *memory, gpa_t addr)
{
    uint64_t page = addr.v >> PAGE_SHIFT;
    return page < memory->pages ? memory->frame[page] : NULL;
}

static inline unsigned memory_watched(const struct guest_memory *memory, gpa_t addr)
{
    uint64_t page = addr.v >> PAGE_SHIFT;
    return page < memory->pages ? memory->watch[page] : 0;
}

/* Tell the watchers of [addr, addr+size), which lies within one page, that it was written. */
void memory_notify_written(struct guest_memory *memory, gpa_t addr, uint64_t size);

/* Copy in or out across pages; holes read as ones and swallow writes; watchers are told. Returns false when
 * any part was a hole. */
bool memory_read(const struct guest_memory *memory, gpa_t addr, void *to, size_t size);
bool memory_write(struct guest_memory *memory, gpa_t addr, const void *from, size_t size);

#endif
