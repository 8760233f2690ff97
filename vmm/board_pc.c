/* Creation and wiring of the board (see board_pc.h for the picture).
 *
 * Everything that connects one chip to another is in this file: no device looks up a neighbour. What the
 * guest can observe lives in the devices; the board itself only keeps which sources hold which interrupt
 * line, which is redriven by the devices after a restored state.
 *
 * Sources: Intel 440FX (82441FX), PIIX3 (82371SB) and PIIX4 (82371AB) data sheets; MultiProcessor
 * Specification 1.4 for the interrupt mode wiring; IBM PC AT Technical Reference for ports and ISA IRQs. */
#include "vmm/board_pc.h"

#include "base/check.h"
#include "devices/i8254.h"
#include "devices/i8259.h"
#include "vmm/board_priv.h"

#include <stdlib.h>
#include <string.h>

/* ---- Interrupt lines ------------------------------------------------------------------------------------
 */

/* The `line` of an ISA interrupt wire: irq | source << 4. */
static void isa_irq_set(void *ctx, unsigned line, bool level)
{
    struct board_pc *board = ctx;
    unsigned irq = line & (ISA_IRQS - 1);
    uint8_t bit = (uint8_t)(1 << (line >> 4));
    uint8_t before = board->irq_sources[irq];
    board->irq_sources[irq] = level ? before | bit : before & (uint8_t)~bit;
    struct irq_wire pic = i8259_input(board->fixed[BOARD_DEVICE_PIC], irq);
    irq_set(&pic, board->irq_sources[irq] != 0);
}

static struct irq_wire isa_irq_wire(struct board_pc *board, unsigned irq, enum irq_source source)
{
    CHECK(irq < ISA_IRQS && irq != 2);
    return (struct irq_wire){.set = isa_irq_set, .ctx = board, .line = irq | (unsigned)source << 4};
}

struct irq_wire board_isa_irq(struct board_pc *board, unsigned irq)
{
    return isa_irq_wire(board, irq, IRQ_SOURCE_ISA);
}

static void intr_set(void *ctx, unsigned line, bool level)
{
    (void)line;
    struct board_pc *board = ctx;
    if (board->outputs.intr != NULL)
        board->outputs.intr(board->outputs_ctx, level);
}

/* ---- One function per row of devices.def ------------------------------------------------------------------
 */

static struct device *create_pic(struct board_pc *board)
{
    const struct irq_wire intr = {.set = intr_set, .ctx = board};
    struct device *pic = i8259_create(&board->env, &intr);
    io_map(&board->ports, pic, I8259_WINDOW_MASTER, 0x20);
    io_map(&board->ports, pic, I8259_WINDOW_SLAVE, 0xA0);
    io_map(&board->ports, pic, I8259_WINDOW_ELCR, 0x4D0);
    return pic;
}

static struct device *create_pit(struct board_pc *board)
{
    const struct irq_wire irq0 = isa_irq_wire(board, 0, IRQ_SOURCE_ISA);
    struct device *pit = i8254_create(&board->env, &irq0);
    io_map(&board->ports, pit, I8254_WINDOW_CHIP, 0x40);
    io_map(&board->ports, pit, I8254_WINDOW_PORT61, 0x61);
    return pit;
}

static struct device *create_com(struct board_pc *board, unsigned index)
{
    static const struct {
        uint16_t port;
        uint8_t irq, source;
    } com[BOARD_SERIAL_PORTS] = {{0x3F8, 4, IRQ_SOURCE_ISA},
                                 {0x2F8, 3, IRQ_SOURCE_ISA},
                                 {0x3E8, 4, IRQ_SOURCE_ISA_SECOND},
                                 {0x2E8, 3, IRQ_SOURCE_ISA_SECOND}};
    if (index >= board->config.serial_count)
        return NULL;
    const struct irq_wire irq = isa_irq_wire(board, com[index].irq, com[index].source);
    struct device *uart =
        uart16550_create(&board->env, index, &irq, &board->config.serial[index], board->config.serial_pace);
    io_map(&board->ports, uart, 0, com[index].port);
    return uart;
}

static struct device *create_com1(struct board_pc *board)
{
    return create_com(board, 0);
}

static struct device *create_com2(struct board_pc *board)
{
    return create_com(board, 1);
}

static struct device *create_com3(struct board_pc *board)
{
    return create_com(board, 2);
}

static struct device *create_com4(struct board_pc *board)
{
    return create_com(board, 3);
}

/* ---- Life
 * --------------------------------------------------------------------------------------------------- */

void board_adopt(struct board_pc *board, struct device *device)
{
    if (board->count == board->capacity) {
        board->capacity = board->capacity ? 2 * board->capacity : 32;
        board->all = xrealloc(board->all, board->capacity * sizeof *board->all);
    }
    board->all[board->count++] = device;
}

void board_attach_pci(struct board_pc *board, struct pci_function *function, uint8_t slot, uint8_t number)
{
    pci_attach(&board->pci, function, slot, number);
    board_adopt(board, function->device);
}

struct board_pc *board_create(const struct board_config *config, const struct board_outputs *outputs,
                              void *outputs_ctx, struct event_queue *queue, struct log *log,
                              const struct dma_ops *dma, void *dma_ctx)
{
    struct board_pc *board = xcalloc(1, sizeof *board);
    board->config = *config;
    board->outputs = *outputs;
    board->outputs_ctx = outputs_ctx;
    board->env = (struct device_env){.queue = queue, .log = log, .dma = dma, .dma_ctx = dma_ctx};
    io_space_init(&board->ports, "port", log);
    io_space_init(&board->memory, "mmio", log);
    pci_bus_init(&board->pci, &board->ports, &board->memory, log);

    static struct device *(*const create[BOARD_DEVICE_COUNT])(struct board_pc *) = {
#define DEVICE(name, create_function) [BOARD_DEVICE_##name] = create_function,
#include "vmm/devices.def"
#undef DEVICE
    };
    for (unsigned i = 0; i < BOARD_DEVICE_COUNT; i++) {
        board->fixed[i] = create[i](board);
        if (board->fixed[i] != NULL)
            board_adopt(board, board->fixed[i]);
    }
    return board;
}

void board_destroy(struct board_pc *board)
{
    for (unsigned i = board->count; i-- > 0;)
        board->all[i]->cls->destroy(board->all[i]);
    io_space_destroy(&board->ports);
    io_space_destroy(&board->memory);
    free(board->all);
    free(board);
}

void board_reset(struct board_pc *board)
{
    for (unsigned i = 0; i < board->count; i++)
        if (board->all[i]->cls->reset != NULL)
            board->all[i]->cls->reset(board->all[i]);
}

/* ---- Accesses
 * ------------------------------------------------------------------------------------------------ */

uint32_t board_port_read(struct board_pc *board, uint16_t port, unsigned size)
{
    uint32_t value = (uint32_t)io_read(&board->ports, port, size);
    if (log_wants(board->env.log, LOG_IO))
        log_line(board->env.log, LOG_IO, "in  %04x.%u -> %x", port, size, value);
    return value;
}

void board_port_write(struct board_pc *board, uint16_t port, unsigned size, uint32_t value)
{
    if (log_wants(board->env.log, LOG_IO))
        log_line(board->env.log, LOG_IO, "out %04x.%u <- %x", port, size, value);
    io_write(&board->ports, port, size, value);
}

uint64_t board_mmio_read(struct board_pc *board, gpa_t addr, unsigned size)
{
    return io_read(&board->memory, addr.v, size);
}

void board_mmio_write(struct board_pc *board, gpa_t addr, unsigned size, uint64_t value)
{
    io_write(&board->memory, addr.v, size, value);
}

uint8_t board_intr_ack(struct board_pc *board)
{
    return i8259_acknowledge(board->fixed[BOARD_DEVICE_PIC]);
}

uint8_t board_tpr_read(struct board_pc *board)
{
    (void)board;
    return 0;
}

void board_tpr_write(struct board_pc *board, uint8_t tpr)
{
    (void)board, (void)tpr;
}

void board_apic_base_written(struct board_pc *board, uint64_t value)
{
    (void)board, (void)value;
}

/* The external latch that IBM put before IRQ 13: set by FERR#, cleared by a write to port 0xF0. */
void board_ferr(struct board_pc *board, bool level)
{
    const struct irq_wire irq13 = isa_irq_wire(board, 13, IRQ_SOURCE_ISA);
    irq_set(&irq13, level);
}

struct device *board_device_at(struct board_pc *board, bool mmio, uint64_t addr, uint32_t *offset)
{
    const struct io_mapping *mapping = io_find(mmio ? &board->memory : &board->ports, addr);
    if (mapping == NULL)
        return NULL;
    *offset = (uint32_t)(addr - mapping->base) + mapping->window_offset;
    return mapping->device;
}

const struct device_env *board_env(struct board_pc *board)
{
    return &board->env;
}

struct io_space *board_ports(struct board_pc *board)
{
    return &board->ports;
}

struct pci_bus *board_pci(struct board_pc *board)
{
    return &board->pci;
}

unsigned board_device_count(const struct board_pc *board)
{
    return board->count;
}

struct device *board_device(struct board_pc *board, unsigned index)
{
    CHECK(index < board->count);
    return board->all[index];
}

struct device *board_find(struct board_pc *board, const char *class_name)
{
    for (unsigned i = 0; i < board->count; i++)
        if (strcmp(board->all[i]->cls->name, class_name) == 0)
            return board->all[i];
    return NULL;
}
