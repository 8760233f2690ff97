/* A wire between two QEMU socket network devices that loses frames: every datagram that arrives on one port
 * goes to the peer of the other, except for every Nth in each direction. Ends with its parent's kill.
 *
 * Usage: lossy_wire LOSE-EVERY-NTH     (UDP on the loopback address)
 *
 * Prints port A; A is an end of the wire and goes to A + 1, so is A + 2 and goes to A + 3. All four are free
 * when it says so, and below those that systems give away by themselves. */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LOWEST = 20000, GROUPS = 3000 };

static struct sockaddr_in loopback(unsigned port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((unsigned short)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* The first of four ports, of which two are ours then. */
static unsigned find_ports(struct pollfd ends[2])
{
    for (unsigned i = 0; i < GROUPS; i++) {
        unsigned first = LOWEST + ((unsigned)getpid() + i) % GROUPS * 4, bound = 0;
        int fd[4];
        for (unsigned n = 0; n < 4; n++) {
            struct sockaddr_in address = loopback(first + n);
            fd[n] = socket(AF_INET, SOCK_DGRAM, 0);
            bound += bind(fd[n], (struct sockaddr *)&address, sizeof address) == 0;
        }
        close(fd[1]);
        close(fd[3]);
        ends[0] = (struct pollfd){fd[0], POLLIN, 0};
        ends[1] = (struct pollfd){fd[2], POLLIN, 0};
        if (bound == 4)
            return first;
        close(fd[0]);
        close(fd[2]);
    }
    fprintf(stderr, "lossy_wire: no free ports\n");
    exit(1);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    struct pollfd ends[2];
    unsigned first = find_ports(ends);
    printf("%u\n", first);
    fflush(stdout);
    long count[2] = {0, 0}, nth = atol(argv[1]);
    for (;;) {
        char frame[2048];
        if (poll(ends, 2, -1) < 0)
            return 1;
        for (unsigned i = 0; i < 2; i++) {
            if (!(ends[i].revents & POLLIN))
                continue;
            ssize_t length = recv(ends[i].fd, frame, sizeof frame, 0);
            struct sockaddr_in to = loopback(first + (i == 0 ? 3 : 1));
            if (length > 0 && ++count[i] % nth != 0)
                sendto(ends[1 - i].fd, frame, (size_t)length, 0, (struct sockaddr *)&to, sizeof to);
        }
    }
}
