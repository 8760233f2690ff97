/* The two options around a run (run_replay.h). That a run is counterfactual is said whatever -quiet says: its
 * numbers are of no run that ever was. */
#include "tools/run_replay.h"

#include "base/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void get_ends(struct lab *lab, enum vm_stop stop, struct recording_end end[RECORDING_HOSTS])
{
    struct lab_second second = lab_second(lab);
    struct vm *const vms[] = {lab_vm(lab), second.vm};
    struct host *const hosts[] = {lab_host(lab), second.host};
    for (unsigned i = 0; i < lab_host_count(lab); i++)
        end[i] = (struct recording_end){.stop = i == 0 ? (unsigned)stop : 0,
                                        .cycles = host_now(hosts[i]),
                                        .instructions = hosts[i]->cpu->s.instructions,
                                        .state_hash = vm_state_hash(vms[i])};
}

/* ---- Recording ---- */

enum status run_record_open(struct run_record *record, struct run_options *const *options, unsigned hosts,
                            const struct words_of_run *words, const char *command_line, struct error *err)
{
    struct words_of_run rest = recorded_run_without_record(words);
    enum status status = recorded_run_describe(options, hosts, &rest, command_line, &record->run, err);
    free(rest.word);
    if (status == STATUS_OK)
        status = recording_create(&record->writer, options[0]->record, err);
    options[0]->lab.record = record->writer;
    return status;
}

void run_record_begin(const struct run_record *record, const struct lab *lab)
{
    if (record->writer == NULL)
        return;
    char *header = json_dumps(record->run, JSON_COMPACT);
    CHECK(header != NULL);
    recording_begin(record->writer, header, lab_tick_hz(lab), lab_host_count(lab));
    free(header);
}

void run_record_finish(const struct run_record *record, struct lab *lab, enum vm_stop stop)
{
    struct recording_end end[RECORDING_HOSTS] = {0};
    if (record->writer == NULL)
        return;
    get_ends(lab, stop, end);
    recording_finish(record->writer, end);
}

enum status run_record_close(struct run_record *record, struct error *err)
{
    json_decref(record->run);
    return recording_close(record->writer, err);
}

/* ---- Replaying ---- */

/* FILE[,inputs=answer|time]; other commas are the name's. */
static enum status parse_spec(struct run_replay *replay, const char *spec, struct error *err)
{
    static const char property[] = ",inputs=";
    const char *rule = strstr(spec, property);
    size_t length = rule != NULL ? (size_t)(rule - spec) : strlen(spec);
    if (length == 0 || length >= sizeof replay->path)
        return status_fail(err, STATUS_BAD_INPUT, "-replay needs a file");
    memcpy(replay->path, spec, length);
    if (rule == NULL)
        return STATUS_OK;
    rule += sizeof property - 1;
    replay->inputs_by_time = strcmp(rule, "time") == 0;
    return replay->inputs_by_time || strcmp(rule, "answer") == 0
               ? STATUS_OK
               : status_fail(err, STATUS_BAD_INPUT, "-replay inputs=%s: known are answer and time", rule);
}

enum status run_replay_open(struct run_replay *replay, const char *spec, const struct words_of_run *given,
                            struct error *err)
{
    TRY(parse_spec(replay, spec, err));
    TRY(recording_load(&replay->recording, replay->path, err));
    TRY(recorded_run_parse(&replay->recording, replay->path, &replay->recorded, err));
    return recorded_run_words(replay->recorded, given, &replay->words, err);
}

static void announce(const struct run_replay *replay)
{
    fprintf(stderr, "crosspage: COUNTERFACTUAL replay of '%s': %s\n", replay->path, replay->counterfactual);
    fprintf(stderr, "crosspage: COUNTERFACTUAL: each input comes %s\n",
            replay->inputs_by_time
                ? "at its recorded simulated time (inputs=time)"
                : "as long after what the guest sent before it as it did in the recording (inputs=answer)");
}

enum status run_replay_start(struct run_replay *replay, struct run_options *const *options, unsigned hosts,
                             const char **command_line, struct error *err)
{
    json_t *now;
    TRY(recorded_run_describe(options, hosts, &replay->words, "", &now, err));
    enum status status =
        recorded_run_compare(replay->recorded, now, replay->path, &replay->counterfactual, err);
    json_decref(now);
    TRY(status);
    struct lab_config *lab = &options[0]->lab;
    if (lab->user && replay->counterfactual != NULL)
        return status_fail(
            err, STATUS_BAD_INPUT,
            "frames of the real network answer those of the recorded run: no other prices (%.200s)",
            replay->counterfactual);
    lab->replay = &replay->recording;
    lab->replay_rule = replay->counterfactual == NULL ? REPLAY_EXACT
                       : replay->inputs_by_time       ? REPLAY_TIME
                                                      : REPLAY_ANSWER;
    for (unsigned i = 0; i < hosts; i++) {
        options[i]->lab.counterfactual = replay->counterfactual;
        options[i]->io.output_only = options[i]->io.snapshot = true;
    }
    if (replay->counterfactual != NULL)
        announce(replay);
    else /* an exact one leaves what the recorded run left */
        *command_line = json_string_value(json_object_get(replay->recorded, "command_line"));
    return STATUS_OK;
}

static struct inputs_counts count_inputs(const struct lab *lab)
{
    struct inputs_counts sum = {0};
    for (unsigned i = 0; i < lab_host_count(lab); i++) {
        struct inputs_counts counts = lab_inputs(lab, i);
        sum.all += counts.all;
        sum.given += counts.given;
        sum.impatient += counts.impatient;
        if (counts.differs && (!sum.differs || counts.differs_at < sum.differs_at))
            sum.differs_at = counts.differs_at;
        sum.differs |= counts.differs;
    }
    return sum;
}

static void conclude_counterfactual(const struct run_replay *replay, struct lab *lab)
{
    struct inputs_counts inputs = count_inputs(lab);
    const struct host *host = lab_host(lab);
    uint64_t hz = strtoull(recorded_run_price(replay->recorded, "cpu_hz"), NULL, 10);
    fprintf(stderr, "crosspage: COUNTERFACTUAL: %" PRIu64 " of %" PRIu64 " inputs given", inputs.given,
            inputs.all);
    if (inputs.impatient)
        fprintf(stderr, ", %" PRIu64 " of them although the guest did not send what they answer",
                inputs.impatient);
    fprintf(stderr, "; %.6f s simulated, recorded: %.6f s\n", (double)host_now(host) / (double)host->hz,
            hz ? (double)replay->recording.end[0].cycles / (double)hz : 0);
}

static bool same_end(const struct recording_end *a, const struct recording_end *b)
{
    return a->stop == b->stop && a->cycles == b->cycles && a->instructions == b->instructions &&
           a->state_hash == b->state_hash;
}

static enum status conclude_exact(const struct run_replay *replay, const struct run_options *options,
                                  struct lab *lab, enum vm_stop stop, struct error *err)
{
    struct recording_end end[RECORDING_HOSTS] = {0};
    struct inputs_counts inputs = count_inputs(lab);
    bool shortened =
        options->stop_after != json_number_value(json_object_get(replay->recorded, "stop_after"));
    bool same = !inputs.differs;
    get_ends(lab, stop, end);
    for (unsigned i = 0; i < replay->recording.hosts && !shortened; i++)
        same &= inputs.given == inputs.all && same_end(&end[i], &replay->recording.end[i]);
    if (!same && inputs.differs)
        return status_fail(
            err, STATUS_HOST,
            "the replay differs from '%s', and did so at %.9f s when an input came (same program?)",
            replay->path, (double)inputs.differs_at / (double)lab_tick_hz(lab));
    if (!same)
        return status_fail(err, STATUS_HOST,
                           "the replay differs from '%s': it ends at cycle %" PRIu64 " with state %016" PRIx64
                           ", recorded: cycle %" PRIu64 ", %016" PRIx64 " (same program?)",
                           replay->path, end[0].cycles, end[0].state_hash, replay->recording.end[0].cycles,
                           replay->recording.end[0].state_hash);
    if (!options->quiet)
        fprintf(stderr, "crosspage: replay: %" PRIu64 " of %" PRIu64 " inputs, %s\n", inputs.given,
                inputs.all, shortened ? "as far as it went" : "ends as recorded");
    return STATUS_OK;
}

enum status run_replay_finish(const struct run_replay *replay, const struct run_options *options,
                              struct lab *lab, enum vm_stop stop, struct error *err)
{
    if (replay->recorded == NULL)
        return STATUS_OK;
    if (replay->counterfactual == NULL)
        return conclude_exact(replay, options, lab, stop, err);
    conclude_counterfactual(replay, lab);
    return STATUS_OK;
}

void run_replay_close(struct run_replay *replay)
{
    recording_free(&replay->recording);
    json_decref(replay->recorded);
    recorded_run_free_words(&replay->words);
    free(replay->counterfactual);
}
