/* What a recording says about the run it is of (the header of hostworld/recording.h), and whether another run
 * is the same.
 *
 * Each host has two lists. Its *machine* decides what the inputs mean: processor, memory, images (by their
 * hashes), disks, serial ports, guest's command line, date, seed. A replay has the same or none. Its *prices*
 * are profile, every single cost, hypervisor and its options, wire and NIC: a replay with others is
 * counterfactual. What only looks at a run (engine, trace, capture, log) is in neither. */
#ifndef CROSSPAGE_TOOLS_RECORDED_RUN_H
#define CROSSPAGE_TOOLS_RECORDED_RUN_H

#include "tools/run_options.h"

#include <jansson.h>

struct words_of_run {
    int count;
    char **word; /* of `crosspage run`, with the second host's after "--" */
};

/* `options` of each host, finished. Reads the images. */
enum status recorded_run_describe(struct run_options *const *options, unsigned hosts,
                                  const struct words_of_run *words, const char *command_line, json_t **run,
                                  struct error *err) MUST_CHECK;

/* A recording's header, checked. */
enum status recorded_run_parse(const struct recording *recording, const char *path, json_t **run,
                               struct error *err) MUST_CHECK;

/* The words of a replay: those of the recorded run without what it wrote and watched, then those given now,
 * which replace recorded ones of the same option (-cost is added). Words are the caller's to free with the
 * array. */
enum status recorded_run_words(const json_t *recorded, const struct words_of_run *given,
                               struct words_of_run *words, struct error *err) MUST_CHECK;
void recorded_run_free_words(struct words_of_run *words);

/* The words without -record and its value; they stay the caller's. */
struct words_of_run recorded_run_without_record(const struct words_of_run *words);

/* An error if `now` is another machine than `recorded`. *prices: what it has otherwise, as text, or NULL. */
enum status recorded_run_compare(const json_t *recorded, const json_t *now, const char *path, char **prices,
                                 struct error *err) MUST_CHECK;

/* A price of the first host, by its name in the header; "none" if it has none of that name. */
const char *recorded_run_price(const json_t *recorded, const char *name);

#endif
