/* crosspage run -engine check: interpreter and translator side by side. */
#ifndef CROSSPAGE_TOOLS_CHECK_ENGINES_H
#define CROSSPAGE_TOOLS_CHECK_ENGINES_H

#include "hostworld/engine_check.h"
#include "tools/run_options.h"

/* Do the other options go with it? */
enum status check_engines_options(const struct run_options *options, struct error *err) MUST_CHECK;

/* Runs until the guest ends or `stop_after` simulated seconds (0: for ever). A difference is reported on
 * standard error, and a failure. */
enum status check_engines(const struct run_options *options, struct log *log, double stop_after,
                          struct engine_check_result *result, struct error *err) MUST_CHECK;

#endif
