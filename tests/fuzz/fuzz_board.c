/* The board under the fuzzers: memory, disks and network are arrays, everything outside is random but
 * reproducible. */
#include "fuzz.h"

#include "base/check.h"
#include "base/hash.h"
#include "devices/pcnet.h"

#include <stdlib.h>
#include <string.h>

/* ---- Memory: outside of it, reads give ones and writes vanish (devices/device.h). ---- */

static size_t inside(gpa_t addr, size_t size)
{
    if (addr.v >= FUZZ_MEMORY)
        return 0;
    return size < FUZZ_MEMORY - addr.v ? size : (size_t)(FUZZ_MEMORY - addr.v);
}

static void memory_read(void *ctx, gpa_t addr, void *to, size_t size)
{
    const struct fuzz *fuzz = ctx;
    size_t good = inside(addr, size);
    memset(to, 0xFF, size);
    if (good)
        memcpy(to, fuzz->memory + addr.v, good);
}

static void memory_write(void *ctx, gpa_t addr, const void *from, size_t size)
{
    struct fuzz *fuzz = ctx;
    size_t good = inside(addr, size);
    if (good)
        memcpy(fuzz->memory + addr.v, from, good);
}

static const struct dma_ops memory_ops = {memory_read, memory_write};

/* ---- Disks ---- */

static bool disk_read(void *ctx, uint64_t offset, void *to, size_t size)
{
    const struct fuzz_disk *disk = ctx;
    CHECK(offset <= FUZZ_DISK && size <= FUZZ_DISK - offset);
    memcpy(to, disk->data + offset, size);
    return true;
}

static bool disk_write(void *ctx, uint64_t offset, const void *from, size_t size)
{
    struct fuzz_disk *disk = ctx;
    CHECK(offset <= FUZZ_DISK && size <= FUZZ_DISK - offset);
    memcpy(disk->data + offset, from, size);
    return offset % 8192 != 0; /* some sectors are bad */
}

static bool disk_flush(void *ctx)
{
    (void)ctx;
    return true;
}

static const struct block_backend_ops disk_ops = {disk_read, disk_write, disk_flush};

/* ---- Network and serial lines ---- */

static void net_attach(void *ctx, const struct net_port_ops *port, void *nic)
{
    struct fuzz *fuzz = ctx;
    fuzz->net_port = port;
    fuzz->net_port_ctx = nic;
}

static void net_send(void *ctx, const struct frame *frame)
{
    struct fuzz *fuzz = ctx;
    CHECK(!fuzz->frame_in_flight && frame->size <= FRAME_MAX);
    fuzz->frames++;
    if (fuzz_below(fuzz, 4) == 0)
        fuzz->frame_in_flight = true;
    else
        fuzz->net_port->sent(fuzz->net_port_ctx);
}

static const struct net_backend_ops net_ops = {net_attach, net_send};

static void char_attach(void *ctx, const struct char_port_ops *ops, void *port)
{
    struct fuzz *fuzz = ctx;
    CHECK(fuzz->char_ports < BOARD_SERIAL_PORTS);
    fuzz->char_port[fuzz->char_ports] = ops;
    fuzz->char_port_ctx[fuzz->char_ports++] = port;
}

static void char_write(void *ctx, uint8_t byte)
{
    (void)ctx;
    (void)byte;
}

static const struct char_backend_ops char_ops = {char_attach, char_write};

static void random_frame(struct fuzz *fuzz)
{
    static const uint8_t starts[4][6] = {{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF},
                                         {0, 0x50, 0x56, 1, 2, 3},
                                         {1, 0, 0x5E, 0, 0, 1},
                                         {0, 1, 2, 3, 4, 5}};
    struct frame frame;
    frame.id = 0;
    frame.size = fuzz_below(fuzz, 16) ? 14 + fuzz_below(fuzz, 1501) : fuzz_below(fuzz, FRAME_MAX + 1);
    memset(frame.data, (int)fuzz_random(fuzz) & 0xFF, frame.size);
    memcpy(frame.data, starts[fuzz_below(fuzz, 4)], 6);
    frame.data[13] = (uint8_t)fuzz_below(fuzz, 64);
    fuzz->net_port->receive(fuzz->net_port_ctx, &frame);
}

void fuzz_outside(struct fuzz *fuzz)
{
    switch (fuzz_below(fuzz, 6)) {
    case 0:
    case 1: random_frame(fuzz); break;
    case 2:
        if (!fuzz->frame_in_flight)
            break;
        fuzz->frame_in_flight = false;
        fuzz->net_port->sent(fuzz->net_port_ctx);
        break;
    case 3: fuzz->net_port->link(fuzz->net_port_ctx, fuzz_below(fuzz, 8) != 0); break;
    case 4: {
        unsigned i = fuzz->char_ports ? fuzz_below(fuzz, fuzz->char_ports) : 0;
        if (fuzz->char_ports && fuzz->char_port[i]->ready(fuzz->char_port_ctx[i]))
            fuzz->char_port[i]->receive(fuzz->char_port_ctx[i], (uint8_t)fuzz_random(fuzz));
        break;
    }
    default: /* take an interrupt and end it */
        board_intr_ack(fuzz->board);
        board_port_write(fuzz->board, 0xA0, 1, 0x20);
        board_port_write(fuzz->board, 0x20, 1, 0x20);
        break;
    }
}

/* ---- Life ---- */

static void wants_reset(void *ctx)
{
    ((struct fuzz *)ctx)->reset_wanted = true;
}

static void saw_interrupt(void *ctx, bool level)
{
    ((struct fuzz *)ctx)->interrupts += level;
}

static const struct board_outputs outputs = {.intr = saw_interrupt, .reset = wants_reset};

void fuzz_create(struct fuzz *fuzz, uint64_t seed)
{
    memset(fuzz, 0, sizeof *fuzz);
    fuzz->seed = seed * 2 + 1;
    event_queue_init(&fuzz->queue, FUZZ_HZ);
    fuzz->memory = xcalloc(FUZZ_MEMORY, 1);
    fuzz->disks = xcalloc(2, sizeof *fuzz->disks);
    struct board_config config = {.ram_bytes = FUZZ_MEMORY, .rtc_seconds = 1000000000, .serial_count = 2};
    for (unsigned i = 0; i < config.serial_count; i++)
        config.serial[i] = (struct char_backend){&char_ops, fuzz};
    config.drives[0].drive.kind = IDE_DISK;
    config.drives[0].backend = (struct block_backend){&disk_ops, &fuzz->disks[0], FUZZ_DISK, false};
    config.drives[2].drive.kind = IDE_CDROM;
    config.drives[2].backend = (struct block_backend){&disk_ops, &fuzz->disks[1], FUZZ_DISK, true};
    fuzz->board = board_create(&config, &outputs, fuzz, &fuzz->queue, &fuzz->log, &memory_ops, fuzz);
    const struct pcnet_config nic = {.mac = {0, 0x50, 0x56, 1, 2, 3}};
    const struct net_backend backend = {&net_ops, fuzz};
    fuzz->nic = pcnet_create(board_env(fuzz->board), &nic, &backend);
    board_attach_pci(fuzz->board, pcnet_pci(fuzz->nic), BOARD_PCI_SLOT_NIC, 0);
    fuzz_firmware(fuzz);
}

void fuzz_firmware(struct fuzz *fuzz)
{
    board_firmware_init(fuzz->board);
    board_port_write(fuzz->board, 0x21, 1, 0); /* all interrupts through */
    board_port_write(fuzz->board, 0xA1, 1, 0);
}

void fuzz_destroy(struct fuzz *fuzz)
{
    board_destroy(fuzz->board);
    event_queue_destroy(&fuzz->queue);
    free(fuzz->memory);
    free(fuzz->disks);
}

void fuzz_run(struct fuzz *fuzz, tick_t ticks)
{
    event_queue_run(&fuzz->queue, fuzz->queue.now + ticks);
    if (!fuzz->reset_wanted)
        return;
    fuzz->reset_wanted = false;
    fuzz->resets++;
    board_reset(fuzz->board);
    fuzz_firmware(fuzz);
}

void fuzz_fill(struct fuzz *fuzz)
{
    for (size_t i = 0; i < FUZZ_MEMORY; i += 8) {
        uint64_t value = fuzz_random(fuzz);
        memcpy(fuzz->memory + i, &value, 8);
    }
}

uint64_t fuzz_digest(const struct fuzz *fuzz)
{
    uint64_t digest = hash_bytes(fuzz->memory, FUZZ_MEMORY, 0);
    for (unsigned i = 0; i < board_device_count(fuzz->board); i++) {
        struct device *device = board_device(fuzz->board, i);
        digest = hash_bytes(device_state(device), device->cls->state_size, digest);
    }
    return digest;
}
