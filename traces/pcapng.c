/* Block layout (all little endian, padded to 4 bytes, total length before and after the body):
 *
 *     SHB 0x0A0D0D0A   magic 0x1A2B3C4D, version 1.0, section length -1
 *     IDB 0x00000001   link type 1 (Ethernet), snap length 0, options if_name, if_description, if_tsresol = 9
 *     EPB 0x00000006   interface, time stamp high, low, captured, original length, bytes, options epb_flags,
 *                      epb_packetid
 *
 * pcapng_annotate.c adds opt_comment. */
#include "traces/pcapng.h"

#include "base/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum block { BLOCK_SECTION = 0x0A0D0D0A, BLOCK_INTERFACE = 1, BLOCK_PACKET = 6 };
enum option {
    OPT_END = 0,
    SHB_USERAPPL = 4,
    IF_NAME = 2,
    IF_DESCRIPTION = 3,
    IF_TSRESOL = 9,
    EPB_FLAGS = 2,
    EPB_PACKETID = 5,
};

enum { STREAM_BUFFER = 256 << 10 }; /* the standard one holds two frames */

struct pcapng {
    FILE *file;
    char *buffer; /* of the stream */
    char *path;
    unsigned interfaces;
    uint8_t *block; /* being built */
    size_t used, capacity;
};

static void put(struct pcapng *p, const void *bytes, size_t size)
{
    static const uint8_t zeros[4];
    size_t padding = (4 - size % 4) % 4;
    if (p->used + size + padding > p->capacity)
        p->block = xrealloc(p->block, p->capacity = 2 * (p->used + size + padding));
    memcpy(p->block + p->used, bytes, size);
    memcpy(p->block + p->used + size, zeros, padding);
    p->used += size + padding;
}

static void put32(struct pcapng *p, uint32_t v)
{
    const uint8_t bytes[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};
    put(p, bytes, sizeof bytes);
}

static void put_option(struct pcapng *p, enum option code, const void *bytes, size_t size)
{
    put32(p, (uint32_t)code | (uint32_t)size << 16);
    put(p, bytes, size);
}

static void block_begin(struct pcapng *p, enum block type)
{
    p->used = 0;
    put32(p, (uint32_t)type);
    put32(p, 0); /* total length, patched */
}

static void block_end(struct pcapng *p)
{
    put32(p, OPT_END);
    uint32_t total = (uint32_t)p->used + 4;
    put32(p, total);
    for (int i = 0; i < 4; i++)
        p->block[4 + i] = (uint8_t)(total >> 8 * i);
    fwrite(p->block, 1, p->used, p->file); /* errors are sticky in the stream and reported by pcapng_close */
}

enum status pcapng_create(struct pcapng **out, const char *path, struct error *err)
{
    *out = NULL;
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        return status_fail(err, STATUS_NO_FILE, "cannot write capture '%s': %s", path, strerror(errno));
    struct pcapng *p = xcalloc(1, sizeof *p);
    p->file = file;
    p->buffer = xcalloc(1, STREAM_BUFFER);
    setvbuf(file, p->buffer, _IOFBF, STREAM_BUFFER);
    p->path = xstrdup(path);
    block_begin(p, BLOCK_SECTION);
    put32(p, 0x1A2B3C4D);
    put32(p, 1); /* major 1, minor 0 */
    put32(p, UINT32_MAX);
    put32(p, UINT32_MAX);
    put_option(p, SHB_USERAPPL, "crosspage", 9);
    block_end(p);
    *out = p;
    return STATUS_OK;
}

enum status pcapng_close(struct pcapng *p, struct error *err)
{
    if (p == NULL)
        return STATUS_OK;
    bool failed = ferror(p->file) != 0;
    failed |= fclose(p->file) != 0;
    enum status status =
        failed ? status_fail(err, STATUS_NO_FILE, "writing the capture '%s' failed (disk full?)", p->path)
               : STATUS_OK;
    free(p->buffer);
    free(p->block);
    free(p->path);
    free(p);
    return status;
}

unsigned pcapng_interface(struct pcapng *p, const char *name, const char *description)
{
    static const uint8_t nanoseconds = 9;
    block_begin(p, BLOCK_INTERFACE);
    put32(p, 1); /* LINKTYPE_ETHERNET */
    put32(p, 0);
    put_option(p, IF_NAME, name, strlen(name));
    put_option(p, IF_DESCRIPTION, description, strlen(description));
    put_option(p, IF_TSRESOL, &nanoseconds, 1);
    block_end(p);
    return p->interfaces++;
}

void pcapng_packet(struct pcapng *p, unsigned interface, uint64_t ns, const void *bytes, size_t size,
                   enum pcapng_direction direction, uint64_t id)
{
    CHECK(interface < p->interfaces);
    block_begin(p, BLOCK_PACKET);
    put32(p, interface);
    put32(p, (uint32_t)(ns >> 32));
    put32(p, (uint32_t)ns);
    put32(p, (uint32_t)size);
    put32(p, (uint32_t)size);
    put(p, bytes, size);
    const uint8_t flags[4] = {(uint8_t)direction};
    put_option(p, EPB_FLAGS, flags, sizeof flags);
    if (id != 0) {
        uint8_t number[8];
        for (int i = 0; i < 8; i++)
            number[i] = (uint8_t)(id >> 8 * i);
        put_option(p, EPB_PACKETID, number, sizeof number);
    }
    block_end(p);
}
