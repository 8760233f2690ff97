/* VGA display adapter: standard registers, 256 KB of memory, and its screen for whoever shows it. */
#ifndef CROSSPAGE_DEVICES_VGA_H
#define CROSSPAGE_DEVICES_VGA_H

#include "devices/device.h"

/* Windows: 0 = ports 0x3B0..0x3DF (mapped in parts: 3B4, 3B5, 3BA and 3C0..3DF), 1 = memory 0xA0000, 128 KB.
 */
enum { VGA_WINDOW_PORTS, VGA_WINDOW_MEMORY };

struct device *vga_create(const struct device_env *env);

/* The screen in text mode: its size, and cells of character (low byte) and attribute. False in graphics
 * modes. Outside of the screen a cell is 0. */
struct vga_text {
    unsigned columns, rows;
    unsigned cursor_column, cursor_row; /* may lie outside: then no cursor shows */
    bool cursor;
};
bool vga_text_mode(struct device *device, struct vga_text *text);
uint16_t vga_text_cell(struct device *device, unsigned column, unsigned row);

/* The characters of a row as ASCII, unprintable ones as blanks, trailing blanks removed, terminated. Returns
 * their number; `size` is that of `to`, at least 1. */
size_t vga_text_row(struct device *device, unsigned row, char *to, size_t size);

/* The picture as 0x00RRGGBB pixels, in any mode. Returns its size; draws only if width * height <= capacity.
 */
struct vga_size {
    unsigned width, height;
};
struct vga_size vga_render(struct device *device, uint32_t *pixels, size_t capacity);

#endif
