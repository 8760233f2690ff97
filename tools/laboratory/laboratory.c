/* Jobs and their processes (laboratory.h). */
#include "tools/laboratory/laboratory.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/host_clock.h"
#include "base/host_file.h"
#include "tools/laboratory/record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX = 1 << 30, HASH_TEXT = 33, IDENTITY = CONFIGURATION_TEXT + 256, COMMAND = 16384 };

static const double PAUSE = 0.25; /* seconds between two looks at the clock */

struct laboratory {
    struct laboratory_options options;
    char folder[LABORATORY_FOLDER];
    bool temporary;
    struct host_file lock;
    char build[HASH_TEXT], guest[HASH_TEXT];
    unsigned count;
    struct job **job;
    struct host_signals *signals;
    double started; /* of the running laboratory_run */
    unsigned run;   /* processes that came to an end since then */
    bool on_terminal;
};

/* ---- Identity ---- */

/* 128 bits from two seeds: accidents only, as the identity itself is compared, too. */
static void hash_text(const void *bytes, size_t size, char text[HASH_TEXT])
{
    snprintf(text, HASH_TEXT, "%016" PRIx64 "%016" PRIx64, hash_bytes(bytes, size, 1),
             hash_bytes(bytes, size, 2));
}

static enum status hash_file(const char *path, char text[HASH_TEXT], struct error *err)
{
    uint8_t *bytes;
    size_t size;
    TRY(host_file_load(path, FILE_MAX, &bytes, &size, err));
    hash_text(bytes, size, text);
    free(bytes);
    return STATUS_OK;
}

static enum status hash_guest(struct laboratory *l, struct error *err)
{
    char both[3 * HASH_TEXT] = "";
    if (l->options.guest.recording != NULL)
        return hash_file(l->options.guest.recording, l->guest, err);
    TRY(hash_file(l->options.guest.kernel, both, err));
    if (l->options.guest.initrd != NULL)
        TRY(hash_file(l->options.guest.initrd, both + HASH_TEXT, err));
    if (l->options.guest.far_kernel != NULL)
        TRY(hash_file(l->options.guest.far_kernel, both + 2 * HASH_TEXT, err));
    hash_text(both, sizeof both, l->guest);
    return STATUS_OK;
}

static void identity_of(const struct laboratory *l, const struct configuration *configuration,
                        char identity[IDENTITY])
{
    char text[CONFIGURATION_TEXT];
    snprintf(identity, IDENTITY, "crosspage run 1; build %s; guest %s; %s", l->build, l->guest,
             configuration_text(configuration, text));
}

const char *laboratory_build(const struct laboratory *l)
{
    return l->build;
}

const char *laboratory_guest(const struct laboratory *l)
{
    return l->guest;
}

const struct guest *laboratory_guest_files(const struct laboratory *l)
{
    return &l->options.guest;
}

const char *laboratory_guest_name(const struct laboratory *l)
{
    return l->options.guest.recording != NULL ? "recorded"
           : l->options.guest.linux_kernel    ? "linux"
                                              : "nettest";
}

/* ---- Paths ---- */

static void job_path(const struct laboratory *l, const struct job *job, const char *suffix,
                     char path[LABORATORY_PATH])
{
    /* The folder's length was checked when it was opened. */
    snprintf(path, LABORATORY_PATH, "%s/runs/%s%s", l->folder, job->key, suffix);
}

void laboratory_trace(const struct laboratory *l, const struct job *job, char path[LABORATORY_PATH])
{
    snprintf(path, LABORATORY_PATH, "%s/traces/%s.trace", l->folder, job->key);
}

/* ---- Life ---- */

static enum status open_folder(struct laboratory *l, struct error *err)
{
    char path[LABORATORY_PATH + 16];
    if (l->temporary)
        TRY(host_folder_temporary(l->folder, sizeof l->folder, err));
    else
        snprintf(l->folder, sizeof l->folder, "%s", l->options.folder);
    snprintf(path, sizeof path, "%s/runs", l->folder);
    TRY(host_folder_make(path, err));
    snprintf(path, sizeof path, "%s/traces", l->folder);
    TRY(host_folder_make(path, err));
    snprintf(path, sizeof path, "%s/lock", l->folder);
    FILE *file = fopen(path, "a");
    if (file == NULL || fclose(file) != 0)
        return status_fail(err, STATUS_NO_FILE, "cannot write '%s': %s", path, strerror(errno));
    return host_file_open(&l->lock, path, true, err);
}

enum status laboratory_open(struct laboratory **laboratory, const struct laboratory_options *options,
                            struct error *err)
{
    struct laboratory *l = xcalloc(1, sizeof *l);
    l->options = *options;
    l->temporary = options->folder == NULL;
    l->lock.fd = -1;
    enum status status = STATUS_OK;
    if (!l->temporary && strlen(options->folder) >= sizeof l->folder)
        status = status_fail(err, STATUS_BAD_INPUT, "the folder's name is too long");
    if (status == STATUS_OK)
        status = hash_file(HOST_PROGRAM_FILE, l->build, err);
    if (status == STATUS_OK)
        status = hash_guest(l, err);
    if (status == STATUS_OK)
        status = open_folder(l, err);
    if (status != STATUS_OK) {
        laboratory_close(l);
        l = NULL;
    }
    *laboratory = l;
    return status;
}

void laboratory_close(struct laboratory *l)
{
    char path[LABORATORY_PATH + 16];
    if (l == NULL)
        return;
    for (unsigned i = 0; i < l->count; i++) {
        json_decref(l->job[i]->record);
        free(l->job[i]);
    }
    if (l->lock.fd >= 0)
        host_file_close(&l->lock);
    if (l->temporary && *l->folder != '\0') {
        static const char *const folders[] = {"/runs", "/traces", ""};
        for (unsigned i = 0; i < ARRAY_LEN(folders); i++) {
            snprintf(path, sizeof path, "%s%s", l->folder, folders[i]);
            host_folder_remove(path);
        }
    }
    free(l->job);
    free(l);
}

/* ---- Jobs ---- */

static bool trace_is_there(const struct laboratory *l, const struct job *job)
{
    char path[LABORATORY_PATH];
    laboratory_trace(l, job, path);
    return access(path, R_OK) == 0;
}

static void look_for_record(struct laboratory *l, struct job *job)
{
    char path[LABORATORY_PATH], identity[IDENTITY];
    job_path(l, job, ".json", path);
    identity_of(l, &job->configuration, identity);
    if (l->options.fresh || (job->keep_trace && !trace_is_there(l, job)))
        return;
    job->record = record_load(path, identity);
    job->found = job->record != NULL;
    job->state = job->found ? JOB_DONE : JOB_WAITING;
}

struct job *laboratory_job(struct laboratory *l, const struct configuration *configuration, bool keep_trace)
{
    char identity[IDENTITY], key[HASH_TEXT];
    keep_trace |= l->options.traces;
    identity_of(l, configuration, identity);
    hash_text(identity, strlen(identity), key);
    for (unsigned i = 0; i < l->count; i++)
        if (strcmp(l->job[i]->key, key) == 0) {
            struct job *job = l->job[i];
            if (keep_trace && !job->keep_trace && job->state == JOB_DONE && !trace_is_there(l, job)) {
                json_decref(job->record);
                job->record = NULL;
                job->state = JOB_WAITING;
            }
            job->keep_trace |= keep_trace;
            return job;
        }
    if ((l->count & (l->count - 1)) == 0)
        l->job = xrealloc(l->job, (l->count ? 2u * l->count : 1) * sizeof(struct job *));
    struct job *job = l->job[l->count++] = xcalloc(1, sizeof *job);
    strcpy(job->key, key);
    job->configuration = *configuration;
    job->keep_trace = keep_trace;
    look_for_record(l, job);
    return job;
}

struct laboratory_counts laboratory_counts(const struct laboratory *l)
{
    struct laboratory_counts counts = {0};
    for (unsigned i = 0; i < l->count; i++) {
        const struct job *job = l->job[i];
        counts.found += job->state == JOB_DONE && job->found;
        counts.run += job->state == JOB_DONE && !job->found;
        counts.failed += job->state == JOB_FAILED;
        counts.waiting += job->state == JOB_WAITING;
    }
    return counts;
}

/* ---- Processes ---- */

static void join(const struct words *words, char text[COMMAND])
{
    char *to = text, *end = text + COMMAND;
    *to = '\0';
    for (unsigned i = 0; i < words->count && to < end; i++) {
        const char *format = strpbrk(words->word[i], " \"$*?") ? "%s'%s'" : "%s%s";
        to += snprintf(to, (size_t)(end - to), format, i ? " " : "", words->word[i]);
    }
}

static void fail(struct laboratory *l, struct job *job)
{
    char folder[LABORATORY_PATH];
    job_path(l, job, ".d", folder);
    host_folder_remove(folder);
    json_decref(job->record);
    job->record = NULL;
    job->state = JOB_FAILED;
}

static enum status start_run(struct laboratory *l, struct job *job, struct error *err)
{
    char folder[LABORATORY_PATH], errors[LABORATORY_PATH + 16];
    static const char *const names[] = {"trace", "stats"};
    struct words words, files = {0};
    job_path(l, job, ".d", folder);
    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        words_add(&files, "-%s", names[i]);
        words_add(&files, "%s/%s", folder, names[i]);
    }
    words_add(&files, "-serial");
    words_add(&files, "file:%s/%s", folder, RECORD_SERIAL);
    words_add(&files, "-quiet");
    enum status status = configuration_words(&job->configuration, &l->options.guest, &files, &words, err);
    words_free(&files);
    TRY(status);
    host_folder_remove(folder); /* of a run that was killed */
    status = host_folder_make(folder, err);
    if (status == STATUS_OK) {
        snprintf(errors, sizeof errors, "%s/%s", folder, RECORD_ERRORS);
        status = host_process_start(&job->process, words.word, errors, l->signals, err);
    }
    words_free(&words);
    return status;
}

static enum status start_report(struct laboratory *l, struct job *job, struct error *err)
{
    char folder[LABORATORY_PATH], errors[LABORATORY_PATH + 16];
    struct words words = {0};
    unsigned min_size;
    TRY(configuration_min_size(&job->configuration, &min_size, err));
    job_path(l, job, ".d", folder);
    snprintf(errors, sizeof errors, "%s/%s", folder, RECORD_ERRORS);
    words_add(&words, "crosspage");
    words_add(&words, "report");
    words_add(&words, "%s/%s", folder, RECORD_TRACE);
    words_add(&words, "-format");
    words_add(&words, "summary");
    words_add(&words, "-min-size");
    words_add(&words, "%u", min_size);
    words_add(&words, "-o");
    words_add(&words, "%s/%s", folder, RECORD_SUMMARY);
    enum status status = host_process_start(&job->process, words.word, errors, l->signals, err);
    words_free(&words);
    return status;
}

static enum status finish(struct laboratory *l, struct job *job, struct error *err)
{
    char folder[LABORATORY_PATH], path[LABORATORY_PATH], identity[IDENTITY], *command = xcalloc(1, COMMAND);
    struct words words;
    job_path(l, job, ".d", folder);
    identity_of(l, &job->configuration, identity);
    enum status status = configuration_words(&job->configuration, &l->options.guest, NULL, &words, err);
    if (status == STATUS_OK) {
        join(&words, command);
        words_free(&words);
        status = record_make(folder, &job->configuration, identity, command,
                             l->options.guest.recording != NULL, &job->record, err);
    }
    free(command);
    if (status == STATUS_OK && job->keep_trace) {
        char trace[LABORATORY_PATH + 16];
        snprintf(trace, sizeof trace, "%s/%s", folder, RECORD_TRACE);
        laboratory_trace(l, job, path);
        if (rename(trace, path) != 0)
            status = status_fail(err, STATUS_NO_FILE, "cannot write '%s': %s", path, strerror(errno));
    }
    job_path(l, job, ".json", path);
    if (status == STATUS_OK)
        status = record_save(job->record, path, err);
    host_folder_remove(folder);
    return status;
}

/* Its process has ended. */
static void go_on(struct laboratory *l, struct job *job, int exit_status)
{
    char folder[LABORATORY_PATH];
    enum status status = STATUS_OK;
    l->run++;
    if (exit_status != 0) {
        job_path(l, job, ".d", folder);
        record_first_error(folder, job->error.text, sizeof job->error.text);
        if (*job->error.text == '\0')
            status_fail(&job->error, STATUS_HOST, "%s ended with status %d",
                        job->state == JOB_RUNNING ? "the run" : "the report", exit_status);
        fail(l, job);
        return;
    }
    if (job->state == JOB_RUNNING) {
        job->state = JOB_MEASURING;
        status = start_report(l, job, &job->error);
    } else {
        status = finish(l, job, &job->error);
        job->state = JOB_DONE;
    }
    if (status != STATUS_OK)
        fail(l, job);
}

/* Start what there is room for, look at what runs. The number of jobs not yet done. */
static unsigned look_around(struct laboratory *l)
{
    double now = host_clock_seconds();
    unsigned running = 0, waiting = 0;
    for (unsigned i = 0; i < l->count; i++) {
        struct job *job = l->job[i];
        int exit_status;
        if ((job->state == JOB_RUNNING || job->state == JOB_MEASURING)) {
            if (host_process_ended(&job->process, &exit_status))
                go_on(l, job, exit_status);
            else if (now - job->started > l->options.timeout) {
                host_process_end(&job->process);
                status_fail(&job->error, STATUS_HOST, "not done after %.0f s (-timeout)", l->options.timeout);
                fail(l, job);
            }
        }
        running += job->state == JOB_RUNNING || job->state == JOB_MEASURING;
    }
    for (unsigned i = 0; i < l->count; i++) {
        struct job *job = l->job[i];
        if (job->state == JOB_WAITING && running < l->options.jobs) {
            job->state = JOB_RUNNING;
            job->started = now;
            if (start_run(l, job, &job->error) == STATUS_OK)
                running++;
            else
                fail(l, job);
        }
        waiting += job->state == JOB_WAITING;
    }
    return running + waiting;
}

static void show_progress(const struct laboratory *l, unsigned left)
{
    struct laboratory_counts counts = laboratory_counts(l);
    double passed = host_clock_seconds() - l->started, each = l->run ? passed / l->run : 0;
    if (!l->on_terminal)
        return;
    fprintf(stderr, "\r\033[K%u of %u runs, %u failed", l->count - left, l->count, counts.failed);
    if (l->run > 1)
        fprintf(stderr, ", about %.0f s left", each * 2 * left);
}

bool laboratory_run(struct laboratory *l)
{
    bool asked = false;
    unsigned left;
    l->signals = host_signals_hold();
    l->started = host_clock_seconds();
    l->run = 0;
    l->on_terminal = !l->options.quiet && isatty(STDERR_FILENO) == 1;
    while (!asked && (left = look_around(l)) > 0) {
        show_progress(l, left);
        asked = host_signals_wait(l->signals, PAUSE);
    }
    for (unsigned i = 0; i < l->count; i++) {
        struct job *job = l->job[i];
        if (job->state != JOB_RUNNING && job->state != JOB_MEASURING)
            continue;
        host_process_end(&job->process);
        fail(l, job);
        job->state = JOB_WAITING;
    }
    if (l->on_terminal)
        fputs("\r\033[K", stderr);
    host_signals_release(l->signals);
    l->signals = NULL;
    return !asked;
}

/* ---- Metrics ---- */

static bool one_metric(const json_t *metrics, const char *name, size_t length, double *value)
{
    char key[128];
    snprintf(key, sizeof key, "%.*s", (int)length, name);
    const json_t *found = json_object_get(metrics, key);
    *value = json_number_value(found);
    return json_is_number(found);
}

bool job_metric(const struct job *job, const char *expression, double *value)
{
    const json_t *metrics = json_object_get(job->record, "metrics");
    double sign = 1;
    *value = 0;
    for (;;) {
        const char *plus = strstr(expression, " + "), *minus = strstr(expression, " - "),
                   *end = plus != NULL && (minus == NULL || plus < minus) ? plus : minus;
        double term;
        size_t length = end ? (size_t)(end - expression) : strlen(expression);
        if (!one_metric(metrics, expression, length, &term))
            return false;
        *value += sign * term;
        if (end == NULL)
            return true;
        sign = end == plus ? 1 : -1;
        expression = end + 3;
    }
}
