/* What a BIOS leaves behind, done by us: kernels are loaded directly by a boot protocol and expect the board
 * as firmware hands it over. Every step goes through the same ports as firmware's own would.
 *
 * Sources: IBM PC AT Technical Reference (BIOS listing) for interrupt controller, timer and CMOS values; ACPI
 * specification 1.0b section 15 for the memory map. */
#include "vmm/board_priv.h"

static void out8(struct board_pc *board, uint16_t port, uint8_t value)
{
    board_port_write(board, port, 1, value);
}

/* Vectors 08h..0Fh and 70h..77h, everything masked but the cascade. */
static void init_pic(struct board_pc *board)
{
    static const struct {
        uint8_t port, value;
    } steps[] = {{0x20, 0x11}, {0x21, 0x08}, {0x21, 0x04}, {0x21, 0x01}, {0xA0, 0x11},
                 {0xA1, 0x70}, {0xA1, 0x02}, {0xA1, 0x01}, {0x21, 0xFB}, {0xA1, 0xFF}};
    for (unsigned i = 0; i < ARRAY_LEN(steps); i++)
        out8(board, steps[i].port, steps[i].value);
}

/* Channel 0 at 18.2 Hz, channel 1 as refresh request, each 15 us. */
static void init_pit(struct board_pc *board)
{
    out8(board, 0x43, 0x36);
    out8(board, 0x40, 0);
    out8(board, 0x40, 0);
    out8(board, 0x43, 0x54);
    out8(board, 0x41, 18);
}

void board_firmware_init(struct board_pc *board)
{
    init_pic(board);
    init_pit(board);
}

unsigned board_memory_map(const struct board_config *config, struct board_range ranges[BOARD_RANGES_MAX])
{
    uint64_t low = config->ram_bytes < BOARD_LOW_RAM_MAX ? config->ram_bytes : BOARD_LOW_RAM_MAX;
    uint64_t high = config->ram_bytes - low;
    const struct board_range map[] = {
        {0, 0x9FC00, BOARD_RANGE_RAM},
        {0x9FC00, 0x400, BOARD_RANGE_RESERVED},   /* extended BIOS data area */
        {0xE0000, 0x20000, BOARD_RANGE_RESERVED}, /* ACPI and MP tables */
        {0x100000, low - 0x100000, BOARD_RANGE_RAM},
        {BOARD_HIGH_RAM, high, BOARD_RANGE_RAM},
    };
    unsigned count = 0;
    for (unsigned i = 0; i < ARRAY_LEN(map); i++)
        if (map[i].size != 0)
            ranges[count++] = map[i];
    return count;
}
