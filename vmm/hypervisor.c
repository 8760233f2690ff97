/* The list of hypervisors, and their options: "name=value,name=value", each value one of a few words or a
 * number in a range. A word may stand for further options ("version=optimized"), which are read in its place.
 */
#include "vmm/hypervisor.h"

#include "base/suggest.h"

#include <stdio.h>
#include <string.h>

static const struct hypervisor_ops *const hypervisors[] = {
#define HYPERVISOR(ops) &ops,
#include "vmm/hypervisor.def"
#undef HYPERVISOR
};

const struct hypervisor_ops *hypervisor_by_index(unsigned index)
{
    return index < ARRAY_LEN(hypervisors) ? hypervisors[index] : NULL;
}

const struct hypervisor_ops *hypervisor_find(const char *name)
{
    for (unsigned i = 0; i < ARRAY_LEN(hypervisors); i++)
        if (strcmp(hypervisors[i]->name, name) == 0)
            return hypervisors[i];
    return NULL;
}

enum status hypervisor_choose(const char *name, const struct hypervisor_ops **ops, struct error *err)
{
    char hint[128];
    struct suggestion suggestion = suggestion_start(name);
    *ops = hypervisor_find(name);
    if (*ops != NULL)
        return STATUS_OK;
    for (unsigned i = 0; i < ARRAY_LEN(hypervisors); i++)
        suggestion_offer(&suggestion, hypervisors[i]->name);
    return status_fail(err, STATUS_BAD_INPUT, "unknown hypervisor '%s'%s; '-hypervisor help' lists them",
                       name, suggestion_text(&suggestion, hint, sizeof hint));
}

/* ---- Options ---- */

/* The number of `word` among "a|b|c", or -1. */
static int word_index(const char *words, const char *word, size_t length)
{
    for (int index = 0;; index++) {
        size_t size = strcspn(words, "|");
        if (size == length && strncmp(words, word, length) == 0)
            return index;
        if (words[size] == '\0')
            return -1;
        words += size + 1;
    }
}

static enum status unknown_option(const struct hypervisor_ops *ops, const char *name, struct error *err)
{
    char hint[128];
    struct suggestion suggestion = suggestion_start(name);
    for (unsigned i = 0; i < ops->option_count; i++)
        suggestion_offer(&suggestion, ops->options[i].name);
    return status_fail(err, STATUS_BAD_INPUT, "-hypervisor %s: unknown option '%s'%s; '%s,help' lists them",
                       ops->name, name, suggestion_text(&suggestion, hint, sizeof hint), ops->name);
}

/* A decimal number in the option's range, or -1. */
static int64_t number_value(const struct hypervisor_option *option, const char *text, size_t length)
{
    uint64_t value = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9' || value > UINT32_MAX)
            return -1;
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    return length > 0 && value >= option->low && value <= option->high ? (int64_t)value : -1;
}

const char *hypervisor_option_values(const struct hypervisor_option *option, char *text, size_t size)
{
    if (option->words != NULL)
        snprintf(text, size, "%s", option->words);
    else
        snprintf(text, size, "%u..%u", option->low, option->high);
    return text;
}

static enum status parse_list(const struct hypervisor_ops *ops, const char *opts, unsigned *choice,
                              struct error *err);

/* `value` is NULL for a name that stands alone, which switches on. */
static enum status parse_value(const struct hypervisor_ops *ops, unsigned index, const char *value,
                               size_t length, unsigned *choice, struct error *err)
{
    const struct hypervisor_option *option = &ops->options[index];
    int64_t number = value == NULL           ? (option->words ? word_index(option->words, "on", 2) : -1)
                     : option->words != NULL ? word_index(option->words, value, length)
                                             : number_value(option, value, length);
    char values[128];
    if (number < 0)
        return status_fail(err, STATUS_BAD_INPUT, "-hypervisor %s: %s must be %s %s", ops->name, option->name,
                           option->words ? "one of" : "a number,",
                           hypervisor_option_values(option, values, sizeof values));
    choice[index] = (unsigned)number;
    return option->stands_for ? parse_list(ops, option->stands_for[number], choice, err) : STATUS_OK;
}

static enum status parse_one(const struct hypervisor_ops *ops, const char *text, size_t length,
                             unsigned *choice, struct error *err)
{
    char name[64];
    const char *equals = memchr(text, '=', length);
    size_t name_length = equals ? (size_t)(equals - text) : length;
    if (name_length >= sizeof name)
        name_length = sizeof name - 1;
    memcpy(name, text, name_length);
    name[name_length] = '\0';
    for (unsigned i = 0; i < ops->option_count; i++)
        if (strcmp(ops->options[i].name, name) == 0)
            return parse_value(ops, i, equals ? equals + 1 : NULL, length - name_length - 1, choice, err);
    return unknown_option(ops, name, err);
}

static enum status parse_list(const struct hypervisor_ops *ops, const char *opts, unsigned *choice,
                              struct error *err)
{
    for (const char *text = opts; *text != '\0';) {
        size_t length = strcspn(text, ",");
        TRY(parse_one(ops, text, length, choice, err));
        text += length + (text[length] == ',');
    }
    return STATUS_OK;
}

enum status hypervisor_parse(const struct hypervisor_ops *ops, const char *opts,
                             unsigned choice[HYPERVISOR_OPTIONS_MAX], struct error *err)
{
    memset(choice, 0, HYPERVISOR_OPTIONS_MAX * sizeof *choice);
    for (unsigned i = 0; i < ops->option_count; i++)
        if (ops->options[i].words == NULL)
            choice[i] = ops->options[i].standard;
    return parse_list(ops, opts ? opts : "", choice, err);
}
