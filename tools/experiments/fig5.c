/* S01 Figure 5: the time line of one OUT that transmits a packet, measured there with the time stamp counter.
 *
 * Ours is the visit of median length, so that no interrupt falls into it. The second run sends datagrams,
 * which have no acknowledgements: what the driver and the monitor do per packet can be counted. */
#include "tools/laboratory/experiment.h"

const struct experiment experiment_fig5 = {
    .title = "Where do 31.63 us go between a transmitting OUT and the next guest instruction?",
    .expects =
        "The published segments, since the costs were fitted to them; 17.55 us in the driver, 8.90 us in two "
        "world switches. Twelve I/O instructions and one interrupt per packet, five of them world switches.",
    .base = TEST_BED_733,
    .variants = {{"2.0", NULL, "@2.0-733"},
                 {"datagrams", "VM/PC-733, version 2.0, UDP", "@2.0-733 mode=udp write=1472"},
                 {0}},
    .views = {{VIEW_METRICS,
               "Time line of a transmitting OUT",
               {{"visit_us.out", "VMM: OUT processing", 2},
                {"visit_us.to-host", "world switch VMM -> host", 2},
                {"visit_us.before", "VMDriver and VMApp, before the system call", 2},
                {"visit_us.vmnet", "VMNet driver", 2},
                {"visit_us.after", "VMApp and VMDriver, after", 2},
                {"visit_us.to-vmm", "world switch host -> VMM", 2},
                {"visit_us.return", "VMM: return to the VM", 2},
                {"visit_us", "total", 2},
                {0}}},
              {VIEW_METRICS,
               "What happens per packet",
               {{"pci_io_per_packet", "I/O instructions, Lance", 2},
                {"count_per_packet.vmm.io-rap", "of these its address port, in the VMM", 2},
                {"count_per_packet.vmm.io-decode", "of these its data port, by world switch", 2},
                {"virq_per_packet", "virtual interrupts", 2},
                {"pic_io_per_packet", "I/O instructions, PIC", 2},
                {"switches_per_packet", "world switches (one way)", 2},
                {"receipt_us.queue", "in the NIC, before the wire", 2},
                {"receipt_us.wire", "on the wire", 2},
                {"latency_us", "OUT to the last bit at the other end", 2},
                {"latency_us.p99", "the same, 99 % of the packets within", 2},
                {0}}}},
    .expectations = {{"the driver takes most of it", "2.0:visit_us.vmnet", IS_MORE,
                      "2.0:visit_us.to-host + visit_us.to-vmm"},
                     {"twelve I/O instructions per packet", "datagrams:pci_io_per_packet", IS_ABOUT, "12"},
                     {"one interrupt per packet", "datagrams:virq_per_packet", IS_ABOUT, "1"},
                     {0}},
};
