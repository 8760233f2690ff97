/* The table of symbols, and files of text (symbols.h).
 *
 * System.map and /proc/kallsyms have a line per symbol: address, letter, name, and in the latter the module
 * in brackets (nm(1) for the letters: T and t are code, W and w weak). An unprivileged reader of
 * /proc/kallsyms sees zeros for addresses (kernel documentation, admin-guide/sysctl/kernel.rst,
 * kptr_restrict). */
#include "vmm/symbols.h"

#include "base/check.h"
#include "base/host_file.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 1 << 30, NAMES_MAX = 1 << 28 };

void symbols_free(struct symbols *symbols)
{
    free(symbols->symbol);
    free(symbols->names);
    *symbols = (struct symbols){0};
}

void symbols_add(struct symbols *symbols, uint64_t address, const char *name, size_t bytes)
{
    if (bytes >= SYMBOL_NAME_MAX)
        bytes = SYMBOL_NAME_MAX - 1;
    if (bytes == 0 || symbols->name_bytes > NAMES_MAX)
        return;
    if (symbols->count == symbols->room) {
        symbols->room = symbols->room ? 2 * symbols->room : 1024;
        symbols->symbol = xrealloc(symbols->symbol, symbols->room * sizeof *symbols->symbol);
    }
    if (symbols->name_bytes + bytes + 1 > symbols->name_room) {
        symbols->name_room = 2 * symbols->name_room + SYMBOL_NAME_MAX;
        symbols->names = xrealloc(symbols->names, symbols->name_room);
    }
    symbols->symbol[symbols->count++] = (struct symbol){address, (uint32_t)symbols->name_bytes, 0};
    memcpy(symbols->names + symbols->name_bytes, name, bytes);
    symbols->names[symbols->name_bytes + bytes] = 0;
    symbols->name_bytes += bytes + 1;
    symbols->sorted = false;
}

/* Names are in the order in which they came. */
static int by_address(const void *a, const void *b)
{
    const struct symbol *x = a, *y = b;
    if (x->address != y->address)
        return x->address < y->address ? -1 : 1;
    return x->name < y->name ? -1 : x->name > y->name;
}

static void sort(struct symbols *symbols)
{
    if (!symbols->sorted && symbols->count > 0)
        qsort(symbols->symbol, symbols->count, sizeof *symbols->symbol, by_address);
    symbols->sorted = true;
}

struct symbol *symbols_at(struct symbols *symbols, uint64_t address)
{
    sort(symbols);
    size_t low = 0, count = symbols->count;
    while (count > 0) {
        size_t half = count / 2;
        if (symbols->symbol[low + half].address <= address) {
            low += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return low > 0 ? &symbols->symbol[low - 1] : NULL;
}

static bool is_called(const char *symbol, const char *name)
{
    size_t bytes = strlen(name);
    if (strncmp(symbol, name, bytes) != 0)
        return false;
    const char *rest = symbol + bytes;
    return *rest == 0 || (*rest == '.' && strstr(rest, ".cold") == NULL && strstr(rest, ".part.") == NULL);
}

size_t symbols_find(struct symbols *symbols, const char *name, size_t from)
{
    sort(symbols);
    while (from < symbols->count && !is_called(symbol_name(symbols, &symbols->symbol[from]), name))
        from++;
    return from;
}

/* ---- Text ---- */

static unsigned hex_digit(char c)
{
    return c >= '0' && c <= '9' ? (unsigned)(c - '0') : (unsigned)(tolower((unsigned char)c) - 'a' + 10);
}

/* "c1000000 T name..." up to `end`; false: it is no such line. */
static bool parse_line(const char *at, const char *end, uint64_t *address, char *kind, const char **name,
                       size_t *bytes)
{
    const char *digits = at;
    *address = 0;
    for (; at < end && isxdigit((unsigned char)*at); at++)
        *address = *address << 4 | hex_digit(*at);
    if (at == digits || at - digits > 16 || end - at < 4 || at[0] != ' ' || at[2] != ' ')
        return false;
    *kind = at[1];
    *name = at += 3;
    while (at < end && isgraph((unsigned char)*at))
        at++;
    *bytes = (size_t)(at - *name);
    return *bytes > 0;
}

enum status symbols_from_text(struct symbols *symbols, const char *text, size_t size, const char *path,
                              struct error *err)
{
    const char *end = text + size;
    size_t lines = 0, before = symbols->count;
    bool zeros = true;
    while (text < end) {
        const char *stop = memchr(text, '\n', (size_t)(end - text)), *name;
        uint64_t address;
        size_t bytes;
        char kind;
        if (stop == NULL)
            stop = end;
        if (parse_line(text, stop, &address, &kind, &name, &bytes)) {
            lines++;
            zeros &= address == 0;
            if (strchr("tTwW", kind) != NULL)
                symbols_add(symbols, address, name, bytes);
        } else if (stop > text && lines == 0) {
            break; /* the first line says what kind of file it is */
        }
        text = stop + 1;
    }
    if (lines > 0 && zeros)
        return status_fail(err, STATUS_BAD_INPUT,
                           "symbols '%s': all addresses are zero; read /proc/kallsyms as root", path);
    if (symbols->count == before)
        return status_fail(
            err, STATUS_BAD_INPUT, "symbols '%s': %s", path,
            lines > 0
                ? "no functions in it (Debian's System.map is only a stand-in; without -symbols, they are "
                  "taken from the guest's memory)"
                : "neither an ELF file, nor System.map or /proc/kallsyms");
    return STATUS_OK;
}

enum status symbols_load(struct symbols *symbols, const char *path, struct error *err)
{
    uint8_t *bytes;
    size_t size;
    TRY(host_file_load(path, FILE_MAX, &bytes, &size, err));
    enum status status = symbols_is_elf(bytes, size)
                             ? symbols_from_elf(symbols, bytes, size, path, err)
                             : symbols_from_text(symbols, (const char *)bytes, size, path, err);
    free(bytes);
    return status;
}
