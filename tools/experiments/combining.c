/* Send combining: how many frames may wait for one world switch, and how often worlds must be switched for
 * frames to wait at all. S01 has a limit of three and does not say why. */
#include "tools/laboratory/experiment.h"

const struct experiment experiment_combining = {
    .title = "How many packets should one world switch send?",
    .expects =
        "With the link as the bottleneck hardly anything changes: interrupts bring the VMApp control before a "
        "batch is full. With the CPU as the bottleneck a batch saves world switches, and three have most of the "
        "gain; the price is latency.",
    .variants = {{"optimized-733", NULL, "@optimized-733"},
                 {"optimized-350", NULL, "@optimized-350"},
                 {"gigabit", "VM/PC-733, optimized, 1 Gb/s", "@optimized-733 rate=1000"},
                 {0}},
    .vary = {"combine-limit=1,2,3,4,6,8,12,16"},
    .views = {{VIEW_PIVOT,
               "Throughput by frames that may wait",
               {{"throughput_mbps", "", 1}, {0}},
               "combine-limit"},
              {VIEW_PIVOT, "Idle", {{"idle_percent", "", 1}, {0}}, "combine-limit"},
              {VIEW_PIVOT, "World switches", {{"switches_per_packet", "", 2}, {0}}, "combine-limit"},
              {VIEW_PIVOT, "Median latency", {{"latency_us.p50", "", 0}, {0}}, "combine-limit"}},
    .expectations = {{"on a full link the limit does not matter",
                      "optimized-733/combine-limit=16:switches_per_packet", IS_ABOUT,
                      "optimized-733/combine-limit=1:switches_per_packet"},
                     {"on 1 Gb/s three are better than one", "gigabit/combine-limit=3:switches_per_packet",
                      IS_LESS, "gigabit/combine-limit=1:switches_per_packet"},
                     {"at the price of latency", "gigabit/combine-limit=16:latency_us.p50", IS_MORE,
                      "gigabit/combine-limit=1:latency_us.p50"},
                     {0}},
};
