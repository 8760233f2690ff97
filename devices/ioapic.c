/* I/O APIC with 24 pins.
 *
 * Source: Intel 82093AA data sheet (290566-001), in the text "DS". Redirection table, edge and level
 * triggering with remote IRR, indirect register access. Left out: arbitration (messages arrive at once, so
 * delivery status always reads idle) and pin polarity, because wires here say "asserted", not "high".
 *
 * Edges on a masked pin are lost (DS 3.2.4 "interrupt mask"). A level-triggered pin sends one message, sets
 * remote IRR when a local APIC takes it, and may send the next only after the EOI message with its vector.
 *
 * Invariant: remote IRR is set only in level-triggered entries. */
#include "devices/apic.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum {
    WINDOW_SELECT = 0x00,
    WINDOW_DATA = 0x10,

    REG_ID = 0x00,
    REG_VERSION = 0x01,
    REG_ARBITRATION = 0x02,
    REG_TABLE = 0x10, /* two registers for each pin */

    VERSION = 0x11 | (IOAPIC_PINS - 1) << 16,
};

#define ENTRY_LOGICAL    (UINT64_C(1) << 11)
#define ENTRY_REMOTE_IRR (UINT64_C(1) << 14)
#define ENTRY_LEVEL      (UINT64_C(1) << 15)
#define ENTRY_MASKED     (UINT64_C(1) << 16)
#define ENTRY_WRITABLE   UINT64_C(0xFF0000000001AFFF)

struct ioapic_state {
    uint64_t table[IOAPIC_PINS];
    uint32_t id;
    uint32_t pins;  /* levels, a bit each */
    uint8_t select; /* IOREGSEL */
};

struct ioapic {
    struct device device;
    struct ioapic_state state;
    struct ioapic_outputs outputs;
    uint8_t id;
};

static struct ioapic *self(struct device *device)
{
    return CONTAINER_OF(device, struct ioapic, device);
}

/* ---- Messages ---- */

static bool send(struct ioapic *ioapic, uint64_t entry)
{
    const struct apic_message message = {
        .vector = (uint8_t)entry,
        .mode = entry >> 8 & 7,
        .destination = (uint8_t)(entry >> 56),
        .logical = (entry & ENTRY_LOGICAL) != 0,
        .level = (entry & ENTRY_LEVEL) != 0,
    };
    return ioapic->outputs.deliver(ioapic->outputs.ctx, &message);
}

/* Only fixed and lowest-priority messages are acknowledged by an EOI, so only they have a remote IRR. */
static bool has_eoi(uint64_t entry)
{
    return (entry >> 8 & 7) <= APIC_MODE_LOWEST;
}

static void evaluate(struct ioapic *ioapic, unsigned pin, bool rising)
{
    uint64_t *entry = &ioapic->state.table[pin];
    if (*entry & ENTRY_MASKED)
        return;
    if (!(*entry & ENTRY_LEVEL)) {
        if (rising)
            send(ioapic, *entry);
        return;
    }
    bool asserted = (ioapic->state.pins >> pin) & 1;
    if (!asserted || (*entry & ENTRY_REMOTE_IRR) || !(has_eoi(*entry) || rising))
        return;
    if (has_eoi(*entry)) /* before sending: the EOI may come from within */
        *entry |= ENTRY_REMOTE_IRR;
    if (!send(ioapic, *entry & ~ENTRY_REMOTE_IRR))
        *entry &= ~ENTRY_REMOTE_IRR;
}

static void pin_set(void *ctx, unsigned pin, bool level)
{
    struct ioapic *ioapic = ctx;
    uint32_t bit = UINT32_C(1) << pin;
    bool rising = level && !(ioapic->state.pins & bit);
    ioapic->state.pins = level ? ioapic->state.pins | bit : ioapic->state.pins & ~bit;
    evaluate(ioapic, pin, rising);
}

struct irq_wire ioapic_input(struct device *device, unsigned pin)
{
    CHECK(pin < IOAPIC_PINS);
    return (struct irq_wire){.set = pin_set, .ctx = self(device), .line = pin};
}

void ioapic_end_of_interrupt(struct device *device, uint8_t vector)
{
    struct ioapic *ioapic = self(device);
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        uint64_t *entry = &ioapic->state.table[pin];
        if ((uint8_t)*entry == vector && (*entry & ENTRY_REMOTE_IRR)) {
            *entry &= ~ENTRY_REMOTE_IRR;
            evaluate(ioapic, pin, false);
        }
    }
}

/* ---- Registers ---- */

static uint32_t read_selected(const struct ioapic_state *state)
{
    unsigned reg = state->select;
    if (reg >= REG_TABLE && reg < REG_TABLE + 2 * IOAPIC_PINS)
        return (uint32_t)(state->table[(reg - REG_TABLE) / 2] >> (reg & 1 ? 32 : 0));
    switch (reg) {
    case REG_ID: return state->id;
    case REG_VERSION: return VERSION;
    case REG_ARBITRATION: return state->id;
    default: return 0;
    }
}

static void write_selected(struct ioapic *ioapic, uint32_t value)
{
    struct ioapic_state *state = &ioapic->state;
    unsigned reg = state->select;
    if (reg == REG_ID)
        state->id = value & 0x0F000000;
    if (reg < REG_TABLE || reg >= REG_TABLE + 2 * IOAPIC_PINS)
        return;
    unsigned pin = (reg - REG_TABLE) / 2;
    unsigned shift = reg & 1 ? 32 : 0;
    uint64_t writable = ENTRY_WRITABLE & (UINT64_C(0xFFFFFFFF) << shift);
    uint64_t *entry = &state->table[pin];
    *entry = (*entry & ~writable) | ((uint64_t)value << shift & writable);
    if (!(*entry & ENTRY_LEVEL)) /* drivers clear a stuck remote IRR by switching to edge and back */
        *entry &= ~ENTRY_REMOTE_IRR;
    evaluate(ioapic, pin, false);
}

static uint64_t window_read(struct device *device, uint32_t offset, unsigned size)
{
    (void)size;
    const struct ioapic_state *state = &self(device)->state;
    switch (offset) {
    case WINDOW_SELECT: return state->select;
    case WINDOW_DATA: return read_selected(state);
    default: return 0;
    }
}

static void window_write(struct device *device, uint32_t offset, unsigned size, uint64_t value)
{
    (void)size;
    struct ioapic *ioapic = self(device);
    if (offset == WINDOW_SELECT)
        ioapic->state.select = (uint8_t)value;
    else if (offset == WINDOW_DATA)
        write_selected(ioapic, (uint32_t)value);
}

/* ---- Class ---- */

/* Pins are driven from outside and keep their levels. */
static void reset(struct device *device)
{
    struct ioapic *ioapic = self(device);
    uint32_t pins = ioapic->state.pins;
    memset(&ioapic->state, 0, sizeof ioapic->state);
    ioapic->state.pins = pins;
    ioapic->state.id = (uint32_t)ioapic->id << 24;
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
        ioapic->state.table[pin] = ENTRY_MASKED;
}

static void destroy(struct device *device)
{
    free(self(device));
}

static const struct io_window windows[] = {
    {"ioapic", 0x1000, 4, 4, window_read, window_write},
};

static const struct device_class ioapic_class = {
    .name = "ioapic",
    .description = "I/O APIC",
    .state_offset = offsetof(struct ioapic, state),
    .state_size = sizeof(struct ioapic_state),
    .windows = windows,
    .window_count = ARRAY_LEN(windows),
    .reset = reset,
    .destroy = destroy,
};

struct device *ioapic_create(const struct device_env *env, uint8_t id, const struct ioapic_outputs *outputs)
{
    struct ioapic *ioapic = xcalloc(1, sizeof *ioapic);
    device_init(&ioapic->device, &ioapic_class, env, 0);
    ioapic->outputs = *outputs;
    ioapic->id = id;
    reset(&ioapic->device);
    return &ioapic->device;
}
