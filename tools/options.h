/* Command line options, table-driven. QEMU's spelling is the canonical one (-name value); --name value and
 * --name=value work too. */
#ifndef CROSSPAGE_TOOLS_OPTIONS_H
#define CROSSPAGE_TOOLS_OPTIONS_H

#include "base/status.h"
#include "base/suggest.h"
#include "base/types.h"

/* What an option does beyond being stored: `arg` is NULL for a switch. `target` is the command's own options
 * struct. */
typedef enum status option_fn(void *target, const char *arg, struct error *err);

struct option {
    const char *name;  /* without dashes */
    const char *value; /* placeholder in the help; NULL: a switch */
    option_fn *apply;  /* NULL: just store in `field` */
    const char *help;
    size_t field; /* offset in the options struct of a const char * (with value) or of a bool (switch) */
};

/* Parse argv[0..argc-1]. Words that are no options go to `positional` (NULL: they are errors). `options` ends
 * with a NULL name. */
enum status options_parse(const struct option *options, void *target, int argc, char **argv,
                          option_fn *positional, struct error *err) MUST_CHECK;
/* The option that a word of a command line names, or NULL; *value is set if the word has its value, too
 * (--name=value). */
const struct option *options_find(const struct option *options, const char *word, const char **value);
void options_print_help(const struct option *options);

/* "name=value,name=value" (also "name" alone: value ""). Calls `apply` per pair; a doubled comma is a comma,
 * as in QEMU. */
typedef enum status pair_fn(void *target, const char *name, const char *value, struct error *err);
enum status options_parse_pairs(const char *text, pair_fn *apply, void *target, struct error *err) MUST_CHECK;

/* A whole number with an optional suffix K, M, G (powers of 1024); without suffix it counts in `unit`. */
enum status options_parse_size(const char *text, uint64_t unit, uint64_t *value,
                               struct error *err) MUST_CHECK;
enum status options_parse_number(const char *text, uint64_t max, uint64_t *value,
                                 struct error *err) MUST_CHECK;

/* Subcommands: argv without the program and command name; the exit status. */
int command_run(int argc, char **argv);
int command_report(int argc, char **argv);
int command_experiment(int argc, char **argv);
int command_costs(int argc, char **argv);
int command_disasm(int argc, char **argv);
int command_help(int argc, char **argv);

/* One line on standard error; returns 2, the status of a bad command line. */
int usage_error(const struct error *err);

#endif
