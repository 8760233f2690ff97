/* Two labs side by side: equal ones are found equal; a lab that differs at one known place is found out,
 * close to it. */
#include "hostworld/engine_check.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sides {
    const char *override[CHECK_SIDES]; /* -cost, or NULL */
    uint64_t points;
    unsigned opened;
};

static enum status open_side(void *ctx, unsigned side, bool again, struct lab **lab, struct error *err)
{
    struct sides *sides = ctx;
    struct lab_config config;
    (void)again;
    lab_config_default(&config);
    config.hypervisor = "workstation";
    config.kernel = NETTEST_ELF;
    config.cmdline = "exit=acpi total=30000";
    config.board.ram_bytes = 32 << 20;
    config.nic = true;
    config.no_reboot = true;
    config.translate = side == CHECK_OTHER && translator_supported();
    config.translator.threshold = 1;
    if (sides->override[side] != NULL)
        config.overrides[config.override_count++] = sides->override[side];
    sides->opened++;
    return lab_create(lab, &config, err);
}

static void close_side(void *ctx, unsigned side, struct lab *lab)
{
    struct error err;
    (void)ctx, (void)side;
    cr_assert_eq(lab_destroy(lab, &err), STATUS_OK);
}

static struct engine_check_result check(struct sides *sides, char **text)
{
    size_t size;
    struct engine_check_config config = {
        .open = open_side,
        .close = close_side,
        .ctx = sides,
        .name = {"left", "right"},
        .every = 50000,
        .points = sides->points,
        .report = open_memstream(text, &size),
    };
    struct engine_check_result result;
    struct error err;
    cr_assert_eq(engine_check_run(&config, &result, &err), STATUS_OK, "%s", err.text);
    fclose(config.report);
    return result;
}

Test(engine_check, equal_labs)
{
    struct sides sides = {.opened = 0};
    char *text;
    struct engine_check_result result = check(&sides, &text);
    cr_expect(result.equal);
    cr_expect_eq(result.stop, VM_STOP_POWER_OFF);
    cr_expect_gt(result.stops, 100);
    cr_expect_eq(sides.opened, CHECK_SIDES);
    cr_expect_str_eq(text, "");
    free(text);
}

/* A division costs one cycle more on one side: nothing else tells the labs apart. */
Test(engine_check, a_difference)
{
    struct sides sides = {.override = {NULL, "insn.DIV=40"}};
    char *text;
    struct engine_check_result result = check(&sides, &text);
    cr_expect_not(result.equal);
    cr_expect_gt(result.at_latest, result.after);
    cr_expect_leq(result.at_latest - result.after, 1000, "from %llu to %llu",
                  (unsigned long long)result.after, (unsigned long long)result.at_latest);
    cr_expect_not_null(strstr(text, "clock"), "%s", text);
    cr_expect_not_null(strstr(text, "div"), "%s", text);
    cr_expect_not_null(strstr(text, "left"), "%s", text);
    free(text);
}

/* A run in one go, then one with so many stops. */
Test(engine_check, points)
{
    struct sides sides = {.points = 300};
    char *text;
    struct engine_check_result result = check(&sides, &text);
    cr_expect(result.equal, "%s", text);
    cr_expect_eq(result.stop, VM_STOP_POWER_OFF);
    cr_expect(result.stops >= 299 && result.stops <= 301, "%llu", (unsigned long long)result.stops);
    cr_expect_geq(result.whole_stops, result.stops);
    cr_expect_eq(sides.opened, CHECK_SIDES + 1);
    free(text);
}

Test(engine_check, a_difference_between_points)
{
    struct sides sides = {.override = {NULL, "insn.DIV=40"}, .points = 300};
    char *text;
    struct engine_check_result result = check(&sides, &text);
    cr_expect_not(result.equal);
    cr_expect_leq(result.at_latest - result.after, 1000, "from %llu to %llu",
                  (unsigned long long)result.after, (unsigned long long)result.at_latest);
    cr_expect_not_null(strstr(text, "div"), "%s", text);
    free(text);
}
