/* crosspage run: boot a guest, report at the end. Exit status: 0 when the guest powered off (or was asked to
 * stop), the guest's own status after isa-debug-exit (value << 1 | 1, as QEMU), 1 when it could not run or
 * ended badly, 2 for a bad command line. */
#include "tools/run_options.h"

#include "base/check.h"
#include "base/host_clock.h"
#include "hostworld/run_io.h"
#include "tools/check_engines.h"
#include "tools/progress.h"
#include "tools/run_replay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct run {
    struct run_options options, second; /* second: of the host at the other end of the wire */
    bool two_hosts;
    struct log log, second_log; /* one file, each with its host's clock */
    struct run_io *io, *second_io;
    struct debugger *debugger;
    struct progress progress;
    struct lab *lab;
    struct words_of_run words; /* of the command line */
    char *joined;              /* the same without -record */
    const char *command_line;  /* for the trace's header */
    bool second_quits;         /* the user of the second host's console; the first one ends the run */
    struct run_record record;
    struct run_replay replay;
};

static bool poll_run(void *ctx, unsigned number)
{
    struct run *run = ctx;
    struct host *host = lab_host(run->lab);
    if (number == 1) {
        run->second_quits |= run_io_poll(run->second_io);
        return run_io_input_waits(run->second_io);
    }
    if (run_io_poll(run->io) || run->second_quits)
        lab_ask_stop(run->lab);
    if (run->second_io != NULL && lab_second(run->lab).ended)
        run_io_flush(run->second_io); /* nobody looks there any more */
    debugger_poll(run->debugger);
    progress_update(&run->progress, (double)host_now(host) / (double)host->hz, host->cpu->s.instructions);
    return run_io_input_waits(run->io);
}

static char *join(const struct words_of_run *words)
{
    struct words_of_run rest = recorded_run_without_record(words);
    size_t size = 16;
    for (int i = 0; i < rest.count; i++)
        size += strlen(rest.word[i]) + 3;
    char *text = xcalloc(size, 1), *to = stpcpy(text, "crosspage run");
    for (int i = 0; i < rest.count; i++)
        to += sprintf(to, strpbrk(rest.word[i], " \"'$") ? " '%s'" : " %s", rest.word[i]);
    free(rest.word);
    return text;
}

static enum status open_log(struct run *run, struct error *err)
{
    run->log =
        (struct log){.file = stderr, .mask = run->options.log_mask | LOG_OUTSIDE, .guest_limit = 100000};
    if (run->options.log_file == NULL)
        return STATUS_OK;
    run->log.file = fopen(run->options.log_file, "w");
    return run->log.file ? STATUS_OK
                         : status_fail(err, STATUS_NO_FILE, "cannot write log '%s': %s",
                                       run->options.log_file, strerror(errno));
}

static enum status write_text(const char *path, const char *text, struct error *err)
{
    FILE *file = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");
    if (file == NULL)
        return status_fail(err, STATUS_NO_FILE, "cannot write '%s': %s", path, strerror(errno));
    bool failed = fprintf(file, "%s\n", text) < 0;
    failed |= file == stdout ? fflush(file) != 0 : fclose(file) != 0;
    return failed ? status_fail(err, STATUS_NO_FILE, "writing '%s' failed: %s", path, strerror(errno))
                  : STATUS_OK;
}

static enum status write_stats(struct run *run, enum vm_stop stop, double seconds, struct error *err)
{
    enum status status = STATUS_OK;
    if (run->options.stats != NULL) {
        char *text = lab_stats(run->lab, stop, seconds);
        status = write_text(run->options.stats, text, err);
        free(text);
    }
    if (status == STATUS_OK && run->two_hosts && run->second.stats != NULL) {
        char *text = lab_second_stats(run->lab, seconds);
        status = write_text(run->second.stats, text, err);
        free(text);
    }
    return status;
}

static void print_summary(const struct run *run, enum vm_stop stop, double seconds)
{
    static const char *const texts[] = {
        [VM_STOP_LIMIT] = "time limit reached",
        [VM_STOP_POWER_OFF] = "guest powered off",
        [VM_STOP_EXIT] = "guest ended the run",
        [VM_STOP_RESET] = "guest reset",
        [VM_STOP_SHUTDOWN] = "guest died of a triple fault",
        [VM_STOP_DEAD] = "guest halted for good (nothing can wake it)",
        [VM_STOP_ASKED] = "stopped",
    };
    const struct host *host = lab_host(run->lab);
    uint64_t instructions = host->cpu->s.instructions;
    fprintf(stderr,
            "crosspage: %s after %.6f s simulated, %" PRIu64 " instructions, %.1f s host (%.0f MIPS)\n",
            texts[stop], (double)host_now(host) / (double)host->hz, instructions, seconds,
            seconds > 0 ? (double)instructions / seconds * 1e-6 : 0);
}

static int exit_status(enum vm_stop stop, uint32_t exit_value)
{
    switch (stop) {
    case VM_STOP_EXIT: return (int)((exit_value << 1 | 1) & 0xFF);
    case VM_STOP_SHUTDOWN:
    case VM_STOP_DEAD: return 1;
    default: return 0;
    }
}

static void print_notices(const struct run_io *io)
{
    char text[RUN_IO_NOTICE];
    for (unsigned i = 0; run_io_notice(io, i, text); i++)
        fprintf(stderr, "crosspage: %s\n", text);
}

static void print_probe_notices(const struct vm *vm)
{
    char text[PROBE_NOTICE];
    for (unsigned i = 0; vm != NULL && vm_probes(vm) != NULL && probes_notice(vm_probes(vm), i, text); i++)
        fprintf(stderr, "crosspage: %s\n", text);
}

/* exit_status() for -engine check. */
static enum status execute_check(struct run *run, int *exit_code, struct error *err)
{
    struct engine_check_result result;
    TRY(open_log(run, err));
    TRY(check_engines(&run->options, &run->log, run->options.stop_after, &result, err));
    *exit_code = exit_status(result.stop, result.exit_value);
    return STATUS_OK;
}

static enum status prepare_second(struct run *run, struct error *err)
{
    struct lab_config *config = &run->second.lab;
    run->second_log = run->log;
    run->log.who = "first";
    run->second_log.who = "second";
    config->log = &run->second_log;
    config->command_line = run->command_line;
    TRY(run_io_create(&run->second_io, &run->second.io, config, err));
    print_notices(run->second_io);
    run_io_wait(run->second_io);
    run->options.lab.other = config;
    return STATUS_OK;
}

static enum status open_debugger(struct run *run, struct error *err)
{
    TRY(debugger_create(&run->debugger, &run->options.debugger, err));
    if (debugger_uses_stdio(run->debugger) && run_io_uses_terminal(run->io))
        return status_fail(err, STATUS_BAD_INPUT, "only one of serial port, gdb and monitor can be on stdio");
    char notice[DEBUGGER_NOTICE];
    for (unsigned i = 0; debugger_notice(run->debugger, i, notice); i++)
        fprintf(stderr, "crosspage: %s\n", notice);
    return STATUS_OK;
}

static enum status execute(struct run *run, int *exit_code, struct error *err)
{
    struct lab_config *config = &run->options.lab;
    config->log = &run->log;
    config->command_line = run->command_line;
    config->poll = poll_run;
    config->poll_ctx = run;
    TRY(open_log(run, err));
    if (run->options.record != NULL) {
        struct run_options *const options[] = {&run->options, &run->second};
        TRY(run_record_open(&run->record, options, run->two_hosts ? 2 : 1, &run->words, run->command_line,
                            err));
    }
    TRY(run_io_create(&run->io, &run->options.io, config, err));
    print_notices(run->io);
    run_io_wait(run->io);
    TRY(open_debugger(run, err));
    if (run->two_hosts)
        TRY(prepare_second(run, err));
    TRY(lab_create(&run->lab, config, err));
    run->log.stamp = &lab_host(run->lab)->queue->now;
    if (run->two_hosts)
        run->second_log.stamp = &lab_second(run->lab).host->queue->now;

    run_record_begin(&run->record, run->lab);

    debugger_attach(run->debugger, run->lab, &run->log, run->io);
    double hz = (double)lab_host(run->lab)->hz, started = host_clock_seconds();
    cycle_t limit = run->options.stop_after > 0 ? (cycle_t)(run->options.stop_after * hz) : UINT64_MAX;
    progress_start(&run->progress, run_io_uses_terminal(run->io));
    enum vm_stop stop = lab_run(run->lab, limit);
    lab_end(run->lab);
    progress_end(&run->progress);
    double seconds = host_clock_seconds() - started;
    run_io_flush(run->io);
    if (run->second_io != NULL)
        run_io_flush(run->second_io);
    /* Why the status is not 0, one wants to know always. */
    if (!run->options.quiet || stop == VM_STOP_SHUTDOWN || stop == VM_STOP_DEAD)
        print_summary(run, stop, seconds);
    print_probe_notices(lab_vm(run->lab));
    print_probe_notices(lab_second(run->lab).vm);
    if (stop == VM_STOP_SHUTDOWN)
        cpu_dump(lab_host(run->lab)->cpu, stderr);
    *exit_code = exit_status(stop, vm_exit_value(lab_vm(run->lab)));
    debugger_ended(run->debugger, *exit_code);
    const struct translator *translator = vm_translator(lab_vm(run->lab));
    if (translator != NULL && log_wants(&run->log, LOG_JIT_STATS))
        translator_print_stats(translator, run->log.file);
    TRY(write_stats(run, stop, seconds, err));
    run_record_finish(&run->record, run->lab, stop);
    return run_replay_finish(&run->replay, &run->options, run->lab, stop, err);
}

/* ---- The command line ---- */

static enum status parse_words(struct run *run, const struct words_of_run *words, struct error *err)
{
    int first = 0;
    while (first < words->count && strcmp(words->word[first], "--") != 0)
        first++;
    run->two_hosts = first < words->count;
    run_options_default(&run->options);
    run_options_default_second(&run->second);
    TRY(options_parse(run_option_table, &run->options, first, words->word, NULL, err));
    return run->two_hosts ? options_parse(run_option_table, &run->second, words->count - first - 1,
                                          words->word + first + 1, NULL, err)
                          : STATUS_OK;
}

static enum status finish_options(struct run *run, bool *printed, struct error *err)
{
    if (run->options.help) {
        puts("usage: crosspage run -kernel FILE [OPTIONS] [-- -kernel FILE [OPTIONS of a second host]]\n"
             "       crosspage run -replay FILE [OPTIONS]\n");
        options_print_help(run_option_table);
        *printed = true;
        return STATUS_OK;
    }
    TRY(run_options_finish(&run->options, printed, err));
    return run->two_hosts && !*printed ? run_options_finish_second(&run->second, &run->options, printed, err)
                                       : STATUS_OK;
}

/* The recorded run's words are put before the ones given. */
static enum status open_replay(struct run *run, struct error *err)
{
    const char *spec = run->options.replay;
    if (run->options.record != NULL)
        return status_fail(err, STATUS_BAD_INPUT, "-record and -replay: one of the two");
    TRY(run_replay_open(&run->replay, spec, &run->words, err));
    return parse_words(run, &run->replay.words, err);
}

static enum status start_replay(struct run *run, struct error *err)
{
    struct run_options *const options[] = {&run->options, &run->second};
    return run_replay_start(&run->replay, options, run->two_hosts ? 2 : 1, &run->command_line, err);
}

/* *failure: the exit status if it fails. */
static enum status prepare(struct run *run, bool *printed, int *failure, struct error *err)
{
    *failure = 2;
    TRY(parse_words(run, &run->words, err));
    bool replay = run->options.replay != NULL && !run->options.help;
    *failure = replay ? 1 : 2;
    if (replay)
        TRY(open_replay(run, err));
    TRY(finish_options(run, printed, err));
    return replay && !*printed ? start_replay(run, err) : STATUS_OK;
}

static void keep_first(enum status *status, struct error *err, enum status closed,
                       const struct error *closing)
{
    if (*status == STATUS_OK && closed != STATUS_OK) {
        *status = closed;
        *err = *closing;
    }
}

/* Everything is closed; the first error counts. */
static enum status finish(struct run *run, enum status status, struct error *err)
{
    struct error closing;
    debugger_destroy(run->debugger);
    enum status closed = lab_destroy(run->lab, &closing);
    keep_first(&status, err, closed, &closing);
    closed = run_io_destroy(run->io, &closing);
    keep_first(&status, err, closed, &closing);
    closed = run_io_destroy(run->second_io, &closing);
    keep_first(&status, err, closed, &closing);
    closed = run_record_close(&run->record, &closing);
    keep_first(&status, err, closed, &closing);
    return status;
}

int command_run(int argc, char **argv)
{
    struct run *run = xcalloc(1, sizeof *run);
    struct error err;
    bool printed = false;
    int exit_code = 0, failure;
    run->words = (struct words_of_run){argc, argv};
    run->command_line = run->joined = join(&run->words);
    enum status status = prepare(run, &printed, &failure, &err);
    if (status == STATUS_OK && !printed) {
        failure = 1;
        status = (run->options.check ? execute_check : execute)(run, &exit_code, &err);
        status = finish(run, status, &err);
    }
    if (status != STATUS_OK)
        fprintf(stderr, "crosspage: %s\n", err.text);
    if (run->log.file != NULL && run->log.file != stderr)
        fclose(run->log.file);
    run_replay_close(&run->replay);
    free(run->joined);
    free(run);
    return status == STATUS_OK ? exit_code : failure;
}
