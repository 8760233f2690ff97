/* A faster wire: what S01 section 6 says of gigabit networks. */
#include "tools/laboratory/experiment.h"

const struct experiment experiment_wire = {
    .title = "What is left when the link is no bottleneck?",
    .expects =
        "On 1 Gb/s every configuration is bound by the CPU, so throughput compares what packets cost: native "
        "first, optimized at a fraction of it, version 2.0 no faster than on 100 Mb/s.",
    .variants = {{"native-733", NULL, "@native-733"},
                 {"optimized-733", NULL, "@optimized-733"},
                 {"2.0-733", NULL, "@2.0-733"},
                 {"native-350", NULL, "@native-350"},
                 {"optimized-350", NULL, "@optimized-350"},
                 {"2.0-350", NULL, "@2.0-350"},
                 {0}},
    .vary = {"rate=10,100,1000"},
    .views =
        {{VIEW_PIVOT, "Throughput by the wire's rate in Mb/s", {{"throughput_mbps", "", 1}, {0}}, "rate"},
         {VIEW_PIVOT, "Idle", {{"idle_percent", "", 1}, {0}}, "rate"},
         {VIEW_PIVOT, "Time per packet", {{"packet_us", "", 1}, {0}}, "rate"}},
    .expectations = {{"native gains from 1 Gb/s", "native-733/rate=1000:throughput_mbps", IS_MORE, "150"},
                     {"version 2.0 hardly does", "2.0-733/rate=1000:throughput_mbps", IS_ABOUT,
                      "2.0-733/rate=100:throughput_mbps"},
                     {"optimized gains", "optimized-733/rate=1000:throughput_mbps", IS_MORE,
                      "optimized-733/rate=100:throughput_mbps"},
                     {0}},
};
