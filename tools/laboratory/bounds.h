/* How near to the published figures of the validation set ours are to be (docs/validation.md), and which of
 * them are. */
#ifndef CROSSPAGE_TOOLS_LABORATORY_BOUNDS_H
#define CROSSPAGE_TOOLS_LABORATORY_BOUNDS_H

#include "base/types.h"

#include <jansson.h>
#include <stdio.h>

/* Rows as `published` of a result (docs/experiments.md). Prints nothing when none has a bound. */
void bounds_text(const json_t *rows, FILE *out);

#endif
