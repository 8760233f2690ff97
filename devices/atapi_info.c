/* Packet commands that describe drive and disc. MMC-2 clause 6, MMC-3 features, SFF-8020i mode pages.
 * A disc is one session with one data track that begins at address 0. */
#include "devices/ide_priv.h"

#include <string.h>

enum {
    CONTROL_DATA_TRACK = 0x14, /* ADR 1, data, digital copy prohibited */
    LEAD_OUT = 0xAA,
    PROFILE_CD_ROM = 0x0008,
};

static void invalid_field(struct ide_drive *drive)
{
    atapi_check(drive, SENSE_ILLEGAL, 0x24, 0x00);
}

static void put_address(uint8_t *at, uint32_t lba, bool msf)
{
    if (msf) {
        uint32_t frames = lba + 150;
        at[0] = 0;
        at[1] = (uint8_t)(frames / (75 * 60));
        at[2] = (uint8_t)(frames / 75 % 60);
        at[3] = (uint8_t)(frames % 75);
    } else {
        put_be32(at, lba);
    }
}

/* ---- Table of contents ---- */

/* Format 0: the tracks from `first` on, then the lead-out, which is where the disc ends. */
static uint32_t toc_tracks(struct ide_drive *drive, uint8_t first, bool msf)
{
    uint8_t *reply = drive->state->buffer;
    uint32_t at = 4;
    if (first <= 1) {
        reply[at + 1] = CONTROL_DATA_TRACK;
        reply[at + 2] = 1;
        put_address(reply + at + 4, 0, msf);
        at += 8;
    }
    reply[at + 1] = CONTROL_DATA_TRACK;
    reply[at + 2] = LEAD_OUT;
    put_address(reply + at + 4, atapi_blocks(drive), msf);
    return at + 8;
}

/* Format 1: hosts take from it where the last session, and so the file system, begins. */
static uint32_t toc_session(struct ide_drive *drive, bool msf)
{
    uint8_t *reply = drive->state->buffer;
    reply[5] = CONTROL_DATA_TRACK;
    reply[6] = 1; /* first track of the last session */
    put_address(reply + 8, 0, msf);
    return 12;
}

/* Full TOC as in the Q sub-channel of the lead-in: points A0h, A1h, A2h and track 1. */
static uint32_t toc_raw(struct ide_drive *drive)
{
    static const uint8_t points[4] = {0xA0, 0xA1, 0xA2, 1};
    uint8_t *reply = drive->state->buffer;
    for (unsigned i = 0; i < 4; i++) {
        uint8_t *entry = reply + 4 + 11 * i;
        entry[0] = 1; /* session */
        entry[1] = CONTROL_DATA_TRACK;
        entry[3] = points[i];
        if (points[i] == 0xA2 || points[i] == 1) {
            uint8_t address[4];
            put_address(address, points[i] == 1 ? 0 : atapi_blocks(drive), true);
            memcpy(entry + 8, address + 1, 3);
        } else {
            entry[8] = 1; /* first and last track */
        }
    }
    return 4 + 11 * 4;
}

void atapi_read_toc(struct ide_drive *drive, const uint8_t *cdb)
{
    uint8_t *reply = drive->state->buffer;
    bool msf = cdb[1] & 2;
    unsigned format = cdb[2] & 15;
    uint32_t size;
    if (format == 0)
        format = cdb[9] >> 6; /* where SFF-8020i had it */
    memset(reply, 0, 64);
    reply[2] = reply[3] = 1;
    if (format == 0 && (cdb[6] <= 1 || cdb[6] == LEAD_OUT)) {
        size = toc_tracks(drive, cdb[6], msf);
    } else if (format == 1) {
        size = toc_session(drive, msf);
    } else if (format == 2) {
        size = toc_raw(drive);
    } else {
        invalid_field(drive);
        return;
    }
    put_be16(reply, size - 2);
    atapi_reply(drive, size, get_be16(cdb + 7));
}

void atapi_read_disc_information(struct ide_drive *drive, const uint8_t *cdb)
{
    uint8_t *reply = drive->state->buffer;
    memset(reply, 0, 34);
    put_be16(reply, 32);
    reply[2] = 0x0E; /* complete disc, last session complete */
    reply[3] = reply[4] = reply[5] = reply[6] = 1;
    reply[7] = 0x20;             /* unrestricted use */
    memset(reply + 16, 0xFF, 8); /* no further session can be added */
    atapi_reply(drive, 34, get_be16(cdb + 7));
}

void atapi_read_track_information(struct ide_drive *drive, const uint8_t *cdb)
{
    uint8_t *reply = drive->state->buffer;
    bool by_address = (cdb[1] & 3) == 0;
    uint32_t which = get_be32(cdb + 2);
    if (by_address ? which >= atapi_blocks(drive) : which != 1) {
        invalid_field(drive);
        return;
    }
    memset(reply, 0, 28);
    put_be16(reply, 26);
    reply[2] = reply[3] = 1;
    reply[5] = 4; /* data track */
    reply[6] = 1; /* mode 1 */
    put_be32(reply + 24, atapi_blocks(drive));
    atapi_reply(drive, 28, get_be16(cdb + 7));
}

void atapi_read_subchannel(struct ide_drive *drive, const uint8_t *cdb)
{
    uint8_t *reply = drive->state->buffer;
    bool data = cdb[2] & 0x40;
    if (data && cdb[3] != 1) {
        invalid_field(drive);
        return;
    }
    memset(reply, 0, 16);
    reply[1] = 0x15; /* no current audio status */
    if (data) {
        put_be16(reply + 2, 12);
        reply[4] = 1;
        reply[5] = CONTROL_DATA_TRACK;
        reply[6] = reply[7] = 1;
    }
    atapi_reply(drive, data ? 16 : 4, get_be16(cdb + 7));
}

/* ---- Mode pages ---- */

static uint32_t page_error_recovery(uint8_t *at, bool changeable)
{
    at[0] = 0x01;
    at[1] = 6;
    at[3] = changeable ? 0 : 5; /* read retries */
    return 8;
}

/* Linux prints the speed from here, in units of 176 kB/s. */
static uint32_t page_capabilities(const struct ide_drive_state *state, uint8_t *at, bool changeable)
{
    at[0] = 0x2A;
    at[1] = 18;
    if (changeable)
        return 20;
    at[2] = 0x03;                                         /* reads CD-R, CD-RW */
    at[4] = 0x71;                                         /* mode 2 forms, multisession, audio */
    at[5] = 0x03;                                         /* CD-DA commands */
    at[6] = (uint8_t)(0x29 | (state->locked ? 0x02 : 0)); /* tray, eject, lock */
    put_be16(at + 8, CD_BYTES_PER_SECOND / 1000);
    put_be16(at + 10, 2);   /* volume levels */
    put_be16(at + 12, 512); /* buffer, KB */
    put_be16(at + 14, CD_BYTES_PER_SECOND / 1000);
    return 20;
}

/* Pages from `at` on; 0 = no such page. */
static uint32_t mode_pages(struct ide_drive *drive, uint8_t *at, unsigned page, bool changeable)
{
    uint32_t size = 0;
    if (page == 0x01 || page == 0x3F)
        size += page_error_recovery(at + size, changeable);
    if (page == 0x2A || page == 0x3F)
        size += page_capabilities(drive->state, at + size, changeable);
    return size;
}

static void mode_sense(struct ide_drive *drive, const uint8_t *cdb, uint32_t header, uint32_t wanted)
{
    uint8_t *reply = drive->state->buffer;
    unsigned control = cdb[2] >> 6;
    memset(reply, 0, 64);
    if (control == 3) { /* saved values */
        atapi_check(drive, SENSE_ILLEGAL, 0x39, 0x00);
        return;
    }
    uint32_t size = mode_pages(drive, reply + header, cdb[2] & 0x3F, control == 1);
    if (size == 0) {
        invalid_field(drive);
        return;
    }
    size += header;
    uint8_t medium = atapi_has_medium(drive) ? 0x01 : 0x70; /* 120 mm data, or no disc */
    if (header == 8) {
        put_be16(reply, size - 2);
        reply[2] = medium;
    } else {
        reply[0] = (uint8_t)(size - 1);
        reply[1] = medium;
    }
    atapi_reply(drive, size, wanted);
}

void atapi_mode_sense_6(struct ide_drive *drive, const uint8_t *cdb)
{
    mode_sense(drive, cdb, 4, cdb[4]);
}

void atapi_mode_sense_10(struct ide_drive *drive, const uint8_t *cdb)
{
    mode_sense(drive, cdb, 8, get_be16(cdb + 7));
}

/* ---- Features and events ---- */

struct feature {
    uint16_t code;
    uint8_t version_flags; /* version << 2 | persistent << 1 | current */
    bool needs_medium;     /* current only with a disc */
    uint8_t size;
    uint8_t data[8];
};

static const struct feature features[] = {
    {0x0000, 0x03, false, 4, {PROFILE_CD_ROM >> 8, PROFILE_CD_ROM & 0xFF, 0, 0}}, /* profile list */
    {0x0001, 0x03, false, 4, {0, 0, 0, 2}},                                       /* core: ATAPI */
    {0x0003, 0x03, false, 4, {0x29, 0, 0, 0}},         /* removable medium: tray, eject, lock */
    {0x0010, 0x00, true, 8, {0, 0, 8, 0, 0, 1, 0, 0}}, /* random readable: 2048-byte blocks */
    {0x001E, 0x00, true, 4, {0, 0, 0, 0}},             /* CD read */
    {0x0100, 0x03, false, 0, {0}},                     /* power management */
    {0x0105, 0x03, false, 0, {0}},                     /* time-out */
};

/* Requested type: 0 all features, 1 only current ones, 2 the one named. */
void atapi_get_configuration(struct ide_drive *drive, const uint8_t *cdb)
{
    uint8_t *reply = drive->state->buffer;
    unsigned type = cdb[1] & 3, first = get_be16(cdb + 2);
    bool medium = atapi_has_medium(drive);
    uint32_t at = 8;
    if (type == 3) {
        invalid_field(drive);
        return;
    }
    memset(reply, 0, 128);
    for (unsigned i = 0; i < ARRAY_LEN(features); i++) {
        const struct feature *feature = &features[i];
        bool current = (feature->version_flags & 1) || (feature->needs_medium && medium);
        bool wanted = type == 2 ? feature->code == first : feature->code >= first && (type == 0 || current);
        if (!wanted)
            continue;
        put_be16(reply + at, feature->code);
        reply[at + 2] = feature->version_flags | current;
        reply[at + 3] = feature->size;
        memcpy(reply + at + 4, feature->data, feature->size);
        if (feature->code == 0 && medium)
            reply[at + 6] = 1; /* the profile is current */
        at += 4u + feature->size;
    }
    put_be32(reply, at - 4);
    put_be16(reply + 6, medium ? PROFILE_CD_ROM : 0);
    atapi_reply(drive, at, get_be16(cdb + 7));
}

/* Hosts poll this every second or two, and take "no event" from it for a disc that stays. An event that did
 * not fit into the reply is kept. */
void atapi_get_event_status(struct ide_drive *drive, const uint8_t *cdb)
{
    enum { CLASS_MEDIA = 4, EVENT_NEW_MEDIA = 2, EVENT_REMOVAL = 3 };
    struct ide_drive_state *state = drive->state;
    uint8_t *reply = state->buffer;
    if (!(cdb[1] & 1)) { /* only polled operation */
        invalid_field(drive);
        return;
    }
    memset(reply, 0, 8);
    reply[3] = 1 << CLASS_MEDIA; /* supported classes */
    if (!(cdb[4] & 1 << CLASS_MEDIA)) {
        reply[2] = 0x80; /* no event available */
        put_be16(reply, 2);
        atapi_reply(drive, 4, get_be16(cdb + 7));
        return;
    }
    put_be16(reply, 6);
    reply[2] = CLASS_MEDIA;
    if (state->event_pending)
        reply[4] = atapi_has_medium(drive) ? EVENT_NEW_MEDIA : EVENT_REMOVAL;
    reply[5] = (uint8_t)(state->tray_open | (atapi_has_medium(drive) ? 2 : 0));
    if (get_be16(cdb + 7) > 4)
        state->event_pending = 0;
    atapi_reply(drive, 8, get_be16(cdb + 7));
}

void atapi_mechanism_status(struct ide_drive *drive, const uint8_t *cdb)
{
    uint8_t *reply = drive->state->buffer;
    memset(reply, 0, 8);
    reply[1] = drive->state->tray_open ? 0x10 : 0; /* door open */
    reply[5] = 0;                                  /* not a changer */
    atapi_reply(drive, 8, get_be16(cdb + 8));
}
