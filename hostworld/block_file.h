/* Disk and CD-ROM images: raw files or block devices of the host. */
#ifndef CROSSPAGE_HOSTWORLD_BLOCK_FILE_H
#define CROSSPAGE_HOSTWORLD_BLOCK_FILE_H

#include "devices/backends.h"

struct block_file_options {
    bool cdrom; /* 2048-byte blocks, never written */
    bool read_only;
    bool snapshot; /* writes go to a temporary overlay; the image is not changed */
};

struct block_file;

enum status block_file_open(struct block_file **file, const char *path,
                            const struct block_file_options *options, struct error *err) MUST_CHECK;
/* NULL is nothing to do. */
void block_file_close(struct block_file *file);

struct block_backend block_file_backend(struct block_file *file);

#endif
