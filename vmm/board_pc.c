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
#include "devices/apic.h"
#include "devices/i8259.h"
#include "vmm/board_priv.h"

#include <stdlib.h>
#include <string.h>

/* ---- Interrupt lines ---- */

/* The `line` of an ISA interrupt wire: irq | source << 4. */
static void isa_irq_set(void *ctx, unsigned line, bool level)
{
    struct board_pc *board = ctx;
    unsigned irq = line & (ISA_IRQS - 1);
    uint8_t bit = (uint8_t)(1 << (line >> 4));
    uint8_t before = board->irq_sources[irq];
    board->irq_sources[irq] = level ? before | bit : before & (uint8_t)~bit;
    bool high = board->irq_sources[irq] != 0;
    if (high == (before != 0))
        return;
    const struct irq_wire pic = i8259_input(board->fixed[BOARD_DEVICE_PIC], irq);
    irq_set(&pic, high);
    if (board->fixed[BOARD_DEVICE_IOAPIC] != NULL) {
        /* The timer is on pin 2, where the 8259's cascade has no use (MPS 1.4, default configurations). */
        const struct irq_wire pin = ioapic_input(board->fixed[BOARD_DEVICE_IOAPIC], irq == 0 ? 2 : irq);
        irq_set(&pin, high);
    }
}

struct irq_wire board_irq_wire(struct board_pc *board, unsigned irq, enum irq_source source)
{
    CHECK(irq < ISA_IRQS && irq != 2);
    return (struct irq_wire){.set = isa_irq_set, .ctx = board, .line = irq | (unsigned)source << 4};
}

/* PCI interrupt pins reach the PIRQ inputs of the ISA bridge rotated by slot, as on most boards, so that
 * neighbouring slots use different lines. */
static void intx_set(void *ctx, uint8_t slot, uint8_t pin, bool level)
{
    struct board_pc *board = ctx;
    unsigned pirq = board_pirq(slot, pin);
    uint32_t bit = UINT32_C(1) << slot;
    board->pirq_sources[pirq] = level ? board->pirq_sources[pirq] | bit : board->pirq_sources[pirq] & ~bit;
    piix3_pirq(board->fixed[BOARD_DEVICE_ISA_BRIDGE], pirq, board->pirq_sources[pirq] != 0);
}

/* ---- Life ---- */

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
    function->device->cls->reset(function->device);
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

    board->pci.intx = intx_set;
    board->pci.intx_ctx = board;
    board_create_devices(board);
    board_reset(board);
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
    board_apic_base_written(board, LAPIC_DEFAULT_BASE | LAPIC_BASE_ENABLE | LAPIC_BASE_BSP);
    for (unsigned i = 0; i < board->count; i++)
        if (board->all[i]->cls->reset != NULL)
            board->all[i]->cls->reset(board->all[i]);
}

/* ---- Accesses ---- */

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
    struct device *lapic = board->fixed[BOARD_DEVICE_LAPIC];
    return lapic != NULL ? lapic_acknowledge(lapic) : i8259_acknowledge(board->fixed[BOARD_DEVICE_PIC]);
}

uint8_t board_tpr_read(struct board_pc *board)
{
    struct device *lapic = board->fixed[BOARD_DEVICE_LAPIC];
    return lapic != NULL ? lapic_tpr(lapic) : 0;
}

void board_tpr_write(struct board_pc *board, uint8_t tpr)
{
    if (board->fixed[BOARD_DEVICE_LAPIC] != NULL)
        lapic_set_tpr(board->fixed[BOARD_DEVICE_LAPIC], tpr);
}

/* The register window follows the base, and is gone while the APIC is disabled. */
static void apic_map(struct board_pc *board, uint64_t base)
{
    if (base == board->apic_base)
        return;
    struct device *lapic = board->fixed[BOARD_DEVICE_LAPIC];
    if (board->apic_base != 0)
        io_unmap(&board->memory, lapic, 0);
    if (base != 0)
        io_map(&board->memory, lapic, 0, base);
    board->apic_base = base;
}

void board_apic_base_written(struct board_pc *board, uint64_t value)
{
    if (board->fixed[BOARD_DEVICE_LAPIC] == NULL)
        return;
    lapic_set_base(board->fixed[BOARD_DEVICE_LAPIC], value);
    apic_map(board, value & LAPIC_BASE_ENABLE ? value & LAPIC_BASE_ADDR : 0);
}

void board_loaded(struct board_pc *board)
{
    if (board->fixed[BOARD_DEVICE_LAPIC] != NULL) {
        uint64_t base = lapic_base(board->fixed[BOARD_DEVICE_LAPIC]);
        apic_map(board, base & LAPIC_BASE_ENABLE ? base & LAPIC_BASE_ADDR : 0);
    }
    for (unsigned i = 0; i < ARRAY_LEN(board->pci.functions); i++)
        if (board->pci.functions[i] != NULL)
            pci_decoders_update(board->pci.functions[i]);
    for (unsigned i = 0; i < board->count; i++)
        if (board->all[i]->cls->loaded != NULL)
            board->all[i]->cls->loaded(board->all[i]);
}

void board_ferr(struct board_pc *board, bool level)
{
    piix3_ferr(board->fixed[BOARD_DEVICE_ISA_BRIDGE], level);
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

gpa_t board_rsdp(const struct board_pc *board)
{
    return board->rsdp;
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
