/* Two 8237A DMA controllers and the page registers of the AT: the register file.
 *
 * Source: Intel 8237A data sheet (231466-005), in the text "DS"; IBM PC AT Technical Reference for the page
 * registers. Programs that probe and set up channels find every register; no device of this board requests
 * DMA, so nothing is ever transferred, and a software request completes at once with its terminal count, as
 * if the device side were absent. Port 0x80 is a page register without channel: BIOSes show progress codes
 * there, Linux writes it to pass a microsecond.
 *
 * Invariant: the byte pointer selects the low byte after reset, after a master clear and after port "clear
 * byte pointer". */
#include "devices/i8237.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum {
    CHANNELS = 4,

    /* Register numbers; the second controller has them at even ports (16-bit channels). */
    REG_COMMAND = 8, /* status on read */
    REG_REQUEST = 9,
    REG_MASK_ONE = 10,
    REG_MODE = 11,
    REG_CLEAR_POINTER = 12,
    REG_MASTER_CLEAR = 13, /* temporary register on read */
    REG_CLEAR_MASK = 14,
    REG_MASK_ALL = 15,

    SELECT = 0x03,
    SET = 0x04, /* of REG_REQUEST and REG_MASK_ONE */
    PAGES = 16,
};

struct controller {
    uint16_t base[2 * CHANNELS], current[2 * CHANNELS]; /* address, count, address, count, ... */
    uint8_t mode[CHANNELS];
    uint8_t command, status, request, mask;
    bool high; /* byte pointer: the next byte is the high one */
};

struct i8237_state {
    struct controller controllers[2];
    uint8_t pages[PAGES];
};

struct i8237 {
    struct device device;
    struct i8237_state state;
};

static struct i8237 *self(struct device *device)
{
    return CONTAINER_OF(device, struct i8237, device);
}

static uint8_t reg_read(struct controller *dma, unsigned reg)
{
    uint8_t value;
    if (reg < 2 * CHANNELS) {
        value = (uint8_t)(dma->high ? dma->current[reg] >> 8 : dma->current[reg]);
        dma->high = !dma->high;
        return value;
    }
    switch (reg) {
    case REG_COMMAND: /* reading clears the terminal counts (DS "status register") */
        value = dma->status;
        dma->status &= 0xF0;
        return value;
    case REG_MASK_ALL: return dma->mask | 0xF0;
    default: return 0; /* the temporary register is only filled by memory-to-memory transfers */
    }
}

static void master_clear(struct controller *dma)
{
    dma->command = dma->status = dma->request = 0;
    dma->mask = 0x0F;
    dma->high = false;
}

static void reg_write(struct controller *dma, unsigned reg, uint8_t value)
{
    uint8_t bit = (uint8_t)(1 << (value & SELECT));
    if (reg < 2 * CHANNELS) {
        uint16_t old = dma->base[reg];
        dma->base[reg] = (uint16_t)(dma->high ? (old & 0x00FF) | value << 8 : (old & 0xFF00) | value);
        dma->current[reg] = dma->base[reg];
        dma->high = !dma->high;
        return;
    }
    switch (reg) {
    case REG_COMMAND: dma->command = value; break;
    case REG_REQUEST:
        if (value & SET)
            dma->status |= bit; /* terminal count reached */
        break;
    case REG_MASK_ONE: dma->mask = value & SET ? dma->mask | bit : dma->mask & (uint8_t)~bit; break;
    case REG_MODE: dma->mode[value & SELECT] = value; break;
    case REG_CLEAR_POINTER: dma->high = false; break;
    case REG_MASTER_CLEAR: master_clear(dma); break;
    case REG_CLEAR_MASK: dma->mask = 0; break;
    case REG_MASK_ALL: dma->mask = value & 0x0F; break;
    }
}

/* ---- Windows ---- */

static uint64_t first_read(struct device *device, uint32_t offset, unsigned size)
{
    (void)size;
    return reg_read(&self(device)->state.controllers[0], offset);
}

static void first_write(struct device *device, uint32_t offset, unsigned size, uint64_t value)
{
    (void)size;
    reg_write(&self(device)->state.controllers[0], offset, (uint8_t)value);
}

static uint64_t second_read(struct device *device, uint32_t offset, unsigned size)
{
    (void)size;
    return offset & 1 ? 0xFF : reg_read(&self(device)->state.controllers[1], offset / 2);
}

static void second_write(struct device *device, uint32_t offset, unsigned size, uint64_t value)
{
    (void)size;
    if (!(offset & 1))
        reg_write(&self(device)->state.controllers[1], offset / 2, (uint8_t)value);
}

static uint64_t page_read(struct device *device, uint32_t offset, unsigned size)
{
    (void)size;
    return self(device)->state.pages[offset];
}

static void page_write(struct device *device, uint32_t offset, unsigned size, uint64_t value)
{
    (void)size;
    self(device)->state.pages[offset] = (uint8_t)value;
}

uint8_t i8237_post_code(struct device *device)
{
    return self(device)->state.pages[0];
}

/* ---- Class ---- */

static void reset(struct device *device)
{
    struct i8237_state *state = &self(device)->state;
    memset(state, 0, sizeof *state);
    master_clear(&state->controllers[0]);
    master_clear(&state->controllers[1]);
}

static void destroy(struct device *device)
{
    free(self(device));
}

static const struct io_window windows[] = {
    [I8237_WINDOW_FIRST] = {"dma1", 16, 1, 1, first_read, first_write},
    [I8237_WINDOW_PAGES] = {"dma-pages", PAGES, 1, 1, page_read, page_write},
    [I8237_WINDOW_SECOND] = {"dma2", 32, 1, 1, second_read, second_write},
};

static const struct device_class i8237_class = {
    .name = "i8237",
    .description = "pair of 8237A DMA controllers (register file) and page registers",
    .state_offset = offsetof(struct i8237, state),
    .state_size = sizeof(struct i8237_state),
    .windows = windows,
    .window_count = ARRAY_LEN(windows),
    .reset = reset,
    .destroy = destroy,
};

struct device *i8237_create(const struct device_env *env)
{
    struct i8237 *dma = xcalloc(1, sizeof *dma);
    device_init(&dma->device, &i8237_class, env, 0);
    reset(&dma->device);
    return &dma->device;
}
