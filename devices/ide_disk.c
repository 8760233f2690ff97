/* ATA commands. T13/1410D ATA/ATAPI-6 clause 8; the list is ide_commands.def. A handler runs when the command
 * register is written; it checks everything that can be checked at once and starts a busy period. */
#include "devices/ide_priv.h"

#include <string.h>

enum command_arg { WRITE = 1, DMA = 2, MULTI = 4, WIDE = 8 };
enum command_for { DISK = 1, CDROM = 2 };
enum { SLEEPING = 2, COMMAND_WRITE_BUFFER = 0xE8, COMMAND_DEVICE_RESET = 0x08, COMMAND_DIAGNOSTIC = 0x90 };

/* Even a refusal takes its time: a host that sees BSY never set would conclude that no drive is there. */
static void fail_soon(struct ide_drive *drive, uint8_t error)
{
    drive->state->failing = error;
    ide_busy(drive, STEP_FAIL, COMMAND_US, 0, 1);
}

static void finish_soon(struct ide_drive *drive)
{
    ide_busy(drive, STEP_FINISH, COMMAND_US, 0, 1);
}

/* ---- Addresses ---- */

/* The address of a command in any of its three forms (6.2); UINT64_MAX for a CHS address that the current
 * translation does not have, so that every range check fails on it. */
static uint64_t get_address(const struct ide_drive_state *state, bool wide)
{
    uint64_t low = state->low.now | (uint64_t)state->mid.now << 8 | (uint64_t)state->high.now << 16;
    if (wide)
        return low | (uint64_t)state->low.before << 24 | (uint64_t)state->mid.before << 32 |
               (uint64_t)state->high.before << 40;
    if (state->device & DEVICE_LBA)
        return low | (uint64_t)(state->device & DEVICE_HEAD) << 24;
    uint64_t cylinder = state->mid.now | (unsigned)state->high.now << 8;
    unsigned head = state->device & DEVICE_HEAD, sector = state->low.now;
    if (head >= state->heads || sector == 0 || sector > state->sectors)
        return UINT64_MAX;
    return (cylinder * state->heads + head) * state->sectors + sector - 1;
}

/* Report an address in the form in which the command was given. */
static void set_address(struct ide_drive_state *state, uint64_t lba, bool wide)
{
    if (!wide && !(state->device & DEVICE_LBA)) {
        uint64_t track = lba / state->sectors;
        unsigned cylinder = (unsigned)(track / state->heads);
        state->low.now = (uint8_t)(lba % state->sectors + 1);
        state->mid.now = (uint8_t)cylinder;
        state->high.now = (uint8_t)(cylinder >> 8);
        state->device = (uint8_t)((state->device & ~DEVICE_HEAD) | (track % state->heads));
        return;
    }
    state->low.now = (uint8_t)lba;
    state->mid.now = (uint8_t)(lba >> 8);
    state->high.now = (uint8_t)(lba >> 16);
    if (wide) {
        state->low.before = (uint8_t)(lba >> 24);
        state->mid.before = (uint8_t)(lba >> 32);
        state->high.before = (uint8_t)(lba >> 40);
    } else {
        state->device = (uint8_t)((state->device & ~DEVICE_HEAD) | (lba >> 24 & DEVICE_HEAD));
    }
}

/* Zero stands for the largest count. */
static uint32_t get_count(const struct ide_drive_state *state, bool wide)
{
    uint32_t count = state->count.now | (wide ? (uint32_t)state->count.before << 8 : 0);
    return count != 0 ? count : wide ? 0x10000 : 0x100;
}

/* ---- Media access ---- */

/* How many sectors the next block has; 0 when it goes beyond the end of the medium, then the command has
 * failed at the first sector that does not exist. */
static uint32_t block_on_medium(struct ide_drive *drive)
{
    struct ide_drive_state *state = drive->state;
    uint32_t sectors = state->left < state->block ? state->left : state->block;
    if (state->lba + sectors <= ide_sectors(drive))
        return sectors;
    set_address(state, ide_sectors(drive), state->wide);
    ide_fail(drive, ERROR_IDNF);
    return 0;
}

/* The registers follow the transfer: after an error or at its end they name the last sector that was moved
 * and how many are left, as BIOSes of the time expect. */
static void moved(struct ide_drive_state *state, uint32_t sectors)
{
    state->lba += sectors;
    state->left -= sectors;
    set_address(state, state->lba - 1, state->wide);
    state->count.now = (uint8_t)state->left;
    state->count.before = (uint8_t)(state->left >> 8);
}

bool ide_disk_fill(struct ide_drive *drive)
{
    struct ide_drive_state *state = drive->state;
    uint32_t sectors = block_on_medium(drive);
    if (sectors == 0)
        return false;
    if (!drive->medium.ops->read(drive->medium.ctx, state->lba * SECTOR_SIZE, state->buffer,
                                 sectors * SECTOR_SIZE)) {
        set_address(state, state->lba, state->wide);
        ide_fail(drive, ERROR_UNC);
        return false;
    }
    moved(state, sectors);
    state->pos = 0;
    state->size = sectors * SECTOR_SIZE;
    return true;
}

/* Bad sectors show when the cache is written through, which is at once here: with write cache enabled a real
 * drive would report them to a later command. */
bool ide_disk_drain(struct ide_drive *drive)
{
    struct ide_drive_state *state = drive->state;
    uint32_t sectors;
    if (state->command == COMMAND_WRITE_BUFFER)
        return true;
    sectors = block_on_medium(drive);
    if (sectors == 0)
        return false;
    if (!drive->medium.ops->write(drive->medium.ctx, state->lba * SECTOR_SIZE, state->buffer,
                                  sectors * SECTOR_SIZE)) {
        set_address(state, state->lba, state->wide);
        ide_fail(drive, ERROR_ABRT);
        drive->state->status |= STATUS_DF;
        return false;
    }
    moved(state, sectors);
    return true;
}

void ide_disk_dma_size(struct ide_drive *drive)
{
    struct ide_drive_state *state = drive->state;
    state->pos = 0;
    state->size = (state->left < state->block ? state->left : state->block) * SECTOR_SIZE;
}

/* ---- Handlers ---- */

static void abort_command(struct ide_drive *drive, unsigned arg)
{
    (void)arg;
    fail_soon(drive, ERROR_ABRT);
}

/* All reads and writes (8.27 to 8.32, 8.62 to 8.70). PIO writes ask for their first block without an
 * interrupt, everything else begins with a media access. */
static void transfer(struct ide_drive *drive, unsigned arg)
{
    struct ide_drive_state *state = drive->state;
    bool wide = (arg & WIDE) != 0, dma = (arg & DMA) != 0;
    if (((arg & MULTI) && state->multiple == 0) || ((arg & WRITE) && drive->medium.read_only) ||
        (wide && !(state->device & DEVICE_LBA))) {
        fail_soon(drive, ERROR_ABRT);
        return;
    }
    state->wide = wide;
    state->writing = (arg & WRITE) != 0;
    state->lba = get_address(state, wide);
    state->left = get_count(state, wide);
    state->block = dma ? MAX_MULTIPLE : arg & MULTI ? state->multiple : 1;
    state->standby = 0;
    if (state->lba >= ide_sectors(drive)) {
        fail_soon(drive, ERROR_IDNF);
        return;
    }
    ide_disk_dma_size(drive);
    uint32_t first = state->size;
    if (dma) {
        state->size = 0;
        ide_busy(drive, STEP_DMA, DISK_ACCESS_US, (uint64_t)state->left * SECTOR_SIZE, DISK_BYTES_PER_SECOND);
    } else if (arg & WRITE) {
        ide_request(drive, PHASE_DATA_OUT, first, false);
    } else {
        ide_busy(drive, STEP_READ, DISK_ACCESS_US, first, DISK_BYTES_PER_SECOND);
    }
}

static void verify(struct ide_drive *drive, unsigned arg)
{
    struct ide_drive_state *state = drive->state;
    bool wide = (arg & WIDE) != 0;
    uint64_t lba = get_address(state, wide), total = ide_sectors(drive);
    uint32_t count = get_count(state, wide);
    if (lba >= total || count > total - lba) {
        if (lba < total)
            set_address(state, total, wide);
        fail_soon(drive, ERROR_IDNF);
        return;
    }
    set_address(state, lba + count - 1, wide);
    ide_busy(drive, STEP_FINISH, DISK_ACCESS_US, (uint64_t)count * SECTOR_SIZE, DISK_BYTES_PER_SECOND);
}

static void seek(struct ide_drive *drive, unsigned arg)
{
    (void)arg;
    if (get_address(drive->state, false) >= ide_sectors(drive))
        fail_soon(drive, ERROR_IDNF);
    else
        finish_soon(drive);
}

static void recalibrate(struct ide_drive *drive, unsigned arg)
{
    (void)arg;
    finish_soon(drive);
}

/* 8.29. There is no host protected area, so this is the size that IDENTIFY tells. */
static void native_max(struct ide_drive *drive, unsigned arg)
{
    bool wide = (arg & WIDE) != 0;
    uint64_t last = ide_sectors(drive) - 1, limit = ((uint64_t)1 << 28) - 1;
    if (!(drive->state->device & DEVICE_LBA)) {
        fail_soon(drive, ERROR_ABRT);
        return;
    }
    set_address(drive->state, !wide && last > limit ? limit : last, wide);
    finish_soon(drive);
}

/* Also ends whatever either drive is doing; device 0 reports for both. */
static void diagnostic(struct ide_drive *drive, unsigned arg)
{
    struct ide_channel *channel = drive->channel;
    (void)arg;
    channel->state->selected = 0;
    for (unsigned i = 0; i < IDE_UNITS; i++) {
        if (channel->state->drives[i].kind == IDE_NONE)
            continue;
        ide_stop(&channel->drives[i]);
        channel->state->drives[i].device = 0;
        ide_signature(&channel->drives[i]);
    }
    if (channel->state->drives[0].kind != IDE_NONE)
        ide_interrupt(&channel->drives[0]);
}

static void device_reset(struct ide_drive *drive, unsigned arg)
{
    (void)arg;
    ide_stop(drive);
    drive->state->standby = 0;
    ide_signature(drive);
    ide_update_irq(drive->channel);
}

/* 8.16 of ATA-5: the CHS translation the host wants. Heads and sectors are checked where they are used. */
static void device_parameters(struct ide_drive *drive, unsigned arg)
{
    struct ide_drive_state *state = drive->state;
    (void)arg;
    if (state->count.now == 0) {
        fail_soon(drive, ERROR_ABRT);
        return;
    }
    state->sectors = state->count.now;
    state->heads = (uint8_t)((state->device & DEVICE_HEAD) + 1);
    finish_soon(drive);
}

static void packet(struct ide_drive *drive, unsigned arg)
{
    (void)arg;
    atapi_packet(drive);
}

static void identify(struct ide_drive *drive, unsigned arg)
{
    struct ide_drive_state *state = drive->state;
    (void)arg;
    ide_identify(drive);
    state->left = 0;
    state->pos = 0;
    state->size = SECTOR_SIZE;
    ide_busy(drive, STEP_SEND, COMMAND_US, 0, 1);
}

/* A bad block size also takes away the one that was set (8.49). */
static void set_multiple(struct ide_drive *drive, unsigned arg)
{
    uint8_t sectors = drive->state->count.now;
    (void)arg;
    if (sectors > MAX_MULTIPLE || (sectors & (sectors - 1))) {
        drive->state->multiple = 0;
        fail_soon(drive, ERROR_ABRT);
        return;
    }
    drive->state->multiple = sectors;
    finish_soon(drive);
}

/* STANDBY and IDLE stop and start the spindle, which costs no time in this model; SLEEP is left only by a
 * reset. */
static void power(struct ide_drive *drive, unsigned arg)
{
    drive->state->standby = (uint8_t)arg;
    finish_soon(drive);
}

static void check_power(struct ide_drive *drive, unsigned arg)
{
    (void)arg;
    drive->state->count.now = drive->state->standby ? 0x00 : 0xFF;
    finish_soon(drive);
}

static void read_buffer(struct ide_drive *drive, unsigned arg)
{
    (void)arg;
    drive->state->left = 0;
    drive->state->size = SECTOR_SIZE;
    ide_busy(drive, STEP_SEND, COMMAND_US, 0, 1);
}

static void write_buffer(struct ide_drive *drive, unsigned arg)
{
    (void)arg;
    drive->state->left = 0;
    ide_request(drive, PHASE_DATA_OUT, SECTOR_SIZE, false);
}

/* The image is written through to the host's cache at once; a flush goes down to the host's disk. */
static void flush(struct ide_drive *drive, unsigned arg)
{
    (void)arg;
    if (drive->medium.ops != NULL && !drive->medium.ops->flush(drive->medium.ctx))
        fail_soon(drive, ERROR_ABRT);
    else
        ide_busy(drive, STEP_FINISH, DISK_ACCESS_US, 0, 1);
}

/* SET FEATURES 03h: transfer mode in the sector count register (8.46.11). */
static bool set_transfer_mode(struct ide_drive_state *state)
{
    unsigned mode = state->count.now & 7;
    switch (state->count.now >> 3) {
    case 0: /* PIO default, with or without IORDY */ state->pio_mode = 0; return mode <= 1;
    case 1: state->pio_mode = (uint8_t)mode; return mode <= MAX_PIO;
    case 4:
        if (mode > MAX_MWDMA)
            return false;
        state->mwdma_mode = (uint8_t)mode;
        state->udma_mode = 0xFF;
        return true;
    case 8:
        if (mode > MAX_UDMA)
            return false;
        state->udma_mode = (uint8_t)mode;
        state->mwdma_mode = 0xFF;
        return true;
    default: return false;
    }
}

static void set_features(struct ide_drive *drive, unsigned arg)
{
    struct ide_drive_state *state = drive->state;
    bool good = true;
    (void)arg;
    switch (state->features.now) {
    case 0x02: state->write_cache = 1; break;
    case 0x82: state->write_cache = 0; break;
    case 0x03: good = set_transfer_mode(state); break;
    case 0x55: state->look_ahead = 0; break;
    case 0xAA: state->look_ahead = 1; break;
    case 0x66: /* power-on defaults: kept over, or restored after, a software reset: no difference here */
    case 0xCC: break;
    default: good = false;
    }
    if (good)
        finish_soon(drive);
    else
        fail_soon(drive, ERROR_ABRT);
}

/* ---- Dispatch ---- */

struct command {
    void (*run)(struct ide_drive *drive, unsigned arg);
    uint8_t arg, valid_for;
};

static const struct command commands[256] = {
    [0x10 ... 0x1F] = {recalibrate, 0, DISK},
#define COMMAND(opcode, handler, arg, valid_for, name) [opcode] = {handler, arg, valid_for},
#include "devices/ide_commands.def"
#undef COMMAND
    [0x71 ... 0x7F] = {seek, 0, DISK},
};

/* Would the drive look at a command now? A busy drive takes only a reset; a sleeping one as well. */
static bool listens(const struct ide_drive *drive, uint8_t command)
{
    const struct ide_channel_state *channel = drive->channel->state;
    if (drive->state->kind == IDE_NONE || (channel->control & CONTROL_SRST) || channel->resetting)
        return false;
    if (command == COMMAND_DEVICE_RESET && drive->state->kind == IDE_CDROM)
        return true;
    if (drive->state->standby == SLEEPING)
        return false;
    for (unsigned i = 0; i < IDE_UNITS; i++)
        if (channel->drives[i].phase != PHASE_IDLE)
            return false;
    return true;
}

void ide_command(struct ide_drive *drive, uint8_t command)
{
    struct ide_drive_state *state = drive->state;
    const struct command *entry = &commands[command];
    /* Diagnostic is executed by both devices, whichever is selected. */
    if (command == COMMAND_DIAGNOSTIC && state->kind == IDE_NONE)
        drive = &drive->channel->drives[drive == &drive->channel->drives[0]], state = drive->state;
    if (!listens(drive, command)) {
        if (state->kind != IDE_NONE)
            log_line(ide_log(drive), LOG_GUEST_ERROR, "ide: command %#x to a busy drive", command);
        return;
    }
    drive->channel->state->control &= (uint8_t)~CONTROL_HOB;
    state->intrq = 0;
    ide_update_irq(drive->channel);
    state->command = command;
    state->error = 0;
    if (entry->run != NULL && (entry->valid_for & (state->kind == IDE_CDROM ? CDROM : DISK))) {
        entry->run(drive, entry->arg);
        return;
    }
    /* A packet device answers the disk's IDENTIFY and READ with its signature, so that a host sees what it
     * is. */
    if (state->kind == IDE_CDROM && (command == 0xEC || command == 0x20))
        ide_signature(drive);
    fail_soon(drive, ERROR_ABRT);
}
