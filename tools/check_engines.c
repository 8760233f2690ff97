/* crosspage run -engine check: the same machine in the interpreter and in the translator
 * (hostworld/engine_check.h).
 *
 * Nothing may reach one of the two only: there is no input, disks are snapshots of their own, and only one of
 * them, the first time, writes to standard output. */
#include "tools/check_engines.h"

#include "base/check.h"
#include "hostworld/engine_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct sides {
    const struct run_options *options;
    struct log *log;
    struct run_io *io[CHECK_SIDES];
};

/* ---- The guest's console on standard output ---- */

static void no_attach(void *ctx, const struct char_port_ops *ops, void *port)
{
    (void)ctx, (void)ops, (void)port;
}

static void write_byte(void *ctx, uint8_t byte)
{
    (void)ctx;
    putchar(byte);
    if (byte == '\n')
        fflush(stdout);
}

static void drop_byte(void *ctx, uint8_t byte)
{
    (void)ctx, (void)byte;
}

static const struct char_backend_ops console = {.attach = no_attach, .write = write_byte};
static const struct char_backend_ops silent = {.attach = no_attach, .write = drop_byte};

/* ---- Labs ---- */

static enum status open_side(void *ctx, unsigned side, bool again, struct lab **lab, struct error *err)
{
    struct sides *sides = ctx;
    struct lab_config config = sides->options->lab;
    struct run_io_options io = sides->options->io;
    bool speaks = side == CHECK_OTHER && !again;
    config.translate = side == CHECK_OTHER;
    config.log = speaks ? sides->log : NULL;
    /* Whether a line is connected is known to the port. */
    for (unsigned n = 0; n < io.serial_count; n++)
        config.board.serial[n].ops = speaks && strcmp(io.serial[n], "stdio") == 0 ? &console : &silent;
    io.serial_count = 0;
    io.snapshot = true;
    TRY(run_io_create(&sides->io[side], &io, &config, err));
    TRY(lab_create(lab, &config, err));
    if (speaks)
        sides->log->stamp = &lab_host(*lab)->queue->now;
    return STATUS_OK;
}

static void close_side(void *ctx, unsigned side, struct lab *lab)
{
    struct sides *sides = ctx;
    struct error ignored; /* nothing was written */
    if (side == CHECK_OTHER)
        sides->log->stamp = NULL;
    enum status closed = lab_destroy(lab, &ignored);
    closed = run_io_destroy(sides->io[side], &ignored) != STATUS_OK ? STATUS_HOST : closed;
    (void)closed;
    sides->io[side] = NULL;
}

/* ---- Interface ---- */

enum status check_engines_options(const struct run_options *options, struct error *err)
{
    const struct lab_config *lab = &options->lab;
    if (lab->trace != NULL || lab->pcap != NULL || options->stats != NULL)
        return status_fail(err, STATUS_BAD_INPUT, "-engine check writes no trace, capture or statistics");
    for (unsigned n = 0; n < options->io.serial_count; n++)
        if (strcmp(options->io.serial[n], "stdio") != 0 && strcmp(options->io.serial[n], "null") != 0)
            return status_fail(err, STATUS_BAD_INPUT,
                               "-engine check takes no input: -serial stdio (output only) or null");
    if (options->io.debug_console != NULL)
        return status_fail(err, STATUS_BAD_INPUT, "-engine check has no debug console");
    return STATUS_OK;
}

enum status check_engines(const struct run_options *options, struct log *log, double stop_after,
                          struct engine_check_result *result, struct error *err)
{
    struct sides sides = {.options = options, .log = log};
    const struct engine_check_config config = {
        .open = open_side,
        .close = close_side,
        .ctx = &sides,
        .name = {"interpreter", "translator"},
        .every = options->check_every,
        .points = options->check_points,
        .seconds = stop_after,
        .report = stderr,
    };
    TRY(engine_check_run(&config, result, err));
    fflush(stdout);
    if (!options->quiet)
        fprintf(stderr,
                "crosspage: %" PRIu64 " states compared in %" PRIu64 " cycles, %" PRIu64
                " of them with memory and devices: %s\n",
                result->stops, result->cycles, result->whole_stops,
                result->equal ? "all equal" : "a difference");
    if (!options->quiet && result->equal)
        fprintf(stderr, "crosspage: both end after %" PRIu64 " instructions with state hash %016" PRIx64 "\n",
                result->instructions, result->state_hash);
    return result->equal ? STATUS_OK : status_fail(err, STATUS_HOST, "interpreter and translator differ");
}
