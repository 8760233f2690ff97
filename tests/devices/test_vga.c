/* VGA: text screen, protection, palette, the write and read modes, pictures in modes 12h and 13h, retrace. */
#include "chip_bench.h"

#include "devices/vga.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

struct fixture {
    struct chip_bench *bench;
    struct device *vga;
};

struct mode {
    uint8_t misc, seq[5], crtc[25], gfx[9], attr[21];
};

/* IBM's parameter tables of modes 3+, 12h and 13h. */
static const struct mode text = {
    0x67,
    {0x03, 0x00, 0x03, 0x00, 0x02},
    {0x5F, 0x4F, 0x50, 0x82, 0x55, 0x81, 0xBF, 0x1F, 0x00, 0x4F, 0x0D, 0x0E, 0x00,
     0x00, 0x00, 0x00, 0x9C, 0x8E, 0x8F, 0x28, 0x1F, 0x96, 0xB9, 0xA3, 0xFF},
    {0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0E, 0x0F, 0xFF},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x0C, 0x00, 0x0F, 0x08, 0x00},
};
static const struct mode planar = {
    0xE3,
    {0x03, 0x01, 0x0F, 0x00, 0x06},
    {0x5F, 0x4F, 0x50, 0x82, 0x54, 0x80, 0x0B, 0x3E, 0x00, 0x40, 0x00, 0x00, 0x00,
     0x00, 0x00, 0x00, 0xEA, 0x8C, 0xDF, 0x28, 0x00, 0xE7, 0x04, 0xE3, 0xFF},
    {0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x0F, 0xFF},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x01, 0x00, 0x0F, 0x00, 0x00},
};
static const struct mode linear = {
    0x63,
    {0x03, 0x01, 0x0F, 0x00, 0x0E},
    {0x5F, 0x4F, 0x50, 0x82, 0x54, 0x80, 0xBF, 0x1F, 0x00, 0x41, 0x00, 0x00, 0x00,
     0x00, 0x00, 0x00, 0x9C, 0x8E, 0x8F, 0x28, 0x40, 0x96, 0xB9, 0xA3, 0xFF},
    {0x00, 0x00, 0x00, 0x00, 0x00, 0x40, 0x05, 0x0F, 0xFF},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x41, 0x00, 0x0F, 0x00, 0x00},
};

static struct fixture setup(void)
{
    struct fixture f = {.bench = chip_create()};
    f.vga = vga_create(&f.bench->env);
    io_map(&f.bench->ports, f.vga, VGA_WINDOW_PORTS, 0x3B0);
    io_map(&f.bench->memory, f.vga, VGA_WINDOW_MEMORY, 0xA0000);
    return f;
}

static void teardown(struct fixture *f)
{
    chip_destroy(f->bench, f->vga);
}

static void indexed(struct fixture *f, uint16_t port, uint8_t index, uint8_t value)
{
    io_write(&f->bench->ports, port, 2, index | (uint32_t)value << 8);
}

/* DAC entry i is (i, i / 2, 63 - i), so that pixels name their colour. */
static void set_mode(struct fixture *f, const struct mode *mode)
{
    chip_out(f->bench, 0x3C2, mode->misc);
    for (uint8_t i = 0; i < 5; i++)
        indexed(f, 0x3C4, i, mode->seq[i]);
    indexed(f, 0x3D4, 0x11, 0);
    for (uint8_t i = 0; i < 25; i++)
        indexed(f, 0x3D4, i, mode->crtc[i]);
    for (uint8_t i = 0; i < 9; i++)
        indexed(f, 0x3CE, i, mode->gfx[i]);
    chip_in(f->bench, 0x3DA);
    for (uint8_t i = 0; i < 21; i++) {
        chip_out(f->bench, 0x3C0, i);
        chip_out(f->bench, 0x3C0, mode->attr[i]);
    }
    chip_out(f->bench, 0x3C0, 0x20);
    chip_out(f->bench, 0x3C8, 0);
    for (unsigned i = 0; i < 256; i++) {
        chip_out(f->bench, 0x3C9, (uint8_t)i);
        chip_out(f->bench, 0x3C9, (uint8_t)(i / 2));
        chip_out(f->bench, 0x3C9, (uint8_t)(63 - i));
    }
}

static uint8_t peek(struct fixture *f, uint32_t addr)
{
    return (uint8_t)io_read(&f->bench->memory, addr, 1);
}

static void poke(struct fixture *f, uint32_t addr, uint8_t value)
{
    io_write(&f->bench->memory, addr, 1, value);
}

/* Red component of a pixel tells the DAC entry. */
static unsigned entry_of(uint32_t pixel)
{
    return pixel >> 18 & 63;
}

Test(vga, text_screen_reads_as_text)
{
    struct fixture f = setup();
    set_mode(&f, &text);
    for (unsigned i = 0; i < 80 * 25; i++)
        io_write(&f.bench->memory, 0xB8000 + 2 * i, 2, 0x0720);
    static const char hello[] = "Hello, world.";
    for (unsigned i = 0; hello[i]; i++)
        poke(&f, 0xB8000 + 2 * (80 * 3 + 5 + i), (uint8_t)hello[i]);
    char row[100];
    cr_assert_eq(vga_text_row(f.vga, 3, row, sizeof row), 18);
    cr_assert_str_eq(row, "     Hello, world.");
    cr_assert_eq(vga_text_row(f.vga, 4, row, sizeof row), 0);
    cr_assert_eq(vga_text_row(f.vga, 3, row, 8), 7);
    cr_assert_str_eq(row, "     He");
    cr_assert_eq(vga_text_cell(f.vga, 5, 3), 0x0748);
    cr_assert_eq(vga_text_cell(f.vga, 80, 3), 0);
    indexed(&f, 0x3D4, 0x0E, 0);
    indexed(&f, 0x3D4, 0x0F, 85);
    struct vga_text screen;
    cr_assert(vga_text_mode(f.vga, &screen));
    cr_assert_eq(screen.columns, 80);
    cr_assert_eq(screen.rows, 25);
    cr_assert_eq(screen.cursor_column, 5);
    cr_assert_eq(screen.cursor_row, 1);
    cr_assert(screen.cursor);
    indexed(&f, 0x3D4, 0x0D, 240); /* hardware scrolling by three rows */
    vga_text_row(f.vga, 0, row, sizeof row);
    cr_assert_str_eq(row, "     Hello, world.");
    set_mode(&f, &linear);
    cr_assert(!vga_text_mode(f.vga, &screen));
    teardown(&f);
}

Test(vga, text_pictures_use_the_font_in_plane_2)
{
    struct fixture f = setup();
    set_mode(&f, &text);
    indexed(&f, 0x3C4, 2, 4); /* plane 2 alone, flat, at A0000 */
    indexed(&f, 0x3C4, 4, 6);
    indexed(&f, 0x3CE, 6, 4);
    indexed(&f, 0x3CE, 5, 0);
    poke(&f, 0xA0000 + 'A' * 32 + 2, 0x81);
    set_mode(&f, &text);
    io_write(&f.bench->memory, 0xB8000, 2, 0x1E41);
    indexed(&f, 0x3D4, 0x0A, 0x20); /* cursor off */
    uint32_t *pixels = calloc(720 * 400, sizeof *pixels);
    struct vga_size size = vga_render(f.vga, pixels, 720 * 400);
    cr_assert_eq(size.width, 720);
    cr_assert_eq(size.height, 400);
    for (unsigned x = 0; x < 9; x++)
        cr_assert_eq(entry_of(pixels[2 * 720 + x]), x == 0 || x == 7 ? 0xE : 1, "dot %u", x);
    size = vga_render(f.vga, pixels, 10);
    cr_assert_eq(size.height, 400, "too small: only the size is told");
    free(pixels);
    teardown(&f);
}

Test(vga, mode_13h)
{
    struct fixture f = setup();
    set_mode(&f, &linear);
    for (uint32_t i = 0; i < 64000; i++)
        poke(&f, 0xA0000 + i, (uint8_t)(i % 61));
    for (uint32_t i = 0; i < 64000; i += 97)
        cr_assert_eq(peek(&f, 0xA0000 + i), i % 61);
    uint32_t *pixels = calloc(640 * 400, sizeof *pixels);
    struct vga_size size = vga_render(f.vga, pixels, 640 * 400);
    cr_assert_eq(size.width, 640);
    cr_assert_eq(size.height, 400);
    for (unsigned y = 0; y < 400; y += 7)
        for (unsigned x = 0; x < 640; x += 3)
            cr_assert_eq(entry_of(pixels[y * 640 + x]), (y / 2 * 320 + x / 2) % 61);
    free(pixels);
    teardown(&f);
}

Test(vga, mode_12h_and_write_modes)
{
    struct fixture f = setup();
    set_mode(&f, &planar);
    uint32_t *pixels = calloc(640 * 480, sizeof *pixels);
    /* Write mode 0: set/reset colour 5 through a bit mask. */
    indexed(&f, 0x3CE, 0, 5);
    indexed(&f, 0x3CE, 1, 0x0F);
    indexed(&f, 0x3CE, 8, 0xF0);
    peek(&f, 0xA0000);
    poke(&f, 0xA0000, 0);
    /* Write mode 2: the byte is the colour. */
    indexed(&f, 0x3CE, 5, 2);
    indexed(&f, 0x3CE, 8, 0x0F);
    peek(&f, 0xA0000);
    poke(&f, 0xA0000, 0x0A);
    /* Write mode 1 copies the latches. */
    indexed(&f, 0x3CE, 5, 1);
    peek(&f, 0xA0000);
    poke(&f, 0xA0001, 0xFF);
    /* Write mode 3: rotated data is the mask. */
    indexed(&f, 0x3CE, 5, 3);
    indexed(&f, 0x3CE, 8, 0xFF);
    indexed(&f, 0x3CE, 3, 4);
    peek(&f, 0xA0002);
    poke(&f, 0xA0002, 0x0F);
    struct vga_size size = vga_render(f.vga, pixels, 640 * 480);
    cr_assert_eq(size.width, 640);
    cr_assert_eq(size.height, 480);
    for (unsigned x = 0; x < 24; x++) {
        unsigned expected = x < 16 ? ((x & 7) < 4 ? 5 : 10) : x < 20 ? 5 : 0;
        cr_assert_eq(entry_of(pixels[x]), expected, "dot %u: %u", x, entry_of(pixels[x]));
    }
    free(pixels);
    teardown(&f);
}

Test(vga, read_modes_and_logic)
{
    struct fixture f = setup();
    set_mode(&f, &planar);
    for (uint8_t plane = 0; plane < 4; plane++) {
        indexed(&f, 0x3C4, 2, (uint8_t)(1 << plane));
        poke(&f, 0xA0000, (uint8_t)(0x11 << plane));
    }
    for (uint8_t plane = 0; plane < 4; plane++) {
        indexed(&f, 0x3CE, 4, plane);
        cr_assert_eq(peek(&f, 0xA0000), 0x11 << plane);
    }
    indexed(&f, 0x3CE, 5, 8); /* colour compare: where is colour 2? */
    indexed(&f, 0x3CE, 2, 2);
    cr_assert_eq(peek(&f, 0xA0000), 0x22);
    indexed(&f, 0x3CE, 7, 0); /* nothing counts: everywhere */
    cr_assert_eq(peek(&f, 0xA0000), 0xFF);
    indexed(&f, 0x3CE, 5, 0);
    indexed(&f, 0x3CE, 4, 0);
    indexed(&f, 0x3C4, 2, 1);
    static const struct {
        uint8_t rotate, value, expected;
    } rows[] = {{0x08, 0x30, 0x10}, {0x10, 0x06, 0x16}, {0x18, 0xFF, 0xE9}, {0x02, 0x03, 0xC0}};
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        peek(&f, 0xA0000); /* 11, 10, 16, E9 */
        indexed(&f, 0x3CE, 3, rows[i].rotate);
        poke(&f, 0xA0000, rows[i].value);
        cr_assert_eq(peek(&f, 0xA0000), rows[i].expected, "row %u: %02x", i, peek(&f, 0xA0000));
    }
    teardown(&f);
}

Test(vga, decoding_follows_the_memory_map)
{
    static const struct {
        uint8_t misc;
        uint32_t inside, outside;
    } rows[] = {{0x05, 0xA0000, 0xB0000}, {0x09, 0xB0000, 0xB8000}, {0x0D, 0xB8000, 0xA0000}};
    struct fixture f = setup();
    set_mode(&f, &planar);
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        indexed(&f, 0x3CE, 6, rows[i].misc);
        poke(&f, rows[i].inside + 0x10, 0x5A);
        cr_assert_eq(peek(&f, rows[i].inside + 0x10), 0x5A);
        cr_assert_eq(peek(&f, rows[i].outside + 0x10), 0xFF);
    }
    chip_out(f.bench, 0x3C2, 0x61); /* memory off */
    cr_assert_eq(peek(&f, 0xB8010), 0xFF);
    teardown(&f);
}

Test(vga, registers_protection_and_address_select)
{
    struct fixture f = setup();
    set_mode(&f, &text);
    chip_out(f.bench, 0x3D4, 0);
    chip_out(f.bench, 0x3D5, 0x12); /* protected */
    cr_assert_eq(chip_in(f.bench, 0x3D5), 0x5F);
    indexed(&f, 0x3D4, 7, 0);
    chip_out(f.bench, 0x3D4, 7);
    cr_assert_eq(chip_in(f.bench, 0x3D5), 0x0F, "only line compare");
    cr_assert_eq(chip_in(f.bench, 0x3B5), 0xFF);
    chip_out(f.bench, 0x3C2, 0x66);
    cr_assert_eq(chip_in(f.bench, 0x3D5), 0xFF);
    cr_assert_eq(chip_in(f.bench, 0x3B5), 0x0F);
    cr_assert_eq(chip_in(f.bench, 0x3CC), 0x66);
    chip_in(f.bench, 0x3BA);
    chip_out(f.bench, 0x3C0, 0x31);
    cr_assert_eq(chip_in(f.bench, 0x3C0), 0x31);
    chip_out(f.bench, 0x3C7, 7);
    cr_assert_eq(chip_in(f.bench, 0x3C7), 3);
    cr_assert_eq(chip_in(f.bench, 0x3C9), 7);
    cr_assert_eq(chip_in(f.bench, 0x3C9), 3);
    cr_assert_eq(chip_in(f.bench, 0x3C9), 56);
    cr_assert_eq(chip_in(f.bench, 0x3C9), 8);
    teardown(&f);
}

/* 70 frames a second in text mode; retrace is two lines of each. */
Test(vga, retrace_has_the_right_rate)
{
    struct fixture f = setup();
    set_mode(&f, &text);
    unsigned retraces = 0, last = 0;
    for (int i = 0; i < 100000; i++) {
        chip_run(f.bench, 10000);
        unsigned now = chip_in(f.bench, 0x3DA) & 8;
        retraces += now && !last;
        last = now;
    }
    cr_assert(retraces == 70 || retraces == 71, "%u", retraces);
    teardown(&f);
}

Test(vga, random_accesses)
{
    struct fixture f = setup();
    uint32_t *pixels = calloc(1 << 20, sizeof *pixels);
    uint64_t seed = 2;
    for (int i = 0; i < 200; i++) {
        chip_fuzz(f.bench, f.vga, 500, chip_random(&seed));
        if (i % 10 == 0)
            vga_render(f.vga, pixels, 1 << 20);
        char row[300];
        for (unsigned r = 0; r < 3; r++)
            vga_text_row(f.vga, chip_random(&seed) % 70, row, sizeof row);
    }
    free(pixels);
    teardown(&f);
}
