/* Large anonymous mappings of the host, behind a nameless file. */
#define _GNU_SOURCE
#include "base/host_memory.h"

#include "base/check.h"
#include "base/host_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Memory is given page by page when it is touched; a guest that touched more than there is would take the
 * process down. */
static uint64_t physical_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : INT64_MAX;
}

enum status host_memory_create(struct host_memory *memory, uint64_t bytes, uint64_t slack, struct error *err)
{
    memory->base = NULL;
    memory->bytes = bytes;
    memory->slack = slack;
    memory->fd = host_file_anonymous();
    if (memory->fd < 0)
        return status_fail(err, STATUS_HOST, "memory file: %s", strerror(errno));
    uint64_t total = bytes + slack, physical = physical_bytes();
    if (total < bytes || total > physical) {
        close(memory->fd);
        memory->fd = -1;
        return status_fail(err, STATUS_NO_MEMORY, "cannot map %llu MB of memory: this host has %llu MB",
                           (unsigned long long)(bytes >> 20), (unsigned long long)(physical >> 20));
    }
    if (ftruncate(memory->fd, (off_t)total) != 0)
        goto no_memory;
    void *base = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, memory->fd, 0);
    if (base == MAP_FAILED)
        goto no_memory;
    memory->base = base;
    return STATUS_OK;

no_memory:
    close(memory->fd);
    memory->fd = -1;
    return status_fail(err, STATUS_NO_MEMORY, "cannot map %llu MB of memory: %s",
                       (unsigned long long)(bytes >> 20), strerror(errno));
}

void host_memory_destroy(struct host_memory *memory)
{
    if (memory->base != NULL)
        munmap(memory->base, memory->bytes + memory->slack);
    if (memory->fd >= 0)
        close(memory->fd);
    memory->base = NULL;
    memory->fd = -1;
}

void host_memory_touched(const struct host_memory *memory, uint64_t page_size, bool *touched)
{
    uint64_t pages = (memory->bytes + page_size - 1) / page_size;
    for (uint64_t page = 0; page < pages; page++)
        touched[page] = false;
    off_t data, hole = 0;
    while ((data = lseek(memory->fd, hole, SEEK_DATA)) >= 0) {
        hole = lseek(memory->fd, data, SEEK_HOLE);
        uint64_t end = hole < 0 ? pages : ((uint64_t)hole + page_size - 1) / page_size;
        for (uint64_t page = (uint64_t)data / page_size; page < end && page < pages; page++)
            touched[page] = true;
        if (hole < 0)
            return;
    }
    if (errno != ENXIO) /* not "no more data": the host cannot tell */
        for (uint64_t page = 0; page < pages; page++)
            touched[page] = true;
}

/* ---- Tables ---- */

enum { HUGE = 2 << 20 };

static size_t huge_pages(size_t bytes)
{
    return (bytes + HUGE - 1) / HUGE * HUGE;
}

void *host_tables_create(size_t bytes)
{
    size_t size = huge_pages(bytes), room = size + HUGE;
    uint8_t *place =
        mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(place != MAP_FAILED);
    size_t before = (HUGE - (uintptr_t)place % HUGE) % HUGE;
    if (before != 0)
        munmap(place, before);
    munmap(place + before + size, room - size - before);
#ifdef MADV_HUGEPAGE
    (void)madvise(place + before, size, MADV_HUGEPAGE); /* not built into every Linux */
#endif
    return place + before;
}

void host_tables_destroy(void *tables, size_t bytes)
{
    if (tables != NULL)
        munmap(tables, huge_pages(bytes));
}
