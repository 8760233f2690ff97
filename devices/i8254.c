/* 8254 programmable interval timer and port 0x61.
 *
 * Source: Intel 8254 data sheet (231164-005), in the text "DS"; port 0x61 from the 82371SB (PIIX3) data
 * sheet, section 2.5.1 (NMISC). All six modes, binary and BCD, counter latch, read-back, gate. Left out: the
 * sound itself, and the parity and IOCHK# NMI sources, which read as "no error".
 *
 * Nothing runs 1193182 times a second. A channel stores the value of its counting element (CE) at clock
 * `at`, and channel_run() carries it to a later clock by jumping from one change of OUT to the next; whole
 * periods of modes 2 and 3 are skipped at once. Every access first runs all channels to now; an event is
 * scheduled for the next change of OUT of channel 0 only, because nothing else is wired to an interrupt.
 *
 * Clock n of the chip is the tick ticks_from(n); tick t lies in clock ticks_to(t): exact both ways.
 *
 * When CE is loaded (DS "write operations", "mode definitions"):
 *
 *   mode   first count     new count while counting       GATE low        GATE rising
 *   0      next clock      next clock; OUT low at once    stops           goes on
 *   1      after trigger   after next trigger             -               load at next clock (trigger)
 *   2      next clock      at the end of the period       stops, OUT high load at next clock
 *   3      next clock      at the end of the half period  stops, OUT high load at next clock
 *   4      next clock      next clock                     stops           goes on
 *   5      after trigger   after next trigger             -               load at next clock (trigger)
 *
 * Invariants: (1) at <= the clock of now; (2) load_at == 0 or load_at > at; (3) `counting` implies that a
 * count was written since the control word; (4) channel 0's event is pending exactly when OUT will change. */
#include "devices/i8254.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum {
    CHANNELS = 3,

    /* Control word, port 3. */
    CONTROL_PORT = 3,
    CONTROL_BCD = 0x01,
    CONTROL_MODE_SHIFT = 1,
    CONTROL_ACCESS_SHIFT = 4,
    CONTROL_CHANNEL_SHIFT = 6,
    CONTROL_READ_BACK = 3, /* as channel number */
    READ_BACK_NO_COUNT = 0x20,
    READ_BACK_NO_STATUS = 0x10,

    STATUS_OUT = 0x80,
    STATUS_NULL_COUNT = 0x40,

    /* Port 0x61. */
    P61_GATE2 = 0x01,
    P61_SPEAKER = 0x02,
    P61_WRITABLE = 0x0F,
    P61_REFRESH = 0x10, /* toggles with each refresh request of channel 1 */
    P61_OUT2 = 0x20,
};

enum channel_access { ACCESS_LATCH, ACCESS_LSB, ACCESS_MSB, ACCESS_BOTH };

enum channel_mode { MODE_TERMINAL, MODE_ONE_SHOT, MODE_RATE, MODE_SQUARE, MODE_STROBE, MODE_HW_STROBE };

struct channel {
    uint64_t at;                   /* clock at which `ce` and `out` are valid */
    uint64_t load_at;              /* clock at which CR goes into CE, 0 = none pending */
    uint32_t ce;                   /* 0..65536 (9999 + 1 in BCD), always binary */
    uint32_t running;              /* the count that CE was last loaded with; CR may already hold the next */
    uint32_t periods;              /* reloads of modes 2 and 3, for the refresh toggle */
    uint16_t cr;                   /* count register as written */
    uint16_t latched;              /* count latch, as read */
    uint8_t mode, access, control; /* enum channel_mode, enum channel_access, low six bits as written */
    uint8_t low_byte;              /* first byte of a two-byte write */
    uint8_t latch_left;            /* bytes of the count latch still to read */
    uint8_t status_latch;
    bool status_latched, read_high, write_high; /* next access of a pair is the high byte */
    bool null_count, counting, gate, out;
    bool armed;           /* modes 0, 1, 4, 5: the end of this count still changes OUT */
    bool strobe;          /* modes 4, 5: OUT is low for this one clock */
    bool written, loaded; /* since the control word a count reached CR, CE */
};

struct i8254_state {
    struct channel channels[CHANNELS];
    uint8_t port61; /* writable bits */
};

struct i8254 {
    struct device device;
    struct i8254_state state;
    struct irq_wire out0;
    struct event event;
};

static struct i8254 *self(struct device *device)
{
    return CONTAINER_OF(device, struct i8254, device);
}

/* ---- The counting element ---- */

static uint32_t modulus(const struct channel *channel)
{
    return channel->control & CONTROL_BCD ? 10000 : 65536;
}

static uint32_t from_bcd(uint32_t value)
{
    return (value & 15) + 10 * (value >> 4 & 15) + 100 * (value >> 8 & 15) + 1000 * (value >> 12 & 15);
}

static uint16_t to_bcd(uint32_t value)
{
    return (uint16_t)(value % 10 | value / 10 % 10 << 4 | value / 100 % 10 << 8 | value / 1000 % 10 << 12);
}

/* The count in CR as a number of clocks; 0 stands for the modulus. */
static uint32_t count_of(const struct channel *channel)
{
    uint32_t count = channel->control & CONTROL_BCD ? from_bcd(channel->cr) % 10000 : channel->cr;
    return count != 0 ? count : modulus(channel);
}

static bool is_periodic(const struct channel *channel)
{
    return channel->mode == MODE_RATE || channel->mode == MODE_SQUARE;
}

/* Modes 1 and 5 count whatever GATE is; the others only while it is high. */
static bool runs(const struct channel *channel)
{
    return channel->counting &&
           (channel->gate || channel->mode == MODE_ONE_SHOT || channel->mode == MODE_HW_STROBE);
}

/* Mode 3 counts by two; from an odd count the chip loads count - 1 and stays one clock longer in the high
 * half (DS "mode 3: odd counts"). */
static void load(struct channel *channel)
{
    uint32_t count = count_of(channel);
    channel->running = count;
    channel->ce = channel->mode == MODE_SQUARE ? count & ~1u : count;
    channel->null_count = false;
    channel->counting = channel->loaded = true;
}

/* Clocks from `at` to the next change (of OUT, or reload), 0 = none comes. */
static uint64_t to_next_change(const struct channel *channel)
{
    if (!runs(channel))
        return 0;
    switch ((enum channel_mode)channel->mode) {
    case MODE_TERMINAL:
    case MODE_ONE_SHOT: return channel->armed ? (channel->ce ? channel->ce : modulus(channel)) : 0;
    case MODE_STROBE:
    case MODE_HW_STROBE:
        if (channel->strobe)
            return 1;
        return channel->armed ? (channel->ce ? channel->ce : modulus(channel)) : 0;
    case MODE_RATE: return channel->out && channel->ce > 1 ? channel->ce - 1 : 1;
    case MODE_SQUARE: {
        uint64_t left = channel->ce / 2 + (channel->out && (channel->running & 1) ? 1 : 0);
        return left ? left : 1;
    }
    }
    return 0;
}

/* Let CE count `clocks` down without reaching a change. */
static void count_down(struct channel *channel, uint64_t clocks)
{
    uint64_t by = channel->mode == MODE_SQUARE ? 2 * clocks : clocks;
    if (is_periodic(channel))
        channel->ce = by >= channel->ce ? 0 : channel->ce - (uint32_t)by;
    else
        channel->ce = (uint32_t)((channel->ce + modulus(channel) - by % modulus(channel)) % modulus(channel));
}

/* The change that to_next_change() announced, at its clock. */
static void change(struct channel *channel)
{
    switch ((enum channel_mode)channel->mode) {
    case MODE_TERMINAL:
    case MODE_ONE_SHOT:
        channel->out = true;
        channel->armed = false;
        break;
    case MODE_STROBE:
    case MODE_HW_STROBE:
        channel->out = channel->strobe; /* low at the end of the count, high again one clock later */
        channel->strobe = !channel->strobe;
        channel->armed = false;
        break;
    case MODE_RATE:
        if (channel->out && channel->ce <= 1 && channel->running > 1) {
            channel->out = false;
            break;
        }
        channel->out = true;
        channel->periods++;
        load(channel);
        break;
    case MODE_SQUARE:
        channel->out = !channel->out;
        channel->periods += channel->out;
        load(channel);
        break;
    }
}

/* A rate of one clock is illegal (DS "mode 2", "mode 3"): here OUT stays as it is until another count comes.
 */
static bool is_stuck(const struct channel *channel)
{
    return is_periodic(channel) && channel->running < 2 && !channel->null_count;
}

/* Skip whole periods of modes 2 and 3 that lie before `clock`. Only at the start of a period and with no new
 * count waiting in CR: then every period is the same. */
static void skip_periods(struct channel *channel, uint64_t clock)
{
    if (!is_periodic(channel) || !runs(channel) || channel->null_count)
        return;
    if (is_stuck(channel)) {
        channel->at = clock;
        return;
    }
    uint32_t start = channel->mode == MODE_SQUARE ? channel->running & ~1u : channel->running;
    if (!channel->out || channel->ce != start)
        return;
    uint64_t whole = (clock - channel->at) / channel->running;
    channel->at += whole * channel->running;
    channel->periods += (uint32_t)whole;
}

/* Carry the channel from `at` to `clock`, which may be far ahead. */
static void channel_run(struct channel *channel, uint64_t clock)
{
    while (channel->at < clock) {
        uint64_t limit = channel->load_at && channel->load_at < clock ? channel->load_at : clock;
        skip_periods(channel, limit);
        uint64_t step = to_next_change(channel);
        bool changes = step != 0 && step <= limit - channel->at;
        if (!changes)
            step = limit - channel->at;
        if (runs(channel))
            count_down(channel, step);
        channel->at += step;
        if (changes)
            change(channel);
        if (channel->load_at == channel->at && channel->load_at != 0) {
            channel->load_at = 0;
            load(channel);
            channel->armed = !is_periodic(channel);
            channel->strobe = false;
            /* A trigger starts the pulse of mode 1; a load ends the strobe of modes 4 and 5 and starts a
             * period of modes 2 and 3 with OUT high. Mode 0 went low when the count was written. */
            if (channel->mode != MODE_TERMINAL)
                channel->out = channel->mode != MODE_ONE_SHOT;
        }
    }
}

/* The clock of the next change of OUT, 0 when none is coming. A pending load decides only what happens after
 * it, so it counts as a change. */
static uint64_t next_change_clock(const struct channel *channel)
{
    uint64_t step = to_next_change(channel);
    uint64_t when = step ? channel->at + step : 0;
    if (channel->load_at != 0 && (when == 0 || channel->load_at < when))
        when = channel->load_at;
    return when;
}

/* ---- Time ---- */

static void run_to_now(struct i8254 *pit)
{
    const struct event_queue *queue = pit->device.env->queue;
    uint64_t clock = ticks_to(queue, queue->now, I8254_HZ);
    for (unsigned i = 0; i < CHANNELS; i++)
        channel_run(&pit->state.channels[i], clock);
}

/* Drive OUT of channel 0 and schedule its next change. */
static void output_update(struct i8254 *pit)
{
    struct event_queue *queue = pit->device.env->queue;
    const struct channel *channel = &pit->state.channels[0];
    irq_set(&pit->out0, channel->out);
    uint64_t clock = next_change_clock(channel);
    if (clock == 0 || (is_stuck(channel) && channel->load_at == 0))
        event_cancel(queue, &pit->event);
    else
        event_schedule(queue, &pit->event, ticks_from(queue, clock, I8254_HZ));
}

static void event_fired(struct event *event, tick_t late)
{
    (void)late;
    struct i8254 *pit = CONTAINER_OF(event, struct i8254, event);
    run_to_now(pit);
    output_update(pit);
}

/* ---- Writes ---- */

/* A complete count is in CR. */
static void count_written(struct channel *channel)
{
    channel->null_count = channel->written = true;
    bool hardware = channel->mode == MODE_ONE_SHOT || channel->mode == MODE_HW_STROBE;
    bool at_period_end = is_periodic(channel) && channel->loaded;
    if (!hardware && !at_period_end)
        channel->load_at = channel->at + 1;
}

static void write_count(struct channel *channel, uint8_t value)
{
    if (channel->mode == MODE_TERMINAL) { /* the first byte stops counting and lowers OUT (DS "mode 0") */
        channel->out = false;
        channel->armed = false;
        if (channel->access == ACCESS_BOTH && !channel->write_high) {
            channel->counting = false;
            channel->load_at = 0;
        }
    }
    switch ((enum channel_access)channel->access) {
    case ACCESS_LATCH: return; /* no control word yet */
    case ACCESS_LSB: channel->cr = value; break;
    case ACCESS_MSB: channel->cr = (uint16_t)(value << 8); break;
    case ACCESS_BOTH:
        channel->write_high = !channel->write_high;
        if (channel->write_high) {
            channel->low_byte = value;
            return;
        }
        channel->cr = (uint16_t)(value << 8 | channel->low_byte);
        break;
    }
    count_written(channel);
}

static uint16_t current_count(const struct channel *channel)
{
    uint32_t count = channel->ce % modulus(channel);
    return channel->control & CONTROL_BCD ? to_bcd(count) : (uint16_t)count;
}

static void latch_count(struct channel *channel)
{
    if (channel->latch_left != 0) /* held until read (DS "counter latch command") */
        return;
    channel->latched = current_count(channel);
    channel->latch_left = channel->access == ACCESS_BOTH ? 2 : 1;
}

static void latch_status(struct channel *channel)
{
    if (channel->status_latched)
        return;
    channel->status_latched = true;
    channel->status_latch = (uint8_t)((channel->out ? STATUS_OUT : 0) |
                                      (channel->null_count ? STATUS_NULL_COUNT : 0) | channel->control);
}

/* A control word: everything about the channel starts over, except CR, GATE and the clock. */
static void write_mode(struct channel *channel, uint8_t value)
{
    uint8_t mode = value >> CONTROL_MODE_SHIFT & 7;
    channel->mode = mode > MODE_HW_STROBE ? mode - 4 : mode; /* 6 and 7 are 2 and 3 */
    channel->access = value >> CONTROL_ACCESS_SHIFT & 3;
    channel->control = value & 0x3F;
    channel->load_at = 0;
    channel->latch_left = 0;
    channel->status_latched = channel->read_high = channel->write_high = false;
    channel->counting = channel->written = channel->loaded = channel->armed = channel->strobe = false;
    channel->null_count = true;
    channel->out = channel->mode != MODE_TERMINAL;
}

static void write_control(struct i8254 *pit, uint8_t value)
{
    unsigned index = value >> CONTROL_CHANNEL_SHIFT;
    if (index != CONTROL_READ_BACK) {
        struct channel *channel = &pit->state.channels[index];
        if ((value >> CONTROL_ACCESS_SHIFT & 3) == ACCESS_LATCH)
            latch_count(channel);
        else
            write_mode(channel, value);
        return;
    }
    for (unsigned i = 0; i < CHANNELS; i++) {
        if (!(value & (2 << i)))
            continue;
        if (!(value & READ_BACK_NO_COUNT))
            latch_count(&pit->state.channels[i]);
        if (!(value & READ_BACK_NO_STATUS))
            latch_status(&pit->state.channels[i]);
    }
}

static void chip_write(struct device *device, uint32_t offset, unsigned size, uint64_t value)
{
    (void)size;
    struct i8254 *pit = self(device);
    run_to_now(pit);
    if (offset == CONTROL_PORT)
        write_control(pit, (uint8_t)value);
    else
        write_count(&pit->state.channels[offset], (uint8_t)value);
    output_update(pit);
}

/* ---- Reads ---- */

/* Status comes first, then the latched count, then the running count (DS "read-back command"). */
static uint8_t read_channel(struct channel *channel)
{
    if (channel->status_latched) {
        channel->status_latched = false;
        return channel->status_latch;
    }
    uint16_t count = current_count(channel);
    if (channel->latch_left != 0) {
        channel->latch_left--;
        count = channel->latched;
    }
    bool high = channel->access == ACCESS_MSB;
    if (channel->access == ACCESS_BOTH) {
        high = channel->read_high;
        channel->read_high = !channel->read_high;
    }
    return (uint8_t)(high ? count >> 8 : count);
}

static uint64_t chip_read(struct device *device, uint32_t offset, unsigned size)
{
    (void)size;
    struct i8254 *pit = self(device);
    if (offset == CONTROL_PORT) /* write only; the bus floats */
        return 0xFF;
    run_to_now(pit);
    return read_channel(&pit->state.channels[offset]);
}

/* ---- Port 0x61 ---- */

static void set_gate(struct channel *channel, bool gate)
{
    bool rising = gate && !channel->gate;
    channel->gate = gate;
    if (is_periodic(channel) && !gate) {
        channel->out = true;
        return;
    }
    bool triggers = channel->mode != MODE_TERMINAL && channel->mode != MODE_STROBE;
    if (rising && triggers && channel->written)
        channel->load_at = channel->at + 1;
}

static uint64_t port61_read(struct device *device, uint32_t offset, unsigned size)
{
    (void)offset, (void)size;
    struct i8254 *pit = self(device);
    run_to_now(pit);
    uint8_t value = pit->state.port61;
    if (pit->state.channels[1].periods & 1)
        value |= P61_REFRESH;
    if (pit->state.channels[2].out)
        value |= P61_OUT2;
    return value;
}

static void port61_write(struct device *device, uint32_t offset, unsigned size, uint64_t value)
{
    (void)offset, (void)size;
    struct i8254 *pit = self(device);
    run_to_now(pit);
    pit->state.port61 = value & P61_WRITABLE;
    set_gate(&pit->state.channels[2], (value & P61_GATE2) != 0);
}

/* ---- Class ---- */

/* The data sheet leaves the power-on state undefined: OUT is high and nothing counts until programmed. */
static void reset(struct device *device)
{
    struct i8254 *pit = self(device);
    const struct event_queue *queue = device->env->queue;
    memset(&pit->state, 0, sizeof pit->state);
    for (unsigned i = 0; i < CHANNELS; i++) {
        pit->state.channels[i].at = ticks_to(queue, queue->now, I8254_HZ);
        pit->state.channels[i].gate = i != 2;
        pit->state.channels[i].out = true;
    }
    output_update(pit);
}

static void loaded(struct device *device)
{
    output_update(self(device)); /* channels stay as saved until the next look */
}

static void destroy(struct device *device)
{
    struct i8254 *pit = self(device);
    event_cancel(device->env->queue, &pit->event);
    free(pit);
}

static const struct io_window windows[] = {
    [I8254_WINDOW_CHIP] = {"pit", 4, 1, 1, chip_read, chip_write},
    [I8254_WINDOW_PORT61] = {"port61", 1, 1, 1, port61_read, port61_write},
};

static const struct device_class i8254_class = {
    .name = "i8254",
    .description = "8254 programmable interval timer and port 0x61",
    .state_offset = offsetof(struct i8254, state),
    .state_size = sizeof(struct i8254_state),
    .windows = windows,
    .window_count = ARRAY_LEN(windows),
    .reset = reset,
    .loaded = loaded,
    .destroy = destroy,
};

struct device *i8254_create(const struct device_env *env, const struct irq_wire *out0)
{
    struct i8254 *pit = xcalloc(1, sizeof *pit);
    device_init(&pit->device, &i8254_class, env, 0);
    pit->out0 = *out0;
    event_init(&pit->event, "pit-out0", EVENT_ORDER_DEVICE, event_fired);
    reset(&pit->device);
    return &pit->device;
}
