/* The line between the machine and a program or person that looks into it: a gdb, or whoever types at the
 * monitor.
 *
 *   tcp:[HOST]:PORT     one caller at a time; without HOST only callers of this computer (127.0.0.1)
 *   unix:PATH           the same in the file system
 *   stdio               standard input and output
 *
 * QEMU's words after a comma (server, nowait, server=on, wait=off) say what is done here anyway and are
 * accepted. Nothing here waits. Who does not read what is sent to him is hung up on. */
#ifndef CROSSPAGE_TOOLS_DEBUGGER_LINK_H
#define CROSSPAGE_TOOLS_DEBUGGER_LINK_H

#include "base/host_stream.h"

struct link;

enum status link_open(struct link **link, const char *spec, struct error *err) MUST_CHECK;
/* Sends what it can of what is left. NULL is nothing to do. */
void link_close(struct link *link);

bool link_is_stdio(const struct link *link);
/* What the user has to know to connect, or NULL. */
const char *link_notice(const struct link *link);

/* Take a caller, fetch what he sent, send what waits. True when there is something new: bytes, a caller, or
 * that the caller is gone. */
bool link_poll(struct link *link);
bool link_connected(const struct link *link);
/* The number of callers so far: tells a new one from the one before. */
unsigned link_callers(const struct link *link);

/* The next byte that came: to look at, to take. */
bool link_peek(const struct link *link, uint8_t *byte);
bool link_get(struct link *link, uint8_t *byte);
void link_put(struct link *link, const void *from, size_t size);
void link_hang_up(struct link *link);

/* What to wait for. */
struct host_wait link_wait(const struct link *link);

#endif
