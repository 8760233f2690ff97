/* 82371AB (PIIX4) function 3: the ACPI fixed registers, power management timer and SMI command port.
 *
 * Source: Intel 82371AB data sheet (290562-001) chapter 7 and section 11, in the text "DS"; ACPI
 * specification 1.0b chapter 4 for the meaning of the bits. Models PM1 status, enable and control, the 24-bit
 * timer, the general purpose event block, soft off. Left out: throttling, device monitors, the SMBus
 * controller (its host interface stays disabled), sleep states other than S5, and system management mode:
 * what a BIOS's SMI handler does with the ACPI enable and disable commands is done here directly.
 *
 * The timer is calculated from the clock: 3.579545 MHz, count n begins at tick ticks_from(n). TMR_STS is set
 * when bit 23 toggles. It is brought up to date on every look (`seen`), and an event is pending only while
 * the overflow can interrupt, so a guest that does not use it costs nothing.
 *
 *      SCI = SCI_EN && ((PM1_STS & PM1_EN) || (GPE_STS & GPE_EN))
 *
 * Invariants: (1) the block is mapped iff PMIOSE is set and PMBASE is not zero; (2) `seen` <= count of now.
 */
#include "devices/piix4_pm.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum {
    BLOCK_SIZE = 64,
    REG_DEVACTB = 0x58,
    REG_PMBASE = PIIX4_REG_PMBASE,
    REG_PMREGMISC = PIIX4_REG_PMREGMISC,
    REG_SMBUS_BASE = 0x90,
    PMIOSE = 0x01,

    PM1_STATUS = 0x00,
    PM1_ENABLE = 0x02,
    PM1_CONTROL = 0x04,
    TIMER = 0x08,
    GPE_STATUS = 0x0C,
    GPE_ENABLE = 0x0E,
    GENERIC_FIRST = 0x10, /* processor control, monitors, general purpose I/O: stored */

    TMR_STS = 0x0001,
    PWRBTN_STS = 0x0100,
    PM1_STATUS_BITS = 0x8D31, /* WAK, PWRBTNOR, RTC, PWRBTN, GBL, BM, TMR */
    PM1_ENABLE_BITS = 0x0521,

    SCI_EN = 0x0001,
    SLP_TYPE_SHIFT = 10,
    SLP_EN = 0x2000,
    PM1_CONTROL_BITS = 0x1C03,

    GPE_BITS = 0x0F81, /* THRM, USB, RI, LID, GPI (DS GPSTS) */

    TIMER_HZ = 3579545,
    TIMER_HALF = 1 << 23, /* counts between changes of bit 23 */
    TIMER_MASK = (1 << 24) - 1,
};

struct piix4_pm_state {
    struct pci_config pci;
    uint64_t seen; /* timer count up to which TMR_STS is current */
    uint16_t status, enable, control, gpe_status, gpe_enable;
    uint8_t apm[2]; /* ports 0xB2, 0xB3 */
    uint8_t generic[BLOCK_SIZE];
};

struct piix4_pm {
    struct device device;
    struct piix4_pm_state state;
    struct pci_function pci;
    struct piix4_pm_outputs outputs;
    struct event event;
    uint32_t mapped; /* where the block is mapped, 0 = not; follows configuration space */
};

static struct piix4_pm *self(struct device *device)
{
    return CONTAINER_OF(device, struct piix4_pm, device);
}

/* ---- Timer and SCI ---- */

static uint64_t timer_count(const struct piix4_pm *pm)
{
    const struct event_queue *queue = pm->device.env->queue;
    return ticks_to(queue, queue->now, TIMER_HZ);
}

static void timer_catch_up(struct piix4_pm *pm)
{
    struct piix4_pm_state *state = &pm->state;
    uint64_t count = timer_count(pm);
    if (count / TIMER_HALF != state->seen / TIMER_HALF)
        state->status |= TMR_STS;
    state->seen = count;
}

static void sci_update(struct piix4_pm *pm)
{
    const struct piix4_pm_state *state = &pm->state;
    bool cause = (state->status & state->enable) || (state->gpe_status & state->gpe_enable);
    pm->outputs.sci(pm->outputs.ctx, cause && (state->control & SCI_EN));
    struct event_queue *queue = pm->device.env->queue;
    if ((state->enable & TMR_STS) && !(state->status & TMR_STS)) {
        uint64_t next = (state->seen / TIMER_HALF + 1) * TIMER_HALF;
        event_schedule(queue, &pm->event, ticks_from(queue, next, TIMER_HZ));
    } else {
        event_cancel(queue, &pm->event);
    }
}

static void overflow_fired(struct event *event, tick_t late)
{
    (void)late;
    struct piix4_pm *pm = CONTAINER_OF(event, struct piix4_pm, event);
    timer_catch_up(pm);
    sci_update(pm);
}

void piix4_pm_power_button(struct device *device)
{
    struct piix4_pm *pm = self(device);
    pm->state.status |= PWRBTN_STS;
    sci_update(pm);
}

/* ---- Register block ---- */

static void write_control(struct piix4_pm *pm, uint16_t value)
{
    pm->state.control = value & PM1_CONTROL_BITS;
    if (!(value & SLP_EN))
        return;
    unsigned type = (value & PM1_CONTROL_BITS) >> SLP_TYPE_SHIFT;
    if (type == PIIX4_SLEEP_S5)
        pm->outputs.power_off(pm->outputs.ctx);
    else
        log_line(pm->device.env->log, LOG_UNIMP, "piix4-pm: sleep type %u is not modelled", type);
}

/* A byte of a 16-bit register. */
static uint8_t half(uint16_t value, uint32_t offset)
{
    return (uint8_t)(offset & 1 ? value >> 8 : value);
}

static void put_half(uint16_t *reg, uint32_t offset, uint8_t value)
{
    *reg = (uint16_t)(offset & 1 ? (*reg & 0x00FF) | value << 8 : (*reg & 0xFF00) | value);
}

static uint8_t read_byte(struct piix4_pm *pm, uint32_t offset)
{
    const struct piix4_pm_state *state = &pm->state;
    switch (offset & ~1u) {
    case PM1_STATUS: return half(state->status, offset);
    case PM1_ENABLE: return half(state->enable, offset);
    case PM1_CONTROL: return half(state->control, offset);
    case TIMER:
    case TIMER + 2: return (uint8_t)((state->seen & TIMER_MASK) >> (8 * (offset - TIMER)));
    case GPE_STATUS: return half(state->gpe_status, offset);
    case GPE_ENABLE: return half(state->gpe_enable, offset);
    default: return state->generic[offset];
    }
}

/* Status bits are cleared by writing ones; everything else is stored. */
static void write_byte(struct piix4_pm *pm, uint32_t offset, uint8_t value)
{
    struct piix4_pm_state *state = &pm->state;
    uint16_t ones = (uint16_t)(offset & 1 ? value << 8 : value);
    switch (offset & ~1u) {
    case PM1_STATUS: state->status &= (uint16_t)~ones; break;
    case PM1_ENABLE:
        put_half(&state->enable, offset, value);
        state->enable &= PM1_ENABLE_BITS;
        break;
    case GPE_STATUS: state->gpe_status &= (uint16_t)~ones; break;
    case GPE_ENABLE:
        put_half(&state->gpe_enable, offset, value);
        state->gpe_enable &= GPE_BITS;
        break;
    default:
        if (offset >= GENERIC_FIRST)
            state->generic[offset] = value;
    }
}

static uint64_t block_read(struct device *device, uint32_t offset, unsigned size)
{
    struct piix4_pm *pm = self(device);
    uint16_t status = pm->state.status;
    timer_catch_up(pm);
    if (pm->state.status != status)
        sci_update(pm);
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)read_byte(pm, offset + i) << (8 * i);
    return value;
}

/* PM1_CNT must be seen as one value: SLP_TYP and SLP_EN act together, whatever the access size. */
static void block_write(struct device *device, uint32_t offset, unsigned size, uint64_t value)
{
    struct piix4_pm *pm = self(device);
    timer_catch_up(pm);
    uint16_t control = pm->state.control;
    bool control_written = false;
    for (unsigned i = 0; i < size; i++) {
        if (((offset + i) & ~1u) == PM1_CONTROL) {
            put_half(&control, offset + i, (uint8_t)(value >> (8 * i)));
            control_written = true;
        } else {
            write_byte(pm, offset + i, (uint8_t)(value >> (8 * i)));
        }
    }
    if (control_written)
        write_control(pm, control);
    sci_update(pm);
}

/* ---- SMI command port ---- */

static uint64_t apm_read(struct device *device, uint32_t offset, unsigned size)
{
    (void)size;
    return self(device)->state.apm[offset];
}

static void apm_write(struct device *device, uint32_t offset, unsigned size, uint64_t value)
{
    (void)size;
    struct piix4_pm *pm = self(device);
    pm->state.apm[offset] = (uint8_t)value;
    if (offset != 0)
        return;
    if (value == PIIX4_ACPI_ENABLE)
        pm->state.control |= SCI_EN;
    else if (value == PIIX4_ACPI_DISABLE)
        pm->state.control &= (uint16_t)~SCI_EN;
    timer_catch_up(pm);
    sci_update(pm);
}

/* ---- Configuration ---- */

static void block_map(struct piix4_pm *pm)
{
    const uint8_t *bytes = pm->state.pci.bytes;
    uint32_t base = (bytes[REG_PMBASE] | (uint32_t)bytes[REG_PMBASE + 1] << 8) & ~(uint32_t)(BLOCK_SIZE - 1);
    uint32_t wanted = bytes[REG_PMREGMISC] & PMIOSE ? base : 0;
    if (wanted == pm->mapped)
        return;
    if (pm->mapped != 0)
        io_unmap(pm->pci.bus->ports, &pm->device, PIIX4_PM_WINDOW_BLOCK);
    if (wanted != 0)
        io_map(pm->pci.bus->ports, &pm->device, PIIX4_PM_WINDOW_BLOCK, wanted);
    pm->mapped = wanted;
}

static void config_written(struct device *device, uint8_t reg, unsigned size)
{
    (void)reg, (void)size;
    block_map(self(device));
}

static void reset(struct device *device)
{
    struct piix4_pm *pm = self(device);
    struct piix4_pm_state *state = &pm->state;
    state->status = state->enable = state->control = state->gpe_status = state->gpe_enable = 0;
    memset(state->apm, 0, sizeof state->apm);
    memset(state->generic, 0, sizeof state->generic);
    state->seen = timer_count(pm);
    if (pm->pci.bus == NULL)
        return;
    pci_function_reset(&pm->pci);
    struct pci_config *config = &state->pci;
    config->writable[0x04] = 0x01;
    config->writable[0x05] = 0;
    config->bytes[REG_PMBASE] = 0x01; /* an I/O address */
    config->writable[REG_PMBASE] = 0xC0;
    config->writable[REG_PMBASE + 1] = 0xFF;
    memset(config->writable + 0x44, 0xFF, REG_PMREGMISC - 0x44); /* counts and device activity: stored */
    config->writable[REG_PMREGMISC] = PMIOSE;
    config->bytes[REG_SMBUS_BASE] = 0x01;
    config->writable[REG_SMBUS_BASE] = 0xF0;
    config->writable[REG_SMBUS_BASE + 1] = 0xFF;
    block_map(pm);
    sci_update(pm);
}

static void loaded(struct device *device)
{
    struct piix4_pm *pm = self(device);
    block_map(pm);
    sci_update(pm);
}

static void destroy(struct device *device)
{
    struct piix4_pm *pm = self(device);
    event_cancel(device->env->queue, &pm->event);
    free(pm);
}

static const struct io_window windows[] = {
    [PIIX4_PM_WINDOW_BLOCK] = {"pm", BLOCK_SIZE, 1, 4, block_read, block_write},
    [PIIX4_PM_WINDOW_APM] = {"apm", 2, 1, 1, apm_read, apm_write},
};

static const struct device_class piix4_pm_class = {
    .name = "piix4-pm",
    .description = "82371AB power management",
    .state_offset = offsetof(struct piix4_pm, state),
    .state_size = sizeof(struct piix4_pm_state),
    .windows = windows,
    .window_count = ARRAY_LEN(windows),
    .reset = reset,
    .loaded = loaded,
    .destroy = destroy,
};

static const struct pci_class piix4_pm_pci_class = {
    .vendor = 0x8086,
    .device = 0x7113,
    .class_code = 0x068000,
    .revision = 3,
    .interrupt_pin = 1, /* SMBus; the SCI is not a PCI interrupt */
    .config_written = config_written,
};

struct pci_function *piix4_pm_pci(struct device *device)
{
    return &self(device)->pci;
}

struct device *piix4_pm_create(const struct device_env *env, const struct piix4_pm_outputs *outputs)
{
    struct piix4_pm *pm = xcalloc(1, sizeof *pm);
    device_init(&pm->device, &piix4_pm_class, env, 0);
    pm->outputs = *outputs;
    event_init(&pm->event, "pm-timer", EVENT_ORDER_DEVICE, overflow_fired);
    pm->pci =
        (struct pci_function){.device = &pm->device, .cls = &piix4_pm_pci_class, .config = &pm->state.pci};
    reset(&pm->device);
    return &pm->device;
}
