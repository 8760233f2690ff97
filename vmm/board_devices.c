/* One function for each row of devices.def: makes the device, connects its outputs, maps its windows. All
 * addresses and interrupt numbers of the board are in this file.
 *
 * Sources: IBM PC AT Technical Reference for ports and ISA IRQs; 82371SB and 82371AB data sheets for the
 * functions of PCI device 1. */
#include "base/check.h"
#include "devices/apic.h"
#include "devices/debug_ports.h"
#include "devices/fw_cfg.h"
#include "devices/i440fx.h"
#include "devices/i8042.h"
#include "devices/i8237.h"
#include "devices/i8254.h"
#include "devices/i8259.h"
#include "devices/mc146818.h"
#include "devices/piix4_pm.h"
#include "devices/vga.h"
#include "vmm/board_priv.h"

enum {
    SLOT_HOST = 0,
    FUNCTION_IDE = 1,
    FUNCTION_PM = 3,
    IRQ_SCI = 9,
    IOAPIC_ID = 1,
    DEFAULT_BUS_HZ = 100000000
};

/* ---- Outputs of the board ---- */

static void intr_set(void *ctx, bool level)
{
    struct board_pc *board = ctx;
    if (level == board->intr)
        return;
    board->intr = level;
    if (board->outputs.intr != NULL)
        board->outputs.intr(board->outputs_ctx, level);
}

static void intr_wire_set(void *ctx, unsigned line, bool level)
{
    (void)line;
    intr_set(ctx, level);
}

static void nmi_raise(void *ctx)
{
    struct board_pc *board = ctx;
    if (board->outputs.nmi != NULL)
        board->outputs.nmi(board->outputs_ctx);
}

static void init_raise(void *ctx)
{
    struct board_pc *board = ctx;
    if (board->outputs.init != NULL)
        board->outputs.init(board->outputs_ctx);
}

static void init_wire_set(void *ctx, unsigned line, bool level)
{
    (void)line;
    if (level)
        init_raise(ctx);
}

static void reset_raise(void *ctx, bool hard)
{
    struct board_pc *board = ctx;
    if (!hard)
        init_raise(ctx);
    else if (board->outputs.reset != NULL)
        board->outputs.reset(board->outputs_ctx);
}

static void a20_set(void *ctx, unsigned line, bool level)
{
    (void)line;
    struct board_pc *board = ctx;
    if (board->outputs.a20 != NULL)
        board->outputs.a20(board->outputs_ctx, level);
}

static void power_off(void *ctx)
{
    struct board_pc *board = ctx;
    if (board->outputs.power_off != NULL)
        board->outputs.power_off(board->outputs_ctx);
}

static void guest_exit(void *ctx, uint32_t value)
{
    struct board_pc *board = ctx;
    if (board->outputs.guest_exit != NULL)
        board->outputs.guest_exit(board->outputs_ctx, value);
}

/* ---- Interrupt controllers ---- */

static uint8_t external_acknowledge(void *ctx)
{
    struct board_pc *board = ctx;
    return i8259_acknowledge(board->fixed[BOARD_DEVICE_PIC]);
}

static void end_of_interrupt(void *ctx, uint8_t vector)
{
    struct board_pc *board = ctx;
    ioapic_end_of_interrupt(board->fixed[BOARD_DEVICE_IOAPIC], vector);
}

static bool apic_deliver(void *ctx, const struct apic_message *message)
{
    struct board_pc *board = ctx;
    return lapic_deliver(board->fixed[BOARD_DEVICE_LAPIC], message);
}

static struct device *create_lapic(struct board_pc *board)
{
    if (board->config.no_apic)
        return NULL;
    const struct lapic_outputs outputs = {
        .intr = intr_set,
        .nmi = nmi_raise,
        .init = init_raise,
        .external_acknowledge = external_acknowledge,
        .end_of_interrupt = end_of_interrupt,
        .ctx = board,
    };
    uint64_t hz = board->config.bus_hz ? board->config.bus_hz : DEFAULT_BUS_HZ;
    struct device *lapic = lapic_create(&board->env, 0, hz, &outputs);
    board->apic_base = LAPIC_DEFAULT_BASE;
    io_map(&board->memory, lapic, 0, LAPIC_DEFAULT_BASE);
    return lapic;
}

static struct device *create_pic(struct board_pc *board)
{
    const struct irq_wire direct = {.set = intr_wire_set, .ctx = board};
    struct device *lapic = board->fixed[BOARD_DEVICE_LAPIC];
    const struct irq_wire intr = lapic != NULL ? lapic_lint(lapic, 0) : direct;
    struct device *pic = i8259_create(&board->env, &intr);
    io_map(&board->ports, pic, I8259_WINDOW_MASTER, 0x20);
    io_map(&board->ports, pic, I8259_WINDOW_SLAVE, 0xA0);
    io_map(&board->ports, pic, I8259_WINDOW_ELCR, 0x4D0);
    return pic;
}

static struct device *create_ioapic(struct board_pc *board)
{
    if (board->config.no_apic)
        return NULL;
    const struct ioapic_outputs outputs = {.deliver = apic_deliver, .ctx = board};
    struct device *ioapic = ioapic_create(&board->env, IOAPIC_ID, &outputs);
    io_map(&board->memory, ioapic, 0, IOAPIC_BASE);
    return ioapic;
}

/* ---- Chip set ---- */

static struct device *create_host_bridge(struct board_pc *board)
{
    const struct i440fx_outputs outputs = {0}; /* all of the memory below 1 MB is RAM without firmware */
    struct device *bridge = i440fx_create(&board->env, &board->pci, &outputs);
    pci_attach(&board->pci, i440fx_pci(bridge), SLOT_HOST, 0);
    io_map(&board->ports, bridge, 0, 0xCF8);
    return bridge;
}

static void bridge_isa_irq(void *ctx, unsigned irq, bool level)
{
    const struct irq_wire wire = board_irq_wire(ctx, irq, IRQ_SOURCE_BRIDGE);
    irq_set(&wire, level);
}

static struct device *create_isa_bridge(struct board_pc *board)
{
    const struct piix3_outputs outputs = {.isa_irq = bridge_isa_irq, .reset = reset_raise, .ctx = board};
    struct device *bridge = piix3_create(&board->env, &outputs);
    pci_attach(&board->pci, piix3_pci(bridge), BOARD_PCI_SLOT_PIIX, 0);
    io_map(&board->ports, bridge, PIIX3_WINDOW_RESET, 0xCF9); /* after 0xCF8: the byte port wins */
    io_map(&board->ports, bridge, PIIX3_WINDOW_COPROCESSOR, 0xF0);
    return bridge;
}

static struct device *create_ide(struct board_pc *board)
{
    const struct ide_config config = {
        .irq = {board_irq_wire(board, 14, IRQ_SOURCE_ISA), board_irq_wire(board, 15, IRQ_SOURCE_ISA)}};
    struct device *ide = ide_create(&board->env, &config);
    for (unsigned i = 0; i < BOARD_DRIVES; i++)
        if (board->config.drives[i].drive.kind != IDE_NONE)
            ide_attach(ide, i / IDE_UNITS, i % IDE_UNITS, &board->config.drives[i].drive,
                       &board->config.drives[i].backend);
    pci_attach(&board->pci, ide_pci(ide), BOARD_PCI_SLOT_PIIX, FUNCTION_IDE);
    io_map(&board->ports, ide, IDE_WINDOW_PRIMARY, 0x1F0);
    io_map(&board->ports, ide, IDE_WINDOW_PRIMARY_CONTROL, 0x3F6);
    io_map(&board->ports, ide, IDE_WINDOW_SECONDARY, 0x170);
    io_map(&board->ports, ide, IDE_WINDOW_SECONDARY_CONTROL, 0x376);
    return ide;
}

static void sci_set(void *ctx, bool level)
{
    const struct irq_wire wire = board_irq_wire(ctx, IRQ_SCI, IRQ_SOURCE_SCI);
    irq_set(&wire, level);
}

static struct device *create_pm(struct board_pc *board)
{
    const struct piix4_pm_outputs outputs = {.sci = sci_set, .power_off = power_off, .ctx = board};
    struct device *pm = piix4_pm_create(&board->env, &outputs);
    pci_attach(&board->pci, piix4_pm_pci(pm), BOARD_PCI_SLOT_PIIX, FUNCTION_PM);
    io_map(&board->ports, pm, PIIX4_PM_WINDOW_APM, 0xB2);
    return pm;
}

/* ---- ISA devices ---- */

static struct device *create_dma(struct board_pc *board)
{
    struct device *dma = i8237_create(&board->env);
    io_map(&board->ports, dma, I8237_WINDOW_FIRST, 0x00);
    io_map(&board->ports, dma, I8237_WINDOW_PAGES, 0x80);
    io_map(&board->ports, dma, I8237_WINDOW_SECOND, 0xC0);
    return dma;
}

static struct device *create_pit(struct board_pc *board)
{
    const struct irq_wire irq0 = board_irq_wire(board, 0, IRQ_SOURCE_ISA);
    struct device *pit = i8254_create(&board->env, &irq0);
    io_map(&board->ports, pit, I8254_WINDOW_CHIP, 0x40);
    io_map(&board->ports, pit, I8254_WINDOW_PORT61, 0x61);
    return pit;
}

static struct device *create_rtc(struct board_pc *board)
{
    const struct irq_wire irq8 = board_irq_wire(board, 8, IRQ_SOURCE_ISA);
    struct device *rtc = mc146818_create(&board->env, &irq8, board->config.rtc_seconds);
    io_map(&board->ports, rtc, 0, 0x70);
    return rtc;
}

static struct device *create_keyboard(struct board_pc *board)
{
    const struct i8042_wires wires = {
        .keyboard = board_irq_wire(board, 1, IRQ_SOURCE_ISA),
        .mouse = board_irq_wire(board, 12, IRQ_SOURCE_ISA),
        .init = {.set = init_wire_set, .ctx = board},
        .a20 = {.set = a20_set, .ctx = board},
    };
    struct device *kbc = i8042_create(&board->env, &wires);
    io_map(&board->ports, kbc, I8042_WINDOW_DATA, 0x60);
    io_map(&board->ports, kbc, I8042_WINDOW_COMMAND, 0x64);
    io_map(&board->ports, kbc, I8042_WINDOW_PORT92, 0x92);
    return kbc;
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
    const struct irq_wire irq = board_irq_wire(board, com[index].irq, com[index].source);
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

static struct device *create_vga(struct board_pc *board)
{
    struct device *vga = vga_create(&board->env);
    /* Offsets are from 0x3B0; between the parts lies the printer port 0x3BC. */
    io_map_part(&board->ports, vga, VGA_WINDOW_PORTS, 0x3B4, 0x04, 2);
    io_map_part(&board->ports, vga, VGA_WINDOW_PORTS, 0x3BA, 0x0A, 1);
    io_map_part(&board->ports, vga, VGA_WINDOW_PORTS, 0x3C0, 0x10, 0x20);
    io_map(&board->memory, vga, VGA_WINDOW_MEMORY, BOARD_VGA_MEMORY);
    return vga;
}

static struct device *create_fw_cfg(struct board_pc *board)
{
    struct device *cfg = fw_cfg_create(&board->env);
    io_map(&board->ports, cfg, FW_CFG_WINDOW_IO, 0x510);
    io_map(&board->ports, cfg, FW_CFG_WINDOW_DMA, 0x514);
    const uint64_t ram = board->config.ram_bytes;
    fw_cfg_add_key(cfg, FW_CFG_RAM_SIZE, &ram, sizeof ram);
    fw_cfg_add_u32(cfg, FW_CFG_NB_CPUS, 1);
    fw_cfg_add_u32(cfg, FW_CFG_MAX_CPUS, 1);
    return cfg;
}

static struct device *create_debug_ports(struct board_pc *board)
{
    const struct debug_ports_config config = {
        .console = board->config.debug_console, .exit = guest_exit, .ctx = board};
    struct device *ports = debug_ports_create(&board->env, &config);
    io_map(&board->ports, ports, DEBUG_PORTS_WINDOW_EXIT,
           board->config.debug_exit_port ? board->config.debug_exit_port : BOARD_DEBUG_EXIT_PORT);
    io_map(&board->ports, ports, DEBUG_PORTS_WINDOW_CONSOLE, 0xE9);
    return ports;
}

void board_create_devices(struct board_pc *board)
{
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
}
