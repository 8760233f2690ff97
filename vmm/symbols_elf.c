/* Functions of an ELF file (System V ABI, chapter 4: sections, symbol table, string table; ELF-64 object file
 * format for the 64-bit layouts). Little-endian files of both classes; .symtab, or .dynsym if there is none.
 *
 * All offsets and counts are the file's word: each is checked against its size before use. */
#include "vmm/symbols.h"

#include "base/bytes.h"

#include <string.h>

enum {
    ELF_CLASS = 4,
    ELF_CLASS32 = 1,
    ELF_CLASS64 = 2,
    ELF_DATA = 5,
    ELF_LITTLE = 1,
    SHT_SYMTAB = 2,
    SHT_DYNSYM = 11,
    STT_NOTYPE = 0,
    STT_FUNC = 2,
    SHN_UNDEF = 0,
    SHF_EXECINSTR = 4,
};

struct elf {
    const uint8_t *bytes;
    size_t size;
    bool wide; /* ELFCLASS64 */
    uint64_t sections;
    unsigned section_count, section_bytes;
};

struct section {
    uint32_t type, link;
    uint64_t flags, offset, size, entry;
};

/* Is [offset, offset + size) in the file? */
static bool inside(const struct elf *elf, uint64_t offset, uint64_t size)
{
    return offset <= elf->size && size <= elf->size - offset;
}

bool symbols_is_elf(const uint8_t *bytes, size_t size)
{
    return size > 20 && memcmp(bytes, "\177ELF", 4) == 0;
}

static bool open_elf(struct elf *elf)
{
    const uint8_t *head = elf->bytes;
    elf->wide = head[ELF_CLASS] == ELF_CLASS64;
    if ((!elf->wide && head[ELF_CLASS] != ELF_CLASS32) || head[ELF_DATA] != ELF_LITTLE ||
        !inside(elf, 0, elf->wide ? 64 : 52))
        return false;
    elf->sections = elf->wide ? get_le64(head + 40) : get_le32(head + 32);
    elf->section_bytes = get_le16(head + (elf->wide ? 58 : 46));
    elf->section_count = get_le16(head + (elf->wide ? 60 : 48));
    return elf->section_bytes >= (elf->wide ? 64 : 40) &&
           inside(elf, elf->sections, (uint64_t)elf->section_count * elf->section_bytes);
}

static bool get_section(const struct elf *elf, uint32_t n, struct section *section)
{
    if (n >= elf->section_count)
        return false;
    const uint8_t *at = elf->bytes + elf->sections + (uint64_t)n * elf->section_bytes;
    if (elf->wide)
        *section = (struct section){get_le32(at + 4),  get_le32(at + 40), get_le64(at + 8),
                                    get_le64(at + 24), get_le64(at + 32), get_le64(at + 56)};
    else
        *section = (struct section){get_le32(at + 4),  get_le32(at + 24), get_le32(at + 8),
                                    get_le32(at + 16), get_le32(at + 20), get_le32(at + 36)};
    return true;
}

static bool is_code(const struct elf *elf, uint32_t section)
{
    struct section in;
    return get_section(elf, section, &in) && (in.flags & SHF_EXECINSTR) != 0;
}

static void add_symbol(struct symbols *symbols, const struct elf *elf, const struct section *strings,
                       const uint8_t *at)
{
    uint32_t name = get_le32(at);
    uint8_t type = at[elf->wide ? 4 : 12] & 15;
    uint16_t section = get_le16(at + (elf->wide ? 6 : 14));
    uint64_t value = elf->wide ? get_le64(at + 8) : get_le32(at + 4);
    if ((type != STT_FUNC && type != STT_NOTYPE) || section == SHN_UNDEF || name >= strings->size)
        return;
    if (type == STT_NOTYPE && !is_code(elf, section))
        return;
    const char *text = (const char *)elf->bytes + strings->offset + name;
    symbols_add(symbols, value, text, strnlen(text, strings->size - name));
}

/* From the first section of this type. */
static bool add_table(struct symbols *symbols, const struct elf *elf, uint32_t type)
{
    unsigned least = elf->wide ? 24 : 16;
    for (uint32_t n = 0; n < elf->section_count; n++) {
        struct section table, strings;
        if (!get_section(elf, n, &table) || table.type != type || table.entry < least ||
            !inside(elf, table.offset, table.size) || !get_section(elf, table.link, &strings) ||
            !inside(elf, strings.offset, strings.size))
            continue;
        size_t before = symbols->count;
        for (uint64_t at = 0; at + least <= table.size && table.entry <= table.size - at; at += table.entry)
            add_symbol(symbols, elf, &strings, elf->bytes + table.offset + at);
        return symbols->count > before;
    }
    return false;
}

enum status symbols_from_elf(struct symbols *symbols, const uint8_t *bytes, size_t size, const char *path,
                             struct error *err)
{
    struct elf elf = {.bytes = bytes, .size = size};
    if (!symbols_is_elf(bytes, size) || !open_elf(&elf))
        return status_fail(err, STATUS_BAD_INPUT,
                           "symbols '%s': not a little-endian ELF file, or it is damaged", path);
    if (!add_table(symbols, &elf, SHT_SYMTAB) && !add_table(symbols, &elf, SHT_DYNSYM))
        return status_fail(err, STATUS_BAD_INPUT,
                           "symbols '%s': no functions in its symbol table (stripped?)", path);
    return STATUS_OK;
}
