/* Option parsing (options.h). An unknown option is an error with the nearest known one as a suggestion. */
#include "tools/options.h"

#include "base/check.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = 128 };

int usage_error(const struct error *err)
{
    fprintf(stderr, "crosspage: %s\n", err->text);
    return 2;
}

static const struct option *find(const struct option *options, const char *name, size_t length)
{
    for (; options->name != NULL; options++)
        if (strlen(options->name) == length && strncmp(options->name, name, length) == 0)
            return options;
    return NULL;
}

const struct option *options_find(const struct option *options, const char *word, const char **value)
{
    if (word[0] != '-' || word[1] == '\0')
        return NULL;
    const char *name = word + 1 + (word[1] == '-');
    const char *equals = word[1] == '-' ? strchr(name, '=') : NULL;
    *value = equals ? equals + 1 : NULL;
    return find(options, name, equals ? (size_t)(equals - name) : strlen(name));
}

static enum status unknown(const struct option *options, const char *word, struct error *err)
{
    const char *names[NAMES_MAX];
    unsigned count = 0;
    for (; options->name != NULL && count < NAMES_MAX; options++)
        names[count++] = options->name;
    const char *near = suggest(word + strspn(word, "-"), names, count);
    if (near != NULL)
        return status_fail(err, STATUS_BAD_INPUT, "unknown option '%s'; did you mean '-%s'?", word, near);
    return status_fail(err, STATUS_BAD_INPUT, "unknown option '%s'; 'crosspage help' lists them", word);
}

static void option_store(const struct option *option, void *target, const char *arg)
{
    char *field = (char *)target + option->field;
    if (option->value != NULL)
        memcpy(field, &arg, sizeof arg);
    else
        memcpy(field, &(bool){true}, sizeof(bool));
}

enum status options_parse(const struct option *options, void *target, int argc, char **argv,
                          option_fn *positional, struct error *err)
{
    for (int i = 0; i < argc; i++) {
        char *word = argv[i];
        if (word[0] != '-' || word[1] == '\0') {
            if (positional == NULL)
                return status_fail(err, STATUS_BAD_INPUT, "'%s' is not an option (they start with -)", word);
            TRY(positional(target, word, err));
            continue;
        }
        const char *arg;
        const struct option *option = options_find(options, word, &arg);
        if (option == NULL)
            return unknown(options, word, err);
        if (option->value == NULL && arg != NULL)
            return status_fail(err, STATUS_BAD_INPUT, "-%s takes no value", option->name);
        if (option->value != NULL && arg == NULL) {
            if (i + 1 >= argc)
                return status_fail(err, STATUS_BAD_INPUT, "-%s needs a value (%s)", option->name,
                                   option->value);
            arg = argv[++i];
        }
        if (option->apply == NULL) {
            option_store(option, target, arg);
            continue;
        }
        struct error inner;
        enum status status = option->apply(target, arg, &inner);
        if (status != STATUS_OK)
            return status_fail(err, status, "-%s %s: %s", option->name, arg ? arg : "", inner.text);
    }
    return STATUS_OK;
}

void options_print_help(const struct option *options)
{
    for (; options->name != NULL; options++) {
        char head[80];
        snprintf(head, sizeof head, "-%s %s", options->name, options->value ? options->value : "");
        printf("  %-34s %s\n", head, options->help);
    }
}

enum status options_parse_pairs(const char *text, pair_fn *apply, void *target, struct error *err)
{
    char *copy = xstrdup(text), *from = copy;
    enum status status = STATUS_OK;
    while (status == STATUS_OK && *from != '\0') {
        char *to = from, *pair = from;
        while (*from != '\0' && (*from != ',' || from[1] == ',')) {
            from += *from == ',';
            *to++ = *from++;
        }
        from += *from == ',';
        *to = '\0';
        char *value = strchr(pair, '=');
        if (value != NULL)
            *value++ = '\0';
        status = apply(target, pair, value ? value : "", err);
    }
    free(copy);
    return status;
}

enum status options_parse_number(const char *text, uint64_t max, uint64_t *value, struct error *err)
{
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 0);
    if (!isdigit((unsigned char)text[0]) || *end != '\0' || errno != 0)
        return status_fail(err, STATUS_BAD_INPUT, "'%s' is not a whole number", text);
    if (*value > max)
        return status_fail(err, STATUS_BAD_INPUT, "%s is too large (at most %llu)", text,
                           (unsigned long long)max);
    return STATUS_OK;
}

enum status options_parse_size(const char *text, uint64_t unit, uint64_t *value, struct error *err)
{
    char *end;
    errno = 0;
    uint64_t number = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || errno != 0)
        return status_fail(err, STATUS_BAD_INPUT, "'%s' is not a size", text);
    uint64_t factor = unit;
    switch (toupper((unsigned char)*end)) {
    case 'K': factor = 1 << 10; break;
    case 'M': factor = 1 << 20; break;
    case 'G': factor = 1 << 30; break;
    case 0: end--; break;
    default:
        return status_fail(err, STATUS_BAD_INPUT, "'%s' is not a size: the suffixes are K, M and G", text);
    }
    if (end[1] != '\0' || number > UINT64_MAX / factor)
        return status_fail(err, STATUS_BAD_INPUT, "'%s' is not a size", text);
    *value = number * factor;
    return STATUS_OK;
}
