/* Small packets: the costs of a visit are per packet, not per byte. Datagrams, so that nothing comes back; on
 * 1 Gb/s, so that the link is never the bottleneck and no queue before it overflows. */
#include "tools/laboratory/experiment.h"

const struct experiment experiment_packet_size = {
    .title = "What does a packet cost, whatever its size?",
    .expects =
        "Throughput in proportion to the size: the CPU's time per packet is nearly the same for 32 and for "
        "1472 bytes, as only the copies depend on it.",
    .base = "mode=udp total=512k rate=1000",
    .variants = {{"native-733", NULL, "@native-733"},
                 {"2.0-733", NULL, "@2.0-733"},
                 {"optimized-733", NULL, "@optimized-733"},
                 {0}},
    .vary = {"write=32,64,128,256,512,1024,1472"},
    .views = {{VIEW_PIVOT, "Throughput by datagram size", {{"throughput_mbps", "", 2}, {0}}, "write"},
              {VIEW_PIVOT, "Time per packet", {{"packet_us", "", 2}, {0}}, "write"},
              {VIEW_PIVOT, "Idle", {{"idle_percent", "", 1}, {0}}, "write"}},
    .expectations = {{"a small packet costs version 2.0 at least 80 % of a large one",
                      "2.0-733/write=32:packet_us", IS_MORE, "120"},
                     {"native, bytes matter more", "native-733/write=1472:packet_us", IS_MORE, "12"},
                     {"optimized is cheaper at any size", "optimized-733/write=32:packet_us", IS_LESS,
                      "2.0-733/write=32:packet_us"},
                     {0}},
};
