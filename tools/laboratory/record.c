/* Records of jobs (record.h). Only simulated quantities go in, so equal jobs have equal records. */
#include "tools/laboratory/record.h"

#include "base/check.h"
#include "base/host_file.h"
#include "hostworld/lab.h"
#include "hostworld/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 16 << 20 };

static enum status load_text(const char *folder, const char *name, char **text, struct error *err)
{
    char path[LABORATORY_PATH + 64];
    size_t size;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return host_file_load(path, TEXT_MAX, (uint8_t **)text, &size, err);
}

static enum status load_json(const char *folder, const char *name, json_t **json, struct error *err)
{
    char *text;
    TRY(load_text(folder, name, &text, err));
    json_error_t problem;
    *json = json_loads(text, 0, &problem);
    free(text);
    return *json ? STATUS_OK : status_fail(err, STATUS_BAD_INPUT, "%s: %s", name, problem.text);
}

void record_first_error(const char *folder, char *line, size_t size)
{
    char *text;
    struct error ignored;
    *line = '\0';
    if (load_text(folder, RECORD_ERRORS, &text, &ignored) != STATUS_OK)
        return;
    static const char prefix[] = "crosspage: ", notice[] = "crosspage: COUNTERFACTUAL";
    const char *from = text;
    while (strncmp(from, notice, strlen(notice)) == 0 && strchr(from, '\n') != NULL)
        from = strchr(from, '\n') + 1;
    from += strncmp(from, prefix, strlen(prefix)) == 0 ? strlen(prefix) : 0;
    snprintf(line, size, "%.*s", (int)strcspn(from, "\n"), from);
    free(text);
}

/* The last line with something on it, without what a terminal would act on. */
static void last_line(const char *text, char *line, size_t size)
{
    const char *best = "";
    size_t length = 0;
    while (*text != '\0') {
        size_t n = strcspn(text, "\r\n");
        if (n > 0) {
            best = text;
            length = n;
        }
        text += n + strspn(text + n, "\r\n");
    }
    snprintf(line, size, "%.*s", (int)(length < size ? length : size - 1), best);
    for (char *c = line; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || (unsigned char)*c > '~')
            *c = '?';
}

/* What nettest says at its end: bytes and seconds, as the paper's nettest reports them. */
static enum status read_serial(const char *serial, const char *end, double *megabits, struct error *err)
{
    const char *line = NULL, *next = serial;
    double bytes, seconds;
    while ((next = strstr(next, "nettest: ")) != NULL) {
        double b, s;
        next += strlen("nettest: ");
        if (sscanf(next, "sent %lf bytes in %lf s", &b, &s) == 2 ||
            sscanf(next, "received %lf bytes in %lf s", &b, &s) == 2) {
            line = next;
            bytes = b;
            seconds = s;
        }
    }
    if (line != NULL && seconds > 0 && strstr(line, ": done") != NULL) {
        *megabits = bytes * 8 / seconds * 1e-6;
        return STATUS_OK;
    }
    char last[160];
    last_line(serial, last, sizeof last);
    return status_fail(err, STATUS_BAD_INPUT, "the guest did not finish its job (%s); it last said '%s'", end,
                       last);
}

static json_t *settings_json(const struct configuration *configuration)
{
    json_t *settings = json_object();
    for (unsigned i = 0; i < configuration->count; i++)
        json_object_set_new(settings, configuration->setting[i].name,
                            json_string(configuration->setting[i].value));
    return settings;
}

/* How much of the time the link is busy with data packets, in their direction. */
static void put_link(const struct configuration *configuration, json_t *metrics)
{
    const char *rate = configuration_get(configuration, "rate");
    const json_t *bytes = json_object_get(metrics, "frame_bytes"),
                 *period = json_object_get(metrics, "packet_us");
    struct lab_config standard;
    lab_config_default(&standard);
    double megabits = rate ? strtod(rate, NULL) : (double)standard.wire_bits_per_second * 1e-6;
    if (bytes == NULL || json_number_value(period) <= 0 || megabits <= 0)
        return;
    double on_link = wire_bytes((uint32_t)(json_number_value(bytes) + 0.5), true) * 8 / megabits;
    json_object_set_new(metrics, "link_percent", json_real(100 * on_link / json_number_value(period)));
}

/* Metrics in the order of tables: the guest's own figure first, then the summary's. */
static json_t *metrics_json(const struct configuration *configuration, double megabits, const json_t *stats,
                            const json_t *summary)
{
    json_t *metrics = json_object();
    if (megabits > 0)
        json_object_set_new(metrics, "throughput_mbps", json_real(megabits));
    json_object_update(metrics, json_object_get(summary, "metrics"));
    put_link(configuration, metrics);
    json_object_set(metrics, "run_cycles", json_object_get(stats, "cycles"));
    json_object_set(metrics, "run_instructions", json_object_get(stats, "instructions"));
    json_object_set(metrics, "run_seconds", json_object_get(stats, "simulated_seconds"));
    return metrics;
}

enum status record_make(const char *folder, const struct configuration *configuration, const char *identity,
                        const char *command, bool any_guest, json_t **record, struct error *err)
{
    json_t *stats = NULL, *summary = NULL;
    char *serial = NULL;
    double megabits = 0;
    enum status status = load_json(folder, RECORD_STATS, &stats, err);
    if (status == STATUS_OK) {
        const char *end = json_string_value(json_object_get(stats, "end"));
        status = load_text(folder, RECORD_SERIAL, &serial, err);
        if (status != STATUS_OK)
            status = status_fail(err, status, "the guest said nothing (%s)", end ? end : "?");
        else
            status = read_serial(serial, end ? end : "?", &megabits, err);
        if (any_guest)
            status = STATUS_OK;
    }
    if (status == STATUS_OK)
        status = load_json(folder, RECORD_SUMMARY, &summary, err);
    if (status == STATUS_OK)
        *record = json_pack("{s:s, s:s, s:s, s:o, s:O, s:O, s:o}", "schema", "crosspage run 1", "identity",
                            identity, "command", command, "configuration", settings_json(configuration),
                            "direction", json_object_get(summary, "direction"), "state_hash",
                            json_object_get(stats, "state_hash"), "metrics",
                            metrics_json(configuration, megabits, stats, summary));
    if (status == STATUS_OK && *record == NULL)
        status = status_fail(err, STATUS_BAD_INPUT, "statistics or summary of the run are incomplete");
    json_decref(stats);
    json_decref(summary);
    free(serial);
    return status;
}

json_t *record_load(const char *path, const char *identity)
{
    json_t *record = json_load_file(path, 0, NULL);
    const char *found = json_string_value(json_object_get(record, "identity"));
    if (found != NULL && strcmp(found, identity) == 0 && json_is_object(json_object_get(record, "metrics")))
        return record;
    json_decref(record);
    return NULL;
}

enum status record_save(const json_t *record, const char *path, struct error *err)
{
    char temporary[LABORATORY_PATH + 64];
    snprintf(temporary, sizeof temporary, "%s.new", path);
    if (json_dump_file(record, temporary, JSON_INDENT(1) | JSON_REAL_PRECISION(12)) != 0 ||
        rename(temporary, path) != 0)
        return status_fail(err, STATUS_NO_FILE, "cannot write '%s': %s", path, strerror(errno));
    return STATUS_OK;
}
