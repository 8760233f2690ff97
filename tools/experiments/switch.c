/* The price of a world switch, from nothing to more than twice the measured one. With how dear a switch does
 * a version become bound by the CPU? */
#include "tools/laboratory/result.h"

#include <stdlib.h>
#include <string.h>

/* Below this idle share the CPU is the bottleneck. */
static const double CPU_BOUND = 0.5;

/* The first two neighbours of a variant between which its bottleneck changes. */
static void find_flip(const struct outcome *outcome, const struct variant *variant, json_t *result)
{
    const struct run *before = NULL;
    double idle_before = 0, idle = 0, last = 0;
    bool any = false;
    for (unsigned i = 0; i < outcome->count; i++) {
        const struct run *run = &outcome->run[i];
        if (strcmp(run->variant, variant->name) != 0 || !job_metric(run->job, "idle_percent", &idle))
            continue;
        const char *cost = configuration_get(&run->configuration, "switch");
        if (before != NULL && (idle_before < CPU_BOUND) != (idle < CPU_BOUND)) {
            result_finding(
                result, "%s: the bottleneck flips from %s to %s between %s and %s per world switch",
                run->title, idle_before < CPU_BOUND ? "CPU" : "link", idle < CPU_BOUND ? "CPU" : "link",
                configuration_get(&before->configuration, "switch"), cost);
            return;
        }
        before = run;
        idle_before = idle;
        last = idle;
        any = true;
    }
    if (any)
        result_finding(result, "%s: bound by the %s throughout", before->title,
                       last < CPU_BOUND ? "CPU" : "link");
}

static enum status conclude(struct outcome *outcome, json_t *result, struct error *err)
{
    (void)err;
    for (const struct variant *variant = outcome->experiment->variants;
         variant->name != NULL && !outcome->varied; variant++)
        find_flip(outcome, variant, result);
    return STATUS_OK;
}

const struct experiment experiment_switch = {
    .title = "How does throughput depend on the price of a world switch?",
    .expects =
        "Version 2.0 switches eleven times per packet: throughput falls from the link's limit with the switch's "
        "price, and the bottleneck flips from the link to the CPU below the measured 4.45 us. The optimized "
        "version hardly depends on it.",
    .variants = {{"2.0-733", NULL, "@2.0-733"}, {"optimized-733", NULL, "@optimized-733"}, {0}},
    .vary = {"switch=0us:10us:1us"},
    .views = {{VIEW_PIVOT,
               "Throughput by the price of a world switch",
               {{"throughput_mbps", "", 1}, {0}},
               "switch"},
              {VIEW_PIVOT, "Idle", {{"idle_percent", "", 1}, {0}}, "switch"},
              {VIEW_PIVOT, "World switches", {{"switches_per_packet", "", 2}, {0}}, "switch"}},
    .expectations = {{"a free switch leaves version 2.0 idle at times", "2.0-733/switch=0us:idle_percent",
                      IS_MORE, "0.5"},
                     {"a switch of 10 us costs version 2.0 a third", "2.0-733/switch=10us:throughput_mbps",
                      IS_LESS, "65"},
                     {"and the optimized version little", "optimized-733/switch=10us:throughput_mbps",
                      IS_ABOUT, "optimized-733/switch=0us:throughput_mbps"},
                     {0}},
    .conclude = conclude,
};
