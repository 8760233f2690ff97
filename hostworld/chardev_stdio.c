/* Standard input and output, and the back end that is none. On a terminal, keys go to the guest one by one,
 * Ctrl-C included; the terminal's mode is put back when the run ends. */
#include "hostworld/chardev_priv.h"

#include <unistd.h>

static enum status stdio_open(struct chardev *chardev, const char *rest, struct error *err)
{
    (void)rest;
    (void)err;
    chardev->in = STDIN_FILENO;
    chardev->out = STDOUT_FILENO;
    chardev->terminal = host_terminal_raw();
    return STATUS_OK;
}

static void stdio_close(struct chardev *chardev)
{
    host_terminal_restore(chardev->terminal);
}

const struct chardev_ops chardev_stdio = {
    .prefix = "stdio",
    .exact = true,
    .lossless = true,
    .escapes = true,
    .open = stdio_open,
    .close = stdio_close,
};

/* QEMU's spelling of the same with a monitor, which Ctrl-A commands stand for. */
const struct chardev_ops chardev_stdio_monitor = {
    .prefix = "mon:stdio",
    .exact = true,
    .lossless = true,
    .escapes = true,
    .open = stdio_open,
    .close = stdio_close,
};

/* Standard output alone. */
static enum status stdout_open(struct chardev *chardev, const char *rest, struct error *err)
{
    (void)rest;
    (void)err;
    chardev->out = STDOUT_FILENO;
    return STATUS_OK;
}

const struct chardev_ops chardev_stdout = {
    .prefix = "stdio", .exact = true, .lossless = true, .open = stdout_open, .close = stdio_close};

static enum status null_open(struct chardev *chardev, const char *rest, struct error *err)
{
    (void)chardev;
    (void)rest;
    (void)err;
    return STATUS_OK;
}

static void null_close(struct chardev *chardev)
{
    (void)chardev;
}

const struct chardev_ops chardev_null = {
    .prefix = "null", .exact = true, .open = null_open, .close = null_close};
