/* The result of an experiment (result.h): runs, and what is said about them. */
#include "tools/laboratory/result.h"

#include "base/check.h"
#include "tools/laboratory/result_plots.h"
#include "tools/published.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

const char *metric_unit(const char *metric)
{
    static const struct {
        const char *suffix, *unit;
    } units[] = {
        {"_percent", "%"}, {"_us", "us"}, {"_mbps", "Mb/s"}, {"_per_packet", "per packet"}, {"_seconds", "s"},
    };
    size_t length = strcspn(metric, ". ");
    for (unsigned i = 0; i < ARRAY_LEN(units); i++) {
        size_t suffix = strlen(units[i].suffix);
        if (length >= suffix && strncmp(metric + length - suffix, units[i].suffix, suffix) == 0)
            return units[i].unit;
    }
    return "";
}

/* The cell says which run's metric it is. */
static void metric_cell(json_t *table, bool first, const struct run *run, const char *metric)
{
    double value;
    bool known = run != NULL && job_metric(run->job, metric, &value);
    table_cell(table, first, known ? json_real(value) : NULL);
    if (known)
        table_origin(table, run->label, metric);
}

/* ---- Views ---- */

static unsigned variant_count(const struct outcome *outcome)
{
    unsigned count = 0;
    for (unsigned i = 0; i < outcome->count; i++)
        count += i == 0 || strcmp(outcome->run[i].variant, outcome->run[i - 1].variant) != 0;
    return count;
}

static void add_columns(json_t *table, const struct column *columns)
{
    for (; columns->metric != NULL; columns++)
        table_column(table, columns->head, metric_unit(columns->metric), columns->digits);
}

static json_t *runs_view(const struct outcome *outcome, const char *title, const struct column *columns,
                         json_t *result)
{
    json_t *table = table_create(title);
    bool named = variant_count(outcome) > 1 || outcome->sweep_count == 0;
    if (named)
        table_column(table, "run", "", 0);
    for (unsigned i = 0; i < outcome->sweep_count; i++)
        table_column(table, outcome->sweeps[i].name, "", 0);
    add_columns(table, columns);
    for (unsigned i = 0; i < outcome->count; i++) {
        const struct run *run = &outcome->run[i];
        bool first = true;
        if (named)
            table_cell(table, true, json_string(run->title));
        first = !named;
        for (unsigned k = 0; k < outcome->sweep_count; k++, first = false)
            table_cell(table, first, json_string(outcome->sweeps[k].value[run->choice[k]]));
        for (const struct column *column = columns; column->metric != NULL; column++, first = false)
            metric_cell(table, first, run, column->metric);
    }
    /* What the table is about, and what goes with it: throughput and idle time. */
    for (unsigned i = 0; outcome->count > 1 && i < 2 && columns[i].metric != NULL; i++)
        result_plot_runs(outcome, title, &columns[i], result);
    return table;
}

/* A column per run, and of one run alone the published figures beside it. */
static json_t *metrics_view(const struct outcome *outcome, const struct view *view, json_t *result)
{
    json_t *table = table_create(view->title);
    bool alone = outcome->count == 1;
    table_column(table, "", "", 0);
    for (unsigned i = 0; i < outcome->count; i++)
        table_column(table, alone ? "simulated" : outcome->run[i].title, "", 2);
    if (alone)
        table_column(table, "published", "", 2);
    for (const struct column *column = view->columns; column->metric != NULL; column++) {
        char head[160];
        snprintf(head, sizeof head, "%s%s%s", column->head, *metric_unit(column->metric) ? ", " : "",
                 metric_unit(column->metric));
        table_cell(table, true, json_string(head));
        for (unsigned i = 0; i < outcome->count; i++)
            metric_cell(table, false, &outcome->run[i], column->metric);
        const struct published *figure =
            alone ? result_published_for(outcome, &outcome->run[0], column->metric) : NULL;
        if (alone)
            table_cell(table, false, figure ? json_real(figure->value) : NULL);
    }
    result_plot_metrics(outcome, view, result);
    return table;
}

static const struct sweep *sweep_of(const struct outcome *outcome, const char *name, unsigned *index)
{
    for (*index = 0; *index < outcome->sweep_count; ++*index)
        if (strcmp(outcome->sweeps[*index].name, name) == 0)
            return &outcome->sweeps[*index];
    return NULL;
}

static const struct run *run_at(const struct outcome *outcome, const char *variant, unsigned sweep,
                                unsigned choice)
{
    for (unsigned i = 0; i < outcome->count; i++)
        if (strcmp(outcome->run[i].variant, variant) == 0 && outcome->run[i].choice[sweep] == choice)
            return &outcome->run[i];
    return NULL;
}

static json_t *pivot_view(const struct outcome *outcome, const struct view *view, json_t *result)
{
    unsigned index;
    const struct sweep *sweep = sweep_of(outcome, view->by, &index);
    if (sweep == NULL)
        return NULL;
    char title[256];
    snprintf(title, sizeof title, "%s%s%s", view->title, *metric_unit(view->columns[0].metric) ? ", " : "",
             metric_unit(view->columns[0].metric));
    json_t *table = table_create(title);
    table_column(table, view->by, "", 0);
    for (const struct variant *variant = outcome->experiment->variants; variant->name != NULL; variant++) {
        const struct run *run = run_at(outcome, variant->name, index, 0);
        table_column(table, run ? run->title : variant->name, "", view->columns[0].digits);
    }
    for (unsigned k = 0; k < sweep->count; k++) {
        table_cell(table, true, json_string(sweep->value[k]));
        for (const struct variant *variant = outcome->experiment->variants; variant->name != NULL; variant++)
            metric_cell(table, false, run_at(outcome, variant->name, index, k), view->columns[0].metric);
    }
    result_plot_lines(outcome, view->title, view->columns[0].metric, index, result);
    return table;
}

void result_views(const struct outcome *outcome, json_t *result)
{
    static const struct column headline[] = {
        {"throughput_mbps", "throughput", 2},
        {"idle_percent", "idle", 2},
        {"packet_us", "per packet", 2},
        {"vmm_percent", "VMM time", 2},
        {"switches_per_packet", "world switches", 2},
        {"virq_per_packet", "virtual IRQs", 2},
        {0},
    };
    json_t *tables = json_object_get(result, "tables");
    if (outcome->varied || outcome->experiment->views[0].title == NULL) {
        json_array_append_new(tables, runs_view(outcome, "Runs", headline, result));
        return;
    }
    for (const struct view *view = outcome->experiment->views; view->title != NULL; view++) {
        json_t *table = view->kind == VIEW_RUNS      ? runs_view(outcome, view->title, view->columns, result)
                        : view->kind == VIEW_METRICS ? metrics_view(outcome, view, result)
                                                     : pivot_view(outcome, view, result);
        if (table != NULL)
            json_array_append_new(tables, table);
    }
}

/* ---- Published figures ---- */

void result_published(const struct outcome *outcome, json_t *result)
{
    const struct published *figure;
    for (unsigned i = 0; (figure = published_by_index(i)) != NULL; i++) {
        const struct run *run = outcome_find(outcome, figure->run);
        double simulated;
        if (strcmp(figure->experiment, outcome->name) != 0 || run == NULL)
            continue;
        char provenance[] = {figure->provenance, '\0'};
        bool known = job_metric(run->job, figure->metric, &simulated);
        json_array_append_new(
            json_object_get(result, "published"),
            json_pack("{s:s, s:s, s:f, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o}", "figure", figure->figure,
                      "row", figure->row, "published", figure->value, "unit", figure->unit, "provenance",
                      provenance, "set", published_set_name(figure->set), "run", figure->run, "metric",
                      figure->metric, "simulated", known ? json_real(simulated) : json_null(), "difference",
                      known ? json_real(simulated - figure->value) : json_null(), "error_percent",
                      known && figure->value != 0
                          ? json_real(100 * (simulated - figure->value) / figure->value)
                          : json_null()));
    }
}

/* ---- Expectations ---- */

/* "LABEL:METRIC" or a number. */
static bool side(const struct outcome *outcome, const char *text, double *value)
{
    char label[RUN_LABEL], *end;
    const char *colon = strrchr(text, ':');
    if (colon == NULL) {
        *value = strtod(text, &end);
        return *end == '\0';
    }
    snprintf(label, sizeof label, "%.*s", (int)(colon - text), text);
    const struct run *run = outcome_find(outcome, label);
    return run != NULL && job_metric(run->job, colon + 1, value);
}

void result_expectations(const struct outcome *outcome, json_t *result)
{
    static const double about = 0.1;
    for (const struct expectation *e = outcome->experiment->expectations; e->text != NULL; e++) {
        double left, right;
        bool known = side(outcome, e->left, &left), also = side(outcome, e->right, &right);
        if (outcome->other_values && !(known && also))
            continue; /* about runs that the user replaced by others */
        json_t *row = json_pack("{s:s, s:s, s:s, s:s}", "text", e->text, "left", e->left, "relation",
                                e->relation == IS_LESS   ? "<"
                                : e->relation == IS_MORE ? ">"
                                                         : "about",
                                "right", e->right);
        bool found = known && also &&
                     (e->relation == IS_LESS   ? left < right
                      : e->relation == IS_MORE ? left > right
                                               : fabs(left - right) <= about * fabs(right));
        json_object_set_new(row, "found", known && also ? json_boolean(found) : json_null());
        if (known)
            json_object_set_new(row, "left_value", json_real(left));
        if (also)
            json_object_set_new(row, "right_value", json_real(right));
        json_array_append_new(json_object_get(result, "expectations"), row);
    }
}

void result_finding(json_t *result, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    json_array_append_new(json_object_get(result, "findings"), json_string(text));
}

/* ---- Runs ---- */

static json_t *run_json(const struct outcome *outcome, const struct run *run)
{
    static const char *const taken[] = {"command", "direction", "state_hash", "metrics"};
    static const char *const states[] = {[JOB_DONE] = "done", [JOB_FAILED] = "failed"};
    json_t *settings = json_object(), *varied = json_object();
    for (unsigned i = 0; i < run->configuration.count; i++)
        json_object_set_new(settings, run->configuration.setting[i].name,
                            json_string(run->configuration.setting[i].value));
    for (unsigned i = 0; i < outcome->sweep_count; i++)
        json_object_set_new(varied, outcome->sweeps[i].name,
                            json_string(outcome->sweeps[i].value[run->choice[i]]));
    const char *state = run->job->state < ARRAY_LEN(states) ? states[run->job->state] : NULL;
    json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o}", "label", run->label, "variant",
                            run->variant, "title", run->title, "key", run->job->key, "status",
                            state ? state : "not run", "configuration", settings, "varied", varied);
    struct error unused;
    unsigned min_size;
    if (configuration_min_size(&run->configuration, &min_size, &unused) == STATUS_OK)
        json_object_set_new(row, "min_size", json_integer(min_size));
    if (run->job->state == JOB_FAILED)
        json_object_set_new(row, "error", json_string(run->job->error.text));
    for (unsigned i = 0; i < ARRAY_LEN(taken); i++)
        json_object_set(row, taken[i], json_object_get(run->job->record, taken[i]));
    return row;
}

enum status outcome_result(struct outcome *outcome, json_t **out, struct error *err)
{
    const struct experiment *experiment = outcome->experiment;
    char changes[CONFIGURATION_TEXT];
    json_t *result = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:[], s:[], s:[], s:[], s:[], s:[]}", "schema",
        "crosspage experiment 1", "experiment", outcome->name, "title", experiment->title, "expects",
        experiment->expects, "build", laboratory_build(outcome->laboratory), "guest",
        laboratory_guest(outcome->laboratory), "guest_name", laboratory_guest_name(outcome->laboratory),
        "changes", configuration_text(&outcome->changes, changes), "tables", "plots", "published",
        "expectations", "findings", "runs");
    CHECK(result != NULL);
    bool complete = true;
    for (unsigned i = 0; i < outcome->count; i++) {
        json_array_append_new(json_object_get(result, "runs"), run_json(outcome, &outcome->run[i]));
        complete &= outcome->run[i].job->state == JOB_DONE;
    }
    json_object_set_new(result, "complete", json_boolean(complete));
    for (unsigned i = 0; i < outcome->left_out_count; i++)
        result_finding(result, "left out: %s: %s", outcome->left_out[i].variant,
                       outcome->left_out[i].reason.text);
    result_views(outcome, result);
    result_published(outcome, result);
    result_expectations(outcome, result);
    enum status status =
        experiment->conclude != NULL ? experiment->conclude(outcome, result, err) : STATUS_OK;
    if (status != STATUS_OK) {
        json_decref(result);
        result = NULL;
    }
    *out = result;
    return status;
}
