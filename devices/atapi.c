/* The PACKET protocol of an ATAPI CD-ROM drive. ATA/ATAPI-6 sections 8.23 and 9.8; MMC-2 for sense data.
 *
 * One command: the host writes PACKET, sends twelve bytes, and gets data in requests no longer than its byte
 * count limit, or by DMA, and then status. The interrupt reason register tells which of these it is. */
#include "devices/ide_priv.h"

#include <string.h>

enum { FEATURE_DMA = 1, FEATURE_OVERLAP = 2 };
enum { NONE, MEDIUM, QUIET };

/* An open tray hides the medium: MMC calls both "medium not present". */
bool atapi_has_medium(const struct ide_drive *drive)
{
    return drive->medium.ops != NULL && !drive->state->tray_open;
}

uint32_t atapi_blocks(const struct ide_drive *drive)
{
    uint64_t blocks = atapi_has_medium(drive) ? drive->medium.size / CD_SECTOR_SIZE : 0;
    return blocks > INT32_MAX ? INT32_MAX : (uint32_t)blocks;
}

void atapi_reset(struct ide_drive *drive)
{
    drive->state->locked = 0;
    drive->state->sense = (struct atapi_sense){0};
}

/* ---- Status ---- */

/* The status phase: reason I/O and C/D both set, one interrupt. */
static void end(struct ide_drive *drive, uint8_t status, uint8_t error)
{
    struct ide_drive_state *state = drive->state;
    state->phase = PHASE_IDLE;
    state->pos = state->size = state->loaded = 0;
    state->left = 0;
    state->status = status;
    state->error = error;
    state->count.now = REASON_IO | REASON_CD;
    ide_interrupt(drive);
}

void atapi_good(struct ide_drive *drive)
{
    end(drive, STATUS_READY, 0);
}

void atapi_check(struct ide_drive *drive, uint8_t key, uint8_t code, uint8_t qualifier)
{
    drive->state->sense = (struct atapi_sense){key, code, qualifier};
    end(drive, STATUS_READY | STATUS_ERR, (uint8_t)(key << 4 | (key == SENSE_ILLEGAL ? ERROR_ABRT : 0)));
}

/* ---- Command phase ---- */

/* The limit is even: an odd one would split a word over two requests (ATA/ATAPI-6 8.23, byte count). */
void atapi_packet(struct ide_drive *drive)
{
    struct ide_drive_state *state = drive->state;
    if (state->features.now & FEATURE_OVERLAP) {
        ide_fail(drive, ERROR_ABRT);
        return;
    }
    state->packet_dma = state->features.now & FEATURE_DMA;
    state->limit = (uint16_t)(state->mid.now | state->high.now << 8) & 0xFFFE;
    if (state->limit == 0)
        state->limit = 0xFFFE;
    state->writing = 0;
    state->left = state->loaded = 0;
    state->packet_pending = 1;
    state->count.now = REASON_CD;
    ide_request(drive, PHASE_DATA_OUT, CDB_SIZE, false);
}

struct packet_command {
    atapi_handler *run;
    uint8_t needs;
};

static const struct packet_command packet_commands[256] = {
#define PACKET_COMMAND(opcode, handler, needs, name) [opcode] = {atapi_##handler, needs},
#include "devices/atapi_commands.def"
#undef PACKET_COMMAND
};

/* The order of checks is SPC-2's: command known, unit attention, readiness, then the command's own fields. */
void atapi_execute(struct ide_drive *drive)
{
    struct ide_drive_state *state = drive->state;
    const struct packet_command *command = &packet_commands[state->cdb[0]];
    if (command->run == NULL) {
        atapi_check(drive, SENSE_ILLEGAL, 0x20, 0x00);
        return;
    }
    if (state->attention && command->needs != QUIET) {
        state->attention = 0;
        atapi_check(drive, SENSE_ATTENTION, 0x28, 0x00); /* medium may have changed */
        return;
    }
    if (command->needs == MEDIUM && !atapi_has_medium(drive)) {
        atapi_check(drive, SENSE_NOT_READY, 0x3A, 0x00);
        return;
    }
    if (command->run != atapi_request_sense)
        state->sense = (struct atapi_sense){0};
    command->run(drive, state->cdb);
}

/* ---- Data phase ---- */

void atapi_next_chunk(struct ide_drive *drive)
{
    struct ide_drive_state *state = drive->state;
    if (state->pos >= state->loaded) {
        if (state->left == 0) {
            atapi_good(drive);
            return;
        }
        if (!atapi_fill(drive))
            return;
    }
    uint32_t bytes = state->loaded - state->pos;
    if (bytes > state->limit)
        bytes = state->limit;
    state->size = state->pos + bytes;
    state->mid.now = (uint8_t)bytes;
    state->high.now = (uint8_t)(bytes >> 8);
    state->count.now = REASON_IO;
    state->phase = PHASE_DATA_IN;
    state->status = STATUS_READY | STATUS_DRQ;
    ide_interrupt(drive);
}

static uint32_t sectors_per_fill(const struct ide_drive_state *state)
{
    uint32_t fit = BUFFER_SIZE / state->cd_sector;
    return state->left < fit ? state->left : fit;
}

/* Only a request that has to come from the medium takes the medium's time. */
void atapi_sent(struct ide_drive *drive)
{
    const struct ide_drive_state *state = drive->state;
    bool from_medium = state->pos >= state->loaded && state->left != 0;
    uint32_t bytes = from_medium ? sectors_per_fill(state) * state->cd_sector : 0;
    ide_busy(drive, STEP_READ, from_medium ? 0 : COMMAND_US, bytes, CD_BYTES_PER_SECOND);
}

/* A reply shorter than asked for is no error, longer ones are cut (SPC-2 4.2.5, allocation length). */
void atapi_reply(struct ide_drive *drive, uint32_t size, uint32_t wanted)
{
    struct ide_drive_state *state = drive->state;
    state->pos = 0;
    state->loaded = size < wanted ? size : wanted;
    state->left = 0;
    if (state->loaded == 0) {
        atapi_good(drive);
    } else if (state->packet_dma) {
        state->size = state->loaded;
        ide_busy(drive, STEP_DMA, COMMAND_US, 0, 1);
    } else {
        atapi_next_chunk(drive);
    }
}

void atapi_start_read(struct ide_drive *drive, uint32_t lba, uint32_t count, uint16_t sector, uint8_t fields)
{
    struct ide_drive_state *state = drive->state;
    uint32_t blocks = atapi_blocks(drive);
    if (lba > blocks || count > blocks - lba) {
        atapi_check(drive, SENSE_ILLEGAL, 0x21, 0x00); /* logical block address out of range */
        return;
    }
    if (count == 0) {
        atapi_good(drive);
        return;
    }
    state->lba = lba;
    state->left = count;
    state->cd_sector = sector;
    state->cd_fields = fields;
    state->pos = state->size = state->loaded = 0;
    uint64_t bytes = (uint64_t)(state->packet_dma ? count : sectors_per_fill(state)) * sector;
    ide_busy(drive, state->packet_dma ? STEP_DMA : STEP_READ, CD_ACCESS_US, bytes, CD_BYTES_PER_SECOND);
}

/* Address on the disc in minutes, seconds and frames, in BCD: 75 frames a second, two seconds of lead-in. */
static void put_msf_bcd(uint8_t *at, uint32_t lba)
{
    uint32_t frames = lba + 150;
    const uint32_t parts[3] = {frames / (75 * 60) % 100, frames / 75 % 60, frames % 75};
    for (unsigned i = 0; i < 3; i++)
        at[i] = (uint8_t)(parts[i] / 10 << 4 | parts[i] % 10);
}

/* One sector with the parts READ CD asked for. An image has only user data: sync and header are made up as
 * on a mode 1 disc, EDC and ECC are zero. */
static bool fill_sector(struct ide_drive *drive, uint8_t *to)
{
    struct ide_drive_state *state = drive->state;
    uint8_t *at = to;
    memset(to, 0, state->cd_sector);
    if (state->cd_fields & 0x80) {
        memset(at + 1, 0xFF, 10);
        at += 12;
    }
    if (state->cd_fields & 0x20) {
        put_msf_bcd(at, (uint32_t)state->lba);
        at[3] = 1; /* mode */
        at += 4;
    }
    if (!(state->cd_fields & 0x10))
        return true;
    return drive->medium.ops->read(drive->medium.ctx, state->lba * CD_SECTOR_SIZE, at, CD_SECTOR_SIZE);
}

bool atapi_fill(struct ide_drive *drive)
{
    struct ide_drive_state *state = drive->state;
    uint32_t sectors = sectors_per_fill(state);
    if (state->lba + sectors > atapi_blocks(drive)) { /* the medium was changed under a running command */
        atapi_check(drive, SENSE_NOT_READY, 0x3A, 0x00);
        return false;
    }
    for (uint32_t i = 0; i < sectors; i++) {
        if (!fill_sector(drive, state->buffer + i * state->cd_sector)) {
            atapi_check(drive, SENSE_MEDIUM_ERROR, 0x11, 0x00); /* unrecovered read error */
            return false;
        }
        state->lba++;
    }
    state->left -= sectors;
    state->pos = 0;
    state->loaded = state->size = sectors * state->cd_sector;
    return true;
}
