/* What a BIOS leaves behind, done by us: kernels are loaded directly by a boot protocol and expect the board
 * as firmware hands it over. Every step goes through the same ports, configuration registers and memory
 * writes as firmware's own would, so nothing here is a second way into a chip.
 *
 * Sources: IBM PC AT Technical Reference (BIOS listing) for interrupt controller, timer, CMOS and BIOS data
 * area; PCI BIOS specification 2.1 for the assignment of windows; 82371SB and 82371AB data sheets for the
 * registers; MultiProcessor Specification 1.4 for virtual wire mode; ACPI specification 2.0 section 15 for
 * the memory map.
 *
 * Left out: option ROMs, PCI expansion ROMs, interrupt vectors and BIOS services (real-mode kernels need real
 * firmware). */
#include "devices/acpi/acpi_tables.h"
#include "devices/apic.h"
#include "devices/piix4_pm.h"
#include "vmm/board_priv.h"

enum {
    PM_BASE = 0x600,
    FIRST_IO_BAR = 0xC000,
    FIRST_MEMORY_BAR = 0xFEB00000,
    ACPI_AT = 0xE0000,
    MP_AT = 0xF0000,
    SMBIOS_AT = 0xF2000,
    EBDA_AT = 0x9FC00,
    BASE_MEMORY_KB = 639,
    IRQ_SCI = 9,
    IOAPIC_ID = 1,

    REG_COMMAND = 0x04,
    REG_BAR0 = 0x10,
    REG_INTERRUPT_LINE = 0x3C,
    REG_INTERRUPT_PIN = 0x3D,
    COMMAND_IO = 1,
    COMMAND_MEMORY = 2,

    IDE_REG_TIMING = 0x41, /* high byte of IDETIM of the primary channel; the secondary's is two further */
    IDE_DECODE = 0x80,
};

/* Which ISA interrupt each PIRQ is routed to. */
static const uint8_t pirq_irq[PIIX3_PIRQS] = {10, 10, 11, 11};

static void out8(struct board_pc *board, uint16_t port, uint8_t value)
{
    board_port_write(board, port, 1, value);
}

static uint8_t in8(struct board_pc *board, uint16_t port)
{
    return (uint8_t)board_port_read(board, port, 1);
}

static void config_write(struct board_pc *board, unsigned slot, unsigned function, uint8_t reg, unsigned size,
                         uint32_t value)
{
    board_port_write(board, 0xCF8, 4, UINT32_C(0x80000000) | slot << 11 | function << 8 | (reg & 0xFC));
    board_port_write(board, 0xCFC + (reg & 3), size, value);
}

/* ---- Legacy chips ---- */

/* Vectors 08h..0Fh and 70h..77h, everything masked but the cascade. PCI interrupts are level triggered. */
static void init_pic(struct board_pc *board)
{
    static const struct {
        uint16_t port;
        uint8_t value;
    } steps[] = {{0x20, 0x11}, {0x21, 0x08}, {0x21, 0x04}, {0x21, 0x01}, {0xA0, 0x11},  {0xA1, 0x70},
                 {0xA1, 0x02}, {0xA1, 0x01}, {0x21, 0xFB}, {0xA1, 0xFF}, {0x4D0, 0x00}, {0x4D1, 0x0C}};
    for (unsigned i = 0; i < ARRAY_LEN(steps); i++)
        out8(board, steps[i].port, steps[i].value);
}

/* Channel 0 at 18.2 Hz, channel 1 as refresh request every 15 us. */
static void init_pit(struct board_pc *board)
{
    out8(board, 0x43, 0x36);
    out8(board, 0x40, 0);
    out8(board, 0x40, 0);
    out8(board, 0x43, 0x54);
    out8(board, 0x41, 18);
}

/* Self test, then keyboard on with translation and IRQ 1; the mouse stays off until a driver wants it. */
static void init_keyboard(struct board_pc *board)
{
    out8(board, 0x64, 0xAA);
    in8(board, 0x60);
    out8(board, 0x64, 0x60);
    out8(board, 0x60, 0x65);
}

/* Mode 3: text, 80x25 cells of 9x16 dots, 720x400 at 70 Hz. The values are those of IBM's VGA BIOS
 * (parameter table of mode 3+). Glyphs come with real firmware or from the guest. */
static void init_vga(struct board_pc *board)
{
    static const uint8_t seq[] = {0x03, 0x00, 0x03, 0x00, 0x02};
    static const uint8_t crtc[] = {0x5F, 0x4F, 0x50, 0x82, 0x55, 0x81, 0xBF, 0x1F, 0x00,
                                   0x4F, 0x0D, 0x0E, 0x00, 0x00, 0x00, 0x00, 0x9C, 0x8E,
                                   0x8F, 0x28, 0x1F, 0x96, 0xB9, 0xA3, 0xFF};
    static const uint8_t gfx[] = {0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0E, 0x0F, 0xFF};
    static const uint8_t attr[] = {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3A,
                                   0x3B, 0x3C, 0x3D, 0x3E, 0x3F, 0x0C, 0x00, 0x0F, 0x08, 0x00};
    out8(board, 0x3C2, 0x67);
    for (uint8_t i = 0; i < sizeof seq; i++)
        board_port_write(board, 0x3C4, 2, i | (uint32_t)seq[i] << 8);
    board_port_write(board, 0x3D4, 2, 0x11); /* unlock the first eight */
    for (uint8_t i = 0; i < sizeof crtc; i++)
        board_port_write(board, 0x3D4, 2, i | (uint32_t)crtc[i] << 8);
    for (uint8_t i = 0; i < sizeof gfx; i++)
        board_port_write(board, 0x3CE, 2, i | (uint32_t)gfx[i] << 8);
    in8(board, 0x3DA);
    for (uint8_t i = 0; i < sizeof attr; i++) {
        out8(board, 0x3C0, i);
        out8(board, 0x3C0, attr[i]);
    }
    out8(board, 0x3C0, 0x20); /* screen on */
    /* EGA colours: bits 5..3 are a third, bits 2..0 two thirds of red, green and blue. */
    out8(board, 0x3C8, 0);
    for (unsigned color = 0; color < 64; color++)
        for (unsigned bit = 3; bit-- > 0;)
            out8(board, 0x3C9, (uint8_t)((color >> bit & 1) * 0x2A + (color >> (bit + 3) & 1) * 0x15));
    for (unsigned cell = 0; cell < 80 * 25; cell++)
        board_mmio_write(board, gpa(0xB8000 + 2 * cell), 2, 0x0720);
}

/* Cascade channel of the second DMA controller. */
static void init_dma(struct board_pc *board)
{
    out8(board, 0x0D, 0);
    out8(board, 0xDA, 0);
    out8(board, 0xD6, 0xC0);
    out8(board, 0xD4, 0x00);
}

static void cmos_write(struct board_pc *board, uint8_t index, uint8_t value)
{
    out8(board, 0x70, index);
    out8(board, 0x71, value);
}

static void cmos_write16(struct board_pc *board, uint8_t index, uint64_t value, uint64_t limit)
{
    if (value > limit)
        value = limit;
    cmos_write(board, index, (uint8_t)value);
    cmos_write(board, (uint8_t)(index + 1), (uint8_t)(value >> 8));
}

/* Memory sizes where BIOSes and kernels keep them, equipment, and the checksum over 10h..2Dh. */
static void init_cmos(struct board_pc *board)
{
    uint64_t ram = board->config.ram_bytes;
    uint64_t low = ram < BOARD_LOW_RAM_MAX ? ram : BOARD_LOW_RAM_MAX;
    uint64_t above_16m = low > (16 << 20) ? low - (16 << 20) : 0;
    cmos_write(board, 0x14, 0x06); /* coprocessor and mouse port, no floppy, VGA */
    cmos_write16(board, 0x15, 640, 640);
    cmos_write16(board, 0x17, (low - (1 << 20)) >> 10, 0xFFFF);
    cmos_write16(board, 0x30, (low - (1 << 20)) >> 10, 0xFFFF);
    cmos_write16(board, 0x34, above_16m >> 16, 0xFFFF);
    cmos_write16(board, 0x5B, (ram - low) >> 16, 0xFFFF);
    uint16_t sum = 0;
    for (uint8_t index = 0x10; index <= 0x2D; index++) {
        out8(board, 0x70, index);
        sum = (uint16_t)(sum + in8(board, 0x71));
    }
    cmos_write(board, 0x2E, (uint8_t)(sum >> 8));
    cmos_write(board, 0x2F, (uint8_t)sum);
}

/* ---- PCI ---- */

/* Give every BAR an aligned window, enable decoding, tell drivers the interrupt line. */
static void init_function(struct board_pc *board, const struct pci_function *function, uint32_t *next_io,
                          uint32_t *next_memory)
{
    uint16_t command = 0;
    for (unsigned i = 0; i < function->cls->bar_count; i++) {
        const struct pci_bar *bar = &function->cls->bars[i];
        uint32_t *next = bar->kind == PCI_BAR_IO ? next_io : next_memory;
        *next = (*next + bar->size - 1) & ~(bar->size - 1);
        config_write(board, function->slot, function->function, (uint8_t)(REG_BAR0 + 4 * bar->reg), 4, *next);
        *next += bar->size;
        command |= bar->kind == PCI_BAR_IO ? COMMAND_IO : COMMAND_MEMORY;
    }
    uint8_t pin = function->config->bytes[REG_INTERRUPT_PIN];
    if (pin != 0)
        config_write(board, function->slot, function->function, REG_INTERRUPT_LINE, 1,
                     pirq_irq[board_pirq(function->slot, pin)]);
    if (command != 0)
        config_write(board, function->slot, function->function, REG_COMMAND, 2, command);
}

static void init_pci(struct board_pc *board)
{
    uint32_t next_io = FIRST_IO_BAR, next_memory = FIRST_MEMORY_BAR;
    for (unsigned i = 0; i < ARRAY_LEN(board->pci.functions); i++)
        if (board->pci.functions[i] != NULL)
            init_function(board, board->pci.functions[i], &next_io, &next_memory);
    for (unsigned i = 0; i < PIIX3_PIRQS; i++)
        config_write(board, BOARD_PCI_SLOT_PIIX, 0, (uint8_t)(PIIX3_REG_PIRQ + i), 1, pirq_irq[i]);
    /* All of the memory below 1 MB is RAM for reads and writes. */
    config_write(board, 0, 0, 0x59, 1, 0x30);
    for (uint8_t reg = 0x5A; reg <= 0x5F; reg++)
        config_write(board, 0, 0, reg, 1, 0x33);
}

static void init_ide(struct board_pc *board)
{
    config_write(board, BOARD_PCI_SLOT_PIIX, 1, REG_COMMAND, 2, COMMAND_IO);
    config_write(board, BOARD_PCI_SLOT_PIIX, 1, IDE_REG_TIMING, 1, IDE_DECODE);
    config_write(board, BOARD_PCI_SLOT_PIIX, 1, IDE_REG_TIMING + 2, 1, IDE_DECODE);
}

static void init_pm(struct board_pc *board)
{
    config_write(board, BOARD_PCI_SLOT_PIIX, 3, PIIX4_REG_PMBASE, 4, PM_BASE);
    config_write(board, BOARD_PCI_SLOT_PIIX, 3, PIIX4_REG_PMREGMISC, 1, 1);
    config_write(board, BOARD_PCI_SLOT_PIIX, 3, REG_INTERRUPT_LINE, 1, IRQ_SCI);
}

/* Virtual wire mode (MPS 3.6.2.2): the 8259 through LINT0, NMI through LINT1. */
static void init_lapic(struct board_pc *board)
{
    if (board->config.no_apic)
        return;
    board_mmio_write(board, gpa(LAPIC_DEFAULT_BASE + 0xF0), 4, 0x10F);
    board_mmio_write(board, gpa(LAPIC_DEFAULT_BASE + 0x350), 4, 0x700);
    board_mmio_write(board, gpa(LAPIC_DEFAULT_BASE + 0x360), 4, 0x400);
}

/* ---- Memory ---- */

static void memory_write_bytes(void *ctx, gpa_t addr, const void *from, size_t size)
{
    struct board_pc *board = ctx;
    dma_write(&board->env, addr, from, size);
}

static void put16(struct board_pc *board, uint32_t at, uint16_t value)
{
    const uint8_t bytes[2] = {(uint8_t)value, (uint8_t)(value >> 8)};
    memory_write_bytes(board, gpa(at), bytes, sizeof bytes);
}

static void put8(struct board_pc *board, uint32_t at, uint8_t value)
{
    memory_write_bytes(board, gpa(at), &value, 1);
}

/* The fields of the BIOS data area that kernels and drivers look at: ports, EBDA, memory, video. */
static void init_data_area(struct board_pc *board)
{
    static const uint16_t com[BOARD_SERIAL_PORTS] = {0x3F8, 0x2F8, 0x3E8, 0x2E8};
    for (unsigned i = 0; i < board->config.serial_count && i < BOARD_SERIAL_PORTS; i++)
        put16(board, 0x400 + 2 * i, com[i]);
    put16(board, 0x40E, EBDA_AT >> 4);
    put16(board, 0x410, (uint16_t)(0x0026 | board->config.serial_count << 9));
    put16(board, 0x413, BASE_MEMORY_KB);
    put8(board, 0x449, 3);       /* text mode 3 */
    put16(board, 0x44A, 80);     /* columns */
    put16(board, 0x44C, 0x1000); /* bytes of a page */
    put16(board, 0x463, 0x3D4);  /* CRT controller */
    put8(board, 0x484, 24);      /* rows - 1 */
    put16(board, 0x485, 16);     /* character height */
    put8(board, 0x496, 0x10);    /* 101-key keyboard */
    put8(board, EBDA_AT, 1);     /* size in KB */
}

static void install_tables(struct board_pc *board)
{
    struct firmware_tables_config config = {
        .pm_base = PM_BASE,
        .apic = !board->config.no_apic,
        .ioapic_id = IOAPIC_ID,
        .ioapic_pins = IOAPIC_PINS,
        .lapic_base = LAPIC_DEFAULT_BASE,
        .ioapic_base = IOAPIC_BASE,
        .smi_command = 0xB2,
        .acpi_enable = PIIX4_ACPI_ENABLE,
        .acpi_disable = PIIX4_ACPI_DISABLE,
        .sci = IRQ_SCI,
        .ram_bytes = board->config.ram_bytes,
        .cpu_signature = board->config.cpu_signature,
        .cpu_features = board->config.cpu_features,
    };
    for (unsigned i = 0; i < PIIX3_PIRQS; i++)
        config.pirq_irq[i] = pirq_irq[i];
    board->rsdp = acpi_tables_install(&config, gpa(ACPI_AT), memory_write_bytes, board);
    if (config.apic)
        mp_tables_install(&config, gpa(MP_AT), memory_write_bytes, board);
    smbios_tables_install(&config, gpa(SMBIOS_AT), memory_write_bytes, board);
}

void board_firmware_init(struct board_pc *board)
{
    init_pic(board);
    init_pit(board);
    init_dma(board);
    init_keyboard(board);
    init_cmos(board);
    init_vga(board);
    init_pci(board);
    init_ide(board);
    init_pm(board);
    init_lapic(board);
    init_data_area(board);
    install_tables(board);
}

unsigned board_memory_map(const struct board_config *config, struct board_range ranges[BOARD_RANGES_MAX])
{
    uint64_t low = config->ram_bytes < BOARD_LOW_RAM_MAX ? config->ram_bytes : BOARD_LOW_RAM_MAX;
    uint64_t high = config->ram_bytes - low;
    const struct board_range map[] = {
        {0, EBDA_AT, BOARD_RANGE_RAM},
        {EBDA_AT, 0xA0000 - EBDA_AT, BOARD_RANGE_RESERVED},
        {ACPI_AT, 0x100000 - ACPI_AT, BOARD_RANGE_RESERVED}, /* ACPI and MP tables */
        {0x100000, low - 0x100000, BOARD_RANGE_RAM},
        {BOARD_HIGH_RAM, high, BOARD_RANGE_RAM},
    };
    unsigned count = 0;
    for (unsigned i = 0; i < ARRAY_LEN(map); i++)
        if (map[i].size != 0)
            ranges[count++] = map[i];
    return count;
}
