/* crosspage run: boot a guest, report at the end. Exit status: 0 when the guest powered off (or was asked to
 * stop), the guest's own status after isa-debug-exit (value << 1 | 1, as QEMU), 1 when it could not run or
 * ended badly, 2 for a bad command line. */
#include "tools/run_options.h"

#include "base/check.h"
#include "base/host_clock.h"
#include "hostworld/run_io.h"
#include "tools/check_engines.h"
#include "tools/progress.h"

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
    struct progress progress;
    struct lab *lab;
    char *command_line;
};

static bool poll_run(void *ctx)
{
    struct run *run = ctx;
    struct host *host = lab_host(run->lab);
    if (run_io_poll(run->io))
        vm_ask_stop(lab_vm(run->lab));
    if (run->second_io != NULL)
        run_io_poll(run->second_io);
    progress_update(&run->progress, (double)host_now(host) / (double)host->hz, host->cpu->s.instructions);
    return run_io_input_waits(run->io);
}

static char *join(int argc, char **argv)
{
    size_t size = 16;
    for (int i = 0; i < argc; i++)
        size += strlen(argv[i]) + 3;
    char *text = xcalloc(size, 1), *to = stpcpy(text, "crosspage run");
    for (int i = 0; i < argc; i++)
        to += sprintf(to, strpbrk(argv[i], " \"'$") ? " '%s'" : " %s", argv[i]);
    return text;
}

static enum status open_log(struct run *run, struct error *err)
{
    run->log = (struct log){.file = stderr, .mask = run->options.log_mask, .guest_limit = 100000};
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

static enum status execute(struct run *run, int *exit_code, struct error *err)
{
    struct lab_config *config = &run->options.lab;
    config->log = &run->log;
    config->command_line = run->command_line;
    config->poll = poll_run;
    config->poll_ctx = run;
    TRY(open_log(run, err));
    TRY(run_io_create(&run->io, &run->options.io, config, err));
    print_notices(run->io);
    run_io_wait(run->io);
    if (run->two_hosts)
        TRY(prepare_second(run, err));
    TRY(lab_create(&run->lab, config, err));
    run->log.stamp = &lab_host(run->lab)->queue->now;
    if (run->two_hosts)
        run->second_log.stamp = &lab_second(run->lab).host->queue->now;

    double hz = (double)lab_host(run->lab)->hz, started = host_clock_seconds();
    cycle_t limit = run->options.stop_after > 0 ? (cycle_t)(run->options.stop_after * hz) : UINT64_MAX;
    progress_start(&run->progress, run_io_uses_terminal(run->io));
    enum vm_stop stop = lab_run(run->lab, limit);
    progress_end(&run->progress);
    double seconds = host_clock_seconds() - started;
    run_io_flush(run->io);
    if (run->second_io != NULL)
        run_io_flush(run->second_io);
    /* Why the status is not 0, one wants to know always. */
    if (!run->options.quiet || stop == VM_STOP_SHUTDOWN || stop == VM_STOP_DEAD)
        print_summary(run, stop, seconds);
    if (stop == VM_STOP_SHUTDOWN)
        cpu_dump(lab_host(run->lab)->cpu, stderr);
    *exit_code = exit_status(stop, vm_exit_value(lab_vm(run->lab)));
    const struct translator *translator = vm_translator(lab_vm(run->lab));
    if (translator != NULL && log_wants(&run->log, LOG_JIT_STATS))
        translator_print_stats(translator, run->log.file);
    return write_stats(run, stop, seconds, err);
}

int command_run(int argc, char **argv)
{
    struct run *run = xcalloc(1, sizeof *run);
    struct error err, closing;
    bool printed = false;
    int exit_code = 0;
    run_options_default(&run->options);
    run_options_default_second(&run->second);
    int first = 0;
    while (first < argc && strcmp(argv[first], "--") != 0)
        first++;
    run->two_hosts = first < argc;
    enum status status = options_parse(run_option_table, &run->options, first, argv, NULL, &err);
    if (status == STATUS_OK && run->two_hosts)
        status =
            options_parse(run_option_table, &run->second, argc - first - 1, argv + first + 1, NULL, &err);
    if (status == STATUS_OK && run->options.help) {
        puts("usage: crosspage run -kernel FILE [OPTIONS] [-- -kernel FILE [OPTIONS of a second host]]\n");
        options_print_help(run_option_table);
        printed = true;
    } else if (status == STATUS_OK) {
        status = run_options_finish(&run->options, &printed, &err);
        if (status == STATUS_OK && run->two_hosts && !printed)
            status = run_options_finish_second(&run->second, &run->options, &printed, &err);
    }
    if (status != STATUS_OK) {
        free(run);
        return usage_error(&err);
    }
    if (!printed) {
        run->command_line = join(argc, argv);
        status = (run->options.check ? execute_check : execute)(run, &exit_code, &err);
        enum status closed = lab_destroy(run->lab, &closing);
        if (status == STATUS_OK && closed != STATUS_OK) {
            status = closed;
            err = closing;
        }
        struct run_io *const ios[] = {run->io, run->second_io};
        for (size_t i = 0; i < ARRAY_LEN(ios); i++) {
            closed = run_io_destroy(ios[i], &closing);
            if (status == STATUS_OK && closed != STATUS_OK) {
                status = closed;
                err = closing;
            }
        }
        if (status != STATUS_OK)
            fprintf(stderr, "crosspage: %s\n", err.text);
        if (run->log.file != NULL && run->log.file != stderr)
            fclose(run->log.file);
        free(run->command_line);
    }
    free(run);
    return status == STATUS_OK ? exit_code : 1;
}
