/* From an experiment to its runs: variants times swept values, each with a label and a configuration. */
#include "tools/laboratory/experiment.h"

#include "base/check.h"
#include "base/suggest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPERIMENT(id, name, in_all) extern const struct experiment experiment_##id;
#include "tools/experiments/experiments.def"
#undef EXPERIMENT

static const struct {
    const char *name;
    const struct experiment *experiment;
    bool in_all;
} experiments[] = {
#define EXPERIMENT(id, name, in_all) {name, &experiment_##id, in_all},
#include "tools/experiments/experiments.def"
#undef EXPERIMENT
};

const struct experiment *experiment_find(const char *name)
{
    for (unsigned i = 0; i < ARRAY_LEN(experiments); i++)
        if (strcmp(experiments[i].name, name) == 0)
            return experiments[i].experiment;
    return NULL;
}

const char *experiment_by_index(unsigned index, const struct experiment **experiment, bool *in_all)
{
    if (index >= ARRAY_LEN(experiments))
        return NULL;
    *experiment = experiments[index].experiment;
    *in_all = experiments[index].in_all;
    return experiments[index].name;
}

const struct run *outcome_find(const struct outcome *outcome, const char *label)
{
    for (unsigned i = 0; i < outcome->count; i++)
        if (strcmp(outcome->run[i].label, label) == 0)
            return &outcome->run[i];
    return NULL;
}

void outcome_free(struct outcome *outcome)
{
    for (unsigned i = 0; i < outcome->sweep_count; i++)
        sweep_free(&outcome->sweeps[i]);
    free(outcome->run);
    outcome->run = NULL;
    outcome->count = outcome->sweep_count = 0;
}

static enum status add_sweep(struct outcome *outcome, const char *text, bool by_user, struct error *err)
{
    struct sweep sweep;
    TRY(sweep_parse(&sweep, text, err));
    enum status status = configuration_known(sweep.name, err);
    unsigned i = 0;
    while (i < outcome->sweep_count && strcmp(outcome->sweeps[i].name, sweep.name) != 0)
        i++;
    if (status == STATUS_OK && i == EXPERIMENT_SWEEPS)
        status = status_fail(err, STATUS_BAD_INPUT, "more than %d parameters are varied", EXPERIMENT_SWEEPS);
    if (status != STATUS_OK && by_user) {
        sweep_free(&sweep);
        return status;
    }
    /* An option that this program lacks fails run by run, with a line that says so. */
    if (i < outcome->sweep_count)
        sweep_free(&outcome->sweeps[i]);
    else
        outcome->varied |= by_user;
    outcome->other_values |= by_user;
    outcome->sweep_count += i == outcome->sweep_count;
    outcome->sweeps[i] = sweep;
    return STATUS_OK;
}

enum status outcome_sweeps(struct outcome *outcome, const char *const *vary, struct error *err)
{
    for (unsigned i = 0; outcome->experiment->vary[i] != NULL; i++)
        TRY(add_sweep(outcome, outcome->experiment->vary[i], false, err));
    for (; *vary != NULL; vary++)
        TRY(add_sweep(outcome, *vary, true, err));
    for (unsigned i = 0; i < outcome->sweep_count; i++)
        if (configuration_get(&outcome->changes, outcome->sweeps[i].name) != NULL)
            return status_fail(err, STATUS_BAD_INPUT, "'%s' is varied: give its values by -vary, not by -set",
                               outcome->sweeps[i].name);
    return STATUS_OK;
}

/* The machine that the settings begin with. */
static const char *title_of(const struct variant *variant)
{
    char name[SETTING_NAME];
    if (variant->title != NULL)
        return variant->title;
    if (variant->settings[0] != '@')
        return variant->name;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(variant->settings + 1, " "), variant->settings + 1);
    const char *title = machine_title(name);
    return title ? title : variant->name;
}

static enum status configure(const struct outcome *outcome, const struct variant *variant,
                             const unsigned *choice, struct configuration *configuration, struct error *err)
{
    *configuration = (struct configuration){0};
    if (!outcome->recorded) {
        TRY(configuration_apply(configuration, EXPERIMENT_BASE, err));
        if (outcome->experiment->base != NULL)
            TRY(configuration_apply(configuration, outcome->experiment->base, err));
        TRY(configuration_apply(configuration, variant->settings, err));
    }
    for (unsigned i = 0; i < outcome->changes.count; i++)
        TRY(configuration_set(configuration, outcome->changes.setting[i].name,
                              outcome->changes.setting[i].value, err));
    for (unsigned i = 0; choice != NULL && i < outcome->sweep_count; i++)
        TRY(configuration_set(configuration, outcome->sweeps[i].name, outcome->sweeps[i].value[choice[i]],
                              err));
    return STATUS_OK;
}

static enum status make_label(const struct outcome *outcome, const struct variant *variant,
                              const unsigned *choice, char label[RUN_LABEL], struct error *err)
{
    size_t length = (size_t)snprintf(label, RUN_LABEL, "%s", variant->name);
    for (unsigned i = 0; choice != NULL && i < outcome->sweep_count && length < RUN_LABEL; i++)
        length += (size_t)snprintf(label + length, RUN_LABEL - length, "/%s=%s", outcome->sweeps[i].name,
                                   outcome->sweeps[i].value[choice[i]]);
    return length < RUN_LABEL ? STATUS_OK
                              : status_fail(err, STATUS_BAD_INPUT, "a run's label is too long: %s", label);
}

/* A variant that the guest is not made for is no failure; the result names it once. What the user asked for
 * fails. */
static bool leave_out(struct outcome *outcome, const struct variant *variant,
                      const struct configuration *configuration)
{
    struct error reason, ignored;
    if (outcome->laboratory == NULL || outcome->other_values)
        return false;
    const struct guest *guest = laboratory_guest_files(outcome->laboratory);
    if (configuration_suits(configuration, guest, &reason) == STATUS_OK ||
        configuration_suits(&outcome->changes, guest, &ignored) != STATUS_OK)
        return false;
    for (unsigned i = 0; i < outcome->left_out_count; i++)
        if (strcmp(outcome->left_out[i].variant, variant->name) == 0)
            return true;
    if (outcome->left_out_count < ARRAY_LEN(outcome->left_out)) {
        struct left_out *left_out = &outcome->left_out[outcome->left_out_count++];
        snprintf(left_out->variant, sizeof left_out->variant, "%s", variant->name);
        left_out->reason = reason;
    }
    return true;
}

enum status outcome_add(struct outcome *outcome, const struct variant *variant, const unsigned *choice,
                        struct error *err)
{
    struct run run = {.job = NULL};
    snprintf(run.variant, sizeof run.variant, "%s", variant->name);
    snprintf(run.title, sizeof run.title, "%s", outcome->recorded ? variant->name : title_of(variant));
    TRY(make_label(outcome, variant, choice, run.label, err));
    if (outcome_find(outcome, run.label) != NULL)
        return STATUS_OK;
    TRY(configure(outcome, variant, choice, &run.configuration, err));
    if (leave_out(outcome, variant, &run.configuration))
        return STATUS_OK;
    if (choice != NULL)
        memcpy(run.choice, choice, outcome->sweep_count * sizeof *choice);
    if (outcome->laboratory != NULL)
        run.job = laboratory_job(outcome->laboratory, &run.configuration, outcome->experiment->keep_traces);
    if ((outcome->count & (outcome->count - 1)) == 0)
        outcome->run = xrealloc(outcome->run, (outcome->count ? 2u * outcome->count : 1) * sizeof run);
    outcome->run[outcome->count++] = run;
    return STATUS_OK;
}

enum status outcome_plan(struct outcome *outcome, struct error *err)
{
    size_t product;
    unsigned choice[EXPERIMENT_SWEEPS] = {0};
    if (outcome->count > 0)
        return STATUS_OK;
    TRY(sweep_product(outcome->sweeps, outcome->sweep_count, &product, err));
    for (const struct variant *variant = outcome->experiment->variants; variant->name != NULL; variant++)
        for (size_t i = 0; i < product; i++) {
            sweep_choose(outcome->sweeps, outcome->sweep_count, i, choice);
            TRY(outcome_add(outcome, variant, choice, err));
        }
    return STATUS_OK;
}
