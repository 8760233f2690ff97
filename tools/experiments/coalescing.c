/* Interrupt coalescing in the host's NIC, which cards of the time began to have and S01 does not consider:
 * one interrupt for several frames, or when the first of fewer has waited for 1 ms. */
#include "tools/laboratory/experiment.h"

const struct experiment experiment_coalescing = {
    .title = "Would a NIC that coalesces interrupts have done what the optimizations do?",
    .expects =
        "For version 2.0 a little: of its twelve world switches per packet only those for interrupts in the VMM "
        "world become fewer. For the optimized version more, as these are most of what it has left. Receiving "
        "gains most: every interrupt there brings a switch, a select() and an interrupt of the guest.",
    .variants = {{"2.0-733", NULL, "@2.0-733"},
                 {"optimized-733", NULL, "@optimized-733"},
                 {"2.0-733-receive", "VM/PC-733, version 2.0, receiving", "@2.0-733 mode=recv"},
                 {"optimized-733-receive", "VM/PC-733, optimized, receiving", "@optimized-733 mode=recv"},
                 {0}},
    .vary = {"coalesce=1,2,4,8,16"},
    .views =
        {{VIEW_PIVOT, "Throughput by frames per interrupt", {{"throughput_mbps", "", 1}, {0}}, "coalesce"},
         {VIEW_PIVOT, "Idle", {{"idle_percent", "", 1}, {0}}, "coalesce"},
         {VIEW_PIVOT, "Host interrupts", {{"count_per_packet.nic.irq", "", 2}, {0}}, "coalesce"},
         {VIEW_PIVOT, "World switches", {{"switches_per_packet", "", 2}, {0}}, "coalesce"}},
    .expectations = {{"interrupts become fewer", "optimized-733/coalesce=8:count_per_packet.nic.irq", IS_LESS,
                      "optimized-733/coalesce=1:count_per_packet.nic.irq"},
                     {"the optimized version has more idle time", "optimized-733/coalesce=8:idle_percent",
                      IS_MORE, "optimized-733/coalesce=1:idle_percent"},
                     {"receiving gains more than sending", "2.0-733-receive/coalesce=8:throughput_mbps",
                      IS_MORE, "2.0-733/coalesce=8:throughput_mbps"},
                     {"version 2.0 with it is still slower than optimized without",
                      "2.0-733/coalesce=8:throughput_mbps", IS_LESS,
                      "optimized-733/coalesce=1:throughput_mbps"},
                     {0}},
};
