/* -vary NAME=VALUES: which values a parameter takes.
 *
 *     a,b,c               these
 *     from:to:step        from, from + step, ... up to `to`; step may be negative
 *     from:to:*factor     from, from x factor, ...
 *
 * Numbers of a range may have a unit behind them (0:10us:1us, 50%:150%:25%, 1k:64k:*2). It is the same for
 * all that have one, and the values get it. */
#ifndef CROSSPAGE_TOOLS_LABORATORY_SWEEP_H
#define CROSSPAGE_TOOLS_LABORATORY_SWEEP_H

#include "tools/laboratory/configuration.h"

enum { SWEEP_VALUES_MAX = 10000 };

struct sweep {
    char name[SETTING_NAME];
    unsigned count;
    char (*value)[SETTING_VALUE];
};

enum status sweep_parse(struct sweep *sweep, const char *text, struct error *err) MUST_CHECK;
void sweep_free(struct sweep *sweep);

/* The product of several sweeps: how many combinations, and the value number of each sweep in combination
 * `index`. The last sweep changes fastest. */
enum status sweep_product(const struct sweep *sweeps, unsigned count, size_t *product,
                          struct error *err) MUST_CHECK;
void sweep_choose(const struct sweep *sweeps, unsigned count, size_t index, unsigned *choice);

#endif
