/* Comparing all pairs of runs of two results (order.h). */
#include "tools/laboratory/order.h"

#include <math.h>
#include <string.h>

static const json_t *run_of(const json_t *result, const char *label)
{
    const json_t *run;
    size_t i;
    json_array_foreach (json_object_get(result, "runs"), i, run) {
        const char *text = json_string_value(json_object_get(run, "label"));
        if (text != NULL && strcmp(text, label) == 0)
            return run;
    }
    return NULL;
}

static bool measured(const json_t *run, double *throughput, double *idle)
{
    const json_t *metrics = json_object_get(run, "metrics"),
                 *first = json_object_get(metrics, "throughput_mbps"),
                 *second = json_object_get(metrics, "idle_percent");
    *throughput = json_number_value(first);
    *idle = json_number_value(second);
    return json_is_number(first) && json_is_number(second);
}

/* 1: a before b, -1: b before a, 0: a tie. */
static int in_order(const json_t *a, const json_t *b)
{
    double throughput[2], idle[2];
    if (!measured(a, &throughput[0], &idle[0]) || !measured(b, &throughput[1], &idle[1]))
        return 0;
    double more = throughput[0] - throughput[1], larger = fmax(throughput[0], throughput[1]);
    if (fabs(more) > larger * ORDER_TIE_PERCENT / 100)
        return more > 0 ? 1 : -1;
    double rest = idle[0] - idle[1];
    return fabs(rest) > ORDER_TIE_IDLE ? (rest > 0 ? 1 : -1) : 0;
}

/* Do they differ in their variants, or in one varied value? */
static bool neighbours(const json_t *a, const json_t *b)
{
    const json_t *others = json_object_get(b, "varied");
    unsigned differences = !json_equal(json_object_get(a, "variant"), json_object_get(b, "variant"));
    const char *name;
    json_t *value;
    json_object_foreach (json_object_get(a, "varied"), name, value)
        differences += !json_equal(value, json_object_get(others, name));
    return differences == 1;
}

void order_compare(const json_t *like, json_t *result)
{
    const json_t *runs = json_object_get(result, "runs");
    json_t *reversed = json_array();
    json_int_t pairs = 0, ties = 0, missing = 0;
    double ignored[2];
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *a = json_array_get(runs, i);
        const char *label = json_string_value(json_object_get(a, "label"));
        const json_t *a_like = run_of(like, label);
        if (!measured(a, &ignored[0], &ignored[1]) || !measured(a_like, &ignored[0], &ignored[1])) {
            missing++;
            continue;
        }
        for (size_t k = i + 1; k < json_array_size(runs); k++) {
            const json_t *b = json_array_get(runs, k);
            const char *other = json_string_value(json_object_get(b, "label"));
            const json_t *b_like = run_of(like, other);
            if (!neighbours(a, b) || !measured(b, &ignored[0], &ignored[1]) ||
                !measured(b_like, &ignored[0], &ignored[1]))
                continue;
            int here = in_order(a, b), there = in_order(a_like, b_like);
            pairs += here != 0 && there != 0;
            ties += here == 0 || there == 0;
            if (here * there < 0)
                json_array_append_new(reversed, there > 0 ? json_pack("[s, s]", label, other)
                                                          : json_pack("[s, s]", other, label));
        }
    }
    json_object_set_new(result, "order",
                        json_pack("{s:O, s:b, s:I, s:I, s:I, s:o}", "like",
                                  json_object_get(like, "guest_name"), "same",
                                  json_array_size(reversed) == 0 && pairs > 0, "pairs", pairs, "ties", ties,
                                  "missing", missing, "reversed", reversed));
}

void order_text(const json_t *result, FILE *out)
{
    enum { SHOWN = 5 };
    const json_t *order = json_object_get(result, "order"), *reversed = json_object_get(order, "reversed"),
                 *pair;
    long long pairs = json_integer_value(json_object_get(order, "pairs"));
    size_t wrong = json_array_size(reversed), i;
    if (order == NULL)
        return;
    fprintf(out, "%-15s same order as %s: %s (%lld of %lld pairs of runs; ties: %lld",
            json_string_value(json_object_get(result, "experiment")),
            json_string_value(json_object_get(order, "like")),
            pairs == 0   ? "unknown"
            : wrong == 0 ? "yes"
                         : "no",
            pairs - (long long)wrong, pairs, json_integer_value(json_object_get(order, "ties")));
    if (json_integer_value(json_object_get(order, "missing")) > 0)
        fprintf(out, ", without partner: %lld", json_integer_value(json_object_get(order, "missing")));
    fputs(")\n", out);
    json_array_foreach (reversed, i, pair)
        if (i < SHOWN)
            fprintf(out, "                  reversed: %s before %s\n",
                    json_string_value(json_array_get(pair, 0)), json_string_value(json_array_get(pair, 1)));
    if (wrong > SHOWN)
        fprintf(out, "                  and %zu more\n", wrong - SHOWN);
}
