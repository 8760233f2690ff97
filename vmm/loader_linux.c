/* The Linux/x86 boot protocol, 32-bit entry (Linux documentation, arch/x86/boot.rst, versions 2.02 to 2.15).
 * 64-bit kernels are entered the same way: their image starts with a 32-bit stub that switches to long mode.
 *
 * Memory below 1 MB as we lay it out:
 *     0x01000  GDT with __BOOT_CS (0x10) and __BOOT_DS (0x18)
 *     0x10000  boot_params, the "zero page"
 *     0x20000  command line
 * The protected-mode part goes to 1 MB, the initial RAM disk as high as the kernel allows. */
#include "vmm/loader_priv.h"

#include <stdlib.h>
#include <string.h>

enum layout { GDT_ADDR = 0x1000, PARAMS_ADDR = 0x10000, CMDLINE_ADDR = 0x20000, KERNEL_ADDR = 0x100000 };

/* Offsets in the setup header and in boot_params (boot.rst "Details of harder fields", zero-page.rst). */
enum field {
    SCREEN_INFO = 0x000,
    ACPI_RSDP = 0x070,
    E820_COUNT = 0x1E8,
    SETUP_SECTS = 0x1F1,
    BOOT_FLAG = 0x1FE,
    HEADER_JUMP = 0x200,
    HEADER_MAGIC = 0x202,
    VERSION = 0x206,
    TYPE_OF_LOADER = 0x210,
    LOADFLAGS = 0x211,
    CODE32_START = 0x214,
    RAMDISK_IMAGE = 0x218,
    RAMDISK_SIZE = 0x21C,
    CMD_LINE_PTR = 0x228,
    INITRD_ADDR_MAX = 0x22C,
    CMDLINE_SIZE = 0x238,
    INIT_SIZE = 0x260,
    E820_TABLE = 0x2D0,
    PARAMS_SIZE = 0x1000,
};

enum { LOADED_HIGH = 1, E820_ENTRY = 20, E820_MAX = 128, VERSION_MIN = 0x0202 };

static enum status bad_kernel(const struct image *kernel, const char *why, struct error *err)
{
    return status_fail(err, STATUS_BAD_INPUT, "'%s' is no bootable kernel: %s", kernel->path, why);
}

static enum status check_header(const struct image *kernel, size_t *setup_size, struct error *err)
{
    if (kernel->size < 0x1000 || get_le16(kernel->bytes + BOOT_FLAG) != 0xAA55 ||
        memcmp(kernel->bytes + HEADER_MAGIC, "HdrS", 4) != 0)
        return bad_kernel(kernel, "neither Multiboot nor a Linux bzImage", err);
    if (get_le16(kernel->bytes + VERSION) < VERSION_MIN || !(kernel->bytes[LOADFLAGS] & LOADED_HIGH))
        return bad_kernel(kernel, "its boot protocol is older than 2.02 or it is a zImage", err);
    unsigned sectors = kernel->bytes[SETUP_SECTS] ? kernel->bytes[SETUP_SECTS] : 4;
    *setup_size = (sectors + 1) * 512;
    if (*setup_size >= kernel->size)
        return bad_kernel(kernel, "it is truncated", err);
    size_t paragraphs = get_le32(kernel->bytes + 0x1F4); /* syssize, in 16-byte units */
    if (kernel->size - *setup_size < paragraphs * 16 - (paragraphs ? 15 : 0))
        return bad_kernel(kernel, "it is truncated", err);
    return STATUS_OK;
}

/* VGA text mode 3 as the firmware left it (struct screen_info). */
static void fill_screen_info(uint8_t *params)
{
    uint8_t *screen = params + SCREEN_INFO;
    screen[0x06] = 3;  /* mode */
    screen[0x07] = 80; /* columns */
    screen[0x0E] = 25; /* lines */
    screen[0x0F] = 1;  /* VGA */
    screen[0x10] = 16; /* character height */
}

static void fill_memory_map(const struct boot_config *config, uint8_t *params)
{
    unsigned count = 0;
    for (unsigned i = 0; i < config->range_count && count < E820_MAX; i++, count++) {
        uint8_t *entry = params + E820_TABLE + count * E820_ENTRY;
        put_le64(entry, config->ranges[i].start);
        put_le64(entry + 8, config->ranges[i].size);
        put_le32(entry + 16, (uint32_t)config->ranges[i].kind);
    }
    params[E820_COUNT] = (uint8_t)count;
}

static enum status load_initrd(const struct boot_config *config, const struct image *kernel,
                               struct guest_memory *memory, uint8_t *params, struct error *err)
{
    struct image initrd;
    TRY(image_read(&initrd, memory, config->initrd, err));
    uint64_t top = ram_end(config, KERNEL_ADDR);
    uint64_t limit =
        get_le16(params + VERSION) >= 0x0203 ? (uint64_t)get_le32(params + INITRD_ADDR_MAX) + 1 : 0x38000000;
    if (top > limit)
        top = limit;
    uint64_t kernel_end =
        KERNEL_ADDR + (get_le16(params + VERSION) >= 0x020A ? get_le32(params + INIT_SIZE) : kernel->size);
    enum status status;
    if (top < kernel_end + initrd.size + PAGE_SIZE) {
        status =
            status_fail(err, STATUS_BAD_INPUT,
                        "'%s' (%zu MB) does not fit beside the kernel: give the guest more memory with -m",
                        initrd.path, initrd.size >> 20);
    } else {
        uint64_t addr = (top - initrd.size) & ~PAGE_MASK;
        put_le32(params + RAMDISK_IMAGE, (uint32_t)addr);
        put_le32(params + RAMDISK_SIZE, (uint32_t)initrd.size);
        status = load_bytes(memory, addr, initrd.bytes, initrd.size, initrd.path, err);
    }
    image_free(&initrd);
    return status;
}

static enum status load_cmdline(const struct boot_config *config, const struct image *kernel,
                                struct guest_memory *memory, uint8_t *params, struct error *err)
{
    size_t size = strlen(config->cmdline);
    size_t limit = get_le16(params + VERSION) >= 0x0206 ? get_le32(params + CMDLINE_SIZE) : 255;
    if (size > limit || size >= 0x10000)
        return status_fail(err, STATUS_BAD_INPUT, "-append: %zu bytes; this kernel takes at most %zu", size,
                           limit);
    put_le32(params + CMD_LINE_PTR, CMDLINE_ADDR);
    return load_bytes(memory, CMDLINE_ADDR, config->cmdline, size + 1, kernel->path, err);
}

enum status linux_load(const struct boot_config *config, const struct image *kernel,
                       struct guest_memory *memory, struct cpu *cpu, struct error *err)
{
    size_t setup_size = 0;
    TRY(check_header(kernel, &setup_size, err));

    /* The header is copied to its place in boot_params; its length is in the byte of the jump before it. */
    uint8_t params[PARAMS_SIZE] = {0};
    size_t header_end = (size_t)HEADER_MAGIC + kernel->bytes[HEADER_JUMP + 1];
    if (header_end > E820_TABLE)
        return bad_kernel(kernel, "its setup header is too long", err);
    memcpy(params + SETUP_SECTS, kernel->bytes + SETUP_SECTS, header_end - SETUP_SECTS);
    params[TYPE_OF_LOADER] = 0xFF; /* undefined loader */
    put_le32(params + CODE32_START, KERNEL_ADDR);
    if (get_le16(params + VERSION) >= 0x020E)
        put_le64(params + ACPI_RSDP, config->rsdp.v);
    fill_screen_info(params);
    fill_memory_map(config, params);
    TRY(load_cmdline(config, kernel, memory, params, err));
    TRY(load_bytes(memory, KERNEL_ADDR, kernel->bytes + setup_size, kernel->size - setup_size, kernel->path,
                   err));
    if (config->initrd != NULL)
        TRY(load_initrd(config, kernel, memory, params, err));

    static const uint64_t gdt[4] = {0, 0, 0x00CF9B000000FFFF, 0x00CF93000000FFFF};
    TRY(load_bytes(memory, GDT_ADDR, gdt, sizeof gdt, kernel->path, err));
    TRY(load_bytes(memory, PARAMS_ADDR, params, sizeof params, kernel->path, err));
    enter_protected_mode(cpu, 0x10, 0x18, KERNEL_ADDR);
    cpu->s.gdtr = (struct table_register){.base = GDT_ADDR, .limit = sizeof gdt - 1};
    cpu->s.gpr[RSI] = PARAMS_ADDR;
    cpu->s.gpr[RSP] = GDT_ADDR; /* grows down from the GDT; the kernel sets its own at once */
    return STATUS_OK;
}
