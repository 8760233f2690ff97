/* Symbols of guests: from ELF files of both classes, System.map and /proc/kallsyms, Linux's own tables in
 * memory and its modules'; and whatever else the bytes may be, they are refused. */
#include "vmm/symbols.h"

#include "base/bytes.h"
#include "tests/cpu/harness.h"
#include "tests/cpu/random.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t address_of(struct symbols *symbols, const char *name)
{
    size_t at = symbols_find(symbols, name, 0);
    return at < symbols->count ? symbols->symbol[at].address : 0;
}

/* ---- The table ---- */

Test(symbols, lookup)
{
    struct symbols symbols = {0};
    cr_expect_null(symbols_at(&symbols, 5));
    symbols_add(&symbols, 0x3000, "c", 1);
    symbols_add(&symbols, 0x1000, "a.isra.0", 8);
    symbols_add(&symbols, 0x2000, "b", 1);
    symbols_add(&symbols, 0x2800, "a.cold", 6);
    symbols_add(&symbols, 0x2900, "a.part.1", 8);
    symbols_add(&symbols, 0x4000, "ab", 2);
    cr_expect_null(symbols_at(&symbols, 0xFFF));
    cr_expect_str_eq(symbol_name(&symbols, symbols_at(&symbols, 0x1000)), "a.isra.0");
    cr_expect_str_eq(symbol_name(&symbols, symbols_at(&symbols, 0x27FF)), "b");
    cr_expect_str_eq(symbol_name(&symbols, symbols_at(&symbols, UINT64_MAX)), "ab");
    size_t first = symbols_find(&symbols, "a", 0);
    cr_expect_eq(symbols.symbol[first].address, 0x1000);
    cr_expect_eq(symbols_find(&symbols, "a", first + 1), symbols.count);
    symbols_free(&symbols);
}

/* ---- Text ---- */

static enum status from_text(const char *text, struct symbols *symbols, struct error *err)
{
    *symbols = (struct symbols){0};
    return symbols_from_text(symbols, text, strlen(text), "file", err);
}

Test(symbols, text)
{
    struct symbols symbols;
    struct error err;
    cr_assert_eq(from_text("c1000000 T _text\nc1000010 t local\nc1800000 D data\nC2000000 W weak\n"
                           "f8a01000 t pcnet32_open\t[pcnet32]\nffffffff81000000 T wide",
                           &symbols, &err),
                 STATUS_OK);
    cr_expect_eq(symbols.count, 5);
    cr_expect_eq(address_of(&symbols, "_text"), 0xC1000000);
    cr_expect_eq(address_of(&symbols, "weak"), 0xC2000000);
    cr_expect_eq(address_of(&symbols, "pcnet32_open"), 0xF8A01000);
    cr_expect_eq(address_of(&symbols, "wide"), 0xFFFFFFFF81000000);
    cr_expect_eq(address_of(&symbols, "data"), 0);
    symbols_free(&symbols);
}

Test(symbols, text_that_is_none)
{
    static const struct {
        const char *text, *word;
    } bad[] = {
        {"00000000 T _text\n00000000 t local\n", "zero"},
        /* What Debian's package has. */
        {"ffffffffffffffff B The real System.map is in the linux-image-<version>-dbg package\n", "stand-in"},
        {"hello\n", "neither"},
        {"c1000000", "neither"},
        {"c1000000 T ", "neither"},
        {"11112222333344445 T too_long\n", "neither"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct symbols symbols;
        struct error err;
        cr_expect_neq(from_text(bad[i].text, &symbols, &err), STATUS_OK);
        cr_expect(strstr(err.text, bad[i].word) != NULL, "%s", err.text);
        cr_expect_null(strchr(err.text, '\n'));
        symbols_free(&symbols);
    }
}

/* ---- ELF ---- */

enum { ELF_BYTES = 2048 };

/* A file with .symtab (section 1), .strtab (2) and code (3); returns its size. */
static size_t make_elf(bool wide, uint8_t bytes[ELF_BYTES])
{
    static const char strings[] = "\0start\0data\0helper\0elsewhere";
    static const struct {
        uint32_t name;
        uint8_t info;
        uint16_t section;
        uint64_t value;
    } list[] = {{0, 0, 0, 0},
                {1, 0x12, 3, 0xC0100000},   /* start: a global function */
                {7, 0x11, 3, 0xC0100100},   /* data: an object */
                {12, 0x00, 3, 0xC0100200},  /* helper: a local label of code */
                {19, 0x12, 0, 0xC0100300}}; /* elsewhere: undefined */
    size_t head = wide ? 64 : 52, entry = wide ? 24 : 16, section = wide ? 64 : 40;
    size_t table = 128, names = 512, sections = 1024, count = sizeof list / sizeof list[0];
    memset(bytes, 0, ELF_BYTES);
    memcpy(bytes, "\177ELF", 4);
    bytes[4] = wide ? 2 : 1;
    bytes[5] = bytes[6] = 1;
    if (wide)
        put_le64(bytes + 40, sections);
    else
        put_le32(bytes + 32, (uint32_t)sections);
    put_le16(bytes + head - 6, (uint32_t)section);
    put_le16(bytes + head - 4, 4);
    memcpy(bytes + names, strings, sizeof strings);
    for (size_t i = 0; i < count; i++) {
        uint8_t *at = bytes + table + i * entry;
        put_le32(at, list[i].name);
        at[wide ? 4 : 12] = list[i].info;
        put_le16(at + (wide ? 6 : 14), list[i].section);
        if (wide)
            put_le64(at + 8, list[i].value);
        else
            put_le32(at + 4, (uint32_t)list[i].value);
    }
    const struct {
        uint32_t type, link;
        uint64_t flags, offset, size, entry;
    } parts[] = {
        {0}, {2, 2, 0, table, count * entry, entry}, {3, 0, 0, names, sizeof strings, 0}, {1, 0, 6, 0, 0, 0}};
    for (size_t i = 0; i < 4; i++) {
        uint8_t *at = bytes + sections + i * section;
        put_le32(at + 4, parts[i].type);
        put_le32(at + (wide ? 40 : 24), parts[i].link);
        put_le32(at + 8, (uint32_t)parts[i].flags);
        put_le32(at + (wide ? 24 : 16), (uint32_t)parts[i].offset);
        put_le32(at + (wide ? 32 : 20), (uint32_t)parts[i].size);
        put_le32(at + (wide ? 56 : 36), (uint32_t)parts[i].entry);
    }
    return sections + 4 * section;
}

Test(symbols, elf)
{
    for (int wide = 0; wide < 2; wide++) {
        uint8_t bytes[ELF_BYTES];
        size_t size = make_elf(wide, bytes);
        struct symbols symbols = {0};
        struct error err;
        cr_assert_eq(symbols_from_elf(&symbols, bytes, size, "file", &err), STATUS_OK, "%s", err.text);
        cr_expect_eq(symbols.count, 2);
        cr_expect_eq(address_of(&symbols, "start"), 0xC0100000);
        cr_expect_eq(address_of(&symbols, "helper"), 0xC0100200);
        symbols_free(&symbols);
    }
}

Test(symbols, damaged_elf)
{
    struct random r = {.state = 3};
    for (unsigned round = 0; round < 40000; round++) {
        uint8_t bytes[ELF_BYTES];
        size_t size = make_elf(round % 2, bytes),
               cut = random_below(&r, 4) ? size : random_below(&r, ELF_BYTES);
        for (unsigned i = random_below(&r, 6); i > 0; i--)
            bytes[random_below(&r, (unsigned)size)] = (uint8_t)(random_below(&r, 3) ? random_next(&r) : 0xFF);
        uint8_t *exact = malloc(cut + 1); /* so that a sanitizer sees the end */
        memcpy(exact, bytes, cut);
        struct symbols symbols = {0};
        struct error err;
        if (symbols_from_elf(&symbols, exact, cut, "file", &err) != STATUS_OK)
            cr_expect_null(strchr(err.text, '\n'));
        symbols_free(&symbols);
        free(exact);
    }
}

Test(symbols, files)
{
    char path[] = "/tmp/crosspage-symbols-XXXXXX";
    FILE *file = fdopen(mkstemp(path), "wb");
    uint8_t bytes[ELF_BYTES];
    fwrite(bytes, 1, make_elf(true, bytes), file);
    fclose(file);
    struct symbols symbols = {0};
    struct error err;
    cr_expect_eq(symbols_load(&symbols, path, &err), STATUS_OK);
    cr_expect_eq(symbols.count, 2);
    symbols_free(&symbols);
    unlink(path);
    cr_expect_neq(symbols_load(&symbols, path, &err), STATUS_OK);
    cr_expect_neq(symbols_load(&symbols, "/", &err), STATUS_OK);
}

/* ---- kallsyms ---- */

/* How a kernel lays them out. */
struct layout {
    unsigned word;
    bool percpu, seqs;
};
static const struct layout layouts[] = {
    {4, false, false}, {4, false, true}, {8, true, false}, {8, true, true}};

enum { KALLSYMS_BYTES = 1 << 18 };

struct image {
    uint8_t bytes[KALLSYMS_BYTES];
    size_t at;
    const struct layout *layout;
};

static void align(struct image *image)
{
    while (image->at % image->layout->word != 0)
        image->bytes[image->at++] = 0;
}

static void put32(struct image *image, uint32_t value)
{
    put_le32(image->bytes + image->at, value);
    image->at += 4;
}

/* Function number n; every tenth symbol is data, and one name is longer than 127 bytes. */
static void name_of(unsigned n, char *text)
{
    if (n == 77) {
        memset(text, 'l', 200);
        text[200] = 0;
        return;
    }
    sprintf(text, "%s%u_work", n % 3 ? "tcp_" : "fn", n);
}

static uint64_t address_in(const struct layout *layout, unsigned n)
{
    return (layout->word == 4 ? 0xC1000000 : UINT64_C(0xFFFFFFFF81000000)) + 16 * (uint64_t)n;
}

/* Tokens: printable characters and 01h to 1fh as such, "tcp_" as 80h, "work" as 81h, the rest "~~". */
static const char *token_text(unsigned n, char text[8])
{
    sprintf(text, "%c", n ? (int)n : 1);
    return n == 0x80 ? "tcp_" : n == 0x81 ? "work" : n < 127 ? text : "~~";
}

static void put_name(struct image *image, unsigned n)
{
    char text[300], *from = text + 1;
    text[0] = n % 10 == 9 ? 'd' : n % 2 ? 't' : 'T';
    name_of(n, text + 1);
    uint8_t codes[300];
    unsigned count = 0;
    codes[count++] = (uint8_t)text[0];
    while (*from != 0) {
        bool tcp = strncmp(from, "tcp_", 4) == 0, work = strncmp(from, "work", 4) == 0;
        codes[count++] = tcp ? 0x80 : work ? 0x81 : (uint8_t)*from;
        from += tcp || work ? 4 : 1;
    }
    if (count > 127) {
        image->bytes[image->at++] = (uint8_t)(0x80 | (count & 0x7F));
        image->bytes[image->at++] = (uint8_t)(count >> 7);
    } else {
        image->bytes[image->at++] = (uint8_t)count;
    }
    memcpy(image->bytes + image->at, codes, count);
    image->at += count;
}

static void put_tokens(struct image *image)
{
    uint16_t index[256];
    size_t begin = image->at;
    for (unsigned i = 0; i < 256; i++) {
        char text[8];
        index[i] = (uint16_t)(image->at - begin);
        const char *token = token_text(i, text);
        strcpy((char *)image->bytes + image->at, token);
        image->at += strlen(token) + 1;
    }
    align(image);
    for (unsigned i = 0; i < 256; i++, image->at += 2)
        put_le16(image->bytes + image->at, index[i]);
}

/* `count` symbols, from `at` on, in noise; image->at is behind them. */
static void make_kallsyms(struct image *image, const struct layout *layout, unsigned count, size_t at)
{
    uint32_t markers[64];
    struct random r = {.state = 5};
    for (size_t i = 0; i < KALLSYMS_BYTES; i++)
        image->bytes[i] = (uint8_t)random_next(&r);
    image->layout = layout;
    image->at = at;
    uint64_t base = address_in(layout, 0);
    for (unsigned n = 0; n < count; n++)
        put32(image, layout->percpu ? (n < 5 ? n : ~(uint32_t)(16 * n)) : 16 * n);
    align(image);
    memcpy(image->bytes + image->at, &base, layout->word);
    image->at += layout->word;
    put32(image, count);
    align(image);
    size_t names = image->at;
    for (unsigned n = 0; n < count; n++) {
        if (n % 256 == 0)
            markers[n / 256] = (uint32_t)(image->at - names);
        put_name(image, n);
    }
    align(image);
    for (unsigned i = 0; i < (count + 255) / 256; i++)
        put32(image, markers[i]);
    align(image);
    for (unsigned n = 0; n < count && layout->seqs; n++, image->at += 3)
        memcpy(image->bytes + image->at, &(uint32_t){(n * 7919) % count}, 3);
    align(image);
    put_tokens(image);
}

static void expect_symbols(struct symbols *symbols, const struct layout *layout, unsigned count)
{
    unsigned functions = 0;
    for (unsigned n = 0; n < count; n++) {
        char text[256];
        name_of(n, text);
        bool kept = n % 10 != 9 && !(layout->percpu && n < 5); /* absolute: no addresses */
        functions += kept;
        cr_expect_eq(address_of(symbols, text), kept ? address_in(layout, n) : 0, "%s", text);
    }
    cr_expect_eq(symbols->count, functions);
}

Test(symbols, kallsyms)
{
    static struct image image;
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++)
        for (unsigned count = 1000; count < 1300; count += 23) {
            struct symbols symbols = {0};
            uint64_t base;
            make_kallsyms(&image, &layouts[i], count, 0x1000 + layouts[i].word * (count % 7));
            cr_assert(
                symbols_from_kallsyms(&symbols, image.bytes, sizeof image.bytes, layouts[i].word, &base),
                "layout %zu, %u symbols", i, count);
            cr_expect_eq(base, address_in(&layouts[i], 0));
            expect_symbols(&symbols, &layouts[i], count);
            symbols_free(&symbols);
        }
}

/* A byte of the structure elsewhere, or bytes missing: found as a whole or not at all. */
Test(symbols, damaged_kallsyms)
{
    static struct image image;
    struct random r = {.state = 9};
    for (unsigned round = 0; round < 1500; round++) {
        const struct layout *layout = &layouts[round % 4];
        struct symbols symbols = {0};
        uint64_t base;
        if (round % 50 < 4)
            make_kallsyms(&image, layout, 1000, 0x1000);
        else
            layout = image.layout;
        uint8_t kept[8];
        size_t places[8];
        unsigned damage = random_below(&r, 8);
        for (unsigned i = 0; i < damage; i++) {
            places[i] = 0x1000 + random_below(&r, (unsigned)image.at - 0x1000);
            kept[i] = image.bytes[places[i]];
            image.bytes[places[i]] = (uint8_t)(random_below(&r, 2) ? random_next(&r) : 0);
        }
        size_t size = random_below(&r, 4) ? image.at : random_below(&r, (unsigned)image.at);
        uint8_t *exact = malloc(size + 1);
        memcpy(exact, image.bytes, size);
        if (!symbols_from_kallsyms(&symbols, exact, size,
                                   random_below(&r, 9) ? layout->word : 12 - layout->word, &base))
            cr_expect_eq(symbols.count, 0);
        symbols_free(&symbols);
        free(exact);
        for (unsigned i = damage; i > 0; i--)
            image.bytes[places[i - 1]] = kept[i - 1];
    }
}

/* Memory that is made to look like the beginnings of such tables everywhere must not take long (contract E6).
 */
Test(symbols, kallsyms_that_almost_fit, .timeout = 30)
{
    static struct image image;
    const struct layout *layout = &layouts[0];
    make_kallsyms(&image, layout, 1000, 16);
    for (size_t i = 0; i < sizeof image.bytes; i += 2) { /* names of one byte, for ever */
        image.bytes[i] = 1;
        image.bytes[i + 1] = 'T';
    }
    image.at = sizeof image.bytes - 0x2000;
    for (unsigned i = 0; i < 400; i++)
        put32(&image, 512 * i);
    put_tokens(&image);
    struct symbols symbols = {0};
    uint64_t base;
    cr_expect(!symbols_from_kallsyms(&symbols, image.bytes, sizeof image.bytes, 4, &base));
    symbols_free(&symbols);
}

/* In a guest's memory, found wherever they are, if the kernel's own mapping has their base. */
Test(symbols, kallsyms_of_a_guest)
{
    static struct image image;
    for (int mapped = 0; mapped < 2; mapped++) {
        struct harness *h = harness_create("x86-64-v2", HARNESS_64, true);
        struct symbols symbols = {0};
        make_kallsyms(&image, &layouts[3], 1000, 0x800);
        if (mapped) /* the harness maps the lowest 16 MB only */
            put_le64(image.bytes + 0x800 + 4000, 0x100000);
        harness_poke(h, 0x300000 + 0x5F8, image.bytes, image.at);
        cr_expect_eq(symbols_from_guest(&symbols, h->cpu, &h->machine), mapped != 0);
        cr_expect_eq(symbols.count, mapped ? 895 : 0);
        symbols_free(&symbols);
        harness_destroy(h);
    }
}

/* ---- Modules ---- */

enum {
    MODULE_AT = 0x200000,
    KALLSYMS_AT = 0x210000,
    TABLE_AT = 0x220000,
    STRINGS_AT = 0x230FE8 /* across pages */
};

static struct harness *make_module(unsigned word)
{
    struct harness *h = harness_create("x86-64-v2", word == 8 ? HARNESS_64 : HARNESS_32, true);
    static const char strings[] = "\0pcnet32_open\0debug\0pcnet32_start_xmit";
    uint8_t head[24] = {0}, symbol[4][24] = {{0}};
    const uint32_t names[] = {0, 1, 14, 20};
    uint32_t pointer = KALLSYMS_AT, zero = 0;
    for (unsigned i = 1; i < 4; i++) {
        put_le32(symbol[i], names[i]);
        symbol[i][word == 8 ? 4 : 12] = i == 2 ? 0x11 : 0x12;
        put_le16(symbol[i] + (word == 8 ? 6 : 14), 1);
        put_le32(symbol[i] + (word == 8 ? 8 : 4), 0xF8A00000 + 0x100 * i);
    }
    for (unsigned i = 0; i < 4; i++)
        harness_poke(h, TABLE_AT + i * (word == 8 ? 24 : 16), symbol[i], word == 8 ? 24 : 16);
    harness_poke(h, STRINGS_AT, strings, sizeof strings);
    put_le32(head, TABLE_AT);
    put_le32(head + word, 4);
    put_le32(head + 2 * word, STRINGS_AT);
    harness_poke(h, KALLSYMS_AT, head, sizeof head);
    harness_poke(h, MODULE_AT + 0x150, &pointer, 4);
    harness_poke(h, MODULE_AT + 0x154, &zero, 4);
    return h;
}

Test(symbols, module)
{
    for (unsigned word = 4; word <= 8; word += 4) {
        struct harness *h = make_module(word);
        struct symbols symbols = {0};
        cr_assert(symbols_from_module(&symbols, h->cpu, MODULE_AT));
        cr_expect_eq(symbols.count, 2);
        cr_expect_eq(address_of(&symbols, "pcnet32_open"), 0xF8A00100);
        cr_expect_eq(address_of(&symbols, "pcnet32_start_xmit"), 0xF8A00300);
        symbols_free(&symbols);
        harness_destroy(h);
    }
}

Test(symbols, damaged_module)
{
    struct random r = {.state = 13};
    struct harness *h = make_module(8);
    static const uint64_t places[] = {MODULE_AT + 0x150, KALLSYMS_AT, TABLE_AT, STRINGS_AT};
    for (unsigned round = 0; round < 20000; round++) {
        struct symbols symbols = {0};
        uint64_t at = places[random_below(&r, 4)] + random_below(&r, 40), value = random_next(&r), kept;
        if (random_below(&r, 2))
            value = random_below(&r, HARNESS_BYTES);
        harness_peek(h, at, &kept, 8);
        harness_poke(h, at, &value, 8);
        (void)!symbols_from_module(&symbols, h->cpu, random_below(&r, 8) ? MODULE_AT : random_next(&r));
        symbols_free(&symbols);
        harness_poke(h, at, &kept, 8);
    }
    harness_destroy(h);
}
