/* Plots of a result, as JSON (docs/experiments.md): lines over a swept parameter, bars of runs, stacked bars
 * and time lines of metrics that add up. Every mark says which run it is of, and published figures stand
 * beside. What they look like is tools/picture's affair. */
#include "tools/laboratory/result_plots.h"

#include "tools/laboratory/result.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

const struct published *result_published_for(const struct outcome *outcome, const struct run *run,
                                             const char *metric)
{
    const struct published *figure;
    for (unsigned i = 0; run != NULL && (figure = published_by_index(i)) != NULL; i++)
        if (strcmp(figure->experiment, outcome->name) == 0 && strcmp(figure->run, run->label) == 0 &&
            strcmp(figure->metric, metric) == 0)
            return figure;
    return NULL;
}

/* What a parameter is, for those who do not know its name; "" for an option of a hypervisor. */
static const char *parameter_text(const char *name)
{
    static const struct {
        const char *name, *text;
    } texts[] = {
#define PARAMETER(name, way, word, description) {name, description},
#include "tools/laboratory/parameter.def"
#undef PARAMETER
#define COST(id, name, unit, layer, category, description) {name, description},
#include "vmm/cost.def"
#undef COST
    };
    for (unsigned i = 0; i < ARRAY_LEN(texts); i++)
        if (strcmp(texts[i].name, name) == 0)
            return texts[i].text;
    return "";
}

static json_t *plot_create(const char *kind, const char *title, const char *metric, json_t *result)
{
    json_t *plot = json_pack("{s:s, s:s, s:s, s:s}", "kind", kind, "title", title, "y", metric, "unit",
                             metric_unit(metric));
    json_array_append_new(json_object_get(result, "plots"), plot);
    return plot;
}

/* ---- Lines ---- */

/* "4096", "1.5us", "64k": a number, and what stands behind it. NULL: a word. */
static const char *unit_of(const char *value)
{
    char *end;
    strtod(value, &end);
    return end == value || !(isdigit((unsigned char)*value) || *value == '.') ? NULL : end;
}

/* Values of a parameter are a scale if all are numbers of one unit; else they are names, one beside the
 * other. */
static bool is_scale(const struct sweep *sweep)
{
    const char *first = sweep->count ? unit_of(sweep->value[0]) : NULL;
    for (unsigned i = 0; i < sweep->count; i++) {
        const char *unit = unit_of(sweep->value[i]);
        if (first == NULL || unit == NULL || strcmp(unit, first) != 0)
            return false;
    }
    return sweep->count > 0;
}

/* The same but for the choice of this sweep? */
static bool same_series(const struct outcome *outcome, const struct run *a, const struct run *b,
                        unsigned index)
{
    for (unsigned i = 0; i < outcome->sweep_count; i++)
        if (i != index && a->choice[i] != b->choice[i])
            return false;
    return strcmp(a->variant, b->variant) == 0;
}

static void series_name(const struct outcome *outcome, const struct run *run, unsigned index,
                        char name[RUN_LABEL])
{
    size_t used = (size_t)snprintf(name, RUN_LABEL, "%s", run->title);
    for (unsigned i = 0; i < outcome->sweep_count && used < RUN_LABEL; i++)
        if (i != index)
            used += (size_t)snprintf(name + used, RUN_LABEL - used, ", %s=%s", outcome->sweeps[i].name,
                                     outcome->sweeps[i].value[run->choice[i]]);
}

/* `first` and the later runs that differ from it in this sweep alone. */
static json_t *series_json(const struct outcome *outcome, const struct run *first, const char *metric,
                           unsigned index, bool scale)
{
    json_t *points = json_array(), *labels = json_array(), *published = json_array();
    char name[RUN_LABEL];
    for (const struct run *run = first; run < outcome->run + outcome->count; run++) {
        if (!same_series(outcome, first, run, index))
            continue;
        const struct published *figure = result_published_for(outcome, run, metric);
        unsigned choice = run->choice[index];
        double x = scale ? strtod(outcome->sweeps[index].value[choice], NULL) : (double)choice, y;
        if (figure != NULL)
            json_array_append_new(published, json_pack("[f, f]", x, figure->value));
        if (!job_metric(run->job, metric, &y))
            continue;
        json_array_append_new(points, json_pack("[f, f]", x, y));
        json_array_append_new(labels, json_string(run->label));
    }
    series_name(outcome, first, index, name);
    return json_pack("{s:s, s:o, s:o, s:o}", "name", name, "points", points, "runs", labels, "published",
                     published);
}

static bool begins_series(const struct outcome *outcome, const struct run *run, unsigned index)
{
    for (const struct run *earlier = outcome->run; earlier < run; earlier++)
        if (same_series(outcome, earlier, run, index))
            return false;
    return true;
}

void result_plot_lines(const struct outcome *outcome, const char *title, const char *metric, unsigned index,
                       json_t *result)
{
    const struct sweep *sweep = &outcome->sweeps[index];
    bool scale = is_scale(sweep);
    json_t *plot = plot_create("lines", title, metric, result), *series = json_array(),
           *values = json_array();
    for (unsigned i = 0; i < outcome->count; i++)
        if (begins_series(outcome, &outcome->run[i], index))
            json_array_append_new(series, series_json(outcome, &outcome->run[i], metric, index, scale));
    for (unsigned k = 0; k < sweep->count; k++)
        json_array_append_new(values, json_string(sweep->value[k]));
    json_object_set_new(plot, "x", json_string(sweep->name));
    json_object_set_new(plot, "x_unit", json_string(scale ? unit_of(sweep->value[0]) : ""));
    json_object_set_new(plot, "x_text", json_string(parameter_text(sweep->name)));
    json_object_set_new(plot, "scale", json_boolean(scale));
    json_object_set_new(plot, "values", values);
    json_object_set_new(plot, "series", series);
}

/* ---- Bars ---- */

/* Of switches, those that are on; else "name=value". Without sweeps, the run's title. */
static void bar_name(const struct outcome *outcome, const struct run *run, char *name, size_t size)
{
    size_t used = 0;
    *name = '\0';
    if (outcome->sweep_count == 0) {
        snprintf(name, size, "%s", run->title);
        return;
    }
    for (unsigned i = 0; i < outcome->sweep_count && used < size; i++) {
        const struct sweep *sweep = &outcome->sweeps[i];
        const char *value = sweep->value[run->choice[i]];
        bool on = strcmp(value, "on") == 0, off = strcmp(value, "off") == 0;
        if (!off)
            used += (size_t)snprintf(name + used, size - used, "%s%s%s%s", used ? ", " : "", sweep->name,
                                     on ? "" : "=", on ? "" : value);
    }
    if (*name == '\0')
        snprintf(name, size, "none");
}

void result_plot_runs(const struct outcome *outcome, const char *title, const struct column *column,
                      json_t *result)
{
    enum { LINE = 3, BARS = 60 };
    char head[256];
    unsigned longest = outcome->sweep_count;
    for (unsigned i = 0; i < outcome->sweep_count; i++)
        if (outcome->sweeps[i].count >= LINE && is_scale(&outcome->sweeps[i]) &&
            (longest == outcome->sweep_count || outcome->sweeps[i].count > outcome->sweeps[longest].count))
            longest = i;
    if (longest < outcome->sweep_count) {
        result_plot_lines(outcome, column->head, column->metric, longest, result);
        return;
    }
    if (outcome->count > BARS)
        return;
    snprintf(head, sizeof head, "%s: %s", title, column->head);
    json_t *plot = plot_create("bars", head, column->metric, result), *bars = json_array();
    for (unsigned i = 0; i < outcome->count; i++) {
        const struct run *run = &outcome->run[i];
        const struct published *figure = result_published_for(outcome, run, column->metric);
        char name[RUN_LABEL];
        double value;
        if (!job_metric(run->job, column->metric, &value))
            continue;
        bar_name(outcome, run, name, sizeof name);
        json_array_append_new(bars, json_pack("{s:s, s:f, s:s, s:o}", "name", name, "value", value, "run",
                                              run->label, "published",
                                              figure ? json_real(figure->value) : json_null()));
    }
    json_object_set_new(plot, "bars", bars);
}

/* ---- Metrics that add up ---- */

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* Parts: the shares of a table, or the segments of a transmitting access. Totals are not parts. */
static bool is_part(const char *metric, bool visit)
{
    if (visit)
        return starts_with(metric, "visit_us.");
    if (strcmp(metric, "vmm_percent") == 0 || strcmp(metric, "table2_vmm_percent") == 0)
        return true;
    return starts_with(metric, "category_percent.") || starts_with(metric, "table2_percent.");
}

static json_t *stack_bar(const struct outcome *outcome, const struct view *view, const struct run *run,
                         bool visit, bool published)
{
    json_t *parts = json_array();
    for (const struct column *column = view->columns; column->metric != NULL; column++) {
        const struct published *figure = result_published_for(outcome, run, column->metric);
        double value = 0;
        if (!is_part(column->metric, visit) || (published && figure == NULL) ||
            (!published && !job_metric(run->job, column->metric, &value)))
            continue;
        json_array_append_new(parts, json_pack("{s:s, s:s, s:f}", "name", column->head, "metric",
                                               column->metric, "value", published ? figure->value : value));
    }
    return json_pack("{s:s, s:b, s:s, s:o}", "name", published ? "published" : run->title, "published",
                     published, "run", run->label, "parts", parts);
}

void result_plot_metrics(const struct outcome *outcome, const struct view *view, json_t *result)
{
    bool visit = starts_with(view->columns[0].metric, "visit_us");
    unsigned parts = 0;
    for (const struct column *column = view->columns; column->metric != NULL; column++)
        parts += is_part(column->metric, visit);
    if (parts < 3)
        return;
    json_t *plot = plot_create(visit ? "timeline" : "stack", view->title, view->columns[0].metric, result),
           *bars = json_array();
    for (unsigned i = 0; i < outcome->count; i++) {
        json_array_append_new(bars, stack_bar(outcome, view, &outcome->run[i], visit, false));
        json_t *bar = stack_bar(outcome, view, &outcome->run[i], visit, true);
        if (json_array_size(json_object_get(bar, "parts")) > 0)
            json_array_append(bars, bar);
        json_decref(bar);
    }
    json_object_set_new(plot, "bars", bars);
}
