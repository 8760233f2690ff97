/* The list of hypervisors, and their options: "name=word,name=word", each word one of a few. */
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

static enum status parse_one(const struct hypervisor_ops *ops, const char *text, size_t length,
                             unsigned choice[HYPERVISOR_OPTIONS_MAX], struct error *err)
{
    char name[64];
    const char *equals = memchr(text, '=', length);
    size_t name_length = equals ? (size_t)(equals - text) : length;
    if (name_length >= sizeof name)
        name_length = sizeof name - 1;
    memcpy(name, text, name_length);
    name[name_length] = '\0';
    for (unsigned i = 0; i < ops->option_count; i++) {
        const struct hypervisor_option *option = &ops->options[i];
        if (strcmp(option->name, name) != 0)
            continue;
        int index = equals ? word_index(option->words, equals + 1, length - name_length - 1)
                           : word_index(option->words, "on", 2);
        if (index < 0)
            return status_fail(err, STATUS_BAD_INPUT, "-hypervisor %s: %s must be one of %s", ops->name, name,
                               option->words);
        choice[i] = (unsigned)index;
        return STATUS_OK;
    }
    return unknown_option(ops, name, err);
}

enum status hypervisor_parse(const struct hypervisor_ops *ops, const char *opts,
                             unsigned choice[HYPERVISOR_OPTIONS_MAX], struct error *err)
{
    memset(choice, 0, HYPERVISOR_OPTIONS_MAX * sizeof *choice);
    for (const char *text = opts ? opts : ""; *text != '\0';) {
        size_t length = strcspn(text, ",");
        TRY(parse_one(ops, text, length, choice, err));
        text += length + (text[length] == ',');
    }
    return STATUS_OK;
}
