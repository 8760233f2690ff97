/* The -stats file. Every figure but the host's time is simulated and reproducible. */
#include "hostworld/lab.h"

#include "base/check.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

static const char *stop_name(enum vm_stop stop)
{
    static const char *const names[] = {
        [VM_STOP_LIMIT] = "limit",       [VM_STOP_POWER_OFF] = "power-off",   [VM_STOP_EXIT] = "exit",
        [VM_STOP_RESET] = "reset",       [VM_STOP_SHUTDOWN] = "triple-fault", [VM_STOP_DEAD] = "halted",
        [VM_STOP_ASKED] = "interrupted",
    };
    return names[stop];
}

static json_t *layers_json(const struct host *host)
{
    const struct recorder *recorder = host->recorder;
    json_t *layers = json_object();
    for (int i = 0; i < LAYER_COUNT; i++)
        json_object_set_new(layers, layer_name((enum layer)i),
                            json_integer((json_int_t)(recorder_layer_total(recorder, (enum layer)i) /
                                                      host->ticks_per_cycle)));
    return layers;
}

static json_t *total_json(struct step_total total, uint64_t ticks_per_cycle)
{
    return json_pack("{s:I, s:I}", "count", (json_int_t)total.count, "cycles",
                     (json_int_t)(total.ticks / ticks_per_cycle));
}

/* Steps that differ only in the category they are counted in share a name: they are one entry here. */
static json_t *steps_json(const struct host *host)
{
    const struct recorder *recorder = host->recorder;
    json_t *steps = json_object();
    for (unsigned i = 0; i < recorder_step_count(recorder); i++) {
        struct step_total total = recorder_total(recorder, i);
        const char *name = recorder_step(recorder, i)->name;
        json_t *same = json_object_get(steps, name);
        if (same != NULL) {
            total.count += (uint64_t)json_integer_value(json_object_get(same, "count"));
            total.ticks +=
                (uint64_t)json_integer_value(json_object_get(same, "cycles")) * host->ticks_per_cycle;
        }
        if (total.count || total.ticks)
            json_object_set_new(steps, name, total_json(total, host->ticks_per_cycle));
    }
    return steps;
}

static json_t *exits_json(const struct host *host)
{
    const struct recorder *recorder = host->recorder;
    json_t *exits = json_object();
    for (unsigned i = 0; i < VM_EXIT_COUNT; i++) {
        struct step_total total = recorder_exit_total(recorder, i);
        if (total.count)
            json_object_set_new(exits, vm_exit_names[i], total_json(total, host->ticks_per_cycle));
    }
    return exits;
}

static json_t *caches_json(const struct timing *timing)
{
    const struct timing_spent *spent = &timing->spent;
    const struct predictor_counts *branches = &timing->predictor.count;
    json_t *caches = json_object();
    for (unsigned n = 0; n < LEVEL_COUNT; n++)
        json_object_set_new(caches, hierarchy_level_name((enum hierarchy_level)n),
                            json_pack("{s:I, s:I}", "hits", (json_int_t)timing->hierarchy.count[n].hits,
                                      "misses", (json_int_t)timing->hierarchy.count[n].misses));
    json_object_set_new(caches, "branches",
                        json_pack("{s:I, s:I, s:I, s:I}", "mispredicted", (json_int_t)branches->mispredicted,
                                  "mispredicted_indirect", (json_int_t)branches->indirect,
                                  "mispredicted_returns", (json_int_t)branches->returns, "decoded",
                                  (json_int_t)branches->decoded));
    json_object_set_new(caches, "cycles",
                        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "fetch", (json_int_t)spent->fetch, "load",
                                  (json_int_t)spent->load, "store", (json_int_t)spent->store, "fetch_walk",
                                  (json_int_t)spent->fetch_walk, "data_walk", (json_int_t)spent->data_walk,
                                  "branch", (json_int_t)spent->branch));
    return caches;
}

/* Only of a counterfactual replay, so that an exact one says what the recorded run said. */
static void put_replay(const struct lab *lab, unsigned host, json_t *stats)
{
    const char *text = lab_counterfactual(lab);
    struct inputs_counts counts = lab_inputs(lab, host);
    if (text != NULL)
        json_object_set_new(stats, "counterfactual",
                            json_pack("{s:s, s:I, s:I, s:I}", "changed", text, "inputs",
                                      (json_int_t)counts.all, "given", (json_int_t)counts.given, "impatient",
                                      (json_int_t)counts.impatient));
}

static json_t *host_json(struct host *host, struct vm *vm, const char *end, double host_seconds)
{
    char hash[32];
    snprintf(hash, sizeof hash, "%016" PRIx64, vm_state_hash(vm));
    json_t *stats = json_pack(
        "{s:I, s:I, s:s, s:s, s:f, s:f, s:o, s:o, s:o}", "cycles", (json_int_t)host_now(host), "instructions",
        (json_int_t)host->cpu->s.instructions, "state_hash", hash, "end", end, "simulated_seconds",
        (double)host_now(host) / (double)host->hz, "host_seconds", host_seconds, "layers", layers_json(host),
        "exits", exits_json(host), "steps", steps_json(host));
    if (host->cpu->timing != NULL)
        json_object_set_new(stats, "caches", caches_json(host->cpu->timing));
    return stats;
}

static json_t *losses_json(struct lab_losses losses)
{
    return json_pack("{s:I, s:I, s:I, s:I}", "host_nic", (json_int_t)losses.host_nic, "vmnet",
                     (json_int_t)losses.vmnet, "guest_nic", (json_int_t)losses.guest_nic, "device_queue",
                     (json_int_t)losses.device_queue);
}

static char *to_text(json_t *stats)
{
    char *text = json_dumps(stats, JSON_INDENT(2));
    json_decref(stats);
    CHECK(text != NULL);
    return text;
}

char *lab_stats(struct lab *lab, enum vm_stop stop, double host_seconds)
{
    json_t *stats = host_json(lab_host(lab), lab_vm(lab), stop_name(stop), host_seconds);
    const struct peer_counters *peer = lab_peer_counters(lab);
    put_replay(lab, 0, stats);
    json_object_set_new(stats, "frames_lost", losses_json(lab_losses(lab, 0)));
    if (peer != NULL)
        json_object_set_new(stats, "peer",
                            json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "frames_in",
                                      (json_int_t)peer->frames_in, "frames_out", (json_int_t)peer->frames_out,
                                      "bad_frames", (json_int_t)peer->bad_frames, "lost",
                                      (json_int_t)peer->lost, "tcp_bytes_in", (json_int_t)peer->tcp_bytes_in,
                                      "tcp_bytes_out", (json_int_t)peer->tcp_bytes_out, "out_of_order",
                                      (json_int_t)peer->out_of_order, "retransmits",
                                      (json_int_t)peer->retransmits, "recoveries",
                                      (json_int_t)peer->recoveries, "timeouts", (json_int_t)peer->timeouts));
    return to_text(stats);
}

char *lab_second_stats(struct lab *lab, double host_seconds)
{
    struct lab_second second = lab_second(lab);
    json_t *stats =
        host_json(second.host, second.vm, second.ended ? stop_name(second.stop) : "running", host_seconds);
    put_replay(lab, 1, stats);
    json_object_set_new(stats, "frames_lost", losses_json(lab_losses(lab, 1)));
    return to_text(stats);
}
