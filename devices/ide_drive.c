/* The protocol of an IDE drive: busy periods, data requests, interrupts. What the data is, ide_disk.c and
 * atapi.c know. ATA/ATAPI-6 sections 9.5 (PIO in), 9.6 (PIO out), 9.7 (DMA), 9.8 (PACKET). */
#include "devices/ide_priv.h"

#include <string.h>

static struct event_queue *queue_of(struct ide_drive *drive)
{
    return drive->channel->ide->device.env->queue;
}

void ide_interrupt(struct ide_drive *drive)
{
    drive->state->intrq = 1;
    ide_update_irq(drive->channel);
}

/* Reset and diagnostic end a command without a trace: no status, no interrupt. */
void ide_stop(struct ide_drive *drive)
{
    struct ide_drive_state *state = drive->state;
    struct ide_channel_state *channel = drive->channel->state;
    if (state->phase == PHASE_BUSY && &drive->channel->drives[channel->active] == drive) {
        event_cancel(queue_of(drive), &drive->channel->event);
        channel->due = TICK_NEVER;
    }
    state->phase = PHASE_IDLE;
    state->step = STEP_NONE;
    state->pos = state->size = 0;
    state->packet_pending = 0;
    state->intrq = 0;
}

/* ATA/ATAPI-6 9.12, "Signature and persistence". */
void ide_signature(struct ide_drive *drive)
{
    struct ide_drive_state *state = drive->state;
    bool packet = state->kind == IDE_CDROM;
    state->error = 0x01; /* diagnostic passed */
    state->count.now = state->low.now = 1;
    state->mid.now = packet ? 0x14 : 0;
    state->high.now = packet ? 0xEB : 0;
    state->device &= DEVICE_DEV;
    state->status = packet ? 0 : STATUS_READY;
}

void ide_drive_power_on(struct ide_drive *drive)
{
    struct ide_drive_state *state = drive->state;
    uint8_t kind = state->kind;
    memset(state, 0, sizeof *state);
    state->kind = kind;
    if (kind == IDE_NONE)
        return;
    state->pio_mode = 0;
    state->mwdma_mode = state->udma_mode = 0xFF;
    state->write_cache = state->look_ahead = 1;
    state->multiple = MAX_MULTIPLE;
    state->heads = 16;
    state->sectors = 63;
    ide_signature(drive);
    atapi_reset(drive);
}

/* Be busy for `us` microseconds and the time `bytes` take, then do `step`. */
void ide_busy(struct ide_drive *drive, enum ide_step step, uint64_t us, uint64_t bytes,
              uint64_t bytes_per_second)
{
    struct ide_channel_state *channel = drive->channel->state;
    struct event_queue *queue = queue_of(drive);
    drive->state->phase = PHASE_BUSY;
    drive->state->step = (uint8_t)step;
    drive->state->status = STATUS_BSY;
    channel->active = drive == &drive->channel->drives[1];
    channel->due = queue->now + ticks_from(queue, us, 1000000);
    if (bytes)
        channel->due += ticks_from(queue, bytes, bytes_per_second);
    event_schedule(queue, &drive->channel->event, channel->due);
}

void ide_finish(struct ide_drive *drive)
{
    drive->state->phase = PHASE_IDLE;
    drive->state->status = STATUS_READY;
    drive->state->error = 0;
    ide_interrupt(drive);
}

void ide_fail(struct ide_drive *drive, uint8_t error)
{
    drive->state->phase = PHASE_IDLE;
    drive->state->pos = drive->state->size = 0;
    drive->state->status = STATUS_READY | STATUS_ERR;
    drive->state->error = error;
    ide_interrupt(drive);
}

/* Ask the host for `size` bytes in the direction of `phase`. */
void ide_request(struct ide_drive *drive, enum ide_phase phase, uint32_t size, bool interrupt)
{
    drive->state->phase = (uint8_t)phase;
    drive->state->status = STATUS_READY | STATUS_DRQ;
    drive->state->pos = 0;
    drive->state->size = size;
    if (interrupt)
        ide_interrupt(drive);
}

/* Bytes of the next data request of a disk. */
static uint32_t next_block(const struct ide_drive_state *state)
{
    return (state->left < state->block ? state->left : state->block) * SECTOR_SIZE;
}

/* ---- Steps: what ends a busy period ---- */

static void step_fail(struct ide_drive *drive)
{
    ide_fail(drive, drive->state->failing);
}

static void step_send(struct ide_drive *drive)
{
    ide_request(drive, PHASE_DATA_IN, drive->state->size, true);
}

static void step_read(struct ide_drive *drive)
{
    if (drive->state->kind == IDE_CDROM)
        atapi_next_chunk(drive);
    else if (ide_disk_fill(drive))
        ide_request(drive, PHASE_DATA_IN, drive->state->size, true);
}

/* The medium has taken a block: an interrupt either asks for the next or ends the command (9.6). */
static void step_write(struct ide_drive *drive)
{
    if (!ide_disk_drain(drive))
        return;
    if (drive->state->left == 0)
        ide_finish(drive);
    else
        ide_request(drive, PHASE_DATA_OUT, next_block(drive->state), true);
}

/* The drive has its data ready, or room for it. If the host has not started the bus master yet, DRQ waits. */
static void step_dma(struct ide_drive *drive)
{
    drive->state->phase = PHASE_DMA;
    drive->state->status = STATUS_READY | STATUS_DRQ;
    ide_master_run(drive->channel);
}

static void step_none(struct ide_drive *drive)
{
    drive->state->phase = PHASE_IDLE;
}

typedef void step_fn(struct ide_drive *drive);

static step_fn *const steps[STEP_COUNT] = {
    [STEP_NONE] = step_none, [STEP_FINISH] = ide_finish,    [STEP_FAIL] = step_fail,
    [STEP_SEND] = step_send, [STEP_READ] = step_read,       [STEP_WRITE] = step_write,
    [STEP_DMA] = step_dma,   [STEP_PACKET] = atapi_execute,
};

void ide_step_due(struct event *event, tick_t late)
{
    (void)late;
    struct ide_channel *channel = CONTAINER_OF(event, struct ide_channel, event);
    struct ide_channel_state *state = channel->state;
    state->due = TICK_NEVER;
    if (!state->resetting) {
        struct ide_drive *drive = &channel->drives[state->active];
        steps[drive->state->step](drive);
        ide_assert(channel);
        return;
    }
    state->resetting = 0;
    for (unsigned i = 0; i < IDE_UNITS; i++) {
        struct ide_drive *drive = &channel->drives[i];
        if (drive->state->kind == IDE_NONE)
            continue;
        drive->state->device = 0;
        drive->state->standby = 0;
        ide_signature(drive);
        atapi_reset(drive);
    }
    ide_assert(channel);
}

/* ---- Data port ---- */

/* The host has emptied the buffer. */
static void sent_block(struct ide_drive *drive)
{
    struct ide_drive_state *state = drive->state;
    if (state->command == COMMAND_PACKET) {
        atapi_sent(drive);
    } else if (state->left == 0) {
        state->phase = PHASE_IDLE;
        state->status = STATUS_READY;
    } else {
        ide_busy(drive, STEP_READ, 0, next_block(state), DISK_BYTES_PER_SECOND);
    }
}

/* The host has filled the buffer. */
static void got_block(struct ide_drive *drive)
{
    struct ide_drive_state *state = drive->state;
    if (state->packet_pending) {
        state->packet_pending = 0;
        memcpy(state->cdb, state->buffer, CDB_SIZE);
        ide_busy(drive, STEP_PACKET, COMMAND_US, 0, 1);
    } else {
        ide_busy(drive, STEP_WRITE, 0, state->size, DISK_BYTES_PER_SECOND);
    }
}

uint16_t ide_data_read(struct ide_drive *drive)
{
    struct ide_drive_state *state = drive->state;
    if (state->phase != PHASE_DATA_IN)
        return 0xFFFF;
    /* An odd last byte, possible with packet commands, comes in the low half of a word. */
    uint16_t value = state->buffer[state->pos++];
    if (state->pos < state->size)
        value |= (uint16_t)(state->buffer[state->pos++] << 8);
    if (state->pos >= state->size)
        sent_block(drive);
    return value;
}

void ide_data_write(struct ide_drive *drive, uint16_t value)
{
    struct ide_drive_state *state = drive->state;
    if (state->phase != PHASE_DATA_OUT)
        return;
    state->buffer[state->pos++] = (uint8_t)value;
    if (state->pos < state->size)
        state->buffer[state->pos++] = (uint8_t)(value >> 8);
    if (state->pos >= state->size)
        got_block(drive);
}
