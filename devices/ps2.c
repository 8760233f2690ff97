/* PS/2 keyboard and mouse: their command sets.
 *
 * Source: IBM PS/2 Hardware Interface Technical Reference (1988), sections "Keyboards (101- and 102-key)" and
 * "PS/2 mouse"; scan codes in ps2_scan.def. Left out: scan code set 3 (selecting it is acknowledged and
 * ignored), typematic repeat (hosts repeat by themselves) and the mouse's wheel extensions.
 *
 * A command byte is answered by ACK before its own answer; a byte that expects a parameter sets `expects`.
 * Invariant: queue.count <= PS2_QUEUE; answers that do not fit are dropped with the command. */
#include "devices/ps2.h"

#include <string.h>

enum {
    ACK = 0xFA,
    RESEND = 0xFE,
    SELF_TEST_OK = 0xAA,
    RELEASE = 0xF0, /* prefix of a break code in set 2 */
    EXTENDED = 0xE0,
};

static void push(struct ps2_queue *queue, uint8_t byte)
{
    if (queue->count < PS2_QUEUE)
        queue->bytes[(queue->head + queue->count++) % PS2_QUEUE] = byte;
}

bool ps2_queue_pop(struct ps2_queue *queue, uint8_t *byte)
{
    if (queue->count == 0)
        return false;
    *byte = queue->bytes[queue->head];
    queue->head = (queue->head + 1) % PS2_QUEUE;
    queue->count--;
    return true;
}

static void clear(struct ps2_queue *queue)
{
    queue->head = queue->count = 0;
}

/* ---- Scan codes ---- */

uint8_t ps2_translate(uint8_t byte)
{
    static const uint8_t set1_of[256] = {
#define SCAN(set2, set1) [set2] = set1,
#include "devices/ps2_scan.def"
#undef SCAN
    };
    /* Bytes without a key pass unchanged: answers such as ACK and ID bytes. */
    return set1_of[byte] ? set1_of[byte] : byte;
}

static uint8_t set2_of(uint8_t set1)
{
    static const uint8_t table[128] = {
#define SCAN(set2, set1) [set1] = set2,
#include "devices/ps2_scan.def"
#undef SCAN
    };
    return table[set1 & 0x7F];
}

void ps2_keyboard_key(struct ps2_keyboard *keyboard, uint8_t key, bool down)
{
    uint8_t set1 = key & 0x7F, set2 = set2_of(set1);
    if (!keyboard->scanning || set2 == 0 || keyboard->queue.count + 3 > PS2_QUEUE)
        return;
    if (key & 0x80)
        push(&keyboard->queue, EXTENDED);
    if (keyboard->scan_set == 1) {
        push(&keyboard->queue, down ? set1 : set1 | 0x80);
        return;
    }
    if (!down)
        push(&keyboard->queue, RELEASE);
    push(&keyboard->queue, set2);
}

/* ---- Keyboard ---- */

enum keyboard_command {
    KEYBOARD_LEDS = 0xED,
    KEYBOARD_ECHO = 0xEE,
    KEYBOARD_SCAN_SET = 0xF0,
    KEYBOARD_ID = 0xF2,
    KEYBOARD_TYPEMATIC = 0xF3,
    KEYBOARD_ENABLE = 0xF4,
    KEYBOARD_DISABLE = 0xF5,
    KEYBOARD_DEFAULT = 0xF6,
    KEYBOARD_ALL_FIRST = 0xF7, /* key types of set 3, to FA for all keys, FB to FD for one */
    KEYBOARD_ONE_FIRST = 0xFB,
    KEYBOARD_ONE_LAST = 0xFD,
    KEYBOARD_RESEND = 0xFE,
    KEYBOARD_RESET = 0xFF,
};

static void keyboard_defaults(struct ps2_keyboard *keyboard)
{
    keyboard->scan_set = 2;
    keyboard->typematic = 0x2B; /* 500 ms, 10.9 per second */
}

void ps2_keyboard_reset(struct ps2_keyboard *keyboard)
{
    memset(keyboard, 0, sizeof *keyboard);
    keyboard_defaults(keyboard);
    keyboard->scanning = true;
}

static void keyboard_parameter(struct ps2_keyboard *keyboard, uint8_t command, uint8_t value)
{
    push(&keyboard->queue, ACK);
    if (command == KEYBOARD_LEDS)
        keyboard->leds = value & 7;
    else if (command == KEYBOARD_TYPEMATIC)
        keyboard->typematic = value & 0x7F;
    else if (command == KEYBOARD_SCAN_SET && value == 0)
        push(&keyboard->queue, keyboard->scan_set);
    else if (command == KEYBOARD_SCAN_SET && value <= 2)
        keyboard->scan_set = value;
}

void ps2_keyboard_write(struct ps2_keyboard *keyboard, uint8_t byte)
{
    struct ps2_queue *queue = &keyboard->queue;
    uint8_t command = keyboard->expects;
    keyboard->expects = 0;
    if (command != 0 && byte < KEYBOARD_LEDS) { /* a command instead of a parameter is taken as command */
        keyboard_parameter(keyboard, command, byte);
        return;
    }
    switch (byte) {
    case KEYBOARD_ECHO: push(queue, KEYBOARD_ECHO); return;
    case KEYBOARD_RESEND: push(queue, keyboard->last); return;
    case KEYBOARD_RESET:
        ps2_keyboard_reset(keyboard);
        push(queue, ACK);
        push(queue, SELF_TEST_OK);
        return;
    case KEYBOARD_LEDS:
    case KEYBOARD_SCAN_SET:
    case KEYBOARD_TYPEMATIC: keyboard->expects = byte; break;
    case KEYBOARD_ID:
        push(queue, ACK);
        push(queue, 0xAB);
        push(queue, 0x83);
        return;
    case KEYBOARD_ENABLE:
        clear(queue);
        keyboard->scanning = true;
        break;
    case KEYBOARD_DISABLE:
        keyboard_defaults(keyboard);
        clear(queue);
        keyboard->scanning = false;
        break;
    case KEYBOARD_DEFAULT:
        keyboard_defaults(keyboard);
        clear(queue);
        break;
    default:
        if (byte >= KEYBOARD_ONE_FIRST && byte <= KEYBOARD_ONE_LAST) {
            keyboard->expects = byte;
        } else if (byte < KEYBOARD_ALL_FIRST) {
            push(queue, RESEND);
            return;
        }
    }
    push(queue, ACK);
}

/* ---- Mouse ---- */

enum mouse_command {
    MOUSE_SCALE1 = 0xE6,
    MOUSE_SCALE2 = 0xE7,
    MOUSE_RESOLUTION = 0xE8,
    MOUSE_STATUS = 0xE9,
    MOUSE_STREAM = 0xEA,
    MOUSE_POLL = 0xEB,
    MOUSE_WRAP_OFF = 0xEC,
    MOUSE_WRAP = 0xEE,
    MOUSE_REMOTE = 0xF0,
    MOUSE_ID = 0xF2,
    MOUSE_RATE = 0xF3,
    MOUSE_ENABLE = 0xF4,
    MOUSE_DISABLE = 0xF5,
    MOUSE_DEFAULT = 0xF6,
    MOUSE_RESEND = 0xFE,
    MOUSE_RESET = 0xFF,
};

void ps2_mouse_reset(struct ps2_mouse *mouse)
{
    memset(mouse, 0, sizeof *mouse);
    mouse->resolution = 2; /* 4 counts per mm */
    mouse->sample_rate = 100;
}

static int clamp(int value)
{
    return value < -255 ? -255 : value > 255 ? 255 : value;
}

/* Packet: signs and buttons, dx, dy. What does not fit stays for the next packet. */
static void mouse_packet(struct ps2_mouse *mouse)
{
    int dx = clamp(mouse->dx), dy = clamp(mouse->dy);
    mouse->dx -= dx;
    mouse->dy -= dy;
    push(&mouse->queue, (uint8_t)(0x08 | (mouse->buttons & 7) | (dx < 0 ? 0x10 : 0) | (dy < 0 ? 0x20 : 0)));
    push(&mouse->queue, (uint8_t)dx);
    push(&mouse->queue, (uint8_t)dy);
}

void ps2_mouse_move(struct ps2_mouse *mouse, int dx, int dy, uint8_t buttons)
{
    enum { MOTION_LIMIT = 1 << 20 };
    bool same = mouse->buttons == (buttons & 7);
    mouse->buttons = buttons & 7;
    if (mouse->dx + (int64_t)dx > -MOTION_LIMIT && mouse->dx + (int64_t)dx < MOTION_LIMIT)
        mouse->dx += dx;
    if (mouse->dy + (int64_t)dy > -MOTION_LIMIT && mouse->dy + (int64_t)dy < MOTION_LIMIT)
        mouse->dy += dy;
    bool moved = mouse->dx != 0 || mouse->dy != 0 || !same;
    if (mouse->reporting && !mouse->remote && moved && mouse->queue.count + 3 <= PS2_QUEUE)
        mouse_packet(mouse);
}

static void mouse_status(struct ps2_mouse *mouse)
{
    uint8_t buttons = mouse->buttons;
    push(&mouse->queue,
         (uint8_t)((mouse->remote ? 0x40 : 0) | (mouse->reporting ? 0x20 : 0) | (mouse->scale2 ? 0x10 : 0) |
                   (buttons & 1 ? 4 : 0) | (buttons & 4 ? 2 : 0) | (buttons & 2 ? 1 : 0)));
    push(&mouse->queue, mouse->resolution);
    push(&mouse->queue, mouse->sample_rate);
}

void ps2_mouse_write(struct ps2_mouse *mouse, uint8_t byte)
{
    struct ps2_queue *queue = &mouse->queue;
    if (mouse->wrap && byte != MOUSE_WRAP_OFF && byte != MOUSE_RESET) {
        push(queue, byte);
        return;
    }
    if (mouse->expects != 0) {
        *(mouse->expects == MOUSE_RATE ? &mouse->sample_rate : &mouse->resolution) = byte;
        mouse->expects = 0;
        push(queue, ACK);
        return;
    }
    switch (byte) {
    case MOUSE_RESET:
        ps2_mouse_reset(mouse);
        push(queue, ACK);
        push(queue, SELF_TEST_OK);
        push(queue, 0); /* ID of a standard mouse */
        return;
    case MOUSE_DEFAULT: ps2_mouse_reset(mouse); break;
    case MOUSE_RESEND: push(queue, mouse->last); return;
    case MOUSE_SCALE1:
    case MOUSE_SCALE2: mouse->scale2 = byte == MOUSE_SCALE2; break;
    case MOUSE_RESOLUTION:
    case MOUSE_RATE: mouse->expects = byte; break;
    case MOUSE_STREAM:
    case MOUSE_REMOTE: mouse->remote = byte == MOUSE_REMOTE; break;
    case MOUSE_WRAP_OFF:
    case MOUSE_WRAP: mouse->wrap = byte == MOUSE_WRAP; break;
    case MOUSE_ENABLE:
    case MOUSE_DISABLE: mouse->reporting = byte == MOUSE_ENABLE; break;
    case MOUSE_STATUS:
    case MOUSE_POLL:
    case MOUSE_ID: break; /* answered after the ACK */
    default: push(queue, RESEND); return;
    }
    push(queue, ACK);
    if (byte == MOUSE_STATUS)
        mouse_status(mouse);
    else if (byte == MOUSE_POLL)
        mouse_packet(mouse);
    else if (byte == MOUSE_ID)
        push(queue, 0);
}
