/* -vary: the grammar, what it refuses, and products. */
#include "tools/laboratory/sweep.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* The values, separated by blanks; or "!" and the error. */
static const char *values(const char *text, char *out, size_t size)
{
    struct sweep sweep;
    struct error err;
    if (sweep_parse(&sweep, text, &err) != STATUS_OK) {
        snprintf(out, size, "!%s", err.text);
        return out;
    }
    *out = '\0';
    for (unsigned i = 0; i < sweep.count; i++)
        snprintf(out + strlen(out), size - strlen(out), "%s%s", i ? " " : "", sweep.value[i]);
    sweep_free(&sweep);
    return out;
}

Test(sweep, values)
{
    static const struct {
        const char *text, *expected;
    } rows[] = {
        {"a=1", "1"},
        {"a=on,off", "on off"},
        {"a=pc-733,pc-350", "pc-733 pc-350"},
        {"a=0:3:1", "0 1 2 3"},
        {"a=0:10:4", "0 4 8"},
        {"a=3:0:-1", "3 2 1 0"},
        {"a=0:1:0.1", "0 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9 1"},
        {"a=-0.2:0.2:0.1", "-0.2 -0.1 0 0.1 0.2"},
        {"a=5:5:1", "5"},
        {"a=512:4096:*2", "512 1024 2048 4096"},
        {"a=1000:1:*0.1", "1000 100 10 1"},
        {"a=0us:2us:1us", "0us 1us 2us"},
        {"a=0:2us:1", "0us 1us 2us"},
        {"a=50%:150%:50%", "50% 100% 150%"},
        {"a=1k:8k:*2", "1k 2k 4k 8k"},
        {"a=0:1000000000000:500000000000", "0 500000000000 1000000000000"},
    };
    char text[640];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cr_expect_str_eq(values(rows[i].text, text, sizeof text), rows[i].expected, "%s: %s", rows[i].text,
                         text);
}

Test(sweep, refused)
{
    static const struct {
        const char *text, *pattern;
    } rows[] = {
        {"a", "expected name="},
        {"=1", "expected name="},
        {"a=", "a value is missing"},
        {"a=1,,2", "a value is missing"},
        {"a=1:2", "is no range"},
        {"a=1:2:3:4", "is no range"},
        {"a=x:2:1", "is no range"},
        {"a=inf:2:1", "is no range"},
        {"a=nan:2:1", "is no range"},
        {"a=1:2:*", "is no range"},
        {"a=1:3:0", "never gets"},
        {"a=1:3:-1", "never gets"},
        {"a=3:1:1", "never gets"},
        {"a=1:3:*1", "never gets"},
        {"a=0:8:*2", "never gets"},
        {"a=1:8:*-2", "never gets"},
        {"a=1us:2ns:1us", "different units"},
        {"a=1:8:*2us", "a factor has no unit"},
        {"a=0:1:0.00000001", "more than"},
        {"a=0:1e300:1e299", "never gets"},
    };
    char text[640];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        values(rows[i].text, text, sizeof text);
        cr_expect(text[0] == '!' && strstr(text, rows[i].pattern) != NULL, "%s: %s", rows[i].text, text);
    }
}

/* A list of as many values as there may be, and one more. */
Test(sweep, longest)
{
    static char text[2 * SWEEP_VALUES_MAX + 16] = "a=1";
    struct sweep sweep;
    struct error err;
    for (unsigned i = 1; i < SWEEP_VALUES_MAX; i++)
        memcpy(text + 1 + 2 * i, ",1", 2);
    cr_assert_eq(sweep_parse(&sweep, text, &err), STATUS_OK);
    cr_expect_eq(sweep.count, SWEEP_VALUES_MAX);
    sweep_free(&sweep);
    strcat(text, ",1");
    cr_expect_neq(sweep_parse(&sweep, text, &err), STATUS_OK);
}

Test(sweep, product)
{
    struct sweep sweeps[2];
    struct error err;
    size_t product;
    unsigned choice[2];
    cr_assert_eq(sweep_parse(&sweeps[0], "a=1,2,3", &err), STATUS_OK);
    cr_assert_eq(sweep_parse(&sweeps[1], "b=x,y", &err), STATUS_OK);
    cr_assert_eq(sweep_product(sweeps, 2, &product, &err), STATUS_OK);
    cr_expect_eq(product, 6);
    for (unsigned i = 0; i < product; i++) {
        sweep_choose(sweeps, 2, i, choice);
        cr_expect(choice[0] == i / 2 && choice[1] == i % 2, "combination %u", i);
    }
    cr_assert_eq(sweep_product(sweeps, 0, &product, &err), STATUS_OK);
    cr_expect_eq(product, 1);
    sweep_free(&sweeps[0]);
    cr_assert_eq(sweep_parse(&sweeps[0], "a=1:10000:1", &err), STATUS_OK);
    struct sweep both[] = {sweeps[0], sweeps[0]};
    cr_expect_neq(sweep_product(both, 2, &product, &err), STATUS_OK);
    sweep_free(&sweeps[0]);
    sweep_free(&sweeps[1]);
}
