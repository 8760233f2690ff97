/* Raw images as block back ends, with an optional copy-on-write overlay (-snapshot).
 *
 * The overlay is a nameless file of the image's size that only takes room where it was written, and a bitmap
 * with one bit per 512-byte sector: set = the sector is in the overlay. Guests write whole sectors, so
 * nothing has to be copied first. Images of other formats are recognized to say so, not to be read. */
#include "hostworld/block_file.h"

#include "base/check.h"
#include "base/host_file.h"

#include <stdlib.h>
#include <string.h>

enum { SECTOR = 512, CD_BLOCK = 2048 };

struct block_file {
    struct host_file image, overlay;
    uint8_t *in_overlay; /* NULL: no overlay */
    bool read_only;
};

static bool is_in_overlay(const struct block_file *file, uint64_t sector)
{
    return file->in_overlay[sector / 8] >> sector % 8 & 1;
}

static bool block_read(void *ctx, uint64_t offset, void *to, size_t size)
{
    const struct block_file *file = ctx;
    uint8_t *at = to;
    if (file->in_overlay == NULL)
        return host_file_read(&file->image, offset, to, size);
    CHECK(offset % SECTOR == 0 && size % SECTOR == 0);
    while (size > 0) {
        /* The longest run that comes from one place. */
        bool over = is_in_overlay(file, offset / SECTOR);
        size_t run = SECTOR;
        while (run < size && is_in_overlay(file, (offset + run) / SECTOR) == over)
            run += SECTOR;
        if (!host_file_read(over ? &file->overlay : &file->image, offset, at, run))
            return false;
        at += run;
        offset += run;
        size -= run;
    }
    return true;
}

static bool block_write(void *ctx, uint64_t offset, const void *from, size_t size)
{
    struct block_file *file = ctx;
    if (file->read_only)
        return false;
    if (file->in_overlay == NULL)
        return host_file_write(&file->image, offset, from, size);
    CHECK(offset % SECTOR == 0 && size % SECTOR == 0);
    if (!host_file_write(&file->overlay, offset, from, size))
        return false;
    for (uint64_t sector = offset / SECTOR; sector < (offset + size) / SECTOR; sector++)
        file->in_overlay[sector / 8] |= (uint8_t)(1u << sector % 8);
    return true;
}

static bool block_flush(void *ctx)
{
    const struct block_file *file = ctx;
    return file->read_only || file->in_overlay != NULL || host_file_sync(&file->image);
}

/* The name of a known image format that is not raw, or NULL. */
static const char *foreign_format(const struct host_file *image)
{
    static const struct {
        const char *name;
        char magic[8];
        uint8_t size;
    } formats[] = {
        {"qcow2", "QFI\xFB", 4}, {"vmdk", "KDMV", 4},    {"vmdk", "# Disk D", 8},
        {"vhdx", "vhdxfile", 8}, {"vpc", "conectix", 8}, {"luks", "LUKS\xBA\xBE", 6},
    };
    char head[8];
    if (image->size < sizeof head || !host_file_read(image, 0, head, sizeof head))
        return NULL;
    for (unsigned i = 0; i < ARRAY_LEN(formats); i++)
        if (memcmp(head, formats[i].magic, formats[i].size) == 0)
            return formats[i].name;
    return NULL;
}

static enum status check_image(const struct host_file *image, const char *path,
                               const struct block_file_options *options, struct error *err)
{
    unsigned block = options->cdrom ? CD_BLOCK : SECTOR;
    const char *kind = options->cdrom ? "CD-ROM" : "disk", *format = foreign_format(image);
    if (image->size == 0)
        return status_fail(err, STATUS_BAD_INPUT, "%s image '%s' is empty", kind, path);
    if (format != NULL)
        return status_fail(
            err, STATUS_BAD_INPUT,
            "'%s' is a %s image; only raw images are supported (qemu-img convert -O raw makes one)", path,
            format);
    if (image->size % block != 0)
        return status_fail(err, STATUS_BAD_INPUT,
                           "%s image '%s' is truncated: %llu bytes is not a multiple of %u", kind, path,
                           (unsigned long long)image->size, block);
    return STATUS_OK;
}

enum status block_file_open(struct block_file **out, const char *path,
                            const struct block_file_options *options, struct error *err)
{
    bool writable = !options->cdrom && !options->read_only;
    struct block_file *file = xcalloc(1, sizeof *file);
    *out = NULL;
    file->overlay.fd = -1;
    file->read_only = !writable;
    enum status status = host_file_open(&file->image, path, writable && !options->snapshot, err);
    if (status == STATUS_OK)
        status = check_image(&file->image, path, options, err);
    if (status == STATUS_OK && writable && options->snapshot) {
        status = host_file_temporary(&file->overlay, file->image.size, err);
        if (status == STATUS_OK)
            file->in_overlay = xcalloc(file->image.size / SECTOR / 8 + 1, 1);
    }
    if (status != STATUS_OK) {
        block_file_close(file);
        return status;
    }
    *out = file;
    return STATUS_OK;
}

void block_file_close(struct block_file *file)
{
    if (file == NULL)
        return;
    host_file_close(&file->image);
    host_file_close(&file->overlay);
    free(file->in_overlay);
    free(file);
}

struct block_backend block_file_backend(struct block_file *file)
{
    static const struct block_backend_ops ops = {block_read, block_write, block_flush};
    return (struct block_backend){&ops, file, file->image.size, file->read_only};
}
