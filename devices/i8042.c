/* 8042 keyboard controller of a PS/2 style PC, with its two devices, and system control port A.
 *
 * Source: IBM PS/2 Hardware Interface Technical Reference, "Keyboard and auxiliary device controller", in the
 * text "HI"; UM8042/VT82C42 data sheet for the commands of compatible chips; PIIX3 data sheet section 2.5.4
 * for port 0x92. Left out: the serial lines bit by bit (a byte from a device takes 880 us, 11 bits at 12.5
 * kHz; bytes to a device take none), security lock, multiplexing.
 *
 *   keyboard queue --880 us--> \
 *                               output buffer (OBF, AUX) --port 0x60--> processor
 *   mouse queue    --880 us--> /        ^
 *   controller answers ----------------/ at once, they go first
 *
 * Interrupt lines follow the output buffer: IRQ 1 = full, from the keyboard, enabled; IRQ 12 the same for the
 * mouse. Answers of the controller itself raise IRQ 1 too (HI: they are keyboard-side bytes).
 *
 * Invariants: (1) answers.count > 0 implies OBF; (2) `due` is pending iff a device has a byte, its interface
 * is enabled and OBF is clear; (3) IRQ 1 and IRQ 12 are never both high. */
#include "devices/i8042.h"

#include "base/check.h"
#include "devices/ps2.h"

#include <stdlib.h>
#include <string.h>

enum {
    STATUS_OBF = 0x01,
    STATUS_SYSTEM = 0x04,
    STATUS_COMMAND = 0x08, /* the last write went to port 0x64 */
    STATUS_UNLOCKED = 0x10,
    STATUS_AUX = 0x20, /* the output buffer holds a byte of the mouse */

    /* Command byte: RAM byte 0. */
    MODE_IRQ1 = 0x01,
    MODE_IRQ12 = 0x02,
    MODE_SYSTEM = 0x04,
    MODE_KEYBOARD_OFF = 0x10,
    MODE_MOUSE_OFF = 0x20,
    MODE_TRANSLATE = 0x40,

    /* Output port. */
    OUT_RESET = 0x01, /* low resets the processor */
    OUT_A20 = 0x02,
    OUT_IRQ1 = 0x10,
    OUT_IRQ12 = 0x20,
    OUT_UNUSED = 0xCC,

    PORT92_INIT = 0x01,
    PORT92_A20 = 0x02,

    RELEASE = 0xF0, /* set 2 break prefix, merged into bit 7 by translation */
    RAM_SIZE = 32,
    ANSWERS = 4,
    BYTE_BITS = 11,
    LINE_HZ = 12500,
};

enum controller_command {
    COMMAND_READ_RAM = 0x20,
    COMMAND_WRITE_RAM = 0x60,
    COMMAND_MOUSE_OFF = 0xA7,
    COMMAND_MOUSE_ON = 0xA8,
    COMMAND_MOUSE_TEST = 0xA9,
    COMMAND_SELF_TEST = 0xAA,
    COMMAND_KEYBOARD_TEST = 0xAB,
    COMMAND_KEYBOARD_OFF = 0xAD,
    COMMAND_KEYBOARD_ON = 0xAE,
    COMMAND_READ_INPUT = 0xC0,
    COMMAND_READ_OUTPUT = 0xD0,
    COMMAND_WRITE_OUTPUT = 0xD1,
    COMMAND_FAKE_KEYBOARD = 0xD2,
    COMMAND_FAKE_MOUSE = 0xD3,
    COMMAND_TO_MOUSE = 0xD4,
    COMMAND_A20_OFF = 0xDD,
    COMMAND_A20_ON = 0xDF,
    COMMAND_READ_TEST = 0xE0,
    COMMAND_PULSE = 0xF0,
};

/* A byte on its way to the output buffer. */
struct answer {
    uint8_t byte;
    bool aux;
};

struct i8042_state {
    tick_t due; /* when the next byte of a device arrives, TICK_NEVER = none on the way */
    uint8_t ram[RAM_SIZE];
    uint8_t status, output, expects; /* expects: command whose data byte comes next, 0 = none */
    uint8_t output_port, port92;
    bool release; /* translation has swallowed a release prefix */
    uint8_t answer_count;
    struct answer answers[ANSWERS]; /* of the controller, waiting behind the output buffer */
    struct ps2_keyboard keyboard;
    struct ps2_mouse mouse;
};

struct i8042 {
    struct device device;
    struct i8042_state state;
    struct i8042_wires wires;
    struct event event;
};

static struct i8042 *self(struct device *device)
{
    return CONTAINER_OF(device, struct i8042, device);
}

/* ---- Output buffer ---- */

static bool keyboard_may_send(const struct i8042_state *state)
{
    return state->keyboard.queue.count != 0 && !(state->ram[0] & MODE_KEYBOARD_OFF);
}

static bool mouse_may_send(const struct i8042_state *state)
{
    return state->mouse.queue.count != 0 && !(state->ram[0] & MODE_MOUSE_OFF);
}

/* Bring wires and the pending transfer in line with the state. */
static void update(struct i8042 *kbc)
{
    struct i8042_state *state = &kbc->state;
    bool full = state->status & STATUS_OBF, aux = state->status & STATUS_AUX;
    bool irq1 = full && !aux && (state->ram[0] & MODE_IRQ1);
    bool irq12 = full && aux && (state->ram[0] & MODE_IRQ12);
    state->output_port &= (uint8_t) ~(OUT_IRQ1 | OUT_IRQ12);
    state->output_port |= (uint8_t)((irq1 ? OUT_IRQ1 : 0) | (irq12 ? OUT_IRQ12 : 0));
    irq_set(&kbc->wires.keyboard, irq1);
    irq_set(&kbc->wires.mouse, irq12);

    struct event_queue *queue = kbc->device.env->queue;
    bool transfer = !full && (keyboard_may_send(state) || mouse_may_send(state));
    if (!transfer) {
        state->due = TICK_NEVER;
        event_cancel(queue, &kbc->event);
    } else if (state->due == TICK_NEVER) {
        state->due = queue->now + ticks_from(queue, BYTE_BITS, LINE_HZ);
        event_schedule(queue, &kbc->event, state->due);
    }
}

static void fill(struct i8042 *kbc, uint8_t byte, bool aux)
{
    struct i8042_state *state = &kbc->state;
    state->output = byte;
    state->status = (uint8_t)((state->status & ~STATUS_AUX) | STATUS_OBF | (aux ? STATUS_AUX : 0));
}

/* An answer of the controller itself; waits if the buffer is full. */
static void answer(struct i8042 *kbc, uint8_t byte, bool aux)
{
    struct i8042_state *state = &kbc->state;
    if (!(state->status & STATUS_OBF))
        fill(kbc, byte, aux);
    else if (state->answer_count < ANSWERS)
        state->answers[state->answer_count++] = (struct answer){byte, aux};
}

/* A byte of a device has arrived. Translation turns set 2 into set 1 and merges the release prefix. */
static void byte_arrived(struct event *event, tick_t late)
{
    (void)late;
    struct i8042 *kbc = CONTAINER_OF(event, struct i8042, event);
    struct i8042_state *state = &kbc->state;
    uint8_t byte;
    state->due = TICK_NEVER;
    if (keyboard_may_send(state) && ps2_queue_pop(&state->keyboard.queue, &byte)) {
        state->keyboard.last = byte;
        if (!(state->ram[0] & MODE_TRANSLATE)) {
            fill(kbc, byte, false);
        } else if (byte == RELEASE) {
            state->release = true;
        } else {
            fill(kbc, ps2_translate(byte) | (state->release ? 0x80 : 0), false);
            state->release = false;
        }
    } else if (mouse_may_send(state) && ps2_queue_pop(&state->mouse.queue, &byte)) {
        state->mouse.last = byte;
        fill(kbc, byte, true);
    }
    update(kbc);
}

/* ---- Commands ---- */

static void a20_update(struct i8042 *kbc)
{
    const struct i8042_state *state = &kbc->state;
    irq_set(&kbc->wires.a20, (state->output_port & OUT_A20) || (state->port92 & PORT92_A20));
}

static void pulse_init(struct i8042 *kbc)
{
    irq_set(&kbc->wires.init, true);
    irq_set(&kbc->wires.init, false);
}

static void write_output_port(struct i8042 *kbc, uint8_t value)
{
    kbc->state.output_port = value;
    a20_update(kbc);
    if (!(value & OUT_RESET)) /* held low: the board can only pulse it, and the processor starts over */
        pulse_init(kbc);
}

static void write_ram(struct i8042_state *state, unsigned index, uint8_t value)
{
    state->ram[index] = value;
    if (index == 0)
        state->status =
            (uint8_t)((state->status & ~STATUS_SYSTEM) | (value & MODE_SYSTEM ? STATUS_SYSTEM : 0));
}

static void set_mode(struct i8042_state *state, uint8_t bit, bool on)
{
    state->ram[0] = (uint8_t)(on ? state->ram[0] | bit : state->ram[0] & ~bit);
}

static void self_test(struct i8042 *kbc)
{
    struct i8042_state *state = &kbc->state;
    state->answer_count = 0;
    state->status |= STATUS_SYSTEM;
    state->ram[0] |= MODE_SYSTEM;
    answer(kbc, 0x55, false);
}

static void command(struct i8042 *kbc, uint8_t value)
{
    struct i8042_state *state = &kbc->state;
    state->expects = 0;
    if (value >= COMMAND_READ_RAM && value < COMMAND_READ_RAM + RAM_SIZE) {
        answer(kbc, state->ram[value - COMMAND_READ_RAM], false);
        return;
    }
    if ((value >= COMMAND_WRITE_RAM && value < COMMAND_WRITE_RAM + RAM_SIZE) ||
        (value >= COMMAND_WRITE_OUTPUT && value <= COMMAND_TO_MOUSE)) {
        state->expects = value;
        return;
    }
    if (value >= COMMAND_PULSE) { /* bits that are zero are pulsed; bit 0 is the processor's reset */
        if (!(value & OUT_RESET))
            pulse_init(kbc);
        return;
    }
    switch (value) {
    case COMMAND_MOUSE_OFF: set_mode(state, MODE_MOUSE_OFF, true); break;
    case COMMAND_MOUSE_ON: set_mode(state, MODE_MOUSE_OFF, false); break;
    case COMMAND_KEYBOARD_OFF: set_mode(state, MODE_KEYBOARD_OFF, true); break;
    case COMMAND_KEYBOARD_ON: set_mode(state, MODE_KEYBOARD_OFF, false); break;
    case COMMAND_MOUSE_TEST:
    case COMMAND_KEYBOARD_TEST: answer(kbc, 0, false); break; /* lines are fine */
    case COMMAND_SELF_TEST: self_test(kbc); break;
    case COMMAND_READ_INPUT: answer(kbc, 0xA0, false); break; /* not locked, colour display */
    case COMMAND_READ_OUTPUT: answer(kbc, state->output_port, false); break;
    case COMMAND_A20_OFF:
        state->output_port &= (uint8_t)~OUT_A20;
        a20_update(kbc);
        break;
    case COMMAND_A20_ON:
        state->output_port |= OUT_A20;
        a20_update(kbc);
        break;
    case COMMAND_READ_TEST: answer(kbc, 0, false); break;
    default: log_line(kbc->device.env->log, LOG_UNIMP, "i8042: command 0x%02x is unknown", value);
    }
}

static void data(struct i8042 *kbc, uint8_t value)
{
    struct i8042_state *state = &kbc->state;
    uint8_t expects = state->expects;
    state->expects = 0;
    if (expects >= COMMAND_WRITE_RAM && expects < COMMAND_WRITE_RAM + RAM_SIZE) {
        write_ram(state, expects - COMMAND_WRITE_RAM, value);
        return;
    }
    switch (expects) {
    case COMMAND_WRITE_OUTPUT: write_output_port(kbc, value); break;
    case COMMAND_FAKE_KEYBOARD: fill(kbc, value, false); break;
    case COMMAND_FAKE_MOUSE: fill(kbc, value, true); break;
    case COMMAND_TO_MOUSE: /* sending to a device enables its interface (HI) */
        set_mode(state, MODE_MOUSE_OFF, false);
        ps2_mouse_write(&state->mouse, value);
        break;
    default: set_mode(state, MODE_KEYBOARD_OFF, false); ps2_keyboard_write(&state->keyboard, value);
    }
}

/* ---- Ports ---- */

static uint64_t data_read(struct device *device, uint32_t offset, unsigned size)
{
    (void)offset, (void)size;
    struct i8042 *kbc = self(device);
    struct i8042_state *state = &kbc->state;
    uint8_t value = state->output; /* an empty buffer still shows its last byte */
    state->status &= (uint8_t) ~(STATUS_OBF | STATUS_AUX);
    if (state->answer_count != 0) {
        const struct answer next = state->answers[0];
        state->answer_count--;
        memmove(state->answers, state->answers + 1, state->answer_count * sizeof state->answers[0]);
        fill(kbc, next.byte, next.aux);
        /* A new byte is a new edge of the interrupt. */
        irq_set(&kbc->wires.keyboard, false);
        irq_set(&kbc->wires.mouse, false);
    }
    update(kbc);
    return value;
}

static void data_write(struct device *device, uint32_t offset, unsigned size, uint64_t value)
{
    (void)offset, (void)size;
    struct i8042 *kbc = self(device);
    kbc->state.status &= (uint8_t)~STATUS_COMMAND;
    data(kbc, (uint8_t)value);
    update(kbc);
}

static uint64_t status_read(struct device *device, uint32_t offset, unsigned size)
{
    (void)offset, (void)size;
    return self(device)->state.status;
}

static void command_write(struct device *device, uint32_t offset, unsigned size, uint64_t value)
{
    (void)offset, (void)size;
    struct i8042 *kbc = self(device);
    kbc->state.status |= STATUS_COMMAND;
    command(kbc, (uint8_t)value);
    update(kbc);
}

static uint64_t port92_read(struct device *device, uint32_t offset, unsigned size)
{
    (void)offset, (void)size;
    return self(device)->state.port92;
}

/* Fast INIT acts on the rising edge of bit 0 (PIIX3 2.5.4). */
static void port92_write(struct device *device, uint32_t offset, unsigned size, uint64_t value)
{
    (void)offset, (void)size;
    struct i8042 *kbc = self(device);
    bool rising = (value & PORT92_INIT) && !(kbc->state.port92 & PORT92_INIT);
    kbc->state.port92 = value & (PORT92_INIT | PORT92_A20);
    a20_update(kbc);
    if (rising)
        pulse_init(kbc);
}

/* ---- Input ---- */

void i8042_key(struct device *device, uint8_t key, bool down)
{
    struct i8042 *kbc = self(device);
    ps2_keyboard_key(&kbc->state.keyboard, key, down);
    update(kbc);
}

void i8042_mouse(struct device *device, int dx, int dy, uint8_t buttons)
{
    struct i8042 *kbc = self(device);
    ps2_mouse_move(&kbc->state.mouse, dx, dy, buttons);
    update(kbc);
}

/* ---- Class ---- */

static void reset(struct device *device)
{
    struct i8042 *kbc = self(device);
    struct i8042_state *state = &kbc->state;
    event_cancel(device->env->queue, &kbc->event);
    memset(state, 0, sizeof *state);
    state->due = TICK_NEVER;
    state->status = STATUS_UNLOCKED | STATUS_COMMAND;
    state->ram[0] = MODE_IRQ1 | MODE_IRQ12;
    state->output_port = OUT_RESET | OUT_A20 | OUT_UNUSED;
    ps2_keyboard_reset(&state->keyboard);
    ps2_mouse_reset(&state->mouse);
    a20_update(kbc);
    update(kbc);
}

static void loaded(struct device *device)
{
    struct i8042 *kbc = self(device);
    if (kbc->state.due != TICK_NEVER)
        event_schedule(device->env->queue, &kbc->event, kbc->state.due);
    a20_update(kbc);
    update(kbc);
}

static void destroy(struct device *device)
{
    struct i8042 *kbc = self(device);
    event_cancel(device->env->queue, &kbc->event);
    free(kbc);
}

static const struct io_window windows[] = {
    [I8042_WINDOW_DATA] = {"kbd-data", 1, 1, 1, data_read, data_write},
    [I8042_WINDOW_COMMAND] = {"kbd-command", 1, 1, 1, status_read, command_write},
    [I8042_WINDOW_PORT92] = {"port92", 1, 1, 1, port92_read, port92_write},
};

static const struct device_class i8042_class = {
    .name = "i8042",
    .description = "keyboard controller with PS/2 keyboard and mouse, port 0x92",
    .state_offset = offsetof(struct i8042, state),
    .state_size = sizeof(struct i8042_state),
    .windows = windows,
    .window_count = ARRAY_LEN(windows),
    .reset = reset,
    .loaded = loaded,
    .destroy = destroy,
};

struct device *i8042_create(const struct device_env *env, const struct i8042_wires *wires)
{
    struct i8042 *kbc = xcalloc(1, sizeof *kbc);
    device_init(&kbc->device, &i8042_class, env, 0);
    kbc->wires = *wires;
    event_init(&kbc->event, "kbd-byte", EVENT_ORDER_DEVICE, byte_arrived);
    reset(&kbc->device);
    return &kbc->device;
}
