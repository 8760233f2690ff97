/* What the VGA shows: geometry from the CRT controller, text cells, and the picture as pixels.
 *
 * Source: IBM VGA/XGA Technical Reference (1992), CRT controller and attribute controller, in the text "TR".
 * The CRT controller counts character clocks; its memory address turns into a plane offset by byte, word or
 * double word mode (TR "mode control register", "underline location register"). Left out: split screen,
 * smooth scrolling by single pixels, blinking (shown steady), overscan border. */
#include "devices/vga_priv.h"

enum { CELL_MEMORY_MASK = VGA_PLANE_SIZE - 1, GLYPH_BYTES = 32 };

/* ---- Geometry ---- */

static unsigned nine_bits(const struct vga_state *state, unsigned reg, unsigned bit8, unsigned bit9)
{
    uint8_t overflow = state->crtc[CRTC_OVERFLOW];
    return state->crtc[reg] | (unsigned)(overflow >> bit8 & 1) << 8 | (unsigned)(overflow >> bit9 & 1) << 9;
}

unsigned vga_lines_total(const struct vga_state *state)
{
    return nine_bits(state, CRTC_V_TOTAL, 0, 5) + 2;
}

unsigned vga_lines_displayed(const struct vga_state *state)
{
    return nine_bits(state, CRTC_V_DISPLAY_END, 1, 6) + 1;
}

unsigned vga_lines_retrace(const struct vga_state *state)
{
    return nine_bits(state, CRTC_V_RETRACE_START, 2, 7);
}

static unsigned dots_per_character(const struct vga_state *state)
{
    return state->seq[SEQ_CLOCKING] & SEQ_CLOCKING_DOTS8 ? 8 : 9;
}

unsigned vga_dots_per_line(const struct vga_state *state)
{
    return (state->crtc[CRTC_H_TOTAL] + 5u) * dots_per_character(state);
}

static unsigned columns(const struct vga_state *state)
{
    return state->crtc[CRTC_H_DISPLAY_END] + 1u;
}

static bool is_graphics(const struct vga_state *state)
{
    return (state->gfx[GFX_MISC] & GFX_MISC_GRAPHICS) != 0;
}

/* Scan lines of one row of characters (text), repetitions of one row of pixels (graphics). */
static unsigned lines_per_row(const struct vga_state *state)
{
    uint8_t max_scan = state->crtc[CRTC_MAX_SCAN];
    return ((max_scan & 31u) + 1) * (max_scan & CRTC_MAX_SCAN_DOUBLE ? 2 : 1);
}

static unsigned start_address(const struct vga_state *state)
{
    return (unsigned)state->crtc[CRTC_START_HIGH] << 8 | state->crtc[CRTC_START_HIGH + 1];
}

/* From the CRT controller's address counter to an offset in the planes. */
static unsigned plane_offset(const struct vga_state *state, unsigned counter)
{
    if (state->crtc[CRTC_UNDERLINE] & CRTC_UNDERLINE_DWORD)
        return (counter << 2 | (counter >> 14 & 3)) & CELL_MEMORY_MASK;
    if (state->crtc[CRTC_MODE] & CRTC_MODE_BYTE)
        return counter & CELL_MEMORY_MASK;
    unsigned rotated = state->crtc[CRTC_MODE] & CRTC_MODE_WRAP ? counter >> 15 & 1 : counter >> 13 & 1;
    return (counter << 1 | rotated) & CELL_MEMORY_MASK;
}

/* Counter at the left end of character or pixel row `row`; OFFSET counts in words. */
static unsigned row_counter(const struct vga_state *state, unsigned row)
{
    return start_address(state) + row * state->crtc[CRTC_OFFSET] * 2u;
}

/* ---- Text ---- */

static bool text_geometry(const struct vga_state *state, struct vga_text *text)
{
    if (is_graphics(state))
        return false;
    unsigned rows = vga_lines_displayed(state) / lines_per_row(state);
    unsigned cursor = (unsigned)state->crtc[CRTC_CURSOR_HIGH] << 8 | state->crtc[CRTC_CURSOR_HIGH + 1];
    unsigned pitch = state->crtc[CRTC_OFFSET] * 2u;
    unsigned from_start = (cursor - start_address(state)) & 0xFFFF;
    *text = (struct vga_text){
        .columns = columns(state),
        .rows = rows,
        .cursor_column = pitch ? from_start % pitch : 0,
        .cursor_row = pitch ? from_start / pitch : 0,
        .cursor = !(state->crtc[CRTC_CURSOR_START] & CRTC_CURSOR_OFF),
    };
    return true;
}

bool vga_text_mode(struct device *device, struct vga_text *text)
{
    return text_geometry(&vga_self(device)->state, text);
}

uint16_t vga_text_cell(struct device *device, unsigned column, unsigned row)
{
    const struct vga_state *state = &vga_self(device)->state;
    struct vga_text text;
    if (!text_geometry(state, &text) || column >= text.columns || row >= text.rows)
        return 0;
    unsigned offset = plane_offset(state, row_counter(state, row) + column);
    return (uint16_t)(state->memory[0][offset] | state->memory[1][offset] << 8);
}

size_t vga_text_row(struct device *device, unsigned row, char *to, size_t size)
{
    struct vga_text text;
    size_t length = 0;
    if (vga_text_mode(device, &text))
        for (unsigned column = 0; column < text.columns && column + 1 < size; column++) {
            uint8_t character = (uint8_t)vga_text_cell(device, column, row);
            to[column] = character >= 0x20 && character < 0x7F ? (char)character : ' ';
            if (to[column] != ' ')
                length = column + 1;
        }
    to[length] = 0;
    return length;
}

/* ---- Pixels ---- */

/* Six-bit components become eight bits so that full stays full. */
static uint32_t dac_color(const struct vga_state *state, uint8_t index)
{
    const uint8_t *rgb = state->palette[index & state->dac_mask];
    uint32_t color = 0;
    for (unsigned i = 0; i < 3; i++)
        color = color << 8 | (uint32_t)(rgb[i] << 2 | rgb[i] >> 4);
    return color;
}

/* Four bits from the planes to a colour: palette register, colour select, DAC (TR "attribute controller"). */
static uint32_t attribute_color(const struct vga_state *state, unsigned index)
{
    uint8_t select = state->attr[ATTR_COLOR_SELECT];
    uint8_t color = state->attr[index & 15] & 0x3F;
    if (state->attr[ATTR_MODE] & ATTR_MODE_P54)
        color = (uint8_t)((color & 0x0F) | (select & 3) << 4);
    return dac_color(state, (uint8_t)(color | (select & 0x0C) << 4));
}

/* Font maps A and B start at these offsets of plane 2 (TR "character map select"). */
static unsigned font_base(const struct vga_state *state, bool second)
{
    uint8_t select = state->seq[SEQ_FONT];
    unsigned map = second ? (select & 3u) | (select >> 2 & 4u) : (select >> 2 & 3u) | (select >> 3 & 4u);
    return (map & 3) * 0x4000 + (map >> 2) * 0x2000;
}

static void draw_text_line(struct device *device, unsigned line, uint32_t *to)
{
    const struct vga_state *state = &vga_self(device)->state;
    unsigned dots = dots_per_character(state), per_row = lines_per_row(state);
    unsigned row = line / per_row, scan = line % per_row;
    struct vga_text text;
    text_geometry(state, &text);
    for (unsigned column = 0; column < columns(state); column++) {
        uint16_t cell = vga_text_cell(device, column, row);
        uint8_t character = (uint8_t)cell, attribute = (uint8_t)(cell >> 8);
        bool second = !(attribute & 8);
        uint8_t glyph =
            state->memory[2][(font_base(state, second) + character * GLYPH_BYTES + scan) & CELL_MEMORY_MASK];
        bool blink = (state->attr[ATTR_MODE] & ATTR_MODE_BLINK) != 0;
        uint32_t foreground = attribute_color(state, attribute & 15u);
        uint32_t background = attribute_color(state, attribute >> 4 & (blink ? 7u : 15u));
        bool cursor = text.cursor && column == text.cursor_column && row == text.cursor_row &&
                      scan >= (state->crtc[CRTC_CURSOR_START] & 31u) &&
                      scan <= (state->crtc[CRTC_CURSOR_START + 1] & 31u);
        if (cursor)
            glyph = 0xFF;
        bool extend = (state->attr[ATTR_MODE] & ATTR_MODE_LINE_GRAPHICS) && (character & 0xE0) == 0xC0;
        for (unsigned dot = 0; dot < dots; dot++) {
            bool set = dot < 8 ? glyph >> (7 - dot) & 1 : (cursor || (extend && (glyph & 1)));
            *to++ = set ? foreground : background;
        }
    }
}

/* Eight pixels of one character clock of a graphics mode. */
static void draw_graphics_cell(const struct vga_state *state, unsigned counter, uint32_t *to)
{
    unsigned offset = plane_offset(state, counter);
    uint8_t bytes[VGA_PLANES];
    for (unsigned plane = 0; plane < VGA_PLANES; plane++)
        bytes[plane] = state->memory[plane][offset];
    for (unsigned dot = 0; dot < 8; dot++) {
        if (state->gfx[GFX_MODE] & GFX_MODE_SHIFT_256) { /* two dots for each of four bytes */
            to[dot] = dac_color(state, bytes[dot / 2]);
            continue;
        }
        unsigned index = 0;
        if (state->gfx[GFX_MODE] & GFX_MODE_SHIFT_INTERLEAVE) { /* CGA: two bits, planes 0/2 then 1/3 */
            unsigned shift = 6 - 2 * (dot & 3), pair = dot / 4;
            index = (bytes[pair] >> shift & 3u) | (bytes[pair + 2] >> shift & 3u) << 2;
        } else {
            for (unsigned plane = 0; plane < VGA_PLANES; plane++)
                index |= (bytes[plane] >> (7 - dot) & 1u) << plane;
        }
        to[dot] = attribute_color(state, index & state->attr[ATTR_PLANES]);
    }
}

struct vga_size vga_render(struct device *device, uint32_t *pixels, size_t capacity)
{
    const struct vga_state *state = &vga_self(device)->state;
    bool graphics = is_graphics(state);
    unsigned dots = graphics ? 8 : dots_per_character(state);
    struct vga_size size = {columns(state) * dots, vga_lines_displayed(state)};
    if ((size_t)size.width * size.height > capacity)
        return size;
    bool blank = (state->seq[SEQ_CLOCKING] & SEQ_CLOCKING_OFF) || !(state->attr_index & ATTR_INDEX_SHOW);
    for (unsigned line = 0; line < size.height; line++) {
        uint32_t *to = pixels + (size_t)line * size.width;
        if (blank)
            for (unsigned i = 0; i < size.width; i++)
                to[i] = 0;
        else if (!graphics)
            draw_text_line(device, line, to);
        else
            for (unsigned column = 0; column < columns(state); column++)
                draw_graphics_cell(state, row_counter(state, line / lines_per_row(state)) + column,
                                   to + column * 8);
    }
    return size;
}
