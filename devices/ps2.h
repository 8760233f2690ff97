/* PS/2 keyboard and mouse as the keyboard controller sees them: bytes in, bytes out. Used by i8042.c only;
 * the two devices have no wires of their own. */
#ifndef CROSSPAGE_DEVICES_PS2_H
#define CROSSPAGE_DEVICES_PS2_H

#include "base/types.h"

enum { PS2_QUEUE = 64 }; /* bytes a device holds back; real keyboards have 16 */

struct ps2_queue {
    uint8_t bytes[PS2_QUEUE];
    uint8_t head, count;
};

struct ps2_keyboard {
    struct ps2_queue queue;
    uint8_t expects;  /* command whose parameter byte comes next, 0 = none */
    uint8_t scan_set; /* 1 or 2 */
    uint8_t leds, typematic;
    uint8_t last; /* last byte sent, for resend */
    bool scanning;
};

struct ps2_mouse {
    struct ps2_queue queue;
    uint8_t expects;
    uint8_t resolution, sample_rate, buttons;
    uint8_t last;
    bool reporting, remote, wrap, scale2;
    int32_t dx, dy; /* motion not yet reported */
};

void ps2_keyboard_reset(struct ps2_keyboard *keyboard);
void ps2_keyboard_write(struct ps2_keyboard *keyboard, uint8_t byte);
void ps2_keyboard_key(struct ps2_keyboard *keyboard, uint8_t key, bool down);

void ps2_mouse_reset(struct ps2_mouse *mouse);
void ps2_mouse_write(struct ps2_mouse *mouse, uint8_t byte);
void ps2_mouse_move(struct ps2_mouse *mouse, int dx, int dy, uint8_t buttons);

/* Take the next byte to send; false = none. */
bool ps2_queue_pop(struct ps2_queue *queue, uint8_t *byte);

/* What the controller's translation makes of a byte of scan code set 2 (release prefix F0 is handled by the
 * caller). */
uint8_t ps2_translate(uint8_t byte);

#endif
