#include "hostworld/run_io.h"

#include "base/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct run_char {
    FILE *file;
};

struct run_io {
    struct run_char chars[BOARD_SERIAL_PORTS + 1];
    bool terminal;
};

static void char_write(void *backend, uint8_t byte)
{
    struct run_char *c = backend;
    if (c->file != NULL)
        fputc(byte, c->file);
}

static void char_attach(void *backend, const struct char_port_ops *ops, void *port)
{
    (void)backend;
    (void)ops;
    (void)port;
}

static enum status open_char(struct run_io *io, struct run_char *c, const char *spec,
                             struct char_backend *backend, struct error *err)
{
    static const struct char_backend_ops ops = {.attach = char_attach, .write = char_write};
    *backend = (struct char_backend){.ops = &ops, .ctx = c};
    if (strcmp(spec, "stdio") == 0) {
        c->file = stdout;
        io->terminal = true;
    } else if (strncmp(spec, "file:", 5) == 0) {
        c->file = fopen(spec + 5, "w");
        if (c->file == NULL)
            return status_fail(err, STATUS_NO_FILE, "cannot write '%s': %s", spec + 5, strerror(errno));
    } else if (strcmp(spec, "null") != 0) {
        return status_fail(err, STATUS_BAD_INPUT, "unknown character device '%s'", spec);
    }
    return STATUS_OK;
}

enum status run_io_create(struct run_io **out, const struct run_io_options *options,
                          struct lab_config *config, struct error *err)
{
    struct run_io *io = *out = xcalloc(1, sizeof *io);
    for (unsigned i = 0; i < options->serial_count; i++)
        TRY(open_char(io, &io->chars[i], options->serial[i], &config->board.serial[i], err));
    if (options->debug_console != NULL)
        TRY(open_char(io, &io->chars[BOARD_SERIAL_PORTS], options->debug_console,
                      &config->board.debug_console, err));
    return STATUS_OK;
}

void run_io_destroy(struct run_io *io)
{
    free(io);
}

bool run_io_poll(struct run_io *io)
{
    run_io_flush(io);
    return false;
}

void run_io_flush(struct run_io *io)
{
    for (unsigned i = 0; i < ARRAY_LEN(io->chars); i++)
        if (io->chars[i].file != NULL)
            fflush(io->chars[i].file);
}

bool run_io_uses_terminal(const struct run_io *io)
{
    return io->terminal;
}
