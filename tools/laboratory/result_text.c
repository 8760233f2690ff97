/* Results in text, and the table of runs for CSV: all from a result's JSON (docs/experiments.md). */
#include "tools/laboratory/result.h"

#include "tools/laboratory/order.h"

#include "base/check.h"
#include "tools/laboratory/bounds.h"
#include "tools/report_diff.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* Breaks lines at blanks. */
static void print_wrapped(const char *head, const char *text, FILE *out)
{
    enum { WIDTH = 100 };
    size_t column = strlen(head);
    fputs(head, out);
    while (*text != '\0') {
        size_t word = strcspn(text, " ");
        if (column + word + 1 > WIDTH && column > strlen(head)) {
            fprintf(out, "\n%*s", (int)strlen(head), "");
            column = strlen(head);
        }
        bool begins = column == strlen(head);
        fprintf(out, "%s%.*s", begins ? "" : " ", (int)word, text);
        column += word + !begins;
        text += word + (text[word] != '\0');
    }
    fputc('\n', out);
}

/* ---- Published figures ---- */

static json_t *published_table(const json_t *rows, const char *set)
{
    static const struct {
        const char *key, *head, *unit;
        unsigned digits;
    } columns[] = {
        {"figure", "figure", "", 0},
        {"row", "", "", 0},
        {"published", "published", "", 2},
        {"simulated", "simulated", "", 2},
        {"unit", "unit", "", 0},
        {"difference", "difference", "", 2},
        {"error_percent", "error", "%", 1},
        {"provenance", "from", "", 0},
    };
    json_t *table = table_create("");
    const json_t *row;
    size_t i;
    for (unsigned k = 0; k < ARRAY_LEN(columns); k++)
        table_column(table, columns[k].head, columns[k].unit, columns[k].digits);
    json_array_foreach (rows, i, row) {
        if (strcmp(text_of(row, "set"), set) != 0)
            continue;
        for (unsigned k = 0; k < ARRAY_LEN(columns); k++)
            table_cell(table, k == 0, json_incref(json_object_get(row, columns[k].key)));
    }
    return table;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Relative errors; a figure of 0 has none. */
static void print_errors(const json_t *rows, const char *set, FILE *out)
{
    double *errors = xcalloc(json_array_size(rows) + 1, sizeof *errors), sum = 0;
    size_t known = 0, count = 0, i;
    const json_t *row;
    json_array_foreach (rows, i, row) {
        const json_t *error = json_object_get(row, "error_percent");
        if (strcmp(text_of(row, "set"), set) != 0)
            continue;
        count++;
        if (json_is_number(error)) {
            sum += errors[known] = fabs(json_number_value(error));
            known++;
        }
    }
    qsort(errors, known, sizeof *errors, by_value);
    fprintf(out, "  %zu figures", count);
    if (known > 0)
        fprintf(out, ", relative errors of %zu: median %.1f %%, mean %.1f %%, largest %.1f %%", known,
                errors[known / 2], sum / (double)known, errors[known - 1]);
    fputc('\n', out);
    free(errors);
}

static void print_set(const json_t *rows, const char *set, const char *head, FILE *out)
{
    json_t *table = published_table(rows, set);
    if (json_array_size(json_object_get(table, "rows")) > 0) {
        fprintf(out, "\n%s\n", head);
        table_text(table, out);
        print_errors(rows, set, out);
    }
    json_decref(table);
}

void published_text(const json_t *rows, FILE *out)
{
    if (json_array_size(rows) == 0)
        return;
    fputs(
        "\nPublished figures (Sugerman 2001) beside ours; from: T text or table, B label of a figure, V measured "
        "in a\nfigure's drawing, C computed from others\n",
        out);
    print_set(rows, "calibration", "Calibration set: costs were fitted to these, agreement says nothing",
              out);
    print_set(rows, "validation", "Validation set: nothing was fitted to these", out);
    bounds_text(rows, out);
}

/* ---- The rest ---- */

static void print_expectations(const json_t *result, FILE *out)
{
    const json_t *row;
    size_t i;
    if (json_array_size(json_object_get(result, "expectations")) > 0)
        fputs("\nExpected, and found?\n", out);
    json_array_foreach (json_object_get(result, "expectations"), i, row) {
        const json_t *found = json_object_get(row, "found");
        fprintf(out, "  %-8s %s",
                json_is_true(found)    ? "yes"
                : json_is_false(found) ? "no"
                                       : "unknown",
                text_of(row, "text"));
        if (!json_is_null(found))
            fprintf(out, " (%.2f, %s %.2f)", json_number_value(json_object_get(row, "left_value")),
                    text_of(row, "relation"), json_number_value(json_object_get(row, "right_value")));
        fputc('\n', out);
    }
}

/* The runs that failed with this run's error; 0 when an earlier run has it already. */
static unsigned same_error(const json_t *runs, size_t index)
{
    const char *error = text_of(json_array_get(runs, index), "error");
    unsigned count = 0;
    for (size_t i = 0; i < json_array_size(runs); i++)
        if (strcmp(text_of(json_array_get(runs, i), "error"), error) == 0) {
            if (i < index)
                return 0;
            count++;
        }
    return count;
}

static void print_failures(const json_t *result, FILE *out)
{
    const json_t *runs = json_object_get(result, "runs"), *run;
    size_t i;
    struct result_counts counts = result_counts(result);
    if (counts.failed > 0)
        fprintf(out, "\n%u of %u runs failed\n", counts.failed, counts.runs);
    json_array_foreach (runs, i, run) {
        unsigned same = strcmp(text_of(run, "status"), "failed") == 0 ? same_error(runs, i) : 0;
        if (same == 1)
            fprintf(out, "  %s: %s\n", text_of(run, "label"), text_of(run, "error"));
        else if (same > 1)
            fprintf(out, "  %s and %u more: %s\n", text_of(run, "label"), same - 1, text_of(run, "error"));
    }
    if (counts.missing > 0)
        fprintf(out, "\n%u of %u runs were not run\n", counts.missing, counts.runs);
}

void result_text(const json_t *result, FILE *out)
{
    const json_t *item;
    size_t i;
    fprintf(out, "%s: %s\n", text_of(result, "experiment"), text_of(result, "title"));
    print_wrapped("  expects  ", text_of(result, "expects"), out);
    if (strcmp(text_of(result, "guest_name"), "linux") == 0)
        fputs("  guest    a Linux kernel, not the embedded one\n", out);
    if (strcmp(text_of(result, "guest_name"), "recorded") == 0)
        fputs("  guest    a recorded run; a run with other prices is COUNTERFACTUAL (docs/replay.md)\n", out);
    if (*text_of(result, "changes") != '\0')
        print_wrapped("  changed  ", text_of(result, "changes"), out);
    json_array_foreach (json_object_get(result, "tables"), i, item) {
        fputc('\n', out);
        table_text(item, out);
    }
    if (json_object_get(result, "difference") != NULL) {
        fputc('\n', out);
        report_diff_text(json_object_get(result, "difference"), out);
    }
    json_array_foreach (json_object_get(result, "findings"), i, item)
        fprintf(out, "%s  %s\n", i ? "" : "\nFound\n", json_string_value(item));
    print_expectations(result, out);
    if (json_object_get(result, "order") != NULL)
        fputc('\n', out);
    order_text(result, out);
    published_text(json_object_get(result, "published"), out);
    print_failures(result, out);
}

struct result_counts result_counts(const json_t *result)
{
    struct result_counts counts = {0};
    const json_t *item;
    size_t i;
    json_array_foreach (json_object_get(result, "runs"), i, item) {
        counts.runs++;
        counts.failed += strcmp(text_of(item, "status"), "failed") == 0;
        counts.missing += strcmp(text_of(item, "status"), "not run") == 0;
    }
    json_array_foreach (json_object_get(result, "expectations"), i, item)
        counts.unexpected += json_is_false(json_object_get(item, "found"));
    return counts;
}

/* ---- The table of runs ---- */

/* The keys of a member of all runs, in the order in which they first come. */
static json_t *all_keys(const json_t *runs, const char *member)
{
    json_t *keys = json_object();
    const json_t *run;
    size_t i;
    json_array_foreach (runs, i, run) {
        const char *key;
        json_t *value;
        json_object_foreach (json_object_get(run, member), key, value)
            json_object_set_new(keys, key, json_null());
    }
    return keys;
}

json_t *result_runs_table(const json_t *result)
{
    static const char *const heads[] = {"label", "status", "error"};
    const json_t *runs = json_object_get(result, "runs"), *run;
    json_t *settings = all_keys(runs, "configuration"), *metrics = all_keys(runs, "metrics"), *value;
    json_t *table = table_create("");
    const char *key;
    size_t i;
    for (unsigned k = 0; k < ARRAY_LEN(heads); k++)
        table_column(table, heads[k], "", 0);
    json_object_foreach (settings, key, value)
        table_column(table, key, "", 0);
    json_object_foreach (metrics, key, value)
        table_column(table, key, "", 6);
    json_array_foreach (runs, i, run) {
        for (unsigned k = 0; k < ARRAY_LEN(heads); k++)
            table_cell(table, k == 0, json_incref(json_object_get(run, heads[k])));
        json_object_foreach (settings, key, value)
            table_cell(table, false,
                       json_incref(json_object_get(json_object_get(run, "configuration"), key)));
        json_object_foreach (metrics, key, value)
            table_cell(table, false, json_incref(json_object_get(json_object_get(run, "metrics"), key)));
    }
    json_decref(settings);
    json_decref(metrics);
    return table;
}
