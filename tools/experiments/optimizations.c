/* The three optimizations of S01 section 3.3, each on and off: all eight combinations, of which the paper has
 * four (Table 3). */
#include "tools/laboratory/experiment.h"

const struct experiment experiment_optimizations = {
    .title = "Which optimization gains what, alone and together?",
    .expects =
        "I/O in the VMM gains most, as it removes four of five world switches per packet. Send combining "
        "shares the fifth one among packets; without I/O in the VMM it gains little. IRQ notification gains "
        "a little on top of each.",
    .base = TEST_BED_733,
    .variants = {{"vm", "VM/PC-733", "@2.0-733"}, {0}},
    .vary = {"io-in-vmm=off,on", "send-combining=off,on", "irq-notify=off,on"},
    .views = {{VIEW_RUNS,
               "All combinations",
               {{"throughput_mbps", "throughput", 1},
                {"idle_percent", "idle", 1},
                {"packet_us", "per packet", 1},
                {"vmm_percent", "VMM time", 1},
                {"switches_per_packet", "world switches", 2},
                {"virq_per_packet", "virtual IRQs", 2},
                {0}}}},
    .expectations = {{"I/O in the VMM gains throughput",
                      "vm/io-in-vmm=on/send-combining=off/irq-notify=off:throughput_mbps", IS_MORE,
                      "vm/io-in-vmm=off/send-combining=off/irq-notify=off:throughput_mbps"},
                     {"together they leave the CPU more idle than the first alone",
                      "vm/io-in-vmm=on/send-combining=on/irq-notify=on:idle_percent", IS_MORE,
                      "vm/io-in-vmm=on/send-combining=off/irq-notify=off:idle_percent"},
                     {"world switches fall to a third or less",
                      "vm/io-in-vmm=on/send-combining=on/irq-notify=on:switches_per_packet", IS_LESS, "3.7"},
                     {0}},
};
