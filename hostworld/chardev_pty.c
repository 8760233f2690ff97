/* A serial port on a pseudo-terminal of the host; its name is in the notice. */
#include "hostworld/chardev_priv.h"

#include "base/check.h"

#include <stdio.h>

static enum status pty_open(struct chardev *chardev, const char *rest, struct error *err)
{
    char name[128], notice[160];
    (void)rest;
    TRY(host_pty_open(&chardev->in, &chardev->extra, name, sizeof name, err));
    chardev->out = chardev->in;
    snprintf(notice, sizeof notice, "pseudo-terminal %s", name);
    chardev->notice = xstrdup(notice);
    return STATUS_OK;
}

const struct chardev_ops chardev_pty = {
    .prefix = "pty", .exact = true, .open = pty_open, .close = chardev_disconnect};
