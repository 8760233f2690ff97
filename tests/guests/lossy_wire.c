/* A wire between two QEMU socket network devices that loses frames: every datagram that arrives on one port
 * goes to the peer of the other, except for every Nth in each direction. Ends with its parent's kill.
 *
 * Usage: lossy_wire PORT-A TO-A PORT-B TO-B LOSE-EVERY-NTH     (UDP on the loopback address) */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static int udp_socket(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((unsigned short)atoi(port)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        perror("lossy_wire");
        exit(1);
    }
    return fd;
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return 2;
    struct pollfd ends[2] = {{udp_socket(argv[1]), POLLIN, 0}, {udp_socket(argv[3]), POLLIN, 0}};
    long count[2] = {0, 0}, nth = atol(argv[5]);
    for (;;) {
        char frame[2048];
        if (poll(ends, 2, -1) < 0)
            return 1;
        for (int i = 0; i < 2; i++) {
            if (!(ends[i].revents & POLLIN))
                continue;
            ssize_t length = recv(ends[i].fd, frame, sizeof frame, 0);
            struct sockaddr_in to = {.sin_family = AF_INET,
                                     .sin_port = htons((unsigned short)atoi(argv[i == 0 ? 4 : 2])),
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
            if (length > 0 && ++count[i] % nth != 0)
                sendto(ends[1 - i].fd, frame, (size_t)length, 0, (struct sockaddr *)&to, sizeof to);
        }
    }
}
