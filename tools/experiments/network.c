/* What the VM's network is connected to: S01 measures a bridged one. (docs/hypervisors.md, net) */
#include "tools/laboratory/experiment.h"

const struct experiment experiment_network = {
    .title = "What does another kind of network cost?",
    .expects =
        "Address translation costs what a process of the host costs: a wake-up, two more system calls and the "
        "translation for each packet. A host-only network has no card and no cable, but the other end's "
        "protocol stack on the same CPU.",
    .variants = {{"2.0-733", NULL, "@2.0-733"}, {"optimized-733", NULL, "@optimized-733"}, {0}},
    .vary = {"net=bridged,nat,host-only"},
    .views = {{VIEW_PIVOT, "Throughput by network", {{"throughput_mbps", "", 1}, {0}}, "net"},
              {VIEW_PIVOT, "Idle", {{"idle_percent", "", 1}, {0}}, "net"},
              {VIEW_PIVOT, "Time per packet", {{"packet_us", "", 1}, {0}}, "net"},
              {VIEW_PIVOT, "Latency", {{"latency_us", "", 0}, {0}}, "net"}},
    .expectations = {{"translation costs version 2.0 throughput", "2.0-733/net=nat:throughput_mbps", IS_LESS,
                      "2.0-733/net=bridged:throughput_mbps"},
                     {"translation costs the optimized version idle time",
                      "optimized-733/net=nat:idle_percent", IS_LESS,
                      "optimized-733/net=bridged:idle_percent"},
                     {0}},
};
