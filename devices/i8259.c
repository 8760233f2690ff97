/* Two cascaded 8259A interrupt controllers and the edge/level control registers of the PIIX3.
 *
 * Sources: Intel 8259A data sheet (231468-003), in the text "DS"; 82371SB (PIIX3) data sheet sections 2.5.3
 * and 2.5.5 for ELCR. All of ICW1-4 and OCW1-3: fully nested, special fully nested, special mask, automatic
 * EOI, the three rotations, poll, both status reads. Left out: the MCS-80/85 CALL sequence (ICW4 bit 0 clear
 * is logged and runs as 8086 mode) and buffered mode, which has no effect the guest can see.
 *
 * A request passes IRR -> (IMR) -> priority -> INT -> INTA -> ISR -> EOI.
 *
 *   edge mode:  a rising input sets the request; it is taken back if the input falls before INTA (DS "the IR
 *               inputs must remain high until after the falling edge of the first INTA").
 *   level mode: the request is the input.
 *
 * Priority is a ring: `lowest` is the level with the lowest priority, the one after it has the highest.
 *
 * Invariants: (1) in a chip with ELCR bits set, irr & elcr == input & elcr; (2) irr is a subset of input;
 * (3) the slave's INT equals bit 2 of the master's input; (4) after every access INT = (request_of(master)
 * is a level). */
#include "devices/i8259.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum {
    /* First port, bit 4 and 3 select the command. */
    ICW1 = 0x10,
    ICW1_IC4 = 0x01,  /* ICW4 follows */
    ICW1_SNGL = 0x02, /* no cascade: no ICW3 */
    OCW3 = 0x08,
    OCW3_RIS = 0x01,  /* with RR: read ISR instead of IRR */
    OCW3_RR = 0x02,   /* RIS is valid */
    OCW3_POLL = 0x04, /* the next read is an acknowledge */
    OCW3_SMM = 0x20,  /* with ESMM: special mask mode on */
    OCW3_ESMM = 0x40, /* SMM is valid */

    OCW2_LEVEL = 0x07,
    OCW2_COMMAND_SHIFT = 5,

    ICW4_UPM = 0x01,  /* 8086 mode */
    ICW4_AEOI = 0x02, /* ISR bit is cleared by the acknowledge itself */
    ICW4_SFNM = 0x10, /* special fully nested mode */

    ICW2_BASE = 0xF8, /* upper five bits of the vector */

    CASCADE = 2, /* the slave's INT is the master's IR2 */
    NO_REQUEST = -1,
    SPURIOUS = 7, /* level delivered when the request has gone (DS "default IR7") */

    /* IRQ 0, 1, 2, 8 and 13 are always edge triggered (PIIX3 2.5.5). */
    ELCR_MASTER = 0xF8,
    ELCR_SLAVE = 0xDE,
};

/* OCW2 bits 7..5: R, SL, EOI. */
enum ocw2_command {
    OCW2_ROTATE_AEOI_OFF,
    OCW2_EOI,
    OCW2_NOP,
    OCW2_EOI_SPECIFIC,
    OCW2_ROTATE_AEOI_ON,
    OCW2_EOI_ROTATE,
    OCW2_SET_PRIORITY,
    OCW2_EOI_SPECIFIC_ROTATE,
};

/* What the next write to the second port is. */
enum init_step { INIT_DONE, INIT_ICW2, INIT_ICW3, INIT_ICW4 };

struct chip {
    uint8_t input; /* levels of the IR pins */
    uint8_t irr, imr, isr;
    uint8_t elcr, elcr_writable;
    uint8_t base;   /* vector of IR0 */
    uint8_t lowest; /* level with the lowest priority */
    uint8_t icw1, icw3, icw4;
    uint8_t step; /* enum init_step */
    bool read_isr, poll, special_mask, rotate_aeoi;
};

struct i8259_state {
    struct chip chips[2]; /* master, slave */
};

struct i8259 {
    struct device device;
    struct i8259_state state;
    struct irq_wire intr;
};

static struct i8259 *self(struct device *device)
{
    return CONTAINER_OF(device, struct i8259, device);
}

/* ---- Priority ---- */

/* The level of the highest-priority bit in `bits`, NO_REQUEST when there is none. */
static int highest(const struct chip *chip, uint8_t bits)
{
    for (unsigned i = 1; i <= 8; i++) {
        unsigned level = (chip->lowest + i) & 7;
        if (bits & (1 << level))
            return (int)level;
    }
    return NO_REQUEST;
}

/* 0 = highest. */
static unsigned priority(const struct chip *chip, int level)
{
    return ((unsigned)level - chip->lowest - 1) & 7;
}

static bool is_cascade(const struct i8259_state *state, const struct chip *chip, int level)
{
    return chip == &state->chips[0] && level == CASCADE && !(chip->icw1 & ICW1_SNGL);
}

/* The level that INT asks for now. In special mask mode a masked level in service blocks nobody. In special
 * fully nested mode the slave may interrupt its own service. */
static int request_of(const struct i8259_state *state, const struct chip *chip)
{
    if (chip->step != INIT_DONE)
        return NO_REQUEST;
    int request = highest(chip, chip->irr & (uint8_t)~chip->imr);
    uint8_t blocking = chip->special_mask ? chip->isr & (uint8_t)~chip->imr : chip->isr;
    int service = highest(chip, blocking);
    if (request == NO_REQUEST || service == NO_REQUEST)
        return request;
    if (priority(chip, request) < priority(chip, service))
        return request;
    if (request == service && (chip->icw4 & ICW4_SFNM) && is_cascade(state, chip, request))
        return request;
    return NO_REQUEST;
}

/* ---- Inputs and output ---- */

static void chip_input(struct chip *chip, unsigned level, bool high)
{
    uint8_t bit = (uint8_t)(1 << level);
    bool rising = high && !(chip->input & bit);
    chip->input = high ? chip->input | bit : chip->input & (uint8_t)~bit;
    if (!high)
        chip->irr &= (uint8_t)~bit;
    else if (rising || (chip->elcr & bit))
        chip->irr |= bit;
}

/* Slave INT to master IR2, master INT to the processor. */
static void outputs_update(struct i8259 *pic)
{
    struct i8259_state *state = &pic->state;
    chip_input(&state->chips[0], CASCADE, request_of(state, &state->chips[1]) != NO_REQUEST);
    irq_set(&pic->intr, request_of(state, &state->chips[0]) != NO_REQUEST);
}

static void input_set(void *ctx, unsigned irq, bool level)
{
    struct i8259 *pic = ctx;
    struct chip *chip = &pic->state.chips[irq >> 3];
    if (((chip->input >> (irq & 7)) & 1) == level)
        return;
    chip_input(chip, irq & 7, level);
    outputs_update(pic);
}

struct irq_wire i8259_input(struct device *pic, unsigned irq)
{
    CHECK(irq < 16 && irq != CASCADE);
    return (struct irq_wire){.set = input_set, .ctx = self(pic), .line = irq};
}

struct i8259_registers i8259_registers(const struct device *device, unsigned number)
{
    const struct i8259_state *state =
        (const struct i8259_state *)(const void *)((const char *)device + device->cls->state_offset);
    const struct chip *chip = &state->chips[number];
    return (struct i8259_registers){chip->irr, chip->imr, chip->isr, chip->elcr, chip->base};
}

bool i8259_pending(const struct device *device)
{
    const struct i8259_state *state =
        (const struct i8259_state *)(const void *)((const char *)device + device->cls->state_offset);
    return request_of(state, &state->chips[0]) != NO_REQUEST;
}

/* ---- Acknowledge and end of interrupt ---- */

/* First INTA, or the read after a poll command: freeze the request, move it into service. INT falls, and
 * rises again if another request is left (DS "interrupt sequence"): without that the edge-triggered IR2 of
 * the master would miss the slave's next request in automatic EOI mode. */
static int chip_acknowledge(struct i8259_state *state, struct chip *chip)
{
    int level = request_of(state, chip);
    if (level == NO_REQUEST)
        return NO_REQUEST;
    uint8_t bit = (uint8_t)(1 << level);
    if (!(chip->elcr & bit))
        chip->irr &= (uint8_t)~bit;
    if (!(chip->icw4 & ICW4_AEOI))
        chip->isr |= bit;
    else if (chip->rotate_aeoi)
        chip->lowest = (uint8_t)level;
    if (chip == &state->chips[1])
        chip_input(&state->chips[0], CASCADE, false);
    return level;
}

uint8_t i8259_acknowledge(struct device *device)
{
    struct i8259 *pic = self(device);
    struct i8259_state *state = &pic->state;
    struct chip *chip = &state->chips[0];
    int level = chip_acknowledge(state, chip);
    if (level != NO_REQUEST && is_cascade(state, chip, level) && (chip->icw3 & (1 << CASCADE))) {
        chip = &state->chips[1];
        level = chip_acknowledge(state, chip);
    }
    uint8_t vector = chip->base | (uint8_t)(level == NO_REQUEST ? SPURIOUS : level);
    outputs_update(pic);
    return vector;
}

static void end_of_interrupt(struct chip *chip, int level, bool rotate)
{
    if (level == NO_REQUEST)
        return;
    chip->isr &= (uint8_t) ~(1 << level);
    if (rotate)
        chip->lowest = (uint8_t)level;
}

/* ---- Registers ---- */

static void write_ocw2(struct chip *chip, uint8_t value)
{
    int level = value & OCW2_LEVEL;
    /* A non-specific EOI does not touch levels that special mask mode hides (DS "special mask mode"). */
    int in_service = highest(chip, chip->special_mask ? chip->isr & (uint8_t)~chip->imr : chip->isr);
    switch ((enum ocw2_command)(value >> OCW2_COMMAND_SHIFT)) {
    case OCW2_ROTATE_AEOI_OFF: chip->rotate_aeoi = false; break;
    case OCW2_ROTATE_AEOI_ON: chip->rotate_aeoi = true; break;
    case OCW2_EOI: end_of_interrupt(chip, in_service, false); break;
    case OCW2_EOI_ROTATE: end_of_interrupt(chip, in_service, true); break;
    case OCW2_EOI_SPECIFIC: end_of_interrupt(chip, level, false); break;
    case OCW2_EOI_SPECIFIC_ROTATE: end_of_interrupt(chip, level, true); break;
    case OCW2_SET_PRIORITY: chip->lowest = (uint8_t)level; break;
    case OCW2_NOP: break;
    }
}

static void write_ocw3(struct chip *chip, uint8_t value)
{
    if (value & OCW3_RR)
        chip->read_isr = (value & OCW3_RIS) != 0;
    if (value & OCW3_POLL)
        chip->poll = true;
    if (value & OCW3_ESMM)
        chip->special_mask = (value & OCW3_SMM) != 0;
}

/* DS "initialization command words", steps a to f. Inputs and ELCR belong to the outside. */
static void write_icw1(struct chip *chip, uint8_t value)
{
    chip->icw1 = value;
    chip->step = INIT_ICW2;
    chip->irr = chip->input & chip->elcr; /* the edge sense circuit is reset */
    chip->imr = chip->isr = 0;
    chip->lowest = 7;
    chip->special_mask = chip->read_isr = chip->poll = chip->rotate_aeoi = false;
    if (!(value & ICW1_IC4))
        chip->icw4 = 0;
}

/* The second port: the initialization sequence, then OCW1. */
static void write_data(struct i8259 *pic, struct chip *chip, uint8_t value)
{
    switch ((enum init_step)chip->step) {
    case INIT_DONE: chip->imr = value; return;
    case INIT_ICW2:
        chip->base = value & ICW2_BASE;
        chip->step = !(chip->icw1 & ICW1_SNGL) ? INIT_ICW3 : chip->icw1 & ICW1_IC4 ? INIT_ICW4 : INIT_DONE;
        break;
    case INIT_ICW3:
        chip->icw3 = value;
        chip->step = chip->icw1 & ICW1_IC4 ? INIT_ICW4 : INIT_DONE;
        break;
    case INIT_ICW4:
        chip->icw4 = value;
        chip->step = INIT_DONE;
        break;
    }
    if (chip->step == INIT_DONE && !(chip->icw4 & ICW4_UPM))
        log_line(pic->device.env->log, LOG_UNIMP, "i8259: MCS-80/85 mode is run as 8086 mode");
}

static void chip_write(struct device *device, unsigned index, uint32_t offset, uint8_t value)
{
    struct i8259 *pic = self(device);
    struct chip *chip = &pic->state.chips[index];
    if (offset == 1)
        write_data(pic, chip, value);
    else if (value & ICW1)
        write_icw1(chip, value);
    else if (value & OCW3)
        write_ocw3(chip, value);
    else
        write_ocw2(chip, value);
    outputs_update(pic);
}

/* Poll word: bit 7 = a request was there and is now in service, bits 2..0 its level (DS "poll command"). */
static uint8_t chip_read(struct device *device, unsigned index, uint32_t offset)
{
    struct i8259 *pic = self(device);
    struct chip *chip = &pic->state.chips[index];
    if (chip->poll) {
        chip->poll = false;
        int level = chip_acknowledge(&pic->state, chip);
        outputs_update(pic);
        return level == NO_REQUEST ? 0 : (uint8_t)(0x80 | level);
    }
    if (offset == 1)
        return chip->imr;
    return chip->read_isr ? chip->isr : chip->irr;
}

static uint64_t master_read(struct device *device, uint32_t offset, unsigned size)
{
    (void)size;
    return chip_read(device, 0, offset);
}

static void master_write(struct device *device, uint32_t offset, unsigned size, uint64_t value)
{
    (void)size;
    chip_write(device, 0, offset, (uint8_t)value);
}

static uint64_t slave_read(struct device *device, uint32_t offset, unsigned size)
{
    (void)size;
    return chip_read(device, 1, offset);
}

static void slave_write(struct device *device, uint32_t offset, unsigned size, uint64_t value)
{
    (void)size;
    chip_write(device, 1, offset, (uint8_t)value);
}

static uint64_t elcr_read(struct device *device, uint32_t offset, unsigned size)
{
    (void)size;
    return self(device)->state.chips[offset].elcr;
}

static void elcr_write(struct device *device, uint32_t offset, unsigned size, uint64_t value)
{
    (void)size;
    struct i8259 *pic = self(device);
    struct chip *chip = &pic->state.chips[offset];
    chip->elcr = (uint8_t)value & chip->elcr_writable;
    chip->irr |= chip->input & chip->elcr;
    outputs_update(pic);
}

/* ---- Class ---- */

/* Power-on. Inputs are pins: what drives them keeps driving them through a reset. */
static void reset(struct device *device)
{
    struct i8259 *pic = self(device);
    for (unsigned i = 0; i < 2; i++) {
        struct chip *chip = &pic->state.chips[i];
        uint8_t input = chip->input;
        memset(chip, 0, sizeof *chip);
        chip->input = input;
        chip->elcr_writable = i == 0 ? ELCR_MASTER : ELCR_SLAVE;
        chip->lowest = 7;
        chip->imr = 0xFF; /* undefined by the data sheet: nothing may interrupt before the first ICW1 */
    }
    outputs_update(pic);
}

static void loaded(struct device *device)
{
    outputs_update(self(device));
}

static void destroy(struct device *device)
{
    free(self(device));
}

static const struct io_window windows[] = {
    [I8259_WINDOW_MASTER] = {"pic-master", 2, 1, 1, master_read, master_write},
    [I8259_WINDOW_SLAVE] = {"pic-slave", 2, 1, 1, slave_read, slave_write},
    [I8259_WINDOW_ELCR] = {"pic-elcr", 2, 1, 1, elcr_read, elcr_write},
};

static const struct device_class i8259_class = {
    .name = "i8259",
    .description = "pair of 8259A interrupt controllers with ELCR",
    .state_offset = offsetof(struct i8259, state),
    .state_size = sizeof(struct i8259_state),
    .windows = windows,
    .window_count = ARRAY_LEN(windows),
    .reset = reset,
    .loaded = loaded,
    .destroy = destroy,
};

struct device *i8259_create(const struct device_env *env, const struct irq_wire *intr)
{
    struct i8259 *pic = xcalloc(1, sizeof *pic);
    device_init(&pic->device, &i8259_class, env, 0);
    pic->intr = *intr;
    reset(&pic->device);
    return &pic->device;
}
