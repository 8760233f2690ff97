/* Two labs that should be one: the same configuration in two engines, run side by side and compared. What
 * `crosspage run -engine check` does.
 *
 * Both run to the same cycles, `every` apart; CPU states are compared at each stop, memory and devices at
 * some of them and at the end. With `points`, the other engine first runs alone and in one go, which tells
 * how long the run is; then everything is compared at that many points, evenly over the run, and at its end
 * the state of the first run too. On a difference both are made anew and run up to the last stop that was
 * equal, then on in shorter slices, and so again, as long as the difference comes back: a translator that has
 * less room before a stop uses less of its code. The report shows the difference and the last instructions
 * before it. */
#ifndef CROSSPAGE_HOSTWORLD_ENGINE_CHECK_H
#define CROSSPAGE_HOSTWORLD_ENGINE_CHECK_H

#include "hostworld/lab.h"

#include <stdio.h>

enum { CHECK_REFERENCE, CHECK_OTHER, CHECK_SIDES };

struct engine_check_config {
    /* Make a lab for one side, at cycle 0. `again`: it repeats what was run before, and should be silent. */
    enum status (*open)(void *ctx, unsigned side, bool again, struct lab **lab, struct error *err);
    void (*close)(void *ctx, unsigned side, struct lab *lab);
    void *ctx;
    const char *name[CHECK_SIDES]; /* for the report */
    cycle_t every;                 /* cycles between two stops */
    uint64_t points;               /* 0, or: so many stops in the whole run instead, all of them whole */
    double seconds;                /* of simulated time to run; 0: until the guest ends */
    FILE *report;
};

struct engine_check_result {
    bool equal;
    enum vm_stop stop; /* of both, when they are equal */
    uint32_t exit_value;
    uint64_t stops, cycles;            /* compared */
    uint64_t whole_stops;              /* of them with memory and devices */
    uint64_t instructions, state_hash; /* of the reference, at the end */
    cycle_t after, at_latest;          /* the difference arose after the one and not after the other */
};

/* Fails when a lab cannot be made. */
enum status engine_check_run(const struct engine_check_config *config, struct engine_check_result *result,
                             struct error *err) MUST_CHECK;

#endif
