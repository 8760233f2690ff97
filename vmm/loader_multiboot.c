/* Multiboot Specification 0.6.96: ELF32 kernels and the a.out kludge, modules, memory map, command line.
 *
 * Left out: the VBE and APM tables, drives and the ELF section table (their bits in `flags` stay clear); a
 * kernel that *requires* a video mode is refused. */
#include "vmm/loader_priv.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { HEADER_MAGIC = 0x1BADB002, BOOT_MAGIC = 0x2BADB002, HEADER_SEARCH = 8192, MODULES_MAX = 16 };

/* Bits of the header's flags (section 3.1.2). */
enum {
    WANT_PAGE_ALIGN = 1 << 0,
    WANT_MEMORY = 1 << 1,
    WANT_VIDEO = 1 << 2,
    HAS_ADDRESSES = 1 << 16,
    REQUIRED_MASK = 0xFFFF
};

/* Boot information (section 3.3): offsets and flag bits. */
enum info {
    INFO_FLAGS = 0,
    INFO_MEM_LOWER = 4,
    INFO_MEM_UPPER = 8,
    INFO_CMDLINE = 16,
    INFO_MODS_COUNT = 20,
    INFO_MODS_ADDR = 24,
    INFO_MMAP_LENGTH = 44,
    INFO_MMAP_ADDR = 48,
    INFO_LOADER_NAME = 64,
    INFO_SIZE = 120,
};
enum {
    INFO_HAS_MEM = 1 << 0,
    INFO_HAS_CMDLINE = 1 << 2,
    INFO_HAS_MODS = 1 << 3,
    INFO_HAS_MMAP = 1 << 6,
    INFO_HAS_LOADER = 1 << 9
};

/* Where the tables go: the page after the Linux loader's, below the kernel. */
enum { TABLES_ADDR = 0x10000, TABLES_MAX = 0x8000, GDT_ADDR = 0x1000 };

struct tables {
    uint8_t bytes[TABLES_MAX];
    size_t used;
};

static const uint8_t *find_header(const struct image *kernel)
{
    size_t end = kernel->size < HEADER_SEARCH ? kernel->size : HEADER_SEARCH;
    for (size_t at = 0; at + 12 <= end; at += 4) {
        const uint8_t *header = kernel->bytes + at;
        if (get_le32(header) == HEADER_MAGIC &&
            get_le32(header) + get_le32(header + 4) + get_le32(header + 8) == 0)
            return header;
    }
    return NULL;
}

bool multiboot_recognize(const struct image *kernel)
{
    return find_header(kernel) != NULL;
}

static enum status bad_kernel(const struct image *kernel, const char *why, struct error *err)
{
    return status_fail(err, STATUS_BAD_INPUT, "'%s' is a damaged Multiboot kernel: %s", kernel->path, why);
}

static enum status zero_guest(struct guest_memory *memory, uint64_t addr, uint64_t size,
                              const struct image *kernel, struct error *err)
{
    static const uint8_t zeros[PAGE_SIZE];
    while (size > 0) {
        size_t n = size < sizeof zeros ? (size_t)size : sizeof zeros;
        TRY(load_bytes(memory, addr, zeros, n, kernel->path, err));
        addr += n;
        size -= n;
    }
    return STATUS_OK;
}

/* Section 3.1.3: the header says where everything goes. */
static enum status load_by_addresses(const struct image *kernel, const uint8_t *header,
                                     struct guest_memory *memory, uint32_t *entry, uint64_t *end,
                                     struct error *err)
{
    size_t at = (size_t)(header - kernel->bytes);
    if (at + 32 > kernel->size)
        return bad_kernel(kernel, "its header is truncated", err);
    uint32_t header_addr = get_le32(header + 12), load = get_le32(header + 16),
             load_end = get_le32(header + 20), bss_end = get_le32(header + 24);
    if (header_addr < load || header_addr - load > at)
        return bad_kernel(kernel, "its load address contradicts the place of its header", err);
    size_t offset = at - (header_addr - load);
    size_t size = load_end ? (size_t)(load_end - load) : kernel->size - offset;
    if ((load_end && load_end < load) || size > kernel->size - offset)
        return bad_kernel(kernel, "it is truncated", err);
    TRY(load_bytes(memory, load, kernel->bytes + offset, size, kernel->path, err));
    *end = (uint64_t)load + size;
    if (bss_end > *end) {
        TRY(zero_guest(memory, *end, bss_end - *end, kernel, err));
        *end = bss_end;
    }
    *entry = get_le32(header + 28);
    return STATUS_OK;
}

static enum status load_elf(const struct image *kernel, struct guest_memory *memory, uint32_t *entry,
                            uint64_t *end, struct error *err)
{
    const uint8_t *elf = kernel->bytes;
    if (kernel->size < 52 || memcmp(elf, "\177ELF\1\1", 6) != 0 || get_le16(elf + 18) != 3)
        return bad_kernel(kernel, "neither ELF32 for the i386 nor with load addresses", err);
    uint32_t table = get_le32(elf + 28), entry_size = get_le16(elf + 42), count = get_le16(elf + 44);
    *entry = get_le32(elf + 24);
    *end = 0;
    if (entry_size < 32 || (uint64_t)table + (uint64_t)entry_size * count > kernel->size)
        return bad_kernel(kernel, "its program headers lie outside the file", err);
    for (unsigned i = 0; i < count; i++) {
        const uint8_t *segment = elf + table + i * entry_size;
        if (get_le32(segment) != 1) /* PT_LOAD */
            continue;
        uint32_t offset = get_le32(segment + 4), addr = get_le32(segment + 12),
                 file_size = get_le32(segment + 16), size = get_le32(segment + 20);
        if ((uint64_t)offset + file_size > kernel->size || file_size > size)
            return bad_kernel(kernel, "a segment lies outside the file", err);
        TRY(load_bytes(memory, addr, elf + offset, file_size, kernel->path, err));
        TRY(zero_guest(memory, (uint64_t)addr + file_size, size - file_size, kernel, err));
        if ((uint64_t)addr + size > *end)
            *end = (uint64_t)addr + size;
    }
    return *end ? STATUS_OK : bad_kernel(kernel, "it has nothing to load", err);
}

/* Append bytes to the tables, 4-byte aligned; returns their guest address, 0 when full. */
static uint32_t tables_put(struct tables *tables, const void *bytes, size_t size)
{
    size_t at = (tables->used + 3) & ~(size_t)3;
    if (size > TABLES_MAX - at)
        return 0;
    memcpy(tables->bytes + at, bytes, size);
    tables->used = at + size;
    return (uint32_t)(TABLES_ADDR + at);
}

static enum status put_memory(const struct boot_config *config, struct tables *tables, struct error *err)
{
    uint8_t map[BOARD_RANGES_MAX * 24] = {0};
    unsigned n = config->range_count < BOARD_RANGES_MAX ? config->range_count : BOARD_RANGES_MAX;
    for (unsigned i = 0; i < n; i++) {
        uint8_t *entry = map + i * 24;
        put_le32(entry, 20);
        put_le64(entry + 4, config->ranges[i].start);
        put_le64(entry + 12, config->ranges[i].size);
        put_le32(entry + 20, (uint32_t)config->ranges[i].kind);
    }
    uint32_t addr = tables_put(tables, map, n * 24);
    if (addr == 0)
        return status_fail(err, STATUS_BAD_INPUT, "the Multiboot tables do not fit");
    put_le32(tables->bytes + INFO_MMAP_LENGTH, n * 24);
    put_le32(tables->bytes + INFO_MMAP_ADDR, addr);
    put_le32(tables->bytes + INFO_MEM_LOWER, (uint32_t)(ram_end(config, 0) >> 10));
    put_le32(tables->bytes + INFO_MEM_UPPER, (uint32_t)((ram_end(config, 0x100000) - 0x100000) >> 10));
    return STATUS_OK;
}

/* "kernel arguments": the file first, as GRUB passes it, but without its folder: what a guest sees, and so
 * each cycle of its run, must not depend on where the file lies. */
static enum status put_cmdline(const struct image *kernel, const char *arguments, struct tables *tables,
                               unsigned field, struct error *err)
{
    const char *slash = strrchr(kernel->path, '/'), *file = slash != NULL ? slash + 1 : kernel->path;
    size_t name = strlen(file), rest = strlen(arguments);
    char *line = xcalloc(name + rest + 2, 1);
    memcpy(line, file, name);
    line[name] = rest ? ' ' : '\0';
    memcpy(line + name + 1, arguments, rest);
    uint32_t addr = tables_put(tables, line, name + rest + 2);
    free(line);
    if (addr == 0)
        return status_fail(err, STATUS_BAD_INPUT, "-append does not fit into the Multiboot tables");
    put_le32(tables->bytes + field, addr);
    return STATUS_OK;
}

/* One module: "file args". Loaded page-aligned at *next. */
static enum status put_module(const char *text, size_t length, struct guest_memory *memory,
                              struct tables *tables, uint8_t *entry, uint64_t *next, struct error *err)
{
    char *word = xcalloc(length + 1, 1);
    memcpy(word, text, length);
    char *arguments = strchr(word, ' ');
    if (arguments != NULL)
        *arguments++ = '\0';
    struct image module;
    enum status status = image_read(&module, memory, word, err);
    if (status == STATUS_OK) {
        status = load_bytes(memory, *next, module.bytes, module.size, word, err);
        put_le32(entry, (uint32_t)*next);
        put_le32(entry + 4, (uint32_t)(*next + module.size));
        if (status == STATUS_OK)
            status = put_cmdline(&module, arguments ? arguments : "", tables,
                                 (unsigned)(entry + 8 - tables->bytes), err);
        *next = (*next + module.size + PAGE_MASK) & ~PAGE_MASK;
        image_free(&module);
    }
    free(word);
    return status;
}

static enum status put_modules(const struct boot_config *config, struct guest_memory *memory,
                               struct tables *tables, uint64_t kernel_end, struct error *err)
{
    if (config->initrd == NULL)
        return STATUS_OK;
    uint8_t list[MODULES_MAX * 16] = {0};
    uint32_t addr = tables_put(tables, list, sizeof list);
    CHECK(addr != 0);
    uint64_t next = (kernel_end + PAGE_MASK) & ~PAGE_MASK;
    unsigned count = 0;
    for (const char *text = config->initrd; *text != '\0'; count++) {
        size_t length = strcspn(text, ",");
        if (count == MODULES_MAX)
            return status_fail(err, STATUS_BAD_INPUT, "-initrd: more than %d modules", MODULES_MAX);
        TRY(put_module(text, length, memory, tables, tables->bytes + (addr - TABLES_ADDR) + count * 16, &next,
                       err));
        text += length + (text[length] == ',');
    }
    put_le32(tables->bytes + INFO_MODS_COUNT, count);
    put_le32(tables->bytes + INFO_MODS_ADDR, addr);
    put_le32(tables->bytes + INFO_FLAGS, get_le32(tables->bytes + INFO_FLAGS) | INFO_HAS_MODS);
    return STATUS_OK;
}

enum status multiboot_load(const struct boot_config *config, const struct image *kernel,
                           struct guest_memory *memory, struct cpu *cpu, struct error *err)
{
    const uint8_t *header = find_header(kernel);
    uint32_t flags = get_le32(header + 4), entry = 0;
    uint64_t end = 0;
    if (flags & REQUIRED_MASK & ~(uint32_t)(WANT_PAGE_ALIGN | WANT_MEMORY))
        return bad_kernel(kernel, "it requires a feature that is not provided (video mode?)", err);
    if (flags & HAS_ADDRESSES)
        TRY(load_by_addresses(kernel, header, memory, &entry, &end, err));
    else
        TRY(load_elf(kernel, memory, &entry, &end, err));

    struct tables *tables = xcalloc(1, sizeof *tables);
    tables->used = INFO_SIZE;
    put_le32(tables->bytes + INFO_FLAGS, INFO_HAS_MEM | INFO_HAS_CMDLINE | INFO_HAS_MMAP | INFO_HAS_LOADER);
    put_le32(tables->bytes + INFO_LOADER_NAME, tables_put(tables, "crosspage", 10));
    enum status status = put_memory(config, tables, err);
    if (status == STATUS_OK)
        status = put_cmdline(kernel, config->cmdline, tables, INFO_CMDLINE, err);
    if (status == STATUS_OK)
        status = put_modules(config, memory, tables, end, err);
    if (status == STATUS_OK)
        status = load_bytes(memory, TABLES_ADDR, tables->bytes, tables->used, kernel->path, err);
    free(tables);
    TRY(status);

    static const uint64_t gdt[3] = {0, 0x00CF9B000000FFFF, 0x00CF93000000FFFF};
    TRY(load_bytes(memory, GDT_ADDR, gdt, sizeof gdt, kernel->path, err));
    enter_protected_mode(cpu, 0x08, 0x10, entry);
    cpu->s.gdtr = (struct table_register){.base = GDT_ADDR, .limit = sizeof gdt - 1};
    cpu->s.gpr[RAX] = BOOT_MAGIC;
    cpu->s.gpr[RBX] = TABLES_ADDR;
    return STATUS_OK;
}
