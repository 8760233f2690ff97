/* Comments for a capture: each enhanced packet block that has an epb_packetid gets an opt_comment behind its
 * options, and all else is copied. Only what pcapng.c writes is understood: little endian, blocks of moderate
 * size. */
#include "traces/pcapng.h"

#include "base/bytes.h"
#include "base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCK_SECTION = 0x0A0D0D0A,
    BLOCK_PACKET = 6,
    BYTE_ORDER_MAGIC = 0x1A2B3C4D,
    BLOCK_HEAD = 8, /* type, total length */
    BLOCK_MIN = 12, /* and the length again */
    BLOCK_MAX = 1 << 20,
    PACKET_FIXED = 20, /* interface, time stamp, captured and original length */
    OPT_END = 0,
    OPT_COMMENT = 1,
    OPT_MAX = 65535,
    EPB_PACKETID = 5,
};

struct block {
    uint8_t *bytes; /* the whole of it */
    uint32_t size, capacity;
};

static enum status damaged(const char *path, struct error *err)
{
    return status_fail(err, STATUS_BAD_INPUT, "'%s' is not a capture that crosspage wrote, or is damaged",
                       path);
}

/* The next block; size 0 at the end of the file. */
static enum status read_block(FILE *file, const char *path, struct block *block, struct error *err)
{
    uint8_t head[BLOCK_HEAD];
    block->size = 0;
    size_t got = fread(head, 1, sizeof head, file);
    if (got == 0 && feof(file))
        return STATUS_OK;
    uint32_t size = got == sizeof head ? get_le32(head + 4) : 0;
    if (size < BLOCK_MIN || size > BLOCK_MAX || size % 4 != 0)
        return damaged(path, err);
    if (size > block->capacity)
        block->bytes = xrealloc(block->bytes, block->capacity = size);
    memcpy(block->bytes, head, sizeof head);
    if (fread(block->bytes + BLOCK_HEAD, 1, size - BLOCK_HEAD, file) != size - BLOCK_HEAD ||
        get_le32(block->bytes + size - 4) != size)
        return damaged(path, err);
    block->size = size;
    return STATUS_OK;
}

/* Where the end of a packet's options is (the OPT_END), and its id; false if they are damaged. */
static bool find_options(const struct block *block, uint32_t *end, uint64_t *id)
{
    uint32_t limit = block->size - 4, at = BLOCK_HEAD + PACKET_FIXED;
    *id = 0;
    if (limit < at || get_le32(block->bytes + BLOCK_HEAD + 12) > limit - at)
        return false;
    at += (get_le32(block->bytes + BLOCK_HEAD + 12) + 3) & ~3u;
    while (at + 4 <= limit) {
        unsigned code = get_le16(block->bytes + at), length = get_le16(block->bytes + at + 2);
        *end = at;
        if (code == OPT_END)
            return true;
        at += 4 + ((length + 3) & ~3u);
        if (at > limit)
            return false;
        if (code == EPB_PACKETID && length == 8)
            *id = get_le64(block->bytes + *end + 4);
    }
    return false;
}

static void write_commented(FILE *to, struct block *block, uint32_t end, const char *comment)
{
    static const uint8_t zeros[4];
    uint32_t length = (uint32_t)strnlen(comment, OPT_MAX), padded = (length + 3) & ~3u;
    uint32_t size = block->size + 4 + padded;
    uint8_t head[4], option[4];
    put_le32(head, size);
    put_le16(option, OPT_COMMENT);
    put_le16(option + 2, (uint16_t)length);
    memcpy(block->bytes + 4, head, sizeof head);
    fwrite(block->bytes, 1, end, to);
    fwrite(option, 1, sizeof option, to);
    fwrite(comment, 1, length, to);
    fwrite(zeros, 1, padded - length, to);
    fwrite(block->bytes + end, 1, block->size - 4 - end, to);
    fwrite(head, 1, sizeof head, to);
}

static enum status annotate_block(const char *path, struct block *block, FILE *to, pcapng_comment_fn *comment,
                                  void *ctx, struct error *err)
{
    uint32_t end;
    uint64_t id = 0;
    if (get_le32(block->bytes) == BLOCK_PACKET && !find_options(block, &end, &id))
        return damaged(path, err);
    char *text = id != 0 ? comment(ctx, id) : NULL;
    if (text != NULL)
        write_commented(to, block, end, text);
    else
        fwrite(block->bytes, 1, block->size, to);
    free(text);
    return STATUS_OK;
}

static enum status annotate(const char *path, FILE *from, struct block *block, FILE *to,
                            pcapng_comment_fn *comment, void *ctx, struct error *err)
{
    TRY(read_block(from, path, block, err));
    if (block->size < BLOCK_MIN + 4 || get_le32(block->bytes) != BLOCK_SECTION ||
        get_le32(block->bytes + BLOCK_HEAD) != BYTE_ORDER_MAGIC)
        return damaged(path, err);
    while (block->size != 0) {
        TRY(annotate_block(path, block, to, comment, ctx, err));
        TRY(read_block(from, path, block, err));
    }
    return STATUS_OK;
}

enum status pcapng_annotate(const char *path, FILE *to, pcapng_comment_fn *comment, void *ctx,
                            struct error *err)
{
    FILE *from = fopen(path, "rb");
    if (from == NULL)
        return status_fail(err, STATUS_NO_FILE, "cannot read capture '%s': %s", path, strerror(errno));
    struct block block = {.size = 0};
    enum status status = annotate(path, from, &block, to, comment, ctx, err);
    free(block.bytes);
    fclose(from);
    return status;
}
