/* What a kind of character back end provides; chardev.c does the rest. */
#ifndef CROSSPAGE_HOSTWORLD_CHARDEV_PRIV_H
#define CROSSPAGE_HOSTWORLD_CHARDEV_PRIV_H

#include "base/host_stream.h"
#include "hostworld/chardev.h"

enum { CHARDEV_OUT = 1 << 16, CHARDEV_IN = 4096 };

struct chardev_ops {
    const char *prefix; /* of the specification */
    bool exact;         /* nothing may follow the prefix */
    bool lossless;      /* output waits for the host instead of being dropped */
    bool escapes;       /* Ctrl-A commands */
    enum status (*open)(struct chardev *chardev, const char *rest, struct error *err);
    void (*poll)(struct chardev *chardev); /* look after the connection; may be NULL */
    void (*close)(struct chardev *chardev);
};

struct chardev {
    const struct chardev_ops *ops;
    const struct char_port_ops *port;
    void *port_ctx;
    int in, out; /* descriptors, -1 = none */
    int extra;   /* listener, slave side */
    struct host_terminal *terminal;
    char *notice;
    bool waits;  /* for a caller, in chardev_wait() */
    bool escape; /* the last input byte was Ctrl-A */
    bool quit;
    bool failed; /* lossless output could not be written */
    size_t out_count, in_at, in_count;
    uint8_t in_bytes[CHARDEV_IN];
    uint8_t out_bytes[CHARDEV_OUT];
};

extern const struct chardev_ops chardev_stdio, chardev_stdio_monitor, chardev_file, chardev_tcp, chardev_pty,
    chardev_null, chardev_stdout;

/* The other side is gone: forget the connection. */
void chardev_disconnect(struct chardev *chardev);

#endif
