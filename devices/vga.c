/* VGA registers.
 *
 * Source: IBM VGA/XGA Technical Reference (1992), section "VGA function", in the text "TR". All standard
 * registers can be written and read back; memory access is in vga_memory.c, the screen in vga_screen.c. Left
 * out: light pen, interrupt at vertical retrace (never wired on most adapters), diagnostics, EGA and CGA
 * register emulation by non-maskable interrupt.
 *
 * The beam's position in input status register 1 is calculated from the clock and the CRT controller's
 * totals: programs that wait for retrace see frames of the right length, at no cost. */
#include "devices/vga_priv.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

/* Ports, from 0x3B0 on. */
enum {
    PORT_CRTC_INDEX_MONO = 0x04,
    PORT_CRTC_DATA_MONO = 0x05,
    PORT_STATUS1_MONO = 0x0A,
    PORT_ATTR = 0x10,
    PORT_ATTR_READ = 0x11,
    PORT_MISC = 0x12, /* input status 0 on read */
    PORT_ENABLE = 0x13,
    PORT_SEQ_INDEX = 0x14,
    PORT_SEQ_DATA = 0x15,
    PORT_DAC_MASK = 0x16,
    PORT_DAC_READ = 0x17, /* state on read */
    PORT_DAC_WRITE = 0x18,
    PORT_DAC_DATA = 0x19,
    PORT_FEATURE_READ = 0x1A,
    PORT_MISC_READ = 0x1C,
    PORT_GFX_INDEX = 0x1E,
    PORT_GFX_DATA = 0x1F,
    PORT_CRTC_INDEX = 0x24,
    PORT_CRTC_DATA = 0x25,
    PORT_STATUS1 = 0x2A,
    PORT_COUNT = 0x30,

    STATUS1_NOT_DISPLAYING = 0x01,
    STATUS1_RETRACE = 0x08,
    RETRACE_LINES = 2,

    CLOCK_25_HZ = 25175000,
    CLOCK_28_HZ = 28322000,
};

/* ---- Input status 1 ---- */

static uint8_t read_status1(struct vga *vga)
{
    struct vga_state *state = &vga->state;
    const struct event_queue *queue = vga->device.env->queue;
    state->attr_data = false; /* reading resets the address/data flip-flop */
    uint64_t hz = state->misc & MISC_CLOCK ? CLOCK_28_HZ : CLOCK_25_HZ;
    if (state->seq[SEQ_CLOCKING] & SEQ_CLOCKING_HALF)
        hz /= 2;
    unsigned line_dots = vga_dots_per_line(state);
    uint64_t dot = ticks_to(queue, queue->now, hz);
    unsigned line = (unsigned)(dot / line_dots % vga_lines_total(state));
    unsigned character = (unsigned)(dot % line_dots) * (state->crtc[CRTC_H_TOTAL] + 5u) / line_dots;
    unsigned retrace = vga_lines_retrace(state);
    uint8_t value = 0;
    if (line >= vga_lines_displayed(state) || character > state->crtc[CRTC_H_DISPLAY_END])
        value |= STATUS1_NOT_DISPLAYING;
    if (line >= retrace && line < retrace + RETRACE_LINES)
        value |= STATUS1_RETRACE;
    return value;
}

/* ---- DAC ---- */

static void dac_write(struct vga_state *state, uint8_t value)
{
    state->dac_written[state->dac_component++] = value & 0x3F;
    if (state->dac_component < 3)
        return;
    memcpy(state->palette[state->dac_index++], state->dac_written, 3);
    state->dac_component = 0;
}

static uint8_t dac_read(struct vga_state *state)
{
    uint8_t value = state->palette[state->dac_index][state->dac_component++];
    if (state->dac_component == 3) {
        state->dac_component = 0;
        state->dac_index++;
    }
    return value;
}

/* ---- Indexed registers ---- */

/* While protected, only the line compare bit of the overflow register can be written among the first eight.
 */
static void crtc_write(struct vga_state *state, uint8_t value)
{
    unsigned index = state->crtc_index;
    if (index >= CRTC_COUNT)
        return;
    if ((state->crtc[CRTC_V_RETRACE_END] & CRTC_PROTECT) && index <= CRTC_OVERFLOW) {
        if (index == CRTC_OVERFLOW)
            state->crtc[index] = (uint8_t)((state->crtc[index] & ~0x10) | (value & 0x10));
        return;
    }
    state->crtc[index] = value;
}

/* One port for index and data in turn. The palette can only be written while the screen is off (bit 5 of the
 * index clear). */
static void attr_write(struct vga_state *state, uint8_t value)
{
    unsigned index = state->attr_index & 31;
    if (!state->attr_data)
        state->attr_index = value & 0x3F;
    else if (index < ATTR_MODE && !(state->attr_index & ATTR_INDEX_SHOW))
        state->attr[index] = value & 0x3F;
    else if (index >= ATTR_MODE && index < ATTR_COUNT)
        state->attr[index] = value;
    state->attr_data = !state->attr_data;
}

static uint8_t indexed(const uint8_t *registers, unsigned count, unsigned index)
{
    return index < count ? registers[index] : 0;
}

static void seq_write(struct vga_state *state, uint8_t value)
{
    static const uint8_t writable[SEQ_COUNT] = {0x03, 0x3D, 0x0F, 0x3F, 0x0E};
    if (state->seq_index < SEQ_COUNT)
        state->seq[state->seq_index] = value & writable[state->seq_index];
}

static void gfx_write(struct vga_state *state, uint8_t value)
{
    static const uint8_t writable[GFX_COUNT] = {0x0F, 0x0F, 0x0F, 0x1F, 0x03, 0x7B, 0x0F, 0x0F, 0xFF};
    if (state->gfx_index < GFX_COUNT)
        state->gfx[state->gfx_index] = value & writable[state->gfx_index];
}

/* ---- Ports ---- */

/* The CRT controller and its status answer at 3Dx or 3Bx; the other addresses float. */
static bool decoded(const struct vga_state *state, uint32_t offset)
{
    bool color = (state->misc & MISC_COLOR) != 0;
    switch (offset) {
    case PORT_CRTC_INDEX_MONO:
    case PORT_CRTC_DATA_MONO:
    case PORT_STATUS1_MONO: return !color;
    case PORT_CRTC_INDEX:
    case PORT_CRTC_DATA:
    case PORT_STATUS1: return color;
    default: return true;
    }
}

static uint64_t port_read(struct device *device, uint32_t offset, unsigned size)
{
    (void)size;
    struct vga *vga = vga_self(device);
    struct vga_state *state = &vga->state;
    if (!decoded(state, offset))
        return 0xFF;
    switch (offset) {
    case PORT_CRTC_INDEX_MONO:
    case PORT_CRTC_INDEX: return state->crtc_index;
    case PORT_CRTC_DATA_MONO:
    case PORT_CRTC_DATA: return indexed(state->crtc, CRTC_COUNT, state->crtc_index);
    case PORT_STATUS1_MONO:
    case PORT_STATUS1: return read_status1(vga);
    case PORT_ATTR: return state->attr_index;
    case PORT_ATTR_READ: return indexed(state->attr, ATTR_COUNT, state->attr_index & 31u);
    case PORT_MISC: return 0x10; /* switch sense: a colour monitor is connected */
    case PORT_ENABLE: return state->enable;
    case PORT_SEQ_INDEX: return state->seq_index;
    case PORT_SEQ_DATA: return indexed(state->seq, SEQ_COUNT, state->seq_index);
    case PORT_DAC_MASK: return state->dac_mask;
    case PORT_DAC_READ: return state->dac_reading ? 3 : 0;
    case PORT_DAC_WRITE: return state->dac_index;
    case PORT_DAC_DATA: return dac_read(state);
    case PORT_FEATURE_READ: return state->feature;
    case PORT_MISC_READ: return state->misc;
    case PORT_GFX_INDEX: return state->gfx_index;
    case PORT_GFX_DATA: return indexed(state->gfx, GFX_COUNT, state->gfx_index);
    default: return 0xFF;
    }
}

static void port_write(struct device *device, uint32_t offset, unsigned size, uint64_t wide)
{
    (void)size;
    struct vga_state *state = &vga_self(device)->state;
    uint8_t value = (uint8_t)wide;
    if (!decoded(state, offset))
        return;
    switch (offset) {
    case PORT_CRTC_INDEX_MONO:
    case PORT_CRTC_INDEX: state->crtc_index = value & 0x3F; break;
    case PORT_CRTC_DATA_MONO:
    case PORT_CRTC_DATA: crtc_write(state, value); break;
    case PORT_STATUS1_MONO:
    case PORT_STATUS1: state->feature = value & 3; break;
    case PORT_ATTR: attr_write(state, value); break;
    case PORT_MISC: state->misc = value & 0xEF; break;
    case PORT_ENABLE: state->enable = value & 1; break;
    case PORT_SEQ_INDEX: state->seq_index = value & 7; break;
    case PORT_SEQ_DATA: seq_write(state, value); break;
    case PORT_DAC_MASK: state->dac_mask = value; break;
    case PORT_DAC_READ:
    case PORT_DAC_WRITE:
        state->dac_index = value;
        state->dac_component = 0;
        state->dac_reading = offset == PORT_DAC_READ;
        break;
    case PORT_DAC_DATA: dac_write(state, value); break;
    case PORT_GFX_INDEX: state->gfx_index = value & 15; break;
    case PORT_GFX_DATA: gfx_write(state, value); break;
    default: break;
    }
}

/* ---- Class ---- */

static void reset(struct device *device)
{
    struct vga_state *state = &vga_self(device)->state;
    memset(state, 0, sizeof *state);
    state->dac_mask = 0xFF;
    state->enable = 1;
}

static void destroy(struct device *device)
{
    free(vga_self(device));
}

static const struct io_window windows[] = {
    [VGA_WINDOW_PORTS] = {"vga", PORT_COUNT, 1, 1, port_read, port_write},
    [VGA_WINDOW_MEMORY] = {"vga-memory", 0x20000, 1, 1, vga_memory_read, vga_memory_write},
};

static const struct device_class vga_class = {
    .name = "vga",
    .description = "VGA display adapter",
    .state_offset = offsetof(struct vga, state),
    .state_size = sizeof(struct vga_state),
    .windows = windows,
    .window_count = ARRAY_LEN(windows),
    .reset = reset,
    .destroy = destroy,
};

struct device *vga_create(const struct device_env *env)
{
    struct vga *vga = xcalloc(1, sizeof *vga);
    device_init(&vga->device, &vga_class, env, 0);
    reset(&vga->device);
    return &vga->device;
}
