/* S01 Figure 6: throughput against the size of a write(), on both machines. */
#include "tools/laboratory/experiment.h"

const struct experiment experiment_fig6 = {
    .title = "How does throughput depend on machine, version and the size of a write?",
    .expects =
        "Native fills the link at every size. Version 2.0 is bound by the CPU: 64 Mb/s on the PC-733, 25 on the "
        "PC-350, less with small writes. Optimized fills the link on the PC-733 and more than doubles the "
        "PC-350's.",
    .base = TEST_BED_733,
    .variants = {{"native-733", NULL, "@native-733"},
                 {"native-350", NULL, "@native-350 " TEST_BED_350},
                 {"optimized-733", NULL, "@optimized-733"},
                 {"2.0-733", NULL, "@2.0-733"},
                 {"optimized-350", NULL, "@optimized-350 " TEST_BED_350},
                 {"2.0-350", NULL, "@2.0-350 " TEST_BED_350},
                 {0}},
    .vary = {"write=512:65536:*2"},
    .views = {{VIEW_PIVOT, "Throughput", {{"throughput_mbps", "throughput", 1}, {0}}, "write"},
              {VIEW_PIVOT, "Idle", {{"idle_percent", "idle", 1}, {0}}, "write"}},
    .expectations = {{"small writes cost a VM", "2.0-733/write=512:throughput_mbps", IS_LESS,
                      "2.0-733/write=4096:throughput_mbps"},
                     {"native fills the link", "native-733/write=4096:idle_percent", IS_MORE, "5"},
                     {"version 2.0 is bound by the CPU", "2.0-733/write=4096:idle_percent", IS_LESS, "0.5"},
                     {"optimized fills the link on the PC-733", "optimized-733/write=4096:throughput_mbps",
                      IS_ABOUT, "native-733/write=4096:throughput_mbps"},
                     {"64 Mb/s on the PC-733", "2.0-733/write=4096:throughput_mbps", IS_ABOUT, "64"},
                     {"25 Mb/s on the PC-350", "2.0-350/write=4096:throughput_mbps", IS_ABOUT, "25.3"},
                     {"a packet costs the PC-350 more", "2.0-350/write=4096:packet_us", IS_MORE,
                      "2.0-733/write=4096:packet_us"},
                     {0}},
};
