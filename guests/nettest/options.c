/* Options of the Multiboot command line: words "key=value" separated by blanks. Words without '=' (such as
 * the file name some loaders put first) are ignored. Numbers are decimal with an optional suffix k or M
 * (binary multiples). */
#include "options.h"
#include "console.h"
#include "net.h"
#include "text.h"

struct word {
    const char *key, *value;
    size_t key_length, value_length;
};

static bool equal(const char *data, size_t length, const char *string)
{
    size_t i = 0;
    while (i < length && string[i] != '\0' && data[i] == string[i])
        i++;
    return i == length && string[i] == '\0';
}

/* A decimal number of at most 15 digits at *data, advanced past it. */
static bool number_read(const char **data, const char *end, uint64_t *number)
{
    const char *start = *data;
    *number = 0;
    while (*data < end && **data >= '0' && **data <= '9' && *data - start < 15)
        *number = *number * 10 + (uint64_t)(*(*data)++ - '0');
    return *data > start;
}

static bool parse_number(const struct word *word, uint64_t *number)
{
    const char *at = word->value, *end = word->value + word->value_length;
    if (!number_read(&at, end, number))
        return false;
    if (at < end && (*at == 'k' || *at == 'M'))
        *number <<= *at++ == 'k' ? 10 : 20;
    return at == end;
}

static bool parse_limited(const struct word *word, uint32_t low, uint32_t high, uint32_t *result)
{
    uint64_t number;
    if (!parse_number(word, &number) || number < low || number > high)
        return false;
    *result = (uint32_t)number;
    return true;
}

static bool parse_address(const struct word *word, uint32_t *address)
{
    const char *at = word->value, *end = word->value + word->value_length;
    *address = 0;
    for (unsigned part = 0; part < 4; part++) {
        uint64_t number;
        if (part > 0 && (at == end || *at++ != '.'))
            return false;
        if (!number_read(&at, end, &number) || number > 255)
            return false;
        *address = *address << 8 | (uint32_t)number;
    }
    return at == end;
}

struct choice {
    const char *name;
    uint32_t value;
};

static bool parse_choice(const struct word *word, const struct choice *choices, size_t count,
                         uint32_t *result)
{
    for (size_t i = 0; i < count; i++)
        if (equal(word->value, word->value_length, choices[i].name)) {
            *result = choices[i].value;
            return true;
        }
    return false;
}

static bool parse_mode(const struct word *word, struct config *config)
{
    static const struct choice modes[] = {{"send", MODE_SEND},
                                          {"recv", MODE_RECV},
                                          {"udp", MODE_UDP},
                                          {"serve", MODE_SERVE},
                                          {"source", MODE_SOURCE}};
    uint32_t mode;
    if (!parse_choice(word, modes, 5, &mode))
        return false;
    config->mode = (enum mode)mode;
    return true;
}

static bool parse_exit(const struct word *word, struct config *config)
{
    static const struct choice ways[] = {{"isa-debug", EXIT_ISA_DEBUG},
                                         {"acpi", EXIT_ACPI},
                                         {"both", EXIT_ISA_DEBUG | EXIT_ACPI},
                                         {"none", 0}};
    return parse_choice(word, ways, 4, &config->exit_ways);
}

static bool parse_descriptors(const struct word *word, struct config *config)
{
    static const struct choice widths[] = {{"16", 0}, {"32", 1}};
    return parse_choice(word, widths, 2, &config->wide);
}

static bool parse_idle(const struct word *word, struct config *config)
{
    static const struct choice ways[] = {{"load", 0}, {"keep", 1}};
    return parse_choice(word, ways, 2, &config->idle_keeps_tables);
}

static bool parse_spread(const struct word *word, struct config *config)
{
    static const struct choice ways[] = {{"on", 0}, {"off", 1}};
    return parse_choice(word, ways, 2, &config->path_is_even);
}

static bool parse_verify(const struct word *word, struct config *config)
{
    static const struct choice ways[] = {{"off", 0}, {"on", 1}};
    return parse_choice(word, ways, 2, &config->verify);
}

/* False for a bad value; *known tells whether the key exists. */
static bool option_apply(const struct word *word, struct config *config, bool *known)
{
    *known = true;
    if (equal(word->key, word->key_length, "total"))
        return parse_number(word, &config->total) && config->total > 0;
    if (equal(word->key, word->key_length, "write"))
        return parse_limited(word, 1, USER_BUFFER_SIZE, &config->chunk);
    if (equal(word->key, word->key_length, "mode"))
        return parse_mode(word, config);
    if (equal(word->key, word->key_length, "ip"))
        return parse_address(word, &config->ip);
    if (equal(word->key, word->key_length, "peer"))
        return parse_address(word, &config->peer);
    if (equal(word->key, word->key_length, "port"))
        return parse_limited(word, 1, 65535, &config->port);
    if (equal(word->key, word->key_length, "exit"))
        return parse_exit(word, config);
    if (equal(word->key, word->key_length, "txring"))
        return parse_limited(word, 1, 16, &config->tx_ring);
    if (equal(word->key, word->key_length, "descriptors"))
        return parse_descriptors(word, config);
    if (equal(word->key, word->key_length, "path"))
        return parse_limited(word, 0, 1000000, &config->path);
    if (equal(word->key, word->key_length, "path-spread"))
        return parse_spread(word, config);
    if (equal(word->key, word->key_length, "idle-cr3"))
        return parse_idle(word, config);
    if (equal(word->key, word->key_length, "verify"))
        return parse_verify(word, config);
    *known = false;
    return true;
}

static void complain(const char *what, const struct word *word)
{
    struct text text = {.length = 0};
    text_string(&text, what);
    for (const char *c = word->key; c < word->value + word->value_length; c++)
        text_char(&text, *c);
    text_char(&text, '\0');
    text.data[sizeof text.data - 1] = '\0';
    console_line(text.data);
}

/* The next "key=value" at *line, advanced past it; false at the end of the line. */
static bool word_next(const char **line, struct word *word)
{
    for (;;) {
        const char *at = *line;
        while (*at == ' ' || *at == '\t')
            at++;
        if (*at == '\0')
            return false;
        word->key = at;
        while (*at != '\0' && *at != ' ' && *at != '\t' && *at != '=')
            at++;
        word->key_length = (size_t)(at - word->key);
        word->value = *at == '=' ? ++at : NULL;
        while (*at != '\0' && *at != ' ' && *at != '\t')
            at++;
        *line = at;
        if (word->value != NULL) {
            word->value_length = (size_t)(at - word->value);
            return true;
        }
    }
}

bool options_parse(const char *line, struct config *config)
{
    struct word word;
    *config = (struct config){
        .total = 10u << 20,
        .chunk = 4096,
        .ip = 0x0a000001,   /* 10.0.0.1 */
        .peer = 0x0a000002, /* 10.0.0.2 */
        .exit_ways = EXIT_ISA_DEBUG | EXIT_ACPI,
        .tx_ring = 16,
        .wide = 1,
        .path = NET_PATH,
        .mode = MODE_SEND,
    };
    while (word_next(&line, &word)) {
        bool known;
        if (!option_apply(&word, config, &known)) {
            complain("bad value: ", &word);
            return false;
        }
        if (!known)
            complain("ignored: ", &word);
    }
    if (config->port == 0)
        config->port = config->mode == MODE_RECV || config->mode == MODE_SOURCE ? 19 : 9;
    return true;
}
