/* PIIX3 IDE: what the ide*.c and atapi*.c files share. Names are those of ATA/ATAPI-6 (T13/1410D). */
#ifndef CROSSPAGE_DEVICES_IDE_PRIV_H
#define CROSSPAGE_DEVICES_IDE_PRIV_H

#include "base/bytes.h"
#include "devices/ide.h"

enum ide_status {
    STATUS_BSY = 0x80,
    STATUS_DRDY = 0x40,
    STATUS_DF = 0x20,
    STATUS_DSC = 0x10,
    STATUS_DRQ = 0x08,
    STATUS_ERR = 0x01, /* CHK for packet devices */
    STATUS_READY = STATUS_DRDY | STATUS_DSC,
};

enum ide_error { ERROR_UNC = 0x40, ERROR_IDNF = 0x10, ERROR_ABRT = 0x04 };

enum { COMMAND_PACKET = 0xA0 };

enum ide_device_bit { DEVICE_LBA = 0x40, DEVICE_DEV = 0x10, DEVICE_HEAD = 0x0F };

enum ide_control_bit { CONTROL_HOB = 0x80, CONTROL_SRST = 0x04, CONTROL_NIEN = 0x02 };

/* Interrupt reason of packet devices, in the sector count register. */
enum { REASON_CD = 1, REASON_IO = 2 };

enum {
    SECTOR_SIZE = 512,
    CD_SECTOR_SIZE = 2048,
    CD_RAW_SIZE = 2352,
    MAX_MULTIPLE = 16,
    BUFFER_SIZE = MAX_MULTIPLE * SECTOR_SIZE,
    CDB_SIZE = 12,
    MAX_MWDMA = 2,
    MAX_UDMA = 2,
    MAX_PIO = 4,
};

/* Simulated time. A drive of 1999 with its cache: constants instead of a mechanical model, so that a run does
 * not depend on where an image puts its files. */
enum {
    COMMAND_US = 10,      /* a command without media access */
    DISK_ACCESS_US = 200, /* media access before the first sector */
    DISK_BYTES_PER_SECOND = 20 * 1000 * 1000,
    CD_ACCESS_US = 1000,
    CD_BYTES_PER_SECOND = 5 * 1000 * 1000, /* about 32x */
    RESET_US = 500,                        /* from the end of SRST to ready */
};

/* A drive between two commands and inside one:
 *
 *   IDLE --command--> BUSY --event--> DATA_IN  --buffer read----> BUSY or IDLE
 *                          --event--> DATA_OUT --buffer filled--> BUSY or IDLE
 *                          --event--> DMA      --engine done----> IDLE
 *                          --event--> IDLE
 * BSY is set exactly in BUSY (and while SRST is held), DRQ exactly in DATA_IN, DATA_OUT and DMA. */
enum ide_phase { PHASE_IDLE, PHASE_BUSY, PHASE_DATA_IN, PHASE_DATA_OUT, PHASE_DMA };

/* What happens when a BUSY period ends. */
enum ide_step {
    STEP_NONE,
    STEP_FINISH, /* end the command with success */
    STEP_FAIL,   /* end it with `failing` in the error register */
    STEP_SEND,   /* the buffer is loaded: let the host read it */
    STEP_READ,   /* fetch the next block, let the host read it */
    STEP_WRITE,  /* store the block the host has written */
    STEP_DMA,    /* be ready for the bus master */
    STEP_PACKET, /* execute the command packet */
    STEP_COUNT
};

struct ide_register {
    uint8_t now, before; /* two deep: 48-bit commands take both */
};

/* Sense data of a packet device. */
struct atapi_sense {
    uint8_t key, code, qualifier;
};

/* All a guest can observe of one drive. */
struct ide_drive_state {
    uint8_t kind; /* enum ide_kind */
    struct ide_register features, count, low, mid, high;
    uint8_t device, status, error;
    uint8_t intrq;
    uint8_t phase, step, failing;
    uint8_t command;
    /* Settings */
    uint8_t multiple;                        /* sectors per block, 0 = not set */
    uint8_t pio_mode, mwdma_mode, udma_mode; /* 0xFF = not this kind */
    uint8_t write_cache, look_ahead, standby;
    uint8_t heads, sectors; /* current CHS translation */
    /* The transfer in progress */
    uint8_t wide;    /* a 48-bit command */
    uint8_t writing; /* from host to drive */
    uint64_t lba;
    uint32_t left;      /* sectors not yet moved between medium and buffer */
    uint32_t block;     /* sectors per data request */
    uint32_t pos, size; /* in the buffer: next byte, end of the current data request */
    uint32_t loaded;    /* packet devices: valid bytes in the buffer, of which a request may cover a part */
    /* Packet devices */
    uint8_t cdb[CDB_SIZE];
    uint8_t packet_dma;
    uint8_t packet_pending; /* DATA_OUT takes a command packet */
    uint8_t tray_open, locked, attention, event_pending;
    uint16_t limit;     /* byte count limit of the host */
    uint16_t cd_sector; /* bytes per sector of the read in progress */
    uint8_t cd_fields;  /* READ CD: parts of the sector wanted */
    struct atapi_sense sense;
    uint8_t buffer[BUFFER_SIZE];
};

/* Bus master registers of one channel and its place in the descriptor table. */
struct ide_master_state {
    uint8_t command, status;
    uint32_t table;
    uint32_t next; /* address of the next descriptor */
    uint32_t at;   /* memory address and bytes left of the current one */
    uint32_t left;
    uint8_t last; /* the current descriptor is the table's end */
};

struct ide_channel_state {
    uint8_t selected, control, line; /* line: level of INTRQ at the controller */
    uint8_t resetting;               /* SRST has ended, drives come back at `due` */
    uint8_t active;                  /* the drive the event belongs to */
    tick_t due;
    struct ide_master_state master;
    struct ide_drive_state drives[IDE_UNITS];
};

struct ide_state {
    struct pci_config pci;
    struct ide_channel_state channels[IDE_CHANNELS];
};

struct ide_channel;

struct ide_drive {
    struct ide_channel *channel;
    struct ide_drive_state *state;
    struct block_backend medium; /* ops NULL: none */
    char model[41], serial[21];
};

struct ide_channel {
    struct ide *ide;
    unsigned index;
    struct ide_channel_state *state;
    struct irq_wire irq;
    struct event event;
    struct ide_drive drives[IDE_UNITS];
};

struct ide {
    struct device device;
    struct pci_function pci;
    struct ide_channel channels[IDE_CHANNELS];
    struct ide_state state;
};

static inline struct log *ide_log(const struct ide_drive *drive)
{
    return drive->channel->ide->device.env->log;
}

static inline uint64_t ide_sectors(const struct ide_drive *drive)
{
    return drive->medium.ops == NULL ? 0 : drive->medium.size / SECTOR_SIZE;
}

/* ide.c */
void ide_assert(const struct ide_channel *channel); /* the invariants of ide.c, wherever control leaves it */
void ide_update_irq(struct ide_channel *channel);

/* ide_drive.c: the protocol, the same for both kinds of drive */
void ide_drive_power_on(struct ide_drive *drive);
void ide_signature(struct ide_drive *drive); /* what registers hold after any reset or diagnostic */
void ide_stop(struct ide_drive *drive);      /* forget the command in progress */
void ide_busy(struct ide_drive *drive, enum ide_step step, uint64_t us, uint64_t bytes,
              uint64_t bytes_per_second);
void ide_finish(struct ide_drive *drive);
void ide_fail(struct ide_drive *drive, uint8_t error);
void ide_request(struct ide_drive *drive, enum ide_phase phase, uint32_t size, bool interrupt);
void ide_interrupt(struct ide_drive *drive);
void ide_step_due(struct event *event, tick_t late);
uint16_t ide_data_read(struct ide_drive *drive);
void ide_data_write(struct ide_drive *drive, uint16_t value);

/* ide_disk.c: ATA commands. */
void ide_command(struct ide_drive *drive, uint8_t command);
bool ide_disk_fill(
    struct ide_drive *drive); /* next block of a read into the buffer; false: the command failed */
bool ide_disk_drain(struct ide_drive *drive);    /* buffer to the medium */
void ide_disk_dma_size(struct ide_drive *drive); /* set `size` for the next block of a DMA write */

/* ide_identify.c */
void ide_identify(struct ide_drive *drive);

/* ide_master.c */
uint64_t ide_master_read(struct device *device, uint32_t offset, unsigned size);
void ide_master_write(struct device *device, uint32_t offset, unsigned size, uint64_t value);
void ide_master_reset(struct ide_channel *channel);
void ide_master_run(struct ide_channel *channel); /* move data if engine and drive are both ready */

/* atapi.c */
void atapi_packet(struct ide_drive *drive); /* the PACKET command was written */
void atapi_execute(struct ide_drive *drive);
bool atapi_fill(struct ide_drive *drive);
void atapi_reset(struct ide_drive *drive);
void atapi_good(struct ide_drive *drive);
void atapi_check(struct ide_drive *drive, uint8_t key, uint8_t code, uint8_t qualifier);
/* Answer with `size` bytes in the buffer, no more than the host asked for. */
void atapi_reply(struct ide_drive *drive, uint32_t size, uint32_t wanted);
void atapi_start_read(struct ide_drive *drive, uint32_t lba, uint32_t count, uint16_t sector, uint8_t fields);
uint32_t atapi_blocks(const struct ide_drive *drive);
bool atapi_has_medium(const struct ide_drive *drive);
void atapi_next_chunk(struct ide_drive *drive); /* PIO: ask the host to read what it has not read yet */
void atapi_sent(struct ide_drive *drive);       /* PIO: the host has read what it was asked to read */

enum atapi_key {
    SENSE_NONE = 0,
    SENSE_NOT_READY = 2,
    SENSE_MEDIUM_ERROR = 3,
    SENSE_ILLEGAL = 5,
    SENSE_ATTENTION = 6
};

/* atapi_commands.c and atapi_info.c: handlers named in atapi_commands.def. */
typedef void atapi_handler(struct ide_drive *drive, const uint8_t *cdb);
#define PACKET_COMMAND(opcode, handler, needs, name) atapi_handler atapi_##handler;
#include "devices/atapi_commands.def"
#undef PACKET_COMMAND

#endif
