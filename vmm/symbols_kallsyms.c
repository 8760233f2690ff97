/* The tables of kallsyms in a Linux kernel's read-only data, as scripts/kallsyms.c of Linux 6.1 lays them out
 * with CONFIG_KALLSYMS_BASE_RELATIVE. Each label is aligned to the size of a pointer ("word"):
 *
 *     offsets         32 bits per symbol
 *     relative_base   a word
 *     num_syms        32 bits
 *     names           per symbol its length (7 bits, or 7 and then 8 more if bit 7 is set) and as many bytes
 *     markers         32 bits per 256 symbols: where in `names` they begin
 *     seqs_of_names   3 bytes per symbol: the order by name; since 6.2, and in 6.1's later stable releases
 *     token_table     256 strings, what the bytes of a name stand for; the first character is nm's letter
 *     token_index     16 bits each: where in token_table they begin
 *
 * An address is relative_base + offset; with CONFIG_KALLSYMS_ABSOLUTE_PERCPU a negative offset stands for
 * relative_base - 1 - offset, and others are no addresses.
 *
 * No address of these tables is known, and KASLR moves the kernel: they are found by their structure. Digits
 * are in so many names that the compression leaves them alone: tokens '0' to '9' stand for themselves, in a
 * row. From there one looks forward for token_index, which must fit token_table, and back for the others,
 * which must fit each other. */
#include "vmm/symbols.h"

#include "base/bytes.h"
#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum {
    TOKENS = 256,
    TOKEN_MAX = 64,
    PER_MARKER = 256,
    NAME_BYTES_MAX = SYMBOL_NAME_MAX + 2, /* of `names`, for one symbol */
    SYMBOLS_MAX = 1 << 20,
    ATTEMPTS_MAX = 16, /* a guest may have prepared many that almost fit */
    CANDIDATES_MAX = 64,
    WINDOW_BEFORE = 16 << 20, /* what the other tables take at most, before token_table */
    WINDOW_AFTER = 16 << 10,
};

static const uint8_t digits[] = "0\0001\0002\0003\0004\0005\0006\0007\0008\0009"; /* with the last 0 */

struct tables {
    const uint8_t *bytes;
    size_t size;
    unsigned word;
    size_t token_table, token_index, markers, names, offsets;
    size_t seqs_bytes; /* of seqs_of_names with what aligns the next; 0: it is not there */
    uint32_t marker_count, symbols;
    uint64_t base;
    bool percpu;
};

/* Where they are next in [from, end), or NULL. */
static const uint8_t *find_digits(const uint8_t *from, const uint8_t *end)
{
    while (end - from >= (ptrdiff_t)sizeof digits &&
           (from = memchr(from, '0', (size_t)(end - from) - sizeof digits + 1)) != NULL) {
        if (memcmp(from, digits, sizeof digits) == 0)
            return from;
        from++;
    }
    return NULL;
}

static size_t align_up(size_t at, unsigned word)
{
    return (at + word - 1) & ~(size_t)(word - 1);
}

static const char *token(const struct tables *t, uint8_t n)
{
    return (const char *)t->bytes + t->token_table + get_le16(t->bytes + t->token_index + 2 * n);
}

/* token_table and token_index around the string "0" at `zero`. */
static bool find_tokens(struct tables *t, size_t zero)
{
    size_t at = zero;
    for (unsigned i = '0'; i < TOKENS; i++) {
        const uint8_t *end = at < t->size ? memchr(t->bytes + at, 0, t->size - at) : NULL;
        if (end == NULL || end - (t->bytes + at) > TOKEN_MAX)
            return false;
        at = (size_t)(end - t->bytes) + 1;
    }
    t->token_index = align_up(at, t->word);
    if (t->token_index + 2 * TOKENS > t->size)
        return false;
    uint16_t to_zero = get_le16(t->bytes + t->token_index + 2 * '0');
    if (to_zero > zero)
        return false;
    t->token_table = zero - to_zero;
    size_t expected = 0;
    for (unsigned i = 0; i < TOKENS; i++) {
        if (get_le16(t->bytes + t->token_index + 2 * i) != expected)
            return false;
        expected += strlen(token(t, (uint8_t)i)) + 1; /* ends before `at`, as those behind '0' did */
        if (t->token_table + expected > at)
            return false;
    }
    return t->token_table % t->word == 0;
}

static bool is_next_marker(uint32_t before, uint32_t marker)
{
    return marker > before && marker - before >= PER_MARKER && marker - before <= PER_MARKER * NAME_BYTES_MAX;
}

/* Going back from `end`, where they end, numbers descend to 0. */
static bool markers_before(struct tables *t, size_t end)
{
    size_t at = end - 4;
    uint32_t count = 1;
    for (; get_le32(t->bytes + at) != 0; at -= 4, count++)
        if (at < 4 || count > SYMBOLS_MAX / PER_MARKER ||
            !is_next_marker(get_le32(t->bytes + at - 4), get_le32(t->bytes + at)))
            return false;
    t->markers = at;
    t->marker_count = count;
    return count > 1 && at % t->word == 0;
}

/* The same, where what aligns the next table may come after them. */
static bool markers_end_at(struct tables *t, size_t end)
{
    if (end < 8)
        return false;
    if (get_le32(t->bytes + end - 4) != 0)
        return markers_before(t, end);
    return t->word > 4 && get_le32(t->bytes + end - 8) != 0 && markers_before(t, end - 4);
}

/* May there be so many symbols? */
static bool count_fits(const struct tables *t, uint32_t count)
{
    return count <= SYMBOLS_MAX && count / PER_MARKER + (count % PER_MARKER != 0) == t->marker_count &&
           (t->seqs_bytes == 0 || align_up(3 * (size_t)count, t->word) == t->seqs_bytes);
}

/* Before token_table, or before a table of 3 bytes per symbol, which is long enough for them. */
static bool find_markers(struct tables *t)
{
    t->seqs_bytes = 0;
    if (markers_end_at(t, t->token_table))
        return true;
    for (size_t seqs = t->word; seqs <= 3 * SYMBOLS_MAX && seqs < t->token_table; seqs += t->word) {
        t->seqs_bytes = seqs;
        if (!markers_end_at(t, t->token_table - seqs))
            continue;
        uint32_t most = (uint32_t)(seqs / 3);
        if (count_fits(t, most) || count_fits(t, most - 1) || count_fits(t, most - 2))
            return true;
    }
    return false;
}

/* The length of the name at *at, which is moved behind it. */
static bool name_length(const struct tables *t, size_t *at, size_t limit, size_t *length)
{
    if (*at >= limit)
        return false;
    *length = t->bytes[(*at)++];
    if (*length & 0x80) {
        if (*at >= limit)
            return false;
        *length = (*length & 0x7F) | (size_t)t->bytes[(*at)++] << 7;
    }
    return *length > 0 && *length <= limit - *at && *length < SYMBOL_NAME_MAX;
}

/* Are there `count` names from t->names on, which begin where the markers say and end where these begin? */
static bool names_fit(const struct tables *t, uint32_t count)
{
    size_t at = t->names;
    for (uint32_t i = 0; i < count; i++) {
        size_t length;
        if (i % PER_MARKER == 0 && get_le32(t->bytes + t->markers + 4 * (i / PER_MARKER)) != at - t->names)
            return false;
        if (!name_length(t, &at, t->markers, &length))
            return false;
        at += length;
    }
    return align_up(at, t->word) == t->markers;
}

/* num_syms and names, before the markers. */
static bool find_names(struct tables *t)
{
    uint32_t last = get_le32(t->bytes + t->markers + 4 * (t->marker_count - 1));
    if (last > t->markers)
        return false;
    unsigned candidates = 0;
    for (size_t more = 0; more <= PER_MARKER * NAME_BYTES_MAX; more += t->word) {
        size_t end = (t->markers - last) & ~(size_t)(t->word - 1);
        if (more + 2 * t->word > end)
            return false;
        t->names = end - more;
        uint32_t count = get_le32(t->bytes + t->names - t->word);
        if (!count_fits(t, count))
            continue;
        if (candidates++ == CANDIDATES_MAX)
            return false;
        if (!names_fit(t, count))
            continue;
        t->symbols = count;
        return true;
    }
    return false;
}

static bool find_offsets(struct tables *t)
{
    size_t end = t->names - 2 * t->word; /* relative_base is there */
    if (end % t->word != 0 || align_up(4 * (size_t)t->symbols, t->word) > end)
        return false;
    t->offsets = end - align_up(4 * (size_t)t->symbols, t->word);
    t->base = t->word == 8 ? get_le64(t->bytes + end) : get_le32(t->bytes + end);
    uint32_t negative = 0;
    for (uint32_t i = 0; i < t->symbols; i++)
        negative += get_le32(t->bytes + t->offsets + 4 * (size_t)i) >> 31;
    t->percpu = negative > t->symbols / 2;
    return true;
}

/* Text of a name; the first character is nm's letter. */
static size_t expand(const struct tables *t, size_t at, size_t length, char text[SYMBOL_NAME_MAX + TOKEN_MAX])
{
    size_t bytes = 0;
    for (size_t i = 0; i < length && bytes < SYMBOL_NAME_MAX; i++) {
        const char *piece = token(t, t->bytes[at + i]);
        size_t more = strlen(piece);
        memcpy(text + bytes, piece, more);
        bytes += more;
    }
    return bytes;
}

static bool add_all(const struct tables *t, struct symbols *symbols)
{
    size_t at = t->names, before = symbols->count;
    for (uint32_t i = 0; i < t->symbols; i++) {
        char text[SYMBOL_NAME_MAX + TOKEN_MAX];
        size_t length;
        if (!name_length(t, &at, t->markers, &length))
            return false;
        size_t bytes = expand(t, at, length, text);
        uint32_t offset = get_le32(t->bytes + t->offsets + 4 * (size_t)i);
        at += length;
        if (bytes < 2 || memchr("tTwW", text[0], 4) == NULL || (t->percpu && offset >> 31 == 0))
            continue;
        uint64_t address = t->percpu ? t->base - 1 - (uint64_t)(int64_t)(int32_t)offset : t->base + offset;
        symbols_add(symbols, t->word == 4 ? (uint32_t)address : address, text + 1, bytes - 1);
    }
    return symbols->count > before;
}

/* All tables, around the string "0" at `zero`, when find_tokens() has succeeded. */
static bool find_others(struct tables *t)
{
    return find_markers(t) && find_names(t) && find_offsets(t);
}

bool symbols_from_kallsyms(struct symbols *symbols, const uint8_t *bytes, size_t size, unsigned word,
                           uint64_t *base)
{
    struct tables t = {.bytes = bytes, .size = size, .word = word};
    unsigned attempts = 0;
    for (const uint8_t *from = bytes, *end = bytes + size; attempts < ATTEMPTS_MAX && from < end; from++) {
        from = find_digits(from, end);
        if (from == NULL)
            return false;
        if (!find_tokens(&t, (size_t)(from - bytes)))
            continue;
        attempts++;
        *base = 0;
        if (!find_others(&t))
            continue;
        *base = t.base;
        return add_all(&t, symbols);
    }
    return false;
}

/* ---- In a guest ---- */

unsigned symbols_word(const struct cpu *cpu)
{
    return (cpu->s.efer & EFER_LMA) != 0 ? 8 : 4;
}

/* A copy of physical memory; zeros where there is none. */
static void copy_physical(const struct guest_memory *memory, uint64_t from, uint8_t *to, size_t size)
{
    while (size > 0) {
        size_t room = PAGE_SIZE - (size_t)(from & PAGE_MASK), part = size < room ? size : room;
        if (!memory_read(memory, gpa(from), to, part))
            memset(to, 0, part);
        from += part;
        to += part;
        size -= part;
    }
}

/* Are there tokens around the digits at `found`? */
static bool has_tokens(const struct cpu *cpu, uint64_t found)
{
    enum { BEFORE = '0' * (TOKEN_MAX + 1) };
    uint8_t window[BEFORE + WINDOW_AFTER];
    struct tables t = {.bytes = window, .size = sizeof window, .word = symbols_word(cpu)};
    size_t before = found > BEFORE ? BEFORE : (size_t)found;
    before &= ~(size_t)(t.word - 1);
    before |= found % t.word; /* what is aligned in memory is so in the window */
    copy_physical(cpu->memory, found - before, window, sizeof window);
    return find_tokens(&t, before);
}

/* Are the tables around them those of the kernel that runs? Its own mapping has them then. */
static bool try_at(struct symbols *symbols, struct cpu *cpu, uint64_t found)
{
    uint64_t begin = (found > WINDOW_BEFORE ? found - WINDOW_BEFORE : 0) & ~PAGE_MASK;
    size_t before = (size_t)(found - begin), size = before + WINDOW_AFTER;
    uint8_t *window = xcalloc(size, 1), byte;
    struct tables t = {.bytes = window, .size = size, .word = symbols_word(cpu)};
    copy_physical(cpu->memory, begin, window, size);
    bool good = find_tokens(&t, before) && find_others(&t) &&
                cpu_peek(cpu, gva(t.base), &byte, sizeof byte) && add_all(&t, symbols);
    free(window);
    return good;
}

bool symbols_from_guest(struct symbols *symbols, struct cpu *cpu, const struct machine_memory *machine)
{
    enum { OVERLAP = sizeof digits };
    const struct guest_memory *memory = cpu->memory;
    uint8_t buffer[OVERLAP + PAGE_SIZE]; /* the end of the page before, and a page */
    bool *touched = machine_memory_touched(machine), found = false;
    unsigned attempts = 0;
    memset(buffer, 0, sizeof buffer);
    for (uint64_t n = 0; n < memory->pages && !found; n++) {
        const uint8_t *frame = memory->frame[n];
        if (frame == NULL || !touched[(uint64_t)(frame - machine->base) >> PAGE_SHIFT]) {
            memset(buffer, 0, OVERLAP);
            continue;
        }
        memcpy(buffer + OVERLAP, frame, PAGE_SIZE);
        const uint8_t *at = find_digits(buffer, buffer + sizeof buffer);
        uint64_t where = at != NULL ? (n << PAGE_SHIFT) + (uint64_t)(at - buffer) - OVERLAP : 0;
        if (at != NULL && has_tokens(cpu, where) && attempts++ < ATTEMPTS_MAX)
            found = try_at(symbols, cpu, where);
        memcpy(buffer, buffer + PAGE_SIZE, OVERLAP);
    }
    free(touched);
    return found;
}
