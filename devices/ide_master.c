/* Bus master of the PIIX3 IDE function. Intel 290550 section 2.7; SFF-8038i.
 *
 * A descriptor is two double words: memory address (even), and byte count (even, 0 = 64 KB) with end-of-table
 * in bit 31. The status register tells how a transfer ended (data sheet table "Interrupt/Activity Status
 * Combinations"):
 *
 *   interrupt 0, active 1   in progress
 *   interrupt 1, active 0   the table described exactly what the drive moved
 *   interrupt 1, active 1   the drive moved less: the table had more room
 *   interrupt 0, active 0   the table was too short (the drive still wants to go on), or error bit: no
 * transfer */
#include "devices/ide_priv.h"

enum { REG_COMMAND = 0, REG_STATUS = 2, REG_TABLE = 4 };
enum { COMMAND_START = 0x01, COMMAND_TO_MEMORY = 0x08 };
enum { MASTER_ACTIVE = 0x01, MASTER_ERROR = 0x02, MASTER_INTERRUPT = 0x04, MASTER_CAPABLE = 0x60 };
enum { DESCRIPTOR_SIZE = 8 };

void ide_master_reset(struct ide_channel *channel)
{
    channel->state->master = (struct ide_master_state){0};
}

static const struct device_env *env_of(const struct ide_channel *channel)
{
    return channel->ide->device.env;
}

static void stop_with_error(struct ide_channel *channel, const char *why)
{
    struct ide_master_state *master = &channel->state->master;
    log_line(env_of(channel)->log, LOG_GUEST_ERROR, "ide: bus master: %s", why);
    master->status = (uint8_t)((master->status & ~MASTER_ACTIVE) | MASTER_ERROR);
}

/* Make `left` non-zero. False: the table is used up, the engine stops. */
static bool next_descriptor(struct ide_channel *channel)
{
    struct ide_master_state *master = &channel->state->master;
    uint8_t raw[DESCRIPTOR_SIZE];
    if (master->left != 0)
        return true;
    if (master->last) {
        master->status &= (uint8_t)~MASTER_ACTIVE;
        return false;
    }
    dma_read(env_of(channel), gpa(master->next), raw, sizeof raw);
    master->at = get_le32(raw) & ~1u;
    master->left = get_le16(raw + 4) & 0xFFFE;
    if (master->left == 0)
        master->left = 0x10000;
    master->last = raw[7] >> 7;
    /* The table does not cross a 64 KB boundary: the counter has 16 bits. */
    master->next = (master->next & 0xFFFF0000) | ((master->next + DESCRIPTOR_SIZE) & 0xFFFF);
    return true;
}

/* Move bytes between the drive's buffer and memory until one of them ends. False: the engine has stopped. */
static bool move(struct ide_channel *channel, struct ide_drive_state *drive)
{
    struct ide_master_state *master = &channel->state->master;
    while (drive->pos < drive->size) {
        if (!next_descriptor(channel))
            return false;
        uint32_t bytes = drive->size - drive->pos;
        if (bytes > master->left)
            bytes = master->left;
        if (drive->writing)
            dma_read(env_of(channel), gpa(master->at), drive->buffer + drive->pos, bytes);
        else
            dma_write(env_of(channel), gpa(master->at), drive->buffer + drive->pos, bytes);
        drive->pos += bytes;
        master->at += bytes;
        master->left -= bytes;
    }
    return true;
}

/* Get the next buffer ready. False: the command is over, well or badly. */
static bool next_buffer(struct ide_drive *drive)
{
    struct ide_drive_state *state = drive->state;
    if (state->kind == IDE_CDROM) {
        if (state->left != 0)
            return atapi_fill(drive);
        atapi_good(drive);
        return false;
    }
    if (state->writing && state->size != 0 && !ide_disk_drain(drive))
        return false;
    if (state->left == 0) {
        ide_finish(drive);
        return false;
    }
    if (!state->writing)
        return ide_disk_fill(drive);
    ide_disk_dma_size(drive);
    return true;
}

void ide_master_run(struct ide_channel *channel)
{
    struct ide_master_state *master = &channel->state->master;
    struct ide_drive *drive = NULL;
    for (unsigned i = 0; i < IDE_UNITS; i++)
        if (channel->state->drives[i].phase == PHASE_DMA)
            drive = &channel->drives[i];
    if (drive == NULL || !(master->status & MASTER_ACTIVE))
        return;
    if (channel->ide->pci.bus != NULL && !pci_bus_master(&channel->ide->pci)) {
        stop_with_error(channel, "not enabled in the command register");
        return;
    }
    if (drive->state->writing == ((master->command & COMMAND_TO_MEMORY) != 0)) {
        stop_with_error(channel, "direction differs from the drive's command");
        return;
    }
    do {
        if (!move(channel, drive->state))
            return;
        if (master->left == 0 && master->last)
            master->status &=
                (uint8_t)~MASTER_ACTIVE; /* before the drive's interrupt, as the table above says */
    } while (next_buffer(drive) && (master->status & MASTER_ACTIVE));
}

/* ---- Registers: eight per channel ---- */

static uint8_t byte_read(const struct ide_master_state *master, unsigned reg)
{
    switch (reg) {
    case REG_COMMAND: return master->command;
    case REG_STATUS: return master->status;
    case 1:
    case 3: return 0;
    default: return (uint8_t)(master->table >> 8 * (reg - REG_TABLE));
    }
}

/* Starting begins at the head of the table, always. Stopping forgets how far the engine was. */
static void command_write(struct ide_channel *channel, uint8_t value)
{
    struct ide_master_state *master = &channel->state->master;
    bool was = (master->command & COMMAND_START) != 0, is = (value & COMMAND_START) != 0;
    master->command = value & (COMMAND_START | COMMAND_TO_MEMORY);
    if (is && !was) {
        master->status |= MASTER_ACTIVE;
        master->next = master->table;
        master->left = master->last = 0;
        ide_master_run(channel);
    } else if (was && !is) {
        master->status &= (uint8_t)~MASTER_ACTIVE;
    }
}

static void byte_write(struct ide_channel *channel, unsigned reg, uint8_t value)
{
    struct ide_master_state *master = &channel->state->master;
    switch (reg) {
    case REG_COMMAND: command_write(channel, value); break;
    case REG_STATUS: {
        uint8_t cleared = value & (MASTER_ERROR | MASTER_INTERRUPT);
        master->status = (uint8_t)((master->status & ~(cleared | MASTER_CAPABLE)) | (value & MASTER_CAPABLE));
        break;
    }
    case 1:
    case 3: break;
    default: {
        unsigned shift = 8 * (reg - REG_TABLE);
        master->table = ((master->table & ~(0xFFu << shift)) | (uint32_t)value << shift) & ~3u;
        break;
    }
    }
}

uint64_t ide_master_read(struct device *device, uint32_t offset, unsigned size)
{
    struct ide *ide = CONTAINER_OF(device, struct ide, device);
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++) {
        unsigned at = (offset + i) & 15;
        value |= (uint64_t)byte_read(&ide->state.channels[at >> 3].master, at & 7) << 8 * i;
    }
    return value;
}

void ide_master_write(struct device *device, uint32_t offset, unsigned size, uint64_t value)
{
    struct ide *ide = CONTAINER_OF(device, struct ide, device);
    for (unsigned i = 0; i < size; i++) {
        unsigned at = (offset + i) & 15;
        byte_write(&ide->channels[at >> 3], at & 7, (uint8_t)(value >> 8 * i));
    }
}
