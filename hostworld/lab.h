/* A lab: one run. Hosts, wires and what is on them, under one order of events (contracts E1, E2, E5).
 *
 * Today a lab has one host with one VM, whose NIC is connected by a wire to a peer:
 *
 *     none          virtual NIC ------------------------------------------ wire -- peer
 *     workstation   virtual NIC -- VMNet bridge -- host NIC (driver, DMA) -- wire -- peer
 *
 * Everything hangs off struct lab; two labs in one process do not know of each other. */
#ifndef CROSSPAGE_HOSTWORLD_LAB_H
#define CROSSPAGE_HOSTWORLD_LAB_H

#include "hostworld/peer.h"
#include "vmm/vm.h"

enum { LAB_OVERRIDES = 64 };

struct lab_config {
    const char *profile;
    const char *overrides[LAB_OVERRIDES]; /* -cost, in order */
    unsigned override_count;
    const char *cpu_model;  /* NULL: the profile's */
    const char *hypervisor; /* "none" */
    const char *hypervisor_options;
    const char *kernel, *initrd, *cmdline;
    struct board_config board;
    bool no_reboot, fast_paths;
    uint64_t random_seed; /* of the guest's RDRAND and RDSEED */
    bool translate;       /* by `translator`, else interpret */
    struct translator_config translator;
    bool nic; /* a PCnet, on the wire to the peer */
    uint8_t nic_mac[6];
    uint64_t wire_bits_per_second, wire_delay_ns;
    struct peer_config peer;
    const char *trace, *pcap; /* files to write, or NULL */
    const char *command_line; /* for the trace header */
    struct log *log;          /* may be NULL */
    /* Called every `poll_ms` of simulated time (input, progress), and sooner while it returns true: input
     * waits for a port that takes one character at a time. Must not change the simulation unless there is
     * input. */
    bool (*poll)(void *ctx);
    void *poll_ctx;
    unsigned poll_ms;
};

struct lab;

void lab_config_default(struct lab_config *config);
enum status lab_create(struct lab **lab, const struct lab_config *config, struct error *err) MUST_CHECK;
/* Finishes trace and capture; reports what could not be written. The lab is gone in any case. */
enum status lab_destroy(struct lab *lab, struct error *err) MUST_CHECK;

/* Run until `limit` cycles (UINT64_MAX: until the guest ends). */
enum vm_stop lab_run(struct lab *lab, cycle_t limit);

struct vm *lab_vm(struct lab *lab);
struct host *lab_host(struct lab *lab);
const struct peer_counters *lab_peer_counters(const struct lab *lab); /* NULL without NIC */

/* The -stats file: cycles, instructions, state_hash, times, exits and time by layer, step and cause, as JSON
 * text for the caller to free. */
char *lab_stats(struct lab *lab, enum vm_stop stop, double host_seconds);

#endif
