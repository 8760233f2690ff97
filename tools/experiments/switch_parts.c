/* What a world switch is made of: the parts of vmm/cost.def's list, and how far they explain the one figure
 * that S01 publishes, 4.45 us each way. Where the profile has a constant for the misses that a switch leaves
 * behind, modelled caches say what they come to. */
#include "tools/laboratory/experiment.h"

#define MUST                                                                                                 \
    "switch_us.switch.if + switch_us.switch.code + switch_us.switch.save + switch_us.switch.fpu + "          \
    "switch_us.switch.debug + switch_us.switch.control + switch_us.switch.cross + switch_us.switch.cr3 + "   \
    "switch_us.switch.tables + switch_us.switch.segments + switch_us.switch.restore"
#define REFILLS "switch_us.switch.tlb-refill + switch_us.switch.cache-refill"

const struct experiment experiment_switch_parts = {
    .title = "What is a world switch made of?",
    .expects =
        "The state that has to be saved and restored, at the prices of its instructions, and the refill of TLBs "
        "and caches come to about half of the published 4.45 us; the other half is unexplained. Modelled caches "
        "find all of the TLB to refill, but hardly a line: guest, monitor and host of these runs fit into the "
        "first level together. So they find the guest less cold after a switch than is assumed without them.",
    .variants = {{"table", "VM/PC-733, prices by table", "@2.0-733"},
                 {"caches", "VM/PC-733, modelled caches", "@2.0-733 timing=cache"},
                 {"caches-350", "VM/PC-350, modelled caches", "@2.0-350 timing=cache"},
                 {0}},
    .views = {{VIEW_METRICS,
               "The parts of a world switch, each way",
               {{"switch_us.switch.if", "interrupt flag", 2},
                {"switch_us.switch.code", "the routine's own instructions", 2},
                {"switch_us.switch.save", "registers of the world left", 2},
                {"switch_us.switch.fpu", "FPU state", 2},
                {"switch_us.switch.debug", "debug registers", 2},
                {"switch_us.switch.control", "control registers", 2},
                {"switch_us.switch.cross", "jumps through the cross page", 2},
                {"switch_us.switch.cr3", "load of CR3", 2},
                {"switch_us.switch.tables", "descriptor tables", 2},
                {"switch_us.switch.segments", "segment registers", 2},
                {"switch_us.switch.restore", "registers of the world entered", 2},
                {MUST, "what must be done", 2},
                {"switch_us.switch.tlb-refill", "TLB refill", 2},
                {"switch_us.switch.cache-refill", "cache refill", 2},
                {"switch_us.switch.rest", "unexplained", 2},
                {"switch_us", "all (S01 Figure 5: 4.45)", 2},
                {0}}},
              {VIEW_METRICS,
               "What it does to the rest",
               {{"throughput_mbps", "throughput", 1},
                {"switches_per_packet", "world switches", 2},
                {"guest_us_per_switch", "guest's time per world switch", 2},
                {0}}}},
    .expectations = {{"the parts add up to the published figure", "table:switch_us", IS_ABOUT, "4.45"},
                     {"what must be done and the refills are less than all of it",
                      "table:" MUST " + " REFILLS, IS_LESS, "3"},
                     {"modelled caches have fewer lines to refill", "caches:switch_us.switch.cache-refill",
                      IS_LESS, "table:switch_us.switch.cache-refill"},
                     {"and leave the guest less cold", "caches:guest_us_per_switch", IS_LESS,
                      "table:guest_us_per_switch"},
                     {0}},
};
