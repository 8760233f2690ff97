/* Registers and state of the VGA, shared by its three files. */
#ifndef CROSSPAGE_DEVICES_VGA_PRIV_H
#define CROSSPAGE_DEVICES_VGA_PRIV_H

#include "devices/vga.h"

enum {
    VGA_PLANES = 4,
    VGA_PLANE_SIZE = 0x10000,

    SEQ_COUNT = 5,
    SEQ_CLOCKING = 1,
    SEQ_MAP_MASK = 2,
    SEQ_FONT = 3,
    SEQ_MEMORY = 4,
    SEQ_CLOCKING_DOTS8 = 0x01,
    SEQ_CLOCKING_HALF = 0x08, /* dot clock divided by two */
    SEQ_CLOCKING_OFF = 0x20,
    SEQ_MEMORY_ODD_EVEN_OFF = 0x04,
    SEQ_MEMORY_CHAIN4 = 0x08,

    GFX_COUNT = 9,
    GFX_SET_RESET = 0,
    GFX_ENABLE_SET_RESET = 1,
    GFX_COLOR_COMPARE = 2,
    GFX_ROTATE = 3,
    GFX_READ_MAP = 4,
    GFX_MODE = 5,
    GFX_MISC = 6,
    GFX_COLOR_DONT_CARE = 7,
    GFX_BIT_MASK = 8,
    GFX_MODE_WRITE = 0x03,
    GFX_MODE_READ = 0x08,
    GFX_MODE_ODD_EVEN = 0x10,
    GFX_MODE_SHIFT_256 = 0x40,
    GFX_MODE_SHIFT_INTERLEAVE = 0x20,
    GFX_MISC_GRAPHICS = 0x01,
    GFX_MISC_MAP_SHIFT = 2,

    CRTC_COUNT = 25,
    CRTC_H_TOTAL = 0x00,
    CRTC_H_DISPLAY_END = 0x01,
    CRTC_V_TOTAL = 0x06,
    CRTC_OVERFLOW = 0x07,
    CRTC_PRESET_ROW = 0x08,
    CRTC_MAX_SCAN = 0x09,
    CRTC_CURSOR_START = 0x0A,
    CRTC_START_HIGH = 0x0C,
    CRTC_CURSOR_HIGH = 0x0E,
    CRTC_V_RETRACE_START = 0x10,
    CRTC_V_RETRACE_END = 0x11,
    CRTC_V_DISPLAY_END = 0x12,
    CRTC_OFFSET = 0x13,
    CRTC_UNDERLINE = 0x14,
    CRTC_MODE = 0x17,
    CRTC_MAX_SCAN_DOUBLE = 0x80,
    CRTC_CURSOR_OFF = 0x20,
    CRTC_PROTECT = 0x80, /* of V_RETRACE_END: registers 0 to 7 */
    CRTC_UNDERLINE_DWORD = 0x40,
    CRTC_MODE_BYTE = 0x40,
    CRTC_MODE_WRAP = 0x20, /* word mode rotates MA15, not MA13, into bit 0 */
    CRTC_MODE_ENABLE = 0x80,

    ATTR_COUNT = 21,
    ATTR_MODE = 0x10,
    ATTR_OVERSCAN = 0x11,
    ATTR_PLANES = 0x12,
    ATTR_PAN = 0x13,
    ATTR_COLOR_SELECT = 0x14,
    ATTR_MODE_GRAPHICS = 0x01,
    ATTR_MODE_LINE_GRAPHICS = 0x04,
    ATTR_MODE_BLINK = 0x08,
    ATTR_MODE_8BIT = 0x40,
    ATTR_MODE_P54 = 0x80, /* colour bits 5 and 4 come from COLOR_SELECT */
    ATTR_INDEX_SHOW = 0x20,

    MISC_COLOR = 0x01, /* CRTC at 3Dx, else 3Bx */
    MISC_RAM = 0x02,
    MISC_CLOCK = 0x0C,
};

struct vga_state {
    uint8_t memory[VGA_PLANES][VGA_PLANE_SIZE];
    uint8_t palette[256][3]; /* red, green, blue; six bits each */
    uint8_t seq[SEQ_COUNT], gfx[GFX_COUNT], crtc[CRTC_COUNT], attr[ATTR_COUNT];
    uint8_t seq_index, gfx_index, crtc_index, attr_index;
    uint8_t latch[VGA_PLANES]; /* the bytes of the last read */
    uint8_t misc, feature, enable;
    uint8_t dac_mask, dac_index, dac_component, dac_written[3];
    bool dac_reading;
    bool attr_data; /* the next write to 3C0 is data */
};

struct vga {
    struct device device;
    struct vga_state state;
};

static inline struct vga *vga_self(struct device *device)
{
    return CONTAINER_OF(device, struct vga, device);
}

/* vga_memory.c: the window of 128 KB at 0xA0000. */
uint64_t vga_memory_read(struct device *device, uint32_t offset, unsigned size);
void vga_memory_write(struct device *device, uint32_t offset, unsigned size, uint64_t value);

/* vga_screen.c: lines from top to bottom of a frame, displayed and in total. */
unsigned vga_lines_displayed(const struct vga_state *state);
unsigned vga_lines_total(const struct vga_state *state);
unsigned vga_lines_retrace(const struct vga_state *state); /* first line of vertical retrace */
unsigned vga_dots_per_line(const struct vga_state *state);

#endif
