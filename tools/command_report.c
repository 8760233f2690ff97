/* crosspage report: what a trace says. The sums of every receipt are verified each time; a trace whose
 * receipts do not add up is an error. */
#include "tools/options.h"
#include "tools/report_diff.h"

#include <errno.h>
#include <string.h>

struct report_options {
    const char *trace[2], *format, *output, *capture;
    uint64_t min_size;
    bool diff, help;
};

struct report_form {
    const char *name;
    void (*write)(const struct report *report, FILE *out);
    const char *help;
};

static const struct report_form forms[] = {
    {"text", report_text, "breakdown, receipts, published figures beside ours"},
    {"html", report_html, "one page for a browser: charts, time lines, receipts, where each cost comes from"},
    {"csv", report_csv, "one row per transmitted packet"},
    {"json", report_json, "totals and receipts"},
    {"summary", report_summary, "one number per name, as JSON: what experiments compare"},
    {"chrome", report_chrome, "Chrome trace events: open in ui.perfetto.dev or chrome://tracing"},
    {"perfetto", report_perfetto, "Perfetto's own format, packets as flows: open in ui.perfetto.dev"},
    {"folded", report_folded, "folded stacks, weighted by cycles, for flame graphs"},
};

static enum status set_min_size(void *target, const char *arg, struct error *err)
{
    return options_parse_number(arg, UINT32_MAX, &((struct report_options *)target)->min_size, err);
}

static enum status set_trace(void *target, const char *arg, struct error *err)
{
    struct report_options *options = target;
    if (options->trace[1] != NULL)
        return status_fail(err, STATUS_BAD_INPUT, "too many traces: '%s'", arg);
    options->trace[options->trace[0] != NULL] = arg;
    return STATUS_OK;
}

static const struct option report_option_table[] = {
    {"format", "text|html|csv|json|summary|chrome|perfetto|folded", NULL, "form of the report (default text)",
     offsetof(struct report_options, format)},
    {"o", "FILE", NULL, "write to a file instead of standard output",
     offsetof(struct report_options, output)},
    {"pcap", "FILE", NULL,
     "copy the run's capture (run -pcap) with receipts as packet comments; give -o, too",
     offsetof(struct report_options, capture)},
    {"diff", NULL, NULL, "how the receipts of two traces differ (formats text, json)",
     offsetof(struct report_options, diff)},
    {"min-size", "BYTES", set_min_size, "frames smaller than this are not data packets (default 1000)", 0},
    {"help", NULL, NULL, "list the options", offsetof(struct report_options, help)},
    {0},
};

static const struct report_form *form_find(const char *name)
{
    for (unsigned i = 0; i < ARRAY_LEN(forms); i++)
        if (strcmp(forms[i].name, name) == 0)
            return &forms[i];
    return NULL;
}

static enum status load_report(const char *path, uint64_t min_size, struct report *report, struct error *err)
{
    *report = (struct report){.min_size = (uint32_t)min_size};
    TRY(analysis_load(&report->analysis, path, err));
    receipts_make(&report->analysis, report->min_size, &report->receipts);
    if (report->analysis.calls.count > 0)
        ways_make(&report->analysis, &report->receipts, &report->ways);
    size_t bad = receipts_verify(&report->receipts) + report->ways.bad;
    return bad ? status_fail(err, STATUS_BAD_INPUT, "'%s': %zu receipts do not add up", path, bad)
               : STATUS_OK;
}

static void free_report(struct report *report)
{
    ways_free(&report->ways);
    receipts_free(&report->receipts);
    analysis_free(&report->analysis);
}

static enum status open_output(const struct report_options *options, FILE **out, struct error *err)
{
    *out = options->output != NULL ? fopen(options->output, "w") : stdout;
    return *out ? STATUS_OK
                : status_fail(err, STATUS_NO_FILE, "cannot write '%s': %s", options->output, strerror(errno));
}

static enum status close_output(FILE *out, struct error *err)
{
    bool failed = fflush(out) != 0 || ferror(out);
    if (out != stdout)
        failed |= fclose(out) != 0;
    return failed ? status_fail(err, STATUS_NO_FILE, "writing the report failed: %s", strerror(errno))
                  : STATUS_OK;
}

static enum status write_report(const struct report_options *options, const struct report_form *form,
                                struct error *err)
{
    struct report report;
    FILE *out;
    enum status status = load_report(options->trace[0], options->min_size, &report, err);
    if (status == STATUS_OK)
        status = open_output(options, &out, err);
    if (status == STATUS_OK) {
        if (options->capture != NULL)
            status = report_capture(&report, options->capture, out, err);
        else
            form->write(&report, out);
        struct error closing;
        enum status closed = close_output(out, &closing);
        if (status == STATUS_OK && closed != STATUS_OK) {
            status = closed;
            *err = closing;
        }
    }
    free_report(&report);
    return status;
}

static enum status write_diff(const struct report_options *options, struct error *err)
{
    struct report reports[2] = {0};
    json_t *diff = NULL;
    FILE *out;
    enum status status = load_report(options->trace[0], options->min_size, &reports[0], err);
    if (status == STATUS_OK)
        status = load_report(options->trace[1], options->min_size, &reports[1], err);
    if (status == STATUS_OK)
        status = report_diff(&reports[0], &reports[1], &diff, err);
    if (status == STATUS_OK)
        status = open_output(options, &out, err);
    if (status == STATUS_OK) {
        if (strcmp(options->format, "json") == 0) {
            json_dumpf(diff, out, JSON_INDENT(1) | JSON_REAL_PRECISION(12));
            fputc('\n', out);
        } else {
            report_diff_text(diff, out);
        }
        status = close_output(out, err);
    }
    json_decref(diff);
    free_report(&reports[0]);
    free_report(&reports[1]);
    return status;
}

static enum status check_options(const struct report_options *options, const struct report_form *form,
                                 struct error *err)
{
    if (form == NULL)
        return status_fail(err, STATUS_BAD_INPUT, "unknown format '%s'", options->format);
    if (options->trace[0] == NULL)
        return status_fail(err, STATUS_BAD_INPUT, "which trace? give a file");
    if (options->diff && options->trace[1] == NULL)
        return status_fail(err, STATUS_BAD_INPUT, "-diff compares two traces: give both");
    if (!options->diff && options->trace[1] != NULL)
        return status_fail(err, STATUS_BAD_INPUT, "one trace at a time: '%s' or '%s' (-diff compares two)",
                           options->trace[0], options->trace[1]);
    if (options->capture != NULL && (options->diff || options->output == NULL))
        return status_fail(err, STATUS_BAD_INPUT,
                           options->diff ? "-pcap goes with one trace"
                                         : "-pcap writes a capture: give -o FILE");
    if (options->diff && strcmp(form->name, "text") != 0 && strcmp(form->name, "json") != 0)
        return status_fail(err, STATUS_BAD_INPUT, "-diff has the formats text and json");
    return STATUS_OK;
}

int command_report(int argc, char **argv)
{
    struct report_options options = {.format = "text", .min_size = 1000};
    struct error err;
    if (options_parse(report_option_table, &options, argc, argv, set_trace, &err) != STATUS_OK)
        return usage_error(&err);
    if (options.help) {
        puts("usage: crosspage report TRACE [OPTIONS]\n");
        options_print_help(report_option_table);
        for (unsigned i = 0; i < ARRAY_LEN(forms); i++)
            printf("  %-34s %s\n", forms[i].name, forms[i].help);
        return 0;
    }
    const struct report_form *form = form_find(options.format);
    if (check_options(&options, form, &err) != STATUS_OK)
        return usage_error(&err);
    if ((options.diff ? write_diff(&options, &err) : write_report(&options, form, &err)) == STATUS_OK)
        return 0;
    fprintf(stderr, "crosspage: %s\n", err.text);
    return 1;
}
