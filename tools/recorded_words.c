/* The command line of a replay, made of the recorded one and the one given now (recorded_run.h). */
#include "tools/recorded_run.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

/* Options that look at a run, or say where it leaves what it writes: a replay has its own. */
static const char *const of_the_observer[] = {
    "trace",   "pcap",  "stats",      "d",      "D",           "quiet", "engine",  "record", "replay",
    "symbols", "probe", "fast-paths", "sample", "probe-stack", "gdb",   "monitor", "s",      "S"};
/* Options that name a host's connection to the outside. */
static const char *const connections[] = {"serial", "debugcon"};

static bool is_one_of(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* The option at `word` of a part, how many words it has, and its value (NULL: none). */
struct option_words {
    const char *name;
    unsigned count;
    const char *value;
};

static struct option_words option_at(const struct words_of_run *part, int at)
{
    const char *word = part->word[at], *value = NULL;
    const struct option *option = options_find(run_option_table, word, &value);
    if (option == NULL)
        return (struct option_words){.name = "", .count = 1};
    if (option->value == NULL || value != NULL)
        return (struct option_words){option->name, 1, value};
    return at + 1 < part->count ? (struct option_words){option->name, 2, part->word[at + 1]}
                                : (struct option_words){option->name, 1, NULL};
}

static bool has_option(const struct words_of_run *part, const char *name)
{
    struct option_words found;
    for (int i = 0; i < part->count; i += (int)found.count) {
        found = option_at(part, i);
        if (strcmp(found.name, name) == 0)
            return true;
    }
    return false;
}

static void add(struct words_of_run *words, const char *word)
{
    words->word = xrealloc(words->word, (size_t)(words->count + 2) * sizeof *words->word);
    words->word[words->count++] = xstrdup(word);
    words->word[words->count] = NULL;
}

/* A line that something could be connected to leads nowhere; the console is still shown. */
static const char *without_input(const char *spec)
{
    return spec != NULL && (strcmp(spec, "stdio") == 0 || strcmp(spec, "mon:stdio") == 0) ? "stdio" : "null";
}

static void add_recorded(const struct words_of_run *recorded, const struct words_of_run *given,
                         struct words_of_run *words)
{
    struct option_words found;
    for (int i = 0; i < recorded->count; i += (int)found.count) {
        found = option_at(recorded, i);
        bool replaced = strcmp(found.name, "cost") != 0 && has_option(given, found.name);
        if (replaced || is_one_of(found.name, of_the_observer, ARRAY_LEN(of_the_observer)))
            continue;
        if (is_one_of(found.name, connections, ARRAY_LEN(connections))) {
            char option[16];
            snprintf(option, sizeof option, "-%s", found.name);
            add(words, option);
            add(words, without_input(found.value));
            continue;
        }
        for (unsigned k = 0; k < found.count; k++)
            add(words, recorded->word[i + (int)k]);
    }
}

/* Up to "--", and from behind it; the second has count -1 if there is none. */
static void split(const struct words_of_run *words, struct words_of_run parts[2])
{
    int first = 0;
    while (first < words->count && strcmp(words->word[first], "--") != 0)
        first++;
    parts[0] = (struct words_of_run){first, words->word};
    parts[1] = (struct words_of_run){words->count - first - 1, words->word + first + 1};
}

enum status recorded_run_words(const json_t *run, const struct words_of_run *given,
                               struct words_of_run *words, struct error *err)
{
    const json_t *arguments = json_object_get(run, "arguments"), *item;
    struct words_of_run recorded = {0}, old[2], new[2];
    size_t i;
    *words = (struct words_of_run){0};
    json_array_foreach (arguments, i, item)
        add(&recorded, json_string_value(item));
    split(&recorded, old);
    split(given, new);
    enum status status = STATUS_OK;
    if (new[1].count >= 0 && old[1].count < 0)
        status = status_fail(err, STATUS_BAD_INPUT, "the recording has no second host");
    for (unsigned part = 0; status == STATUS_OK && part < 2 && old[part].count >= 0; part++) {
        if (part == 1)
            add(words, "--");
        add_recorded(&old[part], &new[part], words);
        for (int k = 0; k < new[part].count; k++)
            add(words, new[part].word[k]);
    }
    recorded_run_free_words(&recorded);
    return status;
}

void recorded_run_free_words(struct words_of_run *words)
{
    for (int i = 0; i < words->count; i++)
        free(words->word[i]);
    free(words->word);
    *words = (struct words_of_run){0};
}

struct words_of_run recorded_run_without_record(const struct words_of_run *words)
{
    struct words_of_run rest = {.word = xcalloc((size_t)words->count + 1, sizeof *rest.word)};
    struct option_words found;
    for (int i = 0; i < words->count; i += (int)found.count) {
        found = option_at(words, i);
        for (unsigned k = 0; k < found.count && strcmp(found.name, "record") != 0; k++)
            rest.word[rest.count++] = words->word[i + (int)k];
    }
    return rest;
}
