/* What a guest does to send and to receive a packet: for comparing guests (-guest linux; docs/results.md).
 * S01's optimizations remove what its guest did; another guest may do something else. */
#include "tools/laboratory/experiment.h"

#define COUNTS                                                                                               \
    {"read_per_packet.nic-data", "NIC data port, reads", 2},                                                 \
        {"write_per_packet.nic-data", "NIC data port, writes", 2},                                           \
        {"write_per_packet.nic-address + write_per_packet.nic-address32", "NIC address port, writes", 2},    \
        {"virq_per_packet", "interrupts taken", 2},                                                          \
        {"write_per_packet.apic-eoi", "APIC, ends of interrupt", 2},                                         \
        {"read_per_packet.apic-other", "APIC, other reads", 2},                                              \
        {"write_per_packet.apic-timer", "APIC timer set", 3},                                                \
        {"read_per_packet.pic + read_per_packet.pic2", "PIC, reads", 2},                                     \
        {"write_per_packet.pic + write_per_packet.pic2", "PIC, writes", 2},

const struct experiment experiment_guest = {
    .title = "What does the guest do to its devices and its processor for a packet?",
    .expects =
        "The embedded guest does what S01 counts: twelve accesses to the Lance and one interrupt per packet. A "
        "later kernel accesses other registers, masks the card's interrupts while it polls, and uses the local "
        "APIC instead of the PIC.",
    .base = TEST_BED_733,
    .variants = {{"native-733", NULL, "@native-733"},
                 {"2.0-733", NULL, "@2.0-733"},
                 {"optimized-733", NULL, "@optimized-733"},
                 {"native-733-recv", "PC-733, receiving", "@native-733 mode=recv"},
                 {"2.0-733-recv", "version 2.0, receiving", "@2.0-733 mode=recv"},
                 {"optimized-733-recv", "optimized, receiving", "@optimized-733 mode=recv"},
                 {0}},
    .views = {{VIEW_METRICS,
               "The transfer",
               {{"throughput_mbps", "throughput", 1},
                {"idle_percent", "idle", 1},
                {"frame_bytes", "bytes of a data frame", 0},
                {"packet_us", "per packet", 1},
                {"step_us.guest.kernel", "guest's kernel", 1},
                {"step_us.guest.user", "guest's program", 1},
                {"vmm_percent", "VMM time", 1},
                {"switches_per_packet", "world switches", 2},
                {"latency_us", "latency", 1},
                {0}}},
              {VIEW_METRICS, "Devices, per packet", {COUNTS{0}}},
              {VIEW_METRICS,
               "Processor, per packet (what the monitor sees)",
               {{"exit_per_packet.CLI", "CLI", 2},
                {"exit_per_packet.STI", "STI", 2},
                {"exit_per_packet.PUSHF", "PUSHF", 2},
                {"exit_per_packet.POPF", "POPF", 2},
                {"exit_per_packet.IRET", "IRET", 2},
                {"exit_per_packet.SEGMENT_LOAD", "loads of segment registers", 2},
                {"exit_per_packet.TSC", "RDTSC", 2},
                {"exit_per_packet.SYSRET", "returns from a system call", 2},
                {"exit_per_packet.HLT", "HLT", 3},
                {"exit_per_packet.CR_WRITE", "control registers written", 3},
                {"exit_per_packet.HIDDEN_FAULT", "hidden page faults", 3},
                {"count_per_packet.host.tick", "host's timer ticks", 3},
                {0}}}},
    .expectations = {{"the guest runs longer for a packet than the program in it",
                      "2.0-733:step_us.guest.kernel", IS_MORE, "2.0-733:step_us.guest.user"},
                     {"optimized takes fewer interrupts than version 2.0", "optimized-733:virq_per_packet",
                      IS_LESS, "2.0-733:virq_per_packet"},
                     {0}},
};
