/* IDENTIFY DEVICE and IDENTIFY PACKET DEVICE data. T13/1410D ATA/ATAPI-6, 8.15 and 8.16. */
#include "devices/ide_priv.h"

#include <string.h>

static void word(uint8_t *data, unsigned index, unsigned value)
{
    put_le16(data + 2 * index, value);
}

/* Text has the first character in a word's upper byte, padded with blanks. */
static void text(uint8_t *data, unsigned first, unsigned last, const char *string)
{
    size_t length = strlen(string);
    for (unsigned i = 0; i < 2 * (last - first + 1); i++)
        data[2 * first + (i ^ 1)] = i < length ? (uint8_t)string[i] : ' ';
}

static unsigned selected_mode(uint8_t mode)
{
    return mode == 0xFF ? 0 : 0x100u << mode;
}

/* Words that are the same for both kinds of drive. */
static void common(const struct ide_drive *drive, uint8_t *data)
{
    const struct ide_drive_state *state = drive->state;
    text(data, 10, 19, drive->serial);
    text(data, 23, 26, "1.0");
    text(data, 27, 46, drive->model);
    word(data, 49, 0x0F00);                                     /* IORDY, LBA, DMA */
    word(data, 53, 0x0006 | (state->kind == IDE_DISK ? 1 : 0)); /* words 88, 64-70, 54-58 are valid */
    word(data, 63, 0x07 | selected_mode(state->mwdma_mode));    /* multiword DMA modes 0-2 */
    word(data, 64, 0x03);                                       /* PIO modes 3 and 4 */
    for (unsigned i = 65; i <= 68; i++)
        word(data, i, 120);                                                /* cycle times in ns */
    word(data, 80, 0x007E);                                                /* ATA-1 to ATA/ATAPI-6 */
    word(data, 88, 0x07 | selected_mode(state->udma_mode));                /* Ultra DMA modes 0-2 */
    word(data, 93, drive == &drive->channel->drives[0] ? 0x400B : 0x4B00); /* 40-wire cable, how numbered */
}

static void disk_geometry(const struct ide_drive *drive, uint8_t *data)
{
    const struct ide_drive_state *state = drive->state;
    uint64_t total = ide_sectors(drive);
    uint64_t cylinders = total / (16 * 63), current = total / (state->heads * state->sectors);
    if (cylinders > 16383)
        cylinders = 16383;
    if (current > 65535)
        current = 65535;
    uint32_t capacity = (uint32_t)(current * state->heads * state->sectors);
    word(data, 1, (unsigned)cylinders);
    word(data, 3, 16);
    word(data, 6, 63);
    word(data, 54, (unsigned)current);
    word(data, 55, state->heads);
    word(data, 56, state->sectors);
    word(data, 57, capacity & 0xFFFF);
    word(data, 58, capacity >> 16);
    uint64_t lba28 = total < 0x0FFFFFFF ? total : 0x0FFFFFFF;
    word(data, 60, lba28 & 0xFFFF);
    word(data, 61, (unsigned)(lba28 >> 16));
    for (unsigned i = 0; i < 4; i++)
        word(data, 100 + i, (unsigned)(total >> 16 * i) & 0xFFFF);
}

static void disk(const struct ide_drive *drive, uint8_t *data)
{
    const struct ide_drive_state *state = drive->state;
    word(data, 0, 0x0040); /* fixed disk */
    disk_geometry(drive, data);
    word(data, 47, 0x8000 | MAX_MULTIPLE);
    word(data, 50, 0x4000);
    word(data, 51, 0x0200);
    word(data, 59, state->multiple ? 0x0100u | state->multiple : 0);
    word(data, 82, 0x7068); /* NOP, READ/WRITE BUFFER, look-ahead, write cache, power management */
    word(data, 83, 0x7400); /* FLUSH CACHE (EXT), 48-bit addresses */
    word(data, 84, 0x4000);
    word(data, 85, 0x7008 | (state->look_ahead ? 0x40 : 0) | (state->write_cache ? 0x20 : 0));
    word(data, 86, 0x3400);
    word(data, 87, 0x4000);
}

static void cdrom(uint8_t *data)
{
    word(data, 0, 0x85C0);  /* packet device, CD-ROM, removable, DRQ within 50 us, 12-byte packets */
    word(data, 82, 0x4210); /* NOP, DEVICE RESET, PACKET */
    word(data, 83, 0x4000);
    word(data, 84, 0x4000);
    word(data, 85, 0x4210);
    word(data, 87, 0x4000);
}

void ide_identify(struct ide_drive *drive)
{
    uint8_t *data = drive->state->buffer;
    memset(data, 0, SECTOR_SIZE);
    common(drive, data);
    if (drive->state->kind == IDE_DISK)
        disk(drive, data);
    else
        cdrom(data);
    /* Word 255: signature and a checksum that makes all bytes add up to zero. */
    uint8_t sum = 0;
    data[510] = 0xA5;
    for (unsigned i = 0; i < SECTOR_SIZE - 1; i++)
        sum = (uint8_t)(sum + data[i]);
    data[511] = (uint8_t)-sum;
}
