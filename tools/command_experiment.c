/* crosspage experiment: runs experiments (tools/experiments/), prints their results, leaves them in a folder.
 *
 * All runs of all experiments asked for go to the laboratory together, round by round until no experiment has
 * more to ask; then each result is made. An interrupted command prints what it has. */
#include "tools/options.h"

#include "base/check.h"
#include "base/host_file.h"
#include "tools/laboratory/order.h"
#include "tools/laboratory/result.h"
#include "tools/laboratory/result_html.h"
#include "tools/published.h"
#include "tools/recorded_run.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NAMES_MAX = 32, LIST_MAX = 32, STATUS_INTERRUPTED = 130 };

struct experiment_options {
    const char *name[NAMES_MAX];
    unsigned names;
    const char *vary[LIST_MAX + 1];
    unsigned vary_count;
    struct configuration changes;
    char against[CONFIGURATION_TEXT];
    const char *of, *format, *guest, *like;
    json_t *recorded; /* of -replay: the header, whose texts the guest's description points to */
    struct laboratory_options laboratory;
    uint64_t jobs;
    bool help, strict;
};

/* ---- Options ---- */

static enum status add_name(void *target, const char *arg, struct error *err)
{
    struct experiment_options *options = target;
    if (options->names == NAMES_MAX)
        return status_fail(err, STATUS_BAD_INPUT, "too many experiments");
    options->name[options->names++] = arg;
    return STATUS_OK;
}

static enum status add_vary(void *target, const char *arg, struct error *err)
{
    struct experiment_options *options = target;
    struct sweep sweep;
    if (options->vary_count == LIST_MAX)
        return status_fail(err, STATUS_BAD_INPUT, "too many -vary");
    TRY(sweep_parse(&sweep, arg, err));
    enum status status = configuration_known(sweep.name, err);
    sweep_free(&sweep);
    options->vary[options->vary_count++] = arg;
    return status;
}

static enum status known_settings(const struct configuration *configuration, struct error *err)
{
    for (unsigned i = 0; i < configuration->count; i++)
        TRY(configuration_known(configuration->setting[i].name, err));
    return STATUS_OK;
}

static enum status add_setting(void *target, const char *arg, struct error *err)
{
    struct experiment_options *options = target;
    TRY(configuration_apply(&options->changes, arg, err));
    return known_settings(&options->changes, err);
}

static enum status add_against(void *target, const char *arg, struct error *err)
{
    struct experiment_options *options = target;
    struct configuration scratch = {0};
    size_t length = strlen(options->against);
    TRY(configuration_apply(&scratch, arg, err));
    TRY(known_settings(&scratch, err));
    if (length + strlen(arg) + 2 > sizeof options->against)
        return status_fail(err, STATUS_BAD_INPUT, "too many -against");
    snprintf(options->against + length, sizeof options->against - length, "%s%s", length ? " " : "", arg);
    return STATUS_OK;
}

static enum status set_jobs(void *target, const char *arg, struct error *err)
{
    struct experiment_options *options = target;
    TRY(options_parse_number(arg, 1024, &options->jobs, err));
    return options->jobs ? STATUS_OK : status_fail(err, STATUS_BAD_INPUT, "at least one process");
}

static enum status set_timeout(void *target, const char *arg, struct error *err)
{
    char *end;
    double seconds = strtod(arg, &end);
    if (end == arg || *end != '\0' || !(seconds > 0) || !isfinite(seconds))
        return status_fail(err, STATUS_BAD_INPUT, "expects seconds");
    ((struct experiment_options *)target)->laboratory.timeout = seconds;
    return STATUS_OK;
}

#define FIELD(member) offsetof(struct experiment_options, member)
static const struct option experiment_option_table[] = {
    {"set", "NAME=VALUE", add_setting, "change a parameter of all runs (@MACHINE: all of a machine's)"},
    {"vary", "NAME=A,B,C|FROM:TO:STEP", add_vary, "vary a parameter; several: all combinations"},
    {"of", "RESULT", NULL, "sensitivity: METRIC or EXPERIMENT:RUN:METRIC (default throughput_mbps)",
     FIELD(of)},
    {"against", "NAME=VALUE", add_against, "counterfactual: what the second run has otherwise"},
    {"guest", "nettest|linux", NULL, "the embedded guest (default), or what tools/demo has downloaded",
     FIELD(guest)},
    {"replay", "FILE", NULL, "counterfactual: a recorded run (crosspage run -record)",
     FIELD(laboratory.guest.recording)},
    {"kernel", "FILE", NULL, "the guest's kernel", FIELD(laboratory.guest.kernel)},
    {"initrd", "FILE", NULL, "the Linux guest's initramfs (tools/mkinitramfs)",
     FIELD(laboratory.guest.initrd)},
    {"like", "FOLDER", NULL,
     "are configurations in the same order as in the results there? (-strict: that is what is expected)",
     FIELD(like)},
    {"j", "N", set_jobs, "processes at a time (default: one per CPU)"},
    {"timeout", "SECONDS", set_timeout, "host seconds that one run may take (default 600)"},
    {"o", "FOLDER", NULL,
     "leave all there, and report.html to look at it; a run that is there is not run again",
     FIELD(laboratory.folder)},
    {"fresh", NULL, NULL, "run again what is there already", FIELD(laboratory.fresh)},
    {"traces", NULL, NULL, "keep the traces, too (with -o)", FIELD(laboratory.traces)},
    {"format", "text|csv|json", NULL, "what is printed (default text)", FIELD(format)},
    {"strict", NULL, NULL, "exit status 1 when something expected was not found", FIELD(strict)},
    {"quiet", NULL, NULL, "no progress", FIELD(laboratory.quiet)},
    {"help", NULL, NULL, "list the options", FIELD(help)},
    {0},
};
#undef FIELD

static void print_help(void)
{
    puts("usage: crosspage experiment NAME... [OPTIONS]\n"
         "       crosspage experiment list|all|published [OPTIONS]\n");
    options_print_help(experiment_option_table);
    configuration_list();
}

static void print_list(void)
{
    const struct experiment *experiment;
    const char *name;
    bool in_all;
    for (unsigned i = 0; (name = experiment_by_index(i, &experiment, &in_all)) != NULL; i++)
        printf("  %-15s %s\n", name, experiment->title);
    puts("  all             all of these but sweep, sensitivity and counterfactual\n"
         "  published       every published figure beside ours");
}

/* ---- Guests ---- */

static enum status find_file(const char *const *candidates, unsigned count, char *found, struct error *err)
{
    char folder[LABORATORY_PATH], path[RUN_LABEL + LABORATORY_PATH];
    TRY(host_program_folder(folder, sizeof folder, err));
    for (unsigned i = 0; i < count; i++) {
        bool here = strncmp(candidates[i], "./", 2) == 0;
        snprintf(path, sizeof path, "%s%s%s", here ? "" : folder, here ? "" : "/", candidates[i]);
        if (access(path, R_OK) == 0 && strlen(path) < LABORATORY_PATH) {
            strcpy(found, path);
            return STATUS_OK;
        }
    }
    return STATUS_NO_FILE;
}

/* Files not given are looked for where they are built, installed or downloaded to. */
static enum status find_guest(struct experiment_options *options, char kernel[LABORATORY_PATH],
                              char initrd[LABORATORY_PATH], char far[LABORATORY_PATH], struct error *err)
{
    static const char *const nettest[] = {"../guests/nettest/nettest.elf", "nettest.elf",
                                          "../share/crosspage/nettest.elf"},
                             *const kernels[] = {"./out/kernel-i686/vmlinuz",
                                                 "../../../out/kernel-i686/vmlinuz"},
                             *const initrds[] = {"./out/demo/initramfs.gz", "../../../out/demo/initramfs.gz"};
    struct guest *guest = &options->laboratory.guest;
    guest->linux_kernel = guest->initrd != NULL;
    if (options->guest != NULL) {
        guest->linux_kernel = strcmp(options->guest, "linux") == 0;
        if (!guest->linux_kernel && strcmp(options->guest, "nettest") != 0)
            return status_fail(err, STATUS_BAD_INPUT, "-guest %s: known are nettest and linux",
                               options->guest);
        if (!guest->linux_kernel && guest->initrd != NULL)
            return status_fail(err, STATUS_BAD_INPUT, "the embedded guest has no -initrd");
    }
    if (guest->kernel == NULL) {
        enum status status = guest->linux_kernel ? find_file(kernels, ARRAY_LEN(kernels), kernel, err)
                                                 : find_file(nettest, ARRAY_LEN(nettest), kernel, err);
        if (status != STATUS_OK)
            return status_fail(err, STATUS_NO_FILE,
                               guest->linux_kernel
                                   ? "no Linux kernel: run tools/demo once, or give -kernel and -initrd"
                                   : "no nettest.elf beside the program: give -kernel FILE");
        guest->kernel = kernel;
    }
    if (!guest->linux_kernel)
        guest->far_kernel = guest->kernel;
    else if (find_file(nettest, ARRAY_LEN(nettest), far, err) == STATUS_OK)
        guest->far_kernel = far; /* else an experiment with two hosts says what it lacks */
    if (guest->linux_kernel && guest->initrd == NULL) {
        if (find_file(initrds, ARRAY_LEN(initrds), initrd, err) != STATUS_OK)
            return status_fail(err, STATUS_NO_FILE,
                               "no initramfs: run tools/demo once, or give -initrd FILE");
        guest->initrd = initrd;
    }
    return STATUS_OK;
}

/* What the recorded run had. */
static enum status find_recording(struct experiment_options *options, struct error *err)
{
    struct guest *guest = &options->laboratory.guest;
    struct recording recording;
    if (options->names != 1 || strcmp(options->name[0], "counterfactual") != 0)
        return status_fail(err, STATUS_BAD_INPUT, "-replay is of the experiment 'counterfactual'");
    if (guest->kernel != NULL || guest->initrd != NULL || options->guest != NULL)
        return status_fail(err, STATUS_BAD_INPUT, "-replay: the guest is the recording's");
    TRY(recording_load(&recording, guest->recording, err));
    enum status status = recorded_run_parse(&recording, guest->recording, &options->recorded, err);
    recording_free(&recording);
    TRY(status);
    guest->profile = recorded_run_price(options->recorded, "profile");
    guest->hypervisor = recorded_run_price(options->recorded, "hypervisor");
    guest->hypervisor_options = recorded_run_price(options->recorded, "hypervisor options");
    return STATUS_OK;
}

/* ---- What to do ---- */

struct session {
    const struct experiment_options *options;
    struct laboratory *laboratory;
    unsigned count;
    struct outcome outcome[NAMES_MAX];
    bool published; /* the figures of all of them in one table, at the end */
    bool only_published;
    bool interrupted;
    json_t *figures; /* rows of all results */
    json_t *results; /* all, for the page; with -o */
    struct result_counts counts;
    json_t *orders;    /* of all results */
    unsigned reversed; /* experiments whose order is not that of -like */
};

static bool has_figures(const char *name)
{
    const struct published *figure;
    for (unsigned i = 0; (figure = published_by_index(i)) != NULL; i++)
        if (strcmp(figure->experiment, name) == 0)
            return true;
    return false;
}

static enum status select_one(struct session *session, const char *name, const struct experiment *experiment,
                              struct error *err)
{
    for (unsigned i = 0; i < session->count; i++)
        if (session->outcome[i].experiment == experiment)
            return STATUS_OK;
    CHECK(session->count < NAMES_MAX);
    struct outcome *outcome = &session->outcome[session->count++];
    *outcome = (struct outcome){.experiment = experiment,
                                .laboratory = session->laboratory,
                                .name = name,
                                .of = session->options->of,
                                .against = *session->options->against ? session->options->against : NULL,
                                .recorded = session->options->recorded != NULL,
                                .changes = session->options->changes};
    return outcome_sweeps(outcome, session->options->vary, err);
}

static enum status select_experiments(struct session *session, struct error *err)
{
    const struct experiment_options *options = session->options;
    for (unsigned i = 0; i < options->names; i++) {
        bool all = strcmp(options->name[i], "all") == 0,
             published = strcmp(options->name[i], "published") == 0, in_all;
        const struct experiment *experiment;
        const char *name;
        session->published |= all || published;
        session->only_published |= published;
        for (unsigned k = 0; (name = experiment_by_index(k, &experiment, &in_all)) != NULL; k++)
            if ((all && in_all) || (published && has_figures(name)) || strcmp(name, options->name[i]) == 0)
                TRY(select_one(session, name, experiment, err));
    }
    session->only_published &= options->names == 1;
    return STATUS_OK;
}

static enum status check_names(const struct experiment_options *options, struct error *err)
{
    const char *names[NAMES_MAX + 3];
    unsigned count = 0;
    const struct experiment *experiment;
    bool in_all;
    for (; (names[count] = experiment_by_index(count, &experiment, &in_all)) != NULL; count++)
        CHECK(count < NAMES_MAX);
    names[count++] = "list";
    names[count++] = "all";
    names[count++] = "published";
    if (options->names == 0)
        return status_fail(err, STATUS_BAD_INPUT, "which experiment? 'crosspage experiment list' lists them");
    for (unsigned i = 0; i < options->names; i++) {
        unsigned k = 0;
        while (k < count && strcmp(names[k], options->name[i]) != 0)
            k++;
        const char *near = suggest(options->name[i], names, count);
        if (k == count && near != NULL)
            return status_fail(err, STATUS_BAD_INPUT, "no experiment is called '%s'; did you mean '%s'?",
                               options->name[i], near);
        if (k == count)
            return status_fail(err, STATUS_BAD_INPUT,
                               "no experiment is called '%s'; 'crosspage experiment list' lists them",
                               options->name[i]);
    }
    return STATUS_OK;
}

/* Rounds, until no experiment has more to ask. */
static enum status run_all(struct session *session, struct error *err)
{
    for (unsigned before, after = 0;;) {
        before = after;
        after = 0;
        for (unsigned i = 0; i < session->count; i++) {
            struct outcome *outcome = &session->outcome[i];
            TRY(outcome->experiment->plan ? outcome->experiment->plan(outcome, err)
                                          : outcome_plan(outcome, err));
            after += outcome->count;
        }
        if (after == before)
            return STATUS_OK;
        session->interrupted = !laboratory_run(session->laboratory);
        if (session->interrupted)
            return STATUS_OK;
    }
}

/* ---- Output ---- */

typedef void writer(const json_t *json, FILE *out);

static void write_json(const json_t *json, FILE *out)
{
    json_dumpf(json, out, JSON_INDENT(1) | JSON_REAL_PRECISION(12));
    fputc('\n', out);
}

static void write_csv(const json_t *result, FILE *out)
{
    json_t *table = result_runs_table(result);
    table_csv(table, out);
    json_decref(table);
}

static void write_figures_csv(const json_t *rows, FILE *out)
{
    static const char *const keys[] = {"figure", "row",        "published",     "simulated",
                                       "unit",   "difference", "error_percent", "provenance",
                                       "set",    "run",        "metric"};
    json_t *table = table_create("");
    const json_t *row;
    size_t i;
    for (unsigned k = 0; k < ARRAY_LEN(keys); k++)
        table_column(table, keys[k], "", 6);
    json_array_foreach (rows, i, row)
        for (unsigned k = 0; k < ARRAY_LEN(keys); k++)
            table_cell(table, k == 0, json_incref(json_object_get(row, keys[k])));
    table_csv(table, out);
    json_decref(table);
}

static const struct {
    const char *name, *suffix;
    writer *result, *figures;
} forms[] = {
    {"text", "txt", result_text, published_text},
    {"csv", "csv", write_csv, write_figures_csv},
    {"json", "json", write_json, write_json},
};

static enum status write_files(const char *folder, const char *name, const json_t *json, bool figures,
                               struct error *err)
{
    for (unsigned i = 0; i < ARRAY_LEN(forms); i++) {
        char path[LABORATORY_PATH];
        snprintf(path, sizeof path, "%s/%s.%s", folder, name, forms[i].suffix);
        FILE *file = fopen(path, "w");
        bool failed = file == NULL;
        if (!failed) {
            (figures ? forms[i].figures : forms[i].result)(json, file);
            failed = ferror(file) != 0;
            failed |= fclose(file) != 0;
        }
        if (failed)
            return status_fail(err, STATUS_NO_FILE, "cannot write '%s': %s", path, strerror(errno));
    }
    return STATUS_OK;
}

static enum status write_page(const char *folder, const json_t *results, struct error *err)
{
    char path[LABORATORY_PATH];
    snprintf(path, sizeof path, "%s/report.html", folder);
    FILE *file = fopen(path, "w");
    bool failed = file == NULL;
    if (!failed) {
        result_page(results, file);
        failed = ferror(file) != 0;
        failed |= fclose(file) != 0;
    }
    return failed ? status_fail(err, STATUS_NO_FILE, "cannot write '%s': %s", path, strerror(errno))
                  : STATUS_OK;
}

static unsigned form_index(const char *name)
{
    unsigned i = 0;
    while (i < ARRAY_LEN(forms) && strcmp(forms[i].name, name) != 0)
        i++;
    return i;
}

/* The result of the same experiment in -like FOLDER. */
static enum status load_like(const char *folder, const char *name, json_t **like, struct error *err)
{
    char path[LABORATORY_PATH];
    json_error_t problem;
    snprintf(path, sizeof path, "%s/%s.json", folder, name);
    *like = json_load_file(path, 0, &problem);
    const char *schema = json_string_value(json_object_get(*like, "schema"));
    if (schema != NULL && strcmp(schema, "crosspage experiment 1") == 0 &&
        json_is_string(json_object_get(*like, "guest_name")))
        return STATUS_OK;
    json_decref(*like);
    return status_fail(err, STATUS_NO_FILE, "-like: '%s' is no result of an experiment (-o leaves one): %s",
                       path, *like == NULL ? problem.text : "another schema");
}

static enum status compare_order(struct session *session, const char *name, json_t *result, struct error *err)
{
    json_t *like;
    if (session->options->like == NULL)
        return STATUS_OK;
    TRY(load_like(session->options->like, name, &like, err));
    order_compare(like, result);
    json_decref(like);
    json_array_append_new(session->orders, json_pack("{s:s, s:O}", "experiment", name, "order",
                                                     json_object_get(result, "order")));
    session->reversed += json_array_size(json_object_get(json_object_get(result, "order"), "reversed")) > 0;
    return STATUS_OK;
}

/* Once more, together. */
static void show_orders(const struct session *session)
{
    const json_t *item;
    size_t i;
    if (json_array_size(session->orders) < 2)
        return;
    fputs("\n\nOrder of configurations\n", stdout);
    json_array_foreach (session->orders, i, item)
        order_text(item, stdout);
}

static enum status show(struct session *session, struct error *err)
{
    const struct experiment_options *options = session->options;
    const char *folder = options->laboratory.folder;
    unsigned form = form_index(options->format);
    for (unsigned i = 0; i < session->count; i++) {
        struct outcome *outcome = &session->outcome[i];
        json_t *result;
        TRY(outcome_result(outcome, &result, err));
        TRY(compare_order(session, outcome->name, result, err));
        struct result_counts counts = result_counts(result);
        session->counts.runs += counts.runs;
        session->counts.failed += counts.failed;
        session->counts.missing += counts.missing;
        session->counts.unexpected += counts.unexpected;
        json_array_extend(session->figures, json_object_get(result, "published"));
        enum status status =
            folder != NULL ? write_files(folder, outcome->name, result, false, err) : STATUS_OK;
        if (folder != NULL && status == STATUS_OK)
            status = result_pictures(result, folder, err);
        if (folder != NULL)
            json_array_append_new(session->results, json_deep_copy(result));
        if (session->published && forms[form].result == result_text)
            json_array_clear(json_object_get(result, "published")); /* all of them come at the end */
        if (!session->only_published) {
            forms[form].result(result, stdout);
            fputs(i + 1 < session->count && form == 0 ? "\n\n" : "", stdout);
        }
        json_decref(result);
        TRY(status);
    }
    if (folder != NULL)
        TRY(write_page(folder, session->results, err));
    if (form == 0)
        show_orders(session);
    if (!session->published)
        return STATUS_OK;
    if (session->only_published || form == 0)
        forms[form].figures(session->figures, stdout);
    return folder != NULL ? write_files(folder, "published", session->figures, true, err) : STATUS_OK;
}

static int finish(const struct session *session)
{
    struct laboratory_counts counts = laboratory_counts(session->laboratory);
    if (!session->options->laboratory.quiet || counts.failed > 0 || session->interrupted) {
        fprintf(stderr, "crosspage: %s%u runs, %u found from earlier",
                session->interrupted ? "interrupted: " : "", counts.run, counts.found);
        if (counts.failed > 0)
            fprintf(stderr, ", %u failed", counts.failed);
        if (counts.waiting > 0)
            fprintf(stderr, ", %u not run%s", counts.waiting,
                    session->options->laboratory.folder ? " (the same command goes on)" : "");
        fputc('\n', stderr);
    }
    if (session->interrupted)
        return STATUS_INTERRUPTED;
    return session->counts.failed > 0 || session->counts.missing > 0 ||
           (session->options->strict &&
            (session->options->like ? session->reversed : session->counts.unexpected) > 0);
}

static enum status execute(const struct experiment_options *options, int *exit_status, struct error *err)
{
    struct session *session = xcalloc(1, sizeof *session);
    session->options = options;
    session->figures = json_array();
    session->orders = json_array();
    session->results = json_array();
    enum status status = laboratory_open(&session->laboratory, &options->laboratory, err);
    if (status == STATUS_OK)
        status = select_experiments(session, err);
    if (status == STATUS_OK)
        status = run_all(session, err);
    if (status == STATUS_OK)
        status = show(session, err);
    if (status == STATUS_OK && (fflush(stdout) != 0 || ferror(stdout)))
        status = status_fail(err, STATUS_NO_FILE, "writing failed: %s", strerror(errno));
    if (status == STATUS_OK)
        *exit_status = finish(session);
    for (unsigned i = 0; i < session->count; i++)
        outcome_free(&session->outcome[i]);
    laboratory_close(session->laboratory);
    json_decref(session->figures);
    json_decref(session->orders);
    json_decref(session->results);
    free(session);
    return status;
}

int command_experiment(int argc, char **argv)
{
    struct experiment_options *options = xcalloc(1, sizeof *options);
    char kernel[LABORATORY_PATH], initrd[LABORATORY_PATH], far[LABORATORY_PATH];
    struct error err;
    int exit_status = 1;
    options->format = "text";
    options->jobs = host_cpu_count();
    options->laboratory.timeout = 600;
    enum status status = options_parse(experiment_option_table, options, argc, argv, add_name, &err);
    bool list = status == STATUS_OK && options->names == 1 && strcmp(options->name[0], "list") == 0;
    if (status == STATUS_OK && (options->help || list)) {
        (options->help ? print_help : print_list)();
        free(options);
        return 0;
    }
    if (status == STATUS_OK)
        status = check_names(options, &err);
    if (status == STATUS_OK && form_index(options->format) == ARRAY_LEN(forms))
        status = status_fail(&err, STATUS_BAD_INPUT, "unknown format '%s'", options->format);
    if (status == STATUS_OK)
        status = options->laboratory.guest.recording != NULL ? find_recording(options, &err)
                                                             : find_guest(options, kernel, initrd, far, &err);
    if (status != STATUS_OK) {
        json_decref(options->recorded);
        free(options);
        return usage_error(&err);
    }
    options->laboratory.jobs = (unsigned)options->jobs;
    host_signals_ignore_pipe(); /* or a temporary folder would stay */
    status = execute(options, &exit_status, &err);
    if (status != STATUS_OK) {
        fprintf(stderr, "crosspage: %s\n", err.text);
        exit_status = status == STATUS_BAD_INPUT ? 2 : 1;
    }
    json_decref(options->recorded);
    free(options);
    return exit_status;
}
