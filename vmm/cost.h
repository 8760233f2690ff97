/* Costs: every price in the simulation is declared once, in cost.def, and valued per profile, with its source and its status.
 *
 * COST(id, name, unit, layer, category, description) in cost.def; a profile (profiles/<name>.ini, text, compiled in; a path works too) gives
 * for every cost: value, status, source. A value may be given in cycles, ns or us, per event or per byte; it is kept in
 * milli-cycles so that per-byte costs need no rounding until they are charged (rounded up to whole cycles per charge). */
#ifndef CROSSPAGE_VMM_COST_H
#define CROSSPAGE_VMM_COST_H

#include "base/status.h"
#include "cpu/insn.h"
#include "traces/recorder.h"

enum cost_unit { COST_PER_EVENT, COST_PER_BYTE, COST_PER_PAGE };

/* How we know a value (design.md section 8). */
enum cost_status { COST_ASSUMED, COST_PUBLISHED, COST_DATASHEET, COST_MEASURED, COST_CALIBRATED, COST_OVERRIDDEN };

enum cost_id {
#define COST(id, name, unit, layer, category, description) COST_ID_##id,
#include "vmm/cost.def"
#undef COST
    COST_ID_COUNT
};

struct cost_value {
    uint64_t milli_cycles;
    enum cost_status status;
    char source[120];
};

struct cost_table {
    char profile[64];
    char description[160];
    uint64_t cpu_hz;
    uint64_t memory_bytes; /* of the simulated PC */
    char cpu_model[32];    /* default -cpu */
    struct cost_value value[COST_ID_COUNT];
    struct cost_value insn[COST_CLASS_COUNT]; /* guest instruction classes, [insn] section */
    /* Steps for the recorder: built-in ones, then one per cost. */
    struct step_info steps[RECORDER_FIRST_COST + COST_ID_COUNT];
};

static inline unsigned cost_step(enum cost_id id)
{
    return RECORDER_FIRST_COST + (unsigned)id;
}

/* Load a built-in profile by name or a file by path. Every cost must be given. */
enum status cost_table_load(struct cost_table *table, const char *profile, struct error *err) MUST_CHECK;
/* -cost name=value[cycles|ns|us]; names may be cost names or "insn.CLASS" and "cpu_mhz". */
enum status cost_table_override(struct cost_table *table, const char *assignment, struct error *err) MUST_CHECK;
/* Names of built-in profiles, NULL past the last. */
const char *cost_profile_name(unsigned index);
const char *cost_status_name(enum cost_status status);

#endif
