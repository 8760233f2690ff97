/* What a CPU model is; rows in cpu/models.def. Private to cpu/. */
#ifndef CROSSPAGE_CPU_MODEL_H
#define CROSSPAGE_CPU_MODEL_H

#include "cpu/insn.h"

struct cpu_model {
    const char *name;
    const char *brand; /* NULL: no brand string leaves */
    uint8_t family, model, stepping;
    uint8_t physical_bits;
    uint8_t max_leaf;
    uint64_t bus_hz;
    uint64_t features[2]; /* bit per enum insn_feature, FEAT_BASE always set */
};

_Static_assert(FEAT_COUNT <= 64, "models.def writes features as one word");

#endif
