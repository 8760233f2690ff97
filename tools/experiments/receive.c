/* Receiving. S01 says that TCP-receive experiments gave similar results and leaves them out for space: there
 * are no published figures to compare with. */
#include "tools/laboratory/experiment.h"

const struct experiment experiment_receive = {
    .title = "Is receiving like transmitting?",
    .expects =
        "The same order: native fills the link, version 2.0 does not, optimized does. Receiving has two copies "
        "in the host's way (kernel to VMApp, VMApp to guest) and no batching by the guest, so version 2.0 is "
        "slower than when it transmits.",
    .base = TEST_BED_733 " mode=recv",
    .variants = {{"native-733", NULL, "@native-733"},
                 {"2.0-733", NULL, "@2.0-733"},
                 {"optimized-733", NULL, "@optimized-733"},
                 {"2.0-350", NULL, "@2.0-350 " TEST_BED_350},
                 {"optimized-350", NULL, "@optimized-350 " TEST_BED_350},
                 {"2.0-733-send", "VM/PC-733, version 2.0, transmitting", "@2.0-733 mode=send"},
                 {0}},
    .views = {{VIEW_RUNS,
               "Receiving",
               {{"throughput_mbps", "throughput", 1},
                {"idle_percent", "idle", 1},
                {"packet_us", "per packet", 1},
                {"vmm_percent", "VMM time", 1},
                {"category_percent.VMNET_RX", "VMNet", 1},
                {"category_percent.HOST_IRQ", "host IRQs", 1},
                {"switches_per_packet", "world switches", 2},
                {"virq_per_packet", "virtual IRQs", 2},
                {0}}}},
    .expectations = {{"native fills the link", "native-733:idle_percent", IS_MORE, "5"},
                     {"version 2.0 is bound by the CPU", "2.0-733:idle_percent", IS_LESS, "1"},
                     {"version 2.0 receives slower than it sends", "2.0-733:throughput_mbps", IS_LESS,
                      "2.0-733-send:throughput_mbps"},
                     {"optimized is faster", "optimized-733:throughput_mbps", IS_MORE,
                      "2.0-733:throughput_mbps"},
                     {0}},
};
