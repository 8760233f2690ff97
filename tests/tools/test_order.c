/* Orders of configurations: equal, reversed, ties, runs without partner. */
#include "tools/laboratory/order.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void add_run(json_t *result, const char *variant, const char *write, double throughput, double idle)
{
    char label[64];
    snprintf(label, sizeof label, "%s/write=%s", variant, write);
    json_array_append_new(json_object_get(result, "runs"),
                          json_pack("{s:s, s:s, s:{s:s}, s:{s:f, s:f}}", "label", label, "variant", variant,
                                    "varied", "write", write, "metrics", "throughput_mbps", throughput,
                                    "idle_percent", idle));
}

static json_t *make(const char *guest)
{
    return json_pack("{s:s, s:s, s:[]}", "experiment", "test", "guest_name", guest, "runs");
}

static const json_t *compare(const json_t *like, json_t *result)
{
    order_compare(like, result);
    return json_object_get(result, "order");
}

static long long number(const json_t *order, const char *name)
{
    return json_integer_value(json_object_get(order, name));
}

Test(order, the_same)
{
    json_t *like = make("nettest"), *result = make("linux");
    add_run(like, "native", "512", 90, 50);
    add_run(like, "vm", "512", 40, 0);
    add_run(like, "vm", "4096", 60, 0);
    add_run(like, "optimized", "512", 91, 20); /* as much as native, but less idle */
    add_run(result, "native", "512", 80, 30);
    add_run(result, "vm", "512", 20, 0);
    add_run(result, "vm", "4096", 30, 0);
    add_run(result, "optimized", "512", 79.5, 4);
    const json_t *order = compare(like, result);
    cr_assert(json_is_true(json_object_get(order, "same")));
    /* vm/4096 and the others differ in two things. */
    cr_assert_eq(number(order, "pairs"), 4);
    cr_assert_eq(number(order, "ties"), 0);
    cr_assert_str_eq(json_string_value(json_object_get(order, "like")), "nettest");
    json_decref(like);
    json_decref(result);
}

Test(order, reversed)
{
    json_t *like = make("nettest"), *result = make("linux");
    add_run(like, "a", "1", 50, 0);
    add_run(like, "b", "1", 60, 0);
    add_run(like, "c", "1", 60.5, 1); /* a tie with b */
    add_run(result, "a", "1", 70, 0);
    add_run(result, "b", "1", 60, 0);
    add_run(result, "c", "1", 80, 0);
    add_run(result, "d", "1", 80, 0); /* without partner */
    const json_t *order = compare(like, result),
                 *pair = json_array_get(json_object_get(order, "reversed"), 0);
    cr_assert(json_is_false(json_object_get(order, "same")));
    cr_assert_eq(number(order, "pairs"), 2);
    cr_assert_eq(number(order, "ties"), 1);
    cr_assert_eq(number(order, "missing"), 1);
    cr_assert_eq(json_array_size(json_object_get(order, "reversed")), 1);
    cr_assert_str_eq(json_string_value(json_array_get(pair, 0)), "b/write=1");
    cr_assert_str_eq(json_string_value(json_array_get(pair, 1)), "a/write=1");
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    order_text(result, out);
    fclose(out);
    cr_assert(strstr(text, "same order as nettest: no (1 of 2 pairs of runs; ties: 1, without partner: 1)") !=
                  NULL,
              "%s", text);
    free(text);
    json_decref(like);
    json_decref(result);
}

/* Nothing to compare is no agreement. */
Test(order, nothing)
{
    json_t *like = make("nettest"), *result = make("linux");
    add_run(like, "a", "1", 50, 0);
    add_run(result, "a", "1", 50, 0);
    const json_t *order = compare(like, result);
    cr_assert(json_is_false(json_object_get(order, "same")));
    cr_assert_eq(number(order, "pairs"), 0);
    json_decref(like);
    json_decref(result);
}
