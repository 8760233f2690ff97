/* How much does each cost matter? Every cost that a result can depend on is made a fifth cheaper and a fifth
 * dearer, one at a time; costs are sorted by what that moves (a tornado).
 *
 * The first run says which costs are charged at all during the transfer: another one's price cannot matter.
 * Three are never charged and tried anyhow: two say how long hardware takes beside the CPU, one is a factor
 * on guest instructions. The processor's clock is tried, too: costs that are given as time keep their time.
 */
#include "tools/laboratory/result.h"

#include "base/check.h"
#include "vmm/cost.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHANGE = 20 /* per cent */ };

static const char default_result[] = "throughput_mbps";

/* -of METRIC or -of EXPERIMENT:RUN:METRIC, taken apart. */
struct subject {
    char experiment[RUN_NAME], label[RUN_LABEL];
    const char *metric;
};

static enum status parse_subject(const char *of, struct subject *subject, struct error *err)
{
    *subject = (struct subject){.metric = of ? of : default_result};
    const char *first = strchr(subject->metric, ':'), *last = strrchr(subject->metric, ':');
    if (first == NULL)
        return STATUS_OK;
    if (first == last || (size_t)(first - subject->metric) >= sizeof subject->experiment ||
        (size_t)(last - first) > sizeof subject->label)
        return status_fail(err, STATUS_BAD_INPUT, "-of %s: expected METRIC or EXPERIMENT:RUN:METRIC", of);
    snprintf(subject->experiment, sizeof subject->experiment, "%.*s", (int)(first - subject->metric),
             subject->metric);
    snprintf(subject->label, sizeof subject->label, "%.*s", (int)(last - first - 1), first + 1);
    subject->metric = last + 1;
    return STATUS_OK;
}

/* The configuration of another experiment's run, as settings. */
static enum status settings_of(const struct subject *subject, char settings[CONFIGURATION_TEXT],
                               struct error *err)
{
    static const char *const nothing[] = {NULL};
    struct outcome other = {.experiment = experiment_find(subject->experiment), .name = subject->experiment};
    if (other.experiment == NULL)
        return status_fail(err, STATUS_BAD_INPUT, "-of: there is no experiment '%s'", subject->experiment);
    enum status status = outcome_sweeps(&other, nothing, err);
    if (status == STATUS_OK && other.experiment->plan == NULL)
        status = outcome_plan(&other, err);
    const struct run *run = outcome_find(&other, subject->label);
    if (status == STATUS_OK && run == NULL)
        status = status_fail(err, STATUS_BAD_INPUT, "-of: experiment %s has no run '%s'", subject->experiment,
                             subject->label);
    if (status == STATUS_OK)
        configuration_text(&run->configuration, settings);
    outcome_free(&other);
    return status;
}

static bool never_charged(enum cost_id id)
{
    return id == COST_ID_NIC_DMA || id == COST_ID_NIC_LATENCY || id == COST_ID_VMM_TRANSLATED;
}

/* What -set gives is no longer the profile's value, which percentages are of. */
static bool may_matter(const struct outcome *outcome, enum cost_id id)
{
    char metric[96];
    double count;
    const struct job *base = outcome->run[0].job;
    if (configuration_get(&outcome->changes, cost_name(id)) != NULL)
        return false;
    snprintf(metric, sizeof metric, "count_per_packet.%s", cost_name(id));
    return never_charged(id) || job_metric(base, metric, &count);
}

static enum status add_pair(struct outcome *outcome, const char *name, const char *base, struct error *err)
{
    static const int percents[] = {100 - CHANGE, 100 + CHANGE};
    for (unsigned i = 0; i < ARRAY_LEN(percents); i++) {
        char label[RUN_NAME], settings[CONFIGURATION_TEXT + RUN_NAME];
        snprintf(label, sizeof label, "%s=%d%%", name, percents[i]);
        snprintf(settings, sizeof settings, "%s %s", base, label);
        const struct variant variant = {label, label, settings};
        TRY(outcome_add(outcome, &variant, NULL, err));
    }
    return STATUS_OK;
}

static enum status plan(struct outcome *outcome, struct error *err)
{
    struct subject subject;
    char settings[CONFIGURATION_TEXT];
    TRY(parse_subject(outcome->of, &subject, err));
    snprintf(settings, sizeof settings, "@2.0-733");
    if (*subject.experiment != '\0')
        TRY(settings_of(&subject, settings, err));
    if (outcome->count == 0) {
        const struct variant base = {"base", "as it is", settings};
        return outcome_add(outcome, &base, NULL, err);
    }
    const struct job *base = outcome->run[0].job;
    if (base->state != JOB_DONE || outcome->count > 1)
        return STATUS_OK;
    double value;
    if (!job_metric(base, subject.metric, &value))
        return status_fail(err, STATUS_BAD_INPUT,
                           "-of: this run has no metric '%s' (docs/experiments.md lists them)",
                           subject.metric);
    for (unsigned i = 0; i < COST_ID_COUNT; i++)
        if (may_matter(outcome, (enum cost_id)i))
            TRY(add_pair(outcome, cost_name((enum cost_id)i), settings, err));
    return add_pair(outcome, "cpu_mhz", settings, err);
}

/* ---- The tornado ---- */

struct bar {
    const char *name;
    double low, high; /* the result with the cost a fifth cheaper, dearer */
};

static int by_swing(const void *a, const void *b)
{
    const struct bar *x = a, *y = b;
    double p = fabs(x->high - x->low), q = fabs(y->high - y->low);
    return p != q ? (p > q ? -1 : 1) : strcmp(x->name, y->name);
}

static void bar_labels(const char *name, char low[RUN_NAME], char high[RUN_NAME])
{
    snprintf(low, RUN_NAME, "%s=%d%%", name, 100 - CHANGE);
    snprintf(high, RUN_NAME, "%s=%d%%", name, 100 + CHANGE);
}

static bool find_bar(const struct outcome *outcome, const char *metric, const char *name, struct bar *bar)
{
    char low[RUN_NAME], high[RUN_NAME];
    bar_labels(name, low, high);
    const struct run *cheap = outcome_find(outcome, low), *dear = outcome_find(outcome, high);
    bar->name = name;
    return cheap != NULL && dear != NULL && job_metric(cheap->job, metric, &bar->low) &&
           job_metric(dear->job, metric, &bar->high);
}

static const char *status_of(const struct cost_table *costs, const char *name)
{
    for (unsigned i = 0; i < COST_ID_COUNT; i++)
        if (strcmp(cost_name((enum cost_id)i), name) == 0)
            return cost_status_name(costs->value[i].status);
    return "profile";
}

static void add_tornado(const struct cost_table *costs, const char *metric, double base,
                        const struct bar *bars, size_t count, json_t *result)
{
    char title[160];
    snprintf(title, sizeof title, "%s is %.4g%s%s; with one cost changed by %d %%", metric, base,
             *metric_unit(metric) ? " " : "", metric_unit(metric), CHANGE);
    json_t *table = table_create(title), *plot = json_array();
    char low[RUN_NAME], high[RUN_NAME];
    table_column(table, "cost", "", 0);
    table_column(table, "status", "", 0);
    table_column(table, "cheaper", "", 3);
    table_column(table, "dearer", "", 3);
    table_column(table, "swing", "", 3);
    table_column(table, "swing", "%", 2);
    for (size_t i = 0; i < count; i++) {
        const struct bar *bar = &bars[i];
        bar_labels(bar->name, low, high);
        json_array_append_new(plot, json_pack("{s:s, s:f, s:f, s:s, s:s}", "name", bar->name, "low", bar->low,
                                              "high", bar->high, "low_run", low, "high_run", high));
        if (bar->low == base && bar->high == base)
            continue;
        table_cell(table, true, json_string(bar->name));
        table_cell(table, false, json_string(status_of(costs, bar->name)));
        table_cell(table, false, json_real(bar->low));
        table_origin(table, low, metric);
        table_cell(table, false, json_real(bar->high));
        table_origin(table, high, metric);
        table_cell(table, false, json_real(bar->high - bar->low));
        table_cell(table, false, base != 0 ? json_real(100 * (bar->high - bar->low) / base) : NULL);
    }
    json_array_append_new(json_object_get(result, "tables"), table);
    json_array_append_new(json_object_get(result, "plots"),
                          json_pack("{s:s, s:s, s:s, s:f, s:o}", "kind", "tornado", "title", title, "y",
                                    metric, "base", base, "bars", plot));
}

static enum status conclude(struct outcome *outcome, json_t *result, struct error *err)
{
    struct subject subject;
    double base;
    TRY(parse_subject(outcome->of, &subject, err));
    json_array_clear(json_object_get(result, "tables")); /* of single runs: they are in the CSV */
    json_array_clear(json_object_get(result, "plots"));
    if (outcome->count < 2 || !job_metric(outcome->run[0].job, subject.metric, &base))
        return STATUS_OK;
    const char *profile = configuration_get(&outcome->run[0].configuration, "profile");
    struct cost_table *costs = xcalloc(1, sizeof *costs);
    struct bar *bars = xcalloc(COST_ID_COUNT + 1, sizeof *bars);
    enum status status = cost_table_load(costs, profile ? profile : "pc-733", err);
    if (status == STATUS_OK) {
        size_t count = 0, moves = 0;
        for (unsigned i = 0; i < COST_ID_COUNT; i++)
            count += find_bar(outcome, subject.metric, cost_name((enum cost_id)i), &bars[count]);
        count += find_bar(outcome, subject.metric, "cpu_mhz", &bars[count]);
        qsort(bars, count, sizeof *bars, by_swing);
        for (size_t i = 0; i < count; i++)
            moves += bars[i].low != base || bars[i].high != base;
        add_tornado(costs, subject.metric, base, bars, count, result);
        result_finding(result,
                       "%zu costs were tried, %zu of them move the result; all others are not charged", count,
                       moves);
    }
    free(bars);
    free(costs);
    return status;
}

const struct experiment experiment_sensitivity = {
    .title = "Which costs does a result depend on? (-of METRIC or EXPERIMENT:RUN:METRIC)",
    .expects = "The world switch first, as long as the CPU is the bottleneck; nothing when the link is.",
    .plan = plan,
    .conclude = conclude,
};
