/* Generated code: a nameless file mapped twice. */
#define _GNU_SOURCE
#include "base/host_code.h"

#include "base/host_file.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum status host_code_create(struct host_code *code, size_t bytes, struct error *err)
{
    void *write = MAP_FAILED, *execute = MAP_FAILED;
    *code = (struct host_code){.bytes = bytes, .fd = host_file_anonymous()};
    if (code->fd < 0)
        return status_fail(err, STATUS_HOST, "code memory file: %s", strerror(errno));
    if (ftruncate(code->fd, (off_t)bytes) != 0)
        goto failed;
    write = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, code->fd, 0);
    if (write == MAP_FAILED)
        goto failed;
    execute = mmap(NULL, bytes, PROT_READ | PROT_EXEC, MAP_SHARED, code->fd, 0);
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

void host_code_destroy(struct host_code *code)
{
    if (code->write == NULL)
        return;
    munmap(code->write, code->bytes);
    munmap((void *)(uintptr_t)code->execute, code->bytes);
    close(code->fd);
    *code = (struct host_code){.fd = -1};
}
