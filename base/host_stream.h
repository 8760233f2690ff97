/* Byte streams of the host: terminal, pipes, sockets, pseudo-terminals. Nothing here waits, except where it
 * says so. */
#ifndef CROSSPAGE_BASE_HOST_STREAM_H
#define CROSSPAGE_BASE_HOST_STREAM_H

#include "base/status.h"

/* Results of host_stream_read and host_stream_write besides a number of bytes. */
enum { STREAM_LATER = 0, STREAM_CLOSED = -1 };

/* What is there now, up to `size` bytes. Does not change the descriptor's flags, so it is safe on a terminal
 * that other programs share. */
int host_stream_read(int fd, void *to, size_t size);

/* What fits now. */
int host_stream_write(int fd, const void *from, size_t size);

/* Everything; waits. False when the other side is gone. */
bool host_stream_write_all(int fd, const void *from, size_t size) MUST_CHECK;

/* TCP. An empty host means all addresses when listening, the loopback when connecting. Connecting waits. */
enum status host_tcp_listen(int *fd, const char *host, const char *port, struct error *err) MUST_CHECK;
enum status host_tcp_connect(int *fd, const char *host, const char *port, struct error *err) MUST_CHECK;
/* A caller, or -1. With `wait`, waits for one; a signal held back by host_terminal_hold_signals ends that. */
int host_tcp_accept(int listener, bool wait);
/* The port a listener got (useful after asking for port 0). */
unsigned host_tcp_port(int listener);

/* A socket in the file system; what is left there of a program that ended is removed. Then as a TCP listener.
 * Whoever sees its name can connect. */
enum status host_unix_listen(int *fd, const char *path, struct error *err) MUST_CHECK;
/* Closes the listener and removes its name. */
void host_unix_remove(int fd, const char *path);

/* Waits until one of the descriptors has something to read, or room to write where `write` says so; or for
 * `milliseconds`; or until a signal comes. Descriptors that are -1 are none. */
struct host_wait {
    int fd;
    bool write;
};
void host_stream_wait(const struct host_wait *list, unsigned count, unsigned milliseconds);

/* poll(2) on descriptors of somebody else's: what is wanted of each, and what there is. False: it failed. */
enum host_poll_event {
    HOST_POLL_IN = 1,
    HOST_POLL_OUT = 2,
    HOST_POLL_URGENT = 4,
    HOST_POLL_ERROR = 8,
    HOST_POLL_CLOSED = 16,
};
struct host_poll {
    int fd;
    unsigned wanted, got;
};
bool host_poll(struct host_poll *list, unsigned count, unsigned milliseconds);

/* A pseudo-terminal in raw mode: its master, and the name to attach to. `slave` is kept open so that the
 * master survives the coming and going of terminals. */
enum status host_pty_open(int *master, int *slave, char *name, size_t name_size,
                          struct error *err) MUST_CHECK;

void host_stream_close(int fd);

/* ---- The terminal we run on ---- */

struct host_terminal; /* remembers how it was */

/* Standard input in raw mode, if it is a terminal (else NULL): every key goes to the guest. Ending signals
 * are held back from now on, see host_terminal_interrupted, so that there is always somebody to restore it.
 */
struct host_terminal *host_terminal_raw(void);
void host_terminal_restore(struct host_terminal *terminal);

/* Before an abort, which has no struct host_terminal at hand: a terminal that looks as host_terminal_raw left
 * it gets line mode and echo back. */
void host_terminal_rescue(void);

/* Has a signal asked us to end (SIGINT, SIGTERM, SIGHUP) since host_terminal_raw? */
bool host_terminal_interrupted(const struct host_terminal *terminal);

#endif
