/* S01 Table 3: idle time while nettest transmits, with the optimizations taken away one by one. As there, a
 * guest that halts waits in the VMM for the next interrupt. The native run has the idealized NIC, which needs
 * about as few accesses as the paper's EtherExpress (docs/cost-model.md). */
#include "tools/laboratory/experiment.h"

const struct experiment experiment_table3 = {
    .title = "How much of the CPU does each optimization give back?",
    .expects =
        "Idle time grows with each one: 0, 2.0, 17.9, 21.7 % of the time, against 86 % on the machine itself. "
        "I/O in the VMM alone gets from the CPU's limit to the link's; send combining gives most idle time.",
    .base = TEST_BED_733,
    .variants = {{"native", NULL, "@native-733 model=ideal"},
                 {"optimized", NULL, "@optimized-733 halt=spin"},
                 {"no-irq-notify", "optimized without IRQ notification",
                  "@optimized-733 irq-notify=off halt=spin"},
                 {"io-in-vmm", "only I/O ports in the VMM", "@2.0-733 io-in-vmm=on halt=spin"},
                 {"2.0", NULL, "@2.0-733 halt=spin"},
                 {0}},
    .views = {{VIEW_RUNS,
               "Idle time",
               {{"idle_percent", "idle", 1},
                {"throughput_mbps", "throughput", 1},
                {"packet_us", "per packet", 1},
                {"switches_per_packet", "world switches", 2},
                {"virq_per_packet", "virtual IRQs", 2},
                {0}}}},
    .expectations = {{"native is idle most", "native:idle_percent", IS_MORE, "optimized:idle_percent"},
                     {"IRQ notification helps", "optimized:idle_percent", IS_MORE,
                      "no-irq-notify:idle_percent"},
                     {"send combining helps", "no-irq-notify:idle_percent", IS_MORE,
                      "io-in-vmm:idle_percent"},
                     {"I/O in the VMM helps", "io-in-vmm:throughput_mbps", IS_MORE, "2.0:throughput_mbps"},
                     {0}},
};
