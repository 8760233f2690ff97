/* Positioned file access on POSIX hosts. Linux has memfd_create for temporary files in memory; elsewhere an
 * unlinked file in the temporary directory does. */
#define _GNU_SOURCE
#include "base/host_file.h"

#include "base/check.h"
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* O_NONBLOCK: to open a pipe must not wait for its other end. Files and disks do not care. */
enum status host_file_open(struct host_file *file, const char *path, bool writable, struct error *err)
{
    struct stat info;
    *file = (struct host_file){.fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK)};
    if (file->fd < 0)
        return status_fail(err, STATUS_NO_FILE, "cannot open '%s'%s: %s", path,
                           writable ? " for writing" : "", strerror(errno));
    off_t end = lseek(file->fd, 0, SEEK_END); /* also the size of a block device, which stat does not tell */
    if (fstat(file->fd, &info) != 0 || !(S_ISREG(info.st_mode) || S_ISBLK(info.st_mode)) || end < 0) {
        close(file->fd);
        file->fd = -1;
        return status_fail(err, STATUS_BAD_INPUT, "'%s' is not a file or block device", path);
    }
    if (flock(file->fd, (writable ? LOCK_EX : LOCK_SH) | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        close(file->fd);
        file->fd = -1;
        return status_fail(err, STATUS_HOST, "'%s' is in use by another process", path);
    }
    file->size = (uint64_t)end;
    file->path = xstrdup(path);
    return STATUS_OK;
}

int host_file_anonymous(void)
{
#ifdef __linux__
    return memfd_create("crosspage", MFD_CLOEXEC);
#else
    char path[] = "/tmp/crosspage-XXXXXX";
    int fd = mkstemp(path);
    if (fd >= 0)
        unlink(path);
    return fd;
#endif
}

enum status host_file_temporary(struct host_file *file, uint64_t size, struct error *err)
{
    *file = (struct host_file){.fd = host_file_anonymous(), .size = size};
    if (file->fd < 0 || ftruncate(file->fd, (off_t)size) != 0) {
        int reason = errno;
        host_file_close(file);
        return status_fail(err, STATUS_HOST, "cannot create a temporary file of %llu bytes: %s",
                           (unsigned long long)size, strerror(reason));
    }
    file->path = xstrdup("temporary file");
    return STATUS_OK;
}

void host_file_close(struct host_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    free(file->path);
    *file = (struct host_file){.fd = -1};
}

bool host_file_read(const struct host_file *file, uint64_t offset, void *to, size_t size)
{
    uint8_t *at = to;
    while (size > 0) {
        ssize_t got = pread(file->fd, at, size, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += got;
        offset += (uint64_t)got;
        size -= (size_t)got;
    }
    return true;
}

bool host_file_write(const struct host_file *file, uint64_t offset, const void *from, size_t size)
{
    const uint8_t *at = from;
    while (size > 0) {
        ssize_t put = pwrite(file->fd, at, size, (off_t)offset);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        at += put;
        offset += (uint64_t)put;
        size -= (size_t)put;
    }
    return true;
}

bool host_file_sync(const struct host_file *file)
{
    return fdatasync(file->fd) == 0 || errno == EINVAL; /* EINVAL: nothing behind it that could be synced */
}

/* ---- Files read as a whole ---- */

enum status host_file_open_plain(int *fd, uint64_t *size, const char *path, struct error *err)
{
    struct stat info;
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0)
        return status_fail(err, STATUS_NO_FILE, "cannot open '%s': %s", path, strerror(errno));
    if (fstat(*fd, &info) == 0 && S_ISREG(info.st_mode)) {
        *size = (uint64_t)info.st_size;
        return STATUS_OK;
    }
    close(*fd);
    *fd = -1;
    return status_fail(err, STATUS_NO_FILE, "cannot read '%s': it is not a regular file", path);
}

enum status host_file_load(const char *path, uint64_t max, uint8_t **bytes, size_t *size, struct error *err)
{
    struct host_file file = {0};
    TRY(host_file_open_plain(&file.fd, &file.size, path, err));
    enum status status = STATUS_OK;
    *bytes = NULL;
    *size = (size_t)file.size;
    if (file.size == 0)
        status = status_fail(err, STATUS_BAD_INPUT, "cannot read '%s': it is empty", path);
    else if (file.size > max)
        status = status_fail(err, STATUS_BAD_INPUT, "'%s' is too large: %llu bytes, at most %llu", path,
                             (unsigned long long)file.size, (unsigned long long)max);
    else if ((*bytes = malloc(*size + 1)) == NULL)
        status = status_fail(err, STATUS_NO_MEMORY, "no memory for '%s'", path);
    else if (!host_file_read(&file, 0, *bytes, *size))
        status = status_fail(err, STATUS_NO_FILE, "cannot read '%s': %s", path, strerror(errno));
    else
        (*bytes)[*size] = '\0';
    close(file.fd);
    if (status != STATUS_OK) {
        free(*bytes);
        *bytes = NULL;
    }
    return status;
}

/* ---- Digest ---- */

enum { DIGEST_PIECE = 64 * 1024 };

/* The first byte at or after `offset` that may be other than zero. */
static uint64_t next_data(const struct host_file *file, uint64_t offset)
{
    off_t data = lseek(file->fd, (off_t)offset, SEEK_DATA);
    if (data >= 0)
        return (uint64_t)data;
    return errno == ENXIO ? file->size : offset;
}

/* Pieces of zeros count as nothing, so that a hole and zeros that were written are the same. */
static bool digest_piece(const struct host_file *file, uint64_t offset, uint8_t *piece, uint64_t *hash)
{
    uint64_t left = file->size - offset;
    size_t size = left < DIGEST_PIECE ? (size_t)left : DIGEST_PIECE;
    if (!host_file_read(file, offset, piece, size))
        return false;
    if (piece[0] != 0 || memcmp(piece, piece + 1, size - 1) != 0)
        *hash = hash_bytes(piece, size, *hash ^ offset);
    return true;
}

enum status host_file_digest(const char *path, uint64_t *size, uint64_t *hash, struct error *err)
{
    struct host_file file;
    TRY(host_file_open(&file, path, false, err));
    uint8_t *piece = xcalloc(DIGEST_PIECE, 1);
    bool read = true;
    *size = *hash = file.size;
    for (uint64_t at = 0; read && at < file.size; at += DIGEST_PIECE) {
        uint64_t data = next_data(&file, at);
        at = data - data % DIGEST_PIECE;
        if (at < file.size)
            read = digest_piece(&file, at, piece, hash);
    }
    free(piece);
    host_file_close(&file);
    return read ? STATUS_OK : status_fail(err, STATUS_NO_FILE, "cannot read '%s'", path);
}
