/* IDE function of the Intel 82371SB (PIIX3): two channels in legacy mode, bus master, up to four drives.
 *
 * Sources: Intel 290550 (82371FB/82371SB data sheet) sections 2.3 and 2.7; T13/1410D ATA/ATAPI-6; SFF-8038i
 * for the bus master; MMC-2 and SPC-2 for packet commands.
 *
 * Modelled: both channels with two drives each, task file with 48-bit shadow, device control with nIEN, SRST
 * and HOB, PIO in words and double words, the bus master with descriptor tables, ATA disks, ATAPI CD-ROM
 * drives. Left out: overlapped and queued commands, SECURITY, SMART and HPA feature sets (IDENTIFY says so),
 * the effect of timing registers on speed: how long a command takes is in ide_priv.h.
 *
 * Files: ide.c windows, control, interrupt, PCI; ide_drive.c the protocol of a drive; ide_disk.c and
 * ide_identify.c ATA commands; ide_master.c bus master; atapi*.c packet commands.
 *
 * Invariants: (1) a channel has at most one event pending, for its `active` drive or for the end of a reset;
 * (2) phase and the BSY and DRQ bits agree as ide_priv.h says; (3) pos <= size <= BUFFER_SIZE. */
#include "devices/ide.h"

#include "base/check.h"
#include "devices/ide_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REG_DATA, REG_FEATURES, REG_COUNT, REG_LOW, REG_MID, REG_HIGH, REG_DEVICE, REG_COMMAND };

/* Configuration registers: IDETIM of both channels, SIDETIM (data sheet 2.3.9, 2.3.10). */
enum { CONFIG_IDETIM = 0x40, CONFIG_SIDETIM = 0x44, IDETIM_DECODE_HIGH = 0x80 };

static struct ide *ide_of(struct device *device)
{
    return CONTAINER_OF(device, struct ide, device);
}

void ide_assert(const struct ide_channel *channel)
{
    const struct ide_channel_state *state = channel->state;
    bool in_reset = (state->control & CONTROL_SRST) || state->resetting;
    unsigned busy = 0;
    CHECK(event_pending(&channel->event) == (state->due != TICK_NEVER));
    for (unsigned i = 0; i < IDE_UNITS; i++) {
        const struct ide_drive_state *drive = &state->drives[i];
        bool data =
            drive->phase == PHASE_DATA_IN || drive->phase == PHASE_DATA_OUT || drive->phase == PHASE_DMA;
        bool present = drive->kind != IDE_NONE;
        CHECK(((drive->status & STATUS_BSY) != 0) == (drive->phase == PHASE_BUSY || (present && in_reset)));
        CHECK(((drive->status & STATUS_DRQ) != 0) == data);
        CHECK(drive->pos <= drive->size && drive->size <= BUFFER_SIZE && drive->loaded <= BUFFER_SIZE);
        busy += drive->phase == PHASE_BUSY;
    }
    CHECK(busy <= 1 && (busy == 0 || state->due != TICK_NEVER));
}

static bool channel_decodes(const struct ide_channel *channel)
{
    return (channel->ide->state.pci.bytes[CONFIG_IDETIM + 2 * channel->index + 1] & IDETIM_DECODE_HIGH) != 0;
}

static struct ide_drive *selected(struct ide_channel *channel)
{
    return &channel->drives[channel->state->selected];
}

static bool channel_empty(const struct ide_channel *channel)
{
    return channel->state->drives[0].kind == IDE_NONE && channel->state->drives[1].kind == IDE_NONE;
}

/* INTRQ is driven by the selected drive; its rising edge sets the bus master's interrupt bit. */
void ide_update_irq(struct ide_channel *channel)
{
    struct ide_channel_state *state = channel->state;
    bool level = state->drives[state->selected].intrq && !(state->control & CONTROL_NIEN);
    if (level && !state->line)
        state->master.status |= 0x04;
    state->line = level;
    irq_set(&channel->irq, level);
}

/* ---- Command block ---- */

/* HOB shows what a register held before the last write: the upper half of a 48-bit address. */
static uint8_t shadow(const struct ide_channel *channel, const struct ide_register *reg)
{
    return channel->state->control & CONTROL_HOB ? reg->before : reg->now;
}

static uint8_t register_read(struct ide_channel *channel, unsigned reg)
{
    struct ide_drive_state *drive = selected(channel)->state;
    if (channel_empty(channel))
        return 0x7F; /* nothing drives the cable; DD7 is pulled down */
    if (drive->kind == IDE_NONE)
        return 0; /* device 0 answers for the missing device 1 */
    switch (reg) {
    case REG_FEATURES: return drive->error;
    case REG_COUNT: return shadow(channel, &drive->count);
    case REG_LOW: return shadow(channel, &drive->low);
    case REG_MID: return shadow(channel, &drive->mid);
    case REG_HIGH: return shadow(channel, &drive->high);
    case REG_DEVICE: return drive->device;
    default: return drive->status;
    }
}

static void push(struct ide_register *reg, uint8_t value)
{
    reg->before = reg->now;
    reg->now = value;
}

/* Both drives take every task file write; a busy drive ignores it. */
static void register_write(struct ide_channel *channel, unsigned reg, uint8_t value)
{
    struct ide_channel_state *state = channel->state;
    state->control &= (uint8_t)~CONTROL_HOB;
    if (reg == REG_DEVICE) {
        state->selected = (value & DEVICE_DEV) != 0;
        ide_update_irq(channel);
    }
    for (unsigned i = 0; i < IDE_UNITS; i++) {
        struct ide_drive_state *drive = &state->drives[i];
        if (drive->kind == IDE_NONE || (drive->status & (STATUS_BSY | STATUS_DRQ)))
            continue;
        switch (reg) {
        case REG_FEATURES: push(&drive->features, value); break;
        case REG_COUNT: push(&drive->count, value); break;
        case REG_LOW: push(&drive->low, value); break;
        case REG_MID: push(&drive->mid, value); break;
        case REG_HIGH: push(&drive->high, value); break;
        case REG_DEVICE: drive->device = value | 0xA0; break;
        default: break;
        }
    }
}

/* Only offset 0 is wider than a byte. A wide access elsewhere is what the bus makes of it: neighbours. */
static uint64_t command_block_read(struct ide_channel *channel, uint32_t offset, unsigned size)
{
    uint64_t value = 0;
    if (!channel_decodes(channel))
        return UINT64_MAX;
    if (offset == REG_DATA && size > 1) {
        for (unsigned i = 0; i < size; i += 2)
            value |= (uint64_t)ide_data_read(selected(channel)) << 8 * i;
        return value;
    }
    for (unsigned i = 0; i < size; i++) {
        uint8_t byte;
        if (offset + i == REG_DATA) {
            byte = (uint8_t)ide_data_read(selected(channel));
        } else {
            byte = register_read(channel, (offset + i) & 7);
            if (((offset + i) & 7) ==
                REG_COMMAND) { /* reading status, unlike alternate status, acknowledges */
                selected(channel)->state->intrq = 0;
                ide_update_irq(channel);
            }
        }
        value |= (uint64_t)byte << 8 * i;
    }
    return value;
}

static void command_block_write(struct ide_channel *channel, uint32_t offset, unsigned size, uint64_t value)
{
    if (!channel_decodes(channel))
        return;
    if (offset == REG_DATA) {
        for (unsigned i = 0; i < size; i += 2)
            ide_data_write(selected(channel), (uint16_t)(value >> 8 * i));
        return;
    }
    for (unsigned i = 0; i < size; i++) {
        unsigned reg = (offset + i) & 7;
        uint8_t byte = (uint8_t)(value >> 8 * i);
        if (reg == REG_COMMAND)
            ide_command(selected(channel), byte);
        else if (reg != REG_DATA)
            register_write(channel, reg, byte);
    }
}

/* ---- Control block ---- */

/* SRST resets both drives for as long as it is set and a while longer (ATA/ATAPI-6 9.2). */
static void control_write(struct ide_channel *channel, uint8_t value)
{
    struct ide_channel_state *state = channel->state;
    struct event_queue *queue = channel->ide->device.env->queue;
    bool was = (state->control & CONTROL_SRST) != 0, is = (value & CONTROL_SRST) != 0;
    state->control = value & (CONTROL_HOB | CONTROL_SRST | CONTROL_NIEN);
    if (is && !was) {
        event_cancel(queue, &channel->event);
        state->due = TICK_NEVER;
        state->resetting = 0;
        for (unsigned i = 0; i < IDE_UNITS; i++) {
            ide_stop(&channel->drives[i]);
            if (state->drives[i].kind != IDE_NONE)
                state->drives[i].status = STATUS_BSY;
        }
    } else if (was && !is) {
        state->selected = 0;
        state->resetting = 1;
        state->due = queue->now + ticks_from(queue, RESET_US, 1000000);
        event_schedule(queue, &channel->event, state->due);
    }
    ide_update_irq(channel);
}

static uint64_t control_block_read(struct ide_channel *channel)
{
    return channel_decodes(channel) ? register_read(channel, REG_COMMAND) : UINT64_MAX;
}

static void control_block_write(struct ide_channel *channel, uint64_t value)
{
    if (channel_decodes(channel))
        control_write(channel, (uint8_t)value);
}

/* ---- Windows: one pair of functions per window, the channel is not in the offset ---- */

static uint64_t primary_read(struct device *device, uint32_t offset, unsigned size)
{
    uint64_t value = command_block_read(&ide_of(device)->channels[0], offset, size);
    ide_assert(&ide_of(device)->channels[0]);
    return value;
}

static void primary_write(struct device *device, uint32_t offset, unsigned size, uint64_t value)
{
    command_block_write(&ide_of(device)->channels[0], offset, size, value);
    ide_assert(&ide_of(device)->channels[0]);
}

static uint64_t secondary_read(struct device *device, uint32_t offset, unsigned size)
{
    uint64_t value = command_block_read(&ide_of(device)->channels[1], offset, size);
    ide_assert(&ide_of(device)->channels[1]);
    return value;
}

static void secondary_write(struct device *device, uint32_t offset, unsigned size, uint64_t value)
{
    command_block_write(&ide_of(device)->channels[1], offset, size, value);
    ide_assert(&ide_of(device)->channels[1]);
}

static uint64_t primary_control_read(struct device *device, uint32_t offset, unsigned size)
{
    (void)offset;
    (void)size;
    return control_block_read(&ide_of(device)->channels[0]);
}

static void primary_control_write(struct device *device, uint32_t offset, unsigned size, uint64_t value)
{
    (void)offset;
    (void)size;
    control_block_write(&ide_of(device)->channels[0], value);
    ide_assert(&ide_of(device)->channels[0]);
}

static uint64_t secondary_control_read(struct device *device, uint32_t offset, unsigned size)
{
    (void)offset;
    (void)size;
    return control_block_read(&ide_of(device)->channels[1]);
}

static void secondary_control_write(struct device *device, uint32_t offset, unsigned size, uint64_t value)
{
    (void)offset;
    (void)size;
    control_block_write(&ide_of(device)->channels[1], value);
    ide_assert(&ide_of(device)->channels[1]);
}

static const struct io_window ide_windows[] = {
    [IDE_WINDOW_PRIMARY] = {"ide0", 8, 1, 4, primary_read, primary_write},
    [IDE_WINDOW_PRIMARY_CONTROL] = {"ide0-control", 1, 1, 1, primary_control_read, primary_control_write},
    [IDE_WINDOW_SECONDARY] = {"ide1", 8, 1, 4, secondary_read, secondary_write},
    [IDE_WINDOW_SECONDARY_CONTROL] = {"ide1-control", 1, 1, 1, secondary_control_read,
                                      secondary_control_write},
    [IDE_WINDOW_BUS_MASTER] = {"ide-bus-master", 16, 1, 4, ide_master_read, ide_master_write},
};

/* ---- Life cycle ---- */

static void ide_reset(struct device *device)
{
    struct ide *ide = ide_of(device);
    if (ide->pci.bus != NULL)
        pci_function_reset(&ide->pci);
    ide->state.pci.bytes[6] = 0x80; /* status: fast back-to-back, medium DEVSEL */
    ide->state.pci.bytes[7] = 0x02;
    memset(ide->state.pci.writable + CONFIG_IDETIM, 0xFF, CONFIG_SIDETIM + 1 - CONFIG_IDETIM);
    for (unsigned i = 0; i < IDE_CHANNELS; i++) {
        struct ide_channel *channel = &ide->channels[i];
        event_cancel(device->env->queue, &channel->event);
        channel->state->due = TICK_NEVER;
        channel->state->selected = channel->state->control = channel->state->resetting = 0;
        ide_master_reset(channel);
        for (unsigned k = 0; k < IDE_UNITS; k++)
            ide_drive_power_on(&channel->drives[k]);
        ide_update_irq(channel);
    }
}

static void ide_loaded(struct device *device)
{
    struct ide *ide = ide_of(device);
    for (unsigned i = 0; i < IDE_CHANNELS; i++) {
        struct ide_channel *channel = &ide->channels[i];
        event_cancel(device->env->queue, &channel->event);
        if (channel->state->due != TICK_NEVER)
            event_schedule(device->env->queue, &channel->event, channel->state->due);
        irq_set(&channel->irq, channel->state->line);
    }
}

static void ide_destroy(struct device *device)
{
    struct ide *ide = ide_of(device);
    for (unsigned i = 0; i < IDE_CHANNELS; i++)
        event_cancel(device->env->queue, &ide->channels[i].event);
    free(ide);
}

static const struct device_class ide_class = {
    .name = "piix3-ide",
    .description = "Intel 82371SB (PIIX3) IDE with bus master",
    .state_offset = offsetof(struct ide, state),
    .state_size = sizeof(struct ide_state),
    .windows = ide_windows,
    .window_count = ARRAY_LEN(ide_windows),
    .reset = ide_reset,
    .loaded = ide_loaded,
    .destroy = ide_destroy,
};

static const struct pci_bar ide_bars[] = {{PCI_BAR_IO, 16, IDE_WINDOW_BUS_MASTER, 4}};

static const struct pci_class ide_pci_class = {
    .vendor = 0x8086,
    .device = 0x7010,
    .class_code = 0x010180, /* IDE, legacy addresses, bus master */
    .bars = ide_bars,
    .bar_count = ARRAY_LEN(ide_bars),
};

struct device *ide_create(const struct device_env *env, const struct ide_config *config)
{
    struct ide *ide = xcalloc(1, sizeof *ide);
    ide->device.cls = &ide_class;
    ide->device.env = env;
    ide->pci.device = &ide->device;
    ide->pci.cls = &ide_pci_class;
    ide->pci.config = &ide->state.pci;
    for (unsigned i = 0; i < IDE_CHANNELS; i++) {
        struct ide_channel *channel = &ide->channels[i];
        channel->ide = ide;
        channel->index = i;
        channel->state = &ide->state.channels[i];
        channel->irq = config->irq[i];
        event_init(&channel->event, i == 0 ? "ide0" : "ide1", EVENT_ORDER_DEVICE, ide_step_due);
        for (unsigned k = 0; k < IDE_UNITS; k++) {
            channel->drives[k].channel = channel;
            channel->drives[k].state = &channel->state->drives[k];
        }
    }
    ide_reset(&ide->device);
    return &ide->device;
}

struct pci_function *ide_pci(struct device *device)
{
    return &ide_of(device)->pci;
}

void ide_attach(struct device *device, unsigned channel, unsigned unit, const struct ide_drive_config *config,
                const struct block_backend *backend)
{
    CHECK(channel < IDE_CHANNELS && unit < IDE_UNITS);
    struct ide_drive *drive = &ide_of(device)->channels[channel].drives[unit];
    bool disk = config->kind == IDE_DISK;
    drive->state->kind = (uint8_t)config->kind;
    if (backend != NULL)
        drive->medium = *backend;
    snprintf(drive->model, sizeof drive->model, "%s",
             config->model != NULL ? config->model
             : disk                ? "CROSSPAGE DISK"
                                   : "CROSSPAGE CD-ROM");
    if (config->serial != NULL)
        snprintf(drive->serial, sizeof drive->serial, "%s", config->serial);
    else
        snprintf(drive->serial, sizeof drive->serial, "CP%05u", channel * 2 + unit + 1);
    ide_drive_power_on(drive);
}

bool ide_change_medium(struct device *device, unsigned channel, unsigned unit,
                       const struct block_backend *backend)
{
    if (channel >= IDE_CHANNELS || unit >= IDE_UNITS)
        return false;
    struct ide_drive *drive = &ide_of(device)->channels[channel].drives[unit];
    if (drive->state->kind != IDE_CDROM || drive->state->locked)
        return false;
    if (backend != NULL)
        drive->medium = *backend;
    else
        memset(&drive->medium, 0, sizeof drive->medium);
    drive->state->tray_open = 0;
    drive->state->attention = atapi_has_medium(drive);
    drive->state->event_pending = 1;
    return true;
}
