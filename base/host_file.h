/* Files of the host: disk images, read and written at offsets; kernels and profiles, read as a whole. */
#ifndef CROSSPAGE_BASE_HOST_FILE_H
#define CROSSPAGE_BASE_HOST_FILE_H

#include "base/status.h"

struct host_file {
    int fd; /* -1: not open */
    uint64_t size;
    char *path; /* for messages */
};

/* Open a regular file or block device and take the kernel's advisory lock on it: shared to read, exclusive to
 * write, so that two runs never write one image. */
enum status host_file_open(struct host_file *file, const char *path, bool writable,
                           struct error *err) MUST_CHECK;

/* A nameless file that goes away with its descriptor, in memory where the host can do that. It reads as
 * zeros. */
enum status host_file_temporary(struct host_file *file, uint64_t size, struct error *err) MUST_CHECK;

/* The descriptor of such a file of size 0, or -1 with errno set. */
int host_file_anonymous(void);

void host_file_close(struct host_file *file);

/* All bytes or false. */
bool host_file_read(const struct host_file *file, uint64_t offset, void *to, size_t size) MUST_CHECK;
bool host_file_write(const struct host_file *file, uint64_t offset, const void *from, size_t size) MUST_CHECK;
bool host_file_sync(const struct host_file *file) MUST_CHECK;

/* Open a regular file to read it from start to end, without a lock. Anything else (a directory, a pipe that
 * may never have a writer) is an error. The descriptor is the caller's. */
enum status host_file_open_plain(int *fd, uint64_t *size, const char *path, struct error *err) MUST_CHECK;

/* All bytes of a regular file and a NUL behind them, for the caller to free; an empty file or one of more
 * than `max` bytes is an error. */
enum status host_file_load(const char *path, uint64_t max, uint8_t **bytes, size_t *size,
                           struct error *err) MUST_CHECK;

/* Size and a 64-bit hash of the contents of a file or block device, as large as it may be; holes cost
 * nothing. */
enum status host_file_digest(const char *path, uint64_t *size, uint64_t *hash, struct error *err) MUST_CHECK;

#endif
