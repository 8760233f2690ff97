/* Generated code: a nameless file mapped twice. */
#define _GNU_SOURCE
#include "base/host_code.h"

#include "base/host_file.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined __linux__ && !defined MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1; not in older C libraries */
#endif

/* The size of a huge page, and the alignment that one needs. */
enum { HUGE = 2 << 20 };

/* A mapping at a multiple of HUGE, or MAP_FAILED. */
static void *map_aligned(const struct host_code *code, int protection)
{
    size_t room = code->bytes + HUGE;
    uint8_t *place = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (place == MAP_FAILED)
        return MAP_FAILED;
    uint8_t *start = place + (HUGE - (uintptr_t)place % HUGE) % HUGE;
    void *map = mmap(start, code->bytes, protection, MAP_SHARED | MAP_FIXED, code->fd, 0);
    size_t size = (code->bytes + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE;
    munmap(place, (size_t)(start - place));
    munmap(start + size, room - size - (size_t)(start - place));
    return map;
}

enum status host_code_create(struct host_code *code, size_t bytes, struct error *err)
{
    void *write = MAP_FAILED, *execute = MAP_FAILED;
    *code = (struct host_code){.bytes = bytes, .fd = host_file_anonymous()};
    if (code->fd < 0)
        return status_fail(err, STATUS_HOST, "code memory file: %s", strerror(errno));
    if (ftruncate(code->fd, (off_t)bytes) != 0)
        goto failed;
    write = map_aligned(code, PROT_READ | PROT_WRITE);
    if (write == MAP_FAILED)
        goto failed;
    execute = map_aligned(code, PROT_READ | PROT_EXEC);
    if (execute == MAP_FAILED)
        goto failed;
    code->write = write;
    code->execute = execute;
    return STATUS_OK;

failed:
    status_fail(err, STATUS_NO_MEMORY, "cannot map %zu KB for generated code: %s", bytes >> 10,
                strerror(errno));
    if (write != MAP_FAILED)
        munmap(write, bytes);
    close(code->fd);
    code->fd = -1;
    return STATUS_NO_MEMORY;
}

void host_code_reach(struct host_code *code, size_t end)
{
#ifdef MADV_COLLAPSE
    for (; code->huge < end && code->bytes - code->huge >= HUGE; code->huge += HUGE) {
        volatile uint8_t *first = code->write + code->huge;
        *first = *first; /* pages that nobody has touched cannot be collapsed */
        (void)madvise(code->write + code->huge, HUGE, MADV_COLLAPSE);
        (void)madvise((void *)(uintptr_t)(code->execute + code->huge), HUGE, MADV_COLLAPSE);
    }
#else
    (void)code, (void)end;
#endif
}

void host_code_destroy(struct host_code *code)
{
    if (code->write == NULL)
        return;
    munmap(code->write, code->bytes);
    munmap((void *)(uintptr_t)code->execute, code->bytes);
    close(code->fd);
    *code = (struct host_code){.fd = -1};
}
