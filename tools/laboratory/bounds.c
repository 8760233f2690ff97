/* Bounds on what is simulated, by kind of figure (bounds.h). They are counted and what lies outside is named;
 * nothing is done about it. */
#include "tools/laboratory/bounds.h"

#include <math.h>
#include <string.h>

/* Rows of Tables 1 and 2 below this share are not judged one by one. */
static const double SMALL_ROW = 4;

enum kind { KIND_COMMON, KIND_FIGURE_6, KIND_IDLE, KIND_VMM, KIND_ROW, KIND_COUNT, KIND_NONE = KIND_COUNT };

static const struct {
    const char *name;
    double bound;
    bool relative; /* bound in per cent of the published figure, else in points */
} kinds[KIND_COUNT] = {
    [KIND_COMMON] = {"throughput with 4096-byte writes", 10, true},
    [KIND_FIGURE_6] = {"throughput, all of Figure 6", 15, true},
    [KIND_IDLE] = {"idle time, Table 3", 5, false},
    [KIND_VMM] = {"VMM time, Tables 1 and 2", 5, false},
    [KIND_ROW] = {"rows above 4 % of Tables 1 and 2", 4, false},
};

static const char *text_of(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    return text ? text : "";
}

static double number_of(const json_t *row, const char *key)
{
    return json_number_value(json_object_get(row, key));
}

static bool is_table(const json_t *row)
{
    return strcmp(text_of(row, "figure"), "Table 1") == 0 || strcmp(text_of(row, "figure"), "Table 2") == 0;
}

static bool is_of(enum kind kind, const json_t *row)
{
    const char *unit = text_of(row, "unit"), *name = text_of(row, "row");
    if (strcmp(text_of(row, "set"), "validation") != 0 || !json_is_number(json_object_get(row, "simulated")))
        return false;
    switch (kind) {
    case KIND_COMMON: return strcmp(unit, "Mb/s") == 0 && strstr(name, ", 4096") != NULL;
    case KIND_FIGURE_6: return strcmp(text_of(row, "figure"), "Figure 6") == 0;
    case KIND_IDLE: return strcmp(unit, "% idle") == 0;
    case KIND_VMM: return is_table(row) && strcmp(name, "VMM time") == 0;
    default:
        return is_table(row) && strcmp(unit, "%") == 0 && strcmp(name, "VMM time") != 0 &&
               number_of(row, "published") > SMALL_ROW;
    }
}

static bool within(const json_t *row, double bound, bool relative)
{
    double distance = fabs(number_of(row, "difference"));
    return distance <= (relative ? bound / 100 * number_of(row, "published") : bound);
}

static size_t count(const json_t *rows, enum kind kind, double bound, size_t *all)
{
    size_t good = 0, i;
    const json_t *row;
    *all = 0;
    json_array_foreach (rows, i, row)
        if (is_of(kind, row)) {
            ++*all;
            good += within(row, bound, kinds[kind].relative);
        }
    return good;
}

/* Inside VMM time, which rows are larger than which: pairs as published, of all pairs. */
static size_t count_ordered(const json_t *rows, size_t *all)
{
    size_t good = 0, i, k;
    const json_t *a, *b;
    *all = 0;
    json_array_foreach (rows, i, a)
        json_array_foreach (rows, k, b) {
            if (!is_of(KIND_ROW, a) || !is_of(KIND_ROW, b) ||
                strcmp(text_of(a, "figure"), text_of(b, "figure")) != 0 ||
                strstr(text_of(a, "metric"), "VMNET") != NULL ||
                strstr(text_of(b, "metric"), "VMNET") != NULL ||
                number_of(a, "published") <= number_of(b, "published"))
                continue;
            ++*all;
            good += number_of(a, "simulated") > number_of(b, "simulated");
        }
    return good;
}

static void print_outside(const json_t *rows, enum kind kind, FILE *out)
{
    size_t i;
    const json_t *row;
    json_array_foreach (rows, i, row)
        if (is_of(kind, row) && !within(row, kinds[kind].bound, kinds[kind].relative))
            fprintf(out, "    outside: %s, %s: %.2f, not %.2f %s\n", text_of(row, "figure"),
                    text_of(row, "row"), number_of(row, "simulated"), number_of(row, "published"),
                    text_of(row, "unit"));
}

void bounds_text(const json_t *rows, FILE *out)
{
    bool headed = false;
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        size_t all, good = count(rows, (enum kind)kind, kinds[kind].bound, &all);
        if (all == 0)
            continue;
        if (!headed)
            fputs("\nWithin bounds (docs/validation.md says why what is not is not)\n", out);
        headed = true;
        fprintf(out, "  %-34s %2.0f %-7s %zu of %zu\n", kinds[kind].name, kinds[kind].bound,
                kinds[kind].relative ? "%" : "points", good, all);
        if (kind == KIND_FIGURE_6) {
            good = count(rows, KIND_FIGURE_6, 8, &all);
            fprintf(out, "  %-34s %2d %-7s %zu of %zu\n", "", 8, "%", good, all);
        }
        print_outside(rows, (enum kind)kind, out);
    }
    size_t all, good = count_ordered(rows, &all);
    if (all > 0)
        fprintf(out, "  %-34s %10s %zu of %zu pairs\n", "their order inside VMM time", "", good, all);
}
