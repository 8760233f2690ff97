/* S01 section 4: what the authors thought of next. The paper gives no measurements for these, with one
 * exception: not switching page tables for the idle task halves what the MMU's virtualization costs. A guest
 * that halts waits in the VMM, as in the paper's other profiles of the optimized version. */
#include "tools/laboratory/experiment.h"

const struct experiment experiment_section4 = {
    .title = "What would the further approaches of section 4 gain, on top of the optimized version?",
    .expects =
        "Cheaper PIC virtualization little (it is 2.5 % of VMM time). An ideal NIC much: one OUT instead of "
        "twelve accesses, no transmit interrupt. No copy into the sk_buff: several us per packet of host time. "
        "Bypassing the host most: no mandatory world switch.",
    .base = TEST_BED_733,
    .variants = {{"optimized", NULL, "@optimized-733 halt=spin"},
                 {"pic", "4.1 cheaper PIC", "@optimized-733 halt=spin pic=cheap"},
                 {"idle-cr3", "4.2 page tables kept when idle", "@optimized-733 halt=spin idle-cr3=keep"},
                 {"ideal-nic", "4.3 idealized driver protocol", "@optimized-733 halt=spin model=ideal"},
                 {"zero-copy", "4.4 no copy in the host", "@optimized-733 halt=spin zero-copy=on"},
                 {"bypass", "4.5 bypass the host", "@optimized-733 halt=spin bypass=on"},
                 {"together", "4.1 to 4.5 together",
                  "@optimized-733 halt=spin pic=cheap idle-cr3=keep model=ideal zero-copy=on bypass=on"},
                 {"native", NULL, "@native-733"},
                 {0}},
    .views = {{VIEW_RUNS,
               "On 100 Mb/s",
               {{"throughput_mbps", "throughput", 1},
                {"idle_percent", "idle", 1},
                {"vmm_percent", "VMM time", 1},
                {"table2_percent.GUEST_SWITCH", "page tables, of VMM time", 1},
                {"switches_per_packet", "world switches", 2},
                {"virq_per_packet", "virtual IRQs", 2},
                {"pci_io_per_packet", "NIC accesses", 2},
                {"latency_us", "latency", 1},
                {0}}}},
    .expectations = {{"a cheaper PIC helps", "pic:idle_percent", IS_MORE, "optimized:idle_percent"},
                     {"keeping page tables halves their switches", "idle-cr3:category_percent.GUEST_SWITCH",
                      IS_LESS, "optimized:category_percent.GUEST_SWITCH"},
                     {"an ideal NIC helps more", "ideal-nic:idle_percent", IS_MORE, "pic:idle_percent"},
                     {"no copy helps", "zero-copy:idle_percent", IS_MORE, "optimized:idle_percent"},
                     {"together they help most", "together:idle_percent", IS_MORE, "bypass:idle_percent"},
                     {"bypassing the host helps more than saving its copy", "bypass:idle_percent", IS_MORE,
                      "zero-copy:idle_percent"},
                     {0}},
};
