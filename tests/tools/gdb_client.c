/* The client of gdb_client.h: a socket and no more; what goes wrong is told on standard error, and the
 * process ends.
 */
#include "gdb_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void fail(const char *what, const char *got)
{
    fprintf(stderr, "gdb client: %s: '%.200s'\n", what, got);
    _exit(1);
}

void client_isolate(void)
{
    for (int fd = 3; fd < 256; fd++)
        close(fd);
}

bool client_try(struct gdb_client *client, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    client->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(client->fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return true;
    client_hang_up(client);
    return false;
}

void client_connect(struct gdb_client *client, const char *path)
{
    for (unsigned tries = 0; tries < 1000; tries++) {
        if (client_try(client, path))
            return;
        usleep(10000);
    }
    fail("nobody listens", path);
}

void client_hang_up(struct gdb_client *client)
{
    close(client->fd);
    client->fd = -1;
}

void client_send_raw(struct gdb_client *client, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size > 0) {
        ssize_t put = send(client->fd, at, size, MSG_NOSIGNAL);
        if (put <= 0)
            return; /* hung up: the next receive says so */
        at += put;
        size -= (size_t)put;
    }
}

void client_send(struct gdb_client *client, const char *packet)
{
    char wire[CLIENT_TEXT];
    unsigned sum = 0;
    for (const char *at = packet; *at; at++)
        sum += (unsigned char)*at;
    int size = snprintf(wire, sizeof wire, "$%s#%02x", packet, sum & 0xFF);
    client_send_raw(client, wire, (size_t)size);
}

static bool get(struct gdb_client *client, char *c)
{
    return recv(client->fd, c, 1, 0) == 1;
}

bool client_receive(struct gdb_client *client)
{
    char c = 0, sum[2];
    size_t size = 0;
    while (c != '$')
        if (!get(client, &c))
            return false;
    for (;;) {
        if (!get(client, &c))
            return false;
        if (c == '#')
            break;
        if (size + 1 < sizeof client->reply)
            client->reply[size++] = c;
    }
    client->reply[size] = '\0';
    bool whole = get(client, &sum[0]) && get(client, &sum[1]);
    client_send_raw(client, "+", 1);
    return whole;
}

const char *client_ask(struct gdb_client *client, const char *packet)
{
    client_send(client, packet);
    if (!client_receive(client))
        fail("no answer", packet);
    return client->reply;
}

void client_expect(struct gdb_client *client, const char *packet, const char *start)
{
    client_ask(client, packet);
    if (strncmp(client->reply, start, strlen(start)) != 0) {
        fprintf(stderr, "gdb client: '%.100s' should begin with '%s'\n", packet, start);
        fail("the answer is", client->reply);
    }
}

uint32_t client_register(struct gdb_client *client, unsigned n)
{
    char packet[16], byte[3] = "";
    uint32_t value = 0;
    snprintf(packet, sizeof packet, "p%x", n);
    const char *text = client_ask(client, packet);
    if (strlen(text) != 8)
        fail("a register of 4 bytes", text);
    for (unsigned i = 0; i < 4; i++) {
        memcpy(byte, text + 2 * i, 2);
        value |= (uint32_t)strtoul(byte, NULL, 16) << 8 * i;
    }
    return value;
}
