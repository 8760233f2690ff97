/* 16550A universal asynchronous receiver/transmitter with FIFOs, as on a PC's COM port.
 *
 * Source: National Semiconductor PC16550D data sheet (June 1995), in the text "DS". Everything the processor
 * sees: both FIFOs with trigger levels and receive time-out, all interrupt sources in their priority, modem
 * control and status, loopback, scratch, divisor latch. Left out: parity and framing errors (the far end
 * always uses our format) and the DMA signals RXRDY/TXRDY.
 *
 * The line is paced: a character occupies the transmitter for its start, data, parity and stop bits at
 * 1.8432 MHz / 16 / divisor, in simulated time. The receiver accepts a character at most that often, so a
 * pasted line does not overrun a guest that could keep up with a real terminal.
 *
 * On a PC the INTR pin reaches the bus only through a gate that OUT2 opens (IBM PC AT Technical Reference,
 * "Serial/Parallel Adapter"); in loopback mode OUT2 is forced inactive, so the gate is closed.
 *
 *   host --receive--> [rx FIFO] --RBR--> guest --THR--> [tx FIFO] --> shift register --line--> host
 *
 * Invariants: (1) rx_count <= depth of the FIFO in use (1 or 16), same for tx; (2) tx_done == TICK_NEVER iff
 * the shift register is empty, and then the transmit FIFO is empty too; (3) irq wire = any enabled source
 * pending, and the gate open. */
#include "devices/uart16550.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum {
    REG_DATA = 0, /* RBR on read, THR on write; divisor low byte with DLAB */
    REG_IER = 1,  /* divisor high byte with DLAB */
    REG_IIR = 2,  /* FCR on write */
    REG_LCR = 3,
    REG_MCR = 4,
    REG_LSR = 5,
    REG_MSR = 6,
    REG_SCR = 7,

    IER_RDA = 0x01,
    IER_THRE = 0x02,
    IER_LINE = 0x04,
    IER_MODEM = 0x08,

    IIR_NONE = 0x01,
    IIR_MODEM = 0x00,
    IIR_THRE = 0x02,
    IIR_RDA = 0x04,
    IIR_LINE = 0x06,
    IIR_TIMEOUT = 0x0C,
    IIR_FIFO = 0xC0,

    FCR_ENABLE = 0x01,
    FCR_CLEAR_RX = 0x02,
    FCR_CLEAR_TX = 0x04,
    FCR_TRIGGER_SHIFT = 6,

    LCR_LENGTH = 0x03, /* 5 + this data bits */
    LCR_STOP = 0x04,
    LCR_PARITY = 0x08,
    LCR_BREAK = 0x40,
    LCR_DLAB = 0x80,

    MCR_DTR = 0x01,
    MCR_RTS = 0x02,
    MCR_OUT1 = 0x04,
    MCR_OUT2 = 0x08,
    MCR_LOOP = 0x10,
    MCR_WRITABLE = 0x1F,

    LSR_DR = 0x01,
    LSR_OE = 0x02,
    LSR_BI = 0x10,
    LSR_THRE = 0x20,
    LSR_TEMT = 0x40,
    LSR_ERRORS = 0x1E,

    MSR_DCTS = 0x01,
    MSR_DDSR = 0x02,
    MSR_TERI = 0x04,
    MSR_DDCD = 0x08,
    MSR_CTS = 0x10,
    MSR_DSR = 0x20,
    MSR_RI = 0x40,
    MSR_DCD = 0x80,

    FIFO_DEPTH = 16,
    TIMEOUT_CHARACTERS = 4, /* DS "FIFO interrupt mode operation" */
    CLOCK_HZ = 1843200,
    CLOCKS_PER_BIT = 16,
    RESET_DIVISOR = 12, /* undefined by the data sheet; 9600 baud */
};

struct fifo {
    uint8_t bytes[FIFO_DEPTH];
    uint8_t head, count;
};

struct uart16550_state {
    tick_t tx_done;      /* when the character in the shift register has left, TICK_NEVER = none */
    tick_t rx_timeout;   /* when the receive time-out strikes, TICK_NEVER = not running */
    tick_t rx_line_free; /* when the line can bring the next character */
    struct fifo rx, tx;
    uint16_t divisor;
    uint8_t shift; /* character being sent */
    uint8_t ier, fcr, lcr, mcr, scr;
    uint8_t lsr_errors; /* OE, BI: cleared by reading LSR */
    uint8_t msr;
    bool thre_pending;    /* the THRE interrupt, cleared by reading IIR or writing THR */
    bool timeout_pending; /* the time-out interrupt, cleared by reading RBR */
};

struct uart16550 {
    struct device device;
    struct uart16550_state state;
    struct irq_wire irq;
    struct char_backend backend;
    enum uart_pace pace;
    struct event tx_event, timeout_event;
};

static struct uart16550 *self(struct device *device)
{
    return CONTAINER_OF(device, struct uart16550, device);
}

/* ---- FIFOs ---- */

/* Without FIFO mode the holding registers are FIFOs of depth one. */
static unsigned depth(const struct uart16550_state *state)
{
    return state->fcr & FCR_ENABLE ? FIFO_DEPTH : 1;
}

static void fifo_push(struct fifo *fifo, uint8_t byte)
{
    fifo->bytes[(fifo->head + fifo->count++) % FIFO_DEPTH] = byte;
}

static uint8_t fifo_pop(struct fifo *fifo)
{
    uint8_t byte = fifo->bytes[fifo->head];
    fifo->head = (fifo->head + 1) % FIFO_DEPTH;
    fifo->count--;
    return byte;
}

static unsigned trigger_level(const struct uart16550_state *state)
{
    static const uint8_t levels[] = {1, 4, 8, 14};
    return state->fcr & FCR_ENABLE ? levels[state->fcr >> FCR_TRIGGER_SHIFT] : 1;
}

/* ---- Interrupts ---- */

/* The source with the highest priority, in the order of DS table "interrupt control functions". */
static uint8_t interrupt_source(const struct uart16550_state *state)
{
    if ((state->ier & IER_LINE) && (state->lsr_errors & LSR_ERRORS))
        return IIR_LINE;
    if ((state->ier & IER_RDA) && state->rx.count >= trigger_level(state))
        return IIR_RDA;
    if ((state->ier & IER_RDA) && state->timeout_pending)
        return IIR_TIMEOUT;
    if ((state->ier & IER_THRE) && state->thre_pending)
        return IIR_THRE;
    if ((state->ier & IER_MODEM) && (state->msr & (MSR_DCTS | MSR_DDSR | MSR_TERI | MSR_DDCD)))
        return IIR_MODEM;
    return IIR_NONE;
}

static void irq_update(struct uart16550 *uart)
{
    const struct uart16550_state *state = &uart->state;
    bool gate = (state->mcr & MCR_OUT2) && !(state->mcr & MCR_LOOP);
    irq_set(&uart->irq, gate && interrupt_source(state) != IIR_NONE);
}

/* ---- Line timing ---- */

/* Ticks of `characters` frames: start bit, data, parity, 1, 1.5 (five data bits) or 2 stop bits. A divisor of
 * zero is undefined and runs as one. */
static tick_t frame_ticks(const struct uart16550 *uart, unsigned characters)
{
    const struct uart16550_state *state = &uart->state;
    if (uart->pace == UART_PACE_INSTANT)
        return 0;
    unsigned data = 5u + (state->lcr & LCR_LENGTH);
    unsigned half_bits = 2 * (1 + data + (state->lcr & LCR_PARITY ? 1 : 0) + 1);
    if (state->lcr & LCR_STOP)
        half_bits += data == 5 ? 1 : 2;
    uint64_t clocks =
        (uint64_t)characters * half_bits * (CLOCKS_PER_BIT / 2) * (state->divisor ? state->divisor : 1);
    return ticks_from(uart->device.env->queue, clocks, CLOCK_HZ);
}

static void timeout_restart(struct uart16550 *uart)
{
    struct uart16550_state *state = &uart->state;
    struct event_queue *queue = uart->device.env->queue;
    if (!(state->fcr & FCR_ENABLE) || state->rx.count == 0) {
        state->rx_timeout = TICK_NEVER;
        event_cancel(queue, &uart->timeout_event);
        return;
    }
    state->rx_timeout = queue->now + frame_ticks(uart, TIMEOUT_CHARACTERS);
    event_schedule(queue, &uart->timeout_event, state->rx_timeout);
}

static void timeout_fired(struct event *event, tick_t late)
{
    (void)late;
    struct uart16550 *uart = CONTAINER_OF(event, struct uart16550, timeout_event);
    uart->state.rx_timeout = TICK_NEVER;
    uart->state.timeout_pending = true;
    irq_update(uart);
}

/* ---- Receiver ---- */

/* A whole character has arrived from the line or the loop. A full receiver loses it: in FIFO mode the new
 * one, otherwise the one not yet read (DS "LSR bit 1"). */
static void receive_character(struct uart16550 *uart, uint8_t byte)
{
    struct uart16550_state *state = &uart->state;
    if (state->rx.count >= depth(state)) {
        state->lsr_errors |= LSR_OE;
        if (!(state->fcr & FCR_ENABLE))
            state->rx.bytes[state->rx.head] = byte;
    } else {
        fifo_push(&state->rx, byte);
    }
    timeout_restart(uart);
    irq_update(uart);
}

static bool port_ready(void *port)
{
    struct uart16550 *uart = port;
    const struct uart16550_state *state = &uart->state;
    return !(state->mcr & MCR_LOOP) && state->rx.count < depth(state) &&
           uart->device.env->queue->now >= state->rx_line_free;
}

static void port_receive(void *port, uint8_t byte)
{
    struct uart16550 *uart = port;
    if (uart->state.mcr & MCR_LOOP) /* SIN is disconnected */
        return;
    uart->state.rx_line_free = uart->device.env->queue->now + frame_ticks(uart, 1);
    receive_character(uart, byte);
}

static uint8_t read_data(struct uart16550 *uart)
{
    struct uart16550_state *state = &uart->state;
    uint8_t byte = state->rx.count ? fifo_pop(&state->rx) : 0;
    state->timeout_pending = false;
    timeout_restart(uart);
    irq_update(uart);
    return byte;
}

/* ---- Transmitter ---- */

/* Move the next character into the shift register. THRE becomes true when the FIFO (or THR) is empty. */
static void transmit_start(struct uart16550 *uart)
{
    struct uart16550_state *state = &uart->state;
    struct event_queue *queue = uart->device.env->queue;
    state->shift = fifo_pop(&state->tx);
    state->tx_done = queue->now + frame_ticks(uart, 1);
    event_schedule(queue, &uart->tx_event, state->tx_done);
    if (state->tx.count == 0)
        state->thre_pending = true;
}

static void transmit_fired(struct event *event, tick_t late)
{
    (void)late;
    struct uart16550 *uart = CONTAINER_OF(event, struct uart16550, tx_event);
    struct uart16550_state *state = &uart->state;
    uint8_t byte = state->shift;
    state->tx_done = TICK_NEVER;
    if (state->tx.count != 0)
        transmit_start(uart);
    if (state->mcr & MCR_LOOP)
        receive_character(uart, byte);
    else if (uart->backend.ops != NULL && !(state->lcr & LCR_BREAK))
        uart->backend.ops->write(uart->backend.ctx, byte);
    irq_update(uart);
}

static void write_data(struct uart16550 *uart, uint8_t byte)
{
    struct uart16550_state *state = &uart->state;
    state->thre_pending = false;
    if (state->tx.count >= depth(state)) {
        log_line(uart->device.env->log, LOG_GUEST_ERROR, "uart%u: transmitter overrun, 0x%02x is lost",
                 uart->device.instance, byte);
    } else {
        fifo_push(&state->tx, byte);
        if (state->tx_done == TICK_NEVER)
            transmit_start(uart);
    }
    irq_update(uart);
}

/* ---- Modem lines ---- */

/* In loopback the four outputs feed the four inputs (DS "MCR bit 4"); otherwise a connected far end is always
 * there and ready. Changes leave their delta bits; RI only its falling edge. */
static void modem_update(struct uart16550 *uart)
{
    struct uart16550_state *state = &uart->state;
    uint8_t lines = 0;
    if (state->mcr & MCR_LOOP) {
        lines |= state->mcr & MCR_RTS ? MSR_CTS : 0;
        lines |= state->mcr & MCR_DTR ? MSR_DSR : 0;
        lines |= state->mcr & MCR_OUT1 ? MSR_RI : 0;
        lines |= state->mcr & MCR_OUT2 ? MSR_DCD : 0;
    } else if (uart->backend.ops != NULL) {
        lines = MSR_CTS | MSR_DSR | MSR_DCD;
    }
    uint8_t changed = state->msr ^ lines;
    uint8_t delta = changed >> 4 & (MSR_DCTS | MSR_DDSR | MSR_DDCD);
    if (changed & MSR_RI & state->msr)
        delta |= MSR_TERI;
    state->msr = lines | (state->msr & 0x0F) | delta;
}

/* ---- Registers ---- */

static uint8_t line_status(const struct uart16550_state *state)
{
    uint8_t value = state->lsr_errors;
    value |= state->rx.count ? LSR_DR : 0;
    value |= state->tx.count == 0 ? LSR_THRE : 0;
    value |= state->tx_done == TICK_NEVER ? LSR_TEMT : 0;
    return value;
}

static uint8_t read_iir(struct uart16550 *uart)
{
    struct uart16550_state *state = &uart->state;
    uint8_t source = interrupt_source(state);
    if (source == IIR_THRE) {
        state->thre_pending = false;
        irq_update(uart);
    }
    return source | (state->fcr & FCR_ENABLE ? IIR_FIFO : 0);
}

/* Changing FIFO mode empties both FIFOs (DS "FCR bit 0"). The other bits count only while bit 0 is one. */
static void write_fcr(struct uart16550 *uart, uint8_t value)
{
    struct uart16550_state *state = &uart->state;
    if (!(value & FCR_ENABLE))
        value = 0;
    bool toggled = ((state->fcr ^ value) & FCR_ENABLE) != 0;
    if (toggled || (value & FCR_CLEAR_RX)) {
        state->rx.head = state->rx.count = 0;
        state->timeout_pending = false;
    }
    if (toggled || (value & FCR_CLEAR_TX)) {
        if (state->tx.count != 0)
            state->thre_pending = true;
        state->tx.head = state->tx.count = 0;
    }
    state->fcr = value & (uint8_t) ~(FCR_CLEAR_RX | FCR_CLEAR_TX);
    timeout_restart(uart);
    irq_update(uart);
}

/* Enabling the THRE source while THR is empty interrupts at once (DS "IER bit 1"). */
static void write_ier(struct uart16550 *uart, uint8_t value)
{
    struct uart16550_state *state = &uart->state;
    if ((value & IER_THRE) && !(state->ier & IER_THRE) && state->tx.count == 0)
        state->thre_pending = true;
    state->ier = value & (IER_RDA | IER_THRE | IER_LINE | IER_MODEM);
    irq_update(uart);
}

static uint64_t reg_read(struct device *device, uint32_t offset, unsigned size)
{
    (void)size;
    struct uart16550 *uart = self(device);
    struct uart16550_state *state = &uart->state;
    bool dlab = (state->lcr & LCR_DLAB) != 0;
    uint8_t value = 0;
    switch (offset) {
    case REG_DATA: return dlab ? state->divisor & 0xFF : read_data(uart);
    case REG_IER: return dlab ? state->divisor >> 8 : state->ier;
    case REG_IIR: return read_iir(uart);
    case REG_LCR: return state->lcr;
    case REG_MCR: return state->mcr;
    case REG_LSR:
        value = line_status(state);
        state->lsr_errors = 0;
        break;
    case REG_MSR:
        value = state->msr;
        state->msr &= 0xF0;
        break;
    case REG_SCR: return state->scr;
    }
    irq_update(uart);
    return value;
}

static void reg_write(struct device *device, uint32_t offset, unsigned size, uint64_t wide)
{
    (void)size;
    struct uart16550 *uart = self(device);
    struct uart16550_state *state = &uart->state;
    uint8_t value = (uint8_t)wide;
    bool dlab = (state->lcr & LCR_DLAB) != 0;
    switch (offset) {
    case REG_DATA:
        if (dlab)
            state->divisor = (state->divisor & 0xFF00) | value;
        else
            write_data(uart, value);
        break;
    case REG_IER:
        if (dlab)
            state->divisor = (uint16_t)((state->divisor & 0xFF) | value << 8);
        else
            write_ier(uart, value);
        break;
    case REG_IIR: write_fcr(uart, value); break;
    case REG_LCR:
        /* A break in loopback comes back as a break character: a zero with BI set. */
        if ((state->mcr & MCR_LOOP) && (value & LCR_BREAK) && !(state->lcr & LCR_BREAK)) {
            state->lsr_errors |= LSR_BI;
            receive_character(uart, 0);
        }
        state->lcr = value;
        break;
    case REG_MCR:
        state->mcr = value & MCR_WRITABLE;
        modem_update(uart);
        irq_update(uart);
        break;
    case REG_SCR: state->scr = value; break;
    default: /* LSR and MSR are written in factory tests only (DS table of registers) */ break;
    }
}

/* ---- Class ---- */

static void reset(struct device *device)
{
    struct uart16550 *uart = self(device);
    struct uart16550_state *state = &uart->state;
    memset(state, 0, sizeof *state);
    state->tx_done = state->rx_timeout = TICK_NEVER;
    state->divisor = RESET_DIVISOR;
    event_cancel(device->env->queue, &uart->tx_event);
    event_cancel(device->env->queue, &uart->timeout_event);
    modem_update(uart);
    state->msr &= 0xF0;
    irq_update(uart);
}

static void loaded(struct device *device)
{
    struct uart16550 *uart = self(device);
    const struct uart16550_state *state = &uart->state;
    if (state->tx_done != TICK_NEVER)
        event_schedule(device->env->queue, &uart->tx_event, state->tx_done);
    else
        event_cancel(device->env->queue, &uart->tx_event);
    if (state->rx_timeout != TICK_NEVER)
        event_schedule(device->env->queue, &uart->timeout_event, state->rx_timeout);
    else
        event_cancel(device->env->queue, &uart->timeout_event);
    irq_update(uart);
}

static void destroy(struct device *device)
{
    struct uart16550 *uart = self(device);
    event_cancel(device->env->queue, &uart->tx_event);
    event_cancel(device->env->queue, &uart->timeout_event);
    free(uart);
}

static const struct io_window windows[] = {
    {"uart", 8, 1, 1, reg_read, reg_write},
};

static const struct device_class uart16550_class = {
    .name = "uart16550",
    .description = "16550A serial port",
    .state_offset = offsetof(struct uart16550, state),
    .state_size = sizeof(struct uart16550_state),
    .windows = windows,
    .window_count = ARRAY_LEN(windows),
    .reset = reset,
    .loaded = loaded,
    .destroy = destroy,
};

static const struct char_port_ops port_ops = {.ready = port_ready, .receive = port_receive};

struct device *uart16550_create(const struct device_env *env, uint32_t instance, const struct irq_wire *irq,
                                const struct char_backend *backend, enum uart_pace pace)
{
    struct uart16550 *uart = xcalloc(1, sizeof *uart);
    device_init(&uart->device, &uart16550_class, env, instance);
    uart->irq = *irq;
    uart->backend = *backend;
    uart->pace = pace;
    event_init(&uart->tx_event, "uart-tx", EVENT_ORDER_DEVICE, transmit_fired);
    event_init(&uart->timeout_event, "uart-rx-timeout", EVENT_ORDER_DEVICE, timeout_fired);
    reset(&uart->device);
    if (uart->backend.ops != NULL)
        uart->backend.ops->attach(uart->backend.ctx, &port_ops, uart);
    return &uart->device;
}
