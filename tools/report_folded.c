/* Folded stacks: a line per kind of time, frames separated by semicolons, and its cycles; what flamegraph.pl
 * and speedscope read. The lines add up to the run.
 *
 *     LAYER;STEP                                     outside of probed functions and visits
 *     EXIT;LAYER;STEP                                in a visit to the hypervisor
 *     guest kernel;FUNCTION...[;SAMPLED FUNCTION]    the guest's own time
 *     guest kernel;FUNCTION...;EXIT;LAYER;STEP       what it asked the hypervisor for, or was interrupted by
 */
#include "tools/profile.h"

#include <inttypes.h>
#include <string.h>

static void print_path(const struct report *report, const struct profile *profile, uint32_t number, FILE *out)
{
    enum { DEPTH_MAX = 1024 };
    uint32_t path[DEPTH_MAX];
    unsigned depth = 0;
    for (; number != 0 && depth < DEPTH_MAX; number = profile->path[number].caller)
        path[depth++] = number;
    fputs(layer_name(LAYER_GUEST_KERNEL), out);
    while (depth > 0)
        fprintf(out, ";%s", trace_name(report->analysis.trace, profile->path[path[--depth]].name));
}

static void print_entry(const struct report *report, const struct profile *profile,
                        const struct profile_entry *entry, FILE *out)
{
    const struct trace_reader *trace = report->analysis.trace;
    const struct trace_step *step = trace_step(trace, entry->step);
    bool visit = entry->exit < trace_exit_count(trace), functions = entry->path != 0 || entry->sample != 0;
    if (functions)
        print_path(report, profile, entry->path, out);
    if (entry->sample != 0 && entry->sample != profile->path[entry->path].name)
        fprintf(out, ";%s", trace_name(trace, entry->sample));
    if (visit)
        fprintf(out, "%s%s", functions ? ";" : "", trace_exit_name(trace, entry->exit));
    if (visit || !functions || step->layer != LAYER_GUEST_KERNEL)
        fprintf(out, "%s%s;%s", visit || functions ? ";" : "", layer_name(step->layer), step->name);
    else if (entry->step != STEP_GUEST_KERNEL)
        fprintf(out, ";%s", step->name);
    fprintf(out, " %" PRIu64 "\n", entry->ticks / trace_ticks_per_cycle(trace));
}

void report_folded(const struct report *report, FILE *out)
{
    struct profile profile;
    profile_make(report, &profile);
    for (size_t i = 0; i < profile.count; i++)
        print_entry(report, &profile, &profile.entry[i], out);
    profile_free(&profile);
}
