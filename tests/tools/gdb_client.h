/* A program at the other end of a gdb stub: speaks the protocol, or anything but. */
#ifndef CROSSPAGE_TESTS_TOOLS_GDB_CLIENT_H
#define CROSSPAGE_TESTS_TOOLS_GDB_CLIENT_H

#include "base/types.h"

enum { CLIENT_TEXT = 40000 };

struct gdb_client {
    int fd;
    char reply[CLIENT_TEXT]; /* the data of the last packet that came */
};

/* In a child process: nothing of the parent's stays open, above all not the socket that it listens at. */
void client_isolate(void);
/* False: nobody listens. */
bool client_try(struct gdb_client *client, const char *path);
/* Tries for some seconds; exits the process when nobody listens. */
void client_connect(struct gdb_client *client, const char *path);
void client_hang_up(struct gdb_client *client);

void client_send_raw(struct gdb_client *client, const void *bytes, size_t size);
void client_send(struct gdb_client *client, const char *packet);
/* Waits for a packet; false: the other side hung up. */
bool client_receive(struct gdb_client *client);
/* Both; exits the process when no answer comes. */
const char *client_ask(struct gdb_client *client, const char *packet);
/* The same, and the answer must begin so. */
void client_expect(struct gdb_client *client, const char *packet, const char *start);
/* Register number `n`, 4 bytes. */
uint32_t client_register(struct gdb_client *client, unsigned n);

#endif
