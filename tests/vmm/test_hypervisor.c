/* Options after a hypervisor's name: words, numbers, words that stand for others. */
#include "vmm/hypervisor.h"

#include "base/check.h"

#include <criterion/criterion.h>
#include <string.h>

static const char *const presets[] = {"fast=off,limit=2", "fast=on,limit=9"};

static const struct hypervisor_option options[] = {
    {.name = "fast", .words = "off|on", .description = ""},
    {.name = "limit", .description = "", .low = 2, .high = 40, .standard = 7},
    {.name = "preset", .words = "slow|quick", .description = "", .stands_for = presets},
    {.name = "way", .words = "first|second|third", .description = ""},
};

static const struct hypervisor_ops ops = {
    .name = "made-up", .options = options, .option_count = ARRAY_LEN(options)};

static const struct {
    const char *text;
    bool good;
    unsigned choice[ARRAY_LEN(options)];
    const char *error; /* part of the message */
} rows[] = {
    {"", true, {0, 7, 0, 0}, NULL},
    {"fast", true, {1, 7, 0, 0}, NULL},
    {"fast=on,way=third", true, {1, 7, 0, 2}, NULL},
    {"limit=2", true, {0, 2, 0, 0}, NULL},
    {"limit=40,limit=8", true, {0, 8, 0, 0}, NULL},
    {"preset=quick", true, {1, 9, 1, 0}, NULL},
    {"preset=quick,fast=off", true, {0, 9, 1, 0}, NULL},
    {"fast=off,preset=quick", true, {1, 9, 1, 0}, NULL},
    {"limit=1", false, {0}, "limit must be a number, 2..40"},
    {"limit=41", false, {0}, "2..40"},
    {"limit=99999999999999999999999999", false, {0}, "2..40"},
    {"limit=-3", false, {0}, "2..40"},
    {"limit=3x", false, {0}, "2..40"},
    {"limit=", false, {0}, "2..40"},
    {"limit", false, {0}, "2..40"},
    {"way", false, {0}, "way must be one of first|second|third"},
    {"way=firs", false, {0}, "first|second|third"},
    {"preset=medium", false, {0}, "slow|quick"},
    {"limt=3", false, {0}, "limit"},
    {"=3", false, {0}, "unknown option"},
};

Test(hypervisor, options)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        unsigned choice[HYPERVISOR_OPTIONS_MAX];
        struct error err = {{0}};
        enum status status = hypervisor_parse(&ops, rows[i].text, choice, &err);
        cr_expect_eq(status, rows[i].good ? STATUS_OK : STATUS_BAD_INPUT, "'%s': %s", rows[i].text, err.text);
        for (size_t k = 0; rows[i].good && k < ARRAY_LEN(options); k++)
            cr_expect_eq(choice[k], rows[i].choice[k], "'%s': option %zu is %u", rows[i].text, k, choice[k]);
        if (!rows[i].good)
            cr_expect(strstr(err.text, rows[i].error) != NULL, "'%s': %s", rows[i].text, err.text);
    }
}
