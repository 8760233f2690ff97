/* No question of ours: one configuration, for -set and -vary. */
#include "tools/laboratory/experiment.h"

const struct experiment experiment_sweep = {
    .title = "What if?",
    .expects = "Nothing: this is the VM/PC-733 of version 2.0, changed by -set and varied by -vary.",
    .variants = {{"2.0-733", NULL, "@2.0-733"}, {0}},
};
