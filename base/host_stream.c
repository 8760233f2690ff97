/* Streams on POSIX hosts. poll(2) with a zero timeout asks whether a call would wait. */
#define _GNU_SOURCE
#include "base/host_stream.h"

#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

static bool ready(int fd, short events)
{
    struct pollfd poller = {.fd = fd, .events = events};
    return poll(&poller, 1, 0) > 0;
}

int host_stream_read(int fd, void *to, size_t size)
{
    if (!ready(fd, POLLIN))
        return STREAM_LATER;
    ssize_t got = read(fd, to, size);
    if (got < 0)
        /* EIO: a pseudo-terminal nobody has open. */
        return errno == EINTR || errno == EAGAIN || errno == EIO ? STREAM_LATER : STREAM_CLOSED;
    return got == 0 ? STREAM_CLOSED : (int)got;
}

/* Only sockets and pseudo-terminals come here; both are non-blocking. */
int host_stream_write(int fd, const void *from, size_t size)
{
    ssize_t put = send(fd, from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (put < 0 && errno == ENOTSOCK)
        put = write(fd, from, size);
    if (put < 0)
        return errno == EINTR || errno == EAGAIN || errno == EIO ? STREAM_LATER : STREAM_CLOSED;
    return (int)put;
}

bool host_stream_write_all(int fd, const void *from, size_t size)
{
    const char *at = from;
    while (size > 0) {
        ssize_t put = write(fd, at, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0 && errno == EAGAIN) { /* a terminal somebody else made non-blocking */
            struct pollfd poller = {.fd = fd, .events = POLLOUT};
            poll(&poller, 1, 1000);
            continue;
        }
        if (put <= 0)
            return false;
        at += put;
        size -= (size_t)put;
    }
    return true;
}

void host_stream_close(int fd)
{
    if (fd >= 0)
        close(fd);
}

/* Only for descriptors that are ours alone: the flag belongs to the open file, not to the process. */
static void set_nonblocking(int fd)
{
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/* ---- TCP ---- */

static enum status tcp_open(int *fd, const char *host, const char *port, bool server, struct error *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = server ? AI_PASSIVE : 0};
    struct addrinfo *list;
    const char *name = *host ? host : NULL;
    const char *shown = *host ? host : server ? "*" : "localhost";
    int failure = getaddrinfo(name, port, &hints, &list), reason = 0;
    if (failure != 0)
        return status_fail(err, STATUS_BAD_INPUT, "tcp address '%s:%s': %s", shown, port,
                           gai_strerror(failure));
    *fd = -1;
    for (struct addrinfo *a = list; a != NULL && *fd < 0; a = a->ai_next) {
        int one = 1, s = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (s < 0) {
            reason = errno;
            continue;
        }
        setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        int result = server ? bind(s, a->ai_addr, a->ai_addrlen) : connect(s, a->ai_addr, a->ai_addrlen);
        if (result == 0 && (!server || listen(s, 1) == 0)) {
            *fd = s;
        } else {
            reason = errno;
            close(s);
        }
    }
    freeaddrinfo(list);
    if (*fd < 0)
        return status_fail(err, STATUS_HOST, "cannot %s tcp %s:%s: %s", server ? "listen on" : "connect to",
                           shown, port, strerror(reason));
    set_nonblocking(*fd);
    return STATUS_OK;
}

enum status host_tcp_listen(int *fd, const char *host, const char *port, struct error *err)
{
    return tcp_open(fd, host, port, true, err);
}

enum status host_tcp_connect(int *fd, const char *host, const char *port, struct error *err)
{
    return tcp_open(fd, host, port, false, err);
}

int host_tcp_accept(int listener, bool wait)
{
    if (wait) {
        struct pollfd poller = {.fd = listener, .events = POLLIN};
        while (poll(&poller, 1, 200) == 0) {
            sigset_t pending;
            if (sigpending(&pending) == 0 &&
                (sigismember(&pending, SIGINT) || sigismember(&pending, SIGTERM)))
                return -1;
        }
    }
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    return fd;
}

unsigned host_tcp_port(int listener)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    if (getsockname(listener, (struct sockaddr *)&address, &size) != 0)
        return 0;
    if (address.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
    return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

/* ---- Sockets in the file system ---- */

/* Is it a socket that nobody listens on? */
static bool abandoned(const struct sockaddr_un *address)
{
    struct stat found;
    if (lstat(address->sun_path, &found) != 0 || !S_ISSOCK(found.st_mode))
        return false;
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool refused =
        connect(s, (const struct sockaddr *)address, sizeof *address) != 0 && errno == ECONNREFUSED;
    close(s);
    return refused;
}

/* Between bind() and listen() there is a name that refuses callers. So the socket listens under a name of its
 * own before it gets the one that others know. */
static bool bind_and_listen(int s, const char *path)
{
    struct sockaddr_un own = {.sun_family = AF_UNIX};
    snprintf(own.sun_path, sizeof own.sun_path, "%s.%d", path, (int)getpid());
    unlink(own.sun_path);
    bool good = bind(s, (const struct sockaddr *)&own, sizeof own) == 0 && listen(s, 1) == 0 &&
                link(own.sun_path, path) == 0;
    int reason = errno == EEXIST ? EADDRINUSE : errno;
    unlink(own.sun_path);
    errno = reason;
    return good;
}

enum status host_unix_listen(int *fd, const char *path, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t longest = sizeof address.sun_path - sizeof ".1234567890";
    *fd = -1;
    if (*path == '\0' || strlen(path) > longest)
        return status_fail(err, STATUS_BAD_INPUT, "a socket's path has 1 to %zu characters", longest);
    strcpy(address.sun_path, path);
    if (abandoned(&address))
        unlink(path);
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s < 0 || !bind_and_listen(s, path)) {
        int reason = errno;
        host_stream_close(s);
        return status_fail(err, STATUS_HOST, "cannot listen on socket '%s': %s", path, strerror(reason));
    }
    *fd = s;
    set_nonblocking(s);
    return STATUS_OK;
}

void host_unix_remove(int fd, const char *path)
{
    if (fd < 0)
        return;
    close(fd);
    unlink(path);
}

/* ---- Waiting ---- */

void host_stream_wait(const struct host_wait *list, unsigned count, unsigned milliseconds)
{
    enum { MOST = 16 };
    struct pollfd pollers[MOST];
    unsigned used = 0;
    for (unsigned i = 0; i < count && used < MOST; i++)
        if (list[i].fd >= 0)
            pollers[used++] =
                (struct pollfd){.fd = list[i].fd, .events = (short)(POLLIN | (list[i].write ? POLLOUT : 0))};
    poll(pollers, used, (int)milliseconds);
}

static short poll_bits(unsigned events)
{
    return (short)((events & HOST_POLL_IN ? POLLIN : 0) | (events & HOST_POLL_OUT ? POLLOUT : 0) |
                   (events & HOST_POLL_URGENT ? POLLPRI : 0));
}

static unsigned poll_events(short bits)
{
    return (bits & POLLIN ? HOST_POLL_IN : 0u) | (bits & POLLOUT ? HOST_POLL_OUT : 0u) |
           (bits & POLLPRI ? HOST_POLL_URGENT : 0u) | (bits & POLLERR ? HOST_POLL_ERROR : 0u) |
           (bits & POLLHUP ? HOST_POLL_CLOSED : 0u);
}

bool host_poll(struct host_poll *list, unsigned count, unsigned milliseconds)
{
    struct pollfd *pollers = xcalloc(count + 1, sizeof *pollers);
    for (unsigned i = 0; i < count; i++)
        pollers[i] = (struct pollfd){.fd = list[i].fd, .events = poll_bits(list[i].wanted)};
    bool good = poll(pollers, count, (int)milliseconds) >= 0 || errno == EINTR;
    for (unsigned i = 0; i < count; i++)
        list[i].got = good ? poll_events(pollers[i].revents) : 0;
    free(pollers);
    return good;
}

/* ---- Pseudo-terminals ---- */

enum status host_pty_open(int *master, int *slave, char *name, size_t name_size, struct error *err)
{
    char path[128];
    struct termios raw;
    if (openpty(master, slave, path, NULL, NULL) != 0)
        return status_fail(err, STATUS_HOST, "cannot open a pseudo-terminal: %s", strerror(errno));
    if (tcgetattr(*slave, &raw) == 0) {
        cfmakeraw(&raw);
        tcsetattr(*slave, TCSANOW, &raw);
    }
    set_nonblocking(*master);
    snprintf(name, name_size, "%s", path);
    return STATUS_OK;
}
