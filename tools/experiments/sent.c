/* When the host's NIC says that a frame is sent. S01 has one interrupt per packet sent; the EtherExpress of
 * its test bed, an Intel 8255x, says so when it has fetched the frame, and as Linux 2.2 drives it only when
 * there is no other to fetch (hostworld/hosted.h). docs/validation.md discusses what hangs on it. */
#include "tools/laboratory/experiment.h"

const struct experiment experiment_sent = {
    .title = "How much hangs on when the host's NIC interrupts for a frame sent?",
    .expects =
        "On a full link there is always another frame to fetch, so with `drained` only acknowledgements "
        "interrupt: fewer world switches and virtual interrupts, more idle time. Version 2.0, which leaves the "
        "link idle between frames, has its interrupt for each in any case.",
    .base = TEST_BED_733,
    .variants = {{"optimized", NULL, "@optimized-733 halt=spin"},
                 {"no-irq-notify", "optimized without IRQ notification",
                  "@optimized-733 irq-notify=off halt=spin"},
                 {"io-in-vmm", "only I/O ports in the VMM", "@2.0-733 io-in-vmm=on halt=spin"},
                 {"2.0", NULL, "@2.0-733 halt=spin"},
                 {0}},
    .vary = {"sent=left,fetched,drained"},
    .views = {{VIEW_RUNS,
               "By the moment of the interrupt",
               {{"throughput_mbps", "throughput", 1},
                {"idle_percent", "idle", 1},
                {"table2_vmm_percent", "VMM time", 1},
                {"table2_percent.IDLE_IRQ", "IRQs while idle", 1},
                {"table2_percent.PRIVILEGED", "privileged", 1},
                {"table2_percent.PIC", "PIC", 1},
                {"table2_us.VMNET_TX", "VMNet transmit", 1},
                {"switches_per_packet", "world switches", 2},
                {"virq_per_packet", "virtual IRQs", 2},
                {0}}}},
    .expectations = {{"fewer interrupts on a full link", "optimized/sent=drained:virq_per_packet", IS_LESS,
                      "optimized/sent=left:virq_per_packet"},
                     {"more idle time", "optimized/sent=drained:idle_percent", IS_MORE,
                      "optimized/sent=left:idle_percent"},
                     {0}},
};
