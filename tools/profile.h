/* All time of a run, by what was being done: the guest's functions that were open (traces/calls.h), the exit
 * that the hypervisor was entered for, the step. Every tick of the run is in exactly one entry. */
#ifndef CROSSPAGE_TOOLS_PROFILE_H
#define CROSSPAGE_TOOLS_PROFILE_H

#include "tools/report.h"

/* A function, called along one path of probed functions. */
struct profile_path {
    uint32_t name;
    uint32_t caller; /* number of the path before; 0: none */
};

struct profile_entry {
    uint32_t path; /* number of the path that is current; 0: none */
    uint32_t exit; /* trace_exit_count(): in no visit */
    uint32_t step;
    uint32_t sample; /* name of the function that was sampled; 0: none */
    uint64_t ticks;
};

struct profile {
    size_t path_count; /* with number 0 */
    struct profile_path *path;
    size_t count;
    struct profile_entry *entry; /* by path, exit, step, sample */
};

void profile_make(const struct report *report, struct profile *profile);
void profile_free(struct profile *profile);

#endif
