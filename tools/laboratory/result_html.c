/* The page of results (result_html.h). Runs are kept once, whichever experiments share them; a metric's name
 * is kept once, and a run has a list of values in the order of names. */
#include "tools/laboratory/result_html.h"

#include "base/check.h"
#include "tools/html/page.h"
#include "tools/laboratory/bounds.h"
#include "tools/laboratory/laboratory.h"
#include "tools/picture/plot.h"
#include "vmm/cost.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* ---- Pictures ---- */

/* NAME.svg, NAME-2.svg, ... */
static void picture_name(const json_t *result, size_t plot, char *name, size_t size)
{
    if (plot == 0)
        snprintf(name, size, "%s.svg", text_of(result, "experiment"));
    else
        snprintf(name, size, "%s-%zu.svg", text_of(result, "experiment"), plot + 1);
}

static enum status write_picture(const char *path, const char *svg, struct error *err)
{
    FILE *file = fopen(path, "w");
    bool failed = file == NULL || fputs(svg, file) == EOF;
    if (file != NULL)
        failed |= fclose(file) != 0;
    return failed ? status_fail(err, STATUS_NO_FILE, "cannot write '%s': %s", path, strerror(errno))
                  : STATUS_OK;
}

enum status result_pictures(const json_t *result, const char *folder, struct error *err)
{
    const json_t *plot;
    size_t i;
    json_array_foreach (json_object_get(result, "plots"), i, plot) {
        char name[LABORATORY_PATH - LABORATORY_FOLDER], path[LABORATORY_PATH];
        char *svg = plot_svg(plot);
        if (svg == NULL)
            continue;
        picture_name(result, i, name, sizeof name);
        snprintf(path, sizeof path, "%s/%s", folder, name);
        enum status status = write_picture(path, svg, err);
        free(svg);
        TRY(status);
    }
    return STATUS_OK;
}

/* ---- Runs ---- */

struct runs {
    json_t *by_key;   /* {key: {command, state_hash, direction, values}} */
    json_t *metrics;  /* names, in the order of values */
    json_t *index;    /* {name: index} */
    json_t *profiles; /* {profile: costs} */
};

static size_t metric_index(struct runs *runs, const char *name)
{
    const json_t *known = json_object_get(runs->index, name);
    if (known != NULL)
        return (size_t)json_integer_value(known);
    size_t index = json_array_size(runs->metrics);
    json_array_append_new(runs->metrics, json_string(name));
    json_object_set_new(runs->index, name, json_integer((json_int_t)index));
    return index;
}

static json_t *values_json(struct runs *runs, const json_t *run)
{
    const char *name;
    json_t *value, *values = json_array();
    json_object_foreach (json_object_get(run, "metrics"), name, value) {
        size_t index = metric_index(runs, name);
        while (json_array_size(values) <= index)
            json_array_append_new(values, json_null());
        json_array_set(values, index, value);
    }
    return values;
}

static json_t *cost_json(const char *name, const char *layer, const char *category, const char *unit,
                         const char *description, const struct cost_value *value)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:f, s:s, s:s}", "name", name, "layer", layer, "category",
                     category, "unit", unit, "description", description, "cycles",
                     (double)value->milli_cycles / 1000, "status", cost_status_name(value->status), "source",
                     value->source);
}

/* Which categories a row of the paper's tables is made of: {metric's id: [category name]}. */
static json_t *rows_json(void)
{
    static const struct {
        const char *id;
        enum category category;
    } rows[] = {
#define CATEGORY(id, table, name) {#id, CATEGORY_##id},
#include "traces/category.def"
#undef CATEGORY
#define TABLE2(row, name, half)
#define TABLE2_CATEGORY(row, category) {"table2." #row, CATEGORY_##category},
#include "tools/table2.def"
#undef TABLE2
#undef TABLE2_CATEGORY
    };
    json_t *json = json_object();
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        if (json_object_get(json, rows[i].id) == NULL)
            json_object_set_new(json, rows[i].id, json_array());
        json_array_append_new(json_object_get(json, rows[i].id),
                              json_string(category_name(rows[i].category)));
    }
    return json;
}

static json_t *profile_json(const char *profile)
{
    struct cost_table *table = xcalloc(1, sizeof *table);
    struct error err;
    json_t *json = json_null();
    if (cost_table_load(table, profile, &err) == STATUS_OK) {
        json_t *costs = json_array();
        for (unsigned i = 0; i < COST_ID_COUNT; i++) {
            const struct step_info *step = &table->steps[RECORDER_FIRST_COST + i];
            json_array_append_new(costs, cost_json(step->name, layer_name(step->layer),
                                                   table->variant[i] ? "" : category_name(step->category),
                                                   step->unit, step->description, &table->value[i]));
        }
        for (unsigned i = 0; i < COST_CLASS_COUNT; i++) {
            char name[40];
            snprintf(name, sizeof name, "insn.%s", cost_class_name((enum cost_class)i));
            json_array_append_new(costs, cost_json(name, "guest", "", "instruction",
                                                   "a class of guest instructions", &table->insn[i]));
        }
        json = json_pack("{s:s, s:I, s:o}", "description", table->description, "hz",
                         (json_int_t)table->cpu_hz, "costs", costs);
    }
    free(table);
    return json;
}

static void keep_run(struct runs *runs, const json_t *run)
{
    static const char *const taken[] = {"command", "state_hash", "direction"};
    const char *key = text_of(run, "key"),
               *profile = text_of(json_object_get(run, "configuration"), "profile");
    if (*profile != '\0' && json_object_get(runs->profiles, profile) == NULL)
        json_object_set_new(runs->profiles, profile, profile_json(profile));
    if (json_object_get(runs->by_key, key) != NULL)
        return;
    json_t *kept = json_object();
    for (unsigned i = 0; i < ARRAY_LEN(taken); i++)
        json_object_set(kept, taken[i], json_object_get(run, taken[i]));
    json_object_set_new(kept, "values", values_json(runs, run));
    json_object_set_new(runs->by_key, key, kept);
}

/* ---- The page ---- */

static json_t *plots_json(const json_t *result)
{
    json_t *plots = json_array();
    const json_t *plot;
    size_t i;
    json_array_foreach (json_object_get(result, "plots"), i, plot) {
        char name[128];
        char *svg = plot_svg(plot);
        if (svg == NULL)
            continue;
        picture_name(result, i, name, sizeof name);
        json_array_append_new(
            plots, json_pack("{s:s, s:s, s:s*}", "title", text_of(plot, "title"), "file", name, "svg", svg));
        free(svg);
    }
    return plots;
}

/* As the result is, but for what is kept elsewhere. */
static json_t *section_json(struct runs *runs, const json_t *result)
{
    static const char *const moved[] = {"command", "state_hash", "direction", "metrics"};
    json_t *section = json_deep_copy(result), *run;
    size_t i;
    json_array_foreach (json_object_get(section, "runs"), i, run) {
        keep_run(runs, run);
        for (unsigned k = 0; k < ARRAY_LEN(moved); k++)
            json_object_del(run, moved[k]);
    }
    json_object_set_new(section, "plots", plots_json(result));
    return section;
}

/* What bounds.h says of all published figures together. */
static json_t *bounds_json(const json_t *results)
{
    json_t *rows = json_array();
    const json_t *result;
    size_t i, size;
    char *text;
    FILE *out = open_memstream(&text, &size);
    CHECK(out != NULL);
    json_array_foreach (results, i, result)
        json_array_extend(rows, json_object_get(result, "published"));
    bounds_text(rows, out);
    CHECK(fclose(out) == 0);
    json_t *json = json_string(text);
    free(text);
    json_decref(rows);
    return json;
}

void result_page(const json_t *results, FILE *out)
{
    struct runs runs = {json_object(), json_array(), json_object(), json_object()};
    json_t *sections = json_array();
    const json_t *result;
    size_t i;
    json_array_foreach (results, i, result)
        json_array_append_new(sections, section_json(&runs, result));
    json_t *page = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "schema", "crosspage experiments 1",
                             "bounds", bounds_json(results), "rows", rows_json(), "results", sections, "runs",
                             runs.by_key, "metrics", runs.metrics, "profiles", runs.profiles);
    CHECK(page != NULL);
    page_write(&page_experiments, page, out);
    json_decref(page);
    json_decref(runs.index);
}
