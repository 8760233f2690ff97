/* Small packets: the costs of a visit are per packet, not per byte. Datagrams, so that nothing comes back. */
#include "tools/laboratory/experiment.h"

const struct experiment experiment_packet_size = {
    .title = "What does a packet cost, whatever its size?",
    .expects =
        "Throughput in proportion to the size, until the link is full: a VM's time per packet is nearly the "
        "same for 18 and for 1472 bytes, as only two copies and the DMA depend on it.",
    .base = "mode=udp total=512k",
    .variants = {{"native-733", NULL, "@native-733"},
                 {"2.0-733", NULL, "@2.0-733"},
                 {"optimized-733", NULL, "@optimized-733"},
                 {0}},
    .vary = {"write=32,64,128,256,512,1024,1472"},
    .views = {{VIEW_PIVOT, "Throughput by datagram size", {{"throughput_mbps", "", 2}, {0}}, "write"},
              {VIEW_PIVOT, "Time per packet", {{"packet_us", "", 2}, {0}}, "write"},
              {VIEW_PIVOT, "Idle", {{"idle_percent", "", 1}, {0}}, "write"}},
    .expectations = {{"a small packet costs version 2.0 at least 80 % of a large one",
                      "2.0-733/write=32:packet_us", IS_MORE, "100"},
                     {"large datagrams fill the link when native", "native-733/write=1472:throughput_mbps",
                      IS_ABOUT, "95.7"},
                     {0}},
};
