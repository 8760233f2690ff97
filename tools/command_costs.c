/* crosspage costs: every cost of a profile, with value, unit, layer, status and source. */
#include "tools/options.h"
#include "tools/published.h"

#include "base/check.h"
#include "vmm/cost.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct costs_options {
    const char *profile;
    bool csv, help;
    const char *overrides[64];
    unsigned override_count;
};

static enum status set_format(void *target, const char *arg, struct error *err)
{
    struct costs_options *options = target;
    options->csv = strcmp(arg, "csv") == 0;
    return options->csv || strcmp(arg, "text") == 0
               ? STATUS_OK
               : status_fail(err, STATUS_BAD_INPUT, "the formats are text and csv");
}

static enum status add_cost(void *target, const char *arg, struct error *err)
{
    struct costs_options *options = target;
    if (options->override_count == ARRAY_LEN(options->overrides))
        return status_fail(err, STATUS_BAD_INPUT, "too many -cost options");
    options->overrides[options->override_count++] = arg;
    return STATUS_OK;
}

static const struct option costs_option_table[] = {
    {"profile", "NAME|FILE", NULL, "cost profile (default pc-733; 'help' lists them)",
     offsetof(struct costs_options, profile)},
    {"cost", "NAME=VALUE", add_cost, "override one cost"},
    {"format", "text|csv", set_format, "output format"},
    {"help", NULL, NULL, "list the options", offsetof(struct costs_options, help)},
    {0},
};

static void print_row(bool csv, const char *name, const char *unit, const char *layer,
                      const struct cost_value *value, uint64_t hz, const char *description)
{
    double cycles = (double)value->milli_cycles / 1000, us = cycles * 1e6 / (double)hz;
    if (csv)
        printf("%s,%.3f,%.4f,%s,%s,%s,\"%s\",\"%s\"\n", name, cycles, us, unit, layer,
               cost_status_name(value->status), value->source, description);
    else
        printf("%-26s %11.3f cycles %10.4f us  %-9s %-13s %-10s %s\n", name, cycles, us, unit, layer,
               cost_status_name(value->status), value->source);
}

/* What -timing cache knows of the processor. */
static void print_timing(const struct cost_table *table, bool csv)
{
    for (unsigned i = 0; i < TIMING_COUNT; i++) {
        enum timing_id id = (enum timing_id)i;
        const struct cost_value *value = &table->timing[i];
        if (!table->timing_given[i])
            continue;
        if (timing_unit(id) == TIMING_UNIT_CYCLES)
            print_row(csv, timing_name(id), "event", "guest", value, table->cpu_hz, timing_description(id));
        else if (csv)
            printf("%s,%" PRIu64 ",,count,guest,%s,\"%s\",\"%s\"\n", timing_name(id),
                   value->milli_cycles / 1000, cost_status_name(value->status), value->source,
                   timing_description(id));
        else
            printf("%-26s %11" PRIu64 " %-20s %-9s %-13s %-10s %s\n", timing_name(id),
                   value->milli_cycles / 1000, "", "count", "guest", cost_status_name(value->status),
                   value->source);
    }
}

/* What the parts of a world switch come to, beside the figure that they are held to. */
static void print_switch(const struct cost_table *table)
{
    cycle_t sum = 0, rest = table->cycles[COST_ID_SWITCH_REST];
    const struct published *figure = published_find("Figure 5", "visit_us.to-host");
    for (unsigned part = COST_SWITCH_FIRST; part < COST_SWITCH_FIRST + COST_SWITCH_PARTS; part++)
        sum += table->cycles[part];
    printf("\nworld switch, each way: %" PRIu64
           " cycles, %.3f us, of which %.3f us in switch.rest; published "
           "(Sugerman 2001, Figure 5, 733 MHz): %.2f us\n",
           sum, (double)sum * 1e6 / (double)table->cpu_hz, (double)rest * 1e6 / (double)table->cpu_hz,
           figure->value);
}

static void print_costs(const struct cost_table *table, bool csv)
{
    static const char *const texts[] = {
#define COST_CLASS(name, text) text,
#include "cpu/cost_class.def"
#undef COST_CLASS
    };
    if (csv)
        puts("name,cycles,microseconds,unit,layer,status,source,description");
    else
        printf("profile %s: %s, %" PRIu64 ".%03" PRIu64 " MHz\n", table->profile, table->description,
               table->cpu_hz / 1000000, table->cpu_hz / 1000 % 1000);
    for (unsigned i = 0; i < COST_ID_COUNT; i++) {
        const struct step_info *step = &table->steps[RECORDER_FIRST_COST + i];
        print_row(csv, step->name, step->unit, layer_name(step->layer), &table->value[i], table->cpu_hz,
                  step->description);
    }
    for (unsigned i = 0; i < COST_CLASS_COUNT; i++) {
        char name[40];
        snprintf(name, sizeof name, "insn.%s", cost_class_name((enum cost_class)i));
        print_row(csv, name, "insn", "guest", &table->insn[i], table->cpu_hz, texts[i]);
    }
    print_timing(table, csv);
    if (!csv)
        print_switch(table);
}

int command_costs(int argc, char **argv)
{
    struct costs_options options = {.profile = "pc-733"};
    struct error err;
    if (options_parse(costs_option_table, &options, argc, argv, NULL, &err) != STATUS_OK)
        return usage_error(&err);
    if (options.help) {
        puts("usage: crosspage costs [OPTIONS]\n");
        options_print_help(costs_option_table);
        return 0;
    }
    if (strcmp(options.profile, "help") == 0) {
        for (unsigned i = 0; cost_profile_name(i) != NULL; i++)
            puts(cost_profile_name(i));
        return 0;
    }
    struct cost_table *table = xcalloc(1, sizeof *table);
    enum status status = cost_table_load(table, options.profile, &err);
    for (unsigned i = 0; status == STATUS_OK && i < options.override_count; i++)
        status = cost_table_override(table, options.overrides[i], &err);
    if (status == STATUS_OK)
        print_costs(table, options.csv);
    free(table);
    return status == STATUS_OK ? 0 : usage_error(&err);
}
