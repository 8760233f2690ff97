/* The same inputs again, with another price or another design: two runs, and the difference of their
 * receipts. The inputs of a run of the laboratory are all in its configuration (guest, words, seed, date), so
 * "the same inputs" needs no recording; a run that somebody typed into is given as one (-replay). */
#include "tools/laboratory/result.h"

#include "tools/report_diff.h"

#include <stdlib.h>

static enum status plan(struct outcome *outcome, struct error *err)
{
    char settings[CONFIGURATION_TEXT];
    if (outcome->against == NULL)
        return status_fail(err, STATUS_BAD_INPUT, "against what? give -against NAME=VALUE");
    TRY(outcome_add(outcome, &outcome->experiment->variants[0], NULL, err));
    /* -against wins over -set. */
    struct configuration changes = outcome->changes;
    enum status status = configuration_apply(&outcome->changes, outcome->against, err);
    snprintf(settings, sizeof settings, "%s", outcome->experiment->variants[0].settings);
    const struct variant other = {"against", outcome->against, settings};
    if (status == STATUS_OK)
        status = outcome_add(outcome, &other, NULL, err);
    outcome->changes = changes;
    return status;
}

static enum status load(const struct outcome *outcome, const struct run *run, struct report *report,
                        struct error *err)
{
    char path[LABORATORY_PATH];
    unsigned min_size;
    laboratory_trace(outcome->laboratory, run->job, path);
    TRY(configuration_min_size(&run->configuration, &min_size, err));
    TRY(analysis_load(&report->analysis, path, err));
    report->min_size = min_size;
    receipts_make(&report->analysis, min_size, &report->receipts);
    return STATUS_OK;
}

/* The command to repeat the run instead of the one with the laboratory's own files. */
static void set_command(const struct run *run, json_t *side)
{
    json_object_set(json_object_get(side, "run"), "command_line",
                    json_object_get(run->job->record, "command"));
}

static enum status conclude(struct outcome *outcome, json_t *result, struct error *err)
{
    struct report reports[2] = {0};
    json_t *diff = NULL;
    enum status status = STATUS_OK;
    for (unsigned i = 0; i < outcome->count; i++)
        if (outcome->run[i].job->state != JOB_DONE)
            return STATUS_OK; /* the failure is in the runs */
    if (outcome->count != 2)
        return STATUS_OK;
    unsigned loaded = 0;
    for (; loaded < 2 && status == STATUS_OK; loaded++)
        status = load(outcome, &outcome->run[loaded], &reports[loaded], err);
    if (status == STATUS_OK)
        status = report_diff(&reports[0], &reports[1], &diff, err);
    if (status == STATUS_OK) {
        set_command(&outcome->run[0], json_object_get(diff, "a"));
        set_command(&outcome->run[1], json_object_get(diff, "b"));
        json_object_set_new(result, "difference", diff);
    }
    for (unsigned i = 0; i < 2; i++)
        if (reports[i].receipts.receipt != NULL) {
            receipts_free(&reports[i].receipts);
            analysis_free(&reports[i].analysis);
        }
    return status;
}

const struct experiment experiment_counterfactual = {
    .title = "What would another price or design have changed, packet by packet?",
    .expects =
        "Nothing: the first run is the VM/PC-733 of version 2.0 as changed by -set, the second one has -against "
        "on top; with -replay, the recorded run, and that one with -against.",
    .variants = {{"as-is", "as it is", "@2.0-733"}, {0}},
    .views = {{VIEW_METRICS,
               "Both runs",
               {{"throughput_mbps", "throughput", 2},
                {"idle_percent", "idle", 2},
                {"packet_us", "per packet", 2},
                {"latency_us", "latency", 2},
                {"vmm_percent", "VMM time", 2},
                {"switches_per_packet", "world switches", 2},
                {"virq_per_packet", "virtual interrupts", 2},
                {0}}}},
    .keep_traces = true,
    .plan = plan,
    .conclude = conclude,
};
