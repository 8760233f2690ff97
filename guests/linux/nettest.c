/* nettest: the workload of Sugerman, Venkitachalam and Lim (USENIX 2001, section 3.1) for Linux: one TCP
 * connection, a total amount and a size per write() or read() chosen by the user; the same memory is sent
 * again and again and what arrives is thrown away, so neither disk nor paging takes part. Prints bytes,
 * seconds and megabits per second.
 *
 *     nettest -s HOST [-r] [-p PORT] [-t TOTAL] [-w SIZE]     connect and send (with -r: receive)
 *     nettest -s HOST -u [-p PORT] [-t TOTAL] [-w SIZE]       the same as datagrams, which nobody
 * acknowledges nettest -l [-r] [-p PORT] [-t TOTAL] [-w SIZE]          the same after waiting for one
 * connection
 *
 * The clock runs from the connection's start until the peer is known to have taken everything: the sender
 * shuts its side down and waits for the peer's end of stream. Of datagrams, until the card has the last one.
 * HOST is a numeric IPv4 address: a static program cannot load resolver modules. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    PORT_SINK = 9,    /* discard */
    PORT_SOURCE = 19, /* chargen */
    SIZE_MAX_BYTES = 64 << 20,
    PEER_WAIT = 60, /* seconds for the peer's end of stream */
};

struct options {
    struct in_addr host;
    bool has_host, listens, receives, datagrams;
    uint16_t port;
    uint64_t total;
    size_t size;
};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "nettest: %s: %s\n", what, strerror(errno));
    exit(1);
}

static _Noreturn void usage(const char *problem)
{
    fprintf(stderr,
            "nettest: %s\n"
            "usage: nettest -s HOST | -l  [-r | -u] [-p PORT] [-t TOTAL] [-w SIZE]\n"
            "  -s HOST   connect to this IPv4 address\n"
            "  -l        wait for one connection instead\n"
            "  -r        receive (otherwise: send)\n"
            "  -u        send datagrams (UDP)\n"
            "  -p PORT   default 9 (discard) to send, 19 (chargen) to receive\n"
            "  -t TOTAL  bytes in all, default 100M\n"
            "  -w SIZE   bytes per write() or read(), default 4096\n"
            "Numbers may end in k or M.\n",
            problem);
    exit(2);
}

/* A number from 1 to `max` with an optional k or M. */
static uint64_t number(const char *text, uint64_t max)
{
    char *end;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10), unit = 1;
    if (*end == 'k' || *end == 'M')
        unit = *end++ == 'k' ? 1024 : 1024 * 1024;
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value == 0 || value > max / unit)
        usage("not a number in the range of this option");
    return value * unit;
}

static struct options options_parse(int argc, char **argv)
{
    struct options o = {.total = 100u << 20, .size = 4096};
    int letter;
    while ((letter = getopt(argc, argv, "s:lrup:t:w:")) != -1) {
        switch (letter) {
        case 's':
            if (inet_pton(AF_INET, optarg, &o.host) != 1)
                usage("HOST must be an IPv4 address");
            o.has_host = true;
            break;
        case 'l': o.listens = true; break;
        case 'r': o.receives = true; break;
        case 'u': o.datagrams = true; break;
        case 'p': o.port = (uint16_t)number(optarg, 65535); break;
        case 't': o.total = number(optarg, UINT64_MAX / 8); break;
        case 'w': o.size = (size_t)number(optarg, SIZE_MAX_BYTES); break;
        default: usage("unknown option");
        }
    }
    if (optind != argc || o.has_host == o.listens)
        usage("give either -s HOST or -l");
    if (o.datagrams && (o.listens || o.receives))
        usage("datagrams are sent to a HOST");
    if (o.port == 0)
        o.port = o.receives ? PORT_SOURCE : PORT_SINK;
    return o;
}

static int socket_open(const struct options *o)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(o->port), .sin_addr = o->host};
    int one = 1, fd = socket(AF_INET, o->datagrams ? SOCK_DGRAM : SOCK_STREAM, 0);
    if (fd < 0)
        die("socket");
    if (o->has_host) {
        if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
            die("connect");
        return fd;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 1) != 0)
        die("listen");
    int connection = accept(fd, NULL, NULL);
    if (connection < 0)
        die("accept");
    close(fd);
    return connection;
}

static size_t chunk(const struct options *o, uint64_t done)
{
    return o->total - done < o->size ? (size_t)(o->total - done) : o->size;
}

static void fill(const struct options *o, char *buffer)
{
    for (size_t i = 0; i < o->size; i++)
        buffer[i] = (char)('a' + i % 26);
}

/* Everything has left the socket's queue and the card's ring, which is when the memory is given back. */
static uint64_t run_datagrams(int fd, const struct options *o, char *buffer)
{
    const struct timespec pause = {.tv_nsec = 100000};
    uint64_t done = 0;
    int queued = 1;
    fill(o, buffer);
    while (done < o->total) {
        ssize_t count = write(fd, buffer, chunk(o, done));
        if (count < 0 && errno != ECONNREFUSED) /* somebody said so of an earlier one */
            die("write");
        done += count < 0 ? 0 : (uint64_t)count;
    }
    while (ioctl(fd, SIOCOUTQ, &queued) == 0 && queued > 0)
        nanosleep(&pause, NULL);
    return done;
}

/* Everything is written and the peer has closed its side, or has gone on receiving for PEER_WAIT seconds. */
static uint64_t run_send(int fd, const struct options *o, char *buffer)
{
    uint64_t done = 0;
    fill(o, buffer);
    while (done < o->total) {
        ssize_t count = write(fd, buffer, chunk(o, done));
        if (count < 0)
            die("write");
        done += (uint64_t)count;
    }
    struct timeval limit = {.tv_sec = PEER_WAIT};
    if (shutdown(fd, SHUT_WR) != 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0)
        die("shutdown");
    ssize_t rest;
    while ((rest = read(fd, buffer, o->size)) > 0)
        ;
    if (rest < 0)
        die("waiting for the peer to close");
    return done;
}

static uint64_t run_receive(int fd, const struct options *o, char *buffer)
{
    uint64_t done = 0;
    while (done < o->total) {
        ssize_t count = read(fd, buffer, chunk(o, done));
        if (count < 0)
            die("read");
        if (count == 0)
            break;
        done += (uint64_t)count;
    }
    return done;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    struct options o = options_parse(argc, argv);
    char *buffer = malloc(o.size);
    if (buffer == NULL)
        die("malloc");
    signal(SIGPIPE, SIG_IGN);
    int fd = socket_open(&o);
    double start = now();
    uint64_t bytes = (o.receives ? run_receive : o.datagrams ? run_datagrams : run_send)(fd, &o, buffer);
    double seconds = now() - start;
    close(fd);
    free(buffer);
    printf("nettest: %s %" PRIu64 " bytes in %.6f s, %.2f Mb/s\n", o.receives ? "received" : "sent", bytes,
           seconds, seconds > 0 ? (double)bytes * 8 / seconds / 1e6 : 0);
    if (bytes != o.total) {
        fprintf(stderr, "nettest: the peer closed early\n");
        return 1;
    }
    return 0;
}
