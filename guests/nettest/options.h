/* The Multiboot command line. */
#ifndef NETTEST_OPTIONS_H
#define NETTEST_OPTIONS_H

#include "abi.h"

#include <stdbool.h>

/* Copied here by boot.S, before paging, from wherever the loader put it; cut if longer. */
extern char boot_command_line[1024];

/* Defaults, then every word "key=value" of `line`. False, after a message, for a value that makes no
 * sense; unknown words are reported and ignored. */
bool options_parse(const char *line, struct config *config);

#endif
