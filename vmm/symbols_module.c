/* Functions of a Linux module, from its struct module in the guest's memory (Linux 6.1,
 * include/linux/module.h):
 *
 *     enum module_state state; struct list_head list; char name[]; ... struct mod_kallsyms *kallsyms; ...
 *
 * The place of `kallsyms` depends on the configuration, so the pointer is found by what it points to: a
 * struct mod_kallsyms { Elf_Sym *symtab; unsigned int num_symtab; char *strtab; ... } whose first symbol is
 * ELF's null symbol and whose names are text. */
#include "vmm/symbols.h"

#include "base/bytes.h"

#include <string.h>

enum {
    MODULE_BYTES = 2048, /* more than lie before `kallsyms` */
    MODULE_SYMBOLS_MAX = 1 << 16,
    MODULE_NAME_MAX = 128,
    ELF_SYMBOL_MAX = 24,
    STT_FUNC = 2,
};

struct module_symbols {
    struct cpu *cpu;
    unsigned word, entry;
    uint64_t table, strings;
    uint32_t count;
};

static uint64_t get_word(const uint8_t *at, unsigned word)
{
    return word == 8 ? get_le64(at) : get_le32(at);
}

static bool peek(const struct module_symbols *m, uint64_t address, void *to, size_t size)
{
    return address + size > address && cpu_peek(m->cpu, gva(address), to, size);
}

/* A text that ends; its length, or 0. */
static size_t peek_name(const struct module_symbols *m, uint64_t address, char text[MODULE_NAME_MAX])
{
    size_t length = 0, have = PAGE_SIZE - (size_t)(address & PAGE_MASK);
    have = have < MODULE_NAME_MAX ? have : MODULE_NAME_MAX;
    if (!peek(m, address, text, have))
        return 0;
    for (;; length++) {
        if (length == have) { /* the next page */
            if (have == MODULE_NAME_MAX || !peek(m, address + have, text + have, MODULE_NAME_MAX - have))
                return 0;
            have = MODULE_NAME_MAX;
        }
        if (text[length] <= ' ' || text[length] > '~')
            return text[length] == 0 ? length : 0;
    }
}

static bool get_symbol(const struct module_symbols *m, uint32_t n, uint8_t symbol[ELF_SYMBOL_MAX])
{
    return peek(m, m->table + (uint64_t)n * m->entry, symbol, m->entry);
}

static bool is_null(const uint8_t *symbol, unsigned bytes)
{
    static const uint8_t zeros[ELF_SYMBOL_MAX];
    return memcmp(symbol, zeros, bytes) == 0;
}

/* Does a struct mod_kallsyms lie at `at`? */
static bool open_table(struct module_symbols *m, uint64_t at)
{
    uint8_t head[3 * 8], symbol[ELF_SYMBOL_MAX];
    char name[MODULE_NAME_MAX];
    if (at == 0 || at % m->word != 0 || !peek(m, at, head, 3 * m->word))
        return false;
    m->table = get_word(head, m->word);
    m->count = get_le32(head + m->word);
    m->strings = get_word(head + 2 * m->word, m->word);
    if (m->table == 0 || m->strings == 0 || m->count < 2 || m->count > MODULE_SYMBOLS_MAX)
        return false;
    if (!get_symbol(m, 0, symbol) || !is_null(symbol, m->entry) || !get_symbol(m, m->count - 1, symbol))
        return false;
    return peek_name(m, m->strings + get_le32(symbol), name) > 0;
}

bool symbols_from_module(struct symbols *symbols, struct cpu *cpu, uint64_t module)
{
    uint8_t bytes[MODULE_BYTES], symbol[ELF_SYMBOL_MAX];
    struct module_symbols m = {.cpu = cpu, .word = symbols_word(cpu)};
    size_t before = symbols->count;
    m.entry = m.word == 8 ? 24 : 16;
    if (!peek(&m, module, bytes, sizeof bytes))
        return false;
    unsigned at = 0;
    while (at < MODULE_BYTES && !open_table(&m, get_word(bytes + at, m.word)))
        at += m.word;
    if (at >= MODULE_BYTES)
        return false;
    for (uint32_t n = 1; n < m.count && get_symbol(&m, n, symbol); n++) {
        bool wide = m.word == 8;
        char name[MODULE_NAME_MAX];
        uint16_t section = get_le16(symbol + (wide ? 6 : 14));
        if ((symbol[wide ? 4 : 12] & 15) != STT_FUNC || section == 0)
            continue;
        size_t length = peek_name(&m, m.strings + get_le32(symbol), name);
        symbols_add(symbols, wide ? get_le64(symbol + 8) : get_le32(symbol + 4), name, length);
    }
    return symbols->count > before;
}
