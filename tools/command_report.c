/* crosspage report: what a trace says. The sums of every receipt are verified each time; a trace whose
 * receipts do not add up is an error. */
#include "tools/options.h"
#include "tools/report.h"

#include <errno.h>
#include <string.h>

struct report_options {
    const char *trace, *format, *output;
    uint64_t min_size;
    bool help;
};

struct report_form {
    const char *name;
    void (*write)(const struct report *report, FILE *out);
    const char *help;
};

static const struct report_form forms[] = {
    {"text", report_text, "breakdown, receipts, published figures beside ours"},
    {"csv", report_csv, "one row per transmitted packet"},
    {"json", report_json, "totals and receipts"},
    {"chrome", report_chrome, "Chrome trace events: open in ui.perfetto.dev or chrome://tracing"},
    {"folded", report_folded, "folded stacks, weighted by cycles, for flame graphs"},
};

static enum status set_min_size(void *target, const char *arg, struct error *err)
{
    return options_parse_number(arg, UINT32_MAX, &((struct report_options *)target)->min_size, err);
}

static enum status set_trace(void *target, const char *arg, struct error *err)
{
    struct report_options *options = target;
    if (options->trace != NULL)
        return status_fail(err, STATUS_BAD_INPUT, "one trace at a time: '%s' or '%s'", options->trace, arg);
    options->trace = arg;
    return STATUS_OK;
}

static const struct option report_option_table[] = {
    {"format", "text|csv|json|chrome|folded", NULL, "form of the report (default text)",
     offsetof(struct report_options, format)},
    {"o", "FILE", NULL, "write to a file instead of standard output",
     offsetof(struct report_options, output)},
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

static enum status write_report(const struct report_options *options, const struct report_form *form,
                                struct error *err)
{
    struct report report = {.min_size = (uint32_t)options->min_size};
    TRY(analysis_load(&report.analysis, options->trace, err));
    receipts_make(&report.analysis, report.min_size, &report.receipts);
    size_t bad = receipts_verify(&report.receipts);
    enum status status =
        bad ? status_fail(err, STATUS_BAD_INPUT, "'%s': %zu receipts do not add up", options->trace, bad)
            : STATUS_OK;
    FILE *out = stdout;
    if (status == STATUS_OK && options->output != NULL && (out = fopen(options->output, "w")) == NULL)
        status = status_fail(err, STATUS_NO_FILE, "cannot write '%s': %s", options->output, strerror(errno));
    if (status == STATUS_OK) {
        form->write(&report, out);
        bool failed = fflush(out) != 0 || ferror(out);
        if (out != stdout)
            failed |= fclose(out) != 0;
        if (failed)
            status = status_fail(err, STATUS_NO_FILE, "writing the report failed: %s", strerror(errno));
    }
    receipts_free(&report.receipts);
    analysis_free(&report.analysis);
    return status;
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
    if (form == NULL || options.trace == NULL) {
        status_fail(&err, STATUS_BAD_INPUT, form ? "which trace? give a file" : "unknown format '%s'",
                    options.format);
        return usage_error(&err);
    }
    if (write_report(&options, form, &err) == STATUS_OK)
        return 0;
    fprintf(stderr, "crosspage: %s\n", err.text);
    return 1;
}
