/* S01 section 4: what the authors thought of next. The paper gives no measurements for these, with one
 * exception: not switching page tables for the idle task halves what the MMU's virtualization costs. */
#include "tools/laboratory/experiment.h"

const struct experiment experiment_section4 = {
    .title = "What would the further approaches of section 4 gain, on top of the optimized version?",
    .expects =
        "Cheaper PIC virtualization little (it is 2.5 % of VMM time). An ideal NIC much: one OUT instead of "
        "twelve accesses, no transmit interrupt. No copy into the sk_buff: several us per packet of host time. "
        "Bypassing the host most: no mandatory world switch.",
    .variants = {{"optimized", NULL, "@optimized-733"},
                 {"pic", "4.1 cheaper PIC", "@optimized-733 pic=cheap"},
                 {"ideal-nic", "4.3 idealized driver protocol", "@optimized-733 model=ideal"},
                 {"zero-copy", "4.4 no copy in the host", "@optimized-733 zero-copy=on"},
                 {"bypass", "4.5 bypass the host", "@optimized-733 bypass=on"},
                 {"native", NULL, "@native-733"},
                 {0}},
    .views = {{VIEW_RUNS,
               "On 100 Mb/s",
               {{"throughput_mbps", "throughput", 1},
                {"idle_percent", "idle", 1},
                {"vmm_percent", "VMM time", 1},
                {"switches_per_packet", "world switches", 2},
                {"virq_per_packet", "virtual IRQs", 2},
                {"pci_io_per_packet", "NIC accesses", 2},
                {"latency_us", "latency", 1},
                {0}}}},
    .expectations = {{"a cheaper PIC helps", "pic:idle_percent", IS_MORE, "optimized:idle_percent"},
                     {"an ideal NIC helps more", "ideal-nic:idle_percent", IS_MORE, "pic:idle_percent"},
                     {"no copy helps", "zero-copy:idle_percent", IS_MORE, "optimized:idle_percent"},
                     {"bypassing the host helps more than saving its copy", "bypass:idle_percent", IS_MORE,
                      "zero-copy:idle_percent"},
                     {0}},
};
