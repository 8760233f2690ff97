/* Local APIC (xAPIC) of the one processor.
 *
 * Source: Intel SDM volume 3, chapter "Advanced Programmable Interrupt Controller (APIC)", in the text "SDM";
 * section numbers of edition 081 (11.x). Models register file, acceptance, priorities, LVT, timer (one-shot
 * and periodic), ICR to ourselves, error register, virtual-wire ExtINT. Left out: x2APIC, TSC-deadline, CMCI,
 * the arbitration protocol, SMI, start-up IPIs (there is no second processor to start).
 *
 *      message --accept--> IRR --priority > PPR--> INTR --acknowledge--> ISR --EOI--> (level: EOI message)
 *
 * The timer counts bus clocks; clock n is tick ticks_from(n). Nothing is stored per count: the current count
 * is calculated from the clock at which counting started. While a periodic interrupt waits in IRR, further
 * expiries have no effect and need no event; the acknowledge schedules the next. So a guest cannot make the
 * event queue busier than it acknowledges.
 *
 * Invariants: (1) ISR and IRR bits below 16 are never set; (2) INTR = highest IRR class > PPR class or
 * external request through LINT0; (3) software-disabled implies every LVT entry masked (SDM 11.4.7.2); (4)
 * hardware- disabled implies INTR = LINT0 and NMI = LINT1. */
#include "devices/apic.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

/* Register numbers: offset / 16 (SDM table 11-1). */
enum {
    REG_ID = 0x02,
    REG_VERSION = 0x03,
    REG_TPR = 0x08,
    REG_ARBITRATION = 0x09, /* of the P6 family; always 0 here */
    REG_PPR = 0x0A,
    REG_EOI = 0x0B,
    REG_REMOTE = 0x0C,
    REG_LDR = 0x0D,
    REG_DFR = 0x0E,
    REG_SVR = 0x0F,
    REG_ISR = 0x10,
    REG_TMR = 0x18,
    REG_IRR = 0x20,
    REG_ESR = 0x28,
    REG_ICR_LOW = 0x30,
    REG_ICR_HIGH = 0x31,
    REG_LVT = 0x32, /* first of six */
    REG_TIMER_INITIAL = 0x38,
    REG_TIMER_CURRENT = 0x39,
    REG_TIMER_DIVIDE = 0x3E,

    VERSION = 0x00050014, /* integrated APIC, six LVT entries */

    SVR_ENABLE = 0x100,
    SVR_WRITABLE = 0x3FF,

    LVT_MASKED = 0x10000,
    LVT_PERIODIC = 0x20000,
    LVT_LEVEL = 0x8000,
    LVT_REMOTE_IRR = 0x4000,
    LVT_MODE_SHIFT = 8,

    ICR_LOGICAL = 0x800,
    ICR_ASSERT = 0x4000,
    ICR_LEVEL = 0x8000,
    ICR_WRITABLE = 0xCCFFF,
    ICR_SHORTHAND_SHIFT = 18,

    ESR_SEND_ILLEGAL = 0x20,
    ESR_RECEIVE_ILLEGAL = 0x40,
    ESR_ILLEGAL_REGISTER = 0x80,

    BROADCAST = 0xFF,
    FIRST_VECTOR = 16,
    NO_VECTOR = -1,
};

enum lvt { LVT_TIMER, LVT_THERMAL, LVT_COUNTER, LVT_LINT0, LVT_LINT1, LVT_ERROR, LVT_COUNT };

enum shorthand { SHORTHAND_NONE, SHORTHAND_SELF, SHORTHAND_ALL, SHORTHAND_OTHERS };

static const uint32_t lvt_writable[LVT_COUNT] = {
    [LVT_TIMER] = 0x300FF, [LVT_THERMAL] = 0x107FF, [LVT_COUNTER] = 0x107FF,
    [LVT_LINT0] = 0x1A7FF, [LVT_LINT1] = 0x1A7FF,   [LVT_ERROR] = 0x100FF,
};

struct lapic_state {
    uint64_t base;        /* IA32_APIC_BASE */
    uint64_t timer_start; /* bus clock at which counting from timer_initial began */
    uint32_t id, tpr, ldr, dfr, svr, esr, esr_pending, icr_low, icr_high;
    uint32_t lvt[LVT_COUNT];
    uint32_t isr[8], irr[8], tmr[8]; /* 256 bits each */
    uint32_t timer_initial, timer_divide;
    bool timer_armed;    /* counting towards an expiry that has not happened */
    bool lint[2];        /* levels of the pins */
    bool external_latch; /* an ExtINT message of the I/O APIC waits for its acknowledge */
};

struct lapic {
    struct device device;
    struct lapic_state state;
    struct lapic_outputs outputs;
    uint64_t bus_hz;
    struct event event;
};

static struct lapic *self(struct device *device)
{
    return CONTAINER_OF(device, struct lapic, device);
}

/* ---- 256-bit vectors ---- */

static bool bit_test(const uint32_t *bits, unsigned vector)
{
    return (bits[vector >> 5] >> (vector & 31)) & 1;
}

static void bit_put(uint32_t *bits, unsigned vector, bool value)
{
    uint32_t bit = UINT32_C(1) << (vector & 31);
    bits[vector >> 5] = value ? bits[vector >> 5] | bit : bits[vector >> 5] & ~bit;
}

static int bit_highest(const uint32_t *bits)
{
    for (int word = 7; word >= 0; word--)
        if (bits[word] != 0)
            return word * 32 + 31 - __builtin_clz(bits[word]);
    return NO_VECTOR;
}

/* ---- Priority and output ---- */

static bool hardware_enabled(const struct lapic_state *state)
{
    return (state->base & LAPIC_BASE_ENABLE) != 0;
}

/* Processor priority (SDM 11.8.3.1). */
static uint8_t processor_priority(const struct lapic_state *state)
{
    int in_service = bit_highest(state->isr);
    uint32_t service_class = in_service == NO_VECTOR ? 0 : (uint32_t)in_service & 0xF0;
    return (uint8_t)((state->tpr & 0xF0) >= service_class ? state->tpr : service_class);
}

/* The vector that may be dispensed to the core now. */
static int dispensable(const struct lapic_state *state)
{
    int request = bit_highest(state->irr);
    if (request == NO_VECTOR || (request & 0xF0) <= (processor_priority(state) & 0xF0))
        return NO_VECTOR;
    return request;
}

static unsigned lvt_mode(uint32_t lvt)
{
    return lvt >> LVT_MODE_SHIFT & 7;
}

/* The 8259's request comes through LINT0 in ExtINT mode, or straight while the APIC is off. */
static bool external_request(const struct lapic_state *state)
{
    if (!hardware_enabled(state))
        return state->lint[0];
    uint32_t lvt = state->lvt[LVT_LINT0];
    bool through_lint0 = state->lint[0] && !(lvt & LVT_MASKED) && lvt_mode(lvt) == APIC_MODE_EXTINT;
    return through_lint0 || state->external_latch;
}

static void intr_update(struct lapic *lapic)
{
    const struct lapic_state *state = &lapic->state;
    bool level = external_request(state) || (hardware_enabled(state) && dispensable(state) != NO_VECTOR);
    lapic->outputs.intr(lapic->outputs.ctx, level);
}

/* ---- Accepting ---- */

static void raise_error(struct lapic *lapic, uint32_t error);

/* A fixed interrupt enters IRR; the trigger mode is remembered for its EOI (SDM 11.8.4). */
static void accept_fixed(struct lapic *lapic, uint8_t vector, bool level)
{
    if (vector < FIRST_VECTOR) {
        raise_error(lapic, ESR_RECEIVE_ILLEGAL);
        return;
    }
    bit_put(lapic->state.irr, vector, true);
    bit_put(lapic->state.tmr, vector, level);
    intr_update(lapic);
}

/* Everything that can arrive, from the bus, our own ICR or an LVT entry. Returns whether it was taken:
 * a software-disabled APIC takes no maskable interrupts (SDM 11.4.7.2). */
static bool accept(struct lapic *lapic, unsigned mode, uint8_t vector, bool level)
{
    struct lapic_state *state = &lapic->state;
    bool enabled = (state->svr & SVR_ENABLE) != 0;
    switch ((enum apic_mode)mode) {
    case APIC_MODE_FIXED:
    case APIC_MODE_LOWEST:
        if (enabled)
            accept_fixed(lapic, vector, level);
        return enabled;
    case APIC_MODE_EXTINT:
        if (enabled) {
            state->external_latch = true;
            intr_update(lapic);
        }
        return enabled;
    case APIC_MODE_NMI: lapic->outputs.nmi(lapic->outputs.ctx); return true;
    case APIC_MODE_INIT: lapic->outputs.init(lapic->outputs.ctx); return true;
    case APIC_MODE_SMI:
        log_line(lapic->device.env->log, LOG_UNIMP, "lapic: SMI is not modelled");
        return true;
    case APIC_MODE_STARTUP: return true; /* ignored by a running processor */
    }
    return false; /* reserved mode 3 */
}

/* Deliver a local source. The timer and error entries have no mode field: fixed. */
static void accept_local(struct lapic *lapic, enum lvt entry)
{
    uint32_t lvt = lapic->state.lvt[entry];
    if (!(lvt & LVT_MASKED))
        accept(lapic, lvt_mode(lvt), (uint8_t)lvt, false);
}

/* Errors collect until the guest writes ESR; the first may interrupt (SDM 11.5.3). */
static void raise_error(struct lapic *lapic, uint32_t error)
{
    struct lapic_state *state = &lapic->state;
    bool is_new = (state->esr_pending & error) == 0;
    state->esr_pending |= error;
    /* An error entry with an illegal vector would report itself for ever. */
    if (is_new && (state->lvt[LVT_ERROR] & 0xFF) >= FIRST_VECTOR)
        accept_local(lapic, LVT_ERROR);
}

/* Destinations (SDM 11.6.2). */
static bool is_addressed(const struct lapic_state *state, uint8_t destination, bool logical)
{
    if (destination == BROADCAST)
        return true;
    if (!logical)
        return destination == state->id >> 24;
    uint8_t own = (uint8_t)(state->ldr >> 24);
    if (state->dfr >> 28 == 0xF) /* flat: one bit each */
        return (own & destination) != 0;
    /* cluster: the high nibble names the cluster (15: all), the low nibble is a set within it */
    bool cluster = own >> 4 == destination >> 4 || destination >> 4 == 0xF;
    return cluster && (own & destination & 0xF) != 0;
}

bool lapic_deliver(struct device *device, const struct apic_message *message)
{
    struct lapic *lapic = self(device);
    const struct lapic_state *state = &lapic->state;
    if (!hardware_enabled(state) || !is_addressed(state, message->destination, message->logical))
        return false;
    return accept(lapic, message->mode, message->vector, message->level);
}

/* ---- Timer ---- */

static uint64_t bus_clock(const struct lapic *lapic)
{
    const struct event_queue *queue = lapic->device.env->queue;
    return ticks_to(queue, queue->now, lapic->bus_hz);
}

/* Bits 3, 1, 0 select 2, 4, ... 128, and 7 means 1 (SDM figure "divide configuration register"). */
static uint64_t divisor(const struct lapic_state *state)
{
    unsigned code = (state->timer_divide & 3) | (state->timer_divide >> 1 & 4);
    return code == 7 ? 1 : UINT64_C(2) << code;
}

static uint64_t timer_period(const struct lapic_state *state)
{
    return state->timer_initial * divisor(state);
}

static bool is_periodic(const struct lapic_state *state)
{
    return (state->lvt[LVT_TIMER] & LVT_PERIODIC) != 0;
}

static uint32_t timer_current(const struct lapic *lapic)
{
    const struct lapic_state *state = &lapic->state;
    uint64_t period = timer_period(state);
    if (period == 0)
        return 0;
    uint64_t passed = bus_clock(lapic) - state->timer_start;
    if (is_periodic(state))
        passed %= period;
    else if (!state->timer_armed || passed >= period)
        return 0;
    return (uint32_t)(state->timer_initial - passed / divisor(state));
}

/* Schedule the next expiry that can have an effect. */
static void timer_schedule(struct lapic *lapic)
{
    struct event_queue *queue = lapic->device.env->queue;
    const struct lapic_state *state = &lapic->state;
    uint64_t period = timer_period(state);
    uint32_t lvt = state->lvt[LVT_TIMER];
    bool waits = is_periodic(state) && bit_test(state->irr, lvt & 0xFF);
    if (period == 0 || !state->timer_armed || (lvt & LVT_MASKED) || waits) {
        event_cancel(queue, &lapic->event);
        return;
    }
    uint64_t expiry = state->timer_start + period;
    uint64_t clock = bus_clock(lapic);
    if (is_periodic(state) && expiry <= clock)
        expiry = state->timer_start + ((clock - state->timer_start) / period + 1) * period;
    event_schedule(queue, &lapic->event, ticks_from(queue, expiry, lapic->bus_hz));
}

static void timer_fired(struct event *event, tick_t late)
{
    (void)late;
    struct lapic *lapic = CONTAINER_OF(event, struct lapic, event);
    struct lapic_state *state = &lapic->state;
    if (!is_periodic(state))
        state->timer_armed = false;
    accept_local(lapic, LVT_TIMER);
    timer_schedule(lapic);
}

static void write_timer_initial(struct lapic *lapic, uint32_t value)
{
    struct lapic_state *state = &lapic->state;
    state->timer_initial = value;
    state->timer_start = bus_clock(lapic);
    state->timer_armed = value != 0;
    timer_schedule(lapic);
}

/* A new divisor, or another mode, goes on from the current count. */
static void timer_rebase(struct lapic *lapic, uint32_t current)
{
    struct lapic_state *state = &lapic->state;
    uint64_t passed = (state->timer_initial - current) * divisor(state);
    uint64_t clock = bus_clock(lapic);
    if (current == 0) /* expired, or masked one-shot that ran out unseen */
        state->timer_armed = is_periodic(state) && state->timer_armed;
    state->timer_start = clock > passed ? clock - passed : 0;
    timer_schedule(lapic);
}

/* ---- Local interrupt pins ---- */

/* A pin in fixed mode may be level sensitive: its remote IRR holds further delivery until the EOI. */
static void lint_evaluate(struct lapic *lapic, unsigned pin, bool rising)
{
    struct lapic_state *state = &lapic->state;
    uint32_t *lvt = &state->lvt[LVT_LINT0 + pin];
    if (!hardware_enabled(state)) {
        if (pin == 1 && rising)
            lapic->outputs.nmi(lapic->outputs.ctx);
    } else if (!(*lvt & LVT_MASKED) && lvt_mode(*lvt) != APIC_MODE_EXTINT) {
        bool level = (*lvt & LVT_LEVEL) && lvt_mode(*lvt) == APIC_MODE_FIXED;
        if (level && state->lint[pin] && !(*lvt & LVT_REMOTE_IRR)) {
            *lvt |= LVT_REMOTE_IRR;
            accept(lapic, APIC_MODE_FIXED, (uint8_t)*lvt, true);
        } else if (!level && rising) {
            accept(lapic, lvt_mode(*lvt), (uint8_t)*lvt, false);
        }
    }
    intr_update(lapic);
}

static void lint_set(void *ctx, unsigned pin, bool level)
{
    struct lapic *lapic = ctx;
    bool rising = level && !lapic->state.lint[pin];
    lapic->state.lint[pin] = level;
    lint_evaluate(lapic, pin, rising);
}

struct irq_wire lapic_lint(struct device *device, unsigned pin)
{
    CHECK(pin < 2);
    return (struct irq_wire){.set = lint_set, .ctx = self(device), .line = pin};
}

/* ---- Acknowledge and EOI ---- */

/* Own requests go first; with none left above PPR the spurious vector is dispensed and nothing enters service
 * (SDM 11.9). */
uint8_t lapic_acknowledge(struct device *device)
{
    struct lapic *lapic = self(device);
    struct lapic_state *state = &lapic->state;
    int vector = hardware_enabled(state) ? dispensable(state) : NO_VECTOR;
    if (vector == NO_VECTOR && external_request(state)) {
        state->external_latch = false;
        vector = lapic->outputs.external_acknowledge(lapic->outputs.ctx);
    } else if (vector == NO_VECTOR) {
        vector = (int)(state->svr & 0xFF);
    } else {
        bit_put(state->irr, (unsigned)vector, false);
        bit_put(state->isr, (unsigned)vector, true);
        if ((state->lvt[LVT_TIMER] & 0xFF) == (uint32_t)vector)
            timer_schedule(lapic);
    }
    intr_update(lapic);
    return (uint8_t)vector;
}

static void end_of_interrupt(struct lapic *lapic)
{
    struct lapic_state *state = &lapic->state;
    int vector = bit_highest(state->isr);
    if (vector == NO_VECTOR)
        return;
    bit_put(state->isr, (unsigned)vector, false);
    if (bit_test(state->tmr, (unsigned)vector)) {
        for (unsigned pin = 0; pin < 2; pin++) {
            if ((state->lvt[LVT_LINT0 + pin] & 0xFF) == (uint32_t)vector) {
                state->lvt[LVT_LINT0 + pin] &= ~(uint32_t)LVT_REMOTE_IRR;
                lint_evaluate(lapic, pin, false);
            }
        }
        lapic->outputs.end_of_interrupt(lapic->outputs.ctx, (uint8_t)vector);
    }
    intr_update(lapic);
}

/* ---- Registers ---- */

/* Inter-processor interrupt; with one processor it arrives here or nowhere, at once (SDM 11.6.1). */
static void write_icr(struct lapic *lapic, uint32_t value)
{
    struct lapic_state *state = &lapic->state;
    state->icr_low = value & ICR_WRITABLE;
    unsigned mode = value >> LVT_MODE_SHIFT & 7;
    uint8_t vector = (uint8_t)value;
    if ((mode == APIC_MODE_FIXED || mode == APIC_MODE_LOWEST) && vector < FIRST_VECTOR) {
        raise_error(lapic, ESR_SEND_ILLEGAL);
        return;
    }
    if (mode == APIC_MODE_INIT && (value & ICR_LEVEL) && !(value & ICR_ASSERT))
        return; /* INIT level de-assert only synchronizes arbitration ids */
    bool here = false;
    switch ((enum shorthand)(value >> ICR_SHORTHAND_SHIFT & 3)) {
    case SHORTHAND_NONE:
        here = is_addressed(state, (uint8_t)(state->icr_high >> 24), (value & ICR_LOGICAL) != 0);
        break;
    case SHORTHAND_SELF:
    case SHORTHAND_ALL: here = true; break;
    case SHORTHAND_OTHERS: break;
    }
    if (here)
        accept(lapic, mode, vector, false);
}

static void write_lvt(struct lapic *lapic, enum lvt entry, uint32_t value)
{
    struct lapic_state *state = &lapic->state;
    uint32_t current = timer_current(lapic);
    uint32_t kept = state->lvt[entry] & LVT_REMOTE_IRR;
    if (!(value & LVT_LEVEL))
        kept = 0;
    state->lvt[entry] = (value & lvt_writable[entry]) | kept;
    if (!(state->svr & SVR_ENABLE))
        state->lvt[entry] |= LVT_MASKED;
    if (entry == LVT_TIMER)
        timer_rebase(lapic, current);
    else if (entry == LVT_LINT0 || entry == LVT_LINT1)
        lint_evaluate(lapic, entry - LVT_LINT0, false);
}

static void write_svr(struct lapic *lapic, uint32_t value)
{
    struct lapic_state *state = &lapic->state;
    state->svr = value & SVR_WRITABLE;
    if (!(value & SVR_ENABLE)) {
        for (unsigned i = 0; i < LVT_COUNT; i++)
            state->lvt[i] |= LVT_MASKED;
        timer_schedule(lapic);
    }
    intr_update(lapic);
}

static uint64_t reg_read(struct device *device, uint32_t offset, unsigned size)
{
    (void)size;
    struct lapic *lapic = self(device);
    const struct lapic_state *state = &lapic->state;
    unsigned reg = offset >> 4;
    if (offset & 0xC) /* between the registers */
        return 0;
    if (reg >= REG_ISR && reg < REG_ISR + 8)
        return state->isr[reg - REG_ISR];
    if (reg >= REG_TMR && reg < REG_TMR + 8)
        return state->tmr[reg - REG_TMR];
    if (reg >= REG_IRR && reg < REG_IRR + 8)
        return state->irr[reg - REG_IRR];
    if (reg >= REG_LVT && reg < REG_LVT + LVT_COUNT)
        return state->lvt[reg - REG_LVT];
    switch (reg) {
    case REG_ID: return state->id;
    case REG_VERSION: return VERSION;
    case REG_TPR: return state->tpr;
    case REG_PPR: return processor_priority(state);
    case REG_ARBITRATION:
    case REG_EOI:
    case REG_REMOTE: return 0;
    case REG_LDR: return state->ldr;
    case REG_DFR: return state->dfr;
    case REG_SVR: return state->svr;
    case REG_ESR: return state->esr;
    case REG_ICR_LOW: return state->icr_low;
    case REG_ICR_HIGH: return state->icr_high;
    case REG_TIMER_INITIAL: return state->timer_initial;
    case REG_TIMER_CURRENT: return timer_current(lapic);
    case REG_TIMER_DIVIDE: return state->timer_divide;
    default: raise_error(lapic, ESR_ILLEGAL_REGISTER); return 0;
    }
}

static void reg_write(struct device *device, uint32_t offset, unsigned size, uint64_t wide)
{
    (void)size;
    struct lapic *lapic = self(device);
    struct lapic_state *state = &lapic->state;
    unsigned reg = offset >> 4;
    uint32_t value = (uint32_t)wide;
    if (offset & 0xC)
        return;
    if (reg >= REG_LVT && reg < REG_LVT + LVT_COUNT) {
        write_lvt(lapic, (enum lvt)(reg - REG_LVT), value);
        return;
    }
    switch (reg) {
    case REG_ID: state->id = value & 0xFF000000; break;
    case REG_TPR:
        state->tpr = value & 0xFF;
        intr_update(lapic);
        break;
    case REG_EOI: end_of_interrupt(lapic); break;
    case REG_LDR: state->ldr = value & 0xFF000000; break;
    case REG_DFR: state->dfr = value | 0x0FFFFFFF; break;
    case REG_SVR: write_svr(lapic, value); break;
    case REG_ESR: /* a write shows what has collected, and starts collecting anew */
        state->esr = state->esr_pending;
        state->esr_pending = 0;
        break;
    case REG_ICR_LOW: write_icr(lapic, value); break;
    case REG_ICR_HIGH: state->icr_high = value & 0xFF000000; break;
    case REG_TIMER_INITIAL: write_timer_initial(lapic, value); break;
    case REG_TIMER_DIVIDE: {
        uint32_t current = timer_current(lapic);
        state->timer_divide = value & 0xB;
        timer_rebase(lapic, current);
        break;
    }
    case REG_VERSION:
    case REG_ARBITRATION:
    case REG_PPR:
    case REG_REMOTE:
    case REG_TIMER_CURRENT: break; /* read only */
    default:
        if (reg < REG_ISR || reg >= REG_IRR + 8)
            raise_error(lapic, ESR_ILLEGAL_REGISTER);
    }
}

/* ---- CR8 and IA32_APIC_BASE ---- */

uint8_t lapic_tpr(struct device *device)
{
    return (uint8_t)(self(device)->state.tpr >> 4);
}

void lapic_set_tpr(struct device *device, uint8_t class_number)
{
    struct lapic *lapic = self(device);
    lapic->state.tpr = (uint32_t)(class_number & 15) << 4;
    intr_update(lapic);
}

/* Everything but base, pins and identity (SDM 11.4.7.1). */
static void registers_reset(struct lapic *lapic)
{
    struct lapic_state *state = &lapic->state;
    const struct lapic_state old = *state;
    memset(state, 0, sizeof *state);
    state->base = old.base;
    state->id = old.id;
    state->lint[0] = old.lint[0];
    state->lint[1] = old.lint[1];
    state->dfr = 0xFFFFFFFF;
    state->svr = 0xFF;
    for (unsigned i = 0; i < LVT_COUNT; i++)
        state->lvt[i] = LVT_MASKED;
    event_cancel(lapic->device.env->queue, &lapic->event);
}

void lapic_set_base(struct device *device, uint64_t value)
{
    struct lapic *lapic = self(device);
    bool was_enabled = hardware_enabled(&lapic->state);
    lapic->state.base = value;
    if (was_enabled && !hardware_enabled(&lapic->state))
        registers_reset(lapic);
    intr_update(lapic);
}

uint64_t lapic_base(struct device *device)
{
    return self(device)->state.base;
}

/* ---- Class ---- */

static void reset(struct device *device)
{
    struct lapic *lapic = self(device);
    lapic->state.base = LAPIC_DEFAULT_BASE | LAPIC_BASE_ENABLE | LAPIC_BASE_BSP;
    registers_reset(lapic);
    intr_update(lapic);
}

static void loaded(struct device *device)
{
    struct lapic *lapic = self(device);
    timer_schedule(lapic);
    intr_update(lapic);
}

static void destroy(struct device *device)
{
    struct lapic *lapic = self(device);
    event_cancel(device->env->queue, &lapic->event);
    free(lapic);
}

static const struct io_window windows[] = {
    {"lapic", 0x1000, 4, 4, reg_read, reg_write},
};

static const struct device_class lapic_class = {
    .name = "lapic",
    .description = "local APIC",
    .state_offset = offsetof(struct lapic, state),
    .state_size = sizeof(struct lapic_state),
    .windows = windows,
    .window_count = ARRAY_LEN(windows),
    .reset = reset,
    .loaded = loaded,
    .destroy = destroy,
};

struct device *lapic_create(const struct device_env *env, uint8_t id, uint64_t bus_hz,
                            const struct lapic_outputs *outputs)
{
    struct lapic *lapic = xcalloc(1, sizeof *lapic);
    device_init(&lapic->device, &lapic_class, env, 0);
    lapic->outputs = *outputs;
    /* A bus clock must not be shorter than a tick, or clock numbers would not survive the way to ticks and
     * back. */
    lapic->bus_hz = bus_hz < env->queue->hz ? bus_hz : env->queue->hz;
    lapic->state.id = (uint32_t)id << 24;
    event_init(&lapic->event, "lapic-timer", EVENT_ORDER_DEVICE, timer_fired);
    reset(&lapic->device);
    return &lapic->device;
}
