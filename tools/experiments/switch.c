/* The price of a world switch, from nothing to more than twice the measured one. With how dear a switch does
 * a version become bound by the CPU? */
#include "tools/laboratory/result.h"

#include <stdlib.h>
#include <string.h>

/* From this share of the link's time on, the link is the bottleneck. (Idle time does not tell: interrupts
 * that find the CPU with nothing to do come one by one instead of together, and so fill it.) */
static const double LINK_BOUND = 99;

static const char *bottleneck(double link_percent)
{
    return link_percent >= LINK_BOUND ? "link" : "CPU";
}

/* The first two neighbours of a variant between which its bottleneck changes. */
static void find_flip(const struct outcome *outcome, const struct variant *variant, json_t *result)
{
    const struct run *before = NULL;
    double link_before = 0, link = 0;
    for (unsigned i = 0; i < outcome->count; i++) {
        const struct run *run = &outcome->run[i];
        if (strcmp(run->variant, variant->name) != 0 || !job_metric(run->job, "link_percent", &link))
            continue;
        if (before != NULL && bottleneck(link_before) != bottleneck(link)) {
            result_finding(result,
                           "%s: the bottleneck flips from %s to %s between %s and %s per world switch",
                           run->title, bottleneck(link_before), bottleneck(link),
                           configuration_get(&before->configuration, "switch"),
                           configuration_get(&run->configuration, "switch"));
            return;
        }
        before = run;
        link_before = link;
    }
    if (before != NULL)
        result_finding(result, "%s: bound by the %s throughout", before->title, bottleneck(link_before));
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
        "Version 2.0 switches about twelve times per packet: throughput falls from the link's limit with the "
        "switch's price. What a switch leaves behind, cold caches, matters as much: without it the bottleneck "
        "flips from the link to the CPU below the measured 4.45 us, with it free switches do not quite fill the "
        "link. The optimized version hardly depends on either.",
    .variants = {{"2.0-733", NULL, "@2.0-733"},
                 {"2.0-733-warm", "the same, caches stay warm", "@2.0-733 switch.cold=1"},
                 {"optimized-733", NULL, "@optimized-733"},
                 {0}},
    .vary = {"switch=0us:10us:1us"},
    .views = {{VIEW_PIVOT,
               "Throughput by the price of a world switch",
               {{"throughput_mbps", "", 1}, {0}},
               "switch"},
              {VIEW_PIVOT, "Idle", {{"idle_percent", "", 1}, {0}}, "switch"},
              {VIEW_PIVOT, "Link busy", {{"link_percent", "", 1}, {0}}, "switch"},
              {VIEW_PIVOT, "World switches", {{"switches_per_packet", "", 2}, {0}}, "switch"}},
    .expectations = {{"with free switches and warm caches version 2.0 fills the link",
                      "2.0-733-warm/switch=0us:link_percent", IS_MORE, "99"},
                     {"with switches of 5 us it does not", "2.0-733/switch=5us:link_percent", IS_LESS, "99"},
                     {"a switch of 10 us costs version 2.0 a third", "2.0-733/switch=10us:throughput_mbps",
                      IS_LESS, "63"},
                     {"and the optimized version little", "optimized-733/switch=10us:throughput_mbps",
                      IS_ABOUT, "optimized-733/switch=0us:throughput_mbps"},
                     {"cold caches cost version 2.0 throughput", "2.0-733/switch=4us:throughput_mbps",
                      IS_LESS, "2.0-733-warm/switch=4us:throughput_mbps"},
                     {0}},
    .conclude = conclude,
};
