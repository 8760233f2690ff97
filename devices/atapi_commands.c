/* Packet commands that read, and those that handle unit and medium. SPC-2 clause 7, MMC-2 clause 6. */
#include "devices/ide_priv.h"

#include <string.h>

enum {
    READ_CD_SYNC = 0x80,
    READ_CD_HEADER = 0x20,
    READ_CD_SUBHEADER = 0x40,
    READ_CD_USER = 0x10,
    READ_CD_ECC = 0x08
};

void atapi_test_unit_ready(struct ide_drive *drive, const uint8_t *cdb)
{
    (void)cdb;
    atapi_good(drive);
}

/* Gives the sense of the last failure once. A pending unit attention is reported, and cleared, here too. */
void atapi_request_sense(struct ide_drive *drive, const uint8_t *cdb)
{
    struct ide_drive_state *state = drive->state;
    struct atapi_sense sense = state->sense;
    if (sense.key == SENSE_NONE && state->attention) {
        sense = (struct atapi_sense){SENSE_ATTENTION, 0x28, 0x00};
        state->attention = 0;
    }
    memset(state->buffer, 0, 18);
    state->buffer[0] = 0x70; /* current error, fixed format */
    state->buffer[2] = sense.key;
    state->buffer[7] = 10; /* additional length */
    state->buffer[12] = sense.code;
    state->buffer[13] = sense.qualifier;
    state->sense = (struct atapi_sense){0};
    atapi_reply(drive, 18, cdb[4]);
}

static void padded(uint8_t *to, const char *text, size_t size)
{
    size_t length = strlen(text);
    for (size_t i = 0; i < size; i++)
        to[i] = i < length ? (uint8_t)text[i] : ' ';
}

/* ATAPI drives say version 0 and response format 1 with ATAPI version 2 (SFF-8020i); hosts look at the type.
 */
void atapi_inquiry(struct ide_drive *drive, const uint8_t *cdb)
{
    uint8_t *reply = drive->state->buffer;
    if ((cdb[1] & 3) || cdb[2]) { /* vital product data pages are optional for this command set */
        atapi_check(drive, SENSE_ILLEGAL, 0x24, 0x00);
        return;
    }
    memset(reply, 0, 36);
    reply[0] = 0x05; /* CD-ROM */
    reply[1] = 0x80; /* removable medium */
    reply[3] = 0x21; /* ATAPI, response format 1 */
    reply[4] = 31;
    padded(reply + 8, "CRSPAGE", 8);
    padded(reply + 16, drive->model, 16);
    padded(reply + 32, "1.0", 4);
    atapi_reply(drive, 36, cdb[4]);
}

/* LoEj moves the tray, a locked one only inwards. After loading, the disc may be another one: attention. */
void atapi_start_stop_unit(struct ide_drive *drive, const uint8_t *cdb)
{
    struct ide_drive_state *state = drive->state;
    bool start = cdb[4] & 1, tray = cdb[4] & 2;
    if (tray && state->locked && !start) {
        atapi_check(drive, SENSE_ILLEGAL, 0x53, 0x02); /* medium removal prevented */
        return;
    }
    if (tray && state->tray_open == start) {
        state->tray_open = !start;
        state->event_pending = 1;
        state->attention = atapi_has_medium(drive);
    }
    atapi_good(drive);
}

void atapi_prevent_allow(struct ide_drive *drive, const uint8_t *cdb)
{
    drive->state->locked = cdb[4] & 1;
    atapi_good(drive);
}

/* The address of the last block, not their number. */
void atapi_read_capacity(struct ide_drive *drive, const uint8_t *cdb)
{
    (void)cdb;
    put_be32(drive->state->buffer, atapi_blocks(drive) - 1);
    put_be32(drive->state->buffer + 4, CD_SECTOR_SIZE);
    atapi_reply(drive, 8, 8);
}

void atapi_read_10(struct ide_drive *drive, const uint8_t *cdb)
{
    atapi_start_read(drive, get_be32(cdb + 2), get_be16(cdb + 7), CD_SECTOR_SIZE, READ_CD_USER);
}

void atapi_read_12(struct ide_drive *drive, const uint8_t *cdb)
{
    atapi_start_read(drive, get_be32(cdb + 2), get_be32(cdb + 6), CD_SECTOR_SIZE, READ_CD_USER);
}

/* Byte 9 selects parts of a sector; what is not on a mode 1 sector (sub-header) adds nothing. */
void atapi_read_cd(struct ide_drive *drive, const uint8_t *cdb)
{
    uint8_t fields = cdb[9] & 0xF8;
    unsigned type = cdb[1] >> 2 & 7, size = 0;
    uint32_t count = (uint32_t)cdb[6] << 16 | get_be16(cdb + 7);
    /* Only mode 1 sectors; no C2 error bits, no sub-channel data. */
    if ((type != 0 && type != 2) || (cdb[9] & 6) || cdb[10]) {
        atapi_check(drive, SENSE_ILLEGAL, 0x24, 0x00);
        return;
    }
    size += fields & READ_CD_SYNC ? 12 : 0;
    size += fields & READ_CD_HEADER ? 4 : 0;
    size += fields & READ_CD_USER ? 2048 : 0;
    size += fields & READ_CD_ECC ? 288 : 0;
    if (size == 0)
        atapi_good(drive);
    else
        atapi_start_read(drive, get_be32(cdb + 2), count, (uint16_t)size, fields);
}

void atapi_seek_10(struct ide_drive *drive, const uint8_t *cdb)
{
    if (get_be32(cdb + 2) >= atapi_blocks(drive))
        atapi_check(drive, SENSE_ILLEGAL, 0x21, 0x00);
    else
        atapi_good(drive);
}

void atapi_set_cd_speed(struct ide_drive *drive, const uint8_t *cdb)
{
    (void)cdb; /* the model has one speed */
    atapi_good(drive);
}
