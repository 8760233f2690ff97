/* S01 Table 2: CPU time by category with all three optimizations. As there, a guest that halts waits in the
 * VMM. */
#include "tools/laboratory/experiment.h"

const struct experiment experiment_table2 = {
    .title = "What does the CPU do while the optimized version transmits?",
    .expects =
        "The link is full and the CPU idle part of the time; accesses that switch worlds are rare; sending via "
        "the VMNet is the largest share of the host's time.",
    .variants = {{"optimized", NULL, "@optimized-733 halt=spin"}, {0}},
    .views = {{VIEW_METRICS,
               "Shares of all time",
               {{"table2_vmm_percent", "VMM time", 2},
                {"table2_percent.VMNET_TX", "Transmitting via the VMNet", 2},
                {"table2_us.VMNET_TX", "    average", 2},
                {"table2_percent.VMNET_RX", "Receiving via the VMNet", 2},
                {"table2_us.VMNET_RX", "    average", 2},
                {"table2_percent.LANCE_TX", "Emulating the Lance transmit path", 2},
                {"table2_us.LANCE_TX", "    average", 2},
                {"table2_percent.HOST", "(other work of the host)", 2},
                {0}}},
              {VIEW_METRICS,
               "Inside VMM time: shares of VMM time",
               {{"table2_percent.IDLE", "Guest idle", 2},
                {"table2_percent.GUEST", "Instructions not requiring virtualization", 2},
                {"table2_percent.GUEST_SWITCH", "Guest context switches", 2},
                {"table2_percent.IDLE_IRQ", "Host IRQ processing while guest idle", 2},
                {"table2_percent.PRIVILEGED", "Virtualizing privileged instructions", 2},
                {"table2_percent.PIC", "IN/OUTs to the PIC", 2},
                {"table2_us.PIC", "    average", 2},
                {"table2_percent.VIRQ", "Virtualization overheads of guest IRQs", 2},
                {"table2_percent.LANCE_CSR", "IN/OUTs to the Lance status register", 2},
                {"table2_us.LANCE_CSR", "    average", 2},
                {"table2_percent.TRANSITION", "Transitioning to/from virtualization code", 2},
                {"table2_percent.LANCE_SWITCH", "IN/OUTs to the Lance that world switch", 2},
                {"table2_percent.SWITCH", "(world switches)", 2},
                {"table2_percent.OTHER", "(what the paper does not list)", 2},
                {0}}}},
    .expectations = {{"the CPU is idle part of the time", "optimized:idle_percent", IS_MORE, "1"},
                     {"accesses that switch are rare", "optimized:table2_percent.LANCE_SWITCH", IS_LESS, "2"},
                     {"sending via the VMNet is most of the host's time", "optimized:table2_percent.VMNET_TX",
                      IS_MORE, "optimized:table2_percent.VMNET_RX + table2_percent.LANCE_TX"},
                     {0}},
};
