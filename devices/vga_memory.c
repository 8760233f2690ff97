/* VGA memory as the processor sees it: decoding, chain-4, odd/even, latches, the four write modes and the two
 * read modes.
 *
 * Source: IBM VGA/XGA Technical Reference (1992), section "VGA function", graphics controller and sequencer,
 * in the text "TR". Memory is four planes of 64 KB; an address selects one byte in each:
 *
 *   chain-4:  plane = A1..A0, offset = address without A1..A0
 *   odd/even: plane pair by A0 (the odd ones for odd addresses), offset = address without A0
 *   else:     all planes, offset = address
 *
 * Left out: the exotic combinations of odd/even without the matching bit of the other controller. */
#include "devices/vga_priv.h"

/* Which part of the window is decoded (GFX_MISC bits 3..2). */
static bool decode(const struct vga_state *state, uint32_t *offset)
{
    static const struct {
        uint32_t start, size;
    } maps[] = {{0x00000, 0x20000}, {0x00000, 0x10000}, {0x10000, 0x8000}, {0x18000, 0x8000}};
    unsigned map = state->gfx[GFX_MISC] >> GFX_MISC_MAP_SHIFT & 3;
    if (!(state->misc & MISC_RAM) || *offset < maps[map].start || *offset - maps[map].start >= maps[map].size)
        return false;
    *offset = (*offset - maps[map].start) & (VGA_PLANE_SIZE - 1);
    return true;
}

static bool chain4(const struct vga_state *state)
{
    return (state->seq[SEQ_MEMORY] & SEQ_MEMORY_CHAIN4) != 0;
}

static bool odd_even(const struct vga_state *state)
{
    return !(state->seq[SEQ_MEMORY] & SEQ_MEMORY_ODD_EVEN_OFF);
}

/* ---- Reading ---- */

/* Read mode 1: a bit is set where all planes that count have the colour to compare (TR "color compare"). */
static uint8_t read_compare(const struct vga_state *state)
{
    uint8_t result = 0xFF;
    for (unsigned plane = 0; plane < VGA_PLANES; plane++) {
        if (!(state->gfx[GFX_COLOR_DONT_CARE] >> plane & 1))
            continue;
        uint8_t wanted = state->gfx[GFX_COLOR_COMPARE] >> plane & 1 ? 0xFF : 0;
        result &= (uint8_t) ~(state->latch[plane] ^ wanted);
    }
    return result;
}

uint64_t vga_memory_read(struct device *device, uint32_t offset, unsigned size)
{
    (void)size;
    struct vga_state *state = &vga_self(device)->state;
    if (!decode(state, &offset))
        return 0xFF;
    unsigned plane = state->gfx[GFX_READ_MAP] & 3;
    if (chain4(state)) {
        plane = offset & 3;
        offset &= ~3u;
    } else if (state->gfx[GFX_MODE] & GFX_MODE_ODD_EVEN) {
        plane = (plane & 2) | (offset & 1);
        offset &= ~1u;
    }
    for (unsigned i = 0; i < VGA_PLANES; i++)
        state->latch[i] = state->memory[i][offset];
    return state->gfx[GFX_MODE] & GFX_MODE_READ ? read_compare(state) : state->latch[plane];
}

/* ---- Writing ---- */

static uint8_t expand(uint8_t bits, unsigned plane)
{
    return bits >> plane & 1 ? 0xFF : 0;
}

static uint8_t combine(const struct vga_state *state, uint8_t data, uint8_t latch)
{
    switch (state->gfx[GFX_ROTATE] >> 3 & 3) {
    case 1: return data & latch;
    case 2: return data | latch;
    case 3: return data ^ latch;
    default: return data;
    }
}

/* What plane `plane` receives for the byte `value` (TR "write modes"). */
static uint8_t plane_data(const struct vga_state *state, unsigned plane, uint8_t value)
{
    unsigned rotate = state->gfx[GFX_ROTATE] & 7;
    uint8_t rotated = (uint8_t)(value >> rotate | value << (8 - rotate));
    uint8_t mask = state->gfx[GFX_BIT_MASK], latch = state->latch[plane], data;
    switch (state->gfx[GFX_MODE] & GFX_MODE_WRITE) {
    case 0:
        data = state->gfx[GFX_ENABLE_SET_RESET] >> plane & 1 ? expand(state->gfx[GFX_SET_RESET], plane)
                                                             : rotated;
        break;
    case 1: return latch;
    case 2: data = expand(value, plane); break;
    default:
        data = expand(state->gfx[GFX_SET_RESET], plane);
        mask &= rotated;
        break;
    }
    return (uint8_t)((combine(state, data, latch) & mask) | (latch & ~mask));
}

void vga_memory_write(struct device *device, uint32_t offset, unsigned size, uint64_t value)
{
    (void)size;
    struct vga_state *state = &vga_self(device)->state;
    if (!decode(state, &offset))
        return;
    uint8_t planes = state->seq[SEQ_MAP_MASK];
    if (chain4(state)) {
        planes &= (uint8_t)(1 << (offset & 3));
        offset &= ~3u;
    } else if (odd_even(state)) {
        planes &= offset & 1 ? 0x0A : 0x05;
        offset &= ~1u;
    }
    for (unsigned plane = 0; plane < VGA_PLANES; plane++)
        if (planes >> plane & 1)
            state->memory[plane][offset] = plane_data(state, plane, (uint8_t)value);
}
