/* Character back ends: choice by specification, buffers, Ctrl-A commands.
 *
 * Output is collected and written when the buffer is full, at every poll and, where nothing is dropped, at
 * the end of a line: who times a guest from outside does it at its lines. Standard output and files take
 * everything, waiting if they must; a socket or pseudo-terminal takes what it can, the rest is kept up to the
 * buffer's size, then dropped: nobody listens. Input waits in a buffer until the port is ready.
 *
 * Ctrl-A commands (standard input): X ends the run, H prints help, Ctrl-A sends one Ctrl-A. */
#include "hostworld/chardev_priv.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { CTRL_A = 1 };

static const struct chardev_ops *const kinds[] = {
    &chardev_stdio, &chardev_stdio_monitor, &chardev_file, &chardev_tcp, &chardev_pty, &chardev_null, NULL,
};
static const struct chardev_ops *const output_kinds[] = {&chardev_stdout, &chardev_file, &chardev_null, NULL};

void chardev_disconnect(struct chardev *chardev)
{
    host_stream_close(chardev->in);
    if (chardev->out != chardev->in)
        host_stream_close(chardev->out);
    chardev->in = chardev->out = -1;
    chardev->out_count = 0;
}

/* ---- Output ---- */

void chardev_flush(struct chardev *chardev)
{
    size_t done = 0;
    if (chardev->out < 0 || chardev->out_count == 0)
        return;
    if (chardev->ops->lossless) {
        if (!host_stream_write_all(chardev->out, chardev->out_bytes, chardev->out_count))
            chardev->failed = true;
        chardev->out_count = 0;
        return;
    }
    while (done < chardev->out_count) {
        int put = host_stream_write(chardev->out, chardev->out_bytes + done, chardev->out_count - done);
        if (put == STREAM_CLOSED) {
            chardev_disconnect(chardev);
            return;
        }
        if (put == STREAM_LATER)
            break;
        done += (size_t)put;
    }
    chardev->out_count -= done;
    memmove(chardev->out_bytes, chardev->out_bytes + done, chardev->out_count);
}

/* Called for each byte the guest sends: no system call unless the buffer is full or a line is complete. */
static void backend_write(void *ctx, uint8_t byte)
{
    struct chardev *chardev = ctx;
    if (chardev->out_count == CHARDEV_OUT)
        chardev_flush(chardev);
    if (chardev->out >= 0 && chardev->out_count < CHARDEV_OUT)
        chardev->out_bytes[chardev->out_count++] = byte;
    if (byte == '\n' && chardev->ops->lossless)
        chardev_flush(chardev);
}

/* ---- Input ---- */

static void print_help(struct chardev *chardev)
{
    static const char text[] = "\r\ncrosspage: Ctrl-A X  end the run\r\n"
                               "           Ctrl-A H  this help\r\n"
                               "           Ctrl-A Ctrl-A  send Ctrl-A\r\n";
    for (const char *at = text; *at; at++)
        backend_write(chardev, (uint8_t)*at);
    chardev_flush(chardev);
}

/* The byte after Ctrl-A. True if it is for the guest. */
static bool command(struct chardev *chardev, uint8_t byte)
{
    switch (byte) {
    case CTRL_A: return true;
    case 'x':
    case 'X': chardev->quit = true; return false;
    case 'h':
    case 'H':
    case '?': print_help(chardev); return false;
    default: return false;
    }
}

static bool for_guest(struct chardev *chardev, uint8_t byte)
{
    if (!chardev->ops->escapes)
        return true;
    if (chardev->escape) {
        chardev->escape = false;
        return command(chardev, byte);
    }
    chardev->escape = byte == CTRL_A;
    return !chardev->escape;
}

/* Ctrl-A commands are taken out here, not when bytes arrive, so that they keep their place among the others.
 */
static void deliver(struct chardev *chardev)
{
    while (chardev->in_at < chardev->in_count) {
        uint8_t byte = chardev->in_bytes[chardev->in_at];
        if (chardev->port != NULL && !chardev->port->ready(chardev->port_ctx))
            return;
        chardev->in_at++;
        if (for_guest(chardev, byte) && chardev->port != NULL)
            chardev->port->receive(chardev->port_ctx, byte);
        if (chardev->quit)
            return;
    }
}

static void fetch(struct chardev *chardev)
{
    if (chardev->in_at == chardev->in_count)
        chardev->in_at = chardev->in_count = 0;
    if (chardev->in < 0 || chardev->in_count == CHARDEV_IN)
        return;
    int got =
        host_stream_read(chardev->in, chardev->in_bytes + chardev->in_count, CHARDEV_IN - chardev->in_count);
    if (got > 0)
        chardev->in_count += (size_t)got;
    else if (got == STREAM_CLOSED && chardev->ops->lossless)
        chardev->in = -1; /* end of standard input: output goes on */
    else if (got == STREAM_CLOSED)
        chardev_disconnect(chardev);
}

static void find_quit(struct chardev *chardev)
{
    for (size_t i = chardev->in_at; i + 1 < chardev->in_count; i++)
        if (chardev->in_bytes[i] == CTRL_A && (chardev->in_bytes[i + 1] | 0x20) == 'x')
            chardev->quit = true;
}

/* A full buffer and a port that never gets ready must not hide the way out. */
static void look_for_quit(struct chardev *chardev)
{
    if (chardev->ops->escapes && chardev->in_count == CHARDEV_IN)
        find_quit(chardev);
}

bool chardev_poll(struct chardev *chardev)
{
    if (chardev->ops->poll != NULL)
        chardev->ops->poll(chardev);
    fetch(chardev);
    deliver(chardev);
    look_for_quit(chardev);
    chardev_flush(chardev);
    return chardev->quit || host_terminal_interrupted(chardev->terminal);
}

bool chardev_asks_end(struct chardev *chardev)
{
    fetch(chardev);
    if (chardev->ops->escapes)
        find_quit(chardev);
    return chardev->quit || host_terminal_interrupted(chardev->terminal);
}

bool chardev_input_waits(const struct chardev *chardev)
{
    return chardev->in_at < chardev->in_count;
}

/* ---- Life cycle ---- */

static void backend_attach(void *ctx, const struct char_port_ops *ops, void *port)
{
    struct chardev *chardev = ctx;
    chardev->port = ops;
    chardev->port_ctx = port;
}

struct char_backend chardev_backend(struct chardev *chardev)
{
    static const struct char_backend_ops ops = {.attach = backend_attach, .write = backend_write};
    return (struct char_backend){.ops = &ops, .ctx = chardev};
}

/* Of a list that ends with NULL. */
static const struct chardev_ops *find_kind(const struct chardev_ops *const *list, const char *spec,
                                           const char **rest)
{
    for (; *list != NULL; list++) {
        size_t length = strlen((*list)->prefix);
        if (strncmp(spec, (*list)->prefix, length) == 0 && (!(*list)->exact || spec[length] == '\0')) {
            *rest = spec + length;
            return *list;
        }
    }
    return NULL;
}

static enum status open_kind(struct chardev **out, const struct chardev_ops *ops, const char *rest,
                             struct error *err)
{
    struct chardev *chardev = xcalloc(1, sizeof *chardev);
    chardev->ops = ops;
    chardev->in = chardev->out = chardev->extra = -1;
    enum status status = ops->open(chardev, rest, err);
    if (status != STATUS_OK) {
        free(chardev);
        return status;
    }
    *out = chardev;
    return STATUS_OK;
}

enum status chardev_open(struct chardev **out, const char *spec, struct error *err)
{
    const char *rest;
    const struct chardev_ops *ops = find_kind(kinds, spec, &rest);
    *out = NULL;
    return ops != NULL
               ? open_kind(out, ops, rest, err)
               : status_fail(err, STATUS_BAD_INPUT,
                             "unknown character device '%s' (stdio, file:PATH, tcp:HOST:PORT, pty or null)",
                             spec);
}

enum status chardev_open_output(struct chardev **out, const char *spec, struct error *err)
{
    const char *rest;
    const struct chardev_ops *ops = find_kind(output_kinds, spec, &rest);
    *out = NULL;
    return ops != NULL
               ? open_kind(out, ops, rest, err)
               : status_fail(err, STATUS_BAD_INPUT,
                             "character device '%s' can take input; for output alone there are stdio, "
                             "file:PATH and null",
                             spec);
}

enum status chardev_close(struct chardev *chardev, struct error *err)
{
    if (chardev == NULL)
        return STATUS_OK;
    chardev_flush(chardev);
    bool failed = chardev->failed;
    chardev->ops->close(chardev);
    host_stream_close(chardev->extra);
    free(chardev->notice);
    free(chardev);
    return failed ? status_fail(err, STATUS_NO_FILE, "output of a serial port could not be written")
                  : STATUS_OK;
}

void chardev_wait(struct chardev *chardev)
{
    if (chardev->waits)
        chardev->in = chardev->out = host_tcp_accept(chardev->extra, true);
    chardev->waits = false;
}

bool chardev_is_stdio(const struct chardev *chardev)
{
    return chardev->ops->escapes || chardev->ops == &chardev_stdout;
}

const char *chardev_notice(const struct chardev *chardev)
{
    return chardev->notice;
}
