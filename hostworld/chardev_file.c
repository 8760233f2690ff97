/* Serial output into a file. Nothing comes in. */
#include "hostworld/chardev_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static enum status file_open(struct chardev *chardev, const char *path, struct error *err)
{
    if (*path == '\0')
        return status_fail(err, STATUS_BAD_INPUT, "character device 'file:' needs a path");
    chardev->out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (chardev->out < 0)
        return status_fail(err, STATUS_NO_FILE, "cannot write '%s': %s", path, strerror(errno));
    return STATUS_OK;
}

const struct chardev_ops chardev_file = {
    .prefix = "file:", .lossless = true, .open = file_open, .close = chardev_disconnect};
