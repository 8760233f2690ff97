/* A lab: one run. Hosts, the wire and what is on it, under one order of events (contracts E1, E2, E5).
 *
 *     host with its VM ---- wire ---- simulated peer (hostworld/peer.h)
 *     host with its VM ---- wire ---- another host with its VM
 *
 * The run is the first host's: it ends when that one's guest does. Everything hangs off struct lab; two labs
 * in one process do not know of each other. */
#ifndef CROSSPAGE_HOSTWORLD_LAB_H
#define CROSSPAGE_HOSTWORLD_LAB_H

#include "hostworld/inputs.h"
#include "hostworld/hosted.h"
#include "hostworld/net_user.h"
#include "hostworld/peer.h"
#include "vmm/vm.h"

enum { LAB_OVERRIDES = 64 };

enum nic_model { NIC_PCNET, NIC_IDEAL };

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
    bool caches;          /* -timing cache */
    uint64_t random_seed; /* of the guest's RDRAND and RDSEED */
    bool translate;       /* by `translator`, else interpret */
    struct translator_config translator;
    bool nic; /* on the wire to the peer */
    enum nic_model nic_model;
    uint8_t nic_mac[6];
    uint64_t wire_bits_per_second, wire_delay_ns;
    unsigned coalesce_frames; /* of the host's NIC (hosted.h); 1: an interrupt per frame */
    uint64_t coalesce_ns;
    enum host_nic_sent sent;
    struct peer_config peer;
    bool user;                           /* the real network at the far end, in place of the peer: */
    struct net_user_config user_network; /* queue and log are the lab's */
    const char *trace, *pcap;            /* files to write, or NULL */
    struct probe_config probe;
    /* A second PC at the far end of the wire, in place of the peer; NULL: the peer. Wire, peer, capture and
     * polling are the first's. */
    const struct lab_config *other;
    const char *command_line; /* for the trace header */
    struct log *log;          /* may be NULL */
    /* Called for each host every `poll_ms` of its simulated time (input, progress), and sooner while it
     * returns true: input waits for a port that takes one character at a time. Must not change the simulation
     * unless there is input. */
    bool (*poll)(void *ctx, unsigned host);
    void *poll_ctx;
    unsigned poll_ms;
    /* Inputs of all hosts (hostworld/inputs.h); the first host's. At most one of the two. */
    struct recording_writer *record; /* begun and ended by its owner */
    const struct recording *replay;
    enum replay_rule replay_rule;
    const char
        *counterfactual; /* what a counterfactual replay has otherwise, for the trace header, or NULL */
};

struct lab;

void lab_config_default(struct lab_config *config);
enum status lab_create(struct lab **lab, const struct lab_config *config, struct error *err) MUST_CHECK;
/* Finishes trace and capture; reports what could not be written. The lab is gone in any case. */
enum status lab_destroy(struct lab *lab, struct error *err) MUST_CHECK;

/* Run until `limit` cycles (UINT64_MAX: until the guest ends). */
enum vm_stop lab_run(struct lab *lab, cycle_t limit);
/* There are no more runs: a second host, which may stand in the middle of something, goes on to its next
 * instruction boundary. There its time ends in its trace, and so in its statistics. */
void lab_end(struct lab *lab);

/* The user ends the run: at the next instruction boundary. From `poll`. */
void lab_ask_stop(struct lab *lab);

/* Ticks per second of all hosts; how many there are; a replay's inputs. */
uint64_t lab_tick_hz(const struct lab *lab);
unsigned lab_host_count(const struct lab *lab);
struct inputs_counts lab_inputs(const struct lab *lab, unsigned host);
const char *lab_counterfactual(const struct lab *lab); /* of the configuration */

struct vm *lab_vm(struct lab *lab);
struct host *lab_host(struct lab *lab);
const struct peer_counters *lab_peer_counters(const struct lab *lab); /* NULL without NIC */

/* Frames that did not get through a host, by where. Those for the guest: no buffer of the host's NIC, no room
 * in VMNet's queue, no descriptor of the guest's NIC; those of the guest: no room in the host's device queue.
 */
struct lab_losses {
    uint64_t host_nic, vmnet, guest_nic, device_queue;
};
struct lab_losses lab_losses(const struct lab *lab, unsigned host);

/* The second PC; vm NULL without one. When the run ends it stands where it last waited for the first. */
struct lab_second {
    struct vm *vm;
    struct host *host;
    bool ended; /* its guest, as `stop` says */
    enum vm_stop stop;
};
struct lab_second lab_second(struct lab *lab);

/* The -stats file: cycles, instructions, state_hash, times, exits and time by layer, step and cause, as JSON
 * text for the caller to free. */
char *lab_stats(struct lab *lab, enum vm_stop stop, double host_seconds);
/* The same of the second PC. */
char *lab_second_stats(struct lab *lab, double host_seconds);

#endif
